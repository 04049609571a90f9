"""crossfade under test: its config file, its process, its connections."""

import itertools
import os
import re
import signal

import pymysql

from .ctl import Ctl, program
from .process import Failure, Process, free_port
from .server import APP_PASSWORD, APP_USER, CONTROL_PASSWORD, CONTROL_USER

SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=8:exitcode=86",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=86",
}
serial = itertools.count(1)


class Migration:
    """One [migration NAME] section; `types`, `forward` and `backward` are dicts by column name."""

    def __init__(self, name, table, old, new, *, types=None, forward=None, backward=None, **keys):
        self.name, self.table = name, table
        self.old, self.new = self._list(old), self._list(new)
        self.types, self.forward, self.backward = types or {}, forward or {}, backward or {}
        self.keys = keys

    @staticmethod
    def _list(names):
        return [names] if isinstance(names, str) else list(names)

    def text(self):
        keys = {"table": self.table, "old": ", ".join(self.old), "new": ", ".join(self.new)}
        keys.update({f"new.{column}": text for column, text in self.types.items()})
        keys.update({f"forward.{column}": text for column, text in self.forward.items()})
        keys.update({f"backward.{column}": text for column, text in self.backward.items()})
        keys.update(self.keys)
        return f"[migration {self.name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def _differing(self, server, columns, expressions, default):
        """How many rows have one of `columns` that is not what its expression gives; strings as bytes."""
        database, table = self.table.split(".")
        strings = {name for name, charset in server.query(
            "SELECT column_name, character_set_name FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s", database, table) if charset}
        wrong = []
        for column in columns:
            form = "BINARY {}" if column in strings else "{}"
            expression = form.format(f"({expressions.get(column, default)})")
            wrong.append(f"NOT ({form.format(f'`{column}`')} <=> {expression})")
        return server.value(f"SELECT COUNT(*) FROM `{database}`.`{table}` WHERE {' OR '.join(wrong)}")

    def drift(self, server):
        """How many rows have a new column that is not what forward gives, by the server's own word."""
        return self._differing(server, self.new, self.forward, self.old[0])

    def backward_drift(self, server):
        """How many rows have an old column that is not what backward gives."""
        return self._differing(server, self.old, self.backward, self.new[0])


class Proxy(Process):
    """`with Proxy(server, [migration]) as p:` p.port, p.socket, p.connect(), p.ctl("status")."""

    def __init__(self, server, migrations=(), *, start=True, backend=None, settings=None, control=None, extra="",
                 threads=2, env=None, keep=False):
        """`settings` and `control` add to (or replace) the keys of [proxy] and [control]; `extra` is put at the
        end of the file as it is. Each Proxy has a sidecar database of its own unless `control` names one."""
        super().__init__("crossfade", keep)
        self.server = server
        self.migrations = list(migrations)
        self.port = free_port()
        self.socket = self.directory / "client.sock"
        self.admin_socket = self.directory / "admin.sock"
        self.config_path = self.directory / "crossfade.ini"
        self.ctl = Ctl(self.admin_socket)
        self.env = {**SANITIZER_ENV, **(env or {})}
        self.keys = {
            "proxy": {"listen": f"127.0.0.1:{self.port}, unix:{self.socket}",
                      "backend": backend or f"127.0.0.1:{server.port}", "admin_socket": self.admin_socket,
                      "threads": threads, **(settings or {})},
            "control": {"user": CONTROL_USER, "password": CONTROL_PASSWORD,
                        "database": f"crossfade_{os.getpid()}_{next(serial)}", **(control or {})},
        }
        self.extra = extra
        self.clean_exit = True
        if start:
            try:
                self.start()
            except BaseException:
                self.remove()
                raise

    @property
    def sidecar(self):
        return self.keys["control"]["database"]

    def config_text(self):
        sections = []
        for section, keys in self.keys.items():
            lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
            sections.append(f"[{section}]\n" + "\n".join(lines) + "\n")
        return "\n".join(sections + [migration.text() for migration in self.migrations] + [self.extra])

    def write_config(self):
        self.config_path.write_text(self.config_text())

    def declare(self, migrations):
        """Has these migrations from now on; those of before that are not among them must be in expand."""
        self.migrations = migrations
        self.write_config()
        self.ctl("reload")

    def start(self, ready=True):
        """Writes the file, starts the program, and waits until it is ready."""
        self.write_config()
        self.spawn([program("crossfade"), "--config", self.config_path], env=self.env)
        self.clean_exit = True
        if ready:
            self.wait_log("ready")

    def reload(self):
        """The file as it now is in .keys and .migrations, by SIGHUP; what waits for the effect is the test's."""
        self.write_config()
        self.signal(signal.SIGHUP)

    def stop(self, timeout=60):
        """SIGTERM; the exit status must be 0."""
        if not self.running:
            return
        self.signal(signal.SIGTERM)
        status = self.wait(timeout)
        self.check_log()
        if status != 0:
            raise Failure(f"crossfade ended with status {status} after SIGTERM:\n{self.tail()}")

    def kill(self):
        self.clean_exit = False
        super().kill()

    def restart(self):
        self.stop()
        self.start()

    def check_log(self):
        """Failure when a sanitizer has spoken."""
        if SANITIZER.search(self.log()):
            raise Failure(f"sanitizer report:\n{self.tail(120)}")

    def connect(self, **options):
        """A connection through the proxy with the defaults of Server.connect."""
        return pymysql.connect(**{"host": "127.0.0.1", "port": self.port, "user": APP_USER,
                                  "password": APP_PASSWORD, "autocommit": True, "charset": "utf8mb4",
                                  "local_infile": True, "max_allowed_packet": 1 << 30, **options})

    def walk(self, name, to):
        """Takes a migration from expand (columns present or not) to a phase, by the documented steps."""
        steps = [("expand", ["expand", name, "--apply"]), ("dual-write", ["dual-write", name]),
                 ("backfill", ["backfill", name]), ("verify", ["verify", name]), ("cutover", ["cutover", name])]
        names = [step for step, _ in steps]
        for step, words in steps[:names.index(to) + 1]:
            self.ctl(*words)
        return self

    def close(self):
        """Stops it in order, holds its log against the sanitizers, drops its sidecar, removes its files."""
        try:
            if self.child is not None:
                if self.running:
                    self.stop()
                elif self.clean_exit and self.child.returncode not in (0, None):
                    raise Failure(f"crossfade had ended with status {self.child.returncode}:\n{self.tail(80)}")
                self.check_log()
        finally:
            self.remove()
            if self.server is not None and self.server.running:
                self.server.query(f"DROP DATABASE IF EXISTS `{self.sidecar}`")
