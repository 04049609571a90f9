"""Statements that the server does not understand either: the client gets the server's own error, in its words, though
they name a migrated table and crossfade could not read them. What the server does understand, and crossfade does not,
stays refused."""

import contextlib
import select
import socket

import pytest

from harness.chop import Chopper
from harness.wire import Wire

SYNTAX, REFUSED = 1064, 1105
COM_QUERY, COM_STMT_PREPARE, ERR = 3, 22, 0xFF

MISTAKES = [
    "SELECT id, * FROM users",
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


def test_several_statements_are_refused_as_one(wires):
    """The server would run the first; half a text that names a migrated table is not sent."""
    behind, direct, proxied = wires
    sql = "UPDATE users SET visits = 77 WHERE id = 1; SELEC * FROM users"
    code, _, message = error_of(proxied, COM_QUERY, sql)
    assert code == REFUSED and "syntax not understood" in message
    assert behind.server.value(f"SELECT visits FROM {behind.database}.users WHERE id = 1") != 77
    assert refusals(behind) > 0


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
    """Stands before a server that understands PLEASE where others say SELECT; or dies of it."""
    dies = False

    def _relay(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(self.target) as server:
            while True:
                for sock in select.select([client, server], [], [])[0]:
                    data = sock.recv(1 << 20)
                    if not data or (self.dies and b"PLEASE" in data):
                        return
                    (server if sock is client else client).sendall(data.replace(b"PLEASE", b"SELECT"))


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
