"""The control side: gates, keys of every kind, jobs, crashes in the middle of a flip, the admin socket under
abuse, reloads, and a control account that may too little."""

import contextlib
import json
import re
import signal
import socket
import threading
import time

import pymysql
import pytest

from harness import CtlError, Migration, Proxy, Server, numbers, shop, wait_until
from harness.process import repository
from harness.server import CONTROL_USER

DOUBLE = {"forward": {"new": "old * 2"}, "backward": {"old": "new DIV 2"}, "types": {"new": "BIGINT"}}


def double(database, table="t", name="m", **keys):
    return Migration(name, f"{database}.{table}", "old", "new", **{**DOUBLE, **keys})


def prepared(server, proxy, database, schema, rows="", **keys):
    """A proxy over one table `t` (its columns, and what fills it), the migration m expanded and in dual-write."""
    name = database()
    server.script(f"CREATE TABLE t ({schema}); {rows};", name)
    one = proxy([double(name, **keys)])
    one.ctl("expand", "m", "--apply")
    return name, one


def gates_of(refused):
    return {gate["name"]: gate for gate in refused.value.gates if not gate["ok"]}


def test_a_statement_that_takes_long_is_waited_for(server, proxy, database):
    """Not as at a server that hangs: this one says in its own time that it waits in vain for the metadata lock."""
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT)", name)
    one = proxy([double(name)])
    with server.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        with pytest.raises(CtlError, match="Lock wait timeout exceeded"):
            one.ctl("expand", "m", "--apply")


# ---- gates ------------------------------------------------------------------------------------------------

OBSTACLES = [
    ("triggers", "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.other = 1"),
    ("views", "CREATE VIEW v AS SELECT id, old FROM t"),
    ("routines", "CREATE PROCEDURE p() UPDATE t SET old = 1"),
    ("routines", "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DELETE FROM t"),
    ("foreign_keys", "CREATE TABLE parent (id INT PRIMARY KEY); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (old) "
                     "REFERENCES parent (id) ON UPDATE CASCADE"),
    ("nullable", "ALTER TABLE t MODIFY new BIGINT NOT NULL"),
    ("engine", "ALTER TABLE t ENGINE = MyISAM"),
]


@pytest.mark.parametrize(("gate", "obstacle"), OBSTACLES)
def test_gates_close_and_force_opens(server, proxy, database, gate, obstacle):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT, other INT")
    server.script(obstacle, name)
    wait_until(lambda: gate in {g["name"] for g in one.ctl("plan", "m")["gates"]["dual-write"] if not g["ok"]},
               what="the catalog to be read anew")
    with pytest.raises(CtlError) as refused:
        one.ctl("dual-write", "m")
    assert list(gates_of(refused)) == [gate]
    assert gates_of(refused)[gate]["hint"]
    assert one.ctl("status", "m")["migrations"][0]["phase"] == "expand"
    answer = one.ctl("dual-write", "m", "--force")
    assert answer["forced"] and answer["phase"] == "dual-write"
    events = one.ctl("events", "m")["events"]
    assert [e["outcome"] for e in events if e["what"] == "dual-write"] == ["refused", "done"]
    assert [e["forced"] for e in events if e["what"] == "dual-write"] == [False, True]


HARD = [
    ("columns", "id INT PRIMARY KEY, old INT AS (id + 1) VIRTUAL, new BIGINT"),
    ("columns", "id INT PRIMARY KEY, old INT, new BIGINT AS (old * 2) STORED"),
    ("columns", "id INT PRIMARY KEY, old INT"),
    ("columns", "old INT AUTO_INCREMENT PRIMARY KEY, new BIGINT"),
    ("key", "id INT, old INT, new BIGINT, UNIQUE KEY (id)"),
    ("key", "id VARCHAR(300) NOT NULL, old INT, new BIGINT, UNIQUE KEY (id(10))"),
]


@pytest.mark.parametrize(("gate", "schema"), HARD)
def test_hard_gates_stay_closed(server, proxy, database, gate, schema):
    name = database()
    server.script(f"CREATE TABLE t ({schema})", name)
    one = proxy([double(name)])
    with pytest.raises(CtlError) as refused:
        one.ctl("dual-write", "m", "--force")
    assert gate in gates_of(refused)
    assert one.ctl("status", "m")["migrations"][0]["phase"] == "expand"


def test_an_account_that_may_too_little(server, database, proxy):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT, new BIGINT)", name)
    server.query("CREATE USER poor@'%' IDENTIFIED BY 'pw'")
    server.query("CREATE DATABASE poor_side")
    try:
        server.query("GRANT ALL ON poor_side.* TO poor@'%'")
        server.query(f"GRANT SELECT ON `{name}`.* TO poor@'%'")
        one = proxy([double(name)], control={"user": "poor", "password": "pw", "database": "poor_side"})
        with pytest.raises(CtlError) as refused:
            one.ctl("dual-write", "m", "--force")
        assert "UPDATE" in gates_of(refused)["grants"]["detail"]
        server.query(f"GRANT UPDATE ON `{name}`.* TO poor@'%'")
        assert one.ctl("dual-write", "m", "--force")["phase"] == "dual-write"
        one.ctl("rollback", "m")
    finally:
        server.query("DROP USER poor@'%'")
        server.query("DROP DATABASE poor_side")


@pytest.mark.parametrize("source", ["docs/configuration.md", "docker/accounts.sql"])
def test_the_grants_that_are_named_suffice(server, database, proxy, source):
    """From the first step to the last and back, by exactly what the documentation, or the example, grants."""
    name, side, user = database(), database("side"), "granted"
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)", name)
    grants = re.findall(r"^GRANT .* TO 'crossfade'@'%'", (repository() / source).read_text(), re.MULTILINE)
    assert grants
    server.query(f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        for grant in grants:
            assert " ON shop." in grant or " ON crossfade." in grant, grant
            server.query(grant.replace(" shop.", f" {name}.").replace(" crossfade.", f" {side}.")
                         .replace("'crossfade'", f"'{user}'"))
        one = proxy([double(name)], control={"user": user, "password": "pw", "database": side})
        one.walk("m", "cutover")
        with one.connect(database=name) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE t SET old = 7 WHERE id = 1")
            cursor.execute("SELECT old FROM t ORDER BY id")
            assert cursor.fetchall() == ((7,), (2,))
        one.ctl("rollback", "m", "--to", "expand")
        assert one.ctl("status", "m")["migrations"][0]["phase"] == "expand"
        one.close()
    finally:
        server.query(f"DROP USER {user}@'%'")


def test_a_dry_run_changes_nothing(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    before = one.ctl("status")["generation"]
    assert one.ctl("dual-write", "m", "--dry-run")["dry_run"]
    assert one.ctl("status")["generation"] == before
    assert one.ctl("status", "m")["migrations"][0]["phase"] == "expand"


# ---- expand -----------------------------------------------------------------------------------------------

def test_expand_prints_and_applies(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT)", name)
    one = proxy([double(name)])
    answer = one.ctl("expand", "m")
    assert answer["ddl"] == [f"ALTER TABLE `{name}`.`t` ADD COLUMN `new` BIGINT INVISIBLE, ALGORITHM=INSTANT"]
    assert not answer["applied"]
    assert one.ctl("expand", "m", "--apply")["applied"]
    assert server.query(f"SELECT data_type, extra FROM information_schema.columns WHERE table_schema = '{name}' "
                        "AND column_name = 'new'") == [("bigint", "INVISIBLE")]
    assert one.ctl("expand", "m", "--apply")["ddl"] == []


def test_expand_needs_a_type(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT)", name)
    one = proxy([double(name, types={})])
    with pytest.raises(CtlError, match="new.new = TYPE"):
        one.ctl("expand", "m")


# ---- flips ------------------------------------------------------------------------------------------------

def test_a_barrier_that_does_not_pass(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    with one.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("INSERT INTO t (id, old) VALUES (1, 5)")
        start = time.monotonic()
        with pytest.raises(CtlError) as refused:
            one.ctl("dual-write", "m", "--timeout", "0.5")
        assert 0.4 < time.monotonic() - start < 5
        assert "back to expand" in refused.value.answer["error"]
        assert [s["in_transaction"] for s in refused.value.answer["sessions"]] == [True]
        assert one.ctl("status", "m")["migrations"][0]["phase"] == "expand"
        holder.commit()
    assert one.ctl("dual-write", "m")["waited_for"] == 0
    assert one.ctl("events", "m")["events"][-2]["outcome"] == "turned back"


def test_a_rollback_stays_though_a_transaction_holds(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT", "INSERT INTO t VALUES (1, 5)")
    one.walk("m", "cutover")
    with one.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT old FROM t")
        answer = one.ctl("rollback", "m", "--timeout", "0.3")
        assert answer["phase"] == "dual-write" and not answer["drained"] and len(answer["sessions"]) == 1
        assert one.ctl("status", "m")["migrations"][0]["reads"] == "old"


def test_one_flip_at_a_time(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT, new BIGINT); CREATE TABLE u LIKE t", name)
    one = proxy([double(name), double(name, "u", "n")])
    with one.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("INSERT INTO t (id, old) VALUES (1, 5)")
        first = threading.Thread(target=one.ctl, args=("dual-write", "m"))
        first.start()
        wait_until(lambda: one.ctl("status", "m")["migrations"][0].get("flipping_to"), what="the first flip")
        with pytest.raises(CtlError, match="a flip is under way: migration m to dual-write"):
            one.ctl("dual-write", "n")
        holder.commit()
        first.join()
    assert one.ctl("dual-write", "n")["phase"] == "dual-write"


def test_rollback_to_expand_in_one_command(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT", "INSERT INTO t VALUES (1, 5)")
    one.walk("m", "cutover")
    assert one.ctl("rollback", "m", "--to", "expand")["phase"] == "expand"
    state = one.ctl("status", "m")["migrations"][0]
    assert state["phase"] == "expand" and state["backfill"]["state"] == "none" and state["drift"] is None
    with pytest.raises(CtlError, match="nothing to roll back"):
        one.ctl("rollback", "m")
    one.walk("m", "cutover")


@pytest.mark.parametrize(("phase", "intent", "after"), [
    ("expand", "dual-write", "expand"), ("dual-write", "cutover", "dual-write"),
    ("cutover", "dual-write", "dual-write"), ("dual-write", "expand", "expand")])
def test_a_flip_cut_off_by_a_crash(server, proxy, database, phase, intent, after):
    """What the store holds when the process died between intent and end."""
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT", "INSERT INTO t VALUES (1, 5)")
    if phase == "expand":
        one.ctl("dual-write", "m")
        one.ctl("rollback", "m")
    else:
        one.walk("m", phase)
    one.kill()
    server.query(f"UPDATE `{one.sidecar}`.migrations SET intent = %s", intent)
    one.start()
    assert one.ctl("status", "m")["migrations"][0]["phase"] == after
    last = one.ctl("events", "m")["events"][-1]
    assert (last["what"], last["outcome"]) == ("recover", "undone" if after == phase else "completed")
    assert server.value(f"SELECT intent FROM `{one.sidecar}`.migrations") is None
    if after == "expand":
        one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    one.ctl("verify", "m")
    one.ctl("cutover", "m")


# ---- backfill and verify ----------------------------------------------------------------------------------

KEYS = {
    "int": ("id INT PRIMARY KEY", "seq"),
    "negative": ("id INT PRIMARY KEY", "CAST(seq AS SIGNED) - 1500"),
    "unsigned": ("id BIGINT UNSIGNED PRIMARY KEY", "18446744073709551615 - seq"),
    "composite": ("a INT, b VARCHAR(10), c DATE, PRIMARY KEY (a, b, c)",
                  "seq DIV 100, CONCAT('x''\\\\', seq DIV 10 % 10), DATE '2026-01-01' + INTERVAL seq % 10 DAY"),
    "string": ("id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY", "CONCAT(ELT(seq % 3 + 1, 'a', 'B', 'é'), seq)"),
    "latin1": ("id VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY", "CONCAT('ü', seq)"),
    "binary": ("id VARBINARY(32) PRIMARY KEY", "UNHEX(SHA2(seq, 256))"),
    "uuid": ("id UUID PRIMARY KEY", "CONCAT('00000000-0000-1000-8000-', LPAD(HEX(seq * 7919 % 1000003), 12, '0'))"),
    "decimal": ("id DECIMAL(20,5) PRIMARY KEY", "seq / 3"),
    "double": ("id DOUBLE PRIMARY KEY", "SQRT(seq) * 1e10"),
    "float": ("id FLOAT PRIMARY KEY", "seq / 8"),
    "datetime": ("id DATETIME(6) PRIMARY KEY", "TIMESTAMP '2026-01-01 00:00:00' + INTERVAL seq MICROSECOND"),
    "timestamp": ("id TIMESTAMP(3) PRIMARY KEY", "TIMESTAMP '2026-03-29 01:00:00' + INTERVAL seq * 7 SECOND"),
    "enum": ("e ENUM('z','y','x') NOT NULL, id INT, PRIMARY KEY (e, id)", "ELT(seq % 3 + 1, 'x', 'y', 'z'), seq"),
    "bit": ("id BIT(20) PRIMARY KEY", "seq"),
    "unique": ("id INT NOT NULL, UNIQUE KEY u (id)", "seq"),
}


@pytest.mark.parametrize("key", [
    pytest.param(key, marks=pytest.mark.only("mariadb", reason="MySQL has no type UUID")) if key == "uuid" else key for key in KEYS])
def test_keys_of_every_kind(server, proxy, database, key):
    schema, values = KEYS[key]
    name, one = prepared(server, proxy, database, f"{schema}, old INT",
                         f"INSERT INTO t SELECT {values}, seq FROM {numbers(3000)}")
    one.ctl("dual-write", "m")
    answer = one.ctl("backfill", "m")
    assert (answer["state"], answer["rows"], answer["changed"]) == ("complete", 3000, 3000)
    answer = one.ctl("verify", "m")
    assert (answer["rows"], answer["drift"], answer["back_failed"]) == (3000, 0, 0)
    server.query(f"UPDATE `{name}`.t SET new = 7 WHERE old IN (1, 1500)")
    server.query(f"UPDATE `{name}`.t SET new = NULL WHERE old = 3000")
    answer = one.ctl("verify", "m")
    assert (answer["drift"], answer["back_failed"], len(answer["drift_keys"])) == (3, 3, 3)
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m")
    assert set(gates_of(refused)) == {"drift", "way_back"}
    answer = one.ctl("backfill", "m", "--force")
    assert (answer["rows"], answer["changed"]) == (3000, 3)
    one.ctl("verify", "m")
    one.ctl("cutover", "m")


# old type, new type, forward, backward, values
TYPES = [
    ("DECIMAL(10,2)", "BIGINT", "old * 100", "CAST(new / 100 AS DECIMAL(10,2))", "seq / 100"),
    ("DECIMAL(10,2)", "INT", "old", "new", "seq"),
    ("INT", "VARCHAR(20)", "CONCAT('n', old)", "CAST(SUBSTRING(new, 2) AS SIGNED)", "seq"),
    ("VARCHAR(30)", "CHAR(30)", "old", "new", "CONCAT('x ', seq)"),
    ("VARCHAR(30) CHARACTER SET latin1", "VARCHAR(30) CHARACTER SET utf8mb4", "old", "new", "CONCAT('ü', seq)"),
    ("VARCHAR(30) COLLATE utf8mb4_general_ci", "VARCHAR(30) COLLATE utf8mb4_bin", "LOWER(old)", "new",
     "CONCAT('éa ', seq)"),
    ("DATETIME", "DATE", "DATE(old)", "TIMESTAMP(new)", "DATE '2026-01-01' + INTERVAL seq % 300 DAY"),
    ("INT", "DOUBLE", "old / 3", "CAST(ROUND(new * 3) AS SIGNED)", "seq"),
    ("INT", "FLOAT", "old / 4", "CAST(new * 4 AS SIGNED)", "seq"),
    ("VARCHAR(10)", "ENUM('a','b','c')", "old", "new", "ELT(seq % 3 + 1, 'a', 'b', 'c')"),
    ("INT", "DATETIME(3)", "TIMESTAMP '2026-01-01 00:00:00' + INTERVAL old SECOND",
     "TIMESTAMPDIFF(SECOND, TIMESTAMP '2026-01-01 00:00:00', new)", "seq"),
    ("VARCHAR(10)", "VARBINARY(10)", "CAST(old AS BINARY)", "CONVERT(new USING utf8mb4)", "CONCAT('b', seq)"),
    ("INT", "BIT(16)", "old", "new + 0", "seq"),
    ("INT", "DECIMAL(12,3)", "old / 3", "CAST(ROUND(new * 3) AS SIGNED)", "seq"),
]


@pytest.mark.parametrize("case", TYPES, ids=lambda case: f"{case[0]} to {case[1]}".replace("(", "").replace(")", ""))
def test_types_verify_as_they_are_stored(server, proxy, database, case):
    old, new, forward, backward, values = case
    _, one = prepared(server, proxy, database, f"id INT PRIMARY KEY, old {old}",
                      f"INSERT INTO t SELECT seq, {values} FROM {numbers(300)}; INSERT INTO t VALUES (301, NULL)",
                      types={"new": new}, forward={"new": forward}, backward={"old": backward})
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    answer = one.ctl("verify", "m")
    assert (answer["rows"], answer["drift"], answer["back_failed"]) == (301, 0, 0), answer
    assert one.ctl("backfill", "m", "--force")["changed"] == 0, "what is right is not written again"


def test_a_way_back_that_fails_is_listed(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT",
                      f"INSERT INTO t SELECT seq, seq FROM {numbers(20)}",
                      forward={"new": "old DIV 10"}, backward={"old": "new * 10"})
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    answer = one.ctl("verify", "m")
    assert (answer["drift"], answer["back_failed"]) == (0, 18)
    assert answer["back_failed_keys"] == [str(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)]
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m")
    assert list(gates_of(refused)) == ["way_back"]


PROMISES = [  # forward, backward, promises, the gate that closes
    ("old * 2", "new / 2", {"invertible": "yes", "monotonic": "yes"}, None),
    ("old * 2", "new / 2 + 0.3", {"invertible": "yes"}, "invertible"),
    ("old * 2", "new / 2 + 0.3", {}, None),
    ("-old", "-new", {"invertible": "yes"}, None),
    ("-old", "-new", {"invertible": "yes", "monotonic": "yes"}, "monotonic"),
    ("IF(old > 2000, old - 90000, old)", "IF(new < 0, new + 90000, new)",
     {"invertible": "yes", "monotonic": "yes"}, "monotonic"),
]


@pytest.mark.parametrize(("forward", "backward", "promises", "gate"), PROMISES)
def test_promises_are_proven_on_the_rows(server, proxy, database, forward, backward, promises, gate):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT",
                      f"INSERT INTO t SELECT seq, IF(seq % 500, seq, NULL) FROM {numbers(4000)}",
                      forward={"new": forward}, backward={"old": backward}, **promises)
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    answer = one.ctl("verify", "m")
    assert (answer["drift"], answer["back_failed"]) == (0, 0)
    for key, count in (("invertible", "not_invertible"), ("monotonic", "not_monotonic")):
        assert (count in answer) == (key in promises)
        assert bool(answer.get(count)) == bool(answer.get(f"{count}_keys")) == (gate == key)
    if not gate:
        one.ctl("cutover", "m")
        return
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m")
    (closed,) = gates_of(refused).values()
    assert closed["name"] == gate
    assert f"first those with the key {', '.join(answer[f'not_{gate}_keys'])}" in closed["detail"]
    one.ctl("cutover", "m", "--force")


def test_a_promise_that_is_made_later_is_proven_too(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT", "INSERT INTO t VALUES (1, 1)")
    for command in ("dual-write", "backfill", "verify"):
        one.ctl(command, "m")
    one.migrations[0].keys["invertible"] = "yes"
    one.write_config()
    one.ctl("reload")
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m")
    assert list(gates_of(refused)) == ["invertible"]
    one.ctl("verify", "m")
    one.ctl("cutover", "m")


def test_backfill_keeps_timestamps(server, proxy, database):
    name, one = prepared(server, proxy, database,
                         "id INT PRIMARY KEY, old INT, changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP "
                         "ON UPDATE CURRENT_TIMESTAMP",
                         f"INSERT INTO t SELECT seq, seq, '2020-01-01' FROM {numbers(1000)}")
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    assert server.value(f"SELECT COUNT(*) FROM `{name}`.t WHERE changed = '2020-01-01' AND new = old * 2") == 1000


@contextlib.contextmanager
def held_backfill(server, proxy, database):
    """A backfill of 5000 rows that waits for the lock on row 2500: (database, proxy, the lock's connection)."""
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT",
                         f"INSERT INTO t SELECT seq, seq FROM {numbers(5000)}")
    one.ctl("dual-write", "m")
    with server.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM t WHERE id = 2500 FOR UPDATE")
        assert one.ctl("backfill", "m", "--detach")["state"] == "running"
        wait_until(lambda: "locked" in one.ctl("backfill", "m", "status").get("waiting", ""), what="the lock")
        yield name, one, holder


def test_backfill_is_paused_resumed_and_cancelled(server, proxy, database):
    with held_backfill(server, proxy, database) as (_, one, holder):
        assert one.ctl("backfill", "m", "pause")["state"] == "paused"
        done = one.ctl("backfill", "m", "status")["rows"]
        assert 0 < done < 2500
        with pytest.raises(CtlError, match="no backfill is running"):
            one.ctl("backfill", "m", "pause")
        with pytest.raises(CtlError) as refused:
            one.ctl("cutover", "m")
        assert "backfill" in gates_of(refused)
        one.ctl("backfill", "m", "resume", "--detach")
        assert one.ctl("backfill", "m", "cancel")["state"] == "cancelled"
        one.ctl("backfill", "m", "--detach")
        holder.rollback()
    assert one.ctl("backfill", "m")["rows"] == 5000
    assert one.ctl("verify", "m")["drift"] == 0


def test_rollback_stops_the_backfill(server, proxy, database):
    with held_backfill(server, proxy, database) as (_, one, _):
        assert one.ctl("rollback", "m")["phase"] == "expand"
    assert one.ctl("status", "m")["migrations"][0]["backfill"]["state"] == "none"
    with pytest.raises(CtlError, match="in expand"):
        one.ctl("backfill", "m")


def test_a_stop_leaves_the_backfill_to_be_resumed(server, proxy, database):
    with held_backfill(server, proxy, database) as (name, one, _):
        one.stop()
        assert 0 < server.value(f"SELECT COUNT(*) FROM `{name}`.t WHERE new IS NOT NULL") < 2500
    one.start()
    assert one.ctl("backfill", "m")["rows"] == 5000
    assert server.value(f"SELECT COUNT(*) FROM `{name}`.t WHERE NOT new <=> old * 2") == 0


def test_a_row_that_does_not_fit_stops_the_backfill(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old VARCHAR(20)",
                         f"INSERT INTO t SELECT seq, 'short' FROM {numbers(100)}; UPDATE t SET old = 'much too long' "
                         "WHERE id = 50", types={"new": "VARCHAR(5)"}, forward={"new": "old"}, backward={"old": "new"})
    one.ctl("dual-write", "m")
    with pytest.raises(CtlError, match="Data (too long|truncated)"):
        one.ctl("backfill", "m")
    assert one.ctl("status", "m")["migrations"][0]["backfill"]["state"] == "failed"
    server.query(f"UPDATE `{name}`.t SET old = 'x' WHERE id = 50")
    assert one.ctl("backfill", "m")["state"] == "complete"


def test_a_second_start_under_a_unique_index(server, proxy, database):
    """Values change hands while the migration is back in expand: the stale ones must not be in the way."""
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT UNIQUE",
                         f"INSERT INTO t SELECT seq, seq FROM {numbers(2000)}")
    server.query(f"ALTER TABLE `{name}`.t ADD UNIQUE KEY (new)")
    one.walk("m", "cutover")
    one.ctl("rollback", "m", "--to", "expand")
    server.query(f"UPDATE `{name}`.t SET old = -old")
    server.query(f"UPDATE `{name}`.t SET old = 2001 + old")
    one.walk("m", "cutover")
    assert server.value(f"SELECT COUNT(*) FROM `{name}`.t WHERE NOT new <=> old * 2") == 0


def test_an_empty_table(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    one.ctl("dual-write", "m")
    assert one.ctl("backfill", "m")["rows"] == 0
    assert one.ctl("verify", "m")["rows"] == 0
    one.ctl("cutover", "m")


def test_the_backend_restarts_in_the_backfill(proxy):
    with Server() as server:
        server.script("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, old INT);"
                      f"INSERT INTO t SELECT seq, seq FROM {numbers(100000)}")
        with Proxy(server, [double("d")]) as one:
            one.ctl("expand", "m", "--apply")
            one.ctl("dual-write", "m")
            one.ctl("backfill", "m", "--detach")
            wait_until(lambda: one.ctl("backfill", "m", "status")["rows"] > 1000, what="some progress")
            server.kill()
            server.start()
            assert one.ctl("backfill", "m")["state"] == "complete"
            assert one.ctl("verify", "m")["drift"] == 0


# ---- reload -----------------------------------------------------------------------------------------------

def reload_refused(one):
    one.write_config()
    done = one.ctl.run("reload")
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_what_a_reload_may_change(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT, new BIGINT); CREATE TABLE u LIKE t", name)
    one = proxy([double(name)])
    # In expand: anything.
    one.migrations = [double(name, forward={"new": "old * 3"}), double(name, "u", "n")]
    one.write_config()
    assert one.ctl("reload")["ok"]
    assert [m["name"] for m in one.ctl("status")["migrations"]] == ["m", "n"]
    one.ctl("dual-write", "m")
    with one.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t (id, old) VALUES (1, 5)")
    assert server.value(f"SELECT new FROM `{name}`.t") == 15
    # In dual-write: neither gone nor changed.
    one.migrations = [double(name, "u", "n")]
    assert "may not be removed" in reload_refused(one)
    one.migrations = [double(name), double(name, "u", "n")]
    assert "may not change" in reload_refused(one)
    assert [m["phase"] for m in one.ctl("status")["migrations"]] == ["dual-write", "expand"]
    # What does not change it, and what goes from expand, is taken.
    one.migrations = [double(name, forward={"new": "old * 3"}, on_unrewritable="pass")]
    one.write_config()
    assert one.ctl("reload")["ok"]
    assert [m["name"] for m in one.ctl("status")["migrations"]] == ["m"]


def test_a_migration_comes_back_in_its_phase(server, proxy, database):
    """Removed while the proxy was down, given back by a reload: the store knows."""
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT, new BIGINT); CREATE TABLE u LIKE t", name)
    one = proxy([double(name), double(name, "u", "n")])
    one.ctl("dual-write", "n")
    one.stop()
    one.migrations = [double(name)]
    one.start()
    assert "migration n is in dual-write" in one.log_since_start()
    one.migrations = [double(name), double(name, "u", "n", forward={"new": "old * 3"})]
    assert "migration n is in dual-write" in reload_refused(one)
    one.migrations = [double(name), double(name, "u", "n")]
    one.write_config()
    assert one.ctl("reload")["ok"]
    assert one.ctl("status", "n")["migrations"][0]["phase"] == "dual-write"


def test_a_changed_migration_at_the_start_is_not_guessed(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    one.ctl("dual-write", "m")
    one.stop()
    one.migrations = [double(name, forward={"new": "old * 3"})]
    one.start()
    assert "not those that it was started with" in one.log_since_start()
    with pytest.raises(pymysql.MySQLError):
        one.connect(database=name)
    one.migrations = [double(name)]
    one.write_config()
    one.ctl("reload")
    wait_until(lambda: one.ctl("status")["phases_known"], what="the phases")
    one.connect(database=name).close()


def test_reads_old_needs_no_backend():
    with Server() as server:
        shop.create(server, "shop", 20)
        with Proxy(server, [shop.users_name("shop")]) as one:
            one.walk("users_name", "cutover")
            server.stop()
            one.migrations = [shop.users_name("shop", reads="old")]
            one.reload()
            wait_until(lambda: one.ctl("status")["migrations"][0]["reads"] == "old", timeout=5, what="reads = old")
            server.start()
            wait_until(lambda: one.ctl("status")["backend"]["up"], what="the backend")
            assert server.value(f"SELECT generation FROM `{one.sidecar}`.state") >= 1


# ---- the admin socket -------------------------------------------------------------------------------------

def admin(one):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(str(one.admin_socket))
    return connection


def test_clients_that_misbehave_harm_nobody(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    hanging = [admin(one) for _ in range(20)]
    for number, connection in enumerate(hanging):
        connection.sendall(b"stat" if number % 2 else b"status\n" * 3)
    for garbage in (b"\x00\x01\xff\n", b"\n\n\n", b"x" * 100000 + b"\n", b"status\x00status\n", b'"unclosed\n'):
        with admin(one) as connection:
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                for line in connection.makefile("r", encoding="utf-8", errors="replace"):
                    assert json.loads(line)["ok"] is False
            except (BrokenPipeError, ConnectionResetError):
                pass  # told that the line is too long while it was still being sent
    assert one.ctl("status")["ok"]
    for connection in hanging:
        connection.close()
    assert one.ctl("dual-write", "m")["ok"]


def test_several_commands_on_one_connection(relay):
    with admin(relay) as connection:
        connection.sendall(b"version\nstatus\nnonsense\nstatus")
        connection.shutdown(socket.SHUT_WR)
        answers = [json.loads(line) for line in connection.makefile()]
    assert [answer["ok"] for answer in answers] == [True, True, False, True]


def test_the_socket_is_ours_alone(relay):
    assert relay.admin_socket.stat().st_mode & 0o777 == 0o600


def test_too_many_admin_connections(relay):
    crowd = [admin(relay) for _ in range(64)]
    with admin(relay) as one_more:
        answer = json.loads(one_more.makefile().readline())
        assert answer == {"ok": False, "error": "too many admin connections"}
    for connection in crowd:
        connection.close()
    wait_until(lambda: relay.ctl.run("status").returncode == 0, what="room for a connection")


def test_the_ready_datagram(server, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with Proxy(server, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as one:
            assert systemd.recv(100) == b"READY=1"
            one.signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert one.wait() == 0


def test_a_second_signal_stops_at_once(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    with one.connect(database=name, autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("INSERT INTO t (id, old) VALUES (1, 1)")
        one.signal(signal.SIGTERM)
        one.wait_log("draining")
        one.signal(signal.SIGTERM)
        assert one.wait(timeout=5) == 1
    one.clean_exit = False


def test_two_proxies_on_one_sidecar(server, proxy, database):
    """Until fleets exist, the second one must not serve: it would not see the first one's flips."""
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    two = proxy([double(name)], control={"database": one.sidecar})
    assert "another crossfade serves it" in two.ctl("status")["backend"]["error"]
    with pytest.raises(pymysql.MySQLError):
        two.connect(database=name)
    with pytest.raises(CtlError, match="not known"):
        two.ctl("dual-write", "m")
    one.ctl("dual-write", "m")
    one.stop()
    wait_until(lambda: two.ctl("status")["phases_known"], what="the second one to take over")
    assert two.ctl("status")["migrations"][0]["phase"] == "dual-write"
    two.connect(database=name).close()


def test_a_backend_on_a_unix_socket(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT); INSERT INTO t VALUES (1, 4)", name)
    one = proxy([double(name)], backend=f"127.0.0.1:1, unix:{server.socket}")
    one.walk("m", "cutover")
    assert server.value(f"SELECT new FROM `{name}`.t") == 8


def test_names_from_the_file_are_quoted(server, proxy, database):
    """Names with every odd byte that the server allows, in the file, the store and the DDL."""
    name = database()
    server.script("CREATE TABLE `a t` (id INT PRIMARY KEY, `o'\"x` INT); INSERT INTO `a t` VALUES (1, 2)", name)
    one = proxy([Migration("m.1-x_", f"{name}.`a t`", "`o'\"x`", "`n w`", types={"n w": "BIGINT"})])
    one.walk("m.1-x_", "cutover")
    assert server.value(f"SELECT `n w` FROM `{name}`.`a t`") == 2


def test_control_connections_are_closed(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    for _ in range(10):
        one.ctl("dual-write", "m")
        one.ctl("rollback", "m")
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s AND "
                                    "command <> 'Daemon'", CONTROL_USER) <= 2, what="connections to be closed")
