/* Compiles one expression: the tree says what may not be in it, the tokens are copied into the compiled
 * text with what a session could change made fast.
 *
 *     text ── parse ──▶ tree ── check every node; mark what the copy has to know (marks[], by offset)
 *      └──── lex ────▶ tokens ── copy, with the marks applied ──▶ expression.text, refs[] */
#include "proxy/rewrite/expression.h"

#include <stdio.h>

#include "protocol/buf.h"
#include "proxy/sql/lexer.h"

/* How expressions of the configuration are read, whatever the sessions have set. */
static const struct sql_dialect plain_dialect = {.mariadb = true, .version = 101100};

enum mark_kind { MARK_COLUMN, MARK_FUNCTION, MARK_OPEN, MARK_CLOSE };

/* Something that the copy does at an offset of the source. */
struct mark {
    enum mark_kind kind;
    uint32_t off;
    struct span column; /* MARK_COLUMN: as the migration names it */
    struct mark *next;
};

struct compiler {
    struct arena *arena;
    struct span source;
    const struct span *columns;
    size_t column_count;
    struct mark *marks;
    char *error;
    size_t error_size;
    bool failed;

    struct lexer lexer;
    struct token token, previous; /* significant ones */
    struct buf out;
    struct expression_ref *refs;
    size_t ref_count, ref_cap;
};

static bool refuse(struct compiler *c, const char *format, struct span about)
{
    if (!c->failed)
        snprintf(c->error, c->error_size, format, (int)about.len, about.ptr ? about.ptr : "");
    c->failed = true;
    return false;
}

static void add_mark(struct compiler *c, enum mark_kind kind, uint32_t off, struct span column)
{
    struct mark *m = arena_new_of(c->arena, struct mark);
    *m = (struct mark){.kind = kind, .off = off, .column = column, .next = c->marks};
    c->marks = m;
}

static const struct mark *mark_at(const struct compiler *c, enum mark_kind kind, uint32_t off)
{
    for (const struct mark *m = c->marks; m; m = m->next)
        if (m->kind == kind && m->off == off)
            return m;
    return NULL;
}

static bool check_column(struct compiler *c, const struct expr *e)
{
    if (name_given(&e->table))
        return refuse(c, "column \"%.*s\" must be named without its table", e->name.text);
    for (size_t i = 0; i < c->column_count; i++)
        if (span_ieq(c->columns[i], e->name.text)) {
            add_mark(c, MARK_COLUMN, e->range.off, c->columns[i]);
            return true;
        }
    return refuse(c, "unknown column \"%.*s\": only the columns of the other side may be named",
                  e->name.text);
}

/* Whether a date format is free of names that lc_time_names spells: a literal without %M %b %W %a %v …
 *. */
static bool format_has_no_names(const struct expr *e, struct span source)
{
    if (!e || e->kind != EXPR_LITERAL)
        return false;
    for (uint32_t i = e->range.off; i + 1 < range_end(e->range); i++)
        if (source.ptr[i] == '%' && strchr("MbWa", source.ptr[i + 1]))
            return false;
    return true;
}

static bool check_function(struct compiler *c, const struct expr *e)
{
    static const char *const reasons[] = {
        [FUNCTION_UNKNOWN] = "function \"%.*s\" is not known to give the same result in every session",
        [FUNCTION_LOCALE] = "function \"%.*s\" depends on the session (lc_time_names) with this format",
        [FUNCTION_WEEK] = "function \"%.*s\" depends on the session without its second argument",
        [FUNCTION_SESSION] = "function \"%.*s\" depends on the session",
        [FUNCTION_CLOCK] = "function \"%.*s\" depends on the clock",
        [FUNCTION_CHANCE] = "function \"%.*s\" does not give the same result twice",
        [FUNCTION_AGGREGATE] = "\"%.*s\" is an aggregate or window function",
    };
    enum function_trait trait = function_trait_of(e->name.text);
    if (name_given(&e->db))
        trait = FUNCTION_UNKNOWN;
    if (e->windowed)
        trait = FUNCTION_AGGREGATE;
    if (trait == FUNCTION_LOCALE && e->args && format_has_no_names(e->args->next, c->source))
        trait = FUNCTION_PURE;
    if (trait == FUNCTION_WEEK && e->args && e->args->next)
        trait = FUNCTION_PURE;
    if (trait != FUNCTION_PURE)
        return refuse(c, reasons[trait], e->name.text);
    add_mark(c, MARK_FUNCTION, e->range.off, e->name.text);
    return true;
}

static bool check_node(struct expr *e, void *ctx)
{
    static const char *const reasons[] = {
        [EXPR_PARAM] = "a parameter is not allowed",
        [EXPR_STAR] = "* is not allowed",
        [EXPR_USER_VAR] = "a user variable is not allowed",
        [EXPR_SYS_VAR] = "a system variable is not allowed",
        [EXPR_SUBQUERY] = "a subquery is not allowed",
        [EXPR_EXISTS] = "a subquery is not allowed",
        [EXPR_DEFAULT] = "DEFAULT is not allowed",
        [EXPR_DEFAULT_OF] = "DEFAULT is not allowed",
        [EXPR_VALUES_OF] = "VALUES is not allowed",
        [EXPR_ASSIGN] = "an assignment is not allowed",
        [EXPR_MATCH] = "MATCH is not allowed",
        [EXPR_SEQUENCE] = "a sequence is not allowed",
    };
    struct compiler *c = ctx;
    struct span none = {"", 0};
    if (e->query)
        return refuse(c, "a subquery is not allowed%.*s", none);
    if (e->kind == EXPR_COLUMN)
        return check_column(c, e);
    if (e->kind == EXPR_FUNC)
        return check_function(c, e);
    if ((size_t)e->kind < sizeof reasons / sizeof reasons[0] && reasons[e->kind]) {
        snprintf(c->error, c->error_size, "%s", reasons[e->kind]);
        c->failed = true;
        return false;
    }
    if (e->kind == EXPR_OP && e->op == OP_NOT && e->args && c->source.ptr[e->range.off] != '!') {
        add_mark(c, MARK_OPEN, e->args->range.off, none);
        add_mark(c, MARK_CLOSE, range_end(e->args->range), none);
    }
    return true;
}

/* The next significant token; *blank: whether blanks or a comment stood before it. */
static bool advance(struct compiler *c, bool *blank)
{
    c->previous = c->token;
    *blank = false;
    for (;;) {
        c->token = lex_next(&c->lexer);
        if (c->token.type == TOK_COMMENT) {
            const char *p = c->source.ptr + c->token.off;
            if (c->token.len > 2 && p[0] == '/' && (p[2] == '!' || p[2] == 'M'))
                return refuse(c, "an executable comment is not allowed%.*s", SPAN(""));
        } else if (c->token.type != TOK_SPACE) {
            return true;
        }
        *blank = true;
    }
}

static bool token_is(const struct compiler *c, struct token t, const char *word)
{
    return t.type == TOK_WORD && span_ieq((struct span){c->source.ptr + t.off, t.len}, span_of(word));
}

/* Appends what the string token says, its quotes and escapes undone. */
static void decode_string(const struct compiler *c, struct token t, struct buf *out)
{
    static const char from[] = "0bnrtZ", to[] = "\0\b\n\r\t\x1a";
    const char *p = c->source.ptr + t.off + 1, *end = c->source.ptr + t.off + t.len - 1;
    char quote = p[-1];
    for (; p < end; p++) {
        if (*p == quote) {
            p++; /* doubled */
        } else if (*p == '\\' && p + 1 < end) {
            const char *escape = strchr(from, *++p);
            if (*p == '%' || *p == '_')
                buf_add_byte(out, '\\');
            if (*p && escape) {
                buf_add_byte(out, (unsigned char)to[escape - from]);
                continue;
            }
        }
        buf_add_byte(out, (unsigned char)*p);
    }
}

/* A literal that no sql_mode and no character set changes. */
static void emit_string(struct compiler *c, struct span value, bool introducer)
{
    bool plain = value.len > 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        plain = plain && byte >= ' ' && byte < 0x7f && byte != '\\';
    }
    if (introducer)
        buf_add_str(&c->out, plain ? "_utf8mb4" : "_utf8mb4 ");
    buf_add_str(&c->out, plain ? "'" : "X'");
    for (size_t i = 0; i < value.len; i++) {
        if (!plain)
            buf_printf(&c->out, "%02X", (unsigned)(unsigned char)value.ptr[i]);
        else if (value.ptr[i] == '\'')
            buf_add_str(&c->out, "''");
        else
            buf_add_byte(&c->out, (unsigned char)value.ptr[i]);
    }
    buf_add_byte(&c->out, '\'');
}

/* One or several adjacent string tokens; leaves c->token on what follows. */
static bool copy_strings(struct compiler *c, bool *blank)
{
    struct buf value = BUF_INIT;
    struct token before = c->previous;
    bool typed =
        token_is(c, before, "DATE") || token_is(c, before, "TIME") || token_is(c, before, "TIMESTAMP");
    bool introduced = before.type == TOK_WORD && c->source.ptr[before.off] == '_';
    bool ok = true;
    while (ok && c->token.type == TOK_STRING) {
        decode_string(c, c->token, &value);
        ok = advance(c, blank);
    }
    for (size_t i = 0; ok && typed && i < buf_len(&value); i++)
        if (!strchr("0123456789-:. T/", buf_ptr(&value)[i]))
            ok = refuse(c, "not a plain date or time literal%.*s", SPAN(""));
    if (ok)
        emit_string(c, buf_span(&value), !typed && !introduced);
    buf_free(&value);
    return ok;
}

static void add_ref(struct compiler *c, struct span column)
{
    if (c->ref_count == c->ref_cap) {
        size_t cap = c->ref_cap ? c->ref_cap * 2 : 4;
        struct expression_ref *grown = arena_alloc(c->arena, cap * sizeof *grown);
        if (arena_failed(c->arena))
            return;
        for (size_t i = 0; i < c->ref_count; i++)
            grown[i] = c->refs[i];
        c->refs = grown;
        c->ref_cap = cap;
    }
    struct span quoted = quoted_name(c->arena, column);
    c->refs[c->ref_count++] = (struct expression_ref){
        .off = (uint32_t)buf_len(&c->out), .len = (uint32_t)quoted.len, .column = column};
    buf_add_span(&c->out, quoted);
}

/* Whether c->token is the CHAR of CAST(… AS CHAR) or CONVERT(…, CHAR): a type, not the function. */
static bool is_char_type(const struct compiler *c)
{
    bool place = token_is(c, c->previous, "AS") || c->previous.type == ',';
    return place && !mark_at(c, MARK_FUNCTION, c->token.off) && !mark_at(c, MARK_COLUMN, c->token.off) &&
           (token_is(c, c->token, "CHAR") || token_is(c, c->token, "CHARACTER") ||
            token_is(c, c->token, "VARCHAR"));
}

static void emit_token(struct compiler *c)
{
    if (c->token.type == TOK_OR_OR)
        buf_add_str(&c->out, " OR ");
    else
        buf_add(&c->out, c->source.ptr + c->token.off, c->token.len);
}

/* CHAR[(n)], with the character set that the connection would else decide. */
static bool copy_char_type(struct compiler *c, bool *blank)
{
    emit_token(c);
    if (!advance(c, blank))
        return false;
    if (c->token.type == '(') {
        while (c->token.type != ')' && c->token.type != TOK_END) {
            emit_token(c);
            if (!advance(c, blank))
                return false;
        }
        emit_token(c);
        if (!advance(c, blank))
            return false;
    }
    if (c->token.type == ')')
        buf_add_str(&c->out, " CHARACTER SET utf8mb4");
    return true;
}

static void emit_marks(struct compiler *c, enum mark_kind kind, uint32_t off, const char *what)
{
    for (const struct mark *m = c->marks; m; m = m->next)
        if (m->kind == kind && m->off == off)
            buf_add_str(&c->out, what);
}

/* Copies the source into c->out, token by token. */
static bool copy_tokens(struct compiler *c)
{
    bool blank = false;
    lex_init(&c->lexer, &plain_dialect, c->source);
    if (!advance(c, &blank))
        return false;
    while (c->token.type != TOK_END) {
        const struct mark *column = mark_at(c, MARK_COLUMN, c->token.off);
        uint32_t off = c->token.off;
        bool call = c->token.type == '(' && mark_at(c, MARK_FUNCTION, c->previous.off);
        if (blank && buf_len(&c->out) > 0 && !call)
            buf_add_byte(&c->out, ' ');
        emit_marks(c, MARK_OPEN, off, "(");
        if (c->token.type == TOK_NATIONAL || c->token.type == TOK_NULL)
            return refuse(c, "N'…' and \\N are not allowed%.*s", SPAN(""));
        if (column) {
            add_ref(c, column->column);
            if (!advance(c, &blank))
                return false;
        } else if (c->token.type == TOK_STRING) {
            if (!copy_strings(c, &blank))
                return false;
        } else if (is_char_type(c)) {
            if (!copy_char_type(c, &blank))
                return false;
        } else {
            emit_token(c);
            if (!advance(c, &blank))
                return false;
        }
        /* what closes anywhere in what was just copied */
        for (uint32_t at = off + 1; at <= c->previous.off + c->previous.len; at++)
            emit_marks(c, MARK_CLOSE, at, ")");
    }
    return true;
}

static bool is_number(const struct expr *e, struct span source)
{
    return e->kind == EXPR_LITERAL && lex_is(source.ptr[e->range.off], CLASS_DIGIT);
}

bool expression_compile(struct arena *arena, struct span text, const struct span *columns,
                        size_t column_count, struct expression *out, char *error, size_t error_size)
{
    struct compiler c = {.arena = arena,
                         .source = text,
                         .columns = columns,
                         .column_count = column_count,
                         .error = error,
                         .error_size = error_size};
    struct parse_error where = {0};
    struct expr *tree = NULL;
    enum parse_status status = parse_expression(arena, &plain_dialect, text, &tree, &where);
    if (status != PARSE_OK) {
        snprintf(error, error_size, "syntax error at character %u: %s", (unsigned)where.off + 1,
                 where.message              ? where.message
                 : status == PARSE_TOO_DEEP ? "too deep a nesting"
                                            : "memory");
        return false;
    }
    bool ok = expr_walk(tree, check_node, &c) && copy_tokens(&c);
    if (ok && (buf_failed(&c.out) || arena_failed(arena)))
        ok = refuse(&c, "out of memory%.*s", SPAN(""));
    if (ok) {
        bool column = tree->kind == EXPR_COLUMN;
        *out = (struct expression){.text = arena_copy(arena, buf_span(&c.out)),
                                   .plain_column = column,
                                   .atomic = column || tree->kind == EXPR_FUNC || tree->kind == EXPR_PAREN ||
                                             is_number(tree, text),
                                   .refs = c.refs,
                                   .ref_count = c.ref_count};
        expression_traits(tree, text, out);
    }
    buf_free(&c.out);
    return ok;
}

struct span quoted_name(struct arena *arena, struct span name)
{
    return quoted_name_behind(arena, SPAN(""), name);
}

struct span quoted_name_behind(struct arena *arena, struct span words, struct span name)
{
    size_t extra = words.len + 2;
    for (size_t i = 0; i < name.len; i++)
        extra += name.ptr[i] == '`';
    char *p = arena_alloc(arena, name.len + extra);
    if (arena_failed(arena))
        return SPAN("``");
    char *at = mempcpy(p, words.ptr, words.len);
    *at++ = '`';
    for (size_t i = 0; i < name.len; i++) {
        *at++ = name.ptr[i];
        if (name.ptr[i] == '`')
            *at++ = '`';
    }
    *at++ = '`';
    return (struct span){p, (size_t)(at - p)};
}
