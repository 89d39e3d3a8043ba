"""A write that is stopped by `cancel()`, `timeout=` or Ctrl-C ends in the database too, and leaves nothing behind."""

from __future__ import annotations

import _thread
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import fedq
from fedq.fetch.mysql import transaction as mysql_transaction
from fedq.fetch.postgres import writer as postgres_writer
from fedq.fetch.writer import Position, Writer
from fedq.write import desk, stoppable
from fedq.write.stoppable import Writing
from tests.servers import FaultProxy
from tests.write.conftest import Place

#: seconds: far more than any of it takes, far less than the statements would
PATIENCE = 60.0
SLOW = {
    "postgres": "insert into bare select length(pg_sleep(600)::text), 'x'",
    "mariadb": "insert into bare select sleep(600), 'x'",
    "sqlite": "insert into bare with recursive c(n) as (select 1 union all select n + 1 from c) select n, 'x' from c",
    "duckdb": "insert into bare select count(*), 'x' from range(1000000) a, range(1000000) b, range(1000000) c",
}


@contextmanager
def locked(place: Place, request: pytest.FixtureRequest) -> Iterator[None]:
    """Somebody else holds the row with id 1, and where that is possible no more than that."""
    if place.kind == "sqlite":
        connection: Any = sqlite3.connect(place.url.partition(":///")[2], isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = request.getfixturevalue(place.kind).connect(place.url)
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute("UPDATE items SET name = 'held' WHERE id = 1")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def stopped_by(place: Place, write: Callable[[], object], stop: Callable[[], None]) -> BaseException:
    """What a write raises that is stopped once it waits."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            write()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: bool(place.fed._writing) and is_busy(place))
    stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return raised[0]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_busy(place: Place) -> bool:
    """Whether a statement of fedq's runs in the server."""
    if place.kind == "postgres":
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fedq'"
            " AND (state = 'active' OR state LIKE 'idle in transaction%')"
        )
        return bool(place.run(sql)[0][0])
    if place.kind == "mariadb":
        sql = (
            "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Query'"
            " AND id <> CONNECTION_ID()"
        )
        return bool(place.run(sql)[0][0])
    return True


def check_nothing_is_left(place: Place) -> None:
    if place.kind in ("postgres", "mariadb"):
        wait_until(lambda: not is_busy(place))
    assert not place.fed._writing
    assert [row[:2] for row in place.rows(columns="id, name")] == [(1, "one"), (2, "two"), (3, None)]
    assert place.rows("bare") == []
    assert place.fed.execute("update items set name = 'after' where id = 1").rows == 1
    assert place.fed.query("select name from items where id = 1").scalar() == "after"


WRITES: dict[str, Callable[[fedq.Federation], object]] = {
    "execute": lambda fed: fed.execute("update items set name = 'mine' where id <= 2"),
    "upsert": lambda fed: fed.write([{"id": 1, "name": "mine"}, {"id": 9, "name": "new"}], "items", mode="upsert"),
}


@pytest.mark.parametrize("how", list(WRITES))
def test_cancel_frees_a_write_that_waits_for_a_lock(place: Place, how: str, request: pytest.FixtureRequest) -> None:
    if place.kind == "duckdb":
        pytest.skip("whoever has a DuckDB file has all of it, and others are refused at once")
    with locked(place, request):
        error = stopped_by(place, lambda: WRITES[how](place.fed), place.fed.cancel)
    assert isinstance(error, fedq.QueryCancelled)
    check_nothing_is_left(place)


def test_cancel_stops_a_native_statement(place: Place) -> None:
    error = stopped_by(place, lambda: place.fed.execute(SLOW[place.kind], native="here"), place.fed.cancel)
    assert isinstance(error, fedq.QueryCancelled)
    check_nothing_is_left(place)


def test_a_timeout_stops_a_write(place: Place) -> None:
    with pytest.raises(fedq.QueryTimeout, match=r"timeout = 0\.5 s"):
        place.fed.execute(SLOW[place.kind], native="here", timeout=0.5)
    check_nothing_is_left(place)


def test_the_policy_has_a_timeout_for_writes_too(place: Place, request: pytest.FixtureRequest) -> None:
    if place.kind == "duckdb":
        pytest.skip("whoever has a DuckDB file has all of it, and others are refused at once")
    with pytest.raises(fedq.ParameterError):
        place.fed.write([{"id": 5}], "items", timeout="soon")
    with locked(place, request), pytest.raises(fedq.QueryTimeout):
        place.fed.write([{"id": 1, "name": "x"}], "items", mode="upsert", timeout="500ms")
    check_nothing_is_left(place)


def test_ctrl_c_stops_a_write(place: Place) -> None:
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(fedq.QueryCancelled):
            place.fed.execute(SLOW[place.kind], native="here", timeout=PATIENCE)
    finally:
        timer.cancel()
    check_nothing_is_left(place)


def test_a_stopped_statement_undoes_its_transaction(place: Place) -> None:
    with pytest.raises(fedq.QueryTimeout), place.fed.transaction():
        place.fed.execute("delete from items where id = 2")
        place.fed.execute(SLOW[place.kind], native="here", timeout=0.5)
    check_nothing_is_left(place)


def test_a_stop_that_comes_before_the_commit_is_a_rollback_and_one_after_it_too_late() -> None:
    writing = Writing()
    writing.decide()
    assert not writing.stop()
    with pytest.raises(fedq.QueryCancelled):
        writing.again()
    stopped = Writing()
    assert stopped.stop()
    with pytest.raises(fedq.QueryCancelled):
        stopped.decide()


@pytest.mark.parametrize("place", ["postgres", "mariadb"], indirect=True)
def test_a_network_that_swallows_the_commit_or_the_rollback_is_not_waited_for(
    place: Place,
    request: pytest.FixtureRequest,
    fault_proxy: Callable[[int], FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knows whether it is written: the error says so, and later reads go where it would be."""
    port = request.getfixturevalue(place.kind).port
    proxy = fault_proxy(port)
    here = {"url": place.fed.catalog.databases["here"].url.replace(f":{port}/", f":{proxy.port}/"),
            "password": {"env": f"{place.kind.upper()}_PASSWORD"}}  # fmt: skip
    monkeypatch.setattr(stoppable, "_ANSWER", 0.3)
    module = {"postgres": postgres_writer, "mariadb": mysql_transaction}[place.kind]
    monkeypatch.setattr(module, "UNDO_SECONDS", 0.3)
    catalog = {"version": 1, "databases": {"here": here}, "policy": {"timeout": "1s"}}
    with fedq.connect(catalog) as fed, pytest.raises(ZeroDivisionError), fed.transaction():
        fed.execute("delete from items")
        proxy.set("blackhole")
        raise ZeroDivisionError
    commit = desk.Desk.commit

    def swallowed(self: desk.Desk, writer: Writer) -> Position | None:
        proxy.set("blackhole")
        return commit(self, writer)

    monkeypatch.setattr(desk.Desk, "commit", swallowed)
    for write in (lambda fed: fed.execute("insert into items (id) values (8)"), _in_transaction):
        proxy.reset_all()  # what was swallowed is gone, and the server undoes it
        proxy.set("pass")
        told: list[object] = []
        with fedq.connect(catalog) as fed:
            monkeypatch.setattr(fed._sources, "wrote", lambda *what, told=told: told.append(what))
            with pytest.raises(fedq.QueryTimeout, match="its commit was sent; the database has not answered"):
                write(fed)
            assert told == [("here", None)]
    assert [row[0] for row in place.rows(columns="id")][:3] == [1, 2, 3]


def _in_transaction(fed: fedq.Federation) -> None:
    with fed.transaction():
        fed.execute("insert into items (id) values (9)")


def test_stopping_at_any_moment_is_all_or_nothing(place: Place) -> None:
    """Cancelled after 0 to 30 ms: either it was cancelled and nothing is there, or it was not and all is."""
    for attempt in range(8):
        before = len(place.rows())
        timer = threading.Timer(attempt * 0.004, place.fed.cancel)
        timer.start()
        rows = [{"id": 100 + 10 * attempt + number, "name": "x"} for number in range(5)]
        is_written = False
        with suppress(fedq.QueryCancelled):
            place.fed.write(rows, "items")
            is_written = True
        timer.join()
        assert len(place.rows()) == before + 5 * is_written
