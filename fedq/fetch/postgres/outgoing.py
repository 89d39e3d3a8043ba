"""Arrow values as PostgreSQL's texts, exact: what COPY FROM and casts from text read.

b"\\x00"  →  \\\\x00      [1, None]  →  {"1",NULL}      a date that is the last one there is  →  infinity
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fedq.catalog.schema import Column
from fedq.fetch.writer import finer_than

#: how DuckDB, and so Arrow in transit, writes an infinite date and moment
_DAYS, _MICROS = 2**31 - 1, 2**63 - 1
#: the first day of the year 1, in days and microseconds since 1970
_FIRST_DAY = -719_162
_FIRST_MICRO = _FIRST_DAY * 86_400_000_000
Problem = tuple[pa.Array, str]
"""A mask of the values that do not fit, and why."""


def texts(array: pa.Array) -> pa.Array:
    """The values' texts."""
    type_ = array.type
    if pa.types.is_string(type_):
        return array
    if pa.types.is_large_string(type_):
        return array.cast(pa.string())
    if pa.types.is_date(type_):
        return _with_infinity(array, array.cast(pa.int32()), _DAYS)
    if pa.types.is_timestamp(type_):
        return _with_infinity(array, array.cast(pa.int64()), _MICROS)
    if pa.types.is_binary(type_):
        return _each(array, lambda value: "\\x" + value.hex())
    if pa.types.is_interval(type_):
        return _each(array, _interval)
    if pa.types.is_list(type_):
        return _lists(array)
    return array.cast(pa.string())


def is_plain(type_: pa.DataType) -> bool:
    """Whether the texts of a type never need an escape."""
    return not (pa.types.is_string(type_) or pa.types.is_binary(type_) or pa.types.is_list(type_))


def problems(array: pa.ChunkedArray, column: Column) -> list[Problem]:
    """What PostgreSQL would change, or refuse without saying where."""
    type_, native = array.type, column.native
    found: list[Problem] = []
    if pa.types.is_string(type_):
        found.append((pc.match_substring(array, "\0"), "PostgreSQL's texts have no NUL"))
        if length := re.fullmatch(r"character(?: varying)?\((\d+)\)", native):
            found.append(
                (pc.greater(pc.utf8_length(array), int(length[1])), f"it has more than {length[1]} characters")
            )
        if re.fullmatch(r"character\(\d+\)", native):
            found.append((pc.ends_with(array, " "), "trailing blanks are lost in this type"))
    if pa.types.is_date(type_):
        found.append((_before(array.cast(pa.int32()), _FIRST_DAY, _DAYS), "years before 1 cannot be sent"))
    if pa.types.is_timestamp(type_):
        found.append((_before(array.cast(pa.int64()), _FIRST_MICRO, _MICROS), "years before 1 cannot be sent"))
    if digits := re.match(r"time(?:stamp)?\((\d)\)", native):
        found.append((finer_than(array, int(digits[1])), f"it has more than {digits[1]} digits of a second"))
    return found


def _before(numbers: Any, first: int, infinite: int) -> Any:
    return pc.and_(pc.less(numbers, first), pc.greater(numbers, -infinite))


def _with_infinity(array: pa.Array, numbers: pa.Array, infinite: int) -> pa.Array:
    is_last, is_first = pc.equal(numbers, infinite), pc.equal(numbers, -infinite)
    if not (pc.any(is_last).as_py() or pc.any(is_first).as_py()):
        return array.cast(pa.string())
    plain = pc.if_else(pc.or_(is_last, is_first), pa.scalar(None, array.type), array).cast(pa.string())
    return pc.if_else(is_last, "infinity", pc.if_else(is_first, "-infinity", plain))


def _each(array: pa.Array, make: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else make(value) for value in array.to_pylist()], pa.string())


def _interval(value: Any) -> str:
    micros, rest = divmod(value.nanoseconds, 1000)
    if rest:
        raise ValueError("an interval with fractions of a microsecond")
    return f"{value.months} mons {value.days} days {micros} microseconds"


def _lists(array: pa.Array) -> pa.Array:
    inner = texts(array.flatten()).to_pylist()
    found: list[str | None] = []
    at = 0
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            found.append(None)
            continue
        items, at = inner[at : at + length], at + length
        found.append("{" + ",".join("NULL" if item is None else _quoted(item) for item in items) + "}")
    return pa.array(found, pa.string())


def _quoted(text: str) -> str:
    return text if text.startswith("{") else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
