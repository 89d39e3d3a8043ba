"""The writer behind SQLAlchemy, on SQLite: rows arrive, are changed and deleted by key, and undone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.errors import DatabaseError
from fedq.fetch.alchemy.source import AlchemySource
from fedq.fetch.alchemy.writer import AlchemyWriter
from fedq.fetch.writer import Begin


def test_rows_by_key(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    beside = sqlite3.connect(path)
    beside.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, s VARCHAR(20))")
    source = AlchemySource(Database("other", "generic", f"sqlite:///{path}"), lambda: None)
    [schema] = source.describe([PhysicalTable(None, "t")])
    assert schema is not None
    writer = AlchemyWriter(source)
    writer.begin(Begin())
    assert writer.insert(schema, pa.table({"id": [1, 2, 3], "s": ["a", None, "it's"]})) == 3
    assert writer.update(schema, pa.table({"id": [2]}), pa.table({"s": ["b"]})) == 1
    assert writer.delete(schema, pa.table({"id": [1, 9]})) == 1
    assert writer.upsert(schema, ["id"], pa.table({"id": [3, 4], "s": ["c", "d"]})) == 2
    writer.commit()
    assert beside.execute("SELECT * FROM t ORDER BY id").fetchall() == [(2, "b"), (3, "c"), (4, "d")]
    writer.begin(Begin())
    with pytest.raises(DatabaseError):
        writer.insert(schema, pa.table({"id": [5, 2], "s": ["x", "x"]}))
    writer.rollback()
    assert beside.execute("SELECT count(*) FROM t").fetchone() == (3,)
    beside.close()
    source.close()
