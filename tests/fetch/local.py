"""What the tests of sources share: whole tables read through a source, without a planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.dialects.base import Dialect
from fedq.dialects.duckdb import DUCKDB
from fedq.fetch.source import Output, Select, Source
from fedq.types import Type


def described(source: Source, name: str, schema: str | None = None) -> TableSchema:
    """A table that must be there."""
    (found,) = source.describe([PhysicalTable(schema, name)])
    assert found is not None, f"no table {name}"
    return found


def types(source: Source, name: str, schema: str | None = None) -> dict[str, str]:
    """Column name → type."""
    return {column.name: str(column.type) for column in described(source, name, schema).columns}


def select_of(
    schema: TableSchema, dialect: Dialect, names: Sequence[str] = (), tail: str = "", **changes: dict[str, Any]
) -> Select:
    """All or some columns of a table; `changes` are what the catalog says of a column, such as its policy."""
    columns = [replace(column, **changes.get(column.name, {})) for column in schema.columns]
    chosen = [column for column in columns if not names or column.name in names]
    outputs = [
        Output(
            dialect.quote(column.physical),
            column.name,
            Type("VARCHAR") if column.policy == "text" else column.type,
            column,
        )
        for column in chosen
    ]
    table = dialect.table(schema.table.schema, schema.table.name)
    return Select(tuple(outputs), f"FROM {table} {tail}".strip())


def read(source: Source, select: Select) -> pa.Table:
    """The rows of a statement as one table."""
    session = source.open(30)
    try:
        return pa.Table.from_batches(list(session.read(select)))
    finally:
        session.close()


def rows(
    source: Source, name: str, dialect: Dialect = DUCKDB, tail: str = "", **changes: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """A whole table as Python tuples."""
    return tuples(read(source, select_of(described(source, name), dialect, (), tail, **changes)))


def tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows of an Arrow table."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def native(source: Source, sql: str) -> pa.Table:
    """The rows of a statement in the database's own dialect."""
    session = source.open(30)
    try:
        return pa.Table.from_batches(list(session.native(sql)))
    finally:
        session.close()
