"""Bulk writes of one DataFrame: fedq, pandas.to_sql(method="multi"), and COPY or LOAD DATA made by hand, in one run.

    python benchmarks/writes.py                 1,000,000 rows into a PostgreSQL and a MariaDB started for it
    python benchmarks/writes.py --rows 100000

By hand means what one would write for this one table: `to_csv` into memory and one COPY; `to_csv` into a file and one
LOAD DATA LOCAL. to_sql is measured on a tenth of the rows and scaled up, and says so.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

import fedq
from tests.servers import MariaDBServer, PostgresServer, Server

COLUMNS = "id BIGINT NOT NULL PRIMARY KEY, customer BIGINT, name VARCHAR(40), amount DOUBLE PRECISION, at {moment}"


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


def by_hand_postgres(url: str, data: pd.DataFrame) -> None:
    import psycopg

    text = io.StringIO()
    data.to_csv(text, index=False, header=False)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY t FROM STDIN (FORMAT csv)") as copy:
            copy.write(text.getvalue())


def by_hand_mariadb(server: Server, database: str, data: pd.DataFrame) -> None:
    import pymysql

    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        data.to_csv(file, index=False, header=False)
        file.flush()
        connection = pymysql.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, database=database,
            local_infile=True,
        )  # fmt: skip
        connection.cursor().execute(
            f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE t FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
        )
        connection.commit()
        connection.close()


def measure(server: Server, data: pd.DataFrame, repeats: int) -> None:
    """One server's line."""
    url = server.new_database("writes")
    name = url.rpartition("/")[2]
    is_postgres = server.engine == "postgres"
    server.sql(f"CREATE TABLE t ({COLUMNS.format(moment='TIMESTAMP' if is_postgres else 'DATETIME(6)')})", url)
    os.environ["WRITES_PASSWORD"] = server.password
    fed = fedq.connect({"version": 1, "databases": {"db": {
        "url": url.replace(f":{server.password}@", "@"), "password": {"env": "WRITES_PASSWORD"}}}})  # fmt: skip
    hand = (lambda: by_hand_postgres(url, data)) if is_postgres else (lambda: by_hand_mariadb(server, name, data))
    best: dict[str, float] = {}
    for _ in range(repeats):
        for label, work in (("fedq", lambda: fed.write(data, "t")), ("by hand", hand)):
            server.sql("TRUNCATE TABLE t", url)
            best[label] = min(best.get(label, 1e9), seconds(work))
            assert server.sql("SELECT count(*), sum(customer) FROM t", url)[0][0] == len(data)
    part = data.head(max(1, len(data) // 10))
    driver = url.replace("postgresql://", "postgresql+psycopg://").replace("mysql://", "mysql+pymysql://")
    engine = sa.create_engine(driver)
    server.sql("TRUNCATE TABLE t", url)
    told = {"name": "t", "con": engine, "if_exists": "append", "index": False, "method": "multi", "chunksize": 1000}
    best["to_sql"] = seconds(lambda: part.to_sql(**told)) * len(data) / len(part)
    print(
        f"{server.engine:10} {len(data):>9,} rows   fedq {best['fedq']:6.2f} s   by hand {best['by hand']:6.2f} s"
        f" ({best['by hand'] / best['fedq']:.2f} of its speed)   to_sql(method='multi') {best['to_sql']:7.2f} s"
        f" ({best['to_sql'] / best['fedq']:.1f} times as fast)"
    )
    engine.dispose()
    fed.close()


def main() -> None:
    """Print one line per server."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    told = parser.parse_args()
    data = frame(told.rows)
    with tempfile.TemporaryDirectory(prefix="fedq-writes-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        for kind in (PostgresServer, MariaDBServer):
            server = kind.start(Path(folder) / kind.engine)
            try:
                measure(server, data, told.repeats)
            finally:
                server.kill()


if __name__ == "__main__":
    main()
