/* crossfade: puts the floors together.
 *
 *     config ─▶ control (phases, store, keeper) ─▶ publisher ─▶ workers ◀─ listeners ◀─ clients
 *                   ▲                                             │
 *                   └── admin socket                sessions' DDL ┘ (control_catalog_changed)
 *
 * The main thread runs one event base: signals and admin connections; the workers accept clients themselves.
 * With --takeover it begins beside another process (takeover.h). Order of the end: no new clients → sessions
 * end at their boundary → keeper and jobs → admin connections → workers. */
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <mysql.h>

#include "config/config.h"
#include "config/log.h"
#include "proxy/admin/admin.h"
#include "proxy/migration/control.h"
#include "proxy/net/activation.h"
#include "proxy/net/listener.h"
#include "proxy/net/worker.h"
#include "proxy/rewrite_cmd.h"
#include "proxy/session/session.h"
#include "proxy/systemd.h"
#include "proxy/takeover.h"

enum { EXIT_BAD_USAGE = 2, DRAIN_POLL_MS = 50, LOCK_POLL_MS = 100 };

static const char usage[] =
    "usage: crossfade --config FILE              run in the foreground; log to stderr\n"
    "       crossfade --config FILE --takeover   the same, in the place of the one that runs\n"
    "       crossfade --config FILE --check      check the file: every mistake as FILE:LINE: reason\n"
    "       crossfade rewrite …                  what statements become, without a server (rewrite --help)\n"
    "       crossfade --version | --help\n"
    "\n"
    "signals: SIGHUP reads the file again; SIGTERM and SIGINT drain and stop, a second one stops at once\n";

struct process {
    const struct config *config;
    struct tls_contexts *tls; /* of the start */
    struct event_base *base;
    struct control *control;
    struct workers *workers;
    struct listeners *listeners;
    struct admin *admin;
    struct event *hup, *term, *interrupt, *drain, *drain_poll, *lock_poll;
    bool takeover, draining;
    int lock_fd;     /* of the admin socket's lock: held to the very end; -1: not yet ours */
    int predecessor; /* connection to the process that hands over; -1: none */
    struct timespec drain_end;
    pthread_mutex_t reload_lock; /* guards reloads_running */
    pthread_cond_t reload_done;
    unsigned reloads_running;
};

/* ---- configuration ---------------------------------------------------------------------------------- */

static bool check_expression(const char *text, const char *const *columns, size_t column_count, char *error,
                             size_t error_size)
{
    return expression_check(span_of(text), columns, column_count, error, error_size);
}

static void report_to_stderr(void *ctx, const char *message)
{
    (void)ctx;
    fprintf(stderr, "%s\n", message);
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void poll_drain(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    struct process *p = arg;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool late = now.tv_sec > p->drain_end.tv_sec ||
                (now.tv_sec == p->drain_end.tv_sec && now.tv_nsec >= p->drain_end.tv_nsec);
    unsigned left = workers_sessions(p->workers);
    if (left && !late)
        return;
    if (left)
        log_warn("drain_timeout has passed: %u sessions are ended", left);
    event_base_loopbreak(p->base);
}

static void begin_drain(struct process *p)
{
    unsigned timeout = control_config(p->control)->drain_timeout;
    p->draining = true;
    log_info("draining: clients=%u timeout=%us", workers_sessions(p->workers), timeout);
    systemd_notify("STOPPING=1");
    listeners_close(p->listeners);
    p->listeners = NULL;
    workers_drain(p->workers);
    clock_gettime(CLOCK_MONOTONIC, &p->drain_end);
    p->drain_end.tv_sec += timeout;
    struct timeval every = {0, DRAIN_POLL_MS * 1000};
    event_add(p->drain_poll, &every);
}

static void on_stop(evutil_socket_t number, short events, void *arg)
{
    (void)number;
    (void)events;
    struct process *p = arg;
    if (!p->draining) {
        begin_drain(p);
        return;
    }
    log_warn("a second signal: stopping at once");
    if (p->admin)
        admin_remove_file(p->admin);
    _exit(EXIT_FAILURE);
}

static void on_drain(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    struct process *p = arg;
    if (!p->draining)
        begin_drain(p);
}

/* The admin command, from its thread. */
static void ask_drain(void *ctx)
{
    struct process *p = ctx;
    event_active(p->drain, 0, 0);
}

static struct backends *find_backends(void *ctx)
{
    struct process *p = ctx;
    return p->workers ? workers_backends(p->workers) : NULL;
}

static unsigned count_clients(void *ctx)
{
    struct process *p = ctx;
    return p->workers ? workers_sessions(p->workers) : 0;
}

/* ---- reload ----------------------------------------------------------------------------------------- */

static void *reload_main(void *arg)
{
    struct process *p = arg;
    struct buf reasons = BUF_INIT;
    systemd_reloading();
    control_reload(p->control, "SIGHUP", &reasons);
    buf_free(&reasons);
    systemd_notify("READY=1");
    pthread_mutex_lock(&p->reload_lock);
    p->reloads_running--;
    pthread_cond_broadcast(&p->reload_done);
    pthread_mutex_unlock(&p->reload_lock);
    return NULL;
}

/* In a thread of its own: a new migration makes it ask the backend, and a drain must be heard meanwhile. */
static void on_hup(evutil_socket_t number, short events, void *arg)
{
    (void)number;
    (void)events;
    struct process *p = arg;
    pthread_t thread;
    pthread_mutex_lock(&p->reload_lock);
    if (pthread_create(&thread, NULL, reload_main, p) == 0) {
        pthread_detach(thread);
        p->reloads_running++;
    } else {
        log_error("configuration not reloaded: no thread can be made");
    }
    pthread_mutex_unlock(&p->reload_lock);
}

static void wait_for_reloads(struct process *p)
{
    pthread_mutex_lock(&p->reload_lock);
    while (p->reloads_running)
        pthread_cond_wait(&p->reload_done, &p->reload_lock);
    pthread_mutex_unlock(&p->reload_lock);
}

/* ---- start ------------------------------------------------------------------------------------------ */

/* The process before this one has ended when its lock is free. */
static void poll_lock(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    struct process *p = arg;
    char error[256];
    bool busy;
    p->lock_fd = admin_lock(p->config->admin_socket, &busy, error, sizeof(error));
    if (p->lock_fd < 0)
        return;
    event_del(p->lock_poll);
    control_succeed(p->control, false);
    log_info("the crossfade before this one has ended");
}

static bool make_events(struct process *p)
{
    p->hup = evsignal_new(p->base, SIGHUP, on_hup, p);
    p->term = evsignal_new(p->base, SIGTERM, on_stop, p);
    p->interrupt = evsignal_new(p->base, SIGINT, on_stop, p);
    p->drain = event_new(p->base, -1, 0, on_drain, p);
    p->drain_poll = event_new(p->base, -1, EV_PERSIST, poll_drain, p);
    p->lock_poll = event_new(p->base, -1, EV_PERSIST, poll_lock, p);
    return p->hup && p->term && p->interrupt && p->drain && p->drain_poll && p->lock_poll &&
           event_add(p->hup, NULL) == 0 && event_add(p->term, NULL) == 0 &&
           event_add(p->interrupt, NULL) == 0;
}

/* Whoever holds the lock is the one crossfade of this configuration, or the one that another takes over from.
 */
static bool find_place(struct process *p, char *error, size_t error_size)
{
    bool busy;
    p->lock_fd = admin_lock(p->config->admin_socket, &busy, error, error_size);
    if (p->lock_fd >= 0 && p->takeover)
        log_info("takeover: no crossfade runs on %s", p->config->admin_socket);
    p->takeover = p->takeover && p->lock_fd < 0;
    if (p->lock_fd >= 0 || !busy || !p->takeover)
        return p->lock_fd >= 0;
    p->predecessor = takeover_begin(p->config->admin_socket, error, error_size);
    control_succeed(p->control, true);
    return p->predecessor >= 0;
}

/* This process serves: the one before it may end. */
static bool complete_takeover(struct process *p, char *error, size_t error_size)
{
    struct timeval every = {0, LOCK_POLL_MS * 1000};
    int connection = p->predecessor;
    p->predecessor = -1;
    return takeover_complete(connection, error, error_size) && event_add(p->lock_poll, &every) == 0;
}

static bool open_admin(struct process *p, char *error, size_t error_size)
{
    struct admin_setup admin = {.control = p->control,
                                .path = p->config->admin_socket,
                                .drain = ask_drain,
                                .clients = count_clients,
                                .backends = find_backends,
                                .ctx = p,
                                .listening = activation_unix_named("admin"),
                                .takeover = p->takeover};
    p->admin = admin_open(p->base, &admin, error, error_size);
    return p->admin != NULL;
}

static bool start_workers(struct process *p, char *error, size_t error_size)
{
    struct snapshot *first = control_first_snapshot(p->control);
    struct workers_setup workers = {.config = p->config,
                                    .ops = &session_ops,
                                    .hooks = {p->control, control_catalog_changed, control_backend_failed},
                                    .first = first,
                                    .tls = p->tls};
    p->workers = workers_start(&workers, error, error_size);
    snapshot_unref(first);
    if (!p->workers)
        return false;
    if (control_start(p->control, workers_publisher(p->workers)))
        return true;
    snprintf(error, error_size, "no thread can be made");
    return false;
}

/* A successor that does not know the phases must not take a client from the process that does. */
static bool knows_phases(struct process *p, char *error, size_t error_size)
{
    struct control_view v = {0};
    bool known = control_look(p->control, NULL, &v) && v.loaded;
    free(v.migrations);
    if (!known)
        snprintf(error, error_size, "takeover: the phases are not known: %.400s", v.backend_error);
    return known;
}

static bool start(struct process *p, char *error, size_t error_size)
{
    if (!find_place(p, error, error_size))
        return false;
    if (!p->takeover && !open_admin(p, error, error_size)) /* first of all: it tells why nothing else works */
        return false;
    if (!start_workers(p, error, error_size) || (p->takeover && !knows_phases(p, error, error_size)))
        return false;
    p->listeners = listeners_open(p->workers, p->config, p->takeover, error, error_size);
    if (!p->listeners)
        return false;
    activation_close_rest();
    return !p->takeover || (open_admin(p, error, error_size) && complete_takeover(p, error, error_size));
}

static void stop(struct process *p)
{
    listeners_close(p->listeners);
    control_stop(p->control); /* first, so that commands which watch a job end */
    admin_close(p->admin);
    wait_for_reloads(p);
    if (p->workers)
        workers_stop(p->workers);
    struct event *events[] = {p->hup, p->term, p->interrupt, p->drain, p->drain_poll, p->lock_poll};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    control_free(p->control);
    event_base_free(p->base);
}

/* A session has two sockets, so a shell's soft limit is soon met: as many files as the process may have. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct config *config, struct tls_contexts *tls, bool takeover)
{
    char error[512];
    struct process p = {.config = config, .tls = tls, .takeover = takeover, .lock_fd = -1, .predecessor = -1};
    pthread_mutex_init(&p.reload_lock, NULL);
    pthread_cond_init(&p.reload_done, NULL);
    log_set_level(config->log_level);
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until there is something to reload, and again when there is no more */
    mysql_server_init(0, NULL, NULL);
    evthread_use_pthreads();
    p.base = event_base_new();
    p.control = control_new(config, check_expression); /* takes the config, and keeps it to its end */
    if (!p.base || !p.control || !make_events(&p)) {
        log_error("out of memory");
        return EXIT_FAILURE;
    }
    bool started = start(&p, error, sizeof(error));
    if (started) {
        log_info("ready: version=%s pid=%d threads=%u listen=%s", CROSSFADE_VERSION, (int)getpid(),
                 config->threads, config->listen[0].text);
        if (p.takeover)
            systemd_took_over();
        else
            systemd_notify("READY=1");
        event_base_dispatch(p.base);
    } else {
        log_error("%s", error);
    }
    stop(&p);
    if (started)
        log_info("stopped");
    pthread_cond_destroy(&p.reload_done);
    pthread_mutex_destroy(&p.reload_lock);
    if (p.predecessor >= 0)
        close(p.predecessor); /* it goes on */
    if (p.lock_fd >= 0)
        close(p.lock_fd); /* the file stays: removing it would race with who just opened it */
    mysql_server_end();
    tls_contexts_unref(p.tls);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the command line ------------------------------------------------------------------------------- */

static int bad_usage(const char *what, const char *word)
{
    fprintf(stderr, "crossfade: %s%s%s\n%s", what, word ? " " : "", word ? word : "", usage);
    return EXIT_BAD_USAGE;
}

/* Whoever starts it may have closed some of them: what is opened next would take their numbers, and the log
 * be written into it. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool check = false, takeover = false;
    open_standard_descriptors();
    if (argc > 1 && strcmp(argv[1], "rewrite") == 0)
        return rewrite_command(argc - 1, argv + 1);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--check") == 0)
            check = true;
        else if (strcmp(argv[i], "--takeover") == 0)
            takeover = true;
        else if (strcmp(argv[i], "--version") == 0)
            return printf("crossfade %s\n", CROSSFADE_VERSION), EXIT_SUCCESS;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout), EXIT_SUCCESS;
        else
            return bad_usage("what is", argv[i]);
    }
    if (!path)
        return bad_usage("--config FILE is missing", NULL);
    activation_take();
    struct config *config = config_load(path, check_expression, report_to_stderr, NULL);
    struct tls_contexts *tls = config ? tls_contexts_load(config, NULL, report_to_stderr, NULL) : NULL;
    if (tls && !check)
        return run(config, tls, takeover);
    config_free(config);
    bool good = tls != NULL;
    tls_contexts_unref(tls);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
