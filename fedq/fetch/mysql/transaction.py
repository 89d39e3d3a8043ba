"""A transaction of MySQL or MariaDB that may write: its connection, how a statement runs in it, and how it ends.

    begin → START TRANSACTION, or XA START of two phases → statements → COMMIT, or XA PREPARE and XA COMMIT

Its isolation is SERIALIZABLE, which here means that what is read is locked: a row that was read cannot be changed by
somebody else before it is written. The server may only ask for data right after our own LOAD DATA, and never gets a
file.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fedq.dialects.mysql import MYSQL, SQL_MODE
from fedq.errors import ConnectionLost, DatabaseError, FedqError, ReadOnlyError, ValueNotRepresentable
from fedq.fetch.mysql.connect import Connector, Link
from fedq.fetch.mysql.errors import READ_ONLY, classify, number_of
from fedq.fetch.mysql.session import MySQLSession, use_mode
from fedq.fetch.mysql.source import MySQLSource, settle
from fedq.fetch.mysql.wire import FULL, length_encoded
from fedq.fetch.source import Source
from fedq.fetch.writer import UNDO_SECONDS, Begin, Conflict, Position, WriterSource

if TYPE_CHECKING:
    import pymysql

#: flags of the login: CLIENT_FOUND_ROWS, CLIENT_LOCAL_FILES
_FOUND_ROWS, _LOCAL_FILES = 2, 128
#: KILL QUERY that a statement may survive, some seconds in all; then the connection is cut
_KILLS = 12
#: waited too long for a lock, deadlock, the row has changed since it was read
_CONFLICTS = (1205, 1213, 1020)
#: a key is there already
TAKEN = (1062, 1586)
#: DDL within XA
_ENDS_TRANSACTION = 1399
#: out of range, cut, wrong for its type, NULL where there must be a value, a CHECK
_UNFIT = (1264, 1265, 1292, 1366, 1367, 1406, 1411, 1048, 1263, 4025)


class _Connector(Connector):
    """Connects such that LOAD DATA LOCAL is possible, and an UPDATE says how many rows it found."""

    def __init__(self, plain: Connector) -> None:
        super().__init__(plain.name, "", plain._options, plain._password)
        self.address = plain.address

    def _driver(self, deadline: float) -> pymysql.connections.Connection[Any]:
        driver = super()._driver(deadline)
        driver.client_flag |= _FOUND_ROWS | _LOCAL_FILES
        return driver


class MySQLTransaction:
    """One connection with a transaction that may write."""

    def __init__(self, source: MySQLSource) -> None:
        self.name, self._plain = source.name, source
        self._connector = _Connector(source._connector)
        self._link: Link | None = None
        self._begin = Begin()
        self._is_prepared = False
        self._is_running = self._is_stopped = False
        self._kills = 0

    @property
    def link(self) -> Link:
        """The connection."""
        assert self._link is not None
        return self._link

    def begin(self, begin: Begin) -> None:
        """Start a transaction."""
        self._begin, self._is_prepared, self._is_stopped, self._kills = begin, False, False, 0
        is_old = self._link is not None
        if self._link is None or self._link.wire.is_broken or self._link.is_foreign:
            self._connect()
            is_old = False
        try:
            self._start()
        except ConnectionLost:
            if not is_old:
                raise
            self._connect()
            self._start()

    def _connect(self) -> None:
        self.close()
        self._link = link = self._connector.connect()
        variables = "tx" if link.is_mariadb else "transaction"
        with self._explaining():
            settle(link)
            link.wire.ask(
                f"SET {variables}_isolation = 'SERIALIZABLE', {variables}_read_only = 0, unique_checks = 1,"
                " foreign_key_checks = 1"
            )

    def _start(self) -> None:
        mode = "READ ONLY" if self._begin.is_read_only else "READ WRITE"
        if self._begin.is_autocommit or self._begin.is_read_only:
            self._run(f"SET SESSION TRANSACTION {mode}")
        with self._explaining():
            use_mode(self.link, self.link.sql_mode if self._begin.is_autocommit else SQL_MODE)
        if self._begin.is_autocommit:
            return
        if self._begin.gid is not None and not self._begin.is_read_only:
            self._run(f"XA START {MYSQL.text(self._begin.gid)}")
        else:
            self._run("START TRANSACTION")

    @property
    def source(self) -> Source:
        """The database within the transaction."""
        return WriterSource(self._plain, lambda: _Session(self._plain, self.link, None))

    def run(self, sql: str) -> int:
        """One statement; the server takes no two."""
        return self._run(sql)

    def _ask(self, sql: str) -> list[list[bytes | None]]:
        """The rows of a small question."""
        with self._explaining():
            return self.link.wire.ask(sql)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        from pymysql import MySQLError

        try:
            yield
        except (MySQLError, TimeoutError, OSError) as error:
            raise self._explained(error) from error

    def _run(self, sql: str, pieces: Iterator[bytes] | None = None, seconds: float | None = None) -> int:
        """Run a statement, sending `pieces` when the server asks for them; returns the rows it changed. It has so many
        `seconds`."""
        wire = self.link.wire
        self._is_running = True
        try:
            with self._explaining():
                wire.until(None if seconds is None else time.monotonic() + seconds)
                wire.command(b"\x03" + sql.encode())
                first = wire.packet()
                if first[0] == 0xFB and pieces is not None:
                    self._send(pieces)
                    first = wire.packet()
                if first[0] == 0xFB:  # it asks for a file of this machine
                    wire.is_broken = True
                    raise ConnectionLost(f"database {self.name!r}: the server asks for a file", database=self.name)
                if first[0] != 0:
                    raise self._has_rows()
                wire.ended(first)
                return length_encoded(first, 1)[0] or 0
        except FedqError:
            raise
        except BaseException:  # Ctrl-C: what the server does now is not known
            wire.is_broken = True
            raise
        finally:
            self._is_running = False

    def interrupt(self) -> None:
        """Stop the statement that runs, by KILL QUERY over another connection; one that does not end is cut off."""
        from pymysql import MySQLError

        link, self._is_stopped = self._link, True
        if link is None or not self._is_running:
            return
        self._kills += 1
        try:
            with self._plain.side() as side:
                side.wire.ask(f"KILL QUERY {link.id}")
        except (FedqError, MySQLError, TimeoutError):
            self._kills = _KILLS
        if self._kills >= _KILLS:
            link.shut_down()

    def _has_rows(self) -> FedqError:
        self.link.wire.is_broken = True
        return DatabaseError(f"database {self.name!r}: the statement returns rows", hint="Use query(native=…).")

    def _send(self, pieces: Iterator[bytes]) -> None:
        """Data as packets, ended by an empty one; the server numbers them on from its own request, which was 1."""
        line, number = self.link.wire.socket, 2
        try:
            for piece in pieces:
                if self._is_stopped:
                    break
                for start in range(0, len(piece), FULL - 1):
                    part = memoryview(piece)[start : start + FULL - 1]
                    line.sendall(struct.pack("<I", len(part) | (number & 0xFF) << 24))
                    line.sendall(part)
                    number += 1
        finally:
            line.sendall(struct.pack("<I", (number & 0xFF) << 24))

    def _explained(self, error: BaseException) -> FedqError:
        number, found = number_of(error), classify(error, self.name)
        facts: dict[str, Any] = {"database": self.name, "number": number}
        if isinstance(found, ConnectionLost):
            self.link.wire.is_broken = True
            found.hint = "What was not committed is undone; look whether the last commit arrived."
        if number in _CONFLICTS:
            return Conflict(found.message, **facts)
        if number in READ_ONLY:
            hint = "The server or the session only reads: write to the primary, with a user that may."
            return ReadOnlyError(found.message, hint=hint, **facts)
        if number in _UNFIT:
            return ValueNotRepresentable(found.message, hint="Convert the value first; nothing was written.", **facts)
        if number in TAKEN:
            hint = "Nothing was written. mode='upsert' changes rows whose key is there."
            return DatabaseError(found.message, hint=hint, **facts)
        if number == _ENDS_TRANSACTION:
            hint = "The server commits at such a statement, as at DDL: run it outside of transaction()."
            return DatabaseError(found.message, hint=hint, **facts)
        return found

    def prepare(self) -> None:
        """The first phase."""
        gid = MYSQL.text(self._begin.gid or "")
        self._run(f"XA END {gid}")
        self._run(f"XA PREPARE {gid}")
        self._is_prepared = True

    def commit(self) -> Position | None:
        """Make it last."""
        gid = MYSQL.text(self._begin.gid or "")
        if self._is_prepared:
            self._run(f"XA COMMIT {gid}")
        elif self._begin.is_autocommit:
            pass
        elif self._begin.gid is not None:
            self._run(f"XA END {gid}")
            self._run(f"XA COMMIT {gid} ONE PHASE")
        else:
            self._run("COMMIT")
        return self._position()

    def _position(self) -> Position | None:
        """The GTID of what this connection committed last; MySQL's own kind is a set, not a position."""
        if not self.link.has_positions:
            return None
        try:
            [[gtid, server]] = self._ask("SELECT @@last_gtid, @@server_id")
            if not gtid:  # nothing was changed; then everything that is there is the position
                [[gtid]] = self._ask("SELECT @@gtid_binlog_pos")
        except FedqError:  # it is committed all the same
            return None
        return Position("mariadb", (server or b"").decode(), None, gtid.decode()) if gtid else None

    def rollback(self) -> bool:
        """Undo it; certain unless it was to be prepared and the server does not answer."""
        if self._link is None or self._link.wire.is_broken:
            self.close()
            return self._begin.gid is None
        gid = MYSQL.text(self._begin.gid or "")
        try:
            if self._begin.gid is None:
                self._run("ROLLBACK", seconds=UNDO_SECONDS)
            else:
                if not self._is_prepared:
                    self._run(f"XA END {gid}", seconds=UNDO_SECONDS)
                self._run(f"XA ROLLBACK {gid}", seconds=UNDO_SECONDS)
        except FedqError:
            self.close()
            return self._begin.gid is None
        return True

    def in_doubt(self) -> Sequence[str]:
        """The prepared transactions of this server."""
        return [(row[3] or b"").decode(errors="replace") for row in self._ask("XA RECOVER")]

    def resolve(self, gid: str, *, is_commit: bool) -> None:
        """Finish a prepared transaction."""
        self._run(f"XA {'COMMIT' if is_commit else 'ROLLBACK'} {MYSQL.text(gid)}")

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


class _Session(MySQLSession):
    """A session that leaves the writer's transaction open."""

    def close(self) -> None:
        """Read no more."""
        if self._ends() and not self._stop_stream():
            self._link.wire.is_broken = True
