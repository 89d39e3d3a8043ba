"""The companies that bad input is tried on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.badinput.support import Company


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Local databases only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Company(tmp_path_factory.mktemp("company"))
    yield made
    made.federation.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres: Any, mariadb: Any) -> Iterator[Company]:
    """With accounts in PostgreSQL and invoices in MariaDB; whatever failed, no transaction is left open in them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Company(tmp_path_factory.mktemp("servers"), postgres, mariadb)
    yield made
    users = [url.partition("://")[2].partition(":")[0] for url in made.urls.values()]
    names = "', '".join(users)
    active = f"select usename, state, query from pg_stat_activity where usename in ('{names}') and state <> 'idle'"
    busy = f"select info from information_schema.processlist where user in ('{names}') and command <> 'Sleep'"
    open_ = f"""select trx_query from information_schema.innodb_trx t join information_schema.processlist p
                on p.id = t.trx_mysql_thread_id where p.user in ('{names}')"""
    try:  # a transaction is ended in the background: the user does not wait for it
        _gone(lambda: postgres.sql(active, admin=True))
        _gone(lambda: mariadb.sql(busy, "mysql", admin=True))
        _gone(lambda: mariadb.sql(open_, "mysql", admin=True))
    finally:
        made.federation.close()


def _gone(found: Callable[[], Sequence[Any]]) -> None:
    deadline = time.monotonic() + 30
    while (rows := list(found())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert rows == []
