"""The goals, and what was measured of each: one table, in one order.

What is measured for several workloads and targets is judged by the median of all their rounds; beside it stand the least
and the greatest of the medians that each has for itself."""

import dataclasses
import operator

from figures import median, paired

MATCHING = ["dual-write", "cutover"]
BUSY = [8, 64]
CALLS = {1: 6, 8: 5, 64: 4.6}


@dataclasses.dataclass
class Goal:
    what: str
    limit: float
    measured: float = None  # None: this run did not measure it
    least: float = None
    greatest: float = None
    at_least: bool = False  # the limit is the least that is wanted; else the most
    below: bool = False     # the limit itself is too much

    @property
    def met(self):
        if self.measured is None:
            return None
        compare = operator.ge if self.at_least else operator.lt if self.below else operator.le
        return compare(round(self.measured, 2), self.limit)

    @property
    def wanted(self):
        return f"{'≥' if self.at_least else '<' if self.below else '≤'} {self.limit:g}"


def spread(groups):
    """The median of all values, and the least and greatest of the groups' medians, as Goal takes them."""
    groups = [group for group in groups if group]
    if not groups:
        return {}
    medians = [median(group) for group in groups]
    return {"measured": median([value for group in groups for value in group]), "least": min(medians),
            "greatest": max(medians)}


def cells(figures, threads, mode):
    return [cell for cell in figures.runs if cell[1:] == (threads, mode)]


def each_load():
    return [(threads, mode) for threads in BUSY for mode in ("text", "prepared")]


def cpu_goals(figures, what, limit, targets):
    """CPU a query, as a ratio to HAProxy's."""
    return [Goal(f"{what}, {threads} connections, {mode} (÷ HAProxy)", limit,
                 **spread([figures.ratios(cell, target, "cpu", "haproxy")
                           for cell in cells(figures, threads, mode) for target in targets]))
            for threads, mode in each_load()]


def user_goals(figures, what, targets):
    goals = []
    for threads, mode in each_load():
        at = cells(figures, threads, mode)
        single = [figures.user([cell], [target]) for cell in at for target in targets]
        goals.append(Goal(f"{what}, {threads} connections, {mode} (µs)", 4, figures.user(at, targets),
                          min(single, default=None), max(single, default=None), below=True))
    return goals


def call_goals(figures):
    """The dearest of crossfade's targets counts."""
    own = [calls for target, calls in figures.calls.items() if target != "haproxy"]
    return [Goal(f"System calls a query, {threads} connection{'' if threads == 1 else 's'}", limit,
                 max((calls[threads] for calls in own if threads in calls), default=None),
                 min((calls[threads] for calls in own if threads in calls), default=None),
                 max((calls[threads] for calls in own if threads in calls), default=None))
            for threads, limit in CALLS.items()]


def large_goals(figures):
    moved = figures.moved
    inserted, result = moved["INSERT of 20 MiB, dual-written"], moved["result of 100 MB"]
    cpu = [run["cpu"] for run in inserted["crossfade"]]
    added = [run["memory"] for run in result["crossfade"]]
    ratios = paired(result, "crossfade", "haproxy", "cpu")
    return [
        Goal("CPU of a result of 100 MB (÷ HAProxy)", 1, median(ratios), min(ratios), max(ratios)),
        Goal("Memory that a result of 100 MB adds (MiB)", 1, max(added), min(added), max(added)),
        Goal("CPU of an INSERT of 20 MiB, dual-written (ms a MiB)", 1.5, median(cpu), min(cpu), max(cpu), below=True),
    ]


def connection_goals(figures):
    goals = []
    for clients, by_target in figures.connections.items():
        ratios = paired(by_target, "crossfade", "direct", "rate")
        goals.append(Goal(f"Connections a second, {clients} client{'' if clients == 1 else 's'} (÷ direct)", 0.6,
                          median(ratios), min(ratios), max(ratios), at_least=True))
    return goals


def goals(figures):
    return [
        *cpu_goals(figures, "CPU a query, no matching migration", 1, ["crossfade"]),
        *cpu_goals(figures, "CPU a query, a matching migration", 1.1, MATCHING),
        *cpu_goals(figures, "CPU a query, Unix socket to the backend", 0.8, ["unix"]),
        *user_goals(figures, "User-mode CPU a query, no matching migration", ["crossfade"]),
        *user_goals(figures, "User-mode CPU a query, a matching migration", MATCHING),
        *call_goals(figures),
        *large_goals(figures),
        *connection_goals(figures),
    ]
