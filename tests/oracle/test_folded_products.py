"""Sums of products made of the sums of groups: where they are, where they are not, and DuckDB's answer either way.

The planner is told that tables have many rows and columns few values; one test lets it find that out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import pytest

import fedq
from fedq.plan.estimate import Estimate
from tests.oracle.support import Places
from tests.properties.world import patched

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

COLUMNS = (
    "id BIGINT, s VARCHAR, p DECIMAL(15,2), d DECIMAL(4,2), t DECIMAL(4,2), q INTEGER, w DECIMAL(30,4), x DOUBLE, "
    "v INTEGER"
)
ROWS = """
    select i, case i % 5 when 0 then 'a' when 1 then 'A' when 2 then 'a ' when 3 then 'é' end,
      case when i % 7 <> 0 then (i * 7919 % 100000 - 40000) / 100 end,
      case when i % 11 <> 0 then (i % 4) / 100 end, case when i % 6 <> 0 then (i % 3 - 1) / 10 end, i % 9 - 3,
      i, i / 3, case when i % 10 < 7 then i * i % 1009 end
    from range(1, 400) r(i)"""
#: kind of place → engine, and how its text column is declared
KINDS = {
    "icu": ("postgres", 'text collate "en-US-x-icu"'),
    "ci": ("mariadb", "varchar(40) character set utf8mb4 collate utf8mb4_general_ci"),
}
FOLDED = [
    "select s, sum(p * (1 - d)) as a, sum(p * (1 - d) * (1 + t)) as b from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, avg(q) as e, count(d) as m, sum(d) as g, count(*) as n from {f} group by s",
    "select sum(p * (1 - d) * (1 + t)) as a, sum(p * (1 - d)) as b, count(*) as n, count(d) as m, count(p) as k, sum(d) as e from {f}",
    "select sum(p * (1 - d) * (1 + t)) as a, sum(p * (1 - d)) as b, count(*) as n, count(d) as m, sum(q) as e from {f} where id < 0",
    "select s, sum(p * (1 - d) * (1 + t)) as a, count(*) as n from {f} where id < 0 group by s",
    "select sum((1 - d) * p * (1 + t)) filter (where id > 100) as a, sum(p * d * t) as b, sum(p * t) as c, count(*) filter (where d > 0) as n from {f}",
    "select sum(p * d * (1 - t) * (1 - d)) filter (where id < 0) as a, count(p) filter (where id < 0) as n from {f}",
    "select q, sum(p * (q + 1)) as a, min(p) as m, max(p) as n, sum(p) as b, max(id) as k from {f} group by q",
    "select s, sum(v * (1 - d) * (1 + t)) as a, sum(v * d * q) as b from {f} group by s",
    "select s, sum(p * q * (q - 1) * (1 - d)) as a from {f} group by s",
    "select s, sum(p * (case when d > 0.01 then 1 - d else 0 end) * (1 + t)) as a from {f} group by s",
    "select s, sum(p * (2 - coalesce(d, 0)) * (1 + coalesce(t, 1))) as a from {f} group by s",
    "select s, sum((p + v) * (1 - d) * (1 + t)) as a from {f} group by s",
    "select d, t, sum(p * (1 - d) * (1 + t)) as a, sum(d * t) as b, count(t) as n from {f} group by d, t",
    "select s as k, sum(p * (1 - d) * (1 + t)) as a from {f} group by k having sum(p * (1 - d) * (1 + t)) > 0 order by a desc, k",
    "select sum(p * (1 - d) * (1 + t)) as a, sum(p * d) as b from {f} having count(*) > 1",
    "select s, a from (select s, sum(p * (1 - d) * (1 + t)) as a, sum(p * d) as b from {f} group by s) z where b > 0",
    "select distinct count(*) as n, sum(p * (1 - d) * (1 + t)) is null as z from {f} group by s",
    "select s from {f} group by s order by sum(p * (1 - d) * (1 + t)), s limit 3",
    "select s, sum(p * (1 - d) * (1 + t)) + 1 as a, sum(p * (1 - t) * (1 - d)) * 2 as b from {f} group by s",
    "select s, sum(-p * (1 - d) * (1 + t)) as a from {f} where id in (select id from {f} where d > 0) group by s",
]  # fmt: skip
NOT_FOLDED = [
    "select s, sum(p * d) as a from {f} group by s",  # does not pay
    "select sum(p * (1 - d)) as a from {f}",
    "select s, sum(q * v * (q + 1)) as a from {f} group by s",  # integers are multiplied as fast as added
    "select s, sum(w * (1 - d) * (1 + t)) as a from {f} group by s",  # of more digits
    "select s, sum(p * (1 - d) * v * (1 + t)) as a from {f} group by s",  # a factor of many values outside of those
    "select s, sum(p * (1 - d) * (1 + t)) as a, count(distinct v) as n from {f} group by s",
    "select s, sum(distinct p * (1 - d) * (1 + t)) as a from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, max(s) as m from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, sum(x) as b from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, string_agg(v, ',' order by id) as b from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, sum(sum(p)) over (order by s) as b from {f} group by s",
    "select s, sum(p * (1 - d) * (1 + t)) as a, (select max(id) from {f} z where z.s = y.s) as b from {f} y group by s",
    "select z.s, sum(z.p * (1 - z.d) * (1 + z.t)) as a from {f} z join {f} y on z.id = y.id group by z.s",
    "select id, (select sum(p * (1 - d) * (1 + t)) from {f} z where z.q = y.id) as a from {f} y where id < 9",
    "select p * (1 - d) * (1 + t) as a from {f}",
]  # fmt: skip


@pytest.fixture(scope="module")
def world(places: Places) -> Places:
    """The table in both servers."""
    places.define("f", COLUMNS, ROWS)
    for kind, (engine, text) in KINDS.items():
        places.put(f"f_{kind}", engine, source="f", native={"s": text})
    return places


@contextmanager
def told(*, rows: float = 1e6, values: float = 4.0) -> Iterator[None]:
    """The planner takes every table to have so many rows, and the columns but `id`, `p` and `v` so many values."""
    with ExitStack() as lies:
        lies.enter_context(patched("filtered", lambda *_: Estimate(rows, is_known=True)))
        lies.enter_context(patched("distinct", lambda _, column: None if column.name in ("id", "p", "v") else values))
        yield


def is_folded(places: Places, sql: str) -> bool:
    return any("groups" in fetch.sql for fetch in places.federation.explain(sql).fetches)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", FOLDED)
def test_folded(world: Places, kind: str, text: str) -> None:
    sql = text.format(f=f"f_{kind}")
    world.close()
    with told():
        assert is_folded(world, sql)
        assert "groups" in world.query(sql).plan.actuals[0].sql  # and the database could compute it
        world.check(sql, ordered="order by" in sql)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", NOT_FOLDED)
def test_not_folded(world: Places, kind: str, text: str) -> None:
    sql = text.format(f=f"f_{kind}")
    world.close()
    with told():
        assert not is_folded(world, sql)
        world.check(sql)


@pytest.mark.parametrize(
    ("rows", "values"),
    [pytest.param(49_000.0, 2.0, id="few rows"), pytest.param(1e6, 101.0, id="many values"),
     pytest.param(1e6, 99.0, id="many groups")],
)  # fmt: skip
def test_not_where_it_does_not_pay(world: Places, rows: float, values: float) -> None:
    sql = FOLDED[0].format(f="f_icu")
    world.close()
    with told(rows=rows, values=values):
        assert not is_folded(world, sql)


LARGE = Decimal("9999999999999.99")


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_too_large_for_its_type_is_an_error_though_its_sum_is_none(world: Places, kind: str) -> None:
    large = (LARGE, -LARGE, None)
    rows: list[Any] = [(i, "a", p, Decimal("0.50"), Decimal("0.00"), 1, None, None, None) for i, p in enumerate(large)]
    rows.append((9, "b", Decimal("1.00"), Decimal("0.50"), Decimal("0.10"), 1, None, None, None))
    engine, text = KINDS[kind]
    world.define("large", COLUMNS, rows)
    world.put(f"large_{kind}", engine, source="large", native={"s": text})
    sql = f"select s, sum(p * (1 - d) * (1 + t)) as a, sum(p) as b from large_{kind} {{0}} group by s"
    with told():
        assert is_folded(world, sql.format(""))
        with pytest.raises(fedq.FedqError, match=r"(?i)overflow|out of range"):
            world.query(sql.format(""))
        world.check(sql.format("where s = 'b'"))


def test_the_statistics_say_where(world: Places) -> None:
    """Few values of each factor and many rows, also for the first query of all."""
    rows = "insert into {0} select i, 'a', i, i % {1} / 100.0, i % 5 / 10.0 from generate_series(1, {2}) i"
    for name, values, count in (("many", 7, 60_000), ("wide", 500, 60_000), ("small", 7, 10_000)):
        world.run("postgres", f"drop table if exists {name}")
        world.run(
            "postgres", f"create table {name} (id bigint, s text, p decimal(15,2), d decimal(4,2), t decimal(4,2))"
        )
        world.run("postgres", rows.format(name, values, count), f"analyze {name}")
        world.assign(name, "postgres")
    sql = "select s, count(*) as n, sum(p * (1 - d) * (1 + t)) as a from {0} group by s"
    for name, expected in (("many", True), ("wide", False), ("small", False)):
        assert is_folded(world, sql.format(name)) == expected, name
    found = world.query(sql.format("many")).rows()
    world.close()
    with told(rows=1.0):
        assert not is_folded(world, sql.format("many"))
        assert found == world.query(sql.format("many")).rows()
