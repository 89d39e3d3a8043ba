"""How many rows come out of what, and how long it takes to have them here: pure arithmetic over statistics.

    orders          150 000 rows            150 000
    … of one day    share 0.0004                 60
    … by customer                                59     group_rows

Estimates only choose an order and decide whether to wait for keys; no answer depends on them. Where nothing is known
they are safe guesses: a share is never below 0 nor above 1, a count of rows never below 1 unless a table is empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedq.bind.resolve import BoundTable
from fedq.catalog.schema import Column
from fedq.catalog.statistics import Link
from fedq.plan.selectivity import Resolve, distinct, share, share_of
from fedq.sql import exp

__all__ = [
    "LOCAL", "MANY_ROWS", "UNKNOWN_LINK", "UNKNOWN_ROWS", "Estimate", "distinct", "filtered", "group_rows",
    "key_seconds", "key_share", "pull_seconds", "share", "share_of", "table_estimate", "table_rows",
    "width",
]  # fmt: skip

#: rows assumed where a database has no statistics
UNKNOWN_ROWS = 100_000.0
#: rows whose computing takes longer than to ask what their values are
MANY_ROWS = 50_000.0
#: different values assumed of a column that is grouped by and not known
UNKNOWN_DISTINCT = 200.0
#: rows assumed for each key where it is not known how often a value comes
ROWS_PER_KEY = 10.0
#: what is assumed of a database that has not been read yet: the same building
UNKNOWN_LINK = Link(round_trip=0.001, bytes_per_second=50e6)
#: a file or a table in this process: no wire, and as fast as rows become Arrow
LOCAL = Link(round_trip=0.0, bytes_per_second=200e6)
#: seconds that a server needs to look one key up in an index
_LOOKUP = 2e-6
#: bytes of a row, and of a key, beside its values
_ROW_OVERHEAD, _KEY_OVERHEAD = 4.0, 3.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number of rows, and whether it rests on statistics alone or a guess is in it."""

    rows: float
    is_known: bool

    def __str__(self) -> str:
        return f"about {self.rows:,.0f} rows" + ("" if self.is_known else " (a guess)")


def table_rows(table: BoundTable) -> float:
    """Estimated rows of a whole table."""
    return table_estimate(table).rows


def table_estimate(table: BoundTable) -> Estimate:
    """Estimated rows of a whole table, and whether anybody counted them."""
    statistics, rows = table.schema.statistics, table.schema.rows
    if rows is None and statistics is not None:
        rows = statistics.rows
    return Estimate(UNKNOWN_ROWS, is_known=False) if rows is None else Estimate(max(0.0, rows), is_known=True)


def filtered(
    table: BoundTable, nodes: Sequence[exp.Expr], resolve: Resolve, params: Mapping[str, Any] | None = None
) -> Estimate:
    """Estimated rows of a table that pass all of the conditions, which speak of this table only."""
    whole, part = table_estimate(table), share_of(nodes, resolve, params)
    rows = max(1.0, whole.rows * part.value) if whole.rows else 0.0
    return Estimate(rows, whole.is_known and part.is_known)


def width(table: BoundTable, column: Column) -> float:
    """Mean bytes of a column's values."""
    statistics = table.schema.statistics
    found = statistics.columns.get(column.physical) if statistics is not None else None
    return float(column.type.width) if found is None or found.width is None else found.width


def group_rows(rows: float, distincts: Sequence[float | None]) -> float:
    """How many groups `rows` rows have, by columns with so many different values each.

    >>> group_rows(1_000_000, [4, 3]), group_rows(1_000, [1_000_000]), group_rows(10, [])
    (12.0, 999.5, 1.0)
    """
    if not distincts:
        return 1.0
    possible = 1.0
    for count in distincts:
        possible = min(1e18, possible * max(1.0, UNKNOWN_DISTINCT if count is None else count))
    # of `possible` boxes, how many are hit by `rows` balls
    hit = -possible * math.expm1(-rows / possible)
    return round(min(max(1.0, hit), max(1.0, rows)), 1)


def key_share(keys: float, taker_distinct: float | None, rows: float) -> float:
    """The share of a table's `rows` that a filter of so many keys lets through.

    >>> key_share(100, 10_000, 1e6), key_share(100, None, 1e6), key_share(1e6, 10, 1e6)
    (0.01, 0.001, 1.0)
    """
    if taker_distinct is not None:
        return min(1.0, max(0.0, keys) / max(1.0, taker_distinct))
    return min(1.0, max(0.0, keys) * ROWS_PER_KEY / max(1.0, rows))


def pull_seconds(link: Link | None, rows: float, row_width: float) -> float:
    """Seconds to read so many rows of so many bytes."""
    link = link or UNKNOWN_LINK
    return link.round_trip + max(0.0, rows) * (row_width + _ROW_OVERHEAD) / max(1.0, link.bytes_per_second)


def key_seconds(link: Link | None, keys: float, key_width: float) -> float:
    """Seconds that so many keys of so many bytes take to be sent and looked up."""
    link = link or UNKNOWN_LINK
    sent = max(0.0, keys) * (key_width + _KEY_OVERHEAD) / max(1.0, link.bytes_per_second)
    return link.round_trip + sent + max(0.0, keys) * _LOOKUP
