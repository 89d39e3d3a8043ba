"""Aggregates whose value there is DuckDB's: count, sum, min, max, bool_and, bool_or, with DISTINCT and FILTER.

    sum(price * qty) filter (where status = 'paid')      sum(CASE WHEN "status" = 'paid' THEN "price" * "qty" END)

avg is not among them: a database divides decimals, DuckDB doubles. Sums of doubles depend on the order of the rows.
"""

from __future__ import annotations

from dataclasses import replace

from fedq.dialects.base import Dialect
from fedq.plan.block.exactly import check_clean, exactly, grouped, keeps_value, named, ordered, sounded
from fedq.plan.block.statement import Scope
from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said, described, say
from fedq.sql import exp, render
from fedq.types import BIGINT, BOOLEAN, MOST_DIGITS, VARCHAR, Comparison, Type

_HUGEINT = Type("HUGEINT")
#: integers of which no table has enough to pass 64 bits
_NARROW = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER")
#: what text is once a database that knows bytes only has made text of it again
_MYSQL_TEXT = "utf8mb4_general_ci"


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a node makes one value of many rows."""
    return isinstance(node, (exp.AggFunc, exp.Filter))


def aggregate(node: exp.Expr, speaker: Speaker, scope: Scope) -> Said:
    """An aggregate's value; `speaker` says what is aggregated. Raises: NotPushed."""
    before, scope.has_reached_out = scope.has_reached_out, False
    condition = None
    if isinstance(node, exp.Filter):
        condition = exactly(node.expression.this, speaker)
        node = node.this
    said = aggregated(node, speaker, condition)
    if scope.has_reached_out:
        raise NotPushed(f"{render(node)} aggregates a value of another block")
    scope.has_reached_out = before
    return said


def aggregated(node: exp.Expr, speaker: Speaker, condition: str | None = None) -> Said:
    """The value of count, sum and the like over the rows that pass `condition`. Raises: NotPushed."""
    text = render(node)
    if _has_more(node):
        raise NotPushed(f"{text} is computed by the local engine")
    match node:
        case exp.Count():
            return _number(f"count({_counted(node.this, speaker, condition)})", BIGINT)
        case exp.CountIf():
            passed = exactly(node.this, speaker)
            both = passed if condition is None else f"({condition}) AND ({passed})"
            return _number(f"count(CASE WHEN {both} THEN 1 END)", _HUGEINT)
        case exp.Sum():
            return _sum(node, speaker, condition)
        case exp.Min() | exp.Max():
            return _extreme(node, speaker, condition)
        case exp.LogicalAnd() | exp.LogicalOr() if speaker.dialect.name == "postgres":
            return _truth(node, speaker, condition)
        case exp.Avg():
            raise NotPushed(f"{text} is a division of doubles, which is made by the local engine")
    raise NotPushed(f"{text} is computed by the local engine")


def _has_more(node: exp.Expr) -> bool:
    """Whether it has parts that are unknown here: an ORDER BY, more arguments."""
    return any(value for key, value in node.args.items() if key not in ("this", "big_int"))


def _counted(inner: exp.Expr, speaker: Speaker, condition: str | None) -> str:
    if isinstance(inner, exp.Star):
        if inner.args.get("except_") or inner.args.get("replace"):
            raise NotPushed("a count over part of a star")
        return "*" if condition is None else f"CASE WHEN {condition} THEN 1 END"
    if isinstance(inner, exp.Distinct):
        if len(inner.expressions) != 1:
            raise NotPushed("a count of distinct rows is made by the local engine")
        return f"DISTINCT {_where(grouped(say(inner.expressions[0], speaker), speaker.dialect).sql, condition)}"
    if inner is None:
        raise NotPushed("count() without an argument is computed by the local engine")
    said = say(inner, speaker)
    check_clean(said)
    if said.column.comparison is Comparison.UNLIKE:
        raise NotPushed(f"whether {named(said)} is NULL is decided by how its values are read")
    return _where(said.sql, condition)


def _where(sql: str, condition: str | None) -> str:
    return sql if condition is None else f"CASE WHEN {condition} THEN {sql} END"


def _sum(node: exp.Sum, speaker: Speaker, condition: str | None) -> Said:
    inner, distinct = _argument(node)
    said = sounded(say(inner, speaker), speaker.dialect)
    type_ = said.column.type
    if said.column.comparison is not Comparison.SAME or not _is_summed(type_, speaker.dialect):
        raise NotPushed(f"a sum of {named(said)} ({said.column.native}) is not exact there")
    result = _HUGEINT if type_.family == "integer" else Type("DECIMAL", MOST_DIGITS, type_.scale)
    return _number(f"sum({distinct}{_where(said.sql, condition)})", result)


def _is_summed(type_: Type, dialect: Dialect) -> bool:
    """Whether a sum neither overflows before DuckDB's nor rounds."""
    if type_.family not in ("integer", "decimal"):
        return False
    return dialect.sums_exactly or (type_.name in _NARROW and dialect.name == "sqlite")


def _extreme(node: exp.Min | exp.Max, speaker: Speaker, condition: str | None) -> Said:
    inner, _ = _argument(node)
    said = say(inner, speaker)
    if said.column.type.family == "uuid":  # PostgreSQL has no min(uuid)
        raise NotPushed(f"{node.key} of UUIDs is computed by the local engine")
    by = ordered(said, speaker.dialect)
    sql = f"{node.key}({_where(by.sql, condition)})"
    if said.column.type == VARCHAR and by is not said and not keeps_value(speaker.dialect):
        column = replace(described(VARCHAR, comparison=Comparison.LOOSE, collation=_MYSQL_TEXT), native="longtext")
        return Said(f"CONVERT({sql} USING utf8mb4)", column, is_strict=False)
    column = replace(by.column, name="", physical="")
    return Said(sql, column, is_strict=False)


def _truth(node: exp.Expr, speaker: Speaker, condition: str | None) -> Said:
    said = say(node.this, speaker)
    check_clean(said)
    if said.column.type != BOOLEAN or said.column.comparison is not Comparison.SAME:
        raise NotPushed(f"{render(node)} is computed by the local engine")
    verb = "bool_and" if isinstance(node, exp.LogicalAnd) else "bool_or"
    return Said(f"{verb}({_where(said.sql, condition)})", described(BOOLEAN), is_strict=False)


def _argument(node: exp.Expr) -> tuple[exp.Expr, str]:
    inner = node.this
    if not isinstance(inner, exp.Distinct):
        return inner, ""
    if len(inner.expressions) != 1:
        raise NotPushed(f"{render(node)} is computed by the local engine")
    return inner.expressions[0], "DISTINCT "


def _number(sql: str, type_: Type) -> Said:
    return Said(sql, described(type_), is_strict=False)
