/* Statements: prefixes (EXPLAIN, SET STATEMENT … FOR), dispatch by the first word, and the classification of
 * all that is neither a query nor a change of rows. */
#include "proxy/sql/parse.h"

static void add_table(struct parser *p, struct stmt *s)
{
    struct table_name_list **tail = &s->tables;
    while (*tail)
        tail = &(*tail)->next;
    *tail = p_new(p, struct table_name_list);
    p_table_name(p, &(*tail)->name);
}

/* What a statement that is only classified goes on with. */
static void skip_rest(struct parser *p)
{
    while (!p_at(p, ';') && !p_at(p, TOK_END))
        p_advance(p);
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

static void query_statement(struct parser *p, struct stmt *s)
{
    s->kind = STMT_QUERY;
    s->query = p_query(p);
}

/* SET a = e, @b = e, …: the variables with their values, as assignments. */
static void set_statement(struct parser *p, struct stmt *s)
{
    s->kind = STMT_SET;
    skip_rest(p);
}

/* SET STATEMENT a = e, … FOR statement */
static void set_for_statement(struct parser *p, struct stmt *s)
{
    struct expr_tail t = {NULL, &s->set_statement};
    s->has_set_statement = true;
    p_advance(p);
    do {
        struct name variable = {0};
        p_any_name(p, &variable);
        while (p_accept(p, '.'))
            p_any_name(p, &variable);
        if (!p_accept(p, '='))
            p_expect(p, TOK_ASSIGN, "expected =");
        if (p_at(p, TOK_WORD) && p_peek(p).type != '(' && !(p_peek(p).type == '.')) {
            struct expr *e = p_expr_new(p, EXPR_LITERAL); /* ON, OFF, a charset's or an engine's name */
            p_advance(p);
            p_expr_done(p, e);
            p_operand(p, &t, e);
        } else {
            p_operand(p, &t, p_expr(p));
        }
    } while (p_accept(p, ','));
    p_expect_kw(p, KW_FOR, "expected FOR");
    p_statement(p, s);
}

static void set_or_set_for(struct parser *p, struct stmt *s)
{
    p_advance(p);
    if (p_at_kw(p, KW_STATEMENT) && p_peek(p).type == TOK_WORD)
        set_for_statement(p, s);
    else
        set_statement(p, s);
}

static void classified(struct parser *p, struct stmt *s, enum stmt_kind kind)
{
    s->kind = kind;
    skip_rest(p);
}

void p_statement(struct parser *p, struct stmt *s)
{
    if (!p_enter(p)) {
        p_leave(p);
        return;
    }
    switch (p->kw) {
    case KW_SELECT:
    case KW_VALUES:
    case KW_TABLE:
        query_statement(p, s);
        break;
    case KW_WITH:
        with_statement(p, s);
        break;
    case KW_INSERT:
    case KW_REPLACE:
        p_insert(p, s);
        break;
    case KW_UPDATE:
        p_update(p, s, NULL);
        break;
    case KW_DELETE:
        p_delete(p, s, NULL);
        break;
    case KW_LOAD:
        p_load(p, s);
        break;
    case KW_SET:
        set_or_set_for(p, s);
        break;
    case KW_USE:
        s->kind = STMT_USE;
        p_advance(p);
        p_name(p, &s->name);
        break;
    case KW_TRUNCATE:
        s->kind = STMT_TRUNCATE;
        p_advance(p);
        p_accept_kw(p, KW_TABLE);
        add_table(p, s);
        skip_rest(p);
        break;
    default:
        if (p_at(p, '('))
            query_statement(p, s);
        else
            classified(p, s, p_at(p, TOK_END) || p_at(p, ';') ? STMT_EMPTY : STMT_OTHER);
        break;
    }
    p_leave(p);
}
