"""What the old application reads, on twins of which one is migrated: the same answers, whatever the statement's form.

The statements are in reads.sql. After cutover the old columns are spoiled behind the proxy's back, so that a read
which gets past the rewriter shows: drift alone could not tell."""

import pathlib

import pytest

from harness import Migration, Twin, twin

STATEMENTS = [line for line in pathlib.Path(__file__).with_name("reads.sql").read_text(encoding="utf-8").splitlines()
              if line and not line.startswith("-- ")]

TEXT = "CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
SCHEMA = f"""
CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100) NOT NULL, fullname VARCHAR(120) DEFAULT NULL,
  visits INT NOT NULL DEFAULT 0, UNIQUE KEY email (email), KEY fullname_key (fullname)) {TEXT};
CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, user_id INT NOT NULL, amount DECIMAL(10,2), note VARCHAR(60),
  KEY user_id (user_id), KEY amount (amount)) {TEXT};
CREATE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(50) NOT NULL, width INT NOT NULL, height INT NOT NULL) {TEXT};
CREATE TABLE events (id INT AUTO_INCREMENT PRIMARY KEY, user_id INT, kind VARCHAR(20) NOT NULL, qty INT NOT NULL, day DATE) {TEXT};
CREATE TABLE docs (id INT PRIMARY KEY, data JSON);
CREATE TABLE boxes (id INT PRIMARY KEY, size INT, label VARCHAR(20)) {TEXT};
CREATE TABLE staging (id INT PRIMARY KEY, name VARCHAR(60), total DECIMAL(12,3)) {TEXT};
INSERT INTO users (email, fullname, visits) VALUES ('a@x', 'Ada Lovelace', 3), ('b@x', 'Bo Li', 2), ('c@x', NULL, 2),
  ('d@x', 'Cher', 1), ('e@x', 'ada lovelace', 7), ('f@x', 'Zoe van Rossum', 3), ('g@x', '', 0), ('h@x', 'Cher', 5),
  ('i@x', 'Alan M', 3), ('j@x', NULL, 3);
INSERT INTO orders (user_id, amount, note) VALUES (1, 19.99, 'x'), (1, 3, NULL), (2, 19.99, 'y'), (4, 120.5, NULL),
  (5, NULL, 'z'), (9, 0, ''), (2, 7.25, NULL), (4, 12.34, 'q'), (4, -3.5, 'neg'), (6, NULL, NULL);
INSERT INTO items (title, width, height) VALUES ('box', 3, 4), ('Bag', 1, 1), ('box', 2, 9), ('case', 3, 4), ('tin', 7, 2),
  ('bag', 12, 1);
INSERT INTO events (user_id, kind, qty, day) VALUES (1, 'none', 5, '2024-01-02'), (1, 'click', 0, '2024-01-20'),
  (2, 'view', 6, NULL), (4, 'none', 7, '2023-12-31'), (NULL, 'view', -5, '2024-02-29'), (9, 'click', 5, '2024-01-02');
INSERT INTO docs VALUES (1, '{{"a": 1, "b": [1, 2]}}'), (2, '{{"a": "x"}}'), (3, NULL);
INSERT INTO boxes VALUES (1, 3, 'one'), (2, 1, 'two'), (3, 7, NULL), (12, 4, 'box');
INSERT INTO staging VALUES (1, 'Cher', 19.99), (2, 'Ada Lovelace', 3.001), (3, 'nobody', 7.25), (4, NULL, NULL);
"""

SPOIL = """
UPDATE users SET fullname = CONCAT('spoiled ', id);
UPDATE orders SET amount = 777 + id;
UPDATE items SET title = 'spoiled', width = 99, height = 98;
UPDATE events SET kind = 'spoiled', qty = 4321, day = '1999-09-09';
UPDATE docs SET data = '"spoiled"';
"""


def migrations(database, one_to_one, in_order):
    """One column into two, two into one, another type, a rename; two and three migrations on a table; a backward
    expression that is not NULL for NULLs."""
    return [
        Migration("users_name", f"{database}.users", "fullname", ["first_name", "last_name"],
                  types={"first_name": "VARCHAR(120)", "last_name": "VARCHAR(120)"},
                  forward={"first_name": "SUBSTRING_INDEX(fullname, ' ', 1)",
                           "last_name": "IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), '')"},
                  backward={"fullname": "CONCAT(first_name, IF(last_name = '', '', CONCAT(' ', last_name)))"}, **one_to_one),
        Migration("orders_cents", f"{database}.orders", "amount", "cents", types={"cents": "BIGINT"},
                  forward={"cents": "amount * 100"}, backward={"amount": "CAST(cents / 100 AS DECIMAL(10,2))"}, **in_order),
        Migration("items_title", f"{database}.items", "title", "label", types={"label": "VARCHAR(50)"}, **in_order),
        Migration("items_size", f"{database}.items", ["width", "height"], "size", types={"size": "VARCHAR(50)"},
                  forward={"size": "CONCAT(width, 'x', height)"},
                  backward={"width": "CAST(SUBSTRING_INDEX(size, 'x', 1) AS SIGNED)",
                            "height": "CAST(SUBSTRING_INDEX(size, 'x', -1) AS SIGNED)"}),
        Migration("events_kind", f"{database}.events", "kind", "sort", types={"sort": "VARCHAR(20)"},
                  forward={"sort": "NULLIF(kind, 'none')"}, backward={"kind": "IFNULL(sort, 'none')"}),
        Migration("events_qty", f"{database}.events", "qty", "quantity", types={"quantity": "BIGINT"}, **in_order),
        Migration("events_day", f"{database}.events", "day", "day_no", types={"day_no": "INT"},
                  forward={"day_no": "DATEDIFF(day, '2000-01-01')"},
                  backward={"day": "CAST('2000-01-01' + INTERVAL day_no DAY AS DATE)"}, **in_order),
        Migration("docs_data", f"{database}.docs", "data", "payload", types={"payload": "JSON"}),
    ]


def answer(connection, sql, names):
    """What a statement gave, without what the server leaves open: the order of rows that nothing sorts, of warnings,
    and the column that an error names."""
    outcome = twin.run(connection, sql.replace("{db}", names["db"]).replace("{plain}", names["plain"]))
    for result in outcome.results:
        if "ORDER BY" not in sql.upper():
            result["rows"].sort(key=repr)
    return outcome.results, outcome.error and outcome.error[0], sorted(outcome.warnings or [], key=repr)


def differences(both):
    """The statements that the twins answer otherwise, each with both answers."""
    found = []
    for sql in STATEMENTS:
        direct = answer(both.direct, sql, {"db": both.names["direct"], "plain": both.names["direct"]})
        proxied = answer(both.proxied, sql, {"db": both.names["proxied"], "plain": both.names["direct"]})
        if direct != proxied:
            found.append(f"{sql}\n direct  {direct}\n proxied {proxied}")
    return "\n".join(found)


@pytest.mark.parametrize("phase", ["dual-write", "cutover"])
@pytest.mark.parametrize("invertible", [False, True], ids=["plain", "invertible"])
def test_the_same_answers(server, database, proxy, phase, invertible):
    plain, migrated = database("plain"), database("reads")
    for name in (plain, migrated):
        server.query(f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        server.script(SCHEMA, name)
    one_to_one = {"invertible": "yes"} if invertible else {}
    in_order = {"invertible": "yes", "monotonic": "yes"} if invertible else {}
    behind = proxy(migrations(migrated, one_to_one, in_order))
    for migration in behind.migrations:
        behind.walk(migration.name, "verify")
    if phase == "cutover":
        for migration in behind.migrations:
            behind.ctl("cutover", migration.name, "--force")  # conditions on expressions lose their indexes
        server.script(SPOIL, migrated)
    with Twin(server, behind, plain, migrated, {}) as both:
        found = differences(both)
        assert not found, found
