"""The seam between planning and reading: what every kind of database must be able to do.

    Source (one per catalog database, long-lived, owns its pool)
      └── Session (one per query and database: ONE snapshot, used by one thread at a time)
            └── read(Select) → Arrow record batches, streamed

A source never decides what to read; a planner never knows how. Rules every implementation keeps, and the contract
tests hold:

- every value arrives unchanged or the read raises `ValueNotRepresentable` (or NULL/text where the column's policy
says so);
- a read either yields every row or raises: a server that dies mid-pull is `ConnectionLost`, never a short result;
- `Session.cancel()` may be called from another thread at any time; a blocked read then raises within 0.5 s (also when
the network is a
  black hole), the statement is gone from the server, and the source stays usable;
- sessions are read-only, in UTC, and see one snapshot;
- driver errors are classified by code, chained as `__cause__`, and never show a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.plan.nodes import Output, Select

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Output", "Select", "Session", "Source"]


class Session(Protocol):
    """One connection with one snapshot, for the length of one query."""

    @property
    def received(self) -> int:
        """Bytes received from the database so far (on the wire where it can be known, else the size of the data)."""

    @property
    def position(self) -> str | None:
        """Where in the database's history the snapshot stands (LSN, GTID), when known."""

    @property
    def snapshot_at(self) -> float | None:
        """When the snapshot was taken, as `time.time()` counts; None where the first read takes it."""

    @property
    def most_bytes(self) -> int | None:
        """How long a statement may be; None where no limit is known."""

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows as record batches whose schema is `fetch.arrow.schema_of(select.outputs)`; at least one
        (maybe empty) batch."""

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a read-only statement in the database's own dialect, types as the database says."""

    def cancel(self) -> None:
        """Stop the running statement here and in the server; from any thread, idempotent."""

    def close(self) -> None:
        """End the snapshot and give the connection back (or drop it when it is not in a clean state)."""


class Source(Protocol):
    """One database of the catalog."""

    name: str

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view of the configured schemas."""

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is NOW (a cache is checked cheaply first), None where there is none; names match
        case-insensitively, exact first."""

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What the database knows of the values of tables that it described, by cheap questions only; None where it
        knows nothing or does not tell."""

    def open(self, timeout: float | None = None) -> Session:
        """A session with a fresh snapshot; `timeout` in seconds is also set in the server."""

    def close(self) -> None:
        """Close every connection."""
