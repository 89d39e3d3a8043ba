"""`fed.check()`: every problem at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import fedq


def catalog(folder: Path) -> dict[str, object]:
    """Users in one SQLite file, their invoices in another; invoice 3 belongs to nobody."""
    with sqlite3.connect(folder / "a.db") as one:
        one.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        one.execute("INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')")
    with sqlite3.connect(folder / "b.db") as other:
        other.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY, user_id INTEGER)")
        other.execute("INSERT INTO invoices VALUES (1, 1), (2, 2), (3, 77), (4, NULL)")
    return {
        "version": 1,
        "databases": {"a": {"url": f"sqlite:///{folder}/a.db"}, "b": {"url": f"sqlite:///{folder}/b.db"}},
        "tables": {"users": "a", "invoices": "b"},
        "relations": [{"name": "invoices", "from": "invoices.user_id", "to": "users.id"}],
    }


def test_rows_without_their_other_side_are_reported(tmp_path: Path) -> None:
    """Only with `relations=True`, and a NULL is no missing side."""
    with fedq.connect(catalog(tmp_path)) as fed:
        assert fed.check().ok
        (problem,) = fed.check(relations=True).problems
        assert isinstance(problem, fedq.OrphanRows)
        assert problem.count == 1
        assert "77" in str(problem)


def test_every_problem_at_once(tmp_path: Path) -> None:
    """A database that is not there and a table that is not there are two problems of one report."""
    wrong = catalog(tmp_path)
    wrong["databases"]["c"] = {"url": f"sqlite:///{tmp_path}/missing.db"}  # type: ignore[index]
    wrong["tables"]["orders"] = "a"  # type: ignore[index]
    with fedq.connect(wrong) as fed:
        report = fed.check()
        assert not report.ok
        assert {type(problem) for problem in report.problems} == {fedq.ConnectionFailed, fedq.TableNotFound}
        assert "missing.db" in str(report)
