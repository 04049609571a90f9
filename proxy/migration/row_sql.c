/* SQL over rows; see row_sql.h. How a value is brought to a column's type is a table by the column's class:
 * only then may it be compared with what was stored (12.5 stored into INT is 13 and no drift). */
#include "proxy/migration/row_sql.h"

#include <stdlib.h>

#include "proxy/migration/db.h"

void row_sql_table(struct buf *b, const struct rule *r)
{
    sql_name(b, r->db);
    buf_add_byte(b, '.');
    sql_name(b, r->table);
}

void row_sql_table_is(struct buf *b, const char *schema, const char *table, const struct rule *r)
{
    buf_add_str(b, schema);
    buf_add_str(b, " = ");
    sql_string(b, r->db);
    buf_add_str(b, " AND ");
    buf_add_str(b, table);
    buf_add_str(b, " = ");
    sql_string(b, r->table);
}

/* "(10,2)" of "decimal(10,2) unsigned"; empty where there is none. */
static struct span type_arguments(struct span type)
{
    const char *open = memchr(type.ptr, '(', type.len);
    const char *close = open ? memchr(open, ')', type.len - (size_t)(open - type.ptr)) : NULL;
    return close ? (struct span){open, (size_t)(close - open) + 1} : SPAN("");
}

static bool type_is(struct span type, const char *word)
{
    size_t n = strlen(word);
    return type.len >= n && span_ieq((struct span){type.ptr, n}, (struct span){word, n});
}

static bool type_has(struct span type, const char *word)
{
    for (; type.len; type.ptr++, type.len--)
        if (type_is(type, word))
            return true;
    return false;
}

/* Adds `before value after`. */
static void wrap(struct buf *b, const char *before, struct span value, const char *after)
{
    buf_add_str(b, before);
    buf_add_byte(b, '(');
    buf_add_span(b, value);
    buf_add_byte(b, ')');
    buf_add_str(b, after);
}

/* Strings compare as bytes of the column's character set. CHAR drops trailing blanks when it is read. */
static void string_matches(struct buf *b, const struct catalog_column *c, struct span value)
{
    bool padded = type_is(c->type, "char");
    buf_add_str(b, padded ? "BINARY RTRIM(" : "BINARY ");
    sql_name(b, c->name);
    buf_add_str(b, padded ? ") <=> BINARY RTRIM(CONVERT(" : " <=> BINARY CONVERT(");
    buf_add_span(b, value);
    buf_add_str(b, " USING ");
    buf_add_span(b, c->charset.len ? c->charset : SPAN("utf8mb4"));
    buf_add_str(b, padded ? "))" : ")");
}

static void binary_matches(struct buf *b, const struct catalog_column *c, struct span value)
{
    bool padded = type_is(c->type, "binary");
    buf_add_str(b, "BINARY ");
    sql_name(b, c->name);
    buf_add_str(b, padded ? " <=> RPAD(BINARY " : " <=> BINARY ");
    wrap(b, "", value, "");
    if (padded) {
        struct span n = type_arguments(c->type);
        buf_printf(b, ", %lu, x'00')", n.len > 2 ? strtoul(n.ptr + 1, NULL, 10) : 1);
    }
}

static void temporal_cast(struct buf *b, const struct catalog_column *c, struct span value)
{
    const char *type = type_is(c->type, "datetime") || type_is(c->type, "timestamp") ? "DATETIME"
                       : type_is(c->type, "date")                                    ? "DATE"
                                                                                     : "TIME";
    wrap(b, "CAST(", value, " AS ");
    buf_add_str(b, type);
    buf_add_span(b, type_arguments(c->type));
    buf_add_byte(b, ')');
}

/* A text is stored with all its digits, but rounded as a double, which has 15. CHARSET() is that of a text
 * and "binary" of a number, and IF() keeps each kind on its own way. */
static void integer_cast(struct buf *b, struct span value, const char *as)
{
    wrap(b, "IF(CHARSET(", value, ") = 'binary', ");
    wrap(b, "CAST(ROUND(", value, ") AS ");
    buf_add_str(b, as);
    wrap(b, ", CAST(CAST(", value, " AS DECIMAL(65)) AS ");
    buf_add_str(b, as);
    buf_add_byte(b, ')');
}

/* The value as storing it into the column would make it, where the class has a cast for that. */
static void add_stored_form(struct buf *b, const struct catalog_column *c, struct span value)
{
    switch (c->class) {
    case COLUMN_INTEGER:
        integer_cast(b, value, type_has(c->type, "unsigned") ? "UNSIGNED)" : "SIGNED)");
        break;
    case COLUMN_DECIMAL:
        wrap(b, "CAST(", value, " AS DECIMAL");
        buf_add_span(b, type_arguments(c->type));
        buf_add_byte(b, ')');
        break;
    case COLUMN_FLOAT:
        wrap(b, type_is(c->type, "float") ? "CAST(" : "", value,
             type_is(c->type, "float") ? " AS FLOAT)" : "");
        break;
    case COLUMN_TEMPORAL:
        if (type_is(c->type, "year"))
            wrap(b, "", value, "");
        else
            temporal_cast(b, c, value);
        break;
    case COLUMN_BIT:
        wrap(b, "", value, " + 0");
        break;
    case COLUMN_JSON: /* MySQL's, which reads a text as a document */
        wrap(b, "CAST(", value, " AS JSON)");
        break;
    default: /* ENUM and SET by value, INET6, UUID …: the server compares in the column's type */
        wrap(b, "", value, "");
    }
}

void row_sql_matches(struct buf *b, const struct catalog_column *c, struct span value)
{
    if (c->class == COLUMN_STRING || (c->class == COLUMN_JSON && c->charset.len)) {
        string_matches(b, c, value);
        return;
    }
    if (c->class == COLUMN_BINARY) {
        binary_matches(b, c, value);
        return;
    }
    sql_name(b, c->name);
    buf_add_str(b, c->class == COLUMN_BIT ? " + 0 <=> " : " <=> ");
    add_stored_form(b, c, value);
}

/* Whether a text column on either side has another collation. */
static bool collations_differ(const struct rule *r, const struct catalog_table *t,
                              const struct catalog_column *c)
{
    for (size_t i = 0; i < r->old_count + r->new_count; i++) {
        const struct rule_column *other =
            i < r->old_count ? &r->old_columns[i] : &r->new_columns[i - r->old_count];
        const struct catalog_column *o = catalog_column_of(t, other->name);
        if (o && o->charset.len && !span_ieq(o->collation, c->collation))
            return true;
    }
    return false;
}

/* An ENUM or SET and a value that may have another collation, which the server would not compare by itself. A
 * number is stored as the member's; COERCIBILITY() tells it, 5 or (MariaDB 11) 7, from a binary text, 2. */
static void member_matches(struct buf *b, const struct catalog_column *c, struct span value)
{
    wrap(b, "IF(CHARSET(", value, ") = 'binary'");
    wrap(b, " AND COERCIBILITY(", value, ") >= 5, ");
    sql_name(b, c->name);
    wrap(b, " + 0 <=> ", value, " + 0, ");
    sql_name(b, c->name);
    wrap(b, " <=> CONVERT(", value, " USING ");
    buf_add_span(b, c->charset);
    buf_add_str(b, ") COLLATE ");
    buf_add_span(b, c->collation);
    buf_add_byte(b, ')');
}

/* As row_sql_matches(), of a column of the rule; without the column, as it went away, nothing does. */
static void add_one(struct buf *b, const struct rule *r, const struct catalog_table *t, struct span name,
                    struct span value)
{
    const struct catalog_column *c = catalog_column_of(t, name);
    if (!c)
        buf_add_str(b, "FALSE");
    else if (c->class == COLUMN_ENUM && collations_differ(r, t, c))
        member_matches(b, c, value);
    else
        row_sql_matches(b, c, value);
}

static void add_all(struct buf *b, const struct rule *r, const struct rule_column *columns, size_t count,
                    const struct catalog_table *t)
{
    buf_add_byte(b, '(');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_str(b, " AND ");
        add_one(b, r, t, columns[i].name, columns[i].value.text);
    }
    buf_add_byte(b, ')');
}

void row_sql_forward_matches(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    add_all(b, r, r->new_columns, r->new_count, t);
}

void row_sql_backward_matches(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    add_all(b, r, r->old_columns, r->old_count, t);
}

/* forward, with the backward expressions in the place of the old columns. */
static void add_round_trip(struct buf *b, const struct rule *r, const struct expression *forward)
{
    uint32_t at = 0;
    for (size_t i = 0; i < forward->ref_count; i++) {
        const struct expression_ref *ref = &forward->refs[i];
        buf_add_span(b, (struct span){forward->text.ptr + at, ref->off - at});
        for (size_t k = 0; k < r->old_count; k++)
            if (span_ieq(r->old_columns[k].name, ref->column))
                wrap(b, "", r->old_columns[k].value.text, "");
        at = ref->off + ref->len;
    }
    buf_add_span(b, (struct span){forward->text.ptr + at, forward->text.len - at});
}

void row_sql_inverse_matches(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    buf_add_byte(b, '(');
    for (size_t i = 0; i < r->new_count; i++) {
        struct buf value = BUF_INIT;
        add_round_trip(&value, r, &r->new_columns[i].value);
        if (i)
            buf_add_str(b, " AND ");
        add_one(b, r, t, r->new_columns[i].name, buf_span(&value));
        buf_free(&value);
    }
    buf_add_byte(b, ')');
}

static bool is_new_column(const struct rule *r, struct span name)
{
    for (size_t i = 0; i < r->new_count; i++)
        if (span_ieq(r->new_columns[i].name, name))
            return true;
    return false;
}

/* ", stamp = stamp" of the columns that would move by themselves. */
static void keep_stamps(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    for (size_t i = 0; i < t->column_count; i++) {
        const struct catalog_column *c = &t->columns[i];
        if (!c->on_update_now || is_new_column(r, c->name))
            continue;
        buf_add_str(b, ", ");
        sql_name(b, c->name);
        buf_add_str(b, " = ");
        sql_name(b, c->name);
    }
}

void row_sql_fill(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    buf_add_str(b, "SET ");
    for (size_t i = 0; i < r->new_count; i++) {
        if (i)
            buf_add_str(b, ", ");
        sql_name(b, r->new_columns[i].name);
        wrap(b, " = ", r->new_columns[i].value.text, "");
    }
    keep_stamps(b, r, t);
}

static bool may_be_null(const struct catalog_table *t, struct span name)
{
    const struct catalog_column *c = catalog_column_of(t, name);
    return c && c->nullable;
}

bool row_sql_can_clear(const struct rule *r, const struct catalog_table *t)
{
    for (size_t i = 0; i < r->new_count; i++)
        if (may_be_null(t, r->new_columns[i].name))
            return true;
    return false;
}

void row_sql_clear(struct buf *b, const struct rule *r, const struct catalog_table *t)
{
    const char *comma = "SET ";
    for (size_t i = 0; i < r->new_count; i++) {
        if (!may_be_null(t, r->new_columns[i].name))
            continue;
        buf_add_str(b, comma);
        sql_name(b, r->new_columns[i].name);
        buf_add_str(b, " = NULL");
        comma = ", ";
    }
    keep_stamps(b, r, t);
}

void row_sql_has_new(struct buf *b, const struct rule *r)
{
    for (size_t i = 0; i < r->new_count; i++) {
        buf_add_str(b, i ? " OR " : "(");
        sql_name(b, r->new_columns[i].name);
        buf_add_str(b, " IS NOT NULL");
    }
    buf_add_byte(b, ')');
}
