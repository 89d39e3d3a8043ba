"""One SELECT in a database's own words: sources, filters, grouping, outputs, order and limit, all of it exact.

    select city, count(*) n from customers where country = 'NL' group by city order by n desc limit 3
    SELECT "customers"."city", count(*) FROM "public"."customers" AS "customers" WHERE … GROUP BY … ORDER BY … LIMIT 3

Nothing is applied again afterwards, so every part must mean there exactly what it means in DuckDB; the first part that
does not is the reason why the block is pulled in pieces instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fedq.plan.block.aggregates import aggregate, is_aggregate
from fedq.plan.block.exactly import exactly, grouped, keeps_value, sorted_by
from fedq.plan.block.fold import Foldable, Folded, fold_products
from fedq.plan.block.limits import limit_of
from fedq.plan.block.sources import From
from fedq.plan.block.statement import Found, Item, Key, Names, Scope, Source, Statement, Written, source_of_query
from fedq.plan.block.subqueries import predicate, scalar
from fedq.plan.block.windows import window
from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said, say
from fedq.sql import copied, every, exp, first, nodes, render

_REFUSED = ("laterals", "sample", "connect", "into", "locks", "prewhere", "match", "qualify", "cluster", "distribute")
#: rows that may be read again for each row of another table
SMALL_TABLE = 2_000
_GROUPINGS = ("grouping_sets", "cube", "rollup", "totals")


def write_select(select: exp.Select, statement: Statement, parent: Names | None) -> Written:
    """A SELECT, exactly. Raises: NotPushed."""
    for key in _REFUSED:
        if select.args.get(key):
            raise NotPushed(f"{key.strip('_').upper()} is done by the local engine")
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise NotPushed("DISTINCT ON is done by the local engine")
    names = frozenset(item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias))
    return _Select(select, statement, Scope(parent, aliases=names)).write()


@dataclass(slots=True)
class _Select:
    select: exp.Select
    statement: Statement
    scope: Scope
    keys: list[Key] = field(default_factory=list)
    is_grouped: bool = False
    folded: Folded | None = None
    """The groups of its rows that it is asked of, where that is less work."""
    items: list[Item] = field(default_factory=list)

    def write(self) -> Written:
        """The statement, which is exact. Raises: NotPushed."""
        sources = From(self.statement, self.scope, lambda node: self._exact(node, self._speaker()))
        source = sources.write(self.select)
        condition = self.select.args.get("where")
        parts = _conjuncts(condition.this) if condition is not None else ()
        where = [*(exactly(part, self._speaker()) for part in parts), *sources.extra]
        self.is_grouped = self.select.args.get("group") is not None or self._has_aggregate()
        self._find_keys()
        if self.is_grouped and (folded := self._fold(source, where)) is not None:
            source, where, self.folded, self.keys = folded.source, [], folded, list(folded.keys)
        group = self._group()
        self.items = list(self._items())
        having = self._having()
        is_distinct, distinct_group = self._distinct(group)
        rows, skipped = limit_of(self.select, self.statement.query.params)
        limit = self.statement.dialect.limit(rows, skipped)
        self._check_kept_order(sources, has_limit=bool(limit))
        written = Written(
            tuple(self.items),
            source,
            tuple(where),
            " ".join(part for part in (group or distinct_group, having) if part),
            is_distinct,
            is_one_row=rows == 1 or (self.is_grouped and self.select.args.get("group") is None),
            has_limit=rows is not None or skipped > 0,
            is_plain=not (self.is_grouped or limit or is_distinct or distinct_group),
            is_correlated=self.scope.has_reached_out,
            is_quick=self._is_quick(),
            has_order=self.select.args.get("order") is not None or (sources.has_order and not self.is_grouped),
        )
        return self._in_order(written, limit)

    def _check_kept_order(self, sources: From, *, has_limit: bool) -> None:
        """DuckDB keeps the order of a subquery, also for a LIMIT around it; others need not."""
        is_seen = self.statement.root is self.select or has_limit
        if sources.has_order and is_seen and not self.is_grouped and self.select.args.get("order") is None:
            raise NotPushed("the order of a subquery is kept by the local engine")

    # names

    def _speaker(self, *, has_aggregates: bool = False) -> Speaker:
        """Before grouping (WHERE, ON, what is aggregated), or after it."""
        scope, statement = self.scope, self.statement
        plain = Speaker(
            statement.dialect,
            scope.find,
            statement.query.params,
            predicate_of=lambda node: predicate(node, self._speaker(has_aggregates=has_aggregates), statement, scope),
            scalar_of=lambda node: scalar(node, statement, scope),
            is_sole=True,
        )
        if not has_aggregates:
            return plain
        return replace(
            plain,
            resolve=self._after_grouping if self.is_grouped else scope.find,
            aggregate_of=self._aggregate,
        )

    def _after_grouping(self, node: exp.Column) -> Found | None:
        found = self.scope.find(node)
        if found is None:
            return None
        key = next((key for key in self.keys if key.sql == found[0]), None)
        return None if key is None else (key.value.sql, key.value.column)

    def _exact(self, node: exp.Expr, speaker: Speaker) -> str:
        """A condition as it is sent; its parts one by one, so that the reason names the one that cannot be."""
        return " AND ".join(exactly(part, speaker) for part in _conjuncts(node))

    def _is_quick(self) -> bool:
        """Whether few rows are read: the tables are small, or an index finds those of an outer value."""
        tables = [source.occurrence.table.schema for source in self.scope.sources if source.occurrence is not None]
        is_small = all(schema.rows is not None and schema.rows <= SMALL_TABLE for schema in tables)
        if len(tables) == len(self.scope.sources) and is_small:
            return True
        where = self.select.args.get("where")
        return where is not None and any(self._is_served(part) for part in _conjuncts(where.this))

    def _is_served(self, node: exp.Expr) -> bool:
        """`own = outer`, the column leading an index."""
        if not isinstance(node, exp.EQ):
            return False
        for one, other in ((node.this, node.expression), (node.expression, node.this)):
            own = self._own(one) if isinstance(one, exp.Column) else None
            if own is None or any(self._own(column) is not None for column in every(other, exp.Column)):
                continue
            homes = [
                source.occurrence for source in self.scope.sources if own in (found for _, found in source.columns)
            ]
            if homes and homes[0] is not None and own[1].physical in homes[0].table.schema.indexed:
                return True
        return False

    def _value(self, node: exp.Expr) -> Said:
        """An output, or what is ordered by: after grouping."""
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Window):
            return window(node, self._speaker(has_aggregates=True))
        if is_aggregate(node):
            return self._aggregate(node)
        if self.is_grouped and not isinstance(node, exp.Column) and (key := self._key_of(node)) is not None:
            return key
        return say(node, self._speaker(has_aggregates=True))

    def _key_of(self, node: exp.Expr) -> Said | None:
        """An expression that rows are grouped by."""
        if not self.keys or any(is_aggregate(part) for part in nodes(node)):
            return None
        try:
            said = say(node, self._speaker())
        except NotPushed:
            return None
        return next((key.value for key in self.keys if key.sql == said.sql), None)

    def _aggregate(self, node: exp.Expr) -> Said:
        """An aggregate's value. Raises: NotPushed."""
        if self.folded is None:
            return aggregate(node, self._speaker(), self.scope)
        if (said := self.folded.values.get(render(node))) is None:
            raise NotPushed(f"{render(node)} is computed by the local engine")
        return said

    # outputs

    def _items(self) -> Iterator[Item]:
        for projection in self.select.expressions:
            star = projection.this if isinstance(projection, exp.Column) else projection
            if isinstance(star, exp.Star):
                yield from self._star(projection, star)
                continue
            node = projection.unalias()
            name = projection.alias if isinstance(projection, exp.Alias) else ""
            if isinstance(node, exp.Column) and not name:
                name = node.name
            yield Item(name, self._value(node))

    def _star(self, projection: exp.Expr, star: exp.Star) -> Iterator[Item]:
        if star.args.get("replace") or star.args.get("rename"):
            raise NotPushed("a star that replaces columns is settled by the local engine")
        excluded = star.args.get("except_") or []
        if not all(isinstance(item, (exp.Column, exp.Identifier)) and item.name for item in excluded):
            raise NotPushed("a star that excludes more than plain names")
        left_out = {item.name.lower() for item in excluded}
        for source in self._starred(projection):
            for name, found in source.columns:
                if not name:
                    raise NotPushed("a star over a column without a name is settled by the local engine")
                if name.lower() in left_out:
                    continue
                is_merged = not isinstance(projection, exp.Column) and name.lower() in self.scope.merged
                value = self.scope.merged[name.lower()] if is_merged else found
                yield Item(name, self._grouped_star(value))

    def _grouped_star(self, found: Found) -> Said:
        if not self.is_grouped:
            return Said(*found)
        key = next((key for key in self.keys if key.sql == found[0]), None)
        if key is None:
            raise NotPushed("a star beside groups is settled by the local engine")
        return key.value

    def _starred(self, projection: exp.Expr) -> Sequence[Source]:
        if isinstance(projection, exp.Column):
            named = [source for source in self.scope.sources if source.name == projection.table.lower()]
            if len(named) != 1 or projection.args.get("db") is not None:
                raise NotPushed("a star that is settled by the local engine")
            return named
        sources = self.scope.sources
        return [
            replace(source, columns=tuple(item for item in source.columns if item[0].lower() not in source.hidden))
            for source in sources
        ]

    # groups

    def _has_aggregate(self) -> bool:
        order = self.select.args.get("order")
        having = self.select.args.get("having")
        places = [*self.select.expressions, *(order.expressions if order else []), *([having] if having else [])]
        return having is not None or any(is_aggregate(part) for place in places for part in own_parts(place))

    def _computes(self, having: exp.Expr) -> bool:
        """Whether an output or HAVING is made of all rows."""
        return any(is_aggregate(part) for place in (*self.select.expressions, having) for part in own_parts(place))

    def _find_keys(self) -> None:
        """What the block groups by. Raises: NotPushed."""
        group = self.select.args.get("group")
        if group is None:
            return
        if any(group.args.get(key) for key in _GROUPINGS):
            raise NotPushed("grouping sets are computed by the local engine")
        if group.args.get("all"):
            nodes = [item.unalias() for item in self.select.expressions]
            nodes = [node for node in nodes if not any(is_aggregate(part) for part in own_parts(node))]
        else:
            nodes = [self._named(node, is_order=False) for node in group.expressions]
        for node in nodes:
            if isinstance(node, (exp.Rollup, exp.Cube, exp.GroupingSets)):
                raise NotPushed("grouping sets are computed by the local engine")
            if not any(isinstance(part, exp.Column) for part in own_parts(node)):
                raise NotPushed("a group of a constant is made by the local engine")
            said = say(node, self._speaker())
            by = grouped(said, self.statement.dialect)
            self.keys.append(Key(said.sql, by, by if keeps_value(self.statement.dialect) else said))

    def _group(self) -> str:
        keys = dict.fromkeys(key.by.sql for key in self.keys)
        return f"GROUP BY {', '.join(keys)}" if keys else ""

    def _fold(self, source: str, where: list[str]) -> Folded | None:
        """The rows in closer groups, where that is less work."""
        block = Foldable(self.select, self.statement, self.scope, self._speaker(), self.keys, source, tuple(where))
        return fold_products(block)

    def _named(self, node: exp.Expr, *, is_order: bool) -> exp.Expr:
        """What a GROUP BY or ORDER BY item means: an output by position or name, or an expression."""
        projections = self.select.expressions
        if isinstance(node, exp.Literal):
            position = int(node.this) if not node.is_string and node.this.isdigit() else 0
            if not 1 <= position <= len(projections) or any(_is_star(item) for item in projections[:position]):
                raise NotPushed("a position that is settled by the local engine")
            inner: exp.Expr = projections[position - 1].unalias()
            return inner
        if not isinstance(node, exp.Column) or node.table:
            return node
        hits = [item for item in projections if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower()]
        if not hits:
            return node
        own = self._own(node)
        inner = hits[0].unalias()
        is_itself = isinstance(inner, exp.Column) and own is not None and self.scope.find(inner) == own
        if len(hits) > 1 or (own is not None and not is_itself and not is_order):
            raise NotPushed(f"{node.name} is the name of a column and of an output")
        return inner

    def _own(self, node: exp.Column) -> Found | None:
        """What a bare name means among the block's own sources."""
        return Scope(None, self.scope.sources, self.scope.merged).find(node)

    def _having(self) -> str:
        having = self.select.args.get("having")
        if having is None:
            return ""
        name = self.statement.dialect.name
        if self.select.args.get("group") is None and name not in ("postgres", "mysql"):
            raise NotPushed("not every such database has HAVING without GROUP BY")
        if self.select.args.get("group") is None and name == "mysql" and not self._computes(having):
            raise NotPushed("MySQL takes a HAVING without an aggregate for a WHERE")
        node = having.this
        if any(self._is_output(part) for part in own_parts(node)):
            if first(node, exp.Query) is not None:
                raise NotPushed("HAVING by an output beside a subquery is computed by the local engine")
            node = node.transform(
                lambda part: copied(self._named(part, is_order=False)) if self._is_output(part) else part
            )
        return f"HAVING {self._exact(node, self._speaker(has_aggregates=True))}"

    def _is_output(self, node: exp.Expr) -> bool:
        return isinstance(node, exp.Column) and not node.table and node.name.lower() in self.scope.aliases

    def _distinct(self, group: str) -> tuple[bool, str]:
        """DISTINCT by the values' bytes; where those are no longer the values, as groups."""
        if self.select.args.get("distinct") is None:
            return False, ""
        keys = [grouped(item.said, self.statement.dialect) for item in self.items]
        if keeps_value(self.statement.dialect):
            self.items = [replace(item, said=key) for item, key in zip(self.items, keys, strict=True)]
            return True, ""
        if [key.sql for key in keys] == [item.said.sql for item in self.items]:
            return True, ""
        if group or self.is_grouped or any(isinstance(item.unalias(), exp.Window) for item in self.select.expressions):
            raise NotPushed("distinct texts of groups are found by the local engine")
        return False, f"GROUP BY {', '.join(dict.fromkeys(key.sql for key in keys))}"

    # order

    def _in_order(self, written: Written, limit: str) -> Written:
        order = self.select.args.get("order")
        if order is None or not (written.has_limit or self.statement.root is self.select):
            return replace(written, suffix=" ".join(part for part in (written.suffix, limit) if part))
        items = [(item, self._order_key(item.this)) for item in order.expressions]
        if written.is_distinct or (written.suffix.startswith("GROUP BY") and not self.is_grouped):
            return self._ordered_outside(written, items, limit)
        parts = [self._order_item(item, key) for item, key in items]
        suffix = [written.suffix, f"ORDER BY {', '.join(parts)}", limit]
        return replace(written, suffix=" ".join(part for part in suffix if part))

    def _order_key(self, node: exp.Expr) -> Said:
        if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
            if 1 <= int(node.this) <= len(self.items):
                return self.items[int(node.this) - 1].said
            raise NotPushed("a position that is settled by the local engine")
        if isinstance(node, exp.Column) and not node.table:
            named = [item.said for item in self.items if item.name.lower() == node.name.lower()]
            if len(named) == 1:
                return named[0]
        meant = self._named(node, is_order=True)
        if not any(isinstance(part, exp.Column) or is_aggregate(part) for part in own_parts(meant)):
            raise NotPushed("an order by a constant is settled by the local engine")
        return self._value(meant)

    def _order_item(self, item: exp.Expr, key: Said) -> str:
        dialect = self.statement.dialect
        sql = sorted_by(key, dialect).sql
        is_first = bool(item.args.get("nulls_first"))
        return dialect.order(sql, is_descending=bool(item.args.get("desc")), is_nulls_first=is_first)

    def _ordered_outside(self, written: Written, items: list[tuple[exp.Expr, Said]], limit: str) -> Written:
        """Distinct rows as a subquery, so that what they are ordered by need not be what is distinct."""
        at = []
        for item, key in items:
            found = [number for number, own in enumerate(self.items) if own.said.sql == key.sql]
            if not found:
                raise NotPushed("an order of distinct rows by something that is not in the result")
            at.append((item, found[0]))
        unnamed = replace(written, items=tuple(replace(item, name="") for item in written.items))
        source, sql = source_of_query(self.statement, unnamed, "rows", ())
        outer = [Said(found[0], found[1]) for _, found in source.columns]
        parts = [self._order_item(item, outer[number]) for item, number in at]
        suffix = f"ORDER BY {', '.join(parts)} {limit}".rstrip()
        final = tuple(Item(item.name, said) for item, said in zip(written.items, outer, strict=True))
        return Written(final, f"FROM {sql}", (), suffix, is_one_row=written.is_one_row, has_limit=written.has_limit)


def own_parts(node: exp.Expr) -> Iterator[exp.Expr]:
    """A node and what is below it, but not what is in subqueries; of a window what it is computed from."""
    if isinstance(node, exp.Query):
        return
    if isinstance(node, exp.Window):
        function = node.this.this if isinstance(node.this, exp.Filter) else node.this
        inside = [child for part in (node, function) for child in part.iter_expressions() if child is not node.this]
    else:
        yield node
        inside = list(node.iter_expressions())
    for child in inside:
        yield from own_parts(child)


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    while isinstance(node, exp.Paren):
        node = node.this
    if not isinstance(node, exp.And):
        yield node
        return
    for part in node.flatten():
        yield from _conjuncts(part)


def _is_star(projection: exp.Expr) -> bool:
    return isinstance(projection, exp.Star) or isinstance(projection.this, exp.Star)
