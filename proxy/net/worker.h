/* Worker threads: each has its own event loop, its sessions live and die in it, and other threads reach it
 * by messages only.
 *
 *   worker: one loop (loop.h); accepts (listener.h); sessions; its adopted snapshot; counts of pins per
 *           generation
 *
 * Whichever worker is idle accepts a client; it gives the socket to another only where that has fewer.
 *
 * This floor knows sockets, buffers and threads; what a session is, it is told by struct session_ops.
 *
 * How main uses it:
 *
 *   struct workers *w = workers_start(&(struct workers_setup){…}, error, sizeof error);
 *   struct publisher p = workers_publisher(w);          for the control side
 *   struct listeners *l = listeners_open(w, …);         proxy/net/listener.h
 *   …
 *   listeners_close(l);                                 SIGTERM: no new clients
 *   workers_drain(w);                                   sessions end at their next boundary
 *   while (workers_sessions(w) > 0 && time is left) …
 *   workers_stop(w);                                    ends what is left, joins the threads */
#ifndef PROXY_NET_WORKER_H
#define PROXY_NET_WORKER_H

#include "config/config.h"
#include "protocol/proxy_header.h"
#include "proxy/migration/publisher.h"
#include "proxy/net/sockets.h"
#include "proxy/net/tls_contexts.h"

struct worker;
struct workers;

/* A client that was accepted: where it is, by its PROXY header where it has sent one. */
struct accepted {
    char text[64];               /* "192.0.2.1:4711", "[2001:db8::1]:4711" or "unix" */
    struct proxy_addresses ends; /* address_source(): whole only where it is `proxied` */
    bool proxied; /* it said so in a PROXY header: who is at the socket's other end is not the client */
};

/* What the session floor gives to this one. Called in the worker's thread. */
struct session_ops {
    /* Once, before the worker's loop begins: what the sessions of one worker share. NULL: out of memory. */
    void *(*open)(struct worker *w);
    /* Once, behind the loop; every session has ended. */
    void (*close)(struct worker *w);
    /* A client was accepted on `fd` (non-blocking, owned by the callee from here). Every call must be
     * followed by one worker_session_ended(), sooner or later. */
    void (*start)(struct worker *w, int fd, const struct accepted *client);
    /* The process drains: end what is idle, end the others at their next boundary. */
    void (*drain)(struct worker *w);
    /* End every session now; the worker's loop stops behind this call. */
    void (*stop)(struct worker *w);
    /* End every session now that is at another backend than this one (backends_id()), or on its way there. */
    void (*leave_backends)(struct worker *w, uint64_t but);
    /* Appends the worker's sessions to a malloc'ed array. */
    void (*list)(struct worker *w, struct session_info **infos, size_t *count);
    /* A new snapshot was adopted: look at what still holds an older one. */
    void (*adopted)(struct worker *w);
    /* The catalog was read anew for every change reported up to `ticket` (control_hooks.catalog_changed),
     * and what it gave was adopted before. */
    void (*catalog_read)(struct worker *w, uint64_t ticket);
};

/* What a session asks of the control side. Callable from any worker thread; returns at once. */
struct control_hooks {
    void *ctx;
    /* DDL went through: the catalog should be read again. Returns a ticket, growing from 1. When the
     * catalog has been read by a query that began after this call, and the snapshot with it was published,
     * the control side calls publisher.catalog_read(ticket); the session holds the DDL's OK back until then
     * (at most CATALOG_HOLD_MS), so that the client's next statement already meets the new catalog.
     * 0: nobody will answer, hold nothing back. The pointer may be NULL. */
    uint64_t (*catalog_changed)(void *ctx);
    /* No backend that sessions may go to takes connections. The pointer may be NULL. */
    void (*backend_failed)(void *ctx);
};

#define CATALOG_HOLD_MS 2000

struct workers_setup {
    const struct config *config;   /* must outlive the workers, as those that a reload brings */
    const struct session_ops *ops; /* &session_ops (proxy/session/session.h); must outlive the workers */
    struct control_hooks hooks;    /* copied */
    struct snapshot *first;   /* the generation to start with (may have no rules); a reference is taken */
    struct tls_contexts *tls; /* a reference is taken */
};

/* Starts config->threads workers. NULL with the reason in `error`. SIGPIPE is ignored from here on. */
struct workers *workers_start(const struct workers_setup *setup, char *error, size_t error_size);

/* The interface for the control side; valid until workers_stop(). */
struct publisher workers_publisher(struct workers *ws);

unsigned workers_count(const struct workers *ws);

/* Has every worker call `run` in its own thread, one at a time, and returns when the last has. Any thread but
 * the workers'. false: out of memory, and some have not called it. */
bool workers_round(struct workers *ws, void (*run)(struct worker *w, void *arg), void *arg);

/* Gives a socket that was accepted to the worker with the fewest clients, to go through its gate (gate.h).
 * `here`: the worker in whose thread this is called, NULL in another; it keeps the client where no other has
 * fewer. Takes `fd` in any case. `from`: what accept() gave; it is copied. */
void workers_admit(struct workers *ws, struct worker *here, int fd, const struct address *from);

/* The configuration that holds now; valid as long as the workers. Any thread. */
const struct config *workers_config(const struct workers *ws);

/* Where sessions go, for status. Any thread. */
struct backends *workers_backends(struct workers *ws);

/* Asks every session to end at its next boundary (outside a transaction, no command under way), and ends
 * those that are accepted later too. Returns at once. */
void workers_drain(struct workers *ws);

/* How many sessions there are now. Any thread. */
unsigned workers_sessions(const struct workers *ws);

/* Clients accepted since the start, for metrics. Any thread. */
unsigned long long workers_accepted(const struct workers *ws);

/* Ends every session at once, joins the threads, frees everything. No publisher call may be under way. */
void workers_stop(struct workers *ws);

#endif
