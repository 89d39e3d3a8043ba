"""When statistics are read, how long they serve, and that they never cost a query anything but a little time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.errors import DatabaseError
from fedq.fetch import knowledge
from fedq.fetch.knowledge import FRESH, UNKNOWN_FOR, Knowledge, Links
from fedq.fetch.open import QueryLookup, Sources
from fedq.types import INTEGER, VARCHAR
from tests.fetch.postgres_support import eventually
from tests.servers import MariaDBServer, PostgresServer

SCHEMA = TableSchema(PhysicalTable(None, "t"), (Column("k", INTEGER, "k", "int"),), rows=10.0)


class Told:
    """A source that counts how often it is asked for statistics, slowly where it should be."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_broken = self.is_empty = self.is_steady = False
        self.gate = threading.Event()
        self.gate.set()

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        self.asked += 1
        self.gate.wait(5)
        if self.is_broken:
            raise DatabaseError("no")
        columns = {} if self.is_empty else {"k": ColumnStatistics(distinct=3.0)}
        return [TableStatistics(1.0 if self.is_steady else float(self.asked), columns) for _ in tables]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _of(kept: Knowledge, source: Any, schema: TableSchema = SCHEMA, *, is_waiting: bool = True) -> float | None:
    found = kept.of({"db": [schema]}, lambda _: source, is_waiting=is_waiting)
    statistics = found["db", schema.table]
    return statistics.rows if statistics is not None else None


def test_they_serve_for_five_minutes_and_are_then_read_behind_the_querys_back() -> None:
    source, clock = Told(), Clock()
    kept = Knowledge(clock)
    assert [_of(kept, source), _of(kept, source)] == [1, 1]
    assert source.asked == 1
    clock.now = FRESH + 1
    source.gate.clear()
    assert _of(kept, source) == 1  # old, and at once
    assert eventually(lambda: source.asked == 2)
    assert _of(kept, source) == 1
    source.gate.set()
    assert eventually(lambda: _of(kept, source) == 2)
    assert source.asked == 2


def test_a_table_with_other_columns_is_another() -> None:
    source, kept = Told(), Knowledge()
    assert _of(kept, source) == 1
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("s", VARCHAR, "s", "text")))
    assert _of(kept, source, wider) == 2
    assert _of(kept, source, replace(wider, rows=99.0)) == 2


def test_a_failure_is_unknown_for_a_minute() -> None:
    source, clock = Told(), Clock()
    source.is_broken = True
    kept = Knowledge(clock)
    assert [_of(kept, source), _of(kept, source)] == [None, None]
    assert source.asked == 1
    source.is_broken = False
    clock.now = UNKNOWN_FOR + 1
    assert eventually(lambda: _of(kept, source) == 2)


def test_a_table_of_which_nothing_is_known_is_asked_for_again_after_a_minute() -> None:
    source, clock = Told(), Clock()
    source.is_empty = True
    kept = Knowledge(clock)
    assert _of(kept, source) == 1
    source.is_empty = False
    clock.now = UNKNOWN_FOR + 1
    assert eventually(lambda: _of(kept, source) == 2)
    clock.now = 2 * UNKNOWN_FOR + 2
    assert _of(kept, source) == 2
    assert source.asked == 2


def test_what_is_as_it_was_is_the_same_object() -> None:
    source, clock = Told(), Clock()
    source.is_steady = True
    kept = Knowledge(clock)
    _of(kept, source)
    first = kept._entries["db", SCHEMA.table]
    clock.now = FRESH + 1
    assert eventually(lambda: _of(kept, source) and kept._entries["db", SCHEMA.table] is not first)
    assert kept._entries["db", SCHEMA.table].statistics is first.statistics
    source.is_steady = False
    clock.now = 2 * FRESH + 2
    assert eventually(lambda: _of(kept, source) == 3)


def test_who_does_not_wait_gets_them_later() -> None:
    source, kept = Told(), Knowledge()
    source.gate.clear()
    assert _of(kept, source, is_waiting=False) is None
    source.gate.set()
    assert eventually(lambda: _of(kept, source, is_waiting=False) == 1)


def test_a_database_that_does_not_answer_costs_two_seconds_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "PATIENCE", 0.2)
    source, kept = Told(), Knowledge()
    source.gate.clear()
    started = time.monotonic()
    assert _of(kept, source) is None
    assert 0.15 < time.monotonic() - started < 2
    source.gate.set()
    assert eventually(lambda: _of(kept, source) == 1)
    assert source.asked == 1


def test_files_are_read_in_the_querys_own_thread() -> None:
    threads = []

    class Here(Told):
        def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
            threads.append(threading.current_thread())
            return super().statistics(tables)

    kept = Knowledge()
    source: Any = Here()
    found = kept.of({"db": [SCHEMA]}, lambda _: source, is_waiting=False, local=["db"])
    assert found["db", SCHEMA.table] == TableStatistics(1.0, {"k": ColumnStatistics(distinct=3.0)})
    assert threads == [threading.current_thread()]


def test_a_query_over_one_table_asks_for_none(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)")
    connection.close()
    with fedq.connect(db=f"sqlite:///{tmp_path}/a.db") as fed:
        kept = fed._sources._knowledge._entries
        fed.query("select * from a where id = 1")
        fed.query("select * from a where id = 1")
        assert not kept
        fed.query("select * from a join b using (id)")
        assert {table.name for _, table in kept} == {"a", "b"}


def test_links_are_the_middle_round_trip_and_the_highest_rate() -> None:
    links = Links()
    assert links.of("db", is_local=False) is None
    links.answered("db", 5.0)  # connecting
    assert links.of("db", is_local=False) is None
    for seconds in (0.02, 0.9, 0.03):
        links.answered("db", seconds)
    links.pulled("db", 1000, 0.1)  # too little to tell
    links.pulled("db", 10_000_000, 0.5)
    links.pulled("db", 300_000, 2.0)  # the database had much to do for it
    found = links.of("db", is_local=False)
    assert found is not None
    assert (found.round_trip, found.bytes_per_second) == (0.03, 20e6)
    local = links.of("db", is_local=True)
    assert local is not None
    assert (local.round_trip, local.bytes_per_second) == (0.0, 20e6)


def test_a_query_over_databases_gets_them_and_one_over_a_table_does_not(
    postgres: PostgresServer, mariadb: MariaDBServer
) -> None:
    pg, my = postgres.new_database(), mariadb.new_database()
    postgres.sql(
        "CREATE TABLE a (id int PRIMARY KEY, k int); INSERT INTO a SELECT i, i % 5 FROM generate_series(1, 1000) i; ANALYZE a",
        pg,
    )
    postgres.sql("CREATE TABLE c (id int)", pg)
    mariadb.sql("CREATE TABLE b (id int PRIMARY KEY, k int)", my)
    with fedq.connect(pg=pg, my=my) as fed:
        sources = Sources(fed.catalog)
        a, b, c = ("pg", PhysicalTable(None, "a")), ("my", PhysicalTable(None, "b")), ("pg", PhysicalTable(None, "c"))
        assert QueryLookup(sources, {}).describe([a])[0].statistics is None  # type: ignore[union-attr]
        together = QueryLookup(sources, {}).describe([a, b])
        assert together[0] is not None
        assert together[0].statistics is not None
        assert together[0].statistics.columns["k"].distinct == 5
        assert eventually(lambda: QueryLookup(sources, {}).describe([a, c])[0].statistics is not None)  # type: ignore[union-attr]
        link = sources.link("pg")
        assert link is not None
        assert 0 < link.round_trip < 1
        sources.close()
        assert fed.query("select count(*) from a join b on a.id = b.id", on_cross_db="allow").scalar() == 0


def test_a_role_that_may_not_see_statistics_still_gets_its_rows(
    postgres: PostgresServer, mariadb: MariaDBServer
) -> None:
    pg, my = postgres.new_database(), mariadb.new_database()
    postgres.sql("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)", pg)
    postgres.sql("REVOKE ALL ON pg_stats FROM PUBLIC", pg, admin=True)
    mariadb.sql("CREATE TABLE b (id int PRIMARY KEY)", my)
    mariadb.sql("INSERT INTO b VALUES (1)", my)
    with fedq.connect(pg=pg, my=my) as fed:
        assert fed.query("select count(*) from a join b on a.id = b.id", on_cross_db="allow").scalar() == 1
