"""Sessions of PostgreSQL: one snapshot, only reading, stopped at once, nothing left behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedq.errors import (
    ConnectionFailed,
    ConnectionLost,
    DatabaseError,
    NotAllowed,
    QueryCancelled,
    QueryTimeout,
    ReadOnlyError,
    TableNotFound,
)
from fedq.fetch.postgres.source import PostgresSource
from fedq.fetch.source import Select
from fedq.types import Type
from tests.fetch.postgres_support import activity, described, eventually, expression, read, select_all, source_on
from tests.servers import FaultProxy, PostgresServer

INTEGER, VARCHAR = Type("INTEGER"), Type("VARCHAR")
SLEEP = expression("1", INTEGER, "FROM pg_sleep(30)")
LARGE = expression("repeat('x', 200)", VARCHAR, "FROM generate_series(1, 2000000)")


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database("sessions")


@pytest.fixture(scope="module")
def database(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def source(url: str) -> Iterator[PostgresSource]:
    with source_on(url) as source:
        yield source


def one(source: PostgresSource) -> int:
    (value,) = read(source, expression("1", INTEGER))["x"].to_pylist()
    return int(value)


def cancelled(run: Callable[[], object], cancel: Callable[[], None], after: float = 0.3) -> float:
    """How many seconds the reader took to be free after the cancel."""
    times: list[float] = []

    def stop() -> None:
        time.sleep(after)
        times.append(time.monotonic())
        cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(QueryCancelled):
        run()
    freed = time.monotonic()
    thread.join()
    return freed - times[0]


def test_cancel_stops_the_statement_here_and_there(
    source: PostgresSource, postgres: PostgresServer, database: str
) -> None:
    session = source.open()
    assert cancelled(lambda: list(session.read(SLEEP)), session.cancel) < 0.5
    assert eventually(lambda: activity(postgres, database, "query LIKE '%pg_sleep(30)%' AND state = 'active'") == 0)
    with pytest.raises(QueryCancelled):
        list(session.read(SLEEP))
    session.cancel()
    session.close()
    assert eventually(lambda: activity(postgres, database, "state LIKE 'idle in%'") == 0)
    pid = postgres.sql(
        f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'fedq'",
        "postgres",
        admin=True,
    )
    session = source.open()
    again = next(iter(session.native("select pg_backend_pid() p")))["p"].to_pylist()
    session.close()
    assert [(again[0],)] == pid  # a normal cancel costs no connection


@pytest.mark.parametrize("half", [1, 3])
def test_cancel_in_the_middle_of_a_large_pull(
    source: PostgresSource, postgres: PostgresServer, database: str, half: int
) -> None:
    session = source.open()

    def run() -> None:
        for number, _ in enumerate(session.read(LARGE)):
            if number == half:
                session.cancel()

    started = time.monotonic()
    with pytest.raises(QueryCancelled):
        run()
    assert time.monotonic() - started < 6
    session.close()
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)
    assert one(source) == 1


def test_cancel_as_the_end_arrives(source: PostgresSource) -> None:
    """The end of the rows and the wish to stop are seen in one turn of the loop: what was asked next waited for ever."""
    soon = expression("1", INTEGER, "FROM pg_sleep(0.1)")
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            session = source.open()
            reading = threads.submit(lambda session=session: list(session.read(soon)))
            time.sleep(0.05)
            session._connection.thread.post(lambda: time.sleep(0.2))  # the answer comes while nobody looks
            time.sleep(0.05)
            session.interrupt()
            with pytest.raises(QueryCancelled):
                reading.result(5)
            again = threads.submit(lambda session=session: list(session.read(expression("1", INTEGER))))
            assert again.result(5)[0].num_rows == 1
            session.close()
            assert one(source) == 1


def test_cancel_before_the_read(source: PostgresSource) -> None:
    session = source.open()
    session.cancel()
    with pytest.raises(QueryCancelled):
        list(session.read(SLEEP))
    with pytest.raises(QueryCancelled):
        list(session.native("select 1"))
    session.close()
    assert one(source) == 1


def test_cancel_of_a_native_statement(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    session = source.open()
    assert cancelled(lambda: list(session.native("select pg_sleep(30)::text")), session.cancel) < 0.5
    session.close()
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)


@pytest.mark.parametrize("how", ["close", "drop", "forget"])
def test_an_abandoned_read_leaves_no_transaction(
    source: PostgresSource, postgres: PostgresServer, database: str, how: str
) -> None:
    session = source.open()
    batches = session.read(LARGE)
    next(batches)
    if how == "close":
        session.close()
    elif how == "drop":
        del batches
        session.close()
    else:
        del batches, session
        gc.collect()
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)
    assert one(source) == 1


def test_a_half_read_statement_does_not_cost_the_snapshot(
    source: PostgresSource, postgres: PostgresServer, url: str
) -> None:
    postgres.sql("CREATE TABLE snap (a int); INSERT INTO snap VALUES (1)", url)
    count = expression("count(*)", Type("BIGINT"), "FROM snap")
    session = source.open()
    assert next(session.read(count))["x"].to_pylist() == [1]
    postgres.sql("INSERT INTO snap VALUES (2)", url)
    batches = session.read(LARGE)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert next(session.read(count))["x"].to_pylist() == [1]
    with pytest.raises(DatabaseError, match="division by zero"):
        list(session.read(expression("1 / (n - 5)", INTEGER, "FROM generate_series(1, 9) n")))
    assert next(session.read(count))["x"].to_pylist() == [1]
    session.close()
    assert next(source.open().read(count))["x"].to_pylist() == [2]


def test_a_statement_that_does_not_parse_first(source: PostgresSource) -> None:
    session = source.open()
    with pytest.raises(DatabaseError, match="42601"):
        list(session.read(expression("1 +", INTEGER)))
    assert next(session.read(expression("2", INTEGER)))["x"].to_pylist() == [2]
    session.close()
    assert one(source) == 1


def test_one_statement_at_a_time(source: PostgresSource) -> None:
    session = source.open()
    batches = session.read(LARGE)
    next(batches)
    with pytest.raises(RuntimeError, match="one statement at a time"):
        next(session.read(SLEEP))
    batches.close()  # type: ignore[attr-defined]
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(session.read(SLEEP))


def test_the_server_ends_what_takes_too_long(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    session = source.open(timeout=0.3)
    started = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"0\.3 s"):
        list(session.read(SLEEP))
    assert time.monotonic() - started < 3
    session.close()
    assert activity(postgres, database, "state = 'active'") == 0
    assert one(source) == 1


def test_somebody_else_ends_the_statement(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    session = source.open(timeout=60)

    def stop(function: str) -> None:
        assert eventually(lambda: activity(postgres, database, "query LIKE '%pg_sleep(30)%' AND state = 'active'") == 1)
        postgres.sql(
            f"SELECT {function}(pid) FROM pg_stat_activity WHERE datname = '{database}' AND state = 'active'",
            "postgres",
            admin=True,
        )

    for function, error in (("pg_cancel_backend", DatabaseError), ("pg_terminate_backend", ConnectionLost)):
        thread = threading.Thread(target=stop, args=(function,))
        thread.start()
        with pytest.raises(error):
            list(session.read(SLEEP))
        thread.join()
    session.close()
    assert one(source) == 1


def test_it_only_reads(source: PostgresSource, postgres: PostgresServer, url: str) -> None:
    postgres.sql(
        "CREATE TABLE w (a int); CREATE FUNCTION wf() RETURNS int LANGUAGE sql AS 'INSERT INTO w VALUES (1) RETURNING a'",
        url,
    )
    for sql, error in (
        ("with x as (insert into w values (1) returning a) select * from x", ReadOnlyError),
        ("select wf()", ReadOnlyError),
        ("explain analyze insert into w values (1)", ReadOnlyError),
        ("insert into w values (1) returning a", NotAllowed),
        ("begin read write", NotAllowed),
        ("commit", NotAllowed),
        ("  -- nothing", NotAllowed),
        ("", NotAllowed),
        ("select 1; insert into w values (1)", DatabaseError),
        ("select 1; commit", DatabaseError),
        ("select 1) to stdout; commit; copy (select 2", DatabaseError),
        ("select set_config('transaction_read_only', 'off', false), wf()", (DatabaseError, ReadOnlyError)),
        ("select 1 /* open", DatabaseError),
        ("select 'open", DatabaseError),
        ("explain select 1; commit", DatabaseError),
        ("select * from nowhere", TableNotFound),
    ):
        session = source.open()
        with pytest.raises(error):
            list(session.native(sql))
        session.close()
    assert postgres.sql("SELECT count(*) FROM w", url) == [(0,)]
    session = source.open()
    with pytest.raises(ReadOnlyError):
        list(session.read(expression("wf()", INTEGER)))
    session.close()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 1 as a, 'x;y' as b; -- ; done", [{"a": 1, "b": "x;y"}]),
        ("values (1, 'a'), (2, NULL);", [{"column1": 1, "column2": "a"}, {"column1": 2, "column2": None}]),
        ("/* ; /* nested ; */ */ with x as (select 1.50::numeric(5,2) n) table x", None),
        ("select $q$;$q$ as a, $$ ' $$ as b, E'\\';' as c", [{"a": ";", "b": " ' ", "c": "';"}]),
        ("show timezone", [{"TimeZone": "UTC"}]),
        ("(select 1 as a) union all (select 2) order by 1 -- end", [{"a": 1}, {"a": 2}]),
        ("select now() - now() = interval '0' as a", [{"a": True}]),
    ],
)
def test_native_statements(source: PostgresSource, sql: str, rows: list[dict[str, object]] | None) -> None:
    session = source.open()
    (batch,) = session.native(sql)
    session.close()
    if rows is None:
        assert str(batch.schema.field("n").type) == "decimal128(5, 2)"
    else:
        assert batch.to_pylist() == rows


def test_native_names_are_looked_for_in_the_schemas_of_the_catalog(postgres: PostgresServer, url: str) -> None:
    postgres.sql(
        'CREATE SCHEMA "S p"; CREATE TABLE "S p".only_here (a int); INSERT INTO "S p".only_here VALUES (7)', url
    )
    with source_on(url, schema="S p") as source:
        session = source.open()
        assert next(session.native("select a from only_here"))["a"].to_pylist() == [7]
        session.close()
        assert described(source, "ONLY_HERE").table.schema == "S p"


def test_a_small_query_waits_for_no_delayed_answer(source: PostgresSource) -> None:
    times = []
    for _ in range(50):
        started = time.perf_counter()
        one(source)
        times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.03  # Nagle's algorithm against a delayed acknowledgement: 40 ms


def test_what_was_received_is_counted(source: PostgresSource) -> None:
    session = source.open()
    list(session.read(expression("'abc'", VARCHAR, "FROM generate_series(1, 100)")))
    assert session.received == 400
    session.close()


def test_eight_threads_share_four_connections(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    def work(number: int) -> int:
        rows = read(source, expression(f"n + {number}", INTEGER, "FROM generate_series(1, 20000) n"))["x"].to_pylist()
        assert rows == list(range(number + 1, number + 20001))
        described_now = source.describe([])
        return len(rows) + len(described_now)

    most = 0
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(work, number) for number in range(40)]
        while not all(future.done() for future in futures):
            most = max(most, activity(postgres, database))
        assert [future.result() for future in futures] == [20000] * 40
    assert 1 <= most <= 4


def test_more_sessions_than_connections(url: str) -> None:
    with source_on(url, options={"max_connections": 2}) as source:
        source._running()[1]._wait = 0.2
        sessions = [source.open(), source.open()]
        with pytest.raises(ConnectionFailed, match="max_connections"):
            source.open()
        for session in sessions:
            session.close()
        assert one(source) == 1


def test_a_slow_reader_holds_the_server_back(source: PostgresSource, postgres: PostgresServer, database: str) -> None:
    session = source.open()
    batches = session.read(LARGE)
    next(batches)
    assert eventually(lambda: activity(postgres, database, "wait_event = 'ClientWrite'") == 1, 5)
    assert session.received < 10_000_000
    session.close()


# faults


def test_wrong_password(postgres: PostgresServer, url: str) -> None:
    with source_on(url, password="pw-Wrong-5512") as source, pytest.raises(ConnectionFailed) as caught:
        source.open()
    assert caught.value.sqlstate == "28P01"
    assert "password" in str(caught.value).lower()
    assert "pw-Wrong-5512" not in f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"
    current: BaseException | None = caught.value.__cause__
    while current is not None:  # the driver's frames hold the password as a local variable
        assert current.__traceback__ is None
        current = current.__cause__ or current.__context__


def test_connections_that_cannot_be(
    postgres: PostgresServer, url: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    for changed, state in (
        (url.rpartition("/")[0] + "/nowhere", "3D000"),
        (url.replace("//app:", "//nobody:"), "28P01"),
        (url.replace(f":{postgres.port}/", ":1/"), None),
        (url.replace("@127.0.0.1:", "@nowhere.invalid:"), None),
    ):
        with source_on(changed) as source, pytest.raises(ConnectionFailed) as caught:
            source.open()
        assert caught.value.sqlstate == state
        assert caught.value.hint
    proxy = fault_proxy(postgres.port)
    proxy.set("blackhole")
    black = postgres.url_of("app", port=proxy.port)
    started = time.monotonic()
    with source_on(black, options={"connect_timeout": 0.5}) as source, pytest.raises(ConnectionFailed, match=r"0\.5 s"):
        source.open()
    assert time.monotonic() - started < 6


def test_a_black_hole_in_the_middle(
    postgres: PostgresServer, database: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(postgres.port)
    with source_on(postgres.url_of(database, port=proxy.port), options={"connect_timeout": 0.5}) as source:
        session = source.open()
        batches = session.read(LARGE)
        next(batches)
        proxy.set("blackhole")
        assert cancelled(lambda: list(batches), session.cancel) < 0.5
        started = time.monotonic()
        session.close()
        assert time.monotonic() - started < 1.5
        proxy.set("pass")
        assert one(source) == 1
        # without a cancel, the timeout ends it on this side too
        session = source.open(timeout=0.5)
        batches = session.read(LARGE)
        next(batches)
        proxy.set("blackhole")
        started = time.monotonic()
        with pytest.raises(QueryTimeout):
            list(batches)
        assert time.monotonic() - started < 9
        session.close()
        # a connection that went silent while it was idle is found out at open
        proxy.set("pass")
        assert one(source) == 1


def test_a_silent_connection_is_replaced_at_open(
    postgres: PostgresServer, database: str, fault_proxy: Callable[[int], FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fedq.fetch.postgres.source as module

    monkeypatch.setattr(module, "_TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr(module, "_PING_SECONDS", 0.3)
    proxy = fault_proxy(postgres.port)
    with source_on(postgres.url_of(database, port=proxy.port)) as source:
        assert one(source) == 1
        proxy.set("blackhole")
        threading.Timer(0.5, proxy.set, ["pass"]).start()
        assert one(source) == 1


@pytest.mark.parametrize("mode", ["rst_after", "fin_after"])
@pytest.mark.parametrize("octets", [100_000, 3_000_000])
def test_a_cut_in_the_middle_is_never_a_short_result(
    postgres: PostgresServer, database: str, fault_proxy: Callable[[int], FaultProxy], mode: str, octets: int
) -> None:
    proxy = fault_proxy(postgres.port)
    with source_on(postgres.url_of(database, port=proxy.port)) as source:
        assert one(source) == 1
        proxy.set(mode, octets)
        session = source.open()
        with pytest.raises(ConnectionLost) as caught:
            list(session.read(LARGE))
        assert caught.value.__cause__ is not None
        session.close()
        proxy.set("pass")
        assert one(source) == 1


def test_the_server_is_killed_in_mid_pull_and_comes_back(postgres_victim: PostgresServer) -> None:
    with source_on(postgres_victim.url) as source:
        session = source.open()
        batches = session.read(LARGE)
        next(batches)
        postgres_victim.kill()
        with pytest.raises(ConnectionLost):
            list(batches)
        session.close()
        with pytest.raises(ConnectionFailed):
            source.open()
        postgres_victim.restart()
        assert one(source) == 1
        sessions = [source.open() for _ in range(3)]
        for session in sessions:
            list(session.read(expression("1", INTEGER)))
            session.close()
        postgres_victim.restart()
        assert one(source) == 1  # none of the three old connections is handed out


def test_a_question_on_a_connection_that_was_cut_a_moment_ago(
    url: str, source: PostgresSource, postgres: PostgresServer, database: str
) -> None:
    with postgres.connect(url) as other:
        other.execute("CREATE TABLE asked (id int)")
    described(source, "asked")
    with postgres.connect(url) as other:
        other.execute("ALTER TABLE asked ADD x int")
    source._running()[0].post(lambda: time.sleep(0.5))  # the loop will not notice before it is asked
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
    postgres.sql(end.format(database), admin=True)
    assert [column.name for column in described(source, "asked").columns] == ["id", "x"]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["at once", "while the copy waits for its reader"])
def test_close_ends_everything(url: str, postgres: PostgresServer, database: str, pause: float) -> None:
    before = threading.active_count()
    with source_on(url) as source:
        session = source.open()
        batches = session.read(LARGE)
        next(batches)
        time.sleep(pause)
    with pytest.raises(ConnectionLost):
        list(batches)
    session.close()
    with pytest.raises(ConnectionFailed, match="closed"):
        source.open()
    assert eventually(lambda: activity(postgres, database) == 0)
    assert eventually(lambda: threading.active_count() <= before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_makes_connections_of_its_own(source: PostgresSource) -> None:
    session = source.open()
    batches = session.read(LARGE)
    next(batches)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if one(source) == 1 else 2
            source.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert sum(batch.num_rows for batch in batches) > 1_000_000  # the parent's pull never noticed
    session.close()
    assert one(source) == 1


def test_memory_does_not_grow_with_the_result(url: str) -> None:
    import subprocess
    import sys

    code = f"""
import resource
from tests.fetch.postgres_support import source_on, expression
from fedq.types import Type
with source_on({url!r}) as source:
    session = source.open()
    peak = []
    for rows in (200_000, 2_000_000):
        for batch in session.read(expression("repeat('x', 100)", Type("VARCHAR"), f"FROM generate_series(1, {{rows}})")):
            pass
        peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    session.close()
print((peak[1] - peak[0]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # MB more for 180 MB more


def test_without_the_driver() -> None:
    import subprocess
    import sys

    code = """
import sys
sys.modules["asyncpg"] = None
from fedq.errors import DriverMissing
try:
    import fedq.fetch.postgres.source
except DriverMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "fedq[postgres]"' in done.stdout


def test_an_unused_session_costs_nothing(source: PostgresSource) -> None:
    session = source.open()
    session.close()
    session.close()
    assert one(source) == 1
    unstarted = source.open()
    unstarted.read(Select((), "FROM nowhere"))
    unstarted.close()
    assert one(source) == 1


def test_a_thousand_queries_leave_one_connection(
    source: PostgresSource, postgres: PostgresServer, database: str, url: str
) -> None:
    postgres.sql("CREATE TABLE many (a int PRIMARY KEY); INSERT INTO many VALUES (1)", url)
    for number in range(1000):
        table = described(source, "many")
        session = source.open()
        list(session.read(select_all(table) if number % 10 else expression("1", INTEGER)))
        session.close()
    assert activity(postgres, database) == 1
    for _ in range(100):  # left before the end was seen: the next query need not wait until that is cleaned up
        session = source.open()
        next(session.read(expression("1", INTEGER)))
        session.close()
    assert activity(postgres, database) <= 4
    assert eventually(lambda: activity(postgres, database, "state <> 'idle'") == 0)
