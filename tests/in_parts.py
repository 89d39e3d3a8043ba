"""Small tables read in parts, as only large ones are: every PostgreSQL table is cut behind its first three rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from fedq.fetch.postgres import parts
from fedq.fetch.postgres.session import PostgresSession
from fedq.plan import ranges


@contextmanager
def everything_in_parts() -> Iterator[list[int]]:
    """Whatever may be read side by side is; gives a list of how many sessions read each statement."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_is_worth", lambda *_, **__: True)
        patch.setattr(ranges, "_cuts", lambda _: ("ctid < '(0,4)'", "ctid >= '(0,4)'"))
        patch.setattr(parts, "is_scan", lambda *_: True)
        yield counted(patch)


def counted(patch: pytest.MonkeyPatch) -> list[int]:
    """How many sessions read each statement that is read in parts; it grows."""
    counts: list[int] = []
    real = PostgresSession._side_by_side

    def count(self: PostgresSession, select: Any, twins: Sequence[PostgresSession]) -> Any:
        counts.append(1 + len(twins))
        return real(self, select, twins)

    patch.setattr(PostgresSession, "_side_by_side", count)
    return counts


def some_in_parts(seed: int) -> AbstractContextManager[object]:
    """`everything_in_parts` for every third seed."""
    return everything_in_parts() if seed % 3 == 0 else nullcontext()
