"""Plans that are kept: another value of a parameter takes the place of the last one, or makes another plan."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fedq
import fedq.pipeline as module


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[fedq.Federation]:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, born DATE, score REAL)")
        rows = [(i, f"user {i % 7}", f"19{50 + i % 50}-03-01", i / 4) for i in range(200)]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
    connection.close()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with fedq.connect({"version": 1, "databases": {"shop": {"url": url}}, "tables": {"users": "shop"}}) as fed:
        yield fed


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry per plan that is made."""
    made: list[object] = []
    real = module.build

    def build(*arguments: Any, **named: Any) -> Any:
        made.append(arguments)
        return real(*arguments, **named)

    monkeypatch.setattr(module, "build", build)
    return made


def test_another_value_is_the_same_plan(shop: fedq.Federation, plans: list[object]) -> None:
    for number in (3, 77, 199, -5):
        expected = [(f"user {number % 7}",)] if number >= 0 else []
        result = shop.query("select name from users where id = :id", {"id": number})
        assert result.rows() == expected
        sent = str(abs(number))
        assert sent in result.sources[0].sql
    assert len(plans) == 1


def test_texts_and_days_too(shop: fedq.Federation, plans: list[object]) -> None:
    sql = "select count(*) from users where name = :name and born >= :day"
    for name, day in (("user 1", dt.date(1990, 1, 1)), ("it's", dt.date(1960, 1, 1)), ("user 2", dt.date(1950, 3, 1))):
        expected = sum(f"user {i % 7}" == name and dt.date(1950 + i % 50, 3, 1) >= day for i in range(200))
        assert shop.query(sql, {"name": name, "day": day}).scalar() == expected
    assert len(plans) == 1


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("select count(*) from (select id from users where id < 50 limit :n)", [3, 4], [3, 4]),
        ("select count(*) from users where name like :n", ["user 1", "%2", "user _"], [29, 29, 200]),
        ("select count(*) from users where id = :n + 1", [3, 1000], [1, 0]),
        ("select count(*) from users where id = :n and id < :n + 1", [3, 1000], [1, 0]),
        ("select count(*) from users where score > :n", [1.5, 40.0, -1.0], [193, 39, 200]),
        ("select count(*) from users where id > :n", [1.5, 198, 1.0, None], [198, 1, 198, 0]),
        ("select count(*) from users where id = :n", [7, 2**70, 7, True, "7"], [1, 0, 1, 1, 1]),
    ],
)  # fmt: skip
def test_a_value_that_decides_makes_its_own_plan(
    shop: fedq.Federation, sql: str, values: list[Any], expected: list[int]
) -> None:
    assert [shop.query(sql, {"n": value}).scalar() for value in values] == expected


def test_what_a_parameter_is_compared_with_here_and_shown_there(shop: fedq.Federation) -> None:
    sql = "select :n + 1, count(*) from users where id < :n group by 1"
    assert [shop.query(sql, {"n": value}).rows() for value in (5, 9)] == [[(6, 5)], [(10, 9)]]


def test_a_text_with_a_mark_in_it_is_a_text(shop: fedq.Federation) -> None:
    sql = "select count(*) from users where name = :a and id = :b"
    for name in ("user 1", "user \0000\0", "user 1\0"):
        assert shop.query(sql, {"a": name, "b": 1}).scalar() == (name == "user 1")


def test_a_column_added_meanwhile_is_seen(shop: fedq.Federation, tmp_path: Path, plans: list[object]) -> None:
    sql = "select * from users where id = :id"
    assert len(shop.query(sql, {"id": 1}).columns) == 4
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'Bonn'")
    connection.close()
    assert shop.query(sql, {"id": 2}).rows()[0][-1] == "Bonn"
    assert len(plans) == 2


def test_a_table_placed_elsewhere_is_another_plan(tmp_path: Path, plans: list[object]) -> None:
    for name, who in (("one", "Ann"), ("two", "Bob")):
        with sqlite3.connect(tmp_path / f"{name}.db") as connection:
            connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
            connection.execute("INSERT INTO users VALUES (1, ?)", [who])
        connection.close()
    urls = {name: {"url": f"sqlite:///{tmp_path / name}.db"} for name in ("one", "two")}
    sql = "select name from users where id = :id"
    with fedq.connect({"version": 1, "databases": urls, "tables": {"users": "one"}}) as fed:
        assert fed.query(sql, {"id": 1}).scalar() == "Ann"
        assert fed.using("two").query(sql, {"id": 1}).scalar() == "Bob"
        assert fed.query(sql, {"id": 1}).scalar() == "Ann"
    assert len(plans) == 2
