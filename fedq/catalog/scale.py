"""Where a value lies among others of its column, for estimates: a text by its bytes, everything else as a number.

    "O"             →  b"O"
    0001-01-02      →  86400.0        like(a day, 86400.0)  →  0001-01-02

Estimates need an order and distances, and no more than that; no answer depends on either.
"""

from __future__ import annotations

import datetime as dt
from typing import Any


def on_scale(value: Any) -> Any:
    """What a value is ordered by: bytes for text, a number for everything else."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    return value if isinstance(value, bytes) else number(value)


def number(value: Any) -> float:
    """A value's place on a line; days and moments in seconds."""
    if isinstance(value, dt.datetime):
        utc = value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
        return (utc - dt.datetime(1, 1, 1)).total_seconds()
    if isinstance(value, dt.date):
        return (value.toordinal() - 1) * 86_400.0
    return float(getattr(value, "int", value))  # a UUID has its number


def like(value: Any, place: float) -> Any:
    """A place on the line as a value of another value's kind.

    >>> like(dt.date(2024, 1, 1), number(dt.date(2024, 2, 29)))
    datetime.date(2024, 2, 29)
    """
    if isinstance(value, dt.datetime):
        moment = dt.datetime(1, 1, 1) + dt.timedelta(seconds=place)
        return moment.replace(tzinfo=dt.UTC) if value.tzinfo is not None else moment
    if isinstance(value, dt.date):
        return dt.date.fromordinal(int(place / 86_400) + 1)
    return int(place) if isinstance(value, int) else place
