"""The company's rows put where such a company keeps them: SQLite, DuckDB, CSV and Parquet, in one folder.

    crm.db            SQLite    customers, support_tickets
    billing.duckdb    DuckDB    invoices, invoice_lines
    archive.db        SQLite    the same invoices and lines, for the day they move
    office/*.csv      CSV       products, ecb_daily_2025 (somebody else's column names)
    web/events/       Parquet   events, one folder per month

Nothing here goes through fedq: what the demo shows is read from files that fedq has not written.
"""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from fedq.show.demo.company import Company, Event

_CRM = """
create table customers (
    id integer primary key, name text not null, city text, country text not null, segment text not null, email text,
    customer_since date not null, credit_limit decimal(10,2), newsletter boolean not null);
create index customers_country on customers (country);
create table support_tickets (
    id integer primary key, customer_id integer not null references customers, subject text not null,
    opened_at timestamp not null, closed_at timestamp);
create index support_tickets_customer on support_tickets (customer_id);
"""
_INVOICES = """
create table invoices (
    id integer primary key, customer_id integer not null, invoice_date date not null, currency varchar(3) not null,
    shipping decimal(8,2) not null, paid_on date);
create table invoice_lines (
    invoice_id integer not null, line integer not null, sku varchar(6) not null, quantity integer not null,
    unit_price decimal(10,2) not null, primary key (invoice_id, line));
"""
_INDEXES = """
create index invoices_customer on invoices (customer_id);
create index invoice_lines_sku on invoice_lines (sku);
"""


def store(company: Company, folder: Path) -> None:
    """Write every file of the company below `folder`, replacing what an earlier run wrote there."""
    _csv(folder / "office" / "products.csv", company.products[0]._fields, company.products)
    _csv(folder / "office" / "ecb_daily_2025.csv", ("TIME_PERIOD", "CURRENCY", "OBS_VALUE"), company.rates)
    _parquet(folder / "web" / "events", company.events)
    _duckdb(folder / "billing.duckdb", _INVOICES, {"invoices": company.invoices, "invoice_lines": company.lines})
    invoices = {"invoices": company.invoices, "invoice_lines": company.lines}
    _sqlite(folder / "archive.db", _INVOICES + _INDEXES, invoices)
    _sqlite(folder / "crm.db", _CRM, {"customers": company.customers, "support_tickets": company.tickets})


def _sqlite(path: Path, schema: str, tables: dict[str, Sequence[tuple[Any, ...]]]) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(schema)
        for table, rows in tables.items():
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into {table} values ({marks})", map(_for_sqlite, rows))
        connection.commit()
        connection.execute("analyze")
    finally:
        connection.close()


def _for_sqlite(row: Iterable[Any]) -> tuple[Any, ...]:
    """Dates as ISO text and decimals as text, which the DECIMAL column turns into numbers: what most programs store."""
    return tuple(value if value is None or isinstance(value, (int, str)) else str(value) for value in row)


def _duckdb(path: Path, schema: str, tables: dict[str, Sequence[tuple[Any, ...]]]) -> None:
    import duckdb

    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(schema)
        for table, rows in tables.items():
            connection.register("rows", _arrow(rows))
            connection.execute(f"insert into {table} select * from rows")
            connection.unregister("rows")


def _parquet(folder: Path, events: Sequence[Event]) -> None:
    from pyarrow import parquet

    shutil.rmtree(folder, ignore_errors=True)
    for month, rows in groupby(events, key=lambda event: f"{event.happened_at:%Y-%m}"):
        part = folder / f"month={month}"
        part.mkdir(parents=True)
        parquet.write_table(_arrow(list(rows)), part / "part-0.parquet", row_group_size=5_000)


def _arrow(rows: Sequence[tuple[Any, ...]]) -> Any:
    import pyarrow as pa

    fields: Sequence[str] = rows[0]._fields  # type: ignore[attr-defined]
    widest = pa.decimal128(10, 2)
    columns = [list(column) for column in zip(*rows, strict=True)]
    arrays = [pa.array(column, type=widest if isinstance(column[0], Decimal) else None) for column in columns]
    return pa.table(dict(zip(fields, arrays, strict=True)))


def _csv(path: Path, header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
