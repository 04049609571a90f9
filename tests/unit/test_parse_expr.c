/* Expressions: one line a case, a statement and its tree as an s-expression (ast_dump.h), under several
 * modes; and the ranges of expressions. */
#include <stdio.h>

#include "tests/unit/parse_cases.h"

static const struct tree_case operators[] = {
    {"DO a OR b AND c XOR d", "(do (exprs (or a (xor (and b c) d))))"},
    {"DO a OR b OR c AND d AND e", "(do (exprs (or a b (and c d e))))"},
    {"DO NOT a = b AND NOT (c)", "(do (exprs (and (not (= a b)) (not (paren c)))))"},
    {"DO a = b = c <=> d", "(do (exprs (<=> (= (= a b) c) d)))"},
    {"DO a + b + c - d - e * f * g / h DIV i % j MOD k",
     "(do (exprs (- (+ a b c) d (op (op (op (/ (* e f g) h) i) j) k))))"},
    {"DO a | b & c << d >> e ^ f", "(do (exprs (op a (op b (op (op c d) (op e f))))))"},
    {"DO -a * +b, ~c", "(do (exprs (* (neg a) (pos b)) (op c)))"},
    {"DO - - a, !b, NOT NOT c", "(do (exprs (neg (neg a)) (not b) (not (not c))))"},
    {"DO a BETWEEN b + 1 AND c AND d", "(do (exprs (and (between a (+ b 1) c) d)))"},
    {"DO a NOT BETWEEN b AND c, a NOT IN (1, 2), a NOT LIKE b ESCAPE '!', a NOT REGEXP b, a RLIKE b, a "
     "SOUNDS LIKE b",
     "(do (exprs (not-between a b c) (not-in a 1 2) (not-like a b '!') (not-regexp a b) (regexp a b) (like a "
     "b)))"},
    {"DO a IN (1), a IN (SELECT 1), a IN ((SELECT 1)), (a, b) IN ((1, 2), (3, 4))",
     "(do (exprs (in a 1) (in a (select (items 1))) (in a (paren (select (items 1)))) (in (row a b) (row 1 "
     "2) (row 3 4))))"},
    {"DO a IS NULL, a IS NOT TRUE, a = b IS UNKNOWN", "(do (exprs (is a) (not-is a) (is (= a b))))"},
    {"DO a = ANY (SELECT 1), b > ALL (SELECT 2), c <> SOME (SELECT 3)",
     "(do (exprs (quantified a (select (items 1))) (quantified b (select (items 2))) (quantified c (select "
     "(items 3)))))"},
    {"DO a COLLATE utf8mb4_bin = BINARY b, -a COLLATE x",
     "(do (exprs (= (collate a) (collate b)) (neg (collate a))))"},
    {"DO a -> '$.x' = b ->> '$.y', 2 MEMBER OF (c)",
     "(do (exprs (= (json a '$.x') (json_text b '$.y')) (op 2 (paren c))))"},
    {"DO a || b && c", "(do (exprs (|| a (and b c))))"},
    {"DO @a := b + 1, @`x y` := @'z' := 2", "(do (exprs (:= @a (+ b 1)) (:= @`x y` (:= @'z' 2))))"},
    {"DO a + INTERVAL 1 DAY, INTERVAL (b) MINUTE_SECOND + c, INTERVAL(1, 2, 3)",
     "(do (exprs (+ a (interval 1)) (+ (interval (paren b)) c) (call INTERVAL 1 2 3)))"},
    {"DO ROW(1, 2) = (3, 4)", "(do (exprs (= (row 1 2) (row 3 4))))"},
    {"DO CASE a WHEN 1 THEN b ELSE c END, CASE WHEN d THEN e END", "(do (exprs (case a 1 b c) (case d e)))"},
    {"DO EXISTS (SELECT 1), NOT EXISTS (SELECT 2)",
     "(do (exprs (exists (select (items 1))) (not (exists (select (items 2))))))"},
    {"DO ((SELECT 1) + 1), ((SELECT 1)), ((SELECT 1) UNION SELECT 2), (((SELECT 1) UNION SELECT 2) = 3)",
     "(do (exprs (paren (+ (subquery (select (items 1))) 1)) (subquery (paren (select (items 1)))) (subquery "
     "(setop (paren (select (items 1))) (select (items 2)))) (paren (= (subquery (setop (paren (select "
     "(items 1))) (select (items 2)))) 3))))"},
    {"DO (SELECT 1 UNION SELECT 2) + 1",
     "(do (exprs (+ (subquery (setop (select (items 1)) (select (items 2)))) 1)))"},
};

static const struct tree_case pipes_as_concat[] = {
    {"DO a || b || c = d OR e", "(do (exprs (or (= (|| a b c) d) e)))"},
    {"DO a || b * c", "(do (exprs (* (|| a b) c)))"},
};

static const struct tree_case high_not[] = {
    {"DO NOT a = b", "(do (exprs (= (not a) b)))"},
};

static const struct tree_case ansi[] = {
    {"SELECT \"a\"\"b\", 'c' FROM \"db\".\"t\" \"u\"", "(select (items \"a\"\"b\"=a\"b 'c') (from db.t:u))"},
};

static const struct tree_case oracle[] = {
    {"SELECT UNIQUE a FROM t WHERE b = :x AND c = ? MINUS SELECT 2",
     "(setop (select {UNIQUE} (items a) (from t) (where (and (= b :x0) (= c ?1)))) (select (items 2)))"},
    {"DECLARE x INT; BEGIN SELECT 1; END", "(compound)"},
    {"BEGIN SELECT 1; END", "(compound)"},
};

static const struct tree_case literals[] = {
    {"DO 1, 1.5, 1e3, 'a' 'b' \"c\", N'd', x'0f', 0x0f, b'01', 0b01, NULL, \\N, TRUE, FALSE",
     "(do (exprs 1 1.5 1e3 'a' 'b' \"c\" N'd' x'0f' 0x0f b'01' 0b01 NULL! \\N! TRUE FALSE))"},
    {"DO _utf8mb4'a' 'b', _binary x'00', _latin1 0xff, DATE '2001-01-01', TIMESTAMP'2001-01-01 00:00:00', "
     "TIME \"1:2:3\"",
     "(do (exprs _utf8mb4'a' 'b' _binary x'00' _latin1 0xff DATE '2001-01-01' TIMESTAMP'2001-01-01 00:00:00' "
     "TIME \"1:2:3\"))"},
    {"DO {d '2001-01-01'}, {fn UPPER(a)}", "(do (exprs (op '2001-01-01') (op (call UPPER a))))"},
    {"DO @a, @'b c', @@x, @@session.sql_mode, @@global.c.key_buffer_size, @",
     "(do (exprs @a @'b c' @@x @@session.sql_mode @@global.c.key_buffer_size @))"},
    {"SELECT _a, date, timestamp FROM t", "(select (items _a date timestamp) (from t))"},
    {"SELECT _a 'x', _utf8 'y' 'z', _UTF8MB4 FROM t",
     "(select (items _a:x _utf8 'y' 'z' _UTF8MB4) (from t))"},
};

static const struct tree_case calls[] = {
    {"DO f(), db.f(a, b), COUNT(*), COUNT(DISTINCT a, b), SUM(ALL a), f (a)",
     "(do (exprs (call f) (call db.f a b) (call COUNT *) (call COUNT distinct a b) (call SUM a) (call f "
     "a)))"},
    {"DO CAST(a AS CHAR(10) CHARACTER SET utf8mb4), CONVERT(b, DECIMAL(10,2)), CONVERT(c USING latin1), "
     "CAST(d AS UNSIGNED ARRAY)",
     "(do (exprs (call CAST a) (call CONVERT b) (call CONVERT c) (call CAST d)))"},
    {"DO TRIM(a), TRIM(LEADING FROM b), TRIM(BOTH 'x' FROM c), TRIM('y' FROM d)",
     "(do (exprs (call TRIM a) (call TRIM b) (call TRIM 'x' c) (call TRIM 'y' d)))"},
    {"DO SUBSTRING(a FROM 2 FOR 3), SUBSTRING(a, 2), MID(a FROM 2), POSITION('x' IN a), POSITION(b IN (c))",
     "(do (exprs (call SUBSTRING a 2 3) (call SUBSTRING a 2) (call MID a 2) (call POSITION 'x' a) (call "
     "POSITION b (paren c))))"},
    {"DO EXTRACT(DAY_HOUR FROM a), TIMESTAMPADD(SQL_TSI_DAY, 1, b), TIMESTAMPDIFF(MONTH, c, d), "
     "GET_FORMAT(DATE, 'USA')",
     "(do (exprs (call EXTRACT a) (call TIMESTAMPADD 1 b) (call TIMESTAMPDIFF c d) (call GET_FORMAT "
     "'USA')))"},
    {"DO DATE_ADD(a, INTERVAL 1 DAY), ADDDATE(a, 5), CHAR(65, 66 USING utf8mb4), WEIGHT_STRING(a AS CHAR(3))",
     "(do (exprs (call DATE_ADD a (interval 1)) (call ADDDATE a 5) (call CHAR 65 66) (call WEIGHT_STRING "
     "a)))"},
    {"DO GROUP_CONCAT(DISTINCT a, b ORDER BY c DESC, d SEPARATOR ';' LIMIT 2)",
     "(do (exprs (call GROUP_CONCAT distinct a b c d ';' 2)))"},
    {"DO SUM(a) OVER (), ROW_NUMBER() OVER w, LAG(a, 1) IGNORE NULLS OVER (w PARTITION BY b ORDER BY c ROWS "
     "BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING)",
     "(do (exprs (call SUM a over) (call ROW_NUMBER over) (call LAG a 1 over b c 1)))"},
    {"DO PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a) OVER (PARTITION BY b), NTH_VALUE(a, 2) FROM FIRST "
     "RESPECT NULLS OVER w",
     "(do (exprs (call PERCENTILE_CONT 0.5 a over b) (call NTH_VALUE a 2 over)))"},
    {"DO IF(a, b, c), LEFT(a, 1), REPLACE(a, b, c), INSERT(a, 1, 2, b), REPEAT(a, 2), MOD(a, b), DATABASE(), "
     "CURRENT_USER, CURRENT_TIMESTAMP(6), UTC_DATE, LOCALTIME()",
     "(do (exprs (call IF a b c) (call LEFT a 1) (call REPLACE a b c) (call INSERT a 1 2 b) (call REPEAT a "
     "2) (call MOD a b) (call DATABASE) (call CURRENT_USER) (call CURRENT_TIMESTAMP 6) (call UTC_DATE) (call "
     "LOCALTIME)))"},
    {"DO f(a AS b, c d, e 'x'), JSON_VALUE(a, '$' DEFAULT '1' ON ERROR), WEIGHT_STRING(a LEVEL 1)",
     "(do (exprs (call f a c e) (call JSON_VALUE a '$') (call WEIGHT_STRING a)))"},
    {"DO MATCH (a, t.b) AGAINST ('x' IN BOOLEAN MODE), MATCH a AGAINST (CONCAT(c, d) WITH QUERY EXPANSION)",
     "(do (exprs (match a t.b 'x') (match a (call CONCAT c d))))"},
    {"DO DEFAULT(a), VALUES(b), VALUE(c)", "(do (exprs (default a) (values b) (values c)))"},
    {"DO NEXT VALUE FOR s, PREVIOUS VALUE FOR db.s, NEXTVAL(s), SETVAL(s, 5, 1)",
     "(do (exprs (sequence s) (sequence db.s) (sequence NEXTVAL s) (sequence SETVAL s 5 1)))"},
    {"DO JSON_VALUE(a, '$' RETURNING SIGNED NULL ON EMPTY), JSON_ARRAYAGG(a ORDER BY b), COLUMN_GET(a, 'b' "
     "AS CHAR)",
     "(do (exprs (call JSON_VALUE a '$') (call JSON_ARRAYAGG a b) (call COLUMN_GET a 'b')))"},
};

static void test_trees(void **state)
{
    (void)state;
    CHECK_TREES(0, operators);
    CHECK_TREES(SQL_PIPES_AS_CONCAT, pipes_as_concat);
    CHECK_TREES(SQL_HIGH_NOT_PRECEDENCE, high_not);
    CHECK_TREES(SQL_ANSI_QUOTES, ansi);
    CHECK_TREES(SQL_ORACLE, oracle);
    CHECK_TREES(0, literals);
    CHECK_TREES(0, calls);
}

/* The sources of all expressions of a statement's first select item, parents first. */
struct sources {
    FILE *out;
    const char *sql;
};

static bool append_source(struct expr *e, void *ctx)
{
    const struct sources *s = ctx;
    fprintf(s->out, "[%.*s]", (int)e->range.len, s->sql + e->range.off);
    return true;
}

static void test_expression_ranges(void **state)
{
    static const struct tree_case cases[] = {
        {"( a + /* x */ 1 )", "[( a + /* x */ 1 )][a + /* x */ 1][a][1]"},
        {" a  = ( b ) ", "[a  = ( b )][a][( b )][b]"},
        {"db . t . c + `x`", "[db . t . c + `x`][db . t . c][`x`]"},
        {"f( a , b ) over (order by c )", "[f( a , b ) over (order by c )][a][b][c]"},
        {"case a when 1 then b end", "[case a when 1 then b end][a][1][b]"},
        {"not a", "[not a][a]"},
        {"a is not null", "[a is not null][a]"},
        {"a not in ( 1 , 2 )", "[a not in ( 1 , 2 )][a][1][2]"},
        {"'a' 'b' collate x", "['a' 'b' collate x]['a' 'b']"},
        {"_utf8 'a' 'b'", "[_utf8 'a' 'b']"},
        {"interval 1 day + a", "[interval 1 day + a][interval 1 day][1][a]"},
        {"a + b + c", "[a + b + c][a][b][c]"},
        {"a + b - c", "[a + b - c][a + b][a][b][c]"},
        {"( select 1 ) + 1", "[( select 1 ) + 1][( select 1 )][1]"},
        {"cast( a as char(3) )", "[cast( a as char(3) )][a]"},
        {"@a := 1", "[@a := 1][@a][1]"},
        {"exists ( select 1 )", "[exists ( select 1 )]"},
        {"a = any ( select 1 )", "[a = any ( select 1 )][a]"},
        {"row ( 1 , 2 )", "[row ( 1 , 2 )][1][2]"},
        {"default ( a )", "[default ( a )][a]"},
        {"(a, b) = (1, 2)", "[(a, b) = (1, 2)][(a, b)][a][b][(1, 2)][1][2]"},
        {"@@global . x", "[@@global . x]"},
        {"count( * )", "[count( * )][*]"},
    };
    struct sql_dialect d = dialect_with(0);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expr *e;
        struct parse_error error;
        char got[512] = "";
        arena_reset(arena);
        assert_int_equal(parse_expression(arena, &d, span_of(cases[i].sql), &e, &error), PARSE_OK);
        FILE *f = fmemopen(got, sizeof got, "w");
        struct sources sources = {f, cases[i].sql};
        assert_true(expr_walk(e, append_source, &sources));
        fclose(f);
        assert_string_equal(got, cases[i].tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_expression_ranges),
    };
    return cmocka_run_group_tests(tests, parse_setup, parse_teardown);
}
