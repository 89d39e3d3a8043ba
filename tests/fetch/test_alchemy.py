"""Any other database, through SQLAlchemy: tried on SQLite, and on PostgreSQL with a driver that fedq does not use."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.dialects.base import Unsayable
from fedq.dialects.generic import GENERIC
from fedq.errors import (
    CatalogError,
    ConnectionFailed,
    DatabaseError,
    DriverMissing,
    NotAllowed,
    QueryCancelled,
    QueryTimeout,
    ValueNotRepresentable,
)
from fedq.fetch.alchemy.source import AlchemySource
from tests.fetch import local
from tests.servers import PostgresServer

ENDLESS = "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"


def source_of(url: str, password: str | None = None) -> AlchemySource:
    return AlchemySource(Database("other", "generic", url), lambda: password)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[AlchemySource]:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript(
            "create table T (id integer primary key, d decimal(10,2), day date, at timestamp, b boolean, s varchar(5),"
            " j json, raw blob, f float, n numeric); create index i on T (s); create view v as select id from T;"
            "insert into T values (1, 1.5, '2024-01-05', '2024-01-05 10:00:00', 1, 'x%s:y', '{\"a\":1,\"a\":2}', x'00', 0.1, 5);"
            "create table bad (d decimal(5,2)); insert into bad values ('x')"
        )
    connection.close()
    source = source_of(f"sqlite+pysqlite:///{tmp_path}/a.db")
    yield source
    source.close()


def test_values(source: AlchemySource) -> None:
    assert [table.name for table in source.list_tables()] == ["T", "bad", "v"]
    table = local.described(source, "t")
    assert {column.name: str(column.type) for column in table.columns} == {
        "id": "BIGINT", "d": "DECIMAL(10,2)", "day": "DATE", "at": "TIMESTAMP", "b": "BOOLEAN", "s": "VARCHAR",
        "j": "JSON", "raw": "BLOB", "f": "DOUBLE", "n": "DOUBLE",
    }  # fmt: skip
    assert table.key == ("id",) and table.indexed == {"s"} and not table.is_view
    assert {column.comparison.value for column in table.columns} == {"loose", "unlike"}
    assert local.rows(source, "T", GENERIC) == [
        (1, Decimal("1.50"), dt.date(2024, 1, 5), dt.datetime(2024, 1, 5, 10), True, "x%s:y", '{"a":1,"a":2}', b"\0", 0.1,
         5.0)
    ]  # fmt: skip
    assert local.described(source, "v").is_view and local.rows(source, "v", GENERIC) == [(1,)]
    assert source.describe([PhysicalTable(None, "none")]) == [None]
    with pytest.raises(ValueNotRepresentable, match="column 'd'"):
        local.rows(source, "bad", GENERIC)
    assert local.rows(source, "bad", GENERIC, d={"policy": "text"}) == [("x",)]


def test_native(source: AlchemySource) -> None:
    assert local.native(source, "select 'a%b' as x, count(*) as n from T where s like '%s%'").to_pylist() == [
        {"x": "a%b", "n": 1}
    ]
    assert local.native(source, "select 'delete' as x").to_pylist() == [{"x": "delete"}]
    for sql in (
        "delete from T",
        "select 1; select 2",
        "with a as (select 1) delete from T",
        "",
        "create table x (a int)",
    ):
        with pytest.raises(NotAllowed):
            local.native(source, sql)
    with pytest.raises(DatabaseError, match="no such table"):
        local.native(source, "select * from absent")


def test_cancel_and_timeout(source: AlchemySource) -> None:
    session = source.open()
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        session.cancel()

    threading.Timer(0.2, stop).start()
    with pytest.raises(QueryCancelled):
        list(session.native(ENDLESS))
    assert time.monotonic() - stopped[0] < 1.5
    session.close()
    session = source.open(0.2)
    with pytest.raises(QueryTimeout):
        list(session.native(ENDLESS))
    session.close()
    assert len(local.rows(source, "v", GENERIC)) == 1


@pytest.mark.parametrize("url", ["nosuch://x@h/db", "oracle+oracledb://u@h/db"])
def test_a_missing_driver_is_named(url: str) -> None:
    with pytest.raises(DriverMissing, match=url.partition(":")[0].replace("+", r"\+")) as caught:
        source_of(url, "hunter2").list_tables()
    assert "hunter2" not in str(caught.value)


def test_bad_addresses(tmp_path: Path) -> None:
    with pytest.raises(CatalogError):
        source_of("sqlite+pysqlite://host/db").list_tables()
    with pytest.raises(ConnectionFailed):
        source_of(f"sqlite+pysqlite:///{tmp_path}/no/such.db").list_tables()


def test_what_the_dialect_says() -> None:
    assert GENERIC.literal(None) == "NULL" and GENERIC.literal(5) == "5"
    for value in ("a\\b", True, 1.5, Decimal("1.5"), dt.date(2024, 1, 1), b"x", 2**63):
        with pytest.raises(Unsayable):
            GENERIC.literal(value)


def test_postgresql_through_psycopg(postgres: PostgresServer) -> None:
    url = postgres.new_database("alchemy")
    parts = urlsplit(url)
    clean = f"postgresql+psycopg://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    name = parts.path[1:]
    postgres.sql(
        "create table t (id bigint primary key, n numeric(20,5), big numeric, t timestamptz, d date, b bytea, u uuid, j json,"
        " o boolean, e interval, x double precision)",
        name,
    )
    postgres.sql(
        "insert into t values (1, 1.00001, 'NaN', '2024-01-01 00:00+02', '2024-01-31', '\\x00ff',"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\":1,\"a\":2}', true, '1 day 2 hours', 0.1)",
        name,
    )
    source = source_of(clean, parts.password)
    ((id_, n, big, at, *rest),) = local.rows(source, "t", GENERIC)
    assert (id_, n, at) == (1, Decimal("1.00001"), dt.datetime(2023, 12, 31, 22, tzinfo=dt.UTC)) and big != big
    assert rest[:3] == [dt.date(2024, 1, 31), b"\0\xff", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]
    assert rest[3] == '{"a":1,"a":2}' and rest[4] is True and rest[5].days == 1 and rest[6] == 0.1
    session = source.open()
    postgres.sql("insert into t (id) values (2)", name)
    assert next(session.native("select count(*) as n from t")).to_pylist() == [{"n": 1}]
    postgres.sql("insert into t (id) values (3)", name)
    assert next(session.native("select count(*) as n from t")).to_pylist() == [{"n": 1}], "one snapshot"
    threading.Timer(0.2, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(QueryCancelled):
        list(session.native("select pg_sleep(20)"))
    assert time.monotonic() - started < 3
    session.close()
    assert len(local.rows(source, "t", GENERIC)) == 3
    source.close()
    canary = f"{'fq'}-CANARY-password"  # not to be found in this file's own text, which a traceback shows
    with pytest.raises(ConnectionFailed) as caught:
        source_of(clean, canary).list_tables()
    assert canary not in "".join(traceback.format_exception(caught.value))
