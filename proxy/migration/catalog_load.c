/* Two queries, for columns and for views, and a PREPARE for each migrated table, by which the server
 * describes its columns as a result would; what each column is, is told from COLUMN_TYPE, EXTRA and
 * COLUMN_DEFAULT, which the server lines spell differently. */
#include "proxy/migration/catalog_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool contains_word(db_field f, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= f.len; i++)
        if (strncasecmp(f.ptr + i, word, n) == 0)
            return true;
    return false;
}

/* MariaDB gives COLUMN_DEFAULT as SQL: 'text', 12, NULL, or an expression such as current_timestamp(). */
static bool is_constant_sql(db_field f)
{
    if (span_ieq(f, SPAN("NULL")))
        return true;
    const char *p = f.ptr, *end = f.ptr + f.len;
    if (f.len && (*p == '\'' || *p == '"'))
        return end[-1] == *p && f.len > 1;
    if ((f.len > 2 && (*p == 'b' || *p == 'x' || *p == 'B' || *p == 'X') && p[1] == '\'') ||
        (f.len > 2 && p[0] == '0' && p[1] == 'x'))
        return true;
    for (; p < end; p++)
        if (!strchr("0123456789.+-eE", *p) || !*p)
            return false;
    return f.len > 0;
}

/* The fields in the order of the query below. */
enum { F_DB, F_TABLE, F_COLUMN, F_TYPE, F_CHARSET, F_COLLATION, F_NULLABLE, F_DEFAULT, F_EXTRA, F_KEY };

static struct span or_empty(db_field f)
{
    return f.ptr ? f : SPAN("");
}

/* A constant default as SQL. MySQL gives numbers, bits and bytes so, but texts and dates without their
 * quotes. `quoted` holds what is made. */
static struct span default_as_sql(db_field given, enum column_class class, bool mariadb, struct buf *quoted)
{
    if (mariadb || class == COLUMN_INTEGER || class == COLUMN_DECIMAL || class == COLUMN_FLOAT ||
        class == COLUMN_BIT || class == COLUMN_BINARY)
        return given;
    buf_reset(quoted);
    sql_string(quoted, given);
    return buf_failed(quoted) ? SPAN("") : buf_span(quoted);
}

/* `text` holds what the column's spans may need, until the next call. */
static struct catalog_column column_of_row(const db_field *f, bool mariadb, struct buf *text)
{
    struct catalog_column c = {
        .name = f[F_COLUMN],
        .type = f[F_TYPE],
        .charset = or_empty(f[F_CHARSET]),
        .collation = or_empty(f[F_COLLATION]),
        .class = column_class_of(f[F_TYPE]),
        .nullable = span_ieq(f[F_NULLABLE], SPAN("YES")),
        .invisible = contains_word(f[F_EXTRA], "INVISIBLE"),
        .generated =
            contains_word(f[F_EXTRA], "STORED GENERATED") || contains_word(f[F_EXTRA], "VIRTUAL GENERATED"),
        .auto_increment = contains_word(f[F_EXTRA], "auto_increment"),
        .primary = span_eq(f[F_KEY], SPAN("PRI")),
        .on_update_now = contains_word(f[F_EXTRA], "on update current_timestamp"),
    };
    bool given = f[F_DEFAULT].ptr != NULL;
    bool expression =
        given && (mariadb ? !is_constant_sql(f[F_DEFAULT]) : contains_word(f[F_EXTRA], "DEFAULT_GENERATED"));
    c.default_is_expression = expression && !c.generated;
    c.has_default = !c.generated && !expression && (given || c.nullable);
    if (c.has_default && !given)
        c.default_text = SPAN("NULL");
    else if (c.has_default)
        c.default_text = default_as_sql(f[F_DEFAULT], c.class, mariadb, text);
    return c;
}

static void add_databases(struct buf *b, const struct config *c)
{
    for (size_t i = 0; i < c->migration_count; i++) {
        if (i)
            buf_add_str(b, ", ");
        sql_string(b, span_of(c->migrations[i].db));
    }
}

/* The views of a query's result; rows of a stored result stay until its end. */
struct view {
    struct span db, table, definition;
};

struct views {
    struct db_result result;
    struct view *items;
};

static const struct view *view_of(const struct views *v, struct span db, struct span table)
{
    const struct view *found = NULL;
    for (size_t i = 0; i < v->result.rows; i++)
        if (span_eq(v->items[i].db, db) && span_eq(v->items[i].table, table))
            found = &v->items[i]; /* the later one has the text */
    return found;
}

static bool load_views(struct db *d, const struct config *c, struct views *v)
{
    struct buf b = BUF_INIT;
    /* Servers hide a view from the second table where its text may not be seen, but not from the first. */
    buf_add_str(&b, "SELECT table_schema, table_name, '' FROM information_schema.tables"
                    " WHERE table_type LIKE '%VIEW' AND table_schema IN (");
    add_databases(&b, c);
    buf_add_str(&b, ") UNION ALL SELECT table_schema, table_name, COALESCE(view_definition, '')"
                    " FROM information_schema.views WHERE table_schema IN (");
    add_databases(&b, c);
    buf_add_str(&b, ")");
    *v = (struct views){0};
    if (!db_query_buf(d, &b, &v->result))
        return false;
    v->items = calloc(v->result.rows + 1, sizeof(*v->items));
    const db_field *f;
    for (size_t i = 0; v->items && (f = db_next(&v->result)); i++)
        v->items[i] = (struct view){f[0], f[1], f[2]};
    return v->items != NULL;
}

static void end_views(struct views *v)
{
    free(v->items);
    db_end(&v->result);
}

static struct catalog *build(const struct db *d, struct db_result *columns, const struct views *views)
{
    struct catalog *catalog = catalog_new();
    struct span db = SPAN(""), table = SPAN("");
    struct buf text = BUF_INIT;
    const db_field *f;
    while (catalog && (f = db_next(columns))) {
        if (!span_eq(db, f[F_DB]) || !span_eq(table, f[F_TABLE])) {
            db = f[F_DB];
            table = f[F_TABLE];
            const struct view *view = view_of(views, db, table);
            if (view)
                catalog_add_view(catalog, db, table, view->definition);
            else
                catalog_add_table(catalog, db, table, false);
        }
        struct catalog_column column = column_of_row(f, db_server(d)->mariadb, &text);
        catalog_add_column(catalog, &column);
    }
    buf_free(&text);
    if (catalog && catalog_finish(catalog, db_server(d)->fold_table_names))
        return catalog;
    catalog_free(catalog);
    return NULL;
}

/* ---- how results describe the columns ---- */

struct describing {
    struct catalog *catalog;
    const struct catalog_table *table;
};

static void describe_column(void *arg, size_t at, const struct column_facts *facts)
{
    const struct describing *g = arg;
    if (at < g->table->column_count)
        catalog_describe(g->catalog, g->table->db, g->table->name, g->table->columns[at].name, facts);
}

/* What was told of the table's columns before, where they are the same still. */
static void keep_descriptions(struct catalog *catalog, const struct catalog_table *now,
                              const struct catalog *before)
{
    const struct catalog_table *was = catalog_find(before, now->db, now->name);
    for (size_t i = 0; was && i < now->column_count; i++) {
        const struct catalog_column *to = &now->columns[i], *from = catalog_column_of(was, to->name);
        if (from && from->facts.known && span_eq(from->type, to->type) &&
            span_eq(from->charset, to->charset) && from->nullable == to->nullable)
            catalog_describe(catalog, now->db, now->name, to->name, &from->facts);
    }
}

/* What the server tells of a migrated table's columns in a result, invisible ones too. Without it, results
 * that come from the new columns describe those; so a failure is none of the catalog's. */
static void describe_table(struct db *d, struct catalog *catalog, const struct config_migration *m,
                           const struct catalog *before)
{
    struct describing g = {catalog, catalog_find(catalog, span_of(m->db), span_of(m->table))};
    struct buf b = BUF_INIT;
    if (!g.table || g.table->is_view)
        return;
    for (size_t i = 0; i < g.table->column_count; i++) {
        buf_add_str(&b, i ? ", " : "SELECT ");
        sql_name(&b, g.table->columns[i].name);
    }
    buf_add_str(&b, " FROM ");
    sql_name(&b, g.table->db);
    buf_add_str(&b, ".");
    sql_name(&b, g.table->name);
    if (!buf_failed(&b) && !db_describe(d, buf_span(&b), describe_column, &g) && before)
        keep_descriptions(catalog, g.table, before);
    buf_free(&b);
}

static void load_widths(struct db *d, struct catalog *catalog)
{
    /* Since 10.10 MariaDB has collations of several character sets, with a number for each. */
    bool applicable = db_server(d)->version >= 101000;
    struct db_result r;
    if (!db_queryf(
            d, &r,
            "SELECT c.id, s.maxlen FROM information_schema.%s c JOIN information_schema.character_sets s"
            " ON s.character_set_name = c.character_set_name WHERE c.id IS NOT NULL",
            applicable ? "collation_character_set_applicability" : "collations"))
        return;
    for (const db_field *f; (f = db_next(&r));)
        catalog_set_width(catalog, (uint32_t)db_u64(f[0]), (uint8_t)db_u64(f[1]));
    db_end(&r);
}

static bool described_before(const struct config *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(c->migrations[k].db, c->migrations[i].db) &&
            !strcmp(c->migrations[k].table, c->migrations[i].table))
            return true;
    return false;
}

/* DDL's OK waits for the catalog (proxy/session/answer.c). So a table is not waited for that somebody else is
 * about to alter: not at all on MariaDB, and for the second that is the least on MySQL. */
static void describe_tables(struct db *d, struct catalog *catalog, const struct config *c,
                            const struct catalog *before)
{
    load_widths(d, catalog);
    (void)db_runf(d, "SET SESSION lock_wait_timeout = %u", db_server(d)->mariadb ? 0U : 1U);
    for (size_t i = 0; i < c->migration_count; i++)
        if (!described_before(c, i))
            describe_table(d, catalog, &c->migrations[i], before);
    (void)db_runf(d, "SET SESSION " DB_LOCK_WAIT);
}

struct catalog *catalog_load(struct db *d, const struct config *c, const struct catalog *before, char *error,
                             size_t error_size)
{
    struct views views;
    struct db_result columns = {0};
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT table_schema, table_name, column_name, column_type, character_set_name,"
                    " collation_name, is_nullable, column_default, extra, column_key FROM"
                    " information_schema.columns"
                    " WHERE table_schema IN (");
    add_databases(&b, c);
    buf_add_str(&b, ") ORDER BY table_schema, table_name, ordinal_position");

    struct catalog *catalog = NULL;
    bool ok = load_views(d, c, &views) && db_query_buf(d, &b, &columns);
    buf_free(&b);
    if (!ok)
        snprintf(error, error_size, "reading the catalog: %s", db_error(d));
    else if (!(catalog = build(d, &columns, &views)))
        snprintf(error, error_size, "reading the catalog: out of memory");
    else
        describe_tables(d, catalog, c, before);
    db_end(&columns);
    end_views(&views);
    return catalog;
}
