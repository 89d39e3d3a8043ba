"""UPDATE and DELETE as one statement of the database itself, where all of it means there what it means in DuckDB.

    update orders set state = 'late', tries = tries + 1 where due < :day

    UPDATE orders AS t SET tries = s.v0, state = 'late'
    FROM (SELECT id AS k0, tries + 1 AS v0 FROM orders WHERE due < DATE '2024-01-01') AS s WHERE t.id = s.k0

The planner says whether a query of the keys and new values is computed by the one database as a whole; then the rows
need not travel. New values are constants, which are made what the column holds before they are sent, as all values
are, or whole numbers of the column's own type, which an assignment cannot change: a decimal would be rounded without
a word, a text cut. Everything else, and every table without a primary key, is read first and written by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedq.bind.resolve import Placing
from fedq.catalog.schema import Column
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import FedqError
from fedq.fetch.writer import Change
from fedq.plan.nodes import Select
from fedq.write.desk import Target
from fedq.write.fit import Place, fit
from fedq.write.rows import check_nulls
from fedq.write.statement import Statement

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.write.transaction import Transaction


def rows_query(statement: Statement, target: Target, expressions: Sequence[str]) -> str:
    """The query of the rows that a statement is about: what tells them apart, and these expressions."""
    alias = DUCKDB.quote(statement.alias)
    chosen = [f"{alias}.{DUCKDB.quote(column.name)}" for column in target.identity]
    outputs = ", ".join(f'({each}) AS "fedq {number}"' for number, each in enumerate([*chosen, *expressions]))
    source = f"{statement.written} AS {alias}" if statement.target.alias else statement.written
    parts = [
        statement.prefix, f"SELECT {outputs} FROM {source}", f", {statement.others}" if statement.others else "",
        f"WHERE {statement.condition}" if statement.condition else "",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def change_there(
    around: Transaction,
    statement: Statement,
    target: Target,
    changed: Sequence[Column],
    values: Mapping[str, Any],
    placing: Placing,
) -> int | None:
    """How many rows the database changed, or with no column `changed` deleted; None where it was not asked to."""
    writer, schema = around.writer(target.database), target.table.schema
    has_key = bool(target.key) and set(target.key) == set(schema.key) and not schema.is_view
    if not (writer.can_change and has_key) or statement.others or statement.returning:
        return None
    pairs = list(zip(changed, statement.assignments, strict=True))
    computed = [(column, each) for column, each in pairs if not each.is_constant]
    fixed = [(column, each) for column, each in pairs if each.is_constant]
    if any(column.type.family != "integer" for column, _ in computed):
        return None
    query = rows_query(statement, target, [each.expression for _, each in computed])
    select = _wholly_there(around, target, query, values, placing)
    if select is None:
        return None
    new = select.outputs[len(target.identity) :]
    if any(output.type != column.type for output, (column, _) in zip(new, computed, strict=True)):
        return None
    constants = None
    if fixed:
        constants = _constants(
            around, target, [column for column, _ in fixed], [each.expression for _, each in fixed], values, placing
        )
        if constants is None:
            return None
    keys = tuple(column.physical for column in target.identity)
    return writer.change(schema, Change(select, keys, tuple(column.physical for column, _ in computed), constants))


def _wholly_there(
    around: Transaction, target: Target, query: str, values: Mapping[str, Any], placing: Placing
) -> Select | None:
    """The query as a statement of the database that is written; None where something else is needed for it."""
    plan = around.plan(query, values, placing)
    if plan.local is not None or len(plan.fetches) != 1:
        return None
    [fetch] = plan.fetches
    if fetch.database != target.database or fetch.native is not None or fetch.is_distinct or fetch.suffix:
        return None
    return fetch.select()


def _constants(
    around: Transaction,
    target: Target,
    columns: Sequence[Column],
    expressions: Sequence[str],
    values: Mapping[str, Any],
    placing: Placing,
) -> pa.Table | None:
    """The one row of new values; None where one does not fit, which is an error only if there is a row to change."""
    query = "SELECT " + ", ".join(f'({each}) AS "fedq {number}"' for number, each in enumerate(expressions))
    row = around.read(query, values, placing)
    place = Place(target.database, target.table.schema.table)
    try:
        data = fit(row, columns, place, around.desk.connect())
        check_nulls(data, columns, place)
    except FedqError:
        return None
    return data
