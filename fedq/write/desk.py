"""What writing needs of a federation: its catalog, its way to read, and the table that a name means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedq.bind.resolve import BoundTable, Placing, resolve_tables
from fedq.catalog.model import Catalog, Database
from fedq.catalog.schema import Column
from fedq.catalog.suggest import nearest
from fedq.errors import ColumnNotFound, InvalidQuery, ReadOnlyError
from fedq.fetch.open import QueryLookup, Sources
from fedq.fetch.source import Source
from fedq.fetch.writer import Position, Writer, Writers
from fedq.plan.nodes import Plan
from fedq.sql import exp

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fedq.result import Result
    from fedq.write.statement import Assignment, Statement
    from fedq.write.stoppable import Writing


@dataclass(frozen=True, slots=True)
class Part:
    """A query that a write is made of."""

    sql: str
    params: Mapping[str, Any]
    placing: Placing
    inside: Mapping[str, Source]
    """The databases that are read within the transaction."""
    frames: Mapping[str, pa.Table] = field(default_factory=dict)
    """Rows that it reads as `@name`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One federation, as far as a write needs it."""

    catalog: Catalog
    placing: Placing
    sources: Sources
    writers: Writers
    read: Callable[[Part, Writing], Result]
    """Runs a query as a part of a write."""
    plan: Callable[[Part], Plan]
    """How it would be run."""
    connect: Callable[[], duckdb.DuckDBPyConnection]
    """A connection to the local engine."""
    running: set[Writing]
    """The writes that run now."""
    time_limit: Callable[[object], float | None]
    """The seconds that a write may take, by what the call says of it."""

    def commit(self, writer: Writer) -> Position | None:
        """Commit, and let later reads of this federation know; also when the answer was lost on the way."""
        position = None
        try:
            position = writer.commit()
            return position
        finally:
            self.sources.wrote(writer.name, position)

    def resolve(self, text: str, node: exp.Table, placing: Placing, inside: Mapping[str, Source]) -> Target:
        """The table a name means. Raises: TableNotFound, AmbiguousTable, CatalogError."""
        lookup = QueryLookup(self.sources, inside)
        [table] = resolve_tables(text, [node], self.catalog, lookup, placing)
        entry = self.catalog.entry(table.name)
        key = table.schema.key
        if entry is not None and entry.key:
            found = [table.column(name) for name in entry.key]
            key = tuple(column.physical for column in found if column is not None)
        return Target(table, key)


@dataclass(frozen=True, slots=True)
class Target:
    """The table that is written."""

    table: BoundTable
    key: tuple[str, ...]
    """Physical names of the columns that tell its rows apart; empty where nothing does."""

    @property
    def database(self) -> str:
        """Where it lives."""
        return self.table.database

    def column(self, name: str, *, text: str | None = None, span: tuple[int, int] | None = None) -> Column:
        """The column of that name. Raises: ColumnNotFound."""
        column = self.table.column(name)
        if column is None:
            names = [known.name for known in self.table.columns]
            near = nearest(name, names)
            hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(names[:12])}."
            message = f"table {self.table.name!r} has no column {name!r}"
            raise ColumnNotFound(message, sql=text, span=span, hint=hint, table=self.table.name, column=name)
        return column

    def assigned(self, statement: Statement, assignments: Sequence[Assignment]) -> list[Column]:
        """The columns that are SET. Raises: ColumnNotFound; InvalidQuery where one is SET twice."""
        changed = [self.column(each.column, text=statement.text, span=each.span) for each in assignments]
        if len({column.physical for column in changed}) < len(changed):
            raise InvalidQuery("a column is SET twice", sql=statement.text, span=statement.span, hint="Set it once.")
        return changed

    @property
    def identity(self) -> tuple[Column, ...]:
        """The columns by which its rows are found again: its key, else all of them."""
        if not self.key:
            return self.table.columns
        return tuple(column for name in self.key for column in self.table.columns if column.physical == name)


def check_writable(database: Database) -> None:
    """Refuse what the catalog says is only read, before anything is sent. Raises: ReadOnlyError."""
    if database.read_only:
        message = f"database {database.name!r} is read_only in the catalog ({database.place})"
        hint = "Write elsewhere with using=, or take read_only away where that is right."
        raise ReadOnlyError(message, hint=hint, database=database.name)
