"""`make bench`: crossfade beside a bare relay (HAProxy in TCP mode) and beside no relay at all.

sysbench's four OLTP workloads, text and prepared, at 8 and 64 connections (the point select at 1 too), on the same
server, through

    direct       no proxy
    haproxy      mode tcp, as many threads as crossfade has
    crossfade    a migration is running, on a table that the workload never names
    dual-write   the workload's table is being dual-written: its column c also fills c_new
    cutover      after cutover: reads of c are answered from c_new, both are written
    unix         as crossfade, but with a Unix socket to the backend

then what opening connections costs, what a large INSERT and a large result cost (large.py), and system calls and
memory. goals.py holds the figures against what is asked of them.

Rounds are interleaved (every target once, then again), so that what else the machine does falls on all of
them; a ratio is taken within a round, and the median over the rounds is what is printed. CPU is the proxy
process's own, user and system, from /proc. `--record` writes docs/performance.md; `--goals` runs only what the goals
need, in half the time.
"""

import argparse
import datetime
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import figures  # noqa: E402
import large  # noqa: E402
import report  # noqa: E402
from targets import MODES, PROXIES, TARGETS, Bench, rotated  # noqa: E402

WORKLOADS = ["oltp_point_select", "oltp_read_only", "oltp_write_only", "oltp_read_write"]
CONNECTING = ["direct", "haproxy", "crossfade", "unix"]  # targets through which connections are opened
CLIENTS = [1, 8]  # that open them, at a time
SLICES, A_SLICE = 7, 400  # of a round: so many times so many connections
LARGE_ROUNDS = 9  # at least: each worker's first INSERT needs fresh memory, which those behind it use again


class Progress:
    def __init__(self, total):
        self.done, self.total = 0, total

    def step(self):
        self.done += 1
        if sys.stderr.isatty():
            end = "\n" if self.done == self.total else ""
            print(f"\r{self.done} of {self.total} runs", end=end, file=sys.stderr, flush=True)


def measure(bench, cells, targets, rounds, seconds):
    """cell → target → the runs of all rounds."""
    runs = {cell: {target: [] for target in targets} for cell in cells}
    progress = Progress(rounds * len(cells) * len(targets))
    for number in range(rounds):
        for cell in cells:
            for target in rotated(targets, number):
                runs[cell][target].append(bench.run(target, *cell, seconds))
                progress.step()
    return runs


def connect(bench, clients):
    """One round: target → the median of its slices. They are short, and each target has one in turn: what else the
    machine does for a moment takes some slices of all, and not the run of one."""
    slices = {target: [] for target in CONNECTING}
    for number in range(SLICES):
        for target in rotated(CONNECTING, number):
            slices[target].append(bench.connections(target, clients, A_SLICE))
    return {target: {key: figures.median([each[key] for each in runs]) for key in ("rate", "cpu")}
            for target, runs in slices.items()}


def measure_connections(bench, rounds):
    """clients → target → the runs of all rounds."""
    taken = {clients: [connect(bench, clients) for _ in range(rounds)] for clients in CLIENTS}
    return {clients: {target: [each[target] for each in by_round] for target in CONNECTING}
            for clients, by_round in taken.items()}


def measure_large(bench, rounds):
    return {what: bench.large(work, max(rounds, LARGE_ROUNDS)) for what, work in large.WORK.items()}


def cells_of(arguments):
    workloads = [name for name in WORKLOADS if (arguments.only or "") in name]
    if arguments.goals and not arguments.only:
        workloads = ["oltp_point_select", "oltp_read_write"]
    if arguments.threads:
        threads = {workload: arguments.threads for workload in workloads}
    elif arguments.quick:
        threads = {workload: [8] for workload in workloads}
    else:
        first = [] if arguments.goals else [1]
        threads = {workload: (first if workload == WORKLOADS[0] else []) + [8, 64] for workload in workloads}
    return [(workload, count, mode) for workload in workloads for count in threads[workload] for mode in MODES]


def take(bench, arguments, rounds, seconds):
    """Everything that is measured."""
    cells = cells_of(arguments)
    targets = [target for target in TARGETS if target != "direct" or not arguments.goals]
    threads = arguments.threads or ([8] if arguments.quick else [1, 8, 64])
    # First, of processes that have served nobody: later, freed memory would be used again.
    memory = {target: bench.idle_memory(target) for target in PROXIES}
    runs = measure(bench, cells, targets, rounds, seconds)
    connections = measure_connections(bench, rounds)
    moved = measure_large(bench, rounds)
    calls = {target: {count: bench.system_calls(target, count) for count in threads} for target in PROXIES}
    return figures.Figures(runs, connections, moved, calls, memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round at 8 threads")
    parser.add_argument("--goals", action="store_true", help="only what the goals need: two workloads, none of them direct")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--large", action="store_true", help="only the large INSERT and the large result")
    parser.add_argument("--threads", type=int, action="append", help="at this many threads (may be repeated)")
    parser.add_argument("--only", help="workloads whose name has this in it")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 5 if arguments.goals else 4)
    seconds = arguments.seconds or (3 if arguments.quick else 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    bench = Bench(rows=20000 if arguments.quick else 100000)
    try:
        bench.prepare()
        if arguments.large:
            print(report.large_table(measure_large(bench, rounds)))
            return
        taken = take(bench, arguments, rounds, seconds)
        version = bench.server.value("SELECT VERSION()")
    finally:
        bench.close()
    command = f"make bench{' GOALS=1' if arguments.goals else ''} RECORD=1"
    text = report.text(taken, version, rounds, seconds, command, datetime.date.today())
    print(text)
    if arguments.record:
        path = pathlib.Path(__file__).resolve().parents[2] / "docs/performance.md"
        path.write_text(text)
        print(f"written to {path}")


if __name__ == "__main__":
    main()
