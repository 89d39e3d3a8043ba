"""The federation: what a user holds. Each method settles what was asked and hands it to the room that does it.

The module-level functions are the same methods on the default federation, that of the nearest `fedq.toml`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack

from fedq.bind.resolve import Placing
from fedq.call import Call, Options, has_options, settle, shadowed, time_limit, unchecked
from fedq.catalog.config import find_catalog, load_catalog
from fedq.catalog.model import Catalog, Relation
from fedq.catalog.suggest import text_name
from fedq.errors import CatalogError, FedqError, NotAllowed, OrphanRows, ParameterError, warn
from fedq.fetch.open import Sources
from fedq.fetch.positions import Reading
from fedq.fetch.writer import Writers
from fedq.join.duckdb import Engine
from fedq.pipeline import Pipeline
from fedq.plan.advise import cross_database_warning
from fedq.plan.nodes import Plan
from fedq.result import Result
from fedq.run.wait import Work
from fedq.survey import check_catalog_live, list_columns, list_databases, list_tables, orphan_query

if TYPE_CHECKING:
    from fedq.result.report import Report
    from fedq.write.desk import Desk, Part
    from fedq.write.stoppable import Writing
    from fedq.write.transaction import Transaction
    from fedq.write.written import Written

T = TypeVar("T")
_pinned: ContextVar[tuple[Sources, ...]] = ContextVar("fedq_pinned", default=())


class Federation:
    """Several databases as one. Opens nothing until needed; use it as a context manager, or `close()` it.

    >>> with connect({"version": 1}) as fed:
    ...     fed.query("select :n + 1 as next", {"n": 1}).scalar()
    2
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        placing: Placing = Placing(),  # noqa: B008  frozen
        shared: Federation | None = None,
    ) -> None:
        self.catalog = catalog
        self._placing = placing
        self._is_view = shared is not None
        self._sources: Sources = shared._sources if shared else Sources(catalog)
        self._engine: Engine = (
            shared._engine
            if shared
            else Engine(catalog.policy.memory_limit, has_files=catalog.policy.local_files == "allow")
        )
        self._writers: Writers = shared._writers if shared else Writers(catalog.databases, self._sources.primary)
        self._writing: set[Writing] = shared._writing if shared else set()
        self._pipeline: Pipeline = shared._pipeline if shared else Pipeline(self._sources, self._engine)

    @has_options
    def query(self, sql: str, params: Any = None, **options: Unpack[Options]) -> Result:
        """Run one SELECT over the tables of the catalog, wherever they live.

        `params` binds `:name`, `$name` and `?`. Options, all by keyword: using, native, frames, limit, timeout,
        on_cross_db, max_pull, freshness, after, engine and listener; `fedq.Options` says what each does.

        Raises: any `FedqError`; `QueryCancelled` on Ctrl-C.
        """
        started = time.perf_counter()
        call = self._within(self._settled(sql, params, options))
        answer = self._pipeline.answered(call)
        plan = answer.plan
        notes: list[Warning] = [
            *shadowed(call, plan),
            *cross_database_warning(plan, plan.actuals, call.catalog, call.on_cross_db),
            *unchecked(call, answer.run.reads.values()),
        ]
        for note in notes:
            warn(note)
        reads = [answer.run.reads[fetch.id] for fetch in plan.fetches if fetch.id in answer.run.reads]
        for database, size, seconds in answer.run.arrivals:
            if database not in call.extra:
                self._sources.observe(database, size, seconds)
        elapsed = time.perf_counter() - started
        return Result(
            answer.table,
            types=answer.types,
            sql=sql,
            sources=reads,
            plan=plan,
            warnings=notes,
            elapsed=elapsed,
            catalog_file=call.catalog.file,
        )

    @has_options
    def explain(self, sql: str, params: Any = None, *, analyze: bool = False, **options: Unpack[Options]) -> Plan:
        """What would run where, and why something was not pushed.

        With `analyze` it is run, and the plan shows actual figures beside the estimates.
        """
        call = self._settled(sql, params, options)
        return self._pipeline.answered(call).plan if analyze else self._pipeline.planned(call)

    def _settled(self, sql: str, params: Any, options: Options) -> Call:
        call = settle(sql, params, self.catalog, self._placing, options)
        is_pinned = self._sources in _pinned.get()
        return replace(call, reading=replace(call.reading, is_pinned=True)) if is_pinned else call

    def execute(
        self, sql: str, params: Any = None, *, using: Any = None, native: str | None = None, timeout: Any = None
    ) -> Written:
        """Run one INSERT, UPDATE or DELETE, or with `native=` any statement of one database, such as DDL.

        What it reads may live anywhere; it writes to one database, all of it or nothing. `timeout` is in seconds, or a
        text such as "5m".
        Raises: any `FedqError`, after which nothing is written; `QueryCancelled` on Ctrl-C.
        """
        from fedq.write.execute import execute

        return self._masked(lambda: execute(self._desk(), sql, params, using=using, native=native, timeout=timeout))

    def write(self, data: Any, table: str, *, mode: str = "append", using: Any = None, timeout: Any = None) -> Written:
        """Write a DataFrame, Arrow, a `Result` or a list of dicts into a logical table.

        `mode` is append, upsert (by key) or replace. Rows that fedq loaded go back to where they came from, unless
        `using` says otherwise. `timeout` is in seconds, or a text such as "5m".
        Raises: any `FedqError`, after which nothing is written; `QueryCancelled` on Ctrl-C.
        """
        from fedq.write.rows import write

        return self._masked(lambda: write(self._desk(), data, table, mode=mode, using=using, timeout=timeout))

    def transaction(self, *, atomic: bool = True) -> Transaction:
        """A context manager: what is written within it is committed together, at its end, or not at all.

        Over several databases it commits in two phases, and refuses a database that cannot; `atomic=False` commits
        one after the other instead.
        """
        from fedq.write.transaction import Transaction

        return Transaction(self._desk(), is_atomic=atomic)

    def recover(self) -> Result:
        """Finish the transactions over several databases that a crash left prepared; a row for each."""
        from fedq.write.recover import recover

        return self._masked(lambda: recover(self._desk()))

    def _desk(self) -> Desk:
        from fedq.write.desk import Desk

        return Desk(
            self.catalog, self._placing, self._sources, self._writers, self._read, self._planned,
            self._engine.connection, self._writing, lambda told: time_limit(self.catalog, told),
        )  # fmt: skip

    def _read(self, part: Part, writing: Writing) -> Result:
        """What a query says that is part of a write."""
        started = time.perf_counter()
        call = self._part(part)
        answer = self._pipeline.read_once(call, writing.reach)
        elapsed = time.perf_counter() - started
        writing.notes += cross_database_warning(answer.plan, answer.plan.actuals, call.catalog, call.on_cross_db)
        return Result(answer.table, types=answer.types, sql=part.sql, plan=answer.plan, elapsed=elapsed)

    def _planned(self, part: Part) -> Plan:
        """How it would be read."""
        return self._pipeline.planned(self._part(part))

    def _part(self, part: Part) -> Call:
        frames: Options = {"frames": part.frames} if part.frames else {}
        call = settle(part.sql, part.params, self.catalog, self._placing, frames)
        limits = replace(call.limits, timeout=None)  # the write as a whole has one
        # what a write is made of is read where it was written
        reading, extra = Reading(is_pinned=True), {**call.extra, **part.inside}
        return replace(call, placing=part.placing, extra=extra, reading=reading, limits=limits)

    def _within(self, call: Call) -> Call:
        """The call, reading the databases of the transaction around it as that sees them, and the others at their
        primaries: what is written next may follow from it. A native text stays outside, for the transaction may
        write."""
        from fedq.write.transaction import around

        transaction = around(self._sources)
        if transaction is None:
            return call
        call = replace(call, reading=replace(call.reading, is_pinned=True))
        return call if call.native is not None else replace(call, extra={**transaction.inside, **call.extra})

    def _masked(self, task: Callable[[], T]) -> T:
        try:
            return task()
        except FedqError as error:
            error.message = self._sources.masked(error.message)
            raise

    def using(self, database: str | None = None, /, **tables: str) -> Federation:
        """A view of this federation with every table, or the named ones, placed in another database.

        Raises: CatalogError for a database that is not there.
        """
        placing = self._placing.narrowed(database, self.catalog).narrowed(tables, self.catalog)
        return Federation(self.catalog, placing=placing, shared=self)

    def assign(self, tables: str, database: str, *, save: bool = False) -> Federation:
        """A federation in which a table (or a pattern of names) lives in another database; `save` also edits the
        catalog's file."""
        assigned = self.catalog.assign(tables, database)
        if save:
            if self.catalog.file is None:
                raise CatalogError(
                    "this catalog was not read from a file, so the assignment cannot be saved", hint="Use save=False."
                )
            from fedq.catalog.edit import save_assignment

            name = self.catalog.database(database).name
            save_assignment(Path(self.catalog.file), tables, name, profile=self.catalog.profile)
        return Federation(assigned, placing=self._placing, shared=self)

    def get(self, table: str, key: Any) -> NoReturn:
        """Not in this version: one row by its key."""
        raise _later("get", "Write fed.query(…).one().")

    def related(self, rows: Any, name: str) -> NoReturn:
        """Not in this version: the rows on the other side of a declared relation."""
        raise _later("related", "Join the two tables in a query.")

    def move(self, table: str, to: str, **options: Any) -> NoReturn:
        """Not in this version: a table with its rows to another database."""
        raise _later("move", _COPY)

    def rebalance(self, table: str, **options: Any) -> NoReturn:
        """Not in this version: rows between the shards of a table."""
        raise _later("rebalance", _COPY)

    def moves(self) -> NoReturn:
        """Not in this version: the moves that are unfinished."""
        raise _later("moves", "No move can have begun.")

    @contextmanager
    def pinned(self) -> Iterator[Federation]:
        """Within it, reads of this federation go to primaries."""
        before = _pinned.set((*_pinned.get(), self._sources))
        try:
            yield self
        finally:
            _pinned.reset(before)

    def token(self) -> str:
        """What this federation has written and seen of each database, as JSON text for `after=` in another process.

        >>> with connect({"version": 1}) as fed:
        ...     fed.token()
        '{"databases": {}, "version": 1}'
        """
        return self._sources.ledger.token()

    def tables(self) -> Result:
        """Every table fedq can see: its logical name, database, physical name, and what put it there."""
        return self._ask(lambda: list_tables(self.catalog, self._sources))

    def databases(self) -> Result:
        """The databases of the catalog; nothing is connected."""
        return list_databases(self.catalog)

    def columns(self, table: str) -> Result:
        """The columns of a logical table: name, type, where they come from and how they compare there.

        Raises: TableNotFound, AmbiguousTable.
        """
        name = text_name(table, "a table", 'Write fed.columns("orders").')
        return self._ask(lambda: list_columns(name, self.catalog, self._sources, self._placing))

    def check(self, *, relations: bool = False) -> Report:
        """Every problem of the catalog at once: secrets, connections, tables, columns.

        With `relations` also rows whose other side is missing.
        """
        report = self._ask(lambda: check_catalog_live(self.catalog, self._sources))
        if not relations:
            return report
        found = [problem for relation in self.catalog.relations if (problem := self._orphans(relation)) is not None]
        return replace(report, problems=(*report.problems, *found))

    def _orphans(self, relation: Relation) -> FedqError | None:
        """What is wrong with one relation: its rows without another side, or why that cannot be told."""
        try:
            missing = self.query(orphan_query(relation), on_cross_db="allow").rows()
        except FedqError as error:
            return error
        if not missing:
            return None
        examples = ", ".join(str(row[:-1] if len(row) > 2 else row[0]) for row in missing)
        columns = ", ".join(relation.from_columns)
        message = f"{missing[0][-1]} distinct values of {relation.from_table}.{columns} are not in {relation.to_table}"
        hint = f"For example {examples} (relation {relation.name!r}, {relation.place}). Add those rows, or correct it."
        return OrphanRows(message, hint=hint, relation=relation.name, count=missing[0][-1])

    def _ask(self, task: Callable[[], T]) -> T:
        return Work(task).result(lambda: None, self.catalog.policy.timeout)

    def cancel(self) -> None:
        """Stop what is running, here and in the databases; the stopped calls raise `QueryCancelled`."""
        self._pipeline.cancel()
        for writing in tuple(self._writing):
            writing.stop()

    def close(self) -> None:
        """Close every connection. A view closes nothing: it shares its federation's."""
        if not self._is_view:
            self._pipeline.close()
            self._writers.close()
            self._sources.close()
            self._engine.close()

    def __enter__(self) -> Federation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = self.catalog.file or "given in code"
        return f"<fedq.Federation of {len(self.catalog.databases)} databases, catalog {where}>"


_COPY = "Copy the rows with the database's own tools, then fed.assign(table, database, save=True)."


def _later(name: str, hint: str) -> NotAllowed:
    return NotAllowed(f"fed.{name}() is not available in this version; nothing was done", hint=hint)


_lock = threading.Lock()
_chosen: Federation | None = None
_nearest: tuple[object, Federation] | None = None


def connect(catalog: Any = None, /, *, profile: str | None = None, **databases: Any) -> Federation:
    """A federation from a catalog (a path, a mapping, a Catalog, or nothing: the nearest fedq.toml) and further
    databases by name.

    >>> import fedq
    >>> fed = fedq.connect(shop="sqlite:///shop.db")
    >>> list(fed.catalog.databases)
    ['shop']

    Raises: CatalogError.
    """
    return Federation(load_catalog(catalog, profile=profile, databases=databases))


def use(federation: Federation | None) -> None:
    """Make a federation the default one; None goes back to the nearest fedq.toml."""
    given: object = federation
    if not isinstance(given, Federation | None):
        message = f"the default federation cannot be a {type(federation).__name__}"
        raise ParameterError(message, hint='Write fedq.use(fedq.connect("fedq.toml")).')
    global _chosen
    _chosen = federation


def default() -> Federation:
    """The default federation: the one given to `use`, else that of the nearest fedq.toml, read again when the file
    changes."""
    global _nearest
    if _chosen is not None:
        return _chosen
    file = find_catalog(os.environ, Path.cwd())
    state = file.stat() if file is not None and file.exists() else None  # reading it says what is wrong
    settings = tuple(item for item in os.environ.items() if item[0].startswith("FEDQ"))
    stamp = (file, state and (state.st_mtime_ns, state.st_size), settings)
    with _lock:
        if _nearest is None or _nearest[0] != stamp:
            _nearest = (stamp, Federation(load_catalog()))
        return _nearest[1]


@has_options
def query(sql: str, params: Any = None, **options: Unpack[Options]) -> Result:
    """`Federation.query` on the default federation."""
    return default().query(sql, params, **options)


@has_options
def explain(sql: str, params: Any = None, *, analyze: bool = False, **options: Unpack[Options]) -> Plan:
    """`Federation.explain` on the default federation."""
    return default().explain(sql, params, analyze=analyze, **options)


def execute(
    sql: str, params: Any = None, *, using: Any = None, native: str | None = None, timeout: Any = None
) -> Written:
    """`Federation.execute` on the default federation."""
    return default().execute(sql, params, using=using, native=native, timeout=timeout)
