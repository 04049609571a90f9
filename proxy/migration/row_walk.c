/* The walk of row_walk.h. */
#include "proxy/migration/row_walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/migration/row_sql.h"

enum { FIRST_CHUNK_ROWS = 50, MIN_CHUNK_ROWS = 10, MAX_CHUNK_ROWS = 20000 };

/* The literals of the query's first row, malloc'ed; *found says whether there was one. */
static char *first_key(struct row_walk *w, struct db_result *r, bool *found)
{
    const db_field *f = db_next(r);
    struct buf b = BUF_INIT;
    *found = f != NULL;
    if (!f)
        return NULL;
    row_key_literals(&b, &w->key, f);
    return buf_take_string(&b);
}

static void add_select(struct buf *b, const struct row_walk *w)
{
    buf_add_str(b, "SELECT ");
    row_key_select(b, &w->key);
    buf_add_str(b, " FROM ");
    row_sql_table(b, w->rule);
    row_key_hint(b, &w->key);
}

/* "`a` DESC, `b` DESC" */
static void add_descending(struct buf *b, const struct row_key *k)
{
    for (size_t i = 0; i < k->count; i++) {
        buf_add_str(b, i ? ", " : "");
        sql_name(b, span_of(k->columns[i].name));
        buf_add_str(b, " DESC");
    }
}

bool row_walk_begin(struct row_walk *w, struct db *d, const struct rule *r, char *error, size_t error_size)
{
    *w = (struct row_walk){
        .rule = r, .chunk_rows = FIRST_CHUNK_ROWS, .min_rows = MIN_CHUNK_ROWS, .max_rows = MAX_CHUNK_ROWS};
    if (!row_key_find(d, r, &w->key, error, error_size))
        return false;
    struct buf b = BUF_INIT;
    struct db_result result;
    add_select(&b, w);
    buf_add_str(&b, " ORDER BY ");
    add_descending(&b, &w->key);
    buf_add_str(&b, " LIMIT 1");
    if (!db_query_buf(d, &b, &result)) {
        snprintf(error, error_size, "the last row cannot be read: %s", db_error(d));
        return false;
    }
    bool found;
    w->upper = first_key(w, &result, &found);
    db_end(&result);
    if (found && !w->upper)
        snprintf(error, error_size, "out of memory");
    return !found || w->upper;
}

bool row_walk_key_stayed(const struct row_walk *w, struct db *d, char *error, size_t error_size)
{
    struct row_key now;
    if (!row_key_find(d, w->rule, &now, error, error_size))
        return false;
    if (row_key_same(&w->key, &now))
        return true;
    snprintf(error, error_size, "the table's key was changed meanwhile; run it again");
    return false;
}

static bool count_rows(struct row_walk *w, struct db *d)
{
    struct buf b = BUF_INIT;
    struct db_result r;
    buf_add_str(&b, "SELECT COUNT(*) FROM ");
    row_sql_table(&b, w->rule);
    row_key_hint(&b, &w->key);
    buf_add_str(&b, " WHERE ");
    row_walk_where(&b, w);
    if (!db_query_buf(d, &b, &r))
        return false;
    const db_field *f = db_next(&r);
    w->rows = f ? db_u64(f[0]) : 0;
    db_end(&r);
    return true;
}

bool row_walk_chunk(struct row_walk *w, struct db *d)
{
    struct buf b = BUF_INIT;
    struct db_result r;
    free(w->upto);
    w->upto = NULL;
    add_select(&b, w);
    buf_add_str(&b, " WHERE ");
    row_key_range(&b, &w->key, w->after, w->upper);
    buf_add_str(&b, " ORDER BY ");
    row_key_names(&b, &w->key);
    buf_printf(&b, " LIMIT 1 OFFSET %u", w->chunk_rows - 1);
    if (!db_query_buf(d, &b, &r))
        return false;
    bool found;
    w->upto = first_key(w, &r, &found);
    db_end(&r);
    w->last = !found;
    w->rows = w->chunk_rows;
    if (found)
        return w->upto != NULL;
    w->upto = w->upper ? strdup(w->upper) : NULL;
    return w->upto && count_rows(w, d);
}

void row_walk_where(struct buf *b, const struct row_walk *w)
{
    row_key_range(b, &w->key, w->after, w->upto);
}

void row_walk_advance(struct row_walk *w, double took_ms, double aim_ms)
{
    free(w->after);
    w->after = w->upto;
    w->upto = NULL;
    double want = w->chunk_rows * (took_ms > 1 ? aim_ms / took_ms : 2);
    if (want > w->chunk_rows * 2.0)
        want = w->chunk_rows * 2.0;
    w->chunk_rows = want < w->min_rows ? w->min_rows : want > w->max_rows ? w->max_rows : (unsigned)want;
}

double row_walk_fraction(const struct row_walk *w, const char *lower)
{
    if (w->key.count != 1 || w->key.columns[0].class != COLUMN_INTEGER || !w->upper || !w->after || !lower)
        return -1;
    double from = strtod(lower, NULL), to = strtod(w->upper, NULL), at = strtod(w->after, NULL);
    return to > from ? (at - from) / (to - from) : -1;
}

void row_walk_end(struct row_walk *w)
{
    free(w->after);
    free(w->upto);
    free(w->upper);
    w->after = w->upto = w->upper = NULL;
}
