"""One session of PostgreSQL: a read-only transaction with one snapshot, its reads, and how it ends.

BEGIN, the settings and the first COPY travel together, so that a small query costs one round trip. A savepoint in front
of the reads lets the snapshot outlive a read that failed or was left half way.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Coroutine, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import pyarrow as pa

from fedq.errors import ConnectionLost, FedqError, QueryCancelled, ValueNotRepresentable
from fedq.fetch.arrow import schema_of
from fedq.fetch.failures import timed_out
from fedq.fetch.postgres import offender as offenders
from fedq.fetch.postgres import parts, statements
from fedq.fetch.postgres.connection import CopyStream, PostgresConnection
from fedq.fetch.postgres.copytext import BadValue, CopyReader, WireColumn
from fedq.fetch.postgres.errors import DRIVER_ERRORS, read_error, without_frames
from fedq.fetch.postgres.standing import INSTANCE
from fedq.fetch.source import Output, Select
from fedq.undo import unless_done

if TYPE_CHECKING:
    from fedq.fetch.postgres.source import PostgresSource

T = TypeVar("T")

#: the server stops the statement first, and says so; this is for one that does not answer any more
_GRACE_SECONDS = 1.0
_KEY_SECONDS = _ENTER_SECONDS = 2.0
#: the version of PostgreSQL that can look whether its client is still there
_CAN_WATCH = 14


class PostgresSession:
    """One query's connection. Used by one thread at a time, except `cancel`."""

    position: str | None = None
    most_bytes: int | None = None
    snapshot_at: float | None = None

    def __init__(
        self,
        source: PostgresSource,
        connection: PostgresConnection,
        timeout: float | None,
        *,
        snapshot: str | None = None,
    ) -> None:
        self._source, self._connection, self._timeout = source, connection, timeout
        is_watched = connection.is_pooled and connection.version >= _CAN_WATCH
        self._begin = self._unsent = statements.begin(
            timeout, source.search_path, is_watched=is_watched, snapshot=snapshot
        )
        self._twins: list[PostgresSession] = []
        self._lock = threading.Lock()
        self._work: Future[Any] | None = None
        self._has_begun = self._has_snapshot = self._is_spoiled = False
        self._ending = statements.ROLLBACK
        self._is_cancelled = self._is_closed = False
        self._received = 0

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return self._received + sum(twin.received for twin in self._twins)

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows; at least one batch."""
        try:
            if twins := self._twins_for(select):
                yield from self._side_by_side(select, twins)
            else:
                yield from self._batches(select.sql, select.outputs)
        except BadValue as bad:
            raise self._not_representable(select, bad) from None

    def _side_by_side(self, select: Select, twins: Sequence[PostgresSession]) -> Iterator[pa.RecordBatch]:
        """The rows of the parts, one of them on this session's own connection."""
        sessions = [self, *twins]
        readers = [
            partial(session._batches, select.with_tail(tail), select.outputs)
            for session, tail in zip(sessions, select.parts, strict=True)
        ]
        try:
            stops = [session.interrupt for session in sessions]
            yield from parts.side_by_side(readers, stops, keeps_order=select.keeps_order)
        finally:
            self._close_twins()

    def _twins_for(self, select: Select) -> list[PostgresSession]:
        """Sessions on this one's snapshot, one for each part but the first; none where the whole is to be read."""
        if not select.parts or self._connection.version < parts.FIRST_VERSION or self._connection.is_pooled:
            return []  # a pooler may lead a twin to another server, or let it wait for this session's end
        if self._source.asks_somebody:
            return []
        if not parts.can_be_explained(select.sql) or not self._source.has_spare(len(select.parts) - 1):
            return []
        shared = self._call(self._shared(select.sql))
        if shared is None:
            return []
        with unless_done(self._close_twins):
            others = [select.with_tail(tail) for tail in select.parts[1:]]
            self._twins = self._source.twins(shared, self._timeout, others)
            if self._is_cancelled:  # while they were not known yet
                raise QueryCancelled
        return self._twins

    def _close_twins(self) -> None:
        twins, self._twins = self._twins, []
        for twin in twins:
            twin.close()
            self._received += twin.received

    async def _shared(self, statement: str) -> parts.Shared | None:
        """The snapshot, given away; None where the statement is better read whole, or the user may not.

        One coroutine, for each return to the reading thread may wait until another one gives Python back.
        """
        await self._enter()
        [row] = await self._connection.fetch_once(statements.EXPLAIN + statement)
        self._has_snapshot = True
        if not parts.is_scan(str(row[0])):
            return None
        if self._source.may_export is None:
            [row] = await self._connection.fetch(statements.MAY_EXPORT)
            self._source.may_export = bool(row[0])
        if not self._source.may_export:
            return None
        name, instance = await self._copied(statements.EXPORT)
        self._unsent = statements.SAVEPOINT
        return parts.Shared(str(name), str(instance))

    def interrupt(self) -> None:
        """Free whoever reads; the session can be used on."""
        with self._lock:
            work = self._work
        if work is not None:
            work.cancel()

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one statement of the user's, which PostgreSQL itself holds to reading."""
        text, is_copied = statements.user_statement(sql)
        self._ending = statements.ROLLBACK_AND_UNLOCK
        # taken apart as it is sent: the server says that it is one statement, so its brackets close within it
        outputs = self._call(self._native_outputs(text))
        if not is_copied:
            yield self._fetched(text, outputs)
            return
        try:
            yield from self._batches(text, outputs)
        except BadValue as bad:
            output = outputs[bad.index]
            raise offenders.not_representable(self._source.name, output, (bad.text, bad.reason)) from None

    def cancel(self) -> None:
        """Free the reader now; the server is told in the background."""
        with self._lock:
            self._is_cancelled = True
        self.interrupt()
        for twin in self._twins:
            twin.cancel()

    def close(self) -> None:
        """End the transaction and give the connection back."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed, work = True, self._work
        if work is not None and (work.cancel() or work.cancelled()):
            self._connection.thread.start(self._settle())
            return
        if self._has_begun:
            self._connection.rollback(self._ending)
        self._source.give(self._connection, is_usable=True)

    def __del__(self) -> None:
        if not getattr(self, "_is_closed", True):
            self.close()

    async def _settle(self) -> None:
        is_usable = await self._connection.settle(self._ending)
        self._source.give(self._connection, is_usable=is_usable)

    def _batches(self, sql: str, outputs: Sequence[Output]) -> Iterator[pa.RecordBatch]:
        copy = statements.copy(outputs, sql, self._connection.encoding)
        schema = schema_of(outputs)
        reader, is_empty = CopyReader([_wire_column(output) for output in outputs], schema), True
        with closing(self._blocks(copy)) as blocks:
            for block in blocks:
                for batch in reader.batches(block):
                    is_empty = False
                    yield batch
        if is_empty:
            yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)

    def _blocks(self, copy: str) -> Generator[bytes, None, None]:
        started = self._start()
        stream = CopyStream(self._connection, lambda: self._statement(copy))
        self._watch(stream.future)
        try:
            for block in stream.blocks(lambda: self._patience(started)):
                self._has_snapshot = True
                self._received += len(block)
                yield block
            self._has_snapshot = True
        except (CancelledError, *DRIVER_ERRORS, queue.Empty) as error:
            raise self._failure(error, started) from without_frames(error)
        finally:
            self._end(stream.future)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the connection and wait for it, as cancellable as a read."""
        started = self._start(work)
        future = self._connection.thread.submit(work)
        self._watch(future)
        try:
            return future.result(self._patience(started))
        except (CancelledError, *DRIVER_ERRORS) as error:
            raise self._failure(error, started) from without_frames(error)
        finally:
            self._end(future)

    def _start(self, work: Coroutine[Any, Any, Any] | None = None) -> float:
        problem: BaseException | None = None
        if self._is_cancelled:
            problem = QueryCancelled()
        elif self._is_closed:
            problem = RuntimeError("the session is closed")
        elif self._work is not None and not self._work.done():
            problem = RuntimeError("a session reads one statement at a time")
        if problem is not None:
            if work is not None:
                work.close()
            raise problem
        return time.monotonic()

    def _watch(self, future: Future[Any]) -> None:
        with self._lock:
            self._work, is_cancelled = future, self._is_cancelled
        if is_cancelled:  # between the check and now
            future.cancel()

    def _end(self, future: Future[Any]) -> None:
        if future.cancel() or future.cancelled() or future.exception() is not None:
            self._is_spoiled = True

    def _patience(self, started: float) -> float | None:
        if self._timeout is None:
            return None
        return max(0.0, started + self._timeout + _GRACE_SECONDS - time.monotonic())

    def _failure(self, error: BaseException, started: float) -> BaseException:
        if self._is_cancelled or isinstance(error, CancelledError):
            return QueryCancelled()
        if self._timeout is not None and isinstance(error, (queue.Empty, TimeoutError)):
            return timed_out(self._source.name, self._timeout)
        return read_error(error, self._source.name, timeout=self._timeout, elapsed=time.monotonic() - started)

    async def _statement(self, sql: str) -> str:
        """`sql` behind what the transaction still needs."""
        if self._unsent:
            self._has_begun, unsent, self._unsent = True, self._unsent, ""
            return unsent + sql
        if not self._is_spoiled:
            return sql
        self._is_spoiled = False
        try:
            await self._connection.execute(statements.BACK_TO_SAVEPOINT)  # waits until what ran before has been stopped
        except asyncpg.NoActiveSQLTransactionError:  # a text that does not parse took the BEGIN in front of it along
            if self._has_snapshot:
                raise
            return self._begin + sql
        return sql

    async def _enter(self) -> None:
        if prefix := await self._statement(""):
            await self._connection.execute(prefix)

    async def _native_outputs(self, sql: str) -> list[Output]:
        await self._enter()
        return await self._source.native_outputs(self._connection, sql)

    def _fetched(self, sql: str, outputs: Sequence[Output]) -> pa.RecordBatch:
        rows = self._call(self._connection.fetch(sql))
        schema = pa.schema([pa.field(output.name, pa.string()) for output in outputs])
        columns = [pa.array([str(row[index]) for row in rows], pa.string()) for index in range(len(outputs))]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _not_representable(self, select: Select, bad: BadValue) -> ValueNotRepresentable:
        output = select.outputs[bad.index]
        offender = offenders.locate(select, output)
        key: dict[str, str] | None = None
        if offender is not None:
            names = self._source.key_of(offender.table)
            query = offenders.key_query(select, output, offender, names, bad.text)
            row = self._first_row(query) if query is not None else None
            key = dict(zip(names, row, strict=True)) if row is not None else None
        return offenders.not_representable(self._source.name, output, (bad.text, bad.reason), offender, key)

    def first_row(self, query: str, seconds: float) -> Sequence[Any]:
        """The first row of a small statement, asked within the transaction; the first one takes the snapshot."""

        async def _ask() -> Sequence[Any]:
            async with asyncio.timeout(seconds):  # a server that hangs may hang at BEGIN
                await self._enter()
                rows = await self._connection.fetch(query)
            self._has_snapshot = True
            return tuple(rows[0])

        return self._call(_ask())

    def copied_row(self, query: str, seconds: float) -> list[str | None]:
        """The same as texts, and in one message with what begins the transaction."""

        async def _ask() -> list[str | None]:
            async with asyncio.timeout(seconds):
                return await self._copied(f"COPY ({query}) TO STDOUT")

        return self._call(_ask())

    async def _copied(self, copy: str) -> list[str | None]:
        """The one row of a COPY, as texts."""
        found = bytearray()

        async def _take(chunk: bytes) -> None:
            found.extend(chunk)

        sql = await self._statement(copy)
        await self._connection.copy(sql, _take, lambda: not self._is_cancelled)
        self._has_snapshot = True
        return [None if text == "\\N" else text for text in found.decode().rstrip("\n").split("\t")]

    def join_in(self, statement: str) -> str:
        """Begin the transaction with the locks that a statement needs; which run of which server answers.

        A lock that is not to be had at once is not waited for: before it may be somebody who waits for the session
        whose snapshot this is, and that one waits for this one, of which no server knows.
        """

        async def _begin() -> str:
            async with asyncio.timeout(_ENTER_SECONDS):
                await self._connection.execute(await self._statement(statements.lock(statement)))
                return str((await self._copied(f"COPY (SELECT {INSTANCE}) TO STDOUT"))[0])

        return self._call(_begin())

    def renew(self) -> None:
        """Take a new snapshot at the same server: one message ends the transaction and begins the next, so that a
        pooler has no moment to change it."""
        self._unsent, self._has_snapshot = f"COMMIT; {self._begin}", False

    def _first_row(self, query: str) -> Sequence[Any] | None:
        """The key, if it can be had cheaply: the error is worth more than its key."""

        async def _ask() -> Sequence[Any] | None:
            await self._enter()
            rows = await self._connection.fetch(query, timeout=_KEY_SECONDS)
            return tuple(rows[0]) if rows else None

        try:
            return self._call(_ask())
        except (FedqError, ConnectionLost):
            return None


def _wire_column(output: Output) -> WireColumn:
    column = output.column
    return WireColumn(output.type, column.native if column else None, column.policy if column else "error")
