"""`make soak`: connections opened and closed at a steady rate while others are held idle, through one crossfade with a
migration. Nothing may be left behind: descriptors, sessions, memory; and an idle connection has its price.

    MINUTES=5 RATE=10000 IDLE=5000      how long, how many connections a minute, how many are held
"""

import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import Proxy, Server, shop, wait_until  # noqa: E402
from harness.wire import Wire  # noqa: E402

PRICE = 64 << 10  # bytes of the proxy's memory that an idle connection may cost
GROWTH = 16 << 20  # bytes that the whole run may add: what the allocator keeps of a busy moment
OPENERS = 4


def settle(proxy, clients, fds):
    """Waits until the proxy has no more than these clients and descriptors."""
    wait_until(lambda: proxy.ctl("status")["clients"] <= clients, 60, f"no more than {clients} clients")
    wait_until(lambda: proxy.fd_count() <= fds, 60, f"no more than {fds} descriptors")


def visit(port, query):
    with Wire(port, timeout=60) as wire:
        if wire.login(database="shop")[0] != 0 or wire.query(query)[0] == 0xFF:
            raise AssertionError("the proxy refused a client")


class Openers:
    """Threads that open and close connections at a rate, and count."""

    def __init__(self, port, rate, until):
        self.port, self.pause, self.until = port, OPENERS * 60 / rate, until
        self.count, self.errors, self.lock = 0, [], threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(OPENERS)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        due = time.monotonic()
        query = f"UPDATE users SET fullname = 'Soak {number}' WHERE id = {number + 1}"
        while time.monotonic() < self.until and not self.errors:
            try:
                visit(self.port, query)
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)
                return
            with self.lock:
                self.count += 1
            due += self.pause
            time.sleep(max(0, due - time.monotonic()))

    def join(self):
        for thread in self.threads:
            thread.join()


def run(options):
    room = options.idle + 200
    with Server(f"max_connections={room}", f"open_files_limit={2 * room + 2000}", "back_log=1000") as server:
        shop.create(server, "shop", 50, 50)
        migrations = shop.migrations("shop")
        with Proxy(server, migrations) as proxy:
            for migration in migrations:
                proxy.walk(migration.name, "cutover")
            for _ in range(200):
                visit(proxy.port, "SELECT fullname FROM users WHERE id = 1")
            settle(proxy, 0, 1 << 20)
            fds, memory = proxy.fd_count(), proxy.rss_bytes()
            idle = []
            for _ in range(options.idle):
                idle.append(Wire(proxy.port, timeout=60))
                if idle[-1].login(database="shop")[0] != 0:
                    raise AssertionError("the proxy refused a client")
                idle[-1].query("UPDATE users SET visits = 1 WHERE id = 1")
            price = (proxy.rss_bytes() - memory) / max(options.idle, 1)
            held_fds = proxy.fd_count()
            began, cpu = time.monotonic(), proxy.cpu_seconds()
            openers = Openers(proxy.port, options.rate, began + options.minutes * 60)
            openers.join()
            seconds, cpu = time.monotonic() - began, proxy.cpu_seconds() - cpu
            settle(proxy, options.idle, held_fds)
            for wire in idle:
                if wire.query("DO 1")[0] != 0:
                    raise AssertionError("an idle connection did not live through it")
                wire.close()
            settle(proxy, 0, fds)
            growth = proxy.rss_bytes() - memory
            drift = sum(migration.drift(server) for migration in migrations)
            left = wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'")
                              == 0, 60, "the backend's connections to end")
    rate = openers.count / seconds * 60
    checks = [
        (f"{openers.count} connections in {seconds:.0f} s, {rate:.0f} a minute, {1e3 * cpu / max(openers.count, 1):.2f} ms "
         "of the proxy's CPU each", not openers.errors and rate > options.rate * 0.95),
        (f"{options.idle} idle connections at {price / 1024:.1f} KiB each", price < PRICE),
        (f"{growth / 1048576:.1f} MiB more memory afterwards", growth < GROWTH),
        (f"{fds} descriptors before and after, no session left, no drift", drift == 0 and left),
    ]
    for text, good in checks:
        print("ok     " if good else "FAILED ", text)
    for error in openers.errors:
        print("       ", repr(error))
    return 0 if all(good for _, good in checks) else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--idle", type=int, default=5000)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
