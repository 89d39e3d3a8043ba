"""What asyncpg and PostgreSQL raise → fedq's errors, told apart by SQLSTATE and class, never by text.

28P01 at connect → ConnectionFailed     57014 after our timeout → QueryTimeout     25006 → ReadOnlyError
08*, 57P01, EOF  → ConnectionLost       42P01 → TableNotFound                      else  → DatabaseError
"""

from __future__ import annotations

import ssl

import asyncpg

from fedq.errors import (
    ColumnNotFound,
    ConnectionFailed,
    DatabaseError,
    FedqError,
    ReadOnlyError,
    TableNotFound,
)
from fedq.fetch.computed import ComputedThere
from fedq.fetch.failures import broken, timed_out

#: everything the driver raises when something is wrong on its side, the network's or the server's
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)

QUERY_CANCELED = "57014"
_CONNECT_HINTS = {
    "28P01": "Check the user in the URL and the password.",
    "28000": "The server does not let this user in from here (pg_hba.conf), or asks for another kind of login.",
    "3D000": "Check the name of the database in the URL.",
    "53300": "Lower max_connections of this database in the catalog, or raise it in the server.",
    "57P03": "The server is starting up or shutting down. Try again.",
    "42501": "The user may not connect to this database: GRANT CONNECT.",
}
_LOST = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
#: a computed number or moment does not fit its type: what DuckDB raises too
_OUT_OF_RANGE = ("22003", "22008")
_HINTS = {
    **dict.fromkeys(_OUT_OF_RANGE, "A value is too large for its type: cast it to a larger one."),
    "42P01": "No such table in the search path: check the name, or write schema.table.",
    "42703": "No such column: check the name.",
    "25006": "Queries only read; write with `execute`.",
    "42501": "Grant SELECT on it to the user of the URL.",
    "40001": "The server gave the snapshot up. Run the query again.",
    "55P03": "Another session holds a lock. Run the query again.",
    QUERY_CANCELED: "The server stopped it: its own statement_timeout, or its administrator.",
}


def connect_error(error: BaseException, database: str, target: str, timeout: float) -> ConnectionFailed:
    """Why a connection could not be made. `target` is user@host:port/name."""
    state = getattr(error, "sqlstate", None)
    hint = "Check that the server runs and that the host and port of the URL are right."
    if state is not None:
        hint = _CONNECT_HINTS.get(state, hint)
    elif isinstance(error, ssl.SSLError) or type(error) is ConnectionError:  # the latter: it does not encrypt
        message = f"database {database!r}: no secure connection to {target}: {_says(error)}"
        return ConnectionFailed(message, hint="Check sslmode and sslrootcert in the catalog.", database=database)
    elif isinstance(error, TimeoutError):
        return ConnectionFailed(
            f"database {database!r}: {target} did not answer in {timeout:g} s",
            hint="Check host, port and network, or raise connect_timeout.",
            database=database,
        )
    message = f"database {database!r}: cannot connect to {target}: {_says(error)}"
    return ConnectionFailed(message, hint=hint, database=database, sqlstate=state)


def read_error(error: BaseException, database: str, *, timeout: float | None = None, elapsed: float = 0.0) -> FedqError:
    """Why a statement failed on an open connection. `timeout` and `elapsed` in seconds."""
    state = getattr(error, "sqlstate", None)
    says = _says(error)
    if state == QUERY_CANCELED and timeout is not None and elapsed >= timeout * 0.9:
        return timed_out(database, timeout)
    if isinstance(error, asyncpg.PostgresError) and not _is_loss(error):
        message = f"database {database!r}: {says} ({state})"
        kinds: dict[str | None, type[FedqError]] = {
            "42P01": TableNotFound, "42703": ColumnNotFound, "25006": ReadOnlyError,
            **dict.fromkeys(_OUT_OF_RANGE, ComputedThere),
        }  # fmt: skip
        hint = _HINTS.get(state or "") or getattr(error, "hint", None) or "The words are PostgreSQL's own."
        return kinds.get(state, DatabaseError)(message, hint=hint, database=database, sqlstate=state)
    return broken(database, says, sqlstate=state)


def without_frames(error: BaseException) -> BaseException:
    """The error and those before it without their frames: asyncpg's hold the password as a local variable.

    A traceback that prints variables (IPython's `%xmode Verbose`) would show it.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        current.__traceback__ = None
        current = current.__cause__ or current.__context__
    return error


def _is_loss(error: asyncpg.PostgresError) -> bool:
    state = error.sqlstate or ""
    return state in _LOST or state.startswith("08") or isinstance(error, asyncpg.ConnectionDoesNotExistError)


def _says(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
