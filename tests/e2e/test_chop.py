"""Every exchange of a session delivered one byte at a time, in both directions and on both sides of the proxy, and cut
off after every byte: the same results, or a clean error, and nothing is left behind."""

import socket
import struct

import pytest

from harness import Client, Proxy, shop, wait_until
from harness.chop import Chopper, Player, Recorder, Script, reset
from harness.wire import CAPABILITIES, NATIVE, SHA2, Wire

CLIENT_LOCAL_FILES, CLIENT_SESSION_TRACK, CLIENT_DEPRECATE_EOF = 1 << 7, 1 << 23, 1 << 24
TEXT = 0xFD
LAST = 0xFFFFFFFF


# ---- one byte at a time ----

def conversation(database, path):
    """Requests of the C client: the text and the binary protocol, several results, cursors, long data, a file, rows of
    several sizes, another user, errors."""
    return [
        ("query", f"USE {database}"), ("query", "SELECT id, fullname, visits FROM users ORDER BY id LIMIT 3"),
        ("query", "SELECT 1; SELECT 'two', NULL; DO 0; SELECT fullname FROM users WHERE id = 2"),
        ("query", "UPDATE users SET fullname = 'One Byte' WHERE id = 1"), ("info",),
        ("query", "INSERT INTO users (id, email, fullname) VALUES (1001, 'a', 'Ada L'), (1002, 'b', 'B')"),
        ("query", "SELECT fullname, REPEAT('x', 3000) FROM users WHERE id IN (1, 1001) ORDER BY id"),
        ("query", "CALL two_results(3)"), ("query", "SELECT nothing"), ("query", ""),
        ("prepare", "p", "SELECT ?, fullname FROM users WHERE id <= ? ORDER BY id"),
        ("execute", "p", "str:x", "int:3"), ("execute", "p", "null:", "int:0"),
        ("open", "p", "1", "str:y", "int:3"), ("fetch", "p", "2"), ("fetch", "p"), ("reset_statement", "p"),
        ("prepare", "w", "UPDATE users SET fullname = ? WHERE id = ?"),
        ("long", "w", "0", "Long ", "40", "str:long", "int:1002"), ("run", "w"), ("execute", "w", "str:Short", "int:1001"),
        ("query", "SELECT fullname FROM users WHERE id > 1000 ORDER BY id"), ("close", "w"),
        ("query", f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE orders FIELDS TERMINATED BY ',' (id, user_id, amount)"),
        ("query", "SELECT COUNT(*), SUM(amount) FROM orders WHERE id > 1000"),
        ("reset",), ("query", "SELECT DATABASE()"), ("change_user", "app", "app secret", database),
        ("query", "SELECT fullname FROM users WHERE id = 1"), ("db", "no_such_database"), ("ping",), ("stat",),
        ("query", "DELETE FROM users WHERE id > 1000"), ("query", "DELETE FROM orders WHERE id > 1000"),
    ]


def answers(port, script):
    with Client(port=port) as client:
        return [client(*words) if words[0] != "stat" else bool(client(*words)) for words in script]


@pytest.mark.parametrize("phase", ["expand", "verify", "cutover"])
def test_one_byte_at_a_time(server, database, proxy, tmp_path, phase):
    name = database()
    shop.create(server, name, 20, 20)
    server.query(f"CREATE PROCEDURE {name}.two_results(n INT) BEGIN SELECT n; SELECT n + 1, 'b'; END")
    path = tmp_path / "orders.csv"
    path.write_text("".join(f"{1000 + i},1,{i}.25\n" for i in range(1, 40)))
    script = conversation(name, path)
    with Chopper(server.port) as behind:
        one = proxy(shop.migrations(name), backend=f"127.0.0.1:{server.port}")
        for migration in one.migrations:
            one.walk(migration.name, phase)
        answers(one.port, script)  # what the script changes it has changed then
        whole = answers(one.port, script)
        assert not any(line[0] == "ERR" and line[1] == "1105" for answer in whole if answer is not True for line in answer)
        fds = one.fd_count()
        # The control side has read what it needs; the sessions from now on meet a backend behind a chopper.
        one.keys["proxy"]["backend"] = f"127.0.0.1:{behind.port}"
        one.write_config()
        one.ctl("reload")
        wait_until(lambda: one.ctl("status")["backend"]["up"] and
                   [b["address"] for b in one.ctl("status")["backends"] if b["current"]] == [f"127.0.0.1:{behind.port}"],
                   60, "the proxy to go to the chopped backend")
        with Chopper(one.port) as before:
            assert answers(before.port, script) == whole
            assert before.passed > 5000 and behind.passed > before.passed
        assert not any(migration.drift(server) for migration in one.migrations if phase != "expand")
        wait_until(lambda: one.ctl("status")["clients"] == 0, what="the session to end")
        wait_until(lambda: one.fd_count() <= fds, what="its sockets to be closed")


# ---- cut off after every byte ----

def lenenc(data):
    return bytes([len(data)]) + data


def recorded_requests(server, database):
    """A session by hand of an account without a password, so that its bytes are the same each time. On MariaDB statements
    are named as the last one that was prepared, since ids are not the same; MySQL counts them in each session."""
    flags = CAPABILITIES | CLIENT_LOCAL_FILES
    plugin = {"mariadb": NATIVE, "mysql": SHA2}[server.family].encode() + b"\0"
    write, read = {"mariadb": (LAST, LAST), "mysql": (1, 2)}[server.family]
    login = struct.pack("<IIB23x", flags, 1 << 24, 45) + b"chopped\0" + b"\0" + plugin
    frame = Wire.frame

    def query(sql):
        return frame(b"\x03" + sql.encode())

    def execute(*value):  # of the statement prepared last MariaDB wants to be told the types each time
        return frame(struct.pack("<BIBI", 0x17, write, 0, 1) + b"".join([b"\0\1", bytes([TEXT, 0]), *map(lenenc, value)]))

    return [
        frame(login, 1), frame(b"\x02" + database.encode()), query("SELECT 1; SELECT 'two', NULL; DO 0"),
        query("SELECT fullname FROM users WHERE id < 3 ORDER BY id"), query("SELECT nothing"),
        query("UPDATE users SET fullname = 'Byte Cut' WHERE id = 1"),
        frame(b"\x16UPDATE users SET fullname = ? WHERE id = 2"), execute(b"Cut First"),
        execute(b"Cut Again"), frame(struct.pack("<BIH", 0x18, write, 0) + b"Long data") + execute(),
        frame(b"\x16SELECT id, fullname FROM users WHERE id < 4 ORDER BY id"),
        frame(struct.pack("<BIBI", 0x17, read, 1, 1)), frame(struct.pack("<BII", 0x1C, read, 2)),
        frame(struct.pack("<BII", 0x1C, read, 5)), frame(struct.pack("<BI", 0x19, read)) + frame(b"\x0e"),
        query("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE orders FIELDS TERMINATED BY ',' (id, user_id, amount)"),
        frame(b"2001,1,1.25\n2002,1,2.50\n", 2) + frame(b"", 3), query("BEGIN"),
        query("UPDATE users SET visits = 1 WHERE id = 3"), query("ROLLBACK"), frame(b"\x1f"),
        frame(b"\x11chopped\0\0" + database.encode() + b"\0\x2d\0" + plugin), frame(b"", 2), frame(b"\x0e"),
    ]


@pytest.fixture
def chopped(server):
    server.query("CREATE USER 'chopped'@'%'")
    server.query("GRANT ALL ON *.* TO 'chopped'@'%'")
    yield
    server.query("DROP USER 'chopped'@'%'")


def ends(count):
    """After which byte, and how: RST and FIN in turn."""
    return [(cut, reset if cut % 2 else socket.socket.close) for cut in range(count)]


def nothing_left(server, one, fds):
    wait_until(lambda: one.ctl("status")["clients"] == 0, what="every session to end")
    wait_until(lambda: one.fd_count() <= fds, what="every socket to be closed")
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user IN "
                                    "('chopped', 'unauthenticated user')") == 0, what="the backend's connections to end")


def test_the_client_goes_after_every_byte(server, shop_behind, chopped):
    behind = shop_behind(users=10, orders=5)
    behind.walk("cutover")
    one = behind.proxy
    script = Script(recorded_requests(server, behind.database)).record(one.port)
    script.record(one.port)  # what it changes it has changed then: the answers are the same from now on
    assert all(script.answers) and sum(answer[4:5] == b"\xff" for answer in script.answers) == 1
    assert len(script.play(one.port)) == script.answered()
    wait_until(lambda: one.ctl("status")["clients"] == 0)
    fds = one.fd_count()
    for cut, how in ends(script.said()):
        script.play(one.port, say=cut, how=how)
    for cut, how in ends(script.answered()):
        script.play(one.port, hear=cut, how=how)
    nothing_left(server, one, fds)
    assert len(script.play(one.port)) == script.answered()
    behind.assert_no_drift()


def test_the_backend_goes_after_every_byte(server, database, chopped):
    """The client hears what the backend has said so far, and then the end; or, in the greeting's place, error 2003."""
    name = database()
    shop.create(server, name, 10, 5)
    recorder = Recorder(server.port)
    with Proxy(server, backend=f"127.0.0.1:{recorder.port}") as recording:
        script = Script(recorded_requests(server, name)).record(recording.port)
        assert recorder.ended.wait(20)
    player = Player(recorder.requests, recorder.answers)
    with Proxy(server, backend=f"127.0.0.1:{player.port}") as one:
        whole = b"".join(script.answers)
        assert script.play(one.port) == whole
        wait_until(lambda: one.ctl("status")["clients"] == 0)
        fds = one.fd_count()
        greeting = len(script.answers[0])
        for kind, count in (("say", script.answered()), ("hear", script.said())):
            for cut, how in ends(count):
                player.next(**{kind: cut}, how=how)
                heard = script.play(one.port)
                clean = heard[4:7] == b"\xff\xd3\x07" or len(heard) >= greeting and whole.startswith(heard)
                assert clean, (kind, cut, heard)
        nothing_left(server, one, fds)
        player.next()
        assert script.play(one.port) == whole
    player.close()
