"""The server as the judge: the same statements run direct on one database and proxied on its twin.

Both databases begin the same. Whatever a statement gives (rows, names and types of the result's columns,
affected rows, insert ids, warnings, errors) must be the same on both sides; and when it is over, the twins'
old columns must hold the same rows, and the proxied one's new columns what forward gives.
"""

import pymysql

from .process import Failure


class Outcome:
    """What one statement gave, in a form that compares and reads well."""

    def __init__(self):
        self.results = []
        self.error = None
        self.warnings = None

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return f"results={self.results!r} error={self.error!r} warnings={self.warnings!r}"


def describe_column(field, metadata):
    """What a client may know of a result's column. `metadata`: "names" or "all"."""
    column = {"name": field.name}
    if metadata == "all":
        column.update(table=field.table_name, org_table=field.org_table, org_name=field.org_name,
                      charset=field.charsetnr, type=field.type_code, flags=field.flags, length=field.length,
                      scale=field.scale)
    elif metadata == "types":
        column.update(type=field.type_code, scale=field.scale)
    return tuple(column.items())


def run(connection, sql, arguments=None, metadata="names"):
    """Runs a text (several statements with CLIENT.MULTI_STATEMENTS) and gathers everything it gives."""
    outcome = Outcome()
    cursor = connection.cursor()
    try:
        cursor.execute(sql, arguments)
        while True:
            result = cursor._result
            outcome.results.append({
                "rows": list(cursor.fetchall()),
                "columns": [describe_column(field, metadata) for field in getattr(result, "fields", None) or []],
                "affected": result.affected_rows, "insert_id": result.insert_id,
                "warnings": result.warning_count, "status": (result.server_status or 0) & ~STATUS_NOT_COMPARED,
            })
            if not cursor.nextset():
                break
        if any(result["warnings"] for result in outcome.results):
            cursor.execute("SHOW WARNINGS")
            outcome.warnings = list(cursor.fetchall())
    except pymysql.MySQLError as error:
        outcome.error = error.args
    finally:
        cursor.close()
    return outcome


# SERVER_QUERY_NO_GOOD_INDEX_USED, SERVER_QUERY_NO_INDEX_USED, SERVER_QUERY_WAS_SLOW: the plan's, not the answer's.
STATUS_NOT_COMPARED = 16 | 32 | 2048


class Twin:
    """Two connections whose default databases are twins: `direct` on the server and `proxied` through the proxy.

    `tables` maps each compared table to the columns that the old application knows."""

    def __init__(self, server, proxy, direct, proxied, tables, migrations=(), **connection):
        self.server, self.proxy = server, proxy
        self.names = {"direct": direct, "proxied": proxied}
        self.tables, self.migrations = tables, list(migrations)
        self.direct = server.connect(database=direct, **connection)
        self.proxied = proxy.connect(database=proxied, **connection)

    def _normal(self, value):
        """Error and warning texts name the database."""
        if isinstance(value, str):
            return value.replace(self.names["proxied"], self.names["direct"])
        if isinstance(value, (tuple, list)):
            return type(value)(self._normal(item) for item in value)
        if isinstance(value, dict):
            return {key: self._normal(item) for key, item in value.items()}
        return value

    def same(self, sql, arguments=None, metadata="names"):
        """Runs it on both sides; Failure where they differ, else the outcome."""
        direct = run(self.direct, sql, arguments, metadata)
        proxied = run(self.proxied, sql, arguments, metadata)
        for outcome in (direct, proxied):
            outcome.__dict__.update({key: self._normal(value) for key, value in vars(outcome).items()})
        if direct != proxied:
            raise Failure(f"the twins differ for: {sql!r} {arguments!r}\n direct  {direct!r}\n proxied {proxied!r}")
        return proxied

    def same_error(self, sql, number, arguments=None):
        """As same(), and the error must be this one."""
        outcome = self.same(sql, arguments)
        if outcome.error is None or outcome.error[0] != number:
            raise Failure(f"expected error {number} for {sql!r}, got {outcome!r}")

    def refused(self, sql, arguments=None):
        """Only proxied: crossfade's own error 1105; gives its text."""
        outcome = run(self.proxied, sql, arguments)
        if outcome.error is None or outcome.error[0] != 1105 or not outcome.error[1].startswith("crossfade: "):
            raise Failure(f"expected crossfade's refusal of {sql!r}, got {outcome!r}")
        return outcome.error[1]

    def check_tables(self, drift=True):
        """The twins' old shape row by row, read behind the proxy's back, and the drift."""
        for table, columns in self.tables.items():
            names = ", ".join(f"`{column}`" for column in columns)
            rows = [self.server.query(f"SELECT {names} FROM `{database}`.`{table}` ORDER BY 1")
                    for database in (self.names["direct"], self.names["proxied"])]
            if rows[0] != rows[1]:
                different = [pair for pair in zip(*rows) if pair[0] != pair[1]][:5]
                raise Failure(f"{table}: {len(rows[0])} rows direct, {len(rows[1])} proxied; first different: "
                              f"{different}")
        if drift:
            for migration in self.migrations:
                count = migration.drift(self.server)
                if count:
                    raise Failure(f"migration {migration.name}: {count} rows drift")

    def close(self):
        for connection in (self.direct, self.proxied):
            try:
                connection.close()
            except pymysql.MySQLError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
