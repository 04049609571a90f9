/* Texts as shapes, and which statements may be kept by theirs; see shape.h. */
#include "proxy/rewrite/shape.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proxy/sql/lexer.h"

enum { LONGEST_NUMBER = 18 };

/* ---- a text's shape ---- */

static void add(struct shape *shape, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(shape->bytes + shape->len, bytes, n);
    shape->len += (uint32_t)n;
}

/* How the text is read, and what is known beside it: all that rewrite_text() depends on but the rules. */
static bool add_reading(struct shape *shape, const struct rewrite_session *s)
{
    uint32_t reading[] = {
        s->dialect.modes,
        s->dialect.version,
        (uint32_t)s->dialect.mariadb | (uint32_t)s->sql_prepared << 1 | (uint32_t)s->asks << 2,
        (uint32_t)s->database.len,
    };
    if (s->dialect.charset != CHARSET_ASCII_SAFE || s->database.len > SHAPE_DATABASE_MAX || s->prepared ||
        s->temporary_count > 0 || s->find_prepared || s->value_count > 0 || s->want_parts || s->over)
        return false;
    add(shape, reading, sizeof reading);
    add(shape, s->database.ptr, s->database.len);
    return true;
}

static bool are_blanks(const char *p, const char *end)
{
    for (; p < end; p++)
        if (*p != ' ' && *p != '\n' && *p != '\t' && *p != '\r')
            return false;
    return true;
}

static bool is_plain_string(const char *p, const struct token *t)
{
    if (t->folded || p[0] != '\'')
        return false;
    for (uint32_t i = 1; i < t->len; i++)
        if (p[i] < ' ' || p[i] > '~' || p[i] == '\\')
            return false;
    return true;
}

static bool has_control(const char *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if ((unsigned char)p[i] < ' ')
            return true;
    return false;
}

enum part { PART_NONE, PART_TEXT, PART_VALUE };

static enum part part_of(const char *p, const struct token *t)
{
    switch (t->type) {
    case TOK_INT:
        return t->len <= LONGEST_NUMBER ? PART_VALUE : PART_NONE;
    case TOK_STRING:
        return is_plain_string(p, t) ? PART_VALUE : PART_NONE;
    case TOK_QUOTED:
        return has_control(p, t->len) ? PART_NONE : PART_TEXT;
    case TOK_WORD:
    case TOK_LE:
    case TOK_GE:
    case TOK_NE:
    case TOK_EQUAL:
    case '(':
    case ')':
    case ',':
    case '.':
    case '=':
    case '<':
    case '>':
    case '+':
    case '-':
    case '*':
        return PART_TEXT;
    default:
        return PART_NONE;
    }
}

bool shape_of(struct shape *shape, const struct rewrite_session *s, struct span text)
{
    struct lexer lx;
    struct token t;
    uint32_t added = 0, behind = 0; /* the text that is in the shape so far; the last token */
    shape->len = shape->count = 0;
    if (text.len > SHAPE_TEXT_MAX || !add_reading(shape, s))
        return false;
    shape->text = shape->len;
    lex_init(&lx, &s->dialect, text);
    for (;;) {
        if (!lex_read_plain(&lx, &t))
            lex_read_significant(&lx, &t);
        if (!are_blanks(text.ptr + behind, text.ptr + t.off)) /* a comment */
            return false;
        if (t.type == TOK_END)
            break;
        behind = t.off + t.len;
        enum part part = part_of(text.ptr + t.off, &t);
        if (part == PART_NONE || (part == PART_VALUE && shape->count == SHAPE_VALUES_MAX))
            return false;
        if (part == PART_TEXT)
            continue;
        shape->values[shape->count++] = (struct range){t.off, t.len};
        add(shape, text.ptr + added, t.off - added);
        shape->bytes[shape->len++] = t.type == TOK_INT ? SHAPE_NUMBER : SHAPE_STRING;
        added = behind;
    }
    add(shape, text.ptr + added, text.len - added);
    shape->hash = XXH3_64bits(shape->bytes, shape->len);
    return true;
}

/* ---- what may be kept ---- */

/* Counts the values that are found in their places. Those in any other place are missing at the end. */
struct places {
    const struct rules *rules;
    const struct shape *shape;
    uint32_t found;
};

static bool is_literal(const struct expr *e)
{
    if (e->kind == EXPR_OP && e->op == OP_NEGATE)
        e = e->args;
    return e->kind == EXPR_LITERAL;
}

static bool is_unmigrated(const struct places *at, const struct expr *e)
{
    return e->kind == EXPR_COLUMN && !rules_may_have_column(at->rules, e->name.text);
}

/* A literal that is a value whole: not a string of several, nor one with a word before it. */
static void find_value(struct places *at, const struct expr *e)
{
    if (e->kind == EXPR_OP && e->op == OP_NEGATE)
        e = e->args;
    for (uint32_t i = 0; e->kind == EXPR_LITERAL && i < at->shape->count; i++)
        at->found += at->shape->values[i].off == e->range.off && at->shape->values[i].len == e->range.len;
}

static void find_values(struct places *at, const struct expr *list)
{
    for (; list; list = list->next)
        find_value(at, list);
}

static bool is_comparison(const struct expr *e)
{
    switch (e->op) {
    case OP_EQ:
    case OP_NULLSAFE_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
    case OP_BETWEEN:
    case OP_IN:
    case OP_LIKE:
        return true;
    default:
        return false;
    }
}

static void find_in_condition(struct places *at, const struct expr *e)
{
    if (!e)
        return;
    bool joins = e->kind == EXPR_PAREN ||
                 (e->kind == EXPR_OP && (e->op == OP_AND || e->op == OP_OR || e->op == OP_NOT));
    bool compares = e->kind == EXPR_OP && is_comparison(e);
    for (const struct expr *a = e->args; a && joins; a = a->next)
        find_in_condition(at, a);
    for (const struct expr *a = e->args; a && compares; a = a->next)
        compares = is_literal(a) || is_unmigrated(at, a);
    if (compares)
        find_values(at, e->args);
}

/* v, or c + v. */
static void find_in_assignments(struct places *at, const struct assignment *a)
{
    for (; a; a = a->next) {
        const struct expr *e = a->value;
        bool adds = e->kind == EXPR_OP && (e->op == OP_PLUS || e->op == OP_MINUS || e->op == OP_MUL);
        if (adds)
            find_values(at, e->args);
        else
            find_value(at, e);
    }
}

/* Of a run, all values are literals. */
static void find_in_rows(struct places *at, const struct value_row *row)
{
    for (; row; row = row->next) {
        find_values(at, row->values);
        for (uint32_t i = 0; row->run > 0 && i < at->shape->count; i++)
            at->found += at->shape->values[i].off >= row->range.off &&
                         at->shape->values[i].off < range_end(row->range);
    }
}

static bool has_query(const struct expr *e)
{
    return e && e->has_query;
}

static void find_in_statement(struct places *at, const struct stmt *s)
{
    switch (s->kind) {
    case STMT_QUERY:
        if (s->query->with || s->query->body->kind != BODY_SELECT)
            return;
        if (has_query(s->query->body->select->where))
            return;
        find_in_condition(at, s->query->body->select->where);
        find_values(at, s->query->limit);
        return;
    case STMT_INSERT:
        find_in_rows(at, s->insert->rows);
        find_in_assignments(at, s->insert->set);
        return;
    case STMT_UPDATE:
        if (s->update->multi || s->update->with || has_query(s->update->where))
            return;
        find_in_assignments(at, s->update->set);
        find_in_condition(at, s->update->where);
        find_values(at, s->update->limit);
        return;
    case STMT_DELETE:
        if (s->del->multi || s->del->with || has_query(s->del->where))
            return;
        find_in_condition(at, s->del->where);
        find_values(at, s->del->limit);
        return;
    default:
        at->found = UINT32_MAX; /* has no shape, whatever is in it */
        return;
    }
}

bool shape_fits(struct arena *arena, const struct rewrite_session *s, const struct shape *shape,
                struct span text)
{
    struct places at = {s->rules, shape, 0};
    struct parse_error error;
    struct stmt *stmt = NULL;
    size_t off = 0;
    if (parse_statement(arena, &s->dialect, text, &off, &stmt, &error) != PARSE_OK || arena_failed(arena) ||
        off != text.len || stmt->explain || stmt->has_set_statement || stmt->has_executable ||
        stmt->param_count > 0)
        return false;
    find_in_statement(&at, stmt);
    return at.found == shape->count;
}
