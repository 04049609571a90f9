"""What a session keeps in mind of the backend's, and how it asks: modes, databases, temporary tables, its own
commands between the client's."""

import socket

import pymysql
import pytest
from harness import Client, ClientError, shop, wait_until
from harness.meddler import Meddler, error_packet
from harness.wire import MAX_PAYLOAD, Wire
from pymysql.constants import CLIENT

NEED_REPREPARE, INTERRUPTED, MUST_CHANGE_PASSWORD, UNKNOWN_DATABASE, UNKNOWN_COLUMN = 1615, 1317, 1820, 1049, 1054
MODES_QUESTION = b"\x03SELECT CAST(@@sql_mode AS BINARY)"  # the proxy's own


def new_names(behind, row):
    return behind.server.query(f"SELECT first_name, last_name FROM {behind.database}.users WHERE id = {row}")[0]


def test_the_default_database_is_followed(dual, server, database):
    """Unqualified names mean the database of USE, of COM_INIT_DB, of the login, of COM_CHANGE_USER."""
    other = database("other")
    server.query(f"CREATE TABLE {other}.users (id INT, fullname VARCHAR(100))", )
    server.query(f"INSERT INTO {other}.users VALUES (1, 'x y')")
    with Client(port=dual.proxy.port) as client:
        for number, enter in enumerate([("query", f"USE {dual.database}"), ("db", dual.database),
                                        ("query", f"USE `{dual.database}`; DO 1"),
                                        ("change_user", "app", "app secret", dual.database)]):
            client.check("db", other)
            client.check("query", f"UPDATE users SET fullname = 'In Other{number}' WHERE id = 1")
            client.check(*enter)
            client.check("query", f"UPDATE users SET fullname = 'In Shop{number}' WHERE id = 1")
            assert new_names(dual, 1) == ("In", f"Shop{number}")
        client("query", "USE no_such_database")
        client.check("query", "UPDATE users SET fullname = 'Still Here' WHERE id = 1")
        assert new_names(dual, 1) == ("Still", "Here")


@pytest.mark.only("mariadb", reason="MySQL closes the connection")
@pytest.mark.parametrize("write", ["""UPDATE users SET fullname = "Plain String" WHERE id = 1""",
                                   """UPDATE "users" SET fullname = 'Plain String' WHERE id = 1"""])
def test_a_change_of_user_that_fails_has_reset_the_session(dual, server, write):
    """MariaDB resets it before it asks who the user is, and goes on with the one it had."""
    modes = ["ANSI_QUOTES", ""] if '"Plain' in write else ["", "ANSI_QUOTES"]
    before = server.value("SELECT @@GLOBAL.sql_mode")
    server.query(f"SET GLOBAL sql_mode = '{modes[1]}'")
    try:
        with Client(port=dual.proxy.port, database=dual.database) as client:
            client.check("query", f"SET sql_mode = '{modes[0]}'")
            client.check("query", "PREPARE named FROM 'SELECT fullname FROM users WHERE id = 1'")
            client.check("query", "EXECUTE named")
            assert client("change_user", "app", "wrong", dual.database)[0][1] == "1045"
            client.check("query", write)
            assert new_names(dual, 1) == ("Plain", "String")
            for step in ("backfill", "verify", "cutover"):
                dual.each(step)
            assert client("query", "EXECUTE named")[0][1] == "1243"
    finally:
        server.query("SET GLOBAL sql_mode = %s", before)


def test_text_is_read_by_the_sessions_modes(dual):
    connection = dual.connect()
    with connection.cursor() as cursor:
        for modes, sql in [
                ("ANSI_QUOTES", """UPDATE "users" SET "fullname" = 'Quoted Name' WHERE id = 2"""),
                ("", """UPDATE users SET fullname = "Quoted Name" WHERE id = 2"""),
                ("NO_BACKSLASH_ESCAPES", r"""UPDATE users SET fullname = 'Quoted Name' WHERE id = 2 AND 'a\' <> ''"""),
                ("", r"""UPDATE users SET fullname = 'Quoted Name' WHERE id = 2 AND 'a\'' <> ''"""),
                ("PIPES_AS_CONCAT", "UPDATE users SET fullname = 'Quoted' || ' ' || 'Name' WHERE id = 2"),
        ]:
            cursor.execute("UPDATE users SET fullname = 'Not Yet' WHERE id = 2")
            cursor.execute(f"SET SESSION sql_mode = '{modes}'")
            cursor.execute(sql)
            assert new_names(dual, 2) == ("Quoted", "Name"), modes

def test_a_statement_keeps_the_modes_and_the_database_that_it_was_prepared_under(shop_behind, server, database):
    behind = shop_behind(20, 20)
    other = database("other")
    with Client(port=behind.proxy.port, database=behind.database) as client:
        client.check("query", "SET NAMES latin1, sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES'")
        client.check("prepare", "w", """UPDATE "users" SET fullname = ? || 'e' WHERE "id" = ?""")
        client.check("query", "SET NAMES utf8mb4, sql_mode = 'STRICT_TRANS_TABLES'")
        client.check("db", other)
        before = client.query("SELECT @@sql_mode, @@character_set_client, DATABASE()")
        for step in (["expand", "--apply"], ["dual-write"], ["backfill"], ["verify"], ["cutover"], ["rollback"]):
            behind.each(*step)
            client.check("execute", "w", f"str:{step[0]} ", "int:3")
            assert client.query("SELECT @@sql_mode, @@character_set_client, DATABASE()") == before
            stored = server.query(f"SELECT fullname FROM {behind.database}.users WHERE id = 3")[0][0]
            assert stored == f"{step[0]} e"
    behind.assert_no_drift()


def test_what_a_routine_sets_is_not_what_the_session_has(dual):
    """A routine's sql_mode ends with it, but the status flags go on telling of it."""
    name = dual.database
    for routine in ("PROCEDURE plain() SET sql_mode = ''",
                    "PROCEDURE quoting() SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"):
        dual.server.query(f"CREATE {routine.replace(' ', f' {name}.', 1)}")
    for function, mode in (("plain_value", ""), ("quoting_value", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES")):
        dual.server.script(f"DELIMITER $$\nCREATE FUNCTION {function}() RETURNS INT NO SQL BEGIN SET sql_mode = '{mode}';"
                           " RETURN 1; END$$\n", name)
    with dual.connect().cursor() as cursor:
        for runs in ("CALL plain()", "SELECT plain_value()", "DO plain_value()"):
            cursor.execute("SET sql_mode = 'ANSI_QUOTES'")
            cursor.execute("UPDATE users SET fullname = 'Not Yet' WHERE id = 2")
            cursor.execute(runs)
            cursor.execute("""UPDATE "users" SET "fullname" = 'Quoted Name' WHERE id = 2""")
            assert new_names(dual, 2) == ("Quoted", "Name"), runs
        for runs in ("CALL quoting()", "SELECT quoting_value()", "DO quoting_value()"):
            cursor.execute("SET sql_mode = ''")
            cursor.execute("UPDATE users SET fullname = 'Not Yet' WHERE id = 2")
            cursor.execute(runs)
            cursor.execute(r"""UPDATE users SET fullname = "Quoted Name" WHERE id = 2 AND 'a\'' <> ''""")
            assert new_names(dual, 2) == ("Quoted", "Name"), runs
            cursor.execute("SET sql_mode = 'ANSI_QUOTES'")
            cursor.execute("""UPDATE "users" SET "fullname" = 'Quoted Again' WHERE id = 2""")
            assert new_names(dual, 2) == ("Quoted", "Again"), runs
            cursor.execute("SET sql_mode = ''")
            cursor.execute(runs)
            cursor.execute(r"UPDATE (SELECT 'a\'b' AS a) AS x JOIN users SET fullname = 'Behind It'"
                           r" WHERE id = 2 AND a <> '\''")
            assert new_names(dual, 2) == ("Behind", "It"), runs


def test_a_database_that_nobody_told_of(dual):
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        cursor.execute("SET session_track_schema = OFF")
        cursor.execute("USE information_schema")
        with pytest.raises(pymysql.MySQLError):
            cursor.execute(f"USE {dual.database}; SELECT no_such_column")
            cursor.nextset()
        cursor.execute("UPDATE users SET fullname = 'Not Tracked' WHERE id = 4")
    assert new_names(dual, 4) == ("Not", "Tracked")


def writes_behind_a_late_migration(server, one, name, client):
    """The statement `s` of the client, prepared before, writes the new columns too when the migration is there."""
    one.declare(shop.migrations(name))
    one.walk("users_name", "dual-write")
    client.check("execute", "s", "str:Late Comer", "int:5")
    assert server.query(f"SELECT first_name, last_name FROM {name}.users WHERE id = 5") == [("Late", "Comer")]


@pytest.mark.parametrize("modes", ["ANSI_QUOTES", "ANSI_QUOTES,PIPES_AS_CONCAT", ""])
def test_prepared_before_its_migration_was_declared(server, database, proxy, modes):
    """What nobody looked at then is read as it was meant: under that database, those modes."""
    name, other = database(), database("other")
    shop.create(server, name, 20, 20)
    one = proxy()
    with Client(port=one.port, database=other) as client:
        client.check("db", name)
        client.check("reset")
        client.check("query", f"SET sql_mode = '{modes}'")
        client.check("prepare", "s", """UPDATE "users" SET fullname = ? WHERE "id" = ?""" if modes else
                     "UPDATE users SET fullname = ? WHERE id = ?")
        client.check("db", other)
        writes_behind_a_late_migration(server, one, name, client)


@pytest.mark.only("mariadb", reason="SIMULTANEOUS_ASSIGNMENT")
def test_prepared_under_simultaneous_assignment_before_its_migration_was_declared(server, database, proxy):
    name = database()
    shop.create(server, name, 20, 20)
    one = proxy()
    with Client(port=one.port, database=name) as client:
        client.check("query", "SET sql_mode = 'SIMULTANEOUS_ASSIGNMENT'")
        client.check("prepare", "s", "UPDATE users SET fullname = ? WHERE id = ?")
        writes_behind_a_late_migration(server, one, name, client)


@pytest.mark.only("mariadb", reason="the sql_mode ORACLE, blocks outside of routines")
def test_blocks_under_a_mode_that_nothing_tells_of(dual):
    """The server is asked for it before such a text is let pass, though no name in it is a migrated table's."""
    for text in ("BEGIN EXECUTE IMMEDIATE 'UPDATE users SET fullname = ''In Block'' WHERE id = 3'; END",
                 "DECLARE x INT; BEGIN EXECUTE IMMEDIATE 'DELETE FROM users'; END"):
        with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
            cursor.execute("SET sql_mode = 'ORACLE'")
            with pytest.raises(pymysql.MySQLError, match="statements within a block are not rewritten"):
                cursor.execute(text)
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        cursor.execute("BEGIN; UPDATE users SET fullname = 'No Block' WHERE id = 3; COMMIT")
    assert new_names(dual, 3) == ("No", "Block")


@pytest.mark.only("mariadb", reason="USE in SQL in strings")
def test_a_database_that_a_procedure_chose_untracked(dual, server, database):
    other = database("other")
    server.query(f"CREATE TABLE {other}.users (id INT, fullname VARCHAR(50))")
    server.query(f"CREATE PROCEDURE {other}.home() EXECUTE IMMEDIATE 'USE {dual.database}'")
    with dual.connect().cursor() as cursor:
        cursor.execute("SET session_track_schema = OFF")
        cursor.execute(f"USE {other}")
        cursor.execute("CALL home()")
        cursor.execute("SELECT DATABASE()")
        assert cursor.fetchone() == (dual.database,)
        cursor.execute("UPDATE users SET fullname = 'By Procedure' WHERE id = 3")
    assert new_names(dual, 3) == ("By", "Procedure")


@pytest.mark.parametrize("tidy", ["CALL tidy()", "SELECT tidy()", "DO tidy()"])
def test_a_temporary_table_that_a_routine_may_have_dropped(dual, tidy):
    """The server is asked: what hides the migrated table still goes on hiding it."""
    name = dual.database
    dual.server.query(f"CREATE PROCEDURE {name}.tidy() DROP TEMPORARY TABLE IF EXISTS users")
    dual.server.query(f"CREATE PROCEDURE {name}.nothing() DO 1")
    dual.server.script("DELIMITER $$\nCREATE FUNCTION tidy() RETURNS INT DETERMINISTIC BEGIN"
                       " DROP TEMPORARY TABLE IF EXISTS users; RETURN 1; END$$\n", name)
    for results in ("utf8mb4", "utf16"):
        with Client(port=dual.proxy.port, database=name) as client:
            client.check("query", f"SET character_set_results = {results}")
            for again in range(2):
                client.check("query", "CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50))")
                client.check("query", "INSERT INTO users VALUES (1, 'Hidden One')")
                client.check("prepare", "s", "UPDATE users SET fullname = ? WHERE id = 1")
                client.check("query", "CALL nothing()")
                client.check("query", "UPDATE users SET fullname = 'Not There' WHERE id = 1")
                client.check("execute", "s", "str:Nor There")
                assert new_names(dual, 1) != ("Nor", "There")
                client.check("query", tidy)
                if again:
                    client.check("execute", "s", "str:By Id")
                    assert new_names(dual, 1) == ("By", "Id")
                client.check("query", "UPDATE users SET fullname = 'Back Again' WHERE id = 1")
                assert new_names(dual, 1) == ("Back", "Again")
                client.check("query", "UPDATE users SET fullname = 'Not Yet' WHERE id = 1")


@pytest.mark.parametrize("tidy", ["CALL tidy()", "SELECT tidy()", "SET @t = tidy()", "EXECUTE IMMEDIATE 'DO tidy()'",
                                  "INSERT INTO logged VALUES (1)"])
def test_a_text_whose_routine_may_drop_a_temporary_table(dual, tidy):
    """What a text becomes is settled before it runs: a table that may be hidden no more by then is not written."""
    name = dual.database
    dual.server.query(f"CREATE PROCEDURE {name}.tidy() DROP TEMPORARY TABLE IF EXISTS users")
    dual.server.query(f"CREATE TABLE {name}.logged (id INT)")
    dual.server.script("DELIMITER $$\nCREATE FUNCTION tidy() RETURNS INT DETERMINISTIC BEGIN"
                       " DROP TEMPORARY TABLE IF EXISTS users; RETURN 1; END$$\n"
                       "CREATE TRIGGER logs AFTER INSERT ON logged FOR EACH ROW DO tidy()$$\n", name)
    hide, write = "CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50))", "UPDATE users SET fullname = 'No One'"
    if dual.server.family != "mariadb" and "IMMEDIATE" in tidy:
        tidy = "PREPARE s FROM 'DO tidy()'; EXECUTE s"
    for before, text in [(hide, f"{tidy}; {write}"), ("DO 1", f"{hide}; {tidy}; {write}"),
                         (hide, f'PREPARE w FROM "{write}"; {tidy}; EXECUTE w'), (hide, f"{tidy}; DROP TABLE users")]:
        with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
            cursor.execute(before)
            with pytest.raises(pymysql.OperationalError, match="may have dropped the temporary table"):
                cursor.execute(text)
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        cursor.execute(f"{tidy}; {hide}; {write}; DROP TEMPORARY TABLE users; {tidy}; {write} WHERE id = 1")
        while cursor.nextset():
            pass
    assert new_names(dual, 1) == ("No", "One")
    assert dual.server.query(f"SELECT COUNT(*) FROM {name}.users WHERE fullname = 'No One'") == [(1,)]


def test_a_temporary_table_that_a_routine_makes(dual):
    """It is not seen: what is meant for it is an error, or fills its new columns; the migrated one is left alone."""
    name = dual.database
    dual.server.query(f"CREATE PROCEDURE {name}.hide() CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50))")
    dual.server.query(f"CREATE PROCEDURE {name}.twin() CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50),"
                      " first_name VARCHAR(50), last_name VARCHAR(50))")
    before = dual.server.query(f"SELECT * FROM {name}.users")
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        with pytest.raises(pymysql.OperationalError) as error:
            cursor.execute("CALL hide(); UPDATE users SET fullname = 'No One'")
            while cursor.nextset():
                pass
        assert error.value.args[0] == UNKNOWN_COLUMN
    with dual.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        cursor.execute("CALL twin(); INSERT INTO users (fullname) VALUES ('No One')")
        while cursor.nextset():
            pass
        cursor.execute("SELECT fullname, first_name, last_name FROM users")
        assert cursor.fetchall() == (("No One", "No", "One"),)
    assert dual.server.query(f"SELECT * FROM {name}.users") == before


def test_a_statement_whose_database_is_gone(shop_behind, server, database):
    """It cannot be prepared anew where it was: that is an error, and the session goes on, its transaction too."""
    behind = shop_behind(20, 20)
    other = database("other")
    with Client(port=behind.proxy.port, database=other) as client:
        client.check("query", "SET sql_mode = 'ANSI_QUOTES'")
        client.check("prepare", "w", f"""UPDATE {behind.database}."users" SET fullname = ? WHERE id = ?""")
        client.check("query", "SET sql_mode = 'STRICT_TRANS_TABLES'")
        client.check("db", behind.database)
        server.query(f"DROP DATABASE {other}")
        behind.walk("dual-write")
        client.check("query", "BEGIN")
        client.check("query", "UPDATE users SET fullname = 'Goes On' WHERE id = 3")
        for _ in range(2):
            with pytest.raises(ClientError) as error:
                client.check("execute", "w", "str:No More", "int:3")
            assert error.value.number == UNKNOWN_DATABASE
        assert client.query("SELECT @@sql_mode, DATABASE()") == [("STRICT_TRANS_TABLES", behind.database)]
        client.check("query", "COMMIT")
    assert new_names(behind, 3) == ("Goes", "On")


def test_a_temporary_table_hides_the_migrated_one(dual):
    for step in ("backfill", "verify", "cutover"):
        dual.each(step)
    connection = dual.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50))")
        cursor.execute("INSERT INTO users VALUES (1, 'Only Here')")
        cursor.execute("SELECT * FROM users")
        assert cursor.fetchall() == ((1, "Only Here"),)
        cursor.execute(f"SELECT fullname FROM `{dual.database}`.users WHERE id = 1")
        assert cursor.fetchall() == (("Only Here",),)
        cursor.execute("DROP TEMPORARY TABLE users")
        cursor.execute("UPDATE users SET fullname = 'Back Again' WHERE id = 1")
        cursor.execute("SELECT fullname FROM users WHERE id = 1")
        assert cursor.fetchall() == (("Back Again",),)
    assert new_names(dual, 1) == ("Back", "Again")
    if dual.server.family == "mariadb":  # OR REPLACE
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(50))")
            with pytest.raises(pymysql.OperationalError):
                cursor.execute("CREATE OR REPLACE TEMPORARY TABLE users (id INT, id INT)")
            cursor.execute("UPDATE users SET fullname = 'Not Replaced' WHERE id = 1")
        assert new_names(dual, 1) == ("Not", "Replaced")
    with Client(port=dual.proxy.port, database=dual.database) as client:
        client.check("query", "CREATE TEMPORARY TABLE users (id INT)")
        client.check("reset")
        client.check("query", "UPDATE users SET fullname = 'After Reset' WHERE id = 1")
    assert new_names(dual, 1) == ("After", "Reset")


def test_commands_sent_ahead_are_answered_in_order(dual):
    """Among them one before which the proxy asks the backend itself, and one that it refuses."""
    with Wire(dual.proxy.port) as wire:
        wire.login(database=dual.database)
        texts = [b"UPDATE users SET fullname = 'Sent Ahead' WHERE id = 4", b"DO 1", b"SELECT nothing",
                 b"UPDATE users SET fullname = 'Sent Later' WHERE id = 4"]
        wire.socket.sendall(b"".join(wire.frame(b"\x03" + text) for text in texts))
        kinds = []
        for _ in texts:
            wire.sequence = 1
            kinds.append(wire.receive()[0])
        assert kinds == [0, 0, 0xff, 0]
    assert new_names(dual, 4) == ("Sent", "Later")


@pytest.mark.parametrize("padding", [MAX_PAYLOAD - 60, MAX_PAYLOAD - 1, MAX_PAYLOAD + 10])
def test_a_rewrite_may_move_a_text_over_the_packets_edge(dual, padding):
    """The answer's sequence ids are the ones that the client counts, however many packets the backend got."""
    sql = b"UPDATE users SET fullname = 'Long Way' WHERE id = 5 /*"
    with Wire(dual.proxy.port) as wire:
        wire.login(database=dual.database)
        wire.send(b"\x03" + sql + b"x" * (padding - len(sql) - 3) + b"*/")
        assert wire.receive()[0] == 0
        wire.send(b"\x0e")
        assert wire.receive()[0] == 0
    assert new_names(dual, 5) == ("Long", "Way")


def test_the_held_answer_to_ddl_is_numbered_as_the_client_counts(dual):
    """The backend gets a packet more than the client has sent."""
    sql = b"UPDATE users SET fullname = 'Long Way' WHERE id = 5; ALTER TABLE users COMMENT = 'renamed' /*"
    with Wire(dual.proxy.port) as wire:
        wire.login(database=dual.database)
        wire.send(b"\x03" + sql + b"x" * (MAX_PAYLOAD - 10 - len(sql) - 3) + b"*/")
        assert [wire.receive()[0] for _ in range(2)] == [0, 0]


def test_an_error_in_a_transaction_holds_no_flip_up(shop_behind):
    """An ERR packet does not tell whether the transaction lives; the proxy finds out, and waits or does not."""
    behind = shop_behind(20, 20)
    behind.walk("verify")
    idle, busy = behind.connect(), behind.connect(autocommit=False)
    with idle.cursor() as cursor, pytest.raises(Exception):
        cursor.execute("SELECT nothing")
    assert behind.ctl("cutover", behind.migrations[0].name)["drained"]
    with busy.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'In Transaction' WHERE id = 1")
        with pytest.raises(Exception):
            cursor.execute("SELECT nothing")
    held = behind.ctl.run("rollback", behind.migrations[0].name, "--timeout", "1")
    assert "drained" in held.stdout
    info = [one for one in behind.ctl("sessions")["sessions"] if one["pinned"]]
    assert len(info) == 1
    busy.rollback()
    wait_until(lambda: not [one for one in behind.ctl("sessions")["sessions"] if one["pinned"]])


def test_the_servers_wish_to_prepare_anew_is_granted_once(server, proxy, database):
    name = database()
    server.query(f"CREATE TABLE {name}.t (a INT, b VARCHAR(20))")
    with Meddler(server, error=error_packet(NEED_REPREPARE, b"#HY000needs to be re-prepared")) as meddler:
        relay = proxy(backend=f"127.0.0.1:{meddler.port}")
        with Client(port=relay.port, database=name) as client:
            client.check("prepare", "w", "INSERT INTO t VALUES (?, ?)")
            client.check("execute", "w", "int:1", "str:a")
            meddler.errors = 1
            client.check("long", "w", "1", "long", "1", "int:2", "long:")
            client.check("run", "w")
            meddler.errors = 2
            assert client("execute", "w", "int:3", "str:c")[0][:2] == ["ERR", str(NEED_REPREPARE)]
            client.check("execute", "w", "int:4", "str:d")
        assert meddler.seen == 6
    assert server.query(f"SELECT a FROM {name}.t ORDER BY a") == [(1,), (2,), (4,)]


def test_the_modes_that_a_session_has_are_set_back_behind_a_statement(server, shop_behind):
    """Those of now, whatever they were when they were asked for last; the statement need not touch a migration."""
    with Meddler(server, error=error_packet(NEED_REPREPARE, b"#HY000needs to be re-prepared")) as meddler:
        behind = shop_behind(5, 5, backend=f"127.0.0.1:{meddler.port}")
        server.query(f"CREATE TABLE {behind.database}.other (a INT)")
        with Client(port=behind.proxy.port, database=behind.database) as client:
            client.check("query", "SET sql_mode = 'ANSI_QUOTES'")
            client.query("SELECT fullname FROM users WHERE id = 1")
            client.check("prepare", "w", """INSERT INTO "other" VALUES (?)""")
            client.check("query", "SET sql_mode = 'PIPES_AS_CONCAT'")
            client.query("SELECT fullname FROM users WHERE id = 1")
            client.check("query", "SET sql_mode = 'STRICT_TRANS_TABLES'")
            meddler.errors = 1
            client.check("execute", "w", "int:1")
            assert meddler.errors == 0
            assert client.query("SELECT @@sql_mode") == [("STRICT_TRANS_TABLES",)]


def test_an_error_of_the_question_for_the_modes_answers_the_statement(server, shop_behind):
    """What is not known is not guessed: a write that passed would miss the new columns."""
    interrupted = error_packet(INTERRUPTED, b"#70100Query execution was interrupted")
    with Meddler(server, MODES_QUESTION, interrupted) as meddler:
        behind = shop_behind(5, 5, backend=f"127.0.0.1:{meddler.port}")
        behind.walk("dual-write")
        write = "UPDATE users SET fullname = 'Ada Lovelace' WHERE id = 1"
        for words in (("query", write), ("prepare", "w", write)):
            with Client(port=behind.proxy.port, database=behind.database) as client:
                meddler.errors = 1
                assert client(*words)[0][:2] == ["ERR", str(INTERRUPTED)]
                assert meddler.errors == 0
                client.check(*words)
        assert new_names(behind, 1) == ("Ada", "Lovelace")


def test_a_session_that_cannot_ask_goes_on(server, shop_behind):
    """Its own statement gets the same error then, or ends this state."""
    with Meddler(server, MODES_QUESTION, error_packet(MUST_CHANGE_PASSWORD, b"#HY000the password")) as meddler:
        behind = shop_behind(5, 5, backend=f"127.0.0.1:{meddler.port}")
        behind.walk("dual-write")
        with Client(port=behind.proxy.port, database=behind.database) as client:
            meddler.errors = 1
            client.check("query", "UPDATE users SET fullname = 'Ada Lovelace' WHERE id = 1")
            assert meddler.errors == 0
        assert new_names(behind, 1) == ("Ada", "Lovelace")


class Chopper(Meddler):
    """A relay before the server that gives what the server says byte by byte, and may end after so many bytes."""

    def __init__(self, server):
        self.limit, self.sent = None, 0
        super().__init__(server)

    def from_backend(self, backend, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := backend.recv(65536):
                for byte in data:
                    if self.limit is not None and self.sent >= self.limit:
                        data = b""
                        break
                    client.sendall(bytes([byte]))
                    self.sent += 1
                if not data:
                    break
        except OSError:
            pass
        self.end(client)
        self.end(backend)


def script(name):  # without a reset: libmariadb 3.3.20 never returns from one on a connection that was lost
    return [("query", f"USE {name}"), ("query", "SELECT 1, NULL, 'x'"),
            ("prepare", "p", "SELECT a, b FROM t WHERE a >= ?"), ("execute", "p", "int:0"), ("open", "p", "1", "int:0"),
            ("fetch", "p", "1"), ("close", "p"), ("query", "SELECT nothing"), ("ping",)]


def answers(port, name):
    try:
        with Client(port=port) as client:
            return [client(*words) for words in script(name)]
    except ClientError as error:
        return [[["ERR", str(error.number)]]]


@pytest.fixture
def chopped(server, proxy, database):
    """(Chopper, proxy behind it, the name of a database with a table)."""
    name = database()
    server.query(f"CREATE TABLE {name}.t (a INT, b VARCHAR(20))")
    server.query(f"INSERT INTO {name}.t VALUES (1, 'a'), (2, NULL), (3, 'c')")
    with Chopper(server) as chopper:
        yield chopper, proxy(backend=f"127.0.0.1:{chopper.port}"), name


def test_answers_byte_by_byte_are_the_same(server, chopped):
    _, relay, name = chopped
    assert answers(relay.port, name) == answers(server.port, name)


def test_a_backend_that_ends_at_any_byte(chopped):
    """A text query gives its answer or an error (the library is less strict with statements); the proxy goes on
    and keeps nothing."""
    chopper, relay, name = chopped
    chopper.sent = 0
    whole = answers(relay.port, name)
    total = chopper.sent
    for limit in range(0, total, 7):
        chopper.sent, chopper.limit = 0, limit
        for got, expected, words in zip(answers(relay.port, name), whole, script(name)):
            if words[0] == "query":
                assert got == expected or got[-1][0] == "ERR", (limit, words, got)
    chopper.limit = None
    assert answers(relay.port, name) == whole
    wait_until(lambda: not relay.ctl("sessions")["sessions"])


def test_a_client_that_ends_at_any_byte(dual):
    with Wire(dual.proxy.port) as wire:
        greeting = wire.receive()
        said = wire.frame(wire.handshake_response(greeting, database=dual.database), 1)
    said += Wire.frame(b"\x03UPDATE users SET fullname = 'Cut Off' WHERE id = 6") + Wire.frame(b"\x16SELECT ?")
    for cut in range(0, len(said), 3):
        with Wire(dual.proxy.port) as wire:
            wire.receive()
            wire.socket.sendall(said[:cut])
    wait_until(lambda: not dual.ctl("sessions")["sessions"])
    with dual.connect().cursor() as cursor:
        cursor.execute("SELECT 1")
