"""libmariadb from Python: tests/e2e/clients/driver.c, one call at a time.

PyMySQL speaks the text protocol only; this speaks the binary one too, and the commands that have no SQL.
"""

import datetime
import os
import pathlib
import re
import subprocess

from .process import Failure, die_with_parent, repository
from .server import APP_PASSWORD, APP_USER

ESCAPES = [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n")]


def escape(text):
    for plain, escaped in ESCAPES:
        text = text.replace(plain, escaped)
    return text


def unescape(field):
    return re.sub(r"\\(.)", lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), field)


def value(argument):
    """A Python value in the driver's notation: 5 → int:5, "x" → str:x, None → null:."""
    if argument is None:
        return "null:"
    if isinstance(argument, int):
        return f"int:{argument}"
    if isinstance(argument, float):
        return f"double:{argument!r}"
    if isinstance(argument, bytes):
        return f"blob:{argument.decode()}"
    if isinstance(argument, (datetime.date, datetime.time)):
        return f"{type(argument).__name__}:{argument}"
    return f"str:{argument}"


class ClientError(Exception):
    """An ERR line: .number, .state, .text."""

    def __init__(self, number, state, text):
        super().__init__(f"({number}) {text}")
        self.number, self.state, self.text = int(number), state, text


class Client:
    """`with Client(port=…) as c:` c("prepare", "s", "SELECT …") gives the answer's lines as lists of fields."""

    def __init__(self, *, port=0, socket="", user=APP_USER, password=APP_PASSWORD, database="", auth="",
                 connect=True):
        build = pathlib.Path(repository(), os.environ.get("CROSSFADE_BUILD", "build"), "clients/driver")
        if not build.exists():
            build = pathlib.Path(repository(), "build/clients/driver")
        if not build.exists():
            raise Failure(f"{build} is not built: run make clients")
        self.process = subprocess.Popen([str(build)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=die_with_parent)
        if connect:
            host = "" if socket else "127.0.0.1"
            self.check("connect", host, str(port), str(socket), user, password, database, auth)

    def __call__(self, *words):
        line = "\t".join(escape(str(word)) for word in words) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = []
        while True:
            text = self.process.stdout.readline().decode(errors="replace")
            if not text:
                raise Failure(f"the client ended (status {self.process.wait()}) at {words}")
            if text == ".\n":
                return answer
            answer.append(text.rstrip("\n").split("\t"))

    def check(self, *words):
        """As a call, but an ERR line is raised."""
        answer = self(*words)
        for line in answer:
            if line[0] == "ERR":
                raise ClientError(*line[1:4])
        return answer

    @staticmethod
    def rows(answer):
        return [tuple(None if field == "\\N" else unescape(field) for field in line[1:]) for line in answer if line[0] == "R"]

    @staticmethod
    def names(answer):
        return [line[1] for line in answer if line[0] == "C"]

    def query(self, sql):
        """The rows of a text query (all its results)."""
        return self.rows(self.check("query", sql))

    def prepare(self, name, sql):
        return self.check("prepare", name, sql)

    def execute(self, name, *arguments):
        """The rows of a prepared statement's execution."""
        return self.rows(self.check("execute", name, *map(value, arguments)))

    def again(self, name, *arguments):
        return self.rows(self.check("again", name, *map(value, arguments)))

    def affected(self, name, *arguments):
        """The affected rows of a prepared statement's execution."""
        return int(self.check("execute", name, *map(value, arguments))[-1][1])

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
