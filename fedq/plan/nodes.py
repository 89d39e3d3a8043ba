"""The plan as frozen data.

    Plan
    ├── Fetch customers@1   from crm    SELECT id, name FROM customers WHERE country = 'NL'
    ├── Fetch orders@2      from shop   SELECT … WHERE customer_id IN (keys of customers@1.id)
    └── local               select c.name, sum(o.total) from "customers@1" c join "orders@2" o on … group by 1

A plan with one fetch and no local text is a query that one database answers whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedq.catalog.schema import Column
from fedq.types import Type


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a statement's result."""

    sql: str
    """The expression in the database's dialect."""
    name: str
    type: Type
    """What must arrive: the read yields exactly this type or raises."""
    column: Column | None = None
    """The stored column when the expression is one: its native type and policy decide how it is read."""


@dataclass(frozen=True, slots=True)
class Select:
    """A statement as parts, so that a source can wrap every output in what its transport needs."""

    outputs: tuple[Output, ...]
    tail: str
    """Everything after the select list: `FROM … WHERE … GROUP BY … ORDER BY … LIMIT …`."""
    is_distinct: bool = False
    parts: tuple[str, ...] = ()
    """Tails of statements that a source may read side by side, in one snapshot, in place of the whole."""
    keeps_order: bool = False
    """Whether the rows of a part shall come behind those of the part before it."""

    @property
    def sql(self) -> str:
        """The statement as plain SQL, for people."""
        return self.with_tail(self.tail)

    def with_tail(self, tail: str) -> str:
        """A statement of these outputs."""
        distinct = "DISTINCT " if self.is_distinct else ""
        return f"SELECT {distinct}{', '.join(output.sql for output in self.outputs) or 'NULL'} {tail}".rstrip()


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column more of a key."""

    sql: str
    """The column in the fetch's dialect."""
    column: Column
    from_column: str


@dataclass(frozen=True, slots=True)
class Within:
    """Only those rows of a fetch whose `column` is among the values that another brought."""

    column: str
    from_fetch: str
    from_column: str
    within: tuple[Within, ...] = ()
    """What the other's rows must be within, in turn."""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Only rows whose `column` is among the values that another fetch brought.

    When it brought none, the fetch has no rows and is not asked: no filter for statements that make a row of none.
    """

    sql: str
    """The column in the fetch's dialect."""
    column: Column
    from_fetch: str
    from_column: str
    also: tuple[KeyColumn, ...] = ()
    """Further columns of the same join: the row's values must be a combination that one row of the other fetch has."""
    within: tuple[Within, ...] = ()
    """Which rows of the other fetch count: those that meet rows of what else was brought before."""

    @property
    def givers(self) -> frozenset[str]:
        """The fetches that must be whole before there are keys."""
        found, left = {self.from_fetch}, list(self.within)
        while left:
            one = left.pop()
            found.add(one.from_fetch)
            left += one.within
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that was not pushed, and why, in words a user can act on."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """One statement for one database."""

    id: str
    """Its name in the local engine."""
    database: str
    kind: str
    """The kind of the database: its dialect's name."""
    tables: tuple[str, ...]
    """Logical tables it reads."""
    outputs: tuple[Output, ...]
    source: str
    """`FROM …` in the dialect."""
    where: tuple[str, ...] = ()
    """Conjuncts in the dialect."""
    keys: tuple[KeyFilter, ...] = ()
    late: tuple[KeyFilter, ...] = ()
    """Filters as legal as `keys` that are not worth waiting for: used when their values are there, and when many more
    rows arrive than were estimated. They may name fetches that come later, also such as take keys from this one."""
    unsent: tuple[Kept, ...] = ()
    """Keys that could limit it and are not waited for, and why."""
    suffix: str = ""
    """`GROUP BY … ORDER BY … LIMIT …` in the dialect."""
    is_distinct: bool = False
    parts: tuple[str, ...] = ()
    """Conditions that cut its rows into parts, each of which may be read on a connection of its own."""
    merge: tuple[str, ...] = ()
    """Per output, where each part has groups of its own: the aggregate that makes one group of them, empty for what
    is grouped by. Empty where the rows of the parts are the rows."""
    keeps_order: bool = False
    native: str | None = None
    """The whole statement as text, in place of all of the above: a query that DuckDB's own kinds answer as written,
    or `native=`."""
    collations: tuple[str | None, ...] = ()
    """Per output: a collation the local engine must give the column (`NOCASE`), where the catalog declares one."""
    rows: float | None = None
    """Estimated rows; None is unknown."""
    pushed: tuple[str, ...] = ()
    """What the database does for us, in the user's words."""
    kept: tuple[Kept, ...] = ()

    def select(self, conditions: tuple[str, ...] = ()) -> Select:
        """The statement, with the conditions that shipped keys make."""
        where = [*self.where, *conditions]
        parts = tuple(self._tail([*where, part]) for part in self.parts)
        return Select(self.outputs, self._tail(where), self.is_distinct, parts, self.keeps_order)

    def _tail(self, where: list[str]) -> str:
        parts = [self.source, "WHERE " + " AND ".join(where) if where else "", self.suffix]
        return " ".join(part for part in parts if part)

    @property
    def sql(self) -> str:
        """What is sent, keys as a placeholder."""
        if self.native is not None:
            return self.native
        return self.select(tuple(f"{key.sql} IN (keys of {key.from_fetch}.{key.from_column})" for key in self.keys)).sql

    @property
    def bytes(self) -> float | None:
        """Estimated bytes."""
        return None if self.rows is None else self.rows * sum(output.type.width for output in self.outputs)


@dataclass(frozen=True, slots=True)
class KeysSent:
    """Keys that travelled with a statement."""

    column: str
    from_fetch: str
    count: int
    """How many; with `range` how many there would have been, or more."""
    carrier: str
    """`array`, `list`, `values`, `literals`, `range`; `none` where there were too many or one could not be said."""
    bytes: int = 0
    """The size of the condition as text."""


@dataclass(frozen=True, slots=True)
class Actual:
    """What a fetch really did."""

    fetch: str
    sql: str
    rows: int
    bytes: int
    seconds: float
    keys: tuple[KeysSent, ...] = ()
    restarts: int = 0
    """How often it was stopped and asked again with keys, for it brought many more rows than were estimated."""


def _nowhere(position: int) -> tuple[int, int]:
    return position, position + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that running needs to know."""

    text: str
    """The user's text, parameters as `$name`."""
    params: Mapping[str, Any]
    outputs: tuple[tuple[str, Type], ...]
    """Name and type of the result's columns."""
    fetches: tuple[Fetch, ...]
    """In the order in which they may start: a fetch comes after those whose keys it waits for."""
    local: str | None
    """What the local engine runs over the fetches; None when the one fetch is the answer."""
    kept: tuple[Kept, ...] = ()
    """What could not be pushed and belongs to no single fetch."""
    place: Callable[[int], tuple[int, int]] | None = _nowhere
    """Where a position of `local` stands in `text`; None where `local` was written anew."""
    actuals: tuple[Actual, ...] = ()
    """What running it took, after `explain(analyze=True)` and on `result.plan`."""

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases it reads, in order."""
        return tuple(dict.fromkeys(fetch.database for fetch in self.fetches))

    def __str__(self) -> str:
        from fedq.plan.explain import explain

        return explain(self)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from fedq.plan.explain import mimebundle

        return mimebundle(self)
