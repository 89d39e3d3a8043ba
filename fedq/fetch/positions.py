"""Where a database stands in its own history, and what a federation has written and seen of it.

    fed.execute(…) → Position(postgresql, LSN 0/4003920)  → Ledger ← what each read saw
    next read: is the replica's own position at or behind 0/4003920, of the same cluster and timeline?

By position and not by clock: an idle replica looks seconds late, one whose link is dead looks up to date. Only what the
primary wrote, compared with what a replica has replayed, tells. Timelines and identities are compared first, because a
promoted server counts on from where its history parted.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fedq.errors import ParameterError
from fedq.fetch.writer import Position

#: the headers of a page and of a segment of PostgreSQL's log: a position behind one is reached with the page's begin
_PAGE, _PAGE_HEADER, _SEGMENT, _SEGMENT_HEADER = 1 << 13, 0x18, 1 << 24, 0x28
#: seconds between two questions while a replica catches up: the first, and the longest
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0003, 0.005


@dataclass(frozen=True, slots=True)
class Stand:
    """What a server says of itself, in one answer."""

    position: Position
    """What it has replayed, or on a primary what it has written; an empty position where it keeps none."""
    is_replica: bool
    instance: str
    """This run of this server; its position never goes back. A pooler may lead to another one each time."""
    history: str = ""
    """MariaDB: the last GTID of each server that ever wrote, as far as its log says."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How fresh a query's reads must be."""

    freshness: str = "session"
    """session, any, strong, or seconds such as `5s`."""
    after: Mapping[str, Position | None] = field(default_factory=dict)
    """By database: what must have been reached, None for what no replica can be asked for."""
    is_pinned: bool = False

    @property
    def bound(self) -> float | None:
        """Seconds that a state may be old; None where time does not matter."""
        return None if self.freshness in ("session", "any", "strong") else float(self.freshness.rstrip("s"))

    @property
    def is_from_primary(self) -> bool:
        """Whether replicas are not asked at all."""
        return self.is_pinned or self.freshness == "strong"


class Behind(Exception):
    """A server did not reach a position in time."""

    def __init__(self, stand: Stand) -> None:
        super().__init__()
        self.stand = stand


def wait_until(ask: Callable[[], Stand], is_enough: Callable[[Stand], bool], seconds: float) -> Stand:
    """Ask until it is enough. Raises: Behind after so many seconds, and what `ask` raises."""
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while not is_enough(stand := ask()):
        if time.monotonic() >= deadline:
            raise Behind(stand)
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return stand


def lsn(text: str) -> int:
    """PostgreSQL's position as a number.

    >>> lsn("1/4003920") == (1 << 32) + 0x4003920
    True
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def gtids(text: str) -> dict[str, tuple[int, str]]:
    """MariaDB's position: by domain the sequence number and the GTID.

    >>> gtids("0-1-7,56-3-9")
    {'0': (7, '0-1-7'), '56': (9, '56-3-9')}
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return {part.split("-")[0]: (int(part.split("-")[2]), part) for part in parts}


def is_same_history(one: Position, other: Position) -> bool:
    """Whether two positions can be compared at all."""
    if one.engine != other.engine or not one.position or not other.position:
        return False
    # MariaDB's identity is the server's that wrote; its replicas have others, and the GTID's domain tells the history
    return one.engine != "postgresql" or (one.identity, one.timeline) == (other.identity, other.timeline)


def reaches(position: Position, floor: Position) -> bool:
    """Whether what a server has contains what a position stands for.

    >>> at = lambda text, timeline=1: Position("postgresql", "77", timeline, text)
    >>> reaches(at("0/20"), at("0/1F")), reaches(at("0/1F"), at("0/20")), reaches(at("0/20", 2), at("0/1F"))
    (True, False, False)
    """
    if not is_same_history(position, floor):
        return False
    if position.engine == "postgresql":
        return lsn(position.position) >= lsn(floor.position)
    have = gtids(position.position)
    return all(
        domain in have and (have[domain][0] > number or have[domain][1] == gtid)
        for domain, (number, gtid) in gtids(floor.position).items()
    )


def contains(stand: Stand, floor: Position) -> bool:
    """Whether a server has what a position stands for. GTIDs go on counting after a failover, so what the lost primary
    wrote last has a number that the new one passes; its log knows how far that primary's own writes came.

    >>> new = Stand(Position("mariadb", "101", None, "0-101-9"), False, "", history="0-100-7,0-101-9")
    >>> [contains(new, Position("mariadb", "100", None, gtid)) for gtid in ("0-100-7", "0-100-8")]
    [True, False]
    """
    if not reaches(stand.position, floor):
        return False
    last = {gtid.rpartition("-")[0]: int(gtid.rpartition("-")[2]) for gtid in stand.history.split(",") if gtid}
    known = (gtid.rpartition("-") for _, gtid in gtids(floor.position).values()) if last else ()
    return all(last.get(writer, int(number)) >= int(number) for writer, _, number in known)


def later(one: Position, other: Position) -> Position:
    """What contains both; they are of the same history."""
    if one.engine == "postgresql":
        return max(one, other, key=lambda each: lsn(each.position))
    both, new = gtids(one.position), gtids(other.position)
    both.update({domain: gtid for domain, gtid in new.items() if domain not in both or gtid[0] > both[domain][0]})
    return replace(other, position=",".join(gtid for _, gtid in sorted(both.values(), key=lambda gtid: gtid[1])))


class Ledger:
    """What one federation has written and seen, by database. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, Position] = {}
        self._count = 0
        self._unknown: dict[str, int] = {}
        self._lock = threading.Lock()

    def wrote(self, name: str, position: Position | None) -> None:
        """A commit, and where it stands; None where that is not known, or not even whether it was done."""
        with self._lock:
            if position is None:
                self._count += 1
                self._unknown[name] = self._count
            else:
                self._raise(name, position, is_primary=True)

    def saw(self, name: str, position: Position, *, is_primary: bool, unknown: int | None = None) -> None:
        """A read saw at most this; `unknown` is what was so before the primary was read, and is in what it read."""
        if not position.position:
            return
        with self._lock:
            if is_primary and self._unknown.get(name) == unknown:  # else more was written while it was read
                self._unknown.pop(name, None)
            self._raise(name, position, is_primary=is_primary)

    def _raise(self, name: str, position: Position, *, is_primary: bool) -> None:
        known = self._known.get(name)
        if known is not None and is_same_history(known, position):
            self._known[name] = later(known, position)
        elif known is None or is_primary:  # the primary's history is the one that goes on
            self._known[name] = position

    def lost(self, name: str, position: Position) -> None:
        """The primary does not have this: it is waited for no longer, unless more was written meanwhile."""
        with self._lock:
            if self._known.get(name) == position:
                del self._known[name]

    def floor(self, name: str) -> Position | None:
        """What the next read must contain."""
        return self._known.get(name)

    def unknown(self, name: str) -> int | None:
        """Which write it is that no replica can be asked for, the last one; None where there is none."""
        return self._unknown.get(name)

    def token(self) -> str:
        """All of it as JSON text."""
        with self._lock:
            places: dict[str, Any] = {name: position.as_dict() for name, position in self._known.items()}
            places |= dict.fromkeys(self._unknown)
        return json.dumps({"version": 1, "databases": places}, sort_keys=True)


def read_token(text: object) -> dict[str, Position | None]:
    """What `after=` says. Raises: ParameterError."""
    try:
        if not isinstance(text, str):
            raise TypeError(f"a token is a str, not {type(text).__name__}")
        data = json.loads(text)
        if data["version"] != 1:
            raise ValueError(f"its version is {data['version']!r}, and 1 is known")
        return {str(name): _position(each) for name, each in data["databases"].items()}
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        hint = "Pass what fed.token() or fed.execute(…).token returned."
        raise ParameterError(f"after= is no token: {error}", hint=hint) from error


def _position(data: Mapping[str, Any] | None) -> Position | None:
    if data is None:
        return None
    position = Position(data["engine"], str(data["identity"]), data["timeline"], str(data["position"]))
    if position.engine != "postgresql":
        gtids(position.position)
        return position
    number = lsn(position.position)
    # the next byte to be written stands behind a header that a replica has not seen while nothing is behind it
    if number % _SEGMENT == _SEGMENT_HEADER:
        number -= _SEGMENT_HEADER
    elif number % _PAGE == _PAGE_HEADER:
        number -= _PAGE_HEADER
    return replace(position, position=f"{number >> 32:X}/{number & 0xFFFFFFFF:X}")
