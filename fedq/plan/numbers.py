"""The types that DuckDB gives numbers, and where its results overflow.

    l_extendedprice * (1 - l_discount)      DECIMAL(15,2) * DECIMAL(16,2) → DECIMAL(18,4), an error above 18 digits
    2 * k                                   the literal takes the type of k

DuckDB keeps a decimal result in the width of its operands where they have at most 18 digits, and fails on a value that
does not fit; a database computes on. So every result carries the most it can be, and is checked where that is too much.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from fedq.plan.constants import NotPushed
from fedq.types import BIGINT, INTEGER, MOST_DIGITS, Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fedq.plan.values import Said

#: digits of an integer type when it meets a decimal
_DIGITS = {
    "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10,
    "UBIGINT": 20, "HUGEINT": 38,
}  # fmt: skip
_RANKS = {"TINYINT": 0, "SMALLINT": 1, "INTEGER": 2, "BIGINT": 3, "HUGEINT": 4}
_NARROW = 18


def as_decimal(type_: Type) -> Type:
    """The DECIMAL that an integer type becomes beside a decimal."""
    return type_ if type_.name == "DECIMAL" else Type("DECIMAL", _DIGITS[type_.name], 0)


def capacity(type_: Type) -> Decimal:
    """The smallest number that is too large for a type."""
    if type_.bounds is not None:
        return Decimal(type_.bounds[1] + 1)
    return Decimal(10) ** ((type_.precision or 0) - (type_.scale or 0))


def most_of(type_: Type) -> Decimal:
    """No value of the type is further from zero."""
    if type_.bounds is not None:
        return Decimal(max(-type_.bounds[0], type_.bounds[1]))
    return capacity(type_)


def common_integer(left: Said, right: Said) -> Type:
    """The type of both: a literal takes the other's where it fits. Raises: NotPushed."""
    one, other = left.column.type, right.column.type
    if one == other:
        return one
    for literal, beside in ((left, other), (right, one)):
        if literal.is_literal and literal.most is not None and literal.most < capacity(beside):
            return beside
    if one.name not in _RANKS or other.name not in _RANKS:
        raise NotPushed(f"{one} with {other} is computed by the local engine")
    return one if _RANKS[one.name] >= _RANKS[other.name] else other


def sum_type(left: Type, right: Type) -> Type:
    """The type of a sum or difference of which one side is a decimal."""
    one, other = as_decimal(left), as_decimal(right)
    scale = max(one.scale or 0, other.scale or 0)
    width = max(_whole(one), _whole(other)) + scale + 1
    widest = max(one.precision or 0, other.precision or 0)
    if width > _NARROW >= widest:
        width = _NARROW
    return Type("DECIMAL", min(width, MOST_DIGITS), scale)


def product_type(left: Type, right: Type) -> Type:
    """The type of a product of which one side is a decimal. Raises: NotPushed."""
    one, other = as_decimal(left), as_decimal(right)
    scale = (one.scale or 0) + (other.scale or 0)
    width = (one.precision or 0) + (other.precision or 0)
    widest = max(one.precision or 0, other.precision or 0)
    if scale > MOST_DIGITS:
        raise NotPushed("a product of more than 38 digits after the point")
    if width > _NARROW >= widest and scale < _NARROW:
        width = _NARROW
    return Type("DECIMAL", min(width, MOST_DIGITS), scale)


def common_number(values: Iterable[Said]) -> Type:
    """The type of a CASE or COALESCE over integers and decimals. Raises: NotPushed."""
    found: Said | None = None
    for value in values:
        found = value if found is None else _wider(found, value)
    assert found is not None
    return found.column.type


def _wider(left: Said, right: Said) -> Said:
    one, other = left.column.type, right.column.type
    is_literal = left.is_literal and right.is_literal
    if one.family == other.family == "integer":
        type_ = common_integer(left, right)
    else:
        first, second = as_decimal(one), as_decimal(other)
        scale = max(first.scale or 0, second.scale or 0)
        width = max(_whole(first), _whole(second)) + scale
        if width > MOST_DIGITS:
            raise NotPushed("a decimal of more than 38 digits")
        type_ = Type("DECIMAL", width, scale)
    most = max(left.reach, right.reach)
    return replace(left, column=replace(left.column, type=type_), is_literal=is_literal, most=most)


def number_type(value: int | Decimal) -> Type | None:
    """DuckDB's type of a written number; None where it is a double or too long.

    >>> str(number_type(5)), str(number_type(Decimal("0.05"))), str(number_type(2**40))
    ('INTEGER', 'DECIMAL(3,2)', 'BIGINT')
    """
    if isinstance(value, int):
        return next((type_ for type_ in (INTEGER, BIGINT) if abs(value) < capacity(type_)), None)
    if not value.is_finite():
        return None
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    width = max(len(digits) + max(0, int(exponent)), scale + 1)
    return Type("DECIMAL", width, scale) if width <= MOST_DIGITS else None


def _whole(type_: Type) -> int:
    return (type_.precision or 0) - (type_.scale or 0)
