"""By which modes and in which database the server reads a text: what tells the proxy of that, when it asks, and when it
must not go by what it believes."""

import pytest
from harness import shop
from harness.wire import Wire
from pymysql.constants import CLIENT

DEPRECATE_EOF = 1 << 24  # the last packet of a result has status flags, behind its rows
QUOTED = """UPDATE "users" SET "fullname" = 'In Quotes' WHERE "id" = 4"""


@pytest.fixture
def visitor(dual, server):
    """Has logged in without a database, as one for whom init_connect runs."""
    name = f"visitor_{dual.database}"
    server.query(f"CREATE USER {name} IDENTIFIED BY 'secret'")
    server.query(f"GRANT ALL ON {dual.database}.* TO {name}")
    server.query(f"SET GLOBAL init_connect = 'USE {dual.database}; SET sql_mode = ''ANSI_QUOTES'''")
    try:
        with Wire(dual.proxy.port) as wire:
            assert wire.login(user=name, password="secret")[0] == 0
            yield wire
    finally:
        server.query("SET GLOBAL init_connect = ''")
        server.query(f"DROP USER {name}")


def is_written(behind, value="In Quotes"):
    assert behind.server.query(f"SELECT fullname, first_name, last_name FROM {behind.database}.users WHERE id = 4") == [
        (value, *value.split())]


def questions(cursor, *statements):
    """How many commands the session's server has counted from the first of the statements on, beside them."""
    def count():
        cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])
    before = count()
    for text in statements:
        cursor.execute(text)
    return count() - before - len(statements) - 1


def test_the_modes_are_asked_for_once_and_behind_what_may_change_them(dual):
    update = "UPDATE users SET fullname = 'Asked Once' WHERE id = 3"
    with dual.connect().cursor() as cursor:
        assert questions(cursor, update, update) == 1
        assert questions(cursor, "SET autocommit = 0", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                         "SET @x = 1, @@session.lock_wait_timeout = 50", update, "COMMIT", "SET autocommit = 1", update) == 0
        assert questions(cursor, "SET NAMES utf8mb4", update, update) == 1
        assert questions(cursor, "SET @x = 1, SESSION sql_mode = 'STRICT_ALL_TABLES'", update, update) == 1


def test_the_modes_are_not_asked_for_where_every_reading_lets_pass(dual):
    """A routine's body has semicolons, and strings that may be names; but it is the same in every reading."""
    with dual.connect().cursor() as cursor:
        assert questions(cursor, """CREATE PROCEDURE two() BEGIN SELECT "a"; SELECT "b"; END""", "SELECT '[', 1 AS 'a;b'") == 0


@pytest.mark.parametrize("before", [None, "DO 1"], ids=["first", "second"])
def test_a_command_is_read_as_init_connect_has_it(dual, visitor, before):
    """It runs behind the login's OK, so not even the status flags that come with that tell of it."""
    assert not before or visitor.query(before)[0] == 0
    assert visitor.query(QUOTED)[0] == 0
    is_written(dual)


@pytest.mark.parametrize("before", [None, "DO 1"], ids=["first", "second"])
def test_sql_in_a_literal_is_read_as_init_connect_has_it(dual, visitor, before):
    assert not before or visitor.query(before)[0] == 0
    assert visitor.query("""PREPARE s FROM 'UPDATE "users" SET fullname = ''In Quotes'' WHERE id = 4'""")[0] == 0
    assert visitor.query("EXECUTE s")[0] == 0
    is_written(dual)


def test_the_first_prepared_text_is_read_as_init_connect_has_it(dual, visitor):
    visitor.send(b"\x16" + QUOTED.encode())
    prepared = visitor.receive()
    assert prepared[0] == 0
    visitor.send(b"\x17" + prepared[1:5] + b"\0\1\0\0\0")
    assert visitor.receive()[0] == 0
    is_written(dual)


@pytest.mark.parametrize("first", [b"\x03SELECT nonsense", b"\x16DO 1", b"\x09"], ids=["error", "prepare", "statistics"])
def test_a_first_answer_without_flags_tells_nothing(dual, visitor, first):
    visitor.send(first)
    visitor.receive()
    assert visitor.query(QUOTED)[0] == 0
    is_written(dual)


@pytest.mark.parametrize("drop", ["CALL tidy()", "SELECT tidier()"])
def test_quotes_and_a_temporary_table_both_in_doubt(dual, drop):
    dual.server.script("DELIMITER $$\nCREATE PROCEDURE tidy() DROP TEMPORARY TABLE IF EXISTS users$$\n"
                       "CREATE FUNCTION tidier() RETURNS INT DETERMINISTIC BEGIN DROP TEMPORARY TABLE IF EXISTS users;"
                       " RETURN 1; END$$\n", dual.database)
    with dual.connect().cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(100))")
        cursor.execute(drop)
        cursor.execute("SET sql_mode = 'ANSI_QUOTES'")
        cursor.execute(QUOTED)
    is_written(dual)


@pytest.mark.only("mysql", reason="its variables' names by a collation")
@pytest.mark.parametrize("assignment", ["sql_mòde = 'ANSI_QUOTES'", "@@session.sql_mòde = 'ANSI_QUOTES'",
                                        "SESSION `sql_mòde` = 'ANSI_QUOTES'",
                                        "@x = 1 MEMBER OF ('[1]'), sql_mòde = 'ANSI_QUOTES'"])
def test_variables_with_other_letters(dual, assignment):
    with dual.connect().cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'First One' WHERE id = 4")
        cursor.execute(f"SET {assignment}")
        cursor.execute(QUOTED)
    is_written(dual)


def test_a_set_too_deep_to_be_read(dual):
    with dual.connect().cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'First One' WHERE id = 4")
        cursor.execute(f"SET @x = {'(' * 1000}1{')' * 1000}, sql_mode = 'ANSI_QUOTES'")
        cursor.execute(QUOTED)
    is_written(dual)


@pytest.mark.parametrize("runs", ["SET @x = modes()", "SET @mode = modes()", "SET sql_mode = '', @x = modes()",
                                  pytest.param("SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SET @x = 1",
                                               marks=pytest.mark.only("mariadb", reason="SET STATEMENT"))])
def test_flags_that_a_routine_leaves_behind_are_not_believed(dual, runs):
    dual.server.script("DELIMITER $$\nCREATE FUNCTION modes() RETURNS INT NO SQL BEGIN"
                       " SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; RETURN 1; END$$\n", dual.database)
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'First One' WHERE id = 4")
        cursor.execute(runs)
        cursor.execute(r"""DO "\""; UPDATE users SET fullname = 'Behind Flags' WHERE id = 4 -- " """)
        cursor.nextset()
        is_written(dual, "Behind Flags")
        cursor.execute(r"""DO '\''; UPDATE users SET fullname = 'More Flags' WHERE id = 4 -- ' """)
        cursor.nextset()
    is_written(dual, "More Flags")


@pytest.mark.parametrize("moves", [False, True], ids=["question", "ping"])
def test_flags_that_come_behind_an_error_are_not_believed(dual, moves):
    """An error has none: what a trigger left wrong comes with the answer to the proxy's own next command."""
    dual.server.script("CREATE TABLE logs (a INT PRIMARY KEY); INSERT INTO logs VALUES (1);"
                       "CREATE TRIGGER logs_modes BEFORE INSERT ON logs FOR EACH ROW SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
                       dual.database)
    first = "UPDATE users SET fullname = 'First One' WHERE id = 4"
    with Wire(dual.proxy.port) as wire:
        assert wire.login(database=dual.database, more=DEPRECATE_EOF)[0] == 0
        assert wire.query(first if moves else "DO 1")[0] == 0
        assert wire.query("INSERT INTO logs VALUES (1)")[0] == 0xff
        if moves:
            dual.proxy.ctl("rollback", "orders_cents")
        assert wire.query(first)[0] == 0
        assert wire.query(r"UPDATE users SET fullname = 'It\'s So' WHERE id = 4")[0] == 0
    is_written(dual, "It's So")


def test_a_character_set_that_was_chosen_untracked_without_rules(server, database, proxy):
    name = database()
    shop.create(server, name, 20, 20)
    one = proxy()
    with Wire(one.port) as wire:
        assert wire.login(database=name, more=CLIENT.MULTI_STATEMENTS)[0] == 0
        for text in ("SET NAMES utf8mb4", "SET session_track_system_variables = ''", "SET NAMES gbk"):
            assert wire.query(text)[0] == 0
        one.declare(shop.migrations(name)[:1])
        one.walk("users_name", "dual-write")
        wire.send(b"\x03DO '\xbf\x5c'; UPDATE users SET fullname = 'In Quotes' WHERE id = 4 -- ' ")
        assert [wire.receive()[0], wire.receive()[0]] == [0, 0]
    assert server.query(f"SELECT first_name, last_name FROM {name}.users WHERE id = 4") == [("In", "Quotes")]


def test_what_executes_while_there_are_no_rules(server, database, proxy):
    name = database()
    shop.create(server, name, 20, 20)
    names = shop.migrations(name)[:1]
    one = proxy(names)
    one.walk("users_name", "dual-write")
    with one.connect(database=name).cursor() as cursor:
        cursor.execute("PREPARE s FROM 'SET sql_mode = ''ANSI_QUOTES'''")
        cursor.execute("UPDATE users SET fullname = 'First One' WHERE id = 4")
        one.ctl("rollback", "users_name")
        one.declare([])
        cursor.execute("DO 1")
        cursor.execute("EXECUTE s")
        one.declare(names)
        one.walk("users_name", "dual-write")
        cursor.execute(QUOTED)
    assert server.query(f"SELECT first_name, last_name FROM {name}.users WHERE id = 4") == [("In", "Quotes")]
