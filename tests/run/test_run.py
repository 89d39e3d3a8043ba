"""Running a plan: limits on the way, one snapshot per database, stopping, many threads, more data than memory."""

from __future__ import annotations

import hashlib
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

import fedq
from fedq.events import Event, Finished, Received, Sent
from fedq.join import duckdb as engine

LONG = "select count(*) from range(10000000) a, range(100000) b, items where a.range + b.range < -1"


@pytest.fixture
def catalog(tmp_path: Path) -> dict[str, object]:
    """Items in one DuckDB file, parts in another: 300,000 rows each."""
    for name, table in (("one", "items"), ("two", "parts")):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            connection.execute(
                f"create table {table} as select i as id, i % 1000 as k, repeat('x', 40) || i as t from range(300000) r(i)"
            )
    return {
        "version": 1,
        "databases": {name: {"url": f"duckdb:///{tmp_path}/{name}.duckdb"} for name in ("one", "two")},
        "tables": {"items": "one", "parts": "two"},
        "policy": {"on_cross_db": "allow"},
    }


def test_max_pull_raises_on_the_way_and_the_next_query_works(catalog: dict[str, object]) -> None:
    """In rows and in bytes; the error names the table, the database and the limit, and nothing is truncated."""
    with fedq.connect(catalog) as fed:
        sql = "select count(*) from items i join parts p on i.t = p.t"
        for limit in (1000, "1MB"):
            with pytest.raises(fedq.PullTooLarge) as raised:
                fed.query(sql, max_pull=limit)
            assert raised.value.database in ("one", "two")
        assert fed.query(sql, max_pull="1GB").scalar() == 300_000


def test_more_data_than_memory(catalog: dict[str, object]) -> None:
    """Two pulls of 20 MB each are joined and sorted under a limit of 60 MB: the engine spills to disk."""
    catalog["policy"] = {"on_cross_db": "allow", "memory_limit": "60MB"}
    with fedq.connect(catalog) as fed:
        sql = "select i.t, p.id from items i join parts p on i.t = p.t order by p.id desc limit 3"
        assert [row.id for row in fed.query(sql)] == [299_999, 299_998, 299_997]


def test_a_sort_too_large_for_several_threads_is_done_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To merge what it has sorted DuckDB holds 122,880 rows per thread: 2 times 60 MB do not fit, once they do."""
    monkeypatch.setattr(engine, "_THREAD_BYTES", 1)
    sides = {"one": "0, 200000", "two": "200000, 200001"}
    for name, rows in sides.items():
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            text = "repeat(md5(i::varchar), 16)"
            connection.execute(f"create table t{name} as select i as id, {text} as t from range({rows}) r(i)")
    databases = {name: {"url": f"duckdb:///{tmp_path}/{name}.duckdb"} for name in sides}
    policy = {"on_cross_db": "allow", "memory_limit": "105MB"}
    both = "(select * from tone union all select * from ttwo)"
    with fedq.connect({"version": 1, "databases": databases, "policy": policy}) as fed:
        found = [row.id for row in fed.query(f"select id from {both} order by t")]
    expected = sorted(range(200_001), key=lambda i: hashlib.md5(str(i).encode()).hexdigest())
    assert found == expected


def test_cancel_from_another_thread(catalog: dict[str, object]) -> None:
    """`cancel()` ends the call with QueryCancelled, which `except Exception` does not swallow."""
    with fedq.connect(catalog) as fed:
        timer = threading.Timer(0.5, fed.cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(fedq.QueryCancelled):
            fed.query(LONG)
        assert time.monotonic() - started < 9
        assert not issubclass(fedq.QueryCancelled, Exception)
        assert fed.query("select count(*) from items").scalar() == 300_000


def test_a_timeout_stops_the_query(catalog: dict[str, object]) -> None:
    """QueryTimeout is a TimeoutError and names the limit."""
    with fedq.connect(catalog) as fed:
        started = time.monotonic()
        with pytest.raises(fedq.QueryTimeout, match=r"0\.4"):
            fed.query(LONG, timeout=0.4)
        assert time.monotonic() - started < 7.5
        assert fed.query("select 1").scalar() == 1


def test_many_threads_on_one_federation(catalog: dict[str, object]) -> None:
    """Every call gets its own answer."""
    sql = "select count(*), min(i.id) from items i join parts p on i.id = p.id where i.k = :k"
    with fedq.connect(catalog) as fed, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: fed.query(sql, {"k": k}).rows()[0], range(40)))
    assert answers == [(300, k) for k in range(40)]


def test_events_tell_what_was_sent_and_received(catalog: dict[str, object]) -> None:
    """One stream of events, whose last totals are what the result says."""
    events: list[Event] = []
    with fedq.connect(catalog) as fed:
        result = fed.query("select count(*) from items i join parts p using (id) where i.k = 7", listener=events.append)
    assert {event.database for event in events if isinstance(event, Sent)} == {"one", "two"}
    finished = {event.database: event.rows for event in events if isinstance(event, Finished)}
    assert finished == {read.database: read.rows for read in result.sources}
    assert max(event.rows for event in events if isinstance(event, Received)) == max(finished.values())


def test_one_snapshot_per_database(catalog: dict[str, object], postgres: object) -> None:
    """Two reads of one table in one query see the same rows, whatever is written meanwhile."""
    url = postgres.new_database()  # type: ignore[attr-defined]
    writer = postgres.connect(url)  # type: ignore[attr-defined]
    writer.autocommit = True
    writer.execute("create table log (id bigint)")
    writer.execute("insert into log select generate_series(1, 100000)")
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            writer.execute("insert into log select generate_series(1, 500)")

    worker = threading.Thread(target=write)
    worker.start()
    try:
        with fedq.connect({**catalog, "databases": {"pg": {"url": url}}, "tables": {"log": "pg"}}) as fed:
            for _ in range(5):
                sql = "select (select count(*) from log where id > 0), (select count(id + 0) from log), (select sum(1) from log)"
                assert len(set(fed.query(sql).rows()[0])) == 1
    finally:
        stopped.set()
        worker.join()
        writer.close()


def _warnings_of(call: Callable[[], object]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return caught


def test_the_warning_points_at_the_callers_line(catalog: dict[str, object]) -> None:
    """Once per query, at this file, with the facts as attributes."""
    catalog["policy"] = {"on_cross_db": "warn"}
    with fedq.connect(catalog) as fed:
        (caught,) = _warnings_of(
            lambda: fed.query("select count(*) from items i join parts p using (id) where i.k = 7")
        )
        assert caught.filename == __file__
        assert caught.category is fedq.CrossDatabaseWarning
        assert caught.message.databases == ("one", "two")  # type: ignore[union-attr]
        assert not _warnings_of(lambda: fed.query("select count(*) from items"))


def test_the_policy_can_forbid_before_anything_is_pulled(catalog: dict[str, object]) -> None:
    """By the call, by the catalog, and by the pair of databases."""
    events: list[Event] = []
    sql = "select count(*) from items join parts using (id)"
    with fedq.connect(catalog) as fed, pytest.raises(fedq.CrossDatabaseError):
        fed.query(sql, on_cross_db="error", listener=events.append)
    assert events == []
    catalog["policy"] = {"on_cross_db": "allow", "pairs": {"one+two": "error"}}
    with fedq.connect(catalog) as fed:
        with pytest.raises(fedq.CrossDatabaseError):
            fed.query(sql)
        assert fed.query(sql, on_cross_db="allow").scalar() == 300_000
