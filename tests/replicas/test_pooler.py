"""Behind PgBouncer, where each transaction may be at another server: nothing stale, nothing left in its sessions."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

import fedq
from fedq.errors import DatabaseError, QueryCancelled, QueryTimeout, ReadOnlyError
from tests.conftest import RUN
from tests.replicas.conftest import Shop, make_shop
from tests.replicas.test_freshness import place
from tests.servers import ServerUnavailable
from tests.servers.base import make_directory
from tests.servers.pgbouncer import PgBouncer
from tests.servers.replication import Cluster

PAIRS = 30


@dataclass
class Pooled:
    """A database behind poolers: one in front of both replicas, one with two sessions in front of the primary."""

    shop: Shop
    readers: PgBouncer
    writer: PgBouncer

    def connect(self, *, is_primary_pooled: bool = True, **more: object) -> fedq.Federation:
        catalog = self.shop.catalog([])
        entry = catalog["databases"]["shop"]
        primary = self.writer if is_primary_pooled else self.shop.cluster.primary
        for key, servers in (("url", [primary]), ("replicas", [self.readers])):
            urls = [each.url_of(self.shop.database).replace(f":{each.password}@", "@") for each in servers]
            entry[key] = urls[0] if key == "url" else urls
        entry.update(more)
        self.shop.feds.append(fedq.connect(catalog))
        return self.shop.feds[-1]


@pytest.fixture(scope="module")
def poolers(postgres_cluster: Cluster, pytestconfig: pytest.Config) -> Iterator[tuple[PgBouncer, PgBouncer]]:
    root, made = pytestconfig.stash[RUN] / f"poolers-{os.getpid()}", []
    make_directory(root, postgres_cluster.primary.os_user)
    try:
        made.append(PgBouncer.in_front_of(postgres_cluster.replicas, root / "readers"))
        two = ["default_pool_size = 2"]  # a write needs them both: while it is open, tables are described beside it
        made.append(PgBouncer.in_front_of([postgres_cluster.primary], root / "writer", two))
    except ServerUnavailable as missing:
        pytest.skip(str(missing))
    yield made[0], made[1]
    for pooler in made:
        pooler.stop()
        shutil.rmtree(pooler.root, ignore_errors=True)


@pytest.fixture
def pooled(
    poolers: tuple[PgBouncer, PgBouncer], postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pooled]:
    for shop in make_shop("postgres", postgres_cluster, monkeypatch):
        _meet(poolers[0], shop.database)
        yield Pooled(shop, *poolers)


def _meet(pooler: PgBouncer, database: str) -> None:
    """Two transactions at a time, so that the pooler has a connection to each of its servers."""
    with pooler.connect(database) as one, pooler.connect(database) as other:
        for each in (one, other):
            each.execute("BEGIN")
            each.execute("SELECT 1")


@pytest.fixture
def frozen(pooled: Pooled) -> Iterator[Pooled]:
    pooled.shop.cluster.freeze(0)
    yield pooled
    pooled.shop.cluster.thaw(0)


def test_to_check_and_then_to_read_is_stale_through_the_pooler(frozen: Pooled) -> None:
    stale = 0
    with frozen.readers.connect(frozen.shop.database) as reader:
        for n in range(1, 21):
            frozen.shop.sql(f"UPDATE items SET n = {n}")
            token, deadline = frozen.shop.cluster.position(), time.monotonic() + 30
            while not _value(reader, f"SELECT pg_last_wal_replay_lsn() >= '{token}'"):
                assert time.monotonic() < deadline
            stale += _value(reader, "SELECT n FROM items") != n
    assert stale > 10


def _value(connection: Any, sql: str) -> Any:
    return connection.execute(sql).fetchone()[0]


@pytest.mark.parametrize("is_primary_pooled", [False, True], ids=["primary", "pooled primary"])
def test_a_read_after_a_write_sees_it(frozen: Pooled, is_primary_pooled: bool) -> None:
    fed = frozen.connect(is_primary_pooled=is_primary_pooled)
    places, stale = [], 0
    for n in range(1, PAIRS + 1):
        fed.execute("update items set n = :n where id = 1", {"n": n})
        found = fed.query("select n from items where id = 1")
        assert found.scalar() == n
        places.append(place(found))
        if n <= 20:
            stale += fed.query("select n from items where id = 1", freshness="any").scalar() != n
    assert places.count("replica1") > PAIRS * 0.5
    assert stale  # the pooler does lead to the frozen one


def test_what_was_seen_is_never_unseen(frozen: Pooled) -> None:
    fed, last = frozen.connect(), -1
    for n in range(1, PAIRS + 1):
        frozen.shop.sql(f"UPDATE items SET n = {n} WHERE id = 1")
        seen = fed.query("select n from items where id = 1").scalar()
        assert seen >= last
        last = seen
    assert last > 0


def test_both_frozen_is_the_primary(frozen: Pooled) -> None:
    fed = frozen.connect()
    frozen.shop.cluster.freeze(1)
    try:
        for n in range(1, 6):
            fed.execute("update items set n = :n", {"n": n})
            found = fed.query("select n from items")
            assert (found.scalar(), place(found)) == (n, "primary")
    finally:
        frozen.shop.cluster.thaw(1)


def test_queries_of_all_kinds(pooled: Pooled) -> None:
    pooled.shop.sql("CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE kinds (m mood, amount NUMERIC(15, 2))")
    pooled.shop.sql("INSERT INTO kinds VALUES ('good', 12.50), ('bad', NULL); ANALYZE")
    pooled.shop.cluster.wait()
    fed = pooled.connect()
    for _ in range(3):
        found = fed.query("select m, amount from kinds where m = :m", {"m": "good"})
        assert [(str(m), str(amount)) for m, amount in found.rows()] == [("good", "12.50")]
        native = fed.query("select m, amount, ARRAY[m] AS ms from kinds order by m limit 1", native="shop")
        assert (str(native.types[1]), native[0][2]) == ("DECIMAL(15,2)", ["good"])
        assert fed.query("show timezone", native="shop").scalar() == "UTC"
        assert fed.query("select count(*) from items a join kinds k on a.id = 1").scalar() == 2
    assert set(fed.tables()["table"]) >= {"items", "kinds"}
    assert fed.check().ok


def test_writes_of_all_kinds(pooled: Pooled) -> None:
    fed = pooled.connect()
    assert fed.write([{"id": 2, "n": 2}, {"id": 3, "n": 3}], "items").rows == 2
    assert fed.write([{"id": 3, "n": 30}, {"id": 4, "n": 4}], "items", mode="upsert").rows == 2
    with fed.transaction():
        fed.execute("insert into items select id + 10, n from items")
        fed.execute("delete from items where id = 2")
    assert fed.query("select id, n from items order by id").rows() == [
        (1, 0), (3, 30), (4, 4), (11, 0), (12, 2), (13, 30), (14, 4),
    ]  # fmt: skip
    assert fed.execute("UPDATE items SET n = 0 WHERE id > 10", native="shop").rows == 4
    assert fed.execute("CREATE TABLE made (a INT)", native="shop").token is not None
    assert fed.query("select count(*) from made").scalar() == 0
    fed.execute("VACUUM items", native="shop")  # no statement for a transaction
    with pytest.raises(DatabaseError, match="multiple commands"):
        fed.execute("VACUUM items; DROP TABLE made", native="shop")
    with pytest.raises(DatabaseError, match="already exists"):
        fed.execute("CREATE TABLE made (a INT)", native="shop")
    assert fed.query("select count(*) from made").scalar() == 0


_SETTINGS = (
    "TimeZone", "DateStyle", "default_transaction_read_only", "synchronous_commit", "statement_timeout", "search_path",
    "idle_in_transaction_session_timeout", "bytea_output", "extra_float_digits", "client_connection_check_interval",
)  # fmt: skip
_SHOWN = ", ".join(f"current_setting('{name}')" for name in _SETTINGS)
LEFT = f"SELECT (SELECT count(*) FROM pg_prepared_statements), {_SHOWN}"


def sessions(pooled: Pooled) -> dict[int, tuple[Any, ...]]:
    """What each of the pooler's two sessions with the primary has in it, by the process that it is."""
    with pooled.writer.connect(pooled.shop.database) as one, pooled.writer.connect(pooled.shop.database) as other:
        for each in (one, other):
            each.execute("BEGIN")
        return {_value(each, "SELECT pg_backend_pid()"): each.execute(LEFT).fetchone() for each in (one, other)}


def test_nothing_is_left_in_a_session_that_others_get(pooled: Pooled, monkeypatch: pytest.MonkeyPatch) -> None:
    pooled.shop.sql(f"ALTER DATABASE {pooled.shop.database} SET synchronous_commit = off")
    before = sessions(pooled)
    assert len(before) == 2
    fed = pooled.connect(schema="public")
    for _ in range(3):
        fed.execute("update items set n = 1")
        fed.execute("UPDATE items SET n = 2", native="shop")
        fed.execute("VACUUM items", native="shop")
        with fed.pinned():
            fed.query("select n from items where id = :id", {"id": 1}, timeout=60)
            fed.query("select n from items", native="shop")
    closed = pooled.connect(read_only=True)
    monkeypatch.setattr("fedq.write.execute.check_writable", lambda database: None)
    for text in ("UPDATE items SET n = 3", "VACUUM items"):
        with pytest.raises((ReadOnlyError, DatabaseError)):
            closed.execute(text, native="shop")
    assert pooled.shop.sql("SELECT n FROM items") == [(2,)]
    assert set(sessions(pooled).values()) == set(before.values())


def test_a_commit_that_does_not_wait_for_its_log_is_made_to(pooled: Pooled) -> None:
    pooled.shop.sql(f"ALTER DATABASE {pooled.shop.database} SET synchronous_commit = off")
    fed = pooled.connect()
    for n in range(1, 21):
        fed.execute(f"UPDATE items SET n = {n}", native="shop")
        assert fed.query("select n from items where id = 1").scalar() == n


def test_a_query_is_stopped_through_the_pooler(pooled: Pooled) -> None:
    fed = pooled.connect()
    slow = "select count(*) from items, pg_sleep(100)"
    with pytest.raises(QueryTimeout):
        fed.query(slow, native="shop", timeout=0.5)
    threading.Timer(0.5, fed.cancel).start()
    with pytest.raises(QueryCancelled):
        fed.query(slow, native="shop")
    deadline = time.monotonic() + 30
    while _asleep(pooled):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert fed.query("select n from items").scalar() == 0


def _asleep(pooled: Pooled) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(100)%' AND state = 'active' AND pid <> pg_backend_pid()"
    return sum(each.sql(sql, "postgres", admin=True)[0][0] for each in pooled.shop.cluster.servers)


def test_many_at_once(frozen: Pooled) -> None:
    feds = [frozen.connect(is_primary_pooled=False) for _ in range(2)]

    def work(number: int) -> bool:
        fed = feds[number % 2]
        fed.execute("insert into items values (:id, :id)", {"id": 100 + number})
        return bool(fed.query("select n from items where id = :id", {"id": 100 + number}).scalar() == 100 + number)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(32)))
