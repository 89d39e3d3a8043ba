"""Plans that are kept: another parameter or constant takes the place of the last one, or makes another plan."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

import fedq


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


def test_another_constant_is_the_same_plan(shop: fedq.Federation, plans: list[object]) -> None:
    for number, day, name in ((3, "1960-03-01", "user 3"), (77, "1950-01-01", "user 0"), (120, "1959-12-31", "it's")):
        text = name.replace("'", "''")
        sql = f"select count(*) from users where id >= {number} and born > date '{day}' and name = '{text}'"
        rows = [(i, f"user {i % 7}", f"19{50 + i % 50}-03-01") for i in range(200)]
        result = shop.query(sql)
        assert result.scalar() == sum(i >= number and born > day and who == name for i, who, born in rows)
        assert text in result.sources[0].sql and day in result.sources[0].sql
        assert result.plan.text == sql
    assert len(plans) == 1


def test_the_words_of_a_kept_plan_are_those_of_its_text(shop: fedq.Federation, plans: list[object]) -> None:
    for number, name in ((5, "a"), (7, "it''s")):
        plan = shop.explain(f"select name from users where id > {number} and (name > '{name}' or md5(name) = 'x')")
        (fetch,) = plan.fetches
        assert fetch.pushed == (f"id > {number}",)
        assert [kept.what for kept in fetch.kept] == [f"name > '{name}' OR MD5(name) = 'x'"]
        assert f"id > {number}" in str(plan) and "\0" not in str(plan)
    assert len(plans) == 1


def test_constants_that_were_one_and_are_two_make_another_plan(shop: fedq.Federation, plans: list[object]) -> None:
    sql = "select count(*) from users a join users b on a.id = b.id where a.id < {} and b.id < {}"
    assert [shop.query(sql.format(*two)).scalar() for two in ((9, 9), (5, 5), (9, 5), (3, 6))] == [9, 5, 5, 3]
    assert len(plans) == 2


@pytest.mark.parametrize(
    ("sql", "constants", "expected"),
    [
        ("select count(*) from users where id = {}", ["7", "'8'", "7.5", "9223372036854775808", "1" + "0" * 40], [1, 1, 0, 0, 0]),
        ("select count(*) from users where born = {}", ["'1950-03-01'", "'1951-3-1'", "date '1952-03-01'"], [4, 4, 4]),
        ("select count(*) from users where name = {}", ["'user 1'", "'user ' || 1", "e'user\\x201'"], [29, 29, 29]),
        ("select count(*) from users where id < {} limit 1", ["5", "6"], [5, 6]),
        ("select count(*) from (select id from users where id < 50 limit {})", ["3", "4"], [3, 4]),
        ("select count(*) from users where id between {} and 9", ["5", "6", "10"], [5, 4, 0]),
        ("select count(*) from users where not (id >= {} or score > 1)", ["5", "3"], [5, 3]),
        ("select count(*) from users where id in (select id from users where id = {})", ["5", "500"], [1, 0]),
        ("select count(*) from users where -id < {}", ["5", "6"], [200, 200]),
        ("select count(*) from users where id < {} and score * 2 > 3", ["9", "8"], [2, 1]),
        ("select count(*) from users where born < date {} + interval 2 month", ["'1950-01-01'", "'1951-01-02'", "'1951-1-2'"], [0, 8, 8]),
        ("select count(*) from users where born = {} - interval 1 day", ["date '1950-03-02'", "timestamp '1951-03-02 00:00:00'", "timestamp '1951-03-02 01:00:00'"], [4, 4, 0]),
    ],
)  # fmt: skip
def test_every_constant_has_its_answer(
    shop: fedq.Federation, sql: str, constants: list[str], expected: list[int]
) -> None:
    assert [shop.query(sql.format(one)).scalar() for one in (*constants, *constants)] == [*expected, *expected]


@pytest.mark.parametrize(
    "sql",
    [
        "select id = {} from users where id < 2",
        "select (select max(id) from users where id < {}) from users where id < 2",
        "select * from (select (select max(id) from users where id < {}) from users where id < 2)",
        "select id, count(*) filter (where id < {}) from users where id < 2 group by id",
        "select case when id < {} then 1 end from users where id < 2",
    ],
)
def test_a_constant_that_names_a_column_names_it_anew(shop: fedq.Federation, sql: str) -> None:
    local = duckdb.connect()
    local.execute("create table users as select i as id from range(200) t(i)")
    for number in (3, 4):
        found, expected = shop.query(sql.format(number)), local.sql(sql.format(number))
        assert (found.columns, found.rows()) == (expected.columns, expected.fetchall())


def test_an_error_points_into_the_text_that_was_asked(shop: fedq.Federation) -> None:
    """The plan is of a text with a shorter constant."""
    sql = "select cast(name as integer) from users where name > '{}' and id < 5"
    for name in ("a", "a rather long name"):
        with pytest.raises(fedq.errors.FedqError) as raised:
            shop.query(sql.format(name))
        text, span = raised.value.sql, raised.value.span
        assert text == sql.format(name)
        assert span is None or text[span[0] : span[1]].startswith("cast")


def test_a_constant_that_is_refused_is_refused_as_if_it_were_the_first(shop: fedq.Federation) -> None:
    sql = "select name from users where born = date '{}'"
    assert shop.query(sql.format("1950-03-01")).rows()
    with pytest.raises(fedq.errors.FedqError) as later:
        shop.query(sql.format("1950-13-01"))
    with fedq.connect(shop.catalog) as fresh, pytest.raises(fedq.errors.FedqError) as first:
        fresh.query(sql.format("1950-13-01"))
    assert str(later.value) == str(first.value)


def test_constants_beside_parameters(shop: fedq.Federation, plans: list[object]) -> None:
    sql = "select :low, count(*) from users where id >= :low and id < {}"
    for low, high in ((3, 9), (4, 9), (4, 11)):
        assert shop.query(sql.format(high), {"low": low}).rows() == [(low, high - low)]


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


def test_constants_of_several_threads_never_mix(shop: fedq.Federation) -> None:
    wrong: list[str] = []

    def ask(seed: int) -> None:
        random = Random(seed)
        for _ in range(60):
            low, name = random.randrange(200), f"user {random.randrange(7)}"
            sql = f"select count(*), '{name}' from users a join users b using (id) where a.id >= {low} and b.name = '{name}'"
            found = shop.query(sql).rows()
            if found != [(sum(f"user {i % 7}" == name for i in range(low, 200)), name)]:
                wrong.append(f"{sql}: {found}")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
