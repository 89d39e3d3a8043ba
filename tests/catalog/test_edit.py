"""One assignment is written into the file, and nothing else of it changes."""

from __future__ import annotations

import difflib
import stat
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog.config import load_catalog
from fedq.catalog.edit import assigned, save_assignment
from fedq.catalog.toml_lines import quoted, string
from fedq.errors import CatalogError

HEAD = '[databases]\na.url = "a.db"\nb.url = "b.db"   # where they go\n\n'
FILE = Path("/srv/fedq.toml")

EDITS = {
    "a string": ('[tables]\nusers    = "a"   # people\n', "users", '[tables]\nusers    = "b"   # people\n'),
    "single quotes": ("[tables]\nusers = 'a'\n", "users", "[tables]\nusers = 'b'\n"),
    "a long string": ('[tables]\nusers = """\\\n  a"""\n', "users", '[tables]\nusers = "b"\n'),
    "schema and table stay": ('[tables]\nusers = "a.old.people"\n', "users", '[tables]\nusers = "b.old.people"\n'),
    "an inline table": (
        '[tables]\nu = { table = "x", database = "a", columns = { database = "Q" } } # a\n',
        "u",
        '[tables]\nu = { table = "x", database = "b", columns = { database = "Q" } } # a\n',
    ),
    "db": ('[tables]\nu = {db="a",key="id"}\n', "u", '[tables]\nu = {db="b",key="id"}\n'),
    "a table of its own": (
        '[tables.u]\n# here\ndatabase = "a" # there\nkey = "id"\n',
        "u",
        '[tables.u]\n# here\ndatabase = "b" # there\nkey = "id"\n',
    ),
    "a dotted key": ('[tables]\nu.database = "a"\nu.key = "id"\n', "u", '[tables]\nu.database = "b"\nu.key = "id"\n'),
    "a quoted pattern": ('[tables]\n"auth_*" = "a"\n', "auth_*", '[tables]\n"auth_*" = "b"\n'),
    "another case": ('[tables]\nUsers = "a"\n', "users", '[tables]\nUsers = "b"\n'),
    "no other table": ('[tables]\nu = "a"\nu2 = "a"\n', "u", '[tables]\nu = "b"\nu2 = "a"\n'),
    "no entry": (
        '[tables]\nusers = "a"   # people\n# the end\n\n[policy]\n',
        "new",
        '[tables]\nusers = "a"   # people\nnew   = "b"\n# the end\n\n[policy]\n',
    ),
    "no entry, aligned": (
        '[tables]\nusers  = "a"\norders = "a"\n',
        "new",
        '[tables]\nusers  = "a"\norders = "a"\nnew    = "b"\n',
    ),
    "no entry, indented": ('[tables]\n  users = "a"\n', "orders", '[tables]\n  users = "a"\n  orders = "b"\n'),
    "no line end": ('[tables]\nusers = "a"', "orders", '[tables]\nusers = "a"\norders = "b"\n'),
    "an empty section": ("[tables] # none yet\n\n[policy]\n", "x.y", None),
    "an empty section, filled": (
        "[tables] # none yet\n\n[policy]\n",
        "users",
        '[tables] # none yet\nusers = "b"\n\n[policy]\n',
    ),
    "a new pattern wins": (
        '[tables]\nusers = "a"\n"*" = "a"\n',
        "auth_*",
        '[tables]\nusers = "a"\n"auth_*" = "b"\n"*" = "a"\n',
    ),
    "no section": ("[policy]\n", "users", '[policy]\n\n[tables]\nusers = "b"\n'),
    "only sections below": (
        '[tables.u]\ndatabase = "a"\n',
        "users",
        '[tables]\nusers = "b"\n\n[tables.u]\ndatabase = "a"\n',
    ),
    "an inline section": ("[policy]\n[profiles]\n", "users", '[policy]\n[profiles]\n\n[tables]\nusers = "b"\n'),
}


@pytest.mark.parametrize("name", EDITS)
def test_one_line_changes(name: str) -> None:
    before, table, after = EDITS[name]
    if after is None:
        after = before.replace("none yet\n", f'none yet\n"{table}" = "b"\n')
    assert assigned(HEAD + before, table, "b", file=FILE) == HEAD + after


@pytest.mark.parametrize(
    ("before", "table", "after"),
    [
        ('tables = { users = "a" }\n', "orders", 'tables = { users = "a", orders = "b" }\n'),
        ('tables = { users = "a" }\n', "o_*", 'tables = { "o_*" = "b", users = "a" }\n'),
        ("tables = {}\n", "users", 'tables = { users = "b" }\n'),
        ('tables.users = "a"\n', "users", 'tables.users = "b"\n'),
        ('tables.users = "a"\n', "orders", 'tables.users = "a"\ntables.orders = "b"\n'),
        ('tables . "x=*" = "a" # 1\n', "y*", 'tables."y*"    = "b"\ntables . "x=*" = "a" # 1\n'),
    ],
)
def test_tables_above_the_first_section(before: str, table: str, after: str) -> None:
    assert assigned(before + HEAD, table, "b", file=FILE) == after + HEAD


def test_pyproject_is_edited_in_its_own_table() -> None:
    before = '[tables]\nusers = "x"\n[tool.fedq]\ndatabases = { a = { url = "a.db" }, b = { url = "b.db" } }\n'
    file = Path("/srv/pyproject.toml")
    assert assigned(before, "users", "b", file=file) == before + '\n[tool.fedq.tables]\nusers = "b"\n'
    before += '[tool.fedq.tables]\nusers = "a"\n'
    assert assigned(before, "users", "b", file=file) == before.replace('users = "a"', 'users = "b"')


def test_an_entry_of_the_profile_is_edited_there() -> None:
    before = HEAD + '[tables]\nusers = "a"\norders = "a"\n[profiles.dev.tables]\nusers = "a"\n'
    after = assigned(before, "users", "b", file=FILE, profile="dev")
    assert after == before[: before.rindex('"a"')] + '"b"\n'
    assert assigned(before, "orders", "b", file=FILE, profile="dev") == before.replace('orders = "a"', 'orders = "b"')


@pytest.mark.parametrize(
    ("text", "table", "database", "says"),
    [
        ('[tables]\nu = { shards = ["a", "b"] }\n', "u", "b", "shards"),
        ('[tables]\nu = { table = "x" }\n', "u", "b", "has no database"),
        ("[tables]\nu = 3\n", "u", "b", "has no database"),
        ("[tables]\n", "u", "bb", "no database 'bb', so nothing can be assigned to it; did you mean 'b'?"),
        ("[tables\n", "u", "b", "not valid TOML"),
        ("[[tables]]\nu = 1\n", "u", "b", "it must be a table"),
    ],
)
def test_what_cannot_be_edited_is_left_as_it_is(
    tmp_path: Path, text: str, table: str, database: str, says: str
) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text(HEAD + text)
    with pytest.raises(CatalogError) as caught:
        save_assignment(file, table, database)
    assert says in str(caught.value) and str(file) in str(caught.value)
    assert file.read_text() == HEAD + text
    assert [path.name for path in tmp_path.iterdir()] == ["fedq.toml"]


def test_the_file_is_replaced_in_one_step_and_keeps_mode_link_and_line_ends(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "fedq.toml"
    text = "\ufeff" + textwrap.dedent(HEAD + '[tables]\nusers = "a" # é\n').replace("\n", "\r\n")
    real.write_bytes(text.encode())
    real.chmod(0o640)
    link.symlink_to("real.toml")
    with real.open("rb") as reader:  # whoever reads while it is written sees the old file to its end
        save_assignment(link, "users", "b")
        assert reader.read() == text.encode()
    save_assignment(link, "orders", "b")
    expected = text.replace('users = "a" # é\r\n', 'users = "b" # é\r\norders = "b"\r\n')
    assert real.read_bytes() == expected.encode()
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fedq.toml", "real.toml"]
    assert load_catalog(link, environment={}).tables["orders"].database == "b"


def test_nothing_is_written_when_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text(HEAD + '[tables]\nusers = "b"\n')
    before = file.stat().st_ino
    save_assignment(file, "users", "b")
    assert file.stat().st_ino == before


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read: No such file"):
        save_assignment(tmp_path / "none.toml", "a", "b")


# --- any catalog

NAMES = st.sampled_from(["users", "Users2", "auth_*", "x?", "*", "größe", "a b", 'q"q', "t.x", "tables"])
PLACES = st.sampled_from(["a", "a.t", "a.s.t"])
BLANK = st.sampled_from(["", " ", "   ", "\t"])
NOISE = st.sampled_from(["", "\n", "# tables = { users = 'a' }\n", "  # [tables]\n", "\n\n"])


@st.composite
def catalogs(draw: st.DrawFn) -> str:
    """A catalog whose tables are written in every way TOML has, with comments and other sections around."""
    entries = draw(st.dictionaries(NAMES, PLACES, max_size=5))
    style = draw(st.sampled_from(["section", "dotted", "inline", "none"]))
    lines, after = [], []
    for name, place in entries.items():
        gap, end = draw(BLANK), draw(st.sampled_from(["", " # [tables]", "  # users = 'a'"]))
        form = draw(st.sampled_from(["short", "literal", "long", "below"] if style == "section" else ["short", "long"]))
        value = {
            "short": string(place),
            "literal": f"'{place}'",
            "long": f'{{ key = ["id"], {draw(st.sampled_from(["db", "database"]))}{gap}={gap}"a" }}',
            "below": "",
        }[form]
        if form == "below":
            after.append(f'[tables.{quoted(name)}]{end}\n{draw(NOISE)}database{gap}= "a"\ntable = "t"\n')
        elif style == "inline":
            lines.append(f"{quoted(name)}{gap}={gap}{value}")
        else:
            prefix = "tables." if style == "dotted" else ""
            lines.append(f"{draw(NOISE)}{prefix}{quoted(name)}{gap}={gap}{value}{end}\n")
    databases = f'{draw(NOISE)}[databases]\na.url = "a.db"\n"b-c" = {{ url = "b.db" }}\n{draw(NOISE)}'
    if style == "inline":
        return "tables = {" + ", ".join(lines) + "}\n" + databases
    if style == "dotted":
        return "".join(lines) + databases
    section = ["[tables]", "[ tables ] # all"][draw(st.integers(0, 1))] + "\n" if style == "section" else ""
    body = section + "".join(lines) + draw(NOISE) + "".join(after) if section else ""
    text = draw(st.sampled_from([databases + body, body + databases])) + draw(NOISE)
    text += draw(st.sampled_from(["", '[policy]\ntimeout = "5m"\n']))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def tables_of(data: dict[str, Any]) -> dict[str, Any]:
    return dict(data.get("tables", {}))


def check_lines(before: str, after: str, *, is_new: bool) -> None:
    """One line is another one; or lines are added, at most a section, its line and a blank one."""
    rows, changed = before.splitlines(keepends=True), after.splitlines(keepends=True)
    steps = difflib.SequenceMatcher(None, rows, changed, autojunk=False).get_opcodes()
    edits = [(tag, end - start, new_end - new) for tag, start, end, new, new_end in steps if tag != "equal"]
    one_line = ("replace", 1, 1)
    assert len(edits) <= 1
    for edit in edits:
        assert edit == one_line or (is_new and (edit[0] == "insert" or not before.endswith("\n")) and edit[2] <= 4)


@given(catalogs(), NAMES)
def test_in_any_catalog_exactly_the_assignment_changes(text: str, table: str) -> None:
    before = tomllib.loads(text)
    edited = assigned(text, table, "b-c", file=FILE)
    after = tomllib.loads(edited)
    old, new = tables_of(before), tables_of(after)
    key = next((name for name in old if name == table), None) or next(
        (name for name in old if name.casefold() == table.casefold()), table
    )
    entry = new.pop(key)
    was = old.pop(key, None)
    assert {**before, "tables": old} == {**after, "tables": new}
    if isinstance(was, dict):
        inner = "database" if "database" in was else "db"
        assert entry == {**was, inner: "b-c"}
    else:
        assert entry == "b-c" + (was[1:] if was else "")
    if was is None and ("*" in table or "?" in table):
        patterns = [name for name in tables_of(after) if "*" in name or "?" in name]
        assert patterns[0] == table, "a new pattern wins over the others"
    check_lines(text, edited, is_new=was is None)
    assert assigned(edited, table, "b-c", file=FILE) == edited
