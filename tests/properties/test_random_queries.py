"""Random queries over random tables in random places: the same rows, names and types as one DuckDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.conftest import server_or_none
from tests.properties.grammar import cases
from tests.properties.world import World

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")
SETTINGS = settings(
    max_examples=75,
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
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
@given(data=st.data())
def test_random_queries_over_every_engine(world: World, data: st.DataObject) -> None:
    world.check(data.draw(cases(world.engines)))


@settings(SETTINGS, max_examples=25)
@given(data=st.data())
def test_random_queries_over_each_engine_alone(world: World, data: st.DataObject) -> None:
    """Everything in one place: where whole queries travel."""
    engine = data.draw(st.sampled_from(world.engines))
    world.check(data.draw(cases((engine,))))


def test_the_grammar_makes_queries_that_have_rows(world: World) -> None:
    """Random queries that are always empty, or always fail, would prove nothing."""
    rows: list[int] = []

    @settings(SETTINGS, max_examples=60, phases=[Phase.generate])
    @given(data=st.data())
    def count(data: st.DataObject) -> None:
        case = data.draw(cases(("frame",)))
        world.check(case)
        rows.extend(world.places.expected(query.sql).num_rows for query in case.queries)

    count()
    assert sum(number > 0 for number in rows) > len(rows) / 2
    assert sum(number > 2 for number in rows) > len(rows) / 8
