"""Tables of races: what stands on the terminal, in benchmarks/results/ and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.federated.race import Answer, Race

NAMES = {"fedq": "fedq", "attach": "DuckDB ATTACH", "glaredb": "GlareDB", "pandas": "pandas"}
ALLOWED, ALLOWANCE = 1.1, 0.05  # fedq is slower than ATTACH where it takes more than 1.1 of its time plus 50 ms


def tables(races: Sequence[Race]) -> str:
    """For every race its table, the verdict, and what was not answered."""
    parts = []
    for race in races:
        told = f"Scale {race.scale:g}, {race.databases} databases, {race.regime}."
        parts += [f"{told} {verdict(race)}".rstrip(), table(race)]
        if failed := failures(race):
            parts.append("Not answered:\n\n" + "\n".join(f"- {line}" for line in failed))
    return "\n\n".join(parts)


def verdict(race: Race) -> str:
    """fedq beside ATTACH in one sentence.

    >>> verdict(Race("loopback", 0.1, 3, {"q1": {"fedq": Answer(0.4), "attach": Answer(0.8)}}))
    'fedq takes 0.50 of the time of DuckDB ATTACH; no query is slower than 1.1 of it plus 50 ms.'
    """
    both = {query: by for query, by in race.answers.items() if "fedq" in by and "attach" in by}
    both = {query: by for query, by in both.items() if by["fedq"].ok and by["attach"].ok}
    if not both:
        return ""
    share = sum(by["fedq"].seconds for by in both.values()) / sum(by["attach"].seconds for by in both.values())
    slower = [q for q, by in both.items() if by["fedq"].seconds > ALLOWED * by["attach"].seconds + ALLOWANCE]
    told = (
        f"slower than 1.1 of it plus 50 ms: {', '.join(slower)}"
        if slower
        else ("no query is slower than 1.1 of it plus 50 ms")
    )
    return f"fedq takes {share:.2f} of the time of {NAMES['attach']}; {told}."


def table(race: Race) -> str:
    """Seconds, ratio to ATTACH, bytes on the wire and the rows that fedq pulled, a row per query, as Markdown.

    A system's total is over what it answered; the ratio of two totals is over what both answered.
    """
    systems = race.systems
    wired = [system for system in systems if any(by[system].wire is not None for by in race.answers.values())]
    pulling = [system for system in systems if system == "fedq"]
    compared = [("fedq", "attach")] if {"fedq", "attach"} <= set(systems) else []
    head = ["query", *(f"{NAMES[system]}, s" for system in systems), *("ratio" for _ in compared)]
    head += [f"{NAMES[system]}, MB" for system in wired] + ["rows pulled" for _ in pulling] + ["answers"]
    rows = []
    for query, by in race.answers.items():
        row = [query, *(_seconds(by[system]) for system in systems)]
        row += [_ratio(by[ours], by[theirs]) for ours, theirs in compared]
        row += [_megabytes(by[system].wire) for system in wired] + [_count(by[system].pulled) for system in pulling]
        rows.append([*row, _agreement(race, query)])
    if len(rows) > 1:
        last = ["total", *(_partly(race, system, f"{seconds(race, system):.2f}") for system in systems)]
        last += [_total_ratio(race, theirs) for _, theirs in compared]
        last += [f"{megabytes(race, system):,.1f}" for system in wired]
        last += [f"{sum(by[system].pulled or 0 for by in race.answers.values()):,}" for system in pulling]
        rows.append([*last, ""])
    return markdown(head, rows)


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
    known = query in race.expected or sum(answer.ok for answer in race.answers[query].values()) > 1
    return "right" if query in race.expected else "same" if known else "–"


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


def seconds(race: Race, system: str) -> float:
    """Of all queries that the system answered."""
    return sum(by[system].seconds for by in race.answers.values() if by[system].ok)


def megabytes(race: Race, system: str) -> float:
    """On the wire, of all queries."""
    return sum(by[system].wire or 0 for by in race.answers.values()) / 1e6


def pairs(races: Sequence[Race]) -> tuple[list[Race], list[Race]]:
    """The races that differ in scale (all over three databases), and those that differ in the number of databases."""
    scales = [race for race in races if race.databases == 3]
    smallest = min(race.scale for race in races)
    return scales, sorted((race for race in races if race.scale == smallest), key=lambda race: race.databases)


def growth(races: Sequence[Race]) -> str:
    """A row per regime and size: totals of all queries."""
    systems = races[0].systems
    head = ["regime", "scale", "databases", *(f"{NAMES[system]}, s" for system in systems), "ratio"]
    head += [f"{NAMES[system]}, MB" for system in systems]
    rows = []
    for race in sorted(
        races, key=lambda race: (race.regime != "loopback", race.databases != 3, race.scale, race.databases)
    ):
        row = [race.regime, f"{race.scale:g}", str(race.databases)]
        row += [_partly(race, system, f"{seconds(race, system):.2f}") for system in systems]
        row.append(_total_ratio(race, systems[1]) if len(systems) > 1 else "–")
        rows.append([*row, *(f"{megabytes(race, one):,.1f}" if megabytes(race, one) else "–" for one in systems)])
    different = [f"{race.regime}, {q}: {', '.join(race.differing(q))}" for race in races for q in race.answers
                 if race.differing(q)]  # fmt: skip
    said = "Answers differ: " + "; ".join(different) if different else "All answers are right."
    return f"Totals of {len(races[0].answers)} queries. {said}\n\n{markdown(head, rows)}"


def pull(races: Sequence[Race]) -> str:
    """A row per regime: one table read whole."""
    systems = races[0].systems
    head = ["regime", *(f"{NAMES[system]}, s" for system in systems), "ratio"]
    head += [*(f"{NAMES[system]}, MB" for system in systems), "rows", "answers"]
    rows = []
    for race in races:
        ((query, by),) = race.answers.items()
        row = [race.regime, *(_seconds(by[system]) for system in systems), _ratio(by[systems[0]], by[systems[1]])]
        row += [*(_megabytes(by[system].wire) for system in systems), _count(by[systems[0]].rows)]
        rows.append([*row, _agreement(race, query)])
    return markdown(head, rows)
