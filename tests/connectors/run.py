"""The connector matrix: real connectors run one scenario direct and through crossfade, and must tell the same.

Each connector has a program in its own language (tests/connectors/<language>/) that runs the operations of cases.txt
and prints everything that the connector tells of each: values with their types, column metadata, counts, ids,
warnings, states, errors. The programs know nothing of crossfade. For each connector the transcript of a run on a
fresh database, straight to a private server, is compared byte for byte with those of runs through crossfade on a
database made alike, in every phase of three migrations on the tables that the cases use. The server stays the same, and
the names and texts too; only the connection's number, times and how a connection ended are taken out before the
comparison.

    run.py [--quick] [--clear | --tls] [--phase P,…] [--keep DIR] [--record] [CONNECTOR…]

    --quick    what `make check` runs: two connectors, two phases, in clear
    --clear    not over TLS; --tls: only over TLS, on either side of crossfade and directly
    --keep     writes the transcripts there
    --record   writes the table into docs/compatibility.md; a run of everything holds the document to its results
"""

import argparse
import difflib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/connectors"
BUILD = ROOT / "build/connectors"
sys.path.insert(0, str(ROOT / "tests"))

from harness import Migration, Proxy, Server  # noqa: E402
from harness.server import APP_PASSWORD, APP_USER  # noqa: E402
from harness.ctl import CtlError  # noqa: E402

DATABASE = "matrix"
PHASES = ["relay", "declared", "expand", "dual-write", "backfill", "cutover", "rolled-back", "back-to-expand", "flipping"]
SECONDS_A_RUN = 120
DOCUMENT = ROOT / "docs/compatibility.md"


# ---- the plan: cases.txt as the programs read it

def joined_lines(text):
    """Lines without comments; one that ends in a backslash goes on in the next."""
    whole = ""
    for line in text.splitlines():
        if whole or (line.strip() and not line.startswith("#")):
            whole += line.strip()
            if whole.endswith("\\") and not whole.endswith("\\\\"):
                whole = whole[:-1]
            else:
                yield whole
                whole = ""


def plan(compression):
    """A line an operation, fields separated by tabs; \\t, \\n and \\\\ are escapes."""
    lines, section = [], ""
    for line in joined_lines((HERE / "cases.txt").read_text()):
        section = line if line.startswith("section ") else section
        if section == "section compression" and not compression:
            continue
        operation, _, rest = line.partition(" ")
        fields = [field.strip() for field in re.split(r"\s::(?:\s|$)", rest)] if rest else []
        if operation in ("connect", "change_user"):
            fields = rest.split() if operation == "connect" else fields
        fields = [re.sub(r"\\(?![tn\\])", r"\\\\", field) for field in fields]
        lines.append("\t".join([operation, *fields]).replace("$DATABASE", DATABASE).replace("$$", " "))
    return "".join(line + "\n" for line in lines)


# ---- connectors

class Connector:
    """One program: how it is called, and how it is made where that needs a compiler."""

    def __init__(self, name, title, command, version, build=None, environment=None):
        """`version`: a shell command that prints it."""
        self.name, self.title, self.command, self.build = name, title, command, build
        self.version_command, self.environment = version, environment or {}

    @property
    def version(self):
        done = subprocess.run(self.version_command, shell=True, capture_output=True, text=True, check=False, cwd=BUILD,
                              env={**os.environ, **self.environment})
        match = re.search(r"\d+(\.\d+)+", done.stdout)
        return match[0] if match else "?"

    def prepare(self):
        if self.build:
            BUILD.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(self.build, shell=True, cwd=BUILD, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{self.title}: cannot be built:\n{done.stdout}{done.stderr}")

    def run(self, environment, plan_path):
        """The transcript."""
        done = subprocess.run([str(word) for word in self.command] + [str(plan_path)], cwd=BUILD, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_A_RUN, check=False,
                              env={**os.environ, **environment, **self.environment})
        text = done.stdout.decode("utf-8", "backslashreplace")
        return text + (f"\nexit status {done.returncode}\n" if done.returncode else "")


JAVA_JAR = "/usr/share/java/mariadb-java-client.jar"
GO = f"GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE={BUILD}/go-cache GOFLAGS= go"
NODE = {"NODE_PATH": f"{BUILD}/node/node_modules"}
NODE_PACKAGES = "test -d node/node_modules/{0} || npm install --silent --no-audit --no-fund --prefix node {0}@{1}"
CONNECTORS = [
    Connector("pymysql", "Python PyMySQL", ["/usr/bin/python3", HERE / "python/scenario.py", "pymysql"],
              "/usr/bin/python3 -c 'import pymysql; print(pymysql.__version__)'"),
    Connector("mysqldb", "Python mysqlclient", ["/usr/bin/python3", HERE / "python/scenario.py", "mysqldb"],
              "/usr/bin/python3 -c 'import MySQLdb; print(MySQLdb.__version__)'"),
    Connector("c", "C libmariadb", [BUILD / "c_scenario"], "mariadb_config --cc_version",
              f"gcc -O1 -Wall -Wextra -Werror -o c_scenario {HERE}/c/*.c $(pkg-config --cflags --libs libmariadb)"),
    Connector("mysqli", "PHP mysqli", ["php", "-d", "mysqli.allow_local_infile=1", HERE / "php/mysqli.php"], "php -r 'echo PHP_VERSION;'"),
    Connector("pdo", "PHP PDO", ["php", HERE / "php/pdo.php"], "php -r 'echo PHP_VERSION;'"),
    Connector("perl", "Perl DBD::MariaDB", ["perl", HERE / "perl/scenario.pl"], "perl -MDBD::MariaDB -e 'print DBD::MariaDB->VERSION'"),
    Connector("go", "Go go-sql-driver", [BUILD / "go_scenario"],
              "dpkg-query -W -f '${Version}' golang-github-go-sql-driver-mysql-dev", f"{GO} build -o go_scenario {HERE}/go/scenario.go"),
    Connector("java", "Java MariaDB Connector/J", ["java", "-cp", f"{BUILD}/java:{JAVA_JAR}", "Scenario"], "dpkg-query -W -f '${Version}' libmariadb-java",
              f"javac -cp {JAVA_JAR} -d java {HERE}/java/Scenario.java"),
    Connector("mysql2", "node mysql2", ["node", HERE / "node/mysql2.js"], "node -p \"require('mysql2/package.json').version\"",
              NODE_PACKAGES.format("mysql2", "3.24.6"), NODE),
    Connector("node-mariadb", "node mariadb", ["node", HERE / "node/mariadb.js"],
              "grep '\"version\"' node/node_modules/mariadb/package.json",
              NODE_PACKAGES.format("mariadb", "3.5.4"), NODE),
    Connector("cli", "`mariadb` command line", ["/usr/bin/python3", HERE / "cli/scenario.py"], "mariadb --version | grep -o 'Distrib [0-9.]*'"),
]
QUICK = ["c", "cli"]
QUICK_PHASES = ["relay", "cutover"]


# ---- the two ways

def fresh_database(server):
    server.query(f"DROP DATABASE IF EXISTS `{DATABASE}`")
    server.query(f"CREATE DATABASE `{DATABASE}`")
    server.script((HERE / "schema.sql").read_text(), DATABASE)


def migrations():
    return [
        Migration("people_name", f"{DATABASE}.people", "fullname", ["first_name", "last_name"],
                  types={"first_name": "VARCHAR(120)", "last_name": "VARCHAR(120)"},
                  forward={"first_name": "SUBSTRING_INDEX(fullname, ' ', 1)",
                           "last_name": "IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), NULL)"},
                  backward={"fullname": "CAST(IF(last_name IS NULL, first_name, CONCAT(first_name, ' ', last_name)) AS CHAR(120))"}),
        Migration("prices_cents", f"{DATABASE}.prices", "amount", "cents", types={"cents": "BIGINT"},
                  forward={"cents": "amount * 100"}, backward={"amount": "CAST(cents / 100 AS DECIMAL(10,2))"},
                  invertible="yes", monotonic="yes"),
        Migration("notes_title", f"{DATABASE}.notes", "title", "headline", types={"headline": "VARCHAR(200)"}),
        Migration("notes_body", f"{DATABASE}.notes", "body", "content", types={"content": "LONGBLOB"}),
    ]


def environment(port, tls):
    return {"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": APP_USER, "DB_PASSWORD": APP_PASSWORD,
            "DB_NAME": DATABASE, "DB_TLS": "1" if tls else "0",
            "DB_CA": str(tls.cert) if tls else "", "LC_ALL": "C.UTF-8"}


class Flipper:
    """Flips every migration to and fro while a connector runs."""

    def __init__(self, proxy):
        import threading
        self.proxy, self.over, self.flips, self.error = proxy, threading.Event(), 0, None
        self.thread = threading.Thread(target=self.flip)

    def flip(self):
        try:
            while not self.over.wait(0.02):
                for step in ("rollback", "cutover"):
                    for migration in self.proxy.migrations:
                        self.proxy.ctl(step, migration.name, *(["--force", "--timeout", "60"] if step == "cutover" else []))
                        self.flips += 1
        except CtlError as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.error:
            raise self.error


def proxied(server, connector, phase, plan_path, tls):
    """The transcript through crossfade in a phase."""
    found = migrations() if phase != "relay" else []
    with Proxy(server, found, extra=tls.proxy_section if tls else "") as proxy:
        for migration in found:
            name = migration.name
            steps = {"expand": "expand", "dual-write": "dual-write", "backfill": "verify", "cutover": "cutover",
                     "rolled-back": "cutover", "back-to-expand": "cutover", "flipping": "cutover"}
            if phase in steps:
                proxy.walk(name, steps[phase])
            if phase == "rolled-back":
                proxy.ctl("rollback", name)
            if phase == "back-to-expand":
                proxy.ctl("rollback", name, "--to", "expand")
        if phase == "flipping":
            with Flipper(proxy):
                return normalised(connector.run(environment(proxy.port, tls), plan_path), proxy.port)
        return normalised(connector.run(environment(proxy.port, tls), plan_path), proxy.port)


NORMAL = [
    (re.compile(r"\(conn=\d+\)"), "(conn)"),
    (re.compile(r"\(\d+\.\d+ sec\)"), "(… sec)"),
    # After KILL the client writes once more: whether it then meets the end of the stream or a reset is a matter of time.
    (re.compile(r"^notice: .*SSL: Connection reset by peer\n", re.MULTILINE), ""),
    (re.compile(r" \(\[Errno \d+\] [^)]*\)"), ""),
    (re.compile(r"TLS/SSL error: (Connection reset by peer \(104\)|unexpected eof while reading)"), "TLS/SSL error: the end"),
    # SERVER_QUERY_NO_GOOD_INDEX_USED, SERVER_QUERY_NO_INDEX_USED and SERVER_QUERY_WAS_SLOW are the plan's, and change from
    # run to run on the same server with what InnoDB has not purged yet.
    (re.compile(r"(status=|\"serverStatus\":)(\d+)"), lambda match: match[1] + str(int(match[2]) & ~(16 | 32 | 2048))),
]


def normalised(text, port):
    """Without what must differ, or is chance: the connection's number, the port, times that the command line prints, and
    how a connection ended."""
    for pattern, replacement in NORMAL:
        text = pattern.sub(replacement, text)
    return text.replace(f"(port={port})", "(port)")


# ---- comparing

# A result's column, as the programs print it: its name | what a value of it is | where it comes from, length and flags.
# In the phases that read the new columns, the last part of what is no plain old column of a table is that of what is sent
# for it (docs/sql.md); so it is left out for these statements there, and the columns where it differs are counted.
COLUMN = re.compile(r"^(column .* \|.*\| ).*$")
COMMAND_LINE_COLUMN = re.compile(r"^(Org_field|Database|Table|Org_table|Length|Decimals|Flags): ")
FLIPPED = {"cutover", "flipping"}
DESCRIBED_OTHERWISE = ["LENGTH(fullname) AS bytes FROM people", "SELECT (SELECT fullname FROM people WHERE"]


def without_origins(lines):
    kept, origins, otherwise = [], [], False
    for before, line in zip(["", *lines], lines):
        if line.startswith("> ") or (before == "-" * 14 and line):  # the statement, which the command line frames
            otherwise = any(text in line for text in DESCRIBED_OTHERWISE)
        match = otherwise and (COLUMN.match(line) or COMMAND_LINE_COLUMN.match(line))
        kept.append(match[1] if match else line)
        origins.append(line if match else "")
    return kept, origins


class Difference:
    """What differs: `text`, a unified diff, or ''; `columns`, how many columns' origins differ."""

    def __init__(self, direct, other, phase):
        direct, other = direct.splitlines(), other.splitlines()
        self.columns = 0
        if phase in FLIPPED:
            (direct, origins), (other, others) = without_origins(direct), without_origins(other)
            if direct == other:
                self.columns = sum(one != two for one, two in zip(origins, others))
        self.text = "\n".join(difflib.unified_diff(direct, other, "direct", "proxied", n=3, lineterm=""))


def offers_compression(server):
    """Whether crossfade's greeting says so: the capabilities' lower half stands behind the version and 13 bytes."""
    with Proxy(server) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        greeting = connection.recv(4096)
        at = greeting.index(b"\0", 5) + 14
        return bool(int.from_bytes(greeting[at:at + 2], "little") & 32)


class Tls:
    """A certificate for both sides."""

    def __init__(self, directory):
        self.cert, self.key = directory / "cert.pem", directory / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", self.key, "-out", self.cert],
                       check=True, capture_output=True)
        self.cert.chmod(0o644)
        self.key.chmod(0o644)
        self.proxy_section = f"\n[tls]\nmode = required\ncert = {self.cert}\nkey = {self.key}\n[backend_tls]\nmode = required\n"
        self.server_options = [f"ssl_cert={self.cert}", f"ssl_key={self.key}", "require_secure_transport=ON"]


def add_users(server):
    server.query("CREATE USER empty@'%'")
    server.query("GRANT ALL ON *.* TO empty@'%'")
    server.query("CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('ed secret')")
    server.query("GRANT ALL ON *.* TO ed@'%'")


class Outcome:
    """What one connector's runs gave, in clear or over TLS."""

    def __init__(self, direct):
        self.direct, self.phases = direct, {}

    @property
    def operations(self):
        return sum(line.startswith("> ") and not line.startswith("> section") for line in self.direct.splitlines())

    @property
    def unsupported(self):
        return sum(line.startswith("unsupported") for line in self.direct.splitlines())

    @property
    def wrong(self):
        return {phase: difference.text for phase, difference in self.phases.items() if difference.text}

    @property
    def verdict(self):
        return f"the same in {len(self.phases) - len(self.wrong)} of {len(self.phases)} phases"


def run_connector(server, connector, phases, plan_path, tls, keep):
    connector.prepare()
    fresh_database(server)
    outcome = Outcome(normalised(connector.run(environment(server.port, tls), plan_path), server.port))
    if "\nexit status " in outcome.direct:
        raise SystemExit(f"{connector.title} did not come to its end:\n{outcome.direct[-2000:]}")
    suffix = ".tls" if tls else ""
    if keep:
        (keep / f"{connector.name}.direct{suffix}").write_text(outcome.direct)
    for phase in phases:
        fresh_database(server)
        try:
            text = proxied(server, connector, phase, plan_path, tls)
        except subprocess.TimeoutExpired:
            text = "the run did not end\n"
        if keep:
            (keep / f"{connector.name}.{phase}{suffix}").write_text(text)
        outcome.phases[phase] = Difference(outcome.direct, text, phase)
    return outcome


def run_all(connectors, phases, tls, keep):
    """{connector: Outcome}, each told as it comes."""
    plan_path, found = BUILD / "plan.tsv", {}
    with Server("innodb_stats_auto_recalc=0", *(tls.server_options if tls else [])) as server:
        add_users(server)
        compression = offers_compression(server)
        if not compression:
            print("crossfade offers no compression: those cases are left out")
        plan_path.write_text(plan(compression))
        for connector in connectors:
            began = time.monotonic()
            outcome = found[connector] = run_connector(server, connector, phases, plan_path, tls, keep)
            print(f"{connector.title}{' over TLS' if tls else ''}: {outcome.operations} operations, {outcome.unsupported} not supported; "
                  f"{outcome.verdict}, {time.monotonic() - began:.0f} s", flush=True)
            for phase, text in outcome.wrong.items():
                print(f"--- {connector.name}, {phase}:\n{text[:6000]}", flush=True)
    return found


# ---- the document

BEGIN, END = "<!-- connectors: written by tests/connectors/run.py --record -->", "<!-- end of connectors -->"


def table(clear, secured):
    lines = ["| connector | version | operations | it has no means for | in clear | over TLS |", "| --- | --- | --- | --- | --- | --- |"]
    for connector, outcome in clear.items():
        lines.append(f"| {connector.title} | {connector.version} | {outcome.operations} | {outcome.unsupported} | {outcome.verdict} "
                     f"| {secured[connector].verdict} |")
    return "\n".join(lines)


def hold(text, record):
    """Whether the document has this table; with `record` it gets it."""
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{text}\n{END}{after}"
    if record:
        DOCUMENT.write_text(wanted)
    elif document != wanted:
        print(f"{DOCUMENT.relative_to(ROOT)} says otherwise (--record writes this):\n{text}")
    return record or document == wanted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--clear", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--phase")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("connectors", nargs="*", metavar="CONNECTOR")
    arguments = parser.parse_args()
    phases = arguments.phase.split(",") if arguments.phase else QUICK_PHASES if arguments.quick else PHASES
    names = arguments.connectors or (QUICK if arguments.quick else [one.name for one in CONNECTORS])
    chosen = [one for one in CONNECTORS if one.name in names]
    for directory in (BUILD, arguments.keep):
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
    clear = {} if arguments.tls else run_all(chosen, phases, None, arguments.keep)
    secured = {} if arguments.clear or arguments.quick else run_all(chosen, phases, Tls(BUILD), arguments.keep)
    outcomes = [*clear.values(), *secured.values()]
    failed = sum(len(outcome.wrong) for outcome in outcomes)
    whole = clear and secured and phases == PHASES and len(chosen) == len(CONNECTORS)
    held = hold(table(clear, secured), arguments.record) if whole else True
    print(f"{sum(len(outcome.phases) for outcome in outcomes) - failed} runs passed, {failed} failed")
    return 1 if failed or not held else 0


if __name__ == "__main__":
    sys.exit(main())
