/* The dialogue in which client and server authenticate each other, at first or in COM_CHANGE_USER: packets
 * pass until OK or ERR. The relay stores no password, and most plugins are nothing to it.
 *
 * The two sides count their packets each for itself: where one of them has asked for TLS it has counted one
 * more. */
#include "proxy/session/inside.h"

#include <stdlib.h>

/* Accounts of unix_socket and auth_socket belong to whoever is at the other end of the backend's Unix socket:
 * that is the proxy. Their name is mostly that of the user; the proxy's own account may be one. Only who
 * could have connected in the same way may ask for them. */
bool auth_borrows(const struct session *s, struct span user)
{
    const struct config *c = worker_config(s->worker);
    bool control = c->control_user && *c->control_password == '\0' && span_eq(user, span_of(c->control_user));
    if (!control && !span_eq(user, span_of(s->shared->own_name)))
        return false;
    bool own = socket_is_own(s->client.fd) && !s->accepted.proxied;
    return socket_is_unix(s->backend.fd) && !own;
}

void auth_begin(struct session *s, char *bytes, struct span payload, const struct login *l)
{
    struct buf other = BUF_INIT;
    s->auth_turns = 0;
    tracker_begin(&s->tracker, ANSWER_AUTH, s->capabilities);
    session_move(s, STATE_AUTH);
    if (password_begin(s, payload, l, &other)) {
        add_packet(channel_out(&s->backend), &s->backend_seq, buf_span(&other), SPAN(""));
    } else {
        bytes[3] = (char)s->backend_seq++;
        channel_send(&s->backend, bytes, PACKET_HEADER + payload.len);
    }
    if (buf_failed(&other))
        session_fail(s, "out of memory");
    buf_free(&other);
}

size_t auth_from_client(struct session *s, char *bytes, size_t len)
{
    if (s->auth_turns == 0)
        return 0; /* commands, of any length, that wait for the login's end: PIPELINE_MAX bounds them */
    struct span p = whole_packet(bytes, len);
    if (!p.ptr) {
        if (len > LOGIN_MAX)
            session_fail(s, "an authentication packet is too long");
        return 0;
    }
    s->auth_turns--;
    s->client_seq = (uint8_t)(bytes[3] + 1);
    if (password_from_client(s, p))
        return PACKET_HEADER + p.len;
    bytes[3] = (char)s->backend_seq++;
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
    password_forget(s);
    if (good)
        facts_status(s, s->tracker.status);
    else
        s->status_stale = true;
    if (!changing)
        session_timer(s, good && worker_draining(s->worker) ? GRACE_MS : 0);
    if (good && changing) {
        login_remember(s, s->change);
        statements_clear(s);
    }
    free(s->change);
    s->change = NULL;
    if (good)
        pass_ok(s, packet);
    else
        channel_send(&s->client, packet.ptr, packet.len);
    if (!changing) /* init_connect, which runs behind it, may choose another one untold */
        s->database_known = false;
    if (good && !changing && s->compression != ZIP_NONE &&
        !channel_compress(&s->client, (enum zip_algorithm)s->compression, s->zstd_level))
        session_fail(s, "out of memory");
    else if (good || changing)
        answer_ended(s, good);
    else
        session_close(s, "authentication failed");
}

size_t auth_from_backend(struct session *s, char *bytes, size_t len)
{
    size_t used;
    enum track_event ev = tracker_feed(&s->tracker, bytes, len, &used);
    struct span payload = {bytes + PACKET_HEADER, used > PACKET_HEADER ? used - PACKET_HEADER : 0};
    if (ev == TRACK_PACKET || ev == TRACK_END) {
        s->backend_seq = (uint8_t)(bytes[3] + 1);
        if (ev == TRACK_PACKET && password_from_backend(s, payload))
            return used;
        bytes[3] = (char)s->client_seq++;
    }
    switch (ev) {
    case TRACK_MORE:
        return 0;
    case TRACK_END:
        auth_ended(s, (struct span){bytes, used});
        return used;
    case TRACK_BROKEN:
        session_fail(s, "the backend's authentication is not understood");
        return 0;
    default:
        s->auth_turns += password_expects(s, payload);
        if (!s->change)
            session_timer(s, login_time(s)); /* for the client's next word, as the server gives it */
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
    if (auth_borrows(s, l.user)) {
        command_refuse(s, 1, ERROR_DENIED, SPAN(BORROWS_TEXT));
        session_close(s, BORROWS_TEXT); /* as a server does after a failed change */
        return 0;
    }
    struct login *kept = malloc(sizeof *kept + l.user.len + l.database.len + l.program.len);
    if (!kept) {
        session_fail(s, "out of memory");
        return 0;
    }
    *kept = l;
    kept->proof = kept->plugin = SPAN("");
    char *text = (char *)(kept + 1);
    struct span *spans[] = {&kept->user, &kept->database, &kept->program};
    for (size_t i = 0; i < 3; i++) {
        memcpy(text, spans[i]->ptr, spans[i]->len);
        spans[i]->ptr = text;
        text += spans[i]->len;
    }
    s->change = kept;
    s->command = COM_CHANGE_USER;
    s->client_seq = (uint8_t)(bytes[3] + 1);
    s->backend_seq = (uint8_t)bytes[3];
    auth_begin(s, bytes, p, &l);
    return PACKET_HEADER + p.len;
}
