"""Estimates without a database: what follows from statistics, and that nothing leaves its bounds whatever they say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog.schema import Column
from fedq.catalog.statistics import ColumnStatistics, Link, TableStatistics
from fedq.plan.estimate import (
    LOCAL,
    UNKNOWN_ROWS,
    distinct,
    filtered,
    group_rows,
    key_seconds,
    key_share,
    pull_seconds,
    share,
    share_of,
    table_estimate,
    width,
)
from fedq.types import BOOLEAN, DATE, DOUBLE, INTEGER, TIMESTAMP, VARCHAR, Type
from tests.fetch.statistics_support import condition, made, resolve_in

COLUMNS = (
    Column("k", INTEGER, "k", "int"),
    Column("s", VARCHAR, "s", "text"),
    Column("d", DATE, "d", "date"),
    Column("p", Type("DECIMAL", 10, 2), "p", "numeric(10,2)"),
    Column("f", DOUBLE, "f", "double"),
    Column("b", BOOLEAN, "b", "boolean"),
    Column("t", TIMESTAMP, "t", "timestamp"),
    Column("u", Type("UUID"), "u", "uuid"),
)
YEARS = tuple(dt.date(1990 + number, 1, 1) for number in range(11))
KNOWN = TableStatistics(
    10_000,
    {
        "k": ColumnStatistics(1000, 0.1, ((7, 0.3), (8, 0.2)), (0, 100, 200, 300, 1000), 0, 1000, 4),
        "s": ColumnStatistics(500, 0.0, (("none", 0.5),), ("a", "m", "B", "z"), width=12.5),
        "d": ColumnStatistics(3650, 0.0, (), YEARS, YEARS[0], YEARS[-1]),
        "p": ColumnStatistics(low=Decimal("0.00"), high=Decimal("100.00")),
        "b": ColumnStatistics(2, 0.0, ((True, 0.9), (False, 0.1))),
    },
)
TABLE = made(COLUMNS, KNOWN, 10_000, ("u",))


def _share(text: str, params: dict[str, Any] | None = None) -> float:
    return share(condition(text), resolve_in(TABLE), params)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k = 7", 0.3),
        ("7 = k", 0.3),
        ("(k = 7)", 0.3),
        ("k = 5", 0.4 / 998),
        ("k <> 7", 0.6),
        ("not k = 7", 0.6),
        ("k is null", 0.1),
        ("k is not null", 0.9),
        ("k in (7, 8)", 0.5),
        ("k not in (7, 8)", 0.4),
        ("k < 8", 0.3 + 0.4 * 0.02),
        ("k <= 8", 0.5 + 0.4 * 0.02),
        ("k >= 200", 0.2),
        ("200 <= k", 0.2),
        ("k >= 200 and k < 300", 0.1),
        ("k < 300 and k >= 200", 0.1),
        ("k between 200 and 300", 0.1),
        ("k between 300 and 200", 0.0),
        ("k = 7 or k = 8", 1 - 0.7 * 0.8),
        ("b", 0.9),
        ("not b", 0.1),
        ("b = false", 0.1),
        ("u = '00000000-0000-0000-0000-000000000001'", 0.0001),
        ("d >= date '1995-01-01'", 0.5),
        ("d >= '1995-01-01'", 0.5),
        ("d < timestamp '1991-01-01 00:00:00'", 0.1),
        ("d < date '1995-01-01' + interval '1' year", 0.6),
        ("extract(year from d) = 1995", 1 / 11),
        ("year(d) in (1995, 1996)", 2 / 11),
        ("d::date = date '1995-01-01'", 1 / 11),
        ("p < 50", 0.5),
        ("p between 10 and 20", 0.1),
        ("s = 'none'", 0.5),
        ("s like 'no%'", 0.5),
        ("s not like 'no%'", 0.5),
        ("lower(s) = 'none'", 0.5 + 0.5 / 8),
        ("starts_with(s, 'no')", 0.5 + 0.5 / 8),
        ("true", 1.0),
        ("false", 0.0),
    ],
)  # fmt: skip
def test_shares(text: str, expected: float) -> None:
    assert _share(text) == pytest.approx(expected, abs=0.02 * max(expected, 0.1)), text


def test_text_is_ordered_by_bytes_whatever_order_its_bounds_come_in() -> None:
    # B < a < m < z
    assert _share("s < 'a'") < _share("s < 'm'") < _share("s < 'zz'")
    assert _share("s < 'B'") == 0 or _share("s < 'B'") < 0.01


def test_parameters_are_constants() -> None:
    assert _share("k = $k", {"k": 7}) == _share("k = 7")
    assert _share("d >= $since", {"since": dt.date(1995, 1, 1)}) == _share("d >= date '1995-01-01'")


def test_columns_together_are_neither_independent_nor_one() -> None:
    one, other = _share("k = 7"), _share("d < date '1992-01-01'")
    assert one * other < _share("k = 7 and d < date '1992-01-01'") < min(one, other)
    nodes = [condition("k >= 200"), condition("k < 300")]
    assert share_of(nodes, resolve_in(TABLE)).value == pytest.approx(_share("k between 200 and 300"), rel=0.2)


@pytest.mark.parametrize(
    "text", ["f = 1.5", "f > 2", "k = (select 1)", "sqrt(k) = 2", "k = other", "s like other", "t is null"]
)
def test_what_is_guessed_says_so(text: str) -> None:
    found = share_of([condition(text)], resolve_in(TABLE))
    assert not found.is_known
    assert 0 < found.value < 1


def test_a_value_beyond_what_is_known_is_rare_but_not_impossible() -> None:
    assert 0 < _share("d > date '2024-01-01'") < 0.01


def test_distinct_from_keys_types_and_statistics() -> None:
    counts = {column.name: distinct(TABLE, column) for column in COLUMNS}
    assert counts == {"k": 1000, "s": 500, "d": 3650, "p": None, "f": None, "b": 2, "t": None, "u": 10_000}
    dense = made(COLUMNS, TableStatistics(None, {"k": ColumnStatistics(low=1, high=50)}), 10_000)
    assert distinct(dense, COLUMNS[0]) == 50
    sparse = made(COLUMNS, TableStatistics(None, {"k": ColumnStatistics(low=1, high=10**9)}), 10_000)
    assert distinct(sparse, COLUMNS[0]) is None


def test_rows_and_widths() -> None:
    assert table_estimate(TABLE).is_known
    assert str(table_estimate(TABLE)) == "about 10,000 rows"
    unknown = made(COLUMNS, None)
    assert table_estimate(unknown).rows == UNKNOWN_ROWS
    assert str(table_estimate(unknown)) == "about 100,000 rows (a guess)"
    assert table_estimate(made(COLUMNS, TableStatistics(5.0))).rows == 5
    assert (width(TABLE, COLUMNS[1]), width(unknown, COLUMNS[0])) == (12.5, 4.0)
    assert filtered(made(COLUMNS, None, 0.0), [condition("k = 1")], resolve_in(TABLE)).rows == 0
    assert filtered(TABLE, [], resolve_in(TABLE)).rows == 10_000


def test_groups_and_keys() -> None:
    assert group_rows(1000, [None]) <= 200
    assert group_rows(1000, [10, None, 1e9]) <= 1000
    assert group_rows(0, [10]) == 1
    assert key_share(0, 100, 1000) == 0
    assert key_share(5, 0, 0) == 1


def test_time() -> None:
    far = Link(0.02, 25e6)
    assert pull_seconds(far, 1_000_000, 21) == pytest.approx(1.02)
    assert pull_seconds(LOCAL, 0, 8) == 0
    assert 0 < pull_seconds(None, 1000, 8) < pull_seconds(far, 1000, 8)
    assert key_seconds(far, 10_000, 8) < pull_seconds(far, 1_000_000, 100)


_VALUES = st.one_of(st.none(), st.integers(-1000, 1000))
_COLUMN = st.builds(
    ColumnStatistics,
    distinct=st.one_of(st.none(), st.floats(0, 1e9)),
    null_share=st.one_of(st.none(), st.floats(0, 1)),
    most_common=st.lists(st.tuples(st.integers(-20, 20), st.floats(0, 1)), max_size=4).map(tuple),
    bounds=st.lists(st.integers(-1000, 1000), max_size=8).map(lambda found: tuple(sorted(found))),
    low=_VALUES,
    high=_VALUES,
)
_CONDITIONS = st.sampled_from(
    ["k = 5", "k <> 5", "k < 5", "k > 5 and k <= 900", "k in (1, 2, 3)", "not k < 5", "k is null", "k % 2 = 0",
     "k between -5 and 5", "k = 1 or k > 50", "not (k = 1 or k is null)", "abs(k) > 3", "k = null", "k < 1.5"]
)  # fmt: skip


@given(_COLUMN, _CONDITIONS, st.one_of(st.none(), st.floats(0, 1e12)))
def test_whatever_the_statistics_say_a_share_is_a_share(known: ColumnStatistics, text: str, rows: float | None) -> None:
    table = made(COLUMNS, TableStatistics(rows, {"k": known}), rows)
    found = share_of([condition(text)], resolve_in(table))
    assert 0 <= found.value <= 1
    estimate = filtered(table, [condition(text)], resolve_in(table))
    assert estimate.rows <= max(1.0, table_estimate(table).rows)
    count = distinct(table, COLUMNS[0])
    assert count is None or count >= 1
