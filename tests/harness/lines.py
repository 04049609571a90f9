"""The lines of servers that tests run on: how each is installed and started, and what it is called.

CROSSFADE_SERVER names one: `installed` (MariaDB of this machine, the default), or one that tests/tools/chroot.sh
makes: `mariadb-11.8`, `mysql-9.7`. A chrooted server sees this machine's temporary files under the same paths and
listens on its addresses, so tests need not know where it runs.
"""

import getpass
import os
import tempfile
from typing import NamedTuple

from .process import Failure, repository

CHROOT = repository() / "tests/tools/chroot.sh"

# Durability is of no use to a test: speed is. Everything else stays as the server has it.
COMMON = """
    innodb_flush_log_at_trx_commit=0 innodb_doublewrite=0 innodb_buffer_pool_size=128M
    max_allowed_packet=64M max_connections=2000 table_open_cache=1000 open_files_limit=16384 thread_cache_size=100
    local_infile=1 performance_schema=OFF skip_log_bin skip_name_resolve bind_address=127.0.0.1
""".split()
MARIADB = [*COMMON, "innodb_log_file_size=64M", "character_set_server=utf8mb4", "collation_server=utf8mb4_general_ci",
           "max_recursive_iterations=1000000"]
MYSQL = [*COMMON, "innodb_redo_log_capacity=128M", "mysqlx=OFF", "secure_file_priv=", "cte_max_recursion_depth=1000000"]

# The installed server's ed25519 plugin: from its package, or fetched by tests/tools/deps.sh check. The demo and the
# bench have no need of it and run without.
PLUGIN_DIRECTORIES = ["/usr/lib/mysql/plugin", str(repository() / "build/plugin")]


class Line(NamedTuple):
    name: str
    family: str  # "mariadb" or "mysql"
    chrooted: bool
    settings: list

    def _inside(self, command):
        """The command, run where the line's programs are. All of the temporary files are there, under the same paths: a
        test may give the server one of its own, as a certificate."""
        return [str(CHROOT), "run", self.name, tempfile.gettempdir(), *command] if self.chrooted else command

    def _user(self):
        """In a chroot the caller is root, whoever it is outside."""
        return "root" if self.chrooted else getpass.getuser()

    def install(self, data, temporary):
        """The command that makes an empty data directory, root without a password."""
        if self.family == "mysql":
            return self._inside(["/usr/sbin/mysqld", "--no-defaults", f"--user={self._user()}", f"--datadir={data}",
                                            "--initialize-insecure"])
        return self._inside([
            "mariadb-install-db", "--no-defaults", f"--user={self._user()}", f"--datadir={data}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force",
            "--innodb-log-file-size=64M", f"--tmpdir={temporary}"])

    def serve(self, options):
        """The command that is the server; it stays in the foreground."""
        program = "/usr/sbin/mysqld" if self.family == "mysql" else "/usr/sbin/mariadbd"
        return self._inside([program, "--no-defaults", f"--user={self._user()}", *self._plugins(),
                                        *[f"--{option}" for option in options]])

    def tool(self, command):
        """The command, a program of the server's own packages: mariadb-dump and its like, or mysqlbinlog."""
        return self._inside(command)

    def _plugins(self):
        if self.chrooted:
            return [f"--plugin-load-add={'auth_socket' if self.family == 'mysql' else 'auth_ed25519'}.so"]
        for directory in PLUGIN_DIRECTORIES:
            if os.path.exists(f"{directory}/auth_ed25519.so"):
                return [f"--plugin-dir={directory}", "--plugin-load-add=auth_ed25519.so"]
        return []


LINES = {line.name: line for line in [
    Line("installed", "mariadb", False, MARIADB),
    Line("mariadb-11.8", "mariadb", True, MARIADB),
    Line("mysql-9.7", "mysql", True, MYSQL),
]}


def chosen():
    """The line that CROSSFADE_SERVER names."""
    name = os.environ.get("CROSSFADE_SERVER") or "installed"
    if name not in LINES:
        raise Failure(f"CROSSFADE_SERVER={name}: there are {', '.join(LINES)}")
    return LINES[name]
