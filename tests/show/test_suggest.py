"""Tab: what may stand at the cursor, of a text that is not finished."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.show.complete import KnownNames, complete
from fedq.show.suggest import suggest

TABLES = {"users": "crm", "user_events": "lake", "orders": "shop", "order lines": "shop"}
COLUMNS = {"users": ["id", "name", "Na Me"], "orders": ["id", "user_id", "total"], "df": ["x"]}


class Known:
    """Names that are simply there."""

    def databases(self) -> Sequence[str]:
        return ["crm", "shop", "lake"]

    def tables(self) -> Mapping[str, str]:
        return TABLES

    def columns(self, table: str) -> Sequence[str]:
        return COLUMNS.get(table.rpartition(".")[2].lower(), ())

    def variables(self) -> Mapping[str, str]:
        return {"df": "frame", "country": "parameter"}


def tab(text: str) -> list[str]:
    before, _, after = text.partition("│")
    return [suggestion.text for suggestion in suggest(before, after, Known())[1]]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("select u.na│ from users u", ["name", '"Na Me"'][:1]),
        ("select u.│ from users as u", ["id", "name", '"Na Me"']),
        ("select na│ from users", ["name"]),
        ("select users.na│ from users", ["name"]),
        ("select total│ from users u, orders o", ["total"]),
        ("select * from us│", ["users", "user_events"]),
        ("select * from users u join or│", ["orders", '"order lines"']),
        ("select * from users, or│", ["orders", '"order lines"']),
        ("select * from shop.│", ["orders", '"order lines"']),
        ("select o.to│ from shop.orders o", ["total"]),
        ('select * from "ord│', ['"orders"', '"order lines"']),
        ('select u."na│ from users u', ['"name"', '"Na Me"'][:1]),
        ("with big as (select 1) select * from b│", ["big"]),
        ("select * from d│", ["df"]),
        ("select x│ from df", ["x"]),
        ("select * from users where n│", ["name"]),
        ("select cou│", ["count"]),
        ("select id from users gro│", ["group by"]),
        ("SELECT U.NA│ FROM USERS U", ["name"]),
    ],
)
def test_suggestions(text: str, first: list[str]) -> None:
    assert tab(text)[: len(first)] == first


@pytest.mark.parametrize(
    "text", ["select 'na│", "select 1 -- na│", "select /* na│", "select $$na│", "select 'it''s na│"]
)
def test_nothing_inside_strings_and_comments(text: str) -> None:
    assert tab(text + " from users") == []


@pytest.mark.parametrize(
    "text", ["select 'x' || na│ from users", "select 1 -- c\n, na│ from users", "select /* c */ na│ from users"]
)
def test_after_a_closed_string_or_comment(text: str) -> None:
    assert tab(text)[:1] == ["name"]


def test_an_alias_hides_no_keyword() -> None:
    assert "where" not in {text for text in tab("select * from users where │") if text == "WHERE"}
    assert tab("select * from users where │")[:2] == ["id", "name"]


def cell_tab(cell: str, names: Any) -> list[str] | None:
    at = cell.index("│")
    line, column = cell[:at].count("\n"), at - (cell.rfind("\n", 0, at) + 1)
    found = complete(cell.replace("│", ""), line, column, names)
    return None if found is None else [suggestion.text for suggestion in found[1]]


@pytest.mark.parametrize(
    ("cell", "first"),
    [
        ("%%fedq\nselect na│ from users", ["name"]),
        ("%%fedq --limit 3 x <<\nselect na│\nfrom users", ["name"]),
        ("%%fedq select na│\nfrom users", ["name"]),
        ("a = 1\nx = %fedq --quiet select na│ from users", ["name"]),
        ("%fedq --us│", ["--using"]),
        ("%%fedq --quiet --on│\nselect 1", ["--on-cross-db"]),
        ("%fedq --using s│", ["shop"]),
        ("%fedq --using=s│", ["shop"]),
        ("%fedq --to p│", ["pandas", "polars"]),
        ("%fedq :co│", [":columns", ":connect"]),
        ("%fedq :columns o│", ["orders"]),
        ("%fedq select * from users where c = :cou│", ["country"]),
    ],
)
def test_in_cells(cell: str, first: list[str]) -> None:
    assert (cell_tab(cell, Known()) or [])[: len(first)] == first


@pytest.mark.parametrize("cell", ["impo│", "x = us│", "print('%fedq us│')", "%timeit us│", "%fedqx us│", "%%fed│"])
def test_other_cells_are_left_to_python(cell: str) -> None:
    assert cell_tab(cell, Known()) is None


# --- names from a real catalog


@pytest.fixture
def catalog(tmp_path: Path) -> dict[str, Any]:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "crm.db")
    connection.execute("create table users (id integer primary key, name text)")
    connection.execute("create table notes (id integer)")
    connection.commit()
    connection.close()
    return {"databases": {"crm": {"url": f"sqlite:///{tmp_path}/crm.db"}}, "tables": {"users": "crm"}}


def asked(names: KnownNames, question: Any) -> Any:
    """What is known after as many Tabs as it takes."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        names.begin()
        if answer := question():
            return answer
        time.sleep(0.01)
    return None


def test_names_come_from_the_databases(catalog: dict[str, Any]) -> None:
    with fedq.connect(catalog) as fed:
        names = KnownNames(lambda: fed, lambda: {"country": "NL", "_x": 1, "f": len})
        names.begin()
        assert "users" in names.tables() and names.databases() == ["crm"]
        assert asked(names, lambda: "notes" in names.tables())
        assert asked(names, lambda: names.columns("users")) == ["id", "name"]
        assert names.variables() == {"country": "parameter"}


def test_a_slow_database_does_not_stop_the_user(catalog: dict[str, Any]) -> None:
    stop = threading.Event()

    class Slow(fedq.Federation):
        def columns(self, table: str) -> Any:
            stop.wait(20)
            return super().columns(table)

    with fedq.connect(catalog) as fed:
        slow = Slow(fed.catalog)
        names = KnownNames(lambda: slow, dict)
        names.begin()
        began = time.monotonic()
        assert names.columns("users") == () and time.monotonic() - began < 1.5
        stop.set()
        assert asked(names, lambda: names.columns("users")) == ["id", "name"]
        slow.close()


def test_an_unknown_table_and_a_dead_server_have_no_names() -> None:
    with fedq.connect({"databases": {"gone": {"url": "postgresql://a@127.0.0.1:1/x"}}, "tables": {"t": "gone"}}) as fed:
        names = KnownNames(lambda: fed, dict)
        names.begin()
        assert names.columns("t") == () and dict(names.tables()) == {"t": "gone"}
