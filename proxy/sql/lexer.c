/* The tokenizer of lexer.h: one dispatch on the first byte, one small function for each family of tokens. */
#include "proxy/sql/lexer.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* 1 space, 2 identifier, 4 digit, 8 hexadecimal digit, 16 a token by itself. Bytes from 0x80 on are letters
 * in every character set that a client may have. */
const uint8_t lex_class[256] = {
    0,  1,  1,  1,  1,  1,  1, 1, 1, 1,  1, 1,  1, 1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,
    1,  1,  1,  1,  1,  1,  1, 0, 0, 0,  2, 16, 0, 0,  16, 16, 0,  16, 16, 0,  0,  0,  14, 14, 14, 14,
    14, 14, 14, 14, 14, 14, 0, 0, 0, 16, 0, 16, 0, 10, 10, 10, 10, 10, 10, 2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 0,  0,  0,  16, 2,  0,  10, 10, 10, 10, 10, 10, 2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  16, 0,  16, 16, 1,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2, 2, 2, 2,  2, 2,  2, 2,  2,  2,  2,  2,  2,  2,  2,  2,
};

static bool in_range(const char *p, unsigned char low, unsigned char high)
{
    return (unsigned char)*p >= low && (unsigned char)*p <= high;
}

static bool is_trail(const char *p, unsigned char second_range_low, unsigned char high)
{
    return in_range(p, 0x40, 0x7e) || in_range(p, second_range_low, high);
}

uint32_t charset_length(enum sql_charset charset, const char *p, const char *end)
{
    if (charset == CHARSET_ASCII_SAFE || (unsigned char)*p < 0x80 || end - p < 2)
        return 1;
    switch (charset) {
    case CHARSET_SJIS:
        return (in_range(p, 0x81, 0x9f) || in_range(p, 0xe0, 0xfc)) && is_trail(p + 1, 0x80, 0xfc) ? 2 : 1;
    case CHARSET_BIG5:
        return in_range(p, 0xa1, 0xf9) && is_trail(p + 1, 0xa1, 0xfe) ? 2 : 1;
    case CHARSET_GBK:
        return in_range(p, 0x81, 0xfe) && is_trail(p + 1, 0x80, 0xfe) ? 2 : 1;
    case CHARSET_GB18030:
        if (!in_range(p, 0x81, 0xfe))
            return 1;
        if (is_trail(p + 1, 0x80, 0xfe))
            return 2;
        return end - p >= 4 && in_range(p + 1, '0', '9') && in_range(p + 2, 0x81, 0xfe) &&
                       in_range(p + 3, '0', '9')
                   ? 4
                   : 1;
    case CHARSET_ASCII_SAFE:
        break;
    }
    return 1;
}

/* 0x80 where `first` may begin a character that ends in `second`, one of @ [ \ ] ^ ` { | } ~ (of which the
 * bit 0x20 makes six); else 0. The other bytes of ASCII that end characters belong to words either way. */
static inline uint8_t may_end_character(uint8_t first, uint8_t second)
{
    uint8_t c = second | 0x20;
    uint8_t grave = c == '`' ? 0x80 : 0, brace = (uint8_t)(c - '{') < 4 ? 0x80 : 0;
    return first & (grave | brace);
}

bool charset_may_matter(struct span text)
{
    enum { AT_ONCE = 16 }; /* a constant: compilers make a few vector instructions of it */
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t i = 1;
    for (uint8_t found = 0; i + AT_ONCE <= text.len; i += AT_ONCE) {
        for (size_t k = 0; k < AT_ONCE; k++)
            found |= may_end_character(p[i + k - 1], p[i + k]);
        if (found)
            return true;
    }
    for (; i < text.len; i++)
        if (may_end_character(p[i - 1], p[i]))
            return true;
    return false;
}

/* The first byte from p on that is `a` or `b`; end without one. Sixteen or eight bytes at a time. */
#ifdef __SSE2__
static const char *find_either(const char *p, const char *end, char a, char b)
{
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)));
        if (hits)
            return p + __builtin_ctz((unsigned)hits);
    }
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}
#else
static const char *find_either(const char *p, const char *end, char a, char b)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    const uint64_t va = ones * (unsigned char)a, vb = ones * (unsigned char)b;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t xa = word ^ va, xb = word ^ vb;
        if ((((xa - ones) & ~xa) | ((xb - ones) & ~xb)) & highs)
            break;
    }
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}
#endif

const char *lex_quoted_end(const struct sql_dialect *d, const char *p, const char *end, bool identifier,
                           bool *folded)
{
    char quote = *p == '[' ? ']' : *p;
    p++;
    char escape = identifier || (d->modes & SQL_NO_BACKSLASH_ESCAPES) ? quote : '\\';
    while (p < end) {
        if (d->charset == CHARSET_ASCII_SAFE) {
            p = find_either(p, end, quote, escape);
            if (p == end)
                return NULL;
        } else {
            uint32_t n = charset_length(d->charset, p, end);
            if (n > 1) {
                p += n;
                continue;
            }
        }
        if (*p == quote) {
            if (++p == end || *p != quote)
                return p;
            *folded = true;
        } else if (*p == escape) {
            *folded = true;
            if (++p == end)
                return NULL;
        }
        p++;
    }
    return NULL;
}

/* The end of a comment's body that begins at p. The servers let the body of a versioned comment that they
 * skip hold one level of comments. */
static const char *comment_body_end(const char *p, const char *end, int nesting)
{
    int depth = 0;
    while ((p = find_either(p, end, '*', '/')) < end) {
        if (end - p < 2)
            return NULL;
        if (p[0] == '*' && p[1] == '/') {
            p += 2;
            if (depth-- == 0)
                return p;
        } else if (p[0] == '/' && p[1] == '*' && depth < nesting) {
            p += 2;
            depth++;
        } else {
            p++;
        }
    }
    return NULL;
}

/* Whether this server runs what an executable comment of this version holds. MariaDB leaves out those
 * that speak of MySQL 5.7 to 9, but for its own kind. */
static bool version_runs(const struct sql_dialect *d, uint32_t version, bool mariadb_kind)
{
    if (version > d->version)
        return false;
    return !d->mariadb || mariadb_kind || version < 50700 || version > 99999;
}

const char *lex_comment_end(const struct sql_dialect *d, const char *p, const char *end, bool *executable)
{
    *executable = false;
    p += 2;
    bool mariadb_kind = d->mariadb && end - p >= 2 && p[0] == 'M' && p[1] == '!';
    if (!mariadb_kind && (p == end || *p != '!'))
        return comment_body_end(p, end, 0);
    p += mariadb_kind ? 2 : 1;
    uint32_t version = 0;
    int digits = 0;
    while (digits < 6 && digits < end - p && lex_is(p[digits], CLASS_DIGIT))
        version = version * 10 + (uint32_t)(p[digits++] - '0');
    if (digits >= 5 && !version_runs(d, version, mariadb_kind))
        return comment_body_end(p, end, 1);
    *executable = true;
    return digits >= 5 ? p + digits : p;
}

void lex_init(struct lexer *lx, const struct sql_dialect *dialect, struct span text)
{
    *lx = (struct lexer){.text = text.ptr, .len = (uint32_t)text.len, .dialect = dialect};
}

static inline const char *word_end(const struct lexer *lx, const char *p, const char *end)
{
    if (lx->dialect->charset == CHARSET_ASCII_SAFE) {
        while (p < end && lex_is(*p, CLASS_IDENT))
            p++;
        return p;
    }
    while (p < end && lex_is(*p, CLASS_IDENT))
        p += charset_length(lx->dialect->charset, p, end);
    return p;
}

/* The end of an exponent at p ("e5", "e-5"); p where there is none. */
static const char *exponent_end(const char *p, const char *end)
{
    const char *q = p;
    if (q == end || (*q | 0x20) != 'e')
        return p;
    q++;
    if (q < end && (*q == '+' || *q == '-'))
        q++;
    const char *digits = lex_class_end(q, end, CLASS_DIGIT);
    return digits > q ? digits : p;
}

/* 0x1f and 0b01: with a small x or b, digits only, and nothing more of a name behind them. */
static const char *prefixed_number(const struct lexer *lx, const char *p, const char *end, uint16_t *type)
{
    if (end - p < 3 || p[0] != '0' || (p[1] != 'x' && p[1] != 'b'))
        return NULL;
    const char *digits = p + 2, *q = digits;
    if (p[1] == 'x')
        q = lex_class_end(q, end, CLASS_HEX);
    else
        while (q < end && (*q == '0' || *q == '1'))
            q++;
    if (q == digits || word_end(lx, q, end) != q)
        return NULL;
    *type = p[1] == 'x' ? TOK_HEX : TOK_BIT;
    return q;
}

/* What begins with a digit: a number, or a name such as 1a. */
static const char *number_or_word(const struct lexer *lx, const char *p, const char *end, uint16_t *type)
{
    const char *q = prefixed_number(lx, p, end, type);
    if (q)
        return q;
    q = lex_class_end(p, end, CLASS_DIGIT);
    *type = TOK_INT;
    if (q == end)
        return q;
    const char *exponent = exponent_end(q, end);
    if (exponent != q) {
        *type = TOK_FLOAT;
        return exponent;
    }
    if (lex_is(*q, CLASS_IDENT)) {
        *type = TOK_WORD;
        return word_end(lx, q, end);
    }
    if (*q != '.')
        return q;
    q = lex_class_end(q + 1, end, CLASS_DIGIT);
    exponent = exponent_end(q, end);
    *type = exponent != q ? TOK_FLOAT : TOK_DECIMAL;
    return exponent;
}

/* x'1f', b'01', N'text': p is at the letter. NULL where it is but a word. */
static const char *lettered_string(const struct lexer *lx, const char *p, const char *end, struct token *t)
{
    if (end - p < 3 || p[1] != '\'')
        return NULL;
    char letter = (char)(*p | 0x20);
    if (letter == 'n') {
        t->type = TOK_NATIONAL;
        return lex_quoted_end(lx->dialect, p + 1, end, false, &t->folded);
    }
    const char *q = p + 2;
    if (letter == 'x') {
        q = lex_class_end(q, end, CLASS_HEX);
        t->type = TOK_HEX;
        if ((q - p) % 2 != 0)
            return NULL;
    } else if (letter == 'b') {
        while (q < end && (*q == '0' || *q == '1'))
            q++;
        t->type = TOK_BIT;
    } else {
        return NULL;
    }
    return q < end && *q == '\'' ? q + 1 : NULL;
}

/* A dot behind the word glues it to the next one: then it is no keyword. */
static bool dot_joins(const char *p, const char *end)
{
    return end - p >= 2 && p[0] == '.' && lex_is(p[1], CLASS_IDENT);
}

static const char *word(const struct lexer *lx, const char *p, const char *end, struct token *t)
{
    const char *q = lettered_string(lx, p, end, t);
    if (q)
        return q;
    t->type = TOK_WORD;
    q = word_end(lx, p, end);
    t->plain = dot_joins(q, end);
    return q;
}

static const char *quoted(const struct lexer *lx, const char *p, const char *end, struct token *t)
{
    bool identifier = *p == '`' || *p == '[' || (*p == '"' && (lx->dialect->modes & SQL_ANSI_QUOTES));
    const char *q = lex_quoted_end(lx->dialect, p, end, identifier, &t->folded);
    t->type = q ? (identifier ? TOK_QUOTED : TOK_STRING) : TOK_BAD;
    return q ? q : end;
}

/* @@, @name (which may hold dots), @'name', or @ alone. */
static const char *variable(const struct lexer *lx, const char *p, const char *end, struct token *t)
{
    t->type = TOK_USER_VAR;
    p++;
    if (p < end && *p == '@') {
        t->type = TOK_AT_AT;
        return p + 1;
    }
    if (p < end && (*p == '\'' || *p == '"' || *p == '`')) {
        bool identifier = *p == '`' || (*p == '"' && lx->dialect->modes & SQL_ANSI_QUOTES);
        const char *q = lex_quoted_end(lx->dialect, p, end, identifier, &t->folded);
        if (!q)
            t->type = TOK_BAD;
        return q ? q : end;
    }
    while (p < end && (*p == '.' || lex_is(*p, CLASS_IDENT)))
        p += charset_length(lx->dialect->charset, p, end);
    return p;
}

static const char *slash(struct lexer *lx, const char *p, const char *end, struct token *t)
{
    if (end - p < 2 || p[1] != '*') {
        t->type = '/';
        return p + 1;
    }
    bool executable;
    const char *q = lex_comment_end(lx->dialect, p, end, &executable);
    t->type = q ? TOK_COMMENT : TOK_BAD;
    if (executable)
        lx->in_executable = lx->had_executable = true;
    return q ? q : end;
}

static const char *line_end(const char *p, const char *end)
{
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    return newline ? newline + 1 : end;
}

/* The operators of more than one character, longest first where one begins another. */
static const struct {
    char text[4];
    uint8_t len;
    uint16_t type;
} operators[] = {
    {"->>", 3, TOK_ARROW2}, {"->", 2, TOK_ARROW},   {"<=>", 3, TOK_EQUAL}, {"<=", 2, TOK_LE},
    {"<>", 2, TOK_NE},      {"<<", 2, TOK_SHL},     {">=", 2, TOK_GE},     {">>", 2, TOK_SHR},
    {"!=", 2, TOK_NE},      {"&&", 2, TOK_AND_AND}, {"||", 2, TOK_OR_OR},  {":=", 2, TOK_ASSIGN},
};

static const char *operator(const char *p, const char *end, struct token *t)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (operators[i].text[0] == *p && end - p >= operators[i].len &&
            memcmp(p, operators[i].text, operators[i].len) == 0) {
            t->type = operators[i].type;
            return p + operators[i].len;
        }
    }
    t->type = (unsigned char)*p;
    return p + 1;
}

static const char *punctuation(struct lexer *lx, const char *p, const char *end, struct token *t)
{
    switch (*p) {
    case '\'':
    case '"':
    case '`':
        return quoted(lx, p, end, t);
    case '[':
        if (lx->dialect->modes & SQL_BRACKETS)
            return quoted(lx, p, end, t);
        break;
    case '@':
        return variable(lx, p, end, t);
    case '/':
        return slash(lx, p, end, t);
    case '#':
        t->type = TOK_COMMENT;
        return line_end(p, end);
    case '-':
        if (!lex_is_dash_comment(p, end))
            return operator(p, end, t);
        t->type = TOK_COMMENT;
        return line_end(p, end);
    case '*':
        if (!lx->in_executable || end - p < 2 || p[1] != '/')
            break;
        lx->in_executable = false;
        t->type = TOK_COMMENT;
        return p + 2;
    case '.':
        if (end - p >= 2 && lex_is(p[1], CLASS_DIGIT) && !lx->after_name)
            return number_or_word(lx, p, end, &t->type);
        break;
    case '\\':
        t->type = end - p >= 2 && p[1] == 'N' ? TOK_NULL : TOK_BAD;
        return t->type == TOK_NULL ? p + 2 : p + 1;
    case '\0': /* the servers take one behind a text for its end: it is passed over */
        t->type = end - p == 1 ? TOK_COMMENT : TOK_BAD;
        return p + 1;
    case ';': /* the servers read what follows anew: an executable comment does not go on into it */
        lx->in_executable = false;
        break;
    case '<':
    case '>':
    case '!':
    case '&':
    case '|':
    case ':':
        return operator(p, end, t);
    default:
        break;
    }
    t->type = (unsigned char)*p;
    return p + 1;
}

/* Cuts the token at lx->pos, which is neither the end nor a blank. */
static inline void cut(struct lexer *lx, struct token *t)
{
    const char *p = lx->text + lx->pos, *end = lx->text + lx->len, *q;
    if (!lex_is(*p, CLASS_IDENT)) {
        q = punctuation(lx, p, end, t);
    } else if (lx->after_dot) {
        t->type = TOK_WORD;
        t->plain = true;
        q = word_end(lx, p, end);
    } else if (lex_is(*p, CLASS_DIGIT)) {
        q = number_or_word(lx, p, end, &t->type);
    } else {
        q = word(lx, p, end, t);
    }
    lx->after_dot = t->type == '.';
    lx->after_name = t->type == TOK_WORD || t->type == TOK_QUOTED;
    t->len = (uint32_t)(q - p);
    lx->pos += t->len;
}

/* Passes over the blanks at lx->pos. */
static inline void skip_blanks(struct lexer *lx)
{
    if (lx->pos == lx->len || !lex_is(lx->text[lx->pos], CLASS_SPACE))
        return;
    lx->after_dot = lx->after_name = false;
    do
        lx->pos++;
    while (lx->pos < lx->len && lex_is(lx->text[lx->pos], CLASS_SPACE));
}

/* `all`: blanks and comments are tokens too. */
static void read_token(struct lexer *lx, struct token *t, bool all)
{
    do {
        uint32_t off = lx->pos;
        skip_blanks(lx);
        if (all && lx->pos > off) {
            *t = (struct token){.type = TOK_SPACE, .off = off, .len = lx->pos - off};
            return;
        }
        *t = (struct token){.type = TOK_END, .off = lx->pos};
        if (lx->pos == lx->len)
            return;
        cut(lx, t);
    } while (!all && t->type == TOK_COMMENT);
}

void lex_read(struct lexer *lx, struct token *t)
{
    read_token(lx, t, true);
}

void lex_read_significant(struct lexer *lx, struct token *t)
{
    read_token(lx, t, false);
}

struct token lex_next(struct lexer *lx)
{
    struct token t;
    lex_read(lx, &t);
    return t;
}

struct token lex_next_significant(struct lexer *lx)
{
    struct token t;
    lex_read_significant(lx, &t);
    return t;
}
