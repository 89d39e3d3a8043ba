"""A result in the forms of other libraries, without changing a value.

    HUGEINT that fits 64 bits   →  int64 / Int64           DECIMAL(12,2)  →  decimal128(12, 2)[pyarrow]
    INTEGER with NULLs          →  Int64                   DATE, TIME     →  date32[pyarrow], time64[us][pyarrow]
    DOUBLE with NULLs and NaNs  →  double[pyarrow]         TIMESTAMP      →  datetime64[us]; infinity is an error

Not `table.to_pandas()`: it makes floats of integers that have NULLs, joins NaN with NULL, and shows an infinite
timestamp as the year 294247.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from fedq.dialects.duckdb import DUCKDB
from fedq.errors import DriverMissing, ParameterError, ResultError
from fedq.result.rows import unique_names
from fedq.result.values import Cells, python_values, texts
from fedq.types import Type

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Unrepresentable = Literal["error", "null", "text"]

#: DuckDB types that Arrow has no name for: a relation made of the Arrow table needs a cast to have them again
_CAST_BACK = ("HUGEINT", "UHUGEINT", "UUID", "JSON")

_ARROW = {
    "BOOLEAN": "bool", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "FLOAT": "float",
    "DOUBLE": "double", "VARCHAR": "string", "JSON": "string", "UUID": "string", "BLOB": "binary", "DATE": "date32",
    "UBIGINT": "uint64",
}  # fmt: skip


def from_rows(columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of Python values as an Arrow table.

    >>> from_rows([("id", Type("BIGINT"))], [(1,), (None,)]).num_rows
    2
    """
    import pyarrow as pa

    arrays = []
    for number, (_, type_) in enumerate(columns):
        name = _ARROW.get(type_.name)
        kind = pa.type_for_alias(name) if name else (pa.timestamp("us") if type_.name == "TIMESTAMP" else None)
        arrays.append(pa.array([row[number] for row in rows], type=kind))
    return pa.Table.from_arrays(arrays, names=[name for name, _ in columns])


def to_pandas(columns: Sequence[Cells], on_unrepresentable: Unrepresentable) -> pd.DataFrame:
    """A DataFrame that holds every value as it is."""
    import pandas as pd

    if on_unrepresentable not in get_args(Unrepresentable):
        message = f"on_unrepresentable cannot be {on_unrepresentable!r}"
        raise ParameterError(message, hint=f"It can be {', '.join(get_args(Unrepresentable))}.")
    series = [_series(cells, on_unrepresentable) for cells in columns]
    frame = pd.DataFrame(dict(enumerate(series)))  # a copy: what Arrow lends cannot be written to
    frame.columns = pd.Index(unique_names([cells.name for cells in columns]))
    return frame


def _series(cells: Cells, on_unrepresentable: Unrepresentable) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    lost = _lost_in_pandas(cells)
    if lost and on_unrepresentable == "error":
        raise cells.fail(lost[0])
    if lost and on_unrepresentable == "text":
        return pd.Series(texts(cells), dtype="object" if pd.__version__.startswith("2.") else "str")
    cells = _narrowed(_without(cells, lost) if lost else cells)
    values: Any = cells.values  # pyarrow has no annotations
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        numbers: pd.Series[Any] = values.to_pandas(types_mapper=_nullable if values.null_count else None)
        return numbers
    if _needs_arrow(cells):
        return pd.Series(pd.arrays.ArrowExtensionArray(values))
    if _needs_objects(cells):
        return pd.Series(python_values(cells), dtype=object)
    plain: pd.Series[Any] = values.to_pandas()
    return plain


def _lost_in_pandas(cells: Cells) -> list[int]:
    """Positions of values that pandas could not hold: infinities, and dates that `datetime.date` does not have."""
    import pyarrow as pa

    if not pa.types.is_timestamp(cells.values.type):
        return cells.strange()
    return _infinities(cells)  # datetime64[us] has every other timestamp


def _infinities(cells: Cells) -> list[int]:
    """Positions of infinite dates and timestamps."""
    shown = texts(cells) if cells.is_infinite() else []
    return [row for row, text in enumerate(shown) if text is not None and text.endswith("infinity")]


def _without(cells: Cells, positions: Sequence[int]) -> Cells:
    """The column with NULL at some positions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = np.ones(len(cells.values), dtype=bool)
    keep[list(positions)] = False
    values = pc.if_else(pa.array(keep), cells.values, pa.scalar(None, cells.values.type))
    return Cells(cells.name, cells.type, values)


def _narrowed(cells: Cells) -> Cells:
    """A HUGEINT column (which a sum of integers is) as 64-bit integers where all values fit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_decimal(cells.values.type) and cells.type.family == "integer"):
        return cells
    extremes = pc.min_max(cells.values).as_py()
    if extremes["min"] is not None and (extremes["min"] < -(2**63) or extremes["max"] >= 2**63):
        return cells
    return Cells(cells.name, Type("BIGINT"), cells.values.cast(pa.int64()))


def _nullable(kind: pa.DataType) -> Any:
    """pandas' own dtype for integers and booleans that have NULLs."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    return pd.api.types.pandas_dtype(str(kind).replace("int", "Int").replace("uI", "UI"))


def _needs_arrow(cells: Cells) -> bool:
    """Whether numpy has no such type, or would lose something, and pandas can keep the Arrow column itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.values.type
    if pa.types.is_floating(kind):
        return bool(cells.values.null_count and pc.any(pc.is_nan(cells.values)).as_py())
    is_decimal = pa.types.is_decimal(kind) and cells.type.family != "integer"
    return bool(is_decimal or pa.types.is_date(kind) or pa.types.is_time(kind))


def _needs_objects(cells: Cells) -> bool:
    import pyarrow as pa

    kind = cells.values.type
    is_flat = pa.types.is_floating(kind) or pa.types.is_timestamp(kind) or pa.types.is_dictionary(kind)
    return not (is_flat or (pa.types.is_string(kind) and cells.type.family != "uuid"))


def to_polars(columns: Sequence[Cells]) -> pl.DataFrame:
    """A polars DataFrame; an interval becomes a struct of months, days and nanoseconds. Raises: ValueNotRepresentable
    for an infinite date, which polars takes and breaks off at when it shows it."""
    try:
        import polars as pl
    except ImportError as error:
        raise DriverMissing("polars is not installed", hint='Install it: pip install "fedq[polars]"') from error
    for cells in columns:
        if rows := _infinities(cells):
            raise cells.fail(rows[0])
    try:
        frame = pl.from_arrow(portable([_narrowed(cells) for cells in columns]))
    except pl.exceptions.PolarsError as error:
        raise ResultError(f"polars cannot hold this result: {error}", hint="Cast the column in the query.") from error
    assert isinstance(frame, pl.DataFrame)
    return frame


def portable(columns: Sequence[Cells]) -> pa.Table:
    """An Arrow table that other software can read: distinct names, intervals as structs."""
    import pyarrow as pa

    names = unique_names([cells.name for cells in columns])
    return pa.Table.from_arrays([_spread_interval(cells.values) for cells in columns], names=names)


def _spread_interval(values: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    if values.type != pa.month_day_nano_interval():
        return values
    names = ("months", "days", "nanoseconds")
    kind = pa.struct([(names[0], pa.int32()), (names[1], pa.int32()), (names[2], pa.int64())])
    parts = [None if value is None else dict(zip(names, value, strict=True)) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(parts, kind)])


def write_parquet(columns: Sequence[Cells], path: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a Parquet file, whole or not at all; or into a stream."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_file = isinstance(path, str | os.PathLike)
    with replacing(path) if is_file else contextlib.nullcontext(path) as where:  # type: ignore[arg-type]
        try:
            pq.write_table(portable(columns), where)
        except pa.ArrowException as error:
            hint = "Cast the column in the query."
            raise ResultError(f"Parquet cannot hold this result: {error}", hint=hint) from error


def to_relation(columns: Sequence[Cells], connection: duckdb.DuckDBPyConnection | None) -> duckdb.DuckDBPyRelation:
    """A DuckDB relation over the same memory, with the types of the query."""
    import duckdb

    table = named(columns)
    relation = (connection or duckdb.default_connection()).from_arrow(table)
    if not any(cells.type.name in _CAST_BACK for cells in columns):
        return relation
    outputs = []
    for name, cells in zip(table.column_names, columns, strict=True):
        quoted = DUCKDB.quote(name)
        outputs.append(f"CAST({quoted} AS {cells.type.name}) AS {quoted}" if cells.type.name in _CAST_BACK else quoted)
    return relation.project(", ".join(outputs))


def named(columns: Sequence[Cells]) -> pa.Table:
    """The Arrow table with distinct names."""
    import pyarrow as pa

    return pa.Table.from_arrays(
        [cells.values for cells in columns], names=unique_names([cells.name for cells in columns])
    )


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary file beside `path` that takes its place when the block ends well, and is gone when it does not."""
    target = Path(path).expanduser()
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if "\0" in target.name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            yield temporary
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        name = os.fspath(path)
        reason = error.strerror or str(error)
        raise ResultError(f"cannot write {name!r}: {reason}", hint="Give another path.", path=name) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
