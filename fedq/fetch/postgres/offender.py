"""Which row holds a value that could not be read: the error that names database, table, column, key and the way out.

Only after a read has failed, so it may cost a second statement: the key of the first row with that value.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedq.catalog.schema import PhysicalTable
from fedq.dialects.base import Unsayable
from fedq.dialects.postgres import POSTGRES
from fedq.errors import SQLSyntaxError, ValueNotRepresentable
from fedq.fetch.refusal import refused
from fedq.fetch.source import Output, Select
from fedq.sql import exp, parse


@dataclass(frozen=True, slots=True)
class Offender:
    """The stored column behind an output."""

    table: PhysicalTable
    alias: str
    column: str
    is_row: bool
    """Whether each row of the result is one row of the table, so that it has a key."""


def locate(select: Select, output: Output) -> Offender | None:
    """The table and column that an output of a statement reads; None where it is computed or cannot be told."""
    try:
        (tree,) = parse(f"SELECT {output.sql} {select.tail}")
    except (SQLSyntaxError, ValueError):  # PostgreSQL's operators are not all DuckDB's
        return None
    if not isinstance(tree, exp.Select) or not isinstance(column := tree.expressions[0], exp.Column):
        return None
    tables = [node for node in tree.find_all(exp.Table) if not column.table or node.alias_or_name == column.table]
    if len(tables) != 1:
        return None
    (table,) = tables
    is_row = not (select.is_distinct or tree.args.get("group") or tree.args.get("having"))
    return Offender(PhysicalTable(table.db or None, table.name), table.alias_or_name, column.name, is_row)


def key_query(select: Select, output: Output, offender: Offender, key: tuple[str, ...], text: str) -> str | None:
    """The statement that finds the key of the first row whose output is `text`."""
    if not key or not offender.is_row:
        return None
    try:
        parts = [f"{POSTGRES.quote(offender.alias)}.{POSTGRES.quote(name)}::text" for name in key]
        names = [f"k{index}" for index in range(len(key))]
        return (
            f"SELECT {', '.join(names)} FROM (SELECT {', '.join(parts)}, ({output.sql})::text {select.tail}\n) "
            f"AS q({', '.join(names)}, v) WHERE v = {POSTGRES.text(text)} LIMIT 1"
        )
    except Unsayable:
        return None


def not_representable(
    database: str,
    output: Output,
    found: tuple[str, str],
    offender: Offender | None = None,
    key: dict[str, str] | None = None,
) -> ValueNotRepresentable:
    """The error for one value. `found` is PostgreSQL's text for it, and why it cannot be read."""
    text, reason = found
    table = offender.table.name if offender else None
    is_native = output.sql == ""
    error = refused(database, output, text, reason, table=table, key=key, is_native=is_native, is_shown=True)
    if not is_native and output.column is not None and output.column.native.startswith("numeric"):
        name = output.column.name
        error.hint = f'{error.hint} Or declare what holds it: columns = {{ {name} = {{ type = "DECIMAL(38,10)" }} }}.'
    return error
