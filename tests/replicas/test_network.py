"""Connections that are refused, reset, cut or swallowed, to a replica and between it and its primary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fedq
from fedq.errors import QueryTimeout
from fedq.events import Received
from tests.replicas.conftest import Shop, make_shop
from tests.replicas.test_freshness import place
from tests.servers import FaultProxy
from tests.servers.replication import Cluster, PostgresCluster

N = "select n from items where id = 1"
#: more than all buffers on the way hold
WIDE, WIDE_ROWS = "select id, pad from wide", 14_000
FILL = {
    "postgres": f"INSERT INTO wide SELECT i, repeat('x', 1500) FROM generate_series(1, {WIDE_ROWS}) i",
    "mariadb": f"INSERT INTO wide SELECT seq, repeat('x', 1500) FROM seq_1_to_{WIDE_ROWS}",
}
Proxies = Callable[[int], FaultProxy]


def until(is_true: Callable[[], object], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def first_place(fed: fedq.Federation) -> str:
    return place(fed.query(N))


@pytest.fixture
def wide(shop: Shop) -> Shop:
    return widened(shop)


def widened(shop: Shop) -> Shop:
    shop.sql("CREATE TABLE wide (id BIGINT PRIMARY KEY, pad VARCHAR(2000))")
    shop.sql(FILL[shop.kind])
    shop.cluster.wait(40)
    return shop


def assert_whole(found: fedq.Result, *, role: str) -> None:
    assert [source.role for source in found.sources] == [role]
    table = found.to_arrow()
    assert sorted(table["id"].to_pylist()) == list(range(1, WIDE_ROWS + 1))
    assert set(table["pad"].to_pylist()) == {"x" * 1500}


def test_a_connection_lost_in_mid_result_loses_no_row(wide: Shop, fault_proxy: Proxies) -> None:
    for mode, said in (("rst_after", "reset"), ("fin_after", "ended")):
        proxy = fault_proxy(wide.cluster.replicas[0].port)
        fed = wide.connect([0], through={0: proxy.port})
        assert first_place(fed) == "replica1"
        proxy.set(mode, 1_000_000)
        scene = f"the connection to a replica is {said} in mid-result"
        with wide.scene(scene, "the answer, read anew at the primary") as ask:
            found = ask(fed.query, WIDE)
        assert proxy.counts()["down"] >= 1_000_000
        assert_whole(found, role="primary")


def test_a_black_hole_in_mid_result_ends_with_the_timeout(wide: Shop, fault_proxy: Proxies) -> None:
    proxy = fault_proxy(wide.cluster.replicas[0].port)
    fed = wide.connect([0], through={0: proxy.port})
    assert first_place(fed) == "replica1"
    swallowed: list[bool] = []

    def swallow(event: Any) -> None:
        if isinstance(event, Received) and event.rows and not swallowed:
            swallowed.append(True)
            proxy.set("blackhole")

    scene = "the network swallows everything in mid-result; `timeout=3`"
    with wide.scene(scene, "`QueryTimeout`, and no row") as ask, pytest.raises(QueryTimeout):
        ask(fed.query, WIDE, listener=swallow, timeout=3)
    assert swallowed
    assert (first_place(fed), fed.query(N).scalar()) == ("primary", 0)


@pytest.mark.parametrize(("fault", "said"), [
    ("reset", "the pooled connections to a replica are reset"),
    ("refuse", "a replica refuses connections, and its pooled ones are reset"),
    ("blackhole", "the network to a replica swallows everything"),
])  # fmt: skip
def test_a_replica_behind_a_bad_network_is_passed_over(shop: Shop, fault_proxy: Proxies, fault: str, said: str) -> None:
    proxy = fault_proxy(shop.cluster.replicas[0].port)
    fed = shop.connect(through={0: proxy.port})
    until(lambda: first_place(fed) == "replica1", "replica 1 is never read")
    if fault != "reset":
        proxy.set(fault)
    if fault != "blackhole":
        proxy.reset_all()
    with shop.scene(said, "the answer, read at another server") as ask:
        found = [ask(fed.query, N) for _ in range(20)]
    assert {each.scalar() for each in found} == {0}
    if fault != "reset":
        assert "replica1" not in map(place, found)
        proxy.set("pass")
    until(lambda: first_place(fed) == "replica1", "replica 1 does not come back")


def test_a_replica_whose_link_is_dead_and_says_that_it_is_up_to_date(shop: Shop, fault_proxy: Proxies) -> None:
    link = fault_proxy(shop.cluster.primary.port)
    shop.cluster.link(0, link.port)
    try:
        shop.sql("UPDATE items SET n = 1")
        shop.cluster.wait(40)
        fed, other = shop.connect([0]), shop.connect([0])
        for each in (fed, other):
            assert place(each.query("select n from items", freshness="600ms")) == "replica1"
        link.set("blackhole")
        fed.execute("update items set n = 2")
        assert shop.cluster.replicas[0].sql("SELECT n FROM items", shop.database) == [(1,)]
        assert says_no_lag(shop)
        with shop.scene(
            "a replica's link is dead, and it says that it lags 0 s", "the answer, from the primary"
        ) as ask:
            found = ask(fed.query, "select n from items")
        assert (found.scalar(), place(found)) == (2, "primary")
        time.sleep(0.7)
        found = other.query("select n from items", freshness="600ms")  # it wrote nothing and has seen nothing
        assert (found.scalar(), place(found)) == (2, "primary")
        link.set("pass")
        link.reset_all()
        scene = "the link is reset and comes back"
        with shop.scene(scene, "the answer; from the replica when it has caught up") as ask:
            until(lambda: place(ask(fed.query, "select n from items")) == "replica1", "replica 1 does not come back")
        assert fed.query("select n from items").scalar() == 2
    finally:
        shop.cluster.link(0)


def says_no_lag(shop: Shop) -> bool:
    """What a check by clock or by what was received would believe."""
    replica = shop.cluster.replicas[0]
    if shop.kind == "postgres":
        return replica.sql(
            "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(), status FROM pg_stat_wal_receiver",
            "postgres", admin=True,
        ) == [(True, "streaming")]  # fmt: skip
    [row] = replica.sql("SHOW SLAVE STATUS", "mysql", admin=True)
    return "Yes" in row and 0 in row  # both threads run, Seconds_Behind_Master is 0


@pytest.fixture
def postgres_shop(
    postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Iterator[Shop]:
    yield from make_shop("postgres", postgres_cluster, monkeypatch, record_property)


def test_a_snapshot_that_replication_takes_away_in_mid_result(postgres_shop: Shop) -> None:
    shop, cluster = widened(postgres_shop), postgres_shop.cluster
    assert isinstance(cluster, PostgresCluster)
    cluster.configure(0, "max_standby_streaming_delay", "'50ms'")
    replica = cluster.replicas[0]
    conflicts = "SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts"
    before = replica.sql(conflicts, "postgres", admin=True)

    def are_more() -> bool:
        return replica.sql(conflicts, "postgres", admin=True) > before

    try:
        fed = shop.connect([0])
        assert first_place(fed) == "replica1"
        done: list[bool] = []

        def vacuum(event: Any) -> None:
            if isinstance(event, Received) and event.rows and not done:
                done.append(True)
                shop.sql("DELETE FROM wide WHERE id > 5000")
                with shop.cluster.primary.connect(shop.database) as connection:
                    connection.execute("VACUUM wide")
                until(lambda: is_in_conflict(shop) or are_more(), "there is no conflict")
                time.sleep(0.2)

        sees = "the answer, read anew from a later snapshot"
        with shop.scene("a replica takes a snapshot away in mid-result (40001)", sees) as ask:
            found = ask(fed.query, WIDE, listener=vacuum)
        assert done
        assert sorted(found.to_arrow()["id"].to_pylist()) == list(range(1, 5001))
        until(are_more, "nothing was taken away")
    finally:
        cluster.configure(0, "max_standby_streaming_delay", "DEFAULT")


def is_in_conflict(shop: Shop) -> bool:
    found = shop.cluster.replicas[0].sql(
        "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event LIKE 'RecoveryConflict%'",
        "postgres", admin=True,
    )  # fmt: skip
    return bool(found)


def test_what_another_transaction_has_not_committed_is_not_waited_for(postgres_shop: Shop) -> None:
    """The position up to which the log is written, and not up to which it is planned: that would never be reached."""
    shop = postgres_shop
    fed = shop.connect()
    with shop.cluster.primary.connect(shop.database) as connection, connection.transaction():
        connection.execute("INSERT INTO items SELECT i, i FROM generate_series(1000, 3000) i")
        places = []
        with shop.scene("another transaction has written and not committed", "the answer, from a replica") as ask:
            for n in range(1, 31):
                fed.execute("update items set n = :n where id = 1", {"n": n})
                found = ask(fed.query, N)
                assert found.scalar() == n
                places.append(place(found))
    assert places.count("primary") < 15, places


def test_a_position_at_the_edge_of_a_segment_is_reached(postgres_shop: Shop) -> None:
    shop = postgres_shop
    fed, other = shop.connect(), shop.connect()
    places = []
    with shop.scene("a position at the edge of a log segment", "the answer, from a replica") as ask:
        for n in range(1, 4):
            fed.execute("update items set n = :n where id = 1", {"n": n})
            shop.cluster.primary.sql("SELECT pg_switch_wal()", "postgres", admin=True)
            [[inserted]] = shop.cluster.primary.sql("SELECT pg_current_wal_insert_lsn()", "postgres", admin=True)
            token = json.loads(fed.token())
            token["databases"]["shop"]["position"] = inserted  # as another program would take it
            shop.cluster.wait(40)
            for found in (ask(fed.query, N), ask(other.query, N, after=json.dumps(token))):
                assert found.scalar() == n
                places.append(place(found))
    assert "primary" not in places, places
