"""Rows told apart by their key: each once, and never two new values for one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedq.dialects.duckdb import DUCKDB
from fedq.errors import InvalidQuery
from fedq.write.desk import Target
from fedq.write.fit import as_told

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_INCOMING = "fedq_incoming"


def distinct(
    rows: pa.Table, count: int, target: Target, connection: duckdb.DuckDBPyConnection, *, is_counted: bool
) -> pa.Table:
    """Rows whose first `count` columns are the key, each key once.

    `is_counted`: the key is the whole row, so several rows may have it; how many there were is noted as metadata.
    Raises: InvalidQuery where one key has two different rows.
    """
    names = [f'"{name}"' for name in rows.column_names]
    connection.register(_INCOMING, rows)
    try:
        found = connection.sql(f"SELECT DISTINCT {', '.join(names)} FROM {_INCOMING}").to_arrow_table()
        [[twins]] = connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM (SELECT DISTINCT {', '.join(names)} FROM {_INCOMING}) "
            f"GROUP BY {', '.join(names[:count])} HAVING count(*) > 1)"
        ).fetchall()
    finally:
        connection.unregister(_INCOMING)
    if twins:
        message = (
            f"{twins:,} rows of {target.table.name!r} would get several values: the join finds them more than once"
        )
        raise InvalidQuery(message, hint="Make the join find each row once.", table=target.table.name)
    return found.replace_schema_metadata({"rows": str(rows.num_rows)}) if is_counted else found


def refuse_twins(data: pa.Table, target: Target, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse rows that have a key twice, or none. Raises: InvalidQuery."""
    check_key(data, target)
    key = _key(target)
    connection.register(_INCOMING, data)
    try:
        found = connection.sql(f"SELECT {key} FROM {_INCOMING} GROUP BY ALL HAVING count(*) > 1 LIMIT 1")
        values = (as_told(f"#{place}", str(type_)) for place, type_ in enumerate(found.types, 1))
        twin = found.project(", ".join(values)).fetchall()
    finally:
        connection.unregister(_INCOMING)
    if twin:
        shown = ", ".join(f"{name} = {value!r}" for name, value in zip(target.key, twin[0], strict=True))
        message = f"two of the rows have the same key ({shown})"
        raise InvalidQuery(message, hint="Keep one of them.", table=target.table.name, key=twin[0])


def first_of_each(data: pa.Table, target: Target, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rows without those whose key a row before them has."""
    connection.register(_INCOMING, data)
    try:
        found = connection.sql(
            f'SELECT min("fedq n") AS n FROM (SELECT *, row_number() OVER () - 1 AS "fedq n" FROM {_INCOMING}) '
            f"GROUP BY {_key(target)} ORDER BY n"
        ).to_arrow_table()
    finally:
        connection.unregister(_INCOMING)
    return data if found.num_rows == data.num_rows else data.take(found.column("n"))


def _key(target: Target) -> str:
    return ", ".join(map(DUCKDB.quote, target.key))


def check_key(data: pa.Table, target: Target) -> None:
    """Refuse rows that cannot be told to be there already. Raises: InvalidQuery."""
    if not target.key:
        message = f"table {target.table.name!r} has no primary key, so no row can be told to be there already"
        hint = 'Give it one, or say in the catalog what tells its rows apart: key = "id".'
        raise InvalidQuery(message, hint=hint, table=target.table.name)
    missing = [name for name in target.key if name not in data.column_names]
    if missing:
        message = f"the rows have no {', '.join(missing)}, the key of {target.table.name!r}"
        raise InvalidQuery(message, hint="Rows are found again by their key: add it.", table=target.table.name)
