"""What is said to SQLite means there what it means in DuckDB, or lets through more where it says so."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
import sqlite3
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog.schema import Column
from fedq.dialects.base import Unsayable
from fedq.dialects.sqlite import SQLITE
from fedq.types import VARCHAR, Comparison, Type

SQL = sqlite3.connect(":memory:", check_same_thread=False)
DUCK = duckdb.connect()
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b",
    "é",
    "ß",
    "a_b",
    "a%b",
    "a\\b",
    "a b ",
    "a\0b",
    "😀",
    "\ud7ff",
    "\ue000",
    "'",
    "Z",
]
SAME = Column("s", VARCHAR, "s", "text")
LOOSE = Column("s", VARCHAR, "s", "text", comparison=Comparison.LOOSE, collation="NOCASE")


def texts_where(condition: str, collation: str = "BINARY") -> set[str]:
    SQL.execute("drop table if exists t")
    SQL.execute(f"create table t (s text collate {collation})")
    SQL.executemany("insert into t values (?)", [(text,) for text in TEXTS])
    return {row[0] for row in SQL.execute(f"select s from t where {condition}")}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_said_exactly(value: float) -> None:
    try:
        said = SQLITE.double(value)
    except Unsayable:
        assert abs(value) >= 2**53 or abs(value) < 2**-8
        return
    (found, type_) = SQL.execute(f"select {said}, typeof({said})").fetchone()
    assert (found, type_) == (value, "real")


@given(st.decimals(min_value=-(10**10), max_value=10**10, places=3))
def test_a_decimal_is_said_as_the_double_it_is_stored_as(value: Decimal) -> None:
    if len(value.normalize().as_tuple().digits) > 15:
        with pytest.raises(Unsayable):
            SQLITE.literal(value)
        return
    SQL.execute("drop table if exists d")
    SQL.execute("create table d (v decimal(20,3))")
    SQL.executemany("insert into d values (?)", [(float(value),), (str(value),)])
    found = SQL.execute(f"select count(*) from d where v = {SQLITE.literal(value)}").fetchone()
    assert found == (2,)


def test_decimals_of_fifteen_digits_are_ordered_as_doubles() -> None:
    numbers = random.Random(5)
    for _ in range(2000):
        one = Decimal(numbers.randrange(10**15)).scaleb(-numbers.randrange(15))
        other = one + Decimal(1).scaleb(int(one.as_tuple().exponent))
        if len(other.as_tuple().digits) <= 15:
            assert float(one) < float(other) and Decimal(repr(float(one))) == one


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "1"), (False, "0"), (5, "5"), (-(2**63), "(-9223372036854775808)"), ("it's", "'it''s'"), (b"\0a", "X'0061'"),
        (dt.date(2026, 1, 31), "'2026-01-31'"), (None, "NULL"), (Decimal("100"), "100"), (2.5, "2.5"), (-1.0, "(-1.0)"),
    ],
)  # fmt: skip
def test_literals(value: object, said: str) -> None:
    assert SQLITE.literal(value) == said
    SQL.execute(f"select {said}").fetchone()


@pytest.mark.parametrize(
    "value",
    [
        2**63, Decimal(2**64), Decimal("NaN"), Decimal("0.1234567890123456"), math.nan, math.inf, 5e-324, "a\0b",
        Decimal(f"0.5{'0' * 30}1"), dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.time(1), object(),
    ],
)  # fmt: skip
def test_what_cannot_be_said(value: object) -> None:
    with pytest.raises(Unsayable):
        SQLITE.literal(value)


PATTERNS = ["".join(parts) for size in range(5) for parts in itertools.product("ab%_", repeat=size)]
MORE_PATTERNS = [
    "é%",
    "%é",
    "ß%",
    "😀%",
    "%\ud7ff%",
    "\ud7ff%",
    "a\\%",
    "%'%",
    "a %",
    "% ",
    "A%",
    "a_b",
    "%a%b%",
    "__",
    "%_%",
    "😀_",
]


@pytest.mark.parametrize("column", [SAME, LOOSE], ids=["binary", "nocase"])
def test_like(column: Column) -> None:
    said_exactly = 0
    for pattern in [*PATTERNS, *MORE_PATTERNS]:
        matching = "select s from (select unnest(?::varchar[]) as s) where s like ?"
        expected = {row[0] for row in DUCK.execute(matching, [TEXTS, pattern]).fetchall()}
        said = SQLITE.like('"s"', column, SQLITE.text(pattern))
        if said is None:
            continue
        condition, is_exact = said
        found = texts_where(condition, column.collation or "BINARY")
        assert found == expected if is_exact else found >= expected, (pattern, condition)
        said_exactly += is_exact
    assert said_exactly > 30


@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">="])
def test_text_by_bytes(operator: str) -> None:
    by_bytes = SQLITE.by_bytes('"s"', LOOSE)
    for text in [text for text in TEXTS if "\0" not in text]:
        literal = SQLITE.text(text)
        expected = {one for one in TEXTS if DUCK.execute(f"select ? {operator} ?", [one, text]).fetchone() == (True,)}
        assert texts_where(f'"s" {operator} {literal}') == expected
        assert texts_where(f"{by_bytes} {operator} {literal}", "NOCASE") == expected


def test_the_same_text_is_found_by_the_columns_own_index() -> None:
    for literals in (["'a'"], ["'a'", "'AB'"], ["'nothing'"]):
        said = SQLITE.same_text('"s"', LOOSE, literals)
        assert said is not None
        wanted = {literal[1:-1] for literal in literals}
        assert texts_where(said, "NOCASE") == wanted & set(TEXTS)
        SQL.execute("create index if not exists i on t (s)")
        (plan,) = SQL.execute(f"explain query plan select * from t where {said}").fetchall()
        assert "SEARCH" in plan[3]
    assert SQLITE.same_text('"s"', LOOSE, []) is None


def test_dates_are_ordered_by_their_text() -> None:
    days = [dt.date(1, 1, 1), dt.date(999, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
    for one, other in itertools.product(days, days):
        (found,) = SQL.execute(f"select {SQLITE.literal(one)} < {SQLITE.literal(other)}").fetchone()
        assert bool(found) == (one < other)


def test_names() -> None:
    assert SQLITE.table("main", 'a"b') == '"main"."a""b"'
    assert SQLITE.literal("x", Type("VARCHAR")) == "'x'"
    with pytest.raises(Unsayable):
        SQLITE.quote("a\0b")
