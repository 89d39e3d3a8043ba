"""Work that a person can stop: it runs in a thread of its own while the caller's thread waits in small steps.

DuckDB and most drivers do not return to Python on Ctrl-C until they are done. So the caller only waits,
with `Event.wait` (a `Thread.join` that is interrupted can leave the thread marked as stopped while it runs), and tells
the work to stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from fedq.errors import QueryCancelled, QueryTimeout

T = TypeVar("T")

#: seconds between looks at the clock and for Ctrl-C
_STEP = 0.05
#: seconds that stopped work has to end by itself before it is left behind
_GRACE = 0.4


class Work(Generic[T]):
    """One task in its own thread."""

    def __init__(self, task: Callable[[], T]) -> None:
        self._task = task
        self._done = threading.Event()
        self._value: T
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            self._value = self._task()
        except BaseException as error:  # noqa: BLE001  carried to the caller's thread and raised there
            self._error = error
        finally:
            self._done.set()

    def result(self, stop: Callable[[], None], timeout: float | None) -> T:
        """The task's value. Ctrl-C and `timeout` (seconds) call `stop` and raise; control is back within half a second.

        Raises: QueryCancelled, QueryTimeout, or what the task raised.
        """
        started = time.monotonic()
        threading.Thread(target=self._run, name="fedq-query", daemon=True).start()
        try:
            while not self._done.wait(_STEP if timeout is None else min(_STEP, max(0.001, timeout))):
                if timeout is not None and time.monotonic() - started > timeout:
                    stop()
                    self._done.wait(_GRACE)
                    raise _timed_out(timeout)
        except KeyboardInterrupt:
            stop()
            self._done.wait(_GRACE)
            waited = time.monotonic() - started
            raise QueryCancelled(f"cancelled after {waited:.1f} s; nothing was changed, the next query works") from None
        if self._error is not None:
            raise self._error
        return self._value


def _timed_out(timeout: float) -> QueryTimeout:
    message = f"the query took longer than timeout = {timeout:g} s and was stopped, here and in the databases"
    return QueryTimeout(
        message, hint="Raise timeout, or ask for less: explain() shows what is pulled.", timeout=timeout
    )
