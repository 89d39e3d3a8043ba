"""The command: `python -m benchmarks.federated`; see --help.

make bench                                                   everything: an hour, and the figures of the docs
make bench QUICK=1                                           does it still work?
make bench ARGS="--queries q5,q9 --systems fedq,attach --regime loopback --scale 0.1 --keep"
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks.federated import growth, link, machine, race, report, results
from benchmarks.federated.link import Link
from benchmarks.federated.race import Answer, Client, Course
from benchmarks.federated.results import Results
from benchmarks.federated.site import Site
from benchmarks.federated.venvs import EnvironmentUnavailable, python_of
from tests.oracle import tpch
from tests.servers import ServerUnavailable

SYSTEMS = ("fedq", "attach", "glaredb", "pandas")
ALL = tuple(f"q{number}" for number in range(1, 23))
QUICK = ("q3", "q5", "q18")
WIDE = 1_713_274


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser("python -m benchmarks.federated", description="TPC-H over three databases")
    what = parser.add_argument_group("what is run")
    what.add_argument("--queries", type=_listed(ALL), help="q5,q9 (all 22)")
    what.add_argument("--systems", type=_listed(SYSTEMS), default=list(SYSTEMS), help="fedq,attach,glaredb,pandas")
    what.add_argument("--regime", choices=("loopback", "link", "both"), default="both")
    what.add_argument("--scale", type=float, default=0.5, help="TPC-H scale factor (0.5)")
    what.add_argument("--databases", type=int, choices=(2, 3, 4, 8), default=3, help="spread over so many (3)")
    what.add_argument("--repeat", type=int, default=1, help="runs of each query, in turn; medians are shown (1)")
    what.add_argument("--timeout", type=float, default=120.0, help="seconds for one query (120)")
    what.add_argument("--mbit", type=int, default=link.MBIT, help="of the link (200)")
    what.add_argument("--delay", type=float, default=0.0, help="round trip of the link in ms, by a proxy (0)")
    what.add_argument("--quick", action="store_true", help="scale 0.01 and three queries: does it still work?")
    instead = parser.add_argument_group("what is run instead")
    instead.add_argument("--all", action="store_true", help="the queries, --pull, a delay of 20 ms, and --growth")
    instead.add_argument("--growth", action="store_true", help="totals over scale 0.1, 0.5, 1 and 2, 4, 8 databases")
    instead.add_argument("--pull", action="store_true", help="one PostgreSQL table of 1.7 million rows, read whole")
    instead.add_argument("--explain", action="store_true", help="print fedq's plans, run nothing")
    instead.add_argument("--analyze", action="store_true", help="print fedq's plans with what was pulled")
    instead.add_argument("--render", action="store_true", help="make tables, plots and the page of the kept figures")
    instead.add_argument("--stop", action="store_true", help="end the servers of an earlier --keep")
    after = parser.add_argument_group("afterwards")
    after.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results and in the docs")
    after.add_argument("--keep", action="store_true", help="leave the servers for the next run, until --stop")
    given = parser.parse_args(words)
    if given.quick:
        given.scale, given.timeout = 0.01, 20.0
    given.queries = given.queries or list(QUICK if given.quick else ALL)
    return given


def _listed(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [one for one in chosen if one not in allowed]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(allowed)}")
        return chosen

    return read


def available(systems: Sequence[str]) -> list[str]:
    """The systems whose environments can be made here; what is missing is said."""
    kept = []
    for system in systems:
        try:
            python_of(system)
            kept.append(system)
        except EnvironmentUnavailable as missing:
            print(f"{system}: left out, {missing}")
    return kept


def explain(site: Site, given: argparse.Namespace, texts: dict[str, str]) -> None:
    """Print fedq's plans."""
    client = Client("fedq", site.load(given.scale, given.databases), Link())
    how = "analyze" if given.analyze else "plan"
    for query, text in texts.items():
        print(f"\n=== {query}\n")
        answer = client.ask({"name": query, "sql": text, "explain": how}, given.timeout)
        print(answer.error or "\n".join(answer.lines))
    client.stop()


def show(query: str, system: str, answer: Answer) -> None:
    """One line per answer, as it comes."""
    wire = f"{answer.wire / 1e6:10.2f} MB" if answer.wire is not None else ""
    pulled = f"{answer.pulled:12,} rows pulled" if answer.pulled is not None else ""
    what = f"{answer.seconds:8.3f} s{wire}{pulled}" if answer.ok else answer.error.splitlines()[0][:150]
    print(f"{query:4} {report.NAMES[system]:14} {what}", flush=True)


def links(site: Site, given: argparse.Namespace, delay: float) -> list[Link]:
    """The links to run over, loopback first."""
    found = [Link()] if given.regime in ("loopback", "both") and not delay else []
    if given.regime in ("link", "both"):
        found.append(link.open_link((site.postgres.port, site.mariadb.port), given.mbit, delay / 1000))
    return found


def queries(
    site: Site, given: argparse.Namespace, course: Course, systems: Sequence[str], delay: float
) -> Iterator[Results]:
    """The race over each link."""
    for one in links(site, given, delay):
        print(f"\n== {one.title}, scale {course.scale:g}, {len(course.databases)} databases", flush=True)
        try:
            ran = race.run(site, replace(course, link=one), systems, show)
        finally:
            one.close()
        print(f"\n{report.tables([ran])}\n")
        yield Results(one.slug, machine.describe(site), [ran])


def pull(site: Site, given: argparse.Namespace, course: Course) -> Results:
    """One table read whole, by those two who read it into Arrow."""
    texts = {"SELECT * FROM bench": "SELECT * FROM bench"}
    wide = replace(course, databases=site.load_wide(WIDE), texts=texts, repeat=max(3, given.repeat), reference="")
    ran = []
    for one in links(site, given, 0.0):
        try:
            ran.append(race.run(site, replace(wide, link=one), available(("fedq", "attach")), show))
        finally:
            one.close()
    print(f"\n{report.pull(ran)}\n")
    return Results("pull", machine.describe(site), ran)


def grow(site: Site, given: argparse.Namespace, course: Course) -> Results:
    """Totals over sizes."""
    over = links(site, given, 0.0)
    try:
        ran = growth.run(site, over, course, (0.01, 0.02) if given.quick else growth.SCALES, show)
    finally:
        for one in over:
            one.close()
    print(f"\n{report.growth(ran)}\n")
    return Results("growth", machine.describe(site), ran)


def measure(site: Site, given: argparse.Namespace, texts: dict[str, str]) -> Iterator[Results]:
    """What the options name, as it is done."""
    folder = str(tpch.folder(given.scale))
    databases = site.load(given.scale, given.databases)
    course = Course(databases, Link(), texts, given.scale, given.repeat, given.timeout, folder)
    systems = available(given.systems)
    if given.all or not (given.pull or given.growth):
        yield from queries(site, given, course, systems, given.delay)
    if given.all:
        yield from queries(site, given, course, [one for one in systems if one in ("fedq", "attach")], 20.0)
    if given.all or given.pull:
        yield pull(site, given, course)
    if given.all or given.growth:
        yield grow(site, given, course)


def main() -> None:
    """Run what the options say."""
    given = arguments()
    if given.render:
        return results.render()
    if given.stop:
        running = Site.running()
        print("stopped" if running else "nothing runs")
        return running.stop() if running else None
    wanted = {f"q{number}": text for number, text in tpch.queries(given.scale).items()}
    texts = {query: wanted[query] for query in given.queries}
    try:
        site = Site.open()
    except ServerUnavailable as missing:
        sys.exit(f"the benchmark needs both servers: {missing}")
    try:
        if given.explain or given.analyze:
            return explain(site, given, texts)
        for one in measure(site, given, texts):
            if given.write:
                one.write()
        if given.write:
            results.render()
    finally:
        if site.is_new and not given.keep:
            site.stop()


if __name__ == "__main__":
    main()
