"""Where random tables live: made once, refilled for every example, so that an example costs milliseconds."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
import traceback
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa

from fedq.bind.resolve import BoundTable
from fedq.catalog.schema import Column
from fedq.errors import FedqError
from fedq.plan import build as build  # loaded, so that their modules can be lied to
from fedq.plan import kept as kept
from fedq.plan.estimate import Estimate
from tests.oracle.support import LOCAL, SERVERS, Places, assert_same
from tests.properties import rules
from tests.properties.grammar import CHAR, COLUMNS, INDEXED, PRIMARY, TEXT, UNIQUE, Case, Query, Table
from tests.properties.reworded import reworded
from tests.properties.shrink import shrink

NUMBERS = range(5)
NO_ERROR = "no error, but DuckDB refuses it"
#: how many different values a column has, as the planner is told by its name; None is unknown
VALUES_TOLD = (None, None, 1000.0, 2.0, 3.0, 2.0, 1e6)
#: of a DOUBLE whose last digits depend on the order in which it was added up
DIGITS = 9
#: of an average: DuckDB itself answers avg of 12.30, 12.30, 12.30 with 12.3, and with 12.299999999999999 where its
#: optimizer makes sum / count of it, as it does without GROUP BY or beside a sum or a count
AVERAGE_DIGITS = 14


@contextmanager
def sizes(told: tuple[int, ...]) -> Iterator[None]:
    """The planner takes tables, and what conditions leave of them, to be so large, in turn, and columns to have a few
    or many values: no answer may depend on an estimate."""
    turn = itertools.cycle(told)
    whole = defaultdict[str, float](lambda: float(next(turn)))

    def _values(table: BoundTable, column: Column) -> float | None:
        return VALUES_TOLD[zlib.crc32(f"{table.name} {column.name} {told}".encode()) % len(VALUES_TOLD)]

    with (
        patched("table_estimate", lambda table: Estimate(whole[table.name], is_known=True)),
        patched("filtered", lambda *_: Estimate(float(next(turn)), is_known=True)),
        patched("distinct", _values),
        patched("is_near", lambda *_: True),
    ):
        yield


@contextmanager
def patched(name: str, value: Any) -> Iterator[None]:
    """What the modules of the planner know by this name, replaced in each of them; at least one must know it."""
    found = [module for module in planner() if hasattr(module, name)]
    assert found, f"nothing in fedq.plan is called {name}: let the random tests lie to the planner in another way"
    before = [getattr(module, name) for module in found]
    for module in found:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, old in zip(found, before, strict=True):
            setattr(module, name, old)


def planner() -> Sequence[ModuleType]:
    """Every module of the planner that is loaded."""
    return _planner(len(sys.modules))


@lru_cache(maxsize=1)
def _planner(loaded: int) -> Sequence[ModuleType]:
    """`loaded` modules were loaded when they were looked for, which takes longer than many a query."""
    return [module for name, module in list(sys.modules.items()) if name.startswith("fedq.plan.")]


class World:
    """Five tables in every engine, and the oracle."""

    def __init__(self, folder: Path, postgres: Any = None, mariadb: Any = None) -> None:
        self.places = Places(folder, postgres, mariadb)
        self.places.policy["memory_limit"] = "200MB"  # one thread: rows this few are read faster by one
        self.places.oracle.execute("SET threads = 1")
        servers = {"postgres": postgres, "mariadb": mariadb}
        self.engines = tuple(name for name, server in servers.items() if server is not None) + LOCAL
        for engine in self.engines:
            for number in NUMBERS:
                table = Table(number, engine, ())
                self.places.define(table.name, ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items()))
                self._create(table)

    def _create(self, table: Table) -> None:
        engine, number = table.engine, table.number
        native = {"s": TEXT[engine][number % 3]} if engine in TEXT else {}
        native |= {"f": CHAR[engine]} if engine in CHAR else {}
        declare = {"u": "INTEGER", "h": "SMALLINT", "r": "FLOAT"} if engine == "sqlite" else {}
        key = ("id",) if number in PRIMARY and engine != "frame" else ()
        self.places.put(table.name, engine, native=native, key=key, declare=declare)
        if engine not in (*SERVERS, "sqlite"):
            return
        if number in UNIQUE:
            self.places.run(engine, f"create unique index {table.name}_u on {table.name} (u)")
        for column in ("k", "f", "u", "s(10)" if engine == "mariadb" else "s") if number in INDEXED else ():
            self.places.run(engine, f"create index {table.name}_{column[0]} on {table.name} ({column})")

    def check_small(self, case: Case) -> None:
        """As `problems`, of which the first is raised."""
        for problem in self.problems(case):
            raise AssertionError(problem)

    def problems(self, case: Case) -> Iterator[str]:
        """What is different between fedq and the oracle, each with a case made small."""
        for query, problem in self._differences(case):
            alone = replace(case, queries=(query,))
            if self.problem(alone) is None:
                yield f"only after the queries before it:\n{problem}"
                continue
            small = shrink(alone, lambda smaller: self.problem(smaller) is not None)
            yield self.problem(small) or problem

    def problem(self, case: Case) -> str | None:
        """What is different between fedq and the oracle, with the whole case; None where nothing is."""
        found = self._differences(case, is_first=True)
        return found[0][1] if found else None

    def _differences(self, case: Case, *, is_first: bool = False) -> list[tuple[Query, str]]:
        """The queries, or the first one, that fedq and the oracle do not agree on, with all about them."""
        self.fill(case)
        found: list[tuple[Query, str]] = []
        with self.planned(case):
            for query in case.queries:
                try:
                    with sizes(query.sizes or case.sizes):
                        self._compare(query)
                except Exception as problem:  # also what should never come out of fedq
                    found.append((query, told(case, query, problem)))
                if found and is_first:
                    break
        return found

    @contextmanager
    def planned(self, case: Case) -> Iterator[None]:
        """The planner as the case has it: told other sizes, and without one of its rules."""
        with sizes(case.sizes):
            if not case.left_out:
                yield
                return
            self.places.close()  # its plans were made with the rule
            try:
                with rules.without(case.left_out):
                    yield
            finally:
                self.places.close()

    def fill(self, case: Case) -> None:
        """The tables of the case, with its rows."""
        self.places.frames = {}
        for table in case.tables:
            self._fill(table)

    def answer(self, query: Query, params: Mapping[str, Any] | None = None) -> pa.Table | None:
        """The oracle's, None where it refuses."""
        try:
            if params is None:
                return self.places.expected(query.sql)
            return self.places.oracle.sql(query.sql, params=dict(params)).to_arrow_table()
        except duckdb.Error:
            return None

    def close(self) -> None:
        """Close everything."""
        self.places.end()

    def _compare(self, query: Query) -> None:
        for params in query.params or (None,):
            used = params and {name: value for name, value in params.items() if f"${name}" in query.sql}
            self._compare_one(query, used)
        if not query.params and (again := reworded(query)) is not None:
            try:
                self._compare_one(again, None)
            except Exception as problem:
                problem.add_note(f"asked again as {again.sql}")
                raise

    def _compare_one(self, query: Query, params: Mapping[str, Any] | None) -> None:
        expected = self.answer(query, params)
        if expected is None:
            try:
                self.places.query(query.sql, params)
            except FedqError:
                return
            if query.is_lazy:
                return
            raise AssertionError(f"no error, but DuckDB refuses it with {params}" if params else NO_ERROR)
        try:
            found: Any = self.places.query(query.sql, params)
        except FedqError:
            if query.may_fail:
                return
            raise
        digits = DIGITS if query.is_approximate else AVERAGE_DIGITS if "avg(" in query.sql.lower() else None
        if digits is not None or pa.float64() in expected.schema.types:
            near, expected = (rounded(table, digits or 17) for table in (found.to_arrow(), expected))
            found = SimpleNamespace(to_arrow=lambda: near)
        assert_same(found, expected, ordered=query.is_ordered, sql=query.sql)

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
                    cursor.executemany(
                        f"INSERT INTO {name} VALUES ({marks.replace('?', '%s')})",
                        [list(map(for_mariadb, row)) for row in table.rows],
                    )
            case "sqlite":
                places.refill_sqlite(name)
            case "duckdb":
                places.refill_duckdb(name)
            case "parquet":
                places.refill_parquet(name)
            case _:
                places.put(name, "frame")


def rounded(table: pa.Table, digits: int) -> pa.Table:
    """Its DOUBLEs to so many digits, which adding up in another order leaves alone; and 0.0 for -0.0, for the two are
    one group, and which of them stands for it is a matter of luck."""
    columns = [
        pa.array(
            [None if value is None else float(f"{value:.{digits}g}") + 0.0 for value in column.to_pylist()],
            pa.float64(),
        )
        if pa.types.is_float64(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def for_mariadb(value: Any) -> Any:
    """A value as its driver takes it."""
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.replace(tzinfo=None)
    return value


def told(case: Case, query: Query, problem: Exception) -> str:
    """A difference with the whole case."""
    shown = [f"{table.name}: {list(map(list, table.rows))}" for table in case.tables]
    shown += getattr(problem, "__notes__", [])
    shown.append(f"sizes {query.sizes or case.sizes} without {case.left_out or 'nothing'}\n{query.sql}")
    shown += [str(dict(params)) for params in query.params]
    return "\n".join([*shown, f"{type(problem).__name__}: {problem}{place_of(problem)}"])


def place_of(problem: Exception) -> str:
    """Where in fedq an error was raised that is neither fedq's own nor a difference."""
    if isinstance(problem, (AssertionError, FedqError)):
        return ""
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if "/fedq/" in frame.filename]
    return "".join(
        f"\n    {frame.filename.partition('/fedq/')[2]}:{frame.lineno} {frame.line}" for frame in frames[-3:]
    )
