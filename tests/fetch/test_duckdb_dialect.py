"""What is said to DuckDB is the value it was."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal

import duckdb
import pytest

from fedq.catalog.schema import Column
from fedq.dialects.base import Unsayable
from fedq.dialects.duckdb import DUCKDB
from fedq.types import VARCHAR, Comparison

DUCK = duckdb.connect()
DUCK.execute("SET TimeZone = 'UTC'")
VALUES = [
    None, True, False, 0, -5, 2**63, -(2**63), 10**37, Decimal("1.50"), Decimal("-0.001"), Decimal("1E+3"), 1.5, -2.0, 0.1, 1e300,
    5e-324, 0.30000000000000004, math.inf, -math.inf, "it's", "a\0b", "\0", "é😀", "a\\b", "", b"", b"\0\xff", dt.date(1, 1, 1),
    dt.date(9999, 12, 31), dt.datetime(2024, 1, 1, 1, 2, 3, 4), dt.time(1, 2, 3, 4), uuid.UUID(int=5),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_literals(value: object) -> None:
    row = DUCK.execute(f"SELECT {DUCKDB.literal(value)}").fetchone()
    assert row == (value,) and row is not None and type(row[0]) is type(value)


def test_instants_and_nan() -> None:
    zoned = dt.datetime(2024, 1, 1, 3, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    sql = f"SELECT CAST({DUCKDB.literal(zoned)} AS VARCHAR), isnan({DUCKDB.literal(math.nan)})"
    assert DUCK.execute(sql).fetchone() == ("2023-12-31 21:30:00+00", True)


@pytest.mark.parametrize(
    "value",
    [10**38, Decimal("0." + "1" * 38), Decimal("NaN"), object(), dt.timedelta(1)],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_said(value: object) -> None:
    with pytest.raises(Unsayable):
        DUCKDB.literal(value)


def test_text_under_a_collation() -> None:
    column = Column("s", VARCHAR, "s", "VARCHAR", comparison=Comparison.LOOSE, collation="NOCASE")
    DUCK.execute("CREATE OR REPLACE TABLE k (s VARCHAR COLLATE NOCASE); INSERT INTO k VALUES ('a'), ('A'), ('b')")
    like = DUCKDB.like('"s"', column, "'a%'")
    assert like is not None and like[1]
    for condition, expected in {
        f"{DUCKDB.by_bytes('s', column)} < 'a'": ["A"],
        str(DUCKDB.same_text("s", column, ["'a'", "'B'"])): ["a"],
        like[0]: ["a"],
    }.items():
        assert [row[0] for row in DUCK.execute(f"SELECT s FROM k WHERE {condition}").fetchall()] == expected
    plain = Column("s", VARCHAR, "s", "VARCHAR")
    assert DUCKDB.like("s", plain, "'x'") == ("s LIKE 'x'", True)
