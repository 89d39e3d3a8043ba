"""What the tests of the MySQL source share: a source on a test server, a Select from a description, the server's processes."""

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
from fedq.dialects.mysql import MYSQL
from fedq.fetch.mysql.source import MySQLSource
from fedq.fetch.source import Output, Select
from fedq.types import Type
from tests.servers import MariaDBServer


@contextmanager
def source_on(url: str, password: str | None = None, **fields: Any) -> Iterator[MySQLSource]:
    """A source on the database of a test URL, named `my`."""
    parts = urlsplit(url)
    clean = f"mysql://{parts.username}@{parts.netloc.rpartition('@')[2]}{parts.path}"
    source = MySQLSource(Database("my", "mysql", clean, **fields), lambda: password or parts.password)
    try:
        yield source
    finally:
        source.close()


def described(source: MySQLSource, table: str, schema: str | None = None) -> TableSchema:
    (found,) = source.describe([PhysicalTable(schema, table)])
    assert found is not None
    return found


def select_all(
    table: TableSchema,
    *columns: str,
    types: dict[str, Type] | None = None,
    policy: str = "error",
    tail: str = "",
    is_distinct: bool = False,
) -> Select:
    """The columns of a table as the planner asks for them."""
    outputs = []
    for column in table.columns:
        if not columns or column.name in columns:
            column = replace(column, type=(types or {}).get(column.name, column.type), policy=policy)
            outputs.append(Output(f"t.{MYSQL.quote(column.physical)}", column.name, column.type, column))
    name = MYSQL.table(table.table.schema, table.table.name)
    return Select(tuple(outputs), f"FROM {name} AS t {tail}", is_distinct)


def expression(sql: str, type_: Type, tail: str = "") -> Select:
    return Select((Output(sql, "x", type_),), tail)


def read(source: MySQLSource, select: Select, timeout: float | None = None) -> pa.Table:
    session = source.open(timeout)
    try:
        batches = list(session.read(select))
    finally:
        session.close()
    return pa.Table.from_batches(batches)


def native(source: MySQLSource, sql: str) -> pa.Table:
    session = source.open()
    try:
        return pa.Table.from_batches(list(session.native(sql)))
    finally:
        session.close()


def column(source: MySQLSource, table: str, name: str, **how: Any) -> list[Any]:
    """The values of one column in the order of `id`."""
    return read(source, select_all(described(source, table), name, tail="ORDER BY id", **how))[name].to_pylist()


def running(server: MariaDBServer, part: str) -> int:
    """How many connections of the application's user run a statement that contains `part`."""
    rows = server.sql("SELECT info FROM information_schema.processlist WHERE user = 'app'", "mysql", admin=True)
    return sum(part in (info or "") for (info,) in rows)


def connected(server: MariaDBServer, database: str) -> int:
    """How many connections there are to a database."""
    [(count,)] = server.sql(
        f"SELECT count(*) FROM information_schema.processlist WHERE db = '{database}'", "mysql", admin=True
    )
    return int(count)


def eventually(is_so: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Whether it becomes so in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()
