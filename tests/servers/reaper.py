"""Stops every server of a test run and removes the run's directory, when pytest ends or dies.

    pytest ──pipe──> reaper      end of file on the pipe = pytest is gone: exit, Ctrl-C, kill -9 alike

Not an atexit hook: that does not run when pytest is killed, and a worker of pytest-xdist would stop servers that the
other workers still use. Run by path with the standard library only, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path


def belongs(pid: int, run: Path) -> bool:
    """True if the process is one of this run's: a process id may have been given to somebody else meanwhile."""
    try:
        return str(run).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def reap(run: Path) -> None:
    """Stop what runs in `run`, remove it."""
    pids = [int(text) for file in run.glob("**/pid") if (text := file.read_text().strip()).isdigit()]
    # SIGQUIT is PostgreSQL's "immediate": unlike kill -9 it takes the backends along. MariaDB is one process.
    for number in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + 5
        for pid in filter(lambda pid: belongs(pid, run), pids):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, number)
        while any(belongs(pid, run) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.02)
    shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    reap(Path(sys.argv[1]))
