"""Writes DuckDB files: the file is attached for writing while a transaction lasts, rows are appended from Arrow.

While it is attached nobody else has the file, so a transaction sees and changes what no other can touch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import NotAllowed, ReadOnlyError
from fedq.fetch.duckdb.engine import DuckDBSession, Engine, error_facts, explained, refused_file, text
from fedq.fetch.duckdb.schema import Tables
from fedq.fetch.duckdb.source import DuckDBSource
from fedq.fetch.source import Session, Source
from fedq.fetch.writer import Begin, Conflict, OnePhase, Position, columns_of, to_change

Answer = TypeVar("Answer")
_ATTACHED, _INCOMING = "fedq_target", "fedq_incoming"
#: the files DuckDB keeps beside the one: its log, and what it makes while it writes the log into the file
_ENDINGS = ("", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp")
_RUN = (
    duckdb.StatementType.INSERT, duckdb.StatementType.UPDATE, duckdb.StatementType.DELETE,
    duckdb.StatementType.CREATE, duckdb.StatementType.DROP, duckdb.StatementType.ALTER,
)  # fmt: skip


class DuckDBWriter(OnePhase):
    """One transaction on a DuckDB file."""

    def __init__(self, source: DuckDBSource) -> None:
        self.name, self._source = source.name, source
        self._path: Path = source.path
        self._engine = Engine(paths=[Path(f"{self._path}{end}") for end in _ENDINGS])
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def begin(self, begin: Begin) -> None:
        """Attach the file and start. Raises: ConnectionFailed where somebody else has it."""
        cursor = self._engine.cursor()
        mode = ", READ_ONLY" if begin.is_read_only else ""
        try:
            if not self._path.exists():
                raise duckdb.IOException("there is no such file")
            cursor.execute(f"ATTACH {text(str(self._path))} AS {_ATTACHED} (TYPE duckdb{mode})")
        except duckdb.Error as error:
            cursor.close()
            raise refused_file(self.name, self._path, error) from error
        self._cursor = cursor
        cursor.execute(f"USE {_ATTACHED}")
        cursor.execute("BEGIN TRANSACTION")

    @property
    def source(self) -> Source:
        """The file within the transaction."""
        return _InTransaction(self)

    @property
    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The connection that has the transaction."""
        assert self._cursor is not None
        return self._cursor

    def tables(self) -> Tables:
        """What there is, within the transaction."""
        return Tables(self.cursor, _ATTACHED, self._source.schemas, self._source.policy)

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows."""
        chosen = ", ".join(_incoming(column) for column in columns_of(schema, data))
        return self._with(data, f"INSERT INTO {_table(schema)} ({_names(data)}) SELECT {chosen} FROM {_INCOMING}")

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Change the rows whose key is there, append the others."""
        match, rest, rows = _match(schema, key), to_change(key, data, changed), 0
        if rest:
            columns = {column.physical: column for column in columns_of(schema, data)}
            sets = ", ".join(f"{DUCKDB.quote(name)} = {_incoming(columns[name])}" for name in rest)
            rows = self._with(data, f"UPDATE {_table(schema)} AS t SET {sets} FROM {_INCOMING} WHERE {match}")
        chosen = ", ".join(_incoming(column) for column in columns_of(schema, data))
        return rows + self._with(
            data,
            f"INSERT INTO {_table(schema)} ({_names(data)}) SELECT {chosen} FROM {_INCOMING} "
            f"WHERE NOT EXISTS (SELECT 1 FROM {_table(schema)} AS t WHERE {match})",
        )

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """Change the rows of these keys."""
        names = [f"fedq value {name}" for name in values.column_names]
        data = keys
        for name, column in zip(names, values.columns, strict=True):
            data = data.append_column(name, column)
        sets = ", ".join(
            f"{DUCKDB.quote(column.physical)} = {_incoming(column, name)}"
            for column, name in zip(columns_of(schema, values), names, strict=True)
        )
        match = _match(schema, keys.column_names)
        return self._with(data, f"UPDATE {_table(schema)} AS t SET {sets} FROM {_INCOMING} WHERE {match}")

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """Delete the rows of these keys."""
        match = _match(schema, keys.column_names)
        return self._with(keys, f"DELETE FROM {_table(schema)} AS t USING {_INCOMING} WHERE {match}")

    def clear(self, schema: TableSchema) -> int:
        """Delete all rows."""
        return self._count(f"DELETE FROM {_table(schema)}")

    def run(self, sql: str) -> int:
        """One statement. Raises: NotAllowed for what reaches past the file."""
        statements = self._guarded(lambda: self.cursor.extract_statements(sql), sql)
        if len(statements) != 1 or statements[0].type not in _RUN:
            hint = "One INSERT, UPDATE, DELETE, CREATE, DROP or ALTER."
            raise NotAllowed(f"database {self.name!r}: this is not a statement that may be sent", hint=hint)
        is_counted = statements[0].type in _RUN[:3]
        rows = self._count(sql)
        return rows if is_counted else -1

    def _with(self, data: pa.Table, sql: str) -> int:
        self.cursor.register(_INCOMING, data)
        rows = self._count(sql)
        self.cursor.unregister(_INCOMING)  # not after a failure: an aborted transaction takes nothing, and is undone
        return rows

    def _count(self, sql: str) -> int:
        def _count() -> int:
            rows = self.cursor.execute(sql).fetchall()
            return int(rows[0][0]) if rows and len(rows[0]) == 1 and isinstance(rows[0][0], int) else len(rows)

        return self._guarded(_count, sql)

    def _guarded(self, work: Callable[[], Answer], sql: str | None) -> Answer:
        try:
            return work()
        except duckdb.Error as error:
            kind, said = error_facts(error)
            if kind in ("TransactionContext", "Transaction"):
                raise Conflict(f"database {self.name!r}: DuckDB says: {said}", database=self.name) from error
            if "read-only mode" in said and kind == "InvalidInput":
                message = f"database {self.name!r} is read-only; the session refused to write"
                raise ReadOnlyError(message, hint="Write elsewhere.", database=self.name) from error
            raise explained(self.name, kind, said, sql) from error

    def session(self) -> Session:
        """A reading session in this transaction."""
        return _Session(self.name, self.cursor, timeout=None, done=lambda: None)

    def interrupt(self) -> None:
        """Stop the statement that runs."""
        if (cursor := self._cursor) is not None:
            cursor.interrupt()

    def commit(self) -> Position | None:
        """Make it last."""
        self._guarded(lambda: self.cursor.execute("COMMIT"), None)
        self._detach()
        return None

    def rollback(self) -> bool:
        """Undo it."""
        if self._cursor is not None:
            try:
                self._cursor.execute("ROLLBACK")
            except duckdb.Error:  # it ended by itself
                pass
            self._detach()
        return True

    def _detach(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.execute("USE memory")
            cursor.execute(f"DETACH {_ATTACHED}")
            cursor.close()

    def close(self) -> None:
        """Free the file."""
        self.rollback()
        self._engine.close()


class _Session(DuckDBSession):
    """A session that leaves the writer's transaction open."""

    def close(self) -> None:
        """Read no more."""
        self._stopper.close()


class _InTransaction:
    """The file as a source, within the transaction."""

    def __init__(self, writer: DuckDBWriter) -> None:
        self.name, self._writer = writer.name, writer

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view."""
        return self._writer.tables().names()

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now."""
        found = self._writer.tables()
        schemas = [found.describe(table) for table in tables]
        self._writer.cursor.execute("SELECT 1").fetchall()  # ends a question of which only the first row was read
        return schemas

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """Nothing: the rows are here."""
        return [None] * len(tables)

    def open(self, timeout: float | None = None) -> Session:
        """A session within the transaction."""
        return self._writer.session()

    def close(self) -> None:
        """Nothing: the writer is closed by its transaction."""


def _table(schema: TableSchema) -> str:
    return f"{DUCKDB.quote(schema.table.schema or 'main')}.{DUCKDB.quote(schema.table.name)}"


def _names(data: pa.Table) -> str:
    return ", ".join(map(DUCKDB.quote, data.column_names))


def _incoming(column: Column, name: str | None = None) -> str:
    """A column of the incoming rows as the column's own type; an explicit cast, for text is a UUID only when told."""
    value = f"{_INCOMING}.{DUCKDB.quote(name or column.physical)}"
    return f"CAST({value} AS {column.native or column.type})"


def _match(schema: TableSchema, key: Sequence[str]) -> str:
    columns = {column.physical: column for column in schema.columns}
    return " AND ".join(f"t.{DUCKDB.quote(name)} IS NOT DISTINCT FROM {_incoming(columns[name])}" for name in key)
