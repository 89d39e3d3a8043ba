"""Tables made by statements in a database's own SQL, for what only it can hold."""

from __future__ import annotations

from typing import Any

import pytest

from fedq.errors import ValueNotRepresentable
from tests.oracle.support import Places


def made(places: Places, engine: str, table: str, *statements: str, columns: dict[str, Any] | None = None) -> None:
    """A table that `statements` create in `engine`, known to the catalog."""
    if engine == "mariadb":
        statements = ("set session sql_mode = ''", *statements)
    places.run(engine, f"drop table if exists {table}", *statements)
    declare(places, engine, table, columns)


def declare(places: Places, engine: str, table: str, columns: dict[str, Any] | None = None) -> None:
    places.tables[table] = {"database": engine, "columns": columns} if columns else engine
    places.close()


def unrepresentable(places: Places, sql: str, *names: str) -> ValueNotRepresentable:
    """The error that a query ends in: it names what the user must look at, and the setting that allows it."""
    with pytest.raises(ValueNotRepresentable) as raised:
        places.query(sql)
    for name in (*names, "on_unrepresentable"):
        assert name in str(raised.value), (name, str(raised.value))
    return raised.value
