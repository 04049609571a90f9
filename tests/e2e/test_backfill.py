"""Backfill and verify: keys and types of every kind, rows that stop them, pauses, stops and restarts."""

import concurrent.futures
import contextlib
import time

import pytest

from harness import CtlError, Proxy, Server, lines, numbers, wait_until
from harness.double import double, gates_of, prepared

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
    ("VARCHAR(10) COLLATE utf8mb4_unicode_ci", "ENUM('a','b','c') COLLATE utf8mb4_general_ci", "LOWER(old)", "UPPER(new)",
     "ELT(seq % 3 + 1, 'A', 'B', 'C')"),
    ("ENUM('a','b','c') COLLATE utf8mb4_unicode_ci", "SET('c','b','a') COLLATE utf8mb4_general_ci", "old", "new",
     "ELT(seq % 3 + 1, 'a', 'b', 'c')"),
    ("ENUM('3','2','1') COLLATE utf8mb4_unicode_ci", "ENUM('2','1','3') COLLATE utf8mb4_general_ci", "old + 0", "new + 0",
     "seq % 3 + 1"),
    ("INT", "DATETIME(3)", "TIMESTAMP '2026-01-01 00:00:00' + INTERVAL old SECOND",
     "TIMESTAMPDIFF(SECOND, TIMESTAMP '2026-01-01 00:00:00', new)", "seq"),
    ("VARCHAR(10)", "VARBINARY(10)", "CAST(old AS BINARY)", "CONVERT(new USING utf8mb4)", "CONCAT('b', seq)"),
    ("INT", "BIT(16)", "old", "new + 0", "seq"),
    ("INT", "DECIMAL(12,3)", "old / 3", "CAST(ROUND(new * 3) AS SIGNED)", "seq"),
    ("VARCHAR(30)", "BIGINT", "old", "new", "9007199254740991 + seq"),
    ("VARCHAR(30)", "BIGINT UNSIGNED", "old", "new", "18446744073709551615 - seq"),
    ("BIGINT UNSIGNED", "VARCHAR(30)", "old", "new", "18446744073709551615 - seq"),
    ("TEXT", "JSON", "old", "new", "CONCAT('{\"n\": ', seq, '}')"),
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
def held_backfill(server, proxy, database, key="PRIMARY KEY"):
    """A backfill of 5000 rows that waits for the lock on row 2500: (database, proxy, the lock's connection)."""
    name, one = prepared(server, proxy, database, f"id INT {key}, old INT",
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


@pytest.mark.parametrize("key", ["PRIMARY KEY", "NOT NULL UNIQUE"])
def test_a_row_whose_key_moves_past_the_backfill_is_filled(server, proxy, database, key):
    with held_backfill(server, proxy, database, key) as (name, one, _), one.connect(database=name) as connection:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE t SET id = -id WHERE id BETWEEN 4001 AND 4003")
            cursor.execute("UPDATE t SET id = id + 10000 WHERE id = 4004")
            cursor.execute("UPDATE t JOIN (SELECT 4005 AS n) d ON t.id = d.n SET t.id = -d.n")
            cursor.execute("INSERT INTO t (id, old) VALUES (4006, 0) ON DUPLICATE KEY UPDATE id = -id")
    one.ctl("backfill", "m")
    assert server.value(f"SELECT COUNT(*) FROM `{name}`.t WHERE id < 0 OR id > 5000") == 6
    answer = one.ctl("verify", "m")
    assert (answer["rows"], answer["drift"]) == (5000, 0)


def test_a_row_that_another_client_moves_past_the_backfill_is_found_and_filled(server, proxy, database):
    with held_backfill(server, proxy, database) as (name, one, _):
        server.query(f"UPDATE `{name}`.t SET id = -id WHERE id BETWEEN 4001 AND 4003")
        server.query(f"UPDATE `{name}`.t SET id = id + 10000 WHERE id BETWEEN 4004 AND 4005")
    one.ctl("backfill", "m")
    answer = one.ctl("verify", "m")
    assert (answer["drift"], answer["drift_keys"]) == (5, ["-4003", "-4002", "-4001", "14004", "14005"])
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m")
    assert "drift" in gates_of(refused)
    assert one.ctl("backfill", "m", "--force")["changed"] == 5
    assert one.ctl("verify", "m")["drift"] == 0
    one.ctl("cutover", "m")


def test_a_resume_that_fails_at_once_keeps_the_checkpoint(server, proxy, database):
    with held_backfill(server, proxy, database) as (name, one, holder):
        one.ctl("backfill", "m", "pause")
        holder.rollback()
        server.query(f"ALTER TABLE `{name}`.t DROP PRIMARY KEY")
        with pytest.raises(CtlError, match="no primary key"):
            one.ctl("backfill", "m", "resume")
        server.query(f"ALTER TABLE `{name}`.t ADD PRIMARY KEY (id)")
    assert one.ctl("backfill", "m")["rows"] == 5000, "no row is read again"
    assert one.ctl("verify", "m")["drift"] == 0


def test_a_table_that_was_changed_past_the_proxy_is_seen_as_it_is(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT",
                         f"INSERT INTO t SELECT seq, seq FROM {numbers(3000)}")
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    server.query(f"ALTER TABLE `{name}`.t MODIFY id VARCHAR(20)")
    server.query(f"UPDATE `{name}`.t SET new = 7 WHERE id IN ('2', '999')")
    answer = one.ctl("verify", "m")
    assert (answer["rows"], answer["drift"], answer["drift_keys"]) == (3000, 2, ["'2'", "'999'"])
    server.query(f"ALTER TABLE `{name}`.t MODIFY id INT")
    assert one.ctl("backfill", "m", "--force")["changed"] == 2
    server.query(f"ALTER TABLE `{name}`.t DROP COLUMN new")
    with pytest.raises(CtlError) as refused:
        one.ctl("cutover", "m", "--force")
    assert "new does not exist" in gates_of(refused)["columns"]["detail"]
    server.query(f"DROP TABLE `{name}`.t")
    with pytest.raises(CtlError, match="the table does not exist"):
        one.ctl("verify", "m")


def test_a_verify_whose_key_changes_meanwhile_says_so(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT",
                         f"INSERT INTO t SELECT seq, seq FROM {numbers(3000)}")
    one.ctl("dual-write", "m")
    one.ctl("backfill", "m")
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'"
    with server.connect(database=name) as holder, holder.cursor() as cursor, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        cursor.execute("LOCK TABLES t WRITE")
        verify = pool.submit(one.ctl, "verify", "m")
        wait_until(lambda: server.value(waiting), what="verify to wait for the table")
        cursor.execute("ALTER TABLE t MODIFY id VARCHAR(20)")
        cursor.execute("UNLOCK TABLES")
        with pytest.raises(CtlError, match="the table's key was changed meanwhile"):
            verify.result(30)
    assert one.ctl("verify", "m")["rows"] == 3000


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


@pytest.mark.only("mariadb", reason="MySQL's delay of commits is another")
def test_commits_that_take_long_make_no_small_chunks():
    """Small chunks would only make more of these commits: a minute of them."""
    with Server("log_bin=b", "server_id=1", "binlog_commit_wait_count=100", "binlog_commit_wait_usec=30000") as server:
        server.script("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, old INT);"
                      f"INSERT INTO t SELECT seq, seq FROM {numbers(10000)}")
        with Proxy(server, [double("d")]) as one:
            one.ctl("expand", "m", "--apply")
            one.ctl("dual-write", "m")
            start = time.monotonic()
            assert one.ctl("backfill", "m")["rows"] == 10000
            assert time.monotonic() - start < 30


def test_the_servers_time_limit_for_statements_is_not_ours():
    limit = "max_statement_time = 0.001" if lines.chosen().family == "mariadb" else "max_execution_time = 1"
    with Server() as server:
        server.script("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, old INT);"
                      f"INSERT INTO t SELECT seq, seq FROM {numbers(5000)}; SET GLOBAL {limit}")
        with Proxy(server, [double("d")]) as one:
            one.walk("m", "cutover")
            assert one.ctl("verify", "m")["rows"] == 5000
