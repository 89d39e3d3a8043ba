"""A table that moves to another database by one line of the catalog: the same queries, the same rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pytest

import fedq
from fedq.errors import FedqError
from tests.oracle import battery
from tests.oracle.support import ENGINES, SERVERS, Places, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")


KEYS = {"customers": ("id",), "orders": ("id",)}
#: every two engines once, either way round, and each alone
PAIRS = [
    (one, other) if number % 2 else (other, one)
    for number, (one, other) in enumerate(itertools.combinations_with_replacement(ENGINES, 2))
]


@pytest.fixture(scope="module")
def filled(places: Places) -> Places:
    """`customers` and `orders` in the oracle."""
    places.define("customers", battery.CUSTOMERS, battery.customers())
    places.define("orders", battery.ORDERS, battery.orders())
    return places


@pytest.fixture(scope="module")
def answers(filled: Places) -> dict[str, pa.Table]:
    """The oracle's answers."""
    return {sql: filled.expected(sql) for sql, _ in battery.QUERIES}


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_the_battery_over_every_pair_of_engines(
    left: str, right: str, filled: Places, answers: dict[str, pa.Table], request: pytest.FixtureRequest
) -> None:
    for server in {left, right} & set(SERVERS):
        request.getfixturevalue(server)
    filled.place({"customers": left, "orders": right}, KEYS)
    problems = []
    for sql, is_ordered in battery.QUERIES:
        try:
            assert_same(filled.query(sql), answers[sql], ordered=is_ordered, sql=sql)
        except (AssertionError, FedqError) as problem:
            problems.append(f"{sql}\n    {type(problem).__name__}: {str(problem)[:1000]}")
    assert not problems, f"{len(problems)} of {len(battery.QUERIES)}\n" + "\n".join(problems)


@pytest.mark.parametrize("library", ["pyarrow", "polars", "relation"])
def test_the_battery_over_the_tables_of_every_library(
    library: str, filled: Places, answers: dict[str, pa.Table]
) -> None:
    filled.place({})
    for table in ("customers", "orders"):
        arrow = filled.oracle.table(table).to_arrow_table()
        filled.frames[table] = {
            "pyarrow": lambda arrow=arrow: arrow,
            "polars": lambda arrow=arrow: pytest.importorskip("polars").from_arrow(arrow),
            "relation": lambda table=table: filled.oracle.table(table),
        }[library]()
    for sql, is_ordered in battery.QUERIES:
        assert_same(filled.query(sql), answers[sql], ordered=is_ordered, sql=sql)


TOML = """
version = 1

[databases.crm]
url = "{postgres}"

[databases.shop]
url = "{mariadb}"

[databases.local]
url = "sqlite:///{sqlite}"

[tables]
customers = {{ database = "{customers}", table = "at_customers", columns = {{ active = {{ type = "BOOLEAN" }} }} }}
orders = "local.at_orders"
"""


def test_one_line_of_the_catalog_file(postgres: object, mariadb: object, filled: Places, tmp_path: Path) -> None:
    for engine in ("postgres", "mariadb"):
        filled.place({"customers": engine, "orders": "sqlite"}, KEYS)
    file = tmp_path / "fedq.toml"
    urls = {engine: filled.databases[engine]["url"] for engine in ("postgres", "mariadb")}
    lines = []
    for database in ("shop", "crm"):
        text = TOML.format(**urls, sqlite=filled.sqlite_file(), customers=database)
        file.write_text(text)
        lines.append(text.splitlines())
        with fedq.connect(file) as fed:
            for sql, is_ordered in battery.QUERIES:
                result = fed.query(sql, on_cross_db="allow")
                assert_same(result, filled.expected(sql), ordered=is_ordered, sql=sql)
                if "customers" in sql and "orders" not in sql:
                    assert result.origins == {database}, sql
    assert sum(one != other for one, other in zip(*lines, strict=True)) == 1


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "frame"], indirect=True)
def test_the_hidden_column_says_where_a_row_was_loaded(engine: str, filled: Places) -> None:
    filled.place(dict.fromkeys(("customers", "orders"), engine), KEYS)
    assert filled.query("select _database, count(*) from orders group by 1").rows() == [(engine, 60)]
    assert "_database" not in filled.query("select * from orders limit 1").columns
    assert (
        filled.query("select o._database, c.id from customers c join orders o on o.customer_id = c.id limit 1").rows()[
            0
        ][0]
        == engine
    )
    assert filled.query("select id from customers where _database = 'nowhere'").rows() == []
    assert len(filled.query(f"select c.*, c._database from customers c where c._database = '{engine}'").columns) == 8
