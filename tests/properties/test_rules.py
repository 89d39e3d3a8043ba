"""Every rule of the planner that rewrites a query, left out in turn: the same answers, and other plans."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.oracle.conftest import server_or_none
from tests.properties import rules
from tests.properties.cases import make_case
from tests.properties.world import World

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")
#: cases for each rule
SEEDS = range(5_000, 5_012)


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
        world.check_small(dataclasses.replace(make_case(seed, world.engines), left_out=rule))
