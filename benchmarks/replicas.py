"""Reads that see what was written and seen, counted: with `freshness="session"` beside `freshness="any"`.

    python -m benchmarks.replicas               10,000 pairs and 10,000 reads per engine, half an hour
    python -m benchmarks.replicas --pairs 200   does it still work? writes nothing

A real primary with two replicas each. Write, then read: both replicas at once, 10 ms and 1,000 ms late, one frozen.
Read while another connection writes: never an older state than before, one replica being frozen. What the position
costs: the same replica read with and without. MariaDB delays by whole seconds only, so its 10 ms are those of the
replication's line, through a proxy.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import fedq
from benchmarks.page import table, write
from tests.servers import FaultProxy, ServerUnavailable
from tests.servers.replication import Cluster, MariaDBCluster, PostgresCluster

ENGINES = {"PostgreSQL": PostgresCluster.start, "MariaDB": MariaDBCluster.start}
#: how late each replica is, in milliseconds; None is frozen
PLACES: dict[str, tuple[float | None, float | None]] = {
    "both at once": (0, 0),
    "both 10 ms late": (10, 10),
    "both 1,000 ms late": (1000, 1000),
    "one frozen, one at once": (None, 0),
    "1,000 ms and 10 ms late": (1000, 10),
}
READ = "select n from items where id = :id"
WRITE = "update items set n = :n where id = :id"
FRESHNESS = ("session", "any")


@dataclass
class Tally:
    """How one loop went."""

    engine: str
    replicas: str
    freshness: str
    reads: int = 0
    wrong: int = 0
    """Stale reads, or steps back."""
    places: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)

    def read(self, fed: fedq.Federation, row: int) -> int:
        """Read one row's number."""
        started = time.perf_counter()
        found = fed.query(READ, {"id": row}, freshness=self.freshness)
        self.times.append((time.perf_counter() - started) * 1000)
        [source] = found.sources
        self.places[source.replica or source.role] += 1
        self.reads += 1
        return int(found.scalar())

    def kept(self) -> dict[str, Any]:
        """What is written down."""
        told = asdict(self) | {"places": dict(self.places), "median_ms": round(statistics.median(self.times), 3)}
        del told["times"]
        return told

    def cells(self) -> list[str]:
        """A line of a table."""
        who = " / ".join(f"{self.places[name]:,}" for name in ("replica1", "replica2", "primary"))
        return [
            self.engine, self.replicas, f"`{self.freshness}`", f"{self.reads:,}", f"{self.wrong:,}", who,
            f"{statistics.median(self.times):.2f}",
        ]  # fmt: skip


@dataclass
class Shop:
    """A cluster with a table."""

    engine: str
    cluster: Cluster
    url: str

    def connect(self, *replicas: int) -> fedq.Federation:
        """A federation over some of the replicas."""
        name = self.url.rpartition("/")[2]
        urls = [self.cluster.replicas[number].url_of(name) for number in replicas]
        return fedq.connect({"version": 1, "databases": {"shop": {"url": self.url, "replicas": urls}}})

    @contextmanager
    def late(self, *late: float | None) -> Iterator[None]:
        """Each replica so many milliseconds late, None frozen."""
        with _undone() as undo:
            for number, milliseconds in enumerate(late):
                if milliseconds is None:
                    self.cluster.freeze(number)
                    undo.append(lambda number=number: self.cluster.thaw(number))  # type: ignore[misc]
                elif milliseconds and (self.engine == "PostgreSQL" or milliseconds >= 1000):
                    self.cluster.delay(number, milliseconds / 1000)
                    undo.append(lambda number=number: self.cluster.delay(number, 0))  # type: ignore[misc]
                elif milliseconds:
                    line = FaultProxy(self.cluster.primary.port)
                    line.set("latency", milliseconds / 1000)
                    self.cluster.link(number, line.port)
                    undo += [line.stop, lambda number=number: self.cluster.link(number)]  # type: ignore[misc]
            yield
        self.cluster.wait(60)


@contextmanager
def _undone() -> Iterator[list[Callable[[], None]]]:
    undo: list[Callable[[], None]] = []
    try:
        yield undo
    finally:
        for step in reversed(undo):
            step()


def pairs(shop: Shop, count: int) -> list[Tally]:
    """Write, then read; each freshness has a federation and a row of its own, and they take turns."""
    tallies = []
    for replicas, late in PLACES.items():
        turns = [(shop.connect(0, 1), Tally(shop.engine, replicas, freshness), row)
                 for row, freshness in enumerate(FRESHNESS, 1)]  # fmt: skip
        with shop.late(*late):
            for n in range(1, count // len(PLACES) + 1):
                for fed, tally, row in turns:
                    fed.execute(WRITE, {"n": n, "id": row})
                    tally.wrong += tally.read(fed, row) != n
        for fed, tally, _ in turns:
            fed.close()
            tallies.append(tally)
            print(*tally.cells(), sep="  ", flush=True)
    return tallies


def steps(shop: Shop, count: int) -> list[Tally]:
    """Read again and again while somebody else writes; what counts is whether the number was greater before."""
    turns = [
        (shop.connect(0, 1), Tally(shop.engine, "one frozen, one at once", freshness), [0]) for freshness in FRESHNESS
    ]
    is_done = threading.Event()

    def write_on() -> None:
        connection = shop.cluster.primary.connect(shop.url)
        cursor = connection.cursor()
        while not is_done.wait(0.002):
            cursor.execute("UPDATE items SET n = n + 1 WHERE id = 3")
        connection.close()

    writer = threading.Thread(target=write_on)
    with shop.late(None, 0):
        writer.start()
        try:
            for _ in range(count):
                for fed, tally, last in turns:
                    found = tally.read(fed, 3)
                    tally.wrong += found < last[0]
                    last[0] = found
        finally:
            is_done.set()
            writer.join()
    assert turns[0][2][0] > 0, "nothing was written meanwhile"
    for fed, tally, _ in turns:
        fed.close()
        print(*tally.cells(), sep="  ", flush=True)
    return [tally for _, tally, _ in turns]


def costs(shop: Shop, count: int) -> list[dict[str, Any]]:
    """Medians of pairs at one replica: a read that nothing was written before, and one directly after a write."""
    found = []
    for after in ("", "directly after a write"):
        turns = [
            (shop.connect(0), Tally(shop.engine, "", freshness), row) for row, freshness in enumerate(FRESHNESS, 1)
        ]
        both: list[tuple[float, float]] = []
        for n in range(count + 10):
            for fed, tally, row in turns:
                if after:
                    fed.execute(WRITE, {"n": n, "id": row})
                tally.read(fed, row)
            both.append((turns[0][1].times[-1], turns[1][1].times[-1]))
        for fed, _, _ in turns:
            fed.close()
        both = both[10:]  # connecting, and what is cold
        session, any_ = (statistics.median(times) for times in zip(*both, strict=True))
        token = statistics.median(one - other for one, other in both)
        at = [tally.places["replica1"] / tally.reads for _, tally, _ in turns]
        found.append({"engine": shop.engine, "after": after, "pairs": len(both), "session_ms": session, "any_ms": any_,
                      "token_ms": token, "at_replica": min(at)})  # fmt: skip
        print(found[-1], flush=True)
    return found


def measure(engine: str, folder: Path, count: int) -> dict[str, list[Any]]:
    """Everything of one engine."""
    cluster = ENGINES[engine](folder / engine.lower())
    try:
        shop = Shop(engine, cluster, cluster.primary.new_database("shop"))
        cluster.primary.sql("CREATE TABLE items (id BIGINT PRIMARY KEY, n BIGINT)", shop.url)
        cluster.primary.sql("INSERT INTO items VALUES (1, 0), (2, 0), (3, 0)", shop.url)
        cluster.wait()
        return {"cost": costs(shop, max(count // 10, 20)), "pairs": pairs(shop, count), "steps": steps(shop, count)}
    finally:
        cluster.kill()


def text(found: dict[str, list[Any]]) -> str:
    """Markdown."""
    who = ["answered by replica 1 / 2 / primary", "median ms"]
    stale = table(
        ["engine", "replicas", "freshness", "pairs", "stale", *who], [each.cells() for each in found["pairs"]], 3
    )
    back = table(
        ["engine", "replicas", "freshness", "reads", "steps back", *who], [each.cells() for each in found["steps"]], 3
    )
    cost = table(
        ["engine", "a read at the replica", "`session`, ms", "`any`, ms", "median of the differences, ms"],
        [[each["engine"], each["after"] or "alone",
          *(f"{each[name]:.2f}" for name in ("session_ms", "any_ms", "token_ms"))] for each in found["cost"]],
        2,
    )  # fmt: skip
    return (
        f"Write, then read:\n\n{stale}\n\nRead, while another connection writes:\n\n{back}\n\n"
        "What it costs to compare positions; directly after a write what the replica had to catch up with is in it:"
        f"\n\n{cost}"
    )


def main() -> None:
    """Print everything; write it down when it is the whole of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    told = parser.parse_args()
    found: dict[str, list[Any]] = {"pairs": [], "steps": [], "cost": []}
    with tempfile.TemporaryDirectory(prefix="fedq-replicas-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        for engine in ENGINES:
            try:
                for part, lines in measure(engine, folder, told.pairs).items():
                    found[part] += lines
            except ServerUnavailable as missing:
                print(f"{engine}: left out, {missing}")
    print(text(found))
    wrong = sum(each.wrong for part in ("pairs", "steps") for each in found[part] if each.freshness == "session")
    assert wrong == 0, f"{wrong} reads were stale"
    if told.pairs >= 10_000:
        kept = {"cost": found["cost"]} | {part: [each.kept() for each in found[part]] for part in ("pairs", "steps")}
        write("replicas", "Replicas: what was written and seen", kept, text(found))


if __name__ == "__main__":
    main()
