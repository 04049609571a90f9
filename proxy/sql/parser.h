/* From SQL text to a syntax tree.
 *
 * The grammar is that of MariaDB 10.5–11.8 and MySQL 5.7–9.7 for queries and data change; every other
 * statement is classified by its first words (stmt_kind) and its tables are picked out. The parser
 * accepts a superset: what it takes and the server does not, the server will refuse itself. */
#ifndef PROXY_SQL_PARSER_H
#define PROXY_SQL_PARSER_H

#include "proxy/sql/arena.h"
#include "proxy/sql/ast.h"

/* How a session's text is to be read: the part of sql_mode and of the character set that the lexer and
 * the parser depend on. */
enum {
    SQL_ANSI_QUOTES = 1 << 0, /* "x" is an identifier */
    SQL_NO_BACKSLASH_ESCAPES = 1 << 1,
    SQL_PIPES_AS_CONCAT = 1 << 2,
    SQL_HIGH_NOT_PRECEDENCE = 1 << 3,
    SQL_IGNORE_SPACE = 1 << 4,
    SQL_SIMULTANEOUS = 1 << 5, /* SIMULTANEOUS_ASSIGNMENT: the rewriter's, not the lexer's */
    SQL_ORACLE = 1 << 6,
    SQL_BRACKETS = 1 << 7, /* [x] is an identifier: MariaDB's MSSQL */
    SQL_LOOSE = 1 << 8,    /* no STRICT mode: what does not fit is changed and stored; the rewriter's too */
    SQL_ONLY_FULL_GROUP_BY = 1 << 9, /* the rewriter's as well */
};

enum sql_charset {
    CHARSET_ASCII_SAFE, /* no byte of a multi-byte character looks like ASCII: utf8, latin1, euc … */
    CHARSET_SJIS,       /* and cp932 */
    CHARSET_BIG5,
    CHARSET_GBK,
    CHARSET_GB18030,
};

enum { CHARSET_COUNT = CHARSET_GB18030 + 1 };

struct sql_dialect {
    uint32_t modes; /* SQL_… above */
    enum sql_charset charset;
    bool mariadb;     /* which line's executable comments and words count */
    uint32_t version; /* 101119 for 10.11.19, 80400 for 8.4.0 */
};

/* The SQL_… bits for a value of @@sql_mode such as "ANSI_QUOTES,STRICT_TRANS_TABLES"; combination modes
 * (ANSI, ORACLE, MSSQL, DB2, …) set the bits that they stand for. Unknown words are ignored. */
uint32_t sql_modes_of(struct span sql_mode);

/* The class of a character set's name ("utf8mb4", "gbk", …). */
enum sql_charset sql_charset_of(struct span name);

/* Whether a server has a character set of this name, so that _name in front of a string is its introducer. */
bool sql_charset_known(struct span name);

enum parse_status {
    PARSE_OK,
    PARSE_SYNTAX,   /* not understood: error says where and what */
    PARSE_TOO_DEEP, /* nesting beyond PARSE_MAX_DEPTH */
    PARSE_MEMORY,   /* the arena's limit was passed */
};

/* How deep the parser goes (a pair of parentheses is one step, a function call two, a subquery three), and
 * how tall the expressions that come out may be, mixed chains of operators and subqueries included. A chain
 * of set operations leans to the left and has at most PARSE_MAX_SETOPS, one of joins at most 500. */
#define PARSE_MAX_DEPTH  400
#define PARSE_MAX_HEIGHT 1000
#define PARSE_MAX_SETOPS 4000

struct parse_error {
    uint32_t off;        /* where, in bytes of the text */
    const char *message; /* a constant, with "expected …"; NULL with PARSE_OK */
};

/* Parses the statement that begins at `*off` of `text` (up to its ';' or the end) and moves `*off` behind
 * its ';'. *out is in `arena`; its ranges count from text.ptr. text.len must be below 4 GiB.
 * With PARSE_SYNTAX, `*out` still says kind and range as far as they are known, and `*off` is behind the
 * statement's ';' as the lexer finds it. */
enum parse_status parse_statement(struct arena *arena, const struct sql_dialect *dialect, struct span text,
                                  size_t *off, struct stmt **out, struct parse_error *error);

/* Parses one expression that is the whole of `text` (a migration's forward or backward expression). */
enum parse_status parse_expression(struct arena *arena, const struct sql_dialect *dialect, struct span text,
                                   struct expr **out, struct parse_error *error);

/* The rows of VALUES one by one, those of runs too, their values as the grammar would have made them. `text`
 * is what was parsed. NULL when memory is out. */
struct value_row *value_rows_apart(struct arena *arena, struct span text, const struct value_row *rows);

/* A cheap look at a text without a tree: one pass of the lexer.
 *
 * names: what to look for, folded to lower ASCII. It tells whether the text could need a parser at all. */
struct scan_names {
    const struct span *names; /* lower case */
    size_t count;
    uint64_t bloom; /* scan_bloom() over all names */
};

/* Which of the 64 bits a name sets: by its length and its first and last byte, whatever case its letters
 * have. */
static inline unsigned scan_bloom_bit(struct span name)
{
    unsigned first = (unsigned char)name.ptr[0], last = (unsigned char)name.ptr[name.len - 1];
    return ((unsigned)name.len * 7u + (first | 0x20) * 5u + (last | 0x20)) & 63u;
}

/* The bit set of one name for scan_names.bloom. */
static inline uint64_t scan_bloom(struct span name)
{
    return name.len > 0 ? (uint64_t)1 << scan_bloom_bit(name) : 0;
}

enum {
    SCAN_NAME = 1 << 0,    /* an identifier (or a string, where it may be one) equals one of the names */
    SCAN_SESSION = 1 << 1, /* some statement in it is SET, USE, PREPARE, EXECUTE, CALL, CREATE, DROP, ALTER,
                              RENAME, or otherwise changes what later statements mean */
    SCAN_MULTI = 1 << 2,   /* more than one statement */
    SCAN_BROKEN = 1 << 3, /* an unterminated string, quoted name or comment: what is behind it is not seen. An
                             executable comment hides nothing */
};

/* The SCAN_… bits of a text. Pure and allocation-free; reads every byte once. */
uint32_t scan_text(const struct sql_dialect *dialect, struct span text, const struct scan_names *names);

/* The same, but looks no further when it has found any of `wanted`. */
uint32_t scan_text_for(const struct sql_dialect *dialect, struct span text, const struct scan_names *names,
                       uint32_t wanted);

/* Calls `visit` for every expression below `e` (operands, window parts; not into subqueries) in text order,
 * itself first; stops when it returns false and then returns false. */
bool expr_walk(struct expr *e, bool (*visit)(struct expr *e, void *ctx), void *ctx);

#endif
