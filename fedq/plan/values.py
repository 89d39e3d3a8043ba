"""A value in a database's own words, computed there as DuckDB computes it: type, NULLs and overflow included.

    o.total               "total"        DECIMAL(12,2), the stored column
    100                   100            INTEGER

What a value's type is in DuckDB is a rule per operation here; how a database says the operation is its dialect's.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Unsayable
from fedq.plan.constants import NotPushed, constant
from fedq.plan.speaker import Speaker
from fedq.sql import exp
from fedq.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, TIMESTAMP, VARCHAR, Comparison, Type


@dataclass(frozen=True, slots=True)
class Said:
    """A value in a database's own words; exact: the database computes what DuckDB computes."""

    sql: str
    column: Column
    """The stored column when it is one; otherwise a description: no name, DuckDB's type, how it compares there."""
    is_strict: bool = True
    """Whether it is NULL for a row whose columns are all NULL."""


def say(node: exp.Expr, speaker: Speaker) -> Said:
    """The value of an expression. Raises: NotPushed."""
    match node:
        case exp.Paren():
            return say(node.this, speaker)
        case exp.Column():
            return Said(*speaker.column(node))
        case exp.Subquery():
            return speaker.scalar(node)
        case exp.AggFunc():
            return speaker.aggregate(node)
    return _constant(node, speaker)


def described(type_: Type, *, comparison: Comparison = Comparison.SAME, collation: str | None = None) -> Column:
    """A column that is not stored: what is known of a computed value."""
    native = "text" if type_ == VARCHAR else str(type_).lower()
    return Column("", type_, "", native, comparison=comparison, collation=collation)


def _constant(node: exp.Expr, speaker: Speaker) -> Said:
    value = constant(node, speaker.params).value
    type_ = type_of_value(value)
    try:
        return Said(speaker.dialect.literal(value, type_), described(type_), is_strict=False)
    except Unsayable as reason:
        raise NotPushed(f"{reason} cannot be said there") from reason


def type_of_value(value: Any) -> Type:
    """DuckDB's type of a constant. Raises: NotPushed."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        for type_ in (INTEGER, BIGINT):
            low, high = type_.bounds or (0, 0)
            if low <= value <= high:
                return type_
    if isinstance(value, Decimal) and value.is_finite():
        _, digits, exponent = value.as_tuple()
        scale = max(0, -int(exponent))
        return Type("DECIMAL", max(len(digits) + max(0, int(exponent)), scale + 1), scale)
    found = {float: DOUBLE, str: VARCHAR}.get(type(value)) or _MOMENTS.get(type(value).__name__)
    if found is None:
        raise NotPushed(f"a constant of type {type(value).__name__} is computed by the local engine")
    return found


_MOMENTS = {"date": DATE, "datetime": TIMESTAMP}
