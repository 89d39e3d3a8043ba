"""Reads DuckDB files, read-only.

The file is attached to a private instance while somebody reads it, and detached when the last session is over (half a
millisecond each): a DuckDB file that is held open, even for reading, cannot be written by anybody else, and a notebook
with a federation in it must not stop the job that fills the file at night.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.fetch.duckdb.engine import DuckDBSession, Engine, error_facts, explained, refused_file, text
from fedq.fetch.duckdb.schema import Tables
from fedq.fetch.duckdb.statistics import statistics

Answer = TypeVar("Answer")
#: seconds in which a file may be written twice without its time of change telling
_YOUNG = 1.0
#: the name under which the file is attached
_ATTACHED = "fedq_source"


class DuckDBSource:
    """One DuckDB file."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self.policy = database.on_unrepresentable
        self.schemas = (database.schema or "main", *database.schemas)
        self.path = Path(database.url.removeprefix("duckdb:///"))
        self._engine = Engine(paths=(self.path, Path(f"{self.path}.wal")))
        self._lock = threading.Lock()
        self._readers = 0
        self._known: tuple[object, dict[PhysicalTable, TableSchema | None]] = (None, {})

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view of the configured schemas."""
        return self._ask(Tables.names)

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now, None where there is none."""
        stamp = self._stamp()
        seen, known = self._known
        if stamp is None or stamp != seen:
            known = {}
            self._known = (stamp, known)
        missing = [table for table in tables if table not in known]
        if missing:
            known.update(self._ask(lambda found: {table: found.describe(table) for table in missing}))
        return [known[table] for table in tables]

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What the file keeps of its tables' values; None of views."""
        return self._ask(lambda found: [statistics(found.cursor, schema) for schema in tables])

    def _stamp(self) -> object:
        """What changes with every write to the file; None when that cannot be told, the last write being too young."""
        found: list[tuple[int, int, int, int] | None] = []
        for path in (self.path, Path(f"{self.path}.wal")):
            try:
                state = path.stat()
            except OSError:
                found.append(None)
                continue
            if time.time() - state.st_mtime < _YOUNG:
                return None
            found.append((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))
        return tuple(found)

    def _ask(self, question: Callable[[Tables], Answer]) -> Answer:
        cursor = self._attached()
        try:
            return question(Tables(cursor, _ATTACHED, self.schemas, self.policy))
        except duckdb.Error as error:
            raise explained(self.name, *error_facts(error), None) from error
        finally:
            cursor.close()
            self._detach()

    def open(self, timeout: float | None = None) -> DuckDBSession:
        """A session over the file as it is now; nobody can change it until the session is closed."""
        cursor = self._attached()
        return DuckDBSession(self.name, cursor, timeout=timeout, done=self._detach)

    def _attached(self) -> duckdb.DuckDBPyConnection:
        """A cursor in a read-only transaction over the attached file. Raises: ConnectionFailed."""
        cursor = self._engine.cursor()
        try:
            with self._lock:
                if self._readers == 0:
                    cursor.execute(f"ATTACH {text(str(self.path))} AS {_ATTACHED} (TYPE duckdb, READ_ONLY)")
                self._readers += 1
        except duckdb.Error as error:
            cursor.close()
            raise refused_file(self.name, self.path, error) from error
        cursor.execute(f"USE {_ATTACHED}")
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return cursor

    def _detach(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                cursor = self._engine.cursor()
                try:
                    cursor.execute(f"DETACH {_ATTACHED}")
                finally:
                    cursor.close()

    def close(self) -> None:
        """Stop the instance; the file is free."""
        self._engine.close()
