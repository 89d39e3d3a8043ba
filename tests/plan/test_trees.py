"""Walks and copies of trees are what sqlglot's own are, over texts with every part that a query may have."""

from __future__ import annotations

import pytest

from fedq.sql import copied, every, exp, first, nodes, parse, render, type_text

TEXTS = (
    "select a, b + 1 as c, count(*) filter (where d > 2) from t, u left join v on t.x = v.x where a in (1, 2) group by 1",
    "with w as (select x.* exclude (y) from x) select * from w where exists (select 1 from z where z.k = w.k) limit 3",
    "select cast(a as decimal(15, 2)), case when b is null then 'x' else c end from t union all select 1, 'y' order by 1",
    "select sum(a) over (partition by b order by c rows between 1 preceding and current row) from t -- said so",
    "select date '1995-01-01' + interval 3 month, list[1:2], s.f, x -> y from unnest([1, 2]) as q(s)",
)


def _state(tree: exp.Expr) -> list[tuple[object, ...]]:
    """Everything a node carries beside its parts, and its place."""
    return [
        (type(node), node.arg_key, node.index, node.comments, dict(node.meta), node.parent is None, sorted(node.args))
        for node in tree.walk()
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_a_copy_is_a_copy(text: str) -> None:
    tree = parse(text)[0]
    made = copied(tree)
    assert made == tree and _state(made) == _state(tree.copy()) == _state(tree)
    assert not {id(node) for node in made.walk()} & {id(node) for node in tree.walk()}
    assert all(child.parent is node for node in made.walk() for child in node.iter_expressions())


def test_a_copy_may_be_changed() -> None:
    tree = parse("select a from t where a = 1")[0]
    assert hash(tree) == hash(copied(tree))
    made = copied(tree)
    made.args["where"].this.set("expression", exp.Literal.number(2))
    made.find(exp.Column).meta["mark"] = 1
    assert made != tree and render(tree) == "SELECT a FROM t WHERE a = 1"
    assert "mark" not in tree.find(exp.Column).meta


def test_a_part_is_copied_alone() -> None:
    part = parse("select a from t where a = 1")[0].args["where"]
    assert copied(part).parent is None and part.parent is not None


@pytest.mark.parametrize("text", TEXTS)
def test_a_walk_is_breadth_first(text: str) -> None:
    tree = parse(text)[0]
    for found, expected in (
        (nodes(tree), tree.walk()),
        (every(tree, exp.Column, exp.Func), tree.find_all(exp.Column, exp.Func)),
        (nodes(tree, without=lambda node: isinstance(node, exp.Query) and node is not tree),
         tree.walk(prune=lambda node: isinstance(node, exp.Query) and node is not tree)),
    ):  # fmt: skip
        assert [id(node) for node in found] == [id(node) for node in expected]
    for kind in (exp.Select, exp.Column, exp.Window, exp.Pivot):
        assert first(tree, kind) is tree.find(kind)


@pytest.mark.parametrize(
    "type_", ["DATE", "INTEGER", "DECIMAL(15, 2)", "VARCHAR", "INTEGER[]", "TIMESTAMPTZ", "DOUBLE"]
)
def test_a_type_as_duckdb_writes_it(type_: str) -> None:
    node = parse(f"select cast(a as {type_})")[0].find(exp.DataType)
    assert type_text(node) == node.sql("duckdb")
