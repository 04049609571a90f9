"""The compressed protocol, zlib and zstd, between clients and the proxy; the backend's side is never compressed."""

import contextlib
import ctypes
import ctypes.util
import hashlib
import socket
import struct
import subprocess
import zlib

import pytest

from harness import Client, FakeMysql, Proxy, wait_until
from harness.wire import MAX_PAYLOAD, Wire

CLIENT_COMPRESS, CLIENT_ZSTD, CLIENT_CONNECT_ATTRS = 1 << 5, 1 << 26, 1 << 20


@pytest.fixture(scope="module")
def proxy_(server, authority):
    with Proxy(server, extra=f"[tls]\ncert = {authority.cert}\nkey = {authority.key}\n") as one:
        yield one


# ---- real clients ----

@pytest.mark.parametrize("how", ["clear", "tls"])
def test_libmariadb_compressed(server, proxy_, how):
    with Client(connect=False) as client:
        if how == "tls":
            client.check("tls", "any")
        client.check("compress", "on")
        client.check("connect", "127.0.0.1", proxy_.port, "", "app", "app secret", "", "")
        assert client.query("SHOW STATUS LIKE 'Compression'") == [("Compression", "OFF")]  # the backend's side
        for size in (0, 1, 49, 50, 51, 70000, MAX_PAYLOAD, 3 << 20):
            text = "ab" * (size // 2) + "c" * (size % 2)
            assert client.query(f"SELECT SHA2('{text}', 256), LENGTH('{text}')") == [
                (hashlib.sha256(text.encode()).hexdigest(), str(size))]
            assert client.query(f"SELECT LENGTH(REPEAT('x', {size})), REPEAT('xy', {size // 2})")[0][1] == "xy" * (size // 2)
        client.prepare("s", "SELECT ?, REPEAT('x', ?)")
        assert client.execute("s", "a", 100000) == [("a", "x" * 100000)]
        assert client.query("SELECT 1; SELECT 2; DO 0") == [("1",), ("2",)]
        client.check("change_user", "app", "app secret", "mysql")
        assert client.query("SELECT DATABASE()") == [("mysql",)]
        client.check("reset")
        assert client.query("SELECT 3") == [("3",)]


@pytest.mark.parametrize("options", [[], ["--ssl"]])
def test_a_local_file_compressed(server, proxy_, database, tmp_path, options):
    name = database("files")
    server.query(f"CREATE TABLE {name}.t (a INT, b TEXT)")
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"{n}\t{'text ' * (n % 40)}\n" for n in range(30000)))
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={proxy_.port}",
                           "--user=app", "--password=app secret", "--compress", "--local-infile", *options, name, "-e",
                           f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t; SELECT COUNT(*), SUM(LENGTH(b)) FROM t"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert server.query(f"SELECT COUNT(*), MAX(a) FROM {name}.t") == [(30000, 29999)]
    assert str(server.value(f"SELECT SUM(LENGTH(b)) FROM {name}.t")) in done.stdout


def test_a_migration_with_compressed_clients(shop_behind):
    behind = shop_behind(users=10)
    behind.walk("cutover")
    with Client(connect=False) as client:
        client.check("compress", "on")
        client.check("connect", "127.0.0.1", behind.proxy.port, "", "app", "app secret", behind.database, "")
        client.check("query", "UPDATE users SET fullname = 'Ada Lovelace' WHERE id = 1")
        assert client.query("SELECT fullname FROM users WHERE id = 1") == [("Ada Lovelace",)]
        client.prepare("i", "INSERT INTO users (email, fullname) VALUES (?, ?)")
        client.execute("i", "x@example.com", "Grace Hopper")
    behind.assert_no_drift()


# ---- by hand ----

class Zstd:
    """libzstd's one-call functions."""

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("zstd"))
        self.library.ZSTD_compress.restype = self.library.ZSTD_decompress.restype = ctypes.c_size_t

    def compress(self, data):
        room = ctypes.create_string_buffer(len(data) + 1000)
        size = self.library.ZSTD_compress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)), 3)
        return room.raw[:size]

    def decompress(self, data, size):
        room = ctypes.create_string_buffer(size)
        assert self.library.ZSTD_decompress(room, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data))) == size
        return room.raw


class Zlib:
    @staticmethod
    def compress(data):
        return zlib.compress(data)

    @staticmethod
    def decompress(data, size):
        plain = zlib.decompress(data)
        assert len(plain) == size
        return plain


class Zipped(Wire):
    """A Wire that speaks the compressed protocol behind its login, and is strict about sequence ids."""

    def __init__(self, port, flag, tool, **options):
        super().__init__(port, **options)
        self.flag, self.tool, self.plain, self.zipped = flag, tool, b"", False

    def handshake_response(self, greeting, **options):
        payload = super().handshake_response(greeting, **options)
        flags = struct.unpack("<I", payload[:4])[0] | self.flag | CLIENT_CONNECT_ATTRS
        level = b"\x07" if self.flag == CLIENT_ZSTD else b""
        return struct.pack("<I", flags) + payload[4:] + b"\0" + level

    def login(self, **options):
        answer = super().login(**options)
        self.zipped = True
        return answer

    def read(self, count):
        if not self.zipped:
            return super().read(count)
        while len(self.plain) < count:
            header = super().read(7)
            assert header[3] == self.packets % 256, f"compressed sequence {header[3]}, expected {self.packets % 256}"
            self.packets += 1
            body = super().read(int.from_bytes(header[:3], "little"))
            size = int.from_bytes(header[4:], "little")
            self.plain += self.tool.decompress(body, size) if size else body
        data, self.plain = self.plain[:count], self.plain[count:]
        return data

    def pack(self, plain, sequence=0, zipped=True):
        body = self.tool.compress(plain) if zipped else plain
        return (len(body).to_bytes(3, "little") + bytes([sequence % 256]) +
                (len(plain) if zipped else 0).to_bytes(3, "little") + body)

    def ask(self, sql, pieces=1, zipped=True, byte_by_byte=False):
        """The first column of every row."""
        plain = self.frame(b"\x03" + sql.encode())
        size = -(-len(plain) // pieces)
        packets = [self.pack(plain[at:at + size], n, zipped) for n, at in enumerate(range(0, len(plain), size))]
        self.packets, self.sequence = len(packets), 1
        data = b"".join(packets)
        if byte_by_byte:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for n in range(len(data)):
                self.socket.sendall(data[n:n + 1])
        else:
            self.socket.sendall(data)
        first = self.receive()
        assert first[0] not in (0xFF,), first
        while self.receive()[:1] != b"\xfe":  # definitions
            pass
        rows = []
        while (row := self.receive())[:1] != b"\xfe":
            rows.append(row)
        return rows


TOOLS = [(CLIENT_COMPRESS, Zlib), (CLIENT_ZSTD, Zstd)]


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("flag, tool", TOOLS)
def test_packets_cut_anywhere(server, proxy_, pieces, zipped, flag, tool):
    if flag == CLIENT_ZSTD and server.family != "mysql":
        pytest.skip("this server offers no zstd; a script stands in for it below")
    with Zipped(proxy_.port, flag, tool()) as wire:
        assert wire.login()[0] == 0
        for size in (1, 60, 200000):
            rows = wire.ask(f"SELECT '{'x' * size}' UNION ALL SELECT REPEAT('y', {size})", pieces, zipped)
            assert [row[-1:] for row in rows] == [b"x", b"y"] and all(len(row) > size for row in rows)
        assert len(wire.ask("SELECT 1 UNION SELECT 2", pieces, zipped, byte_by_byte=True)) == 2


def test_random_bytes_go_as_they_are(proxy_):
    with Zipped(proxy_.port, CLIENT_COMPRESS, Zlib()) as wire:
        wire.login()
        rows = wire.ask("SELECT RANDOM_BYTES(1000) UNION ALL SELECT RANDOM_BYTES(1000)")
        assert [len(row) for row in rows] == [1003, 1003]


@pytest.fixture(scope="module")
def fake_proxy(authority, tmp_path_factory):
    with FakeMysql(tmp_path_factory.mktemp("fake"), authority) as fake:
        fake.plugin = "none at all"
        with Proxy(None, backend=f"127.0.0.1:{fake.port}") as one:
            one.fake = fake
            yield one


@pytest.mark.parametrize("flag, tool", TOOLS)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_both_algorithms_with_a_mysql_server(fake_proxy, flag, tool, byte_by_byte):
    with Zipped(fake_proxy.port, flag, tool()) as wire:
        assert wire.login()[0] == 0
        for pieces in (1, 3):
            assert wire.ask("SELECT '" + "x" * 5000 + "'", pieces, byte_by_byte=byte_by_byte) == [b"\4user"]
    assert fake_proxy.fake.trouble == []


def test_what_the_server_offers_is_offered(server, proxy_):
    offered = []
    for port in (server.port, proxy_.port):
        with Wire(port) as wire:
            greeting = wire.receive()
        fixed = greeting[greeting.index(b"\0") + 1:]
        flags = struct.unpack("<H", fixed[13:15])[0] | struct.unpack("<H", fixed[18:20])[0] << 16
        offered.append(flags & (CLIENT_COMPRESS | CLIENT_ZSTD))
    assert offered[0] == offered[1] == CLIENT_COMPRESS | (CLIENT_ZSTD if server.family == "mysql" else 0)


# ---- hostile clients ----

@pytest.mark.parametrize("flag, tool", TOOLS)
def test_what_was_packed_small_does_not_fill_memory(fake_proxy, proxy_, flag, tool):
    """A packet gives less than 16 MiB, and no more are opened than what waits may have."""
    proxy = proxy_ if flag == CLIENT_COMPRESS else fake_proxy
    with Zipped(proxy.port, flag, tool()) as wire:
        wire.login()
        bomb = wire.pack(b"\x01\0\0\0\x0e" * 3355443, 0)
        proxy.connect().ping() if proxy is proxy_ else None
        before = proxy.rss_bytes()
        with contextlib.suppress(OSError):
            sleeping = wire.frame(b"\x03SELECT SLEEP(3)")
            wire.socket.sendall(wire.pack(sleeping, 0) + bomb * 60)
        assert proxy.rss_bytes() - before < 120 << 20
    wait_until(lambda: proxy.rss_bytes() - before < 120 << 20)


@pytest.mark.parametrize("packet", [
    b"\x05\0\0\0\x10\0\0" + b"abcde", b"\x05\0\0\0\xff\xff\xff" + zlib.compress(b"x")[:5],
    b"\x0b\0\0\0\x02\0\0" + zlib.compress(b"x") + b"\0\0", b"\x09\0\0\0\x02\0\0" + zlib.compress(b"x"),
])
def test_what_is_no_compressed_packet_ends_the_session(proxy_, packet):
    with Zipped(proxy_.port, CLIENT_COMPRESS, Zlib()) as wire:
        wire.login()
        wire.socket.sendall(packet)
        with contextlib.suppress(ConnectionError):
            assert wire.socket.recv(100) == b""
    with proxy_.connect() as connection:
        connection.ping()


def test_a_compressed_client_that_leaves(proxy_):
    with proxy_.connect() as connection:
        connection.ping()
        before = proxy_.fd_count()
        packet = Zipped.pack(Wire, b"x", 0, False)
        for cut in range(len(packet)):
            with Zipped(proxy_.port, CLIENT_COMPRESS, Zlib()) as wire:
                wire.login()
                wire.socket.sendall(packet[:cut])
        wait_until(lambda: proxy_.fd_count() <= before, what="the sockets to be closed")
