"""Parts that a rewritten query may consist of are written as they were read: the same rows and types in DuckDB."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from fedq.plan.rewrite.tree import _SAFE, can_be_written
from fedq.sql import exp, nodes, parse

VALUES = (
    "i", "t.i", '"I"', "-i", "- -i", "i + 1 - 2 * i", "i - (1 - i)", "(i + 1) * 2", "i / 4", "i % 3", "-7 % 3", "d * (1 - d)",
    "1.50", "1e3", "1.5e-3", "0.1 + 0.2", "123456789012345678901", "'it''s'", "'a\nb'", "''", "true", "null", "s || 'x' || i",
    "i = 1 and b or not b", "not (b and i > 2)", "i between 1 and 3", "i not between 1 and 3", "i in (1, 2, null)",
    "i not in (1, 2)", "s like 'a%_'", "s not like '%b'", "s is null", "s is not null", "b is true", "b is not true",
    "i is not distinct from 2", "i is distinct from null", "i <> 2", "i != 2", "i <= 2 or i >= 3", "(i, s) = (1, 'ab')", "(i, s) in ((1, 'ab'), (2, 'x'))", "(i > 1) = b",
    "case when i > 1 then 'x' when b then 'y' end", "case i when 1 then 2 else 3 end", "if(b, 1, 2)",
    "coalesce(s, 'none', 'z')", "coalesce(null, i)", "nullif(i, 2)", "cast(d as double)", "i::varchar", "'12'::int",
    "d::decimal(12, 4)", "date '2024-02-29'", "day + interval 1 day", "day - interval '3' month", "day + interval (i) hour",
    "extract(year from day)", "extract(month from day)", "year(day)", "month(day)", "day(day)", "date_part('quarter', day)",
    "substring(s, 1, 2)", "substring(s from 2 for 1)", "substr(s, 2)", "lower(s)", "upper(s)", "length(s)", "abs(i - 3)",
    "timestamp '2024-01-01 10:00:00'", "i & 1", "(select max(i) from t)", "exists (select 1 from t u where u.i > t.i)",
    "i in (select i + 1 from t)", "i not in (select i from t where i > 2)", "(select count(*) from t u where u.i = t.i)",
)  # fmt: skip
QUERIES = (
    "select count(*), count(s), count(distinct s), sum(i), avg(d), min(s), max(day) from t",
    "select b, sum(i) filter (where i > 1), bool_and(b), bool_or(i > 2) from t group by b",
    "select b as x, count(*) from t group by x having count(*) > 1 order by 2 desc, x nulls first",
    "select i from t order by s desc nulls last, i limit 2 offset 1",
    "select distinct b from t order by b nulls first",
    "select i from t group by all order by all",
    "select t.i, u.s from t join t as u on t.i = u.i and u.b left join t w on w.i = t.i + 1 where w.b is null",
    "select t.i from t, t u where t.i < u.i", "select i from t cross join (select 1 as one) o", "select * from t join t u using (i)",
    "with c as (select i, s from t where b), e(x) as (select i from c) select c.s, e.x from c, e where c.i = e.x",
    "select i from t union all select i + 1 from t", "select i from t union select 2 order by 1 limit 3",
    "select i from t intersect select 2", "select i from t except select 2", "(select i from t order by i limit 1) union all select 9",
    "select x.n from (select i as n, s from t) as x (n, m) where x.m > 'a'", "select t.* from t",
    'select "t"."i" as "Weird ""name""" from t', "select i as select_ from t", "select sum(distinct i) from t",
)  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        found.execute("CREATE TABLE t (i INTEGER, s VARCHAR, b BOOLEAN, d DECIMAL(9, 2), day DATE)")
        found.execute(
            "INSERT INTO t VALUES (1, 'ab', true, 0.25, '2024-02-29'), (2, 'a''b', false, 1.50, '2023-12-31'), "
            "(3, NULL, true, -2.00, '1999-01-01'), (NULL, '', NULL, NULL, NULL), (2, 'Ä%_', false, 1.50, '2024-07-04')"
        )
        yield found


def _answer(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[list[str], list[str]]:
    relation = connection.sql(text)
    types = [str(type_) for type_ in relation.types]
    rows = (
        sorted(map(repr, relation.fetchall()))
        if "order by" not in text.lower()
        else list(map(repr, relation.fetchall()))
    )
    return types, rows


TEXTS = [*(f"select {value} as v from t" for value in VALUES), *QUERIES]


@pytest.mark.parametrize("text", [text for text in TEXTS if can_be_written(nodes(parse(text)[0]))])
def test_what_may_be_written_anew_comes_back_the_same(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    (tree,) = parse(text)
    assert _answer(connection, tree.sql("duckdb")) == _answer(connection, text)


def test_every_part_is_tried() -> None:
    tried = {
        type(node) for text in TEXTS for tree in parse(text) if can_be_written(nodes(tree)) for node in tree.walk()
    }
    not_alone = {exp.Parameter, exp.Placeholder}  # of a query's parameters: tests/plan/test_kept.py
    assert {kind.__name__ for kind in set(_SAFE) - tried - not_alone} == set()


@pytest.mark.parametrize(
    "text",
    ["select j->>'a.b' from t", "select list_transform([1], lambda x: x) from t", "select * exclude (i) from t",
     "select i from t using sample 3", "select row_number() over () from t", "from t", "select struct_pack(a := 1)",
     "select * from t positional join t u", "select i from t qualify row_number() over () = 1"],
)  # fmt: skip
def test_other_parts_keep_the_text(text: str) -> None:
    (tree,) = parse(text)
    assert not can_be_written(nodes(tree)) or text == "from t"
