"""The shop that the tests, the demo and the README speak of: users with a full name, orders with an amount."""

from .proxy import Migration
from .server import numbers

SCHEMA = """
CREATE TABLE users (
    id INT AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(100) NOT NULL,
    fullname VARCHAR(120) NOT NULL DEFAULT '',
    visits INT NOT NULL DEFAULT 0,
    UNIQUE KEY email (email)
);
CREATE TABLE orders (
    id INT AUTO_INCREMENT PRIMARY KEY,
    user_id INT NOT NULL,
    amount DECIMAL(10,2) NOT NULL,
    note VARCHAR(60) DEFAULT NULL,
    KEY user_id (user_id)
);
"""


def create(server, database, users=0, orders=0, collation=None):
    """The schema in a new database, with rows whose content follows from their number. Without a collation it gets the
    server's."""
    server.query(f"DROP DATABASE IF EXISTS `{database}`")
    server.query(f"CREATE DATABASE `{database}`" + (f" COLLATE {collation}" if collation else ""))
    server.script(SCHEMA, database)
    if users:
        server.query(f"""INSERT INTO `{database}`.users (email, fullname, visits)
            SELECT CONCAT('user', seq, '@example.com'),
                   CONCAT(ELT(1 + seq % 7, 'Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Zoë', 'Linus'),
                          IF(seq % 11 = 0, '', CONCAT(' ', ELT(1 + seq % 5, 'Lovelace', 'Hopper', 'van Rossum',
                                                                'Müller', 'O''Neill'), ' ', seq))),
                   seq % 10
            FROM {numbers(users)}""")
    if orders:
        server.query(f"""INSERT INTO `{database}`.orders (user_id, amount, note)
            SELECT 1 + seq % {max(users, 1)}, (seq % 100000) / 100 + 1, IF(seq % 3, NULL, CONCAT('note ', seq))
            FROM {numbers(orders)}""")


def users_name(database, **keys):
    return Migration(
        "users_name", f"{database}.users", "fullname", ["first_name", "last_name"],
        types={"first_name": "VARCHAR(120)", "last_name": "VARCHAR(120)"},
        forward={"first_name": "SUBSTRING_INDEX(fullname, ' ', 1)",
                 "last_name": "IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), '')"},
        backward={"fullname": "CONCAT(first_name, IF(last_name = '', '', CONCAT(' ', last_name)))"}, **keys)


def orders_cents(database, **keys):
    return Migration(
        "orders_cents", f"{database}.orders", "amount", "cents", types={"cents": "BIGINT"},
        forward={"cents": "amount * 100"},
        backward={"amount": "CAST(cents / 100 AS DECIMAL(10,2))"}, **keys)


def migrations(database, **keys):
    return [users_name(database, **keys), orders_cents(database, **keys)]


def add_new_columns(server, database):
    """The new columns, empty, without crossfade: for tests of the harness."""
    server.query(f"ALTER TABLE `{database}`.users ADD COLUMN first_name VARCHAR(120) INVISIBLE, "
                 "ADD COLUMN last_name VARCHAR(120) INVISIBLE")
    server.query(f"ALTER TABLE `{database}`.orders ADD COLUMN cents BIGINT INVISIBLE")
