/* Expressions: precedence climbing over one table of infix operators, predicates among them.
 *
 *     p_expr ── infix(lowest) ── unary ── postfix (COLLATE, ->) ── primary ── literals, names, parentheses
 *                                                                     └─ parser_call.c: functions, CASE …
 *
 * Levels are those of the servers' grammars; where the two differ, what both accept means the same here. */
#include "proxy/sql/parse.h"

enum level {
    LEVEL_NONE,
    LEVEL_OR,
    LEVEL_XOR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,   /* = <=> < > <= >= <> IS */
    LEVEL_PREDICATE, /* [NOT] IN, LIKE, BETWEEN, REGEXP, SOUNDS LIKE, MEMBER OF */
    LEVEL_BIT_OR,
    LEVEL_BIT_AND,
    LEVEL_SHIFT,
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVEL_BIT_XOR,
    LEVEL_CONCAT, /* || under PIPES_AS_CONCAT */
    LEVEL_UNARY,
};

struct infix {
    uint8_t level, op;
};

static struct expr *climb(struct parser *p, struct expr *left, enum level lowest);
static struct expr *unary(struct parser *p);
static struct expr *literal(struct parser *p);

struct expr *p_expr_new(struct parser *p, enum expr_kind kind)
{
    struct expr *e = p_alloc(p, kind == EXPR_LITERAL ? offsetof(struct expr, db) : sizeof(struct expr));
    e->kind = kind;
    e->range.off = p->tok.off;
    e->height = 1;
    return e;
}

void p_expr_done(struct parser *p, struct expr *e)
{
    e->range = p_since(p, e->range.off);
    if (e->height > p->peak)
        p->peak = e->height;
}

void p_operand(struct parser *p, struct expr_tail *t, struct expr *e)
{
    *t->at = e;
    t->at = &e->next;
    if (!t->owner)
        return;
    t->owner->has_query |= e->has_query;
    if (t->owner->height <= e->height)
        t->owner->height = (uint16_t)(e->height + 1);
    if (t->owner->height > PARSE_MAX_HEIGHT)
        p_fail(p, PARSE_TOO_DEEP, "nested too deeply");
}

/* A node that begins where its first operand does. */
static struct expr *op_over(struct parser *p, enum expr_op op, struct expr *left, struct expr_tail *t)
{
    struct expr *e = p_expr_new(p, EXPR_OP);
    e->op = op;
    e->range.off = left->range.off;
    *t = (struct expr_tail){e, &e->args};
    p_operand(p, t, left);
    return e;
}

static struct infix symbol_infix(const struct parser *p)
{
    switch (p->tok.type) {
    case '=':
        return (struct infix){LEVEL_COMPARE, OP_EQ};
    case TOK_EQUAL:
        return (struct infix){LEVEL_COMPARE, OP_NULLSAFE_EQ};
    case TOK_NE:
        return (struct infix){LEVEL_COMPARE, OP_NE};
    case '<':
        return (struct infix){LEVEL_COMPARE, OP_LT};
    case TOK_LE:
        return (struct infix){LEVEL_COMPARE, OP_LE};
    case '>':
        return (struct infix){LEVEL_COMPARE, OP_GT};
    case TOK_GE:
        return (struct infix){LEVEL_COMPARE, OP_GE};
    case '+':
        return (struct infix){LEVEL_ADD, OP_PLUS};
    case '-':
        return (struct infix){LEVEL_ADD, OP_MINUS};
    case '*':
        return (struct infix){LEVEL_MULTIPLY, OP_MUL};
    case '/':
        return (struct infix){LEVEL_MULTIPLY, OP_DIV};
    case '%':
        return (struct infix){LEVEL_MULTIPLY, OP_OTHER};
    case '|':
        return (struct infix){LEVEL_BIT_OR, OP_OTHER};
    case '&':
        return (struct infix){LEVEL_BIT_AND, OP_OTHER};
    case '^':
        return (struct infix){LEVEL_BIT_XOR, OP_OTHER};
    case TOK_SHL:
    case TOK_SHR:
        return (struct infix){LEVEL_SHIFT, OP_OTHER};
    case TOK_AND_AND:
        return (struct infix){LEVEL_AND, OP_AND};
    case TOK_OR_OR:
        return (struct infix){p->dialect->modes & SQL_PIPES_AS_CONCAT ? LEVEL_CONCAT : LEVEL_OR, OP_PIPES};
    default:
        return (struct infix){LEVEL_NONE, OP_OTHER};
    }
}

static struct infix word_infix(enum keyword kw)
{
    switch (kw) {
    case KW_OR:
        return (struct infix){LEVEL_OR, OP_OR};
    case KW_XOR:
        return (struct infix){LEVEL_XOR, OP_XOR};
    case KW_AND:
        return (struct infix){LEVEL_AND, OP_AND};
    case KW_IS:
        return (struct infix){LEVEL_COMPARE, OP_IS};
    case KW_IN:
        return (struct infix){LEVEL_PREDICATE, OP_IN};
    case KW_LIKE:
    case KW_SOUNDS:
        return (struct infix){LEVEL_PREDICATE, OP_LIKE};
    case KW_REGEXP:
    case KW_RLIKE:
        return (struct infix){LEVEL_PREDICATE, OP_REGEXP};
    case KW_BETWEEN:
        return (struct infix){LEVEL_PREDICATE, OP_BETWEEN};
    case KW_MEMBER:
        return (struct infix){LEVEL_PREDICATE, OP_OTHER};
    case KW_DIV:
    case KW_MOD:
        return (struct infix){LEVEL_MULTIPLY, OP_OTHER};
    default:
        return (struct infix){LEVEL_NONE, OP_OTHER};
    }
}

/* The operator at the current token; LEVEL_NONE where there is none. */
static struct infix infix_here(const struct parser *p)
{
    enum keyword next;
    switch (p->kw) {
    case KW_NONE:
        return symbol_infix(p);
    case KW_NOT:
        next = p_peek_kw(p);
        if (next == KW_IN || next == KW_LIKE || next == KW_BETWEEN || next == KW_REGEXP || next == KW_RLIKE)
            return word_infix(next);
        return (struct infix){LEVEL_NONE, OP_OTHER};
    case KW_SOUNDS:
        if (p_peek_kw(p) != KW_LIKE)
            return (struct infix){LEVEL_NONE, OP_OTHER};
        break;
    case KW_MEMBER:
        next = p_peek_kw(p);
        if (next != KW_OF && !p_peek_paren(p))
            return (struct infix){LEVEL_NONE, OP_OTHER};
        break;
    default:
        break;
    }
    return word_infix(p->kw);
}

/* Operators whose chains become one node. */
static bool chains(struct infix in)
{
    switch (in.op) {
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_PIPES:
    case OP_PLUS:
    case OP_MINUS:
    case OP_MUL:
    case OP_DIV:
        return true;
    default:
        return false;
    }
}

/* [ANY | ALL | SOME] in front of a subquery, behind a comparison. */
static bool at_quantifier(const struct parser *p)
{
    return (p->kw == KW_ANY || p->kw == KW_ALL || p->kw == KW_SOME) && p_peek_paren(p);
}

static void subquery_into(struct parser *p, struct expr *e)
{
    struct range parens;
    e->query = p_query_in_parens(p, &parens);
    e->has_query = true;
    if (e->height <= p->peak)
        e->height = (uint16_t)(p->peak + 1);
    if (e->height > PARSE_MAX_HEIGHT)
        p_fail(p, PARSE_TOO_DEEP, "nested too deeply");
}

/* IN ( list ) | IN ( query ). */
static void in_operand(struct parser *p, struct expr *e, struct expr_tail *t)
{
    if (!p_at(p, '(')) { /* MariaDB has a bare name here in procedures only; MySQL none */
        p_fail(p, PARSE_SYNTAX, "expected ( behind IN");
        return;
    }
    struct expr *list = p_primary(p);
    if (list->kind == EXPR_SUBQUERY) {
        e->query = list->query;
        e->has_query = true;
        if (e->height < list->height)
            e->height = list->height;
        return;
    }
    struct expr *item = list->args;
    while (item) {
        struct expr *next = item->next;
        item->next = NULL;
        p_operand(p, t, item);
        item = next;
    }
}

static void is_operand(struct parser *p, struct expr *e)
{
    e->negated = p_accept_kw(p, KW_NOT);
    if (p_at_kw(p, KW_NULL) || p_at_kw(p, KW_TRUE) || p_at_kw(p, KW_FALSE) || p_at_kw(p, KW_UNKNOWN) ||
        p_at(p, TOK_NULL))
        p_advance(p);
    else
        p_fail(p, PARSE_SYNTAX, "expected NULL, TRUE, FALSE or UNKNOWN behind IS");
}

/* The predicate whose operator is at the current token. */
static struct expr *predicate(struct parser *p, struct expr *left, enum expr_op op)
{
    struct expr_tail t;
    struct expr *e = op_over(p, op, left, &t);
    e->negated = p_accept_kw(p, KW_NOT);
    bool member = p_at_kw(p, KW_MEMBER);
    if (p_at_kw(p, KW_SOUNDS))
        p_advance(p);
    p_advance(p);
    if (member)
        p_accept_kw(p, KW_OF);
    if (op == OP_IN) {
        in_operand(p, e, &t);
        return e;
    }
    p_operand(p, &t, p_bit_expr(p));
    if (op == OP_BETWEEN) {
        p_expect_kw(p, KW_AND, "expected AND of BETWEEN");
        if (p_enter(p)) /* "BETWEEN a AND b BETWEEN …" goes on within the last operand */
            p_operand(p, &t, climb(p, unary(p), LEVEL_PREDICATE));
        p_leave(p);
    } else if (op == OP_LIKE && p_accept_kw(p, KW_ESCAPE)) {
        p_operand(p, &t, p_bit_expr(p));
    }
    return e;
}

static struct expr *comparison(struct parser *p, struct expr *left, enum expr_op op)
{
    struct expr_tail t;
    struct expr *e = op_over(p, op, left, &t);
    p_advance(p);
    if (op == OP_IS) {
        is_operand(p, e);
    } else if (at_quantifier(p)) {
        e->op = OP_QUANTIFIED;
        p_advance(p);
        subquery_into(p, e);
    } else {
        p_operand(p, &t, climb(p, unary(p), LEVEL_PREDICATE));
    }
    return e;
}

static struct expr *climb(struct parser *p, struct expr *left, enum level lowest)
{
    struct expr *chain = NULL; /* the last node that was built here, while it may take another operand */
    struct expr_tail t = {NULL, NULL};
    struct infix in;
    while ((in = infix_here(p)).level >= lowest && in.level != LEVEL_NONE) {
        if (in.level == LEVEL_COMPARE) {
            left = comparison(p, left, (enum expr_op)in.op);
        } else if (in.level == LEVEL_PREDICATE) {
            left = predicate(p, left, (enum expr_op)in.op);
        } else {
            if (left != chain || chain->op != (enum expr_op)in.op || !chains(in))
                chain = left = op_over(p, (enum expr_op)in.op, left, &t);
            p_advance(p);
            p_operand(p, &t, climb(p, unary(p), (enum level)(in.level + 1)));
        }
        p_expr_done(p, left);
    }
    return left;
}

static struct expr *prefix(struct parser *p, enum expr_op op, enum level operand)
{
    struct expr *e = p_expr_new(p, EXPR_OP);
    struct expr_tail t = {e, &e->args};
    e->op = op;
    p_advance(p);
    if (p_enter(p)) {
        struct expr *first = unary(p);
        p_operand(p, &t, operand == LEVEL_UNARY ? first : climb(p, first, operand));
    }
    p_leave(p);
    p_expr_done(p, e);
    return e;
}

/* COLLATE name, -> path, ->> path, behind a primary. */
static struct expr *postfix(struct parser *p, struct expr *e)
{
    struct expr_tail t;
    for (;;) {
        if (p_at_kw(p, KW_COLLATE)) {
            e = op_over(p, OP_COLLATE, e, &t);
            p_advance(p);
            struct name collation = {0};
            if (!p_accept_kw(p, KW_BINARY) && !p_accept_kw(p, KW_DEFAULT))
                p_name_or_string(p, &collation);
        } else if (p_at(p, TOK_ARROW) || p_at(p, TOK_ARROW2)) {
            e = op_over(p, p_at(p, TOK_ARROW) ? OP_JSON : OP_JSON_TEXT, e, &t);
            p_advance(p);
            p_operand(p, &t, p_primary(p));
        } else {
            return e;
        }
        p_expr_done(p, e);
    }
}

static struct expr *unary(struct parser *p)
{
    switch (p->tok.type) {
    case '-':
        return prefix(p, OP_NEGATE, LEVEL_UNARY);
    case '+':
        return prefix(p, OP_POSITIVE, LEVEL_UNARY);
    case '~':
        return prefix(p, OP_OTHER, LEVEL_UNARY);
    case '!':
        return prefix(p, OP_NOT, LEVEL_UNARY);
    default:
        break;
    }
    if (p->kw == KW_NOT)
        return prefix(p, OP_NOT, p->dialect->modes & SQL_HIGH_NOT_PRECEDENCE ? LEVEL_UNARY : LEVEL_COMPARE);
    if (p->kw == KW_BINARY)
        return prefix(p, OP_COLLATE, LEVEL_UNARY);
    return postfix(p, p_primary(p));
}

/* Whether the current token is a literal that is all of an expression: a comma or a parenthesis follows. */
static bool at_lone_literal(const struct parser *p)
{
    if (p->tok.type < TOK_STRING || p->tok.type > TOK_FLOAT)
        return false;
    const char *next = p->lx.text + p->lx.pos, *end = p->lx.text + p->lx.len;
    while (next < end && *next == ' ')
        next++;
    return next < end && (*next == ',' || *next == ')');
}

struct expr *p_expr(struct parser *p)
{
    if (at_lone_literal(p))
        return literal(p);
    if (!p_enter(p)) {
        p_leave(p);
        return p_expr_new(p, EXPR_LITERAL);
    }
    struct expr *e = climb(p, unary(p), LEVEL_OR);
    p_leave(p);
    return e;
}

struct expr *p_expr_from(struct parser *p, struct expr *first)
{
    return climb(p, postfix(p, first), LEVEL_OR);
}

struct expr *p_bit_expr(struct parser *p)
{
    return climb(p, unary(p), LEVEL_BIT_OR);
}

/* ( … ): a subquery, a parenthesised expression or a row. Whether "((SELECT 1) …" goes on as a query or as an
 * expression is known only behind the inner parenthesis, so the inner one is parsed first and taken over. */
static struct expr *parenthesised(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_PAREN);
    struct expr_tail t = {e, &e->args};
    struct expr *first;
    p_advance(p);
    if (p_at_query(p)) {
        struct query *q = p_query(p);
        p_expect(p, ')', "expected ) behind the subquery");
        e->kind = EXPR_SUBQUERY;
        e->query = q;
        return e;
    }
    if (!p_at(p, '(')) {
        first = p_expr(p);
    } else {
        first = p_primary(p);
        if (first->kind == EXPR_SUBQUERY && (p_at_query_tail(p) || p_at(p, ')'))) {
            e->kind = EXPR_SUBQUERY;
            e->query = p_query_after_paren(p, first->query, first->range);
            p_expect(p, ')', "expected ) behind the subquery");
            return e;
        }
        first = p_expr_from(p, first);
    }
    p_operand(p, &t, first);
    while (p_accept(p, ',')) {
        e->kind = EXPR_ROW;
        p_operand(p, &t, p_expr(p));
    }
    p_expect(p, ')', "expected )");
    return e;
}

static struct expr *parenthesised_bounded(struct parser *p)
{
    struct expr *e;
    unsigned outer_peak = p->peak;
    p->peak = 0;
    if (p_enter(p))
        e = parenthesised(p);
    else
        e = p_expr_new(p, EXPR_PAREN);
    p_leave(p);
    if (e->kind == EXPR_SUBQUERY) {
        e->has_query = true;
        e->height = (uint16_t)(p->peak + 1);
        if (e->height > PARSE_MAX_HEIGHT)
            p_fail(p, PARSE_TOO_DEEP, "nested too deeply");
    }
    if (p->peak < outer_peak)
        p->peak = outer_peak;
    p_expr_done(p, e);
    return e;
}

static bool at_string(const struct parser *p)
{
    return p_at(p, TOK_STRING) || p_at(p, TOK_NATIONAL);
}

/* A literal of one token, and for strings all the adjacent ones. */
static struct expr *literal(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_LITERAL);
    bool string = at_string(p);
    e->null_literal = p_at(p, TOK_NULL) || p_at_kw(p, KW_NULL);
    do
        p_advance(p);
    while (string && p_at(p, TOK_STRING));
    p_expr_done(p, e);
    return e;
}

static struct expr *user_variable(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_USER_VAR);
    e->name.range = (struct range){p->tok.off, p->tok.len};
    e->name.text = (struct span){p->lx.text + p->tok.off + 1, p->tok.len - 1};
    if (e->name.text.len >= 2 && !lex_is(*e->name.text.ptr, CLASS_IDENT) && *e->name.text.ptr != '.') {
        e->name.quoted = true;
        e->name.text.ptr++;
        e->name.text.len -= 2;
    }
    p_advance(p);
    p_expr_done(p, e);
    if (!p_at(p, TOK_ASSIGN))
        return e;
    struct expr_tail t;
    struct expr *assign = op_over(p, OP_OTHER, e, &t);
    assign->kind = EXPR_ASSIGN;
    p_advance(p);
    p_operand(p, &t, p_expr(p));
    p_expr_done(p, assign);
    return assign;
}

/* @@[scope.][structure.]name: the last part in name, those before in table and db. */
static struct expr *system_variable(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_SYS_VAR);
    p_advance(p);
    p_any_name(p, &e->name);
    while (p_accept(p, '.')) {
        e->db = e->table;
        e->table = e->name;
        e->name = (struct name){0};
        if (p_at(p, TOK_STRING)) /* @@global.'connection'.variable */
            p_name_or_string(p, &e->name);
        else
            p_any_name(p, &e->name);
    }
    p_expr_done(p, e);
    return e;
}

/* { d '2001-01-01' }, { fn f() }: what stands between the braces, as the one operand. */
static struct expr *odbc_escape(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_OP);
    struct expr_tail t = {e, &e->args};
    p_advance(p);
    p_any_name(p, &e->name);
    p_operand(p, &t, p_expr(p));
    p_expect(p, '}', "expected }");
    p_expr_done(p, e);
    return e;
}

/* [[db.]table.]column, [[db.]table.]*, or a function's name with its call. */
static struct expr *named(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_COLUMN);
    if (!p_at(p, '.'))
        p_name(p, &e->name);
    for (int parts = 1; p_accept(p, '.'); parts++) {
        if (parts == 3) {
            p_fail(p, PARSE_SYNTAX, "too many parts in a name");
            break;
        }
        e->db = e->table;
        e->table = e->name;
        e->name = (struct name){0};
        if (p_at(p, '*')) {
            e->kind = EXPR_STAR;
            p_advance(p);
            break;
        }
        p_any_name(p, &e->name);
    }
    p_expr_done(p, e);
    if (e->kind == EXPR_COLUMN && p_at(p, '('))
        return p_call(p, e);
    return e;
}

struct expr *p_column(struct parser *p)
{
    struct expr *e = named(p);
    if (e->kind != EXPR_COLUMN)
        p_fail(p, PARSE_SYNTAX, "expected a column");
    return e;
}

/* _charset in front of a literal. */
static bool at_introducer(const struct parser *p)
{
    struct span word = p_text(p);
    if (p->tok.type != TOK_WORD || *word.ptr != '_')
        return false;
    unsigned next = p_peek(p).type;
    return (next == TOK_STRING || next == TOK_HEX || next == TOK_BIT) &&
           sql_charset_known((struct span){word.ptr + 1, word.len - 1});
}

/* :name and :1 of Oracle mode are markers as ? is. */
static struct expr *oracle_marker(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_PARAM);
    e->param = p->params++;
    p_advance(p);
    if (!(p->dialect->modes & SQL_ORACLE) || (p->tok.type != TOK_WORD && p->tok.type != TOK_INT))
        p_fail(p, PARSE_SYNTAX, "expected an expression");
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

struct expr *p_primary(struct parser *p)
{
    struct expr *e;
    switch (p->tok.type) {
    case '(':
        return parenthesised_bounded(p);
    case TOK_STRING:
    case TOK_NATIONAL:
    case TOK_HEX:
    case TOK_BIT:
    case TOK_INT:
    case TOK_DECIMAL:
    case TOK_FLOAT:
    case TOK_NULL:
        return literal(p);
    case '?':
        e = p_expr_new(p, EXPR_PARAM);
        e->param = p->params;
        p_advance(p);
        p_expr_done(p, e);
        return e;
    case ':':
        return oracle_marker(p);
    case TOK_USER_VAR:
        return user_variable(p);
    case TOK_AT_AT:
        return system_variable(p);
    case '{':
        return odbc_escape(p);
    case TOK_QUOTED:
    case '.':
        return named(p);
    case TOK_WORD:
        break;
    default:
        p_fail(p, PARSE_SYNTAX, "expected an expression");
        return p_expr_new(p, EXPR_LITERAL);
    }
    if (p->kw != KW_NONE) {
        if (p->kw == KW_NULL || p->kw == KW_TRUE || p->kw == KW_FALSE)
            return literal(p);
        e = p_keyword_primary(p);
        if (e)
            return e;
    } else if (at_introducer(p)) {
        e = p_expr_new(p, EXPR_LITERAL);
        p_advance(p);
        e->range.len = literal(p)->range.len;
        p_expr_done(p, e);
        return e;
    }
    return named(p);
}

struct expr *p_expr_or_default(struct parser *p)
{
    bool ignore = p_at_kw(p, KW_IGNORE);
    if (!ignore && (!p_at_kw(p, KW_DEFAULT) || p_peek_paren(p)))
        return p_expr(p);
    struct expr *e = p_expr_new(p, EXPR_DEFAULT);
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

struct assignment *p_assignments(struct parser *p, struct range *range)
{
    struct assignment *first = NULL, **tail = &first;
    uint32_t off = p->tok.off;
    do {
        struct assignment *a = *tail = p_new(p, struct assignment);
        tail = &a->next;
        uint32_t start = p->tok.off;
        a->column = p_column(p);
        if (!p_accept(p, '='))
            p_expect(p, TOK_ASSIGN, "expected =");
        a->value = p_expr_or_default(p);
        a->range = p_since(p, start);
    } while (p_accept(p, ','));
    *range = p_since(p, off);
    return first;
}

struct order_item *p_order_list(struct parser *p)
{
    struct order_item *first = NULL, **tail = &first;
    do {
        *tail = p_new(p, struct order_item);
        (*tail)->expr = p_expr(p);
        tail = &(*tail)->next;
        if (!p_accept_kw(p, KW_ASC))
            p_accept_kw(p, KW_DESC);
    } while (p_accept(p, ','));
    return first;
}

struct expr *p_expr_list(struct parser *p)
{
    struct expr *first = NULL;
    struct expr_tail t = {NULL, &first};
    do
        p_operand(p, &t, p_expr_or_default(p));
    while (p_accept(p, ','));
    return first;
}
