"""The shell command: data on stdout, notes on stderr, exit codes that say what went wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.servers import PostgresServer

ROOT = Path(__file__).parents[2]
BOTH = "select u.name, o.total from users u join orders o on o.user_id = u.id order by 2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file, script in {
        "crm.db": "create table users (id integer primary key, name text, country text);"
        "insert into users values (1, 'Ann', 'NL'), (2, 'Bob, \"B\"', NULL)",
        "shop.db": "create table orders (id integer primary key, user_id integer, total decimal(9,2));"
        "insert into orders values (1, 1, 10.5), (2, 1, 3)",
    }.items():
        connection = sqlite3.connect(tmp_path / file)
        connection.executescript(script)
        connection.close()
    (tmp_path / "fedq.toml").write_text(
        'version = 1\n[databases]\ncrm.url = "crm.db"\nshop.url = "shop.db"\n[tables]\nusers = "crm"  # people\norders = "shop"\n'
        '[profiles.two.databases]\nshop.url = "nope/nope.db"\n'
    )
    return tmp_path


def start(folder: Path, *arguments: str, **more: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fedq", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)  # type: ignore[call-overload,no-any-return]


def fedq(folder: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    process = start(folder, *arguments)
    out, notes = process.communicate(stdin.encode(), timeout=60)
    return process.returncode, out.decode(), notes.decode()


def test_data_on_stdout_and_notes_on_stderr(folder: Path) -> None:
    code, out, notes = fedq(folder, "query", "-c", BOTH, "--format", "csv")
    assert (code, out) == (0, "name,total\nAnn,3.00\nAnn,10.50\n")
    assert "CrossDatabaseWarning FQ210" in notes and "crm (users:" in notes and "Traceback" not in notes
    code, out, notes = fedq(folder, "query", "-c", BOTH, "--format", "csv", "--quiet")
    assert (code, out.count("\n"), notes) == (0, 3, "")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", 'id,name,country\n2,"Bob, ""B""",\n'),
        ("json", '[\n{"id": 2, "name": "Bob, \\"B\\"", "country": null}\n]\n'),
        ("jsonl", '{"id": 2, "name": "Bob, \\"B\\"", "country": null}\n'),
        ("md", '|   id | name     | country   |\n|-----:|:---------|:----------|\n|    2 | Bob, "B" | NULL      |\n'),
    ],
)
def test_formats(folder: Path, form: str, expected: str) -> None:
    code, out, _ = fedq(folder, "query", "-c", "select * from users where id = :id", "-p", "id=2", "--format", form)
    assert (code, out) == (0, expected)


def test_table_and_parquet(folder: Path, tmp_path: Path) -> None:
    code, out, notes = fedq(folder, "query", "-c", "select * from users order by id")
    assert code == 0 and "Bob" in out and "NULL" in out and "2 rows × 3 columns" in notes and "rows ×" not in out
    target = tmp_path / "x.parquet"
    with target.open("wb") as file:
        process = start(folder, "query", "-c", "select * from users order by id", "--format", "parquet", stdout=file)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert duckdb.sql(f"select id, country from '{target}'").fetchall() == [(1, "NL"), (2, None)]


def test_sql_from_a_file_and_from_stdin(folder: Path) -> None:
    (folder / "q.sql").write_text("select 'é', '日本' -- ü\n", encoding="utf-8")
    assert fedq(folder, "query", "-f", "q.sql", "--format", "jsonl")[1].rstrip().endswith('"日本"}')
    assert fedq(folder, "query", "-", "--format", "csv", stdin="select 7 as x")[1] == "x\n7\n"
    process = subprocess.run(
        [sys.executable, "-m", "fedq", "query", "-f", "q.sql", "--format", "csv", "--quiet"],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True,
    )  # fmt: skip
    assert "日本" in process.stdout.decode(), "the bytes are UTF-8 whatever the locale"
    assert fedq(folder, "query", "-f", "-", "--format", "csv", stdin="select 7 as x")[1] == "x\n7\n"


def test_all_rows_are_written_whatever_the_notebook_would_show(folder: Path) -> None:
    code, out, _ = fedq(folder, "query", "-c", "select range as i, repeat('x', 100) as long from range(500)")
    assert code == 0 and out.count("x" * 100) == 500


def test_stats_are_one_line_of_json(folder: Path) -> None:
    _, _, notes = fedq(folder, "query", "-c", BOTH, "--on-cross-db", "allow", "--stats", "--format", "csv")
    facts = json.loads(notes)
    assert facts["rows"] == 2 and facts["origins"] == ["crm", "shop"] and facts["sources"][0]["rows"] >= 1


@pytest.mark.parametrize(
    ("arguments", "code", "note"),
    [
        (["query", "-c", "select * from userz"], 1, "Did you mean 'users'?"),
        (["query", "-c", "selec 1"], 1, "FQ200"),
        (["query", "-c", "select :x"], 1, "FQ301"),
        (["query", "-c", "drop table users"], 1, "FQ601"),
        (["query", "-c", BOTH, "--on-cross-db", "error"], 1, "FQ210"),
        (["query", "-c", "select * from users", "--max-pull", "1"], 1, "FQ502"),
        (["query"], 2, "usage"),
        (["nonsense"], 2, "usage"),
        (["query", "-c", "select 1", "--limit", "x"], 2, "--limit"),
        (["query", "-f", "nope.sql"], 2, "cannot read nope.sql"),
        (["query", "-c", "select 1", "--catalog", "nope.toml"], 2, "nope.toml"),
        (["query", "-c", "select 1", "--profile", "nope"], 2, "nope"),
        (["query", "-c", "select * from orders", "--profile", "two"], 3, "shop"),
        (["query", "-c", "select count(*) from range(1000000000) a, range(100) b", "--timeout", "0.5"], 4, "FQ404"),
        (["query", "-c", "select 1", "--timeout", "x"], 2, "FQ301"),
        (["query", "-c", "select 1", "--max-pull", "x"], 2, "FQ301"),
        (["query", "-c", "select 1", "--using", "nope"], 2, "nope"),
        (["query", "-c", "select 1", "-p", "x"], 2, "NAME=VALUE"),
        (["query", "-c", "select 1", "--timout", "5"], 2, "--timout"),
        (["query", "select 1"], 2, "after -c"),
        (["query", "-c", "select 1", "-"], 2, "given once"),
        (["query", "-"], 1, "FQ200"),
        (["move", "users", "shop"], 2, "not available"),
        (["moves"], 2, "fedq moves is not available"),
    ],
)
def test_exit_codes(folder: Path, arguments: list[str], code: int, note: str) -> None:
    found, out, notes = fedq(folder, *arguments)
    assert found == code, notes
    assert out == "" and note in notes and "Traceback" not in notes


def test_a_server_that_refuses_is_a_connection_problem(folder: Path, postgres: PostgresServer) -> None:
    url = postgres.url.replace(postgres.password, "wrong-7777")
    (folder / "fedq.toml").write_text(f'version = 1\n[databases]\npg.url = "{url}"\n[tables]\nusers = "pg"\n')
    code, out, notes = fedq(folder, "query", "-c", "select * from users")
    assert code == 3 and out == "" and "FQ401" in notes and "wrong-7777" not in notes and "Traceback" not in notes
    code, out, notes = fedq(folder, "check")
    assert code == 3 and "FQ401" in out and "wrong-7777" not in out + notes


def test_explain_tables_check(folder: Path) -> None:
    code, out, _ = fedq(folder, "explain", "-c", BOTH)
    assert code == 0 and "crm" in out and "shop" in out
    assert fedq(folder, "explain", "-c", BOTH, "--analyze", "--quiet")[0] == 0
    code, out, _ = fedq(folder, "tables", "--format", "csv")
    assert code == 0 and "users,crm" in out and "orders,shop" in out
    assert fedq(folder, "check")[0] == 0
    (folder / "shop.db").unlink()
    code, out, notes = fedq(folder, "check")
    assert code in (2, 3) and "shop" in out + notes


def test_a_wrong_catalog_is_shown_whole(folder: Path) -> None:
    (folder / "fedq.toml").write_text('version = 1\n[databases]\ncrm.urll = "crm.db"\n[tables]\nusers = "cmr"\n')
    for command in (["check"], ["query", "-c", "select 1"]):
        code, _, notes = fedq(folder, *command)
        assert code == 2 and "urll" in notes and "cmr" in notes and "fedq.toml" in notes and "Traceback" not in notes


def test_assign_edits_one_line(folder: Path) -> None:
    code, out, notes = fedq(folder, "assign", "users", "shop")
    text = (folder / "fedq.toml").read_text()
    assert (code, out) == (0, "") and "users is now in shop" in notes
    assert 'users = "shop"  # people' in text
    assert fedq(folder, "assign", "users", "nowhere")[0] == 2 and (folder / "fedq.toml").read_text() == text


def test_a_reader_that_has_enough_is_no_error(folder: Path) -> None:
    process = start(folder, "query", "-c", "select range from range(1000000)", "--format", "csv", "--quiet")
    assert process.stdout is not None and process.stdout.readline() == b"range\n"
    process.stdout.close()
    process.stdout = None
    _, notes = process.communicate(timeout=60)
    assert notes == b"" and process.returncode == 0


@pytest.mark.parametrize("form", ["table", "csv", "parquet"])
def test_output_that_cannot_be_written(folder: Path, form: str) -> None:
    for redirection, word in ((">/dev/full", "No space left"), (">&-", "closed")):
        process = subprocess.run(
            f'"{sys.executable}" -m fedq query -c "select 1" --format {form} {redirection}',
            shell=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 1 and word in process.stderr and "Traceback" not in process.stderr


def test_quiet_is_quiet_for_tables_too(folder: Path) -> None:
    assert fedq(folder, "query", "-c", "select 1", "--quiet")[2] == ""


def test_a_file_that_begins_with_a_byte_order_mark(folder: Path) -> None:
    (folder / "bom.sql").write_bytes(b"\xef\xbb\xbfselect 1 as a")
    assert fedq(folder, "query", "-f", "bom.sql", "--format", "csv")[:2] == (0, "a\n1\n")


def test_ctrl_c_ends_with_130(folder: Path) -> None:
    process = start(
        folder, "query", "-c", "select count(*) from range(1000000000) a, range(1000) b", start_new_session=True
    )
    time.sleep(3)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, notes = process.communicate(timeout=30)
    assert process.returncode == 130 and b"Traceback" not in notes and time.monotonic() - began < 6


def test_help_is_quick(folder: Path) -> None:
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        assert fedq(folder, "query", "--help")[0] == 0
        seconds.append(time.monotonic() - began)
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fedq", "query", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert not [name for name in ("duckdb", "pyarrow", "pandas", "sqlglot", "IPython") if f" {name}\n" in imported]
    assert min(seconds) < 3  # 0.06 s on a quiet machine


def test_warnings_as_errors_of_the_user_hold(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "fedq", "query", "-c", BOTH],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (
        process.returncode == 1
        and process.stdout == ""
        and "FQ210" in process.stderr
        and "Traceback" not in process.stderr
    )
