"""Generated statements on a plain table and, rewritten, on its migrated twin: not one difference.

CROSSFADE_ORACLE_SEED and CROSSFADE_ORACLE_STATEMENTS change what is run; the seed is printed."""

import os

import pytest

from harness.oracle import Oracle, Statements
from harness.oracle_mysql import MySQLStatements

SEED = int(os.environ.get("CROSSFADE_ORACLE_SEED", "20261"))
COUNT = int(os.environ.get("CROSSFADE_ORACLE_STATEMENTS", "600"))
BATCH = 100

# Strict, as the server has it by default; lax, where values are cut and warned of; grouped, as MySQL has it by default.
MODES = {
    "grouped": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "strict": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "lax": "",
    "ansi": "ANSI,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES",
}


@pytest.fixture
def oracle(server, request):
    made = Oracle(server, f"plain_{request.node.callspec.id}", f"shop_{request.node.callspec.id}")
    yield made
    made.close()


@pytest.mark.parametrize("mode", MODES)
def test_generated_statements_give_the_same(oracle, mode):
    print(f"seed {SEED}, {COUNT} statements, sql_mode {mode}")
    statements = (MySQLStatements if oracle.server.family == "mysql" else Statements)(f"{SEED} {mode}")
    oracle.set_mode(MODES[mode])
    oracle.fill(statements)
    for start in range(0, COUNT, BATCH):
        batch = [statements.statement() for _ in range(min(BATCH, COUNT - start))]
        # Cutover and rollback between any two statements: both sides are written in either phase.
        answers = {phase: oracle.rewrite(batch, phase, "--sql-mode", MODES[mode]) for phase in ("dual-write", "cutover")}
        for n, statement in enumerate(batch):
            phase = statements.pick("dual-write", "cutover", "cutover")
            oracle.judge(statement, answers[phase][n], phase)
    print(oracle.counts, *(f"\n refused: {reason}: {example}" for reason, example in oracle.refused.items()))
    assert oracle.counts["rewritten"] > COUNT / 3
    assert oracle.counts["unrewritable"] < COUNT / 10, oracle.refused


def test_redeployed_code_fills_the_old_columns(server):
    print(f"seed {SEED}, {COUNT // 2} statements")
    oracle = Oracle(server, "plain_redeployed", "shop_redeployed")
    try:
        statements = Statements(f"{SEED} redeployed")
        oracle.set_mode(MODES["strict"])
        oracle.fill(statements)
        batch = [statements.redeployed() for _ in range(COUNT // 2)]
        answers = {phase: oracle.rewrite(batch, phase) for phase in ("dual-write", "cutover")}
        for n, statement in enumerate(batch):
            phase = statements.pick("dual-write", "cutover")
            oracle.judge_redeployed(statement, answers[phase][n], phase)
        assert oracle.counts["rewritten"] > COUNT / 3, oracle.counts
        assert not oracle.refused
    finally:
        oracle.close()


# Statements with markers and their arguments: what is sent twice must be bound twice.
PREPARED = [
    ("UPDATE orders a JOIN staging b ON a.id = b.id SET a.note = ?, a.amount = ? WHERE a.id < ?", ["x", "7.125", 9]),
    ("UPDATE orders a JOIN staging b ON a.id = b.id SET a.amount = ?, a.note = ? WHERE b.n = ?", [None, "y", 2]),
    ("UPDATE users a JOIN staging b ON a.id = b.id SET a.age = ?, a.fullname = ?, a.nick = ? WHERE a.id > ?",
     [3, "Pre Pared", "n", 4]),
    ("UPDATE items a JOIN staging b ON a.id = b.id SET a.width = ?, a.height = ?, a.title = ? WHERE b.tag <> ?",
     [5, "6", "t", "tag3"]),
    ("INSERT INTO orders (user_id, amount, note) SELECT ?, ?, ? FROM staging WHERE id < ?", [1, "2.5", "note", 4]),
    ("UPDATE users SET nick = ?, fullname = ? WHERE id IN (SELECT id FROM staging WHERE n = ?)", ["q", "Sub Query", 1]),
    ("INSERT INTO users (email, fullname) VALUES (?, ?), (?, ?)", ["p1", "P One", "p2", None]),
]


@pytest.mark.parametrize("phase", ["dual-write", "cutover"])
def test_repeated_parameters(server, phase):
    name = phase.replace("-", "")
    oracle = Oracle(server, f"plain_{name}", f"shop_{name}")
    try:
        oracle.set_mode(MODES["strict"])
        oracle.fill(Statements(SEED))
        for statement, arguments in PREPARED:
            answer, = oracle.rewrite([statement], phase, "--prepared")
            assert answer["verdict"] == "rewritten", answer
            order = answer.get("parameters", range(len(arguments)))
            for connection, text, values in ((oracle.connections[0], statement, arguments),
                                             (oracle.connections[1], answer["rewritten"], [arguments[n] for n in order])):
                cursor = connection.cursor()
                for n, value in enumerate(values):
                    cursor.execute(f"SET @p{n} = %s", (value,))
                cursor.execute("PREPARE one FROM %s", (text,))
                cursor.execute("EXECUTE one USING " + ", ".join(f"@p{n}" for n in range(len(values))))
            plain, migrated = oracle.tables()
            assert plain == migrated, statement
            assert oracle.drift() is None, statement
    finally:
        oracle.close()
