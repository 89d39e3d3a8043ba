"""How one call is answered: bind → plan → fetch → join, in a thread of its own that can be stopped.

    Call  →  BoundQuery  →  Plan  →  rows      a server lost on the way: the whole of it again, elsewhere
                                               a database that cannot compute its part: it is computed here

What lasts longer than one call is given: the open databases, the local engine, the plans that were kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fedq import forks
from fedq.bind.bound import BoundQuery, bind
from fedq.bind.scope import ORIGIN, Occurrence
from fedq.bind.shape import filled, is_constant
from fedq.call import Call
from fedq.catalog.suggest import nearest
from fedq.errors import ColumnNotFound, ComputeError, DatabaseError, FedqError
from fedq.fetch.native_text import check_reads
from fedq.fetch.open import QueryLookup, Sources
from fedq.fetch.placed import ReadElsewhere
from fedq.join.binder import Binder
from fedq.join.duckdb import Engine, Shell
from fedq.plan.advise import check_policy
from fedq.plan.build import build, native_plan
from fedq.plan.kept import Plans
from fedq.plan.nodes import Plan
from fedq.plan.pull import local_collation
from fedq.plan.rewrite.facts import Facts
from fedq.run.pulls import Run
from fedq.run.wait import Work
from fedq.types import VARCHAR, Type

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
#: seconds that queries have to end when a federation is closed
_LAST_CALLS = 2.0
#: times a query is run again elsewhere, before it is read at primaries
READ_AGAIN = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one call, and how they came about."""

    plan: Plan
    """With what each fetch really was."""
    table: pa.Table
    types: list[Type]
    run: Run


class Pipeline:
    """Answers calls, several at a time."""

    def __init__(self, sources: Sources, engine: Engine) -> None:
        self._sources, self._engine = sources, engine
        self._plans, self._binder = Plans(), Binder(engine)
        self._runs: set[Run] = set()
        forks.tell(self)

    def begin_in_child(self) -> None:
        """What runs in the parent goes on there: a forked child neither waits for it nor stops it."""
        forks.leave(*self._runs)
        self._runs.clear()

    def planned(self, call: Call) -> Plan:
        """What would run where; nothing is pulled."""
        return self._conduct(call, lambda call, run: self._plan(call))

    def read_once(self, call: Call, reach: Callable[[Callable[[], None]], None]) -> Answer:
        """The answer to a query that is part of a write: not asked again, for an error has ended the transaction.

        `reach` is told what stops it.
        """

        def _reached(call: Call, run: Run) -> Answer:
            reach(run.cancel)
            return self._answer(call, run)

        return self._conduct(call, _reached)

    def close(self) -> None:
        """Stop every call that is running, and give back what was kept for planning."""
        self.cancel()
        deadline = time.monotonic() + _LAST_CALLS
        while self._runs and time.monotonic() < deadline:
            time.sleep(0.01)
        self._binder.close()

    def cancel(self) -> None:
        """Stop every call that is running, here and in the databases."""
        for run in tuple(self._runs):
            run.cancel()

    def answered(self, call: Call) -> Answer:
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

    def _computed(self, call: Call) -> Answer:
        """The answer; computed here where a database could not compute what it was asked to.

        Which of many rows are computed depends on the plan, so an error there need not be one here; and where it is
        one, here it names the row.
        """
        try:
            return self._conduct(call, self._answer)
        except (DatabaseError, ComputeError) as error:
            if call.native is not None or not _is_of_a_statement(error):
                raise
        return self._conduct(call, partial(self._answer, is_plain=True))

    def _answer(self, call: Call, run: Run, *, is_plain: bool = False) -> Answer:
        plan = self._plan(call, is_plain=is_plain)
        check_policy(plan, call.catalog, call.on_cross_db)
        try:
            table, types = run.answer(plan)
        except FedqError as error:
            raise _in_the_users_text(error, plan.text, plan.params, plan.place, 0) from error.__cause__
        actuals = tuple(run.actuals[fetch.id] for fetch in plan.fetches if fetch.id in run.actuals)
        return Answer(replace(plan, actuals=actuals), table, types, run)

    def _plan(self, call: Call, *, is_plain: bool = False) -> Plan:
        if call.native is not None:
            database = call.catalog.database(call.native)
            check_reads(call.sql, database.kind, database.name)
            return native_plan(call.sql, database)
        lookup = QueryLookup(self._sources, call.extra)
        query = bind(call.sql, call.params, call.catalog, lookup, call.placing, known=self._plans.bound)
        kinds = {database.name: database.kind for database in call.catalog.databases.values()}
        links = {name: self._sources.link(name) for name in query.databases if name not in call.extra}
        describe = partial(_described, binder=self._binder)
        facts = Facts(kinds, describe, links, is_plain=is_plain)
        plans = Plans() if is_plain else self._plans
        meaning = partial(_check_meaning, binder=self._binder)
        return plans.plan(query, meaning, partial(build, facts=facts), links)

    def _conduct(self, call: Call, task: Callable[[Call, Run], T]) -> T:
        """The task in a thread of its own, stoppable by Ctrl-C, `cancel()` and the timeout."""
        bench = self._engine.bench()
        find = lambda name: call.extra[name] if name in call.extra else self._sources.reading(name, call.reading)
        run = Run(find, bench, call.limits, call.listener, seats=self._sources.seats)

        def _work() -> T:
            try:
                return task(call, run)
            finally:
                bench.close()

        self._runs.add(run)
        try:
            return Work(_work).result(run.cancel, call.limits.timeout)
        except FedqError as error:
            # the last fence: no driver's sentence may show a secret
            error.message = self._sources.masked(error.message)
            error.sql = _as_written(error.sql, call.sql)
            raise
        finally:
            self._runs.discard(run)


def _as_written(text: str | None, written: str) -> str | None:
    """The text that an error points into with `:name` where the user wrote that, wherever its places are the same."""
    return written if text is not None and text.replace(":", "$") == written.replace(":", "$") else text


def _is_of_a_statement(error: FedqError) -> bool:
    """Whether a database failed on what it was asked, a value of its own included; for want of memory it would again.

    What the local engine itself fails on, over the rows that were pulled, it fails on again.
    """
    kind = str(error.facts.get("kind", "")).lower()
    return isinstance(error, DatabaseError) or (error.facts.get("database") is not None and kind != "outofmemory")


def _check_meaning(query: BoundQuery, binder: Binder) -> list[tuple[str, Type]]:
    """DuckDB's own binder over empty tables: types of the result, and every error of meaning before any pull."""
    if not query.is_describable:
        return []
    try:
        found = _described(query.local, query.params, query.occurrences, binder)
        return [(query.shown(name), type_) for name, type_ in found]
    except FedqError as error:
        if isinstance(error, ColumnNotFound):
            # the empty tables hold only the columns that the query names, so the nearest name is looked for here
            names = [column.name for occurrence in query.occurrences for column in occurrence.table.columns]
            near = nearest(str(error.facts["column"]), names)
            if near is None or near.lower() != str(error.facts["column"]).lower():  # the name is there, but not here
                error.hint = f"Did you mean {near!r}?" if near else "`%fedq :columns TABLE` lists a table's columns."
        raise _in_the_users_text(error, query.text, query.params, query.place, len("DESCRIBE ")) from error.__cause__


def _described(
    text: str, params: Mapping[str, object], read: Sequence[Occurrence], binder: Binder
) -> list[tuple[str, Type]]:
    """Names and types of a text's result over empty tables."""
    bound = {name: value for name, value in params.items() if not is_constant(value)}
    return binder.describe(filled(text, params), bound, tuple(_shell(occurrence) for occurrence in read))


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
