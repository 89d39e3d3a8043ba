"""PostgreSQL's text for one value → the value, exactly, or the reason why that cannot be.

    4713-01-01 BC              → -2440588 days             infinity (a date)     → DuckDB's own infinity
    1 mon -1 days 00:00:01.5   → (1, -1, 1500000000)       24:00:00 (a time)     → Unreadable
    0.1 (numeric, as DOUBLE)   → 0.1                       0.1234567890123456789 → Unreadable

This is the slow and complete reader: `copytext.py` comes here with the distinct values of a column that Arrow's own
parsers refused. Arrow's casts stop at the years 1 and 9999 and know no infinity, so they cannot be the only way.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from fedq.types import Type, parse_type

Read = Callable[[str], Any]

DATE_INFINITY = 2**31 - 1
TIMESTAMP_INFINITY = 2**63 - 1
_MICROSECONDS = 1_000_000
_DAY = 86_400 * _MICROSECONDS
_NANOSECONDS_LIMIT = 2**63

_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0")
_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0*)?", re.ASCII)
_DATE = re.compile(r"([0-9]{4,7})-([0-9]{2})-([0-9]{2})( BC)?")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?")
_TIMESTAMP = re.compile(rf"([0-9]{{4,7}}-[0-9]{{2}}-[0-9]{{2}})(?: ({_TIME.pattern})(\+00)?)?( BC)?")
_INTERVAL = re.compile(
    r"(?:([+-]?\d+) years? ?)?(?:([+-]?\d+) mons? ?)?(?:([+-]?\d+) days? ?)?"
    r"(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?",
    re.ASCII,
)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)


class Unreadable(ValueError):
    """This text is no value of the type; the message says why, without the value."""


def reader_of(type_: Type) -> Read:
    """The function that reads one text as `type_`: what it returns is what `pyarrow.array` takes for the type.

    >>> reader_of(Type("DATE"))("0044-03-15 BC"), reader_of(Type("INTEGER[]"))("{1,NULL}")
    (-735160, [1, None])

    The function raises: Unreadable.
    """
    if type_.name.endswith("[]"):
        element = reader_of(parse_type(type_.name[:-2]))
        return lambda text: [None if part is None else element(part) for part in read_array(text)]
    if type_.bounds is not None:
        low, high = type_.bounds
        return lambda text: _integer(text, low, high)
    if type_.name == "DECIMAL":
        return lambda text: _decimal(text, type_.precision or 38, type_.scale or 0)
    return _READERS[type_.name]


def read_array(text: str) -> list[str | None]:
    """The elements of a one-dimensional array literal.

    >>> read_array('{a,"b \\\\"c\\\\"",NULL}')
    ['a', 'b "c"', None]

    Raises: Unreadable.
    """
    if text.startswith("["):
        raise Unreadable("the array's first index is not 1")
    if text.startswith("{{"):
        raise Unreadable("the array has more than one dimension")
    parts: list[str | None] = []
    at = 1
    while at < len(text) - 1:
        found = _ELEMENT.match(text, at)
        if found is None:
            raise Unreadable("it is no array")
        if found[1] is not None:
            parts.append(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL))
        else:
            parts.append(None if found[2] == "NULL" else found[2])
        at = found.end() + 1
    return parts


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Unreadable("it is neither true nor false")


def _integer(text: str, low: int, high: int) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise Unreadable("it is no whole number")
    value = int(text.partition(".")[0])
    if not low <= value <= high:
        raise Unreadable("it is out of the type's range")
    return value


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Unreadable("it is no number") from None


def _decimal(text: str, precision: int, scale: int) -> Decimal:
    value = _number(text)
    if not value.is_finite():
        raise Unreadable("a DECIMAL cannot be NaN or infinite")
    with localcontext() as context:
        context.prec = 76
        try:
            exact = value.quantize(Decimal(1).scaleb(-scale))
        except InvalidOperation:
            raise Unreadable("it has too many digits") from None
    if exact != value:
        raise Unreadable(f"it has more than {scale} digits after the point")
    if exact.adjusted() >= precision - scale and exact:
        raise Unreadable(f"it has more than {precision - scale} digits before the point")
    return exact


def _double(text: str) -> float:
    value = _float(text)
    if math.isfinite(value) and Decimal(repr(value)) != _number(text):
        raise Unreadable("a DOUBLE cannot hold all of its digits")
    return value


def _single(text: str) -> float:
    value = _float(text)
    if not math.isfinite(value):
        return value
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        raise Unreadable("it is out of the type's range") from None
    if single != value and Decimal(f"{single:.9g}") != _number(text) and Decimal(f"{single:.6g}") != _number(text):
        raise Unreadable("a FLOAT cannot hold all of its digits")
    return float(single)


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Unreadable("it is no number") from None
    if math.isinf(value) and "inf" not in text.lower():
        raise Unreadable("it is out of the type's range")
    return value


def _days(text: str) -> int:
    if text in ("infinity", "-infinity"):
        return DATE_INFINITY if text[0] == "i" else -DATE_INFINITY
    found = _DATE.fullmatch(text)
    if found is None:
        raise Unreadable("it is no date")
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise Unreadable("it is no date")
    return days_from_civil(1 - year if found[4] else year, month, day)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar without end in either direction; year 0 is 1 BC.

    >>> days_from_civil(1970, 1, 1), days_from_civil(-4712, 1, 1)
    (0, -2440550)
    """
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _time(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise Unreadable("it is no time of day")
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise Unreadable("a TIME ends before 24:00")
    return ((hours * 60 + minutes) * 60 + seconds) * _MICROSECONDS + _fraction(found[4])


def _fraction(digits: str | None) -> int:
    return int(digits.ljust(6, "0")) if digits else 0


def _timestamp(text: str, *, has_zone: bool) -> int:
    if text in ("infinity", "-infinity"):
        return TIMESTAMP_INFINITY if text[0] == "i" else -TIMESTAMP_INFINITY
    found = _TIMESTAMP.fullmatch(text)
    if found is None or (found[7] is not None) != has_zone:
        raise Unreadable("it is no timestamp with time zone" if has_zone else "it is no timestamp without time zone")
    value = _days(found[1] + (found[8] or "")) * _DAY + (_time(found[2]) if found[2] else 0)
    if abs(value) >= TIMESTAMP_INFINITY:
        raise Unreadable("a TIMESTAMP ends in the year 294247")
    return value


def _interval(text: str) -> tuple[int, int, int]:
    found = _INTERVAL.fullmatch(text)
    if found is None or not text:
        raise Unreadable("it is no interval that DuckDB can hold")
    months, days = int(found[1] or 0) * 12 + int(found[2] or 0), int(found[3] or 0)
    nanoseconds = 0
    if found[5] is not None:
        seconds = (int(found[5]) * 60 + int(found[6])) * 60 + int(found[7])
        nanoseconds = (seconds * _MICROSECONDS + _fraction(found[8])) * 1000 * (-1 if found[4] == "-" else 1)
    if abs(nanoseconds) >= _NANOSECONDS_LIMIT or max(abs(months), abs(days)) >= 2**31:
        raise Unreadable("its hours, days or months are too many for an INTERVAL in transit")
    return months, days, nanoseconds


def _bytes(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise Unreadable("it is no bytea")
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise Unreadable("it is no bytea") from None


_READERS: dict[str, Read] = {
    "BOOLEAN": _boolean,
    "FLOAT": _single,
    "DOUBLE": _double,
    "DATE": _days,
    "TIME": _time,
    "TIMESTAMP": lambda text: _timestamp(text, has_zone=False),
    "TIMESTAMPTZ": lambda text: _timestamp(text, has_zone=True),
    "INTERVAL": _interval,
    "BLOB": _bytes,
    "VARCHAR": str,
    "UUID": str,
    "JSON": str,
}
