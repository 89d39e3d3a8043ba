"""What a write says of itself: rows, databases, and a token by which later reads can see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedq.fetch.writer import Position

if TYPE_CHECKING:
    from fedq.result import Result


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    >>> Written(3, ("shop",))
    <3 rows written to shop>
    """

    rows: int
    """Rows inserted, changed or deleted; -1 where the database does not say (DDL)."""
    databases: tuple[str, ...]
    """The databases that were written to."""
    positions: Mapping[str, Position] = field(default_factory=dict)
    """By database, for those that have replicas to wait for."""

    returned: Result | None = field(default=None, compare=False)
    """The rows of RETURNING, in no order."""

    @property
    def token(self) -> str:
        """The write's position in each database, as JSON text for `after=` here or in another process."""
        places = {name: position.as_dict() for name, position in self.positions.items()}
        return json.dumps({"version": 1, "databases": places}, sort_keys=True)

    def __repr__(self) -> str:
        rows = "done" if self.rows < 0 else f"{self.rows:,} row{'' if self.rows == 1 else 's'} written"
        return f"<{rows} {'in' if self.rows < 0 else 'to'} {', '.join(self.databases) or 'no database'}>"
