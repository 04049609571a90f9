"""Statements at random, and the server as their judge: a plain table and its migrated twin.

The original statement runs on the plain database, what `crossfade rewrite` makes of it on the twin. Rows,
column names, affected rows, insert ids, warnings and errors must be the same, and so must the tables after
every write; and the new columns must be what forward gives. Everything comes from one seed.
"""

import json
import os
import random
import subprocess
import tempfile

import pymysql

from .process import Failure, repository

CONFIG = """
[proxy]
listen = 127.0.0.1:1
backend = 127.0.0.1:2
admin_socket = /nonexistent/admin.sock
[control]
user = nobody
password = nothing

[migration users_name]
table    = shop.users
old      = fullname
new      = first_name, last_name
forward.first_name = SUBSTRING_INDEX(fullname, ' ', 1)
forward.last_name  = IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), '')
backward.fullname  = CONCAT(first_name, IF(last_name = '', '', CONCAT(' ', last_name)))

[migration orders_amount]
table = shop.orders
old   = amount
new   = cents
forward.cents   = amount * 100
backward.amount = CAST(cents / 100 AS DECIMAL(10,2))

[migration items_title]
table = shop.items
old   = title
new   = label

[migration items_size]
table = shop.items
old   = width, height
new   = area, ratio
forward.area    = width * 1000 + height
forward.ratio   = CONCAT(width, ':', height)
backward.width  = CAST(SUBSTRING_INDEX(ratio, ':', 1) AS SIGNED)
backward.height = CAST(area % 1000 AS SIGNED)
"""

PLAIN = """
CREATE TABLE users (id INT NOT NULL AUTO_INCREMENT, fullname VARCHAR(24) DEFAULT 'Jo Doe', email VARCHAR(40) NOT NULL,
  age INT, nick VARCHAR(30), PRIMARY KEY (id), UNIQUE KEY (email)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE orders (id INT NOT NULL AUTO_INCREMENT, user_id INT, amount DECIMAL(10,2), note VARCHAR(30),
  PRIMARY KEY (id), KEY (user_id)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE items (id INT NOT NULL AUTO_INCREMENT, title VARCHAR(20) NOT NULL DEFAULT 'thing', width INT NOT NULL DEFAULT 3,
  height INT NOT NULL DEFAULT 4, owner INT, PRIMARY KEY (id)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE staging (id INT NOT NULL, name VARCHAR(24) NOT NULL, total DECIMAL(12,3), tag VARCHAR(20), n INT,
  PRIMARY KEY (id)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
"""

NEW_COLUMNS = """
ALTER TABLE users ADD first_name VARCHAR(24) INVISIBLE, ADD last_name VARCHAR(24) INVISIBLE;
ALTER TABLE orders ADD cents BIGINT INVISIBLE;
ALTER TABLE items ADD label VARCHAR(20) NOT NULL DEFAULT 'thing' INVISIBLE, ADD area INT INVISIBLE, ADD ratio VARCHAR(30) INVISIBLE;
"""

FORWARD = {
    "users": {"first_name": "SUBSTRING_INDEX(fullname, ' ', 1)",
              "last_name": "IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), '')"},
    "orders": {"cents": "amount * 100"},
    "items": {"label": "title", "area": "width * 1000 + height", "ratio": "CONCAT(width, ':', height)"},
}

BACKWARD = {
    "users": {"fullname": "CONCAT(first_name, IF(last_name = '', '', CONCAT(' ', last_name)))"},
    "orders": {"amount": "CAST(cents / 100 AS DECIMAL(10,2))"},
    "items": {"title": "label", "width": "CAST(SUBSTRING_INDEX(ratio, ':', 1) AS SIGNED)", "height": "CAST(area % 1000 AS SIGNED)"},
}

OLD_SHAPE = {
    "users": ["id", "fullname", "email", "age", "nick"],
    "orders": ["id", "user_id", "amount", "note"],
    "items": ["id", "title", "width", "height", "owner"],
    "staging": ["id", "name", "total", "tag", "n"],
}

STRINGS, NUMBERS = "strings", "numbers"
COLUMNS = {
    "users": {STRINGS: ["fullname", "fullname", "fullname", "email", "nick"], NUMBERS: ["id", "age"]},
    "orders": {STRINGS: ["note"], NUMBERS: ["amount", "amount", "amount", "id", "user_id"]},
    "items": {STRINGS: ["title", "title"], NUMBERS: ["width", "height", "id", "owner"]},
    "staging": {STRINGS: ["name", "tag"], NUMBERS: ["id", "total", "n"]},
}


class Statements:
    """Statements of the old application, at random."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.serial = 0

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def case(self, name):
        """Names compare without case, and are shown as they were written."""
        return self.pick(name, name, name, name, name.upper(), f"`{name}`", name.capitalize())

    # ---- values and expressions

    def string(self):
        return self.pick("'Ada Lovelace'", "'Cher'", "'Bo Li'", "'Ann Mae Poe'", "'x y'", "'O''Neil Pat'", "'é ü'",
                         "'zoe z'", "'ADA LOVELACE'", "''", "'a'")

    def number(self):
        return self.pick("0", "1", "2", "3", "7", "12.5", "19.99", "-4", "100", "0.01", "42")

    def constant(self, kind):
        return self.string() if kind == STRINGS else self.number()

    def column(self, sources, kind):
        alias, table = self.random.choice(sources)
        name = self.case(self.random.choice(COLUMNS[table][kind]))
        if len(sources) == 1 and self.chance(60):
            return name
        return f"{alias}.{name}"

    def text(self, sources, depth=2):
        if depth == 0 or self.chance(40):
            return self.column(sources, STRINGS) if self.chance(75) else self.string()
        inner = lambda: self.text(sources, depth - 1)
        return self.pick(
            lambda: f"UPPER({inner()})", lambda: f"CONCAT({inner()}, '-', {inner()})",
            lambda: f"COALESCE({inner()}, 'none')", lambda: f"SUBSTRING({inner()}, 1, 5)",
            lambda: f"CASE WHEN {self.condition(sources, depth - 1)} THEN {inner()} ELSE 'else' END",
            lambda: f"IF({self.condition(sources, depth - 1)}, {inner()}, {inner()})",
            lambda: f"REPLACE({inner()}, 'a', 'b')", lambda: f"({inner()})", lambda: f"LEFT({inner()}, 3)")()

    def amount(self, sources, depth=2):
        if depth == 0 or self.chance(40):
            return self.column(sources, NUMBERS) if self.chance(75) else self.number()
        inner = lambda: self.amount(sources, depth - 1)
        return self.pick(
            lambda: f"{inner()} + {inner()}", lambda: f"({inner()} - {inner()})", lambda: f"{inner()} * 2",
            lambda: f"ABS({inner()})", lambda: f"LENGTH({self.text(sources, depth - 1)})", lambda: f"-{inner()}",
            lambda: f"IFNULL({inner()}, 0)", lambda: f"GREATEST({inner()}, {inner()})", lambda: f"ROUND({inner()})")()

    def condition(self, sources, depth=2):
        if depth > 0 and self.chance(35):
            inner = lambda: self.condition(sources, depth - 1)
            return self.pick(lambda: f"({inner()} OR {inner()})", lambda: f"{inner()} AND {inner()}",
                             lambda: f"NOT ({inner()})")()
        text, number = (lambda: self.text(sources, depth - 1 if depth else 0)), (lambda: self.amount(sources, depth - 1 if depth else 0))
        return self.pick(
            lambda: f"{text()} {self.pick('=', '<>', '<', '>=', '<=>')} {text()}",
            lambda: f"{number()} {self.pick('=', '<>', '<', '>=', '<=>')} {number()}",
            lambda: f"{text()} LIKE {self.pick(chr(39) + 'a%' + chr(39), chr(39) + '%e%' + chr(39))}",
            lambda: f"{text()} IN ({self.string()}, {self.string()})", lambda: f"{number()} BETWEEN 1 AND 20",
            lambda: f"{self.column(sources, self.pick(STRINGS, NUMBERS))} IS {self.pick('', 'NOT ')}NULL",
            # Not over a join: the server takes NOT (row = row) for a condition that NULLs fail, and drops rows.
            lambda: f"({text()}, {number()}) = ({self.string()}, {self.number()})" if len(sources) == 1 else "2 > 1",
            lambda: self.exists(sources) if depth else "1 = 1")()

    def exists(self, outer):
        table = self.pick("users", "orders", "items")
        inner = [("sub", table)]
        return self.pick(
            lambda: f"EXISTS (SELECT {self.pick('1', '*', 'sub.id')} FROM {table} sub WHERE {self.condition(inner + outer[:1], 0)})",
            lambda: f"{self.text(outer, 0)} IN (SELECT {self.column(inner, STRINGS)} FROM {table} AS sub WHERE sub.id < 9)",
            lambda: f"{self.amount(outer, 0)} > (SELECT MAX({self.column(inner, NUMBERS)}) - 20 FROM {table} sub)")()

    # ---- reads

    def sources(self):
        """([(alias, table)], FROM text)"""
        first = self.pick("users", "users", "orders", "items")
        if self.chance(55):
            if self.chance(50):
                return [(first, first)], first
            return [("t", first)], f"{first} {self.pick('', 'AS ')}t"
        second = self.pick("users", "orders", "items", "staging", first)
        pairs = [("a", first), ("b", second)]
        join = self.pick("JOIN", "LEFT JOIN", "INNER JOIN", "RIGHT JOIN", "LEFT JOIN")
        on = self.pick("a.id = b.id", "a.id = b.id", f"a.id = b.id AND {self.condition(pairs, 0)}")
        text = f"{first} a {join} {second} b ON {on}"
        if self.chance(15) and "id" in on and on == "a.id = b.id":
            text = f"{first} a {self.pick('JOIN', 'LEFT JOIN')} {second} b USING (id)"
        if self.chance(20) and "USING" not in text:
            third = self.pick("users", "orders")
            pairs = pairs + [("c", third)]
            text += f" {self.pick('LEFT JOIN', 'JOIN')} {third} AS c ON c.id = a.id"
        return pairs, text

    def item(self, sources):
        expression = self.pick(lambda: self.column(sources, self.pick(STRINGS, NUMBERS)), lambda: self.text(sources),
                               lambda: self.amount(sources), lambda: self.column(sources, STRINGS))()
        alias = self.pick("", "", "", " AS x", " y", " AS `a b`", " AS 'quoted'")
        return expression + (alias + str(self.random.randrange(9)) if alias in (" AS x", " y") else alias)

    def select(self):
        return self.pick(self.plain_select, self.plain_select, self.plain_select, self.grouped, self.star, self.derived,
                         self.union, self.cte, self.window, self.distinct, self.rollup, self.joined_by_name, self.having)()

    def key_order(self, sources):
        return ", ".join(f"{alias}.id" for alias, _ in sources)

    def plain_select(self):
        sources, text = self.sources()
        items = ", ".join(self.item(sources) for _ in range(self.random.randrange(1, 4)))
        where = f" WHERE {self.condition(sources)}" if self.chance(70) else ""
        order = self.pick("", f" ORDER BY {self.key_order(sources)}",
                          f" ORDER BY {self.text(sources, 1)}{self.pick('', ' DESC')}, {self.key_order(sources)}",
                          f" ORDER BY {self.column(sources, STRINGS)}, {self.key_order(sources)}")
        limit = f" LIMIT {self.random.randrange(1, 9)}" if order and self.chance(30) else ""
        return f"SELECT {items} FROM {text}{where}{order}{limit}{self.pick('', '', '', ' FOR UPDATE')}"

    def grouped(self):
        alias, table = "t", self.pick("users", "orders", "items")
        sources = [(alias, table)]
        column = self.column(sources, self.pick(STRINGS, NUMBERS))
        total = self.amount(sources, 1)
        having = self.pick("", "", f" HAVING MAX({total}) > 1", " HAVING COUNT(*) >= 1", f" HAVING {column} IS NOT NULL")
        order = self.pick("", f" ORDER BY {column}", " ORDER BY 1")
        group = self.pick(column, "1", column)
        return f"SELECT {column}, COUNT(*), MAX({total}) AS top FROM {table} {alias} GROUP BY {group}{having}{order}"

    def star(self):
        sources, text = self.sources()
        stars = self.pick("*", f"{sources[0][0]}.*", f"{sources[0][0]}.*, {self.column(sources, STRINGS)}",
                          ", ".join(f"{alias}.*" for alias, _ in sources))
        return f"SELECT {stars} FROM {text} WHERE {self.condition(sources)}"

    def derived(self):
        table = self.pick("users", "orders", "items")
        columns = self.pick("*", ", ".join(OLD_SHAPE[table]))
        inner = f"SELECT {columns} FROM {table} WHERE {self.condition([(table, table)], 1)}"
        sources = [("d", table)]
        return (f"SELECT {self.item(sources)}, {self.item(sources)} FROM ({inner}) AS d WHERE {self.condition(sources, 1)}"
                f" ORDER BY d.id")

    def union(self):
        parts = []
        for _ in range(self.random.randrange(2, 4)):
            table = self.pick("users", "items", "orders")
            parts.append(f"SELECT id, {self.column([(table, table)], STRINGS)} FROM {table} WHERE {self.condition([(table, table)], 1)}")
        return f" UNION {self.pick('ALL ', '')}".join(parts)

    def cte(self):
        table = self.pick("users", "orders", "items")
        body = f"SELECT {', '.join(OLD_SHAPE[table])} FROM {table} WHERE {self.condition([(table, table)], 1)}"
        name = self.pick("w", "users")
        if name == table:
            name = "w"
        sources = [(name, table)]
        return f"WITH {name} AS ({body}) SELECT {self.item(sources)} FROM {name} WHERE {self.condition(sources, 0)}"

    def window(self):
        table = self.pick("users", "orders")
        sources = [(table, table)]
        return (f"SELECT id, ROW_NUMBER() OVER (PARTITION BY {self.text(sources, 1)} ORDER BY id) AS n,"
                f" COUNT(*) OVER (PARTITION BY {self.column(sources, NUMBERS)}) FROM {table}")

    def distinct(self):
        table = self.pick("users", "orders", "items")
        column = self.column([(table, table)], self.pick(STRINGS, NUMBERS))
        return f"SELECT DISTINCT {column} FROM {table} ORDER BY {column}"

    # ---- reads that need the tables in their old shape

    def rollup(self):
        table = self.pick("users", "orders", "items")
        sources = [("t", table)]
        kind = self.pick(STRINGS, NUMBERS)
        first, second = self.column(sources, kind), self.column(sources, self.pick(STRINGS, NUMBERS))
        shown = self.pick(first, first, f"UPPER({first})", f"{first} AS top", f"COALESCE({first}, {self.constant(kind)})")
        total = self.amount(sources, 1)
        having = self.pick("", "", f" HAVING {first} IS NULL", " HAVING COUNT(*) > 1", f" HAVING MAX({total}) > 2")
        group = self.pick(first, f"{first}, {second}", f"{first}, {second}", f"UPPER({first})")
        if group.startswith("UPPER("):
            shown, having = self.pick(group, f"CONCAT({group}, '.')"), ""
        if first.split(".")[-1].strip("`").lower() == second.split(".")[-1].strip("`").lower():
            group = first  # the server confuses the totals of a column that is grouped by twice
        item = f", {second}" if group.endswith(f", {second}") else ""
        where = f" WHERE {self.condition(sources, 1)}" if self.chance(40) else ""
        return f"SELECT {shown}{item}, COUNT(*), SUM({total}), MIN({first}) FROM {table} t{where} GROUP BY {group} WITH ROLLUP{having}"

    def joined_by_name(self):
        first, second, third = (self.pick("users", "orders", "items", "staging") for _ in range(3))
        natural = lambda: f"NATURAL {self.pick('', '', 'LEFT ', 'RIGHT ')}JOIN"
        using = lambda name: (self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN"), f" USING ({name})")
        joins = []
        for alias, table in (("b", second), ("c", third)):
            if self.chance(60):
                joins.append(f"{natural()} {table} {alias}")
            else:
                verb, tail = using("id")
                joins.append(f"{verb} {table} {alias}{tail}")
        sources = [("a", first), ("b", second), ("c", third)]
        if self.chance(25):  # the same table, by a migrated column
            first = self.pick("users", "orders", "items")
            name = self.pick(*[column for column in OLD_SHAPE[first] if column not in ("id", "email", "nick", "note")])
            verb, tail = using(self.pick(name, f"id, {name}"))
            joins, sources = [f"{verb} {first} b{tail}"], [("a", first), ("b", first)]
        elif self.chance(30):
            joins.pop()
            sources.pop()
        elif self.chance(20):
            joins = [f"{natural()} ({second} b {joins[1]})"]
        items = self.pick("*", "*", "*", f"{self.item(sources)}, {self.item(sources)}", "b.*, a.id")
        where = f" WHERE {self.condition(sources, 1)}" if self.chance(60) else ""
        return f"SELECT {items} FROM {first} a {' '.join(joins)}{where}"

    def having(self):
        table = self.pick("users", "orders", "items")
        sources = [("t", table)]
        kind = self.pick(STRINGS, NUMBERS)
        column = self.column(sources, kind)
        test = self.pick(f"{column} IS NULL", f"{column} > {self.constant(kind)}", f"{column} = MAX({column})",
                         f"UPPER({column}) LIKE '%A%'", f"(SELECT COUNT(*) FROM users u WHERE u.fullname = {column}) > 0")
        return (f"SELECT COUNT(*), MAX(t.id){self.pick('', f', LENGTH({column})')} FROM {table} t GROUP BY {column}"
                f" HAVING {test}{self.pick('', ' ORDER BY 2')}")

    # ---- writes

    def email(self):
        self.serial += 1
        return f"'u{self.serial if self.chance(85) else self.random.randrange(1, 20)}@x'"

    def value(self, table, column):
        if self.chance(6):
            return "DEFAULT"
        if column == "email":
            return self.email()
        if column in ("width", "height"):
            return self.pick(*map(str, range(1, 30)))
        if column == "amount":
            if self.chance(8):
                return self.pick("(SELECT MAX(total) FROM staging)", "(SELECT MIN(amount) FROM orders o)", "(SELECT age FROM users u WHERE id = 3)")
            return self.pick("1.5", "20", "3.999", "NULL", "10 / 4", "0.005", "'7.25'", "ABS(-3)", "1e1")
        if column in ("fullname", "title", "nick", "note"):
            nothing = [] if column == "title" else ["NULL"]
            if self.chance(8):
                return self.pick("(SELECT MAX(name) FROM staging)", "(SELECT COALESCE(MIN(fullname), 'no one') FROM users u WHERE id > 3)",
                                 "(SELECT MAX(title) FROM items i)")
            return self.pick(self.string(), self.string(), f"CONCAT({self.string()}, '!')", "UPPER('ab cd')", "REPEAT('q', 5)",
                             "12", *nothing)
        return self.pick("NULL", "1", "5", "17", "2")

    def insert(self):
        table = self.pick("users", "orders", "items")
        names = [name for name in OLD_SHAPE[table] if name != "id" and self.chance(75)]
        if table == "users" and "email" not in names:
            names.append("email")
        self.random.shuffle(names)
        verb = self.pick("INSERT", "INSERT", "INSERT IGNORE", "REPLACE", "INSERT")
        if self.chance(20) and names:
            text = f"{verb} INTO {table} SET " + ", ".join(f"{self.case(name)} = {self.value(table, name)}" for name in names)
        elif self.chance(15):
            row = lambda: "(NULL, " + ", ".join(self.value(table, name) for name in OLD_SHAPE[table] if name != "id") + ")"
            text = f"{verb} INTO {table} VALUES {row()}"
        else:
            row = lambda: "(" + ", ".join(self.value(table, name) for name in names) + ")"
            rows = ", ".join(row() for _ in range(self.random.randrange(1, 4)))
            text = f"{verb} INTO {table} ({', '.join(map(self.case, names))}) VALUES {rows}"
        if verb == "INSERT" and self.chance(35):
            text += " ON DUPLICATE KEY UPDATE " + self.assignments([(table, table)], table, values=True, qualify=False)
        return text

    def assignment(self, sources, table, column, values):
        if values and self.chance(40):
            return f"VALUES({column})"
        if values and self.chance(8) and column in ("fullname", "title", "nick"):
            return self.pick("(SELECT MAX(name) FROM staging)", "(SELECT COALESCE(MIN(fullname), 'no one') FROM users u)")
        if column == "email":
            return self.email()
        if column in ("width", "height"):
            return self.pick(f"{column} % 20 + 1", "5", "LENGTH('abc')")
        if column == "amount":
            return self.pick("amount + 1", "amount * 1.5", "9.99", "IFNULL(amount, 0) + 0.5", "NULL", "user_id", "ROUND(amount)")
        if column in ("fullname", "title", "nick", "note"):
            source = {"users": "fullname", "items": "title", "orders": "note"}[table]
            return self.pick(self.string(), f"LEFT(CONCAT(TRIM(LEFT({source}, 8)), '+'), 9)", f"UPPER({source})", source,
                             f"COALESCE({source}, 'n n')")
        return self.pick("1", "2", "age" if table == "users" else "id")

    def assignments(self, sources, table, values=False, qualify=True):
        alias = sources[0][0]
        names = [name for name in OLD_SHAPE[table] if name not in ("id", "email") and self.chance(60)] or [OLD_SHAPE[table][-1]]
        self.random.shuffle(names)
        left = lambda name: f"{alias}.{name}" if qualify and self.chance(30) else self.case(name)
        return ", ".join(f"{left(name)} = {self.assignment(sources, table, name, values)}" for name in names)

    def update(self):
        table = self.pick("users", "orders", "items")
        alias = self.pick(table, table, "t")
        sources = [(alias, table)]
        name = table if alias == table else f"{table} AS {alias}"
        tail = self.pick("", "", f" ORDER BY {self.text(sources, 1)}, id LIMIT 3", " ORDER BY id DESC LIMIT 2")
        return (f"UPDATE {self.pick('', '', 'IGNORE ')}{name} SET {self.assignments(sources, table)}"
                f" WHERE {self.condition(sources, 1)}{tail}")

    def multi_update(self):
        table, other = self.pick("users", "orders", "items"), self.pick("staging", "users", "orders")
        value = {"users": ("fullname", self.pick("b.name" if other == "staging" else "'Mul Ti'", "UPPER(a.fullname)", self.string())),
                 "orders": ("amount", self.pick("b.total" if other == "staging" else "3.25", "a.amount + 1", "a.amount * 1.255", "8")),
                 "items": ("title", self.pick("b.tag" if other == "staging" else "'mt'", "a.title", self.string()))}[table]
        extra = self.pick("", f", a.{ {'users': 'age', 'orders': 'user_id', 'items': 'owner'}[table] } = 3")
        if self.chance(25) and table != other:
            return f"UPDATE {table} a {self.pick('JOIN', 'LEFT JOIN')} {other} b USING (id) SET a.{value[0]} = {value[1]}{extra} WHERE a.id > 3"
        if self.chance(10):  # by an old column's name
            column = self.pick(*{"users": ["fullname"], "orders": ["amount"], "items": ["title", "width"]}[table])
            return f"UPDATE {table} a JOIN {table} b USING ({column}, id) SET a.{value[0]} = {self.pick('a', 'b')}.{value[0]}{extra} WHERE a.id % 3 = 1"
        return f"UPDATE {table} a JOIN {other} b ON a.id = b.id SET a.{value[0]} = {value[1]}{extra} WHERE a.id {self.pick('<', '>=')} 12"

    def dependent_update(self):
        """With uncertain order, values that read what the statement assigns, or that do not."""
        width = self.pick("a.height", "b.n + 1", "a.width + 1", "5", "LENGTH(a.title)", "a.width DIV 2 + 1", "'7'", "b.total")
        height = self.pick("a.width", "b.id", "a.height % 7 + 1", "4", "CASE WHEN a.id > 3 THEN 2 ELSE 3 END", "b.id / 2")
        sets = [f"a.width = {width}", f"a.height = {height}"]
        if self.chance(30):
            sets.append(f"a.title = {self.pick('b.tag', 'CONCAT(a.width)', 'a.title', chr(39) + 'dep' + chr(39))}")
        if self.chance(30):
            sets.append("a.owner = a.width")
        self.random.shuffle(sets)
        if self.chance(50):
            return f"UPDATE items a JOIN staging b ON a.id = b.id SET {', '.join(sets)} WHERE b.id {self.pick('<', '>')} 9"
        sets = ", ".join(sets).replace("b.tag", "'tag'").replace("b.total", "2.5").replace("b.", "a.").replace("a.n ", "a.owner ")
        return f"UPDATE items a SET {sets} WHERE a.id IN (SELECT id FROM staging WHERE n = {self.random.randrange(4)})"

    def swapping_update(self):
        other = self.pick("WHERE id % 3 = 1", "WHERE id IN (SELECT id FROM staging WHERE n = 2)", "ORDER BY id LIMIT 3")
        return self.pick(
            f"UPDATE users SET fullname = LEFT(nick, 9), nick = fullname {other}",
            f"UPDATE users SET nick = fullname, fullname = UPPER(nick) {other}",
            f"UPDATE orders SET amount = user_id, user_id = amount {other}",
            f"UPDATE orders SET note = 'n', amount = LENGTH(note), user_id = amount {other}",
            f"UPDATE items SET width = height, height = width, title = width {other}",
            f"UPDATE IGNORE items SET owner = title, title = height / 3, width = height + owner {other}")

    def insert_select(self):
        return self.pick(
            lambda: f"INSERT {self.pick('', 'IGNORE ')}INTO items (title, owner) SELECT {self.pick('tag', 'name', 'total / 3', 'COALESCE(total, 0)', 'CONCAT(total / 3)', 'n + 1', 'id * 1.5')}, id FROM staging WHERE tag IS NOT NULL AND id < 5",
            lambda: f"INSERT INTO {self.pick('items (owner) SELECT id', 'orders (user_id) SELECT id', 'items (owner, height) SELECT id, 6')} FROM staging WHERE id < 4",
            lambda: f"INSERT INTO users (email) SELECT CONCAT('default-{self.fresh()}-', id) FROM staging WHERE id < 3",
            lambda: f"INSERT INTO users (fullname, email) SELECT {self.pick('name', 'UPPER(name)', 'TRIM(LEFT(name, 3))')}, CONCAT(id, '-{self.fresh()}') FROM staging WHERE id < 6",
            lambda: f"INSERT INTO orders (user_id, amount) SELECT id, {self.pick('total', 'total * 2', 'n', 'COUNT(*)', 'id + 0.125')} FROM staging GROUP BY id ORDER BY 1 LIMIT 3",
            lambda: "INSERT INTO orders (user_id, amount) SELECT user_id, amount FROM orders WHERE id < 4",
            lambda: "INSERT INTO items (owner, title, height, width) SELECT id, LEFT(fullname, 9), 7, 8 FROM users WHERE fullname IS NOT NULL AND id < 5",
            lambda: "INSERT INTO orders (user_id, amount) SELECT DISTINCT n, total FROM staging WHERE id < 5",
            lambda: f"INSERT INTO users (email, fullname) SELECT CONCAT(id, '-{self.fresh()}'), name FROM staging WHERE id < 3 UNION ALL SELECT CONCAT(email, '+{self.fresh()}'), fullname FROM users WHERE id < 3",
            lambda: "INSERT INTO orders (id, amount) SELECT id, total FROM staging WHERE id < 9 ON DUPLICATE KEY UPDATE amount = orders.amount + VALUES(amount), note = total",
            lambda: f"INSERT INTO users (id, email, fullname) SELECT id, CONCAT(id, '-{self.fresh()}'), name FROM staging s WHERE id < 6 ON DUPLICATE KEY UPDATE fullname = CONCAT(LEFT(s.name, 3), '+'), nick = users.fullname",
            lambda: "REPLACE INTO staging (id, name, total) SELECT id, fullname, id FROM users WHERE fullname IS NOT NULL AND id < 9")()

    def returning(self):
        table = self.pick("users", "orders", "items")
        sources = [(table, table)]
        items = self.pick("*", f"{self.item(sources)}, id", ", ".join(OLD_SHAPE[table]))
        if self.chance(50):
            return f"DELETE FROM {table} WHERE id % 7 = 3 RETURNING {items}"
        if table == "users":
            return f"INSERT INTO users (fullname, email) VALUES ({self.string()}, {self.email()}) RETURNING {self.pick('*', 'id, fullname', 'fullname AS f')}"
        return f"REPLACE INTO {table} SET id = {self.random.randrange(1, 60)}, {self.pick(*OLD_SHAPE[table][2:4])} = 5 RETURNING *"

    def subquery_update(self):
        table = self.pick("users", "orders", "items")
        column = {"users": "fullname", "orders": "amount", "items": "title"}[table]
        source = {"users": ("name", "staging"), "orders": ("total", "staging"), "items": ("tag", "staging")}[table]
        value = self.pick(f"(SELECT {source[0]} FROM {source[1]} s WHERE s.id = {table}.id)",
                          f"(SELECT MAX({source[0]}) FROM {source[1]})",
                          f"COALESCE({column}, (SELECT MIN({source[0]}) FROM {source[1]}))")
        if table == "items":
            value = f"COALESCE({value}, 'none')"
        return f"UPDATE {table} SET {column} = {value} WHERE {self.condition([(table, table)], 1)}"

    def redeployed(self):
        """Of code that knows only the new columns."""
        text, number = self.pick("'Zed'", "'Yan'", "'Xi'"), self.random.randrange(1, 99)
        join = self.pick("", "", "JOIN staging s ON s.id = t.id ")
        return self.pick(
            f"INSERT INTO users (first_name, last_name, email) VALUES ({text}, 'Z', {self.email()})",
            f"INSERT INTO users (email, first_name) VALUES ({self.email()}, {text}) ON DUPLICATE KEY UPDATE last_name = 'Dup'",
            f"INSERT INTO orders (user_id, cents) VALUES (1, {number}), (2, NULL)", f"INSERT INTO items SET label = {text}",
            f"INSERT INTO items (area, ratio) VALUES ({number} * 1000 + 5, '{number}:5')",
            f"UPDATE users t {join}SET t.first_name = {text} WHERE t.id % 5 = 0",
            f"UPDATE users SET last_name = UPPER(last_name), nick = 'r' WHERE first_name IS NOT NULL AND last_name <> '' AND id % 3 = 0",
            f"UPDATE orders t {join}SET t.cents = t.id * 3 WHERE t.id % 4 = 1",
            f"UPDATE items t {join}SET t.label = {text}, t.owner = 4 WHERE t.id % 4 = 2",
            f"UPDATE items SET area = 7007, ratio = '7:7' WHERE id % 6 = 1",
            f"INSERT INTO orders (id, cents) SELECT id + {number * 1000}, n * 5 FROM staging WHERE id < 4")

    def fresh(self):
        self.serial += 1
        return self.serial

    def delete(self):
        table = self.pick("users", "orders", "items")
        if self.chance(25):
            return f"DELETE a FROM {table} a JOIN staging b ON a.id = b.id WHERE {self.condition([('a', table)], 0)} AND a.id % 5 = 2"
        return f"DELETE FROM {table} WHERE {self.condition([(table, table)], 0)} AND id % 4 = 1{self.pick('', ' ORDER BY id LIMIT 2')}"

    def statement(self):
        return self.pick(*[self.select] * 10, *[self.insert] * 4, *[self.update] * 4, self.delete, self.multi_update,
                         self.dependent_update, self.swapping_update, self.insert_select, self.returning, self.subquery_update)()


class Oracle:
    """Two databases on a server: `plain` never heard of a migration, `shop` is in the midst of four."""

    def __init__(self, server, plain="oracle_plain", migrated="oracle_shop"):
        self.server, self.databases = server, (plain, migrated)
        for name in self.databases:
            server.query(f"DROP DATABASE IF EXISTS {name}")
            server.query(f"CREATE DATABASE {name}")
            server.script(PLAIN, name)
        server.script(NEW_COLUMNS, migrated)
        self.directory = tempfile.TemporaryDirectory(prefix="crossfade-oracle-")
        self.path = lambda name: os.path.join(self.directory.name, name)
        with open(self.path("crossfade.ini"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        with open(self.path("schema.sql"), "w", encoding="utf-8") as file:
            for table in OLD_SHAPE:
                file.write(server.query(f"SHOW CREATE TABLE {migrated}.{table}")[0][1] + ";\n")
        self.connections = [server.connect(database=name) for name in self.databases]
        self.refused = {}
        self.counts = {"unchanged": 0, "rewritten": 0, "unrewritable": 0}

    def close(self):
        for connection in self.connections:
            connection.close()
        for name in self.databases:
            self.server.query(f"DROP DATABASE IF EXISTS {name}")
        self.directory.cleanup()

    def rewrite(self, statements, phase, *options):
        """What each statement becomes: the objects of --json."""
        program = os.path.join(os.environ.get("CROSSFADE_BUILD", str(repository() / "build")), "crossfade")
        done = subprocess.run([program, "rewrite", "--config", self.path("crossfade.ini"), "--phase", phase, "--database",
                               "shop", "--schema", self.path("schema.sql"), "--server", self.server.version(),
                               "--json", *options],
                              input=";\n".join(statements) + ";\n", capture_output=True, text=True, check=False)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode not in (0, 3) or len(answers) != len(statements):
            raise Failure(f"crossfade rewrite: status {done.returncode}, {len(answers)} of {len(statements)} answers\n{done.stderr}")
        return answers

    def set_mode(self, mode):
        for connection in self.connections:
            connection.cursor().execute("SET sql_mode = %s", (mode,))

    @staticmethod
    def run(connection, sql):
        cursor = connection.cursor()
        try:
            cursor.execute(sql)
            rows = [tuple(row) for row in cursor.fetchall()]
            return {"names": [column[0] for column in cursor.description or []],
                    "rows": rows if " ORDER BY " in sql and " LIMIT " in sql else sorted(rows, key=repr),
                    "affected": cursor.rowcount, "insert id": cursor.lastrowid, "warnings": cursor._result.warning_count}
        except pymysql.MySQLError as error:
            return {"error": error.args[0]}
        finally:
            cursor.close()

    def tables(self):
        return [[self.run(connection, f"SELECT {', '.join(columns)} FROM {table}") for table, columns in OLD_SHAPE.items()]
                for connection in self.connections]

    def drift(self, expressions=None):
        for table, columns in (expressions or FORWARD).items():
            test = " OR ".join(f"NOT ({name} <=> {expression})" for name, expression in columns.items())
            rows = self.run(self.connections[1], f"SELECT {', '.join(OLD_SHAPE[table])}, {', '.join(columns)} FROM {table} WHERE {test}")
            if rows.get("rows") != []:
                return f"{table} drifts: {rows}"
        return None

    def judge(self, statement, answer, phase):
        """Runs both sides; Failure where they differ."""
        self.counts[answer["verdict"]] += 1
        if answer["verdict"] == "unrewritable":
            self.refused.setdefault(answer["reason"], statement)
            return
        twin = answer.get("rewritten", statement)
        direct, migrated = self.run(self.connections[0], statement), self.run(self.connections[1], twin)
        story = f"\n phase    {phase}\n original {statement}\n became   {twin}\n"
        if direct != migrated:
            raise Failure(f"the answers differ{story} plain    {direct}\n migrated {migrated}")
        if not direct.get("names"):
            plain, shop = self.tables()
            if plain != shop:
                different = [pair for pair in zip(plain, shop) if pair[0] != pair[1]]
                raise Failure(f"the tables differ{story}{different}")
            drift = self.drift()
            if drift:
                raise Failure(f"{drift}{story}")

    def judge_redeployed(self, statement, answer, phase):
        """The twin alone: what sets the new columns fills the old ones by the backward expressions."""
        self.counts[answer["verdict"]] += 1
        if answer["verdict"] == "unrewritable":
            self.refused.setdefault(answer["reason"], statement)
            return
        outcome = self.run(self.connections[1], answer.get("rewritten", statement))
        drift = self.drift(BACKWARD)
        if drift or outcome.get("error", 1062) != 1062:
            raise Failure(f"{drift or outcome}\n phase    {phase}\n original {statement}\n became   {answer.get('rewritten')}")

    def fill(self, statements):
        """Rows to begin with, the same on both sides, the new columns filled."""
        rows = ["INSERT INTO staging VALUES " + ", ".join(
            f"({n}, {statements.pick(chr(39) + 'Sta Ging' + chr(39), chr(39) + 'one' + chr(39))}, {n * 1.125}, 'tag{n}', {n % 4})"
            for n in range(1, 21))]
        for _ in range(25):
            rows.append(statements.insert())
        for statement, answer in zip(rows, self.rewrite(rows, "dual-write")):
            self.judge(statement, answer, "dual-write")
        self.refused = {}  # what counts are the statements to come; a row that was refused is on neither side
        self.counts = dict.fromkeys(self.counts, 0)
