/* How the control side reaches the workers, which stand on a higher floor: an interface that main fills in.
 *
 *   control thread ── publish(snapshot) ──▶ every worker: adopts it for the statements that begin from now
 *   job thread     ── wait(generation)  ──▶ returns when every worker adopted it and no session is pinned
 *                                           to an older one (the barrier) */
#ifndef PROXY_MIGRATION_PUBLISHER_H
#define PROXY_MIGRATION_PUBLISHER_H

#include "config/config.h"
#include "proxy/migration/snapshot.h"

/* A client session, as `sessions` lists it and as a barrier that timed out names its holders. */
struct session_info {
    uint64_t id;            /* the proxy's own number */
    uint32_t connection_id; /* the backend's thread id (KILL, processlist) */
    uint64_t pinned;        /* generation; 0: not pinned */
    bool in_transaction;
    uint64_t pinned_ms; /* for how long */
    char user[81], client[64], database[65], program[65];
};

struct barrier_result {
    double
        in_force_ms;   /* from its publication until every statement and transaction that begins goes by it */
    double drained_ms; /* until no session was pinned to an older one */
    unsigned waited_for; /* transactions and running statements of older generations that it waited for */
};

struct publisher {
    void *ctx;

    /* Hands a snapshot to every worker (each takes its own reference) and returns at once. Generations
     * never go backwards. Callable from any thread. */
    void (*publish)(void *ctx, struct snapshot *s);

    /* The barrier; blocks the calling thread, which must not be a worker. timeout_ms bounds it; false when
     * the time passed (the result then holds what is known). */
    bool (*wait)(void *ctx, uint64_t generation, unsigned timeout_ms, struct barrier_result *out);

    /* Every change of the catalog that sessions reported up to `ticket` (control_hooks.catalog_changed) has
     * been read, and the snapshot with it was published before this call (or nothing had changed). Lets go
     * of the answers to DDL that sessions hold back. Returns at once; callable from any thread. */
    void (*catalog_read)(void *ctx, uint64_t ticket);

    /* The file was read again: what the workers can take of it (backends, limits, time-outs, certificates)
     * holds for the connections that come from now. `fresh` must stay valid as long as the workers. Mistakes
     * in the files that it names are reported, and then the certificates stay as they were: false. Blocks
     * while they are read; one call at a time. NULL: there is nothing to be taken. */
    bool (*configure)(void *ctx, const struct config *fresh, config_report *report, void *report_ctx);

    /* A malloc'ed array of every session (free it), its length in *count. */
    struct session_info *(*sessions)(void *ctx, size_t *count);

    /* From now on sessions go to this backend only (its text in the configuration; "": to none), and those
     * that were at another one have ended when this returns. NULL: to all of them in their order, and nobody
     * is ended. Must not be called by a worker. */
    void (*use_backend)(void *ctx, const char *text);
};

#endif
