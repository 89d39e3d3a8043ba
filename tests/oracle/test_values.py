"""Every cell of the capability tables on the real server: what a database computes is what DuckDB computes.

A value is *said* where the database's own words give DuckDB's value and type for every row, and *kept* where it is the
local engine's: both lists are asked, and a value that is said wrongly fails on the row that shows it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from fedq.dialects.capabilities import CAPABILITIES
from fedq.errors import FedqError
from tests.oracle.said import Asked
from tests.oracle.support import Places

ENGINES = ("postgres", "mariadb", "sqlite", "duckdb")
PG, MY, LITE, DUCK = (frozenset({engine}) for engine in ENGINES)
SERVERS, ALL = PG | MY, frozenset(ENGINES)

D, T = dt.date, dt.datetime
ROWS: list[tuple[Any, ...]] = [
    (1, 1, 2, 3, Decimal("1.10"), Decimal("0.05"), 0.1, "abc", "x", D(2024, 1, 5), D(2024, 2, 29), T(2024, 1, 5, 10, 59, 7, 500000), True),
    (2, -5, 7, 2**40, Decimal("-99.99"), Decimal("0.00"), -1.5, "é😀z", "ab", D(1, 1, 1), D(9999, 12, 31), T(1969, 12, 31, 23, 59, 59), False),
    (3, None, None, None, None, None, None, None, None, None, None, None, None),
    (4, 2**31 - 1, 32767, 2**53 + 1, Decimal("12345678.23"), Decimal("99.99"), 5.0, "", "a_b%", D(1970, 1, 1), D(1969, 12, 31), T(1, 1, 1), True),
    (5, -(2**31), -32768, -(2**62), Decimal("0.01"), Decimal("-0.01"), 1 / 3, "a ", "A", D(2023, 12, 31), D(2024, 12, 30), T(2021, 1, 3, 0, 0, 0, 1), None),
    (6, 0, 0, 0, Decimal("0.00"), Decimal("1.00"), 0.0, "e\u0301x", "\\'\"", D(2021, 1, 1), D(2021, 1, 1), T(9999, 12, 31, 23, 59, 59, 999999), False),
    (7, 1995, 1, 5, Decimal("5.00"), None, None, None, "zz", None, D(1995, 1, 1), None, True),
    (8, 7, None, 7, None, Decimal("0.50"), 2.5, "ABC", None, D(1995, 12, 31), None, T(1995, 3, 1), None),
]  # fmt: skip
COLUMNS = (
    "id BIGINT, i INTEGER, s SMALLINT, b BIGINT, m DECIMAL(15,2), q DECIMAL(4,2), f DOUBLE, v VARCHAR, w VARCHAR,"
    " d DATE, e DATE, t TIMESTAMP, o BOOLEAN"
)

SAID: list[tuple[str, frozenset[str]]] = [
    # numbers
    ("m + q", SERVERS | DUCK), ("m - 1", SERVERS | DUCK), ("1 - q", SERVERS | DUCK), ("m * q", SERVERS | DUCK),
    ("m * (1 - q)", SERVERS | DUCK), ("m * (1 - q) * (1 + q)", SERVERS | DUCK), ("m * 2", SERVERS | DUCK),
    ("q * q * q", SERVERS | DUCK), ("q * 0.5 - 1.25", SERVERS | DUCK), ("-m", SERVERS | DUCK), ("abs(q)", SERVERS | DUCK),
    ("q * s", SERVERS | DUCK), ("m + i", SERVERS | DUCK), ("m * 1.5 + b", SERVERS | DUCK), ("q - s", SERVERS | DUCK),
    ("year(d) * 100 + month(d)", ALL), ("-year(d)", ALL), ("q * (0.06 - 0.01)", SERVERS | DUCK), ("s::integer + 1", PG | MY | DUCK), ("-(s::bigint)", SERVERS | DUCK), ("abs(s::integer)", SERVERS | DUCK),
    ("s::bigint * i", SERVERS | DUCK), ("b - 1", SERVERS | DUCK), ("q / 4", SERVERS | DUCK), ("i / 3", SERVERS | DUCK), ("b / 7", SERVERS | DUCK),
    ("m / 7.0", SERVERS | DUCK), ("f + 1", DUCK), ("i / s", DUCK), ("m / q", DUCK), ("i % 2", frozenset()),
    # dates
    *((f"{part}(d)", ALL) for part in ("year", "quarter", "month", "day")),
    *((f"{part}(t)", SERVERS | DUCK) for part in ("year", "quarter", "month", "day", "hour", "minute", "second")),
    *((f"{part}(e)", SERVERS | DUCK) for part in ("dayofweek", "dayofyear", "isodow", "week")),
    *((f"extract({part} from t)", SERVERS | DUCK) for part in ("year", "dow", "doy", "week", "second")),
    ("date_part('year', d)", ALL),
    *((f"date_trunc('{unit}', d)", SERVERS | DUCK) for unit in ("year", "month", "day")),
    *((f"date_trunc('{unit}', t)", SERVERS | DUCK) for unit in ("year", "month", "day")),
    *((f"date_trunc('{unit}', t)", PG | DUCK) for unit in ("quarter", "week", "hour", "minute", "second")),
    ("e - d", ALL), ("d - date '2024-01-01'", ALL), ("d::timestamp", SERVERS | DUCK), ("t::date", SERVERS | DUCK),
    ("d + interval 3 month", PG | DUCK), ("t - interval '1' day", PG | DUCK), ("d + 1", frozenset()),
    # text
    ("substring(v, 1, 2)", SERVERS | DUCK), ("substring(v from 2)", SERVERS | DUCK), ("left(v, 1)", SERVERS | DUCK),
    ("right(v, 2)", SERVERS | DUCK), ("length(v)", SERVERS | DUCK), ("v || w", ALL), ("v || '-' || w", ALL),
    ("concat(v, '-', w)", SERVERS | DUCK), ("strpos(v, 'b')", PG | DUCK), ("upper(v)", DUCK), ("lower(v)", DUCK), ("trim(v)", DUCK), ("ltrim(v)", frozenset()),
    ("substring(v, -1, 2)", frozenset()), ("substring(v, i, 2)", frozenset()), ("v || i", frozenset()),
    # choices
    ("case when m > 1 then m * (1 - q) else 0 end", SERVERS | DUCK), ("case when i = 1 then 1 else 0 end", ALL),
    ("case when i = 1 then 1 end", ALL), ("case i when 1 then 'one' when 0 then 'none' else v end", ALL),
    ("case when v = 'abc' or v = 'a' then 1 else 0 end", ALL), ("case when d < e then d else e end", ALL),
    ("case when o then 1 else 0 end", PG | LITE | DUCK), ("case when v like 'a%' then q end", SERVERS | DUCK),
    ("case when i is null then null else s end", SERVERS | DUCK | LITE), ("if(i > 0, 1, 2)", ALL),
    ("coalesce(i, 0)", ALL), ("coalesce(m, q, 0.555)", SERVERS | DUCK), ("coalesce(v, 'none')", ALL), ("coalesce(d, e)", ALL),
    ("ifnull(s, 100000)", SERVERS | DUCK | LITE), ("nullif(i, 0)", ALL), ("nullif(v, 'abc')", ALL), ("nullif(m, 1.1)", SERVERS | DUCK),
    ("greatest(i, s)", PG | DUCK), ("least(m, q, 1)", PG | DUCK), ("greatest(v, w)", PG | DUCK), ("least(d, e)", PG | DUCK),
    # casts
    ("i::bigint", ALL), ("s::integer", SERVERS | DUCK), ("i::double", SERVERS | DUCK), ("b::double", SERVERS | DUCK), ("q::double", SERVERS | DUCK),
    ("i::decimal(12,2)", SERVERS | DUCK), ("q::decimal(8,4)", SERVERS | DUCK), ("i::varchar", PG | DUCK),
    ("m::bigint", frozenset()), ("m::decimal(15,1)", DUCK), ("(i > 0)::integer", PG | DUCK),
    # conditions as values
    ("i > 0", PG | DUCK), ("v like 'a%' and d < e", PG | DUCK), ("coalesce(o, true)", PG | LITE | DUCK), ("i = 1 is true", PG | DUCK),
]  # fmt: skip


#: values that DuckDB does not have either: the row whose id it is, and which engines say them
TOO_LARGE: list[tuple[str, int, frozenset[str]]] = [
    ("m * m", 4, SERVERS | DUCK), ("i + 1", 4, PG | MY | DUCK), ("-i", 5, PG | MY | DUCK), ("s + 1", 4, PG | MY | DUCK),
    ("b * b", 5, SERVERS | DUCK), ("abs(i)", 5, SERVERS | DUCK), ("i * i", 5, SERVERS | DUCK),
    ("case when m * m > 1 then 1 else 0 end", 4, SERVERS),
]  # fmt: skip
CONDITIONS: list[tuple[str, frozenset[str]]] = [
    *((f"year(d) {operator} 2024", ALL) for operator in ("=", "<", "<=", ">", ">=")), ("extract(year from t) = 1995", SERVERS | DUCK),
    ("not (year(d) = 2024)", ALL), ("month(d) in (1, 12)", ALL), ("d < e", ALL), ("d <> e", ALL), ("not (d < e)", ALL), ("d <= t", SERVERS | DUCK),
    ("i < s", ALL), ("i <> b", ALL), ("m > q", SERVERS | DUCK), ("i > q", SERVERS | DUCK), ("v = w", ALL), ("v < w", ALL),
    ("substring(v, 1, 1) in ('a', 'é')", SERVERS | DUCK), ("left(v, 1) = 'a'", SERVERS | DUCK), ("v || w > 'b'", ALL), ("length(v) = 3", SERVERS | DUCK),
    ("substring(v, 1, 2) not in ('ab', 'a ')", SERVERS | DUCK), ("left(v, 1) like 'a%'", SERVERS | DUCK), ("m * (1 - q) > 1.045", SERVERS | DUCK),
    ("coalesce(i, 0) = 0", ALL), ("coalesce(v, '') = ''", ALL), ("case when i = 1 then 1 else 0 end = 1", ALL), ("nullif(i, 0) is null", ALL),
    ("v is distinct from 'abc'", ALL), ("i is not distinct from 7", ALL), ("not (v is distinct from 'abc')", ALL), ("i is null", ALL), ("d is not null", ALL),
    ("not (i > 0 and v = 'abc')", ALL), ("not (i between -5 and 1)", ALL), ("not (d > date '2024-01-01' or i = 1)", ALL), ("i not in (1, 7)", ALL),
    ("starts_with(v, 'a')", ALL), ("contains(v, '😀')", ALL), ("suffix(v, 'x')", SERVERS | DUCK), ("v not like 'a%'", ALL), ("v ^@ 'e'", ALL),
    ("not starts_with(v, 'a')", ALL), ("contains(w, '_')", frozenset()), ("(i = 1) is not true", SERVERS | DUCK), ("true", ALL), ("i = 1 or false", ALL),
    ("i / 2 = 0.5", SERVERS | DUCK), ("i / 2 = 0.5e0", SERVERS | DUCK), ("i is distinct from s", frozenset()), ("i > 5.5", ALL), ("i = 7.0", ALL), ("q between 0.06 - 0.02 and 0.05 + 0.01", SERVERS | DUCK), ("i = 3 * 2 + 1", ALL), ("i < 70000 * 70000", frozenset()),
]  # fmt: skip


@pytest.fixture(scope="module", params=ENGINES)
def asked(request: pytest.FixtureRequest, places: Places) -> Asked:
    if request.param in ("postgres", "mariadb"):
        request.getfixturevalue(request.param)
    places.define("base", COLUMNS, ROWS)
    places.put(f"at_{request.param}", request.param, source="base")
    return Asked(places, f"at_{request.param}", request.param)


@pytest.mark.parametrize(("text", "engines"), SAID, ids=[text for text, _ in SAID])
def test_value(asked: Asked, text: str, engines: frozenset[str]) -> None:
    said = asked.said(text)
    if asked.engine not in engines:
        assert said is None, f"said: {said}"
        return
    assert said is not None
    type_, wanted = asked.wanted(text)
    if asked.engine != "sqlite":  # whose integers are all of 64 bits
        assert said.type == type_, said.sql
    assert asked.value(said, type_) == wanted, said.sql


@pytest.mark.parametrize(("text", "row", "engines"), TOO_LARGE, ids=[text for text, _, _ in TOO_LARGE])
def test_what_is_too_large_here_is_too_large_there(asked: Asked, text: str, row: int, engines: frozenset[str]) -> None:
    said = asked.said(text)
    if asked.engine not in engines:
        assert said is None or asked.engine == "duckdb", f"said: {said}"
        return
    assert said is not None
    with pytest.raises(duckdb.Error):
        asked.places.oracle.execute(f"select {text} from {asked.table} where id = {row}").fetchall()
    with pytest.raises(FedqError):
        asked.ids(f"id = {row} AND {said.sql} IS NOT NULL")


@pytest.mark.parametrize(("text", "engines"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_condition(asked: Asked, text: str, engines: frozenset[str]) -> None:
    offer = asked.offer(text)
    if asked.engine not in engines:
        assert offer is None or not offer.is_exact, f"offered: {offer}"
        assert offer is None or set(asked.ids(offer.sql)) >= set(asked.wanted_ids(text)), offer.sql
        return
    assert offer is not None
    assert offer.is_exact, offer.sql
    wanted = asked.wanted_ids(text)
    assert asked.ids(offer.sql) == wanted, offer.sql
    is_true_of_nulls = 3 in wanted  # the row whose columns are all NULL
    assert not (offer.is_strict and is_true_of_nulls), offer


def test_every_cell_stands_for_something_asked(asked: Asked) -> None:
    """No cell of the tables is there that no test above says."""
    kind = {"mariadb": "mysql"}.get(asked.engine, asked.engine)
    spoken = [said.sql for text, _ in SAID if (said := asked.said(text)) is not None]
    spoken += [said.sql for text, _, _ in TOO_LARGE if (said := asked.said(text)) is not None]
    missing = []
    for (operation, family), template in CAPABILITIES[kind].items():
        pieces = [
            piece for piece in template.replace("{1}", "{0}").replace("{2}", "{0}").split("{0}") if len(piece) > 2
        ]
        if not any(all(piece in sql for piece in pieces) for sql in spoken):
            missing.append((operation, family))
    assert not missing
