"""What was measured, as files: benchmarks/results/NAME.json, and the Markdown and the plot that are made of it.

    Results("loopback", machine, [race]).write() → loopback.json, loopback.md, loopback.svg

The JSON is what is kept; everything else can be made of it again (`--render`), also the tables in docs/benchmarks.md.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.federated import machine, report
from benchmarks.federated.race import Answer, Race

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
_MARKED = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


def _today() -> str:
    return datetime.date.today().isoformat()


@dataclass(frozen=True, slots=True)
class Results:
    """One file's worth: the races of one kind, made in one run."""

    name: str
    machine: dict[str, str]
    races: list[Race]
    made: str = field(default_factory=_today)

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Results:
        """What a run has written. Raises: FileNotFoundError."""
        kept = json.loads((folder / f"{name}.json").read_text())
        return cls(name, kept["machine"], [_race(one) for one in kept["races"]], kept["made"])

    def write(self, folder: Path = FOLDER) -> None:
        """The three files."""
        from benchmarks.federated import plot

        folder.mkdir(exist_ok=True)
        kept = {"made": self.made, "machine": self.machine, "races": [_plain(race) for race in self.races]}
        (folder / f"{self.name}.json").write_text(json.dumps(kept, indent=1) + "\n")
        (folder / f"{self.name}.md").write_text(f"# {self.title}\n\n{self.text()}\n")
        plot.draw(self.name, self.races, folder / f"{self.name}.svg")

    @property
    def title(self) -> str:
        """What the file shows."""
        return {"growth": "Growth", "pull": "One large table"}.get(self.name, f"TPC-H, {self.races[0].regime}")

    def text(self, images: str = "") -> str:
        """Table, plot, what was not answered, and the machine, as Markdown."""
        tell: Callable[[Sequence[Race]], str] = {"growth": report.growth, "pull": report.pull}.get(
            self.name, report.tables
        )
        versions = {system: version for race in self.races for system, version in race.versions.items()}
        told = ", ".join(f"{report.NAMES[system]} {version}" for system, version in versions.items())
        plotted = f"![{self.title}]({images}{self.name}.svg)"
        return f"{tell(self.races)}\n\n{plotted}\n\n{self.made}: {told}; {machine.sentence(self.machine)}"


def _plain(race: Race) -> dict[str, Any]:
    answers = {query: {system: _kept(answer) for system, answer in by.items()} for query, by in race.answers.items()}
    return asdict(race) | {"answers": answers, "expected": {q: _kept(answer) for q, answer in race.expected.items()}}


def _kept(answer: Answer) -> dict[str, Any]:
    """What differs from an empty answer; a plan is not a result."""
    empty = asdict(Answer())
    return {name: value for name, value in asdict(answer).items() if value != empty[name]}


def _race(kept: dict[str, Any]) -> Race:
    answers = {query: {system: _answer(one) for system, one in by.items()} for query, by in kept["answers"].items()}
    expected = {query: _answer(one) for query, one in kept["expected"].items()}
    return Race(**(kept | {"answers": answers, "expected": expected}))


def _answer(kept: dict[str, Any]) -> Answer:
    columns = tuple((kind, count, total) for kind, count, total in kept.get("columns", ()))
    return Answer(**(kept | {"columns": columns}))


def names(folder: Path = FOLDER) -> list[str]:
    """The names of the files of races; other benchmarks keep theirs beside them."""
    return [file.stem for file in sorted(folder.glob("*.json")) if "races" in json.loads(file.read_text())]


def filled(page: str, folder: Path = FOLDER) -> str:
    """The page with every marked part made anew of what was measured.

    >>> filled("<!-- results: none -->\\nold\\n<!-- end -->", Path("nowhere"))
    '<!-- results: none -->\\nNot measured yet.\\n<!-- end -->'
    """

    def part(found: re.Match[str]) -> str:
        try:
            text = Results.read(found[2], folder).text("../benchmarks/results/")
        except FileNotFoundError:
            text = "Not measured yet."
        return f"{found[1]}{text}\n{found[3]}"

    return _MARKED.sub(part, page)


def render() -> None:
    """Make the Markdown, the plots and the page of what is kept as JSON."""
    for name in names():
        Results.read(name).write()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
