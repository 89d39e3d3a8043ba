"""Random queries for as long as one likes: `python -m tests.properties.fuzz --seconds 600 --seed 7`.

Starts its own servers where their programs are, and ends with 1 at the first difference, with its seed and the smallest
case that shows it.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedq.errors import FedqWarning
from tests.asked_again import some_asked_again
from tests.in_parts import some_in_parts
from tests.properties import rules
from tests.properties.cases import make_case, make_tables
from tests.properties.grammar import Case
from tests.properties.reworded import reworded
from tests.properties.test_partitions import difference, is_answered, texts
from tests.properties.world import World
from tests.servers import MariaDBServer, PostgresServer, ServerUnavailable

#: of one case: filling its tables takes as long as some of them
QUERIES = 24
#: every so many cases also have so many sums of partitions
PARTITIONED, SUMS = 5, 6


def main() -> int:
    """Run until the time is over or a difference is found."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first case; the next ones count up")
    parser.add_argument("--go-on", action="store_true", help="after a difference too; ends with 1 if there was one")
    parser.add_argument("--engines", default="", help="only these, separated by commas")
    arguments = parser.parse_args()
    first = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    warnings.simplefilter("ignore", FedqWarning)
    with servers() as (postgres, mariadb), tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), postgres, mariadb)
        engines = tuple(filter(None, arguments.engines.split(","))) or world.engines
        try:
            return rounds(world, engines, first, time.monotonic() + arguments.seconds, goes_on=arguments.go_on)
        finally:
            world.close()


def rounds(world: World, engines: tuple[str, ...], first: int, until: float, *, goes_on: bool = False) -> int:
    """One case after the other, each by its own seed, until the clock says so or one differs."""
    different, queries, number = 0, 0, first
    for number in itertools.count(first):
        if time.monotonic() >= until or (different and not goes_on):
            break
        if number % 20 == 0:
            print(f"seed {number}: {queries} queries, {different} differences", flush=True)
        for problem in problems(world, number, engines):
            different += 1
            print(f"\nseed {number} over {','.join(engines)}:\n{problem}", flush=True)
        queries += asked(number, engines)
    print(f"seeds {first} to {number - 1}: {queries} queries, {different or 'no'} difference{'s' * (different > 1)}")
    return 1 if different else 0


def problems(world: World, number: int, engines: tuple[str, ...]) -> Iterator[str]:
    """What is different in the case of a seed; every fifth one is also asked for the sum of its partitions, every
    third one reads PostgreSQL's tables in parts, and every other third one takes each fetch for larger than expected.
    """
    with some_in_parts(number), some_asked_again(number):
        yield from world.problems(without_a_rule(make_case(number, engines, QUERIES), number))
    if number % PARTITIONED == 0:
        case, graphs = make_tables(number, engines)
        for one, parts in [texts(graphs) for _ in range(SUMS)]:
            if is_answered(world, case, (one, *parts)) and (problem := difference(world, case, one, parts)):
                yield problem


def asked(number: int, engines: tuple[str, ...]) -> int:
    """How many queries a seed is, each counted as often as it is run with other parameters or constants."""
    queries = make_case(number, engines, QUERIES).queries
    again = sum(not query.params and reworded(query) is not None for query in queries)
    return sum(len(query.params) or 1 for query in queries) + again + (SUMS if number % PARTITIONED == 0 else 0)


def without_a_rule(case: Case, number: int) -> Case:
    """Every fourth case is planned without one of the rules, each in turn."""
    known = rules.names()
    return replace(case, left_out=known[number // 4 % len(known)]) if known and number % 4 == 0 else case


@contextmanager
def servers() -> Iterator[tuple[Any, Any]]:
    """A PostgreSQL and a MariaDB, or None for what is not installed."""
    with tempfile.TemporaryDirectory(prefix="fedq-", dir="/tmp") as run:
        Path(run).chmod(0o711)
        started: list[Any] = []
        for kind in (PostgresServer, MariaDBServer):
            try:
                started.append(kind.start(Path(run) / kind.engine))
            except ServerUnavailable as missing:
                print(missing)
                started.append(None)
        try:
            yield started[0], started[1]
        finally:
            for server in filter(None, started):
                server.kill()


if __name__ == "__main__":
    sys.exit(main())
