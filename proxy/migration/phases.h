/* Which flips there are, and what becomes of one that a crash cut off. Pure. */
#ifndef PROXY_MIGRATION_PHASES_H
#define PROXY_MIGRATION_PHASES_H

#include "proxy/rewrite/rules.h"

/* NULL where a migration may be flipped from `from` to `to` in one step, else why not (a constant). */
const char *phase_flip_refusal(enum phase from, enum phase to);

/* Whether a flip leads forward: then a barrier that does not pass takes it back, and a crash undoes it. */
bool phase_is_forward(enum phase from, enum phase to);

/* Where a migration stands whose process died between intent and end of a flip: a forward flip is undone, a
 * rollback completed. */
enum phase phase_recovered(enum phase stored, enum phase intent);

/* The phase before `p`, for `rollback`; false in expand. */
bool phase_before(enum phase p, enum phase *out);

/* Whether the flip voids the backfill: it begins a dual-write, or ends one. */
bool phase_flip_voids_backfill(enum phase from, enum phase to);

#endif
