"""What the server makes of the test suite's statements: which of them it parses, and which tables there are.

Every script goes through one session of a private server. A statement is judged by PREPARE: it is parsed and resolved,
and nothing runs. What decides how later statements read does run: DDL of tables, views and databases, USE, and SET of
the session. So each statement is known with its sql_mode, its character set, its default database and the tables as
they were, exactly as the proxy would know them.
"""

import re
import struct
from typing import NamedTuple

import pymysql

# The answers that say that the text itself was not understood: syntax errors, and a number that no double holds.
SYNTAX_ERRORS = {1064, 1149, 1367}
CONNECTION_LOST = {0, 2006, 2013}
COM_STMT_PREPARE, COM_STMT_CLOSE = 0x16, 0x19

# How a session of the judge begins, and how it asks whatever the script has set.
BEGIN = {"mariadb": b"SET default_storage_engine=MyISAM, max_statement_time=2, lock_wait_timeout=2",
         "mysql": b"SET max_execution_time=2000, lock_wait_timeout=2"}
UNBOUND = {"mariadb": b"SET STATEMENT sql_select_limit=DEFAULT, max_statement_time=0 FOR %s",
           "mysql": b"%s"}

RUN = re.compile(r"""\s*(?:
    create\s+(?:or\s+replace\s+)?(?:temporary\s+)?(?:table|database|schema|sequence|(?:unique\s+)?index)\b |
    create\s+(?:or\s+replace\s+)?(?:algorithm\s*=\s*\w+\s+)?view\b |
    drop\s+(?:temporary\s+)?(?:tables?|view|database|schema|index|sequence)\b |
    alter\s+(?:online\s+|ignore\s+)*(?:table|view|database)\b | rename\s+tables?\b | use\b | set\b(?!\s+statement) )""", re.I | re.X)
# Not on this server: its own tables, other sessions' settings, files outside of its directory.
DO_NOT_RUN = re.compile(r"\b(mysql|global|password|performance_schema|directory|debug\w*|role|sleep)\b", re.I)
CHANGES_TABLES = re.compile(r"\s*(create|drop|alter|rename)\b", re.I)
CREATES_TEMPORARY = re.compile(r"\s*create\s+(?:or\s+replace\s+)?temporary\s+(?:table|sequence)\s+(?:if\s+not\s+exists\s+)?([\w.`$]+)", re.I)
SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}
EMPTY_DATABASE = "crossfade_empty"


class Statement(NamedTuple):
    text: str   # one character a byte
    code: int   # the server's answer to PREPARE; 0: none
    mode: str
    charset: str
    database: str
    tables: int  # index of Suite.tables: the tables as they were before it
    temporaries: tuple

    @property
    def parsed(self):
        return self.code not in SYNTAX_ERRORS


class Judge:
    """read(script's texts) gives its Statements; .tables[n] are {(database, table): SHOW CREATE TABLE}."""

    def __init__(self, server):
        self.server = server
        self.tables = [{}]
        self.session = None

    def read(self, texts):
        self.begin()
        return [self.judge(text) for text in texts]

    # ---- one script

    def begin(self):
        """A new session and no tables."""
        if self.session:
            self.session.close()
        if not self.server.running:
            self.server.start()
        for (name,) in self.server.query("SHOW DATABASES"):
            if name not in SYSTEM:
                self.server.query(f"DROP DATABASE `{name.replace('`', '``')}`")
        self.server.query("CREATE DATABASE test")
        self.session = pymysql.connect(unix_socket=str(self.server.socket), user="root", charset="latin1", autocommit=True,
                                       database="test", use_unicode=False)
        self.temporaries = []
        self.current = self.remember({})
        self.send(BEGIN[self.server.family])
        self.ask_session()

    def send(self, text):
        """The error's number, or 0."""
        try:
            self.session.query(text)
            return 0
        except pymysql.err.MySQLError as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            if code in CONNECTION_LOST:
                raise
            return code

    def prepare(self, body):
        """As send(), by COM_STMT_PREPARE: the text is read as that of a query would be, and nothing runs."""
        self.session._execute_command(COM_STMT_PREPARE, body)
        try:
            answer = self.session._read_packet()
        except pymysql.err.MySQLError as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            if code in CONNECTION_LOST:
                raise
            return code
        number, columns, parameters = struct.unpack_from("<IHH", answer.get_all_data(), 1)
        for count in (parameters, columns):
            for _ in range(count + 1 if count else 0):  # definitions, then an EOF
                self.session._read_packet()
        self.session._execute_command(COM_STMT_CLOSE, struct.pack("<I", number))
        return 0

    def value(self, sql):
        """The first row's values; a script may have chosen any character set for results."""
        with self.session.cursor() as cursor:
            cursor.execute(UNBOUND[self.server.family] % sql.encode("latin1"))
            return [value if value is None else value.replace(b"\0", b"").decode("latin1") for value in cursor.fetchone()]

    def ask_session(self):
        mode, charset, database = self.value("SELECT @@sql_mode, @@character_set_client, DATABASE() LIMIT 1")
        self.mode, self.charset, self.database = mode or "", charset, database or EMPTY_DATABASE

    def judge(self, text):
        body = text.encode("latin1")
        code = self.prepare(body) if body else 0
        statement = Statement(text, code, self.mode, self.charset, self.database, self.current, tuple(self.temporaries))
        if RUN.match(text) and not DO_NOT_RUN.search(text) and self.database not in SYSTEM:
            self.run(text, body)
        return statement

    def run(self, text, body):
        if self.send(body):
            return
        self.ask_session()
        created = CREATES_TEMPORARY.match(text)
        if created and created[1] not in self.temporaries:
            self.temporaries.append(created[1])
        if CHANGES_TABLES.match(text):
            self.temporaries = [name for name in self.temporaries if self.is_temporary(name)]
            self.current = self.remember(self.base_tables())

    def is_temporary(self, name):
        try:
            return self.value(f"SHOW CREATE TABLE {name}")[1].startswith(("CREATE TEMPORARY", "CREATE OR REPLACE TEMPORARY"))
        except pymysql.err.MySQLError:
            return False

    def base_tables(self):
        found = {}
        for database, name in self.server.query(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type LIKE '%TABLE' OR table_type"
                " LIKE 'SYSTEM VERSIONED' HAVING table_schema NOT IN ('mysql','information_schema','performance_schema','sys')"):
            quoted = ".".join(f"`{part.replace('`', '``')}`" for part in (database, name))
            try:
                found[database, name] = self.server.query(f"SHOW CREATE TABLE {quoted}")[0][1]
            except pymysql.err.MySQLError:
                continue  # a table that cannot be opened
        return found

    def remember(self, tables):
        if self.tables[-1] != tables:
            self.tables.append(tables)
        return len(self.tables) - 1
