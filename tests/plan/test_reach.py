"""Which rows may be left behind: queries in which a condition or a key must not, or only just may, reduce a table.

The tables are large enough that keys travel between the databases; every answer is compared with one DuckDB that holds all tables.
"""

from __future__ import annotations

from typing import Any

import pytest

import fedq
from fedq.plan import order
from tests.oracle.support import Places

#: every query here was chosen because one wrong step in `fedq/plan/reach.py` changes its rows
QUERIES = [
    # outer joins: the condition on the side that can become NULL
    "select a.k, b.z from a left join b on a.k = b.k where b.z is null",
    "select a.k, b.z from a left join b on a.k = b.k where coalesce(b.z, 5) = 5",
    "select a.k, b.z from a left join b on a.k = b.k where not (b.z = 5)",
    "select a.k, b.z from a left join b on a.k = b.k where b.z = 5 or b.z is null",
    "select a.k, b.z from a left join b on a.k = b.k where b.z not in (5, 6)",
    "select a.k, b.z from a left join b on a.k = b.k and b.z = 5",
    "select a.k, b.z from a left join b on a.k = b.k and a.x = 1",
    "select a.k, b.z from a left join b on a.k = b.k and a.x is null",
    "select a.k, b.z from a right join b on a.k = b.k where b.z < 3",
    "select a.k, b.z from a right join b on a.k = b.k and b.z = 5 where b.id < 40",
    "select a.k, b.k from a full join b on a.k = b.k where a.x = 1",
    "select a.k, b.k from a full join b on a.k = b.k where b.z is null",
    "select a.k, b.k from a full join b on a.k = b.k and a.x = 1 where coalesce(b.id, 1) < 30",
    "select a.k, b.id, c.id from a left join b on a.k = b.k left join c on b.k = c.k where c.w is null and a.x = 2",
    "select a.k, b.id, c.id from a left join b on a.k = b.k join c on b.k = c.k where a.x = 2",
    "select a.k, b.id, c.id from a left join (b join c on b.k = c.k) on a.k = b.k where a.x = 2 and c.w is null",
    # keys that lead through a third table
    "select a.k, b.id, c.id from a, b, c where a.k = b.k and b.k = c.k and a.x = 1",
    "select a.k, b.id, c.id from a left join b on a.k = b.k left join c on b.k = c.k where a.x = 1",
    "select a.k, b.id, c.id from a left join b on a.k = b.k full join c on b.k = c.k where a.x = 1 or a.x is null",
    "select a.k, b.id, c.id from a right join b on a.k = b.k right join c on b.k = c.k where c.w = 1",
    "select a.k, b.id, c.id from a left join b on a.k = b.k right join c on b.k = c.k where c.w = 1",
    "select a.k, b.id, c.id from a full join b on a.k = b.k left join c on b.k = c.k where b.z = 1",
    "select c.id from c where k in (select k from b where k in (select k from a where x = 1))",
    "select c.id from c where k not in (select k from b where k in (select k from a where x = 1) and k is not null)",
    "select c.id from c where not exists (select 1 from b join a on a.k = b.k where b.k = c.k and a.x = 1)",
    "select c.id from c anti join b on c.k = b.k where c.k in (select k from a where x = 1)",
    "select c.id from c semi join b on c.k = b.k semi join a on a.k = c.k and a.x = 1",
    "select a.k, c.id from a join b on a.k = b.k join c on b.k = c.k and b.z = c.w where a.x = 1",
    "select a.k, c.id from a join b on a.k = b.id join c on b.k = c.k where a.x = 1",
    "select a.k, d.n from a join b on a.k = b.k join (select k, count(*) n from c group by k) d on d.k = b.k where a.x = 1",
    "select b.id, (select count(*) from c where c.k = b.k) n from a join b on a.k = b.k where a.x = 1 and b.z = 1",
    # semi and anti joins
    "select k from a semi join b on a.k = b.k and b.z = 5",
    "select k from a anti join b on a.k = b.k",
    "select k from a anti join b on a.k = b.k and a.x = 1",
    "select k from a anti join b using (k)",
    "select b.id from b semi join a using (k)",
    "select b.id from b anti join a on a.k = b.k and a.x = 1",
    # IN, EXISTS and their opposites, with NULLs on both sides
    "select k from a where k in (select k from b where z = 5)",
    "select k from a where k not in (select k from b where z = 5)",
    "select k from a where k not in (select k from b where z = 5 and k is not null)",
    "select k from a where not (k in (select k from b where z = 5))",
    "select id from b where k in (select k from a where x = 1)",
    "select id from b where k in (select k from a where x = 1) or z = 0",
    "select id from b where k in (select k from a order by k limit 3)",
    "select k from a where k in (select k from b group by k having count(*) > 5)",
    "select k from a where k in (select max(k) from b)",
    "select k from a where k in (select k + 1 from b)",
    "select k from a where exists (select 1 from b where b.k = a.k and b.z = 5)",
    "select k from a where not exists (select 1 from b where b.k = a.k and b.z = 5)",
    "select k from a where exists (select count(*) from b where b.k = a.k)",
    "select k from a where exists (select 1 from b where b.k = a.k or b.z = a.x)",
    "select id from b where exists (select 1 from a where a.k = b.k and a.x = 1)",
    "select id from b where exists (select 1 from a where a.k = b.k limit 1)",
    "select id from b where exists (select 1 from a where a.k = b.k having count(*) = 0)",
    # scalar and lateral subqueries
    "select k, (select max(z) from b where b.k = a.k) m from a",
    "select k, (select count(*) from b where b.k = a.k and b.z > a.x) m from a",
    "select k from a where x < (select avg(z) from b where b.k = a.k)",
    "select a.k, l.z from a left join lateral (select z from b where b.k = a.k order by z, id limit 1) l on true",
    "select a.k, l.n from a, lateral (select count(*) n from b where b.k = a.k) l",
    # derived tables, CTEs, set operations
    "with s as (select k, x from a where x = 1) select b.id from b join s on s.k = b.k",
    "with s as (select k, max(x) m from a group by k) select b.id, s.m from b join s on s.k = b.k where s.m > 1",
    "with s as (select k from a where x = 1) select id from b where k in (select k from s) and k not in (select k from s where k > 5)",
    "with b as (select k, z from b where z < 3) select a.k, b.z from a join b on a.k = b.k",
    "select d.k from (select k, row_number() over (order by k nulls last) n from a) d join b on b.k = d.n where b.z = 5",
    "select k from a where x = 1 union all select k from b where z = 5 except select k from c where w = 2",
    "select a.k from a join (select k from b union select k from c) u on u.k = a.k where a.x = 1",
    "with recursive r(n) as (select min(k) from a union all select n + 1 from r where n < 12) select r.n, b.id from r join b on b.k = r.n",
    # joins that look at order or at everything
    "select a.k, b.z from a asof join b on a.k >= b.k where b.z > 3",
    "select count(*) from (select a.k, b.id from a positional join b where b.z = 5)",
    "select count(*) from a natural join b",
    "select a.k, b.id, c.id from a join b using (k) left join c using (k) where b.z = 5",
    "select k from a full join b using (k) where b.z = 5",
    # windows, grouping, distinct, limits: WHERE comes before them
    "select id, rank() over (order by z, id) r from b where z > 6 qualify r < 4",
    "select k, count(*) c from b where z > 6 group by k having c > 1",
    "select distinct on (k) k, z from b where z > 6 order by k, z",
    "select sum(c) from (select count(*) c from b where z = 5 limit 10)",
    "select k as kk, z from b where kk = 5",
    "select a.x, (select count(*) from b where b.z = x) n from a",
    # aliases that hide columns, self joins, comma joins
    "select p.k, q.id from b p, b q where p.k = q.k and p.z = 5 and q.z = 6",
    "select a.k from a, b, c where a.k = b.k and b.k = c.k and c.w = 1 and a.x + b.z = 3",
    "select x.k from a x join b a on x.k = a.k where a.z = 5",
    "select count(*) from a, b where a.x = 1 and (a.k = b.k or b.z = 5)",
    "select a.k from a join b on a.k = b.k and a.x = 1 or b.z = 5",
    "select a.t, b.t from a join b on a.t = b.t where a.x = 1",
    "select a.t, c.t from a join c on a.t = c.t",
    "select a.k from a where a.t in (select t from c where w = 1)",
    "select c.id from c where c.t = 'A' or c.t like 'a%' or c.t > 'z'",
    "select c.id from c where c.t between 'a' and 'b' and not (c.t = 'a ')",
]


@pytest.fixture(scope="module")
def three(places: Places) -> Places:
    """a in SQLite, b in PostgreSQL, c in MariaDB, with NULLs, duplicates, and texts that differ in case and blanks."""
    texts = "(['a','A','a ','b','é','e','z',''])[1 + i % 8]"
    places.define(
        "a",
        "k INTEGER, x INTEGER, t VARCHAR",
        f"select nullif(i % 17, 3), nullif(i % 4, 3), {texts} from range(60) r(i)",
    )
    places.define(
        "b",
        "id INTEGER, k INTEGER, z INTEGER, t VARCHAR",
        f"select i, nullif(i % 40, 7), nullif(i % 9, 8), {texts} from range(1500) r(i)",
    )
    places.define(
        "c",
        "id INTEGER, k INTEGER, w INTEGER, t VARCHAR",
        f"select i, nullif(i % 23, 5), nullif(i % 6, 4), {texts} from range(900) r(i)",
    )
    places.put("a", "sqlite")
    places.put("b", "postgres", key=["id"])
    places.put("c", "mariadb", key=["id"])
    return places


@pytest.mark.parametrize("sql", QUERIES)
def test_no_row_is_left_behind(three: Places, sql: str) -> None:
    """The rows are those of one DuckDB that holds all three tables."""
    three.check(sql, widths=False)


def test_keys_travel_between_databases(three: Places) -> None:
    """The small side's keys limit the large side, through two further databases."""
    sql = "select a.k, b.id, c.id from a join b on a.k = b.k join c on c.k = b.k where a.x = 1 and a.k = 4"
    three.check(sql, widths=False)
    rows = {read.tables[0]: read.rows for read in three.query(sql).sources}
    assert rows["b"] < 100
    assert rows["c"] < 100


def test_keys_lead_through_a_third_table(three: Places) -> None:
    """c waits for a, which has few values, and not for b between them."""
    plan = three.federation.explain(
        "select count(*) from a, b, c where a.k = b.k and b.k = c.k and a.x = 1 and a.t = 'a'"
    )
    (c,) = (fetch for fetch in plan.fetches if fetch.tables == ("c",))
    assert [key.from_fetch.split("@")[0] for key in c.keys] == ["a"]
    assert [kept.reason for kept in c.unsent] == ["keys of a@1 do as much"]


def test_keys_that_are_not_sent_take_nobodys_place(three: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if those of a were too many for the database of c."""
    real = order._is_worth

    def _is_worth(taker: Any, offer: Any, links: Any) -> bool:
        names = [pull.occurrence.table.name for pull in (taker, offer.giver)]
        return real(taker, offer, links) and names != ["c", "a"]

    monkeypatch.setattr(order, "_is_worth", _is_worth)
    plan = three.federation.explain(
        "select sum(c.id) from a, b, c where a.k = b.k and b.k = c.k and a.x = 1 and a.t = 'a'"
    )
    (c,) = (fetch for fetch in plan.fetches if fetch.tables == ("c",))
    assert [key.from_fetch.split("@")[0] for key in c.keys] == ["b"]
    assert [kept.reason for kept in c.unsent] == [f"keys of {c.keys[0].from_fetch} do as much"]


def test_an_empty_small_side_pulls_nothing_from_the_large_one(three: Places) -> None:
    """No keys, no rows."""
    sql = "select count(*) from a join b on a.k = b.k where a.x = 77"
    three.check(sql)
    assert {read.tables[0]: read.rows for read in three.query(sql).sources} == {"a": 0, "b": 0}


def test_a_limit_is_pushed_only_where_a_row_is_a_row(three: Places) -> None:
    """`unnest` makes many rows or none of one, so its LIMIT stays here."""
    assert three.query("select upper(t) from b where z = 5 limit 4").sources[0].rows == 4
    assert len(three.query("select unnest([id, k]) from b limit 4")) == 4
    assert (
        three.query("select unnest(case when id < 1400 then [] else [id] end) from b limit 4").to_arrow().num_rows == 4
    )


#: columns that a query reads without naming them
UNNAMED = [
    "select #2, #1 from b order by #1 limit 5",
    "select columns('k|z') from b where id < 9",
    "select max(columns(*)) from b where id < 9",
    "select b from b where id < 9",
    "select * exclude (t) from b where id < 9",
    "select * replace (z + 1 as z) from b where id < 9",
    "select * like 'z%' from b where id < 9",
    "select x.* from b x where id < 9",
    "select count(*), count(b.*) from b where z = 5",
    "from b where id < 9",
    "select * from (unpivot b on k, z) where id < 9",
    "pivot (from b where z < 4) on z using count(*) group by k",
    "pivot b on z using count(*) group by t order by t desc limit 3",
    "select unnest(b) from b where id < 9",
    "select 1 from b where id < 9",
    "select count(*) from a, b",
]


@pytest.mark.parametrize("sql", UNNAMED)
def test_columns_that_are_read_without_being_named(three: Places, sql: str) -> None:
    """A star, a position or a whole row reads columns that no word of the query names."""
    three.check(sql, widths=False)


def test_rowid_is_refused(three: Places) -> None:
    """Row numbers of what was pulled are not row numbers of the table."""
    with pytest.raises(fedq.ColumnNotFound, match="rowid"):
        three.query("select rowid, id from b where z = 5")
