/* One connection's TLS, by OpenSSL, with no socket in it: bytes come in sealed and go out plain, and back.
 *
 *      socket ─ recv ─▶ tls_receive ─▶ plain bytes        plain bytes ─▶ tls_send ─▶ tls_out ─ send ─▶ socket
 *                           └─▶ tls_out (handshake, alerts, tickets)
 *
 * So one recv and one send serve any number of records, nothing that was received ever waits inside OpenSSL
 * but half a record, and what a socket does not take waits in one buffer, whose length the caller can see.
 * OpenSSL's own buffers are released between records. */
#ifndef PROXY_NET_TLS_H
#define PROXY_NET_TLS_H

#include "protocol/buf.h"
#include "proxy/net/tls_contexts.h"

struct tls;

/* The most plain bytes that may come out beyond the sealed bytes that are given in: a record whose beginning
 * was given before. */
#define TLS_RECORD_ROOM (17 * 1024)

/* A connection to a client, and one to a backend, which begins to speak at once. `name`: the host's name or
 * address that its certificate must name, where the configuration says so; `backend`: its id, with which a
 * session is resumed (tls_sessions.h). NULL: out of memory. The contexts need not outlive it. */
struct tls *tls_accept(const struct tls_contexts *x);
struct tls *tls_connect(const struct tls_contexts *x, const char *name, uint64_t backend);
void tls_free(struct tls *t); /* NULL is fine */

enum tls_state {
    TLS_SHAKING, /* the handshake is under way */
    TLS_OPEN,
    TLS_CLOSED, /* the other end has said that it says no more */
    TLS_FAILED, /* tls_reason() tells; an alert for the other end may be in tls_out() */
};

/* Takes all the sealed bytes that came; *got plain ones are put at `to`, which must have room for
 * sealed.len + TLS_RECORD_ROOM. */
enum tls_state tls_receive(struct tls *t, struct span sealed, char *to, size_t room, size_t *got);

/* Seals plain bytes into tls_out(). The state must be TLS_OPEN. false: it failed. */
bool tls_send(struct tls *t, struct span plain);

/* Says that no more comes, in tls_out(). */
void tls_close(struct tls *t);

/* What is to be sent to the other end; the caller consumes it. */
struct buf *tls_out(struct tls *t);

enum tls_state tls_state(const struct tls *t);
const char *tls_reason(const struct tls *t);

/* "TLSv1.3". */
const char *tls_version_text(const struct tls *t);

/* Whether its handshake took up an earlier connection's session. */
bool tls_resumed(const struct tls *t);

#endif
