"""Who may read several databases at once, so that no two queries wait for each other's connections.

    query A   holds the last connection of crm,  waits for one of shop      both for ever
    query B   holds the last connection of shop, waits for one of crm

A query that reads several databases takes a seat at each of them first, always in the same order, and connects only
then, side by side. A database has as many seats as a pool of it has connections, so whoever has all its seats gets its
connections, or waits for queries of one database alone, which wait for nobody, or for a second connection that reads a
part of a table: it has no seat, but is only taken where it is free, and given back when the part is read. Opening the
connections themselves in order would do as well, for one round trip after the other in every query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

#: seconds between looks at whether the query was cancelled
_STEP = 0.2


class Seats:
    """The seats of each database; one without an entry has no end of them. Thread-safe."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._free = {database: threading.Semaphore(size) for database, size in sizes.items()}

    @contextmanager
    def taken(self, databases: Iterable[str], check: Callable[[], None]) -> Iterator[None]:
        """A seat at each of the databases; `check` is called while it is waited for, and may raise."""
        with ExitStack() as given_back:
            for database in sorted(set(databases) & self._free.keys()):
                while not self._free[database].acquire(timeout=_STEP):
                    check()
                given_back.callback(self._free[database].release)
            yield
