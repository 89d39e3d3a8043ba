"""A statement in parts, read side by side by sessions that share one snapshot.

    orders, all of it    session   exports its snapshot    ctid < '(6671,0)'      ┐
                         twin      imports it              ctid >= '(6671,0)'     ┴→ one belt → the reader

A scan on one connection is one process of the server, even where the server's own planner thinks that a parallel one
does not pay; and it is one COPY, which is read no faster than one process writes it. Whether the statement is a scan at
all says EXPLAIN: where the server would use an index, the statement goes whole. So it does where no other connection is
free or to be had without asking somebody, where somebody waits to change the table, and behind a pooler.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedq.errors import QueryCancelled

if TYPE_CHECKING:
    import pyarrow as pa

#: the first version that reads a range of pages without reading the others
FIRST_VERSION = 14
#: in units of the server's planner: less is done sooner than the others have begun
LEAST_COST = 2_000.0
#: a longer statement is not sent once more to be explained
_LONGEST = 100_000
#: bytes that wait for the reader, per part: where their order is free, and where they must wait for the part before
_NEAR, _FAR = 2 << 20, 128 << 20


@dataclass(frozen=True, slots=True)
class Shared:
    """A snapshot that its session has given away."""

    name: str
    instance: str
    """Which run of which server it is of: another may have one of the same name."""


def is_scan(explained: str) -> bool:
    """Whether a statement, as the server explains it, scans its table, and for long.

    >>> is_scan('[{"Plan": {"Node Type": "Aggregate", "Plans": [{"Node Type": "Seq Scan", "Total Cost": 9e3}]}}]')
    True
    >>> is_scan('[{"Plan": {"Node Type": "Index Only Scan", "Total Cost": 9000.0}}]')
    False
    """
    waiting: list[dict[str, Any]] = [json.loads(explained)[0]["Plan"]]
    reads = []
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", ())
        reads += [] if "Plans" in node else [node]
    return all(read["Node Type"] == "Seq Scan" and read["Total Cost"] >= LEAST_COST for read in reads)


def can_be_explained(statement: str) -> bool:
    """Whether a statement is short enough to be sent twice."""
    return len(statement) <= _LONGEST


class Belt:
    """Batches on their way from several threads to one reader."""

    def __init__(self, parts: int, *, keeps_order: bool) -> None:
        self._waiting: list[deque[pa.RecordBatch]] = [deque() for _ in range(parts)]
        self._bytes = [0] * parts
        self._open = set(range(parts))
        self._keeps_order, self._room = keeps_order, _FAR if keeps_order else _NEAR
        self._error: BaseException | None = None
        self._is_stopped = False
        self._changed = threading.Condition()

    def put(self, part: int, batch: pa.RecordBatch) -> None:
        """Add a batch; waits while too much of its part is on the belt. Raises: QueryCancelled once it was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._bytes[part] < self._room)
            if self._is_stopped:
                raise QueryCancelled
            self._waiting[part].append(batch)
            self._bytes[part] += max(1, batch.nbytes)
            self._changed.notify_all()

    def end(self, part: int, error: BaseException | None = None) -> None:
        """A part is whole, or failed."""
        with self._changed:
            self._open.discard(part)
            self._error = self._error or error
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody reads any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every batch; the first error of a part ends them."""
        while (batch := self._next()) is not None:
            yield batch

    def _next(self) -> pa.RecordBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._ready() is not None or not self._open)
            if self._error is not None:
                raise self._error
            part = self._ready()
            if part is None:
                return None
            batch = self._waiting[part].popleft()
            self._bytes[part] -= max(1, batch.nbytes)
            self._changed.notify_all()
            return batch

    def _ready(self) -> int | None:
        """A part whose next batch may go; with an order to keep, none behind one that is still open."""
        for part, waiting in enumerate(self._waiting):
            if waiting:
                return part
            if self._keeps_order and part in self._open:
                return None
        return None


def side_by_side(
    readers: Sequence[Callable[[], Iterable[pa.RecordBatch]]],
    stops: Sequence[Callable[[], None]],
    *,
    keeps_order: bool,
) -> Iterator[pa.RecordBatch]:
    """The batches of several readers, each in a thread of its own; `stops` free those that are still reading.

    Raises: what a reader raises; the others are stopped.
    """
    belt = Belt(len(readers), keeps_order=keeps_order)

    def _read(part: int) -> None:
        try:
            for batch in readers[part]():
                belt.put(part, batch)
        except BaseException as error:  # noqa: BLE001  carried to the reader's thread and raised there
            belt.end(part, error)
        else:
            belt.end(part)

    threads = [threading.Thread(target=_read, args=(part,), daemon=True) for part in range(len(readers))]
    for thread in threads:
        thread.start()
    is_whole = False
    try:
        yield from belt.batches()
        is_whole = True
    finally:
        belt.stop()
        for stop in () if is_whole else stops:
            stop()
        for thread in threads:
            thread.join()
