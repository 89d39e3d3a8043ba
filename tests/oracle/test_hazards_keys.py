"""Keys that travel from one database to another lose no row: infinite dates, odd texts, wide numbers (H57, H58, H68)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fedq.bind.resolve import BoundTable
from fedq.plan import build, estimate
from fedq.plan.estimate import Estimate
from tests.oracle.support import ENGINES, Places

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

#: column of the small table → its values, with what each engine can hold of them
KEYS = {
    "DATE": "'2024-01-05', '0001-01-01', '9999-12-31', '2024-02-29', null",
    "VARCHAR": r"'a', 'A', 'a ', '', 'é', 'it''s', 'a\b', '%', '\', '😀', 'ß', null",
    "BIGINT": "1, -1, 9007199254740993, 9223372036854775807, -9223372036854775808, null",
    "DECIMAL(10,2)": "0.10, -99999999.99, 1, null",
    "UUID": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ffffffff-ffff-ffff-ffff-ffffffffffff', null",
}
SHAPES = [
    "select a.id, b.id from {small} a join {large} b on a.v = b.v",
    "select a.id, b.id from {small} a left join {large} b on a.v = b.v",
    "select b.id from {large} b where b.v in (select v from {small})",
    "select b.id from {large} b where exists (select 1 from {small} a where a.v = b.v)",
    "select b.id from {large} b where b.v not in (select v from {small} where v is not null)",
    "select a.id, b.id, c.id from {small} a join {large} b using (v) join {large} c on c.v = b.v",
]
PAIRS = [pair for number, pair in enumerate(itertools.product(ENGINES, ENGINES)) if number % 2 or pair[0] == pair[1]]


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys travel however small the tables are: the table named small is, the other is not."""

    def told(table: BoundTable, *_: object) -> Estimate:
        return Estimate(1.0 if "small" in table.name else 100_000.0, is_known=True)

    monkeypatch.setattr(estimate, "table_estimate", told)
    monkeypatch.setattr(build, "filtered", told)


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_keys_lose_no_row(one: str, other: str, places: Places, request: pytest.FixtureRequest) -> None:
    for server in {one, other} & {"postgres", "mariadb"}:
        request.getfixturevalue(server)
    for number, (type_, values) in enumerate(KEYS.items()):
        if type_ == "UUID" and "frame" in (one, other):
            continue  # in a DataFrame a UUID is a text, and texts are not UUIDs
        rows = f"({'), ('.join(values.split(', '))})"
        places.define(
            f"keys{number}", f"id BIGINT, v {type_}", f"select row_number() over (), v from (values {rows}) t(v)"
        )
        names = {"small": f"small{number}_{one}", "large": f"large{number}_{other}"}
        for name, engine in ((names["small"], one), (names["large"], other)):
            if name not in places.tables and name not in places.frames:
                places.put(name, engine, source=f"keys{number}")
        for shape in SHAPES:
            sql = shape.format(**names)
            places.check(sql)
        explained = str(places.federation.explain(SHAPES[0].format(**names), frames=places.frames))
        assert "keys" in explained or one == other, explained


def test_infinite_dates_travel_as_keys(postgres: object, places: Places) -> None:
    values = "'infinity', '-infinity', '4713-01-01 (BC)', '99999-12-31', '9999-12-31', '0001-01-01', '2024-01-01'"
    places.define("ends", "id BIGINT, v DATE", f"select row_number() over (), v::date from unnest([{values}]) t(v)")
    for name in ("small_ends", "large_ends"):
        rows = ", ".join(f"({i}, {value.replace('(BC)', 'BC')})" for i, value in enumerate(values.split(", "), 1))
        places.run("postgres", f"create table {name} (id bigint, v date)", f"insert into {name} values {rows}")
        places.oracle.execute(f"create or replace view {name} as from ends")
        places.assign(name, "postgres")
    places.put("large_ends_duckdb", "duckdb", source="ends")
    places.put("large_ends_parquet", "parquet", source="ends")
    for large in ("large_ends", "large_ends_duckdb", "large_ends_parquet"):
        for shape in SHAPES:
            places.check(shape.format(small="small_ends", large=large))


def test_a_key_that_the_other_database_cannot_write(mariadb: object, places: Places) -> None:
    """Half a character, a NUL, a number beyond 64 bits: no filter rather than a wrong one."""
    rows: list[tuple[int, Any]] = [(1, "a\0b"), (2, "a"), (3, "\0")]
    places.define("nul", "id BIGINT, v VARCHAR", rows)
    for engine in ("mariadb", "sqlite", "duckdb"):
        places.put(f"small_nul_{engine}", engine, source="nul")
        places.put(f"large_nul_{engine}", engine, source="nul")
    places.define("plain", "id BIGINT, v VARCHAR", [(1, "a")])
    for one, other in itertools.product(("mariadb", "sqlite", "duckdb"), repeat=2):
        for shape in SHAPES:
            places.check(shape.format(small=f"small_nul_{one}", large=f"large_nul_{other}"))
