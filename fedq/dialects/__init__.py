"""What each KIND of database can say, and say exactly: pure knowledge, no connection."""

from __future__ import annotations

from importlib import import_module

from fedq.dialects.base import Dialect

_DIALECTS = {
    "postgres": ("fedq.dialects.postgres", "POSTGRES"),
    "mysql": ("fedq.dialects.mysql", "MYSQL"),
    "sqlite": ("fedq.dialects.sqlite", "SQLITE"),
    "duckdb": ("fedq.dialects.duckdb", "DUCKDB"),
    "files": ("fedq.dialects.duckdb", "DUCKDB"),
    "frames": ("fedq.dialects.duckdb", "DUCKDB"),
    "generic": ("fedq.dialects.generic", "GENERIC"),
}


def dialect_of(kind: str) -> Dialect:
    """The dialect of a kind of database, imported when it is first needed.

    >>> dialect_of("sqlite").quote('a"b')
    '"a""b"'
    """
    module, name = _DIALECTS[kind]
    dialect: Dialect = getattr(import_module(module), name)
    return dialect
