"""The harness itself, on direct connections: what the other tests rely on."""

import pymysql
import pytest

from harness import Client, ClientError, Failure, Process, shop, twin, wait_until
from harness.load import Load


def test_server_serves_the_shop(server, database):
    name = database()
    shop.create(server, name, users=20, orders=30)
    assert server.value(f"SELECT COUNT(*) FROM {name}.users") == 20
    with server.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SUM(amount > 0) FROM orders")
        assert cursor.fetchone()[0] == 30


def test_drift_is_seen(server, database):
    name = database()
    shop.create(server, name, users=10, orders=10)
    shop.add_new_columns(server, name)
    users, orders = shop.migrations(name)
    assert users.drift(server) == 10 and orders.drift(server) == 10
    server.query(f"UPDATE {name}.orders SET cents = amount * 100")
    server.query(f"UPDATE {name}.users SET first_name = SUBSTRING_INDEX(fullname, ' ', 1), "
                 "last_name = IF(LOCATE(' ', fullname), SUBSTRING(fullname, LOCATE(' ', fullname) + 1), '')")
    assert users.drift(server) == 0 and orders.drift(server) == 0
    server.query(f"UPDATE {name}.users SET first_name = UPPER(first_name) WHERE id = 1")
    assert users.drift(server) == 1


def test_outcomes_compare_everything(server, database):
    name = database()
    shop.create(server, name, users=3)
    connection = server.connect(database=name)
    select = "SELECT id, fullname FROM users ORDER BY id"
    assert twin.run(connection, select) == twin.run(connection, select)
    assert twin.run(connection, select) != twin.run(connection, "SELECT id, email FROM users ORDER BY id")
    assert twin.run(connection, select, metadata="all") != twin.run(
        connection, "SELECT id + 0 AS id, fullname FROM users ORDER BY id", metadata="all")
    assert twin.run(connection, "SELECT nothing FROM users").error[0] == 1054
    warned = twin.run(connection, "SELECT CAST('x' AS SIGNED)")
    assert warned.warnings and warned.warnings[0][1] == 1292
    connection.close()


def test_processes_do_not_outlive_their_owner():
    process = Process("sleeper")
    process.spawn(["/bin/sleep", "600"])
    assert process.running
    process.close()
    assert not process.running and not process.directory.exists()


def test_waiting_ends():
    with pytest.raises(Failure):
        wait_until(lambda: False, timeout=0.05)


def test_a_program_that_ends_early_is_reported():
    with Process("early") as process:
        process.spawn(["/bin/sh", "-c", "echo a reason; exit 3"])
        with pytest.raises(Failure, match="a reason"):
            process.wait_log("ready")


def test_wrong_password_fails_direct(server):
    with pytest.raises(pymysql.err.OperationalError) as refused:
        server.connect(password="wrong")
    assert refused.value.args[0] == 1045


def test_the_c_client_speaks_both_protocols(server, database):
    name = database()
    shop.create(server, name, users=5)
    with Client(port=server.port, database=name) as client:
        assert client.query("SELECT 1; SELECT NULL, 'a\tb\n'") == [("1",), (None, "a\tb\n")]
        assert client.prepare("s", "SELECT id, fullname FROM users WHERE id = ? OR ? IS NOT NULL")[0] == ["P", "2", "2"]
        assert [row[0] for row in client.execute("s", 3, None)] == ["3"]
        assert [row[0] for row in client.again("s", 4, None)] == ["4"]
        client.check("open", "s", "2", "int:0", "int:1")
        assert len(client.rows(client.check("fetch", "s", "3"))) == 3
        assert len(client.rows(client.check("fetch", "s"))) == 2
        client.prepare("w", "UPDATE users SET fullname = ? WHERE id = ?")
        client.check("long", "w", 0, "abc ", 20, "long:", "int:2")
        client.check("run", "w")
        assert client.query("SELECT LENGTH(fullname) FROM users WHERE id = 2") == [("80",)]
        assert client.affected("w", "Ada L", 1) == 1
        with pytest.raises(ClientError) as error:
            client.query("SELECT nothing")
        assert error.value.number == 1054
        client.check("change_user", "app", "app secret", name)
        for words in (["reset"], ["ping"], ["stat"], ["db", name], ["list_fields", "users"], ["option", "off"]):
            client.check(*words)


def test_the_load_sees_a_wrong_answer(server, database):
    """What judges the flips must be able to say no."""
    name = database()
    shop.create(server, name, users=800, orders=800)
    with Load(server.port, name, 800, 800, threads=4) as load:
        load.start()
        wait_until(load.ticks, what="the first second of a load that is right")
        server.query(f"UPDATE {name}.users SET fullname = 'Somebody Else'")
        wait_until(lambda: not load.running, what="the load to end")
        with pytest.raises(Failure, match="WRONG ANSWER"):
            load.check()
