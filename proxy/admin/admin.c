/* The admin socket's door: the listening socket, and a thread for each connection. See admin.h. */
#include "proxy/admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/log.h"
#include "proxy/admin/command.h"

enum {
    CONNECTIONS_MAX = 64,
    LINE_MAX_BYTES = 16384,
    IDLE_S = 600, /* a client that says nothing for this long is let go */
    WRITE_S = 10, /* so is one that does not read */
};

struct connection {
    struct admin *admin;
    int fd; /* -1: this slot is free. The thread frees it when it ends */
    char who[128];
};

struct admin {
    struct admin_setup setup;
    char *path, *lock_path;
    int fd, lock_fd;
    struct event *accept_event;
    pthread_mutex_t lock; /* guards the connections' fd */
    pthread_cond_t freed; /* a slot was */
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- one connection --------------------------------------------------------------------------------- */

static void find_user(int fd, char *out, size_t out_size)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        snprintf(out, out_size, "unknown");
        return;
    }
    char buffer[4096];
    struct passwd entry, *found = NULL;
    getpwuid_r(peer.uid, &entry, buffer, sizeof(buffer), &found);
    if (found)
        snprintf(out, out_size, "%s", found->pw_name);
    else
        snprintf(out, out_size, "uid %u", (unsigned)peer.uid);
}

static bool run_line(struct connection *n, char *line)
{
    struct call call = {
        .setup = &n->admin->setup, .control = n->admin->setup.control, .who = n->who, .fd = n->fd};
    command_run(&call, line);
    return !call.broken;
}

/* Reads lines until the client leaves, says too much in one line, or is silent for too long. */
static void serve(struct connection *n)
{
    char line[LINE_MAX_BYTES];
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(n->fd, line + len, sizeof(line) - 1 - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        bool ended = got <= 0;
        if (!ended)
            len += (size_t)got;
        char *newline;
        while ((newline = memchr(line, '\n', len))) {
            *newline = '\0';
            size_t used = (size_t)(newline - line) + 1;
            bool hostile = memchr(line, '\0', used - 1) != NULL;
            if (hostile)
                snprintf(line, sizeof(line), "?");
            if (!run_line(n, line))
                return;
            len -= used;
            memmove(line, line + used, len);
        }
        if (ended) {
            line[len] = '\0';
            if (got == 0 && len) /* a last line without its newline */
                run_line(n, line);
            return;
        }
        if (len == sizeof(line) - 1) {
            struct call call = {.fd = n->fd};
            call_fail(&call, "usage: a line of more than %d bytes", LINE_MAX_BYTES - 2);
            return;
        }
    }
}

static void *connection_main(void *arg)
{
    struct connection *n = arg;
    struct admin *a = n->admin;
    serve(n);
    pthread_mutex_lock(&a->lock);
    close(n->fd);
    n->fd = -1;
    pthread_cond_broadcast(&a->freed);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- accepting (main thread) ------------------------------------------------------------------------ */

/* A slot that is `fd`'s from now on, or NULL. Only this thread takes slots. */
static struct connection *take_slot(struct admin *a, int fd)
{
    struct connection *found = NULL;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < CONNECTIONS_MAX && !found; i++)
        if (a->connections[i].fd < 0)
            found = &a->connections[i];
    if (found)
        found->fd = fd;
    pthread_mutex_unlock(&a->lock);
    return found;
}

static void give_slot_back(struct admin *a, struct connection *n)
{
    pthread_mutex_lock(&a->lock);
    n->fd = -1;
    pthread_mutex_unlock(&a->lock);
}

static bool start_thread(struct connection *n)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, connection_main, n) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

static void refuse(int fd, const char *why)
{
    struct call call = {.fd = fd};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    call_fail(&call, "%s", why);
    close(fd);
}

static void on_accept(evutil_socket_t listening, short events, void *arg)
{
    (void)events;
    struct admin *a = arg;
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *n = take_slot(a, fd);
    if (!n) {
        refuse(fd, "too many admin connections");
        return;
    }
    struct timeval idle = {IDLE_S, 0}, stuck = {WRITE_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stuck, sizeof(stuck));
    n->admin = a;
    find_user(fd, n->who, sizeof(n->who));
    if (!start_thread(n)) {
        give_slot_back(a, n);
        refuse(fd, "no thread can be made");
    }
}

/* ---- opening and closing ---------------------------------------------------------------------------- */

/* The lock file outlives a crash, its lock does not: who holds the lock owns the socket's path. */
static bool take_lock(struct admin *a, char *error, size_t error_size)
{
    a->lock_fd = open(a->lock_path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->lock_fd < 0) {
        snprintf(error, error_size, "admin socket: %s: %s", a->lock_path, strerror(errno));
        return false;
    }
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    snprintf(error, error_size, "admin socket %s: another crossfade is running on it", a->path);
    return false;
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

/* A socket that somebody answers on belongs to somebody, lock or not; a file that is no socket too. */
static bool make_way(const struct admin *a, char *error, size_t error_size)
{
    struct stat st;
    if (lstat(a->path, &st) != 0)
        return true; /* nothing there, or bind will tell */
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error, error_size, "admin socket %s: a file that is no socket stands there", a->path);
        return false;
    }
    struct sockaddr_un address = address_of(a->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
                                errno == EAGAIN || errno == EINPROGRESS);
    if (fd >= 0)
        close(fd);
    if (answered) {
        snprintf(error, error_size, "admin socket %s: another program is listening on it", a->path);
        return false;
    }
    unlink(a->path);
    return true;
}

static bool open_socket(struct admin *a, char *error, size_t error_size)
{
    struct sockaddr_un address = address_of(a->path);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = a->fd >= 0;
    /* The mode is set by the mask, so that there is no moment in which others could connect. */
    mode_t before = umask(0177);
    ok = ok && bind(a->fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    int saved = errno;
    umask(before);
    errno = saved;
    ok = ok && listen(a->fd, CONNECTIONS_MAX) == 0;
    if (!ok)
        snprintf(error, error_size, "admin socket %s: %s", a->path, strerror(errno));
    return ok;
}

struct admin *admin_open(struct event_base *base, const struct admin_setup *setup, char *error,
                         size_t error_size)
{
    struct admin *a = calloc(1, sizeof(*a));
    snprintf(error, error_size, "admin socket: out of memory");
    if (!a)
        return NULL;
    a->setup = *setup;
    a->fd = a->lock_fd = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        a->connections[i].fd = -1;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->freed, NULL);
    a->path = strdup(setup->path);
    if (asprintf(&a->lock_path, "%s.lock", setup->path) < 0)
        a->lock_path = NULL;
    bool ok = a->path && a->lock_path && take_lock(a, error, error_size) && make_way(a, error, error_size);
    if (ok && !open_socket(a, error, error_size)) {
        ok = false;
    } else if (ok) {
        a->setup.path = a->path;
        a->accept_event = event_new(base, a->fd, EV_READ | EV_PERSIST, on_accept, a);
        ok = a->accept_event && event_add(a->accept_event, NULL) == 0;
    }
    if (ok)
        return a;
    if (a->fd < 0) {
        free(a->path); /* whatever stands there is not ours to remove */
        a->path = NULL;
    }
    admin_close(a);
    return NULL;
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    if (a->accept_event)
        event_free(a->accept_event);
    if (a->fd >= 0) {
        close(a->fd);
        unlink(a->path);
    }
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (a->connections[i].fd >= 0)
            shutdown(a->connections[i].fd, SHUT_RD);
        while (a->connections[i].fd >= 0)
            pthread_cond_wait(&a->freed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    if (a->lock_fd >= 0)
        close(a->lock_fd); /* the lock file stays: removing it would race with who just opened it */
    pthread_cond_destroy(&a->freed);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a->lock_path);
    free(a);
}
