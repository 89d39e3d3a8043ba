"""The line after %fedq: options are read, SQL is left alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.errors import ParameterError
from fedq.show.options import Options, parameter, parse, usage

SQL = [
    "select 1",
    "select 'it''s', \"a b\", $$x$$ -- --using nobody",
    "select 1 << 2",
    "select a<<b from t",
    "-- a comment\nselect 1",
    "select j->>'a.b', l[1:2], x::int, '%s' % 3, '{{x}}', 'C:\\n'",
    "with x as (select 1) select * from x;",
    "from t  ",
]


@pytest.mark.parametrize("sql", SQL)
def test_sql_stays_as_it_is(sql: str) -> None:
    assert parse(sql).sql == sql and parse(sql).options == Options() and parse(sql).target is None
    assert parse("", sql).sql == sql
    assert parse("--limit 3", sql).sql == sql and parse("--limit 3", sql).options.limit == 3
    assert parse(f"--limit 3 {sql}").sql == f" {sql}"
    assert parse(f"--quiet x << {sql}").sql == f" {sql}" and parse(f"--quiet x << {sql}").target == "x"
    assert parse("x <<", sql).sql == sql and parse("x<<", sql).target == "x"


def test_a_cell_may_begin_on_the_line_of_the_magic() -> None:
    assert parse("--quiet select *", "from t\n").sql == " select *\nfrom t\n"


@given(st.text())
def test_any_text_after_a_comment_sign_is_sql(text: str) -> None:
    assert parse("--quiet " + "-- " + text).sql == " -- " + text
    assert parse("", text).sql == text


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--to pandas", "to", "pandas"),
        ("--to=pandas", "to", "pandas"),
        ("--using archive", "using", "archive"),
        ("--using orders=archive,users=crm", "using", {"orders": "archive", "users": "crm"}),
        ("--native shop", "native", "shop"),
        ("--limit 10", "limit", 10),
        ("--rows 3", "rows", 3),
        ("--timeout 30s", "timeout", "30s"),
        ("--timeout 1.5", "timeout", 1.5),
        ("--explain", "explain", True),
        ("--analyze", "analyze", True),
        ("--on-cross-db allow", "on_cross_db", "allow"),
        ("--max-pull 2GB", "max_pull", "2GB"),
        ("--max-pull 1000", "max_pull", 1000),
        ("--freshness 5s", "freshness", "5s"),
        ("--engine local", "engine", "local"),
        ("--catalog 'my files/fedq.toml'", "catalog", "my files/fedq.toml"),
        ("--profile dev", "profile", "dev"),
        ("--quiet", "quiet", True),
        ("--no-progress", "no_progress", True),
        ("-p id=3 -p name=x", "params", {"id": 3, "name": "x"}),
    ],
)
def test_every_option(line: str, field: str, value: Any) -> None:
    request = parse(f"{line} select 1")
    assert getattr(request.options, field) == value and request.sql == " select 1"
    assert f"--{field.replace('_', '-')}" in usage() or field == "params"


def test_options_that_were_not_given_leave_the_call_alone() -> None:
    assert parse("select 1").options.call() == {}
    assert parse("--limit 0 --using a select 1").options.call() == {"limit": 0, "using": "a"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=3", 3), ("x=-3", -3), ("x=1.10", Decimal("1.10")), ("x=1e3", 1000.0), ("x=true", True), ("x=null", None),
        ("x=NL", "NL"), ("x=", ""), ("x=007", "007"), ("x=2024-01-01", "2024-01-01"), ("x='3'", "3"), ('x="a b"', "a b"),
        ("'x=[1, 2]'", [1, 2]), ("x=a=b", "a=b"), ("x=NaN", "NaN"), ('x={"a":1}', '{"a":1}'), ("x=12345678901234567890", 12345678901234567890),
    ],
)  # fmt: skip
def test_parameters(text: str, value: Any) -> None:
    found = parameter(text)
    assert found == ("x", value) and type(found[1]) is type(value)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--usng x select 1", "no option --usng", "Did you mean --using?"),
        ("-x select 1", "no option -x", ""),
        ("--to pands select 1", "--to cannot be 'pands'", "Did you mean pandas?"),
        ("--on-cross-db maybe select 1", "--on-cross-db cannot be 'maybe'", "warn, error, allow"),
        ("--limit many select 1", "--limit cannot be 'many'", "--limit N"),
        ("--limit -1 select 1", "--limit cannot be '-1'", ""),
        ("--limit", "--limit needs a value", ""),
        ("--explain=1 select 1", "--explain takes no value", ""),
        ("-p x select 1", "-p x is not NAME=VALUE", "-p country=NL"),
        ("-p 1x=2 select 1", "is not NAME=VALUE", ""),
        ("-p a=1 -p a=2 select 1", "'a' is given twice", ""),
        ("--using orders= select 1", "--using cannot be", ""),
        ("--catalog 'open select 1", "--catalog needs a value", ""),
    ],
)
def test_wrong_options_are_named(line: str, message: str, hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse(line)
    assert message in caught.value.message and hint in (caught.value.hint or "")
