/* A text as a shape and its values. Not for use outside of proxy/rewrite. */
#ifndef PROXY_REWRITE_SHAPE_H
#define PROXY_REWRITE_SHAPE_H

#include "proxy/rewrite/rewrite.h"

enum { SHAPE_TEXT_MAX = 4096, SHAPE_VALUES_MAX = 256, SHAPE_DATABASE_MAX = 256 };

/* Stand for a value; outside of quotes no other control character but a tab and line ends is in a shape. */
enum { SHAPE_NUMBER = 1, SHAPE_STRING = 2 };

struct shape {
    uint64_t hash;
    uint32_t len, text;                    /* bytes; where in them the text begins, behind how it is read */
    uint32_t count;                        /* values */
    struct range values[SHAPE_VALUES_MAX]; /* in the text, in order */
    char bytes[SHAPE_TEXT_MAX + SHAPE_DATABASE_MAX + 32];
};

/* false: the text has none. It has if it is short and made of words, names in quotes, signs, blanks, whole
 * numbers, and printable ASCII strings in single quotes without an escape or a doubled quote; and what else
 * the rewriter knows of the session is in the shape too. */
bool shape_of(struct shape *shape, const struct rewrite_session *s, struct span text);

/* Whether the text is one statement in which each value stands where the rewriter only passes it by: a row of
 * VALUES, an assignment, LIMIT, or a comparison with a column of no migration. Parses it. */
bool shape_fits(struct arena *arena, const struct rewrite_session *s, const struct shape *shape,
                struct span text);

#endif
