/* The admin socket: a Unix stream socket, mode 0600, one command a line, answers as JSON lines.
 *
 *     main's event base: accept ──▶ one thread a connection ──▶ commands.c ──▶ control
 *
 * A thread for each, so that a command that takes long (a barrier, a backfill that is watched) or a client
 * that does not read holds up nobody else. Their number is bounded. */
#ifndef PROXY_ADMIN_ADMIN_H
#define PROXY_ADMIN_ADMIN_H

#include <event2/event.h>

#include "proxy/migration/control.h"

struct admin;

struct admin_setup {
    struct control *control;
    const char *path;               /* of the socket */
    void (*drain)(void *ctx);       /* the drain command; callable from any thread */
    unsigned (*clients)(void *ctx); /* how many client sessions there are; likewise */
    void *ctx;
};

/* Locks PATH.lock, replaces a socket file that nobody answers on, and listens. NULL with the reason in
 * `error`: another crossfade has it, or the directory is not ours to write. */
struct admin *admin_open(struct event_base *base, const struct admin_setup *setup, char *error,
                         size_t error_size);

/* Stops listening, removes the socket, ends the connections and waits for their threads. NULL is fine. */
void admin_close(struct admin *a);

#endif
