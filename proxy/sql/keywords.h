/* The words that the grammar knows, and which of them may be names.
 *
 * A word that only one server line reserves, or only some versions do, is not reserved here: the grammar
 * tells it from a name by what follows. To take too much is safe, since the server judges the text once more.
 */
#ifndef PROXY_SQL_KEYWORDS_H
#define PROXY_SQL_KEYWORDS_H

#include "protocol/span.h"

enum keyword {
    KW_NONE, /* not a keyword */
#define KEYWORD(word, flags) KW_##word,
#include "proxy/sql/keywords.def"
#undef KEYWORD
    KW_COUNT
};

enum {
    KWF_RESERVED = 1 << 0, /* never a name without quotes, but next to a dot */
    KWF_MARIADB = 1 << 1,  /* reserved by MariaDB only */
    KWF_CALL = 1 << 2,     /* reserved, and yet the name of a function before '(' */
    KWF_BARE = 1 << 3,     /* a function without parentheses, too */
    KWF_UNIT = 1 << 4,     /* a unit of INTERVAL, EXTRACT, TIMESTAMPADD */
    KWF_MYSQL9 = 1 << 5,   /* reserved by MySQL only, from 9.0 on */
};

/* KW_NONE where the word is none. */
enum keyword keyword_of(struct span word);

extern const uint8_t keyword_flag_bits[KW_COUNT];

static inline unsigned keyword_flags(enum keyword kw)
{
    return keyword_flag_bits[kw];
}

#endif
