"""The journal of two-phase commits: one file per transaction, on disk before anything is prepared.

    {"state": "preparing", "databases": {"shop": "fedq:3f…:shop", "crm": "fedq:3f…:crm"}, "urls": {"shop": …}}

A transaction whose file says "committing" is committed by `recover()`, any other is rolled back. The file is locked
while its transaction lives, so that nobody recovers what is still being done.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedq.errors import DatabaseError

PREFIX = "fedq:"


def new_gid() -> str:
    """A global name that no other transaction has.

    >>> new_gid().startswith("fedq:")
    True
    """
    return PREFIX + uuid.uuid4().hex


def folder() -> Path:
    """Where the journal is kept: $XDG_STATE_HOME/fedq, by default ~/.local/state/fedq."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "fedq" / "transactions"


@dataclass(slots=True)
class Entry:
    """One transaction's file, locked."""

    path: Path
    handle: int
    gids: Mapping[str, str]
    """The transaction's name in each database."""
    urls: Mapping[str, str]
    """Which database each was, without its password: another catalog may call another one so."""
    is_decided: bool = False
    """Whether it is to be committed."""

    @classmethod
    def create(cls, gid: str, gids: Mapping[str, str], urls: Mapping[str, str]) -> Entry:
        """A new file, on disk when this returns. Raises: DatabaseError where it cannot be written."""
        import fcntl  # not on Windows, where only this cannot be done

        path = folder() / f"{gid.removeprefix(PREFIX)}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            entry = cls(path, handle, gids, urls)
            entry._put("preparing")
            _sync(path.parent)
        except OSError as error:
            message = f"the journal of two-phase commits cannot be written: {error}"
            raise DatabaseError(message, hint="Set XDG_STATE_HOME to a folder that can be written.") from error
        return entry

    def decide(self) -> None:
        """From now on it is to be committed, whatever happens."""
        self._put("committing")
        self.is_decided = True

    def _put(self, state: str) -> None:
        # one line per state, appended: a torn write leaves the line before it whole
        line = json.dumps({"state": state, "databases": dict(self.gids), "urls": dict(self.urls)}) + "\n"
        os.write(self.handle, line.encode())
        os.fsync(self.handle)

    def remove(self) -> None:
        """It is finished everywhere."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)

    def undo(self) -> None:
        """It is to be rolled back, by `recover()` where that could not be done."""
        try:
            self._put("undoing")
        except OSError:  # the file may say that it is to be committed: without it nobody decides but a person
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave it to `recover()`."""
        os.close(self.handle)


def left_over() -> Iterator[Entry]:
    """The entries nobody works on any more, locked."""
    import fcntl

    for path in sorted(folder().glob("*.json")):
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        states = [found for line in path.read_text().splitlines(keepends=True) if (found := _state(line)) is not None]
        last = states[-1] if states else {}
        is_decided = last.get("state") == "committing"
        yield Entry(path, handle, last.get("databases", {}), last.get("urls", {}), is_decided)


def under_way() -> set[str]:
    """The names of the transactions that have a file, which somebody may be working on."""
    return {PREFIX + path.stem for path in folder().glob("*.json")}


def name_of(gid: str) -> str:
    """The transaction of a name that it has in one database.

    >>> name_of("fedq:3f:shop"), name_of("fedq:3f::1")
    ('fedq:3f', 'fedq:3f')
    """
    return PREFIX + gid.removeprefix(PREFIX).partition(":")[0]


def _state(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line)) if line.endswith("\n") else None
    except ValueError:
        return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
