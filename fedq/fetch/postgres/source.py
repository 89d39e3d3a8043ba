"""A PostgreSQL database as a source: pooled read-only sessions with one snapshot each, read by COPY.

    Select(outputs, tail)  →  COPY (SELECT … FROM … WHERE …) TO STDOUT  →  blocks of text  →  record batches

asyncpg and not psycopg, because it hands COPY data over in large pieces and not row by row. Not DuckDB's own PostgreSQL
scanner: it cannot be cancelled, reads NaN in a numeric as 0, and holds an unbounded numeric as a double without a word.
BEGIN, the settings and the first COPY travel together, so that a small query costs one round trip.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.errors import ConnectionFailed, ConnectionLost, DatabaseError, DriverMissing, QueryTimeout, SecretError
from fedq.fetch.pools import Pool
from fedq.fetch.positions import Behind, Stand, wait_until
from fedq.fetch.postgres.loopthread import LoopThread
from fedq.fetch.postgres.parts import Shared
from fedq.fetch.postgres.standing import STAND, stand_of
from fedq.fetch.source import Output
from fedq.undo import unless_done

try:
    from fedq.fetch.postgres import catalog as postgres_catalog
    from fedq.fetch.postgres import statistics as postgres_statistics
    from fedq.fetch.postgres.connection import PostgresConnection, Target, connect, is_behind_pooler, target_of
    from fedq.fetch.postgres.errors import DRIVER_ERRORS, connect_error, read_error, without_frames
    from fedq.fetch.postgres.session import PostgresSession
    from fedq.fetch.postgres.statements import native_output
except ModuleNotFoundError as missing:
    if missing.name != "asyncpg":
        raise
    message = "PostgreSQL needs the package asyncpg, which is not installed"
    raise DriverMissing(message, hint='pip install "fedq[postgres]"') from missing

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

#: a connection idle for longer is asked whether it still answers before a query is trusted to it
_TRUSTED_SECONDS = 1.0
_PING_SECONDS = 2.0
#: a server that does not say within this time where it stands is not asked for rows
_STAND_SECONDS = 2.0
#: times that a server may be replaced by another between two statements
_ATTEMPTS = 6
#: seconds until a pooler is asked for another server, when the one it led to is behind
_POOLER_PAUSE = 0.002
#: pools of a parent process: kept, because to collect them would write to connections that the parent still uses
_ABANDONED: list[object] = []


class PostgresSource:
    """One PostgreSQL database. Thread-safe; connections are made when first needed."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self._target: Target = target_of(database)
        self._password = password
        self.asks_somebody = database.password is not None and database.password.kind == "prompt"
        """Whether somebody types the password of each new connection."""
        self._schemas = (database.schema or "public", *database.schemas)
        self.search_path = self._schemas if database.schema or database.schemas else ()
        self._types = postgres_catalog.TypeCatalog()
        self._keys: dict[PhysicalTable, tuple[str, ...]] = {}
        self.may_export: bool | None = None
        """Whether the user may give a snapshot away; None until somebody asked."""
        self._lock = threading.Lock()
        self._parts: tuple[int, LoopThread, Pool[PostgresConnection]] | None = None
        self._connections: set[PostgresConnection] = set()
        self._is_closed = self._is_pooled = False

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view of the configured schemas."""
        return self._ask(lambda connection: postgres_catalog.list_tables(connection.fetch, self._schemas))

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now, in one round trip; None where there is none."""
        if not tables:
            return []
        found = self._ask(
            lambda connection: postgres_catalog.describe(
                connection.fetch, self._types, tables, self._schemas, connection.stored_in
            )
        )
        self._keys.update({schema.table: schema.key for schema in found if schema is not None})
        return found

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What ANALYZE found out, in one round trip; None where there is nothing, or nothing for this user."""
        return self._ask(lambda connection: postgres_statistics.statistics(connection.fetch, tables))

    def open(self, timeout: float | None = None) -> PostgresSession:
        """A session; its snapshot is taken by the first read. `timeout` in seconds holds for each statement."""
        return PostgresSession(self, self._take(), timeout)

    def has_spare(self, count: int) -> bool:
        """Whether so many connections are free, or may be made."""
        return self._running()[1].free >= count

    def twins(self, shared: Shared, timeout: float | None, statements: Sequence[str]) -> list[PostgresSession]:
        """Sessions on a snapshot that another one has exported, one for each statement; none where they cannot be had
        at once."""
        twins: list[PostgresSession] = []

        def _close() -> None:
            for twin in twins:
                twin.close()

        with unless_done(_close):
            for statement in statements:
                twin = self._twin(shared, timeout, statement)
                if twin is None:
                    _close()
                    return []
                twins.append(twin)
        return twins

    def _twin(self, shared: Shared, timeout: float | None, statement: str) -> PostgresSession | None:
        try:
            connection = self._spare()
        except (ConnectionFailed, SecretError):  # the server takes no more, or the password was for one
            return None
        if connection is None:
            return None
        twin = PostgresSession(self, connection, timeout, snapshot=shared.name)
        with unless_done(twin.close):
            try:
                if twin.join_in(statement) == shared.instance:
                    return twin
            except (DatabaseError, ConnectionLost, QueryTimeout):
                pass  # another server, which has no such snapshot; who may read some columns only, and so not ask where
                # a row stands; somebody who changes the table; a server that hangs
            twin.close()
        return None

    def stand(self) -> Stand:
        """Where the server stands now. Raises: ConnectionFailed, DatabaseError."""
        connection, is_usable = self._take(), False
        try:
            stand = self._stand(connection)
            is_usable = True
            return stand
        finally:
            self.give(connection, is_usable=is_usable)

    def open_when(
        self, timeout: float | None, is_enough: Callable[[Stand], bool], seconds: float, known: Stand | None = None
    ) -> tuple[PostgresSession, Stand]:
        """A session whose snapshot was taken when the server was far enough, and where it stood just after that.

        It is asked on the same connection before the snapshot, unless what is `known` of it is enough already. The
        answer within the transaction must come from the same run of the same server: it may have been replaced.
        Raises: Behind after so many seconds, ConnectionFailed, DatabaseError.
        """
        for _ in range(_ATTEMPTS):
            connection, session = self._take(), None
            if connection.is_pooled:
                return self._open_pooled(connection, timeout, is_enough, seconds, known)
            try:
                if known is None or not is_enough(known):
                    known = wait_until(lambda asked=connection: self._stand(asked), is_enough, seconds)  # type: ignore[misc]
                session = PostgresSession(self, connection, timeout)
                stand = stand_of(session.first_row(STAND, _STAND_SECONDS))
            except BaseException as error:  # Ctrl-C too: the connection belongs to nobody yet
                if session is not None:
                    session.close()
                else:
                    self.give(connection, is_usable=isinstance(error, Behind))
                raise
            if stand.instance == known.instance and is_enough(stand):
                return session, stand
            session.close()
            known = None
        raise Behind(stand)

    def _open_pooled(
        self,
        connection: PostgresConnection,
        timeout: float | None,
        is_enough: Callable[[Stand], bool],
        seconds: float,
        known: Stand | None,
    ) -> tuple[PostgresSession, Stand]:
        """The same behind a pooler, where only a transaction stays at one server: what it says within the first is
        enough for the snapshot of the next."""
        deadline, seen = time.monotonic() + seconds, set[str]()
        held: PostgresSession | None = None
        while True:
            session = PostgresSession(self, connection, timeout)
            try:
                with unless_done(session.close):
                    stand = _stand_within(session, is_enough, known)
            finally:
                if held is not None:
                    held.close()
            if is_enough(stand):
                return session, stand
            if stand.instance in seen and time.monotonic() >= deadline:
                session.close()
                raise Behind(stand)
            seen.add(stand.instance)
            time.sleep(_POOLER_PAUSE)
            held = session  # as long as it is, the pooler has to lead elsewhere
            if not self.has_spare(1):
                held.close()
            connection = self._take()

    def _stand(self, connection: PostgresConnection) -> Stand:
        try:
            [row] = connection.thread.call(connection.fetch(STAND), _STAND_SECONDS)
        except DRIVER_ERRORS as error:
            raise read_error(error, self.name) from without_frames(error)
        return stand_of(row)

    def close(self) -> None:
        """Close every connection, also those of sessions that are still open."""
        with self._lock:
            parts, self._parts, self._is_closed = self._parts, None, True
        if parts is None or parts[0] != os.getpid():
            return
        _, thread, pool = parts
        pool.close()
        for connection in list(self._connections):
            connection.abort()
        thread.stop()

    def _running(self) -> tuple[LoopThread, Pool[PostgresConnection]]:
        """The loop and the pool; new ones in a forked process, where the parent's must not be touched."""
        with self._lock:
            if self._is_closed:
                raise ConnectionFailed(f"database {self.name!r} is closed", hint="Connect again.", database=self.name)
            if self._parts is None or self._parts[0] != os.getpid():
                _ABANDONED.append(self._parts)
                self._connections = set()
                thread = LoopThread(f"fedq-{self.name}")
                pool: Pool[PostgresConnection] = Pool(
                    self.name, connect=self.connect, close=self.drop, size=self._target.max_connections
                )
                self._parts = (os.getpid(), thread, pool)
            return self._parts[1:]

    def connect(self) -> PostgresConnection:
        """A new connection, in no pool yet. Raises: ConnectionFailed."""
        thread, _ = self._running()
        try:
            driver = thread.call(self._logged_in(self._password()))
        except (*DRIVER_ERRORS, ValueError) as error:  # ValueError: a host or user that cannot be written
            seconds = self._target.connect_timeout
            raise connect_error(error, self.name, str(self._target), seconds) from without_frames(error)
        connection = PostgresConnection(driver, thread, is_pooled=self._is_pooled)
        self._connections.add(connection)
        if self._is_closed:  # meanwhile: who closed the others did not see this one
            self.drop(connection)
            raise ConnectionFailed(f"database {self.name!r} is closed", hint="Connect again.", database=self.name)
        return connection

    async def _logged_in(self, password: str | None) -> asyncpg.Connection:
        """A new connection, made anew for a pooler when it turns out that there is one."""
        driver = await connect(self._target, password, is_pooled=self._is_pooled)
        if self._is_pooled:
            return driver
        with unless_done(driver.terminate):
            async with asyncio.timeout(self._target.connect_timeout):
                self._is_pooled = await is_behind_pooler(driver)
        if not self._is_pooled:
            return driver
        driver.terminate()
        return await connect(self._target, password, is_pooled=True)

    def drop(self, connection: PostgresConnection) -> None:
        """Cut a connection."""
        self._connections.discard(connection)
        connection.abort()

    def _take(self) -> PostgresConnection:
        """A connection that answers; waits until one is free."""
        pool = self._running()[1]
        while not self._is_alive(connection := pool.take()):
            pass
        return connection

    def _spare(self) -> PostgresConnection | None:
        """A connection that answers and that nobody needs now."""
        pool = self._running()[1]
        while (connection := pool.spare()) is not None and not self._is_alive(connection):
            pass
        return connection

    def _is_alive(self, connection: PostgresConnection) -> bool:
        """Whether a connection of the pool answers; one that does not goes back."""
        with unless_done(lambda: self.give(connection, is_usable=False)):
            is_alive = self._answers(connection)
        if not is_alive:
            self.give(connection, is_usable=False)
        return is_alive

    def _answers(self, connection: PostgresConnection) -> bool:
        if connection.is_closed:
            return False
        if time.monotonic() - connection.used_at < _TRUSTED_SECONDS:
            return True
        try:
            connection.thread.call(connection.execute("SELECT 1"), _PING_SECONDS)
        except DRIVER_ERRORS:
            return False
        return True

    def give(self, connection: PostgresConnection, *, is_usable: bool) -> None:
        """Take a session's connection back."""
        parts = self._parts
        if parts is not None and parts[0] == connection.pid == os.getpid():
            parts[2].give(connection, is_usable=is_usable and not connection.is_closed)

    def _ask(self, question: Callable[[PostgresConnection], Coroutine[Any, Any, T]]) -> T:
        """The answer; asked once more where the connection was cut so shortly before that nobody had noticed yet."""
        try:
            return self._ask_once(question)
        except ConnectionLost as lost:
            if isinstance(lost.__cause__, TimeoutError):  # a server that does not answer was waited for long enough
                raise
            return self._ask_once(question)

    def _ask_once(self, question: Callable[[PostgresConnection], Coroutine[Any, Any, T]]) -> T:
        connection, is_usable = self._take(), False
        try:
            answer = connection.thread.call(_asked(question, connection), self._target.connect_timeout)
            is_usable = True
            return answer
        except DRIVER_ERRORS as error:
            raise read_error(error, self.name) from without_frames(error)
        finally:
            self.give(connection, is_usable=is_usable)

    async def native_outputs(self, connection: PostgresConnection, sql: str) -> list[Output]:
        """The columns of a statement in PostgreSQL's own dialect, each with the type PostgreSQL says."""
        columns = await connection.row_types(sql)
        await self._types.learn(connection.fetch, (oid for _, oid, _ in columns))
        return [
            native_output(name, self._types.native(oid, modifier), self._types.native_name(oid))
            for name, oid, modifier in columns
        ]

    def key_of(self, table: PhysicalTable) -> tuple[str, ...]:
        """The primary key of a table that was described before."""
        found = self._keys.get(table)
        if found is None and table.schema is None:
            found = next((key for known, key in self._keys.items() if known.name == table.name), ())
        return found or ()


async def _asked(question: Callable[[PostgresConnection], Coroutine[Any, Any, T]], connection: PostgresConnection) -> T:
    """All of a question at one server: what one of them says of a table, another may not know yet."""
    async with connection.one_server():
        return await question(connection)


def _stand_within(session: PostgresSession, is_enough: Callable[[Stand], bool], known: Stand | None) -> Stand:
    """Where the server of a new session stood just after its snapshot was taken; where that is enough, so it was at
    the snapshot, which is taken anew for it unless the server is `known`."""
    stand = stand_of(session.copied_row(STAND, _STAND_SECONDS))
    if not is_enough(stand) or (known is not None and known.instance == stand.instance and is_enough(known)):
        return stand
    session.renew()
    return stand_of(session.copied_row(STAND, _STAND_SECONDS))
