"""Every key's line and offsets, on the hard parts of TOML, and on random documents against tomllib."""

from __future__ import annotations

import textwrap
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog.toml_lines import dotted, quoted, scan, string

HARD = textwrap.dedent(
    '''\
    # a comment with [a.table] and key = "value"
    title = "x" # = "y"
    a.b . "c.d" = 1

    [ servers . "alpha beta" ]
    ip = '10.0.0.1'   # [not.a.table]
    text = """
    [fake]
    key = "no"
    quote at the end"""""
    raw = \'\'\'
    fake = 1
    \'\'\'\'\'
    list = [ # first
      "a]", # ]
      { x = 1, y.z = [1,
        2] },
    ]
    inline = { p = "}", "q r" = { s = 1 } }
    after = 1979-05-27 07:32:00 # a date with a blank
    "esc\\u0061ped" = true

    [[relations]]
    name = "one"
    [relations.more]
    deep = 1
    [[relations]]
    name = "two"
    [[relations.parts]]
    n = 1
    [[relations.parts]]
    n = 2
    '''
)

LINES = {
    ("title",): 2,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "b", "c.d"): 3,
    ("servers",): 5,
    ("servers", "alpha beta"): 5,
    ("servers", "alpha beta", "ip"): 6,
    ("servers", "alpha beta", "text"): 7,
    ("servers", "alpha beta", "raw"): 11,
    ("servers", "alpha beta", "list"): 14,
    ("servers", "alpha beta", "list", 0): 15,
    ("servers", "alpha beta", "list", 1): 16,
    ("servers", "alpha beta", "list", 1, "x"): 16,
    ("servers", "alpha beta", "list", 1, "y"): 16,
    ("servers", "alpha beta", "list", 1, "y", "z"): 16,
    ("servers", "alpha beta", "list", 1, "y", "z", 0): 16,
    ("servers", "alpha beta", "list", 1, "y", "z", 1): 17,
    ("servers", "alpha beta", "inline"): 19,
    ("servers", "alpha beta", "inline", "p"): 19,
    ("servers", "alpha beta", "inline", "q r"): 19,
    ("servers", "alpha beta", "inline", "q r", "s"): 19,
    ("servers", "alpha beta", "after"): 20,
    ("servers", "alpha beta", "escaped"): 21,
    ("relations",): 23,
    ("relations", 0): 23,
    ("relations", 0, "name"): 24,
    ("relations", 0, "more"): 25,
    ("relations", 0, "more", "deep"): 26,
    ("relations", 1): 27,
    ("relations", 1, "name"): 28,
    ("relations", 1, "parts"): 29,
    ("relations", 1, "parts", 0): 29,
    ("relations", 1, "parts", 0, "n"): 30,
    ("relations", 1, "parts", 1): 31,
    ("relations", 1, "parts", 1, "n"): 32,
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path of parsed TOML."""
    own = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return own.union(*(paths(item, (*path, key)) for key, item in items))


def test_every_key_of_a_hard_document_has_its_line() -> None:
    assert paths(tomllib.loads(HARD)) == set(LINES)
    assert scan(HARD).lines == LINES


def test_windows_line_ends_do_not_change_lines() -> None:
    assert scan(HARD.replace("\n", "\r\n")).lines == LINES


def test_offsets_cut_out_the_values() -> None:
    data = tomllib.loads(HARD)
    for path, entry in scan(HARD).entries.items():
        value: Any = data
        for key in path:
            value = value[key]
        assert tomllib.loads(f"v = {HARD[entry.value : entry.end]}")["v"] == value, path


KEYS = st.one_of(
    st.sampled_from(["a", "b", "users", "auth_*", "x.y", "é", "", " ", 'q"q', "t\tt"]), st.text(max_size=4)
)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=6), st.just(1.5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
BLANKS = st.sampled_from(["", " ", "\t", "  "])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A TOML text of random tables, written in random ways."""
    lines = []
    for name, table in draw(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4)).items():
        lines.append(f"[{draw(BLANKS)}{quoted(name)}{draw(BLANKS)}] # [x]")
        for key, value in table.items():
            lines += ["# k = 1", ""][: draw(st.integers(0, 2))]
            lines.append(f"{draw(BLANKS)}{quoted(key)}{draw(BLANKS)}={draw(BLANKS)}{written(draw, value)} # ]}}")
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def written(draw: st.DrawFn, value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        pairs = (f"{quoted(key)} = {written(draw, item)}" for key, item in value.items())
        return "{" + draw(BLANKS) + ", ".join(pairs) + " }"
    if isinstance(value, list):
        gap = draw(st.sampled_from(["", " ", "\n  ", " # ] [\n"]))
        return f"[{gap}" + "".join(f"{written(draw, item)},{gap}" for item in value) + "]"
    if isinstance(value, str):
        is_plain = all(c >= " " and c not in "'\x7f" for c in value)
        return draw(st.sampled_from([string(value), f"'{value}'", f"'''{value}'''"] if is_plain else [string(value)]))
    return str(value).lower()


@given(documents())
def test_random_documents_have_the_paths_that_tomllib_sees(text: str) -> None:
    data = tomllib.loads(text)
    layout = scan(text)
    assert set(layout.lines) == paths(data)
    assert layout.repeats == []
    rows = text.split("\n")
    for path, entry in layout.entries.items():
        assert rows[: entry.line - 1] == text[: entry.start].split("\n")[:-1], path


@given(st.text(alphabet="[]{}=\"'.,# \nab1\\", max_size=60))
def test_what_is_not_toml_ends_in_a_value_error_or_a_layout(text: str) -> None:
    try:
        scan(text)
    except ValueError:
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "path", "first", "second"),
    [
        ("a = 1\nb = 2\na = 3", ("a",), 1, 3),
        ("[a]\n[b]\n[a]\n", ("a",), 1, 3),
        ("[a]\nx.y = 1\n'x' . y = 2", ("a", "x", "y"), 2, 3),
        ("[t]\nusers = 1\n[t.users]\nx = 1", ("t", "users"), 2, 3),
        ("a = {\n}\n", None, 0, 0),
    ],
)
def test_keys_that_stand_there_twice(text: str, path: tuple[str, ...] | None, first: int, second: int) -> None:
    assert scan(text).repeats == ([(path, first, second)] if path else [])


def test_dotted_quotes_what_needs_it() -> None:
    assert dotted(("tables", "auth_*", 'a"b', 3, "x")) == r'tables."auth_*"."a\"b"[3].x'
