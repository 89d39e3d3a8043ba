"""INSERT … ON CONFLICT (key): the same in every kind of database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import fedq
from tests.write.conftest import Place


def names(place: Place) -> list[tuple[Any, ...]]:
    return place.rows(columns="id, name")


def test_do_nothing_leaves_what_is_there(place: Place) -> None:
    sql = "insert into items (id, name) values (1, 'other'), (10, 'new'), (10, 'newer') on conflict (id) do nothing"
    assert place.fed.execute(sql).rows == 1
    assert names(place) == [(1, "one"), (2, "two"), (3, None), (10, "new")]
    assert place.fed.execute(sql).rows == 0


def test_do_update_of_what_was_to_be_inserted(place: Place) -> None:
    written = place.fed.execute(
        "insert into items (id, name, amount) select id, word, price from lookup"
        " on conflict (id) do update set name = excluded.name"
    )
    assert written.rows == 3
    assert names(place) == [(1, "eins"), (2, "zwei"), (3, None), (7, "sieben")]
    amounts = place.fed.query("select amount from items order by id").rows()
    assert amounts == [(Decimal("1.50"),), (Decimal("2.50"),), (None,), (Decimal("70.00"),)]


def test_do_update_that_computes(place: Place) -> None:
    written = place.fed.execute(
        "insert into items as t (id, name, amount) values (1, 'a', 10), (2, 'b', 20), (9, 'c', 30)"
        " on conflict (id) do update set amount = t.amount + excluded.amount, name = upper(name) || :more"
        " where excluded.amount > 10",
        {"more": "!"},
    )
    assert written.rows == 2
    found = place.fed.query("select id, name, amount from items order by id").rows()
    assert found == [
        (1, "one", Decimal("1.50")), (2, "TWO!", Decimal("22.50")), (3, None, None), (9, "c", Decimal("30.00")),
    ]  # fmt: skip


def test_a_key_of_two_columns(place: Place) -> None:
    place.fed.execute("insert into pairs values (1, 'x', 1), (2, 'y', 2)")
    counted = "insert into pairs values (2, 'y', 5), (2, 'z', 7) on conflict (b, a) do update set v = pairs.v + 1"
    assert place.fed.execute(counted).rows == 2
    assert place.rows("pairs", order="1, 2") == [(1, "x", 1), (2, "y", 3), (2, "z", 7)]


REFUSED: list[tuple[str, type[fedq.FedqError], str]] = [
    ("on conflict do nothing", fedq.NotAllowed, "key"),
    ("on conflict (name) do nothing", fedq.NotAllowed, "key"),
    ("on conflict (nowhere) do nothing", fedq.ColumnNotFound, "nowhere"),
    ("on conflict on constraint items_pkey do nothing", fedq.NotAllowed, "form"),
    ("on conflict (id) where id > 1 do nothing", fedq.NotAllowed, "form"),
    ("on duplicate key update name = 'x'", fedq.NotAllowed, "form"),
    ("on conflict (id) do update set id = 5", fedq.NotAllowed, "key itself"),
    ("on conflict (id) do update set nam = 'x'", fedq.ColumnNotFound, "nam"),
    ("on conflict (id) do update set name = excluded.nam", fedq.FedqError, ""),
    ("on conflict (id) do update set name = 'a', name = 'b'", fedq.InvalidQuery, "twice"),
    ("on conflict (id) do update set name = excluded.name, name = excluded.name", fedq.InvalidQuery, "twice"),
    ("on conflict (id) do update set amount = 1.239", fedq.ValueNotRepresentable, "amount"),
]


def test_what_is_refused(place: Place) -> None:
    for tail, error, says in REFUSED:
        with pytest.raises(error) as found:
            place.fed.execute(f"insert into items (id, name) values (1, 'x'), (8, 'y') {tail}")
        assert says in str(found.value), tail
    assert names(place) == [(1, "one"), (2, "two"), (3, None)]


def test_rows_that_cannot_be_told_apart_are_refused(place: Place) -> None:
    do_update = "on conflict (id) do update set name = excluded.name"
    for rows in ("(id, name) values (8, 'a'), (8, 'b')", "(name) values ('a')"):
        with pytest.raises(fedq.InvalidQuery):
            place.fed.execute(f"insert into items {rows} {do_update}")
    with pytest.raises(fedq.FedqError):
        place.fed.execute("insert or ignore into items (id) values (8)")
    with pytest.raises(fedq.InvalidQuery, match="no primary key"):
        place.fed.execute("insert into bare values (1, 'a') on conflict (n) do nothing")
    assert len(place.rows()) == 3


@pytest.mark.parametrize("place", ["mariadb"], indirect=True)
def test_another_unique_column_is_an_error_and_not_a_conflict(place: Place) -> None:
    place.run("CREATE TABLE u (id INTEGER PRIMARY KEY, code INTEGER UNIQUE, v INTEGER)")
    place.run("INSERT INTO u VALUES (1, 10, 0), (2, 20, 0)")
    for tail in ("do nothing", "do update set v = excluded.v", "do update set v = u.v + 1"):
        with pytest.raises(fedq.DatabaseError):
            place.fed.execute(f"insert into u values (3, 10, 5) on conflict (id) {tail}")
    assert place.rows("u") == [(1, 10, 0), (2, 20, 0)]
    place.run("CREATE TABLE ci (k VARCHAR(9) PRIMARY KEY, v INTEGER)")
    place.run("INSERT INTO ci VALUES ('a', 0)")
    with pytest.raises(fedq.InvalidQuery, match="other letters"):
        place.fed.execute("insert into ci values ('A', 1), ('b', 1) on conflict (k) do update set v = ci.v + 1")
    assert place.rows("ci") == [("a", 0)]
