"""Which statements may be cut into ranges of pages, and what makes their groups whole again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import Link
from fedq.plan.nodes import Fetch, KeyFilter, Output
from fedq.plan.ranges import Scan, in_ranges, merging
from fedq.sql import parse
from fedq.types import BIGINT, DOUBLE, VARCHAR, Type

NEAR, FAR = Link(0.0005, 200e6), Link(0.02, 1e6)
BIG = TableSchema(PhysicalTable("public", "t"), (), indexed=frozenset({"id"}), pages=50_000)


def fetch(
    outputs: Mapping[str, Type], suffix: str = "", source: str = 'FROM "public"."t" AS "t"', rows: float = 100
) -> Fetch:
    made = tuple(Output(sql, sql, type_) for sql, type_ in outputs.items())
    return Fetch("t@1", "pg", "postgres", ("t",), made, source, suffix=suffix, rows=rows)


@pytest.mark.parametrize(
    ("text", "outputs", "suffix", "expected"),
    [
        ("select k, id from t", {"k": BIGINT, "id": BIGINT}, "", {}),
        ("select count(*), sum(k) from t", {"c": BIGINT, "s": BIGINT}, "", {"c": "sum", "s": "sum"}),
        ("select k, min(id) from t group by 1", {"k": BIGINT, "m": BIGINT}, "GROUP BY k", {"k": "", "m": "min"}),
        ("select k as x from t group by x", {"k": BIGINT}, "GROUP BY k", {"k": ""}),
        ("select k, count(*) filter (where id > 3) from t group by k", {"k": BIGINT, "c": BIGINT}, "GROUP BY k",
         {"k": "", "c": "sum"}),
        # a group that is not shown
        ("select count(*) from t group by k", {"c": BIGINT}, "GROUP BY k", None),
        # the alias is another value than the column by which the database groups
        ("select upper(k) as k, count(*) from t group by k", {"upper(k)": VARCHAR, "c": BIGINT}, "GROUP BY k", None),
        # equal numbers that are not the same value
        ("select d, count(*) from t group by d", {"d": DOUBLE, "c": BIGINT}, "GROUP BY d", None),
        ("select k, count(distinct id) from t group by k", {"k": BIGINT, "c": BIGINT}, "GROUP BY k", None),
        ("select k, sum(id) / 2 from t group by k", {"k": BIGINT, "s": BIGINT}, "GROUP BY k", None),
        ("select k, avg(id) from t group by k", {"k": BIGINT, "a": DOUBLE}, "GROUP BY k", None),
        ("select k, count(*) from t group by k having count(*) > 1", {"k": BIGINT, "c": BIGINT}, "GROUP BY k", None),
        ("select k, count(*) from t group by rollup (k)", {"k": BIGINT, "c": BIGINT}, "GROUP BY k", None),
        ("select distinct k from t", {"k": BIGINT}, "", None),
        ("select k from t limit 5", {"k": BIGINT}, "", None),
        ("select k, row_number() over () from t", {"k": BIGINT, "n": BIGINT}, "", None),
        ("select k from t union all select k from t", {"k": BIGINT}, "", None),
    ],
)  # fmt: skip
def test_groups_of_parts_become_groups_of_the_whole_where_nothing_is_lost(
    text: str, outputs: dict[str, Type], suffix: str, expected: dict[str, str] | None
) -> None:
    assert merging(parse(text)[0], fetch(outputs, suffix)) == expected


def test_an_output_that_nobody_reads_is_still_a_group() -> None:
    merge = {"k": "", "l": "", "c": "sum"}
    whole = fetch({"k": BIGINT, "l": BIGINT, "c": BIGINT}, "GROUP BY k, l")
    assert in_ranges(whole, Scan(BIG, merge), NEAR).merge == ("", "", "sum")
    assert not in_ranges(fetch({"k": BIGINT, "c": BIGINT}, "GROUP BY k, l"), Scan(BIG, merge), NEAR).parts
    assert in_ranges(fetch({"k": BIGINT, "l": BIGINT}, "GROUP BY k, l"), Scan(BIG, merge), NEAR).merge == ("", "")


def test_what_is_small_or_far_away_is_read_whole() -> None:
    rows = fetch({"k": BIGINT})
    assert in_ranges(rows, Scan(BIG), NEAR).parts == ("ctid < '(25000,0)'", "ctid >= '(25000,0)'")
    small = TableSchema(BIG.table, (), pages=500)
    assert not in_ranges(rows, Scan(small), NEAR).parts
    view = TableSchema(BIG.table, ())
    assert not in_ranges(rows, Scan(view), NEAR).parts
    grouped = fetch({"k": BIGINT, "c": BIGINT}, "GROUP BY k", rows=1e6)
    assert in_ranges(grouped, Scan(BIG, {"k": "", "c": "sum"}, 5e6), NEAR).parts
    assert not in_ranges(grouped, Scan(BIG, {"k": "", "c": "sum"}, 5e6), FAR).parts


@pytest.mark.parametrize(
    "source",
    [
        'FROM (SELECT "k" FROM "t") AS "t"',
        'FROM "public"."t" AS "t" CROSS JOIN "public"."u" AS "u"',
        'FROM "public"."t" AS "t", "u"',
    ],
)
def test_only_a_table_by_itself_has_pages(source: str) -> None:
    assert not in_ranges(fetch({"k": BIGINT}, source=source), Scan(BIG), NEAR).parts


def test_rows_that_an_index_finds_by_their_keys_are_not_scanned_for() -> None:
    def keyed(name: str) -> Fetch:
        key = KeyFilter(name, Column(name, BIGINT, name, "bigint"), "u@2", "id")
        whole = fetch({"k": BIGINT})
        return Fetch(whole.id, "pg", "postgres", ("t",), whole.outputs, whole.source, keys=(key,), rows=100)

    assert in_ranges(keyed("k"), Scan(BIG), NEAR).parts
    assert not in_ranges(keyed("id"), Scan(BIG), NEAR).parts
