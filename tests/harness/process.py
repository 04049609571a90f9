"""A child process with a log, a temporary directory, and the means to wait for it.

Nothing here sleeps for a guessed time: wait_until() polls a condition up to a deadline that only a broken
program reaches.
"""

import ctypes
import fcntl
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

POLL = 0.01
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
PORTS = set()  # that this process was given
PORT_LOCKS = open(pathlib.Path(tempfile.gettempdir()) / f"crossfade-ports-{os.getuid()}", "a+b")

# A thousand connections need more files than a login shell's soft limit; children inherit it.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


class Failure(AssertionError):
    """A program under test did what it must not; the message carries its log."""


def repository():
    """The top of the source tree."""
    return pathlib.Path(__file__).resolve().parents[2]


def free_port():
    """A TCP port that nobody listens on, and that no other process of the tests is given while this one lives.

    Below the ephemeral range: a port from there could become an outgoing connection's own before the program
    that it was chosen for binds it. A lock on the port's byte of a common file keeps it for this process: two
    could find it free, and one of them would talk to the other's program."""
    for _ in range(1000):
        port = random.randint(15000, 31999)
        if port in PORTS:
            continue
        with socket.socket() as probe:
            try:
                fcntl.lockf(PORT_LOCKS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        PORTS.add(port)
        return port
    raise Failure("no free TCP port")


def wait_until(condition, timeout=30, what="a condition"):
    """Returns the first true value of condition(); Failure when none came in `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {timeout} s in vain for {what}")
        time.sleep(POLL)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child in its own session (so that Ctrl-C reaches the owner alone), its output in a file."""

    def __init__(self, name, keep=False):
        """`keep`: it may outlive this Python process."""
        self.name = name
        self.keep = keep
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"crossfade-{name}-"))
        self.log_path = self.directory / f"{name}.log"
        self.child = None

    def spawn(self, command, env=None):
        """Starts `command`; its output is appended to the log."""
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, cwd=self.directory, start_new_session=True,
                preexec_fn=None if self.keep else die_with_parent)

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        """The whole log, of earlier starts too."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_since_start(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def wait_log(self, text, timeout=60):
        """Waits until `text` is in the log of the last start; Failure when the process ends before."""
        def seen():
            if text in self.log_since_start():
                return True
            if not self.running and text not in self.log_since_start():
                raise Failure(f"{self.name} ended with status {self.child.returncode} before it logged "
                              f"{text!r}:\n{self.tail()}")
            return False
        wait_until(seen, timeout, f"{text!r} in the log of {self.name}:\n{self.tail()}")

    def tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=60):
        """The exit status; kills the process when the time has passed, and says so."""
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not end in {timeout} s:\n{self.tail()}") from None

    def kill(self):
        """kill -9, and reaps it."""
        if self.running:
            self.child.kill()
        if self.child is not None:
            self.child.wait()

    def cpu_seconds(self):
        """User and system time that the process has used."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def remove(self):
        """Ends the process whatever it does, and removes its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.remove()
