"""Plots of what was measured: a dot per system and query on a logarithmic scale, lines for growth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.federated.race import Answer, Race
from benchmarks.federated.report import NAMES, megabytes, pairs, seconds

COLOURS = {"fedq": "#0b6e4f", "attach": "#d1495b", "glaredb": "#edae49", "pandas": "#66717e"}
STYLES = {"loopback": "-"}


def draw(name: str, races: Sequence[Race], file: Path) -> None:
    """One SVG; the same figures give the same file."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "fedq", "font.size": 9, "axes.spines.top": False})
    from matplotlib import pyplot

    figure = _growth(pyplot, races) if name == "growth" else _dots(pyplot, races)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _dots(pyplot: Any, races: Sequence[Race]) -> Any:
    """Queries downwards, seconds to the right; a second panel for bytes where they were counted."""
    panels = [(race, "seconds", _seconds) for race in races]
    panels += [(race, "MB on the wire", _megabytes) for race in races if _counted(race)]
    height = 1.2 + 0.24 * max(len(race.answers) for race in races)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), height), squeeze=False)
    for axis, (race, label, of) in zip(axes[0], panels, strict=True):
        queries = list(race.answers)
        for system in race.systems:
            shown = [(of(by[system]), place) for place, by in enumerate(race.answers.values()) if by[system].ok]
            xs, ys = [x for x, _ in shown], [y for _, y in shown]
            axis.plot(xs, ys, "o", color=COLOURS[system], label=NAMES[system], ms=5)
        axis.set(xscale="log", xlabel=f"{label}, {race.regime}", yticks=range(len(queries)), yticklabels=queries)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.set_ylim(len(queries) - 0.5, -0.5)
        axis.grid(axis="x", alpha=0.3)
    axes[0][0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8)
    return figure


def _seconds(answer: Answer) -> float:
    return answer.seconds


def _megabytes(answer: Answer) -> float:
    return (answer.wire or 0) / 1e6


def _counted(race: Race) -> bool:
    return any(answer.wire is not None for by in race.answers.values() for answer in by.values())


def _growth(pyplot: Any, races: Sequence[Race]) -> Any:
    """Totals over the scale and over the number of databases."""
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 3.6))
    scales, spreads = pairs(races)
    for axis, group, of, total, label in (
        (axes[0], scales, "scale", seconds, "seconds for 22 queries"),
        (axes[1], scales, "scale", megabytes, "MB on the wire"),
        (axes[2], spreads, "databases", seconds, "seconds for 22 queries"),
    ):
        for regime in dict.fromkeys(race.regime for race in group):
            mine = [race for race in group if race.regime == regime]
            for system in mine[0].systems:
                points = [(getattr(race, of), total(race, system)) for race in mine]
                if any(value for _, value in points):
                    style = STYLES.get(regime, "--")
                    title = f"{NAMES[system]}, {regime}"
                    axis.plot(*zip(*points, strict=True), f"o{style}", color=COLOURS[system], label=title)
        axis.set(xlabel=of, ylabel=label, yscale="log")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=7)
    return figure
