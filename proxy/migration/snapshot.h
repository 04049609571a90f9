/* The routing snapshot: the rules of one generation, shared by every session that is pinned to it.
 *
 * Immutable but for its reference count. The control side builds one for each flip, reload and change of
 * the catalog, and publishes it to the workers (publisher.h). */
#ifndef PROXY_MIGRATION_SNAPSHOT_H
#define PROXY_MIGRATION_SNAPSHOT_H

#include "proxy/rewrite/rules.h"

struct snapshot {
    atomic_uint refs;
    uint64_t generation;            /* monotonic, never reused; it is the store's */
    bool phases_unknown;            /* there are migrations, and the store has not told their phases yet
                                       (the backend was down at the start): a session that begins under
                                       this is refused with 2003 in the greeting's place, since any
                                       statement could be sent in a wrong phase */
    struct rules *rules;            /* owned */
    struct shared_catalog *catalog; /* a reference; rules->catalog points into it */
};

/* A catalog that several generations share. */
struct shared_catalog {
    atomic_uint refs;
    struct catalog *catalog;
};

struct shared_catalog *shared_catalog_new(struct catalog *take);
struct shared_catalog *shared_catalog_ref(struct shared_catalog *c);
void shared_catalog_unref(struct shared_catalog *c);

/* Takes `rules` and one reference of `catalog` (which may be NULL); the new snapshot has one reference.
 * NULL when memory is out (then both are released). */
struct snapshot *snapshot_new(uint64_t generation, struct rules *rules, struct shared_catalog *catalog);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

#endif
