"""Whether one value passes a condition over its column: the condition is tried on a sample of the column's values.

    extract(year FROM d) = 1995   over 1994-06-01, 1995-03-01, 1996-01-01   →  False, True, False

For estimates only, so it may be rough where DuckDB is exact (of text, `lower` is Python's); what it does not know it
says so with None, and the caller guesses.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fedq.plan.constants import NotPushed, comparable, constant
from fedq.sql import exp, first, type_text
from fedq.types import Type

_COMPARED: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt,
    exp.GTE: operator.ge,
}  # fmt: skip
_COMPUTED: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add, exp.Sub: operator.sub, exp.Mul: operator.mul, exp.Div: operator.truediv,
    exp.Mod: operator.mod, exp.IntDiv: operator.floordiv,
}  # fmt: skip
_OF_TEXT: dict[type[exp.Expr], Callable[[str], Any]] = {
    exp.Lower: str.lower, exp.Upper: str.upper, exp.Length: len, exp.Trim: str.strip,
}  # fmt: skip
_PARTS: dict[str, Callable[[dt.date], int]] = {
    "YEAR": lambda day: day.year,
    "MONTH": lambda day: day.month,
    "DAY": lambda day: day.day,
    "QUARTER": lambda day: (day.month + 2) // 3,
    "HOUR": lambda day: getattr(day, "hour", 0),
    "DOW": lambda day: day.isoweekday() % 7,
    "ISODOW": lambda day: day.isoweekday(),
    "DOY": lambda day: day.timetuple().tm_yday,
    "WEEK": lambda day: day.isocalendar()[1],
}
_NAMED_PARTS: dict[type[exp.Expr], str] = {
    exp.Year: "YEAR", exp.Month: "MONTH", exp.Day: "DAY", exp.Quarter: "QUARTER", exp.Week: "WEEK",
}  # fmt: skip


class Unknown(Exception):
    """The condition has something in it that is not computed here."""


def passes(node: exp.Expr, value: Any, type_: Type, params: Mapping[str, Any]) -> bool | None:
    """Whether a row with this value in the condition's one column passes; None is unknown."""
    try:
        return bool(_condition(node, _Row(value, type_, params)))
    except (Unknown, NotPushed, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


class _Row:
    """One value, and what the condition's parameters are."""

    __slots__ = ("params", "type", "value")

    def __init__(self, value: Any, type_: Type, params: Mapping[str, Any]) -> None:
        self.value, self.type, self.params = value, type_, params


def _condition(node: exp.Expr, row: _Row) -> bool:
    match node:
        case exp.Paren():
            return _condition(node.this, row)
        case exp.Not():
            return not _condition(node.this, row)
        case exp.And():
            return _condition(node.this, row) and _condition(node.expression, row)
        case exp.Or():
            return _condition(node.this, row) or _condition(node.expression, row)
        case exp.Between():
            return _compare(operator.ge, node.this, node.args["low"], row) and _compare(
                operator.le, node.this, node.args["high"], row
            )
        case exp.In() if node.expressions:
            return any(_compare(operator.eq, node.this, item, row) for item in node.expressions)
        case exp.Like() | exp.ILike():
            found = like_pattern(node, row.params)
            text = _value(node.this, row)
            if found is None or not isinstance(text, str):
                raise Unknown
            return (found.fullmatch(text) is not None) is not bool(node.args.get("negate"))
        case exp.StartsWith():
            return _text(node.this, row).startswith(_text(node.expression, row))
    if type(node) in _COMPARED:
        return _compare(_COMPARED[type(node)], node.this, node.expression, row)
    raise Unknown


def _compare(holds: Callable[[Any, Any], bool], left: exp.Expr, right: exp.Expr, row: _Row) -> bool:
    one, other = _side(left, right, row), _side(right, left, row)
    if isinstance(one, str) and isinstance(other, str):
        return holds(one.encode(errors="replace"), other.encode(errors="replace"))
    return holds(*_alike(one, other))


def _side(node: exp.Expr, opposite: exp.Expr, row: _Row) -> Any:
    """A side's value; a constant opposite the bare column is of the column's type."""
    if isinstance(opposite.unnest(), exp.Column) and first(node, exp.Column) is None:
        return comparable(constant(node, row.params), row.type)
    return _value(node, row)


def _alike(one: Any, other: Any) -> tuple[Any, Any]:
    if isinstance(one, dt.date) and isinstance(other, dt.date) and type(one) is not type(other):
        return _moment(one), _moment(other)
    if isinstance(one, (float, Decimal)) and isinstance(other, (float, Decimal)):
        return float(one), float(other)
    return one, other


def _moment(day: dt.date) -> dt.datetime:
    return day if isinstance(day, dt.datetime) else dt.datetime(day.year, day.month, day.day)


def _value(node: exp.Expr, row: _Row) -> Any:
    match node:
        case exp.Paren():
            return _value(node.this, row)
        case exp.Column():
            return row.value
        case exp.Extract():
            return _part(node.this.name, _value(node.expression, row))
        case exp.Substring():
            start = _whole(node.args.get("start"), row) or 1
            length = _whole(node.args.get("length"), row)
            text = _text(node.this, row)[max(0, start - 1) :]
            return text if length is None else text[: max(0, length)]
        case exp.Left():
            return _text(node.this, row)[: _whole(node.expression, row)]
        case exp.Abs():
            return abs(_value(node.this, row))
        case exp.Cast() if first(node, exp.Column) is not None and type_text(node.to).upper() == "DATE":
            return _moment(_value(node.this, row)).date()
    if type(node) in _OF_TEXT:
        return _OF_TEXT[type(node)](_text(node.this, row))
    if type(node) in _NAMED_PARTS:
        return _part(_NAMED_PARTS[type(node)], _value(node.this, row))
    if first(node, exp.Column) is None:
        return constant(node, row.params).value
    if type(node) in _COMPUTED:
        one, other = _alike(_value(node.this, row), _value(node.expression, row))
        return _COMPUTED[type(node)](one, other)
    raise Unknown


def _part(name: str, day: Any) -> int:
    if name.upper() not in _PARTS or not isinstance(day, dt.date):
        raise Unknown
    return _PARTS[name.upper()](day)


def _text(node: exp.Expr, row: _Row) -> str:
    value = _value(node, row)
    if not isinstance(value, str):
        raise Unknown
    return value


def _whole(node: exp.Expr | None, row: _Row) -> int | None:
    if node is None:
        return None
    value = constant(node, row.params).value
    if type(value) is not int:
        raise Unknown
    return value


def like_pattern(node: exp.Like | exp.ILike, params: Mapping[str, Any]) -> re.Pattern[str] | None:
    """The pattern of a LIKE as a regular expression; None where it is no constant."""
    try:
        pattern = constant(node.expression, params).value
    except NotPushed:
        return None
    return _regex(pattern, is_any_case=isinstance(node, exp.ILike)) if isinstance(pattern, str) else None


@lru_cache(maxsize=256)
def _regex(pattern: str, *, is_any_case: bool) -> re.Pattern[str]:
    said = "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(said, re.DOTALL | (re.IGNORECASE if is_any_case else 0))
