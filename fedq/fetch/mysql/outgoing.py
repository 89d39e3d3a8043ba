"""Arrow values as MySQL's texts and literals, exact: what LOAD DATA, INSERT and derived tables read.

b"\\x00"  →  00, read by UNHEX(@c0), or X'00'      1.5 (a double)  →  1.5e0      NaN  →  refused
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fedq.catalog.schema import Column
from fedq.dialects.mysql import MYSQL, base_type
from fedq.fetch.writer import finer_than, slices

#: bytes of one statement, far below the smallest max_allowed_packet in use
_STATEMENT = 1 << 20


def texts(array: pa.Array) -> pa.Array:
    """The values' texts as LOAD DATA reads them; bytes in hexadecimal."""
    type_ = array.type
    if pa.types.is_string(type_):
        return array
    if pa.types.is_boolean(type_):
        return array.cast(pa.int8()).cast(pa.string())
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return array.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us")).cast(pa.string())
    if pa.types.is_binary(type_):
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    if pa.types.is_interval(type_):
        return pa.array([None if value is None else _time(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _time(value: Any) -> str:
    micros = abs(value.days * 86_400_000_000 + value.nanoseconds // 1000)
    seconds, micros_left = divmod(micros, 1_000_000)
    sign = "-" if value.days * 86_400_000_000 + value.nanoseconds // 1000 < 0 else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros_left:06}"


def problems(array: pa.ChunkedArray, column: Column) -> list[tuple[Any, str]]:
    """What MySQL would change without a word, or refuse without saying where."""
    type_, native = array.type, column.native.lower()
    base, found = base_type(native), _by_type(array, native)
    if base == "char" and pa.types.is_string(type_):
        found.append((pc.ends_with(array, " "), "trailing blanks are lost in this type"))
    length = re.match(r"(?:var)?(?:char|binary)\((\d+)\)", native)
    if length and pa.types.is_string(type_):  # strict mode cuts blanks too many
        found.append((pc.greater(pc.utf8_length(array), int(length[1])), f"it has more than {length[1]} characters"))
    if length and base == "binary" and pa.types.is_binary(type_):
        is_short = pc.less(pc.binary_length(array), int(length[1]))
        found.append((is_short, f"it has fewer than {length[1]} bytes and would be padded"))
    if base == "year" and pa.types.is_integer(type_):
        is_short = pc.and_(pc.greater(array, 0), pc.less(array, 100))
        found.append((is_short, "MySQL takes two digits for a year of its choice"))
    if base in ("enum", "set") and pa.types.is_string(type_) and "\\" not in native:
        found.append(
            (_no_member(array, column.native, is_set=base == "set"), "the type has no such value, as it stands")
        )
    return found


def _by_type(array: pa.ChunkedArray, native: str) -> list[tuple[Any, str]]:
    type_, found = array.type, list[tuple[Any, str]]()
    if pa.types.is_floating(type_):
        is_infinite = pc.and_(pc.is_valid(array), pc.invert(pc.is_finite(array)))
        found.append((is_infinite, "MySQL has no NaN and no infinity"))
        if digits := re.match(r"(?:float|double)\(\d+,(\d+)\)", native):
            is_finer = pc.not_equal(pc.round(array, int(digits[1])), array)
            found.append((is_finer, f"it has more than {digits[1]} digits after the point"))
    digits = re.match(r"(?:datetime|timestamp|time)\((\d)\)", native)
    count = int(digits[1]) if digits else 0
    if pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        found.append((finer_than(array, count), f"it has more than {count} digits of a second"))
    if pa.types.is_interval(type_):
        is_other = pa.chunked_array([_no_time(array, count)])
        found.append((is_other, f"it has months, or more than {count} digits of a second"))
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        years = pc.year(array)
        found.append((pc.or_(pc.less(years, 1), pc.greater(years, 9999)), "MySQL has the years 1 to 9999"))
    return found


def _no_member(array: pa.ChunkedArray, native: str, *, is_set: bool) -> Any:
    """Which texts are no value of an ENUM or SET: these also take other letters, another order, and numbers."""
    names = [name.replace("''", "'") for name in re.findall(r"'((?:[^']|'')*)'", native)]
    if is_set:
        order = {name: place for place, name in enumerate(names)}
        parts = {value: value.split(",") if value else [] for value in array.unique().to_pylist() if value is not None}
        names = [
            value for value, found in parts.items()
            if order.keys() >= set(found) and found == sorted(set(found), key=lambda part: order[part])
        ]  # fmt: skip
    return pc.and_(pc.is_valid(array), pc.invert(pc.is_in(array, pa.array(names, pa.string()))))


def _no_time(array: pa.ChunkedArray, digits: int) -> pa.Array:
    """Which intervals are no TIME of so many digits."""
    unit = 10 ** (9 - digits)
    return pa.array(
        [value is not None and bool(value.months or value.nanoseconds % unit) for value in array.to_pylist()],
        pa.bool_(),
    )


def wrapped(column: Column, type_: pa.DataType, variable: str) -> str | None:
    """What LOAD DATA makes of a field that is not the value as it stands."""
    if pa.types.is_binary(type_):
        return f"UNHEX({variable})"
    if base_type(column.native) in ("bit", "year"):  # a text of 0 is the year 2000
        return f"CAST({variable} AS UNSIGNED)"
    return None


def literals(data: pa.Table) -> list[list[str]]:
    """The rows of a table as literals."""
    columns = [_column(array.combine_chunks()) for array in data.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def tuples(data: pa.Table) -> Iterator[str]:
    """The rows as `(1, 'x'), (2, 'y')`, a megabyte at a time."""
    parts: list[str] = []
    size = 0
    for piece in slices(data.combine_chunks(), 10_000):
        for row in literals(piece):
            part = f"({', '.join(row)})"
            if parts and size + len(part) > _STATEMENT:
                yield ", ".join(parts)
                parts, size = [], 0
            parts.append(part)
            size += len(part)
    if parts:
        yield ", ".join(parts)


def _column(array: pa.Array) -> list[str]:
    type_, values = array.type, texts(array).to_pylist()
    make: Callable[[str], str]
    if pa.types.is_binary(type_):
        make = lambda value: f"X'{value}'"
    elif pa.types.is_integer(type_) or pa.types.is_decimal(type_) or pa.types.is_boolean(type_):
        make = str
    elif pa.types.is_floating(type_):
        make = lambda value: value if "e" in value else f"{value}e0"
    else:
        make = MYSQL.text
    return ["NULL" if value is None else make(value) for value in values]
