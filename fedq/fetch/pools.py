"""Bounded pools of connections: at most `size` per database, idle ones reused, unusable ones dropped.

SQLAlchemy's QueuePool would do, but it needs a DB-API connection and checks by an exception of the driver; fedq's
connections are sometimes an asyncio protocol or a raw socket. What is needed is forty lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fedq.errors import ConnectionFailed
from fedq.undo import unless_done

C = TypeVar("C")
#: connections of one database, where the catalog has no `max_connections`
POOL_SIZE = 4


class Pool(Generic[C]):
    """Connections of one database. Thread-safe."""

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], C],
        close: Callable[[C], None],
        size: int = POOL_SIZE,
        wait: float = 30.0,
    ) -> None:
        self._name, self._connect, self._close = name, connect, close
        self._size, self._wait = size, wait
        self._idle: list[C] = []
        self._busy = 0
        self._spares: set[int] = set()
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """How many connections more may be used."""
        return self._size - self._busy

    def take(self) -> C:
        """An idle connection or a new one; waits up to `wait` seconds for one to be given back, and for spare ones as
        long as they are used: nobody is refused because another has two."""
        with self._changed:
            while not self._changed.wait_for(lambda: self.free > 0, self._wait):
                if self._spares:
                    continue
                message = f"database {self._name!r}: all {self._size} connections are in use, waited {self._wait:g} s"
                raise ConnectionFailed(
                    message,
                    hint="Close results that are still being read, or raise max_connections.",
                    database=self._name,
                )
            idle = self._claimed()
        return self._connected() if idle is None else idle

    def spare(self) -> C | None:
        """An idle connection or a new one; None where all are in use."""
        with self._changed:
            if self.free <= 0:
                return None
            idle = self._claimed()
        found = self._connected() if idle is None else idle
        self._spares.add(id(found))
        return found

    def _claimed(self) -> C | None:
        self._busy += 1
        return self._idle.pop() if self._idle else None

    def _connected(self) -> C:
        with unless_done(lambda: self._release(None)):
            return self._connect()

    def give(self, connection: C, *, is_usable: bool) -> None:
        """Give a connection back; one that is not usable is closed."""
        self._spares.discard(id(connection))
        if is_usable and not self._is_closed:
            self._release(connection)
        else:
            try:
                self._close(connection)
            finally:
                self._release(None)

    def _release(self, connection: C | None) -> None:
        with self._changed:
            self._busy -= 1
            if connection is not None:
                self._idle.append(connection)
            self._changed.notify()

    def close(self) -> None:
        """Close the idle connections; busy ones are closed when they are given back."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            self._close(connection)
