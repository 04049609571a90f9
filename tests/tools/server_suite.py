"""MariaDB's own test suite through crossfade (`make check-suite`): whatever passes directly must pass proxied.

mariadb-test-run of the Debian package mariadb-test runs the tests of one suite with --extern, a piece of them at a
time, against a private server that is made anew for each piece and each way:

    direct     the client connects to the server's socket
    relayed    to crossfade's, which has no migration
    migrated   to crossfade's, which has migrations after cutover on tables that only share their names with the
               suite's own (elsewhere.t1, …), so that every statement that names one is parsed and resolved

The server, its databases and a running crossfade beside it are the same in every way; only the path differs. A test
that fails directly may do so for what an earlier one of its piece left behind: it is believed when it has also failed
alone. One that then fails only since its output is not what is recorded (it sees elsewhere.t1, or an engine that is off
where mariadb-test-run starts the server) must have the same output otherwise. What passes directly and not otherwise, or
has another output, is run again, alone and by all ways; what then still differs is a difference. Known are those that end
at a statement which crossfade refuses for a reason in docs/sql.md, and those in server_suite.txt beside this file, with
their reasons; every other one makes the run fail.

    server_suite.py [--suite main] [--protocol normal|ps] [--piece N] [--seconds S] [--again] [--out DIR] [TEST…]

    --seconds   stops in good order when the time has passed; the next run goes on from there
    --again     forgets what former runs found of these tests
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import Failure, Migration, Proxy, Server, wait_until  # noqa: E402

MTR = pathlib.Path("/usr/share/mysql/mysql-test")
SHARE = pathlib.Path("/usr/share/mysql")
KNOWN = pathlib.Path(__file__).with_name("server_suite.txt")
WAYS = ["direct", "relayed", "migrated"]
MINUTES_A_TEST = 1  # the bound of mariadb-test-run; what takes longer directly is not looked at

NO_REPORT = "failed: no report:"
TELLS_NOTHING = re.compile(NO_REPORT + r"|Timeout in \w+\.inc")  # it printed the processes of that moment

# What mariadb-test-run gives the servers that it starts itself, as far as results depend on it
# (include/default_mysqld.cnf).
SETTINGS = """
    character_set_server=latin1 collation_server=latin1_swedish_ci skip_name_resolve=0 connect_timeout=60
    max_allowed_packet=16M max_connections=151 table_open_cache=2000 thread_cache_size=151 plugin_maturity=unknown
    log_bin_trust_function_creators=1 key_buffer_size=1M sort_buffer_size=256K max_heap_table_size=1M
    default_storage_engine=myisam use_stat_tables=preferably histogram_type=json_hb binlog_direct_non_transactional_updates
    innodb_buffer_pool_size=24M disable_getopt_prefix_matching debug_no_sync slave_net_timeout=120 open_files_limit=4096
    aria_pagecache_buffer_size=8M
""".split()

# Names that the suite uses most, in a database of their own: (table, its columns, old, new).
ELSEWHERE = [("t1", "a"), ("t2", "b"), ("t3", "c"), ("v1", "a")]


class SuiteServer(Server):
    """root without a password, the databases and time zones that the suite expects, and nothing else (as
    mysql_install_db() of mariadb-test-run.pl). Its directory is the tests' vardir, and has the layout that they expect."""

    def __init__(self):
        super().__init__(*SETTINGS, start=False)
        self.options = [*self.options, f"secure_file_priv={self.directory}"]
        self.data, self.temporary = self.directory / "mysqld.1/data", self.directory / "mysqld.1/tmp"
        for directory in (self.temporary, self.directory / "log"):
            directory.mkdir(parents=True)
        self._make()

    def _create_users(self):
        self.query("CREATE DATABASE test CHARACTER SET latin1 COLLATE latin1_swedish_ci")
        self.script((SHARE / "mysql_test_data_timezone.sql").read_text(), "mysql")
        self.query("CREATE DATABASE mtr")
        for name in ("mtr_warnings.sql", "mtr_check.sql"):
            text = re.sub(r"^(\s*--.*|use mtr\|\||delimiter .*)$", "", (MTR / "include" / name).read_text(), flags=re.M)
            self.script("DELIMITER ||\n" + text, "mtr")
        self.query("CREATE DATABASE elsewhere")
        for table, column in ELSEWHERE:
            self.query(f"CREATE TABLE elsewhere.{table} (id INT PRIMARY KEY, {column} VARCHAR(20)) ENGINE=InnoDB")


def migrations():
    return [Migration(f"m_{table}", f"elsewhere.{table}", column, f"{column}_new", types={f"{column}_new": "VARCHAR(20)"},
                      forward={f"{column}_new": f"REVERSE({column})"}, backward={column: f"REVERSE({column}_new)"})
            for table, column in ELSEWHERE]


def proxy_for(server, way):
    proxy = Proxy(server, migrations(), control={"user": "root", "password": "", "database": "crossfade"})
    for migration in proxy.migrations:
        proxy.walk(migration.name, "cutover")
    if way == "relayed":
        proxy.migrations = []
        proxy.restart()
    return proxy


def results_of(report):
    """{test: "pass" | "skipped" | the failure's text} from mariadb-test-run's XML report."""
    found = {}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name")
        if case.get("combinations"):
            name += f" ({case.get('combinations')})"
        failure = case.find("failure")
        if failure is not None:
            found[name] = "failed: " + (failure.text or "")
        else:
            found[name] = "skipped" if case.find("skipped") is not None else "pass"
    return found


def outcome(result):
    """What one way's result is compared by: "pass"; how the output is not what is recorded; None where it tells nothing."""
    lines = re.search(r"^@@ .*", result, re.M | re.S)
    if result == "pass":
        return result
    if not lines or TELLS_NOTHING.search(result):
        return None
    text = re.sub(r"\S*/crossfade-(mariadb|crossfade)-\w+", "", lines[0])  # the directories of server and proxy
    day = re.search(r"^\+\+\+ .*\t(\d{4}-\d\d-\d\d) ", result, re.M)  # of the run: when tables were created, …
    return re.sub(rf"\b{day[1]} \d\d:\d\d:\d\d(\.\d+)?", "", text) if day else text


def run_tests(command, environment, server, timeout):
    """Runs mariadb-test-run and gives its output; ends it when the server has ended, which nobody would start again."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = subprocess.Popen(command, cwd=MTR, env={**os.environ, **environment}, stdout=output,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_until(lambda: child.poll() is not None or not server.running, timeout)
        except Failure:
            pass  # it has had its time
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()
        output.seek(0)
        return output.read()


def run_piece(way, suite, protocol, tests):
    """{test: result} of `tests` in their order, on a server of their own."""
    with SuiteServer() as server, proxy_for(server, way) as proxy:
        socket, port = (server.socket, server.port) if way == "direct" else (proxy.socket, proxy.port)
        report = pathlib.Path(server.directory, "report.xml")
        command = ["perl", "mariadb-test-run.pl", f"--vardir={server.directory}", f"--suite={suite}", "--force",
                   "--max-test-fail=0", "--retry=0", "--nocheck-testcases", f"--testcase-timeout={MINUTES_A_TEST}",
                   f"--xml-report={report}", "--extern", f"socket={socket}", "--extern", f"port={port}",
                   "--extern", "host=localhost", "--extern", "user=root", "--noreorder", "--skip-rpl",
                   *(["--ps-protocol"] if protocol == "ps" else []), *(f"{suite}.{test}" for test in tests)]
        environment = {"MASTER_MYSOCK": str(socket), "MASTER_MYPORT": str(port)}  # as include/default_my.cnf has them
        output = run_tests(command, environment, server, 60 * MINUTES_A_TEST * len(tests))
        if not report.exists():
            return {test: f"{NO_REPORT}\n{output[-2000:]}" for test in tests}
        return results_of(report)


def known_differences():
    """{test: reason} from the file beside this one: NAME, white space, reason."""
    found = {}
    for line in KNOWN.read_text().splitlines() if KNOWN.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            found[name] = reason.strip()
    return found


def documented(failure):
    """The reason of a refusal by crossfade that made a test fail, where docs/sql.md has it; else None."""
    match = re.search(r"crossfade: migration \w+: ([^;\n]+)[;\n]", failure)
    reasons = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/sql.md").read_text(), re.M)
    patterns = [re.escape(reason).replace("NAME", ".+").replace("…", ".*") for reason in reasons]
    return match[1] if match and any(re.fullmatch(pattern, match[1]) for pattern in patterns) else None


def why(test, ways, known):
    """Why it is known that a test differs, or None."""
    reasons = [documented(ways[way]) for way in differing(ways)]
    return known.get(base(test)) or (None if None in reasons else f"refused: {reasons[0]}")


def differing(ways):
    """The ways whose result is not the direct one."""
    return [way for way in WAYS[1:] if outcome(ways[way]) != outcome(ways["direct"])]


class Book:
    """What is known of each test so far, by way; kept in a file, so that a long run can be had in parts."""

    def __init__(self, path, again):
        self.path = path
        self.results = {way: {} for way in WAYS}
        self.alone = {}
        self.tried = {"again": [], "alone": []}  # which had that chance to pass directly
        if path.exists() and not again:
            saved = json.loads(path.read_text())
            self.results, self.alone, self.tried = saved["results"], saved["alone"], saved["tried"]

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"results": self.results, "alone": self.alone, "tried": self.tried}, indent=1))

    def passed(self, way):
        return {test for test, result in self.results[way].items() if result == "pass"}

    def comparable(self):
        """Those that passed directly, and those whose output then was not what is recorded."""
        return {test for test, result in self.results["direct"].items() if outcome(result)}

    def suspects(self):
        """Those whose result by another way is not the direct one."""
        return sorted(test for test in self.comparable()
                      if differing({way: self.results[way].get(test, self.results["direct"][test]) for way in WAYS}))

    def refused(self, test):
        """Whether all that keeps it from passing is a documented refusal, which no other test has a part in."""
        results = [self.results[way].get(test, "pass") for way in WAYS]
        return all(result == "pass" or documented(result) for result in results)

    def differences(self):
        """{test: {way: result}} of what also differs when it is run alone, and of what is refused."""
        found = {}
        for test in self.suspects():
            ways = self.alone.get(test)
            if ways is None and self.refused(test):
                ways = {way: self.results[way].get(test, "pass") for way in WAYS}
            if ways and outcome(ways["direct"]) and differing(ways):
                found[test] = ways
        return found


def base(test):
    """The name that mariadb-test-run takes: without its combination."""
    return test.partition(" ")[0]


def alone(test, arguments):
    found = {}
    for way in WAYS:
        results = run_piece(way, arguments.suite, arguments.protocol, [base(test)])
        found[way] = results.get(test, "failed: did not run")
    return found


# What only a server that mariadb-test-run starts itself can run: other options, a restart, a replica.
NEEDS_OWN_SERVER = re.compile(r"shutdown_server|restart_mysqld|kill_mysqld|kill_and_restart|start_mysqld|expect_crash|master-slave|have_debug"
                              r"|have_log_bin|have_binlog_format")


def suite_tests(suite):
    """The names of the tests that --extern could run."""
    directory = MTR / "main" if suite == "main" else MTR / "suite" / suite
    found = []
    for path in sorted([*directory.glob("*.test"), *directory.glob("t/*.test")]):
        options = [path.with_name(path.stem + ending) for ending in (".opt", "-master.opt", ".cnf", ".combinations")]
        if not any(option.exists() for option in options) and not NEEDS_OWN_SERVER.search(path.read_text(errors="replace")):
            found.append(path.stem)
    return found


class TimeOver(Exception):
    pass


class Runner:
    """Runs what the book does not have yet, until the time is over."""

    def __init__(self, arguments, book):
        self.arguments, self.book = arguments, book
        self.deadline = time.monotonic() + arguments.seconds

    def pieces(self, way, tests, size):
        """Runs `tests` in pieces of that size; those whose results are known are left out."""
        known = {base(name) for name in self.book.results[way]}
        tests = [test for test in tests if test not in known]
        for at in range(0, len(tests), size):
            self.piece(way, tests[at:at + size])
            print(f"{way}: {min(at + size, len(tests))} of {len(tests)} run, {len(self.book.passed(way))} passed in all",
                  flush=True)

    def piece(self, way, tests):
        if time.monotonic() > self.deadline:
            raise TimeOver
        found = run_piece(way, self.arguments.suite, self.arguments.protocol, tests)
        ran = {base(name) for name in found}
        self.book.results[way].update({test: "did not run" for test in tests if test not in ran})
        self.book.results[way].update(found)
        self.book.save()
        return found

    def directly(self, tests):
        """What fails behind another test's left-overs gets more chances on new servers: among those that failed, and alone."""
        self.pieces("direct", tests, self.arguments.piece)
        for chance, size in (("again", max(1, self.arguments.piece // 4)), ("alone", 1)):
            tried, results = self.book.tried[chance], self.book.results["direct"]
            failed = {base(test) for test, result in results.items() if result.startswith(("failed", "did not run"))}
            failed = sorted(failed.difference(tried))
            for at in range(0, len(failed), size):
                self.piece("direct", failed[at:at + size])
                tried += failed[at:at + size]
                self.book.save()
            print(f"direct, {chance}: {len(tried)} run, {len(self.book.passed('direct'))} passed in all", flush=True)

    def __call__(self):
        self.directly(self.arguments.tests or suite_tests(self.arguments.suite))
        known = known_differences()
        passed = {base(test) for test in self.book.passed("direct")}
        together = {test for test in passed if test not in known}  # no other is to run behind where a known one ends
        single = {base(test) for test in self.book.comparable()} - together
        for way in WAYS[1:]:
            self.pieces(way, sorted(together), self.arguments.piece)
            self.pieces(way, sorted(single), 1)
        for test in self.book.suspects():
            if test not in self.book.alone and not self.book.refused(test):
                if time.monotonic() > self.deadline:
                    raise TimeOver
                self.book.alone[test] = alone(test, self.arguments)
                self.book.save()


def tell(arguments, book, complete):
    known, differences = known_differences(), book.differences()
    unknown = [test for test, ways in differences.items() if why(test, ways, known) is None]
    for test, ways in sorted(differences.items()):
        print(f"{test}: {why(test, ways, known) or 'DIFFERS'}")
        for way in WAYS[1:]:
            if test in unknown and way in differing(ways):
                print(f"  {way}: " + ways[way][:4000].replace("\n", "\n    "))
    direct, passed = book.comparable(), book.passed("direct")
    looked = {way: len(direct & set(book.results[way])) for way in WAYS[1:]}
    print(f"{arguments.suite}, {arguments.protocol} protocol: {len(passed)} tests pass directly, "
          f"{len(direct - passed)} only have another output than is recorded; run through crossfade: "
          + ", ".join(f"{count} {way}" for way, count in looked.items())
          + f"; {len(differences) - len(unknown)} known differences, {len(unknown)} unknown"
          + ("" if complete else "; the time was over: run it again to go on"))
    return 1 if unknown or not complete else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", default="main")
    parser.add_argument("--protocol", choices=["normal", "ps"], default="normal")
    parser.add_argument("--piece", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=6 * 3600)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/server-suite")
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are to be ended too
    book = Book(arguments.out / f"{arguments.suite}-{arguments.protocol}.json", arguments.again)
    complete = True
    try:
        Runner(arguments, book)()
    except TimeOver:
        complete = False
    return tell(arguments, book, complete)


if __name__ == "__main__":
    sys.exit(main())
