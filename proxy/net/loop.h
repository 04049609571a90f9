/* A worker's event loop: sockets by epoll, level-triggered, and timers in a heap.
 *
 * The relay asks little of a loop and asks it twice a query: who is ready? So the loop is small, the structs
 * lie in what they belong to, and nothing is allocated or locked for an event (docs/design.md tells what that
 * is worth beside a general library). The main thread, with signals and the admin socket, has libevent.
 *
 * All of it in the loop's own thread only; before loop_run() in the thread that made it. */
#ifndef PROXY_NET_LOOP_H
#define PROXY_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

enum { LOOP_READ = EPOLLIN, LOOP_WRITE = EPOLLOUT };

/* One descriptor that is waited for. An error or a hang-up of its other end counts as what is wanted. */
struct watch {
    int fd;
    uint32_t wants; /* LOOP_READ | LOOP_WRITE, as loop_watch() was told; to be read only */
    /* `what`: LOOP_READ or LOOP_WRITE; when both are there, it is called twice, with LOOP_WRITE first. It may
     * end any watch and timer, its own too, and free them. */
    void (*ready)(struct watch *w, uint32_t what);
    void *arg; /* the owner's */
};

/* What happens once, some time from now. */
struct timer {
    void (*over)(struct timer *t); /* may set it again, or free it */
    void *arg;                     /* the owner's */
    uint64_t due;                  /* the loop's own: by the monotonic clock, in ms */
    size_t place;                  /* in the heap, from 1; 0: not set */
};

struct loop *loop_new(void); /* NULL: out of memory or descriptors */
void loop_free(struct loop *l);

/* Runs until loop_stop(), from within a callback: then returns behind that callback. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* What is wanted of w->fd from now on; 0: nothing, to be said before the descriptor is closed. Nothing is
 * asked of the kernel where that is so already. false: out of memory, and it stays as it was. */
bool loop_watch(struct loop *l, struct watch *w, uint32_t wants);

/* Nothing is wanted any more of a descriptor that is closed next: that takes it from the kernel's set. */
void loop_forget(struct loop *l, struct watch *w);

/* LOOP_READ on a descriptor that several loops watch: mostly one of them is told. Ends as every watch. */
bool loop_share(struct loop *l, struct watch *w);

/* Calls t->over in `ms` > 0 milliseconds, or a little later; a timer that is set already is set anew. false:
 * out of memory, and it is not set. */
bool loop_timer(struct loop *l, struct timer *t, unsigned ms);
void loop_timer_end(struct loop *l, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return t->place != 0;
}

#endif
