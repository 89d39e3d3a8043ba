"""What MySQL and MariaDB know of tables, by cheap questions only.

    1  information_schema.statistics    different values of each column that leads an index
    2  mysql.column_stats               any column, where MariaDB ran ANALYZE … PERSISTENT and lets the user read it
    3  SELECT MIN(c), MAX(c)            of columns that lead an index: two looks into it
    4  EXPLAIN … WHERE c >= a AND c < b how many rows lie in each of 12 parts between them: two looks each

3 and 4 stand in for the histograms that hardly any server has: the optimizer counts a range by looking into the index,
so that a dozen of them, all in one statement, show how the values are spread. Nothing reads a table's rows.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise
from typing import Any

from fedq.catalog.schema import Column, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.dialects.mysql import MYSQL
from fedq.fetch.statistics import value_of

Ask = Callable[[str], list[list[bytes | None]]]

#: parts into which what lies between a column's ends is cut
_PARTS = 12
#: columns looked at so closely, in all
_MOST_COLUMNS = 24
_SPREAD_FAMILIES = ("integer", "decimal", "date", "timestamp")
#: bounds of a column from the server's own histogram
_BOUNDS = 64


@dataclass(frozen=True, slots=True)
class _Lead:
    """A column that leads an index."""

    schema: TableSchema
    column: Column
    index: str
    distinct: float | None

    @property
    def is_key(self) -> bool:
        """Whether it alone is the primary key: spread evenly, as a rule."""
        return self.schema.key == (self.column.physical,)

    @property
    def table(self) -> str:
        """The table in SQL."""
        return MYSQL.table(self.schema.table.schema, self.schema.table.name)


def statistics(ask: Ask, ask_stored: Ask, tables: Sequence[TableSchema]) -> list[TableStatistics | None]:
    """The statistics of each table. `ask_stored` answers nothing where the user may not read mysql.column_stats."""
    real = [schema for schema in tables if not schema.is_view and schema.columns]
    if not real:
        return [None] * len(tables)
    leads = list(_leads(ask, real))
    found: dict[tuple[object, str], ColumnStatistics] = {}
    for lead in leads:
        found[lead.schema.table, lead.column.physical] = ColumnStatistics(distinct=lead.distinct)
    stored = _stored(ask_stored, real)
    spread = [lead for lead in leads if (lead.schema.table, lead.column.physical) not in stored]
    for lead, known in zip(spread, _ends(ask, spread[:_MOST_COLUMNS]), strict=False):
        found[lead.schema.table, lead.column.physical] = replace(known, distinct=lead.distinct)
    _spread(ask, spread[:_MOST_COLUMNS], found)
    found |= stored
    by_table: dict[object, dict[str, ColumnStatistics]] = defaultdict(dict)
    for (table, name), known in found.items():
        by_table[table][name] = known
    return [
        None if schema.is_view else TableStatistics(schema.rows, by_table.get(schema.table, {})) for schema in tables
    ]


def _leads(ask: Ask, tables: Sequence[TableSchema]) -> Iterator[_Lead]:
    """Every column that leads an index, once, with the number of different values that the server estimates."""
    branches = [
        f"SELECT {number}, index_name, column_name, cardinality, sub_part FROM information_schema.statistics"
        f" WHERE table_schema = {MYSQL.text(schema.table.schema or '')}"
        f" AND table_name = {MYSQL.text(schema.table.name)} AND seq_in_index = 1 AND index_type = 'BTREE'"
        for number, schema in enumerate(tables)
    ]
    seen = set()
    for number, index, name, cardinality, part in ask(" UNION ALL ".join(branches)):
        schema = tables[int(number or 0)]
        column = next((column for column in schema.columns if column.physical == (name or b"").decode()), None)
        if column is None or part is not None or (schema.table, column.physical) in seen:
            continue
        seen.add((schema.table, column.physical))
        count = float(cardinality) if cardinality is not None and float(cardinality) > 0 else None
        yield _Lead(schema, column, (index or b"").decode(), count)


def _ends(ask: Ask, leads: Sequence[_Lead]) -> list[ColumnStatistics]:
    """The smallest and largest value of each column."""
    if not leads:
        return []
    branches = []
    for number, lead in enumerate(leads):
        name = MYSQL.quote(lead.column.physical)
        low, high = (f"CAST((SELECT {end}({name}) FROM {lead.table}) AS CHAR)" for end in ("MIN", "MAX"))
        branches.append(f"SELECT {number}, {low}, {high}")
    answers = {int(number or 0): ends for number, *ends in ask(" UNION ALL ".join(branches))}
    return [_between(lead.column, answers.get(number, [])) for number, lead in enumerate(leads)]


def _between(column: Column, ends: Sequence[bytes | None]) -> ColumnStatistics:
    if column.type.family not in _SPREAD_FAMILIES or len(ends) != 2:  # a text's order is its collation's
        return ColumnStatistics()
    low, high = (value_of(end.decode(errors="replace"), column.type) if end is not None else None for end in ends)
    return ColumnStatistics(low=low, high=high)


def _spread(ask: Ask, leads: Sequence[_Lead], found: dict[tuple[object, str], ColumnStatistics]) -> None:
    """Let the optimizer count the rows in each part of each column, and make bounds of that."""
    points: dict[_Lead, list[Any]] = {}
    branches = []
    for lead in leads:
        known = found[lead.schema.table, lead.column.physical]
        cuts = _cuts(known.low, known.high)
        if lead.is_key or len(cuts) <= 2:
            continue
        points[lead] = cuts
        name, index = MYSQL.quote(lead.column.physical), MYSQL.quote(lead.index)
        for position, (low, high) in enumerate(pairwise(cuts)):
            end = "<=" if position == len(cuts) - 2 else "<"
            part = f"{name} >= {_literal(low)} AND {name} {end} {_literal(high)}"
            branches.append(f"SELECT {name} FROM {lead.table} FORCE INDEX ({index}) WHERE {part}")
    if not branches:
        return
    counts = [_rows_of(row) for row in ask("EXPLAIN " + " UNION ALL ".join(branches)) if row[1] != b"UNION RESULT"]
    if len(counts) != len(branches):
        return
    remaining = iter(counts)
    for lead, cuts in points.items():
        bounds = equally_full(cuts, list(islice(remaining, len(cuts) - 1)))
        key = lead.schema.table, lead.column.physical
        found[key] = replace(found[key], bounds=bounds)


def _cuts(low: Any, high: Any) -> list[Any]:
    """Evenly spaced values from the lowest to the highest, each once."""
    if low is None or high is None or not low < high:
        return []
    if isinstance(low, dt.datetime):
        step = (high - low) / _PARTS
        between = [low + step * number for number in range(1, _PARTS)]
        return [low, *(moment.replace(microsecond=0) for moment in between), high]
    if isinstance(low, dt.date):
        days = (high - low).days
        return [low + dt.timedelta(days=offset) for offset in sorted({days * n // _PARTS for n in range(_PARTS + 1)})]
    if isinstance(low, int):
        return sorted({low + (high - low) * number // _PARTS for number in range(_PARTS + 1)})
    return [low + (high - low) * number / _PARTS for number in range(_PARTS)] + [high]


def _literal(value: Any) -> str:
    return (
        f"'{value}'" if isinstance(value, dt.date) else format(value, "f") if not isinstance(value, int) else str(value)
    )


def _rows_of(row: Sequence[bytes | None]) -> float:
    """The column `rows` of EXPLAIN: the ninth in MariaDB, the tenth in MySQL; no rows at all are NULL."""
    found = row[8] if len(row) == 10 else row[9]
    return float(found) if found is not None and found.isdigit() else 0.0


def equally_full(cuts: Sequence[Any], counts: Sequence[float]) -> tuple[Any, ...]:
    """Bounds of equally full parts, from values and how many rows lie between each and the next.

    >>> equally_full([0, 10, 20], [300, 100])[::16]
    (0, 3, 6, 10, 20)
    """
    total = sum(counts)
    if total <= 0:
        return ()
    ends = list(accumulate(counts))
    bounds, part = [cuts[0]], 0
    for number in range(1, _BOUNDS):
        wanted = total * number / _BOUNDS
        while ends[part] < wanted:
            part += 1
        inside = (wanted - (ends[part] - counts[part])) / counts[part]
        bounds.append(_inside(cuts[part], cuts[part + 1], inside))
    return (*bounds, cuts[-1])


def _stored(ask: Ask, tables: Sequence[TableSchema]) -> dict[tuple[object, str], ColumnStatistics]:
    """What ANALYZE TABLE … PERSISTENT wrote down."""
    branches = [
        f"SELECT {number}, column_name, min_value, max_value, nulls_ratio, avg_length, avg_frequency, hist_type,"
        f" DECODE_HISTOGRAM(hist_type, histogram) FROM mysql.column_stats WHERE db_name ="
        f" {MYSQL.text(schema.table.schema or '')} AND table_name = {MYSQL.text(schema.table.name)}"
        for number, schema in enumerate(tables)
    ]
    found: dict[tuple[object, str], ColumnStatistics] = {}
    for number, name, *facts in ask(" UNION ALL ".join(branches)):
        schema = tables[int(number or 0)]
        column = next((column for column in schema.columns if column.physical == (name or b"").decode()), None)
        if column is not None:
            found[schema.table, column.physical] = _told(schema, column, [_text(fact) for fact in facts])
    return found


def _text(fact: bytes | None) -> str | None:
    return fact.decode(errors="replace") if fact is not None else None


def _told(schema: TableSchema, column: Column, facts: Sequence[str | None]) -> ColumnStatistics:
    low, high, nulls, width, frequency, kind, histogram = facts
    null_share = float(nulls) if nulls is not None else None
    rows = (schema.rows or 0.0) * (1 - (null_share or 0.0))
    often = float(frequency) if frequency is not None else 0.0
    ends = [value_of(end, column.type) for end in (low, high)]
    common, bounds = _histogram(column, kind or "", histogram, ends, 1 - (null_share or 0.0))
    is_text = column.type.family == "text"
    return ColumnStatistics(
        distinct=max(1.0, rows / often) if often > 0 and rows else None,
        null_share=null_share,
        most_common=common,
        bounds=bounds,
        low=None if is_text else ends[0],
        high=None if is_text else ends[1],
        width=float(width) if width is not None else None,
    )


def _histogram(
    column: Column, kind: str, histogram: str | None, ends: Sequence[Any], there: float
) -> tuple[tuple[tuple[Any, float], ...], tuple[Any, ...]]:
    """Common values and bounds. A part of JSON_HB that holds one value only tells how common that one is."""
    if histogram is None or ends[0] is None or ends[1] is None:
        return (), ()
    if kind != "JSON_HB":
        if isinstance(ends[0], (str, bool)):
            return (), ()
        steps = list(accumulate(float(step) for step in histogram.split(",")))
        return (), (ends[0], *(_inside(ends[0], ends[1], step) for step in steps[:-1]), ends[1])
    parts: list[Mapping[str, Any]] = json.loads(histogram).get("histogram_hb", [])
    sizes = [(value_of(part["start"], column.type), float(part["size"]), part.get("ndv")) for part in parts]
    common = tuple((value, size * there) for value, size, count in sizes if count == 1 and value is not None)
    others = [(value, size) for value, size, count in sizes if count != 1 and value is not None]
    total = sum(size for _, size in others)
    if not others or total <= 0:
        return common, ()
    ordered = iter([*others, (ends[1], 0.0)])
    value, passed = next(ordered)
    bounds, below = [value], passed
    for number in range(1, _BOUNDS):
        while below < total * number / _BOUNDS:
            value, passed = next(ordered)
            below += passed
        bounds.append(value)
    return common, (*bounds, ends[1])


def _inside(low: Any, high: Any, part: float) -> Any:
    """The value at a part of the way."""
    step = (high - low) * (type(low)(part) if not isinstance(low, (int, dt.date)) else part)
    return low + int(step) if isinstance(low, int) else low + step
