"""The federation: what a user holds. `query` is the pipeline, catalog → bind → plan → fetch → join → result.

The module-level functions are the same methods on the default federation, that of the nearest `fedq.toml`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from fedq.bind.bound import BoundQuery, bind
from fedq.bind.resolve import Placing
from fedq.bind.scope import ORIGIN, Occurrence
from fedq.call import Call, Options, settle, shadowed
from fedq.catalog.config import find_catalog, load_catalog
from fedq.catalog.model import Catalog, Database, Relation
from fedq.catalog.suggest import nearest
from fedq.errors import CatalogError, ColumnNotFound, DatabaseError, FedqError, OrphanRows
from fedq.fetch.native_text import check_reads
from fedq.fetch.open import QueryLookup, Sources
from fedq.fetch.positions import Reading
from fedq.fetch.replicas import ReadElsewhere
from fedq.fetch.writer import Writers
from fedq.join.duckdb import Bench, Engine, Shell
from fedq.plan.advise import check_policy, cross_database_warning
from fedq.plan.build import build, native_plan
from fedq.plan.kept import Plans
from fedq.plan.nodes import Plan
from fedq.plan.pull import local_collation
from fedq.plan.rewrite.facts import Facts
from fedq.result import Result
from fedq.run.pulls import Run
from fedq.run.wait import Work
from fedq.survey import check_catalog_live, list_columns, list_databases, list_tables, orphan_query
from fedq.types import VARCHAR, Type

if TYPE_CHECKING:
    from fedq.result.report import Report
    from fedq.write.desk import Desk
    from fedq.write.transaction import Transaction
    from fedq.write.written import Written

T = TypeVar("T")
#: times a query is run again elsewhere, before it is read at primaries
READ_AGAIN = 3
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
        self._plans: Plans = shared._plans if shared else Plans()
        self._runs: set[Run] = shared._runs if shared else set()

    def query(self, sql: str, params: Any = None, **options: Unpack[Options]) -> Result:
        """Run one SELECT over the tables of the catalog, wherever they live.

        `params` binds `:name`, `$name` and `?`. Options, all by keyword: using, native, frames, limit, timeout,
        on_cross_db, max_pull, freshness, after, engine and listener; `fedq.Options` says what each does.

        Raises: any `FedqError`; `QueryCancelled` on Ctrl-C.
        """
        started = time.perf_counter()
        call = self._within(settle(sql, params, self.catalog, self._placing, options))
        plan, table, types, run = self._answered(call)
        notes: list[Warning] = [
            *shadowed(call, plan),
            *cross_database_warning(plan, plan.actuals, call.catalog, call.on_cross_db),
        ]
        for note in notes:
            warnings.warn(note, stacklevel=_caller_level())
        reads = [run.reads[fetch.id] for fetch in plan.fetches if fetch.id in run.reads]
        for read in reads:
            if read.database not in call.extra:
                self._sources.observe(read.database, read.bytes, read.seconds)
        elapsed = time.perf_counter() - started
        return Result(
            table,
            types=types,
            sql=sql,
            sources=reads,
            plan=plan,
            warnings=notes,
            elapsed=elapsed,
            catalog_file=call.catalog.file,
        )

    def explain(self, sql: str, params: Any = None, *, analyze: bool = False, **options: Unpack[Options]) -> Plan:
        """What would run where, and why something was not pushed.

        With `analyze` it is run, and the plan shows actual figures beside the estimates.
        """
        call = settle(sql, params, self.catalog, self._placing, options)
        if analyze:
            return self._answered(call)[0]
        return self._conduct(call, lambda call, run, bench: self._plan(call, bench))

    def _answered(self, call: Call) -> tuple[Plan, Any, list[Type], Run]:
        """The answer; asked again as a whole, elsewhere, when a server is lost on the way."""
        started, limits = time.monotonic(), call.limits
        for _ in range(READ_AGAIN):
            try:
                return self._computed(call)
            except ReadElsewhere as lost:
                call = replace(call, limits=limits.after(time.monotonic() - started))
                if lost.is_for_primary:
                    break
        return self._computed(replace(call, reading=replace(call.reading, is_pinned=True)))

    def _computed(self, call: Call) -> tuple[Plan, Any, list[Type], Run]:
        """The answer; computed here where a database could not compute what it was asked to.

        Which of many rows are computed depends on the plan, so an error there need not be one here; and where it is
        one, here it names the row.
        """
        try:
            return self._conduct(call, self._answer)
        except DatabaseError:
            if call.native is not None:
                raise
        return self._conduct(call, partial(self._answer, is_plain=True))

    def _answer(
        self, call: Call, run: Run, bench: Bench, *, is_plain: bool = False
    ) -> tuple[Plan, Any, list[Type], Run]:
        plan = self._plan(call, bench, is_plain=is_plain)
        check_policy(plan, call.catalog, call.on_cross_db)
        try:
            table, types = run.answer(plan)
        except FedqError as error:
            raise _in_the_users_text(error, plan.text, plan.params, plan.place, 0) from error.__cause__
        actuals = tuple(run.actuals[fetch.id] for fetch in plan.fetches if fetch.id in run.actuals)
        return replace(plan, actuals=actuals), table, types, run

    def _plan(self, call: Call, bench: Bench, *, is_plain: bool = False) -> Plan:
        if call.native is not None:
            database = self._database(call.native)
            check_reads(call.sql, database.kind, database.name)
            return native_plan(call.sql, database)
        lookup = QueryLookup(self._sources, call.extra)
        query = bind(call.sql, call.params, call.catalog, lookup, call.placing, known=self._plans.bound)
        outputs = _check_meaning(query, bench)
        kinds = {database.name: database.kind for database in call.catalog.databases.values()}
        links = {name: self._sources.link(name) for name in query.databases if name not in call.extra}
        describe = partial(_described, bench=bench)
        facts = Facts(kinds, describe, links, is_plain=is_plain)
        if is_plain:
            return build(query, outputs, facts)
        return self._plans.plan(query, outputs, partial(build, facts=facts), time.monotonic())

    def _conduct(self, call: Call, task: Callable[[Call, Run, Bench], T]) -> T:
        """The task in a thread of its own, stoppable by Ctrl-C, `cancel()` and the timeout."""
        bench = self._engine.bench()
        reading = replace(call.reading, is_pinned=True) if self._sources in _pinned.get() else call.reading
        find = lambda name: call.extra[name] if name in call.extra else self._sources.reading(name, reading)
        run = Run(find, bench, call.limits, call.listener)

        def work() -> T:
            try:
                return task(call, run, bench)
            finally:
                bench.close()

        self._runs.add(run)
        try:
            return Work(work).result(run.cancel, call.limits.timeout)
        except FedqError as error:
            # the last fence: no driver's sentence may show a secret
            error.message = self._sources.masked(error.message)
            raise
        finally:
            self._runs.discard(run)

    def execute(self, sql: str, params: Any = None, *, using: Any = None, native: str | None = None) -> Written:
        """Run one INSERT, UPDATE or DELETE, or with `native=` any statement of one database, such as DDL.

        What it reads may live anywhere; it writes to one database, all of it or nothing.
        Raises: any `FedqError`, after which nothing is written.
        """
        from fedq.write.execute import execute

        return self._masked(lambda: execute(self._desk(), sql, params, using=using, native=native))

    def write(self, data: Any, table: str, *, mode: str = "append", using: Any = None) -> Written:
        """Write a DataFrame, Arrow, a `Result` or a list of dicts into a logical table.

        `mode` is append, upsert (by key) or replace. Rows that fedq loaded go back to where they came from, unless
        `using` says otherwise. Raises: any `FedqError`, after which nothing is written.
        """
        from fedq.write.rows import write

        return self._masked(lambda: write(self._desk(), data, table, mode=mode, using=using))

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

        return Desk(self.catalog, self._placing, self._sources, self._writers, self._read, self._engine.connection)

    def _read(self, sql: str, params: Any, placing: Placing, inside: Mapping[str, Any]) -> Any:
        """The rows of a query that is part of a write; `inside` are the databases of its transaction."""
        call = settle(sql, params, self.catalog, self._placing, {})
        # what a write is made of is read where it was written
        call = replace(call, placing=placing, extra={**call.extra, **inside}, reading=Reading(is_pinned=True))
        return self._conduct(call, self._answer)[1]

    def _within(self, call: Call) -> Call:
        """The call, reading the databases of the transaction around it as that sees them; a native text never does,
        for the transaction may write."""
        from fedq.write.transaction import around

        transaction = around(self._sources)
        if transaction is None or call.native is not None:
            return call
        return replace(call, extra={**transaction.inside, **call.extra})

    def _masked(self, task: Callable[[], T]) -> T:
        try:
            return task()
        except FedqError as error:
            error.message = self._sources.masked(error.message)
            raise

    def using(self, database: str | None = None, /, **tables: str) -> Federation:
        """A view of this federation with every table, or the named ones, placed in another database."""
        for name in (*([database] if database else []), *tables.values()):
            self._database(name)
        return Federation(self.catalog, placing=self._placing.narrowed(database or tables), shared=self)

    def assign(self, tables: str, database: str, *, save: bool = False) -> Federation:
        """A federation in which a table (or a pattern of names) lives in another database; `save` also edits the
        catalog's file."""
        self._database(database)
        if save:
            if self.catalog.file is None:
                raise CatalogError(
                    "this catalog was not read from a file, so the assignment cannot be saved", hint="Use save=False."
                )
            from fedq.catalog.edit import save_assignment

            save_assignment(Path(self.catalog.file), tables, database, profile=self.catalog.profile)
        return Federation(self.catalog.assign(tables, database), placing=self._placing, shared=self)

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
        """The columns of a logical table: name, type, where they come from and how they compare there."""
        return self._ask(lambda: list_columns(table, self.catalog, self._sources, self._placing))

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

    def _database(self, name: str) -> Database:
        if name not in self.catalog.databases:
            near = nearest(name, self.catalog.databases)
            hint = f"Did you mean {near!r}?" if near else f"There is {', '.join(self.catalog.databases) or 'none'}."
            raise CatalogError(f"there is no database {name!r} in the catalog", hint=hint, database=name)
        return self.catalog.databases[name]

    def cancel(self) -> None:
        """Stop what is running, here and in the databases; the stopped calls raise `QueryCancelled`."""
        for run in tuple(self._runs):
            run.cancel()

    def close(self) -> None:
        """Close every connection. A view closes nothing: it shares its federation's."""
        if not self._is_view:
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


def _check_meaning(query: BoundQuery, bench: Bench) -> list[tuple[str, Type]]:
    """DuckDB's own binder over empty tables: types of the result, and every error of meaning before any pull."""
    if not query.is_describable:
        return []
    try:
        found = _described(query.local, query.params, query.occurrences, bench)
        return [(query.shown(name), type_) for name, type_ in found]
    except FedqError as error:
        if isinstance(error, ColumnNotFound):
            # the empty tables hold only the columns that the query names, so the nearest name is looked for here
            names = [column.name for occurrence in query.occurrences for column in occurrence.table.columns]
            near = nearest(str(error.facts["column"]), names)
            error.hint = f"Did you mean {near!r}?" if near else "`%fedq :columns TABLE` lists a table's columns."
        raise _in_the_users_text(error, query.text, query.params, query.place, len("DESCRIBE ")) from error.__cause__


def _described(
    text: str, params: Mapping[str, object], read: Sequence[Occurrence], bench: Bench
) -> list[tuple[str, Type]]:
    """Names and types of a text's result over empty tables."""
    return bench.describe(text, params, tuple(_shell(occurrence) for occurrence in read))


def _shell(occurrence: Occurrence) -> Shell:
    """The empty table that stands for an occurrence until its rows are there."""
    columns = [(column.name, column.type, local_collation(column)) for column in occurrence.columns]
    origin: list[tuple[str, Type, str | None]] = [(ORIGIN, VARCHAR, None)] if occurrence.has_origin else []
    return occurrence.id, (*columns, *origin)


def _in_the_users_text(
    error: FedqError,
    text: str,
    params: Mapping[str, Any],
    place: Callable[[int], tuple[int, int]] | None,
    offset: int,
) -> FedqError:
    """The engine's error with its position moved to where it stands in the user's text, and without bound values."""
    error.message = _without_values(error.message, params)
    location = error.facts.get("location")
    if location is not None and error.span is None and place is not None and location[0] >= offset:
        start, length = location[0] - offset, max(1, location[1])
        first, last = place(start), place(start + length - 1)
        error.sql, error.span = text, (first[0], max(first[0] + 1, last[1]))
    return error


def _without_values(message: str, params: Mapping[str, Any]) -> str:
    """A value that was bound rather than written may be a secret: the message names its parameter."""
    for name, value in params.items():
        if isinstance(value, str) and value:
            message = message.replace(f"'{value}'", f":{name}").replace(f'"{value}"', f":{name}")
    return message


def _caller_level() -> int:
    """The stack level of the first frame outside fedq, for `warnings.warn` called from the function that calls this."""
    level, frame = 1, sys._getframe(1)
    package = str(Path(__file__).parent)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level


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
    global _chosen
    _chosen = federation


def default() -> Federation:
    """The default federation: the one given to `use`, else that of the nearest fedq.toml, read again when the file
    changes."""
    global _nearest
    if _chosen is not None:
        return _chosen
    file = find_catalog(os.environ, Path.cwd())
    state = file.stat() if file is not None else None
    settings = tuple(item for item in os.environ.items() if item[0].startswith("FEDQ"))
    stamp = (file, state and (state.st_mtime_ns, state.st_size), settings)
    with _lock:
        if _nearest is None or _nearest[0] != stamp:
            _nearest = (stamp, Federation(load_catalog()))
        return _nearest[1]


def query(sql: str, params: Any = None, **options: Unpack[Options]) -> Result:
    """`Federation.query` on the default federation."""
    return default().query(sql, params, **options)


def explain(sql: str, params: Any = None, *, analyze: bool = False, **options: Unpack[Options]) -> Plan:
    """`Federation.explain` on the default federation."""
    return default().explain(sql, params, analyze=analyze, **options)


def execute(sql: str, params: Any = None, *, using: Any = None, native: str | None = None) -> Written:
    """`Federation.execute` on the default federation."""
    return default().execute(sql, params, using=using, native=native)
