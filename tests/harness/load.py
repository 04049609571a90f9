"""sysbench with shop.lua: a load that checks the answers it gets."""

import pathlib
import re
from typing import NamedTuple

from .process import Failure, Process
from .server import APP_PASSWORD, APP_USER

SCRIPT = pathlib.Path(__file__).with_name("shop.lua")


class Tick(NamedTuple):
    """One second of the load."""
    seconds: float
    events: int
    queries: int
    p95_ms: float
    errors: int
    reconnects: int


class Total(NamedTuple):
    events: int
    queries: int
    p95_ms: float
    errors: int
    reconnects: int
    checked: int


class Load(Process):
    """Runs until finish(), or for `seconds`; rows are those that shop.create() was told."""

    def __init__(self, port, database, users, orders, *, threads=8, seconds=0, rate=0, user=APP_USER,
                 password=APP_PASSWORD):
        super().__init__("sysbench")
        self.stop_file = self.directory / "stop"
        self.command = [
            "/usr/bin/sysbench", "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
            f"--mysql-user={user}", f"--mysql-password={password}", f"--mysql-db={database}",
            f"--threads={threads}", f"--time={seconds}", "--events=0", f"--rate={rate}", "--report-interval=1",
            "--percentile=95", f"--users={users}", f"--orders={orders}",
            f"--stop-file={self.stop_file}", "--mysql-ignore-errors=0", SCRIPT, "run"]

    def start(self):
        self.spawn(self.command)
        self.wait_log("Threads started!")
        return self

    def ticks(self):
        """Every whole second so far."""
        return [Tick(*(kind(word) for kind, word in zip(Tick.__annotations__.values(), line.split()[1:])))
                for line in re.findall(r"^tick .*$", self.log(), re.M)]

    def check(self):
        """Failure when the load has ended of itself: a refused statement, a lost connection, a wrong answer."""
        if not self.running and self.child.returncode:
            raise Failure(f"the load failed:\n{self.tail(30)}")

    def finish(self, timeout=60):
        """Lets every thread end the action it is in, and gives the totals."""
        self.check()
        self.stop_file.touch()
        return self.result(timeout)

    def result(self, timeout=600):
        """The totals of a load that ends of itself."""
        self.wait(timeout)
        return self.total()

    def total(self):
        words = re.findall(r"^total (.*)$", self.log(), re.M)
        if not words or "WRONG ANSWER" in self.log() or "FATAL" in self.log():
            raise Failure(f"the load failed:\n{self.tail(30)}")
        checked = sum(int(count) for count in re.findall(r"^checked (\d+)$", self.log(), re.M))
        events, queries, p95, errors, reconnects = words[-1].split()
        return Total(int(events), int(queries), float(p95), int(errors), int(reconnects), checked)
