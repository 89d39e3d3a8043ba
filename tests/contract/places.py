"""One small table in every kind of database: what a source's contract is tried on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from fedq.catalog.model import Database
from fedq.dialects import dialect_of
from fedq.dialects.base import Dialect
from fedq.fetch.source import Source
from tests.servers import MariaDBServer, PostgresServer, Server

ROWS = 5_000
#: id, name, amount, day; NULLs in every seventh row
QUERY = f"""
    SELECT i AS id, CASE WHEN i % 7 <> 0 THEN 'näme ' || i END AS name, CAST(i AS DECIMAL(10,2)) / 4 AS amount,
           CASE WHEN i % 7 <> 0 THEN DATE '2024-01-01' + CAST(i % 365 AS INTEGER) END AS day
    FROM (SELECT unnest(range(1, {ROWS} + 1)) AS i)
"""
COLUMNS = "id BIGINT NOT NULL PRIMARY KEY, name {text}, amount DECIMAL(10,2), day DATE"
#: a table whose name and columns need their quotes
ODD_TABLE, ODD_COLUMNS = "Od\"d 'täble", ("select", 'a "b" c', "Ü")


def expected() -> list[tuple[object, ...]]:
    """The rows of `items`, in the order of their ids."""
    return duckdb.execute(f"SELECT id, name, CAST(amount AS DECIMAL(10,2)), day FROM ({QUERY}) ORDER BY id").fetchall()


@dataclass(frozen=True, slots=True)
class Place:
    """A database with the table `items` and the odd one."""

    kind: str
    make: Callable[[], Source]
    dialect: Dialect
    endless: str
    """A statement that runs for minutes, in the database's own dialect."""
    write: Callable[[str], None] | None = None
    """Runs a statement beside the source; None where nothing can be written while the source reads."""

    def source(self) -> Source:
        """A source on it; the caller closes it."""
        return self.make()


def _filled(run: Callable[[str], None], dialect: Dialect, text: str) -> None:
    run(f"CREATE TABLE items ({COLUMNS.format(text=text)})")
    rows = expected()
    for start in range(0, len(rows), 1000):
        values = ", ".join(
            f"({id_}, {'NULL' if name is None else dialect.text(str(name))}, {amount}, "
            f"{'NULL' if day is None else dialect.text(str(day))})"
            for id_, name, amount, day in rows[start : start + 1000]
        )
        run(f"INSERT INTO items VALUES {values}")
    odd = ", ".join(f"{dialect.quote(column)} INTEGER" for column in ODD_COLUMNS)
    run(f"CREATE TABLE {dialect.quote(ODD_TABLE)} ({odd})")
    run(f"INSERT INTO {dialect.quote(ODD_TABLE)} VALUES (1, 2, 3)")


_RECURSION = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
_JOIN = "SELECT count(*) FROM items a, items b, items c WHERE md5(concat(a.id, b.id, c.id)) = 'x'"
_RANGES = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range + b.range) = 7"


def sqlite_place(folder: Path, kind: str = "sqlite") -> Place:
    """A SQLite file in WAL mode, read by fedq's own source or through SQLAlchemy."""
    path = folder / "contract.db"

    def run(sql: str) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute(sql)
        finally:
            connection.close()

    run("PRAGMA journal_mode = wal")
    _filled(run, dialect_of("sqlite"), "TEXT")
    if kind == "generic":
        from fedq.fetch.alchemy.source import AlchemySource

        database = Database("here", "generic", f"sqlite+pysqlite:///{path}")
        return Place("generic", lambda: AlchemySource(database, _none), dialect_of("generic"), _RECURSION, run)
    from fedq.fetch.sqlite.source import SQLiteSource

    database = Database("here", "sqlite", f"sqlite:///{path}")
    return Place("sqlite", lambda: SQLiteSource(database, _none), dialect_of("sqlite"), _RECURSION, run)


def duckdb_place(folder: Path) -> Place:
    """A DuckDB file."""
    from fedq.fetch.duckdb.source import DuckDBSource

    path = folder / "contract.duckdb"
    with duckdb.connect(str(path)) as connection:
        _filled(lambda sql: connection.execute(sql) and None, dialect_of("duckdb"), "VARCHAR")
    database = Database("here", "duckdb", f"duckdb:///{path}")
    return Place("duckdb", lambda: DuckDBSource(database, _none), dialect_of("duckdb"), _RANGES)


def _parquet(path: Path, query: str) -> None:
    quoted = str(path).replace("'", "''")
    duckdb.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet)")


_ITEMS = (
    f"SELECT CAST(id AS BIGINT) AS id, name, CAST(amount AS DECIMAL(10,2)) AS amount, day FROM ({QUERY}) ORDER BY id"
)
_ODD = 'SELECT 1 AS "select", 2 AS "a ""b"" c", 3 AS "Ü"'


def files_place(folder: Path) -> Place:
    """A folder of Parquet files."""
    from fedq.fetch.files.source import FilesSource

    lake = folder / "lake"
    lake.mkdir()
    _parquet(lake / "items.parquet", _ITEMS)
    _parquet(lake / f"{ODD_TABLE}.parquet", _ODD)
    database = Database("here", "files", str(lake))
    return Place("files", lambda: FilesSource(database, _none), dialect_of("files"), _RANGES)


def frames_place(folder: Path) -> Place:
    """Arrow tables in memory."""
    from fedq.fetch.frames.source import FramesSource

    frames: dict[str, pa.Table] = {
        "items": duckdb.sql(_ITEMS).to_arrow_table(),
        ODD_TABLE: duckdb.sql(_ODD).to_arrow_table(),
    }
    return Place("frames", lambda: FramesSource(frames, "here"), dialect_of("frames"), _RANGES)


def _none() -> str | None:
    return None


def _server_place(server: Server, kind: str, make: Callable[[str, str], Source], text: str, endless: str) -> Place:
    url = server.new_database("contract")
    parts = urlsplit(url)
    clean = f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    name = parts.path[1:]

    def run(sql: str) -> None:
        connection = server.connect(name)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
        finally:
            connection.close()

    _filled(run, dialect_of(kind), text)
    return Place(kind, lambda: make(clean, parts.password or ""), dialect_of(kind), endless, run)


def postgres_place(server: PostgresServer) -> Place:
    """A database on PostgreSQL."""
    from fedq.fetch.postgres.source import PostgresSource

    def make(url: str, password: str) -> Source:
        return PostgresSource(Database("here", "postgres", url), lambda: password)

    return _server_place(server, "postgres", make, "text", "SELECT pg_sleep(60)")


def mysql_place(server: MariaDBServer) -> Place:
    """A database on MariaDB."""
    from fedq.fetch.mysql.source import MySQLSource

    def make(url: str, password: str) -> Source:
        return MySQLSource(Database("here", "mysql", url), lambda: password)

    return _server_place(server, "mysql", make, "varchar(100)", _JOIN)
