/* Where the backends are, and which of them new sessions go to.
 *
 * They are tried in their order; one that failed is tried after those that work, until a probe finds that it
 * greets again. So is one of several addresses of a host name, for a minute. With migrations the control side
 * steers: then there is exactly one backend for all sessions and for the control connections, since two
 * servers may differ in phase and data.
 *
 * Addresses and paths are known at once. Names are looked up by a thread of their own, again and again, so
 * that no worker ever waits for a name server; until the first answer they have no address. The same thread
 * probes what is down. */
#ifndef PROXY_NET_BACKENDS_H
#define PROXY_NET_BACKENDS_H

#include "config/config.h"
#include "proxy/net/sockets.h"

enum { BACKEND_TEXT_SIZE = 280 };

struct backends;

/* Copies what it needs of config->backends. NULL when memory or threads are out. */
struct backends *backends_new(const struct config *config);
void backends_free(struct backends *b);

/* The backends of another configuration; what is known of those that stay is kept. false: out of memory, and
 * nothing has changed. Any thread. */
bool backends_set(struct backends *b, const struct config *config);

/* From now on only this one; "": none; NULL: all in their order. Any thread. */
void backends_steer(struct backends *b, const char *text);

/* One session's way along the backends. Zeroed at its beginning. */
struct backend_cursor {
    uint64_t list;          /* which list of backends the positions below are in */
    uint64_t id;            /* of the backend that was given last */
    uint64_t tried;         /* a bit for each of the first 64 that were given */
    unsigned turn, backend; /* turn 0: those that are up, 1: the others */
    uint32_t addresses;     /* of that backend that were given: a bit for each */
    struct address last;    /* the one given last */
    bool again;             /* set by the caller: the next one is to be that again */
};

/* The next address to try; false: there are no more. `error`: why the one given before failed, as errno; a
 * backend all of whose addresses failed is down from then on. Any thread. */
bool backends_next(struct backends *b, struct backend_cursor *at, int error, struct address *out);

/* The one given last has sent a greeting. */
void backends_worked(struct backends *b, const struct backend_cursor *at);

/* The backend that a session would be told of first, for messages. */
void backends_first(struct backends *b, char *out, size_t size);

/* The host name or address of the backend with this id; "localhost" for a Unix socket. false: it is not in
 * the list any more. */
bool backends_host(struct backends *b, uint64_t id, char *out, size_t size);

/* Its id, to tell sessions of other backends; 0: there is no such backend. */
uint64_t backends_id(struct backends *b, const char *text);

struct backend_view {
    char text[BACKEND_TEXT_SIZE];
    bool up, current; /* current: new sessions go there */
    double since_s;   /* for how long it has been up or down */
    char error[128];  /* why it is down */
};

/* Copies what is known of the first `max` of them; how many. Any thread. */
size_t backends_look(struct backends *b, struct backend_view *out, size_t max);

#endif
