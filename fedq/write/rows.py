"""`write`: a DataFrame, Arrow, a result or dicts into a table: appended, by key, or in place of what is there.

    write(df, "orders")   df.attrs["fedq"] says shop   →   shop.orders, whatever the catalog says now
    write(rows with _database)                         →   each row to the database it names

Rows that were loaded through fedq go home: to the database they came from, unless `using=` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedq.bind.resolve import FRAMES
from fedq.bind.scope import ORIGIN
from fedq.catalog.schema import Column
from fedq.catalog.suggest import nearest
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import InvalidQuery, ParameterError, TableNotFound
from fedq.fetch.writer import unfit
from fedq.sql import exp, parse
from fedq.write.data import came_from, to_arrow
from fedq.write.desk import Desk, Target, check_writable
from fedq.write.fit import Place, fit
from fedq.write.keys import refuse_twins
from fedq.write.transaction import Transaction, in_transaction
from fedq.write.written import Written

if TYPE_CHECKING:
    import pyarrow as pa

_MODES = ("append", "upsert", "replace")


def write(
    desk: Desk,
    data: Any,
    table: str,
    *,
    mode: str = "append",
    using: str | Mapping[str, str] | None = None,
    timeout: float | str | None = None,
) -> Written:
    """Write rows into a logical table; `timeout` in seconds, or a text such as "5m".

    Raises: any `FedqError`; after one, nothing is written.
    """
    if mode not in _MODES:
        near = nearest(str(mode), _MODES)
        hint = f"Did you mean {near!r}?" if near else f"Use one of {', '.join(_MODES)}."
        raise ParameterError(f"mode cannot be {mode!r}", hint=hint)
    seconds = desk.time_limit(timeout)
    node, text = _node(table)
    rows = to_arrow(data)
    placing = desk.placing.narrowed(using, desk.catalog)
    is_told = placing.of(node.name) is not None or node.args.get("db") is not None
    groups = _by_origin(rows, () if is_told else _homes(desk, data, table), is_told=is_told)

    def _work(around: Transaction) -> tuple[int, tuple[str, ...]]:
        total, places = 0, []
        for home, part in groups:
            here = placing if home is None else placing.narrowed({node.name: home}, desk.catalog)
            target = desk.resolve(text, node, here, around.inside)
            total += _put(around, target, part, mode)
            places.append(target.database)
        return total, tuple(dict.fromkeys(places))

    return in_transaction(desk, _work, seconds)


def _node(table: object) -> tuple[exp.Table, str]:
    """The name as a table of a text, so that errors can point at it."""
    if not isinstance(table, str) or not table.strip():
        raise ParameterError("the table must be named by a text", hint='write(rows, "orders")')
    is_simple = re.fullmatch(r'(\w+|"(?:[^"]|"")+")(\.(\w+|"(?:[^"]|"")+")){0,2}', table)
    quoted = table if is_simple else DUCKDB.quote(table)
    text = f"from {quoted}"
    found = parse(text)[0].find(exp.Table)
    if found is None:
        raise TableNotFound(f"{table!r} is no name of a table", hint='write(rows, "orders")', table=table)
    return found, text


def _homes(desk: Desk, data: Any, table: str) -> tuple[str, ...]:
    return tuple(name for name in came_from(data, table) if name in desk.catalog.databases and name != FRAMES)


def _by_origin(rows: pa.Table, homes: Sequence[str], *, is_told: bool) -> list[tuple[str | None, pa.Table]]:
    """The rows by the database they go home to; None is where the catalog says."""
    import pyarrow.compute as pc

    if ORIGIN in rows.column_names:
        origins, rows = rows.column(ORIGIN), rows.drop_columns([ORIGIN])
        if is_told:
            return [(None, rows)]
        return [
            (home, rows.filter(pc.equal(origins, home) if home is not None else pc.is_null(origins)))
            for home in origins.unique().to_pylist()
        ]
    if len(homes) > 1:
        message = f"these rows came from {' and '.join(homes)}, and nothing says which came from where"
        raise InvalidQuery(message, hint=f"Select {ORIGIN} with them, or say using=.", databases=tuple(homes))
    return [(homes[0] if homes else None, rows)]


def _put(around: Transaction, target: Target, rows: pa.Table, mode: str) -> int:
    desk = around.desk
    check_writable(desk.catalog.database(target.database))
    columns = [target.column(name) for name in rows.column_names]
    if len({column.physical for column in columns}) < len(columns):
        raise InvalidQuery("the rows have a column twice", hint="Rename or drop one.", table=target.table.name)
    place = Place(target.database, target.table.schema.table)
    writer, connection = around.writer(target.database), desk.connect()
    data = fit(rows, columns, place, connection)
    data = without_empty_key(data, target) if mode != "upsert" else data
    check_nulls(data, [column for column in columns if column.physical in data.column_names], place)
    if mode == "upsert":
        refuse_twins(data, target, connection)
        if data.num_rows:
            writer.upsert(target.table.schema, target.key, data)
        return int(data.num_rows)
    if mode == "replace":
        writer.clear(target.table.schema)
    return writer.insert(target.table.schema, data) if data.num_rows else 0


def without_empty_key(data: pa.Table, target: Target) -> pa.Table:
    """A key that no row has is the database's to give."""
    empty = [name for name in target.key if name in data.column_names and data[name].null_count == data.num_rows]
    return data.drop_columns(empty) if data.num_rows and len(empty) < data.num_columns else data


def check_nulls(data: pa.Table, columns: Sequence[Column], place: Place) -> None:
    """Refuse NULL in a column that has none, before anything is sent. Raises: ValueNotRepresentable."""
    import pyarrow.compute as pc

    for column, array in zip(columns, data.columns, strict=True):
        if not column.is_nullable and array.null_count:
            row = pc.index(array.is_null(), True).as_py()
            raise unfit(place.database, place.table, column, row, None, "the column is NOT NULL")
