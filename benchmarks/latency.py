"""What fedq adds to a one-row query: warm, beside the database's own driver, in one run.

    python -m benchmarks.latency            SQLite always; PostgreSQL and MariaDB where they can be started

Goals: SQLite under 5 ms in all; PostgreSQL under 3 ms above the driver's own time. Also the cost of `import fedq` and
of `%load_ext fedq` above IPython's own start. Machines are noisy: medians of paired runs are what counts.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import fedq
from tests.servers import MariaDBServer, PostgresServer, ServerUnavailable

RUNS = 300


def median_of_pairs(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of two calls that take turns."""
    for _ in range(20):
        one()
        other()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for call, kept in zip((one, other), times, strict=True):
            started = time.perf_counter()
            call()
            kept.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


def report(name: str, ours: float, theirs: float) -> None:
    """One line of the table."""
    above, ratio = ours - theirs, ours / theirs
    print(f"{name:34} fedq {ours:7.2f} ms   driver {theirs:7.2f} ms   above {above:6.2f} ms   ratio {ratio:6.1f}")


def sqlite(folder: Path) -> None:
    """A row by its key from a SQLite file."""
    file = folder / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO users VALUES (?, ?)", [(i, f"user {i}") for i in range(10_000)])
    fed = fedq.connect({"version": 1, "databases": {"shop": {"url": f"sqlite:///{file}"}}, "tables": {"users": "shop"}})

    def driver() -> object:
        with sqlite3.connect(file) as one:
            return one.execute("SELECT name FROM users WHERE id = ?", [77]).fetchall()

    ask = "select name from users where id = :id"
    report("SQLite, one row, warm", *median_of_pairs(lambda: fed.query(ask, {"id": 77}), driver))
    fed.close()


def server(name: str, start: Callable[[Path], PostgresServer | MariaDBServer], folder: Path) -> None:
    """A row by its key from a server, beside its ordinary driver."""
    try:
        running = start(folder)
    except ServerUnavailable as missing:
        print(f"{name}: left out, {missing}")
        return
    try:
        url = running.new_database()
        connection = running.connect(url)
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(40))")
        cursor.executemany("INSERT INTO users VALUES (%s, %s)", [(i, f"user {i}") for i in range(10_000)])
        connection.commit()

        def driver() -> object:
            cursor.execute("SELECT name FROM users WHERE id = %s", [77])
            return cursor.fetchall()

        fed = fedq.connect({"version": 1, "databases": {"shop": {"url": url}}, "tables": {"users": "shop"}})
        ask = "select name from users where id = :id"
        report(f"{name}, one row, warm", *median_of_pairs(lambda: fed.query(ask, {"id": 77}), driver))
        fed.close()
        connection.close()
    finally:
        running.stop()


LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "fedq")
print((time.perf_counter() - began) * 1000)
"""


def starts() -> None:
    """Whole processes for `import fedq`; inside a started IPython for `%load_ext fedq`."""
    commands = {"python": [sys.executable, "-c", "pass"], "import fedq": [sys.executable, "-c", "import fedq"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    loads = []
    for turn in range(8):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn:
                times[name].append((time.perf_counter() - started) * 1000)
        loaded = subprocess.run([sys.executable, "-c", LOAD], check=True, capture_output=True, text=True)
        loads.append(float(loaded.stdout.split()[-1]))
    medians = {name: statistics.median(kept) for name, kept in times.items()}
    print(f"{'import fedq above python':34} {medians['import fedq'] - medians['python']:7.0f} ms")
    print(f"{'%load_ext fedq above IPython':34} {statistics.median(loads):7.0f} ms")


def main() -> None:
    """Everything, one line each."""
    argparse.ArgumentParser("python -m benchmarks.latency", description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory(prefix="fedq-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        sqlite(folder)
        server("PostgreSQL", lambda where: PostgresServer.start(where / "postgres"), folder)
        server("MariaDB", lambda where: MariaDBServer.start(where / "mariadb"), folder)
    starts()


if __name__ == "__main__":
    main()
