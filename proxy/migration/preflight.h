/* Preflight: the checks before a phase may be entered. A failed one is a gate. */
#ifndef PROXY_MIGRATION_PREFLIGHT_H
#define PROXY_MIGRATION_PREFLIGHT_H

#include "proxy/migration/db.h"
#include "proxy/migration/snapshot.h"
#include "proxy/migration/store.h"

enum { GATES_MAX = 24 };

struct gate {
    const char *name; /* a constant: "trigger", "backfill", … */
    bool ok;
    bool hard;        /* --force does not open it: the flip could not work at all */
    char detail[512]; /* what was found */
    char hint[256];   /* what to do; empty where it is ok */
};

struct gate_list {
    struct gate gates[GATES_MAX];
    size_t count;
};

/* What a migration is and where it stands, for checks and jobs that run outside the control's lock. */
struct target {
    struct snapshot *snapshot; /* a reference; `rule` points into it */
    const struct rule *rule;
    const struct config_migration *config; /* lives as long as the control does */
    const char *sidecar;                   /* so does this */
    enum phase phase;
    uint64_t dual_write_generation;
    enum backfill_state backfill;
    uint64_t backfill_generation;
    struct stored_verification verification;
};

void target_release(struct target *t);

/* The catalog's entry of the target's table, or NULL. */
const struct catalog_table *target_table(const struct target *t);

/* Runs the gates of entering `to` (PHASE_DUAL_WRITE or PHASE_CUTOVER). */
void preflight(struct db *d, const struct target *t, enum phase to, struct gate_list *out);

/* Whether the list lets pass; force opens every gate that is not hard. */
bool gates_open(const struct gate_list *l, bool force);

/* "gate: detail; gate: detail" of the closed ones. */
void gates_text(const struct gate_list *l, char *out, size_t out_size);

#endif
