"""Fetches that wait for keys, are not asked, are stopped and asked again: what travels, and that the answer is right."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import fedq
from fedq.errors import ConnectionLost, PullTooLarge, QueryCancelled
from fedq.events import Finished, Restarted, Sent, Shipped, Waiting
from fedq.join.duckdb import Engine
from fedq.run import conduct
from fedq.run import keys as keys_of
from fedq.run.pulls import Limits, Run
from fedq.types import INTEGER
from tests.run.support import Ground

ROWS, WIDE = 120_000, 200 * "x"
TABLES = """
    CREATE TABLE big (id BIGINT, k BIGINT, a INTEGER, b VARCHAR(20), w VARCHAR(400));
    CREATE TABLE few (id BIGINT, k BIGINT, a INTEGER, b VARCHAR(20));
    CREATE TABLE none (id BIGINT, k BIGINT);
    INSERT INTO few VALUES (1, 7, 1, 'x'), (2, 11, 2, 'y'), (3, NULL, 3, NULL), (4, 7, 4, 'z');
"""
FILL = {
    "postgres": f"INSERT INTO big SELECT i, i % 1000, i % 10, 'v' || i % 10, '{WIDE}' FROM generate_series(1, {ROWS}) i",
    "mariadb": f"INSERT INTO big SELECT seq, seq % 1000, seq % 10, concat('v', seq % 10), '{WIDE}' FROM seq_1_to_{ROWS}",
    "sqlite": f"""INSERT INTO big WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {ROWS})
                  SELECT i, i % 1000, i % 10, 'v' || i % 10, '{WIDE}' FROM s""",
    "duckdb": f"INSERT INTO big SELECT i, i % 1000, i % 10, 'v' || i % 10, '{WIDE}' FROM range(1, {ROWS} + 1) r(i)",
}
JOIN = 'SELECT count(*), sum(b.id) FROM "big@1" b JOIN "few@1" f ON b.k = f.k'


def _made(kind: str, folder: Path, server: Any) -> str:
    if server is None:
        import sqlite3

        opened: Any = sqlite3 if kind == "sqlite" else duckdb
        connection = opened.connect(str(folder / f"run.{kind}"))
        url = f"{kind}:///{folder}/run.{kind}"
    else:
        url = server.new_database()
        connection = server.connect(url)
    cursor = connection.cursor()
    for statement in [*TABLES.split(";")[:-1], FILL[kind]]:
        cursor.execute(statement)
    connection.commit()
    connection.close()
    return str(url)


@pytest.fixture(scope="module", params=list(FILL))
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two databases of each kind; the tables are in both."""
    kind = request.param
    server = request.getfixturevalue(kind) if kind in ("postgres", "mariadb") else None
    urls = {name: _made(kind, tmp_path_factory.mktemp(name), server) for name in ("one", "two")}
    made = Ground(urls)
    yield made
    made.close()


def _right() -> tuple[int, int]:
    with duckdb.connect() as local:
        local.execute(TABLES)
        local.execute(FILL["duckdb"])
        row = local.execute("SELECT count(*), sum(b.id) FROM big b JOIN few f ON b.k = f.k").fetchall()[0]
    return int(row[0]), int(row[1])


RIGHT = _right()


def _answer(ground: Ground, *fetches: Any, **more: Any) -> tuple[int, int]:
    (row,) = ground.run(JOIN, *fetches, **more).to_pylist()
    count, total = row.values()
    return int(count), int(total or 0)


@pytest.mark.parametrize("database", ["one", "two"])
def test_keys_travel(ground: Ground, database: str) -> None:
    """From one database to another, and within one."""
    few = ground.fetch("few@1", database, "few", ["id", "k"], rows=4.0)
    keys = ground.keys("one", "big", [("k", "k")], "few@1")
    assert _answer(ground, few, ground.fetch("big@1", "one", "big", ["id", "k"], keys=(keys,))) == RIGHT
    assert ground.last is not None
    actual = ground.last.actuals["big@1"]
    assert (actual.rows, actual.keys[0].count) == (240, 2)
    assert [event.for_fetches for event in ground.events if isinstance(event, Waiting)] == [("few@1",)]
    assert [(event.keys, event.from_fetch) for event in ground.events if isinstance(event, Shipped)] == [(2, "few@1")]


def test_without_keys_nobody_is_asked(ground: Ground) -> None:
    """But the result still says what would have been read; what waits for that in turn is not asked either."""
    none = ground.fetch("none@1", "two", "none", ["id", "k"])
    big = ground.fetch("big@1", "one", "big", ["id", "k"], keys=(ground.keys("one", "big", [("k", "k")], "none@1"),))
    few = ground.fetch("few@1", "two", "few", ["id", "k"], keys=(ground.keys("two", "few", [("k", "k")], "big@1"),))
    assert _answer(ground, none, big, few) == (0, 0)
    assert ground.last is not None
    assert [event.fetch for event in ground.events if isinstance(event, Sent)] == ["none@1"]
    assert {name: read.rows for name, read in ground.last.reads.items()} == {"none@1": 0, "big@1": 0, "few@1": 0}


def test_combinations_of_two_columns(ground: Ground) -> None:
    """Only rows of which one row of the giver has both values: not every `a` with every `b`."""
    text = 'SELECT count(*), sum(b.id) FROM "big@1" b JOIN "few@1" f ON b.k = f.k AND b.a = f.a'
    few = ground.fetch("few@1", "two", "few", ["k", "a", "b"])
    for pairs, rows in (
        ([("k", "k"), ("a", "a")], 0),
        ([("a", "a"), ("k", "k"), ("b", "b")], 0),
        ([("a", "a")], ROWS * 4 // 10),
    ):
        keys = ground.keys("one", "big", pairs, "few@1")
        ground.run(text, few, ground.fetch("big@1", "one", "big", ["id", "k", "a", "b"], keys=(keys,)))
        assert ground.last is not None
        assert ground.last.actuals["big@1"].rows == rows
    source = replace(few, source=few.source.replace("few", "big"), where=("id < 200",))
    keys = ground.keys("one", "big", [("k", "k"), ("b", "b")], "few@1")
    ground.run(text, source, ground.fetch("big@1", "one", "big", ["id", "k", "a", "b"], keys=(keys,)))
    assert ground.last is not None
    assert (ground.last.actuals["big@1"].rows, ground.last.actuals["big@1"].keys[0].count) == (199 * ROWS // 1000, 199)


@pytest.mark.parametrize("database", ["one", "two"])
def test_a_fetch_much_larger_than_estimated_is_asked_again(
    ground: Ground, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Estimated at ten rows it was to be first; the keys that limit it come from behind it, or from elsewhere."""
    monkeypatch.setattr(conduct, "LATE_ROWS", 20_000)
    read, limit, is_decided = Run.read, conduct.Pulls._limit_late, threading.Event()

    def limited(pulls: conduct.Pulls, pull: Any) -> None:
        limit(pulls, pull)
        if pull.state == "stopping":
            is_decided.set()

    def in_step(*arguments: Any) -> Iterator[Any]:
        """No faster than the conductor, whatever the machine does: nothing more comes until it has looked."""
        rows = 0
        for batch in read(*arguments):
            yield batch
            rows += batch.num_rows
            if arguments[2].id == "big@1" and rows >= conduct.LATE_ROWS:
                is_decided.wait(30)

    monkeypatch.setattr(conduct.Pulls, "_limit_late", limited)
    monkeypatch.setattr(Run, "read", in_step)
    late = ground.keys("one", "big", [("k", "k")], "few@1")
    big = ground.fetch("big@1", "one", "big", ["id", "k", "a", "w"], rows=10.0, late=(late,))
    few = ground.fetch("few@1", database, "few", ["id", "k"], rows=1e6)
    assert _answer(ground, big, few) == RIGHT
    assert ground.last is not None
    actual = ground.last.actuals["big@1"]
    assert (actual.restarts, actual.rows) == (1, 240)
    assert [event.fetch for event in ground.events if isinstance(event, Restarted)] == ["big@1"]


def test_a_fetch_that_others_wait_for_is_not_kept_waiting_by_them(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`few` takes its keys from `big`: waiting for each other would never end."""
    monkeypatch.setattr(conduct, "LATE_ROWS", 20_000)
    late = ground.keys("one", "big", [("k", "k")], "few@1")
    big = ground.fetch("big@1", "one", "big", ["id", "k"], rows=10.0, late=(late,))
    few = ground.fetch("few@1", "one", "few", ["id", "k"], keys=(ground.keys("one", "few", [("k", "k")], "big@1"),))
    assert _answer(ground, big, few) == RIGHT
    assert ground.last is not None
    assert ground.last.actuals["big@1"].restarts == 0


def test_keys_that_are_there_are_used_without_waiting(ground: Ground) -> None:
    """A late filter of a fetch that is ordered after its giver is whole costs nothing."""
    few = ground.fetch("few@1", "one", "few", ["id", "k"])
    mid = ground.fetch("mid@1", "one", "few", ["id", "k"], keys=(ground.keys("one", "few", [("k", "k")], "few@1"),))
    keys, late = (ground.keys("one", "big", [("k", "k")], name) for name in ("mid@1", "few@1"))
    big = ground.fetch("big@1", "one", "big", ["id", "k"], keys=(keys,), late=(late,))
    assert _answer(ground, few, mid, big) == RIGHT
    assert ground.last is not None
    assert [sent.from_fetch for sent in ground.last.actuals["big@1"].keys] == ["mid@1", "few@1"]


def test_max_pull_counts_what_was_thrown_away(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conduct, "LATE_ROWS", 20_000)
    late = ground.keys("one", "big", [("k", "k")], "few@1")
    big = ground.fetch("big@1", "one", "big", ["id", "k"], rows=10.0, late=(late,))
    few = ground.fetch("few@1", "one", "few", ["id", "k"])
    with pytest.raises(PullTooLarge):
        _answer(ground, big, few, limits=Limits(rows=5_000))
    assert _answer(ground, big, few, limits=Limits(rows=2 * ROWS)) == RIGHT


def test_distinct_givers(ground: Ground) -> None:
    """Only the values: each once, whatever the database's own idea of equality."""
    few = ground.fetch("few@1", "two", "few", ["k"], is_distinct=True)
    keys = ground.keys("one", "big", [("k", "k")], "few@1")
    text = 'SELECT count(*), sum(id) FROM "big@1" WHERE k IN (FROM "few@1")'
    table = ground.run(text, few, ground.fetch("big@1", "one", "big", ["id", "k"], keys=(keys,)))
    assert table.column(0).to_pylist() == [240]
    assert ground.last is not None
    assert ground.last.actuals["few@1"].rows == 3  # 7, 11 and NULL


def test_cancelled_while_keys_are_made(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench is interrupted like a server; the next query works."""
    given = ground.fetch("few@1", "two", "big", ["id", "k"])
    keys = ground.keys("one", "big", [("id", "id")], "few@1")
    big = ground.fetch("big@1", "one", "big", ["id", "k"], keys=(keys,))
    made = keys_of.conditions

    def slow(*arguments: Any) -> Any:
        assert ground.last is not None
        ground.last.cancel()
        time.sleep(0.1)
        return made(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(conduct, "conditions", slow)
        with pytest.raises(QueryCancelled):
            _answer(ground, given, big)
    assert _answer(ground, ground.fetch("few@1", "two", "few", ["id", "k"]), big) == (0, 0)


def test_a_list_longer_than_the_server_takes_is_left_out(mariadb: Any, tmp_path: Path) -> None:
    """MariaDB says how long a statement may be."""
    ground = Ground({"one": _made("mariadb", tmp_path, mariadb), "two": _made("duckdb", tmp_path, None)})
    session = ground.sources["one"].open()
    assert session.most_bytes is not None
    assert session.most_bytes > 1_000_000
    session._link.most_bytes = 10_000  # type: ignore[attr-defined]
    session.close()
    given = ground.fetch("few@1", "two", "big", ["id", "k"])
    keys = [ground.keys("one", "big", [(name, name)], "few@1") for name in ("id", "k")]
    ground.run(JOIN, given, ground.fetch("big@1", "one", "big", ["id", "k"], keys=tuple(keys)))
    assert ground.last is not None
    assert [sent.carrier for sent in ground.last.actuals["big@1"].keys] == ["none", "list"]
    ground.close()


def test_the_taker_dies_before_it_is_asked(postgres_victim: Any, tmp_path: Path) -> None:
    """Between the giver and the taker: a named error, and no short answer."""
    ground = Ground({"one": _made("postgres", tmp_path, postgres_victim), "two": _made("duckdb", tmp_path, None)})
    first = ground.fetch("one@1", "one", "few", ["id"])
    few = ground.fetch("few@1", "two", "few", ["id", "k"])
    big = ground.fetch("big@1", "one", "big", ["id", "k"], keys=(ground.keys("one", "big", [("k", "k")], "few@1"),))
    made = keys_of.conditions

    def kill(fetch: Any, filters: Any, *more: Any) -> Any:
        if fetch.id == "big@1":
            postgres_victim.kill()
        return made(fetch, filters, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conduct, "conditions", kill)
        with pytest.raises(ConnectionLost):
            _answer(ground, first, few, big)
    ground.close()


def _two_files(folder: Path) -> dict[str, Any]:
    import sqlite3

    for name in ("one", "two"):
        with sqlite3.connect(folder / f"{name}.db") as file:
            file.execute("CREATE TABLE t AS SELECT 1 AS id UNION SELECT 2 UNION SELECT 3")
        file.close()
    databases = {
        name: {"url": f"sqlite:///{folder}/{name}.db", "options": {"max_connections": 1}} for name in ("one", "two")
    }
    return {"version": 1, "databases": databases, "policy": {"on_cross_db": "allow"}}


def test_queries_do_not_wait_for_each_others_connections_for_ever(tmp_path: Path) -> None:
    """Each database has one connection, and half of the queries start with the one, half with the other."""
    with fedq.connect(_two_files(tmp_path)) as fed:
        texts = [f"SELECT count(*) FROM {a}.t a JOIN {b}.t b USING (id)" for a, b in (("one", "two"), ("two", "one"))]
        with ThreadPoolExecutor(12) as threads:
            counts = list(threads.map(lambda text: fed.query(text).scalar(), texts * 30))
    assert counts == [3] * 60


def test_a_federation_is_closed_while_a_query_runs(tmp_path: Path) -> None:
    """The query is stopped; closing raises nothing."""
    fed = fedq.connect(_two_files(tmp_path))
    text = "SELECT sum(sin(r.range)) FROM one.t a JOIN two.t b USING (id), range(100000000000) r"
    ended: list[BaseException] = []

    def _query() -> None:
        try:
            fed.query(text)
        except BaseException as error:
            ended.append(error)

    query = threading.Thread(target=_query)
    query.start()
    time.sleep(0.3)  # anywhere in the query will do: it takes hours
    fed.close()
    query.join(10)
    assert [type(error) for error in ended] == [QueryCancelled]


GROWN = "SELECT count(*), sum(length(w || name)) FROM big, few WHERE big.k = few.k AND state = 7"


@contextmanager
def growing(folder: Path, states: int, few: int) -> Iterator[tuple[fedq.Federation, Callable[[], None]]]:
    """`big` of 9,000 rows with so many states, `few` so many of its keys; and what makes 60,000 rows of state 7."""
    urls = {name: f"sqlite:///{folder / name}.db" for name in ("one", "two")}
    with closing(sqlite3.connect(folder / "one.db")) as one, closing(sqlite3.connect(folder / "two.db")) as two:
        one.execute("CREATE TABLE big (k INTEGER, state INTEGER, w TEXT)")
        one.execute("CREATE INDEX big_k ON big (k)")
        one.execute("CREATE INDEX big_state ON big (state)")
        one.executemany("INSERT INTO big VALUES (?, ?, '')", ((i % 1_000, i % states) for i in range(9_000)))
        two.execute("CREATE TABLE few (k INTEGER, name TEXT)")
        two.executemany("INSERT INTO few VALUES (?, 'few')", [(7 + i,) for i in range(few)])
        for connection in (one, two):
            connection.execute("ANALYZE")
            connection.commit()

        def grow() -> None:
            one.executemany("INSERT INTO big VALUES (?, 7, ?)", ((i % 1_000, WIDE) for i in range(60_000)))
            one.commit()

        with fedq.connect({"version": 1, "databases": {name: {"url": url} for name, url in urls.items()}}) as fed:
            yield fed, grow


def test_what_has_grown_since_its_statistics_were_read_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics serve for minutes: that a state is rare was true when they were read."""
    monkeypatch.setattr(conduct, "LATE_ROWS", 5_000)
    events: list[Any] = []
    with growing(tmp_path, states=3_000, few=1) as (fed, grow):
        assert fed.query(GROWN, on_cross_db="allow").rows() == [(3, 9)]
        grow()
        assert fed.query(GROWN, on_cross_db="allow", listener=events.append).rows() == [(63, 9 + 60 * 203)]
    assert [event.fetch for event in events if isinstance(event, Restarted)] == ["big@1"]
    (last,) = (event for event in events if isinstance(event, Finished) and event.fetch == "big@1")
    assert last.rows == 63


def test_what_comes_first_is_limited_by_what_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row was expected of the large table, two of the small one: it was read whole, for it waits for nobody."""
    monkeypatch.setattr(conduct, "LATE_ROWS", 5_000)
    events: list[Any] = []
    with growing(tmp_path, states=9_000, few=2) as (fed, grow):
        assert [(fetch.id, fetch.keys) for fetch in fed.explain(GROWN).fetches] == [("big@1", ()), ("few@2", ())]
        grow()
        assert fed.query(GROWN, on_cross_db="allow", listener=events.append).rows() == [(121, 3 + 120 * 203)]
    assert [event.fetch for event in events if isinstance(event, Restarted)] == ["big@1"]


def test_keys_that_were_more_than_asked_for_do_not_take_the_name_of_others() -> None:
    """Seed 3,031,360: of more keys than a first look wanted more were looked at, and the next keys had their name."""
    bench = Engine().bench()
    bench.create("a@1", [("k", INTEGER, None), ("n", INTEGER, None)])
    bench.load("a@1", [pa.record_batch({"k": pa.array(range(9), pa.int32()), "n": pa.array(range(9), pa.int32())})])
    found = [bench.keys("a@1", ["k"], 2), bench.keys("a@1", ["k"], 20), bench.keys("a@1", ["n"], 20)]
    assert [keys.count for keys in found] == [3, 9, 9]
    assert len({keys.table for keys in found}) == 3
    bench.close()


def test_a_table_called_keys_is_no_keys(tmp_path: Path) -> None:
    with fedq.connect({"version": 1, "databases": _few_and_keys(tmp_path)}) as fed:
        text = "SELECT count(*) FROM keys JOIN few USING (k)"
        assert fed.query(text, on_cross_db="allow").scalar() == 3


def _few_and_keys(folder: Path) -> dict[str, Any]:
    with sqlite3.connect(folder / "one.db") as one, sqlite3.connect(folder / "two.db") as two:
        one.execute("CREATE TABLE few (k INTEGER PRIMARY KEY)")
        one.executemany("INSERT INTO few VALUES (?)", [(1,), (2,), (3,)])
        two.execute("CREATE TABLE keys (k INTEGER PRIMARY KEY, w TEXT)")
        two.executemany("INSERT INTO keys VALUES (?, 'w')", [(k,) for k in range(20_000)])
    one.close()
    two.close()
    return {name: {"url": f"sqlite:///{folder}/{name}.db"} for name in ("one", "two")}
