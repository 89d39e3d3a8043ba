"""A federation that was used before a fork, in the child and again in the parent."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

import fedq
from tests.servers import MariaDBServer

JOIN = "select a.id, b.name from a join b using (id) order by all"
ROWS = [(1, "one"), (2, "two")]


@pytest.fixture
def fed(tmp_path: Path) -> fedq.Federation:
    """Two databases and a folder of files, all of them read, and one written, before anybody forks."""
    with sqlite3.connect(tmp_path / "a.db") as lite:
        lite.executescript("CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1), (2)")
    lite.close()
    with duckdb.connect(str(tmp_path / "b.duckdb")) as duck:
        duck.execute("CREATE TABLE b AS SELECT * FROM (VALUES (1, 'one'), (2, 'two')) v(id, name)")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "c.csv").write_text("id\n1\n")
    fed = fedq.connect(lite=tmp_path / "a.db", duck=tmp_path / "b.duckdb", files=tmp_path / "files")
    fed.query(JOIN, on_cross_db="allow")
    fed.query("select * from c")
    fed.execute("insert into a values (3)")
    fed.execute("delete from a where id = 3")
    return fed


def in_child(task: Callable[[], object]) -> int:
    """The exit code of a forked process that does this: 0 when it is done, 1 for an error, -SIGALRM when it hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            task()
        except BaseException:  # the parent has only the exit code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_everything_for_itself(fed: fedq.Federation) -> None:
    def used() -> None:
        assert fed.query(JOIN, on_cross_db="allow").rows() == ROWS
        assert fed.query("select * from c").rows() == [(1,)]
        assert fed.execute("insert into a values (4)").rows == 1
        fed.close()

    assert in_child(used) == 0
    assert fed.query(JOIN, on_cross_db="allow").rows() == ROWS
    assert fed.query("select max(id) from a").scalar() == 4, "written by the child"
    fed.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_lock_that_was_held_while_forking_is_free_in_the_child(fed: fedq.Federation) -> None:
    with fed._sources._lock, fed._engine._lock:
        code = in_child(lambda: fed.query(JOIN, on_cross_db="allow"))
    assert code == 0
    fed.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_closes_stops_nothing_of_its_parent(mariadb: MariaDBServer) -> None:
    sent = threading.Event()
    with fedq.connect(my=mariadb.new_database()) as fed, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fed.query, "select 7 as x, sleep(2)", native="my", listener=lambda event: sent.set())
        assert sent.wait(20)
        time.sleep(0.5)  # the server is at it
        assert in_child(fed.close) == 0
        assert answer.result(20)[0].x == 7
