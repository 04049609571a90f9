/* Queries: WITH, SELECT with its clauses, VALUES, TABLE, set operations and parentheses.
 *
 *     p_query ── with ── set_operation ── operand (select | values | table | ( query )) ── tail
 *
 * ORDER BY, LIMIT, INTO and locks belong to the query, not to its (last) select. */
#include "proxy/sql/parse.h"

bool p_at_query(const struct parser *p)
{
    switch (p->kw) {
    case KW_SELECT:
    case KW_WITH:
    case KW_TABLE:
        return true;
    case KW_VALUES:
        return !p->on_duplicate;
    default:
        return false;
    }
}

static bool at_set_operator(const struct parser *p)
{
    return p->kw == KW_UNION || p->kw == KW_EXCEPT || p->kw == KW_INTERSECT ||
           (p->kw == KW_MINUS && (p->dialect->modes & SQL_ORACLE));
}

/* FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE; not FOR SYSTEM_TIME. */
static bool at_lock(const struct parser *p)
{
    return p->kw == KW_LOCK || (p->kw == KW_FOR && (p_peek_kw(p) == KW_UPDATE || p_peek_kw(p) == KW_SHARE));
}

bool p_at_query_tail(const struct parser *p)
{
    return at_set_operator(p) || p->kw == KW_ORDER || p->kw == KW_LIMIT || p->kw == KW_INTO || at_lock(p) ||
           p->kw == KW_FETCH || (p->kw == KW_OFFSET && !p_at_alias(p));
}

static bool at_select_option(const struct parser *p)
{
    switch (p->kw) {
    case KW_ALL:
    case KW_DISTINCT:
    case KW_DISTINCTROW:
    case KW_UNIQUE: /* Oracle mode's DISTINCT */
    case KW_HIGH_PRIORITY:
    case KW_STRAIGHT_JOIN:
    case KW_SQL_BIG_RESULT:
    case KW_SQL_SMALL_RESULT:
    case KW_SQL_CALC_FOUND_ROWS:
        return true;
    case KW_SQL_BUFFER_RESULT:
    case KW_SQL_CACHE:
    case KW_SQL_NO_CACHE: {
        struct token next = p_peek(p);
        return next.type != ',' && next.type != '.' && next.type != ';' && next.type != TOK_END &&
               p_peek_kw(p) != KW_FROM;
    }
    default:
        return false;
    }
}

static void select_options(struct parser *p, struct select *s)
{
    uint32_t off = p->tok.off;
    s->options.off = off;
    while (at_select_option(p)) {
        s->distinct |= p->kw == KW_DISTINCT || p->kw == KW_DISTINCTROW || p->kw == KW_UNIQUE;
        p_advance(p);
        s->options = p_since(p, off);
    }
}

static struct expr *select_star(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_STAR);
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

/* A bare * is the first item or none: the servers take `*, a` and `a, t.*`, and `a, *` for a mistake. */
struct select_item *p_select_items(struct parser *p)
{
    struct select_item *first = NULL, **tail = &first;
    do {
        struct select_item *item = *tail = p_new(p, struct select_item);
        uint32_t off = p->tok.off;
        item->expr = item == first && p_at(p, '*') ? select_star(p) : p_expr(p);
        tail = &item->next;
        bool star = item->expr->kind == EXPR_STAR; /* has no alias */
        if (!star && (p_accept_kw(p, KW_AS) || p_at(p, TOK_STRING) || p_at_alias(p)))
            p_name_or_string(p, &item->alias);
        item->range = p_since(p, off);
    } while (p_accept(p, ','));
    return first;
}

/* INTO @a, @b | OUTFILE 'f' [options] | DUMPFILE 'f': up to the next clause. */
static void into_clause(struct parser *p)
{
    uint32_t off = p->tok.off;
    p_advance(p);
    if (p_at_kw(p, KW_OUTFILE) || p_at_kw(p, KW_DUMPFILE)) {
        p_advance(p);
        p_expect(p, TOK_STRING, "expected a file name");
        while (p_at_kw(p, KW_CHARACTER) || p_at_kw(p, KW_CHARSET) || p_at_kw(p, KW_FIELDS) ||
               p_at_kw(p, KW_COLUMNS) || p_at_kw(p, KW_LINES) || p_at_kw(p, KW_SET) ||
               p_at_kw(p, KW_TERMINATED) || p_at_kw(p, KW_BY) || p_at_kw(p, KW_ENCLOSED) ||
               p_at_kw(p, KW_ESCAPED) || p_at_kw(p, KW_OPTIONALLY) || p_at_kw(p, KW_STARTING) ||
               p_at_kw(p, KW_BINARY) || (p_at(p, TOK_WORD) && p->kw == KW_NONE) || p_at(p, TOK_STRING) ||
               p_at(p, TOK_HEX) || p_at(p, TOK_BIT))
            p_advance(p);
    } else {
        do
            if (p_at(p, TOK_USER_VAR) || p_at_name(p))
                p_advance(p);
            else
                p_fail(p, PARSE_SYNTAX, "expected a variable behind INTO");
        while (p_accept(p, ','));
    }
    p->into = p_since(p, off);
}

static void group_by(struct parser *p, struct select *s)
{
    p_expect_kw(p, KW_BY, "expected BY");
    if (p_at_kw(p, KW_ROLLUP) && p_peek_paren(p)) { /* MySQL 8.0: GROUP BY ROLLUP (a, b) */
        p_advance(p);
        p_advance(p);
        s->rollup = true;
        s->group = p_order_list(p);
        p_expect(p, ')', "expected )");
        return;
    }
    s->group = p_order_list(p);
    if (p_at_kw(p, KW_WITH) && (p_peek_kw(p) == KW_ROLLUP || p_peek_kw(p) == KW_CUBE)) {
        p_advance(p);
        p_advance(p);
        s->rollup = true;
    }
}

static void window_clause(struct parser *p, struct select *s)
{
    struct named_window **tail = &s->windows;
    do {
        struct named_window *w = *tail = p_new(p, struct named_window);
        tail = &w->next;
        p_name(p, &w->name);
        p_expect_kw(p, KW_AS, "expected AS");
        struct expr_tail t = {NULL, &w->exprs};
        p_window_spec(p, &t);
    } while (p_accept(p, ','));
}

static struct select *select_body(struct parser *p)
{
    struct select *s = p_new(p, struct select);
    uint32_t start = p->tok.off;
    p_advance(p);
    select_options(p, s);
    uint32_t off = p->tok.off;
    s->items = p_select_items(p);
    s->items_range = p_since(p, off);
    if (p_at_kw(p, KW_INTO))
        into_clause(p);
    if (p_accept_kw(p, KW_FROM)) {
        off = p->tok.off;
        s->from = p_table_refs(p);
        s->from_range = p_since(p, off);
    }
    if (p_accept_kw(p, KW_WHERE))
        s->where = p_expr(p);
    if (p_accept_kw(p, KW_GROUP))
        group_by(p, s);
    if (p_accept_kw(p, KW_HAVING))
        s->having = p_expr(p);
    if (p_accept_kw(p, KW_WINDOW))
        window_clause(p, s);
    if (p_at_kw(p, KW_QUALIFY) && !p_at_name(p)) {
        p_advance(p);
        s->qualify = p_expr(p);
    }
    s->range = p_since(p, start);
    return s;
}

/* VALUES (…), (…) | VALUES ROW(…), ROW(…) */
static struct expr *value_rows(struct parser *p)
{
    struct expr *first = NULL;
    struct expr_tail t = {NULL, &first};
    p_advance(p);
    do {
        struct expr *row = p_expr_new(p, EXPR_ROW);
        struct expr_tail values = {row, &row->args};
        p_accept_kw(p, KW_ROW);
        p_expect(p, '(', "expected ( of a row");
        while (!p_at(p, ')') && !p_at(p, TOK_END)) {
            p_operand(p, &values, p_expr_or_default(p));
            if (!p_accept(p, ','))
                break;
        }
        p_expect(p, ')', "expected ) of a row");
        p_expr_done(p, row);
        p_operand(p, &t, row);
    } while (p_accept(p, ','));
    return first;
}

/* TABLE t, which is SELECT * FROM t. */
static void table_body(struct parser *p, struct query_body *b)
{
    struct select *select = p_new(p, struct select);
    struct select_item *item = p_new(p, struct select_item);
    struct table_ref *from = p_new(p, struct table_ref);
    uint32_t off = p->tok.off;
    item->expr = p_expr_new(p, EXPR_STAR);
    p_advance(p);
    p_expr_done(p, item->expr);
    p_table_name(p, &b->table);
    from->kind = TABLE_NAMED;
    from->name = b->table;
    from->range = b->table.range;
    item->range = item->expr->range;
    *select = (struct select){.range = p_since(p, off),
                              .items = item,
                              .items_range = item->range,
                              .from = from,
                              .from_range = from->range};
    b->select = select;
}

/* What a set operator joins. */
static struct query_body *operand(struct parser *p)
{
    struct query_body *b = p_new(p, struct query_body);
    uint32_t off = p->tok.off;
    switch (p->kw) {
    case KW_SELECT:
        b->kind = BODY_SELECT;
        b->select = select_body(p);
        break;
    case KW_VALUES:
        b->kind = BODY_VALUES;
        b->rows = value_rows(p);
        break;
    case KW_TABLE:
        b->kind = BODY_TABLE;
        table_body(p, b);
        break;
    default:
        b->kind = BODY_PAREN;
        b->query = p_query_in_parens(p, &b->range);
        break;
    }
    b->range = p_since(p, off);
    return b;
}

static struct query_body *set_operation(struct parser *p, struct query_body *left, bool intersections_only)
{
    int operands = 0;
    while (at_set_operator(p) && (!intersections_only || p_at_kw(p, KW_INTERSECT))) {
        bool intersect = p_at_kw(p, KW_INTERSECT);
        struct query_body *b = p_new(p, struct query_body);
        if (++operands > PARSE_MAX_SETOPS)
            p_fail(p, PARSE_TOO_DEEP, "too many set operations");
        p_advance(p);
        if (!p_accept_kw(p, KW_ALL))
            p_accept_kw(p, KW_DISTINCT);
        b->kind = BODY_SETOP;
        b->left = left;
        b->right = operand(p);
        if (!intersect)
            b->right = set_operation(p, b->right, true);
        b->range = p_since(p, left->range.off);
        left = b;
    }
    return left;
}

struct expr *p_limit(struct parser *p)
{
    struct expr *first = NULL;
    struct expr_tail t = {NULL, &first};
    while (p_at_kw(p, KW_LIMIT) || p_at_kw(p, KW_OFFSET) || p_at_kw(p, KW_FETCH)) {
        if (p_accept_kw(p, KW_FETCH)) {
            p_advance(p); /* FIRST or NEXT */
            if (!p_at_kw(p, KW_ROWS) && !p_at_kw(p, KW_ROW))
                p_operand(p, &t, p_bit_expr(p));
        } else {
            p_advance(p);
            if (!p_at_kw(p, KW_ROWS))
                p_operand(p, &t, p_bit_expr(p));
            if (p_accept(p, ','))
                p_operand(p, &t, p_bit_expr(p));
        }
        if (p_at_kw(p, KW_ROWS) || p_at_kw(p, KW_ROW)) { /* ROWS EXAMINED n, ROWS ONLY, ROWS WITH TIES */
            p_advance(p);
            if (p_accept_kw(p, KW_EXAMINED))
                p_operand(p, &t, p_bit_expr(p));
            else if (p_accept_kw(p, KW_WITH))
                p_expect_kw(p, KW_TIES, "expected TIES");
            else
                p_accept_kw(p, KW_ONLY);
        }
    }
    return first;
}

/* FOR UPDATE | FOR SHARE [OF a, b] [NOWAIT | SKIP LOCKED | WAIT n], LOCK IN SHARE MODE */
static struct name_list **lock_clause(struct parser *p, struct query *q, struct name_list **tail)
{
    enum select_lock lock = LOCK_SHARE;
    if (p_accept_kw(p, KW_LOCK)) {
        p_expect_kw(p, KW_IN, "expected IN SHARE MODE");
        p_expect_kw(p, KW_SHARE, "expected SHARE MODE");
        p_expect_kw(p, KW_MODE, "expected MODE");
    } else {
        p_advance(p);
        if (p_accept_kw(p, KW_UPDATE))
            lock = LOCK_UPDATE;
        else
            p_expect_kw(p, KW_SHARE, "expected UPDATE or SHARE");
    }
    if (lock > q->lock)
        q->lock = lock;
    if (p_accept_kw(p, KW_OF)) {
        do {
            *tail = p_new(p, struct name_list);
            p_name(p, &(*tail)->name);
            if (p_accept(p, '.')) /* MySQL's db.table */
                p_name(p, &(*tail)->name);
            tail = &(*tail)->next;
        } while (p_accept(p, ','));
    }
    if (p_accept_kw(p, KW_SKIP))
        p_expect_kw(p, KW_LOCKED, "expected LOCKED");
    else if (p_accept_kw(p, KW_WAIT))
        p_advance(p);
    else
        p_accept_kw(p, KW_NOWAIT);
    return tail;
}

static void query_tail(struct parser *p, struct query *q)
{
    struct name_list **locked = &q->lock_of;
    if (p_accept_kw(p, KW_ORDER)) {
        p_expect_kw(p, KW_BY, "expected BY");
        q->order = p_order_list(p);
    }
    if (p_at_query_tail(p))
        q->limit = p_limit(p);
    if (p_at_kw(p, KW_PROCEDURE)) { /* PROCEDURE ANALYSE(…) */
        p_advance(p);
        p_advance(p);
        p_skip_parens(p);
    }
    while (p_at_kw(p, KW_INTO) || at_lock(p)) {
        if (p_at_kw(p, KW_INTO))
            into_clause(p);
        else
            locked = lock_clause(p, q, locked);
    }
}

struct with *p_with(struct parser *p)
{
    struct with *w = p_new(p, struct with);
    struct cte **tail = &w->ctes;
    uint32_t off = p->tok.off;
    p_advance(p);
    w->recursive = p_accept_kw(p, KW_RECURSIVE);
    do {
        struct cte *c = *tail = p_new(p, struct cte);
        struct range parens;
        tail = &c->next;
        p_name(p, &c->name);
        if (p_at(p, '('))
            c->columns = p_name_list(p);
        p_expect_kw(p, KW_AS, "expected AS of the common table expression");
        c->query = p_query_in_parens(p, &parens);
        if (p_accept_kw(p, KW_CYCLE)) {
            do
                p_advance(p);
            while (p_accept(p, ','));
            p_accept_kw(p, KW_RESTRICT);
        }
    } while (p_accept(p, ','));
    w->range = p_since(p, off);
    return w;
}

/* A query whose WITH, or whose first operand, is parsed already. */
static struct query *finish_query(struct parser *p, struct with *with, struct query_body *first, uint32_t off)
{
    struct query *q = p_new(p, struct query);
    struct range outer_into = p->into;
    bool outer_on_duplicate = p->on_duplicate;
    p->into = (struct range){0, 0};
    p->on_duplicate = false;
    q->with = with;
    if (p_enter(p)) {
        q->body = set_operation(p, first ? first : operand(p), false);
        query_tail(p, q);
    }
    p_leave(p);
    if (!q->body)
        q->body = p_new(p, struct query_body);
    q->into = p->into;
    q->range = p_since(p, off);
    p->into = outer_into;
    p->on_duplicate = outer_on_duplicate;
    return q;
}

struct query *p_query_with(struct parser *p, struct with *with, uint32_t off)
{
    return finish_query(p, with, NULL, off);
}

struct query *p_query(struct parser *p)
{
    uint32_t off = p->tok.off;
    struct with *with = p_at_kw(p, KW_WITH) ? p_with(p) : NULL;
    return finish_query(p, with, NULL, off);
}

struct query *p_query_after_paren(struct parser *p, struct query *inner, struct range parens)
{
    struct query_body *b = p_new(p, struct query_body);
    b->kind = BODY_PAREN;
    b->query = inner;
    b->range = parens;
    return finish_query(p, NULL, b, parens.off);
}

struct query *p_query_in_parens(struct parser *p, struct range *range)
{
    uint32_t off = p->tok.off;
    bool outer_on_duplicate = p->on_duplicate;
    p->on_duplicate = false;
    p_expect(p, '(', "expected a query in parentheses");
    struct query *q = NULL;
    if (p_enter(p)) {
        if (p_at_query(p) || p_at(p, '('))
            q = p_query(p);
        else
            p_fail(p, PARSE_SYNTAX, "expected a query");
    }
    p_leave(p);
    p->on_duplicate = outer_on_duplicate;
    p_expect(p, ')', "expected ) behind the query");
    *range = p_since(p, off);
    if (q)
        return q;
    q = p_new(p, struct query);
    q->body = p_new(p, struct query_body);
    return q;
}
