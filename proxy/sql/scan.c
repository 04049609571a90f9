/* scan_text(): does a text name one of these tables, and does it change what later statements mean?
 *
 * It runs on every statement, so it does not build tokens: one class of each byte decides, words are tested
 * against the names' bloom bits, and strings and comments are jumped over with the lexer's own functions, so
 * that both agree on where they end. It may say yes too often, never no too often. */
#include "proxy/sql/keywords.h"
#include "proxy/sql/lexer.h"

enum byte_class { S, W, Q, C, D, H, A, E, L, O };
/* S blank, W word, Q quote, C slash, D dash, H hash, A star, E semicolon, L colon, O other */

static const uint8_t classes[256] = {
    O, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    S, O, Q, H, W, O, O, Q, O, O, A, O, O, D, O, C, W, W, W, W, W, W, W, W, W, W, L, E, O, O, O, O,
    O, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, O, O, O, O, W,
    Q, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, O, O, O, O, S,
    W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
    W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
    W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
    W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
};

struct scan {
    const struct sql_dialect *d;
    const struct scan_names *names;
    const char *end;
    uint32_t found;
    unsigned statements;
    unsigned words;    /* of the current statement; counts to 2 */
    bool in_statement; /* something of it was seen */
    bool in_executable;
    bool begin; /* its first word was BEGIN */
};

/* How letters beyond ASCII fold is the server's business: any such word may be any such name. */
static bool is_listed(const struct scan_names *names, struct span word)
{
    for (size_t i = 0; i < names->count; i++)
        if (span_ieq(names->names[i], word))
            return true;
    for (size_t i = 0; i < names->count && !span_is_ascii(word); i++)
        if (!span_is_ascii(names->names[i]))
            return true;
    return false;
}

/* A quoted name in which quotes are doubled. */
static bool is_listed_folded(const struct scan_names *names, struct span inner, char quote)
{
    if (!span_is_ascii(inner))
        return is_listed(names, inner);
    for (size_t i = 0; i < names->count; i++) {
        struct span name = names->names[i];
        size_t at = 0, matched = 0;
        while (at < inner.len && matched < name.len &&
               ascii_lower((unsigned char)inner.ptr[at]) == ascii_lower((unsigned char)name.ptr[matched])) {
            at += inner.ptr[at] == quote ? 2 : 1;
            matched++;
        }
        if (at >= inner.len && matched == name.len)
            return true;
    }
    return false;
}

/* What almost every word is found not to be. One with a letter beyond ASCII at an end may be any name that
 * has one. */
static inline bool may_be_listed(const struct scan_names *names, struct span word)
{
    unsigned char first = (unsigned char)word.ptr[0], last = (unsigned char)word.ptr[word.len - 1];
    return names->bloom >> scan_bloom_bit(word) & 1 || ((first | last) & 0x80);
}

static inline void test_name(struct scan *s, struct span word)
{
    if (word.len > 0 && may_be_listed(s->names, word) && is_listed(s->names, word))
        s->found |= SCAN_NAME;
}

/* First words of statements that change the session, the schema, or run text that is not seen here. */
static bool changes_session(enum keyword kw)
{
    switch (kw) {
    case KW_SET:
    case KW_USE:
    case KW_PREPARE:
    case KW_EXECUTE:
    case KW_DEALLOCATE:
    case KW_CALL:
    case KW_CREATE:
    case KW_DROP:
    case KW_ALTER:
    case KW_RENAME:
    case KW_IF: /* from here on: compound statements outside of routines */
    case KW_CASE:
    case KW_LOOP:
    case KW_WHILE:
    case KW_REPEAT:
    case KW_FOR:
        return true;
    default:
        return false;
    }
}

static void statement_goes_on(struct scan *s)
{
    if (s->in_statement)
        return;
    s->in_statement = true;
    if (++s->statements == 2)
        s->found |= SCAN_MULTI;
}

/* The lengths that the first words which matter here have, by their first letter: most statements' has none
 * of them, and is not looked up. */
static const uint16_t lengths[26] = {
    ['A' - 'A'] = 1 << 5 | 1 << 7,                    /* ALTER, ANALYZE */
    ['B' - 'A'] = 1 << 5,                             /* BEGIN */
    ['C' - 'A'] = 1 << 4 | 1 << 6,                    /* CALL, CASE, CREATE */
    ['D' - 'A'] = 1 << 4 | 1 << 7 | 1 << 8 | 1 << 10, /* DESC, DROP, DECLARE, DESCRIBE, DEALLOCATE */
    ['E' - 'A'] = 1 << 7,                             /* EXECUTE, EXPLAIN */
    ['F' - 'A'] = 1 << 3,                             /* FOR */
    ['I' - 'A'] = 1 << 2,                             /* IF */
    ['L' - 'A'] = 1 << 4,                             /* LOOP */
    ['P' - 'A'] = 1 << 7,                             /* PREPARE */
    ['R' - 'A'] = 1 << 6,                             /* RENAME, REPEAT */
    ['S' - 'A'] = 1 << 3,                             /* SET */
    ['U' - 'A'] = 1 << 3,                             /* USE */
    ['W' - 'A'] = 1 << 5,                             /* WHILE */
};

static enum keyword first_word(struct span word)
{
    unsigned letter = (unsigned)(word.ptr[0] & 0xdf) - (unsigned)'A';
    bool may_be = letter < 26 && word.len < 16 && lengths[letter] >> word.len & 1;
    return may_be ? keyword_of(word) : KW_NONE;
}

static void leading_word(struct scan *s, struct span word)
{
    if (s->words++ == 0) {
        enum keyword kw = first_word(word);
        s->begin = kw == KW_BEGIN;
        /* EXPLAIN, ANALYZE: the statement proper follows */
        if (kw == KW_EXPLAIN || kw == KW_ANALYZE || kw == KW_DESCRIBE || kw == KW_DESC)
            s->words = 0;
        if (changes_session(kw) || ((s->d->modes & SQL_ORACLE) && (s->begin || kw == KW_DECLARE)))
            s->found |= SCAN_SESSION;
    } else if (s->begin && keyword_of(word) == KW_NOT) {
        s->found |= SCAN_SESSION;
    }
}

/* What begins with a digit may be a number with a name right behind it (1e5users): which it is depends on
 * what came before, so every name that it could be is tested. */
static void test_behind_number(struct scan *s, struct span word)
{
    size_t i = 0;
    for (int parts = 0; parts < 2; parts++) {
        while (i < word.len && lex_is(word.ptr[i], CLASS_DIGIT))
            i++;
        test_name(s, (struct span){word.ptr + i, word.len - i});
        if (i == word.len || (word.ptr[i] | 0x20) != 'e')
            return;
        i++;
    }
}

static const char *scan_word(struct scan *s, const char *p)
{
    const char *start = p, *end = s->end;
    if (s->d->charset == CHARSET_ASCII_SAFE)
        while (++p < end && classes[(unsigned char)*p] == W)
            ;
    else
        while (p < end && classes[(unsigned char)*p] == W)
            p += charset_length(s->d->charset, p, end);
    struct span word = {start, (size_t)(p - start)};
    if (s->words < 2)
        leading_word(s, word);
    test_name(s, word);
    if (lex_is(*start, CLASS_DIGIT))
        test_behind_number(s, word);
    return p;
}

static const char *scan_quoted(struct scan *s, const char *p)
{
    bool identifier = *p == '`' || *p == '[' || (*p == '"' && (s->d->modes & SQL_ANSI_QUOTES)),
         folded = false;
    const char *q = lex_quoted_end(s->d, p, s->end, identifier, &folded);
    if (!q) {
        s->found |= SCAN_BROKEN;
        return s->end;
    }
    if (!identifier)
        return q;
    struct span inner = {p + 1, (size_t)(q - p) - 2};
    if (!folded)
        test_name(s, inner);
    else if (is_listed_folded(s->names, inner, q[-1]))
        s->found |= SCAN_NAME;
    return q;
}

static const char *scan_line(struct scan *s, const char *p)
{
    const char *newline = memchr(p, '\n', (size_t)(s->end - p));
    return newline ? newline + 1 : s->end;
}

/* A comment at p. NULL: the slash is but an operator. */
static const char *scan_comment(struct scan *s, const char *p)
{
    if (s->end - p < 2 || p[1] != '*')
        return NULL;
    bool executable;
    const char *q = lex_comment_end(s->d, p, s->end, &executable);
    s->in_executable |= executable;
    if (!q)
        s->found |= SCAN_BROKEN;
    return q ? q : s->end;
}

/* Everything but blanks and words. */
static const char *scan_other(struct scan *s, const char *p, enum byte_class class)
{
    const char *q;
    switch (class) {
    case H:
        return scan_line(s, p);
    case D:
        if (lex_is_dash_comment(p, s->end))
            return scan_line(s, p);
        break;
    case C:
        q = scan_comment(s, p);
        if (q)
            return q;
        break;
    case A:
        if (s->in_executable && s->end - p >= 2 && p[1] == '/') {
            s->in_executable = false;
            return p + 2;
        }
        break;
    case E:
        s->in_statement = s->begin = s->in_executable = false;
        s->words = 0;
        return p + 1;
    case Q:
        statement_goes_on(s);
        return scan_quoted(s, p);
    case L: /* a label in front of a compound statement */
        if (s->end - p < 2 || p[1] != '=')
            s->found |= SCAN_SESSION;
        break;
    default:
        if (*p == '\\' && s->end - p >= 2 && p[1] == 'N') { /* NULL; a name may stand right behind it */
            statement_goes_on(s);
            return p + 2;
        }
        if (*p == '[' && (s->d->modes & SQL_BRACKETS)) {
            statement_goes_on(s);
            return scan_quoted(s, p);
        }
        break;
    }
    statement_goes_on(s);
    return p + 1;
}

uint32_t scan_text_for(const struct sql_dialect *dialect, struct span text, const struct scan_names *names,
                       uint32_t wanted)
{
    struct scan s = {.d = dialect, .names = names, .end = text.ptr + text.len};
    const char *p = text.ptr;
    while (p < s.end) {
        enum byte_class class = classes[(unsigned char)*p];
        if (class == S) {
            p++;
            continue;
        }
        if (class == W) {
            statement_goes_on(&s);
            p = scan_word(&s, p);
        } else {
            p = scan_other(&s, p, class);
        }
        if (s.found & wanted)
            return s.found;
    }
    return s.found;
}

uint32_t scan_text(const struct sql_dialect *dialect, struct span text, const struct scan_names *names)
{
    return scan_text_for(dialect, text, names, 0);
}
