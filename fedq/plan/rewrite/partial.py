"""Aggregates in two steps: over the groups of one source, then over the join of what is left.

    sum(x)    sum(x) AS a1                   sum(q.a1)
    count(x)  count(x) AS a1                 CAST(coalesce(sum(q.a1), 0) AS BIGINT)
    count(*)  count(*) AS a1                 the same, of coalesce(q.a1, 1) right of a left join
    avg(x)    sum(x) AS a1, count(x) AS a2   CAST(sum(q.a1) AS DOUBLE) / sum(q.a2)     as DuckDB divides sum by count
    min, max  min(x) AS a1                   min(q.a1)

A group joins the same rows as each of its rows did, so the sums of sums are the sums. Aggregates of other sources stay
where they do not mind how often a row appears (min, max, DISTINCT); of doubles nothing is split, for their sums depend
on the order. (Eager aggregation: Yan and Larson, 1995.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fedq.plan.rewrite.tree import column, identifier
from fedq.plan.values import Said
from fedq.sql import copied, exp, first, nodes, render

_KNOWN = (exp.Sum, exp.Count, exp.Avg, exp.Min, exp.Max)
#: what gives NULL where any of its parts is NULL
_STRICT = (
    exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Cast,
    exp.DataType, exp.DataTypeParam, exp.Extract, exp.Var, exp.Year, exp.Month, exp.Day, exp.Substring, exp.Lower,
    exp.Upper, exp.Length, exp.Abs,
)  # fmt: skip
_EXACT = frozenset({"integer", "decimal"})


@dataclass(slots=True)
class Partial:
    """The aggregates that a grouped source gives, by their text."""

    alias: str
    is_nullable: bool
    """Whether a row of the join may lack it."""
    given: dict[str, tuple[str, exp.Expr]] = field(default_factory=dict)

    def merged(self, aggregate: exp.Expr) -> exp.Expr:
        """The same aggregate over the groups."""
        function = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
        match function:
            case exp.Sum() | exp.Min() | exp.Max():
                return type(function)(this=self._column(aggregate))
            case exp.Count():
                counted: exp.Expr = self._column(aggregate)
                if self.is_nullable and not first(function, exp.Column):
                    counted = exp.Coalesce(this=counted, expressions=[exp.Literal.number(1)])
                zero = exp.Coalesce(this=exp.Sum(this=counted), expressions=[exp.Literal.number(0)])
                return exp.Cast(this=zero, to=exp.DataType.build("BIGINT", dialect="duckdb"))
            case _:
                total, count = (self._column(_with(aggregate, kind)) for kind in (exp.Sum, exp.Count))
                double = exp.Cast(this=exp.Sum(this=total), to=exp.DataType.build("DOUBLE", dialect="duckdb"))
                return exp.Paren(this=exp.Div(this=double, expression=exp.Sum(this=count)))

    def _column(self, aggregate: exp.Expr) -> exp.Column:
        text = render(aggregate)
        if text not in self.given:
            self.given[text] = (f"a{len(self.given) + 1}", copied(aggregate))
        return column(self.alias, self.given[text][0])

    def outputs(self) -> list[exp.Expr]:
        """The partial aggregates, named."""
        return [exp.Alias(this=aggregate, alias=identifier(name)) for name, aggregate in self.given.values()]


def _with(aggregate: exp.Expr, kind: type[exp.AggFunc]) -> exp.Expr:
    """The same argument and FILTER under another function."""
    copy = copied(aggregate)
    if isinstance(copy, exp.Filter):
        copy.set("this", kind(this=copy.this.this))
        return copy
    return kind(this=copy.this)


def own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a block's outputs, groups, HAVING and order, without those of its subqueries."""
    roots = [*select.expressions, *(select.args[key] for key in ("group", "having", "order") if select.args.get(key))]
    for root in roots:
        yield from nodes(root, without=lambda node: isinstance(node, exp.Query))


def aggregates_of(select: exp.Select) -> list[exp.Expr] | None:
    """A block's aggregates, each with its FILTER; None where one cannot be split or where something counts groups."""
    found: list[exp.Expr] = []
    for node in own_nodes(select):
        if isinstance(node, exp.Window) or (isinstance(node, exp.AggFunc) and type(node) not in _KNOWN):
            return None
        if isinstance(node, exp.AggFunc):
            whole = node.parent if isinstance(node.parent, exp.Filter) else node
            if node.args.get("order") or isinstance(node.this, exp.Order) or node.args.get("expressions"):
                return None
            found.append(whole)
    return found


def minds_repetition(aggregate: exp.Expr) -> bool:
    """Whether an aggregate changes when a row appears twice."""
    function = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
    return not isinstance(function, (exp.Min, exp.Max)) and not isinstance(function.this, exp.Distinct)


def is_null_of_nulls(node: exp.Expr) -> bool:
    """Whether a value is NULL in a row that lacks its source, right of a left join: `v + 1`, not `coalesce(v, 1)`."""
    return first(node, exp.Column) is not None and all(isinstance(part, _STRICT) for part in nodes(node))


def can_be_split(aggregate: exp.Expr, say: Callable[[exp.Expr], Said], *, is_nullable: bool) -> bool:
    """Whether the two steps give the value of one. Raises: NotPushed where the argument cannot be said.

    `is_nullable` is whether a row of the join may lack the source of what is aggregated: such a row counts for count(*)
    alone.
    """
    function = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
    if isinstance(function.this, exp.Distinct) or function.this is None:
        return False
    is_row_count = isinstance(aggregate, exp.Count) and isinstance(function.this, (exp.Star, exp.Literal))
    if is_nullable and not is_row_count and not is_null_of_nulls(function.this):
        return False
    if isinstance(function, exp.Count):
        return True
    said = say(function.this).column
    if isinstance(function, (exp.Sum, exp.Avg)):
        return said.type.family in _EXACT
    return said.type.family in {*_EXACT, "date", "timestamp"}
