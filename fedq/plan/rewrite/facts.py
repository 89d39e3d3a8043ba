"""What a rule may ask while it changes a query: kinds of databases, DuckDB's types, and what can be said where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedq.bind.scope import Occurrence
from fedq.catalog.statistics import Link
from fedq.types import Type

#: kinds that are read by a DuckDB of this process: nothing travels, so nothing is gained by joining there
LOCAL_KINDS = frozenset({"duckdb", "files", "frames"})

#: (text over the occurrences' ids, its parameters, the occurrences) → names and types of its columns
Describe = Callable[[str, Mapping[str, object], Sequence[Occurrence]], Sequence[tuple[str, Type]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the query itself."""

    kinds: Mapping[str, str]
    """The kind of each database."""
    describe: Describe
    """DuckDB's binder: the same input always gives the same answer."""
    links: Mapping[str, Link | None] = field(default_factory=dict)
    """How far away each database is, where that was measured."""
    is_plain: bool = False
    """Whether databases shall compute nothing: stored columns come as they are, reduced by conditions on them alone."""
    tried: dict[Any, Any] = field(default_factory=dict)
    """Blocks that were written for their database, or could not be: each is written once per plan."""
