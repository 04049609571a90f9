/* Statements other than queries, and several in one text: one line a case, a statement and its tree as an
 * s-expression (ast_dump.h); the ranges of what changes rows; and rows of literals, which are read without
 * tokens. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/parse_cases.h"

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
    {"DROP DATABASE d", "(drop-database 'd')"},
    {"CREATE OR REPLACE SCHEMA d", "(drop-database 'd')"},
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
    {"CREATE PROCEDURE p() BEGIN SELECT id, end FROM t; UPDATE u SET end = CASE WHEN end > 1 THEN 1 END; "
     "END; "
     "SELECT 2",
     "(routine 'p') ; (select (items 2))"},
    {"CREATE PROCEDURE p() BEGIN IF a THEN SELECT end FROM t WHERE end > 1; ELSE UPDATE u SET a = 1; END IF; "
     "REPEAT SET a = 1; UNTIL a END REPEAT; CASE a WHEN 1 THEN BEGIN END; ELSE SET b = 1; END CASE; END; "
     "SELECT 2",
     "(routine 'p') ; (select (items 2))"},
    {"SELECT ';'; -- ;\nSELECT `;` /* ; */", "(select (items ';')) ; (select (items `;`=;))"},
    {"SELEC; SELECT (; SELECT 3", "(other) ; error ; (select (items 3))"},
};

static void test_trees(void **state)
{
    (void)state;
    CHECK_TREES(0, inserts);
    CHECK_TREES(0, updates);
    CHECK_TREES(0, deletes);
    CHECK_TREES(0, loads);
    CHECK_TREES(0, prefixes);
    CHECK_TREES(0, others);
    CHECK_TREES(0, several);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_insert_ranges),
        cmocka_unit_test(test_literal_rows),
        cmocka_unit_test(test_change_ranges),
    };
    return cmocka_run_group_tests(tests, parse_setup, parse_teardown);
}
