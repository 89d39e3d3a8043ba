"""Connecting to MySQL and MariaDB: PyMySQL authenticates, then the connection is ours.

The driver is left behind after authentication because reading through it is slower (mysql_wire.py says by how much)
and because its timeouts have holes: its connect_timeout does not cover the greeting, so a server that accepts and
says nothing would hang it for ever.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fedq.errors import ConnectionFailed, DriverMissing
from fedq.fetch.mysql.errors import GARBAGE, WRONG_PASSWORD, classify, number_of
from fedq.fetch.mysql.wire import Wire
from fedq.undo import unless_done

if TYPE_CHECKING:
    import ssl

    import pymysql

#: seconds until the server has let us in
CONNECT_TIMEOUT = 10.0
PORT = 3306
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is."""

    host: str
    port: int
    user: str
    database: str | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, so that nobody can listen in."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def address_of(url: str) -> Address:
    """The parts of `mysql://user@host:port/database`.

    >>> address_of("mysql+pymysql://app@db1:3307/my%20shop")
    Address(host='db1', port=3307, user='app', database='my shop')
    """
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    return Address(parts.hostname or "localhost", parts.port or PORT, unquote(parts.username or ""), name or None)


class Link:
    """One connection and what is known of its server."""

    def __init__(self, driver: pymysql.connections.Connection[Any], spare: socket.socket) -> None:
        self._driver, self._spare = driver, spare
        self._owner = os.getpid()
        self.wire = Wire(driver._sock)  # type: ignore[attr-defined]
        self.is_new = True
        """Whether it was just made: then a failure is not one of age."""
        self.is_settled = False
        """Whether it has the settings that a session needs."""
        self.id, self.version, self.sql_mode, has_log, self.most_bytes = _greeting(self.wire)
        self.mode = self.sql_mode
        """The sql_mode in force now; `sql_mode` is the server's own."""
        self.limit: float | None = None
        """Seconds a statement may take, as the server was told."""
        self.is_mariadb = "mariadb" in self.version.lower()
        self.has_positions = has_log and self.is_mariadb

    @property
    def is_foreign(self) -> bool:
        """Whether it was made before a fork: the parent process uses it too."""
        return self._owner != os.getpid()

    def shut_down(self) -> None:
        """Cut the connection; from any thread. Who waits on it is freed at once."""
        self.wire.is_broken = True
        try:
            self._spare.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is cut already
            pass

    def close(self) -> None:
        """Say good-bye and close."""
        if self.wire.is_broken or self.wire.is_streaming or self.is_foreign:
            self._driver._force_close()  # type: ignore[attr-defined]
        else:
            self._driver.close()
        self._spare.close()


def _greeting(wire: Wire) -> tuple[int, str, str, bool, int]:
    # the mode before ours is the one in which the server's own users write their SQL
    [row] = wire.ask("SELECT CONNECTION_ID(), VERSION(), @@sql_mode, @@log_bin, @@max_allowed_packet")
    number, version, mode, log, packet = (value or b"" for value in row)
    return int(number), version.decode(), mode.decode(), log == b"1", int(packet)


class Connector:
    """Makes links to one server. Thread-safe."""

    def __init__(self, name: str, url: str, options: Mapping[str, Any], password: Callable[[], str | None]) -> None:
        self.name, self.address, self._options, self._password = name, address_of(url), options, password
        self.timeout = float(options.get("connect_timeout") or CONNECT_TIMEOUT)
        self._secret: bytes | None = None
        self._context: ssl.SSLContext | None = None
        self._needs_tls = False
        self._asking = threading.Lock()

    def connect(self, timeout: float | None = None) -> Link:
        """A new link.

        Raises: ConnectionFailed, also when it takes more than `timeout` seconds; DriverMissing; SecretError.
        """
        import ssl

        try:
            import pymysql
        except ImportError as error:
            message = f"database {self.name!r} is MySQL or MariaDB, and the package PyMySQL is not installed"
            raise DriverMissing(message, hint='Do: pip install "fedq[mysql]"', database=self.name) from error
        seconds = timeout or self.timeout
        try:
            return self._connect(time.monotonic() + seconds)
        except (pymysql.MySQLError, OSError, RuntimeError, *GARBAGE) as error:
            if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError) and not self._needs_tls:
                self._needs_tls = (
                    True  # the server's way of authentication wants a connection that nobody can listen in
                )
                return self.connect(timeout)
            raise self._failure(error, seconds, ssl.SSLError) from error

    def _failure(self, error: Exception, seconds: float, tls: type[Exception]) -> ConnectionFailed:
        if number_of(error) in WRONG_PASSWORD:
            self._secret = None
        cause = getattr(error, "original_exception", error)
        hint = "Check that the server runs, and its host and port in the catalog."
        if any(isinstance(each, TimeoutError) for each in (cause, cause.__cause__, cause.__context__)):
            message = f"database {self.name!r}: {self.address} did not answer within {seconds:g} s"
            return ConnectionFailed(message, hint=hint, database=self.name)
        if isinstance(cause, tls):
            message = f"database {self.name!r}: no secure connection to {self.address}: {cause}"
            return ConnectionFailed(message, hint="Check sslmode and sslrootcert in the catalog.", database=self.name)
        if isinstance(error, GARBAGE):
            message = f"database {self.name!r}: what listens at {self.address} does not speak MySQL's protocol"
            return ConnectionFailed(message, hint=hint, database=self.name)
        found = classify(error, self.name, is_connecting=True, where=str(self.address))
        assert isinstance(found, ConnectionFailed)
        return found

    def _connect(self, deadline: float) -> Link:
        driver = self._driver(deadline)
        line = socket.create_connection((self.address.host, self.address.port), max(deadline - time.monotonic(), 0.001))
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            spare = line.dup()
        except OSError:
            line.close()
            raise
        with unless_done(spare.close), unless_done(driver._force_close):  # type: ignore[attr-defined]
            driver.connect(line)
            self._check_security(driver)
            wire = driver._sock  # type: ignore[attr-defined]
            wire.settimeout(max(deadline - time.monotonic(), 0.001))
            link = Link(driver, spare)
            wire.settimeout(None)
        return link

    def _driver(self, deadline: float) -> pymysql.connections.Connection[Any]:
        """The driver's connection, not connected yet."""
        import pymysql

        with self._asking:  # a prompt comes once, however many connections wait for it
            if self._secret is None:
                self._secret = (self._password() or "").encode()
        seconds = max(deadline - time.monotonic(), 0.001)
        return pymysql.connections.Connection(
            host=self.address.host,
            port=self.address.port,
            user=self.address.user,
            password=self._secret,
            database=self.address.database,
            charset="utf8mb4",
            autocommit=None,
            connect_timeout=seconds,
            read_timeout=seconds,
            write_timeout=seconds,
            local_infile=False,
            defer_connect=True,
            program_name=str(self._options.get("application_name") or "fedq"),
            **self._security(),
        )

    def _security(self) -> dict[str, Any]:
        mode = self._mode
        if mode == "disable":
            return {"ssl_disabled": True}
        if mode in ("allow", "prefer"):
            return {}  # the driver's own default: encrypted when the server can
        if self._context is None:
            self._context = _context(mode, self._options)
        return {"ssl": self._context}

    @property
    def _mode(self) -> str:
        mode = self._options.get("sslmode")
        if mode is not None:
            return str(mode)
        if self._options.get("sslrootcert") is not None:
            return "verify-full"
        return "disable" if self.address.is_loopback and not self._needs_tls else "prefer"

    def _check_security(self, driver: pymysql.connections.Connection[Any]) -> None:
        """A driver before 1.2 goes on unencrypted when the server cannot encrypt, whatever it was told."""
        import ssl

        if self._mode in ("require", "verify-ca", "verify-full") and not isinstance(driver._sock, ssl.SSLSocket):  # type: ignore[attr-defined]
            raise ssl.SSLError("the server does not encrypt")


def _context(mode: str, options: Mapping[str, Any]) -> ssl.SSLContext:
    import ssl

    root = options.get("sslrootcert")
    context = ssl.create_default_context(cafile=None if root in (None, "system") else root)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_NONE if mode == "require" else ssl.CERT_REQUIRED
    if options.get("sslcert") is not None:
        context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    return context
