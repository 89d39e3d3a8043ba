"""How fast rows come out of PostgreSQL into DuckDB, by several ways; prints a table.

    python -m benchmarks.transports_postgres [--rows 1713274] [--url postgresql://…] [--scanner DIR]

Without `--url` a server is started from the installed binaries. `--scanner` is a folder into which the wheels duckdb
1.5.5 and duckdb-extension-postgres-scanner 1.5.5 were unpacked: DuckDB's own scanner, to compare with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COLUMNS = {
    "a": "bigint", "b": "bigint", "c": "bigint", "q": "numeric(15,2)", "p": "numeric(15,2)", "d": "numeric(15,2)",
    "day": "date", "note": "text",
}  # fmt: skip
DUCKDB_TYPES = {name: {"text": "VARCHAR"}.get(type_, type_) for name, type_ in COLUMNS.items()}
MAKE = """
CREATE TABLE IF NOT EXISTS bench AS SELECT i::bigint a, (i::bigint * 7919 % 200000) b, (i % 10000)::bigint c,
  (i % 50 + 1)::numeric(15,2) q, (i % 100000 / 7.0)::numeric(15,2) p, (i % 11 / 100.0)::numeric(15,2) d,
  date '1992-01-01' + (i % 2500) AS day, 'carefully final ' || i AS note FROM generate_series(1, {rows}) i
"""
SQL = f"SELECT {', '.join(COLUMNS)} FROM bench"
SCANNER = """
import duckdb, glob, sys, time
con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
con.execute(f"LOAD '{glob.glob(sys.path[0] + '/**/postgres_scanner.duckdb_extension', recursive=True)[0]}'")
con.execute(f"ATTACH '{sys.argv[1]}' AS pg (TYPE postgres, READ_ONLY)")
start = time.perf_counter()
con.execute("CREATE TABLE t AS FROM pg.bench")
print(time.perf_counter() - start)
"""


def fedq_source(url: str) -> Any:
    from fedq.catalog.model import Database
    from fedq.fetch.postgres.source import PostgresSource

    parts = urlsplit(url)
    clean = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    return PostgresSource(Database("bench", "postgres", clean), lambda: parts.password)


def fedq_batches(url: str) -> Iterator[Any]:
    from fedq.catalog.schema import PhysicalTable
    from fedq.fetch.source import Output, Select

    source = fedq_source(url)
    (table,) = source.describe([PhysicalTable(None, "bench")])
    session = source.open()
    yield from session.read(Select(tuple(Output(c.name, c.name, c.type, c) for c in table.columns), "FROM bench"))
    session.close()
    source.close()


def fedq_to_arrow(url: str) -> None:
    for _ in fedq_batches(url):
        pass


def fedq_to_duckdb(url: str) -> None:
    import duckdb
    import pyarrow as pa

    batches = fedq_batches(url)
    first = next(batches)
    reader = pa.RecordBatchReader.from_batches(first.schema, _chain(first, batches))
    con = duckdb.connect()
    con.register("pulled", reader)
    con.execute("CREATE TABLE t AS FROM pulled")


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def asyncpg_to_nowhere(url: str) -> None:
    import asyncpg

    async def run() -> None:
        async def drop(_: bytes) -> None:
            pass

        connection = await asyncpg.connect(url)
        await connection.copy_from_query(SQL, output=drop)
        await connection.close()

    asyncio.run(run())


def read_pipe(write: Callable[[int], None]) -> None:
    """DuckDB reads CSV from a pipe that `write` fills in another thread."""
    import duckdb

    out, into = os.pipe()
    thread = threading.Thread(target=write, args=(into,))
    thread.start()
    options = f"header=false, nullstr='', allow_quoted_nulls=false, columns={DUCKDB_TYPES}"
    duckdb.connect().execute(f"CREATE TABLE t AS FROM read_csv('/dev/fd/{out}', {options})")
    thread.join()
    os.close(out)


def asyncpg_csv(url: str) -> None:
    import asyncpg

    def write(into: int) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(url)
            with open(into, "wb") as file:
                await connection.copy_from_query(SQL, output=file, format="csv")
            await connection.close()

        asyncio.run(run())

    read_pipe(write)


def psycopg_csv(url: str) -> None:
    import psycopg

    def write(into: int) -> None:
        with psycopg.connect(url) as connection, open(into, "wb") as file:
            with connection.cursor().copy(f"COPY ({SQL}) TO STDOUT (FORMAT csv)") as copy:
                for part in copy:
                    file.write(part)

    read_pipe(write)


WAYS: dict[str, Callable[[str], None]] = {
    "COPY text to nowhere (asyncpg): the floor": asyncpg_to_nowhere,
    "fedq, to Arrow": fedq_to_arrow,
    "fedq, to a DuckDB table": fedq_to_duckdb,
    "asyncpg COPY csv → pipe → DuckDB read_csv": asyncpg_csv,
    "psycopg COPY csv → pipe → DuckDB read_csv": psycopg_csv,
}


def measured(way: str, url: str) -> dict[str, float]:
    """Run one way in a process of its own: seconds, and the peak of its memory in MB."""
    command = [sys.executable, "-m", "benchmarks.transports_postgres", "--one", way, "--url", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def scanned(folder: str, url: str) -> float:
    parts = urlsplit(url)
    target = f"host={parts.hostname} port={parts.port} user={parts.username} dbname={parts.path[1:]}"
    target += f" password={parts.password}"
    script = Path(folder) / "scan_bench.py"
    script.write_text(SCANNER)
    try:
        done = subprocess.run([sys.executable, str(script), target], check=True, capture_output=True, text=True)
    finally:
        script.unlink()
    return float(done.stdout)


def small_queries(url: str) -> None:
    """One row from a warm pool: open, read, close; and describe."""
    from fedq.catalog.schema import PhysicalTable
    from fedq.fetch.source import Output, Select
    from fedq.types import INTEGER

    source = fedq_source(url)
    one = Select((Output("1", "x", INTEGER),), "")

    def query() -> None:
        session = source.open()
        list(session.read(one))
        session.close()

    for name, work in (("one row", query), ("describe", lambda: source.describe([PhysicalTable(None, "bench")]))):
        for _ in range(20):
            work()
        times = []
        for _ in range(200):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        print(f"{name:45} {statistics.median(times) * 1000:7.2f} ms")
    source.close()


@contextmanager
def server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    from tests.servers import PostgresServer

    folder = Path(tempfile.mkdtemp(prefix="fedq-bench-"))
    folder.chmod(0o711)
    started = PostgresServer.start(folder / "pg")
    try:
        yield started.url
    finally:
        started.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_713_274)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--url")
    parser.add_argument("--scanner")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        import asyncpg  # noqa: F401
        import duckdb  # noqa: F401
        import psycopg

        import fedq.fetch.postgres.source  # noqa: F401  imports are not what is measured

        started = time.perf_counter()
        WAYS[given.one](given.url)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with server(given.url) as url:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(MAKE.format(rows=given.rows))
            connection.execute("ANALYZE bench")
        print(f"{given.rows} rows, {len(COLUMNS)} columns; medians of {given.runs} runs")
        for way in WAYS:
            runs = [measured(way, url) for _ in range(given.runs)]
            seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak"))
            print(f"{way:45} {seconds:7.2f} s {peak:6.0f} MB")
        if given.scanner:
            seconds = statistics.median(scanned(given.scanner, url) for _ in range(given.runs))
            print(f"{'DuckDB 1.5.5, its postgres scanner':45} {seconds:7.2f} s")
        small_queries(url)


if __name__ == "__main__":
    main()
