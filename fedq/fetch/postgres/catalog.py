"""Tables of a PostgreSQL database as they are now: one prepared query of `pg_catalog` for all that a query names.

    [("public", "orders")]  →  id bigint, key (id), indexed {id, customer_id}, about 150000 rows

`information_schema` would be portable, but it hides what the user may not read (so that the error would be "no such
table"), and tells neither a domain's base type, nor a collation's rule, nor the number of rows. Types and collations
never change under their oid, so they are asked for once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.dialects.postgres import Collation, NativeType, can_hold, column_type, stored_in

Fetch = Callable[..., Awaitable[Sequence[Any]]]

_TABLES = """
SELECT w.n, c.oid, s.nspname AS schema, c.relname AS name, c.relkind = 'v' AS is_view,
  CASE c.relkind
    WHEN 'p' THEN (SELECT ARRAY[sum(greatest(l.reltuples, 0))::float8, sum(l.relpages), sum(pg_relation_size(l.oid))]
                   FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf)
    WHEN 'f' THEN ARRAY[c.reltuples::float8, nullif(c.reltuples, -1), NULL]
    WHEN 'v' THEN NULL
    ELSE ARRAY[c.reltuples::float8, c.relpages::float8, pg_relation_size(c.oid)::float8]
  END AS size,
  c.relkind IN ('r', 'm') AND c.relam = 2 AND NOT c.relhassubclass AS is_heap,
  i.leading, i.key, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attcollation,
  format_type(a.atttypid, a.atttypmod) AS native
FROM unnest($1::int[], $2::text[], $3::text[]) AS w(n, schema, name)
JOIN pg_namespace s ON {schema}
JOIN pg_class c ON c.relnamespace = s.oid AND {name} AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
LEFT JOIN LATERAL (
  SELECT array_agg(x.indkey[0]) AS leading, max(CASE WHEN x.indisprimary THEN x.indkey::text END) AS key
  FROM pg_index x JOIN pg_class xc ON xc.oid = x.indexrelid AND xc.relam IN (403, 405)
  WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL
) i ON true
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY w.n, c.relname COLLATE "C" DESC, a.attnum
"""
_EXACT = _TABLES.format(schema="s.nspname = w.schema", name="c.relname = w.name")
# a name's own collation is "C", which knows the case of ASCII letters only
_ANY_CASE = _TABLES.format(
    schema="""lower(s.nspname::text COLLATE "default") = lower(w.schema)""",
    name="""lower(c.relname::text COLLATE "default") = lower(w.name)""",
)
_LIST = """
SELECT s.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE s.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition ORDER BY 1, 2
"""
_TYPES = """
WITH RECURSIVE wanted(oid) AS (
  SELECT unnest($1::oid[])
  UNION SELECT part FROM wanted JOIN pg_type t USING (oid), LATERAL (VALUES (t.typbasetype), (t.typelem)) v(part)
  WHERE part <> 0
)
SELECT t.oid, t.typname AS name, t.typtype::text AS kind, t.typbasetype AS base, t.typtypmod AS modifier,
  (SELECT e.oid FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid) AS element,
  format_type(t.oid, NULL) AS full_name
FROM wanted JOIN pg_type t USING (oid)
"""
# to_jsonb, because what these columns are called differs between versions, and some are missing in old ones
_COLLATIONS = """
SELECT c.oid, c.collname AS name, c.collprovider::text AS provider, c.collcollate AS locale,
  coalesce((to_jsonb(c)->>'collisdeterministic')::boolean, true) AS is_deterministic, NULL AS encoding, NULL AS width
FROM pg_collation c WHERE c.oid = ANY ($1::oid[])
UNION ALL
SELECT 0, coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', d.datcollate),
  coalesce(to_jsonb(d)->>'datlocprovider', 'c'), d.datcollate, true, pg_encoding_to_char(d.encoding),
  pg_encoding_max_length(d.encoding)
FROM pg_database d WHERE d.datname = current_database()
"""
_BYTEWISE_LOCALES = ("c", "posix", "c.utf-8", "c.utf8")
#: names in quotes that need none, which quote_all_identifiers gives; "char" is another type than char
_QUOTED = re.compile(r'"(?!char")([a-z_][a-z0-9_]*)"')
_BLOCK = 8192
_ROW_OVERHEAD = 28
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class _TypeRow:
    """One row of pg_type, as far as a column's type is told by it."""

    name: str
    kind: str
    base: int
    modifier: int
    element: int | None
    full_name: str


@dataclass(slots=True)
class TypeCatalog:
    """Types and collations by oid, as far as they have been needed. Safe to share: entries are only ever added."""

    types: dict[int, _TypeRow] = field(default_factory=dict)
    collations: dict[int, Collation] = field(default_factory=dict)

    async def learn(self, fetch: Fetch, types: Iterable[int], collations: Iterable[int] = ()) -> None:
        """Ask for what is not known yet."""
        missing = sorted(set(types) - self.types.keys())
        if missing:
            for row in await fetch(_TYPES, missing):
                self.types[row["oid"]] = _TypeRow(
                    row["name"], row["kind"], row["base"], row["modifier"], row["element"], row["full_name"]
                )
        unknown = sorted(set(collations) - self.collations.keys() - {0})
        if unknown:
            self._add_collations(await fetch(_COLLATIONS, unknown))

    def _add_collations(self, rows: Sequence[Any]) -> None:
        default = next(row for row in rows if row["oid"] == 0)
        encoding = default["encoding"]
        is_utf8 = encoding == "UTF8"
        for row in rows:
            if row["oid"] == 0:
                continue
            source = default if row["provider"] == "d" else row
            is_bytewise = source["provider"] == "b" or (
                source["provider"] == "c" and (source["locale"] or "").lower() in _BYTEWISE_LOCALES
            )
            name = source["name"] if is_utf8 else stored_in(source["name"], encoding)
            has_one_form = is_utf8 or default["width"] == 1
            self.collations[row["oid"]] = Collation(
                name, is_bytewise and is_utf8, row["is_deterministic"], has_one_form
            )

    def native(self, oid: int, modifier: int, collation: int = 0) -> NativeType:
        """A type with domains replaced by what they are made of."""
        row = self.types[oid]
        if row.kind == "d":
            return self.native(row.base, row.modifier, collation)
        element = self.native(row.element, modifier) if row.element else None
        return NativeType(row.name, modifier, row.kind, element, self.collations.get(collation))

    def has_one_form(self, collation: int) -> bool:
        """Whether equal texts of a column are the same bytes."""
        known = self.collations.get(collation)
        return known is None or known.has_one_form

    def native_name(self, oid: int, written: str | None = None) -> str:
        """What a column's type is called; a domain's own name says nothing, an enum's does not say that it is one."""
        row = self.types[oid]
        written = _QUOTED.sub(r"\1", written or row.full_name)
        while row.kind == "d":
            written = _with_modifier(self.types[row.base], row.modifier)
            row = self.types[row.base]
        return f"enum {written}" if row.kind == "e" else written


def _with_modifier(row: _TypeRow, modifier: int) -> str:
    if modifier >= 4 and row.name == "numeric":
        return f"numeric({(modifier - 4) >> 16},{(((modifier - 4) & 0x7FF) ^ 1024) - 1024})"
    if modifier >= 0 and row.name in ("timestamp", "timestamptz", "time", "timetz"):
        name, rest = row.full_name.split(" ", 1)
        return f"{name}({modifier}) {rest}"
    return f"{row.full_name}({modifier - 4})" if modifier >= 4 and row.name in ("varchar", "bpchar") else row.full_name


async def list_tables(fetch: Fetch, schemas: Sequence[str]) -> list[PhysicalTable]:
    """Every table and view of the schemas; partitions are parts of their table."""
    return [PhysicalTable(row["schema"], row["name"]) for row in await fetch(_LIST, list(schemas))]


async def describe(
    fetch: Fetch, catalog: TypeCatalog, tables: Sequence[PhysicalTable], schemas: Sequence[str], encoding: str
) -> list[TableSchema | None]:
    """Each table, None where there is none. A table without a schema is looked for in `schemas`, in that order.

    `encoding` is what the database stores names in.
    """
    wanted = {index: table for index, table in enumerate(tables) if _is_sayable(table, encoding)}
    found = await _find(fetch, catalog, _EXACT, wanted, schemas)
    missing = {index: table for index, table in wanted.items() if index not in found}
    if missing:
        found |= await _find(fetch, catalog, _ANY_CASE, missing, schemas)
    return [found.get(index) for index in range(len(tables))]


def _is_sayable(table: PhysicalTable, encoding: str) -> bool:
    """Whether PostgreSQL could have a table of this name: not with a NUL, or half a surrogate pair."""
    name = f"{table.schema}{table.name}"
    is_text = not any("\ud800" <= character <= "\udfff" for character in name)
    return "\0" not in name and is_text and can_hold(name, encoding)


async def _find(
    fetch: Fetch, catalog: TypeCatalog, query: str, wanted: dict[int, PhysicalTable], schemas: Sequence[str]
) -> dict[int, TableSchema]:
    places = [
        (index * len(schemas) + rank, schema, table.name)
        for index, table in wanted.items()
        for rank, schema in enumerate([table.schema] if table.schema else schemas)
    ]
    rows = await fetch(query, *([place[part] for place in places] for part in range(3)))
    columns = [row for row in rows if row["attnum"] is not None]
    await catalog.learn(fetch, (row["atttypid"] for row in columns), (row["attcollation"] for row in columns))
    by_table: dict[tuple[int, int], list[Any]] = {}
    for row in rows:  # in the order of schemas; of names that differ in case only, the one in small letters first
        by_table.setdefault((row["n"], row["oid"]), []).append(row)
    found: dict[int, TableSchema] = {}
    for (place, _), described in by_table.items():
        found.setdefault(place // len(schemas), _table(catalog, described))
    return found


def _table(catalog: TypeCatalog, rows: list[Any]) -> TableSchema:
    first = rows[0]
    if first["attnum"] is None:  # a table may have no columns
        rows = []
    names = {row["attnum"]: row["attname"] for row in rows}
    key = [int(number) for number in (first["key"] or "").split()]
    if any(row["attnum"] in key and not catalog.has_one_form(row["attcollation"]) for row in rows):
        key = []  # two of its texts may be one text here
    return TableSchema(
        table=PhysicalTable(first["schema"], first["name"]),
        columns=tuple(_column(catalog, row) for row in rows),
        key=tuple(names[number] for number in key),
        rows=_estimate(catalog, first["size"], rows),
        indexed=frozenset(names[number] for number in first["leading"] or () if number in names),
        is_view=first["is_view"],
        pages=first["size"][2] / _BLOCK if first["is_heap"] else None,
    )


def _column(catalog: TypeCatalog, row: Any) -> Column:
    native = catalog.native(row["atttypid"], row["atttypmod"], row["attcollation"])
    type_, comparison = column_type(native)
    return Column(
        name=row["attname"],
        type=type_,
        physical=row["attname"],
        native=catalog.native_name(row["atttypid"], row["native"]),
        is_nullable=not row["attnotnull"],
        comparison=comparison,
        collation=native.collation.name if native.collation else None,
    )


def _estimate(catalog: TypeCatalog, size: Sequence[float | None] | None, columns: list[Any]) -> float | None:
    """Rows as PostgreSQL's own planner estimates them: the density at the last ANALYZE times the size now."""
    if size is None:
        return None
    tuples, pages, octets = size
    if octets is None:  # a foreign table
        return tuples if pages else None
    if tuples is not None and tuples > 0 and pages:
        return round(tuples / pages * (octets / _BLOCK))
    width = sum(column_type(catalog.native(row["atttypid"], row["atttypmod"]))[0].width for row in columns)
    return round(octets * _FULL / (_ROW_OVERHEAD + width))
