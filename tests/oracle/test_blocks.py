"""Blocks that one database answers whole: each sent where it is exact, kept where it is not, and right either way."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.support import Places

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

C_COLUMNS = "id BIGINT, s VARCHAR, g BIGINT, d DECIMAL(10,2), t DATE, b BOOLEAN, i INTEGER"
C_ROWS: list[tuple[Any, ...]] = [
    (1, "a", 1, Decimal("1.10"), dt.date(2024, 1, 5), True, 1),
    (2, "A", 1, Decimal("-0.01"), dt.date(2023, 12, 31), False, 2**31 - 1),
    (3, "a ", 2, None, dt.date(2024, 2, 29), None, None),
    (4, "é", None, Decimal("99999999.99"), None, True, -(2**31)),
    (5, None, 2, Decimal("0.00"), dt.date(2024, 1, 5), False, 0),
    (6, "ab", 3, Decimal("1.10"), dt.date(1999, 1, 1), None, 7),
    (7, "b", 3, Decimal("1.10"), dt.date(1999, 1, 1), True, 7),
    (8, "e", None, Decimal("-5.50"), dt.date(2024, 1, 6), False, 9),
]
O_COLUMNS = "id BIGINT, cid BIGINT, s VARCHAR, v DECIMAL(10,2), t DATE, n INTEGER"
O_ROWS: list[tuple[Any, ...]] = [
    (1, 1, "a", Decimal("10.00"), dt.date(2024, 1, 5), 1),
    (2, 1, "B", Decimal("2.50"), dt.date(2024, 1, 7), 2),
    (3, 2, "a ", Decimal("-1.00"), None, None),
    (4, None, "A", Decimal("7.77"), dt.date(2023, 12, 31), 3),
    (5, 4, None, None, dt.date(2024, 1, 5), 5),
    (6, 9, "é", Decimal("0.01"), dt.date(2024, 2, 29), -5),
    (7, 2, "b", Decimal("10.00"), dt.date(1999, 1, 1), 7),
    (8, 6, "a", Decimal("3.33"), dt.date(2024, 1, 6), 8),
]
#: kind of place → engine, and how its text columns are declared
KINDS: dict[str, tuple[str, str]] = {
    "pg": ("postgres", 'text collate "C"'),
    "icu": ("postgres", 'text collate "en-US-x-icu"'),
    "pad": ("postgres", "character(6)"),
    "ci": ("mariadb", "varchar(40) character set utf8mb4 collate utf8mb4_general_ci"),
    "bin": ("mariadb", "varchar(40) character set utf8mb4 collate utf8mb4_nopad_bin"),
    "lite": ("sqlite", "text"),
}
#: columns that no STRICT table can have
NOT_LITE = re.compile(r"\b[dtbv]\b|\*")
ALL = "pg icu pad ci bin lite"

#: query → the kinds of place to which it goes whole
CASES: list[tuple[str, str]] = [
    # EXISTS and IN
    ("select id from {c} where exists (select id, s from {o} where cid = {c}.id)", ALL),
    ("select id from {c} where not exists (select 1 from {o} o where o.cid = {c}.id and o.id > 2)", ALL),
    ("select id from {c} c where exists (select id from {o} where cid = c.id and exists (select 1 from {c} where {c}.id = g))", ALL),
    ("select id from {c} where id in (select cid from {o})", ALL),
    ("select id from {c} where id not in (select cid from {o})", ALL),
    ("select id from {c} where id not in (select cid from {o} where cid is not null)", ALL),
    ("select id from {c} where id not in (select cid from {o} where id > 100)", ALL),
    ("select id from {c} where g not in (select cid from {o} where id > 100)", ALL),
    ("select id from {c} where g in (select cid from {o} where cid < {c}.id)", ALL),
    ("select id from {c} where id = any (select cid from {o})", ALL),
    ("select id from {c} where s in (select s from {o})", ALL),
    ("select id from {c} where s not in (select s from {o} where s is not null)", ALL),
    ("select id from {c} where exists (select 1 from {o} where {o}.s = {c}.s)", ALL),
    ("select id from {c} where id in (select max(cid) from {o} group by n)", ALL),
    ("select id from {c} where id in (select cid from {o} order by id limit 3)", "pg icu pad lite"),
    ("select id from {c} where (id, g) in (select cid, id from {o})", ""),
    ("select id from {c} where id in (select v from {o})", ""),
    ("select id from {c} where exists (select 1 from {o} limit 0)", ALL),
    ("select id from {c} where id > all (select cid from {o} where cid is not null)", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(places: Places) -> Places:
    """The two tables in every kind of place; SQLite's are STRICT, so that it vouches for their integers."""
    places.define("c", C_COLUMNS, C_ROWS)
    places.define("o", O_COLUMNS, O_ROWS)
    for kind, (engine, text) in KINDS.items():
        for table in ("c", "o"):
            places.put(f"{table}_{kind}", engine, source=table, native={"s": text})
    for table, columns in (("c_lite", C_COLUMNS), ("o_lite", O_COLUMNS)):
        types = {"BIGINT": "INTEGER", "VARCHAR": "TEXT", "INTEGER": "INTEGER"}
        named = [column.strip().split(" ", 1) for column in columns.replace("10,2", "10;2").split(",")]
        strict = ", ".join(f"{name} {types.get(type_, 'ANY')}" for name, type_ in named if type_ in types)
        names = ", ".join(name for name, type_ in named if type_ in types)
        places.run("sqlite", f"alter table {table} rename to old_{table}")
        places.run("sqlite", f"create table {table} ({strict}) strict")
        places.run("sqlite", f"insert into {table} select {names} from old_{table}")
    return places


@pytest.mark.parametrize(("text", "kinds"), [pytest.param(*case, id=case[0][:100]) for case in CASES])
def test_block(world: Places, text: str, kinds: str) -> None:
    """Sent whole exactly where it should be, and the oracle's rows everywhere."""
    sent = []
    for kind in KINDS:
        if kind == "lite" and NOT_LITE.search(text):
            continue
        sql = text.format(c=f"c_{kind}", o=f"o_{kind}")
        is_ordered = "order by" in text and "limit" not in text
        world.check(sql, ordered=is_ordered, widths=kind != "lite")
        plan = world.federation.explain(sql)
        if plan.local is None:
            sent.append(kind)
        else:
            assert plan.kept, f"no reason is given: {sql}"
    assert " ".join(sent) == kinds, {str(kept.reason) for kept in plan.kept}
