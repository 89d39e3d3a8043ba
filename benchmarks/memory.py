"""A join, a sort and a grouping of ten times the memory limit: do they finish, and how much memory do they take?

    python -m benchmarks.memory [--limit 256]    in MB; makes two SQLite files of five times as much each

Goal: every one completes, and the process never holds more than the limit plus 200 MB. The text is random, so that no
compression makes it smaller, and the queries are such that no database can answer a part of them. Each runs in a
process of its own, because a peak is a process's.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

FACTOR = 10
ALLOWANCE = 200  # MB above the limit: Python, the libraries, and what is on its way
WIDTH = 1000  # bytes of text in a row

BOTH = "(SELECT * FROM hither UNION ALL SELECT * FROM yon)"
QUERIES = {
    "join": "SELECT count(*), max(md5(h.note || y.note)) FROM hither h JOIN yon y ON h.id = y.id",
    "sort": f"SELECT CAST(length(note) AS SMALLINT) FROM {BOTH} ORDER BY note",
    "grouping": f"SELECT count(*), max(n) FROM (SELECT note, count(*) AS n FROM {BOTH} GROUP BY note)",
}


def make(file: Path, name: str, rows: int) -> None:
    """One table of random text."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = off")
        connection.execute("PRAGMA journal_mode = off")
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, note TEXT NOT NULL)")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        connection.execute(f"INSERT INTO {name} {numbers} SELECT i, hex(randomblob({WIDTH // 2})) FROM n", [rows])
        connection.commit()


def ask(folder: Path, limit: int, sql: str) -> None:
    """Run one query in this process; print its seconds and the peak of its memory in MB."""
    import fedq

    databases = {name: {"url": f"sqlite:///{folder / name}.sqlite"} for name in ("hither", "yon")}
    policy = {"memory_limit": f"{limit}MB"}
    fed = fedq.connect({"version": 1, "databases": databases, "policy": policy})
    told: dict[str, object] = {}
    started = time.perf_counter()
    try:
        told["rows"] = len(fed.query(sql, on_cross_db="allow", max_pull="1TB"))
    except fedq.FedqError as error:
        told["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told | {"seconds": time.perf_counter() - started, "peak": peak}))


def main() -> None:
    """Everything, one line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limit", type=int, default=256, help="MB")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "SQL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        ask(Path(given.one[0]), given.limit, given.one[1])
        return
    rows = given.limit * 1_000_000 * FACTOR // WIDTH // 2
    with tempfile.TemporaryDirectory(prefix="fedq-memory-") as name:
        for table in ("hither", "yon"):
            make(Path(name) / f"{table}.sqlite", table, rows)
        print(f"limit {given.limit} MB, data {2 * rows * WIDTH / 1e6:,.0f} MB in two databases, "
              f"allowed {given.limit + ALLOWANCE} MB")  # fmt: skip
        for kind, sql in QUERIES.items():
            command = [sys.executable, "-m", "benchmarks.memory", "--limit", str(given.limit), "--one", name]
            done = subprocess.run([*command, sql], capture_output=True, text=True, check=False)
            print(f"{kind:10} {_line(done, given.limit)}", flush=True)


def _line(done: subprocess.CompletedProcess[str], limit: int) -> str:
    if done.returncode:
        return f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    verdict = str(told.get("error", ""))[:90] or ("within" if told["peak"] <= limit + ALLOWANCE else "ABOVE")
    return f"{told['seconds']:7.1f} s   peak {told['peak']:6.0f} MB   {verdict}"


if __name__ == "__main__":
    main()
