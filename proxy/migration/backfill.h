/* The backfill itself: chunk after chunk until the upper key, its checkpoint in the chunk's transaction. */
#ifndef PROXY_MIGRATION_BACKFILL_H
#define PROXY_MIGRATION_BACKFILL_H

#include "proxy/migration/control.h"

struct backfill_setup {
    struct control *control; /* for connections */
    const struct target *target;
    struct stored_backfill *backfill; /* where it begins, and (changed as it goes) where it is */
    /* Called after each chunk and while waiting. Gives BACKFILL_RUNNING to go on, else the state to end in;
     * BACKFILL_NONE leaves the store as it is, running, so that the next start of the proxy resumes it. */
    enum backfill_state (*progress)(void *ctx, const struct backfill_view *view);
    void *ctx;
};

/* Runs to the end, or until progress() stops it or it fails; the state is in setup->backfill->state (and in
 * the store), the reason of a failure in its error. */
void backfill_run(const struct backfill_setup *setup);

#endif
