"""Authentication by every plugin, over every pair of connections: client in clear, over TLS and over a Unix socket;
backend likewise. What the server alone would answer is the answer."""

import contextlib
import getpass
import itertools
import os
import socket
import subprocess

import pymysql
import pytest

from harness import Client, ClientError, FakeMysql, Proxy, Server
from harness.certs import openssl
from harness.wire import Wire, salt_of

CLIENTS = ["clear", "tls", "unix"]
BACKENDS = ["clear", "tls", "unix"]
MULTI_FACTOR = 1 << 28


@pytest.fixture(scope="module")
def secure(authority):
    """A server with TLS."""
    cert, key = authority.issue("server")
    with Server(tls=(authority.ca, cert, key)) as one:
        yield one


def proxy_to(backend, authority, port, socket, server):
    extra = f"[tls]\ncert = {authority.cert}\nkey = {authority.key}\n"
    extra += "[backend_tls]\nmode = required\n" if backend == "tls" else ""
    return Proxy(server, extra=extra, backend=f"unix:{socket}" if backend == "unix" else f"127.0.0.1:{port}")


@pytest.fixture(scope="module")
def proxies(secure, authority):
    with contextlib.ExitStack() as stack:
        yield {backend: stack.enter_context(proxy_to(backend, authority, secure.port, secure.socket, secure))
               for backend in BACKENDS}


@contextlib.contextmanager
def connected(how, port, socket, user, password, database="", auth=""):
    """A libmariadb client; ClientError where it is refused."""
    with Client(connect=False) as client:
        if how == "tls":
            client.check("tls", "any")
        where = ("", 0, socket) if how == "unix" else ("127.0.0.1", port, "")
        client.check("connect", *where, user, password, database, auth)
        yield client


def outcome(*words, **options):
    try:
        with connected(*words, **options) as client:
            return client.query("SELECT CURRENT_USER()")
    except ClientError as error:
        return error.number, error.text


def accounts_of(server):
    """user → (how it is identified, the client's plugin)."""
    if server.family == "mysql":
        return {"sha2": ("WITH caching_sha2_password BY 'secret word'", "caching_sha2_password"),
                "sha256": ("WITH sha256_password BY 'secret word'", "sha256_password")}
    made = {"native": ("VIA mysql_native_password USING PASSWORD('secret word')", "mysql_native_password"),
            "ed": ("VIA ed25519 USING PASSWORD('secret word')", "client_ed25519")}
    with contextlib.suppress(pymysql.MySQLError):
        server.query("INSTALL SONAME 'auth_parsec'")
        made["parsec"] = ("VIA parsec USING PASSWORD('secret word')", "parsec")
    return made


@pytest.fixture(scope="module")
def accounts(secure):
    made = accounts_of(secure)
    for user, (how, _) in made.items():
        secure.query(f"CREATE USER '{user}'@'%' IDENTIFIED {how}")
    secure.query("CREATE USER 'empty'@'%'")
    yield made
    for user in [*made, "empty"]:
        secure.query(f"DROP USER '{user}'@'%'")


def has_plugin(name):
    return any(os.path.exists(f"/usr/lib/x86_64-linux-gnu/libmariadb3/plugin/{name}.so")
               for _ in [0]) or name == "mysql_native_password"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
def test_every_plugin_over_every_pair(secure, proxies, accounts, how, backend):
    proxy = proxies[backend]
    for user, (_, plugin) in accounts.items():
        if not has_plugin(plugin):
            continue
        for auth in ("", plugin, "mysql_native_password"):
            for turn in ("cold", "warm"):  # caching_sha2_password's full way, then its fast one
                if turn == "cold":
                    secure.query("FLUSH PRIVILEGES")
                direct = outcome(how, secure.port, secure.socket, user, "secret word", auth=auth)
                if turn == "cold":
                    secure.query("FLUSH PRIVILEGES")
                proxied = outcome(how, proxy.port, proxy.socket, user, "secret word", auth=auth)
                assert proxied == direct, (user, auth, turn)
                assert auth or direct == [(f"{user}@%",)]
            for password in ("wrong", ""):
                code, text = outcome(how, proxy.port, proxy.socket, user, password, auth=auth)
                assert code == 1045 and f"'{user}'@" in text, (user, auth, password, text)
        secure.query("FLUSH PRIVILEGES")
        code, text = outcome(how, proxy.port, proxy.socket, user, "wrong")
        assert code == 1045, text
    assert outcome(how, proxy.port, proxy.socket, "empty", "") == [("empty@%",)]
    assert outcome(how, proxy.port, proxy.socket, "empty", "some")[0] == 1045


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
def test_change_user_over_every_pair(secure, proxies, accounts, how, backend):
    proxy = proxies[backend]
    with connected(how, proxy.port, proxy.socket, "app", "app secret") as client:
        for user, (_, plugin) in accounts.items():
            if not has_plugin(plugin):
                continue
            for _ in range(2):
                secure.query("FLUSH PRIVILEGES")
                client.check("change_user", user, "secret word", "")
                assert client.query("SELECT CURRENT_USER()") == [(f"{user}@%",)]
            client.check("change_user", "app", "app secret", "")
        for user, (_, plugin) in accounts.items():
            if has_plugin(plugin):
                with pytest.raises(ClientError) as error:
                    client.check("change_user", user, "wrong", "")
                assert error.value.number == 1045
                break


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
def test_pymysql_over_every_pair(secure, proxies, authority, accounts, how, backend):
    proxy = proxies[backend]
    where = {"unix_socket": str(proxy.socket)} if how == "unix" else {"host": "127.0.0.1", "port": proxy.port}
    if how == "tls":
        where["ssl"] = {"ca": str(authority.ca)}
    for user, (_, plugin) in accounts.items():
        if plugin not in ("mysql_native_password", "caching_sha2_password", "sha256_password"):
            continue
        if plugin == "sha256_password" and how == "unix":
            continue  # PyMySQL sends it as it is, which the server does not take there
        for turn in range(2):
            if turn == 0:
                secure.query("FLUSH PRIVILEGES")
            with pymysql.connect(user=user, password="secret word", **where) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT CURRENT_USER()")
                assert cursor.fetchone()[0] == f"{user}@%"
        secure.query("FLUSH PRIVILEGES")
        with pytest.raises(pymysql.MySQLError) as error:
            pymysql.connect(user=user, password="wrong", **where)
        assert error.value.args[0] == 1045


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
def test_a_password_as_it_is(fake, authority, how, backend):
    """mysql_clear_password: never from a secure connection over an open one to another machine."""
    here = own_address()
    fake.account("mysql_clear_password", "secret word")
    extra = f"[tls]\ncert = {authority.cert}\nkey = {authority.key}\n"
    extra += "[backend_tls]\nmode = required\n" if backend == "tls" else ""
    with Proxy(None, extra=extra, backend=f"unix:{fake.socket}" if backend == "unix" else f"{here}:{fake.port}") as proxy:
        for auth in ("", "mysql_clear_password"):
            given = outcome(how, proxy.port, proxy.socket, "user", "secret word", auth=auth)
            if how != "clear" and backend == "clear":
                assert given[0] == 1105 and "[backend_tls]" in given[1]
            else:
                assert given == [("user",)]
    assert fake.trouble == []


def own_address():
    """An address of this machine that is not loopback's; none is needed to be reachable from elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("the machine has no address but loopback's")
        return probe.getsockname()[0]


def test_a_client_that_knows_the_proxys_key(fake, authority, tmp_path):
    """It does not ask: what it sends is encrypted already."""
    key, public, plain = tmp_path / "rsa.pem", tmp_path / "public.pem", tmp_path / "plain"
    openssl("genrsa", "-out", key, 2048)
    openssl("rsa", "-in", key, "-pubout", "-out", public)
    fake.account("caching_sha2_password", "secret word")
    extra = f"[tls]\npassword_key = {key}\n[backend_tls]\nmode = required\n"
    with Proxy(None, extra=extra, backend=f"127.0.0.1:{fake.port}") as proxy:
        for password, first in (("secret word", 0), ("wrong", 0xFF), (None, 0xFF)):
            with Wire(proxy.port) as wire:
                greeting = wire.receive()
                salt = greeting[greeting.index(b"\0") + 5:][:8] + greeting[greeting.index(b"\0") + 32:][:12]
                wire.send(wire.handshake_response(greeting, plugin="caching_sha2_password", user="user")[:32] +
                          b"user\0\x20" + bytes(range(32)) + b"caching_sha2_password\0", 1)
                assert wire.receive() == b"\x01\x04"
                mixed = bytes(byte ^ salt[n % 20] for n, byte in enumerate((password or "x").encode() + b"\0"))
                plain.write_bytes(mixed)
                openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-pkeyopt", "rsa_padding_mode:oaep", "-in", plain,
                        "-out", tmp_path / "sealed")
                sealed = (tmp_path / "sealed").read_bytes()
                wire.send(sealed if password else bytes(256), 3)
                assert wire.receive()[0] == first
    assert fake.trouble == []


def test_words_in_clear_behind_a_greeting_are_not_the_backends(fake, authority):
    """Whoever is on the way could say them before TLS begins."""
    fake.account("caching_sha2_password", "secret word")
    fake.injected = b"\x07\0\0\2\0\0\0\2\0\0\0"
    try:
        with proxy_to("tls", authority, fake.port, fake.socket, None) as proxy:
            with Wire(proxy.port) as wire:
                with pytest.raises((EOFError, ConnectionError)):
                    wire.receive()
                    wire.receive()
            assert "in clear behind its greeting" in proxy.log()
    finally:
        fake.injected = b""


def test_nobody_gets_in_as_the_proxy(authority):
    """An account of unix_socket or auth_socket belongs to who runs the proxy, not to the proxy's clients."""
    me = getpass.getuser()
    with Server() as server, proxy_to("unix", authority, server.port, server.socket, server) as proxy, \
            proxy_to("clear", authority, server.port, server.socket, server) as over_tcp:
        if not server.socket_account(me):
            pytest.skip("the server's chroot has no user but root")
        for how in ("clear", "tls"):
            code, text = outcome(how, proxy.port, proxy.socket, me, "")
            assert code == 1045 and "over TCP" in text
        with connected("clear", proxy.port, proxy.socket, "app", "app secret") as client, \
                pytest.raises(ClientError) as error:
            client.check("change_user", me, "", "")
        assert error.value.number == 1045
        assert outcome("unix", proxy.port, proxy.socket, me, "") == [(f"{me}@localhost",)]
        server.query(f"CREATE USER IF NOT EXISTS '{me}'@'127.0.0.1'")
        server.query(f"ALTER USER '{me}'@'127.0.0.1' IDENTIFIED BY 'a password'")
        assert outcome("clear", over_tcp.port, over_tcp.socket, me, "a password") == [(f"{me}@127.0.0.1",)]
        server.query(f"ALTER USER '{me}'@'localhost' IDENTIFIED BY ''")


# ---- MySQL's plugins, played by a script ----

FACTORS = {"two": "caching_sha2_password", "three": "sha256_password"}


@pytest.fixture(scope="module")
def factors(authority):
    """A MySQL server with accounts of two and three factors: a password, and being the user at the Unix socket."""
    with Server("authentication_policy=*,*,*", tls=(authority.ca, *authority.issue("server"))) as one:
        for user, plugin in FACTORS.items():
            more = " AND IDENTIFIED WITH auth_socket AS 'root'" * (1 if user == "two" else 2)
            one.query(f"CREATE USER {user}@'%' IDENTIFIED WITH {plugin} BY 'first'{more}")
        yield one


@pytest.mark.only("mysql", reason="MariaDB asks for one factor alone")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
def test_several_factors(factors, authority, how, backend):
    """MySQL's own client: each further factor begins a dialogue of its own (AuthNextFactor), which ends as it does for a
    client that the server has in the proxy's place."""
    def logged_in(secured, port, path, user, password):
        where = [f"--socket={path}"] if secured == "unix" else ["--host=127.0.0.1", "--protocol=tcp", f"--port={port}"]
        done = subprocess.run(factors.line.tool([
            "mysql", "--no-defaults", *where, f"--ssl-mode={'REQUIRED' if secured == 'tls' else 'DISABLED'}",
            "--get-server-public-key", f"--user={user}", f"--password1={password}", "--batch", "--skip-column-names",
            "-e", "SELECT CURRENT_USER()"]), capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    with proxy_to(backend, authority, factors.port, factors.socket, factors) as proxy:
        for user, password in itertools.product(FACTORS, ("first", "wrong")):
            expected = logged_in(backend, factors.port, factors.socket, user, password)
            assert (expected[0] == 0) == (backend == "unix" and password == "first"), expected
            assert logged_in(how, proxy.port, proxy.socket, user, password) == expected


@pytest.fixture(scope="module")
def fake(authority, tmp_path_factory):
    with FakeMysql(tmp_path_factory.mktemp("fake"), authority) as one:
        yield one


@pytest.fixture(scope="module")
def fake_proxies(fake, authority):
    with contextlib.ExitStack() as stack:
        yield {backend: stack.enter_context(proxy_to(backend, authority, fake.port, fake.socket, None))
               for backend in BACKENDS}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", CLIENTS)
@pytest.mark.parametrize("plugin", ["caching_sha2_password", "sha256_password"])
@pytest.mark.parametrize("named", ["", "same", "mysql_native_password"])
def test_full_authentication_with_a_script(fake, fake_proxies, how, backend, plugin, named):
    """The script takes a password as it is on a secure connection only, and encrypted on an open one only."""
    proxy, auth = fake_proxies[backend], plugin if named == "same" else named
    fake.account(plugin, "secret word")
    for password in ("secret word", "wrong"):
        direct = outcome(how, fake.port, fake.socket, "user", password, auth=auth)
        assert outcome(how, proxy.port, proxy.socket, "user", password, auth=auth) == direct
        # libmariadb has nothing to say where sha256_password is not the greeting's plugin.
        silent = plugin == "sha256_password" and named == "same"
        assert direct == [("user",)] if password == "secret word" and not silent else direct[0] == 1045
    assert fake.trouble == []


def test_a_backend_that_thinks_about_a_client_is_waited_for(fake, monkeypatch):
    """PAM may ask a telephone: it is no client that does not log in in time."""
    fake.account("caching_sha2_password", "secret word")
    monkeypatch.setattr(fake, "thinks", 2.5)
    with Proxy(None, backend=f"127.0.0.1:{fake.port}", settings={"handshake_timeout": 1000}) as proxy:
        assert outcome("clear", proxy.port, proxy.socket, "user", "secret word") == [("user",)]
    assert fake.trouble == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_further_factors_with_a_script(fake, fake_proxies, backend):
    """AuthNextFactor, and the dialogue of any plugin behind it, pass both ways; a wrong word in it is refused. So at the
    login, and so when the client becomes somebody else."""
    factors = [(b"mysql_clear_password", [(b"", b"second word\0")]),
               (b"some_device_client", [(b"challenge \0\xff\xfe", b"\x02reply"), (b"\x04", b""), (b"and \0" * 9000, b"\0")])]

    def further(wire, packet, wrong):
        """What the server says of the further factors; b"" where it takes them."""
        for plugin, rounds in factors if packet[0] == 2 else []:
            begin = b"\x02" + plugin + b"\0"
            for said, heard in rounds:
                assert packet == begin + said
                begin = b"\x01"
                wire.send(heard if heard != wrong else b"no", wire.sequence)
                packet = wire.receive()
                if packet[0] == 0xFF:
                    return packet[9:]
        return packet[9:] if packet[0] == 0xFF else b""

    def login(wire, more, wrong=None):
        greeting = wire.receive()
        wire.send(wire.handshake_response(greeting, user="user", password="secret word", more=more), 1)
        return further(wire, wire.finish_login(salt_of(greeting), b"secret word"), wrong)

    def become(wire, wrong=None, password=b"secret word"):
        wire.send(b"\x11other\0\0\0\x2d\0caching_sha2_password\0")
        return further(wire, wire.finish_login(b"", password), wrong)

    def outcome(more, wrong=None):
        fake.factors = factors
        with Wire(fake_proxies[backend].port) as wire:
            words = login(wire, more, wrong)
            assert words or wire.query("SELECT 1") == b"\1"
        return words

    def outcome_of_change(before, after, more, wrong=None, **options):
        with Wire(fake_proxies[backend].port) as wire:
            fake.factors = before
            assert login(wire, more) == b""
            fake.factors = after
            words = become(wire, wrong, **options)
            assert words or wire.query("SELECT 1") == b"\1"
        return words

    fake.account("caching_sha2_password", "secret word")
    denied = b"Access denied for user"
    try:
        assert outcome(MULTI_FACTOR) == b""
        assert outcome(MULTI_FACTOR, wrong=b"second word\0") == outcome(MULTI_FACTOR, wrong=b"\0") == denied
        assert outcome(0) == denied
        for before, after in (([], factors), (factors, []), (factors, factors)):
            assert outcome_of_change(before, after, MULTI_FACTOR) == b""
            assert outcome_of_change(before, after, MULTI_FACTOR, password=b"wrong") == denied
        assert outcome_of_change([], factors, MULTI_FACTOR, wrong=b"second word\0") == denied
        assert outcome_of_change([], factors, MULTI_FACTOR, wrong=b"\0") == denied
        assert outcome_of_change([], factors, 0) == denied
    finally:
        fake.factors = []
    assert fake.trouble == []
