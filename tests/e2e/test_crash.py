"""kill -9 in the middle of it all: the phase is in the backend, and no row can be half dual-written."""

import threading
import time

import pymysql
import pytest

from harness import Proxy, Server, shop, wait_until


class Writers:
    """Threads that write through the proxy, and connect again for as long as it takes."""

    def __init__(self, behind, count=8):
        self.behind, self.stopping = behind, threading.Event()
        self.written = [0] * count
        self.wrong = []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        while not self.stopping.is_set():
            try:
                with self.behind.connect() as connection, connection.cursor() as cursor:
                    while not self.stopping.is_set():
                        self._write(cursor, number)
                        self.written[number] += 1
            except (pymysql.err.OperationalError, pymysql.err.InterfaceError, OSError) as error:
                if error.args and error.args[0] in (1064, 1105, 1054):
                    self.wrong.append(error)
                    return
                time.sleep(0.02)  # the proxy is down: the next connection is tried a moment later

    @staticmethod
    def _write(cursor, number):
        turn = time.monotonic_ns()
        cursor.execute("UPDATE users SET fullname = %s WHERE id = %s", (f"Writer{number} {turn}", 1 + turn % 100))
        cursor.execute("INSERT INTO orders (user_id, amount) VALUES (%s, %s)", (number + 1, f"{turn % 10000}.25"))
        cursor.execute("SELECT fullname FROM users WHERE id = %s", (1 + turn % 100,))
        cursor.fetchone()

    def progress(self):
        """Waits until every thread has written once more."""
        before = list(self.written)
        wait_until(lambda: self.wrong or all(now > then for now, then in zip(self.written, before)), 60,
                   "every client to write again")
        assert not self.wrong, self.wrong

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.wrong, self.wrong


@pytest.mark.parametrize("phase", ["verify", "cutover"])
def test_killed_in_mid_load(shop_behind, phase):
    behind = shop_behind(users=200, orders=100)
    behind.walk(phase)
    writers = Writers(behind)
    try:
        for _ in range(3):
            writers.progress()
            behind.proxy.kill()
            behind.proxy.start()
            writers.progress()
            phases = {one["phase"] for one in behind.ctl("status")["migrations"]}
            assert phases == {"cutover" if phase == "cutover" else "dual-write"}
    finally:
        writers.stop()
    behind.assert_no_drift()
    for migration in behind.migrations:
        assert behind.ctl("verify", migration.name)["drift"] == 0


def test_killed_between_flips(shop_behind):
    """Whenever it dies, it comes back in a phase of the way, and the way goes on from there."""
    behind = shop_behind(users=200, orders=100)
    behind.walk("verify")
    writers = Writers(behind, 4)
    try:
        for number in range(6):
            flip = threading.Thread(target=behind.ctl.run, args=("rollback" if number % 2 else "cutover", "users_name"))
            flip.start()
            time.sleep(0.001 * number)  # another moment of the flip each time; every one must do
            behind.proxy.kill()
            flip.join()
            behind.proxy.start()
            (one,) = behind.ctl("status", "users_name")["migrations"]
            assert one["phase"] in ("dual-write", "cutover")
            wanted = "dual-write" if number % 2 else "cutover"
            if one["phase"] != wanted:
                behind.ctl("rollback" if number % 2 else "cutover", "users_name")
            writers.progress()
    finally:
        writers.stop()
    behind.assert_no_drift()


def test_killed_in_the_backfill(shop_behind):
    behind = shop_behind(users=20000, orders=100)
    behind.ctl("expand", "users_name", "--apply")
    behind.ctl("dual-write", "users_name")
    behind.ctl("backfill", "users_name", "--detach")
    behind.proxy.kill()
    behind.proxy.start()
    behind.ctl("backfill", "users_name")
    assert behind.migrations[0].drift(behind.server) == 0
    behind.ctl("verify", "users_name")
    behind.ctl("cutover", "users_name")


def test_the_backend_goes_and_comes_back():
    """A server of its own: nobody else shall lose theirs."""
    with Server() as private:
        shop.create(private, "shop", 50, 50)
        migrations = shop.migrations("shop")
        with Proxy(private, migrations) as proxy:
            for migration in migrations:
                proxy.walk(migration.name, "cutover")
            with proxy.connect(database="shop") as before:
                private.stop()
                with pytest.raises(pymysql.MySQLError):
                    before.cursor().execute("SELECT 1")
            with pytest.raises(pymysql.MySQLError) as refused:
                proxy.connect()
            assert refused.value.args[0] in (2003, 2013)
            assert proxy.running
            private.start()
            with proxy.connect(database="shop") as after, after.cursor() as cursor:
                cursor.execute("INSERT INTO users (email, fullname) VALUES ('back', 'Back Again')")
                cursor.execute("SELECT fullname FROM users WHERE email = 'back'")
                assert cursor.fetchone() == ("Back Again",)
            wait_until(lambda: proxy.ctl("status")["ok"])
            assert all(migration.drift(private) == 0 for migration in migrations)
