/* Connecting to a backend, and the dialogue in which client and server authenticate each other.
 *
 *   accept ─▶ connect (backends in order) ─▶ greeting ─▶ login ─▶ auth ─▶ ready
 *                                               │          │        └ packets pass until OK or ERR
 *                                               │          └ user, database, character set, capabilities
 *                                               └ capabilities that the relay cannot follow are cleared
 *
 * The relay knows no password and no plugin. COM_CHANGE_USER runs the same dialogue. */
#include "proxy/session/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the relay can follow. TLS and compression change the bytes under it, query attributes stand before a
 * query's text; bits of later protocols are not known to be harmless. */
#define CAPABILITIES_RELAYED                                                                                 \
    ((0xffffffffull & ~(CLIENT_SSL | CLIENT_COMPRESS | CLIENT_ZSTD | CLIENT_QUERY_ATTRIBUTES)) |             \
     MARIADB_CLIENT_PROGRESS | MARIADB_CLIENT_BULK | MARIADB_CLIENT_EXTENDED_METADATA |                      \
     MARIADB_CLIENT_CACHE_METADATA | MARIADB_CLIENT_BULK_UNIT_RESULTS)

#define ERROR_HANDSHAKE  1043
#define ERROR_NO_BACKEND 2003

/* ---- connecting ---- */

/* Error 2003 in the greeting's place. */
static void refuse_login(struct session *s, const char *text)
{
    log_warn("session %llu of %s: %s", (unsigned long long)s->id, s->client_text, text);
    session_timer(s, 0);
    channel_shut(&s->backend);
    session_move(s, STATE_GREETING);
    add_err(channel_out(&s->client), 0, ERROR_NO_BACKEND, NULL, span_of(text));
    session_close(s, "no backend");
}

static void no_backend(struct session *s, int error)
{
    char text[256];
    snprintf(text, sizeof text, "Can't connect to server on '%s' (%d \"%s\")",
             backends_first(worker_backends(s->worker)), error, strerror(error));
    refuse_login(s, text);
}

void login_connect(struct session *s)
{
    int error = EADDRNOTAVAIL;
    struct address a;
    channel_shut(&s->backend);
    if (worker_newest(s->worker)->phases_unknown) {
        refuse_login(s, "crossfade: the phases of the migrations are not known yet, since the backend has not"
                        " told them; try again");
        return;
    }
    while (backends_address(worker_backends(s->worker), s->tried, &a, NULL)) {
        bool done = false;
        int fd = socket_connect(&a, &done, &error);
        s->tried++;
        if (fd < 0)
            continue;
        if (!channel_open(&s->backend, fd)) {
            close(fd);
            session_fail(s, "out of memory");
            return;
        }
        session_move(s, done ? STATE_GREETING : STATE_CONNECT);
        session_timer(s, done ? 0 : worker_connect_timeout(s->worker));
        return;
    }
    no_backend(s, error);
}

static void connect_failed(struct session *s, int error)
{
    struct address a;
    if (backends_address(worker_backends(s->worker), s->tried, &a, NULL))
        login_connect(s);
    else
        no_backend(s, error);
}

void login_connected(struct session *s)
{
    int error = socket_error(s->backend.fd);
    if (error) {
        connect_failed(s, error);
        return;
    }
    session_timer(s, 0);
    session_move(s, STATE_GREETING);
}

void login_timed_out(struct session *s)
{
    connect_failed(s, ETIMEDOUT);
}

/* ---- greeting and login ---- */

/* The whole packet at `bytes`: its payload, or {NULL, 0} while it is not whole. */
static struct span whole_packet(char *bytes, size_t len)
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
    channel_send(&s->client, bytes, size);
    if (p.len > 0 && (unsigned char)p.ptr[0] == 0xff) { /* too many connections, host blocked, … */
        session_close(s, "the backend refused the connection");
        return size;
    }
    struct greeting g;
    if (!greeting_parse(p, &g)) {
        session_fail(s, "the backend speaks another protocol");
        return size;
    }
    s->server_capabilities = g.capabilities & CAPABILITIES_RELAYED;
    s->mariadb = g.mariadb;
    s->server_version = g.version_number;
    s->connection_id = g.connection_id;
    s->status = (uint16_t)g.status;
    s->dialect.mariadb = g.mariadb;
    s->dialect.version = g.version_number;
    greeting_mask((char *)p.ptr, p.len, CAPABILITIES_RELAYED);
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

/* Remembers who the client is. The server may set other modes and character sets (init_connect, a user's
 * defaults), so these are not known until they are asked for. */
static void remember_login(struct session *s, const struct login *l)
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

static size_t bad_handshake(struct session *s, const char *bytes)
{
    add_err(channel_out(&s->client), (uint8_t)(bytes[3] + 1), ERROR_HANDSHAKE, "08S01",
            SPAN("Bad handshake"));
    session_close(s, "bad handshake");
    return 0;
}

size_t login_from_client(struct session *s, char *bytes, size_t len)
{
    struct span p = whole_packet(bytes, len);
    if (!p.ptr) {
        if (len > LOGIN_MAX)
            session_fail(s, "the handshake response is too long");
        return 0;
    }
    struct login l;
    if (!login_parse(p, s->server_capabilities, &l))
        return bad_handshake(s, bytes);
    uint64_t both = l.capabilities & s->server_capabilities;
    /* Bits that the server does not offer are passed as the client sent them; the server ignores them, as it
     * would directly. The exceptions are those that the relay took away. */
    uint64_t sent = l.capabilities & CAPABILITIES_RELAYED;
    s->strip_state = !(both & CLIENT_SESSION_TRACK) && (s->server_capabilities & CLIENT_SESSION_TRACK);
    if (s->strip_state) {
        sent |= CLIENT_SESSION_TRACK;
        both |= CLIENT_SESSION_TRACK;
    }
    s->capabilities = both;
    remember_login(s, &l);
    login_set_capabilities((char *)p.ptr, p.len, sent, s->server_capabilities);
    channel_send(&s->backend, bytes, PACKET_HEADER + p.len);
    tracker_begin(&s->tracker, ANSWER_AUTH, s->capabilities);
    s->auth_turns = 0;
    session_move(s, STATE_AUTH);
    return PACKET_HEADER + p.len;
}

/* ---- the dialogue ---- */

size_t auth_from_client(struct session *s, char *bytes, size_t len)
{
    struct span p = whole_packet(bytes, len);
    if (s->auth_turns == 0 || !p.ptr) {
        if (len > LOGIN_MAX)
            session_fail(s, "an authentication packet is too long");
        return 0;
    }
    s->auth_turns--;
    channel_send(&s->backend, bytes, PACKET_HEADER + p.len);
    return PACKET_HEADER + p.len;
}

/* Passes an OK packet on; without its session state where the client did not ask for it. */
static void pass_ok(struct session *s, struct span packet)
{
    facts_from_ok(s, (struct span){packet.ptr + PACKET_HEADER, packet.len - PACKET_HEADER});
    if (s->strip_state && (s->tracker.status & STATUS_SESSION_STATE))
        ok_without_state(packet, channel_out(&s->client));
    else
        channel_send(&s->client, packet.ptr, packet.len);
}

static void auth_ended(struct session *s, struct span packet)
{
    bool good = s->tracker.kind == KIND_OK;
    bool changing = s->change != NULL;
    if (good)
        facts_status(s, s->tracker.status);
    else
        s->status_stale = true;
    if (good && changing) {
        remember_login(s, s->change);
        statements_clear(s);
    }
    free(s->change);
    s->change = NULL;
    if (good)
        pass_ok(s, packet);
    else
        channel_send(&s->client, packet.ptr, packet.len);
    if (good || changing)
        answer_ended(s, good);
    else
        session_close(s, "authentication failed");
}

size_t auth_from_backend(struct session *s, char *bytes, size_t len)
{
    size_t used;
    switch (tracker_feed(&s->tracker, bytes, len, &used)) {
    case TRACK_MORE:
        return 0;
    case TRACK_END:
        auth_ended(s, (struct span){bytes, used});
        return used;
    case TRACK_BROKEN:
        session_fail(s, "the backend's authentication is not understood");
        return 0;
    default:
        s->auth_turns++;
        channel_send(&s->client, bytes, used);
        return used;
    }
}

/* The dialogue that COM_CHANGE_USER begins; who the client is then is kept apart until the server agrees. */
size_t change_user_begin(struct session *s, char *bytes, size_t len)
{
    struct span p = whole_packet(bytes, len);
    if (!p.ptr) {
        if (len > LOGIN_MAX)
            session_fail(s, "COM_CHANGE_USER is too long");
        return 0;
    }
    struct login l;
    if (!change_user_parse(p, s->capabilities, &l))
        return command_forward(s, bytes, len); /* the server refuses it */
    struct login *kept = malloc(sizeof *kept + l.user.len + l.database.len + l.program.len);
    if (!kept) {
        session_fail(s, "out of memory");
        return 0;
    }
    *kept = l;
    char *text = (char *)(kept + 1);
    struct span *spans[] = {&kept->user, &kept->database, &kept->program};
    for (size_t i = 0; i < 3; i++) {
        memcpy(text, spans[i]->ptr, spans[i]->len);
        spans[i]->ptr = text;
        text += spans[i]->len;
    }
    s->change = kept;
    s->command = COM_CHANGE_USER;
    s->auth_turns = 0;
    tracker_begin(&s->tracker, ANSWER_AUTH, s->capabilities);
    channel_send(&s->backend, bytes, PACKET_HEADER + p.len);
    session_move(s, STATE_AUTH);
    return PACKET_HEADER + p.len;
}
