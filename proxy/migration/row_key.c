/* Keys of row_key.h: found in information_schema, as they are now and not as the catalog last saw them;
 * compared as expanded row values ("a > 1 OR (a = 1 AND b > 2)", with "a >= 1" before it), which the
 * optimizer turns into a range where (a, b) > (1, 2) is not one. */
#include "proxy/migration/row_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <stdlib.h>

#include "proxy/migration/row_sql.h"

/* ---- finding ---------------------------------------------------------------------------------------- */

/* The fields in the order of the query below. */
enum { F_INDEX, F_COLUMN, F_PREFIX, F_TYPE, F_COLLATION, F_NULLABLE };

/* A prefix of a column does not tell rows apart in the column's order, and an expression has no name. */
static bool is_usable(const struct row_key *k, const db_field *f)
{
    return f[F_TYPE].ptr && span_ieq(f[F_NULLABLE], SPAN("NO")) && !f[F_PREFIX].ptr &&
           k->count < ROW_KEY_MAX_COLUMNS;
}

static bool take_index(struct row_key *k, struct db_result *rows)
{
    const db_field *f;
    bool usable = false, current = false;
    *k = (struct row_key){0};
    while ((f = db_next(rows))) {
        if (!span_eq(f[F_INDEX], span_of(k->index))) {
            if (current && usable)
                return true;
            *k = (struct row_key){0};
            db_text(f[F_INDEX], k->index, sizeof(k->index));
            current = usable = true;
        }
        if (!is_usable(k, f)) {
            usable = false;
            continue;
        }
        struct key_column *c = &k->columns[k->count++];
        db_text(f[F_COLUMN], c->name, sizeof(c->name));
        c->class = column_class_of(f[F_TYPE]);
        c->form = XXH3_64bits_withSeed(f[F_TYPE].ptr, f[F_TYPE].len,
                                       XXH3_64bits(f[F_COLLATION].ptr, f[F_COLLATION].len));
    }
    return current && usable;
}

bool row_key_find(struct db *d, const struct rule *r, struct row_key *out, char *error, size_t error_size)
{
    struct buf b = BUF_INIT;
    struct db_result rows;
    buf_add_str(
        &b, "SELECT s.index_name, s.column_name, s.sub_part, c.column_type, c.collation_name, c.is_nullable"
            " FROM information_schema.statistics s LEFT JOIN information_schema.columns c"
            " ON c.table_schema = s.table_schema AND c.table_name = s.table_name"
            " AND c.column_name = s.column_name AND ");
    row_sql_table_is(&b, "c.table_schema", "c.table_name", r);
    buf_add_str(&b, " WHERE s.non_unique = 0 AND s.index_type = 'BTREE' AND ");
    row_sql_table_is(&b, "s.table_schema", "s.table_name", r);
    buf_add_str(&b, " ORDER BY s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index");
    if (!db_query_buf(d, &b, &rows)) {
        snprintf(error, error_size, "the table's keys cannot be read: %s", db_error(d));
        return false;
    }
    bool ok = take_index(out, &rows);
    db_end(&rows);
    if (!ok)
        snprintf(error, error_size, "the table has no primary key and no unique key without NULLs");
    return ok;
}

bool row_key_same(const struct row_key *a, const struct row_key *b)
{
    bool same = strcmp(a->index, b->index) == 0 && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same =
            strcmp(a->columns[i].name, b->columns[i].name) == 0 && a->columns[i].form == b->columns[i].form;
    return same;
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
