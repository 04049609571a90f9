/* The catalog and the reading of CREATE TABLE text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/rewrite/catalog.h"
#include "proxy/rewrite/schema.h"

static const struct sql_dialect dialect = {.mariadb = true, .version = 101100};

static struct catalog *read_schema(const char *text, bool fold)
{
    char error[256];
    struct catalog *c = catalog_new();
    assert_non_null(c);
    assert_true(schema_read(c, &dialect, span_of(text), SPAN("shop"), error, sizeof error));
    assert_true(catalog_finish(c, fold));
    return c;
}

static void test_many_tables_are_found(void **state)
{
    (void)state;
    struct catalog *c = catalog_new();
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        catalog_add_table(c, SPAN("db"), span_of(name), i % 2);
        for (int k = 0; k <= i % 3; k++) {
            struct catalog_column column = {.name = SPAN("c"), .type = SPAN("int(11)")};
            catalog_add_column(c, &column);
        }
    }
    assert_true(catalog_finish(c, false));
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        const struct catalog_table *t = catalog_find(c, SPAN("db"), span_of(name));
        assert_non_null(t);
        assert_int_equal(t->column_count, i % 3 + 1);
        assert_int_equal(t->is_view, i % 2);
        assert_ptr_equal(catalog_at(c, (size_t)i), t);
    }
    assert_null(catalog_at(c, 1000));
    assert_null(catalog_find(c, SPAN("db"), SPAN("t1000")));
    assert_null(catalog_find(c, SPAN("other"), SPAN("t1")));
    assert_null(catalog_find(c, SPAN("db"), SPAN("T1")));
    assert_true(catalog_has_db(c, SPAN("db")));
    assert_false(catalog_has_db(c, SPAN("DB")));
    catalog_free(c);
}

static void test_nothing_known(void **state)
{
    (void)state;
    assert_null(catalog_find(NULL, SPAN("db"), SPAN("t")));
    assert_false(catalog_has_db(NULL, SPAN("db")));
    assert_null(catalog_column_of(NULL, SPAN("c")));
    assert_null(catalog_at(NULL, 0));
    catalog_free(NULL);
}

static void test_letter_case(void **state)
{
    (void)state;
    struct catalog *c = read_schema("CREATE TABLE Users (FullName INT)", true);
    const struct catalog_table *t = catalog_find(c, SPAN("SHOP"), SPAN("uSERS"));
    assert_non_null(t);
    assert_non_null(catalog_column_of(t, SPAN("FULLNAME")));
    catalog_free(c);
}

/* One column's text, and what is to be known of it. */
static void test_columns(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *charset;
        enum column_class class;
        bool nullable, has_default, is_expression, invisible, generated;
    } cases[] = {
        {"c INT", "int", "", COLUMN_INTEGER, true, true, false, false, false},
        {"c INT(11) UNSIGNED NOT NULL", "int(11) unsigned", "", COLUMN_INTEGER, false, false, false, false,
         false},
        {"`c` varchar(60) NOT NULL DEFAULT ''", "varchar(60)", "utf8mb4", COLUMN_STRING, false, true, false,
         false, false},
        {"c text CHARACTER SET latin1 COLLATE latin1_bin", "text", "latin1", COLUMN_STRING, true, true, false,
         false, false},
        {"c decimal(10,2) DEFAULT -1.5 COMMENT 'a, (b'", "decimal(10,2)", "", COLUMN_DECIMAL, true, true,
         false, false, false},
        {"c timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()", "timestamp", "",
         COLUMN_TEMPORAL, false, true, true, false, false},
        {"c varchar(9) DEFAULT (UUID()) INVISIBLE", "varchar(9)", "utf8mb4", COLUMN_STRING, true, true, true,
         true, false},
        {"c int GENERATED ALWAYS AS (a + 1) STORED", "int", "", COLUMN_INTEGER, true, false, false, false,
         true},
        {"c enum('a','b)') DEFAULT NULL", "enum('a','b)')", "utf8mb4", COLUMN_ENUM, true, true, false, false,
         false},
        {"c bigint PRIMARY KEY", "bigint", "", COLUMN_INTEGER, false, false, false, false, false},
        {"c longtext CHECK (json_valid(c))", "longtext", "utf8mb4", COLUMN_STRING, true, true, false, false,
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "CREATE TABLE IF NOT EXISTS t (a INT, %s, KEY k (a)) CHARSET=utf8mb4;",
                 cases[i].text);
        struct catalog *c = read_schema(text, false);
        const struct catalog_table *t = catalog_find(c, SPAN("shop"), SPAN("t"));
        assert_non_null(t);
        assert_int_equal(t->column_count, 2);
        const struct catalog_column *column = catalog_column_of(t, SPAN("c"));
        assert_non_null(column);
        assert_true(span_eq(column->type, span_of(cases[i].type)));
        assert_true(span_eq(column->charset, span_of(cases[i].charset)));
        assert_int_equal(column->class, cases[i].class);
        assert_int_equal(column->nullable, cases[i].nullable);
        assert_int_equal(column->has_default, cases[i].has_default);
        assert_int_equal(column->default_is_expression, cases[i].is_expression);
        assert_int_equal(column->invisible, cases[i].invisible);
        assert_int_equal(column->generated, cases[i].generated);
        catalog_free(c);
    }
}

static void test_a_whole_dump(void **state)
{
    (void)state;
    struct catalog *c =
        read_schema("-- a dump\nSET NAMES utf8;\nUSE other;\n"
                    "CREATE OR REPLACE TABLE `a``b` (`x y` int, PRIMARY KEY (`x y`)) ENGINE=InnoDB;\n"
                    "INSERT INTO t VALUES (1, 'CREATE TABLE no (a int)');\n"
                    "create table shop.second (a int not null, b int, c int,"
                    " constraint k primary key (a, b), foreign key (c) references x (y))"
                    " default charset = latin1",
                    false);
    const struct catalog_table *t = catalog_find(c, SPAN("other"), SPAN("a`b"));
    assert_non_null(t);
    assert_false(catalog_column_of(t, SPAN("x y"))->nullable);
    t = catalog_find(c, SPAN("shop"), SPAN("second"));
    assert_non_null(t);
    assert_int_equal(t->column_count, 3);
    assert_false(catalog_column_of(t, SPAN("b"))->nullable);
    assert_true(catalog_column_of(t, SPAN("c"))->nullable);
    assert_null(catalog_find(c, SPAN("other"), SPAN("no")));
    catalog_free(c);
}

static void test_bad_schemas(void **state)
{
    (void)state;
    static const char *const texts[] = {"CREATE TABLE t", "CREATE TABLE t (a INT", "CREATE TABLE t (a 'x",
                                        "CREATE TABLE t (a INT /* "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char error[256] = "";
        struct catalog *c = catalog_new();
        assert_false(schema_read(c, &dialect, span_of(texts[i]), SPAN("shop"), error, sizeof error));
        assert_int_not_equal(error[0], '\0');
        catalog_free(c);
    }
}

static void test_equality(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CREATE TABLE t (a INT)", "CREATE TABLE t (a BIGINT)",     "CREATE TABLE t (a INT INVISIBLE)",
        "CREATE TABLE u (a INT)", "CREATE TABLE t (a INT, b INT)", "CREATE TABLE t (a INT NOT NULL)"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            struct catalog *a = read_schema(texts[i], false), *b = read_schema(texts[k], false);
            assert_int_equal(catalog_equal(a, b), i == k);
            catalog_free(a);
            catalog_free(b);
        }
    assert_true(catalog_equal(NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_tables_are_found),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_letter_case),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_a_whole_dump),
        cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
