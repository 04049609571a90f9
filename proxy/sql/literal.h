/* String literals and the text that they stand for, as the servers' lexer reads them: quotes, doubled quotes,
 * backslash escapes (unless NO_BACKSLASH_ESCAPES), adjacent literals, multi-byte characters of the client's
 * character set. For SQL that stands in a string: PREPARE … FROM '…', EXECUTE IMMEDIATE '…'. */
#ifndef PROXY_SQL_LITERAL_H
#define PROXY_SQL_LITERAL_H

#include "proxy/sql/arena.h"
#include "proxy/sql/parser.h"

/* What the literal `text` says, in the arena. false: it is no plain string literal, or the server would
 * convert it: a number, hexadecimal digits, a name (as "x" is under ANSI_QUOTES), letters beyond ASCII behind
 * N or a character set introducer; or there is a comment within. */
bool literal_decode(struct arena *arena, const struct sql_dialect *d, struct span text, struct span *value);

/* `value` as a literal in single quotes, in the arena. */
struct span literal_encode(struct arena *arena, const struct sql_dialect *d, struct span value);

/* The same as x'…': a binary string, which no character set converts. */
struct span literal_encode_hex(struct arena *arena, struct span value);

#endif
