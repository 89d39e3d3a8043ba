"""The FROM of a block: stored tables, derived tables, CTEs, and the joins between them.

    from a join (select k, max(v) m from b group by k) q on q.k = a.k semi join c on c.k = a.k
    FROM "s"."a" AS "a" JOIN (SELECT … GROUP BY …) AS "q" ON "q"."k" = "a"."k" WHERE EXISTS (SELECT 1 FROM "s"."c" …)

A CTE is written where its name stands: what it computes is exact, so computing it twice gives the same rows twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fedq.bind.scope import cte_of
from fedq.plan.block.statement import Found, Names, Scope, Source, Statement, source_of_query, source_of_table
from fedq.plan.constants import NotPushed
from fedq.sql import exp
from fedq.types import Comparison

Condition = Callable[[exp.Expr], str]

_TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "joins"})
_DERIVED_PARTS = frozenset({"this", "alias", "joins"})
_JOIN_PARTS = frozenset({"this", "side", "kind", "on", "using"})
#: databases in which a derived table may name what is around its block
REACHING = ("postgres", "sqlite")
_FULL_JOINS = ("postgres",)
_RIGHT_JOINS = ("postgres", "mysql")


@dataclass(slots=True)
class From:
    """Writes one block's FROM; the sources land in `scope` as they are read."""

    statement: Statement
    scope: Scope
    condition: Condition
    """An ON, exactly, in the names read so far."""
    extra: list[str] = field(default_factory=list)
    """Conditions that semi and anti joins became."""
    has_order: bool = False
    """Whether a source is a query with an order of its own."""

    def write(self, select: exp.Select) -> str:
        """`FROM …`, empty where the block has none. Raises: NotPushed."""
        if select.args.get("laterals"):
            raise NotPushed("a lateral source is read by the local engine")
        first = select.args.get("from_")
        if first is None:
            return ""
        joins = select.args.get("joins") or []
        _check_commas(joins)
        sql = self._source(first.this)
        for join in joins:
            kind, side = (join.kind or "").upper(), (join.side or "").upper()
            if kind in ("SEMI", "ANTI") and not side:
                self._filter(join, kind)
                continue
            if self.extra and side in ("RIGHT", "FULL"):
                raise NotPushed("a semi join below a RIGHT or FULL JOIN is made by the local engine")
            sql = self._join(sql, join)
        return f"FROM {sql}"

    def _source(self, node: exp.Expr) -> str:
        """A source with what is joined to it in its own parentheses."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
            if _others(node, _DERIVED_PARTS):
                raise NotPushed("a source in parentheses with more than joins")
            inner = self._source(node.this)
            said = self._with_joins(
                f"({inner})" if node.this.args.get("joins") else inner, node.args.get("joins") or []
            )
            return f"({said})" if node.args.get("joins") else said
        if isinstance(node, exp.Table):
            source, sql = self._table(node)
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query) and not _others(node, _DERIVED_PARTS):
            around = self.scope.parent if self.statement.dialect.name in REACHING else None
            source, sql = self._query(node.this, node.alias, node, around)
        else:
            raise NotPushed(f"{node.key} as a source is read by the local engine")
        self.scope.sources.append(source)
        return self._with_joins(sql, node.args.get("joins") or [])

    def _table(self, node: exp.Table) -> tuple[Source, str]:
        if _others(node, _TABLE_PARTS):
            raise NotPushed(f"a sample, a pivot or another addition to {node.name} is made by the local engine")
        cte = cte_of(node) if not self.statement.reads(node) else None
        if cte is not None:
            return self._cte(node, cte)
        source = source_of_table(self.statement, node, _column_names(node))
        assert source.occurrence is not None
        table = source.occurrence.table.schema.table
        return source, f"{self.statement.dialect.table(table.schema, table.name)} AS {source.alias}"

    def _cte(self, node: exp.Table, cte: exp.CTE) -> tuple[Source, str]:
        expanding = self.statement.expanding
        if id(cte) in expanding:
            raise NotPushed("a recursive WITH is computed by the local engine")
        if cte.this.args.get("limit") is not None and _is_used_twice(node, cte):
            raise NotPushed(f"{cte.alias} is used twice, and its LIMIT may choose other rows each time")
        expanding.append(id(cte))
        try:
            return self._query(cte.this, node.alias or node.name, cte if not _column_names(node) else node, None)
        finally:
            expanding.pop()

    def _query(self, query: exp.Expr, name: str, named: exp.Expr, around: Names | None) -> tuple[Source, str]:
        written = self.statement.write(query, self.statement, around)
        self.has_order |= written.has_order
        self.scope.has_reached_out |= written.is_correlated
        return source_of_query(self.statement, written, name, _column_names(named))

    def _with_joins(self, sql: str, joins: list[exp.Join]) -> str:
        for join in joins:
            sql = self._join(sql, join)
        return sql

    def _join(self, left: str, join: exp.Join) -> str:
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        _check_join(join)
        if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "CROSS", "OUTER"):
            raise NotPushed(f"a {side} {kind} join is made by the local engine")
        self._check_side(side, join)
        before = list(self.scope.sources)
        right = self._source(join.this)
        on = self._on(join, side, before)
        if on is None and side:
            raise NotPushed(f"a {side.lower()} join without a condition is made by the local engine")
        verb = f"{side} JOIN" if side else ("JOIN" if on is not None else self.statement.dialect.cross_join)
        return f"{left} {verb} {right}{f' ON {on}' if on is not None else ''}"

    def _check_side(self, side: str, join: exp.Join) -> None:
        name = self.statement.dialect.name
        if (side == "FULL" and name not in _FULL_JOINS) or (side == "RIGHT" and name not in _RIGHT_JOINS):
            raise NotPushed(f"not every such database has {side} JOIN")
        if side == "FULL":  # PostgreSQL joins fully by equalities only
            on = join.args.get("on")
            parts = list(on.flatten()) if isinstance(on, exp.And) else [on]
            columns = [part for part in parts if isinstance(part, exp.EQ)]
            if len(columns) < len(parts) or not all(
                isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column) for part in columns
            ):
                raise NotPushed("a full join by more than equal columns is made by the local engine")

    def _on(self, join: exp.Join, side: str, before: list[Source]) -> str | None:
        if join.args.get("using"):
            return self._using([name.name for name in join.args["using"]], side, before)
        on = join.args.get("on")
        return None if on is None else self.condition(on)

    def _using(self, names: list[str], side: str, before: list[Source]) -> str:
        """`USING (k)`: the columns are equal, and one of them stands for both."""
        if side == "FULL":
            raise NotPushed("a full join with USING is made by the local engine")
        after = self.scope.sources[len(before) :]
        if len(after) != 1:
            raise NotPushed("USING with several tables in parentheses")
        conditions = []
        for name in names:
            one, other = self._left_of(name, before), after[0].column(name)
            if one is None or other is None:
                raise NotPushed(f"USING ({name}) is settled by the local engine")
            conditions.append(_same(one, other, name))
            self.scope.merged[name.lower()] = other if side == "RIGHT" else one
        hidden = frozenset(name.lower() for name in names)
        self.scope.sources[-1] = replace(after[0], hidden=hidden)
        return " AND ".join(conditions)

    def _left_of(self, name: str, before: list[Source]) -> Found | None:
        if name.lower() in self.scope.merged:
            return self.scope.merged[name.lower()]
        hits = [found for source in before if (found := source.column(name)) is not None]
        return hits[0] if len(hits) == 1 else None

    def _filter(self, join: exp.Join, kind: str) -> None:
        """A semi or anti join as EXISTS: its table is seen by its own condition only."""
        _check_join(join)
        inner = Scope(parent=self.scope.parent, sources=list(self.scope.sources), merged=dict(self.scope.merged))
        outer, self.scope.sources = self.scope.sources, inner.sources
        merged, self.scope.merged = self.scope.merged, inner.merged
        try:
            before = list(inner.sources)
            right = self._source(join.this)
            on = self._on(join, "", before)
        finally:
            self.scope.sources, self.scope.merged = outer, merged
        if on is None:
            raise NotPushed("a semi join without a condition")
        self.extra.append(f"{'NOT ' if kind == 'ANTI' else ''}EXISTS (SELECT 1 FROM {right} WHERE {on})")


def _same(one: Found, other: Found, name: str) -> str:
    """Two stored columns are equal, as DuckDB means it."""
    exact = (Comparison.SAME, Comparison.EQUALITY)
    is_exact = one[1].comparison in exact and other[1].comparison in exact
    if not is_exact or one[1].type != other[1].type or one[1].collation != other[1].collation:
        raise NotPushed(f"USING ({name}) compares differently there")
    if one[1].policy != "error" or other[1].policy != "error":
        raise NotPushed(f"{name} is cleaned while it is read")
    return f"{one[0]} = {other[0]}"


def _check_join(join: exp.Join) -> None:
    if _others(join, _JOIN_PARTS):
        raise NotPushed(f"a {str(join.args.get('method') or 'special').upper()} join is made by the local engine")


def _check_commas(joins: list[exp.Join]) -> None:
    """`a, b right join c` joins b and c first; a comma list with outer joins of the left side is left alone."""
    has_comma = any(not join.kind and not join.side and not join.args.get("on") and not join.args.get("using")
                    and not join.args.get("method") for join in joins)  # fmt: skip
    if has_comma and any((join.side or "").upper() in ("RIGHT", "FULL") for join in joins):
        raise NotPushed("a comma list with RIGHT or FULL JOIN is joined by the local engine")


def _is_used_twice(node: exp.Table, cte: exp.CTE) -> bool:
    found = [table for table in node.root().find_all(exp.Table) if cte_of(table) is cte]
    return len(found) > 1


def _column_names(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    names = alias.args.get("columns") or [] if isinstance(alias, exp.TableAlias) else []
    return [name.name for name in names]


def _others(node: exp.Expr, known: frozenset[str]) -> list[str]:
    """What else a node has, besides the known parts."""
    return [key for key, value in node.args.items() if value and key not in known]
