"""The same tables in every kind of place, the one DuckDB that holds them all, and an exact comparison of rows.

    places = Places(folder, postgres, mariadb)
    places.define("t", "id BIGINT, s VARCHAR", [(1, "a"), (2, "A")])      # in the oracle
    places.put("t", "mariadb", native={"s": "varchar(20) collate utf8mb4_general_ci"})
    places.check("select id from t where s = 'a'")                        # fedq's rows == the oracle's rows

Tables are written by the drivers themselves (psycopg, PyMySQL, sqlite3), never by what is under test.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

if TYPE_CHECKING:
    import fedq
    from tests.servers import MariaDBServer, PostgresServer

#: what a table can live in, for tests that run over all of them
SERVERS = ("postgres", "mariadb")
LOCAL = ("sqlite", "duckdb", "parquet", "frame")
ENGINES = (*SERVERS, *LOCAL)

#: DuckDB's type → the column's declaration there; what is not listed is spelled as in DuckDB
NATIVE = {
    "postgres": {"DOUBLE": "double precision", "FLOAT": "real", "VARCHAR": "text", "BLOB": "bytea",
                 "TIMESTAMP WITH TIME ZONE": "timestamptz"},
    "mariadb": {"VARCHAR": "varchar(200)", "BLOB": "longblob", "TIMESTAMP": "datetime(6)", "TIME": "time(6)",
                "TIMESTAMP WITH TIME ZONE": "timestamp(6) null", "BOOLEAN": "boolean"},
    "sqlite": {},
}  # fmt: skip

#: types that a catalog must declare, because the place itself does not tell them
UNTOLD = {"mariadb": {"BOOLEAN"}, "sqlite": {"TIME", "UUID", "TIMESTAMP WITH TIME ZONE"}}


def oracle() -> duckdb.DuckDBPyConnection:
    """One DuckDB in memory with the settings under which fedq promises its answers."""
    connection = duckdb.connect()
    for setting in (
        "TimeZone='UTC'",
        "default_null_order='NULLS_LAST'",
        "integer_division=false",
        "enable_progress_bar=false",
    ):
        connection.execute(f"SET {setting}")
    return connection


class Places:
    """Tables that live in the oracle and, each, in one database of a federation."""

    def __init__(
        self, folder: Path, postgres: PostgresServer | None = None, mariadb: MariaDBServer | None = None
    ) -> None:
        self.folder, self.servers = folder, {"postgres": postgres, "mariadb": mariadb}
        self.oracle = oracle()
        self.databases: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Any] = {}
        self.frames: dict[str, Any] = {}
        self.policy: dict[str, Any] = {"on_cross_db": "allow"}
        self._connections: dict[str, Any] = {}
        self._homes: dict[tuple[str, str], Any] = {}
        self._federation: fedq.Federation | None = None

    # filling

    def define(self, table: str, columns: str, rows: Iterable[Sequence[Any]] | str = ()) -> None:
        """Create a table in the oracle. `rows` are tuples, or a SELECT."""
        if isinstance(rows, str):
            self.oracle.execute(f"CREATE OR REPLACE TABLE {quoted(table)} ({columns})")
            self.oracle.execute(f"INSERT INTO {quoted(table)} {rows}")
            return
        rows = list(rows)
        self.oracle.execute(f"CREATE OR REPLACE TABLE {quoted(table)} ({columns})")
        if rows:
            self.oracle.executemany(f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def put(
        self,
        table: str,
        engine: str,
        *,
        source: str | None = None,
        native: Mapping[str, str] | None = None,
        declare: Mapping[str, str] | None = None,
        key: Sequence[str] = (),
    ) -> None:
        """Write the oracle's table `source` (default: `table`) to `engine` as `table`; assign it there.

        `native` replaces declarations of columns there, `declare` adds types to the catalog's entry.
        """
        source = source or table
        if source != table:
            self.oracle.execute(f"CREATE OR REPLACE VIEW {quoted(table)} AS FROM {quoted(source)}")
        columns = self.columns(source)
        getattr(self, f"_put_{engine}")(table, columns, dict(native or {}), list(key))
        untold = (
            columns
            if engine in ("csv", "json")
            else {name: type_ for name, type_ in columns.items() if type_ in UNTOLD.get(engine, ())}
        )
        if engine != "frame":
            self.assign(table, engine, {**untold, **(declare or {})})

    def place(self, placement: Mapping[str, str], keys: Mapping[str, Sequence[str]] | None = None) -> None:
        """Put every table of the oracle where `placement` says, and assign exactly these; what lies elsewhere is kept.

        In its database a table has another name (`at_customers`), so that only the catalog says where it is.
        """
        self.tables, self.frames = {}, {}
        for table, engine in placement.items():
            if (table, engine) not in self._homes:
                self._homes[table, engine] = self._home(table, engine, (keys or {}).get(table, ()))
            (self.frames if engine == "frame" else self.tables)[table] = self._homes[table, engine]
        self.close()

    def _home(self, table: str, engine: str, key: Sequence[str]) -> Any:
        tables, frames = dict(self.tables), dict(self.frames)
        self.put(f"at_{table}", engine, source=table, key=() if engine == "frame" else key)
        frame, found = self.frames.get(f"at_{table}"), self.tables.get(f"at_{table}")
        self.tables, self.frames = tables, frames
        if engine == "frame":
            return frame
        return {"table": f"at_{table}", **({"database": found} if isinstance(found, str) else found)}

    def assign(self, table: str, database: str, declared: Mapping[str, str] | None = None) -> None:
        """A line of [tables]."""
        entry: dict[str, Any] = {"database": database}
        if declared:
            entry["columns"] = {name: {"type": type_} for name, type_ in declared.items()}
        self.tables[table] = entry if declared else database
        self.close()

    def columns(self, table: str) -> dict[str, str]:
        """Names and types of a table's columns in the oracle."""
        return {name: type_ for name, type_, *_ in self.oracle.execute(f"DESCRIBE {quoted(table)}").fetchall()}

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """The oracle's rows as Python values."""
        arrow = self.oracle.table(quoted(table)).to_arrow_table()
        return list(zip(*(column.to_pylist() for column in arrow.columns), strict=True)) if arrow.num_columns else []

    def connection(self, engine: str) -> Any:
        """A driver's connection to the database of this engine, which is made if there is none yet."""
        if engine not in self._connections:
            server = self.servers[engine]
            assert server is not None, f"no {engine}"
            self.databases[engine] = {"url": server.new_database()}
            self._connections[engine] = server.connect(self.databases[engine]["url"])
        return self._connections[engine]

    def run(self, engine: str, *statements: str) -> None:
        """Run statements in the database of this engine, as they are."""
        if engine == "sqlite":
            with sqlite3.connect(self.sqlite_file()) as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()
            return
        cursor = self.connection(engine).cursor()
        for statement in statements:
            cursor.execute(statement)

    def sqlite_file(self) -> Path:
        """The SQLite file of these places."""
        self.databases.setdefault("sqlite", {"url": f"sqlite:///{self.folder}/places.sqlite"})
        return self.folder / "places.sqlite"

    def _create(self, table: str, engine: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> str:
        quote = backquoted if engine == "mariadb" else quoted
        parts = [
            f"{quote(name)} {native.get(name, NATIVE[engine].get(type_, type_))}" for name, type_ in columns.items()
        ]
        if key:
            parts.append(f"PRIMARY KEY ({', '.join(quote(name) for name in key)})")
        return f"CREATE TABLE {quote(table)} ({', '.join(parts)})"

    def _put_postgres(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        cursor = self.connection("postgres").cursor()
        cursor.execute(f"DROP TABLE IF EXISTS {quoted(table)}")
        cursor.execute(self._create(table, "postgres", columns, native, key))
        with cursor.copy(f"COPY {quoted(table)} FROM STDIN") as copy:
            for row in self.rows(table):
                copy.write_row(row)
        cursor.execute(f"ANALYZE {quoted(table)}")

    def _put_mariadb(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        cursor = self.connection("mariadb").cursor()
        cursor.execute(f"DROP TABLE IF EXISTS {backquoted(table)}")
        collation = "" if native.get("*") else " DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
        cursor.execute(self._create(table, "mariadb", columns, native, key) + collation)
        rows = self.rows(table)
        if rows:
            row = f"({', '.join(['%s'] * len(columns))})"
            cursor.executemany(
                f"INSERT INTO {backquoted(table)} VALUES {row}", [[_mariadb(value) for value in r] for r in rows]
            )

    def refill_sqlite(self, table: str) -> None:
        """The oracle's rows again, in the table that is there."""
        connection = sqlite3.connect(self.sqlite_file(), timeout=30)
        with connection:
            connection.execute(f"DELETE FROM {quoted(table)}")
            rows = [[_sqlite(value) for value in row] for row in self.rows(table)]
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {quoted(table)} VALUES ({marks})", rows)
        connection.close()

    def refill_duckdb(self, table: str) -> None:
        """The oracle's rows again."""
        self._put_duckdb(table, {}, {}, [])

    def refill_parquet(self, table: str) -> None:
        """The oracle's rows again."""
        self._put_parquet(table, {}, {}, [])

    def _put_sqlite(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        connection = sqlite3.connect(self.sqlite_file())
        with connection:
            connection.execute(f"DROP TABLE IF EXISTS {quoted(table)}")
            connection.execute(self._create(table, "sqlite", columns, native, key))
            rows = ([_sqlite(value) for value in row] for row in self.rows(table))
            connection.executemany(f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * len(columns))})", rows)
        connection.close()

    def _put_duckdb(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        self.databases.setdefault("duckdb", {"url": f"duckdb:///{self.folder}/places.duckdb"})
        self.close()  # DuckDB lets one process hold a file by one configuration only
        self.oracle.execute(f"ATTACH '{self.folder}/places.duckdb' AS place")
        try:
            self.oracle.execute(f"CREATE OR REPLACE TABLE place.{quoted(table)} AS FROM {quoted(table)}")
        finally:
            self.oracle.execute("DETACH place")

    def _put_file(self, table: str, kind: str, options: str) -> None:
        folder = self.folder / kind
        folder.mkdir(exist_ok=True)
        self.databases.setdefault(kind, {"url": f"{folder}/*.{kind}"})
        self.oracle.execute(f"COPY (FROM {quoted(table)}) TO '{folder}/{table}.{kind}' ({options})")

    def _put_parquet(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        self._put_file(table, "parquet", "FORMAT parquet")

    def _put_csv(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        self._put_file(table, "csv", "FORMAT csv, HEADER")

    def _put_json(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        self._put_file(table, "json", "FORMAT json")

    def _put_frame(self, table: str, columns: dict[str, str], native: dict[str, str], key: list[str]) -> None:
        import pandas as pd

        self.frames[table] = self.oracle.table(quoted(table)).to_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)

    # asking

    @property
    def catalog(self) -> dict[str, Any]:
        """The catalog as a mapping."""
        return {"version": 1, "databases": self.databases, "tables": self.tables, "policy": self.policy}

    @property
    def federation(self) -> fedq.Federation:
        """The federation over everything that was put somewhere."""
        import fedq

        if self._federation is None:
            self._federation = fedq.connect(self.catalog)
        return self._federation

    def query(self, sql: str, params: Any = None, **options: Any) -> fedq.Result:
        """What fedq answers."""
        return self.federation.query(sql, params, frames=self.frames or None, **options)

    def expected(self, sql: str) -> pa.Table:
        """What the oracle answers."""
        return self.oracle.sql(sql).to_arrow_table()

    def check(
        self, sql: str, *, ordered: bool = False, widths: bool = True, fedq_sql: str | None = None, **options: Any
    ) -> list[Any]:
        """fedq's answer is the oracle's; returns the rows. See `assert_same`."""
        expected = self.expected(sql)
        result = self.query(fedq_sql or sql, **options)
        return assert_same(result, expected, ordered=ordered, widths=widths, sql=sql)

    def close(self) -> None:
        """Close the federation; the tables stay."""
        if self._federation is not None:
            self._federation.close()
            self._federation = None

    def end(self) -> None:
        """Close everything."""
        self.close()
        for connection in self._connections.values():
            connection.close()
        self.oracle.close()


def assert_same(
    result: Any, expected: pa.Table, *, ordered: bool = False, widths: bool = True, sql: str = ""
) -> list[Any]:
    """The same columns, types and rows (as multisets, or in order); returns the rows.

    `widths=False` lets integers be wider than the oracle's: SQLite has one integer type, whatever a column says.
    """
    actual = result.to_arrow()
    assert [*map(str.lower, actual.column_names)] == [*map(str.lower, expected.column_names)], sql
    types = (
        [_type(field.type, widths) for field in actual.schema],
        [_type(field.type, widths) for field in expected.schema],
    )
    assert types[0] == types[1], f"types {types[0]} are not {types[1]}\n{sql}"
    rows, wanted = canonical_rows(actual), canonical_rows(expected)
    if ordered:
        assert rows == wanted, difference(rows, wanted, sql) or f"order differs\n{sql}\n{rows[:20]}\n{wanted[:20]}"
    elif problem := difference(rows, wanted, sql):
        raise AssertionError(problem)
    return rows


def difference(rows: list[Any], wanted: list[Any], sql: str) -> str:
    """What is missing and what is too much, or nothing."""
    have, want = Counter(rows), Counter(wanted)
    if have == want:
        return ""
    missing, extra = list((want - have).elements()), list((have - want).elements())
    return f"{len(rows)} rows, {len(wanted)} wanted\nmissing {missing[:8]}\nextra   {extra[:8]}\n{sql}"


def canonical_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows as hashable values that are equal only when type and value are."""
    if not table.num_columns:
        return []
    columns = [[canonical(value) for value in _values(column)] for column in table.columns]
    return list(zip(*columns, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Python's values, or numbers where a date is beyond Python's calendar."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        return list(column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64()).to_pylist())


def canonical(value: Any) -> Any:
    """A hashable stand-in: NaN equals NaN, 1 is not True, 1.50 is not 1.5."""
    if isinstance(value, bool | float | Decimal):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, Mapping):
        return tuple((key, canonical(item)) for key, item in value.items())
    if isinstance(value, list):
        return ("list", *map(canonical, value))
    return value


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def backquoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _type(type_: pa.DataType, widths: bool) -> str:
    """An Arrow type's name without what is only a matter of storage."""
    text = re.sub(r"list<\w+: ", "list<", str(type_))
    if pa.types.is_dictionary(type_):
        return "string"
    if not widths and (pa.types.is_integer(type_) or text == "decimal128(38, 0)"):
        return "integer"
    for variant, plain in (
        ("large_string", "string"),
        ("string_view", "string"),
        ("large_binary", "binary"),
        ("binary_view", "binary"),
    ):
        text = text.replace(variant, plain)
    return text


def _sqlite(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def _mariadb(value: Any) -> Any:
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value
