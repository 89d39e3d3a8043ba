"""%fedq in a real kernel: what a person at a notebook types and sees."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.servers import MariaDBServer, PostgresServer, Server
from tests.show.kernel import ROOT, Kernel

BOTH = "select u.name, o.total from users u join orders o on o.user_id = u.id order by 2"
ENDLESS = "select count(*) from range(1000000000) a, range(1000) b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("notebook")
    for file, script in {
        "crm.db": "create table users (id integer primary key, name text, country text);"
        "insert into users values (1, 'Ann', 'NL'), (2, '<b>Bob</b>', NULL)",
        "shop.db": "create table orders (id integer primary key, user_id integer, total decimal(9,2));"
        "insert into orders values (1, 1, 10.5), (2, 1, 3)",
    }.items():
        connection = sqlite3.connect(path / file)
        connection.executescript(script)
        connection.close()
    (path / "fedq.toml").write_text(
        'version = 1\n[databases]\ncrm.url = "crm.db"\nshop.url = "shop.db"\n[tables]\nusers = "crm"\norders = "shop"\n'
    )
    (path / "other.toml").write_text(
        'version = 1\n[databases]\nold.url = "crm.db"\n[tables]\npeople = { database = "old", table = "users" }\n'
    )
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Iterator[Kernel]:
    kernel = Kernel(folder)
    try:
        assert kernel.run("%load_ext fedq").status == "ok"
        yield kernel
    finally:
        kernel.close()


@pytest.fixture
def kernel(loaded: Kernel) -> Kernel:
    """The kernel, without what an earlier test left in it."""
    assert loaded.run("%reset -f\nimport fedq, warnings\nfedq.use(None)\nwarnings.resetwarnings()").status == "ok"
    return loaded


# --- loading


def test_loading_says_which_catalog_and_opens_nothing(kernel: Kernel) -> None:
    cell = kernel.run("%reload_ext fedq")
    assert cell.stdout == "fedq 0.1.0 · catalog ./fedq.toml · 2 databases · 2 tables\n" and cell.stderr == ""
    assert kernel.run("%unload_ext fedq\n%fedq select 1").stderr.startswith(
        "UsageError: Line magic function `%fedq` not found"
    )
    assert kernel.run("%load_ext fedq\nx = %fedq select 1\nprint(x.scalar())").stdout.endswith("1\n")


def test_loading_without_a_catalog_and_with_a_wrong_one(tmp_path: Path) -> None:
    script = "from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell.instance().run_line_magic('load_ext', 'fedq')"
    run = lambda: subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
                                 capture_output=True, text=True, check=True)  # fmt: skip
    assert "no fedq.toml found; %fedq :connect" in run().stdout
    (tmp_path / "fedq.toml").write_text('version = 1\n[databases]\ncrm.urll = "crm.db"\n')
    assert "CatalogError FQ101" in run().stdout and "urll" in run().stdout and "Traceback" not in run().stderr


# --- queries


def test_the_value_is_the_result(kernel: Kernel) -> None:
    cell = kernel.run("%fedq select 1 as x, 'a' as y")
    assert (
        cell.status == "ok"
        and "│         1 │ a         │" in cell.text
        and "<table" in (cell.result or {})["text/html"]
    )
    assert kernel.run("print(type(_).__name__, _.one().x)").stdout == "Result 1\n"
    assert kernel.run("r = %fedq select 2 as x\nprint(r.scalar())").stdout == "2\n"
    assert kernel.run("%%fedq\nselect 3\n  as x -- c\n").text.count("3") >= 1
    assert kernel.run("%%fedq select 4\nas x").text.count("4") >= 1
    assert kernel.run("%fedq select 5 as x;").text.count("5") >= 1, "a semicolon ends SQL, it does not silence"


def test_a_name_takes_the_result_and_shows_nothing(kernel: Kernel) -> None:
    cell = kernel.run("%%fedq people <<\nselect * from users order by id")
    assert cell.result is None and cell.shown == []
    assert kernel.run("print(people[0].name, len(people))").stdout == "Ann 2\n"
    cell = kernel.run("%fedq --to dicts rows << select id from users order by id")
    assert cell.result is None and kernel.run("print(rows)").stdout == "[{'id': 1}, {'id': 2}]\n"
    cell = kernel.run("%%fedq people\nselect 1")
    assert cell.ename == "SQLSyntaxError" and "%%fedq people <<" in cell.traceback


def test_sql_arrives_as_it_was_typed(kernel: Kernel) -> None:
    kernel.run("x = 'WRONG'")
    cell = kernel.run(
        "r = %fedq select 'it''s {x} $x %s \\\\n' as a, 1 << 2 as b, [1, 2, 3][1:2] as c, '{\"a.b\":1}'::json->>'a.b' as d\nprint(r.rows())"
    )
    assert cell.stdout == "[(\"it's {x} $x %s \\\\\\\\n\", 4, [1, 2], '1')]\n"


def test_forms(kernel: Kernel) -> None:
    for form, kind in {
        "pandas": "DataFrame",
        "polars": "DataFrame",
        "arrow": "Table",
        "dicts": "list",
        "result": "Result",
    }.items():
        cell = kernel.run(
            f"v = %fedq --to {form} select 1 as x\nprint(type(v).__name__, type(v).__module__.split('.')[0])"
        )
        assert cell.stdout.split()[0] == kind, form
    assert "first 2 shown" in kernel.run("%fedq --rows 2 select range as i from range(10)").text
    assert "2 rows" in kernel.run("%fedq --limit 2 select range as i from range(10)").text


def test_options_of_the_shell(kernel: Kernel) -> None:
    kernel.run("%config Fedq.max_rows = 3\n%config Fedq.times = False")
    assert (
        kernel.run("%fedq select range as i from range(10)").text.splitlines()[-1]
        == "10 rows × 1 column, first 3 shown"
    )
    kernel.run("%config Fedq.max_rows = 20\n%config Fedq.times = True")


def test_the_catalog_at_a_glance_and_commands(kernel: Kernel) -> None:
    cell = kernel.run("%fedq")
    assert "users" in cell.text and "orders" in cell.text and "crm" in cell.text and "sqlite" in cell.text
    assert "<table" in (cell.result or {})["text/html"]
    assert "orders" in kernel.run("%fedq :tables").text and "country" in kernel.run("%fedq :columns users").text
    assert "shop" in kernel.run("%fedq :databases").text and "no problem" in kernel.run("%fedq :check").text
    assert "TableNotFound" in kernel.run("%fedq :help FQ201").text and "FQ404" in kernel.run("%fedq :help").text
    assert "Did you mean FQ201?" in kernel.run("%fedq :help FQ2011").traceback
    assert kernel.run("t = %fedq :tables\nprint(len(t))").stdout == "2\n"
    assert kernel.run("%fedq :tabels").ename == "ParameterError" and ":tables?" in kernel.run("%fedq :tabels").traceback
    assert "not available" in kernel.run("%fedq :move users shop").traceback
    assert "--using DB" in str(kernel.run("print(get_ipython().magics_manager.magics['line']['fedq'].__doc__)").stdout)


def test_connecting_a_database_by_hand(kernel: Kernel, folder: Path) -> None:
    assert "extra" in kernel.run("%fedq :connect extra=sqlite:///crm.db").text
    assert (
        kernel.run("r = %fedq select count(*) from extra.users\nprint(r.scalar(), r.origins)").stdout == "2 {'extra'}\n"
    )
    assert kernel.run("%fedq :connect extra").ename == "ParameterError"


def test_another_catalog(kernel: Kernel) -> None:
    assert (
        kernel.run("r = %fedq --catalog other.toml select count(*) from people\nprint(r.scalar(), r.origins)").stdout
        == "2 {'old'}\n"
    )
    assert kernel.run("%fedq --catalog nope.toml select 1").ename == "CatalogError"
    assert kernel.run("%fedq --profile nope select 1").ename == "CatalogError"


def test_explain(kernel: Kernel) -> None:
    cell = kernel.run(f"%fedq --explain {BOTH}")
    assert cell.status == "ok" and "crm" in cell.text and "shop" in cell.text and cell.shown == []
    assert "actual" in kernel.run(f"%fedq --analyze --quiet {BOTH}").text


# --- parameters and DataFrames


def test_parameters_come_from_the_notebook(kernel: Kernel) -> None:
    kernel.run("country = 'NL'\nids = [1, 2]\nnone = []")
    ask = lambda sql: kernel.run(f"r = %fedq {sql}\nprint(r.rows())").stdout.strip()
    assert ask("select name from users where country = :country") == "[('Ann',)]"
    assert ask("select count(*) from users where id in :ids") == "[(2,)]"
    assert ask("select count(*) from users where id in :none") == "[(0,)]"
    assert ask("-p country=BE select name from users where country = $country") == "[]"
    assert ask("-p x='1 or 1=1' select name from users where country = :x") == "[]"
    kernel.run("def f(n):\n    r = %fedq select name from users where id = :n\n    return r.scalar()")
    assert kernel.run("print(f(1))").stdout == "Ann\n"


def test_a_missing_parameter_names_the_nearest_variable(kernel: Kernel) -> None:
    cell = kernel.run("uid = 1\n%fedq select * from users where id = :udi")
    assert cell.ename == "ParameterError" and "Did you mean :uid?" in cell.traceback and "^^^^" in cell.traceback
    assert "-p udi=VALUE" in kernel.run("del uid\n%fedq select * from users where id = :udi").traceback


def test_a_data_frame_is_a_table(kernel: Kernel) -> None:
    kernel.run(
        "import pandas as pd, polars as pl, pyarrow as pa\ndf = pd.DataFrame({'id': [1, 3], 'score': [0.5, None]})"
    )
    cell = kernel.run("r = %fedq select u.name, d.score from users u join df d on d.id = u.id\nprint(r.rows())")
    assert cell.stdout == "[('Ann', 0.5)]\n", cell.traceback
    for code in ("pl.DataFrame({'id': [1]})", "pa.table({'id': [1]})"):
        assert kernel.run(f"df2 = {code}\nr = %fedq select count(*) from df2\nprint(r.scalar())").stdout == "1\n", code
    kernel.run("%fedq mine << select id + 10 as id from users")
    assert kernel.run("r = %fedq select max(id) from mine\nprint(r.scalar())").stdout == "12\n", (
        "a result is a table too"
    )
    kernel.run(
        "def f():\n    scores = pd.DataFrame({'x': [7]})\n    r = %fedq select x from scores\n    return r.scalar()"
    )
    assert kernel.run("print(f())").stdout == "7\n"


def test_the_catalog_wins_over_a_data_frame_and_says_so(kernel: Kernel) -> None:
    kernel.run("import pandas as pd\nusers = pd.DataFrame({'id': [1, 2, 3]})")
    cell = kernel.run("%fedq select count(*) as n from users")
    assert "ShadowedNameWarning FQ230" in cell.notes and "@users" in cell.notes and "│        2 │" in cell.text
    cell = kernel.run("%fedq select count(*) as n from @users")
    assert "│        3 │" in cell.text


# --- warnings


def test_warnings_are_one_block_above_the_result(kernel: Kernel) -> None:
    for _ in range(2):  # every time, not once per line
        cell = kernel.run(f"%fedq {BOTH}")
        assert cell.status == "ok" and len(cell.shown) == 1 and cell.stderr == ""
        assert "CrossDatabaseWarning FQ210" in cell.notes and "crm" in cell.notes and "shop" in cell.notes
        assert "q-note" in cell.shown[0]["text/html"]
    assert kernel.run(f"%%fedq x <<\n{BOTH}").notes.startswith("CrossDatabaseWarning")


def test_warnings_can_be_silenced_or_be_errors(kernel: Kernel) -> None:
    assert kernel.run(f"%fedq --quiet {BOTH}").shown == []
    assert kernel.run(f"%fedq --on-cross-db allow {BOTH}").shown == []
    assert kernel.run(f"%fedq --on-cross-db error {BOTH}").ename == "CrossDatabaseError"
    assert (
        kernel.run(f"warnings.filterwarnings('ignore', category=fedq.CrossDatabaseWarning)\n%fedq {BOTH}").shown == []
    )
    cell = kernel.run(f"warnings.filterwarnings('error', category=fedq.CrossDatabaseWarning)\n%fedq {BOTH}")
    assert cell.ename == "CrossDatabaseWarning" and "site-packages" not in cell.traceback


def test_a_risky_catalog_is_mentioned_once(folder: Path) -> None:
    home = folder / "risky"
    home.mkdir()
    (home / "fedq.toml").write_text('version = 1\n[databases]\npg.url = "postgresql://app:pw-Heron-1@127.0.0.1:1/x"\n')
    kernel = Kernel(home)
    try:
        cell = kernel.run("%load_ext fedq")
        assert (
            "CatalogWarning FQ110" in cell.notes and "pw-Heron-1" not in cell.notes + cell.stdout and cell.stderr == ""
        )
        kernel.complete("%fedq --us│")
        cell = kernel.run("%fedq select 1 as x")
        assert (cell.notes, cell.stderr, cell.status) == ("", "", "ok")
    finally:
        kernel.close()


def test_a_federation_of_ones_own(kernel: Kernel) -> None:
    kernel.run(
        "fedq.use(fedq.connect({'databases': {'mine': {'url': 'sqlite:///crm.db'}}, 'tables': {'people': {'database': 'mine', 'table': 'users'}}}))"
    )
    assert "catalog in code · 1 database · 1 table" in kernel.run("%reload_ext fedq").stdout
    assert kernel.run("r = %fedq select count(*) from people\nprint(r.scalar())").stdout == "2\n"


# --- errors


def test_an_error_is_a_short_block(kernel: Kernel) -> None:
    cell = kernel.run("%fedq select * from userz")
    assert cell.status == "error" and cell.ename == "TableNotFound" and cell.stderr == "" and cell.stdout == ""
    lines = cell.traceback.splitlines()
    assert len(lines) <= 5 and "Did you mean 'users'?" in lines[-1] and lines[2].strip(" │") == "^" * 5
    assert "FQ202" in kernel.run("%%fedq\nselect nme from users").traceback
    assert kernel.run("print(1)").stdout == "1\n"


def test_the_rest_of_an_error_is_one_tb_away(kernel: Kernel) -> None:
    kernel.run("%fedq select * from userz")
    assert "Traceback (most recent call last)" in kernel.run("%tb").traceback
    kernel.run("%config Fedq.traceback = True")
    assert "Traceback (most recent call last)" in kernel.run("%fedq select * from userz").traceback
    kernel.run("%config Fedq.traceback = False")
    assert "Traceback" not in kernel.run("%fedq select * from userz").traceback


def test_an_error_is_an_exception_like_any_other(kernel: Kernel) -> None:
    code = (
        "try:\n    %fedq select * from userz\nexcept LookupError as error:\n    print(type(error).__name__, error.code)"
    )
    assert kernel.run(code).stdout == "TableNotFound FQ201\n"
    assert kernel.run("%fedq --usng x select 1").ename == "ParameterError"
    assert kernel.run("%%fedq\n\n").ename == "SQLSyntaxError"
    assert kernel.run("%fedq select * from users where name = 'a").ename == "SQLSyntaxError"


def test_hostile_data_stays_text(kernel: Kernel) -> None:
    html = (kernel.run("%fedq select * from users order by id").result or {})["text/html"]
    assert "&lt;b&gt;Bob&lt;/b&gt;" in html and "<b>" not in html


# --- Tab


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("%%fedq\nselect u.na│ from users u", "name"),
        ("x = %fedq select cou│ from users", "country"),
        ("%fedq --us│", "--using"),
        ("%fedq --using sh│", "shop"),
        ("%%fedq\nselect * from ord│", "orders"),
        ("%fedq :col│", ":columns"),
        ("impor│", "import"),
        ("wareh│", "warehouse"),
    ],
)
def test_tab(kernel: Kernel, code: str, expected: str) -> None:
    kernel.run("warehouse = 1")
    for _ in range(40):  # the first Tab may come before the database has answered
        if (found := kernel.complete(code))[:1] == [expected]:
            return
        time.sleep(0.05)
    assert found[:1] == [expected]


def test_tab_is_quick(kernel: Kernel) -> None:
    kernel.complete("%%fedq\nselect u.na│ from users u")
    time.sleep(0.3)
    began = time.monotonic()
    for _ in range(10):
        kernel.complete("%%fedq\nselect u.na│ from users u")
    assert (time.monotonic() - began) / 10 < 1.5


# --- long queries


def test_progress_after_a_second_for_people_only(kernel: Kernel) -> None:
    slow = "%fedq --timeout 2.6 " + ENDLESS
    cell = kernel.run(slow)
    assert cell.ename == "QueryTimeout" and len(cell.displays) == 1 and re.search(r"\d s", "".join(cell.updates))
    assert cell.displays[0]["text/plain"] == "" and cell.updates[-1] == "", "it is removed at the end"
    assert kernel.run(slow, is_watched=False).displays == []
    assert kernel.run(slow.replace("%fedq", "%fedq --no-progress")).displays == []


def stopped(kernel: Kernel, code: str, after: float = 1.5) -> float:
    """Seconds from Ctrl-C to the end of the cell.

    The promise is half a second; tests allow three times that, because the machine may be busy with other tests.
    """
    number = kernel.send(code)
    time.sleep(after)
    began = time.monotonic()
    kernel.interrupt()
    cell = kernel.wait(number)
    seconds = time.monotonic() - began
    assert cell.status == "error" and cell.ename == "QueryCancelled", cell.traceback
    assert len(cell.traceback.splitlines()) <= 3
    return seconds


def test_ctrl_c_stops_the_local_engine(kernel: Kernel) -> None:
    assert min(stopped(kernel, f"%fedq {ENDLESS}") for _ in range(2)) < 1.5
    assert kernel.run("r = %fedq select count(*) from users\nprint(r.scalar())").stdout == "2\n"


def slow_table(server: Server, url: str, *statements: str) -> None:
    for statement in statements:
        server.sql(statement, url)


def check_ctrl_c(kernel: Kernel, server: Server, url: str, running: str) -> None:
    """Ctrl-C during a long pull: control within half a second, the statement gone from the server, the next cell works."""
    connected = kernel.run(f"fedq.use(fedq.connect(far={url!r}))")
    assert connected.status == "ok", connected.traceback
    seconds = stopped(kernel, "%fedq select id, s from far.slow")
    assert seconds < 1.5
    deadline = time.monotonic() + 2
    while server.sql(running, url) != [(0,)]:
        assert time.monotonic() < deadline, "the statement is still there"
        time.sleep(0.05)
    assert kernel.run("r = %fedq select count(*) from far.quick\nprint(r.scalar())").stdout == "3\n"


def test_ctrl_c_reaches_postgres(kernel: Kernel, postgres: PostgresServer) -> None:
    url = postgres.new_database("magic")
    slow_table(
        postgres, url, "create table quick as select generate_series(1, 3) as id",
        "create view slow as select g as id, pg_sleep(0.01)::text as s from generate_series(1, 100000) g",
    )  # fmt: skip
    running = "select count(*) from pg_stat_activity where query like '%slow%' and state = 'active' and pid <> pg_backend_pid()"
    check_ctrl_c(kernel, postgres, url, running)


def test_ctrl_c_reaches_mariadb(kernel: Kernel, mariadb: MariaDBServer) -> None:
    url = mariadb.new_database("magic")
    slow_table(
        mariadb, url, "create table quick as select seq as id from seq_1_to_3",
        "create view slow as select seq as id, sleep(0.01) as s from seq_1_to_100000",
    )  # fmt: skip
    running = "select count(*) from information_schema.processlist where info like '%slow%' and id <> connection_id()"
    check_ctrl_c(kernel, mariadb, url, running)


# --- notebooks that run by themselves


def executed(folder: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / "n.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--output", "out.ipynb", "n.ipynb"]
    import os

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_notebook_with_an_error_fails_and_says_why(folder: Path) -> None:
    run = executed(folder, "%load_ext fedq", "%fedq select * from userz")
    assert run.returncode == 1 and "TableNotFound" in run.stderr and "Did you mean 'users'?" in run.stderr


def test_a_notebook_runs_by_itself(folder: Path) -> None:
    run = executed(folder, "%load_ext fedq", f"%%fedq\n{BOTH}", "x = %fedq select 1 as x\nx.to_pandas()")
    assert run.returncode == 0, run.stderr
    outputs = [cell.outputs for cell in nbformat.read(folder / "out.ipynb", as_version=4).cells]
    assert [output.output_type for output in outputs[1]] == ["display_data", "execute_result"]
    assert "FQ210" in outputs[1][0]["data"]["text/plain"]
