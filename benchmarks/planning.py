"""What planning costs: a join of eight tables over three databases, warm, stage by stage, beside DuckDB's own PREPARE.

    python -m benchmarks.planning                 TPC-H q8 at scale 0.01, in PostgreSQL, MariaDB and SQLite
    python -m benchmarks.planning --query q9 --runs 100

A text of a *new shape* is parsed, bound and planned from the start; one with *new constants* is parsed, and finds the
plan of its shape; the *same text* is not even parsed. Milliseconds of processor time of the planning thread, medians:
what the databases are asked meanwhile (is the table still what it was?) is answered from memory here, so that no wait
and no other process is in the figures. `explain, as called` is the wall clock of the whole call, those questions
included.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import cycle
from typing import Any, TypeVar

import fedq
from benchmarks.federated.race import CLIENTS
from benchmarks.federated.site import Site
from fedq import pipeline
from fedq.bind.bound import BoundQuery, bind
from fedq.bind.resolve import Placing
from fedq.bind.scope import Occurrence
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.fetch.open import QueryLookup, Sources
from fedq.join.binder import Binder
from fedq.join.duckdb import Engine
from fedq.plan.build import build
from fedq.plan.kept import Plans
from fedq.plan.nodes import Plan
from fedq.plan.rewrite.facts import Facts
from fedq.sql import exp, parse
from fedq.types import Type
from tests.oracle import tpch

T = TypeVar("T")
TYPES, INNER_TYPES = "types (DuckDB)", "plan: types of rewritten parts (DuckDB)"
STAGES = ("parse", "bind", TYPES, "plan", INNER_TYPES, "render")
_DAY = re.compile(r"'(\d{4}-\d{2})-\d{2}'")


class Remembered(QueryLookup):
    """What the databases said of their tables the first time."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources, {})
        self._answers: dict[Any, Any] = {}

    def describe(
        self, tables: Sequence[tuple[str, PhysicalTable]], parts: Sequence[exp.Expr] = ()
    ) -> Sequence[TableSchema | None]:
        """The tables as they were."""
        key = tuple(tables)
        if key not in self._answers:
            self._answers[key] = super().describe(tables, parts)
        found: Sequence[TableSchema | None] = self._answers[key]
        return found


class Planner:
    """The stages of planning, each timed."""

    def __init__(self, known: fedq.Catalog, sources: Sources, engine: Engine) -> None:
        self._catalog, self._sources, self._engine = known, sources, engine
        self._lookup = Remembered(sources)
        self._kinds = {database.name: database.kind for database in known.databases.values()}
        self._plans, self._binder = Plans(), Binder(engine)
        self.spent: dict[str, list[float]] = defaultdict(list)

    def plan(self, text: str) -> Plan:
        """The plan of a text."""
        self._timed("parse", lambda: parse(text))
        query = self._timed("bind", lambda: self.bind(text))
        typing: dict[str, float] = {TYPES: 0.0, INNER_TYPES: 0.0}

        def described(
            stage: str, text: str, params: Mapping[str, object], read: Sequence[Occurrence]
        ) -> list[tuple[str, Type]]:
            started = time.thread_time()
            found = pipeline._described(text, params, read, self._binder)
            typing[stage] += (time.thread_time() - started) * 1000
            return found

        links = {name: self._sources.link(name) for name in query.databases}
        started = time.thread_time()
        made = self._plans.plan(
            query,
            lambda asked: described(TYPES, asked.local, asked.params, asked.occurrences),
            partial(build, facts=Facts(self._kinds, partial(described, INNER_TYPES), links)),
            links,
        )
        self.spent["plan"].append((time.thread_time() - started) * 1000 - typing[TYPES])
        for stage, spent in typing.items():
            self.spent[stage].append(spent)
        self._timed("render", lambda: [fetch.sql for fetch in made.fetches])
        return made

    def bind(self, text: str) -> BoundQuery:
        """The text bound."""
        return bind(text, None, self._catalog, self._lookup, Placing(), known=self._plans.bound)

    def _timed(self, stage: str, task: Callable[[], T]) -> T:
        started = time.thread_time()
        found = task()
        self.spent[stage].append((time.thread_time() - started) * 1000)
        return found


def other(text: str, number: int) -> str:
    """The text with other days in it: the same for no two numbers below 700."""
    days = cycle((number % 27 + 1, number // 27 % 27 + 1))
    return _DAY.sub(lambda found: f"'{found[1]}-{next(days):02d}'", text)


def reshaped(text: str, number: int) -> str:
    """The text with a comment that no other text has."""
    return text.rstrip().rstrip(";") + f" -- {number}"


def prepare(planner: Planner, engine: Engine, text: str, runs: int) -> float:
    """Milliseconds of DuckDB's own PREPARE of the same text, over empty tables."""
    bench = engine.bench()
    query = planner.bind(text)
    for one in query.occurrences:
        bench.create(*pipeline._shell(one))
    times = []
    for _ in range(runs):
        started = time.thread_time()
        bench._execute(f"PREPARE asked AS {query.local}")
        times.append((time.thread_time() - started) * 1000)
    bench.close()
    return statistics.median(times)


def called(fed: fedq.Federation, texts: Sequence[str]) -> float:
    """Milliseconds by the clock of `explain`."""
    times = []
    for text in texts:
        started = time.perf_counter()
        fed.explain(text)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def report(planner: Planner, kind: str) -> None:
    """The stages' medians, a line each; the planner forgets them."""
    medians = {stage: statistics.median(planner.spent[stage]) for stage in STAGES}
    total = sum(spent for stage, spent in medians.items() if ": " not in stage)
    for stage, spent in medians.items():
        print(f"{kind:13} {stage:42} {spent:7.2f} ms")
    print(f"{kind:13} {'together':42} {total:7.2f} ms")
    planner.spent.clear()


def main() -> None:
    """One query, three ways."""
    parser = argparse.ArgumentParser("python -m benchmarks.planning", description=__doc__.splitlines()[0])
    parser.add_argument("--query", default="q8", help="of TPC-H's (q8: eight tables)")
    parser.add_argument("--scale", type=float, default=0.01, help="TPC-H scale factor (0.01)")
    parser.add_argument("--runs", type=int, default=50, help="texts of each kind (50)")
    given = parser.parse_args()
    text = tpch.queries(given.scale)[int(given.query.removeprefix("q"))]
    sys.path.append(str(CLIENTS))  # where clients are programs of their own
    catalog = import_module("with_fedq").catalog
    site = Site.open()
    try:
        with fedq.connect(catalog(site.load(given.scale, 3))) as fed:
            fed.explain(text)
            planner = Planner(fed.catalog, fed._pipeline._sources, fed._pipeline._engine)
            texts = {
                "new shape": [reshaped(text, number) for number in range(given.runs)],
                "new constants": [other(text, number) for number in range(given.runs)],
                "same text": [text] * given.runs,
            }
            for number in range(3):
                planner.plan(reshaped(text, -number))
            planner.plan(text)
            planner.spent.clear()
            for kind, asked in texts.items():
                for one in asked:
                    planner.plan(one)
                report(planner, kind)
            prepared = prepare(planner, fed._pipeline._engine, text, given.runs)
            print(f"{'beside it':13} {'PREPARE in DuckDB':42} {prepared:7.2f} ms")
            for kind, asked in texts.items():
                print(f"{kind:13} {'explain, as called':42} {called(fed, asked):7.2f} ms")
    finally:
        if site.is_new:
            site.stop()


if __name__ == "__main__":
    main()
