"""What one physical table looks like: columns with their types, keys, size. Pure data that sources fill in."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedq.catalog.statistics import TableStatistics
from fedq.types import Comparison, Type


@dataclass(frozen=True, slots=True)
class PhysicalTable:
    """A table as its own database names it."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type in fedq, and what its own database makes of it."""

    name: str
    """Logical name."""
    type: Type
    physical: str
    """Name in the database."""
    native: str
    """Declared type there: `numeric(15,2)`, `varchar(20)`, `enum('a','b')`."""
    is_nullable: bool = True
    comparison: Comparison = Comparison.SAME
    """How far the database's own comparisons of this column agree with DuckDB's."""
    collation: str | None = None
    """The database's name for the rule by which it compares this text column, for messages and rewrites."""
    policy: str = "error"
    """on_unrepresentable of this column: error, null or text."""
    storage: str | None = None
    """How SQLite stores a date or time, when the catalog says so: iso, unix, unix_ms, julian."""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A physical table described."""

    table: PhysicalTable
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """Physical names of the primary key's columns."""
    rows: float | None = None
    """Estimated number of rows from the database's own statistics; None is unknown."""
    indexed: frozenset[str] = frozenset()
    """Physical names of columns that lead an index."""
    is_view: bool = False
    pages: float | None = field(default=None, compare=False)
    """How many pages hold its rows, about, where a statement can ask for the rows of some pages: a PostgreSQL heap."""
    statistics: TableStatistics | None = field(default=None, compare=False, repr=False)
    """What the database knows of the values, where that was asked; never a part of what the table is."""
