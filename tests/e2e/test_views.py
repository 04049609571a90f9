"""Views over a migrated table: the server alone reads and writes through them, so the proxy must know which they are."""

import pymysql
import pytest
from pymysql.constants import CLIENT

VIEWS = [
    "CREATE VIEW few AS SELECT id, email, visits FROM users",
    "CREATE VIEW renamed AS SELECT id, email AS fullname, visits AS email FROM users",
    "CREATE VIEW upon AS SELECT id, email FROM few WHERE id > 0",
    "CREATE VIEW elsewhere AS SELECT id, note AS fullname FROM others",
]
REFUSED = [
    "INSERT INTO few (email) VALUES ('v1@x')", "REPLACE INTO few SET email = 'v2@x'",
    "INSERT INTO upon (email) SELECT 'v3@x'", "UPDATE renamed SET email = 7", "UPDATE renamed SET fullname = 'x'",
]
PASSED = [
    ("UPDATE few SET visits = 5 WHERE id = 1", 1), ("UPDATE upon SET email = 'v4@x' WHERE id = 2", 1),
    ("DELETE FROM few WHERE id = 3", 1), ("INSERT INTO elsewhere (fullname) VALUES ('x')", 1),
    ("UPDATE elsewhere SET fullname = 'y'", 1),
]


def test_what_is_written_through_views(shop_behind):
    behind = shop_behind(users=5)
    with behind.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE others (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(20))")
        for view in VIEWS:
            cursor.execute(view)
        for migration in behind.migrations:
            behind.ctl("expand", migration.name, "--apply")
            behind.ctl("dual-write", migration.name, "--force")  # the gate has seen the views
        for statement in REFUSED:
            with pytest.raises(pymysql.MySQLError) as refusal:
                cursor.execute(statement)
            assert refusal.value.args[0] == 1105 and "through a view" in refusal.value.args[1], statement
        for statement, rows in PASSED:
            assert cursor.execute(statement) == rows, statement
    behind.each("backfill")
    behind.assert_no_drift()


def test_a_view_that_a_temporary_table_hides_no_more(shop_behind):
    """A function drops the temporary table unseen: what is written through the view is refused again."""
    behind = shop_behind(users=5)
    behind.server.query(f"CREATE VIEW {behind.database}.few AS SELECT id, fullname FROM {behind.database}.users")
    behind.server.script("DELIMITER $$\nCREATE FUNCTION tidy() RETURNS INT DETERMINISTIC BEGIN"
                         " DROP TEMPORARY TABLE IF EXISTS few; RETURN 1; END$$\n", behind.database)
    for migration in behind.migrations:
        behind.ctl("expand", migration.name, "--apply")
        behind.ctl("dual-write", migration.name, "--force")
    hide, write = "CREATE TEMPORARY TABLE few (id INT, fullname VARCHAR(50))", "UPDATE few SET fullname = 'No One'"
    with behind.connect(client_flag=CLIENT.MULTI_STATEMENTS).cursor() as cursor:
        for again in range(2):
            cursor.execute(hide)
            cursor.execute(write)
            with pytest.raises(pymysql.MySQLError, match="may have dropped the temporary table"):
                cursor.execute(f"SELECT tidy(); {write}")
            cursor.execute("SELECT tidy()")
            with pytest.raises(pymysql.MySQLError, match="through a view"):
                cursor.execute(write)
    behind.each("backfill")
    behind.assert_no_drift()
