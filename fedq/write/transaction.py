"""One transaction per database, and over several databases a commit in two phases.

    with fed.transaction():          shop (PostgreSQL)        crm (MariaDB)
        fed.execute("update …")      BEGIN, UPDATE
        fed.execute("insert …")                               XA START, INSERT
    journal: preparing               PREPARE TRANSACTION      XA PREPARE
    journal: committing              COMMIT PREPARED          XA COMMIT

What was decided stands in a journal on this machine's disk before the first commit is sent, so that `recover()` can
finish what a crash left in doubt. Databases that cannot prepare (SQLite, DuckDB files, a PostgreSQL with
max_prepared_transactions = 0) are refused as a second participant, unless `atomic=False` asks for one commit after
another; then the error says what happened to each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from fedq.bind.params import names
from fedq.bind.resolve import Placing
from fedq.errors import DatabaseError, FedqError, NotAllowed
from fedq.fetch.source import Source
from fedq.fetch.writer import Begin, Conflict, Position, Writer
from fedq.plan.nodes import Plan
from fedq.undo import unless_done
from fedq.write.desk import Part
from fedq.write.journal import Entry, new_gid
from fedq.write.stoppable import Writing, conduct
from fedq.write.written import Written

if TYPE_CHECKING:
    import pyarrow as pa

    from fedq.result import Result
    from fedq.write.desk import Desk

T = TypeVar("T")
#: times a write of its own is tried when others change the same rows
_ATTEMPTS = 6
#: bytes of a transaction's name: XA takes 64
_LONGEST_GID = 64
_active: ContextVar[tuple[Transaction, ...]] = ContextVar("fedq_transactions", default=())


class Transaction:
    """The writes of one `with fed.transaction()`, or of one call. Used by one thread."""

    def __init__(self, desk: Desk, *, is_atomic: bool = True, is_alone: bool = False) -> None:
        self.desk = desk
        self._is_atomic = is_atomic
        self._gid = None if is_alone else new_gid()
        self._gids: dict[str, str] = {}
        self._writers: dict[str, Writer] = {}
        self._failure: BaseException | None = None
        self._token: Token[tuple[Transaction, ...]] | None = None
        self._rows = 0
        self._writing: Writing | None = None
        self.returned: Result | None = None
        """The rows of the last RETURNING."""
        self.written: Written | None = None
        """What the transaction did, once it is committed."""

    def execute(self, sql: str, params: Any = None, **options: Any) -> Written:
        """`Federation.execute`, within this transaction."""
        from fedq.write.execute import execute

        return execute(self.desk, sql, params, **options)

    def write(self, data: Any, table: str, **options: Any) -> Written:
        """`Federation.write`, within this transaction."""
        from fedq.write.rows import write

        return write(self.desk, data, table, **options)

    def read(
        self, sql: str, params: Mapping[str, Any], placing: Placing, *, frames: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """The rows of a query that a write is made of, as the transaction sees them; it may use some of the params."""
        return self.ask(sql, params, placing, frames=frames).to_arrow()

    def ask(
        self, sql: str, params: Mapping[str, Any], placing: Placing, *, frames: Mapping[str, pa.Table] | None = None
    ) -> Result:
        """The same as a result."""
        assert self._writing is not None
        with self._writing.within():
            return self.desk.read(Part(sql, used(sql, params), placing, self.inside, frames or {}), self._writing)

    def plan(self, sql: str, params: Mapping[str, Any], placing: Placing) -> Plan:
        """How such a query would be run."""
        return self.desk.plan(Part(sql, used(sql, params), placing, self.inside))

    @property
    def inside(self) -> Mapping[str, Source]:
        """The databases that are read within the transaction."""
        return {name: writer.source for name, writer in self._writers.items()}

    def writer(self, name: str) -> Writer:
        """The writer of a database, begun. Raises: NotAllowed for a second database that cannot take part."""
        if (known := self._writers.get(name)) is not None:
            return known
        if self._failure is not None:
            raise self._failed()
        writer = self.desk.writers.take(name)
        with unless_done(lambda: self._drop(writer)):
            if self._writing is not None:
                self._writing.reach(writer.interrupt)
            writer.begin(Begin(self._gid_in(name), is_read_only=self.desk.catalog.database(name).read_only))
            if self._writers and self._is_atomic:
                self._check_together(writer)
        self._writers[name] = writer
        return writer

    def _drop(self, newcomer: Writer) -> None:
        """Undo the writer of a database that does not take part: nobody else knows of its connection."""
        if self._writing is not None:
            self._writing.leave()
        newcomer.rollback()
        self.desk.writers.give(newcomer, is_usable=False)

    def _gid_in(self, name: str) -> str | None:
        """The transaction's name in a database; each has another, for two of them may be in one server."""
        if self._gid is None:
            return None
        if name not in self._gids:
            gid = f"{self._gid}:{name}"
            is_short = len(gid.encode()) <= _LONGEST_GID
            self._gids[name] = gid if is_short else f"{self._gid}::{len(self._gids)}"
        return self._gids[name]

    def _check_together(self, newcomer: Writer) -> None:
        unable = [writer.name for writer in (*self._writers.values(), newcomer) if not writer.can_prepare]
        if unable:
            names = ", ".join(repr(name) for name in unable)
            count = len(self._writers) + 1
            message = f"this transaction writes to {count} databases, and {names} cannot commit in two phases"
            hint = (
                "transaction(atomic=False) commits one after the other. PostgreSQL: set max_prepared_transactions; "
                "SQLite and DuckDB files never can."
            )
            raise NotAllowed(message, hint=hint, databases=(*self._writers, newcomer.name))

    def attempt(self, work: Callable[[Transaction], tuple[int, tuple[str, ...]]], writing: Writing) -> Written:
        """Do one write; when it fails or is stopped, the transaction as a whole has failed."""
        if self._failure is not None:
            raise self._failed()
        try:
            self._writing, self.returned, writing.unanswered = writing, None, self._unanswered
            for writer in self._writers.values():
                writing.reach(writer.interrupt)
            rows, databases = work(self)
            writing.decide()
        except BaseException as error:  # Ctrl-C too: a part of the write may be there, so all of it is undone
            writing.leave()
            self._failure = error
            raise
        finally:
            self._writing = None
        self._rows += max(rows, 0)
        return Written(rows, databases, returned=self.returned)

    def _failed(self) -> DatabaseError:
        message = "a write of this transaction has failed before, so all of it is undone"
        return DatabaseError(message, hint="Leave the block, and run the transaction again.")

    def commit(self) -> Written:
        """Make everything last. Raises: what a database says, and then nothing was written, or DatabaseError."""
        if self._failure is not None:
            self.rollback()
            raise self._failed() from self._failure
        if len(self._writers) > 1 and self._is_atomic:
            positions = self._commit_in_two_phases()
        else:
            positions = self._commit_one_by_one()
        self.written = Written(self._rows, tuple(self._writers), positions)
        self._release(is_usable=True)
        return self.written

    def _commit_one_by_one(self) -> dict[str, Position]:
        positions: dict[str, Position] = {}
        done: list[str] = []
        for name, writer in self._writers.items():
            try:
                position = self.desk.commit(writer)
            except BaseException as error:  # Ctrl-C too: what is committed and what is not has to be said
                self.rollback()
                if not done:
                    raise
                raise self._in_part(done, name, error) from error
            done.append(name)
            if position is not None:
                positions[name] = position
        return positions

    def _in_part(self, done: list[str], failed: str, error: BaseException) -> DatabaseError:
        undone = [name for name in self._writers if name not in done and name != failed]
        message = f"committed: {', '.join(done)}; failed: {failed}; rolled back: {', '.join(undone) or 'none'}"
        outcome = {**dict.fromkeys(done, "committed"), failed: "failed", **dict.fromkeys(undone, "rolled back")}
        return DatabaseError(message, hint=f"{failed} said: {error}", outcome=outcome)

    def _commit_in_two_phases(self) -> dict[str, Position]:
        gids = {name: self._gids[name] for name in self._writers}
        urls = {name: self.desk.catalog.database(name).url for name in self._writers}
        entry = Entry.create(self._gid or "", gids, urls)
        try:
            for writer in self._writers.values():
                writer.prepare()
            entry.decide()
        except BaseException:  # Ctrl-C too: what is prepared would hold its locks for ever
            if self.rollback():
                entry.remove()
            else:  # a part may be prepared still
                entry.undo()
            raise
        positions, late = {}, {}
        with unless_done(entry.release):  # what is decided is finished, by `recover()`
            for name, writer in self._writers.items():
                try:
                    position = self.desk.commit(writer)
                except FedqError as error:
                    late[name] = error
                    continue
                if position is not None:
                    positions[name] = position
        if late:
            entry.release()
            outcome = {name: "in doubt" if name in late else "committed" for name in self._writers}
            message = (
                f"decided to commit, but {', '.join(late)} did not answer; its part is prepared and will be committed"
            )
            raise DatabaseError(message, hint="Run fed.recover() when it is back.", outcome=outcome) from next(
                iter(late.values())
            )
        entry.remove()
        return positions

    def rollback(self) -> bool:
        """Undo everything that is not committed; whether that is certain."""
        try:
            undone = [writer.rollback() for writer in self._writers.values()]  # each of them, whatever one says
            return all(undone)
        finally:  # also when Ctrl-C comes again: to close a connection undoes what was done on it
            self._release(is_usable=False)

    def _release(self, *, is_usable: bool) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            self.desk.writers.give(writer, is_usable=is_usable)

    def __enter__(self) -> Transaction:
        self._token = _active.set((*_active.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _active.reset(self._token)
        if kind is None:
            conduct(self.desk.running, self._decided, self.desk.time_limit(None))
        else:
            self.rollback()

    def _decided(self, writing: Writing) -> None:
        """Commit, unless it is stopped before."""
        writing.unanswered = self._unanswered
        with unless_done(self.rollback):
            writing.decide()
        self.commit()

    def _unanswered(self) -> None:
        """Nobody waits for it any more: let later reads know that it may be written yet."""
        for name in tuple(self._writers):
            self.desk.sources.wrote(name, None)


def used(sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The params that are in a text: a write's queries have some of its own each."""
    return {name: params[name] for name in names(sql)}


def around(sources: object) -> Transaction | None:
    """The transaction around this call, when there is one of the federation that has these sources."""
    return next((each for each in reversed(_active.get()) if each.desk.sources is sources), None)


def current(desk: Desk) -> Transaction | None:
    """The transaction around a write."""
    return around(desk.sources)


def in_transaction(
    desk: Desk, work: Callable[[Transaction], tuple[int, tuple[str, ...]]], timeout: float | None = None
) -> Written:
    """Do one write: in the transaction around it, or in one of its own, again when others changed the same rows."""
    outer = current(desk)
    if outer is not None:
        return conduct(desk.running, lambda writing: outer.attempt(work, writing), timeout)
    return conduct(desk.running, lambda writing: _by_itself(desk, work, writing), timeout)


def _by_itself(desk: Desk, work: Callable[[Transaction], tuple[int, tuple[str, ...]]], writing: Writing) -> Written:
    for attempt in range(1, _ATTEMPTS + 1):
        alone = Transaction(desk, is_alone=True)
        try:
            with unless_done(alone.rollback):
                written = alone.attempt(work, writing)
                done = alone.commit()
                return replace(written, positions=done.positions)
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0.001, 0.01) * 2**attempt)
            writing.again()
    raise AssertionError("not reached")
