"""The keys that one database's rows give become a condition for another's: the running half of `KeyFilter`.

    orders.cid among customers@1.id    →    "cid" = ANY ('{3,17,…}'::bigint[])        an array: 1,204 keys
                                            "cid" BETWEEN 1 AND 90000                 a range: too many keys
                                            no condition                              too many, and no range is known
                                            no statement at all                       no keys: no rows

Every condition is true of at least the rows that the join keeps; the local engine joins again. So each of these is
always right, and only the time differs: which carrier is fastest was measured (benchmarks/keys.py), and every step down
the list is taken when the one above cannot be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedq.dialects import dialect_of
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.carriers import Carrier, Keys, Target
from fedq.join.duckdb import Bench, Keyring
from fedq.plan.nodes import Fetch, KeyFilter, KeysSent
from fedq.types import Comparison

#: keys that a person is shown of a long condition, in characters
_SHOWN = 200
#: ranges that take the place of too many keys
_RANGES = 8
#: several ranges are said where they leave out at least this share of what lies between the smallest and largest key
_WORTH_SPLITTING = 0.3
#: DuckDB subtracts them without overflow
_NARROW = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter's keys in the words of the database that they go to."""

    sql: str | None
    """None: they cannot travel, and the rows come unfiltered."""
    shown: str
    """The condition for people: the first keys and how many."""
    sent: KeysSent

    @property
    def is_false(self) -> bool:
        """Whether there are no keys, so that no row can pass."""
        return self.sql is not None and not self.sent.count


def conditions(
    fetch: Fetch, filters: Sequence[KeyFilter], givers: Mapping[str, Fetch], bench: Bench
) -> tuple[Condition, ...]:
    """What the keys of finished fetches make of a fetch's filters."""
    dialect = dialect_of(fetch.kind)
    return tuple(_condition(key, dialect, bench, givers[key.from_fetch]) for key in filters)


def fitting(found: Sequence[Condition], room: int | None) -> list[Condition]:
    """As many of the conditions as fit into so many bytes; the longest are left out first.

    >>> many = Condition("k IN (1, 2, 3)", "k IN (…)", KeysSent("k", "a@1", 3, "list", 14))
    >>> [condition.sent.carrier for condition in fitting([many], 10)], fitting([many], None) == [many]
    (['none'], True)
    """
    kept = list(found)
    while room is not None and (used := sum(one.sent.bytes for one in kept)) > room and used:
        longest = max(range(len(kept)), key=lambda number: kept[number].sent.bytes)
        kept[longest] = _none(kept[longest].sent)
    return kept


def _condition(key: KeyFilter, dialect: Dialect, bench: Bench, giver: Fetch) -> Condition:
    types = {output.name: output.type for output in giver.outputs}
    targets = [Target(key.sql, key.column, types[key.from_column])]
    targets += [Target(more.sql, more.column, types[more.from_column]) for more in key.also]
    columns = [key.from_column, *(more.from_column for more in key.also)]
    keys = bench.keys(key.from_fetch, columns, dialect.max_keys, key.within)
    name = ", ".join(target.column.name for target in targets)
    if not keys.count:
        return Condition("1 = 0", "1 = 0", KeysSent(name, key.from_fetch, 0, "none"))
    found = _carried(targets, keys, dialect, bench) if keys.count <= dialect.max_keys else None
    if found is not None:
        sql, shown, count, carrier = found
        return Condition(sql, shown, KeysSent(name, key.from_fetch, count, carrier, len(sql.encode())))
    if key.also:  # one column alone limits less, and may be able to travel
        return _condition(replace(key, also=()), dialect, bench, giver)
    if (ranges := _ranges(key, targets[0], bench, dialect)) is not None:
        return Condition(ranges, ranges, KeysSent(name, key.from_fetch, keys.count, "range", len(ranges)))
    return _none(KeysSent(name, key.from_fetch, keys.count, "none"))


def _none(sent: KeysSent) -> Condition:
    return Condition(None, "", KeysSent(sent.column, sent.from_fetch, sent.count, "none"))


def _carried(
    targets: Sequence[Target], keys: Keyring, dialect: Dialect, bench: Bench
) -> tuple[str, str, int, str] | None:
    """The condition, the same for people, the number of keys in it, and its carrier's name; None where they cannot be
    said."""
    is_plain = all(target.type.family == target.column.type.family for target in targets)
    carrier = dialect.carrier(targets, keys.count) if is_plain else None
    if carrier is not None:
        places = [(part.spelled, part.separator) for part in carrier.parts if isinstance(part, Keys)]
        written = bench.write_keys(keys, places, carrier.unsayable)
        if written is not None:
            count, texts = written
            if not count:
                return "1 = 0", "1 = 0", 0, carrier.name
            return _filled(carrier, texts, None), _filled(carrier, texts, count), count, carrier.name
    if len(targets) > 1 or keys.count > dialect.max_literals:
        return None
    said = _literals(targets[0], bench.key_values(keys), dialect)
    return None if said is None else (said, _cut(said, keys.count), keys.count, "literals")


def _filled(carrier: Carrier, texts: Sequence[str], count: int | None) -> str:
    """The carrier with its keys; with `count`, only the first of them and how many there are."""
    left = iter(texts)
    parts = [part if isinstance(part, str) else next(left) for part in carrier.parts]
    if count is None:
        return "".join(parts)
    return "".join(
        _cut(part, count) if isinstance(spec, Keys) else part for part, spec in zip(parts, carrier.parts, strict=True)
    )


def _cut(text: str, count: int) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… {count:,} keys"


def _literals(target: Target, values: Sequence[Any], dialect: Dialect) -> str | None:
    column = target.column
    if column.type.family == "date" and not all(map(_is_plain_date, values)):
        return None
    try:
        return dialect.keys(target.sql, column, [dialect.comparand(value, column) for value in values])
    except Unsayable:
        return None


def _is_plain_date(value: object) -> bool:
    """Python has no infinite date: DuckDB gives the last one for it, and text for dates before Christ."""
    return type(value) is dt.date and value not in (dt.date.min, dt.date.max)


def _ranges(key: KeyFilter, target: Target, bench: Bench, dialect: Dialect) -> str | None:
    """Where there are too many keys: the numbers between which they all lie."""
    is_ordered = target.column.comparison is Comparison.SAME and target.column.type.family == "integer"
    if not is_ordered or target.type.name not in _NARROW:
        return None
    found = bench.key_ranges(key.from_fetch, key.from_column, _RANGES)
    if not found:
        return None
    low, high = found[0][0], found[-1][1]
    covered = sum(end - start + 1 for start, end in found) / (high - low + 1)
    if covered > 1 - _WORTH_SPLITTING:
        found = [(low, high)]
    try:
        said = [(dialect.literal(start), dialect.literal(end)) for start, end in found]
    except Unsayable:
        return None
    return "(" + " OR ".join(f"{target.sql} BETWEEN {start} AND {end}" for start, end in said) + ")"
