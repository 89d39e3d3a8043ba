"""Several fetches at once: databases side by side, each in one snapshot, keys going from one to the next.

    one worker thread per database        the conductor (one thread)              the caller
    session = source.open()          →    appends batches to the bench       ←    waits; Ctrl-C: Run.cancel()
    read(statement) → batches             when a fetch is whole: its keys
    (in one snapshot)                     make the next statements

A database's fetches run one after the other on one session, which is what makes them one snapshot; a fetch that waits
for keys is not in its database's queue, so it keeps nobody waiting. The bench is used by the conductor alone, so
nothing in DuckDB is shared between threads.

A fetch that brings many more rows than were estimated is stopped and asked again with keys, where the plan knows some
that limit it (`Fetch.late`). This happens at most once per fetch, so that a wrong estimate costs what was pulled until
it was seen to be wrong, and never more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedq.errors import QueryCancelled
from fedq.events import Listener, Restarted, Waiting
from fedq.join.duckdb import Bench
from fedq.plan.nodes import Actual, Fetch, KeyFilter
from fedq.run.keys import Condition, conditions
from fedq.undo import unless_done

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.run.pulls import Run

#: messages, and bytes, that may wait for the conductor: bounds memory, and slows a source that is faster than the bench
_WAITING, _WAITING_BYTES = 4, 2 << 20
#: rows, and bytes, gathered before they are appended
_CHUNK_ROWS, _CHUNK_BYTES = 100_000, 2 << 20
#: a fetch has many more rows than estimated from this number on, and from this many times its estimate
LATE_ROWS, LATE_TIMES = 50_000, 10


def is_chunk(batches: Sequence[pa.RecordBatch]) -> bool:
    """Whether batches are enough to be appended."""
    rows, size = sum(batch.num_rows for batch in batches), sum(batch.nbytes for batch in batches)
    return bool(rows >= _CHUNK_ROWS or size >= _CHUNK_BYTES)


class _Messages(queue.Queue[tuple[str, str, Any]]):
    """A queue that is full by bytes: four small batches may wait, and of batches of many MB only one."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: tuple[str, str, Any]) -> None:
        super()._put(item)
        self._bytes += _weight(item)

    def _get(self) -> tuple[str, str, Any]:
        item: tuple[str, str, Any] = super()._get()
        self._bytes -= _weight(item)
        return item


def _weight(item: tuple[str, str, Any]) -> int:
    return max(_WAITING_BYTES // _WAITING, getattr(item[2], "nbytes", 0))


@dataclass(slots=True)
class _Pull:
    """One fetch and how far it is."""

    fetch: Fetch
    keys: list[KeyFilter]
    """What it waits for."""
    late: list[KeyFilter]
    pending: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    state: str = "waiting"
    """waiting → ordered → (stopping → waiting → ordered) → finished"""
    has_told: bool = False


@dataclass(slots=True)
class Pulls:
    """The conductor's side of a plan with several fetches."""

    run_: Run
    bench: Bench
    listener: Listener
    fetches: tuple[Fetch, ...]
    pulls: dict[str, _Pull] = field(default_factory=dict)
    messages: _Messages = field(default_factory=lambda: _Messages(_WAITING_BYTES))
    orders: dict[str, queue.Queue[tuple[Fetch, tuple[Condition, ...]] | None]] = field(default_factory=dict)
    stopping: set[str] = field(default_factory=set)
    """Fetches whose worker shall stop reading; set by the conductor, looked at by the workers."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Pull everything into the bench; the first error stops the rest."""
        self.pulls = {fetch.id: _Pull(fetch, list(fetch.keys), list(fetch.late)) for fetch in self.fetches}
        workers = []
        for database in dict.fromkeys(fetch.database for fetch in self.fetches):
            self.orders[database] = queue.Queue()
            workers.append(threading.Thread(target=self._work, args=(database,), name=f"fedq-{database}", daemon=True))
        for worker in workers:
            worker.start()
        try:
            with unless_done(self.run_.cancel), unless_done(self.stopped.set):  # else the workers read on
                self._conduct()
        finally:
            self.stopped.set()
            for orders in self.orders.values():
                orders.put(None)
            for worker in workers:
                worker.join(0.5)

    def _conduct(self) -> None:
        self._start_ready()
        while any(pull.state != "finished" for pull in self.pulls.values()):
            self.run_.check()
            try:
                kind, fetch, content = self.messages.get(timeout=0.2)
            except queue.Empty:
                continue
            if kind == "failed":
                raise content
            pull = self.pulls[fetch]
            match kind:
                case "batch":
                    self._add(pull, content)
                case "whole":
                    self._finish(pull)
                case "stopped":
                    self._begin_again(pull)

    def _add(self, pull: _Pull, batch: pa.RecordBatch) -> None:
        self.run_.count(pull.fetch, batch.num_rows, batch.nbytes)
        pull.rows += batch.num_rows
        pull.pending.append(batch)
        if is_chunk(pull.pending):
            self._load(pull)
        if pull.late and pull.state == "ordered":
            self._limit_late(pull)

    def _load(self, pull: _Pull) -> None:
        if pull.pending:
            self.bench.load(pull.fetch.id, pull.pending)
            pull.pending.clear()

    def _finish(self, pull: _Pull) -> None:
        self._load(pull)
        if pull.fetch.merge and pull.rows:
            self.bench.merge(pull.fetch.id, pull.fetch.merge)
        pull.state = "finished"
        for other in self.pulls.values():
            if other.late and other.state == "ordered":
                self._limit_late(other)
        self._start_ready()

    def _start_ready(self) -> None:
        """Order what waits for nothing any more. A fetch without keys is finished at once, and may free others."""
        for pull in self.pulls.values():
            if pull.state != "waiting":
                continue
            awaited = dict.fromkeys(giver for key in pull.keys for giver in sorted(key.givers))
            missing = tuple(giver for giver in awaited if self.pulls[giver].state != "finished")
            if not missing:
                self._order(pull)
            elif not pull.has_told:
                pull.has_told = True
                self.listener(Waiting(pull.fetch.database, pull.fetch.id, missing))

    def _has(self, key: KeyFilter) -> bool:
        return all(self.pulls[giver].state == "finished" for giver in key.givers)

    def _order(self, pull: _Pull) -> None:
        fetch = pull.fetch
        known = [*pull.keys, *(key for key in pull.late if self._has(key))]
        pull.late = [key for key in pull.late if key not in known]
        givers = {other.fetch.id: other.fetch for other in self.pulls.values()}
        found = conditions(fetch, known, givers, self.bench)
        if any(one.is_false for one in found):  # without keys there are no rows: nobody is asked
            sql = fetch.select(tuple(one.shown for one in found if one.sql is not None)).sql
            self.run_.record(fetch, Actual(fetch.id, sql, 0, 0, 0.0, tuple(one.sent for one in found)))
            self._finish(pull)
            return
        pull.state = "ordered"
        self.orders[fetch.database].put((fetch, found))

    def _limit_late(self, pull: _Pull) -> None:
        """Stop a fetch that brings many more rows than estimated, where keys that limit it are known or will be."""
        if pull.rows < max(LATE_ROWS, LATE_TIMES * (pull.fetch.rows or 0.0)):
            return
        useful = [key for key in pull.late if self._is_useful(key, pull)]
        if useful:
            pull.keys += useful
            pull.late = []
            pull.state = "stopping"
            self.stopping.add(pull.fetch.id)

    def _is_useful(self, key: KeyFilter, pull: _Pull) -> bool:
        """Few keys that are there; or that will be there without this fetch, and not before it is whole.

        The giver is pulled in any case, so waiting for it asks no database for more than the plan did.
        """
        giver = self.pulls[key.from_fetch]
        if self._has(key):
            return self.bench.keys(key.from_fetch, [key.from_column], pull.rows // 2, key.within).is_whole
        is_behind = giver.state == "waiting" or giver.fetch.database == pull.fetch.database
        return is_behind and pull.fetch.id not in self._awaited(giver)

    def _awaited(self, pull: _Pull) -> set[str]:
        """The fetches that a fetch waits for, directly and through others."""
        found: set[str] = set()
        left = [pull]
        while left:
            for giver in {giver for key in left.pop().keys for giver in key.givers} - found:
                found.add(giver)
                left.append(self.pulls[giver])
        return found

    def _begin_again(self, pull: _Pull) -> None:
        """A fetch was stopped: its rows go, and it waits for the keys that shall limit it."""
        fetch = pull.fetch
        self.stopping.discard(fetch.id)
        self.run_.restarts[fetch.id] = 1
        self.listener(Restarted(fetch.database, fetch.id, pull.rows))
        self.bench.empty(fetch.id)
        pull.pending.clear()
        pull.rows, pull.state, pull.has_told = 0, "waiting", False
        self._start_ready()

    def _work(self, database: str) -> None:
        """One database's worker: its fetches one after the other, in one snapshot."""
        try:
            session = self.run_.open(database)
            try:
                while (order := self.orders[database].get()) is not None and not self.stopped.is_set():
                    fetch, found = order
                    if self._has_read_all(fetch, self.run_.read(session, fetch, found)):
                        self._tell("whole", fetch.id, None)
                    else:
                        self._tell("stopped", fetch.id, None)
            finally:
                self.run_.release(session)
        except BaseException as error:  # noqa: BLE001  carried to the conductor's thread and raised there
            with suppress(QueryCancelled):
                self._tell("failed", "", error)

    def _has_read_all(self, fetch: Fetch, batches: Generator[pa.RecordBatch, None, None]) -> bool:
        """Hand the batches on; False when the conductor stopped it before the end."""
        with closing(batches):
            for batch in batches:
                self._tell("batch", fetch.id, batch)
                if fetch.id in self.stopping:
                    return False
        return True

    def _tell(self, kind: str, fetch: str, content: Any) -> None:
        while not self.stopped.is_set():
            try:
                return self.messages.put((kind, fetch, content), timeout=0.2)
            except queue.Full:
                continue
        raise QueryCancelled
