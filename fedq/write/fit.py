"""Rows as Arrow in the types of a table's columns: every value unchanged, or the whole write is refused.

    amount DOUBLE 9.99   → DECIMAL(10,2)  9.99     its shortest decimal form fits
    amount DOUBLE 9.999  → DECIMAL(10,2)  refused: row 7, column 'amount'
    day    VARCHAR       → DATE           '2024-02-30' refused, '2024-02-29' taken

DuckDB casts, and casts back: Arrow's own casts overflow without a word for decimals, know no text forms, and stop at
the first value without saying where it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedq.catalog.schema import Column, PhysicalTable
from fedq.errors import InvalidQuery
from fedq.fetch.arrow import arrow_type
from fedq.fetch.writer import unfit
from fedq.types import Type, parse_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_INCOMING = "fedq_incoming"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"
_TEXTS = ("text", "uuid", "json")
_NOT_FOR_PYTHON = ("TIMESTAMPTZ", "TIME ZONE", "TIMESTAMP_NS")
#: DuckDB's types that Arrow carries as raw bytes, or without their offset
_NO_ARROW = ("BIT", "TIMETZ", "TIME WITH TIME ZONE")


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go, for messages."""

    database: str
    table: PhysicalTable


def fit(data: pa.Table, columns: Sequence[Column], place: Place, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rows in the columns' types and under their physical names; data and columns are in the same order.

    Raises: ValueNotRepresentable, InvalidQuery where a type has no way to the column's.
    """
    import pyarrow

    arrays: list[Any] = [None] * len(columns)
    others = []
    for index, (array, column) in enumerate(zip(data.columns, columns, strict=True)):
        arrays[index] = _as_it_is(array, column)
        if arrays[index] is None:
            others.append(index)
    if others:
        names = [f"c{index}" for index in others]
        rows = pyarrow.table([data.column(index) for index in others], names=names)
        for index, array in zip(
            others, _cast(rows, [columns[index] for index in others], place, connection), strict=True
        ):
            arrays[index] = array
    return pyarrow.table(arrays, names=[column.physical for column in columns])


def _as_it_is(array: pa.ChunkedArray, column: Column) -> pa.ChunkedArray | None:
    """The array where nothing has to be looked at."""
    import pyarrow

    if column.type.family == "other":
        return None
    wanted = arrow_type(column.type)
    if array.null_count == len(array):
        return pyarrow.chunked_array([pyarrow.nulls(len(array), wanted)], wanted)
    if column.type.family in ("uuid", "json"):
        return None
    if array.type == wanted:
        return array
    if wanted == pyarrow.string() and (
        pyarrow.types.is_large_string(array.type) or pyarrow.types.is_string_view(array.type)
    ):
        return array.cast(wanted)
    if pyarrow.types.is_integer(array.type) and pyarrow.types.is_integer(wanted):
        try:
            return array.cast(wanted)
        except pyarrow.ArrowInvalid:
            return None
    return None


def _cast(rows: pa.Table, columns: Sequence[Column], place: Place, connection: duckdb.DuckDBPyConnection) -> list[Any]:
    import duckdb

    connection.register(_INCOMING, rows)
    try:
        sources = [parse_type(str(type_)) for type_ in connection.sql(f"SELECT * FROM {_INCOMING}").types]
        for name, source, column in zip(rows.column_names, sources, columns, strict=True):
            _check(name, source, column, place, connection)
        chosen = ", ".join(
            f"{_outgoing(name, source, column.type)} AS {name}"
            for name, source, column in zip(rows.column_names, sources, columns, strict=True)
        )
        found = connection.sql(f"SELECT {chosen} FROM {_INCOMING}").to_arrow_table()
    except duckdb.Error as error:
        kinds = ", ".join(
            f"{column.name} ({source} → {column.type})" for source, column in zip(sources, columns, strict=True)
        )
        message = f"these values cannot be made what the table {place.table.name!r} holds: {kinds}"
        raise InvalidQuery(message, hint="Convert the column first.", table=place.table.name) from error
    finally:
        connection.unregister(_INCOMING)
    return [
        array
        if column.type.family == "other" or array.type == arrow_type(column.type)
        else array.cast(arrow_type(column.type))
        for array, column in zip(found.columns, columns, strict=True)
    ]


def _check(name: str, source: Type, column: Column, place: Place, connection: duckdb.DuckDBPyConnection) -> None:
    """Raises: ValueNotRepresentable for the first value that would change; InvalidQuery where nothing can be cast."""
    import duckdb

    test = f"{name} IS NOT NULL AND NOT coalesce({_is_same(name, source, column.type)}, false)"
    sql = (
        f"SELECT row, {as_told(name, str(source))} "
        f"FROM (SELECT row_number() OVER () - 1 AS row, {name} FROM {_INCOMING}) "
        f"WHERE {test} ORDER BY row LIMIT 1"
    )
    try:
        found = connection.execute(sql).fetchall()
    except duckdb.Error as error:
        message = f"column {column.name!r} of {place.table.name!r} is {column.type}; a {source} cannot be written there"
        raise InvalidQuery(
            message, hint="Convert the column first.", table=place.table.name, column=column.name
        ) from error
    if found:
        raise unfit(place.database, place.table, column, found[0][0], found[0][1], _reason(source, column.type))


def as_told(name: str, type_: str) -> str:
    """A column as Python is told its values: as text where `datetime` is less exact, or DuckDB would ask for pytz.

    >>> as_told("c0", "TIMESTAMPTZ"), as_told("c0", "DATE")
    ('CAST(c0 AS VARCHAR)', 'c0')
    """
    return f"CAST({name} AS VARCHAR)" if any(word in type_ for word in _NOT_FOR_PYTHON) else name


def _reason(source: Type, target: Type) -> str:
    if source.family == "timestamp" and target.family == "date":
        return "its time of day would be lost"
    if source.family == "timestamptz" and target.family == "timestamp":
        return "its time zone would be lost; CAST(… AS TIMESTAMP) is its time in UTC"
    return f"as {target} it would be another value, or none"


def _is_same(x: str, source: Type, target: Type) -> str:
    """An expression that is true where casting `x` to the target keeps its value."""
    y = f"TRY_CAST({x} AS {target})"
    from_, to = source.family, target.family
    if from_ in _TEXTS:
        return _text_is_same(x, y, target)
    if target.name == "BIT" and from_ == "blob":  # the bytes in which DuckDB hands bits over are not their cast
        return "false"
    if to == "text":
        return "true" if from_ not in ("blob", "other") else "false"
    if to == "json":
        return "true"
    if from_ == "float" and to in ("decimal", "integer"):
        return f"(isfinite({x}) AND TRY_CAST({y} AS {source}) = {x})"
    if source.is_numeric and to == "float":
        kept = f"CAST({y} AS VARCHAR) = CAST(CAST({x} AS DOUBLE) AS VARCHAR)"
        if from_ == "integer":
            return f"(TRY_CAST({y} AS HUGEINT) = {x})"
        if from_ == "decimal":
            return f"(TRY_CAST(CAST({y} AS VARCHAR) AS {source}) = {x})"
        return f"(isnan({x}) OR {kept})"
    if from_ == "timestamptz" and to == "timestamp":
        return "false"
    return f"TRY_CAST({y} AS {source}) IS NOT DISTINCT FROM {x} AND {y} IS NOT NULL"


def _text_is_same(x: str, y: str, target: Type) -> str:
    family, bare = target.family, f"trim({x})"
    if family == "text":
        return "true"
    if family == "json":
        return f"json_valid({x})"
    if family == "integer":
        return f"(regexp_full_match({bare}, '[+-]?[0-9]+') AND {y} IS NOT NULL)"
    if family == "decimal":
        fraction = f"length(rtrim(regexp_extract({bare}, '\\.([0-9]*)$', 1), '0'))"
        return f"(regexp_full_match({bare}, '{_NUMBER}') AND {fraction} <= {target.scale} AND {y} IS NOT NULL)"
    if family == "date":
        return f"(CAST({y} AS TIMESTAMP) = TRY_CAST({x} AS TIMESTAMP))"
    if family == "timestamp":
        return f"({y} IS NOT NULL AND NOT regexp_matches({bare}, '\\.[0-9]{{6}}[0-9]*[1-9]|([Zz]|[0-9][+-][0-9:]+)$'))"
    if family in ("time", "timestamptz"):
        return f"({y} IS NOT NULL AND NOT regexp_matches({bare}, '\\.[0-9]{{6}}[0-9]*[1-9]'))"
    return f"{y} IS NOT NULL"


def _outgoing(x: str, source: Type, target: Type) -> str:
    if target.family == "json" and source.family not in _TEXTS:
        return f"CAST(to_json({x}) AS VARCHAR)"
    value = f"CAST({x} AS {target})"
    if target.family in ("uuid", "json"):
        return f"CAST({value} AS VARCHAR)"
    if target.name in _NO_ARROW and source.family == "text":
        return f"CAST({value} AS VARCHAR)"
    return f"CAST({value} AS DECIMAL(38,0))" if target.name in ("HUGEINT", "UHUGEINT") else value
