"""What one database contributed to a result: a record per pull, for people (`r.sources`) and for `attrs["fedq"]`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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

    @property
    def place(self) -> str:
        """The database, and the replica when one was read: `accounts`, `accounts@replica1`."""
        return f"{self.database}@{self.replica}" if self.replica else self.database

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data that JSON can hold."""
        return {**asdict(self), "tables": list(self.tables)}
