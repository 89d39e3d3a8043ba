"""One example of a random test: where some tables are, what they hold, and queries over them; all of it from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.properties.grammar import FINITE, UNIQUE, VALUES, Case, Table
from tests.properties.wide import Wide

#: engines that are asked in a language of their own, which is where a planner can be wrong: chosen twice as often
SPEAKING = ("postgres", "mariadb", "sqlite")


def make_case(seed: int, engines: Sequence[str], queries: int = 6) -> Case:
    """Two to five tables and a few queries over them; the same for the same arguments."""
    case, graphs = make_tables(seed, engines)
    return replace(case, queries=tuple(graphs.query() for _ in range(queries)))


def make_tables(seed: int, engines: Sequence[str]) -> tuple[Case, Wide]:
    """A case that asks nothing yet, and what makes queries over it.

    The tables live in few engines, so that several of them meet in one.
    """
    random = Random(seed)
    weighted = [*engines, *(engine for engine in engines if engine in SPEAKING)]
    chosen = list(dict.fromkeys(random.sample(weighted, min(len(weighted), random.choice((1, 2, 2, 3, 3))))))
    spoken = [engine for engine in engines if engine in SPEAKING]
    if spoken and not set(chosen) & set(spoken) and random.random() < 0.8:
        chosen[0] = random.choice(spoken)
    placed = [random.choice(chosen) for _ in range(random.choice((2, 3, 3, 4, 5)))]
    values = {
        name: random.sample(known[:4], min(len(known), 2)) + random.sample(known[4:], min(len(known[4:]), 2))
        for name, known in VALUES.items()
    }
    if not any(engine in FINITE for engine in placed) and random.random() < 0.5:
        values["d"] += [float("nan"), float("inf"), float("-inf"), -0.0]
    tables = tuple(Table(number, engine, _rows(random, values, number)) for number, engine in enumerate(placed))
    sizes = tuple(random.choice((1, 400, 1000, 100_000)) for _ in range(random.randint(1, 4)))
    return Case(tables, (), sizes), Wide(random, values, [table.name for table in tables])


def _rows(random: Random, values: dict[str, list[Any]], number: int) -> tuple[tuple[Any, ...], ...]:
    count = random.choice((0, 2, 3, 4, 5, 6, 6, 7, 8, 8, 8, 8, 8, 12, 12, 12))
    is_null = random.choice((0.05, 0.2, 0.4))

    def of(known: list[Any]) -> Any:
        return None if random.random() < is_null else random.choice(known)

    unique = random.sample(VALUES["u"], count)
    return tuple(
        (at + 1, *(_distinct(unique[at], random, is_null) if name == "u" and number in UNIQUE else of(known)
                   for name, known in values.items()))
        for at in range(count)
    )  # fmt: skip


def _distinct(value: Any, random: Random, is_null: float) -> Any:
    """A unique column's value: its own, or NULL, which is unique as often as one likes."""
    return None if random.random() < is_null else value
