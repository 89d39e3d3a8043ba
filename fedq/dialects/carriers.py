"""How many keys become one condition: the texts of a dialect with places where the local engine writes the keys.

    Carrier("array", ("k = ANY ('{", Keys("k0::VARCHAR", ","), "}'::bigint[])"))
      + the keys 1, 2, 3   →   k = ANY ('{1,2,3}'::bigint[])

A hundred thousand keys are written by one `string_agg` where they are, in the local engine, in milliseconds; a literal
of each in Python takes a hundred times as long. So a spelling is an expression of DuckDB's over `k0`, `k1`, …, the
columns of the keys. Which carrier is the fastest for which database is measured by benchmarks/keys.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fedq.catalog.schema import Column
from fedq.types import Type


class Target(NamedTuple):
    """One column that keys limit, and the type that the keys have."""

    sql: str
    """The column in the dialect."""
    column: Column
    type: Type


@dataclass(frozen=True, slots=True)
class Keys:
    """A place where keys are written one after the other."""

    spelled: str
    """DuckDB's expression of one key's text; NULL for a key that no value of the column can equal."""
    separator: str = ","


@dataclass(frozen=True, slots=True)
class Carrier:
    """A condition that is true of at least the rows whose values are among the keys."""

    name: str
    """`array`, `list`, `values`: for explain."""
    parts: tuple[str | Keys, ...]
    unsayable: str = "false"
    """DuckDB's condition for a key that cannot be written this way; one of them, and the carrier is not used."""


#: how the local engine writes a key: as it shows it; and as a text in quotes, the quotes in it doubled
PLAIN = "{k}::VARCHAR"
QUOTED = "'''' || replace({k}::VARCHAR, '''', '''''') || ''''"
NUL = "contains({k}::VARCHAR, chr(0))"
#: a date as text in quotes; NULL for those that only some databases have: infinite, before Christ, of five digits
QUOTED_DATE = "CASE WHEN isfinite({k}) AND year({k}) BETWEEN 1 AND 9999 THEN '''' || {k}::VARCHAR || '''' END"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How keys of one type are written in one dialect; `{k}` stands for the key."""

    key: str = PLAIN
    unsayable: str = "false"


def listed(targets: Sequence[Target], spellings: Sequence[Spelling], *, are_values: bool = False) -> Carrier:
    """`a IN (1, 2)` or `(a, b) IN ((1, 2), (3, 4))`; with `are_values` as `a IN (VALUES (1), (2))`."""
    columns = ", ".join(target.sql for target in targets)
    keys = [spelling.key.format(k=f"k{number}") for number, spelling in enumerate(spellings)]
    written = " || ',' || ".join(f"({key})" for key in keys)
    if len(targets) > 1:
        columns = f"({columns})"
    if len(targets) > 1 or are_values:
        written = f"'(' || {written} || ')'"
    opening = f"{columns} IN (VALUES " if are_values else f"{columns} IN ("
    return Carrier("values" if are_values else "list", (opening, Keys(written), ")"), unsayable_of(spellings))


def unsayable_of(spellings: Sequence[Spelling]) -> str:
    """The condition for a row of keys of which one cannot be written."""
    return " OR ".join(f"({spelling.unsayable.format(k=f'k{number}')})" for number, spelling in enumerate(spellings))


def within(low: int, high: int) -> str:
    """A number as it is shown, NULL outside of these bounds."""
    return f"CASE WHEN {{k}} BETWEEN {low} AND {high} THEN {{k}}::VARCHAR END"
