"""A block's FROM and WHERE taken apart, and put together again.

    from a join b on a.x = b.x left join c on c.y = a.y where a.z > 1
    inner: a, b      left: c on c.y = a.y      conditions: a.x = b.x, a.z > 1

Conditions of inner joins and of WHERE are one pool: what is joined inner is a cross product with conditions, and a
left join neither sees nor changes what its own condition does not name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedq.plan.implied import common
from fedq.plan.reach import flatten
from fedq.sql import exp


@dataclass(frozen=True, slots=True)
class Core:
    """The sources of a block by the way they are joined."""

    inner: tuple[exp.Expr, ...]
    """Joined by comma, CROSS or INNER JOIN, in the order of the text."""
    left: tuple[exp.Join, ...]
    """Left joins, in the order of the text."""
    conditions: tuple[exp.Expr, ...]
    """What every row passes: WHERE, ON of the inner joins, and what all sides of an OR among them say."""


def core_of(select: exp.Select) -> Core | None:
    """The parts of a block; None where a join of another kind forbids to change their order."""
    first = select.args.get("from_")
    if first is None or not _is_plain(first.this):
        return None
    inner, left, conditions = [first.this], list[exp.Join](), list[exp.Expr]()
    for join in select.args.get("joins") or []:
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        if join.args.get("using") or join.args.get("method") or not _is_plain(join.this):
            return None
        if side == "LEFT" and kind in ("", "OUTER") and join.args.get("on") is not None:
            left.append(join)
        elif not side and kind in ("", "INNER", "CROSS"):
            inner.append(join.this)
            conditions += flatten(join.args["on"]) if join.args.get("on") is not None else []
        else:
            return None
    if (where := select.args.get("where")) is not None:
        conditions += flatten(where.this)
    conditions += [part for condition in tuple(conditions) for part in common(condition)]
    return Core(tuple(inner), tuple(left), tuple(conditions))


def _is_plain(source: exp.Expr) -> bool:
    is_source = isinstance(source, exp.Table) or (isinstance(source, exp.Subquery) and bool(source.alias))
    return is_source and not source.args.get("joins")


def put_together(
    select: exp.Select, inner: Sequence[exp.Expr], left: Sequence[exp.Join], conditions: Iterable[exp.Expr]
) -> None:
    """Give a block these sources and conditions."""
    joins = [exp.Join(this=source, kind="CROSS") for source in inner[1:]]
    select.set("from_", exp.From(this=inner[0]))
    select.set("joins", [*joins, *left])
    where = conjunction(conditions)
    select.set("where", exp.Where(this=where) if where is not None else None)


def conjunction(conditions: Iterable[exp.Expr]) -> exp.Expr | None:
    """One condition of many."""
    found: exp.Expr | None = None
    for condition in conditions:
        part = exp.Paren(this=condition) if isinstance(condition, exp.Or) else condition
        found = part if found is None else exp.And(this=found, expression=part)
    return found
