"""Every rule of the planner that rewrites a query, left out in turn: the same answers, and other plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.oracle.conftest import server_or_none
from tests.properties import rules
from tests.properties.cases import make_case
from tests.properties.grammar import Case, Table
from tests.properties.world import World

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")
#: cases for each rule
SEEDS = range(5_000, 5_004)


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every engine there is."""
    made = World(tmp_path_factory.mktemp("rules"), *(server_or_none(request, name) for name in ("postgres", "mariadb")))
    yield made
    made.close()


def test_the_rules_are_found() -> None:
    """A rule is known by its name, and leaving one out leaves the others in."""
    known = rules.names()
    assert len(set(known)) == len(known)
    for name in known:
        with rules.without(name):
            assert rules.names() == tuple(other for other in known if other != name)
    assert rules.names() == known


@pytest.mark.parametrize("rule", rules.names())
def test_no_answer_depends_on_a_rule(world: World, rule: str) -> None:
    for seed in SEEDS:
        world.check_small(replace(make_case(seed, world.engines), left_out=rule))


#: each rule must change the plan of one of them; {a} and {b} are tables of one database, {c} of another
CHANGED = (
    "select x.s, w.m from (select k, s from {a} where id < 9) x join {c} w on w.k = x.k",
    "select x.s, count(*) as n from (select k + 1 as k, s from {a}) x, {b} y where x.k = y.k group by x.s",
    "select x.s, y.m, w.u from {a} x join {b} y on x.id = y.id join {c} w on w.k = y.k where x.s = 'a'",
    "select w.s, sum(x.m) as m, count(*) as n, avg(y.u) as u from {a} x, {b} y, {c} w "
    "where x.id = y.id and w.k = x.k group by w.s",
    "select w.s, count(x.id) as n, sum(x.m) as m from {c} w left join {a} x on x.k = w.k group by w.s",
    "select w.s from {c} w where exists (select 1 from {a} x join {b} y on x.id = y.id where x.k = w.k)",
    "select w.s from {c} w where w.k not in (select x.k from {a} x where x.k is not null)",
    "select x.s, x.f, x.p, w.m from {a} x join {c} w on w.k = x.k order by x.id, w.id limit 3",
    "with q as (select k, sum(m) as m from {a} group by k) select w.s, q.m from {c} w join q on q.k = w.k "
    "where q.m = (select max(m) from q)",
    "select w.s from {c} w where w.m > (select avg(x.m) from {a} x where x.k = w.k)",
    "select x.s, w.s from {a} x, {c} w where x.k = w.k and ((x.s = 'a' and w.s = 'b') or (x.s = 'b' and w.s = 'a'))",
    "select w.id, min(x.m), max(y.s) from {c} w, {a} x, {b} y where w.k = x.k and x.id = y.id group by w.id",
    *(f"select sum(x.m * (1 - x.{few}) * (1 + x.{few})), sum(x.m * (1 - x.{few})) from {{a}} x" for few in "phu"),
)


@pytest.mark.parametrize("rule", rules.names())
def test_leaving_out_a_rule_leaves_something_out(world: World, rule: str) -> None:
    """Else the test above would compare a plan with itself. A new rule needs a query here that shows it."""
    engine = world.engines[0]
    rows = make_case(1, (engine,)).tables[0].rows
    case = Case((Table(0, engine, rows), Table(1, engine, rows), Table(2, "parquet", rows)), (), (1000,))
    a, b, c = (table.name for table in case.tables)
    texts = [text.format(a=a, b=b, c=c) for text in CHANGED]
    world.fill(case)
    both = replace(case, sizes=(100_000,)), case
    plans = [[plans_of(world, replace(one, left_out=name), texts) for one in both] for name in ("", rule)]
    assert plans[0] != plans[1], f"no plan is another one without {rule}"


def plans_of(world: World, case: Case, texts: list[str]) -> list[str]:
    """What explain says of each query, planned anew."""
    world.places.close()
    with world.planned(case):
        return [str(world.places.federation.explain(text)) for text in texts]
