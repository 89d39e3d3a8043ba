"""RETURNING: the rows that were written, computed as every query is, in every kind of database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import fedq
from tests.write.conftest import Place


def returned(place: Place, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    written = place.fed.execute(sql, params)
    assert written.returned is not None
    assert len(written.returned) == written.rows
    return sorted(tuple(row) for row in written.returned.rows())


def test_of_an_update(place: Place) -> None:
    sql = "update items as i set amount = amount * 2, id = id + 10 where amount > :a returning id, upper(i.name) as n, amount + :b"
    assert returned(place, sql, {"a": 2, "b": 1}) == [(12, "TWO", Decimal("6.00"))]
    assert place.rows(columns="id") == [(1,), (3,), (12,)]
    assert returned(place, "update items set name = 'x' where id = -1 returning *") == []


def test_of_a_delete(place: Place) -> None:
    place.fed.execute("insert into pairs values (1, 'x', 1), (1, 'y', 2), (2, 'x', 3)")
    assert returned(place, "delete from pairs where b = 'x' returning *") == [(1, "x", 1), (2, "x", 3)]
    assert returned(place, "delete from items using lookup l where l.id = items.id returning name") == [
        ("one",),
        ("two",),
    ]
    assert returned(place, "delete from items returning id") == [(3,)]
    assert place.rows() == []


def test_of_an_insert(place: Place) -> None:
    sql = "insert into items (id, name) select id + 100, word from lookup returning id, length(name) as l"
    assert returned(place, sql) == [(101, 4), (102, 4), (107, 6)]
    with place.fed.transaction():
        assert returned(place, "insert into items (id) values (:i) returning id, name", {"i": 200}) == [(200, None)]
    assert place.fed.execute("insert into items (id) values (300)").returned is None


REFUSED: list[tuple[str, type[fedq.FedqError]]] = [
    ("update bare set n = 1 returning n", fedq.NotAllowed),
    ("insert into items (name) values ('x') returning id", fedq.FedqError),
    ("insert into items (id) values (8) on conflict (id) do nothing returning id", fedq.NotAllowed),
    ("update items set name = 'x' returning nam", fedq.ColumnNotFound),
    ("delete from items returning count(*)", fedq.DatabaseError),
]


def test_what_cannot_be_returned_is_refused_and_nothing_is_written(place: Place) -> None:
    for sql, error in REFUSED:
        with pytest.raises(error):
            place.fed.execute(sql)
    assert place.rows(columns="id, name") == [(1, "one"), (2, "two"), (3, None)]
