"""What an ideal solution for multiple databases would address, as a page of 2008 lists it: one test per demand.

The demands that reading alone can meet are here, each quoted in its test; the small company has accounts in PostgreSQL,
a legacy billing database in MariaDB, and products and events on the user's own disk.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import fedq
from fedq.errors import (
    AmbiguousTable,
    CatalogError,
    CrossDatabaseError,
    CrossDatabaseWarning,
    PullTooLarge,
    SecretError,
    TableNotFound,
)

TOML = """
version = 1

[databases.accounts]
url = "{accounts}"
password = {{ env = "ACCOUNTS_PASSWORD" }}

[databases.billing]
url = "{billing}"
password = {{ file = "billing.password" }}
read_only = true

[databases.local]
url = "sqlite:///local.db"

[databases.archive]
url = "duckdb:///archive.duckdb"

[databases.lake]
url = "events/*.parquet"

[tables]
"auth_*" = "accounts"
products = "local"
invoices = {{ database = "billing", table = "inv_v2", columns = {{ total = "AMT_TTL", customer = "CUST NO" }} }}
events = "lake"

[policy]
on_cross_db = "warn"

[profiles.dev.databases]
accounts.url = "sqlite:///dev.db"
"""

USERS = [(1, "Ann", "NL"), (2, "ann", "BE"), (3, "Zoë", "NL")]
JOIN = """select u.name, sum(i.total) as spent from auth_user u join invoices i on i.customer = u.id
          where u.country = :country group by u.name order by spent desc"""


class Company:
    """The files and databases; `connect()` is what a user does."""

    def __init__(self, folder: Path, postgres: Any, mariadb: Any) -> None:
        self.folder, self.file = folder, folder / "fedq.toml"
        accounts, billing = postgres.new_database("accounts"), mariadb.new_database("billing")
        rows = ", ".join(f"({i}, '{name}', '{country}')" for i, name, country in USERS)
        postgres.sql(
            f"create table auth_user (id int primary key, name text, country text); insert into auth_user values {rows};"
            " create table auth_group (id int primary key, name text); insert into auth_group values (1, 'staff')",
            accounts,
        )
        mariadb.sql("create table inv_v2 (id int primary key, `CUST NO` int, AMT_TTL decimal(10,2), due date) ; set sql_mode = '';"
                    " insert into inv_v2 values (1, 1, 10.10, '2024-01-01'), (2, 1, 0.20, '2024-02-01'), (3, 3, 5.00, '0000-00-00')",
                    billing)  # fmt: skip
        _sqlite(
            folder / "local.db",
            "create table products (sku text, price decimal(8,2))",
            "insert into products values ('x', 1.50)",
        )
        _sqlite(
            folder / "dev.db",
            "create table auth_user (id integer, name text, country text)",
            f"insert into auth_user values {rows}",
        )
        with duckdb.connect(str(folder / "archive.duckdb")) as archive:
            archive.execute("create table auth_user as select 9 as id, 'Old' as name, 'NL' as country")
            archive.execute("create table products as select 'old' as sku, 0.5::decimal(8,2) as price")
        (folder / "events").mkdir()
        duckdb.sql("select i as id, i % 3 + 1 as user_id from range(300) r(i)").write_parquet(
            str(folder / "events/events.parquet")
        )
        (folder / "billing.password").write_text(mariadb.password + "\n")
        (folder / "billing.password").chmod(0o600)
        self.password = postgres.password
        without = [
            url.replace(f":{server.password}@", "@") for url, server in ((accounts, postgres), (billing, mariadb))
        ]
        self.file.write_text(TOML.format(accounts=without[0], billing=without[1]))

    def connect(self, **options: Any) -> fedq.Federation:
        return fedq.connect(self.file, **options)


def _sqlite(file: Path, *statements: str) -> None:
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def company(tmp_path: Path, postgres: Any, mariadb: Any, monkeypatch: pytest.MonkeyPatch) -> Company:
    made = Company(tmp_path, postgres, mariadb)
    monkeypatch.setenv("ACCOUNTS_PASSWORD", made.password)
    return made


@pytest.fixture
def fed(company: Company) -> Iterator[fedq.Federation]:
    with company.connect() as federation:
        yield federation


allowed = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")


@allowed
def test_01_applications_on_databases_of_their_own(fed: fedq.Federation) -> None:
    """Different applications' tables on different databases."""
    assert fed.query("select name from auth_group").origins == {"accounts"}
    assert fed.query("select sku from products").origins == {"local"}
    result = fed.query(JOIN, {"country": "NL"})
    assert result.rows() == [("Ann", Decimal("10.30")), ("Zoë", Decimal("5.00"))]
    assert result.origins == {"accounts", "billing"}
    assert fed.query("select count(*) from events e join auth_user u on u.id = e.user_id").scalar() == 300


@allowed
def test_02_another_database_for_an_application_without_modifying_it(company: Company, fed: fedq.Federation) -> None:
    """Assign another database to an existing application without modifying it."""
    before = fed.query(JOIN, {"country": "NL"})
    with company.connect(profile="dev") as dev:
        after = dev.query(JOIN, {"country": "NL"})
        assert (after.rows(), after.columns) == (before.rows(), before.columns)
        assert dev.query("select count(*) from auth_user").sources[0].sql != ""
    moved = fed.assign("auth_*", "archive")
    assert moved.query("select name from auth_user").rows() == [("Old",)]
    assert fed.query("select count(*) from auth_user").scalar() == 3
    assert fed.using(auth_user="archive").query("select id from auth_user").scalar() == 9
    text = company.file.read_text()
    fed.assign("auth_*", "archive", save=True)
    changed = [
        (old, new)
        for old, new in zip(text.splitlines(), company.file.read_text().splitlines(), strict=True)
        if old != new
    ]
    assert changed == [('"auth_*" = "accounts"', '"auth_*" = "archive"')]
    with company.connect() as again:
        assert again.query("select name from auth_user").rows() == [("Old",)]


@allowed
def test_05_legacy_databases_beside_new_ones(fed: fedq.Federation) -> None:
    """Existing or legacy databases, while new work goes to its own database."""
    assert fed.query("select customer, total from invoices where id = 1").rows() == [(1, Decimal("10.10"))]
    assert list(fed.query("select * from invoices where id = 1 and due > '2020-01-01'").columns) == [
        "id",
        "customer",
        "total",
        "due",
    ]
    with pytest.raises(fedq.ValueNotRepresentable) as dirty:
        fed.query("select due from invoices")
    assert "on_unrepresentable" in str(dirty.value)
    assert "0000-00-00" in str(dirty.value)
    with pytest.raises((fedq.ReadOnlyError, fedq.NotAllowed)):
        fed.query("delete from invoices")
    with pytest.raises(fedq.FedqError):
        fed.query("delete from inv_v2", native="billing")
    assert fed.query("select count(*) from inv_v2", native="billing").scalar() == 3


def test_08_how_connections_are_defined(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """How connections are defined."""
    with fedq.connect(crm=f"sqlite:///{company.folder}/dev.db", lake=str(company.folder / "events/*.parquet")) as plain:
        assert plain.query("select count(*) from crm.auth_user").scalar() == 3
    monkeypatch.chdir(company.folder)
    with fedq.connect() as found:  # the nearest fedq.toml
        assert found.query("select count(*) from products").scalar() == 1
    monkeypatch.delenv("ACCOUNTS_PASSWORD")
    with company.connect() as without:
        with pytest.raises(SecretError) as unset:
            without.query("select * from auth_user")
        assert "ACCOUNTS_PASSWORD" in str(unset.value)
        assert without.query("select count(*) from products").scalar() == 1
    company.file.write_text(company.file.read_text().replace("[databases.local]\nurl =", "[databases.local]\nulr ="))
    with pytest.raises(CatalogError) as wrong:
        company.connect()
    assert "ulr" in str(wrong.value)
    assert "url" in str(wrong.value)


@allowed
def test_09_how_a_query_says_which_database_it_runs_on(fed: fedq.Federation) -> None:
    """How a query says which database it runs on: one documented precedence."""
    ask = "select sku from products"
    assert fed.query(ask).scalar() == "x"
    assert fed.query("select sku from archive.products").scalar() == "old"
    assert fed.query("select sku from archive.main.products").scalar() == "old"
    assert fed.using("archive").query(ask).scalar() == "old"
    assert fed.query(ask, using="archive").scalar() == "old"
    assert fed.using("archive").query(ask, using={"products": "local"}).scalar() == "x"
    assert fed.query("select count(*) from auth_user a join archive.auth_user b on a.country = b.country").scalar() == 2
    with pytest.raises(TableNotFound):
        fed.query(ask, using="lake")
    with pytest.raises(TableNotFound):
        fed.query("select * from nowhere.products")


@allowed
def test_10_how_tables_are_associated_with_databases(company: Company, fed: fedq.Federation) -> None:
    """How tables are associated with databases, cleanly, also for applications that are not ours."""
    tables = str(fed.tables())
    for name in ("auth_user", "products", "invoices", "events"):
        assert name in tables
    catalog = {
        "version": 1,
        "databases": {
            "one": {"url": str(company.folder / "dev.db")},
            "two": {"url": str(company.folder / "archive.duckdb")},
        },
    }
    with fedq.connect(catalog) as unsettled:
        with pytest.raises(AmbiguousTable) as both:
            unsettled.query("select * from auth_user")
        assert "one" in str(both.value)
        assert "two" in str(both.value)
        assert unsettled.query("select sku from products").scalar() == "old"  # only one database has it
    with fedq.connect({**catalog, "tables": {"auth_*": "two", "auth_user": "one"}}) as settled:
        assert settled.query("select count(*) from auth_user").scalar() == 3  # an exact name wins over a pattern


def test_12_joins_across_databases(fed: fedq.Federation) -> None:
    """Joins across databases: do they work, how are they detected, what is the error or warning."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fed.query(JOIN, {"country": "NL"}).rows()[0] == ("Ann", Decimal("10.30"))
    crossed = [warning for warning in seen if issubclass(warning.category, CrossDatabaseWarning)]
    assert len(crossed) == 1
    assert crossed[0].filename == __file__
    said = str(crossed[0].message)
    for word in ("accounts", "billing", "auth_user", "invoices", "rows", "not one transaction", "on_cross_db"):
        assert word in said
    assert set(crossed[0].message.databases) == {"accounts", "billing"}  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("error", CrossDatabaseWarning)
        assert len(fed.query(JOIN, {"country": "NL"}, on_cross_db="allow").rows()) == 2
        assert (
            fed.query("select count(*) from auth_user a join auth_group g on a.id = g.id").scalar() == 1
        )  # one database
    with pytest.raises(CrossDatabaseError) as refused:
        fed.query(JOIN, {"country": "NL"}, on_cross_db="error")
    assert "accounts" in str(refused.value)
    with pytest.raises(PullTooLarge):
        fed.query(
            "select count(*) from events e join products p on p.sku = e.id::varchar", on_cross_db="allow", max_pull=10
        )
    plan = str(fed.explain(JOIN, {"country": "NL"}))
    assert "accounts" in plan
    assert "billing" in plan
    assert "SELECT" in plan.upper()


@allowed
def test_13_rows_know_where_they_came_from(fed: fedq.Federation) -> None:
    """Do loaded rows know which database they came from; can that be overridden, as with using('archive')."""
    result = fed.query(JOIN, {"country": "NL"})
    assert result.origins == {"accounts", "billing"}
    assert {source.database: source.tables for source in result.sources} == {
        "accounts": ("auth_user",),
        "billing": ("invoices",),
    }
    assert all(source.sql and source.rows for source in result.sources)
    assert json.loads(json.dumps(result.to_pandas().attrs["fedq"]))
    assert fed.query("select _database, count(*) from auth_user group by 1").rows() == [("accounts", 3)]
    old = fed.using(auth_user="archive").query("select *, _database from auth_user")
    assert old.rows() == [(9, "Old", "NL", "archive")]
    assert old.origins == {"archive"}
    everyone = "select _database, name from auth_user union all select _database, name from archive.auth_user"
    assert sorted({row[0] for row in fed.query(everyone).rows()}) == ["accounts", "archive"]
