"""One PostgreSQL connection: asyncpg on an event loop in a thread, and a COPY as a stream that a reader takes from it.

    server ──COPY text──> loop: chunks → blocks of whole lines ──queue, at most 2──> reading thread

The reader waits for the queue and never for the socket, so `cancel` frees it at once whatever the network does. The
queue is bounded: a slow reader stops the loop from reading, and TCP stops the server.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import asyncpg

from fedq.catalog.model import Database
from fedq.errors import CatalogError
from fedq.fetch.pools import POOL_SIZE
from fedq.fetch.postgres.errors import DRIVER_ERRORS
from fedq.fetch.postgres.loopthread import LoopThread

# larger ones are not read faster, and a query of several tables holds several of each (benchmarks.transports_postgres)
_FIRST_BLOCK, _LARGEST_BLOCK = 1 << 18, 1 << 20
_BLOCKS_AHEAD = 2
_KEPT_STATEMENTS = 100
_SETTLE_SECONDS = 1.5
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_SSL_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_OPTIONS = (
    "connect_timeout", "max_connections", "application_name", "client_encoding", "target_session_attrs", *_SSL_OPTIONS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to connect, without the password."""

    database: str
    """fedq's name of it."""
    host: str | None
    port: int
    user: str | None
    name: str | None
    """The database's name in the server."""
    connect_timeout: float = 10.0
    max_connections: int = POOL_SIZE
    application_name: str = "fedq"
    session_attributes: str | None = None
    ssl_options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.user or '(default user)'}@{self.host or 'localhost'}:{self.port}/{self.name or ''}"


def target_of(database: Database) -> Target:
    """The URL and options of a catalog entry. Raises: CatalogError."""
    parts = urlsplit(database.url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    options: dict[str, Any] = {**{key: unquote(value) for key, value in query.items()}, **database.options}
    for key in options:
        if key not in _OPTIONS:
            raise CatalogError(
                f"{database.place}: database {database.name!r}: the option {key!r} is not known for PostgreSQL",
                hint=f"Known: {', '.join(_OPTIONS)}.",
            )
    return Target(
        database=database.name,
        host=parts.hostname,
        port=parts.port or 5432,
        user=unquote(parts.username) if parts.username else None,
        name=unquote(parts.path.lstrip("/")) or None,
        connect_timeout=float(options.get("connect_timeout", 10)),
        max_connections=int(options.get("max_connections", POOL_SIZE)),
        application_name=str(options.get("application_name", "fedq")),
        session_attributes=options.get("target_session_attrs"),
        ssl_options={key: str(options[key]) for key in _SSL_OPTIONS if key in options},
    )


async def connect(target: Target, password: str | None, *, is_pooled: bool = False) -> asyncpg.Connection:
    """A new connection. With `is_pooled` it keeps no statements in the server. Raises: what asyncpg raises."""
    options: dict[str, Any] = {"user": target.user, "database": target.name}
    ssl_options = dict(target.ssl_options)
    if ssl_options.get("sslrootcert") == "system":
        options["ssl"] = ssl.create_default_context()
    elif ssl_options:
        options["dsn"] = f"postgresql:///?{urlencode(ssl_options)}"
    connection = await asyncpg.connect(
        **{key: value for key, value in options.items() if value is not None},
        host=target.host or "localhost",  # the URL alone decides: asyncpg's own default is the environment, or a socket
        port=target.port,
        # a plain str: the driver's login refuses the catalog's masked kind
        password=password.encode().decode() if password is not None else None,
        timeout=target.connect_timeout,
        target_session_attrs=target.session_attributes,
        statement_cache_size=0 if is_pooled else _KEPT_STATEMENTS,
        max_cached_statement_lifetime=0,
        # The second because a message is taken apart before a SET in it holds: a role may have it off, and '\x' would
        # be another text. No more: a pooler refuses settings that it does not know, and hands the session on.
        server_settings={"application_name": target.application_name, "standard_conforming_strings": "on"},
    )
    _keep_alive(connection)
    return connection


async def is_behind_pooler(driver: asyncpg.Connection) -> bool:
    """Whether a pooler such as PgBouncer is in between: another process answers than the one that the login named.

    Asked in one message: behind a pooler the second might reach another server. Raises: what asyncpg raises.
    """
    said = bytearray()

    async def _take(chunk: bytes) -> None:
        said.extend(chunk)

    await driver.copy_from_query("SELECT pg_backend_pid()", output=_take)
    return bool(int(said) != driver.get_server_pid())


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Notice within a minute that the other machine is gone, also while a statement takes long and nothing is sent."""
    transport = connection._transport  # asyncpg has no public way to the socket
    raw = transport.get_extra_info("socket") if transport is not None else None
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class PostgresConnection:
    """A pooled connection. Its coroutines run on the loop, one at a time; its plain methods may be called anywhere."""

    def __init__(self, driver: asyncpg.Connection, thread: LoopThread, *, is_pooled: bool = False) -> None:
        self.thread = thread
        self.driver = driver
        self.is_pooled = is_pooled
        self.pid = os.getpid()
        self.used_at = time.monotonic()
        #: what the database stores text in
        self.stored_in = str(driver.get_settings().server_encoding)
        #: in which encoding to ask for text: a database in SQL_ASCII has none and refuses to say its bytes in UTF-8
        self.encoding = "SQL_ASCII" if self.stored_in == "SQL_ASCII" else "UTF8"
        self._user: asyncio.Task[Any] | None = None
        self._is_copying = False

    @property
    def version(self) -> int:
        """The server's major version."""
        return int(self.driver.get_server_version().major)

    @property
    def is_closed(self) -> bool:
        """Whether the connection is known to be gone; the loop notices within milliseconds when the server ends it."""
        return bool(self.driver.is_closed())

    async def ready(self) -> asyncpg.Connection:
        """The driver, when what was sent before is done."""
        before, self._user = self._user, asyncio.current_task()
        if before is not None and before is not self._user:
            await asyncio.wait({before})  # a cancelled one tells the driver so only when it ends
        self.used_at = time.monotonic()
        return self.driver

    async def execute(self, sql: str) -> None:
        """Run statements that return nothing."""
        await (await self.ready()).execute(sql)

    async def fetch(self, sql: str, *arguments: object, timeout: float | None = None) -> list[asyncpg.Record]:
        """The rows of a statement, which is prepared and kept where no pooler is in between."""
        async with self.one_server() as driver:
            rows: list[asyncpg.Record] = await driver.fetch(sql, *arguments, timeout=timeout)
        self.used_at = time.monotonic()
        return rows

    async def fetch_once(self, sql: str) -> list[asyncpg.Record]:
        """The rows of a statement that is not kept: it will hardly be asked again."""
        rows: list[asyncpg.Record] = await (await (await self.ready()).prepare(sql, name="")).fetch()
        self.used_at = time.monotonic()
        return rows

    async def prepared(self, sql: str) -> asyncpg.prepared_stmt.PreparedStatement:
        """A statement by itself, without a name behind a pooler: the name would stay with the server's session."""
        return await (await self.ready()).prepare(sql, name="" if self.is_pooled else None)

    @asynccontextmanager
    async def one_server(self) -> AsyncIterator[asyncpg.Connection]:
        """The driver; behind a pooler within a transaction, since without one each message may reach another server."""
        driver = await self.ready()
        if not self.is_pooled or driver.is_in_transaction():
            yield driver
            return
        await driver.execute("BEGIN READ ONLY")
        try:
            yield driver
        finally:
            if not driver.is_closed():
                await driver.execute("ROLLBACK")

    async def copy(self, sql: str, sink: Callable[[bytes], Awaitable[None]], is_wanted: Callable[[], bool]) -> None:
        """Run statements of which the last is a COPY … TO STDOUT, in one round trip; `stop_copy` ends it."""
        driver = await self.ready()
        try:
            await driver._protocol._wait_for_cancellation()
            if not is_wanted():
                return
            self._is_copying = True  # from here nothing is awaited before the statement is sent
            # the public copy_from_query cannot send the BEGIN along, which would cost a round trip more per query
            await driver._copy_out(sql, sink, None)
        except AttributeError as error:  # asyncpg looks for its transport when the connection was cut behind its back
            raise asyncpg.ConnectionDoesNotExistError("the connection was closed") from error
        finally:
            self._is_copying = False
        self.used_at = time.monotonic()

    def stop_copy(self) -> None:
        """Tell the server to stop the COPY that runs; on the loop. The COPY then ends with the server's error.

        Cancelling the task would do the same, except where data arrives in the same turn of the loop: asyncpg then
        forgets to tell the server. To cancel a COPY whose end has arrived leaves asyncpg waiting for an answer for
        ever; so nothing more is read, and in the next turn the COPY has looked at all that has arrived.
        """
        if not self._is_copying or self.is_closed:
            return
        transport = self.driver._transport
        transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._tell_to_stop, transport)

    def _tell_to_stop(self, transport: asyncio.Transport) -> None:
        if self._is_copying and not self.is_closed:
            self.driver._protocol._request_cancel()
        transport.resume_reading()

    async def row_types(self, sql: str) -> list[tuple[str, int, int]]:
        """Name, type and type modifier of each column of a statement; the server refuses more than one."""
        driver = await self.ready()
        spy = _RowDescription(driver._transport)
        try:
            await self.prepared(sql)
        finally:
            spy.stop()
        return spy.columns()

    def rollback(self, ending: str) -> None:
        """End the transaction without waiting; whatever uses the connection next waits for it."""
        self.thread.start(self.settle(ending))

    async def settle(self, ending: str) -> bool:
        """Wait until what ran before has ended, end the transaction; whether the connection is as new."""
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await (await self.ready()).execute(ending)
        except DRIVER_ERRORS:  # TimeoutError is one of them
            self.driver.terminate()
        return not self.is_closed

    def abort(self) -> None:
        """Cut the connection."""
        self.thread.post(self.driver.terminate)


class _RowDescription(asyncio.Protocol):
    """Listens in on the answer to a Parse, because asyncpg drops the type modifiers: numeric(15,2) would be numeric."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._heard = bytearray()
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Keep a copy."""
        self._heard += data
        self._protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

    def stop(self) -> None:
        """Give the transport its protocol back."""
        self._transport.set_protocol(self._protocol)

    def columns(self) -> list[tuple[str, int, int]]:
        """Name, type oid, type modifier of the first row description; empty where there is none."""
        at = 0
        while at + 5 <= len(self._heard):
            kind, size = self._heard[at : at + 1], struct.unpack_from("!i", self._heard, at + 1)[0]
            if kind == b"T":
                return _columns(bytes(self._heard[at + 5 : at + 1 + size]))
            if kind == b"n":  # NoData
                break
            at += 1 + size
        return []


def _columns(message: bytes) -> list[tuple[str, int, int]]:
    (count,) = struct.unpack_from("!h", message)
    found, at = [], 2
    for _ in range(count):
        end = message.index(b"\0", at)
        _, _, oid, _, modifier, _ = struct.unpack_from("!IhIhih", message, end + 1)
        found.append((message[at:end].decode(), oid, modifier))
        at = end + 19
    return found


class _Stoppable(Future[None]):
    """A future that tells the work behind it when it is cancelled, instead of breaking it off."""

    def __init__(self, stop: Callable[[], object]) -> None:
        super().__init__()
        self._stop = stop

    def cancel(self) -> bool:
        """Cancel, and say so; whether it was not done yet."""
        is_cancelled = super().cancel()
        if is_cancelled:
            self._stop()
        return is_cancelled


class CopyStream:
    """The blocks of one COPY, each a number of whole lines. Iterate it once, from one thread; cancel its `future`."""

    def __init__(self, connection: PostgresConnection, statement: Callable[[], Awaitable[str]]) -> None:
        self._connection = connection
        self._chunks: list[bytes] = []
        self._size, self._block = 0, _FIRST_BLOCK
        self._room = asyncio.Semaphore(_BLOCKS_AHEAD)
        self._is_halted = False
        self._queue: queue.SimpleQueue[bytes | Future[None]] = queue.SimpleQueue()
        self.future: Future[None] = _Stoppable(lambda: connection.thread.post(self._halt))
        self.future.add_done_callback(self._queue.put)  # also when it is cancelled: that is what wakes the reader
        connection.thread.submit(self._run(statement)).add_done_callback(self._finish)

    def blocks(self, wait: Callable[[], float | None]) -> Iterator[bytes]:
        """Each block as it arrives. `wait` says how many seconds more to wait at most.

        Raises: queue.Empty after that time; concurrent.futures.CancelledError; the driver's errors.
        """
        while True:
            block = self._queue.get(timeout=wait())
            if isinstance(block, Future):
                block.result()
                return
            self._connection.thread.post(self._room.release)
            yield block

    async def _run(self, statement: Callable[[], Awaitable[str]]) -> None:
        sql = await statement()
        del statement  # it holds the session, which closes itself when nobody else does
        await self._connection.copy(sql, self._take, lambda: not self._is_halted)
        await self._flush()

    async def _take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        # the server ends each message with a line; where something between us does not, wait for one that does
        if self._size >= self._block and chunk.endswith(b"\n"):
            await self._flush()

    async def _flush(self) -> None:
        block, self._chunks, self._size = b"".join(self._chunks), [], 0
        if block and not self._is_halted:
            self._block = min(self._block * 2, _LARGEST_BLOCK)
            await self._room.acquire()
            self._queue.put(block)

    def _halt(self) -> None:
        if not self._is_halted:
            self._is_halted = True
            self._room.release()  # the loop may be waiting for the reader, who is gone
            self._connection.stop_copy()

    def _finish(self, work: Future[None]) -> None:
        if self.future.set_running_or_notify_cancel():
            error = CancelledError() if work.cancelled() else work.exception()
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)
