"""Flips under load, and the load judges: it knows what every read must give (harness/shop.lua)."""

import statistics

import pytest

from harness import wait_until
from harness.load import Load

CLIENTS, ROWS, FLIPS = 64, 6400, 100


@pytest.fixture
def busy_shop(shop_behind):
    """A Shop under 64 clients that have begun before the first step."""
    behind = shop_behind(users=ROWS, orders=ROWS)
    with Load(behind.proxy.port, behind.database, ROWS, ROWS, threads=CLIENTS) as load:
        load.start()
        yield behind, load


@pytest.mark.load
def test_cutover_and_rollback_alternate_under_load(busy_shop):
    behind, load = busy_shop
    behind.walk("verify")
    took = []
    for number in range(FLIPS):
        command = "rollback" if number % 2 else "cutover"
        for answer in behind.each(command):
            assert answer["ok"] is True
            took.append(answer["in_force_ms"])
        load.check()
    total = load.finish()
    assert total.errors == 0 and total.reconnects == 0
    assert total.checked > 1000
    behind.assert_no_drift()
    assert all(migration.backward_drift(behind.server) == 0 for migration in behind.migrations)
    print(f"{len(took)} flips under {CLIENTS} clients, in force after {statistics.median(took):.2f} ms (median), "
          f"{max(took):.2f} ms (slowest); {total.checked} answers checked")


@pytest.mark.load
def test_the_whole_way_under_load(busy_shop):
    behind, load = busy_shop
    for step in (("expand", "--apply"), ("dual-write",), ("backfill",), ("verify",), ("cutover",), ("rollback",),
                 ("rollback",), ("dual-write",), ("backfill",), ("verify",), ("cutover",)):
        behind.each(*step)
        seen = len(load.ticks())
        wait_until(lambda seen=seen: len(load.ticks()) > seen or load.check(), what="a second of load")
    total = load.finish()
    assert total.errors == 0 and total.reconnects == 0
    behind.assert_no_drift()


@pytest.mark.load
def test_reloads_and_reads_old_under_load(busy_shop):
    behind, load = busy_shop
    behind.walk("cutover")
    for number in range(6):
        for migration in behind.migrations:
            migration.keys["reads"] = "auto" if number % 2 else "old"
        behind.proxy.write_config()
        behind.ctl("reload")
        seen = len(load.ticks())
        wait_until(lambda seen=seen: len(load.ticks()) > seen or load.check(), what="a second of load")
    total = load.finish()
    assert total.errors == 0 and total.reconnects == 0
    behind.assert_no_drift()
