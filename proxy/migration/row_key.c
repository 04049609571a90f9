/* Keys of row_key.h: found in information_schema.statistics, compared as expanded row values ("a > 1 OR (a =
 * 1 AND b > 2)", with "a >= 1" before it), which the optimizer turns into a range where (a, b) > (1, 2) is
 * not one. */
#include "proxy/migration/row_key.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- finding ---------------------------------------------------------------------------------------- */

static bool take_index(struct row_key *k, struct db_result *rows, const struct catalog_table *t)
{
    const db_field *f;
    bool usable = false, current = false;
    *k = (struct row_key){0};
    while ((f = db_next(rows))) {
        if (!span_eq(f[0], span_of(k->index))) {
            if (current && usable)
                return true;
            db_text(f[0], k->index, sizeof(k->index));
            k->count = 0;
            current = usable = true;
        }
        const struct catalog_column *c = catalog_column_of(t, f[1]);
        /* A prefix of a column does not tell rows apart in the column's order. */
        if (!c || c->nullable || f[2].ptr || k->count == ROW_KEY_MAX_COLUMNS) {
            usable = false;
            continue;
        }
        db_text(c->name, k->columns[k->count].name, sizeof(k->columns[0].name));
        k->columns[k->count++].class = c->class;
    }
    return current && usable;
}

bool row_key_find(struct db *d, const struct rule *r, const struct catalog_table *t, struct row_key *out,
                  char *error, size_t error_size)
{
    struct buf b = BUF_INIT;
    struct db_result rows;
    buf_add_str(&b,
                "SELECT s.index_name, s.column_name, s.sub_part FROM information_schema.statistics s WHERE"
                " s.non_unique = 0 AND s.index_type = 'BTREE' AND s.table_schema = ");
    sql_string(&b, r->db);
    buf_add_str(&b, " AND s.table_name = ");
    sql_string(&b, r->table);
    buf_add_str(&b, " ORDER BY s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index");
    if (!db_query_buf(d, &b, &rows)) {
        snprintf(error, error_size, "the table's keys cannot be read: %s", db_error(d));
        return false;
    }
    bool ok = take_index(out, &rows, t);
    db_end(&rows);
    if (!ok)
        snprintf(error, error_size, "the table has no primary key and no unique key without NULLs");
    return ok;
}

/* ---- SQL -------------------------------------------------------------------------------------------- */

void row_key_names(struct buf *b, const struct row_key *k)
{
    for (size_t i = 0; i < k->count; i++) {
        if (i)
            buf_add_str(b, ", ");
        sql_name(b, span_of(k->columns[i].name));
    }
}

/* Numbers whose text would not be exact are selected as what is: a FLOAT as DOUBLE, an ENUM (which an index
 * orders by its number) and a BIT as an integer. */
void row_key_select(struct buf *b, const struct row_key *k)
{
    for (size_t i = 0; i < k->count; i++) {
        enum column_class class = k->columns[i].class;
        if (i)
            buf_add_str(b, ", ");
        sql_name(b, span_of(k->columns[i].name));
        if (class == COLUMN_FLOAT)
            buf_add_str(b, " + 0e0");
        else if (class == COLUMN_ENUM || class == COLUMN_BIT)
            buf_add_str(b, " + 0");
    }
}

static void add_hex(struct buf *b, struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        buf_printf(b, "%02X", (unsigned char)value.ptr[i]);
}

void row_key_literal(struct buf *b, enum column_class class, struct span value)
{
    switch (class) {
    case COLUMN_INTEGER:
    case COLUMN_DECIMAL:
    case COLUMN_FLOAT:
    case COLUMN_ENUM:
    case COLUMN_BIT:
        buf_add_span(b, value);
        break;
    case COLUMN_BINARY:
        buf_add_str(b, "x'");
        add_hex(b, value);
        buf_add_byte(b, '\'');
        break;
    default: /* strings, dates, UUID, INET6 …: the server converts its own text back */
        sql_string(b, value);
    }
}

void row_key_literals(struct buf *b, const struct row_key *k, const db_field *fields)
{
    for (size_t i = 0; i < k->count; i++) {
        if (i)
            buf_add_str(b, ", ");
        row_key_literal(b, k->columns[i].class, fields[i]);
    }
}

/* The i-th of comma-separated literals; commas inside quotes do not separate. */
static struct span literal_at(const char *literals, size_t index)
{
    const char *start = literals;
    bool quoted = false;
    for (const char *p = literals;; p++) {
        if (*p == '\'')
            quoted = !quoted;
        if (*p && (quoted || *p != ','))
            continue;
        if (index-- == 0)
            return (struct span){start, (size_t)(p - start)};
        if (!*p)
            return SPAN("NULL");
        start = p + 1;
    }
}

/* "(a < 1 OR (a = 1 AND b < 2) …)"; the last column compares by `last`. */
static void add_bound(struct buf *b, const struct row_key *k, const char *literals, const char *strict,
                      const char *last)
{
    buf_add_byte(b, '(');
    for (size_t i = 0; i < k->count; i++) {
        buf_add_str(b, i ? " OR (" : "(");
        for (size_t j = 0; j <= i; j++) {
            if (j)
                buf_add_str(b, " AND ");
            sql_name(b, span_of(k->columns[j].name));
            buf_printf(b, " %s ", j < i ? "=" : i + 1 == k->count ? last : strict);
            buf_add_span(b, literal_at(literals, j));
        }
        buf_add_byte(b, ')');
    }
    buf_add_byte(b, ')');
    if (k->count > 1) {
        buf_add_str(b, " AND ");
        sql_name(b, span_of(k->columns[0].name));
        buf_printf(b, " %s= ", strict);
        buf_add_span(b, literal_at(literals, 0));
    }
}

void row_key_range(struct buf *b, const struct row_key *k, const char *after, const char *upto)
{
    if (after)
        add_bound(b, k, after, ">", ">");
    if (after && upto)
        buf_add_str(b, " AND ");
    if (upto)
        add_bound(b, k, upto, "<", "<=");
    if (!after && !upto)
        buf_add_str(b, "TRUE");
}

void row_key_hint(struct buf *b, const struct row_key *k)
{
    buf_add_str(b, " FORCE INDEX (");
    sql_name(b, span_of(k->index));
    buf_add_byte(b, ')');
}
