/* scan_text(): one line a case: the text, and which of the four things it finds. The names are "users" and
 * "order items"; N: a name, S: changes the session, M: several statements, B: broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "proxy/sql/lexer.h"

static const struct span listed[] = {SPAN("users"), SPAN("order items"), SPAN("a`b")};

static struct scan_names names_of(const struct span *list, size_t count)
{
    struct scan_names n = {.names = list, .count = count};
    for (size_t i = 0; i < count; i++)
        n.bloom |= scan_bloom(list[i]);
    return n;
}

static void assert_scan(const struct sql_dialect *d, struct span text, const char *expected)
{
    struct scan_names names = names_of(listed, sizeof listed / sizeof *listed);
    char got[8] = "";
    uint32_t found = scan_text(d, text, &names);
    size_t n = 0;
    for (size_t bit = 0; bit < 4; bit++)
        if (found & (1u << bit))
            got[n++] = "NSMB"[bit];
    if (strcmp(got, expected) != 0)
        fail_msg("%.*s: %s, not %s", (int)text.len, text.ptr, got, expected);
}

struct scan_case {
    const char *text, *found;
};

static const struct scan_case plain[] = {
    {"", ""},
    {"SELECT 1", ""},
    {"SELECT * FROM users", "N"},
    {"SELECT * FROM USERS", "N"},
    {"SELECT * FROM db.`Users`", "N"},
    {"SELECT users.a FROM t users", "N"},
    {"SELECT * FROM `order items`", "N"},
    {"SELECT * FROM `a``b`", "N"},
    {"SELECT * FROM `a``bc`, `a`", ""},
    {"SELECT 'users', \"users\"", ""},
    {"SELECT user, userss, ausers, xusers_, users1 FROM t", ""},
    {"SELECT 1 /* users */ -- users\n # users", ""},
    {"SELECT 1 /*!50000 FROM users */", "N"},
    {"SELECT 1 /*!99999 FROM users */", ""},
    {"SELECT 1 /*! FROM t */ * 2 */ users", "N"},
    {"SELECT 1--users", "N"},
    {"SELECT \\Nusers", "N"},
    {"SELECT 'a\\' users', '''' , users", "N"},
    {"SELECT 'a''users', 'b'", ""},
    {"SELECT 1;", ""},
    {"SELECT 1; -- nothing", ""},
    {"SELECT 1; SELECT 2", "M"},
    {";; SELECT 1 ;;", ""},
    {"SELECT ';'; (SELECT 2)", "M"},
    {"SET a = 1", "S"},
    {"  /* x */ set a = 1", "S"},
    {"/*!50000 SET a = 1 */", "S"},
    {"SELECT 1; USE db", "SM"},
    {"SELECT set, use FROM t", ""},
    {"PREPARE s FROM 'SELECT * FROM users'", "S"},
    {"EXECUTE s", "S"},
    {"DEALLOCATE PREPARE s", "S"},
    {"CALL p()", "S"},
    {"CREATE TABLE users (a INT)", "NS"},
    {"DROP TABLE t", "S"},
    {"ALTER TABLE t ADD a INT", "S"},
    {"RENAME TABLE a TO b", "S"},
    {"EXPLAIN SELECT 1", ""},
    {"BEGIN", ""},
    {"BEGIN NOT ATOMIC SET @a = 1; END", "SM"},
    {"x: LOOP SELECT 1; END LOOP", "SM"},
    {"IF a THEN SELECT 1; END IF", "SM"},
    {"CASE a WHEN 1 THEN SELECT 1; END CASE", "SM"},
    {"LOOP SELECT 1; END LOOP", "SM"},
    {"WHILE a DO SELECT 1; END WHILE", "SM"},
    {"REPEAT SELECT 1; UNTIL a END REPEAT", "SM"},
    {"FOR a IN 1..2 DO SELECT 1; END FOR", "SM"},
    {"use db", "S"},
    {"EXPLAIN SET a", "S"},
    {"ANALYZE SET a", "S"},
    {"DESCRIBE SET a", "S"},
    {"DESC SET a", "S"},
    {"SELECT @a := 1", ""},
    {"SELECT 'a", "B"},
    {"SELECT `a", "B"},
    {"SELECT /* a", "B"},
    {"SELECT /*!50000 a", ""},
    {"SELECT 'a\\'", "B"},
    {"SELECT a/b*/c", ""},
    {"SELECT /*! 1; SELECT 2 */* users */ 3", "M"},
};

static const struct scan_case ansi[] = {
    {"SELECT * FROM \"users\"", "N"},
    {"SELECT 'users'", ""},
};

static const struct scan_case no_backslash[] = {
    {"SELECT 'a\\', users", "N"},
    {"SELECT 'a\\' users'", "NB"},
};

static const struct scan_case gbk[] = {
    {"SELECT '\x95\\', users", "N"},
    {"SELECT '\x95\\', 'users'", ""},
    {"SELECT a\x95\\b, users", "N"},
};

static const struct scan_case oracle[] = {
    {"BEGIN SELECT 1; END", "SM"},
    {"DECLARE a INT; BEGIN NULL; END", "SM"},
};

static const struct scan_case brackets[] = {
    {"SELECT * FROM [Order Items]", "N"},
    {"SELECT * FROM [a'b], users", "N"},
};

static void assert_scans(struct sql_dialect d, const struct scan_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_scan(&d, span_of(cases[i].text), cases[i].found);
}

#define ASSERT_SCANS(dialect, cases) assert_scans((dialect), (cases), sizeof(cases) / sizeof *(cases))

static void test_scan(void **state)
{
    struct sql_dialect d = {.mariadb = true, .version = 101119};
    (void)state;
    ASSERT_SCANS(d, plain);
    d.charset = CHARSET_GBK;
    ASSERT_SCANS(d, gbk);
    d.charset = CHARSET_ASCII_SAFE;
    d.modes = SQL_ANSI_QUOTES;
    ASSERT_SCANS(d, ansi);
    d.modes = SQL_NO_BACKSLASH_ESCAPES;
    ASSERT_SCANS(d, no_backslash);
    d.modes = SQL_ORACLE;
    ASSERT_SCANS(d, oracle);
    d.modes = SQL_BRACKETS;
    ASSERT_SCANS(d, brackets);
}

/* How letters beyond ASCII fold is not known here: such a word may be any such name. */
static void test_letters_beyond_ascii(void **state)
{
    static const struct span umlaut[] = {SPAN("\xc3\xa4pfel"), SPAN("x\xc3\xa4")};
    struct sql_dialect d = {.mariadb = true, .version = 101119};
    struct scan_names names = names_of(umlaut, 2);
    (void)state;
    assert_int_equal(scan_text(&d, SPAN("SELECT * FROM \xc3\x84PFEL"), &names), SCAN_NAME);
    assert_int_equal(scan_text(&d, SPAN("SELECT * FROM `X\xc3\x84`"), &names), SCAN_NAME);
    assert_int_equal(scan_text(&d, SPAN("SELECT * FROM apfel"), &names), 0);
}

/* Every quoted name and word that the lexer sees and that is listed, the scan finds too. */
static bool lexer_finds(const struct sql_dialect *d, struct span text)
{
    struct lexer lx;
    struct token t;
    lex_init(&lx, d, text);
    while ((t = lex_next_significant(&lx)).type != TOK_END)
        if (t.type == TOK_WORD && span_ieq((struct span){text.ptr + t.off, t.len}, listed[0]))
            return true;
    return false;
}

static void test_agrees_with_the_lexer(void **state)
{
    static const char *const pieces[] = {"users",     "'",   "\"",   "`",  "\\",    "/*", "*/", "/*!50000 ",
                                         "/*!99999 ", "-- ", "\n",   "# ", ";",     "x",  " ",  "@",
                                         "1e5",       ".",   "\x95", "N'", "x'0f'", "\\N"};
    struct scan_names names = names_of(listed, 1);
    struct sql_dialect d = {.mariadb = true, .version = 101119};
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[128] = "";
        d.charset = round % 2 ? CHARSET_GBK : CHARSET_ASCII_SAFE;
        d.modes = (uint32_t)(round % 3 == 0   ? SQL_ANSI_QUOTES
                             : round % 3 == 1 ? SQL_NO_BACKSLASH_ESCAPES
                                              : 0);
        for (int i = 0; i < 10; i++)
            strcat(text, pieces[(size_t)rand() % (sizeof pieces / sizeof *pieces)]);
        if (lexer_finds(&d, span_of(text)) && !(scan_text(&d, span_of(text), &names) & SCAN_NAME))
            fail_msg("missed in: %s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_letters_beyond_ascii),
        cmocka_unit_test(test_agrees_with_the_lexer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
