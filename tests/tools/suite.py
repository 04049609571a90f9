"""How much of SQL crossfade understands, measured on the server's own test suite (`make sql-suite`).

Statements are those of the `main` suite in Debian's package mariadb-test-data; a private MariaDB says which of them the
server itself parses. With CROSSFADE_SERVER=mysql-9.7 they are those of mysql-testsuite, and MySQL is the judge. Two
figures:

    parsed    of the DML and query statements that the server parses, how many crossfade's parser parses
    refused   of those that name a migrated table, how many are refused in dual-write and in cutover

For the second one every base table that the scripts make is migrated once, on an ordinary column `c` towards `c_new`
of the same type: once as a rename, once by an expression that no server could leave out (REVERSE(c), -c). Everything
goes through `crossfade rewrite --json` with the tables as the server shows them at that place of the script.

    suite.py [--again] [--parse-only] [--out DIR] [SCRIPT…]     --again: the server's judgement of the last run is taken
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import pickle
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

import mysqltest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import Server, lines  # noqa: E402
from harness.ctl import program  # noqa: E402
import suite_server  # noqa: E402

PACKAGES = {"mariadb": "mariadb-test-data", "mysql": "mysql-testsuite"}
PHASES = ["dual-write", "cutover"]
VARIANTS = ["rename", "expression"]
SCRIPTS = {"mariadb": "usr/share/mysql/mysql-test/main", "mysql": "usr/lib/mysql-test/t"}
# As a script finds the server: what mysql-test-run gives it.
SETTINGS = {"mariadb": ["character_set_server=latin1", "collation_server=latin1_swedish_ci", "sync_frm=0", "debug_no_sync=1"],
            "mysql": ["character_set_server=latin1", "collation_server=latin1_swedish_ci"]}

CONFIG = """[proxy]
listen = 127.0.0.1:1
backend = 127.0.0.1:2
admin_socket = /nonexistent/admin.sock
[control]
user = nobody
password = nothing
"""

# Statements of DML and queries, EXPLAIN and SET STATEMENT of them included.
FIRST = r"(?:\s|\(|/\*(?![!M]).*?\*/|--\s[^\n]*\n|\#[^\n]*\n|/\*M?!\d*)*"
DML = re.compile(FIRST + r"""(?: select | insert | replace | update | delete | with | values | table | load\s+(?:data|xml)\b | do | call |
    handler | (?:explain|desc|describe)\s+(?:(?:extended|partitions|format\s*=\s*\w+)\s+)*(?:\(|select|insert|replace|update|delete|with|
    values|table)\b | analyze\s+(?:format\s*=\s*\w+\s+)?(?:\(|select|insert|replace|update|delete|with|values)\b |
    set\s+statement\b .* \bfor\s+(?:\(|select|insert|replace|update|delete|with|values|table|load|do|call)\b )""", re.I | re.S | re.X)


# ---- the package

def download(line, package, out):
    """The package of the server's own release, into `out`."""
    if line.chrooted:
        subprocess.run([str(lines.CHROOT), "download", line.name, package, str(out)], check=True)
        return
    command = ["apt-get", "-qq", "download", package]
    if subprocess.run(command, cwd=out, check=False).returncode:  # the package lists may be too old
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(command, cwd=out, check=True)


def scripts(out):
    """The directory of the scripts: the package is downloaded and unpacked where it is not there yet."""
    line, tree = lines.chosen(), out / "tree"
    package, place = PACKAGES[line.family], tree / SCRIPTS[line.family]
    if not place.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        if not list(out.glob(f"{package}_*.deb")):
            download(line, package, out)
        subprocess.run(["dpkg-deb", "-x", str(sorted(out.glob(f"{package}_*.deb"))[-1]), str(tree)], check=True)
    return place


def judged(paths, out, again):
    """([(script's name, [Statement])], [tables], the server's version as `crossfade rewrite --server` takes it)"""
    cache = out / "judged.pickle"
    if again and cache.exists():
        files, tables, version = pickle.loads(cache.read_bytes())
        wanted = {path.name for path in paths}
        return [file for file in files if file[0] in wanted], tables, version
    with Server(*SETTINGS[lines.chosen().family]) as server:
        judge = suite_server.Judge(server)
        version = server.version()
        files = []
        for number, path in enumerate(paths):
            if sys.stderr.isatty() or number % 100 == 0:
                print(f"{number} of {len(paths)} scripts judged", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr)
            try:
                files.append((path.name, judge.read(mysqltest.statements(path))))
            except (suite_server.pymysql.err.MySQLError, TypeError, ValueError) as error:
                print(f"{path.name}: left out: the session was lost: {error!r}", file=sys.stderr)
                judge.session = None
    cache.write_bytes(pickle.dumps((files, judge.tables, version)))
    return files, judge.tables, version


# ---- crossfade rewrite

class Answer(NamedTuple):
    verdict: str
    reason: str
    hint: str
    touched: bool  # reads or writes a column of the migration
    rewritten: str


RANK = {"unchanged": 0, "rewritten": 1, "unrewritable": 2}


def merged(parts):
    """One answer for the parts that a statement fell into."""
    worst = max(parts, key=lambda part: RANK[part["verdict"]])
    reason, hint = (worst.get(key, "").encode("latin1").decode("utf-8", "replace") for key in ("reason", "hint"))
    return Answer(worst["verdict"], reason, hint, any(part["reads"] or part["writes"] for part in parts), worst.get("rewritten", ""))


def call(config, phase, texts, mode="", charset="latin1", database="test", schema=None):
    """crossfade's JSON objects for the texts, and the input they are of."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="latin1") as ini, \
            tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as sql:
        ini.write(config)
        ini.flush()
        command = [program("crossfade"), "rewrite", "--config", ini.name, "--phase", phase, "--json", "--prepared",
                   "--database", database, "--charset", charset, "--sql-mode", mode, "--server", call.server]
        if schema is not None:
            sql.write(schema)
            sql.flush()
            command += ["--schema", sql.name]
        text = "".join(f"{text}\n;\n" for text in texts)
        done = subprocess.run(command, input=text.encode("latin1"), capture_output=True, check=False, timeout=60)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"status {done.returncode}: {done.stderr.decode('latin1').strip()}")
    return [json.loads(line) for line in done.stdout.decode("latin1").split("\n") if line], text


def rewrite(config, phase, texts, lead=(), **session):
    """An Answer for each text; None where it could not be told. `lead`: statements in front of them."""
    answers = rewrite_together(config, phase, [*lead, *texts], **session)[len(lead):]
    if None in answers and len(texts) > 1:  # one of them swallowed others: each by itself
        answers = [rewrite_together(config, phase, [*lead, text], **session)[-1] for text in texts]
    return answers


def rewrite_together(config, phase, texts, **session):
    objects, whole = call(config, phase, texts, **session)
    ends, end = [], 0
    for text in texts:
        end += len(text) + 3
        ends.append(end)
    parts = [[] for _ in texts]
    at = index = 0
    for item in objects:
        found = whole.find(item["original"], at)
        if found < 0:
            break
        while found >= ends[index]:
            index += 1
        parts[index].append(item)
        at = found + len(item["original"])
        if at > ends[index]:
            break
    return [merged(part) if part else None for part in parts]


# ---- what crossfade parses

class Parsed(NamedTuple):
    total: int
    missed: list  # (script, text, reason)


def parse_share(files, pool):
    """Every statement's first words are declared as migrated tables, so that the proxy has to understand each."""
    groups = []
    for name, statements in files:
        by_session = collections.defaultdict(list)
        for statement in statements:
            if statement.parsed and DML.match(statement.text):
                by_session[statement.mode, statement.charset].append(statement)
        groups += [(name, *key, group) for key, group in by_session.items()]
    words = {word.lower() for _, _, _, group in groups for statement in group
             for word in re.findall(r"[A-Za-z_]+", statement.text)[:3]} & KEYWORDS
    config = CONFIG + "".join(f"[migration m_{word}]\ntable = test.{word}\nold = c\nnew = c_new\n" for word in sorted(words))
    total, missed = 0, []

    def ask(group):
        name, mode, charset, statements = group
        texts = [statement.text for statement in statements]
        return name, texts, rewrite(config, "dual-write", texts, mode=mode, charset=charset)

    for name, texts, answers in pool.map(ask, groups):
        for text, answer in zip(texts, answers):
            total += 1
            if answer is None or "syntax" in answer.reason or "too deep" in answer.reason:
                missed.append((name, text, answer.reason if answer else "no answer"))
    return Parsed(total, missed)


KEYWORDS = set("select insert replace update delete with values table load do call handler explain desc describe analyze"
               " set for".split())


# ---- migrations for the suite's tables

class Column(NamedTuple):
    name: str
    type: str
    rank: int  # 0: ordinary; 1: in a secondary key; 2: not to be migrated


def columns_of(create):
    """The columns of SHOW CREATE TABLE."""
    columns, keyed, primary = [], set(), set()
    for line in create.splitlines()[1:]:
        match = re.match(r"  `((?:[^`]|``)+)` (\w+(?:\([^)]*\))?(?: unsigned)?(?: zerofill)?)(.*)", line)
        if match:
            columns.append(match)
        elif re.match(r"\s+PRIMARY KEY", line):
            primary.update(re.findall(r"`([^`]+)`", line))
        elif re.match(r"\s+(UNIQUE |FULLTEXT |SPATIAL )?KEY|\s+CONSTRAINT|\s*PERIOD|\s*PARTITION| PARTITION", line):
            keyed.update(re.findall(r"`([^`]+)`", line))
    found = []
    for match in columns:
        name, kind, rest = match[1], match[2], match[3]
        never = re.search(r"AUTO_INCREMENT|GENERATED|INVISIBLE|ROW (START|END)", rest)
        given = re.search(r"( CHARACTER SET \w+)?( COLLATE \w+)?", rest)
        rank = 2 if never or name in primary or not re.fullmatch(r"\w+", name, re.A) else int(name in keyed)
        found.append(Column(name, kind + given[0], rank))
    return found


def expressions(column):
    """(forward, backward), without the names' quotes where they need none."""
    old, new = f"`{column.name}`", f"`{column.name}_new`"
    kind = re.match(r"\w+", column.type)[0].lower()
    if kind in ("date", "datetime", "timestamp"):
        return f"DATE_ADD({old}, INTERVAL 1 DAY)", f"DATE_SUB({new}, INTERVAL 1 DAY)"
    if kind == "time":
        return f"ADDTIME({old}, '01:00:00')", f"SUBTIME({new}, '01:00:00')"
    if kind in ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"):
        return f"-{old}", f"-{new}"
    if kind in ("bit", "year"):
        return f"{old} + 1", f"{new} - 1"
    return f"REVERSE({old})", f"REVERSE({new})"


class Migration(NamedTuple):
    """One table's, with the tables that were there; all of it can be said of any other database's name."""
    table: tuple
    column: Column
    own: list     # CREATE TABLE statements of the table's database, the new column added
    others: list  # of other databases, each with its USE

    def section(self, name, database, variant):
        column = self.column.name
        text = f"[migration {name}]\ntable = {database}.{self.table[1]}\nold = {column}\nnew = {column}_new\n"
        if variant == "expression":
            forward, backward = expressions(self.column)
            text += f"forward.{column}_new = {forward}\nbackward.{column} = {backward}\n"
        return text

    def schema(self, database):
        return f"USE `{database}`;\n" + "".join(f"{create};\n" for create in self.own) + "".join(self.others)


def migration_for(table, tables):
    """The table's migration, or None where no column can be had."""
    create = tables[table]
    columns = columns_of(create)
    usable = sorted((column for column in columns if column.rank < 2), key=lambda column: column.rank)
    if not usable or not all(re.fullmatch(r"\w+", part, re.A) for part in table):
        return None
    column = usable[0]
    if any(other.name.lower() == f"{column.name}_new".lower() for other in columns):
        return None
    head, _, rest = create.partition("\n")
    added = f"  `{column.name}_new` {column.type} DEFAULT NULL INVISIBLE,\n"
    own = [f"{head}\n{added}{rest}" if name == table else text for name, text in tables.items() if name[0] == table[0]]
    others = [f"USE `{name[0]}`;\n{text};\n" for name, text in tables.items() if name[0] != table[0]]
    return Migration(table, column, own, others)


# ---- what is refused

STRIPPED = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|/\*(?![!M]).*?\*/|\#[^\n]*|--\s[^\n]*""", re.S)
STRIPPED_ANSI = re.compile(r"""'(?:[^'\\]|\\.|'')*'|/\*(?![!M]).*?\*/|\#[^\n]*|--\s[^\n]*""", re.S)


def names_in(text, mode):
    """Its words outside of strings and comments, in lower case."""
    plain = (STRIPPED_ANSI if "ANSI_QUOTES" in mode else STRIPPED).sub(" ", text)
    return set(re.findall(r"[\w$]+", plain.lower()))


class Run(NamedTuple):
    script: str
    migration: Migration
    statements: list
    words: list


def runs_of(files, tables):
    """Stretches of a script in which tables and modes stay as they are, once for each table that they name."""
    runs, made, skipped = [], {}, set()
    for name, statements in files:
        stretch, key = [], None
        for statement in [*statements, None]:
            now = statement and (statement.tables, statement.mode, statement.charset)
            if stretch and now != key:
                runs += stretch_runs(name, stretch, tables[key[0]], made, skipped)
                stretch = []
            key = now
            if statement and statement.parsed:
                stretch.append(statement)
    return runs, len(skipped)


def stretch_runs(script, stretch, tables, made, skipped):
    words = [names_in(statement.text, statement.mode) for statement in stretch]
    for table in tables:
        where = [n for n, names in enumerate(words) if table[1].lower() in names]
        if not any(DML.match(stretch[n].text) for n in where):
            continue
        key = (table, stretch[0].tables)
        if key not in made:
            made[key] = migration_for(table, tables)
        if made[key] is None:
            skipped.add((script, *key))
            continue
        if any(table[1] == name.split(".")[-1].strip("`") for name in stretch[0].temporaries):
            continue  # a temporary table hides it: nothing here is about the migrated one
        picked = [n for n in range(len(stretch)) if n in set(where) or re.match(r"\s*use\b", stretch[n].text, re.I)]
        yield Run(script, made[key], [stretch[n] for n in picked], [words[n] for n in picked])


class Outcome(NamedTuple):
    script: str
    statement: suite_server.Statement
    migration: Migration
    words: set
    phase: str
    variant: str
    answer: Answer


def ask_one(run, phase, variant):
    first = run.statements[0]
    config = CONFIG + run.migration.section("m", run.migration.table[0], variant)
    return rewrite(config, phase, [s.text for s in run.statements], mode=first.mode, charset=first.charset,
                   database=first.database, schema=run.migration.schema(run.migration.table[0]))


def ask_many(runs, phase, variant):
    """The runs' answers from one process: each has a database of its own. None where it was not to be told."""
    config, schema, texts = CONFIG, "", []
    for n, run in enumerate(runs):
        config += run.migration.section(f"m{n}", f"r{n}", variant)
        schema += run.migration.schema(f"r{n}")
        texts += [f"USE r{n}", *(s.text for s in run.statements)]
    first = runs[0].statements[0]
    answers = rewrite_together(config, phase, texts, mode=first.mode, charset=first.charset, schema=schema)
    given = []
    for run in runs:
        given.append(answers[1:1 + len(run.statements)])
        answers = answers[1 + len(run.statements):]
    return [None if None in of else of for of in given]


def batches(runs):
    """Runs that one process may answer together, and those that speak of databases by name."""
    groups = collections.defaultdict(list)
    for n, run in enumerate(runs):
        first = run.statements[0]
        alone = run.migration.others or any("use" in words or "test" in words or s.database != "test"
                                            for s, words in zip(run.statements, run.words))
        groups[n if alone or run.migration.table[0] != "test" else (run.script, first.mode, first.charset)].append(run)
    for group in groups.values():
        for at in range(0, len(group), 50):
            yield group[at:at + 50]


def outcomes(runs, pool):
    def ask(batch):
        found = []
        for phase in PHASES:
            for variant in VARIANTS:
                try:
                    together = ask_many(batch, phase, variant) if len(batch) > 1 else [None]
                except (RuntimeError, subprocess.TimeoutExpired):
                    together = [None] * len(batch)
                for run, answers in zip(batch, together):
                    try:
                        answers = answers or ask_one(run, phase, variant)
                    except (RuntimeError, subprocess.TimeoutExpired) as error:
                        print(f"{run.script}: {'.'.join(run.migration.table)}: {error}", file=sys.stderr)
                        continue
                    found += [Outcome(run.script, s, run.migration, w, phase, variant, a)
                              for s, w, a in zip(run.statements, run.words, answers)]
        return found

    for found in pool.map(ask, batches(runs)):
        yield from found


# ---- the report

def percent(part, whole):
    return f"{100 * part / whole:.2f} %" if whole else "-"


def one_line(text, length=150):
    text = " ".join(text.split())
    return text if len(text) <= length else text[:length - 1] + "…"


def documented():
    """{reason as docs/sql.md has it: its pattern}"""
    text = (ROOT / "docs/sql.md").read_text(encoding="utf-8").split("## Refused", 1)[1]
    return {reason: re.escape(reason).replace("NAME", r"\S+").replace("not\\ understood:\\ …", "not understood: .*")
            for reason in re.findall(r"^\| `([^`]+)` \|", text, re.M)}


def general(reason, known):
    """The reason as the document has it; itself where the document lacks it."""
    return next((text for text, pattern in known.items() if re.fullmatch(pattern, reason)), reason)


def print_shares(title, rows):
    print(f"\n{title}\n{'phase':11} {'forward':11} {'name the table':>15} {'refused':>8} {'share':>8} {'touch a column':>15} {'share':>8}"
          f" {'rewritten':>10}")
    for phase in PHASES:
        for variant in VARIANTS:
            some = [o for o in rows if (o.phase, o.variant) == (phase, variant)]
            refused = sum(o.answer.verdict == "unrewritable" for o in some)
            touching = sum(o.answer.touched or o.answer.verdict == "unrewritable" for o in some)
            changed = sum(o.answer.verdict == "rewritten" for o in some)
            print(f"{phase:11} {variant:11} {len(some):15} {refused:8} {percent(refused, len(some)):>8} {touching:15}"
                  f" {percent(refused, touching):>8} {changed:10}")


def report_refusals(found, out):
    """Prints the shares and the reasons; gives the number of mistakes (reasons that the document lacks)."""
    known = documented()
    rows = [outcome for outcome in found if outcome.answer and DML.match(outcome.statement.text)]
    print_shares("all tables", rows)
    print_shares("those whose column is in no key", [outcome for outcome in rows if outcome.migration.column.rank == 0])
    for title, wanted in (("DML and queries", True), ("other statements (DDL, PREPARE …)", False)):
        reasons = collections.defaultdict(list)
        for o in found:
            if o.answer and o.answer.verdict == "unrewritable" and bool(DML.match(o.statement.text)) == wanted:
                reasons[general(o.answer.reason, known)].append(o)
        print(f"\nreasons, {title}: how often in {' '.join(f'{p}/{v}' for p in PHASES for v in VARIANTS)}; an example")
        for reason, of in sorted(reasons.items(), key=lambda item: -len(item[1])):
            counts = collections.Counter((o.phase, o.variant) for o in of)
            print(f"{' '.join(f'{counts[p, v]:5}' for p in PHASES for v in VARIANTS)}  {reason}\n{'':25}"
                  f"{of[0].script}: {one_line(of[0].statement.text)}")
    refused = {general(o.answer.reason, known) for o in found if o.answer and o.answer.verdict == "unrewritable"}
    lacking = sorted(refused - set(known))
    print("\nevery reason is in docs/sql.md" if not lacking else "\ndocs/sql.md lacks: " + "; ".join(lacking))
    with open(out / "refused.txt", "w", encoding="utf-8") as file:
        for o in found:
            if o.answer and o.answer.verdict == "unrewritable":
                file.write(f"{o.phase}/{o.variant}\t{'DML' if DML.match(o.statement.text) else 'other'}\t{o.statement.code}\t{o.script}\t"
                           f"{'.'.join(o.migration.table)}.{o.migration.column.name}\t{o.answer.reason}\t{one_line(o.statement.text, 2000)}\n")
    return len(lacking)


def report_unchanged(found, out):
    """Statements that name table and column and pass as they are though reads have flipped: to be judged by eye."""
    suspects = [o for o in found if o.phase == "cutover" and o.variant == "expression" and o.answer and
                o.answer.verdict == "unchanged" and DML.match(o.statement.text) and o.statement.code == 0 and
                o.migration.column.name.lower() in o.words]
    with open(out / "unchanged.txt", "w", encoding="utf-8") as file:
        for o in suspects:
            file.write(f"{o.script}\t{'.'.join(o.migration.table)}.{o.migration.column.name}\t{o.statement.database}\t"
                       f"{one_line(o.statement.text, 2000)}\n")
    print(f"{len(suspects)} statements name table and column and are unchanged in cutover: {out / 'unchanged.txt'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/suite" / lines.chosen().name)
    parser.add_argument("--parse-only", action="store_true", help="measure what is parsed, and no migrations")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("scripts", nargs="*")
    options = parser.parse_args()
    out = options.out.resolve()
    directory = scripts(out)
    paths = [directory / f"{pathlib.Path(name).stem}.test" for name in options.scripts] or sorted(directory.glob("*.test"))
    files, tables, call.server = judged(paths, out, options.again)
    statements = [statement for _, group in files for statement in group]
    dml = [statement for statement in statements if DML.match(statement.text)]
    print(f"{len(files)} scripts, {len(statements)} statements, {len(dml)} of them DML and queries,"
          f" {sum(statement.parsed for statement in dml)} of those parsed by the server")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        parsed = parse_share(files, pool)
        good = parsed.total - len(parsed.missed)
        print(f"parsed by crossfade: {good} of {parsed.total}, {100 * good / max(parsed.total, 1):.3f} %")
        for name, text, reason in parsed.missed[:40]:
            print(f"  {name}: {reason}: {one_line(text)}")
        if options.parse_only:
            return 1 if good < 0.995 * parsed.total else 0
        runs, skipped = runs_of(files, tables)
        print(f"{len({(run.script, *run.migration.table, *run.migration.own) for run in runs})} tables migrated, one at a time;"
              f" {skipped} have no column for it")
        found = list(outcomes(runs, pool))
    lacking = report_refusals(found, out)
    report_unchanged(found, out)
    return 1 if lacking or good < 0.995 * parsed.total else 0


if __name__ == "__main__":
    sys.exit(main())
