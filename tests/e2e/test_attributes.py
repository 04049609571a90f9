"""Query attributes: values with names that a client sends before a text and behind the parameters of an execution. The
server's own function says what has arrived, direct and proxied, whatever becomes of the statement on its way."""

import struct
import subprocess

import pytest

from harness.server import APP_PASSWORD
from harness.wire import Wire, salt_of

QUERY_ATTRIBUTES = 1 << 27
COM_QUERY, COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA, COM_STMT_FETCH = 3, 0x16, 0x17, 0x18, 0x1C
ERR, EOF, MORE_RESULTS = 0xFF, 0xFE, 8
COUNTED, CURSOR = 8, 1
MALFORMED, SYNTAX = 1835, 1064
NULL, LONGLONG, DOUBLE, BLOB, STRING = 6, 8, 5, 252, 254

MYSQL = pytest.mark.only("mysql", reason="MariaDB has no query attributes")


def lenenc(number):
    if number < 251:
        return bytes([number])
    return b"\xfc" + struct.pack("<H", number) if number < 1 << 16 else b"\xfd" + struct.pack("<I", number)[:3]


def read_lenenc(data, at):
    if data[at] < 251:
        return data[at], at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[data[at]]
    return int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size


def encoded(value):
    """(type, bytes) of a Python value; bytes: a BLOB whose data was sent before."""
    if value is None:
        return NULL, b""
    if value is Ellipsis:
        return BLOB, b""
    if isinstance(value, int):
        return LONGLONG, struct.pack("<q", value)
    if isinstance(value, float):
        return DOUBLE, struct.pack("<d", value)
    return STRING, lenenc(len(value.encode())) + value.encode()


def values_of(values, types=True):
    """NULL bitmap, types with names, values: of (name, value)."""
    if not values:
        return b""
    nulls = sum(1 << i for i, (_, value) in enumerate(values) if value is None)
    packet = nulls.to_bytes((len(values) + 7) // 8, "little") + (b"\1" if types else b"\0")
    if types:
        for name, value in values:
            packet += struct.pack("<H", encoded(value)[0]) + lenenc(len(name.encode())) + name.encode()
    return packet + b"".join(encoded(value)[1] for _, value in values)


class Attributed(Wire):
    """A connection that has agreed on query attributes, if they were offered."""

    def __init__(self, port, database, more=QUERY_ATTRIBUTES):
        super().__init__(port)
        greeting = self.receive()
        fixed = greeting[greeting.index(b"\0") + 1:]
        self.offered = int.from_bytes(fixed[13:15] + fixed[18:20], "little")
        self.send(self.handshake_response(greeting, database=database, more=more), 1)
        assert self.finish_login(salt_of(greeting), APP_PASSWORD.encode())[0] == 0

    def rows(self):
        """What comes until EOF, OK or ERR: packets as they are."""
        packets = []
        while True:
            packets.append(self.receive())
            if packets[-1][0] in (EOF, ERR) and len(packets[-1]) < (9 if packets[-1][0] == EOF else 1 << 20):
                return packets

    def answer(self):
        """Each result: an error's (code, text), or (affected, None), or rows of bytes."""
        results = []
        while True:
            packet = self.receive()
            if packet[0] == ERR:
                return results + [(int.from_bytes(packet[1:3], "little"), packet[9:].decode())]
            if packet[0] == 0:
                affected, at = read_lenenc(packet, 1)
                status = struct.unpack_from("<H", packet, read_lenenc(packet, at)[1])[0]
                results.append(affected)
            else:
                self.rows()
                rows = self.rows()
                results.append(rows[:-1] if rows[-1][0] == EOF else [rows[-1]])
                if rows[-1][0] == ERR:
                    return results
                status = struct.unpack_from("<H", rows[-1], 3)[0]
            if not status & MORE_RESULTS:
                return results

    def ask(self, sql, *attributes, raw=None):
        """COM_QUERY with (name, value)s."""
        head = lenenc(len(attributes)) + b"\1" + values_of(attributes) if raw is None else raw
        self.send(bytes([COM_QUERY]) + head + sql.encode())
        return self.answer()

    def prepare(self, sql):
        """(id, parameters, columns), or an error."""
        self.send(bytes([COM_STMT_PREPARE]) + sql.encode())
        packet = self.receive()
        if packet[0] == ERR:
            return int.from_bytes(packet[1:3], "little"), packet[9:].decode()
        number, columns, parameters = struct.unpack_from("<IHH", packet, 1)
        for count in (parameters, columns):
            if count:
                self.rows()
        return number, parameters, columns

    def execute(self, statement, *values, flags=COUNTED, types=True):
        """Parameters and then attributes, each (name, value)."""
        self.send(struct.pack("<BIBI", COM_STMT_EXECUTE, statement, flags, 1) +
                  (lenenc(len(values)) + values_of(values, types) if values or flags & COUNTED else b""))
        return self.answer()

    def long_data(self, statement, parameter, data):
        self.send(struct.pack("<BIH", COM_STMT_SEND_LONG_DATA, statement, parameter) + data)


@pytest.fixture(scope="module")
def component(server):
    """The server's function that shows an attribute."""
    if server.family == "mysql":
        server.query("INSTALL COMPONENT 'file://component_query_attributes'")
    yield
    if server.family == "mysql":
        server.query("UNINSTALL COMPONENT 'file://component_query_attributes'")


@pytest.fixture
def sides(server, component, shop_twin):
    """(Shop, Twin, connection to the server, connection to the proxy), on twins."""
    behind, twin = shop_twin(20, 20)
    direct = Attributed(server.port, twin.names["direct"])
    proxied = Attributed(behind.proxy.port, twin.names["proxied"])
    yield behind, twin, direct, proxied
    direct.close()
    proxied.close()


STEPS = [("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",), ("cutover",)]


def phases(behind):
    yield "as begun"
    for step in STEPS:
        behind.each(*step)
        yield " ".join(step)


def attribute(name):
    return f"mysql_query_attribute_string('{name}')"


def same(direct, proxied, method, *arguments, **options):
    expected = getattr(direct, method)(*arguments, **options)
    assert getattr(proxied, method)(*arguments, **options) == expected, (method, arguments)
    return expected


def test_they_are_offered_as_the_server_does(server, shop_behind):
    behind = shop_behind(1, 1)
    offers = []
    for port in (server.port, behind.proxy.port):
        with Attributed(port, behind.database, more=0) as wire:
            offers.append(wire.offered & QUERY_ATTRIBUTES)
    assert offers[0] == offers[1] == (QUERY_ATTRIBUTES if server.family == "mysql" else 0)


@pytest.mark.only("mariadb", reason="MySQL offers query attributes")
def test_a_client_that_asks_though_they_are_not_offered(shop_behind):
    """MariaDB does not look at the bit; neither may the proxy."""
    behind = shop_behind(3, 3)
    behind.walk("dual-write")
    with Attributed(behind.proxy.port, behind.database) as wire:
        assert wire.ask("UPDATE users SET fullname = 'Ada Byron' WHERE id = 1", raw=b"") == [1]
        assert len(wire.ask("SELECT fullname FROM users WHERE id = 1", raw=b"")[0]) == 1


@MYSQL
def test_texts_in_every_phase(sides):
    behind, twin, direct, proxied = sides
    for number, phase in enumerate(phases(behind), 1):
        every = [("name", f"Ünique {phase}"), ("number", number), ("none", None), ("", "unnamed"), ("much", "m" * 300)]
        shown = ", ".join(attribute(name) for name in ("name", "number", "none", "much", "other"))
        for attributes in [(), every[:1], every, [("n%d" % i, i) for i in range(300)] + every]:
            rows = same(direct, proxied, "ask", f"SELECT {shown}, fullname, visits FROM users WHERE id = {number}",
                        *attributes)
            assert (b"\xc3\x9cnique" in rows[0][0]) == bool(attributes)
            same(direct, proxied, "ask", f"SELECT {shown}", *attributes)
            assert same(direct, proxied, "ask", f"UPDATE users SET fullname = 'Name {phase}', visits = visits + 1 "
                        f"WHERE id = {number}", *attributes) == [1]
            same(direct, proxied, "ask", "INSERT INTO orders (user_id, amount, note) VALUES (1, 2.50, 'a''b')", *attributes)
    twin.check_tables()


@MYSQL
def test_executions_in_every_phase(sides):
    """Prepared once. In the last one the parameter is repeated by the rewriting, the attributes are not."""
    behind, twin, direct, proxied = sides
    texts = {
        "read": f"SELECT {attribute('name')}, fullname FROM users WHERE id = ?",
        "write": "UPDATE users SET fullname = ?, visits = ? WHERE id = ?",
        "none": f"SELECT {attribute('name')}, COUNT(fullname) FROM users",
        "repeated": "UPDATE users SET fullname = ?, visits = visits + ? WHERE id IN (SELECT user_id FROM orders WHERE id = ?)",
    }
    ids = {name: (direct.prepare(text), proxied.prepare(text)) for name, text in texts.items()}
    assert all(one[1:] == other[1:] for one, other in ids.values())

    def both(name, *values, **options):
        results = [wire.execute(statement[0], *values, **options)
                   for wire, statement in zip((direct, proxied), ids[name])]
        assert results[0] == results[1], (name, values)
        return results[0]

    for number, phase in enumerate(phases(behind), 1):
        traced = [("name", f"t {phase}"), ("nothing", None), ("x", 1.5)]
        assert f"t {phase}".encode() in both("read", ("", number), *traced)[0][0]
        assert both("write", ("", f"One {number}"), ("p", number), ("", number), *traced) == [1]
        assert f"t {phase}".encode() in both("none", *traced)[0][0]
        both("none")
        both("none", flags=0)
        both("read", ("id", number), flags=0)
        assert both("repeated", ("a", f"Two {number}"), ("", 3), ("c", number), *traced) == [1]
        both("repeated", ("", f"Three {number}"), ("", 4), ("", number))
        # The types are known from before: names and attributes cannot come without them.
        both("repeated", ("", f"Four {number}"), ("", 5), ("", number), types=False)
        both("read", ("", None), *traced)
    twin.check_tables()


@MYSQL
def test_long_data_and_cursors(sides):
    behind, twin, direct, proxied = sides
    behind.walk("cutover")
    for number, text in enumerate(["UPDATE users SET fullname = ? WHERE id = ?",
                                   "UPDATE users SET fullname = ? WHERE id = (SELECT MIN(user_id) FROM orders WHERE user_id = ?)"], 7):
        for wire in (direct, proxied):
            statement = wire.prepare(text)[0]
            for piece in (b"Grace", b" ", b"Hopper"):
                wire.long_data(statement, 0, piece)
            assert wire.execute(statement, ("", ...), ("", number), ("name", "x")) == [1]
    fetched = []
    for wire in (direct, proxied):
        statement = wire.prepare(f"SELECT id, fullname, {attribute('name')} FROM users WHERE id < ? ORDER BY id")[0]
        wire.send(struct.pack("<BIBI", COM_STMT_EXECUTE, statement, COUNTED | CURSOR, 1) + lenenc(2) +
                  values_of([("", 6), ("name", "cursor")]))
        wire.receive()
        wire.rows()
        wire.send(struct.pack("<BII", COM_STMT_FETCH, statement, 3))
        first = wire.rows()[:-1]
        assert wire.ask("SELECT 1") != []
        wire.send(struct.pack("<BII", COM_STMT_FETCH, statement, 9))
        fetched.append((first, wire.rows()[:-1]))
        # And without one, with the flag that says no more than that there is a count.
        fetched[-1] += (wire.execute(statement, ("", 3), ("name", "none")),)
    assert fetched[0] == fetched[1] and len(fetched[0][0]) == 3 and len(fetched[0][1]) == 2
    twin.check_tables()


@MYSQL
def test_the_proxys_own_commands(sides):
    """They go over the same connection, and are of the form that was agreed on: modes, values, texts prepared anew."""
    behind, twin, direct, proxied = sides
    behind.walk("dual-write")
    name = ("name", "own")
    for sql in ["SET sql_mode = 'ANSI_QUOTES'", 'SELECT "fullname" FROM "users" WHERE "id" = 2',
                "SET @sql = 'SELECT fullname FROM users WHERE id = ?', @id = 3", "PREPARE s FROM @sql",
                "EXECUTE s USING @id", "SET NAMES latin1", "SELECT fullname FROM users WHERE id = 1",
                "SELEC fullname FROM users", "SELECT fullname FROM users WHERE id = ?", "SET NAMES utf8mb4",
                "BEGIN", "INSERT INTO users (id, email) VALUES (1, 'twice@x')", "COMMIT"]:
        same(direct, proxied, "ask", sql, name)
    statements = [wire.prepare("SELECT fullname FROM users WHERE id = ?")[0] for wire in (direct, proxied)]
    same(direct, proxied, "ask", "SET sql_mode = DEFAULT")
    for step in [("backfill",), ("verify",), ("cutover",)]:
        behind.each(*step)
    assert direct.execute(statements[0], ("", 4), name) == proxied.execute(statements[1], ("", 4), name)
    same(direct, proxied, "ask", "EXECUTE s USING @id", name)
    twin.check_tables()


@MYSQL
def test_several_statements(sides):
    behind, twin, direct, proxied = sides
    behind.walk("dual-write")
    same(direct, proxied, "ask", f"SELECT {attribute('a')}; UPDATE users SET fullname = 'x y' WHERE id = 1; "
         f"SELECT fullname, {attribute('a')} FROM users WHERE id = 1", ("a", "b"))
    sent = [("SELECT fullname FROM users WHERE id = %d" % i, ("a", "b" * i)) for i in range(1, 9)]
    answers = []
    for wire in (direct, proxied):  # without waiting
        wire.socket.sendall(b"".join(wire.frame(bytes([COM_QUERY]) + b"\1\1" + values_of([one]) + sql.encode())
                                     for sql, one in sent))
        answers.append([])
        for _ in sent:
            wire.sequence = 1
            answers[-1].append(wire.answer())
    assert answers[0] == answers[1]
    twin.check_tables(drift=False)


@MYSQL
def test_large_texts(server, sides):
    """A rewritten INSERT that takes the client's buffer, one that is split, and attributes of some megabytes."""
    behind, twin, direct, proxied = sides
    server.query("SET GLOBAL max_allowed_packet = 64 << 20")
    behind.walk("dual-write")
    direct.close()
    with Attributed(server.port, twin.names["direct"]) as direct, \
            Attributed(behind.proxy.port, twin.names["proxied"]) as proxied:
        for rows, comment, attributes in [(30000, 0, [("name", "large")]), (30000, 0, []),
                                          (9, 17 << 20, [("name", "larger"), ("n", 5)]),
                                          (9, 0, [("name", "l" * (3 << 20))])]:
            sql = f"INSERT INTO users /* {'c' * comment} */ (email, fullname, visits) VALUES " + ", ".join(
                f"('{comment}.{len(attributes)}.{i}@x', '{'First' * 11}{i:08d} {'Last' * 9}', {i})" for i in range(rows))
            assert same(direct, proxied, "ask", sql, *attributes) == [rows]
            server.query(f"DELETE FROM {twin.names['direct']}.users WHERE id > 20")
            server.query(f"DELETE FROM {twin.names['proxied']}.users WHERE id > 20")
        assert same(direct, proxied, "ask", "SELECT COUNT(*), MAX(fullname) FROM users", ("name", "x"))
    twin.check_tables(drift=False)


@MYSQL
def test_names_that_fill_more_than_one_packet(sides):
    """The types stand among them; they are remembered for the execution that comes without, behind a flip."""
    behind, twin, direct, proxied = sides
    behind.walk("dual-write")
    names = [(f"{i}" * (4 << 20), i) for i in range(5)]
    text = f"SELECT fullname, visits, {attribute('name')} FROM users WHERE id = ? AND email <> ?"
    ids = [wire.prepare(text)[0] for wire in (direct, proxied)]

    def both(*values, **options):
        results = [wire.execute(one, *values, **options) for wire, one in zip((direct, proxied), ids)]
        assert results[0] == results[1]
        return results[0]

    assert len(both(("", 1), ("", "x"), *names, ("name", "seen"))[0]) == 1
    for step in [("backfill",), ("verify",), ("cutover",)]:
        behind.each(*step)
    assert len(both(("", 2), ("", "x"), types=False)[0]) == 1
    assert len(both(("", 3), ("", "x"), *names)[0]) == 1
    proxied.socket.sendall(b"".join(proxied.frame(b"\x03\x00\x01DO 1") for _ in range(2)))
    for _ in range(2):
        proxied.sequence = 1
        assert proxied.answer() == [0]
    twin.check_tables()


@MYSQL
def test_mysqls_own_client(server, sides):
    """Its command query_attributes, before texts that are passed and rewritten, one and several."""
    behind, twin, *_ = sides

    def told(port, database, text):
        words = ["mysql", "--no-defaults", "--host=127.0.0.1", "--protocol=tcp", f"--port={port}", "--user=app",
                 f"--password={APP_PASSWORD}", "--get-server-public-key", "--commands", "--batch", "--skip-column-names", database]
        done = subprocess.run(server.line.tool(words), input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for number, phase in enumerate(phases(behind), 1):
        with_both = f"query_attributes name Ünique{number} other '{phase}'\n"
        read = f"SELECT {attribute('name')}, {attribute('other')}, fullname, visits FROM users WHERE id = {number};"
        write = f"UPDATE users SET fullname = CONCAT('Name ', {attribute('name')}), visits = visits + 1 WHERE id = {number};"
        text = f"{with_both}{read}\n{read}\n{with_both}{write}\n{read}\ndelimiter //\n{with_both}DO 1; {read} {read}//\n"
        expected = told(server.port, twin.names["direct"], text)
        assert told(behind.proxy.port, twin.names["proxied"], text) == expected
        assert expected.count(f"Name Ünique{number}\t") == 3
    twin.check_tables()


HEADS = [b"", b"\0", b"\0\2", b"\1\1", b"\1\1\0", b"\1\1\0\0", b"\xfb\1", b"\xff\1",
         b"\1\1\0\1\xfe\0\xfe" + b"\xff" * 8, b"\1\1\0\1\3\0\1n", b"\xfd\0\0\1\1" + b"\0" * 70000]


@MYSQL
def test_what_is_malformed(sides):
    """Where the text begins cannot be told: the same error as the server's, and the session lives on."""
    behind, twin, direct, proxied = sides
    behind.walk("dual-write")
    for raw in HEADS:
        assert same(direct, proxied, "ask", "" if len(raw) < 2 else "x", raw=raw)[0][0] == MALFORMED, raw[:20]
        same(direct, proxied, "ask", "UPDATE users SET fullname = 'a b' WHERE id = 1", ("name", "x"))
    twin.check_tables(drift=False)


@MYSQL
def test_mistakes(sides):
    behind, twin, direct, proxied = sides
    behind.walk("cutover")
    assert same(direct, proxied, "ask", "SELEC fullname FROM users", ("name", "x"))[0][0] == SYNTAX
    assert same(direct, proxied, "ask", "SELECT fullname FROM users WHERE id = ?", ("name", "x"))[0][0] == SYNTAX
    assert same(direct, proxied, "ask", "SELECT fullname, nothing FROM users", ("name", "x"))[0][0] == 1054
    statement = [wire.prepare("SELECT fullname FROM users WHERE id = ? AND visits < ?")[0] for wire in (direct, proxied)]
    results = [wire.execute(one, ("", 1)) for wire, one in zip((direct, proxied), statement)]
    assert results[0] == results[1]  # too few
    twin.check_tables()


@MYSQL
def test_definitions_are_not_left_out(server, shop_behind):
    """CLIENT_OPTIONAL_METADATA: whoever has the server leave definitions out would read rows by those of before a flip. It
    is not offered, and a client that asks for it all the same gets answers as without."""
    optional = 1 << 25
    behind = shop_behind(3, 3)
    behind.walk("dual-write")
    with Attributed(server.port, behind.database, more=0) as wire:
        assert wire.offered & optional
    with Attributed(behind.proxy.port, behind.database, more=optional) as wire:
        assert not wire.offered & optional
        assert wire.query("SET resultset_metadata = NONE")[0] == ERR
        assert wire.query("SELECT fullname, id FROM users WHERE id = 1") == b"\x02"
        assert [packet[:4] for packet in wire.rows()[:2]] == [b"\x03def"] * 2
        assert len(wire.rows()) == 2
