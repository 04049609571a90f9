"""PyMySQL and mysqlclient (MySQLdb) through the common scenario: scenario.py pymysql|mysqldb PLAN.

PLAN is what run.py made of cases.txt: a line an operation, its fields separated by tabs. Everything that the
connector tells is printed, one fact a line, so that two runs can be compared byte for byte.
"""

import datetime
import hashlib
import os
import re
import sys
import tempfile


def unescape(field):
    return re.sub(r"\\(.)", lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), field)


def value(text):
    kind, _, rest = text.partition(":")
    if kind in ("null", "out"):
        return None
    if kind in ("int", "big"):
        return int(rest)
    if kind == "double":
        return float(rest)
    if kind == "blob":
        return bytes.fromhex(rest)
    if kind == "date":
        return datetime.datetime.fromisoformat(rest)
    return rest


def markers(sql):
    """Both drivers take %s for ?."""
    return sql.replace("%", "%%").replace("?", "%s")


class Unsupported(Exception):
    pass


class Scenario:
    """What the two drivers have in common, which is the DB-API."""

    def __init__(self):
        self.connection = None
        self.prepared = {}

    def settings(self, words):
        options = dict(word.split("=", 1) for word in words)
        environment = os.environ
        return {"host": environment["DB_HOST"], "port": int(environment["DB_PORT"]),
                "user": options.get("user", environment["DB_USER"]),
                "password": options.get("password", "" if "user" in options else environment["DB_PASSWORD"]),
                "database": options.get("db", environment["DB_NAME"]), "charset": options.get("charset", "utf8mb4"),
                "autocommit": True}, options

    def connect(self, *words):
        if self.connection is not None:
            try:
                self.connection.close()
            except self.driver.Error as error:
                self.tell_error(error)
            self.connection = None
        self.connection = self.open(*self.settings(words))

    def run(self, path):
        with open(path, encoding="utf-8") as plan:
            for line in plan:
                operation, *fields = [unescape(field) for field in line.rstrip("\n").split("\t")]
                print(f"> {line.rstrip()}"[:200])
                try:
                    getattr(self, "do_" + operation)(*fields)
                except Unsupported as error:
                    print(f"unsupported: {error}")
                except (self.driver.Error, self.driver.Warning) as error:
                    self.tell_error(error)
                except (TypeError, ValueError, AttributeError, UnicodeError, OSError, RuntimeError) as error:
                    print(f"driver: {type(error).__name__}: {error}")
                sys.stdout.flush()

    def tell_error(self, error):
        print(f"error {type(error).__name__} {error.args!r}")

    # ---- operations

    def do_section(self, name):
        pass

    def do_connect(self, *words):
        self.connect(*words)
        print("connected", self.facts())

    def do_query(self, sql):
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            self.tell_results(cursor)
        finally:
            self.shut(cursor)

    def shut(self, cursor):
        try:
            cursor.close()
        except self.driver.Error as error:
            self.tell_error(error)

    def tell_results(self, cursor):
        while True:
            self.tell_result(cursor)
            if not cursor.nextset():
                break

    def tell_result(self, cursor):
        for name, kind, _, size, precision, scale, null_ok in cursor.description or []:
            print(f"column {name} | type={kind} | size={size} precision={precision} scale={scale} null={null_ok}")
        for field in self.columns(cursor):
            print("column", field)
        for row in cursor.fetchall() if cursor.description else []:
            print("row", self.short(row))
        print("result", cursor.rowcount, cursor.lastrowid, self.facts())

    @staticmethod
    def short(row):
        return [item if not isinstance(item, (str, bytes)) or len(item) < 400 else
                (len(item), hashlib.md5(item.encode() if isinstance(item, str) else item).hexdigest()) for item in row]

    def do_warnings(self):
        self.do_query("SHOW WARNINGS")

    def do_prepare(self, name, sql):
        self.prepared[name] = markers(sql)

    def do_execute(self, name, *arguments):
        cursor = self.connection.cursor()
        try:
            cursor.execute(self.prepared[name], tuple(value(argument) for argument in arguments))
            self.tell_results(cursor)
        finally:
            self.shut(cursor)

    def do_close(self, name):
        del self.prepared[name]

    def do_many(self, sql, *rows):
        cursor = self.connection.cursor()
        try:
            cursor.executemany(markers(sql), [tuple(value(field) for field in row.split(",")) for row in rows])
            print("result", cursor.rowcount, cursor.lastrowid, self.facts())
        finally:
            self.shut(cursor)

    def do_begin(self):
        self.connection.begin() if hasattr(self.connection, "begin") else self.connection.query("BEGIN")
        print("begun", self.facts())

    def do_commit(self):
        self.connection.commit()
        print("committed", self.facts())

    def do_rollback(self):
        self.connection.rollback()
        print("rolled back", self.facts())

    def do_autocommit(self, switch):
        self.connection.autocommit(switch == "1")
        print("autocommit", self.facts())

    def do_ping(self):
        self.ping()
        print("pong", self.facts())

    def do_reset(self):
        raise Unsupported("COM_RESET_CONNECTION")

    def do_change_user(self, *_):
        raise Unsupported("COM_CHANGE_USER")

    def do_select_db(self, name):
        self.connection.select_db(name)
        print("selected", self.facts())

    def do_load(self, sql, content):
        with tempfile.TemporaryDirectory() as directory:
            name = os.path.join(directory, "data")
            with open(name, "w", encoding="utf-8") as file:
                file.write(content)
            self.do_query(sql.replace("$FILE", name))

    def do_big(self, size):
        """A row of that size there and back."""
        content = (b"0123456789abcdef'\\\n\x00" * (int(size) // 20 + 1))[:int(size)]
        cursor = self.connection.cursor()
        try:
            cursor.execute("INSERT INTO notes (title, body) VALUES (%s, %s)", ("big", content))
            print("stored", cursor.rowcount)
            cursor.execute("SELECT title, body, LENGTH(body) FROM notes WHERE title = 'big'")
            for title, body, length in cursor.fetchall():
                print(title, len(body), length, hashlib.md5(body).hexdigest(), body == content)
            cursor.execute("DELETE FROM notes WHERE title = 'big'")
        finally:
            self.shut(cursor)

    def do_call(self, name, *arguments):
        cursor = self.connection.cursor()
        try:
            print(cursor.callproc(name, [value(argument) for argument in arguments]))
            self.tell_results(cursor)
            cursor.execute("SELECT " + ", ".join(f"@_{name}_{n}" for n in range(len(arguments))))
            print("out", cursor.fetchall())
        finally:
            self.shut(cursor)

    def do_stream(self, sql, count):
        cursor = self.connection.cursor(self.driver.cursors.SSCursor)
        try:
            cursor.execute(sql)
            for row in cursor.fetchmany(int(count)):
                print("row", row)
        finally:
            self.shut(cursor)
        print("result", cursor.rowcount, self.facts())

    def do_cursor(self, *_):
        raise Unsupported("cursors")

    def do_async(self, sql):
        raise Unsupported("asynchronous calls")


class PyMySQL(Scenario):
    def __init__(self):
        super().__init__()
        import pymysql
        import pymysql.cursors
        self.driver = pymysql

    def open(self, settings, options):
        flags = pymysql_flags(options)
        if options.get("compress"):
            raise Unsupported("compression")
        if os.environ["DB_TLS"] == "1":
            settings["ssl"] = {"ca": os.environ["DB_CA"], "check_hostname": False} if os.environ.get("DB_CA") else {"ssl": True}
        return self.driver.connect(client_flag=flags, local_infile=True, max_allowed_packet=1 << 30, **settings)

    def facts(self):
        connection = self.connection
        result = connection._result
        facts = [f"autocommit={connection.get_autocommit()}", f"status={connection.server_status}"]
        if result is not None:
            facts += [f"warnings={result.warning_count}", f"info={result.message!r}", f"insert_id={connection.insert_id()}",
                      f"affected={connection.affected_rows()}"]
        return " ".join(facts)

    @staticmethod
    def columns(cursor):
        result = cursor._result
        for field in getattr(result, "fields", None) or []:
            yield (f"{field.name} | type={field.type_code} charset={field.charsetnr} | decimals={field.scale} {field.catalog} {field.db} "
                   f"{field.table_name} {field.org_table} {field.org_name} length={field.length} flags={field.flags}")

    def ping(self):
        self.connection.ping(reconnect=False)

    def do_charset(self, name):
        self.connection.set_charset(name)
        print("charset", self.connection.character_set_name(), self.connection.encoding)


def pymysql_flags(options):
    from pymysql.constants import CLIENT
    return (CLIENT.MULTI_STATEMENTS if options.get("multi") else 0) | (CLIENT.FOUND_ROWS if options.get("found_rows") else 0)


class MySQLdbScenario(Scenario):
    def __init__(self):
        super().__init__()
        import MySQLdb
        import MySQLdb.cursors
        self.driver = MySQLdb

    def open(self, settings, options):
        from MySQLdb.constants import CLIENT
        flags = CLIENT.FOUND_ROWS if options.get("found_rows") else 0
        autocommit = settings.pop("autocommit")
        if options.get("multi"):
            flags |= CLIENT.MULTI_STATEMENTS
        else:
            settings["init_command"] = "SET @begun = 1"
        if options.get("compress"):
            settings["compress"] = True
        if os.environ["DB_TLS"] == "1":
            settings["ssl"] = {"ca": os.environ.get("DB_CA") or None, "cipher": "DEFAULT"}
        connection = self.driver.connect(client_flag=flags, local_infile=1, binary_prefix=True, **settings)
        connection.autocommit(autocommit)
        return connection

    def facts(self):
        connection = self.connection
        return (f"autocommit={connection.get_autocommit()} info={connection.info()!r} insert_id={connection.insert_id()} "
                f"affected={connection.affected_rows()} warnings={connection.warning_count()} "
                f"fields={connection.field_count()} charset={connection.character_set_name()}")

    @staticmethod
    def columns(cursor):
        for column, flags in zip(cursor.description or [], cursor.description_flags or []):
            yield f"{column[0]} | | flags={flags}"

    def ping(self):
        self.connection.ping()

    def do_charset(self, name):
        self.connection.set_character_set(name)
        print("charset", self.connection.get_character_set_info())

    def do_change_user(self, user, password, database):
        self.connection.change_user(user, password, database)
        print("changed", self.facts())


if __name__ == "__main__":
    {"pymysql": PyMySQL, "mysqldb": MySQLdbScenario}[sys.argv[1]]().run(sys.argv[2])
