/* See verify.h. */
#include "proxy/migration/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/migration/clock.h"
#include "proxy/migration/row_sql.h"
#include "proxy/migration/row_walk.h"

enum { CHUNK_MS = 50 }; /* it takes no locks */

struct verify {
    struct db *db;
    const struct rule *rule;
    const struct catalog_table *table;
    struct row_walk walk;
    struct verify_report *report;
};

/* The condition "row is wrong" in one direction. */
static void add_wrong(struct buf *b, const struct verify *v, bool forward)
{
    buf_add_str(b, "NOT ");
    if (forward)
        row_sql_forward_matches(b, v->rule, v->table);
    else
        row_sql_backward_matches(b, v->rule, v->table);
}

static void add_from(struct buf *b, const struct verify *v)
{
    buf_add_str(b, " FROM ");
    row_sql_table(b, v->rule);
    row_key_hint(b, &v->walk.key);
    buf_add_str(b, " WHERE ");
    row_walk_where(b, &v->walk);
}

/* Adds the first keys of the chunk's wrong rows to a list. */
static bool take_keys(struct verify *v, bool forward, char (*keys)[VERIFY_KEY_SIZE], size_t *count)
{
    if (*count == VERIFY_KEYS_MAX)
        return true;
    struct buf b = BUF_INIT;
    struct db_result r;
    buf_add_str(&b, "SELECT ");
    row_key_select(&b, &v->walk.key);
    add_from(&b, v);
    buf_add_str(&b, " AND ");
    add_wrong(&b, v, forward);
    buf_add_str(&b, " ORDER BY ");
    row_key_names(&b, &v->walk.key);
    buf_printf(&b, " LIMIT %zu", VERIFY_KEYS_MAX - *count);
    if (!db_query_buf(v->db, &b, &r))
        return false;
    const db_field *f;
    while (*count < VERIFY_KEYS_MAX && (f = db_next(&r))) {
        struct buf key = BUF_INIT;
        row_key_literals(&key, &v->walk.key, f);
        snprintf(keys[(*count)++], VERIFY_KEY_SIZE, "%.*s", (int)buf_len(&key), buf_span(&key).ptr);
        buf_free(&key);
    }
    db_end(&r);
    return true;
}

static bool compare_chunk(struct verify *v)
{
    struct buf b = BUF_INIT;
    struct db_result r;
    struct verify_report *out = v->report;
    buf_add_str(&b, "SELECT COUNT(*), COALESCE(SUM(");
    add_wrong(&b, v, true);
    buf_add_str(&b, "), 0), COALESCE(SUM(");
    add_wrong(&b, v, false);
    buf_add_str(&b, "), 0)");
    add_from(&b, v);
    if (!db_query_buf(v->db, &b, &r))
        return false;
    const db_field *f = db_next(&r);
    uint64_t rows = f ? db_u64(f[0]) : 0, drift = f ? db_u64(f[1]) : 0, back = f ? db_u64(f[2]) : 0;
    db_end(&r);
    out->rows += rows;
    out->drift += drift;
    out->back_failed += back;
    return (!drift || take_keys(v, true, out->drift_keys, &out->drift_key_count)) &&
           (!back || take_keys(v, false, out->back_failed_keys, &out->back_failed_key_count));
}

bool verify_run(struct db *d, const struct target *t, verify_progress *progress, void *ctx,
                struct verify_report *out, char *error, size_t error_size)
{
    *out = (struct verify_report){.fraction = -1};
    struct verify v = {.db = d, .rule = t->rule, .table = target_table(t), .report = out};
    if (!v.table) {
        snprintf(error, error_size, "the table does not exist, or the control account may not see it");
        return false;
    }
    if (!row_walk_begin(&v.walk, d, t->rule, v.table, error, error_size))
        return false;
    char *lower = NULL;
    bool ok = true;
    for (bool more = v.walk.upper != NULL; ok && more; more = !v.walk.last) {
        double start = clock_ms();
        ok = row_walk_chunk(&v.walk, d) && compare_chunk(&v);
        if (!ok) {
            snprintf(error, error_size, "%s", db_error(d));
            break;
        }
        row_walk_advance(&v.walk, clock_ms() - start, CHUNK_MS);
        if (!lower)
            lower = strdup(v.walk.after);
        out->fraction = row_walk_fraction(&v.walk, lower);
        ok = progress(ctx, out);
        if (!ok)
            snprintf(error, error_size, "stopped");
    }
    free(lower);
    row_walk_end(&v.walk);
    return ok;
}
