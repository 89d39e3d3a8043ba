"""An object that is a table, as the Arrow table that DuckDB can read without changing a value.

    pandas datetime64[ns], whole microseconds  → timestamp[us]     DuckDB's TIMESTAMP, not its TIMESTAMP_NS
    pandas Period, polars Object               → ParameterError    DuckDB would read the bytes they are stored as

Values and types are those the library itself gives to Arrow. For pandas that means two things: NaN in a column of numpy
floats is NULL, because that is how pandas writes a missing value there (in an Arrow-backed column NaN stays NaN), and
the index is no column, as in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fedq.errors import InvalidQuery, ParameterError

#: extension types that DuckDB knows
_KNOWN = ("arrow.uuid", "arrow.json", "arrow.bool8")
_DUCKDB = "DuckDB"


def arrow_table(name: str, frame: Any) -> pa.Table:
    """An object's rows as an Arrow table; `name` is for messages.

    Raises: ParameterError when it is no table, InvalidQuery when SQL cannot tell two of its columns apart.
    """
    library = type(frame).__module__.split(".")[0]
    if library == "polars" and type(frame).__name__ == "LazyFrame":
        raise ParameterError(f"{name} is a polars LazyFrame, which has no rows yet", hint=f"Pass {name}.collect().")
    if not hasattr(frame, "__arrow_c_stream__") or (library == "pandas" and type(frame).__name__ != "DataFrame"):
        message = f"{name} is a {type(frame).__name__}, which is no table"
        raise ParameterError(message, hint="Pass a DataFrame of pandas or polars, an Arrow table, or a fedq result.")
    _refuse_objects(name, library, frame)
    try:
        is_pandas = library == "pandas"
        table = pa.Table.from_pandas(frame, preserve_index=False) if is_pandas else pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, RuntimeError) as error:
        hint = "Give the column one type, such as df[column].astype('string')."
        raise ParameterError(f"{name} cannot be read as a table: {error}", hint=hint, table=name) from error
    if not table.num_columns:
        raise ParameterError(f"{name} has no columns", hint="Pass a table that has some.", table=name)
    _refuse_twins(name, table.column_names)
    arrays = [_readable(name, field, table.column(number)) for number, field in enumerate(table.schema)]
    return pa.Table.from_arrays(arrays, names=table.column_names)


def _refuse_objects(name: str, library: str, frame: Any) -> None:
    """Columns of Python objects that Arrow would take for something else."""
    if library == "polars" and hasattr(frame, "schema"):
        for column, type_ in frame.schema.items():
            if str(type_) == "Object":
                raise _unreadable(name, column, "Object")
    if library == "pandas":
        _refuse_twins(name, [str(column) for column in frame.columns])
        for column, type_ in frame.dtypes.items():
            if str(type_) == "object" and {str, bytes} <= set(map(type, frame[column])):
                raise _unreadable(name, str(column), "text and bytes together")


def _refuse_twins(name: str, columns: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            message = f"{name} has two columns that SQL cannot tell apart: {seen[column.lower()]!r} and {column!r}"
            raise InvalidQuery(message, hint="Rename one of them.", table=name, column=column)
        seen[column.lower()] = column


def _readable(name: str, field: pa.Field, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that DuckDB reads exactly."""
    type_ = values.type
    if isinstance(type_, pa.BaseExtensionType):
        if type_.extension_name in _KNOWN or getattr(type_, "vendor_name", None) == _DUCKDB:
            return values
        raise _unreadable(name, field.name, str(type_))
    if pa.types.is_null(type_):
        return values.cast(pa.string())
    if type_ == pa.float16():
        return values.cast(pa.float32())
    if pa.types.is_timestamp(type_) and type_.unit != "us":
        return _in_microseconds(values, pa.timestamp("us", type_.tz))
    if pa.types.is_time64(type_) and type_.unit != "us":
        return _in_microseconds(values, pa.time64("us"))
    if pa.types.is_duration(type_) and type_.unit == "ns":
        found = _in_microseconds(values, pa.duration("us"))
        if found.type == type_:
            raise _unreadable(name, field.name, "durations finer than a microsecond")
        return found
    if type_ == pa.date64() and pc.any(pc.not_equal(pc.floor_temporal(values), values)).as_py():
        raise _unreadable(name, field.name, "dates with a time of day")
    if type_ == pa.month_day_nano_interval() and any(
        item.nanoseconds % 1000 for item in values.drop_null().to_pylist()
    ):
        raise _unreadable(name, field.name, "intervals finer than a microsecond")
    return values


def _in_microseconds(values: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The values in microseconds, or as they are where that would lose something."""
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        return values


def _unreadable(name: str, column: str, what: str) -> ParameterError:
    message = f"{name} cannot be read as a table: its column {column!r} holds {what}"
    return ParameterError(message, hint="Convert the column first.", table=name, column=column)
