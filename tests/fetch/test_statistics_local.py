"""Statistics of files and databases in this process: SQLite, DuckDB, Parquet, CSV, DataFrames."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from fedq.bind.resolve import BoundTable
from fedq.catalog.model import Database
from fedq.fetch.duckdb.source import DuckDBSource
from fedq.fetch.files.source import FilesSource
from fedq.fetch.frames.source import FramesSource
from fedq.fetch.sqlite.source import SQLiteSource
from fedq.plan.estimate import distinct, filtered, table_estimate
from tests.fetch.statistics_support import ROWS, as_row, bound, condition, off_by, resolve_in, zipf_lines

LINES = zipf_lines()


def _none() -> None:
    return None


def _counted(text: str) -> int:
    with duckdb.connect() as engine:
        engine.register("lines", _arrow())
        [(rows,)] = engine.execute(f"SELECT count(*) FROM lines WHERE {text}").fetchall()
    return int(rows)


def _arrow() -> pa.Table:
    return pa.Table.from_pylist([dict(as_row(line)) for line in LINES])


def _check(table: BoundTable, conditions: Sequence[str], within: float = 3) -> None:
    wrong = {}
    for text in conditions:
        found = filtered(table, [condition(text)], resolve_in(table))
        if not found.is_known or off_by(found.rows, _counted(text)) > within:
            wrong[text] = (found, _counted(text))
    assert not wrong


def _count(table: BoundTable, name: str) -> float | None:
    column = table.column(name)
    assert column is not None
    return distinct(table, column)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The skewed table as a SQLite file, a DuckDB file, Parquet and CSV."""
    found = tmp_path_factory.mktemp("statistics")
    rows = [tuple(as_row(line).values()) for line in LINES]
    with sqlite3.connect(found / "lines.db") as connection:
        connection.execute(
            "CREATE TABLE lines (id INTEGER PRIMARY KEY, rank INT, word TEXT, price REAL, day DATE, note TEXT)"
        )
        connection.execute("CREATE INDEX by_day ON lines (day)")
        connection.execute("CREATE INDEX by_rank ON lines (rank, day)")
        connection.execute("CREATE UNIQUE INDEX by_word ON lines (word, id)")
        connection.execute("CREATE VIEW seen AS SELECT * FROM lines")
        connection.execute("CREATE TABLE empty (id INTEGER PRIMARY KEY, k INT UNIQUE)")
        connection.execute("CREATE TABLE mixed (k, d DATE, UNIQUE (d))")
        connection.execute("INSERT INTO mixed VALUES (1, 'not a date'), ('x', x'00')")
        connection.executemany(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)", [(*row[:4], str(row[4]), row[5]) for row in rows]
        )
    connection.close()
    with duckdb.connect(str(found / "lines.duckdb")) as engine:
        engine.register("given", _arrow())
        engine.execute("CREATE TABLE lines AS SELECT * FROM given")
        engine.execute("CREATE VIEW seen AS SELECT * FROM lines")
        engine.execute("CREATE TABLE empty (id INT)")
        (found / "lake").mkdir()
        engine.execute(f"COPY lines TO '{found}/lake/lines.parquet' (ROW_GROUP_SIZE 4096)")
        engine.execute(f"COPY lines TO '{found}/lake/texts.csv'")
    return found


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_sqlite(folder: Path, is_analyzed: bool) -> None:
    if is_analyzed:
        with sqlite3.connect(folder / "lines.db") as connection:
            connection.execute("ANALYZE")
        connection.close()
    source = SQLiteSource(Database("lite", "sqlite", f"sqlite:///{folder}/lines.db"), _none)
    table = bound(source, "lines")
    assert table_estimate(table).rows == ROWS
    assert _count(table, "id") == ROWS
    _check(table, ["id = 77", "id < 1000", "id between 5000 and 9999"])
    _check(table, ["day >= date '1997-01-01'", "rank > 100", "price > 20", "price between 10 and 50", "note is null"])
    if is_analyzed:
        assert _count(table, "rank") == pytest.approx(len({line.rank for line in LINES}), rel=0.2)
        assert _count(table, "day") == pytest.approx(len({line.day for line in LINES}), rel=0.2)
    assert _count(table, "word") != ROWS  # unique together with id only
    assert bound(source, "seen").schema.statistics is None
    for name in ("empty", "mixed"):
        other = bound(source, name)
        assert 0 <= filtered(other, [condition("k = 1")], resolve_in(other)).rows <= 2, name
        assert 0 <= filtered(other, [condition("d > date '2020-01-01'")], resolve_in(other)).rows <= 2, name
    source.close()


def test_duckdb(folder: Path) -> None:
    source = DuckDBSource(Database("duck", "duckdb", f"duckdb:///{folder}/lines.duckdb"), _none)
    table = bound(source, "lines")
    assert table_estimate(table).rows == ROWS
    for name in ("id", "rank", "word", "day"):
        truth = len({getattr(line, name) for line in LINES})
        assert off_by(_count(table, name) or 0, truth) < 2, name
    _check(table, ["id = 77", "id < 1000", "id between 5000 and 9999", "rank = 700", "note = 'note 7'"], within=15)
    assert bound(source, "seen").schema.statistics is None
    assert filtered(bound(source, "empty"), [condition("id = 1")], lambda _: None).rows <= 1
    source.close()


def test_parquet_and_csv(folder: Path) -> None:
    source = FilesSource(Database("lake", "files", str(folder / "lake")), _none)
    table = bound(source, "lines")
    assert table_estimate(table).rows == ROWS
    _check(table, ["id = 77", "id < 1000", "id between 5000 and 9999", "note is null", "note is not null"])
    assert _count(table, "rank") is not None
    texts = bound(source, "texts")
    assert texts.schema.statistics is not None
    assert texts.schema.statistics.rows == pytest.approx(ROWS, rel=0.5)
    source.close()


def test_frames() -> None:
    source = FramesSource({"t": pa.table({"x": [1, 2, 3]})})
    table = bound(source, "t")
    assert table_estimate(table).rows == 3
    assert not filtered(table, [condition("x = 1")], resolve_in(table)).is_known
