"""What is gathered for one source of a query, a table or a whole block, before it becomes a fetch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fedq.bind.scope import ORIGIN, Occurrence
from fedq.catalog.schema import Column
from fedq.catalog.statistics import Link
from fedq.dialects import dialect_of
from fedq.dialects.base import Dialect
from fedq.plan.nodes import Fetch, Kept, KeyFilter, Output, Within
from fedq.plan.ranges import Scan, in_ranges
from fedq.plan.rewrite.send import Sent
from fedq.plan.speaker import Offer
from fedq.sql import exp
from fedq.types import VARCHAR


@dataclass(slots=True)
class Pull:
    """One source while the plan is made."""

    occurrence: Occurrence
    dialect: Dialect
    kind: str
    sent: Fetch | None = None
    """The statement, where the occurrence stands for a whole block."""
    work: float = 0.0
    """Rows that the block's database reads to answer it."""
    scan: Scan | None = None
    """The one table whose rows, or groups of them, it brings."""
    offers: list[Offer] = field(default_factory=list)
    conditions: list[exp.Expr] = field(default_factory=list)
    """What the offers say, as the query says it."""
    pushed: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    keys: list[KeyFilter] = field(default_factory=list)
    late: list[KeyFilter] = field(default_factory=list)
    unsent: list[Kept] = field(default_factory=list)
    suffix: str = ""
    rows: float = 0.0
    """Estimated rows that it brings."""
    joined: float = 0.0
    """Estimated rows of those that meet rows of every source that is already here."""
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    """Per column that keys limit: by which source's keys, and how many."""
    within: list[Within] = field(default_factory=list)
    """What makes the difference between `rows` and `joined`."""

    @staticmethod
    def of(occurrence: Occurrence, kind: str, sent: Sent | None) -> Pull:
        """The pull of an occurrence, as yet without conditions of its own."""
        pull = Pull(occurrence, dialect_of(kind), kind, scan=Scan(occurrence.table.schema))
        if sent is not None:
            pull.sent, pull.work, pull.scan = sent.fetch, sent.work, sent.scan
            pull.where, pull.pushed = list(sent.fetch.where), list(sent.fetch.pushed)
        return pull

    @property
    def id(self) -> str:
        """The id of its fetch."""
        return self.occurrence.id

    @property
    def width(self) -> float:
        """Bytes of a row."""
        return float(sum(column.type.width for column in self.occurrence.columns))

    def sql_of(self, column: Column) -> str:
        """How the statement calls a column of the occurrence."""
        if self.sent is None:
            return self.dialect.quote(column.physical)
        return next(output.sql for output in self.sent.outputs if output.name == column.name)

    def fetch(self, link: Link | None) -> Fetch:
        """The fetch that it has become; `link` is how far away its database is."""
        base = self._of_table() if self.sent is None else self._of_block(self.sent)
        ready = replace(
            base,
            id=self.id,
            where=tuple(dict.fromkeys(self.where)),
            keys=tuple(self.keys),
            late=tuple(self.late),
            unsent=tuple(dict.fromkeys(self.unsent)),
            collations=tuple(local_collation(output.column) for output in base.outputs),
            rows=self.rows if self.occurrence.table.schema.rows is not None else None,
            pushed=tuple(dict.fromkeys(self.pushed)),
            kept=tuple(dict.fromkeys(self.kept)),
        )
        return ready if self.scan is None else in_ranges(ready, self.scan, link)

    def _of_table(self) -> Fetch:
        table, dialect = self.occurrence.table, self.dialect
        outputs = [
            Output(dialect.quote(column.physical), column.name, column.type, column)
            for column in self.occurrence.columns
        ]
        if self.occurrence.has_origin:
            outputs.append(Output(dialect.literal(table.database), ORIGIN, VARCHAR))
        physical = table.schema.table
        source = f"FROM {dialect.table(physical.schema, physical.name)}"
        return Fetch(self.id, table.database, self.kind, (table.name,), tuple(outputs), source, suffix=self.suffix)

    def _of_block(self, sent: Fetch) -> Fetch:
        """The block, without the outputs that nobody reads; of a DISTINCT, every output makes rows."""
        wanted = {column.name for column in self.occurrence.columns}
        outputs = tuple(output for output in sent.outputs if sent.is_distinct or output.name in wanted)
        return replace(sent, outputs=outputs)


def local_collation(column: Column | None) -> str | None:
    """The collation that the local engine gives a column, where the catalog declares one."""
    return "NOCASE" if column is not None and column.collation == "nocase" else None
