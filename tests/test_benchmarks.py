"""The parts of the TPC-H benchmark that need no peer: what is asked, how answers are compared, tables, pages, the line."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import runpy
import socket
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from benchmarks.federated import __main__ as command
from benchmarks.federated import growth, link, place, race, report, results
from benchmarks.federated.race import Answer, Race
from benchmarks.federated.results import Results
from tests.oracle import tpch

MODULES = ("growth", "place", "race", "report", "results")


def answer(seconds: float, total: float = 10.0, rows: int = 2, **others: int) -> Answer:
    return Answer(seconds, rows, (("number", rows, total), ("text", rows, 77.0)), **others)


def measured() -> Race:
    """Two queries: one that all answer, one that is wrong, missing or late."""
    answers = {
        "q1": {"fedq": answer(0.2, wire=1_500_000, pulled=1234), "attach": answer(0.4, wire=3_000_000)},
        "q2": {"fedq": answer(2.0, wire=500_000, pulled=6), "attach": answer(1.0, 11.0, wire=0)},
        "q3": {"fedq": answer(1.0, wire=0, pulled=1), "attach": Answer(error="not done in 120 s")},
    }
    expected = {query: answer(0.0) for query in answers}
    return Race("loopback", 0.1, 3, answers, {"fedq": "0.1.0", "attach": "1.5.5"}, expected)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_modules(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"benchmarks.federated.{name}")).failed == 0


def test_examples_of_the_other_tables() -> None:
    assert doctest.testmod(importlib.import_module("benchmarks.page")).failed == 0


@pytest.mark.parametrize("count", place.PLACEMENTS)
def test_a_placement_has_every_table_once(count: int) -> None:
    places = place.PLACEMENTS[count]
    assert sorted(table for one in places for table in one.tables) == sorted(tpch.TABLES)
    assert len({one.name for one in places}) == len(places) == count


def test_the_declared_columns_are_those_of_the_data() -> None:
    """A column that is forgotten, or stands elsewhere, would load values into the wrong one."""
    try:
        folder = tpch.folder()
    except tpch.TpchUnavailable as missing:
        pytest.skip(str(missing))
    for table in tpch.TABLES:
        made = duckdb.connect().execute(f"DESCRIBE FROM '{folder / table}.parquet'").fetchall()
        declared = {
            name: re.sub(r"varchar\(\d+\)", "VARCHAR", type_).upper() for name, type_ in place.COLUMNS[table].items()
        }
        assert declared == {name: type_ for name, type_, *_ in made}
        widths = [
            int(found[1]) if (found := re.search(r"varchar\((\d+)", type_)) else None
            for type_ in place.COLUMNS[table].values()
        ]
        longest = ", ".join(f"max(length({name}::VARCHAR))" for name in place.COLUMNS[table])
        (used,) = duckdb.connect().execute(f"SELECT {longest} FROM '{folder / table}.parquet'").fetchall()
        assert all(width is None or length <= width for width, length in zip(widths, used, strict=True))


def test_keys_and_indexes_are_of_declared_columns() -> None:
    for table, columns in place.COLUMNS.items():
        assert set(place.PRIMARY[table]) <= set(columns)
        assert {name for index in place.FOREIGN.get(table, ()) for name in index} <= set(columns)


def test_options() -> None:
    given = command.arguments(["--queries", "q5,q9", "--systems", "fedq,attach", "--scale", "0.1", "--keep"])
    assert (given.queries, given.systems, given.scale, given.keep) == (["q5", "q9"], ["fedq", "attach"], 0.1, True)
    assert command.arguments([]).queries == [f"q{number}" for number in range(1, 23)]
    assert command.arguments(["--quick"]).scale == 0.01
    with pytest.raises(SystemExit):
        command.arguments(["--queries", "q23"])


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (answer(9.0), True),
        (answer(1.0, 10.0 + 1e-9), True),  # a float's rounding
        (answer(1.0, 10.01), False),
        (answer(1.0, rows=3), False),
        (Answer(1.0, 2, (("number", 2, 10.0),)), False),
        (Answer(1.0, 2, (("number", 2, 10.0), ("text", 1, 77.0))), False),  # a NULL more
        (Answer(1.0, 2, (("number", 2, 10.0), ("number", 2, 77.0))), False),
    ],
)
def test_answers_are_compared_by_rows_and_sums(other: Answer, is_same: bool) -> None:
    assert race.same(answer(1.0), other) is is_same


def test_a_wrong_answer_is_named_against_the_expected_one() -> None:
    ran = measured()
    assert {query: ran.differing(query) for query in ran.answers} == {"q1": [], "q2": ["attach"], "q3": []}
    ran.expected = {query: answer(0.0, 11.0) for query in ran.answers}
    assert ran.differing("q2") == ["fedq"]


def test_the_table_of_a_race() -> None:
    assert report.table(measured()).splitlines() == [
        "| query | fedq, s | DuckDB ATTACH, s | ratio | fedq, MB | DuckDB ATTACH, MB | rows pulled | answers                   |",
        "|-------|--------:|-----------------:|------:|---------:|------------------:|------------:|---------------------------|",
        "| q1    |   0.200 |            0.400 |  0.50 |     1.50 |              3.00 |       1,234 | right                     |",
        "| q2    |    2.00 |             1.00 |  2.00 |     0.50 |              0.00 |           6 | **differ**: DuckDB ATTACH |",
        "| q3    |    1.00 |            > 120 |     – |     0.00 |                 – |           1 | right                     |",
        "| total |    3.20 |    1.40 (2 of 3) |  1.57 |      2.0 |               3.0 |       1,241 |                           |",
    ]
    assert report.verdict(measured()).endswith(
        "1.57 of the time of DuckDB ATTACH; slower than 1.1 of it plus 50 ms: q2."
    )
    assert report.failures(measured()) == ["q3, DuckDB ATTACH: not done in 120 s"]


def test_growth_and_pull_tables() -> None:
    small, large = measured(), measured()
    large.scale, large.regime = 0.5, "link of 200 Mbit/s"
    text = report.growth([large, small])
    assert [line.split("|")[1].strip() for line in text.splitlines()[4:]] == ["loopback", "link of 200 Mbit/s"]
    assert "Answers differ: link of 200 Mbit/s, q2: attach" in text
    small.answers = {"all": small.answers["q1"]}
    assert (
        "| loopback |   0.200 |            0.400 |  0.50 |     1.50 |              3.00 |    2 | same    |"
        in report.pull([small])
    )
    assert list(growth.sizes((0.1, 0.5, 1.0), (2, 4, 8)))[-1] == (0.1, 8)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    machine = dict.fromkeys(("processor", "cores", "memory", "system", "Python", "PostgreSQL", "MariaDB", "SQLite",
                             "servers", "commit"), "x")  # fmt: skip
    kept = Results("loopback", machine, [measured()], "2026-01-02")
    kept.write(tmp_path)
    assert Results.read("loopback", tmp_path) == kept
    assert (tmp_path / "loopback.svg").read_text().startswith("<?xml")
    page = "before\n<!-- results: loopback -->\nold\n<!-- end -->\nafter\n"
    filled = results.filled(page, tmp_path)
    assert filled.startswith("before\n<!-- results: loopback -->\nScale 0.1, 3 databases, loopback.")
    assert filled.endswith("<!-- end -->\nafter\n") and "old" not in filled
    assert results.filled(filled, tmp_path) == filled


def test_the_page_quotes_what_is_kept() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    assert results.filled(page) == page, "python -m benchmarks.federated --render"


@pytest.mark.parametrize("name", results.names())
def test_kept_figures_are_of_right_answers(name: str) -> None:
    for ran in Results.read(name).races:
        for query in ran.answers:
            assert "fedq" not in ran.differing(query), f"{ran.regime}, scale {ran.scale:g}, {query}"


def test_the_line_delays_limits_and_counts() -> None:
    """Half a megabyte there and back at 5 MB/s and 20 ms each way: neither at once nor one after the other."""
    size = 500_000
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        port = server.getsockname()[1]
        line = link.Line({port: "127.0.0.1"}, 5e6, 0.02)
        try:
            seconds, received = _there_and_back(line.ports[port], size)
            assert received == size
            assert line.count() == 2 * size
        finally:
            line.close()
        thread.join(10)
    assert seconds > size / 5e6 + 0.04


def _there_and_back(port: int, size: int) -> tuple[float, int]:
    import time

    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as client:
        sending = threading.Thread(target=lambda: (client.sendall(b"x" * size), client.shutdown(socket.SHUT_WR)))
        sending.start()
        received = 0
        while data := client.recv(1 << 16):
            received += len(data)
        sending.join()
    return time.monotonic() - started, received


def test_clients_say_everything_on_one_line(tmp_path: Path) -> None:
    """The reference answers over a table, an error and a NULL, in a process of its own as in a race."""
    duckdb.connect().execute(f"COPY (SELECT 1.5 AS n, 'a' AS t UNION ALL SELECT NULL, 'b') TO '{tmp_path}/x.parquet'")
    client = race.Client("reference", [{"path": str(tmp_path), "tables": ["x"]}], link.Link())
    try:
        told = client.ask({"sql": "SELECT n, t, DATE '2026-01-02' AS d FROM x"}, 60)
        assert (told.rows, told.columns[0], told.columns[1][:2]) == (2, ("number", 1, 1.5), ("text", 2))
        assert "CatalogException" in client.ask({"sql": "SELECT * FROM nowhere"}, 60).error.replace(" ", "")
        assert (
            client.ask(
                {"sql": "SELECT count(*) FROM range(100000) a, range(10000000) b WHERE a.range % 7 = b.range % 5"}, 0.2
            ).error
            == "not done in 0.2 s"
        )
        assert client.ask({"sql": "SELECT 1 AS one"}, 60).columns == (("number", 1, 1.0),)
    finally:
        client.stop()


def test_kept_json_is_small() -> None:
    """What is kept is figures: no rows, no plans, no passwords."""
    for file in results.FOLDER.glob("*.json"):
        text = file.read_text()
        assert len(text) < 300_000 and "password" not in text
        json.loads(text)


PROGRAMS = (*sorted(Path("benchmarks").glob("[a-z]*.py")), Path("benchmarks/federated/__main__.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=str)
def test_every_program_starts(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One of them asked for what a refactoring had taken away, and nobody saw it; mypy reads them as well."""
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    if "__main__" not in path.read_text() and path.stem != "__main__":
        importlib.import_module(f"benchmarks.{path.stem}")
        return
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out
