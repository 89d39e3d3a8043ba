"""How fast rows come out of PostgreSQL into DuckDB, by several ways; prints a table.

    python -m benchmarks.transports_postgres [--rows 1713274] [--url postgresql://…] [--scanner DIR]

Without `--url` a server is started from the installed binaries. `--scanner` is a folder into which the wheels duckdb
1.5.5 and duckdb-extension-postgres-scanner 1.5.5 were unpacked: DuckDB's own scanner, to compare with.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.transports import Transport, main, to_arrow, to_duckdb

if TYPE_CHECKING:
    from tests.servers import Server

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


def fedq_source(url: str) -> Any:
    from fedq.catalog.model import Database
    from fedq.fetch.postgres.source import PostgresSource

    parts = urlsplit(url)
    clean = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    return PostgresSource(Database("bench", "postgres", clean), lambda: parts.password)


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
    "fedq, to Arrow": lambda url: to_arrow(fedq_source(url)),
    "fedq, to a DuckDB table": lambda url: to_duckdb(fedq_source(url)),
    "asyncpg COPY csv → pipe → DuckDB read_csv": asyncpg_csv,
    "psycopg COPY csv → pipe → DuckDB read_csv": psycopg_csv,
}


def make(url: str, rows: int) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MAKE.format(rows=rows))
        connection.execute("ANALYZE bench")


def start(root: Path) -> Server:
    from tests.servers import PostgresServer

    return PostgresServer.start(root)


IMPORTS = ("asyncpg", "duckdb", "psycopg", "pyarrow.csv", "fedq.fetch.postgres.source")

if __name__ == "__main__":
    main(
        Transport(
            "postgres",
            "benchmarks.transports_postgres",
            tuple(COLUMNS),
            1_713_274,
            WAYS,
            IMPORTS,
            make,
            start,
            fedq_source,
        ),
        __doc__ or "",
    )
