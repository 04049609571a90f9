/* The control side: which migrations there are, where each stands, and everything that changes it.
 *
 *     admin commands ─┐                        ┌─▶ store (phases, events, checkpoints)
 *     SIGHUP ─────────┼─▶ control ── snapshot ─┼─▶ publisher ─▶ workers
 *     keeper thread ──┘   (one mutex)          └─▶ jobs (backfill)
 *
 * The keeper is the control's own thread: it connects to the backend, loads phases and catalog (and tries
 * again while the backend is down), and reads the catalog anew when sessions saw DDL or time has passed.
 * Everything here may be called from any thread but a worker's, unless said otherwise; calls that talk to
 * the backend open a connection of their own. */
#ifndef PROXY_MIGRATION_CONTROL_H
#define PROXY_MIGRATION_CONTROL_H

#include "proxy/migration/preflight.h"
#include "proxy/migration/publisher.h"

enum { CONTROL_ERROR_SIZE = 1024 };

struct control;

/* Takes the config. `check` is used again on reload. NULL when memory is out. */
struct control *control_new(struct config *take, config_expression_check *check);

/* The snapshot that workers start with, a new reference: without rules, and with phases_unknown where there
 * are migrations. */
struct snapshot *control_first_snapshot(struct control *c);

/* Reads phases and catalog and publishes them, then starts the keeper. A backend that is down is no failure:
 * it is logged, and tried again by the keeper. false when no thread can be made. */
bool control_start(struct control *c, struct publisher publisher);

/* Stops the keeper and the jobs (a backfill stays resumable). The publisher is not called afterwards. */
void control_stop(struct control *c);
void control_free(struct control *c);

/* control_hooks.catalog_changed; callable from workers. `ctx` is the control. */
uint64_t control_catalog_changed(void *ctx);

/* control_hooks.backend_failed; likewise. The keeper looks at its backend at once. */
void control_backend_failed(void *ctx);

/* Has the catalog read anew, and waits for it; false when that took longer than timeout_ms. */
bool control_refresh_catalog(struct control *c, unsigned timeout_ms);

/* The configuration as the last reload left it; it stays valid until control_free. */
const struct config *control_config(struct control *c);

/* A connection with the present configuration, to the backend that everybody is at. */
struct db *control_db(struct control *c, char *error, size_t error_size);
const char *control_sidecar(struct control *c);
const struct publisher *control_publisher(const struct control *c);

/* ---- what is ---- */

struct backfill_view {
    enum backfill_state state;
    uint64_t rows, changed, estimate;
    double rate;       /* rows a second, of the last seconds; 0: not known */
    double eta_s;      /* below 0: not known */
    char waiting[128]; /* why it makes no progress; empty: it does */
    char error[STORE_TEXT_SIZE];
};

struct migration_view {
    char name[STORE_NAME_SIZE];
    char table[140];
    enum phase phase;
    enum side reads;
    bool reads_pinned_old;
    uint64_t generation;  /* of the flip that made the phase */
    char flipping_to[16]; /* empty: no flip is under way */
    struct backfill_view backfill;
    struct stored_verification verification;
    unsigned long long reads_seen, writes_seen, rewritten, refused, passed;
    char problem[256]; /* what keeps it from working (table gone, columns missing); empty: nothing */
};

struct control_view {
    uint64_t generation;
    bool loaded; /* the phases are known */
    bool backend_up;
    const char *refusal;                    /* why nothing may be changed now; NULL: it may */
    char backend_error[CONTROL_ERROR_SIZE]; /* of the last failure, where it is not up */
    char server_version[64];
    struct migration_view *migrations; /* malloc'ed */
    size_t migration_count;
};

/* Copies what is. name: one migration, or NULL for all. false when memory is out. */
bool control_look(struct control *c, const char *name, struct control_view *out);

/* What a check or a job needs of one migration. false with the reason: unknown, or phases not known yet. */
bool control_target(struct control *c, const char *name, struct target *out, char *error, size_t error_size);

/* ---- what changes it ---- */

struct flip_request {
    const char *migration;
    enum phase to;
    bool force, dry_run;
    unsigned timeout_ms; /* of the barrier */
    const char *who;     /* for the events */
    const char *what;    /* the command's name, likewise */
};

struct flip_result {
    bool ok;
    char error[CONTROL_ERROR_SIZE]; /* where not ok */
    enum phase from, to;
    uint64_t generation;
    struct barrier_result barrier;
    bool drained;    /* the barrier passed; false with ok: a rollback, which stays */
    bool overridden; /* a gate was opened by force */
    struct gate_list gates;
    struct session_info *holders; /* malloc'ed: sessions pinned to older generations when time had passed */
    size_t holder_count;
};

/* One flip: gates → intent → publish → barrier → store. Blocks until it ended. Release the result with
 * flip_result_free. */
void control_flip(struct control *c, const struct flip_request *request, struct flip_result *result);
void flip_result_free(struct flip_result *r);

/* Reads the file again. false and then every reason in *reasons (one a line); the old configuration stays. */
bool control_reload(struct control *c, const char *who, struct buf *reasons);

/* What a verify found becomes the migration's verification, in memory and in the store, unless the dual-write
 * that it looked at has ended meanwhile; writes the event. false: see db_error. */
bool control_take_verification(struct control *c, struct db *d, const struct target *t,
                               const struct stored_verification *found, const struct stored_event *event);

/* ---- one process takes over from another ---- */

/* From now on this process flips nothing and runs no job: its successor serves beside it, in the phases as
 * they are. false with the reason: a flip is under way. */
bool control_hand_over(struct control *c, char *error, size_t error_size);
/* The successor did not come up. */
void control_take_back(struct control *c);

/* This process is a successor: while `waiting`, the one before it still has sessions and the sidecar's lock.
 * To be called first before control_start(). */
void control_succeed(struct control *c, bool waiting);

/* Whether control_stop was called: what takes long should end. */
bool control_is_stopping(struct control *c);

/* Writes an event; failure is logged only. */
void control_event(struct control *c, const struct stored_event *event);

#endif
