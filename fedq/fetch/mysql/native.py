"""Statements that the user wrote for the server: what may run, and which types come back.

native("select f, b from t for update")  → refused
native("select d, count(*) n from t …")  → DATE, BIGINT, as the server says
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fedq.catalog.schema import Column
from fedq.errors import NotAllowed
from fedq.fetch.mysql.binary import FLOAT
from fedq.fetch.mysql.errors import number_of
from fedq.fetch.mysql.wire import Field, Wire
from fedq.fetch.source import Output
from fedq.types import MOST_DIGITS, Type

_ALLOWED = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "HELP", "CHECKSUM")
#: MySQL does not prepare these; a text that begins so is one of these
_NEVER_PREPARED = ("SHOW ", "EXPLAIN ", "DESCRIBE ", "DESC ", "HELP ", "CHECKSUM ")
_NOT_PREPARED = 1295
_FILES = ("OUTFILE", "DUMPFILE")
_UNSIGNED = 32
_BINARY = 63
_INTEGERS = {1: "TINYINT", 2: "SMALLINT", 3: "INTEGER", 8: "BIGINT", 9: "INTEGER"}
_OTHERS = {
    4: "FLOAT", 5: "DOUBLE", 6: "INTEGER", 7: "TIMESTAMPTZ", 10: "DATE", 11: "INTERVAL", 12: "TIMESTAMP", 13: "INTEGER",
    14: "DATE", 16: "UBIGINT", 245: "JSON", 255: "BLOB",
}  # fmt: skip


def check_native(sql: str, mode: str) -> None:
    """Refuse what does more than read; writing tables in a read-only transaction is refused by the server itself.

    Raises: NotAllowed.
    """
    words = list(_words(sql, mode))
    first = next((word for word in words if word != "("), "")
    if first not in _ALLOWED:
        message = f"a native query must be one that reads, and this one begins with {first or 'nothing'}"
        raise NotAllowed(message, hint=f"It may begin with {', '.join(_ALLOWED)}.")
    if any(word in _FILES for word in words):
        raise NotAllowed("a native query may not write a file on the server (INTO OUTFILE, INTO DUMPFILE)")


def check_returns_rows(wire: Wire, sql: str) -> None:
    """Refuse what the server itself says returns no rows: SET, COMMIT, LOCK TABLES, which a read-only transaction runs.

    It is prepared and not run, so this holds whatever `check_native` overlooks. Raises: NotAllowed, MySQLError.
    """
    from pymysql import MySQLError

    beginning = sql.lstrip()[:12].upper()
    try:
        if wire.count_columns(sql) or beginning.startswith("SHOW "):  # SHOW WARNINGS says none in advance
            return
    except MySQLError as error:
        if number_of(error) != _NOT_PREPARED:
            raise
        if beginning.startswith(_NEVER_PREPARED):
            return
    raise NotAllowed("a native query must return rows, and the server says that this one does not")


def _words(sql: str, mode: str) -> Iterator[str]:
    """The bare words and opening parentheses of a statement, in capitals: nothing from texts, names or comments.

    The inside of `/*! … */` is code: the server runs it.
    """
    escape = "" if "NO_BACKSLASH_ESCAPES" in mode else r"\\.|"
    token = re.compile(
        rf"'(?:{escape}''|[^'])*'|\"(?:{escape}\"\"|[^\"])*\"|`(?:``|[^`])*`"
        r"|/\*(?!!|M!).*?\*/|#[^\n]*|--(?=\s|$)[^\n]*|(?P<word>@*[A-Za-z_$\x80-\U0010ffff][\w$]*)|(?P<open>\()",
        re.DOTALL,
    )
    for match in token.finditer(sql):
        if match["word"] or match["open"]:
            yield match[0].upper()


def native_outputs(fields: Sequence[Field]) -> list[Output]:
    """The columns of a result with the types that the server gives them."""
    return [Output("", field.name, _type(field), _stored(field)) for field in fields]


def _type(field: Field) -> Type:
    if field.code in _INTEGERS:
        return Type(("U" if field.flags & _UNSIGNED else "") + _INTEGERS[field.code])
    if field.code in (0, 246):
        precision = field.length - (1 if field.decimals else 0) - (0 if field.flags & _UNSIGNED else 1)
        return Type("DECIMAL", min(max(precision, field.decimals, 1), MOST_DIGITS), min(field.decimals, MOST_DIGITS))
    if field.code in _OTHERS:
        return Type(_OTHERS[field.code])
    return Type("BLOB" if field.charset == _BINARY else "VARCHAR")


def _stored(field: Field) -> Column | None:
    """What is known of it: its name, and that it is a FLOAT."""
    native = "float" if field.code == FLOAT else ""
    return Column(field.column, _type(field), field.column, native) if field.column else None
