"""One query's connection to MySQL or MariaDB: a snapshot, statements read as record batches, and how they are stopped.

    Select → `SELECT …` → packets (mysql_wire) → one array of texts per column → typed arrays (mysql_values) → batch

A pull holds one block of a few megabytes in memory, whatever the result's size. A statement is stopped by KILL QUERY
over a second connection; where that does not free the reader (a network that swallows everything) the socket is cut.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import islice
from typing import Protocol, TypeVar

import pyarrow as pa

from fedq.dialects.mysql import MYSQL, SQL_MODE
from fedq.errors import ConnectionLost, DatabaseError, FedqError, QueryCancelled
from fedq.fetch.arrow import schema_of
from fedq.fetch.failures import timed_out
from fedq.fetch.mysql.bad_value import Result, bad_value
from fedq.fetch.mysql.binary import FLOAT, values
from fedq.fetch.mysql.connect import Link
from fedq.fetch.mysql.errors import CUT_SHORT, GONE, INTERRUPTED, TIMED_OUT, classify, number_of
from fedq.fetch.mysql.native import check_native, check_returns_rows, native_outputs
from fedq.fetch.mysql.values import Unrepresentable, convert, expression
from fedq.fetch.mysql.wire import Field, lost
from fedq.fetch.source import Output, Select

#: seconds that KILL QUERY has before the socket is cut
KILL_SECONDS = 0.3
#: seconds between two KILL QUERY: the first may come before the statement does
KILL_AGAIN = 0.05
#: seconds the server's own limit has before ours cuts the connection
GRACE = 0.5
#: seconds for what is no query of the user: settings, snapshots, descriptions
SMALL_SECONDS = 30.0
#: seconds for leaving a connection in a clean state; one that takes longer is closed
CLEAN_SECONDS = 3.0
#: rows of one batch of the binary protocol
BINARY_ROWS = 10_000

T = TypeVar("T")


class Owner(Protocol):
    """What a session needs of the source it is of."""

    name: str

    def give(self, link: Link, *, is_usable: bool) -> None:
        """Take the link back."""

    def side(self) -> AbstractContextManager[Link]:
        """Another connection to the same server, for KILL."""


@contextmanager
def deadline(link: Link, seconds: float) -> Iterator[None]:
    """Nothing inside waits longer than this for the server: TimeoutError."""
    link.wire.until(time.monotonic() + seconds)
    try:
        yield
    finally:
        if not link.wire.is_broken:
            link.wire.until(None)


def begin(link: Link, timeout: float | None) -> None:
    """A snapshot on a settled link; statements end after `timeout` seconds. Raises: MySQLError, TimeoutError."""
    use_limit(link, timeout)
    use_mode(link, SQL_MODE)
    link.wire.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def use_limit(link: Link, timeout: float | None) -> None:
    """Let the server end statements after `timeout` seconds."""
    if link.limit == timeout:
        return
    seconds = timeout or 0.0  # 0 is no limit
    if link.is_mariadb:
        link.wire.ask(f"SET max_statement_time = {seconds:f}")
    else:
        link.wire.ask(f"SET max_execution_time = {max(int(seconds * 1000), 1) if seconds else 0}")
    link.limit = timeout


def use_mode(link: Link, mode: str) -> None:
    """Let the link read SQL under this sql_mode."""
    if link.mode != mode:
        # else MariaDB makes a table of a list of 1,000 keys or more, and joins with it: up to three times slower
        lists = ", in_predicate_conversion_threshold = 0" if link.is_mariadb and mode == SQL_MODE else ""
        link.wire.ask(f"SET sql_mode = '{mode}'{lists}")
        link.mode = mode


class MySQLSession:
    """One connection with one snapshot. `cancel` from any thread, all else from one."""

    def __init__(self, owner: Owner, link: Link, timeout: float | None) -> None:
        self._owner, self._name, self._link, self._timeout = owner, owner.name, link, timeout
        self._before = link.wire.received
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self._is_cancelled = self._is_closed = self._has_run_native = False
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._position: str | None = None
        self._number = 0
        self.snapshot_at: float | None = time.time()

    @property
    def received(self) -> int:
        """Bytes received from the server in this session."""
        return self._link.wire.received - self._before

    @property
    def position(self) -> str | None:
        """The GTID at which the snapshot stands; None where the server keeps no log, or is MySQL."""
        is_free = not self._is_closed and self._is_idle.is_set() and not self._link.wire.is_streaming
        if self._position is None and is_free and self._link.has_positions:
            self._position = self._small(_position)
        return self._position

    @property
    def most_bytes(self) -> int | None:
        """What the server takes in one packet."""
        return self._link.most_bytes

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """The rows of a statement as record batches.

        Raises: ValueNotRepresentable, TableNotFound, DatabaseError, ConnectionLost, QueryTimeout, QueryCancelled.
        """
        return self._stream(statement(select), SQL_MODE, lambda _: select.outputs, select)

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a statement that the user wrote for this server, under the server's own sql_mode.

        Raises: NotAllowed where it does more than read, and what `read` raises.
        """
        check_native(sql, self._link.sql_mode)
        return self._stream(sql, self._link.sql_mode, native_outputs, None)

    def cancel(self) -> None:
        """Stop the running statement here and in the server. It takes at most 0.3 s; later calls do nothing."""
        with self._lock:
            if self._is_cancelled or self._is_closed:
                return
            self._is_cancelled = True
            if self._is_idle.is_set():
                return
        self._stop_later()
        if not self._is_idle.wait(KILL_SECONDS):
            self._link.shut_down()

    def close(self) -> None:
        """End the snapshot and give the connection back; one that is not in a clean state is closed."""
        if not self._ends():
            return
        is_usable = False
        try:
            if not self._is_cancelled and self._stop_stream():
                is_usable = self._small(_reset if self._has_run_native else _roll_back) is not None
        finally:
            self._owner.give(self._link, is_usable=is_usable and not self._is_cancelled)

    def _ends(self) -> bool:
        """Take no more statements, and cut off who still reads; False when that was said before."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        self._number += not was_closed
        return not was_closed

    def _stream(
        self, sql: str, mode: str, outputs_of: Callable[[Sequence[Field]], Sequence[Output]], select: Select | None
    ) -> Iterator[pa.RecordBatch]:
        from pymysql import MySQLError

        number = self._begin_statement()
        wire = self._link.wire
        texts: list[pa.Array] = []
        try:
            wire.until(None if self._deadline is None else self._deadline + GRACE)
            fields = self._sent(sql, mode, is_native=select is None)
            blocks = wire.rows(len(fields))
            if select is None and any(field.code == FLOAT for field in fields) and self._stop_stream():
                fields = wire.send_prepared(sql)
                blocks = _blocks(wire.packets(), fields)
            outputs = outputs_of(fields)
            schema = schema_of(outputs)
            is_empty = True
            for texts in blocks:
                if self._is_cancelled:
                    lost("the query was cancelled")
                yield _batch(outputs, fields, texts, schema)
                self._check_current(number)
                is_empty = False
            self._check_warnings()
            if is_empty:
                yield pa.RecordBatch.from_pylist([], schema) if len(schema) else _without_columns(0)
        except GeneratorExit:
            if number == self._number:
                self._stop_stream()
            raise
        except Unrepresentable as bad:
            link = self._link if self._stop_stream() else None
            raise bad_value(self._name, bad, outputs, Result(link, fields, texts, select)) from None
        except (MySQLError, TimeoutError) as error:
            raise self._failure(error) from error
        except FedqError:
            raise
        except BaseException:  # Ctrl-C may come between receiving bytes and counting them
            wire.is_broken = True
            raise
        finally:
            if number == self._number:
                self._is_idle.set()

    def _sent(self, sql: str, mode: str, *, is_native: bool) -> Sequence[Field]:
        """The columns of a statement that runs now."""
        use_mode(self._link, mode)
        if is_native:
            self._has_run_native = True
            check_returns_rows(self._link.wire, sql)
        return self._link.wire.send(sql)

    def _begin_statement(self) -> int:
        """The number of the statement that may now be sent; a reader of an earlier one is cut off."""
        if self._is_cancelled and not self._is_closed:  # its connection may be cut by now
            raise QueryCancelled
        if self._is_closed or not self._stop_stream():
            message = f"database {self._name!r}: the session is closed or its connection broke before"
            raise ConnectionLost(message, hint="Run the query again.", database=self._name)
        with self._lock:
            if self._is_cancelled:
                raise QueryCancelled
            self._is_idle.clear()
            self._number += 1
            return self._number

    def _check_current(self, number: int) -> None:
        """A reader that goes on after another statement, or another session, took the connection would get its rows."""
        if number != self._number:
            message = (
                f"database {self._name!r}: another statement began, or the session was closed, before all was read"
            )
            raise ConnectionLost(message, hint="Read a result to its end first.", database=self._name)

    def _check_warnings(self) -> None:
        """The server cuts a text that it computes, or makes it NULL, with no more than a warning."""
        if not self._link.wire.warnings:
            return
        for _, code, said in self._link.wire.ask("SHOW WARNINGS"):
            number = int(code or 0)
            if number in CUT_SHORT:
                what = (said or b"").decode()
                message = f"database {self._name!r} cut a value short: {what} (MySQL warning {number})"
                hint = "Raise max_allowed_packet or group_concat_max_len of the server."
                raise DatabaseError(message, hint=hint, database=self._name)

    def _failure(self, error: BaseException) -> FedqError | QueryCancelled:
        if self._is_cancelled:
            return QueryCancelled()
        number = number_of(error)
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        if isinstance(error, TimeoutError) or number in TIMED_OUT or (number == INTERRUPTED and is_late):
            if self._link.wire.is_broken:
                self._stop_later()
            return timed_out(self._name, self._timeout)
        if number in GONE:
            self._link.wire.is_broken = True
        return classify(error, self._name)

    def _stop_stream(self) -> bool:
        """End the running statement, if one runs, and keep the snapshot; returns whether the connection is clean."""
        from pymysql import MySQLError

        wire = self._link.wire
        if wire.is_streaming and not wire.is_broken:
            try:
                with self._owner.side() as side:
                    side.wire.ask(f"KILL QUERY {self._link.id}")
                with deadline(self._link, CLEAN_SECONDS):
                    wire.drain()
            except MySQLError as error:
                if number_of(error) != INTERRUPTED:
                    wire.is_broken = True
            except (FedqError, TimeoutError):
                wire.is_broken = True
        return not wire.is_broken

    def _stop_later(self) -> None:
        threading.Thread(target=self._stop_in_server, name=f"fedq-kill-{self._name}", daemon=True).start()

    def _stop_in_server(self) -> None:
        from pymysql import MySQLError

        link = self._link
        try:
            with self._owner.side() as side:
                while not (self._is_idle.is_set() or link.wire.is_broken):
                    side.wire.ask(f"KILL QUERY {link.id}")
                    self._is_idle.wait(KILL_AGAIN)
                if link.wire.is_broken:
                    side.wire.ask(f"KILL CONNECTION {link.id}")
        except (FedqError, MySQLError, TimeoutError):
            pass  # it ended by itself, or the server cannot be reached: its own limit and the cut socket end it

    def _small(self, task: Callable[[Link], T]) -> T | None:
        """What a small statement answers; None when the connection broke."""
        from pymysql import MySQLError

        try:
            with deadline(self._link, CLEAN_SECONDS):
                return task(self._link)
        except (MySQLError, TimeoutError):
            self._link.wire.is_broken = True
            return None


def statement(select: Select) -> str:
    """The statement whose texts are exact. What is DISTINCT is so by its values, not by what they are wrapped in."""
    wrapped = [expression(output) for output in select.outputs]
    if wrapped == [output.sql for output in select.outputs]:
        return select.sql
    if not select.is_distinct:
        return f"SELECT {', '.join(wrapped)} {select.tail}"
    names = [f"`c{number}`" for number in range(len(wrapped))]
    inner = ", ".join(f"{output.sql} AS {name}" for output, name in zip(select.outputs, names, strict=True))
    outer = ", ".join(expression(replace(output, sql=name)) for output, name in zip(select.outputs, names, strict=True))
    return f"SELECT {outer} FROM (SELECT DISTINCT {inner} {select.tail}) AS `distinct_rows`"


def _batch(
    outputs: Sequence[Output], fields: Sequence[Field], texts: list[pa.Array], schema: pa.Schema
) -> pa.RecordBatch:
    if not outputs:
        return _without_columns(len(texts[0]))
    arrays = []
    for number, (output, field, column) in enumerate(zip(outputs, fields, texts, strict=True)):
        try:
            arrays.append(convert(column, output, field))
        except Unrepresentable as bad:
            bad.column = number
            raise
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _blocks(packets: Iterator[bytes], fields: Sequence[Field]) -> Iterator[list[pa.Array]]:
    """Rows of the binary protocol as arrays of texts."""
    while rows := [values(packet, fields) for packet in islice(packets, BINARY_ROWS)]:
        yield [pa.array(column, pa.binary()) for column in zip(*rows, strict=True)]


def _without_columns(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))


def _roll_back(link: Link) -> bool:
    link.wire.ask("ROLLBACK")
    return True


def _reset(link: Link) -> bool:
    """After a statement of the user's: a lock or a variable of the connection must not meet its next user."""
    link.is_settled = False
    link.wire.reset()
    return True


def _position(link: Link) -> str | None:
    """Where the snapshot stands in the binary log, as a GTID."""
    status = {row[0]: row[1] for row in link.wire.ask("SHOW STATUS LIKE 'binlog_snapshot_%'")}
    file, at = status.get(b"Binlog_snapshot_file"), status.get(b"Binlog_snapshot_position")
    if not file or not at:
        return None
    [[position]] = link.wire.ask(f"SELECT BINLOG_GTID_POS({MYSQL.text(file.decode())}, {int(at)})")
    return position.decode() if position else None
