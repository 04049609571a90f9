"""A migration of one column to its double, for tests of the control side."""

from .proxy import Migration

DOUBLE = {"forward": {"new": "old * 2"}, "backward": {"old": "new DIV 2"}, "types": {"new": "BIGINT"}}


def double(database, table="t", name="m", **keys):
    return Migration(name, f"{database}.{table}", "old", "new", **{**DOUBLE, **keys})


def prepared(server, proxy, database, schema, rows="", **keys):
    """A proxy over one table `t` (its columns, and what fills it), the migration m expanded and in dual-write."""
    name = database()
    server.script(f"CREATE TABLE t ({schema}); {rows};", name)
    one = proxy([double(name, **keys)])
    one.ctl("expand", "m", "--apply")
    return name, one


def gates_of(refused):
    return {gate["name"]: gate for gate in refused.value.gates if not gate["ok"]}
