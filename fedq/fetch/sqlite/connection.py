"""One connection to a SQLite file: opened read-only, fenced, interruptible, and its errors in fedq's words."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from fedq.errors import (
    ConnectionFailed,
    DatabaseError,
    DriverMissing,
    FedqError,
    QueryCancelled,
    QueryTimeout,
    ReadOnlyError,
)
from fedq.fetch.failures import timed_out

#: `PRAGMA table_list` and STRICT tables
_OLDEST = (3, 37, 0)
#: SQLite instructions between two looks at the clock: a few milliseconds
STEPS = 100_000
_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
_CHANGES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_REFUSED_FUNCTIONS = ("load_extension", "fts3_tokenizer")
_PRAGMAS = (
    "schema_version", "table_list", "table_xinfo", "index_list", "index_info", "encoding", "page_count", "page_size",
    "data_version",
)  # fmt: skip
_ASKED_OF_ONE = ("table_list", "table_xinfo", "index_list", "index_info")
_LOCKS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNREADABLE = (
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)  # fmt: skip


class Limit:
    """What stops a session: its deadline, or somebody who cancels. Asked by SQLite itself every few milliseconds."""

    __slots__ = ("deadline", "is_cancelled", "timeout")

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.is_cancelled = False

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def reached(self) -> bool:
        """Whether to stop now."""
        return self.is_cancelled or self.is_over

    def error(self, database: str) -> QueryCancelled | QueryTimeout:
        """What a session raises that was stopped."""
        if self.is_cancelled or self.timeout is None:
            return QueryCancelled()
        return timed_out(database, self.timeout)


class Connection:
    """A read-only connection to the file that stands at `path` now."""

    def __init__(self, database: str, path: Path, busy_timeout: float) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            message = f"database {database!r}: Python's SQLite is {sqlite3.sqlite_version}, fedq needs 3.37 or newer"
            raise DriverMissing(message, hint="Use a newer Python or the one of conda-forge.", database=database)
        self.database, self.path, self.busy_timeout = database, path, busy_timeout
        self.identity = identity(path)
        try:
            self.raw = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise explained(error, database, path, is_opening=True) from error
        self.raw.set_authorizer(_authorize)

    @property
    def is_current(self) -> bool:
        """Whether the path still names the file that was opened."""
        return self.identity is not None and identity(self.path) == self.identity

    def begin(self, limit: Limit) -> None:
        """Start a transaction and fix its snapshot; waits for a lock, but not longer than `busy_timeout` or the limit.

        SQLite's own busy handler cannot be interrupted, so the waiting is done here.

        Raises: ConnectionFailed, QueryCancelled, QueryTimeout.
        """
        self.raw.set_progress_handler(limit.reached, STEPS)
        give_up = time.monotonic() + self.busy_timeout
        pause = 0.001
        while True:
            try:
                self.raw.execute("BEGIN")
                self.raw.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
                return
            except sqlite3.Error as error:
                self.end()
                if limit.reached():
                    raise limit.error(self.database) from error
                if primary_code(error) not in _LOCKS or time.monotonic() > give_up:
                    raise explained(error, self.database, self.path, is_opening=True) from error
                self.raw.set_progress_handler(limit.reached, STEPS)
            time.sleep(pause)
            pause = min(0.05, pause * 2)

    def end(self) -> None:
        """End the transaction, if there is one."""
        self.raw.set_progress_handler(None, 0)
        self.raw.text_factory = str
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self.raw.close()


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one put in its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code; None for an error of Python's module itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def explained(
    error: sqlite3.Error | sqlite3.Warning,
    database: str,
    path: Path,
    *,
    sql: str | None = None,
    is_opening: bool = False,
) -> FedqError:
    """A driver's error as one of fedq's, by its code."""
    code, where = primary_code(error), f"database {database!r}"
    if code in _LOCKS:
        hint = "Another program is writing to it or holds it exclusively: try again, or raise the option busy_timeout."
        return ConnectionFailed(f"{where}: {path} is locked", hint=hint, database=database, path=str(path))
    if is_opening or code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN):
        if not path.exists():
            hint = "Check the path in the catalog; relative paths are relative to the catalog's folder."
            return ConnectionFailed(f"{where}: there is no file {path}", hint=hint, database=database, path=str(path))
        if code in _UNREADABLE:
            hint = "Check that it is a SQLite database, and that its folder may be written if it is in WAL mode."
            if code == sqlite3.SQLITE_READONLY and Path(f"{path}-journal").exists():  # only a writer may roll it back
                hint = (
                    f"A writer died in the middle and left {path}-journal: open the file once with the sqlite3 program."
                )
            message = f"{where}: {path} cannot be read as a SQLite database: {error}"
            return ConnectionFailed(message, hint=hint, database=database, path=str(path))
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
        message = f"{where}: SQLite refused the statement, for only reading is allowed here: {error}"
        return ReadOnlyError(message, hint="Use execute() to write.", database=database, statement=sql)
    return DatabaseError(f"{where}: SQLite says: {error}", database=database, statement=sql, sqlite_errorcode=code)


def _authorize(action: int, one: str | None, two: str | None, schema: str | None, trigger: str | None) -> int:
    """Reading passes, everything else is refused: a second fence, for `mode=ro` lets ATTACH make files."""
    if action in _READS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if (two or "").lower() in _REFUSED_FUNCTIONS else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA:
        is_question = two is None or (one or "").lower() in _ASKED_OF_ONE
        return sqlite3.SQLITE_OK if (one or "").lower() in _PRAGMAS and is_question else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_TRANSACTION:  # the session's own BEGIN and ROLLBACK
        return sqlite3.SQLITE_OK
    # virtual tables prepare their writes when they are opened; on a database opened with mode=ro, none can be run
    is_prepared = action in _CHANGES and schema == "main"
    return sqlite3.SQLITE_OK if is_prepared else sqlite3.SQLITE_DENY
