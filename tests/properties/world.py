"""Where random tables live: made once, refilled for every example, so that an example costs milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fedq.errors import FedqError
from fedq.plan import build
from tests.oracle.support import LOCAL, Places
from tests.properties.grammar import COLUMNS, TEXT, Case, Query, Table
from tests.properties.shrink import shrink

NUMBERS = range(3)


@contextmanager
def sizes(told: tuple[int, ...]) -> Iterator[None]:
    """The planner takes the tables of a query to be so large, in turn: no answer may depend on an estimate."""
    turn = itertools.cycle(told)
    before = build.filtered_rows, build.SMALL_TABLE
    build.filtered_rows, build.SMALL_TABLE = lambda table, offers: float(next(turn)), 0
    try:
        yield
    finally:
        build.filtered_rows, build.SMALL_TABLE = before


class World:
    """Three tables in every engine, and the oracle."""

    def __init__(self, folder: Path, postgres: Any = None, mariadb: Any = None) -> None:
        self.places = Places(folder, postgres, mariadb)
        servers = {"postgres": postgres, "mariadb": mariadb}
        self.engines = tuple(name for name, server in servers.items() if server is not None) + LOCAL
        for engine in self.engines:
            for number in NUMBERS:
                table = Table(number, engine, ())
                self.places.define(table.name, ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items()))
                native = {"s": TEXT[engine][number]} if engine in TEXT else None
                self.places.put(table.name, engine, native=native, key=() if engine == "frame" else ("id",))

    def check_small(self, case: Case) -> None:
        """As `check`; a case that fails is made small first."""
        if self.problem(case) is not None:
            small = shrink(case, lambda smaller: self.problem(smaller) is not None)
            raise AssertionError(self.problem(small) or self.problem(case))

    def problem(self, case: Case) -> str | None:
        """What is different between fedq and the oracle, with the whole case; None where nothing is."""
        self.fill(case)
        for query in case.queries:
            try:
                with sizes(case.sizes):
                    self._compare(query)
            except (AssertionError, FedqError) as problem:
                shown = "\n".join(f"{table.name}: {list(map(list, table.rows))}" for table in case.tables)
                return f"{shown}\nsizes {case.sizes}\n{query.sql}\n{type(problem).__name__}: {problem}"
        return None

    def fill(self, case: Case) -> None:
        """The tables of the case, with its rows."""
        self.places.frames = {}
        for table in case.tables:
            self._fill(table)

    def answer(self, query: Query) -> pa.Table | None:
        """The oracle's, None where it refuses."""
        try:
            return self.places.expected(query.sql)
        except duckdb.Error:
            return None

    def close(self) -> None:
        """Close everything."""
        self.places.end()

    def _compare(self, query: Query) -> None:
        if self.answer(query) is None:
            try:
                self.places.query(query.sql)
            except FedqError:
                return
            raise AssertionError("no error, but DuckDB refuses it")
        self.places.check(query.sql, ordered=query.is_ordered)

    def _fill(self, table: Table) -> None:
        places, name = self.places, table.name
        places.oracle.execute(f"DELETE FROM {name}")
        marks = ", ".join("?" * len(COLUMNS))
        if table.rows:
            places.oracle.executemany(f"INSERT INTO {name} VALUES ({marks})", list(table.rows))
        match table.engine:
            case "postgres":
                cursor = places.connection("postgres").cursor()
                cursor.execute(f"DELETE FROM {name}")
                with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                    for row in table.rows:
                        copy.write_row(row)
            case "mariadb":
                cursor = places.connection("mariadb").cursor()
                cursor.execute(f"DELETE FROM {name}")
                if table.rows:
                    cursor.executemany(f"INSERT INTO {name} VALUES ({marks.replace('?', '%s')})", list(table.rows))
            case "sqlite":
                places.refill_sqlite(name)
            case "duckdb":
                places.refill_duckdb(name)
            case "parquet":
                places.refill_parquet(name)
            case _:
                places.put(name, "frame")
