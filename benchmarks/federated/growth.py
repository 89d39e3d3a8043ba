"""How totals grow: over scale 0.1, 0.5, 1 in three databases, and over 2, 3, 4, 8 databases at the smallest scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from benchmarks.federated import race
from benchmarks.federated.link import Link
from benchmarks.federated.race import Course, Race, Show
from benchmarks.federated.site import Site
from tests.oracle import tpch

SCALES = (0.1, 0.5, 1.0)
SPREADS = (2, 4, 8)


def sizes(scales: Sequence[float] = SCALES, spreads: Sequence[int] = SPREADS) -> Iterator[tuple[float, int]]:
    """Pairs of scale and number of databases.

    >>> list(sizes((0.1, 0.5), (2, 8)))
    [(0.1, 3), (0.5, 3), (0.1, 2), (0.1, 8)]
    """
    yield from product(scales, (3,))
    yield from product((min(scales),), spreads)


def run(site: Site, links: Sequence[Link], course: Course, scales: Sequence[float], show: Show) -> list[Race]:
    """fedq and ATTACH over every size and link, otherwise as `course` says."""
    races = []
    for (scale, count), link in product(sizes(scales), links):
        print(f"\n== {link.title}, scale {scale:g}, {count} databases", flush=True)
        sized = replace(
            course, databases=site.load(scale, count), link=link, scale=scale, reference=str(tpch.folder(scale))
        )
        races.append(race.run(site, sized, ("fedq", "attach"), show))
    return races
