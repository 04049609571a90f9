"""Clients whose character set has letters that end in the byte of a backslash: where a string ends is for the character
set to say, at the login or by SET NAMES, and the server must read the text that it gets as the proxy read it."""

import pymysql
import pytest
from pymysql.constants import CLIENT

from harness import Twin, shop

# A letter whose second byte is 0x5c, and Python's name for the character set.
LETTERS = {"gbk": ("誠", "gbk"), "sjis": ("表", "shift_jis"), "cp932": ("表", "cp932"), "big5": ("功", "big5"),
           "utf8mb4": ("表", "utf-8")}


def statements(letter):
    return [
        f"UPDATE users SET fullname = '{letter}' WHERE id = 1",
        f"UPDATE users SET fullname = '{letter} {letter}', visits = 7 WHERE fullname = '{letter}'",
        f"INSERT INTO users (email, fullname) VALUES ('{letter}', CONCAT('a ', '{letter}', ' b'))",
        f"INSERT INTO users (email, fullname) SELECT '{letter}x', '{letter} y'",
        f"UPDATE users SET fullname = '\\'{letter}\\'' WHERE id IN (SELECT 2)",
        f"SELECT fullname, HEX(fullname) FROM users WHERE fullname LIKE '%{letter}%' ORDER BY id",
    ]


@pytest.mark.parametrize("late", [False, True])
def test_a_letter_that_ends_in_a_backslash(shop_behind, server, late):
    behind = shop_behind(users=5, orders=1)
    behind.walk("dual-write")
    for steps in ([], ["backfill", "verify", "cutover"]):
        for step in steps:
            behind.each(step)
        for charset, (letter, python) in LETTERS.items():
            assert letter.encode(python)[1:] == b"\\" or charset == "utf8mb4"
            direct = f"{behind.database}_direct"
            shop.create(server, direct, 5, 1)
            server.query(f"DELETE FROM `{behind.database}`.users WHERE id > 5")
            with behind.connect() as proxied, proxied.cursor() as cursor:  # as the twin begins
                cursor.executemany("REPLACE INTO users (id, email, fullname, visits) VALUES (%s, %s, %s, %s)",
                                   server.query(f"SELECT id, email, fullname, visits FROM `{direct}`.users"))
            for database in (direct, behind.database):
                server.query(f"ALTER TABLE `{database}`.users AUTO_INCREMENT = 100")
            with Twin(server, behind.proxy, direct, behind.database, {"users": ["id", "email", "fullname", "visits"]},
                      charset="utf8mb4" if late else charset) as twin:
                if late:
                    twin.same(f"SET NAMES {charset}")
                for connection in (twin.direct, twin.proxied):
                    connection.encoding = python
                for statement in statements(letter):
                    outcome = twin.same(statement)
                    assert outcome.error is None, (charset, statement, outcome)
                twin.check_tables()
            server.query(f"DROP DATABASE `{direct}`")
            assert behind.drift()["users_name"] == 0, charset


@pytest.mark.parametrize("padding", [b"", b" " * 10000])
def test_a_character_set_that_nothing_tells_of(shop_behind, padding):
    """The server tells of character_set_client only while session_track_system_variables names it. A long text
    is not read in all of them."""
    behind = shop_behind(users=5, orders=1)
    behind.walk("dual-write")
    with behind.connect(client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_track_system_variables = 'autocommit'")
        cursor.execute("SET NAMES gbk")
        cursor.execute(b"SELECT '\xd5\x5c' INTO @v; UPDATE users SET fullname = 'Not Told' WHERE id = 3; -- '"
                       + padding)
    assert behind.server.query(f"SELECT first_name, last_name FROM {behind.database}.users WHERE id = 3") == [
        ("Not", "Told")]


@pytest.mark.parametrize("name", ["F\u0130RST_NAME", "f\u0131rst_name", "fir\u017ft_name", "`f\u0130rst_name`"])
def test_a_name_with_letters_that_only_the_server_folds(shop_behind, name):
    """Whether the server takes it for the column is not known: the write is refused, and no row drifts."""
    behind = shop_behind(users=5, orders=1)
    behind.walk("verify")
    with behind.connect() as connection, connection.cursor() as cursor:
        for change in ("UPDATE users SET {} = 'Drifts'", "INSERT INTO users ({}) VALUES ('Drifts')"):
            with pytest.raises(pymysql.OperationalError, match="first_name may be meant"):
                cursor.execute(change.format(name))
    behind.assert_no_drift()


def test_such_names_in_other_character_sets(shop_behind):
    behind = shop_behind(users=5, orders=1)
    behind.walk("verify")
    sets = [("latin5", b"\xdd"), ("latin5", b"\xfd"), ("cp850", b"\xd5"), ("macroman", b"\xf5"),
            ("ujis", b"\x8f\xaa\xc4"), ("eucjpms", b"\x8f\xa9\xc5"), ("euckr", b"\xa9\xa5")]
    if behind.server.family == "mysql":
        sets += [("gb18030", "\u0130".encode("gb18030")), ("gb18030", "\u0131".encode("gb18030"))]
    for charset, letter in sets:
        with behind.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SET NAMES {charset}")
            with pytest.raises(pymysql.OperationalError, match="first_name may be meant"):
                cursor.execute(b"UPDATE users SET f" + letter + b"rst_name = 'Drifts'")
    behind.assert_no_drift()
