"""Invertible migrations: conditions on old columns are answered by the indexes on the new ones, with the same rows.

The original statements on the old columns, asked of the server itself, are the judge of every answer."""

import os
import random
from datetime import date, datetime, time

import pytest

from harness import numbers, oracle, shop
from harness.client import Client, value

SEED = int(os.environ.get("CROSSFADE_ORACLE_SEED", "77"))
COUNT = int(os.environ.get("CROSSFADE_ORACLE_STATEMENTS", "300"))

STAGING = f"""
CREATE TABLE staging (id INT PRIMARY KEY, name VARCHAR(120), total DECIMAL(12,3));
INSERT INTO staging SELECT seq, ELT(1 + seq % 3, 'Ada Lovelace 70', 'cher', 'grace hopper 1'), seq + 0.5 FROM {numbers(9)};
INSERT INTO staging VALUES (10, NULL, NULL), (11, 'ALAN MÜLLER 33', 19.990), (12, '', 19.999);
"""

INDEXES = """
ALTER TABLE users ADD KEY first_last (first_name, last_name);
ALTER TABLE orders ADD KEY cents (cents);
"""

# No DECIMAL holds it: MySQL, where such a cast is an error for a strict write, is not asked by it.
TOO_LARGE = "SELECT id FROM orders WHERE amount = 1e300"

# (statement, the new columns' index that serves it, or None)
CASES = [
    ("SELECT id FROM orders WHERE amount = 19.99", "cents"),
    ("SELECT id FROM orders WHERE 20 = amount", "cents"),
    ("SELECT id FROM orders WHERE amount = 19.999", "cents"),
    ("SELECT id FROM orders WHERE amount = '19.99'", "cents"),
    ("SELECT id FROM orders WHERE amount = 1.999e1", "cents"),
    ("SELECT id FROM orders WHERE amount = -1", "cents"),
    ("SELECT id FROM orders WHERE amount = 1e25", "cents"),
    (TOO_LARGE, "cents"),
    ("SELECT id FROM orders WHERE amount = 99999999999999999999.5", "cents"),
    ("SELECT id FROM orders WHERE amount IN (3, 4.5, 4.505, 19.99)", "cents"),
    ("SELECT id FROM orders WHERE amount = 3 OR amount = 4 OR id = 5", None),
    ("SELECT id FROM orders WHERE amount > 999.994 AND amount < 999.996", "cents"),
    ("SELECT id FROM orders WHERE amount >= 999.994 AND 1000 >= amount", "cents"),
    ("SELECT id FROM orders WHERE amount < 1.024", "cents"),
    ("SELECT id FROM orders WHERE amount <= 1.025", "cents"),
    ("SELECT id FROM orders WHERE amount BETWEEN 1.015 AND 1.035", "cents"),
    ("SELECT id FROM orders WHERE NOT (amount = 3) AND id < 300", None),
    ("SELECT id FROM orders WHERE amount <> 3 AND amount NOT IN (4, 5, NULL)", None),
    ("SELECT id FROM orders WHERE amount <=> 7.00", "cents"),
    ("SELECT id FROM orders WHERE amount = NULL OR amount <=> NULL", None),
    ("SELECT id FROM orders ORDER BY amount, id LIMIT 5", "cents"),
    ("SELECT amount FROM orders ORDER BY amount DESC LIMIT 5", "cents"),
    ("SELECT amount FROM orders WHERE amount < 5 ORDER BY amount LIMIT 30", "cents"),
    ("SELECT o.id, s.id FROM staging s JOIN orders o ON o.amount = s.total", "cents"),
    ("SELECT s.id, o.id, o.amount FROM staging s LEFT JOIN orders o ON o.amount = s.total", "cents"),
    ("SELECT id FROM users WHERE fullname = 'Ada Lovelace 70'", "first_last"),
    ("SELECT id FROM users WHERE fullname = 'ada LOVELACE 70  '", "first_last"),
    ("SELECT id FROM users WHERE fullname = 'Zoe Muller 40'", "first_last"),
    ("SELECT id FROM users WHERE fullname = 'Zoë Müller 40' OR fullname = 'Cher'", "first_last"),
    ("SELECT id FROM users WHERE fullname IN ('Ada', 'GRACE', 'Linus  ', 'nobody', '')", "first_last"),
    ("SELECT id FROM users WHERE fullname = ''", "first_last"),
    ("SELECT id FROM users WHERE fullname = 0 AND id < 50", None),
    ("SELECT id FROM users WHERE fullname = NULL", None),
    ("SELECT u.id, s.id FROM staging s JOIN users u ON u.fullname = s.name", "first_last"),
    ("SELECT COUNT(*) FROM users WHERE NOT (fullname = 'Ada Lovelace 70')", None),
]

PREPARED = [
    ("SELECT id FROM orders WHERE amount = ?", ["19.99", 20, 19.99, "19.999", "no number", None, "2e1"]),
    ("SELECT id FROM orders WHERE amount > ? AND amount <= ?", [("2.5", 3), (999.994, 1000), (None, 5)]),
    ("SELECT id FROM orders WHERE amount IN (?, ?)", [("3", "4.505"), (5, None)]),
    ("SELECT id FROM orders WHERE amount = ?", [datetime(2020, 1, 2), date(2020, 1, 2), time(0, 0, 5)]),
    ("SELECT id FROM orders WHERE amount >= ? AND amount < ?", [(datetime(2020, 1, 2), 1e9), (20200102, datetime(2020, 1, 3)), (0, time(1))]),
    ("SELECT id FROM orders WHERE amount IN (?, ?)", [(datetime(2020, 1, 2), datetime(2020, 1, 3)), (-1, "-1e0")]),
    ("SELECT id FROM users WHERE fullname = ?", ["Ada Lovelace 70", "GRACE", 0, 5, None, "", "Zoë Müller 40"]),
    ("SELECT id FROM users WHERE ? = fullname AND id < ?", [("ada", 900), (0, 12)]),
    ("UPDATE orders SET note = 'p' WHERE amount = ?", ["19.99", 21, None]),
]

WRITES = [
    "UPDATE orders SET note = 'seen' WHERE amount = 19.99",
    "UPDATE orders SET amount = amount + 1 WHERE amount BETWEEN 3 AND 3.10",
    "UPDATE orders SET amount = 7.77 WHERE amount > 5 AND note = 'note 4' ORDER BY amount LIMIT 2",
    "DELETE FROM orders WHERE amount IN (8, 9.5, 9.501)",
    "DELETE FROM orders WHERE amount < 1.05 ORDER BY amount DESC LIMIT 3",
    "UPDATE users SET fullname = 'Ada King' WHERE fullname = 'ada lovelace 70'",
    "UPDATE users u JOIN staging s ON u.fullname = s.name SET u.visits = 99",
    "UPDATE orders SET note = 'strict' WHERE amount = 1e70",
]


def renamed(migration, suffix):
    migration.name += suffix
    return migration


def fill(server, name):
    # A collation that goes character by character, which MySQL's default (…_0900_ai_ci) does not.
    shop.create(server, name, users=1000, orders=4000, collation="utf8mb4_general_ci")
    server.query(f"INSERT INTO `{name}`.users (email, fullname) VALUES ('p1', 'Cher'), ('p2', ''), ('p3', 'GRACE'), ('p4', 'Ada')")
    server.query(f"INSERT INTO `{name}`.orders (user_id, amount) VALUES (1, 20200102), (1, 20200103)")  # dates, to MariaDB
    server.script(STAGING, name)


@pytest.fixture
def pair(server, proxy, database):
    """(proxy, the plain database, the one whose migrations are invertible, the one whose are not)"""
    plain, sharp, blunt = database("plain"), database("sharp"), database("blunt")
    migrations = [
        renamed(shop.users_name(sharp, invertible="yes"), "_sharp"),
        renamed(shop.orders_cents(sharp, invertible="yes", monotonic="yes"), "_sharp"),
        renamed(shop.users_name(blunt), "_blunt"), renamed(shop.orders_cents(blunt), "_blunt")]
    for name in (plain, sharp, blunt):
        fill(server, name)
    one = proxy(migrations)
    for migration in migrations:
        one.ctl("expand", migration.name, "--apply")
        for command in ("dual-write", "backfill", "verify", "cutover"):
            one.ctl(command, migration.name)
    for name in (sharp, blunt):
        server.script(INDEXES, name)
        server.query(f"ANALYZE TABLE `{name}`.users, `{name}`.orders")
    return one, plain, sharp, blunt


def ask(connection, statement, ordered):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = list(cursor.fetchall())
        return (rows if ordered else sorted(rows, key=repr), cursor.rowcount)


NO_ROWS = "the server sees in the index that there are none"


def served(connection, statement):
    """The new columns' indexes that find rows, or sort them, by the plan; a scan of an index is neither."""
    plan = ask(connection, "EXPLAIN FORMAT=TRADITIONAL " + statement, True)[0]
    if any(row[2] is None for row in plan):
        return NO_ROWS
    sorts = "ORDER BY" in statement and not any("filesort" in row[-1] for row in plan)
    # MariaDB: id, select_type, table, type, possible_keys, key, …; MySQL has partitions before the type.
    kind, key = (3, 5) if "MariaDB" in connection.get_server_info() else (4, 6)
    return {row[key] for row in plan if row[kind] != "index" or sorts} & {"cents", "first_last"}


def test_the_same_rows_by_an_index(server, pair):
    one, plain, sharp, blunt = pair
    with server.connect(database=plain) as direct, one.connect(database=sharp) as by_index, \
            one.connect(database=blunt) as by_scan:
        for statement, index in CASES:
            ordered = "ORDER BY" in statement
            expected = ask(direct, statement, ordered)
            assert ask(by_index, statement, ordered) == expected, statement
            assert ask(by_scan, statement, ordered) == expected, statement
            if statement == TOO_LARGE and server.family == "mysql":
                index = None
            assert served(by_index, statement) in (NO_ROWS, {index} if index else set()), statement
            assert served(by_scan, statement) == set(), statement


def test_parameters(server, pair):
    one, plain, sharp, _ = pair
    with Client(port=server.port, database=plain) as direct, Client(port=one.port, database=sharp) as by_index:
        for statement, rows in PREPARED:
            for connection in (direct, by_index):
                connection.prepare("s", statement)
            for row in rows:
                arguments = row if isinstance(row, tuple) else (row,)
                if statement.startswith("UPDATE"):  # but not the status, which tells whether an index served
                    results = [connection("execute", "s", *map(value, arguments))[-1][:4] for connection in (direct, by_index)]
                else:
                    results = [sorted(connection.execute("s", *arguments)) for connection in (direct, by_index)]
                assert results[0] == results[1], (statement, row)


def test_writes(server, pair):
    one, plain, sharp, blunt = pair
    with server.connect(database=plain) as direct, one.connect(database=sharp) as by_index, \
            one.connect(database=blunt) as by_scan:
        for statement in WRITES:
            results = []
            for connection in (direct, by_index, by_scan):
                results.append([ask(connection, statement, False)[1]] + [
                    ask(connection, f"SELECT * FROM {table} ORDER BY id", True) for table in ("users", "orders")])
            assert results[0] == results[1] == results[2], statement


def test_a_point_update_locks_its_rows_only(pair):
    one, _, sharp, _ = pair
    with one.connect(database=sharp) as first, one.connect(database=sharp) as second:
        first.begin()
        assert ask(first, "UPDATE orders SET note = 'held' WHERE amount = 19.99", False)[1] > 0
        second.cursor().execute("SET innodb_lock_wait_timeout = 1")
        assert ask(second, "UPDATE orders SET note = 'free' WHERE amount = 20.99", False)[1] > 0
        first.rollback()


class Conditions(oracle.Statements):
    """Statements with more conditions of the kind that an index could serve."""

    def condition(self, sources, depth=2):
        if self.chance(55) and depth:
            return self.sharp(sources)
        return super().condition(sources, depth)

    def sharp(self, sources):
        alias, table = self.random.choice(sources)
        if table == "orders":
            column, value = f"{alias}.amount", lambda: self.pick("1.5", "20", "3.999", "7.25", "'7.25'", "1e1", "-4", "0.005", "NULL")
        elif table == "users":
            column, value = f"{alias}.fullname", lambda: self.pick(self.string(), self.string(), "'ada lovelace '", "12", "NULL", "' '")
        else:
            return super().condition(sources, 0)
        others = [f"{other}.{'name' if kind == 'staging' else 'nick' if kind == 'users' else 'total'}"
                  for other, kind in sources if other != alias and (kind == "staging" or (kind == "users" and table == "users"))]
        other = self.random.choice(others) if others and self.chance(50) else None
        operator = self.pick("=", "=", "=", "<=>", "<>", "<", "<=", ">", ">=")
        return self.pick(
            lambda: f"{column} {operator} {other or value()}", lambda: f"{other or value()} {operator} {column}",
            lambda: f"{column} {self.pick('', 'NOT ')}IN ({value()}, {value()})",
            lambda: f"{column} {self.pick('', 'NOT ')}BETWEEN {value()} AND {value()}",
            lambda: f"NOT ({column} = {value()})", lambda: f"({column} = {value()} OR {column} = {value()})")()


class Judge(oracle.Oracle):
    """How often the server warns of a comparison depends on the plan: it is not compared."""

    @staticmethod
    def run(connection, sql):
        return {key: what for key, what in oracle.Oracle.run(connection, sql).items() if key != "warnings"}


@pytest.mark.parametrize("mode", ["STRICT_TRANS_TABLES", ""])
def test_generated_conditions_give_the_same(server, monkeypatch, mode):
    config = oracle.CONFIG.replace("[migration items_title]", "invertible = yes\nmonotonic = yes\n[migration items_title]")
    config = config.replace("[migration orders_amount]", "invertible = yes\n[migration orders_amount]")
    assert config.count("invertible") == 2
    monkeypatch.setattr(oracle, "CONFIG", config)
    name = "strict" if mode else "lax"
    judge = Judge(server, f"plain_sargable_{name}", f"shop_sargable_{name}")
    try:
        statements = Conditions(f"{SEED} {name}")
        judge.set_mode(mode)
        judge.fill(statements)
        batch = [statements.statement() for _ in range(COUNT)]
        asked = 0
        for statement, answer in zip(batch, judge.rewrite(batch, "cutover", "--sql-mode", mode)):
            judge.judge(statement, answer, "cutover")
            asked += "AS DECIMAL(65,0))" in answer.get("rewritten", "") or "CHARACTER SET utf8mb4) COLLATE" in answer.get("rewritten", "")
        print(judge.counts, asked)
        assert asked > COUNT / 20
    finally:
        judge.close()
