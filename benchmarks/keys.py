"""The fastest carrier of keys: seconds for 10 to 500,000 keys of every type, in each database, several ways.

    python -m benchmarks.keys [postgres,mariadb,sqlite,duckdb] [bigint,date,uuid,text] [10,1000,20000,100000]

    bigint 100,000   array 104 ms   list 149 ms   unnest 368 ms   values 406 ms        the chosen one is marked *

Each figure is the best of three runs of `SELECT count(*), sum(v)` over 300,000 rows with an index on the key, of which
the keys find half of theirs; writing the keys as text is counted, by the local engine as fedq does it. Temporary tables
are not among them: neither PostgreSQL nor MariaDB creates one in a transaction that only reads.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from fedq.catalog.schema import Column
from fedq.dialects import dialect_of
from fedq.dialects.carriers import Keys, Target
from fedq.join.duckdb import Bench, Engine
from fedq.types import parse_type
from tests.servers import MariaDBServer, PostgresServer

ROWS = 300_000
#: key type → the i-th key, in DuckDB's SQL
KEYS = {
    "bigint": "i * 70000000007", "date": "DATE '0001-01-02' + i::INTEGER",
    "uuid": "('00000000-0000-4000-8000-' || printf('%012x', i))::UUID",
    "text": "'key ' || printf('%x', i)",
}  # fmt: skip
#: key type → the column's type in each kind of database
NATIVE = {
    "postgres": {"bigint": "bigint", "date": "date", "uuid": "uuid", "text": "text"},
    "mysql": {"bigint": "bigint", "date": "date", "uuid": "uuid", "text": "varchar(40)"},
    "sqlite": {"bigint": "integer", "date": "text", "text": "text"},
    "duckdb": {"bigint": "bigint", "date": "date", "uuid": "uuid", "text": "varchar"},
}
QUOTED = "'''' || replace(k0::VARCHAR, '''', '''''') || ''''"
#: other ways than the chosen one: name → (before, how a key is written, between, after, most keys)
Way = tuple[str, str, str, str, int]


def other_ways(kind: str, key: str) -> dict[str, Way]:
    """What else could be sent."""
    said = "k0::VARCHAR" if key == "bigint" else QUOTED
    ways: dict[str, Way] = {
        "list": ("k IN (", said, ",", ")", 100_000),
        "values": ("k IN (VALUES (", said, "),(", "))", 20_000 if kind != "sqlite" else 500_000),
    }
    if kind == "postgres":
        ways["unnest"] = ("k IN (SELECT unnest('{", "'\"' || k0::VARCHAR || '\"'", ",", f"}}'::{key}[]))", 500_000)
        ways["values"] = (f"k IN (SELECT x::{key} FROM (VALUES (", said, "),(", ")) q(x))", 20_000)
    if kind == "mysql":
        kinds = {"bigint": "bigint", "date": "date", "uuid": "char(36)", "text": "varchar(40)"}
        path = f"', '$[*]' COLUMNS(k {kinds[key]} PATH '$')) j)"
        ways["json_table"] = (
            "k IN (SELECT j.k FROM JSON_TABLE('[",
            "'\"' || k0::VARCHAR || '\"'",
            ",",
            f"]{path}",
            100_000,
        )
    if kind == "sqlite":
        written = said if key == "bigint" else "'\"' || k0::VARCHAR || '\"'"
        ways["json_each"] = ("k IN (SELECT value FROM json_each('[", written, ",", "]'))", 500_000)
    return ways


def times(kind: str, key: str, number: int, bench: Bench, ask: Callable[[str], Any]) -> dict[str, float]:
    """Milliseconds of each way; the chosen one is marked."""
    native = NATIVE[kind][key]
    type_ = parse_type("varchar" if key == "text" else key)
    name = f"g{number}@1"
    bench.create(name, [("k", type_, None)])
    bench._execute(
        f'INSERT INTO "{name}" SELECT {KEYS[key]} '
        f"FROM range(0, {ROWS * 2}, {max(1, ROWS * 2 // number)}) r(i) LIMIT {number}"
    )
    keys = bench.keys(name, ["k"], number)
    column = Column(
        "k", type_, "k", native, collation="utf8mb4_general_ci" if kind == "mysql" and key == "text" else None
    )
    carrier = dialect_of(kind).carrier([Target("k", column, type_)], keys.count)
    assert carrier is not None or (kind, key) == ("sqlite", "uuid")
    found = {}
    if carrier is not None:
        (at,) = (number for number, part in enumerate(carrier.parts) if isinstance(part, Keys))
        place = carrier.parts[at]
        assert isinstance(place, Keys)
        before, after = ("".join(map(str, parts)) for parts in (carrier.parts[:at], carrier.parts[at + 1 :]))
        chosen: Way = (before, place.spelled, place.separator, after, 10**9)
        found[f"{carrier.name}*"] = best(chosen, bench, keys, ask)
    for label, way in other_ways(kind, key).items():
        if number <= way[4] and label != (carrier.name if carrier else ""):
            found[label] = best(way, bench, keys, ask)
    return found


def best(way: Way, bench: Bench, keys: Any, ask: Callable[[str], Any]) -> float:
    """The fastest of three."""
    before, spelled, separator, after, _ = way
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        written = bench.write_keys(keys, [(spelled, separator)], "false")
        assert written is not None
        ask(f"SELECT count(*), sum(v) FROM t WHERE {before}{written[1][0]}{after}")
        taken.append((time.perf_counter() - started) * 1000)
        if taken[-1] > 5_000:
            break
    return min(taken)


def filled(kind: str, key: str, execute: Callable[[str], Any]) -> None:
    """The table."""
    execute("DROP TABLE IF EXISTS t")
    execute(f"CREATE TABLE t (k {NATIVE[kind][key]}, v BIGINT)")
    rows = duckdb.execute(f"SELECT ({KEYS[key]})::VARCHAR, i FROM range({ROWS}) r(i)").fetchall()
    for block in (rows[start : start + 10_000] for start in range(0, ROWS, 10_000)):
        execute("INSERT INTO t VALUES " + ",".join(f"('{k}',{v})" for k, v in block))
    execute("CREATE INDEX i ON t (k)")
    execute("ANALYZE TABLE t" if kind == "mysql" else "ANALYZE t" if kind != "duckdb" else "ANALYZE")


def measure(kind: str, chosen: list[str], numbers: list[int], connection: Any) -> None:
    """A line per type and number."""
    cursor = connection.cursor()

    def ask(sql: str) -> Any:
        cursor.execute(sql)
        return cursor.fetchall()

    def execute(sql: str) -> None:
        cursor.execute(sql)

    engine = Engine()
    for key in (key for key in chosen if key in NATIVE[kind]):
        filled(kind, key, execute)
        if kind == "mysql":
            ask("SET in_predicate_conversion_threshold = 0")
        bench = engine.bench()
        for number in numbers:
            found = times(kind, key, number, bench, ask)
            line = "   ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in found.items())
            print(f"{kind:9} {key:7} {number:8,} keys, ms   {line}", flush=True)
        bench.close()
    engine.close()


def main() -> None:
    """All, or what the arguments name."""
    parser = argparse.ArgumentParser("python -m benchmarks.keys", description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="?", default="postgres,mariadb,sqlite,duckdb")
    parser.add_argument("types", nargs="?", default=",".join(KEYS))
    parser.add_argument("sizes", nargs="?", default="10,1000,5000,20000,100000,500000")
    given = parser.parse_args()
    sizes = [int(number) for number in given.sizes.split(",")]
    for kind in given.kinds.split(","):
        with tempfile.TemporaryDirectory(prefix="fedq-", dir="/tmp") as name:
            folder = Path(name)
            folder.chmod(0o711)
            wanted = given.types.split(",")
            if kind == "sqlite":
                measure(kind, wanted, sizes, sqlite3.connect(folder / "keys.db", isolation_level=None))
            elif kind == "duckdb":
                measure(kind, wanted, sizes, duckdb.connect(str(folder / "keys.duckdb")))
            else:
                server = (PostgresServer if kind == "postgres" else MariaDBServer).start(folder / kind)
                try:
                    connection = server.connect(server.new_database())
                    if kind == "postgres":
                        connection.autocommit = True
                    measure("mysql" if kind == "mariadb" else kind, wanted, sizes, connection)
                    connection.close()
                finally:
                    server.stop()


if __name__ == "__main__":
    main()
