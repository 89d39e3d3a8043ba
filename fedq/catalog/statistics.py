"""What a database knows of a table's values, as plain data that the planner estimates with.

    orders.status   distinct 3, most common ('O', 0.49) ('F', 0.48) ('P', 0.03)
    orders.day      distinct 2400, bounds 1992-01-01 … 1998-08-02: as many rows between two as between any other two

Everything is an estimate, maybe an old one, and None or empty where it is unknown: no answer may depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fedq.catalog.scale import like, number, on_scale

#: points that stand for a column of which only the ends are known
_POINTS = 33


@dataclass(frozen=True)
class ColumnStatistics:
    """The values of one column, as Python values of the column's type.

    Without slots: what follows from them is computed for the first query that asks, and kept with them.
    """

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

    @cached_property
    def nulls(self) -> float:
        """Share of the rows that are NULL; 0 where it is unknown."""
        return min(1.0, max(0.0, self.null_share or 0.0))

    @cached_property
    def rest(self) -> float:
        """Share of the rows that are neither NULL nor a most common value."""
        return min(1.0, max(0.0, 1.0 - self.nulls - sum(share for _, share in self.most_common)))

    @cached_property
    def frequent(self) -> tuple[tuple[Any, float], ...]:
        """`most_common` with each value as its place on the scale."""
        return tuple((on_scale(value), share) for value, share in self.most_common)

    @cached_property
    def cuts(self) -> tuple[Any, ...]:
        """The `bounds`; between known ends, where nothing more is known, evenly spaced values."""
        low, high = self.low, self.high
        if len(self.bounds) > 1:
            return self.bounds
        if low is None or high is None or isinstance(low, (str, bytes)) or len(self.most_common) > 1:
            return ()
        step = (number(high) - number(low)) / (_POINTS - 1)
        return tuple(like(low, number(low) + step * point) for point in range(_POINTS))

    @cached_property
    def line(self) -> tuple[Any, ...]:
        """The `cuts` as places on the scale, ascending."""
        return tuple(sorted(map(on_scale, self.cuts)))


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
