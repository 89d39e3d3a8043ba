"""Tables of a race: what stands on the terminal, in benchmarks/results/ and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.federated.race import Answer, Race

NAMES = {"fedq": "fedq", "attach": "DuckDB ATTACH", "glaredb": "GlareDB", "pandas": "pandas"}


def table(race: Race) -> str:
    """Seconds, ratio to ATTACH, bytes on the wire and rows pulled, a row per query, as Markdown.

    A system's total counts the queries that every system of the table answered, so that totals can be compared.
    """
    systems = race.systems
    others = [system for system in systems if system != "fedq"]
    ratios = [f"fedq / {NAMES[system]}" for system in others] if "fedq" in systems else []
    wired = [system for system in systems if any(by[system].wire is not None for by in race.answers.values())]
    pulling = [system for system in systems if any(by[system].pulled is not None for by in race.answers.values())]
    head = ["query", *(f"{NAMES[system]}, s" for system in systems), *ratios]
    head += [f"{NAMES[system]}, MB" for system in wired] + [f"{NAMES[system]}, rows" for system in pulling]
    head.append("answers")
    rows = []
    for query, by in race.answers.items():
        row = [query, *(_seconds(by[system]) for system in systems)]
        if ratios:
            row += [_ratio(by["fedq"], by[system]) for system in others]
        row += [_megabytes(by[system].wire) for system in wired] + [_count(by[system].pulled) for system in pulling]
        rows.append([*row, _agreement(race, query)])
    rows += [_total(race, systems, others if ratios else [], wired, pulling)] if len(rows) > 1 else []
    return markdown(head, rows)


def _total(
    race: Race, systems: Sequence[str], others: Sequence[str], wired: Sequence[str], pulling: Sequence[str]
) -> list[str]:
    def total(system: str, of: Callable[[Answer], float | None]) -> float:
        return sum(of(by[system]) or 0 for by in race.answers.values() if by[system].ok)

    row = ["total", *(_partly(race, system, f"{total(system, _time):.2f}") for system in systems)]
    row += [_total_ratio(race, other) for other in others]
    row += [f"{total(system, lambda answer: answer.wire) / 1e6:,.1f}" for system in wired]
    row += [f"{total(system, lambda answer: answer.pulled):,.0f}" for system in pulling]
    return [*row, ""]


def _time(answer: Answer) -> float:
    return answer.seconds


def _partly(race: Race, system: str, total: str) -> str:
    done = sum(by[system].ok for by in race.answers.values())
    return total if done == len(race.answers) else f"{total} ({done} of {len(race.answers)})"


def _total_ratio(race: Race, other: str) -> str:
    """Over the queries that both answered."""
    both = [by for by in race.answers.values() if by["fedq"].ok and by[other].ok]
    theirs = sum(by[other].seconds for by in both)
    return f"{sum(by['fedq'].seconds for by in both) / theirs:.2f}" if theirs else "–"


def _agreement(race: Race, query: str) -> str:
    different = race.differing(query)
    if different:
        return "**differ**: " + ", ".join(NAMES[system] for system in different)
    return "same" if sum(answer.ok for answer in race.answers[query].values()) > 1 else "–"


def _seconds(answer: Answer) -> str:
    if answer.ok:
        return f"{answer.seconds:.2f}" if answer.seconds >= 0.995 else f"{answer.seconds:.3f}"
    return f"> {answer.error.split()[-2]}" if answer.error.startswith("not done") else "–"


def _ratio(ours: Answer, theirs: Answer) -> str:
    return f"{ours.seconds / theirs.seconds:.2f}" if ours.ok and theirs.ok and theirs.seconds else "–"


def _megabytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e6:,.2f}"


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def failures(race: Race) -> list[str]:
    """One line for every query that a system could not answer, with the first line of its reason."""
    return [
        f"{query}, {NAMES[system]}: {answer.error.splitlines()[0][:160]}"
        for query, by in race.answers.items()
        for system, answer in by.items()
        if not answer.ok and not answer.error.startswith("NotImplementedError")
    ]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right.

    >>> print(markdown(["query", "s"], [["q1", "0.5"]]))
    | query |   s |
    |-------|----:|
    | q1    | 0.5 |
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    last = len(head) - 1 if head[-1] == "answers" else len(head)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if 0 < column < last else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rules = ["-" * (width + 1) + ":" if 0 < column < last else "-" * (width + 2) for column, width in enumerate(widths)]
    return "\n".join([line(lines[0]), f"|{'|'.join(rules)}|", *map(line, lines[1:])])
