"""Connecting to MySQL: what goes wrong is named, in time, and no password is shown."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import pytest

from fedq.errors import ConnectionFailed
from fedq.fetch.mysql.source import MySQLSource
from fedq.types import INTEGER
from tests.fetch.mysql_support import expression, read, source_on
from tests.servers import FaultProxy, MariaDBServer

ONE = expression("1", INTEGER)


@pytest.fixture(scope="module")
def url(mariadb: MariaDBServer) -> str:
    return mariadb.new_database("connect")


@pytest.fixture
def source(url: str) -> Iterator[MySQLSource]:
    with source_on(url) as source:
        yield source


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_wrong_password_is_named_but_not_shown(url: str, mariadb: MariaDBServer) -> None:
    with source_on(url, password="hunter2-canary") as source, pytest.raises(ConnectionFailed) as raised:
        source.open()
    assert "1045" in str(raised.value)
    assert raised.value.__cause__ is not None
    assert "hunter2-canary" not in "".join(traceback.format_exception(raised.value))
    assert raised.value.number == 1045


def test_a_password_is_asked_for_again_after_a_refusal(mariadb: MariaDBServer, url: str) -> None:
    from fedq.catalog.model import Database

    answers = iter(["wrong", mariadb.password])
    source = MySQLSource(
        Database("my", "mysql", f"mysql://app@127.0.0.1:{mariadb.port}/{database_of(url)}"), lambda: next(answers)
    )
    with pytest.raises(ConnectionFailed):
        source.open()
    source.open().close()
    sessions = [source.open(), source.open()]  # and not again once it is right
    for session in sessions:
        session.close()
    source.close()


@pytest.mark.parametrize("password", ["päß😀", "", "a" * 200])
def test_passwords_of_every_kind_are_refused_the_same_way(url: str, password: str) -> None:
    with source_on(url, password=password or None) as source:
        if not password:
            source.open().close()
            return
        with pytest.raises(ConnectionFailed) as raised:
            source.open()
        assert raised.value.number == 1045


def test_nobody_listens(url: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with source_on(f"mysql://app:x@127.0.0.1:{port}/db") as source, pytest.raises(ConnectionFailed, match=str(port)):
        source.open()
    with source_on("mysql://app:x@no-such-host.invalid/db") as source, pytest.raises(ConnectionFailed):
        source.open()


def test_an_unknown_database(mariadb: MariaDBServer) -> None:
    # an ordinary user is told that it may not, the superuser that there is none
    with source_on(mariadb.url_of("nothing_here")) as source, pytest.raises(ConnectionFailed) as raised:
        source.open()
    assert raised.value.number in (1044, 1049)


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 64, b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_something_else_listens(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)
                time.sleep(0.2)

        threading.Thread(target=answer, daemon=True).start()
        with source_on(f"mysql://app:x@127.0.0.1:{port}/db", options={"connect_timeout": 2}) as source:
            with pytest.raises(ConnectionFailed):
                source.open()


def test_a_silent_server_is_given_up(
    mariadb: MariaDBServer, fault_proxy: Callable[[int], FaultProxy], url: str
) -> None:
    proxy = fault_proxy(mariadb.port)
    proxy.set("blackhole")
    address = mariadb.url_of(database_of(url), port=proxy.port)
    with source_on(address, options={"connect_timeout": 0.5}) as source:
        before = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"0\.5 s"):
            source.open()
        assert time.monotonic() - before < 4.5


def test_required_encryption_that_the_server_has_not(url: str) -> None:
    for mode in ("require", "verify-full"):
        with source_on(url, options={"sslmode": mode}) as source, pytest.raises(ConnectionFailed):
            source.open()
    with source_on(url, options={"sslmode": "prefer"}) as source:
        assert read(source, ONE)["x"].to_pylist() == [1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_share_connections(url: str, source: MySQLSource) -> None:
    import os

    read(source, ONE)
    child = os.fork()
    if child == 0:
        os._exit(0 if read(source, ONE)["x"].to_pylist() == [1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read(source, ONE)["x"].to_pylist() == [1]


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    import sys

    from fedq.errors import DriverMissing

    monkeypatch.setitem(sys.modules, "pymysql", None)
    with source_on(url) as source, pytest.raises(DriverMissing, match=r'pip install "fedq\[mysql\]"'):
        source.open()
