/* What a session, and the gate before it, ask of the worker that they live in. All of it in the worker's own
 * thread only. */
#ifndef PROXY_NET_CONTEXT_H
#define PROXY_NET_CONTEXT_H

#include "proxy/net/backends.h"
#include "proxy/net/loop.h"
#include "proxy/net/worker.h"

struct gate;

struct loop *worker_loop(struct worker *w);
struct gate *worker_gate(struct worker *w);

/* What session_ops.open gave. */
void *worker_data(struct worker *w);

/* A number that no other session of the process has. */
uint64_t worker_session_id(struct worker *w);

/* Begins a session with a client that workers_admit() gave to this worker. Takes `fd` in any case; at
 * max_connections the client is told the server's error 1040. `client` is copied. */
void worker_serve(struct worker *w, int fd, const struct accepted *client);
/* A client that workers_admit() gave to this worker has gone before worker_serve(). */
void worker_client_gone(struct worker *w);

/* A session that session_ops.start began is over. */
void worker_session_ended(struct worker *w);

bool worker_draining(const struct worker *w);
struct backends *worker_backends(struct worker *w);
/* For the connections that begin now; valid until the callback that runs has returned. */
struct tls_contexts *worker_tls(const struct worker *w);
const struct config *worker_config(const struct worker *w); /* as it is now; valid as long as the worker */
const struct control_hooks *worker_hooks(const struct worker *w);

/* One adopted snapshot with the count of who holds it. */
struct generation;

/* Adopts what has been published by now. To be called once where a statement begins, before anything is
 * decided by worker_newest() or pinned: within that callback nothing newer comes in between. */
void worker_catch_up(struct worker *w);

/* Pins the newest snapshot that the worker adopted. Every pin is given back by worker_unpin(). */
struct generation *worker_pin(struct worker *w);
/* One more pin on a generation that is pinned. */
void generation_pin_again(struct generation *g);
void worker_unpin(struct worker *w, struct generation *g);

/* The newest snapshot, for a look. */
const struct snapshot *worker_newest(const struct worker *w);

const struct snapshot *generation_snapshot(const struct generation *g);
/* Differs for every snapshot that was adopted, from 0; what is cached by it is never mistaken. */
uint64_t generation_serial(const struct generation *g);
uint64_t worker_newest_serial(const struct worker *w);
bool generation_is_newest(const struct worker *w, const struct generation *g);

#endif
