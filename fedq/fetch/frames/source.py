"""DataFrames and Arrow tables as the tables of one database.

    {"people": <pandas.DataFrame>, "t": <polars.DataFrame>}  → tables people and t, read by a private DuckDB

Anything that hands out an Arrow stream (`__arrow_c_stream__`) is a table: pandas, polars, pyarrow, DuckDB relations,
fedq's own results. The stream is taken once and its Arrow data is kept, since some streams can only be read once. One
DuckDB serves all sources, since starting one takes as long as a small query; its tables are visible to one cursor only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

import duckdb
import pyarrow as pa

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import InvalidQuery, ParameterError
from fedq.fetch.duckdb.engine import DuckDBSession, Engine, error_facts
from fedq.fetch.frames.arrow import arrow_table
from fedq.types import parse_type

_ENGINE = Engine()


class FramesSource:
    """Tables in this process's memory."""

    def __init__(self, frames: Mapping[str, object], name: str = "frames") -> None:
        self.name = name
        self._frames = dict(frames)
        self._tables: dict[str, pa.Table] = {}
        self._schemas: dict[str, TableSchema] = {}
        self._lock = threading.Lock()

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every frame, by its name."""
        return [PhysicalTable(None, name) for name in self._frames]

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each frame, None where there is none; the exact name wins over one in another case.

        Raises: ParameterError for an object that is no table.
        """
        return [self._described(table) for table in tables]

    def _described(self, wanted: PhysicalTable) -> TableSchema | None:
        if wanted.schema not in (None, "main"):
            return None
        names = [name for name in self._frames if name == wanted.name]
        names = names or [name for name in self._frames if name.lower() == wanted.name.lower()]
        if not names:
            return None
        with self._lock:
            if names[0] not in self._schemas:
                self._schemas[names[0]] = self._schema(names[0])
            return self._schemas[names[0]]

    def _schema(self, name: str) -> TableSchema:
        table = self._tables[name] = arrow_table(name, self._frames[name])
        cursor = _ENGINE.cursor()
        try:
            cursor.register(name, table)
            described = cursor.execute(f"DESCRIBE SELECT * FROM {DUCKDB.quote(name)}").fetchall()
        except duckdb.Error as error:
            raise ParameterError(f"{name} cannot be read as a table: {error_facts(error)[1]}", table=name) from error
        finally:
            cursor.close()
        columns = tuple(Column(column, parse_type(type_), column, type_) for column, type_, *_ in described)
        return TableSchema(PhysicalTable(None, name), columns, rows=float(table.num_rows))

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """How many rows each frame has; of its values nothing is known before they are looked at."""
        return [TableStatistics(schema.rows) for schema in tables]

    def open(self, timeout: float | None = None) -> DuckDBSession:
        """A session over the frames; one that is no table is not there."""
        for name in self._frames:
            with suppress(ParameterError, InvalidQuery):
                self._described(PhysicalTable(None, name))
        cursor = _ENGINE.cursor()
        with self._lock:
            tables = dict(self._tables)
        for name, table in tables.items():
            cursor.register(name, table)
        return DuckDBSession(self.name, cursor, timeout=timeout, done=lambda: None)

    def close(self) -> None:
        """Let go of the data."""
        self._tables, self._schemas = {}, {}
