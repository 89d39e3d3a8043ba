"""A federation over four databases whose passwords are canaries, and what every error must be.

`Company.fails(call, Error)` is the whole contract: one `FedqError` of that class, with a hint, without a secret
anywhere a person or a log could see it, and afterwards every database answers again.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

import fedq
from fedq.errors import FedqError

#: every password of these tests has it, and no text that fedq shows may
CANARY = "fq-CANARY-7f3a"
#: as hard to put into a URL as passwords get
PASSWORD = CANARY + "@:/?#%&x"
_numbers = itertools.count(1)


class Company:
    """customers in SQLite, orders in DuckDB, and with servers: accounts in PostgreSQL, invoices in MariaDB."""

    def __init__(self, folder: Path, postgres: Any = None, mariadb: Any = None) -> None:
        self.folder = folder
        self.databases: dict[str, Any] = {"shop": {"url": f"sqlite:///{folder}/shop.db"}}
        self.tables: dict[str, Any] = {"customers": "shop", "orders": "lake"}
        self.urls: dict[str, str] = {}
        with sqlite3.connect(folder / "shop.db") as connection:
            connection.execute(
                "create table customers (id integer primary key, name text, credit decimal(8,2), since date)"
            )
            connection.executemany(
                "insert into customers values (?, ?, ?, ?)",
                [(i, f"name {i}", f"{i}.50", "2024-01-01") for i in range(1, 21)],
            )
            connection.execute("create table shared (id integer)")
        connection.close()
        with duckdb.connect(str(folder / "lake.duckdb")) as lake:
            lake.execute(
                "create table orders as select i id, i % 20 + 1 customer_id, i * 1.25 total from range(100) r(i)"
            )
            lake.execute("create table shared as select 1 id")
        self.databases["lake"] = {"url": f"duckdb:///{folder}/lake.duckdb"}
        for name, server, table in (("crm", postgres, "accounts"), ("bills", mariadb, "invoices")):
            if server is not None:
                self._add_server(name, server, table)
        self.federation = fedq.connect(self.catalog())

    def _add_server(self, name: str, server: Any, table: str) -> None:
        """A database of its own with a user whose password is a canary, and 20,000 rows."""
        user, database = f"canary_{os.getpid()}_{next(_numbers)}", server.new_database("bad").rpartition("/")[2]
        text = "repeat('x', 100)"
        if server.engine == "postgres":
            server.sql(f"create role {user} login password '{PASSWORD}'", admin=True)
            rows = "generate_series(1, 20000) g(i)"
        else:
            server.sql(f"create user {user}@'127.0.0.1' identified by '{PASSWORD}'", "mysql", admin=True)
            rows = "(select seq as i from seq_1_to_20000) g"
        server.sql(f"create table {table} (id int primary key, name varchar(200), amount int)", database)
        server.sql(f"insert into {table} select i, {text}, i from {rows}", database)
        server.sql("create table secret (id int)", database)
        if server.engine == "postgres":
            server.sql(f"grant select on {table} to {user}", database)
        else:
            server.sql(f"grant select on {database}.{table} to {user}@'127.0.0.1'", "mysql", admin=True)
        self.urls[name] = f"{server.scheme}://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{database}"
        self.databases[name] = {"url": self.urls[name]}
        self.tables[table] = name

    def catalog(self, **changes: Any) -> dict[str, Any]:
        """The catalog as a mapping, with sections replaced."""
        return {
            "version": 1,
            "databases": self.databases,
            "tables": self.tables,
            "policy": {"on_cross_db": "allow"},
        } | changes

    def at_port(self, name: str, port: int) -> str:
        """A server's URL through another port."""
        head, _, tail = self.urls[name].rpartition(":")
        return f"{head}:{port}/{tail.partition('/')[2]}"

    def query(self, sql: str, *arguments: Any, **options: Any) -> Any:
        return self.federation.query(sql, *arguments, **options)

    def fails(
        self,
        call: Callable[[], Any],
        error: type[BaseException] | tuple[type[BaseException], ...],
        *words: str,
        federation: Any = None,
    ) -> FedqError:
        """`call` ends in one of `error`, as every error must be; then each database answers again."""
        found = fails(call, error, *words)
        self.works(federation or self.federation)
        return found

    def works(self, federation: Any) -> None:
        """The next queries on the same federation are right."""
        for table in self.tables:
            wanted = {"customers": 20, "orders": 100}.get(table, 20000)
            assert federation.query(f"select count(*), count(distinct id) from {table}").rows() == [(wanted, wanted)], (
                table
            )


def fails(
    call: Callable[[], Any], error: type[BaseException] | tuple[type[BaseException], ...], *words: str
) -> FedqError:
    """The error that `call` ends in: named, with a hint, holding every one of `words` and no secret."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(BaseException) as raised:
            call()
    found = raised.value
    shown = "\n".join(texts(found)) + "\n".join(str(warning.message) for warning in seen)
    assert CANARY not in shown, f"a secret is shown: {shown}"
    kinds = error if isinstance(error, tuple) else (error,)
    assert isinstance(found, kinds), f"{type(found).__name__} is none of {[kind.__name__ for kind in kinds]}: {shown}"
    assert isinstance(found, FedqError)
    assert found.hint, f"no hint: {found}"
    assert found.code in str(found)
    for word in words:
        assert word.lower() in str(found).lower(), f"{word!r} is not in: {found}"
    return found


def texts(error: BaseException) -> Iterator[str]:
    """Everything that a person, a log or a notebook could show of an error."""
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(seen.args), repr({k: v for k, v in vars(seen).items() if k != "sql"}))
        yield from ("".join(traceback.format_exception_only(seen)), *getattr(seen, "__notes__", []))
        seen = seen.__cause__ or seen.__context__
    yield "".join(traceback.format_exception(error))
