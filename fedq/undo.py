"""What is undone unless a block ends of itself: one place for everything that nobody else would give back.

connection = pool.take()
with unless_done(lambda: pool.give(connection, is_usable=False)):
    begin(connection)                    an error, Ctrl-C: the place in the pool is free again
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def unless_done(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` when the block is left by an exception of any kind, Ctrl-C too, and let that go on.

    >>> with unless_done(lambda: print("undone")):
    ...     print("done")
    done
    >>> try:
    ...     with unless_done(lambda: print("undone")):
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     print("not swallowed")
    undone
    not swallowed
    """
    with ExitStack() as stack:
        stack.callback(undo)
        yield
        stack.pop_all()
