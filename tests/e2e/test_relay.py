"""The relay with no migration: whatever a client does gives what the server alone would give."""

import concurrent.futures
import hashlib
import socket
import subprocess

import pymysql
import pytest
from pymysql.constants import CLIENT

from harness import Client, ClientError, Proxy, numbers, shop, twin, wait_until
from harness.wire import COM_PING, COM_QUERY, COM_QUIT, MAX_PAYLOAD, Wire


@pytest.fixture(scope="module")
def proxy_(server):
    with Proxy(server) as one:
        yield one


ACCOUNTS = {
    "mariadb": {"native": "VIA mysql_native_password USING PASSWORD('secret')", "ed25519": "VIA ed25519 USING PASSWORD('secret')",
                "either": "VIA ed25519 USING PASSWORD('other') OR mysql_native_password USING PASSWORD('secret')"},
    "mysql": {"native": "WITH caching_sha2_password BY 'secret'", "sha256": "WITH sha256_password BY 'secret'"},
}


@pytest.fixture(scope="module")
def accounts(server):
    """Accounts of every authentication that a relay can carry without TLS; each with the password `secret`."""
    made = ACCOUNTS[server.family]
    for user, how in made.items():
        server.query(f"CREATE USER '{user}'@'%' IDENTIFIED {how}")
        server.query(f"GRANT SELECT ON *.* TO '{user}'@'%'")
    server.query("CREATE USER 'nobody'@'%'")
    server.query("CREATE USER 'locked'@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK")
    yield [*made]
    for user in [*made, "nobody", "locked"]:
        server.query(f"DROP USER '{user}'@'%'")


def command_line(port, user, password, *options):
    """The `mariadb` client, with its own plugins: (status, output)."""
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={port}",
                           f"--user={user}", f"--password={password}", "--batch", "--skip-column-names", *options,
                           "-e", "SELECT CURRENT_USER()"], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


# ---- authentication ----

@pytest.mark.parametrize("default_auth", ["", "mysql_native_password", "client_ed25519"])
@pytest.mark.parametrize("password", ["secret", "wrong", ""])
def test_every_plugin_with_and_without_a_switch(server, proxy_, accounts, default_auth, password):
    options = [f"--default-auth={default_auth}"] if default_auth else []
    for user in accounts:
        direct = command_line(server.port, user, password, *options)
        assert command_line(proxy_.port, user, password, *options) == direct
        if password == "secret":
            assert direct == (0, f"{user}@%")
        else:
            assert direct[0] == 1 and "ERROR 1045" in direct[1]


def login_error(port, **options):
    try:
        pymysql.connect(host="127.0.0.1", port=port, **options).close()
    except pymysql.MySQLError as error:
        return error.args
    return None


@pytest.mark.only("mariadb", reason="MySQL's plugin has more to say before the login's end")
@pytest.mark.parametrize("size", [1_000, 140_000, 400_000])
def test_commands_sent_with_the_handshake_response(server, proxy_, size):
    """Who does not wait for the login's end may say as much as behind it."""
    answers = []
    for port in (server.port, proxy_.port):
        with Wire(port) as wire:
            response = wire.handshake_response(wire.receive())
            wire.socket.sendall(wire.frame(response, 1) + wire.frame(b"\x03DO '" + b"a" * size + b"'") + wire.frame(b"\x0e"))
            wire.sequence = 2
            answers.append([wire.receive()[:1]])
            for _ in range(2):
                wire.sequence = 1
                answers[-1].append(wire.receive())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("options", [
    {"user": "app", "password": "wrong"}, {"user": "app", "password": ""}, {"user": "no such user", "password": "x"},
    {"user": "locked", "password": "secret"}, {"user": "nobody", "password": ""},
    {"user": "native", "password": "secret", "database": "no_such_database"},
    {"user": "nobody", "password": "", "database": "mysql"},
])
def test_the_servers_own_login_error(server, proxy_, accounts, options):
    direct = login_error(server.port, **options)
    assert login_error(proxy_.port, **options) == direct
    assert (direct is None) == (options == {"user": "nobody", "password": ""})


def test_a_host_that_is_blocked_by_errors_is_not_made_by_the_proxy(proxy_):
    """Clients that leave in the handshake must not count as the proxy host's connect errors for ever."""
    for _ in range(20):
        with Wire(proxy_.port) as wire:
            wire.receive()
    with proxy_.connect() as connection:
        connection.ping()


# ---- commands ----

def command_script(database):
    """Requests of the C client whose answers do not depend on the run."""
    return [
        ("query", f"USE {database}"), ("query", "SELECT DATABASE(), @@autocommit, CONNECTION_ID() > 0"),
        ("ping",), ("stat",), ("db", database), ("db", "no_such_database"), ("list_fields", "users"),
        ("query", "SELECT 1; SELECT 2, NULL; DO 0"), ("option", "off"), ("query", "SELECT 1; SELECT 2"),
        ("option", "on"), ("query", "SELECT 1; SELECT nothing; SELECT 3"),
        ("query", "CALL two_results(3)"), ("query", "SET @x = 5; SELECT @x"),
        ("query", "INSERT INTO users (email, fullname) VALUES ('a', 'A'), ('b', 'B')"), ("info",),
        ("query", "INSERT IGNORE INTO users (email, fullname) VALUES ('a', 'A'), ('c', 'C')"), ("info",),
        ("query", "SHOW WARNINGS"), ("query", "SELECT LAST_INSERT_ID(), ROW_COUNT()"),
        ("query", "UPDATE users SET visits = 1"), ("info",), ("query", "SELECT SQL_CALC_FOUND_ROWS id FROM users LIMIT 1"),
        ("query", "SELECT FOUND_ROWS()"), ("query", ""), ("query", "SELECT"), ("query", "SELECT 'a\tb\\n', X'00FF'"),
        ("prepare", "p", "SELECT ?, ? + 1, id FROM users WHERE id <= ? ORDER BY id"),
        ("execute", "p", "str:x", "int:1", "int:3"), ("execute", "p", "null:", "double:1.5", "int:0"),
        ("open", "p", "1", "str:y", "int:1", "int:3"), ("fetch", "p", "2"), ("fetch", "p"),
        ("reset_statement", "p"), ("execute", "p", "str:x", "int:1", "int:1"), ("prepare", "bad", "SELECT nothing"),
        ("prepare", "w", "INSERT INTO users (email, fullname) VALUES (?, ?)"),
        ("long", "w", "1", "word ", "9", "str:long", "long:"), ("run", "w"), ("execute", "w", "str:long", "str:dup"),
        ("query", "SELECT fullname FROM users WHERE email = 'long'"), ("close", "p"), ("close", "w"),
        ("query", "CREATE TEMPORARY TABLE t (a INT); SET @x = 1, SESSION wait_timeout = 1234; BEGIN"),
        ("reset",), ("query", "SELECT @x, @@wait_timeout = 1234, DATABASE(), @@in_transaction"),
        ("query", "SELECT * FROM t"), ("query", "SET @x = 2"),
        ("change_user", "app", "app secret", "mysql"), ("query", "SELECT @x, DATABASE(), CURRENT_USER()"),
        ("change_user", "app", "wrong", "mysql"), ("query", "SELECT 1"),
    ]


def test_every_command_answers_as_the_server(server, proxy_, database):
    answers = []
    for port in (server.port, proxy_.port):
        name = database("commands")
        shop.create(server, name, users=4)
        server.query(f"CREATE PROCEDURE {name}.two_results(n INT) BEGIN SELECT n; SELECT n + 1, 'b'; END")
        with Client(port=port) as client:
            answers.append([(words[0], [[field.replace(name, "NAME") for field in line]
                                        for line in client(*words)])
                            for words in command_script(name)])
    assert answers[1] == answers[0]


def test_change_user_to_another_plugin(proxy_, accounts):
    for user in accounts:
        with Client(port=proxy_.port) as client:
            client.check("change_user", user, "secret", "mysql")
            assert client.query("SELECT CURRENT_USER(), DATABASE()") == [(f"{user}@%", "mysql")]
            client.check("change_user", "app", "app secret", "")
            assert client.query("SELECT CURRENT_USER()") == [("app@%",)]
            with pytest.raises(ClientError) as error:
                client.check("change_user", user, "wrong", "mysql")
            assert error.value.number == 1045


def test_kill_ends_the_session_that_was_meant(server, proxy_):
    with Client(port=proxy_.port) as victim, Client(port=proxy_.port) as killer:
        thread = victim.rows(victim("thread_id"))[0][0]
        assert victim.query("SELECT CONNECTION_ID()") == [(thread,)]
        killer.query(f"KILL {thread}")
        wait_until(lambda: server.value(f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {thread}") == 0)
        assert victim("query", "SELECT 1")[0][1] in ("2006", "2013", "1927")
        assert killer.query("SELECT 1") == [("1",)]


def test_a_long_query_is_killed_from_another_connection(proxy_):
    with Client(port=proxy_.port) as victim, proxy_.connect() as killer:
        thread = victim.rows(victim("thread_id"))[0][0]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(victim, "query", "SELECT SLEEP(60)")
            cursor = killer.cursor()

            def sleeping():
                cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s AND info LIKE %s",
                               (thread, "SELECT SLEEP%"))
                return cursor.fetchone()[0]

            wait_until(sleeping, what="the query to run")
            cursor.execute(f"KILL QUERY {thread}")
            answer = running.result(60)
        assert ["R", "1"] in answer or answer[-1][1] == "1317"
        assert victim.query("SELECT 1") == [("1",)]


# ---- statements and results of any size ----

def outcome(connect, sql, **options):
    with connect(**options) as connection:
        return twin.run(connection, sql, metadata="all")


@pytest.mark.parametrize("sql", [
    "SELECT 1; SELECT 'two', NULL; SELECT 3 FROM DUAL WHERE 0; DO 1",
    "SELECT 1; SELECT nothing; SELECT 3", ";", "SELECT 1;", "SELECT 1; ; SELECT 2", "/* only a comment */",
    "SELECT 1 -- the end", "SELECT SLEEP(0.001), 2; SELECT REPEAT('x', 70000)",
])
def test_several_statements_in_one_text(server, proxy_, sql):
    options = {"client_flag": CLIENT.MULTI_STATEMENTS}
    assert outcome(proxy_.connect, sql, **options) == outcome(server.connect, sql, **options)


# COM_QUERY's payload is one byte (the command) longer than its text; a row's, longer by its length's prefix.
SIZES = [0, 250, 251, 65535, 65536, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD - 1, 2 * MAX_PAYLOAD,
         40 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_a_statement_of_any_size(proxy_, size):
    shell = "SELECT SHA2('', 256)"
    text = "x" * max(0, size - 1 - len(shell))
    statement = f"SELECT SHA2('{text}', 256)"
    assert size < len(shell) or 1 + len(statement) == size
    with proxy_.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.fetchone()[0] == hashlib.sha256(text.encode()).hexdigest()
        cursor.execute("SELECT 1")
        assert cursor.fetchone()[0] == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_result_of_any_size(proxy_, size):
    prefix = 9 if size - 9 > MAX_PAYLOAD else 4 if size - 4 > 65535 else 3 if size - 3 > 250 else 1
    length = max(0, size - prefix)
    with proxy_.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT REPEAT('y', {length}) UNION ALL SELECT 'last'")
        rows = cursor.fetchall()
    assert len(rows[0][0]) == length and set(rows[0][0]) <= {"y"} and rows[1][0] == "last"


def test_a_big_insert_is_stored_whole(server, proxy_, database):
    name = database("big")
    server.query(f"CREATE TABLE {name}.b (id INT PRIMARY KEY, v LONGTEXT)")
    text = "0123456789abcdef" * (20 << 16)
    with proxy_.connect(database=name) as connection, connection.cursor() as cursor:
        assert cursor.execute("INSERT INTO b VALUES (1, %s)", (text,)) == 1
    assert server.value(f"SELECT SHA2(v, 256) FROM {name}.b") == hashlib.sha256(text.encode()).hexdigest()


def test_more_than_max_allowed_packet_gives_the_servers_error(server, proxy_):
    def error(port):
        with Wire(port) as wire:
            wire.login()
            try:
                return wire.query("SELECT LENGTH('" + "x" * (65 << 20) + "')")[:3]
            except (OSError, EOFError):
                return b"closed"
    # 1153 (0x0481), unless the server's reset of the connection overtook it.
    assert {error(server.port), error(proxy_.port)} <= {b"\xff\x81\x04", b"closed"}


def test_many_rows(server, proxy_, database):
    name = database("rows")
    sql = f"SELECT seq, REPEAT('r', seq % 200), NULLIF(seq % 3, 0) FROM {numbers(200000)}"
    results = []
    for connect in (server.connect, proxy_.connect):
        with connect(database=name) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            results.append(hashlib.md5(repr(cursor.fetchall()).encode()).hexdigest())
    assert results[0] == results[1]


def test_a_large_answer_keeps_nothing_back(server, proxy_):
    """The rest of a large answer is read by large pieces; neither what it stops at nor what comes behind it waits for
    more. The last row waits for a lock."""
    rows, row, unsent = 20000, "x" * 1000, 40  # the server itself keeps up to 16 KiB until it has more to send
    with server.connect() as other, other.cursor() as cursor, Wire(proxy_.port) as wire:
        cursor.execute("SELECT GET_LOCK('last row', 0)")
        wire.login()
        for statement in (f"SELECT IF(seq <= {rows}, '{row}', GET_LOCK('last row', 60)) FROM {numbers(rows + 1)}", "SELECT 2"):
            wire.send(bytes([COM_QUERY]) + statement.encode())
        wire.sequence = 1
        for _ in range(3):  # the number of columns, the definition, its end
            wire.receive()
        assert {wire.receive()[3:] for _ in range(rows - unsent)} == {row.encode()}
        cursor.execute("SELECT RELEASE_LOCK('last row')")
        assert [wire.receive()[3:] for _ in range(unsent)] == [row.encode()] * unsent
        assert wire.receive() == b"\x011" and wire.receive()[0] == 0xFE
        wire.sequence = 1
        for answer in (b"\x012", b"\x013"):
            assert [wire.receive() for _ in range(5)][3] == answer
            wire.send(bytes([COM_QUERY]) + b"SELECT 3")
            wire.sequence = 1


# ---- LOAD DATA LOCAL ----

@pytest.mark.parametrize("lines", [0, 1, 1000, 200000])
def test_load_data_local(server, proxy_, database, tmp_path, lines):
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{i},Name {i} {'x' * (i % 50)}\n" for i in range(lines)))
    outcomes = []
    for connect in (server.connect, proxy_.connect):
        name = database("load")
        server.query(f"CREATE TABLE {name}.l (id INT PRIMARY KEY, v VARCHAR(100))")
        with connect(database=name) as connection:
            result = twin.run(connection, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE l FIELDS TERMINATED BY ','")
            again = twin.run(connection, "SELECT COUNT(*), BIT_XOR(CRC32(CONCAT(id, v))) FROM l")
        outcomes.append((result, again))
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][1].results[0]["rows"][0][0] == lines


def test_load_data_local_of_a_missing_file(proxy_, server, database):
    name = database("load")
    server.query(f"CREATE TABLE {name}.l (id INT)")
    with proxy_.connect(database=name) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.MySQLError):
            cursor.execute("LOAD DATA LOCAL INFILE '/no/such/file' INTO TABLE l")
        cursor.execute("SELECT COUNT(*) FROM l")
        assert cursor.fetchone()[0] == 0


# ---- listeners, many clients, flow ----

def test_the_unix_socket_listens_too(proxy_):
    with Client(socket=proxy_.socket) as client:
        assert client.query("SELECT CURRENT_USER()") == [("app@%",)]


def test_a_backend_on_a_unix_socket(server):
    with Proxy(server, backend=f"unix:{server.socket}") as proxy:
        server.query("CREATE USER 'app'@'localhost' IDENTIFIED BY 'app secret'")
        server.query("CREATE USER 'crossfade'@'localhost' IDENTIFIED BY 'control secret'")
        try:
            with Client(port=proxy.port) as client:
                assert client.query("SELECT USER()") == [("app@localhost",)]
        finally:
            server.query("DROP USER 'app'@'localhost', 'crossfade'@'localhost'")


def test_many_clients_at_once(proxy_):
    def work(number):
        with proxy_.connect() as connection, connection.cursor() as cursor:
            for i in range(20):
                cursor.execute("SELECT %s, REPEAT(%s, 1000)", (number * 1000 + i, "z"))
                assert cursor.fetchone()[0] == number * 1000 + i
        return True

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert all(pool.map(work, range(100)))


def test_a_slow_reader_is_waited_for_in_bounded_memory(server, proxy_):
    with proxy_.connect() as connection:
        connection.ping()
    before = proxy_.rss_bytes()
    size = 512 << 20
    with Wire(proxy_.port, receive_buffer=65536) as wire:
        wire.login()
        wire.send(f"\x03SELECT REPEAT('s', 1048576) FROM {numbers(512)}".encode())
        wire.sequence = 1
        assert wire.receive() == b"\x01"
        # The server has sent what the kernel's and the proxy's buffers hold, and waits.
        wait_until(lambda: server.query("SELECT id FROM information_schema.processlist WHERE state = 'Writing to net' "
                                        "OR state LIKE 'Sending %'"), what="the server to wait for the reader")
        seen = [proxy_.rss_bytes()]
        received = 0
        wire.receive(), wire.receive()
        while True:
            row = wire.receive()
            seen.append(proxy_.rss_bytes())
            if row[0] == 0xFE and len(row) < 9:
                break
            received += len(row) - 4
    assert received == size
    assert max(seen) - before < 32 << 20, f"{(max(seen) - before) >> 20} MiB more for one slow reader"


def test_a_slow_backend_holds_the_sender_in_bounded_memory(server, proxy_, database, tmp_path):
    """The server takes LOAD DATA's rows one by one, slowly: the rest of the file must wait in the client."""
    name = database("slow")
    server.query(f"CREATE TABLE {name}.l (n INT)")
    rows, size = 30, 4 << 20
    path = tmp_path / "rows.csv"
    path.write_text(("x" * (size - 1) + "\n") * rows)
    before = proxy_.rss_bytes()
    seen = []

    def load():
        with proxy_.connect(database=name) as connection, connection.cursor() as cursor:
            return cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE l (@v) "
                                  "SET n = LENGTH(@v) + SLEEP(0.05)")

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        wait_until(lambda: seen.append(proxy_.rss_bytes()) or loading.done(), what="the rows to be loaded")
        assert loading.result() == rows
    assert server.value(f"SELECT SUM(n) FROM {name}.l") == rows * (size - 1)
    assert max(seen) - before < 32 << 20, f"{(max(seen) - before) >> 20} MiB more for one slow backend"


def test_results_beside_an_open_cursor(proxy_, database):
    """A routine's own cursor sets the flag in its results that else tells of a cursor for the client."""
    with proxy_.connect(database=database()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE PROCEDURE p() BEGIN DECLARE a INT; DECLARE c CURSOR FOR SELECT 1 UNION SELECT 2; OPEN c; "
                       "FETCH c INTO a; SELECT a, 'row'; FETCH c INTO a; SELECT a, 'row'; CLOSE c; END")
        cursor.execute("CALL p()")
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        assert found == [((1, "row"),), ((2, "row"),), ()]
        connection.ping(reconnect=False)


def test_more_columns_than_sixteen_bits_count(proxy_, server):
    """MariaDB gives them; MySQL has a bound."""
    counts = []
    for side in (server, proxy_):
        with side.connect() as connection, connection.cursor() as cursor:
            try:
                cursor.execute("SELECT " + ", ".join(["1"] * 66000))
                counts.append(len(cursor.fetchone()))
            except pymysql.MySQLError as error:
                counts.append(error.args)
            connection.ping(reconnect=False)
    assert counts[0] == counts[1]


def test_a_client_that_goes_waits_for_no_lock(proxy_, server):
    """The backend hears of it while the statement waits, as on a direct connection."""
    server.query("DO GET_LOCK('gone', 0)")
    client = proxy_.connect()
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"
    client._execute_command(3, "SELECT GET_LOCK('gone', 3600)")
    wait_until(lambda: server.value(waiting) == 1, what="the wait for the lock")
    client._force_close()
    wait_until(lambda: server.value(waiting) == 0, what="its end")
    server.query("DO RELEASE_LOCK('gone')")


def test_a_client_that_closes_one_direction_gets_its_answer(proxy_):
    client = proxy_.connect()
    client._execute_command(3, "SELECT SLEEP(0.2), 'still here'")
    client._sock.shutdown(socket.SHUT_WR)
    assert b"still here" in client._rfile.read()


@pytest.mark.parametrize("size", [1, 5 << 20])
def test_quit_ends_both_sides_behind_the_answer(server, proxy_, size):
    """Neither side's own end is waited for, nothing of the answer is lost, and the server is told."""
    def aborted():
        """Once all connections have ended, those of earlier tests too."""
        here = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'"
        wait_until(lambda: server.value(here) == 0, what="the backend's connections to end")
        return server.query("SHOW GLOBAL STATUS LIKE 'Aborted_clients'")

    before = aborted()
    with Wire(proxy_.port) as wire:
        assert wire.login()[0] == 0
        commands = bytes([COM_QUERY]) + f"SELECT REPEAT('s', {size}), 'end'".encode(), bytes([COM_QUIT]), bytes([COM_PING])
        wire.socket.sendall(b"".join(Wire.frame(command) for command in commands))
        with wire.socket.makefile("rb") as file:
            answer = file.read()
    assert answer.count(b"s" * size + b"\x03end") == 1 and len(answer) < size + 500
    assert aborted() == before


@pytest.mark.parametrize("moment", ["before login", "half a header", "half a packet", "in a result", "in a transaction"])
def test_clients_that_leave_at_odd_moments(server, proxy_, moment):
    for _ in range(5):
        wire = Wire(proxy_.port)
        if moment != "before login":
            assert wire.login()[0] == 0
        if moment == "half a header":
            wire.socket.sendall(b"\x05\x00")
        elif moment == "half a packet":
            wire.socket.sendall(b"\x50\x00\x00\x00\x03SELECT")
        elif moment == "in a result":
            wire.send(b"\x03SELECT REPEAT('s', 1048576) FROM mysql.help_topic LIMIT 100")
            wire.sequence = 1
            wire.receive()
        elif moment == "in a transaction":
            wire.query("BEGIN")
            wire.query("SELECT 1")
        wire.close()
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user IN "
                                    "('app', 'unauthenticated user')") == 0, what="the backend's connections to end")
    with proxy_.connect() as connection:
        connection.ping()


def test_garbage_instead_of_a_handshake(proxy_):
    for junk in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5000, b"\x01\0\0\x01\0", b"\0\0\0\x01"):
        with Wire(proxy_.port, timeout=20) as wire:
            wire.receive()
            try:
                wire.socket.sendall(junk)
                wire.socket.shutdown(1)
                while wire.socket.recv(65536):
                    pass
            except OSError:
                pass
    with proxy_.connect() as connection:
        connection.ping()


def test_connections_leave_nothing_behind(proxy_):
    with proxy_.connect() as connection:
        connection.ping()
    idle = wait_until(proxy_.fd_count)
    for _ in range(100):
        proxy_.connect().close()
    wait_until(lambda: proxy_.fd_count() <= idle + 2, what="the sockets to be closed")


@pytest.mark.load  # of the release build: a sanitizer's memory is not the program's
def test_a_thousand_idle_connections_are_cheap(server, proxy):
    own = proxy()
    before = own.rss_bytes()
    idle = []
    try:
        for _ in range(1000):
            idle.append(Wire(own.port))
            assert idle[-1].login()[0] == 0
            idle[-1].query("SELECT 1")
        each = (own.rss_bytes() - before) / len(idle)
    finally:
        for wire in idle:
            wire.close()
    assert each < 64 << 10, f"{each / 1024:.1f} KiB a connection"
