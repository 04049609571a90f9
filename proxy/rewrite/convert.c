/* A repeated value, brought to what the old column stores of it.
 *
 * Where a statement's value has to be repeated inside an expression (INSERT … SELECT, order-less UPDATE),
 * the column has not converted it yet: 7.6 into an INT is stored as 8, a text may be cut, 'x' is no number.
 * The repetition is converted the way a store does it. What cannot be converted exactly is refused.
 *
 *     INT          LEAST(GREATEST(CAST(v AS DECIMAL(65,0)), low), high)   rounds halves away from zero, as a
 *                                                                 store of decimals and strings does
 *     DECIMAL      CAST(v AS DECIMAL(p,s))
 *     VARCHAR(n)   CAST(v AS CHAR(n) CHARACTER SET …) COLLATE …
 *     DATE …       CAST(v AS DATE) …
 *
 * A NOT NULL column stores 0 or '' for NULL where the statement goes on at all. Outside strict mode, and with
 * IGNORE, a column of dates stores zero dates for what is none, where a cast gives NULL: there only what is
 * certain to be a date is repeated. */
#include <limits.h>
#include <stdlib.h>

#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* ---- may it be repeated? ---- */

/* Words that may stand before '(' without being a function's name. */
static bool is_syntax_word(struct span word)
{
    static const char *const words[] = {
        "and",     "or",      "xor",       "not",    "in",      "exists", "any",       "all",      "some",
        "between", "like",    "regexp",    "rlike",  "is",      "when",   "then",      "else",     "case",
        "on",      "where",   "having",    "by",     "from",    "join",   "select",    "distinct", "values",
        "as",      "using",   "over",      "char",   "decimal", "div",    "mod",       "escape",   "binary",
        "varchar", "numeric", "datetime",  "time",   "union",   "except", "intersect", "end",      "table",
        "row",     "index",   "partition", "double", "float",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (span_ieq(word, span_of(words[i])))
            return true;
    return false;
}

static bool is_word(struct span word, const char *what)
{
    return span_ieq(word, span_of(what));
}

/* A function whose arguments follow. */
static bool call_is_repeatable(struct span name)
{
    enum function_trait trait = function_trait_of(name);
    if (is_word(name, "last_insert_id")) /* with an argument it sets it */
        return false;
    return trait == FUNCTION_UNKNOWN ? is_syntax_word(name) : trait != FUNCTION_CHANCE;
}

bool is_repeatable(struct plan *p, struct range r)
{
    struct lexer lx;
    struct span text = {p->text.ptr, range_end(r)};
    struct span word = {NULL, 0};
    bool was_word = false;
    lex_init(&lx, &p->session->dialect, text);
    lx.pos = r.off;
    for (struct token t = lex_next_significant(&lx); t.type != TOK_END; t = lex_next_significant(&lx)) {
        if (t.type == TOK_ASSIGN || t.type == TOK_BAD)
            return false;
        if (t.type == TOK_USER_VAR && memmem(p->text.ptr, p->text.len, ":=", 2))
            return false;
        if (t.type == '(' && was_word && !call_is_repeatable(word))
            return false;
        was_word = t.type == TOK_WORD || t.type == TOK_QUOTED;
        word = (struct span){text.ptr + t.off, t.len};
        if (t.type == TOK_QUOTED && word.len > 1)
            word = (struct span){word.ptr + 1, word.len - 2};
        if (t.type == TOK_WORD &&
            (is_word(word, "over") || is_word(word, "limit") || is_word(word, "nextval") ||
             is_word(word, "next") || is_word(word, "sysdate")))
            return false;
    }
    return true;
}

/* ---- what kind of value is it? ---- */

static enum value_class class_of_column(const struct catalog_column *c)
{
    switch (c->class) {
    case COLUMN_INTEGER:
    case COLUMN_DECIMAL:
        return VALUE_EXACT;
    case COLUMN_FLOAT:
        return VALUE_FLOAT;
    case COLUMN_STRING:
        return VALUE_STRING;
    case COLUMN_TEMPORAL: /* a YEAR is stored as a number is */
        return span_ieq((struct span){c->type.ptr, c->type.len < 4 ? c->type.len : 4}, SPAN("year"))
                   ? VALUE_UNKNOWN
                   : VALUE_TEMPORAL;
    default:
        return VALUE_UNKNOWN;
    }
}

const struct catalog_column *column_meant(struct plan *p, const struct scope *scope, const struct expr *e)
{
    for (; scope; scope = scope->outer) {
        const struct catalog_column *found = NULL;
        for (const struct source *s = scope->first; s; s = s->next) {
            if (name_given(&e->table) && source_named(p, scope, &e->db, &e->table) != s)
                continue;
            enum knowledge k = source_has(p, s, e->name.text);
            if (k == HAS_NOT)
                continue;
            if (k == MAY_HAVE || found || s->kind != SOURCE_TABLE)
                return NULL;
            found = catalog_column_of(s->table, e->name.text);
            if (!found)
                return NULL;
        }
        if (found)
            return found;
    }
    return NULL;
}

static enum value_class class_of_literal(const struct plan *p, const struct expr *e)
{
    struct span text = span_in(p->text, e->range);
    if (e->null_literal)
        return VALUE_NULL;
    if (lex_is(text.ptr[0], CLASS_DIGIT) || text.ptr[0] == '.') {
        if (text.len > 1 && (text.ptr[1] == 'x' || text.ptr[1] == 'b'))
            return VALUE_UNKNOWN;
        return memchr(text.ptr, 'e', text.len) || memchr(text.ptr, 'E', text.len) ? VALUE_FLOAT : VALUE_EXACT;
    }
    if (text.ptr[0] == '\'' || text.ptr[0] == '"' || text.ptr[0] == '_')
        return VALUE_STRING;
    return span_ieq(text, SPAN("true")) || span_ieq(text, SPAN("false")) ? VALUE_EXACT : VALUE_UNKNOWN;
}

static enum value_class class_of_function(const struct expr *e)
{
    static const char *const strings[] = {
        "concat",      "concat_ws", "upper",        "ucase",        "lower",
        "lcase",       "trim",      "ltrim",        "rtrim",        "left",
        "right",       "mid",       "substr",       "substring",    "substring_index",
        "replace",     "repeat",    "lpad",         "rpad",         "reverse",
        "hex",         "md5",       "sha1",         "sha2",         "elt",
        "insert",      "quote",     "space",        "group_concat", "json_unquote",
        "date_format", "user",      "current_user", "database",
    };
    static const char *const exacts[] = {
        "count",        "length",   "char_length", "character_length",
        "octet_length", "locate",   "instr",       "position",
        "ascii",        "ord",      "crc32",       "year",
        "month",        "day",      "hour",        "minute",
        "second",       "datediff", "to_days",     "sign",
        "bit_count",    "strcmp",   "field",       "find_in_set",
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (is_word(e->name.text, strings[i]))
            return VALUE_STRING;
    for (size_t i = 0; i < sizeof exacts / sizeof exacts[0]; i++)
        if (is_word(e->name.text, exacts[i]))
            return VALUE_EXACT;
    return function_trait_of(e->name.text) == FUNCTION_CLOCK ? VALUE_TEMPORAL : VALUE_UNKNOWN;
}

static bool is_number(enum value_class c)
{
    return c == VALUE_EXACT || c == VALUE_QUOTIENT;
}

/* What a value has in common with those before it; a NULL is of every class. */
static enum value_class common_class(enum value_class all, enum value_class c)
{
    if (all == VALUE_NULL || c == VALUE_NULL)
        return all == VALUE_NULL ? c : all;
    return all == c ? c : is_number(all) && is_number(c) ? VALUE_QUOTIENT : VALUE_UNKNOWN;
}

/* What all of several operands have in common. */
static enum value_class class_of_all(struct plan *p, const struct scope *s, const struct expr *list)
{
    enum value_class all = VALUE_NULL;
    for (; list; list = list->next) {
        all = common_class(all, value_class_of(p, s, list));
    }
    return all;
}

/* One of several operands, brought to what they have in common: a number's digits are then not its own. */
static enum value_class class_of_any(struct plan *p, const struct scope *s, const struct expr *list)
{
    enum value_class c = class_of_all(p, s, list);
    return c == VALUE_EXACT ? VALUE_QUOTIENT : c;
}

/* The type that CAST and CONVERT name behind their operand. */
static enum value_class class_of_cast(struct plan *p, const struct expr *e)
{
    static const struct {
        const char *word;
        enum value_class class;
    } types[] = {
        {"char", VALUE_STRING},    {"varchar", VALUE_STRING},    {"nchar", VALUE_STRING},
        {"decimal", VALUE_EXACT},  {"dec", VALUE_EXACT},         {"signed", VALUE_EXACT},
        {"unsigned", VALUE_EXACT}, {"integer", VALUE_EXACT},     {"int", VALUE_EXACT},
        {"date", VALUE_TEMPORAL},  {"datetime", VALUE_TEMPORAL}, {"double", VALUE_FLOAT},
        {"float", VALUE_FLOAT},
    };
    struct lexer lx;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, range_end(e->range)});
    lx.pos = range_end(e->args->range);
    struct token between = lex_next_significant(&lx);
    while (between.type == ')')
        between = lex_next_significant(&lx);
    if (between.type == TOK_WORD && is_word((struct span){p->text.ptr + between.off, between.len}, "using"))
        return VALUE_STRING;
    struct token type = lex_next_significant(&lx);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_word((struct span){p->text.ptr + type.off, type.len}, types[i].word))
            return types[i].class;
    return VALUE_UNKNOWN;
}

static bool is_one_of(struct span word, const char *const *words)
{
    for (; *words; words++)
        if (is_word(word, *words))
            return true;
    return false;
}

static enum value_class class_of_call(struct plan *p, const struct scope *s, const struct expr *e)
{
    static const char *const choosing[] = {"coalesce", "ifnull", "greatest", "least", "nullif", NULL};
    static const char *const numeric[] = {"sum",  "avg", "abs",      "round", "floor",
                                          "ceil", "mod", "truncate", NULL};
    struct span name = e->name.text;
    if (e->args && (is_word(name, "cast") || is_word(name, "convert")))
        return class_of_cast(p, e);
    if (is_one_of(name, choosing))
        return class_of_any(p, s, e->args);
    if (is_word(name, "if") && e->args)
        return class_of_any(p, s, e->args->next);
    if (is_word(name, "max") || is_word(name, "min"))
        return class_of_all(p, s, e->args);
    if (is_one_of(name, numeric)) {
        enum value_class c = class_of_all(p, s, e->args);
        return !is_number(c) ? VALUE_UNKNOWN : is_word(name, "avg") ? VALUE_QUOTIENT : c;
    }
    return class_of_function(e);
}

/* MariaDB 11.8 stores the product 2 * 1.5 into a text as 3, and casts it to 3.0; 10.11 and MySQL have 3.0 for
 * both. */
static bool product_drops_zeros(const struct plan *p)
{
    return p->rules->mariadb && p->session->dialect.version >= 110000;
}

/* Operators that the tree does not tell apart: what stands between the first two operands. */
static bool is_integer_operator(const struct plan *p, const struct expr *e)
{
    static const char *const operators[] = {"%", "mod", "div", "&", "|", "^", "<<", ">>"};
    if (!e->args || !e->args->next)
        return false;
    const char *from = p->text.ptr + range_end(e->args->range);
    const char *to = p->text.ptr + e->args->next->range.off;
    while (from < to && lex_is(*from, CLASS_SPACE))
        from++;
    while (from < to && lex_is(to[-1], CLASS_SPACE))
        to--;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (is_word((struct span){from, (size_t)(to - from)}, operators[i]))
            return true;
    return false;
}

static enum value_class class_of_operator(struct plan *p, const struct scope *s, const struct expr *e)
{
    enum value_class all;
    if (gives_truth(e->op))
        return VALUE_EXACT;
    switch (e->op) {
    case OP_DIV:
        return is_number(class_of_all(p, s, e->args)) ? VALUE_QUOTIENT : VALUE_UNKNOWN;
    case OP_PLUS:
    case OP_MINUS:
    case OP_MUL:
    case OP_NEGATE:
    case OP_POSITIVE:
        all = class_of_all(p, s, e->args);
        if (e->op == OP_MUL && is_number(all) && product_drops_zeros(p))
            return VALUE_QUOTIENT;
        return is_number(all) ? all : VALUE_UNKNOWN;
    case OP_COLLATE:
        return class_of_all(p, s, e->args) == VALUE_STRING ? VALUE_STRING : VALUE_UNKNOWN;
    case OP_OTHER:
        all = class_of_all(p, s, e->args);
        return is_integer_operator(p, e) && is_number(all) ? all : VALUE_UNKNOWN;
    default:
        return VALUE_UNKNOWN;
    }
}

/* A subquery's value is its one item's. */
static enum value_class class_of_subquery(struct plan *p, const struct expr *e)
{
    const struct query_body *body = e->query->body;
    const struct scope *s = body->kind == BODY_SELECT ? scope_of(p, body->select) : NULL;
    if (s && body->select->items)
        return value_class_of(p, s, body->select->items->expr);
    return VALUE_UNKNOWN;
}

/* The column of a derived table or a CTE: its one SELECT's item of that name. */
static enum value_class class_of_item(struct plan *p, const struct scope *scope, const struct expr *e)
{
    const struct source *found = NULL;
    for (const struct source *s = scope ? scope->first : NULL; s; s = s->next) {
        if (name_given(&e->table) ? source_named(p, scope, &e->db, &e->table) != s
                                  : source_has(p, s, e->name.text) == HAS_NOT)
            continue;
        if (found)
            return VALUE_UNKNOWN;
        found = s;
    }
    if (!found || !found->query || found->columns || !found->shape)
        return VALUE_UNKNOWN;
    const struct query_body *body = found->query->body;
    while (body->kind == BODY_PAREN)
        body = body->query->body;
    if (body->kind != BODY_SELECT)
        return VALUE_UNKNOWN;
    struct expr inner = {.kind = EXPR_COLUMN, .name = e->name};
    for (const struct select_item *item = body->select->items; item; item = item->next) {
        if (item->expr->kind == EXPR_STAR) {
            inner.db = item->expr->db;
            inner.table = item->expr->table;
            enum value_class c = value_class_of(p, found->shape, &inner);
            if (c != VALUE_UNKNOWN)
                return c;
        } else if (span_ieq(item_label(item), e->name.text)) {
            return value_class_of(p, found->shape, item->expr);
        }
    }
    return VALUE_UNKNOWN;
}

static bool next_is(struct plan *p, uint32_t from, uint32_t to, const char *word)
{
    struct lexer lx;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, to});
    lx.pos = from;
    struct token t = lex_next_significant(&lx);
    return t.type == TOK_WORD && is_word((struct span){p->text.ptr + t.off, t.len}, word);
}

/* What CASE gives: the operands behind THEN and ELSE. */
static enum value_class class_of_case(struct plan *p, const struct scope *s, const struct expr *e)
{
    bool searched = next_is(p, e->range.off + 4, range_end(e->range), "when");
    enum value_class all = VALUE_NULL;
    uint32_t at = searched ? 0 : 1;
    for (const struct expr *a = searched ? e->args : e->args->next; a; a = a->next, at++) {
        bool is_condition = searched ? at % 2 == 0 : at % 2 == 1;
        if (is_condition && a->next)
            continue; /* the last one, where none follows, is ELSE's */
        all = common_class(all, value_class_of(p, s, a));
    }
    return all == VALUE_EXACT ? VALUE_QUOTIENT : all;
}

enum value_class value_class_of(struct plan *p, const struct scope *s, const struct expr *e)
{
    const struct catalog_column *c;
    switch (e->kind) {
    case EXPR_LITERAL:
        p->values_matter = true;
        return class_of_literal(p, e);
    case EXPR_PARAM:
        return VALUE_PARAM;
    case EXPR_PAREN:
        return value_class_of(p, s, e->args);
    case EXPR_COLUMN:
        c = column_meant(p, s, e);
        return c ? class_of_column(c) : class_of_item(p, s, e);
    case EXPR_CASE:
        return class_of_case(p, s, e);
    case EXPR_VALUES_OF:
        return e->args ? value_class_of(p, s, e->args) : VALUE_UNKNOWN;
    case EXPR_FUNC:
        return class_of_call(p, s, e);
    case EXPR_SUBQUERY:
        return class_of_subquery(p, e);
    case EXPR_OP:
        return class_of_operator(p, s, e);
    default:
        return VALUE_UNKNOWN;
    }
}

/* ---- the conversion ---- */

/* The value is a column of the very type, or VALUES() of one: it is stored as it is. */
static bool is_same_type(struct plan *p, const struct scope *s, const struct catalog_column *c,
                         const struct expr *e)
{
    while (e->kind == EXPR_PAREN || (e->kind == EXPR_VALUES_OF && e->args))
        e = e->args;
    if (e->kind != EXPR_COLUMN)
        return false;
    const struct catalog_column *from = column_meant(p, s, e);
    return from && span_ieq(from->type, c->type) && span_eq(from->charset, c->charset) &&
           span_eq(from->collation, c->collation) && (c->nullable || !from->nullable);
}

static bool type_begins(struct span type, const char *word)
{
    size_t len = strlen(word);
    return type.len >= len && span_ieq((struct span){type.ptr, len}, span_of(word)) &&
           (type.len == len || type.ptr[len] == '(' || type.ptr[len] == ' ');
}

/* "(10,2)" of "decimal(10,2) unsigned"; empty where there is none. */
static struct span type_length(struct span type)
{
    const char *open = memchr(type.ptr, '(', type.len), *close = memchr(type.ptr, ')', type.len);
    return open && close ? (struct span){open, (size_t)(close - open) + 1} : SPAN("");
}

static bool type_is_unsigned(struct span type)
{
    return memmem(type.ptr, type.len, "unsigned", 8) != NULL;
}

struct integer_range {
    const char *type, *low, *high, *unsigned_high;
};

static const struct integer_range *integer_range_of(struct span type)
{
    static const struct integer_range ranges[] = {
        {"tinyint", "-128", "127", "255"},
        {"smallint", "-32768", "32767", "65535"},
        {"mediumint", "-8388608", "8388607", "16777215"},
        {"int", "-2147483648", "2147483647", "4294967295"},
        {"integer", "-2147483648", "2147483647", "4294967295"},
        {"bigint", "-9223372036854775808", "9223372036854775807", "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (type_begins(type, ranges[i].type))
            return &ranges[i];
    return NULL;
}

static void add_cast(struct builder *b, struct fragment value, const char *type, struct span length,
                     const char *tail)
{
    builder_add(b, SPAN("CAST("));
    builder_add_fragment(b, value);
    builder_add(b, SPAN(" AS "));
    builder_add(b, span_of(type));
    builder_add(b, length);
    builder_add(b, span_of(tail));
    builder_add(b, SPAN(")"));
}

static bool convert_integer(struct builder *b, const struct catalog_column *c, struct fragment v)
{
    const struct integer_range *range = integer_range_of(c->type);
    bool is_unsigned = type_is_unsigned(c->type);
    if (!range)
        return false;
    builder_add(b, SPAN("LEAST(GREATEST("));
    add_cast(b, v, "DECIMAL(65,0)", SPAN(""), "");
    builder_add(b, SPAN(", "));
    builder_add(b, span_of(is_unsigned ? "0" : range->low));
    builder_add(b, SPAN("), "));
    builder_add(b, span_of(is_unsigned ? range->unsigned_high : range->high));
    builder_add(b, SPAN(")"));
    return true;
}

static bool convert_decimal(struct builder *b, const struct catalog_column *c, struct fragment v)
{
    bool is_unsigned = type_is_unsigned(c->type);
    if (is_unsigned)
        builder_add(b, SPAN("GREATEST("));
    add_cast(b, v, "DECIMAL", type_length(c->type), "");
    if (is_unsigned)
        builder_add(b, SPAN(", 0)"));
    return true;
}

static bool convert_string(struct builder *b, const struct catalog_column *c, struct fragment v)
{
    bool fixed = type_begins(c->type, "char");
    if (c->charset.len == 0)
        return false;
    builder_add(b, SPAN("("));
    if (fixed)
        builder_add(b, SPAN("TRIM(TRAILING _utf8mb4' ' FROM "));
    builder_add(b, SPAN("CAST("));
    builder_add_fragment(b, v);
    builder_add(b, SPAN(" AS CHAR"));
    builder_add(b, type_length(c->type));
    builder_add(b, SPAN(" CHARACTER SET "));
    builder_add(b, c->charset);
    builder_add(b, SPAN(")"));
    if (c->collation.len) {
        builder_add(b, SPAN(" COLLATE "));
        builder_add(b, c->collation);
    }
    if (fixed)
        builder_add(b, SPAN(")"));
    builder_add(b, SPAN(")"));
    return true;
}

/* MySQL rounds what it stores to whole seconds, up to the next day's midnight; its cast to DATE does not. */
static bool convert_temporal(struct plan *p, struct builder *b, const struct catalog_column *c,
                             struct fragment v)
{
    struct builder rounded = {.arena = p->arena};
    if (type_begins(c->type, "date") && !p->rules->mariadb) {
        add_cast(&rounded, v, "DATETIME", SPAN(""), "");
        v = builder_done(&rounded);
    }
    if (type_begins(c->type, "date"))
        add_cast(b, v, "DATE", SPAN(""), "");
    else if (type_begins(c->type, "datetime"))
        add_cast(b, v, "DATETIME", type_length(c->type), "");
    else
        return false;
    return true;
}

/* Whether values of this class are converted by the cast just as by a store. */
static bool is_exact_for(enum column_class c, enum value_class v)
{
    switch (c) {
    case COLUMN_INTEGER:
        return is_number(v) || v == VALUE_STRING || v == VALUE_PARAM;
    case COLUMN_DECIMAL:
        return is_number(v) || v == VALUE_STRING || v == VALUE_PARAM || v == VALUE_FLOAT;
    case COLUMN_STRING:
        return v == VALUE_EXACT || v == VALUE_STRING || v == VALUE_PARAM || v == VALUE_TEMPORAL;
    case COLUMN_TEMPORAL:
        return v == VALUE_STRING || v == VALUE_PARAM || v == VALUE_TEMPORAL;
    default:
        return false;
    }
}

/* Whether a hint of MySQL's may put another sql_mode in force, SET_VAR(sql_mode = …). It does so from any
 * SELECT of the statement, and is a comment to the parser. */
static bool may_set_modes(const struct plan *p)
{
    struct span s = span_in(p->text, p->stmt->range), hint = SPAN("/*+");
    const char *found = p->rules->mariadb ? NULL : memmem(s.ptr, s.len, hint.ptr, hint.len);
    return found && contains((struct span){found, s.len - (size_t)(found - s.ptr)}, SPAN("sql_mode"));
}

/* Whether the statement goes on where a value does not fit. */
static bool is_loose(const struct plan *p)
{
    const struct stmt *s = p->stmt;
    return (p->session->dialect.modes & SQL_LOOSE) || (s->kind == STMT_INSERT && s->insert->ignore) ||
           (s->kind == STMT_UPDATE && s->update->ignore) || may_set_modes(p);
}

/* Whether a column of dates may store a zero date where the cast of the value is NULL. */
static bool may_be_zero_date(const struct plan *p, const struct catalog_column *c, const struct expr *e,
                             enum value_class class)
{
    bool clock = e->kind == EXPR_FUNC && function_trait_of(e->name.text) == FUNCTION_CLOCK;
    if (c->class != COLUMN_TEMPORAL || clock || is_date_literal(p, e, type_begins(c->type, "datetime")) ||
        (class == VALUE_TEMPORAL && c->nullable))
        return false;
    return is_loose(p);
}

/* What a NOT NULL column stores for NULL where the statement does not fail. */
static const char *null_becomes(const struct catalog_column *c)
{
    if (c->nullable)
        return NULL;
    return c->class == COLUMN_INTEGER || c->class == COLUMN_DECIMAL ? "0"
           : c->class == COLUMN_STRING                              ? "_utf8mb4 X''"
                                                                    : NULL;
}

static bool convert(struct plan *p, struct builder *b, const struct catalog_column *c, struct fragment v)
{
    switch (c->class) {
    case COLUMN_INTEGER:
        return convert_integer(b, c, v);
    case COLUMN_DECIMAL:
        return convert_decimal(b, c, v);
    case COLUMN_STRING:
        return convert_string(b, c, v);
    case COLUMN_TEMPORAL:
        return convert_temporal(p, b, c, v);
    default:
        return false;
    }
}

/* What an execution must see to where a parameter is repeated into a column of that type
 * (protocol/parameter_map.h). */
static uint32_t need_of_column(const struct plan *p, const struct catalog_column *c)
{
    uint32_t need = p->rules->mariadb ? 0 : MAP_MYSQL;
    if (c->class == COLUMN_INTEGER)
        return need | MAP_WHOLE;
    if (c->class != COLUMN_STRING)
        return need;
    struct span length = type_length(c->type);
    unsigned long chars = length.len ? strtoul(length.ptr + 1, NULL, 10) : ULONG_MAX;
    return need | (p->rules->mariadb ? 0 : MAP_MOMENT) | (chars <= MAP_TEXT ? (uint32_t)chars : 0);
}

/* Marks a repeated parameter with what it needs. Values that are put together from parameters are of no type
 * that an execution could look at. */
static bool mark_parameter(struct plan *p, const struct catalog_column *c, const struct expr *e,
                           struct fragment *value)
{
    uint32_t need = need_of_column(p, c);
    while (e->kind == EXPR_PAREN)
        e = e->args;
    if (need == 0)
        return true;
    if ((e->kind != EXPR_PARAM || value->param_count != 1) && (need & ~MAP_MYSQL))
        return false;
    uint32_t *marked = arena_alloc(p->arena, (value->param_count + 1) * sizeof *marked);
    for (uint32_t i = 0; i < value->param_count && !arena_failed(p->arena); i++)
        marked[i] = MAP_INDEX(value->params[i]) | need << 16;
    value->params = marked;
    return true;
}

bool stored_value(struct plan *p, const struct scope *s, const struct rule *rule,
                  const struct catalog_column *c, const struct expr *e, struct fragment value,
                  struct fragment *out)
{
    bool edited = !span_eq(value.text, span_in(p->text, e->range));
    return stored_column(p, s, rule, c, e, edited, value, out);
}

bool stored_column(struct plan *p, const struct scope *s, const struct rule *rule,
                   const struct catalog_column *c, const struct expr *e, bool flipped, struct fragment value,
                   struct fragment *out)
{
    struct builder b = {.arena = p->arena};
    enum value_class class = value_class_of(p, s, e);
    const char *null = null_becomes(c);
    if ((!flipped && is_same_type(p, s, c, e)) || (class == VALUE_NULL && c->nullable)) {
        builder_add(&b, SPAN("("));
        builder_add_fragment(&b, value);
        builder_add(&b, SPAN(")"));
        *out = builder_done(&b);
        return true;
    }
    if (null)
        builder_add(&b, SPAN("IFNULL("));
    if (!is_exact_for(c->class, class) || may_be_zero_date(p, c, e, class) ||
        (class == VALUE_PARAM && !mark_parameter(p, c, e, &value)) || !convert(p, &b, c, value)) {
        refuse_about(p, rule, "the value of %.*s cannot be repeated as the column will store it", c->name,
                     "give it a value of the column's own type, or set the new columns too");
        return false;
    }
    if (null) {
        builder_add(&b, SPAN(", "));
        builder_add(&b, span_of(null));
        builder_add(&b, SPAN(")"));
    }
    *out = builder_done(&b);
    return true;
}
