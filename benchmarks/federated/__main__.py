"""The command: `python -m benchmarks.federated`; see --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks.federated import link, race, report
from benchmarks.federated.link import Link
from benchmarks.federated.race import Answer, Client
from benchmarks.federated.site import Site
from benchmarks.federated.venvs import EnvironmentUnavailable, python_of
from tests.oracle import tpch
from tests.servers import ServerUnavailable

SYSTEMS = ("fedq", "attach", "glaredb", "pandas")
ALL = tuple(f"q{number}" for number in range(1, 23))
QUICK = ("q3", "q5", "q18")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser("python -m benchmarks.federated", description="TPC-H over three databases")
    parser.add_argument("--queries", type=_listed(ALL), default=list(ALL), help="q5,q9 (all 22)")
    parser.add_argument("--systems", type=_listed(SYSTEMS), default=list(SYSTEMS), help="fedq,attach,glaredb,pandas")
    parser.add_argument("--regime", choices=("loopback", "link", "both"), default="both")
    parser.add_argument("--scale", type=float, default=0.5, help="TPC-H scale factor (0.5)")
    parser.add_argument("--databases", type=int, choices=(2, 3, 4, 8), default=3, help="spread over so many (3)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each query, in turn; medians are shown (1)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one query (120)")
    parser.add_argument("--mbit", type=int, default=link.MBIT, help="of the link (200)")
    parser.add_argument("--delay", type=float, default=0.0, help="round trip of the link in ms, by a proxy (0)")
    parser.add_argument("--explain", action="store_true", help="print fedq's plans, run nothing else")
    parser.add_argument("--analyze", action="store_true", help="the same with what was pulled")
    parser.add_argument("--keep", action="store_true", help="leave servers and data for the next run")
    parser.add_argument("--stop", action="store_true", help="end the servers of an earlier --keep, and nothing else")
    parser.add_argument("--quick", action="store_true", help="scale 0.01 and three queries: does it still work?")
    given = parser.parse_args(words)
    if given.quick:
        given.scale, given.queries, given.timeout = 0.01, list(QUICK), 20.0
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


def regimes(site: Site, given: argparse.Namespace) -> list[Link]:
    """The links to run over, loopback first."""
    links = [Link()] if given.regime in ("loopback", "both") else []
    if given.regime in ("link", "both"):
        ports = (site.postgres.port, site.mariadb.port)
        links.append(link.open_link(ports, given.mbit, given.delay / 1000))
    return links


def main() -> None:
    """Run what the options say."""
    given = arguments()
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
        systems = available(given.systems)
        for one in regimes(site, given):
            print(f"\n== {one.title}, scale {given.scale:g}, {given.databases} databases", flush=True)
            try:
                ran = race.run(
                    site, one, texts, systems, scale=given.scale, count=given.databases, repeat=given.repeat,
                    timeout=given.timeout, show=show,
                )  # fmt: skip
            finally:
                one.close()
            print(f"\n{report.table(ran)}\n")
            print("\n".join(report.failures(ran)))
    finally:
        if not given.keep:
            site.stop()


if __name__ == "__main__":
    main()
