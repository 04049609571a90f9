/* Table references: names with their hints, derived tables, table functions, joins. */
#include "proxy/sql/parse.h"

static struct table_ref *ref_new(struct parser *p, enum table_ref_kind kind)
{
    struct table_ref *r = p_new(p, struct table_ref);
    r->kind = kind;
    r->range.off = p->tok.off;
    return r;
}

/* [AS | =] alias. The sign is MariaDB's own. */
static void alias(struct parser *p, struct table_ref *r)
{
    if (p_accept_kw(p, KW_AS) || p_accept(p, '=') || p_at_alias(p))
        p_name(p, &r->alias);
}

/* FOR SYSTEM_TIME AS OF e | BETWEEN a AND b | FROM a TO b | ALL; FOR PORTION OF period FROM a TO b */
static void period_clause(struct parser *p, struct table_ref *r)
{
    struct expr_tail t = {NULL, &r->exprs};
    p_advance(p);
    if (p_accept_kw(p, KW_PORTION)) {
        struct name period = {0};
        r->portion = true;
        p_expect_kw(p, KW_OF, "expected OF");
        p_name(p, &period);
    } else {
        r->system_time = true;
        p_advance(p);
    }
    if (p_accept_kw(p, KW_ALL))
        return;
    if (p_accept_kw(p, KW_AS))
        p_expect_kw(p, KW_OF, "expected OF");
    else if (!p_accept_kw(p, KW_BETWEEN))
        p_expect_kw(p, KW_FROM, "expected AS OF, BETWEEN, FROM or ALL");
    if ((p_at_kw(p, KW_TIMESTAMP) || p_at_kw(p, KW_TRANSACTION)) && !p_peek_paren(p))
        p_advance(p);
    p_operand(p, &t, p_bit_expr(p));
    if (p_accept_kw(p, KW_AND) || p_accept_kw(p, KW_TO)) {
        if ((p_at_kw(p, KW_TIMESTAMP) || p_at_kw(p, KW_TRANSACTION)) && !p_peek_paren(p))
            p_advance(p);
        p_operand(p, &t, p_bit_expr(p));
    }
}

/* USE | FORCE | IGNORE {INDEX | KEY} [FOR {JOIN | ORDER BY | GROUP BY}] (names) */
static void index_hint(struct parser *p)
{
    p_advance(p);
    if (!p_accept_kw(p, KW_INDEX))
        p_expect_kw(p, KW_KEY, "expected INDEX or KEY");
    if (p_accept_kw(p, KW_FOR) && !p_accept_kw(p, KW_JOIN)) {
        p_advance(p);
        p_expect_kw(p, KW_BY, "expected BY");
    }
    p_skip_parens(p);
}

static bool at_index_hint(const struct parser *p)
{
    if (!p_at_kw(p, KW_USE) && !p_at_kw(p, KW_FORCE) && !p_at_kw(p, KW_IGNORE))
        return false;
    enum keyword next = p_peek_kw(p);
    return next == KW_INDEX || next == KW_KEY;
}

static bool at_period(const struct parser *p)
{
    return p_at_kw(p, KW_FOR) && (p_peek_kw(p) == KW_SYSTEM_TIME || p_peek_kw(p) == KW_PORTION);
}

static struct table_ref *named_table(struct parser *p)
{
    struct table_ref *r = ref_new(p, TABLE_NAMED);
    p_table_name(p, &r->name);
    uint32_t off = p->tok.off;
    r->clauses.off = off;
    bool aliased = false, ended = false;
    while (!ended) {
        if (p_at_kw(p, KW_PARTITION) && p_peek_paren(p)) {
            p_advance(p);
            p_skip_parens(p);
        } else if (at_period(p)) {
            period_clause(p, r);
        } else if (at_index_hint(p)) {
            index_hint(p);
        } else if (p_at_kw(p, KW_TABLESAMPLE) && !p_at_name(p)) { /* TABLESAMPLE SYSTEM (10) */
            p_advance(p);
            p_advance(p);
            p_skip_parens(p);
        } else if (!aliased && (p_at_kw(p, KW_AS) || p_at(p, '=') || p_at_alias(p))) {
            aliased = true;
            alias(p, r);
            if (r->clauses.len == 0)
                r->clauses.off = p->tok.off;
            continue;
        } else {
            ended = true;
            continue;
        }
        r->clauses = p_since(p, r->clauses.off);
    }
    r->range = p_since(p, r->range.off);
    return r;
}

/* JSON_TABLE(e, path COLUMNS (…)) [AS] alias */
static struct table_ref *table_function(struct parser *p)
{
    struct table_ref *r = ref_new(p, TABLE_FUNCTION);
    struct expr_tail t = {NULL, &r->exprs};
    p_name(p, &r->name.table);
    r->name.range = p_since(p, r->range.off);
    p_expect(p, '(', "expected (");
    if (!p_at(p, ')'))
        do {
            p_operand(p, &t, p_expr(p));
            p_skip_type(p);
        } while (p_accept(p, ','));
    p_expect(p, ')', "expected ) of the table function");
    alias(p, r);
    r->range = p_since(p, r->range.off);
    return r;
}

/* [FOR SYSTEM_TIME …] [AS] alias [(columns)] */
static struct table_ref *derived_alias(struct parser *p, struct table_ref *r)
{
    if (at_period(p))
        period_clause(p, r);
    alias(p, r);
    if (name_given(&r->alias) && p_at(p, '('))
        r->columns = p_name_list(p);
    r->range = p_since(p, r->range.off);
    return r;
}

static struct table_ref *join_onto(struct parser *p, struct table_ref *left);
static struct table_ref *refs_from(struct parser *p, struct table_ref *first);

/* ( … ): a derived table, a nested join, or, for an outer parenthesis, a query of which only the first
 * operand was seen: then *query is given and no reference is complete yet. */
static struct table_ref *parens(struct parser *p, struct query **query)
{
    struct table_ref *r = ref_new(p, TABLE_PAREN);
    struct query *q = NULL;
    p_advance(p);
    if (p_at_query(p)) {
        q = p_query(p);
    } else if (p_at(p, '(')) {
        struct table_ref *first = p_enter(p) ? parens(p, &q) : r;
        p_leave(p);
        if (q && (p_at_query_tail(p) || p_at(p, ')'))) {
            q = p_query_after_paren(p, q, first->range);
        } else {
            if (q)
                first = derived_alias(p, first);
            q = NULL;
            r->left = refs_from(p, first);
        }
    } else {
        r->left = p_table_refs(p);
    }
    p_expect(p, ')', "expected )");
    r->range = p_since(p, r->range.off);
    *query = q;
    if (q) {
        r->kind = TABLE_DERIVED;
        r->query = q;
    }
    return r;
}

/* { OJ table references } */
static struct table_ref *odbc_join(struct parser *p)
{
    struct table_ref *r = ref_new(p, TABLE_PAREN);
    p_advance(p);
    p_advance(p);
    if (p_enter(p))
        r->left = p_table_refs(p);
    p_leave(p);
    p_expect(p, '}', "expected }");
    r->range = p_since(p, r->range.off);
    return r;
}

static struct table_ref *factor(struct parser *p)
{
    if (p_at(p, '{'))
        return odbc_join(p);
    if (p_at(p, '(')) {
        struct query *q = NULL;
        struct table_ref *r = p_enter(p) ? parens(p, &q) : ref_new(p, TABLE_PAREN);
        p_leave(p);
        return q ? derived_alias(p, r) : r;
    }
    if (p_at_kw(p, KW_LATERAL) && p_peek_paren(p)) {
        uint32_t off = p->tok.off;
        p_advance(p);
        struct table_ref *r = ref_new(p, TABLE_DERIVED);
        r->lateral = true;
        r->query = p_query_in_parens(p, &r->range);
        r->range.off = off;
        return derived_alias(p, r);
    }
    if (p_at(p, TOK_WORD) && p_peek_paren(p) && p_at_name(p))
        return table_function(p);
    if (p_at_kw(p, KW_DUAL)) { /* reserved, yet the name of a table */
        struct table_ref *r = ref_new(p, TABLE_NAMED);
        p_any_name(p, &r->name.table);
        r->name.range = r->range = p_since(p, r->range.off);
        r->clauses.off = p->tok.off;
        return r;
    }
    return named_table(p);
}

static bool at_join(const struct parser *p)
{
    switch (p->kw) {
    case KW_JOIN:
    case KW_INNER:
    case KW_CROSS:
    case KW_LEFT:
    case KW_RIGHT:
    case KW_NATURAL:
    case KW_STRAIGHT_JOIN:
        return true;
    default:
        return false;
    }
}

/* The words of a join, up to its right side. */
static void join_words(struct parser *p, struct table_ref *j)
{
    j->natural = p_accept_kw(p, KW_NATURAL);
    if (p_accept_kw(p, KW_STRAIGHT_JOIN)) {
        j->join = JOIN_STRAIGHT;
        return;
    }
    if (p_at_kw(p, KW_LEFT) || p_at_kw(p, KW_RIGHT)) {
        j->join = p_at_kw(p, KW_LEFT) ? JOIN_LEFT : JOIN_RIGHT;
        p_advance(p);
        p_accept_kw(p, KW_OUTER);
    } else if (!p_accept_kw(p, KW_INNER)) {
        p_accept_kw(p, KW_CROSS);
    }
    p_expect_kw(p, KW_JOIN, "expected JOIN");
}

/* ON of a join, not the one of ON DUPLICATE KEY UPDATE behind INSERT … SELECT. */
static bool at_on(const struct parser *p)
{
    if (!p_at_kw(p, KW_ON))
        return false;
    if (p_peek_kw(p) != KW_DUPLICATE)
        return true;
    struct lexer lx = p->lx;
    lex_next_significant(&lx);
    struct token next = lex_next_significant(&lx);
    return next.type != TOK_WORD || keyword_of((struct span){lx.text + next.off, next.len}) != KW_KEY;
}

static bool join_condition(struct parser *p, struct table_ref *j)
{
    if (at_on(p)) {
        p_advance(p);
        j->on = p_expr(p);
        return true;
    }
    if (p_at_kw(p, KW_USING) && p_peek_paren(p)) {
        p_advance(p);
        j->using = p_name_list(p);
        return true;
    }
    return false;
}

/* a JOIN (b JOIN c ON …) without a condition of its own was (a JOIN b) JOIN c ON …: put a where the right
 * side's first table stands. */
static struct table_ref *rotate(struct table_ref *j)
{
    struct table_ref *top = j->right, *spine = top;
    uint32_t off = j->range.off;
    while (spine->left->kind == TABLE_JOIN)
        spine = spine->left;
    j->right = spine->left;
    j->range = range_join(j->left->range, j->right->range);
    spine->left = j;
    for (struct table_ref *r = top; r != j; r = r->left) {
        r->range.len += r->range.off - off;
        r->range.off = off;
    }
    return top;
}

static struct table_ref *one_join(struct parser *p, struct table_ref *left)
{
    struct table_ref *j = ref_new(p, TABLE_JOIN);
    j->range.off = left->range.off;
    j->left = left;
    join_words(p, j);
    j->right = factor(p);
    bool nested = false;
    if (!j->natural && !join_condition(p, j) && at_join(p)) {
        /* the joins that follow come first, as far as they have conditions of their own */
        if (p_enter(p))
            j->right = join_onto(p, j->right);
        p_leave(p);
        nested = !join_condition(p, j);
    }
    j->range = p_since(p, j->range.off);
    return nested && p->status == PARSE_OK ? rotate(j) : j;
}

static struct table_ref *join_onto(struct parser *p, struct table_ref *left)
{
    enum { MAX_JOINS = 500 }; /* the tree leans to the left: a walk may recurse */
    for (int joins = 0; at_join(p); joins++) {
        if (joins == MAX_JOINS)
            p_fail(p, PARSE_TOO_DEEP, "too many joins");
        else
            left = one_join(p, left);
    }
    return left;
}

static struct table_ref *refs_from(struct parser *p, struct table_ref *first)
{
    struct table_ref *list = first = join_onto(p, first);
    while (p_accept(p, ',')) {
        first->next = join_onto(p, factor(p));
        first = first->next;
    }
    return list;
}

struct table_ref *p_table_refs(struct parser *p)
{
    return refs_from(p, factor(p));
}
