"""Window functions: rank and its kin, lag and lead, and aggregates over a frame.

    sum(v) over (partition by name order by d)     sum("v") OVER (PARTITION BY "name" ORDER BY "d" NULLS LAST)

Rows that the order does not tell apart may come in any order, in DuckDB too. MySQL 5.7 has no windows, and it speaks
the same dialect as its successors: nothing of this is sent there.
"""

from __future__ import annotations

from fedq.plan.block.aggregates import aggregated
from fedq.plan.block.exactly import exactly, grouped, sorted_by
from fedq.plan.constants import NotPushed, constant
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said, described, say
from fedq.sql import exp, first, render
from fedq.types import BIGINT

_WINDOWED = ("postgres", "sqlite")
_KNOWN = frozenset({"this", "partition_by", "order", "spec", "over"})
_SPEC = frozenset({"kind", "start", "start_side", "end", "end_side"})
_RANKS: dict[type[exp.Expr], str] = {exp.RowNumber: "row_number", exp.Rank: "rank", exp.DenseRank: "dense_rank"}
_SHIFTS: dict[type[exp.Expr], str] = {exp.Lag: "lag", exp.Lead: "lead"}
_AGGREGATES = (exp.Count, exp.CountIf, exp.Sum, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)


def window(node: exp.Window, speaker: Speaker) -> Said:
    """A window function's value. Raises: NotPushed."""
    text = render(node)
    if speaker.dialect.name not in _WINDOWED:
        raise NotPushed("not every such database has window functions")
    if any(value for key, value in node.args.items() if key not in _KNOWN):
        raise NotPushed(f"{text} is computed by the local engine")
    order = _order(node, speaker)
    said = _function(node.this, speaker, has_order=bool(order))
    keys = [grouped(say(key, speaker), speaker.dialect).sql for key in node.args.get("partition_by") or []]
    parts = [f"PARTITION BY {', '.join(keys)}" if keys else "", order, _frame(node.args.get("spec"), node.this)]
    over = " ".join(part for part in parts if part)
    return Said(f"{said.sql} OVER ({over})", said.column, is_strict=False)


def _function(node: exp.Expr, speaker: Speaker, *, has_order: bool) -> Said:
    if isinstance(node, tuple(_RANKS)):
        if not has_order or any(node.args.values()):
            raise NotPushed("a number of rows in no order is given by the local engine")
        return Said(f"{_RANKS[type(node)]}()", described(BIGINT), is_strict=False)
    if isinstance(node, tuple(_SHIFTS)):
        return _shift(node, speaker, has_order=has_order)
    condition = None
    if isinstance(node, exp.Filter):
        condition, node = exactly(node.expression.this, speaker), node.this
    if isinstance(node, _AGGREGATES) and first(node, exp.Distinct) is None:
        return aggregated(node, speaker, condition)
    raise NotPushed(f"{render(node)} OVER is computed by the local engine")


def _shift(node: exp.Expr, speaker: Speaker, *, has_order: bool) -> Said:
    offset = node.args.get("offset")
    steps = 1 if offset is None else constant(offset, speaker.params).value
    if not has_order or node.args.get("default") is not None or type(steps) is not int or steps < 0:
        raise NotPushed(f"{render(node)} is computed by the local engine")
    said = say(node.this, speaker)
    return Said(f"{_SHIFTS[type(node)]}({said.sql}, {steps})", said.column, is_strict=False)


def _order(node: exp.Window, speaker: Speaker) -> str:
    order = node.args.get("order")
    if order is None:
        return ""
    parts = []
    for item in order.expressions:
        if first(item.this, exp.Column, exp.AggFunc) is None:
            raise NotPushed("a window in the order of a constant is computed by the local engine")
        sql = sorted_by(say(item.this, speaker), speaker.dialect).sql
        is_descending, is_first = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
        parts.append(speaker.dialect.order(sql, is_descending=is_descending, is_nulls_first=is_first))
    return f"ORDER BY {', '.join(parts)}"


def _frame(spec: exp.Expr | None, function: exp.Expr) -> str:
    """A frame counted in rows; the default one, RANGE up to the row's equals, is the same everywhere."""
    if spec is None:
        return ""
    if isinstance(function, (*_RANKS, *_SHIFTS)):
        return ""  # these look at the whole partition
    kind = str(spec.args.get("kind") or "").upper()
    if kind != "ROWS" or any(value for key, value in spec.args.items() if key not in _SPEC):
        raise NotPushed("a frame of values is computed by the local engine")
    start = _bound(spec.args.get("start"), spec.args.get("start_side"))
    end = _bound(spec.args.get("end"), spec.args.get("end_side")) if spec.args.get("end") else "CURRENT ROW"
    return f"ROWS BETWEEN {start} AND {end}"


def _bound(at: object, side: object) -> str:
    if isinstance(at, exp.Literal) and not at.is_string and at.this.isdigit():
        return f"{at.this} {str(side).upper()}"
    if str(at).upper() == "UNBOUNDED":
        return f"UNBOUNDED {str(side).upper()}"
    if str(at).upper() == "CURRENT ROW":
        return "CURRENT ROW"
    raise NotPushed("a frame with computed bounds is computed by the local engine")
