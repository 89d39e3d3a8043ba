"""An asyncio event loop in a daemon thread, for a driver that is asynchronous in a program that is not.

The thread that asks waits on a future, not on a socket: it can always be set free at once (cancel, Ctrl-C, a deadline),
also when the network swallows every byte, and the loop cleans up behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_log = logging.getLogger("fedq")


class LoopThread:
    """A running event loop; `stop` ends it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(_note)
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine and wait for its result; `timeout` in seconds. An interrupted wait cancels it.

        Raises: TimeoutError, and whatever the coroutine raises.
        """
        future = self.submit(work)
        try:
            return future.result(timeout)
        finally:
            future.cancel()

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Start a coroutine nobody waits for; nothing happens when the loop has stopped."""
        if self.loop.is_closed():
            work.close()
        else:
            self.submit(work)

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function on the loop, soon; nothing happens when the loop has stopped."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        """End the loop and its thread; what was posted before is still done, what still runs is cancelled, so that
        nobody waits for it for ever."""
        if self.loop.is_closed():
            return
        self.post(self.loop.call_later, 0.01, self._end)  # transports close one turn after they are told to
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)
            if not self._thread.is_alive():
                self.loop.close()

    def _end(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_later(0.01, self.loop.stop)  # a cancelled task ends in a later turn


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The driver's remarks on connections that were cut on purpose belong in the log, not on the user's screen."""
    _log.debug("%s", context.get("message"), exc_info=context.get("exception"))
