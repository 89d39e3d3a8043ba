"""Planning a query of many blocks: what it takes grows as the query does."""

from __future__ import annotations

import sqlite3
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq import sql
from fedq.plan.rewrite import send, tree
from fedq.sql import exp, nodes


def test_planning_a_union_of_many_blocks_takes_no_square_of_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted is what is walked through; a walk through the whole tree for every block is the square."""
    databases = {name: {"url": f"sqlite:///{tmp_path / name}.db"} for name in ("one", "two", "three")}
    for name in databases:
        with sqlite3.connect(tmp_path / f"{name}.db") as connection:
            connection.execute(f"CREATE TABLE {name}_t (k INTEGER)")
        connection.close()
    walked = 0

    def counted(*arguments: Any, **named: Any) -> list[exp.Expr]:
        nonlocal walked
        found = nodes(*arguments, **named)
        walked += len(found)
        return found

    for module in (sql, send, tree):
        monkeypatch.setattr(module, "nodes", counted)
    seen = []
    with fedq.connect({"version": 1, "databases": databases}) as fed:
        for number in (30, 60):
            walked = 0
            selects = (
                f"select k from {name}_t where k > {at}"
                for at, name in zip(range(number), cycle(databases), strict=False)
            )
            assert len(fed.explain(" union all ".join(selects)).fetches) == number
            seen.append(walked)
    assert seen[1] < 2.2 * seen[0]
