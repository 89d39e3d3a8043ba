"""What a process that was forked off does with what it inherited: it begins anew, and leaves its parent's things alone.

    fed.query(…)                 a pool of threads, a DuckDB, connections
    os.fork()                    in the child: threads are gone, connections are two processes'
    fed.query(…)                 everything is opened again, by the child for itself

Not a look at the process's number before each use: a lock that another thread of the parent held is held for ever in
the child, and only a fresh one is free.
"""

from __future__ import annotations

import ctypes
import os
from typing import Protocol
from weakref import WeakSet


class Heir(Protocol):
    """What must know that it is in another process now."""

    def begin_in_child(self) -> None:
        """Have nothing open, and fresh locks."""


_heirs: WeakSet[Heir] = WeakSet()


def tell(heir: Heir) -> None:
    """From now on, `heir` is told when it finds itself in a forked child."""
    _heirs.add(heir)


def leave(*things: object) -> None:
    """Never let these go: a DuckDB's end waits for threads that are not there, a connection's end says goodbye to the
    server in the parent's name."""
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _begin_in_child() -> None:
    for heir in tuple(_heirs):
        heir.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
