"""The folder that DuckDB spills to: private, removed at the end, and by the next process where this one was killed.

A kernel that is killed in the middle of a large join leaves gigabytes behind. Each folder holds a locked file; the
system lets go of the lock when its process is gone, however it went and in whatever container, which a process's number
would not tell. Whoever finds the lock free removes the folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "fedq-spill-"
_LOCK = "lock"


class Spill:
    """A new folder of this process; those of dead ones are removed on the way."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._process = os.getpid()
        self._lock = (self.folder / f"{_LOCK}.new").open("w")
        _take(self._lock)
        (self.folder / f"{_LOCK}.new").rename(self.folder / _LOCK)  # never seen without being held

    def remove(self) -> None:
        """Remove the folder with all that is in it. A forked child leaves it to its parent."""
        if self._process == os.getpid():
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _take(file: IO[str]) -> bool:
    """Whether nobody else holds this file."""
    try:
        import fcntl  # not on Windows, where what was abandoned stays
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            with lock.open() as file:
                if _take(file):
                    shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # somebody else's, or removed since
            continue
