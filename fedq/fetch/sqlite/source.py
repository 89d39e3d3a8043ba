"""Reads SQLite files, through Python's own `sqlite3`.

    Select(outputs, tail) → one statement → blocks of row tuples → columns → Arrow record batches
                          ↘ the plain scan of a table: chunks.py, at half the cost

Not through DuckDB's scanner or ADBC: both bring a second copy of SQLite into the process, and when one copy closes a
file it drops the locks that the other holds on it (sqlite.org/howtocorrupt.html, 2.2.1). The scanner also reads whole
tables where an index would do, and stops at the first value of another type. What `sqlite3` costs instead is measured
by benchmarks/transports_sqlite.py.

A database is opened with `mode=ro`, so a missing file is an error and never created, and behind an authorizer that lets
only reading through. A session is one transaction whose first read has been done, so that its snapshot is fixed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.dialects.sqlite import SQLITE
from fedq.errors import DatabaseError, ValueNotRepresentable
from fedq.fetch.blocks import batches, inferred_batches
from fedq.fetch.pools import POOL_SIZE, Pool
from fedq.fetch.refusal import refused
from fedq.fetch.source import Output, Select
from fedq.fetch.sqlite.chunks import chunks_of
from fedq.fetch.sqlite.connection import Connection, Limit, explained, primary_code
from fedq.fetch.sqlite.schema import Reader, Table, rowid_name, type_of
from fedq.fetch.sqlite.statistics import statistics
from fedq.fetch.values import UndecodableText
from fedq.undo import unless_done

Answer = TypeVar("Answer")
#: seconds to wait for a lock
_BUSY_TIMEOUT = 5.0


class SQLiteSource:
    """One SQLite file."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self._policy = database.on_unrepresentable
        self.path = Path(database.url.removeprefix("sqlite:///"))
        self.busy_timeout = float(database.options.get("busy_timeout", _BUSY_TIMEOUT))
        size = int(database.options.get("max_connections", POOL_SIZE))
        self._pool: Pool[Connection] = Pool(self.name, connect=self._connect, close=Connection.close, size=size)
        self._lock = threading.Lock()
        self._version: object = None
        self._tables: dict[str, Table] = {}
        self._schemas: dict[str, TableSchema] = {}

    def _connect(self) -> Connection:
        return Connection(self.name, self.path, self.busy_timeout)

    def _take(self) -> Connection:
        """A connection to the file that is there now: a file that was replaced is another database."""
        connection = self._pool.take()
        while not connection.is_current:
            self._pool.give(connection, is_usable=False)
            connection = self._pool.take()
        return connection

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view, by name."""
        return self._ask(lambda reader: [PhysicalTable(None, table.name) for table in self._refreshed(reader).values()])

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now, None where there is none; SQLite's names are the same in any case."""
        return self._ask(lambda reader: [self._described(reader, table) for table in tables])

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What is known of the tables' values without reading them; None of views."""
        return self._ask(lambda reader: [statistics(reader.connection, schema) for schema in tables])

    def _ask(self, question: Callable[[Reader], Answer]) -> Answer:
        connection, is_usable = self._take(), False
        try:
            connection.begin(Limit())
            try:
                answer = question(Reader(connection.raw, self._policy, connection.identity))
            except sqlite3.Error as error:
                raise explained(error, self.name, self.path) from error
            finally:
                connection.end()
            is_usable = True
            return answer
        finally:
            self._pool.give(connection, is_usable=is_usable)

    def _refreshed(self, reader: Reader) -> Mapping[str, Table]:
        """The tables by lower-case name, read again when the schema has changed."""
        version = reader.version()
        with self._lock:
            if version != self._version:
                self._tables = {table.name.lower(): table for table in reader.tables()}
                self._schemas, self._version = {}, version
            return self._tables

    def _described(self, reader: Reader, wanted: PhysicalTable) -> TableSchema | None:
        table = self._refreshed(reader).get(wanted.name.lower())
        if table is None or (wanted.schema or "main").lower() != "main":
            return None
        schema = self._schemas.get(table.name)
        if schema is None or any(type_of(column.native) is None for column in schema.columns):
            schema = reader.describe(table)
        self._schemas[table.name] = schema = replace(schema, rows=reader.rows(table, schema))
        return replace(schema, table=PhysicalTable(wanted.schema, table.name))

    def open(self, timeout: float | None = None) -> SQLiteSession:
        """A session with a fresh snapshot."""
        connection, limit = self._take(), Limit(timeout)
        with unless_done(lambda: self._pool.give(connection, is_usable=False)):
            connection.begin(limit)
        return SQLiteSession(self, connection, limit)

    def known(self, name: str) -> TableSchema | None:
        """What was last found out about a table."""
        return self._schemas.get(name)

    def mentioned(self, tail: str) -> Iterator[TableSchema]:
        """The tables whose names stand in a statement, as far as they are known."""
        text = tail.lower()
        return (schema for name, schema in self._schemas.items() if SQLITE.quote(name).lower() in text)

    def give(self, connection: Connection, *, is_usable: bool) -> None:
        """Take a session's connection back."""
        self._pool.give(connection, is_usable=is_usable)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class SQLiteSession:
    """One transaction on one connection."""

    position: str | None = None
    most_bytes: int | None = None
    snapshot_at: float | None = None

    def __init__(self, source: SQLiteSource, connection: Connection, limit: Limit) -> None:
        self._source, self._connection, self._limit = source, connection, limit
        self._lock = threading.Lock()
        self._is_closed = False
        self.received = 0

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows as record batches of `schema_of(select.outputs)`."""

        def _report(output: Output, value: Any, reason: str) -> ValueNotRepresentable:
            table, key = self._locate(output, value, select.tail)
            return refused(self._source.name, output, value, reason, table=table, key=key)

        sql: str | None = select.sql
        if (chunks := chunks_of(self, select, _report)) is not None:
            yield from self._counted(chunks.batches())
            sql = chunks.rest
        if sql is not None:
            rows = _Rows(self, sql)
            yield from self._counted(batches(rows.fetch, select.outputs, _report), rows)

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in SQLite's own dialect; types are those of the first rows' values."""

        def _report(output: Output, value: Any, reason: str) -> ValueNotRepresentable:
            return refused(self._source.name, output, value, reason, is_native=True)

        rows = _Rows(self, sql)
        yield from self._counted(inferred_batches(rows.fetch, rows.names(), _report), rows)

    def _counted(self, found: Iterator[pa.RecordBatch], rows: _Rows | None = None) -> Iterator[pa.RecordBatch]:
        try:
            for batch in found:
                self.received += batch.nbytes
                yield batch
        finally:
            if rows is not None:
                rows.close()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement. Raises: FedqError, QueryCancelled."""
        return self.guarded(lambda: self._connection.raw.execute(sql, parameters), sql)

    def guarded(self, work: Callable[[], Answer], sql: str) -> Answer:
        """What `work` returns; a driver's error as fedq's own, and a stop where the session was stopped."""
        if self._limit.reached() or self._is_closed:
            raise self._limit.error(self._source.name)
        try:
            return work()
        except (sqlite3.Error, sqlite3.Warning) as error:
            if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
                raise self._limit.error(self._source.name) from error
            if _is_undecodable(error):
                raise
            raise explained(error, self._source.name, self._connection.path, sql=sql) from error

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection."""
        return self._connection.raw

    def known(self, table: str) -> TableSchema | None:
        """What was last found out about a table."""
        return self._source.known(table)

    def read_any_text(self) -> None:
        """From now on, text that is not UTF-8 arrives as `UndecodableText`."""
        self._connection.raw.text_factory = _tolerant

    def _locate(self, output: Output, value: Any, tail: str) -> tuple[str | None, dict[str, Any] | None]:
        """The table a bad value stands in, and the key of a row with it."""
        if output.column is None:
            return None, None
        physical = output.column.physical
        for schema in self._source.mentioned(tail):
            if not any(column.physical == physical for column in schema.columns):
                continue
            names = list(schema.key) or ([rowid] if (rowid := rowid_name(schema)) and not schema.is_view else [])
            column = SQLITE.quote(physical)
            if type(value) is UndecodableText:  # can only be compared as bytes
                test, parameter = f"CAST({column} AS BLOB) = ?1", value.raw
            else:
                test, parameter = f"{column} IS ?1 AND typeof({column}) = typeof(?1)", value
            shown = ", ".join(map(SQLITE.quote, names)) or "NULL"
            sql = f"SELECT {shown} FROM {SQLITE.quote(schema.table.name)} WHERE {test} LIMIT 1"
            row = self.execute(sql, (parameter,)).fetchone()
            if row is not None:
                return schema.table.name, dict(zip(names, row, strict=False)) if names else None
        return None, None

    def cancel(self) -> None:
        """Stop the running statement; from any thread, idempotent."""
        with self._lock:  # else the connection could be another session's by now
            self._limit.is_cancelled = True
            if not self._is_closed:
                self._connection.raw.interrupt()

    def close(self) -> None:
        """End the snapshot and give the connection back."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        is_usable = False
        try:
            self._connection.end()
            is_usable = True
        except sqlite3.Error as error:
            raise explained(error, self._source.name, self._connection.path) from error
        finally:
            self._source.give(self._connection, is_usable=is_usable)


class _Rows:
    """The rows of one statement, block by block.

    Text that is not UTF-8 makes `sqlite3` drop the block it is in. The statement is then run again in the same
    snapshot, with a slower reader of text, and the rows that were handed out already are passed over.
    """

    def __init__(self, session: SQLiteSession, sql: str) -> None:
        self._session, self._sql = session, sql
        self._cursor: sqlite3.Cursor | None = None
        self._taken = 0
        self._is_tolerant = False

    def names(self) -> list[str]:
        """The columns' names. Raises: DatabaseError when the statement has no rows."""
        self._cursor = self._session.execute(self._sql)
        if self._cursor.description is None:
            message = f"database {self._session._source.name!r}: the statement returns no rows"
            raise DatabaseError(message, hint="native= takes one SELECT.", statement=self._sql)
        return [str(column[0]) for column in self._cursor.description]

    def fetch(self, size: int) -> list[tuple[Any, ...]]:
        """Up to `size` more rows."""
        if self._cursor is None:
            self._cursor = self._session.execute(self._sql)
        try:
            rows = self._next(size)
        except sqlite3.OperationalError as error:
            if self._is_tolerant or not _is_undecodable(error):
                raise
            self._restart()
            rows = self._next(size)
        self._taken += len(rows)
        return rows

    def _next(self, size: int) -> list[tuple[Any, ...]]:
        cursor = self._cursor
        assert cursor is not None
        return self._session.guarded(lambda: cursor.fetchmany(size), self._sql)

    def _restart(self) -> None:
        self.close()
        self._is_tolerant = True
        self._session.read_any_text()
        self._cursor = self._session.execute(self._sql)
        passed = 0
        while passed < self._taken:
            passed += len(self._next(min(512, self._taken - passed)))

    def close(self) -> None:
        """Give the statement up."""
        if self._cursor is not None:
            self._cursor.close()


def _is_undecodable(error: BaseException) -> bool:
    """Text that is not UTF-8: the one OperationalError that `sqlite3` raises itself, without a code of SQLite's."""
    return type(error) is sqlite3.OperationalError and primary_code(error) is None


def _tolerant(raw: bytes) -> str | UndecodableText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return UndecodableText(raw)
