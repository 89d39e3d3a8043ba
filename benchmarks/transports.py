"""The frame of `transports_postgres` and `transports_mysql`: one table out of one server, by several ways.

    a Transport (what differs)  →  fill the table, each way in a process of its own, DuckDB's scanner, small queries

Each way runs in its own process because the peak of memory is a process's, and after its imports because those are not
what is measured.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from fedq.fetch.source import Source
    from tests.servers import Server

TABLE = "bench"
_SCANNER = """
import glob, sys, time, duckdb
con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
con.execute(f"LOAD '{glob.glob(sys.path[0] + '/**/' + sys.argv[1] + '_scanner.duckdb_extension', recursive=True)[0]}'")
con.execute(f"ATTACH '{sys.argv[2]}' AS other (TYPE {sys.argv[1]}, READ_ONLY)")
start = time.perf_counter()
con.execute("CREATE TABLE t AS FROM other.bench")
print(time.perf_counter() - start)
"""


@dataclass(frozen=True, slots=True)
class Transport:
    """What is different from one kind of server to the next."""

    kind: str
    """As fedq and DuckDB's extension call it."""
    module: str
    columns: Sequence[str]
    rows: int
    ways: Mapping[str, Callable[[str], None]]
    """Each reads the whole table at the url it is given."""
    imports: Sequence[str]
    """What the ways import."""
    make: Callable[[str, int], None]
    """Fill the table of the server at this url with so many rows."""
    start: Callable[[Path], Server]
    source: Callable[[str], Source]
    database_key: str = "dbname"
    """How the scanner's connection text calls the database."""


def batches(source: Source) -> Iterator[Any]:
    """The whole table, as fedq reads it."""
    from fedq.catalog.schema import PhysicalTable
    from fedq.fetch.source import Output, Select

    (table,) = source.describe([PhysicalTable(None, TABLE)])
    assert table is not None
    session = source.open()
    outputs = tuple(Output(column.name, column.name, column.type, column) for column in table.columns)
    yield from session.read(Select(outputs, f"FROM {TABLE}"))
    session.close()
    source.close()


def to_arrow(source: Source) -> None:
    """Read it and let go of it."""
    for _ in batches(source):
        pass


def to_duckdb(source: Source) -> None:
    """Read it into a table of DuckDB."""
    import duckdb
    import pyarrow as pa

    read = batches(source)
    first = next(read)

    def all_of_them() -> Iterator[Any]:
        yield first
        yield from read

    con = duckdb.connect()
    con.register("pulled", pa.RecordBatchReader.from_batches(first.schema, all_of_them()))
    con.execute("CREATE TABLE t AS FROM pulled")


def main(transport: Transport, doc: str) -> None:
    """The whole command."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=transport.rows)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--url")
    parser.add_argument("--scanner")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        _one(transport, given.one, given.url)
        return
    with _server(transport, given.url) as url:
        transport.make(url, given.rows)
        print(f"{given.rows:,} rows × {len(transport.columns)} columns, medians of {given.runs}")
        for way in transport.ways:
            runs = [_measured(transport, way, url) for _ in range(given.runs)]
            seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak"))
            print(f"{way:46} {seconds:7.2f} s {peak:6.0f} MB")
        if given.scanner:
            seconds = statistics.median(_scanned(transport, given.scanner, url) for _ in range(given.runs))
            print(f"{f'DuckDB 1.5.5, its {transport.kind} scanner':46} {seconds:7.2f} s")
        _small_queries(transport.source(url))


def _one(transport: Transport, way: str, url: str) -> None:
    for module in transport.imports:
        importlib.import_module(module)
    started = time.perf_counter()
    transport.ways[way](url)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _measured(transport: Transport, way: str, url: str) -> dict[str, float]:
    """One way in a process of its own: seconds, and the peak of its memory in MB."""
    command = [sys.executable, "-m", transport.module, "--one", way, "--url", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _scanned(transport: Transport, folder: str, url: str) -> float:
    parts = urlsplit(url)
    target = f"host={parts.hostname} port={parts.port} user={parts.username} password={parts.password} "
    target += f"{transport.database_key}={parts.path[1:]}"
    script = Path(folder) / "scan_bench.py"
    script.write_text(_SCANNER)
    try:
        command = [sys.executable, str(script), transport.kind, target]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    finally:
        script.unlink()
    return float(done.stdout)


def _small_queries(source: Source) -> None:
    """One row from a warm pool: open, read, close; and describe."""
    from fedq.catalog.schema import PhysicalTable
    from fedq.fetch.source import Output, Select
    from fedq.types import INTEGER

    one = Select((Output("1", "x", INTEGER),), "")

    def query() -> None:
        session = source.open()
        list(session.read(one))
        session.close()

    for name, work in (("one row", query), ("describe", lambda: source.describe([PhysicalTable(None, TABLE)]))):
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
def _server(transport: Transport, url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    root = Path(tempfile.mkdtemp(prefix="fedq-bench-"))
    root.chmod(0o711)  # the server's own user must be able to enter
    server = transport.start(root / "server")
    try:
        yield server.url
    finally:
        server.kill()
        shutil.rmtree(root, ignore_errors=True)
