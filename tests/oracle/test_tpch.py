"""The 22 TPC-H queries over five placements: the rows, names and types that one DuckDB with all tables gives."""

from __future__ import annotations

import pytest

from fedq.bind.shape import shape_of
from fedq.sql import Edit, apply_edits, nodes, parse
from tests.oracle import tpch
from tests.oracle.support import SERVERS, Places

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.CollationWarning")

PLACEMENTS = {
    "three engines": {
        "lineitem": "postgres", "orders": "postgres",
        "customer": "mariadb", "supplier": "mariadb", "partsupp": "mariadb",
        "part": "sqlite", "nation": "sqlite", "region": "sqlite",
    },
    "all in postgres": dict.fromkeys(tpch.TABLES, "postgres"),
    "all in mariadb": dict.fromkeys(tpch.TABLES, "mariadb"),
    "all in sqlite": dict.fromkeys(tpch.TABLES, "sqlite"),
    "eight kinds of place": {
        "lineitem": "postgres", "orders": "mariadb", "customer": "sqlite", "partsupp": "duckdb", "part": "parquet",
        "supplier": "csv", "nation": "frame", "region": "json",
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=PLACEMENTS)
def placed(request: pytest.FixtureRequest, places: Places) -> Places:
    """The TPC-H tables in one placement; every engine is filled once, and shared by the placements."""
    placement = PLACEMENTS[request.param]
    for server in SERVERS:
        if server in placement.values():
            request.getfixturevalue(server)
    for table in tpch.TABLES:
        _load(places, table)
    places.place(placement, tpch.KEYS)
    return places


def _load(places: Places, table: str) -> None:
    try:
        file = tpch.folder() / f"{table}.parquet"
    except tpch.TpchUnavailable as missing:
        pytest.skip(str(missing))
    places.oracle.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM '{file}'")


@pytest.mark.parametrize("number", range(1, 23))
def test_tpch(placed: Places, number: int) -> None:
    # SQLite has one integer type: there integers may be wider
    is_exact = "sqlite" not in str(placed.tables.values())
    assert placed.check(tpch.queries()[number], ordered=True, widths=is_exact)


#: constants of the queries, and others that the data has
OTHERS = {
    "AMERICA": "ASIA", "ASIA": "EUROPE", "EUROPE": "AFRICA", "BUILDING": "MACHINERY", "R": "A", "F": "O",
    "GERMANY": "FRANCE", "FRANCE": "CHINA", "CANADA": "CHINA", "SAUDI ARABIA": "JAPAN", "Brand#12": "Brand#31",
    "Brand#23": "Brand#42", "Brand#34": "Brand#12", "Brand#45": "Brand#11", "MED BOX": "LG CASE",
    "ECONOMY ANODIZED STEEL": "SMALL PLATED TIN", "DELIVER IN PERSON": "COLLECT COD",
}  # fmt: skip


def other(sql: str) -> str:
    """The query with other constants: its shape is the same."""
    shape = shape_of(sql, nodes(parse(sql)[0]))
    edits = []
    for place in shape.places:
        text = sql[place.start : place.end].strip("'")
        if text[:2] == "19":
            new = f"'{text[:3]}{int(text[3]) - 1}{text[4:]}'"
        else:
            new = str(int(text) + 1) if text.isdigit() else f"'{OTHERS[text]}'"
        edits.append(Edit(place.start, place.end, new))
    return apply_edits(sql, edits)


@pytest.mark.parametrize("number", range(1, 23))
def test_tpch_with_other_constants(placed: Places, number: int) -> None:
    """Twice, by the plan of the first where that serves."""
    is_exact = "sqlite" not in str(placed.tables.values())
    sql = tpch.queries()[number]
    for text in (sql, other(sql), sql):
        placed.check(text, ordered=True, widths=is_exact)


@pytest.mark.parametrize("number", range(1, 23))
def test_what_is_pushed_is_said_once_and_in_the_words_of_the_query(placed: Places, number: int) -> None:
    """What a block was asked for was asked once more of its answer, and shown with a name that nobody gave."""
    plan = placed.federation.explain(tpch.queries()[number], frames=placed.frames or None)
    for fetch in plan.fetches:
        assert not [one for one in fetch.where for other in fetch.where if other.startswith(f"{one} AND ")]
        assert not [text for text in fetch.pushed if text.startswith('"q')]
        assert len(set(fetch.pushed)) == len(fetch.pushed)
