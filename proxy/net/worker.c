/* Worker threads, their messages and their pins; see worker.h and context.h.
 *
 * A message is a closure on a locked list; an eventfd wakes the worker's loop. Generations are a list,
 * newest first; one that is not the newest goes when its last pin goes. */
#include "proxy/net/context.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/log.h"
#include "protocol/packet.h"
#include "proxy/net/barrier.h"

struct message {
    struct message *next;
    void (*run)(struct worker *w, struct message *m); /* frees it */
    union {
        struct {
            int fd;
            struct accepted client;
        } accepted;
        struct {
            struct snapshot *snapshot; /* owned; NULL: adopted before the message's turn came */
            uint64_t number;           /* of the publication */
        } published;
        struct census *census;
        struct eviction *eviction;
        struct tls_contexts *tls; /* a reference */
        uint64_t ticket;
    };
};

struct generation {
    struct generation *older;
    struct snapshot *snapshot; /* a reference */
    uint64_t serial;
    unsigned pins;
};

struct worker {
    struct workers *all;
    unsigned index;
    struct event_base *base;
    struct event *woken;
    int wake_fd;
    pthread_t thread;
    bool started;
    void *data;
    bool draining, stopped;
    uint64_t ids, serials;
    struct tls_contexts *tls;  /* a reference */
    struct generation *newest; /* and the older ones that are still pinned, behind it */
    uint64_t adopted;          /* number of the publication that `newest` came with */
    struct message *taken;     /* off the list, and to be run next */

    pthread_mutex_t lock; /* over the messages */
    struct message *first, **last;
};

struct workers {
    const struct session_ops *ops;
    struct control_hooks hooks;
    struct backends *backends;
    struct barrier *barrier;
    struct tls_contexts *tls; /* a reference to the newest; of the thread that starts and configures */
    _Atomic(const struct config *) config;
    atomic_uint sessions;
    atomic_ullong accepted;
    atomic_ullong published;    /* number of the publication that is in force */
    pthread_mutex_t publishing; /* every worker sees the publications in one order */
    unsigned count, next;
    struct worker list[];
};

/* ---- messages ---- */

static struct message *message_new(void (*run)(struct worker *, struct message *))
{
    struct message *m = calloc(1, sizeof *m);
    if (m)
        m->run = run;
    return m;
}

static void post(struct worker *w, struct message *m)
{
    pthread_mutex_lock(&w->lock);
    bool wake = w->first == NULL;
    *w->last = m;
    w->last = &m->next;
    pthread_mutex_unlock(&w->lock);
    uint64_t one = 1;
    if (wake && write(w->wake_fd, &one, sizeof one) < 0)
        log_error("worker %u: cannot be woken: %s", w->index, strerror(errno));
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct worker *w = arg;
    uint64_t n;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
        log_error("worker %u: eventfd: %s", w->index, strerror(errno));
    pthread_mutex_lock(&w->lock);
    w->taken = w->first;
    w->first = NULL;
    w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    while (w->taken) {
        struct message *m = w->taken;
        w->taken = m->next;
        m->run(w, m);
    }
}

/* ---- generations and pins ---- */

static uint64_t oldest_generation(const struct worker *w)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct generation *g = w->newest; g; g = g->older)
        if (g->snapshot->generation < oldest)
            oldest = g->snapshot->generation;
    return oldest;
}

/* Drops the generations behind the newest that nobody holds. */
static bool sweep(struct worker *w)
{
    bool swept = false;
    struct generation **at = &w->newest->older;
    while (*at) {
        struct generation *g = *at;
        if (g->pins > 0) {
            at = &g->older;
            continue;
        }
        *at = g->older;
        snapshot_unref(g->snapshot);
        free(g);
        swept = true;
    }
    return swept;
}

static void adopt(struct worker *w, struct message *m)
{
    struct generation *g = calloc(1, sizeof *g);
    if (!g) { /* without it sessions would go on by old rules: nothing is safe any more */
        log_error("out of memory while a generation is adopted");
        abort();
    }
    *g = (struct generation){w->newest, m->published.snapshot, ++w->serials, 0};
    m->published.snapshot = NULL;
    w->newest = g;
    w->adopted = m->published.number;
    sweep(w);
    unsigned older = 0;
    for (const struct generation *o = g->older; o; o = o->older)
        older += o->pins;
    barrier_adopted(w->all->barrier, w->index, m->published.number, older, oldest_generation(w));
}

static void run_published(struct worker *w, struct message *m)
{
    if (m->published.snapshot)
        adopt(w, m);
    free(m);
    w->all->ops->adopted(w);
}

static void adopt_all(struct worker *w, struct message *m)
{
    for (; m; m = m->next)
        if (m->run == run_published && m->published.snapshot)
            adopt(w, m);
}

/* The publication's message is already in the list when its number is seen here; it only waits for its turn
 * behind the sockets that were ready before it. */
void worker_catch_up(struct worker *w)
{
    if (atomic_load_explicit(&w->all->published, memory_order_acquire) <= w->adopted)
        return;
    adopt_all(w, w->taken);
    pthread_mutex_lock(&w->lock);
    adopt_all(w, w->first);
    pthread_mutex_unlock(&w->lock);
}

struct generation *worker_pin(struct worker *w)
{
    w->newest->pins++;
    return w->newest;
}

void generation_pin_again(struct generation *g)
{
    g->pins++;
}

void worker_unpin(struct worker *w, struct generation *g)
{
    if (--g->pins == 0 && g != w->newest && sweep(w))
        barrier_retired(w->all->barrier, w->index, oldest_generation(w));
}

const struct snapshot *worker_newest(const struct worker *w)
{
    return w->newest->snapshot;
}

const struct snapshot *generation_snapshot(const struct generation *g)
{
    return g->snapshot;
}

uint64_t generation_serial(const struct generation *g)
{
    return g->serial;
}

uint64_t worker_newest_serial(const struct worker *w)
{
    return w->newest->serial;
}

bool generation_is_newest(const struct worker *w, const struct generation *g)
{
    return g == w->newest;
}

/* ---- what sessions ask ---- */

struct event_base *worker_base(struct worker *w)
{
    return w->base;
}

void *worker_data(struct worker *w)
{
    return w->data;
}

uint64_t worker_session_id(struct worker *w)
{
    return ++w->ids * w->all->count + w->index;
}

void worker_session_ended(struct worker *w)
{
    atomic_fetch_sub(&w->all->sessions, 1);
}

bool worker_draining(const struct worker *w)
{
    return w->draining;
}

struct backends *worker_backends(struct worker *w)
{
    return w->all->backends;
}

struct tls_contexts *worker_tls(const struct worker *w)
{
    return w->tls;
}

const struct config *worker_config(const struct worker *w)
{
    return workers_config(w->all);
}

const struct control_hooks *worker_hooks(const struct worker *w)
{
    return &w->all->hooks;
}

/* ---- the publisher ---- */

static void publish(void *ctx, struct snapshot *s)
{
    struct workers *ws = ctx;
    pthread_mutex_lock(&ws->publishing);
    uint64_t number = barrier_published(ws->barrier, s->generation);
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_published);
        if (!m) {
            log_error("out of memory while a generation is published");
            abort();
        }
        m->published.snapshot = snapshot_ref(s);
        m->published.number = number;
        post(&ws->list[i], m);
    }
    atomic_store_explicit(&ws->published, number, memory_order_release);
    barrier_in_force(ws->barrier, number);
    pthread_mutex_unlock(&ws->publishing);
}

static bool wait_for(void *ctx, uint64_t generation, unsigned timeout_ms, struct barrier_result *out)
{
    return barrier_wait(((struct workers *)ctx)->barrier, generation, timeout_ms, out);
}

static void run_catalog_read(struct worker *w, struct message *m)
{
    w->all->ops->catalog_read(w, m->ticket);
    free(m);
}

static void catalog_read(void *ctx, uint64_t ticket)
{
    struct workers *ws = ctx;
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_catalog_read);
        if (!m)
            return; /* the sessions' own time limit lets the answers go */
        m->ticket = ticket;
        post(&ws->list[i], m);
    }
}

/* One listing of all sessions: the workers add to it in turn. */
struct census {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned missing;
    struct session_info *infos;
    size_t count;
};

static void run_census(struct worker *w, struct message *m)
{
    struct census *c = m->census;
    free(m);
    pthread_mutex_lock(&c->lock);
    w->all->ops->list(w, &c->infos, &c->count);
    c->missing--;
    pthread_cond_signal(&c->done);
    pthread_mutex_unlock(&c->lock);
}

static struct session_info *list_sessions(void *ctx, size_t *count)
{
    struct workers *ws = ctx;
    struct census c = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_census);
        if (!m)
            break;
        m->census = &c;
        pthread_mutex_lock(&c.lock);
        c.missing++;
        pthread_mutex_unlock(&c.lock);
        post(&ws->list[i], m);
    }
    pthread_mutex_lock(&c.lock);
    while (c.missing > 0)
        pthread_cond_wait(&c.done, &c.lock);
    pthread_mutex_unlock(&c.lock);
    *count = c.count;
    return c.infos;
}

static void run_tls(struct worker *w, struct message *m)
{
    tls_contexts_unref(w->tls);
    w->tls = m->tls;
    free(m);
}

static bool configure(void *ctx, const struct config *fresh, config_report *report, void *report_ctx)
{
    struct workers *ws = ctx;
    if (backends_set(ws->backends, fresh))
        atomic_store(&ws->config, fresh);
    else
        log_error("out of memory: backends, limits and time-outs stay as they were");
    struct tls_contexts *x = tls_contexts_load(fresh, ws->tls, report, report_ctx);
    if (!x)
        return false;
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_tls);
        if (!m)
            continue; /* that worker goes on with the old ones */
        m->tls = tls_contexts_ref(x);
        post(&ws->list[i], m);
    }
    tls_contexts_unref(ws->tls);
    ws->tls = x;
    return true;
}

/* One round through the workers, in which each ends its sessions at other backends. */
struct eviction {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned missing;
    uint64_t but;
};

static void run_eviction(struct worker *w, struct message *m)
{
    struct eviction *e = m->eviction;
    free(m);
    w->all->ops->leave_backends(w, e->but);
    pthread_mutex_lock(&e->lock);
    e->missing--;
    pthread_cond_signal(&e->done);
    pthread_mutex_unlock(&e->lock);
}

static void use_backend(void *ctx, const char *text)
{
    struct workers *ws = ctx;
    backends_steer(ws->backends, text);
    if (!text)
        return;
    struct eviction e = {.lock = PTHREAD_MUTEX_INITIALIZER,
                         .done = PTHREAD_COND_INITIALIZER,
                         .missing = ws->count,
                         .but = backends_id(ws->backends, text)};
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_eviction);
        if (!m) { /* its sessions would go on at a backend that may be in another phase */
            log_error("out of memory while a backend is left");
            abort();
        }
        m->eviction = &e;
        post(&ws->list[i], m);
    }
    pthread_mutex_lock(&e.lock);
    while (e.missing > 0)
        pthread_cond_wait(&e.done, &e.lock);
    pthread_mutex_unlock(&e.lock);
}

struct publisher workers_publisher(struct workers *ws)
{
    return (struct publisher){.ctx = ws,
                              .publish = publish,
                              .wait = wait_for,
                              .catalog_read = catalog_read,
                              .configure = configure,
                              .sessions = list_sessions,
                              .use_backend = use_backend};
}

/* ---- clients ---- */

static void run_accepted(struct worker *w, struct message *m)
{
    if (w->stopped) {
        close(m->accepted.fd);
        worker_session_ended(w);
    } else {
        w->all->ops->start(w, m->accepted.fd, &m->accepted.client);
    }
    free(m);
}

/* As a server says it before it knows the client's capabilities: without an SQLSTATE. */
static void refuse_too_many(int fd)
{
    struct buf b = BUF_INIT;
    add_err(&b, 0, 1040, NULL, SPAN("Too many connections"));
    if (!buf_failed(&b) && write(fd, buf_ptr(&b), buf_len(&b)) < 0)
        log_debug("refusing a client: %s", strerror(errno));
    buf_free(&b);
    close(fd);
}

void workers_accept(struct workers *ws, int fd, const struct accepted *client)
{
    unsigned max = workers_config(ws)->max_connections;
    atomic_fetch_add(&ws->accepted, 1);
    if (max && atomic_load(&ws->sessions) >= max) {
        log_warn("client %s refused: max_connections = %u are there", client->text, max);
        refuse_too_many(fd);
        return;
    }
    struct message *m = message_new(run_accepted);
    if (!m) {
        close(fd);
        return;
    }
    m->accepted.fd = fd;
    m->accepted.client = *client;
    atomic_fetch_add(&ws->sessions, 1);
    post(&ws->list[ws->next++ % ws->count], m);
}

const struct config *workers_config(const struct workers *ws)
{
    return atomic_load_explicit(&((struct workers *)ws)->config, memory_order_acquire);
}

struct backends *workers_backends(struct workers *ws)
{
    return ws->backends;
}

unsigned workers_sessions(const struct workers *ws)
{
    return atomic_load(&((struct workers *)ws)->sessions);
}

unsigned long long workers_accepted(const struct workers *ws)
{
    return atomic_load(&((struct workers *)ws)->accepted);
}

/* ---- start, drain, stop ---- */

static void run_drain(struct worker *w, struct message *m)
{
    free(m);
    w->draining = true;
    w->all->ops->drain(w);
}

static void run_stop(struct worker *w, struct message *m)
{
    free(m);
    w->draining = w->stopped = true;
    w->all->ops->stop(w);
    event_base_loopbreak(w->base);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16]; /* for top -H, gdb and the bench */
    snprintf(name, sizeof name, "worker %u", w->index);
    pthread_setname_np(pthread_self(), name);
    event_base_dispatch(w->base);
    return NULL;
}

/* A base that no other thread touches needs no locks. */
static struct event_base *base_new(void)
{
    struct event_config *cfg = event_config_new();
    if (!cfg)
        return NULL;
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return base;
}

static bool worker_start(struct worker *w, struct snapshot *first)
{
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->base = base_new();
    w->newest = calloc(1, sizeof *w->newest);
    if (w->wake_fd < 0 || !w->base || !w->newest)
        return false;
    w->newest->snapshot = snapshot_ref(first);
    w->woken = event_new(w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
    w->data = w->all->ops->open(w);
    if (!w->woken || event_add(w->woken, NULL) || !w->data)
        return false;
    barrier_adopted(w->all->barrier, w->index, 1, 0, first->generation);
    w->started = pthread_create(&w->thread, NULL, worker_main, w) == 0;
    return w->started;
}

static void worker_free(struct worker *w)
{
    while (w->first) { /* nobody runs them any more: clients that had not started, snapshots */
        struct message *m = w->first;
        w->first = m->next;
        if (m->run == run_accepted) {
            close(m->accepted.fd);
            worker_session_ended(w);
        } else if (m->run == run_published) {
            snapshot_unref(m->published.snapshot);
        } else if (m->run == run_tls) {
            tls_contexts_unref(m->tls);
        }
        free(m);
    }
    if (w->data)
        w->all->ops->close(w);
    if (w->woken)
        event_free(w->woken);
    if (w->base)
        event_base_free(w->base);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    while (w->newest) {
        struct generation *g = w->newest;
        w->newest = g->older;
        if (g->snapshot)
            snapshot_unref(g->snapshot);
        free(g);
    }
    tls_contexts_unref(w->tls);
    pthread_mutex_destroy(&w->lock);
}

static struct workers *workers_new(const struct workers_setup *setup)
{
    unsigned count = setup->config->threads ? setup->config->threads : 1;
    struct workers *ws = calloc(1, sizeof *ws + count * sizeof ws->list[0]);
    if (!ws)
        return NULL;
    pthread_mutex_init(&ws->publishing, NULL);
    ws->ops = setup->ops;
    ws->hooks = setup->hooks;
    ws->count = count;
    atomic_init(&ws->config, setup->config);
    for (unsigned i = 0; i < count; i++) {
        struct worker *w = &ws->list[i];
        *w = (struct worker){.all = ws, .index = i, .wake_fd = -1};
        w->last = &w->first;
        w->tls = tls_contexts_ref(setup->tls);
        pthread_mutex_init(&w->lock, NULL);
    }
    ws->backends = backends_new(setup->config);
    ws->barrier = barrier_new(count);
    ws->tls = tls_contexts_ref(setup->tls);
    return ws;
}

struct workers *workers_start(const struct workers_setup *setup, char *error, size_t error_size)
{
    signal(SIGPIPE, SIG_IGN);
    struct workers *ws = workers_new(setup);
    bool good = ws && ws->backends && ws->barrier;
    if (good)
        barrier_published(ws->barrier, setup->first->generation);
    sigset_t all, before;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; good && i < ws->count; i++)
        good = worker_start(&ws->list[i], setup->first);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good)
        return ws;
    snprintf(error, error_size, "cannot start the workers: %s", strerror(errno ? errno : ENOMEM));
    if (ws)
        workers_stop(ws);
    return NULL;
}

/* Posts the same message to every worker that runs. */
static void post_all(struct workers *ws, void (*run)(struct worker *, struct message *))
{
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = ws->list[i].started ? message_new(run) : NULL;
        if (m)
            post(&ws->list[i], m);
    }
}

void workers_drain(struct workers *ws)
{
    post_all(ws, run_drain);
}

void workers_stop(struct workers *ws)
{
    post_all(ws, run_stop);
    for (unsigned i = 0; i < ws->count; i++)
        if (ws->list[i].started)
            pthread_join(ws->list[i].thread, NULL);
    for (unsigned i = 0; i < ws->count; i++)
        worker_free(&ws->list[i]);
    pthread_mutex_destroy(&ws->publishing);
    barrier_free(ws->barrier);
    backends_free(ws->backends);
    tls_contexts_unref(ws->tls);
    free(ws);
}
