"""MySQL and MariaDB: the source of one database, its pool of settled connections, and what there is in it.

    open() → a pooled connection (made and settled on first use) → START TRANSACTION … READ ONLY → MySQLSession

Opening a session on a warm connection is one round trip: what never changes is set once per connection, and no ping
goes before. A connection that died in the pool is seen when that first statement fails, and replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.dialects.mysql import SORTED_BYTES, SQL_MODE
from fedq.errors import ConnectionFailed, FedqError
from fedq.fetch.mysql.connect import Connector, Link
from fedq.fetch.mysql.describe import describe, list_tables
from fedq.fetch.mysql.errors import GONE, classify, number_of
from fedq.fetch.mysql.session import SMALL_SECONDS, MySQLSession, begin, deadline, use_limit, use_mode
from fedq.fetch.mysql.standing import stand_of
from fedq.fetch.mysql.statistics import statistics
from fedq.fetch.pools import POOL_SIZE, Pool
from fedq.fetch.positions import Behind, Stand, wait_until

#: seconds the server waits for a reader that is busy with other databases
PATIENT = 86_400
#: seconds a snapshot may wait for the keys of another database
IDLE = 600
#: seconds to connect for a KILL
SIDE_SECONDS = 3.0
#: a server that does not say within this time where it stands is not asked for rows
STAND_SECONDS = 2.0
#: table access denied, column access denied, no such table, unknown column, no such function
REFUSED = (1142, 1143, 1146, 1054, 1305)

T = TypeVar("T")


class MySQLSource:
    """One MySQL or MariaDB server and database."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self._policy = database.on_unrepresentable
        self._connector = Connector(database.name, database.url, database.options, password)
        default = database.schema or self._connector.address.database
        self._schemas = tuple(dict.fromkeys([*([default] if default else []), *database.schemas]))
        size = int(database.options.get("max_connections") or POOL_SIZE)
        self._has_no_stored = False
        self._pool = Pool(self.name, connect=self._connector.connect, close=Link.close, size=size)

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view of the configured schemas. Raises: ConnectionFailed, DatabaseError."""
        return self._ask_briefly(lambda link: list_tables(link.wire.ask, self._schemas))

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now, read each time. Raises: ConnectionFailed, DatabaseError."""
        return self._ask_briefly(lambda link: describe(link.wire.ask, tables, self._schemas, self._policy))

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What the server knows of the tables' values, in a few small questions. Raises: ConnectionFailed,
        DatabaseError."""
        return self._ask_briefly(lambda link: statistics(link.wire.ask, self._ask_stored(link), tables))

    def _ask_stored(self, link: Link) -> Callable[[str], list[list[bytes | None]]]:
        """Ask what most users may not read, and MySQL does not have; refused once, it is not asked again."""
        from pymysql import MySQLError

        def _ask(sql: str) -> list[list[bytes | None]]:
            if self._has_no_stored or not link.is_mariadb:
                return []
            try:
                return link.wire.ask(sql)
            except MySQLError as error:
                if number_of(error) not in REFUSED:
                    raise
                self._has_no_stored = True
                return []

        return _ask

    def open(self, timeout: float | None = None) -> MySQLSession:
        """A session with a fresh snapshot; its statements end after `timeout` seconds, in the server too.

        Raises: ConnectionFailed, DriverMissing, SecretError.
        """
        link, _ = self._with_link(lambda link: begin(link, timeout))
        return MySQLSession(self, link, timeout)

    def stand(self) -> Stand:
        """Where the server stands now. Raises: ConnectionFailed, DatabaseError."""
        return self._ask_briefly(stand_of)

    def open_when(
        self, timeout: float | None, is_enough: Callable[[Stand], bool], seconds: float, known: Stand | None = None
    ) -> tuple[MySQLSession, Stand]:
        """A session whose snapshot was taken when the server was far enough, and where it stood just after that.

        It is asked on the same connection before the snapshot, unless what is `known` of it is enough already.
        Raises: Behind after so many seconds, ConnectionFailed, DatabaseError.
        """

        def _start(link: Link) -> Stand | Behind:
            nonlocal known
            # asked again on another link, for the first one had died: it may be another run, from an older copy
            before, known = known, None
            use_limit(link, timeout)
            if before is None or not is_enough(before):
                try:
                    before = wait_until(lambda: stand_of(link), is_enough, seconds)
                except Behind as behind:
                    return behind
            begin(link, timeout)
            stand = stand_of(link)
            if stand.instance == before.instance and is_enough(stand):
                return stand
            link.wire.ask("ROLLBACK")
            return Behind(stand)

        link, stand = self._with_link(_start, seconds + STAND_SECONDS)
        if isinstance(stand, Behind):
            self.give(link, is_usable=True)
            raise stand
        return MySQLSession(self, link, timeout), stand

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def give(self, link: Link, *, is_usable: bool) -> None:
        """Take a session's link back."""
        self._pool.give(link, is_usable=is_usable)

    @contextmanager
    def side(self) -> Iterator[Link]:
        """Another connection, for KILL; not from the pool, which may be exhausted. Raises: ConnectionFailed."""
        link = self._connector.connect(SIDE_SECONDS)
        try:
            yield link
        finally:
            link.close()

    def _ask_briefly(self, task: Callable[[Link], T]) -> T:
        def _unlimited(link: Link) -> T:
            use_limit(link, None)  # the last session's timeout is none of ours
            use_mode(link, SQL_MODE)
            return task(link)

        link, answer = self._with_link(_unlimited)
        self.give(link, is_usable=True)
        return answer

    def _with_link(self, task: Callable[[Link], T], patience: float = SMALL_SECONDS) -> tuple[Link, T]:
        """A link, and what `task` did with it."""
        while True:
            link = self._pool.take()
            done = self._attempt(link, task, patience)
            if done is not None:
                return link, done[0]

    def _attempt(self, link: Link, task: Callable[[Link], T], patience: float) -> tuple[T] | None:
        """What `task` did; None when the link had died in the pool. On failure the link is given back."""
        from pymysql import MySQLError

        is_done, is_old = False, not link.is_new
        try:
            if link.is_foreign:
                return None
            with deadline(link, patience):
                if not link.is_settled:
                    settle(link)
                answer = (task(link),)
            is_done = True
            return answer
        except (MySQLError, TimeoutError) as error:
            if is_old and number_of(error) in GONE:
                return None
            raise self._failure(error, patience) from error
        finally:
            if not is_done:
                self.give(link, is_usable=False)

    def _failure(self, error: BaseException, patience: float) -> FedqError:
        where = str(self._connector.address)
        if isinstance(error, TimeoutError):
            message = f"database {self.name!r}: {where} did not answer within {patience:g} s"
            return ConnectionFailed(message, hint="Check the network to the server.", database=self.name)
        return classify(error, self.name, where=where)


def settle(link: Link) -> None:
    """The settings that every session needs, once per connection.

    Not only those for exactness: a server may be set to cut every result (sql_select_limit), to refuse large ones
    (sql_big_selects), to sort by less of a text than is relied on (max_sort_length), to say of nothing that it was cut
    (max_error_count), to end what waits for another database (wait_timeout, idle_transaction_timeout), or to begin a
    new transaction at the end of one (completion_type). MariaDB keeps what a subquery answered for 'a' and gives it for
    'A', 'a ' and 'á' too, whatever the subquery compares: subquery_cache. The session is read-only as such: DDL would
    end a read-only transaction by itself, and then be done.
    """
    variables = "tx" if link.is_mariadb else "transaction"
    own = (
        f", idle_transaction_timeout = {IDLE}, idle_readonly_transaction_timeout = {IDLE}"
        ", optimizer_switch = 'subquery_cache=off'"
        if link.is_mariadb
        else f", wait_timeout = GREATEST(@@wait_timeout, {IDLE})"
    )
    link.wire.ask(
        f"SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '{SQL_MODE}',"
        f" {variables}_isolation = 'REPEATABLE-READ', {variables}_read_only = 1,"
        f" autocommit = 1, net_write_timeout = {PATIENT}, sql_select_limit = {2**64 - 1}, sql_big_selects = 1,"
        f" max_sort_length = {SORTED_BYTES}, max_error_count = 64,"
        f" sql_auto_is_null = 0, completion_type = 0{own}"
    )
    link.mode, link.limit, link.is_new, link.is_settled = SQL_MODE, None, False, True
