"""The clusters themselves: a frozen replica does not learn, a thawed one does."""

from __future__ import annotations

from tests.replicas.conftest import Shop


def test_a_frozen_replica_stays_behind_until_it_is_thawed(shop: Shop) -> None:
    shop.cluster.freeze(0)
    try:
        shop.sql("UPDATE items SET n = 7")
        assert shop.cluster.replicas[0].sql("SELECT n FROM items", shop.database) == [(0,)]
    finally:
        shop.cluster.thaw(0)
    shop.cluster.wait()
    assert [each.sql("SELECT n FROM items", shop.database) for each in shop.cluster.replicas] == [[(7,)], [(7,)]]
