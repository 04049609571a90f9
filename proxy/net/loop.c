/* The loop of loop.h. */
#include "proxy/net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/log.h"
#include "proxy/migration/clock.h"

#define BATCH 256 /* descriptors that are taken at a time */

struct loop {
    int epoll;
    bool stopped;
    struct timer **heap; /* heap[0]: the first that is due; the children of i are 2i+1 and 2i+2 */
    size_t timers, room;
    int at, count; /* the batch that is gone through: heads */
    struct epoll_event batch[BATCH];
};

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll >= 0)
        return l;
    free(l);
    return NULL;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    close(l->epoll);
    free(l->heap);
    free(l);
}

/* ---- descriptors ---- */

/* What the batch still says of a watch that has ended is not to be heard. */
static void silence(struct loop *l, const struct watch *w)
{
    for (int i = l->at; i < l->count; i++)
        if (l->batch[i].data.ptr == w) {
            l->batch[i].data.ptr = NULL;
            return;
        }
}

static bool control(struct loop *l, int what, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    return epoll_ctl(l->epoll, what, w->fd, &e) == 0;
}

bool loop_watch(struct loop *l, struct watch *w, uint32_t wants)
{
    if (w->wants == wants)
        return true;
    int what = wants == 0 ? EPOLL_CTL_DEL : w->wants == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (!control(l, what, w, wants))
        return false;
    w->wants = wants;
    if (wants == 0)
        silence(l, w);
    return true;
}

void loop_forget(struct loop *l, struct watch *w)
{
    if (w->wants == 0)
        return;
    w->wants = 0;
    silence(l, w);
}

bool loop_share(struct loop *l, struct watch *w)
{
    if (!control(l, EPOLL_CTL_ADD, w, LOOP_READ | EPOLLEXCLUSIVE))
        return false;
    w->wants = LOOP_READ;
    return true;
}

static void tell(struct epoll_event *e)
{
    struct watch *w = e->data.ptr;
    uint32_t seen = e->events;
    if (seen & (EPOLLERR | EPOLLHUP))
        seen |= LOOP_READ | LOOP_WRITE;
    if (w && (seen & w->wants & LOOP_WRITE))
        w->ready(w, LOOP_WRITE);
    w = e->data.ptr; /* it may have ended with that */
    if (w && (seen & w->wants & LOOP_READ))
        w->ready(w, LOOP_READ);
}

/* ---- timers ---- */

static uint64_t now_ms(void)
{
    return (uint64_t)clock_ms();
}

static void put(struct loop *l, size_t i, struct timer *t)
{
    l->heap[i] = t;
    t->place = i + 1;
}

/* Puts a timer where it belongs, from the free place i on: up, or else down. */
static void settle(struct loop *l, size_t i, struct timer *t)
{
    for (; i > 0 && t->due < l->heap[(i - 1) / 2]->due; i = (i - 1) / 2)
        put(l, i, l->heap[(i - 1) / 2]);
    for (size_t child; (child = 2 * i + 1) < l->timers; i = child) {
        if (child + 1 < l->timers && l->heap[child + 1]->due < l->heap[child]->due)
            child++;
        if (t->due <= l->heap[child]->due)
            break;
        put(l, i, l->heap[child]);
    }
    put(l, i, t);
}

bool loop_timer(struct loop *l, struct timer *t, unsigned ms)
{
    if (t->place == 0 && l->timers == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct timer **grown = realloc(l->heap, room * sizeof *grown);
        if (!grown)
            return false;
        l->heap = grown;
        l->room = room;
    }
    t->due = now_ms() + ms + 1; /* this millisecond has begun already */
    settle(l, t->place ? t->place - 1 : l->timers++, t);
    return true;
}

void loop_timer_end(struct loop *l, struct timer *t)
{
    if (t->place == 0)
        return;
    size_t i = t->place - 1;
    struct timer *last = l->heap[--l->timers];
    t->place = 0;
    if (last != t)
        settle(l, i, last);
}

static void run_timers(struct loop *l)
{
    if (l->timers == 0)
        return;
    uint64_t now = now_ms();
    while (!l->stopped && l->timers > 0 && l->heap[0]->due <= now) {
        struct timer *t = l->heap[0];
        loop_timer_end(l, t);
        t->over(t);
    }
}

/* For epoll_wait: ms until the first timer is due, or -1. */
static int patience(const struct loop *l)
{
    if (l->timers == 0)
        return -1;
    uint64_t now = now_ms(), due = l->heap[0]->due;
    return due <= now ? 0 : due - now < 60000 ? (int)(due - now) : 60000;
}

/* ---- running ---- */

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

void loop_run(struct loop *l)
{
    while (!l->stopped) {
        l->count = epoll_wait(l->epoll, l->batch, BATCH, patience(l));
        if (l->count < 0 && errno != EINTR) {
            log_error("epoll_wait: %s", strerror(errno));
            abort();
        }
        for (l->at = 0; l->at < l->count && !l->stopped; l->at++)
            tell(&l->batch[l->at]);
        l->count = 0;
        run_timers(l);
    }
}
