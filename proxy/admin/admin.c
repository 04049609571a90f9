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
    PAUSE_S = 1,  /* after file descriptors ran out */
};

struct connection {
    struct admin *admin;
    int fd;           /* -1: this slot is free. The thread frees it when it ends */
    bool handed_over; /* to who is behind this connection, until it says drain */
    char who[128];
};

struct admin {
    struct admin_setup setup;
    char *path;
    ino_t inode; /* of the path's file; 0: it is not ours */
    int fd;
    struct event *accept_event, *pause_over;
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
    struct call call = {.setup = &n->admin->setup,
                        .control = n->admin->setup.control,
                        .handed_over = &n->handed_over,
                        .who = n->who,
                        .fd = n->fd};
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
    if (n->handed_over) {
        log_warn("the successor has not come up: this crossfade goes on");
        control_take_back(a->setup.control);
    }
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

static void on_pause_over(evutil_socket_t none, short events, void *arg)
{
    (void)none;
    (void)events;
    struct admin *a = arg;
    event_add(a->accept_event, NULL);
}

/* Out of descriptors or memory: who waits in the queue would wake this thread for ever. */
static void pause_accepting(struct admin *a, int error)
{
    struct timeval pause = {PAUSE_S, 0};
    log_error("admin socket: accept: %s; trying again in %d s", strerror(error), PAUSE_S);
    if (event_add(a->pause_over, &pause) == 0)
        event_del(a->accept_event);
}

static void on_accept(evutil_socket_t listening, short events, void *arg)
{
    (void)events;
    struct admin *a = arg;
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(a, errno);
        return;
    }
    struct connection *n = take_slot(a, fd);
    if (!n) {
        refuse(fd, "too many admin connections");
        return;
    }
    struct timeval idle = {IDLE_S, 0}, stuck = {WRITE_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stuck, sizeof(stuck));
    n->admin = a;
    n->handed_over = false;
    find_user(fd, n->who, sizeof(n->who));
    if (!start_thread(n)) {
        give_slot_back(a, n);
        refuse(fd, "no thread can be made");
    }
}

/* ---- opening and closing ---------------------------------------------------------------------------- */

/* The lock file outlives a crash, its lock does not. */
int admin_lock(const char *path, bool *busy, char *error, size_t error_size)
{
    char *lock_path = NULL;
    *busy = false;
    if (asprintf(&lock_path, "%s.lock", path) < 0) {
        snprintf(error, error_size, "admin socket: out of memory");
        return -1;
    }
    int fd = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        snprintf(error, error_size, "admin socket: %s: %s", lock_path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        *busy = true;
        snprintf(error, error_size, "admin socket %s: another crossfade is running on it", path);
        close(fd);
        fd = -1;
    }
    free(lock_path);
    return fd;
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

/* Binds to `path`; its mode is set by the mask, so that there is no moment in which others could connect. */
static bool bind_private(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    mode_t before = umask(0177);
    bool ok = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    int saved = errno;
    umask(before);
    errno = saved;
    return ok && listen(fd, CONNECTIONS_MAX) == 0;
}

static bool open_socket(struct admin *a, char *error, size_t error_size)
{
    char beside[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;
    a->fd = a->setup.listening;
    if (a->fd >= 0)
        return true; /* its file is the supervisor's */
    if (!a->setup.takeover && !make_way(a, error, error_size))
        return false;
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = a->fd >= 0;
    if (ok && a->setup.takeover) {
        errno = ENAMETOOLONG;
        ok = snprintf(beside, sizeof(beside), "%s.%d", a->path, (int)getpid()) < (int)sizeof(beside) &&
             bind_private(a->fd, beside) && rename(beside, a->path) == 0;
    } else {
        ok = ok && bind_private(a->fd, a->path);
    }
    if (!ok)
        snprintf(error, error_size, "admin socket %s: %s", a->path, strerror(errno));
    else if (stat(a->path, &st) == 0)
        a->inode = st.st_ino;
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
    a->fd = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        a->connections[i].fd = -1;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->freed, NULL);
    a->path = strdup(setup->path);
    bool ok = a->path && open_socket(a, error, error_size);
    if (ok) {
        a->setup.path = a->path;
        a->accept_event = event_new(base, a->fd, EV_READ | EV_PERSIST, on_accept, a);
        a->pause_over = evtimer_new(base, on_pause_over, a);
        ok = a->accept_event && a->pause_over && event_add(a->accept_event, NULL) == 0;
    }
    if (ok)
        return a;
    admin_close(a);
    return NULL;
}

void admin_remove_file(const struct admin *a)
{
    struct stat st;
    if (a->inode && stat(a->path, &st) == 0 && st.st_ino == a->inode)
        unlink(a->path);
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    if (a->accept_event)
        event_free(a->accept_event);
    if (a->pause_over)
        event_free(a->pause_over);
    if (a->fd >= 0) {
        close(a->fd);
        admin_remove_file(a);
    }
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (a->connections[i].fd >= 0)
            shutdown(a->connections[i].fd, SHUT_RD);
        while (a->connections[i].fd >= 0)
            pthread_cond_wait(&a->freed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    pthread_cond_destroy(&a->freed);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a);
}
