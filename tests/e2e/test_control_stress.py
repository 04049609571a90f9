"""The control side under everything at once: admin clients that leave in the middle of a command, reloads that add and
remove migrations, flips, backfills and verifications side by side; then a stop while all of it is under way.

What each command answers is not looked at, for it depends on what the others did. What must hold: every whole answer
is an answer, no crash and no sanitizer report (Proxy.stop() and .close() look), and no drift at the end."""

import json
import random
import signal
import socket
import threading
import time

import pytest

from harness import Failure, Migration, numbers, wait_until

SECONDS = 6
ROWS = 3000
LINES = ["status", "status m1", "plan m0", "plan m1", "sessions", "events", "version", "help", "reload",
         "backfill m0", "backfill m0 --detach --force", "backfill m0 pause", "backfill m0 cancel", "verify m0", "verify m1",
         "dual-write m0", "dual-write m1 --timeout 0.05", "cutover m0 --force", "cutover m1 --force --timeout 0.05",
         "rollback m0", "rollback m1 --to expand", "backfill m1 --detach", "status nobody", "backfill", "\0", "x" * 20000]


def double(database, number):
    return Migration(f"m{number}", f"{database}.t{number}", "old", "new", types={"new": "BIGINT"},
                     forward={"new": "old * 2"}, backward={"old": "new DIV 2"})


class Storm:
    """Threads that run until .over; what one of them meets that must not be is in .failures."""

    def __init__(self):
        self.over = threading.Event()
        self.failures = []
        self.answers = 0
        self.threads = []

    def start(self, run, *args):
        self.threads.append(threading.Thread(target=self._guarded, args=(run, *args)))
        self.threads[-1].start()

    def _guarded(self, run, *args):
        try:
            while not self.over.is_set():
                run(*args)
        except (ConnectionError, FileNotFoundError):
            pass  # the proxy is stopping
        except Exception as e:  # pylint: disable=broad-except
            self.failures.append(f"{type(e).__name__}: {e}")

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads), "a thread of the test hangs"


def talk(storm, path, rng):
    """One connection: some lines, of which the client reads the answers, or leaves at any moment."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(path))
        for line in rng.choices(LINES, k=rng.randint(1, 3)):
            s.sendall(line.encode() + (b"\n" if rng.random() < 0.9 else b""))
        manner = rng.random()
        if manner < 0.4:  # leaves at once
            return
        if manner < 0.6:  # reads a little, and leaves
            s.recv(rng.randint(1, 200))
            return
        s.shutdown(socket.SHUT_WR)
        text = b""
        while (got := s.recv(65536)):
            text += got
        for line in text.splitlines():
            assert json.loads(line).keys() & {"ok", "progress"}, line
            storm.answers += 1


def write(connection, rng, table):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET old = %s WHERE id = %s", (rng.randint(1, 1000), rng.randint(1, ROWS)))


def reload_with(one, migrations, rng):
    """The third migration comes and goes."""
    one.migrations = migrations[:rng.choice([2, 3])]
    one.reload()
    time.sleep(0.02)


@pytest.mark.parametrize("seed", range(2))
def test_everything_at_once_and_a_stop_in_the_midst(server, proxy, database, seed):
    name = database()
    server.script("".join(f"CREATE TABLE t{i} (id INT PRIMARY KEY, old INT); INSERT INTO t{i} SELECT seq, seq FROM "
                          f"{numbers(ROWS)};" for i in range(3)), name)
    migrations = [double(name, i) for i in range(3)]
    one = proxy(migrations, settings={"drain_timeout": 2})
    for migration in migrations:
        one.ctl("expand", migration.name, "--apply")
    storm = Storm()
    connections = [one.connect(database=name) for _ in range(2)]
    for i in range(6):
        storm.start(talk, storm, one.admin_socket, random.Random(f"{seed} {i}"))
    for i, connection in enumerate(connections):
        storm.start(write, connection, random.Random(f"{seed} write {i}"), f"t{i}")
    storm.start(reload_with, one, migrations, random.Random(f"{seed} reload"))
    deadline = time.monotonic() + SECONDS
    wait_until(lambda: time.monotonic() > deadline or storm.failures or not one.running, SECONDS + 30)
    assert not storm.failures and one.running, (storm.failures, one.tail())
    assert storm.answers > 20
    for connection in connections:  # their threads end here, and idle clients do not hold the drain
        connection.close()
    one.signal(signal.SIGTERM)  # while commands, reloads and jobs go on
    status = one.wait(60)
    storm.end()
    one.check_log()
    if status != 0:
        raise Failure(f"ended with status {status}:\n{one.tail(80)}")
    one.migrations = migrations
    one.start()
    for migration in migrations[:2]:
        phase = one.ctl("status", migration.name)["migrations"][0]["phase"]
        if phase == "expand":
            one.ctl("dual-write", migration.name)
        if phase == "cutover":  # perhaps by force, before the backfill had ended
            one.ctl("rollback", migration.name)
        one.ctl("backfill", migration.name, "--force")
        assert one.ctl("verify", migration.name)["drift"] == 0
        assert migration.drift(server) == 0
