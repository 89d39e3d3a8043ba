"""Reads Parquet, CSV and JSON files: a file, a glob or a folder is a database, and its files' stems are its tables.

    lake/orders.csv  → CREATE VIEW "orders" AS SELECT CAST("id" AS BIGINT) AS "id", … FROM read_csv('…', …)

A view per table lives in a private DuckDB that may read that folder only. What a table is made of is looked up at every
query (a listing and one `stat` per file); types are found anew when a file has changed. Files have no snapshots, so one
that changes between being described and being read to its end is an error, never a mixture.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from fedq.catalog.model import Database
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import AmbiguousTable, ConnectionFailed, DatabaseError
from fedq.fetch.duckdb.engine import DuckDBSession, Engine, error_facts, explained
from fedq.fetch.files.layout import FileTable, base_of, is_glob, tables_of
from fedq.fetch.files.statistics import statistics
from fedq.fetch.files.views import NoTable, view_of
from fedq.fetch.source import Select
from fedq.types import parse_type

#: "a quoted name" or a bare one
_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d]\w*)')
#: seconds in which a file may be written twice without its time of change telling
_YOUNG = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A table as it was when it was last described."""

    table: FileTable
    stamp: tuple[object, ...]
    schema: TableSchema
    is_certain: bool
    """Whether a later write would show in the stamp."""


class FilesSource:
    """The files that a path, a glob or a folder names."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self._url, self._policy = database.url, database.on_unrepresentable
        self._engine = Engine(folders=(base_of(database.url),))
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table; names are the files' stems."""
        return [PhysicalTable(None, name) for name in dict.fromkeys(table.name for table in self._tables())]

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as its files are now, None where there are none."""
        found = self._tables()
        return [self._described(found, table) for table in tables]

    def _tables(self) -> list[FileTable]:
        tables = tables_of(self._url)
        if not tables and not is_glob(self._url) and not Path(self._url).exists():
            message = f"database {self.name!r}: there is no file or folder {self._url}"
            hint = "Check the path in the catalog; relative paths are relative to the catalog's folder."
            raise ConnectionFailed(message, hint=hint, database=self.name, path=self._url)
        return tables

    def _described(self, found: Sequence[FileTable], wanted: PhysicalTable) -> TableSchema | None:
        if wanted.schema not in (None, "main"):
            return None
        same = [table for table in found if table.name == wanted.name]
        same = same or [table for table in found if table.name.lower() == wanted.name.lower()]
        if len(same) > 1:
            files = " and ".join(table.files[0] for table in same[:3])
            message = f"database {self.name!r}: more than one file is table {wanted.name!r}: {files}"
            raise AmbiguousTable(message, hint="Rename one, or make each a database of its own.", database=self.name)
        return self._now(same[0]).schema if same else None

    def _now(self, table: FileTable) -> _Known:
        """What is known of a table's files as they are now; looked into again when they have changed."""
        with self._lock:
            known, stamp = self._known.get(table.name), table.stamp
            if known is None or not known.is_certain or known.stamp != stamp:
                known = self._looked_into(table, stamp)
                self._known[table.name] = known
            return known

    def _looked_into(self, table: FileTable, stamp: tuple[object, ...]) -> _Known:
        is_certain = all(
            time.time() - Path(file).stat().st_mtime > _YOUNG for file in table.files if Path(file).exists()
        )
        cursor = self._engine.cursor()
        try:
            view = view_of(cursor, table)
            name = DUCKDB.quote(table.name)
            cursor.execute(f"CREATE OR REPLACE VIEW {name} AS {view.sql}")
            described = cursor.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()
        except NoTable as error:
            raise DatabaseError(f"database {self.name!r}: {error}", hint=error.hint, database=self.name) from None
        except duckdb.Error as error:
            kind, said = error_facts(error)
            said = said if any(file in said for file in table.files) else f"{table.files[0]}: {said}"
            raise explained(self.name, kind, said, None) from error
        finally:
            cursor.close()
        columns = [Column(name, parse_type(type_), name, type_, policy=self._policy) for name, type_, *_ in described]
        schema = TableSchema(PhysicalTable(None, table.name), tuple(columns), rows=view.rows)
        return _Known(table, stamp, schema, is_certain)

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What the files' footers and sizes tell; None of a table that is not known any more."""
        cursor = self._engine.cursor()
        try:
            known = [self._known.get(schema.table.name) for schema in tables]
            return [
                statistics(cursor, found.table, schema) if found is not None else None
                for schema, found in zip(tables, known, strict=True)
            ]
        except duckdb.Error as error:
            raise explained(self.name, *error_facts(error), None) from error
        finally:
            cursor.close()

    def open(self, timeout: float | None = None) -> FilesSession:
        """A session over the files."""
        return FilesSession(self, self._engine.cursor(), timeout)

    def named_in(self, sql: str) -> Mapping[FileTable, tuple[object, ...]]:
        """The tables that a statement may name, with the stamps of when they were described."""
        words = _words(sql)
        return {known.table: known.stamp for name, known in self._known.items() if name.lower() in words}

    def look_into(self, sql: str) -> DatabaseError | None:
        """Make the views of all tables that a statement of the user's may name; the first that cannot be read."""
        words = _words(sql)
        failed = None
        for table in self._tables():
            if table.name.lower() in words:
                try:
                    self._now(table)
                except DatabaseError as error:  # perhaps only an alias has this name
                    failed = failed or error
        return failed

    def close(self) -> None:
        """Stop the instance."""
        self._engine.close()


def _words(sql: str) -> set[str]:
    """Everything in a statement that may be a name, in lower case.

    >>> sorted(_words('SELECT a FROM "Or""ders"'))
    ['a', 'from', 'or"ders', 'select']
    """
    return {(quoted.replace('""', '"') if quoted else bare).lower() for quoted, bare in _WORD.findall(sql)}


class FilesSession(DuckDBSession):
    """A session that notices when a file changes under it."""

    def __init__(self, source: FilesSource, cursor: duckdb.DuckDBPyConnection, timeout: float | None) -> None:
        super().__init__(source.name, cursor, timeout=timeout, done=lambda: None)
        self._source = source

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows. Raises: DatabaseError when a file changed since it was described."""
        tables = self._source.named_in(select.tail)
        self._check(tables)
        yield from super().read(select)
        self._check(tables)

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one SELECT over the tables."""
        failed = self._source.look_into(sql)
        tables = self._source.named_in(sql)
        try:
            yield from super().native(sql)
        except DatabaseError as error:
            raise failed or error from error.__cause__
        self._check(tables)

    def _check(self, tables: Mapping[FileTable, tuple[object, ...]]) -> None:
        for table, stamp in tables.items():
            if table.stamp != stamp:
                changed = next(new for new, old in zip(table.stamp, stamp, strict=True) if new != old)
                file = changed[0] if isinstance(changed, tuple) else table.name
                message = f"database {self._source.name!r}, table {table.name!r}: {file} changed while it was read"
                raise DatabaseError(message, hint="Run the query again.", database=self._source.name, path=file)
