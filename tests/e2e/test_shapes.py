"""A few statements with ever new values, as applications send them: what is kept of their shape (docs/design.md) must do
for each value what the rewriter does."""

import itertools
import random

import pytest

# ⟨n⟩ a small number, ⟨N⟩ any number, ⟨t⟩ a text, ⟨u⟩ a text that no other is like
READS = [
    "SELECT fullname FROM users WHERE id = ⟨n⟩",
    "SELECT * FROM users WHERE id=⟨n⟩",
    "SELECT id, fullname AS name FROM users u WHERE u.id BETWEEN ⟨n⟩ AND ⟨N⟩ ORDER BY id LIMIT ⟨n⟩",
    "SELECT DISTINCT fullname FROM users WHERE visits IN (⟨n⟩, -⟨n⟩, ⟨N⟩) OR email = ⟨t⟩ ORDER BY fullname",
    "SELECT COUNT(fullname), MAX(fullname) FROM users WHERE email LIKE ⟨t⟩ OR NOT (id > ⟨n⟩)",
    "SELECT u.fullname, o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE o.id = ⟨n⟩ AND o.note <=> ⟨t⟩",
    "SELECT SUM(amount) FROM orders WHERE user_id < ⟨N⟩",
    "SELECT id FROM users WHERE fullname = ⟨t⟩",
    "SELECT id FROM orders WHERE amount >= ⟨n⟩ ORDER BY id",
    "SELECT CONCAT(fullname, ⟨t⟩) FROM users WHERE id = ⟨n⟩",
]
WRITES = [
    "INSERT INTO users (email, fullname) VALUES (⟨u⟩, ⟨t⟩)",
    "INSERT INTO users (email, fullname, visits) VALUES (⟨u⟩, ⟨t⟩, ⟨n⟩), (⟨u⟩, ⟨t⟩, -⟨N⟩)",
    "INSERT INTO users SET email = ⟨u⟩, fullname = ⟨t⟩",
    "INSERT INTO users (id, email, fullname) VALUES (⟨n⟩, ⟨u⟩, ⟨t⟩)",
    "REPLACE INTO orders (id, user_id, amount) VALUES (⟨n⟩, ⟨n⟩, ⟨N⟩)",
    "INSERT INTO orders (user_id, amount, note) VALUES (⟨n⟩, ⟨t⟩, ⟨t⟩)",
    "UPDATE users SET fullname = ⟨t⟩ WHERE id = ⟨n⟩",
    "UPDATE users SET fullname = ⟨t⟩, visits = visits + ⟨n⟩ WHERE id < ⟨n⟩ ORDER BY id LIMIT ⟨n⟩",
    "UPDATE orders SET amount = amount + ⟨n⟩, note = ⟨t⟩ WHERE id = ⟨n⟩",
    "UPDATE orders SET amount = ⟨N⟩ WHERE user_id = ⟨n⟩ OR note = ⟨t⟩",
    "UPDATE users SET visits = ⟨N⟩ WHERE id = ⟨n⟩",
    "DELETE FROM users WHERE id = ⟨n⟩ OR email = ⟨t⟩",
    "DELETE FROM orders WHERE user_id = ⟨n⟩ LIMIT ⟨n⟩",
]
TEXTS = ["Ada Lovelace", "", "Zoë", "x" * 130, "7", "12.345", "1e3", "2024-02-30", "NULL", "a  b", "O''Neill", "back\\\\slash",
         "user1%", "Grace Hopper Murray", "-- /* # ? */", "fullname", "'", "0x41"]
NUMBERS = ["0", "1", "99", "2147483648", "99999999", "123456789012345678", "12345678901234567890", "1.5", "1e2", "0x1F"]


class Values:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.serial = itertools.count(1)

    def one(self, kind):
        if kind == "n":
            return str(self.random.randrange(60))
        if kind == "N":
            return self.random.choice(NUMBERS)
        if kind == "u":
            return f"'{next(self.serial)}@example.org'"
        text = self.random.choice([*TEXTS, f"Name {self.random.randrange(1000)}"])
        return "'''" + "x'" if text == "'" else f"'{text}'"

    def fill(self, shape):
        first, *rest = shape.split("⟨")
        return first + "".join(self.one(part[0]) + part[2:] for part in rest)


def send(twin, values, rounds):
    for _ in range(rounds):
        for shape in values.random.sample(READS + WRITES, len(READS + WRITES)):
            twin.same(values.fill(shape))


@pytest.mark.parametrize("mode", ["STRICT_TRANS_TABLES", "", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES"])
def test_every_value_does_what_it_does_directly(shop_twin, mode):
    behind, twin = shop_twin(40, 40)
    values = Values(f"values {mode}")
    twin.same(f"SET SESSION sql_mode = '{mode}'")
    behind.walk("dual-write")
    send(twin, values, 8)
    twin.check_tables(drift=False)  # rows that nobody has written do, before the backfill
    for step in ("backfill", "verify", "cutover", "rollback", "cutover"):
        behind.each(step)
        send(twin, values, 6)
        twin.check_tables()


def test_sessions_of_one_worker_with_other_modes_and_databases(shop_twin, server):
    """They send the same text, and it means something else to each."""
    behind, twin = shop_twin(40, 40)
    behind.walk("cutover")
    values = Values("sessions")
    others = [behind.proxy.connect(database=behind.database) for _ in range(4)]
    try:
        for number, other in enumerate(others):
            other.query("SET SESSION sql_mode = " + ("'ANSI_QUOTES'", "'STRICT_TRANS_TABLES'", "'PIPES_AS_CONCAT'", "''")[number])
        for text in (f"SELECT fullname FROM users WHERE id = {number}" for number in range(1, 30)):
            for other in others:
                with other.cursor() as cursor:
                    cursor.execute(text)
                    rows = cursor.fetchall()
                assert list(rows) == list(server.query(text.replace("users", f"`{twin.names['direct']}`.users")))
            with behind.proxy.connect(database=None) as nowhere, nowhere.cursor() as cursor:
                with pytest.raises(Exception, match="No database selected"):
                    cursor.execute(text)
        send(twin, values, 4)
        twin.check_tables()
    finally:
        for other in others:
            other.close()
