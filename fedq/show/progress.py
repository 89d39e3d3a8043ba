"""What a long query is doing, one line, after a second: `crm 120,000 rows (3.2 MB) · shop waiting · 4 s`.

Events arrive in worker threads and only change counters; a thread of its own draws them a few times a second, so that a
slow display never slows a pull, and a query that is done within a second draws nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

from fedq.events import Event, Finished, Joining, Received, Sent
from fedq.result.draw import bytes_text, visible


class Display(Protocol):
    """Somewhere a line can be shown, replaced and removed."""

    def show(self, text: str) -> None:
        """Show the line in place of the one before."""

    def clear(self) -> None:
        """Remove it."""


@dataclass(slots=True)
class _Pull:
    database: str
    rows: int = 0
    bytes: int = 0
    expected: float | None = None
    is_done: bool = False


class Progress:
    """Counters of one query; call it with events, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}
        self._is_joining = False
        self._began = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            if isinstance(event, Joining):
                self._is_joining = True
                return
            pull = self._pulls.setdefault(event.fetch, _Pull(event.database))
            if isinstance(event, Received | Finished):
                pull.rows, pull.bytes = event.rows, event.bytes
            if isinstance(event, Received):
                pull.expected = event.expected_rows
            if isinstance(event, Sent):
                self._is_joining = False  # a further round of pulls
            pull.is_done = isinstance(event, Finished)

    def text(self) -> str:
        """The state in one line."""
        with self._lock:
            names = dict.fromkeys(pull.database for pull in self._pulls.values())
            parts = [_line(name, [pull for pull in self._pulls.values() if pull.database == name]) for name in names]
            if self._is_joining:
                parts.append("joining")
        seconds = int(time.monotonic() - self._began)
        return " · ".join([*(parts or ["working"]), f"{seconds} s"])


def _line(name: str, pulls: list[_Pull]) -> str:
    rows = sum(pull.rows for pull in pulls)
    expected = sum(max(pull.expected or 0, pull.rows) for pull in pulls)
    is_done = all(pull.is_done for pull in pulls)
    if not rows and not is_done:
        return f"{visible(name)} waiting"
    share = f" of about {expected:,.0f}" if expected > rows * 1.05 and not is_done else ""
    mark = " ✓" if is_done else ""
    return f"{visible(name)} {rows:,}{share} rows ({bytes_text(sum(pull.bytes for pull in pulls))}){mark}"


class Terminal:
    """The last line of a terminal, on stderr."""

    def show(self, text: str) -> None:
        """Write over the line."""
        print(f"\r\x1b[K{text[:200]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Empty the line."""
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def shown(display: Display | None, *, after: float = 1.0, every: float = 0.25) -> Iterator[Progress]:
    """Draw the progress of what happens inside, when it takes longer than `after` seconds; None draws nothing."""
    progress, done = Progress(), threading.Event()
    if display is None:
        yield progress
        return

    def _draw() -> None:
        if done.wait(after):
            return
        last = ""
        try:
            while not done.wait(every):
                text = progress.text()
                if text != last:
                    display.show(text)
                    last = text
        finally:
            if last:
                display.clear()

    # a copy of the context: Jupyter finds the cell an output belongs to in it
    thread = threading.Thread(target=copy_context().run, args=(_draw,), name="fedq-progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        done.set()
        thread.join(1.0)
