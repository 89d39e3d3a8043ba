"""What ANALYZE found out, in one round trip: the rows of `pg_stats`, which shows only what the user may read.

    n_distinct -0.2 of 150000 rows  →  30000 different values        most_common_vals {O,F}  →  ('O', 0.49), ('F', 0.48)

The arrays travel as JSON: as text, their dates would depend on the server's DateStyle. A row of a table with children
counts them in where there is such a row, since reading the table reads them too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.fetch.postgres.catalog import Fetch
from fedq.fetch.statistics import value_of

#: values longer than this tell little and weigh much
_WIDEST = 200
_STATISTICS = f"""
SELECT w.n, s.attname, s.null_frac, s.n_distinct, s.avg_width,
  CASE WHEN s.avg_width <= {_WIDEST} THEN to_json(s.most_common_vals) END AS common, s.most_common_freqs AS frequencies,
  CASE WHEN s.avg_width <= {_WIDEST} THEN to_json(s.histogram_bounds) END AS bounds
FROM unnest($1::int[], $2::text[], $3::text[]) AS w(n, schema, name)
JOIN pg_stats s ON s.schemaname = w.schema AND s.tablename = w.name
ORDER BY w.n, s.inherited
"""


async def statistics(fetch: Fetch, tables: Sequence[TableSchema]) -> list[TableStatistics | None]:
    """The statistics of each table, None where there are none or the user may not see them."""
    places = [(number, schema.table.schema or "", schema.table.name) for number, schema in enumerate(tables)]
    rows = await fetch(_STATISTICS, *([place[part] for place in places] for part in range(3)))
    by_table: dict[int, dict[str, Any]] = {}
    for row in rows:
        by_table.setdefault(row["n"], {})[row["attname"]] = row
    return [_table(schema, by_table[number]) if number in by_table else None for number, schema in enumerate(tables)]


def _table(schema: TableSchema, rows: dict[str, Any]) -> TableStatistics:
    columns = {column.physical: column for column in schema.columns}
    found = {name: _column(columns[name], row, schema.rows) for name, row in rows.items() if name in columns}
    return TableStatistics(schema.rows, found)


def _column(column: Column, row: Any, rows: float | None) -> ColumnStatistics:
    said: float = row["n_distinct"]
    distinct = said if said > 0 else -said * rows if said < 0 and rows is not None else None
    values = [value_of(value, column.type) for value in _array(row["common"])]
    bounds = tuple(value for raw in _array(row["bounds"]) if (value := value_of(raw, column.type)) is not None)
    common = tuple(pair for pair in zip(values, row["frequencies"] or (), strict=False) if pair[0] is not None)
    seen = () if column.type.family == "text" else (*bounds, *(value for value, _ in common))
    return ColumnStatistics(
        distinct=None if distinct is None else max(1.0, distinct),
        null_share=row["null_frac"],
        most_common=common,
        bounds=bounds,
        low=min(seen, default=None),
        high=max(seen, default=None),
        width=float(row["avg_width"]),
    )


def _array(text: str | None) -> list[Any]:
    return [] if text is None else json.loads(text, parse_float=Decimal)
