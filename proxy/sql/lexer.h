/* From bytes to tokens, the way the servers' own lexer cuts them.
 *
 * One function, lex_next(), gives the next token's type and length. It allocates nothing, works on pointer
 * and length (a text may hold NUL bytes), and always moves on: the tokens, blanks and comments included,
 * tile the text. What is malformed (an unterminated string, a stray control byte) is one TOK_BAD.
 *
 * It follows the session: sql_mode decides what "x" and a backslash are, the client's character set which
 * byte pairs are one character, and the server's version which executable comments are SQL: of those, the
 * opening and the closing are TOK_COMMENT and the tokens between them count. */
#ifndef PROXY_SQL_LEXER_H
#define PROXY_SQL_LEXER_H

#include "proxy/sql/parser.h"

/* Single-character tokens have their character as type; the others: */
enum token_type {
    TOK_END = 256, /* the text's end: length 0 */
    TOK_BAD,
    TOK_SPACE,
    TOK_COMMENT,
    TOK_WORD,     /* an identifier without quotes, or a keyword */
    TOK_QUOTED,   /* `x`, "x" under ANSI_QUOTES, [x] under MSSQL */
    TOK_STRING,   /* 'x', "x" */
    TOK_NATIONAL, /* N'x' */
    TOK_HEX,      /* x'1f', 0x1f */
    TOK_BIT,      /* b'01', 0b01 */
    TOK_INT,
    TOK_DECIMAL,
    TOK_FLOAT,
    TOK_NULL,     /* \N */
    TOK_USER_VAR, /* @name, @'name', @`name`, @ alone */
    TOK_AT_AT,    /* @@ of a system variable; the names follow */
    TOK_ASSIGN,   /* := */
    TOK_ARROW,    /* -> */
    TOK_ARROW2,   /* ->> */
    TOK_EQUAL,    /* <=> */
    TOK_LE,
    TOK_GE,
    TOK_NE,      /* <> != */
    TOK_SHL,     /* << */
    TOK_SHR,     /* >> */
    TOK_AND_AND, /* && */
    TOK_OR_OR,   /* || */
};

struct token {
    uint16_t type;
    bool plain;  /* TOK_WORD next to a dot: a name, never a keyword */
    bool folded; /* strings and quoted names: holds a doubled quote or an escape that must be undone */
    uint32_t off, len;
};

struct lexer {
    const char *text;
    uint32_t len, pos;
    const struct sql_dialect *dialect;
    bool in_executable;  /* within an executable comment: the next star-slash closes it */
    bool had_executable; /* an executable comment was opened: it is not set back */
    bool after_dot;      /* the last token was a dot that joins names */
    bool after_name;     /* the last token was a name, so that a dot right behind it joins */
};

void lex_init(struct lexer *lx, const struct sql_dialect *dialect, struct span text);

/* The token at lx->pos, of any type, into *t (by pointer: to return the small fields in registers costs the
 * processor more than to cut the token); TOK_END (length 0) at the end, again and again. The second one
 * passes over blanks and comments. */
void lex_read(struct lexer *lx, struct token *t);
void lex_read_significant(struct lexer *lx, struct token *t);

/* The same by value, for where it does not matter. The token at lx->pos, of any type; TOK_END (length 0) at
 * the end, again and again. */
struct token lex_next(struct lexer *lx);

/* The next token that is neither blank nor comment. */
struct token lex_next_significant(struct lexer *lx);

/* Bytes of the multi-byte character that begins at p (p < end): 1 for everything that is not the whole,
 * valid beginning of one. CHARSET_ASCII_SAFE: always 1, since no byte of its characters can be mistaken. */
uint32_t charset_length(enum sql_charset charset, const char *p, const char *end);

/* Whether the client's character set may decide where the text's tokens begin and end: false: all of them cut
 * it alike. It looks at every byte, many at a time. */
bool charset_may_matter(struct span text);

/* Character classes of the lexer, by byte. */
enum {
    CLASS_SPACE = 1 << 0, /* blanks and control characters but NUL */
    CLASS_IDENT = 1 << 1, /* may stand in a name without quotes */
    CLASS_DIGIT = 1 << 2,
    CLASS_HEX = 1 << 3,
    CLASS_ALONE = 1 << 4, /* always a token of its own */
};
extern const uint8_t lex_class[256];

static inline bool lex_is(char c, int class)
{
    return lex_class[(unsigned char)c] & class;
}

/* The end of the characters of a class from p on. */
static inline const char *lex_class_end(const char *p, const char *end, int class)
{
    while (p < end && lex_is(*p, class))
        p++;
    return p;
}

/* lex_read_significant() for the tokens that most statements are made of, words, whole numbers and the signs
 * between them, where no closer look is needed. false: one is, and nothing was done. */
__attribute__((always_inline)) static inline bool lex_read_plain(struct lexer *lx, struct token *t)
{
    const char *start = lx->text + lx->pos, *end = lx->text + lx->len, *p = start;
    if (lx->after_dot || lx->dialect->charset != CHARSET_ASCII_SAFE)
        return false;
    while (p < end && lex_is(*p, CLASS_SPACE))
        p++;
    if (p == end)
        return false;
    const char *q = p + 1;
    uint16_t type;
    if (lex_is(*p, CLASS_ALONE)) {
        type = (unsigned char)*p;
    } else if (lex_is(*p, CLASS_DIGIT)) {
        q = lex_class_end(q, end, CLASS_DIGIT);
        if (q < end && (*q == '.' || lex_is(*q, CLASS_IDENT)))
            return false;
        type = TOK_INT;
    } else if (lex_is(*p, CLASS_IDENT)) {
        q = lex_class_end(q, end, CLASS_IDENT);
        if (q < end && (*q == '.' || *q == '\''))
            return false;
        type = TOK_WORD;
    } else {
        return false;
    }
    *t = (struct token){.type = type, .off = (uint32_t)(p - lx->text), .len = (uint32_t)(q - p)};
    lx->pos = (uint32_t)(q - lx->text);
    lx->after_name = type == TOK_WORD;
    return true;
}

/* The end of a string or quoted name whose opening quote is p[0], behind its closing quote; NULL when it
 * has none. *folded is set where a quote is doubled or a backslash escapes. */
const char *lex_quoted_end(const struct sql_dialect *d, const char *p, const char *end, bool identifier,
                           bool *folded);

/* The end of what begins with slash-star at p: a whole comment, or the opening of an executable comment that
 * this server runs (*executable). NULL: unterminated. */
const char *lex_comment_end(const struct sql_dialect *d, const char *p, const char *end, bool *executable);

/* Whether "--" at p begins a comment: a blank, a control byte or the end must follow. */
static inline bool lex_is_dash_comment(const char *p, const char *end)
{
    return end - p >= 2 && p[1] == '-' && (end - p == 2 || (unsigned char)p[2] <= ' ' || p[2] == 0x7f);
}

#endif
