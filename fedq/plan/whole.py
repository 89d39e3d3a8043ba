"""A query that one database answers whole, where that is exact.

DuckDB files, Parquet, CSV, JSON and DataFrames are read by a DuckDB with the same settings as the local engine, so
their queries go there as the user wrote them: the same text, the same meaning, nothing to translate. For every other
kind `block.py` writes the statement.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fedq.bind.bound import BoundQuery
from fedq.bind.params import slots
from fedq.bind.scope import Occurrence
from fedq.dialects import dialect_of
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.duckdb import DUCKDB
from fedq.plan.block import write_block
from fedq.plan.nodes import Fetch, Plan
from fedq.sql import Edit, apply_edits
from fedq.types import MOST_DIGITS, Type, parse_type

_DUCKDB_KINDS = frozenset({"duckdb", "files", "frames"})
_PARAMETER_TYPES: dict[type, str] = {
    bool: "BOOLEAN", bytes: "BLOB", float: "DOUBLE", dt.date: "DATE", dt.datetime: "TIMESTAMP",
    uuid.UUID: "UUID",
}  # fmt: skip


def whole_query(query: BoundQuery, outputs: Sequence[tuple[str, Type]], kinds: Mapping[str, str]) -> Plan | None:
    """The plan in which one database answers everything, None when there is none that is exact.

    Raises: NotPushed with the reason, where a part of the query is what prevents it.
    """
    if len(query.databases) != 1 or query.has_files:
        return None
    kind = kinds[query.databases[0]]
    if kind not in _DUCKDB_KINDS:
        fetch = write_block(query, query.tree, dialect_of(kind), kind, outputs)
        return Plan(query.text, query.params, tuple(outputs), (fetch,), None)
    if not query.is_describable or _has_declared(query.occurrences):
        return None
    dialect = dialect_of(kind)
    try:
        text = _inlined(query, dialect)
    except Unsayable:
        return None
    first = query.occurrences[0]
    tables = tuple(dict.fromkeys(occurrence.table.name for occurrence in query.occurrences))
    fetch = Fetch(first.id, first.table.database, kind, tables, (), "", native=text, pushed=("the whole query",))
    return Plan(query.text, query.params, tuple(outputs), (fetch,), None)


def _has_declared(occurrences: Sequence[Occurrence]) -> bool:
    """Whether a column is read in another way than stored, which only a fetch of its own can do."""
    columns = [column for occurrence in occurrences for column in occurrence.columns]
    return any(
        column.policy != "error"
        or column.storage
        or column.comparison.value == "unlike"
        or column.collation == "nocase"
        for column in columns
    )


def _inlined(query: BoundQuery, dialect: Dialect) -> str:
    """The local text, with each table's id replaced by a subquery on the stored table and each parameter by its
    value."""
    edits = []
    by_id = {DUCKDB.quote(occ.id): occ for occ in query.occurrences}
    for edit in query.edits:
        occurrence = next((occ for key, occ in by_id.items() if edit.text.startswith(key)), None)
        if occurrence is None:
            edits.append(edit)
            continue
        key = DUCKDB.quote(occurrence.id)
        edits.append(Edit(edit.start, edit.end, f"({_stored(occurrence, dialect)}){edit.text[len(key) :]}"))
    found = slots(query.text)
    edits += [Edit(slot.start, slot.end, _value(query.params[slot.name or ""], dialect)) for slot in found]
    return apply_edits(query.text, edits)


def _stored(occurrence: Occurrence, dialect: Dialect) -> str:
    parts = [f"{dialect.quote(column.physical)} AS {dialect.quote(column.name)}" for column in occurrence.columns]
    if occurrence.has_origin:
        parts.append(f"{dialect.text(occurrence.table.database)} AS _database")
    table = occurrence.table.schema.table
    return f"SELECT {', '.join(parts) or 'NULL'} FROM {dialect.table(table.schema, table.name)}"


def _value(value: Any, dialect: Dialect) -> str:
    """A bound value, with the type that binding it would have given it."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return f"[{', '.join(_value(item, dialect) for item in value)}]"
    if type(value) in (int, Decimal):
        return f"CAST({dialect.literal(value)} AS {_number_type(value)})"
    if type(value) is str:  # takes the type of what it stands beside, as a quoted text does
        return dialect.literal(value)
    if type(value) not in _PARAMETER_TYPES or (isinstance(value, dt.datetime) and value.tzinfo is not None):
        raise Unsayable(f"a {type(value).__name__}")
    return f"CAST({dialect.literal(value)} AS {_PARAMETER_TYPES[type(value)]})"


def _number_type(value: int | Decimal) -> str:
    """The type that DuckDB gives a bound number: a literal has a narrower one, and sums of it overflow earlier."""
    if isinstance(value, int):
        kinds = ("INTEGER", "BIGINT", "UBIGINT", "HUGEINT")
        bounds = {kind: parse_type(kind).bounds or (0, 0) for kind in kinds}
        found = next((kind for kind, (low, high) in bounds.items() if low <= value <= high), None)
        if found is None:
            raise Unsayable("an integer of more than 128 bits")
        return found
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    precision = scale + 1 if scale > len(digits) else len(digits) + max(0, int(exponent))
    if precision > MOST_DIGITS:
        raise Unsayable("a decimal of more than 38 digits")
    return f"DECIMAL({precision},{scale})"
