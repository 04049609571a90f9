/* Worker threads and their messages; see worker.h and context.h.
 *
 * A message is a closure on a locked list; an eventfd wakes the worker's loop. */
#include "proxy/net/context.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/log.h"
#include "protocol/packet.h"
#include "proxy/net/barrier.h"
#include "proxy/net/gate.h"
#include "proxy/net/generations.h"

enum { OWN_FILES = 128, FILES_A_WORKER = 4 /* descriptors that are no session's */ };

struct message {
    struct message *next;
    void (*run)(struct worker *w, struct message *m); /* frees it */
    union {
        struct {
            int fd;
            struct address from;
        } accepted;
        struct {
            struct snapshot *snapshot; /* owned; NULL: adopted before the message's turn came */
            uint64_t number;           /* of the publication */
        } published;
        struct round *round;
        struct tls_contexts *tls; /* a reference */
        uint64_t ticket;
    };
};

struct worker {
    struct workers *all;
    unsigned index;
    struct loop *loop;
    struct watch woken; /* an eventfd */
    struct gate *gate;
    pthread_t thread;
    bool started;
    void *data;
    bool draining, stopped;
    uint64_t ids;
    struct tls_contexts *tls; /* a reference */
    struct generations generations;
    uint64_t adopted;      /* number of the publication that the newest of them came with */
    struct message *taken; /* off the list, and to be run next */
    atomic_uint load;      /* clients that it was given and that are not over */

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
    unsigned files_allow;       /* as many sessions */
    unsigned count;
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
    if (wake && write(w->woken.fd, &one, sizeof one) < 0)
        log_error("worker %u: cannot be woken: %s", w->index, strerror(errno));
}

static void on_wake(struct watch *woken, uint32_t what)
{
    (void)what;
    struct worker *w = woken->arg;
    uint64_t n;
    if (read(woken->fd, &n, sizeof n) < 0 && errno != EAGAIN)
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

/* One thing that every worker does in its turn, while somebody waits until the last has. */
struct round {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned missing;
    void (*run)(struct worker *w, void *arg); /* by one worker at a time */
    void *arg;
};

static void run_round(struct worker *w, struct message *m)
{
    struct round *r = m->round;
    free(m);
    pthread_mutex_lock(&r->lock);
    r->run(w, r->arg);
    r->missing--;
    pthread_cond_signal(&r->done);
    pthread_mutex_unlock(&r->lock);
}

bool workers_round(struct workers *ws, void (*run)(struct worker *w, void *arg), void *arg)
{
    struct round r = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, run, arg};
    bool all = true;
    for (unsigned i = 0; i < ws->count; i++) {
        struct message *m = message_new(run_round);
        all = all && m;
        if (!m)
            continue;
        m->round = &r;
        pthread_mutex_lock(&r.lock);
        r.missing++;
        pthread_mutex_unlock(&r.lock);
        post(&ws->list[i], m);
    }
    pthread_mutex_lock(&r.lock);
    while (r.missing > 0)
        pthread_cond_wait(&r.done, &r.lock);
    pthread_mutex_unlock(&r.lock);
    return all;
}

/* ---- generations ---- */

static void adopt(struct worker *w, struct message *m)
{
    generations_adopt(&w->generations, m->published.snapshot);
    m->published.snapshot = NULL;
    w->adopted = m->published.number;
    barrier_adopted(w->all->barrier, w->index, m->published.number, generations_older_pins(&w->generations),
                    generations_oldest(&w->generations));
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
    return generations_pin(&w->generations);
}

void worker_unpin(struct worker *w, struct generation *g)
{
    if (generations_unpin(&w->generations, g))
        barrier_retired(w->all->barrier, w->index, generations_oldest(&w->generations));
}

const struct snapshot *worker_newest(const struct worker *w)
{
    return generation_snapshot(w->generations.newest);
}

uint64_t worker_newest_serial(const struct worker *w)
{
    return generation_serial(w->generations.newest);
}

bool generation_is_newest(const struct worker *w, const struct generation *g)
{
    return g == w->generations.newest;
}

/* ---- what sessions ask ---- */

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}

struct gate *worker_gate(struct worker *w)
{
    return w->gate;
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
    worker_client_gone(w);
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

/* A listing of all sessions, to which the workers add. */
struct census {
    struct session_info *infos;
    size_t count;
};

static void take_census(struct worker *w, void *arg)
{
    struct census *c = arg;
    w->all->ops->list(w, &c->infos, &c->count);
}

static struct session_info *list_sessions(void *ctx, size_t *count)
{
    struct census c = {0};
    workers_round(ctx, take_census, &c);
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

static void evict(struct worker *w, void *but)
{
    w->all->ops->leave_backends(w, *(uint64_t *)but);
}

static void use_backend(void *ctx, const char *text)
{
    struct workers *ws = ctx;
    backends_steer(ws->backends, text);
    if (!text)
        return;
    uint64_t but = backends_id(ws->backends, text);
    if (workers_round(ws, evict, &but))
        return;
    /* sessions would go on at a backend that may be in another phase */
    log_error("out of memory while a backend is left");
    abort();
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
    gate_admit(w->gate, m->accepted.fd, &m->accepted.from);
    free(m);
}

/* The worker with the fewest clients; `first`, where that has no more than another. */
static struct worker *idlest(struct workers *ws, struct worker *first)
{
    struct worker *best = first;
    unsigned least = atomic_load_explicit(&first->load, memory_order_relaxed);
    for (unsigned i = 0; i < ws->count && least > 0; i++) {
        unsigned load = atomic_load_explicit(&ws->list[i].load, memory_order_relaxed);
        if (load < least) {
            best = &ws->list[i];
            least = load;
        }
    }
    return best;
}

void workers_admit(struct workers *ws, struct worker *here, int fd, const struct address *from)
{
    struct worker *to = idlest(ws, here ? here : &ws->list[0]);
    atomic_fetch_add_explicit(&to->load, 1, memory_order_relaxed);
    if (to == here) {
        gate_admit(to->gate, fd, from);
        return;
    }
    struct message *m = message_new(run_accepted);
    if (!m) {
        close(fd);
        worker_client_gone(to);
        return;
    }
    m->accepted.fd = fd;
    m->accepted.from = *from;
    post(to, m);
}

void worker_client_gone(struct worker *w)
{
    atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
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

void worker_serve(struct worker *w, int fd, const struct accepted *client)
{
    struct workers *ws = w->all;
    unsigned max = workers_config(ws)->max_connections, others = atomic_fetch_add(&ws->sessions, 1);
    bool by_files = max == 0 || max > ws->files_allow;
    max = by_files ? ws->files_allow : max;
    atomic_fetch_add(&ws->accepted, 1);
    if (!w->stopped && others < max) {
        ws->ops->start(w, fd, client);
        return;
    }
    if (w->stopped) {
        close(fd);
    } else {
        log_warn("client %s refused: %s %u are there", client->text,
                 by_files ? "as many as the limit of open files allows," : "max_connections =", max);
        refuse_too_many(fd);
    }
    worker_session_ended(w);
}

const struct config *workers_config(const struct workers *ws)
{
    return atomic_load_explicit(&((struct workers *)ws)->config, memory_order_acquire);
}

struct backends *workers_backends(struct workers *ws)
{
    return ws->backends;
}

unsigned workers_count(const struct workers *ws)
{
    return ws->count;
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
    loop_stop(w->loop);
}

/* A worker that is woken does not interrupt whoever runs: where processors are short it finds more to do at a
 * time then, and switches less (sched(7)). A policy that somebody chose for the process is left alone. */
static void take_batch_policy(const struct worker *w)
{
    int policy;
    struct sched_param unused;
    if (atomic_load(&w->all->config)->scheduling_inherited ||
        pthread_getschedparam(pthread_self(), &policy, &unused) != 0 || policy != SCHED_OTHER)
        return;
    int failed = pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    if (failed)
        log_info("worker %u: no SCHED_BATCH: %s", w->index, strerror(failed));
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16]; /* for top -H, gdb and the bench */
    snprintf(name, sizeof name, "worker %u", w->index);
    pthread_setname_np(pthread_self(), name);
    take_batch_policy(w);
    loop_run(w->loop);
    return NULL;
}

static bool worker_start(struct worker *w, struct snapshot *first)
{
    w->woken = (struct watch){eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), 0, on_wake, w};
    w->loop = loop_new();
    if (w->woken.fd < 0 || !w->loop || !loop_watch(w->loop, &w->woken, LOOP_READ) ||
        !generations_begin(&w->generations, first))
        return false;
    w->gate = gate_new(w);
    w->data = w->all->ops->open(w);
    if (!w->gate || !w->data)
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
        } else if (m->run == run_published) {
            snapshot_unref(m->published.snapshot);
        } else if (m->run == run_tls) {
            tls_contexts_unref(m->tls);
        }
        free(m);
    }
    gate_free(w->gate);
    if (w->data)
        w->all->ops->close(w);
    loop_free(w->loop);
    if (w->woken.fd >= 0)
        close(w->woken.fd);
    generations_end(&w->generations);
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
        *w = (struct worker){.all = ws, .index = i, .woken = {.fd = -1}};
        w->last = &w->first;
        w->tls = tls_contexts_ref(setup->tls);
        pthread_mutex_init(&w->lock, NULL);
    }
    ws->backends = backends_new(setup->config);
    ws->barrier = barrier_new(count);
    ws->tls = tls_contexts_ref(setup->tls);
    return ws;
}

/* Two descriptors a session; but control connections, the admin socket and a reload must always find some. */
static unsigned sessions_by_files(unsigned workers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > UINT_MAX)
        return UINT_MAX;
    unsigned all = (unsigned)limit.rlim_cur, own = OWN_FILES + FILES_A_WORKER * workers;
    return (all - (own < all / 2 ? own : all / 2)) / 2;
}

struct workers *workers_start(const struct workers_setup *setup, char *error, size_t error_size)
{
    signal(SIGPIPE, SIG_IGN);
    struct workers *ws = workers_new(setup);
    bool good = ws && ws->backends && ws->barrier;
    if (good) {
        ws->files_allow = sessions_by_files(ws->count);
        barrier_published(ws->barrier, setup->first->generation);
    }
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
