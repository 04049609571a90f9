"""Generated statements on a plain table and, rewritten, on its migrated twin: not one difference.

CROSSFADE_ORACLE_SEED and CROSSFADE_ORACLE_STATEMENTS change what is run; the seed is printed."""

import os

import pytest

from harness.oracle import Oracle, Statements

SEED = int(os.environ.get("CROSSFADE_ORACLE_SEED", "20261"))
COUNT = int(os.environ.get("CROSSFADE_ORACLE_STATEMENTS", "1500"))
BATCH = 100

# Strict, as the server has it by default; lax, where values are cut and warned of.
MODES = {
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
    statements = Statements(f"{SEED} {mode}")
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
