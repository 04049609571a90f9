/* Life and death of sessions, their states, and what the workers run them by. See inside.h for the map. */
#include "proxy/session/statements.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "protocol/large.h"
#include "proxy/rewrite/shapes.h"
#include "proxy/sql/arena.h"

enum { TRIM_MS = 30000 };

#define TO(state) (1u << STATE_##state)
#define TO_END    (TO(CLOSING) | TO(ENDED))

static const struct {
    const char *name;
    session_bytes *from_client, *from_backend;
    unsigned moves; /* the states that may come next */
} states[STATE_COUNT] = {
    [STATE_CONNECT] = {"connect", NULL, NULL, TO(CONNECT) | TO(GREETING) | TO_END},
    [STATE_GREETING] = {"greeting", NULL, greeting_from_backend, TO(CONNECT) | TO(LOGIN) | TO_END},
    [STATE_LOGIN] = {"login", login_from_client, idle_from_backend,
                     TO(CLIENT_TLS) | TO(BACKEND_TLS) | TO(AUTH) | TO_END},
    [STATE_CLIENT_TLS] = {"client TLS", NULL, idle_from_backend, TO(LOGIN) | TO_END},
    [STATE_BACKEND_TLS] = {"backend TLS", NULL, NULL, TO(LOGIN) | TO_END},
    [STATE_AUTH] = {"auth", auth_from_client, auth_from_backend, TO(READY) | TO_END},
    [STATE_READY] = {"ready", command_from_client, idle_from_backend,
                     TO(AUTH) | TO(COMMAND) | TO(STREAM) | TO(OWN) | TO_END},
    [STATE_COMMAND] = {"command", rest_from_client, answer_from_backend,
                       TO(READY) | TO(INFILE) | TO(HOLD) | TO_END},
    [STATE_INFILE] = {"infile", infile_from_client, answer_from_backend,
                      TO(COMMAND) | TO(READY) | TO(HOLD) | TO_END},
    [STATE_STREAM] = {"stream", stream_from_client, answer_from_backend, TO(READY) | TO_END},
    [STATE_OWN] = {"own", NULL, own_from_backend, TO(READY) | TO_END},
    [STATE_HOLD] = {"hold", NULL, NULL, TO(READY) | TO_END},
    [STATE_CLOSING] = {"closing", NULL, NULL, TO(ENDED)},
    [STATE_ENDED] = {"ended", NULL, NULL, 0},
};

session_bytes *session_handler(const struct session *s, const struct channel *from)
{
    return from == &s->client ? states[s->state].from_client : states[s->state].from_backend;
}

void session_move(struct session *s, enum state to)
{
    assert(states[s->state].moves >> to & 1);
    if (s->state == STATE_COMMAND)
        channel_hurry(&s->backend);
    s->state = to;
}

/* No command is under way or waits, and no transaction is open: a drain may end it. */
static bool is_idle(const struct session *s)
{
    return s->state == STATE_READY && !(s->status & STATUS_IN_TRANS) && buf_len(&s->client.in) == 0;
}

/* ---- timers ---- */

static void on_timer(struct timer *timer)
{
    struct session *s = timer->arg;
    if (s->state < STATE_READY && !s->change)
        login_timed_out(s);
    else if (s->state == STATE_HOLD)
        answer_release(s);
    else if (s->state == STATE_CLOSING)
        session_end(s, "the client did not take its last bytes");
    session_leave(s); /* where it logged in amid a drain, it ends from now on as the others do */
}

void session_timer(struct session *s, unsigned ms)
{
    struct loop *loop = worker_loop(s->worker);
    if (ms == 0)
        loop_timer_end(loop, &s->timer);
    else if (!loop_timer(loop, &s->timer, ms))
        session_fail(s, "out of memory");
}

/* ---- birth ---- */

static void session_start(struct worker *w, int fd, const struct accepted *client)
{
    struct shared *shared = worker_data(w);
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        worker_session_ended(w);
        return;
    }
    large_keep(true); /* sessions_stop() gives it up */
    s->worker = w;
    s->shared = shared;
    s->id = worker_session_id(w);
    s->accepted = *client;
    s->timer = (struct timer){.over = on_timer, .arg = s};
    s->next = shared->sessions;
    s->link = &shared->sessions;
    if (s->next)
        s->next->link = &s->next;
    shared->sessions = s;
    channel_init(&s->client, s);
    channel_init(&s->backend, s);
    channel_open(&s->client, fd);
    login_connect(s);
    session_leave(s);
}

/* ---- death ---- */

void session_end(struct session *s, const char *reason)
{
    if (s->state == STATE_ENDED)
        return;
    log_debug("session %llu of %s@%s ends in state %s: %s", (unsigned long long)s->id, s->user ? s->user : "",
              s->accepted.text, states[s->state].name, reason);
    session_move(s, STATE_ENDED);
    session_timer(s, 0);
    channel_shut(&s->client);
    channel_shut(&s->backend);
    statements_clear(s);
    if (s->pin)
        worker_unpin(s->worker, s->pin);
    s->pin = NULL;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    s->next = s->shared->dead;
    s->shared->dead = s;
}

void session_fail(struct session *s, const char *reason)
{
    if (s->state == STATE_ENDED)
        return;
    log_warn("session %llu of %s@%s (connection %u), in state %s: %s", (unsigned long long)s->id,
             s->user ? s->user : "", s->accepted.text, s->connection_id, states[s->state].name, reason);
    session_end(s, reason);
}

void session_close(struct session *s, const char *reason)
{
    if (s->state == STATE_CLOSING || s->state == STATE_ENDED)
        return;
    channel_flush(&s->client);
    if (s->state == STATE_ENDED)
        return;
    if (!channel_waits(&s->client) || s->client.broken) {
        session_end(s, reason);
        return;
    }
    log_debug("session %llu closes: %s", (unsigned long long)s->id, reason);
    channel_shut(&s->backend);
    session_move(s, STATE_CLOSING);
    session_timer(s, CLOSE_SECONDS * 1000);
}

static void session_free(struct session *s)
{
    facts_free(s);
    free(s->change);
    free(s->user);
    free(s->program);
    buf_free(&s->own_error);
    buf_free(&s->held);
    buf_free(&s->again);
    password_forget(s);
    tls_contexts_unref(s->tls);
    free(s);
    /* the worker's count falls behind the last use of what the session was */
}

void sessions_reap(struct shared *shared)
{
    while (shared->dead) {
        struct session *s = shared->dead;
        struct worker *w = s->worker;
        shared->dead = s->next;
        session_free(s);
        worker_session_ended(w);
    }
}

/* Tells the backend that the client has closed, once all that it said was passed on. What runs there goes on,
 * but what waits (GET_LOCK, SLEEP) does so no longer, as on a direct connection; a client that closed one
 * direction only still gets its answer. */
static void hang_up(struct session *s)
{
    struct channel *b = &s->backend;
    if (s->state != STATE_COMMAND || b->hung_up || b->fd < 0 || buf_len(&s->client.in) > 0 ||
        channel_waits(b))
        return;
    b->hung_up = true;
    shutdown(b->fd, SHUT_WR);
}

/* The client has closed: what is under way at the backend may end, nothing else begins. */
static void follow_client_eof(struct session *s)
{
    bool busy = s->state == STATE_COMMAND || s->state == STATE_OWN || s->state == STATE_HOLD;
    if (s->state == STATE_ENDED || s->state == STATE_CLOSING || (busy && s->send_left == 0)) {
        hang_up(s);
        return;
    }
    session_close(s, "the client closed");
}

static void free_empty(struct buf *b)
{
    if (buf_len(b) == 0 && b->cap > 0)
        buf_free(b);
}

/* What was kept for large statements goes when none has come for a while. */
static void trim_later(struct shared *shared)
{
    if (!timer_is_set(&shared->trim))
        loop_timer(shared->loop, &shared->trim, TRIM_MS); /* else the next callback tries it again */
}

/* How most callbacks leave a session: nothing waits on either side, and both are read. */
static bool is_settled(const struct session *s)
{
    const struct channel *c = &s->client, *b = &s->backend;
    return (s->state == STATE_READY || s->state == STATE_COMMAND) && c->watch.wants == LOOP_READ &&
           b->watch.wants == LOOP_READ && !c->eof && !b->eof && c->in.cap == 0 && b->in.cap == 0 &&
           channel_rests(c) && channel_rests(b);
}

static void settle(struct session *s)
{
    channel_flush(&s->backend);
    channel_flush(&s->client);
    free_empty(&s->client.in);
    free_empty(&s->backend.in);
    if (s->client.eof)
        follow_client_eof(s);
    if (s->state == STATE_CLOSING && !channel_waits(&s->client))
        session_end(s, "closed");
    if (s->state != STATE_ENDED)
        channels_interest(s);
}

void session_leave(struct session *s)
{
    struct shared *shared = s->shared;
    if (is_idle(s) && worker_draining(s->worker) && !timer_is_set(&s->timer))
        session_close(s, "draining");
    if (!is_settled(s))
        settle(s);
    sessions_reap(shared);
    if (large_is_kept())
        trim_later(shared);
}

/* ---- what workers run ---- */

static void on_trim(struct timer *trim)
{
    if (large_trim())
        trim_later(trim->arg);
}

static void shared_free(struct shared *shared)
{
    arena_free(shared->arena);
    shapes_free(shared->shapes);
    buf_free(&shared->built);
    buf_free(&shared->sealer);
    zip_tools_free(shared->zip);
    free(shared->sealed);
    free(shared);
}

static void *shared_open(struct worker *w)
{
    struct shared *shared = calloc(1, sizeof *shared);
    if (!shared)
        return NULL;
    char text[1024];
    struct passwd user, *found = NULL;
    if (getpwuid_r(geteuid(), &user, text, sizeof text, &found) == 0 && found)
        snprintf(shared->own_name, sizeof shared->own_name, "%s", user.pw_name);
    shared->arena = arena_new(ARENA_LIMIT);
    shared->shapes = shapes_new();
    shared->loop = worker_loop(w);
    shared->trim = (struct timer){.over = on_trim, .arg = shared};
    if (shared->arena && shared->shapes)
        return shared;
    shared_free(shared);
    return NULL;
}

static void shared_close(struct worker *w)
{
    shared_free(worker_data(w));
}

/* Calls `visit` for every session; a visited one may end. */
static void each(struct worker *w, void (*visit)(struct session *s))
{
    struct shared *shared = worker_data(w);
    for (struct session *s = shared->sessions, *next; s; s = next) {
        next = s->next;
        visit(s);
    }
    sessions_reap(shared);
}

/* Who has just connected may log in: he knows of no connection yet that could be dead. */
static void visit_drain(struct session *s)
{
    if (s->state == STATE_LOGIN || s->state == STATE_CLIENT_TLS)
        session_timer(s, login_time(s));
    session_leave(s);
}

static void visit_stop(struct session *s)
{
    session_end(s, "stopping");
}

static void visit_adopted(struct session *s)
{
    if (!s->pin || s->state != STATE_READY || !s->status_stale)
        return;
    session_adopted(s);
    session_leave(s);
}

static void sessions_leave_backends(struct worker *w, uint64_t but)
{
    struct shared *shared = worker_data(w);
    for (struct session *s = shared->sessions, *next; s; s = next) {
        next = s->next;
        if (s->tried.id != but)
            session_fail(s, "its backend was given up");
    }
    sessions_reap(shared);
}

static void sessions_drain(struct worker *w)
{
    each(w, visit_drain);
}

static void sessions_stop(struct worker *w)
{
    large_keep(false);
    each(w, visit_stop);
}

static void sessions_adopted(struct worker *w)
{
    each(w, visit_adopted);
}

static void sessions_catalog_read(struct worker *w, uint64_t ticket)
{
    struct shared *shared = worker_data(w);
    for (struct session *s = shared->sessions, *next; s; s = next) {
        next = s->next;
        if (s->state != STATE_HOLD || s->ticket > ticket)
            continue;
        answer_release(s);
        session_leave(s);
    }
}

static uint64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The oldest generation that the session holds, for itself or for long data; 0: none. */
static uint64_t pinned_generation(const struct session *s)
{
    uint64_t oldest = s->pin ? generation_snapshot(s->pin)->generation : 0;
    for (const struct statement *st = s->statements; st; st = st->hh.next) {
        uint64_t g = st->pin ? generation_snapshot(st->pin)->generation : 0;
        if (g && (oldest == 0 || g < oldest))
            oldest = g;
    }
    return oldest;
}

static void describe(const struct session *s, struct session_info *out)
{
    *out = (struct session_info){
        .id = s->id,
        .connection_id = s->connection_id,
        .pinned = pinned_generation(s),
        .in_transaction = s->status & STATUS_IN_TRANS,
        .pinned_ms = s->pin ? milliseconds() - s->pinned_at : 0,
    };
    snprintf(out->user, sizeof out->user, "%s", s->user ? s->user : "");
    snprintf(out->client, sizeof out->client, "%s", s->accepted.text);
    snprintf(out->program, sizeof out->program, "%s", s->program ? s->program : "");
    size_t n = s->database_len < sizeof out->database ? s->database_len : sizeof out->database - 1;
    if (n > 0)
        memcpy(out->database, s->database, n);
}

static void sessions_list(struct worker *w, struct session_info **infos, size_t *count)
{
    struct shared *shared = worker_data(w);
    size_t n = 0;
    for (const struct session *s = shared->sessions; s; s = s->next)
        n++;
    struct session_info *grown = n ? realloc(*infos, (*count + n) * sizeof **infos) : NULL;
    if (!grown)
        return;
    *infos = grown;
    for (const struct session *s = shared->sessions; s; s = s->next)
        describe(s, &grown[(*count)++]);
}

const struct session_ops session_ops = {
    .open = shared_open,
    .close = shared_close,
    .start = session_start,
    .drain = sessions_drain,
    .stop = sessions_stop,
    .leave_backends = sessions_leave_backends,
    .list = sessions_list,
    .adopted = sessions_adopted,
    .catalog_read = sessions_catalog_read,
};
