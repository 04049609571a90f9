"""How results describe their columns, after cutover: an old column that comes from the new ones is described as the
server describes the old column, byte for byte, in the text and in the binary protocol."""

import dataclasses
import itertools
import struct
import threading

import pytest

from harness import Client, Migration, lines, wait_until
from harness.wire import CAPABILITIES, CLIENT_CONNECT_WITH_DB, Wire

MYSQL = lines.chosen().family == "mysql"

DEPRECATE_EOF, EXTENDED_METADATA, CACHE_METADATA = 1 << 24, 1 << 35, 1 << 36
PREPARE, EXECUTE, CLOSE = b"\x16", 0x17, 0x19
READ_ONLY_CURSOR = 1

SCHEMA = """
CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, amount DECIMAL(10,2) NOT NULL, state VARCHAR(20) NOT NULL,
  code CHAR(8) DEFAULT 'x', word VARCHAR(30) CHARACTER SET latin1, memo TEXT, kind ENUM('a','b') NOT NULL DEFAULT 'a',
  qty INT UNSIGNED, far BIGINT, ratio DOUBLE, born DATE, seen DATETIME(3) NOT NULL, doc JSON, bytes VARBINARY(16),
  UNIQUE KEY state (state), KEY amount (amount), KEY both_of (qty, born)) CHARSET=utf8mb4;
CREATE TABLE others (id INT PRIMARY KEY, v INT NOT NULL, amount DECIMAL(6,1)) CHARSET=utf8mb4;
INSERT INTO things (id, amount, state, code, word, memo, kind, qty, far, ratio, born, seen, doc, bytes) VALUES
  (1, 1.5, 'on', 'c', 'w', 'm', 'b', 3, 4, 0.5, '2024-02-29', '2024-02-29 10:11:12.5', '{"a": 1}', x'0102'),
  (2, 2.5, 'off', NULL, NULL, NULL, 'a', NULL, NULL, NULL, NULL, '2024-02-28 10:11:12', NULL, NULL);
INSERT INTO others VALUES (1, 10, 0.5), (3, 30, 1.5);
"""

# old column: (type of the new one, forward, backward)
COLUMNS = {
    "amount": ("BIGINT", "amount * 100", "CAST(cents / 100 AS DECIMAL(10,2))", "cents"),
    "state": ("VARCHAR(25)", "CONCAT('s:', state)", "SUBSTRING(n_state, 3)", "n_state"),
    "code": ("VARCHAR(9)", "CONCAT(code, '!')", "LEFT(n_code, CHAR_LENGTH(n_code) - 1)", "n_code"),
    "word": ("VARCHAR(40)", "REVERSE(word)", "REVERSE(n_word)", "n_word"),
    "memo": ("TEXT", "CONCAT(memo, '.')", "LEFT(n_memo, CHAR_LENGTH(n_memo) - 1)", "n_memo"),
    "kind": ("INT", "IF(kind = 'a', 1, 2)", "IF(n_kind = 1, 'a', 'b')", "n_kind"),
    "qty": ("BIGINT", "qty + 1", "n_qty - 1", "n_qty"),
    "far": ("BIGINT", "far * 2", "n_far DIV 2", "n_far"),
    "ratio": ("DOUBLE", "ratio * 2", "n_ratio / 2", "n_ratio"),
    "born": ("DATE", "born + INTERVAL 1 DAY", "n_born - INTERVAL 1 DAY", "n_born"),
    "seen": ("DATETIME(3)", "seen + INTERVAL 1 DAY", "n_seen - INTERVAL 1 DAY", "n_seen"),
    "doc": ("JSON", "IF(doc IS NULL, NULL, JSON_ARRAY(doc))", "JSON_EXTRACT(n_doc, '$[0]')", "n_doc") if MYSQL else
           ("TEXT", "CONCAT(doc, ' ')", "TRIM(n_doc)", "n_doc"),
    "bytes": ("VARBINARY(17)", "CONCAT(bytes, 'x')", "LEFT(n_bytes, LENGTH(n_bytes) - 1)", "n_bytes"),
}


def migrations(database):
    made = [Migration(f"m_{old}", f"{database}.things", old, new, types={new: kind}, forward={new: forward},
                      backward={old: backward})
            for old, (kind, forward, backward, new) in COLUMNS.items()]
    return made + [Migration("renamed", f"{database}.others", "v", "w", types={"w": "BIGINT"})]


@dataclasses.dataclass(frozen=True)
class Column:
    catalog: str
    schema: str
    table: str
    org_table: str
    name: str
    org_name: str
    extended: bytes
    charset: int
    length: int
    type: int
    flags: int
    decimals: int

    @staticmethod
    def parse(packet, extended, database):
        texts = []
        for _ in range(7 if extended else 6):
            length = packet[0]
            assert length < 251
            texts.append(packet[1:1 + length])
            packet = packet[1 + length:]
        assert packet[0] == 12 and len(packet) == 13 and packet[-2:] == b"\0\0"
        names = [text.decode(errors="replace").replace(database, "DATABASE") for text in texts[:6]]
        return Column(*names, texts[6] if extended else b"", *struct.unpack("<HIBHB", packet[1:11]))


class Described(Wire):
    """A connection that gives the definitions of results."""

    def __init__(self, port, database, capabilities=0):
        super().__init__(port)
        self.database, self.capabilities = database, capabilities
        greeting = self.receive()
        response = self.handshake_response(greeting, database=database)
        flags = (CAPABILITIES | CLIENT_CONNECT_WITH_DB | capabilities & 0xFFFFFFFF) & ~1
        self.send(struct.pack("<I", flags) + response[4:28] + struct.pack("<I", capabilities >> 32) + response[32:], 1)
        self.finish_login(None, None)
        self.modern = bool(capabilities & DEPRECATE_EOF)

    def definitions(self, count):
        columns = [Column.parse(self.receive(), bool(self.capabilities & EXTENDED_METADATA), self.database)
                   for _ in range(count)]
        if count and not self.modern:
            assert self.receive()[0] == 0xFE
        return columns

    def result(self, first, cursor=False):
        """(columns, rows) of one result; an error's code, or None for an OK."""
        if first[0] == 0xFF:
            return struct.unpack("<H", first[1:3])[0]
        if first[0] == 0:
            return None
        columns = self.definitions(first[0])
        if cursor and not self.modern:  # its EOF was behind the definitions
            return columns, []
        return columns, self.rows()

    def rows(self):
        rows = []
        while True:
            packet = self.receive()
            if packet[0] == 0xFE and len(packet) < 40:
                return rows
            rows.append(packet)

    def text(self, sql):
        return self.result(self.query(sql))

    def binary(self, sql, cursor=False):
        """What PREPARE tells, and what two executions do."""
        self.send(PREPARE + sql.encode())
        first = self.receive()
        if first[0] == 0xFF:
            return struct.unpack("<H", first[1:3])[0]
        statement, columns, parameters = struct.unpack("<IHH", first[1:9])
        for _ in range(parameters + (parameters > 0 and not self.modern)):
            self.receive()
        told = [self.definitions(columns)]
        for _ in range(2):
            self.send(struct.pack("<BIBI", EXECUTE, statement, READ_ONLY_CURSOR if cursor else 0, 1))
            told.append(self.result(self.receive(), cursor))
        self.send(struct.pack("<BI", CLOSE, statement))
        return told


@pytest.fixture(scope="module")
def twins(server):
    """A server with two databases, and a proxy over the second one after cutover."""
    from harness import Proxy
    names = "meta_direct", "meta_proxied"
    for name in names:
        server.query(f"CREATE DATABASE {name}")
        for statement in SCHEMA.split(";\n"):
            if statement.strip():
                with server.connect(database=name) as connection:
                    connection.cursor().execute(statement)
    moved = migrations(names[1])
    with Proxy(server, moved) as proxy:
        for migration in moved:
            proxy.walk(migration.name, "cutover")
        yield server, proxy
    for name in names:
        server.query(f"DROP DATABASE {name}")


@pytest.fixture
def pair(twins):
    """Makes a direct and a proxied connection of the same capabilities."""
    opened = []

    def make(capabilities=0):
        server, proxy = twins
        two = [Described(server.port, "meta_direct", capabilities), Described(proxy.port, "meta_proxied", capabilities)]
        opened.extend(two)
        for one in two:
            one.query("SET sql_mode = ''")  # or MySQL selects no column beside COUNT(*)
        return two

    yield make
    for one in opened:
        one.close()


# These are described alike, the flags of keys included, which a plan with a temporary table loses.
STATEMENTS = [
    "SELECT * FROM things",
    "SELECT t.* FROM things t",
    "SELECT x.*, o.* FROM things AS x, others AS o WHERE o.id = x.id",
    f"SELECT {', '.join(COLUMNS)} FROM things",
    "SELECT (amount), +state, amount AS a, state b, id FROM things WHERE id = 1",
    "SELECT amount, id, UPPER('x'), state FROM things ORDER BY id",
    "SELECT amount, state FROM things ORDER BY state DESC LIMIT 1",
    "SELECT amount, state FROM things WHERE 1 = 0",
    "SELECT amount, COUNT(*) FROM things",
    "SELECT v, things.amount, o.amount FROM others o JOIN things ON o.id = things.id",
    "SELECT t.amount, t.state, o.v FROM things t LEFT JOIN others o ON o.id = t.id",
    "SELECT t.amount, t.state, o.v FROM others o LEFT JOIN things t ON o.id = t.id",
    "SELECT t.amount, t.state, o.v FROM things t RIGHT JOIN others o ON o.id = t.id",
    "SELECT a.amount, b.state FROM things a, things b WHERE a.id = b.id",
    "(SELECT amount, state FROM things)",
    "(SELECT amount, state FROM things) LIMIT 1",
    "SELECT t.amount, ROW_NUMBER() OVER (ORDER BY t.id) FROM things t",
    "SELECT amount, RANK() OVER w FROM things WINDOW w AS (ORDER BY amount)",
    "SELECT amount, state FROM things WINDOW w AS (ORDER BY id)",
    "SELECT SQL_CALC_FOUND_ROWS amount, state FROM things LIMIT 1",
    "SELECT amount, (SELECT MAX(id) FROM others) FROM things FOR UPDATE",
    "SELECT meta.things.amount FROM (SELECT 1) x, things AS meta LIMIT 0",
    "SELECT things.amount AS `a b`, state AS ' c' FROM things",
    "SELECT AMOUNT, Things.`State`, code FROM things AS Things",
    "WITH c AS (SELECT 1 AS one) SELECT amount, one FROM things, c",
    "SELECT v FROM others",
    "SELECT SQL_BUFFER_RESULT amount, state FROM things",
    "SELECT amount, state FROM things ORDER BY -id",
    "SELECT amount, memo, doc FROM things ORDER BY UPPER(state)",
    "SELECT t.amount, t.state, o.v FROM things t, others o ORDER BY o.v, t.id",
    "SELECT t.amount, t.born FROM others o JOIN things t ON o.id = t.id ORDER BY t.qty",
    "SELECT amount, state FROM things WHERE id IN (SELECT id FROM others WHERE v > 0) ORDER BY born, id",
    "SELECT amount, state FROM things NATURAL JOIN others",
    "SELECT t.amount, state, o.amount FROM things t JOIN others o USING (amount)",
    "SELECT amount, t.amount, id FROM others o LEFT JOIN things t USING (amount)",
    "SELECT * FROM things NATURAL JOIN others",
    "SELECT * FROM things t LEFT JOIN others o USING (id, amount)",
    "SELECT t.amount, ROW_NUMBER() OVER (ORDER BY t.born, o.id) FROM things t, others o ORDER BY t.born, o.v",
]
CHANGING = [] if MYSQL else [
    "INSERT INTO others (id, v) VALUES (77, 1) RETURNING *",
    "DELETE FROM others WHERE id = 77 RETURNING v, id",
    "DELETE FROM others WHERE id = 77 RETURNING *",
]

# Old columns through a derived table or a CTE: the server may merge it or keep it apart, which is described otherwise.
DERIVED = [
    "SELECT amount FROM (SELECT amount FROM things) d",
    "SELECT * FROM (SELECT * FROM others) d",
    "SELECT * FROM (SELECT amount, state, code, word, memo, kind, far, ratio, doc, bytes FROM things t) d",
    "SELECT * FROM (SELECT * FROM things LIMIT 5) d",
    "SELECT d.amount AS z, d.x, s AS y FROM (SELECT amount, id AS x, state s FROM things t) d",
    "SELECT d.amount AS z, d.x, s AS y FROM (SELECT amount, id AS x, state s FROM things ORDER BY id LIMIT 3) d",
    "SELECT d.amount, d.state, o.v FROM others o LEFT JOIN (SELECT * FROM things) d ON d.id = o.id",
    "SELECT d.amount, d.state FROM (SELECT t.amount, t.state FROM others o LEFT JOIN things t ON o.id = t.id) d",
    "SELECT amount, state FROM (SELECT amount, state FROM things WHERE id IN (SELECT id FROM others)) d",
    "WITH c AS (SELECT amount, state FROM things) SELECT * FROM c",
    "WITH c AS (SELECT amount, state FROM things LIMIT 3) SELECT *, 1 FROM c",
    "WITH c AS (SELECT * FROM things) SELECT a.amount, b.state FROM c a JOIN c b ON a.id = b.id",
] + ([] if MYSQL else [
    "SELECT amount, state FROM (SELECT * FROM things) d ORDER BY id LIMIT 1",
    "SELECT amount, state FROM (SELECT amount, state, LENGTH(state) AS r FROM things LIMIT 2) d ORDER BY r",
])

# Groups of an expression have other plans than those of a column; and MariaDB does not show which plan it was.
PLANNED = [
    "SELECT DISTINCT amount, state FROM things",
    "SELECT amount, COUNT(*) FROM things GROUP BY amount",
    "SELECT state, amount FROM things GROUP BY state, amount HAVING COUNT(*) > 0 ORDER BY NULL",
    "SELECT amount, state FROM things ORDER BY RAND()",
    "SELECT amount, RANK() OVER (PARTITION BY amount ORDER BY state) FROM things GROUP BY amount, state",
]
KEYS, TYPE_FLAGS = 0x400E, 0x8DF0


def without_keys(answer):
    """Without the flags of keys, and without what is no column."""
    if isinstance(answer, list):
        return [without_keys(item) for item in answer if not isinstance(item, Column) or item.table]
    if isinstance(answer, tuple):
        return tuple(without_keys(item) for item in answer)
    return dataclasses.replace(answer, flags=answer.flags & ~KEYS) if isinstance(answer, Column) else answer


def without_sizes(answer):
    """Without the types of integers, what belongs to them, and rows."""
    if isinstance(answer, list):
        return [without_sizes(item) for item in answer]
    if isinstance(answer, tuple):
        return without_sizes(answer[0])
    if isinstance(answer, Column) and answer.type in (3, 8):
        return dataclasses.replace(answer, type=8, length=0, flags=answer.flags & ~TYPE_FLAGS)
    return answer


def shown(answer):
    """For the eye: the columns of an answer, one a line."""
    if isinstance(answer, (list, tuple)):
        return [line for item in answer for line in shown(item)]
    return [str(answer)] if isinstance(answer, Column) else []


def assert_same(direct, proxied, why):
    assert shown(proxied) == shown(direct), why
    assert proxied == direct, why


CAPABILITIES_AGREED = [0, DEPRECATE_EOF] + ([] if MYSQL else [EXTENDED_METADATA, DEPRECATE_EOF | EXTENDED_METADATA])


@pytest.mark.parametrize("capabilities", CAPABILITIES_AGREED)
def test_text(pair, capabilities):
    direct, proxied = pair(capabilities)
    for sql in STATEMENTS + CHANGING:
        assert_same(direct.text(sql), proxied.text(sql), sql)


@pytest.mark.parametrize("capabilities", CAPABILITIES_AGREED)
@pytest.mark.parametrize("cursor", [False, True])
def test_binary(pair, capabilities, cursor):
    """A number of another size keeps its type, or its rows could not be read. (MariaDB 10.11 crashes where a cursor is
    asked for over RETURNING.)"""
    direct, proxied = pair(capabilities)
    for sql in STATEMENTS + ([] if cursor else CHANGING[1:]):
        expected, got = direct.binary(sql, cursor), proxied.binary(sql, cursor)
        assert_same(without_sizes(expected), without_sizes(got), sql)
        assert "v" in sql or "qty" in sql or "*" in sql or got == expected, sql


@pytest.mark.parametrize("merge", ["on", "off"])
def test_derived_tables(pair, merge):
    """Whether a column has keys is not shown by a date on MySQL, nor by a column that was renamed."""
    direct, proxied = pair(DEPRECATE_EOF)
    for one in (direct, proxied):
        one.query(f"SET optimizer_switch = 'derived_merge={merge}'")
    for sql in DERIVED:
        expected, got = direct.text(sql), proxied.text(sql)
        assert MYSQL and "*" in sql or got == expected, sql
        assert_same(without_keys(expected), without_keys(got), sql)
        expected, got = [[told[0]] + [answer[0] for answer in told[1:]] for told in (direct.binary(sql), proxied.binary(sql))]
        assert_same(without_sizes(without_keys(expected)), without_sizes(without_keys(got)), sql)


def test_plans(pair):
    """All but the flags of keys, which the plan decides over."""
    direct, proxied = pair(DEPRECATE_EOF)
    for sql in PLANNED:
        assert_same(without_keys(direct.text(sql)[0]), without_keys(proxied.text(sql)[0]), sql)
        expected, got = [[told[0]] + [answer[0] for answer in told[1:]] for told in (direct.binary(sql), proxied.binary(sql))]
        assert_same(without_sizes(without_keys(expected)), without_sizes(without_keys(got)), sql)


CHARSETS = ["utf8mb4", "utf8mb3", "latin1", "cp1251", "gbk", "sjis", "ascii"]


@pytest.mark.parametrize("charset", CHARSETS)
def test_lengths_follow_the_results_character_set(pair, charset):
    direct, proxied = pair()
    for one in (direct, proxied):
        one.query(f"SET character_set_results = {charset}")
    assert_same(direct.text("SELECT * FROM things"), proxied.text("SELECT * FROM things"), charset)


def test_names_in_two_byte_characters_are_left_alone(pair):
    """character_set_results = utf16: nobody sends names so but the server."""
    _, proxied = pair()
    proxied.query("SET character_set_results = utf16")
    columns, rows = proxied.text("SELECT amount FROM things WHERE id = 1")
    assert columns[0].name == "\0a\0m\0o\0u\0n\0t" and not columns[0].table and len(rows) == 1


def test_rows_sorted_once_more(pair):
    """The server sorts a table of the rows, and tells of that: what it calls it is its own affair."""
    _, proxied = pair()
    for sql in ("(SELECT amount FROM things ORDER BY state LIMIT 2) ORDER BY amount",
                "((SELECT amount FROM things) LIMIT 2) LIMIT 1"):
        (column,), rows = proxied.text(sql)
        assert column.name == "amount" and column.org_table != "things" and not column.flags & KEYS and rows, sql


@pytest.mark.only("mysql", reason="JSON is a text elsewhere")
@pytest.mark.parametrize("charset", ["utf8mb4", "latin1"])
def test_json(server, database, proxy, charset):
    """A column of JSON is described as bytes, an expression as text; both are sent as text."""
    name = database()
    server.query(f"CREATE TABLE {name}.docs (id INT PRIMARY KEY, a JSON, b JSON NOT NULL, plain_a JSON, plain_b JSON NOT NULL)")
    server.query(f"INSERT INTO {name}.docs VALUES (1, '{{\"ä\": 1}}', '[2]', '{{\"ä\": 1}}', '[2]')")
    moved = [Migration("m_a", f"{name}.docs", "a", "n_a", types={"n_a": "JSON"}),
             Migration("m_b", f"{name}.docs", "b", "n_b", types={"n_b": "LONGTEXT"}, forward={"n_b": "b"},
                       backward={"b": "CAST(n_b AS JSON)"})]
    behind = proxy(moved)
    for migration in moved:
        behind.walk(migration.name, "cutover")
    with Described(behind.port, name) as wire:
        wire.query(f"SET character_set_results = {charset}")
        columns, (row,) = wire.text("SELECT a, b, plain_a, plain_b FROM docs")
        shown = [dataclasses.replace(column, name="", org_name="") for column in columns]
        assert shown[:2] == shown[2:] and columns[1].org_name == "b"
        assert row[:len(row) // 2] == row[len(row) // 2:]


def test_several_results_and_statements_with_a_name(pair):
    """Each result has its own columns; EXECUTE's are those of the statement that it runs."""
    direct, proxied = pair()
    told = []
    for one in (direct, proxied):
        one.query("PREPARE s FROM 'SELECT amount, state FROM things WHERE id = ?'")
        one.query("SET @one = 1")
        first = one.query("SELECT id, amount FROM things; SELECT 1; EXECUTE s USING @one;"
                          " SELECT state, id FROM things ORDER BY id")
        told.append([one.result(first)] + [one.result(one.receive()) for _ in range(3)])
    assert_same(*told, "several results")
    assert_same(direct.text("EXECUTE s USING @one"), proxied.text("EXECUTE s USING @one"), "EXECUTE")


@pytest.fixture
def moved(server, database, proxy):
    """(proxy, database): the two tables after cutover."""
    name = database()
    with server.connect(database=name) as connection:
        for statement in filter(str.strip, SCHEMA.split(";\n")):
            connection.cursor().execute(statement)
    behind = proxy([migration for migration in migrations(name) if migration.name in ("m_amount", "renamed")])
    for migration in ("m_amount", "renamed"):
        behind.walk(migration, "cutover")
    return behind, name


def test_a_table_that_waits_to_be_altered_is_not_waited_for(server, moved):
    """The catalog is read after DDL of another table all the same; and the columns keep the description that they had."""
    behind, name = moved
    with Described(behind.port, name) as wire, server.connect(database=name) as reader, \
            server.connect(database=name) as altering:
        before = wire.text("SELECT amount FROM things")[0]
        assert before[0].table == "things"
        with reader.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM things")
        thread = threading.Thread(target=lambda: altering.cursor().execute("ALTER TABLE things COMMENT = 'c', FORCE"))
        thread.start()
        wait_until(lambda: server.query("SELECT id FROM information_schema.processlist WHERE db = %s AND state LIKE"
                                        " 'Waiting for table metadata lock'", name), what="ALTER to wait")
        assert wire.query("ALTER TABLE others ADD COLUMN more INT")[0] == 0
        columns, _ = wire.text("SELECT * FROM others")
        reader.commit()
        thread.join()
        assert [column.name for column in columns] == ["id", "v", "amount", "more"]
        assert wire.text("SELECT amount FROM things")[0] == before


caches = pytest.mark.only("mariadb", reason="MySQL's clients keep no definitions")


@pytest.mark.parametrize("capabilities", [0, pytest.param(CACHE_METADATA, marks=caches), pytest.param(
    CACHE_METADATA | DEPRECATE_EOF | EXTENDED_METADATA, marks=caches)])
def test_prepared_before_the_flip(server, database, proxy, capabilities):
    """A statement that the proxy prepares anew tells of its columns what it told at first."""
    name = database()
    with server.connect(database=name) as connection:
        for statement in filter(str.strip, SCHEMA.split(";\n")):
            connection.cursor().execute(statement)
    moved = [migration for migration in migrations(name) if migration.name in ("m_amount", "m_state")]
    behind = proxy(moved)
    for migration in moved:
        behind.walk(migration.name, "verify")
    with Described(behind.port, name, capabilities) as wire:
        wire.send(PREPARE + b"SELECT * FROM things WHERE id = 1")
        statement, columns, _ = struct.unpack("<IHH", wire.receive()[1:9])
        told = wire.definitions(columns)
        for command in (None, "cutover", None, "rollback", None):
            for migration in moved if command else []:
                behind.ctl(command, migration.name)
            wire.send(struct.pack("<BIBI", EXECUTE, statement, 0, 1))
            first = wire.receive()
            follow = not capabilities & CACHE_METADATA or first[1] == 1
            if not follow and not wire.modern:
                assert wire.receive()[0] == 0xFE
            described = wire.result(first[:1]) if follow else ([], wire.rows())
            assert described[0] in (told, []) and len(described[1]) == 1


@caches
@pytest.mark.parametrize("capabilities", [CACHE_METADATA, CACHE_METADATA | DEPRECATE_EOF | EXTENDED_METADATA])
def test_a_client_that_keeps_definitions_is_told_of_others(moved, capabilities):
    """v is an INT, and a BIGINT comes for it after cutover: rows are read by what was told last."""
    behind, name = moved
    with Described(behind.port, name, capabilities) as wire:
        behind.ctl("rollback", "renamed")
        wire.send(PREPARE + b"SELECT v, id FROM others WHERE id IN (1, 3) ORDER BY id")
        statement, columns, _ = struct.unpack("<IHH", wire.receive()[1:9])
        told, kinds = wire.definitions(columns), []
        for command in ("cutover", None, "rollback", "cutover", None, None):
            if command:
                behind.ctl(command, "renamed")
            wire.send(struct.pack("<BIBI", EXECUTE, statement, 0, 1))
            first = wire.receive()
            if first[1]:
                told, rows = wire.result(first[:1])
            else:
                assert command is None and (wire.modern or wire.receive()[0] == 0xFE)
                rows = wire.rows()
            row = struct.Struct("<" + "".join({3: "i", 8: "q"}[column.type] for column in told))
            assert [row.unpack(packet[2:]) for packet in rows] == [(10, 1), (30, 3)]
            assert [(column.table, column.name) for column in told] == [("others", "v"), ("others", "id")]
            kinds.append(told[0].type)
        assert kinds == [8, 8, 3, 8, 8, 8]


def test_the_connector_reads_what_comes_after_a_flip(moved):
    behind, name = moved
    with Client(port=behind.port, database=name) as client:
        behind.ctl("rollback", "renamed")
        client.check("prepare", "s", "SELECT v, id, amount FROM others WHERE id = ?")
        for command in (None, "cutover", None, "rollback", None):
            if command:
                behind.ctl(command, "renamed")
            assert [line for line in client.check("execute", "s", "int:3") if line[0] == "R"] == [["R", "30", "3", "1.5"]]


@caches
@pytest.mark.parametrize("size", [1, 17 << 20])
def test_rows_behind_definitions_that_were_put_in(moved, size):
    """Packets behind them are counted on; a row beyond 16 MiB is several."""
    behind, name = moved
    with Described(behind.port, name, CACHE_METADATA) as wire:
        behind.ctl("rollback", "renamed")
        wire.send(PREPARE + f"SELECT v, REPEAT('x', {size}) AS text FROM others ORDER BY id".encode())
        statement, columns, _ = struct.unpack("<IHH", wire.receive()[1:9])
        wire.definitions(columns)
        behind.ctl("cutover", "renamed")
        wire.send(struct.pack("<BIBI", EXECUTE, statement, 0, 1))
        first = wire.receive()
        assert first == b"\x02\x01"
        assert [column.type for column in wire.definitions(columns)][0] == 8
        rows = [wire.receive() for _ in range(3)]
        assert [row[-size:] for row in rows[:2]] == [b"x" * size] * 2 and rows[2][0] == 0xFE
        assert [struct.unpack("<q", row[2:10])[0] for row in rows[:2]] == [10, 30]
