"""What a result says of each server that was read: when, how old at most, and what could not be checked."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest

import fedq
from fedq.errors import StaleReplicaError, StaleReplicaWarning
from tests.replicas.conftest import Shop
from tests.replicas.test_freshness import place


def test_each_source_says_when_its_snapshot_was_taken_and_how_old_it_is(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("id,word\n1,one\n")
    catalog = shop.catalog()
    catalog["databases"]["words"] = {"url": f"{tmp_path}/*.csv"}
    shop.feds.append(fed := fedq.connect(catalog))
    before = datetime.now(UTC)
    found = fed.query("select n, word from items join words using (id)", on_cross_db="allow")
    after = datetime.now(UTC)
    by_name = {read.database: read for read in found.sources}
    moments = [read.snapshot_at for read in found.sources]
    assert all(before <= moment <= after for moment in moments if moment is not None)
    assert None not in moments
    assert found.skew == abs((moments[0] - moments[1]).total_seconds())  # type: ignore[operator]
    items = by_name["shop"]
    assert items.role == "replica"
    assert items.staleness is not None
    assert 0 <= items.staleness <= (after - before).total_seconds()
    assert by_name["words"].staleness is None
    attrs = found.to_pandas().attrs["fedq"]
    assert attrs["skew"] == found.skew
    assert {source["snapshot_at"] for source in attrs["sources"]} == {
        moment.isoformat(timespec="microseconds") for moment in moments if moment
    }
    assert "apart" in repr(found)
    assert " old)" in repr(found)


def test_a_frozen_replica_is_older_with_every_moment(shop: Shop) -> None:
    fed = shop.connect(replicas=[0])
    fed.query("select n from items", freshness="strong")
    shop.cluster.freeze(0)
    try:
        fed.query("select n from items", freshness="any")
        shop.sql("UPDATE items SET n = 1")
        fed.query("select n from items", freshness="strong")
        one, two = (fed.query("select n from items", freshness="any").sources[0].staleness for _ in range(2))
        assert one is not None
        assert two is not None
        assert two > one > 0
    finally:
        shop.cluster.thaw(0)


def test_one_database_has_no_skew(shop: Shop) -> None:
    found = shop.connect().query("select a.n from items a join items b using (id)")
    assert found.skew == 0
    assert "apart" not in repr(found)


def lone(shop: Shop, number: int) -> fedq.Federation:
    """A federation that has a replica for its only server."""
    catalog = shop.catalog([])
    catalog["databases"]["shop"]["url"] = shop.catalog([number])["databases"]["shop"]["replicas"][0]
    del catalog["databases"]["shop"]["replicas"]
    shop.feds.append(fedq.connect(catalog))
    return shop.feds[-1]


def test_a_token_counts_where_a_replica_is_all_there_is(shop: Shop) -> None:
    fed, other = shop.connect(), lone(shop, 0)
    shop.cluster.freeze(0)
    try:
        token = fed.execute("update items set n = 5").token
        assert other.query("select n from items").scalar() == 0
        with pytest.raises(StaleReplicaError, match="a replica"):
            other.query("select n from items", after=token)
    finally:
        shop.cluster.thaw(0)
    shop.cluster.wait(30)
    assert other.query("select n from items", after=token).scalar() == 5


def test_what_is_asked_of_a_replica_alone_and_cannot_be_told_is_said(shop: Shop) -> None:
    fed = lone(shop, 0)
    with pytest.raises(StaleReplicaError, match="is a replica now"):
        fed.query("select n from items", freshness="strong")
    with pytest.warns(StaleReplicaWarning, match="'shop'") as caught:
        found = fed.query("select n from items", freshness="5s")
    assert [warning.message for warning in caught] == list(found.warnings)
    assert found.warnings[0].code == "FQ232"  # type: ignore[attr-defined]
    assert found.sources[0].is_unchecked
    assert "freshness not checked" in repr(found)


@pytest.mark.parametrize("shop", ["postgres"], indirect=True)  # MariaDB tells everybody
def test_a_role_that_may_not_ask_is_told_so(shop: Shop) -> None:
    primary = shop.cluster.primary
    primary.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", shop.database, admin=True)
    shop.cluster.wait(30)
    fed = shop.connect()
    with pytest.warns(StaleReplicaWarning):
        found = fed.query("select n from items")
    assert (found.scalar(), place(found)) == (0, "primary")
    fed.execute("update items set n = 3")
    with pytest.warns(StaleReplicaWarning):
        assert fed.query("select n from items").scalar() == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not fed.query("select n from items", freshness="any").warnings


def test_what_is_fresh_is_not_warned_of(shop: Shop) -> None:
    fed = shop.connect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for freshness in ("session", "any", "5s", "strong"):
            assert not fed.query("select n from items", freshness=freshness).sources[0].is_unchecked
