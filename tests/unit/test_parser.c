/* What a parser must besides making trees: tell what it stumbled over, not be brought down by hostile
 * statements, keep to its memory; names, flags and modes. The trees are held by test_parse_query, _expr and
 * _statement. */
#include <stdlib.h>

#include "tests/unit/parse_cases.h"

/* Text, then what the parser stumbled over. */
static void test_errors(void **state)
{
    static const struct tree_case cases[] = {
        {"SELECT", ""},
        {"SELECT a FROM", ""},
        {"SELECT a,, b", ", b"},
        {"SELECT a, * FROM t", "* FROM t"},
        {"SELECT (a", ""},
        {"SELECT a FROM t WHERE", ""},
        {"SELECT 'a", "'a"},
        {"SELECT 1 /*!50000 + 1", ""},
        {"INSERT INTO t (a VALUES (1)", "VALUES (1)"},
        {"INSERT INTO t (a) VALUES 1", "1"},
        {"UPDATE t SET a", ""},
        {"UPDATE t a = 1", "= 1"},
        {"DELETE t WHERE a", "WHERE a"},
        {"SELECT a b c", "c"},
        {"SELECT select", "select"},
        {"SELECT a FROM t ORDER a", "a"},
        {"SELECT a FROM t AS 'b'", "'b'"},
        {"SELECT a FROM t = 'b'", "'b'"},
        {"SELECT CASE END", ""},
        {"SELECT EXISTS (1)", ""},
        {"SELECT a.b.c.d", "d"},
        {"SELECT INTERVAL 1", ""},
        {"SELECT :a", "a"},
        {"SELECT f(a b c)", "b"},
        {"DO CAST(a AS; b", "; b"},
        {"CREATE TABLE t SELECT 1 2", "2"},
    };
    struct sql_dialect d = dialect_with(0);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = span_of(cases[i].sql);
        struct stmt *s;
        struct parse_error error;
        size_t off = 0;
        arena_reset(arena);
        if (parse_statement(arena, &d, text, &off, &s, &error) != PARSE_SYNTAX)
            fail_msg("%s: no error", cases[i].sql);
        assert_non_null(error.message);
        assert_true(off == text.len || text.ptr[off - 1] == ';');
        assert_int_equal(range_end(s->range), off - (text.ptr[off - 1] == ';'));
        if (cases[i].tree[0] && strncmp(text.ptr + error.off, cases[i].tree, strlen(cases[i].tree)) != 0)
            fail_msg("%s: error at %s", cases[i].sql, text.ptr + error.off);
    }
}

/* `unit` again and again, behind `head` and before `tail`; to be freed. */
static char *repeated(const char *head, const char *unit, size_t times, const char *tail)
{
    size_t unit_len = strlen(unit), at = strlen(head);
    char *s = malloc(at + unit_len * times + strlen(tail) + 1);
    assert_non_null(s);
    strcpy(s, head);
    for (size_t i = 0; i < times; i++, at += unit_len)
        memcpy(s + at, unit, unit_len);
    strcpy(s + at, tail);
    return s;
}

static enum parse_status status_of(struct arena *a, const char *sql)
{
    struct sql_dialect d = dialect_with(0);
    struct span text = span_of(sql);
    struct stmt *s;
    struct parse_error error;
    size_t off = 0;
    arena_reset(a);
    enum parse_status status = parse_statement(a, &d, text, &off, &s, &error);
    assert_int_equal(off, text.len);
    if (status == PARSE_OK)
        assert_null(ast_check_stmt(s, text.len));
    return status;
}

/* Long is fine, deep is refused, and neither takes more than linear time. */
static void test_hostile(void **state)
{
    static const struct {
        const char *head, *unit;
        size_t times;
        const char *tail;
        enum parse_status status;
    } cases[] = {
        {"SELECT ", "(", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "NOT ", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "- ", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "f(", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "(SELECT ", 100000, "1", PARSE_TOO_DEEP},
        {"", "(", 100000, "SELECT 1", PARSE_TOO_DEEP},
        {"SELECT 1 FROM ", "(", 100000, "t", PARSE_TOO_DEEP},
        {"SELECT 1 FROM ", "{OJ ", 100000, "t", PARSE_TOO_DEEP},
        {"SELECT ", "INTERVAL (", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "CASE ", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "@a := ", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT ", "a IN (", 100000, "1", PARSE_TOO_DEEP},
        {"SELECT a", "->b", 100000, "", PARSE_TOO_DEEP},
        {"SELECT a", " BETWEEN 1 AND 2", 100000, "", PARSE_TOO_DEEP},
        {"SELECT a", " + 1 - 1", 100000, "", PARSE_TOO_DEEP},
        {"SELECT a", " COLLATE b", 100000, "", PARSE_TOO_DEEP},
        {"SELECT a", " IS NULL", 100000, "", PARSE_TOO_DEEP},
        {"SELECT 1", " UNION SELECT 1", 100000, "", PARSE_TOO_DEEP},
        {"SELECT 1 FROM t", " JOIN t", 100000, "", PARSE_TOO_DEEP},
        {"SELECT 1 FROM t", " JOIN t ON 1", 100000, "", PARSE_TOO_DEEP},
        {"", "WITH a AS (", 100000, "SELECT 1", PARSE_TOO_DEEP},
        {"SELECT 1 FROM ", "LATERAL (SELECT 1 FROM ", 100000, "t", PARSE_TOO_DEEP},
        {"", "EXPLAIN ", 100000, "SELECT 1", PARSE_SYNTAX},
        {"", "SET STATEMENT a = 1 FOR ", 100000, "SELECT 1", PARSE_TOO_DEEP},
        {"SELECT ", "(", 150, "", PARSE_SYNTAX},
        {"SELECT a", " AND a = 1", 100000, "", PARSE_OK},
        {"SELECT a", " OR a", 100000, "", PARSE_OK},
        {"SELECT a", " + 1", 100000, "", PARSE_OK},
        {"SELECT a", ", a", 100000, "", PARSE_OK},
        {"SELECT 'a'", " 'a'", 100000, "", PARSE_OK},
        {"SELECT a IN (1", ", 1", 100000, ")", PARSE_OK},
        {"SELECT 1", " UNION ALL SELECT 1", 3000, "", PARSE_OK},
        {"SELECT 1 FROM t", ", t", 100000, "", PARSE_OK},
        {"INSERT INTO t VALUES (1)", ", (1)", 100000, "", PARSE_OK},
        {"SELECT CASE", " WHEN 1 THEN 2", 100000, " END", PARSE_OK},
        {"RENAME TABLE a TO b", ", a TO b", 100000, "", PARSE_OK},
        {"SELECT 1 FROM t", " FOR UPDATE OF t", 100000, "", PARSE_OK},
        {"CREATE PROCEDURE p() BEGIN ", "IF a THEN ", 100000, "", PARSE_OK},
        {"CREATE TABLE t ", "(", 100000, "", PARSE_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *sql = repeated(cases[i].head, cases[i].unit, cases[i].times, cases[i].tail);
        enum parse_status status = status_of(arena, sql);
        if (status != cases[i].status)
            fail_msg("%s%s… is %d, not %d", cases[i].head, cases[i].unit, status, cases[i].status);
        free(sql);
    }
}

static void test_depth_and_memory_limits(void **state)
{
    char *deep = repeated("SELECT ", "(", 150, "1");
    char *closed = repeated(deep, ")", 150, "");
    char *large = repeated("SELECT a", ", a", 100000, "");
    struct arena *small = arena_new(1 << 20);
    (void)state;
    assert_int_equal(status_of(arena, closed), PARSE_OK);
    assert_int_equal(status_of(small, large), PARSE_MEMORY);
    assert_int_equal(status_of(small, "SELECT 1"), PARSE_OK);
    arena_free(small);
    free(deep);
    free(closed);
    free(large);
}

static void test_names(void **state)
{
    static const char sql[] = "select `a``b`.`c d` 'x''y\\'z', e from t";
    const struct select_item *i = parsed(sql)->query->body->select->items;
    (void)state;
    assert_true(span_eq(i->expr->table.text, SPAN("a`b")));
    assert_true(span_eq(i->expr->name.text, SPAN("c d")));
    assert_true(i->expr->name.quoted);
    assert_true(span_eq(i->alias.text, SPAN("x'y'z")));
    assert_false(name_given(&i->next->expr->table));
    assert_false(i->next->expr->name.quoted);
    assert_ptr_equal(i->next->expr->name.text.ptr, sql + 31);
}

static void test_flags(void **state)
{
    const struct stmt *s =
        parsed("select (select ?), f(?), a = ? and b in (select ?), 1 + (exists (select 2))");
    const struct select_item *i = s->query->body->select->items;
    (void)state;
    assert_int_equal(s->param_count, 4);
    assert_true(i->expr->has_query);
    assert_false(i->next->expr->has_query);
    assert_int_equal(i->next->expr->args->param, 1);
    assert_true(i->next->next->expr->has_query);
    assert_true(i->next->next->next->expr->has_query);
    s = parsed("insert into t () values ()");
    assert_true(s->insert->has_columns);
    assert_null(s->insert->columns);
    assert_int_equal(s->insert->rows->count, 0);
}

static void test_modes_and_charsets(void **state)
{
    (void)state;
    assert_int_equal(sql_modes_of(SPAN("")), SQL_LOOSE);
    assert_int_equal(sql_modes_of(SPAN("STRICT_TRANS_TABLES,ansi_quotes,NO_ZERO_DATE")), SQL_ANSI_QUOTES);
    assert_int_equal(sql_modes_of(SPAN("ANSI")),
                     SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE | SQL_LOOSE);
    assert_int_equal(sql_modes_of(SPAN("NO_BACKSLASH_ESCAPES, HIGH_NOT_PRECEDENCE,STRICT_ALL_TABLES")),
                     SQL_NO_BACKSLASH_ESCAPES | SQL_HIGH_NOT_PRECEDENCE);
    assert_true(sql_modes_of(SPAN("ORACLE")) & SQL_ORACLE);
    assert_int_equal(sql_charset_of(SPAN("utf8mb4")), CHARSET_ASCII_SAFE);
    assert_int_equal(sql_charset_of(SPAN("CP932")), CHARSET_SJIS);
    assert_int_equal(sql_charset_of(SPAN("gb18030")), CHARSET_GB18030);
}

static void fill(struct arena *a, int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        unsigned char *p = arena_alloc(a, size);
        for (size_t b = 0; b < size; b++)
            assert_int_equal(p[b], 0);
        memset(p, 0xff, size);
    }
}

static void test_arena(void **state)
{
    enum { LIMIT = 400000 };
    struct arena *a = arena_new(LIMIT);
    (void)state;
    for (int round = 0; round < 4; round++) {
        fill(a, 500, 100);
        assert_false(arena_failed(a));
        struct span copy = arena_copy(a, SPAN("abc"));
        assert_string_equal(copy.ptr, "abc");
        fill(a, 3, 2 * LIMIT);
        assert_true(arena_failed(a));
        fill(a, 10, 100);
        assert_true(arena_failed(a));
        arena_reset(a);
        assert_false(arena_failed(a));
        fill(a, 1, LIMIT * 3 / 4); /* what was kept makes room for it */
        assert_false(arena_failed(a));
        arena_reset(a);
    }
    fill(a, 10000, 100);
    assert_true(arena_failed(a));
    arena_free(a);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_depth_and_memory_limits),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_modes_and_charsets),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, parse_setup, parse_teardown);
}
