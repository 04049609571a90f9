"""Holds every #include "…" to the floors (the Makefile's FLOORS, lowest first): a file includes its own floor
and lower ones, proxy/ctl stands beside main, and headers form no circle."""

import pathlib
import re
import sys

MAKEFILE = pathlib.Path("Makefile").read_text()
FLOORS = re.search(r"^FLOORS\s*:=\s*(.*)$", MAKEFILE, re.M).group(1).split() + ["proxy"]
TOP = FLOORS.index("proxy")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)


def floor_of(path):
    """The number of a file's floor; proxy/ctl counts as main's own."""
    folder = str(path.parent)
    if folder == "proxy/ctl":
        return TOP
    return FLOORS.index(folder) if folder in FLOORS else None


def sources():
    for floor in [*FLOORS, "proxy/ctl"]:
        yield from sorted(pathlib.Path(floor).glob("*.[ch]"))


def check_includes(path, mistakes):
    """The project's own files that `path` includes; what is wrong with them goes to `mistakes`."""
    own = []
    for name in INCLUDE.findall(path.read_text()):
        target = pathlib.Path(name)
        if not target.exists():
            mistakes.append(f'{path}: includes "{name}", which is no path from the top of the tree')
            continue
        own.append(target)
        if floor_of(target) is None:
            mistakes.append(f"{path}: includes {target}, which is on no floor")
        elif floor_of(target) > floor_of(path):
            mistakes.append(f"{path}: includes {target} of a higher floor")
        elif floor_of(target) == TOP and path.parent != target.parent:
            mistakes.append(f"{path}: includes {target}: main and proxy/ctl stand side by side")
    return own


def circles(graph):
    """Every circle of includes that a depth-first walk closes."""
    done, found = set(), []

    def walk(path, trail):
        if path in trail:
            found.append(" → ".join(str(step) for step in trail[trail.index(path):] + [path]))
        elif path not in done:
            for target in graph.get(path, []):
                walk(target, trail + [path])
            done.add(path)

    for path in graph:
        walk(path, [])
    return found


def main():
    mistakes = []
    graph = {path: check_includes(path, mistakes) for path in sources()}
    mistakes += [f"circle: {circle}" for circle in circles(graph)]
    print("\n".join(mistakes) if mistakes else f"floors: {len(graph)} files, {len(FLOORS)} floors, no circle")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
