"""INSERT … ON CONFLICT (key): rows whose key is there are left alone, or changed by what DuckDB computes.

    insert into stock select … on conflict (sku) do update set count = stock.count + excluded.count

    select stock.sku, stock.count + excluded.count from stock, excluded where stock.sku = excluded.sku
    UPDATE stock … by key                  the rows that were there, one transaction
    INSERT INTO stock … where not there    the others

Not the databases' own clauses: MySQL has none that names a key (IGNORE hides other errors too, ON DUPLICATE KEY takes
any key), and what they compute is theirs and not DuckDB's. `SET a = excluded.a` alone is the upsert of `write`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedq.bind.resolve import FRAMES, Placing
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import ColumnNotFound, InvalidQuery, NotAllowed
from fedq.fetch.writer import Conflict
from fedq.sql import exp
from fedq.write.desk import Target
from fedq.write.fit import Place, fit
from fedq.write.keys import check_key, first_of_each, refuse_twins
from fedq.write.rows import check_nulls
from fedq.write.statement import EXCLUDED, OnConflict, Statement, excluded

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.write.transaction import Transaction

_FRAME = "fedq_excluded"


def insert_on_conflict(
    around: Transaction,
    statement: Statement,
    conflict: OnConflict,
    target: Target,
    data: pa.Table,
    values: Mapping[str, Any],
    placing: Placing,
) -> int:
    """The rows inserted and changed. `data` fits the table, under physical names."""
    check_key(data, target)
    _check_target(statement, conflict, target)
    _check_excluded(statement, conflict, target, data.column_names)
    if any(data[name].null_count for name in target.key):
        message = f"a row has no key ({', '.join(target.key)}), so it cannot be told whether it is there"
        raise InvalidQuery(message, hint="Leave such rows out.", table=target.table.name)
    schema, connection = target.table.schema, around.desk.connect()
    writer = around.writer(target.database)
    if not conflict.assignments:
        return writer.upsert(schema, target.key, first_of_each(data, target, connection), ())
    refuse_twins(data, target, connection)
    changed = target.assigned(statement, conflict.assignments)
    if any(column.physical in target.key for column in changed):
        raise NotAllowed("ON CONFLICT cannot change the key itself", sql=statement.text, hint="Use UPDATE for that.")
    if not conflict.condition and all(_is_own(each.column, each.tree) for each in conflict.assignments):
        own = [column.physical for column in changed]
        if set(own) <= set(data.column_names):
            return writer.upsert(schema, target.key, data, own)
    updated, there = _update_there(around, statement, conflict, target, data, values, placing)
    inserted = writer.upsert(schema, target.key, data, ())
    if inserted + there != data.num_rows:
        message = (
            f"{data.num_rows - inserted - there:,} rows have a key that {target.table.name!r} has in other letters"
        )
        hint = "The database takes both for the same key. Write the key as it is there."
        raise InvalidQuery(message, hint=hint, table=target.table.name)
    return updated + inserted


def _check_target(statement: Statement, conflict: OnConflict, target: Target) -> None:
    """Raises: NotAllowed where it is not the key that the conflict is about."""
    named = {target.column(name, text=statement.text, span=span).physical for name, span in conflict.keys}
    if named != set(target.key):
        what = f"({', '.join(name for name, _ in conflict.keys)})" if conflict.keys else "without columns"
        message = f"ON CONFLICT {what} is not the key of {target.table.name!r}, which is ({', '.join(target.key)})"
        hint = f"Write ON CONFLICT ({', '.join(target.key)}); other unique columns are errors when they are taken."
        raise NotAllowed(message, sql=statement.text, hint=hint, table=target.table.name)


def _check_excluded(statement: Statement, conflict: OnConflict, target: Target, given: Sequence[str]) -> None:
    """Raises: ColumnNotFound where `excluded` is asked for a column that the rows to be inserted do not have."""
    for name, span in conflict.excluded:
        if target.column(name, text=statement.text, span=span).physical not in given:
            message = f"excluded has no column {name!r}: the INSERT does not write it"
            hint = "Insert it too, or write the value out."
            raise ColumnNotFound(message, sql=statement.text, span=span, hint=hint, column=name)


def _is_own(column: str, value: exp.Expr) -> bool:
    """Whether it is `column = excluded.column`."""
    return isinstance(value, exp.Column) and value.table.lower() == "excluded" and value.name.lower() == column.lower()


def _update_there(
    around: Transaction,
    statement: Statement,
    conflict: OnConflict,
    target: Target,
    data: pa.Table,
    values: Mapping[str, Any],
    placing: Placing,
) -> tuple[int, int]:
    """How many of the rows that are there were changed, and how many there are."""
    import pyarrow.compute as pc

    changed = target.assigned(statement, conflict.assignments)
    query = _query(statement, conflict, target)
    logical = {column.physical: column.name for column in target.table.columns}
    frame = data.rename_columns([excluded(logical[name]) for name in data.column_names])
    rows = around.read(query, values, placing, frames={_FRAME: frame})
    there, count = rows.num_rows, len(target.identity)
    rows = rows.filter(pc.fill_null(rows.column(rows.num_columns - 1), False))
    if not rows.num_rows:
        return 0, there
    place, connection = Place(target.database, target.table.schema.table), around.desk.connect()
    keys = fit(rows.select(range(count)), target.identity, place, connection)
    new = fit(rows.select(range(count, rows.num_columns - 1)), changed, place, connection)
    check_nulls(new, changed, place)
    updated = around.writer(target.database).update(target.table.schema, keys, new)
    if updated != keys.num_rows:
        raise Conflict("somebody changes the same rows", hint="Nothing was written.", database=target.database)
    return updated, there


def _query(statement: Statement, conflict: OnConflict, target: Target) -> str:
    """The query of the rows that are there: their keys, the new values, and whether they are changed."""
    alias = DUCKDB.quote(statement.alias)
    condition = conflict.condition or "true"
    keys = [f"{alias}.{DUCKDB.quote(column.name)}" for column in target.identity]
    new = [f"CASE WHEN ({condition}) THEN ({each.expression}) END" for each in conflict.assignments]
    outputs = ", ".join(f'{each} AS "fedq {number}"' for number, each in enumerate([*keys, *new, f"({condition})"]))
    match = " AND ".join(
        f"{alias}.{DUCKDB.quote(column.name)} = {DUCKDB.quote(EXCLUDED)}.{DUCKDB.quote(excluded(column.name))}"
        for column in target.identity
    )
    frame = f"{FRAMES}.{_FRAME} AS {DUCKDB.quote(EXCLUDED)}"
    return f"SELECT {outputs} FROM {statement.written} AS {alias}, {frame} WHERE {match}"
