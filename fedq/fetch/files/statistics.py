"""What files tell of themselves without being read: Parquet's footers, and the size of a text file.

orders.parquet   5 row groups: day from … to …, 0 NULLs, 2400 different values in the fullest
orders.csv       800 MB at about 60 bytes a row: 13 million rows, more or less
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from fedq.catalog.schema import Column, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.fetch.duckdb.engine import text
from fedq.fetch.files.layout import FileTable, literal_glob
from fedq.fetch.statistics import value_of

#: files whose footers are read
_MOST_FILES = 32
#: what compression makes of text
_COMPRESSED = 5
_FOOTERS = """
SELECT path_in_schema, num_values, stats_min_value, stats_max_value, stats_null_count, stats_distinct_count
FROM parquet_metadata([{files}])
"""


def statistics(cursor: duckdb.DuckDBPyConnection, table: FileTable, schema: TableSchema) -> TableStatistics:
    """The statistics of one table. Raises: duckdb.Error, OSError."""
    if table.format != "parquet":
        return TableStatistics(schema.rows if schema.rows is not None else _rows_by_size(table, schema))
    files = ", ".join(text(literal_glob(file)) for file in table.files[:_MOST_FILES])
    groups = cursor.execute(_FOOTERS.format(files=files)).fetchall()
    columns = {column.physical: column for column in schema.columns}
    seen: dict[str, _Seen] = {}
    for name, *facts in groups:
        if name in columns:
            seen.setdefault(name, _Seen(columns[name])).add(*facts)
    is_whole = len(table.files) <= _MOST_FILES
    return TableStatistics(schema.rows, _columns(seen, is_whole=is_whole))


def _rows_by_size(table: FileTable, schema: TableSchema) -> float:
    plain = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
    octets = sum(
        Path(file).stat().st_size * (1 if file.lower().endswith(plain) else _COMPRESSED) for file in table.files
    )
    width = sum(column.type.width + 1 for column in schema.columns)
    if table.format == "json":
        width += sum(len(column.name) + 5 for column in schema.columns)
    return round(octets / max(1, width))


@dataclass(slots=True)
class _Seen:
    """One column in the row groups so far."""

    column: Column
    lows: list[Any] = field(default_factory=list)
    highs: list[Any] = field(default_factory=list)
    values: float = 0
    nulls: float | None = 0
    distinct: float | None = 0

    def add(self, values: int, low: object, high: object, nulls: int | None, distinct: int | None) -> None:
        """Another row group."""
        self.values += values
        self.lows.append(value_of(low, self.column.type))
        self.highs.append(value_of(high, self.column.type))
        self.nulls = None if nulls is None or self.nulls is None else self.nulls + nulls
        # the same values may be in every group, or others: the truth lies between the fullest group and their sum
        self.distinct = None if distinct is None or self.distinct is None else max(self.distinct, distinct)


def _columns(seen: Mapping[str, _Seen], *, is_whole: bool) -> dict[str, ColumnStatistics]:
    found = {}
    for name, column in seen.items():
        is_text = column.column.type.family == "text"  # which Parquet may have cut
        found[name] = ColumnStatistics(
            distinct=column.distinct or None,
            null_share=column.nulls / column.values if column.nulls is not None and column.values else None,
            low=_all(column.lows, min) if is_whole and not is_text else None,
            high=_all(column.highs, max) if is_whole and not is_text else None,
        )
    return found


def _all(values: Sequence[Any], choose: Any) -> Any:
    """The smallest or largest, where every row group tells."""
    return choose(values) if values and None not in values else None
