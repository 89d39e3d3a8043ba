"""INSERT, UPDATE, DELETE: what they compute is asked as a query of the federation, the rows are written by key.

    update orders set total = total * 1.1 where cid in (select id from customers where country = 'NL')

    select orders."id", (total * 1.1) from orders where cid in (…)      orders in shop, customers in crm
    UPDATE orders AS t SET total = s.v0 FROM (…) AS s WHERE t.id = s.k0   one transaction in shop

So a write means what DuckDB means by it, wherever the tables live. Where the one database means the same, it does all
of it by itself (`there`). The read of the written database is part of the transaction: what it saw cannot have changed
when the rows are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedq.bind.params import bind_params
from fedq.bind.resolve import Placing
from fedq.catalog.model import Database
from fedq.errors import InvalidQuery, NotAllowed, ParameterError
from fedq.fetch.writer import Begin, Conflict, check_native
from fedq.sql import exp
from fedq.undo import unless_done
from fedq.write.conflict import insert_on_conflict
from fedq.write.desk import Desk, Target, check_writable
from fedq.write.fit import Place, fit
from fedq.write.keys import distinct, refuse_twins
from fedq.write.pointing import pointing_into
from fedq.write.returning import check_returning, return_rows
from fedq.write.rows import check_nulls
from fedq.write.statement import Statement, parse_statement
from fedq.write.stoppable import Writing, conduct
from fedq.write.there import change_there, rows_query
from fedq.write.transaction import Transaction, current, in_transaction
from fedq.write.written import Written

if TYPE_CHECKING:
    import pyarrow as pa


def execute(
    desk: Desk,
    sql: str,
    params: Any = None,
    *,
    using: str | Mapping[str, str] | None = None,
    native: str | None = None,
    timeout: float | str | None = None,
) -> Written:
    """Run one writing statement; `timeout` in seconds, or a text such as "5m".

    Raises: any `FedqError`; after one, nothing of it is written.
    """
    if not isinstance(sql, str):
        raise ParameterError(f"the statement must be text, not {type(sql).__name__}", hint="Pass SQL as a str.")
    seconds = desk.time_limit(timeout)
    if native is not None:
        return _native(desk, sql, params, native, seconds)
    text, values = bind_params(sql, params)
    statement, placing = parse_statement(text), desk.placing.narrowed(using, desk.catalog)
    return in_transaction(desk, lambda around: _run(around, statement, values, placing), seconds)


def _native(desk: Desk, sql: str, params: Any, name: str, timeout: float | None) -> Written:
    """A statement as written, in the database's own dialect."""
    if params:
        hint = "Write the values into the text, or execute without native=."
        raise ParameterError("native= sends the text as written, so it binds no parameters", hint=hint)
    database = desk.catalog.database(name)
    check_writable(database)
    check_native(sql)
    if current(desk) is not None:
        return in_transaction(desk, lambda around: (around.writer(database.name).run(sql), (database.name,)), timeout)
    return conduct(desk.running, lambda writing: _alone(desk, sql, database, writing), timeout)


def _alone(desk: Desk, sql: str, database: Database, writing: Writing) -> Written:
    """A native statement without a transaction around it: what it did lasts when it is done."""
    name = database.name
    writer = desk.writers.take(name)
    is_usable = False
    unanswered = writing.unanswered = lambda: desk.sources.wrote(name, None)
    try:
        writing.reach(writer.interrupt)
        writer.begin(Begin(is_read_only=database.read_only, is_autocommit=True))
        writing.check()
        with unless_done(unanswered):  # an error may be that of the answer alone
            rows = writer.run(sql)
        writing.settle()
        position = desk.commit(writer)
        is_usable = True
    finally:
        writing.leave()
        desk.writers.give(writer, is_usable=is_usable)
    return Written(rows, (name,), {name: position} if position is not None else {})


def _run(
    around: Transaction, statement: Statement, values: Mapping[str, Any], placing: Placing
) -> tuple[int, tuple[str, ...]]:
    desk = around.desk
    target = desk.resolve(statement.text, statement.target, placing, around.inside)
    check_writable(desk.catalog.database(target.database))
    check_returning(statement, target)
    around.writer(target.database)
    run = {"insert": _insert, "update": _update, "delete": _delete}[statement.kind]
    with pointing_into(statement.text):
        return run(around, statement, target, values, placing), (target.database,)


def _insert(
    around: Transaction, statement: Statement, target: Target, values: Mapping[str, Any], placing: Placing
) -> int:
    _refuse_defaults(statement)
    rows = around.read(f"{statement.prefix} {statement.query}", values, placing)
    if statement.columns is not None:
        columns = [target.column(name, text=statement.text, span=span) for name, span in statement.columns]
    elif statement.is_by_name:
        columns = [target.column(name, text=statement.text) for name in rows.column_names]
    else:
        columns = list(target.table.columns)
    if len(columns) != rows.num_columns:
        message = f"{target.table.name!r}: {len(columns)} columns are to be written, with {rows.num_columns} values"
        raise InvalidQuery(
            message, sql=statement.text, span=statement.span, hint="Name the columns: INSERT INTO t (a, b) …."
        )
    place = Place(target.database, target.table.schema.table)
    data = fit(rows, columns, place, around.desk.connect())
    check_nulls(data, columns, place)
    found = _put(around, statement, target, data, values, placing)
    return_rows(around, statement, target, data, values, placing)
    return found


def _put(
    around: Transaction,
    statement: Statement,
    target: Target,
    data: pa.Table,
    values: Mapping[str, Any],
    placing: Placing,
) -> int:
    """Insert rows that fit; returns how many were inserted or changed."""
    writer = around.writer(target.database)
    if not data.num_rows:
        return 0
    if statement.on_conflict is not None:
        return insert_on_conflict(around, statement, statement.on_conflict, target, data, values, placing)
    if statement.is_replacing:
        refuse_twins(data, target, around.desk.connect())
        return writer.upsert(target.table.schema, target.key, data)
    return writer.insert(target.table.schema, data)


def _refuse_defaults(statement: Statement) -> None:
    tree = statement.target.root()
    is_default = isinstance(tree, exp.Insert) and any(
        isinstance(value, exp.Var) and value.name.upper() == "DEFAULT"
        for row in (tree.expression.expressions if isinstance(tree.expression, exp.Values) else ())
        for value in (row.expressions if isinstance(row, exp.Tuple) else (row,))
    )
    if is_default or not statement.query or any(each.is_default for each in statement.assignments):
        hint = "Leave the column out: INSERT INTO t (the other columns) …."
        raise NotAllowed("DEFAULT cannot be written out here", sql=statement.text, span=statement.span, hint=hint)


def _update(
    around: Transaction, statement: Statement, target: Target, values: Mapping[str, Any], placing: Placing
) -> int:
    changed = target.assigned(statement, statement.assignments)
    if any(each.is_default for each in statement.assignments):
        hint = "Write the value out."
        raise NotAllowed("DEFAULT cannot be written out here", sql=statement.text, span=statement.span, hint=hint)
    there = change_there(around, statement, target, changed, values, placing)
    if there is not None:
        return there
    expressions = [each.expression for each in statement.assignments]
    rows = _affected(around, statement, target, expressions, values, placing)
    if not rows.num_rows and not statement.returning:
        return 0
    count = len(target.identity)
    place = Place(target.database, target.table.schema.table)
    connection = around.desk.connect()
    keys = fit(rows.select(range(count)), target.identity, place, connection)
    data = fit(rows.select(range(count, rows.num_columns)), changed, place, connection)
    check_nulls(data, changed, place)
    found = around.writer(target.database).update(target.table.schema, keys, data) if rows.num_rows else 0
    new = [data[name] if name in data.column_names else keys[name] for name in keys.column_names]
    return_rows(around, statement, target, type(keys).from_arrays(new, keys.column_names), values, placing)
    return _all(found, keys, rows, target)


def _delete(
    around: Transaction, statement: Statement, target: Target, values: Mapping[str, Any], placing: Placing
) -> int:
    writer = around.writer(target.database)
    if not (statement.condition or statement.others or statement.returning):
        return writer.clear(target.table.schema)
    there = change_there(around, statement, target, [], values, placing)
    if there is not None:
        return there
    rows = _affected(around, statement, target, [], values, placing)
    if not rows.num_rows and not statement.returning:
        return 0
    place = Place(target.database, target.table.schema.table)
    keys = fit(rows, target.identity, place, around.desk.connect())
    return_rows(around, statement, target, keys, values, placing)
    if not rows.num_rows:
        return 0
    return _all(writer.delete(target.table.schema, keys), keys, rows, target)


def _affected(
    around: Transaction,
    statement: Statement,
    target: Target,
    expressions: list[str],
    values: Mapping[str, Any],
    placing: Placing,
) -> pa.Table:
    """The rows a statement is about: their keys, and the new values; each row once."""
    if not target.key and statement.others:
        message = f"table {target.table.name!r} has no primary key, so its rows cannot be told apart in a join"
        hint = 'Give it one, or say in the catalog what tells them apart: key = "id".'
        raise NotAllowed(message, sql=statement.text, span=statement.span, hint=hint)
    rows = around.read(rows_query(statement, target, expressions), values, placing)
    count = len(target.identity)
    return distinct(rows, count, target, around.desk.connect(), is_counted=not target.key)


def _all(found: int, keys: pa.Table, rows: pa.Table, target: Target) -> int:
    """The rows written, which must be those that were read."""
    wanted = int(rows.schema.metadata[b"rows"]) if rows.schema.metadata else keys.num_rows
    if found != wanted:
        message = f"{found:,} rows of {target.table.name!r} were found again, and {wanted:,} had been read"
        raise Conflict(message, hint="Somebody changes the same rows; nothing was written.", database=target.database)
    return found
