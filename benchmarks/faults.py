"""What happens to servers, what the user sees of it and for how long he waits: the tests of replicas, told as a table.

    python -m benchmarks.faults     runs tests/replicas, some minutes; writes benchmarks/results/ and docs/replicas.md

A line is there only when its test has passed: the answer was whole and right, or there was the error that stands there.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field

import pytest

from benchmarks.page import ROOT, seconds, table, write

FILES = ("freshness", "faults", "network", "histories")
ENGINES = {"postgres": "PostgreSQL, s", "mariadb": "MariaDB, s"}


@dataclass
class Line:
    """One line: the longest that one call took, by engine."""

    what: str
    sees: str
    seconds: dict[str, float] = field(default_factory=dict)


class Scenes:
    """What the tests have noted, as a plugin of pytest."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Line] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test's notes."""
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call":
            for scene in (json.loads(str(value)) for name, value in report.user_properties if name == "scene"):
                line = self.lines.setdefault((scene["what"], scene["sees"]), Line(scene["what"], scene["sees"]))
                line.seconds[scene["engine"]] = max(scene["seconds"], line.seconds.get(scene["engine"], 0.0))

    def text(self) -> str:
        """Markdown."""
        rows = [
            [line.what, line.sees, *(seconds(line.seconds.get(engine)) for engine in ENGINES)]
            for line in self.lines.values()
        ]
        return table(["what happens", "what the user sees", *ENGINES.values()], rows, 2)


def main() -> int:
    """Run the tests and write the table; nothing is written when a test fails."""
    scenes = Scenes()
    files = [str(ROOT / "tests" / "replicas" / f"test_{name}.py") for name in FILES]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *files, *sys.argv[1:]], plugins=[scenes])
    print(scenes.text())
    if scenes.failed:
        print("Failed:", *scenes.failed, sep="\n  ")
    elif not sys.argv[1:]:
        write(
            "faults",
            "What happens to servers, and what the user sees",
            list(map(asdict, scenes.lines.values())),
            scenes.text(),
        )
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
