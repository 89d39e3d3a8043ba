"""Plan → rows: pulls side by side, keys shipped as they become known, limits enforced on the way, everything stoppable.

    one worker thread per database        the conductor (one thread)              the caller
    session = source.open()          →    appends batches to the bench       ←    waits; Ctrl-C: Run.cancel()
    read(statement) → batches             when a fetch is whole: its keys
    (in one snapshot)                     make the next statements

A database's fetches run one after the other on one session, which is what makes them one snapshot. Databases run side
by side. The bench
is used by the conductor alone, so nothing in DuckDB is shared between threads.
"""

from __future__ import annotations

import datetime as dt
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedq.dialects import dialect_of
from fedq.dialects.base import Unsayable
from fedq.errors import FedqError, PullTooLarge, QueryCancelled
from fedq.events import Finished, Joining, Listener, Received, Sent
from fedq.fetch.arrow import type_of
from fedq.join.duckdb import Bench
from fedq.plan.nodes import Actual, Fetch, KeyFilter, Plan
from fedq.result.sources import SourceRead
from fedq.types import Type

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.fetch.source import Session, Source

#: batches that may wait for the conductor: bounds memory, and slows a source that is faster than the bench
_WAITING = 8
#: rows gathered before they are appended
_CHUNK_ROWS = 100_000


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


class Run:
    """One query being run. `cancel` may be called from any thread; everything else belongs to the conductor."""

    def __init__(self, find: Callable[[str], Source], bench: Bench, limits: Limits, listener: Listener) -> None:
        self._find, self._bench, self._limits, self._listener = find, bench, limits, listener
        self._sessions: list[Session] = []
        self._lock = threading.Lock()
        self.is_cancelled = threading.Event()
        self._rows = 0
        self._bytes = 0
        self.reads: dict[str, SourceRead] = {}
        self.actuals: dict[str, Actual] = {}

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
        if plan.local is None:
            return self._whole(plan)
        for fetch in plan.fetches:
            columns = zip(fetch.outputs, fetch.collations, strict=True)
            self._bench.create(fetch.id, [(output.name, output.type, collation) for output, collation in columns])
        if len(plan.fetches) == 1:
            self._pull_alone(plan.fetches[0])
        elif plan.fetches:
            _Pulls(self, plan.fetches).run()
        self.check()
        self._listener(Joining(len(plan.fetches)))
        table, types = self._bench.run(plan.local, plan.params, self._limits.result_rows)
        return (table.rename_columns([name for name, _ in plan.outputs]) if plan.outputs else table), types

    def _whole(self, plan: Plan) -> tuple[pa.Table, list[Type]]:
        """The one fetch is the answer."""
        import pyarrow

        fetch = plan.fetches[0]
        batches = list(self._batches_of(fetch, ()))
        table = pyarrow.Table.from_batches(batches)
        if self._limits.result_rows is not None:
            table = table.slice(0, self._limits.result_rows)
        if plan.outputs:
            return table.rename_columns([name for name, _ in plan.outputs]), [type_ for _, type_ in plan.outputs]
        return table, [type_of(field.type) for field in table.schema]

    def _pull_alone(self, fetch: Fetch) -> None:
        """A single pull needs no threads of its own."""
        for chunk in _chunks(self._batches_of(fetch, ())):
            self._bench.load(fetch.id, chunk)

    def _batches_of(self, fetch: Fetch, conditions: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        session = self.open(fetch.database)
        try:
            for batch in self.read(session, fetch, conditions):
                self.count(fetch, batch.num_rows, batch.nbytes)
                yield batch
        finally:
            self.release(session)

    def read(self, session: Session, fetch: Fetch, conditions: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """The batches of one fetch, recorded as a source of the result."""
        select = fetch.select(conditions)
        self._listener(Sent(fetch.database, fetch.id, fetch.native or select.sql))
        started, before, rows = time.perf_counter(), session.received, 0
        batches = session.native(fetch.native) if fetch.native is not None else session.read(select)
        for batch in batches:
            self.check()
            rows += batch.num_rows
            self._listener(Received(fetch.database, fetch.id, rows, session.received - before, fetch.rows))
            yield batch
        seconds, received = time.perf_counter() - started, session.received - before
        self._listener(Finished(fetch.database, fetch.id, rows, received, seconds))
        sql = fetch.native or select.sql
        self.actuals[fetch.id] = Actual(fetch.id, sql, rows, received, seconds)
        self.reads[fetch.id] = SourceRead(
            fetch.database,
            tables=fetch.tables,
            sql=sql,
            rows=rows,
            bytes=received,
            seconds=seconds,
            position=session.position,
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

    def conditions(self, fetch: Fetch) -> tuple[str, ...]:
        """The conditions that keys of finished fetches make; a filter with too many keys is left out."""
        return tuple(said for key in fetch.keys if (said := self._condition(fetch, key)) is not None)

    def _condition(self, fetch: Fetch, key: KeyFilter) -> str | None:
        dialect = dialect_of(fetch.kind)
        values = self._bench.keys(key.from_fetch, key.from_column, dialect.max_keys)
        if values is None:
            return None
        if not values:
            return "1 = 0"
        if key.column.type.family == "date" and not all(map(_is_plain_date, values)):
            return None
        try:
            return dialect.keys(key.sql, key.column, [dialect.literal(value, key.column.type) for value in values])
        except Unsayable:
            return None

    def load(self, fetch: Fetch, batches: Sequence[pa.RecordBatch]) -> None:
        """Append what arrived to the bench."""
        self._bench.load(fetch.id, batches)


@dataclass(slots=True)
class _Pulls:
    """Several fetches at once: the conductor's side."""

    run_: Run
    fetches: tuple[Fetch, ...]
    messages: queue.Queue[tuple[str, Fetch | None, Any]] = field(default_factory=lambda: queue.Queue(_WAITING))
    orders: dict[str, queue.Queue[tuple[Fetch, tuple[str, ...]] | None]] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Pull everything into the bench; the first error stops the rest."""
        workers = []
        for database in dict.fromkeys(fetch.database for fetch in self.fetches):
            self.orders[database] = queue.Queue()
            workers.append(threading.Thread(target=self._work, args=(database,), name=f"fedq-{database}", daemon=True))
        for worker in workers:
            worker.start()
        try:
            self._conduct()
        except BaseException:
            self.stopped.set()
            self.run_.cancel()
            raise
        finally:
            self.stopped.set()
            for orders in self.orders.values():
                orders.put(None)
            for worker in workers:
                worker.join(0.5)

    def _conduct(self) -> None:
        waiting: dict[str, list[pa.RecordBatch]] = {fetch.id: [] for fetch in self.fetches}
        self._start_ready()
        while len(self.finished) < len(self.fetches):
            self.run_.check()
            try:
                kind, fetch, content = self.messages.get(timeout=0.2)
            except queue.Empty:
                continue
            if kind == "failed":
                raise content
            assert fetch is not None
            pending = waiting[fetch.id]
            if kind == "batch":
                self.run_.count(fetch, content.num_rows, content.nbytes)
                pending.append(content)
            if pending and (kind == "whole" or sum(batch.num_rows for batch in pending) >= _CHUNK_ROWS):
                self.run_.load(fetch, pending)
                pending.clear()
            if kind == "whole":
                self.finished.add(fetch.id)
                self._start_ready()

    def _start_ready(self) -> None:
        for fetch in self.fetches:
            if fetch.id not in self.started and all(key.from_fetch in self.finished for key in fetch.keys):
                self.started.add(fetch.id)
                self.orders[fetch.database].put((fetch, self.run_.conditions(fetch)))

    def _work(self, database: str) -> None:
        """One database's worker: its fetches one after the other, in one snapshot."""
        try:
            session = self.run_.open(database)
            try:
                while (order := self.orders[database].get()) is not None and not self.stopped.is_set():
                    fetch, conditions = order
                    for batch in self.run_.read(session, fetch, conditions):
                        self._tell("batch", fetch, batch)
                    self._tell("whole", fetch, None)
            finally:
                self.run_.release(session)
        except BaseException as error:  # noqa: BLE001  carried to the conductor's thread and raised there
            with suppress(QueryCancelled):
                self._tell("failed", None, error)

    def _tell(self, kind: str, fetch: Fetch | None, content: Any) -> None:
        while not self.stopped.is_set():
            try:
                return self.messages.put((kind, fetch, content), timeout=0.2)
            except queue.Full:
                continue
        raise QueryCancelled


def _is_plain_date(value: object) -> bool:
    """Python has no infinite date: DuckDB gives the last one for it, and text for dates before Christ."""
    return type(value) is dt.date and value not in (dt.date.min, dt.date.max)


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches gathered to a size worth appending."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(one.num_rows for one in pending) >= _CHUNK_ROWS:
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
