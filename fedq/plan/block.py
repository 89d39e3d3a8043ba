"""A whole query block in a database's own words: joins, filters, grouping, order and limit, where all of it is exact.

    select city, count(*) n from customers where country = 'NL' group by city order by n desc limit 3
    SELECT "city", count(*) FROM "public"."customers" AS "customers" WHERE "customers"."country" = 'NL' GROUP BY …

Nothing is applied again afterwards, so every part must mean there exactly what it means in DuckDB; the first part
that does not is
the reason why the block is pulled in pieces instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedq.bind.bound import BoundQuery
from fedq.bind.scope import ORIGIN, Block, Occurrence
from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.plan.constants import NotPushed, constant
from fedq.plan.nodes import Fetch, Output
from fedq.plan.translate import Speaker, is_cleaned, translate
from fedq.sql import exp
from fedq.types import Comparison, Type

#: families whose groups are the same everywhere (floats: the sign of zero)
_GROUPABLE = frozenset({"integer", "decimal", "text", "date", "timestamp", "timestamptz", "boolean", "uuid"})
_ORDERABLE = _GROUPABLE | {"float"}
_REFUSED = (
    "with_",
    "having",
    "qualify",
    "windows",
    "laterals",
    "sample",
    "connect",
    "into",
    "locks",
    "prewhere",
    "match",
)


@dataclass(frozen=True, slots=True)
class Written:
    """One output of the block as it is sent."""

    name: str
    sql: str
    column: Column | None
    is_aggregate: bool = False


def write_block(query: BoundQuery, outputs: Sequence[tuple[str, Type]], dialect: Dialect, kind: str) -> Fetch:
    """The fetch that answers the query in one statement. Raises: NotPushed with the reason."""
    select = query.tree
    if not isinstance(select, exp.Select):
        raise NotPushed("only a plain SELECT is sent whole to this kind of database")
    block = query.scopes.blocks[id(select)]
    _check_shape(select, block, query)
    return _Writer(query, block, dialect, kind).fetch(outputs)


def _check_shape(select: exp.Select, block: Block, query: BoundQuery) -> None:
    for key in _REFUSED:
        if select.args.get(key):
            raise NotPushed(f"{key.strip('_').upper()} is done by the local engine")
    if len(query.scopes.blocks) > 1:
        raise NotPushed("a subquery is computed by the local engine")
    if block.is_opaque or block.derived or not block.tables:
        raise NotPushed("a source that is no stored table")
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise NotPushed("DISTINCT ON is done by the local engine")


class _Writer:
    def __init__(self, query: BoundQuery, block: Block, dialect: Dialect, kind: str) -> None:
        self.query, self.block, self.dialect, self.kind = query, block, dialect, kind
        self.select = block.node
        self.speaker = Speaker(dialect, self._resolve, query.params)

    def _resolve(self, node: exp.Column) -> tuple[str, Column] | None:
        found = self.query.scopes.resolve(node, self.block)
        if found is None:
            return None
        return f"{self.dialect.quote(found[0].alias)}.{self.dialect.quote(found[1].physical)}", found[1]

    def fetch(self, outputs: Sequence[tuple[str, Type]]) -> Fetch:
        written = self._outputs()
        if len(written) != len(outputs):
            raise NotPushed("the columns of the result are settled by the local engine")
        group = self._group(written)
        is_distinct = self.select.args.get("distinct") is not None
        if is_distinct and not all(
            item.column is not None and not item.is_aggregate and _groups(item.column) for item in written
        ):
            raise NotPushed("DISTINCT over something that is not compared by bytes there")
        suffix = " ".join(
            part for part in (group, self._order(written, is_distinct=is_distinct), self._limit()) if part
        )
        where = self.select.args.get("where")
        occurrences = list(self.block.tables.values())
        ready = tuple(
            Output(item.sql, name, type_, None if item.is_aggregate else item.column)
            for item, (name, type_) in zip(written, outputs, strict=True)
        )
        return Fetch(
            id=occurrences[0].id,
            database=occurrences[0].table.database,
            kind=self.kind,
            tables=tuple(dict.fromkeys(occurrence.table.name for occurrence in occurrences)),
            outputs=ready,
            source=self._from(),
            where=(self._exact(where.this),) if where is not None else (),
            suffix=suffix,
            is_distinct=is_distinct,
            pushed=("the whole query",),
        )

    def _exact(self, node: exp.Expr) -> str:
        offer = translate(node, self.speaker)
        if not offer.is_exact:
            raise NotPushed(
                f"{node.sql('duckdb')} is only roughly the same there, so the local engine applies it again"
            )
        return offer.sql

    def _from(self) -> str:
        first = self.select.args["from_"].this
        parts = [f"FROM {self._table(first)}"]
        for join in self.select.args.get("joins") or []:
            side, kind = (join.side or "").upper(), (join.kind or "").upper()
            if (
                join.args.get("using")
                or join.args.get("method")
                or side not in ("", "LEFT")
                or kind not in ("", "INNER", "CROSS", "OUTER")
            ):
                raise NotPushed("this kind of join is done by the local engine")
            on = join.args.get("on")
            if side == "LEFT" and on is None:
                raise NotPushed("a left join without a condition")
            verb = "LEFT JOIN" if side else ("JOIN" if on is not None else "CROSS JOIN")
            parts.append(f"{verb} {self._table(join.this)}{f' ON {self._exact(on)}' if on is not None else ''}")
        return " ".join(parts)

    def _table(self, node: exp.Expr) -> str:
        occurrence = next((occ for occ in self.block.tables.values() if occ.node is node), None)
        if occurrence is None or node.args.get("joins") or node.args.get("sample") is not None:
            raise NotPushed("joins in parentheses are done by the local engine")
        table = occurrence.table.schema.table
        return f"{self.dialect.table(table.schema, table.name)} AS {self.dialect.quote(occurrence.alias)}"

    def _outputs(self) -> list[Written]:
        written: list[Written] = []
        for projection in self.select.expressions:
            star = projection.this if isinstance(projection, exp.Column) else projection
            if isinstance(star, exp.Star):
                written += self._star(projection, star)
            else:
                written.append(self._output(projection))
        return written

    def _star(self, projection: exp.Expr, star: exp.Star) -> list[Written]:
        if star.args.get("except_") or star.args.get("replace") or star.args.get("rename"):
            raise NotPushed("a star that excludes or replaces columns")
        wanted = projection.table.lower() if isinstance(projection, exp.Column) else None
        tables = [occ for alias, occ in self.block.tables.items() if wanted in (None, alias)]
        return [self._stored(occurrence, column) for occurrence in tables for column in occurrence.table.columns]

    def _stored(self, occurrence: Occurrence, column: Column) -> Written:
        return Written(
            column.name, f"{self.dialect.quote(occurrence.alias)}.{self.dialect.quote(column.physical)}", column
        )

    def _output(self, projection: exp.Expr) -> Written:
        node, name = projection.unalias(), projection.alias_or_name
        if isinstance(node, exp.Column):
            if node.name.lower() == ORIGIN:
                raise NotPushed("the hidden column is added by the local engine")
            sql, column = self.speaker.column(node)
            return Written(name, sql, column)
        if isinstance(node, exp.AggFunc):
            return Written(name, self._aggregate(node), None, is_aggregate=True)
        raise NotPushed(f"{node.sql('duckdb')} is computed by the local engine")

    def _aggregate(self, node: exp.AggFunc) -> str:
        """count, sum, min and max over a column, where the column's own comparisons and sums are DuckDB's."""
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            return "count(*)"
        inner = node.this
        if isinstance(node, exp.Count) and isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
            sql, column = self.speaker.column(inner.expressions[0])
            if _groups(column):
                return f"count(DISTINCT {sql})"
            raise NotPushed(f"distinct values of {column.name} are not counted by bytes there")
        if not isinstance(inner, exp.Column) or node.args.get("expressions"):
            raise NotPushed(f"{node.sql('duckdb')} is computed by the local engine")
        sql, column = self.speaker.column(inner)
        if column.policy != "error":
            raise NotPushed(f"{column.name} is cleaned while it is read")
        if isinstance(node, exp.Count) and column.comparison is not Comparison.UNLIKE:
            return f"count({sql})"
        if (
            isinstance(node, exp.Sum)
            and column.type.family in ("integer", "decimal")
            and self.dialect.sums_exactly
            and _is_same(column)
        ):
            return f"sum({sql})"
        if isinstance(node, (exp.Min, exp.Max)) and column.type.family != "uuid":  # PostgreSQL has no min(uuid)
            return f"{node.key}({self._ordered(sql, column)})"
        raise NotPushed(f"{node.sql('duckdb')} is computed by the local engine")

    def _ordered(self, sql: str, column: Column) -> str:
        """A column so that its order there is DuckDB's."""
        if is_cleaned(column):
            raise NotPushed(f"{column.name} is cleaned while it is read")
        if (
            column.type.family in _ORDERABLE
            and column.comparison is Comparison.SAME
            and column.type.family != "boolean"
        ):
            return sql
        by_bytes = (
            self.dialect.by_bytes(sql, column)
            if column.type.family == "text" and column.comparison is not Comparison.UNLIKE
            else None
        )
        if by_bytes is None:
            raise NotPushed(f"{column.name} ({column.native}) is ordered in another way there")
        return by_bytes

    def _group(self, written: Sequence[Written]) -> str:
        group = self.select.args.get("group")
        has_aggregate = any(item.is_aggregate for item in written)
        if group is None:
            if has_aggregate and not all(item.is_aggregate for item in written):
                raise NotPushed("columns beside aggregates without GROUP BY")
            return ""
        if any(group.args.get(key) for key in ("grouping_sets", "cube", "rollup", "totals")):
            raise NotPushed("grouping sets are computed by the local engine")
        if group.args.get("all"):
            keys = [item for item in written if not item.is_aggregate]
        else:
            keys = [self._key(node, written) for node in group.expressions]
        if not all(key.column is not None and _groups(key.column) for key in keys):
            raise NotPushed("GROUP BY over something that is not compared by bytes there")
        names = {key.sql for key in keys}
        if not all(item.is_aggregate or item.sql in names for item in written):
            raise NotPushed("a column that is not grouped")
        return f"GROUP BY {', '.join(dict.fromkeys(key.sql for key in keys))}" if keys else ""

    def _key(self, node: exp.Expr, written: Sequence[Written]) -> Written:
        """What a GROUP BY or ORDER BY item means: a position, a column, or the name of an output."""
        if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
            position = int(node.this)
            if 1 <= position <= len(written):
                return written[position - 1]
        if isinstance(node, exp.Column):
            if not node.table:
                named = [item for item in written if item.name.lower() == node.name.lower()]
                if len(named) == 1 and (
                    named[0].is_aggregate or self.speaker.resolve(node) in (None, (named[0].sql, named[0].column))
                ):
                    return named[0]
                if named:
                    raise NotPushed(f"{node.name} is the name of a column and of an output")
            sql, column = self.speaker.column(node)
            return Written(node.name, sql, column)
        raise NotPushed(f"{node.sql('duckdb')} is computed by the local engine")

    def _order(self, written: Sequence[Written], *, is_distinct: bool) -> str:
        order = self.select.args.get("order")
        if order is None:
            return ""
        is_grouped = self.select.args.get("group") is not None
        parts = []
        for item in order.expressions:
            key = self._key(item.this, written)
            if key not in written and (is_distinct or is_grouped):
                raise NotPushed("an order by something that is not in the result")
            sql = key.sql if key.column is None else self._ordered(key.sql, key.column)
            if key.column is not None and key.column.type.family == "text" and not self.dialect.orders_text:
                raise NotPushed(f"an order of whole texts ({key.column.name})")
            if is_distinct and sql != key.sql:
                raise NotPushed("an order of distinct text")
            parts.append(
                self.dialect.order(
                    sql, is_descending=bool(item.args.get("desc")), is_nulls_first=bool(item.args.get("nulls_first"))
                )
            )
        return f"ORDER BY {', '.join(parts)}"

    def _limit(self) -> str:
        rows, skipped = limit_of(self.select, self.query.params)
        return self.dialect.limit(rows, skipped)


def limit_of(select: exp.Expr, params: Mapping[str, object]) -> tuple[int | None, int]:
    """LIMIT and OFFSET of a block as whole numbers. Raises: NotPushed."""
    limit, offset = select.args.get("limit"), select.args.get("offset")
    if limit is not None and (
        not isinstance(limit, exp.Limit) or limit.expression is None or limit.args.get("limit_options")
    ):
        raise NotPushed("a LIMIT that is no whole number")
    found = [constant(node.expression, dict(params)).value if node is not None else None for node in (limit, offset)]
    if any(value is not None and (type(value) is not int or value < 0) for value in found):
        raise NotPushed("a LIMIT that is no whole number")
    return found[0], found[1] or 0


def _groups(column: Column) -> bool:
    is_equal = column.comparison in (Comparison.SAME, Comparison.EQUALITY)
    return is_equal and column.type.family in _GROUPABLE and column.policy == "error"


def _is_same(column: Column) -> bool:
    return column.comparison is Comparison.SAME
