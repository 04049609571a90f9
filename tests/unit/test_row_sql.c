/* The SQL of backfill and verify: keys as literals, ranges of them, and comparing a column with what an
 * expression gives. Whether a server agrees is the end-to-end tests' to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/migration/row_key.h"
#include "proxy/migration/row_sql.h"
#include "proxy/migration/row_walk.h"

static void assert_text(struct buf *b, const char *expected)
{
    buf_add_byte(b, '\0');
    assert_false(buf_failed(b));
    assert_string_equal(b->data, expected);
    buf_free(b);
}

static void test_literals(void **state)
{
    (void)state;
    static const struct {
        enum column_class class;
        struct span value;
        const char *literal;
    } cases[] = {
        {COLUMN_INTEGER, SPAN("-12"), "-12"},
        {COLUMN_DECIMAL, SPAN("1.50"), "1.50"},
        {COLUMN_ENUM, SPAN("2"), "2"},
        {COLUMN_STRING, SPAN("plain"), "'plain'"},
        {COLUMN_STRING, SPAN(""), "''"},
        {COLUMN_STRING, SPAN("a'b"), "_utf8mb4 0x612762"},
        {COLUMN_STRING, SPAN("a\\"), "_utf8mb4 0x615C"},
        {COLUMN_STRING, SPAN("\xc3\xa9"), "_utf8mb4 0xC3A9"},
        {COLUMN_STRING, SPAN("\0"), "_utf8mb4 0x00"},
        {COLUMN_BINARY, SPAN("\0\xff'"), "x'00FF27'"},
        {COLUMN_BINARY, SPAN(""), "x''"},
        {COLUMN_TEMPORAL, SPAN("2026-01-02 03:04:05"), "'2026-01-02 03:04:05'"},
        {COLUMN_OTHER, SPAN("::1"), "'::1'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT;
        row_key_literal(&b, cases[i].class, cases[i].value);
        assert_text(&b, cases[i].literal);
    }
}

static void test_names(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    sql_name(&b, SPAN("a`b"));
    assert_text(&b, "`a``b`");
}

static const struct row_key one = {.index = "PRIMARY", .columns = {{"id", COLUMN_INTEGER}}, .count = 1};
static const struct row_key three = {
    .index = "k", .columns = {{"a", COLUMN_INTEGER}, {"b", COLUMN_STRING}, {"c", COLUMN_FLOAT}}, .count = 3};

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const struct row_key *key;
        const char *after, *upto, *condition;
    } cases[] = {
        {&one, NULL, NULL, "TRUE"},
        {&one, NULL, "9", "((`id` <= 9))"},
        {&one, "5", "9", "((`id` > 5)) AND ((`id` <= 9))"},
        {&three, "1, 'x, y', 2.5", NULL,
         "((`a` > 1) OR (`a` = 1 AND `b` >  'x, y') OR (`a` = 1 AND `b` =  'x, y' AND `c` >  2.5)) AND `a` "
         ">= 1"},
        {&three, NULL, "1, 'x', 2.5",
         "((`a` < 1) OR (`a` = 1 AND `b` <  'x') OR (`a` = 1 AND `b` =  'x' AND `c` <=  2.5)) AND `a` <= 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT;
        row_key_range(&b, cases[i].key, cases[i].after, cases[i].upto);
        assert_text(&b, cases[i].condition);
    }
}

static void test_select(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    row_key_select(&b, &three);
    assert_text(&b, "`a`, `b`, `c` + 0e0");
}

static struct catalog_column column(const char *type, const char *charset)
{
    return (struct catalog_column){.name = SPAN("n"),
                                   .type = span_of(type),
                                   .charset = span_of(charset),
                                   .class = column_class_of(span_of(type))};
}

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *type, *charset, *condition;
    } cases[] = {
        {"int(11)", "",
         "`n` <=> IF(CHARSET((f)) = 'binary', CAST(ROUND((f)) AS SIGNED), CAST(CAST((f) AS DECIMAL(65)) AS "
         "SIGNED))"},
        {"bigint(20) unsigned", "",
         "`n` <=> IF(CHARSET((f)) = 'binary', CAST(ROUND((f)) AS UNSIGNED), CAST(CAST((f) AS DECIMAL(65)) AS "
         "UNSIGNED))"},
        {"decimal(10,2)", "", "`n` <=> CAST((f) AS DECIMAL(10,2))"},
        {"double", "", "`n` <=> (f)"},
        {"float", "", "`n` <=> CAST((f) AS FLOAT)"},
        {"varchar(60)", "latin1", "BINARY `n` <=> BINARY CONVERT(f USING latin1)"},
        {"char(3)", "utf8mb4", "BINARY RTRIM(`n`) <=> BINARY RTRIM(CONVERT(f USING utf8mb4))"},
        {"varbinary(8)", "", "BINARY `n` <=> BINARY (f)"},
        {"binary(4)", "", "BINARY `n` <=> RPAD(BINARY (f), 4, x'00')"},
        {"datetime(3)", "", "`n` <=> CAST((f) AS DATETIME(3))"},
        {"timestamp", "", "`n` <=> CAST((f) AS DATETIME)"},
        {"date", "", "`n` <=> CAST((f) AS DATE)"},
        {"time(6)", "", "`n` <=> CAST((f) AS TIME(6))"},
        {"year(4)", "", "`n` <=> (f)"},
        {"enum('a','b')", "utf8mb4", "`n` <=> (f)"},
        {"bit(3)", "", "`n` + 0 <=> (f) + 0"},
        {"uuid", "", "`n` <=> (f)"},
        {"json", "", "`n` <=> CAST((f) AS JSON)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT;
        struct catalog_column c = column(cases[i].type, cases[i].charset);
        row_sql_matches(&b, &c, SPAN("f"));
        assert_text(&b, cases[i].condition);
    }
}

/* The SET of a backfill: all new columns, and what would move by itself stays. */
static void test_fill(void **state)
{
    (void)state;
    struct catalog_column columns[] = {
        {.name = SPAN("id"), .type = SPAN("int(11)"), .class = COLUMN_INTEGER},
        {.name = SPAN("old"), .type = SPAN("int(11)"), .class = COLUMN_INTEGER},
        {.name = SPAN("n1"), .type = SPAN("int(11)"), .class = COLUMN_INTEGER},
        {.name = SPAN("n2"), .type = SPAN("timestamp"), .class = COLUMN_TEMPORAL, .on_update_now = true},
        {.name = SPAN("changed"), .type = SPAN("timestamp"), .class = COLUMN_TEMPORAL, .on_update_now = true},
    };
    struct catalog_table t = {.db = SPAN("d"), .name = SPAN("t"), .columns = columns, .column_count = 5};
    struct rule_column new_columns[] = {{.name = SPAN("n1"), .value = {.text = SPAN("`old` + 1")}},
                                        {.name = SPAN("n2"), .value = {.text = SPAN("FROM_DAYS(`old`)")}}};
    struct rule r = {.db = SPAN("d"), .table = SPAN("t"), .new_columns = new_columns, .new_count = 2};
    struct buf b = BUF_INIT;
    row_sql_fill(&b, &r, &t);
    assert_text(&b, "SET `n1` = (`old` + 1), `n2` = (FROM_DAYS(`old`)), `changed` = `changed`");
    row_sql_forward_matches(&b, &r, &t);
    assert_text(
        &b,
        "(`n1` <=> IF(CHARSET((`old` + 1)) = 'binary', CAST(ROUND((`old` + 1)) AS SIGNED), CAST(CAST((`old` "
        "+ 1) AS DECIMAL(65)) AS SIGNED)) AND `n2` <=> CAST((FROM_DAYS(`old`)) AS DATETIME))");
}

/* A chunk that took far too long, since its rows are wide, is followed by one that fits. */
static void test_chunks_follow_the_time(void **state)
{
    (void)state;
    static const struct {
        unsigned rows;
        double took_ms;
        unsigned next;
    } cases[] = {{100, 15, 100}, {100, 0.2, 200}, {100, 7.5, 200},    {100, 30, 50},
                 {100, 150, 10}, {100, 9000, 10}, {20000, 150, 2000}, {20000, 1, 20000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct row_walk w = {.chunk_rows = cases[i].rows, .min_rows = 10, .max_rows = 20000};
        row_walk_advance(&w, cases[i].took_ms, 15);
        assert_int_equal(w.chunk_rows, cases[i].next);
        row_walk_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_chunks_follow_the_time),
    };
    return cmocka_run_group_tests_name("row_sql", tests, NULL, NULL);
}
