"""Which fedq error an error of MySQL or its driver is, by its number.

1146 → TableNotFound     2013 → ConnectionLost     1969 → QueryTimeout     anything else of the server → DatabaseError
"""

from __future__ import annotations

from typing import Any

from fedq.errors import (
    ConnectionFailed,
    DatabaseError,
    FedqError,
    QueryTimeout,
    ReadOnlyError,
    TableNotFound,
)
from fedq.fetch.computed import ComputedThere, NoValue
from fedq.fetch.failures import broken

#: unreachable, unknown or refused: user, database, host, too many connections, TLS, authentication plugins
REFUSED = frozenset({
    1040, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1251, 1698, 1820, 1862, 2000, 2002, 2003, 2005, 2012, 2026, 2049,
    2054, 2058, 2059, 2061, 3118, 3159, 3955, 4151,
})  # fmt: skip
#: the connection is gone, or what came over it is no answer
GONE = frozenset({
    1053, 1077, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2020, 2027, 2055, 3168,
    3169, 4031,
})  # fmt: skip
#: one of GONE, because the server closes the connection
TOO_LONG = 1153
INTERRUPTED = 1317
TIMED_OUT = frozenset({1969, 3024})
READ_ONLY = frozenset({1290, 1792, 1836})
NO_TABLE = frozenset({1109, 1146})
WRONG_PASSWORD = frozenset({1044, 1045, 1698})
#: a value of the result was cut, or replaced by NULL, because it is longer than the server allows
CUT_SHORT = frozenset({1260, 1301})
#: a subquery of several rows: by that, `dialects/checked.py` makes an error of a date that is none
NO_VALUE = 1242
#: a computed number or moment does not fit its type: what DuckDB raises too
OUT_OF_RANGE = frozenset({1441, 1690})

#: what a driver stumbles over when the other side does not speak its protocol
GARBAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, NotImplementedError)


def number_of(error: BaseException) -> int | None:
    """The number of an error of the driver."""
    from pymysql.err import MySQLError

    is_numbered = isinstance(error, MySQLError) and error.args and isinstance(error.args[0], int)
    return int(error.args[0]) if is_numbered else None


def classify(error: BaseException, database: str, *, is_connecting: bool = False, where: str = "") -> FedqError:
    """The error to raise from `error`; `where` is host and port."""
    number = number_of(error)
    said = str(error.args[1]) if number is not None and len(error.args) > 1 else str(error)
    at = f" at {where}" if where else ""
    text = f"database {database!r}{at}: {said}" + (f" (MySQL error {number})" if number else "")
    facts: dict[str, Any] = {"database": database, "number": number}
    if number in REFUSED or is_connecting:
        return ConnectionFailed(text, hint=_connection_hint(number), **facts)
    if number == TOO_LONG:
        return DatabaseError(text, hint="The statement is longer than the server's max_allowed_packet.", **facts)
    if number is None or number in GONE:
        return broken(database, said, where=where, number=number)
    if number in TIMED_OUT:
        return QueryTimeout(text, hint="Raise `timeout`, or ask for less.", **facts)
    if number in NO_TABLE:
        return TableNotFound(text, **facts)
    if number in READ_ONLY:
        return ReadOnlyError(
            text, hint="Queries only read; write with `execute`, on a database that allows it.", **facts
        )
    if number == NO_VALUE:
        message = f"{text}: a date that is computed with is zero or partial, or a subquery has several rows"
        return NoValue(message, **facts)
    if number in OUT_OF_RANGE:
        return ComputedThere(text, hint="A value is too large for its type: cast it to a larger one.", **facts)
    return DatabaseError(text, **facts)


def _connection_hint(number: int | None) -> str:
    if number in WRONG_PASSWORD:
        return "Check the user and the password of this database in the catalog."
    if number == 1049:
        return "Check the database's name at the end of the URL."
    if number in (1040, 1203, 1226):
        return "The server has no connection left; lower max_connections in the catalog, or try again later."
    if number == 2026:
        return "Check sslmode and sslrootcert of this database in the catalog."
    return "Check that the server runs, and its host and port in the catalog."
