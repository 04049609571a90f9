"""`make demo`: two columns of a busy shop change, and nobody notices.

A private MariaDB in a temporary directory, a shop with 100,000 users and 120,000 orders, crossfade in front of
it, and sysbench as the application (tests/harness/shop.lua): ordinary reads and writes, text and prepared,
every answer checked, from the first step to the last. users.fullname becomes first_name and last_name;
orders.amount DECIMAL becomes cents BIGINT. What happens is told as a timeline.

Nothing is left behind, on Ctrl-C neither; --keep leaves the servers running and prints how to reach them.
"""

import argparse
import pathlib
import shutil
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import CtlError, Failure, Proxy, Server, shop, wait_until  # noqa: E402
from harness.ctl import program  # noqa: E402
from harness.load import Load  # noqa: E402
from harness.server import APP_PASSWORD, APP_USER  # noqa: E402

DATABASE, USERS, ORDERS, CLIENTS = "shop", 100000, 120000, 8
SHARE = 0.2  # of what the machine can do is what the application asks for
BOLD, DIM, RED, GREEN, PLAIN = ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m") if sys.stdout.isatty() else [""] * 5


class Timeline:
    """Says what happens, with the seconds since the load began."""

    def __init__(self):
        self.origin = time.monotonic()

    def now(self):
        return time.monotonic() - self.origin

    def say(self, step, text):
        print(f"{DIM}{self.now():6.1f} s{PLAIN}  {BOLD}{step:<11}{PLAIN} {text}", flush=True)

    def more(self, text):
        print(f"{'':22}{text}", flush=True)


class Demo:
    def __init__(self, keep, rate):
        self.keep, self.rate = keep, rate
        self.timeline = Timeline()
        self.server = self.proxy = self.load = None
        self.windows = []  # (label, first second, last second) of the load
        self.slowest_flip = 0.0

    # ---- what happens ----

    def run(self):
        self.set_up()
        self.begin_load()
        self.watch("before", 6)
        self.expand()
        self.flip("dual-write")
        self.watch("dual-write", 4)
        self.backfill()
        self.verify()
        self.flip("cutover")
        self.watch("cutover", 5)
        self.flip("rollback")
        self.watch("rolled back", 4)
        self.flip("cutover")
        self.watch("after", 6)
        return self.end()

    def set_up(self):
        say = self.timeline.say
        self.server = Server("innodb_buffer_pool_size=256M", keep=self.keep)
        version = self.server.value("SELECT VERSION()").split("-")[0]
        shop.create(self.server, DATABASE, USERS, ORDERS)
        say("shop", f"MariaDB {version}, private: {USERS:,} users with fullname, {ORDERS:,} orders with amount DECIMAL")
        self.migrations = shop.migrations(DATABASE)
        self.proxy = Proxy(self.server, self.migrations, threads=0, control={"database": "crossfade"}, keep=self.keep)
        say("crossfade", f"ready on 127.0.0.1:{self.proxy.port}; the application's connection string points there")
        if self.rate is None:
            self.calibrate()

    def calibrate(self):
        """What this machine can do through crossfade decides how busy the shop is: at a fixed rate a slow machine
        would only show its queue. The shop is made anew afterwards."""
        with Load(self.proxy.port, DATABASE, USERS, ORDERS, threads=CLIENTS, seconds=2) as trial:
            most = trial.start().result().events / 2
        self.rate = max(50, int(most * SHARE))
        shop.create(self.server, DATABASE, USERS, ORDERS)

    def begin_load(self):
        self.load = Load(self.proxy.port, DATABASE, USERS, ORDERS, threads=CLIENTS, rate=self.rate).start()
        self.load_began = self.timeline.now()
        self.timeline.say("load", f"{CLIENTS} clients, {self.rate:,} actions a second: reads and writes, text and "
                          "prepared, every answer checked")

    def expand(self):
        for migration in self.migrations:
            self.proxy.ctl("expand", migration.name, "--apply")
        self.timeline.say("expand", "added users.first_name, users.last_name and orders.cents, INVISIBLE")

    def flip(self, command):
        meaning = {"dual-write": "every write of fullname and amount fills the new columns too",
                   "cutover": "reads come from the new columns; both sides are written",
                   "rollback": "reads come from the old columns again; nothing was lost"}[command]
        for migration in self.migrations:
            answer = self.proxy.ctl(command, migration.name)
            self.slowest_flip = max(self.slowest_flip, answer["in_force_ms"])
            waited = answer["waited_for"]
            self.timeline.say(command, f"{migration.name}: in force after {BOLD}{answer['in_force_ms']:.2f} ms{PLAIN}"
                              f" (generation {answer['generation']}), drained after {answer['drained_ms']:.2f} ms: "
                              f"waited for {waited} running statement{'' if waited == 1 else 's'} or "
                              f"transaction{'' if waited == 1 else 's'}")
        self.timeline.more(f"{DIM}{meaning}{PLAIN}")

    def backfill(self):
        start = self.timeline.now()
        for migration in self.migrations:
            answer = self.proxy.ctl("backfill", migration.name, timeout=300)
            self.timeline.say("backfill", f"{migration.name}: {answer['rows']:,} rows")
        self.window("backfill", start)

    def verify(self):
        for migration in self.migrations:
            answer = self.proxy.ctl("verify", migration.name, timeout=300)
            self.timeline.say("verify", f"{migration.name}: {answer['rows']:,} rows compared, {answer['drift']} drift")
            if answer["drift"]:
                raise Failure(f"{migration.name} drifts: {answer}")

    def end(self):
        total = self.load.finish()
        errors = total.errors + total.reconnects
        self.timeline.say("load ends", f"{total.queries:,} statements, {total.checked:,} answers checked, "
                          f"{errors} failed")
        drift = 0
        for migration in self.migrations:
            rows = self.server.value(f"SELECT COUNT(*) FROM {migration.table}")
            wrong = migration.drift(self.server) + migration.backward_drift(self.server)
            drift += wrong
            self.timeline.say("compare", f"{migration.table}: {rows:,} rows, both ways, on the server itself: "
                              f"{wrong} drift")
        self.table()
        good = not errors and not drift
        print(f"\n{GREEN if good else RED}{BOLD}statements failed: {errors}   rows that drift: {drift}   "
              f"slowest flip: in force after {self.slowest_flip:.2f} ms{PLAIN}")
        return 0 if good else 1

    # ---- the load, seen by the second ----

    def watch(self, label, seconds):
        """Lets the load go on for some seconds."""
        start = self.timeline.now()

        def over():
            self.load.check()
            return self.timeline.now() - start >= seconds

        wait_until(over, seconds + 30)
        self.window(label, start)

    def window(self, label, start):
        first, last = start - self.load_began, self.timeline.now() - self.load_began
        self.windows.append((label, first, last))
        rate, p95 = self.figures(first, last)
        if rate:
            self.timeline.more(f"{DIM}{rate:,.0f} queries/s, p95 {p95:.2f} ms{PLAIN}")

    def figures(self, first, last):
        """Queries per second and p95 (the median of its seconds) of the whole seconds between two moments."""
        ticks = [tick for tick in self.load.ticks() if first + 0.5 <= tick.seconds <= last + 0.5]
        if not ticks:
            return None, None
        return statistics.mean(tick.queries for tick in ticks), statistics.median(tick.p95_ms for tick in ticks)

    def table(self):
        print(f"\n{BOLD}{'':22}{'queries/s':>10}  {'p95 ms':>8}{PLAIN}")
        for label, first, last in self.windows:
            rate, p95 = self.figures(first, last)
            if rate:
                print(f"{'':10}{label:<12}{rate:>10,.0f}  {p95:>8.2f}")

    # ---- afterwards ----

    def stay(self):
        """Leaves server and proxy running."""
        stop = self.server.directory / "stop"
        stop.write_text(f"#!/bin/sh\nkill {self.proxy.pid} {self.server.pid}\n"
                        f"while kill -0 {self.proxy.pid} 2>/dev/null || kill -0 {self.server.pid} 2>/dev/null; do "
                        f"sleep 0.1; done\nrm -rf '{self.proxy.directory}' '{self.server.directory}'\n")
        stop.chmod(0o755)
        client = f"mariadb --no-defaults --host=127.0.0.1 --user={APP_USER} --password='{APP_PASSWORD}'"
        print(f"\nIt goes on running.\n"
              f"  through crossfade:  {client} --port={self.proxy.port} {DATABASE}\n"
              f"  the server itself:  {client} --port={self.server.port} {DATABASE}\n"
              f"  its control:        {program('crossfadectl')} --socket {self.proxy.admin_socket} status\n"
              f"  its configuration:  {self.proxy.config_path}\n"
              f"  stop and remove:    {stop}")

    def close(self, keep):
        """`keep`: the load alone is ended."""
        for process in [self.load] + ([] if keep else [self.proxy, self.server]):
            if process is not None:
                process.close()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave server and proxy running")
    parser.add_argument("--rate", type=int, help="actions a second (0: as many as there can be; default: a fifth of "
                        "what this machine can do)")
    arguments = parser.parse_args()
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), interrupted)
    demo = Demo(arguments.keep, arguments.rate)
    status, keep = 1, False
    try:
        status = demo.run()
        if arguments.keep:
            demo.stay()
            keep = True
    except KeyboardInterrupt:
        print("\nstopped; cleaning up")
        status = 130
    except (CtlError, Failure) as error:
        print(f"\n{RED}{error}{PLAIN}", file=sys.stderr)
        if demo.proxy is not None:
            print(f"crossfade's log:\n{demo.proxy.tail()}", file=sys.stderr)
    finally:
        demo.close(keep)
    return status


if __name__ == "__main__":
    shutil.which("sysbench") or sys.exit("sysbench is missing: make demo installs it")
    sys.exit(main())
