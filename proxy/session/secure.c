/* TLS with either side, in the course of the login.
 *
 *   client   ── request ─▶ shakes hands ─▶ handshake response, sealed ─┐
 *                                                                      ▼ waits in the client's buffer
 *   backend                              ◀─ request, shakes hands ─────┴─▶ the response, sealed
 *
 * The backend is asked behind the client's response, since the request must have the response's capabilities.
 * Nothing that a client sends in clear behind its request is ever taken for data: before the login no more is
 * read from it than a request has bytes, so that what comes behind it is TLS's from the first byte on. */
#include "proxy/session/inside.h"

#include <stdio.h>

#define REQUEST_BYTES (PACKET_HEADER + TLS_REQUEST_SIZE)

size_t secure_client_room(const struct session *s)
{
    if (s->client.tls || (s->tls ? !tls_client_side(s->tls) : !tls_client_side(worker_tls(s->worker))))
        return SIZE_MAX;
    size_t have = buf_len(&s->client.in);
    if (have < REQUEST_BYTES)
        return REQUEST_BYTES - have;
    return s->state < STATE_LOGIN ? 0 : SIZE_MAX; /* in STATE_LOGIN it has been seen, and was none */
}

void secure_client(struct session *s)
{
    if (channel_secure(&s->client, tls_accept(s->tls)))
        session_move(s, STATE_CLIENT_TLS);
    else
        session_fail(s, "out of memory");
}

void secure_backend(struct session *s, struct span login, uint64_t capabilities)
{
    char request[REQUEST_BYTES], host[BACKEND_TEXT_SIZE];
    put_u24(request, TLS_REQUEST_SIZE);
    request[3] = 1;
    memcpy(request + PACKET_HEADER, login.ptr, TLS_REQUEST_SIZE);
    login_set_capabilities(request + PACKET_HEADER, TLS_REQUEST_SIZE, capabilities, s->server_capabilities);
    buf_add(channel_out(&s->backend), request, sizeof request);
    session_move(s, STATE_BACKEND_TLS);
    if (!backends_host(worker_backends(s->worker), s->tried.id, host, sizeof host)) {
        secure_failed(&s->backend, "the backend has left the configuration");
        return;
    }
    if (!channel_secure(&s->backend, tls_connect(s->tls, host, s->tried.id))) {
        session_fail(s, "out of memory");
        return;
    }
    session_timer(s, worker_config(s->worker)->connect_timeout);
}

void secure_shaken(struct channel *c)
{
    struct session *s = c->session;
    session_move(s, STATE_LOGIN);
    if (c == &s->client)
        return;
    log_debug("session %llu: the backend's side is %s%s", (unsigned long long)s->id, tls_version_text(c->tls),
              tls_resumed(c->tls) ? ", resumed" : "");
    session_timer(s, login_time(s));
    client_resume(s);
}

void secure_failed(struct channel *c, const char *reason)
{
    struct session *s = c->session;
    char text[BACKEND_TEXT_SIZE];
    if (s->state == STATE_CLIENT_TLS && c == &s->client) { /* some scanner, mostly */
        log_info("client %s: TLS: %s", s->accepted.text, reason);
        session_end(s, "no TLS with the client");
    } else if (s->state == STATE_BACKEND_TLS && c == &s->backend) {
        snprintf(text, sizeof text, "crossfade: TLS with the backend: %s", reason);
        log_warn("session %llu of %s: TLS with the backend: %s", (unsigned long long)s->id, s->accepted.text,
                 reason);
        add_err(channel_out(&s->client), s->client_seq, ERROR_RELAY, "HY000", span_of(text));
        session_close(s, "no TLS with the backend");
    } else {
        snprintf(text, sizeof text, "TLS with the %s: %s", c == &s->client ? "client" : "backend", reason);
        session_fail(s, text);
    }
}

void secure_timed_out(struct session *s)
{
    secure_failed(&s->backend, "timed out");
}
