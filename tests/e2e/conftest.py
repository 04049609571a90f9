"""Fixtures of the end-to-end tests. The means are in tests/harness; docs/testing.md says how to use them.

One server serves a whole run (one a worker with pytest-xdist). Each test takes databases and a Proxy of its
own, so that tests run in any order and side by side.
"""

import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import Proxy, Server, Twin, lines, shop  # noqa: E402
from harness.certs import Authority  # noqa: E402

numbers = itertools.count(1)

SHOP_TABLES = {"users": ["id", "email", "fullname", "visits"], "orders": ["id", "user_id", "amount", "note"]}


def pytest_collection_modifyitems(items):
    """Skips what holds for the other family of servers alone, with the reason that the test gives."""
    family = lines.chosen().family
    for item in items:
        for mark in item.iter_markers("only"):
            (wanted,), reason = mark.args, mark.kwargs["reason"]
            if wanted != family:
                item.add_marker(pytest.mark.skip(reason=f"{wanted} alone: {reason}"))


@pytest.fixture(scope="session")
def server():
    with Server() as private:
        yield private


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, and the proxy's certificate and key by it."""
    one = Authority(tmp_path_factory.mktemp("certs"))
    one.cert, one.key = one.issue("proxy")
    return one


@pytest.fixture
def database(server):
    """Makes names of databases that are dropped when the test has ended: database("shop")."""
    made = []

    def make(prefix="shop"):
        name = f"{prefix}_{os.getpid()}_{next(numbers)}"
        server.query(f"CREATE DATABASE `{name}`")
        made.append(name)
        return name

    yield make
    for name in made:
        server.query(f"DROP DATABASE IF EXISTS `{name}`")


@pytest.fixture
def proxy(server):
    """Starts proxies that are closed, and checked, when the test has ended: proxy([migrations], **keys)."""
    started = []

    def start(migrations=(), **keys):
        started.append(Proxy(server, migrations, **keys))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def relay(proxy):
    """A proxy without any migration."""
    return proxy()


class Shop:
    """A shop behind a proxy: .database, .migrations, .proxy, .ctl; .connect() through the proxy."""

    def __init__(self, server, database, proxy, migrations):
        self.server, self.database, self.proxy, self.migrations = server, database, proxy, migrations
        self.ctl = proxy.ctl

    def connect(self, **options):
        return self.proxy.connect(database=self.database, **options)

    def walk(self, to):
        for migration in self.migrations:
            self.proxy.walk(migration.name, to)
        return self

    def each(self, *words):
        """One command for every migration: each("cutover")."""
        return [self.ctl(words[0], migration.name, *words[1:]) for migration in self.migrations]

    def drift(self):
        return {migration.name: migration.drift(self.server) for migration in self.migrations}

    def assert_no_drift(self):
        assert not any(self.drift().values()), self.drift()


@pytest.fixture
def shop_behind(server, database, proxy):
    """Makes a Shop: shop_behind(users=100, orders=100, keys={...}, **of Proxy)."""
    def make(users=50, orders=50, keys=None, **options):
        name = database()
        shop.create(server, name, users, orders)
        migrations = shop.migrations(name, **(keys or {}))
        return Shop(server, name, proxy(migrations, **options), migrations)
    return make


@pytest.fixture
def dual(shop_behind):
    """A shop in dual-write."""
    behind = shop_behind(20, 20)
    behind.walk("dual-write")
    return behind


@pytest.fixture
def shop_twin(server, database, shop_behind):
    """Makes (Shop, Twin): the shop behind a proxy and its direct twin with the same rows."""
    twins = []

    def make(users=50, orders=50, keys=None, connection=None, **options):
        direct = database("twin")
        shop.create(server, direct, users, orders)
        behind = shop_behind(users, orders, keys, **options)
        twins.append(Twin(server, behind.proxy, direct, behind.database, SHOP_TABLES, behind.migrations,
                          **(connection or {})))
        return behind, twins[-1]

    yield make
    for twin in twins:
        twin.close()
