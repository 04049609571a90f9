"""The server, its tables, and every target that the bench's work goes through; one method for each kind of work."""

import os
import pathlib
import re
import signal
import subprocess

import large
from harness import Migration, Process, Proxy, Server, free_port, wait_until
from harness.server import APP_PASSWORD, APP_USER

TARGETS = ["direct", "haproxy", "crossfade", "dual-write", "cutover", "unix"]
PROXIES = TARGETS[1:]
MODES = {"text": "disable", "prepared": "auto"}
PROXY_THREADS = 2
CONNECT = pathlib.Path(__file__).with_name("connect.lua")
OLTP = "/usr/share/sysbench/{}.lua"

HAPROXY = """
global
    maxconn 8000
    nbthread {threads}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port}
    server backend 127.0.0.1:{backend}
"""


class Haproxy(Process):
    def __init__(self, server):
        super().__init__("haproxy")
        self.port = free_port()
        config = self.directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(threads=PROXY_THREADS, port=self.port, backend=server.port))
        self.spawn(["/usr/sbin/haproxy", "-db", "-f", config])
        wait_until(lambda: accepts(server, self.port), what="HAProxy")


def accepts(server, port):
    try:
        server.connect(port=port).close()
        return True
    except OSError:
        return False
    except Exception:  # PyMySQL's own error for a refused connection
        return False


def column_migration(name, database):
    return Migration(name, f"{database}.sbtest1", "c", "c_new", types={"c_new": "CHAR(120) NOT NULL DEFAULT ''"})


def rotated(names, number):
    """The names in the order of this round: nobody is always first."""
    return names[number % len(names):] + names[:number % len(names)]


def cpu_us(process):
    """Microseconds of CPU that all threads of a process have used."""
    if process is None:
        return 0
    tasks = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1000


def user_us(process):
    """The same in user mode alone, in the kernel's ticks."""
    if process is None:
        return 0
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * 1e6 / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, rows):
        self.rows = rows
        self.opened = []
        self.server = self.keep(Server("innodb_buffer_pool_size=512M", "innodb_log_file_size=512M",
                                       "max_allowed_packet=64M"))
        self.targets = {"direct": (self.server.port, "plain", None)}

    def keep(self, process):
        self.opened.append(process)
        return process

    def sysbench(self, port, database, script, *words):
        return ["/usr/bin/sysbench", str(script), "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
                f"--mysql-user={APP_USER}", f"--mysql-password={APP_PASSWORD}", f"--mysql-db={database}",
                "--rand-type=uniform", "--percentile=95", *words]

    def oltp(self, port, database, workload, *words):
        return self.sysbench(port, database, OLTP.format(workload), f"--table-size={self.rows}", *words)

    def prepare(self):
        for database in ("plain", "writing", "moved"):
            self.server.query(f"CREATE DATABASE {database}")
            subprocess.run(self.oltp(self.server.port, database, "oltp_read_write", "prepare"), check=True,
                           stdout=subprocess.DEVNULL)
        self.server.query("CREATE TABLE plain.elsewhere (id INT PRIMARY KEY, c CHAR(120))")
        haproxy = self.keep(Haproxy(self.server))
        self.targets["haproxy"] = (haproxy.port, "plain", haproxy)
        other = Migration("other", "plain.elsewhere", "c", "c_new", types={"c_new": "CHAR(120)"})
        self.server.script(large.tables())
        for target, migration, phase, database, backend in (
                ("crossfade", other, "dual-write", "plain", None),
                ("dual-write", column_migration("column_c", "writing"), "verify", "writing", None),
                ("cutover", column_migration("column_c", "moved"), "cutover", "moved", None),
                ("unix", other, "dual-write", "plain", f"unix:{self.server.socket}"),
                ("large", large.MIGRATION, "dual-write", "large", None)):
            proxy = self.keep(Proxy(self.server, [migration], threads=PROXY_THREADS, backend=backend))
            proxy.walk(migration.name, phase)
            self.targets[target] = (proxy.port, database, proxy)

    def close(self):
        for process in reversed(self.opened):
            process.close()

    # ---- work ----

    def run(self, target, workload, threads, mode, seconds):
        """One run: queries, queries per second, p95 in ms, and the proxy's CPU in µs, all of it and in user mode (0:
        no proxy)."""
        port, database, proxy = self.targets[target]
        cpu, user = cpu_us(proxy), user_us(proxy)
        done = finish(self.oltp(port, database, workload, "run", f"--threads={threads}", f"--time={seconds}",
                                f"--db-ps-mode={MODES[mode]}"), target)
        return {"queries": queries_of(done),
                "qps": float(re.search(r"queries:\s+\d+\s+\(([\d.]+) per sec", done)[1]),
                "p95": float(re.search(r"95th percentile:\s+([\d.]+)", done)[1]),
                "cpu": cpu_us(proxy) - cpu,
                "user": user_us(proxy) - user}

    def connections(self, target, clients, count):
        """Connections a second that `clients` at a time can open and close, of `count`, and µs of the proxy's CPU each."""
        port, database, proxy = self.targets[target]
        cpu = cpu_us(proxy)
        done = finish(self.sysbench(port, database, CONNECT, "run", f"--threads={clients}", "--time=0",
                                    f"--events={count}"), target)
        return {"rate": count / float(re.search(r"total time:\s+([\d.]+)s", done)[1]),
                "cpu": (cpu_us(proxy) - cpu) / count}

    def large(self, what, rounds):
        """What large.insert() or large.result() gives through HAProxy and through crossfade, by rounds."""
        keys = {"haproxy": "haproxy", "crossfade": "large"}
        used = {target: [] for target in keys}
        for number in range(rounds):
            for target in rotated(list(keys), number):
                port, _, proxy = self.targets[keys[target]]
                with self.server.connect(port=port, database="large", max_allowed_packet=1 << 26) as connection:
                    used[target].append(what(connection, proxy, lambda process=proxy: cpu_us(process)))
        return used

    def system_calls(self, target, threads, workload="oltp_point_select"):
        """System calls a query (text) of the threads that relay, without those that opening and closing the connections
        takes."""
        few, calls_of_few = self._traced(target, threads, workload, "--time=0", f"--events={threads}")
        many, calls = self._traced(target, threads, workload, "--time=2")
        return (calls - calls_of_few) / (many - few)

    def _traced(self, target, threads, workload, *words):
        """Queries, and the system calls that strace counts meanwhile (it slows the proxy)."""
        port, database, proxy = self.targets[target]
        summary, relaying = proxy.directory / "strace", relaying_threads(proxy)
        tracer = subprocess.Popen(["strace", "-c", "-o", str(summary), *[f"-p{thread.name}" for thread in relaying]],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in relaying),
                       what="strace to attach")
            done = finish(self.oltp(port, database, workload, "run", f"--threads={threads}", "--db-ps-mode=disable",
                                    *words), target)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        # % of the time, seconds, µs a call, calls, [errors], "total"
        (total,) = (line.split() for line in summary.read_text().splitlines() if line.endswith(" total"))
        return queries_of(done), int(total[3])

    def idle_memory(self, target, connections=1000):
        """Resident bytes a connection that has run one statement and idles."""
        port, database, proxy = self.targets[target]
        before = proxy.rss_bytes()
        idle = []
        try:
            for _ in range(connections):
                idle.append(self.server.connect(port=port, database=database))
                with idle[-1].cursor() as cursor:
                    cursor.execute("SELECT c FROM sbtest1 WHERE id = 1")
            return (proxy.rss_bytes() - before) / connections
        finally:
            for connection in idle:
                connection.close()


def relaying_threads(process):
    """crossfade's workers, as directories of /proc; all threads of HAProxy."""
    threads = list(pathlib.Path(f"/proc/{process.pid}/task").iterdir())
    workers = [thread for thread in threads if (thread / "comm").read_text().startswith("worker")]
    return workers or threads


def finish(command, target):
    """What sysbench prints; it must not fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"sysbench failed on {target}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def queries_of(printed):
    return int(re.search(r"total:\s+(\d+)", printed)[1])
