"""What a database knows of a table's values, as plain data that the planner estimates with.

    orders.status   distinct 3, most common ('O', 0.49) ('F', 0.48) ('P', 0.03)
    orders.day      distinct 2400, bounds 1992-01-01 … 1998-08-02: as many rows between two as between any other two

Everything is an estimate, maybe an old one, and None or empty where it is unknown: no answer may depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """The values of one column, as Python values of the column's type."""

    distinct: float | None = None
    """How many different values there are, NULL not counted."""
    null_share: float | None = None
    """Share of the rows that are NULL."""
    most_common: tuple[tuple[Any, float], ...] = ()
    """Frequent values with their shares of all rows."""
    bounds: tuple[Any, ...] = ()
    """Values that cut the rows that are neither NULL nor among `most_common` into equally full parts, ends included.
    Ascending, but for text in the order of the database, which need not be that of bytes."""
    low: Any = None
    """No value is smaller, as far as is known."""
    high: Any = None
    width: float | None = None
    """Mean bytes of a value."""


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """One table; `columns` by physical name. A column that is not there is unknown."""

    rows: float | None = None
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """How far away a database is, as measured while it was read."""

    round_trip: float
    """Seconds from a small question to its answer."""
    bytes_per_second: float
    """At which rows arrive."""
