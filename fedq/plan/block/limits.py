"""LIMIT and OFFSET as whole numbers."""

from __future__ import annotations

from collections.abc import Mapping

from fedq.plan.constants import NotPushed, constant
from fedq.sql import exp


def limit_of(select: exp.Expr, params: Mapping[str, object]) -> tuple[int | None, int]:
    """LIMIT and OFFSET of a block as whole numbers. Raises: NotPushed."""
    limit, offset = select.args.get("limit"), select.args.get("offset")
    if limit is not None and (
        not isinstance(limit, exp.Limit) or limit.expression is None or limit.args.get("limit_options")
    ):
        raise NotPushed("a LIMIT that is no whole number")
    found = [constant(node.expression, params).value if node is not None else None for node in (limit, offset)]
    if any(value is not None and (type(value) is not int or value < 0) for value in found):
        raise NotPushed("a LIMIT that is no whole number")
    return found[0], found[1] or 0
