"""How fast rows come out of MariaDB into Arrow and DuckDB, by several ways; prints a table.

    python -m benchmarks.transports_mysql [--rows 400000] [--url mysql://…] [--scanner DIR]

Without `--url` a server is started from the installed binaries. `--scanner` is a folder into which the wheels duckdb
1.5.5 and duckdb-extension-mysql-scanner 1.5.5 were unpacked: DuckDB's own scanner, to compare with.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MAKE = """
CREATE TABLE IF NOT EXISTS bench
  (id bigint primary key, k int not null, amount decimal(15,2), day date, note varchar(200));
INSERT IGNORE INTO bench SELECT seq, seq % 1000, if(seq % 50 = 0, null, seq * 1.37),
  date_add('2000-01-01', interval seq % 9000 day), if(seq % 77 = 0, null, concat(repeat(md5(seq), 3), 'é', seq))
  FROM seq_1_to_{rows};
ANALYZE TABLE bench
"""
COLUMNS = ("id", "k", "amount", "day", "note")
SQL = f"SELECT {', '.join(COLUMNS)} FROM bench"
# one text per row; only what is text can hold the separator or a backslash
_ESCAPED = "REPLACE(REPLACE(REPLACE(note, '\\\\', '\\\\\\\\'), '\\t', '\\\\t'), '\\n', '\\\\n')"
ONE_TEXT = (
    "CONCAT_WS('\\t', "
    + ", ".join(f"IFNULL({_ESCAPED if name == 'note' else name}, '\\\\N')" for name in COLUMNS)
    + ")"
)
PER_RESULT_ROW = 1000
SCANNER = """
import duckdb, glob, sys, time
con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
con.execute(f"LOAD '{glob.glob(sys.path[0] + '/**/mysql_scanner.duckdb_extension', recursive=True)[0]}'")
con.execute(f"ATTACH '{sys.argv[1]}' AS my (TYPE mysql, READ_ONLY)")
start = time.perf_counter()
con.execute("CREATE TABLE t AS FROM my.bench")
print(time.perf_counter() - start)
"""


def fedq_source(url: str) -> Any:
    from fedq.catalog.model import Database
    from fedq.fetch.mysql.source import MySQLSource

    parts = urlsplit(url)
    clean = f"mysql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    return MySQLSource(Database("bench", "mysql", clean), lambda: parts.password)


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

    def all_of_them() -> Iterator[Any]:
        yield first
        yield from batches

    con = duckdb.connect()
    con.register("pulled", pa.RecordBatchReader.from_batches(first.schema, all_of_them()))
    con.execute("CREATE TABLE t AS FROM pulled")


def packets_to_nowhere(url: str) -> None:
    session = fedq_source(url).open()
    session._link.wire.send(SQL)
    session._link.wire.drain()


def texts_of_rows(url: str, sql: str) -> Iterator[Any]:
    """The one column of a statement, by fedq's packet reader."""
    session = fedq_source(url).open()
    session._link.wire.ask("SET sql_mode = ''")
    session._link.wire.ask("SET group_concat_max_len = 1073741824")
    session._link.wire.send(sql)
    for (column,) in session._link.wire.rows(1):
        yield column


def parsed(texts: Any) -> None:
    import pyarrow as pa
    from pyarrow import csv

    lines = b"\n".join(texts.to_pylist()) + b"\n"
    types = dict(zip(COLUMNS, (pa.int64(), pa.int32(), pa.decimal128(15, 2), pa.date32(), pa.string()), strict=True))
    csv.read_csv(
        io.BytesIO(lines),
        read_options=csv.ReadOptions(column_names=list(COLUMNS)),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
        convert_options=csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True),
    )


def concat_to_arrow(url: str) -> None:
    for texts in texts_of_rows(url, f"SELECT {ONE_TEXT} FROM bench"):
        parsed(texts)


def group_concat_to_arrow(url: str) -> None:
    sql = f"SELECT GROUP_CONCAT({ONE_TEXT} SEPARATOR '\\n') FROM bench GROUP BY id DIV {PER_RESULT_ROW}"
    for texts in texts_of_rows(url, sql):
        parsed(texts)


def driver_cursor(url: str) -> Iterator[list[tuple[Any, ...]]]:
    import pymysql
    from pymysql.cursors import SSCursor

    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], ssl_disabled=True,
    )  # fmt: skip
    cursor = connection.cursor(SSCursor)
    cursor.execute(SQL)
    while rows := cursor.fetchmany(20_000):
        yield list(rows)
    connection.close()


def driver_to_nowhere(url: str) -> None:
    for _ in driver_cursor(url):
        pass


def driver_to_arrow(url: str) -> None:
    import pyarrow as pa

    for rows in driver_cursor(url):
        pa.table(dict(zip(COLUMNS, (pa.array(column) for column in zip(*rows, strict=True)), strict=True)))


WAYS: dict[str, Callable[[str], None]] = {
    "packets read and forgotten: the floor": packets_to_nowhere,
    "fedq, to Arrow": fedq_to_arrow,
    "fedq, to a DuckDB table": fedq_to_duckdb,
    "CONCAT, a text per row → Arrow's CSV reader": concat_to_arrow,
    "GROUP_CONCAT, 1,000 rows per text → the same": group_concat_to_arrow,
    "PyMySQL SSCursor, rows only iterated": driver_to_nowhere,
    "PyMySQL SSCursor → Arrow": driver_to_arrow,
}


def measured(way: str, url: str) -> dict[str, float]:
    """Run one way in a process of its own: seconds, and the peak of its memory in MB."""
    command = [sys.executable, "-m", "benchmarks.transports_mysql", "--one", way, "--url", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def scanned(folder: str, url: str) -> float:
    parts = urlsplit(url)
    target = f"host={parts.hostname} port={parts.port} user={parts.username} database={parts.path[1:]}"
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
        print(f"{name:46} {statistics.median(times) * 1000:7.2f} ms")
    source.close()


@contextmanager
def server_url(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    from tests.servers import MariaDBServer

    # the server's own user must be able to enter the directory
    root = Path(tempfile.mkdtemp(prefix="fedq-bench-"))
    root.chmod(0o711)
    server = MariaDBServer.start(root / "mariadb")
    try:
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


def make(url: str, rows: int) -> None:
    import pymysql
    from pymysql.constants import CLIENT

    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], ssl_disabled=True, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(MAKE.format(rows=rows))
        while cursor.nextset():
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--url")
    parser.add_argument("--scanner")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        for module in (
            "duckdb",
            "numpy",
            "pyarrow.compute",
            "pyarrow.csv",
            "pymysql.cursors",
            "fedq.fetch.mysql.source",
        ):
            importlib.import_module(module)
        started = time.perf_counter()
        WAYS[arguments.one](arguments.url)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with server_url(arguments.url) as url:
        make(url, arguments.rows)
        print(f"{arguments.rows:,} rows × {len(COLUMNS)} columns, median of {arguments.repeat}")
        for way in WAYS:
            runs = [measured(way, url) for _ in range(arguments.repeat)]
            seconds, memory = statistics.median(run["seconds"] for run in runs), max(run["mb"] for run in runs)
            print(f"{way:46} {seconds:7.2f} s {memory:7.0f} MB")
        if arguments.scanner:
            seconds = statistics.median(scanned(arguments.scanner, url) for _ in range(arguments.repeat))
            print(f"{'DuckDB 1.5.5 mysql scanner':46} {seconds:7.2f} s")
        small_queries(url)


if __name__ == "__main__":
    main()
