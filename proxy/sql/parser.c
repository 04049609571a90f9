/* The parser's token stream and names, and the two entry points of parser.h. */
#include "proxy/sql/parse.h"

static void load_token(struct parser *p)
{
    p->kw = KW_NONE;
    if (!lex_read_plain(&p->lx, &p->tok))
        lex_read_significant(&p->lx, &p->tok);
    if (p->tok.type == TOK_WORD && !p->tok.plain)
        p->kw = keyword_of(p_text(p));
    else if (p->tok.type == TOK_BAD)
        p_fail(p, PARSE_SYNTAX, "unterminated string, quoted name or comment, or a stray character");
    else if (p->tok.type == TOK_END && p->lx.in_executable)
        p_fail(p, PARSE_SYNTAX, "unterminated executable comment");
}

void p_advance(struct parser *p)
{
    if (p->status != PARSE_OK)
        return;
    p->prev_end = p->tok.off + p->tok.len;
    if (p->tok.type == '?')
        p->params++;
    load_token(p);
}

struct token p_peek(const struct parser *p)
{
    struct lexer lx = p->lx;
    return p->status == PARSE_OK ? lex_next_significant(&lx) : p->tok;
}

enum keyword p_peek_kw(const struct parser *p)
{
    struct token t = p_peek(p);
    if (t.type != TOK_WORD || t.plain)
        return KW_NONE;
    return keyword_of((struct span){p->lx.text + t.off, t.len});
}

/* What follows almost everywhere is a name, a blank and a name, or the parenthesis: that needs no token. */
bool p_peek_paren(const struct parser *p)
{
    const char *at = p->lx.text + p->lx.pos, *end = p->lx.text + p->lx.len;
    while (at < end && lex_is(*at, CLASS_SPACE))
        at++;
    if (at < end && (*at == '(' || lex_is(*at, CLASS_IDENT)))
        return *at == '(' && p->status == PARSE_OK;
    return p_peek(p).type == '(';
}

struct parse_mark p_mark(const struct parser *p)
{
    return (struct parse_mark){p->lx, p->tok, p->kw, p->prev_end, p->params};
}

void p_rewind(struct parser *p, const struct parse_mark *m)
{
    if (p->status != PARSE_OK)
        return;
    p->lx = m->lx;
    p->tok = m->tok;
    p->kw = m->kw;
    p->prev_end = m->prev_end;
    p->params = m->params;
}

void p_fail(struct parser *p, enum parse_status status, const char *message)
{
    if (p->status == PARSE_OK) {
        p->status = status;
        p->error = (struct parse_error){p->tok.off, message};
    }
    p->tok.type = TOK_END;
    p->tok.len = 0;
    p->kw = KW_NONE;
}

void *p_alloc(struct parser *p, size_t size)
{
    void *mem = arena_alloc(p->arena, size);
    if (arena_failed(p->arena))
        p_fail(p, PARSE_MEMORY, "statement too large");
    return mem;
}

void p_expect(struct parser *p, unsigned type, const char *message)
{
    if (!p_accept(p, type))
        p_fail(p, PARSE_SYNTAX, message);
}

void p_expect_kw(struct parser *p, enum keyword kw, const char *message)
{
    if (!p_accept_kw(p, kw))
        p_fail(p, PARSE_SYNTAX, message);
}

bool p_at_word(const struct parser *p, const char *word)
{
    return p->tok.type == TOK_WORD && span_ieq(p_text(p), span_of(word));
}

static bool is_reserved(const struct parser *p, enum keyword kw)
{
    unsigned flags = keyword_flags(kw);
    bool mysql9 = !p->dialect->mariadb && p->dialect->version >= 90000;
    return (flags & KWF_RESERVED) || ((flags & KWF_MARIADB) && p->dialect->mariadb) ||
           ((flags & KWF_MYSQL9) && mysql9);
}

bool p_at_name(const struct parser *p)
{
    if (p->tok.type == TOK_QUOTED)
        return true;
    return p->tok.type == TOK_WORD && (p->kw == KW_NONE || !is_reserved(p, p->kw));
}

/* Words that are no keywords everywhere, but go on with the clause here when the next token fits. */
static bool goes_on_with_clause(const struct parser *p)
{
    struct token next;
    switch (p->kw) {
    case KW_WINDOW: {
        struct lexer lx = p->lx;
        next = lex_next_significant(&lx);
        if (next.type != TOK_WORD && next.type != TOK_QUOTED)
            return false;
        next = lex_next_significant(&lx);
        return next.type == TOK_WORD && keyword_of((struct span){lx.text + next.off, next.len}) == KW_AS;
    }
    case KW_OFFSET:
        next = p_peek(p);
        return next.type == TOK_INT || next.type == '?' || next.type == TOK_USER_VAR;
    case KW_MINUS:
        return p->dialect->modes & SQL_ORACLE;
    default:
        return false;
    }
}

bool p_at_alias(const struct parser *p)
{
    return p_at_name(p) && !goes_on_with_clause(p);
}

/* Text between quotes, with doubled quotes and (in strings) escapes undone. */
static struct span unquote(struct parser *p, struct span s, bool folded, bool backslash)
{
    char quote = s.ptr[0];
    struct span inner = {s.ptr + 1, s.len - 2};
    if (!folded)
        return inner;
    char *out = p_alloc(p, inner.len + 1);
    size_t n = 0;
    if (p->status != PARSE_OK)
        return inner;
    for (size_t i = 0; i < inner.len; i++) {
        uint32_t width = charset_length(p->dialect->charset, inner.ptr + i, inner.ptr + inner.len);
        if (width > 1) {
            memcpy(out + n, inner.ptr + i, width);
            n += width;
            i += width - 1;
            continue;
        }
        if ((inner.ptr[i] == quote || (backslash && inner.ptr[i] == '\\')) && i + 1 < inner.len)
            i++;
        out[n++] = inner.ptr[i];
    }
    return (struct span){out, n};
}

static void take_name(struct parser *p, struct name *out)
{
    struct span s = p_text(p);
    out->range = (struct range){p->tok.off, p->tok.len};
    out->quoted = p->tok.type != TOK_WORD;
    bool backslash = p->tok.type == TOK_STRING && !(p->dialect->modes & SQL_NO_BACKSLASH_ESCAPES);
    out->text = out->quoted ? unquote(p, s, p->tok.folded, backslash) : s;
    p_advance(p);
}

void p_name(struct parser *p, struct name *out)
{
    if (p_at_name(p))
        take_name(p, out);
    else
        p_fail(p, PARSE_SYNTAX, "expected a name");
}

void p_any_name(struct parser *p, struct name *out)
{
    if (p->tok.type == TOK_WORD || p->tok.type == TOK_QUOTED)
        take_name(p, out);
    else
        p_fail(p, PARSE_SYNTAX, "expected a name");
}

void p_name_or_string(struct parser *p, struct name *out)
{
    if (p->tok.type == TOK_STRING)
        take_name(p, out);
    else
        p_name(p, out);
}

struct name_list *p_name_list(struct parser *p)
{
    struct name_list *first = NULL, **tail = &first;
    p_expect(p, '(', "expected (");
    while (!p_at(p, ')') && !p_at(p, TOK_END)) {
        *tail = p_new(p, struct name_list);
        p_any_name(p, &(*tail)->name);
        tail = &(*tail)->next;
        if (!p_accept(p, ','))
            break;
    }
    p_expect(p, ')', "expected )");
    return first;
}

void p_table_name(struct parser *p, struct table_name *out)
{
    uint32_t off = p->tok.off;
    bool dotted = p_accept(p, '.');
    if (dotted)
        p_any_name(p, &out->table);
    else
        p_name(p, &out->table);
    if (!dotted && p_accept(p, '.')) {
        out->db = out->table;
        p_any_name(p, &out->table);
    }
    out->range = p_since(p, off);
}

void p_skip_parens(struct parser *p)
{
    unsigned open = 0;
    do {
        if (p_at(p, '('))
            open++;
        else if (p_at(p, ')'))
            open--;
        else if (p_at(p, TOK_END) || p_at(p, ';'))
            p_fail(p, PARSE_SYNTAX, "expected )");
        p_advance(p);
    } while (open && p->status == PARSE_OK);
}

void p_skip_type(struct parser *p)
{
    while (!p_at(p, ',') && !p_at(p, ')') && !p_at(p, ';') && !p_at(p, TOK_END)) {
        if (p_at(p, '('))
            p_skip_parens(p);
        else
            p_advance(p);
    }
}

static void parser_init(struct parser *p, struct arena *arena, const struct sql_dialect *dialect,
                        struct span text)
{
    *p = (struct parser){.arena = arena, .dialect = dialect};
    lex_init(&p->lx, dialect, text);
}

/* The range of a statement that was not understood, by tokens alone; moves behind its ';'. */
static struct range skip_statement(struct parser *p, struct span text, uint32_t off)
{
    lex_init(&p->lx, p->dialect, text);
    p->lx.pos = off;
    struct token t = lex_next_significant(&p->lx);
    struct range r = {t.off, 0};
    for (; t.type != ';' && t.type != TOK_END; t = lex_next_significant(&p->lx))
        r.len = t.off + t.len - r.off;
    return r;
}

enum parse_status parse_statement(struct arena *arena, const struct sql_dialect *dialect, struct span text,
                                  size_t *off, struct stmt **out, struct parse_error *error)
{
    struct parser p;
    parser_init(&p, arena, dialect, text);
    p.lx.pos = (uint32_t)*off;
    p.prev_end = p.lx.pos;
    struct stmt *s = *out = p_new(&p, struct stmt);
    if (p.status == PARSE_OK)
        load_token(&p);
    uint32_t start = p.tok.off;
    p_statement(&p, s);
    if (!p_at(&p, ';') && !p_at(&p, TOK_END))
        p_fail(&p, PARSE_SYNTAX, "expected the end of the statement");
    s->range = p_since(&p, start);
    if (p.status != PARSE_OK)
        s->range = skip_statement(&p, text, (uint32_t)*off);
    s->has_executable = p.lx.had_executable;
    s->param_count = p.params;
    *off = p.lx.pos;
    *error = p.error;
    return p.status;
}

enum parse_status parse_expression(struct arena *arena, const struct sql_dialect *dialect, struct span text,
                                   struct expr **out, struct parse_error *error)
{
    struct parser p;
    parser_init(&p, arena, dialect, text);
    load_token(&p);
    *out = p_expr(&p);
    if (!p_at(&p, TOK_END))
        p_fail(&p, PARSE_SYNTAX, "expected the end of the expression");
    *error = p.error;
    return p.status;
}
