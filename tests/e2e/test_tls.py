"""TLS on either side: every combination of the two, what must be refused, and what a reload changes."""

import contextlib
import hashlib
import pathlib
import shutil
import socket
import ssl
import subprocess

import pymysql
import pytest

from harness import Client, CtlError, Proxy, Server, numbers, shop, wait_until
from harness.certs import Authority
from harness.chop import Chopper
from harness.wire import CAPABILITIES, Wire

CLIENT_SSL = 1 << 11


@pytest.fixture(scope="module")
def authority(authority):
    authority.stranger_cert, authority.stranger_key = authority.issue("elsewhere", "DNS:elsewhere.example")
    return authority


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A CA that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture(scope="module")
def secure(authority):
    """A server with TLS, and an account that logs in by one packet whatever the plugin: it has no password."""
    cert, key = authority.issue("server")
    with Server(tls=(authority.ca, cert, key)) as one:
        one.query("CREATE USER 'open'@'%'")
        yield one


def section(name, **keys):
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def tls(authority, **keys):
    return section("tls", **{"cert": authority.cert, "key": authority.key, **keys})


@contextlib.contextmanager
def behind(server, *sections, **options):
    with Proxy(server, extra="\n".join(sections), **options) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def four(secure, authority):
    """A proxy for each kind of backend connection; clients choose theirs."""
    with contextlib.ExitStack() as stack:
        yield {mode: stack.enter_context(behind(secure, tls(authority), section("backend_tls", mode=mode, ca=authority.ca)))
               for mode in ("off", "verify-identity")}


def status(connection, name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW STATUS LIKE '{name}'")
        return cursor.fetchone()[1]


def trusting(authority, **more):
    return {"ssl": {"ca": str(authority.ca), **more}}


def command_line(proxy, *options, sql="SELECT 1"):
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={proxy.port}",
                           "--user=app", "--password=app secret", "--batch", "--skip-column-names", *map(str, options),
                           "-e", sql], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


# ---- the four combinations ----

@pytest.mark.parametrize("backend", ["off", "verify-identity"])
@pytest.mark.parametrize("client", ["clear", "tls"])
def test_each_side_is_secured_for_itself(four, authority, backend, client):
    options = trusting(authority) if client == "tls" else {}
    with four[backend].connect(database="mysql", **options) as connection:
        assert status(connection, "Ssl_version") == ("" if backend == "off" else "TLSv1.3")
        assert isinstance(connection._sock, ssl.SSLSocket) == (client == "tls")
        with connection.cursor() as cursor:
            for size in (1, 100, 16384, 70000, 5 << 20):
                text = hashlib.md5(str(size).encode()).hexdigest() * (size // 32 + 1)
                cursor.execute("SELECT %s, SHA2(%s, 256)", (text, text))
                assert cursor.fetchone() == (text, hashlib.sha256(text.encode()).hexdigest())
            cursor.execute("SELECT seq, REPEAT('r', seq % 300) FROM " + numbers(100000))  # 15 MB: large (relay.md)
            assert [(row[0], len(row[1])) for row in cursor.fetchall()] == [(n, n % 300) for n in range(1, 100001)]


@pytest.mark.parametrize("backend", ["off", "verify-identity"])
def test_binary_protocol_and_change_user_over_tls(four, authority, backend):
    with Client(connect=False) as client:
        client.check("tls", str(authority.ca))
        client.check("connect", "127.0.0.1", str(four[backend].port), "", "app", "app secret", "", "")
        client.prepare("s", "SELECT ?, REPEAT('x', ?)")
        assert client.execute("s", "a", 100000) == [("a", "x" * 100000)]
        client.check("change_user", "app", "app secret", "mysql")
        assert client.query("SELECT DATABASE()") == [("mysql",)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_resumes_the_session(four, authority, version):
    context = ssl.create_default_context(cafile=authority.ca)
    context.minimum_version = context.maximum_version = version
    session = None
    for turn in range(3):
        with raw_tls(four["off"], context, session) as sock:
            sock.sendall(response_packet(sock.greeting, 2))
            assert read_packet(sock)[0] == 0
            sock.sendall(Wire.frame(b"\x0e"))
            assert read_packet(sock)[0] == 0
            assert sock.session_reused == (turn > 0)
            session = sock.session


def read_packet(sock):
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:3], "little"):
        part = sock.recv(65536)
        if not part:
            raise EOFError(f"closed after {data!r}")
        data += part
    return data[4:]


def response_packet(greeting, sequence):
    wire = Wire.__new__(Wire)
    return Wire.frame(wire.handshake_response(greeting, user="open", password=""), sequence)


REQUEST = Wire.frame((CAPABILITIES | CLIENT_SSL).to_bytes(4, "little") + (1 << 30).to_bytes(4, "little") + b"\x2d" + bytes(23), 1)


@contextlib.contextmanager
def raw_tls(proxy, context, session=None):
    """A connection that has shaken hands and not logged in; .greeting is the server's."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as plain:
        greeting = read_packet(plain)
        plain.sendall(REQUEST)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
            sock.greeting = greeting
            yield sock


# ---- what the handshake must not do ----

def test_bytes_in_clear_behind_the_request_are_no_data(four):
    """STARTTLS injection: a login and a command sent in clear behind the request must never be answered."""
    proxy = four["off"]
    for behind_it in (b"\x01\0\0\0\x0e", b"x" * 500, response_packet, b"\x16\x03\x01\x00\x05"):
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as sock:
            greeting = read_packet(sock)
            sock.sendall(REQUEST + (behind_it(greeting, 2) if callable(behind_it) else behind_it))
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while part := sock.recv(4096):
                    answer += part
            assert answer == b"" or answer[:1] == b"\x15", answer  # at most a TLS alert


def test_the_request_in_one_segment_with_the_handshake(four, authority):
    """Clients do not wait between the request and their TLS hello."""
    context = ssl.create_default_context(cafile=authority.ca)
    for early in (False, True):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tunnel = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            tunnel.do_handshake()
        with socket.create_connection(("127.0.0.1", four["off"].port), timeout=30) as sock:
            if early:  # even before the greeting
                sock.sendall(REQUEST + outgoing.read())
            greeting = sock.recv(65536)
            if not early:
                sock.sendall(REQUEST + outgoing.read())
            size = 4 + int.from_bytes(greeting[:3], "little")
            incoming.write(greeting[size:])
            greeting = greeting[4:size]
            while True:
                try:
                    tunnel.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    incoming.write(sock.recv(65536))
            tunnel.write(response_packet(greeting, 2))
            sock.sendall(outgoing.read())
            answer = None
            while answer is None:
                try:
                    answer = tunnel.read(4096)
                except ssl.SSLWantReadError:
                    incoming.write(sock.recv(65536))
            assert answer[4] == 0


@pytest.mark.parametrize("backend", ["off", "verify-identity"])
def test_a_handshake_byte_by_byte(four, authority, backend):
    context = ssl.create_default_context(cafile=authority.ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tunnel = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", four[backend].port), timeout=30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def trickle(data):
            for n in range(len(data)):
                sock.sendall(data[n:n + 1])

        greeting = read_packet(sock)
        trickle(REQUEST)
        while True:
            try:
                tunnel.do_handshake()
                break
            except ssl.SSLWantReadError:
                trickle(outgoing.read())
                incoming.write(sock.recv(65536))
        tunnel.write(response_packet(greeting, 2))
        tunnel.write(Wire.frame(b"\x03SELECT 1"))
        trickle(outgoing.read())
        answer = b""
        while b"\x01" + b"1" not in answer:
            try:
                answer += tunnel.read(4096)
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(65536))


def test_a_handshake_that_breaks_off_anywhere(four, authority):
    proxy = four["verify-identity"]
    with proxy.connect() as connection:
        connection.ping()
        before = proxy.fd_count()
    context = ssl.create_default_context(cafile=authority.ca)
    outgoing = ssl.MemoryBIO()
    tunnel = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tunnel.do_handshake()
    hello = REQUEST + outgoing.read()
    for cut in [*range(0, len(hello), 7), len(hello)]:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as sock:
            read_packet(sock)
            sock.sendall(hello[:cut])
    wait_until(lambda: proxy.fd_count() <= before, what="the sockets to be closed")
    with proxy.connect(**trusting(authority)) as connection:
        connection.ping()


def test_a_client_that_stops_in_the_handshake_is_let_go(secure, authority):
    with behind(secure, tls(authority), settings={"handshake_timeout": 300}) as proxy:
        for sent in (b"", REQUEST, REQUEST + b"\x16\x03\x01"):
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as sock:
                read_packet(sock)
                sock.sendall(sent)
                with contextlib.suppress(ConnectionError):
                    assert sock.recv(1) == b""


def test_rubbish_in_an_open_connection_ends_it(four, authority):
    with socket.create_connection(("127.0.0.1", four["off"].port), timeout=30) as plain:
        greeting = read_packet(plain)
        plain.sendall(REQUEST)
        context = ssl.create_default_context(cafile=authority.ca)
        sock = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        sock.sendall(response_packet(greeting, 2))
        assert read_packet(sock)[0] == 0
        with socket.socket(fileno=sock.detach()) as bare:
            bare.settimeout(30)
            bare.sendall(b"\x03\0\0\0\x03DO 1")
            with contextlib.suppress(ConnectionError):
                while bare.recv(4096):
                    pass


@pytest.mark.parametrize("backend", ["off", "verify-identity"])
@pytest.mark.parametrize("sql,size", [("SELECT SLEEP(0.2), REPEAT('x', 10)", 10), ("SELECT REPEAT('x', 4000000)", 4000000)])
def test_a_client_that_closes_one_direction_gets_its_answer(four, backend, sql, size):
    """To a server's TLS that is no goodbye: it answers, and sends an alert right behind."""
    client = four[backend].connect()
    client._execute_command(3, sql)
    client._sock.shutdown(socket.SHUT_WR)
    assert client._rfile.read().count(b"x") >= size


def test_a_failed_handshake_leaves_no_session(secure, authority):
    """Nothing else goes on that could sweep it away, and it counted among max_connections."""
    with behind(secure, tls(authority), settings={"max_connections": 1}) as proxy:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as sock:
                assert read_packet(sock)[0] == 10
                sock.sendall(REQUEST + b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    while sock.recv(4096):
                        pass
            wait_until(lambda: proxy.ctl("status")["clients"] == 0, what="the session to be gone")


# ---- what is refused ----

def test_clients_in_clear_are_refused_where_tls_is_required(secure, authority):
    with behind(secure, tls(authority, mode="required")) as proxy:
        with pytest.raises(pymysql.MySQLError) as error:
            proxy.connect()
        assert error.value.args[0] == 3159 and "[tls]" in error.value.args[1]
        with proxy.connect(**trusting(authority)) as connection:
            connection.ping()
        with pymysql.connect(unix_socket=str(proxy.socket), user="app", password="app secret") as connection:
            connection.ping()  # as the server's own require_secure_transport has it


def test_without_a_certificate_tls_is_not_offered(secure):
    with behind(secure) as proxy:
        code, output = command_line(proxy, "--ssl", "--ssl-verify-server-cert")
        assert code == 1 and "SSL" in output
        # Where it may use TLS and has none, libmariadb 3.3 sends caching_sha2_password's whole password in clear.
        assert command_line(proxy, "--skip-ssl") == (0, "1")


@pytest.mark.parametrize("options, good", [
    (["--ssl-ca={ca}", "--ssl-verify-server-cert"], True), (["--ssl-ca={other}", "--ssl-verify-server-cert"], False),
    (["--ssl"], True), (["--ssl", "--tls-version=TLSv1.2"], True),
])
def test_the_mariadb_command_line(four, authority, other, options, good):
    words = [option.format(ca=authority.ca, other=other.ca) for option in options]
    code, output = command_line(four["off"], *words, sql="\\s")
    assert (code == 0) == good, output
    if good:
        assert "Cipher in use" in output


def test_the_lowest_version(secure, authority):
    with behind(secure, tls(authority, min_version="TLSv1.3")) as proxy:
        for version, good in ((ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)):
            context = ssl.create_default_context(cafile=authority.ca)
            context.maximum_version = version
            context.check_hostname = True
            if good:
                proxy.connect(ssl=context).close()
            else:
                with pytest.raises(pymysql.MySQLError):
                    proxy.connect(ssl=context)
        assert "unsupported protocol" in proxy.log()


@pytest.mark.parametrize("answer", ["required", "optional"])
def test_client_certificates(secure, authority, other, answer):
    def outcome(pair):
        context = ssl.create_default_context(cafile=authority.ca)
        if pair:
            context.load_cert_chain(*pair)
        try:
            with proxy.connect(ssl=context) as connection:
                connection.ping()
            return True
        except (pymysql.MySQLError, ssl.SSLError, OSError):
            return False

    good, bad = authority.issue("application"), other.issue("application")
    with behind(secure, tls(authority, ca=authority.ca, client_cert=answer)) as proxy:
        assert outcome(good) and not outcome(bad)
        assert outcome(None) == (answer == "optional")
        # A session that is resumed keeps its certificate.
        context = ssl.create_default_context(cafile=authority.ca)
        context.load_cert_chain(*good)
        session = None
        for turn in range(2):
            with raw_tls(proxy, context, session) as sock:
                sock.sendall(response_packet(sock.greeting, 2))
                assert read_packet(sock)[0] == 0
                assert sock.session_reused == (turn > 0)
                session = sock.session


# ---- the backend ----

def login_error(proxy, **options):
    with pytest.raises(pymysql.MySQLError) as error:
        proxy.connect(**options)
    return error.value.args


@pytest.mark.parametrize("mode, ca, good", [
    ("required", None, True), ("required", "ca", True), ("verify-ca", "ca", True), ("verify-ca", "other", False),
    ("verify-ca", None, False), ("verify-identity", "ca", True), ("verify-identity", "other", False),
])
@pytest.mark.parametrize("client", ["clear", "tls"])
def test_the_backends_certificate(secure, authority, other, mode, ca, good, client):
    keys = {"mode": mode, **({"ca": {"ca": authority, "other": other}[ca].ca} if ca else {})}
    options = trusting(authority) if client == "tls" else {}
    with behind(secure, tls(authority), section("backend_tls", **keys)) as proxy:
        if good:
            with proxy.connect(**options) as connection:
                assert status(connection, "Ssl_version") == "TLSv1.3"
        else:
            code, text = login_error(proxy, **options)
            assert code == 1105 and "certificate" in text
            assert "certificate" in proxy.log()


@pytest.mark.parametrize("mode, ca, good", [
    ("required", None, True), ("verify-ca", "ca", True), ("verify-ca", "other", False), ("verify-ca", None, False),
    ("verify-identity", "ca", True), ("verify-identity", "other", False),
])
def test_the_control_connection_goes_by_the_same_rules(secure, authority, other, mode, ca, good):
    keys = {"mode": mode, **({"ca": {"ca": authority, "other": other}[ca].ca} if ca else {})}
    name = "controlled"
    secure.query(f"CREATE DATABASE IF NOT EXISTS {name}")
    shop.create(secure, name, 1, 1)
    secure.query("ALTER USER 'crossfade'@'%' REQUIRE SSL")
    try:
        with behind(secure, section("backend_tls", **keys), migrations=shop.migrations(name), start=False) as proxy:
            proxy.start()
            if good:
                assert proxy.ctl("expand", proxy.migrations[0].name, "--apply")
            else:
                wait_until(lambda: "ertificate" in proxy.log() or "SSL" in proxy.log(), what="the reason in the log")
                with pytest.raises(CtlError):
                    proxy.ctl("expand", proxy.migrations[0].name, "--apply")
    finally:
        secure.query("ALTER USER 'crossfade'@'%' REQUIRE NONE")
        secure.query(f"DROP DATABASE {name}")


@pytest.mark.parametrize("mode, good", [("required", True), ("verify-ca", True), ("verify-identity", False)])
def test_the_backends_name(authority, mode, good):
    with Server(tls=(authority.ca, authority.stranger_cert, authority.stranger_key)) as elsewhere, \
            behind(elsewhere, section("backend_tls", mode=mode, ca=authority.ca)) as proxy:
        if good:
            proxy.connect().close()
        else:
            code, text = login_error(proxy)
            assert code == 1105 and "mismatch" in text


def test_a_host_name_and_its_alternatives(secure, authority):
    with behind(secure, section("backend_tls", mode="verify-identity", ca=authority.ca),
                backend=f"localhost:{secure.port}") as proxy:
        def connected():
            try:
                proxy.connect().close()
                return True
            except pymysql.MySQLError as error:
                assert error.args[0] == 2003
                return False
        wait_until(connected, what="the name's address")


def test_a_backend_without_tls_is_refused(server, authority):
    with Server("tls_version=" if server.family == "mysql" else "skip_ssl") as bare:  # else some make a certificate
        for option in ({}, trusting(authority)):
            with behind(bare, tls(authority), section("backend_tls", mode="required")) as proxy:
                code, text = login_error(proxy, **option)
                assert code == 1105 and "does not offer" in text


def test_an_account_that_requires_the_proxys_certificate(secure, authority):
    cert, key = authority.issue("the-proxy")
    secure.query("CREATE USER 'x509'@'%' IDENTIFIED BY 'secret' REQUIRE SUBJECT '/CN=the-proxy'")
    secure.query("CREATE USER 'anytls'@'%' IDENTIFIED BY 'secret' REQUIRE SSL")
    backend = {"mode": "verify-ca", "ca": authority.ca}
    try:
        with behind(secure, section("backend_tls", **backend, cert=cert, key=key)) as proxy:
            for user in ("x509", "anytls"):
                proxy.connect(user=user, password="secret").close()
        with behind(secure, section("backend_tls", **backend)) as proxy:
            proxy.connect(user="anytls", password="secret").close()
            assert login_error(proxy, user="x509", password="secret")[0] == 1045
        with behind(secure) as proxy:
            assert login_error(proxy, user="anytls", password="secret")[0] == 1045
    finally:
        for user in ("x509", "anytls"):
            secure.query(f"DROP USER '{user}'@'%'")


def resumptions(proxy, connects, **options):
    """Connects so often; whether the backend's session was resumed, each time. The proxy logs for debugging."""
    def shaken():
        return [line for line in proxy.log().splitlines() if "the backend's side is TLS" in line]

    words, before = [], len(shaken())
    for _ in range(connects):
        with proxy.connect(**options) as connection:
            connection.ping()
            if proxy.server.family == "mysql":  # MariaDB resumes too, and counts 0
                words.append(status(connection, "Ssl_sessions_reused") == "1")
    told = [line.endswith(", resumed") for line in shaken()[before:]]
    assert len(told) == connects and (not words or words == told)
    return told


DEBUG = {"settings": {"log_level": "debug"}}


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_backends_sessions_are_resumed(authority, version):
    """Whatever worker a client comes to, with the certificate that an account requires too; not beyond a reload."""
    with Server(f"tls_version={version}", tls=(authority.ca, *authority.issue("server"))) as one:
        one.query("CREATE USER 'x509'@'%' IDENTIFIED BY 'secret' REQUIRE SUBJECT '/CN=the-proxy'")
        cert, key = authority.issue("the-proxy")
        keys = section("backend_tls", mode="verify-identity", ca=authority.ca, cert=cert, key=key)
        with behind(one, keys, **DEBUG) as proxy:
            assert resumptions(proxy, 5) == [False, True, True, True, True]
            assert resumptions(proxy, 2, user="x509", password="secret") == [True, True]
            assert version in proxy.log()
            for _ in range(2):
                seen = proxy.log().count("reloaded")
                proxy.reload()
                wait_until(lambda: proxy.log().count("reloaded") > seen, what="the reload")
                assert resumptions(proxy, 2) == [False, True]
            one.stop()
            one.start()
            assert resumptions(proxy, 2) == [False, True]


def test_a_session_is_resumed_with_the_server_that_gave_it_alone(secure, authority):
    """Another server at the same place cannot take it up: its certificate counts. Then nor is it tried again."""
    with Server(tls=(authority.ca, authority.stranger_cert, authority.stranger_key)) as elsewhere, \
            Chopper(secure.port) as between:
        keys = section("backend_tls", mode="verify-identity", ca=authority.ca)
        with behind(secure, keys, backend=f"127.0.0.1:{between.port}", **DEBUG) as proxy:
            assert resumptions(proxy, 2) == [False, True]
            between.target = ("127.0.0.1", elsewhere.port)
            for _ in range(2):
                code, text = login_error(proxy)
                assert code == 1105 and "mismatch" in text
            between.target = ("127.0.0.1", secure.port)
            assert resumptions(proxy, 2) == [False, True]


def test_each_backend_has_a_session_of_its_own(secure, authority):
    with Server(tls=(authority.ca, *authority.issue("second"))) as second, Chopper(secure.port) as first:
        keys = section("backend_tls", mode="verify-ca", ca=authority.ca)
        backends = f"127.0.0.1:{first.port}, 127.0.0.1:{second.port}"
        with behind(secure, keys, backend=backends, **DEBUG) as proxy:
            assert resumptions(proxy, 2) == [False, True]
            first.target = ("127.0.0.1", 1)
            assert resumptions(proxy, 2) == [False, True]
            first.target = ("127.0.0.1", secure.port)

            def back():
                with proxy.connect() as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT @@port")
                    return cursor.fetchone()[0] == secure.port
            wait_until(back, what="the first backend to be found again")
            assert resumptions(proxy, 2) == [True, True]


# ---- reload ----

def served_certificate(proxy):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with raw_tls(proxy, context) as sock:
        return hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest()


def test_a_reload_brings_new_certificates(secure, authority, tmp_path):
    paths = {name: tmp_path / f"{name}.pem" for name in ("cert", "key")}

    def install(pair):
        for path, source in zip(paths.values(), pair):
            shutil.copy(source, path)

    first, second = authority.issue("first"), authority.issue("second")
    install(first)
    with behind(secure, section("tls", **paths)) as proxy:
        old = served_certificate(proxy)
        with proxy.connect(**trusting(authority)) as lasting:
            install(second)
            proxy.reload()
            wait_until(lambda: served_certificate(proxy) != old, what="the new certificate")
            lasting.ping()
            new = served_certificate(proxy)
            for broken in ("nonsense", "", pathlib.Path(first[1]).read_text()):
                seen = proxy.log().count("stay as they were")
                paths["key"].write_text(broken)
                proxy.reload()
                wait_until(lambda: proxy.log().count("stay as they were") > seen, what="the refusal")
                assert f"key: {paths['key']}: " in proxy.log()
                assert served_certificate(proxy) == new
            lasting.ping()
            install(first)
            proxy.reload()
            wait_until(lambda: served_certificate(proxy) == old, what="the old certificate again")
            lasting.ping()


def test_a_reload_switches_tls_on_and_off(secure, authority):
    with behind(secure) as proxy:
        with proxy.connect() as lasting:
            proxy.extra = tls(authority, mode="required") + section("backend_tls", mode="required")
            proxy.reload()

            def refused():
                try:
                    proxy.connect().close()
                    return False
                except pymysql.MySQLError as error:
                    return error.args[0] == 3159
            wait_until(refused, what="TLS to be required")
            with proxy.connect(**trusting(authority)) as connection:
                assert status(connection, "Ssl_version") == "TLSv1.3"
            assert status(lasting, "Ssl_version") == ""


def test_files_are_checked_at_the_start(secure, authority, other, tmp_path):
    from harness.ctl import program
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    _, foreign_key = other.issue("foreign")
    path = tmp_path / "crossfade.ini"
    for keys, line, word in [({"cert": tmp_path / "none.pem", "key": authority.key}, 5, "cert"),
                             ({"cert": rubbish, "key": authority.key}, 5, "cert"),
                             ({"cert": authority.cert, "key": rubbish}, 6, "key"),
                             ({"cert": authority.cert, "key": foreign_key}, 6, "mismatch"),
                             ({"cert": authority.cert, "key": authority.key, "ca": rubbish}, 7, "ca")]:
        path.write_text(f"[proxy]\nlisten = 127.0.0.1:1\nbackend = 127.0.0.1:{secure.port}\n" + section("tls", **keys))
        for words in (["--check"], []):
            done = subprocess.run([str(program("crossfade")), "--config", path, *words], capture_output=True, text=True,
                                  timeout=60, check=False)
            assert done.returncode == 1
            assert f"{path}:{line}: " in done.stderr and word in done.stderr, done.stderr
