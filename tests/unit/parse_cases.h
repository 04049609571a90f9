/* What the parser's tests share: cases of a text and its trees, and a parser to hold them against.
 *
 * A tree is written as an s-expression (ast_dump.h); every tree is also held to the invariants of
 * ast_check.h. */
#ifndef TESTS_UNIT_PARSE_CASES_H
#define TESTS_UNIT_PARSE_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ast_check.h"

struct tree_case {
    const char *sql, *tree;
};

extern struct arena *arena; /* made by the group's set-up */

int parse_setup(void **state);
int parse_teardown(void **state);

/* MariaDB's dialect with these modes (SQL_…). */
struct sql_dialect dialect_with(uint32_t modes);

/* The trees of all statements of a text, joined by " ; "; to be freed. */
char *trees_of(uint32_t modes, const char *sql);

/* Fails the test with the first case whose trees are others. */
void check_trees(const char *name, uint32_t modes, const struct tree_case *cases, size_t count);
#define CHECK_TREES(modes, cases) check_trees(#cases, modes, cases, sizeof cases / sizeof *cases)

/* The one statement of a text that parses; in the arena, until the next. */
struct stmt *parsed(const char *sql);

void assert_range(const char *sql, struct range r, const char *expected);

#endif
