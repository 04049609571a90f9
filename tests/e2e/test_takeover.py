"""Where the listening sockets come from, and how one process follows another without a client noticing: systemd's
sockets and notifications, and `crossfade --takeover`."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pymysql
import pytest

from harness import CtlError, Proxy, wait_until
from harness.ctl import program
from harness.proxy import SANITIZER_ENV


class Notified:
    """The datagram socket that systemd would listen on."""

    def __init__(self, directory):
        self.path = str(directory / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(30)

    def next(self):
        return self.socket.recv(1000).decode().splitlines()


def handed_down(sockets, names):
    """A command that runs another with these sockets at descriptor 3 and on, as systemd does it."""
    pass_on = "; ".join(f"os.dup2({one.fileno()}, {40 + i})" for i, one in enumerate(sockets))
    place = "; ".join(f"os.dup2({40 + i}, {3 + i})" for i in range(len(sockets)))
    code = (f"import os, sys; {pass_on}; {place}; os.environ['LISTEN_PID'] = str(os.getpid()); "
            f"os.environ['LISTEN_FDS'] = '{len(sockets)}'; os.environ['LISTEN_FDNAMES'] = '{':'.join(names)}'; "
            "os.execv(sys.argv[1], sys.argv[1:])")
    return [sys.executable, "-c", code]


class Activated(Proxy):
    """A proxy whose sockets were opened by somebody else."""

    def __init__(self, server, sockets, names, **options):
        self.sockets, self.names = sockets, names
        super().__init__(server, start=False, **options)

    def start(self, ready=True):
        self.write_config()
        command = [*handed_down(self.sockets, self.names), str(program("crossfade")), "--config", str(self.config_path)]
        for one in self.sockets:
            one.set_inheritable(True)
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                          env={**os.environ, **self.env}, cwd=self.directory, start_new_session=True,
                                          pass_fds=[one.fileno() for one in self.sockets])
        if ready:
            self.wait_log("ready")


def test_sockets_from_systemd(server):
    tcp = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    stray = socket.create_server(("127.0.0.1", 0))
    public = socket.create_server(("127.0.0.1", 0))
    admin, unix = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    names = ["clients", "clients", "", "stray", "admin", "admin"]
    proxy = Activated(server, [tcp, six, unix, stray, public, admin], names)
    try:
        for one, path in ((admin, proxy.admin_socket), (unix, proxy.socket)):
            one.bind(str(path))
            one.listen()
        proxy.port = tcp.getsockname()[1]
        proxy.keys["proxy"]["listen"] = f"127.0.0.1:{proxy.port}, [::1]:{six.getsockname()[1]}, unix:{proxy.socket}"
        early = pymysql.connect  # a client that is there before the program waits in the socket's queue
        waiting = threading.Thread(target=lambda: early(host="127.0.0.1", port=proxy.port, user="app",
                                                        password="app secret").close())
        waiting.start()
        proxy.start()
        waiting.join(30)
        assert not waiting.is_alive()
        proxy.connect().close()
        proxy.connect(host="::1", port=six.getsockname()[1]).close()
        proxy.connect(unix_socket=str(proxy.socket)).close()
        assert proxy.ctl("status")["ok"]
        assert "the socket stray was handed down, but no `listen` names its address" in proxy.log()
        assert "the socket admin was handed down, but no `listen` names its address" in proxy.log()  # it is TCP
        proxy.stop()
        # Neither file is the program's to remove; and who comes now waits again.
        assert proxy.admin_socket.exists() and proxy.socket.exists()
        proxy.start()
        proxy.connect().close()
    finally:
        proxy.close()


@pytest.mark.parametrize("host", ["*", "[::]", "0.0.0.0"])
def test_a_socket_that_takes_both_families(server, host):
    """systemd's ListenStream=PORT."""
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    proxy = Activated(server, [both], ["clients"])
    try:
        proxy.port = both.getsockname()[1]
        proxy.keys["proxy"]["listen"] = f"{host}:{proxy.port}, unix:{proxy.socket}"
        proxy.start()
        for address in ("127.0.0.1", "::1"):
            proxy.connect(host=address).close()
        assert "handed down" not in proxy.log()
    finally:
        proxy.close()
        both.close()


def test_sockets_meant_for_another_process_are_left_alone(server, proxy):
    one = proxy(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    one.connect().close()
    assert "handed down" not in one.log()


def test_systemd_is_told(server, tmp_path):
    notified = Notified(tmp_path)
    with Proxy(server, env={"NOTIFY_SOCKET": notified.path}) as proxy:
        assert notified.next() == ["READY=1"]
        proxy.signal(signal.SIGHUP)
        reloading = notified.next()
        assert reloading[0] == "RELOADING=1" and reloading[1].startswith("MONOTONIC_USEC=")
        assert notified.next() == ["READY=1"]
        proxy.stop()
        assert notified.next() == ["STOPPING=1"]


# ---- one process after another ----

class Successor(Proxy):
    """The next process of a running Proxy: the same file, the same sockets."""

    def __init__(self, before, **settings):
        super().__init__(before.server, before.migrations, start=False)
        self.port, self.socket, self.admin_socket, self.ctl = before.port, before.socket, before.admin_socket, before.ctl
        self.keys = {section: dict(keys) for section, keys in before.keys.items()}
        self.keys["proxy"].update(settings)

    def start(self, ready=True, takeover=True):
        self.write_config()
        self.spawn([program("crossfade"), "--config", self.config_path, *(["--takeover"] if takeover else [])],
                   env={**SANITIZER_ENV, **self.env})
        if ready:
            self.wait_log("ready")


    def fail(self, reason):
        """Starts it; it must end with status 1 and say this."""
        self.start(ready=False)
        self.clean_exit = False
        assert self.wait() == 1 and reason in self.log(), self.log()


@pytest.fixture
def succeed(server):
    """Makes a Successor of a proxy, not started yet."""
    made = []

    def make(before, **settings):
        made.append(Successor(before, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def old(shop_behind):
    """A shop in dual-write behind a proxy that another one can follow."""
    behind = shop_behind(users=30, orders=30, settings={"reuse_port": "yes", "drain_timeout": 60})
    behind.walk("verify")
    return behind


def test_a_transaction_of_the_old_process_holds_every_change_of_the_new_one(old, succeed):
    held = old.connect()
    held.begin()
    with held.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'Held Open' WHERE id = 1")
    new = succeed(old.proxy)
    new.start()
    wait_until(lambda: "draining" in old.proxy.log(), what="the old process to drain")
    assert old.proxy.running
    # New clients, by TCP and by the Unix socket's path, are the new process's, and write both sides.
    for options in ({}, {"unix_socket": str(new.socket)}):
        with new.connect(database=old.database, **options) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE users SET fullname = 'New Process' WHERE id = 2")
    assert "have ended" in new.ctl("status")["waiting"]
    for words in (["cutover", "users_name"], ["rollback", "users_name"], ["backfill", "users_name", "--force"]):
        with pytest.raises(CtlError) as refused:
            new.ctl(*words)
        assert "the crossfade before this one still has sessions" in str(refused.value)
    with held.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'Held Longer' WHERE id = 3")
    held.commit()
    assert old.proxy.wait() == 0
    wait_until(lambda: "waiting" not in new.ctl("status"))
    assert new.ctl("cutover", "users_name")["drained"]
    old.assert_no_drift()
    with new.connect(database=old.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT fullname FROM users WHERE id IN (1, 2, 3) ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == ["Held Open", "New Process", "Held Longer"]
    assert new.admin_socket.exists() and new.socket.exists()


def test_nobody_else_gets_in_between(old, succeed, proxy):
    """A third crossfade that waits for the sidecar database is not faster than the successor."""
    third = proxy(old.migrations, control={"database": old.proxy.sidecar})
    third.wait_log("another crossfade serves it")
    last = old.proxy
    for _ in range(3):
        new = succeed(last)
        new.start()
        assert last.wait() == 0
        wait_until(lambda: "waiting" not in new.ctl("status"), what="the successor to have the lock")
        last = new
    assert last.ctl("cutover", "users_name")["drained"]
    assert not third.ctl("status")["phases_known"]
    last.stop()
    wait_until(lambda: third.ctl("status")["phases_known"], what="the third one's turn")


def test_clients_under_load_do_not_notice(old, succeed):
    """Every statement gets its answer or a closed connection in its place; nothing drifts, and nothing is written twice."""
    stop, failures, done = threading.Event(), [], [0] * 4

    def work(number):
        while not stop.is_set():
            try:
                with old.connect() as connection, connection.cursor() as cursor:
                    for _ in range(20):
                        cursor.execute("UPDATE users SET fullname = %s WHERE id = %s",
                                       (f"Client{number} {done[number]}", number * 5 + 1 + done[number] % 5))
                        done[number] += 1
            except (pymysql.err.OperationalError, pymysql.err.InterfaceError, ConnectionError) as error:
                if error.args and error.args[0] not in (0, 2003, 2006, 2013):
                    failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    last = old.proxy
    try:
        for _ in range(3):
            new = succeed(last)
            new.start()
            assert last.wait() == 0
            last.check_log()
            before = list(done)
            wait_until(lambda: all(now > then for now, then in zip(done, before)), what="every client to go on")
            wait_until(lambda: "waiting" not in new.ctl("status"))
            last = new
        last.ctl("cutover", "users_name")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures, failures
    old.assert_no_drift()


def test_a_relay_without_migrations_is_followed_again_and_again(proxy, succeed):
    last = proxy(settings={"reuse_port": "yes"})
    for _ in range(3):
        new = succeed(last)
        new.start()
        assert last.wait() == 0
        wait_until(lambda: "waiting" not in new.ctl("status"), what="the successor to be free")
        new.connect().close()
        last = new


def test_a_backfill_goes_on_in_the_new_process(shop_behind, succeed):
    old = shop_behind(users=40000, orders=0, settings={"reuse_port": "yes"})
    old.proxy.walk("users_name", "dual-write")
    old.ctl("backfill", "users_name", "--detach")
    new = succeed(old.proxy)
    new.start()
    assert old.proxy.wait() == 0
    wait_until(lambda: new.ctl("status", "users_name")["migrations"][0]["backfill"]["state"] == "complete", 120,
               "the backfill to be completed")
    assert new.ctl("verify", "users_name")["drift"] == 0


@pytest.mark.parametrize("settings, reason", [
    ({"reuse_port": "no"}, "Address already in use"),
    ({"listen": "127.0.0.1:1, unix:/no/such/directory/socket"}, "listen"),
    ({"backend": "127.0.0.1:1"}, "the phases are not known"),
])
def test_a_successor_that_fails_leaves_the_old_one_as_it_was(old, succeed, settings, reason):
    new = succeed(old.proxy, **settings)
    new.fail(reason)
    old.proxy.wait_log("the successor has not come up")
    with old.connect() as connection:
        connection.ping()
    with old.proxy.connect(unix_socket=str(old.proxy.socket)) as connection:
        connection.ping()
    assert "waiting" not in old.ctl("status")
    assert old.ctl("cutover", "users_name")["drained"]


def test_a_takeover_where_nothing_runs_is_a_plain_start(server, proxy, succeed):
    before = proxy(settings={"reuse_port": "yes"})
    before.stop()
    new = succeed(before)
    new.start()
    new.connect().close()
    assert "waiting" not in new.ctl("status")


def test_a_takeover_is_refused_while_a_flip_is_under_way(old, succeed):
    with old.connect() as held:
        held.begin()
        with held.cursor() as cursor:
            cursor.execute("SELECT fullname FROM users WHERE id = 1")
        flip = threading.Thread(target=old.ctl.run, args=("cutover", "users_name", "--timeout", "4"))
        flip.start()
        wait_until(lambda: old.ctl("status", "users_name")["migrations"][0].get("flipping_to"))
        succeed(old.proxy).fail("a flip is under way")
        flip.join()
        held.commit()
    assert old.proxy.running and "waiting" not in old.ctl("status")
