"""A large table read over two connections: every row once, in one snapshot, stopped and broken as a whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa
import pytest

import fedq
from fedq.catalog.model import Database, SecretReference
from fedq.errors import ConnectionFailed, ConnectionLost, QueryCancelled, SecretError, ValueNotRepresentable
from fedq.fetch.pools import Pool
from fedq.fetch.postgres.parts import Shared
from fedq.fetch.postgres.source import PostgresSource
from fedq.fetch.source import Select
from fedq.plan.ranges import _cuts
from tests.fetch.postgres_support import activity, described, eventually, read, select_all, source_on
from tests.in_parts import counted
from tests.servers import PostgresServer

ROWS = 200_000
PAGES = 6_000
MAKE = f"""
    CREATE TABLE big (id int PRIMARY KEY, k int, note text);
    INSERT INTO big SELECT i, nullif(i % 7, 3), repeat('x', 200) FROM generate_series(1, {ROWS}) i;
    CREATE INDEX ON big (k);
    CREATE TABLE odd AS SELECT * FROM big;
    INSERT INTO odd VALUES (-1, 1, 'last');
    ALTER TABLE odd ADD price numeric(10,2);
    UPDATE odd SET price = 'NaN' WHERE id = -1;
    ANALYZE odd;
"""


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    url = postgres.new_database("parts")
    for text in (MAKE, "VACUUM ANALYZE big"):
        postgres.sql(text, url.rpartition("/")[2])
    return url


@pytest.fixture(scope="module")
def database(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def source(url: str) -> Iterator[PostgresSource]:
    with source_on(url) as source:
        yield source


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sessions read each statement that was read in parts."""
    return counted(monkeypatch)


def in_two(whole: Select, *, keeps_order: bool = False) -> Select:
    tails = tuple(f"{whole.tail} {'AND' if 'WHERE' in whole.tail else 'WHERE'} {cut}" for cut in _cuts(PAGES))
    return replace(whole, parts=tails, keeps_order=keeps_order)


def test_every_row_comes_once_and_in_order_where_that_is_asked_for(source: PostgresSource, used: list[int]) -> None:
    whole = select_all(described(source, "big"), "id", "k")
    expected = read(source, whole)
    assert read(source, in_two(whole, keeps_order=True)) == expected
    assert read(source, in_two(whole)).sort_by("id") == expected.sort_by("id")
    assert used == [2, 2]


def test_what_an_index_holds_goes_whole(source: PostgresSource, used: list[int]) -> None:
    """A range of pages cannot be read from the index, which is much smaller than the table."""
    assert read(source, in_two(select_all(described(source, "big"), "k"))).num_rows == ROWS
    assert used == []


def test_both_parts_are_of_one_snapshot(
    source: PostgresSource, postgres: PostgresServer, database: str, used: list[int]
) -> None:
    """A writer that moves rows from the first pages to the last: two snapshots would lose them or have them twice."""
    select, stop = in_two(select_all(described(source, "big"), "id", "k")), threading.Event()

    def write() -> None:
        while not stop.is_set():
            postgres.sql("UPDATE big SET k = k WHERE id BETWEEN 1 AND 3000", database)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(8):
            ids = read(source, select)["id"]
            assert (len(ids), len(ids.unique())) == (ROWS, ROWS)
    finally:
        stop.set()
        writer.join()
    assert used == [2] * 8


def test_a_session_reads_on_after_parts_in_the_same_snapshot(
    source: PostgresSource, postgres: PostgresServer, database: str
) -> None:
    select = select_all(described(source, "big"), "id", tail="WHERE id < 5")
    session = source.open()
    try:
        before = pa.Table.from_batches(session.read(in_two(select_all(described(source, "big"), "id", "k"))))
        postgres.sql("INSERT INTO big VALUES (0, 0, 'new')", database)
        assert session.received > ROWS
        assert 0 not in pa.Table.from_batches(session.read(select))["id"].to_pylist()
        again = pa.Table.from_batches(session.read(in_two(select_all(described(source, "big"), "id", "k"))))
        assert (before.num_rows, again.num_rows) == (ROWS, ROWS)
    finally:
        session.close()
        postgres.sql("DELETE FROM big WHERE id = 0", database)


@pytest.mark.parametrize(
    "tail",
    ["WHERE id = 77", "WHERE id BETWEEN 5 AND 900", "WHERE id IN (SELECT k FROM big WHERE k = 2)", "WHERE false"],
)
def test_what_is_no_scan_goes_whole(source: PostgresSource, used: list[int], tail: str) -> None:
    whole = select_all(described(source, "big"), "id", tail=tail)
    assert read(source, in_two(whole)) == read(source, whole)
    assert used == []


@pytest.mark.parametrize("change", ["ALTER TABLE big ALTER note DROP NOT NULL", "REINDEX INDEX big_k_idx"])
def test_who_waits_for_the_reader_is_not_waited_for(
    source: PostgresSource,
    postgres: PostgresServer,
    database: str,
    used: list[int],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    """A change of the table queues behind the first connection's lock, and the second one would queue behind that."""
    changing = threading.Thread(target=postgres.sql, args=(change, database))
    waiting = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"

    def twins(*args: Any) -> Any:
        changing.start()
        assert eventually(lambda: bool(postgres.sql(waiting, database)), 10)
        return real(*args)

    real = source.twins
    monkeypatch.setattr(source, "twins", twins)
    assert read(source, in_two(select_all(described(source, "big"), "id", "k")), 20.0).num_rows == ROWS
    changing.join()
    assert used == []


def test_a_snapshot_of_that_name_in_another_server_is_another_one(source: PostgresSource) -> None:
    """What spreads connections over several servers may lead the second one elsewhere."""
    select = select_all(described(source, "big"), "id", "k")
    session = source.open()
    try:
        shared = session._call(session._shared(select.sql))
        assert shared is not None
        assert source.twins(Shared(shared.name, "another"), None, [select.sql]) == []
        (twin,) = source.twins(shared, None, [select.sql])
        twin.close()
    finally:
        session.close()


def test_without_a_second_connection_it_goes_whole(url: str, used: list[int]) -> None:
    with source_on(url, options={"max_connections": 1}) as source:
        assert read(source, in_two(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    assert used == []


def test_who_needs_a_connection_waits_as_long_as_another_reads_over_two() -> None:
    pool = Pool("pg", connect=object, close=lambda _: None, size=2, wait=0.05)
    pool.take()
    spare = pool.spare()
    giving = threading.Timer(0.3, pool.give, [spare], {"is_usable": True})
    giving.start()
    assert pool.take() is spare
    with pytest.raises(ConnectionFailed, match="all 2 connections"):
        pool.take()


def test_who_may_not_ask_where_rows_stand_gets_them_whole(
    url: str, postgres: PostgresServer, database: str, used: list[int]
) -> None:
    postgres.sql(
        "CREATE ROLE some_columns LOGIN PASSWORD 'pw'; GRANT SELECT (id, k) ON big TO some_columns",
        database,
        admin=True,
    )
    name = f"{postgres.user}:{postgres.password}@"
    with source_on(url.replace(name, "some_columns:pw@")) as source:
        assert read(source, in_two(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    assert used == []


def test_who_may_not_connect_twice_gets_them_whole(
    url: str, postgres: PostgresServer, database: str, used: list[int]
) -> None:
    text = "CREATE ROLE lonely LOGIN PASSWORD 'pw' CONNECTION LIMIT 1; GRANT SELECT ON big TO lonely"
    postgres.sql(text, database, admin=True)
    with source_on(url.replace(f"{postgres.user}:{postgres.password}@", "lonely:pw@")) as source:
        for _ in range(2):
            assert read(source, in_two(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    assert used == []


def test_nobody_is_asked_for_a_password_twice(url: str, used: list[int]) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return str(urlsplit(url).password)

    source = PostgresSource(Database("pg", "postgres", url, password=SecretReference("prompt", "Password: ")), ask)
    with closing(source):
        assert read(source, in_two(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    assert (len(asked), used) == (1, [])


def test_a_password_that_is_not_to_be_had_again_is_not_missed(url: str, used: list[int]) -> None:
    found = [urlsplit(url).password]

    def find() -> str | None:
        if not found:
            raise SecretError("it was valid once", hint="Get another.")
        return found.pop()

    with closing(PostgresSource(Database("pg", "postgres", url), find)) as source:
        assert read(source, in_two(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    assert used == []


def test_who_may_not_give_a_snapshot_away_gets_them_whole(
    url: str, postgres: PostgresServer, database: str, used: list[int]
) -> None:
    with source_on(url) as source:
        select = in_two(select_all(described(source, "big"), "id", "k"))
        postgres.sql("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM public", database, admin=True)
        try:
            assert read(source, select).num_rows == ROWS
        finally:
            postgres.sql("GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO public", database, admin=True)
    assert used == []


def test_a_value_that_cannot_come_is_named_from_either_part(source: PostgresSource, used: list[int]) -> None:
    with pytest.raises(ValueNotRepresentable, match="price"):
        read(source, in_two(select_all(described(source, "odd"), "id", "price")))
    assert used == [2]
    assert read(source, in_two(select_all(described(source, "odd"), "id", "k"))).num_rows == ROWS + 1


@pytest.mark.parametrize("after", [0, 2])
def test_cancelling_stops_both_parts(
    source: PostgresSource, postgres: PostgresServer, database: str, after: int
) -> None:
    select, session = in_two(select_all(described(source, "big"))), source.open()

    def run() -> None:
        for number, _ in enumerate(session.read(select)):
            if number == after:
                session.cancel()

    with pytest.raises(QueryCancelled):
        run()
    session.close()
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)
    assert read(source, select).num_rows == ROWS


def test_who_stops_reading_leaves_nothing_open(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    session = source.open()
    batches = session.read(in_two(select_all(described(source, "big"))))
    next(iter(batches))
    batches.close()  # type: ignore[attr-defined]
    assert pa.Table.from_batches(session.read(select_all(described(source, "big"), "id", "k"))).num_rows == ROWS
    session.close()
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)


def test_a_part_that_is_lost_is_never_a_short_result(
    source: PostgresSource, postgres: PostgresServer, database: str
) -> None:
    session = source.open()
    batches = iter(session.read(in_two(select_all(described(source, "big")))))
    next(batches)
    (twin,) = session._twins
    pid = twin._connection.driver.get_server_pid()
    postgres.sql(f"SELECT pg_terminate_backend({pid})", "postgres", admin=True)
    with pytest.raises(ConnectionLost):
        list(batches)
    session.close()
    assert read(source, select_all(described(source, "big"), "id", "k")).num_rows == ROWS


def test_a_query_counts_in_both_parts_and_puts_the_groups_together(
    url: str, used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = pd.DataFrame({"k": [1, 2, None], "name": ["one", "two", "none"]})
    monkeypatch.setattr("fedq.plan.ranges._LEAST", -1.0)
    monkeypatch.setattr("fedq.plan.ranges._QUESTIONS", 0)
    with fedq.connect(pg=url) as fed:
        text = """
            select g.k, name, n, low, high, total from names
            join (select k, count(*) n, min(id) low, max(id) high, sum(id) total from big group by k) g using (k)
            order by 1"""
        assert "2 ranges of pages" in str(fed.explain(text, frames={"names": names}))
        rows = fed.query(text, on_cross_db="allow", frames={"names": names}).to_arrow().to_pylist()
        groups = {1: range(1, ROWS + 1, 7), 2: range(2, ROWS + 1, 7)}
        assert [tuple(row.values()) for row in rows] == [
            (k, name, len(ids), ids[0], ids[-1], sum(ids))
            for (k, ids), name in zip(groups.items(), ("one", "two"), strict=True)
        ]
        assert used == [2]
        for budget in (10, "1kB"):  # enough for each group once
            assert len(fed.query(text, on_cross_db="allow", frames={"names": names}, max_pull=budget)) == 2
        assert used == [2]
        assert len(fed.query(text, on_cross_db="allow", frames={"names": names}, max_pull="1GB")) == 2
        assert used == [2, 2]
