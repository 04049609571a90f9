"""Bad input: every mistake is a clear message with its place, none a crash."""

import os
import socket
import subprocess

import pymysql
import pytest

from harness import Failure, Proxy, Server, free_port, shop, wait_until
from harness.ctl import program
from harness.proxy import SANITIZER

GOOD = """[proxy]
listen = 127.0.0.1:{port}
backend = 127.0.0.1:3306
admin_socket = {directory}/admin.sock
[control]
user = crossfade
password = secret
[migration users_name]
table = shop.users
old = fullname
new = first_name, last_name
forward.first_name = SUBSTRING_INDEX(fullname, ' ', 1)
forward.last_name = SUBSTRING(fullname, 2)
backward.fullname = CONCAT(first_name, ' ', last_name)
"""

# (what is replaced, by what, the line that the message names, a word of the message)
MISTAKES = [
    ("[proxy]", "[proxi]", 1, "proxi"),
    ("listen =", "lissen =", 2, "lissen"),
    ("admin_socket = {directory}/admin.sock", "threads = many", 4, "threads"),
    ("backend = 127.0.0.1:3306", "backend = nowhere:port:9", 3, "backend"),
    ("table = shop.users\n", "", 8, "table"),
    ("table = shop.users", "table = users", 9, "table"),
    ("old = fullname\n", "", 8, "old"),
    ("SUBSTRING_INDEX(fullname, ' ', 1)", "SUBSTRING_INDEX(fullname, ' ', ", 12, "forward"),
    ("SUBSTRING_INDEX(fullname, ' ', 1)", "(SELECT 1)", 12, "forward"),
    ("SUBSTRING_INDEX(fullname, ' ', 1)", "CONCAT(email, fullname)", 12, "email"),
    ("SUBSTRING_INDEX(fullname, ' ', 1)", "NOW()", 12, "forward"),
    ("forward.last_name = SUBSTRING(fullname, 2)\n", "", 8, "last_name"),
    ("forward.last_name", "forward.middle_name", 13, "middle_name"),
    ("backward.fullname = CONCAT(first_name, ' ', last_name)", "backward.fullname = 'x", 14, "backward"),
    ("new = first_name, last_name", "new = first_name, first_name", 8, "first_name"),
    ("password = secret\n", "", 5, "password"),
    ("old = fullname", "old = fullname\nreads = sometimes", 11, "reads"),
    ("old = fullname", "old = fullname\nold = fullname", 11, "old"),
    ("old = fullname", "no equals sign here", 10, ""),
]


def check(path):
    done = subprocess.run([str(program("crossfade")), "--config", str(path), "--check"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def good(tmp_path):
    return GOOD.replace("{port}", str(free_port())).replace("{directory}", str(tmp_path))


def test_a_good_file_passes(tmp_path, good):
    path = tmp_path / "good.ini"
    path.write_text(good)
    assert check(path)[0] == 0


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_a_mistake_is_named_with_its_line(tmp_path, number):
    wrong, by, line, word = MISTAKES[number]
    assert wrong in GOOD
    text = GOOD.replace(wrong, by, 1).replace("{port}", str(free_port())).replace("{directory}", str(tmp_path))
    path = tmp_path / "bad.ini"
    path.write_text(text)
    status, output = check(path)
    assert status == 1
    assert f"{path}:{line}: " in output and word in output, output
    started = subprocess.run([str(program("crossfade")), "--config", str(path)], capture_output=True, text=True,
                             timeout=60, check=False)
    assert started.returncode == 1 and f"{path}:{line}: " in started.stderr


def test_every_mistake_is_said_at_once(tmp_path):
    path = tmp_path / "bad.ini"
    path.write_text("[proxy]\nlissen = 1\nthreads = many\n[nonsense]\na = b\n")
    status, output = check(path)
    assert status == 1
    assert output.count(f"{path}:") >= 4, output


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), ("text", "no start line")])
def test_a_certificate_that_cannot_be_used(tmp_path, good, content, reason):
    certificate = tmp_path / "cert.pem"
    if content:
        certificate.write_text(content)
    path = tmp_path / "x.ini"
    path.write_text(f"{good}[tls]\ncert = {certificate}\nkey = {certificate}\n")
    assert check(path) == (1, f"{path}:16: cert: {certificate}: {reason}\n")


@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe\0", b"[", b"[proxy", b"=\n" * 1000, b"[proxy]\n" + b"x" * 100000,
                                     b"[migration ]\n", b"[migration a]\n[migration a]\n"])
def test_garbage_is_no_config(tmp_path, content):
    path = tmp_path / "garbage.ini"
    path.write_bytes(content)
    assert check(path)[0] == 1


def test_missing_files_and_options(tmp_path):
    assert check(tmp_path / "none.ini")[0] == 1
    for words in ([], ["--config"], ["--nonsense"], ["--config", "x", "more"], ["rewrite"], ["rewrite", "--phase"]):
        done = subprocess.run([str(program("crossfade")), *words], capture_output=True, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL)
        assert done.returncode in (1, 2) and done.stderr


@pytest.mark.parametrize("phase, status", [("contract", 1), ("sideways", 2), ("cutover", 0)])
def test_phases_of_the_dry_run(tmp_path, phase, status):
    path = tmp_path / "crossfade.ini"
    path.write_text("[proxy]\nlisten = 127.0.0.1:1\nbackend = 127.0.0.1:1\n[control]\nuser = a\npassword = b\n"
                    "[migration m]\ntable = shop.orders\nold = amount\nnew = cents\n")
    done = subprocess.run([str(program("crossfade")), "rewrite", "--config", path, "--phase", phase], input="DO 1",
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status and bool(done.stderr) == bool(status)


@pytest.mark.parametrize("charset, status", [("GBK", 0), ("gb-k", 2)])
def test_character_sets_of_the_dry_run(tmp_path, good, charset, status):
    path = tmp_path / "crossfade.ini"
    path.write_text(good)
    done = subprocess.run([program("crossfade"), "rewrite", "--config", path, "--phase", "cutover", "--charset", charset],
                          input="DO 1", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status and ("gb-k" in done.stderr) == bool(status)


# ---- what only shows at work ----

def test_a_table_that_is_not_there(server, proxy, database):
    name = database()
    one = proxy([shop.users_name(name)])
    (status,) = one.ctl("status")["migrations"]
    assert status["phase"] == "expand"
    refused = one.ctl.run("dual-write", "users_name")
    assert refused.returncode == 1 and "users" in refused.stdout + refused.stderr
    shop.create(server, name, 10)
    wait_until(lambda: one.ctl.run("expand", "users_name", "--apply").returncode == 0, what="the table to be seen")
    one.ctl("dual-write", "users_name")


def test_columns_that_are_not_there(server, proxy, database):
    name = database()
    shop.create(server, name, 10)
    migration = shop.users_name(name)
    migration.old = ["no_such_column"]
    migration.forward = {"first_name": "no_such_column", "last_name": "no_such_column"}
    migration.backward = {"no_such_column": "first_name"}
    one = proxy([migration])
    refused = one.ctl.run("dual-write", "users_name")
    assert refused.returncode == 1 and "no_such_column" in refused.stdout + refused.stderr
    with one.connect(database=name) as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT * FROM users") == 10


def test_a_second_crossfade_on_the_same_socket(server, proxy):
    first = proxy()
    second = Proxy(server, settings={"admin_socket": first.admin_socket}, start=False)
    try:
        second.start(ready=False)
        assert second.wait() == 1
        assert str(first.admin_socket) in second.log()
        second.check_log()
    finally:
        second.remove()
    assert first.ctl("status")["ok"]


def test_a_second_crossfade_on_the_same_port(server, proxy):
    first = proxy()
    second = Proxy(server, settings={"listen": f"127.0.0.1:{first.port}"}, start=False)
    try:
        second.start(ready=False)
        assert second.wait() == 1
        assert str(first.port) in second.log()
    finally:
        second.remove()
    with first.connect() as connection:
        connection.ping()


def connected(port):
    """A connection; None: nobody listens."""
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=30)
    except ConnectionRefusedError:
        return None


def test_a_process_that_cannot_listen_lets_nobody_in(server, tmp_path):
    """Whoever came to the first socket while the second could not be had hears nothing, as from one that never listened.
    That it waits there is certain: it asks whether anybody answers on the second, whose queue is full."""
    taken = str(tmp_path / "taken.sock")
    with socket.socket(socket.AF_UNIX) as holder, socket.socket(socket.AF_UNIX) as first:
        holder.bind(taken)
        holder.listen(0)
        first.connect(taken)
        one = Proxy(server, start=False)
        one.keys["proxy"]["listen"] = f"127.0.0.1:{one.port}, unix:{taken}"
        try:
            one.start(ready=False)
            with wait_until(lambda: connected(one.port), what="the first socket") as client:
                holder.accept()[0].close()
                assert one.wait() == 1
                assert "Address already in use" in one.log()
                with pytest.raises(ConnectionResetError):
                    assert client.recv(1) == b"a reset"
        finally:
            one.remove()


def test_started_without_standard_descriptors(server):
    """What it opens must not get their numbers: the log would be written into it."""
    one = Proxy(server, start=False)
    one.write_config()
    child = subprocess.Popen(["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", program("crossfade"), "--config", one.config_path],
                             env={**os.environ, **one.env})
    try:
        wait_until(lambda: connected(one.port), what="its socket").close()
        assert {os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
        assert one.ctl("status")["ok"]
    finally:
        child.terminate()
        assert child.wait(30) == 0
        one.remove()


def test_a_socket_left_by_a_crash_is_taken_over(proxy):
    one = proxy()
    one.kill()
    assert one.admin_socket.exists() and one.socket.exists()
    one.start()
    assert one.ctl("status")["ok"]


def test_a_backend_that_is_down_at_start_and_comes_up_later():
    with Server() as server:
        shop.create(server, "shop", 20, 20)
        migrations = shop.migrations("shop")
        server.stop()
        with Proxy(server, migrations) as proxy:
            with pytest.raises(pymysql.MySQLError) as refused:
                proxy.connect()
            assert refused.value.args[0] == 2003
            assert proxy.ctl.run("status").returncode in (0, 1)
            server.start()
            wait_until(lambda: proxy.ctl.run("expand", "users_name", "--apply").returncode == 0,
                       what="the control side to find the backend")
            proxy.ctl("expand", "orders_cents", "--apply")
            proxy.ctl("dual-write", "users_name")
            with proxy.connect(database="shop") as connection, connection.cursor() as cursor:
                cursor.execute("UPDATE users SET fullname = 'Late Comer' WHERE id = 1")
            assert server.query("SELECT first_name FROM shop.users WHERE id = 1") == [("Late",)]


def test_a_wrong_control_password(server, proxy, database):
    name = database()
    shop.create(server, name, 5)
    one = proxy([shop.users_name(name)], control={"password": "wrong"})
    assert one.ctl.run("dual-write", "users_name").returncode == 1
    assert "Access denied" in one.ctl.text("status") + one.log()
    with pytest.raises(pymysql.MySQLError) as refused:
        one.connect(database=name)
    assert refused.value.args[0] == 2003, "phases that are not known must not be guessed"


def test_a_reload_of_a_bad_file_keeps_the_old_one(shop_behind):
    behind = shop_behind(users=5)
    behind.walk("cutover")
    behind.proxy.config_path.write_text(behind.proxy.config_text() + "\n[nonsense]\n")
    refused = behind.ctl.run("reload")
    assert refused.returncode == 1 and "nonsense" in refused.stdout + refused.stderr
    assert {one["phase"] for one in behind.ctl("status")["migrations"]} == {"cutover"}
    behind.proxy.write_config()
    assert behind.ctl("reload")["ok"]


def test_a_password_in_a_file(server, proxy, tmp_path):
    from harness.server import CONTROL_PASSWORD

    path = tmp_path / "password"
    path.write_text(CONTROL_PASSWORD + "\n")
    path.chmod(0o600)
    one = proxy(control={"password": None, "password_file": path})
    assert one.ctl("status")["ok"]
    with pytest.raises(Failure):
        proxy(control={"password": None, "password_file": tmp_path / "none"})
