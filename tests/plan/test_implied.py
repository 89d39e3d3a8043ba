"""What follows from an OR: of one table, and of all branches. Both must keep every row that the condition keeps."""

from __future__ import annotations

import random

import duckdb
import pytest

from fedq.plan.implied import common, implied
from fedq.sql import exp, parse


def tree(text: str) -> exp.Expr:
    return parse(f"select 1 where {text}")[0].args["where"].this


def of(table: str):
    return lambda column: column.table == table


Q19 = (
    "(p.k = l.k and p.brand = 'a' and l.q >= 1 and l.q <= 11 and l.m in ('AIR', 'REG'))"
    " or (p.k = l.k and p.brand = 'b' and l.q between 10 and 20 and l.m in ('AIR', 'REG'))"
    " or (l.m in ('AIR', 'REG') and l.k = p.k and p.brand = 'c' and l.q > 20)"
)


@pytest.mark.parametrize(
    ("condition", "table", "wanted"),
    [
        (Q19, "p", "p.brand = 'a' OR p.brand = 'b' OR p.brand = 'c'"),
        ("l.a = 1 or p.a = 1", "l", None),
        ("l.a = 1 and p.a = 1", "l", "l.a = 1"),
        ("l.a = p.a", "l", None),
        ("(l.a = 1 and (l.b = 1 or p.c = 2)) or l.a = 3", "l", "l.a = 1 OR l.a = 3"),
        ("not (l.a = 1 or p.a = 1)", "l", None),
        ("l.a in (select x from t) or l.a = 1", "l", None),
        ("1 = 1", "l", None),
        ("(l.a = 1 and (l.b = 1 or l.b = 2)) or l.a = 3", "l", "(l.a = 1 AND (l.b = 1 OR l.b = 2)) OR l.a = 3"),
    ],
)
def test_implied(condition: str, table: str, wanted: str | None) -> None:
    found = implied(tree(condition), of(table))
    assert (found.sql("duckdb") if found is not None else None) == wanted


def test_common() -> None:
    assert [found.sql("duckdb") for found in common(tree(Q19))] == ["p.k = l.k", "l.m IN ('AIR', 'REG')"]
    assert common(tree("a = 1 and b = 2")) == []
    assert common(tree("a = 1 or b = 2")) == []
    assert [found.sql() for found in common(tree("a = 1 or (a = 1 and b = 2)"))] == ["a = 1"]
    assert [found.sql() for found in common(tree("(c = 1 and (a = 1 or (a = 1 and b = 2))) or a = 1"))] == ["a = 1"]


def test_the_condition_is_left_as_it_is() -> None:
    node = tree(Q19)
    before = node.sql("duckdb")
    implied(node, of("l"))
    common(node)
    assert node.sql("duckdb") == before


def test_every_row_that_passes_is_kept() -> None:
    """Random ANDs and ORs over two tables with NULLs: what is implied keeps all that the condition keeps."""
    chance = random.Random(20_261_122)
    oracle = duckdb.connect()
    three = "(values (1), (2), (null))"
    oracle.execute(
        f"create table w as select q.a, r.b, s.pa, t.pb from {three} q(a), {three} r(b), {three} s(pa), {three} t(pb)"
    )

    def draw(depth: int) -> str:
        if depth == 0 or chance.random() < 0.2:
            left = chance.choice(["l.a", "l.b", "p.a", "p.b"])
            right = chance.choice(["1", "2", "l.a", "p.b"])
            return f"{left} {chance.choice(['=', '<', '>=', '<>'])} {right}"
        sides = [draw(depth - 1) for _ in range(chance.randint(2, 3))]
        return "(" + chance.choice([" and ", " or "]).join(sides) + ")"

    said = 0
    for _ in range(300):
        condition = draw(3)
        node = tree(condition)
        follows = [found for table in "lp" if (found := implied(node, of(table))) is not None] + common(node)
        said += bool(follows)
        for found in follows:
            text = f"({condition}) and ({found.sql('duckdb')}) is not true".replace("l.", "").replace("p.", "p")
            assert oracle.execute(f"select count(*) from w where {text}").fetchone() == (0,), (condition, found.sql())
    assert said > 100
