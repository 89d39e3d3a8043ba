"""What a plan wants to know of the values in its tables, asked before it is made.

    one table                         nothing: there is no order to choose, and its database plans by itself
    tables of one database            what is known by now, for how many rows a part of the query gives
    tables of several databases       what is known, and worth waiting for: which one is asked first
    a sum of products, of many rows   the same: of how many values a factor is (block/fold.py)

Descriptions are read while a query is bound, and statistics with them: so this is asked of the tree as it was parsed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.plan.block.fold import may_fold
from fedq.plan.estimate import MANY_ROWS
from fedq.sql import exp


class Need(enum.Enum):
    """How much statistics of a query's tables are worth."""

    NOTHING = "nothing"
    KNOWN = "known"
    """What there is already."""
    WAITED = "waited"
    """Some time, when there are none yet."""


def need_of(
    parts: Sequence[exp.Expr],
    tables: Mapping[tuple[str, PhysicalTable], TableSchema],
    is_far: Callable[[str], bool],
) -> Need:
    """What a query of these parts wants to know of its tables, each with its database; `is_far`: a database is a
    server's."""
    is_large = any((schema.rows or 0.0) >= MANY_ROWS and is_far(name) for (name, _), schema in tables.items())
    if len({name for name, _ in tables}) > 1 or (is_large and may_fold(parts)):
        return Need.WAITED
    return Need.KNOWN if len(tables) > 1 else Need.NOTHING
