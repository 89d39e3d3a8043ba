"""The systems take turns: each query is asked of every system before the next one, every system in its own process.

    fedq q1, attach q1, glaredb q1, fedq q2, …

Processes are started, and every table touched once, before anything is timed: a user of a notebook waits for neither.
Turns rather than one system after another, because a shared machine is slower in some minutes than in others.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.federated.link import Link
from benchmarks.federated.site import Database, Site
from benchmarks.federated.venvs import python_of

CLIENTS = Path(__file__).parent / "clients"
START_SECONDS = 120.0


Show = Callable[[str, str, "Answer"], None]
"""Called with query, system and answer as they come."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system made of one query."""

    seconds: float = 0.0
    rows: int = 0
    columns: tuple[tuple[str, int, float], ...] = ()
    pulled: int | None = None
    wire: int | None = None
    """Bytes both ways, where they can be counted."""
    error: str = ""
    lines: tuple[str, ...] = ()
    """Of an explained plan."""

    @property
    def ok(self) -> bool:
        return not self.error


class Client:
    """One system's process. It is started when first asked, and again after it was given up."""

    def __init__(self, system: str, databases: Sequence[Database], link: Link) -> None:
        self.system = system
        self.version = ""
        self._databases = [one if "path" in one else one | link.address(one["port"]) for one in databases]
        self._link = link
        self._process: subprocess.Popen[str] | None = None

    def ask(self, question: dict[str, Any], timeout: float) -> Answer:
        """The answer, or an error: the system's own, or that it took too long."""
        if self._process is None and not self._start():
            return Answer(error=f"{self.system} did not start")
        before = self._link.count()
        self._write(question)
        told = self._read(timeout)
        after = self._link.count()
        if told is None:
            died = self._process is not None and self._process.poll() is not None
            self.stop()
            return Answer(error="its process died" if died else f"not done in {timeout:g} s")
        if "error" in told:
            return Answer(error=told["error"])
        if "lines" in told:
            return Answer(lines=tuple(told["lines"]))
        columns = tuple((kind, count, total) for kind, count, total in told["columns"])
        wire = None if before is None or after is None else after - before
        return Answer(told["seconds"], told["rows"], columns, told["pulled"], wire)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process = None

    def _start(self) -> bool:
        command = [str(python_of(self.system)), str(CLIENTS / f"with_{self.system}.py")]
        self._process = subprocess.Popen(
            self._link.command(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._write(self._databases)  # not as an argument: a password is in it, and everybody sees arguments
        told = self._read(START_SECONDS)
        if told is None:
            self.stop()
            return False
        self.version = told["version"]
        for table in self._warm():
            self.ask({"sql": f"SELECT * FROM {table} LIMIT 1", "name": "warm"}, START_SECONDS)
        return True

    def _warm(self) -> list[str]:
        # GlareDB reads a whole table for one row of it, so it is spared the two large ones.
        large = ("lineitem", "orders") if self.system == "glaredb" else ()
        tables = [table for one in self._databases for table in one["tables"] if table not in large]
        return [] if self.system in ("pandas", "reference") else tables

    def _write(self, line: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # reading will tell
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

    def _read(self, timeout: float) -> dict[str, Any] | None:
        assert self._process is not None and self._process.stdout is not None
        # One line per question, and nobody else reads: what select sees is all there is.
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        line = self._process.stdout.readline() if ready else ""
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer


@dataclass(slots=True)
class Race:
    """All answers of one regime at one scale: the median of each system's runs of each query."""

    regime: str
    scale: float
    databases: int
    answers: dict[str, dict[str, Answer]] = field(default_factory=dict)
    """By query, then by system."""
    versions: dict[str, str] = field(default_factory=dict)
    expected: dict[str, Answer] = field(default_factory=dict)
    """By query: what one DuckDB with all tables answers."""

    @property
    def systems(self) -> list[str]:
        return list(self.versions)

    def differing(self, query: str) -> list[str]:
        """The systems whose answer is not the expected one; the first's, where none is known."""
        answers = {system: answer for system, answer in self.answers[query].items() if answer.ok}
        expected = self.expected.get(query) or next(iter(answers.values()), None)
        return [system for system, answer in answers.items() if expected and not same(expected, answer)]


def same(one: Answer, other: Answer) -> bool:
    """True if two answers have as many rows, and columns of the same sums up to the rounding of floats."""
    return (
        one.rows == other.rows
        and len(one.columns) == len(other.columns)
        and all(
            # an empty column has no kind
            a[1] == b[1] and (not a[1] or (a[0] == b[0] and math.isclose(a[2], b[2], rel_tol=1e-6, abs_tol=1e-6)))
            for a, b in zip(one.columns, other.columns, strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class Course:
    """What is run: databases over a link, queries by name, and how often and how long."""

    databases: Sequence[Database]
    link: Link
    texts: Mapping[str, str]
    scale: float
    repeat: int = 1
    timeout: float = 120.0
    reference: str = ""
    """A folder with all tables as Parquet."""


def run(site: Site, course: Course, systems: Sequence[str], show: Show) -> Race:
    """Ask every query of every system, in turn."""
    race = Race(course.link.title, course.scale, len(course.databases))
    clients = {system: Client(system, course.databases, course.link) for system in systems}
    try:
        for query, text in course.texts.items():
            kept: dict[str, list[Answer]] = {system: [] for system in systems}
            for _, (system, client) in product(range(course.repeat), clients.items()):
                if kept[system] and not kept[system][-1].ok:
                    continue  # it will not do better the next time
                answer = client.ask({"name": query, "sql": text}, course.timeout)
                kept[system].append(answer)
                if answer.error.startswith("not done"):
                    site.stop_statements()
                show(query, system, answer)
            race.answers[query] = {system: median(answers) for system, answers in kept.items()}
        race.versions = {system: client.version for system, client in clients.items()}
    finally:
        for client in clients.values():
            client.stop()
    race.expected = expected(course) if course.reference else {}
    return race


def expected(course: Course) -> dict[str, Answer]:
    """The right answers, when all systems have stopped."""
    tables = [table for one in course.databases for table in one["tables"]]
    client = Client("reference", [{"path": course.reference, "tables": tables}], Link())
    try:
        return {query: client.ask({"sql": text}, course.timeout) for query, text in course.texts.items()}
    finally:
        client.stop()


def median(answers: Sequence[Answer]) -> Answer:
    """The answer of the median time, or the one that failed.

    >>> median([Answer(3.0), Answer(1.0), Answer(2.0)]).seconds
    2.0
    """
    failed = [answer for answer in answers if not answer.ok]
    if failed:
        return failed[0]
    middle = statistics.median_low(answer.seconds for answer in answers)
    return next(answer for answer in answers if answer.seconds == middle)
