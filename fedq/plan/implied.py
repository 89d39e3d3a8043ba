"""What an OR says of one table, and what all of its sides say.

    (p.brand = 'A' and l.n < 11 and p.id = l.part) or (p.brand = 'B' and l.n < 15 and p.id = l.part)
    of l       l.n < 11 or l.n < 15
    of p       p.brand = 'A' or p.brand = 'B'
    of all     p.id = l.part

Each is true wherever the OR is, so it may reduce a table or join two; the OR itself stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedq.sql import exp

#: sides of an OR that are looked at
_MOST_SIDES = 50


def implied(node: exp.Expr, belongs: Callable[[exp.Column], bool]) -> exp.Expr | None:
    """The part of a condition whose columns all belong; None where a side of an OR says nothing of them."""
    node = node.unnest()
    if isinstance(node, exp.And):
        parts = [part for side in node.flatten() if (part := implied(side, belongs)) is not None]
        return _joined(exp.And, parts)
    if isinstance(node, exp.Or):
        sides = list(node.flatten())
        said = [implied(side, belongs) for side in sides] if len(sides) <= _MOST_SIDES else [None]
        return None if None in said else _joined(exp.Or, [side for side in said if side is not None])
    columns = list(node.find_all(exp.Column))
    is_own = columns and all(map(belongs, columns)) and node.find(exp.Query) is None
    return node.copy() if is_own else None


def common(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that every side of an OR has."""
    node = node.unnest()
    if not isinstance(node, exp.Or):
        return []
    sides = [_parts(side) for side in node.flatten()]
    if len(sides) > _MOST_SIDES:
        return []
    return [part.copy() for part in sides[0] if all(part in other for other in sides[1:])]


def _parts(node: exp.Expr) -> list[exp.Expr]:
    node = node.unnest()
    return [part for side in node.flatten() for part in _parts(side)] if isinstance(node, exp.And) else [node]


def _joined(kind: type[exp.And | exp.Or], parts: Sequence[exp.Expr]) -> exp.Expr | None:
    found: exp.Expr | None = None
    for part in parts:
        one = exp.Paren(this=part) if isinstance(part, (exp.And, exp.Or)) else part
        found = one if found is None else kind(this=found, expression=one)
    return found
