/* Worker threads: each has its own event base, its sessions live and die in it, and other threads reach it
 * by messages only.
 *
 *   main thread: accepts → hands the socket to a worker (round robin)
 *   worker:      one event_base; sessions; its adopted snapshot; counts of pins per generation
 *
 * This floor knows sockets, buffers and threads; what a session is, it is told by struct session_ops. */
#ifndef PROXY_NET_WORKER_H
#define PROXY_NET_WORKER_H

#include <event2/event.h>

#include "config/config.h"
#include "proxy/migration/publisher.h"

struct worker;
struct workers;

/* What the session floor gives to this one. Called in the worker's thread. */
struct session_ops {
    /* A client was accepted on `fd` (non-blocking, owned by the callee from here); `client` is its address
     * as text. */
    void (*start)(struct worker *w, int fd, const char *client);
    /* The process drains: end what is idle, end the others at their next boundary. */
    void (*drain)(struct worker *w);
    /* Appends the worker's sessions to a list. */
    void (*list)(struct worker *w, struct session_info **infos, size_t *count);
};

/* What a session asks of the control side. Callable from any worker thread; returns at once. */
struct control_hooks {
    void *ctx;
    void (*catalog_changed)(void *ctx); /* DDL went through: the catalog should be read again */
};

#endif
