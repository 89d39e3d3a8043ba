"""Random queries over random tables in random places: the same rows, names and types as one DuckDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.in_parts import some_in_parts
from tests.oracle.conftest import server_or_none
from tests.properties.cases import make_case
from tests.properties.world import World

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")
SEEDS = st.integers(0, 2**32)
#: a failing case is made small by shrink.py; Hypothesis could only make its seed small
SETTINGS = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every engine there is."""
    made = World(
        tmp_path_factory.mktemp("random"), *(server_or_none(request, name) for name in ("postgres", "mariadb"))
    )
    yield made
    made.close()


@SETTINGS
@given(seed=SEEDS)
def test_random_queries_over_every_engine(world: World, seed: int) -> None:
    with some_in_parts(seed):
        world.check_small(make_case(seed, world.engines))


@settings(SETTINGS, max_examples=30)
@given(seed=SEEDS)
def test_random_queries_over_one_engine(world: World, seed: int) -> None:
    """Everything in one place: where whole queries travel."""
    with some_in_parts(seed):
        world.check_small(make_case(seed, (world.engines[seed % len(world.engines)],)))


def test_the_grammar_makes_queries_that_have_rows(world: World) -> None:
    """Random queries that are always empty, always fail or are always the same would prove nothing."""
    rows: list[int] = []
    texts: set[str] = set()
    for seed in range(100):
        case = make_case(seed, ("frame",))
        world.fill(case)
        answers = [world.answer(query) for query in case.queries]
        rows += [-1 if answer is None else answer.num_rows for answer in answers]
        texts |= {query.sql for query in case.queries}
    assert len(texts) > 0.9 * len(rows)
    assert sum(number > 0 for number in rows) > 0.5 * len(rows)
    assert sum(number > 2 for number in rows) > 0.25 * len(rows)
    assert sum(number < 0 for number in rows) < 0.1 * len(rows)
