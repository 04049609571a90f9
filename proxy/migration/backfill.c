/* Chunk by chunk:
 *
 *     find the chunk's last key → START TRANSACTION → UPDATE the rows that are not as forward gives
 *     → checkpoint → COMMIT → a short rest
 *
 * The values never come here: one UPDATE computes and compares on the server. The backfill is the victim of
 * every lock conflict: it waits shortly, halves its chunk and tries again. */
#include "proxy/migration/backfill.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/row_sql.h"
#include "proxy/migration/row_walk.h"

enum {
    LOCK_WAIT_S = 1,
    RETRIES_MAX = 300,   /* lock conflicts in a row on one chunk */
    RECONNECTS_MAX = 60, /* attempts, RETRY_REST_MS apart at first, then a second */
    RETRY_REST_MS = 50,
    RECONNECT_REST_MS = 1000,
    CHUNK_MS = 15,    /* its rows are locked for so long: a client's write waits no longer */
    MAX_REST_MS = 50, /* between chunks */
    RATE_WINDOW_MS = 10000,
    ERR_DUPLICATE = 1062,
    ERR_LOCK_WAIT = 1205,
    ERR_DEADLOCK = 1213,
};

struct run {
    const struct backfill_setup *setup;
    struct stored_backfill *state;
    struct db *db;
    const struct rule *rule;
    const struct catalog_table *table;
    const char *name, *sidecar;
    struct row_walk walk;
    bool clearing; /* the walk before the walk: see clear_stale() */
    char *lower;   /* where this run began, for the progress by key */
    struct backfill_view view;
    double window_start, run_start;
    uint64_t window_rows;
    double start_fraction;
};

/* ---- the connection --------------------------------------------------------------------------------- */

static bool connect_run(struct run *r, char *error, size_t error_size)
{
    db_close(r->db);
    r->db = control_db(r->setup->control, error, error_size);
    if (!r->db)
        return false;
    /* READ COMMITTED keeps locks off gaps and off rows that need no change; a binary log of statements does
     * not allow it. */
    bool ok = db_runf(r->db, "SET SESSION innodb_lock_wait_timeout = %d", LOCK_WAIT_S) &&
              (db_server(r->db)->statement_binlog ||
               db_run(r->db, SPAN("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")));
    if (!ok)
        snprintf(error, error_size, "%s", db_error(r->db));
    return ok;
}

/* ---- progress --------------------------------------------------------------------------------------- */

/* The rate of the last seconds; the time to go only where both are measured. */
static void measure(struct run *r)
{
    double now = clock_ms(), elapsed = now - r->window_start;
    if (elapsed >= 1000)
        r->view.rate = (double)(r->state->rows - r->window_rows) / elapsed * 1e3;
    if (elapsed >= RATE_WINDOW_MS) {
        r->window_start = now;
        r->window_rows = r->state->rows;
    }
    double fraction = row_walk_fraction(&r->walk, r->lower);
    r->view.eta_s = -1;
    if (fraction > 0.01 && now - r->run_start >= 2000)
        r->view.eta_s = (now - r->run_start) / 1e3 * (1 - fraction) / fraction;
}

/* Tells where it is, and asks whether to go on. */
static bool go_on(struct run *r, const char *waiting)
{
    r->view.state = r->state->state;
    r->view.rows = r->state->rows;
    r->view.changed = r->state->changed;
    r->view.estimate = r->state->estimate;
    snprintf(r->view.waiting, sizeof(r->view.waiting), "%s", waiting);
    enum backfill_state wanted = r->setup->progress(r->setup->ctx, &r->view);
    if (wanted == BACKFILL_RUNNING)
        return true;
    r->state->state = wanted;
    return false;
}

static void fail(struct run *r, const char *reason)
{
    r->state->state = BACKFILL_FAILED;
    snprintf(r->state->error, sizeof(r->state->error), "%s", reason);
}

/* ---- one chunk -------------------------------------------------------------------------------------- */

static void add_update(struct buf *b, const struct run *r)
{
    buf_add_str(b, "UPDATE ");
    row_sql_table(b, r->rule);
    row_key_hint(b, &r->walk.key);
    buf_add_byte(b, ' ');
    if (r->clearing)
        row_sql_clear(b, r->rule, r->table);
    else
        row_sql_fill(b, r->rule, r->table);
    buf_add_str(b, " WHERE ");
    row_walk_where(b, &r->walk);
    buf_add_str(b, " AND NOT ");
    row_sql_forward_matches(b, r->rule, r->table);
    if (r->clearing) {
        buf_add_str(b, " AND ");
        row_sql_has_new(b, r->rule);
    }
}

/* The plan of the first chunk: a scan of a large table for each chunk would be a disaster. */
static bool plan_is_range(struct run *r, char *error, size_t error_size)
{
    struct buf b = BUF_INIT;
    struct db_result result;
    buf_add_str(&b, "EXPLAIN FORMAT=TRADITIONAL "); /* MySQL's default is a tree */
    add_update(&b, r);
    if (!db_query_buf(r->db, &b, &result)) {
        snprintf(error, error_size, "EXPLAIN of the first chunk: %s", db_error(r->db));
        return false;
    }
    /* MariaDB: id, select_type, table, type, …; MySQL has partitions before type. */
    const db_field *f = db_next(&result);
    bool scan = false;
    for (size_t i = 0; f && i < result.columns; i++)
        scan = scan || (i >= 3 && i <= 4 && span_eq(f[i], SPAN("ALL")));
    db_end(&result);
    if (scan)
        snprintf(error, error_size, "the server would read the whole table for each chunk, not a range of %s",
                 r->walk.key.index);
    return !scan;
}

/* The chunk in one transaction. *work_ms: what its rows took, without the commit, which takes what it takes
 * however few they are. false: see db_errno. */
static bool fill_chunk(struct run *r, double *work_ms)
{
    double start = clock_ms();
    struct stored_backfill next = *r->state;
    struct buf b = BUF_INIT;
    if (!row_walk_chunk(&r->walk, r->db) || !db_run(r->db, SPAN("START TRANSACTION")))
        return false;
    add_update(&b, r);
    if (!db_run_buf(r->db, &b)) {
        db_rollback(r->db);
        return false;
    }
    *work_ms = clock_ms() - start;
    if (!r->clearing) {
        next.rows += r->walk.rows;
        next.changed += db_affected(r->db);
        next.last_key = r->walk.upto;
    }
    if ((!r->clearing && !store_checkpoint(r->db, r->sidecar, r->name, &next)) ||
        !db_run(r->db, SPAN("COMMIT"))) {
        db_rollback(r->db);
        return false;
    }
    r->state->rows = next.rows;
    r->state->changed = next.changed;
    return true;
}

/* A server that crashed, or another one in its place, may have lost what it had committed: where to go on is
 * what the store says now, not what is remembered here. */
static bool read_checkpoint(struct run *r, char *error, size_t error_size)
{
    struct stored_backfill b;
    if (!store_read_backfill(r->db, r->sidecar, r->name, &b)) {
        snprintf(error, error_size, "%s", db_error(r->db));
        return false;
    }
    r->state->rows = b.rows;
    r->state->changed = b.changed;
    free(r->walk.after);
    r->walk.after = b.last_key;
    free(b.upper_key);
    free(r->state->last_key); /* from now on walk.after is where it is */
    r->state->last_key = NULL;
    return b.state != BACKFILL_NONE || store_backfill(r->db, r->sidecar, r->name, r->state);
}

static bool reconnect(struct run *r)
{
    char error[CONTROL_ERROR_SIZE] = "";
    for (unsigned i = 0; i < RECONNECTS_MAX; i++) {
        if (connect_run(r, error, sizeof(error)) && read_checkpoint(r, error, sizeof(error)))
            return true;
        if (!go_on(r, "the backend does not answer"))
            return false;
        clock_rest(RECONNECT_REST_MS);
    }
    fail(r, error);
    return false;
}

/* What to do after a chunk failed; true: try again. */
static bool handle_failure(struct run *r, unsigned *retries)
{
    unsigned code = db_errno(r->db);
    if (db_lost(r->db))
        return reconnect(r);
    if (code == ERR_LOCK_WAIT || code == ERR_DEADLOCK) {
        if (++*retries > RETRIES_MAX) {
            fail(r, "the rows of a chunk stayed locked for minutes; resume when the transaction has ended");
            return false;
        }
        r->walk.chunk_rows =
            r->walk.chunk_rows / 2 > r->walk.min_rows ? r->walk.chunk_rows / 2 : r->walk.min_rows;
        clock_rest(RETRY_REST_MS + (unsigned)(random() % RETRY_REST_MS));
        return go_on(r, code == ERR_LOCK_WAIT ? "rows are locked by another transaction"
                                              : "a deadlock, trying again");
    }
    char reason[STORE_TEXT_SIZE];
    snprintf(reason, sizeof(reason), "%s, in the rows behind %s%s", db_error(r->db),
             r->walk.after ? r->walk.after : "the beginning",
             code == ERR_DUPLICATE
                 ? "; a unique index over a new column meets a value of an earlier dual-write:"
                   " set the new column to NULL where it is not up to date, then resume"
                 : "");
    fail(r, reason);
    return false;
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static void estimate_rows(struct run *r)
{
    struct buf b = BUF_INIT;
    struct db_result result;
    buf_add_str(&b, "SELECT table_rows FROM information_schema.tables WHERE ");
    row_sql_table_is(&b, "table_schema", "table_name", r->rule);
    if (!db_query_buf(r->db, &b, &result))
        return;
    const db_field *f = db_next(&result);
    r->state->estimate = f ? db_u64(f[0]) : 0;
    db_end(&result);
}

/* Fixes the upper end at the first start; a resumed run keeps it, since later rows are dual-written. */
static bool begin(struct run *r)
{
    char error[CONTROL_ERROR_SIZE] = "";
    bool resumed = r->state->last_key != NULL;
    if (!r->table)
        snprintf(error, sizeof(error), "the table does not exist, or the control account may not see it");
    else if (connect_run(r, error, sizeof(error)) &&
             row_walk_begin(&r->walk, r->db, r->rule, error, sizeof(error))) {
        if (resumed) {
            free(r->walk.upper);
            r->walk.upper = r->state->upper_key ? strdup(r->state->upper_key) : NULL;
            r->walk.after = strdup(r->state->last_key);
        } else {
            estimate_rows(r);
            free(r->state->upper_key);
            r->state->upper_key = r->walk.upper ? strdup(r->walk.upper) : NULL;
        }
        r->state->state = BACKFILL_RUNNING;
        *r->state->error = '\0';
        if (store_void_verification(r->db, r->sidecar, r->name) &&
            store_backfill(r->db, r->sidecar, r->name, r->state))
            return true;
        snprintf(error, sizeof(error), "the checkpoint cannot be written: %s", db_error(r->db));
    }
    fail(r, error);
    return false;
}

static bool explain_first(struct run *r)
{
    char error[CONTROL_ERROR_SIZE];
    if (row_walk_chunk(&r->walk, r->db) && !plan_is_range(r, error, sizeof(error))) {
        fail(r, error);
        return false;
    }
    return true;
}

/* Walks to the upper end. false when it ended before; then the state says how. */
static bool walk_all(struct run *r)
{
    unsigned retries = 0;
    while (retries || go_on(r, "")) { /* handle_failure() has asked already, and said why it waits */
        double start = clock_ms(), work = 0;
        if (!fill_chunk(r, &work)) {
            if (!handle_failure(r, &retries))
                return false;
            continue;
        }
        retries = 0;
        double took = clock_ms() - start;
        row_walk_advance(&r->walk, work, CHUNK_MS);
        if (!r->lower)
            r->lower = strdup(r->walk.after);
        measure(r);
        if (r->walk.last)
            return true;
        clock_rest(took < MAX_REST_MS ? (unsigned)took : MAX_REST_MS);
    }
    return false;
}

/* Whether a unique index spans a new column. An index that cannot be looked up counts as one. */
static bool new_columns_are_unique(struct run *r)
{
    struct buf b = BUF_INIT;
    struct db_result result;
    buf_add_str(&b, "SELECT 1 FROM information_schema.statistics WHERE non_unique = 0 AND ");
    row_sql_table_is(&b, "table_schema", "table_name", r->rule);
    buf_add_str(&b, " AND column_name IN (");
    for (size_t i = 0; i < r->rule->new_count; i++) {
        buf_add_str(&b, i ? ", " : "");
        sql_string(&b, r->rule->new_columns[i].name);
    }
    buf_add_str(&b, ") LIMIT 1");
    bool unique = !db_query_buf(r->db, &b, &result) || result.rows > 0;
    db_end(&result);
    return unique;
}

/* After a rollback to expand the new columns keep what they had then. Under a unique index such a value can
 * stand in the way of the row that has it now, so they are set to NULL first, where they are not up to date.
 * This walk has no checkpoint: done again, it finds nothing to do. */
static bool clear_stale(struct run *r)
{
    if (!row_sql_can_clear(r->rule, r->table) || !new_columns_are_unique(r))
        return true;
    r->clearing = true;
    if (!walk_all(r))
        return false;
    r->clearing = false;
    free(r->walk.after);
    r->walk.after = NULL;
    r->walk.last = false;
    return true;
}

void backfill_run(const struct backfill_setup *setup)
{
    const struct target *t = setup->target;
    struct run r = {.setup = setup,
                    .state = setup->backfill,
                    .rule = t->rule,
                    .table = target_table(t),
                    .name = t->config->name,
                    .sidecar = t->sidecar,
                    .window_start = clock_ms(),
                    .run_start = clock_ms(),
                    .window_rows = setup->backfill->rows,
                    .view = {.eta_s = -1}};
    if (begin(&r)) {
        if (!r.walk.upper)
            r.state->state = BACKFILL_COMPLETE; /* no row */
        else if (explain_first(&r) && (r.walk.after || clear_stale(&r)) && walk_all(&r))
            r.state->state = BACKFILL_COMPLETE;
    }
    if (r.walk.after && !r.clearing) { /* else it did not come to walking, and the checkpoint stays */
        free(r.state->last_key);
        r.state->last_key = r.walk.after;
        r.walk.after = NULL;
    }
    if (r.state->state == BACKFILL_NONE)
        r.state->state = BACKFILL_RUNNING; /* the store says so already, with the last checkpoint */
    else if (r.db && !store_backfill(r.db, r.sidecar, r.name, r.state))
        log_warn("migration %s: the end of the backfill is not recorded: %s", r.name, db_error(r.db));
    free(r.lower);
    row_walk_end(&r.walk);
    db_close(r.db);
}
