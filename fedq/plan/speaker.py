"""Who speaks: what a database offers for a predicate, and how it calls the columns of one statement.

    Speaker(POSTGRES, resolve, {"n": 5})       says  o.total > $n   as   "total" > 5
    Offer('"total" > 5', is_exact=True)        true for the very same rows as in DuckDB

Apart from `translate.py` and `values.py`, for predicates hold values (`a + b > 5`) and values hold predicates (`CASE`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.plan.constants import Constant, NotPushed, comparable, constant
from fedq.plan.slots import Params, is_written
from fedq.sql import exp
from fedq.types import Comparison

if TYPE_CHECKING:
    from fedq.plan.values import Said


@dataclass(frozen=True, slots=True)
class Offer:
    """What a database can do for a predicate."""

    sql: str
    is_exact: bool
    """EXACT: true for the very same rows. Otherwise HINT: true for at least those."""
    is_strict: bool = True
    """Whether it is never true for a row whose columns are all NULL (so it may go below an outer join)."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """How one database says things: its dialect, and what the query's columns are called there.

    The three last are how a statement that holds subqueries or aggregates says those; without them a predicate or
    value that needs one is not pushed.
    """

    dialect: Dialect
    resolve: Callable[[exp.Column], tuple[str, Column] | None]
    """A column reference → (SQL, column) when it means a column of this statement."""
    params: Mapping[str, Any]
    predicate_of: Callable[[exp.Expr], Offer] | None = None
    """The offer for `EXISTS (…)`, `x IN (SELECT …)`, `x = ANY (SELECT …)`. Raises: NotPushed."""
    scalar_of: Callable[[exp.Expr], Said] | None = None
    """The value of a scalar subquery. Raises: NotPushed."""
    aggregate_of: Callable[[exp.Expr], Said] | None = None
    """The value of an aggregate, in HAVING or an expression over aggregates. Raises: NotPushed."""
    is_sole: bool = False
    """Whether nothing is applied again afterwards: then a condition is said with checks that make it exact where a
    column may hold what is no value (MariaDB's zero dates, SQLite's anything), instead of as a HINT."""

    def column(self, node: exp.Expr) -> tuple[str, Column]:
        """The column a node is. Raises: NotPushed."""
        while isinstance(node, exp.Paren):
            node = node.this
        found = self.resolve(node) if isinstance(node, exp.Column) else None
        if found is None:
            raise NotPushed(f"{node.key} is computed by the local engine")
        return found

    def literal(self, found: Constant, column: Column) -> str:
        """A constant, to be compared with a column. Raises: NotPushed."""
        try:
            return self.dialect.comparand(comparable(found, column.type), column)
        except Unsayable as reason:
            raise NotPushed(f"{reason} cannot be said there") from reason

    def slot(self, found: Constant, column: Column) -> str:
        """Like `literal`, where the value decides nothing else: what holds a parameter may be another next time.

        Raises: NotPushed.
        """
        said, source = self.literal(found, column), found.source
        is_read = column.type.family == "text" and column.comparison not in (Comparison.SAME, Comparison.EQUALITY)
        if source is None or is_read or not isinstance(self.params, Params) or not is_written(found.value):
            return said
        where = (self.dialect.name, column)
        return self.params.slot(source, where, lambda params: self.literal(constant(source, params), column))

    def predicate(self, node: exp.Expr) -> Offer:
        """The offer for a predicate that holds a subquery. Raises: NotPushed."""
        if self.predicate_of is None:
            raise NotPushed("a subquery is computed by the local engine")
        return self.predicate_of(node)

    def scalar(self, node: exp.Expr) -> Said:
        """The value of a scalar subquery. Raises: NotPushed."""
        if self.scalar_of is None:
            raise NotPushed("a subquery is computed by the local engine")
        return self.scalar_of(node)

    def aggregate(self, node: exp.Expr) -> Said:
        """The value of an aggregate. Raises: NotPushed."""
        if self.aggregate_of is None:
            raise NotPushed("an aggregate is computed by the local engine")
        return self.aggregate_of(node)
