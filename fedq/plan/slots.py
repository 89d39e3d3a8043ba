"""Places in statements where parameters go, so that a plan serves other values as well.

    where id = :id      id = 7      … WHERE "id" = «0»      «0»: how PostgreSQL says the value of :id

A parameter that is only written into statements, as what a column is compared with, is a slot: its next value is
written where the last one was, by the same rule, which may refuse it. Any other use (arithmetic, LIKE, LIMIT, a text
that a collation must read) may decide what the plan is. The constants of a text's shape are parameters here.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from fedq.sql import every, exp, render

#: types whose values decide nothing where they are compared with a stored column
_WRITTEN = (int, str, dt.date, dt.datetime, uuid.UUID)
#: a slot in a statement: no name and no value holds a NUL
_MARK = re.compile("\0(\\d+)\0")

#: the parameters → how a statement says the one of a slot; raises NotPushed
Write = Callable[[Mapping[str, Any]], str]


class Params(dict[str, Any]):
    """A query's parameters while it is planned: remembers which were only written into statements."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._reads: Counter[str] = Counter()
        self._writes: Counter[str] = Counter()
        self._marks: dict[Hashable, str] = {}
        self.slots: list[Write] = []

    def __getitem__(self, name: str) -> Any:
        self._reads[name] += 1
        return super().__getitem__(name)

    def slot(self, source: exp.Expr, where: Hashable, write: Write) -> str:
        """A place in a statement where the value of an expression goes, which was read of one parameter once.

        `where` tells statements and columns apart that say values in different ways.
        """
        (name,) = {node.this for node in every(source, exp.Placeholder)}
        self._writes[name] += 1
        key = (render(source), where)
        if key not in self._marks:
            self._marks[key] = f"\0{len(self.slots)}\0"
            self.slots.append(write)
        return self._marks[key]

    @property
    def deciding(self) -> frozenset[str]:
        """The parameters that did more than being written."""
        return frozenset(name for name, count in self._reads.items() if count != self._writes[name])

    @property
    def unread(self) -> frozenset[str]:
        """The parameters that nobody asked for."""
        return frozenset(self) - frozenset(self._reads)


def is_written(value: object) -> bool:
    """Whether a value may go into a slot.

    >>> is_written(7), is_written(True), is_written(1.5), is_written(None)
    (True, False, False, False)
    """
    return type(value) in _WRITTEN and getattr(value, "tzinfo", None) is None


def into_slots(text: str, written: Sequence[str]) -> str:
    """A statement with what is written into its slots."""
    return _MARK.sub(lambda found: written[int(found[1])], text) if "\0" in text else text
