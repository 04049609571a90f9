/* Queries: one line a case, a statement and its tree as an s-expression (ast_dump.h), and the ranges of what
 * the rewriter splices. */
#include "tests/unit/parse_cases.h"

static const struct tree_case selects[] = {
    {"SELECT 1", "(select (items 1))"},
    {"SELECT DISTINCT SQL_CALC_FOUND_ROWS a, t.b AS x, c 'y', db.t.*, `q``r` FROM db.t AS u",
     "(select {DISTINCT SQL_CALC_FOUND_ROWS} (items a t.b:x c:y db.t.* `q``r`=q`r) (from db.t:u))"},
    {"SELECT * FROM a, b c, (d, e)", "(select (items *) (from a b:c (paren d e)))"},
    {"SELECT a FROM t WHERE b = 1 GROUP BY c, d + 1 WITH ROLLUP HAVING COUNT(*) > 1 ORDER BY a DESC, 2 LIMIT "
     "5 OFFSET 6",
     "(query (select (items a) (from t) (where (= b 1)) (rollup c (+ d 1)) (having (> (call COUNT *) 1))) "
     "(order a 2) (limit 5 6))"},
    {"SELECT a FROM t LIMIT 1, 2", "(query (select (items a) (from t)) (limit 1 2))"},
    {"SELECT a FROM t ORDER BY a OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY",
     "(query (select (items a) (from t)) (order a) (limit 1 2))"},
    {"SELECT a FROM t LIMIT 5 ROWS EXAMINED 100", "(query (select (items a) (from t)) (limit 5 100))"},
    {"SELECT a FROM t FOR UPDATE OF t, u SKIP LOCKED FOR SHARE NOWAIT",
     "(query (select (items a) (from t)) for-update(t u))"},
    {"SELECT a FROM t LOCK IN SHARE MODE", "(query (select (items a) (from t)) for-share)"},
    {"SELECT a INTO @x FROM t FOR UPDATE", "(query (select (items a) (from t)) for-update {INTO @x})"},
    {"SELECT a FROM t INTO OUTFILE '/f' CHARACTER SET utf8 FIELDS TERMINATED BY ','",
     "(query (select (items a) (from t)) {INTO OUTFILE '/f' CHARACTER SET utf8 FIELDS TERMINATED BY ','})"},
    {"SELECT sql_no_cache FROM t", "(select (items sql_no_cache) (from t))"},
    {"SELECT SQL_NO_CACHE sql_cache FROM t", "(select {SQL_NO_CACHE} (items sql_cache) (from t))"},
    {"SELECT a FROM t PROCEDURE ANALYSE(10, 2000)", "(select (items a) (from t))"},
    {"SELECT 1 FROM DUAL WHERE 1", "(select (items 1) (from DUAL) (where 1))"},
    {"SELECT t.select, t.from.x FROM t", "(select (items t.select t.from.x) (from t))"},
    {"SELECT a window FROM t window WINDOW w AS (PARTITION BY a), v AS (w ORDER BY b)",
     "(select (items a:window) (from t:window) (window a) (window b))"},
    {"SELECT offset FROM t offset", "(select (items offset) (from t:offset))"},
    {"SELECT rank, row_number, groups, lateral, system, `select` FROM t rank",
     "(select (items rank row_number groups lateral system `select`=select) (from t:rank))"},
    {"SELECT a.* FROM .t a", "(select (items a.*) (from t:a))"},
};

static const struct tree_case set_operations[] = {
    {"SELECT 1 UNION ALL SELECT 2 ORDER BY 1",
     "(query (setop (select (items 1)) (select (items 2))) (order 1))"},
    {"SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4",
     "(setop (setop (select (items 1)) (setop (select (items 2)) (select (items 3)))) (select (items 4)))"},
    {"(SELECT 1 ORDER BY 1 LIMIT 1) UNION (SELECT 2) LIMIT 3",
     "(query (setop (paren (query (select (items 1)) (order 1) (limit 1))) (paren (select (items 2)))) "
     "(limit 3))"},
    {"((SELECT 1 UNION SELECT 2) ORDER BY 1)",
     "(paren (query (paren (setop (select (items 1)) (select (items 2)))) (order 1)))"},
    {"(((SELECT 1)))", "(paren (paren (paren (select (items 1)))))"},
    {"VALUES (1, 2), (3, 4) ORDER BY 1", "(query (rows (row 1 2) (row 3 4)) (order 1))"},
    {"VALUES ROW(1, 2), ROW(3, 4)", "(rows (row 1 2) (row 3 4))"},
    {"TABLE t ORDER BY a LIMIT 1", "(query (table t) (order a) (limit 1))"},
    {"SELECT 1 UNION VALUES (2) UNION TABLE t",
     "(setop (setop (select (items 1)) (rows (row 2))) (table t))"},
};

static const struct tree_case ctes[] = {
    {"WITH a AS (SELECT 1), b (x, y) AS (SELECT 1, 2) SELECT * FROM a, b",
     "(query (with (a (select (items 1))) (b(x y) (select (items 1 2)))) (select (items *) (from a b)))"},
    {"WITH RECURSIVE c AS (SELECT 1 n UNION ALL SELECT n + 1 FROM c) CYCLE n RESTRICT SELECT * FROM c",
     "(query (with-recursive (c (setop (select (items 1:n)) (select (items (+ n 1)) (from c))))) (select "
     "(items *) (from c)))"},
    {"SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) t",
     "(select (items *) (from (derived (query (with (a (select (items 1)))) (select (items *) (from "
     "a)))):t))"},
    {"WITH a AS (SELECT 1 x) UPDATE t, a SET t.b = a.x",
     "(update-multi (with (a (select (items 1:x)))) t a (set (t.b a.x)))"},
    {"WITH a AS (SELECT 1 x) DELETE t FROM t JOIN a",
     "(delete-multi (with (a (select (items 1:x)))) (targets t) (join t a))"},
    {"INSERT INTO t WITH a AS (SELECT 1) SELECT * FROM a",
     "(insert t (query (with (a (select (items 1)))) (select (items *) (from a))))"},
};

static const struct tree_case tables[] = {
    {"SELECT 1 FROM a JOIN b ON x = y LEFT OUTER JOIN c USING (p, q) NATURAL RIGHT JOIN d STRAIGHT_JOIN e",
     "(select (items 1) (from (straight (natural-right (left (join a b on (= x y)) c using (p q)) d) e)))"},
    {"SELECT 1 FROM a JOIN b JOIN c ON 1 ON 2", "(select (items 1) (from (join a (join b c on 1) on 2)))"},
    {"SELECT 1 FROM a JOIN b JOIN c ON 1 JOIN d ON 2, e",
     "(select (items 1) (from (join (join (join a b) c on 1) d on 2) e))"},
    {"SELECT 1 FROM a LEFT JOIN (b CROSS JOIN c) ON 1",
     "(select (items 1) (from (left a (paren (join b c)) on 1)))"},
    {"SELECT 1 FROM (a), ((b JOIN c)) JOIN d",
     "(select (items 1) (from (paren a) (join (paren (paren (join b c))) d)))"},
    {"SELECT 1 FROM {OJ a LEFT OUTER JOIN b ON 1}", "(select (items 1) (from (paren (left a b on 1))))"},
    {"SELECT 1 FROM t PARTITION (p0, p1) FOR SYSTEM_TIME AS OF TIMESTAMP @x AS u USE INDEX (i) IGNORE KEY "
     "FOR ORDER BY (j)",
     "(select (items 1) (from t{PARTITION (p0, p1) FOR SYSTEM_TIME AS OF TIMESTAMP @x AS u USE INDEX (i) "
     "IGNORE KEY FOR ORDER BY (j)}:u))"},
    {"SELECT 1 FROM t u FORCE INDEX FOR JOIN (PRIMARY), t FOR SYSTEM_TIME ALL v",
     "(select (items 1) (from t{FORCE INDEX FOR JOIN (PRIMARY)}:u t{FOR SYSTEM_TIME ALL}:v))"},
    {"SELECT 1 FROM (SELECT 1) AS t (a, b), LATERAL (SELECT t.a) u",
     "(select (items 1) (from (derived (select (items 1))):t(a b) (lateral (select (items t.a))):u))"},
    {"SELECT 1 FROM ((SELECT 1) UNION (SELECT 2)) t",
     "(select (items 1) (from (derived (setop (paren (select (items 1))) (paren (select (items 2))))):t))"},
    {"SELECT 1 FROM (((SELECT 1)) t JOIN u)",
     "(select (items 1) (from (paren (join (derived (paren (select (items 1)))):t u))))"},
    {"SELECT 1 FROM ((SELECT 1) t)", "(select (items 1) (from (paren (derived (select (items 1))):t)))"},
    {"SELECT 1 FROM (VALUES (1), (2)) t (a)",
     "(select (items 1) (from (derived (rows (row 1) (row 2))):t(a)))"},
    {"SELECT 1 FROM (TABLE t) u", "(select (items 1) (from (derived (table t)):u))"},
    {"SELECT 1 FROM t, JSON_TABLE(t.j, '$[*]' COLUMNS (a INT PATH '$.a' DEFAULT '1' ON EMPTY, NESTED PATH "
     "'$.b' COLUMNS (c INT PATH '$'))) AS jt",
     "(select (items 1) (from t (function JSON_TABLE (args t.j '$[*]')):jt))"},
    {"SELECT 1 FROM a LEFT JOIN b ON 1 ORDER BY 1",
     "(query (select (items 1) (from (left a b on 1))) (order 1))"},
};

static void test_trees(void **state)
{
    (void)state;
    CHECK_TREES(0, selects);
    CHECK_TREES(0, set_operations);
    CHECK_TREES(0, ctes);
    CHECK_TREES(0, tables);
}

static void test_query_ranges(void **state)
{
    static const char sql[] =
        "with c as (select 1) select distinct a x , b from t as u use index (i) , (v) where 1"
        " order by a limit 1 for update ";
    const struct stmt *s = parsed(sql);
    const struct query *q = s->query;
    const struct select *sel = q->body->select;
    (void)state;
    assert_range(sql, q->with->range, "with c as (select 1)");
    assert_range(sql, sel->range, "select distinct a x , b from t as u use index (i) , (v) where 1");
    assert_range(sql, sel->options, "distinct");
    assert_range(sql, sel->items_range, "a x , b");
    assert_range(sql, sel->items->range, "a x");
    assert_range(sql, sel->items->alias.range, "x");
    assert_range(sql, sel->from_range, "t as u use index (i) , (v)");
    assert_range(sql, sel->from->range, "t as u use index (i)");
    assert_range(sql, sel->from->clauses, "use index (i)");
    assert_int_equal(q->range.off, 0);
    assert_int_equal(q->range.len, strlen(sql) - 1);
    static const char nested[] = "select 1 from a join b join c on 1 where ( ( select 2 ) union select 3 )";
    const struct select *n = parsed(nested)->query->body->select;
    assert_range(nested, n->from->range, "a join b join c on 1");
    assert_range(nested, n->from->left->range, "a join b");
    assert_range(nested, n->where->range, "( ( select 2 ) union select 3 )");
    assert_range(nested, n->where->query->range, "( select 2 ) union select 3");
    assert_range(nested, n->where->query->body->left->range, "( select 2 )");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_query_ranges),
    };
    return cmocka_run_group_tests(tests, parse_setup, parse_teardown);
}
