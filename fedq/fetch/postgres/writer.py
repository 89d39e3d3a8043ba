"""Writes to PostgreSQL: COPY for new rows, arrays of texts for rows by key, one REPEATABLE READ transaction.

    insert          COPY t (a, b) FROM STDIN
    update, delete  UPDATE t SET a = s.a FROM (SELECT u.c0::bigint … FROM unnest($1::text[], $2::text[]) u) s WHERE …

Under REPEATABLE READ a row that somebody else changed since it was read is an error (40001) and not a lost update. No
temporary tables: a transaction that touched one cannot be prepared for a two-phase commit.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import asyncpg
import pyarrow as pa

from fedq.catalog.schema import Column, TableSchema
from fedq.dialects.postgres import POSTGRES
from fedq.errors import (
    ConnectionLost,
    DatabaseError,
    FedqError,
    QueryCancelled,
    ReadOnlyError,
    ValueNotRepresentable,
)
from fedq.fetch import tabtext
from fedq.fetch.postgres import outgoing
from fedq.fetch.postgres.connection import PostgresConnection
from fedq.fetch.postgres.errors import DRIVER_ERRORS, read_error, without_frames
from fedq.fetch.postgres.session import PostgresSession
from fedq.fetch.postgres.source import PostgresSource
from fedq.fetch.postgres.statements import ROLLBACK, SETTINGS
from fedq.fetch.source import Session, Source
from fedq.fetch.writer import (
    UNDO_SECONDS,
    Begin,
    Change,
    Conflict,
    Position,
    WriterSource,
    check_upserted,
    columns_of,
    first_row,
    keyed,
    size_of_piece,
    slices,
    to_change,
    unfit,
)

T = TypeVar("T")
#: rows of one statement over arrays
_ROWS = 10_000
# a commit that does not wait for its own log has no position that a replica could be asked for
_DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; "
_POSITION = (
    "SELECT pg_current_wal_flush_lsn()::text, (SELECT system_identifier FROM pg_control_system())::text,"
    " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
)
#: no statement for a transaction: active_sql_transaction, invalid_transaction_termination
_NOT_WITHIN = ("25001", "2D000")
#: serialization_failure, deadlock_detected
_CONFLICTS = ("40001", "40P01")
_KNOWN = re.compile(
    r"(smallint|integer|bigint|numeric|boolean|text|character|uuid|date|time|timestamp|bytea|real|double)"
)


class PostgresWriter:
    """One connection that may write."""

    is_reusable = can_change = True

    def __init__(self, source: PostgresSource) -> None:
        self.name, self._plain = source.name, source
        self._connection: PostgresConnection | None = None
        self._work: Future[Any] | None = None
        self._was_stopped = False
        self._begin = Begin()
        self._is_prepared, self._is_position_known = False, True

    def begin(self, begin: Begin) -> None:
        """Start a transaction."""
        self._begin, self._is_prepared, self._is_position_known = begin, False, True
        if self._connection is None or self._connection.is_closed:
            self._connection = self._plain.connect()
        if begin.is_autocommit:
            if self._connection.is_pooled:  # each statement begins by itself: a setting would be another program's
                return
            if begin.is_read_only:
                self._call(lambda driver: driver.execute("SET default_transaction_read_only = on"))
            self._call(lambda driver: driver.execute(_DURABLE.replace("true", "false")))
            return
        schemas = self._plain.search_path
        path = f"SET LOCAL search_path = {', '.join(map(POSTGRES.quote, schemas))}; " if schemas else ""
        mode = " READ ONLY" if begin.is_read_only else ""
        settings = "".join(f"SET LOCAL {line}; " for line in SETTINGS)
        self._enter(f"BEGIN ISOLATION LEVEL REPEATABLE READ{mode}; {settings}{path}{_DURABLE}")

    def _enter(self, text: str) -> None:
        try:
            self._call(lambda driver: driver.execute(text))
        except ConnectionLost:  # it died while it was idle
            self._connection = self._plain.connect()
            self._call(lambda driver: driver.execute(text))

    @property
    def can_prepare(self) -> bool:
        """Whether the server was started with prepared transactions; it is not, unless it is told to."""
        rows = self._fetch("SELECT current_setting('max_prepared_transactions')::int")
        return bool(rows[0][0] > 0)

    @property
    def source(self) -> Source:
        """The database within the transaction."""
        return WriterSource(self._plain, self._session)

    def _session(self) -> Session:
        assert self._connection is not None
        self._call(lambda driver: driver.execute("SAVEPOINT fedq"))
        return _Session(self._plain, self._connection)

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows, by COPY."""
        self._check(schema, data)
        if schema.is_view:
            return self._staged(schema, data, lambda stage: f"{_insert_into(schema, data)} SELECT * FROM {stage}")
        plain = [outgoing.is_plain(field.type) for field in data.schema]
        pieces = tabtext.chunks(data, [outgoing.texts] * data.num_columns, is_plain=plain)
        status = self._call(
            lambda driver: driver.copy_to_table(
                schema.table.name, schema_name=schema.table.schema, columns=data.column_names, format="text",
                source=_stream(pieces),
            ),
            (schema, data),
        )  # fmt: skip
        return _count(status)

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Change the rows whose key is there, append the others."""
        self._check(schema, data)
        rest = to_change(key, data, changed)
        match, table = _match(schema, key, key), _table(schema)
        changed_rows = 0
        if rest:  # first, and not ON CONFLICT alone: that wants every NOT NULL column, also of rows that are there
            sets = ", ".join(f"{POSTGRES.quote(name)} = s.{POSTGRES.quote(name)}" for name in rest)
            update = f"UPDATE {table} AS t SET {sets} FROM"
            changed_rows = self._staged(schema, data, lambda stage: f"{update} {stage} WHERE {match}")
        # under REPEATABLE READ a row that somebody else appends meanwhile is then an error 40001: it is done again
        again = f"ON CONFLICT ({', '.join(map(POSTGRES.quote, key))}) DO NOTHING" if set(key) == set(schema.key) else ""
        appended = self._staged(
            schema, data,
            lambda stage: f"{_insert_into(schema, data)} SELECT * FROM {stage} "
            f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {match}) {again}",
        )  # fmt: skip
        if not rest:
            return appended
        check_upserted(schema, data, changed_rows + appended)
        return int(data.num_rows)

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """Change the rows of these keys."""
        self._check(schema, values)
        data, columns = keyed(schema, keys, values)
        sets = ", ".join(
            f"{POSTGRES.quote(name)} = s.{POSTGRES.quote(f'v{index}')}"
            for index, name in enumerate(values.column_names)
        )
        match = _match(schema, keys.column_names, data.column_names[: keys.num_columns])
        return self._staged(
            schema, data, lambda stage: f"UPDATE {_table(schema)} AS t SET {sets} FROM {stage} WHERE {match}", columns,
            size=size_of_piece(keys, values, _ROWS),
        )  # fmt: skip

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """Delete the rows of these keys."""
        match = _match(schema, keys.column_names, keys.column_names)
        return self._staged(
            schema, keys, lambda stage: f"DELETE FROM {_table(schema)} AS t USING {stage} WHERE {match}"
        )

    def change(self, schema: TableSchema, change: Change) -> int:
        """Change or delete rows that the database finds by itself."""
        stage = f"({change.stage}) AS s"
        match = _match(schema, change.keys, [f"k{index}" for index in range(len(change.keys))])
        if change.is_delete:
            sql = f"DELETE FROM {_table(schema)} AS t USING {stage} WHERE {match}"
            return _count(self._call(lambda driver: driver.execute(sql)))
        sets = [f"{POSTGRES.quote(name)} = s.v{index}" for index, name in enumerate(change.computed)]
        given: list[str | None] = []
        if (constants := change.constants) is not None:
            self._check(schema, constants)
            for column, values in zip(columns_of(schema, constants), constants.columns, strict=True):
                given.append(outgoing.texts(values.combine_chunks())[0].as_py())
                sets.append(f"{POSTGRES.quote(column.physical)} = ${len(given)}::text::{bare(column.native)}")
        sql = f"UPDATE {_table(schema)} AS t SET {', '.join(sets)} FROM {stage} WHERE {match}"
        place = (schema, constants) if constants is not None else None
        return _count(self._call(lambda driver: driver.execute(sql, *given), place))

    def clear(self, schema: TableSchema) -> int:
        """Delete all rows."""
        return _count(self._call(lambda driver: driver.execute(f"DELETE FROM {_table(schema)}")))

    def run(self, sql: str) -> int:
        """One statement; the extended protocol refuses two."""
        assert self._connection is not None
        if self._begin.is_autocommit and self._connection.is_pooled:
            return self._run_pooled(sql)
        return self._run(sql)

    def _run_pooled(self, sql: str) -> int:
        """A transaction for one statement, since a pooler may lead it elsewhere than its settings; without one where
        the statement will not have it."""
        is_read_only = self._begin.is_read_only
        self._enter(f"BEGIN{' READ ONLY' if is_read_only else ''}; {_DURABLE}")
        try:
            rows = self._run(sql)
            self._end()
            return rows
        except DatabaseError as error:
            self._call(lambda driver: driver.execute("ROLLBACK"))
            if is_read_only or error.facts.get("sqlstate") not in _NOT_WITHIN:
                raise
        self._is_position_known = False  # whether it waited for its log is not known
        return _count(self._call(lambda driver: driver.execute(sql)))  # one statement: it was prepared before

    def _run(self, sql: str) -> int:
        connection = self._connection
        assert connection is not None

        async def _ended(_: asyncpg.Connection) -> str:
            statement = await connection.prepared(sql)
            await statement.fetch()
            return str(statement.get_statusmsg())

        return _count(self._call(_ended))

    def _staged(
        self,
        schema: TableSchema,
        data: pa.Table,
        make: Callable[[str], str],
        columns: Sequence[Column] = (),
        size: int = _ROWS,
    ) -> int:
        """Run a statement over the rows as a derived table `s`, so many of them at a time."""
        columns = columns or columns_of(schema, data)
        chosen = ", ".join(
            f"u.c{index}::{bare(column.native)} AS {POSTGRES.quote(name)}"
            for index, (column, name) in enumerate(zip(columns, data.column_names, strict=True))
        )
        arrays = ", ".join(f"${index}::text[]" for index in range(1, data.num_columns + 1))
        names = ", ".join(f"c{index}" for index in range(data.num_columns))
        sql = make(f"(SELECT {chosen} FROM unnest({arrays}) AS u({names})) AS s")
        rows = 0
        for piece in slices(data.combine_chunks(), size):
            lists = [outgoing.texts(column.combine_chunks()).to_pylist() for column in piece.columns]
            rows += _count(self._call(lambda driver, lists=lists: driver.execute(sql, *lists), (schema, data)))  # type: ignore[misc]
        return rows

    def _check(self, schema: TableSchema, data: pa.Table) -> None:
        for column, array in zip(columns_of(schema, data), data.columns, strict=True):
            for mask, reason in outgoing.problems(array, column):
                if (row := first_row(mask)) is not None:
                    raise unfit(self.name, schema.table, column, row, array[row].as_py(), reason)

    def _call(
        self,
        work: Callable[[asyncpg.Connection], Awaitable[T]],
        place: tuple[TableSchema, pa.Table] | None = None,
        seconds: float | None = None,
    ) -> T:
        connection = self._connection
        assert connection is not None

        async def _done() -> T:
            return await work(await connection.ready())

        self._work = future = connection.thread.submit(_done())
        try:
            return future.result(seconds)
        except CancelledError:  # `interrupt`: the driver has told the server, and the next statement waits for that
            self._was_stopped = True
            raise QueryCancelled from None
        except DRIVER_ERRORS as error:
            raise self._explained(error, place) from without_frames(error)
        except BaseException:  # Ctrl-C: what the server does now is not known
            connection.abort()
            self._connection = None
            raise
        finally:
            future.cancel()

    def interrupt(self) -> None:
        """Stop the statement that runs."""
        if (work := self._work) is not None:
            work.cancel()

    def _explained(self, error: BaseException, place: tuple[TableSchema, pa.Table] | None) -> FedqError:
        state = getattr(error, "sqlstate", None) or ""
        found = read_error(error, self.name)
        if isinstance(found, ConnectionLost):
            found.hint = "What was not committed is undone; look whether the last commit arrived."
            return found
        detail = ". ".join(part for part in (getattr(error, "detail", None), getattr(error, "context", None)) if part)
        message = f"{found.message}{f'. {detail}' if detail else ''}"
        facts: dict[str, Any] = {
            "database": self.name,
            "sqlstate": state,
            "column": getattr(error, "column_name", None),
        }
        if state in _CONFLICTS:
            return Conflict(message, **facts)
        if state == "25006":
            hint = "The server or the role lets this connection only read: write to the primary, with a role that may."
            return ReadOnlyError(message, hint=hint, **facts)
        if state.startswith("22") and place is not None:
            return ValueNotRepresentable(message, hint="Convert the value first; nothing was written.", **facts)
        if state.startswith("23"):
            hint = "Nothing was written. mode='upsert' changes rows whose key is there."
            return DatabaseError(message, hint=hint if state == "23505" else "Nothing was written.", **facts)
        return found

    def prepare(self) -> None:
        """The first phase."""
        self._call(lambda driver: driver.execute(f"PREPARE TRANSACTION {POSTGRES.text(self._begin.gid or '')}"))
        self._is_prepared = True

    def commit(self) -> Position | None:
        """Make it last."""
        if self._is_prepared:
            self._call(lambda driver: driver.execute(f"COMMIT PREPARED {POSTGRES.text(self._begin.gid or '')}"))
        elif not self._begin.is_autocommit:
            self._end()
        return self._position() if self._is_position_known else None

    def _end(self) -> None:
        status = self._call(lambda driver: driver.execute("COMMIT"))
        if status == "ROLLBACK":
            message = f"database {self.name!r}: the transaction had failed before, so it was rolled back"
            raise DatabaseError(message, hint="Nothing was written.", database=self.name)

    def _position(self) -> Position | None:
        try:
            [row] = self._fetch(_POSITION)
        except FedqError:  # a role that may not know, or something that only speaks like PostgreSQL
            return None
        return Position("postgresql", row[1], int(row[2], 16), row[0])

    def rollback(self) -> bool:
        """Undo it; certain unless it was to be prepared and the server does not answer."""
        if self._connection is None or self._begin.is_autocommit:
            return self._begin.gid is None
        gid = POSTGRES.text(self._begin.gid or "")
        try:
            text = f"ROLLBACK PREPARED {gid}" if self._is_prepared else "ROLLBACK"
            self._call(lambda driver: driver.execute(text), seconds=UNDO_SECONDS)
        except (FedqError, QueryCancelled):
            self.close()
            return self._begin.gid is None
        return True

    def in_doubt(self) -> Sequence[str]:
        """The prepared transactions of this database."""
        sql = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        return [row[0] for row in self._fetch(sql)]

    def _fetch(self, sql: str) -> list[asyncpg.Record]:
        connection = self._connection
        assert connection is not None
        return self._call(lambda _: connection.fetch(sql))

    def resolve(self, gid: str, *, is_commit: bool) -> None:
        """Finish a prepared transaction."""
        verb = "COMMIT" if is_commit else "ROLLBACK"
        self._call(lambda driver: driver.execute(f"{verb} PREPARED {POSTGRES.text(gid)}"))

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._was_stopped:  # a connection that is cut forgets that the server was to be told
                connection.thread.call(connection.settle(ROLLBACK))
            self._plain.drop(connection)


class _Session(PostgresSession):
    """A session that leaves the writer's transaction open; it begins behind a savepoint of its own."""

    def __init__(self, source: PostgresSource, connection: PostgresConnection) -> None:
        super().__init__(source, connection, None)
        self._has_begun, self._has_snapshot, self._unsent = True, True, ""

    def close(self) -> None:
        """Read no more."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed, work = True, self._work
        if work is not None:
            work.cancel()


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def bare(native: str) -> str:
    """A declared type without its length: a cast to varchar(3) would cut, an assignment refuses.

    >>> bare("character varying(20)"), bare("character(5)"), bare("timestamp(3) with time zone")
    ('character varying', 'bpchar', 'timestamp with time zone')
    """
    found = re.sub(r"\(\d+(,\s*-?\d+)?\)", "", native)
    return re.sub(r"^(character|bit)(?=\[|$)", lambda word: {"character": "bpchar", "bit": "varbit"}[word[1]], found)


def _match(schema: TableSchema, key: Sequence[str], names: Sequence[str]) -> str:
    """The rows of `t` whose columns `key` are what `s` has under `names`."""
    is_key = set(schema.key) <= set(key) and bool(schema.key)
    columns = {column.physical: column for column in schema.columns}
    parts = []
    for physical, name in zip(key, names, strict=True):
        ours, theirs, column = f"t.{POSTGRES.quote(physical)}", f"s.{POSTGRES.quote(name)}", columns[physical]
        if not _KNOWN.match(column.native) or column.native.endswith("]"):
            ours, theirs = f"{ours}::text", f"{theirs}::text"
        if column.type.family == "text" and not is_key:
            ours = f'{ours} COLLATE "C"'
        if column.is_nullable and not is_key:  # as IS NOT DISTINCT FROM, by which nothing can be hashed
            ours, theirs = f"ARRAY[{ours}]", f"ARRAY[{theirs}]"
        parts.append(f"{ours} = {theirs}")
    return " AND ".join(parts)


def _table(schema: TableSchema) -> str:
    name = POSTGRES.quote(schema.table.name)
    return f"{POSTGRES.quote(schema.table.schema)}.{name}" if schema.table.schema else name


def _insert_into(schema: TableSchema, data: pa.Table) -> str:
    """The beginning of an INSERT that gives an identity the value it brings, as COPY does."""
    return f"INSERT INTO {_table(schema)} ({', '.join(map(POSTGRES.quote, data.column_names))}) OVERRIDING SYSTEM VALUE"


def _count(status: Any) -> int:
    """The rows of a status such as `UPDATE 5`; -1 where it has none."""
    last = str(status or "").rpartition(" ")[2]
    return int(last) if last.isdigit() else -1
