"""What each database is asked to decide, and what it must not: every case both ways, every answer the oracle's.

A condition is *pushed* when the statement that is sent has it, and *kept* when it stays with the reason that `explain`
shows. Where one database answers everything the reason stands on the plan.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest

import fedq
from tests.oracle.support import Places

ROWS: list[tuple[Any, ...]] = [
    (1, 1, "a", Decimal("1.10"), 0.1, dt.date(2024, 1, 5), True),
    (2, 2, "A", Decimal("-0.01"), -1.5, dt.date(1, 1, 1), False),
    (3, None, "a ", Decimal("99999999.99"), 1e300, dt.date(9999, 12, 31), None),
    (4, 2**53 + 1, "é", None, 0.0, None, True),
    (5, -(2**63), "", Decimal("0.00"), None, dt.date(2024, 2, 29), False),
    (6, 2**63 - 1, "a_b", Decimal("12.30"), 0.30000000000000004, dt.date(1970, 1, 1), None),
    (7, 5, None, Decimal("5.00"), 5.0, dt.date(2024, 1, 31), True),
    (8, 0, "\\%'\"", Decimal("1.10"), 1 / 3, dt.date(2024, 3, 1), False),
]
COLUMNS = "id BIGINT, k BIGINT, s VARCHAR, m DECIMAL(10,2), d DOUBLE, t DATE, b BOOLEAN"
#: table → engine and the declarations that matter
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "pg_c": ("postgres", {"s": 'text collate "C"'}),
    "pg_icu": ("postgres", {"s": 'text collate "en-US-x-icu"'}),
    "my_ci": ("mariadb", {"s": "varchar(60) character set utf8mb4 collate utf8mb4_general_ci"}),
    "my_bin": ("mariadb", {"s": "varchar(60) character set utf8mb4 collate utf8mb4_nopad_bin"}),
    "lite": ("sqlite", {}),
    "lite_nocase": ("sqlite", {"s": "text collate nocase"}),
}
ALL = tuple(TABLES)
SERVERS = ("pg_c", "pg_icu", "my_ci", "my_bin")
POSTGRES = ("pg_c", "pg_icu")
MARIADB = ("my_ci", "my_bin")
LITE = ("lite", "lite_nocase")

#: condition → the tables whose database is asked it
PUSHED: list[tuple[str, tuple[str, ...]]] = [
    *((f"k {operator} 5", ALL) for operator in ("=", "<", "<=", ">", ">=")),
    ("5 > k", ALL),
    ("k <> 5", SERVERS),
    ("not (k = 5)", SERVERS),
    ("k = 5.0", ALL),
    ("k = 9007199254740993", ALL),
    ("k between 5 and 1", ALL),
    ("k between 1 and 5", ALL),
    ("k not between 1 and 5", SERVERS),
    ("k in (1, 5, 5)", ALL),
    ("k not in (1, 5)", SERVERS),
    ("k is null", SERVERS),
    ("k is not null", SERVERS),
    ("k = 5 or k > 100", ALL),
    ("(k > 0 and k % 2 = 1) or k = 0", ALL),
    *((f"s {operator} 'a'", (*SERVERS, "lite")) for operator in ("=", "<>", "<", ">=")),
    ("s = 'a'", ("lite_nocase",)),
    ("s in ('a', 'é')", ALL),
    ("not (s = 'a' or s > 'b')", ("lite", *SERVERS)),
    ("s like 'a%'", ALL),
    ("s not like 'a%'", ALL),
    ("s like '%\\%%'", ALL),
    ("s like 'a_b'", SERVERS),
    ("s is null", ALL),
    ("m = 1.1", ALL),
    ("m > -0.011", ALL),
    ("m <> 1.100", SERVERS),
    ("d = 0.1", ALL),
    ("d >= 5", ALL),
    ("t = '2024-01-05'", ALL),
    ("t < date '2024-01-31' - interval 1 month", (*SERVERS,)),
    ("t <> date '2024-01-05'", POSTGRES),
    ("b", POSTGRES),
    ("not b", POSTGRES),
    ("b = true", POSTGRES),
    ("k = 5.5", ALL),
    ("k > 4.9", ALL),
    ("k / 2 > 1", SERVERS),
    ("s || 'x' = 'ax'", ALL),
    ("s = 'a' or length(s) = 3", SERVERS),
    ("not (t > date '2024-01-05')", ALL),
    ("year(t) = 2024", ALL),
    ("month(t) = 1", POSTGRES),
    ("substring(s, 1, 1) = 'a'", SERVERS),
    ("m * 0.5 - 1 < 0", SERVERS),
    ("case when k > 0 then m else 0 end > 1", SERVERS),
    ("starts_with(s, 'a')", ALL),
    ("s is distinct from 'a'", ALL),
    ("not (s = 'a' and k = 1)", SERVERS),
]
#: condition → tables, and a piece of the reason why their database is not asked
KEPT: list[tuple[str, tuple[str, ...], str]] = [
    ("k / 2 > 1", LITE, "local engine"),
    ("abs(d) = 1.5", ALL, "local engine"),
    ("lower(s) = 'a'", ALL, "local engine"),
    ("s ilike 'a%'", ALL, "local engine"),
    ("s like 'a!_b' escape '!'", ALL, "local engine"),
    ("s collate nocase = 'a'", ALL, "local engine"),
    ("s = 'a' or length(s) = 3", LITE, "local engine"),
    ("k in (1, null)", ALL, "NULL"),
    ("k = null", ALL, "NULL"),
    ("k <> 5", LITE, "does not mean there"),
    ("not (k = 5)", LITE, "does not mean there"),
    ("not (substring(s, 1, 1) = 'a')", LITE, "local engine"),
    ("s like '%'", LITE, "LIKE"),
    ("s like '__'", LITE, "LIKE"),
    ("m = 1e0", ALL, "compared with"),
    ("d = 1e300", ALL, "compared with"),
    ("not (t <> date '2024-01-05' and k is null)", LITE, "decided by how its values are read"),
    ("t > timestamp '2024-01-05 12:00:00'", ALL, "time of day"),
    ("b", (*MARIADB, *LITE), "local engine"),
    ("b > false", POSTGRES, "order of booleans"),
]


@pytest.fixture(scope="module")
def world(places: Places) -> Places:
    """One table in every kind of place."""
    places.define("base", COLUMNS, ROWS)
    for table, (engine, native) in TABLES.items():
        places.put(table, engine, source="base", native=native)
    return places


def fetch_of(world: Places, table: str, condition: str) -> Any:
    """The fetch of a query that no single database answers whole: something is computed here."""
    plan = world.federation.explain(f"select id, id + 1 as next from {table} where {condition}")
    return plan.fetches[0]


@pytest.mark.parametrize("condition", [pytest.param(case, id=case[0]) for case in PUSHED])
def test_pushed(world: Places, condition: tuple[str, tuple[str, ...]]) -> None:
    """The database is asked, and the rows are right: also their number, where it answers alone."""
    text, tables = condition
    for table in tables:
        fetch = fetch_of(world, table, text)
        assert fetch.where, f"{table}: {text} was kept: {fetch.kept}"
        assert not fetch.kept
    for table in ALL:
        _check(world, table, text)


@pytest.mark.parametrize("condition", [pytest.param(case, id=case[0]) for case in KEPT])
def test_kept(world: Places, condition: tuple[str, tuple[str, ...], str]) -> None:
    """The database is not asked, for the reason that `explain` shows, and the rows are right."""
    text, tables, reason = condition
    for table in tables:
        fetch = fetch_of(world, table, text)
        assert not fetch.where, f"{table}: {text} was pushed: {fetch.where}"
        assert [reason in kept.reason for kept in fetch.kept] == [True], f"{table}: {fetch.kept}"
    for table in ALL:
        _check(world, table, text)


def _check(world: Places, table: str, condition: str) -> None:
    """The rows, their number, and both below an outer join."""
    world.check(f"select id from {table} where {condition}", widths=False)
    world.check(f"select count(*) as n from {table} where {condition}")
    joined = f"select v.i, x.id from (values (1), (5), (99)) v(i) left join {table} x on x.id = v.i where {condition}"
    world.check(joined, widths=False)


PARAMETERS = [
    ("k = :p", 5),
    ("k = :p", True),
    ("k > :p", 2**53),
    ("k = :p", Decimal("5.0")),
    ("k < :p", 0.5),
    ("s = :p", "a "),
    ("s = :p", "\\%'\""),
    ("s like :p", "%'%"),
    ("s in :p", ["a", "A", "'"]),
    ("s not in :p", ["a", None]),
    ("s in :p", []),
    ("k in :p", [1, 5, 2**70]),
    ("m = :p", Decimal("1.100")),
    ("m < :p", 0.1),
    ("d = :p", 0.30000000000000004),
    ("d < :p", float("inf")),
    ("d = :p", float("nan")),
    ("t = :p", dt.date(2024, 1, 5)),
    ("t <= :p", dt.datetime(2024, 1, 5, 12)),
    ("b = :p", True),
    ("k = :p", None),
]


@pytest.mark.parametrize(("condition", "value"), PARAMETERS)
def test_a_parameter_means_what_it_means_in_duckdb(world: Places, condition: str, value: Any) -> None:
    """Every Python type, bound in the oracle too."""
    for table in ALL:
        items = value if isinstance(value, list) else None
        marks = ", ".join(f"$p{number}" for number in range(len(items))) if items else "select null where false"
        text = condition.replace(":p", "$p") if items is None else condition.replace(":p", f"({marks})")
        bound = {"p": value} if items is None else {f"p{number}": item for number, item in enumerate(items)}
        sql = f"select id from {table} where {{}} order by id"
        try:
            wanted = world.oracle.execute(sql.format(text), bound).fetchall()
        except duckdb.Error:
            with pytest.raises(fedq.FedqError):
                world.query(sql.format(condition), {"p": value})
            continue
        assert [(row[0],) for row in world.query(sql.format(condition), {"p": value})] == wanted, table


BETWEEN_COLUMNS = [
    ("id < k", POSTGRES, True),
    ("id = k", MARIADB, True),
    ("s = s", ("pg_icu",), True),
    ("s < s", ("pg_icu",), True),
    ("s = s", ("my_ci", "lite_nocase"), True),
    ("k < d", ALL, False),
    ("id < k", LITE, True),
    ("id <> k", LITE, False),
]


@pytest.mark.parametrize(("condition", "tables", "is_pushed"), BETWEEN_COLUMNS)
def test_two_columns(world: Places, condition: str, tables: tuple[str, ...], is_pushed: bool) -> None:
    """Columns of one type that both compare as in DuckDB are compared there."""
    for table in tables:
        assert bool(fetch_of(world, table, condition).where) == is_pushed, table
    for table in ALL:
        _check(world, table, condition)
