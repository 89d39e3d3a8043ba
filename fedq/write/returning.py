"""RETURNING: what the rows of a write are, asked as a query by their keys within the same transaction.

    update orders set total = total * 2 where … returning id, upper(state)
    select id, upper(state) from orders where id in (select id from the rows that were written)

After an INSERT or UPDATE, before a DELETE. Not the databases' own RETURNING: MySQL has none, MariaDB none for UPDATE,
and what they compute is theirs and not DuckDB's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedq.bind.resolve import FRAMES, Placing
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import DatabaseError, NotAllowed
from fedq.write.desk import Target
from fedq.write.statement import Statement

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.write.transaction import Transaction

_FRAME = "fedq_written"


def check_returning(statement: Statement, target: Target) -> None:
    """Refuse a RETURNING that could not be answered, before anything is written. Raises: NotAllowed."""
    if not statement.returning:
        return
    if not target.key:
        message = f"table {target.table.name!r} has no primary key, so the rows cannot be found again for RETURNING"
        raise NotAllowed(message, sql=statement.text, hint='Give it one, or say in the catalog: key = "id".')
    if statement.on_conflict is not None:
        message = "RETURNING does not go together with ON CONFLICT in execute()"
        raise NotAllowed(message, sql=statement.text, hint="Query the rows after the write, in a transaction.")


def return_rows(
    around: Transaction,
    statement: Statement,
    target: Target,
    keys: pa.Table,
    values: Mapping[str, Any],
    placing: Placing,
) -> None:
    """Note what RETURNING says of the rows with these keys, whose columns have physical names.

    Raises: NotAllowed where rows have no key, as those whose key the database gives; DatabaseError where they are not
    there.
    """
    if not statement.returning:
        return
    missing = [name for name in target.key if name not in keys.column_names or keys[name].null_count]
    if missing:
        message = f"RETURNING needs the rows' key ({', '.join(target.key)}), which the database gives to them"
        hint = "Write the key too, or query the rows afterwards by what you wrote."
        raise NotAllowed(message, sql=statement.text, hint=hint)
    logical = {column.physical: column.name for column in target.identity}
    frame = keys.select(list(target.key)).rename_columns([logical[name] for name in target.key])
    alias = DUCKDB.quote(statement.alias)
    found = [DUCKDB.quote(name) for name in frame.column_names]
    match = " AND ".join(f"written.{name} = {alias}.{name}" for name in found)
    condition = f"EXISTS (SELECT 1 FROM {FRAMES}.{_FRAME} AS written WHERE {match})"
    if len(found) == 1:
        condition = f"{alias}.{found[0]} IN (SELECT {found[0]} FROM {FRAMES}.{_FRAME})"
    query = f"SELECT {statement.returning} FROM {statement.written} AS {alias} WHERE {condition}"
    result = around.ask(query, values, placing, frames={_FRAME: frame})
    if len(result) != keys.num_rows:
        message = f"RETURNING finds {len(result):,} of the {keys.num_rows:,} rows of {target.table.name!r} again"
        hint = "Nothing was written. It gives a row for each; a trigger may have changed their keys."
        raise DatabaseError(message, hint=hint, database=target.database)
    around.returned = result
