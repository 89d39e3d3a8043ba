"""The error for a value that its column's type does not have: which database, table, column and row it is of.

    row with id 2 holds 2024-00-00   → ValueNotRepresentable … table 'app.invoices', column 'due', row id = '2' …

The row's key is taken from the result when it is there, else asked for: the statement's own tail finds the row again,
in the same snapshot, and gives up after two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from fedq.dialects.mysql import MYSQL
from fedq.errors import ValueNotRepresentable
from fedq.fetch.mysql.connect import Link
from fedq.fetch.mysql.values import Unrepresentable
from fedq.fetch.mysql.wire import Field
from fedq.fetch.refusal import refused
from fedq.fetch.source import Output, Select

#: seconds that looking for the row's key may take
SEARCH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Result:
    """Where the value was met."""

    link: Link | None
    """The connection, in the same snapshot, when it is still good."""
    fields: Sequence[Field]
    texts: Sequence[pa.Array]
    """The block of rows in which it is."""
    select: Select | None


def bad_value(database: str, bad: Unrepresentable, outputs: Sequence[Output], result: Result) -> ValueNotRepresentable:
    """The error to raise. It may ask the server for the row's key."""
    output = outputs[bad.column]
    schema, table = _table(bad, result.fields)
    return refused(
        database,
        output,
        bad.text.decode(errors="backslashreplace"),
        _reason(bad.text, output),
        table=f"{schema}.{table}" if table else None,
        key=_key(bad, output, result, (schema, table)) if table else None,
        is_native=result.select is None,
        is_shown=True,
    )


def _reason(text: bytes, output: Output) -> str:
    match output.type.family:
        case "date" | "timestamp" | "timestamptz" if text[:5].endswith(b"-"):
            return "there is no such day or time"
        case "integer" | "decimal" | "float" | "interval" | "time":
            return "it is no such number, or one too large or too precise"
        case "text":
            return "its bytes are no text"
    return "it has another form"


def _table(bad: Unrepresentable, fields: Sequence[Field]) -> tuple[str, str]:
    """The stored table of the column; of a computed one, the table that all other columns are of."""
    if fields[bad.column].table:
        return fields[bad.column].schema, fields[bad.column].table
    tables = {(field.schema, field.table) for field in fields if field.table}
    return tables.pop() if len(tables) == 1 else ("", "")


def _key(bad: Unrepresentable, output: Output, result: Result, place: tuple[str, str]) -> dict[str, str]:
    """Column and value of the row's primary key; empty when there is none or it cannot be had quickly."""
    from pymysql import MySQLError

    if result.link is None:
        return {}
    try:
        names = _key_columns(result.link, place)
        there = {
            field.column: number for number, field in enumerate(result.fields) if (field.schema, field.table) == place
        }
        if all(name in there for name in names):
            return {name: _shown(result.texts[there[name]][bad.row].as_py()) for name in names}
        return _search(bad, output, result.link, result.select, names)
    except (MySQLError, TimeoutError):
        return {}


def _key_columns(link: Link, place: tuple[str, str]) -> list[str]:
    schema, table = place
    rows = link.wire.ask(
        "SELECT column_name FROM information_schema.statistics"
        f" WHERE table_schema = {MYSQL.text(schema)} AND table_name = {MYSQL.text(table)} AND index_name = 'PRIMARY'"
        " ORDER BY seq_in_index"
    )
    return [(name or b"").decode() for [name] in rows]


def _search(
    bad: Unrepresentable, output: Output, link: Link, select: Select | None, names: Sequence[str]
) -> dict[str, str]:
    """The key of a row of the same statement that has this value."""
    own = MYSQL.quote(output.column.physical) if output.column is not None else None
    if not names or select is None or own is None or not output.sql.endswith(own):
        return {}
    qualifier = output.sql.removesuffix(own)
    keys = ", ".join(f"{qualifier}{MYSQL.quote(name)} AS `k{number}`" for number, name in enumerate(names))
    wanted = f"X'{bad.text.hex()}'"
    inner = f"SELECT {keys}, CAST({output.sql} AS CHAR) AS `v` {select.tail}"
    search = f"* FROM ({inner}) AS `found` WHERE CAST(`v` AS BINARY) = {wanted} LIMIT 1"
    if link.is_mariadb:
        sql = f"SET STATEMENT max_statement_time = {SEARCH_SECONDS} FOR SELECT {search}"
    else:
        sql = f"SELECT /*+ MAX_EXECUTION_TIME({SEARCH_SECONDS * 1000}) */ {search}"
    rows = link.wire.ask(sql)
    return {name: _shown(value) for name, value in zip(names, rows[0], strict=False)} if rows else {}


def _shown(value: bytes | None) -> str:
    return "NULL" if value is None else value[:80].decode(errors="backslashreplace")
