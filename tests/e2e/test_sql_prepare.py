"""PREPARE … FROM, EXECUTE, EXECUTE IMMEDIATE and DEALLOCATE PREPARE: SQL in strings, direct and proxied, across
flips. What is prepared once goes on to mean the same in every phase, and nothing tells that it was prepared anew."""

import pymysql
import pytest
from pymysql.constants import CLIENT

from harness import Client, ClientError

STEPS = [("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",),
         ("cutover",), ("rollback",), ("rollback",)]

MULTI = {"client_flag": CLIENT.MULTI_STATEMENTS}

UNKNOWN_HANDLER, WRONG_ARGUMENTS, NO_SUCH_TABLE, SYNTAX = 1243, 1210, 1146, 1064
NOT_IN_PREPARED, NO_SUBQUERIES, DUPLICATE, UNKNOWN_COLUMN = 1295, 1970, 1062, 1054

# ---- what MySQL has other forms for: it prepares from one literal or a variable, executes with variables alone, and has
# no EXECUTE IMMEDIATE ----

def using(twin, *values):
    """What stands behind USING for these literals."""
    if twin.server.family == "mariadb":
        return ", ".join(map(str, values))
    twin.same("SET " + ", ".join(f"@using{number} = {value}" for number, value in enumerate(values)))
    return ", ".join(f"@using{number}" for number in range(len(values)))


def prepare(twin, name, text):
    """PREPARE from any expression."""
    if twin.server.family == "mariadb":
        return twin.same(f"PREPARE {name} FROM {text}")
    twin.same(f"SET @text = {text}")
    return twin.same(f"PREPARE {name} FROM @text")


def immediate(twin, text, *values):
    """EXECUTE IMMEDIATE of any expression, with literals."""
    clause = " USING " + using(twin, *values) if values else ""
    if twin.server.family == "mariadb":
        return twin.same(f"EXECUTE IMMEDIATE {text}{clause}")
    prepare(twin, "immediate", text)
    outcome = twin.same(f"EXECUTE immediate{clause}")
    twin.same("DEALLOCATE PREPARE immediate")
    return outcome


def phases(behind):
    """Walks through all phases and back: yields in each."""
    yield "as begun"
    for step in STEPS:
        behind.each(*step)
        yield " ".join(step)


def in_cutover(shop_twin, **options):
    """(Shop, Twin) in cutover."""
    behind, twin = shop_twin(20, 20, **options)
    behind.walk("cutover")
    return behind, twin


# A literal in a session's mode: how quotes and backslashes stand in it.
MODES = ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT",
         pytest.param("SIMULTANEOUS_ASSIGNMENT", marks=pytest.mark.only("mariadb", reason="MySQL has no such sql_mode")),
         "STRICT_ALL_TABLES,IGNORE_SPACE", "HIGH_NOT_PRECEDENCE"]


def test_prepared_once_right_in_every_phase(shop_twin):
    behind, twin = shop_twin(20, 20)
    for text in ["PREPARE one FROM 'SELECT id, fullname, visits FROM users WHERE id = ?'",
                 "PREPARE star FROM 'SELECT * FROM users WHERE fullname LIKE ? ORDER BY id'",
                 "PREPARE `Rename it` FROM 'UPDATE users SET fullname = ?, visits = visits + 1 WHERE id = ?'",
                 "PREPARE twice FROM 'UPDATE users SET fullname = ? WHERE id IN "
                 "(SELECT user_id FROM orders WHERE id = ?)'",
                 "PREPARE pay FROM 'INSERT INTO orders (user_id, amount, note) VALUES (?, ?, ?)'"]:
        twin.same(text)
    for number, phase in enumerate(phases(behind)):
        twin.same(f"SET @id = {number + 1}, @name = 'Zoë O''Neil {phase}', @any = '%e%', @sum = {number}.25")
        twin.same("EXECUTE one USING @id")
        twin.same("EXECUTE ONE USING @id")
        twin.same("EXECUTE star USING @any")
        twin.same("EXECUTE `rename it` USING @name, @id")
        twin.same("SET @name = CONCAT(@name, ' the Second')")
        twin.same("EXECUTE twice USING @name, @id")
        twin.same("EXECUTE pay USING @id, @sum, " + using(twin, "'a ''note'''"))
        twin.same("EXECUTE one USING @id")
        twin.check_tables(drift=phase not in ("as begun", "expand --apply", "dual-write", "rollback"))


@pytest.mark.parametrize("mode", MODES)
def test_literals_in_every_mode(shop_twin, mode):
    behind, twin = shop_twin(20, 20)
    quote = "'" if "ANSI" in mode else '"'
    twin.same(f"SET sql_mode = '{mode}'")
    back = "\\" if "NO_BACKSLASH" in mode else "\\\\"
    for number, _ in enumerate(phases(behind)):
        if quote == '"':
            twin.same("PREPARE s FROM \"SELECT fullname, 'it''s' FROM users WHERE fullname <> 'O''x' AND id < ?\"")
        else:
            twin.same_error('PREPARE s FROM "SELECT fullname FROM users"',
                            UNKNOWN_COLUMN if twin.server.family == "mariadb" else SYNTAX)
            twin.same("PREPARE s FROM 'SELECT \"fullname\" FROM users WHERE id < ?'")
        twin.same("EXECUTE s USING " + using(twin, 5))
        prepare(twin, "s", f"'UPDATE users SET fullname = ''O''''Neil {number}' ' {back}{back}n é 中'' WHERE id = ?'")
        twin.same("EXECUTE s USING " + using(twin, 7))
        prepare(twin, "s", "'SELECT fullname FROM users'  ' WHERE id = 7'")
        twin.same("EXECUTE s")
        immediate(twin, "'UPDATE users SET fullname = ? WHERE id IN (SELECT user_id FROM orders WHERE id = 3)'",
                  f"'Ada {back}L{back} O''Neil {number}'")
        twin.same("SELECT id, fullname FROM users ORDER BY id")
    twin.check_tables(drift=False)


def test_modes_of_the_first_time(shop_twin):
    """A statement means what it meant when it was prepared, whatever the session has set since."""
    behind, twin = shop_twin(20, 20)
    twin.same("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'")
    twin.same("""PREPARE s FROM 'SELECT "fullname" || ''\\x é'' AS f FROM "users" WHERE "id" = ?'""")
    twin.same("SET sql_mode = ''")
    for _ in phases(behind):
        twin.same("EXECUTE s USING " + using(twin, 3))
        twin.same("SELECT @@sql_mode, DATABASE(), 'a\\'b', \"x\"")


@pytest.mark.only("mariadb", reason="MySQL has no such sql_mode")
def test_assignments_run_by_the_mode_of_the_execution(shop_twin):
    behind, twin = shop_twin(20, 20)
    behind.walk("verify")
    twin.same("UPDATE users SET fullname = 'Mode Known' WHERE id = 1")
    twin.same("PREPARE s FROM 'UPDATE users SET fullname = CONCAT(''A'', fullname), visits = visits + 1 WHERE id < ?'")
    for mode in ("SIMULTANEOUS_ASSIGNMENT", "", "SIMULTANEOUS_ASSIGNMENT,ANSI_QUOTES"):
        twin.same(f"SET sql_mode = '{mode}'")
        twin.same("EXECUTE s USING 9")
        twin.check_tables()


def test_database_of_the_first_time(shop_twin):
    behind, twin = shop_twin(20, 20)
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
    twin.same("USE mysql")
    for _ in phases(behind):
        twin.same("EXECUTE s USING " + using(twin, 3))
        twin.same("SELECT DATABASE()")


def test_another_database_s_table_of_the_same_name(shop_twin, database):
    """The text names no migrated table where it was prepared, and would where the session is by now."""
    behind, twin = shop_twin(20, 20)
    other = database("other")
    behind.server.query(f"CREATE TABLE `{other}`.users (id INT PRIMARY KEY, fullname VARCHAR(50))")
    behind.server.query(f"INSERT INTO `{other}`.users VALUES (3, 'of another')")
    twin.same(f"USE {other}")
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
    twin.direct.select_db(twin.names["direct"])
    twin.proxied.select_db(twin.names["proxied"])
    for _ in phases(behind):
        assert twin.same("EXECUTE s USING " + using(twin, 3)).results[0]["rows"] == [("of another",)]


def test_character_sets(shop_twin):
    behind, twin = shop_twin(20, 20)
    for number, _ in enumerate(phases(behind)):
        for names in ["latin1", "utf8mb4"]:
            for connection in (twin.direct, twin.proxied):
                connection.set_charset(names)
            twin.same(f"PREPARE s FROM 'UPDATE users SET fullname = ''Zoë é {names} {number}'' WHERE id = 2'")
            twin.same("EXECUTE s")
            twin.same("SELECT HEX(fullname) FROM users WHERE id = 2")
    twin.check_tables(drift=False)


def test_multi_byte_literals(shop_twin):
    """The second byte of a character is a quote's or a backslash's: SJIS 表 is 95 5c. MySQL itself reads such literals of a
    prepared text otherwise than those of one that is sent: as broken characters."""
    behind, twin = in_cutover(shop_twin)
    mariadb = twin.server.family == "mariadb"

    def run(connection, text):
        try:
            connection.query(text)
        except pymysql.MySQLError as error:
            return error.args
        return None

    for charset, character in [("sjis", b"\x95\x5c"), ("gbk", b"\x81\x5c"), ("big5", b"\xa5\x5c")]:
        how = [b"EXECUTE IMMEDIATE "] if mariadb else [b"PREPARE s FROM ", b"EXECUTE s"]
        for text in [b"SET NAMES " + charset.encode(),
                     b"PREPARE s FROM 'UPDATE users SET fullname = ''" + character + b" B'' WHERE id = 4'", b"EXECUTE s",
                     how[0] + b"'UPDATE users SET fullname = ''" + character + b"'' WHERE id = 5'", *how[1:]]:
            direct, proxied = run(twin.direct, text), run(twin.proxied, text)
            assert direct == proxied and (direct is None or not mariadb), text
        twin.same("SELECT id, HEX(CONVERT(fullname USING utf8mb4)) FROM users WHERE id IN (4, 5)")
    twin.check_tables()


def test_renewed_under_another_character_set(shop_twin):
    behind, twin = shop_twin(20, 20)
    behind.each("expand", "--apply")  # DDL: the server itself would prepare it anew, under what is set then
    twin.same("PREPARE s FROM 'UPDATE users SET fullname = CONCAT(''Zoë 中'', ?) WHERE id = 2'")
    for connection in (twin.direct, twin.proxied):
        connection.set_charset("latin1")
    for number, step in enumerate(STEPS[1:]):
        behind.each(*step)
        twin.same("EXECUTE s USING " + using(twin, number))
        twin.same("SELECT HEX(fullname), @@character_set_client, @@collation_connection FROM users WHERE id = 2")
    twin.check_tables(drift=False)


def test_from_variables(shop_twin):
    behind, twin = shop_twin(20, 20)
    for number, _ in enumerate(phases(behind)):
        twin.same("SET @sql = 'UPDATE users SET fullname = ? WHERE id IN (SELECT user_id FROM orders WHERE id = ?)'")
        twin.same("PREPARE s FROM @sql")
        twin.same(f"SET @sql = 'not this one', @a = 'Ümit Ö {number}', @b = 4")
        twin.same("EXECUTE s USING @a, @b")
        twin.same_error("PREPARE s FROM @sql", SYNTAX)
        twin.same("SET @sql = NULL")
        twin.same_error("PREPARE s FROM @sql", SYNTAX)
        twin.same_error("EXECUTE s", UNKNOWN_HANDLER)
        twin.same_error("PREPARE s FROM @never_set", SYNTAX)
        twin.same("SET @sql = x'53454c4543542066756c6c6e616d652046524f4d207573657273204c494d49542032'")
        twin.same("PREPARE s FROM @sql")
        twin.same("EXECUTE s")
        twin.same("SET @sql = _latin1'SELECT fullname, ''\\xe9'' FROM users LIMIT 2'")
        twin.same("PREPARE s FROM @sql")
        twin.same("EXECUTE s")
    twin.check_tables(drift=False)


@pytest.mark.parametrize("names", ["utf8mb3 COLLATE utf8mb3_unicode_ci", "utf8mb3 COLLATE utf8mb3_bin",
                                   "utf8mb4 COLLATE utf8mb4_unicode_520_ci", "latin1 COLLATE latin1_german2_ci",
                                   "utf8mb4, character_set_connection = ucs2", "binary"])
def test_from_variables_under_any_collation(shop_twin, names):
    """What the proxy asks for the value by must not mix collations."""
    behind, twin = in_cutover(shop_twin)
    twin.same("SET NAMES " + names)
    for value in ["'SELECT HEX(fullname) FROM users WHERE id = 3'", "CONCAT('DELETE FROM users WHERE fullname = ', QUOTE('x'))",
                  "x'53454c454354204845582866756c6c6e616d65292046524f4d20757365727320'"]:
        twin.same(f"SET @sql = {value}")
        twin.same("PREPARE s FROM @sql")
        twin.same("EXECUTE s")


@pytest.mark.only("mariadb", reason="MySQL prepares from a literal or a variable alone")
def test_from_expressions(shop_twin):
    behind, twin = shop_twin(20, 20)
    for _ in phases(behind):
        twin.same("SET @t = 'users', @w = 'Zoë', @sql = 'not this one'")
        twin.same("PREPARE s FROM CONCAT('SELECT fullname, ''', @w, ''' FROM ', @t, ' WHERE id = ?')")
        twin.same("EXECUTE s USING 4")
        twin.same("EXECUTE IMMEDIATE CONCAT('DELETE FROM ', @t, ' WHERE fullname = ?') USING 'nobody'")
        twin.same("EXECUTE IMMEDIATE SFORMAT('SELECT {} FROM {} WHERE id = {}', 'fullname', @t, CONV('11', 2, 10))")
        twin.same_error("EXECUTE IMMEDIATE @sql", SYNTAX)
        twin.same_error("EXECUTE IMMEDIATE @never_set", SYNTAX)
        twin.same_error("PREPARE s FROM (SELECT 'SELECT fullname FROM users')", NO_SUBQUERIES)
        twin.same_error("PREPARE s FROM nope", UNKNOWN_COLUMN)
        twin.same("PREPARE s FROM x'53454c4543542066756c6c6e616d652046524f4d207573657273204c494d49542032'")
        twin.same("EXECUTE s")
        twin.same("PREPARE s FROM _latin1'SELECT fullname, ''\\xe9'' FROM users LIMIT 2'")
        twin.same("EXECUTE s")
    twin.check_tables(drift=False)


def test_from_a_variable_with_no_rows_allowed(shop_twin):
    behind, twin = in_cutover(shop_twin)
    twin.same("SET @sql = 'SELECT fullname FROM users WHERE id = 1 LIMIT 1', sql_select_limit = 0")
    twin.same("PREPARE s FROM @sql")
    twin.same("EXECUTE s")


def test_what_cannot_be_seen_is_refused(shop_twin):
    behind, twin = shop_twin(20, 20, connection=MULTI)
    twin.same("SET @sql = 'SELECT 1'; PREPARE early FROM @sql")
    behind.walk("dual-write")
    for text in ["SET @sql = 'SELECT 2'; PREPARE s FROM @sql", "EXECUTE early"]:
        assert "SQL" in twin.refused(text)
    twin.same("PREPARE early FROM 'SELECT 1'")
    twin.same("EXECUTE early")


@pytest.mark.only("mariadb", reason="MySQL prepares from a literal or a variable alone")
def test_expressions_that_cannot_be_seen_are_refused(shop_twin):
    behind, twin = shop_twin(20, 20)
    twin.same("SET @sql = 'SELECT 1'")
    twin.same("PREPARE early FROM CONCAT(@sql, RAND() < 2)")
    behind.walk("dual-write")
    for text in ["PREPARE s FROM CONCAT(@sql, RAND() < 2)", "EXECUTE IMMEDIATE CONCAT('SELECT ', UUID_SHORT())", "EXECUTE early"]:
        assert "SQL" in twin.refused(text)
    twin.same("PREPARE early FROM 'SELECT 1'")
    twin.same("EXECUTE early")


def test_what_was_asked_for_is_forgotten_with_a_refusal(shop_twin):
    behind, twin = in_cutover(shop_twin)
    twin.proxied.cursor().execute("SET @sql = 'HANDLER users OPEN'")
    assert "HANDLER" in twin.refused("PREPARE s FROM @sql")
    twin.same("SET @sql = 'SELECT fullname FROM users WHERE id = 3'")
    twin.same("PREPARE s FROM @sql")
    twin.same("EXECUTE s")


def test_errors(shop_twin):
    behind, twin = shop_twin(20, 20)
    mariadb = twin.server.family == "mariadb"
    twin.same("PREPARE kept FROM 'UPDATE users SET fullname = ? WHERE id IN (SELECT 1 FROM orders WHERE id = ?)'")
    for phase in phases(behind):
        twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
        twin.same_error("EXECUTE s", WRONG_ARGUMENTS)
        twin.same_error("EXECUTE s USING " + using(twin, 1, 2), WRONG_ARGUMENTS)
        for count in range(12):
            if count != 2:
                values = "USING " + using(twin, *"1" * count) if count else ""
                twin.same_error(f"EXECUTE kept {values}", WRONG_ARGUMENTS)
        twin.same_error("EXECUTE s USING (SELECT 1)", NO_SUBQUERIES if mariadb else SYNTAX)
        twin.same_error("PREPARE s FROM 'SELECT fullname FROM nowhere'", NO_SUCH_TABLE)
        twin.same_error("EXECUTE s USING " + using(twin, 1), UNKNOWN_HANDLER)
        twin.same_error("DEALLOCATE PREPARE s", UNKNOWN_HANDLER)
        twin.same_error("PREPARE s FROM 'SELECT fullname FROM'", SYNTAX)
        twin.same_error("PREPARE s FROM 'PREPARE t FROM ''SELECT fullname FROM users'''", NOT_IN_PREPARED)
        twin.same_error("EXECUTE IMMEDIATE 'EXECUTE s'" if mariadb else "PREPARE s FROM 'EXECUTE s'", NOT_IN_PREPARED)
        twin.same("PREPARE s FROM 'INSERT INTO users (id, email, fullname) VALUES (1, ?, ?)'")
        twin.same_error("EXECUTE s USING " + using(twin, "'x'", "'y'"), DUPLICATE)
        twin.same("DROP PREPARE s")
        twin.same_error("EXECUTE s USING " + using(twin, 1), UNKNOWN_HANDLER)


def test_warnings_and_counts(shop_twin):
    behind, twin = shop_twin(20, 20)
    twin.same("SET sql_mode = ''")
    twin.same("PREPARE s FROM 'UPDATE users SET visits = ?, fullname = ? WHERE id < 5'")
    twin.same("PREPARE r FROM 'SELECT SQL_CALC_FOUND_ROWS fullname FROM users ORDER BY id LIMIT 1'")
    for number, _ in enumerate(phases(behind)):
        twin.same("EXECUTE s USING " + using(twin, f"'{number}x'", f"'Ada Lovelace {number}'"))
        twin.same("SELECT ROW_COUNT()")
        twin.same("EXECUTE r")
        twin.same("SELECT FOUND_ROWS()")


def test_a_table_that_goes_and_comes_back(shop_twin):
    """A statement that cannot be prepared anew fails as it would on the server, and is still there afterwards."""
    behind, twin = shop_twin(20, 20)
    for side in (twin.names["direct"], twin.names["proxied"]):
        behind.server.query(f"CREATE TABLE `{side}`.more (id INT, name TEXT)")
    twin.same("PREPARE s FROM 'SELECT fullname FROM users JOIN more USING (id)'")
    twin.same("PREPARE t FROM 'SELECT fullname FROM users JOIN more USING (id)'")
    twin.same("EXECUTE s")
    behind.walk("cutover")
    for side in (twin.names["direct"], twin.names["proxied"]):
        behind.server.query(f"RENAME TABLE `{side}`.more TO `{side}`.away")
    twin.same_error("EXECUTE s", NO_SUCH_TABLE)
    twin.same_error("EXECUTE s", NO_SUCH_TABLE)
    twin.same_error("EXECUTE t", NO_SUCH_TABLE)
    twin.same("DEALLOCATE PREPARE t")
    twin.same_error("DEALLOCATE PREPARE t", UNKNOWN_HANDLER)
    for side in (twin.names["direct"], twin.names["proxied"]):
        behind.server.query(f"RENAME TABLE `{side}`.away TO `{side}`.more")
    twin.same("EXECUTE s")


def test_several_statements_in_one_text(shop_twin):
    behind, twin = shop_twin(20, 20, connection=MULTI)
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
    for number, _ in enumerate(phases(behind)):
        one, *two = using(twin, 1, f"'Grace Hopper {number}'", 3).split(", ")
        twin.same(f"EXECUTE s USING {one}; PREPARE s FROM 'UPDATE users SET fullname = ? WHERE id IN (SELECT user_id "
                  f"FROM orders WHERE id = ?)'; EXECUTE s USING {', '.join(two)}; DEALLOCATE PREPARE s; "
                  "PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
        twin.same("EXECUTE s USING " + using(twin, 3))
        # an error in the middle: what was before it happened, what is behind it did not
        twin.same_error("SELECT 1; PREPARE t FROM 'SELECT fullname FROM users WHERE id = 5'; "
                        "INSERT INTO users (id, email, fullname) VALUES (1, 'x', 'y'); DEALLOCATE PREPARE t; "
                        "DEALLOCATE PREPARE s", DUPLICATE)
        twin.same("EXECUTE t")
        twin.same("EXECUTE s USING " + using(twin, 5))
        twin.same_error("SELECT 1; DEALLOCATE PREPARE t; PREPARE s FROM 'bad'; DEALLOCATE PREPARE s", SYNTAX)
        twin.same_error("EXECUTE t", UNKNOWN_HANDLER)
        twin.same_error("EXECUTE s USING " + using(twin, 1), UNKNOWN_HANDLER)
        twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = ?'")
    twin.check_tables(drift=False)


def test_a_transaction_keeps_its_snapshot(shop_twin):
    behind, twin = shop_twin(20, 20)
    behind.walk("cutover")
    twin.same("PREPARE s FROM 'UPDATE users SET fullname = ? WHERE id IN (SELECT user_id FROM orders WHERE id = 1)'")
    twin.same("BEGIN")
    twin.same("EXECUTE s USING " + using(twin, "'one two'"))
    behind.ctl("rollback", behind.migrations[0].name, "--timeout", "1")
    twin.same("EXECUTE s USING " + using(twin, "'three four'"))
    twin.same("COMMIT")
    twin.same("EXECUTE s USING " + using(twin, "'five six'"))
    twin.check_tables()


def test_what_a_statement_within_changes(shop_twin):
    """Temporary tables, modes and databases that EXECUTE changes are known."""
    behind, twin = in_cutover(shop_twin)
    twin.same("PREPARE hide FROM 'CREATE TEMPORARY TABLE users (id INT, fullname TEXT) SELECT 3 id, ''me'' fullname'")
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = 3'")
    twin.same("EXECUTE s")
    twin.same("EXECUTE hide")
    twin.same("SELECT fullname FROM users WHERE id = 3")
    twin.same("EXECUTE s")
    immediate(twin, "'DROP TEMPORARY TABLE users'")
    twin.same("SELECT fullname FROM users WHERE id = 3")
    twin.same("EXECUTE s")
    immediate(twin, "'SET sql_mode = ''ANSI_QUOTES'''")
    twin.same('SELECT "fullname" FROM users WHERE id = 3')
    immediate(twin, "'SET sql_mode = '''''")
    if twin.server.family == "mariadb":
        twin.same("PREPARE away FROM 'USE mysql'")
        twin.same("EXECUTE away")
    else:
        twin.same_error("PREPARE away FROM 'USE mysql'", NOT_IN_PREPARED)
    twin.same("SELECT DATABASE()")


def test_reset_connection_forgets(shop_twin):
    behind, twin = in_cutover(shop_twin)
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = 3'")
    for connection in (twin.direct, twin.proxied):
        connection._execute_command(0x1F, b"")
        connection._read_ok_packet()
    twin.same_error("EXECUTE s", UNKNOWN_HANDLER)
    twin.direct.select_db(twin.names["direct"])
    twin.proxied.select_db(twin.names["proxied"])
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = 3'")
    twin.same("EXECUTE s")


def test_change_user_forgets(shop_behind):
    behind = shop_behind(20, 20)
    behind.walk("cutover")
    with Client(port=behind.proxy.port, database=behind.database) as client:
        client.query("PREPARE s FROM 'SELECT fullname FROM users WHERE id = 3'")
        assert len(client.query("EXECUTE s")) == 1
        client.check("change_user", "app", "app secret", behind.database)
        with pytest.raises(ClientError) as error:
            client.query("EXECUTE s")
        assert error.value.number == UNKNOWN_HANDLER


def test_not_in_the_binary_protocol(shop_behind):
    """The server prepares none of these: its own error, from the proxy too."""
    behind = shop_behind(20, 20)
    behind.walk("cutover")
    with Client(port=behind.proxy.port, database=behind.database) as client:
        texts = ["PREPARE s FROM 'SELECT fullname FROM users'", "EXECUTE s", "DEALLOCATE PREPARE s"]
        for text in texts + (["EXECUTE IMMEDIATE @sql"] if behind.server.family == "mariadb" else []):
            with pytest.raises(ClientError) as error:
                client.prepare("p", text)
            assert error.value.number == NOT_IN_PREPARED, text


def test_as_many_as_the_server_takes(shop_twin):
    behind, twin = shop_twin(20, 20)
    for number in range(300):
        twin.same(f"PREPARE s{number} FROM 'SELECT fullname, {number} FROM users WHERE id = {number % 20 + 1}'")
    behind.walk("cutover")
    for number in range(0, 300, 7):
        twin.same(f"EXECUTE s{number}")
    for number in range(300):
        twin.same(f"DEALLOCATE PREPARE s{number}")
    twin.same_error("EXECUTE s1", UNKNOWN_HANDLER)


def test_a_refused_text_is_refused_when_it_is_prepared(shop_twin):
    behind, twin = in_cutover(shop_twin)
    plain = twin.refused("HANDLER users OPEN")
    assert twin.refused("PREPARE s FROM 'HANDLER users OPEN'") == plain
    assert twin.refused("EXECUTE IMMEDIATE 'HANDLER users OPEN'") == plain
    assert "computed twice" in twin.refused(
        "EXECUTE IMMEDIATE 'UPDATE users SET fullname = ? WHERE id IN (SELECT user_id FROM orders)' USING RAND()")
    with pytest.raises(pymysql.MySQLError, match="1243"):
        twin.proxied.cursor().execute("EXECUTE s")
