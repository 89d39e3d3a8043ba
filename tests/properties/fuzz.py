"""Random queries for as long as one likes: `python -m tests.properties.fuzz --seconds 600 --seed 7`.

Starts its own servers where their programs are, prints the seed of every round, and ends with 1 at the first difference,
with the smallest case that shows it.
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
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fedq.errors import FedqWarning
from tests.properties.grammar import cases
from tests.properties.world import World
from tests.servers import MariaDBServer, PostgresServer, ServerUnavailable

EXAMPLES = 100


def main() -> int:
    """Run until the time is over or a difference is found."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the next ones count up")
    parser.add_argument("--engines", default="", help="only these, separated by commas")
    arguments = parser.parse_args()
    first = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    warnings.simplefilter("ignore", FedqWarning)
    with servers() as (postgres, mariadb), tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), postgres, mariadb)
        engines = tuple(filter(None, arguments.engines.split(","))) or world.engines
        try:
            return rounds(world, engines, first, time.monotonic() + arguments.seconds)
        finally:
            world.close()


def rounds(world: World, engines: tuple[str, ...], first: int, until: float) -> int:
    """Rounds of examples, each by its own seed, until the clock says so."""
    examples = 0
    for number in itertools.count(first):
        if time.monotonic() >= until:
            break
        print(f"seed {number}  {examples} examples over {', '.join(engines)}", flush=True)
        try:
            one_round(world, engines, number)
        except BaseException as problem:
            print(f"\nseed {number}: {problem}", flush=True)
            return 1
        examples += EXAMPLES
    print(f"{examples} examples, no difference")
    return 0


def one_round(world: World, engines: tuple[str, ...], number: int) -> None:
    """The examples of one seed; raises with the smallest case that differs."""

    @seed(number)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        world.check(data.draw(cases(engines)))

    check()


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
