"""Servers that are killed, hung, promoted or the wrong ones: the answer is right or there is an error, never less."""

from __future__ import annotations

import time
from typing import Any

import pytest

import fedq
from fedq.errors import ConnectionFailed, StaleReplicaError
from fedq.events import Received
from tests.replicas.conftest import Shop
from tests.replicas.test_freshness import place

N = "select n from items where id = 1"
ROWS = 300_000
MANY = {
    "postgres": f"INSERT INTO items (id, n) SELECT i, i FROM generate_series(2, {ROWS}) i",
    "mariadb": f"INSERT INTO items (id, n) SELECT seq, seq FROM seq_2_to_{ROWS}",
}


def places(fed: fedq.Federation, count: int = 30) -> set[str]:
    return {place(fed.query("select n from items where id = 1")) for _ in range(count)}


def until(expected: set[str], fed: fedq.Federation, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while (found := places(fed)) != expected:
        assert time.monotonic() < deadline, f"{found}, not {expected}"
        time.sleep(0.1)


def test_a_killed_replica_is_left_out_and_comes_back(victim: Shop) -> None:
    fed = victim.connect()
    until({"replica1", "replica2"}, fed)
    victim.cluster.replicas[0].kill()
    with victim.scene("a replica is killed (kill -9)", "the answer, from the other replica") as ask:
        assert {place(ask(fed.query, N)) for _ in range(30)} == {"replica2"}
    fed.execute("update items set n = 4")
    assert fed.query("select n from items").scalar() == 4
    victim.cluster.replicas[1].kill()
    with victim.scene("both replicas are killed", "the answer, from the primary") as ask:
        assert {place(ask(fed.query, N)) for _ in range(30)} == {"primary"}
    victim.cluster.replicas[0].restart()
    until({"replica1"}, fed)  # asked again after 12 s at most, and a busy machine
    assert fed.query("select n from items").scalar() == 4


@pytest.mark.parametrize("sql", [
    "select id, n, pad from items",
    "select a.id, a.n, a.pad from items a join items b on a.id = b.n union all by name select 1 as id, 0 as n, '' as pad",
])  # fmt: skip
def test_a_replica_killed_in_mid_pull_loses_and_doubles_no_row(victim: Shop, sql: str) -> None:
    # more than all the buffers on the way hold, or the answer may be there as a whole before the server is gone
    victim.sql(f"ALTER TABLE items ADD COLUMN pad VARCHAR(150) DEFAULT '{'x' * 150}'")
    victim.sql(MANY[victim.kind])
    victim.cluster.wait()
    killed: list[str] = []

    def kill(event: Any) -> None:
        if isinstance(event, Received) and event.rows and not killed:
            killed.append(event.fetch)
            victim.cluster.replicas[0].kill()

    fed = victim.connect(replicas=[0], policy={"on_cross_db": "allow"})
    assert places(fed, 3) == {"replica1"}
    scene = "a replica is killed in mid-result" + (", 2 tables joined here" if "join" in sql else "")
    with victim.scene(scene, "the answer, read anew at the primary") as ask:
        found = ask(fed.query, sql, listener=kill)
    assert killed
    assert [source.role for source in found.sources] == ["primary"] * len(found.sources)
    rows = sorted((row[0], row[1]) for row in found)
    # 1 has n = 0, and no item has the number 0
    assert rows == [(1, 0), *((each, each) for each in range(2, ROWS + 1))]


def test_reads_go_on_without_the_primary_and_writes_fail_at_once(victim: Shop) -> None:
    fed = victim.connect()
    fed.execute("update items set n = 6")
    assert fed.query("select n from items").scalar() == 6
    victim.cluster.primary.kill()
    with victim.scene("the primary is killed (kill -9): reads", "the answer, from the replicas") as ask:
        for _ in range(10):
            assert ask(fed.query, N).scalar() == 6
    with victim.scene("writes, and reads that must be at the primary", "`ConnectionFailed`") as ask:
        with pytest.raises(ConnectionFailed):
            ask(fed.execute, "update items set n = 7")
        with pytest.raises(ConnectionFailed):
            ask(fed.query, N, freshness="strong")
    with victim.scene('reads with `freshness="10ms"`', "`StaleReplicaError`: how old cannot be told") as ask:
        time.sleep(0.02)
        with pytest.raises(StaleReplicaError, match="does not answer"):
            ask(fed.query, N, freshness="10ms")


def test_without_the_primary_what_was_not_replicated_is_an_error_and_not_missing(victim: Shop) -> None:
    fed = victim.connect()
    for number in (0, 1):
        victim.cluster.freeze(number)
    fed.execute("update items set n = 8")
    victim.cluster.primary.kill()
    scene = "the primary is killed, and the replicas are behind"
    with victim.scene(scene, "`StaleReplicaError`: no replica has what was written") as ask:
        with pytest.raises(StaleReplicaError, match="the primary is gone"):
            ask(fed.query, N)
    assert fed.query("select n from items", freshness="any").scalar() == 0


def test_a_hung_replica_is_left_out(victim: Shop) -> None:
    fed = victim.connect()
    places(fed)
    with victim.cluster.replicas[0].frozen():
        with victim.scene("a replica hangs (SIGSTOP)", "the answer, from the other replica") as ask:
            assert {place(ask(fed.query, N)) for _ in range(40)} == {"replica2"}
    until({"replica1", "replica2"}, fed)


def promote(victim: Shop) -> None:
    new = victim.cluster.replicas[0]
    if victim.kind == "postgres":
        new.sql("SELECT pg_promote()", "postgres", admin=True)
    else:
        new.sql("STOP SLAVE; SET GLOBAL read_only = 0", "mysql", admin=True)


def test_a_server_that_is_no_replica_is_never_read(shop: Shop) -> None:
    other = shop.cluster.primary.new_database("other")
    shop.cluster.primary.sql("CREATE TABLE items (id BIGINT, n BIGINT); INSERT INTO items VALUES (1, 77)", other)
    catalog = shop.catalog([])
    catalog["databases"]["shop"]["replicas"] = [other.replace(f":{shop.cluster.primary.password}@", "@")]
    fed = fedq.connect(catalog)
    with shop.scene("`replicas` names a server that takes writes", "the answer, from the primary") as ask:
        for freshness in ("any", "session", "60s"):
            assert ask(fed.query, "select n from items", freshness=freshness).rows() == [(0,)]
    fed.close()
