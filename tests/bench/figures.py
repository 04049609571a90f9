"""What the bench has measured, and the medians and ratios that the report and the goals take from it."""

import dataclasses
import statistics

A_QUERY = {"cpu", "user"}  # of a run: µs in all, told a query


def a_query(run, key):
    return run[key] / run["queries"] if key in A_QUERY else run[key]


def median(values):
    return statistics.median(values) if values else None


@dataclasses.dataclass
class Figures:
    """By rounds: `runs` cell → target → [run], a cell being (workload, connections, protocol); `connections` clients →
    target → [run]; `moved` what → target → [run]. `calls` target → connections → system calls a query; `memory` target →
    bytes a connection."""

    runs: dict
    connections: dict
    moved: dict
    calls: dict
    memory: dict

    def targets(self, key="qps"):
        """Those that have the figure: a server without a proxy has no CPU of a proxy."""
        return [target for target, runs in next(iter(self.runs.values())).items()
                if key not in A_QUERY or target != "direct"] if self.runs else []

    def own(self, cell, target, key):
        return median([a_query(run, key) for run in self.runs[cell][target]])

    def ratios(self, cell, target, key, base):
        """By rounds, each within its round."""
        by = self.runs[cell]
        return [a_query(run, key) / a_query(other, key) for run, other in zip(by[target], by[base])]

    def user(self, cells, targets):
        """µs a query in user mode over many runs: the kernel's clock is too coarse for one."""
        runs = [run for cell in cells for target in targets for run in self.runs[cell][target]]
        return sum(run["user"] for run in runs) / sum(run["queries"] for run in runs) if runs else None


def paired(by_target, target, base, key):
    """By rounds: target's figure over base's."""
    return [run[key] / other[key] for run, other in zip(by_target[target], by_target[base])]
