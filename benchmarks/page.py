"""A measured table as files and in the page that quotes it: benchmarks/results/NAME.json and .md, docs/replicas.md.

write("faults", "Faults", rows, "| what happens | …")  →  also between `<!-- results: faults -->` and `<!-- end -->`
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "replicas.md"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: int) -> str:
    """Markdown; the columns from number `right` on are figures.

    >>> print(table(["who", "s"], [["a", 1]], 1))
    | who |  s |
    |-----|---:|
    | a   |  1 |
    """
    texts = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(2 if at >= right else 3, *(len(row[at]) for row in texts)) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, range(len(row)), strict=True)
        return f"| {' | '.join(cell.rjust(width) if at >= right else cell.ljust(width) for cell, width, at in cells)} |"

    rule = "|".join("-" * (width + 1) + ":" if at >= right else "-" * (width + 2) for at, width in enumerate(widths))
    return "\n".join([line(texts[0]), f"|{rule}|", *map(line, texts[1:])])


def seconds(value: float | None) -> str:
    """Seconds as a table shows them.

    >>> seconds(0.00412), seconds(0.42), seconds(3.14), seconds(None)
    ('0.004', '0.42', '3.1', '–')
    """
    if value is None:
        return "–"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def write(name: str, title: str, kept: Any, text: str) -> None:
    """The JSON, the Markdown, and the marked part of the page."""
    made = datetime.date.today().isoformat()
    cores = len(os.sched_getaffinity(0))
    where = f"{made}, {cores} cores, Python {platform.python_version()}, servers on the same machine."
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"made": made, "cores": cores, name: kept}, indent=1) + "\n")
    (FOLDER / f"{name}.md").write_text(f"# {title}\n\n{text}\n\n{where}\n")
    marked = re.compile(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", re.S)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(marked.sub(lambda found: f"{found[1]}{text}\n\n{where}\n{found[2]}", page), encoding="utf-8")
