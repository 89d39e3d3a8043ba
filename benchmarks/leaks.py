"""What is left of queries that were cancelled, broken off: server sessions, open files, transactions, threads.

    python -m benchmarks.leaks                1,000 queries by 4 threads over a PostgreSQL, a MariaDB and a SQLite file
    python -m benchmarks.leaks --queries 200

A tenth is cancelled (one thread's by Ctrl-C, the others' by `cancel()`, each while rows arrive or while the server
computes), a tenth is abandoned half-read (an exception in the listener, `max_pull`, a timeout, a dropped reader, a
transaction that raises), the rest is answered. The pools are full before, so that what is counted after is not more
than before by chance; the last line is after `close()`, and must be the first one again.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import sys
import tempfile
import threading
import time
from _thread import interrupt_main
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

import fedq
from fedq.events import Event, Received, Sent
from tests.servers import MariaDBServer, PostgresServer, Server

THREADS = 4
ROWS = 20_000
#: seconds in which what was stopped has ended in the servers too
_SETTLED = 30.0
_NUMBERS = f"WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {ROWS})"
_JOIN = """
    SELECT r.name, count(*) AS orders, sum(o.amount) AS amount
    FROM orders o JOIN customers c ON o.customer = c.id JOIN regions r ON c.region = r.id
    WHERE o.id % 100 = :n GROUP BY r.name
"""
_ANSWERED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SELECT * FROM orders WHERE id % 100 = :n", {}), ("SELECT * FROM customers WHERE id % 100 = :n", {}),
    ("SELECT * FROM visits WHERE id % 100 = :n", {}), (_JOIN, {}),
    ("SELECT * FROM orders WHERE id = 1", {"native": "pg"}), ("SELECT * FROM customers WHERE id = 1", {"native": "my"}),
    ("SELECT * FROM visits WHERE id = 1", {"native": "lite"}),
)  # fmt: skip
#: all rows of one or of several databases; and what takes the server long before it says anything
_LARGE = (
    "SELECT * FROM orders", "SELECT * FROM customers", "SELECT * FROM visits",
    "SELECT o.*, c.region, v.page FROM orders o JOIN customers c ON o.customer = c.id JOIN visits v USING (customer)",
)  # fmt: skip
_SLOW = tuple(
    f"SELECT count(*) AS n FROM {table} a JOIN {table} b ON a.id <> b.id JOIN {table} c ON c.id <> b.id"
    for table in ("orders", "customers", "visits")
)


class Abandoned(Exception):
    """What a reader raises that does not want the rest."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held at one moment."""

    sessions: dict[str, int]
    """Of each server."""
    transactions: int
    """Open ones in both servers and the file; nothing runs when they are counted."""
    files: tuple[str, ...]
    threads: tuple[str, ...]
    megabytes: float

    def exceeds(self, other: Held) -> list[str]:
        """What there is more of than in another moment; memory is for a person to judge."""
        pairs = {
            **{f"sessions of {name}": (self.sessions[name], other.sessions[name]) for name in self.sessions},
            "transactions": (self.transactions, other.transactions),
            f"files {sorted(set(self.files) - set(other.files))}": (len(self.files), len(other.files)),
            f"threads {self.threads}": (len(self.threads), len(other.threads)),
        }
        return [f"{what}: {now}, before {then}" for what, (now, then) in pairs.items() if now > then]

    def __str__(self) -> str:
        sessions = "  ".join(f"{name} {number}" for name, number in self.sessions.items())
        return (
            f"sessions: {sessions}   open transactions: {self.transactions}   file descriptors: {len(self.files)}"
            f"   threads: {len(self.threads)}   resident: {self.megabytes:.0f} MB"
        )


@dataclass
class Ground:
    """The three databases and a federation of them."""

    postgres: Server
    mariadb: Server
    names: dict[str, str]
    """The database of each in its server."""
    file: Path
    fed: fedq.Federation

    def held(self) -> Held:
        """Count, from outside."""
        gc.collect()
        [(mine, idle)] = self.postgres.sql(
            "SELECT count(*), count(*) FILTER (WHERE xact_start IS NOT NULL) FROM pg_stat_activity"
            f" WHERE datname = '{self.names['pg']}'",
            admin=True,
        )
        theirs = f"FROM information_schema.processlist WHERE db = '{self.names['my']}'"
        [(other,)] = self.mariadb.sql(f"SELECT count(*) {theirs}", admin=True)
        [(open_,)] = self.mariadb.sql(
            f"SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN (SELECT id {theirs})",
            admin=True,
        )
        with closing(sqlite3.connect(self.file, timeout=0, isolation_level=None)) as lite:
            try:
                lite.execute("UPDATE counted SET times = times + 1")
                # the log is emptied unless a transaction still reads what was before
                locked = int(lite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
            except sqlite3.OperationalError:  # somebody writes
                locked = 1
        status = Path("/proc/self/status").read_text()
        kilobytes = int(status.partition("VmRSS:")[2].split()[0])
        files = tuple(_target(file) for file in Path("/proc/self/fd").iterdir())
        return Held(
            {"pg": mine, "my": other},
            idle + open_ + locked,
            files,
            tuple(sorted(thread.name for thread in threading.enumerate())),
            kilobytes / 1024,
        )

    def settled(self, before: Held) -> Held:
        """What is held when nothing is more than before, or after half a minute."""
        deadline = time.monotonic() + _SETTLED
        while (found := self.held()).exceeds(before) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def fill_pools(self) -> None:
        """As many sessions of each database as its pool holds, a writer's, the threads that ask side by side."""
        together = threading.Barrier(8, timeout=30)
        self.fed._sources.side_by_side([together.wait] * together.parties)
        for sql, options in _ANSWERED:
            self.fed.query(sql, {} if options else {"n": 1}, **options)
        for name in ("pg", "my", "lite"):
            self.fed.execute("INSERT INTO written VALUES (-1)", using=name)
            self.fed.execute("DELETE FROM written", using=name)
            with ExitStack() as stack:
                for _ in range(THREADS):
                    session = self.fed._sources.primary(name).open()
                    stack.callback(session.close)
                    list(session.native("SELECT 1"))


@contextmanager
def ground(postgres: Server, mariadb: Server, folder: Path) -> Iterator[Ground]:
    """Tables in the two servers and a file, and a federation of them."""
    csv.read_csv(pa.BufferReader(b"a\n1\n"))  # Arrow's own pipe, for Ctrl-C, which it opens once in the main thread
    urls = {"pg": postgres.new_database("leaks"), "my": mariadb.new_database("leaks")}
    file = folder / "visits.db"
    columns = "id BIGINT NOT NULL PRIMARY KEY, customer BIGINT"
    postgres.sql(
        f"CREATE TABLE written (id BIGINT); CREATE TABLE orders ({columns}, amount NUMERIC(10,2));"
        f"INSERT INTO orders {_NUMBERS} SELECT id, id % 1000, id / 100.0 FROM n; ANALYZE orders",
        urls["pg"],
    )
    mariadb.sql(
        "CREATE TABLE written (id BIGINT); CREATE TABLE regions (id BIGINT PRIMARY KEY, name VARCHAR(20));"
        "INSERT INTO regions VALUES (0, 'north'), (1, 'south'), (2, 'east'), (3, 'west');"
        "CREATE TABLE customers (id BIGINT PRIMARY KEY, region BIGINT, name VARCHAR(40));"
        "SET max_recursive_iterations = 1000000;"
        f"INSERT INTO customers {_NUMBERS} SELECT id, id % 4, CONCAT('customer ', id) FROM n",
        urls["my"],
    )
    with closing(sqlite3.connect(file)) as lite:
        lite.executescript(
            f"PRAGMA journal_mode = wal; CREATE TABLE written (id BIGINT); CREATE TABLE visits ({columns}, page TEXT);"
            "CREATE TABLE counted (times BIGINT); INSERT INTO counted VALUES (0);"
            f"INSERT INTO visits {_NUMBERS} SELECT id, id % 1000, 'page ' || id FROM n"
        )
    os.environ["LEAKS_PASSWORD"] = postgres.password
    told: dict[str, Any] = {
        name: {"url": url.replace(f":{postgres.password}@", "@"), "password": {"env": "LEAKS_PASSWORD"}}
        for name, url in urls.items()
    }
    catalog = {
        "version": 1, "databases": {**told, "lite": {"url": f"sqlite:///{file}"}}, "policy": {"on_cross_db": "allow"},
        "tables": {"orders": "pg", "customers": "my", "regions": "my", "visits": "lite"},
    }  # fmt: skip
    with fedq.connect(catalog) as fed:
        yield Ground(postgres, mariadb, {name: url.rpartition("/")[2] for name, url in urls.items()}, file, fed)


def _target(file: Path) -> str:
    """What a file descriptor is of; the one that lists them is gone by then."""
    try:
        return str(file.readlink())
    except FileNotFoundError:
        return "the listing"


def storm(place: Ground, numbers: range) -> Counter[str]:
    """Queries of these numbers by four threads, this one among them; how many ended how."""
    ended: Counter[str] = Counter()
    wrong: list[BaseException] = []
    left = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        while not wrong:
            with lock:
                number = next(left, None)
            if number is None:
                return
            try:
                how = _one(place, number)
            except BaseException as error:  # noqa: BLE001  raised in the thread that waits
                wrong.append(error)
                return
            with lock:
                ended[how] += 1

    threads = [threading.Thread(target=work) for _ in range(THREADS - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    return ended


def _one(place: Ground, number: int) -> str:
    if number % 10 == 3:
        return _cancelled(place, number // 10)
    if number % 10 == 7:
        way = _ABANDONED[number // 10 % len(_ABANDONED)]
        return _until_it_is_ours(lambda: way(place, number // 10), f"abandoned: {way.__name__.strip('_')}")
    sql, options = _ANSWERED[number % len(_ANSWERED)]
    parameters = {} if options else {"n": number % 100}

    def answered() -> None:
        assert len(place.fed.query(sql, parameters, **options)) > 0

    return _until_it_is_ours(answered, "answered")


def _until_it_is_ours(work: Callable[[], None], name: str) -> str:
    """`cancel()` stops the queries of all threads: one that was stopped for another's sake is run again."""
    while True:
        try:
            work()
        except fedq.QueryCancelled:
            continue
        return name


def _cancelled(place: Ground, number: int) -> str:
    """Cancelled when its first rows arrive, or while the server still computes."""
    is_slow = number % 3 == 0
    sql = _SLOW[number % len(_SLOW)] if is_slow else _LARGE[number % len(_LARGE)]
    is_main = threading.current_thread() is threading.main_thread()
    stop: Callable[[], None] = interrupt_main if is_main else place.fed.cancel
    told = threading.Event()

    def listen(event: Event) -> None:
        if not told.is_set() and isinstance(event, Sent if is_slow else Received):
            told.set()
            if is_slow:
                threading.Timer(0.05, stop).start()
            else:
                stop()

    how = "Ctrl-C" if is_main else "cancel()"
    try:
        place.fed.query(sql, listener=listen)
    except fedq.QueryCancelled:
        return f"cancelled: {how}"
    return _cancelled(place, 0)  # answered before it could be: one that takes long


def _listener_raises(place: Ground, number: int) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Received):
            raise Abandoned

    try:
        place.fed.query(_LARGE[number % len(_LARGE)], listener=listen)
    except Abandoned:
        return
    raise AssertionError("the listener's exception did not arrive")


def _too_much(place: Ground, number: int) -> None:
    try:
        place.fed.query(_LARGE[number % len(_LARGE)], max_pull=1_000)
    except fedq.PullTooLarge:
        return
    raise AssertionError("more was pulled than allowed")


def _too_late(place: Ground, number: int) -> None:
    try:
        place.fed.query(_SLOW[number % len(_SLOW)], timeout=0.1)
    except fedq.QueryTimeout:
        return
    raise AssertionError("it was answered in time")


def _reader_dropped(place: Ground, number: int) -> None:
    """The rows of one database, read by hand, of which only the first ones are wanted."""
    name, table = (("pg", "orders"), ("my", "customers"), ("lite", "visits"))[number % 3]
    session = place.fed._sources.primary(name).open()
    try:
        batches = session.native(f"SELECT a.* FROM {table} a, {table} b")
        assert next(iter(batches)).num_rows
        del batches
    finally:
        session.close()


def _transaction_raises(place: Ground, number: int) -> None:
    name = ("pg", "my", "lite")[number % 3]
    stop = (Abandoned, KeyboardInterrupt)[number % 2]
    try:
        with place.fed.transaction():
            place.fed.execute(f"INSERT INTO written VALUES ({number})", using=name)
            raise stop
    except (Abandoned, KeyboardInterrupt):
        return


_ABANDONED = (_listener_raises, _too_much, _too_late, _reader_dropped, _transaction_raises)


def main() -> None:
    """Print what is held before and after; the exit code is 1 where it is more."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--queries", type=int, default=1_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fedq-leaks-", dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = PostgresServer.start(folder / PostgresServer.engine)
        stack.callback(postgres.kill)
        mariadb = MariaDBServer.start(folder / MariaDBServer.engine)
        stack.callback(mariadb.kill)
        failed = _report(postgres, mariadb, folder, told.queries)
    sys.exit("\n".join(failed) or 0)


def _report(postgres: Server, mariadb: Server, folder: Path, queries: int) -> list[str]:
    with ground(postgres, mariadb, folder) as place:
        first = place.held()
        print(f"connected to nothing    {first}", flush=True)
        place.fill_pools()
        before = place.held()
        print(f"pools are full          {before}", flush=True)
        ended: Counter[str] = Counter()
        started = time.monotonic()
        for part in range(4):
            ended += storm(place, range(queries * part // 4, queries * (part + 1) // 4))
            after = place.settled(before)
            print(f"after {queries * (part + 1) // 4:>6,} queries   {after}", *after.exceeds(before), flush=True)
        failed = after.exceeds(before)
        place.fed.close()
        closed = place.settled(first)
        print(f"closed                  {closed}")
    ways = ", ".join(f"{number} {how}" for how, number in sorted(ended.items()))
    print(f"{time.monotonic() - started:.0f} s, {THREADS} threads; {ways}")
    return [*failed, *(f"after close(): {what}" for what in closed.exceeds(first))]


if __name__ == "__main__":
    main()
