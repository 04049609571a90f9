"""A private server: own data directory, socket and port; nothing of the system's is touched.

Which server it is says CROSSFADE_SERVER (lines.py); without it, the MariaDB of this machine.
"""

import shutil
import signal
import subprocess

import pymysql

from . import lines
from .process import Failure, Process, free_port, wait_until

APP_USER, APP_PASSWORD = "app", "app secret"
CONTROL_USER, CONTROL_PASSWORD = "crossfade", "control secret"


def numbers(last):
    """A table of the numbers from 1 to `last` in its column seq, for a FROM clause of any server."""
    return (f"(WITH RECURSIVE counting (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM counting WHERE seq < {last})"
            " SELECT seq FROM counting) AS numbers")


class Server(Process):
    """`with Server() as s:` s.port, s.socket, s.connect() as the application, s.admin() as root."""

    def __init__(self, *options, start=True, keep=False, tls=None):
        """`options`: more of the server's, without the dashes: "max_connections=10"; `tls`: paths of its CA, its
        certificate and key."""
        self.line = lines.chosen()
        super().__init__(self.line.family, keep)
        self.data = self.directory / "data"
        self.temporary = self.directory / "tmp"  # in a common one, servers take each other's temporary tables
        self.temporary.mkdir()
        self.socket = self.directory / "server.sock"
        self.options = [*options, *self._tls_options(tls)] if tls else options
        self.port = free_port()
        self._admin = None
        if start:
            self._make()

    @property
    def family(self):
        """"mariadb" or "mysql": what a test may expect of it."""
        return self.line.family

    def version(self):
        """"mariadb-10.11.19", "mysql-9.7.4": as `crossfade rewrite --server` takes it."""
        return f"{self.family}-{self.value('SELECT VERSION()').partition('-')[0]}"

    def _tls_options(self, paths):
        """A chrooted server sees its own directory alone: the files are copied there."""
        names = [shutil.copy(path, self.directory) for path in paths]
        return [f"{option}={name}" for option, name in zip(("ssl-ca", "ssl-cert", "ssl-key"), names)]

    def _make(self):
        """A server from nothing, or nothing left of it."""
        try:
            self._install()
            self.start()
            self._create_users()
        except BaseException:
            self.remove()
            raise

    def _install(self):
        done = subprocess.run(self.line.install(self.data, self.temporary), capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise Failure(f"the {self.line.name} server's data directory could not be made:\n{done.stdout}{done.stderr}")

    def start(self):
        self.spawn(self.line.serve([
            f"datadir={self.data}", f"socket={self.socket}", f"port={self.port}", f"pid-file={self.directory}/pid",
            f"tmpdir={self.temporary}", *self.line.settings, *self.options]))
        self.wait_log("ready for connections")
        wait_until(self.socket.exists, what="the server's socket")

    def stop(self):
        """An orderly stop; start() brings the same data back."""
        self._forget_admin()
        if self.running:
            self.signal(signal.SIGTERM)
            self.wait()

    def kill(self):
        self._forget_admin()
        super().kill()

    def _create_users(self):
        for user, password in ((APP_USER, APP_PASSWORD), (CONTROL_USER, CONTROL_PASSWORD)):
            self.query(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")
            self.query(f"GRANT ALL ON *.* TO '{user}'@'%'")

    def socket_account(self, user):
        """Makes the account `user`@localhost belong to the machine's user of that name, without a password: to whoever
        is at the other end of the server's Unix socket. False where the server, in a chroot, has no such user."""
        if self.line.chrooted and user != "root":
            return False
        plugin = "auth_socket" if self.family == "mysql" else "unix_socket"
        self.query(f"CREATE USER IF NOT EXISTS '{user}'@'localhost'")
        self.query(f"ALTER USER '{user}'@'localhost' IDENTIFIED WITH {plugin}")
        return True

    def connect(self, **options):
        """A direct connection as the application: TCP, autocommit."""
        return pymysql.connect(**{"host": "127.0.0.1", "port": self.port, "user": APP_USER,
                                  "password": APP_PASSWORD, "autocommit": True, "charset": "utf8mb4",
                                  "local_infile": True, "max_allowed_packet": 1 << 30, **options})

    def admin(self):
        """The one root connection of this object, over the Unix socket."""
        if self._admin is None:
            self._admin = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True,
                                          charset="utf8mb4")
        return self._admin

    def _forget_admin(self):
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def query(self, sql, *arguments):
        """Runs one statement as root; its rows as a list of tuples."""
        with self.admin().cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return list(cursor.fetchall())

    def value(self, sql, *arguments):
        """The first value of the first row."""
        return self.query(sql, *arguments)[0][0]

    def script(self, sql, database=None):
        """Runs a ';'-separated script as root with the command line client."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", *([database] if database else [])]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"script failed: {done.stderr}")
        return done.stdout

    def close(self):
        self._forget_admin()
        self.remove()


