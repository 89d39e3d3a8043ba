"""A value that a database could not compute: an overflow is the same error wherever the value was computed.

select i + 1 …     local engine: ComputeError     PostgreSQL, 22003: ComputeError, and a DatabaseError all the same
"""

from __future__ import annotations

from fedq.errors import ComputeError, DatabaseError, ValueNotRepresentable


class ComputedThere(ComputeError, DatabaseError):
    """A statement failed on the data: a result too large for its type. Do: cast to a larger type."""


class NoValue(ValueNotRepresentable, DatabaseError):
    """A statement met a stored date that is none (zero or partial). Do: read the column by itself to see its rows, or
    set `on_unrepresentable`."""
