"""One transaction per database, two phases over several, and what a crash leaves is found and finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.fetch.mysql.writer import MySQLWriter
from fedq.write import journal
from tests.servers import FaultProxy, MariaDBServer, PostgresServer, Server
from tests.write.conftest import Place


def test_all_or_nothing(place: Place) -> None:
    with place.fed.transaction():
        place.fed.execute("insert into items (id, name) values (10, 'x')")
        place.fed.execute("update items set name = name || '!' where id = 10")
        place.fed.write([{"id": 11, "name": "y"}], "items")
        assert place.fed.query("select id, name from items where id >= 10 order by id").rows() == [
            (10, "x!"),
            (11, "y"),
        ]
    assert place.rows(columns="id, name")[-2:] == [(10, "x!"), (11, "y")]


def test_an_error_undoes_it(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.fed.transaction() as around:
        around.execute("delete from items")
        raise ZeroDivisionError
    assert len(place.rows()) == 3
    with pytest.raises(fedq.DatabaseError, match="failed before"), place.fed.transaction():
        place.fed.execute("delete from items where id = 2")
        with pytest.raises(fedq.FedqError):
            place.fed.execute("insert into items (id) values (1)")
    assert len(place.rows()) == 3
    place.fed.execute("delete from items where id = 2")  # and afterwards everything works
    assert len(place.rows()) == 2


def test_a_second_database_that_cannot_prepare_is_refused(place: Place) -> None:
    with pytest.raises(fedq.NotAllowed, match="two phases"), place.fed.transaction():
        place.fed.execute("delete from items")
        place.fed.execute("delete from lookup")
    assert len(place.rows()) == 3


def test_one_after_the_other_where_that_is_asked_for(place: Place) -> None:
    with place.fed.transaction(atomic=False) as around:
        place.fed.execute("delete from items")
        place.fed.execute("delete from lookup where id = 7")
    assert around.written is not None
    assert (around.written.rows, around.written.databases) == (4, ("here", "there"))
    assert place.rows() == []


def test_concurrent_updates_lose_nothing(place: Place) -> None:
    if place.kind == "duckdb":
        pytest.skip("a DuckDB file has one writer at a time")
    place.fed.execute("insert into pairs values (1, 'n', 0)")
    errors: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(5):
                place.fed.execute("update pairs set v = v + 1 where a = 1")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    done = 15 - sum(1 for error in errors if isinstance(error, fedq.DatabaseError)) * 5
    assert not [error for error in errors if not isinstance(error, fedq.DatabaseError)]
    found = place.rows("pairs", columns="v")[0][0]
    assert found == 15 if not errors else done <= found < 15


@dataclass
class Pair:
    """PostgreSQL and MariaDB with a table `t` each, `pg.t` and `my.t`."""

    databases: dict[str, Any]
    run: dict[str, Callable[[str], list[tuple[Any, ...]]]]
    fed: fedq.Federation

    def counts(self) -> tuple[int, int]:
        return tuple(self.run[name]("SELECT count(*) FROM t")[0][0] for name in ("pg", "my"))  # type: ignore[return-value]


@pytest.fixture
def pair(
    postgres: PostgresServer, mariadb: MariaDBServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Pair]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    databases, run = {}, {}
    servers: dict[str, Server] = {"pg": postgres, "my": mariadb}
    for name, server in servers.items():
        url = server.new_database()
        monkeypatch.setenv(f"{name.upper()}_PASSWORD", server.password)
        databases[name] = {
            "url": url.replace(f":{server.password}@", "@"),
            "password": {"env": f"{name.upper()}_PASSWORD"},
        }
        run[name] = lambda sql, server=server, url=url: server.sql(sql, url)  # type: ignore[misc]
        run[name]("CREATE TABLE t (id INTEGER PRIMARY KEY, s VARCHAR(20))")
    with fedq.connect({"version": 1, "databases": databases}) as fed:
        yield Pair(databases, run, fed)


def test_two_databases_commit_together(pair: Pair) -> None:
    with pair.fed.transaction() as around:
        pair.fed.execute("insert into pg.t values (1, 'a')")
        pair.fed.execute("insert into my.t select id, s from pg.t")
    assert around.written is not None
    assert around.written.databases == ("pg", "my")
    assert pair.counts() == (1, 1)
    with pytest.raises(fedq.FedqError), pair.fed.transaction():
        pair.fed.execute("insert into pg.t values (2, 'b')")
        pair.fed.execute("insert into my.t values (1, 'twin')")
    assert pair.counts() == (1, 1)
    assert len(pair.fed.recover()) == 0


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_two_databases_of_one_server_with_long_names(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server tells their parts apart by the transaction's name, which is no longer than 64 bytes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    server: Server = request.getfixturevalue(kind)
    urls = {f"orders_of_the_whole_company_{year}": server.new_database() for year in (2024, 2025)}
    for url in urls.values():
        server.sql("CREATE TABLE t (id INTEGER PRIMARY KEY)", url)
    with fedq.connect({"version": 1, "databases": {name: {"url": url} for name, url in urls.items()}}) as fed:
        with fed.transaction():
            for name in urls:
                fed.execute(f"insert into {name}.t values (1)")
        assert len(fed.recover()) == 0
    assert [server.sql("SELECT count(*) FROM t", url) for url in urls.values()] == [[(1,)], [(1,)]]


def test_a_statement_that_would_commit_on_the_way_is_refused(pair: Pair) -> None:
    """Also where each database commits by itself: what was written before it could not be undone any more."""
    pair.run["my"]("CREATE PROCEDURE sneak() BEGIN INSERT INTO t VALUES (8, 'x'); COMMIT; END")
    for sql in ("create table never (id int)", "call sneak()"):
        with pytest.raises(fedq.DatabaseError, match="1399"), pair.fed.transaction(atomic=False):
            pair.fed.execute("insert into my.t values (7, 'x')")
            pair.fed.execute(sql, native="my")
    assert pair.counts() == (0, 0)


@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_a_table_that_keeps_what_failed_is_not_written(pair: Pair, engine: str) -> None:
    pair.run["my"](f"CREATE TABLE old (id INTEGER PRIMARY KEY) ENGINE = {engine}")
    pair.run["my"]("INSERT INTO old VALUES (1)")
    for write in (
        lambda: pair.fed.write([{"id": number} for number in range(300, 0, -1)], "my.old"),
        lambda: pair.fed.write([{"id": 1}], "my.old", mode="replace"),
        lambda: pair.fed.execute("update my.old set id = id + 1"),
        lambda: pair.fed.execute("delete from my.old where id = 1"),
    ):
        with pytest.raises(fedq.NotAllowed, match=f"{engine} has no transactions"):
            write()
    assert pair.run["my"]("SELECT * FROM old") == [(1,)]
    assert pair.fed.execute("insert into old values (2)", native="my").rows == 1


def test_a_commit_counts_whatever_happens_to_the_connection_after_it(
    pair: Pair, mariadb: MariaDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked where it stands; nobody may take the lost answer for a write that was undone."""

    def killed(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: MySQLWriter, *rest: Any) -> Any:
            mariadb.sql(f"KILL {self.link.id}", admin=True)
            return method(self, *rest)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(MySQLWriter, "_position", killed(MySQLWriter._position))
        assert pair.fed.execute("insert into my.t values (1, 'a')").positions == {}
        assert pair.fed.execute("insert into t values (2, 'b')", native="my").rows == 1
        with pair.fed.transaction():
            pair.fed.execute("insert into my.t values (3, 'c')")
            pair.fed.execute("insert into pg.t values (3, 'c')")
    assert pair.counts() == (1, 3)
    with monkeypatch.context() as patch:
        patch.setattr(MySQLWriter, "in_doubt", killed(MySQLWriter.in_doubt))
        assert ["cannot be asked" in row["outcome"] for row in pair.fed.recover().to_dicts()] == [True]
        patch.setattr(MySQLWriter, "_not_all", killed(MySQLWriter._not_all))
        with pytest.raises(fedq.ConnectionLost):
            pair.fed.write([{"id": number // 2} for number in range(300)], "my.t")
        patch.setattr(MySQLWriter, "run", killed(MySQLWriter.run))
        told: list[object] = []
        patch.setattr(pair.fed._sources, "wrote", lambda *what: told.append(what))
        with pytest.raises(fedq.ConnectionLost):
            pair.fed.execute("insert into t values (4, 'd')", native="my")
        assert told == [("my", None)]  # it may be there all the same
    assert pair.counts() == (1, 3)


CRASH = """
import os, signal, sys, fedq
from fedq.write import journal
def die(self, *rest): os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "before": journal.Entry.decide = die
else:
    decide = journal.Entry.decide
    journal.Entry.decide = lambda self: (decide(self), die(self))
fed = fedq.connect(eval(sys.argv[2]))
with fed.transaction():
    fed.execute("insert into pg.t values (1, 'a')")
    fed.execute("insert into my.t values (1, 'a')")
"""


@pytest.mark.parametrize(("when", "outcome", "count"), [("before", "rolled back", 0), ("after", "committed", 1)])
def test_a_crash_between_the_phases_is_finished(pair: Pair, when: str, outcome: str, count: int) -> None:
    catalog = repr({"version": 1, "databases": pair.databases})
    died = subprocess.run([sys.executable, "-c", CRASH, when, catalog], check=False, timeout=60, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    assert pair.counts() == (0, 0)
    found = pair.fed.recover().to_dicts()
    assert {(row["database"], row["outcome"]) for row in found} == {("pg", outcome), ("my", outcome)}
    assert pair.counts() == (count, count)
    assert len(pair.fed.recover()) == 0


def test_a_catalog_with_another_database_of_that_name_leaves_it_alone(pair: Pair, mariadb: MariaDBServer) -> None:
    catalog = repr({"version": 1, "databases": pair.databases})
    subprocess.run([sys.executable, "-c", CRASH, "after", catalog], check=False, timeout=60, env=dict(os.environ))
    other = mariadb.new_database().replace(f":{mariadb.password}@", "@")
    with fedq.connect({"version": 1, "databases": {"my": {**pair.databases["my"], "url": other}}}) as fed:
        outcomes = {row["database"]: row["outcome"] for row in fed.recover().to_dicts() if ":my" in row["transaction"]}
        assert "has not the database" in outcomes["my"]
    assert pair.counts() == (0, 0)
    assert {row["outcome"] for row in pair.fed.recover().to_dicts()} == {"committed"}
    assert pair.counts() == (1, 1)


def test_what_could_not_be_rolled_back_is_recovered(
    pair: Pair,
    postgres: PostgresServer,
    fault_proxy: Callable[[int], FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = fault_proxy(postgres.port)
    url = pair.databases["pg"]["url"].replace(f":{postgres.port}/", f":{proxy.port}/")
    databases = {**pair.databases, "pg": {**pair.databases["pg"], "url": url}}

    def fail(self: journal.Entry) -> None:
        proxy.set("refuse")
        proxy.reset_all()
        raise fedq.DatabaseError("no space is left")

    with fedq.connect({"version": 1, "databases": databases}) as fed:
        with monkeypatch.context() as patch:
            patch.setattr(journal.Entry, "decide", fail)
            with pytest.raises(fedq.DatabaseError, match="no space"), fed.transaction():
                fed.execute("insert into pg.t values (1, 'a')")
                fed.execute("insert into my.t values (1, 'a')")
        proxy.set("pass")
        assert {row["outcome"] for row in fed.recover().to_dicts()} == {"rolled back"}
        assert pair.counts() == (0, 0)
        assert len(fed.recover()) == 0


def test_what_is_still_being_committed_is_left_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, found = journal.Entry.decide, list[str]()

    def look(self: journal.Entry) -> None:
        with fedq.connect({"version": 1, "databases": pair.databases}) as other:
            found.extend(row["outcome"] for row in other.recover().to_dicts() if self.path.stem in row["transaction"])
        decide(self)

    monkeypatch.setattr(journal.Entry, "decide", look)
    with pair.fed.transaction():
        pair.fed.execute("insert into pg.t values (1, 'a')")
        pair.fed.execute("insert into my.t values (1, 'a')")
    assert found == ["under way: its process is still at it"] * 2
    assert pair.counts() == (1, 1)


def test_what_another_machine_prepared_is_only_shown(pair: Pair) -> None:
    connection = "BEGIN; INSERT INTO t VALUES (9, 'x'); PREPARE TRANSACTION 'fedq:elsewhere:pg'"
    pair.run["pg"](connection)
    assert [row["outcome"] for row in pair.fed.recover().to_dicts()] == ["in doubt: its journal is not on this machine"]
    pair.run["pg"]("ROLLBACK PREPARED 'fedq:elsewhere:pg'")


def test_a_token_says_where_the_write_stands(pair: Pair) -> None:
    written = pair.fed.execute("insert into pg.t values (5, 'x')")
    assert written.positions["pg"].engine == "postgresql"
    assert "/" in written.positions["pg"].position
    assert '"version": 1' in written.token


def test_native_statements(pair: Pair) -> None:
    pair.fed.execute("create table made (id serial primary key, v int check (v > 0))", native="pg")
    assert pair.fed.execute("insert into made (v) values (1), (2)", native="pg").rows == 2
    with pytest.raises(fedq.DatabaseError):
        pair.fed.execute("insert into made (v) values (0)", native="pg")
    assert pair.fed.query("select count(*) from made").scalar() == 2
    pair.fed.execute("create table made_too (id int primary key auto_increment, v int) engine = innodb", native="my")
    assert pair.fed.execute("insert into made_too (v) values (1), (2)", native="my").rows == 2
    for sql in (
        "commit",
        "/* x */ begin",
        "set role postgres",
        "-- x\nrollback",
        "/*! commit */",
        "",
        "prepare transaction 'x'",
    ):
        with pytest.raises(fedq.NotAllowed):
            pair.fed.execute(sql, native="pg")
    with pytest.raises(fedq.DatabaseError, match="1399") as raised, pair.fed.transaction():
        pair.fed.execute("insert into made_too (v) values (3)", native="my")
        pair.fed.execute("create table never (id int)", native="my")
    assert "outside of transaction()" in str(raised.value)
    assert pair.fed.query("select count(*) from made_too").scalar() == 2
    for name in ("pg", "my"):
        with pytest.raises(fedq.FedqError):
            pair.fed.execute("insert into t values (70, 'x'); insert into t values (71, 'y')", native=name)
    assert pair.counts() == (0, 0)
