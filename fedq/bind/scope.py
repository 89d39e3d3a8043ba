"""Query blocks: which names mean which tables, and which columns of each table the query can touch.

    select c.name from customers c where exists (select 1 from orders o where o.cid = c.id)
    Block(c → customers) ── Block(o → orders)        customers: id, name      orders: cid

Both answers are supersets on purpose. A column is kept wherever its name could mean it; a reference resolves to a table
only when it cannot mean anything else. What is unclear is kept whole and resolved to nothing, which costs time and
never a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from fedq.bind.resolve import BoundTable
from fedq.catalog.schema import Column
from fedq.sql import every, exp, first, named, of_kinds, shown_as, span_of

E = TypeVar("E", bound=exp.Expr)

#: the hidden column that says which database a row was loaded from
ORIGIN = "_database"
#: parts that name what they are part of
_NAMED = (exp.Column, exp.Table, exp.TableAlias, exp.Alias)
#: parts that may stand for every column of their block's sources
_OF_ALL = (exp.Join, exp.Star, exp.Columns, exp.Pivot, exp.PositionalColumn)


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """One place in the text where a base table is read; it is equal to itself alone."""

    id: str
    """Its name in the local engine, unique in the query: `customers@1`."""
    node: exp.Table
    table: BoundTable
    columns: tuple[Column, ...]
    """Those the query can touch, in the table's order."""
    has_origin: bool = False
    """Whether the query reads its `_database`."""

    @property
    def alias(self) -> str:
        """The name by which the query's columns refer to it."""
        return str(self.node.alias or self.node.name)

    def is_qualified_as(self, column: exp.Column) -> bool:
        """Whether `shop.orders.id` means this table: `from shop.orders`, without an alias."""
        mine = [part.name.lower() for part in (self.node.args.get("catalog"), self.node.args.get("db")) if part]
        theirs = [part.name.lower() for part in (column.args.get("catalog"), column.args.get("db")) if part]
        is_named = not self.node.alias and named(column)[0] == shown_as(self.node)
        return is_named and bool(mine) and mine[-len(theirs) :] == theirs


@dataclass(eq=False, slots=True)
class Block:
    """One SELECT with the sources of its FROM."""

    node: exp.Select
    parent: Block | None
    tables: dict[str, Occurrence] = field(default_factory=dict)
    """Base tables by alias, lower case."""
    derived: dict[str, exp.Expr | None] = field(default_factory=dict)
    """Other sources by alias: the query of a derived table or CTE, None for what cannot be looked into."""
    is_opaque: bool = False
    """Whether some source has no name or two share one, so that nothing resolves."""
    is_source: bool = False
    """Whether it is one of its parent's sources, which sees those before it and not those behind it."""


def base_tables(parts: Sequence[exp.Expr]) -> list[exp.Table]:
    """Those nodes of a tree that name a base table, in the order of the text: not functions, not the names of CTEs."""
    tables = of_kinds(parts, exp.Table)
    found = [node for node in tables if isinstance(node.this, exp.Identifier) and cte_of(node) is None]
    return sorted(found, key=lambda node: span_of(node.this) or (0, 0))


def cte_of(node: exp.Table) -> exp.CTE | None:
    """The CTE a table name means, by SQL's rules of visibility; None for a base table."""
    if node.args.get("db") is not None:
        return None
    wanted = node.name.lower()
    child: exp.Expr = node
    parent = node.parent
    while parent is not None:
        clause = parent if isinstance(parent, exp.With) else None
        if clause is None and (with_ := parent.args.get("with_")) is not None and with_ is not child:
            visible = with_.expressions
        elif clause is not None:  # inside a CTE: those before it, and itself where it is a union that can recur
            end = next(index for index, cte in enumerate(clause.expressions) if cte is child)
            is_recursive = clause.args.get("recursive") and isinstance(child.this, exp.SetOperation)
            visible = clause.expressions[: end + 1 if is_recursive else end]
        else:
            visible = []
        if (found := _named(visible, wanted)) is not None:
            return found
        child, parent = parent, parent.parent
    return None


def _named(ctes: Sequence[exp.Expr], name: str) -> exp.CTE | None:
    return next((cte for cte in ctes if isinstance(cte, exp.CTE) and cte.alias.lower() == name), None)


class Scopes:
    """All blocks of a query with their tables."""

    def __init__(
        self,
        parts: Sequence[exp.Expr],
        reads: Sequence[exp.Table],
        tables: Sequence[BoundTable],
        numbers: Sequence[int] | None = None,
    ) -> None:
        """`parts` are all nodes of a tree, as `nodes` gives them; of them `reads` read the `tables`, under these
        numbers."""
        self.parts = parts
        self.blocks: dict[int, Block] = {}
        occurrences = _occurrences(parts, reads, tables, numbers or range(1, len(reads) + 1))
        self.occurrences = occurrences
        self._by_node = {id(occurrence.node): occurrence for occurrence in occurrences}
        for select in self.every(exp.Select):  # a parent comes before its children
            parent, is_source = _around(select)
            self.blocks[id(select)] = self._block(select, self.blocks.get(id(parent)) if parent else None)
            self.blocks[id(select)].is_source = is_source

    def _block(self, select: exp.Select, parent: Block | None) -> Block:
        block = Block(select, parent)
        for source in sources_of(select):
            self._add(block, source)
        return block

    def _add(self, block: Block, source: exp.Expr) -> None:
        name = shown_as(source) or f"?{len(block.derived)}"
        occurrence = self.read_by(source)
        if name in block.tables or name in block.derived or source.args.get("pivots"):
            block.is_opaque = True
        elif occurrence is not None and not _column_aliases(source):
            block.tables[name] = occurrence
        else:
            block.derived[name] = _query_of(source)

    @property
    def tree(self) -> exp.Expr:
        """The whole query."""
        return self.parts[0]

    def every(self, *kinds: type[E]) -> list[E]:
        """The nodes of these kinds, breadth first; those of the tree as it was when it was bound."""
        return of_kinds(self.parts, *kinds)

    def read_by(self, node: exp.Expr) -> Occurrence | None:
        """The base table that a source is; None for a derived table, a CTE's name and what reads none."""
        return self._by_node.get(id(node))

    def block_of(self, node: exp.Expr) -> Block | None:
        """The block a node stands in."""
        select = node.find_ancestor(exp.Select)
        return self.blocks.get(id(select)) if select is not None else None

    def resolve(self, column: exp.Column, block: Block | None = None) -> tuple[Occurrence, Column] | None:
        """The base column a reference means, None when it could mean something else."""
        block = block or self.block_of(column)
        is_beside, (qualifier, name) = False, named(column)
        while block is not None:
            if block.is_opaque or (is_beside and _may_name(column, block)):
                return None
            if qualifier:
                if (occurrence := block.tables.get(qualifier)) is not None:
                    found = occurrence.table.column(name)
                    return (occurrence, found) if found and _is_qualifier(column, occurrence) else None
                if qualifier in block.derived or _has_column(block, column.parts[0].name):
                    return None
            else:
                hits = [(occ, found) for occ in block.tables.values() if (found := occ.table.column(name))]
                if block.derived or len(hits) > 1:
                    return None
                if hits:
                    return hits[0]
                if any(output.alias.lower() == name for output in block.node.expressions):
                    return None  # DuckDB lets WHERE use the names that SELECT gives
            is_beside, block = block.is_source, block.parent
        return None

    def table_of(self, column: exp.Column, block: Block | None = None) -> tuple[BoundTable, Column] | None:
        """The table and column a reference means; `block` is where it stands when its own tree does not tell."""
        found = self.resolve(column, self.block_of(column) or block)
        return None if found is None else (found[0].table, found[1])

    def origin(self, column: exp.Column, block: Block | None = None) -> tuple[Occurrence, Column] | None:
        """The base column whose values a reference's values are taken from, also through derived tables and CTEs.

        The values are a subset of the base column's: enough to ship keys from it, not to say that a predicate may go
        to it.
        """
        direct = self.resolve(column, block)
        if direct is not None:
            return direct
        block, (qualifier, name) = block or self.block_of(column), named(column)
        while block is not None and not block.is_opaque and qualifier:
            if qualifier in block.derived:
                inner = block.derived[qualifier]
                return self._projected(inner, name) if isinstance(inner, exp.Select) else None
            block = None if qualifier in block.tables or block.is_source else block.parent
        return None

    def _projected(self, select: exp.Select, name: str) -> tuple[Occurrence, Column] | None:
        """The base column that an output of a block is, when it is just that and no other has its name (lower case)."""
        if any(_is_many(projection) for projection in select.expressions):
            return None
        meant = [projection for projection in select.expressions if shown_as(projection) == name]
        inner = meant[0].unalias() if len(meant) == 1 else None
        return self.origin(inner, self.blocks.get(id(select))) if isinstance(inner, exp.Column) else None


def _around(select: exp.Select) -> tuple[exp.Select | None, bool]:
    """The block whose names a block sees, and whether it is a source of that: a CTE sees none of those beside it."""
    node: exp.Expr = select
    is_source = False
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.Select) and not isinstance(node, exp.With):
            return parent, is_source
        is_source |= isinstance(parent, exp.From) or (isinstance(parent, exp.Join) and node.arg_key == "this")
        if isinstance(parent, exp.With):
            is_source = False
        node = parent
    return None, False


def _may_name(column: exp.Column, block: Block) -> bool:
    """Whether a reference from one of a block's sources could mean another of them."""
    qualifier, name = named(column)
    if qualifier:
        return qualifier in block.tables or qualifier in block.derived or _has_column(block, column.parts[0].name)
    return _has_column(block, name) or len(block.derived) > 1


def sources_of(select: exp.Select) -> Iterator[exp.Expr]:
    """Everything a block's FROM lists: first source, joins, laterals, and those inside parentheses."""
    first = select.args.get("from_")
    if first is not None:
        yield from _unfold(first.this)
    for join in select.args.get("joins") or []:
        yield from _unfold(join.this)
    yield from select.args.get("laterals") or []


def _unfold(source: exp.Expr) -> Iterator[exp.Expr]:
    """A source, and what is joined to it inside its own parentheses."""
    is_parenthesis = isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table) and not source.alias
    if is_parenthesis:
        yield from _unfold(source.this)
    else:
        yield source
    for join in source.args.get("joins") or []:
        yield from _unfold(join.this)


def _query_of(source: exp.Expr) -> exp.Expr | None:
    """The query behind a derived table or a CTE's name, when it is one block without renamed columns."""
    if _column_aliases(source):
        return None
    if isinstance(source, exp.Subquery):
        return source.this if isinstance(source.this, exp.Select) else None
    if isinstance(source, exp.Table) and (cte := cte_of(source)) is not None:
        has_names = cte.args["alias"].args.get("columns")
        return cte.this if isinstance(cte.this, exp.Select) and not has_names else None
    return None


def _column_aliases(source: exp.Expr) -> bool:
    alias = source.args.get("alias")
    return isinstance(alias, exp.TableAlias) and bool(alias.args.get("columns"))


def _is_qualifier(column: exp.Column, occurrence: Occurrence) -> bool:
    """Whether what stands before the table's name is its database, not a struct with a field of that name."""
    return column.args.get("db") is None or occurrence.is_qualified_as(column)


def _has_column(block: Block, name: str) -> bool:
    """Whether a table of the block has such a column; `name.x` could then be a field of a struct."""
    return any(occurrence.table.column(name) for occurrence in block.tables.values())


def _occurrences(
    parts: Sequence[exp.Expr], reads: Sequence[exp.Table], tables: Sequence[BoundTable], numbers: Sequence[int]
) -> list[Occurrence]:
    uses = _Uses(parts)
    found = []
    for number, node, table in zip(numbers, reads, tables, strict=True):
        alias = shown_as(node)
        columns = uses.columns_of(node, alias, table)
        has_origin = table.column(ORIGIN) is None and uses.touches(alias, ORIGIN)
        found.append(Occurrence(f"{table.name}@{number}", node, table, columns, has_origin))
    return found


class _Uses:
    """Which column names a query mentions: bare, by qualifier, and as a whole by a star."""

    def __init__(self, parts: Sequence[exp.Expr]) -> None:
        self._bare: set[str] = set()
        self._alone: set[str] = set()
        """Names that stand alone: a column, or a whole row by its table's alias."""
        self._qualified: set[tuple[str, str]] = set()
        self._starred: set[str] = set()
        self._whole: set[int] = set()
        """Blocks (by id) that take every column of their sources."""
        self._is_all = isinstance(parts[0], (exp.Pivot, exp.Summarize, exp.Describe))
        for node in of_kinds(parts, exp.Identifier, exp.Column, *_OF_ALL):
            if isinstance(node, exp.Identifier):
                if not isinstance(node.parent, _NAMED):
                    self._bare.add(node.name.lower())
            elif isinstance(node, exp.Column):
                self._add_column(node)
            elif _takes_all(node):
                self._whole.add(id(node.find_ancestor(exp.Select)))

    def _add_column(self, column: exp.Column) -> None:
        qualifier, name = named(column)
        if isinstance(column.this, exp.Star):
            self._starred.add(qualifier)
            self._bare.add(qualifier)  # a struct's fields
        elif not qualifier:
            self._bare.add(name)
            self._alone.add(name)
        else:
            parts = [part.name.lower() for part in column.parts] if column.args.get("db") else [qualifier, name]
            self._bare.add(parts[0])  # a struct column with its fields
            self._qualified.update(pairwise(parts))

    def columns_of(self, node: exp.Table, alias: str, table: BoundTable) -> tuple[Column, ...]:
        """The table's columns that the query can touch at this place."""
        block = node.find_ancestor(exp.Select)
        is_row = alias in self._alone and table.column(alias) is None  # `select c from customers c` is the whole row
        is_whole = self._is_all or block is None or id(block) in self._whole or alias in self._starred
        if is_whole or is_row or node.args.get("pivots") or _column_aliases(node):
            return table.columns
        return tuple(column for column in table.columns if self.touches(alias, column.name.lower()))

    def touches(self, alias: str, name: str) -> bool:
        """Whether any reference could mean this column of this table; both names in lower case."""
        return name in self._bare or (alias, name) in self._qualified


def _is_many(projection: exp.Expr) -> bool:
    """Whether a projection makes several columns, of any names: a star, COLUMNS, an unnested struct."""
    stars = [star for star in every(projection, exp.Star) if not isinstance(star.parent, exp.Count)]
    return bool(stars) or first(projection, exp.Columns, exp.Unnest, exp.Explode) is not None


def _takes_all(node: exp.Expr) -> bool:
    """Whether a part needs every column: NATURAL JOIN and `select *`, not `count(*)` nor `exists (select * …)`, which
    look at none."""
    if isinstance(node, exp.Join):
        return str(node.args.get("method") or "").upper() == "NATURAL"
    if not isinstance(node, exp.Star):
        return True
    select = node.find_ancestor(exp.Select)
    is_exists = isinstance(node.parent, exp.Select) and select is not None and isinstance(select.parent, exp.Exists)
    return not is_exists and not isinstance(node.parent, (exp.Count, exp.Column))
