"""What there is: databases, tables and columns as results, and every problem of a catalog at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedq.bind.resolve import Placing, bind_table, resolve_tables
from fedq.catalog.model import Catalog, Relation, TableEntry
from fedq.catalog.schema import PhysicalTable
from fedq.errors import FedqError, TableNotFound
from fedq.fetch.open import QueryLookup, Sources
from fedq.result import Result
from fedq.result.report import Report
from fedq.sql import exp
from fedq.types import BOOLEAN, VARCHAR


def list_databases(catalog: Catalog) -> Result:
    """One row per database."""
    columns = [("database", VARCHAR), ("kind", VARCHAR), ("address", VARCHAR), ("read_only", BOOLEAN)]
    rows = [
        (database.name, database.kind, _address(database.url, catalog), database.read_only)
        for database in catalog.databases.values()
    ]
    return Result.from_rows(columns, rows)


def _address(url: str, catalog: Catalog) -> str:
    """The URL as the catalog's file may have it: a path below the file's folder is relative to it."""
    return url.replace(f"{Path(catalog.file).parent}/", "", 1) if catalog.file is not None else url


def list_tables(catalog: Catalog, sources: Sources) -> Result:
    """One row per logical table; a database that does not answer is one row that says so."""
    columns = [("table", VARCHAR), ("database", VARCHAR), ("physical", VARCHAR), ("placed_by", VARCHAR)]
    names = sources.names()
    answers = sources.side_by_side([lambda name=name: sources[name].list_tables() for name in names])  # type: ignore[misc]
    rows: list[tuple[str | None, str, str | None, str]] = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, FedqError):
            why = f"not reachable: {answer.message}"
            entries = [entry for entry in catalog.tables.values() if entry.database == name and not entry.is_pattern]
            rows += [(entry.name, name, entry.table or entry.name, why) for entry in entries] or [
                (None, name, None, why)
            ]
        elif isinstance(answer, BaseException):
            raise answer
        elif isinstance(answer, Sequence):
            rows += [row for table in answer for row in _logical(table, name, catalog)]
    return Result.from_rows(columns, sorted(rows, key=lambda row: (row[0] is None, row[0] or "", row[1])))


def _logical(table: PhysicalTable, database: str, catalog: Catalog) -> list[tuple[str | None, str, str | None, str]]:
    """The logical names a physical table has."""
    physical = f"{table.schema}.{table.name}" if table.schema else table.name
    named = [entry for entry in catalog.tables.values() if not entry.is_pattern and _is_of(entry, table, database)]
    if named:
        return [(entry.name, database, physical, "[tables]") for entry in named]
    entry = catalog.entry(table.name)
    if entry is None:
        return [(table.name, database, physical, "only one that has it")]
    if entry.is_pattern and entry.database == database:
        return [(table.name, database, physical, f"[tables] {entry.name}")]
    return []


def _is_of(entry: TableEntry, table: PhysicalTable, database: str) -> bool:
    name = entry.table or entry.name
    return entry.database == database and name.lower() == table.name.lower() and entry.schema in (None, table.schema)


def list_columns(name: str, catalog: Catalog, sources: Sources, placing: Placing) -> Result:
    """One row per column of a logical table. Raises: TableNotFound, AmbiguousTable."""
    parts = [exp.to_identifier(part) for part in reversed(name.split("."))]
    node = exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))
    table = resolve_tables(name, [node], catalog, QueryLookup(sources, {}), placing)[0]
    columns = [
        ("column", VARCHAR),
        ("type", VARCHAR),
        ("database", VARCHAR),
        ("native", VARCHAR),
        ("comparison", VARCHAR),
    ]
    rows = [
        (column.name, str(column.type), table.database, column.native, column.comparison.value)
        for column in table.columns
    ]
    return Result.from_rows(columns, rows)


def orphan_query(relation: Relation) -> str:
    """The query for the keys of a relation that its other side does not have, with their number in the last column.

    >>> orphan_query(Relation("r", "invoices", ("user_id",), "users", ("id",))).partition("ANTI")[2]
    ' JOIN "users" t ON f."user_id" = t."id" WHERE f."user_id" IS NOT NULL) LIMIT 3'
    """
    pairs = list(zip(relation.from_columns, relation.to_columns, strict=True))
    keys = ", ".join(f'f."{own}"' for own, _ in pairs)
    on = " AND ".join(f'f."{own}" = t."{other}"' for own, other in pairs)
    known = " AND ".join(f'f."{own}" IS NOT NULL' for own, _ in pairs)
    inner = f'FROM "{relation.from_table}" f ANTI JOIN "{relation.to_table}" t ON {on} WHERE {known}'
    return f"SELECT *, count(*) OVER () FROM (SELECT DISTINCT {keys} {inner}) LIMIT 3"


def check_catalog_live(catalog: Catalog, sources: Sources) -> Report:
    """Every problem: databases that cannot be reached, tables and columns that are not there."""
    names = sources.names()
    answers = sources.side_by_side([lambda name=name: sources[name].list_tables() for name in names])  # type: ignore[misc]
    problems: list[FedqError] = []
    dead: set[str] = set()
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, FedqError):
            problems.append(answer)
            dead.add(name)
        elif isinstance(answer, BaseException):
            raise answer
    entries = [entry for entry in catalog.tables.values() if not entry.is_pattern and entry.database not in dead]
    for entry in entries:
        try:
            _check_entry(entry, catalog, sources)
        except FedqError as problem:
            problems.append(problem)
    return Report(tuple(problems), databases=tuple(names), tables=tuple(entry.name for entry in entries))


def _check_entry(entry: TableEntry, catalog: Catalog, sources: Sources) -> None:
    physical = PhysicalTable(entry.schema, entry.table or entry.name)
    schema = sources[entry.database].describe([physical])[0]
    if schema is None:
        message = f"database {entry.database!r} has no table {physical.name!r} ({entry.place})"
        raise TableNotFound(
            message,
            hint="Correct the entry in [tables], or create the table.",
            table=entry.name,
            database=entry.database,
        )
    bind_table(entry.name, catalog.databases.get(entry.database), entry, schema, entry.database)
