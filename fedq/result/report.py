"""The outcome of `fed.check()`: every problem at once, or none."""

from __future__ import annotations

import html
from dataclasses import dataclass

from fedq.errors import FedqError


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what is wrong.

    >>> Report((), databases=("crm",), tables=("users",)).ok
    True
    """

    problems: tuple[FedqError, ...]
    databases: tuple[str, ...] = ()
    """Databases that were asked."""
    tables: tuple[str, ...] = ()
    """Catalog entries that were compared with their database."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __len__(self) -> int:
        return len(self.problems)

    def __str__(self) -> str:
        looked = f"{_counted(self.databases, 'database')} and {_counted(self.tables, 'table')} of the catalog looked at"
        if self.ok:
            return f"{looked}: no problem"
        lines = [f"{looked}: {len(self.problems)} problem{'s' * (len(self.problems) != 1)}"]
        lines += [f"{number}. {type(problem).__name__} {problem}" for number, problem in enumerate(self.problems, 1)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        text = str(self)
        style = "line-height:1.4;margin:4px 10px;padding:0;font-size:12px"
        return {"text/plain": text, "text/html": f'<pre style="{style}">{html.escape(text)}</pre>'}


def _counted(names: tuple[str, ...], noun: str) -> str:
    return f"{len(names)} {noun}{'s' * (len(names) != 1)}"
