"""A database with replicas as one source: each query reads it at one place, which is fresh enough and answers.

    open(Reading)  →  replicas that answer, two random ones first, the nearer and idler of them
                      its position ≥ what was written and seen?  wait a little  → the next one → the primary
                   →  PlacedSession: one server, one snapshot; says which, and what it saw goes into the ledger

A server that fails is left out and asked again in the background, so that no query waits for it twice. Names and
columns are the primary's, or a replica's while that cannot be reached.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.errors import ConnectionFailed, DatabaseError, FedqError, QueryTimeout, StaleReplicaError
from fedq.fetch.placed import NOWHERE, Place, PlacedSession, Served, Server, will_not_say
from fedq.fetch.positions import Behind, Ledger, Reading, Stand, contains, gtids, is_same_history
from fedq.fetch.source import Session, Source
from fedq.fetch.writer import Position

T = TypeVar("T")

#: seconds that one replica has to catch up before the next is asked; and all of them, where the primary is gone
WAIT, LAST_WAIT = 0.05, 2.0
#: seconds for which a replica that did not catch up is asked last, and without waiting
_LATE_SECONDS = 1.0
#: samples of the primary's position for `freshness="5s"`: so many of one bound
_SAMPLES = 5
#: a replica that is slower by more than this factor is still tried as often as if it were this much
_SLOWEST = 10.0


class ReplicatedSource:
    """One database: its primary and its replicas. Thread-safe."""

    def __init__(self, primary: Server, replicas: Sequence[Server], ledger: Ledger, beside: Sequence[str] = ()) -> None:
        """`beside`: the names of other databases whose primary is the same server."""
        self.name, self._ledger, self._beside = primary.name, ledger, beside
        self.primary = Place("primary", primary, is_replica=False)
        self._replicas = [Place(f"replica{at}", each, is_replica=True) for at, each in enumerate(replicas, 1)]
        self._samples: deque[tuple[float, Position]] = deque(maxlen=256)
        self._lineage: Position | None = None
        """A position of the primary: of which cluster replicas must be."""

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view."""
        return self._ask(lambda server: server.list_tables())

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now."""
        return self._ask(lambda server: server.describe(tables))

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What is known of the tables' values."""
        return self._ask(lambda server: server.statistics(tables))

    def _ask(self, question: Callable[[Server], T]) -> T:
        """The primary's answer; a replica's while that cannot be reached."""
        self._probe_failed()
        places = sorted((self.primary, *self._replicas), key=lambda place: (place.is_out, place.is_replica))
        failure: ConnectionFailed | None = None
        for place in places:
            try:
                return question(place.server)
            except ConnectionFailed as error:
                place.fails(error)
                failure = failure or error
        assert failure is not None
        raise self.primary.why or failure

    def reading(self, reading: Reading) -> Source:
        """The same source, whose sessions are as fresh as that."""
        return _Reader(self, reading)

    def open(self, timeout: float | None = None) -> Session:
        """A session that sees what this federation wrote and saw."""
        return self.open_at(Reading(), timeout)

    def open_at(self, reading: Reading, timeout: float | None) -> PlacedSession:
        """A session that is as fresh as asked. Raises: StaleReplicaError, ConnectionFailed, DatabaseError."""
        started = time.monotonic()
        self._probe_failed()
        after = reading.after.get(self.name)
        is_lost_track = self.name in reading.after and after is None
        if reading.freshness == "session":
            is_lost_track |= self._ledger.unknown(self.name) is not None
        if reading.is_from_primary:
            return self._open_primary(timeout, started, None)
        beside, is_unknown_beside = self._written_beside(reading)
        if is_lost_track or is_unknown_beside:
            known = self._ledger.floor(self.name) if reading.freshness == "session" else None
            return self._open_primary(timeout, started, [floor for floor in (after, known) if floor], is_only=True)
        floors = [floor for floor in (after, self._floor(reading)) if floor is not None]
        is_enough = self._enough([*floors, *beside], reading)
        for place in self._in_order():
            session = self._try(place, is_enough, 0.0 if place.is_late else WAIT, timeout, started)
            if session is not None:
                return session
        if reading.bound is not None:
            floors = [floor for floor in (after,) if floor is not None]  # the primary is as new as can be
        try:
            return self._open_primary(timeout, started, floors, is_timed=reading.bound is not None)
        except ConnectionFailed as error:
            return self._open_late(is_enough, timeout, started, error)

    def _floor(self, reading: Reading) -> Position | None:
        if reading.bound is not None:
            return self._sample(reading.bound)
        return self._ledger.floor(self.name) if reading.freshness == "session" else None

    def _written_beside(self, reading: Reading) -> tuple[list[Position], bool]:
        """What a replica must contain because it was written or seen under another name of the same server, and whether
        some of it has no known position. The primary has it in any case."""
        found: list[Position | None] = [reading.after[name] for name in self._beside if name in reading.after]
        is_unknown = None in found
        if reading.freshness == "session":
            found += [self._ledger.floor(name) for name in self._beside]
            is_unknown |= any(self._ledger.unknown(name) is not None for name in self._beside)
        known = [position for position in found if position is not None]
        return [position for position in known if _may_be_of(position, self._lineage)], is_unknown

    def _sample(self, bound: float) -> Position:
        """A position that the primary had, and not longer than `bound` seconds ago. Raises: StaleReplicaError."""
        now = time.monotonic()
        if not self._samples or self._samples[-1][0] < now - bound / _SAMPLES:
            try:
                self._samples.append((now, self.primary.server.stand().position))
            except FedqError as error:
                if isinstance(error, ConnectionFailed):
                    self.primary.fails(error)
        usable = [position for asked, position in list(self._samples) if asked >= now - bound]
        if usable:
            return usable[0]
        message = f"database {self.name!r}: how old its replicas are cannot be told, for the primary does not answer"
        raise StaleReplicaError(
            message, hint='freshness="any" reads what there is.', database=self.name
        ) from self.primary.why

    def _enough(self, floors: Sequence[Position], reading: Reading) -> Callable[[Stand], bool]:
        """What a replica must be."""
        lineage = self._primary_position()

        def _is_enough(stand: Stand) -> bool:
            position = stand.position
            if not stand.is_replica or not _is_of(position, lineage):
                return False
            if not position.position:  # MySQL, or a replica that has never replicated
                return reading.freshness == "any" and not floors
            return all(contains(stand, floor) for floor in floors)

        return _is_enough

    def _primary_position(self) -> Position | None:
        """Any position of the primary: asked once, and again as long as it does not answer."""
        if self._lineage is None and not self.primary.is_out:
            asked = time.monotonic()
            try:
                self._lineage = self.primary.server.stand().position
            except ConnectionFailed as error:
                self.primary.fails(error)
            except DatabaseError:  # a role that may not know
                pass
            else:
                self._samples.append((asked, self._lineage))
        return self._lineage

    def _in_order(self) -> list[Place]:
        """Replicas that answer; last those that were too far behind a moment ago."""
        now = time.monotonic()
        answering = [place for place in self._replicas if not place.is_out]
        late = [place for place in answering if place.is_late and place.late_until > now]
        return [*_two_choices([place for place in answering if place not in late]), *_two_choices(late)]

    def _try(
        self, place: Place, is_enough: Callable[[Stand], bool], patience: float, timeout: float | None, started: float
    ) -> PlacedSession | None:
        asked = time.monotonic()
        try:
            session, stand = place.server.open_when(timeout, is_enough, patience, place.stand)
        except Behind as behind:
            place.is_late, place.late_until = True, time.monotonic() + _LATE_SECONDS
            self._check_role(place, behind.stand)
            return None
        except (ConnectionFailed, DatabaseError, QueryTimeout) as error:
            place.fails(error)
            return None
        return self._placed(place, session, stand, asked, started)

    def _placed(
        self,
        place: Place,
        session: Session,
        stand: Stand,
        asked: float,
        started: float,
        *,
        is_timed: bool = False,
        unknown: int | None = None,
    ) -> PlacedSession:
        now = time.monotonic()
        place.works(stand, now - asked)
        self._ledger.saw(self.name, stand.position, is_primary=not place.is_replica, unknown=unknown)
        if place.is_replica:
            served = Served("replica", place.name, now - started, self._staleness(stand, now))
            return PlacedSession(session, place, stand, served)
        self._lineage = stand.position
        self._samples.append((asked, stand.position))
        # one that is a replica now says where it stands, and not how old that is
        served = Served("primary", None, now - started, is_unchecked=stand.is_replica and is_timed)
        return PlacedSession(session, place, stand, served)

    def _staleness(self, stand: Stand, now: float) -> float | None:
        """The latest moment of which the primary's position is known, and this server has it: so many seconds ago."""
        known = [asked for asked, position in list(self._samples) if contains(stand, position)]
        return now - max(known) if known else None

    def _open_unchecked(self, timeout: float | None, started: float) -> PlacedSession:
        """At the primary, which does not say where it stands: the url is all that there is to believe."""
        session = self.primary.server.open(timeout)
        served = Served("primary", None, time.monotonic() - started, is_unchecked=True)
        return PlacedSession(session, self.primary, NOWHERE, served)

    def _check_role(self, place: Place, stand: Stand) -> None:
        """Leave out what is no replica of this database (any more)."""
        if not stand.is_replica or not _is_of(stand.position, self._lineage):
            what = "is a copy of another cluster" if stand.is_replica else "is no replica: it takes writes"
            message = f"database {self.name!r}: {place.name} {what}"
            place.fails(StaleReplicaError(message, hint="Correct `replicas` in the catalog.", database=self.name))

    def _open_primary(
        self,
        timeout: float | None,
        started: float,
        floors: Sequence[Position] | None,
        *,
        is_only: bool = False,
        is_timed: bool = False,
    ) -> PlacedSession:
        """At the primary, which has everything, unless its history is another one than what was seen.

        With no floors at all (None) its state is the one that counts from now on. `is_only`: no other server will do.
        `is_timed`: it is asked for seconds.
        """
        is_only |= floors is None

        def _is_right(stand: Stand) -> bool:
            if is_only and stand.is_replica:
                return False
            return not stand.position.position or all(contains(stand, floor) for floor in floors or ())

        place = self.primary
        if not is_only and isinstance(place.why, ConnectionFailed):
            raise place.why  # it is asked in the background, and there are others
        asked, known, unknown = time.monotonic(), self._ledger.floor(self.name), self._ledger.unknown(self.name)
        try:
            session, stand = place.server.open_when(timeout, _is_right, 0.0 if self._replicas else LAST_WAIT)
        except Behind as behind:
            raise self._not_right(behind.stand, floors or (), is_only=is_only) from None
        except ConnectionFailed as error:
            place.fails(error)
            raise
        except DatabaseError as error:
            if not will_not_say(error):
                raise
            return self._open_unchecked(timeout, started)
        if floors is None and known is not None and not contains(stand, known):
            self._ledger.lost(self.name, known)
        return self._placed(place, session, stand, asked, started, is_timed=is_timed, unknown=unknown)

    def _not_right(self, stand: Stand, floors: Sequence[Position], *, is_only: bool) -> StaleReplicaError:
        if is_only and stand.is_replica:
            message = f"database {self.name!r}: the server at its url is a replica now, and a primary is asked for"
            return StaleReplicaError(message, hint="Correct the url in the catalog.", database=self.name)
        if stand.is_replica and not self._replicas:
            message = f"database {self.name!r}: the server at its url is a replica, without what was written or seen"
            return StaleReplicaError(message, hint="Try again, or give the primary's url.", database=self.name)
        if all(is_same_history(stand.position, floor) for floor in floors):
            what = f"stands at {stand.position.position}, without {', '.join(floor.position for floor in floors)}"
        else:
            what = f"is on another timeline or cluster ({_shown(stand.position)}) than {_shown(floors[0])}"
        message = (
            f"database {self.name!r}: the primary {what}, which this federation wrote or saw: it was failed over or "
            "restored, and something may be lost"
        )
        hint = 'Look what is there with freshness="strong"; from then on its state is the one that counts.'
        return StaleReplicaError(message, hint=hint, database=self.name, position=stand.position.position)

    def _open_late(
        self, is_enough: Callable[[Stand], bool], timeout: float | None, started: float, error: ConnectionFailed
    ) -> PlacedSession:
        """The primary is gone: whoever answers has longer."""
        for place in _two_choices([place for place in self._replicas if not place.is_out]):
            session = self._try(place, is_enough, LAST_WAIT, timeout, started)
            if session is not None:
                return session
        if all(place.is_out for place in self._replicas):
            raise error
        message = f"database {self.name!r}: no replica has what this federation wrote or saw, and the primary is gone"
        hint = 'Try again when it is back, or read what there is with freshness="any".'
        raise StaleReplicaError(message, hint=hint, database=self.name) from error

    def _probe_failed(self) -> None:
        """Ask those that failed, in the background."""
        now = time.monotonic()
        for place in (self.primary, *self._replicas):
            if place.is_out and place.out_until <= now and not place.is_probed:
                place.is_probed = True
                threading.Thread(target=self._probe, args=(place,), name=f"fedq-{self.name}-probe", daemon=True).start()

    def _probe(self, place: Place) -> None:
        started = time.monotonic()
        try:
            stand = place.server.stand()
            place.works(stand, time.monotonic() - started)
            if place.is_replica:
                self._check_role(place, stand)
        except FedqError as error:
            place.fails(error)
        finally:
            place.is_probed = False

    def close(self) -> None:
        """Close every connection."""
        for place in (self.primary, *self._replicas):
            place.server.close()


class _Reader:
    """A database whose sessions are as fresh as one query wants them."""

    def __init__(self, source: ReplicatedSource, reading: Reading) -> None:
        self.name, self._source, self._reading = source.name, source, reading
        self.list_tables, self.describe, self.statistics = source.list_tables, source.describe, source.statistics

    def open(self, timeout: float | None = None) -> Session:
        """A session."""
        return self._source.open_at(self._reading, timeout)

    def close(self) -> None:
        """Nothing: the federation closes the source."""


def _two_choices(places: Sequence[Place]) -> list[Place]:
    """Two random ones, mostly the less loaded and nearer first, then the others.

    The best of all would be everybody's best at once; and one that was slow is tried now and then, or it would stay so.
    """
    mixed = random.sample(places, len(places))
    if len(mixed) > 1:
        one, two = (min(place.load, _SLOWEST * min(each.load for each in mixed[:2])) for place in mixed[:2])
        if random.random() * (one + two) < one:
            mixed[0], mixed[1] = mixed[1], mixed[0]
    return mixed


def _is_of(position: Position, lineage: Position | None) -> bool:
    """Whether a replica is one of the cluster that the primary is of, as far as both say."""
    if lineage is None or not lineage.position:
        return True
    if position.engine != lineage.engine:
        return False
    if position.engine == "postgresql":
        return position.identity == lineage.identity
    return gtids(position.position).keys() >= gtids(lineage.position).keys()


def _may_be_of(position: Position, lineage: Position | None) -> bool:
    """Whether a position can be one of this cluster: a pooler leads from one address to several."""
    return lineage is None or lineage.engine != "postgresql" or position.identity == lineage.identity


def _shown(position: Position) -> str:
    timeline = f", timeline {position.timeline}" if position.timeline is not None else ""
    return f"{position.identity}{timeline}, {position.position}"
