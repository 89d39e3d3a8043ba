"""Random queries of every other kind that DuckDB knows, each made from a template.

    select a.{k} as c0, (select {max}(i.{n}) from {t} i where i.{k} {cmp} a.{k}) as c1 from {t} a{where:a}

What stands in braces is drawn each time: {t} a table, {where:a} a WHERE clause over the alias a or nothing; single
letters that are columns ({k}, {j}, {n}) are one column in all the template. The number before a template is of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.properties.grammar import OPERATORS, Query
from tests.properties.graphs import SUMS, Graphs
from tests.properties.templates import LAZY, TEMPLATES

_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
#: what a slot without an argument is drawn from
_WORDS: dict[str, tuple[str, ...]] = {
    "cmp": ("=", "=", "<>", "<", "<=", ">", ">="),
    "not": ("", "not "),
    "max": ("max", "min"),
    "join": ("join", "left join", "right join", "full join"),
    "left": ("join", "left join"),
    "set": ("union", "union all", "intersect", "except", "except all", "intersect all"),
    "union": ("union all", "union"),
    "desc": ("", " desc", " nulls first", " desc nulls last"),
    "few": ("0", "1", "2", "3"),
    "by": ("is distinct from", "is not distinct from"),
    "any": ("= any", "<> all", "< any", ">= all", "<> any", "= all", "> any", "<= all"),
    "made": ("", "", "materialized ", "not materialized "),
    "unit": ("day", "month", "year", "week", "hour"),
    "part": ("year", "month", "day", "quarter", "dow", "doy", "week", "isodow", "hour", "minute"),
    "trunc": ("year", "quarter", "month", "week", "day", "hour"),
    "distinct": ("", "distinct "),
    "frame": (
        "", "rows between unbounded preceding and current row", "rows between 1 preceding and 1 following",
        "rows between current row and unbounded following", "range between unbounded preceding and current row",
    ),
    "test": ("is null", "is not null", "is true", "is not true", "is false", "is not false"),
    "limit": ("", " limit 2", " limit 3 offset 1", " limit 0", " limit 100"),
    "wide": ("DECIMAL(18,4)", "DECIMAL(38,10)", "DECIMAL(20,2)", "BIGINT", "DOUBLE", "HUGEINT"),
}  # fmt: skip
#: columns that a template keeps: letter → what it may be
_KEPT: dict[str, tuple[str, ...]] = {
    "k": ("k", "k", "s", "s", "f", "u", "m", "id", "t", "ts", "x", "p", "b", "h", "r", "z"),
    "j": ("k", "s", "f", "u", "m", "t", "b", "id", "h", "z"),
    "n": ("k", "u", "m", "p", "id", "h"),
    "e": ("s", "f"),
    "w": ("t", "ts", "z"),
}


@dataclass(frozen=True, slots=True)
class Wide(Graphs):
    """The grammar of graphs, and the templates; constants are parameters at times."""

    def query(self) -> Query:
        """One query, with the sizes that the planner is told."""
        sizes = tuple(self.pick((1, 400, 1000, 100_000)) for _ in range(self.random.randint(1, 4)))
        if not self.is_lucky(0.25):
            return replace(self.shape()(), sizes=sizes)
        bound: dict[str, str] = {}
        found = replace(self, bound=bound).shape()()
        return replace(found, params=tuple(self.values_for(bound) for _ in range(5)) if bound else (), sizes=sizes)

    def values_for(self, bound: dict[str, str]) -> dict[str, Any]:
        """A value for each parameter, NULL at times."""
        return {name: None if self.is_lucky(0.05) else self.pick(self.values[column]) for name, column in bound.items()}

    def shape(self) -> Callable[[], Query]:
        """Most of them templates."""
        return self.template if self.is_lucky(0.75) else Graphs.shape(self)

    def template(self) -> Query:
        """Some template, filled."""
        return self.made(self.random.randrange(len(TEMPLATES)))

    def made(self, number: int) -> Query:
        """This template, filled."""
        count, text = TEMPLATES[number]
        kept: dict[str, str] = {}
        sql = _SLOT.sub(lambda found: self.filled(found[1], found[2] or "", kept), text)
        query = self.ordered(sql, count) if count else Query(sql)
        return replace(query, is_lazy=number in LAZY or " limit " in query.sql)

    def filled(self, slot: str, argument: str, kept: dict[str, str]) -> str:
        """What stands in a slot."""
        if slot in _WORDS:
            return str(self.pick(_WORDS[slot]))
        if slot in _KEPT:
            return kept.setdefault(slot, str(self.pick(_KEPT[slot])))
        if slot == "table":
            return kept.setdefault(f"table {argument}", str(self.pick(self.names)))
        if slot == "v":
            return self.value_of(argument, kept)
        makers: dict[str, Callable[[], str]] = {
            "t": lambda: str(self.pick(self.names)),
            "where": lambda: self.where(argument, has_subqueries=False),
            "p": lambda: self.predicate(argument, 1, has_subqueries=False),
            "deep": lambda: self.deep(argument, argument),
            "op": lambda: str(self.pick(OPERATORS)),
            "sum": lambda: str(self.pick(SUMS)).format(a=argument[0], b=argument[-1]),
            "link": lambda: self.link(argument[0], argument[1]),
        }
        return makers[slot]()

    def value_of(self, argument: str, kept: dict[str, str]) -> str:
        """A constant of a column: of the one that a letter stands for, or of the named one."""
        name = kept.setdefault(argument, str(self.pick(_KEPT[argument]))) if argument in _KEPT else argument.lower()
        return str(self.pick(range(1, 6))) if name == "id" else self.constant(name)
