"""Stored values that a database lets be no value at all, so that using one is an error there as it is here.

    d                  (MariaDB date)    CASE WHEN MONTH(d) = 0 OR … THEN <a subquery of two rows> ELSE d END
    n                  (SQLite integer)  CASE WHEN typeof(n) IN ('integer', 'null') THEN n ELSE <overflow> END
    p * q  > 18 digits (PostgreSQL)      CAST(p * q AS numeric(18,4))

MariaDB keeps zero and partial dates, SQLite anything anywhere. A pull that meets such a value says so; a statement that
is answered whole must not count it silently. Few errors can be raised by an expression: SQLite's is an integer that
overflows, MariaDB's a scalar subquery of two rows (1242, which nothing else that is sent raises). Results that are an
overflow in DuckDB and an answer there are made to overflow.
"""

from __future__ import annotations

from dataclasses import replace

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.types import Comparison, Type

_LAST = 2**63 - 1
#: in MariaDB: error 1242, of the type of the value, and only where it is computed (it depends on the row)
_MYSQL_ERROR = "(SELECT {0} FROM (SELECT 1 UNION ALL SELECT 2) AS `fedq:no value` WHERE {0} IS NOT NULL)"
#: in SQLite: an error, and only when it is computed
_SQLITE_ERROR = "abs(-9223372036854775807 - 1)"
_SQLITE_SOUND = {
    "integer": "typeof({0}) IN ('integer', 'null')",
    "boolean": "(typeof({0}) = 'integer' AND {0} IN (0, 1) OR {0} IS NULL)",
    "float": "typeof({0}) IN ('real', 'null')",
    "date": "date({0}, '+0 days') IS {0}",
}
_MOMENTS = ("date", "timestamp", "timestamptz")


def sound(dialect: Dialect, sql: str, column: Column) -> tuple[str, Column] | None:
    """A stored value that compares as in DuckDB, or is an error there; None where that cannot be said.

    Not for text, which is compared by its bytes: see `Dialect.by_bytes`.
    """
    if column.policy != "error" and column.type.family not in ("integer", "boolean", "uuid"):
        return None
    if column.comparison is Comparison.SAME:
        return sql, column
    family = column.type.family
    said = None
    if column.comparison is Comparison.LOOSE and dialect.name == "mysql" and family in _MOMENTS:
        said = f"CASE WHEN MONTH({sql}) = 0 OR DAYOFMONTH({sql}) = 0 THEN {_MYSQL_ERROR.format(sql)} ELSE {sql} END"
    elif column.comparison is Comparison.LOOSE and dialect.name == "sqlite" and family in _SQLITE_SOUND:
        if column.storage not in (None, "iso"):
            return None
        said = f"CASE WHEN {_SQLITE_SOUND[family].format(sql)} THEN {sql} ELSE {_SQLITE_ERROR} END"
    return None if said is None else (f"({said})", replace(column, comparison=Comparison.SAME))


def mysql_check(condition: str) -> str:
    """The largest integer, or an error where the condition is true; NULL where it is unknown.

    >>> mysql_check("MONTH(d) = 0")
    '(9223372036854775807 + (MONTH(d) = 0))'
    """
    return f"({_LAST} + ({condition}))"


def within(dialect: Dialect, sql: str, type_: Type) -> str | None:
    """A number, or an error where it has more digits than its type in DuckDB; None where that cannot be said."""
    if dialect.name == "duckdb":
        return sql
    name = type_name(dialect, type_)
    if dialect.name == "postgres" and name is not None:
        return f"CAST({sql} AS {name})"
    if dialect.name != "mysql":
        return None
    if type_.name == "DECIMAL":
        most = 10 ** ((type_.precision or 0) - (type_.scale or 0))
        condition = f"ABS({sql}) >= {most}"
    elif type_.bounds is not None:
        condition = f"{sql} NOT BETWEEN {type_.bounds[0]} AND {type_.bounds[1]}"
    else:
        return None
    return f"({sql} + ({mysql_check(condition)} - {_LAST}))"


_POSTGRES_NAMES = {
    "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "numeric(39,0)",
    "DOUBLE": "double precision", "VARCHAR": "text", "DATE": "date", "TIMESTAMP": "timestamp", "BOOLEAN": "boolean",
}  # fmt: skip
_MYSQL_NAMES = {"SMALLINT": "SIGNED", "INTEGER": "SIGNED", "BIGINT": "SIGNED", "DATE": "DATE"}


def type_name(dialect: Dialect, type_: Type) -> str | None:
    """What a type is called in a CAST; None where it has no name of the same values there.

    >>> from fedq.dialects.postgres import POSTGRES
    >>> type_name(POSTGRES, Type("DECIMAL", 18, 4)), type_name(POSTGRES, Type("UBIGINT"))
    ('numeric(18,4)', None)
    """
    if dialect.name == "duckdb":
        return str(type_)
    if type_.name == "DECIMAL":
        if dialect.name == "postgres":
            return f"numeric({type_.precision},{type_.scale})"
        return f"DECIMAL({type_.precision},{type_.scale})" if dialect.name == "mysql" else None
    return {"postgres": _POSTGRES_NAMES, "mysql": _MYSQL_NAMES}.get(dialect.name, {}).get(type_.name)
