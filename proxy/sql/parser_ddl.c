/* CREATE, ALTER, DROP and RENAME: what kind of object, which tables, and the query that a table or a view is
 * made from. The definitions themselves are skipped. */
#include "proxy/sql/parse.h"

/* Those that are no keywords: MySQL's VECTOR INDEX, MATERIALIZED VIEW, JSON RELATIONAL DUALITY VIEW. */
static bool at_prefix_word(const struct parser *p)
{
    return p_at_word(p, "VECTOR") || p_at_word(p, "MATERIALIZED") || p_at_word(p, "JSON") ||
           p_at_word(p, "RELATIONAL") || p_at_word(p, "DUALITY");
}

/* Words between CREATE, ALTER or DROP and the kind of object: OR REPLACE, DEFINER = u@h, ALGORITHM = x, SQL
 * SECURITY x, UNIQUE … */
static void object_prefixes(struct parser *p, struct stmt *s)
{
    for (;;) {
        switch (p->kw) {
        case KW_TEMPORARY:
            s->temporary = true;
            break;
        case KW_REPLACE:
            s->replaces = true;
            break;
        case KW_OR:
        case KW_UNIQUE:
        case KW_FULLTEXT:
        case KW_AGGREGATE:
        case KW_ONLINE:
        case KW_OFFLINE:
        case KW_IGNORE:
            break;
        case KW_SQL:
            p_advance(p); /* SECURITY */
            p_advance(p);
            break;
        case KW_SPATIAL:
            if (p_peek_kw(p) != KW_INDEX)
                return;
            break;
        case KW_ALGORITHM:
            p_advance(p);
            p_accept(p, '=');
            break;
        case KW_DEFINER:
            p_advance(p);
            p_accept(p, '=');
            if (p_peek_paren(p) || p_peek(p).type == TOK_USER_VAR)
                p_advance(p);
            if (p_at(p, '('))
                p_advance(p);
            break;
        default:
            if (!at_prefix_word(p))
                return;
            break;
        }
        p_advance(p);
    }
}

/* "(" of a query, perhaps of several parentheses. */
static bool at_parenthesised_query(const struct parser *p)
{
    struct lexer lx = p->lx;
    struct token t = p->tok;
    while (t.type == '(')
        t = lex_next_significant(&lx);
    if (t.type != TOK_WORD)
        return false;
    enum keyword kw = keyword_of((struct span){lx.text + t.off, t.len});
    return kw == KW_SELECT || kw == KW_WITH || kw == KW_VALUES || kw == KW_TABLE;
}

static bool at_create_query(const struct parser *p)
{
    if (p_at_kw(p, KW_WITH) && p_peek_kw(p) == KW_SYSTEM) { /* WITH SYSTEM VERSIONING is an option */
        struct lexer lx = p->lx;
        lex_next_significant(&lx);
        struct token next = lex_next_significant(&lx);
        return keyword_of((struct span){lx.text + next.off, next.len}) != KW_VERSIONING;
    }
    return p_at(p, '(') ? at_parenthesised_query(p) : p_at_query(p);
}

/* PARTITION BY … (e): what is in these parentheses is no query, whatever it begins with. */
static void partition_by(struct parser *p)
{
    while (!p_at(p, '(') && !p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
    if (p_at(p, '('))
        p_skip_parens(p);
}

/* UNION [=] ([a, b …]), the option of ENGINE = MERGE: the tables. false: this is none. */
static bool union_option(struct parser *p, struct stmt *s)
{
    if (!p_at_kw(p, KW_UNION) || (p_peek(p).type != '=' && p_peek(p).type != '('))
        return false;
    s->merges = true;
    p_advance(p);
    p_accept(p, '=');
    if (p_accept(p, '(') && !p_at(p, ')'))
        p_add_tables(p, s);
    p_expect(p, ')', "expected )");
    return true;
}

/* [(definitions)] [options] [[IGNORE | REPLACE] [AS] query], or LIKE other */
static void create_table(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CREATE_TABLE;
    p_advance(p);
    p_if_exists(p);
    p_add_table(p, s);
    if (p_accept_kw(p, KW_LIKE)) {
        p_add_table(p, s);
        return;
    }
    if (p_at(p, '(') && p_peek_kw(p) == KW_LIKE) {
        p_advance(p);
        p_advance(p);
        p_add_table(p, s);
        p_expect(p, ')', "expected )");
        return;
    }
    while (!p_at(p, ';') && !p_at(p, TOK_END)) {
        if (at_create_query(p)) {
            s->query = p_query(p);
            return;
        }
        if (union_option(p, s))
            continue;
        if (p_at_kw(p, KW_PARTITION))
            partition_by(p);
        else if (p_at(p, '('))
            p_skip_parens(p);
        else
            p_advance(p);
    }
}

/* v [(columns)] AS query [WITH … CHECK OPTION] */
static void view(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CREATE_VIEW;
    p_advance(p);
    p_if_exists(p);
    p_add_table(p, s);
    if (p_at(p, '('))
        p_name_list(p);
    p_expect_kw(p, KW_AS, "expected AS of the view");
    s->query = p_query(p);
    p_skip_rest(p);
}

static void trigger(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CREATE_TRIGGER;
    while (!p_at_kw(p, KW_ON) && !p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
    p_expect_kw(p, KW_ON, "expected ON of the trigger");
    p_add_table(p, s);
    p_skip_body(p, true);
}

static void routine(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CREATE_ROUTINE;
    if (p_at_kw(p, KW_PACKAGE)) {
        while (!p_at(p, TOK_END))
            p_advance(p);
        return;
    }
    p_advance(p);
    p_if_exists(p);
    struct table_name name = {0};
    p_table_name(p, &name);
    s->name = name.table;
    p_skip_body(p, true);
}

/* [IF …] name … ON table … */
static void index_ddl(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CREATE_INDEX;
    while (!p_at_kw(p, KW_ON) && !p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
    p_expect_kw(p, KW_ON, "expected ON of the index");
    p_add_table(p, s);
    p_skip_rest(p);
}

/* [IF …] names, for objects that share the tables' names. */
static void object_names(struct parser *p, struct stmt *s)
{
    s->kind = STMT_DDL_OTHER;
    p_advance(p);
    p_if_exists(p);
    p_add_tables(p, s);
    p_skip_rest(p);
}

static void drop_table(struct parser *p, struct stmt *s)
{
    object_names(p, s);
    s->kind = STMT_DROP_TABLE;
}

static void database(struct parser *p, struct stmt *s)
{
    s->kind = s->replaces ? STMT_DROP_DATABASE : STMT_DDL_OTHER;
    p_advance(p);
    p_if_exists(p);
    if (p_at_name(p))
        p_name(p, &s->name);
    p_skip_rest(p);
}

static void drop_database(struct parser *p, struct stmt *s)
{
    database(p, s);
    s->kind = STMT_DROP_DATABASE;
}

/* The tables that ALTER TABLE names besides its own: RENAME [TO | AS] t, EXCHANGE PARTITION p WITH TABLE t,
 * UNION (t).
 */
static void alter_table(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ALTER_TABLE;
    p_advance(p);
    p_if_exists(p);
    p_add_table(p, s);
    while (!p_at(p, ';') && !p_at(p, TOK_END)) {
        if (union_option(p, s))
            continue;
        if (p_at(p, '(')) {
            p_skip_parens(p);
        } else if (p_at_kw(p, KW_RENAME)) {
            p_advance(p);
            if (p_at_kw(p, KW_COLUMN) || p_at_kw(p, KW_INDEX) || p_at_kw(p, KW_KEY))
                continue;
            if (!p_accept_kw(p, KW_TO) && !p_accept_kw(p, KW_AS))
                p_accept(p, '=');
            p_add_table(p, s);
        } else if ((p_at_kw(p, KW_WITH) || p_at_word(p, "CONVERT")) && p_peek_kw(p) == KW_TABLE) {
            p_advance(p);
            p_advance(p);
            p_add_table(p, s);
        } else {
            p_advance(p);
        }
    }
}

/* Accounts, roles and the server itself: no object of a database. */
static void administration(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    p_skip_rest(p);
}

static void drop_prepare(struct parser *p, struct stmt *s)
{
    s->kind = STMT_DEALLOCATE;
    p_advance(p);
    p_name(p, &s->name);
}

static void other_object(struct parser *p, struct stmt *s)
{
    s->kind = STMT_DDL_OTHER;
    p_skip_rest(p);
}

typedef void (*object_parser)(struct parser *p, struct stmt *s);

/* The kinds of objects, by the word that names them; where nothing is said, it is an object like any other.
 */
static const struct object_kind {
    enum keyword kw;
    object_parser create, alter, drop;
} object_kinds[] = {
    {KW_TABLE, create_table, alter_table, drop_table},
    {KW_TABLES, NULL, NULL, drop_table},
    {KW_VIEW, view, view, object_names},
    {KW_SEQUENCE, object_names, object_names, object_names},
    {KW_INDEX, index_ddl, NULL, index_ddl},
    {KW_TRIGGER, trigger, NULL, NULL},
    {KW_PROCEDURE, routine, routine, NULL},
    {KW_FUNCTION, routine, routine, NULL},
    {KW_EVENT, routine, routine, NULL},
    {KW_PACKAGE, routine, NULL, NULL},
    {KW_DATABASE, database, database, drop_database},
    {KW_SCHEMA, database, database, drop_database},
    {KW_USER, administration, administration, administration},
    {KW_ROLE, administration, administration, administration},
    {KW_INSTANCE, NULL, administration, NULL},
    {KW_PREPARE, NULL, NULL, drop_prepare},
};

static const struct object_kind *object_kind(struct parser *p, struct stmt *s)
{
    static const struct object_kind other = {0};
    p_advance(p);
    object_prefixes(p, s);
    for (size_t i = 0; i < sizeof object_kinds / sizeof object_kinds[0]; i++)
        if (object_kinds[i].kw == p->kw)
            return &object_kinds[i];
    return &other;
}

static void parse_object(struct parser *p, struct stmt *s, object_parser parse)
{
    (parse ? parse : other_object)(p, s);
}

void p_create(struct parser *p, struct stmt *s)
{
    parse_object(p, s, object_kind(p, s)->create);
}

void p_alter(struct parser *p, struct stmt *s)
{
    parse_object(p, s, object_kind(p, s)->alter);
}

void p_drop(struct parser *p, struct stmt *s)
{
    parse_object(p, s, object_kind(p, s)->drop);
}

/* RENAME TABLE a [WAIT n | NOWAIT] TO b, …: the tables are a, b, … */
void p_rename(struct parser *p, struct stmt *s)
{
    p_advance(p);
    if (!p_at_kw(p, KW_TABLE) && !p_at_kw(p, KW_TABLES)) {
        s->kind = STMT_ADMIN;
        p_skip_rest(p);
        return;
    }
    s->kind = STMT_RENAME_TABLE;
    p_advance(p);
    p_if_exists(p);
    do {
        p_add_table(p, s);
        if (p_accept_kw(p, KW_WAIT))
            p_advance(p);
        else
            p_accept_kw(p, KW_NOWAIT);
        p_expect_kw(p, KW_TO, "expected TO");
        p_add_table(p, s);
    } while (p_accept(p, ','));
}
