"""Blocks that one database answers whole: each sent where it is exact, kept where it is not, and right either way."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest

import fedq
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
NOT_LITE = re.compile(r"\b[dtbv]\b|select \*")
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
    # derived tables and CTEs
    ("select q.id from (select id, g from {c} where g > 1) q where q.id < 7", ALL),
    ("select x, m from (select g, max(id) from {c} group by g) q(x, m) where m > 3", ALL),
    ("with q as (select cid, count(*) as n from {o} group by cid) select {c}.id, n from {c} join q on cid = {c}.id", ALL),
    ("with q(a) as (select id from {c}), r as (select a from q where a > 2) select a from r where a not in (select a from q where a > 6)", ALL),
    ("with q as (select id from {c} order by id limit 2) select a.id, b.id from q a join q b on a.id = b.id", ""),
    ("with q as (select id from {c} order by id limit 2) select a.id from q a", ""),
    ("with q as (select id from {c} order by id limit 2) select a.id from q a order by a.id", ALL),
    ("select id from (select id from {c} order by s, id) q limit 2", ""),
    ("select n from (select count(*) as n from {c}) q", ALL),
    ("select * from (select id, id from {c}) q", ""),
    ("select * from (select g, count(*) from {c} group by g) q", ""),
    ("select c_count, count(*) from (select {c}.id, count({o}.id) from {c} left join {o} on cid = {c}.id group by {c}.id) q(i, c_count) group by c_count", ALL),
    ("with recursive r(z) as (select 1 union all select z + 1 from r where z < 3) select id from {c} join r on z = id", ""),
    ("select {c}.id, y from {c}, (select cid + 1 as y from {o} where cid = {c}.id) q", ""),
    ("select s from (select s from {c} where id < 5) q where s > 'a'", ALL),
    # scalar subqueries
    ("select id from {c} where id = (select max(cid) from {o})", ALL),
    ("select id, (select count(*) from {o} where cid = {c}.id) as n from {c}", ALL),
    ("select id, (select max({o}.s) from {o} where cid = {c}.id) as m from {c}", ALL),
    ("select id from {c} where g < (select max(id) from {o} where cid = {c}.id)", ALL),
    ("select id from {c} where id = (select cid from {o} where id = 1)", ""),
    ("select g, (select max({c}.g) from {o} where id = 1) as m from {c} group by g", ""),
    ("select id from {c} where s = (select max({o}.s) from {o} where cid < {c}.id)", ALL),
    # expressions, groups, HAVING
    ("select sum(d * (1 - d)) as x from {c} where id <> 4", "pg icu pad ci bin"),
    ("select sum(case when g = 1 then 1 else 0 end) as x, count(case when g = 2 then 1 end) as y from {c}", ALL),
    ("select g, count(*) filter (where id > 2) as n, sum(i) filter (where i < 8) as x from {c} group by g", "pg icu pad ci bin"),
    ("select count_if(id > 2) as n from {c}", ALL),
    ("select g, min(s) as x, max(s) as y, count(distinct s) as n from {c} group by g", ALL),
    ("select s, count(*) as n from {c} group by s", ALL),
    ("select s, id from {c} order by s nulls first, id desc", ALL),
    ("select distinct s from {c} order by s", ALL),
    ("select distinct s from {o} order by 1 desc nulls last limit 3", ALL),
    ("select g from {c} group by g having count(*) > 1", ALL),
    ("select g, count(*) as n from {c} group by g having n > 1 and g > 1", ALL),
    ("select g, sum(d) as x from {c} group by g having sum(d) > 1 order by x desc", "pg icu pad ci bin"),
    ("select count(*) as n from {c} having count(*) > 100", "pg icu pad ci bin"),
    ("select avg(id) as a from {c}", ""),
    ("select avg(d) as a from {c}", ""),
    ("select bool_and(b) as x, bool_or(b) as y from {c}", "pg icu pad"),
    ("select sum(distinct g) as x from {c}", "pg icu pad ci bin"),
    ("select sum(distinct i) as x from {c}", "pg icu pad ci bin"),
    ("select g + 1 as x, count(*) as n from {c} group by g + 1", "pg icu pad ci bin"),
    ("select g + 1 as x, count(*) as n from {c} group by 1 order by 1 nulls first", "pg icu pad ci bin"),
    ("select extract(year from t) as y, count(*) as n from {c} group by y", "pg icu pad ci bin"),
    ("select any_value(id) as x from {c} where id = 1", ""),
    ("select sum(g) / 2 as x from {c}", ""),
    ("select g, 'x' as k, 5 as five from {c} group by g", ALL),
    ("select max(id) + 1 as x from {c}", "pg icu pad ci bin"),
    ("select g from {c} group by g order by count(*) desc, g limit 2", ALL),
    ("select count(distinct d) as n from {c}", "pg icu pad ci bin"),
    ("select string_agg(s, ',' order by id) as x from {c}", ""),
    ("select median(id) as x from {c}", ""),
    ("select g as id, max(i) as m from {c} group by g having id > 1", ""),
    # joins
    ("select {c}.id, {o}.id from {c} join {o} on {o}.cid = {c}.id", ALL),
    ("select c.id, o.id from {c} c right join {o} o on o.cid = c.id", "pg icu pad ci bin"),
    ("select c.id, o.id from {c} c full join {o} o on o.cid = c.id", "pg icu pad"),
    ("select c.id, o.id from {c} c full join {o} o on o.cid = c.id and o.id > 2", ""),
    ("select c.id, o.id from {c} c left join {o} o on o.cid = c.id and o.id > 2 where o.id is null", ALL),
    ("select c.id, o.id from {c} c, {o} o where o.cid = c.id", ALL),
    ("select c.id, o.id from {c} c cross join {o} o", ALL),
    ("select id, c.g, o.cid from {c} c join {o} o using (id)", ALL),
    ("select id, g, cid, n from {c} c left join {o} o using (id) where id > 3", ALL),
    ("select id from {c} c right join {o} o using (id)", "pg icu pad ci bin"),
    ("select * from {c} c join {o} o using (id)", "pg icu pad ci bin"),
    ("select id from {c} c full join {o} o using (id)", ""),
    ("select id from {c} c semi join {o} o on o.cid = c.id and o.id > 2", ALL),
    ("select id from {c} c anti join {o} o on o.cid = c.id", ALL),
    ("select c.id from {c} c left join {o} p on p.cid = c.id semi join {o} o on o.cid = c.id", ALL),
    ("select id from {c} natural join (select id, cid from {o}) q", ""),
    ("select a.id, z.id, c.id from {c} a left join ({o} z join {o} c on z.cid = c.cid) on a.id = z.id", ALL),
    ("select a.id, z.id from ({c} a join {o} z on a.id = z.cid)", ALL),
    ("select a.id, z.id, x.id from {c} a, {o} z right join {o} x on z.id = x.cid", ""),
    ("select a.id, z.id, x.id from {c} a, {o} z left join {o} x on z.id = x.cid", ALL),
    ("select a.id, z.id from {c} a join {o} z on a.s = z.s", ALL),
    ("select a.id, z.id from {c} a join {c} z on a.g = z.g and a.id <> z.id", ALL),
    ("select a.id from {c} a where exists (select 1 from {o} a where a.cid = g)", ALL),
    ("select x.id from {c} x where exists (select 1 from {o} X where g = X.cid and X.n > 0)", ALL),
    ("select c from (select id from {c}) c", ""),
    ("select id from {c} positional join (select cid from {o}) q", ""),
    ("select id from {c} where exists (select 1 from (select cid as y from {o} where id = {c}.g) q where y > 0)", "pg icu pad lite"),
    ("select id from {c} where exists (select 1 from {o} join (select id as y from {o} where cid = {c}.id) q on y = {o}.id)", "pg icu pad lite"),
    # set operations, parentheses
    ("select id from {c} union all select cid from {o}", ALL),
    ("select s from {c} union select s from {o}", "pg icu pad bin lite"),
    ("select s from {c} union all select s from {o} where id > 2", ALL),
    ("select id from {c} union select cid from {o} union select g from {c} order by 1 limit 7", ALL),
    ("select id from {c} union select i from {c} union all select g from {c} union all select id from {o}", ALL),
    ("select s, 1 as n from {c} union select s, 2 from {o} order by 2 desc, s limit 4", "pg icu pad bin lite"),
    ("select id from {c} intersect select cid from {o}", "pg icu pad lite"),
    ("select g from {c} except select cid from {o}", "pg icu pad lite"),
    ("select g from {c} except all select cid from {o}", "pg icu pad"),
    ("select g from {c} intersect all select cid from {o} order by g desc nulls first", "pg icu pad"),
    ("select d from {c} union select v from {o}", "pg icu pad ci bin"),
    ("select d from {c} union all select v * 1.000 from {o}", "pg icu pad ci bin"),
    ("select i from {c} union all select id from {o}", ALL),
    ("select id from {c} union all select s from {o}", ""),
    ("select id from {c} union all select v from {o}", ""),
    ("select t from {c} union select t from {o}", "pg icu pad"),
    ("select id from {c} union by name select cid as id from {o}", ""),
    ("select id from {c} where id < 3 union all select cid from {o} union select g from {c} intersect select id from {o}", "pg icu pad lite"),
    ("(select id from {c} order by id desc limit 2) union all select cid from {o}", ""),
    ("(select id from {c} order by id desc limit 2) union all select cid from {o} order by id", ALL),
    ("(select id, s from {c}) order by s desc, id limit 3", ALL),
    ("select count(*) as n from (select s from {c} union all select s from {o}) q where s > 'a'", ALL),
    ("select id from {c} where id in (select cid from {o} union select g from {c})", ALL),
    ("select id from {c} where exists (select cid from {o} where cid = {c}.id union all select g from {c} where id = 0)", "pg icu pad lite"),
    ("select u, count(*) as n from (select s as u from {c} union all select 'a' as w) q group by u", "pg icu pad lite"),
    # windows
    ("select id, row_number() over (partition by g order by id desc) as n from {c}", "pg icu pad lite"),
    ("select id, rank() over (order by g nulls first) as n, dense_rank() over (order by g desc) as m from {c}", "pg icu pad lite"),
    ("select id, row_number() over (order by s, id) as n from {c}", "pg icu pad lite"),
    ("select id, count(*) over (partition by s) as n, max(s) over (order by id) as m from {c}", "pg icu pad lite"),
    ("select id, sum(i) over (order by g) as x, sum(i) over (order by id rows between 1 preceding and current row) as y from {c}", "pg icu pad"),
    ("select id, sum(i) filter (where id > 3) over (partition by g) as x from {c}", "pg icu pad"),
    ("select id, lag(s) over (order by id) as x, lead(g, 2) over (partition by g order by id) as y from {c}", "pg icu pad lite"),
    ("select g, sum(count(*)) over (order by g) as n from {c} group by g", "pg icu pad"),
    ("select g, rank() over (order by count(*) desc, g) as n from {c} group by g", "pg icu pad lite"),
    ("select id from (select id, row_number() over (partition by g order by id) as n from {c}) q where n = 1", "pg icu pad lite"),
    ("select id, avg(id) over (order by id) as x from {c}", ""),
    ("select id, row_number() over () as n from {c} where id = 1", ""),
    ("select id, max(g) over (order by id range between 1 preceding and current row) as n from {c}", ""),
    ("select id, ntile(2) over (order by id) as n from {c}", ""),
    ("select id, sum(g) over w as n from {c} window w as (order by id)", ""),
    ("select id from {c} qualify row_number() over (partition by g order by id) = 1", ""),
    ("select id, lag(s, 1, 'x') over (order by id) as x from {c}", ""),
    ("select id, 1 + row_number() over (order by id) as n from {c}", ""),
    ("select distinct max(g) over (partition by s) as n from {c}", "pg icu pad lite"),
    # days, of which MariaDB can hold what is none
    ("select id from {c} where not (t > date '2024-01-01')", "pg icu pad ci bin"),
    ("select id from {c} where (t > date '2024-01-01') is null", "pg icu pad"),
    ("select id, case when t > date '2024-01-01' then 1 when not (t > date '2024-01-01') then 2 else 3 end as x from {c}", "pg icu pad ci bin"),
    ("select id from {c} where not (t between date '2024-01-01' and date '2024-02-01' or d > 3)", "pg icu pad ci bin"),
    ("select id from {c} where t <> date '2024-01-05'", "pg icu pad ci bin"),
    ("select id from {c} where t not in (date '2024-01-05', date '1999-01-01')", "pg icu pad ci bin"),
    ("select id from {c} where t in (select t from {o})", "pg icu pad ci bin"),
    ("select id from {c} where t not in (select t from {o} where t is not null)", "pg icu pad ci bin"),
    ("select id from {c} where t not in (select t from {o})", "pg icu pad ci bin"),
    ("select t, count(*) as n from {c} group by t order by t", "pg icu pad ci bin"),
    ("select extract(year from t) as y, max(t) as m, min(t) as k from {c} group by 1 order by 1", "pg icu pad ci bin"),
    ("select distinct t from {c} order by t desc nulls first limit 3", "pg icu pad ci bin"),
    ("select {c}.id, {o}.id from {c} left join {o} on {o}.t = {c}.t and {o}.v > {c}.d", "pg icu pad ci bin"),
    ("select {c}.id, {o}.id from {c} join {o} on {o}.t >= {c}.t", "pg icu pad ci bin"),
    ("select id from {c} where not exists (select 1 from {o} where {o}.t > {c}.t)", "pg icu pad ci bin"),
    ("select count(t) as n, count(distinct t) as m from {c}", "pg icu pad ci bin"),
    ("select id from {c} where t is null", "pg icu pad ci bin"),
    ("select id from {c} where t is not null and not (t < date '2024-01-05' and t > date '2000-01-01')", "pg icu pad ci bin"),
    ("select t from {c} union select t from {o}", "pg icu pad"),
    ("select g, t, sum(d) as x from {c} group by g, t having max(t) > date '2000-01-01' order by x desc, g, t", "pg icu pad ci bin"),
    ("select id from {c} where t = (select max(t) from {o} where t < date '2024-01-08')", "pg icu pad ci bin"),
    # computed texts, subqueries inside of values
    ("select case when id < 3 then 'a' else 'A' end as x, count(*) as n from {c} group by 1", "pg icu pad lite"),
    ("select w from (select 'a' as w, id from {c} union all select 'B', id from {o}) q order by w, id", "pg icu pad lite"),
    ("select count(*) as n from (select 'a' as w from {c} where id < 3) q where w = 'A'", ALL),
    ("select count(case when id in (select cid from {o}) then 1 end) as n from {c}", ALL),
    ("select id, id in (select cid from {o}) as x from {c}", "pg icu pad"),
    ("select x.id from {c} x join {o} y on x.id = y.cid and (y.n > 1 or x.g is null) left join {c} z on z.id = y.n", ALL),
    ("select id from {c} where not (id in (select cid from {o}))", ALL),
    ("select (select sum(i) from {c} where id > 100) as x from {o}", "pg icu pad ci bin"),
    ("select sum(d) as x, sum(v * n) as y, sum(d * 2) as z from {c} join {o} on cid = {c}.id", "pg icu pad ci bin"),
    ("select id from {c} where d in (select v from {o})", "pg icu pad ci bin"),
    ("select b, count(*) as n from {c} group by b", "pg icu pad"),
    ("select g, i, count(*) as n from {c} group by all order by all", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(places: Places) -> Places:
    """The two tables in every kind of place; SQLite's are STRICT, so that it vouches for their integers."""
    places.define("c", C_COLUMNS, C_ROWS)
    places.define("o", O_COLUMNS, O_ROWS)
    for table, columns in (("c", C_COLUMNS), ("o", O_COLUMNS)):  # CHAR(n) is read without the blanks at its end
        places.define(f"{table}_trimmed", columns, f"select * replace (rtrim(s) as s) from {table}")
    for kind, (engine, text) in KINDS.items():
        for table in ("c", "o"):
            source = f"{table}_trimmed" if kind == "pad" else table
            places.put(f"{table}_{kind}", engine, source=source, native={"s": text})
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
        is_ordered = bool(re.search(r"order by [^)]*$", text)) and "limit" not in text
        world.check(sql, ordered=is_ordered, widths=kind != "lite")
        plan = world.federation.explain(sql)
        if plan.local is None:
            sent.append(kind)
        else:
            assert plan.kept, f"no reason is given: {sql}"
    assert " ".join(sent) == kinds, {str(kept.reason) for kept in plan.kept}


@pytest.mark.parametrize(
    "text",
    [
        "select max(t) as m from zeros",
        "select t, count(*) as n from zeros group by t",
        "select count(*) as n from zeros where t < date '2024-01-01'",
        "select count(distinct t) as n from zeros",
        "select id from zeros where t in (select t from {o})",
    ],
)
def test_a_day_that_is_none_is_an_error_where_the_database_computes(world: Places, text: str) -> None:
    """MariaDB would answer with a day that no calendar has, or count it."""
    sql = text.format(o="o_ci")
    world.run("mariadb", "set session sql_mode = ''", "drop table if exists zeros")
    world.run("mariadb", "create table zeros (id bigint, t date)", "insert into zeros values (1, '2020-00-00')")
    world.assign("zeros", "mariadb")
    assert world.federation.explain(sql).local is None
    with pytest.raises(fedq.FedqError):
        world.query(sql)
    world.run("mariadb", "update zeros set t = '2020-01-01'")
    world.query(sql)


def test_a_long_union_is_one_statement(world: Places) -> None:
    """SQLite's parser takes thirty levels of nesting; what it refuses is pulled table by table."""
    for kind in KINDS:
        parts = (f"select id, s from {table}_{kind} where id <> {n}" for n in range(30) for table in "co")
        sql = " union all ".join(parts)
        world.check(sql, widths=kind != "lite")
        assert len(world.query(sql).sources) == 1
