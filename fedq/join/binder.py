"""DuckDB's binder over empty tables that stay: a text over tables that were seen before costs its binding alone.

    describe('select sum(total) from "orders@1"', …)      CREATE "orders@1" (total …); DESCRIBE select …
    describe('select max(total) from "orders@1"', …)                                   DESCRIBE select …

The bench of a query makes its tables when rows arrive for them. Making all of them only to bind took longer than
binding: a table of a rewritten query is another one than that of the query as it was written.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from fedq import forks
from fedq.join.duckdb import Bench, Engine, Shell
from fedq.types import Type

#: texts after which the tables are made anew, for names that nobody uses any more
_MOST = 1_000


class Binder:
    """One bench that only ever binds. Thread-safe; opened when the first text needs it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begin()
        forks.tell(self)

    def _begin(self) -> None:
        self._bench: Bench | None = None
        self._lock = threading.Lock()
        self._count = 0

    def begin_in_child(self) -> None:
        """A DuckDB does not survive a fork."""
        forks.leave(self._bench)
        self._begin()

    def describe(self, text: str, params: Mapping[str, Any], tables: tuple[Shell, ...]) -> list[tuple[str, Type]]:
        """Names and types of the result's columns over these tables.

        Raises: InvalidQuery and what else DuckDB's refusals become.
        """
        with self._lock:
            if self._count >= _MOST:
                self._close()
            if self._bench is None:
                self._bench, self._count = self._engine.bench(), 0
            self._count += 1
            return self._bench.describe(text, params, tables)

    def close(self) -> None:
        """Drop the tables."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._bench is not None:
            self._bench.close()
        self._bench = None
