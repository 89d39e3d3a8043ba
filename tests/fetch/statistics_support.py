"""What the tests of statistics share: a skewed table, and conditions on it with the share that they really keep."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedq.bind.resolve import BoundTable
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.fetch.source import Source
from fedq.plan.selectivity import Resolve
from fedq.sql import exp, parse

ROWS = 20_000
FIRST = dt.date(1992, 1, 1)
SYLLABLES = ("al", "be", "co", "du", "el", "fi", "go", "hu", "is", "jo", "ka", "lu", "mo", "ni", "or", "pa")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: `rank` and `word` follow Zipf's law, `day` grows denser, `note` is mostly NULL."""

    id: int
    rank: int
    word: str
    price: float
    day: dt.date
    note: str | None


def zipf_lines(rows: int = ROWS, seed: int = 7) -> list[Line]:
    """Rows whose values are as uneven as those of real data."""
    chance = random.Random(seed)
    ranks = list(range(1, 2001))
    weights = [1 / rank for rank in ranks]
    words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in ranks]
    lines = []
    for number, rank in enumerate(chance.choices(ranks, weights, k=rows)):
        day = FIRST + dt.timedelta(days=int(2400 * chance.random() ** 0.5))
        price = round(chance.lognormvariate(3, 1), 2)
        note = f"note {chance.randrange(50)}" if chance.random() < 0.1 else None
        lines.append(Line(number, rank, words[rank - 1], price, day, note))
    return lines


#: conditions in SQL, which every database of the tests counts as DuckDB does
CONDITIONS = (
    "rank = 1", "rank = 2", "rank = 40", "rank <> 1", "rank < 10", "rank > 100", "rank between 5 and 20",
    "rank in (1, 3, 5, 700)", "rank > 10 and rank <= 50", "not rank between 5 and 20", "rank = 1 or rank = 2",
    "id = 77", "id < 1000", "id between 5000 and 9999", "id >= 15000 and id < 15100", "price > 20",
    "price between 10 and 50", "price < 5", "day >= date '1997-01-01'", "day < date '1993-01-01'",
    "day >= date '1995-01-01' and day < date '1996-01-01'", "day = date '1998-01-01'", "note is null",
    "note is not null", "note = 'note 7'", "note like 'note 1%'", "day > date '1996-06-01' and rank < 5",
    "price > 100 and rank > 50", "id < 10000 and rank = 1",
)  # fmt: skip


def bound(source: Source, name: str, schema: str | None = None, *, has_statistics: bool = True) -> BoundTable:
    """A table of a source, with its statistics."""
    (described,) = source.describe([PhysicalTable(schema, name)])
    assert described is not None
    found = source.statistics([described])[0] if has_statistics else None
    return BoundTable(name, source.name, replace(described, statistics=found))


def resolve_in(table: BoundTable) -> Resolve:
    """Columns of the one table."""

    def resolve(node: exp.Column) -> tuple[BoundTable, Column] | None:
        column = table.column(node.name)
        return None if column is None else (table, column)

    return resolve


def condition(text: str) -> exp.Expr:
    """A condition as the planner sees it."""
    node: exp.Expr = parse(f"select 1 from t where {text}")[0].args["where"].this
    return node


def off_by(estimated: float, counted: float) -> float:
    """By which factor an estimate is wrong; below ten rows every number is as good as another."""
    low, high = sorted((max(10.0, estimated), max(10.0, counted)))
    return high / low


def made(
    columns: Sequence[Column], statistics: TableStatistics | None, rows: float | None = None, key: tuple[str, ...] = ()
) -> BoundTable:
    """A table that no database has."""
    return BoundTable(
        "t", "db", TableSchema(PhysicalTable(None, "t"), tuple(columns), key, rows, statistics=statistics)
    )


def as_row(line: Line) -> Mapping[str, Any]:
    """A line by column."""
    return {name: getattr(line, name) for name in ("id", "rank", "word", "price", "day", "note")}
