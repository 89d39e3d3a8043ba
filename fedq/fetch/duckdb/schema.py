"""What a DuckDB instance knows of its tables and views, as fedq's schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.fetch.sqlite.schema import declared_collations
from fedq.types import Comparison, parse_type

_TABLES = """
    SELECT schema_name, table_name, false, estimated_size, sql FROM duckdb_tables()
    WHERE database_name = $database AND NOT internal
    UNION ALL
    SELECT schema_name, view_name, true, NULL, sql FROM duckdb_views()
    WHERE database_name = $database AND NOT internal
    ORDER BY 1, 2
"""
_COLUMNS = """
    SELECT column_name, data_type, is_nullable FROM duckdb_columns()
    WHERE database_name = $database AND schema_name = $schema AND table_name = $table ORDER BY column_index
"""
_KEY = """
    SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'
    AND database_name = $database AND schema_name = $schema AND table_name = $table
"""


class Tables:
    """The tables and views of one attached database as they are now; a bare name is looked for in `schemas`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, database: str, schemas: Sequence[str], policy: str) -> None:
        self.cursor, self._database, self._schemas, self._policy = cursor, database, schemas, policy
        found = cursor.execute(_TABLES, {"database": database}).fetchall()
        self._found = {(schema, name): (is_view, rows, sql) for schema, name, is_view, rows, sql in found}
        # a view's columns have the collation of what they come from, which nothing tells
        self._has_collations = any(" COLLATE " in (sql or "") for _, _, sql in self._found.values())

    def names(self) -> list[PhysicalTable]:
        """Every one of the configured schemas."""
        return [PhysicalTable(schema, name) for schema, name in self._found if schema in self._schemas]

    def describe(self, wanted: PhysicalTable) -> TableSchema | None:
        """One table; the exact name wins over one in another case, an earlier schema over a later one."""
        schemas = [wanted.schema] if wanted.schema is not None else list(self._schemas)
        exact = ((schema, wanted.name) for schema in schemas)
        if (key := next((key for key in exact if key in self._found), None)) is not None:
            return self._described(*key)
        folded = {(schema.lower(), name.lower()): (schema, name) for schema, name in reversed(self._found)}
        keys = (folded.get((schema.lower(), wanted.name.lower())) for schema in schemas)
        return next((self._described(*key) for key in keys if key is not None), None)

    def _described(self, schema: str, name: str) -> TableSchema:
        is_view, rows, sql = self._found[schema, name]
        where = {"database": self._database, "schema": schema, "table": name}
        collations = {} if is_view else declared_collations(sql or "")
        columns = [
            self._column(column, type_, collations, is_nullable=is_nullable, is_view=is_view)
            for column, type_, is_nullable in self.cursor.execute(_COLUMNS, where).fetchall()
        ]
        key = self.cursor.execute(_KEY, where).fetchone()
        return TableSchema(
            PhysicalTable(schema, name),
            tuple(columns),
            key=tuple(key[0]) if key else (),
            rows=None if rows is None else float(rows),
            is_view=is_view,
        )

    def _column(
        self, name: str, type_: str, collations: Mapping[str, str], *, is_nullable: bool, is_view: bool
    ) -> Column:
        type_here = parse_type(type_)
        collation = collations.get(name.lower())
        comparison = Comparison.SAME
        if collation:
            comparison = Comparison.LOOSE
        elif is_view and self._has_collations and type_here.family == "text":
            comparison = Comparison.UNLIKE
        return Column(
            name,
            type_here,
            name,
            type_,
            is_nullable=is_nullable,
            comparison=comparison,
            collation=collation,
            policy=self._policy,
        )
