"""Old columns that an INSERT leaves out and whose defaults are expressions over other columns: they get what they get
without a migration, and the new columns follow."""

import pytest

from harness import Migration, Twin

TABLE = """CREATE TABLE parcels (id INT PRIMARY KEY, width INT DEFAULT 1, depth INT DEFAULT (width + 1),
    height INT DEFAULT (width + depth), note VARCHAR(20), label VARCHAR(20) DEFAULT (CONCAT(width, '-', height)),
    weight INT DEFAULT (LENGTH(label)))"""
COLUMNS = ["id", "width", "depth", "height", "note", "label", "weight"]

# The first one's default reads what the second one sets.
MIGRATIONS = [
    ("label", {"old": "label", "new": "tag", "types": {"tag": "VARCHAR(20)"}}),
    ("side", {"old": ["width", "height"], "new": "side", "types": {"side": "VARCHAR(30)"},
              "forward": {"side": "CONCAT(width, 'x', height)"},
              "backward": {"width": "CAST(SUBSTRING_INDEX(side, 'x', 1) AS SIGNED)",
                           "height": "CAST(SUBSTRING_INDEX(side, 'x', -1) AS SIGNED)"}}),
]

STATEMENTS = [
    "INSERT INTO parcels (id) VALUES (⟨id⟩), (⟨id⟩)",
    "INSERT INTO parcels (width, id) VALUES (5, ⟨id⟩), (DEFAULT, ⟨id⟩)",
    "INSERT INTO parcels (width, id, depth) VALUES (5, ⟨id⟩, 40)",
    "INSERT INTO parcels (height, id, width) VALUES (7, ⟨id⟩, 2)",
    "INSERT INTO parcels (id, depth, label) VALUES (⟨id⟩, 7, 'given')",
    "INSERT INTO parcels (label, id, depth) VALUES (depth, ⟨id⟩, 7)",
    "INSERT INTO parcels SET id = ⟨id⟩, width = 3, note = 'n'",
    "REPLACE INTO parcels SET width = 4, id = ⟨id⟩, depth = width * 2",
    "INSERT INTO parcels (id, width) VALUES (1, 9) ON DUPLICATE KEY UPDATE width = VALUES(width), label = 'again'",
    "INSERT INTO parcels (id, width) VALUES (⟨id⟩, NULL), (⟨id⟩, (SELECT 6))",
]


@pytest.mark.parametrize("phase", ["dual-write", "cutover"])
def test_defaults_that_read_other_columns(server, database, proxy, phase):
    direct, proxied = database("plain"), database()
    for name in (direct, proxied):
        server.script(TABLE, name)
    migrations = [Migration(name, f"{proxied}.parcels", **keys) for name, keys in MIGRATIONS]
    behind = proxy(migrations)
    for migration in migrations:
        behind.walk(migration.name, phase)
    with Twin(server, behind, direct, proxied, {"parcels": COLUMNS}, migrations) as twin:
        serial = 0
        for statement in STATEMENTS:
            while "⟨id⟩" in statement:
                serial += 1
                statement = statement.replace("⟨id⟩", str(serial), 1)
            assert twin.same(statement).error is None
            twin.check_tables()
