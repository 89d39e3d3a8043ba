"""What a DuckDB file knows of its tables: the ends and the approximate number of values that every column keeps.

    SELECT stats(day) FROM orders LIMIT 1   →   {'min': 1992-01-01, 'max': 1998-08-02, 'approx_unique': 2406, …}

`stats` is answered from what is kept of the table, not by reading it; SUMMARIZE would read it.
"""

from __future__ import annotations

from typing import Any

import duckdb

from fedq.catalog.schema import Column, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.dialects.duckdb import DUCKDB
from fedq.fetch.statistics import value_of


def statistics(cursor: duckdb.DuckDBPyConnection, schema: TableSchema) -> TableStatistics | None:
    """The statistics of one table; None of a view, which would have to be run. Raises: duckdb.Error."""
    if schema.is_view or not schema.columns:
        return None
    asked = ", ".join(f"stats({DUCKDB.quote(column.physical)})" for column in schema.columns)
    row = cursor.execute(
        f"SELECT {asked} FROM {DUCKDB.table(schema.table.schema, schema.table.name)} LIMIT 1"
    ).fetchone()
    if row is None:  # an empty table
        return TableStatistics(schema.rows)
    known = zip(schema.columns, row, strict=True)
    return TableStatistics(
        schema.rows, {column.physical: _column(column, said) for column, said in known if isinstance(said, dict)}
    )


def _column(column: Column, said: dict[str, Any]) -> ColumnStatistics:
    count, is_text = said.get("approx_unique"), column.type.family == "text"  # a text's ends are cut after eight bytes
    return ColumnStatistics(
        distinct=float(count) if count else None,
        null_share=0.0 if said.get("has_null") is False else 1.0 if said.get("has_no_null") is False else None,
        low=None if is_text else value_of(said.get("min"), column.type),
        high=None if is_text else value_of(said.get("max"), column.type),
    )
