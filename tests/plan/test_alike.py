"""When a plan that was made for other constants, or other circumstances, serves; and when it is made anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedq
from fedq.catalog.statistics import Link
from fedq.fetch.open import Sources
from fedq.plan.alike import is_as_far


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[fedq.Federation]:
    """100,000 orders, of which every tenth has a status of its own; SQLite counts them for ANALYZE."""
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        rows = [(i, f"rare {i}" if i % 10 == 0 else "open") for i in range(100_000)]
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        connection.executemany("INSERT INTO people VALUES (?, ?)", [(i, f"p{i}") for i in range(10)])
        connection.execute("ANALYZE")
    connection.close()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with fedq.connect({"version": 1, "databases": {"shop": {"url": url}}}) as fed:
        yield fed


SQL = "select count(*) from orders o join people p on p.id = o.id where o.id < {}"


def test_about_as_many_rows_are_one_plan_and_many_more_are_another(shop: fedq.Federation, plans: list[object]) -> None:
    for limit, expected in ((50_000, 1), (60_000, 1), (30_000, 1), (300, 2), (90_000, 2), (150, 2), (400, 2)):
        assert shop.query(SQL.format(limit)).scalar() == 10
        assert len(plans) == expected, limit


def test_parameters_are_measured_too(shop: fedq.Federation, plans: list[object]) -> None:
    for limit, expected in ((50_000, 1), (60_000, 1), (300, 2), (55_000, 2)):
        assert shop.query(SQL.format(":limit"), {"limit": limit}).scalar() == 10
        assert len(plans) == expected, limit


def test_other_statistics_are_another_plan(shop: fedq.Federation, plans: list[object]) -> None:
    for _ in range(2):
        shop.query(SQL.format(50_000))
    assert len(plans) == 1
    shop._pipeline._sources._knowledge._entries.clear()
    for _ in range(2):
        shop.query(SQL.format(50_000))
    assert len(plans) == 2


def test_another_link_is_another_plan(
    shop: fedq.Federation, plans: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rate, expected in ((1e9, 1), (1.5e9, 1), (25e6, 2), (30e6, 2), (1e9, 2)):
        monkeypatch.setattr(Sources, "link", lambda self, name, rate=rate: Link(0.0, rate))
        shop.query(SQL.format(50_000))
        assert len(plans) == expected, rate


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, None, True),
        (None, Link(0.001, 1e6), False),
        (Link(0.0001, 1e6), Link(0.0009, 1.9e6), True),
        (Link(0.0001, 1e6), Link(0.0201, 1e6), False),
        (Link(0.020, 1e6), Link(0.039, 1e6), True),
        (Link(0.020, 1e6), Link(0.020, 2.1e6), False),
    ],
)
def test_as_far(one: Link | None, other: Link | None, expected: bool) -> None:
    assert is_as_far(one, other) is expected
    assert is_as_far(other, one) is expected
