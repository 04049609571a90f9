/* What the golden rewrites cannot show: facts, parameters, temporary tables, several statements in a text,
 * letter case, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/rewrite/rewrite.h"
#include "proxy/rewrite/schema.h"

static const char schema[] = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, x INT, n INT INVISIBLE);"
                             "CREATE TABLE s (id INT NOT NULL PRIMARY KEY, v INT);"
                             "CREATE TABLE other.t (id INT, a INT)";

struct fixture {
    struct catalog *catalog;
    struct rules *rules;
    struct arena *arena;
    struct rewrite_session session;
    struct rewrite_result result;
};

static struct fixture *f;
static struct fixture storage;

static void build(enum phase phase, bool fold)
{
    static struct config_column old = {"a", "0 - n", NULL, 1}, new = {"n", "0 - a", NULL, 1};
    static struct config_migration m = {.name = "m",
                                        .db = "shop",
                                        .table = "t",
                                        .old_columns = &old,
                                        .old_count = 1,
                                        .new_columns = &new,
                                        .new_count = 1};
    static const struct sql_dialect dialect = {.mariadb = true, .version = 101100};
    const struct rule_input input = {&m, phase, phase >= PHASE_CUTOVER ? SIDE_NEW : SIDE_OLD, NULL};
    char error[256];
    f = &storage;
    *f = (struct fixture){.catalog = catalog_new(), .arena = arena_new(1 << 24)};
    assert_true(schema_read(f->catalog, &dialect, span_of(schema), SPAN("shop"), error, sizeof error));
    assert_true(catalog_finish(f->catalog, fold));
    f->rules = rules_build(&input, 1, f->catalog, fold, true, 101100, error, sizeof error);
    assert_non_null(f->rules);
    f->session = (struct rewrite_session){.rules = f->rules, .database = SPAN("shop"), .dialect = dialect};
}

static int teardown(void **state)
{
    (void)state;
    rules_free(f->rules);
    catalog_free(f->catalog);
    arena_free(f->arena);
    return 0;
}

/* Rewrites a text and compares: NULL: unchanged; "!x": refused with a reason that has x. */
static void expect(const char *text, const char *expected)
{
    arena_reset(f->arena);
    rewrite_text(f->arena, &f->session, span_of(text), &f->result);
    const struct rewrite_result *r = &f->result;
    if (!expected) {
        if (r->verdict != REWRITE_UNCHANGED)
            fail_msg("%s: %s%.*s", text, r->reason ? r->reason : "", (int)r->text.len, r->text.ptr);
    } else if (expected[0] == '!') {
        if (r->verdict != REWRITE_UNREWRITABLE || !strstr(r->reason, expected + 1))
            fail_msg("%s: verdict %d, %s", text, r->verdict, r->reason ? r->reason : "");
    } else if (r->verdict != REWRITE_REWRITTEN || !span_eq(r->text, span_of(expected))) {
        fail_msg("%s: verdict %d, %s\n  %.*s", text, r->verdict, r->reason ? r->reason : "", (int)r->text.len,
                 r->text.ptr ? r->text.ptr : "");
    }
}

static void test_parameters(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    f->session.prepared = true;
    expect("UPDATE t SET a = ? WHERE a = ?", "UPDATE t SET a = ?, `n` = (0 - `a`) WHERE (0 - t.`n`) = ?");
    assert_int_equal(f->result.param_count, 2);
    assert_int_equal(f->result.out_param_count, 2);
    assert_null(f->result.param_map);

    expect("UPDATE t JOIN s ON s.id = t.id SET t.x = ?, t.a = IF(? > 1, ?, 5) WHERE s.v = ? LIMIT ?",
           "!repeated as");
    expect("UPDATE t JOIN s ON s.id = t.id SET t.x = ?, t.a = ? + ? WHERE s.v = ?", "!repeated as");
    expect(
        "UPDATE t JOIN s ON s.id = t.id SET t.x = ?, t.a = ? WHERE s.v IN (?, '?')",
        "UPDATE t JOIN s ON s.id = t.id SET t.x = ?, t.`n` = (0 - LEAST(GREATEST(CAST(? AS DECIMAL(65,0)), "
        "-2147483648), 2147483647)), t.a = ? WHERE s.v IN (?, '?')");
    const uint32_t map[] = {0, MAP_WHOLE << 16 | 1, 1, 2};
    assert_int_equal(f->result.param_count, 3);
    assert_int_equal(f->result.out_param_count, 4);
    assert_memory_equal(f->result.param_map, map, sizeof map);
}

static void test_facts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t facts;
    } cases[] = {
        {"USE other", FACT_USE},
        {"SET NAMES latin1", FACT_MODES},
        {"SET @x = 1, CHARACTER SET latin1", FACT_MODES},
        {"SET LOCAL collation_connection = latin1_bin", FACT_MODES},
        {"SET session_track_schema = OFF", FACT_MODES},
        {"SET @@session.`Sql_Mode` = ''", FACT_MODES},
        {"SET sql_m\303\262de = ''", FACT_MODES}, /* as MySQL compares letters */
        {"SET autocommit = 0, @x := 2", 0},
        {"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", 0},
        {"EXECUTE IMMEDIATE 'SET autocommit = 0'", 0},
        {"SET sql_mode = ''; SELECT 1", FACT_MODES},
        {"CALL p()", FACT_MODES | FACT_PREPARED},
        {"BEGIN NOT ATOMIC SELECT 1; END", FACT_MODES | FACT_PREPARED},
        {"CREATE TABLE x (a INT)", FACT_DDL},
        {"ALTER TABLE t ADD z INT", FACT_DDL | FACT_TEMPORARY}, /* a RENAME would uncover a table */
        {"CREATE TEMPORARY TABLE x (a INT)", FACT_TEMPORARY},
        {"DROP TEMPORARY TABLE x", FACT_TEMPORARY},
        {"SELECT a FROM t", FACT_READS},
        {"SELECT n FROM t", FACT_READS},
        {"SELECT x FROM t", 0},
        {"INSERT INTO t (a) VALUES (1)", FACT_WRITES},
        {"UPDATE t SET a = a + 1", FACT_READS | FACT_WRITES},
        {"PREPARE p FROM 'DELETE FROM t'", 0},
        {"PREPARE p FROM 'SET NAMES latin1'", 0},
        {"PREPARE p FROM @x", 0},
        {"PREPARE `\xc3\xa4` FROM 'SELECT 1'", FACT_PREPARED},
        {"EXECUTE p", 0}, /* there is none */
        {"PREPARE p FROM 'SET NAMES latin1'; EXECUTE P", FACT_MODES},
        {"PREPARE p FROM 'UPDATE t SET a = 1'; EXECUTE p", FACT_WRITES},
        {"PREPARE p FROM @x; EXECUTE p", FACT_MODES | FACT_PREPARED},
        {"EXECUTE IMMEDIATE 'CREATE TABLE x (a INT)'", FACT_DDL},
        {"EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE x (a INT)'", FACT_TEMPORARY},
        {"EXECUTE IMMEDIATE 'SELECT a FROM t'", FACT_READS},
        {"EXECUTE IMMEDIATE @x", FACT_MODES | FACT_PREPARED},
        {"EXECUTE IMMEDIATE 'EXECUTE p'", 0}, /* refused by the server, as is what follows */
        {"EXECUTE IMMEDIATE a", 0},
        {"COMMIT", 0},
    };
    build(PHASE_EXPAND, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect(cases[i].text, NULL);
        if (f->result.facts != cases[i].facts)
            fail_msg("%s: facts %x", cases[i].text, f->result.facts);
    }
    expect("USE `other`; SELECT a FROM t", NULL);
    assert_true(span_eq(f->result.use_database, SPAN("other")));
    assert_false(f->result.touches);
    expect("SELECT x FROM t", NULL);
    assert_true(f->result.touches);
    expect("CREATE TEMPORARY TABLE x LIKE t; DROP TEMPORARY TABLE IF EXISTS db.y, z", NULL);
    assert_int_equal(f->result.temporary_count, 3);
    assert_true(f->result.temporary[0].created && span_eq(f->result.temporary[0].db, SPAN("shop")));
    assert_true(!f->result.temporary[1].created && span_eq(f->result.temporary[1].table, SPAN("y")));
}

/* Behind a SET of the modes the rest of the text is looked at once, not at every statement; a text of many
 * SETs is refused. */
static void expect_time_of_statements(void)
{
    struct buf text = BUF_INIT;
    buf_add_str(&text, "SET sql_mode = ''; ");
    for (int i = 0; i < 100000; i++)
        buf_add_str(&text, "DO 1;");
    buf_add_byte(&text, '\0');
    expect(buf_ptr(&text), NULL);
    buf_free(&text);
    for (int i = 0; i < 20; i++)
        buf_add_str(&text, "SET sql_mode = '';");
    buf_add_byte(&text, '\0');
    expect(buf_ptr(&text), "!the text sets sql_mode, a character set or the database too often");
    buf_free(&text);
}

static void test_several_statements(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    expect("SELECT 1; SELECT a FROM t; /* x */ UPDATE t SET a = 1;;",
           "SELECT 1; SELECT (0 - t.`n`) AS `a` FROM t; /* x */ UPDATE t SET a = 1, `n` = (0 - `a`);;");
    assert_int_equal(f->result.part_count, 3);
    assert_int_equal(f->result.parts[1].verdict, REWRITE_REWRITTEN);
    expect("UPDATE t SET a = 1; ALTER TABLE t DROP a; SELECT a FROM t", "!ALTER TABLE");
    expect("USE other; SELECT a FROM t; USE shop; SELECT a FROM t",
           "USE other; SELECT a FROM t; USE shop; SELECT (0 - t.`n`) AS `a` FROM t");
    expect("SET sql_mode = 'ANSI_QUOTES'; UPDATE t SET a = 1",
           "!the text sets sql_mode or a character set before it names a migrated table");
    static const char *const unseen[] = {
        "SET sql_mode = 'ANSI_QUOTES'; UPDATE \"t\" SET a = 1",
        "SET sql_mode = 'ANSI_QUOTES'; SELECT ';'; UPDATE \"t\" SET \"a\" = 1; SELECT 1",
        "EXECUTE IMMEDIATE 'SET sql_mode = ANSI_QUOTES'; UPDATE \"t\" SET a = 1",
        "SET sql_m\303\262de = 'ANSI_QUOTES'; UPDATE \"t\" SET a = 1",
        "SET NAMES gbk; SELECT '\xbf\\'; UPDATE t SET a = 1 -- '",
        "SET sql_mode = ''; DO 1; SET sql_mode = 'ANSI_QUOTES'; DO 2; UPDATE \"t\" SET a = 1",
        "SET CHAR SET gbk; SELECT '\xbf\\'; UPDATE t SET a = 1 -- '",
        "SET character_set_client = 28; SELECT '\xbf\\'; UPDATE t SET a = 1 -- '",
        "SET @@session.character_set_client = @c; SELECT '\xbf\\'; UPDATE t SET a = 1 -- '",
        "SET NAMES DEFAULT; SELECT '\xbf\\'; UPDATE t SET a = 1 -- '",
        "SET sql_mode = 'ANSI_QUOTES'; EXECUTE IMMEDIATE 'UPDATE \"t\" SET a = 1'",
        "SET sql_mode = 'ANSI_QUOTES'; PREPARE s FROM 'UPDATE \"t\" SET a = 1'",
        "SET sql_mode = 'ORACLE'; BEGIN EXECUTE IMMEDIATE 'UPDATE t SET a = 1'; END",
    };
    for (size_t i = 0; i < sizeof unseen / sizeof unseen[0]; i++)
        expect(unseen[i], "!the text sets sql_mode or a character set before it names a migrated table");
    expect("SET sql_mode = 'ANSI_QUOTES'; UPDATE \"x\" SET a = 't execute'; SELECT 1", NULL);
    expect("SET NAMES utf8mb4; UPDATE t SET a = 1", "SET NAMES utf8mb4; UPDATE t SET a = 1, `n` = (0 - `a`)");
    expect(
        "SET character_set_client = 'latin1', collation_connection = 8; UPDATE t SET a = 1",
        "SET character_set_client = 'latin1', collation_connection = 8; UPDATE t SET a = 1, `n` = (0 - `a`)");
    expect_time_of_statements();
    expect("SELECT 1; SELECT a FROM", NULL);
    expect("SELECT 1; SELECT a FROM t WHERE", "!syntax");
    expect("SELECT a FROM t WHERE 'x", "!syntax");
}

static void test_names(void **state)
{
    (void)state;
    static const struct span temporary[] = {{"shop.t", 6}};
    build(PHASE_CUTOVER, false);
    expect("SELECT a FROM other.t", NULL);
    expect("SELECT a FROM T", NULL);
    expect("SELECT A FROM `t`", "SELECT (0 - `t`.`n`) AS `A` FROM `t`");
    expect("SELECT shop.t.a FROM shop.t", "SELECT (0 - shop.t.`n`) AS `a` FROM shop.t");
    f->session.database = SPAN("");
    expect("SELECT a FROM t", NULL);
    f->session.database = SPAN("other");
    expect("SELECT t.a, shop.t.a FROM t, shop.t", "SELECT t.a, (0 - shop.t.`n`) AS `a` FROM t, shop.t");
    f->session.database = SPAN("shop");
    f->session.temporary_tables = temporary;
    f->session.temporary_count = 1;
    expect("SELECT a FROM t", NULL);
    expect("UPDATE t SET a = 1", NULL);
}

/* By the time that a statement of the text runs, the temporary table may be gone. */
static void test_temporary_behind_routines(void **state)
{
    static const struct span temporary[] = {{"shop.t", 6}};
    static const char reason[] =
        "!an earlier statement of the text may have dropped the temporary table that hides it";
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"CALL p(); UPDATE t SET a = 1", reason},
        {"SELECT f(); SELECT a FROM t", reason},
        {"SET @v = f(); DELETE FROM t", reason},
        {"SET STATEMENT max_statement_time = f() FOR USE shop; TABLE t", reason},
        {"INSERT INTO x VALUES (1); INSERT INTO t VALUES (1)", reason},
        {"CREATE TABLE x SELECT f(); DROP TABLE t", reason},
        {"CALL p(); CREATE TABLE x SELECT a FROM t", reason},
        {"EXECUTE IMMEDIATE 'DO f()'; UPDATE t SET a = 1", reason},
        {"CALL p(); EXECUTE IMMEDIATE 'UPDATE t SET a = 1'", reason},
        {"PREPARE s FROM 'UPDATE t SET a = 1'; CALL p(); EXECUTE s", reason},
        {"CREATE TEMPORARY TABLE t (a INT); DO f(); UPDATE t SET a = 1", reason},
        {"SET NAMES utf8; BEGIN; USE shop; PREPARE s FROM 'DO f()'; UPDATE t SET a = 1", NULL},
        {"UPDATE t SET a = f(); DROP TEMPORARY TABLE t", NULL},
        {"CALL p(); CREATE OR REPLACE TEMPORARY TABLE t (a INT); BEGIN; UPDATE t SET a = 1", NULL},
        {"CALL p(); EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE t SELECT f()'; UPDATE t SET a = 1", NULL},
        {"CALL p(); DROP TEMPORARY TABLE t; DELETE FROM t", NULL},
        {"CALL p(); DROP TEMPORARY TABLE t; UPDATE t SET a = 1",
         "CALL p(); DROP TEMPORARY TABLE t; UPDATE t SET a = 1, `n` = (0 - `a`)"},
        {"CALL p(); WITH t AS (SELECT 1 AS a) SELECT a FROM t", NULL},
    };
    build(PHASE_CUTOVER, false);
    f->session.temporary_tables = temporary;
    f->session.temporary_count = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i].text, cases[i].expected);
    teardown(state);
    build(PHASE_EXPAND, false);
    f->session.temporary_tables = temporary;
    f->session.temporary_count = 1;
    expect(cases[0].text, NULL);
}

static void test_folded_names(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, true);
    expect("SELECT a FROM T", "SELECT (0 - T.`n`) AS `a` FROM T");
    expect("SELECT X.a FROM SHOP.T x", "SELECT (0 - x.`n`) AS `a` FROM SHOP.T x");
}

static void test_wanted(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    assert_true(rewrite_wanted(&f->session, SPAN("SELECT a FROM t")));
    assert_true(rewrite_wanted(&f->session, SPAN("USE x")));
    assert_false(rewrite_wanted(&f->session, SPAN("SELECT a FROM users WHERE id = 1")));
    assert_false(rewrite_wanted(&f->session, SPAN("SELECT 1 /* t */")));
}

/* The limit of the arena is a refusal, never a crash or a half rewritten text. */
static void test_limits(void **state)
{
    (void)state;
    static char text[400000];
    size_t len = 0;
    build(PHASE_DUAL_WRITE, false);
    len += (size_t)sprintf(text, "INSERT INTO t (id, a) VALUES (0, 0)");
    while (len < sizeof text - 40)
        len += (size_t)sprintf(text + len, ", (%zu, 1)", len);
    len += (size_t)sprintf(text + len, "; USE other"); /* the table is not of that one */
    for (size_t limit = 32768; limit < (1 << 22); limit += limit / 16) {
        struct arena *small = arena_new(limit);
        rewrite_text(small, &f->session, (struct span){text, len}, &f->result);
        if (f->result.verdict == REWRITE_UNREWRITABLE)
            assert_non_null(strstr(f->result.reason, "the statement is too large to be rewritten"));
        else
            assert_int_equal(f->result.verdict, REWRITE_REWRITTEN);
        arena_free(small);
    }
    len = (size_t)sprintf(text, "SELECT 1"); /* planned in more memory than it is parsed in */
    for (int i = 0; i < 200; i++)
        len += (size_t)sprintf(text + len, ", (SELECT a FROM t x%d JOIN s USING (id) WHERE a + n)", i);
    for (size_t limit = 32768; limit < (1 << 21); limit += limit / 32) {
        struct arena *small = arena_new(limit);
        rewrite_text(small, &f->session, (struct span){text, len}, &f->result);
        if (f->result.verdict != REWRITE_UNCHANGED)
            assert_non_null(strstr(f->result.reason, "the statement is too large to be rewritten"));
        arena_free(small);
    }
    memset(text, '(', 100000);
    text[100000] = '\0';
    memcpy(text, "DELETE FROM t WHERE ", 20);
    expect(text, "!the statement is nested too deeply");
}

static void test_error_text(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    build(PHASE_DUAL_WRITE, false);
    expect("HANDLER t OPEN", "!HANDLER");
    rewrite_error_text(&f->result, &b);
    buf_add_byte(&b, 0);
    assert_string_equal(
        buf_ptr(&b),
        "crossfade: migration m: HANDLER reads rows past the rewriter, invisible columns too; use SELECT");
    buf_free(&b);
}

static void test_passes_where_it_may(void **state)
{
    (void)state;
    build(PHASE_DUAL_WRITE, false);
    ((struct rule *)f->rules->rules)->pass_unrewritable = true;
    expect("HANDLER t OPEN", NULL);
    assert_int_equal(f->result.parts[0].verdict, REWRITE_UNREWRITABLE);
    expect("SELECT FROM FROM t", NULL);
    expect("UPDATE t SET a = 1; HANDLER t OPEN", "UPDATE t SET a = 1, `n` = (0 - `a`); HANDLER t OPEN");
}

static void test_views(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    struct catalog *c = catalog_new();
    const struct catalog_column a = {.name = SPAN("A"), .nullable = true}, x = {.name = SPAN("x")};
    struct rules *rules = f->rules;
    const struct catalog_column b = {.name = SPAN("b")};
    catalog_add_view(
        c, SPAN("shop"), SPAN("v"),
        SPAN("select `shop`.`t`.`A` AS `A`,`shop`.`t`.`x` AS `x`,`shop`.`t`.`a` AS `b` from `shop`.`t`"));
    catalog_add_column(c, &a);
    catalog_add_column(c, &x);
    catalog_add_column(c, &b);
    catalog_add_view(c, SPAN("shop"), SPAN("upon"),
                     SPAN("select `v`.`x` AS `x`,`v`.`b` AS `b` from `shop`.`v`"));
    catalog_add_column(c, &x);
    catalog_add_column(c, &b);
    catalog_add_view(c, SPAN("shop"), SPAN("few"),
                     SPAN("select `q`.`x` AS `x`,'`' AS `b` from `shop`.`t` `q`"));
    catalog_add_column(c, &x);
    catalog_add_column(c, &b);
    catalog_add_view(c, SPAN("shop"), SPAN("other"), SPAN("select `s`.`a` AS `a` from `shop`.`s`"));
    catalog_add_column(c, &a);
    catalog_add_view(c, SPAN("shop"), SPAN("unseen"), SPAN(""));
    catalog_add_column(c, &x);
    assert_true(catalog_finish(c, false));
    rules->catalog = c;
    expect("UPDATE v SET x = 1 WHERE a = 2", NULL);
    expect("SELECT a FROM v", NULL);
    expect("UPDATE v SET a = 1", "!a is written through a view");
    expect("UPDATE v SET b = 1", "!b is written through a view");
    expect("UPDATE upon SET x = 1", NULL);
    expect("UPDATE upon SET b = 1", "!b is written through a view");
    expect("UPDATE few SET x = 1 WHERE b = 2", NULL);
    expect("UPDATE other SET a = 1", NULL);
    expect("UPDATE unseen SET x = 1", "!x is written through a view");
    expect("INSERT INTO v (a, x) VALUES (1, 2)", "!rows are added through a view");
    expect("INSERT INTO v VALUES (1, 2)", "!rows are added through a view");
    expect("INSERT INTO few (x) VALUES (1)", "!rows are added through a view");
    expect("REPLACE INTO upon SET x = 1", "!rows are added through a view");
    expect("INSERT INTO unseen (x) SELECT 1", "!rows are added through a view");
    expect("INSERT INTO other (a) VALUES (1)", NULL);
    expect("LOAD DATA INFILE 'f' INTO TABLE few", "!rows are added through a view");
    expect("DELETE FROM few", NULL);
    expect("UPDATE v JOIN s ON s.id = v.x SET s.v = 1", NULL);
    rules->catalog = f->catalog;
    catalog_free(c);
}

static void test_executes_what_it_cannot_see(void **state)
{
    (void)state;
    build(PHASE_DUAL_WRITE, false);
    expect("EXECUTE p", NULL);
    f->session.sql_prepared = true;
    expect("EXECUTE p", "!EXECUTE may run SQL that was prepared before the migration began");
}

/* ---- SQL in strings ---- */

static void test_names_in_one_text(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    expect(
        "PREPARE p FROM 'SELECT a FROM t WHERE x = ''y'''; EXECUTE p; DEALLOCATE PREPARE p; EXECUTE p",
        "PREPARE p FROM 'SELECT (0 - t.`n`) AS `a` FROM t WHERE x = ''y'''; EXECUTE p; DEALLOCATE PREPARE p; "
        "EXECUTE p");
    assert_int_equal(f->result.named_count, 3);
    assert_int_equal(f->result.named[0].kind, NAMED_PREPARE);
    assert_true(span_eq(f->result.named[0].text, SPAN("SELECT a FROM t WHERE x = 'y'")));
    assert_true(span_eq(f->result.named[1].sent, SPAN("SELECT (0 - t.`n`) AS `a` FROM t WHERE x = 'y'")));
    assert_true(span_eq(f->result.named[1].name, SPAN("p")) && !f->result.named[1].earlier);
    assert_int_equal(f->result.named[2].kind, NAMED_DEALLOCATE);
    assert_int_equal(f->result.named[2].part, 2);
    expect("PREPARE p FROM 'SELECT 1'; PREPARE P FROM @x; EXECUTE p",
           "!SQL from a variable cannot be seen, and may touch a migrated table");
    expect("BEGIN NOT ATOMIC EXECUTE IMMEDIATE 'SELECT 1'; END",
           "!statements within a block are not rewritten");
    expect("PREPARE `\xc3\xa4` FROM 'SELECT a FROM t'", "!the name of a prepared statement is not ASCII");
    expect("PREPARE `\xc3\xa4` FROM 'SELECT x FROM s'", NULL);
    expect("SET NAMES latin1; PREPARE p FROM 'SELECT a FROM t'",
           "!the text sets sql_mode or a character set before it names a migrated table");
    expect("CALL p(); EXECUTE p", "!EXECUTE may run SQL that was prepared before the migration began");
}

static bool find_one(const void *find_in, struct span name, struct rewrite_prepared *out)
{
    if (!span_eq(name, SPAN("one")))
        return false;
    *out = *(const struct rewrite_prepared *)find_in;
    return true;
}

/* What an earlier text prepared is read as it was read then. */
static void test_names_of_before(void **state)
{
    (void)state;
    build(PHASE_DUAL_WRITE, false);
    struct rewrite_prepared one = {SPAN("UPDATE t SET a = ? WHERE x IN (SELECT \"x\" FROM s WHERE v = ?)"),
                                   f->session.dialect, SPAN("shop")};
    one.dialect.modes = SQL_ANSI_QUOTES;
    f->session.find_prepared = find_one;
    f->session.find_in = &one;
    f->session.database = SPAN("other");
    expect("EXECUTE ONE USING '2', 'b'", "EXECUTE ONE USING '2', '2', 'b'");
    assert_true(f->result.touches && f->result.named[0].earlier);
    assert_true(span_eq(f->result.named[0].text, one.text) && !span_eq(f->result.named[0].sent, one.text));
    expect("EXECUTE one USING 2.5, RAND()", "EXECUTE one USING 2.5, 2.5, RAND()");
    expect("EXECUTE one USING UUID(), 1", "!a value of USING would have to be computed twice");
    expect("EXECUTE one USING @a, 1", "!a value of USING must be repeated, and its type is not known");
    expect("EXECUTE one USING 2.5e0, 1", "!a value of USING must be repeated, and its type is not known");
    expect("EXECUTE one USING 1", NULL);                /* too few, for either text */
    expect("EXECUTE one USING 1, 2, 3", "EXECUTE one"); /* too many, and just as many as the new text has */
    expect("EXECUTE two USING 1", NULL);
    expect("PREPARE two FROM 'SELECT 1'; EXECUTE two; EXECUTE one USING 1, 2",
           "PREPARE two FROM 'SELECT 1'; EXECUTE two; EXECUTE one USING 1, 1, 2");
    struct span text = one.text;
    one.text.ptr = NULL;
    expect("EXECUTE one", "!EXECUTE may run SQL that was prepared before the migration began");
    expect("PREPARE one FROM 'SELECT 1'; EXECUTE one", NULL);
    one.text = text;
    one.database = SPAN("other");
    expect("EXECUTE one USING 1, 2", NULL);
}

static void test_asks_for_expressions(void **state)
{
    (void)state;
    build(PHASE_CUTOVER, false);
    struct rewrite_value values[] = {{SPAN("SELECT a FROM t"), true}, {SPAN("DO 'x'"), true}};
    f->session.asks = true;
    f->session.values = values;
    expect("PREPARE p FROM @x", NULL);
    assert_true(span_eq(f->result.ask, SPAN("@x")));
    f->session.value_count = 1;
    expect("PREPARE p FROM @x", "PREPARE p FROM 'SELECT (0 - t.`n`) AS `a` FROM t'");
    assert_null(f->result.ask.ptr);
    expect("PREPARE p FROM @x; PREPARE q FROM CONCAT(@y, '')",
           "PREPARE p FROM 'SELECT (0 - t.`n`) AS `a` FROM t'; PREPARE q FROM CONCAT(@y, '')");
    assert_true(span_eq(f->result.ask, SPAN("CONCAT(@y, '')")));
    f->session.value_count = 2;
    expect("PREPARE p FROM @x; PREPARE q FROM CONCAT(@y, '')",
           "PREPARE p FROM 'SELECT (0 - t.`n`) AS `a` FROM t'; PREPARE q FROM 'DO ''x'''");
    values[0].known = false;
    static const char *const unseen[] = {
        "PREPARE p FROM @x",
        "SELECT 1; PREPARE p FROM @x",
        "PREPARE p FROM CONCAT(@x, UUID())",
        "PREPARE p FROM @x /* y */ + 1",
        "EXECUTE IMMEDIATE f(@x)",
        "PREPARE p FROM (@x := 'SELECT 1')",
    };
    for (size_t i = 0; i < sizeof unseen / sizeof unseen[0]; i++) {
        expect(unseen[i], "!SQL from a variable cannot be seen, and may touch a migrated table");
        assert_null(f->result.ask.ptr);
    }
    f->session.value_count = 0;
    static const char *const never[] = {"PREPARE p FROM x", "PREPARE p FROM (SELECT 1)",
                                        "EXECUTE IMMEDIATE x"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        expect(never[i], NULL);
        assert_null(f->result.ask.ptr);
    }
}

/* Which columns of the answer were plain old ones, as "result.position label=table.column flags", and what
 * may become of the flags of keys. */
static void test_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"SELECT a FROM t", "0.0 a=t.a 0003;"},
        {"SELECT x, (a) AS b, +a FROM t AS r", "0.1 b=r.a 0003;0.2 a=r.a 0003;"},
        {"SELECT *, a FROM t", "0.1 a=t.a 0003;0.3 a=t.a 0003;"},
        {"SELECT s.*, t.* FROM s, t", "0.3 a=t.a 0003;"},
        {"SELECT a FROM t ORDER BY x LIMIT 1", "0.0 a=t.a 0003;"},
        {"SELECT a FROM t WHERE id IN (SELECT id FROM s)", "0.0 a=t.a 0003;"},
        {"SELECT a FROM t WINDOW w AS (ORDER BY x)", "0.0 a=t.a 0003;"},
        {"SELECT a AS ' b ' FROM t", "0.0 b =t.a 0003;"},
        {"SELECT a, x FROM t JOIN s USING (id)", "0.0 a=t.a 0003;"},
        {"(SELECT a FROM t)", "0.0 a=t.a 0003;"},
        {"(SELECT a FROM t) LIMIT 1", "0.0 a=t.a 0003;"},
        {"SELECT a FROM t; SELECT 1; SELECT x, a FROM t", "0.0 a=t.a 0003;2.1 a=t.a 0003;"},
        {"DELETE FROM t WHERE id = 1 RETURNING id, a", "0.1 a=t.a 0003;"},
        {"SELECT a FROM (SELECT a FROM t) d", "0.0 a=d.a 0003;"},
        {"SELECT d.b AS c FROM (SELECT x, a AS b FROM t AS u LIMIT 1) d", "0.0 c=d.a 0003;"},
        {"SELECT * FROM s, (SELECT * FROM t) d", "0.3 a=d.a 0003;"},
        {"WITH c AS (SELECT a FROM t) SELECT a FROM c", "0.0 a=c.a 0003;"},
        /* may be NULL then */
        {"SELECT a FROM s LEFT JOIN (SELECT id, a FROM t) d ON d.id = s.id", "0.0 a=d.a 0002;"},
        {"SELECT a, COUNT(*) FROM t", "0.0 a=t.a 0002;"},
        {"SELECT a FROM s LEFT JOIN t ON t.id = s.id", "0.0 a=t.a 0002;"},
        {"SELECT a, RANK() OVER (ORDER BY x) FROM t", "0.0 a=t.a 0002 shown;"},
        /* the plan may lose the keys */
        {"SELECT DISTINCT a FROM t", "0.0 a=t.a 0003 unsure;"},
        {"SELECT a FROM t GROUP BY a", "0.0 a=t.a 0003 unsure;"},
        {"SELECT a FROM t ORDER BY RAND()", "0.0 a=t.a 0003 shown;"},
        {"SELECT a FROM t, s ORDER BY s.v", "0.0 a=t.a 0003 shown;"},
        {"SELECT a FROM t WHERE id IN (SELECT id FROM s) ORDER BY x", "0.0 a=t.a 0003 shown;"},
        {"SELECT sql_buffer_result a FROM t", "0.0 a=t.a 0003 shown;"},
        /* not certain, or none */
        {"SELECT a + 1, UPPER(a) FROM t", ""},
        {"SELECT x, id FROM t WHERE a = 1", ""},
        {"SELECT a FROM t UNION SELECT a FROM t", ""},
        {"(SELECT a FROM t LIMIT 2) LIMIT 1", ""},
        {"SELECT x FROM (SELECT a FROM t) d", ""},
        {"SELECT one FROM (SELECT 1 AS one, a FROM t) d", ""},
        {"SELECT a FROM (SELECT a + 1 AS a FROM t) d", ""},
        {"SELECT a FROM (SELECT DISTINCT a FROM t) d", ""},
        {"SELECT a FROM (SELECT a, COUNT(*) FROM t) d", ""},
        {"SELECT a FROM (SELECT a, (SELECT MAX(v) FROM s) FROM t) d", ""},
        {"SELECT a FROM (SELECT a FROM t UNION SELECT a FROM t) d", ""},
        {"SELECT a FROM (SELECT a FROM t ORDER BY x) d", ""},
        {"SELECT a FROM (SELECT a FROM (SELECT a FROM t) e) d", ""},
        {"SELECT a FROM (SELECT a, x AS a FROM t) d", ""},
        {"SELECT a FROM (SELECT a FROM t) t", ""},
        {"WITH c (b) AS (SELECT a FROM t) SELECT b FROM c", ""},
        {"SELECT (SELECT a FROM t LIMIT 1)", ""},
        {"EXPLAIN SELECT a FROM t", ""},
        {"SELECT a AS `\xc3\xa4` FROM t", ""},
        {"SELECT `\xc3\xa4`.a FROM t AS `\xc3\xa4`", ""},
        {"CALL p(); SELECT a FROM t", ""},
        {"UPDATE t SET a = 1", ""},
    };
    static const struct column_facts facts = {.known = true, .flags = 3};
    static const char *const keys[] = {[KEYS_STAY] = "", [KEYS_SHOWN] = " shown", [KEYS_UNSURE] = " unsure"};
    build(PHASE_CUTOVER, false);
    catalog_describe(f->catalog, SPAN("shop"), SPAN("t"), SPAN("a"), &facts);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[256] = "";
        arena_reset(f->arena);
        rewrite_text(f->arena, &f->session, span_of(cases[i].text), &f->result);
        for (size_t k = 0; k < f->result.shown_count; k++) {
            const struct rewrite_shown *s = &f->result.shown[k];
            size_t len = strlen(got);
            snprintf(got + len, sizeof got - len, "%u.%u %.*s=%.*s.%.*s %04x%s;", s->result, s->position,
                     (int)s->is.label.len, s->is.label.ptr, (int)s->is.table.len, s->is.table.ptr,
                     (int)s->is.org_name.len, s->is.org_name.ptr, s->is.facts.flags, keys[s->is.keys]);
        }
        if (strcmp(got, cases[i].shown) != 0 || f->result.verdict == REWRITE_UNREWRITABLE)
            fail_msg("%s: \"%s\", %s", cases[i].text, got, f->result.reason ? f->result.reason : "");
    }
    catalog_free(f->catalog); /* without the server's word nothing is told */
    rules_free(f->rules);
    arena_free(f->arena);
    build(PHASE_CUTOVER, false);
    rewrite_text(f->arena, &f->session, SPAN("SELECT * FROM t"), &f->result);
    assert_int_equal(f->result.verdict, REWRITE_REWRITTEN);
    assert_int_equal(f->result.shown_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_parameters, teardown),
        cmocka_unit_test_teardown(test_facts, teardown),
        cmocka_unit_test_teardown(test_several_statements, teardown),
        cmocka_unit_test_teardown(test_names, teardown),
        cmocka_unit_test_teardown(test_temporary_behind_routines, teardown),
        cmocka_unit_test_teardown(test_folded_names, teardown),
        cmocka_unit_test_teardown(test_wanted, teardown),
        cmocka_unit_test_teardown(test_limits, teardown),
        cmocka_unit_test_teardown(test_error_text, teardown),
        cmocka_unit_test_teardown(test_passes_where_it_may, teardown),
        cmocka_unit_test_teardown(test_views, teardown),
        cmocka_unit_test_teardown(test_executes_what_it_cannot_see, teardown),
        cmocka_unit_test_teardown(test_names_in_one_text, teardown),
        cmocka_unit_test_teardown(test_names_of_before, teardown),
        cmocka_unit_test_teardown(test_asks_for_expressions, teardown),
        cmocka_unit_test_teardown(test_shown, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
