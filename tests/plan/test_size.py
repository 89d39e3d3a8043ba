"""How many rows a block is expected to give: what it groups by is known by name, by position and as written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedq

GROUPS = 40


@pytest.fixture
def fed(tmp_path: Path) -> Iterator[fedq.Federation]:
    """Two databases that know their tables: 4,000 sales in 40 shops, and the shops."""
    tables = {
        "sales": ("shop INTEGER, amount INTEGER", [(i % GROUPS, i) for i in range(4_000)]),
        "shops": ("id INTEGER PRIMARY KEY, name TEXT", [(i, f"shop {i}") for i in range(2_000)]),
    }
    for name, (columns, rows) in tables.items():
        with sqlite3.connect(tmp_path / f"{name}.db") as connection:
            connection.execute(f"CREATE TABLE {name} ({columns})")
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", rows)
            connection.execute(f"CREATE INDEX {name}_first ON {name} ({columns.split()[0]})")
            connection.execute("ANALYZE")
        connection.close()
    databases = {name: {"url": f"sqlite:///{tmp_path / name}.db"} for name in tables}
    with fedq.connect({"version": 1, "databases": databases, "tables": {name: name for name in tables}}) as found:
        yield found


@pytest.mark.parametrize("key", ["shop", "place", "1"])
def test_groups_are_counted_however_they_are_named(fed: fedq.Federation, key: str) -> None:
    block = f"select shop as place, count(*) as total from sales group by {key}"
    plan = fed.explain(f"select s.name, t.total from shops s, ({block}) t where s.id = t.place")
    (grouped,) = (fetch for fetch in plan.fetches if "GROUP BY" in fetch.sql)
    assert grouped.rows == pytest.approx(GROUPS, rel=0.2)
