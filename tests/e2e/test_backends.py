"""Several backends: which one clients go to, and what takes one for down; with a migration, that everybody moves."""

import contextlib
import signal
import socket
import subprocess
import threading

import pymysql
import pytest

from harness import Server, shop, wait_until
from harness.header import v2
from harness.wire import first_bytes

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


# ---- with a migration ----

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
