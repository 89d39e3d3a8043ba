"""Plans kept for queries that come again: by shape, tables and what of the constants and parameters decided the plan.

    select name from users where id = 7           made    … WHERE "id" = «7»
    select name from users where id = 8           the same plan, with 8 in its place
    select name from users where id = :id         another shape; one plan for whatever :id is

A kept plan is used where the new values can be said where the old ones were (slots.py), where those that decided are
what they were, where the tables are, down to what is known of their values, and where about as many rows are expected
from about as far away (alike.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fedq.bind.bound import BoundQuery, are_same
from fedq.bind.resolve import BoundTable
from fedq.bind.shape import filled, is_constant
from fedq.catalog.statistics import Link
from fedq.plan.alike import Expected, expected, is_as_far, is_near
from fedq.plan.constants import NotPushed
from fedq.plan.nodes import Fetch, Kept, KeyFilter, Output, Plan
from fedq.plan.slots import Params, Write, into_slots
from fedq.types import Type

_MOST_SHAPES, _MOST_PLANS = 256, 8

Outputs = Sequence[tuple[str, Type]]
#: how far away each database is, where that was measured
Links = Mapping[str, Link | None]


@dataclass(frozen=True, slots=True)
class _Made:
    """One plan, with slots where values go."""

    tables: Sequence[BoundTable]
    params: Mapping[str, Any]
    """What it was made with."""
    deciding: frozenset[str]
    """The parameters that must be what they were."""
    slots: Sequence[Write]
    expected: Sequence[Expected]
    links: Links
    plan: Plan

    def fits(self, query: BoundQuery, params: Mapping[str, Any], links: Links) -> bool:
        """Whether the query would be planned so, but for the values that go into the slots."""
        if params.keys() != self.params.keys() or not are_same(self.tables, [one.table for one in query.occurrences]):
            return False
        changed = {name for name, value in self.params.items() if not _is_same(params[name], value)}
        return (
            not changed & self.deciding
            and all(type(params[name]) is type(self.params[name]) for name in changed)
            and all(is_as_far(links.get(name), link) for name, link in self.links.items())
            and (not changed or all(is_near(one, params) for one in self.expected))
        )

    def filled(self, query: BoundQuery, params: Mapping[str, Any]) -> Plan:
        """The plan with the query's values. Raises: NotPushed where one cannot be said."""
        plan, written = self.plan, [write(params) for write in self.slots]
        is_as_written = plan.local is not None and plan.place is not None
        return replace(
            plan,
            text=query.text,
            params=query.params,
            fetches=tuple(_filled_fetch(fetch, written, params) for fetch in plan.fetches),
            local=query.local if is_as_written else plan.local and filled(plan.local, params),
            kept=_filled_words(plan.kept, params),
            place=query.place if is_as_written else plan.place,
        )


def _is_same(one: Any, other: Any) -> bool:
    if is_constant(one):  # of one kind, for they are of one shape
        return bool(one.this == other.this)
    return type(one) is type(other) and repr(one) == repr(other)  # 1.0 is not 1.00, nor 0.0 -0.0


def _made(query: BoundQuery, outputs: Outputs, build: Callable[[BoundQuery, Outputs], Plan], links: Links) -> _Made:
    """A new plan."""
    params = Params({**query.params, **query.shape.constants})
    plan = build(replace(query, params=params), outputs)
    return _Made(
        [occurrence.table for occurrence in query.occurrences],
        dict(params),
        params.deciding | (params.unread & query.shape.constants.keys()),  # what nobody asked for was not looked at
        params.slots,
        expected(query, dict(params)),
        links,
        plan,
    )


class Plans:
    """The plans of a federation. Thread-safe: a plan is added or found whole."""

    def __init__(self) -> None:
        self._by_shape: dict[str, tuple[_Made, ...]] = {}
        self._bound: dict[str, BoundQuery] = {}

    @property
    def bound(self) -> dict[str, BoundQuery]:
        """Queries that were bound, by shape."""
        if len(self._bound) >= _MOST_SHAPES:
            self._bound.clear()
        return self._bound

    def plan(
        self,
        query: BoundQuery,
        describe: Callable[[BoundQuery], Outputs],
        build: Callable[[BoundQuery, Outputs], Plan],
        links: Links,
    ) -> Plan:
        """The plan of a query: one that is kept, with this query's values, or a new one."""
        key, params = query.shape.key, {**query.params, **query.shape.constants}
        known = self._by_shape.get(key, ())
        for kept in known:
            if kept.fits(query, params, links):
                try:
                    return kept.filled(query, params)
                except NotPushed:
                    continue
        fresh = _made(query, describe(query), build, links)
        if len(self._by_shape) >= _MOST_SHAPES:
            self._by_shape.clear()
        self._by_shape[key] = (fresh, *known)[:_MOST_PLANS]
        return fresh.filled(query, params)


def _filled_fetch(fetch: Fetch, written: Sequence[str], params: Mapping[str, Any]) -> Fetch:
    """A fetch with values in its statement, and constants in what is said of it."""
    said = partial(into_slots, written=written)
    return replace(
        fetch,
        outputs=tuple(_filled_output(output, said) for output in fetch.outputs),
        source=said(fetch.source),
        where=tuple(map(said, fetch.where)),
        keys=tuple(_filled_key(key, said) for key in fetch.keys),
        late=tuple(_filled_key(key, said) for key in fetch.late),
        suffix=said(fetch.suffix),
        pushed=tuple(filled(words, params) for words in fetch.pushed),
        kept=_filled_words(fetch.kept, params),
        unsent=_filled_words(fetch.unsent, params),
    )


def _filled_output(output: Output, said: Callable[[str], str]) -> Output:
    return replace(output, sql=said(output.sql)) if "\0" in output.sql else output


def _filled_key(key: KeyFilter, said: Callable[[str], str]) -> KeyFilter:
    return replace(key, sql=said(key.sql)) if "\0" in key.sql else key


def _filled_words(kept: Sequence[Kept], params: Mapping[str, Any]) -> tuple[Kept, ...]:
    return tuple(Kept(filled(one.what, params), filled(one.reason, params)) for one in kept)
