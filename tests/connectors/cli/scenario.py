"""The `mariadb` command line through the common scenario: scenario.py PLAN.

Each stretch of queries goes through the client as one script, three times over: -vvv with column types, as a batch
with warnings, and vertically (--vertical) with unbuffered results (--quick). Their outputs are printed as they are.
"""

import os
import re
import subprocess
import sys
import tempfile

WAYS = [["-vvv", "--column-type-info", "--table"], ["--batch", "--raw", "--show-warnings"], ["--vertical", "--quick", "--binary-mode"]]


def unescape(field):
    return re.sub(r"\\(.)", lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), field)


class Scenario:
    """Gathers queries until something else comes, then runs them."""

    def __init__(self):
        self.words, self.script = {}, []

    def run(self, path):
        with open(path, encoding="utf-8") as plan:
            for line in plan:
                operation, *fields = [unescape(field) for field in line.rstrip("\n").split("\t")]
                self.step(operation, fields)
        self.flush()

    def step(self, operation, fields):
        if operation == "connect":
            self.flush()
            self.words = dict(word.split("=", 1) for word in fields)
            self.tell(operation, fields)
        elif operation == "query":
            self.script.append(fields[0])
        elif operation == "warnings":
            self.script.append("SHOW WARNINGS")
        elif operation in ("begin", "commit", "rollback"):
            self.script.append(operation.upper())
        elif operation == "autocommit":
            self.script.append(f"SET autocommit = {fields[0]}")
        elif operation in ("select_db", "charset"):
            self.script.append(f"\\{'u' if operation == 'select_db' else 'C'} {fields[0]}\n")
        elif operation == "load":
            self.load(*fields)
        elif operation not in ("section", "change_user"):
            self.flush()
            self.tell(operation, fields)
            print(f"unsupported: {operation}")

    @staticmethod
    def tell(operation, fields):
        print("> " + " ".join([operation, *fields])[:180], flush=True)

    def load(self, sql, content=""):
        self.flush()
        self.tell("load", [sql])
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/data", "w", encoding="utf-8") as file:
                file.write(content)
            self.script.append(sql.replace("$FILE", f"{directory}/data"))
            self.flush(ways=WAYS[:1], directory=directory)

    def where(self):
        environment, words = os.environ, self.words
        user = words.get("user", environment["DB_USER"])
        password = words.get("password", "" if "user" in words else environment["DB_PASSWORD"])
        return [f"--host={environment['DB_HOST']}", f"--port={environment['DB_PORT']}", "--protocol=TCP", f"--user={user}",
                f"--password={password}", f"--default-character-set={words.get('charset', 'utf8mb4')}", "--connect-timeout=10",
                *(["--ssl"] if environment["DB_TLS"] == "1" else ["--skip-ssl"])]

    def flush(self, ways=None, directory=None):
        if not self.script:
            return
        words = self.words
        # A text of several statements keeps its semicolons by another delimiter.
        text = "DELIMITER $$\n" + "".join(sql if sql.startswith("\\") else sql + "\n$$\n" for sql in self.script)
        for way in ways or WAYS:
            command = ["mariadb", "--no-defaults", *self.where(), "--force", "--unbuffered", "--local-infile=1", *way,
                       *(["--compress"] if words.get("compress") else []), words.get("db", os.environ["DB_NAME"])]
            self.tell("mariadb", way)
            done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            output = done.stdout.decode("utf-8", "backslashreplace")
            print(output.replace(directory, "$DIRECTORY") if directory else output)
            print(f"status {done.returncode}", flush=True)
        self.script = []


if __name__ == "__main__":
    Scenario().run(sys.argv[1])
