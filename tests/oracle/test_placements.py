"""The 22 TPC-H queries over random placements of their tables: the rows, names and types of the one DuckDB with all of it.

    seed 3 → lineitem: mariadb_b, orders: mariadb_b, customer: sqlite, part: postgres, …

Every place holds every table, so that a placement is only a catalog. `make test` runs a few of the placements, each with
another part of the queries; `make placements` (FEDQ_PLACEMENTS=20) runs as many as one likes, with all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import fedq
from tests.oracle import tpch
from tests.oracle.conftest import server_or_none
from tests.oracle.support import LOCAL, SERVERS, Places, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

#: of the full run; 0 is the part that runs in `make test`
ASKED = int(os.environ.get("FEDQ_PLACEMENTS", "0"))
#: what the quick part runs: each placement a share of the queries, each query in two placements
QUICK, SHARE = 5, 2
CASES = (
    [(seed, number) for seed in range(ASKED) for number in range(1, 23)]
    if ASKED
    else [(seed, number) for seed in range(QUICK) for number in range(1, 23) if (number + seed) % QUICK < SHARE]
)


def placement(seed: int, places: tuple[str, ...]) -> dict[str, str]:
    """Table → place. Few places at a time, so that tables also meet in one of them."""
    random = Random(seed)
    chosen = random.sample(places, min(len(places), random.choice((2, 3, 3, 4, len(places)))))
    return {table: random.choice(chosen) for table in tpch.TABLES}


@dataclass
class Everywhere:
    """All tables in every place, and the answers of the oracle."""

    databases: dict[str, dict[str, Any]]
    entries: dict[tuple[str, str], Any]
    frames: dict[str, Any]
    answers: dict[int, pa.Table]
    current: tuple[int, fedq.Federation] | None = None

    @property
    def places(self) -> tuple[str, ...]:
        return (*self.databases, "frame")

    def federation(self, seed: int) -> fedq.Federation:
        """The federation of one placement; one is open at a time, as a DuckDB file allows."""
        if self.current is None or self.current[0] != seed:
            self.close()
            self.current = seed, fedq.connect(self.catalog(seed))
        return self.current[1]

    def catalog(self, seed: int) -> dict[str, Any]:
        found = placement(seed, self.places).items()
        tables = {table: self.entries[table, place] for table, place in found if place != "frame"}
        return {"version": 1, "databases": self.databases, "tables": tables, "policy": {"on_cross_db": "allow"}}

    def close(self) -> None:
        if self.current is not None:
            self.current[1].close()
            self.current = None


@pytest.fixture(scope="module")
def everywhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everywhere]:
    """Two databases on each server there is, and one of every other kind; each with all tables."""
    servers = {name: server_or_none(request, name) for name in SERVERS}
    started = tuple(name for name, server in servers.items() if server is not None)
    made = Everywhere({}, {}, {}, {})
    worlds = {"": (*started, *LOCAL), "_b": started}
    for suffix, engines in worlds.items():
        places = Places(tmp_path_factory.mktemp("everywhere"), **servers)
        _fill(places)
        for engine in engines:
            _put(places, engine, f"{engine}{suffix}", made)
        if not suffix:
            made.answers = {number: places.expected(sql) for number, sql in tpch.queries().items()}
        places.end()
    yield made
    made.close()


def _fill(places: Places) -> None:
    for table in tpch.TABLES:
        try:
            file = tpch.folder() / f"{table}.parquet"
        except tpch.TpchUnavailable as missing:
            pytest.skip(str(missing))
        places.oracle.execute(f"CREATE TABLE {table} AS FROM '{file}'")


def _put(places: Places, engine: str, place: str, made: Everywhere) -> None:
    places.place(dict.fromkeys(tpch.TABLES, engine), tpch.KEYS)
    if engine == "frame":
        made.frames = places.frames
        return
    made.databases[place] = places.databases[engine]
    made.entries |= {(table, place): {**entry, "database": place} for table, entry in places.tables.items()}


@pytest.mark.parametrize(("seed", "number"), CASES)
def test_tpch_in_a_random_placement(everywhere: Everywhere, seed: int, number: int) -> None:
    where = placement(seed, everywhere.places)
    frames = {table: everywhere.frames[table] for table, place in where.items() if place == "frame"}
    result = everywhere.federation(seed).query(tpch.queries()[number], frames=frames or None)
    # SQLite has one integer type: there integers may be wider
    is_exact = "sqlite" not in where.values()
    problem = f"query {number} over {where}"
    assert assert_same(result, everywhere.answers[number], ordered=True, widths=is_exact, sql=problem) is not None


def test_placements_differ_and_tables_meet_in_them() -> None:
    """Without the servers too, there are joins within a place and joins across."""
    found = [placement(seed, (*SERVERS, *LOCAL)) for seed in range(20)]
    assert len({tuple(where.values()) for where in found}) == len(found)
    assert all(1 < len(set(where.values())) < len(tpch.TABLES) for where in found)
