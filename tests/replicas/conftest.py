"""One PostgreSQL and one MariaDB primary with two replicas each, started by the first test that asks."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import fedq
from tests.conftest import RUN
from tests.servers import ServerUnavailable
from tests.servers.replication import Cluster, MariaDBCluster, PostgresCluster

KINDS: dict[str, Callable[..., Cluster]] = {"postgres": PostgresCluster.start, "mariadb": MariaDBCluster.start}


def make_cluster(kind: str, name: str, config: pytest.Config) -> Iterator[Cluster]:
    root = config.stash[RUN] / f"{name}-{kind}-{os.getpid()}"
    try:
        cluster = KINDS[kind](root)
    except ServerUnavailable as missing:
        pytest.skip(str(missing))
    try:
        yield cluster
    finally:
        cluster.kill()
        for server in cluster.servers:
            shutil.rmtree(server.root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    yield from make_cluster("postgres", "cluster", pytestconfig)


@pytest.fixture(scope="session")
def mariadb_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    yield from make_cluster("mariadb", "cluster", pytestconfig)


@dataclass
class Shop:
    """A cluster with a table `items (id, n)`, and federations over it."""

    kind: str
    cluster: Cluster
    database: str
    patch: pytest.MonkeyPatch
    feds: list[fedq.Federation]
    note: Callable[[str, object], None] = lambda name, value: None
    """Keeps something of the test for who runs it: pytest's `record_property`."""

    def catalog(
        self, replicas: list[int] | None = None, through: Mapping[int, int] | None = None, **more: Any
    ) -> dict[str, Any]:
        """A catalog of the database `shop` with these replicas (both), some of them `through` the port of a proxy."""
        ports = {1 + number: port for number, port in (through or {}).items()}
        urls = [server.url_of(self.database, port=ports.get(at)) for at, server in enumerate(self.cluster.servers)]
        urls = [url.replace(f":{self.cluster.primary.password}@", "@") for url in urls]
        chosen = [urls[1 + number] for number in (range(len(urls) - 1) if replicas is None else replicas)]
        entry = {"url": urls[0], "replicas": chosen, "password": {"env": "SHOP_PASSWORD"}}
        self.patch.setenv("SHOP_PASSWORD", self.cluster.primary.password)
        return {"version": 1, "databases": {"shop": entry}, **more}

    def connect(
        self, replicas: list[int] | None = None, through: Mapping[int, int] | None = None, **more: Any
    ) -> fedq.Federation:
        """A federation of its own."""
        self.feds.append(fedq.connect(self.catalog(replicas, through, **more)))
        return self.feds[-1]

    @contextmanager
    def scene(self, what: str, sees: str) -> Iterator[Callable[..., Any]]:
        """What happens, and what the user sees of it, for the table of `python -m benchmarks.faults`.

        Gives a function that calls another; the longest of these calls is what the user waited.
        """
        longest = [0.0]

        def ask(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
            started = time.monotonic()
            try:
                return function(*args, **options)
            finally:
                longest[0] = max(longest[0], time.monotonic() - started)

        yield ask
        self.note("scene", json.dumps({"what": what, "sees": sees, "engine": self.kind, "seconds": longest[0]}))

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Another program's statement, on the primary."""
        return self.cluster.primary.sql(text, self.database)


def make_shop(
    kind: str, cluster: Cluster, patch: pytest.MonkeyPatch, note: Callable[[str, object], None] = Shop.note
) -> Iterator[Shop]:
    url = cluster.primary.new_database("shop")
    shop = Shop(kind, cluster, url.rsplit("/", 1)[1], patch, [], note)
    shop.sql("CREATE TABLE items (id BIGINT PRIMARY KEY, n BIGINT)")
    shop.sql("INSERT INTO items VALUES (1, 0)")
    cluster.wait()
    yield shop
    for fed in shop.feds:
        fed.close()


@pytest.fixture(params=list(KINDS))
def shop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Iterator[Shop]:
    """Over a cluster that all tests share: thaw what you freeze."""
    cluster = request.getfixturevalue(f"{request.param}_cluster")
    yield from make_shop(request.param, cluster, monkeypatch, record_property)


@pytest.fixture(params=list(KINDS))
def victim(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Iterator[Shop]:
    """Over a cluster of the test's own, to kill."""
    for cluster in make_cluster(request.param, "victim", request.config):
        yield from make_shop(request.param, cluster, monkeypatch, record_property)
