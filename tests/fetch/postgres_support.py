"""What the tests of the PostgreSQL source share: a source on a test server, a Select from a description, activity."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.dialects.postgres import POSTGRES
from fedq.fetch.postgres.source import PostgresSource
from fedq.fetch.source import Output, Select
from fedq.types import Type
from tests.servers import PostgresServer


@contextmanager
def source_on(url: str, password: str | None = None, **fields: Any) -> Iterator[PostgresSource]:
    """A source on the database of a test URL, named `pg`."""
    parts = urlsplit(url)
    clean = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    source = PostgresSource(Database("pg", "postgres", clean, **fields), lambda: password or parts.password)
    try:
        yield source
    finally:
        source.close()


def described(source: PostgresSource, table: str, schema: str | None = None) -> TableSchema:
    (found,) = source.describe([PhysicalTable(schema, table)])
    assert found is not None
    return found


def select_all(
    table: TableSchema, *columns: str, types: dict[str, Type] | None = None, policy: str = "error", tail: str = ""
) -> Select:
    """The columns of a table as the planner asks for them."""
    outputs = []
    for column in table.columns:
        if not columns or column.name in columns:
            column = replace(column, type=(types or {}).get(column.name, column.type), policy=policy)
            outputs.append(Output(f"t.{POSTGRES.quote(column.physical)}", column.name, column.type, column))
    name = POSTGRES.table(table.table.schema, table.table.name)
    return Select(tuple(outputs), f"FROM {name} AS t {tail}")


def expression(sql: str, type_: Type, tail: str = "") -> Select:
    return Select((Output(sql, "x", type_),), tail)


def read(source: PostgresSource, select: Select, timeout: float | None = None) -> pa.Table:
    session = source.open(timeout)
    try:
        return pa.Table.from_batches(session.read(select))
    finally:
        session.close()


def activity(server: PostgresServer, database: str, condition: str = "true") -> int:
    """How many of fedq's sessions on a database are as the condition says."""
    text = f"""SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'fedq'
               AND {condition}"""
    return int(server.sql(text, "postgres", admin=True)[0][0])


def eventually(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
