/* What may be concluded from a compiled expression about its values: for sargable.c, which asks for a new
 * column by the forward expression of what the old one is compared with.
 *
 * Two texts that a collation takes for equal (letter case, accents, trailing blanks) are still two texts, and
 * an expression may tell them apart: MD5, LENGTH, CONCAT behind it. Those that cannot are listed here, for
 * collations that compare character by character; a function that is not listed counts as one that does. */
#include "proxy/rewrite/expression.h"

#include "proxy/sql/lexer.h"

/* What an expression is like. */
enum {
    SAME = 1 << 0,     /* equal texts give equal results */
    SAME_HEX = 1 << 1, /* … where they are ASCII */
    TOTAL = 1 << 2,    /* no column NULL (nor an invalid date), no result NULL */
    HARMLESS = 1 << 3, /* no value makes the statement fail */
    UNSIGNED = 1 << 4, /* has values that are unsigned, */
    MINUS = 1 << 5,    /* and a difference, which then may be out of range */
    CONVERTS = 1 << 6, /* complains of texts that are no number or date */
};

/* All of these are HARMLESS; of others that is not known. */
static const struct {
    const char *name;
    int traits;
} functions[] = {
    {"abs", TOTAL},
    {"ascii", TOTAL},
    {"bin", TOTAL},
    {"cast", SAME | TOTAL | CONVERTS},
    {"ceil", TOTAL},
    {"ceiling", TOTAL},
    {"char_length", TOTAL},
    {"coalesce", SAME | TOTAL},
    {"concat", TOTAL},
    {"concat_ws", TOTAL},
    {"conv", 0},
    {"date", SAME | CONVERTS},
    {"date_format", 0},
    {"day", TOTAL},
    {"dayofmonth", TOTAL},
    {"elt", SAME},
    {"field", SAME | TOTAL},
    {"floor", TOTAL},
    {"from_base64", 0},
    {"from_days", 0},
    {"greatest", TOTAL},
    {"hex", TOTAL},
    {"hour", TOTAL},
    {"if", SAME | TOTAL},
    {"ifnull", SAME | TOTAL},
    {"inet6_aton", 0},
    {"inet6_ntoa", 0},
    {"inet_aton", 0},
    {"inet_ntoa", TOTAL},
    {"instr", SAME | TOTAL},
    {"lcase", SAME | TOTAL},
    {"least", TOTAL},
    {"left", SAME | TOTAL},
    {"length", TOTAL},
    {"locate", SAME | TOTAL},
    {"lower", SAME | TOTAL},
    {"lpad", TOTAL},
    {"ltrim", SAME | TOTAL},
    {"makedate", 0},
    {"md5", TOTAL},
    {"mid", SAME | TOTAL},
    {"minute", TOTAL},
    {"mod", 0},
    {"month", TOTAL},
    {"nullif", SAME},
    {"oct", TOTAL},
    {"ord", TOTAL},
    {"quarter", TOTAL},
    {"replace", SAME | TOTAL},
    {"reverse", TOTAL},
    {"right", TOTAL},
    {"round", TOTAL},
    {"rpad", TOTAL},
    {"rtrim", SAME | TOTAL},
    {"second", TOTAL},
    {"sha1", TOTAL},
    {"sign", TOTAL},
    {"str_to_date", SAME | CONVERTS},
    {"substr", SAME | TOTAL},
    {"substring", SAME | TOTAL},
    {"substring_index", SAME | TOTAL},
    {"to_base64", 0},
    {"to_days", TOTAL},
    {"trim", SAME | TOTAL},
    {"truncate", TOTAL},
    {"ucase", SAME | TOTAL},
    {"unhex", SAME_HEX},
    {"upper", SAME | TOTAL},
    {"year", TOTAL},
};

static bool is_named(const struct expr *e, const char *name)
{
    return span_ieq(e->name.text, span_of(name));
}

static struct span text_of(const struct expr *e, struct span source)
{
    return (struct span){source.ptr + e->range.off, e->range.len};
}

static bool holds_word(struct span text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (span_ieq((struct span){text.ptr + i, len}, (struct span){word, len}))
            return true;
    return false;
}

/* A literal separator: no letter that a collation could fold, nor a blank that it could leave out where
 * `blank` is false. */
static bool is_separator(const struct expr *e, struct span source, bool blank)
{
    if (!e || e->kind != EXPR_LITERAL || e->range.len < 3)
        return false;
    for (uint32_t i = e->range.off + 1; i + 1 < range_end(e->range); i++)
        if (!memchr(" ,.:;/-_@#", source.ptr[i], 10) || (source.ptr[i] == ' ' && !blank))
            return false;
    return source.ptr[e->range.off] == '\'' || source.ptr[e->range.off] == '"';
}

/* A literal text that has no blank: where it is found does not depend on trailing ones, which a collation
 * with PAD SPACE leaves out. */
static bool is_without_blank(const struct expr *e, struct span source)
{
    return e && e->kind == EXPR_LITERAL && !memchr(source.ptr + e->range.off, ' ', e->range.len);
}

static bool is_positive_number(const struct expr *e, struct span source)
{
    return e && e->kind == EXPR_LITERAL && lex_is(source.ptr[e->range.off], CLASS_DIGIT);
}

/* Whether a position counts from the text's beginning: a number, LOCATE(…), sums of them. */
static bool is_position(const struct expr *e, struct span source)
{
    if (is_positive_number(e, source))
        return true;
    if (e && e->kind == EXPR_PAREN)
        return is_position(e->args, source);
    if (e && e->kind == EXPR_FUNC)
        return is_named(e, "locate") || is_named(e, "instr");
    if (!e || e->kind != EXPR_OP || (e->op != OP_PLUS && e->op != OP_MINUS))
        return false;
    for (const struct expr *a = e->args; a; a = a->next)
        if (!is_position(a, source))
            return false;
    return true;
}

/* What a function's other arguments must be like for equal texts to give equal results. */
static bool keeps_with_arguments(const struct expr *e, struct span source)
{
    const struct expr *second = e->args ? e->args->next : NULL, *third = second ? second->next : NULL;
    if (is_named(e, "substring_index"))
        return is_separator(second, source, true) && is_positive_number(third, source);
    if (is_named(e, "replace"))
        return is_separator(second, source, false) && third && third->kind == EXPR_LITERAL;
    if (is_named(e, "left") || is_named(e, "mid") || is_named(e, "substr") || is_named(e, "substring"))
        return is_position(second, source) && (!third || is_position(third, source));
    if (is_named(e, "locate"))
        return is_without_blank(e->args, source) && (!third || is_position(third, source));
    if (is_named(e, "instr"))
        return is_without_blank(second, source);
    if (is_named(e, "trim") || is_named(e, "ltrim") || is_named(e, "rtrim"))
        return !second;
    if (is_named(e, "cast"))
        return !holds_word(text_of(e, source), "char") && !holds_word(text_of(e, source), "binary");
    return true;
}

static int function_traits(const struct expr *e, struct span source)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!is_named(e, functions[i].name))
            continue;
        int traits = functions[i].traits | HARMLESS;
        if (!keeps_with_arguments(e, source))
            traits &= ~SAME;
        if (is_named(e, "cast") && holds_word(text_of(e, source), "date"))
            traits &= ~TOTAL; /* what is no date becomes NULL */
        if (is_named(e, "cast") && holds_word(text_of(e, source), "unsigned"))
            traits |= UNSIGNED;
        return traits;
    }
    return 0;
}

bool gives_truth(enum expr_op op)
{
    switch (op) {
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_NOT:
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
    case OP_NULLSAFE_EQ:
    case OP_BETWEEN:
    case OP_IN:
    case OP_IS:
    case OP_LIKE:
        return true;
    default:
        return false;
    }
}

static int operator_traits(const struct expr *e, struct span source)
{
    if (gives_truth(e->op) && e->op != OP_LIKE && e->op != OP_XOR)
        return SAME | TOTAL | HARMLESS;
    switch (e->op) {
    case OP_PLUS:
    case OP_MUL:
    case OP_POSITIVE:
        return SAME | TOTAL | HARMLESS;
    case OP_MINUS:
    case OP_NEGATE:
        return SAME | TOTAL | HARMLESS | MINUS;
    case OP_DIV:
        return SAME | HARMLESS |
               (is_positive_number(e->args->next, source) && source.ptr[e->args->next->range.off] != '0'
                    ? TOTAL
                    : 0);
    default:
        return 0;
    }
}

/* What the node is like by itself. */
static int node_traits(const struct expr *e, struct span source)
{
    switch (e->kind) {
    case EXPR_COLUMN:
    case EXPR_PAREN:
        return SAME | TOTAL | HARMLESS;
    case EXPR_LITERAL:
        return e->null_literal ? SAME | HARMLESS : SAME | TOTAL | HARMLESS;
    case EXPR_CASE:
        return SAME | HARMLESS; /* there may be no ELSE */
    case EXPR_FUNC:
        return function_traits(e, source);
    case EXPR_OP:
        return operator_traits(e, source);
    default:
        return 0;
    }
}

static bool has_text(const struct expr *e, struct span source, struct span text)
{
    return e && span_eq(text_of(e, source), text);
}

/* LOCATE(' ', x) + n, or without the sum. */
static bool is_from_blank(const struct expr *e, struct span source, struct span located)
{
    while (e && e->kind == EXPR_PAREN)
        e = e->args;
    return e && (has_text(e, source, located) ||
                 (e->kind == EXPR_OP && e->op == OP_PLUS && has_text(e->args, source, located) &&
                  is_positive_number(e->args->next, source)));
}

/* IF(LOCATE(' ', x), SUBSTRING(x, LOCATE(' ', x) + n), ''), what is behind the first blank: gives x, else
 * NULL. It keeps equality though LOCATE(' ', …) does not: of a text with trailing blanks alone it gives
 * blanks, and without them ''. */
static const struct expr *behind_blank(const struct expr *e, struct span source)
{
    const struct expr *found = e->kind == EXPR_FUNC && is_named(e, "if") ? e->args : NULL;
    const struct expr *rest = found ? found->next : NULL, *none = rest ? rest->next : NULL;
    if (!none || found->kind != EXPR_FUNC || !is_named(found, "locate") || rest->kind != EXPR_FUNC ||
        !(is_named(rest, "substring") || is_named(rest, "substr") || is_named(rest, "mid")))
        return NULL;
    const struct expr *text = found->args ? found->args->next : NULL,
                      *from = rest->args ? rest->args->next : NULL;
    bool is_it = text && !text->next && from && !from->next && has_text(found->args, source, SPAN("' '")) &&
                 has_text(rest->args, source, text_of(text, source)) &&
                 is_from_blank(from, source, text_of(found, source)) && has_text(none, source, SPAN("''"));
    return is_it ? text : NULL;
}

static int traits_of(const struct expr *e, struct span source)
{
    int traits = node_traits(e, source);
    for (const struct expr *a = e->args; a; a = a->next) {
        int below = traits_of(a, source);
        bool hex = (traits | below) & SAME_HEX && traits & (SAME | SAME_HEX) && below & (SAME | SAME_HEX);
        traits = (traits & below & (SAME | TOTAL | HARMLESS)) |
                 ((traits | below) & (UNSIGNED | MINUS | CONVERTS)) | (hex ? SAME_HEX : 0);
    }
    const struct expr *text = behind_blank(e, source);
    if (text)
        traits |= traits_of(text, source) & SAME;
    return traits;
}

/* ---- NULL for NULLs ---- */

static bool is_any_of(const struct expr *e, const char *const *names)
{
    while (*names && !is_named(e, *names))
        names++;
    return *names != NULL;
}

static bool some_null(const struct expr *list);

/* Whether the expression is NULL where all of its columns are, as those of a row that an outer join makes up.
 */
static bool is_null_of_nulls(const struct expr *e)
{
    static const char *const any_argument[] = {"abs",
                                               "adddate",
                                               "addtime",
                                               "ascii",
                                               "bin",
                                               "cast",
                                               "ceil",
                                               "ceiling",
                                               "char_length",
                                               "character_length",
                                               "concat",
                                               "crc32",
                                               "date",
                                               "date_add",
                                               "date_sub",
                                               "datediff",
                                               "day",
                                               "dayofmonth",
                                               "floor",
                                               "from_days",
                                               "greatest",
                                               "hex",
                                               "hour",
                                               "instr",
                                               "lcase",
                                               "least",
                                               "left",
                                               "length",
                                               "locate",
                                               "lower",
                                               "lpad",
                                               "ltrim",
                                               "md5",
                                               "mid",
                                               "minute",
                                               "mod",
                                               "month",
                                               "octet_length",
                                               "ord",
                                               "pow",
                                               "power",
                                               "quarter",
                                               "repeat",
                                               "replace",
                                               "reverse",
                                               "right",
                                               "round",
                                               "rpad",
                                               "rtrim",
                                               "second",
                                               "sha1",
                                               "sha2",
                                               "sign",
                                               "subdate",
                                               "substr",
                                               "substring",
                                               "substring_index",
                                               "subtime",
                                               "to_days",
                                               "trim",
                                               "truncate",
                                               "ucase",
                                               "unhex",
                                               "upper",
                                               "year",
                                               NULL};
    static const char *const every_argument[] = {"coalesce", "ifnull", NULL};
    bool every = e->args != NULL;
    switch (e->kind) {
    case EXPR_COLUMN:
        return true;
    case EXPR_LITERAL:
        return e->null_literal;
    case EXPR_PAREN:
        return is_null_of_nulls(e->args);
    case EXPR_OP:
        return (e->op == OP_PLUS || e->op == OP_MINUS || e->op == OP_MUL || e->op == OP_DIV ||
                e->op == OP_NEGATE || e->op == OP_POSITIVE) &&
               some_null(e->args);
    case EXPR_FUNC:
        if (is_any_of(e, any_argument))
            return some_null(e->args);
        for (const struct expr *a = e->args; a; a = a->next)
            every = every && is_null_of_nulls(a);
        return every && is_any_of(e, every_argument);
    default:
        return false;
    }
}

static bool some_null(const struct expr *list)
{
    while (list && !is_null_of_nulls(list))
        list = list->next;
    return list != NULL;
}

/* ---- sql_mode ORACLE ---- */

/* Whether nothing in it is among what ORACLE changes: text functions take NULL for '' there, or count
 * otherwise, and DATE has a time. */
static bool is_same_in_oracle(const struct expr *e)
{
    static const char *const functions_kept[] = {"abs",   "ceil",  "ceiling", "date_add", "date_sub",
                                                 "floor", "lcase", "lower",   "mod",      "reverse",
                                                 "round", "sign",  "ucase",   "upper",    NULL};
    bool same = e->kind == EXPR_COLUMN || e->kind == EXPR_LITERAL || e->kind == EXPR_PAREN ||
                e->kind == EXPR_INTERVAL || (e->kind == EXPR_FUNC && is_any_of(e, functions_kept)) ||
                (e->kind == EXPR_OP && (e->op == OP_PLUS || e->op == OP_MINUS || e->op == OP_MUL ||
                                        e->op == OP_DIV || e->op == OP_NEGATE || e->op == OP_POSITIVE));
    for (const struct expr *a = e->args; a && same; a = a->next)
        same = is_same_in_oracle(a);
    return same;
}

void expression_traits(const struct expr *tree, struct span source, struct expression *out)
{
    int traits = traits_of(tree, source);
    out->keeps_equality = traits & (SAME | SAME_HEX);
    out->keeps_ascii_only = traits & SAME_HEX;
    out->total = traits & TOTAL;
    out->same_in_oracle = is_same_in_oracle(tree);
    out->null_of_nulls = is_null_of_nulls(tree);
    out->converts = traits & CONVERTS;
    out->harmless = traits & HARMLESS && !(traits & UNSIGNED && traits & MINUS);
}
