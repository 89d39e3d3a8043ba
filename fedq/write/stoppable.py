"""A write that can be stopped: it runs in a thread of its own, while the caller's thread waits in small steps.

    caller     waits …     Ctrl-C, timeout, cancel()        QueryCancelled, QueryTimeout
    write      UPDATE …    interrupted in the database      ROLLBACK, connection closed
    write      UPDATE, COMMIT sent                          too late to stop: the caller gets the answer
    write      COMMIT sent, and no answer for 5 s           the caller is told to look whether it arrived

Most drivers come back to Python only when their statement is done, so the thread that sent it cannot be the one that
stops it. Before a commit is sent the write decides: a stop before that is a rollback, one after it comes too late. So
what was said to be cancelled is never there, and what is there was never said to be cancelled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from fedq.errors import QueryCancelled, QueryTimeout, warn

T = TypeVar("T")
#: seconds between looks at the clock and for Ctrl-C
_STEP = 0.05
#: seconds that a stopped write has to undo what it did, before it is left to do so alone
_GRACE = 2.0
#: seconds beyond its timeout that a write has to be answered which came too far to be stopped
_ANSWER = 5.0
_LOOK = "Query whether it is there; fed.recover() finishes a commit over several databases."
#: seconds between two interrupts, doubled every time: the first may come before the statement does
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


class Writing:
    """One write, or one commit. `stop` may be called from any thread."""

    def __init__(self, timeout: float | None = None) -> None:
        self._timeout, self._started = timeout, time.monotonic()
        self._lock = threading.Lock()
        self._done, self._over = threading.Event(), threading.Event()
        self._interrupts: list[Callable[[], None]] = []
        self._is_stopped = self._is_late = self._is_decided = False
        self.notes: list[Warning] = []
        """What whoever waits for it is warned of when it is written."""
        self.unanswered: Callable[[], object] = lambda: None
        """What is done when it is waited for no longer, though it may be written yet."""
        self._value: Any = None
        self._error: BaseException | None = None

    def reach(self, interrupt: Callable[[], None]) -> None:
        """From now on a stop calls this, again and again, until the write has ended. Raises: when it was stopped."""
        with self._lock:
            self._interrupts.append(interrupt)
        self.check()

    def check(self) -> None:
        """Raises: QueryCancelled, QueryTimeout when the write was stopped."""
        if self._is_stopped:
            raise self._stop_error()

    @contextmanager
    def within(self) -> Iterator[None]:
        """What is reached within it is not when it is over."""
        with self._lock:
            kept = len(self._interrupts)
        try:
            yield
        finally:
            with self._lock:
                del self._interrupts[kept:]

    def decide(self) -> None:
        """From now on a stop comes too late. Raises: QueryCancelled, QueryTimeout when it came before."""
        with self._lock:
            self.check()
            self._is_decided = True

    def settle(self) -> None:
        """It is written, and a stop comes too late."""
        with self._lock:
            self._is_decided = True

    def again(self) -> None:
        """Nothing was committed after all. Raises: QueryCancelled, QueryTimeout when it was stopped meanwhile."""
        with self._lock:
            self._is_decided = False
            self._interrupts.clear()
            self._over.clear()
            self.notes.clear()
        self.check()

    def leave(self) -> None:
        """What follows undoes the write, and is not interrupted."""
        with self._lock:
            self._over.set()

    def stop(self, *, is_late: bool = False) -> bool:
        """Stop the write; False when it is too late."""
        with self._lock:
            is_first, self._is_stopped = not self._is_stopped, True
            self._is_late = self._is_late or (is_late and is_first)
            is_decided = self._is_decided
        if is_first and not is_decided:
            threading.Thread(target=self._insist, name="fedq-stop", daemon=True).start()
        return not is_decided

    def _insist(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._lock:  # so that nothing is interrupted once the write has left
                if self._over.is_set() or self._is_decided:
                    return
                for interrupt in self._interrupts:
                    interrupt()
            self._over.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def result(self, task: Callable[[Writing], T]) -> T:
        """What the task returns. Raises: what it raises, QueryCancelled, QueryTimeout."""
        threading.Thread(target=copy_context().run, args=(self._run, task), name="fedq-write", daemon=True).start()
        is_pressed = False
        while True:
            try:
                self._wait()
                break
            except KeyboardInterrupt:
                if not self.stop() and is_pressed:
                    break
                is_pressed = True
        if not self._done.is_set():
            self.unanswered()
            raise self._stop_error()
        if self._error is None:
            value: T = self._value
            return value
        if self._is_stopped and not self._is_decided:
            raise self._stop_error() from (self._error if isinstance(self._error, Exception) else None)
        assert self._error is not None
        raise self._error

    def _run(self, task: Callable[[Writing], object]) -> None:
        try:
            self._value = task(self)
        except BaseException as error:  # noqa: BLE001  carried to the caller's thread and raised there
            self._error = error
        finally:
            self.leave()
            self._done.set()

    def _wait(self) -> None:
        step = _STEP if self._timeout is None else min(_STEP, self._timeout)
        while not self._done.wait(step):
            late = 0.0 if self._timeout is None else time.monotonic() - self._started - self._timeout
            if late > 0:
                self.stop(is_late=True)
            if self._is_stopped and not self._is_decided:
                self._done.wait(_GRACE)
                return
            if late > _ANSWER:
                return

    def _stop_error(self) -> QueryCancelled | QueryTimeout:
        is_answered = self._over.is_set() or self._done.is_set()
        end = "undone" if is_answered else "the database has not answered yet: look at it before you write again"
        is_sent = self._is_decided and not is_answered
        if self._is_late:
            stopped = "its commit was sent" if is_sent else "was stopped"
            message = f"the write took longer than timeout = {self._timeout:g} s and {stopped}; {end}"
            hint = _LOOK if is_sent else "Raise timeout, or write less at once."
            return QueryTimeout(message, hint=hint, timeout=self._timeout)
        stopped = "was waited for no longer, its commit was sent," if is_sent else "was cancelled"
        return QueryCancelled(f"the write {stopped} after {time.monotonic() - self._started:.1f} s; {end}")


def conduct(running: set[Writing], task: Callable[[Writing], T], timeout: float | None = None) -> T:
    """Do a write that `timeout` (seconds), Ctrl-C and whoever looks into `running` can stop."""
    writing = Writing(timeout)
    running.add(writing)
    try:
        value = writing.result(task)
    finally:
        running.discard(writing)
    for note in writing.notes:
        warn(note)
    return value
