/* Trees: one line a case, a statement and its tree as an s-expression (ast_dump.h). Every tree is also held
 * to the invariants of ast_check.h. Then ranges, errors, and what hostile statements must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/ast_check.h"
#include "tests/unit/ast_dump.h"

struct tree_case {
    const char *sql, *tree;
};

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
     "(do (exprs (= (json a '$.x') (json b '$.y')) (op 2 (paren c))))"},
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

static const struct tree_case inserts[] = {
    {"INSERT INTO t VALUES (1, 'a'), (DEFAULT, ?)", "(insert t (row 1 'a') (row DEFAULT ?0))"},
    {"INSERT LOW_PRIORITY IGNORE db.t (a, t.b, db.t.c) VALUE (1, 2, 3)",
     "(insert-ignore db.t (columns a t.b db.t.c) (row 1 2 3))"},
    {"INSERT t () VALUES (), ()", "(insert t (columns) (row) (row))"},
    {"INSERT INTO t PARTITION (p) (a) VALUES (1) AS new (x) ON DUPLICATE KEY UPDATE a = new.x, b = VALUES(b) "
     "+ (VALUES(a))",
     "(insert t {PARTITION (p)} (columns a) (row 1) :new(x) (duplicate (a new.x) (b (+ (values b) (paren "
     "(values a))))))"},
    {"INSERT INTO t SET a = 1, b = DEFAULT, c = a + 1 ON DUPLICATE KEY UPDATE a = DEFAULT",
     "(insert t (set (a 1) (b DEFAULT) (c (+ a 1))) (duplicate (a DEFAULT)))"},
    {"INSERT INTO t (a) SELECT x FROM u JOIN v ON DUPLICATE KEY UPDATE a = 1",
     "(insert t (columns a) (select (items x) (from (join u v))) (duplicate (a 1)))"},
    {"INSERT INTO t (SELECT 1)", "(insert t (paren (select (items 1))))"},
    {"INSERT INTO t ((SELECT 1) UNION (SELECT 2))",
     "(insert t (paren (setop (paren (select (items 1))) (paren (select (items 2))))))"},
    {"INSERT INTO t (a) (SELECT 1) RETURNING a, b AS c",
     "(insert t (columns a) (paren (select (items 1))) (returning a b:c))"},
    {"INSERT INTO t (a) VALUES ROW(1), ROW(2)", "(insert t (columns a) (rows (row 1) (row 2)))"},
    {"INSERT INTO t TABLE u", "(insert t (table u))"},
    {"REPLACE DELAYED t VALUES (1) RETURNING *", "(replace t (row 1) (returning *))"},
    {"REPLACE INTO t SET a = 1", "(replace t (set (a 1)))"},
    {"INSERT INTO t (a) VALUES ((SELECT MAX(a) FROM u)), (@x := 1)",
     "(insert t (columns a) (row (subquery (select (items (call MAX a)) (from u)))) (row (:= @x 1)))"},
};

static const struct tree_case updates[] = {
    {"UPDATE t SET a = 1, t.b = DEFAULT WHERE c = 2 ORDER BY d LIMIT 3",
     "(update t (set (a 1) (t.b DEFAULT)) (where (= c 2)) (order d) (limit 3))"},
    {"UPDATE LOW_PRIORITY IGNORE db.t AS u SET a := a + 1", "(update-ignore db.t:u (set (a (+ a 1))))"},
    {"UPDATE a, b SET a.x = b.y WHERE a.i = b.i", "(update-multi a b (set (a.x b.y)) (where (= a.i b.i)))"},
    {"UPDATE a JOIN b USING (i) SET x = y", "(update-multi (join a b using (i)) (set (x y)))"},
    {"UPDATE t FOR PORTION OF p FROM '2001-01-01' TO '2002-01-01' SET a = 1",
     "(update t{FOR PORTION OF p FROM '2001-01-01' TO '2002-01-01'} (set (a 1)))"},
    {"UPDATE (SELECT 1) d JOIN t SET a = 1",
     "(update-multi (join (derived (select (items 1))):d t) (set (a 1)))"},
    {"UPDATE t SET a = (SELECT 1), b = EXISTS (SELECT 2)",
     "(update t (set (a (subquery (select (items 1)))) (b (exists (select (items 2))))))"},
};

static const struct tree_case deletes[] = {
    {"DELETE FROM t WHERE a = 1 ORDER BY b LIMIT 2 RETURNING c",
     "(delete t (where (= a 1)) (order b) (limit 2) (returning c))"},
    {"DELETE LOW_PRIORITY QUICK IGNORE FROM t", "(delete-ignore t)"},
    {"DELETE a, db.b.* FROM a JOIN db.b ON 1 WHERE c",
     "(delete-multi (targets a db.b.*) (join a db.b on 1) (where c))"},
    {"DELETE FROM a.*, b USING a JOIN b WHERE c", "(delete-multi (targets a.* b) (join a b) (where c))"},
    {"DELETE FROM t AS x WHERE x.a = 1", "(delete t:x (where (= x.a 1)))"},
    {"WITH a AS (SELECT 1) UPDATE t SET b = 1 WHERE c RETURNING b AS d",
     "(update (with (a (select (items 1)))) t (set (b 1)) (where c) (returning b:d))"},
    {"DELETE HISTORY FROM t BEFORE SYSTEM_TIME '2001-01-01'", "(delete-history t (before '2001-01-01'))"},
    {"DELETE FROM t FOR PORTION OF p FROM 1 TO 2 WHERE a",
     "(delete t{FOR PORTION OF p FROM 1 TO 2} (where a))"},
};

static const struct tree_case loads[] = {
    {"LOAD DATA INFILE '/f' INTO TABLE t", "(load-data t @34)"},
    {"LOAD DATA LOCAL INFILE '/f' REPLACE INTO TABLE db.t PARTITION (p) CHARACTER SET utf8 FIELDS TERMINATED "
     "BY ',' ENCLOSED BY '\"' LINES STARTING BY 'x' IGNORE 1 LINES (a, @b, c) SET d = @b + 1, e = DEFAULT",
     "(load-data-local-replace db.t (columns a @b c) (set (d (+ @b 1)) (e DEFAULT)) @173)"},
    {"LOAD DATA FROM URL 'x' COUNT 5 IN PRIMARY KEY ORDER IGNORE INTO TABLE t (a)",
     "(load-data-ignore t (columns a) @75)"},
    {"LOAD XML CONCURRENT INFILE '/f' IGNORE INTO TABLE t ROWS IDENTIFIED BY '<r>' SET a = 1",
     "(load-xml-ignore t (set (a 1)) @76)"},
};

static const struct tree_case prefixes[] = {
    {"EXPLAIN SELECT 1", "explain (select (items 1))"},
    {"DESC FORMAT = JSON UPDATE t SET a = 1", "explain (update t (set (a 1)))"},
    {"ANALYZE FORMAT=JSON DELETE FROM t", "explain (delete t)"},
    {"EXPLAIN EXTENDED (SELECT 1)", "explain (paren (select (items 1)))"},
    {"SET STATEMENT max_statement_time = 1, sql_mode = '' FOR SELECT 1",
     " (set-statement (:= max_statement_time 1) (:= sql_mode ''))(select (items 1))"},
    {"EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "explain (insert t (row 1))"},
    {"/* c */ SELECT /*+ hint */ 1 -- end", "(select (items 1))"},
    {"/*!50000 SELECT */ 1 /*!80000 , 2 */ /*M!100000 , 3 */", "(select (items 1 3))"},
};

static const struct tree_case others[] = {
    {"", "(empty)"},
    {"/* nothing */", "(empty)"},
    {"-- nothing", "(empty)"},
    {"DO 1, a", "(do (exprs 1 a))"},
    {"CALL db.p(1, @x)", "(call db.p (exprs 1 @x))"},
    {"CALL p", "(call p)"},
    {"SET a = 1, @b = 2, GLOBAL c = ON, @@session.d = DEFAULT, NAMES utf8mb4 COLLATE x, PERSIST e = 3",
     "(set (exprs (:= a 1) (:= @b 2) (:= GLOBAL c ON) (:= @@session.d DEFAULT) (:= NAMES utf8mb4) (:= "
     "PERSIST e 3)))"},
    {"SET NAMES 'gbk'", "(set (exprs (:= NAMES 'gbk')))"},
    {"SET CHARACTER SET utf8", "(set (exprs (:= CHARACTER SET utf8)))"},
    {"SET PASSWORD FOR u = PASSWORD('x')", "(set)"},
    {"SET SESSION TRANSACTION READ ONLY", "(set)"},
    {"SET @a = (SELECT 1)", "(set (exprs (:= @a (subquery (select (items 1))))))"},
    {"USE db", "(use 'db')"},
    {"PREPARE s FROM 'SELECT 1'", "(prepare 's' (exprs 'SELECT 1'))"},
    {"PREPARE s FROM @x", "(prepare 's' (exprs @x))"},
    {"EXECUTE s USING @a, 1, DEFAULT", "(execute 's' (exprs @a 1 DEFAULT))"},
    {"EXECUTE IMMEDIATE CONCAT('a', b) USING 1", "(execute-immediate (exprs (call CONCAT 'a' b) 1))"},
    {"DEALLOCATE PREPARE s", "(deallocate 's')"},
    {"DROP PREPARE s", "(deallocate 's')"},
    {"BEGIN", "(transaction)"},
    {"BEGIN WORK", "(transaction)"},
    {"START TRANSACTION WITH CONSISTENT SNAPSHOT", "(transaction)"},
    {"COMMIT AND CHAIN", "(transaction)"},
    {"ROLLBACK TO SAVEPOINT x", "(transaction)"},
    {"SAVEPOINT x", "(transaction)"},
    {"RELEASE SAVEPOINT x", "(transaction)"},
    {"XA START 'x'", "(transaction)"},
    {"LOCK TABLES a READ, db.b AS c LOW_PRIORITY WRITE", "(lock a db.b)"},
    {"UNLOCK TABLES", "(lock)"},
    {"FLUSH TABLES a, b WITH READ LOCK", "(lock a b)"},
    {"FLUSH TABLES WITH READ LOCK", "(lock)"},
    {"FLUSH PRIVILEGES", "(admin)"},
    {"TRUNCATE TABLE t", "(truncate t)"},
    {"TRUNCATE db.t", "(truncate db.t)"},
    {"CREATE TABLE t (a INT)", "(create-table t)"},
    {"CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS db.t LIKE u", "(create-table-temporary db.t u)"},
    {"CREATE TABLE t (LIKE u)", "(create-table t u)"},
    {"CREATE TABLE t (a INT) ENGINE=InnoDB AS SELECT a FROM u",
     "(create-table t (select (items a) (from u)))"},
    {"CREATE TABLE t SELECT 1", "(create-table t (select (items 1)))"},
    {"CREATE TABLE t (SELECT 1)", "(create-table t (paren (select (items 1))))"},
    {"CREATE TABLE t (a INT) WITH SYSTEM VERSIONING", "(create-table t)"},
    {"CREATE TABLE t WITH c AS (SELECT 1) SELECT * FROM c",
     "(create-table t (query (with (c (select (items 1)))) (select (items *) (from c))))"},
    {"CREATE TABLE t (a INT) PARTITION BY LIST ((a) DIV 2) (PARTITION p VALUES IN (0))", "(create-table t)"},
    {"CREATE TABLE t (a INT) IGNORE SELECT 1", "(create-table t (select (items 1)))"},
    {"DROP TEMPORARY TABLE IF EXISTS a, db.b", "(drop-table-temporary a db.b)"},
    {"DROP TABLES a", "(drop-table a)"},
    {"ALTER TABLE t ADD COLUMN a INT, RENAME TO db.u", "(alter-table t db.u)"},
    {"ALTER ONLINE TABLE t RENAME COLUMN a TO b", "(alter-table t)"},
    {"ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", "(alter-table t u)"},
    {"RENAME TABLE a TO b, db.c WAIT 5 TO d", "(rename-table a b db.c d)"},
    {"RENAME USER a TO b", "(admin)"},
    {"CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`b` SQL SECURITY INVOKER VIEW v (x) AS SELECT 1 WITH "
     "CHECK OPTION",
     "(view v (select (items 1)))"},
    {"ALTER VIEW v AS SELECT 2", "(view v (select (items 2)))"},
    {"DROP VIEW a, b", "(ddl a b)"},
    {"CREATE TRIGGER tr BEFORE INSERT ON db.t FOR EACH ROW SET NEW.a = 1", "(trigger db.t)"},
    {"CREATE UNIQUE INDEX i ON t (a)", "(index t)"},
    {"DROP INDEX i ON t", "(index t)"},
    {"CREATE DATABASE IF NOT EXISTS d", "(ddl 'd')"},
    {"DROP DATABASE d", "(ddl 'd')"},
    {"CREATE SEQUENCE s", "(ddl s)"},
    {"DROP SEQUENCE s", "(ddl s)"},
    {"CREATE USER u IDENTIFIED BY 'x'", "(admin)"},
    {"DROP PROCEDURE p", "(ddl)"},
    {"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')", "(ddl)"},
    {"SHOW TABLES", "(show)"},
    {"SHOW FULL COLUMNS FROM t IN db", "(show db.t)"},
    {"SHOW INDEX FROM db.t", "(show db.t)"},
    {"SHOW CREATE TABLE t", "(show t)"},
    {"DESCRIBE t a", "(show t)"},
    {"EXPLAIN FOR CONNECTION 5", "(show)"},
    {"HELP 'x'", "(show)"},
    {"HANDLER t OPEN AS h", "(handler t)"},
    {"HANDLER h READ FIRST", "(handler h)"},
    {"ANALYZE TABLE a, b", "(admin a b)"},
    {"CHECK TABLE t", "(admin t)"},
    {"OPTIMIZE LOCAL TABLE t", "(admin t)"},
    {"CHECKSUM TABLE a, b", "(admin a b)"},
    {"REPAIR TABLE t QUICK", "(admin t)"},
    {"KILL 5", "(admin (exprs 5))"},
    {"KILL QUERY ID (SELECT 1)", "(admin (exprs (subquery (select (items 1)))))"},
    {"KILL HARD CONNECTION a + 1", "(admin (exprs (+ a 1)))"},
    {"KILL USER u", "(admin)"},
    {"RESET MASTER", "(admin)"},
    {"GRANT SELECT (a) ON db.t TO u", "(admin db.t)"},
    {"GRANT ALL ON *.* TO u", "(admin)"},
    {"GRANT ALL ON db.* TO u", "(admin)"},
    {"REVOKE r FROM u", "(admin)"},
    {"SHUTDOWN", "(admin)"},
    {"LOAD INDEX INTO CACHE t", "(admin)"},
    {"WHATEVER this is", "(other)"},
};

/* Several statements in one text: their trees are joined by " ; ". */
static const struct tree_case several[] = {
    {"SELECT 1; SELECT 2;", "(select (items 1)) ; (select (items 2))"},
    {"CREATE PROCEDURE p() BEGIN SELECT 1; IF a THEN SELECT 2; END IF; END; SELECT 3",
     "(routine 'p') ; (select (items 3))"},
    {"CREATE PROCEDURE p() SELECT 1; SELECT 2", "(routine 'p') ; (select (items 2))"},
    {"CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN CASE WHEN a THEN IF(1, 2, 3) END; SELECT 2",
     "(routine 'f') ; (select (items 2))"},
    {"CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN "
     "END; CASE a WHEN 1 THEN SET b = 1; END CASE; x: LOOP LEAVE x; END LOOP; END; SELECT 2",
     "(trigger t) ; (select (items 2))"},
    {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO UPDATE t SET a = 1; SELECT 2",
     "(routine 'e') ; (select (items 2))"},
    {"BEGIN NOT ATOMIC WHILE a DO SET b = 1; END WHILE; END; SELECT 2", "(compound) ; (select (items 2))"},
    {"IF a THEN SELECT 1; END IF; SELECT 2", "(compound) ; (select (items 2))"},
    {"SELECT ';'; -- ;\nSELECT `;` /* ; */", "(select (items ';')) ; (select (items `;`=;))"},
    {"SELEC; SELECT (; SELECT 3", "(other) ; error ; (select (items 3))"},
};

static const struct {
    const char *name;
    uint32_t modes;
    const struct tree_case *cases;
    size_t count;
} groups[] = {
    {"selects", 0, selects, sizeof selects / sizeof *selects},
    {"set_operations", 0, set_operations, sizeof set_operations / sizeof *set_operations},
    {"ctes", 0, ctes, sizeof ctes / sizeof *ctes},
    {"tables", 0, tables, sizeof tables / sizeof *tables},
    {"operators", 0, operators, sizeof operators / sizeof *operators},
    {"pipes_as_concat", SQL_PIPES_AS_CONCAT, pipes_as_concat,
     sizeof pipes_as_concat / sizeof *pipes_as_concat},
    {"high_not", SQL_HIGH_NOT_PRECEDENCE, high_not, sizeof high_not / sizeof *high_not},
    {"ansi", SQL_ANSI_QUOTES, ansi, sizeof ansi / sizeof *ansi},
    {"oracle", SQL_ORACLE, oracle, sizeof oracle / sizeof *oracle},
    {"literals", 0, literals, sizeof literals / sizeof *literals},
    {"calls", 0, calls, sizeof calls / sizeof *calls},
    {"inserts", 0, inserts, sizeof inserts / sizeof *inserts},
    {"updates", 0, updates, sizeof updates / sizeof *updates},
    {"deletes", 0, deletes, sizeof deletes / sizeof *deletes},
    {"loads", 0, loads, sizeof loads / sizeof *loads},
    {"prefixes", 0, prefixes, sizeof prefixes / sizeof *prefixes},
    {"others", 0, others, sizeof others / sizeof *others},
    {"several", 0, several, sizeof several / sizeof *several},
};

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new((size_t)256 << 20);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct sql_dialect dialect_with(uint32_t modes)
{
    return (struct sql_dialect){.modes = modes, .mariadb = true, .version = 101119};
}

/* The trees of all statements of a text; to be freed. */
static char *trees_of(uint32_t modes, const char *sql)
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
        if (broken)
            fail_msg("%s: %s", sql, broken);
        dump_stmt(&dump, s);
    } while (off < text.len);
    fclose(f);
    return out;
}

static void test_trees(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct tree_case *c = &groups[g].cases[i];
            arena_reset(arena);
            char *got = trees_of(groups[g].modes, c->sql);
            if (strcmp(got, c->tree) != 0)
                fail_msg("%s:\n%s\ngot      %s\nexpected %s", groups[g].name, c->sql, got, c->tree);
            free(got);
        }
    }
}

/* The sources of all expressions of a statement's first select item, parents first. */
static bool append_source(struct expr *e, void *ctx)
{
    struct ast_dump *d = ctx;
    fputs("[", d->out);
    dump_range(d, e->range);
    fputs("]", d->out);
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
        struct ast_dump dump = {f, cases[i].sql};
        assert_true(expr_walk(e, append_source, &dump));
        fclose(f);
        assert_string_equal(got, cases[i].tree);
    }
}

static struct stmt *parsed(const char *sql)
{
    struct sql_dialect d = dialect_with(0);
    struct stmt *s;
    struct parse_error error;
    size_t off = 0;
    arena_reset(arena);
    assert_int_equal(parse_statement(arena, &d, span_of(sql), &off, &s, &error), PARSE_OK);
    return s;
}

static void assert_range(const char *sql, struct range r, const char *expected)
{
    char got[256];
    snprintf(got, sizeof got, "%.*s", (int)r.len, sql + r.off);
    assert_string_equal(got, expected);
}

static void test_insert_ranges(void **state)
{
    static const char sql[] =
        " insert into `d`.t partition (p) ( a , b ) values ( 1 , f(2) ) , (3,4) on duplicate key"
        " update a = 1 , b = 2 ; x";
    const struct stmt *s = parsed(sql);
    const struct insert_stmt *i = s->insert;
    (void)state;
    assert_range(sql, s->range,
                 "insert into `d`.t partition (p) ( a , b ) values ( 1 , f(2) ) , (3,4) on duplicate key"
                 " update a = 1 , b = 2");
    assert_range(sql, i->table.range, "`d`.t");
    assert_range(sql, i->table.db.range, "`d`");
    assert_range(sql, i->partition, "partition (p)");
    assert_range(sql, i->columns_range, "( a , b )");
    assert_range(sql, i->columns->next->range, "b");
    assert_range(sql, i->values_range, "( 1 , f(2) ) , (3,4)");
    assert_range(sql, i->rows->range, "( 1 , f(2) )");
    assert_range(sql, i->rows->values->next->range, "f(2)");
    assert_int_equal(i->rows->count, 2);
    assert_int_equal(i->row_count, 2);
    assert_range(sql, i->on_duplicate_range, "a = 1 , b = 2");
    assert_range(sql, i->on_duplicate->range, "a = 1");
}

/* Rows of plain literals are read without tokens; a tab in a blank's place sends them to the grammar. */
static void test_literal_rows(void **state)
{
    static const char *const rows[] = {
        "(1, 22.5, 'x', NULL)",
        "( 1 , -2 , - 3 , 'it''s' ), (1, -2.0, 3., 'a\\'b')",
        "( '' , \"a, b)\", null ), (1, NOW(), 3), ( 4, 5, 6 )",
        "(1, .5, 1e5, 0x1f, b'1', 1a, x'00') , (7, 8)",
        "( 'a' 'b', N'c', _utf8'd', 'e' COLLATE x), (1)",
        "( 1 + 2, 3 - 4, 5--6, -7), ( 1 )",
        "(TRUE, NULLS, NULL.x, null(1), NULL IS NULL)",
        "( ?, 1 ), (2, ?), ( 3, DEFAULT ), ()",
        "( 1, 2 ) /* c */ , ( 3, 4 ) -- end",
        "(1, 'open), (2, 3)",
        "(1, 2",
        "(1,, 2)",
        "(1 2)",
        "(1.2.3, 4)",
        "(1.5x, 4)",
        "(5 -- c\n, 4)",
    };
    static const uint32_t modes[] = {0, SQL_ANSI_QUOTES, SQL_NO_BACKSLASH_ESCAPES};
    char plain[256], tabs[256];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
            snprintf(plain, sizeof plain, "INSERT INTO t VALUES %s", rows[i]);
            snprintf(tabs, sizeof tabs, "INSERT INTO t VALUES %s", rows[i]);
            bool inside = false; /* strings keep their blanks */
            for (char *c = strchr(tabs, '('); *c; c++) {
                inside ^= *c == '\'' || *c == '"';
                if (*c == ' ' && !inside && c[-1] != '-')
                    *c = '\t';
            }
            arena_reset(arena);
            char *fast = trees_of(modes[m], plain), *slow = trees_of(modes[m], tabs);
            for (char *c = slow; *c; c++)
                *c = *c == '\t' ? ' ' : *c;
            if (strcmp(fast, slow) != 0)
                fail_msg("%s:\n%s\n%s", plain, fast, slow);
            free(fast);
            free(slow);
        }
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

static void test_change_ranges(void **state)
{
    static const char update[] = "update t set a = 1 , t . b = ( 2 ) where c";
    const struct update_stmt *u = parsed(update)->update;
    (void)state;
    assert_range(update, u->set_range, "a = 1 , t . b = ( 2 )");
    assert_range(update, u->set->next->range, "t . b = ( 2 )");
    assert_range(update, u->set->next->column->range, "t . b");
    static const char load[] = "load data infile 'f' into table t ( a , @b ) set c = @b";
    const struct load_stmt *l = parsed(load)->load;
    assert_range(load, l->columns_range, "( a , @b )");
    assert_range(load, l->set_range, "c = @b");
}

/* Text, then what the parser stumbled over. */
static void test_errors(void **state)
{
    static const struct tree_case cases[] = {
        {"SELECT", ""},
        {"SELECT a FROM", ""},
        {"SELECT a,, b", ", b"},
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
    assert_int_equal(sql_modes_of(SPAN("")), 0);
    assert_int_equal(sql_modes_of(SPAN("STRICT_TRANS_TABLES,ansi_quotes,NO_ZERO_DATE")), SQL_ANSI_QUOTES);
    assert_int_equal(sql_modes_of(SPAN("ANSI")), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE);
    assert_int_equal(sql_modes_of(SPAN("NO_BACKSLASH_ESCAPES, HIGH_NOT_PRECEDENCE")),
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
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_expression_ranges),
        cmocka_unit_test(test_insert_ranges),
        cmocka_unit_test(test_literal_rows),
        cmocka_unit_test(test_query_ranges),
        cmocka_unit_test(test_change_ranges),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_depth_and_memory_limits),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_modes_and_charsets),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
