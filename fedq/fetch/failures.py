"""Two ends that a statement can come to in any database, in the same words: its time is over, its connection is gone.

The drivers say both in ways of their own, and by numbers of their own; what the user can do is the same everywhere.
"""

from __future__ import annotations

from typing import Any

from fedq.errors import ConnectionLost, QueryTimeout


def timed_out(database: str, timeout: float | None) -> QueryTimeout:
    """The statement ran longer than it may; `timeout` in seconds, None where nobody here set one: the server did.

    >>> timed_out("shop", 5.0).message
    "database 'shop': it took longer than its timeout of 5 s and was stopped"
    >>> timed_out("shop", None).message
    "database 'shop': it took longer than the server lets a statement run"
    """
    if timeout is None:
        message = f"database {database!r}: it took longer than the server lets a statement run"
        hint = "Raise the server's own limit (statement_timeout, max_statement_time) for this user, or ask for less."
        return QueryTimeout(message, hint=hint, database=database, timeout=None)
    message = f"database {database!r}: it took longer than its timeout of {timeout:g} s and was stopped"
    return QueryTimeout(message, hint="Raise timeout, or ask for less.", database=database, timeout=timeout)


def broken(database: str, said: str, *, where: str = "", **facts: Any) -> ConnectionLost:
    """The connection ended before the answer did; `said` is what the driver says of it, `where` host and port."""
    at = f" at {where}" if where else ""
    message = f"database {database!r}{at}: the connection broke: {said}"
    return ConnectionLost(message, hint="Nothing of the query was returned; run it again.", database=database, **facts)
