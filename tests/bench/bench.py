"""`make bench`: crossfade beside a bare relay (HAProxy in TCP mode) and beside no relay at all.

sysbench's four OLTP workloads, text and prepared, at 1, 8 and 64 threads, on the same server, through

    direct       no proxy
    haproxy      mode tcp, as many threads as crossfade has
    crossfade    a migration is running, on a table that the workload never names
    dual-write   the workload's table is being dual-written: its column c also fills c_new
    cutover      after cutover: reads of c are answered from c_new, both are written
    unix         as crossfade, but with a Unix socket to the backend

and what a large INSERT and a large result cost (large.py).

Rounds are interleaved (every target once, then again), so that what else the machine does falls on all of
them; a ratio is taken within a round, and the median over the rounds is what is printed. CPU is the proxy
process's own, user and system, from /proc. `--record` writes docs/performance.md.
"""

import argparse
import datetime
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import large  # noqa: E402
import report  # noqa: E402
from harness import Migration, Process, Proxy, Server, free_port, wait_until  # noqa: E402
from harness.server import APP_PASSWORD, APP_USER  # noqa: E402

WORKLOADS = ["oltp_point_select", "oltp_read_only", "oltp_write_only", "oltp_read_write"]
TARGETS = ["direct", "haproxy", "crossfade", "dual-write", "cutover", "unix"]
MODES = {"text": "disable", "prepared": "auto"}
PROXY_THREADS = 2

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


class Bench:
    """The server, its tables, and every target that the workloads run through."""

    def __init__(self, rows):
        self.rows = rows
        self.opened = []
        self.server = self.keep(Server("innodb_buffer_pool_size=512M", "innodb_log_file_size=512M",
                                       "max_allowed_packet=64M"))
        self.targets = {"direct": (self.server.port, "plain", None)}

    def keep(self, process):
        self.opened.append(process)
        return process

    def sysbench(self, port, database, workload, command, *options):
        return ["/usr/bin/sysbench", f"/usr/share/sysbench/{workload}.lua", "--db-driver=mysql",
                "--mysql-host=127.0.0.1", f"--mysql-port={port}", f"--mysql-user={APP_USER}",
                f"--mysql-password={APP_PASSWORD}", f"--mysql-db={database}", f"--table-size={self.rows}",
                "--rand-type=uniform", "--percentile=95", *options, command]

    def prepare(self):
        for database in ("plain", "writing", "moved"):
            self.server.query(f"CREATE DATABASE {database}")
            subprocess.run(self.sysbench(self.server.port, database, "oltp_read_write", "prepare"), check=True,
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

    def run(self, target, workload, threads, mode, seconds):
        """One run: queries per second, p95 in ms, and the proxy's CPU in µs a query, all of it and in user mode
        (None: no proxy)."""
        port, database, proxy = self.targets[target]
        before, user_before = cpu_us(proxy), user_us(proxy)
        done = subprocess.run(
            self.sysbench(port, database, workload, "run", f"--threads={threads}", f"--time={seconds}",
                          f"--db-ps-mode={MODES[mode]}"), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"sysbench failed on {target}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        queries = int(re.search(r"total:\s+(\d+)", done.stdout)[1])
        return {"qps": float(re.search(r"queries:\s+\d+\s+\(([\d.]+) per sec", done.stdout)[1]),
                "p95": float(re.search(r"95th percentile:\s+([\d.]+)", done.stdout)[1]),
                "cpu": (cpu_us(proxy) - before) / queries if proxy else None,
                "user": (user_us(proxy) - user_before) / queries if proxy else None}

    def large(self, what, rounds):
        """Milliseconds of CPU a MiB through HAProxy and through crossfade, by rounds: {target: [..]}."""
        used = {"haproxy": [], "crossfade": []}
        for _ in range(rounds):
            for target, key in (("haproxy", "haproxy"), ("crossfade", "large")):
                port, _, proxy = self.targets[key]
                with self.server.connect(port=port, database="large", max_allowed_packet=1 << 26) as connection:
                    used[target].append(what(connection, lambda process=proxy: cpu_us(process)))
        return used

    def system_calls(self, target, threads, mode="text", workload="oltp_point_select"):
        """System calls of the proxy a query, counted by strace in a run of their own (it slows the proxy)."""
        port, database, proxy = self.targets[target]
        summary = proxy.directory / "strace"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", str(summary), "-p", str(proxy.pid)],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: "TracerPid:\t0\n" not in pathlib.Path(f"/proc/{proxy.pid}/status").read_text(),
                       what="strace to attach")
            done = subprocess.run(self.sysbench(port, database, workload, "run", f"--threads={threads}", "--time=3",
                                                f"--db-ps-mode={MODES[mode]}"), capture_output=True, text=True,
                                  check=True)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        total = re.search(r"^100\.00\s.*?(\d+)(?:\s+\d+)? total$", summary.read_text(), re.M)
        return int(total[1]) / int(re.search(r"total:\s+(\d+)", done.stdout)[1])

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

    def close(self):
        for process in reversed(self.opened):
            process.close()


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


def measure(bench, cells, rounds, seconds):
    """cell → target → {"qps", "p95", "cpu"} medians, and ratios to HAProxy and to direct within a round."""
    runs = {cell: {target: [] for target in TARGETS} for cell in cells}
    total, done = rounds * len(cells) * len(TARGETS), 0
    for number in range(rounds):
        for cell in cells:
            for target in TARGETS[number % len(TARGETS):] + TARGETS[:number % len(TARGETS)]:
                runs[cell][target].append(bench.run(target, *cell, seconds))
                done += 1
                if sys.stderr.isatty():
                    print(f"\r{done} of {total} runs", end="\n" if done == total else "", file=sys.stderr, flush=True)
    return {cell: {target: summary(results, target) for target in TARGETS} for cell, results in runs.items()}


def summary(results, target):
    def median(values):
        return statistics.median(values) if values else None

    own = results[target]
    answer = {key: median([run[key] for run in own if run[key] is not None]) for key in ("qps", "p95", "cpu", "user")}
    for base in ("direct", "haproxy"):
        for key in ("qps", "p95", "cpu"):
            answer[f"{key}/{base}"] = median([run[key] / other[key] for run, other in zip(own, results[base])
                                              if run[key] and other[key]])
    return answer


def measure_large(bench, rounds):
    return {"INSERT of 20 MiB, dual-written": bench.large(large.insert, rounds),
            "result of 100 MB": bench.large(large.result, rounds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round at 8 threads")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--large", action="store_true", help="only the large INSERT and the large result")
    parser.add_argument("--threads", type=int, action="append", help="at this many threads (may be repeated)")
    parser.add_argument("--only", help="workloads whose name has this in it")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    seconds = arguments.seconds or (3 if arguments.quick else 5)
    threads = arguments.threads or ([8] if arguments.quick else [1, 8, 64])
    workloads = [name for name in WORKLOADS if (arguments.only or "") in name]
    cells = [(workload, count, mode) for workload in workloads for count in threads for mode in MODES]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    bench = Bench(rows=20000 if arguments.quick else 100000)
    try:
        bench.prepare()
        proxies = [target for target in TARGETS if target != "direct"]
        if arguments.large:
            print(report.large_table(measure_large(bench, rounds)))
            return
        # First, of processes that have served nobody: later, freed memory would be used again.
        memory = {target: bench.idle_memory(target) for target in proxies}
        results = measure(bench, cells, rounds, seconds)
        calls = {target: {count: bench.system_calls(target, count) for count in threads} for target in proxies}
        moved = measure_large(bench, rounds)
        version = bench.server.value("SELECT VERSION()")
    finally:
        bench.close()
    text = report.text(results, calls, memory, moved, TARGETS, version, rounds, seconds, datetime.date.today())
    print(text)
    if arguments.record:
        path = pathlib.Path(__file__).resolve().parents[2] / "docs/performance.md"
        path.write_text(text)
        print(f"written to {path}")


if __name__ == "__main__":
    main()
