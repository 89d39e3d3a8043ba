"""Constants of a query as Python values, and as values a stored column can be compared with.

A constant is taken only where its meaning in DuckDB is certain; everything else raises `NotPushed` with the reason, and
the predicate stays where it is exact anyway: in the local engine.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any

from fedq import lists
from fedq.bind.shape import is_constant
from fedq.sql import exp, is_rest, type_text
from fedq.types import MOST_DIGITS, Type

#: constants are computed with below this, so that no integer or decimal of DuckDB overflows
_LARGE, _SHORT = 2**15, 9


class NotPushed(Exception):
    """Why something stays local; its text is shown by `explain`."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value, and whether it stood in the text as a quoted literal (which DuckDB casts to what it is compared
    with)."""

    value: Any
    is_quoted: bool = False
    source: exp.Expr | None = None
    """What it is the value of, where that holds one parameter: it may have another value the next time."""


def constant(node: exp.Expr, params: Mapping[str, Any]) -> Constant:
    """The value of a constant expression. Raises: NotPushed."""
    match node:
        case exp.Literal():
            return Constant(node.this, is_quoted=True) if node.is_string else Constant(_number(node.this))
        case exp.Paren():
            return constant(node.this, params)
        case exp.Neg():
            inner = constant(node.this, params)
            if not isinstance(inner.value, (int, Decimal, float)) or isinstance(inner.value, bool):
                raise NotPushed("a minus before something that is no number")
            return Constant(_negated(inner.value))
        case exp.Boolean():
            return Constant(bool(node.this))
        case exp.Null():
            return Constant(None)
        case exp.Placeholder() if node.this in params:
            value = params[node.this]
            if is_constant(value):
                return replace(constant(value, {}), source=node)
            return Constant(value, source=node)
        case exp.Cast() if type(node) is exp.Cast:
            inner = constant(node.this, params)
            return Constant(_cast(inner, type_text(node.to).upper()), source=inner.source and node)
        case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval):
            start = constant(node.this, params)
            return Constant(_shifted(node, start.value), source=start.source and node)
        case exp.Add() | exp.Sub() | exp.Mul():
            return Constant(_folded(node, params))
    raise NotPushed(f"{node.key} is computed by the local engine")


def members(node: exp.In, params: Mapping[str, Any]) -> list[Constant]:
    """The constants of a list after IN. Raises: NotPushed, where one is none."""
    found: list[Constant] = []
    for item in node.expressions:
        if is_rest(item):
            found += [_written(text, params) for text in lists.members(item.this)]
        else:
            found.append(constant(item, params))
    return found


def _written(text: str, params: Mapping[str, Any]) -> Constant:
    """A constant of a long list. Raises: NotPushed."""
    if text.startswith("$"):
        if (name := text[1:]) not in params:
            raise NotPushed(f"{text} has no value")
        return Constant(params[name])
    if text.startswith("'"):
        return Constant(text[1:-1].replace("''", "'"), is_quoted=True)
    return Constant(_negated(_number(text[1:])) if text.startswith("-") else _number(text))


def _negated(value: int | Decimal | float) -> int | Decimal | float:
    """The number with the other sign; Python's minus rounds a Decimal to 28 digits."""
    return value.copy_negate() if isinstance(value, Decimal) else -value


def _number(text: str) -> int | Decimal | float:
    if text.isdigit():
        return int(text)
    if re.fullmatch(r"\d*\.\d*", text) and len(text) <= MOST_DIGITS:
        return Decimal(text)
    if re.fullmatch(r"[\d.]+[eE][-+]?\d+", text):
        return float(text)
    raise NotPushed(f"the number {text[:50]} is read by the local engine")


def _folded(node: exp.Expr, params: Mapping[str, Any]) -> int | Decimal:
    """`0.06 - 0.01`, of numbers so short that no result overflows in DuckDB."""
    left, right = constant(node.this, params).value, constant(node.expression, params).value
    if type(left) not in (int, Decimal) or type(right) not in (int, Decimal):
        raise NotPushed("arithmetic is done by the local engine")
    with localcontext(prec=80):
        found: int | Decimal = (
            left + right if isinstance(node, exp.Add) else left - right if isinstance(node, exp.Sub) else left * right
        )
    if any(abs(value) >= _LARGE or len(Decimal(value).as_tuple().digits) > _SHORT for value in (left, right, found)):
        raise NotPushed("arithmetic with large numbers is done by the local engine")
    return found


def _cast(inner: Constant, to: str) -> Any:
    """`DATE '2024-01-05'`, `'…'::timestamp` and the like, in their strict ISO forms only."""
    if isinstance(inner.value, str):
        if to == "DATE":
            return _iso_date(inner.value)
        if to == "TIMESTAMP":
            return _iso_timestamp(inner.value)
        if to == "UUID":
            return _uuid(inner.value)
        if to in ("TEXT", "VARCHAR"):
            return inner.value
    if to == "DATE" and type(inner.value) is dt.date:
        return inner.value
    raise NotPushed(f"a cast to {to} is made by the local engine")


def _shifted(node: exp.Expr, start: Any) -> dt.datetime | dt.date:
    """A date plus or minus a whole interval; DuckDB's answer is a timestamp, on the month's last day where the day is
    missing."""
    interval = node.expression
    if not isinstance(interval, exp.Interval) or interval.this is None:
        raise NotPushed("arithmetic is done by the local engine")
    if not isinstance(start, dt.date):
        raise NotPushed("arithmetic on something that is no date")
    amount = interval.this.name
    unit = (interval.unit.name if interval.unit is not None else "").upper().rstrip("S")
    if not re.fullmatch(r"-?\d{1,6}", amount):
        raise NotPushed("an interval that is not a whole number")
    count = int(amount) * (-1 if isinstance(node, exp.Sub) else 1)
    moment = start if isinstance(start, dt.datetime) else dt.datetime(start.year, start.month, start.day)
    try:
        if unit in ("DAY", "WEEK", "HOUR", "MINUTE", "SECOND"):
            return moment + dt.timedelta(**{f"{unit.lower()}s": count})
        if unit in ("MONTH", "YEAR", "QUARTER"):
            return _add_months(moment, count * {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit])
    except (OverflowError, ValueError) as error:
        raise NotPushed("a date out of range") from error
    raise NotPushed("an interval of another unit")


def _add_months(moment: dt.datetime, months: int) -> dt.datetime:
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _iso_date(text: str) -> dt.date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            pass
    raise NotPushed("a date that is not written YYYY-MM-DD")


def _iso_timestamp(text: str) -> dt.datetime:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?)?", text):
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError:
            pass
    raise NotPushed("a timestamp that is not written YYYY-MM-DD HH:MM:SS")


def _uuid(text: str) -> uuid.UUID:
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return uuid.UUID(text)
    raise NotPushed("a UUID in another form")


def _as_number(value: Any, type_: Type) -> Any:
    family = type_.family
    is_whole = isinstance(value, int) or (isinstance(value, Decimal) and value == value.to_integral_value())
    if family == "integer" and is_whole and abs(value) < 2**63:
        check_room(value, type_)
        return int(value)
    if family == "decimal" and not isinstance(value, float):
        return _fitting(Decimal(value), type_)
    if type_.name == "DOUBLE" and abs(value) < 2**53:
        return float(value)
    raise NotPushed(f"a {type(value).__name__} compared with a {type_}")


def check_room(value: Any, type_: Type) -> None:
    """Raises: NotPushed for a decimal that leaves an integer type no room in a DECIMAL of 38 digits: DuckDB makes one
    of both, and fails on an integer that is too large for it."""
    if not isinstance(value, Decimal):
        return
    scale = -int(value.as_tuple().exponent)
    if len(str((type_.bounds or (0, 0))[1])) + scale > MOST_DIGITS and scale > 0:
        raise NotPushed("an integer compared with a decimal of too many digits after the point")


def comparable(found: Constant, type_: Type) -> Any:
    """The constant as a value of the column's own type, such that comparing there is what DuckDB does. Raises:
    NotPushed."""
    value, family = found.value, type_.family
    if value is None:
        raise NotPushed("a comparison with NULL")
    if family == "text" and isinstance(value, str):
        return value
    if type_.is_numeric and type(value) in (int, Decimal, float):
        return _as_number(value, type_)
    if family == "boolean" and isinstance(value, bool):
        return value
    if family == "uuid" and (isinstance(value, uuid.UUID) or found.is_quoted):
        return value if isinstance(value, uuid.UUID) else _uuid(value)
    if family == "date":
        return _as_date(found)
    if family == "timestamp":
        return _as_timestamp(found)
    if family == "blob" and isinstance(value, bytes):
        return value
    raise NotPushed(f"a {type(value).__name__} compared with a {type_}")


def _fitting(value: Decimal, type_: Type) -> Decimal:
    """DuckDB compares decimals exactly while both fit into 38 digits; beyond that it turns to doubles."""
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent))
    own_scale = type_.scale or 0
    if max(whole, (type_.precision or MOST_DIGITS) - own_scale) + max(scale, own_scale) > MOST_DIGITS:
        raise NotPushed("a decimal of more than 38 digits")
    return value


def _as_date(found: Constant) -> dt.date | dt.datetime:
    value = found.value
    if type(value) is dt.date:
        return value
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        if value.time() == dt.time():  # midnight: comparing days is comparing moments
            return value.date()
        raise NotPushed("a date compared with a time of day")
    if isinstance(value, str) and found.is_quoted:
        return _iso_date(value)
    raise NotPushed("a date compared with something that is no date")


def _as_timestamp(found: Constant) -> dt.datetime:
    value = found.value
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return value
    elif isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    elif isinstance(value, str) and found.is_quoted:
        return _iso_timestamp(value)
    raise NotPushed("a timestamp compared with something that is no timestamp")
