"""Prepared statements across flips: the client prepares once and never learns that anything changed."""

import pytest

from harness import Client, ClientError, shop, twin
from harness.double import double
from harness.meddler import Meddler, error_packet
from harness.wire import Wire

INTERRUPTED = 1317


class Walk:
    """Runs `check` in every phase, there and back, with what was prepared before the first step."""

    STEPS = [("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",),
             ("cutover",), ("rollback",), ("rollback",)]

    def __init__(self, behind):
        self.behind = behind

    def __iter__(self):
        yield "as prepared"
        for number, step in enumerate(self.STEPS):
            self.behind.each(*step)
            yield f"{number}: {' '.join(step)}"


@pytest.fixture
def clients(shop_behind, server, database):
    """(Shop, direct client, proxied client) on equal shops."""


    direct_name = database("twin")
    shop.create(server, direct_name, 20, 20)
    behind = shop_behind(20, 20)
    with Client(port=server.port, database=direct_name) as direct, \
            Client(port=behind.proxy.port, database=behind.database) as proxied:
        direct.database, proxied.database = direct_name, behind.database
        yield behind, direct, proxied


def comparable(client, answer, metadata):
    """The answer's lines without the database's name and what of the status tells the plan; of the columns, names
    only unless `metadata`."""
    lines = []
    for line in answer:
        line = [field.replace(client.database, "DATABASE") for field in line]
        if line[0] == "OK":
            line[4] = str(int(line[4]) & ~twin.STATUS_NOT_COMPARED)
        lines.append(line[:2] if line[0] == "C" and not metadata else line)
    return lines


class Pair:
    def __init__(self, direct, proxied):
        self.clients = direct, proxied

    def __call__(self, *words, metadata=False):
        direct, proxied = [comparable(client, client(*words), metadata) for client in self.clients]
        assert proxied == direct, words
        return proxied


def test_prepared_once_right_in_every_phase(clients):
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    both("prepare", "read", "SELECT id, fullname, visits FROM users WHERE id = ?")
    both("prepare", "star", "SELECT * FROM orders WHERE id <= ? ORDER BY id")
    both("prepare", "by name", "SELECT id FROM users WHERE fullname = ? OR fullname LIKE ? ORDER BY id")
    both("prepare", "join", "SELECT u.fullname, o.amount FROM users u JOIN orders o ON o.user_id = u.id "
                            "WHERE o.amount > ? ORDER BY o.id")
    both("prepare", "insert", "INSERT INTO users (email, fullname, visits) VALUES (?, ?, ?)")
    both("prepare", "insert two", "INSERT INTO orders (user_id, amount, note) VALUES (?, ?, 'a'), (?, ?, 'b')")
    both("prepare", "update", "UPDATE users SET fullname = ?, visits = ? WHERE id = ?")
    both("prepare", "expression", "UPDATE orders SET amount = amount + ?, note = ? WHERE amount < ?")
    both("prepare", "upsert", "INSERT INTO users (id, email, fullname) VALUES (?, ?, ?) "
                              "ON DUPLICATE KEY UPDATE fullname = CONCAT(VALUES(fullname), ?)")
    both("prepare", "delete", "DELETE FROM users WHERE fullname = ?")
    both("prepare", "no parameters", "SELECT COUNT(*), MAX(fullname) FROM users")
    for number, step in enumerate(Walk(behind)):
        both("execute", "read", "int:1")
        both("again", "read", "int:2")
        both("execute", "read", "str:3")
        both("execute", "read", "null:")
        both("execute", "star", "int:5")
        both("execute", "by name", "str:Ada", "str:G%")
        both("execute", "join", "double:3.5")
        both("execute", "insert", f"str:walk{number}", f"str:Walk Number {number}", "int:1")
        both("execute", "insert", f"str:walk{number}b", f"str:Single{number}", "null:")  # NOT NULL: an error, or 0
        both("execute", "insert two", "int:1", "str:12.34", "int:2", f"double:{number}.5")
        both("execute", "update", f"str:Prepared {step}", "int:7", f"int:{number + 1}")
        both("execute", "expression", "double:0.25", "null:", "double:2.0")
        both("execute", "expression", "str:0.50", f"str:note {number}", "int:3")
        both("execute", "upsert", "int:5", f"str:five{number}", f"str:Up {number}", "str:-sert")
        both("execute", "delete", f"str:Prepared {step}")
        both("execute", "no parameters")
        both("query", "SELECT * FROM users ORDER BY id")
        both("query", "SELECT * FROM orders ORDER BY id")
        if 3 <= number <= 8:
            behind.assert_no_drift()


def test_types_are_kept_for_executions_without_them(clients):
    """libmariadb sends the types with the first execution only; a flip must not lose them."""
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    both("prepare", "u", "UPDATE orders SET amount = ?, user_id = ? WHERE id = ?")
    both("execute", "u", "int:1", "int:2", "int:3")
    for number, _ in enumerate(Walk(behind)):
        both("again", "u", f"int:{number * 100}", "int:4", f"int:{number + 1}")
        both("again", "u", "null:", "null:", f"int:{number + 1}")
        both("query", "SELECT * FROM orders ORDER BY id")


def test_long_data_across_a_flip(clients):
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    both("prepare", "w", "UPDATE users SET fullname = ?, visits = ? WHERE id = ?")
    for number, _ in enumerate(Walk(behind)):
        both("long", "w", "0", "long word ", str(5 + number), "long:", f"int:{number}", "int:1")
        both("run", "w")
        both("query", "SELECT fullname, visits FROM users WHERE id = 1")
        # Reset forgets what was sent.
        both("long", "w", "0", "forgotten ", "2", "long:", "int:1", "int:2")
        both("reset_statement", "w")
        both("execute", "w", f"str:kept {number}", "int:1", "int:2")
        both("query", "SELECT fullname, visits FROM users WHERE id = 2")


def test_long_data_sent_before_and_executed_after_a_flip(clients):
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    both("prepare", "w", "UPDATE users SET fullname = ? WHERE id = ?")
    behind.each("expand", "--apply")
    behind.each("dual-write")
    behind.each("backfill")
    behind.each("verify")
    for flip in ("cutover", "rollback"):
        both("long", "w", "0", f"sent before {flip} ", "3", "long:", "int:3")
        behind.each(flip)
        both("run", "w")
        both("query", "SELECT fullname FROM users WHERE id = 3")
    behind.assert_no_drift()


def test_an_open_cursor_lives_through_a_flip(clients):
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    behind.walk("verify")
    both("prepare", "c", "SELECT id, fullname FROM users WHERE id <= ? ORDER BY id")
    for flip in ("cutover", "rollback"):
        both("open", "c", "2", "int:9")
        both("fetch", "c", "3")
        try:
            behind.each(flip, "--timeout", "1")
        except Exception:  # an open cursor may hold the barrier; the flip is then taken back, or stays a rollback
            pass
        both("fetch", "c", "3")
        both("fetch", "c")
        both("execute", "c", "int:2")


def test_many_statements_and_closing(clients):
    behind, direct, proxied = clients
    for number in range(300):
        proxied.prepare(f"s{number}", f"SELECT fullname, {number} FROM users WHERE id = ?")
    behind.walk("cutover")
    for number in range(0, 300, 3):
        assert proxied.execute(f"s{number}", 1)[0][1] == str(number)
    for number in range(300):
        proxied.check("close", f"s{number}")
    count = proxied.query("SHOW SESSION STATUS LIKE 'Prepared_stmt_count'")
    assert direct.query("SELECT 1") == [("1",)]
    assert not count or int(count[0][1]) == 0


@pytest.mark.parametrize("command", ["reset", "change_user"])
def test_reset_and_change_user_forget_statements(clients, command):
    behind, _, proxied = clients
    behind.walk("verify")
    proxied.prepare("s", "SELECT fullname FROM users WHERE id = ?")
    assert len(proxied.execute("s", 1)) == 1
    proxied.check(*(["reset"] if command == "reset" else ["change_user", "app", "app secret", behind.database]))
    with pytest.raises(ClientError):
        proxied.execute("s", 1)
    behind.each("cutover")
    proxied.prepare("t", "SELECT fullname FROM users WHERE id = ?")
    assert len(proxied.execute("t", 1)) == 1


def test_prepare_of_what_cannot_be_rewritten(clients):
    behind, direct, proxied = clients
    behind.walk("cutover")
    with pytest.raises(ClientError) as error:
        proxied.prepare("bad", "SELECT nothing FROM users")
    assert error.value.number == 1054
    proxied.prepare("good", "SELECT fullname FROM users WHERE id = ?")
    assert proxied.execute("good", 1) == [tuple(row) for row in direct.query("SELECT fullname FROM users WHERE id = 1")]


def test_result_metadata_of_prepared_statements(clients):
    """Names and count of the columns that the client was told never change."""
    behind, direct, proxied = clients
    both = Pair(direct, proxied)
    both("prepare", "m", "SELECT fullname, UPPER(fullname), id AS i, u.* FROM users u WHERE id = ?")
    for _ in Walk(behind):
        both("execute", "m", "int:1")
        answer = both("prepare", "n", "SELECT amount, amount + 1 AS more, orders.* FROM orders WHERE id = ?")
        assert answer[0] == ["P", "1", "6"]
        both("close", "n")


TEMPORARY = "CREATE TEMPORARY TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(50), fullname VARCHAR(50))"


@pytest.mark.parametrize("phase", ["dual-write", "cutover"])
def test_a_temporary_table_that_comes_and_goes(clients, phase):
    """A statement means the temporary table while that hides the migrated one, whichever it was prepared with."""
    behind, direct, proxied = clients
    behind.walk(phase)
    both = Pair(direct, proxied)
    for before in ("before", "with"):
        if before == "with":
            both("query", TEMPORARY)
        both("prepare", f"write {before}", "INSERT INTO users (email, fullname) VALUES (?, ?)")
        both("prepare", f"read {before}", "SELECT email, fullname FROM users WHERE email LIKE 'temporary%' ORDER BY email")
        for number in range(3):
            both("execute", f"write {before}", f"str:temporary {before} {number}", f"str:Number {number}")
            both("execute", f"read {before}")
            both("query", "DROP TEMPORARY TABLE IF EXISTS users" if number % 2 == (before == "before") else TEMPORARY)
        both("query", "DROP TEMPORARY TABLE IF EXISTS users")
        both("query", "SELECT email, fullname FROM users WHERE email LIKE 'temporary%' ORDER BY email")
    if phase == "cutover":
        behind.assert_no_drift()
    assert not behind.server.query(f"SELECT email FROM {behind.database}.users WHERE email LIKE 'temporary%' "
                                   "AND NOT CONCAT(first_name, ' ', last_name) <=> fullname")


@pytest.mark.only("mariadb", reason="MySQL has no id for the statement prepared last")
def test_what_was_prepared_last_is_not_what_was_refused(clients):
    """Clients that do not wait execute "the statement prepared last" right behind its PREPARE."""
    behind, direct, _ = clients
    behind.walk("cutover")
    prepare, execute, fetch, reset, long_data, close = b"\x16", b"\x17", b"\x1c", b"\x1a", b"\x18", b"\x19"
    last = b"\xff\xff\xff\xff"
    with Wire(behind.proxy.port) as wire:
        wire.login(database=behind.database)
        commands = [prepare + b"INSERT INTO orders (user_id, amount) VALUES (99, 1)",
                    prepare + b"SELECT id FROM users WHERE MATCH (fullname) AGAINST ('x')", execute + last + b"\0\1\0\0\0",
                    fetch + last + b"\1\0\0\0", reset + last, long_data + last + b"\0\0x", close + last, b"\x0e"]
        wire.socket.sendall(b"".join(map(wire.frame, commands)))
        answers = []
        for _ in range(6):
            wire.sequence = 1
            answers.append(wire.receive())
        refused, executed, fetched, after_reset, ping = answers[1:]
        assert b"crossfade: migration users_name: MATCH" in refused
        for error, name in ((executed, b"execute"), (fetched, b"fetch"), (after_reset, b"reset")):
            assert error[1:3] == (1243).to_bytes(2, "little") and error.endswith(b"given to mysqld_stmt_" + name)
        assert ping[0] == 0
    assert direct.query(f"SELECT COUNT(*) FROM {behind.database}.orders WHERE user_id = 99") == [("0",)]


def test_the_id_of_what_was_prepared_last_is_the_servers_matter(clients):
    """MySQL knows none."""
    behind = clients[0]
    answers = []
    for port in (behind.server.port, behind.proxy.port):
        with Wire(port) as wire:
            wire.login(database=behind.database)
            for packet in (b"\x16DO 1", b"\x17\xff\xff\xff\xff\0\1\0\0\0"):
                wire.send(packet)
                last = wire.receive()
            answers.append(last)
    assert answers[0] == answers[1]
    assert (answers[0][0] == 0xFF) == (behind.server.family == "mysql")


@pytest.mark.only("mariadb", reason="MySQL has no id for the statement prepared last")
def test_what_is_malformed_of_the_statement_prepared_last(clients):
    """Told by its own id it is another error, or none: the types may have been told before."""
    behind = clients[0]
    behind.walk("dual-write")
    last, head = b"\xff\xff\xff\xff", b"\0\1\0\0\0"
    types, values = b"\xfd\0\xfd\0", b"\1a\x010"
    bodies = [b"\0\1\0", head, head + b"\0", head + b"\0\0" + values, head + b"\0\1", head + b"\0\1\xfd\0", head + b"\3\0",
              head + b"\0\1\x63\0\x63\0" + values, head + b"\0\1" + types + values, head + b"\0\0" + values]
    for text in (b"UPDATE users SET email = ? WHERE id = ?", b"UPDATE users SET fullname = ? WHERE id = ?"):
        answers = []
        for port in (behind.server.port, behind.proxy.port):
            with Wire(port) as wire:
                wire.login(database=behind.database)
                wire.send(b"\x16" + text)
                ident = [wire.receive() for _ in range(4)][0][1:5]  # the answer, two parameters, EOF
                for number in (ident, last):
                    for body in bodies:
                        wire.send(b"\x17" + number + body)
                        answers.append(wire.receive()[:3])
        half = len(answers) // 2
        assert answers[:half] == answers[half:], text


def test_as_many_statements_as_the_server_takes(clients):
    """Preparing a statement anew needs no more room than it has."""
    behind, _, proxied = clients
    behind.walk("verify")
    proxied.prepare("read", "SELECT fullname FROM users WHERE id = ?")
    expected = proxied.execute("read", 1)
    count, = behind.server.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")
    try:
        behind.server.query(f"SET GLOBAL max_prepared_stmt_count = {count[1]}")
        for flip in ("cutover", "rollback"):
            behind.each(flip)
            assert proxied.execute("read", 1) == expected
        with pytest.raises(ClientError) as error:
            proxied.prepare("another", "SELECT 1")
        assert error.value.number == 1461
    finally:
        behind.server.query("SET GLOBAL max_prepared_stmt_count = DEFAULT")


def prepare(wire, text, params):
    """The statement's id."""
    wire.send(b"\x16" + text)
    answer = [wire.receive() for _ in range(params + 2)][0]
    assert answer[0] == 0, answer
    return answer[1:5]


EXECUTE_HEAD = b"\0\1\0\0\0"
TYPES_INT_TEXT = b"\3\0\xfd\0"


@pytest.fixture
def meddled(server, proxy, database):
    """(Meddler that may interrupt a PREPARE, the proxy over it with a migration in expand, the database)."""
    with Meddler(server, b"\x16", error_packet(INTERRUPTED, b"#70100Query execution was interrupted")) as meddler:
        name = database()
        server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT, note LONGTEXT); INSERT INTO t VALUES (1, 1, 'x');", name)
        one = proxy([double(name)], backend=f"127.0.0.1:{meddler.port}")
        one.ctl("expand", "m", "--apply")
        yield meddler, one, name


def test_types_of_an_execution_that_failed_before_it_was_sent(server, meddled):
    """The server remembers those of one that fails, and most clients tell them once."""
    meddler, one, name = meddled
    with Wire(one.port) as wire:
        wire.login(database=name)
        ident = prepare(wire, b"UPDATE t SET old = ?, note = ? WHERE id = 1", 2)
        one.ctl("dual-write", "m")
        meddler.errors = 1
        wire.send(b"\x17" + ident + EXECUTE_HEAD + b"\0\1" + TYPES_INT_TEXT + (77).to_bytes(4, "little") + b"\1a")
        assert wire.receive()[1:3] == INTERRUPTED.to_bytes(2, "little")
        wire.send(b"\x17" + ident + EXECUTE_HEAD + b"\0\0" + (78).to_bytes(4, "little") + b"\1b")
        assert wire.receive()[0] == 0
    assert server.query(f"SELECT old, new, note FROM {name}.t") == [(78, 156, "b")]


def test_an_error_that_long_data_meets_is_its_executions(server, meddled):
    """It has no answer of its own; what came behind the piece that is missing must not be stored."""
    meddler, one, name = meddled
    piece = 400_000  # three are more than is kept
    with Wire(one.port) as wire:
        wire.login(database=name)
        ident = prepare(wire, b"UPDATE t SET old = ?, note = ? WHERE id = 1", 2)
        execution = b"\x17" + ident + EXECUTE_HEAD + b"\0\1" + TYPES_INT_TEXT + (77).to_bytes(4, "little")

        def run(text):
            for letter in text:
                wire.send(b"\x18" + ident + b"\1\0" + letter.encode() * piece)
            wire.send(execution)
            return wire.receive()

        one.ctl("dual-write", "m")
        meddler.errors = 1
        assert run("abcde")[1:3] == INTERRUPTED.to_bytes(2, "little")
        assert meddler.errors == 0
        assert server.query(f"SELECT old, new, note FROM {name}.t") == [(1, None, "x")]
        assert run("fghi")[0] == 0
        assert server.query(f"SELECT old, new, note FROM {name}.t") == [(77, 154, "".join(c * piece for c in "fghi"))]


def test_a_refusal_that_long_data_meets_is_its_executions(server, meddled):
    """Though nothing refuses it any more when that comes; RESET forgets it with the data."""
    _, one, name = meddled
    piece = b"a" * 600_000
    with Wire(one.port) as wire:
        wire.login(database=name)
        ident = prepare(wire, b"INSERT INTO t (id, old, note) SELECT ?, 9 * RAND(), ?", 2)

        def run(row, reset=False, flip=None):
            for _ in range(3):
                wire.send(b"\x18" + ident + b"\1\0" + piece)
            assert wire.query("DO 1")[0] == 0  # the pieces have been taken
            if reset:
                wire.send(b"\x1a" + ident)
                assert wire.receive()[0] == 0
            if flip:
                one.ctl(flip, "m")
            wire.send(b"\x17" + ident + EXECUTE_HEAD + b"\0\1" + TYPES_INT_TEXT + row.to_bytes(4, "little") +
                      (b"\1b" if reset else b""))
            return wire.receive()

        one.ctl("dual-write", "m")
        assert b"crossfade: migration m" in run(2, flip="rollback")
        assert run(3)[0] == 0
        one.ctl("dual-write", "m")
        assert run(4, reset=True, flip="rollback")[0] == 0
    assert server.query(f"SELECT id, LENGTH(note) FROM {name}.t") == [(1, 1), (3, 3 * len(piece)), (4, 1)]


class Miscounter(Meddler):
    """A relay before the server that says of a statement prepared that it has MORE parameters than it has."""

    MORE, lies = 200, False

    def from_backend(self, backend, client):
        stream, added, prepared = backend.makefile("rb"), 0, False
        while len(header := stream.read(4)) == 4:
            sequence, payload = header[3], bytearray(stream.read(int.from_bytes(header[:3], "little")))
            if self.lies and sequence == 1 and len(payload) == 12 and payload[0] == 0:
                payload[7:9] = (int.from_bytes(payload[7:9], "little") + self.MORE).to_bytes(2, "little")
                prepared = True
            elif prepared:  # the first parameter's definition
                client.sendall(b"".join(header[:3] + bytes([(sequence + i) % 256]) + payload for i in range(self.MORE)))
                added, prepared = self.MORE, False
            client.sendall(header[:3] + bytes([(sequence + added) % 256]) + payload)
            added = 0 if payload[:1] == b"\xfe" else added
        self.end(client)


def test_a_backend_that_counts_more_parameters_than_there_are(server, shop_behind):
    """It is believed in what the client is told, at most: where the markers went is known here."""
    with Miscounter(server) as liar:
        behind = shop_behind(1, 1, backend=f"127.0.0.1:{liar.port}")
        behind.walk("dual-write")
        with Wire(behind.proxy.port) as wire:
            wire.login(database=behind.database)
            liar.lies = True
            ident = prepare(wire, b"INSERT INTO users (email, fullname) SELECT ?, ?", 2)
            wire.send(b"\x17" + ident + EXECUTE_HEAD + b"\0\1\xfd\0\xfd\0" + b"\1a\3A B")
            assert wire.receive()[0] == 0
        rows = server.query(f"SELECT first_name, last_name FROM {behind.database}.users WHERE email = 'a'")
        assert rows == [("A", "B")]
