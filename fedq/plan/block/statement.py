"""What the blocks of one statement share, and what each block's names mean in it.

    from customers c where exists (select 1 from orders c where c.cid = id)
    Scope(c → "c" customers)  ──  Scope(c → "c_2" orders)          id is "c"."id", c.cid is "c_2"."cid"

A name is looked up as DuckDB does it, from the inner block outwards. Every source gets a name of its own in the
statement, so that what an inner name hides there can never be what it hides here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fedq.bind.bound import BoundQuery
from fedq.bind.scope import ORIGIN, Block, Occurrence
from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.plan.constants import NotPushed
from fedq.plan.values import Said
from fedq.sql import exp

#: tables of one statement: MySQL joins 61, SQLite 64
MOST_TABLES = 60
#: a column reference in a statement
Found = tuple[str, Column]


class Names(Protocol):
    """Where the names of a block are looked up."""

    def find(self, node: exp.Column) -> Found | None:
        """What a reference means, None when it is not certain."""


@dataclass(frozen=True, slots=True)
class Item:
    """One column of a query, of a source too."""

    name: str
    """What it is called in the query; empty when the local engine would make a name of its text."""
    said: Said


@dataclass(frozen=True, slots=True)
class Key:
    """One value by which a block groups."""

    sql: str
    """How it is said before grouping."""
    by: Said
    """By what the database groups, so that the groups are DuckDB's."""
    value: Said
    """The value of a group."""


@dataclass(frozen=True, slots=True)
class Written:
    """A query in the database's words, as parts."""

    items: tuple[Item, ...]
    source: str
    """`FROM …`; empty where there is none."""
    where: tuple[str, ...] = ()
    suffix: str = ""
    is_distinct: bool = False
    is_one_row: bool = False
    """Whether it never has a second row."""
    has_limit: bool = False
    is_plain: bool = False
    """Whether it has a row per row of its source that passes WHERE: no grouping, no LIMIT."""
    has_order: bool = False
    """Whether its rows come in an order that DuckDB would keep."""
    is_correlated: bool = False
    """Whether it is another query for each row of a block around it."""
    united: tuple[str, str] = ("", "")
    """The verb and the text of the set operation whose rows these are, columns and all; empty where they are not."""
    is_quick: bool = False
    """Whether being computed for each row again costs little: an index serves it, or it reads few rows."""

    def sql(self, outputs: Sequence[str]) -> str:
        """The statement with these outputs."""
        where = f"WHERE {' AND '.join(self.where)}" if self.where else ""
        distinct = "DISTINCT " if self.is_distinct else ""
        parts = [f"SELECT {distinct}{', '.join(outputs)}", self.source, where, self.suffix]
        return " ".join(part for part in parts if part)

    @property
    def plain_sql(self) -> str:
        """The statement with its outputs unnamed."""
        return self.sql([item.said.sql for item in self.items])


@dataclass(slots=True)
class Statement:
    """One statement that is being written."""

    query: BoundQuery
    dialect: Dialect
    database: str | None
    """The one whose tables it may read; None until the first is read."""
    write: Callable[[exp.Expr, Statement, Names | None], Written]
    """Writes a SELECT or a set operation inside of it; `Names` are those of the block around it."""
    root: exp.Expr | None = None
    """The query that is the whole statement: only its order is seen."""
    occurrences: list[Occurrence] = field(default_factory=list)
    """The tables that it reads so far."""
    expanding: list[int] = field(default_factory=list)
    """CTEs that are being written in place of their names."""
    _aliases: set[str] = field(default_factory=set)
    _by_node: dict[int, Occurrence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_node = {id(occurrence.node): occurrence for occurrence in self.query.occurrences}

    def reads(self, node: exp.Table) -> bool:
        """Whether a node names a stored table, whatever a WITH around it is called."""
        return id(node) in self._by_node

    def read(self, node: exp.Table) -> Occurrence:
        """The stored table that a node names. Raises: NotPushed."""
        occurrence = self._by_node.get(id(node))
        if occurrence is None:
            raise NotPushed("a source that is no stored table")
        if self.database not in (None, occurrence.table.database):
            raise NotPushed(f"{occurrence.table.name} is in another database ({occurrence.table.database})")
        self.database = occurrence.table.database
        self.occurrences.append(occurrence)
        if len(self.occurrences) > MOST_TABLES:
            raise NotPushed(f"it reads more than {MOST_TABLES} tables, and some databases join no more than 61")
        return occurrence

    def alias(self, wanted: str) -> str:
        """A name for a source that no other source of the statement has, as near to the wanted one as can be."""
        base, number = wanted or "q", 1
        while True:
            name = base if number == 1 else f"{base}_{number}"
            if (key := _same_name(name)) not in self._aliases:
                self._aliases.add(key)
                return name
            number += 1

    def quote(self, name: str) -> str:
        """An identifier in the dialect. Raises: NotPushed."""
        try:
            return self.dialect.quote(name)
        except Unsayable as reason:
            raise NotPushed(f"{reason} cannot be said there") from reason


def _same_name(name: str) -> str:
    """Equal for names that some database takes for one: without case, accents and padding."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(mark for mark in plain if not unicodedata.combining(mark)).strip()


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a block's FROM."""

    name: str
    """What the query calls it, lower case; empty for a derived table without a name."""
    alias: str
    """What the statement calls it, quoted."""
    columns: tuple[tuple[str, Found], ...]
    """In order, by the query's names."""
    occurrence: Occurrence | None = None
    hidden: frozenset[str] = frozenset()
    """Columns that a star does not show: USING has merged them."""

    def column(self, name: str) -> Found | None:
        """A column by its name."""
        wanted = name.lower()
        return next((found for known, found in self.columns if known.lower() == wanted), None)

    @property
    def is_open(self) -> bool:
        """Whether it has columns whose names only the local engine knows."""
        return any(not name for name, _ in self.columns)


@dataclass(slots=True)
class Scope:
    """The names of one block: its sources in order, and the block around it."""

    parent: Names | None = None
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Found] = field(default_factory=dict)
    """Columns that USING made of two."""
    aliases: frozenset[str] = frozenset()
    """Names that SELECT gives, lower case; DuckDB lets other clauses use them before it looks outside."""
    has_reached_out: bool = False
    """Whether some name was one of a block around this one."""

    def find(self, node: exp.Column) -> Found | None:
        """What a reference means; None when it could mean something else or nothing."""
        if isinstance(node.this, exp.Star) or node.name.lower() == ORIGIN:
            return None
        if node.table:
            found, is_settled = self._qualified(node)
        else:
            found, is_settled = self._bare(node.name.lower())
        if is_settled:
            return found
        outer = self.parent.find(node) if self.parent is not None else None
        self.has_reached_out |= outer is not None
        return outer

    def _qualified(self, node: exp.Column) -> tuple[Found | None, bool]:
        wanted = node.table.lower()
        named = [source for source in self.sources if source.name == wanted]
        if named:
            source = named[0]
            is_meant = node.args.get("db") is None or (
                source.occurrence is not None and source.occurrence.is_qualified_as(node)
            )
            return (source.column(node.name) if is_meant and len(named) == 1 else None), True
        first = node.parts[0].name  # `a.b` may be the field b of a struct a
        is_field = any(source.column(first) is not None or source.is_open for source in self.sources)
        return None, is_field

    def _bare(self, name: str) -> tuple[Found | None, bool]:
        if name in self.merged:
            return self.merged[name], True
        hits = [found for source in self.sources if (found := source.column(name)) is not None]
        is_whole_row = any(source.name == name for source in self.sources)
        if len(hits) == 1:
            return hits[0], True
        is_open = any(source.is_open for source in self.sources)
        return None, bool(hits) or is_whole_row or is_open or name in self.aliases


@dataclass(slots=True)
class BlockNames:
    """The names of a block that somebody else writes: its tables are called by their aliases."""

    statement: Statement
    block: Block
    within: frozenset[str]
    """Ids of the occurrences that are in the statement."""

    def find(self, node: exp.Column) -> Found | None:
        """What a reference means, None unless it is a column of one of these tables."""
        found = self.statement.query.scopes.resolve(node, self.block)
        if found is None or found[0].id not in self.within:
            return None
        quote = self.statement.quote
        return f"{quote(found[0].alias)}.{quote(found[1].physical)}", found[1]


def source_of_table(statement: Statement, node: exp.Table, names: Sequence[str]) -> Source:
    """A stored table as a source; `names` are those its alias gives to its columns."""
    occurrence = statement.read(node)
    alias = statement.quote(statement.alias(occurrence.alias))
    columns = occurrence.table.columns
    if len(names) > len(columns):
        raise NotPushed("more names than the table has columns")
    called = [*names, *(column.name for column in columns[len(names) :])]
    found = tuple(
        (name, (f"{alias}.{statement.quote(column.physical)}", column))
        for name, column in zip(called, columns, strict=True)
    )
    return Source(occurrence.alias.lower(), alias, found, occurrence)


def source_of_query(
    statement: Statement, written: Written, name: str, names: Sequence[str], *, text: str | None = None
) -> tuple[Source, str]:
    """A query as a source, and the SQL that makes it one: `(SELECT …) AS "name"`.

    `text` is the query where it is said already, its columns called c0, c1 and so on.
    """
    alias = statement.quote(statement.alias(name))
    if len(names) > len(written.items):
        raise NotPushed("more names than the subquery has columns")
    called = [*names, *(item.name for item in written.items[len(names) :])]
    given = [known.lower() for known in called if known]
    if len(set(given)) < len(given):
        raise NotPushed(f"two columns of one name in {name or 'a subquery'}")
    outputs, columns = [], []
    for number, (known, item) in enumerate(zip(called, written.items, strict=True)):
        inner = statement.quote(known if known.isascii() and known.isidentifier() else f"c{number}")
        outputs.append(f"{item.said.sql} AS {inner}")
        columns.append((known, (f"{alias}.{inner}", item.said.column)))
    if len({_same_name(output.rpartition(" AS ")[2]) for output in outputs}) < len(outputs):
        raise NotPushed(f"columns of {name or 'a subquery'} whose names differ too little")
    return Source(name.lower(), alias, tuple(columns)), f"({text or written.sql(outputs or ['1'])}) AS {alias}"
