"""The server's texts as Arrow values, unchanged or not at all.

    b'2024-01-05', b'0000-00-00'   DATE   → 2024-01-05, then an error, NULL or the text, as the column's policy says

Arrow parses whole columns where the server's own type vouches for their form. What it refuses, and what the catalog
declares to be another type than the server's, is parsed value by value (each different text once) by the strict
parsers here. Arrow alone would not do: it reads "0x1F" as an integer and "1e999" as infinity.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedq.dialects.mysql import GEOMETRIES, base_type, has_own_rule, has_unicode_for_all
from fedq.fetch.arrow import arrow_type, decimals
from fedq.fetch.mysql.wire import Field
from fedq.fetch.source import Output
from fedq.types import Type

#: what the server says a result column is
BIT = 16
_INTEGER_CODES = (1, 2, 3, 8, 9, 13, BIT)
_DECIMAL_CODES = (0, 246)
_FLOAT_CODES = (4, 5)
_EPOCH = dt.date(1970, 1, 1).toordinal()
_CYCLE_DAYS = 146_097  # of 400 years
_DATE = re.compile(rb"(\d{4})-(\d\d)-(\d\d)(?: 00:00:00(?:\.0+)?)?")
_MOMENT = re.compile(rb"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")
_SPAN = re.compile(rb"(-?)(\d{1,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BOOLEANS = {b"0": False, b"1": True, b"f": False, b"t": True, b"false": False, b"true": True}


class Unrepresentable(Exception):
    """A value that its column's type does not have: which row of the block, and its text."""

    def __init__(self, row: int, text: bytes) -> None:
        super().__init__(row, text)
        self.row, self.text = row, text
        self.column = 0


def expression(output: Output) -> str:
    """The output's SQL such that the server's text of it is exact; the SQL itself when it is so already."""
    column = output.column
    base = base_type(column.native) if column is not None else ""
    if base == "float" or (column is None and output.type.name == "FLOAT"):
        return f"({output.sql} - 0e0)"  # a FLOAT is printed with six digits, a DOUBLE with all
    if base == "bit":
        return f"CAST({output.sql} AS UNSIGNED)"
    if base in GEOMETRIES:
        return f"ST_AsBinary({output.sql})"
    if column is not None and has_own_rule(column) and not has_unicode_for_all(column.collation):
        return _checked_text(output.sql)
    return output.sql


def _checked_text(sql: str) -> str:
    """Text of a character set of which not all is in Unicode: where it became "?" or "\ufffd", no UTF-8 is sent."""
    unicode = f"CONVERT({sql} USING utf8mb4)"
    left = f"REPLACE(REPLACE({unicode}, '?', ''), '\ufffd', '')"  # the second in big5 and tis620
    kept = f"CHAR_LENGTH({left}) = CHAR_LENGTH(REPLACE({sql}, '?', ''))"
    return f"IF({kept}, CAST({unicode} AS BINARY), CONCAT(X'FF', CAST({sql} AS BINARY)))"


def convert(texts: pa.Array, output: Output, field: Field) -> pa.Array:
    """A column's texts as values of `output.type`.

    Raises: Unrepresentable, unless the column's policy is to take such values for NULL.
    """
    to = arrow_type(output.type)
    if field.code == BIT:
        texts = _bits(texts)
    if _is_vouched(output, field):
        try:
            return _fast(texts, output.type, to)
        except pa.ArrowInvalid:
            pass  # some value does not fit: find out which
    return _strict(texts, output, to)


def _bits(texts: pa.Array) -> pa.Array:
    """A BIT column that nothing is wrapped around comes as its bytes."""
    coded = texts.dictionary_encode()
    numbers = [str(int.from_bytes(value, "big")).encode() for value in coded.dictionary.to_pylist()]
    return pa.array(numbers, pa.binary()).take(coded.indices)


def _is_vouched(output: Output, field: Field) -> bool:
    """Whether the server's type says that every text has the form Arrow expects, up to its range."""
    family, code = output.type.family, field.code
    match family:
        case "text" | "blob" | "json":
            return True
        case "integer" | "boolean" | "decimal":
            return code in _INTEGER_CODES or code in _DECIMAL_CODES
        case "uuid":
            return output.column is not None and base_type(output.column.native) == "uuid"
        case "float":
            is_exact = code in _FLOAT_CODES or output.column is None
            return is_exact and (output.type.name == "DOUBLE" or _is_float(output))
        case "date":
            return code == 10
        case "timestamp" | "timestamptz":
            return code in (7, 12)
    return False


def _is_float(output: Output) -> bool:
    return output.column is None or base_type(output.column.native) == "float"


def _fast(texts: pa.Array, type_: Type, to: pa.DataType) -> pa.Array:
    if pa.types.is_binary(to):
        return texts
    if pa.types.is_string(to):
        return texts.cast(to)  # checks that it is UTF-8
    plain = texts.cast(pa.string())
    if pa.types.is_boolean(to):
        numbers = plain.cast(pa.uint8())
        if (pc.max(numbers).as_py() or 0) > 1:
            raise pa.ArrowInvalid("neither 0 nor 1")
        return numbers.cast(to)
    if type_.name == "FLOAT":  # the text is the double of a stored FLOAT
        return plain.cast(pa.float64()).cast(to)
    if type_.name == "TIMESTAMPTZ":  # sessions are in UTC
        return plain.cast(pa.timestamp("us")).cast(to)
    if pa.types.is_decimal(to):
        return decimals(plain, to)
    return plain.cast(to)


def _strict(texts: pa.Array, output: Output, to: pa.DataType) -> pa.Array:
    """Every different text parsed once."""
    parse = _parser(output)
    coded = texts.dictionary_encode()
    values: list[Any] = []
    bad: list[int] = []
    for number, text in enumerate(coded.dictionary.to_pylist()):
        try:
            values.append(parse(text))
        except (ValueError, InvalidOperation, OverflowError):
            values.append(None)
            bad.append(number)
    if bad and (output.column is None or output.column.policy != "null"):
        numbers = coded.indices.to_numpy(zero_copy_only=False)
        row = int(np.flatnonzero(np.isin(numbers, bad))[0])
        raise Unrepresentable(row, texts[row].as_py())
    return _array(values, to).take(coded.indices)


def _array(values: list[Any], to: pa.DataType) -> pa.Array:
    if pa.types.is_date32(to):
        return pa.array(values, pa.int32()).view(to)
    if pa.types.is_timestamp(to) or pa.types.is_time64(to):
        return pa.array(values, pa.int64()).view(to)
    if pa.types.is_interval(to):
        return pa.array([None if value is None else pa.MonthDayNano((0, 0, value * 1000)) for value in values], to)
    return pa.array(values, to)


def _parser(output: Output) -> Callable[[bytes], Any]:
    """The strict parser for one output; it raises ValueError, InvalidOperation or OverflowError."""
    type_, is_stored = output.type, output.column is not None
    match type_.family:
        case "integer":
            return lambda text: _integer(text, type_)
        case "decimal":
            return lambda text: _decimal(text, type_)
        case "float":
            return lambda text: _float(text, is_single=type_.name == "FLOAT", is_stored=is_stored)
        case "boolean":
            return _boolean
        case "date":
            return _date
        case "timestamp" | "timestamptz":
            return _moment
        case "interval":
            return _span
        case "time":
            return _time
        case "uuid":
            return _uuid
        case "blob":
            return bytes
    return lambda text: text.decode()


def _integer(text: bytes, type_: Type) -> int | Decimal:
    if not re.fullmatch(rb"[+-]?\d+(?:\.0*)?", text):
        raise ValueError
    value = int(text.partition(b".")[0])
    low, high = type_.bounds or (0, 0)
    if type_.name in ("HUGEINT", "UHUGEINT"):
        low, high = max(low, 1 - 10**38), min(high, 10**38 - 1)  # travels as decimal(38)
    if not low <= value <= high:
        raise OverflowError
    return Decimal(value) if type_.name == "HUGEINT" else value


def _decimal(text: bytes, type_: Type) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    value = Decimal(text.decode())
    scale = type_.scale or 0
    sign, digits, exponent = value.as_tuple()
    excess = -int(exponent) - scale
    if excess > 0 and any(digits[-excess:] if excess < len(digits) else digits):
        raise ValueError
    if value and value.adjusted() >= (type_.precision or 38) - scale:
        raise OverflowError
    shifted = digits[: len(digits) - excess] if excess > 0 else (*digits, *([0] * -excess))
    return Decimal((sign, shifted or (0,), -scale))


def _float(text: bytes, *, is_single: bool, is_stored: bool) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    value = float(text)
    if abs(value) == float("inf"):
        raise OverflowError
    if is_single:
        single = struct.unpack("<f", struct.pack("<f", value))[0]
        if is_stored and single != value and Decimal(str(np.float32(single))) != Decimal(text.decode()):
            raise ValueError
        return float(single)
    if is_stored and Decimal(repr(value)) != Decimal(text.decode()) and Decimal(value) != Decimal(text.decode()):
        raise ValueError
    return value


def _boolean(text: bytes) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError
    return value


def _days(year: bytes, month: bytes, day: bytes) -> int:
    """Days since 1970-01-01; the year 0 is one, as in DuckDB."""
    number = int(year)
    shift = 1 if number < 400 else 0
    return dt.date(number + 400 * shift, int(month), int(day)).toordinal() - shift * _CYCLE_DAYS - _EPOCH


def _date(text: bytes) -> int:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError
    return _days(match[1], match[2], match[3])


def _moment(text: bytes) -> int:
    """Microseconds since 1970."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError
    days = _days(match[1], match[2], match[3])
    hour, minute, second = (int(part or 0) for part in match.group(4, 5, 6))
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError
    return ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + _micros(match[7])


def _span(text: bytes) -> int:
    """Microseconds of a TIME, which goes from -838 to 838 hours."""
    match = _SPAN.fullmatch(text)
    if match is None or int(match[3]) > 59 or int(match[4]) > 59:
        raise ValueError
    total = ((int(match[2]) * 60 + int(match[3])) * 60 + int(match[4])) * 1_000_000 + _micros(match[5])
    return -total if match[1] else total


def _time(text: bytes) -> int:
    value = _span(text)
    if not 0 <= value < 86_400_000_000:
        raise OverflowError
    return value


def _micros(fraction: bytes | None) -> int:
    return int(fraction.ljust(6, b"0")) if fraction else 0


def _uuid(text: bytes) -> str:
    if len(text) == 16:
        return str(uuid.UUID(bytes=text))
    if not re.fullmatch(rb"\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?", text):
        raise ValueError
    return str(uuid.UUID(text.decode()))
