"""The sentence about a value that cannot be read on: where it stands, what it is, why not, which setting lets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedq.errors import ValueNotRepresentable
from fedq.fetch.source import Output
from fedq.fetch.values import storage_class

_LONGEST = 60


def refused(
    database: str,
    output: Output,
    value: Any,
    reason: str,
    *,
    table: str | None = None,
    key: Mapping[str, Any] | None = None,
    is_native: bool = False,
    is_shown: bool = False,
) -> ValueNotRepresentable:
    """The error for one value; `is_shown` says that `value` is its text, as the database shows it.

    >>> from fedq.types import BIGINT
    >>> error = refused("shop", Output("n", "n", BIGINT), "abc", "TEXT is no BIGINT", table="t", key={"rowid": 3})
    >>> error.message
    "database 'shop', table 't', column 'n', row rowid = 3: the TEXT 'abc' cannot be read as BIGINT: TEXT is no BIGINT"
    """
    column = output.column.physical if output.column else output.name
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    where = f"database {database!r}" + (f", table {table!r}" if table else "") + f", column {column!r}"
    if key:
        where += ", row " + ", ".join(f"{name} = {part!r}" for name, part in key.items())
    kind = "value" if is_shown else storage_class(value)
    message = f"{where}: the {kind} {shown} cannot be read as {output.type}: {reason}"
    name = output.column.name if output.column else output.name
    hint = (
        f'Mend the value, or set on_unrepresentable = "null" or "text" in the catalog: '
        f'columns = {{ {name} = {{ on_unrepresentable = "text" }} }} in the table\'s entry, or for the whole database.'
    )
    return ValueNotRepresentable(
        message,
        hint="CAST the column in the statement." if is_native else hint,
        database=database, table=table, column=column, key=dict(key) if key else None, value=value,
        setting="on_unrepresentable",
    )  # fmt: skip
