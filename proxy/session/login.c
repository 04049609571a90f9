/* Connecting to a backend, its greeting, and the client's handshake response.
 *
 *   accept ─▶ connect (backends in order) ─▶ greeting ─▶ login ─▶ auth (auth.c) ─▶ ready
 *                                               │        ▲   └ user, database, character set, capabilities
 *                                               │        └ TLS with either side (secure.c)
 *                                               └ capabilities that the relay cannot follow are cleared
 *
 * CLIENT_SSL is agreed on hop by hop: whether it is offered to the client is the proxy's own choice, and so
 * is whether the backend is asked for it. */
#include "proxy/session/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the relay can follow. TLS and compression are each side's own matter; bits of later protocols are not
 * known to be harmless, and MySQL's for query attributes means nothing that is known where MariaDB offers it.
 * A client that asks MySQL to leave definitions out would read rows by those of before a flip. */
#define CAPABILITIES_RELAYED                                                                                 \
    ((0xffffffffull &                                                                                        \
      ~(CLIENT_SSL | CLIENT_COMPRESS | CLIENT_ZSTD | CLIENT_QUERY_ATTRIBUTES | CLIENT_OPTIONAL_METADATA)) |  \
     MARIADB_CLIENT_PROGRESS | MARIADB_CLIENT_BULK | MARIADB_CLIENT_EXTENDED_METADATA |                      \
     MARIADB_CLIENT_CACHE_METADATA | MARIADB_CLIENT_BULK_UNIT_RESULTS)

#define QUEUE_MS_MAX          100 /* between two looks whether a full queue has room */
#define ERROR_HANDSHAKE       1043
#define ERROR_NO_BACKEND      2003
#define ERROR_SECURE_REQUIRED 3159

/* ---- connecting ---- */

/* An error in the greeting's place. */
static void refuse_login(struct session *s, unsigned code, const char *text)
{
    log_warn("session %llu of %s: %s", (unsigned long long)s->id, s->accepted.text, text);
    session_timer(s, 0);
    channel_shut(&s->backend);
    if (s->state == STATE_CONNECT)
        session_move(s, STATE_GREETING);
    add_err(channel_out(&s->client), 0, code, NULL, span_of(text));
    session_close(s, "no backend");
}

static void no_backend(struct session *s, int error)
{
    char text[BACKEND_TEXT_SIZE + 160], first[BACKEND_TEXT_SIZE];
    const struct control_hooks *hooks = worker_hooks(s->worker);
    backends_first(worker_backends(s->worker), first, sizeof first);
    snprintf(text, sizeof text, "Can't connect to server on '%s' (%d \"%s\")", first, error, strerror(error));
    refuse_login(s, ERROR_NO_BACKEND, text);
    if (hooks->backend_failed)
        hooks->backend_failed(hooks->ctx);
}

/* The first bytes to the backend. They wait in the channel until it is connected. */
static void tell_backend_of_client(struct session *s)
{
    enum proxy_send how = worker_config(s->worker)->proxy_send;
    if (how == PROXY_SEND_OFF)
        return;
    if (!s->accepted.proxied)
        address_destination(s->client.fd, &s->accepted.ends);
    proxy_header_build(channel_out(&s->backend), how == PROXY_SEND_V1 ? 1 : 2, &s->accepted.ends);
}

/* A Unix socket has no place for who comes when its queue is full, where TCP has a client ask again and
 * again. So does this, less and less often. false: it has waited for long enough. */
static bool wait_for_room(struct session *s)
{
    unsigned ms = s->queued_ms == 0 ? 1 : s->queued_ms < QUEUE_MS_MAX ? s->queued_ms : QUEUE_MS_MAX;
    if (s->queued_ms >= worker_config(s->worker)->connect_timeout)
        return false;
    log_debug("session %llu: the backend's queue is full", (unsigned long long)s->id);
    s->queued_ms += ms;
    s->tried.again = true;
    session_move(s, STATE_CONNECT);
    session_timer(s, ms);
    return true;
}

/* Goes on to the next address; `error`: why the one before failed. A server speaks first, so what comes of
 * connecting is seen when the socket is read; only a header that is to go before that waits until it can. */
static void connect_next(struct session *s, int error)
{
    struct address a;
    const struct config *config = worker_config(s->worker);
    channel_shut(&s->backend);
    while (backends_next(worker_backends(s->worker), &s->tried, error, &a)) {
        bool done = false;
        int fd = socket_connect(&a, config, &done, &error);
        if (fd < 0 && error == EAGAIN && wait_for_room(s))
            return;
        s->queued_ms = 0;
        if (fd < 0)
            continue;
        channel_open(&s->backend, fd);
        tell_backend_of_client(s);
        session_move(s, done || !channel_waits(&s->backend) ? STATE_GREETING : STATE_CONNECT);
        session_timer(s, config->connect_timeout);
        return;
    }
    no_backend(s, error);
}

void login_connect(struct session *s)
{
    if (worker_newest(s->worker)->phases_unknown)
        refuse_login(s, ERROR_NO_BACKEND,
                     "crossfade: the phases of the migrations are not known yet, since the backend has not"
                     " told them; try again");
    else
        connect_next(s, EADDRNOTAVAIL);
}

void login_connected(struct session *s)
{
    int error = socket_error(s->backend.fd);
    if (error)
        connect_next(s, error);
    else
        session_move(s, STATE_GREETING);
}

/* A backend that does not greet is as good as none. A client that does not log in is let go without a word,
 * as the server does it. */
void login_timed_out(struct session *s)
{
    if (s->state == STATE_CONNECT)
        connect_next(s, ETIMEDOUT);
    else if (s->state == STATE_GREETING) {
        session_move(s, STATE_CONNECT);
        connect_next(s, ETIMEDOUT);
    } else if (s->state == STATE_BACKEND_TLS) {
        secure_timed_out(s);
    } else if (s->state == STATE_AUTH && s->auth_turns == 0) {
        session_timer(s, login_time(s)); /* it is the backend's turn, which may ask a PAM or a directory */
    } else
        session_fail(s, "the client did not log in in time");
}

bool login_backend_closed(struct session *s)
{
    if (s->state != STATE_GREETING)
        return false;
    session_move(s, STATE_CONNECT);
    connect_next(s, s->backend.error);
    return true;
}

/* ---- greeting and login ---- */

unsigned login_time(const struct session *s)
{
    unsigned ms = worker_config(s->worker)->handshake_timeout;
    return worker_draining(s->worker) && ms > GRACE_MS ? GRACE_MS : ms;
}

struct span whole_packet(char *bytes, size_t len)
{
    if (len < PACKET_HEADER || len - PACKET_HEADER < get_u24(bytes))
        return (struct span){NULL, 0};
    return (struct span){bytes + PACKET_HEADER, get_u24(bytes)};
}

size_t greeting_from_backend(struct session *s, char *bytes, size_t len)
{
    struct span p = whole_packet(bytes, len);
    if (!p.ptr)
        return 0;
    size_t size = PACKET_HEADER + p.len;
    if (p.len > 0 && (unsigned char)p.ptr[0] == 0xff) { /* too many connections, host blocked, … */
        channel_send(&s->client, bytes, size);
        session_close(s, "the backend refused the connection");
        return size;
    }
    struct greeting g;
    if (!greeting_parse(p, &g)) {
        session_fail(s, "the backend speaks another protocol");
        return size;
    }
    backends_worked(worker_backends(s->worker), &s->tried);
    s->tls = tls_contexts_ref(worker_tls(s->worker));
    if (tls_backend_side(s->tls) && !(g.capabilities & CLIENT_SSL)) {
        refuse_login(s, ERROR_RELAY,
                     "crossfade: TLS with the backend: [backend_tls] requires it, but the backend does"
                     " not offer it");
        return size;
    }
    session_timer(s, login_time(s));
    uint64_t relayed = CAPABILITIES_RELAYED | (g.mariadb ? 0 : CLIENT_QUERY_ATTRIBUTES);
    s->server_capabilities = g.capabilities & relayed;
    memcpy(s->password.salt, g.salt, sizeof g.salt);
    s->mariadb = g.mariadb;
    s->server_version = g.version_number;
    s->connection_id = g.connection_id;
    s->status = (uint16_t)g.status;
    s->dialect.mariadb = g.mariadb;
    s->dialect.version = g.version_number;
    s->compressions = g.capabilities & (CLIENT_COMPRESS | (g.mariadb ? 0 : CLIENT_ZSTD));
    greeting_mask((char *)p.ptr, p.len, relayed | s->compressions, tls_client_side(s->tls) ? CLIENT_SSL : 0);
    channel_send(&s->client, bytes, size);
    session_move(s, STATE_LOGIN);
    return size;
}

/* Collations that a handshake may name of the character sets in which a trailing byte can look like ASCII. */
static enum sql_charset charset_of_collation(uint32_t id)
{
    static const struct {
        uint32_t low, high;
        enum sql_charset charset;
    } table[] = {
        {1, 1, CHARSET_BIG5},   {84, 84, CHARSET_BIG5}, {13, 13, CHARSET_SJIS}, {88, 88, CHARSET_SJIS},
        {95, 96, CHARSET_SJIS}, {28, 28, CHARSET_GBK},  {87, 87, CHARSET_GBK},  {248, 250, CHARSET_GB18030},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (id >= table[i].low && id <= table[i].high)
            return table[i].charset;
    return CHARSET_ASCII_SAFE;
}

/* The server may set other modes and character sets (init_connect, a user's
 * defaults), so these are not known until they are asked for. */
void login_remember(struct session *s, const struct login *l)
{
    free(s->user);
    s->user = strndup(l->user.ptr, l->user.len);
    if (l->program.len > 0) {
        free(s->program);
        s->program = strndup(l->program.ptr, l->program.len);
    }
    facts_forget(s);
    facts_set_database(s, l->database);
    s->dialect.charset = charset_of_collation(l->collation);
}

/* An error in the handshake response's answer. */
static size_t refuse_response(struct session *s, const char *bytes, unsigned code, const char *sqlstate,
                              const char *text)
{
    add_err(channel_out(&s->client), (uint8_t)(bytes[3] + 1), code, sqlstate, span_of(text));
    session_close(s, text);
    return 0;
}

/* As the server's require_secure_transport has it: a Unix socket is as good as TLS. */
static bool must_be_secure(const struct session *s)
{
    return tls_client_required(s->tls) && !s->client.tls && !socket_is_unix(s->client.fd);
}

/* The capabilities that the backend gets for a client's. Bits that the server does not offer are passed as
 * the client sent them; the server ignores them, as it would directly. The exceptions are those that the
 * relay took away. */
static uint64_t agree(struct session *s, uint64_t asked)
{
    uint64_t sent = asked & (CAPABILITIES_RELAYED | (s->server_capabilities & CLIENT_QUERY_ATTRIBUTES));
    s->capabilities = asked & s->server_capabilities;
    s->compression = ZIP_NONE;
    if (asked & s->compressions & CLIENT_COMPRESS)
        s->compression = ZIP_ZLIB;
    else if (asked & s->compressions & CLIENT_ZSTD)
        s->compression = ZIP_ZSTD;
    s->strip_state =
        !(s->capabilities & CLIENT_SESSION_TRACK) && (s->server_capabilities & CLIENT_SESSION_TRACK);
    if (s->strip_state) {
        sent |= CLIENT_SESSION_TRACK;
        s->capabilities |= CLIENT_SESSION_TRACK;
    }
    return tls_backend_side(s->tls) ? sent | CLIENT_SSL : sent;
}

size_t login_from_client(struct session *s, char *bytes, size_t len)
{
    struct span p = whole_packet(bytes, len);
    size_t size = PACKET_HEADER + p.len;
    if (!p.ptr) {
        if (len > LOGIN_MAX)
            session_fail(s, "the handshake response is too long");
        return 0;
    }
    if (is_tls_request(p) && tls_client_side(s->tls) && !s->client.tls) {
        if (len > size)
            session_fail(s, "bytes in clear behind the request for TLS");
        else
            secure_client(s);
        return size;
    }
    struct login l;
    if (!login_parse(p, s->server_capabilities, &l) || (!s->client.tls && (l.capabilities & CLIENT_SSL)))
        return refuse_response(s, bytes, ERROR_HANDSHAKE, "08S01", "Bad handshake");
    if (must_be_secure(s))
        return refuse_response(s, bytes, ERROR_SECURE_REQUIRED, "08004",
                               "Connections using insecure transport are prohibited: [tls] mode = required");
    if (auth_borrows(s, l.user))
        return refuse_response(s, bytes, ERROR_DENIED, "28000", BORROWS_TEXT);
    uint64_t sent = agree(s, l.capabilities);
    s->zstd_level = (uint8_t)l.zstd_level;
    s->client_seq = (uint8_t)(bytes[3] + 1);
    if (tls_backend_side(s->tls) && !s->backend.tls) {
        secure_backend(s, p, sent); /* and then this once more */
        return 0;
    }
    login_remember(s, &l);
    login_set_capabilities((char *)p.ptr, p.len, sent, s->server_capabilities);
    s->backend_seq = s->backend.tls ? 2 : 1;
    auth_begin(s, bytes, p, &l);
    return size;
}
