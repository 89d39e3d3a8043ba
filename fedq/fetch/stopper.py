"""What ends a session before its time: `cancel()` or its timeout, from any thread and without a gap.

    with stopper.running():      raises when the session was stopped already
        … the driver works …     a stop from now on reaches it, however often it takes

Asking a driver to interrupt has a gap: between looking whether the session was stopped and the start of the statement,
an interrupt finds nothing to interrupt and is forgotten. So it is repeated until the statement has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fedq.errors import QueryCancelled, QueryTimeout
from fedq.fetch.failures import timed_out

#: seconds between two interrupts, doubled every time
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5


class Stopper:
    """The end of one session; `interrupt` asks the driver to stop what it does, and may be called from any thread."""

    def __init__(self, database: str, timeout: float | None, interrupt: Callable[[], None]) -> None:
        self._database, self._timeout, self._interrupt = database, timeout, interrupt
        self._lock = threading.Lock()
        self._is_running = self._is_closed = self._is_cancelled = self._is_late = False
        self._timer: threading.Timer | None = None
        if timeout is not None:
            self._timer = threading.Timer(timeout, self._stop, kwargs={"is_late": True})
            self._timer.daemon = True
            self._timer.start()

    @property
    def has_stopped(self) -> bool:
        """Whether the session was cancelled, or its time is over."""
        return self._is_cancelled or self._is_late

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the driver works. Raises: QueryCancelled, QueryTimeout when the session was stopped before."""
        with self._lock:
            if self.has_stopped or self._is_closed:
                raise self.error()
            self._is_running = True
        try:
            yield
        finally:
            with self._lock:
                self._is_running = False

    def error(self) -> QueryCancelled | QueryTimeout:
        """What a stopped session raises."""
        if self._is_late and not self._is_cancelled:
            return timed_out(self._database, self._timeout)
        return QueryCancelled()

    def cancel(self) -> None:
        """Stop the running statement and refuse further ones."""
        self._stop(is_late=False)

    def _stop(self, *, is_late: bool) -> None:
        with self._lock:
            if is_late:
                self._is_late = True
            else:
                self._is_cancelled = True
        if self._interrupted():
            threading.Thread(target=self._insist, daemon=True).start()

    def _insist(self) -> None:
        pause = _FIRST_PAUSE
        while self._interrupted():
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _interrupted(self) -> bool:
        """Whether something ran that was interrupted now; under the lock, so that the driver is not closed then."""
        with self._lock:
            if not self._is_running or self._is_closed:
                return False
            self._interrupt()
            return True

    def close(self) -> bool:
        """No statement will follow; False when that was said before."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if self._timer is not None:
            self._timer.cancel()
        return not was_closed
