"""A private MariaDB: own data directory, socket and port; nothing of the system's is touched."""

import getpass
import os
import signal
import subprocess

import pymysql

from .process import Failure, Process, free_port, repository, wait_until

APP_USER, APP_PASSWORD = "app", "app secret"
CONTROL_USER, CONTROL_PASSWORD = "crossfade", "control secret"

# Durability is of no use to a test: speed is. Everything else stays as the server has it.
SETTINGS = """
    innodb_flush_log_at_trx_commit=0 innodb_doublewrite=0 innodb_log_file_size=64M innodb_buffer_pool_size=128M
    max_allowed_packet=64M max_connections=2000 table_open_cache=1000 open_files_limit=16384 thread_cache_size=100
    local_infile=1 character_set_server=utf8mb4 collation_server=utf8mb4_general_ci
    performance_schema=OFF skip_log_bin skip_name_resolve bind_address=127.0.0.1
""".split()

PLUGIN_DIRECTORIES = ["/usr/lib/mysql/plugin", str(repository() / "build/plugin")]


def ed25519_options():
    """Loads the server's ed25519 plugin from where it is: installed, or fetched by tests/tools/deps.sh check. The
    demo and the bench have no need of it and run without."""
    for directory in PLUGIN_DIRECTORIES:
        if os.path.exists(f"{directory}/auth_ed25519.so"):
            return [f"--plugin-dir={directory}", "--plugin-load-add=auth_ed25519.so"]
    return []


class Server(Process):
    """`with Server() as s:` s.port, s.socket, s.connect() as the application, s.admin() as root."""

    def __init__(self, *options, start=True, keep=False):
        """`options`: more of mariadbd's, without the dashes: "max_connections=10"."""
        super().__init__("mariadb", keep)
        self.data = self.directory / "data"
        self.temporary = self.directory / "tmp"  # in a common one, servers take each other's temporary tables
        self.temporary.mkdir()
        self.socket = self.directory / "mariadb.sock"
        self.options = options
        self.port = free_port()
        self._admin = None
        if start:
            try:
                self._install()
                self.start()
                self._create_users()
            except BaseException:
                self.remove()
                raise

    def _install(self):
        command = ["mariadb-install-db", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.data}",
                   "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force",
                   "--innodb-log-file-size=64M", f"--tmpdir={self.temporary}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")

    def start(self):
        options = [*SETTINGS, *self.options]
        self.spawn(["/usr/sbin/mariadbd", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.data}",
                    f"--socket={self.socket}", f"--port={self.port}", f"--pid-file={self.directory}/pid",
                    f"--tmpdir={self.temporary}",
                    *ed25519_options(), *[f"--{option}" for option in options]])
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


