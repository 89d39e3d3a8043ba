"""Single conditions of a block with the subqueries in them, as the statement over some of its tables says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fedq.bind.bound import BoundQuery
from fedq.bind.resolve import BoundTable
from fedq.bind.scope import Scopes, base_tables
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.dialects import dialect_of
from fedq.plan.block import speaker_of, tables_of, write_block
from fedq.plan.constants import NotPushed
from fedq.plan.reach import conjuncts
from fedq.plan.translate import translate
from fedq.sql import exp, nodes, parse
from fedq.types import BIGINT, VARCHAR

TABLES = {
    "l": ("k", "s", "d"), "o": ("k", "c"), "c": ("c", "name"), "other": ("k", "x"),
}  # fmt: skip
HOMES = {"l": "shop", "o": "shop", "c": "shop", "other": "crm"}


def bound(sql: str) -> BoundQuery:
    """A query over tables that nobody has to read."""
    tree = parse(sql)[0]
    reads = base_tables(nodes(tree))
    scopes = Scopes(nodes(tree), reads, [_table(node.name) for node in reads])
    return BoundQuery(sql, {}, tree, scopes, sql)


def _table(name: str, rows: float | None = None, indexed: str = "") -> BoundTable:
    types = {"name": VARCHAR}
    columns = tuple(Column(known, types.get(known, BIGINT), known, "bigint") for known in TABLES[name])
    return BoundTable(
        name,
        HOMES[name],
        TableSchema(PhysicalTable(None, name), columns, rows=rows, indexed=frozenset(indexed.split())),
    )


def said(sql: str, within: set[str], kind: str = "postgres") -> list[str]:
    """What is offered for each condition of the outermost block."""
    query = bound(sql)
    block = query.scopes.blocks[id(query.tree)]
    speaker = speaker_of(query, block, dialect_of(kind), within=within)
    offers = []
    for conjunct in conjuncts(query.scopes):
        if conjunct.block is block:
            try:
                offer = translate(conjunct.node, speaker)
                offers.append(offer.sql if offer.is_exact else "hint")
            except NotPushed as reason:
                offers.append(f"kept: {reason}")
    return offers


def test_a_correlated_subquery_names_the_tables_of_the_statement() -> None:
    sql = "select 1 from l l1, o where l1.k = o.k and exists (select * from l l2 where l2.k = l1.k and l2.s <> l1.s)"
    assert said(sql, {"l@1", "o@2"}) == [
        '"l1"."k" = "o"."k"',
        'EXISTS (SELECT 1 FROM "l" AS "l2" WHERE "l2"."k" = "l1"."k" AND "l2"."s" <> "l1"."s")',
    ]


def test_an_inner_name_never_hides_an_outer_one() -> None:
    sql = "select 1 from l where exists (select 1 from o L where L.c = s and L.k in (select c from c l where l.c = d))"
    assert said(sql, {"l@1"}) == [
        'EXISTS (SELECT 1 FROM "o" AS "L_2" WHERE "L_2"."c" = "l"."s" AND "L_2"."k" IN '
        '(SELECT "l_3"."c" FROM "c" AS "l_3" WHERE "l_3"."c" = "l"."d"))'
    ]


@pytest.mark.parametrize(
    ("sql", "within", "reason"),
    [
        ("select 1 from l where exists (select 1 from other where other.k = l.k)", {"l@1"}, "another database"),
        ("select 1 from l, other where exists (select 1 from o where o.k = other.k)", {"l@1"}, "other.k"),
        ("select 1 from l, o where exists (select 1 from c where c.c = o.c)", {"l@1"}, "o.c"),
        ("select 1 from l where exists (select 1 from o where o.c = x.k)", {"l@1"}, "x.k"),
        ("select 1 from l where k = (select k from o)", {"l@1"}, "several rows"),
    ],
)
def test_what_is_elsewhere_is_kept(sql: str, within: set[str], reason: str) -> None:
    offers = [offer for offer in said(sql, within) if "SELECT" in offer or "kept" in offer]
    assert len(offers) == 1
    assert offers[0].startswith("kept: "), offers
    assert reason.split(".")[0] in offers[0] or "column" in offers[0]


def test_a_column_of_a_statement_elsewhere_is_no_column() -> None:
    sql = "select 1 from l where exists (select 1 from o where c in (select c from c where c.c = o.k and name = l.s))"
    query = bound(sql)
    inner = next(block for block in query.scopes.blocks.values() if "o" in block.tables)
    speaker = speaker_of(query, inner, dialect_of("postgres"))
    with pytest.raises(NotPushed):
        translate(inner.node.args["where"].this, speaker)


def test_tables_behind_a_cte_are_found() -> None:
    query = bound("with q as (select k from o), r as (select k from q) select 1 from l where k in (select k from r)")
    found = tables_of(query, query.tree.args["where"])
    assert [occurrence.table.name for occurrence in found] == ["o"]


def test_names_that_a_database_would_cut_are_not_said() -> None:
    long = "x" * 64
    query = bound(f"select count(*) from (select k as {long} from l) q where {long} > 1")
    with pytest.raises(NotPushed, match="63 bytes"):
        write_block(query, query.tree, dialect_of("postgres"), "postgres", [("n", BIGINT)])
    fetch = write_block(query, query.tree, dialect_of("sqlite"), "sqlite", [("n", BIGINT)])
    assert fetch.sql.count(long) == 2


def test_a_nested_block_is_written_alone() -> None:
    query = bound("select 1 from other join (select k, max(d) as m from l group by k) q on q.k = other.k")
    node = next(block.node for block in query.scopes.blocks.values() if "l" in block.tables)
    assert isinstance(node, exp.Select)
    fetch = write_block(query, node, dialect_of("postgres"), "postgres", [("k", BIGINT), ("m", BIGINT)])
    assert (fetch.id, fetch.database, fetch.tables) == ("l@2", "shop", ("l",))
    assert fetch.sql == 'SELECT "l"."k", max("l"."d") FROM "l" AS "l" GROUP BY "l"."k"'
    with pytest.raises(NotPushed, match=r"is VARCHAR"):
        write_block(query, node, dialect_of("postgres"), "postgres", [("k", BIGINT), ("m", VARCHAR)])


def test_cleaned_columns_are_not_computed_with() -> None:
    query = bound("select max(k) from l")
    tables: Mapping[str, BoundTable] = {
        occurrence.id: replace(
            occurrence.table,
            schema=replace(
                occurrence.table.schema,
                columns=tuple(replace(column, policy="null") for column in occurrence.table.schema.columns),
            ),
        )
        for occurrence in query.occurrences
    }
    scopes = Scopes(query.scopes.parts, base_tables(query.scopes.parts), list(tables.values()))
    with pytest.raises(NotPushed, match="cleaned"):
        write_block(replace(query, scopes=scopes), query.tree, dialect_of("postgres"), "postgres", [("n", BIGINT)])


def test_more_tables_than_a_database_joins_are_not_sent() -> None:
    tables = ", ".join(f"l l{number}" for number in range(61))
    query = bound(f"select 1 from {tables}")
    with pytest.raises(NotPushed, match="more than 60 tables"):
        write_block(query, query.tree, dialect_of("mysql"), "mysql", [("n", BIGINT)])


@pytest.mark.parametrize(
    "sql",
    [
        "select max(case when k > 1 then 'a' else 'B' end) from l",
        "select k from l order by case when k > 1 then 'a' else 'B' end",
        "select w from (select 'a' as w from l union all select 'B' from o) q order by w",
    ],
)
def test_a_computed_text_is_ordered_by_its_bytes_whatever_the_database_s_rule(sql: str) -> None:
    query = bound(sql)
    type_ = BIGINT if sql.startswith("select k") else VARCHAR
    fetch = write_block(query, query.tree, dialect_of("postgres"), "postgres", [("x", type_)])
    assert '::text COLLATE "C"' in fetch.sql


@pytest.mark.parametrize(
    ("rows", "indexed", "is_sent"),
    [(1_000, "", True), (None, "", False), (1e6, "", False), (1e6, "s", False), (1e6, "k", True), (None, "k", True)],
)
def test_a_value_per_row_is_computed_there_where_that_is_quick(rows: float | None, indexed: str, is_sent: bool) -> None:
    sql = "select c from o where c < (select max(d) from l where l.k = o.k and l.s > o.c)"
    tree = parse(sql)[0]
    reads = base_tables(nodes(tree))
    tables = [_table("l", rows, indexed) if node.name == "l" else _table(node.name) for node in reads]
    query = BoundQuery(sql, {}, tree, Scopes(nodes(tree), reads, tables), sql)
    if is_sent:
        assert write_block(query, tree, dialect_of("postgres"), "postgres", [("c", BIGINT)]).sql.count("SELECT") == 2
    else:
        with pytest.raises(NotPushed, match="for each row"):
            write_block(query, tree, dialect_of("postgres"), "postgres", [("c", BIGINT)])


@pytest.mark.parametrize(("rows", "is_sent"), [(1_000, True), (1e6, False), (None, False)])
def test_not_in_goes_to_postgres_where_it_can_be_hashed(rows: float | None, is_sent: bool) -> None:
    for negation in ("not", ""):
        sql = f"select c from o where c {negation} in (select k from l)"
        tree = parse(sql)[0]
        reads = base_tables(nodes(tree))
        tables = [_table("l", rows) if node.name == "l" else _table(node.name) for node in reads]
        query = BoundQuery(sql, {}, tree, Scopes(nodes(tree), reads, tables), sql)
        if is_sent or not negation:
            assert " IN (SELECT" in write_block(query, tree, dialect_of("postgres"), "postgres", [("c", BIGINT)]).sql
        else:
            with pytest.raises(NotPushed, match="NOT IN"):
                write_block(query, tree, dialect_of("postgres"), "postgres", [("c", BIGINT)])
