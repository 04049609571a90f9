"""How clients come in and are served: PROXY headers, limits, time-outs, the end, what a reload changes, scheduling."""

import contextlib
import ctypes
import getpass
import os
import pathlib
import resource
import signal
import socket

import pymysql
import pytest

from harness import Server, free_port, wait_until
from harness.header import SIGNATURE, HeaderWire, v2, v2_inet, v2_inet6
from harness.wire import Wire, first_bytes, plugin_of

TRUSTING = pytest.mark.only("mariadb", reason="MySQL's server takes no PROXY headers, so it cannot tell what it was told")

PIDFD_GETFD = 438


@pytest.fixture(scope="module")
def trusting():
    """A server that takes PROXY headers itself, and so tells what it was told."""
    with Server("proxy_protocol_networks=127.0.0.1,localhost") as one:
        yield one


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
    """And how: MariaDB resets a connection that was idle for too long, by which clients tell 2006 from 2013."""
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
            try:
                while part := wire.socket.recv(1000):
                    words += part
            except ConnectionResetError:
                return words, "reset"
            return words, "closed"

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


# ---- reload ----

def test_a_reload_changes_backends_and_limits(server, proxy):
    one = proxy(backend=f"127.0.0.1:{free_port()}", settings={"max_connections": 1})
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
    assert "only a restart" not in one.log()
    one.keys["proxy"]["scheduling"] = "inherited"
    one.reload()
    one.wait_log("only a restart changes")


# ---- scheduling ----

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
