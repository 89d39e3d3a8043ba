"""What SQLite knows of a table without reading it: the ends of its indexes, and what ANALYZE wrote down.

    sqlite_stat1  t, t_by_day: "20000 8"         →  20000 rows, 8 of each day: 2500 different days
    unique index over (email)                    →  as many different values as rows
    SELECT max(day) FROM t                       →  the last entry of the index: one look
    the rows nearest to 64 evenly spaced rowids  →  64 looks, and something to say of every column

A scan of a part of the rows would say more, and would have to read a part of the file; this takes a millisecond.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedq.catalog.schema import Column, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.dialects.sqlite import SQLITE
from fedq.fetch.sqlite.schema import rowid_name
from fedq.fetch.statistics import value_of

#: rows that are looked at
_LOOKS = 64
#: looks that must show the same value for it to count as common
_COMMON = 4
_INDEXES = (
    'SELECT l.name, l."unique", (SELECT count(*) FROM pragma_index_info(l.name)), i.name '
    "FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i "
    "WHERE i.seqno = 0 AND i.name IS NOT NULL AND NOT l.partial"
)
#: families whose values SQLite orders as they are ordered here, where all of a column's values are of its type
_ORDERED = ("integer", "decimal", "float", "date")


def statistics(connection: sqlite3.Connection, schema: TableSchema) -> TableStatistics | None:
    """The statistics of one table; None of a view. Raises: sqlite3.Error."""
    if schema.is_view:
        return None
    name = schema.table.name
    connection.text_factory = lambda raw: raw.decode(errors="replace")  # until the transaction ends
    analyzed = _analyzed(connection, name)
    columns = {column.physical.lower(): column for column in schema.columns}
    found = {column.physical: known for column, known in _looked_at(connection, schema).items()}
    led: set[str] = set()
    leads = [(None, True, 1, schema.key[0])] if len(schema.key) == 1 else []  # a rowid alias has no index of its own
    for index, is_unique, width, lead in [*leads, *connection.execute(_INDEXES, (name,))]:
        column = columns.get(lead.lower())
        if column is None or column.physical in led or column.physical not in schema.indexed | set(schema.key):
            continue
        each = analyzed.get(index) if index is not None else None
        distinct = None
        if is_unique and width == 1:
            distinct = schema.rows
        elif each is not None and len(each) > 1 and each[1] > 0:
            distinct = max(1.0, each[0] / each[1])
        low, high = (_end(connection, name, column, end) for end in ("min", "max"))
        led.add(column.physical)
        known = found.get(column.physical, ColumnStatistics())
        found[column.physical] = replace(known, distinct=distinct or known.distinct, low=low, high=high)
    return TableStatistics(schema.rows, found)


def _looked_at(connection: sqlite3.Connection, schema: TableSchema) -> Mapping[Column, ColumnStatistics]:
    """What some rows, evenly spaced, say of each column; nothing where there is no rowid, or hardly a row."""
    rowid, wanted = rowid_name(schema), [column for column in schema.columns if column.type.family != "blob"]
    table = SQLITE.quote(schema.table.name)
    if rowid is None or not wanted or (schema.rows or 0) < _LOOKS or not _has_rowid(connection, schema):
        return {}
    ends = [connection.execute(f"SELECT {end}({rowid}) FROM {table}").fetchone()[0] for end in ("min", "max")]
    if not all(isinstance(end, int) for end in ends) or ends[0] == ends[1]:
        return {}
    names = ", ".join(SQLITE.quote(column.physical) for column in wanted)
    look = f"SELECT {names} FROM {table} WHERE {rowid} >= ? ORDER BY {rowid} LIMIT 1"
    places = [ends[0] + (ends[1] - ends[0]) * number // (_LOOKS - 1) for number in range(_LOOKS)]
    rows = [row for place in places if (row := connection.execute(look, (place,)).fetchone()) is not None]
    return {column: _of_sample(column, [row[at] for row in rows], schema) for at, column in enumerate(wanted)}


def _has_rowid(connection: sqlite3.Connection, schema: TableSchema) -> bool:
    ask = "SELECT wr, type FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    found = connection.execute(ask, (schema.table.name,)).fetchone()
    return found is not None and not found[0] and found[1] == "table"


def _of_sample(column: Column, raw: Sequence[Any], schema: TableSchema) -> ColumnStatistics:
    values = [value for each in raw if (value := value_of(each, column.type)) is not None]
    nulls = sum(each is None for each in raw) / len(raw)
    if not values:
        return ColumnStatistics(null_share=nulls)
    counts = Counter(values)
    common = tuple((value, count / len(raw)) for value, count in counts.most_common() if count >= _COMMON)
    rest = sorted(value for value in values if counts[value] < _COMMON)
    once = sum(count == 1 for count in counts.values())
    # the estimator of Haas and Stokes; where most values came once it knows nothing
    rows = max(float(len(values)), schema.rows or 0.0)
    distinct = len(values) * len(counts) / (len(values) - once + once * len(values) / rows)
    return ColumnStatistics(
        distinct=distinct if once * 2 < len(values) else None,
        null_share=nulls,
        most_common=common,
        bounds=tuple(rest) if len(rest) > 1 else (),
    )


def _analyzed(connection: sqlite3.Connection, table: str) -> dict[str, list[float]]:
    """Index → how many rows, and how many of them for each value of its first column."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone() is None:
        return {}
    rows: Sequence[tuple[str, str]] = connection.execute(
        "SELECT idx, stat FROM sqlite_stat1 WHERE tbl = ? AND idx IS NOT NULL", (table,)
    ).fetchall()
    return {index: [float(word) for word in str(stat).split() if word.isdigit()] for index, stat in rows}


def _end(connection: sqlite3.Connection, table: str, column: Column, end: str) -> object:
    """The smallest or largest value; a lone min or max is one look into the index."""
    if column.type.family not in _ORDERED:
        return None
    said = f"SELECT {end}({SQLITE.quote(column.physical)}) FROM {SQLITE.quote(table)}"
    row = connection.execute(said).fetchone()
    return None if row is None or isinstance(row[0], bytes) else value_of(row[0], column.type)
