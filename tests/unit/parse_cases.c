/* What the parser's tests share; see parse_cases.h. */
#include "tests/unit/parse_cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/ast_dump.h"

struct arena *arena;

int parse_setup(void **state)
{
    (void)state;
    arena = arena_new((size_t)256 << 20);
    return arena ? 0 : -1;
}

int parse_teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

struct sql_dialect dialect_with(uint32_t modes)
{
    return (struct sql_dialect){.modes = modes, .mariadb = true, .version = 101119};
}

char *trees_of(uint32_t modes, const char *sql)
{
    struct sql_dialect d = dialect_with(modes);
    struct span text = span_of(sql);
    char *out = NULL;
    size_t out_len = 0, off = 0;
    FILE *f = open_memstream(&out, &out_len);
    assert_non_null(f);
    do {
        struct stmt *s;
        struct parse_error error;
        if (off)
            fputs(" ; ", f);
        enum parse_status status = parse_statement(arena, &d, text, &off, &s, &error);
        struct ast_dump dump = {f, sql};
        if (status != PARSE_OK) {
            fputs("error", f);
            continue;
        }
        const char *broken = ast_check_stmt(s, text.len);
        if (!broken && s->kind == STMT_INSERT) {
            s->insert->rows = value_rows_apart(arena, text, s->insert->rows);
            broken = ast_check_stmt(s, text.len);
        }
        if (broken)
            fail_msg("%s: %s", sql, broken);
        dump_stmt(&dump, s);
    } while (off < text.len);
    fclose(f);
    return out;
}

void check_trees(const char *name, uint32_t modes, const struct tree_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        arena_reset(arena);
        char *got = trees_of(modes, cases[i].sql);
        if (strcmp(got, cases[i].tree) != 0)
            fail_msg("%s:\n%s\ngot      %s\nexpected %s", name, cases[i].sql, got, cases[i].tree);
        free(got);
    }
}

struct stmt *parsed(const char *sql)
{
    struct sql_dialect d = dialect_with(0);
    struct stmt *s;
    struct parse_error error;
    size_t off = 0;
    arena_reset(arena);
    assert_int_equal(parse_statement(arena, &d, span_of(sql), &off, &s, &error), PARSE_OK);
    return s;
}

void assert_range(const char *sql, struct range r, const char *expected)
{
    char got[256];
    snprintf(got, sizeof got, "%.*s", (int)r.len, sql + r.off);
    assert_string_equal(got, expected);
}
