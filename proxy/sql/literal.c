/* String literals: see literal.h. Decoding goes by the lexer's tokens, so that both agree on where a literal
 * ends. */
#include "proxy/sql/literal.h"

#include "proxy/sql/lexer.h"

/* The character sets in whose introduced literals ASCII is ASCII. */
static bool is_introducer(struct span word)
{
    static const char *const names[] = {"_utf8", "_utf8mb3", "_utf8mb4", "_latin1", "_ascii", "_binary"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_ieq(word, span_of(names[i])))
            return true;
    return false;
}

/* What a backslash and `c` stand for; *kept: the backslash stays, as in a pattern of LIKE. */
static char escaped(char c, bool *kept)
{
    static const char from[] = "ntrb0Z", to[] = "\n\t\r\b\0\032";
    *kept = c == '%' || c == '_';
    const char *at = c ? strchr(from, c) : NULL;
    return at ? to[at - from] : c;
}

/* Adds what stands between the quotes of one literal to `out`, which has room for it. */
static size_t unquote(const struct sql_dialect *d, struct span quoted, char *out)
{
    const char *p = quoted.ptr + 1, *end = quoted.ptr + quoted.len - 1;
    bool backslash = !(d->modes & SQL_NO_BACKSLASH_ESCAPES), kept;
    char quote = *quoted.ptr, *to = out;
    while (p < end) {
        uint32_t n = charset_length(d->charset, p, end);
        if (n > 1) {
            memcpy(to, p, n);
            to += n;
            p += n;
        } else if (*p == '\\' && backslash && end - p > 1) {
            char c = escaped(p[1], &kept);
            if (kept)
                *to++ = '\\';
            *to++ = c;
            p += 2;
        } else {
            p += *p == quote && end - p > 1 ? 2 : 1;
            *to++ = p[-1];
        }
    }
    return (size_t)(to - out);
}

bool literal_decode(struct arena *arena, const struct sql_dialect *d, struct span text, struct span *value)
{
    struct lexer lx;
    struct token t;
    bool converted = false;
    unsigned strings = 0;
    if (text.len == 0 || text.len >= UINT32_MAX)
        return false;
    char *out = arena_alloc(arena, text.len);
    if (arena_failed(arena))
        return false;
    *value = (struct span){out, 0};
    lex_init(&lx, d, text);
    for (lex_read(&lx, &t); t.type != TOK_END; lex_read(&lx, &t)) {
        struct span token = {text.ptr + t.off, t.len};
        if (t.type == TOK_SPACE)
            continue;
        if (t.type == TOK_WORD && !converted && strings == 0 && is_introducer(token)) {
            converted = true;
            continue;
        }
        if (t.type == TOK_NATIONAL && !converted && strings == 0) {
            converted = true;
            token = (struct span){token.ptr + 1, token.len - 1};
        } else if (t.type != TOK_STRING) {
            return false;
        }
        value->len += unquote(d, token, out + value->len);
        strings++;
    }
    return strings > 0 && (!converted || span_is_ascii(*value));
}

struct span literal_encode(struct arena *arena, const struct sql_dialect *d, struct span value)
{
    bool backslash = !(d->modes & SQL_NO_BACKSLASH_ESCAPES);
    char *out = arena_alloc(arena, 2 * value.len + 2), *to = out;
    if (arena_failed(arena))
        return SPAN("''");
    *to++ = '\'';
    for (const char *p = value.ptr, *end = p + value.len; p < end;) {
        uint32_t n = charset_length(d->charset, p, end);
        if (n == 1 && *p == '\'')
            *to++ = '\'';
        else if (n == 1 && *p == '\\' && backslash)
            *to++ = '\\';
        memcpy(to, p, n);
        to += n;
        p += n;
    }
    *to++ = '\'';
    return (struct span){out, (size_t)(to - out)};
}

struct span literal_encode_hex(struct arena *arena, struct span value)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(arena, 2 * value.len + 3), *to = out;
    if (arena_failed(arena))
        return SPAN("x''");
    *to++ = 'x';
    *to++ = '\'';
    for (size_t i = 0; i < value.len; i++) {
        *to++ = digits[(unsigned char)value.ptr[i] >> 4];
        *to++ = digits[(unsigned char)value.ptr[i] & 15];
    }
    *to++ = '\'';
    return (struct span){out, (size_t)(to - out)};
}
