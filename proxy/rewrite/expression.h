/* Compiles a migration's forward and backward expressions.
 *
 * An expression is the migration's, not the session's: its compiled text means the same in every session.
 * It is read under the default sql_mode and UTF-8 and written so that no session's settings change it:
 *   - string literals carry an introducer (_utf8mb4'x'); what a backslash or a character set could change,
 *     and the empty string, is in hexadecimal (_utf8mb4 X'5C')
 *   - || becomes OR, NOT's operand gets parentheses, columns get backquotes, comments go
 *   - CAST(x AS CHAR) names its character set
 * Functions are those of a table of deterministic ones (expression_functions.c). */
#ifndef PROXY_REWRITE_EXPRESSION_H
#define PROXY_REWRITE_EXPRESSION_H

#include "proxy/rewrite/rules.h"

/* Compiles `text`, which may name `columns`; everything is in `arena`. false with the reason in `error`. */
bool expression_compile(struct arena *arena, struct span text, const struct span *columns,
                        size_t column_count, struct expression *out, char *error, size_t error_size);

/* Fills in keeps_equality and what follows it, from the tree of the expression's source
 * (expression_traits.c). */
void expression_traits(const struct expr *tree, struct span source, struct expression *out);

/* Whether an operator's result is true, false or NULL. */
bool gives_truth(enum expr_op op);

enum function_trait {
    FUNCTION_UNKNOWN, /* not in the table: a stored function, or one whose result nobody vouches for */
    FUNCTION_PURE,    /* the same arguments give the same result in every session */
    FUNCTION_LOCALE,  /* pure unless its format names a month or a weekday (lc_time_names) */
    FUNCTION_WEEK,    /* pure with two arguments; with one it reads default_week_format */
    FUNCTION_SESSION, /* reads the session's time zone, user, variables, last id … */
    FUNCTION_CLOCK,   /* reads the clock: one value for a whole statement */
    FUNCTION_CHANCE,  /* another value at every call */
    FUNCTION_AGGREGATE,
};

/* What is known of a function by its name (any case). */
enum function_trait function_trait_of(struct span name);

/* `name` in backquotes, in the arena. */
struct span quoted_name(struct arena *arena, struct span name);

/* The same behind other text. */
struct span quoted_name_behind(struct arena *arena, struct span words, struct span name);

#endif
