"""Large INSERTs that are rewritten: rows of plain literals, which are read and edited as runs, over the 2 MiB from which
buffers are of large memory and over the 16 MiB at which a packet is split. What is stored must be what the server
alone would store, on both sides."""

import random

import pytest

from harness.wire import MAX_PAYLOAD

HEAD = "INSERT INTO orders (id, user_id, amount, note) VALUES "
OTHER_ROWS = ["({id}, 1 + 1, {amount}, 'by grammar')", "({id}, 2,\t{amount}, CONCAT('a', 'b'))", "({id}, 7, {amount}, NULL)",
              "( {id} , -3 , -{amount} , 'it''s \\'quoted\\', (so)' )", "\n({id},4,\n{amount},\"double\")",
              "({id}, 8, {amount}, DEFAULT)"]


def insert_of(size, seed, others, note="a note that is not short"):
    """An INSERT of exactly `size` bytes, its last note filled up; `others`: the share of rows of other kinds."""
    choose = random.Random(seed)
    parts, length, count = [HEAD], len(HEAD), 0
    while length < size - len(note) - 600:
        count += 1
        form = choose.choice(OTHER_ROWS) if choose.random() < others else "({id}, 5, {amount}, '" + note + "')"
        parts.append(("," if count > 1 else "") + form.format(id=count, amount=f"{choose.randint(1, 99999) / 100:.2f}"))
        length += len(parts[-1])
    last = f",({count + 1}, 6, 1.00, '"
    parts += [last, "x" * (size - length - len(last) - 2), "')"]
    return "".join(parts), count + 1


def totals(server, database):
    return server.query(f"SELECT COUNT(*), SUM(amount), SUM(user_id), SUM(CRC32(note)), SUM(LENGTH(note)) "
                        f"FROM {database}.orders")


@pytest.mark.parametrize("others", [0, 0.01, 0.5])
def test_rows_of_every_kind(server, shop_behind, database, others):
    behind = shop_behind(users=0, orders=0)
    behind.walk("dual-write")
    alone = database("alone")
    server.query(f"CREATE TABLE {alone}.orders LIKE {behind.database}.orders")
    text, rows = insert_of(3 << 20, 1, others)
    with behind.connect() as connection, connection.cursor() as cursor:
        server.query(f"ALTER TABLE {behind.database}.orders MODIFY note TEXT")
        server.query(f"ALTER TABLE {alone}.orders MODIFY note TEXT")
        for _ in range(2):  # the second time the session's modes are known from the start
            cursor.execute("DELETE FROM orders")
            assert cursor.execute(text) == rows
    with server.connect(database=alone) as connection, connection.cursor() as cursor:
        cursor.execute(text)
    assert totals(server, behind.database) == totals(server, alone)
    behind.assert_no_drift()


@pytest.mark.parametrize("size", [MAX_PAYLOAD - 2, MAX_PAYLOAD - 1, 20 << 20])
def test_packets_that_are_split(server, shop_behind, size):
    behind = shop_behind(users=0, orders=0)
    behind.walk("dual-write")
    server.query(f"ALTER TABLE {behind.database}.orders MODIFY note TEXT")
    text, rows = insert_of(size, size, 0.01, "x" * 4000)
    with behind.connect() as connection, connection.cursor() as cursor:
        assert cursor.execute(text) == rows
        cursor.execute("SELECT COUNT(*) FROM orders")
        assert cursor.fetchone()[0] == rows
    assert server.value(f"SELECT SUM(LENGTH(note)) FROM {behind.database}.orders") > size * 0.9
    behind.assert_no_drift()
