/* The statements that change rows: INSERT, REPLACE, UPDATE, DELETE, LOAD DATA and LOAD XML. */
#include "proxy/sql/parse.h"

static struct range partition_clause(struct parser *p)
{
    struct range r = {p->tok.off, 0};
    if (p_at_kw(p, KW_PARTITION) && p_peek_paren(p)) {
        p_advance(p);
        p_skip_parens(p);
        r = p_since(p, r.off);
    }
    return r;
}

/* ( column, … ); LOAD DATA has user variables among them. */
static struct expr *column_list(struct parser *p, struct range *range, bool variables)
{
    struct expr *first = NULL;
    struct expr_tail t = {NULL, &first};
    uint32_t off = p->tok.off;
    p_expect(p, '(', "expected (");
    while (!p_at(p, ')') && !p_at(p, TOK_END)) {
        p_operand(p, &t, variables && p_at(p, TOK_USER_VAR) ? p_primary(p) : p_column(p));
        if (!p_accept(p, ','))
            break;
    }
    p_expect(p, ')', "expected ) of the column list");
    *range = p_since(p, off);
    return first;
}

/* AS new [(columns)] */
static void row_alias(struct parser *p, struct insert_stmt *ins)
{
    if (!p_accept_kw(p, KW_AS))
        return;
    p_name(p, &ins->row_alias);
    if (p_at(p, '('))
        ins->row_alias_columns = p_name_list(p);
}

/* The source of an INSERT: rows, assignments or a query. */
static void insert_source(struct parser *p, struct insert_stmt *ins)
{
    struct range ignored;
    bool values = p_at_kw(p, KW_VALUES) || p_at_kw(p, KW_VALUE);
    if (values && p_peek_kw(p) != KW_ROW) {
        p_advance(p);
        ins->form = INSERT_VALUES;
        p_value_rows(p, ins);
        row_alias(p, ins);
    } else if (p_accept_kw(p, KW_SET)) {
        ins->form = INSERT_SET;
        ins->set = p_assignments(p, &ignored);
        row_alias(p, ins);
    } else if (p_at_query(p) || p_at(p, '(')) {
        ins->form = INSERT_QUERY;
        ins->query = p_query(p);
        row_alias(p, ins);
    } else {
        p_fail(p, PARSE_SYNTAX, "expected VALUES, SET or a query");
    }
}

static void insert_columns(struct parser *p, struct insert_stmt *ins)
{
    if (!p_at(p, '('))
        return;
    enum keyword next = p_peek_kw(p);
    if (next == KW_SELECT || next == KW_WITH || next == KW_VALUES || next == KW_TABLE || p_peek_paren(p))
        return;
    ins->has_columns = true;
    ins->columns = column_list(p, &ins->columns_range, false);
}

void p_insert(struct parser *p, struct stmt *s)
{
    struct insert_stmt *ins = s->insert = p_new(p, struct insert_stmt);
    s->kind = STMT_INSERT;
    ins->replace = p_at_kw(p, KW_REPLACE);
    p_advance(p);
    for (;; p_advance(p)) {
        if (p_at_kw(p, KW_IGNORE))
            ins->ignore = true;
        else if (!p_at_kw(p, KW_LOW_PRIORITY) && !p_at_kw(p, KW_DELAYED) && !p_at_kw(p, KW_HIGH_PRIORITY))
            break;
    }
    p_accept_kw(p, KW_INTO);
    p_table_name(p, &ins->table);
    ins->partition = partition_clause(p);
    insert_columns(p, ins);
    insert_source(p, ins);
    if (p_accept_kw(p, KW_ON)) {
        p_expect_kw(p, KW_DUPLICATE, "expected DUPLICATE KEY UPDATE");
        p_expect_kw(p, KW_KEY, "expected KEY UPDATE");
        p_expect_kw(p, KW_UPDATE, "expected UPDATE");
        p->on_duplicate = true;
        ins->on_duplicate = p_assignments(p, &ins->on_duplicate_range);
        p->on_duplicate = false;
    }
    if (p_accept_kw(p, KW_RETURNING))
        ins->returning = p_select_items(p);
}

void p_update(struct parser *p, struct stmt *s, struct with *with)
{
    struct update_stmt *u = s->update = p_new(p, struct update_stmt);
    s->kind = STMT_UPDATE;
    u->with = with;
    p_advance(p);
    p_accept_kw(p, KW_LOW_PRIORITY);
    u->ignore = p_accept_kw(p, KW_IGNORE);
    u->tables = p_table_refs(p);
    u->multi = u->tables->kind != TABLE_NAMED || u->tables->next;
    p_expect_kw(p, KW_SET, "expected SET");
    u->set = p_assignments(p, &u->set_range);
    if (p_accept_kw(p, KW_WHERE))
        u->where = p_expr(p);
    if (p_accept_kw(p, KW_ORDER)) {
        p_expect_kw(p, KW_BY, "expected BY");
        u->order = p_order_list(p);
    }
    u->limit = p_limit(p);
    if (p_accept_kw(p, KW_RETURNING))
        u->returning = p_select_items(p);
}

/* [db.]table[.*] */
static void delete_target(struct parser *p, struct table_name *t)
{
    uint32_t off = p->tok.off;
    p_name(p, &t->table);
    for (int parts = 1; p_accept(p, '.'); parts++) {
        if (p_accept(p, '*'))
            break;
        if (parts > 1)
            p_fail(p, PARSE_SYNTAX, "too many parts in a name");
        t->db = t->table;
        t->table = (struct name){0};
        p_any_name(p, &t->table);
    }
    t->range = p_since(p, off);
}

static struct table_name_list *delete_targets(struct parser *p)
{
    struct table_name_list *first = NULL, **tail = &first;
    do {
        *tail = p_new(p, struct table_name_list);
        delete_target(p, &(*tail)->name);
        tail = &(*tail)->next;
    } while (p_accept(p, ','));
    return first;
}

/* Behind FROM: whether this is the form DELETE FROM a, b.* USING …; then it is parsed up to USING. */
static bool targets_and_using(struct parser *p, struct delete_stmt *d)
{
    struct parse_mark m = p_mark(p);
    for (;;) { /* names, dots, stars and commas only, then USING */
        if (!p_at(p, TOK_WORD) && !p_at(p, TOK_QUOTED) && !p_at(p, '.') && !p_at(p, '*') && !p_at(p, ','))
            break;
        if (p_at_kw(p, KW_USING) || (p_at(p, TOK_WORD) && !p->tok.plain && !p_at_name(p)))
            break;
        p_advance(p);
    }
    bool using = p_at_kw(p, KW_USING);
    p_rewind(p, &m);
    if (!using)
        return false;
    d->targets = delete_targets(p);
    p_expect_kw(p, KW_USING, "expected USING");
    return true;
}

/* DELETE HISTORY FROM t [PARTITION (…)] [BEFORE SYSTEM_TIME e] */
static void delete_history(struct parser *p, struct delete_stmt *d)
{
    d->history = true;
    p_expect_kw(p, KW_FROM, "expected FROM");
    d->tables = p_table_refs(p);
    if (!p_accept_kw(p, KW_BEFORE))
        return;
    p_expect_kw(p, KW_SYSTEM_TIME, "expected SYSTEM_TIME");
    if ((p_at_kw(p, KW_TIMESTAMP) || p_at_kw(p, KW_TRANSACTION)) && !p_peek_paren(p))
        p_advance(p);
    d->before = p_expr(p);
}

void p_delete(struct parser *p, struct stmt *s, struct with *with)
{
    struct delete_stmt *d = s->del = p_new(p, struct delete_stmt);
    s->kind = STMT_DELETE;
    d->with = with;
    p_advance(p);
    for (; p_at_kw(p, KW_LOW_PRIORITY) || p_at_kw(p, KW_QUICK) || p_at_kw(p, KW_IGNORE); p_advance(p))
        d->ignore |= p_at_kw(p, KW_IGNORE);
    if (p_at_kw(p, KW_HISTORY) && p_peek_kw(p) == KW_FROM) {
        p_advance(p);
        delete_history(p, d);
        return;
    }
    if (p_accept_kw(p, KW_FROM)) {
        d->multi = targets_and_using(p, d);
    } else {
        d->multi = true;
        d->targets = delete_targets(p);
        p_expect_kw(p, KW_FROM, "expected FROM");
    }
    d->tables = p_table_refs(p);
    if (p_accept_kw(p, KW_WHERE))
        d->where = p_expr(p);
    if (p_accept_kw(p, KW_ORDER)) {
        p_expect_kw(p, KW_BY, "expected BY");
        d->order = p_order_list(p);
    }
    d->limit = p_limit(p);
    if (p_accept_kw(p, KW_RETURNING))
        d->returning = p_select_items(p);
}

/* CHARACTER SET x, ROWS IDENTIFIED BY '…', FIELDS …, LINES …, IGNORE n LINES: up to the column list, SET or
 * the end. */
static void load_options(struct parser *p)
{
    while (!p_at(p, '(') && !p_at(p, ';') && !p_at(p, TOK_END)) {
        if (p_at_kw(p, KW_CHARACTER)) {
            p_advance(p); /* its SET is not the clause */
            p_advance(p);
        } else if (p_at_kw(p, KW_SET)) {
            return;
        } else {
            p_advance(p);
        }
    }
}

void p_load(struct parser *p, struct stmt *s)
{
    struct load_stmt *l = s->load = p_new(p, struct load_stmt);
    s->kind = STMT_LOAD;
    p_advance(p);
    l->xml = p_at_kw(p, KW_XML);
    p_advance(p);
    if (!p_accept_kw(p, KW_LOW_PRIORITY))
        p_accept_kw(p, KW_CONCURRENT);
    p_accept_kw(p, KW_FROM); /* MySQL 9: FROM INFILE | URL | S3 'x' [COUNT n] [IN PRIMARY KEY ORDER] */
    l->local = p_accept_kw(p, KW_LOCAL);
    if (!p_accept_kw(p, KW_INFILE))
        p_advance(p);
    p_expect(p, TOK_STRING, "expected a file name");
    while (p_at(p, TOK_WORD) && !p_at_kw(p, KW_INTO)) {
        l->replace |= p_at_kw(p, KW_REPLACE);
        l->ignore |= p_at_kw(p, KW_IGNORE);
        p_advance(p);
        p_accept(p, TOK_INT);
    }
    p_expect_kw(p, KW_INTO, "expected INTO TABLE");
    p_expect_kw(p, KW_TABLE, "expected TABLE");
    p_table_name(p, &l->table);
    partition_clause(p);
    load_options(p);
    if (p_at(p, '(')) {
        l->has_columns = true;
        l->columns = column_list(p, &l->columns_range, true);
    }
    l->insert_at = p->prev_end;
    if (p_accept_kw(p, KW_SET))
        l->set = p_assignments(p, &l->set_range);
}
