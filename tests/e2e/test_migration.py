"""A migration's way: expand → dual-write → backfill → verify → cutover → rollback, by crossfadectl and by the
admin socket, with the twin telling that the application sees no difference in any phase."""

import contextlib
import json
import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest

from harness import CtlError, twin, wait_until
from harness.ctl import program
from harness.server import CONTROL_USER


def status(behind, name="users_name"):
    """The status object of one migration."""
    (one,) = [migration for migration in behind.ctl("status", name)["migrations"] if migration["name"] == name]
    return one


# What an application does; each leaves the tables in a state that follows from itself, and gives the same answers
# and the same tables in whatever phase it runs.
ORDINARY = [
    "INSERT INTO users (email, fullname) VALUES ('n1@x', 'Nora Quinn')",
    "INSERT INTO users (email, fullname, visits) VALUES ('n2@x', 'Cher', 1), ('n3@x', 'Ludwig van Beethoven', 2)",
    "INSERT INTO users SET email = 'n4@x', fullname = CONCAT('Set', ' ', 'Form'), visits = 3",
    "INSERT INTO users (email) VALUES ('n5@x')",
    "INSERT INTO users VALUES (NULL, 'n6@x', 'No List', 4)",
    "REPLACE INTO users (id, email, fullname) VALUES (3, 'r3@x', 'Re Placed')",
    "INSERT INTO users (id, email, fullname) VALUES (4, 'r4@x', 'Up Sert') ON DUPLICATE KEY UPDATE "
    "fullname = VALUES(fullname), visits = visits + 1",
    "INSERT INTO users (email, fullname) SELECT CONCAT('copy', id), fullname FROM users WHERE id BETWEEN 10 AND 12",
    "UPDATE users SET fullname = 'Jane Doe' WHERE id = 1",
    "UPDATE users SET fullname = UPPER(fullname), visits = visits + 1 WHERE id IN (5, 6, 7)",
    "UPDATE users u SET u.fullname = CONCAT(u.fullname, ' Jr') WHERE u.fullname LIKE 'Ada%'",
    "UPDATE users SET visits = 9 WHERE fullname = 'Cher'",
    "UPDATE orders SET amount = amount * 2 WHERE amount < 2",
    "UPDATE orders SET amount = 12.345 WHERE id = 7",
    "INSERT INTO orders (user_id, amount) VALUES (1, 0.01), (2, 99999999.99)",
    "INSERT INTO orders (user_id, amount) VALUES (1, 'not a number')",
    "INSERT INTO orders (user_id, amount) VALUES (1, 1e12)",
    "INSERT INTO users (email, fullname) VALUES ('n1@x', 'Duplicate Key')",
    "INSERT INTO users (email, fullname) VALUES ('n7@x', NULL)",
    "DELETE FROM users WHERE fullname = 'Up Sert'",
    "DELETE FROM orders WHERE amount > 1000000",
    "SELECT * FROM users ORDER BY id",
    "SELECT fullname FROM users WHERE id = 1",
    "SELECT u.id, u.fullname AS name, UPPER(u.fullname) FROM users AS u WHERE u.fullname > 'B' ORDER BY u.fullname, u.id",
    "SELECT u.fullname, SUM(o.amount) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id",
    "SELECT o.*, u.fullname FROM orders o LEFT JOIN users u ON u.id = o.user_id ORDER BY o.id",
    "SELECT id FROM orders WHERE amount = (SELECT MAX(amount) FROM orders) ORDER BY id",
    "SELECT COUNT(DISTINCT fullname), MIN(fullname), MAX(amount), AVG(amount) FROM users, orders WHERE users.id = orders.id",
    "SELECT id, fullname FROM users WHERE id IN (SELECT user_id FROM orders WHERE amount > 5) ORDER BY id LIMIT 5",
    "SELECT LENGTH(fullname) FROM users ORDER BY id LIMIT 3",
    "SELECT /* a */ amount * 2, /* b */ amount * 3 /* c */, -- d\n amount * 4, /* e */ amount, #f\n\n(amount)+1 FROM orders LIMIT 1",
    "SELECT amount FROM orders WHERE id = 2 FOR UPDATE",
    "CREATE TABLE copy ENGINE=InnoDB SELECT u.*, o.amount AS paid FROM users u JOIN orders o ON o.user_id = u.id "
    "WHERE o.amount > 2", "SHOW CREATE TABLE copy", "SELECT * FROM copy ORDER BY 1, 2, 3, 4, 5", "DROP TABLE copy",
    "CREATE TEMPORARY TABLE copy (KEY (note)) SELECT o.id, o.note FROM orders o WHERE o.amount < 9", "SHOW CREATE TABLE copy",
    "SELECT * FROM copy ORDER BY id", "DROP TABLE copy",
    "SELECT nothing FROM users", "SELECT 'fullname'", "SELECT fullname FROM users WHERE fullname = 'O''Neill' -- fullname",
]


def ordinary(pair):
    """Runs all of it inside a transaction that is taken back, then again for good on rows of its own."""
    pair.same("BEGIN")
    for sql in ORDINARY:
        pair.same(sql)
    pair.check_tables(drift=False)  # reads committed rows only: still those of before
    pair.same("ROLLBACK")
    pair.check_tables(drift=False)


PHASES = ["expand", "dual-write", "verify", "cutover"]


@pytest.mark.parametrize("phase", PHASES)
def test_the_application_sees_no_difference(shop_twin, phase):
    behind, pair = shop_twin(users=30, orders=40)
    behind.walk(phase)
    ordinary(pair)
    for sql in ORDINARY:
        pair.same(sql)
    pair.check_tables(drift=phase in ("verify", "cutover"))


def test_one_application_through_every_phase(shop_twin):
    """The same connections from before the first step to after the last."""
    behind, pair = shop_twin(users=30, orders=40)
    select = "SELECT id, fullname FROM users ORDER BY id"
    steps = [("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",), ("cutover",),
             ("rollback",), ("rollback",)]
    for number, step in enumerate(steps):
        pair.same(select)
        pair.same(f"INSERT INTO users (email, fullname) VALUES ('step{number}', 'Step Number {number}')")
        pair.same(f"UPDATE users SET fullname = CONCAT(fullname, {number}) WHERE id = {number + 1}")
        behind.each(*step)
        pair.same(f"UPDATE orders SET amount = amount + {number} WHERE id = {number + 1}")
        pair.same("SELECT o.amount, u.fullname FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.id")
        if number in range(2, 7):
            behind.assert_no_drift()
    pair.check_tables(drift=False)
    assert status(behind)["phase"] == "expand"


def test_phases_and_what_they_do(shop_behind, server):
    behind = shop_behind(users=20)
    users = f"{behind.database}.users"
    with behind.connect() as connection, connection.cursor() as cursor:
        def write(number):
            return cursor.execute(f"INSERT INTO users (email, fullname) VALUES ('p{number}', 'Phase {number}')")

        def stored(number):
            return server.query(f"SELECT first_name, last_name FROM {users} WHERE email = 'p{number}'")[0]

        assert status(behind)["phase"] == "expand"
        ddl = json.dumps(behind.ctl("expand", "users_name"))
        assert "ADD COLUMN" in ddl and "first_name" in ddl
        assert not server.query(f"SHOW COLUMNS FROM {users} LIKE 'first_name'"), "expand without --apply only prints"
        behind.ctl("expand", "users_name", "--apply")
        assert server.query(f"SHOW COLUMNS FROM {users} LIKE 'first_name'")
        cursor.execute("SELECT * FROM users LIMIT 1")
        assert len(cursor.description) == 4
        write(1)
        assert stored(1) != ("Phase", "1")
        behind.ctl("dual-write", "users_name")
        assert status(behind)["phase"] == "dual-write"
        write(2)
        assert stored(2) == ("Phase", "2")
        server.query(f"UPDATE {users} SET first_name = 'Told', last_name = 'Apart' WHERE email = 'p2'")
        cursor.execute("SELECT fullname FROM users WHERE email = 'p2'")
        assert cursor.fetchone() == ("Phase 2",), "reads come from the old column"
        with pytest.raises(CtlError):
            behind.ctl("cutover", "users_name")
        behind.ctl("backfill", "users_name")
        assert stored(1) == ("Phase", "1")
        verified = behind.ctl("verify", "users_name")
        assert verified["drift"] == 0 or verified["drift"] == 1
        server.query(f"UPDATE {users} SET first_name = 'Told', last_name = 'Apart' WHERE email = 'p2'")
        refused = None
        try:
            behind.ctl("verify", "users_name")
            behind.ctl("cutover", "users_name")
        except CtlError as error:
            refused = error
        assert refused is not None, "a drifting row must not reach cutover"
        behind.ctl("cutover", "users_name", "--force")
        assert status(behind)["phase"] == "cutover"
        cursor.execute("SELECT fullname FROM users WHERE email = 'p2'")
        assert cursor.fetchone() == ("Told Apart",), "reads come from the new columns"
        write(3)
        assert stored(3) == ("Phase", "3")
        behind.ctl("rollback", "users_name")
        assert status(behind)["phase"] == "dual-write"
        cursor.execute("SELECT fullname FROM users WHERE email IN ('p2', 'p3') ORDER BY email")
        assert cursor.fetchall() == (("Phase 2",), ("Phase 3",))
        behind.ctl("rollback", "users_name")
        write(4)
        assert stored(4) != ("Phase", "4")


def test_a_flip_waits_for_the_transactions_of_before(shop_behind):
    behind = shop_behind(users=20)
    behind.each("expand", "--apply")
    with behind.connect(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'Old Transaction' WHERE id = 1")
        with pytest.raises(CtlError):
            behind.ctl("dual-write", "users_name", "--timeout", "0.3")
        assert status(behind)["phase"] == "expand", "a barrier that did not pass takes its flip back"
        assert any(session["in_transaction"] for session in behind.ctl("sessions")["sessions"])
        connection.commit()
        behind.ctl("dual-write", "users_name")
        cursor.execute("UPDATE users SET fullname = 'New Transaction' WHERE id = 1")
        connection.commit()
    behind.ctl("backfill", "users_name")
    assert behind.migrations[0].drift(behind.server) == 0


def test_a_transaction_keeps_its_side(shop_behind, server):
    """Reads within one transaction do not flip in the middle of it."""
    behind = shop_behind(users=20)
    behind.walk("cutover")
    server.query(f"UPDATE {behind.database}.users SET first_name = 'The', last_name = 'New Side' WHERE id = 1")
    with behind.connect(autocommit=False) as connection, connection.cursor() as cursor:
        def name():
            cursor.execute("SELECT fullname FROM users WHERE id = 1")
            return cursor.fetchone()[0]

        assert name() == "The New Side"
        try:
            behind.ctl("rollback", "users_name", "--timeout", "0.3")
        except CtlError:
            pass
        assert name() == "The New Side", "the transaction began before the rollback"
        connection.commit()
        wait_until(lambda: status(behind)["phase"] == "dual-write")
        assert name() != "The New Side"


def test_the_phase_survives_a_restart(shop_behind):
    behind = shop_behind(users=20)
    behind.walk("cutover")
    before = status(behind)
    behind.proxy.restart()
    after = status(behind)
    assert after["phase"] == before["phase"] == "cutover"
    assert after["generation"] >= before["generation"]
    with behind.connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users (email, fullname) VALUES ('after', 'After Restart')")
    behind.assert_no_drift()


def test_reads_old_is_the_break_glass(shop_behind, server):
    behind = shop_behind(users=20)
    behind.walk("cutover")
    server.query(f"UPDATE {behind.database}.users SET first_name = 'New', last_name = 'Side' WHERE id = 1")
    with behind.connect() as connection, connection.cursor() as cursor:
        def name():
            cursor.execute("SELECT fullname FROM users WHERE id = 1")
            return cursor.fetchone()[0]

        assert name() == "New Side"
        behind.migrations[0].keys["reads"] = "old"
        behind.proxy.reload()
        wait_until(lambda: name() != "New Side", what="reads = old to be in force")
        assert status(behind)["reads"] == "old"
        cursor.execute("INSERT INTO users (email, fullname) VALUES ('pinned', 'Pinned Old')")
        assert behind.server.query(f"SELECT first_name FROM {behind.database}.users WHERE email = 'pinned'") == [("Pinned",)]
        behind.migrations[0].keys["reads"] = "auto"
        behind.proxy.reload()
        wait_until(lambda: name() == "New Side", what="reads = auto to be in force")


def test_cutover_is_refused_while_reads_are_pinned(shop_behind):
    behind = shop_behind(users=20, keys={"reads": "old"})
    behind.walk("verify")
    with pytest.raises(CtlError):
        behind.ctl("cutover", "users_name")


@pytest.mark.parametrize("obstacle", ["trigger", "missing columns"])
def test_gates_refuse_and_say_why(shop_behind, server, obstacle):
    behind = shop_behind(users=5)
    if obstacle == "trigger":
        behind.ctl("expand", "users_name", "--apply")
        server.query(f"CREATE TRIGGER {behind.database}.t BEFORE UPDATE ON {behind.database}.users "
                     "FOR EACH ROW SET NEW.visits = NEW.visits + 1")
    with pytest.raises(CtlError) as refused:
        behind.ctl("dual-write", "users_name")
    assert refused.value.status == 1
    assert any(not gate["ok"] for gate in refused.value.gates)
    assert status(behind)["phase"] == "expand"


def test_an_unrewritable_statement_is_refused_with_the_reason(shop_behind):
    behind = shop_behind(users=5)
    behind.walk("cutover")
    with behind.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE users SET fullname = 'In Transaction' WHERE id = 1")
        outcome = twin.run(connection, "HANDLER users OPEN")
        assert outcome.error and outcome.error[0] == 1105
        assert outcome.error[1].startswith("crossfade: migration users_name: ") and "; " in outcome.error[1]
        cursor.execute("SELECT fullname FROM users WHERE id = 1")
        assert cursor.fetchone() == ("In Transaction",), "the transaction lives on"
        cursor.execute("COMMIT")


def test_backfill_does_not_lose_concurrent_writes(shop_behind):
    behind = shop_behind(users=5000, orders=10)
    behind.ctl("expand", "users_name", "--apply")
    behind.ctl("dual-write", "users_name")
    behind.ctl("backfill", "users_name", "--detach")
    with behind.connect() as connection, connection.cursor() as cursor:
        for number in range(300):
            cursor.execute(f"UPDATE users SET fullname = 'Written {number}' WHERE id = {1 + number * 16}")
            cursor.execute(f"INSERT INTO users (email, fullname) VALUES ('c{number}', 'Came {number}')")

    def done():
        return status(behind)["backfill"]["state"] not in ("running", "waiting", "starting")

    wait_until(done, 60, "the backfill to end")
    assert behind.migrations[0].drift(behind.server) == 0
    behind.ctl("verify", "users_name")
    behind.ctl("cutover", "users_name")


# ---- the admin socket and the command line ----

def test_the_admin_socket_speaks_json_lines(shop_behind):
    behind = shop_behind(users=3)
    assert stat.S_IMODE(os.stat(behind.proxy.admin_socket).st_mode) == 0o600
    (answer,) = behind.ctl.raw("status\n")
    assert answer["ok"] is True
    for line in ("no_such_command\n", "cutover\n", "cutover no_such_migration\n", "\n", "status \x01\xff\n"):
        answer = behind.ctl.raw(line)[-1]
        assert answer["ok"] is False and answer["error"]
    assert behind.ctl.raw(b"x" * 200000 + b"\n")[-1]["ok"] is False
    assert behind.ctl.raw("version\n")[-1]["ok"] is True


def test_events_tell_who_did_what(shop_behind):
    behind = shop_behind(users=3)
    behind.walk("cutover")
    behind.ctl("rollback", "users_name")
    text = json.dumps(behind.ctl("events", "users_name"))
    for word in ("dual-write", "backfill", "cutover", "rollback"):
        assert word in text
    with pytest.raises(CtlError):
        behind.ctl("cutover", "no_such_migration")


def test_exit_statuses_and_plain_output(shop_behind):
    behind = shop_behind(users=3)
    assert "users_name" in behind.ctl.text("status")
    assert behind.ctl.run("cutover", "users_name").returncode == 1
    assert behind.ctl.run("no-such-command").returncode == 2
    assert behind.ctl.run("cutover").returncode == 2
    for name in ("crossfade", "crossfadectl"):
        for option in ("--version", "--help"):
            done = subprocess.run([str(program(name)), option], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and name in done.stdout
    behind.proxy.stop()
    assert behind.ctl.run("status").returncode == 1


def test_sessions_lists_the_clients(shop_behind):
    behind = shop_behind(users=3)
    with behind.connect() as connection:
        sessions = behind.ctl("sessions")["sessions"]
        assert [session["user"] for session in sessions] == ["app"]
        assert sessions[0]["connection_id"] == connection.thread_id()
        assert sessions[0]["database"] == behind.database


def test_drain_lets_transactions_end(shop_behind):
    behind = shop_behind(users=3)
    with behind.connect(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET fullname = 'Last Words' WHERE id = 1")
        behind.ctl("drain")
        cursor.execute("SELECT fullname FROM users WHERE id = 1")
        assert cursor.fetchone() == ("Last Words",)
        connection.commit()
        assert behind.proxy.wait() == 0
    assert behind.server.value(f"SELECT fullname FROM {behind.database}.users WHERE id = 1") == "Last Words"


def test_dual_write_waits_for_prepared_xa_transactions(shop_behind):
    """They belong to no session any more, and what they wrote is seen when they are committed."""
    behind = shop_behind(20, 20)
    name, server, ctl = behind.database, behind.server, behind.ctl

    def prepare(xid, row):
        connection = behind.connect()
        with connection.cursor() as cursor:
            for sql in (f"XA START '{xid}'", f"INSERT INTO users (email, fullname) VALUES ('{xid}', 'Later {xid}')",
                        f"UPDATE users SET fullname = 'Later {xid}' WHERE id = {row}", f"XA END '{xid}'",
                        f"XA PREPARE '{xid}'"):
                cursor.execute(sql)
        connection.close()
        wait_until(lambda: (f"{name}",) not in server.query("SELECT db FROM information_schema.processlist"),
                   what="the end of the session")

    def end(what, xid):
        with behind.connect() as connection:
            connection.cursor().execute(f"XA {what} '{xid}'")

    def listed():
        return int(server.query("SHOW GLOBAL STATUS LIKE 'Com_xa_recover'")[0][1])

    ctl("expand", "users_name", "--apply")
    prepare("one", 1)
    prepare("two", 2)
    with pytest.raises(CtlError, match="2 XA transactions are prepared since before it; back to expand"):
        ctl("dual-write", "users_name", "--timeout", 1)
    end("ROLLBACK", "two")
    before = listed()
    with ThreadPoolExecutor(1) as pool:
        flip = pool.submit(ctl, "dual-write", "users_name", "--timeout", 30)
        wait_until(lambda: listed() >= before + 2, what="the list of those that are waited for")
        prepare("three", 3)  # writes both sides, and is none of them
        assert not flip.done()
        end("COMMIT", "one")
        assert flip.result()["ok"]
    end("COMMIT", "three")
    ctl("backfill", "users_name")
    assert behind.migrations[0].drift(server) == 0


def test_dual_write_finds_prepared_xa_transactions_over_a_new_connection(shop_behind):
    """Its own may be gone when the sessions have ended at last: it must not go on without the list."""
    behind = shop_behind(20, 20)
    behind.ctl("expand", "users_name", "--apply")
    with contextlib.closing(behind.connect()) as connection, connection.cursor() as cursor:
        for sql in ("XA START 'one'", "UPDATE users SET fullname = 'Much Later' WHERE id = 1", "XA END 'one'",
                    "XA PREPARE 'one'"):
            cursor.execute(sql)
    holder = behind.connect()
    holder.begin()
    holder.cursor().execute("UPDATE users SET fullname = 'Long Held' WHERE id = 2")
    with ThreadPoolExecutor(1) as pool:
        flip = pool.submit(behind.ctl, "dual-write", "users_name", "--timeout", 6)
        wait_until(lambda: status(behind)["phase"] == "dual-write", what="the rules of dual-write")
        for (thread,) in behind.server.query("SELECT id FROM information_schema.processlist"
                                             f" WHERE user = '{CONTROL_USER}'"):
            with contextlib.suppress(pymysql.MySQLError):  # it may have ended
                behind.server.query(f"KILL {thread}")
        holder.commit()
        with pytest.raises(CtlError, match="1 XA transactions are prepared since before it; back to expand"):
            flip.result()
    with behind.connect() as connection:
        connection.cursor().execute("XA ROLLBACK 'one'")
