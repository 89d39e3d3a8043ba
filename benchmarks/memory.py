"""A join, a sort and a grouping of ten times the memory limit: do they finish, and how much memory do they take?

    python -m benchmarks.memory [--limit 256] [--source sqlite postgres mariadb] [--queries join sort grouping]

`--limit` is `memory_limit` in MB; each of two databases is given five times as much. Goal: every query completes, and
the process never holds more than the limit plus 200 MB. The text is random, so that no compression makes it smaller,
and the queries are such that no database can answer a part of them. Each runs in a process of its own, because a peak
is a process's. Twenty times a second the process is asked who holds its memory, and what is printed is the fullest
moment. The figures are kept in benchmarks/results/memory.json, and memory.md there is written from them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.servers import MariaDBServer, PostgresServer, Server

FACTOR = 10
ALLOWANCE = 200  # MB above the limit: Python, the libraries, and what is on its way
WIDTH = 1000  # bytes of text in a row
MEGA = 1_000_000
TABLES = ("hither", "yon")
RESULTS = Path(__file__).parent / "results"
PAUSE = 0.05

BOTH = "(SELECT * FROM hither UNION ALL SELECT * FROM yon)"
QUERIES = {
    "join": "SELECT count(*), max(md5(h.note || y.note)) FROM hither h JOIN yon y ON h.id = y.id",
    "sort": f"SELECT CAST(length(note) AS SMALLINT) FROM {BOTH} ORDER BY note",
    "grouping": f"SELECT count(*), max(n) FROM (SELECT note, count(*) AS n FROM {BOTH} GROUP BY note)",
}
SOURCES = ("sqlite", "postgres", "mariadb")
HEAD = f"""# Ten times the memory limit

`python -m benchmarks.memory --limit N --source …`: {WIDTH:,} bytes of random text in a row, half of the rows in each of
two databases; `memory_limit` is a tenth of the text. Goal: done, and never more than the limit plus {ALLOWANCE} MB in
the process. The peak is the kernel's (`ru_maxrss`); beside it who held the memory at the fullest moment: DuckDB's
buffers (`duckdb_memory()`), Arrow (`pyarrow.total_allocated_bytes()`), files (the libraries' code), and the rest, which
is Python, modules, what the drivers hold and what the allocators keep. MB are 10⁶ bytes.

| source | limit | data | query | seconds | peak | allowed | DuckDB | Arrow | files | rest | |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


@contextmanager
def filled(source: str, rows: int, folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of two databases with one table of random text each."""
    if source == "sqlite":
        for table in TABLES:
            fill_sqlite(folder / f"{table}.sqlite", table, rows)
        yield {table: f"sqlite:///{folder / table}.sqlite" for table in TABLES}
        return
    with ExitStack() as stack:
        folder.chmod(0o711)
        server: Server = (PostgresServer if source == "postgres" else MariaDBServer).start(folder / source)
        stack.callback(server.kill)
        fill = fill_postgres if source == "postgres" else fill_mariadb
        urls = {table: server.new_database() for table in TABLES}
        for table, url in urls.items():
            fill(server, url, table, rows)
        yield urls


def fill_sqlite(file: Path, table: str, rows: int) -> None:
    """In one statement: SQLite makes the text itself."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = off")
        connection.execute("PRAGMA journal_mode = off")
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, note TEXT NOT NULL)")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        connection.execute(f"INSERT INTO {table} {numbers} SELECT i, hex(randomblob({WIDTH // 2})) FROM n", [rows])
        connection.commit()


def fill_postgres(server: Server, url: str, table: str, rows: int) -> None:
    """By COPY: PostgreSQL has no quick random text of its own."""
    server.sql(f"CREATE UNLOGGED TABLE {table} (id bigint PRIMARY KEY, note text NOT NULL)", url)
    with server.connect(url) as connection, connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for number in range(1, rows + 1):
            copy.write(f"{number}\t{os.urandom(WIDTH // 2).hex()}\n")
    server.sql(f"ANALYZE {table}", url)


def fill_mariadb(server: Server, url: str, table: str, rows: int) -> None:
    """In one statement: MariaDB makes the text itself."""
    server.sql(f"CREATE TABLE {table} (id bigint PRIMARY KEY, note varchar({WIDTH}) NOT NULL)", url)
    server.sql(f"INSERT INTO {table} SELECT seq, hex(random_bytes({WIDTH // 2})) FROM seq_1_to_{rows}", url)
    server.sql(f"ANALYZE TABLE {table}", url)


class Census:
    """Asks twenty times a second who holds this process's memory, and keeps the fullest moment."""

    def __init__(self, federation: Any) -> None:
        self._cursor = federation._engine.connection()
        self._is_over = threading.Event()
        self.fullest: dict[str, float] = {"all": 0}
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        import pyarrow

        text = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
        while not self._is_over.wait(PAUSE):
            lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
            size = {words[0]: int(words[1]) * 1024 / MEGA for words in lines if words[0] in ("VmRSS:", "RssFile:")}
            if size["VmRSS:"] > self.fullest["all"]:
                ((duckdb,),) = self._cursor.execute(text).fetchall()
                held = {"DuckDB": float(duckdb) / MEGA, "Arrow": pyarrow.total_allocated_bytes() / MEGA}
                held["files"] = size["RssFile:"]
                self.fullest = {"all": size["VmRSS:"], **held, "rest": size["VmRSS:"] - sum(held.values())}

    def stop(self) -> dict[str, float]:
        """The fullest moment, in MB."""
        self._is_over.set()
        return self.fullest


def ask(urls: dict[str, str], limit: int, sql: str) -> None:
    """Run one query in this process; print its seconds and the peak of its memory in MB."""
    import fedq

    databases = {name: {"url": url} for name, url in urls.items()}
    fed = fedq.connect({"version": 1, "databases": databases, "policy": {"memory_limit": f"{limit}MB"}})
    census = Census(fed)
    told: dict[str, object] = {}
    started = time.perf_counter()
    try:
        told["rows"] = len(fed.query(sql, on_cross_db="allow", max_pull="1TB"))
    except fedq.FedqError as error:
        told["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    told |= {"seconds": time.perf_counter() - started, "held": census.stop()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGA
    print(json.dumps(told | {"peak": peak}))


def measure(source: str, limit: int, kinds: list[str]) -> None:
    """The queries over one source, one line each; the figures go to the results."""
    rows = limit * MEGA * FACTOR // WIDTH // 2
    with tempfile.TemporaryDirectory(prefix="fedq-memory-") as name, filled(source, rows, Path(name)) as urls:
        print(f"{source}, limit {limit} MB, data {2 * rows * WIDTH / MEGA:,.0f} MB in two databases, "
              f"allowed {limit + ALLOWANCE} MB", flush=True)  # fmt: skip
        for kind in kinds:
            command = [sys.executable, "-m", "benchmarks.memory", "--limit", str(limit), "--one", json.dumps(urls)]
            done = subprocess.run([*command, QUERIES[kind]], capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{kind} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
            told = json.loads(done.stdout.splitlines()[-1])
            print(f"{kind:10} {told['seconds']:7.1f} s   peak {told['peak']:6.0f} MB   {_verdict(told, limit)}   "
                  + ", ".join(f"{who} {size:.0f}" for who, size in told["held"].items()), flush=True)  # fmt: skip
            _keep(source, limit, kind, told)


def _verdict(told: dict[str, Any], limit: int) -> str:
    return str(told.get("error", ""))[:90] or ("within" if told["peak"] <= limit + ALLOWANCE else "ABOVE")


def _keep(source: str, limit: int, kind: str, told: dict[str, Any]) -> None:
    """Into the file of figures, and the table for readers written anew."""
    figures = RESULTS / "memory.json"
    known = json.loads(figures.read_text()) if figures.exists() else {}
    known[f"{source} {limit} {kind}"] = told
    order = [f"{source} {size} {kind}" for size in sorted({int(key.split()[1]) for key in known})
             for source in SOURCES for kind in QUERIES]  # fmt: skip
    known = {key: known[key] for key in order if key in known}
    figures.write_text(json.dumps(known, indent=1) + "\n")
    (RESULTS / "memory.md").write_text(HEAD + "".join(_line(key, told) for key, told in known.items()))


def _line(key: str, told: dict[str, Any]) -> str:
    source, size, kind = key.split()
    limit = int(size)
    held = [f"{told['held'][who]:.0f}" for who in ("DuckDB", "Arrow", "files", "rest")]
    cells = [source, f"{limit:,}", f"{limit * FACTOR:,}", kind, f"{told['seconds']:.0f}", f"{told['peak']:,.0f}",
             f"{limit + ALLOWANCE:,}", *held, _verdict(told, limit)]  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    """Every source at every limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limit", type=int, nargs="+", default=[256], help="MB")
    parser.add_argument("--source", nargs="+", choices=SOURCES, default=["sqlite"])
    parser.add_argument("--queries", nargs="+", choices=list(QUERIES), default=list(QUERIES))
    parser.add_argument("--one", nargs=2, metavar=("URLS", "SQL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        ask(json.loads(given.one[0]), given.limit[0], given.one[1])
        return
    for limit in given.limit:
        for source in given.source:
            measure(source, limit, given.queries)


if __name__ == "__main__":
    main()
