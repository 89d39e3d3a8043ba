"""Servers whose history is another one: written to, promoted, restored from a backup, rebuilt, of another cluster."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fedq
from fedq.errors import ConnectionFailed, StaleReplicaError
from tests.conftest import RUN
from tests.replicas.conftest import Shop, make_shop
from tests.replicas.test_faults import promote, until
from tests.replicas.test_freshness import place
from tests.servers import MariaDBServer, PostgresServer, Server
from tests.servers.base import make_directory
from tests.servers.replication import Cluster

N = "select n from items where id = 1"


def test_a_promoted_replica_is_none_any_more(victim: Shop) -> None:
    fed = victim.connect()
    until({"replica1", "replica2"}, fed)
    promote(victim)
    victim.cluster.replicas[0].sql("UPDATE items SET n = 99", victim.database)  # its own history from here
    with victim.scene("a replica is promoted, and takes writes", "the answer, from the others") as ask:
        for _ in range(30):
            found = ask(fed.query, N)
            assert (found.scalar(), place(found) in ("replica2", "primary")) == (0, True)


def test_after_a_failover_what_may_be_lost_is_said_and_not_read_over(victim: Shop) -> None:
    fed = victim.connect()
    victim.cluster.freeze(0)
    fed.execute("update items set n = 8")
    token = fed.token()
    victim.cluster.primary.kill()
    victim.cluster.replicas[1].kill()
    promote(victim)
    new_primary = victim.cluster.replicas[0]
    url = new_primary.url_of(victim.database).replace(f":{victim.cluster.primary.password}@", "@")
    new = fedq.connect({"version": 1, "databases": {"shop": {
        "url": url, "replicas": [victim.catalog()["databases"]["shop"]["replicas"][1]], "password": {"env": "SHOP_PASSWORD"},
    }}})  # fmt: skip
    victim.feds.append(new)
    sees = "`StaleReplicaError`: something may be lost"
    with victim.scene("a failover to a replica that had not everything", sees) as ask:
        with pytest.raises(StaleReplicaError, match="may be lost"):
            ask(new.query, N, after=token)
    for id in (2, 3):  # as many commits as were lost: the position alone would say that it is reached
        new_primary.sql(f"INSERT INTO items VALUES ({id}, {id})", victim.database)
    sees = "`StaleReplicaError`, also then"
    with victim.scene("the new primary has gone on, past the number of what was lost", sees) as ask:
        with pytest.raises(StaleReplicaError, match="may be lost"):
            ask(new.query, N, after=token)
    lost = new.query(N, freshness="strong").scalar()
    assert lost in (0, 8)
    assert new.query(N).scalar() == lost


def test_a_primary_restored_from_a_backup_is_noticed(victim: Shop) -> None:
    fed, primary = victim.connect([0]), victim.cluster.primary
    fed.execute("update items set n = 3")
    assert fed.query(N).scalar() == 3
    primary.stop()
    backup = primary.root / "backup"
    primary.run(["cp", "-a", primary.data, backup])
    primary.restart()
    fed.execute("update items set n = 4")
    primary.kill()
    victim.cluster.replicas[0].kill()
    shutil.rmtree(primary.data)
    primary.run(["mv", backup, primary.data])
    primary.restart()
    with victim.scene("the primary is restored from a backup", "`StaleReplicaError`: something may be lost") as ask:
        until_raises(StaleReplicaError, "may be lost", lambda: ask(fed.query, N))
    scene = 'after a failover or a restore, one read with `freshness="strong"`'
    with victim.scene(scene, "what the new primary has, from then on") as ask:
        assert ask(fed.query, N, freshness="strong").scalar() == 3
        for _ in range(5):
            assert ask(fed.query, N).scalar() == 3


def until_raises(kind: type[Exception], match: str, call: Callable[[], object], seconds: float = 40) -> None:
    """What fails otherwise at first (it was down a moment ago) fails in the end as it should."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = call()
        except kind as error:
            assert match in str(error)
            return
        except ConnectionFailed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            raise AssertionError(f"{found} and no error")


def test_a_replica_that_is_rebuilt_is_read_when_it_has_caught_up(victim: Shop) -> None:
    fed, idle = victim.connect([0]), victim.connect([0])
    for each in (fed, idle):
        each.execute("update items set n = n + 1 where id = 1")
        until({"replica1"}, each)
    victim.cluster.replicas[0].kill()
    fed.execute("update items set n = 5 where id = 1")
    assert place(fed.query(N)) == "primary"
    victim.cluster.rebuild(0)
    scene = "a replica is wiped and cloned anew"
    with victim.scene(scene, "the answer; from the replica when it has caught up") as ask:
        assert ask(idle.query, N).scalar() >= 2  # it has not noticed anything
        deadline = time.monotonic() + 40
        while place(found := ask(fed.query, N)) != "replica1":
            assert found.scalar() == 5
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert found.scalar() == 5


def test_a_replica_of_another_cluster_is_never_read(shop: Shop, foreign: Server) -> None:
    catalog = shop.catalog([])
    catalog["databases"]["shop"]["replicas"] = [foreign.url_of(shop.database).replace(f":{foreign.password}@", "@")]
    fed = fedq.connect(catalog)
    shop.feds.append(fed)
    assert foreign.sql("SELECT n FROM items", shop.database) == [(77,)]
    with shop.scene("`replicas` names a copy of another cluster", "the answer, from the primary") as ask:
        for freshness in ("any", "session", "60s"):
            for _ in range(3):
                found = ask(fed.query, N, freshness=freshness)
                assert (found.scalar(), place(found)) == (0, "primary")


@pytest.fixture
def foreign(shop: Shop, pytestconfig: pytest.Config) -> Iterator[Server]:
    """A replica, as far as it says, of no server of this test; with the same database, and something else in it."""
    root = pytestconfig.stash[RUN] / f"foreign-{shop.kind}-{os.getpid()}"
    server = (foreign_postgres if shop.kind == "postgres" else foreign_mariadb)(root, shop.database)
    yield server
    server.kill()
    shutil.rmtree(root, ignore_errors=True)


def foreign_postgres(root: Path, database: str) -> Server:
    server = PostgresServer(root)
    make_directory(root, server.os_user)
    server._make_template(server.data)  # the others are copies of one cluster, with one identifier
    server._configure()
    server.start_on_free_port()
    fill(server, database)
    server.run(["touch", server.data / "standby.signal"])
    server.restart()
    return server


def foreign_mariadb(root: Path, database: str) -> Server:
    server = MariaDBServer.start(root, settings=["log-bin=log", "server-id=900", "gtid-domain-id=90"])
    fill(server, database)
    server.sql("SET GLOBAL gtid_slave_pos = '90-900-9000'; SET GLOBAL read_only = 1", "mysql", admin=True)
    return server


def fill(server: Server, database: str) -> None:
    server.create_database(database)
    server.sql("CREATE TABLE items (id BIGINT, n BIGINT)", database)
    server.sql("INSERT INTO items VALUES (1, 77)", database)


def test_a_replica_that_was_written_to_is_left_out(
    mariadb_cluster: Cluster, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """MariaDB's root may; then replication stops at the next commit with 1950. PostgreSQL's standbys take no writes."""
    for shop in make_shop("mariadb", mariadb_cluster, monkeypatch, record_property):
        replica = shop.cluster.replicas[0]
        fed, other = shop.connect(), shop.connect()
        until({"replica1", "replica2"}, fed)
        before = shop.cluster.position(0)
        replica.sql("INSERT INTO items VALUES (2, 2)", shop.database, admin=True)
        try:
            with shop.scene("somebody writes on a replica", "the answer, from the others") as ask:
                for _ in range(20):
                    assert ask(other.query, "select id from items").rows() == [(1,)]
            sees = "the answer, from the others"
            with shop.scene("and its replication stops at the next commit (1950)", sees) as ask:
                for n in range(1, 21):
                    fed.execute("update items set n = :n where id = 1", {"n": n})
                    found = ask(fed.query, "select id, n from items")
                    assert (found.rows(), place(found) == "replica1") == ([(1, n)], False)
                    assert ask(other.query, "select id from items", freshness="any").rows() == [(1,)]
            while "1950" not in str(replica.sql("SHOW SLAVE STATUS", "mysql", admin=True)):
                time.sleep(0.02)
        finally:
            replica.sql("SET sql_log_bin = 0; DELETE FROM items WHERE id = 2", shop.database, admin=True)
            replica.sql(
                f"STOP SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos = '{before}'; START SLAVE", "mysql", admin=True
            )
        shop.cluster.wait(40)
        until({"replica1", "replica2"}, fed)
