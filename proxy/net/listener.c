/* The listening sockets; see listener.h. What happens between accept() and a session is in gate.c. */
#include "proxy/net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"
#include "proxy/net/activation.h"
#include "proxy/net/gate.h"

#define BACKLOG  4096
#define PAUSE_MS 1000 /* after file descriptors ran out */

/* A worker's watch on a listening socket. */
struct door {
    struct watch watch;
    struct timer pause;
    struct listener *listener;
    struct worker *worker;
};

struct listener {
    int fd;
    bool handed;  /* by systemd: its queue outlives this process */
    char *path;   /* of a Unix socket, to remove; NULL: it is not ours to */
    char *beside; /* takeover: where its file is until it is moved to the path; then NULL */
    ino_t inode;
    _Atomic(const struct config *) options; /* which the socket's were set by; outlives this */
    struct workers *workers;
    struct door *doors; /* one for each worker, as they come */
    unsigned door_count;
};

struct listeners {
    struct workers *workers;
    const struct config *config; /* while opening */
    bool takeover;
    int error; /* why a worker could not watch; 0: all could */
    struct listener *list;
    size_t count;
};

/* Out of descriptors or memory: the waiting client would wake us for ever. */
static void pause_accepting(struct door *d, int error)
{
    struct loop *loop = worker_loop(d->worker);
    log_error("accept: %s; trying again in %d s", strerror(error), PAUSE_MS / 1000);
    if (loop_timer(loop, &d->pause, PAUSE_MS))
        loop_watch(loop, &d->watch, 0);
}

static void on_pause_over(struct timer *pause)
{
    struct door *d = pause->arg;
    struct loop *loop = worker_loop(d->worker);
    if (!loop_share(loop, &d->watch))
        loop_timer(loop, pause, PAUSE_MS);
}

/* Takes one client from the queue, for the worker whose thread this is; NULL: another thread. false: there
 * was none, or it could not be taken; see errno. */
static bool accept_one(struct listener *l, struct worker *here)
{
    struct address from = {.len = sizeof from.addr};
    /* A client has the options of the listening socket. After a reload these are set anew, and those of the
     * clients that come meanwhile. */
    const struct config *had = atomic_load(&l->options), *config = workers_config(l->workers);
    int client = accept4(l->fd, (struct sockaddr *)&from.addr, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return false;
    if (had != config) {
        socket_options(client, from.addr.ss_family, had, config);
        socket_options(l->fd, from.addr.ss_family, had, config);
        atomic_store(&l->options, config);
    }
    workers_admit(l->workers, here, client, &from);
    return true;
}

/* One client at a wake-up: mostly there is one, and to find no second one costs more than to be woken again.
 */
static void on_client(struct watch *watch, uint32_t what)
{
    (void)what;
    struct door *d = watch->arg;
    if (!accept_one(d->listener, d->worker) &&
        (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        pause_accepting(d, errno);
}

/* Those whom the kernel has already let in: with the socket they would be reset. A process that has not begun
 * to serve lets nobody in. */
static void accept_rest(struct listener *l)
{
    for (int i = 0; i < BACKLOG && !l->handed && l->door_count > 0; i++)
        if (!accept_one(l, NULL) && errno != ECONNABORTED && errno != EINTR)
            return;
}

/* A socket file that nobody answers on is left over from a process that died. */
static bool remove_stale(const struct address *a, const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool dead =
        probe >= 0 && connect(probe, (const struct sockaddr *)&a->addr, a->len) && errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    if (dead && unlink(path) == 0)
        return true;
    errno = EADDRINUSE;
    return false;
}

static bool bind_to(int fd, const struct address *a)
{
    return bind(fd, (const struct sockaddr *)&a->addr, a->len) == 0 && listen(fd, BACKLOG) == 0;
}

/* Takeover: the file is made beside the path, and moved over the other process's when all is well, so that no
 * client finds the path empty. malloc'ed, or NULL. */
static char *name_beside(const char *path)
{
    char *name = NULL;
    return asprintf(&name, "%s.%d", path, (int)getpid()) < 0 ? NULL : name;
}

static bool bind_path(int fd, const struct address *a, const char *path)
{
    return bind_to(fd, a) && chmod(path, 0777) == 0;
}

/* Binds and listens; the socket, or -1 with errno. */
static int open_tcp(const struct listeners *ls, const struct address *a)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ls->config->reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (a->addr.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind_to(fd, a))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The same for a Unix socket; its names go to *l. */
static int open_unix(const struct listeners *ls, const struct address *a, const char *path,
                     struct listener *l)
{
    struct address at = *a;
    struct stat st;
    l->path = strdup(path);
    l->beside = ls->takeover ? name_beside(path) : NULL;
    const char *name = l->beside ? l->beside : path;
    errno = ENAMETOOLONG;
    if (!l->path || (l->beside && !address_of_path(l->beside, &at)) || !remove_stale(&at, name))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_path(fd, &at, name)) {
        l->inode = stat(name, &st) == 0 ? st.st_ino : 0;
        return fd;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static bool add_listener(struct listeners *ls, const struct address *a, const char *path)
{
    struct listener *grown = realloc(ls->list, (ls->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    ls->list = grown;
    struct listener *l = &grown[ls->count];
    *l = (struct listener){.fd = activation_at(a)};
    if (l->fd == ACTIVATION_SERVED)
        return true;
    l->handed = l->fd >= 0;
    if (!l->handed)
        l->fd = path ? open_unix(ls, a, path, l) : open_tcp(ls, a);
    if (l->fd >= 0) {
        socket_options(l->fd, a->addr.ss_family, NULL, ls->config);
        atomic_init(&l->options, ls->config);
        l->workers = ls->workers;
        ls->count++;
        return true;
    }
    int error = errno;
    free(l->path);
    free(l->beside);
    errno = error;
    return false;
}

/* A machine without IPv6: names, and `*`, stand for addresses of it all the same. */
static bool lacks_family(int family, int error)
{
    return family == AF_INET6 && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL);
}

/* All addresses of an endpoint that the machine has; the reason in `error` when one fails, or it has none. */
static bool open_endpoint(struct listeners *ls, const struct endpoint *e, char *error, size_t error_size)
{
    struct address a;
    if (e->is_unix) {
        if (address_of_path(e->path, &a) && add_listener(ls, &a, e->path))
            return true;
        snprintf(error, error_size, "listen %s: %s", e->text, strerror(errno));
        return false;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int bad = getaddrinfo(*e->host && strcmp(e->host, "*") != 0 ? e->host : NULL, e->port, &hints, &found);
    if (bad) {
        snprintf(error, error_size, "listen %s: %s", e->text, gai_strerror(bad));
        return false;
    }
    bool good = true, any = false;
    int reason = 0;
    for (struct addrinfo *i = found; i && good; i = i->ai_next) {
        memset(&a, 0, sizeof a);
        memcpy(&a.addr, i->ai_addr, i->ai_addrlen);
        a.len = i->ai_addrlen;
        bool opened = add_listener(ls, &a, NULL);
        reason = opened ? reason : errno;
        any = any || opened;
        good = opened || lacks_family(i->ai_family, reason);
    }
    freeaddrinfo(found);
    if (!good || !any)
        snprintf(error, error_size, "listen %s: %s", e->text, strerror(reason));
    else if (reason)
        log_warn("listen %s: not at its IPv6 address: %s", e->text, strerror(reason));
    return good && any;
}

/* In the worker's thread. */
static void open_doors(struct worker *w, void *arg)
{
    struct listeners *ls = arg;
    for (size_t i = 0; i < ls->count; i++) {
        struct listener *l = &ls->list[i];
        struct door *d = &l->doors[l->door_count++];
        *d = (struct door){{l->fd, 0, on_client, d}, {.over = on_pause_over, .arg = d}, l, w};
        if (!loop_share(worker_loop(w), &d->watch))
            ls->error = errno;
    }
}

static void close_doors(struct worker *w, void *arg)
{
    struct listeners *ls = arg;
    for (size_t i = 0; i < ls->count; i++) {
        struct listener *l = &ls->list[i];
        for (struct door *d = l->doors; d < l->doors + l->door_count; d++)
            if (d->worker == w) {
                loop_watch(worker_loop(w), &d->watch, 0);
                loop_timer_end(worker_loop(w), &d->pause);
            }
    }
}

static void clear_gate(struct worker *w, void *arg)
{
    (void)arg;
    gate_clear(worker_gate(w));
}

/* Only now, when the array moves no more, do watches point into it; and only when all sockets listen, the
 * files of the process before are replaced. */
static bool begin_accepting(struct listeners *ls)
{
    for (size_t i = 0; i < ls->count; i++) {
        struct listener *l = &ls->list[i];
        l->doors = calloc(workers_count(ls->workers), sizeof *l->doors);
        if (!l->doors || (l->beside && rename(l->beside, l->path)))
            return false;
        free(l->beside);
        l->beside = NULL;
    }
    if (!workers_round(ls->workers, open_doors, ls))
        ls->error = ENOMEM;
    errno = ls->error;
    return errno == 0;
}

/* Nobody but this thread accepts any more, and who is in the queues is let in. */
static void end_accepting(struct listeners *ls)
{
    if (!workers_round(ls->workers, close_doors, ls)) { /* a worker would accept on what is freed here */
        log_error("out of memory while the listening sockets are closed");
        abort();
    }
    for (size_t i = 0; i < ls->count; i++)
        accept_rest(&ls->list[i]);
    (void)workers_round(ls->workers, clear_gate, NULL); /* who waits there without it is let go at the end */
}

struct listeners *listeners_open(struct workers *ws, const struct config *config, bool takeover, char *error,
                                 size_t error_size)
{
    struct listeners *ls = calloc(1, sizeof *ls);
    if (!ls) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    *ls = (struct listeners){.workers = ws, .config = config, .takeover = takeover};
    bool good = true;
    for (size_t i = 0; i < config->listen_count && good; i++)
        good = open_endpoint(ls, &config->listen[i], error, error_size);
    if (good && !begin_accepting(ls)) {
        good = false;
        snprintf(error, error_size, "accepting clients: %s", strerror(errno));
    }
    if (good)
        return ls;
    listeners_close(ls);
    return NULL;
}

void listeners_close(struct listeners *ls)
{
    if (!ls)
        return;
    end_accepting(ls);
    for (size_t i = 0; i < ls->count; i++) {
        struct listener *l = &ls->list[i];
        close(l->fd);
        const char *file = l->beside ? l->beside : l->path;
        struct stat st;
        if (file && stat(file, &st) == 0 && st.st_ino == l->inode)
            unlink(file);
        free(l->path);
        free(l->beside);
        free(l->doors);
    }
    free(ls->list);
    free(ls);
}
