"""What was sent where, rows, bytes, seconds: one stream of events for progress, explain and tests.

A listener is a function of one event. It is called from the thread in which the thing happened, so it must be quick and
must not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement went to a database."""

    database: str
    fetch: str
    sql: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fetch waits for the keys that others bring."""

    database: str
    fetch: str
    for_fetches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shipped:
    """Keys go to a database with the statement that is sent next; `carrier` says how (see `plan.nodes.KeysSent`)."""

    database: str
    fetch: str
    column: str
    from_fetch: str
    keys: int
    carrier: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """A fetch was stopped after so many rows, and is asked again with keys."""

    database: str
    fetch: str
    rows: int


@dataclass(frozen=True, slots=True)
class Received:
    """More rows arrived; `rows` and `bytes` are totals of this fetch so far."""

    database: str
    fetch: str
    rows: int
    bytes: int
    expected_rows: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A fetch is complete."""

    database: str
    fetch: str
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Joining:
    """All pulls are done and the local engine computes the answer."""

    fetches: int


Event = Sent | Waiting | Shipped | Restarted | Received | Finished | Joining
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of somebody who does not listen."""
