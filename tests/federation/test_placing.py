"""Which of several tables of one name is read: every step of the precedence, and what wins over it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import fedq

NAMES = ("one", "two", "three", "four")


@pytest.fixture
def fed(tmp_path: Path) -> fedq.Federation:
    """Four databases that all have `t` and `entered`; in each they say whose they are."""
    for name in NAMES:
        with sqlite3.connect(tmp_path / f"{name}.db") as file:
            file.executescript("".join(f"CREATE TABLE {table} (place TEXT);" for table in ("t", "entered", "log_1")))
            for table in ("t", "entered", "log_1"):
                file.execute(f"INSERT INTO {table} VALUES (?)", [name])
        file.close()
    databases = {name: {"url": str(tmp_path / f"{name}.db")} for name in NAMES}
    return fedq.connect({"databases": databases, "tables": {"entered": "one", "log_*": "two"}})


def at(fed: fedq.Federation, table: str, **options: object) -> str:
    """The database that a table is read from."""
    result = fed.query(f"select place from {table}", **options)  # type: ignore[arg-type]
    assert result.origins == {result.scalar()}
    return str(result.scalar())


def test_every_step_wins_over_the_one_below(fed: fedq.Federation) -> None:
    assert at(fed, "log_1") == "two", "a pattern"
    assert at(fed, "entered") == "one", "an entry"
    with pytest.raises(fedq.AmbiguousTable, match="'four', 'one', 'three' and 'two'"):
        at(fed, "t")
    for table in ("t", "entered", "log_1"):
        assert at(fed, f"three.{table}") == "three", "a qualified name"
        view = fed.using("four")
        assert at(view, table) == at(view, f"three.{table}") == at(view, f"three.main.{table}") == "four", "a view"
        assert at(view, table, using="two") == at(view, f"three.{table}", using={table: "two"}) == "two", "the call"
        assert at(fed.using(**{table: "four"}), f"three.{table}", using="two") == "two"
        assert at(view.using(**{table: "one"}), table) == "one", "the inner view"
