"""How many rows a table has and how many a condition keeps: from the databases' own statistics, else safe guesses.

Estimates only choose an order and decide whether to wait for keys; no answer depends on them. The shares are the
classic ones (an
equality keeps 2 %, a range 30 %); an equality on a one-column primary key keeps one row.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedq.bind.resolve import BoundTable
from fedq.plan.translate import Offer

#: rows assumed where a database has no statistics
UNKNOWN_ROWS = 100_000.0


def table_rows(table: BoundTable) -> float:
    """Estimated rows of a whole table."""
    return UNKNOWN_ROWS if table.schema.rows is None else max(0.0, table.schema.rows)


def filtered_rows(table: BoundTable, offers: Sequence[Offer]) -> float:
    """Estimated rows that pass the offers."""
    rows = table_rows(table)
    for offer in offers:
        rows *= offer.selectivity
    return max(1.0, rows) if table_rows(table) else 0.0
