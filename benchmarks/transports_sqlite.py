"""How fast rows come out of a SQLite file into Arrow, by several ways and of several tables; prints two tables.

    python -m benchmarks.transports_sqlite [--rows 100000] [--python PYTHON]

`--python` is an interpreter of another environment that has duckdb 1.5.5 with the wheel
duckdb-extension-sqlite-scanner, and adbc-driver-sqlite: what fedq is compared with, but does not use
(fedq/fetch/sqlite/source.py says why). Seconds of the processor are the ones to compare on a shared machine.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

COLUMNS = ("id", "amount", "day", "name")
SQL = 'SELECT "id", "amount", "day", "name" FROM "bench"'
PER_RESULT_ROW = 4096
WORDS = ("the", "quick", "deposits", "sleep", "above", "furiously", "pending", "ideas", "among", "bold")
OTHERS = """
import glob, json, os, sys, time
path, sql, scans = sys.argv[1:]
def least(run):
    found = []
    for _ in range(7):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(found)
answer = {}
try:
    import duckdb, duckdb_extension_sqlite_scanner as scanner
    folder = os.path.dirname(scanner.__file__)
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    con.load_extension(glob.glob(folder + "/**/*.duckdb_extension", recursive=True)[0])
    con.execute(f"ATTACH '{path}' AS s (TYPE sqlite)")
    for threads in (1, 2):
        con.execute(f"SET threads = {threads}")
        scan = "CREATE OR REPLACE TABLE t AS FROM s.bench"
        answer[f"DuckDB's scanner, threads: {threads}"] = least(lambda: con.execute(scan))
    con.execute("SET threads = 1")
    for name, rest in json.loads(scans).items():
        answer[name] = least(lambda: con.execute(f"SELECT * FROM s.{rest}").to_arrow_table())
except ImportError as error:
    print(error, file=sys.stderr)
try:
    import adbc_driver_sqlite.dbapi as adbc
    con = adbc.connect(path)
    def run():
        with con.cursor() as cursor:
            cursor.execute(sql)
            cursor.fetch_arrow_table()
    answer["ADBC, types as SQLite stores them"] = least(run)
except ImportError as error:
    print(error, file=sys.stderr)
print(json.dumps(answer))
"""


def make(path: Path, rows: int) -> None:
    """A table of integers, decimals, dates and text."""
    random.seed(1)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE bench (id INTEGER PRIMARY KEY, amount DECIMAL(12,2), day DATE, name VARCHAR(40))"
        )
        connection.executemany(
            "INSERT INTO bench VALUES (?, ?, ?, ?)",
            (
                (
                    i,
                    round(random.uniform(0, 1e5), 2),
                    f"20{10 + i % 15}-{1 + i % 12:02d}-{1 + i % 28:02d}",
                    f"customer {i % 977}",
                )
                for i in range(rows)
            ),
        )
    connection.close()


def _words(count: int) -> str:
    return " ".join(random.choices(WORDS, k=count))


def _day() -> str:
    return f"{random.randint(1992, 1998)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"


def _price() -> float:
    return random.randint(90_000, 10_000_000) / 100


#: table → its columns and one of its rows, the last three in the form of TPC-H's
TABLES: dict[str, tuple[str, Callable[[int], tuple[Any, ...]]]] = {
    "integers": ("a INTEGER PRIMARY KEY, b INT, c INT, d INT", lambda i: (i, i % 7, random.randint(0, 10**6), -i)),
    "texts": ("a TEXT, b TEXT, c TEXT", lambda i: (f"customer {i % 977}", _words(4), _words(10) if i % 5 else None)),
    "short_doubles": ("a REAL, b REAL", lambda i: (i / 8, _price())),
    "long_doubles": ("a REAL, b REAL", lambda i: (random.random(), _price() / 3)),
    "part": (
        "p_partkey INTEGER PRIMARY KEY, p_name VARCHAR(55), p_mfgr CHAR(25), p_brand CHAR(10), p_type VARCHAR(25),"
        " p_size INT, p_container CHAR(10), p_retailprice DECIMAL(15,2), p_comment VARCHAR(23)",
        lambda i: (i, _words(5), f"Manufacturer#{i % 5}", f"Brand#{i % 25}", "PROMO BURNISHED COPPER", i % 50,
                   "JUMBO PKG", _price(), _words(2)),
    ),
    "orders": (
        "o_orderkey INTEGER PRIMARY KEY, o_custkey INT, o_orderstatus CHAR(1), o_totalprice DECIMAL(15,2),"
        " o_orderdate DATE, o_orderpriority CHAR(15), o_clerk CHAR(15), o_shippriority INT, o_comment VARCHAR(79)",
        lambda i: (i * 4, i % 15_000, "O", _price(), _day(), "5-LOW", f"Clerk#{i % 1000:09}", 0, _words(8)),
    ),
    "lineitem": (
        "l_orderkey INT, l_partkey INT, l_suppkey INT, l_linenumber INT, l_quantity DECIMAL(15,2),"
        " l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), l_returnflag CHAR(1),"
        " l_linestatus CHAR(1), l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipinstruct CHAR(25),"
        " l_shipmode CHAR(10), l_comment VARCHAR(44)",
        lambda i: (i // 4, i % 20_000, i % 1000, i % 4, i % 50, _price(), i % 10 / 100, i % 8 / 100, "N", "O", _day(),
                   _day(), _day(), "DELIVER IN PERSON", "TRUCK", _words(4)),
    ),
}  # fmt: skip
#: what is read → table and condition
READS = {
    **{f"`{name}`, all rows": (name, "") for name in TABLES},
    "`lineitem`, half of the rows": ("lineitem", 'WHERE "l_quantity" < 25'),
    "`lineitem`, one of 1,000 rows": ("lineitem", 'WHERE "l_partkey" % 1000 = 7'),
    "`few`, 500 rows": ("few", ""),
}


def make_tables(path: Path, rows: int) -> None:
    """The tables that are read whole, and a small one."""
    connection = sqlite3.connect(path)
    for name, (columns, row) in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
        marks = ", ".join("?" * len(row(0)))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", map(row, range(rows)))
    connection.executescript(f"CREATE TABLE few ({TABLES['part'][0]}); INSERT INTO few SELECT * FROM part LIMIT 500")
    connection.close()


def fedq_source(path: Path) -> Any:
    from fedq.catalog.model import Database
    from fedq.fetch.sqlite.source import SQLiteSource

    return SQLiteSource(Database("bench", "sqlite", f"sqlite:///{path}"), lambda: None)


def fedq_select(source: Any, tail: str = "", name: str = "bench") -> Any:
    from fedq.catalog.schema import PhysicalTable
    from fedq.fetch.source import Output, Select

    (table,) = source.describe([PhysicalTable(None, name)])
    return Select(
        tuple(Output(f'"{c.name}"', c.name, c.type, c) for c in table.columns), f'FROM "{name}" {tail}'.strip()
    )


def fedq_to_arrow(path: Path, name: str = "bench", tail: str = "") -> Callable[[], None]:
    source = fedq_source(path)
    select = fedq_select(source, tail, name)

    def run() -> None:
        session = source.open()
        for _ in session.read(select):
            pass
        session.close()

    return run


def row_by_row(path: Path, name: str = "bench", tail: str = "") -> Callable[[], None]:
    source, read = vars(import_module("fedq.fetch.sqlite.source")), fedq_to_arrow(path, name, tail)

    def run() -> None:
        kept, source["chunks_of"] = source["chunks_of"], lambda *_: None
        try:
            read()
        finally:
            source["chunks_of"] = kept

    return run


def rows_forgotten(path: Path) -> Callable[[], None]:
    connection = sqlite3.connect(path)

    def run() -> None:
        cursor = connection.execute(SQL)
        while cursor.fetchmany(512):
            pass

    return run


def unchecked(path: Path) -> Callable[[], None]:
    import pyarrow as pa

    connection = sqlite3.connect(path)

    def run() -> None:
        cursor = connection.execute(SQL)
        while rows := cursor.fetchmany(512):
            for column in zip(*rows, strict=True):
                pa.array(column)

    return run


def csv_by_group_concat(path: Path) -> Callable[[], None]:
    from pyarrow import csv

    connection = sqlite3.connect(path)
    (last,) = connection.execute("SELECT max(rowid) FROM bench").fetchone()
    line = "id || ',' || amount || ',' || day || ',\"' || replace(name, '\"', '\"\"') || '\"'"
    sql = f"SELECT group_concat({line}, char(10)) FROM bench WHERE rowid BETWEEN ? AND ?"

    def run() -> None:
        for low in range(0, last + 1, PER_RESULT_ROW):
            (text,) = connection.execute(sql, (low, low + PER_RESULT_ROW - 1)).fetchone()
            csv.read_csv(io.BytesIO(text.encode()), read_options=csv.ReadOptions(column_names=list(COLUMNS)))

    return run


def json_by_columns(path: Path) -> Callable[[], None]:
    import pyarrow as pa

    connection = sqlite3.connect(path)
    (last,) = connection.execute("SELECT max(rowid) FROM bench").fetchone()
    arrays = ", ".join(f"json_group_array({column})" for column in COLUMNS)
    sql = f"SELECT {arrays} FROM bench WHERE rowid BETWEEN ? AND ?"

    def run() -> None:
        for low in range(0, last + 1, PER_RESULT_ROW):
            for text in connection.execute(sql, (low, low + PER_RESULT_ROW - 1)).fetchone():
                pa.array(json.loads(text))

    return run


def pandas_read_sql(path: Path) -> Callable[[], None]:
    import pandas as pd

    connection = sqlite3.connect(path)

    def run() -> None:
        pd.read_sql(SQL, connection)

    return run


WAYS: dict[str, Callable[[Path], Callable[[], None]]] = {
    "fedq, every value checked": fedq_to_arrow,
    "fedq, row by row, every value checked": row_by_row,
    "sqlite3, rows read and forgotten: its floor": rows_forgotten,
    "sqlite3 → pyarrow.array, nothing checked": unchecked,
    "group_concat of CSV, 4,096 rows per text → Arrow's CSV reader (doubles cut to 15 digits)": csv_by_group_concat,
    "json_group_array per column, 4,096 rows → json.loads (the same)": json_by_columns,
    "pandas.read_sql": pandas_read_sql,
}


def least(run: Callable[[], None]) -> tuple[float, float]:
    """Seconds of the processor and of the clock, the least of seven runs."""
    found = []
    for _ in range(7):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(found)


def one_row(path: Path) -> float:
    """Milliseconds of a session, a statement and one row, warm."""
    source = fedq_source(path)
    select = fedq_select(source, 'WHERE "id" = 77')
    found = []
    for _ in range(300):
        start = time.perf_counter()
        session = source.open()
        list(session.read(select))
        session.close()
        found.append(time.perf_counter() - start)
    source.close()
    return sorted(found)[len(found) // 2] * 1000


def print_tables(path: Path, found: dict[str, list[float]]) -> None:
    """Seconds of the processor per table; the scanner on one thread, into Arrow as the others."""
    print("\n| what is read | fedq | row by row | DuckDB's scanner | fedq to the scanner |\n|---|---|---|---|---|")
    for read, (name, tail) in READS.items():
        ours, by_row = least(fedq_to_arrow(path, name, tail))[0], least(row_by_row(path, name, tail))[0]
        theirs, ratio = "", ""
        if read in found:
            theirs, ratio = f"{found[read][0]:.4f}", f"{ours / found[read][0]:.2f}"
        print(f"| {read} | {ours:.4f} | {by_row:.4f} | {theirs} | {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        make(path, options.rows)
        size = path.stat().st_size / 1e6
        make_tables(path, options.rows)
        print(f"SQLite {sqlite3.sqlite_version}, {options.rows:,} rows × 4 columns, {size:.0f} MB\n")
        print("| way | seconds of the processor | of the clock |\n|---|---|---|")
        found = {way: least(prepare(path)) for way, prepare in WAYS.items()}
        others: dict[str, list[float]] = {}
        if options.python:
            scans = json.dumps({read: " ".join(table) for read, table in READS.items()})
            command = [options.python, "-c", OTHERS, str(path), SQL, scans]
            others = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for way, (cpu, wall) in [*found.items(), *(item for item in others.items() if item[0] not in READS)]:
            print(f"| {way} | {cpu:.3f} | {wall:.3f} |")
        print_tables(path, others)
        print(f"\none row, warm, by fedq's session: {one_row(path):.2f} ms (median)")
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
