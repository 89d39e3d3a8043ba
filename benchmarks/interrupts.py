"""Ctrl-C in a notebook during a long pull: when control is back, and when the statement is gone from the server.

    python -m benchmarks.interrupts [--times 10] [--write]

A real kernel pulls a view of PostgreSQL and of MariaDB whose rows take 10 ms each, reads an endless view of a SQLite
file, and joins without end in the local engine; a second later the kernel is interrupted. Goals: control within 0.5 s,
the statement gone from the server within 2 s, and the next cell answers. `--write` keeps the table in
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.federated.machine import hardware
from tests.servers import MariaDBServer, PostgresServer, ServerUnavailable
from tests.show.kernel import Kernel

RESULTS = Path(__file__).parent / "results" / "interrupts.md"
CONTROL, GONE = 0.5, 2.0


@dataclass(frozen=True)
class Ground:
    """One database with a slow view and a quick table of three rows, or none and an endless query."""

    name: str
    url: str | None
    slow: str
    is_gone: Callable[[], bool]


def postgres(server: PostgresServer) -> Ground:
    url = server.new_database("slow")
    server.sql("create table quick as select generate_series(1, 3) as id", url)
    server.sql("create view slow as select g as id, pg_sleep(0.01)::text as s from generate_series(1, 100000) g", url)
    running = (
        "select count(*) from pg_stat_activity where query ~ 'slow' and state = 'active' and pid <> pg_backend_pid()"
    )
    return Ground("PostgreSQL", url, "select id, s from far.slow", lambda: server.sql(running, url) == [(0,)])


def mariadb(server: MariaDBServer) -> Ground:
    url = server.new_database("slow")
    server.sql("create table quick as select seq as id from seq_1_to_3", url)
    server.sql("create view slow as select seq as id, sleep(0.01) as s from seq_1_to_100000", url)
    running = "select count(*) from information_schema.processlist where info like '%slow%' and id <> connection_id()"
    return Ground("MariaDB", url, "select id, s from far.slow", lambda: server.sql(running, url) == [(0,)])


def sqlite(folder: Path) -> Ground:
    file = folder / "slow.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "create table quick (id integer); insert into quick values (1), (2), (3);"
            "create view slow as with recursive n(id) as (select 1 union all select id + 1 from n where id < 1e9)"
            " select id, 'x' || id as s from n"
        )
    return Ground("SQLite", f"sqlite:///{file}", "select max(s) from far.slow where id % 2 = 0", lambda: True)


def interrupted(kernel: Kernel, ground: Ground) -> tuple[float, float]:
    """Seconds until the cell ended, and until the server no longer ran its statement."""
    number = kernel.send(f"%fedq {ground.slow}")
    time.sleep(1)
    began = time.monotonic()
    kernel.interrupt()
    cell = kernel.wait(number)
    control = time.monotonic() - began
    assert cell.ename == "QueryCancelled", cell
    while not ground.is_gone():
        assert time.monotonic() - began < 60, "the statement is still there"
        time.sleep(0.01)
    gone = time.monotonic() - began
    after = kernel.run("r = %fedq select count(*) as n from far.quick\nprint(r.scalar())" if ground.url else "print(3)")
    assert after.stdout == "3\n", after
    return control, gone


def grounds(stack: ExitStack, folder: Path) -> Iterator[Ground]:
    """Every database that can be had."""
    for kind, ground in ((PostgresServer, postgres), (MariaDBServer, mariadb)):
        try:
            server = kind.start(folder / kind.engine)
        except ServerUnavailable as missing:
            print(f"left out: {missing}")
            continue
        stack.callback(server.kill)
        yield ground(server)  # type: ignore[arg-type]
    yield sqlite(folder)
    yield Ground("local engine", None, "select count(*) from range(1000000000) a, range(1000) b", lambda: True)


def main() -> None:
    """A row per database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    told = parser.parse_args()
    lines = [
        "| pulled from | Ctrl-C | control back, s (median) | at most | statement gone, s (median) | at most | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="fedq-", dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        kernel = Kernel(folder)
        stack.callback(kernel.close)
        kernel.run("%load_ext fedq\nimport fedq")
        for ground in grounds(stack, folder):
            where = {"far": ground.url} if ground.url else {}
            kernel.run(f"fedq.use(fedq.connect(**{where!r}))")
            control, gone = zip(*(interrupted(kernel, ground) for _ in range(told.times)), strict=True)
            is_within = max(control) <= CONTROL and max(gone) <= GONE
            lines.append(
                f"| {ground.name} | {told.times} | {statistics.median(control):.2f} | {max(control):.2f} "
                f"| {statistics.median(gone):.2f} | {max(gone):.2f} | {'within' if is_within else 'missed'} |"
            )
    print("\n".join(lines))
    if told.write:
        about = [f"* {key}: {value}" for key, value in hardware().items()]
        page = ["# Ctrl-C", (__doc__ or "").strip(), "\n".join(lines), "\n".join(about)]
        RESULTS.write_text("\n\n".join(page) + "\n", "utf-8")


if __name__ == "__main__":
    main()
