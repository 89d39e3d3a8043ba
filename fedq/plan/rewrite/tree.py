"""A query's tree that may be changed, and the text of such a tree for the local engine.

The user's own text is edited by position wherever that is enough. A rule that moves tables about makes another tree,
and its text is written anew; so only trees of parts that come back from sqlglot as what they were are changed at all:
`_SAFE` lists them, and everything else keeps the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fedq import lists
from fedq.bind.bound import BoundQuery
from fedq.bind.resolve import BoundTable
from fedq.bind.scope import Occurrence, Scopes
from fedq.sql import copied, exp, is_rest, nodes, written

#: in a table node's meta: which of the query's tables it reads
_READS = "fedq_table"

_SAFE: frozenset[type[exp.Expr]] = frozenset({
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset,
    exp.With, exp.CTE, exp.TableAlias, exp.Subquery, exp.Table, exp.Identifier, exp.Column, exp.Alias, exp.Star,
    exp.Union, exp.Intersect, exp.Except,
    exp.Literal, exp.Boolean, exp.Null, exp.Placeholder, exp.Parameter, exp.Var, exp.Interval, exp.Tuple,
    exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In,
    exp.Is, exp.Like, exp.Exists, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe,
    exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast, exp.DataType, exp.DataTypeParam,
    exp.Extract, exp.Year, exp.Month, exp.Day, exp.Substring, exp.Lower, exp.Upper, exp.Length, exp.Abs,
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Distinct, exp.Filter, exp.LogicalAnd, exp.LogicalOr,
})  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A bound query with a tree of its own. A rule that has changed the tree goes on with `again`.

    Without slots: the names of a tree are resolved when somebody asks, for some trees are changed again before.
    """

    asked: BoundQuery
    """The query as the user wrote it."""
    tree: exp.Expr
    tables: tuple[BoundTable, ...]
    """What the marked nodes of the tree read, by the number in their mark."""

    @cached_property
    def query(self) -> BoundQuery:
        """The query of the tree."""
        parts = nodes(self.tree)
        reads = marked(parts)
        numbers = [number_of(node) for node in reads]
        scopes = Scopes(parts, reads, [self.tables[number] for number in numbers], [number + 1 for number in numbers])
        return replace(self.asked, tree=self.tree, scopes=scopes, edits=())

    def again(self, tree: exp.Expr | None = None, more: Sequence[BoundTable] = ()) -> Draft:
        """The draft with its tree as it is now, or with another one, and `more` tables."""
        return Draft(self.asked, tree or self.tree, (*self.tables, *more))


def draft(query: BoundQuery) -> Draft | None:
    """A draft of the query; None where its text could not be written from a tree."""
    read, scopes = query.occurrences, query.scopes
    if not can_be_written(scopes.parts) or any(occurrence.has_origin for occurrence in read) or query.has_files:
        return None
    tree = copied(query.tree)
    number = {id(occurrence.node): number for number, occurrence in enumerate(read)}
    for old, new in zip(scopes.parts, nodes(tree), strict=True):
        if scopes.read_by(old) is not None:
            new.meta[_READS] = number[id(old)]
    return Draft(query, tree, tuple(occurrence.table for occurrence in read))


def marked(parts: Sequence[exp.Expr]) -> list[exp.Table]:
    """Those of some nodes that read a table of the draft, in the order of their numbers."""
    return sorted((node for node in parts if isinstance(node, exp.Table) and _READS in node.meta), key=number_of)


def number_of(node: exp.Expr) -> int:
    """Which of the draft's tables a node reads."""
    number: int = node.meta[_READS]
    return number


def reading(number: int, name: str, alias: str) -> exp.Table:
    """A node that reads a table of the draft."""
    node = exp.Table(this=identifier(name), alias=exp.TableAlias(this=identifier(alias)))
    node.meta[_READS] = number
    return node


def identifier(name: str) -> exp.Identifier:
    """A quoted name."""
    return exp.Identifier(this=name, quoted=True)


def column(table: str, name: str) -> exp.Column:
    """A reference to a column of a source."""
    return exp.Column(this=identifier(name), table=identifier(table))


def can_be_written(parts: Sequence[exp.Expr]) -> bool:
    """Whether writing a tree of these nodes as text gives the same query."""
    return all(
        node.__class__ in _SAFE and not ((has_more := _MORE.get(node.__class__)) and has_more(node)) for node in parts
    )


_OF_TABLE = ("pivots", "sample", "when", "laterals", "only", "hints")
_OF_SELECT = ("laterals", "sample", "windows", "qualify", "kind", "hint", "into", "locks", "operation_modifiers")


def _has_any(*keys: str) -> Callable[[exp.Expr], bool]:
    return lambda node: any(node.args.get(key) for key in keys)


def _table_has_more(node: exp.Expr) -> bool:
    alias = node.args.get("alias")
    return any(node.args.get(key) for key in _OF_TABLE) or (alias is not None and bool(alias.args.get("columns")))


#: of each kind of node, whether one carries something that would not be written as it was read
_MORE: dict[type[exp.Expr], Callable[[exp.Expr], bool]] = {
    exp.Column: lambda node: node.args.get("db") is not None,
    exp.Join: _has_any("method", "hint"),
    exp.Table: _table_has_more,
    exp.Select: _has_any(*_OF_SELECT),
    exp.Star: _has_any("except_", "replace", "rename"),
    exp.Cast: _has_any("format"),
    exp.Subquery: _has_any("pivots", "sample"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a draft's tree, with all that is in it."""

    node: exp.Expr
    nodes: Sequence[exp.Expr]
    tables: Sequence[exp.Table]
    """Those that read a table of the draft, by number."""

    @staticmethod
    def of(node: exp.Expr) -> Part:
        """A node and what is in it."""
        found = nodes(node)
        return Part(node, found, marked(found))

    def read(self, query: BoundQuery) -> list[Occurrence]:
        """What its tables read."""
        return [found for table in self.tables if (found := query.scopes.read_by(table)) is not None]

    def params(self, query: BoundQuery) -> Mapping[str, object]:
        """The parameters that it uses: the engine refuses more."""
        used = {node.name for node in self.nodes if isinstance(node, (exp.Placeholder, exp.Parameter))}
        for rest in filter(is_rest, self.nodes):
            used.update(lists.parameters(rest.this))
        return {name: value for name, value in query.params.items() if name in used}


def local_text(query: BoundQuery, node: exp.Expr | None = None) -> str:
    """The text that the local engine runs: every table under its occurrence's id, and the alias that the rest uses."""
    ids = {number_of(occurrence.node): occurrence.id for occurrence in query.occurrences}
    copy = copied(node or query.tree)
    for table in marked(nodes(copy)):
        alias = exp.TableAlias(this=identifier(str(table.alias or table.name)))
        new = exp.Table(this=identifier(ids[number_of(table)]), alias=alias, joins=table.args.get("joins"))
        if table is copy:
            return written(new)
        table.replace(new)
    return written(copy)
