"""Plan → rows: what is pulled is counted, limited, recorded and stoppable; then the local engine answers.

Plan with one fetch that is the answer     its batches are the result
Plan with one fetch and local text         its batches go to the bench, the text runs there
Plan with several fetches                  `conduct` pulls them side by side into the bench, the text runs there
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fedq.bind.resolve import FRAMES
from fedq.errors import FedqError, PullTooLarge, QueryCancelled
from fedq.events import Finished, Joining, Listener, Received, Sent, Shipped
from fedq.fetch.arrow import type_of
from fedq.fetch.placed import PlacedSession, Served
from fedq.fetch.seats import Seats
from fedq.join.duckdb import Bench
from fedq.plan.nodes import Actual, Fetch, Plan
from fedq.result.sources import SourceRead
from fedq.run.conduct import Pulls, is_chunk
from fedq.run.keys import Condition, fitting
from fedq.types import VARCHAR, Type, is_text_in_answers

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.fetch.source import Session, Source

#: after so many bytes Arrow is asked for the memory that it keeps for itself
_MUCH = 64 << 20
#: as many times as estimated there may be rows
_WRONG = 10
#: bytes of a statement beside its keys and its plain text: what a source wraps around it
_ROOM = 4_096


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use."""

    rows: int | None = None
    """`max_pull` in rows, over all pulls."""
    bytes: int | None = None
    """`max_pull` in bytes, over all pulls."""
    timeout: float | None = None
    """Seconds."""
    result_rows: int | None = None
    """`limit=` of the call."""

    def is_near(self, fetch: Fetch) -> bool:
        """Whether a fetch may bring too much where groups come once from each of its parts."""
        rows = _WRONG * len(fetch.parts) * (fetch.rows if fetch.rows is not None else float("inf"))
        size = rows * sum(output.type.width for output in fetch.outputs)
        return (self.rows is not None and rows > self.rows) or (self.bytes is not None and size > self.bytes)

    def after(self, seconds: float) -> Limits:
        """What is left when so much of the time is gone."""
        return self if self.timeout is None else replace(self, timeout=max(0.001, self.timeout - seconds))


class Run:
    """One query being run. `cancel` may be called from any thread; everything else belongs to the conductor."""

    def __init__(
        self, find: Callable[[str], Source], bench: Bench, limits: Limits, listener: Listener, *, seats: Seats
    ) -> None:
        self._find, self._bench, self._limits, self._listener, self._seats = find, bench, limits, listener, seats
        self._sessions: list[Session] = []
        self._lock = threading.Lock()
        self.is_cancelled = threading.Event()
        self._rows = 0
        self._bytes = 0
        self.reads: dict[str, SourceRead] = {}
        self.actuals: dict[str, Actual] = {}
        self._first_reads: dict[Session, float] = {}
        self.arrivals: list[tuple[str, int, float]] = []
        """Per statement: its database, and the bytes and seconds from the first rows on. What was before them, the
        database had to do."""
        self.restarts: dict[str, int] = {}
        """How often a fetch was stopped and asked again with keys."""

    def cancel(self) -> None:
        """Stop everything, here and in the databases; returns at once."""
        self.is_cancelled.set()
        with self._lock:
            stops = [session.cancel for session in self._sessions]
        for stop in (*stops, self._bench.interrupt):
            threading.Thread(target=stop, daemon=True).start()

    def open(self, database: str) -> Session:
        """A session that `cancel` reaches."""
        self.check()
        session = self._find(database).open(self._limits.timeout)
        with self._lock:
            self._sessions.append(session)
        if self.is_cancelled.is_set():  # while it was opened: nobody else will close it
            self.release(session)
        self.check()
        return session

    def release(self, session: Session) -> None:
        """Close a session."""
        with self._lock:
            self._sessions.remove(session)
        session.close()

    def check(self) -> None:
        """Raises: QueryCancelled, once `cancel` was called."""
        if self.is_cancelled.is_set():
            raise QueryCancelled

    def answer(self, plan: Plan) -> tuple[pa.Table, list[Type]]:
        """The rows of the answer, and its columns' types."""
        import pyarrow

        if plan.local is None:
            return self._whole(plan)
        for fetch in plan.fetches:
            columns = zip(fetch.outputs, fetch.collations, strict=True)
            self._bench.create(fetch.id, [(output.name, output.type, collation) for output, collation in columns])
        if len(plan.fetches) == 1:
            self._pull_alone(plan.fetches[0])
        elif plan.fetches:
            with self._seats.taken((fetch.database for fetch in plan.fetches), self.check):
                Pulls(self, self._bench, self._listener, plan.fetches).run()
        self.check()
        if self._bytes > _MUCH:
            pyarrow.default_memory_pool().release_unused()
        self._listener(Joining(len(plan.fetches)))
        table, types = self._bench.run(plan.local, plan.params, self._limits.result_rows)
        return (table.rename_columns([name for name, _ in plan.outputs]) if plan.outputs else table), types

    def _whole(self, plan: Plan) -> tuple[pa.Table, list[Type]]:
        """The one fetch is the answer."""
        import pyarrow

        fetch = plan.fetches[0]
        batches = list(self._batches_of(fetch))
        table = pyarrow.Table.from_batches(batches)
        if self._limits.result_rows is not None:
            table = table.slice(0, self._limits.result_rows)
        if plan.outputs:
            types = [VARCHAR if is_text_in_answers(str(type_)) else type_ for _, type_ in plan.outputs]
            return table.rename_columns([name for name, _ in plan.outputs]), types
        return table, [type_of(field.type) for field in table.schema]

    def _pull_alone(self, fetch: Fetch) -> None:
        """A single pull needs no threads of its own."""
        for chunk in _chunks(self._batches_of(fetch)):
            self._bench.load(fetch.id, chunk)
        if fetch.merge:
            self._bench.merge(fetch.id, fetch.merge)

    def _batches_of(self, fetch: Fetch) -> Iterator[pa.RecordBatch]:
        session = self.open(fetch.database)
        try:
            for batch in self.read(session, fetch):
                self.count(fetch, batch.num_rows, batch.nbytes)
                yield batch
        finally:
            self.release(session)

    def read(
        self, session: Session, fetch: Fetch, conditions: Sequence[Condition] = ()
    ) -> Generator[pa.RecordBatch, None, None]:
        """The batches of one fetch, recorded as a source of the result."""
        statement = fetch.select(tuple(key.sql for key in conditions if key.sql is not None))
        if conditions and session.most_bytes is not None:
            room = session.most_bytes - len(fetch.select().sql.encode()) - _ROOM
            conditions = fitting(conditions, max(0, room))
            statement = fetch.select(tuple(key.sql for key in conditions if key.sql is not None))
        if fetch.merge and self._limits.is_near(fetch):
            statement = replace(statement, parts=())
        shown = fetch.native or fetch.select(tuple(key.shown for key in conditions if key.sql is not None)).sql
        for key in conditions:
            sent = key.sent
            self._listener(Shipped(fetch.database, fetch.id, sent.column, sent.from_fetch, sent.count, sent.carrier))
        self._listener(Sent(fetch.database, fetch.id, shown))
        taken = session.snapshot_at or self._first_reads.setdefault(session, time.time())
        started, before, rows = time.perf_counter(), session.received, 0
        first: tuple[float, int] | None = None
        batches = session.native(fetch.native) if fetch.native is not None else session.read(statement)
        try:
            for batch in batches:
                self.check()
                first = first or (time.perf_counter(), session.received)
                rows += batch.num_rows
                self._listener(Received(fetch.database, fetch.id, rows, session.received - before, fetch.rows))
                yield batch
        finally:
            if isinstance(batches, Generator):
                batches.close()  # one that is given up half way ends here, and not when it is collected
        ended = time.perf_counter()
        if first is not None and not fetch.merge:  # of parts with groups, the second is done when it has counted
            self.arrivals.append((fetch.database, session.received - first[1], ended - first[0]))
        seconds, received = ended - started, session.received - before
        actual = Actual(fetch.id, shown, rows, received, seconds, tuple(key.sent for key in conditions))
        served = session.served if isinstance(session, PlacedSession) else None
        self.record(fetch, actual, session.position, served, None if fetch.database == FRAMES else taken)

    def record(
        self,
        fetch: Fetch,
        actual: Actual,
        position: str | None = None,
        served: Served | None = None,
        snapshot_at: float | None = None,
    ) -> None:
        """What a fetch did, for the result and for whoever listens."""
        self._listener(Finished(fetch.database, fetch.id, actual.rows, actual.bytes, actual.seconds))
        self.actuals[fetch.id] = replace(actual, restarts=self.restarts.get(fetch.id, 0))
        self.reads[fetch.id] = SourceRead(
            fetch.database,
            role=served.role if served is not None else "primary",
            replica=served.replica if served is not None else None,
            waited=served.waited if served is not None else 0.0,
            staleness=served.staleness if served is not None else None,
            is_unchecked=served is not None and served.is_unchecked,
            snapshot_at=None if snapshot_at is None else datetime.fromtimestamp(snapshot_at, UTC),
            tables=fetch.tables,
            sql=actual.sql,
            rows=actual.rows,
            bytes=actual.bytes,
            seconds=actual.seconds,
            position=position,
        )

    def count(self, fetch: Fetch, rows: int, size: int) -> None:
        """Add to what was pulled. Raises: PullTooLarge."""
        self._rows += rows
        self._bytes += size
        limits = self._limits
        if limits.rows is not None and self._rows > limits.rows:
            raise _too_large(fetch, f"{limits.rows:,} rows")
        if limits.bytes is not None and self._bytes > limits.bytes:
            raise _too_large(fetch, f"{limits.bytes:,} bytes")


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches gathered to a size worth appending."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if is_chunk(pending):
            yield pending
            pending = []
    if pending:
        yield pending


def _too_large(fetch: Fetch, limit: str) -> FedqError:
    message = (
        f"the query pulls more than max_pull = {limit} (while reading {', '.join(fetch.tables)} from {fetch.database})"
    )
    hint = "Add a condition that the database can apply (see explain), or raise max_pull."
    return PullTooLarge(message, hint=hint, database=fetch.database, tables=fetch.tables, limit=limit)
