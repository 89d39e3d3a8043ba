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
#: types that cut a text at so many bytes
_BYTES = {'"char"': 1, "name": 63}
_NONE = 1 << 62
#: the units of months, days and microseconds that an interval of such fields keeps
_FIELDS = {
    "year": (12, _NONE, _NONE), "month": (0, _NONE, _NONE), "year to month": (0, _NONE, _NONE), "day": (0, 0, _NONE),
    "hour": (0, 0, 3_600_000_000), "day to hour": (0, 0, 3_600_000_000), "minute": (0, 0, 60_000_000),
    "day to minute": (0, 0, 60_000_000), "hour to minute": (0, 0, 60_000_000),
}  # fmt: skip
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
    if (digits := re.match(r"(?:time(?:stamp)?|interval(?: [a-z ]+)?)\((\d)\)", native)) and not pa.types.is_nested(
        type_
    ):
        found.append((_finer_than(array, int(digits[1])), f"it has more than {digits[1]} digits of a second"))
    if digits and pa.types.is_list(type_):
        inner = array.combine_chunks()
        is_finer = _finer_than(pa.chunked_array([inner.flatten()]), int(digits[1]))
        places = pc.list_parent_indices(inner).filter(is_finer.combine_chunks())
        rows = pa.array(range(len(array)), places.type)
        found.append((pc.is_in(pa.chunked_array([rows]), places), f"it has more than {digits[1]} digits of a second"))
    if native in _BYTES and pa.types.is_string(type_):
        is_long = pc.greater(pc.binary_length(array), _BYTES[native])
        found.append((is_long, f"it has more than {_BYTES[native]} bytes and would be cut"))
    if (fields := native.removeprefix("interval ")) in _FIELDS:
        found.append((pa.chunked_array([_cut(array, *_FIELDS[fields])]), f"it has parts smaller than {fields}"))
    return found


def _finer_than(array: pa.ChunkedArray, digits: int) -> pa.ChunkedArray:
    if pa.types.is_interval(array.type):
        return pa.chunked_array([_cut(array, 0, 0, 10 ** (6 - digits))])
    if pa.types.is_string(array.type):  # a time of day with a time zone
        return pc.match_substring_regex(array, rf"\.\d{{{digits}}}\d*[1-9]")
    return finer_than(array, digits)


def _cut(array: pa.ChunkedArray, months: int, days: int, micros: int) -> pa.Array:
    """Which intervals have less than these units of months, days and microseconds; 0 is any number."""
    found = []
    for value in array.to_pylist():
        parts = ((value.months, months), (value.days, days), (value.nanoseconds // 1000, micros)) if value else ()
        found.append(any(unit and number % unit for number, unit in parts))
    return pa.array(found, pa.bool_())


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
    inner, is_nested = texts(array.flatten()).to_pylist(), pa.types.is_list(array.type.value_type)
    found: list[str | None] = []
    at = 0
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            found.append(None)
            continue
        items, at = inner[at : at + length], at + length
        found.append(
            "{" + ",".join("NULL" if item is None else item if is_nested else _quoted(item) for item in items) + "}"
        )
    return pa.array(found, pa.string())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
