/* Conditions that an index on a new column serves.
 *
 * A flipped condition compares an expression, and no index serves that. Where the migration is said to be
 * invertible (new <=> forward(backward(new)) holds for every row), the rows that meet it can also be asked
 * for by the forward expression of the value:
 *
 *     WHERE amount = 19.99
 *     →  WHERE (orders.`cents` = CAST((19.99 * 100) AS DECIMAL(65,0))
 *               AND CAST(orders.`cents` / 100 AS DECIMAL(10,2)) = 19.99)
 *
 * The ordinary condition stays and decides; what is added only leads to its rows. So no row can come too
 * many, whatever the value. That no row is missed needs that equal values have equal results, once the value
 * is brought to the old column's type: where collations or types leave a doubt, nothing is added. Both are
 * true or not together, but not false or unknown together: it is done only where nobody tells these apart, in
 * WHERE and ON and below their AND and OR.
 *
 * With a monotonic migration the same holds for <, <=, >, >= and BETWEEN. There the value may be rounded when
 * it is brought to the type, so that what is added always includes equality. */
#include <stdlib.h>

#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* A list of more values than this is not repeated. */
enum { LONGEST_LIST = 1000 };

/* Digits that a double keeps. */
enum { DOUBLE_DIGITS = 15 };

/* A comparison of a bare old column. */
struct comparison {
    struct plan *p;
    const struct scope *scope;
    struct column_ref ref;
    const struct catalog_column *old;
    bool swapped; /* the column is on the right */
};

static bool type_begins(struct span type, const char *word)
{
    size_t len = strlen(word);
    return type.len >= len && span_ieq((struct span){type.ptr, len}, span_of(word)) &&
           (type.len == len || type.ptr[len] == '(' || type.ptr[len] == ' ');
}

static bool type_has(struct span type, const char *word)
{
    return memmem(type.ptr, type.len, word, strlen(word)) != NULL;
}

/* The at-th number in a type's parentheses: 10 and 2 of "decimal(10,2)"; 0 where there is none. */
static unsigned type_number(struct span type, unsigned at)
{
    const char *p = memchr(type.ptr, '(', type.len), *end = type.ptr + type.len;
    unsigned n = 0;
    for (; p && p < end && *p != ')' && (*p != ',' || at > 0); p++) {
        n = lex_is(*p, CLASS_DIGIT) ? n * 10 + (unsigned)(*p - '0') : 0;
        at -= *p == ',';
    }
    return at > 0 ? 0 : n;
}

static bool ends_with(struct span s, const char *tail)
{
    size_t len = strlen(tail);
    return s.len >= len && span_ieq((struct span){s.ptr + s.len - len, len}, span_of(tail));
}

/* Collations that compare character by character. */
static bool is_simple_collation(struct span collation)
{
    static const char *const tails[] = {"_general_ci", "_general_nopad_ci", "_bin",
                                        "_nopad_bin",  "_swedish_ci",       "_swedish_nopad_ci"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        if (ends_with(collation, tails[i]))
            return true;
    return false;
}

/* Collations under which only equal bytes are equal. */
static bool is_exact_collation(struct span collation)
{
    return ends_with(collation, "_nopad_bin") || ends_with(collation, "_0900_bin");
}

static bool is_text(const struct catalog_column *c)
{
    return (c->class == COLUMN_STRING || (c->class == COLUMN_ENUM && type_begins(c->type, "enum"))) &&
           c->charset.len && c->collation.len;
}

/* ---- values ---- */

static const struct expr *without_parens(const struct expr *e)
{
    while (e->kind == EXPR_PAREN)
        e = e->args;
    return e;
}

/* What stands between the quotes of a plain literal; a null pointer for anything else. */
static struct span quoted_text(const struct plan *p, const struct expr *e)
{
    struct span text = span_in(p->text, e->range);
    if (e->kind != EXPR_LITERAL || text.len < 2 || (text.ptr[0] != '\'' && text.ptr[0] != '"'))
        return (struct span){NULL, 0};
    return (struct span){text.ptr + 1, text.len - 2};
}

/* Whether the text fits a pattern in which 0 stands for a digit. */
static bool fits(struct span text, const char *pattern)
{
    if (text.len != strlen(pattern))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (pattern[i] == '0' ? !lex_is(text.ptr[i], CLASS_DIGIT) : text.ptr[i] != pattern[i])
            return false;
    return true;
}

/* Digits with at most one dot, and a sign; *decimals: digits behind the dot. */
static bool is_plain_number(struct span text, unsigned *decimals)
{
    size_t i = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool dot = false;
    *decimals = 0;
    if (i == text.len || !lex_is(text.ptr[i], CLASS_DIGIT))
        return false;
    for (; i < text.len; i++) {
        if (text.ptr[i] == '.' && !dot)
            dot = true;
        else if (!lex_is(text.ptr[i], CLASS_DIGIT))
            return false;
        else
            *decimals += dot;
    }
    return true;
}

/* MySQL lets a strict UPDATE fail over a number that DECIMAL cannot hold, also in a condition; MariaDB cuts
 * it. The text is a literal's, without quotes. */
static bool is_moderate(const struct plan *p, struct span text)
{
    static const double bound = 1e30;
    char copy[64], *end;
    if (p->rules->mariadb)
        return true;
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, &end);
    return !*end && value > -bound && value < bound;
}

static unsigned old_scale(const struct catalog_column *c)
{
    return c->class == COLUMN_DECIMAL ? type_number(c->type, 1) : 0;
}

/* Whether a double tells any two of the column's values apart. The server compares integers with what is no
 * expression as integers. */
static bool fits_double(const struct catalog_column *c)
{
    unsigned precision = type_number(c->type, 0);
    return c->class == COLUMN_INTEGER ? !type_begins(c->type, "bigint")
                                      : (precision ? precision : 10) <= DOUBLE_DIGITS;
}

static bool numeric_value(struct comparison *c, const struct expr *e)
{
    unsigned decimals;
    if (type_has(c->old->type, "zerofill"))
        return false;
    switch (value_class_of(c->p, c->scope, e)) {
    case VALUE_EXACT:
    case VALUE_QUOTIENT:
        return e->kind != EXPR_LITERAL || is_moderate(c->p, span_in(c->p->text, e->range));
    case VALUE_FLOAT:
        return e->kind == EXPR_LITERAL && fits_double(c->old) &&
               is_moderate(c->p, span_in(c->p->text, e->range));
    case VALUE_STRING: {
        struct span text = quoted_text(c->p, e);
        return text.ptr && is_plain_number(text, &decimals) && is_moderate(c->p, text) &&
               (c->old->class == COLUMN_INTEGER || fits_double(c->old));
    }
    case VALUE_PARAM:
        return c->old->class == COLUMN_INTEGER || fits_double(c->old);
    default:
        return false;
    }
}

/* A literal of one piece, a parameter, or a column that compares alike. */
static bool text_value(struct comparison *c, const struct expr *e)
{
    bool wide = span_ieq(c->old->charset, SPAN("utf8mb4"));
    struct span text = quoted_text(c->p, e);
    if (e->kind == EXPR_PARAM)
        return wide;
    if (text.ptr)
        return wide || span_is_ascii(text);
    if (e->kind != EXPR_COLUMN)
        return false;
    const struct catalog_column *from = column_meant(c->p, c->scope, e);
    return from && from->class == COLUMN_STRING && span_eq(from->charset, c->old->charset) &&
           span_eq(from->collation, c->old->collation);
}

static unsigned digits(const char *p, unsigned n)
{
    unsigned value = 0;
    for (; n-- > 0; p++)
        value = value * 10 + (unsigned)(*p - '0');
    return value;
}

/* A whole date that there is, in its plainest form. */
static bool is_date(struct span text)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (text.len < 10 || !fits((struct span){text.ptr, 10}, "0000-00-00"))
        return false;
    unsigned year = digits(text.ptr, 4), month = digits(text.ptr + 5, 2), day = digits(text.ptr + 8, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (unsigned)(leap && month == 2);
}

static bool is_time(struct span text)
{
    return fits(text, " 00:00:00") && digits(text.ptr + 1, 2) < 24 && digits(text.ptr + 4, 2) < 60 &&
           digits(text.ptr + 7, 2) < 60;
}

bool is_date_literal(const struct plan *p, const struct expr *e, bool time)
{
    struct span text = quoted_text(p, e);
    if (!text.ptr || !is_date(text))
        return false;
    return text.len == 10 || (time && is_time((struct span){text.ptr + 10, text.len - 10}));
}

static bool temporal_value(struct comparison *c, const struct expr *e)
{
    bool date = type_begins(c->old->type, "date");
    if (!date && !type_begins(c->old->type, "datetime"))
        return false;
    return e->kind == EXPR_PARAM || is_date_literal(c->p, e, !date);
}

/* Whether `e` is of this row or not to be had twice. */
static bool depends_on_row(struct comparison *c, const struct expr *e)
{
    if (e->kind == EXPR_COLUMN) {
        if (!name_given(&e->table))
            return source_has(c->p, c->ref.source, e->name.text) != HAS_NOT;
        for (const struct scope *s = c->scope; s; s = s->outer) {
            const struct source *named = source_named(c->p, s, &e->db, &e->table);
            if (named)
                return named == c->ref.source;
        }
        return true;
    }
    for (const struct expr *a = e->args; a; a = a->next)
        if (depends_on_row(c, a))
            return true;
    return e->window || e->query;
}

static bool is_usable(struct comparison *c, const struct expr *e)
{
    e = without_parens(e);
    c->p->values_matter = true;
    if (e->has_query || depends_on_row(c, e) || !is_repeatable(c->p, e->range))
        return false;
    switch (c->old->class) {
    case COLUMN_INTEGER:
    case COLUMN_DECIMAL:
        return numeric_value(c, e);
    case COLUMN_STRING:
    case COLUMN_ENUM:
        return is_text(c->old) && text_value(c, e);
    case COLUMN_TEMPORAL:
        return temporal_value(c, e);
    default:
        return false;
    }
}

static void add_number(struct builder *b, unsigned n)
{
    char digits[12], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    builder_add(b, (struct span){at, (size_t)(digits + sizeof digits - at)});
}

/* `wide`: 65 digits, else 40: then there is room for what an expression makes of them. */
static void add_decimal_type(struct builder *b, bool wide, unsigned scale)
{
    builder_add(b, wide ? SPAN(" AS DECIMAL(65,") : SPAN(" AS DECIMAL(40,"));
    add_number(b, scale);
    builder_add(b, SPAN("))"));
}

static void add_text_type(struct builder *b, const struct catalog_column *c)
{
    builder_add(b, SPAN(" AS CHAR CHARACTER SET "));
    builder_add(b, c->charset);
    builder_add(b, SPAN(") COLLATE "));
    builder_add(b, c->collation);
    builder_add(b, SPAN(")"));
}

/* The value in the old column's type, but without its bounds: what is beyond them equals no row anyway, and
 * a cast that cuts may fail a strict UPDATE. */
static struct fragment converted(struct comparison *c, const struct expr *e)
{
    struct plan *p = c->p;
    struct builder b = {.arena = p->arena};
    struct fragment value = rendered(p, e->range);
    unsigned decimals;
    bool numeric = c->old->class == COLUMN_INTEGER || c->old->class == COLUMN_DECIMAL;
    if (c->old->class == COLUMN_DECIMAL && e->kind == EXPR_LITERAL && value.text.len < 30 &&
        is_plain_number(value.text, &decimals) && decimals == old_scale(c->old) && decimals)
        return value;
    builder_add(&b, is_text(c->old) ? SPAN("(CAST(") : SPAN("CAST("));
    builder_add_fragment(&b, value);
    if (numeric) {
        add_decimal_type(&b, type_number(c->old->type, 0) > 38, old_scale(c->old));
    } else if (is_text(c->old)) {
        add_text_type(&b, c->old);
    } else if (type_begins(c->old->type, "date")) {
        builder_add(&b, SPAN(" AS DATE)"));
    } else {
        builder_add(&b, SPAN(" AS DATETIME("));
        add_number(&b, type_number(c->old->type, 0));
        builder_add(&b, SPAN("))"));
    }
    return builder_done(&b);
}

/* ---- what is asked of a new column ---- */

/* Whether equal values of the old column, as it compares them, give results that the new one takes for equal.
 */
static bool keeps_equality(struct comparison *c, const struct rule_column *new_column,
                           const struct catalog_column *to)
{
    const struct expression *f = &new_column->value;
    if (!is_text(c->old))
        return true;
    if (is_text(to) && (!span_eq(to->charset, c->old->charset) || !span_eq(to->collation, c->old->collation)))
        return false;
    if (f->converts && !c->p->rules->mariadb)
        return false;
    if (is_exact_collation(c->old->collation))
        return true;
    return f->keeps_equality && is_simple_collation(c->old->collation) &&
           (!f->keeps_ascii_only || span_ieq(c->old->charset, SPAN("ascii")));
}

/* Whether the column's type compares with what is computed as it would with what is stored. */
static bool is_comparable(const struct catalog_column *to)
{
    switch (to->class) {
    case COLUMN_INTEGER:
    case COLUMN_DECIMAL:
    case COLUMN_BINARY:
        return true;
    case COLUMN_STRING:
    case COLUMN_ENUM:
        return is_text(to);
    case COLUMN_TEMPORAL:
        return !type_begins(to->type, "timestamp");
    default:
        return false;
    }
}

/* forward(value), as the new column would store it. */
static void add_forward(struct comparison *c, struct builder *b, const struct rule_column *new_column,
                        const struct catalog_column *to, const struct expr *e)
{
    struct substitute value = {c->ref.column->name, converted(c, without_parens(e))};
    struct fragment text = expression_text(c->p, &new_column->value, SPAN(""), &value, 1);
    bool as_text = is_text(to) && !is_text(c->old);
    bool as_number = to->class == COLUMN_INTEGER || to->class == COLUMN_DECIMAL;
    builder_add(b, as_text ? SPAN("(CAST(") : as_number ? SPAN("CAST(") : SPAN(""));
    builder_add_fragment(b, text);
    if (as_text)
        add_text_type(b, to);
    else if (as_number)
        add_decimal_type(b, true, old_scale(to));
}

/* "n op f(value)", "n BETWEEN f(low) AND f(high)", "n IN (f(a), f(b))". false: this column cannot be asked.
 */
static bool add_column(struct comparison *c, struct builder *b, const struct rule_column *new_column,
                       const struct expr *e, const struct expr *values)
{
    const struct catalog_column *to = catalog_column_of(c->ref.source->table, new_column->name);
    bool total = new_column->value.total, below = e->op == OP_LT || e->op == OP_LE;
    if (!to || !new_column->value.harmless || !is_comparable(to) || !keeps_equality(c, new_column, to))
        return false;
    if (!total && to->nullable && e->op != OP_EQ && e->op != OP_NULLSAFE_EQ)
        return false;
    if (b->len)
        builder_add(b, SPAN(" AND "));
    builder_add(b, column_text(c->p, c->ref.source->qualifier, new_column->name));
    switch (e->op) {
    case OP_EQ:
    case OP_NULLSAFE_EQ:
        builder_add(b, total || !to->nullable ? SPAN(" = ") : SPAN(" <=> "));
        break;
    case OP_BETWEEN:
        builder_add(b, SPAN(" BETWEEN "));
        break;
    case OP_IN:
        builder_add(b, SPAN(" IN ("));
        break;
    default:
        builder_add(b, below != c->swapped ? SPAN(" <= ") : SPAN(" >= "));
        break;
    }
    for (const struct expr *v = values; v; v = v->next) {
        add_forward(c, b, new_column, to, v);
        if (e->op != OP_IN && e->op != OP_BETWEEN)
            break;
        builder_add(b, !v->next ? SPAN("") : e->op == OP_IN ? SPAN(", ") : SPAN(" AND "));
    }
    if (e->op == OP_IN)
        builder_add(b, SPAN(")"));
    return true;
}

/* Whether what a marker turns out to be is odd for the column, behind OR. A text column equals a number in
 * another way than it equals a text; what is no date converts to NULL; MariaDB compares a number with a date
 * or a time as these (20240229 is 2024-02-29 00:00:00), which as text have a dash or a colon behind their
 * first character. */
static void add_oddity(struct comparison *c, struct builder *b, const struct expr *marker)
{
    struct fragment value = rendered(c->p, marker->range);
    if (c->old->class == COLUMN_TEMPORAL) {
        builder_add(b, SPAN(" OR TO_DAYS("));
        builder_add_fragment(b, converted(c, marker));
        builder_add(b, SPAN(") IS NULL"));
    } else if (is_text(c->old)) {
        builder_add(b, SPAN(" OR COERCIBILITY("));
        builder_add_fragment(b, value);
        builder_add(b, SPAN(") > 4"));
    } else {
        builder_add(b, SPAN(" OR LOCATE('-', REPLACE("));
        builder_add_fragment(b, value);
        builder_add(b, SPAN(", ':', '-'), 2)"));
    }
}

/* What a marker will be is not known: with an odd value nothing more is asked. The server works this out
 * before it chooses a plan. */
static struct fragment unless_odd(struct comparison *c, struct fragment asked, const struct expr *values)
{
    struct builder b = {.arena = c->p->arena};
    bool may_be_odd = c->old->class == COLUMN_TEMPORAL || is_text(c->old) || c->p->rules->mariadb;
    for (const struct expr *v = values; v && may_be_odd; v = v->next) {
        const struct expr *value = without_parens(v);
        if (value->kind != EXPR_PARAM)
            continue;
        if (!b.len) {
            builder_add(&b, SPAN("(("));
            builder_add_fragment(&b, asked);
            builder_add(&b, SPAN(")"));
        }
        add_oddity(c, &b, value);
    }
    if (!b.len)
        return asked;
    builder_add(&b, SPAN(")"));
    return builder_done(&b);
}

/* ---- comparisons ---- */

/* The migration's column that `e` is, if reads of it flip and an index could serve. */
static bool is_bare_old(struct plan *p, const struct scope *s, const struct expr *e, struct comparison *out)
{
    struct column_ref ref;
    e = without_parens(e);
    if (e->kind != EXPR_COLUMN || !resolve_column(p, s, e, &ref) || !must_flip(&ref))
        return false;
    if (!ref.rule->invertible || ref.rule->old_count != 1 || ref.column->value.plain_column)
        return false;
    const struct catalog_column *old = catalog_column_of(ref.source->table, ref.column->name);
    *out = (struct comparison){.p = p, .scope = s, .ref = ref, .old = old};
    return old != NULL;
}

/* Whether the operator is one that is asked for anew, and the list of what the column is compared with. */
static const struct expr *compared_values(struct comparison *c, const struct expr *e)
{
    const struct expr *values = c->swapped ? e->args : e->args->next;
    const struct rule *r = c->ref.rule;
    uint32_t count = 0;
    bool ordered = r->monotonic && r->new_count == 1;
    for (const struct expr *v = values; v; v = v->next)
        if (++count > LONGEST_LIST)
            return NULL;
    switch (e->op) {
    case OP_EQ:
        return values;
    case OP_NULLSAFE_EQ: /* a NULL is asked for in the ordinary way */
        return without_parens(values)->kind == EXPR_LITERAL ? values : NULL;
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return ordered ? values : NULL;
    case OP_BETWEEN:
        return ordered && !e->negated && count == 2 ? values : NULL;
    case OP_IN:
        return !e->negated ? values : NULL;
    default:
        return NULL;
    }
}

static bool all_usable(struct comparison *c, const struct expr *e, const struct expr *values)
{
    bool list = e->op == OP_IN || e->op == OP_BETWEEN;
    enum value_class class = value_class_of(c->p, c->scope, values);
    for (const struct expr *v = values; v; v = list ? v->next : NULL)
        if (!is_usable(c, v) || value_class_of(c->p, c->scope, v) != class)
            return false;
    return true;
}

/* The condition on the new columns that follows from a comparison; empty where none does. */
static struct fragment asked_of_new(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct comparison c = {0};
    struct builder b = {.arena = p->arena};
    struct fragment none = fragment_of(SPAN(""));
    bool list = e->op == OP_IN || e->op == OP_BETWEEN;
    if (!e->args || !e->args->next || e->query || (!list && e->args->next->next))
        return none;
    if (!is_bare_old(p, s, e->args, &c)) {
        if (list || !is_bare_old(p, s, e->args->next, &c))
            return none;
        c.swapped = true;
    }
    const struct expr *values = compared_values(&c, e);
    if (!values || !all_usable(&c, e, values))
        return none;
    for (size_t i = 0; i < c.ref.rule->new_count; i++)
        add_column(&c, &b, &c.ref.rule->new_columns[i], e, values);
    if (!b.len)
        return none;
    return unless_odd(&c, builder_done(&b), values);
}

static bool has_invertible(const struct scope *s)
{
    for (; s; s = s->outer)
        for (const struct source *o = s->first; o; o = o->next)
            for (uint32_t i = 0; i < o->rule_count; i++)
                if (o->rules[i]->invertible && rule_flips(o->rules[i]))
                    return true;
    return false;
}

static void walk_comparison(struct plan *p, const struct scope *s, const struct expr *e)
{
    walk_expr(p, s, e);
    if (p->refused || !has_invertible(s))
        return;
    struct fragment asked = asked_of_new(p, s, e);
    if (asked.text.len == 0)
        return;
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN("("));
    builder_add_fragment(&b, asked);
    builder_add(&b, SPAN(" AND "));
    edits_insert(&p->edits, e->range.off, builder_done(&b));
    edits_insert(&p->edits, range_end(e->range), fragment_of(SPAN(")")));
}

void walk_condition(struct plan *p, const struct scope *s, const struct expr *e)
{
    if (!e)
        return;
    bool passes_truth = e->kind == EXPR_PAREN || (e->kind == EXPR_OP && (e->op == OP_AND || e->op == OP_OR));
    if (passes_truth)
        for (const struct expr *a = e->args; a; a = a->next)
            walk_condition(p, s, a);
    else if (e->kind == EXPR_OP)
        walk_comparison(p, s, e);
    else
        walk_expr(p, s, e);
}

/* ---- order ---- */

bool sargable_order(struct plan *p, const struct column_ref *ref, struct fragment *out)
{
    const struct rule *r = ref->rule;
    if (!r->monotonic || !r->invertible || r->old_count != 1 || r->new_count != 1 ||
        ref->column->value.plain_column || ref->source->nullable)
        return false;
    struct comparison c = {.p = p, .ref = *ref};
    c.old = catalog_column_of(ref->source->table, ref->column->name);
    const struct catalog_column *to = catalog_column_of(ref->source->table, r->new_columns[0].name);
    if (!c.old || !to || !is_comparable(to) || !r->new_columns[0].value.total ||
        !keeps_equality(&c, &r->new_columns[0], to))
        return false;
    *out = fragment_of(column_text(p, ref->source->qualifier, r->new_columns[0].name));
    return true;
}
