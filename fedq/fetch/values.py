"""Columns of Python values, as a driver hands them out, as Arrow arrays: every value unchanged, or loud.

    DATE           ('2026-01-31', None)        → date32
    DECIMAL(12,2)  (9.99, 10, '0.50')          → decimal128: a double is the number its shortest text says
    BIGINT         (1, 2.5)                    → ValueNotRepresentable

`pyarrow.array` alone is not enough: it cuts 2.5 to 2 for an int64, reads a moment with a zone as one without, and stops
at the first value it cannot take without saying which one. So the Python types of a whole column are looked at first
(`set(map(type, …))`, in C); where they are the wanted ones the column is converted at once, otherwise value by value.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from array import array
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedq.errors import ValueNotRepresentable
from fedq.fetch.arrow import arrow_type
from fedq.fetch.source import Output
from fedq.types import Type

#: (output, value, why) → the error, with whatever the source knows of the row
Report = Callable[[Output, Any, str], ValueNotRepresentable]

_EPOCH = dt.date(1970, 1, 1)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"-?(0|[1-9]\d*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?")
_CLASSES: dict[type, str] = {bool: "BOOLEAN", int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}
_TIMES = ("date", "timestamp", "timestamptz")
_WIDE = Context(prec=100)
#: digits a double keeps of every decimal number
EXACT_DIGITS = 15


class Unfit(ValueError):
    """A value that the wanted type cannot hold; its text is the reason."""


class UndecodableText:
    """A text whose bytes are not UTF-8."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return repr(self.raw)


def array_of(values: Sequence[Any], output: Output, report: Report) -> pa.Array:
    """The values of one result column as an array of the output's type.

    Raises: ValueNotRepresentable, as `report` makes it, unless the column's policy is null or text.
    """
    column = output.column
    storage = (column.storage if column else None) or "iso"
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if (found := at_once(values, kinds, output.type, storage)) is not None:
        return found
    kept = [_kept(value, output, storage, report) for value in values]
    return pa.array(kept, arrow_type(output.type))


def _kept(value: Any, output: Output, storage: str, report: Report) -> Any:
    if value is None:
        return None
    policy = output.column.policy if output.column else "error"
    if policy == "text" and output.type.family == "text":
        return as_text(value)
    try:
        return fit(value, output.type, storage)
    except Unfit as reason:
        if policy == "null":
            return None
        raise report(output, value, str(reason)) from None


def as_text(value: Any) -> str:
    """A stored value as text: what policy "text" makes of it. Bytes are shown as DuckDB shows a BLOB."""
    if isinstance(value, UndecodableText):
        value = value.raw
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02X}" for byte in bytes(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def storage_class(value: Any) -> str:
    """What kind of value it is, in the words of a database."""
    if type(value) is UndecodableText:
        return "TEXT that is not UTF-8"
    return _CLASSES.get(type(value), type(value).__name__)


# --- whole columns ---


def at_once(values: Sequence[Any] | pa.Array, kinds: set[type], type_: Type, storage: str) -> pa.Array | None:
    """The column, all of whose values are of these kinds, in one go; None where a value needs a closer look."""
    wanted = arrow_type(type_)
    if not kinds:
        return pa.nulls(len(values), wanted)
    try:
        return _WHOLE[type_.family](values, kinds, wanted, storage) if type_.family in _WHOLE else None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _integers(values: Sequence[Any] | pa.Array, kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    """Not by `pyarrow.array`, nor are texts: it imports pandas to see whether it was given a Series (150 ms, 35 MB)."""
    if kinds != {int}:
        return None
    if isinstance(values, pa.Array):
        return values.cast(wanted)
    numbers = pa.py_buffer(array("q", [value or 0 for value in values]))
    valid = None
    if None in values:
        valid = pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(values), [valid, numbers]).cast(wanted)


def _texts(values: Sequence[Any] | pa.Array, kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    if kinds != {str}:
        return None
    if isinstance(values, pa.Array):
        return values
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _blobs(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    return pa.array(values, wanted) if kinds == {bytes} else None


def _booleans(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    if kinds == {bool}:
        return pa.array(values, wanted)
    if kinds != {int}:
        return None
    numbers = pa.array(values, pa.uint8())
    return numbers.cast(wanted) if (pc.max(numbers).as_py() or 0) <= 1 else None


def _floats(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    if not kinds <= {int, float}:
        return None
    doubles = pa.array(values, pa.float64())  # refuses integers that a double does not hold
    if wanted == pa.float64():
        return doubles
    singles = doubles.cast(wanted)
    # NaN is unequal to itself, so compare what is not NaN
    is_same = pc.or_(pc.equal(singles.cast(pa.float64()), doubles), pc.is_nan(doubles))
    return singles if pc.all(is_same).as_py() in (True, None) else None


def _decimals(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    if kinds <= {Decimal, int}:
        return pa.array(values, wanted)
    if kinds <= {float, int}:
        return _scaled(pa.array(values, pa.float64()), wanted)
    return None


def _scaled(doubles: pa.Array, wanted: pa.DataType) -> pa.Array | None:
    """Doubles as n / 10**scale where that rounds to the double again: n of at most 15 digits is what its text says."""
    precision, scale = wanted.precision, wanted.scale
    numbers = doubles.fill_null(0.0).to_numpy(zero_copy_only=False)
    scaled = np.rint(numbers * 10.0**scale)
    is_short = np.abs(scaled) < 10.0 ** min(precision, EXACT_DIGITS)
    if not (is_short & (scaled / 10.0**scale == numbers)).all():
        return None  # also for NaN and infinities
    return unscaled(scaled, pc.is_valid(doubles).buffers()[1] if doubles.null_count else None, wanted)


def unscaled(numbers: np.ndarray[Any, Any], valid: pa.Buffer | None, wanted: pa.DataType) -> pa.Array:
    """Whole numbers n, of no more digits than the type has, as the decimals n / 10**scale."""
    halves = np.empty((len(numbers), 2), dtype="<i8")
    halves[:, 0] = numbers
    halves[:, 1] = halves[:, 0] >> 63  # the high half of a 128-bit integer is the sign
    return pa.Array.from_buffers(wanted, len(numbers), [valid, pa.py_buffer(halves)])


def _dates(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    if kinds == {dt.date}:
        return pa.array(values, wanted)
    return pa.array(values, pa.string()).cast(wanted) if kinds == {str} and storage == "iso" else None


def _timestamps(values: Sequence[Any], kinds: set[type], wanted: pa.DataType, storage: str) -> pa.Array | None:
    is_zoned = wanted.tz is not None
    if kinds == {dt.datetime}:
        fits = all(value is None or (value.tzinfo is not None) is is_zoned for value in values)
        return pa.array(values, wanted) if fits else None
    if kinds == {int} and storage in ("unix", "unix_ms"):
        factor = 1_000_000 if storage == "unix" else 1_000
        return pc.multiply_checked(pa.array(values, pa.int64()), factor).cast(wanted)
    if kinds == {str} and storage == "iso" and not is_zoned:
        texts = pa.array(values, pa.string())
        if not pc.any(pc.equal(pc.binary_length(texts), 13)).as_py():  # Arrow also takes a date and an hour
            return texts.cast(wanted)
    return None


_WHOLE: dict[str, Callable[[Sequence[Any], set[type], pa.DataType, str], pa.Array | None]] = {
    "integer": _integers, "text": _texts, "blob": _blobs, "boolean": _booleans, "float": _floats, "decimal": _decimals,
    "date": _dates, "timestamp": _timestamps, "timestamptz": _timestamps,
}  # fmt: skip


# --- one value ---


def fit(value: Any, type_: Type, storage: str = "iso") -> Any:
    """One value as what Arrow takes for the type: dates, times and moments as days and microseconds.

    >>> fit("2026-01-31", Type("DATE")), fit(9.99, Type("DECIMAL", 12, 2))
    (20484, Decimal('9.99'))

    Raises: Unfit.
    """
    if type(value) is UndecodableText:
        raise Unfit("its bytes are not UTF-8")
    if type_.family in _TIMES and type(value) in (int, float) and storage != "iso":
        return _counted(value, type_, storage)
    convert = _ONE.get(type_.family)
    if convert is None:
        raise Unfit(f"{storage_class(value)} cannot be read as {type_}")
    return convert(value, type_)


def _wrong(value: Any, type_: Type) -> Unfit:
    return Unfit(f"{storage_class(value)} is no {type_}")


def _integer(value: Any, type_: Type) -> int:
    is_text = type(value) is str and _INTEGER.fullmatch(value) and value != "-0"
    if is_text or (type(value) is Decimal and value.is_finite() and value == value.to_integral_value()):
        value = int(value)
    if type(value) is not int:
        raise _wrong(value, type_)
    low, high = type_.bounds or (-(2**63), 2**63 - 1)
    if not low <= value <= high:
        raise Unfit(f"it is outside of {low} to {high}")
    return value


def _boolean(value: Any, type_: Type) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    raise Unfit("only 0 and 1 are a BOOLEAN") if type(value) is int else _wrong(value, type_)


def _float(value: Any, type_: Type) -> float:
    if type(value) is str and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if type(value) is Decimal and (value.is_nan() or Decimal(repr(float(value))) == value):
        return float(value)
    if type(value) not in (int, float):
        raise _wrong(value, type_)
    try:
        double = float(value)
    except OverflowError:
        raise Unfit("it is larger than every double") from None
    if double == double and (double != value or (type_.name == "FLOAT" and float(np.float32(double)) != double)):
        raise Unfit(f"a {type_} does not hold it exactly")
    return double


def _decimal(value: Any, type_: Type) -> Decimal:
    if type(value) is float or (type(value) is str and _NUMBER.fullmatch(value)):
        number = Decimal(repr(value) if type(value) is float else value)
    elif type(value) in (int, Decimal):
        number = Decimal(value)
    else:
        raise _wrong(value, type_)
    precision, scale = type_.precision or 38, type_.scale or 0
    if not number.is_finite():
        raise Unfit(f"a {type_} has no {number}")
    _, digits, exponent = number.as_tuple()
    after = -int(exponent) - (len(digits) - len("".join(map(str, digits)).rstrip("0")))
    if number and after > scale:
        raise Unfit(f"it has more than {scale} digits after the point")
    if number and number.adjusted() + 1 > precision - scale:
        raise Unfit(f"it has more than {precision - scale} digits before the point")
    return number.quantize(Decimal(1).scaleb(-scale), context=_WIDE)


def _text(value: Any, type_: Type) -> str:
    if type(value) is not str:
        raise _wrong(value, type_)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("it has half a surrogate pair") from None
    return value


def _blob(value: Any, type_: Type) -> bytes:
    if type(value) not in (bytes, bytearray, memoryview):
        raise _wrong(value, type_)
    return bytes(value)


def _date(value: Any, type_: Type) -> int:
    if type(value) is str and _DATE.fullmatch(value):
        return _days(value)
    if type(value) is str:
        raise Unfit("it is not written YYYY-MM-DD")
    if type(value) is not dt.date:
        raise _wrong(value, type_)
    return (value - _EPOCH).days


def _days(text: str) -> int:
    try:
        days: int = pa.scalar(text).cast(pa.date32()).cast(pa.int32()).as_py()
    except pa.ArrowInvalid:
        raise Unfit("there is no such day") from None
    return days


def _timestamp(value: Any, type_: Type) -> int:
    is_zoned = type_.family == "timestamptz"
    if type(value) is dt.datetime:
        if (value.tzinfo is not None) is not is_zoned:
            raise Unfit("it has no time zone" if is_zoned else "it has a time zone")
        naive = (value - (value.utcoffset() or dt.timedelta())).replace(tzinfo=None)
        return (naive - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    match = _MOMENT.fullmatch(value) if type(value) is str else None
    if type(value) is not str:
        raise _wrong(value, type_)
    if match is None:
        raise Unfit("it is not written YYYY-MM-DD HH:MM:SS")
    if (match[6] is not None) is not is_zoned:
        raise Unfit("it has no time zone" if is_zoned else "it has a time zone; declare the column TIMESTAMPTZ")
    day = _days(match[1]) * 86_400_000_000
    return day + (_microseconds(match[2], match[3], match[4], match[5]) if match[2] else 0) - _offset(match[6])


def _offset(zone: str | None) -> int:
    """A zone such as +05:30 in microseconds."""
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000


def _microseconds(hour: str, minute: str, second: str | None, fraction: str | None) -> int:
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        raise Unfit("there is no such time of day")
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    return seconds * 1_000_000 + int((fraction or "").ljust(6, "0"))


def _time(value: Any, type_: Type) -> int:
    if type(value) is dt.time and value.tzinfo is None:
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    match = _TIME.fullmatch(value) if type(value) is str else None
    if match is None:
        raise Unfit("it is not written HH:MM:SS") if type(value) is str else _wrong(value, type_)
    return _microseconds(match[1], match[2], match[3], match[4])


def _counted(value: float, type_: Type, storage: str) -> int:
    """A date or moment that is stored as a number of seconds, milliseconds or (julian) days."""
    try:
        number = Decimal(repr(value))
        if storage == "julian":  # SQLite itself counts julian days in whole milliseconds
            moment = round((number - Decimal("2440587.5")) * 86_400_000) * 1_000
        else:
            exact = number * (1_000_000 if storage == "unix" else 1_000)
            moment = int(exact)
            if moment != exact:
                raise Unfit("it is finer than a microsecond")
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise error if isinstance(error, Unfit) else Unfit("it is no moment") from None
    if not -(2**63) < moment < 2**63:
        raise Unfit("it is outside of what a TIMESTAMP holds")
    if type_.family != "date":
        return moment
    day, rest = divmod(moment, 86_400_000_000)
    if rest:
        raise Unfit("it is not the beginning of a day")
    return day


def _uuid(value: Any, type_: Type) -> str:
    try:
        if type(value) is str and re.fullmatch(r"\{?[0-9a-fA-F-]{32,36}\}?", value):
            return str(uuid.UUID(value))
        if type(value) is bytes:
            return str(uuid.UUID(bytes=value))
    except ValueError:
        raise Unfit("it is no UUID") from None
    if isinstance(value, uuid.UUID):
        return str(value)
    raise _wrong(value, type_)


def _json(value: Any, type_: Type) -> str:
    if type(value) in (int, float):
        value = repr(value)  # SQLite keeps a JSON number in a JSON column as a number
    if type(value) in (dict, list, bool):
        return json.dumps(value, ensure_ascii=False)
    if type(value) is not str:
        raise _wrong(value, type_)
    try:
        json.loads(value, parse_constant=_no_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise Unfit("it is no JSON") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _interval(value: Any, type_: Type) -> Any:
    if type(value) is not dt.timedelta:
        raise _wrong(value, type_)
    return pa.MonthDayNano([0, value.days, value.seconds * 1_000_000_000 + value.microseconds * 1_000])


_ONE: dict[str, Callable[[Any, Type], Any]] = {
    "integer": _integer, "boolean": _boolean, "float": _float, "decimal": _decimal, "text": _text, "blob": _blob,
    "date": _date, "timestamp": _timestamp, "timestamptz": _timestamp, "time": _time, "uuid": _uuid, "json": _json,
    "interval": _interval,
}  # fmt: skip
