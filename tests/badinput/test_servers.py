"""Servers that refuse, hang, die in the middle or speak something else: one named error, and then it works again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import fedq
from fedq.errors import (
    ColumnNotFound,
    ConnectionFailed,
    ConnectionLost,
    DatabaseError,
    FedqError,
    NotAllowed,
    PullTooLarge,
    QueryTimeout,
    TableNotFound,
)  # fmt: skip
from tests.badinput.support import PASSWORD, Company, fails
from tests.servers import FaultProxy
from tests.servers.base import free_port

SERVERS = [("crm", "accounts"), ("bills", "invoices")]
BOTH = pytest.mark.parametrize(("database", "table"), SERVERS)
#: not said in any server's own SQL: the rows come over the wire
ROWS = "select count(*) from {table} where reverse(name) <> 'y' and reverse(id::varchar) <> ''"


def other(company: Company, database: str, url: str, **options: Any) -> fedq.Federation:
    """A federation in which one server has another URL."""
    databases = {**company.databases, database: {"url": url, **options}}
    return fedq.connect(company.catalog(databases=databases))


def local(federation: fedq.Federation) -> None:
    """The databases without a server go on."""
    assert federation.query("select count(*) from customers").scalar() == 20
    assert federation.query("select count(*) from orders").scalar() == 100


@BOTH
def test_nobody_listens(servers: Company, database: str, table: str) -> None:
    with other(servers, database, servers.at_port(database, free_port())) as federation:
        error = fails(lambda: federation.query(f"select * from {table}"), ConnectionFailed, database, "127.0.0.1")
        assert isinstance(error, ConnectionError)
        assert error.__cause__ is not None
        local(federation)


@BOTH
def test_wrong_password(servers: Company, database: str, table: str) -> None:
    url = servers.urls[database].replace("fq-CANARY-7f3a", "fq-CANARY-7f3a-wrong")
    with other(servers, database, url) as federation:
        started = time.monotonic()
        fails(lambda: federation.query(f"select * from {table}"), ConnectionFailed, database, "password")
        assert time.monotonic() - started < 5
        local(federation)


@BOTH
def test_no_such_user_database_host(servers: Company, database: str, table: str) -> None:
    url = servers.urls[database]
    for wrong in (url.replace("canary_", "nobody_"), url + "_missing", url.replace("127.0.0.1", "host.invalid")):
        with other(servers, database, wrong) as federation:
            fails(lambda federation=federation: federation.query(f"select * from {table}"), ConnectionFailed, database)
            local(federation)


def test_a_server_of_another_kind(servers: Company) -> None:
    ports = {name: servers.urls[name].rpartition(":")[2].partition("/")[0] for name, _ in SERVERS}
    for (database, table), stranger in zip(SERVERS, reversed(ports.values()), strict=True):
        with other(
            servers, database, servers.at_port(database, int(stranger)), options={"connect_timeout": 2}
        ) as federation:
            fails(
                lambda federation=federation, table=table: federation.query(f"select * from {table}", timeout=5),
                (ConnectionFailed, ConnectionLost, QueryTimeout),
                database,
            )
            local(federation)


@BOTH
@pytest.mark.parametrize("fault", ["rst_after", "fin_after"])
def test_killed_in_the_middle_of_a_pull(
    servers: Company, database: str, table: str, fault: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        assert federation.query(ROWS.format(table=table)).scalar() == 20000
        proxy.set(fault, 300_000)
        fails(lambda: federation.query(ROWS.format(table=table)), ConnectionLost, database)
        proxy.set("pass")
        servers.works(federation)


@BOTH
def test_reset_before_anything_is_answered(
    servers: Company, database: str, table: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        for after in (0, 1, 10, 100, 1000):
            proxy.set("fin_after", after)
            fails(
                lambda federation=federation: federation.query(ROWS.format(table=table)),
                (ConnectionFailed, ConnectionLost),
                database,
            )
        proxy.set("pass")
        servers.works(federation)


@BOTH
def test_an_idle_connection_that_was_cut_is_replaced(
    servers: Company, database: str, table: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        servers.works(federation)
        proxy.reset_all()
        servers.works(federation)


@BOTH
def test_a_black_hole_at_connect(
    servers: Company, database: str, table: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        proxy.set("blackhole")
        started = time.monotonic()
        fails(lambda: federation.query(f"select * from {table}", timeout=1), (QueryTimeout, ConnectionFailed))
        assert time.monotonic() - started < 9
        local(federation)
        proxy.set("pass")
        servers.works(federation)


@BOTH
def test_a_black_hole_in_the_middle(
    servers: Company, database: str, table: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        servers.works(federation)
        proxy.set("blackhole")
        started = time.monotonic()
        fails(lambda: federation.query(ROWS.format(table=table), timeout=1), (QueryTimeout, ConnectionLost))
        assert time.monotonic() - started < 9
        proxy.set("pass")
        servers.works(federation)


@BOTH
def test_a_slow_line_meets_its_timeout(
    servers: Company, database: str, table: str, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(_port(servers, database))
    with other(servers, database, servers.at_port(database, proxy.port)) as federation:
        servers.works(federation)
        proxy.set("rate", 100_000)
        started = time.monotonic()
        error = fails(lambda: federation.query(ROWS.format(table=table), timeout=1), QueryTimeout, "1")
        assert time.monotonic() - started < 9
        assert isinstance(error, TimeoutError)
        proxy.set("pass")
        servers.works(federation)


SLEEP = {"crm": "select pg_sleep(30)", "bills": "select sleep(30)"}


@pytest.mark.parametrize("database", SLEEP)
def test_a_slow_statement_is_gone_from_the_server(servers: Company, database: str, postgres: Any, mariadb: Any) -> None:
    started = time.monotonic()
    fails(lambda: servers.query(SLEEP[database], native=database, timeout=1), QueryTimeout)
    assert time.monotonic() - started < 9
    deadline = time.monotonic() + 2
    while running := _sleeping(database, postgres, mariadb):
        assert time.monotonic() < deadline, running
        time.sleep(0.05)
    servers.works(servers.federation)


@pytest.mark.parametrize(
    ("victim", "name", "table"), [("postgres_victim", "crm", "accounts"), ("mariadb_victim", "bills", "invoices")]
)
def test_a_server_that_dies_and_comes_back(
    victim: str, name: str, table: str, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    server = request.getfixturevalue(victim)
    company = Company(tmp_path, *((server, None) if name == "crm" else (None, server)))
    with company.federation as federation:
        company.works(federation)
        server.kill()
        fails(lambda: federation.query(ROWS.format(table=table)), (ConnectionLost, ConnectionFailed), name)
        fails(lambda: federation.query(ROWS.format(table=table)), (ConnectionLost, ConnectionFailed), name)
        server.restart()
        company.works(federation)
        with server.frozen():
            fails(lambda: federation.query(ROWS.format(table=table), timeout=1), (QueryTimeout, ConnectionLost))
        company.works(federation)


@BOTH
def test_no_right_to_a_table(servers: Company, database: str, table: str) -> None:
    with fedq.connect(servers.catalog(tables={**servers.tables, "secret": database})) as federation:
        fails(lambda: federation.query("select * from secret"), (DatabaseError, TableNotFound), "secret")
        servers.works(federation)


@BOTH
def test_native_text_that_is_wrong(servers: Company, database: str, table: str) -> None:
    for sql in (
        "selec 1",
        "select * from nosuch",
        f"select nosuch from {table}",
        "",
        "select 1; select 2",
        "select 'open",
    ):
        error = fails(
            lambda sql=sql: servers.query(sql, native=database),
            (DatabaseError, NotAllowed, TableNotFound, ColumnNotFound, fedq.SQLSyntaxError),
        )
        if "nosuch" in sql:
            assert "nosuch" in str(error)
            assert error.__cause__ is not None
    servers.works(servers.federation)


@BOTH
def test_max_pull_stops_a_pull_on_its_way(servers: Company, database: str, table: str) -> None:
    for limit in (100, "100KB"):
        fails(lambda limit=limit: servers.query(ROWS.format(table=table), max_pull=limit), PullTooLarge, database)
    servers.works(servers.federation)


@BOTH
def test_too_many_connections_is_a_wait_not_a_crash(servers: Company, database: str, table: str) -> None:
    parts = " union all ".join(f"select count(*) n from {table} where reverse(name) <> '{i}'" for i in range(12))
    with other(servers, database, servers.urls[database], options={"max_connections": 1}) as federation:
        assert federation.query(f"select sum(n) from ({parts})").scalar() == 12 * 20000


def test_errors_chain_what_the_driver_said_without_secrets(servers: Company) -> None:
    for database, table in SERVERS:
        try:
            servers.query(f"select nosuch from {table}", native=database)
        except FedqError as error:
            assert error.__cause__ is not None
            assert PASSWORD not in "".join(map(str, (error, error.__cause__, error.facts)))


def _port(company: Company, database: str) -> int:
    return int(company.urls[database].rpartition(":")[2].partition("/")[0])


def _sleeping(database: str, postgres: Any, mariadb: Any) -> list[Any]:
    if database == "crm":
        return postgres.sql(
            "select query from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'",
            admin=True,
        )
    return mariadb.sql(
        "select info from information_schema.processlist where info like 'select sleep(30)%'", "mysql", admin=True
    )
