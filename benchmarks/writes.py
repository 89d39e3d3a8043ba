"""Bulk writes of one DataFrame: fedq, pandas.to_sql(method="multi"), and COPY or LOAD DATA made by hand, in one run.

    python -m benchmarks.writes               1,000,000 rows into a PostgreSQL and a MariaDB started for it
    python -m benchmarks.writes --rows 100000
    python -m benchmarks.writes --write       and keep the figures in benchmarks/results

By hand means what one would write for this one table, twice: `to_csv` and one COPY or LOAD DATA LOCAL; and the same
COPY or LOAD DATA of a file that was made before, whose making is not measured, with nothing checked or converted. They
take turns, and the medians are compared; to_sql is measured on a tenth of the rows and scaled up.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

import fedq
from benchmarks.federated import machine
from tests.servers import MariaDBServer, PostgresServer, Server
from tests.servers.base import children

COLUMNS = "id BIGINT NOT NULL PRIMARY KEY, customer BIGINT, name VARCHAR(40), amount DOUBLE PRECISION, at {moment}"
RESULTS = Path(__file__).parent / "results"
#: what the figures are to be: of the speed of the ready file, and times that of to_sql
OF_READY, OF_TO_SQL = 0.8, 3.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds for one server, medians."""

    engine: str
    rows: int
    repeats: int
    fedq: float
    to_csv: float
    """`to_csv` and the bulk statement."""
    ready: float
    """The bulk statement alone, of a file that was there."""
    to_sql: float
    """Scaled up from a tenth."""
    fedq_cpu: float
    ready_cpu: float
    """Seconds of processor time of client and server together, which other work on the machine does not lengthen."""

    @property
    def line(self) -> str:
        """A row of the table."""
        return (
            f"| {self.engine} | {self.rows:,} | {self.fedq:.2f} | {self.ready:.2f} | {self.ready / self.fedq:.2f} "
            f"| {self.fedq_cpu:.2f} | {self.ready_cpu:.2f} "
            f"| {self.to_csv:.2f} | {self.to_csv / self.fedq:.2f} | {self.to_sql:.1f} | {self.to_sql / self.fedq:.1f} |"
        )


def frame(rows: int) -> pd.DataFrame:
    """Orders, all of them different."""
    random = np.random.default_rng(1)
    return pd.DataFrame({
        "id": np.arange(rows),
        "customer": random.integers(0, 50_000, rows),
        "name": [f"order number {number}" for number in range(rows)],
        "amount": random.integers(0, 10_000_000, rows) / 100,
        "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), unit="s"),
    })  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_seconds(server: Server) -> float:
    """What this process and the server's have used so far; a session that has ended counts for its parent."""
    ticks = 0
    for pid in (server.pid, *children(server.pid)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11 : 15 if pid == server.pid else 13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def copy(url: str, text: io.StringIO | io.BufferedReader) -> None:
    """One COPY of CSV."""
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY t FROM STDIN (FORMAT csv)") as sent:
            while piece := text.read(1 << 20):
                sent.write(piece)


def load(server: Server, database: str, file: str) -> None:
    """One LOAD DATA LOCAL of a CSV file."""
    import pymysql

    connection = pymysql.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=database,
        local_infile=True,
    )  # fmt: skip
    connection.cursor().execute(
        f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
    )
    connection.commit()
    connection.close()


def by_hand(server: Server, url: str, data: pd.DataFrame) -> None:
    """From the DataFrame."""
    if server.engine == "postgres":
        text = io.StringIO()
        data.to_csv(text, index=False, header=False)
        text.seek(0)
        copy(url, text)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        data.to_csv(file, index=False, header=False)
        file.flush()
        load(server, url.rpartition("/")[2], file.name)


def from_file(server: Server, url: str, file: str) -> None:
    """From a file that is there."""
    if server.engine == "postgres":
        with Path(file).open("rb") as text:
            copy(url, text)
    else:
        load(server, url.rpartition("/")[2], file)


def measure(server: Server, data: pd.DataFrame, ready: str, repeats: int) -> Figures:
    """One server's figures."""
    url = server.new_database("writes")
    moment = "TIMESTAMP" if server.engine == "postgres" else "DATETIME(6)"
    server.sql(f"CREATE TABLE t ({COLUMNS.format(moment=moment)})", url)
    os.environ["WRITES_PASSWORD"] = server.password
    told = {"url": url.replace(f":{server.password}@", "@"), "password": {"env": "WRITES_PASSWORD"}}
    expected = int(data["customer"].sum())
    taken: dict[str, list[float]] = defaultdict(list)
    with fedq.connect({"version": 1, "databases": {"db": told}}) as fed:
        ways = {
            "fedq": lambda: fed.write(data, "t"),
            "to_csv": lambda: by_hand(server, url, data),
            "ready": lambda: from_file(server, url, ready),
        }
        for number in range(repeats + 1):
            for way, work in ways.items():
                server.sql("TRUNCATE TABLE t", url)
                used = processor_seconds(server)
                spent = seconds(work)
                used = processor_seconds(server) - used
                assert server.sql("SELECT count(*), sum(customer) FROM t", url) == [(len(data), expected)], way
                if number:  # the first round fills caches, and the server's files
                    taken[way].append(spent)
                    taken[f"{way}_cpu"].append(used)
                    print(f"{server.engine:10} {way:7} {spent:6.2f} s, {used:6.2f} s of the processor", flush=True)
    medians = {way: statistics.median(found) for way, found in taken.items()}
    del medians["to_csv_cpu"]
    return Figures(server.engine, len(data), repeats, **medians, to_sql=_to_sql(server, url, data))


def _to_sql(server: Server, url: str, data: pd.DataFrame) -> float:
    part = data.head(max(1, len(data) // 10))
    driver = url.replace("postgresql://", "postgresql+psycopg://").replace("mysql://", "mysql+pymysql://")
    engine = sa.create_engine(driver)
    server.sql("TRUNCATE TABLE t", url)
    spent = seconds(
        lambda: part.to_sql("t", engine, if_exists="append", index=False, method="multi", chunksize=1000),
    )
    engine.dispose()
    return spent * len(data) / len(part)


def page(found: list[Figures], about: dict[str, str]) -> str:
    """The figures as a table, and what they are to be."""
    lines = [
        "# Bulk writes",
        "",
        f"One DataFrame of five columns, medians of {found[0].repeats}, in seconds. Goals: at least {OF_READY} of the"
        f" speed of a ready file, at least {OF_TO_SQL:g} times that of `to_sql`.",
        "",
        "| server | rows | fedq | ready file | of its speed | CPU: fedq | ready file | to_csv and bulk | of its speed"
        " | to_sql(method='multi') | of its speed |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(figures.line for figures in found),
        "",
        "Ready file: COPY or LOAD DATA LOCAL of a CSV file made before; nothing is checked or converted. CPU: processor"
        " seconds of client and server together, which do not depend on what else the machine does.",
        "",
        *(f"* {name}: {value}" for name, value in about.items()),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table; keep it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results")
    told = parser.parse_args()
    data = frame(told.rows)
    found = []
    with tempfile.TemporaryDirectory(prefix="fedq-writes-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        ready = str(Path(folder) / "ready.csv")
        data.to_csv(ready, index=False, header=False)
        for kind in (PostgresServer, MariaDBServer):
            server = kind.start(Path(folder) / kind.engine)
            try:
                found.append(measure(server, data, ready, told.repeats))
            finally:
                server.kill()
    about = {**machine.hardware(), "load when it ended": " ".join(f"{load:.0f}" for load in os.getloadavg())}
    print(page(found, about))
    if told.write:
        (RESULTS / "writes.md").write_text(page(found, about))
        kept = {"machine": about, "figures": [asdict(one) for one in found]}
        (RESULTS / "writes.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
