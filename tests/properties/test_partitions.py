"""A query is the sum of its parts: the rows where p is true, false and NULL; and p counts what it says of each row.

    select … from F                  ==   … where p   and   … where not p   and   … where p is null        (TLP)
    select count(*) from F where p   ==   how often `select p from F` says true                             (NoREC)

No oracle: fedq is compared with fedq, over other plans. `where p` may travel, and what is added to it as `p is null` or
shown as a column may not; a condition that a database understands differently shows itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest

from tests.oracle.conftest import server_or_none
from tests.oracle.support import canonical_rows
from tests.properties.cases import make_tables
from tests.properties.grammar import COLUMNS, Case
from tests.properties.graphs import Graphs, Sources
from tests.properties.shrink import shrink
from tests.properties.world import World

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")
SEEDS = range(70_000, 70_024)
Rows = Counter[Any]


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every engine there is."""
    servers = (server_or_none(request, name) for name in ("postgres", "mariadb"))
    made = World(tmp_path_factory.mktemp("partitions"), *servers)
    yield made
    made.close()


@pytest.mark.parametrize("part", range(4))
def test_a_query_is_the_sum_of_its_partitions(world: World, part: int) -> None:
    asked = 0
    for seed in SEEDS[part::4]:
        case, graphs = make_tables(seed, world.engines)
        for _ in range(3):
            one, parts = texts(graphs)
            if not is_answered(world, case, (one, *parts)):
                continue
            asked += 1
            if (problem := difference(world, case, one, parts)) is not None:
                small = shrink(case, lambda smaller, one=one, parts=parts: bool(difference(world, smaller, one, parts)))  # type: ignore[misc]
                raise AssertionError(f"seed {seed}\n{difference(world, small, one, parts) or problem}")
    assert asked > len(SEEDS) / 4


def texts(graphs: Graphs) -> tuple[str, tuple[str, ...]]:
    """A query, and others whose rows together are its rows; or, for NoREC, one whose true rows are."""
    sources = graphs.sources(1, 3)
    condition = graphs.pick((graphs.either, graphs.deep, lambda one, _: graphs.predicate(one)))(
        graphs.pick(sources.aliases), graphs.pick(sources.aliases)
    )
    shapes: Sequence[Callable[[Graphs, Sources, str], tuple[str, tuple[str, ...]]]] = (
        rows,
        rows,
        totals,
        groups,
        norec,
    )
    return shapes[graphs.random.randrange(len(shapes))](graphs, sources, condition)


def partitions(sources: Sources, condition: str) -> tuple[str, ...]:
    """FROM and WHERE, whole and for each of the three truths."""
    links = " and ".join(sources.links) or "true"
    truths = ("true", f"({condition})", f"not ({condition})", f"({condition}) is null")
    return tuple(f"from {sources.text} where {links} and {truth}" for truth in truths)


def rows(graphs: Graphs, sources: Sources, condition: str) -> tuple[str, tuple[str, ...]]:
    """The rows themselves; of three queries, or of one."""
    outputs = [f"{graphs.pick(sources.aliases)}.{name}" for name in graphs.some(list(COLUMNS), 1, 3)]
    said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
    whole, *parts = (f"select {said} {part}" for part in partitions(sources, condition))
    return whole, (" union all ".join(parts),) if graphs.is_lucky(0.5) else tuple(parts)


def totals(graphs: Graphs, sources: Sources, condition: str) -> tuple[str, tuple[str, ...]]:
    """Totals of totals."""
    one, other = graphs.pick(sources.aliases), graphs.pick(sources.aliases)
    said = f"count(*) as n, sum({one}.m) as total, min({other}.s) as low, max({one}.f) as high, count({other}.k) as k"
    whole, *parts = (f"select {said} {part}" for part in partitions(sources, condition))
    over = "sum(n)::BIGINT as n, sum(total) as total, min(low) as low, max(high) as high, sum(k)::BIGINT as k"
    return whole, (f"select {over} from ({' union all '.join(parts)})",)


def groups(graphs: Graphs, sources: Sources, condition: str) -> tuple[str, tuple[str, ...]]:
    """Groups, by a condition on them."""
    one, other = graphs.pick(sources.aliases), graphs.pick(sources.aliases)
    key = f"{one}.{graphs.pick(('k', 's', 'f', 'u', 'm'))}"
    told = graphs.pick((f"sum({other}.m) > 1", f"count({other}.s) = 1", f"max({other}.s) < 'b'", f"avg({other}.u) > 2"))
    base = (
        f"select {key} as c0, count(*) as c1, sum({other}.p) as c2 {partitions(sources, condition)[1]} group by {key}"
    )
    return base, tuple(f"{base} having {truth}" for truth in (f"({told})", f"not ({told})", f"({told}) is null"))


def norec(graphs: Graphs, sources: Sources, condition: str) -> tuple[str, tuple[str, ...]]:
    """How many rows pass, and what is said of every row."""
    whole, filtered, *_ = partitions(sources, condition)
    return f"select true as p {filtered}", (f"select ({condition}) as p {whole}",)


def is_answered(world: World, case: Case, queries: Sequence[str]) -> bool:
    """Whether DuckDB itself takes them all."""
    world.fill(case)
    try:
        return all(world.places.expected(query) is not None for query in queries)
    except duckdb.Error:
        return False


def difference(world: World, case: Case, one: str, parts: Sequence[str]) -> str | None:
    """What the whole and its parts do not agree on, with the case."""
    world.fill(case)
    with world.planned(case):
        whole, *others = (counted(world, text) for text in (one, *parts))
    together: Rows = Counter()
    for part in others:
        together += part
    if one.startswith("select true as p"):
        together = Counter({row: count for row, count in together.items() if row == ("bool True",)})
    if whole == together:
        return None
    tables = "\n".join(f"{table.name}: {list(map(list, table.rows))}" for table in case.tables)
    return f"{tables}\n{one}\n  {dict(whole - together)}\n" + "\n".join(parts) + f"\n  {dict(together - whole)}"


def counted(world: World, text: str) -> Rows:
    return Counter(canonical_rows(world.places.query(text).to_arrow()))
