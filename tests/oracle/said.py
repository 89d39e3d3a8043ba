"""Values and predicates asked of a real database in its own words, without a planner between: `Asked(places, table)`.

asked.value("extract(year from d)")      → what the database computes for each row, or None where it is not said
asked.ids("d < e")                       → the rows that the pushed words keep, and whether they are all of them
"""

from __future__ import annotations

from typing import Any

from fedq.catalog.schema import Column, PhysicalTable
from fedq.dialects import dialect_of
from fedq.fetch.source import Output, Select
from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Offer, Speaker
from fedq.plan.translate import translate
from fedq.plan.values import Said, say
from fedq.sql import exp, parse
from fedq.types import BIGINT, Type, parse_type
from tests.oracle.support import Places, canonical, canonical_rows

KINDS = {"postgres": "postgres", "mariadb": "mysql", "sqlite": "sqlite", "duckdb": "duckdb"}


class Asked:
    """One table of one engine, and the same rows in the oracle."""

    def __init__(self, places: Places, table: str, engine: str, *, is_sole: bool = True) -> None:
        self.places, self.table, self.engine = places, table, engine
        self.dialect = dialect_of(KINDS[engine])
        self.source = places.federation._sources[engine]
        (self.schema,) = self.source.describe([self._physical()])
        assert self.schema is not None
        columns = {column.name.lower(): column for column in self.schema.columns}

        def resolve(node: exp.Column) -> tuple[str, Column] | None:
            column = columns.get(node.name.lower())
            return (self.dialect.quote(column.physical), column) if column else None

        self.speaker = Speaker(self.dialect, resolve, {}, is_sole=is_sole)

    def _physical(self) -> PhysicalTable:
        return next(found for found in self.source.list_tables() if found.name == self.table)

    def said(self, text: str) -> Said | None:
        """The expression in the database's words; None where it stays local."""
        try:
            return say(tree(text), self.speaker)
        except NotPushed:
            return None

    def offer(self, text: str) -> Offer | None:
        """The predicate in the database's words; None where it stays local."""
        try:
            return translate(tree(text), self.speaker)
        except NotPushed:
            return None

    def value(self, said: Said, type_: Type) -> list[Any]:
        """(id, value) of every row, as the database computes it and the reader reads it."""
        table = self.schema.table
        column = said.column if said.column.physical else None
        outputs = (Output(self.dialect.quote("id"), "id", BIGINT), Output(said.sql, "v", type_, column))
        return self._read(Select(outputs, f"FROM {self.dialect.table(table.schema, table.name)}"))

    def ids(self, condition: str) -> list[Any]:
        """The ids for which the database finds its own words true."""
        table = self.schema.table
        tail = f"FROM {self.dialect.table(table.schema, table.name)} WHERE {condition}"
        return [row[0] for row in self._read(Select((Output(self.dialect.quote("id"), "id", BIGINT),), tail))]

    def _read(self, select: Select) -> list[Any]:
        import pyarrow as pa

        session = self.source.open()
        try:
            return sorted(canonical_rows(pa.Table.from_batches(list(session.read(select)))), key=lambda row: row[0])
        finally:
            session.close()

    def wanted(self, text: str) -> tuple[Type, list[Any]]:
        """DuckDB's type of an expression, and (id, value) of every row."""
        sql = f"select id, {text} as v from {self.table} order by id"
        type_ = parse_type(str(self.places.oracle.execute(f"describe {sql}").fetchall()[1][1]))
        return type_, sorted(canonical_rows(self.places.oracle.sql(sql).to_arrow_table()), key=lambda row: row[0])

    def wanted_ids(self, condition: str) -> list[Any]:
        """The ids that DuckDB keeps."""
        rows = self.places.oracle.execute(f"select id from {self.table} where {condition}").fetchall()
        return sorted(canonical(row[0]) for row in rows)


def tree(text: str) -> exp.Expr:
    """One expression."""
    return parse(f"select 1 where {text}")[0].args["where"].this
