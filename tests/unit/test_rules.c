/* Expressions: what may be in them and what they compile to; and rules as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/rules.h"

static const struct span columns[] = {{"a", 1}, {"b", 1}, {"full name", 9}, {"Order", 5}};

/* An expression and its compiled text. */
static void test_compiled(void **state)
{
    (void)state;
    static const struct {
        const char *text, *compiled;
        size_t refs;
        bool atomic, plain;
    } cases[] = {
        {"a", "`a`", 1, true, true},
        {" A /* x */ ", "`a`", 1, true, true},
        {"a + b", "`a` + `b`", 2, false, false},
        {"a+b", "`a`+`b`", 2, false, false},
        {"`full name`", "`full name`", 1, true, true},
        {"`order` * 2", "`Order` * 2", 1, false, false},
        {"CONCAT(a, ' ', b)", "CONCAT(`a`, _utf8mb4' ', `b`)", 2, true, false},
        {"CONCAT (a)", "CONCAT(`a`)", 1, true, false},
        {"IF(a = '', 'x', b)", "IF(`a` = _utf8mb4 X'', _utf8mb4'x', `b`)", 2, true, false},
        {"CONCAT(a, 'O''Neil')", "CONCAT(`a`, _utf8mb4'O''Neil')", 1, true, false},
        {"CONCAT(a, \"it's\")", "CONCAT(`a`, _utf8mb4'it''s')", 1, true, false},
        {"CONCAT(a, 'C:\\\\x')", "CONCAT(`a`, _utf8mb4 X'433A5C78')", 1, true, false},
        {"CONCAT(a, '\xc3\xa9')", "CONCAT(`a`, _utf8mb4 X'C3A9')", 1, true, false},
        {"CONCAT(a, 'x' 'y')", "CONCAT(`a`, _utf8mb4'xy')", 1, true, false},
        {"CONCAT(a, _latin1'x')", "CONCAT(`a`, _latin1'x')", 1, true, false},
        {"a || b", "`a`  OR  `b`", 2, false, false},
        {"NOT a = b", "NOT (`a` = `b`)", 2, false, false},
        {"NOT a = b AND b", "NOT (`a` = `b`) AND `b`", 3, false, false},
        {"CAST(a AS CHAR)", "CAST(`a` AS CHAR CHARACTER SET utf8mb4)", 1, true, false},
        {"CAST(a AS CHAR(5))", "CAST(`a` AS CHAR(5) CHARACTER SET utf8mb4)", 1, true, false},
        {"CAST(a AS CHAR CHARACTER SET latin1)", "CAST(`a` AS CHAR CHARACTER SET latin1)", 1, true, false},
        {"CAST(a / 100 AS DECIMAL(10,2))", "CAST(`a` / 100 AS DECIMAL(10,2))", 1, true, false},
        {"CONVERT(a, CHAR)", "CONVERT(`a`, CHAR CHARACTER SET utf8mb4)", 1, true, false},
        {"CONCAT(a, CHAR(65))", "CONCAT(`a`, CHAR(65))", 1, true, false},
        {"a > DATE '2020-01-01'", "`a` > DATE '2020-01-01'", 1, false, false},
        {"DATE_FORMAT(a, '%Y-%m')", "DATE_FORMAT(`a`, _utf8mb4'%Y-%m')", 1, true, false},
        {"WEEK(a, 3)", "WEEK(`a`, 3)", 1, true, false},
        {"CASE WHEN a THEN 1 ELSE b END", "CASE WHEN `a` THEN 1 ELSE `b` END", 2, false, false},
        {"42", "42", 0, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(1 << 20);
        struct expression e;
        char error[256] = "";
        bool ok = expression_compile(arena, span_of(cases[i].text), columns, 4, &e, error, sizeof error);
        if (!ok)
            fail_msg("%s: %s", cases[i].text, error);
        if (!span_eq(e.text, span_of(cases[i].compiled)))
            fail_msg("%s became %.*s", cases[i].text, (int)e.text.len, e.text.ptr);
        assert_int_equal(e.ref_count, cases[i].refs);
        assert_int_equal(e.atomic, cases[i].atomic);
        assert_int_equal(e.plain_column, cases[i].plain);
        for (size_t k = 0; k < e.ref_count; k++)
            assert_true(e.text.ptr[e.refs[k].off] == '`' &&
                        e.text.ptr[e.refs[k].off + e.refs[k].len - 1] == '`');
        arena_free(arena);
    }
}

/* An expression and a word of the reason for which it is refused. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "syntax"},
        {"a +", "syntax"},
        {"a, b", "syntax"},
        {"c", "unknown column"},
        {"t.a", "without its table"},
        {"NOW()", "clock"},
        {"CURRENT_TIMESTAMP", "clock"},
        {"UUID()", "same result twice"},
        {"RAND()", "same result twice"},
        {"USER()", "session"},
        {"UNIX_TIMESTAMP(a)", "session"},
        {"LAST_INSERT_ID()", "session"},
        {"WEEK(a)", "second argument"},
        {"DATE_FORMAT(a, '%M')", "lc_time_names"},
        {"DATE_FORMAT(a, b)", "lc_time_names"},
        {"my_function(a)", "every session"},
        {"db.concat(a)", "every session"},
        {"SUM(a)", "aggregate"},
        {"LAG(a) OVER (ORDER BY b)", "aggregate"},
        {"(SELECT 1)", "subquery"},
        {"a IN (SELECT 1)", "subquery"},
        {"EXISTS (SELECT 1)", "subquery"},
        {"@a", "variable"},
        {"@@sql_mode", "variable"},
        {"?", "parameter"},
        {"DEFAULT(a)", "DEFAULT"},
        {"a /*! + 1 */", "executable comment"},
        {"N'x'", "N'"},
    };
    static const char *const names[] = {"a", "b"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[256] = "";
        if (expression_check(span_of(cases[i].text), names, 2, error, sizeof error))
            fail_msg("%s was accepted", cases[i].text);
        if (!strstr(error, cases[i].reason))
            fail_msg("%s: %s", cases[i].text, error);
    }
}

static void test_function_table_is_sorted(void **state)
{
    (void)state;
    static const char *const names[] = {"abs",    "YEARWEEK", "Concat_Ws", "if",
                                        "ifnull", "rank",     "st_x",      "uuid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_not_equal(function_trait_of(span_of(names[i])), FUNCTION_UNKNOWN);
    assert_int_equal(function_trait_of(SPAN("ab")), FUNCTION_UNKNOWN);
    assert_int_equal(function_trait_of(SPAN("abss")), FUNCTION_UNKNOWN);
    assert_int_equal(function_trait_of(SPAN("")), FUNCTION_UNKNOWN);
    assert_int_equal(function_trait_of(((struct span){"abs\0x", 5})), FUNCTION_UNKNOWN);
}

static struct config_column old_columns[] = {{"fullname", "CONCAT(first_name, last_name)", NULL, 1}};
static struct config_column new_columns[] = {{"first_name", "LEFT(fullname, 3)", NULL, 1},
                                             {"last_name", "MID(fullname, 4)", NULL, 1}};

static struct config_migration migration(const char *name, const char *table)
{
    return (struct config_migration){.name = (char *)name,
                                     .db = "shop",
                                     .table = (char *)table,
                                     .old_columns = old_columns,
                                     .old_count = 1,
                                     .new_columns = new_columns,
                                     .new_count = 2};
}

static void test_rules(void **state)
{
    (void)state;
    struct config_migration users = migration("users_name", "Users"), done = migration("gone", "people");
    const struct rule_input inputs[] = {{&users, PHASE_CUTOVER, SIDE_NEW, NULL},
                                        {&done, PHASE_DONE, SIDE_NEW, NULL}};
    char error[512];
    struct rules *r = rules_build(inputs, 2, NULL, true, true, 101100, error, sizeof error);
    assert_non_null(r);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->names.count, 1);
    assert_true(span_eq(r->names.names[0], SPAN("users")));
    assert_true(r->names.bloom == scan_bloom(SPAN("users")));
    assert_true(rule_dual_writes(&r->rules[0]));
    assert_int_equal(r->rules[0].new_columns[1].value.ref_count, 1);
    rules_free(r);
    rules_free(NULL);
}

static void test_bad_rules(void **state)
{
    (void)state;
    struct config_column wrong[] = {{"x", "nothing + 1", NULL, 1}};
    struct config_migration bad = migration("bad", "t");
    bad.new_columns = wrong;
    bad.new_count = 1;
    const struct rule_input inputs[] = {{&bad, PHASE_EXPAND, SIDE_OLD, NULL}};
    char error[512] = "";
    assert_null(rules_build(inputs, 1, NULL, false, true, 101100, error, sizeof error));
    assert_non_null(strstr(error, "migration bad"));
}

static void test_phases(void **state)
{
    (void)state;
    enum phase p;
    for (int i = PHASE_EXPAND; i <= PHASE_DONE; i++) {
        assert_true(phase_of(phase_name((enum phase)i), &p));
        assert_int_equal(p, i);
    }
    assert_false(phase_of("dual", &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiled),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_function_table_is_sorted),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
