"""What one database contributed to a result: a record per pull, for people (`r.sources`) and for `attrs["fedq"]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One statement that was sent to one database, and what came back.

    >>> SourceRead("crm", tables=("users",), sql="SELECT id FROM users", rows=3).place
    'crm'
    """

    database: str
    role: str = "primary"
    """`primary` or `replica`."""
    replica: str | None = None
    """Which replica, when one was read: `replica1` is the first in the catalog."""
    tables: tuple[str, ...] = ()
    """Logical names."""
    sql: str = ""
    """The statement as it was sent."""
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    position: str | None = None
    """Where in the database's history the snapshot stood (LSN, GTID), when known."""
    waited: float = 0.0
    """Seconds until a server was found that is fresh enough, where the database has replicas."""

    snapshot_at: datetime | None = None
    """When the snapshot was taken, by this machine's clock, in UTC; of files and the like when the read began."""
    staleness: float | None = None
    """Of a replica: it had what the primary had so many seconds before; None where that is not known."""
    is_unchecked: bool = False
    """Whether it was asked to be fresh, and nobody could say whether it is."""

    @property
    def place(self) -> str:
        """The database, and the replica when one was read: `accounts`, `accounts@replica1`."""
        return f"{self.database}@{self.replica}" if self.replica else self.database

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data that JSON can hold."""
        taken = self.snapshot_at.isoformat(timespec="microseconds") if self.snapshot_at is not None else None
        return {**asdict(self), "tables": list(self.tables), "snapshot_at": taken}


def skew(sources: Sequence[SourceRead]) -> float:
    """Seconds between the first and the last snapshot of several reads.

    >>> from datetime import UTC
    >>> moments = [datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC) for second in (7, 4)]
    >>> skew([SourceRead("crm", snapshot_at=moment) for moment in moments])
    3.0
    """
    taken = [read.snapshot_at for read in sources if read.snapshot_at is not None]
    return (max(taken) - min(taken)).total_seconds() if taken else 0.0
