"""Statements at random in the forms that MySQL has and MariaDB has not (or reads otherwise), for the oracle."""

from .oracle import OLD_SHAPE, Statements

# What both sides of a set operation or a lateral join can give: (table, its text column, its number).
TEXTS = {"users": ("fullname", "age"), "orders": ("note", "amount"), "items": ("title", "width"), "staging": ("name", "n")}


class MySQLStatements(Statements):
    """As Statements; a third of them in MySQL's own forms."""

    def statement(self):
        if self.chance(65):
            return super().statement()
        return self.pick(self.set_operation, self.lateral, self.locking, self.hinted, self.comment, self.json_table, self.table,
                         self.totals, self.aliased_row, self.aliased_row, self.aliased_select, self.row_values, self.with_write,
                         self.lateral_update)()

    def returning(self):
        """MySQL has none."""
        return self.delete()

    def migrated(self):
        return self.pick("users", "orders", "items")

    # ---- reads

    def set_operation(self):
        def part():
            table = self.pick("users", "items", "staging", "orders")
            return f"SELECT {TEXTS[table][0]}, {self.pick('id', TEXTS[table][1])} FROM {table} WHERE id < {self.pick(5, 12, 30)}"
        parts = [part() if self.chance(70) else f"({part()} ORDER BY id DESC LIMIT 4)" for _ in range(self.pick(2, 2, 3))]
        words = [self.pick("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL") for _ in parts]
        return parts[0] + "".join(f" {word} {text}" for word, text in zip(words, parts[1:])) + self.pick("", " ORDER BY 1, 2 LIMIT 7")

    def lateral(self):
        table, other = self.migrated(), self.pick("orders", "items", "staging")
        text, number = TEXTS[table]
        inner = f"SELECT o.id, {TEXTS[other][0]} AS x FROM {other} o WHERE o.id {self.pick('=', '<')} t.id {self.pick('', f'AND t.{text} IS NOT NULL')}"
        join = self.pick(f", LATERAL ({inner} LIMIT 2) l", f" LEFT JOIN LATERAL ({inner} ORDER BY o.id LIMIT 1) l ON l.x <> t.{text}",
                         f" JOIN LATERAL (SELECT t.{text} AS x, COUNT(*) c FROM {other} o WHERE o.id <= t.id) l")
        return f"SELECT t.id, t.{self.case(text)}, l.x, {number} + 1 FROM {table} t{join} ORDER BY t.id, 3 LIMIT 20"

    def locking(self):
        table = self.migrated()
        text = TEXTS[table][0]
        lock = self.pick("FOR UPDATE", "FOR SHARE", "FOR UPDATE OF t", "FOR SHARE OF t NOWAIT", "FOR UPDATE OF t SKIP LOCKED FOR SHARE OF s")
        return f"SELECT t.id, t.{text}, s.name FROM {table} t JOIN staging s ON s.id = t.id WHERE {text} IS NOT NULL {lock}"

    def hinted(self):
        table = self.migrated()
        text = TEXTS[table][0]
        hint = self.pick("SET_VAR(sort_buffer_size=262144)", "NO_INDEX_MERGE(t)", "QB_NAME(qb1) MAX_EXECUTION_TIME(10000)", "BKA(t)")
        tail = self.pick("", f" HAVING {text} <> 'q'", " HAVING COUNT(*) > 0")
        return self.pick(f"SELECT /*+ {hint} */ {text}, UPPER({text}) FROM {table} t WHERE {text} LIKE '%a%'",
                         f"SELECT /*+ {hint} */ COUNT(*) FROM {table} t GROUP BY {text}{tail}",
                         f"UPDATE /*+ {hint} */ {table} t SET {text} = {self.assignment([('t', table)], table, text, False)} WHERE id < 4")

    def comment(self):
        table = self.migrated()
        text, number = TEXTS[table]
        return self.pick(f"SELECT id, /*!80000 {text}, */ {number} FROM {table}", f"SELECT id /*M! , {text} */ FROM {table}",
                         f"SELECT id /*!99999 , {text} */ FROM {table}", f"SELECT id FROM {table} /*!50700 WHERE {text} IS NOT NULL */",
                         f"SELECT id /*! , {text} AS shown */ FROM {table}")

    def json_table(self):
        table = self.migrated()
        text = TEXTS[table][0]
        path = "COLUMNS (n FOR ORDINALITY, v VARCHAR(40) PATH '$')"
        return (f"SELECT t.id, j.v, j.n FROM {table} t, JSON_TABLE(JSON_ARRAY(t.{text}, t.id), '$[*]' {path}) j"
                f" WHERE t.{text} IS NOT NULL {self.pick('', f'AND j.v = t.{text}')} ORDER BY 1, 3")

    def table(self):
        table = self.migrated()
        return self.pick(f"TABLE {table} ORDER BY id LIMIT 5", f"SELECT id FROM {table} WHERE {TEXTS[table][0]} IN (SELECT name FROM staging)"
                         " UNION VALUES ROW(1), ROW(2)", f"SELECT * FROM (TABLE {table}) d WHERE d.{TEXTS[table][0]} IS NOT NULL",
                         "VALUES ROW(1, (SELECT MAX(fullname) FROM users)), ROW(2, 'x')")

    def totals(self):
        table = self.migrated()
        text, number = TEXTS[table]
        return self.pick(f"SELECT ANY_VALUE({text}), COUNT(*) FROM {table}", f"SELECT {text}, GROUPING({text}), COUNT(*) FROM {table} GROUP BY {text} WITH ROLLUP",
                         f"SELECT {text}, SUM({number}) OVER w, ROW_NUMBER() OVER (w ORDER BY id) FROM {table} WINDOW w AS (PARTITION BY {text})",
                         f"SELECT JSON_ARRAYAGG({text}), JSON_OBJECTAGG(id, {number}) FROM {table}",
                         f"SELECT {text} AS f, COUNT(*) FROM {table} GROUP BY f HAVING f > 'b' ORDER BY f DESC")

    # ---- writes

    def aliased_row(self):
        """INSERT … AS new ON DUPLICATE KEY UPDATE, with and without names for its columns."""
        table = self.migrated()
        text = TEXTS[table][0]
        names = ["id", text, *(["email"] if table == "users" else [])]
        row = f"({self.random.randrange(1, 40)}, {self.value(table, text)}{', ' + self.email() if table == 'users' else ''})"
        if self.chance(30) and table != "users":
            head, alias = f"INSERT INTO {table} SET id = {self.random.randrange(1, 40)}, {text} = {self.value(table, text)}", "AS new"
        else:
            columns = ", ".join(f"c{n}" for n in range(len(names)))
            alias = self.pick("AS new", "AS new", f"AS new({columns})")
            head = f"INSERT INTO {table} ({', '.join(names)}) VALUES {row}"
        new = "new.c1" if "(" in alias else f"new.{text}"
        value = self.pick(new, new, f"COALESCE({new}, {table}.{text})",
                          f"{table}.{text}") if table == "orders" else self.pick(new, f"UPPER({new})", f"LEFT(CONCAT({new}, '+'), 9)")
        other = {"users": "age = age + 1", "orders": "user_id = 3", "items": "owner = 5"}[table]
        return f"{head} {alias} ON DUPLICATE KEY UPDATE {self.pick(f'{text} = {value}, {other}', f'{other}, {text} = {value}')}"

    def aliased_select(self):
        """The rows of a derived table, which ON DUPLICATE KEY UPDATE may name."""
        return self.pick(
            "INSERT INTO orders (id, amount) SELECT * FROM (SELECT id, total FROM staging WHERE id < 7) AS new"
            " ON DUPLICATE KEY UPDATE amount = new.total + 1",
            f"INSERT INTO users (id, email, fullname) SELECT d.a, d.b, d.c FROM (SELECT id AS a, CONCAT(id, '-{self.fresh()}') AS b, name AS c FROM"
            " staging WHERE id < 5) AS d ON DUPLICATE KEY UPDATE fullname = CONCAT(LEFT(d.c, 4), '.')",
            "INSERT INTO orders (id, amount) SELECT id, total FROM staging WHERE id < 4 UNION ALL SELECT 30 + id, n FROM staging WHERE id < 3"
            " ON DUPLICATE KEY UPDATE note = 'dup'",
            "INSERT INTO items (id, title, width, height) TABLE staging LIMIT 0")

    def row_values(self):
        table = self.migrated()
        names = [name for name in OLD_SHAPE[table] if name != "id"]
        rows = ", ".join(f"ROW({', '.join(self.value(table, name).replace('DEFAULT', 'NULL') for name in names)})" for _ in range(self.pick(1, 2)))
        return f"{self.pick('INSERT', 'REPLACE', 'INSERT IGNORE')} INTO {table} ({', '.join(names)}) VALUES {rows}"

    def with_write(self):
        table = self.migrated()
        text = TEXTS[table][0]
        value = {"users": "c.name", "orders": "c.total", "items": "c.tag"}[table]
        return self.pick(f"WITH c AS (SELECT * FROM staging WHERE id < 6) UPDATE {table} t JOIN c ON c.id = t.id SET t.{text} = {value}",
                         f"WITH c AS (SELECT id FROM {table} WHERE {text} IS NULL) DELETE FROM {table} WHERE id IN (SELECT id FROM staging) AND id > 30",
                         f"WITH c AS (SELECT MAX({value[2:]}) AS m FROM staging) UPDATE {table} SET {text} = (SELECT m FROM c) WHERE id = 3")

    def lateral_update(self):
        table = self.migrated()
        text = TEXTS[table][0]
        value = {"users": "name", "orders": "total", "items": "tag"}[table]
        return (f"UPDATE {table} t, LATERAL (SELECT MAX(s.{value}) AS m FROM staging s WHERE s.id <= t.id) l SET t.{text} = l.m"
                f" WHERE t.id BETWEEN 2 AND 6 AND l.m IS NOT NULL")
