/* See verify.h. */
#include "proxy/migration/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/migration/clock.h"
#include "proxy/migration/row_sql.h"
#include "proxy/migration/row_walk.h"

enum { CHUNK_MS = 50 }; /* it takes no locks */

/* Rows of earlier chunks that the order of later ones is compared with. A wrong order within a chunk is
 * always seen, one between rows of distant chunks by these. */
enum { MARKS = 32 };

struct verify {
    struct db *db;
    const struct rule *rule;
    const struct catalog_table *table;
    struct row_walk walk;
    struct verify_report *report;
    char *marks[MARKS]; /* literals of their keys */
    uint32_t chunks;
};

/* A condition that rows must keep. */
typedef void rows_match(struct buf *b, const struct rule *r, const struct catalog_table *t);

/* Where the first keys of the rows that do not are put. */
struct key_list {
    char (*keys)[VERIFY_KEY_SIZE];
    size_t *count;
};

static void add_wrong(struct buf *b, const struct verify *v, rows_match *match)
{
    buf_add_str(b, "NOT ");
    match(b, v->rule, v->table);
}

static void add_from(struct buf *b, const struct verify *v)
{
    buf_add_str(b, " FROM ");
    row_sql_table(b, v->rule);
    row_key_hint(b, &v->walk.key);
    buf_add_str(b, " WHERE ");
    row_walk_where(b, &v->walk);
}

/* Runs "SELECT key … " and adds what it gives to the list. */
static bool take_keys(struct verify *v, struct buf *sql, struct key_list list)
{
    struct db_result r;
    buf_add_str(sql, " ORDER BY ");
    row_key_names(sql, &v->walk.key);
    buf_printf(sql, " LIMIT %zu", VERIFY_KEYS_MAX - *list.count);
    if (!db_query_buf(v->db, sql, &r))
        return false;
    const db_field *f;
    while (*list.count < VERIFY_KEYS_MAX && (f = db_next(&r))) {
        struct buf key = BUF_INIT;
        row_key_literals(&key, &v->walk.key, f);
        snprintf(list.keys[(*list.count)++], VERIFY_KEY_SIZE, "%.*s", (int)buf_len(&key), buf_span(&key).ptr);
        buf_free(&key);
    }
    db_end(&r);
    return true;
}

/* Adds the first keys of the chunk's wrong rows to a list. */
static bool take_wrong(struct verify *v, rows_match *match, struct key_list list)
{
    struct buf b = BUF_INIT;
    if (*list.count == VERIFY_KEYS_MAX)
        return true;
    buf_add_str(&b, "SELECT ");
    row_key_select(&b, &v->walk.key);
    add_from(&b, v);
    buf_add_str(&b, " AND ");
    add_wrong(&b, v, match);
    return take_keys(v, &b, list);
}

static void add_sum(struct buf *b, const struct verify *v, rows_match *match)
{
    buf_add_str(b, ", COALESCE(SUM(");
    add_wrong(b, v, match);
    buf_add_str(b, "), 0)");
}

static bool compare_chunk(struct verify *v)
{
    struct buf b = BUF_INIT;
    struct db_result r;
    struct verify_report *out = v->report;
    struct verify_promise *inverse = &out->inverse;
    buf_add_str(&b, "SELECT COUNT(*)");
    add_sum(&b, v, row_sql_forward_matches);
    add_sum(&b, v, row_sql_backward_matches);
    if (inverse->asked)
        add_sum(&b, v, row_sql_inverse_matches);
    add_from(&b, v);
    if (!db_query_buf(v->db, &b, &r))
        return false;
    const db_field *f = db_next(&r);
    uint64_t rows = f ? db_u64(f[0]) : 0, drift = f ? db_u64(f[1]) : 0, back = f ? db_u64(f[2]) : 0;
    uint64_t broken = f && inverse->asked ? db_u64(f[3]) : 0;
    db_end(&r);
    out->rows += rows;
    out->drift += drift;
    out->back_failed += back;
    inverse->broken += broken;
    return (!drift || take_wrong(v, row_sql_forward_matches,
                                 (struct key_list){out->drift_keys, &out->drift_key_count})) &&
           (!back || take_wrong(v, row_sql_backward_matches,
                                (struct key_list){out->back_failed_keys, &out->back_failed_key_count})) &&
           (!broken ||
            take_wrong(v, row_sql_inverse_matches, (struct key_list){inverse->keys, &inverse->key_count}));
}

/* ---- the order -------------------------------------------------------------------------------------- */

/* The chunk's rows and the marks, each beside the one before it by the old column; of these, those that are
 * not so by the new one. */
static void add_misordered(struct buf *b, const struct verify *v)
{
    struct span old = v->rule->old_columns[0].name, new = v->rule->new_columns[0].name;
    struct buf o = BUF_INIT, n = BUF_INIT;
    sql_name(&o, old);
    sql_name(&n, new);
    struct span os = buf_span(&o), ns = buf_span(&n);
    buf_add_str(b, " FROM (SELECT ");
    row_key_names(b, &v->walk.key);
    buf_printf(b, ", %.*s AS cf_old, %.*s AS cf_new", (int)os.len, os.ptr, (int)ns.len, ns.ptr);
    buf_printf(b, ", LAG(%.*s) OVER (ORDER BY %.*s, %.*s) AS cf_old_before", (int)os.len, os.ptr, (int)os.len,
               os.ptr, (int)ns.len, ns.ptr);
    buf_printf(b, ", LAG(%.*s) OVER (ORDER BY %.*s, %.*s) AS cf_new_before", (int)ns.len, ns.ptr, (int)os.len,
               os.ptr, (int)ns.len, ns.ptr);
    buf_add_str(b, " FROM ");
    row_sql_table(b, v->rule);
    row_key_hint(b, &v->walk.key);
    buf_add_str(b, " WHERE (");
    row_walk_where(b, &v->walk);
    buf_add_byte(b, ')');
    for (size_t i = 0; i < MARKS && v->marks[i]; i++) {
        buf_add_str(b, i ? ", (" : " OR (");
        if (i == 0) {
            row_key_names(b, &v->walk.key);
            buf_add_str(b, ") IN ((");
        }
        buf_add_str(b, v->marks[i]);
        buf_add_byte(b, ')');
    }
    if (v->marks[0])
        buf_add_byte(b, ')');
    buf_add_str(b, ") cf WHERE NOT COALESCE((cf_old IS NULL) = (cf_new IS NULL) AND (cf_old_before IS NULL"
                   " OR (cf_old_before < cf_old AND cf_new_before < cf_new)"
                   " OR (cf_old_before = cf_old AND cf_new_before = cf_new)), FALSE)");
    buf_free(&o);
    buf_free(&n);
}

static bool compare_order(struct verify *v)
{
    struct verify_promise *order = &v->report->order;
    struct buf b = BUF_INIT;
    struct db_result r;
    if (!order->asked)
        return true;
    buf_add_str(&b, "SELECT COUNT(*)");
    add_misordered(&b, v);
    if (!db_query_buf(v->db, &b, &r))
        return false;
    const db_field *f = db_next(&r);
    uint64_t broken = f ? db_u64(f[0]) : 0;
    db_end(&r);
    order->broken += broken;
    if (!broken || order->key_count == VERIFY_KEYS_MAX)
        return true;
    b = (struct buf)BUF_INIT;
    buf_add_str(&b, "SELECT ");
    row_key_select(&b, &v->walk.key);
    add_misordered(&b, v);
    return take_keys(v, &b, (struct key_list){order->keys, &order->key_count});
}

/* Keeps the chunk's last row as a mark; when there are enough of them, in the place of another. */
static void keep_mark(struct verify *v)
{
    uint32_t i = v->chunks < MARKS ? v->chunks : v->chunks * 2654435761u % MARKS;
    v->chunks++;
    free(v->marks[i]);
    v->marks[i] = v->walk.upto ? strdup(v->walk.upto) : NULL;
}

/* Asked only of what the rewriter would use: an order of one old and one new column. */
static bool may_ask_order(const struct target *t)
{
    const struct rules *rules = t->snapshot->rules;
    bool has_windows = rules->mariadb || rules->server_version >= 80000;
    return t->rule->monotonic && has_windows && t->rule->old_count == 1 && t->rule->new_count == 1;
}

bool verify_run(struct db *d, const struct target *t, verify_progress *progress, void *ctx,
                struct verify_report *out, char *error, size_t error_size)
{
    *out = (struct verify_report){
        .fraction = -1, .inverse.asked = t->rule->invertible, .order.asked = may_ask_order(t)};
    struct verify v = {.db = d, .rule = t->rule, .table = target_table(t), .report = out};
    if (!v.table) {
        snprintf(error, error_size, "the table does not exist, or the control account may not see it");
        return false;
    }
    if (!row_walk_begin(&v.walk, d, t->rule, error, error_size))
        return false;
    char *lower = NULL;
    bool ok = true;
    for (bool more = v.walk.upper != NULL; ok && more; more = !v.walk.last) {
        double start = clock_ms();
        ok = row_walk_chunk(&v.walk, d) && compare_chunk(&v) && compare_order(&v);
        if (!ok) {
            snprintf(error, error_size, "%s", db_error(d));
            break;
        }
        keep_mark(&v);
        row_walk_advance(&v.walk, clock_ms() - start, CHUNK_MS);
        if (!lower)
            lower = strdup(v.walk.after);
        out->fraction = row_walk_fraction(&v.walk, lower);
        ok = progress(ctx, out);
        if (!ok)
            snprintf(error, error_size, "stopped");
    }
    ok = ok && row_walk_key_stayed(&v.walk, d, error, error_size);
    free(lower);
    for (size_t i = 0; i < MARKS; i++)
        free(v.marks[i]);
    row_walk_end(&v.walk);
    return ok;
}
