"""The sample company: the same rows every time, as untidy as it promises to be, and never over somebody's work."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import time
import unicodedata
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import fedq
from fedq.show import demo
from fedq.show.demo.company import Company, found

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def company() -> Company:
    return found()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "sample_dbs"
    demo.build(path)
    return path


def test_the_rows_are_the_ones_the_stored_notebooks_were_made_of(company: Company) -> None:
    digest = hashlib.sha256()
    for rows in (getattr(company, name) for name in Company.__slots__):
        for row in rows:
            digest.update(repr(tuple(row)).encode())
    assert digest.hexdigest()[:16] == "21a627d5a071b453", (
        "other rows: raise _EDITION and store the notebooks and pages anew"
    )


def test_the_customers_are_as_untidy_as_promised(company: Company) -> None:
    names = [customer.name for customer in company.customers]
    assert any(name != name.rstrip() for name in names)
    assert any(unicodedata.normalize("NFC", name) != name for name in names)
    folded = [name.strip().casefold() for name in names]
    assert len(set(folded)) < len(set(names))
    assert any(customer.email is None for customer in company.customers)
    assert {invoice.customer_id for invoice in company.invoices} < {customer.id for customer in company.customers}


def test_article_numbers_are_text(company: Company) -> None:
    skus = [product.sku for product in company.products]
    assert len(set(skus)) == len(skus) == 400
    assert {len(sku) for sku in skus} == {6}
    assert sum(sku.startswith("0") for sku in skus) > 100
    assert {line.sku for line in company.lines} <= set(skus)


def test_every_invoice_has_lines_and_a_rate(company: Company) -> None:
    assert {line.invoice_id for line in company.lines} == {invoice.id for invoice in company.invoices}
    rates = {(rate.day, rate.currency) for rate in company.rates}
    assert all(bill.currency == "EUR" or (bill.invoice_date, bill.currency) in rates for bill in company.invoices)
    assert all(line.unit_price == line.unit_price.quantize(Decimal("0.01")) > 0 for line in company.lines)


def test_what_is_stored_is_what_was_drawn(company: Company, folder: Path) -> None:
    crm = sqlite3.connect(folder / "crm.db")
    stored = crm.execute("select id, name, city, country from customers order by id").fetchall()
    crm.close()
    assert stored == [(one.id, one.name, one.city, one.country) for one in company.customers]
    with duckdb.connect(str(folder / "billing.duckdb"), read_only=True) as billing:
        assert billing.sql("select * from invoice_lines order by all").fetchall() == [
            tuple(line) for line in company.lines
        ]
    events = folder / "web" / "events" / "*" / "*.parquet"
    with duckdb.connect() as engine:
        [(count, months)] = engine.execute(
            "select count(*), count(distinct month) from read_parquet(?)", [str(events)]
        ).fetchall()
    assert (count, months) == (100_000, 12)


def test_the_archive_holds_the_same_invoices(folder: Path) -> None:
    with fedq.connect(folder / "fedq.toml") as federation:
        for table in ("invoices", "invoice_lines"):
            here, there = (
                federation.query(f"select * from {place}.{table} order by all").rows()
                for place in ("billing", "archive")
            )
            assert here == there


def test_every_table_of_the_catalog_is_there(folder: Path) -> None:
    with fedq.connect(folder / "fedq.toml") as federation:
        report = federation.check()
        assert report.ok, str(report)
        sku = federation.query("select min(sku) as sku from products").scalar()
        rate = federation.query(
            "select euros from exchange_rates where day = '2025-01-01' and currency = 'DKK'"
        ).scalar()
    assert sku.startswith("00")
    assert isinstance(rate, Decimal)


def test_only_what_is_missing_is_built_and_a_catalog_is_kept(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    mine = demo.catalog_text().replace('"billing"', '"archive"') + "# mine\n"
    (copy / "fedq.toml").write_text(mine, encoding="utf-8")
    written = (copy / "crm.db").stat().st_mtime_ns
    assert demo.ensure(copy) == copy / "fedq.toml"
    assert (copy / "crm.db").stat().st_mtime_ns == written
    connection = sqlite3.connect(copy / "crm.db")
    connection.execute("pragma user_version = 0")  # as a build leaves it that was interrupted
    connection.close()
    (copy / "office" / "products.csv").unlink()
    demo.ensure(copy)
    assert (copy / "office" / "products.csv").exists()
    assert (copy / "fedq.toml").read_text(encoding="utf-8") == mine


def test_nothing_is_written_where_somebody_else_has_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_text('version = 1\n[databases.crm]\nurl = "sqlite:///mine.db"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "fedq", "demo", str(tmp_path)], text=True, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert "not the sample company's" in done.stderr and "fedq demo DIRECTORY" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["fedq.toml"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(fedq.CatalogError, match="Not a directory"):
        demo.build(tmp_path / "file" / "sample_dbs")


def test_the_catalog_in_version_control_is_the_one_that_is_written() -> None:
    assert (ROOT / "sample_dbs" / "fedq.toml").read_text(encoding="utf-8") == demo.catalog_text()


def test_the_tour_in_an_empty_directory(tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fedq", "demo"], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 60
    for part in (
        "CrossDatabaseWarning: FQ210",
        '- "invoice*"  = "billing"',
        '+ "invoice*"  = "archive"',
        "\nTrue\n",
        "fedq query -c",
    ):
        assert part in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["sample_dbs"]
    assert (tmp_path / "sample_dbs" / "fedq.toml").read_text(encoding="utf-8") == demo.catalog_text()
    assert not (tmp_path / "sample_dbs" / "fedq-moved.toml").exists()
