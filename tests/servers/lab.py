"""A cluster for a notebook: PostgreSQL, two replicas, gone when the kernel is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.replication import PostgresCluster

_REAPER = Path(__file__).with_name("reaper.py")
#: what keeps the reapers waiting: they act when this process ends, however it ends
_PIPES: list[subprocess.Popen[bytes]] = []


def postgres() -> PostgresCluster:
    """A primary and two replicas in a temporary directory. Raises: ServerUnavailable."""
    run = Path(tempfile.mkdtemp(prefix="fedq-lab-"))
    run.chmod(0o711)
    command = [sys.executable, "-I", "-S", str(_REAPER), str(run)]
    _PIPES.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
    return PostgresCluster.start(run / "server")


def watch(cluster: PostgresCluster, is_going: Callable[[], bool]) -> list[tuple[float, str, int]]:
    """Where each server stands, again and again: seconds since the start, its name, bytes of log since the start."""
    from fedq.fetch.positions import lsn

    names: dict[int | None, str] = {None: "primary"}
    names |= {number: f"replica{number + 1}" for number in range(len(cluster.replicas))}
    started, begin, found = time.monotonic(), lsn(cluster.position()), []
    while is_going():
        for number, name in names.items():
            found.append((time.monotonic() - started, name, lsn(cluster.position(number)) - begin))
        time.sleep(0.02)
    return found
