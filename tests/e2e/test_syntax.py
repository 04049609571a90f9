"""Statements that the server does not understand either: the client gets the server's own error, in its words, though
they name a migrated table and crossfade could not read them. What the server does understand, and crossfade does not,
stays refused."""

import contextlib
import select
import socket

import pymysql
import pytest
from pymysql.constants import CLIENT

from harness.chop import Chopper
from harness.wire import Wire

SYNTAX, REFUSED = 1064, 1105
COM_QUERY, COM_STMT_PREPARE, ERR = 3, 22, 0xFF
MULTI = {"client_flag": CLIENT.MULTI_STATEMENTS}

MISTAKES = [
    "SELEC * FROM users",
    "SELECT fullname FROM users WHERE",
    "SELECT fullname FROM users WHERE ;",
    "SELECT fullname,, id FROM users",
    "SELECT fullname FROM users WHERE id = 'x",
    "SELECT fullname FROM users WHERE id IN (1, 2 ORDER BY id  ; ",
    "SELECT fullname\nFROM users\nWHER id = 1 -- the third line",
    "INSERT INTO users (email, fullname) VALUES ('a@x', 'Zoë')) /* one too many */",
    "INSERT INTO users (email, fullname) VALUS ('a@x', 'Ada')",
    "UPDATE users SET fullname = WHERE id = 1",
    "UPDATE users fullname = 'x'",
    "DELETE FROM users WHERE id == 1 AND",
    "ALTER TABLE users FROBNICATE fullname",
    "FROBNICATE users",
    "SELECT `fullname FROM users",
    "SELECT ) FROM users WHERE fullname = '" + "é" * 100 + "'",
]


def error_of(wire, command, sql):
    """(code, SQLSTATE, message) or None."""
    wire.send(bytes([command]) + sql.encode())
    packet = wire.receive()
    if packet[0] != ERR:
        return None
    return int.from_bytes(packet[1:3], "little"), packet[4:9].decode(), packet[9:].decode()


@pytest.fixture
def wires(server, shop_behind):
    """(Shop in dual-write, connection to the server, connection to the proxy), with the same default database."""
    behind = shop_behind(5, 5)
    behind.walk("dual-write")
    direct, proxied = Wire(server.port), Wire(behind.proxy.port)
    for wire in (direct, proxied):
        wire.login(database=behind.database)
    yield behind, direct, proxied
    direct.close()
    proxied.close()


def refusals(behind):
    return sum(migration["traffic"]["refused"] for migration in behind.ctl("status")["migrations"])


def status(server, name):
    return int(server.query(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])


@pytest.mark.parametrize("command", [COM_QUERY, COM_STMT_PREPARE])
def test_mistakes_get_the_servers_error(wires, command):
    behind, direct, proxied = wires
    for step in [None, ("backfill",), ("verify",), ("cutover",)]:
        if step:
            behind.each(*step)
        for sql in MISTAKES:
            expected = error_of(direct, command, sql)
            assert expected and expected[0] == SYNTAX, (sql, expected)
            assert error_of(proxied, command, sql) == expected, sql
    assert refusals(behind) == 0


def test_the_connection_lives_on(shop_twin):
    """In a transaction, between statements that are rewritten; SHOW WARNINGS tells of the error too."""
    behind, twin = shop_twin(5, 5)
    behind.walk("dual-write")
    twin.same("BEGIN")
    twin.same("UPDATE users SET fullname = 'Ada Byron' WHERE id = 1")
    twin.same_error("UPDATE users SET fullname = = 'x'", SYNTAX)
    twin.same("SHOW WARNINGS")
    twin.same("SELECT fullname FROM users WHERE id = 1")
    twin.same("ROLLBACK")
    twin.same("SELECT fullname FROM users WHERE id = 1")
    twin.check_tables(drift=False)


def test_markers_outside_of_a_prepared_statement(wires):
    _, direct, proxied = wires
    for sql in ["INSERT INTO users (email, fullname) VALUES ('a@x', ?)", "SELECT fullname FROM users WHERE id = ?",
                "UPDATE users SET fullname = ? WHERE id = (SELECT MAX(id) FROM orders)"]:
        expected = error_of(direct, COM_QUERY, sql)
        assert expected[0] == SYNTAX
        assert error_of(proxied, COM_QUERY, sql) == expected


def test_other_errors_that_the_server_finds_while_it_reads(wires):
    _, direct, proxied = wires
    for command in (COM_QUERY, COM_STMT_PREPARE):
        for sql in ["SELECT inexistent(fullname), 1 + , 2 FROM users", "SELECT COUNT(fullname, 1 + ) FROM users"]:
            expected = error_of(direct, command, sql)
            assert expected and error_of(proxied, command, sql) == expected, sql


def test_commands_sent_ahead_wait(wires):
    """A client that does not wait for answers gets them in order, each with its own number."""
    _, direct, proxied = wires
    sent = [f"SELECT {n}" if n % 2 else "SELEC fullname FROM users" for n in range(1, 9)]
    answers = []
    for wire in (direct, proxied):
        wire.socket.sendall(b"".join(wire.frame(bytes([COM_QUERY]) + sql.encode()) for sql in sent))
        answers.append([])
        for sql in sent:
            wire.sequence = 1
            answers[-1].append(wire.receive())
            if answers[-1][-1][0] != ERR:
                answers[-1] += [wire.receive() for _ in range(4)]
    assert answers[0] == answers[1]


SEVERAL = [
    "UPDATE users SET visits = visits + 1, fullname = 'Ada One NUMBER' WHERE id = 1; SELEC * FROM users",
    "SELECT fullname FROM users WHERE id = 1;\n SELECT fullname\nFROM users WHER id = 1\n; UPDATE users SET fullname = 'never'",
    "SELEC fullname FROM users; DELETE FROM users",
    "INSERT INTO users (email, fullname) VALUES ('b@x', 'Bo Two NUMBER');; UPDATE users SET fullname = ;;",
    "SELECT fullname FROM users WHERE id = 2; UPDATE users SET fullname = 'x WHERE id = 1; DELETE FROM users; DO 1",
    "UPDATE users SET fullname = 'Cy Three NUMBER' WHERE id = 3; FROBNICATE users /* ; */; DELETE FROM users",
    "UPDATE users SET fullname = 'Di Four NUMBER' WHERE id = 4; SELECT nothing, fullname FROM users; SELEC fullname FROM users",
    "BEGIN; UPDATE users SET fullname = 'Ed Five NUMBER' WHERE id = 4; ROLLBACK; UPDATE users SET fullname == 'never'; DO 1",
    "PREPARE s FROM 'SELECT fullname FROM users WHERE id = 5'; SELEC fullname FROM users; DO 1",
    "DO 1; UPDATE users SET fullname = 'Flo Six NUMBER' WHERE id = 1; SELECT fullname, FROM users" + "; DELETE FROM users" * 15,
]


def test_several_statements(shop_twin):
    """Those before the wrong one run, and are rewritten; that gets the server's error; those behind it do not run."""
    behind, twin = shop_twin(5, 5, connection=MULTI)
    steps = [("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",)]
    for number, step in enumerate(steps):
        behind.each(*step)
        for sql in SEVERAL:
            outcome = twin.same(sql.replace("NUMBER", str(number)))
            assert outcome.error and outcome.error[0] in (SYNTAX, 1054), (sql, outcome)
            twin.same("SELECT fullname FROM users WHERE id = 1")
            twin.same("DELETE FROM users WHERE email = 'b@x'")
        twin.same("EXECUTE s")
        twin.check_tables(drift=step[0] not in ("expand", "dual-write"))
    assert refusals(behind) == 0


def test_several_statements_where_one_is_allowed(shop_twin):
    """A client that has not agreed on several gets the server's error of the second, and nothing runs."""
    behind, twin = shop_twin(5, 5)
    behind.walk("dual-write")
    for sql in SEVERAL:
        for connection in (twin.direct, twin.proxied):
            with connection.cursor() as cursor, pytest.raises(pymysql.ProgrammingError) as error:
                cursor.execute(sql)
            assert error.value.args[0] == SYNTAX
    twin.check_tables(drift=False)


def test_several_statements_prepared(wires):
    _, direct, proxied = wires
    for sql in SEVERAL:
        expected = error_of(direct, COM_STMT_PREPARE, sql)
        assert expected[0] == SYNTAX and error_of(proxied, COM_STMT_PREPARE, sql) == expected


@pytest.mark.parametrize("sql", [
    "UPDATE users SET visits = 77 WHERE id = 1; SET @x = 1; SELEC * FROM users",
    "UPDATE users SET visits = 77 WHERE id = 1; CREATE TEMPORARY TABLE users (id INT); SELEC * FROM users",
    "UPDATE users SET visits = 77 WHERE id = 1; SELEC * FROM users" + "; DO 1" * 16,
])
def test_several_statements_that_are_refused_as_one(wires, sql):
    """Where a statement before the wrong one may change how that is read, or the server would be asked too often."""
    behind, _, proxied = wires
    code, _, message = error_of(proxied, COM_QUERY, sql)
    assert code == REFUSED and "syntax not understood" in message
    assert behind.server.value(f"SELECT visits FROM {behind.database}.users WHERE id = 1") != 77
    assert refusals(behind) == 1


def test_a_large_text(server, wires):
    """Of several packets; what stands behind is in step again."""
    _, direct, proxied = wires
    server.query("SET GLOBAL max_allowed_packet = 64 << 20")
    sql = "SELECT fullname FROM users WHERE ( " + "x" * ((16 << 20) + 5)
    expected = error_of(direct, COM_QUERY, sql)
    assert expected[0] == SYNTAX and error_of(proxied, COM_QUERY, sql) == expected
    assert error_of(proxied, COM_QUERY, "DO 1") is None


def test_sql_in_strings(shop_twin):
    """PREPARE name FROM: the server's error, and the name is gone, as the server drops it."""
    behind, twin = shop_twin(5, 5)
    behind.walk("dual-write")
    twin.same("PREPARE s FROM 'SELECT fullname FROM users WHERE id = 1'")
    twin.same_error("PREPARE s FROM 'SELEC fullname FROM users'", SYNTAX)
    twin.same_error("EXECUTE s", 1243)
    twin.same_error("PREPARE s FROM 'SELECT fullname FROM users WHERE ('", SYNTAX)
    twin.same("SET @sql = 'UPDATE users SET fullname = = 1'")
    twin.same_error("PREPARE s FROM @sql", SYNTAX)
    twin.same_error("DEALLOCATE PREPARE s", 1243)
    twin.check_tables(drift=False)


@pytest.mark.only("mariadb", reason="MySQL has no EXECUTE IMMEDIATE")
def test_sql_that_is_executed_at_once(shop_twin):
    behind, twin = shop_twin(5, 5)
    behind.walk("dual-write")
    twin.same_error("EXECUTE IMMEDIATE 'SELEC fullname FROM users'", SYNTAX)
    twin.same_error("EXECUTE IMMEDIATE CONCAT('UPDATE users SET fullname = ', '= 1')", SYNTAX)
    twin.check_tables(drift=False)


def test_what_is_passed_is_not_asked_for(shop_twin):
    behind, twin = shop_twin(5, 5, keys={"on_unrewritable": "pass"})
    behind.walk("dual-write")
    prepared = status(behind.server, "Com_stmt_prepare")
    twin.same_error("SELEC fullname FROM users", SYNTAX)
    assert status(behind.server, "Com_stmt_prepare") == prepared


def test_a_server_that_prepares_no_more(wires):
    """Without a free place for a statement the server cannot say; then crossfade's own error must do. A client that
    prepares hears of that itself."""
    behind, direct, proxied = wires
    most = behind.server.value("SELECT @@max_prepared_stmt_count")
    behind.server.query("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        assert error_of(proxied, COM_QUERY, "SELEC fullname FROM users")[0] == REFUSED
        assert error_of(proxied, COM_STMT_PREPARE, "SELEC fullname FROM users") == \
            error_of(direct, COM_STMT_PREPARE, "SELEC fullname FROM users")
    finally:
        behind.server.query(f"SET GLOBAL max_prepared_stmt_count = {most}")
    assert error_of(proxied, COM_QUERY, "SELEC fullname FROM users")[0] == SYNTAX


class Polite(Chopper):
    """Stands before a server that understands PLEASE where others say SELECT, and KINDLY as BEGIN; or dies of it."""
    dies = False

    def _relay(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(self.target) as server:
            while True:
                for sock in select.select([client, server], [], [])[0]:
                    data = sock.recv(1 << 20)
                    if not data or (self.dies and b"PLEASE" in data):
                        return
                    (server if sock is client else client).sendall(
                        data.replace(b"PLEASE", b"SELECT").replace(b"KINDLY", b"BEGIN "))


@pytest.fixture
def polite(server, shop_behind):
    """(Shop in dual-write whose server is polite, that server, connection to the proxy)"""
    with Polite(server.port) as between:
        behind = shop_behind(5, 5, backend=f"127.0.0.1:{between.port}")
        behind.walk("dual-write")
        with Wire(behind.proxy.port) as proxied:
            proxied.login(database=behind.database)
            yield behind, between, proxied


def test_what_the_server_understands_is_refused(polite):
    """And what was prepared to find out is closed again."""
    behind, _, proxied = polite
    before = status(behind.server, "Prepared_stmt_count")
    for times, command in enumerate([COM_QUERY, COM_STMT_PREPARE], 1):
        code, state, message = error_of(proxied, command, "PLEASE fullname FROM users")
        assert (code, state) == (REFUSED, "HY000") and "syntax not understood" in message
        assert refusals(behind) == times
    assert error_of(proxied, COM_QUERY, "SELEC fullname FROM users")[0] == SYNTAX
    assert status(behind.server, "Prepared_stmt_count") == before


@pytest.mark.parametrize("rest", [
    "PLEASE fullname FROM users",
    "PLEASE fullname FROM users; SELECT 1",
    pytest.param("KINDLY NOT ATOMIC UPDATE users SET visits = 78 WHERE id = 1; DELETE FROM users; END",
                 marks=pytest.mark.only("mariadb", reason="MySQL has no blocks outside of routines")),
    pytest.param("KINDLY NOT ATOMIC UPDATE users SET visits = 78 WHERE id = 1; DELETE FROM users; END; DO 1",
                 marks=pytest.mark.only("mariadb", reason="MySQL has no blocks outside of routines")),
])
def test_several_statements_of_which_the_server_understands_one_more(polite, rest):
    """However far it reaches: nothing runs, and what was prepared to find out is closed again."""
    behind, _, proxied = polite
    before = status(behind.server, "Prepared_stmt_count")
    code, _, message = error_of(proxied, COM_QUERY, "UPDATE users SET visits = 77 WHERE id = 1; " + rest)
    assert code == REFUSED and "syntax not understood" in message
    assert behind.server.query(f"SELECT COUNT(*), MAX(visits) > 76 FROM {behind.database}.users") == [(5, 0)]
    assert error_of(proxied, COM_QUERY, "DO 1") is None
    assert status(behind.server, "Prepared_stmt_count") == before


def test_what_is_prepared_and_not_understood_is_not_executed(polite):
    """The server takes the SQL in the string, and so the name; what is refused is to run it."""
    behind, _, proxied = polite
    assert error_of(proxied, COM_QUERY, "PREPARE s FROM 'PLEASE fullname FROM users'") is None
    code, _, message = error_of(proxied, COM_QUERY, "EXECUTE s")
    assert code == REFUSED and "syntax not understood" in message
    assert error_of(proxied, COM_QUERY, "DEALLOCATE PREPARE s") is None
    assert refusals(behind) == 1


def test_a_backend_that_dies_of_the_question(polite):
    _, between, proxied = polite
    between.dies = True
    with pytest.raises((EOFError, ConnectionError)):
        error_of(proxied, COM_QUERY, "PLEASE fullname FROM users")


def test_a_flip_is_not_held_up(wires):
    """The error says nothing of a transaction: a session that got it, and is silent, holds no flip."""
    behind, _, proxied = wires
    for step in [("backfill",), ("verify",), ("cutover",), ("rollback",), ("cutover",)]:
        assert error_of(proxied, COM_QUERY, "SELEC fullname FROM users")[0] == SYNTAX
        behind.each(*step)
