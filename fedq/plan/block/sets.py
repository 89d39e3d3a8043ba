"""UNION, INTERSECT and EXCEPT."""

from __future__ import annotations

from fedq.plan.block.statement import Names, Statement, Written
from fedq.plan.constants import NotPushed
from fedq.sql import exp


def write_set(node: exp.SetOperation, statement: Statement, names: Names | None) -> Written:
    """A set operation, exactly. Raises: NotPushed."""
    raise NotPushed(f"{node.key.upper()} is computed by the local engine")
