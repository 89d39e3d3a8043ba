"""Sums of products made of the sums of groups: the columns of few values leave the rows.

    select flag, sum(price * (1 - discount)) from items group by flag          11 discounts, 3 million rows

    SELECT q.flag, sum(q.total * (1 - q.discount))
    FROM (SELECT flag, discount, sum(price) total, … FROM items GROUP BY flag, discount) q GROUP BY q.flag

A factor that is the same in all rows of a group may as well multiply their sum: the integers and decimals that are sent
are exact, so the order of the operations is not seen. A database that computes decimals digit by digit then adds them
up and no more.

DuckDB fails where the product of one row is too large for its type, which a sum of rows does not show. So each group
also gives the largest of what is multiplied, and its product, computed as a row's would be, must fit. What does not fit
is an error in the database, and the query is then computed here, as after any such error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

from fedq.catalog.schema import Column
from fedq.dialects.checked import type_name
from fedq.plan.block.aggregates import aggregated, is_aggregate
from fedq.plan.block.exactly import exactly, grouped
from fedq.plan.block.statement import Found, Item, Key, Scope, Source, Statement, Written, source_of_query
from fedq.plan.constants import NotPushed
from fedq.plan.estimate import MANY_ROWS, distinct, filtered, group_rows
from fedq.plan.reach import flatten
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said, described, say
from fedq.sql import copied, every, exp, first, nodes, of_kinds, render
from fedq.types import BIGINT, Comparison

#: rows that each group has at least
_PER_GROUP = 50
#: values of a column that may be a factor
_FEW = 100
#: digits of a product: those that DuckDB computes in 64 bits. No sum of them comes near what MariaDB cuts off
_NARROW = 18
_NUMBERS = ("integer", "decimal")
_MERGED = (*_NUMBERS, "date", "timestamp")
#: what the largest of a group is called beside its factors, while its product is said
_MOST = exp.Column(this=exp.Identifier(this="fedq:most", quoted=True))


@dataclass(frozen=True, slots=True)
class Folded:
    """A block's rows in groups, and what the block asks of them."""

    source: str
    """`FROM (SELECT … GROUP BY …) AS "groups"`."""
    keys: tuple[Key, ...]
    """What the block groups by, in the groups."""
    values: Mapping[str, Said]
    """Its aggregates over the groups, by their text."""


@dataclass(frozen=True, slots=True)
class Foldable:
    """What is known of a block whose rows are grouped."""

    select: exp.Select
    statement: Statement
    scope: Scope
    speaker: Speaker
    """Says what is aggregated."""
    keys: Sequence[Key]
    source: str
    where: tuple[str, ...]


def may_fold(parts: Sequence[exp.Expr]) -> bool:
    """Whether a query of these parts has a sum of products at all."""
    return any(first(one, exp.Mul) is not None for one in of_kinds(parts, exp.Sum))


def fold_products(block: Foldable) -> Folded | None:
    """The block over groups of its rows; None where that is not the same or does not pay."""
    try:
        return _Fold(block).folded()
    except NotPushed:
        return None


@dataclass(slots=True)
class _Fold:
    block: Foldable
    given: dict[str, Item] = field(default_factory=dict)
    """What the groups give, by its SQL."""
    source: Source | None = None
    """The groups, once they are written."""

    def folded(self) -> Folded | None:
        """As `fold_products`. Raises: NotPushed."""
        aggregates = _aggregates(self.block.select)
        products = {render(one): product for one in aggregates if (product := self._product(one)) is not None}
        if not products or not self._pays(list(products.values())):
            return None
        keys = [self._give(key.value) for key in self.block.keys]
        factors = [self._give(Said(*found)) for found in self._columns(list(products.values()))]
        texts = [render(one) for one in aggregates]
        merges = {text: self._merge(one, products.get(text)) for text, one in zip(texts, aggregates, strict=True)}
        by = [key.by.sql for key in self.block.keys] + [self._inside(name).sql for name in factors]
        groups = Written(
            tuple(self.given.values()),
            self.block.source,
            self.block.where,
            f"GROUP BY {', '.join(dict.fromkeys(by))}",
        )
        self.source, sql = source_of_query(self.block.statement, groups, "groups", ())
        return Folded(
            f"FROM {sql}",
            tuple(
                Key(key.sql, grouped(self._outside(name), self.block.statement.dialect), self._outside(name))
                for key, name in zip(self.block.keys, keys, strict=True)
            ),
            {text: merge() for text, merge in merges.items()},
        )

    # what is a factor

    def _product(self, aggregate: exp.Expr) -> _Product | None:
        """A sum of products taken apart; None where an aggregate is none, or has no factors. Raises: NotPushed."""
        function = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
        if not isinstance(function, exp.Sum) or function.this is None:
            return None
        base, factors = function.this.unnest(), list[exp.Expr]()
        while isinstance(base, exp.Mul):
            sides = (base.this, base.expression), (base.expression, base.this)
            factor, rest = next(((one, other) for other, one in sides if self._is_factor(one)), (None, None))
            if factor is None or rest is None:
                break
            factors.insert(0, factor)
            base = rest.unnest()
        if not factors:
            return None
        row = say(function.this, self.block.speaker).type
        is_narrow = row.family == "decimal" and (row.precision or 0) <= _NARROW
        return _Product(base, tuple(factors)) if is_narrow else None

    def _is_factor(self, node: exp.Expr) -> bool:
        """Whether an expression has few values: it is made of columns that have few."""
        if first(node, exp.Query, exp.AggFunc, exp.Window) is not None:
            return False
        return all(self._is_few(column) for column in every(node, exp.Column))

    def _is_few(self, node: exp.Column) -> bool:
        found = self.block.scope.find(node)
        if found is None or not found[1].physical or found[1].comparison is not Comparison.SAME:
            return False
        count = self._distinct(found)
        return found[1].type.family in _NUMBERS and count is not None and count <= _FEW

    def _distinct(self, found: Found) -> float | None:
        """Different values of a column, None where it is unknown."""
        own = self.block.scope.sources[0].occurrence if self.block.scope.sources else None
        return distinct(own.table, found[1]) if own is not None and found[1].physical else None

    def _columns(self, products: Sequence[_Product]) -> list[Found]:
        """The columns of the factors."""
        found = [
            self.block.scope.find(column)
            for product in products
            for factor in product.factors
            for column in every(factor, exp.Column)
        ]
        return list({one[0]: one for one in found if one is not None}.values())

    def _pays(self, products: Sequence[_Product]) -> bool:
        """Whether the operations that leave the rows cost more than grouping them closer and looking for the largest.

        Of a join nobody knows how many rows it has.
        """
        sources, keys = self.block.scope.sources, self.block.keys
        if len(sources) != 1 or (own := sources[0].occurrence) is None or self.block.scope.parent is not None:
            return False
        factors = [found for found in self._columns(products) if found[0] not in {key.sql for key in keys}]
        bases = {render(product.base) for product in products}
        spared = sum(product.operations for product in products)
        if spared <= len(factors) + len(bases) + (0 if keys else 1):
            return False
        counts = [self._distinct(one) for one in (*((key.sql, key.value.column) for key in keys), *factors)]
        where = self.block.select.args.get("where")
        conditions = [one for one in flatten(where.this) if not first(one, exp.Query)] if where is not None else []
        resolve = lambda node: (own.table, found[1]) if (found := self.block.scope.find(node)) is not None else None
        rows = filtered(own.table, conditions, resolve, dict(self.block.statement.query.params)).rows
        is_known = all(count is not None for count in counts)
        return is_known and rows >= MANY_ROWS and group_rows(rows, counts) * _PER_GROUP <= rows

    # in the groups, and over them

    def _give(self, said: Said) -> str:
        """The name by which the groups give a value."""
        return self.given.setdefault(said.sql, Item(f"c{len(self.given)}", said)).name

    def _inside(self, name: str) -> Said:
        return next(item.said for item in self.given.values() if item.name == name)

    def _outside(self, name: str) -> Said:
        """What the groups gave, where it is asked of them."""
        found = self.source.column(name) if self.source is not None else None
        assert found is not None
        return Said(*found)

    def _aggregated(self, function: exp.Expr, condition: str | None) -> str:
        """The name of an aggregate that the groups give. Raises: NotPushed."""
        return self._give(aggregated(function, self.block.speaker, condition))

    def _merge(self, aggregate: exp.Expr, product: _Product | None) -> Callable[[], Said]:
        """What makes an aggregate of those of the groups, once these are written. Raises: NotPushed."""
        function, condition = aggregate, None
        if isinstance(aggregate, exp.Filter):
            function, condition = aggregate.this, exactly(aggregate.expression.this, self.block.speaker)
        whole = aggregated(function, self.block.speaker, condition).column
        if isinstance(function.this, exp.Distinct) and not isinstance(function, (exp.Min, exp.Max)):
            raise NotPushed("distinct values are not counted in groups")
        if isinstance(function, (exp.Min, exp.Max)) and whole.type.family in _MERGED:
            return partial(self._over, function.key, self._aggregated(function, condition), whole)
        if condition is None and isinstance(function, (exp.Count, exp.Sum)) and self._is_same_in_group(function.this):
            return partial(self._repeated, function, self._aggregated(exp.Count(this=exp.Star()), None), whole)
        if isinstance(function, exp.Count):
            return partial(self._counted, self._aggregated(function, condition))
        if isinstance(function, exp.Sum) and product is None:
            return partial(self._over, "sum", self._aggregated(function, condition), whole)
        if product is not None:
            return self._multiplied(product, condition, whole)
        raise NotPushed(f"{render(aggregate)} is not made of those of groups")

    def _is_same_in_group(self, node: exp.Expr) -> bool:
        """Whether all rows of a group have the same number in place of an expression."""
        found = [self.block.scope.find(column) for column in every(node, exp.Column)]
        is_given = bool(found) and all(one is not None and one[0] in self.given for one in found)
        return is_given and self._is_factor(node)

    def _repeated(self, function: exp.Expr, rows: str, whole: Column) -> Said:
        """The count or sum of a number that comes as often as the group has rows."""
        value, count = say(function.this, self._over_groups()).sql, self._outside(rows).sql
        if isinstance(function, exp.Count):
            return self._total(f"CASE WHEN {value} IS NOT NULL THEN {count} END")
        return Said(f"sum({count} * {value})", whole, is_strict=False)

    def _over(self, verb: str, name: str, whole: Column) -> Said:
        return Said(f"{verb}({self._outside(name).sql})", whole, is_strict=False)

    def _counted(self, name: str) -> Said:
        return self._total(self._outside(name).sql)

    def _total(self, counts: str) -> Said:
        """A sum of counts: a whole number, and 0 where there is no group."""
        to = type_name(self.block.statement.dialect, BIGINT)
        return Said(f"CAST(coalesce(sum({counts}), 0) AS {to})", described(BIGINT), is_strict=False)

    def _multiplied(self, product: _Product, condition: str | None, whole: Column) -> Callable[[], Said]:
        base = say(product.base, self.block.speaker).column
        total = self._aggregated(exp.Sum(this=copied(product.base)), condition)
        most = self._aggregated(exp.Max(this=exp.Abs(this=copied(product.base))), condition)

        def _said() -> Said:
            speaker = self._over_groups((self._outside(most).sql, described(base.type)))
            fits = say(product.of(_MOST), speaker).sql
            factors = [say(factor, speaker).sql for factor in product.factors]
            value = " * ".join([self._outside(total).sql, *factors])
            return Said(f"sum(CASE WHEN {fits} IS NOT NULL THEN {value} END)", whole, is_strict=False)

        return _said

    def _over_groups(self, most: Found | None = None) -> Speaker:
        """Says what is made of the groups' columns, and of `_MOST`."""

        def _resolve(node: exp.Column) -> Found | None:
            if node == _MOST:
                return most
            found = self.block.scope.find(node)
            item = self.given.get(found[0]) if found is not None else None
            return None if found is None or item is None else (self._outside(item.name).sql, found[1])

        speaker = self.block.speaker
        return Speaker(speaker.dialect, _resolve, speaker.params, is_sole=True)


@dataclass(frozen=True, slots=True)
class _Product:
    """`base * factor * …`, in the order in which it is computed."""

    base: exp.Expr
    factors: tuple[exp.Expr, ...]

    def of(self, base: exp.Expr) -> exp.Expr:
        """The product of another base."""
        parts = [copied(part) for part in (base, *self.factors)]
        return reduce(lambda left, right: exp.Mul(this=exp.Paren(this=left), expression=exp.Paren(this=right)), parts)

    @property
    def operations(self) -> int:
        """Operations that a row is spared."""
        return sum(isinstance(part, exp.Binary) for part in nodes(self.of(_MOST)))


def _aggregates(select: exp.Select) -> list[exp.Expr]:
    """The aggregates of a block's outputs, HAVING and order. Raises: NotPushed where something else looks at rows."""
    found: list[exp.Expr] = []
    for root in (*select.expressions, select.args.get("having"), select.args.get("order")):
        for node in nodes(root, without=is_aggregate) if root is not None else ():
            if isinstance(node, (exp.Query, exp.Window)):
                raise NotPushed("a subquery or a window beside aggregates")
            if is_aggregate(node):
                found.append(node)
    if any(first(one, exp.Query) is not None for one in found):
        raise NotPushed("an aggregate of a subquery")
    return found
