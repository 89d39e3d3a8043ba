"""Tables as text for people: bounded in rows and widths, aligned by type, safe to print.

    Grid(("id", "BIGINT"), ("name", "VARCHAR"), rows)  →  ┌──────────┬───────────┐
                                                          │       id │ name      │
                                                          │   BIGINT │ VARCHAR   │
                                                          ├──────────┼───────────┤
                                                          │        1 │ Ann       │
                                                          └──────────┴───────────┘

tabulate is always told not to parse: by default it prints the text '1e5' as 100000 and '0012' as 12.
"""

from __future__ import annotations

import dataclasses
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedq.result.values import texts

if TYPE_CHECKING:
    from fedq.result.sources import SourceRead
    from fedq.result.table import Result


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How much of a result is drawn; the result itself is never cut. `%config Fedq` sets these in a notebook."""

    max_rows: int = 20
    max_columns: int = 40
    max_width: int = 60
    """Characters of one cell."""
    has_times: bool = True
    """Whether the footer says how long it took; off, the same query draws the same text every time."""


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A heading: name, type under it, side on which values stand."""

    name: str
    type: str = ""
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """The part of a table that is drawn; None is NULL."""

    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]
    footer: str = ""


_options = DrawOptions()


def options() -> DrawOptions:
    """The options in force."""
    return _options


def set_options(**changes: Any) -> DrawOptions:
    """Change some options for everything drawn from now on; returns all of them."""
    global _options
    _options = dataclasses.replace(_options, **changes)
    return _options


def grid_of(result: Result) -> Grid:
    """The first rows and columns of a result, with its footer."""
    limits = options()
    shown_rows = min(len(result), limits.max_rows if result.drawn_rows is None else result.drawn_rows)
    shown = result.cells()[: limits.max_columns]
    pieces = [cells.piece(0, shown_rows) for cells in shown]
    columns = tuple(GridColumn(cells.name, str(cells.type), cells.type.is_numeric) for cells in pieces)
    rows = tuple(zip(*map(texts, pieces), strict=True))
    return Grid(columns, rows, footer(result, shown_rows, len(shown)))


def footer(result: Result, shown_rows: int, shown_columns: int) -> str:
    """Rows and columns, how many of them are shown, the time, and every database with what came from it."""
    rows, columns = len(result), len(result.columns)
    size = f"{rows:,} {'row' if rows == 1 else 'rows'} × {columns} {'column' if columns == 1 else 'columns'}"
    if shown_rows < rows:
        size += f", first {shown_rows:,} shown"
    if shown_columns < columns:
        size += f", first {shown_columns} columns shown"
    parts = [size]
    if options().has_times and result.sql:
        parts.append(seconds_text(result.elapsed))
    if result.sources:
        parts.append(_sources_text(result.sources))
        if options().has_times and len({read.database for read in result.sources if read.snapshot_at}) > 1:
            parts.append(f"snapshots {seconds_text(result.skew)} apart")
    return " · ".join(parts)


def _sources_text(sources: Sequence[SourceRead]) -> str:
    """Each database once, with the rows of its pulls: `accounts@r1 (users: 3 rows) ⋈ billing (invoices: 2 rows)`."""
    pulls: dict[str, list[str]] = {}
    for read in sources:
        what = ", ".join(read.tables)
        rows = f"{read.rows:,} {'row' if read.rows == 1 else 'rows'}{_freshness_text(read)}"
        pulls.setdefault(read.place, []).append(f"{what}: {rows}" if what else rows)
    joined = " ⋈ ".join(f"{place} ({'; '.join(_few(reads))})" for place, reads in pulls.items())
    return joined if len(joined) < 400 else f"{len(pulls)} databases, {len(sources)} pulls"


def _freshness_text(read: SourceRead) -> str:
    """What is known of how old a replica's rows are."""
    if read.is_unchecked:
        return ", freshness not checked"
    if read.staleness is None or not options().has_times:
        return ""
    return f", at most {seconds_text(read.staleness)} old"


def _few(reads: Sequence[str]) -> list[str]:
    return [*reads[:4], f"… {len(reads) - 4} more"] if len(reads) > 5 else list(reads)


def seconds_text(seconds: float) -> str:
    """A duration for people.

    >>> seconds_text(0.0413), seconds_text(3.21), seconds_text(125)
    ('41 ms', '3.2 s', '2 min 5 s')
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def bytes_text(count: float) -> str:
    """A size for people.

    >>> bytes_text(200), bytes_text(2_300_000)
    ('200 B', '2.3 MB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def visible(text: str) -> str:
    """Text with everything invisible written out, so that data cannot move the cursor or reorder what is shown.

    >>> visible("a\\tb\\x1b[2J")
    'a\\\\tb\\\\x1b[2J'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    # the zero-width joiner stays: it makes one picture of several emoji
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character == "\u200d":
        return character
    code = ord(character)
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in known:
        return known[character]
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def clip(text: str, width: int) -> str:
    """At most `width` columns of a terminal, with `…` where something was left out.

    >>> clip("abcdef", 4), clip("日本語", 5)
    ('abc…', '日本…')
    """
    if len(text) <= width // 2 or sum(map(_cell_width, text)) <= width:
        return text
    used, kept = 1, []
    for character in text:
        used += _cell_width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _cell_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def draw_text(result: Result) -> str:
    """A result as text: as many columns as the terminal has room for, the first rows, a footer."""
    grid = grid_of(result)
    width = shutil.get_terminal_size((120, 24)).columns
    table, shown = _fitted(grid, max(80, width))
    if shown < len(grid.columns):
        grid = dataclasses.replace(grid, footer=footer(result, len(grid.rows), shown))
    return f"{table}\n{visible(grid.footer)}"


def _fitted(grid: Grid, width: int) -> tuple[str, int]:
    """The table with as many columns as fit, and how many those are."""
    count = len(grid.columns)
    while True:
        part = Grid(grid.columns[:count], tuple(row[:count] for row in grid.rows))
        table = grid_text(part, max_width=options().max_width)
        drawn = sum(map(_cell_width, table.partition("\n")[0]))
        if drawn <= width or count == 1:
            return table, count
        count = max(1, min(count - 1, count * width // drawn))


def grid_text(grid: Grid, *, max_width: int | None = None) -> str:
    """A grid as a box of lines; `max_width` bounds each cell, None shows it whole."""
    from tabulate import tabulate

    def _cell(text: str | None) -> str | None:
        if text is None:
            return None
        return visible(text) if max_width is None else clip(visible(text[: 4 * max_width]), max_width)

    def _heading(column: GridColumn) -> str:
        return f"{_cell(column.name)}\n{_cell(column.type)}" if column.type else _cell(column.name) or ""

    return tabulate(
        [[_cell(text) for text in row] for row in grid.rows],
        headers=[_heading(column) for column in grid.columns],
        tablefmt="simple_outline",
        disable_numparse=True,
        missingval="NULL",
        colalign=["right" if column.is_right else "left" for column in grid.columns],
        preserve_whitespace=True,
    )


def grid_markdown(grid: Grid) -> str:
    """A grid as a Markdown table, nothing left out."""
    from tabulate import tabulate

    def _cell(text: str | None) -> str | None:
        if text is None:
            return None
        lines = [visible(line) for line in text.replace("\r\n", "\n").split("\n")]
        return "<br>".join(line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for line in lines)

    return tabulate(
        [[_cell(text) for text in row] for row in grid.rows],
        headers=[_cell(column.name) or "" for column in grid.columns],
        tablefmt="pipe",
        disable_numparse=True,
        missingval="NULL",
        colalign=["right" if column.is_right else "left" for column in grid.columns],
        preserve_whitespace=True,
    )
