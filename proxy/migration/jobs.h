/* Jobs: the backfill of a migration, in a thread of its own. */
#ifndef PROXY_MIGRATION_JOBS_H
#define PROXY_MIGRATION_JOBS_H

#include "proxy/migration/control.h"

enum job_start {
    JOB_REFUSED,
    JOB_STARTED, /* from the beginning */
    JOB_RESUMED, /* from its checkpoint */
    JOB_RUNS_ALREADY,
    JOB_COMPLETE_ALREADY,
};

/* Starts or resumes the backfill; `again` starts a complete one from the beginning. The reason of a refusal
 * is in `error`. */
enum job_start backfill_start(struct control *c, const char *migration, const char *who, bool again,
                              char *error, size_t error_size);

/* Stops it: `state` is BACKFILL_PAUSED or BACKFILL_CANCELLED. false with the reason. */
bool backfill_stop(struct control *c, const char *migration, const char *who, enum backfill_state state,
                   char *error, size_t error_size);

/* Waits until the backfill's progress has moved or it has ended, at most timeout_ms; false when there is no
 * such migration or the process stops. */
bool backfill_watch(struct control *c, const char *migration, unsigned timeout_ms, struct backfill_view *out);

#endif
