"""Arrow columns as Python values, and as text for people and files.

    decimal128(38,0), HUGEINT   →  int             date32 2147483647  →  ValueNotRepresentable / "infinity"
    string, UUID                →  uuid.UUID       timestamp[us, UTC] →  datetime with tzinfo UTC

Not `column.to_pylist()`: it turns 24:00:00 into 00:00:00, an infinite date into a bare OverflowError, a sum of integers
into a Decimal. Values are exact or an error that names the column; text never fails, since drawing must not.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedq.errors import ValueNotRepresentable
from fedq.types import Type

if TYPE_CHECKING:
    import pyarrow as pa

_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, the dates Python has
_INFINITE = {"date": 2**31 - 1, "timestamp": 2**63 - 1, "timestamptz": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Cells:
    """One column, or a piece of one: the values and what the query says they are."""

    name: str
    type: Type
    values: pa.ChunkedArray
    start: int = 0
    """The row of the result at which the piece begins."""

    def piece(self, start: int, length: int) -> Cells:
        """Some rows of it, which are not copied."""
        return Cells(self.name, self.type, self.values.slice(start, length), self.start + start)

    def is_infinite(self) -> bool:
        """Whether a date or timestamp column holds an infinity, which DuckDB stores as the largest number there is."""
        limit = _INFINITE.get(self.type.family)
        if limit is None or not _is_temporal(self.values.type):
            return False
        low, high = _extremes(self.values)
        return low is not None and (high >= limit or low <= -limit)

    def strange(self) -> list[int]:
        """Positions of what Python's `datetime` does not have: infinity, years before 1 or after 9999, 24:00:00."""
        bounds = _python_bounds(self.values.type)
        if bounds is None:
            return []
        low, high = _extremes(self.values)
        if low is None or (low >= bounds[0] and high <= bounds[1]):
            return []
        numbers = _numbers(self.values).to_pylist()
        return [i for i, number in enumerate(numbers) if number is not None and not bounds[0] <= number <= bounds[1]]

    def fail(self, row: int) -> ValueNotRepresentable:
        """The error for a value that has no Python form."""
        shown = texts(self.piece(row, 1))[0]
        row += self.start
        return ValueNotRepresentable(
            f"column {self.name!r} ({self.type}) holds {shown} in row {row}, which Python's datetime cannot hold",
            hint="Read it with to_arrow() or to_pandas(on_unrepresentable='null' or 'text'), or cast it to VARCHAR.",
            column=self.name,
            row=row,
        )


def python_values(cells: Cells) -> list[Any]:
    """The column as Python values.

    int, Decimal, float, str, bytes, bool, date, time, datetime (UTC where it is an instant), UUID, list, dict, None and
    `pyarrow.MonthDayNano` for intervals, because a month is not a number of days.

    Raises:
        ValueNotRepresentable: a date or time that Python cannot hold.
    """
    import pyarrow as pa

    kind, family = cells.values.type, cells.type.family
    if strange := cells.strange():
        raise cells.fail(strange[0])
    if pa.types.is_decimal(kind) and family == "integer":
        return _each(cells.values.to_pylist(), int)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        naive = _numbers(cells.values).cast(pa.timestamp(kind.unit)).to_pylist()
        return _each(naive, _as_utc)
    if family == "uuid" and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return _each(cells.values.to_pylist(), uuid.UUID)
    if pa.types.is_nested(kind):
        return _nested_values(cells)
    values: list[Any] = cells.values.to_pylist()
    return values


def texts(cells: Cells) -> list[str | None]:
    """The column as text in DuckDB's spelling, None for NULL: exact, and defined for every value."""
    import pyarrow as pa

    kind = cells.values.type
    if _is_temporal(kind) or pa.types.is_time(kind):
        return _temporal_texts(kind, _numbers(cells.values).to_pylist())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        import numpy as np

        narrow = np.float32 if pa.types.is_float32(kind) else np.float16
        return _each(cells.values.to_pylist(), lambda value: str(narrow(value)))
    if pa.types.is_nested(kind):
        return [_nested_text(scalar) if scalar.is_valid else None for scalar in cells.values]
    return _each(cells.values.to_pylist(), plain_text)


def plain_text(value: Any) -> str:
    """One Python value in DuckDB's spelling.

    >>> plain_text(True), plain_text(b"a\\x00"), plain_text(1.0)
    ('true', 'a\\\\x00', '1.0')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "".join(chr(byte) if 32 <= byte < 127 and byte not in b"\\'\"" else f"\\x{byte:02X}" for byte in value)
    if isinstance(value, tuple) and hasattr(value, "nanoseconds"):
        return _interval_text(*value)
    if isinstance(value, datetime.datetime):
        text = value.isoformat(" ")
        return text.removesuffix(":00") if value.tzinfo is not None else text
    if type(value).__name__ == "Decimal":
        return format(value, "f")
    return str(value)


def _each(values: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in values]


def _as_utc(value: datetime.datetime) -> datetime.datetime:
    # a UTC of the standard library, whatever time zone package pyarrow would have found
    if hasattr(value, "nanosecond"):  # a pandas Timestamp: the column has nanoseconds
        return value.tz_localize("UTC")  # type: ignore[attr-defined,no-any-return]
    return value.replace(tzinfo=datetime.UTC)


def _nested_values(cells: Cells) -> list[Any]:
    for leaf in _leaves(cells.values):
        if Cells(cells.name, cells.type, leaf).strange():
            raise ValueNotRepresentable(
                f"column {cells.name!r} ({cells.type}) holds a date or time that Python's datetime cannot hold",
                hint="Read it with to_arrow(), or cast it to VARCHAR in the query.",
                column=cells.name,
            )
    return [_with_dicts(value, cells.values.type) for value in cells.values.to_pylist()]


def _with_dicts(value: Any, kind: pa.DataType) -> Any:
    """A nested value with its maps as dicts; one whose keys repeat or cannot be hashed stays a list of pairs."""
    import pyarrow as pa

    if value is None or not pa.types.is_nested(kind) or pa.types.is_union(kind):
        return value
    if pa.types.is_struct(kind):
        return {name: _with_dicts(item, kind.field(name).type) for name, item in value.items()}
    if not pa.types.is_map(kind):
        return [_with_dicts(item, kind.value_type) for item in value]
    pairs = [(_with_dicts(key, kind.key_type), _with_dicts(item, kind.item_type)) for key, item in value]
    try:
        found = dict(pairs)
    except TypeError:
        return pairs
    return found if len(found) == len(pairs) else pairs


def _leaves(values: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """The flat columns inside a nested one."""
    import pyarrow as pa

    for chunk in values.chunks:
        if pa.types.is_struct(chunk.type):
            inner = chunk.flatten()
        elif pa.types.is_map(chunk.type):
            inner = [chunk.keys, chunk.items]
        elif pa.types.is_union(chunk.type):
            inner = [chunk.field(number) for number in range(chunk.type.num_fields)]
        elif pa.types.is_nested(chunk.type):
            inner = [chunk.flatten()]
        else:
            yield pa.chunked_array([chunk])
            continue
        for array in inner:
            yield from _leaves(pa.chunked_array([array]))


def _nested_text(scalar: pa.Scalar) -> str:
    """A value in a nested column; from Arrow, because Python has no form for some dates."""
    import pyarrow as pa

    kind = scalar.type
    if pa.types.is_union(kind):
        return _nested_text(scalar.value) if scalar.is_valid else "NULL"
    if not scalar.is_valid:
        return "NULL"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"'{name}': {_nested_text(item)}" for name, item in scalar.items()) + "}"
    if pa.types.is_map(kind):
        pairs = (f"{_nested_text(pair['key'])}: {_nested_text(pair['value'])}" for pair in scalar.values)
        return "{" + ", ".join(pairs) + "}"
    if pa.types.is_nested(kind):
        return "[" + ", ".join(_nested_text(item) for item in scalar.values) + "]"
    text = texts(Cells("", Type("VARCHAR"), pa.chunked_array([pa.array([scalar], kind)])))[0] or ""
    return "'" + text.replace("'", "''") + "'" if pa.types.is_string(kind) else text


def _is_temporal(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_date32(kind) or pa.types.is_timestamp(kind))


def _python_bounds(kind: pa.DataType) -> tuple[int, int] | None:
    """Smallest and largest stored number that Python's datetime has."""
    import pyarrow as pa

    if pa.types.is_date32(kind):
        return _FIRST_DAY, _LAST_DAY
    if pa.types.is_timestamp(kind):
        per_day = _PER_DAY[kind.unit]
        return _FIRST_DAY * per_day, (_LAST_DAY + 1) * per_day - 1
    if pa.types.is_time(kind):
        return 0, _PER_DAY[kind.unit] - 1
    return None


def _numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The integers under dates and times, always 64 bits wide."""
    import pyarrow as pa

    narrow = pa.int32() if values.type.bit_width == 32 else pa.int64()
    chunks = [chunk.view(narrow) for chunk in values.chunks]
    return pa.chunked_array(chunks, type=narrow).cast(pa.int64())


def _extremes(values: pa.ChunkedArray) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    found = pc.min_max(_numbers(values)).as_py()
    return found["min"], found["max"]


def _temporal_texts(kind: pa.DataType, numbers: list[int | None]) -> list[str | None]:
    import pyarrow as pa

    if pa.types.is_date32(kind):
        return _each(numbers, _date_text)
    per_day = _PER_DAY[kind.unit]
    if pa.types.is_time(kind):
        return _each(numbers, lambda number: _time_text(number, per_day))
    zone = "+00" if kind.tz is not None else ""
    return _each(numbers, lambda number: _timestamp_text(number, per_day, zone))


def _date_text(days: int) -> str:
    """A day number in DuckDB's spelling, over its whole range.

    >>> _date_text(0), _date_text(-2440588), _date_text(2**31 - 1)
    ('1970-01-01', '4714-11-24 (BC)', 'infinity')
    """
    if abs(days) >= _INFINITE["date"]:
        return "infinity" if days > 0 else "-infinity"
    date, era = _date_parts(days)
    return f"{date} (BC)" if era else date


def _date_parts(days: int) -> tuple[str, bool]:
    """`YYYY-MM-DD` and whether that is before Christ."""
    # Howard Hinnant's days → civil: exact for every integer, where datetime stops at years 1 and 9999
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}", year <= 0


def _timestamp_text(number: int, per_day: int, zone: str) -> str:
    if abs(number) >= 2**63 - 1:
        return "infinity" if number > 0 else "-infinity"
    days, rest = divmod(number, per_day)
    date, is_bc = _date_parts(days)
    return f"{date}{' (BC)' if is_bc else ''} {_time_text(rest, per_day)}{zone}"


def _time_text(number: int, per_day: int) -> str:
    seconds, fraction = divmod(number, per_day // 86_400)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text if not fraction else f"{text}.{fraction:0{len(str(per_day // 86_400)) - 1}d}".rstrip("0")


def _interval_text(months: int, days: int, nanoseconds: int) -> str:
    """An interval in DuckDB's spelling.

    >>> _interval_text(14, 3, 3_600_500_000_000), _interval_text(0, 0, 0)
    ('1 year 2 months 3 days 01:00:00.5', '00:00:00')
    """
    sign = -1 if months < 0 else 1
    years, left = divmod(abs(months), 12)
    counts = ((sign * years, "year"), (sign * left, "month"), (days, "day"))
    parts = [f"{count} {unit}{'' if abs(count) == 1 else 's'}" for count, unit in counts if count]
    if nanoseconds or not parts:
        microseconds = abs(nanoseconds) // 1000
        parts.append(("-" if nanoseconds < 0 else "") + _time_text(microseconds, _PER_DAY["us"]))
    return " ".join(parts)
