"""Queries that once had a wrong answer, each under the name of what was wrong."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest

import fedq
from tests.oracle.support import Places, assert_same


@pytest.fixture(scope="module")
def world(places: Places) -> Places:
    """`small` and `nested` in DuckDB, `middle` in SQLite, `large` in PostgreSQL and `other` in MariaDB: keys travel."""
    places.define("small", "k INTEGER, z INTEGER", "select i * 3, i from range(5) r(i)")
    places.define("middle", "id INTEGER, k INTEGER, z INTEGER", "select i, i % 17, i % 4 from range(60) r(i)")
    places.define(
        "large", "id INTEGER, k INTEGER, z INTEGER", "select i, i % 40, nullif(i % 9, 8) from range(1500) r(i)"
    )
    places.define("other", "id INTEGER, k INTEGER, w INTEGER", "select i, i % 23, i % 6 from range(900) r(i)")
    places.define(
        "nested",
        "id INTEGER, s STRUCT(k INTEGER, large STRUCT(k INTEGER)), large STRUCT(k INTEGER)",
        "select i, {'k': i, 'large': {'k': i + 2}}, {'k': 100 + i} from range(10) r(i)",
    )
    places.put("small", "duckdb")
    places.put("nested", "duckdb")
    places.put("middle", "sqlite")
    places.put("large", "postgres", key=["id"])
    places.put("other", "mariadb", key=["id"])
    return places


#: what was wrong → queries that showed it
WRONG = {
    "what DuckDB reads was not read: blobs in hexadecimals, names in backquotes": [
        "select x'61' as b, id from `middle` where encode(z::varchar) = X'31' and `k` > 3",
        "select `l`.`id` as `a``b` from large as `l` join middle using (`id`) where l.id < 9",
    ],
    "a semicolon before the statement ended it": [";select id from middle", "/* ; */ ; ; select count(*) from large;;"],
    "a derived table with two columns of one name gave the keys of the second": [
        "select l.id from large l join (select *, z as k from small) d on d.k = l.k",
        "select l.id from large l join (select small.*, z as k from small) d on d.k = l.k",
        "with d as (select k + 1 as k, z as K from small) select l.id from large l join d on d.k = l.k",
        "select l.id from large l join (select unnest(s), id as k from nested) d on d.k = l.k",
    ],
    "the last column of an ASOF join's USING was taken for an equality": [
        "select l.id, s.k, s.z from large l asof join small s using (k, z)",
        "select l.id, s.k, s.z from large l asof join small s using (z)",
    ],
    "the ON of an outer or anti join inside EXISTS was taken for a condition of it": [
        "select id from large l where exists (select 1 from other o left join small s on s.k = l.k)",
        "select id from large l where exists (select 1 from other o anti join small s on s.k = l.k)",
        "select id from large l where exists (select 1 from other o left join small s on s.k = l.k where o.id = 3)",
        "select id from large l where exists (select 1 from small s join other o on s.k = l.k and o.id = 3)",
    ],
    "EXISTS of an aggregate that only DuckDB knows is true without a row": [
        f"select id from large l where exists (select {function}(s.z) from small s where s.k = l.k)"
        for function in ("product", "mean", "entropy", "histogram")
    ],
    "a path into a struct was taken for a column of a table that has a field's name": [
        "select nested.id from nested, large where large.id = nested.id and nested.large.k = 101",
        "select nested.id, s.large.k from nested, large where large.id = nested.id and s.large.k = 5",
    ],
    "a CTE of a recursive WITH that does not recur reads the table of its name": [
        "with recursive large as (select * from large where z = 5) select count(*) from large",
    ],
    "a struct's star pulled no struct": ["select d.k, d.id from (select s.*, id from nested) d where d.k > 3"],
    "the name of a computed column showed our name for a table": [
        "select (select max(k) from other where other.id = middle.id) from middle",
        "select exists (from other where k = 1)",
    ],
    "what is not NULL in a row without a partner was aggregated before the left join": [
        f"select m.k, {aggregate} as n, count(*) as c from middle m left join large l on l.k = m.k + 30 group by m.k"
        for aggregate in (
            "sum(coalesce(l.z, 7))", "sum(case when l.z is null then 1 else 0 end)", "count(coalesce(l.z, 7))", "sum(1)",
            "min(coalesce(l.z, 7))", "count(*) filter (where l.z = 3)", "sum(1) filter (where l.z is null)", "avg(2)",
            "sum(l.z + 1)", "count(2)",
        )
    ],
    "what is not NULL in a row without a partner was grouped before the left join": [
        f"select {key} as x, count(*) as n, sum(l.z) as s from middle m left join large l on l.k = m.k + 30 group by 1"
        for key in ("coalesce(l.z, 0)", "l.z is null", "case when l.z > 3 then 'hi' else 'lo' end", "l.z + 1")
    ],
    "a CTE was put where its names mean other tables": [
        "with x as (select id, k, count(*) as n from other group by id, k), other as (select id, k from middle) "
        "select x.id, x.n, l.id from x, other, large l where x.k = other.k and x.k = l.k and l.id < 50",
        "with c as (select k, id from large where id < 50) select * from (with large as (select id as k, k as id from "
        "middle) select c.k, c.id, o.id as oid from c, other o where o.k = c.k) q",
        "with c as (select k, z from large) select * from (with c as (select id as k, w as z from other) select c.k, l.z "
        "from c, large l where c.k = l.id) q, c where c.k = q.k and c.z = 3 and q.z = 2",
        "select m.id from middle m where exists (with x as (select l.id from large l where l.k = m.k) "
        "select 1 from small m, x where x.id = m.z)",
    ],
    "a name of a block further out meant a column of the derived table's sources": [
        "select id from middle where exists (select 1 from (select w as v from other) t where t.v = z)",
        "select id, (select count(*) from (select l.k as w from large l) t where t.w = z) as n from middle",
        "select l.id from large l where exists (select 1 from (select l.w as v from other l) t where t.v = l.z)",
    ],
    "the name of an output meant a column of the derived table's sources": [
        "select t.y as id from (select l.k as y from large l) t, other o where id = 7 and o.id = t.y",
        "select t.y as z, o.id from (select l.k as y, l.z + 1 as z, l.id as i from large l where l.id < 99) t, other o "
        "where o.id = t.y order by z + 0, i limit 20",
    ],
    "a name in a derived table or a CTE was taken for a source beside it that it does not see": [
        "select m.id from middle m where exists (select 1 from (select l.id from large l where l.k = m.k) x, small m "
        "where x.id = m.z)",
        "select m.id from middle m where exists (with x as (select l.id from large l where l.k = m.k) "
        "select 1 from x, (select k, z from small) m where x.id = m.z)",
    ],
    "MySQL took a HAVING without an aggregate for a WHERE": [
        "select 1 as x from other having true",
        "select l.id from large l, (select 3 as x from other having true) t where t.x = l.id",
    ],
    "no group of a constant became one group": [
        "select 'x' as c, count(*) as n, sum(k) as s from other where id < 0 group by 1",
        "select count(*) as n from large where id < 0 group by true",
    ],
    "a join by three tables was taken for one of two": [
        "select l.id from large l, large a, large b, small s "
        "where l.id = a.id and l.k + a.k = b.id and s.k = b.k",
    ],
}  # fmt: skip


@pytest.mark.parametrize("sql", [pytest.param(sql, id=why) for why, queries in WRONG.items() for sql in queries])
def test_the_answer_is_right(world: Places, sql: str) -> None:
    """The rows, names and types of one DuckDB that holds all tables."""
    world.check(sql, widths=False)


@pytest.mark.parametrize(
    "value", [100, 2**31, 2**63, 2**70, -5, Decimal("1.50"), Decimal("5"), Decimal("1E+3"), Decimal("0.001"), "7", 0.1]
)
@pytest.mark.parametrize("sql", ["select t + $p as x from tiny", "select $p as x, $p / 3 as y, n * $p as z from tiny"])
def test_a_parameter_keeps_its_type_where_one_duckdb_answers_whole(places: Places, sql: str, value: Any) -> None:
    """A bound 100 is an INTEGER; the literal 100 beside a TINYINT was one too, and overflowed."""
    places.define("tiny", "t TINYINT, n DECIMAL(5,2)", [(100, Decimal("1.50"))])
    places.put("tiny", "duckdb")
    try:
        expected = places.oracle.sql(sql, params={"p": value}).to_arrow_table()
    except duckdb.Error:  # the oracle refuses it: so must fedq
        with pytest.raises(fedq.FedqError):
            places.query(sql, {"p": value})
        return
    actual = places.query(sql, {"p": value}).to_arrow()
    assert actual.to_pylist() == expected.to_pylist()
    assert [str(field.type) for field in actual.schema] == [str(field.type) for field in expected.schema]


@pytest.mark.parametrize("sql", ["select s from ends where s in ($p)", "select s from ends where contains($p, s)"])
def test_a_text_with_a_nul_is_a_text_wherever_it_stands(places: Places, sql: str) -> None:
    """It was written in parentheses, which make a list behind IN."""
    places.define("ends", "s VARCHAR", [("a",), ("",), ("x",), ("a\0b",)])
    places.put("ends", "duckdb")
    expected = places.oracle.sql(sql, params={"p": "a\0b"}).to_arrow_table()
    assert_same(places.query(sql, {"p": "a\0b"}), expected, sql=sql)


CLEANED = [
    "select id from cleaned where n > 5",
    "select count(*) from cleaned where n > 5",
    "select count(*) from cleaned where not (n = 100)",
    "select id from cleaned where n not between 100 and 200",
    "select id from cleaned where n not in (100)",
    "select id from cleaned order by n desc limit 1",
    "select a.id, b.id from cleaned a join cleaned b on a.n = b.n",
    "select a.id, b.id from cleaned a left join cleaned b on a.n = b.n and b.n <> 100",
    "select count(*) from (select id from cleaned where n > 5 limit 2)",
]


@pytest.mark.parametrize("sql", CLEANED)
def test_what_a_policy_makes_null_is_null_for_every_condition(places: Places, sql: str) -> None:
    """PostgreSQL's NaN is above every number; read under the policy "null" it is no number at all."""
    places.define(
        "cleaned", "id INTEGER, n DECIMAL(10,2)", [(1, Decimal("1.50")), (2, None), (3, Decimal("9.00")), (4, None)]
    )
    if "cleaned" not in places.tables:
        values = "(1, 1.5), (2, 'NaN'), (3, 9), (4, NULL)"
        places.run("postgres", "CREATE TABLE cleaned(id int, n numeric(10,2))", f"INSERT INTO cleaned VALUES {values}")
        places.tables["cleaned"] = {"database": "postgres", "on_unrepresentable": "null"}
        places.close()
    places.check(sql)


def test_a_natural_join_does_not_join_on_the_hidden_column(world: Places) -> None:
    """`_database` of both sides would be a common column: refused rather than no rows."""
    with pytest.raises(fedq.InvalidQuery, match="NATURAL"):
        world.query("select small._database, large._database from small natural join large")
    assert len(world.query("select small._database, large.id from small natural join large")) == len(
        world.query("select large.id from small natural join large")
    )


def test_a_description_is_of_the_values_that_are_bound(world: Places) -> None:
    """A text asked again is not described again, unless a list holds something else or a time has a zone."""
    moment = dt.datetime(2024, 1, 5)
    for value in ([1], ["a"], [Decimal("1.5")], moment, moment.replace(tzinfo=dt.UTC), moment):
        result = world.query("select $p as x from small limit 1", {"p": value})
        expected = world.oracle.sql("select $p as x", params={"p": value})
        assert str(result.plan.outputs[0][1]).replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") == str(
            expected.types[0]
        )


def test_texts_of_two_collations_are_not_compared_by_their_database(world: Places) -> None:
    """PostgreSQL (42P22) and MySQL (1267) refuse it; pulled, both are bytes."""
    for engine, rules in {
        "postgres": ('text collate "en-US-x-icu"', 'text collate "de-x-icu"'),
        "mariadb": ("varchar(9) collate utf8mb4_general_ci", "varchar(9) collate utf8mb4_unicode_ci"),
    }.items():
        for number, rule in enumerate(rules):
            name = f"rule{number}_{engine}"
            world.define(name, "id INTEGER, s VARCHAR", "select i, 'v' || i % 50 from range(3000) r(i)")
            world.put(name, engine, native={"s": rule})
        world.check(
            f"select count(*), max(a.id + 1) from rule0_{engine} a join rule1_{engine} b on a.s = b.s and a.id = b.id "
            "where b.id <> 3"
        )


CORRELATED = [
    "select id from outer_{e} o where exists (select 1 from inner_{e} i where i.s = o.s)",
    "select id from outer_{e} o where not exists (select 1 from inner_{e} i where i.s = o.s)",
    "select id from outer_{e} o where (select count(*) from inner_{e} i where i.s = o.s) > 0",
    "select id, (select count(*) from inner_{e} i where i.s = o.s) as n from outer_{e} o",
    "select id from outer_{e} o where o.s = (select min(i.s) from outer_{e} i where i.s = o.s)",
    "select id from outer_{e} o where o.s in (select i.s from inner_{e} i where i.id < o.id)",
]


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "sqlite"], indirect=True)
@pytest.mark.parametrize("sql", CORRELATED)
def test_a_subquery_is_asked_again_for_a_text_that_only_looks_the_same(places: Places, engine: str, sql: str) -> None:
    """MariaDB answered for 'A' and 'a ' what it had found for 'a'."""
    native = {
        "postgres": "text",
        "mariadb": "varchar(9) character set utf8mb4 collate utf8mb4_general_ci",
        "sqlite": "text collate nocase",
    }
    rows: dict[str, list[tuple[Any, ...]]] = {
        "outer": [(1, "a"), (2, "A"), (3, "a "), (4, "b"), (5, None)],
        "inner": [(1, "a"), (2, "B")],
    }
    for name, values in rows.items():
        if f"{name}_{engine}" not in places.tables:
            places.define(f"{name}_{engine}", "id BIGINT, s VARCHAR", values)
            places.put(f"{name}_{engine}", engine, native={"s": native[engine]}, key=["id"])
    places.check(sql.format(e=engine))


def test_what_a_frame_overflows_on_is_computed_here(places: Places) -> None:
    """DuckDB adds before it filters where it scans a frame, and after it where it scans a table of its own."""
    places.define("added", "id BIGINT, k BIGINT", [(2, 2**63 - 1)])
    places.put("added", "frame")
    places.check(
        "select x.c0 from (select a.id as c0, b.k + 1 as c1 from added a "
        "join (select id, k from added where k < 100) b on a.id = b.id) x where x.c1 > 0"
    )
    with pytest.raises(fedq.ComputeError, match="Overflow"):
        places.query("select k + 1 as n from added")


@pytest.mark.parametrize("sql", ["select $p || '' as x", "select k from small where z::varchar = $p and '' = ''"])
def test_a_text_with_a_parameter_may_end_with_an_empty_text(world: Places, sql: str) -> None:
    """The two quotes at the end were taken for one that is not closed."""
    expected = world.oracle.sql(sql, params={"p": "1"}).to_arrow_table()
    assert_same(world.query(sql, {"p": "1"}), expected, sql=sql)
