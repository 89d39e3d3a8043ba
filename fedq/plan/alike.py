"""Whether what a plan was made for is still about what it was: a kept plan serves then, and is made anew otherwise.

    where day >= '1998-01-01'     of 6,000,000 rows 1,400,000      the plan that was made for it
    where day >= '1998-02-01'                       1,200,000      the same
    where day >= '1998-08-01'                           3,000      another

What is kept is not the plan's own estimates but what each table brings under the conditions that hold parameters, by
the statistics that the plan was made with. A plan that is wrong by less than twice is wrong by less than the estimates
themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fedq.bind.bound import BoundQuery
from fedq.bind.resolve import BoundTable
from fedq.catalog.statistics import Link
from fedq.plan.estimate import filtered
from fedq.plan.reach import conjuncts
from fedq.plan.selectivity import Resolve
from fedq.sql import every, exp, first

#: what may be between two numbers that are about the same
_TIMES = 2.0
#: rows, and seconds of a round trip, below which all are the same
_FEW, _SOON = 200.0, 0.001


@dataclass(frozen=True, slots=True)
class Expected:
    """What one table brings under conditions that hold parameters."""

    table: BoundTable
    conditions: Sequence[exp.Expr]
    resolve: Resolve
    rows: float


def is_near(one: Expected, params: Mapping[str, Any]) -> bool:
    """Whether a table brings about as much with these parameters."""
    return _are_near(filtered(one.table, one.conditions, one.resolve, params).rows, one.rows, _FEW)


def is_as_far(one: Link | None, other: Link | None) -> bool:
    """Whether a database is about as far away as it was; what was not measured is as far as nothing."""
    if one is None or other is None:
        return one is other
    is_as_soon = _are_near(one.round_trip, other.round_trip, _SOON)
    return is_as_soon and _are_near(one.bytes_per_second, other.bytes_per_second, 1.0)


def _are_near(one: float, other: float, least: float) -> bool:
    return max(one, other, least) <= _TIMES * max(min(one, other), least)


def expected(query: BoundQuery, params: Mapping[str, Any]) -> tuple[Expected, ...]:
    """What each table brings, of those whose conditions hold parameters."""
    conditions: dict[str, list[exp.Expr]] = defaultdict(list)
    found = {one.id: one for one in query.occurrences}
    resolve: dict[str, Resolve] = {}
    for conjunct in conjuncts(query.scopes) if query.scopes.every(exp.Placeholder) else ():
        if first(conjunct.node, exp.Placeholder) is None or first(conjunct.node, exp.Query) is not None:
            continue
        places = [query.scopes.resolve(column, conjunct.block) for column in every(conjunct.node, exp.Column)]
        ids = {place[0].id for place in places if place is not None}
        if len(ids) == 1 and None not in places:
            (id_,) = ids
            conditions[id_].append(conjunct.node)
            resolve[id_] = partial(query.scopes.table_of, block=conjunct.block)
    return tuple(
        Expected(found[id_].table, nodes, resolve[id_], filtered(found[id_].table, nodes, resolve[id_], params).rows)
        for id_, nodes in conditions.items()
    )
