"""One server of a database with replicas: what is known of it, and a session there that says who answered.

Place busy, slow, late, out  →  PlacedSession(inner session, who was asked, how far it was)
the server is lost on the way →  ReadElsewhere: the query begins again, and nothing of it was returned
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fedq.errors import ConnectionLost, DatabaseError, FedqError
from fedq.fetch.positions import Stand
from fedq.fetch.source import Select, Session, Source
from fedq.fetch.writer import Position

if TYPE_CHECKING:
    import pyarrow as pa

#: seconds until a server that failed is asked again: at first, and at most
_OUT_FIRST, _OUT_MOST = 1.0, 10.0
#: PostgreSQL: a replica takes a snapshot away, or a lock, to go on replaying
_RECOVERY_CONFLICT = ("40001", "40P01")
#: PostgreSQL: a replica has no rows of unlogged tables, and cannot say where a primary's log stands
_NOT_IN_RECOVERY = ("0A000", "55000")
#: MariaDB: no such column, table, function; the definition is another one than in the snapshot
_MISSING = (1054, 1109, 1146, 1305, 1412)
#: PostgreSQL: no privilege, no such function, not supported; MariaDB: no such variable, no privilege
_NOT_TOLD = ("42501", "42883", "0A000", 1193, 1227)
NOWHERE = Stand(Position("", "", None, ""), False, "")


class Server(Source, Protocol):
    """A source that knows where in the database's history it stands."""

    def stand(self) -> Stand:
        """Where it stands now."""

    def open_when(
        self, timeout: float | None, is_enough: Callable[[Stand], bool], seconds: float, known: Stand | None = None
    ) -> tuple[Session, Stand]:
        """A session with a snapshot that is enough. Raises: Behind."""


class ReadElsewhere(ConnectionLost):
    """What was read at one place cannot be read on there: the query is run again as a whole. Nothing was returned."""

    is_for_primary = False
    """Whether the primary has what a replica has not."""


class Place:
    """One server, and what is known of it."""

    def __init__(self, name: str, server: Server, *, is_replica: bool) -> None:
        self.name, self.server, self.is_replica = name, server, is_replica
        self.busy = 0
        self._lock = threading.Lock()
        self.seconds = 0.0
        """How long it takes to open a session, about."""
        self.stand: Stand | None = None
        self.late_until = self.out_until = 0.0
        self.is_late = False
        self.failures = 0
        self.is_probed = False
        self.why: FedqError | None = None

    @property
    def is_out(self) -> bool:
        """Whether it failed, and has not answered since."""
        return self.failures > 0

    @property
    def load(self) -> float:
        """How long a session more would take, by what is known."""
        return (self.busy + 1) * (self.seconds + 0.0001)

    def count(self, sessions: int) -> None:
        """So many sessions more."""
        with self._lock:
            self.busy += sessions

    def works(self, stand: Stand, seconds: float) -> None:
        """It answered, after so many seconds."""
        self.stand, self.failures, self.why, self.is_late = stand, 0, None, False
        self.seconds = seconds if not self.seconds else 0.7 * self.seconds + 0.3 * seconds

    def fails(self, why: FedqError) -> None:
        """It did not."""
        self.failures, self.stand, self.why = self.failures + 1, None, why
        pause = min(_OUT_MOST, _OUT_FIRST * 2 ** (self.failures - 1))
        self.out_until = time.monotonic() + random.uniform(0.75, 1.25) * pause


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered."""

    role: str
    replica: str | None
    waited: float
    """Seconds until it was far enough, the failed tries at others included."""
    staleness: float | None = None
    """Of a replica: it has what the primary had so many seconds ago; None where nothing was heard of the primary."""
    is_unchecked: bool = False
    """Whether nobody could say how fresh it is."""


class PlacedSession:
    """A session at one place. When that is lost, the query begins again elsewhere."""

    def __init__(self, inner: Session, place: Place, stand: Stand, served: Served) -> None:
        self._inner, self._place, self._stand, self.served = inner, place, stand, served
        self.snapshot_at: float | None = time.time()
        self._is_closed = False
        place.count(1)

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return self._inner.received

    @property
    def position(self) -> str | None:
        """Where the snapshot stands; of PostgreSQL where the server stood just after it was taken."""
        return self._inner.position or self._stand.position.position or None

    @property
    def most_bytes(self) -> int | None:
        """How long a statement may be."""
        return self._inner.most_bytes

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """The rows. Raises: ReadElsewhere, and what the session raises."""
        with self._kept():
            yield from self._inner.read(select)

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a statement in the database's own dialect."""
        with self._kept():
            yield from self._inner.native(sql)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except ConnectionLost as lost:
            self._place.fails(lost)
            raise _elsewhere(lost) from lost
        except FedqError as error:
            is_for_primary = _is_for_primary(error)
            if not self._place.is_replica or not (is_for_primary or error.facts.get("sqlstate") in _RECOVERY_CONFLICT):
                raise
            again = _elsewhere(error)
            again.is_for_primary = is_for_primary  # it was described there
            raise again from error

    def cancel(self) -> None:
        """Stop the running statement."""
        self._inner.cancel()

    def close(self) -> None:
        """End the snapshot."""
        if not self._is_closed:
            self._is_closed = True
            self._place.count(-1)
        self._inner.close()


def _is_for_primary(error: FedqError) -> bool:
    """Whether a replica says that it does not have something, that it is another thing, or that a replica cannot."""
    state = str(error.facts.get("sqlstate"))
    return state.startswith("42") or state in _NOT_IN_RECOVERY or error.facts.get("number") in _MISSING


def will_not_say(error: DatabaseError) -> bool:
    """Whether a server, or its role, does not tell positions."""
    return error.facts.get("sqlstate") in _NOT_TOLD or error.facts.get("number") in _NOT_TOLD


def _elsewhere(error: FedqError) -> ReadElsewhere:
    return ReadElsewhere(error.message, hint=error.hint, **error.facts)
