/* Function calls, with the special syntax that some have between their parentheses, window clauses, and the
 * expressions that begin with a keyword: CASE, EXISTS, INTERVAL, MATCH, DEFAULT(…), VALUES(…) … */
#include "proxy/sql/parse.h"

static void window_of(struct parser *p, struct expr *e)
{
    e->windowed = true;
    struct expr_tail t = {e, &e->window};
    if (p_at(p, '(')) {
        p_window_spec(p, &t);
        return;
    }
    struct name name = {0};
    p_name(p, &name);
}

/* A frame's bound: UNBOUNDED PRECEDING, CURRENT ROW, e FOLLOWING. */
static void frame_bound(struct parser *p, struct expr_tail *t)
{
    if (p_at_kw(p, KW_UNBOUNDED) || p_at_word(p, "CURRENT"))
        p_advance(p);
    else
        p_operand(p, t, p_bit_expr(p));
    p_advance(p);
}

static void frame(struct parser *p, struct expr_tail *t)
{
    p_advance(p);
    if (p_accept_kw(p, KW_BETWEEN)) {
        frame_bound(p, t);
        p_expect_kw(p, KW_AND, "expected AND of the window frame");
    }
    frame_bound(p, t);
    p_skip_type(p); /* EXCLUDE … */
}

static void ordered_operands(struct parser *p, struct expr_tail *t, bool sorts_window)
{
    do {
        struct expr *e = p_expr(p);
        e->sorts_window = sorts_window;
        p_operand(p, t, e);
        if (!p_accept_kw(p, KW_ASC))
            p_accept_kw(p, KW_DESC);
    } while (p_accept(p, ','));
}

void p_window_spec(struct parser *p, struct expr_tail *t)
{
    struct name base = {0};
    p_expect(p, '(', "expected (");
    if (p_at_name(p) && !p_at_kw(p, KW_ROWS) && !p_at_word(p, "GROUPS"))
        p_name(p, &base);
    if (p_accept_kw(p, KW_PARTITION)) {
        p_expect_kw(p, KW_BY, "expected BY");
        ordered_operands(p, t, false);
    }
    if (p_accept_kw(p, KW_ORDER)) {
        p_expect_kw(p, KW_BY, "expected BY");
        ordered_operands(p, t, true);
    }
    if (p_at_kw(p, KW_ROWS) || p_at_kw(p, KW_RANGE) || p_at_word(p, "GROUPS"))
        frame(p, t);
    p_expect(p, ')', "expected ) of the window");
}

/* AS type, USING charset, RETURNING type, {NULL | ERROR | DEFAULT literal} ON {EMPTY | ERROR}, LEVEL n: no
 * columns in any of them. */
static bool at_argument_type(const struct parser *p)
{
    return p_at_kw(p, KW_AS) || p_at_kw(p, KW_USING) || p_at_word(p, "RETURNING") || p_at_kw(p, KW_NULL) ||
           p_at_kw(p, KW_ERROR) || p_at_kw(p, KW_DEFAULT) || p_at_word(p, "LEVEL");
}

/* What may stand behind an argument: AS type, AS alias, USING charset, RETURNING type …, ON EMPTY; and the
 * tails of aggregates: ORDER BY, SEPARATOR, LIMIT. */
static void argument_tail(struct parser *p, struct expr_tail *t)
{
    for (;;) {
        if (p_accept_kw(p, KW_ORDER)) {
            p_expect_kw(p, KW_BY, "expected BY");
            ordered_operands(p, t, false);
        } else if (p_accept_kw(p, KW_SEPARATOR)) {
            p_operand(p, t, p_primary(p));
        } else if (p_accept_kw(p, KW_LIMIT)) {
            p_operand(p, t, p_expr(p));
        } else if (p_accept_kw(p, KW_FROM) || p_accept_kw(p, KW_FOR)) { /* SUBSTRING, TRIM */
            p_operand(p, t, p_expr(p));
        } else if (at_argument_type(p)) {
            p_skip_type(p);
        } else if ((p_at(p, TOK_STRING) || p_at_name(p)) &&
                   (p_peek(p).type == ',' || p_peek(p).type == ')')) {
            p_advance(p); /* the argument's name, for a loadable function */
        } else {
            return;
        }
    }
}

static struct expr *star(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_STAR);
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

static void arguments(struct parser *p, struct expr *e, struct expr_tail *t)
{
    e->distinct = p_accept_kw(p, KW_DISTINCT);
    if (!e->distinct)
        p_accept_kw(p, KW_ALL);
    while (!p_at(p, ')') && !p_at(p, TOK_END)) {
        p_operand(p, t, p_at(p, '*') ? star(p) : p_expr(p));
        argument_tail(p, t);
        if (!p_accept(p, ','))
            break;
    }
}

/* TRIM([BOTH | LEADING | TRAILING] [e] [FROM] e) */
static void trim_arguments(struct parser *p, struct expr *e, struct expr_tail *t)
{
    if (p_accept_kw(p, KW_BOTH) || p_accept_kw(p, KW_LEADING) || p_accept_kw(p, KW_TRAILING))
        if (p_accept_kw(p, KW_FROM)) {
            p_operand(p, t, p_expr(p));
            return;
        }
    arguments(p, e, t);
}

/* EXTRACT(unit FROM e), TIMESTAMPADD(unit, e, e), GET_FORMAT(DATE, e): the first argument is a word. */
static void unit_arguments(struct parser *p, struct expr *e, struct expr_tail *t)
{
    if (!p_at(p, TOK_WORD)) {
        p_fail(p, PARSE_SYNTAX, "expected a unit");
        return;
    }
    p_advance(p);
    if (!p_accept_kw(p, KW_FROM))
        p_expect(p, ',', "expected , or FROM");
    arguments(p, e, t);
}

/* POSITION(e IN e) */
static void position_arguments(struct parser *p, struct expr *e, struct expr_tail *t)
{
    (void)e;
    p_operand(p, t, p_bit_expr(p));
    if (!p_accept_kw(p, KW_IN))
        p_expect(p, ',', "expected IN");
    p_operand(p, t, p_expr(p));
}

/* CAST(e AS type), CONVERT(e, type), CONVERT(e USING charset) */
static void cast_arguments(struct parser *p, struct expr *e, struct expr_tail *t)
{
    (void)e;
    p_operand(p, t, p_expr(p));
    do
        p_skip_type(p);
    while (p_accept(p, ','));
}

static const struct {
    enum keyword kw;
    void (*arguments)(struct parser *p, struct expr *e, struct expr_tail *t);
} special_calls[] = {
    {KW_TRIM, trim_arguments},         {KW_EXTRACT, unit_arguments},       {KW_GET_FORMAT, unit_arguments},
    {KW_TIMESTAMPADD, unit_arguments}, {KW_TIMESTAMPDIFF, unit_arguments}, {KW_CAST, cast_arguments},
    {KW_POSITION, position_arguments}, {KW_CONVERT, cast_arguments},
};

static bool is_word(const struct name *n, const char *word)
{
    return !n->quoted && span_ieq(n->text, span_of(word));
}

static enum expr_kind call_kind(const struct expr *e)
{
    if (e->table.text.ptr)
        return EXPR_FUNC;
    if (is_word(&e->name, "NEXTVAL") || is_word(&e->name, "LASTVAL") || is_word(&e->name, "SETVAL"))
        return EXPR_SEQUENCE;
    if (is_word(&e->name, "VALUE"))
        return EXPR_VALUES_OF;
    return EXPR_FUNC;
}

/* [WITHIN GROUP (ORDER BY …)] [FROM FIRST | LAST] [RESPECT | IGNORE NULLS] [OVER …] */
static void call_tail(struct parser *p, struct expr *e, struct expr_tail *t)
{
    if (p_at_kw(p, KW_WITHIN) && p_peek_kw(p) == KW_GROUP) {
        p_advance(p);
        p_advance(p);
        p_window_spec(p, t);
    }
    if (p_at_kw(p, KW_FROM) && (p_peek_kw(p) == KW_FIRST || p_peek_kw(p) == KW_LAST)) {
        struct parse_mark m = p_mark(p);
        p_advance(p);
        p_advance(p);
        if (!p_at_kw(p, KW_OVER) && !p_at_kw(p, KW_RESPECT) && !p_at_kw(p, KW_IGNORE))
            p_rewind(p, &m);
    }
    if ((p_at_kw(p, KW_RESPECT) || p_at_kw(p, KW_IGNORE)) && p_peek_kw(p) == KW_NULLS) {
        p_advance(p);
        p_advance(p);
    }
    if (p_at_kw(p, KW_OVER)) {
        unsigned next = p_peek(p).type;
        if (next == '(' || next == TOK_WORD || next == TOK_QUOTED) {
            p_advance(p);
            window_of(p, e);
        }
    }
}

struct expr *p_call(struct parser *p, struct expr *e)
{
    enum keyword kw = e->name.quoted ? KW_NONE : keyword_of(e->name.text);
    if (name_given(&e->table) && kw != KW_TRIM)
        kw = KW_NONE;
    struct expr_tail t = {e, &e->args};
    void (*args)(struct parser *, struct expr *, struct expr_tail *) = arguments;
    for (size_t i = 0; i < sizeof special_calls / sizeof *special_calls; i++)
        if (special_calls[i].kw == kw)
            args = special_calls[i].arguments;
    e->kind = call_kind(e);
    e->db = e->table;
    e->table = (struct name){0};
    p_advance(p);
    if (p_enter(p))
        args(p, e, &t);
    p_leave(p);
    p_expect(p, ')', "expected ) of the function");
    call_tail(p, e, &t);
    p_expr_done(p, e);
    return e;
}

static struct expr *case_expr(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_CASE);
    struct expr_tail t = {e, &e->args};
    p_advance(p);
    if (!p_at_kw(p, KW_WHEN))
        p_operand(p, &t, p_expr(p));
    while (p_accept_kw(p, KW_WHEN)) {
        p_operand(p, &t, p_expr(p));
        p_expect_kw(p, KW_THEN, "expected THEN");
        p_operand(p, &t, p_expr(p));
    }
    if (p_accept_kw(p, KW_ELSE))
        p_operand(p, &t, p_expr(p));
    p_expect_kw(p, KW_END, "expected END of CASE");
    p_expr_done(p, e);
    return e;
}

/* INTERVAL e unit, or the function INTERVAL(a, b, …): told apart behind the parentheses. */
static struct expr *interval(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_INTERVAL);
    struct expr_tail t = {e, &e->args};
    e->name.range = (struct range){p->tok.off, p->tok.len};
    e->name.text = p_text(p);
    p_advance(p);
    struct expr *inner = p_at(p, '(') ? p_primary(p) : NULL;
    if (inner && inner->kind == EXPR_ROW) {
        e->kind = EXPR_FUNC;
        e->args = inner->args;
        e->has_query = inner->has_query;
        e->height = inner->height;
        p_expr_done(p, e);
        return e;
    }
    e->name = (struct name){0};
    p_operand(p, &t, inner ? p_expr_from(p, inner) : p_expr(p));
    if (!(keyword_flags(p->kw) & KWF_UNIT))
        p_fail(p, PARSE_SYNTAX, "expected a unit of INTERVAL");
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

/* MATCH (columns) AGAINST (e [modifiers]); MySQL: the columns' parentheses may be left out. */
static struct expr *match(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_MATCH);
    struct expr_tail t = {e, &e->args};
    p_advance(p);
    bool parens = p_accept(p, '(');
    do
        p_operand(p, &t, p_column(p));
    while (p_accept(p, ','));
    if (parens)
        p_expect(p, ')', "expected ) of MATCH");
    p_expect_kw(p, KW_AGAINST, "expected AGAINST");
    p_expect(p, '(', "expected (");
    p_operand(p, &t, p_bit_expr(p));
    p_skip_type(p);
    p_expect(p, ')', "expected ) of AGAINST");
    p_expr_done(p, e);
    return e;
}

static struct expr *exists(struct parser *p)
{
    uint32_t off = p->tok.off;
    p_advance(p);
    struct expr *e = p_primary(p);
    if (e->kind != EXPR_SUBQUERY)
        p_fail(p, PARSE_SYNTAX, "expected a subquery behind EXISTS");
    e->kind = EXPR_EXISTS;
    e->range = p_since(p, off);
    return e;
}

/* DEFAULT(column), VALUES(column); DEFAULT alone is for p_expr_or_default(). */
static struct expr *column_function(struct parser *p, enum expr_kind kind)
{
    struct expr *e = p_expr_new(p, kind);
    struct expr_tail t = {e, &e->args};
    p_advance(p);
    p_expect(p, '(', "expected (");
    p_operand(p, &t, p_column(p));
    p_expect(p, ')', "expected )");
    p_expr_done(p, e);
    return e;
}

/* NEXT VALUE FOR s, PREVIOUS VALUE FOR s */
static struct expr *sequence_value(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_SEQUENCE);
    struct table_name s = {0};
    p_advance(p);
    p_advance(p);
    p_expect_kw(p, KW_FOR, "expected FOR");
    p_table_name(p, &s);
    e->db = s.db;
    e->name = s.table;
    p_expr_done(p, e);
    return e;
}

/* DATE '…', TIME '…', TIMESTAMP '…' */
static struct expr *typed_literal(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_LITERAL);
    p_advance(p);
    p_advance(p);
    p_expr_done(p, e);
    return e;
}

/* ROW(a, b, …) */
static struct expr *row(struct parser *p)
{
    struct expr *e = p_expr_new(p, EXPR_ROW);
    p_advance(p);
    struct expr *list = p_primary(p);
    e->args = list->args;
    e->has_query = list->has_query;
    e->height = list->height;
    p_expr_done(p, e);
    return e;
}

/* A reserved word that is a function's name: LEFT(…), CURRENT_USER[()]. */
static struct expr *reserved_call(struct parser *p, bool parens)
{
    struct expr *e = p_expr_new(p, EXPR_FUNC);
    e->name.range = (struct range){p->tok.off, p->tok.len};
    e->name.text = p_text(p);
    p_advance(p);
    if (parens)
        return p_call(p, e);
    p_expr_done(p, e);
    return e;
}

struct expr *p_keyword_primary(struct parser *p)
{
    unsigned flags = keyword_flags(p->kw);
    bool reserved = flags & KWF_RESERVED;
    switch (p->kw) {
    case KW_CASE:
        return case_expr(p);
    case KW_INTERVAL:
        return interval(p);
    case KW_MATCH:
        return match(p);
    case KW_EXISTS:
        return exists(p);
    case KW_DEFAULT:
        return column_function(p, EXPR_DEFAULT_OF);
    case KW_VALUES:
        return column_function(p, EXPR_VALUES_OF);
    case KW_NEXT:
    case KW_PREVIOUS:
        return p_peek_kw(p) == KW_VALUE ? sequence_value(p) : NULL;
    case KW_DATE:
    case KW_TIME:
    case KW_TIMESTAMP:
        return p_peek(p).type == TOK_STRING ? typed_literal(p) : NULL;
    case KW_ROW:
        return p_peek_paren(p) ? row(p) : NULL;
    default:
        break;
    }
    if (p->kw == KW_SQL && (p->dialect->modes & SQL_ORACLE) && p_peek(p).type == '%') { /* SQL%ROWCOUNT */
        struct expr *e = reserved_call(p, false);
        p_advance(p);
        p_advance(p);
        p_expr_done(p, e);
        return e;
    }
    if ((flags & KWF_CALL) && p_peek_paren(p))
        return reserved_call(p, true);
    if (flags & KWF_BARE)
        return reserved_call(p, false);
    if (reserved)
        p_fail(p, PARSE_SYNTAX, "expected an expression");
    return NULL;
}
