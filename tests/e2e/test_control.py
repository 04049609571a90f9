"""The control side: gates, crashes in the middle of a flip, the admin socket under abuse, reloads, and a control account
that may too little."""

import json
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pymysql
import pytest

from harness import CtlError, Migration, Proxy, Server, shop, wait_until
from harness.ctl import program
from harness.double import double, gates_of, prepared
from harness.process import repository
from harness.server import CONTROL_USER
from harness.wire import Wire

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
    ("routines", "CREATE TABLE u (id INT); CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW UPDATE t SET old = NEW.id"),
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


TYPES = [
    ("ENUM('s','m')", "VARCHAR(8)", "old", "new", "old (ENUM)"),
    ("ENUM('s','m')", "VARCHAR(8)", "UPPER(old)", "LOWER(new)", "old (ENUM)"),
    ("YEAR", "INT", "old", "new", "old (YEAR)"),
    ("ENUM('s','m')", "ENUM('s','m')", "old", "new", None),
    ("VARCHAR(8)", "INT", "old", "new", None),
]


@pytest.mark.parametrize(("old", "new", "forward", "backward", "named"), TYPES)
def test_types_that_reads_lose_are_named(server, proxy, database, old, new, forward, backward, named):
    name = database()
    server.script(f"CREATE TABLE t (id INT PRIMARY KEY, old {old}, new {new})", name)
    one = proxy([Migration("m", f"{name}.t", "old", "new", forward={"new": forward}, backward={"old": backward})])
    gate = next(g for g in one.ctl("plan", "m")["gates"]["cutover"] if g["name"] == "types")
    assert gate["ok"]
    assert gate["detail"].endswith(f": {named}") if named else gate["detail"].startswith("no old column")


COLLATIONS = [
    ("new", None),
    ("CONCAT(UPPER(new), '!')", None),
    ("HEX(new)", "old (utf8mb4_general_ci)"),
    ("IF(new = '1', 'yes', 'no')", "old (utf8mb4_general_ci)"),
    ("CONVERT(HEX(new) USING utf8mb4) COLLATE utf8mb4_general_ci", None),
    ("CONVERT(HEX(new) USING utf8mb4) COLLATE utf8mb4_bin", "old (utf8mb4_general_ci)"),
    ("column_type", "old (utf8mb4_general_ci)"),
]


@pytest.mark.parametrize(("backward", "named"), COLLATIONS)
def test_collations_that_reads_lose_are_named(server, proxy, database, backward, named):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old VARCHAR(20), new VARCHAR(20), column_type VARCHAR(20)"
                  " COLLATE utf8mb4_bin) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", name)
    new = ["new", "column_type"] if backward == "column_type" else "new"
    forward = {column: "old" for column in ("new", "column_type") if column in new}
    one = proxy([Migration("m", f"{name}.t", "old", new, forward=forward, backward={"old": backward})])
    gate = next(g for g in one.ctl("plan", "m")["gates"]["cutover"] if g["name"] == "collations")
    assert gate["ok"]
    assert gate["detail"].endswith(f": {named}") if named else gate["detail"].startswith("the old columns keep")


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
        server.script("CREATE PROCEDURE p() UPDATE t SET old = 1", name)
        for gate, missing in (("triggers", "TRIGGER"), ("views", "SHOW VIEW"), ("routines", "mysql.proc")):
            found = next(g for g in one.ctl("plan", "m")["gates"]["dual-write"] if g["name"] == gate)
            assert found["ok"] and "that the control account may see" in found["detail"] and missing in found["detail"]
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


def test_expand_by_force_says_what_was_run(server, proxy, database):
    name = database()
    server.script("CREATE TABLE t (id INT PRIMARY KEY, old INT) ROW_FORMAT=COMPRESSED", name)
    one = proxy([double(name)])
    with pytest.raises(CtlError, match="--force runs it as the server can"):
        one.ctl("expand", "m", "--apply")
    (ddl,) = one.ctl("expand", "m", "--apply", "--force")["ddl"]
    assert ddl == f"ALTER TABLE `{name}`.`t` ADD COLUMN `new` BIGINT INVISIBLE"
    event = one.ctl("events", "m", "--limit", "1")["events"][0]
    assert (event["detail"], event["forced"]) == (ddl, True)


def test_a_column_that_was_dropped_under_way_comes_back_filled(server, proxy, database):
    name, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT", "INSERT INTO t VALUES (1, 5)")
    one.walk("m", "verify")
    server.query(f"ALTER TABLE `{name}`.t DROP COLUMN new")
    with pytest.raises(CtlError, match="in dual-write, and new columns are missing"):
        one.ctl("expand", "m", "--apply")
    one.ctl("rollback", "m")
    one.walk("m", "cutover")
    with one.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT old FROM t")
        assert cursor.fetchall() == ((5,),)


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


def test_a_refused_flip_tells_no_other_phase(server, proxy, database):
    _, one = prepared(server, proxy, database, "id INT PRIMARY KEY, old INT")
    one.walk("m", "cutover")
    with pytest.raises(CtlError, match="it is in that phase already") as refused:
        one.ctl("cutover", "m")
    assert {refused.value.answer.get(key, "cutover") for key in ("from", "phase")} == {"cutover"}


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
    one.declare([double(name, forward={"new": "old * 3"}), double(name, "u", "n")])
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
    one.declare([double(name, forward={"new": "old * 3"}, on_unrewritable="pass")])
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
    one.declare([double(name), double(name, "u", "n")])
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
    one.declare([double(name)])
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


def test_descriptors_that_are_out_keep_nobody_busy(relay):
    """Who waits at the admin socket is served when there are descriptors again."""
    limit = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (relay.fd_count(), limit[1]))
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(30)
        waiting.connect(str(relay.admin_socket))
        waiting.sendall(b"version\n")
        before = relay.cpu_seconds()
        wait_until(lambda: relay.log().count("admin socket: accept: Too many open files") >= 3, what="three tries")
        assert relay.cpu_seconds() - before < 0.5
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, limit)
        assert json.loads(waiting.makefile().readline())["ok"]


class FewFiles(Proxy):
    """Of 256 open files, half are kept for the process itself: 64 sessions."""

    def spawn(self, command, env=None):
        super().spawn(["prlimit", "--nofile=256", *command], env)


def test_sessions_leave_descriptors_to_the_control(server):
    with FewFiles(server) as one:
        clients = [Wire(one.port) for _ in range(66)]
        first = [wire.receive() for wire in clients]
        assert [greeting[0] for greeting in first].count(10) == 64
        refused = next(greeting for greeting in first if greeting[0] == 0xFF)
        assert int.from_bytes(refused[1:3], "little") == 1040
        assert one.ctl("status")["clients"] == 64 and one.ctl("reload")["ok"]
        one.wait_log("as many as the limit of open files allows, 64 are there")
        for wire in clients:
            wire.close()


def test_what_a_client_calls_itself_is_no_command_to_a_terminal(relay):
    with relay.connect(program_name="a\x1b[2Jb\nc"):
        assert relay.ctl("sessions")["sessions"][0]["program"] == "a\x1b[2Jb\nc"
        shown = subprocess.run([program("crossfadectl"), "--socket", relay.admin_socket, "sessions"], check=True,
                               capture_output=True, text=True)
        assert shown.stdout.endswith(" program=a?[2Jb?c\n")


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
