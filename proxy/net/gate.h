/* Between accepting a client and its session: the PROXY header, where the client comes from a network that
 * may send one. Who does not send it in time, or sends something else, is logged and let go; whoever comes
 * from elsewhere passes at once.
 *
 *     listener ── accept ──▶ gate ─┬─ not trusted ─────────────────────────▶ worker_serve
 *                                  └─ trusted ─▶ waits for its header ─────▶ worker_serve
 *                                                   └─ garbled, late ──▶ closed
 *
 * Only the header's bytes are taken from the socket. Each worker has a gate of its own, and it alone calls
 * it. */
#ifndef PROXY_NET_GATE_H
#define PROXY_NET_GATE_H

#include "proxy/net/context.h"

struct gate;

struct gate *gate_new(struct worker *w); /* NULL: out of memory */

/* Takes an accepted socket, whatever becomes of it. `from`: what accept() gave. */
void gate_admit(struct gate *g, int fd, const struct address *from);

/* Lets go of everybody who waits and whose header has not come. */
void gate_clear(struct gate *g);

/* The same, and the gate is no more. NULL is fine. */
void gate_free(struct gate *g);

#endif
