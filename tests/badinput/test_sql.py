"""SQL that does not parse, means nothing, or cannot be computed."""

from __future__ import annotations

import pytest

from fedq.errors import (
    AmbiguousTable,
    CatalogError,
    ColumnNotFound,
    ComputeError,
    CrossDatabaseError,
    FedqError,
    InvalidQuery,
    NotAllowed,
    ParameterError,
    PullTooLarge,
    QueryTimeout,
    ResultError,
    SQLSyntaxError,
    TableNotFound,
)  # fmt: skip
from tests.badinput.support import Company

SYNTAX = [
    "", "   ", ";", "-- only a comment", "/* only a comment */", "selec * from customers",
    "select * from customers where", "select * form customers", "select 'open from customers",
    'select "open from customers', "select /* open", "select (1", "select $$open", "select * from (customers",
    "select 1 +", "select * from customers order by", "select case when 1 then 2",
    "select * from customers group", "select 1 2 3 4", "select * from from customers", "select 3 > 2 > 1",
    "with x as select 1 select * from x", "select * from customers limit limit",
]  # fmt: skip


@pytest.mark.parametrize("sql", SYNTAX)
def test_text_that_does_not_parse(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), SQLSyntaxError)


def test_a_place_behind_letters_of_several_bytes(company: Company) -> None:
    sql = "select 'é日😀', nosuch from customers"
    error = company.fails(lambda: company.query(sql), ColumnNotFound)
    assert error.span is not None
    assert sql[slice(*error.span)] == "nosuch"


def test_a_syntax_error_shows_the_place(company: Company) -> None:
    error = company.fails(lambda: company.query("select *\nfrom customers\nwhere id = = 1"), SQLSyntaxError)
    assert "^" in str(error)
    assert "where id = = 1" in str(error)
    assert "3 │" in str(error)


NAMES = [
    ("select * from custmers", TableNotFound, ["custmers", "customers", "^"]),
    ("select * from nowhere.customers", TableNotFound, ["nowhere"]),
    ("select * from shop.custmers", TableNotFound, ["custmers", "customers"]),
    ("select * from shop.main.missing", TableNotFound, ["missing"]),
    ("with x as (select 1) select * from y", TableNotFound, ["y"]),
    ("select * from customers where id in (select id from nosuch)", TableNotFound, ["nosuch"]),
    ("select (select max(id) from nosuch) from customers", TableNotFound, ["nosuch"]),
    ("select nam from customers", ColumnNotFound, ["nam", "name", "^"]),
    ("select c.nam from customers c", ColumnNotFound, ["nam", "name"]),
    ("select id from customers where nme = 'x'", ColumnNotFound, ["nme", "name"]),
    ("select id from customers order by nme", ColumnNotFound, ["nme"]),
    ("select count(*) from customers group by nme", ColumnNotFound, ["nme"]),
    ("select 1 from customers c join orders o on o.custmer_id = c.id", ColumnNotFound, ["custmer_id", "customer_id"]),
    ("selec", SQLSyntaxError, ["SELEC", "Did you mean SELECT?", "^^^^^"]),
    ("select 1 from customers join orders using (nme)", ColumnNotFound, ["nme", "name", "left side"]),
    ("select 1 from customers join orders using (name)", ColumnNotFound, ["name", "right side", "ON"]),
    ("select \"no such\" from customers", ColumnNotFound, ["no such"]),
    ("select x.name from customers c", (ColumnNotFound, TableNotFound), ["x"]),
    ("select customers.name from customers c", (ColumnNotFound, TableNotFound), ["customers"]),
    ("select x.* from customers c", (ColumnNotFound, TableNotFound), ["x"]),
    ("select * exclude (nme) from customers", (ColumnNotFound, InvalidQuery), ["nme"]),
    ("select * replace (1 as nme) from customers", (ColumnNotFound, InvalidQuery), ["nme"]),
    ("select * from customers join orders using (nme)", (ColumnNotFound, InvalidQuery), ["nme"]),
    ("select * from shared", AmbiguousTable, ["shop", "lake", "shared"]),
    ("select id from customers c join orders o on o.customer_id = c.id", (InvalidQuery, ColumnNotFound), ["id"]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "error", "words"), NAMES, ids=[sql for sql, _, _ in NAMES])
def test_names_that_are_not_there(company: Company, sql: str, error: type[FedqError], words: list[str]) -> None:
    company.fails(lambda: company.query(sql), error, *words)


MEANING = [
    "select name, count(*) from customers",
    "select id from customers where count(*) > 1",
    "select nosuchfunction(name) from customers",
    "select sum(name) from customers",
    "select upper(id, name) from customers",
    "select true + true",
    "select id from customers union select id, name from customers",
    "select id from customers where id in (select id, name from customers)",
    "select (select id, name from customers limit 1)",
    "select id from customers order by 99",
    "select id from customers group by 99",
    "select * from customers, customers",
    "select sum(sum(id)) from customers",
    "select row_number() from customers",
    "select id from customers where row_number() over () = 1",
    "select id from customers qualify id = 1 having 1",
    "select c.id.x from customers c",
    "select id from customers having name = 'x'",
    "select cast(id as nosuchtype) from customers",
    "select * from range(1, 2, 3, 4, 5)",
    "select unnest(id) from customers",
    "select id from customers where name",
    "select distinct on (id) name from customers order by sum(id)",
    "select case id when 1 then 'a' else date '2024-01-01' end + 1 from customers",
    "insert",
]  # fmt: skip


@pytest.mark.parametrize("sql", MEANING)
def test_text_that_means_nothing(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), (InvalidQuery, SQLSyntaxError, ColumnNotFound, ComputeError))


COMPUTING = [
    "select cast(name as integer) from customers",
    "select id from customers where cast(name as date) > '2024-01-01'",
    "select 9223372036854775807 + id from customers",
    "select (id + 2147483646)::integer from customers",
    "select credit::decimal(2,1) * 1000 from customers",
    "select (select id from customers)",
    "select date '2024-02-30'",
    "select list_value(1)[name::int] from customers",
    "select error(name) from customers",
    "select name::uuid from customers",
    "select regexp_matches(name, '(') from customers",
    "select strptime(name, '%Y') from customers",
    "select json_extract(name, '$.x') from customers",
    "select repeat(name, 10000000000) from customers",
]  # fmt: skip


@pytest.mark.parametrize("sql", COMPUTING)
def test_text_that_cannot_be_computed(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), (ComputeError, InvalidQuery))


@pytest.mark.parametrize("depth", [300, 3_000, 20_000])
def test_nesting_without_end(company: Company, depth: int) -> None:
    for opening, closing in (("(", ")"), ("not ", ""), ("-", ""), ("[", "]"), ("(select ", ")")):
        sql = f"select {opening * depth}1{closing * depth} from customers limit 1"
        try:
            company.query(sql)
        except FedqError as error:
            assert error.hint
    company.works(company.federation)


def test_a_very_long_text(company: Company) -> None:
    terms = " or ".join(f"id = {i}" for i in range(1_000))
    assert len(company.query(f"select id from customers where {terms}").rows()) == 20
    numbers = ", ".join(map(str, range(20_000)))
    assert len(company.query(f"select id from customers where id in ({numbers})").rows()) == 20


@pytest.mark.parametrize("sql", ["select '\ud800' from customers", 'select id as "\ud800" from customers'])
def test_text_that_is_not_unicode(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), (SQLSyntaxError, InvalidQuery, ParameterError, ComputeError))


@pytest.mark.parametrize("sql", [None, 42, b"select 1", ["select 1"], {"sql": "select 1"}])
def test_what_is_not_text(company: Company, sql: object) -> None:
    company.fails(lambda: company.query(sql), (SQLSyntaxError, InvalidQuery, ParameterError))  # type: ignore[arg-type]


def test_a_nul_character(company: Company) -> None:
    try:
        assert company.query("select 'a\0b' as x from customers limit 1").scalar() == "a\0b"
    except FedqError as error:
        assert error.hint
    company.works(company.federation)


def test_a_query_without_end_ends_at_its_timeout(company: Company) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n, customers"
    error = company.fails(lambda: company.query(endless, timeout=0.5), QueryTimeout, "0.5")
    assert isinstance(error, TimeoutError)


OPTIONS = [
    {"on_cross_db": "maybe"}, {"max_pull": "lots"}, {"max_pull": -1}, {"timeout": "soon"}, {"timeout": -1},
    {"using": "nowhere"}, {"using": {"customers": "nowhere"}}, {"native": "nowhere"}, {"limit": -1}, {"limit": "ten"},
    {"freshness": "stale"}, {"frames": 5}, {"frames": {"f": 5}}, {"frames": {"f": object()}}, {"engine": "steam"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_options_that_are_none(company: Company, options: dict[str, object]) -> None:
    company.fails(
        lambda: company.query("select * from customers", **options),
        (ParameterError, CatalogError, TableNotFound, InvalidQuery),
    )


def test_max_pull_is_enforced(company: Company) -> None:
    error = company.fails(
        lambda: company.query("select * from customers where length(name) > 0", max_pull=5), PullTooLarge, "customers"
    )
    assert "max_pull" in str(error)


def test_the_policy_forbids_before_anything_is_pulled(company: Company) -> None:
    sql = "select * from customers c join orders o on o.customer_id = c.id"
    company.fails(lambda: company.query(sql, on_cross_db="error"), CrossDatabaseError, "shop", "lake")


RESULTS = [
    lambda result: result.one(),
    lambda result: result.scalar(),
    lambda result: result["nosuch"],
    lambda result: result[99],
]  # fmt: skip


@pytest.mark.parametrize("ask", RESULTS, ids=["one", "scalar", "column", "row"])
def test_results_that_have_not_what_is_asked(company: Company, ask) -> None:
    result = company.query("select id, name from customers")
    error = company.fails(lambda: ask(result), ResultError)
    assert isinstance(error, LookupError)


def test_two_statements(company: Company) -> None:
    for sql in ("select 1; select 2", "select 1;\n;select id from customers", "select 1; -- c\n drop table customers"):
        company.fails(lambda sql=sql: company.query(sql), (NotAllowed, SQLSyntaxError, InvalidQuery))
    assert company.query("select 1 as x; -- and nothing more").scalar() == 1
