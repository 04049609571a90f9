"""How clients come in and where they go: PROXY headers, limits, time-outs, several backends, what a reload changes."""

import contextlib
import ctypes
import getpass
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import threading

import pymysql
import pytest

from harness import Server, shop, wait_until
from harness.wire import Wire, plugin_of

TRUSTING = pytest.mark.only("mariadb", reason="MySQL's server takes no PROXY headers, so it cannot tell what it was told")

PIDFD_GETFD = 438
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, block):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(block)) + block


def v2_inet(source, port, tlvs=b""):
    return v2(0x21, 0x11, socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", port, 3306) + tlvs)


def v2_inet6(source, port):
    return v2(0x21, 0x21, socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "::1") +
              struct.pack(">HH", port, 3306))


@pytest.fixture(scope="module")
def trusting():
    """A server that takes PROXY headers itself, and so tells what it was told."""
    with Server("proxy_protocol_networks=127.0.0.1,localhost") as one:
        yield one


class HeaderWire(Wire):
    """A client that sends a PROXY header first, from an address of its own, by IPv4, IPv6 or a Unix socket."""

    def __init__(self, port, header, source="127.0.0.1", path=None, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.settimeout(timeout)
        if path:
            self.socket.connect(str(path))
        else:
            self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
        self.sequence = 0
        if header:
            self.socket.sendall(header)

    def host(self):
        """Where the server thinks that this client is, by its process list."""
        first = self.query("SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()")
        assert first == b"\x01", first
        self.receive(), self.receive()
        row = self.receive()
        return row[1:].decode()


def closed(wire):
    """Nothing comes but the end."""
    try:
        return wire.socket.recv(100) == b""
    except ConnectionResetError:
        return True


HEADERS = [
    (b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 3306\r\n", "192.0.2.7:4711"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 3306\r\n", "2001:db8::7:4711"),
    (v2_inet("192.0.2.8", 4712), "192.0.2.8:4712"),
    (v2_inet("192.0.2.9", 4713, tlvs=b"\x04\0\x03abc\x20\0\x01x" + b"\x04\x03\xe8" + b"n" * 1000), "192.0.2.9:4713"),
    (v2_inet6("2001:db8::9", 4714), "2001:db8::9:4714"),
]


@TRUSTING
@pytest.mark.parametrize("send", ["v1", "v2"])
@pytest.mark.parametrize("header, host", HEADERS)
def test_the_servers_process_list_has_the_clients_address(trusting, proxy, send, header, host):
    one = proxy(backend=f"127.0.0.1:{trusting.port}",
                settings={"proxy_protocol_networks": "127.0.0.0/8", "backend_proxy_protocol": send})
    with HeaderWire(one.port, header) as wire:
        assert wire.login()[0] == 0
        assert wire.host() == host
        sessions = one.ctl("sessions")["sessions"]
        assert [session["client"] for session in sessions] == [host.replace("2001:db8::", "[2001:db8::").replace(
            "7:4711" if "db8::7" in host else "9:4714", "7]:4711" if "db8::7" in host else "9]:4714")
            if "db8" in host else host]


@TRUSTING
@pytest.mark.parametrize("send", ["v1", "v2"])
def test_without_a_header_the_server_is_told_who_connected(trusting, proxy, send):
    one = proxy(backend=f"127.0.0.1:{trusting.port}", settings={"backend_proxy_protocol": send})
    with HeaderWire(one.port, None, source="127.0.0.5") as wire:
        assert wire.login()[0] == 0
        assert wire.host() == "127.0.0.5:%d" % wire.socket.getsockname()[1]
    with HeaderWire(one.port, None, path=one.socket) as wire:  # nobody that a header could name
        assert wire.login()[0] == 0
        assert wire.host().startswith(("127.0.0.1:", "localhost"))


@TRUSTING
@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(0x20, 0, b""), v2(0x20, 0x11, b"\xff" * 12),
                                    v2(0x21, 0x31, b"/a".ljust(216, b"\0"))])
def test_a_header_that_names_nobody_leaves_the_peer(trusting, proxy, header):
    one = proxy(backend=f"127.0.0.1:{trusting.port}",
                settings={"proxy_protocol_networks": "127.0.0.4, unix", "backend_proxy_protocol": "v2"})
    with HeaderWire(one.port, header, source="127.0.0.4") as wire:
        assert wire.login()[0] == 0
        assert wire.host() == "127.0.0.4:%d" % wire.socket.getsockname()[1]
    with HeaderWire(one.port, header, path=one.socket) as wire:
        assert wire.login()[0] == 0


def test_a_header_in_pieces_and_bytes_right_behind_it(proxy):
    one = proxy(settings={"proxy_protocol_networks": "127.0.0.1"})
    for header, _ in HEADERS:
        with HeaderWire(one.port, None) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header:
                wire.socket.sendall(bytes([byte]))
            assert wire.login()[0] == 0
        # A client that does not wait for the greeting: what is behind the header belongs to the session.
        with HeaderWire(one.port, header + b"\x01\0\0\x01\x85") as wire:
            wire.receive()
            wire.sequence = 2
            assert wire.receive()[:3] == b"\xff\x13\x04"


@pytest.mark.parametrize("junk", [
    b"PROXY TCP4 192.0.2.7 127.0.0.1 4711\r\n", b"PROXY NONSENSE\r\n", b"PROXY " + b"x" * 200, b"GET / HTTP/1.1\r\n\r\n",
    v2(0x22, 0x11, b"\0" * 12), v2(0x21, 0x11, b"\0" * 11), v2(0x21, 0x11, b"\0" * 5000), b"\r\n\r\n\0\r\nQUIT\r",
    b"\x20\0\0\x01"])
def test_a_garbled_header_is_logged_and_closed(proxy, junk):
    one = proxy(settings={"proxy_protocol_networks": "127.0.0.1"})
    with HeaderWire(one.port, junk) as wire:
        assert closed(wire)
    one.wait_log("PROXY header is garbled")
    wait_until(lambda: one.ctl("status")["clients"] == 0)


def test_headers_are_taken_from_trusted_networks_only(proxy):
    one = proxy(settings={"proxy_protocol_networks": "127.0.0.128/25, ::1", "handshake_timeout": 300})
    with HeaderWire(one.port, HEADERS[0][0], source="127.0.0.127") as wire:
        wire.receive()  # the greeting, as for any client; the header is no login
        assert closed(wire)
    with HeaderWire(one.port, HEADERS[0][0], source="127.0.0.129") as wire:
        assert wire.login()[0] == 0
    with HeaderWire(one.port, None, source="127.0.0.3") as wire:
        assert wire.login()[0] == 0


def test_a_forwarded_client_is_not_who_runs_the_balancer(proxy):
    """The balancer may run as the proxy's own user and come over its Unix socket; whom it forwards is somebody else."""
    me = getpass.getuser()
    with Server() as own:
        if not own.socket_account(me):
            pytest.skip("the server's chroot has no user but root")
        one = proxy(backend=f"unix:{own.socket}", settings={"proxy_protocol_networks": "unix",
                                                            "proxy_protocol_header": "optional"})
        for header, number in ((HEADERS[0][0], 1045), (b"PROXY UNKNOWN\r\n", 1045), (None, None)):
            with HeaderWire(one.port, header, path=one.socket) as wire:
                answer = wire.login(user=me, password="")
                assert (int.from_bytes(answer[1:3], "little") if answer[0] == 0xFF else None) == number, answer

def test_a_header_that_does_not_come(proxy):
    one = proxy(settings={"proxy_protocol_networks": "127.0.0.1", "handshake_timeout": 300})
    for sent in (b"", b"PROX", SIGNATURE[:3]):
        with HeaderWire(one.port, sent) as wire:
            assert closed(wire)
    one.wait_log("PROXY header did not come in time")


@TRUSTING
def test_an_optional_header(trusting, proxy):
    one = proxy(backend=f"127.0.0.1:{trusting.port}",
                settings={"proxy_protocol_networks": "127.0.0.1", "proxy_protocol_header": "optional",
                          "backend_proxy_protocol": "v1"})
    with HeaderWire(one.port, HEADERS[0][0]) as wire:
        assert wire.login()[0] == 0
        assert wire.host() == HEADERS[0][1]
    with HeaderWire(one.port, None) as wire:
        assert wire.login()[0] == 0
        assert wire.host() == "127.0.0.1:%d" % wire.socket.getsockname()[1]


# ---- limits and time-outs ----

def first_bytes(port):
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        return one.recv(1000)


def test_too_many_connections_is_the_servers_own_error(server, proxy):
    one = proxy(settings={"max_connections": 2})
    with Server("max_connections=10") as small:
        held = [socket.create_connection(("127.0.0.1", small.port)) for _ in range(10)]
        for each in held:
            each.recv(1000)
        direct = wait_until(lambda: (lambda b: b[4] == 0xFF and b)(first_bytes(small.port)))
        for each in held:
            each.close()
    with one.connect(), one.connect():
        assert first_bytes(one.port) == direct
        with pytest.raises(pymysql.err.OperationalError) as refused:
            one.connect()
        assert refused.value.args[0] == 1040
    wait_until(lambda: one.ctl("status")["clients"] == 0)
    one.connect().close()


@pytest.mark.parametrize("sent", [b"", b"\x50\0\0\x01\x85"])
def test_a_client_that_does_not_log_in_is_cut_off_without_a_word(proxy, sent):
    one = proxy(settings={"handshake_timeout": 300})
    with Wire(one.port, timeout=20) as wire:
        wire.receive()
        wire.socket.sendall(sent)
        assert closed(wire)
    one.wait_log("did not log in in time")
    wait_until(lambda: one.ctl("status")["clients"] == 0)


def test_a_client_that_has_logged_in_is_not(proxy):
    one = proxy(settings={"handshake_timeout": 1000})  # what a login takes that asks for a key, on a busy machine
    with one.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(1.5)")  # the time that it must outlive
        assert cursor.fetchone() == (0,)


def test_a_handshake_response_of_any_length_takes_bounded_memory(proxy):
    one = proxy()
    with Wire(one.port, timeout=20) as wire:
        wire.receive()
        before = one.rss_bytes()
        wire.socket.sendall(b"\xff\xff\xff\x01")
        with pytest.raises(OSError):
            for _ in range(100):
                wire.socket.sendall(b"x" * (1 << 20))
        assert one.rss_bytes() - before < 16 << 20
    one.wait_log("handshake response is too long")


def test_the_limit_of_open_files_is_raised(proxy):
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, own[1]))  # a child's too
    try:
        one = proxy()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)
    assert resource.prlimit(one.pid, resource.RLIMIT_NOFILE) == (own[1], own[1])


def test_accepting_pauses_while_descriptors_are_out(proxy):
    """The client that waits must not keep the proxy busy, and is served when there are descriptors again."""
    one = proxy()
    one.connect().close()
    wait_until(lambda: one.ctl("status")["clients"] == 0)
    limit = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
    held = [Wire(one.port) for _ in range(3)]
    for wire in held:
        wire.login()
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (one.fd_count(), limit[1]))
    late = Wire(one.port)
    one.wait_log("Too many open files")
    before = one.cpu_seconds()
    wait_until(lambda: one.log().count("Too many open files") >= 3, what="three tries")
    assert one.cpu_seconds() - before < 0.5
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, limit)
    assert late.login()[0] == 0
    for wire in [*held, late]:
        wire.close()


def tcp_options(proxy, *names):
    """What the proxy's connected TCP sockets are set to: its descriptors are borrowed by pidfd_getfd."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(proxy.pid)
    seen = []
    for number in os.listdir(f"/proc/{proxy.pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(number), 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        with sock, contextlib.suppress(OSError):
            if sock.family == socket.AF_INET and sock.getpeername():
                seen.append(tuple(sock.getsockopt(level, name) for level, name in names))
    os.close(pidfd)
    return seen


def test_socket_options_are_set(proxy):
    one = proxy(settings={"tcp_keepalive": 77, "tcp_user_timeout": 9000}, control={"user": None, "password": None})
    tcp = socket.IPPROTO_TCP
    options = [(tcp, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (tcp, socket.TCP_KEEPIDLE),
               (tcp, socket.TCP_USER_TIMEOUT)]
    with one.connect():
        assert tcp_options(one, *options) == [(1, 1, 77, 9000)] * 2
    one.keys["proxy"].update(tcp_keepalive=0, tcp_user_timeout=0)
    one.reload()
    wait_until(lambda: "configuration reloaded" in one.log())
    with one.connect():
        assert {each[:2] + each[3:] for each in tcp_options(one, *options)} == {(1, 0, 0)}


# ---- the server ends it ----

@pytest.mark.parametrize("end", [
    "SET SESSION wait_timeout = 1", "KILL",
    pytest.param("SET SESSION idle_transaction_timeout = 1; BEGIN",
                 marks=pytest.mark.only("mariadb", reason="MySQL has no idle_transaction_timeout"))])
def test_what_the_server_says_when_it_ends_a_connection(server, proxy, end):
    def last_words(port):
        with Wire(port) as wire:
            wire.login()
            if end == "KILL":
                wire.query("SELECT CONNECTION_ID()")
                wire.receive(), wire.receive()
                row = wire.receive()
                wire.receive()
                server.query(f"KILL {int(row[1:])}")
            else:
                for sql in end.split("; "):
                    assert wire.query(sql)[0] == 0
            words = b""
            with contextlib.suppress(ConnectionError):
                while part := wire.socket.recv(1000):
                    words += part
            return words

    assert last_words(proxy().port) == last_words(server.port)



# ---- the end ----

@pytest.fixture
def guest(server):
    """An account without a password: its proof is empty, whatever the greeting's salt."""
    server.query("CREATE USER guest@'%'")
    yield "guest"
    server.query("DROP USER guest@'%'")


def test_who_has_connected_before_the_drain_is_served(proxy, guest):
    """In the socket's queue as after the greeting: no connection of theirs is there yet that could be dead. They say all
    that they have to say before the drain begins: it lets nobody take long."""
    one = proxy()
    greeted, logged_in = Wire(one.port), Wire(one.port)
    greeting = greeted.receive()
    assert logged_in.login()[0] == 0
    one.signal(signal.SIGSTOP)
    queued = Wire(one.port)
    for wire in (greeted, queued):
        wire.socket.sendall(wire.frame(wire.handshake_response(greeting, user=guest, password=""), 1) +
                            2 * wire.frame(b"\x03DO 1"))
    one.signal(signal.SIGTERM)
    one.signal(signal.SIGCONT)
    one.wait_log("draining")
    assert closed(logged_in)
    with pytest.raises(OSError):
        Wire(one.port)
    assert plugin_of(queued.receive()) == plugin_of(greeting)
    for wire in (greeted, queued):
        for wire.sequence in (2, 1, 1):  # the login's answer, and those of the statements
            assert wire.receive()[0] == 0
        assert closed(wire)  # idle, it is not waited for
    assert one.wait() == 0
    for wire in (greeted, queued, logged_in):
        wire.close()


def test_a_drain_ends_a_session_behind_a_command_that_has_no_answer(proxy):
    """Its last answer comes before its last command: nothing of the backend's tells that it is idle."""
    one = proxy()
    wire = Wire(one.port)
    assert wire.login()[0] == 0
    wire.socket.sendall(wire.frame(b"\x03DO SLEEP(1)") + wire.frame(b"\x19\1\0\0\0"))  # COM_STMT_CLOSE
    wait_until(lambda: one.server.value("SELECT COUNT(*) FROM information_schema.processlist"
                                        " WHERE info = 'DO SLEEP(1)'"), what="the statement")
    one.signal(signal.SIGTERM)
    wire.sequence = 1
    wire.socket.settimeout(10)  # less than drain_timeout
    assert wire.receive()[0] == 0
    assert closed(wire)
    assert one.wait() == 0
    wire.socket.close()


# ---- several backends ----

def backends(one):
    return {backend["address"]: backend for backend in one.ctl("status")["backends"]}


def test_a_backend_that_is_down_is_passed_over_and_tried_again(server, proxy):
    with Server(start=False) as other:
        other._install()
        first, second = f"127.0.0.1:{other.port}", f"127.0.0.1:{server.port}"
        one = proxy(backend=f"{first}, {second}")
        assert backends(one)[first]["current"]
        for _ in range(3):
            with one.connect() as connection:
                connection.ping()
        assert not backends(one)[first]["up"] and "refused" in backends(one)[first]["error"]
        assert backends(one)[second]["up"] and backends(one)[second]["current"]
        assert one.log().count(f"backend {first} is down") == 1
        other.start()
        other._create_users()
        wait_until(lambda: backends(one)[first]["up"], what="the first backend to be found again")
        with one.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@port")
            assert cursor.fetchone() == (other.port,)


class Silent:
    """A listener that does with its clients what `greet` says: None: nothing at all; bytes: sends them and closes."""

    def __init__(self, greet=None, backlog=50):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.greet = greet
        self.held = []
        if greet is not None:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            client.sendall(self.greet)
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def test_room_in_the_queue_of_a_backends_unix_socket_is_waited_for(proxy, tmp_path):
    """connect() fails at once there, which says nothing of the server."""
    words = b"\xff\x10\x04the server's own"
    packet = len(words).to_bytes(3, "little") + b"\0" + words
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "full.sock"))
        listener.listen(0)
        one = proxy(backend=f"unix:{tmp_path / 'full.sock'}", settings={"log_level": "debug"},
                    control={"user": None, "password": None})
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", one.port), timeout=20))
                       for _ in range(5)]
            one.wait_log("the backend's queue is full")
            for _ in clients:
                with listener.accept()[0] as asking:
                    asking.sendall(packet)
            assert [client.makefile("rb").read() for client in clients] == [packet] * 5
    assert "is down" not in one.log()


def test_a_full_queue_is_no_backend_after_connect_timeout(server, proxy, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "full.sock"))
        listener.listen(0)
        one = proxy(backend=f"unix:{tmp_path / 'full.sock'}, 127.0.0.1:{server.port}",
                    settings={"connect_timeout": 300}, control={"user": None, "password": None})
        with socket.create_connection(("127.0.0.1", one.port)), one.connect() as connection:
            connection.ping()
        assert "is down" in one.log()


@pytest.mark.parametrize("greet", [None, b""])
def test_a_backend_that_does_not_greet_is_passed_over(server, proxy, greet):
    with Silent(greet) as silent:
        one = proxy(backend=f"127.0.0.1:{silent.port}, 127.0.0.1:{server.port}", settings={"connect_timeout": 300})
        for _ in range(2):
            with one.connect() as connection:
                connection.ping()
        one.wait_log(f"backend 127.0.0.1:{silent.port} is down")


@pytest.mark.parametrize("send", ["off", "v2"])
def test_a_backend_that_hangs_is_not_found_again_until_it_greets(server, proxy, send):
    """The kernel takes connections for a server that hangs: each client would wait for it anew."""
    header = {"off": b"", "v2": v2(0x20, 0, b"")}[send]
    with Silent() as silent:
        silent.listener.settimeout(20)
        one = proxy(backend=f"127.0.0.1:{silent.port}, unix:{server.socket}",
                    settings={"connect_timeout": 300, "backend_proxy_protocol": send}, control={"user": None, "password": None})
        first_bytes(one.port)
        one.wait_log(f"backend 127.0.0.1:{silent.port} is down")
        heard = []
        for _ in range(3):  # the client's, then two probes
            with silent.listener.accept()[0] as asking, asking.makefile("rb") as file:
                asking.settimeout(20)
                heard.append(file.read())
        assert heard[1:] == [header] * 2
        assert "takes connections again" not in one.log()
        with silent.listener.accept()[0] as asking:
            asking.sendall(b"\x4a")
            one.wait_log("takes connections again")


@pytest.mark.parametrize("error", [
    b"\xff\x10\x04Too many connections", b"\xff\x69\x04Host 'x' is blocked because of many connection errors",
    b"\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MariaDB server"])
def test_what_a_backend_says_in_the_greetings_place_is_passed_on(server, proxy, error):
    packet = len(error).to_bytes(3, "little") + b"\0" + error
    with Silent(packet) as refusing:
        one = proxy(backend=f"127.0.0.1:{refusing.port}, 127.0.0.1:{server.port}")
        assert first_bytes(one.port) == packet


def test_no_backend_at_all(proxy):
    with Silent() as gone:
        port = gone.port
    one = proxy(backend=f"127.0.0.1:{port}")
    with pytest.raises(pymysql.err.OperationalError) as refused:
        one.connect()
    assert refused.value.args[0] == 2003 and f"127.0.0.1:{port}" in refused.value.args[1]


def test_a_reload_changes_backends_and_limits(server, proxy):
    with Silent() as gone:
        port = gone.port
    one = proxy(backend=f"127.0.0.1:{port}", settings={"max_connections": 1})
    with pytest.raises(pymysql.err.OperationalError):
        one.connect()
    one.keys["proxy"].update(backend=f"127.0.0.1:{server.port}", connect_timeout=4000, drain_timeout=1)
    one.write_config()
    one.ctl("reload")
    with one.connect():
        with pytest.raises(pymysql.err.OperationalError) as refused:
            one.connect()
        assert refused.value.args[0] == 1040
        one.keys["proxy"].update(max_connections=2, proxy_protocol_networks="127.0.0.9")
        one.reload()
        wait_until(lambda: one.log().count("configuration reloaded") == 2)
        one.connect().close()
        wait_until(lambda: one.ctl("status")["clients"] == 1)
        with HeaderWire(one.port, HEADERS[0][0], source="127.0.0.9") as wire:
            assert wire.login()[0] == 0
    assert "restart only" not in one.log()


# ---- several backends and a migration ----

class Pair:
    """Two servers with the same shop, and a proxy with its migrations before them; the sidecar of the second is a copy
    of the first's, as replication would have made it."""

    def __init__(self, proxy, tls=None):
        self.first, self.second = Server(tls=tls), Server(tls=tls)
        for each in (self.first, self.second):
            shop.create(each, "shop", 20, 20)
        self.names = [f"127.0.0.1:{each.port}" for each in (self.first, self.second)]
        self.proxy = proxy(shop.migrations("shop"), backend=", ".join(self.names), settings={"connect_timeout": 1000},
                           extra="[backend_tls]\nmode = required\n" if tls else "")
        self.proxy.server = self.second  # it outlives the other, and has the sidecar dropped

    def replicate(self):
        dump = subprocess.run(["mariadb-dump", "--no-defaults", f"--socket={self.first.socket}", "--user=root",
                               "--databases", "shop", self.proxy.sidecar], capture_output=True, text=True, check=True)
        self.second.script(dump.stdout)

    def port(self):
        with self.proxy.connect(database="shop") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@port")
            return cursor.fetchone()[0]

    def phase(self):
        return self.proxy.ctl("status", "users_name")["migrations"][0]["phase"]

    def wait_for(self, server):
        wait_until(lambda: backends(self.proxy)[f"127.0.0.1:{server.port}"]["current"] and
                   self.proxy.ctl("status")["phases_known"], what="the proxy to go to the other backend")


@pytest.fixture
def pair(proxy):
    made = []

    def make(**options):
        made.append(Pair(proxy, **options))
        return made[-1]

    yield make
    for one in made:
        one.proxy.close()
        one.first.close()
        one.second.close()


def test_failover_takes_the_phases_of_the_backend_that_is_left(pair):
    """The second server is behind: it knows of dual-write, and not of the cutover. Its phase is the one that its data
    has, so it is the one that holds there."""
    both = pair()
    both.proxy.walk("users_name", "dual-write")
    both.replicate()
    both.proxy.ctl("backfill", "users_name")
    both.proxy.ctl("verify", "users_name")
    both.proxy.ctl("cutover", "users_name")
    held = both.proxy.connect(database="shop")
    assert both.port() == both.first.port and both.phase() == "cutover"
    both.first.kill()
    both.wait_for(both.second)
    with pytest.raises(pymysql.MySQLError):
        held.query("SELECT 1")
    assert both.port() == both.second.port and both.phase() == "dual-write"
    with both.proxy.connect(database="shop") as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'New Name' WHERE id = 1")
        cursor.execute("SELECT fullname FROM users WHERE id = 2")
        assert cursor.fetchone()[0]
    assert both.second.query("SELECT first_name, last_name FROM shop.users WHERE id = 1") == [("New", "Name")]
    both.proxy.ctl("backfill", "users_name")
    assert both.proxy.ctl("verify", "users_name")["drift"] == 0
    # The first one is back with what nobody else has: nobody goes there.
    both.first.start()
    both.proxy.ctl("cutover", "users_name")
    assert both.port() == both.second.port
    assert not backends(both.proxy)[both.names[0]]["current"]


@pytest.mark.parametrize(("busy", "secure"), [(False, False), (True, False), (True, True)])
def test_a_backend_that_hangs_is_left(pair, authority, busy, secure):
    """It takes connections, and says nothing. What crossfade asks it is not waited for as it would be at a server that
    works on it, a statement of a backfill neither."""
    both = pair(tls=(authority.ca, *authority.issue("server")) if secure else None)
    both.proxy.walk("users_name", "dual-write")
    both.replicate()
    with both.first.connect(database="shop", autocommit=False) as holder, holder.cursor() as cursor:
        if busy:
            cursor.execute("SELECT * FROM users FOR UPDATE")
            both.proxy.ctl("backfill", "users_name", "--detach")
            wait_until(lambda: "locked" in both.proxy.ctl("backfill", "users_name", "status").get("waiting", ""))
        both.first.signal(signal.SIGSTOP)
        both.wait_for(both.second)
    assert both.port() == both.second.port and both.phase() == "dual-write"


def test_a_backend_that_became_read_only_is_left_with_every_session(pair):
    both = pair()
    both.proxy.walk("users_name", "dual-write")
    both.replicate()
    held = both.proxy.connect(database="shop")
    held.query("SELECT 1")
    both.first.query("SET GLOBAL read_only = 1")
    both.wait_for(both.second)
    with pytest.raises(pymysql.MySQLError):
        held.query("SELECT 1")
    assert both.port() == both.second.port and both.phase() == "dual-write"
    both.first.query("SET GLOBAL read_only = 0")
    both.proxy.ctl("rollback", "users_name")
    assert both.port() == both.second.port


def test_a_read_only_replica_is_never_gone_to(pair):
    both = pair()
    both.proxy.walk("users_name", "dual-write")
    both.replicate()
    both.second.query("SET GLOBAL read_only = 1")
    both.first.stop()
    wait_until(lambda: "read-only" in both.proxy.ctl("status")["backend"].get("error", ""), what="the keeper to see it")
    with pytest.raises(pymysql.err.OperationalError) as refused:
        both.proxy.connect()
    assert refused.value.args[0] == 2003
    both.first.start()
    wait_until(lambda: both.proxy.ctl("status")["backend"]["up"])
    assert both.port() == both.first.port


def worker_policies(one):
    """The scheduling policies of the threads that relay."""
    tasks = pathlib.Path(f"/proc/{one.pid}/task").iterdir()
    relaying = [int(task.name) for task in tasks if (task / "comm").read_text().startswith("worker ")]
    assert len(relaying) == 2
    return {os.sched_getscheduler(task) for task in relaying}


def test_workers_are_scheduled_as_the_configuration_says(proxy):
    one = proxy()
    one.connect().close()
    assert worker_policies(one) == {os.SCHED_BATCH}
    assert os.sched_getscheduler(one.pid) == os.SCHED_OTHER
    one = proxy(settings={"scheduling": "inherited"})
    one.connect().close()
    assert worker_policies(one) == {os.SCHED_OTHER}


def test_a_policy_that_crossfade_was_started_under_is_kept(proxy):
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        one = proxy()
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    one.connect().close()
    assert worker_policies(one) == {os.SCHED_IDLE}
