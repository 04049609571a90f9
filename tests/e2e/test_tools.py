"""The tools of the server's own client package, and what of the protocol only they and few connectors use: the same
through the proxy, with and without a migration."""

import struct
import subprocess

import pytest

from harness import Server, shop, wait_until
from harness.server import APP_PASSWORD, APP_USER
from harness.wire import CAPABILITIES, Wire

MARIADB_S = pytest.mark.only("mariadb", reason="an extended capability of MariaDB's, which MySQL does not have")

# The reader of binary logs is the server's own: another line's may not know its events. MySQL's package of the server has
# no other tool, and is asked by MariaDB's of this machine.
BINLOG = {"mariadb": ["mariadb-binlog", "--skip-ssl"],
          "mysql": ["mysqlbinlog", "--ssl-mode=DISABLED", "--get-server-public-key"]}

CACHE_METADATA, PROGRESS = 1 << 36, 1 << 32
LAST = 0xFFFFFFFF  # the statement that was prepared last


@pytest.fixture(scope="module")
def logging():
    """A server with a binary log and with the instruments that see connection attributes."""
    with Server("log_bin=bin", "server_id=7", "performance_schema=ON") as one:
        shop.create(one, "shop", 200, 100)
        one.query("CREATE PROCEDURE shop.p() SELECT 1")
        one.query("CREATE VIEW shop.v AS SELECT id, email FROM shop.users")
        yield one


@pytest.fixture
def ports(logging, proxy):
    """The server itself, a plain relay, and a proxy with migrations in expand."""
    relay, migrating = proxy(backend=f"127.0.0.1:{logging.port}"), proxy(shop.migrations("shop"),
                                                                         backend=f"127.0.0.1:{logging.port}")
    return [logging.port, relay.port, migrating.port]


def command(server, tool, port, *options):
    """In clear: MariaDB's tools of 11.4 and later ask for TLS by themselves, which the proxy here does not have."""
    program, *secure = BINLOG[server.family] if tool == "binlog" else [tool, "--skip-ssl"]
    words = [program, "--no-defaults", "--host=127.0.0.1", "--protocol=tcp", f"--port={port}", f"--user={APP_USER}",
             f"--password={APP_PASSWORD}", *secure, *options]
    return server.line.tool(words) if tool == "binlog" or server.family == "mariadb" else words


def run(*words):
    done = subprocess.run(command(*words), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tool, options", [
    ("mariadb-dump", ["--databases", "shop", "--routines", "--events", "--single-transaction", "--skip-dump-date"]),
    pytest.param("mariadb-dump", ["--databases", "shop", "--single-transaction", "--master-data=2", "--skip-dump-date"],
                 marks=pytest.mark.only("mariadb", reason="MariaDB's tool asks for it by SHOW MASTER STATUS, gone from MySQL")),
    ("mariadb-dump", ["shop", "users", "--where=id < 50", "--xml", "--hex-blob", "--skip-dump-date"]),
    ("binlog", ["--read-from-remote-server", "--to-last-log", "bin.000001"]),
    ("binlog", ["--read-from-remote-server", "--base64-output=decode-rows", "--verbose", "bin.000001"]),
    ("mariadb-check", ["--databases", "shop"]), ("mariadb-show", ["--verbose", "shop"]),
    ("mariadb", ["--table", "-e", "USE shop; SELECT * FROM users LIMIT 3; SHOW CREATE VIEW v; CALL p()"]),
    ("mariadb", ["-e", "SELECT attr_name, attr_value FROM performance_schema.session_connect_attrs WHERE processlist_id = "
                       "CONNECTION_ID() AND attr_name NOT IN ('_pid', '_server_host') ORDER BY attr_name"]),
])
def test_the_servers_own_tools(logging, ports, tool, options):
    direct, *proxied = [run(logging, tool, port, *options) for port in ports]
    assert len(direct) > 60
    assert proxied == [direct, direct]


def test_a_replica_reads_on_while_events_come(logging, ports):
    """--stop-never: the stream has no end; what is written meanwhile arrives."""
    who, status = {"mariadb": ("--stop-never-slave-server-id", "SHOW MASTER STATUS"),
                   "mysql": ("--connection-server-id", "SHOW BINARY LOG STATUS")}[logging.family]
    readers = [subprocess.Popen(command(logging, "binlog", port, "--read-from-remote-server", "--stop-never",
                                        f"{who}={100 + number}", "--raw",
                                        f"--result-file={logging.directory}/raw{number}-", "bin.000001"))
               for number, port in enumerate(ports)]
    try:
        for number in range(3):
            logging.query(f"UPDATE shop.users SET visits = {number + 1000} WHERE id = 1")
        position = logging.query(status)[0][1]
        for number in range(len(ports)):
            file = logging.directory / f"raw{number}-bin.000001"
            wait_until(lambda: file.exists() and file.stat().st_size >= position, what="the events to arrive")
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert len({(logging.directory / f"raw{number}-bin.000001").read_bytes()[:position]
                for number in range(len(ports))}) == 1


def login(port, extended):
    """A Wire with MariaDB's extended capabilities."""
    wire = Wire(port)
    greeting = wire.receive()
    response = wire.handshake_response(greeting, database="shop")
    flags = (CAPABILITIES | 8) & ~1  # CONNECT_WITH_DB; CLIENT_MYSQL clear: the extended ones count
    wire.send(struct.pack("<I", flags) + response[4:28] + struct.pack("<I", extended >> 32) + response[32:], 1)
    assert wire.receive()[0] == 0
    return wire


@MARIADB_S
def test_metadata_is_left_out_when_the_client_has_it(ports):
    """MARIADB_CLIENT_CACHE_METADATA: executed again, a statement's columns are not described again."""
    seen = []
    for port in ports:
        with login(port, CACHE_METADATA) as wire:
            wire.send(b"\x16SELECT id, fullname FROM users WHERE id < 4 ORDER BY id")
            prepared = [wire.receive() for _ in range(1 + 2 + 1)]
            packets = []
            for _ in range(3):
                wire.send(struct.pack("<BIBI", 0x17, LAST, 0, 1))
                packets.append([])
                while sum(1 for packet in packets[-1] if packet[0] == 0xFE and len(packet) < 9) < 2:
                    packets[-1].append(wire.receive())
            seen.append((prepared[1:], packets))
    assert seen[0][1][0][0] == b"\x02\0", "this server leaves them out"
    assert seen[1:] == [seen[0], seen[0]]


@MARIADB_S
def test_metadata_comes_again_when_a_flip_has_changed_the_statement(shop_behind):
    behind = shop_behind(users=10, orders=5)
    behind.walk("verify")
    with Wire(behind.proxy.port) as wire:
        greeting = wire.receive()
        response = wire.handshake_response(greeting, database=behind.database)
        wire.send(struct.pack("<I", (CAPABILITIES | 8) & ~1) + response[4:28] + struct.pack("<I", CACHE_METADATA >> 32) +
                  response[32:], 1)
        assert wire.receive()[0] == 0
        wire.send(b"\x16SELECT id, fullname FROM users WHERE id < 4 ORDER BY id")
        [wire.receive() for _ in range(4)]
        rows = []
        for command in (None, "cutover", None, "rollback", None):
            if command:
                behind.ctl(command, "users_name")
            wire.send(struct.pack("<BIBI", 0x17, LAST, 0, 1))
            packets = []
            while sum(1 for packet in packets if packet[0] == 0xFE and len(packet) < 9) < 2:
                packets.append(wire.receive())
            columns = sum(1 for packet in packets if packet[1:4] == b"def")
            assert (packets[0], columns) in ((b"\x02\0", 0), (b"\x02\1", 2))
            rows.append([packet for packet in packets[1:] if packet[0] == 0])
        assert len(rows[0]) == 3 and all(each == rows[0] for each in rows)


@MARIADB_S
def test_progress_reports_arrive(logging, ports):
    """Of a LOAD DATA whose rows take their time; they come between the command and its answer."""
    path = logging.directory / "rows.txt"
    path.write_text("row\n" * 120)
    path.chmod(0o644)
    logging.query("CREATE OR REPLACE TABLE shop.slow (v VARCHAR(20), n INT)")
    for port in ports:
        with login(port, PROGRESS) as wire:
            assert wire.query("SET progress_report_time = 1")[0] == 0
            wire.send(f"\x03LOAD DATA INFILE '{path}' INTO TABLE slow (v) SET n = SLEEP(0.02)".encode())
            reports = 0
            while (packet := wire.receive())[:3] == b"\xff\xff\xff":
                reports += 1
            assert packet[0] == 0 and reports > 0, packet
            assert wire.query("DO 1")[0] == 0
