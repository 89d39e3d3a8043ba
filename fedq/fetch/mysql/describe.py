"""What tables a MySQL server has and what they look like, all in one round trip.

    (orders, users) → one UNION of information_schema.columns, .statistics and .tables → a TableSchema each

One branch per table and not `IN (…)`: for a table named by equality MariaDB opens that table's definition alone, for
a list it walks through the whole schema. Nothing is kept: reading takes about a millisecond, and a fingerprint that
would tell whether a table was altered costs as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.dialects.base import Unsayable
from fedq.dialects.mysql import MYSQL, type_of
from fedq.types import Comparison

#: tables described by one statement
MANY = 24
_SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")
_LISTED = ("BASE TABLE", "VIEW", "SYSTEM VERSIONED")

Rows = list[list[bytes | None]]
Ask = Callable[[str], Rows]

# the kind of row, schema, table, position, then what there is to say
_BRANCHES = (
    "SELECT 'c', table_schema, table_name, ordinal_position, column_name, column_type, is_nullable, collation_name,"
    " character_octet_length FROM information_schema.columns",
    "SELECT 'i', table_schema, table_name, seq_in_index, column_name, index_name, NULL, NULL, NULL"
    " FROM information_schema.statistics",
    "SELECT 't', table_schema, table_name, 0, table_type, table_rows, NULL, NULL, NULL FROM information_schema.tables",
)


def list_tables(ask: Ask, schemas: Sequence[str]) -> list[PhysicalTable]:
    """Every table and view of these schemas; of all but the server's own when there are none."""
    condition = f"IN ({_names(schemas)})" if schemas else f"NOT IN ({_names(_SYSTEM)})"
    rows = ask(
        "SELECT table_schema, table_name FROM information_schema.tables"
        f" WHERE table_schema {condition} AND table_type IN ({_names(_LISTED)}) ORDER BY 1, 2"
    )
    return [PhysicalTable(_text(schema), _text(name)) for schema, name in rows]


def describe(
    ask: Ask, tables: Sequence[PhysicalTable], schemas: Sequence[str], policy: str
) -> list[TableSchema | None]:
    """Each table as it is now, None where there is none. A name without schema is looked for in `schemas`, in order.

    The exact name wins; where there is none, names that differ in case only.
    """
    places = {table: _places(table, schemas) for table in tables}
    found = _read(ask, [place for each in places.values() for place in each], policy)
    missing = [table for table in tables if not any(place in found for place in places[table])]
    if missing:
        spelled = _other_spellings(ask, [place for table in missing for place in places[table]])
        found |= _read(ask, list(spelled.values()), policy)
        for table in missing:
            places[table] = [spelled[place] for place in places[table] if place in spelled]
    return [next((found[place] for place in places[table] if place in found), None) for table in tables]


Place = tuple[str, str]


def _places(table: PhysicalTable, schemas: Sequence[str]) -> list[Place]:
    return [(schema, table.name) for schema in ([table.schema] if table.schema is not None else schemas)]


def _other_spellings(ask: Ask, places: Sequence[Place]) -> dict[Place, Place]:
    """The names there are that differ from the wanted ones in case only, the first of each."""
    sayable = [place for place in places if _is_sayable(place)]
    if not sayable:
        return {}
    wanted = " OR ".join(
        f"(table_schema = {MYSQL.text(schema)} AND LOWER(table_name) = LOWER({MYSQL.text(name)}))"
        for schema, name in sayable
    )
    rows = ask(f"SELECT table_schema, table_name FROM information_schema.tables WHERE {wanted} ORDER BY 1, 2")
    there = [(_text(schema), _text(name)) for schema, name in rows]
    spelled = {}
    for schema, name in sayable:
        alike = [place for place in there if place[0].lower() == schema.lower() and place[1].lower() == name.lower()]
        if alike:
            spelled[schema, name] = alike[0]
    return spelled


def _is_sayable(place: Place) -> bool:
    try:
        MYSQL.table(*place)
    except Unsayable:  # then there is no such table
        return False
    return True


def _read(ask: Ask, places: Sequence[Place], policy: str) -> dict[Place, TableSchema]:
    found: dict[Place, TableSchema] = {}
    wanted = [place for place in dict.fromkeys(places) if _is_sayable(place)]
    for start in range(0, len(wanted), MANY):
        some = wanted[start : start + MANY]
        statement = " UNION ALL ".join(
            f"{branch} WHERE table_schema = {MYSQL.text(schema)} AND table_name = {MYSQL.text(name)}"
            for schema, name in some
            for branch in _BRANCHES
        )
        rows = ask(statement)
        for place in some:
            # with lower_case_table_names the server answers to any spelling, with its own
            mine = [
                row
                for row in rows
                if (_text(row[1]).lower(), _text(row[2]).lower()) == (place[0].lower(), place[1].lower())
            ]
            names = {(_text(row[1]), _text(row[2])) for row in mine}
            for name in names if place not in names else {place}:
                schema = _schema([row for row in mine if (_text(row[1]), _text(row[2])) == name], name, policy)
                if schema is not None:
                    found[place] = schema
    return found


def _schema(rows: Rows, place: Place, policy: str) -> TableSchema | None:
    by_kind: Mapping[str, Rows] = {
        kind: sorted((row for row in rows if row[0] == kind.encode()), key=lambda row: int(row[3] or 0))
        for kind in "cit"
    }
    if not by_kind["c"] or not by_kind["t"]:
        return None
    kind, estimate = by_kind["t"][0][4:6]
    is_view = kind == b"VIEW"
    indexes = [(int(row[3] or 0), _text(row[4]), _text(row[5])) for row in by_kind["i"] if row[4] is not None]
    columns = tuple(_column(row, policy) for row in by_kind["c"])
    key = tuple(column for _, column, index in indexes if index == "PRIMARY")
    if any(column.comparison is Comparison.BYTES and column.physical in key for column in columns):
        key = ()  # two of its texts may be one text here
    return TableSchema(
        PhysicalTable(*place),
        columns,
        key=key,
        rows=float(estimate) if estimate is not None and not is_view else None,
        indexed=frozenset(column for position, column, _ in indexes if position == 1),
        is_view=is_view,
    )


def _column(row: list[bytes | None], policy: str) -> Column:
    name, native, is_nullable, collation, octets = row[4:9]
    rule = _text(collation) if collation is not None else None
    type_, comparison = type_of(_text(native), collation=rule, octets=int(octets) if octets is not None else None)
    physical = _text(name)
    return Column(
        physical,
        type_,
        physical,
        _text(native),
        is_nullable=is_nullable == b"YES",
        comparison=comparison,
        collation=rule,
        policy=policy,
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(MYSQL.text(name) for name in names)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
