/* The backends' addresses and states; see backends.h. */
#include "proxy/net/backends.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/log.h"
#include "proxy/migration/clock.h"

#define ADDRESSES_MAX 16
#define LOOKUP_EVERY  5 /* seconds */
#define PROBE_EVERY   1
#define BEHIND_FOR    60
#define STOP_MS       100 /* how soon the thread sees that it is to end */

/* An address that failed, whether the name has it at present or not. */
struct failed {
    struct address address;
    double when; /* 0: none is kept here */
};

struct backend {
    char *text, *host, *port, *path;
    bool named; /* host is no address: looked up again and again */
    struct address addresses[ADDRESSES_MAX];
    size_t count;
    struct failed failed[ADDRESSES_MAX]; /* only where there is a choice of addresses */
    uint64_t id;
    bool down;
    double since;
    int error; /* errno of the last failure */
};

struct backends {
    pthread_mutex_t lock; /* over everything below */
    pthread_cond_t wake;
    pthread_t thread;
    bool threaded, stop;
    const struct config *config; /* for the options of probes; outlives this */
    uint64_t version, ids;
    char steered[BACKEND_TEXT_SIZE];
    bool is_steered;
    struct backend *list;
    size_t count;
};

static double now(void)
{
    return clock_ms() / 1e3;
}

/* ---- making ---- */

/* getaddrinfo into `out`; how many. */
static size_t look_up(const char *host, const char *port, int flags, struct address *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found))
        return 0;
    size_t n = 0;
    for (struct addrinfo *a = found; a && n < ADDRESSES_MAX; a = a->ai_next) {
        memset(&out[n], 0, sizeof out[n]);
        memcpy(&out[n].addr, a->ai_addr, a->ai_addrlen);
        out[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

static bool backend_copy(struct backend *to, const struct endpoint *from)
{
    *to = (struct backend){.text = strdup(from->text ? from->text : ""), .since = now()};
    if (from->is_unix) {
        to->path = strdup(from->path);
        if (to->path && address_of_path(to->path, &to->addresses[0]))
            to->count = 1;
        return to->text && to->path;
    }
    to->host = strdup(from->host);
    to->port = strdup(from->port);
    if (!to->text || !to->host || !to->port)
        return false;
    to->count = look_up(to->host, to->port, AI_NUMERICHOST, to->addresses);
    to->named = to->count == 0;
    return true;
}

static void list_free(struct backend *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].text);
        free(list[i].host);
        free(list[i].port);
        free(list[i].path);
    }
    free(list);
}

static struct backend *find(struct backends *b, const char *text)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->list[i].text, text) == 0)
            return &b->list[i];
    return NULL;
}

/* What is known of a backend of the same name goes to its copy in the new list. The lock is held. */
static void inherit(struct backends *b, struct backend *fresh)
{
    const struct backend *old = find(b, fresh->text);
    if (!old) {
        fresh->id = ++b->ids;
        return;
    }
    fresh->id = old->id;
    fresh->down = old->down;
    fresh->since = old->since;
    fresh->error = old->error;
    if (fresh->named) {
        memcpy(fresh->addresses, old->addresses, sizeof fresh->addresses);
        memcpy(fresh->failed, old->failed, sizeof fresh->failed);
        fresh->count = old->count;
    }
}

bool backends_set(struct backends *b, const struct config *config)
{
    struct backend *list = calloc(config->backend_count + 1, sizeof *list);
    bool good = list != NULL;
    for (size_t i = 0; good && i < config->backend_count; i++)
        good = backend_copy(&list[i], &config->backends[i]);
    if (!good) {
        if (list)
            list_free(list, config->backend_count);
        return false;
    }
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < config->backend_count; i++)
        inherit(b, &list[i]);
    struct backend *old = b->list;
    size_t old_count = b->count;
    b->list = list;
    b->count = config->backend_count;
    b->config = config;
    b->version++;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    list_free(old, old_count);
    return true;
}

/* ---- the thread: names, and what is down ---- */

/* What the thread takes with it while the lock is not held. */
struct errand {
    uint64_t id;
    char *text, *host, *port;
    struct address addresses[ADDRESSES_MAX];
    size_t count;
};

static void errand_free(struct errand *e)
{
    free(e->text);
    free(e->host);
    free(e->port);
}

static void errand_take(struct errand *out, const struct backend *from)
{
    *out = (struct errand){.id = from->id,
                           .text = strdup(from->text),
                           .host = from->host ? strdup(from->host) : NULL,
                           .port = from->port ? strdup(from->port) : NULL,
                           .count = from->count};
    memcpy(out->addresses, from->addresses, sizeof out->addresses);
}

/* Copies a backend that is named (look up) or down (probe); the first one with an id above `after`. */
static bool next_errand(struct backends *b, bool probe, uint64_t after, struct errand *out)
{
    bool found = false;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->count && !b->stop; i++) {
        const struct backend *e = &b->list[i];
        bool wanted = probe ? e->down && e->count > 0 && !b->is_steered : e->named;
        if (!wanted || e->id <= after || (found && e->id > out->id))
            continue;
        if (found)
            errand_free(out);
        errand_take(out, e);
        found = out->text != NULL;
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

static struct backend *find_id(struct backends *b, uint64_t id)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].id == id)
            return &b->list[i];
    return NULL;
}

static void run_lookup(struct backends *b, const struct errand *e)
{
    struct address fresh[ADDRESSES_MAX];
    size_t n = e->host && e->port ? look_up(e->host, e->port, 0, fresh) : 0;
    if (n == 0) { /* a name server that is away takes no address back */
        if (e->count == 0)
            log_warn("backend %s: the name has no address yet", e->text);
        return;
    }
    pthread_mutex_lock(&b->lock);
    struct backend *to = find_id(b, e->id);
    if (to) {
        memcpy(to->addresses, fresh, n * sizeof fresh[0]);
        to->count = n;
    }
    pthread_mutex_unlock(&b->lock);
}

static bool stopping(struct backends *b)
{
    pthread_mutex_lock(&b->lock);
    bool stop = b->stop;
    pthread_mutex_unlock(&b->lock);
    return stop;
}

static bool wait_for(struct backends *b, int fd, short events, double until)
{
    struct pollfd p = {.fd = fd, .events = events};
    int ready = 0;
    while (ready == 0 && now() < until && !stopping(b))
        ready = poll(&p, 1, STOP_MS);
    return ready == 1;
}

/* What a backend hears first, where it takes headers: this connection is nobody's. */
static bool say_who(int fd, const struct config *config)
{
    struct buf header = BUF_INIT;
    if (config->proxy_send == PROXY_SEND_OFF)
        return true;
    proxy_header_build(&header, config->proxy_send == PROXY_SEND_V1 ? 1 : 2,
                       &(struct proxy_addresses){.family = PROXY_LOCAL});
    bool good = !buf_failed(&header) &&
                send(fd, buf_ptr(&header), buf_len(&header), MSG_NOSIGNAL) == (ssize_t)buf_len(&header);
    buf_free(&header);
    return good;
}

/* Whether somebody says something there. That connections are taken is the kernel's word: it takes them for a
 * server that hangs too. */
static bool greets(struct backends *b, const struct config *config, const struct address *a, double until)
{
    char greeting[512];
    bool done = false;
    int error = 0, fd = socket_connect(a, config, &done, &error);
    if (fd < 0)
        return false;
    done = done || (wait_for(b, fd, POLLOUT, until) && socket_error(fd) == 0);
    bool good = done && say_who(fd, config) && wait_for(b, fd, POLLIN, until) &&
                recv(fd, greeting, sizeof greeting, 0) > 0;
    close(fd);
    return good;
}

static void run_probe(struct backends *b, const struct errand *e)
{
    pthread_mutex_lock(&b->lock);
    const struct config *config = b->config;
    pthread_mutex_unlock(&b->lock);
    double until = now() + config->connect_timeout / 1e3; /* for all its addresses: others wait */
    bool good = false;
    for (size_t i = 0; i < e->count && !good; i++)
        good = greets(b, config, &e->addresses[i], until);
    if (!good)
        return;
    pthread_mutex_lock(&b->lock);
    struct backend *to = find_id(b, e->id);
    if (to && to->down) {
        to->down = false;
        to->since = now();
        log_info("backend %s takes connections again", e->text);
    }
    pthread_mutex_unlock(&b->lock);
}

static void run_errands(struct backends *b, bool probe)
{
    struct errand e = {0};
    for (uint64_t after = 0; next_errand(b, probe, after, &e); after = e.id) {
        (probe ? run_probe : run_lookup)(b, &e);
        errand_free(&e);
    }
}

static void *thread_main(void *arg)
{
    struct backends *b = arg;
    double looked_up = 0;
    uint64_t version = 0;
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        bool lookup = b->version != version || now() - looked_up >= LOOKUP_EVERY;
        version = b->version;
        pthread_mutex_unlock(&b->lock);
        if (lookup) {
            run_errands(b, false);
            looked_up = now();
        }
        run_errands(b, true);
        struct timespec until = clock_in(PROBE_EVERY * 1000);
        pthread_mutex_lock(&b->lock);
        int waited = 0;
        while (!b->stop && b->version == version && waited == 0)
            waited = pthread_cond_timedwait(&b->wake, &b->lock, &until);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

struct backends *backends_new(const struct config *config)
{
    struct backends *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &attr);
    pthread_condattr_destroy(&attr);
    bool good = backends_set(b, config);
    if (good)
        good = b->threaded = pthread_create(&b->thread, NULL, thread_main, b) == 0;
    if (good)
        return b;
    backends_free(b);
    return NULL;
}

void backends_free(struct backends *b)
{
    if (!b)
        return;
    if (b->threaded) {
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    list_free(b->list, b->count);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* ---- choosing ---- */

void backends_steer(struct backends *b, const char *text)
{
    pthread_mutex_lock(&b->lock);
    b->is_steered = text != NULL;
    snprintf(b->steered, sizeof b->steered, "%s", text ? text : "");
    pthread_mutex_unlock(&b->lock);
}

/* Whether a session may go to it at all. The lock is held, here and below. */
static bool allowed(const struct backends *b, const struct backend *e)
{
    return !b->is_steered || strcmp(b->steered, e->text) == 0;
}

/* Errors that are this process's own: the backend is not to blame. */
static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

static void mark_down(struct backends *b, uint64_t id, int error)
{
    struct backend *e = find_id(b, id);
    if (!e || is_ours(error))
        return;
    e->error = error;
    if (e->down)
        return;
    e->down = true;
    e->since = now();
    log_warn("backend %s is down: %s", e->text, strerror(error));
}

/* ---- a session's way along them ---- */

static bool same_address(const struct address *a, const struct address *b)
{
    return a->len == b->len && memcmp((const char *)&a->addr, (const char *)&b->addr, a->len) == 0;
}

static struct failed *failed_of(struct backend *e, const struct address *a)
{
    for (size_t i = 0; i < ADDRESSES_MAX; i++)
        if (e->failed[i].when > 0 && same_address(&e->failed[i].address, a))
            return &e->failed[i];
    return NULL;
}

/* The backend's other addresses go before it for a while: where it takes connections and says nothing, or
 * nothing comes back at all, everybody would wait for it. */
static void put_behind(struct backend *e, const struct address *a)
{
    struct failed *f = failed_of(e, a);
    for (size_t i = 0; i < ADDRESSES_MAX && !f; i++)
        if (e->failed[i].when == 0 || now() - e->failed[i].when >= BEHIND_FOR)
            f = &e->failed[i];
    if (f && e->count > 1)
        *f = (struct failed){*a, now()};
}

/* The next of its addresses; false: all were given. */
static bool next_address(struct backend *e, struct backend_cursor *at, struct address *out)
{
    size_t best = e->count;
    bool behind = true;
    for (size_t i = 0; i < e->count && behind; i++) {
        if (at->addresses >> i & 1)
            continue;
        const struct failed *f = failed_of(e, &e->addresses[i]);
        behind = f && now() - f->when < BEHIND_FOR;
        if (!behind || best == e->count)
            best = i;
    }
    if (best == e->count)
        return false;
    at->addresses |= 1u << best;
    *out = at->last = e->addresses[best];
    struct failed *f = failed_of(e, out);
    if (f)
        f->when = now(); /* who tries it again does so for all */
    return true;
}

static bool may_begin(const struct backends *b, const struct backend_cursor *at, const struct backend *e)
{
    bool tried = at->backend < 64 && at->tried >> at->backend & 1;
    return allowed(b, e) && !tried && (at->turn == 1 || !e->down);
}

bool backends_next(struct backends *b, struct backend_cursor *at, int error, struct address *out)
{
    pthread_mutex_lock(&b->lock);
    if (at->list != b->version) /* at the beginning, or they were changed meanwhile */
        *at = (struct backend_cursor){.list = b->version};
    bool found = at->again;
    if (found)
        *out = at->last;
    else if (at->addresses && !is_ours(error))
        put_behind(&b->list[at->backend], &at->last);
    at->again = false;
    while (!found && at->turn < 2) {
        struct backend *e = at->backend < b->count ? &b->list[at->backend] : NULL;
        bool begun = at->addresses != 0; /* it was up when its turn began */
        if (e && (begun || may_begin(b, at, e)) && next_address(e, at, out)) {
            at->id = e->id;
            at->tried |= at->backend < 64 ? 1ull << at->backend : 0;
            found = true;
        } else if (e) {
            if (begun)
                mark_down(b, e->id, error);
            at->backend++;
            at->addresses = 0;
        } else {
            at->turn++;
            at->backend = 0;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

void backends_worked(struct backends *b, const struct backend_cursor *at)
{
    pthread_mutex_lock(&b->lock);
    struct backend *e = find_id(b, at->id);
    struct failed *f = e ? failed_of(e, &at->last) : NULL;
    if (f)
        f->when = 0;
    if (e && e->down) {
        e->down = false;
        e->since = now();
        log_info("backend %s works again", e->text);
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- what is said of them ---- */

/* The one that a session is given first. */
static const struct backend *first_choice(const struct backends *b)
{
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < b->count; i++)
            if (allowed(b, &b->list[i]) && b->list[i].down == (turn == 1))
                return &b->list[i];
    return NULL;
}

void backends_first(struct backends *b, char *out, size_t size)
{
    pthread_mutex_lock(&b->lock);
    const struct backend *e = first_choice(b);
    snprintf(out, size, "%s", e ? e->text : b->count ? b->list[0].text : "");
    pthread_mutex_unlock(&b->lock);
}

bool backends_host(struct backends *b, uint64_t id, char *out, size_t size)
{
    pthread_mutex_lock(&b->lock);
    const struct backend *e = find_id(b, id);
    if (e)
        snprintf(out, size, "%s", e->host ? e->host : "localhost");
    pthread_mutex_unlock(&b->lock);
    return e != NULL;
}

uint64_t backends_id(struct backends *b, const char *text)
{
    pthread_mutex_lock(&b->lock);
    const struct backend *e = find(b, text);
    uint64_t id = e ? e->id : 0;
    pthread_mutex_unlock(&b->lock);
    return id;
}

size_t backends_look(struct backends *b, struct backend_view *out, size_t max)
{
    pthread_mutex_lock(&b->lock);
    const struct backend *first = first_choice(b);
    size_t n = b->count < max ? b->count : max;
    for (size_t i = 0; i < n; i++) {
        const struct backend *e = &b->list[i];
        out[i] = (struct backend_view){.up = !e->down, .current = e == first, .since_s = now() - e->since};
        snprintf(out[i].text, sizeof out[i].text, "%s", e->text);
        if (e->down)
            snprintf(out[i].error, sizeof out[i].error, "%s", strerror(e->error));
    }
    pthread_mutex_unlock(&b->lock);
    return n;
}
