"""What was learned of the databases on the way: statistics of tables, kept for five minutes, and how far away each is.

    no statistics yet        they are read at once, side by side; who waits for them waits for at most two seconds
    older than five minutes  the old ones serve, new ones are read behind the query's back
    files                    at once, in the query's own thread: nothing may hold a file when the query is over

Which queries want them, and which wait, the planner says (plan/needs.py). A failure, and a table whose values nobody
has counted, are "unknown" for one minute: what is wrong with a database, its read will say. How many rows a table has
is no part of this: every query asks for that. Statistics that are what they were are the same object, by which plans
know that they still serve (plan/kept.py).
"""

from __future__ import annotations

import statistics as middle
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import Link, TableStatistics
from fedq.errors import FedqError
from fedq.fetch.source import Source
from fedq.plan.estimate import LOCAL, UNKNOWN_LINK

#: seconds after which statistics are read again: where there were some, and where there were none
FRESH, UNKNOWN_FOR = 300.0, 60.0
#: seconds that a query waits for statistics
PATIENCE = 2.0
#: so many measurements count
_MEASURED = 9
#: bytes below which a pull tells of the question rather than of the wire
_TELLING = 256_000

Place = tuple[str, PhysicalTable]
#: what sources raise, what one raises that is closed meanwhile, and figures of a form that nobody has seen yet
_NO_ANSWER = (FedqError, CancelledError, OSError, RuntimeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The statistics of one table as last read."""

    columns: tuple[object, ...]
    """What they were read for: a table with other columns is another."""
    statistics: TableStatistics | None
    read_at: float

    def is_old(self, now: float) -> bool:
        """Whether they are to be read again."""
        is_known = self.statistics is not None and self.statistics.columns
        return now - self.read_at > (FRESH if is_known else UNKNOWN_FOR)


class Knowledge:
    """Statistics by database and table. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Place, _Entry] = {}
        self._reading: dict[Place, threading.Event] = {}

    def of(
        self,
        wanted: Mapping[str, Sequence[TableSchema]],
        find: Callable[[str], Source],
        *,
        is_waiting: bool,
        local: Collection[str] = (),
    ) -> dict[Place, TableStatistics | None]:
        """The statistics of the tables of each database, as far as they are known by now; those of `local` databases
        are read in this thread."""
        events = []
        for database, schemas in wanted.items():
            old = [schema for schema in schemas if self._is_old(database, schema)]
            if old:
                self._start(database, old, find, is_behind=database not in local)
            missing = [schema for schema in schemas if self._known(database, schema) is None]
            with self._lock:
                events += [event for schema in missing if (event := self._reading.get((database, schema.table)))]
        if is_waiting:
            give_up = self._clock() + PATIENCE
            for event in dict.fromkeys(events):
                event.wait(max(0.0, give_up - self._clock()))
        found = {(name, schema.table): self._known(name, schema) for name, each in wanted.items() for schema in each}
        return {place: entry.statistics if entry is not None else None for place, entry in found.items()}

    def _known(self, database: str, schema: TableSchema) -> _Entry | None:
        with self._lock:
            entry = self._entries.get((database, schema.table))
        return entry if entry is not None and entry.columns == _columns(schema) else None

    def _is_old(self, database: str, schema: TableSchema) -> bool:
        entry = self._known(database, schema)
        return entry is None or entry.is_old(self._clock())

    def _start(
        self, database: str, schemas: Sequence[TableSchema], find: Callable[[str], Source], *, is_behind: bool
    ) -> None:
        """Read what nobody reads already, here or in a thread of its own."""
        source = find(database)  # here: once the federation is closed, nothing is to be opened again
        done = threading.Event()
        with self._lock:
            mine = [schema for schema in schemas if (database, schema.table) not in self._reading]
            self._reading.update({(database, schema.table): done for schema in mine})
        if not mine:
            return
        if is_behind:
            name = f"fedq-statistics-{database}"
            threading.Thread(target=self._read, args=(source, database, mine, done), name=name, daemon=True).start()
        else:
            self._read(source, database, mine, done)

    def _read(self, source: Source, database: str, schemas: Sequence[TableSchema], done: threading.Event) -> None:
        found: Sequence[TableStatistics | None] = [None] * len(schemas)
        try:
            found = source.statistics(schemas)
        except _NO_ANSWER:  # statistics are never worth an error; the read itself will tell
            pass
        finally:
            now = self._clock()
            with self._lock:
                for schema, statistics in zip(schemas, found, strict=True):
                    place = (database, schema.table)
                    known = self._entries.get(place)
                    if known is not None and known.statistics == statistics:
                        statistics = known.statistics
                    self._entries[place] = _Entry(_columns(schema), statistics, now)
                    self._reading.pop(place, None)
            done.set()


def _columns(schema: TableSchema) -> tuple[object, ...]:
    return tuple((column.physical, column.type) for column in schema.columns)


@dataclass(slots=True)
class _Measured:
    """What one database was seen to do."""

    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=_MEASURED))
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=_MEASURED))
    is_connected: bool = False


class Links:
    """How far away each database is, from what queries took anyway. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: dict[str, _Measured] = {}

    def answered(self, database: str, seconds: float) -> None:
        """A small question was answered; the first one does not count, for it made the connection."""
        with self._lock:
            seen = self._measured.setdefault(database, _Measured())
            if seen.is_connected:
                seen.round_trips.append(seconds)
            seen.is_connected = True

    def pulled(self, database: str, size: int, seconds: float) -> None:
        """So many bytes arrived in so much time."""
        if size >= _TELLING and seconds > 0:
            with self._lock:
                self._measured.setdefault(database, _Measured()).rates.append(size / seconds)

    def of(self, database: str, *, is_local: bool) -> Link | None:
        """The middle of the last round trips, and the highest of the last rates: what made the others lower was what
        the database had to do for them. None before there are any."""
        with self._lock:
            seen = self._measured.get(database, _Measured())
            rate = max(seen.rates, default=None)
            answer = middle.median(seen.round_trips) if seen.round_trips else None
        if is_local:
            return Link(LOCAL.round_trip, rate or LOCAL.bytes_per_second)
        if rate is None and answer is None:
            return None
        return Link(UNKNOWN_LINK.round_trip if answer is None else answer, rate or UNKNOWN_LINK.bytes_per_second)
