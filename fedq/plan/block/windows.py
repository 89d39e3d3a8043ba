"""Window functions, where rows of equal order cannot make a difference that DuckDB would not make."""

from __future__ import annotations

from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said
from fedq.sql import exp


def window(node: exp.Window, select: exp.Select, speaker: Speaker) -> Said:
    """A window function's value. Raises: NotPushed."""
    raise NotPushed(f"{node.sql('duckdb')} is computed by the local engine")
