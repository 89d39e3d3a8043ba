"""Plans made by hand and run on real databases: what running does, whatever the planner would have chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from fedq.catalog.config import load_catalog
from fedq.catalog.schema import Column, PhysicalTable
from fedq.dialects import dialect_of
from fedq.events import Event
from fedq.fetch.open import Sources
from fedq.join.duckdb import Engine
from fedq.plan.nodes import Fetch, KeyColumn, KeyFilter, Output, Plan
from fedq.run.pulls import Limits, Run


@dataclass
class Ground:
    """Databases by URL; `run` answers a plan over them."""

    urls: Mapping[str, str]
    events: list[Event] = field(default_factory=list)
    last: Run | None = None
    described: dict[tuple[str, str], dict[str, Column]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.catalog = load_catalog(
            {"version": 1, "databases": {name: {"url": url} for name, url in self.urls.items()}}
        )
        self.sources = Sources(self.catalog)
        self.engine = Engine()

    def column(self, database: str, table: str, name: str) -> Column:
        """A column as the database describes it."""
        if (database, table) not in self.described:
            (found,) = self.sources[database].describe([PhysicalTable(None, table)])
            assert found is not None
            self.described[database, table] = {column.name: column for column in found.columns}
        return self.described[database, table][name]

    def fetch(self, name: str, database: str, table: str, columns: Sequence[str], **more: Any) -> Fetch:
        """A fetch of some columns of a table."""
        dialect = dialect_of(self.catalog.databases[database].kind)
        described = [self.column(database, table, column) for column in columns]
        outputs = tuple(Output(dialect.quote(one.physical), one.name, one.type, one) for one in described)
        return Fetch(
            name, database, self.catalog.databases[database].kind, (table,), outputs, f"FROM {dialect.quote(table)}",
            collations=(None,) * len(outputs), **more,
        )  # fmt: skip

    def keys(self, database: str, table: str, pairs: Sequence[tuple[str, str]], giver: str) -> KeyFilter:
        """`pairs` are (column of the table, column of the giver)."""
        dialect = dialect_of(self.catalog.databases[database].kind)
        (first, given), *rest = pairs
        also = tuple(KeyColumn(dialect.quote(one), self.column(database, table, one), other) for one, other in rest)
        return KeyFilter(dialect.quote(first), self.column(database, table, first), giver, given, also)

    def run(self, text: str, *fetches: Fetch, limits: Limits = Limits()) -> pa.Table:  # noqa: B008  frozen
        """The answer; what it took is in `last`."""
        bench = self.engine.bench()
        self.events.clear()
        self.last = Run(lambda name: self.sources[name], bench, limits, self.events.append, seats=self.sources.seats)
        try:
            return self.last.answer(Plan(text, {}, (), fetches, text))[0]
        finally:
            bench.close()

    def close(self) -> None:
        """Close everything."""
        self.sources.close()
        self.engine.close()
