"""Sessions of the MySQL source when things go wrong: nothing hangs, nothing is short, nothing is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
from fedq.fetch.mysql.source import MySQLSource
from fedq.types import BIGINT, INTEGER, VARCHAR
from tests.fetch.mysql_support import (
    connected,
    described,
    eventually,
    expression,
    native,
    read,
    running,
    select_all,
    source_on,
)
from tests.servers import FaultProxy, MariaDBServer

SLEEP = expression("SLEEP(20)", INTEGER)
ONE = expression("1", INTEGER)
#: long to compute, and rows come all the while
MANY = expression("a.seq", BIGINT, "FROM seq_1_to_3000 a JOIN seq_1_to_100000 b")


@pytest.fixture(scope="module")
def url(mariadb: MariaDBServer) -> str:
    url = mariadb.new_database("sessions")
    mariadb.sql("create table t (id int primary key, s varchar(20)); insert into t values (1, 'a'), (2, 'b')", url)
    mariadb.sql("create table big as select seq id, repeat('x', 100) s from seq_1_to_100000", url)
    return url


@pytest.fixture
def source(url: str) -> Iterator[MySQLSource]:
    with source_on(url) as source:
        yield source


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


def only(batches: Iterator[Any]) -> Any:
    """The one batch of a small result."""
    (batch,) = batches
    return batch


def in_thread(task: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """What `task` returns or raises, with the moment, once the thread has ended."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(task())
        except BaseException as error:
            ended.append(error)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def test_a_session_sees_one_snapshot(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    mariadb.sql("create or replace table snap (id int)", url)
    count = expression("count(*)", BIGINT, "FROM snap")
    session = source.open()
    assert next(session.read(count))["x"][0].as_py() == 0
    mariadb.sql("insert into snap values (1)", url)
    assert only(session.read(count))["x"][0].as_py() == 0
    session.close()
    assert read(source, count)["x"].to_pylist() == [1]


def test_sessions_are_in_utc_and_read_only(source: MySQLSource) -> None:
    asked = "SELECT @@session.time_zone z, @@autocommit a, @@sql_select_limit l, @@tx_isolation i"
    assert native(source, asked).to_pylist() == [{"z": "+00:00", "a": 1, "l": 2**64 - 1, "i": "REPEATABLE-READ"}]
    session = source.open()
    with pytest.raises(ReadOnlyError):
        list(session._stream("insert into t values (3, 'c')", session._link.mode, lambda fields: [], None))  # type: ignore[attr-defined]
    assert [batch.num_rows for batch in session.read(ONE)] == [1]
    session.close()


def test_what_a_server_is_set_to_changes_no_answer(mariadb_victim: MariaDBServer) -> None:
    """It ends idle sessions after a second, sorts by 64 bytes, and keeps no warnings."""
    for setting in ("wait_timeout = 1", "idle_transaction_timeout = 1", "idle_readonly_transaction_timeout = 1",
                    "max_sort_length = 64", "max_error_count = 0"):  # fmt: skip
        mariadb_victim.sql(f"SET GLOBAL {setting}", "mysql", admin=True)
    mariadb_victim.sql(
        "CREATE TABLE long_ (s varchar(250) COLLATE utf8mb4_nopad_bin);"
        " INSERT INTO long_ SELECT concat(repeat('x', 200), lpad(seq * 7 % 2000, 4, '0')) FROM seq_1_to_2000"
    )
    with source_on(mariadb_victim.url) as source:
        session = source.open()
        sorted_there = session.read(select_all(described(source, "long_"), tail="ORDER BY s"))
        rows = [text for batch in sorted_there for text in batch["s"].to_pylist()]
        assert rows == sorted(rows)
        time.sleep(2.5)  # as long as another database takes for its keys
        assert only(session.read(expression("count(*)", BIGINT, "FROM long_")))["x"].to_pylist() == [2000]
        with pytest.raises(DatabaseError, match="1301"):
            list(
                session.read(expression("concat(repeat('x', @@max_allowed_packet), s)", VARCHAR, "FROM long_ LIMIT 1"))
            )
        session.close()


@pytest.mark.parametrize(
    "sql",
    ["insert into t values (9, 'x')", "set sql_mode = ''", "select 1 into outfile '/tmp/fedq-never'", "commit", "call p()", "",
     "/*!50000 delete from t */", "select 1 /*! into dumpfile '/tmp/fedq-never' */", "-- select\ndelete from t",
     "do sleep(1)", "begin", "(((delete from t)))", "'select' "],
)  # fmt: skip
def test_native_refuses_what_does_more_than_read(source: MySQLSource, sql: str) -> None:
    session = source.open()
    with pytest.raises(NotAllowed):
        session.native(sql)
    session.close()


def test_native_reads_as_the_server_does(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    """Its own escapes, its own quotes, its own comparison; and fedq's statements are not touched by that."""
    session = source.open()
    got = only(session.native("select \"a\\nb\" x, 'into outfile' y, 1 = '1abc' z -- into outfile\n")).to_pylist()
    assert got == [{"x": "a\nb", "y": "into outfile", "z": 1}]
    assert only(session.read(expression(r"'a\nb'", VARCHAR))).to_pylist() == [{"x": r"a\nb"}]
    with pytest.raises(DatabaseError, match="1064"):
        list(session.native("select 1; select 2"))
    assert only(session.native("(select 1 a)")).to_pylist() == [{"a": 1}]
    assert only(session.native("with q as (select 5 n) select n from q where n > 9")).num_rows == 0
    session.close()


def test_errors_of_the_server_leave_the_session_usable(source: MySQLSource) -> None:
    session = source.open()
    with pytest.raises(TableNotFound) as missing:
        list(session.read(expression("1", INTEGER, "FROM not_there")))
    assert missing.value.__cause__ is not None
    with pytest.raises(DatabaseError, match="1054"):
        list(session.read(expression("nothing", INTEGER, "FROM t")))
    with pytest.raises(DatabaseError, match="1690"):
        list(session.read(expression("exp(999 + seq)", BIGINT, "FROM seq_1_to_5")))
    assert [batch.num_rows for batch in session.read(ONE)] == [1]
    session.close()


@pytest.mark.parametrize(
    "select", [SLEEP, MANY, expression("count(*)", BIGINT, "FROM seq_1_to_100000 a, seq_1_to_100000 b")]
)
def test_cancel_frees_the_reader_and_the_server(
    mariadb: MariaDBServer, url: str, source: MySQLSource, select: Any
) -> None:
    session = source.open()
    thread, ended = in_thread(lambda: [batch.num_rows for batch in session.read(select)])
    assert eventually(lambda: running(mariadb, select.sql[:30]) == 1)
    time.sleep(0.1)
    before = time.monotonic()
    session.cancel()
    thread.join(5)
    assert isinstance(ended[0], QueryCancelled)
    assert ended[1] - before < 1.5
    session.cancel()
    with pytest.raises(QueryCancelled):
        list(session.read(ONE))
    session.close()
    assert eventually(lambda: running(mariadb, select.sql[:30]) == 0)
    assert read(source, ONE)["x"].to_pylist() == [1]


def test_cancel_of_a_reader_that_pauses(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    session = source.open()
    batches = session.read(MANY)
    next(batches)
    session.cancel()
    with pytest.raises(QueryCancelled):
        for _ in batches:
            pass
    session.close()
    assert eventually(lambda: running(mariadb, "seq_1_to_3000") == 0)
    assert read(source, ONE)["x"].to_pylist() == [1]


def test_cancel_at_any_moment(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    """Also between the statement's sending and its start; nothing stays behind."""
    for step in range(12):
        session = source.open()
        thread, ended = in_thread(lambda session=session: list(session.read(SLEEP)))
        time.sleep(step * 0.0004)
        session.cancel()
        thread.join(2)
        assert isinstance(ended[0], QueryCancelled)
        session.close()
    assert eventually(lambda: running(mariadb, "SLEEP(20)") == 0)


def test_cancel_before_reading_and_after_closing(source: MySQLSource) -> None:
    session = source.open()
    session.cancel()
    with pytest.raises(QueryCancelled):
        list(session.read(ONE))
    session.close()
    session.close()
    session.cancel()
    with pytest.raises(ConnectionLost):
        list(session.read(ONE))


def test_cancel_in_a_black_hole(url: str, mariadb: MariaDBServer, fault_proxy: Callable[[int], FaultProxy]) -> None:
    proxy = fault_proxy(mariadb.port)
    with source_on(mariadb.url_of(database_of(url), port=proxy.port)) as source:
        for select in (SLEEP, MANY):
            session = source.open()
            thread, ended = in_thread(
                lambda session=session, select=select: [each.num_rows for each in session.read(select)]
            )
            assert eventually(lambda select=select: running(mariadb, select.sql[:30]) == 1)
            proxy.set("blackhole")
            time.sleep(0.1)
            before = time.monotonic()
            session.cancel()
            thread.join(5)
            assert isinstance(ended[0], QueryCancelled)
            assert ended[1] - before < 1.5
            session.close()
            proxy.set("pass")
            assert eventually(lambda select=select: running(mariadb, select.sql[:30]) == 0, 6)
            assert read(source, ONE)["x"].to_pylist() == [1]


def test_timeout_in_the_server(mariadb: MariaDBServer, source: MySQLSource) -> None:
    session = source.open(0.3)
    before = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"0\.3 s"):
        list(session.read(expression("count(*)", BIGINT, "FROM seq_1_to_100000 a, seq_1_to_100000 b")))
    assert time.monotonic() - before < 3
    session.close()
    from fedq.catalog.schema import PhysicalTable

    assert source.describe([PhysicalTable(None, "t")])[0] is not None
    assert read(source, expression("SLEEP(0.5)", INTEGER))["x"].to_pylist() == [0]  # no limit left behind


def test_timeout_in_a_black_hole(url: str, mariadb: MariaDBServer, fault_proxy: Callable[[int], FaultProxy]) -> None:
    proxy = fault_proxy(mariadb.port)
    with source_on(mariadb.url_of(database_of(url), port=proxy.port)) as source:
        session = source.open(0.5)
        proxy.set("blackhole")
        before = time.monotonic()
        with pytest.raises(QueryTimeout):
            list(session.read(MANY))
        session.close()
        assert time.monotonic() - before < 6


def test_a_server_that_dies_mid_pull(mariadb_victim: MariaDBServer) -> None:
    with source_on(mariadb_victim.url) as source:
        session = source.open()
        batches = session.read(MANY)
        next(batches)
        mariadb_victim.kill()
        with pytest.raises(ConnectionLost):
            for _ in batches:
                pass
        with pytest.raises(ConnectionLost):
            list(session.read(ONE))
        session.close()
        with pytest.raises(ConnectionFailed):
            source.open()
        mariadb_victim.restart()
        assert read(source, ONE)["x"].to_pylist() == [1]


def test_connections_that_died_in_the_pool_are_replaced(mariadb_victim: MariaDBServer) -> None:
    with source_on(mariadb_victim.url) as source:
        sessions = [source.open() for _ in range(3)]
        for session in sessions:
            session.close()
        mariadb_victim.restart()
        assert read(source, ONE)["x"].to_pylist() == [1]
        assert source.describe([]) == []


@pytest.mark.parametrize("fault", ["rst_after", "fin_after"])
def test_no_short_result_when_the_line_breaks(
    url: str, mariadb: MariaDBServer, fault_proxy: Callable[[int], FaultProxy], fault: str
) -> None:
    proxy = fault_proxy(mariadb.port)
    with source_on(mariadb.url_of(database_of(url), port=proxy.port)) as source:
        select = select_all(described(source, "big"))
    for after in (2_000, 20_000, 1_000_000, 10_000_000):
        with source_on(mariadb.url_of(database_of(url), port=proxy.port)) as source:
            proxy.set(fault, after)
            with pytest.raises(ConnectionFailed):
                read(source, select)
            proxy.set("pass")
            assert read(source, select).num_rows == 100_000


def test_abandoned_reads_leave_nothing_behind(mariadb: MariaDBServer, url: str) -> None:
    with source_on(url) as source:
        for _ in range(6):
            session = source.open()
            batches = session.read(MANY)
            next(batches)
            before = time.monotonic()
            batches.close()
            session.close()
            assert time.monotonic() - before < 3
        session = source.open()
        held = session.read(MANY)
        next(held)
        session.close()  # while somebody still holds the reader
        assert running(mariadb, "seq_1_to_3000") == 0
        assert connected(mariadb, database_of(url)) == 1
        with pytest.raises(ConnectionLost):
            list(held)
        session = source.open()
        held = session.read(MANY)
        next(held)
        assert [batch.num_rows for batch in session.read(ONE)] == [1]
        with pytest.raises(ConnectionLost):
            list(held)
        held.close()
        session.close()
    assert eventually(lambda: connected(mariadb, database_of(url)) == 0)


def test_the_snapshot_outlives_an_abandoned_read(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    mariadb.sql("create or replace table kept (id int)", url)
    session = source.open()
    next(session.read(MANY))
    mariadb.sql("insert into kept values (1)", url)
    assert only(session.read(expression("count(*)", BIGINT, "FROM kept")))["x"][0].as_py() == 0
    session.close()


def test_a_new_column_is_seen_at_once(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    mariadb.sql("create or replace table grows (a int)", url)
    assert [column.name for column in described(source, "grows").columns] == ["a"]
    mariadb.sql("alter table grows add column b int, modify a bigint", url)
    assert [str(column.type) for column in described(source, "grows").columns] == ["BIGINT", "INTEGER"]
    mariadb.sql("drop table grows", url)
    from fedq.catalog.schema import PhysicalTable

    assert source.describe([PhysicalTable(None, "grows")]) == [None]


def test_eight_threads_on_a_pool_of_four(mariadb: MariaDBServer, url: str) -> None:
    with source_on(url, options={"max_connections": 4}) as source:
        select = select_all(described(source, "big"))
        with ThreadPoolExecutor(8) as threads:
            counts = list(threads.map(lambda _: read(source, select).num_rows, range(16)))
        assert counts == [100_000] * 16
        assert connected(mariadb, database_of(url)) <= 4
    assert eventually(lambda: connected(mariadb, database_of(url)) == 0)


def test_a_thousand_queries_keep_the_same_connections(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    select = select_all(described(source, "t"), tail="WHERE id = 2")
    before = time.monotonic()
    for _ in range(300):
        assert read(source, select).num_rows == 1
    assert time.monotonic() - before < 9
    assert connected(mariadb, database_of(url)) == 1


def test_the_position_of_a_snapshot(mariadb: MariaDBServer, source: MySQLSource) -> None:
    session = source.open()
    assert session.position is None  # this server keeps no log
    list(session.read(ONE))
    assert 0 < session.received < 1000
    session.close()
    assert session.position is None


def test_the_position_of_a_snapshot_in_a_log(mariadb_victim: MariaDBServer) -> None:
    with (mariadb_victim.root / "server.cnf").open("a") as settings:
        settings.write("log-bin=log\nserver-id=7\ngtid-domain-id=3\n")
    mariadb_victim.restart()
    mariadb_victim.sql("create table t (id int)")
    with source_on(mariadb_victim.url) as source:
        first = source.open()
        before = first.position
        mariadb_victim.sql("insert into t values (1)")
        second = source.open()
        domain, server, number = (second.position or "").split("-")
        assert (domain, server) == ("3", "7")
        assert before == f"3-7-{int(number) - 1}"
        assert first.position == before
        batches = second.read(MANY)
        next(batches)
        assert second.position == f"3-7-{number}"
        first.close()
        second.close()


def test_a_statement_too_long_for_the_server(url: str, source: MySQLSource) -> None:
    with pytest.raises((DatabaseError, ConnectionLost)):
        read(source, expression(f"length('{'x' * 70_000_000}')", BIGINT))
    assert read(source, ONE)["x"].to_pylist() == [1]


def test_a_statement_of_more_than_one_packet(source: MySQLSource, mariadb: MariaDBServer) -> None:
    mariadb.sql("SET GLOBAL max_allowed_packet = 67108864", "mysql", admin=True)
    around = len(expression("length('')", BIGINT).sql) + 1  # the command's own byte
    for payload in (2**24 - 2, 2**24 - 1, 2**24, 2 * (2**24 - 1)):
        text = "x" * (payload - around)
        assert read(source, expression(f"length('{text}')", BIGINT))["x"].to_pylist() == [len(text)]


def test_a_pull_holds_one_block_at_a_time(source: MySQLSource) -> None:
    session = source.open()
    select = select_all(described(source, "big"))
    sizes = [batch.nbytes for batch in session.read(select)]
    session.close()
    assert sum(sizes) > 10_000_000
    assert max(sizes) < 4_000_000


def test_a_limit_of_the_servers_own_is_named_as_that(url: str, mariadb: MariaDBServer) -> None:
    name = database_of(url)
    mariadb.sql("CREATE USER IF NOT EXISTS hasty IDENTIFIED BY 'pw' WITH MAX_STATEMENT_TIME 0.2", admin=True)
    mariadb.sql(f"GRANT SELECT ON `{name}`.* TO hasty", admin=True)
    hasty = f"mysql://hasty:pw@{url.rpartition('@')[2]}"
    with source_on(hasty) as source:
        session = source.open()
        with pytest.raises(QueryTimeout, match="longer than the server lets") as caught:
            list(session.read(SLEEP))
        session.close()
    assert "max_statement_time" in str(caught.value.hint)
