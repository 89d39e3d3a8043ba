"""Plans kept for queries that come again: by text, tables and what of the parameters decided about the plan.

    select name from users where id = :id      id = 7      … WHERE "id" = 7
                                               id = 8      the same plan, with 8 in its place

A parameter that is only written into statements, as what a column is compared with, is a slot: its next value is
written where the last one was, by the same rule, which may refuse it. Any other use (arithmetic, LIKE, LIMIT, a text
that a collation must read) may decide what the plan is, so that value is part of what the plan is kept under.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedq.bind.bound import BoundQuery
from fedq.bind.resolve import BoundTable
from fedq.plan.constants import NotPushed
from fedq.plan.nodes import Fetch, KeyFilter, Output, Plan
from fedq.types import Type

#: types whose values decide nothing where they are compared with a stored column
_WRITTEN = (int, str, dt.date, dt.datetime, uuid.UUID)
#: a slot in a statement: no name and no value holds a NUL
_MARK = re.compile("\0(\\d+)\0")
_MOST_TEXTS, _MOST_PLANS = 256, 8
#: seconds after which statistics may have changed enough
_FRESH = 60.0

#: the value of a slot's parameter → how a statement says it; raises NotPushed
Write = Callable[[Any], str]


class Params(dict[str, Any]):
    """A query's parameters while it is planned: remembers which were only written into statements."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._reads: Counter[str] = Counter()
        self._writes: Counter[str] = Counter()
        self.slots: list[tuple[str, Write]] = []

    def __getitem__(self, name: str) -> Any:
        self._reads[name] += 1
        return super().__getitem__(name)

    def slot(self, name: str, write: Write) -> str:
        """A place in a statement where the parameter's value goes."""
        self._writes[name] += 1
        self.slots.append((name, write))
        return f"\0{len(self.slots) - 1}\0"

    def deciding(self) -> dict[str, Any]:
        """The parameters that did more than being written."""
        return {name: self.get(name) for name, count in self._reads.items() if count != self._writes[name]}


def is_written(value: object) -> bool:
    """Whether a value may go into a slot.

    >>> is_written(7), is_written(True), is_written(1.5), is_written(None)
    (True, False, False, False)
    """
    return type(value) in _WRITTEN and getattr(value, "tzinfo", None) is None


@dataclass(frozen=True, slots=True)
class _Kept:
    """One plan, with slots where values go."""

    tables: Sequence[BoundTable]
    outputs: Sequence[tuple[str, Type]]
    deciding: Mapping[str, Any]
    types: Mapping[str, type]
    slots: Sequence[tuple[str, Write]]
    plan: Plan
    made_at: float

    def fits(self, query: BoundQuery, outputs: Sequence[tuple[str, Type]], now: float) -> bool:
        """Whether the query would be planned so, but for the values that go into the slots."""
        params = query.params
        return (
            now - self.made_at < _FRESH
            and self.types == {name: type(value) for name, value in params.items()}
            and all(_is_same(params[name], value) for name, value in self.deciding.items())
            and self.tables == [occurrence.table for occurrence in query.occurrences]
            and list(outputs) == list(self.outputs)
        )


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)  # 1.0 is not 1.00, nor 0.0 -0.0


class Plans:
    """The plans of a federation. Thread-safe: a plan is added or found whole."""

    def __init__(self) -> None:
        self._by_text: dict[str, tuple[_Kept, ...]] = {}
        self._bound: dict[str, BoundQuery] = {}

    @property
    def bound(self) -> dict[str, BoundQuery]:
        """Queries that were bound, by text."""
        if len(self._bound) >= _MOST_TEXTS:
            self._bound.clear()
        return self._bound

    def plan(
        self,
        query: BoundQuery,
        outputs: Sequence[tuple[str, Type]],
        build: Callable[[BoundQuery, Sequence[tuple[str, Type]]], Plan],
        now: float,
    ) -> Plan:
        """The plan of a query: one that is kept, with this query's values, or a new one. `now` in seconds."""
        known = self._by_text.get(query.text, ())
        for kept in known:
            if kept.fits(query, outputs, now):
                try:
                    return _filled(kept.plan, kept.slots, query.params)
                except NotPushed:
                    continue
        params = Params(query.params)
        made = build(replace(query, params=params), outputs)
        kept = _Kept(
            [occurrence.table for occurrence in query.occurrences],
            outputs,
            params.deciding(),
            {name: type(value) for name, value in query.params.items()},
            params.slots,
            made,
            now,
        )
        if len(self._by_text) >= _MOST_TEXTS:
            self._by_text.clear()
        fresh = tuple(other for other in known if now - other.made_at < _FRESH)
        self._by_text[query.text] = (kept, *fresh)[:_MOST_PLANS]
        return _filled(made, params.slots, query.params)


def _filled(plan: Plan, slots: Sequence[tuple[str, Write]], params: Mapping[str, Any]) -> Plan:
    """The plan with values in its slots. Raises: NotPushed where a value cannot be said."""
    if not slots:
        return replace(plan, params=params)
    written = [write(params[name]) for name, write in slots]

    def _fill(text: str) -> str:
        return _MARK.sub(lambda found: written[int(found[1])], text) if "\0" in text else text

    return replace(plan, params=params, fetches=tuple(_filled_fetch(fetch, _fill) for fetch in plan.fetches))


def _filled_fetch(fetch: Fetch, fill: Callable[[str], str]) -> Fetch:
    return replace(
        fetch,
        outputs=tuple(_filled_output(output, fill) for output in fetch.outputs),
        source=fill(fetch.source),
        where=tuple(map(fill, fetch.where)),
        keys=tuple(_filled_key(key, fill) for key in fetch.keys),
        late=tuple(_filled_key(key, fill) for key in fetch.late),
        suffix=fill(fetch.suffix),
    )


def _filled_output(output: Output, fill: Callable[[str], str]) -> Output:
    return replace(output, sql=fill(output.sql)) if "\0" in output.sql else output


def _filled_key(key: KeyFilter, fill: Callable[[str], str]) -> KeyFilter:
    return replace(key, sql=fill(key.sql)) if "\0" in key.sql else key
