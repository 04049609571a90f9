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
#include "proxy/net/backends.h"

struct admin;

struct admin_setup {
    struct control *control;
    const char *path;               /* of the socket */
    void (*drain)(void *ctx);       /* the drain command; callable from any thread */
    unsigned (*clients)(void *ctx); /* how many client sessions there are; likewise */
    /* Where they go; NULL while there is nothing to tell; likewise. The pointer may be NULL. */
    struct backends *(*backends)(void *ctx);
    void *ctx;
    int listening; /* a socket that was handed down; -1: none */
    bool takeover; /* the path is another process's, and is taken away from it */
};

/* Locks PATH.lock: whoever holds it is the one crossfade of this admin socket, as long as it lives. The
 * lock's descriptor, to be kept to the end; -1 with the reason. *busy: another process has it. */
int admin_lock(const char *path, bool *busy, char *error, size_t error_size);

/* Replaces a socket file that nobody answers on, and listens. NULL with the reason in `error`. */
struct admin *admin_open(struct event_base *base, const struct admin_setup *setup, char *error,
                         size_t error_size);

/* Removes the socket's file where it is still ours: for an end without admin_close(). */
void admin_remove_file(const struct admin *a);

/* Stops listening, removes the socket where it is still ours, ends the connections and waits for their
 * threads. NULL is fine. */
void admin_close(struct admin *a);

#endif
