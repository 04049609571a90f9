/* Between accepting a client and giving it to a worker: the PROXY header, where the client comes from a
 * network that may send one. Who does not send it in time, or sends something else, is logged and let go;
 * whoever comes from elsewhere passes at once.
 *
 *     listener ── accept ──▶ gate ─┬─ not trusted ─────────────────────────▶ workers_accept
 *                                  └─ trusted ─▶ waits for its header ─────▶ workers_accept
 *                                                   └─ garbled, late ──▶ closed
 *
 * Only the header's bytes are taken from the socket. Main thread only. */
#ifndef PROXY_NET_GATE_H
#define PROXY_NET_GATE_H

#include "proxy/net/sockets.h"
#include "proxy/net/worker.h"

struct gate;

struct gate *gate_new(struct event_base *base, struct workers *ws); /* NULL: out of memory */

/* Takes an accepted socket, whatever becomes of it. `from`: what accept() gave. */
void gate_admit(struct gate *g, int fd, const struct address *from);

/* Lets go of everybody who waits. NULL is fine. */
void gate_free(struct gate *g);

#endif
