"""A read sees what was written and seen before it, wherever it is read; real replicas, frozen and fresh."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

import fedq
from fedq.errors import ParameterError
from fedq.fetch import replicas
from fedq.fetch.positions import Ledger
from fedq.fetch.writer import Position
from tests.in_parts import everything_in_parts
from tests.replicas.conftest import Shop, make_shop
from tests.servers.replication import Cluster

#: write-then-read pairs; `python -m benchmarks.replicas` does 10,000
PAIRS = int(os.environ.get("PAIRS", "60"))


def place(result: fedq.Result) -> str:
    [source] = result.sources
    return source.replica or source.role


def test_reads_are_spread_over_replicas_and_say_which(shop: Shop) -> None:
    fed = shop.connect()
    found = [fed.query("select n from items") for _ in range(150)]
    assert {place(each) for each in found} == {"replica1", "replica2"}
    assert all(each.sources[0].position for each in found)
    assert found[0].sources[0].place.startswith("shop@replica")


def test_a_replica_gives_a_second_connection_the_snapshot_of_the_first(
    postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with everything_in_parts() as reads:
        for shop in make_shop("postgres", postgres_cluster, monkeypatch):
            shop.sql("INSERT INTO items SELECT i, i FROM generate_series(2, 500) i")
            shop.cluster.wait()
            fed = shop.connect()
            found = [fed.query("select n from items") for _ in range(6)]
            assert {len(each) for each in found} == {500}
            assert {place(each) for each in found} == {"replica1", "replica2"}
    assert reads == [2] * 6


def test_a_read_after_a_write_sees_it_with_one_replica_frozen(shop: Shop) -> None:
    fed = shop.connect()
    shop.cluster.freeze(0)
    try:
        places = []
        with shop.scene(
            "a replica does not replay any more; written, then read", "the answer, what was written"
        ) as ask:
            for n in range(1, PAIRS + 1):
                fed.execute("update items set n = :n where id = 1", {"n": n})
                found = ask(fed.query, "select n from items where id = 1")
                assert found.scalar() == n
                places.append(place(found))
    finally:
        shop.cluster.thaw(0)
    assert "replica1" not in places
    assert places.count("replica2") > PAIRS * 0.8


def test_a_read_after_a_write_sees_it_with_one_replica_a_second_late(shop: Shop) -> None:
    fed = shop.connect()
    shop.cluster.delay(0, 1)
    try:
        with shop.scene("a replica replays 1 s late; written, then read", "the answer, what was written") as ask:
            for n in range(1, 31):
                fed.execute("update items set n = :n where id = 1", {"n": n})
                assert ask(fed.query, "select n from items where id = 1").scalar() == n
    finally:
        shop.cluster.delay(0, 0)


def test_the_same_without_positions_is_stale(shop: Shop) -> None:
    fed = shop.connect()
    shop.cluster.freeze(0)
    try:
        stale = 0
        for n in range(1, 31):
            fed.execute("update items set n = :n where id = 1", {"n": n})
            stale += fed.query("select n from items where id = 1", freshness="any").scalar() != n
    finally:
        shop.cluster.thaw(0)
    assert stale > 0


def test_a_read_after_a_write_sees_it_with_all_replicas_frozen(shop: Shop) -> None:
    fed = shop.connect()
    shop.patch.setattr(replicas, "WAIT", 0.5)
    shop.patch.setattr(replicas, "_LATE_SECONDS", 1000.0)
    for number in (0, 1):
        shop.cluster.freeze(number)
    try:
        waited = []
        for n in range(1, 21):
            fed.execute("update items set n = :n where id = 1", {"n": n})
            found = fed.query("select n from items where id = 1")
            assert (found.scalar(), place(found)) == (n, "primary")
            waited.append(found.sources[0].waited)
        assert sum(each >= 0.5 for each in waited) < 10  # a replica that is behind is not waited for each time
    finally:
        for number in (0, 1):
            shop.cluster.thaw(number)


def test_what_is_written_through_one_name_is_read_through_another(shop: Shop) -> None:
    """Two entries of one server, such as one per role: the first has replicas, both frozen."""
    catalog = shop.catalog()
    entry = catalog["databases"]["shop"]
    catalog["databases"]["desk"] = {"url": entry["url"], "password": entry["password"]}
    catalog["tables"] = {"items": "shop"}
    fed = fedq.connect(catalog)
    other = fedq.connect(catalog)
    for number in (0, 1):
        shop.cluster.freeze(number)
    try:
        assert fed.query("select n from items where id = 1", freshness="any").sources[0].role == "replica"
        fed.execute("update items set n = 77 where id = 1", using="desk")
        assert fed.query("select n from items where id = 1").scalar() == 77
        assert other.query("select n from items where id = 1").scalar() != 77  # nobody told it
        assert other.query("select n from items where id = 1", after=fed.token()).scalar() == 77
    finally:
        for number in (0, 1):
            shop.cluster.thaw(number)
        fed.close()
        other.close()


def test_what_was_seen_is_never_unseen(shop: Shop) -> None:
    fed = shop.connect()
    shop.cluster.freeze(0)
    other = shop.cluster.primary.connect(shop.database).cursor()  # somebody else
    try:
        last = -1
        for n in range(1, PAIRS + 1):
            other.execute(f"UPDATE items SET n = {n} WHERE id = 1")
            seen = fed.query("select n from items where id = 1").scalar()
            assert seen >= last
            last = seen
        assert last > 0
    finally:
        other.connection.close()
        shop.cluster.thaw(0)


def test_a_token_carries_it_to_another_federation(shop: Shop) -> None:
    one, two = shop.connect(), shop.connect(replicas=[0])
    assert two.query("select n from items").scalar() == 0
    shop.cluster.freeze(0)
    try:
        written = one.execute("update items set n = 5")
        assert two.query("select n from items").scalar() == 0
        assert json.loads(one.token())["databases"].keys() == {"shop"}
        for token in (written.token, one.token()):
            assert two.query("select n from items", after=token).scalar() == 5
            assert two.query("select n from items", after=token, freshness="any").scalar() == 5
    finally:
        shop.cluster.thaw(0)


def test_what_replicas_do_not_have_at_all_is_read_at_the_primary(shop: Shop) -> None:
    if shop.kind == "mariadb":
        pytest.skip("MariaDB's replicas have every table")
    shop.sql("CREATE UNLOGGED TABLE carts (id INT PRIMARY KEY)")
    shop.sql("INSERT INTO carts VALUES (7)")
    shop.cluster.wait()
    fed = shop.connect()
    for found in (
        fed.query("select id from carts"),
        fed.query("select id from carts", native="shop"),
        fed.query("select id from carts where pg_current_wal_lsn() is not null", native="shop"),
    ):
        assert (found.scalar(), place(found)) == (7, "primary")


@pytest.mark.parametrize(
    "token", ["", "{}", '{"version": 2, "databases": {}}', '{"version": 1, "databases": {"shop": {}}}', 7]
)
def test_what_is_no_token_is_refused(shop: Shop, token: str) -> None:
    with pytest.raises(ParameterError, match="token"):
        shop.connect().query("select n from items", after=token)


def test_a_token_of_databases_that_the_catalog_has_not_is_refused(shop: Shop) -> None:
    """It goes by their names: one that means nothing here would be no token at all."""
    fed = shop.connect()
    token = fed.execute("update items set n = 1").token
    with pytest.raises(ParameterError, match="'store'"):
        fed.query("select n from items", after=token.replace('"shop"', '"store"'))
    both = json.loads(token)
    both["databases"]["store"] = None
    assert fed.query("select n from items", after=json.dumps(both)).scalar() == 1


def test_what_is_read_within_a_transaction_is_read_where_it_writes(shop: Shop) -> None:
    fed, other = shop.connect(), shop.connect()
    fed.query("select n from items")
    shop.cluster.freeze(0), shop.cluster.freeze(1)
    try:
        other.execute("update items set n = 41 where id = 1")
        with fed.transaction():
            found = fed.query("select n from items where id = 1")
            native = fed.query("select n from items where id = 1", native="shop")
            fed.execute("update items set n = :n where id = 1", {"n": found.scalar() + 1})
            assert fed.query("select n from items where id = 1").scalar() == 42
        assert (place(found), place(native), native.scalar()) == ("primary", "primary", 41)
    finally:
        shop.cluster.thaw(0), shop.cluster.thaw(1)


def test_a_write_of_unknown_position_is_not_forgotten_for_a_read_that_began_before_it() -> None:
    ledger, position = Ledger(), Position("postgresql", "7", 1, "0/10")
    ledger.wrote("shop", None)
    before = ledger.unknown("shop")
    ledger.wrote("shop", None)  # while the primary is read
    ledger.saw("shop", position, is_primary=True, unknown=before)
    assert ledger.unknown("shop") is not None
    ledger.saw("shop", position, is_primary=True, unknown=ledger.unknown("shop"))
    assert ledger.unknown("shop") is None


def test_strong_and_pinned_read_the_primary(shop: Shop) -> None:
    fed = shop.connect()
    shop.cluster.freeze(0), shop.cluster.freeze(1)
    try:
        shop.sql("UPDATE items SET n = 9")
        found = fed.query("select n from items", freshness="strong")
        assert (found.scalar(), place(found)) == (9, "primary")
        assert fed.query("select n from items").scalar() == 9  # it was seen
        other = shop.connect()
        with other.pinned() as pinned:
            for each in (other, pinned):
                found = each.query("select n from items")
                assert (found.scalar(), place(found)) == (9, "primary")
        assert place(shop.connect().query("select n from items")) != "primary"
    finally:
        shop.cluster.thaw(0), shop.cluster.thaw(1)


def test_a_state_may_be_as_old_as_the_bound(shop: Shop) -> None:
    fed = shop.connect(replicas=[0])
    assert place(fed.query("select n from items", freshness="600ms")) == "replica1"
    shop.cluster.freeze(0)
    try:
        shop.sql("UPDATE items SET n = 3")
        found = fed.query("select n from items", freshness="60s")
        assert (found.scalar(), place(found)) == (0, "replica1")
        time.sleep(0.7)
        found = fed.query("select n from items", freshness="600ms")
        assert (found.scalar(), place(found)) == (3, "primary")
    finally:
        shop.cluster.thaw(0)


def test_an_idle_primary_does_not_make_its_replicas_old(shop: Shop) -> None:
    fed = shop.connect()
    time.sleep(0.5)
    for _ in range(3):
        assert place(fed.query("select n from items", freshness="300ms")).startswith("replica")


def test_a_transaction_is_seen_as_a_whole(shop: Shop) -> None:
    fed = shop.connect()
    for n in range(2, 30):
        with fed.transaction():
            fed.execute("insert into items values (:n, :n)", {"n": n})
            fed.execute("update items set n = :n where id = 1", {"n": n})
        assert fed.query("select max(id), sum(n) filter (id = 1) from items").one() == (n, n)


def test_a_table_that_was_just_made_is_there(shop: Shop) -> None:
    fed = shop.connect()
    fed.execute("CREATE TABLE extra (a INTEGER)", native="shop")
    fed.execute("INSERT INTO extra VALUES (1)", native="shop")
    assert fed.query("select a from extra").scalar() == 1
    fed.execute("ALTER TABLE extra ADD COLUMN b INTEGER", native="shop")
    assert fed.query("select b from extra").scalar() is None


def test_a_column_that_the_replica_does_not_have_yet_is_read_at_the_primary(shop: Shop) -> None:
    fed = shop.connect(replicas=[0])
    assert place(fed.query("select n from items")) == "replica1"
    shop.cluster.freeze(0)
    try:
        shop.sql("ALTER TABLE items ADD COLUMN word VARCHAR(10)")
        shop.sql("UPDATE items SET word = 'new'")
        found = fed.query("select word from items")
        assert (found.scalar(), place(found)) == ("new", "primary")
    finally:
        shop.cluster.thaw(0)


def test_a_commit_that_does_not_wait_for_its_log_is_made_to(
    postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    for shop in make_shop("postgres", postgres_cluster, monkeypatch, record_property):
        shop.sql(f"ALTER DATABASE {shop.database} SET synchronous_commit = off")
        fed = shop.connect()
        with shop.scene("`synchronous_commit = off`; written, then read", "the answer, what was written") as ask:
            for n in range(1, 31):
                fed.execute("update items set n = :n where id = 1", {"n": n})
                assert ask(fed.query, "select n from items where id = 1").scalar() == n
                fed.execute(f"UPDATE items SET n = -{n} WHERE id = 1", native="shop")
                assert ask(fed.query, "select n from items where id = 1").scalar() == -n
