"""What an OR over several tables says of one of them, and what all of its branches say.

    (p.a = 1 and l.q < 11 and p.k = l.k) or (p.a = 2 and l.q between 10 and 20 and p.k = l.k)
    implied, of l       (l.q < 11) or (l.q between 10 and 20)       true for every row of l that can pass
    common              p.k = l.k                                   a condition of its own: a join

Both are supersets: they follow from the condition, and the condition itself is still applied.
"""

from __future__ import annotations

from collections.abc import Callable

from fedq.sql import copied, every, exp, first, render

#: sides of an OR that are looked at
_MOST_SIDES = 200

Belongs = Callable[[exp.Column], bool]


def implied(node: exp.Expr, belongs: Belongs) -> exp.Expr | None:
    """What a condition says of the columns that `belongs` tells; None where some row of theirs is free.

    >>> from fedq.sql import parse
    >>> condition = parse("select 1 where (p.a = 1 and l.q < 11) or (l.q > 20 and p.a = 2)")[0].args["where"].this
    >>> implied(condition, lambda column: column.table == "l").sql()
    'l.q < 11 OR l.q > 20'
    """
    inner = node.unnest()
    match inner:
        case exp.And():
            said = [found for side in inner.flatten() if (found := implied(side, belongs)) is not None]
            return _joined(exp.And, said) if said else None
        case exp.Or():
            sides = list(inner.flatten())
            branches = [implied(side, belongs) for side in sides] if len(sides) <= _MOST_SIDES else [None]
            kept = [branch for branch in branches if branch is not None]
            return _joined(exp.Or, kept) if kept and len(kept) == len(branches) else None
    return copied(inner) if _speaks_only_of(inner, belongs) else None


def common(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that every branch of an OR has, in the order of the first; none for anything but an OR.

    >>> from fedq.sql import parse
    >>> condition = parse("select 1 where (a = b and c = 1) or (c = 2 and (b = a))")[0].args["where"].this
    >>> [found.sql() for found in common(condition)]
    ['a = b']
    """
    inner = node.unnest()
    if not isinstance(inner, exp.Or):
        return []
    sides = list(inner.flatten())
    if len(sides) > _MOST_SIDES:
        return []
    leading, *others = [_conjuncts(side) for side in sides]
    keys = [{_key(conjunct) for conjunct in branch} for branch in others]
    found: dict[str, exp.Expr] = {}
    for conjunct in leading:
        if all(_key(conjunct) in branch for branch in keys) and first(conjunct, exp.Rand, exp.Uuid) is None:
            found.setdefault(_key(conjunct), copied(conjunct))
    return list(found.values())


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that a branch needs, those that an OR inside it has in common included."""
    inner = node.unnest()
    if isinstance(inner, exp.And):
        return [conjunct for side in inner.flatten() for conjunct in _conjuncts(side)]
    return [inner, *common(inner)]


def _key(node: exp.Expr) -> str:
    """The same text for the same condition, whichever side stands first."""
    inner = node.unnest()
    if isinstance(inner, exp.EQ):
        return " = ".join(sorted(render(side.unnest()) for side in (inner.this, inner.expression)))
    return render(inner)


def _speaks_only_of(node: exp.Expr, belongs: Belongs) -> bool:
    """Whether a condition is over these columns alone: no others, no subquery, at least one."""
    if first(node, exp.Select, exp.Subquery, exp.AggFunc, exp.Window) is not None:
        return False
    answers = [belongs(column) for column in every(node, exp.Column)]
    return bool(answers) and all(answers)


def _joined(kind: type[exp.And] | type[exp.Or], sides: list[exp.Expr]) -> exp.Expr:
    """The sides under one AND or OR, as the parser would make them."""
    wrapped = [exp.Paren(this=side) if isinstance(side, (exp.And, exp.Or)) else side for side in sides]
    found = wrapped[0] if len(wrapped) > 1 else sides[0]
    for side in wrapped[1:]:
        found = kind(this=found, expression=side)
    return found
