"""Whatever a user hands over as an Arrow table: DataFrames, Arrow, results, lists of dicts.

Where it came from comes along: a result of fedq's, and a pandas DataFrame made of one, know their databases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fedq.bind.params import plain
from fedq.errors import ParameterError
from fedq.types import MOST_DIGITS

if TYPE_CHECKING:
    import pyarrow as pa

_HINT = "Pass a pandas, polars or pyarrow table, a Result, or a list of dicts."


def to_arrow(data: Any) -> pa.Table:
    """The rows as an Arrow table, names as they are. Raises: ParameterError for what has no rows and columns."""
    import pyarrow

    try:
        if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
            data = _with_index(data)
            _refuse_twice(data.columns)
            _check_objects(data)
            table = pyarrow.Table.from_pandas(data, preserve_index=False)
        elif hasattr(data, "__arrow_c_stream__"):
            table = pyarrow.table(data)
        elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
            table = _of_dicts(data)
        elif isinstance(data, Mapping):
            table = pyarrow.table({str(name): _array(str(name), values) for name, values in data.items()})
        else:
            raise ParameterError(f"a {type(data).__name__} has no rows to write", hint=_HINT)
    except (pyarrow.ArrowException, TypeError) as error:
        raise ParameterError(f"the rows cannot be made an Arrow table: {error}", hint=_HINT) from error
    return _decoded(table)


def _with_index(frame: Any) -> Any:
    """A DataFrame with its index as columns where that has names, as `set_index` and `groupby` give it."""
    named = [level for level, name in enumerate(frame.index.names) if name is not None]
    return frame.reset_index(level=named, allow_duplicates=True) if named else frame


def _refuse_twice(names: Any) -> None:
    """Of what Arrow says as a bare ValueError."""
    twice = names[names.duplicated()]
    if len(twice):
        raise ParameterError(
            f"the rows have two columns {str(twice[0])!r}", hint="Rename one of them, or leave it out."
        )


def _of_dicts(rows: Sequence[Any]) -> pa.Table:
    import pyarrow

    dicts = [row._asdict() if hasattr(row, "_asdict") else row for row in rows]
    for number, row in enumerate(dicts):
        if not isinstance(row, Mapping):
            raise ParameterError(f"row {number} is a {type(row).__name__}, not a dict", hint=_HINT)
    names = list(dict.fromkeys(name for row in dicts for name in row))
    if dicts and not names:
        raise ParameterError("the rows have no columns", hint=_HINT)
    arrays = [_array(str(name), [row.get(name) for row in dicts]) for name in names]
    return pyarrow.table(arrays, names=[str(name) for name in names])


def _array(name: str, values: Any) -> pa.Array:
    import uuid

    import pyarrow

    found: list[Any] = [plain(name, value) if not isinstance(value, (dict, list)) else value for value in values]
    found = [str(value) if isinstance(value, uuid.UUID) else value for value in found]
    kinds = {type(value) for value in found} - {type(None)}
    _refuse_mixed(name, found)
    if kinds == {int} and any(value is not None and not -(2**63) <= value < 2**63 for value in found):
        found = [value if value is None else Decimal(value) for value in found]
    try:
        return pyarrow.array(found)
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        message = f"the values of {name!r} are of several kinds: {', '.join(sorted(kind.__name__ for kind in kinds))}"
        raise ParameterError(message, hint="Give the column one type.", column=name) from error


def _refuse_mixed(name: str, values: Sequence[Any]) -> None:
    """Arrow takes the first value's type for all: a date would cut moments, a moment without zone would make UTC of
    those beside it; and it has no zones for times of day. Raises: ParameterError."""
    import datetime as dt

    if not any(issubclass(kind, (dt.date, dt.time)) for kind in set(map(type, values))):
        return
    dated = [value for value in values if isinstance(value, dt.date) and value == value]  # NaT is a date
    kinds = {"datetime" if isinstance(value, dt.datetime) else "date" for value in dated}
    kinds |= {"datetime with a time zone" for value in dated if getattr(value, "tzinfo", None) is not None}
    has_naive = any(isinstance(value, dt.datetime) and value.tzinfo is None for value in dated)
    has_zone = "datetime with a time zone" in kinds
    if len(kinds - {"datetime with a time zone"}) > 1 or (has_zone and has_naive):
        message = f"the values of {name!r} are of several kinds: {', '.join(sorted(kinds))}"
        raise ParameterError(message, hint="Give the column one type.", column=name)
    if any(isinstance(value, dt.time) and value.tzinfo is not None for value in values):
        message = f"the values of {name!r} are times of day with a time zone, which would be lost"
        raise ParameterError(message, hint="Give the column texts, or times without a zone.", column=name)


def _check_objects(frame: Any) -> None:
    """Look at the columns of a pandas DataFrame whose values are Python's own."""
    for position, kind in enumerate(frame.dtypes):
        if kind.kind == "O" and kind.name == "object":
            _refuse_mixed(str(frame.columns[position]), frame.iloc[:, position].tolist())


def _decoded(table: pa.Table) -> pa.Table:
    """Categories as their values, wide decimals as those that DuckDB has. Raises: ParameterError."""
    import pyarrow

    for index, field in enumerate(table.schema):
        if pyarrow.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
        elif pyarrow.types.is_decimal256(field.type):
            try:
                narrow = table.column(index).cast(pyarrow.decimal128(MOST_DIGITS, field.type.scale))
            except pyarrow.ArrowInvalid as error:
                message = f"the values of {field.name!r} have more than {MOST_DIGITS} digits"
                raise ParameterError(message, hint="Write them as text.", column=field.name) from error
            table = table.set_column(index, field.name, narrow)
    return table


def came_from(data: Any, table: str) -> tuple[str, ...]:
    """The databases from which rows of the logical table `table` were loaded into this data; empty is unknown."""
    from fedq.result import Result

    if isinstance(data, Result):
        found: Any = data.provenance()
    else:
        attributes = getattr(data, "attrs", None)
        found = attributes.get("fedq") if isinstance(attributes, Mapping) else None
    if not isinstance(found, Mapping):
        return ()
    wanted = table.rpartition(".")[2].strip('"').lower()
    return tuple(dict.fromkeys(
        str(read["database"]) for read in found.get("sources", ())
        if wanted in (str(name).lower() for name in read.get("tables", ()))
    ))  # fmt: skip
