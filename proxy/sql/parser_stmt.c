/* Statements: prefixes (EXPLAIN, SET STATEMENT … FOR), dispatch by the first word, and the classification of
 * all that is neither a query nor a change of rows. */
#include "proxy/sql/parse.h"

void p_add_table(struct parser *p, struct stmt *s)
{
    if (!p->tables_end)
        p->tables_end = &s->tables;
    struct table_name_list *t = *p->tables_end = p_new(p, struct table_name_list);
    p->tables_end = &t->next;
    p_table_name(p, &t->name);
}

void p_add_tables(struct parser *p, struct stmt *s)
{
    do
        p_add_table(p, s);
    while (p_accept(p, ','));
}

void p_skip_rest(struct parser *p)
{
    while (!p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
}

void p_if_exists(struct parser *p)
{
    if (!p_accept_kw(p, KW_IF))
        return;
    p_accept_kw(p, KW_NOT);
    p_expect_kw(p, KW_EXISTS, "expected EXISTS");
}

static void with_statement(struct parser *p, struct stmt *s)
{
    uint32_t off = p->tok.off;
    struct with *with = p_with(p);
    if (p_at_kw(p, KW_UPDATE)) {
        p_update(p, s, with);
    } else if (p_at_kw(p, KW_DELETE)) {
        p_delete(p, s, with);
    } else {
        s->kind = STMT_QUERY;
        s->query = p_query_with(p, with, off);
    }
}

static void query(struct parser *p, struct stmt *s)
{
    s->kind = STMT_QUERY;
    s->query = p_query(p);
}

static void transaction(struct parser *p, struct stmt *s)
{
    s->kind = STMT_TRANSACTION;
    p_skip_rest(p);
}

static void admin(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    p_skip_rest(p);
}

/* The value of SET: an expression, or a bare word (ON, OFF, DEFAULT, a character set's name). */
static struct expr *set_value(struct parser *p)
{
    struct token next = p_peek(p);
    enum keyword next_kw = p_peek_kw(p);
    bool last = next.type == ',' || next.type == ';' || next.type == TOK_END || next_kw == KW_FOR ||
                next_kw == KW_COLLATE;
    if (!p_at(p, TOK_WORD) || p_at_kw(p, KW_NULL) || !last)
        return p_expr(p);
    struct expr *e = p_expr_new(p, EXPR_LITERAL);
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

/* [scope] name[.name] | @@[scope.]name | @name */
static struct expr *set_target(struct parser *p)
{
    if (p_at(p, TOK_AT_AT))
        return p_primary(p);
    struct expr *e = p_expr_new(p, EXPR_SYS_VAR);
    if (p_at(p, TOK_USER_VAR)) {
        e->kind = EXPR_USER_VAR;
        e->name.range = (struct range){p->tok.off, p->tok.len};
        e->name.text = (struct span){p->lx.text + p->tok.off + 1, p->tok.len - 1};
        p_advance(p);
        p_expr_done(p, e);
        return e;
    }
    bool scoped = p_at_kw(p, KW_GLOBAL) || p_at_kw(p, KW_SESSION) || p_at_kw(p, KW_LOCAL) ||
                  p_at_kw(p, KW_PERSIST) || p_at_kw(p, KW_PERSIST_ONLY);
    if (scoped && (p_peek(p).type == TOK_WORD || p_peek(p).type == TOK_QUOTED))
        p_any_name(p, &e->table);
    p_any_name(p, &e->name);
    if (p_accept(p, '.')) {
        e->db = e->table;
        e->table = e->name;
        e->name = (struct name){0};
        p_any_name(p, &e->name);
    }
    p_expr_done(p, e);
    return e;
}

/* NAMES x [COLLATE y], CHARACTER SET x, CHAR SET x, CHARSET x: as an assignment to NAMES or CHARACTER. */
static struct expr *set_names(struct parser *p)
{
    struct expr *assign = p_expr_new(p, EXPR_ASSIGN), *e = p_expr_new(p, EXPR_SYS_VAR);
    struct expr_tail t = {assign, &assign->args};
    bool character = !p_at_kw(p, KW_NAMES) && !p_at_kw(p, KW_CHARSET);
    p_any_name(p, &e->name);
    if (character)
        p_expect_kw(p, KW_SET, "expected SET");
    p_expr_done(p, e);
    p_operand(p, &t, e);
    p_operand(p, &t, set_value(p));
    if (p_accept_kw(p, KW_COLLATE))
        p_advance(p);
    p_expr_done(p, assign);
    return assign;
}

static bool at_set_names(const struct parser *p)
{
    unsigned next = p_peek(p).type;
    if (next == '=' || next == TOK_ASSIGN || next == '.')
        return false;
    return p_at_kw(p, KW_NAMES) || p_at_kw(p, KW_CHARSET) || p_at_kw(p, KW_CHARACTER) ||
           (p_at_word(p, "CHAR") && p_peek_kw(p) == KW_SET);
}

/* SET PASSWORD, ROLE, DEFAULT ROLE, [scope] TRANSACTION, RESOURCE GROUP: no variables. */
static bool at_set_other(const struct parser *p)
{
    struct token next = p_peek(p);
    if (next.type == '=' || next.type == TOK_ASSIGN || next.type == '.')
        return p_at_kw(p, KW_PASSWORD);
    if (p_peek_kw(p) == KW_TRANSACTION)
        return true;
    return p_at_kw(p, KW_PASSWORD) || p_at_kw(p, KW_ROLE) || p_at_kw(p, KW_DEFAULT) ||
           p_at_kw(p, KW_TRANSACTION) || p_at_kw(p, KW_RESOURCE);
}

static struct expr *set_assignment(struct parser *p)
{
    struct expr *assign = p_expr_new(p, EXPR_ASSIGN);
    struct expr_tail t = {assign, &assign->args};
    p_operand(p, &t, set_target(p));
    if (!p_accept(p, '='))
        p_expect(p, TOK_ASSIGN, "expected =");
    p_operand(p, &t, set_value(p));
    p_expr_done(p, assign);
    return assign;
}

static void set(struct parser *p, struct stmt *s)
{
    struct expr_tail t = {NULL, &s->exprs};
    s->kind = STMT_SET;
    do {
        if (at_set_names(p)) {
            p_operand(p, &t, set_names(p));
        } else if (at_set_other(p)) {
            p_skip_rest(p);
            return;
        } else {
            p_operand(p, &t, set_assignment(p));
        }
    } while (p_accept(p, ','));
}

/* SET STATEMENT a = e, … FOR statement */
static void set_or_set_for(struct parser *p, struct stmt *s)
{
    p_advance(p);
    if (!p_at_kw(p, KW_STATEMENT) || p_peek(p).type != TOK_WORD) {
        set(p, s);
        return;
    }
    struct expr_tail t = {NULL, &s->set_statement};
    s->has_set_statement = true;
    p_advance(p);
    while (t.at != &s->set_statement && *t.at)
        t.at = &(*t.at)->next;
    do
        p_operand(p, &t, set_assignment(p));
    while (p_accept(p, ','));
    p_expect_kw(p, KW_FOR, "expected FOR");
    p_statement(p, s);
}

static bool starts_explainable(const struct parser *p)
{
    switch (p->kw) {
    case KW_SELECT:
    case KW_WITH:
    case KW_VALUES:
    case KW_TABLE:
    case KW_INSERT:
    case KW_REPLACE:
    case KW_UPDATE:
    case KW_DELETE:
    case KW_SET:
        return true;
    default:
        return p_at(p, '(');
    }
}

/* EXTENDED, PARTITIONS, ANALYZE, FORMAT = x, INTO @v, FOR SCHEMA x */
static void explain_options(struct parser *p)
{
    for (;;) {
        if (p_at_kw(p, KW_FORMAT) && p_peek(p).type == '=') {
            p_advance(p);
            p_advance(p);
        } else if (p_at_kw(p, KW_INTO) || (p_at_kw(p, KW_FOR) && p_peek_kw(p) != KW_CONNECTION)) {
            bool schema = p_at_kw(p, KW_FOR);
            p_advance(p);
            if (schema)
                p_advance(p);
        } else if (!p_at_kw(p, KW_EXTENDED) && !p_at_kw(p, KW_PARTITIONS) && !p_at_kw(p, KW_ANALYZE)) {
            return;
        }
        p_advance(p);
    }
}

/* EXPLAIN, DESCRIBE, DESC: of a statement or a table. */
static void explain(struct parser *p, struct stmt *s)
{
    p_advance(p);
    explain_options(p);
    if (starts_explainable(p)) {
        s->explain = true;
        p_statement(p, s);
        return;
    }
    s->kind = STMT_SHOW;
    if (!p_at_kw(p, KW_FOR))
        p_add_table(p, s);
    p_skip_rest(p);
}

/* CHECK, CHECKSUM, OPTIMIZE, REPAIR, ANALYZE [LOCAL] {TABLE | VIEW} a, b … */
static void table_admin(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    p_advance(p);
    if (!p_accept_kw(p, KW_NO_WRITE_TO_BINLOG))
        p_accept_kw(p, KW_LOCAL);
    if (p_accept_kw(p, KW_TABLE) || p_accept_kw(p, KW_TABLES) || p_accept_kw(p, KW_VIEW))
        p_add_tables(p, s);
    p_skip_rest(p);
}

/* ANALYZE TABLE … or ANALYZE [FORMAT = x] statement */
static void analyze(struct parser *p, struct stmt *s)
{
    enum keyword next = p_peek_kw(p);
    if (next == KW_TABLE || next == KW_TABLES || next == KW_LOCAL || next == KW_NO_WRITE_TO_BINLOG)
        table_admin(p, s);
    else
        explain(p, s);
}

/* CALL [db.]p [(e, …)] */
static void call(struct parser *p, struct stmt *s)
{
    s->kind = STMT_CALL;
    p_advance(p);
    p_add_table(p, s);
    if (p_accept(p, '.')) { /* db.package.procedure */
        struct name ignored = {0};
        p_any_name(p, &ignored);
    }
    if (!p_accept(p, '('))
        return;
    if (!p_at(p, ')'))
        s->exprs = p_expr_list(p);
    p_expect(p, ')', "expected )");
}

static void do_statement(struct parser *p, struct stmt *s)
{
    struct expr_tail t = {NULL, &s->exprs};
    s->kind = STMT_DO;
    p_advance(p);
    for (struct select_item *i = p_select_items(p); i; i = i->next)
        p_operand(p, &t, i->expr);
}

static void use(struct parser *p, struct stmt *s)
{
    s->kind = STMT_USE;
    p_advance(p);
    p_name(p, &s->name);
}

/* PREPARE name FROM e */
static void prepare(struct parser *p, struct stmt *s)
{
    s->kind = STMT_PREPARE;
    p_advance(p);
    p_name(p, &s->name);
    p_expect_kw(p, KW_FROM, "expected FROM");
    s->exprs = p_expr(p);
}

/* EXECUTE name [USING e, …], EXECUTE IMMEDIATE e [USING e, …] */
static void execute(struct parser *p, struct stmt *s)
{
    p_advance(p);
    s->kind = STMT_EXECUTE;
    struct expr **tail = &s->exprs;
    if (p_at_kw(p, KW_IMMEDIATE) && p_peek(p).type != TOK_END && p_peek(p).type != ';' &&
        p_peek_kw(p) != KW_USING) {
        s->kind = STMT_EXECUTE_IMMEDIATE;
        p_advance(p);
        s->exprs = p_expr(p);
        tail = &s->exprs->next;
    } else {
        p_name(p, &s->name);
    }
    if (p_accept_kw(p, KW_USING))
        *tail = p_expr_list(p);
}

static void deallocate(struct parser *p, struct stmt *s)
{
    s->kind = STMT_DEALLOCATE;
    p_advance(p);
    p_expect_kw(p, KW_PREPARE, "expected PREPARE");
    p_name(p, &s->name);
}

static void truncate(struct parser *p, struct stmt *s)
{
    s->kind = STMT_TRUNCATE;
    p_advance(p);
    p_accept_kw(p, KW_TABLE);
    p_add_table(p, s);
    p_skip_rest(p);
}

/* LOCK TABLES a [AS x] READ, …; UNLOCK TABLES; LOCK INSTANCE FOR BACKUP */
static void lock(struct parser *p, struct stmt *s)
{
    s->kind = STMT_LOCK;
    bool tables = p_peek_kw(p) == KW_TABLE || p_peek_kw(p) == KW_TABLES;
    if (!tables || p_at_kw(p, KW_UNLOCK)) {
        p_skip_rest(p);
        return;
    }
    p_advance(p);
    p_advance(p);
    do {
        p_add_table(p, s);
        while (!p_at(p, ',') && !p_at(p, ';') && !p_at(p, TOK_END))
            p_advance(p);
    } while (p_accept(p, ','));
}

/* FLUSH [LOCAL] TABLES a, b [WITH READ LOCK | FOR EXPORT], FLUSH TABLES WITH READ LOCK, and all the others */
static void flush(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    p_advance(p);
    if (!p_accept_kw(p, KW_NO_WRITE_TO_BINLOG))
        p_accept_kw(p, KW_LOCAL);
    if (p_accept_kw(p, KW_TABLES) || p_accept_kw(p, KW_TABLE)) {
        if (p_at_name(p))
            p_add_tables(p, s);
        if (p_at_kw(p, KW_WITH) || p_at_kw(p, KW_FOR))
            s->kind = STMT_LOCK;
    }
    p_skip_rest(p);
}

/* The table of SHOW COLUMNS FROM t [FROM db], SHOW INDEX IN t, SHOW CREATE TABLE t. */
static void show(struct parser *p, struct stmt *s)
{
    s->kind = STMT_SHOW;
    p_advance(p);
    while (p_at_kw(p, KW_FULL) || p_at_kw(p, KW_EXTENDED))
        p_advance(p);
    if (p_accept_kw(p, KW_CREATE)) {
        if (p_accept_kw(p, KW_TABLE) || p_accept_kw(p, KW_VIEW) || p_accept_kw(p, KW_SEQUENCE))
            p_add_table(p, s);
    } else if (p_accept_kw(p, KW_COLUMNS) || p_accept_kw(p, KW_FIELDS) || p_accept_kw(p, KW_INDEX) ||
               p_accept_kw(p, KW_INDEXES) || p_accept_kw(p, KW_KEYS)) {
        if (p_accept_kw(p, KW_FROM) || p_accept_kw(p, KW_IN)) {
            p_add_table(p, s);
            if (p_accept_kw(p, KW_FROM) || p_accept_kw(p, KW_IN))
                p_name(p, &s->tables->name.db);
        }
    }
    p_skip_rest(p);
}

/* HANDLER t {OPEN | READ | CLOSE} … */
static void handler(struct parser *p, struct stmt *s)
{
    s->kind = STMT_HANDLER;
    p_advance(p);
    p_add_table(p, s);
    p_skip_rest(p);
}

/* GRANT and REVOKE privileges [(columns)] ON [TABLE] db.t */
static void grant(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    while (!p_at_kw(p, KW_ON) && !p_at_kw(p, KW_TO) && !p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
    if (p_accept_kw(p, KW_ON)) {
        p_accept_kw(p, KW_TABLE);
        if (p_at_name(p) && p_peek(p).type != '*' && !p_at_kw(p, KW_FUNCTION) && !p_at_kw(p, KW_PROCEDURE)) {
            struct parse_mark m = p_mark(p);
            p_advance(p);
            bool all = p_at(p, '.') && p_peek(p).type == '*';
            p_rewind(p, &m);
            if (!all)
                p_add_table(p, s);
        }
    }
    p_skip_rest(p);
}

static void start(struct parser *p, struct stmt *s)
{
    s->kind = p_peek_kw(p) == KW_TRANSACTION ? STMT_TRANSACTION : STMT_ADMIN;
    p_skip_rest(p);
}

static void load(struct parser *p, struct stmt *s)
{
    if (p_peek_kw(p) == KW_INDEX)
        admin(p, s);
    else
        p_load(p, s);
}

/* KILL [HARD | SOFT] [CONNECTION | QUERY [ID]] e | USER u: e may be a subquery. */
static void kill_statement(struct parser *p, struct stmt *s)
{
    s->kind = STMT_ADMIN;
    p_advance(p);
    if (p_at_word(p, "HARD") || p_at_word(p, "SOFT"))
        p_advance(p);
    bool user = p_at_kw(p, KW_USER);
    if (p_accept_kw(p, KW_QUERY) && p_at_word(p, "ID"))
        p_advance(p);
    else
        p_accept_kw(p, KW_CONNECTION);
    if (!user)
        s->exprs = p_expr(p);
    p_skip_rest(p);
}

static void show_other(struct parser *p, struct stmt *s)
{
    s->kind = STMT_SHOW;
    p_skip_rest(p);
}

static void update(struct parser *p, struct stmt *s)
{
    p_update(p, s, NULL);
}

static void delete (struct parser *p, struct stmt *s)
{
    p_delete(p, s, NULL);
}

static const struct {
    enum keyword first;
    void (*parse)(struct parser *p, struct stmt *s);
} statements[] = {
    {KW_SELECT, query},
    {KW_INSERT, p_insert},
    {KW_UPDATE, update},
    {KW_DELETE, delete},
    {KW_REPLACE, p_insert},
    {KW_WITH, with_statement},
    {KW_SET, set_or_set_for},
    {KW_BEGIN, transaction},
    {KW_COMMIT, transaction},
    {KW_ROLLBACK, transaction},
    {KW_START, start},
    {KW_SAVEPOINT, transaction},
    {KW_RELEASE, transaction},
    {KW_XA, transaction},
    {KW_VALUES, query},
    {KW_TABLE, query},
    {KW_LOAD, load},
    {KW_DO, do_statement},
    {KW_CALL, call},
    {KW_USE, use},
    {KW_PREPARE, prepare},
    {KW_EXECUTE, execute},
    {KW_DEALLOCATE, deallocate},
    {KW_LOCK, lock},
    {KW_UNLOCK, lock},
    {KW_FLUSH, flush},
    {KW_TRUNCATE, truncate},
    {KW_CREATE, p_create},
    {KW_ALTER, p_alter},
    {KW_DROP, p_drop},
    {KW_RENAME, p_rename},
    {KW_SHOW, show},
    {KW_EXPLAIN, explain},
    {KW_DESCRIBE, explain},
    {KW_DESC, explain},
    {KW_HELP, show_other},
    {KW_ANALYZE, analyze},
    {KW_CHECK, table_admin},
    {KW_CHECKSUM, table_admin},
    {KW_OPTIMIZE, table_admin},
    {KW_REPAIR, table_admin},
    {KW_HANDLER, handler},
    {KW_GRANT, grant},
    {KW_REVOKE, grant},
    {KW_KILL, kill_statement},
    {KW_RESET, admin},
    {KW_CACHE, admin},
    {KW_PURGE, admin},
    {KW_STOP, admin},
    {KW_CHANGE, admin},
    {KW_INSTALL, admin},
    {KW_UNINSTALL, admin},
    {KW_SHUTDOWN, admin},
    {KW_RESTART, admin},
    {KW_BINLOG, admin},
    {KW_SIGNAL, admin},
    {KW_RESIGNAL, admin},
    {KW_GET, admin},
    {KW_CLONE, admin},
    {KW_IMPORT, admin},
    {KW_BACKUP, admin},
};

static void dispatch(struct parser *p, struct stmt *s)
{
    if (p_at_compound(p)) {
        s->kind = STMT_COMPOUND;
        p_skip_body(p, false);
        return;
    }
    for (size_t i = 0; p->kw != KW_NONE && i < sizeof statements / sizeof *statements; i++) {
        if (statements[i].first == p->kw) {
            statements[i].parse(p, s);
            return;
        }
    }
    if (p_at(p, '(')) {
        query(p, s);
        return;
    }
    s->kind = p_at(p, TOK_END) || p_at(p, ';') ? STMT_EMPTY : STMT_OTHER;
    p_skip_rest(p);
}

void p_statement(struct parser *p, struct stmt *s)
{
    if (p_enter(p))
        dispatch(p, s);
    p_leave(p);
}
