"""What may stand at the cursor of an SQL text: `select u.na│ from users u` → name.

A small reader of words rather than a parser: the text is unfinished whenever somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

KEYWORDS = (
    "select", "from", "where", "group by", "order by", "having", "limit", "offset", "join", "left join", "inner join",
    "full join", "cross join", "semi join", "anti join", "on", "using", "with", "as", "distinct", "union", "union all",
    "intersect", "except", "case", "when", "then", "else", "end", "and", "or", "not", "in", "is null", "is not null",
    "between", "like", "ilike", "exists", "over", "partition by", "qualify", "values", "asc", "desc", "nulls first",
    "nulls last", "interval", "date", "timestamp", "true", "false", "null", "lateral", "pivot", "unpivot",
)  # fmt: skip
FUNCTIONS = (
    "abs", "array_agg", "avg", "cast", "ceil", "coalesce", "concat", "count", "current_date", "date_diff",
    "date_part", "date_trunc", "day", "dense_rank", "exp", "extract", "first_value", "floor", "greatest", "hour",
    "ifnull", "json_extract", "lag", "last_value", "lead", "least", "left", "length", "list", "ln", "lower",
    "ltrim", "max", "md5", "median", "min", "minute", "month", "now", "nullif", "percentile_cont", "quantile_cont",
    "quarter", "rank", "regexp_extract", "regexp_matches", "regexp_replace", "replace", "right", "round",
    "row_number", "rtrim", "second", "split_part", "sqrt", "starts_with", "stddev", "strftime", "string_agg",
    "strptime", "substring", "sum", "trim", "try_cast", "unnest", "upper", "variance", "week", "year",
)  # fmt: skip
_RESERVED = {word for text in KEYWORDS for word in text.split()} | {
    "table",
    "natural",
    "outer",
    "right",
    "full",
    "cross",
}

_SKIPPED = re.compile(r"'(?:[^']|'')*(?:'|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d]\w*)'
_ENDS = "from|join|where|group|order|having|qualify|limit|union|intersect|except|select|on|using|window"
_LISTED = re.compile(rf"\b(?:from|join)\b(.*?)(?=\b(?:{_ENDS})\b|[()]|\Z)", re.IGNORECASE | re.DOTALL)
_SOURCE = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME}){{0,2}})(?:\s+(?:as\s+)?({_NAME}))?", re.IGNORECASE)
_CTE = re.compile(
    rf"(?:\bwith\s+(?:recursive\s+)?|,\s*)({_NAME})\s*(?:\([^)]*\)\s*)?as\s*(?:materialized\s*)?\(", re.IGNORECASE
)
_FRAGMENT = re.compile(r'(?:"[^"\n]*|[^\W\d]\w*)?\Z')
_QUALIFIER = re.compile(rf"({_NAME}(?:\s*\.\s*{_NAME})?)\s*\.\s*\Z")
_CLAUSE = re.compile(
    r"\b(select|from|join|on|where|group|order|having|qualify|limit|using|set|values)\b", re.IGNORECASE
)
_PREVIOUS = re.compile(r"([^\W\d]\w*|[,(.])\s*\Z")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text for the cursor's place, and what it is: table, column, database, option, value, function, keyword."""

    text: str
    kind: str


class Names(Protocol):
    """What is known of the catalog right now; never makes anybody wait long."""

    def databases(self) -> Sequence[str]:
        """Names of the databases."""

    def tables(self) -> Mapping[str, str]:
        """Logical table names with the database each is in (empty when that is not known)."""

    def columns(self, table: str) -> Sequence[str]:
        """Columns of a table as it is written: `users`, `crm.users`, `crm.public.users`."""

    def variables(self) -> Mapping[str, str]:
        """Names of the notebook's variables that a query can use, with `frame` or `parameter`."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The text around the cursor, read."""

    fragment: str
    qualifier: str | None
    previous: str
    """The word or mark before the fragment, in small letters."""
    clause: str = ""
    """The clause the cursor is in: select, from, where, …"""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Alias → table, as written."""
    ctes: tuple[str, ...] = ()


def suggest(before: str, after: str, names: Names) -> tuple[str, list[Suggestion]]:
    """The unfinished word before the cursor, and what it could become, best first."""
    reading = _read(before, after)
    if reading is None:
        return "", []
    prefix = reading.fragment.lstrip('"').lower()
    is_quoted = reading.fragment.startswith('"')
    found: list[Suggestion] = []
    for suggestion in _candidates(reading, names):
        if not suggestion.text.lower().startswith(prefix):
            continue
        if suggestion.kind in ("table", "column", "database"):
            found.append(Suggestion(_written(suggestion.text, reading.fragment), suggestion.kind))
        elif not is_quoted:
            found.append(suggestion)
    return reading.fragment, list(dict.fromkeys(found))


def _read(before: str, after: str) -> _Reading | None:
    """None inside a string or a comment."""
    cleaned = _SKIPPED.sub(lambda match: " " * len(match[0]), before)
    if any(skipped.end() == len(before) and _is_open(skipped[0]) for skipped in _SKIPPED.finditer(before)):
        return None
    fragment = _FRAGMENT.search(cleaned)
    assert fragment is not None  # it can be empty
    head = cleaned[: fragment.start()]
    qualifier = _QUALIFIER.search(head)
    previous = _PREVIOUS.search(head)
    clauses = _CLAUSE.findall(head)
    whole = head + " " + _SKIPPED.sub(" ", after)
    return _Reading(
        fragment[0],
        ".".join(_parts(qualifier[1])) if qualifier else None,
        previous[1].lower() if previous else "",
        clauses[-1].lower() if clauses else "",
        dict(_sources(whole)),
        tuple(_plain(name) for name in _CTE.findall(whole)),
    )


def _is_open(text: str) -> bool:
    """Whether the string or comment that ends the text has no end yet."""
    if text.startswith("'"):
        return len(text) == 1 or text.count("'") % 2 == 1
    if text.startswith("/*"):
        return not text.endswith("*/") or len(text) < 4
    if text.startswith("--"):
        return True
    tag = text[: text.index("$", 1) + 1]
    return len(text) < 2 * len(tag) or not text.endswith(tag)


def _sources(text: str) -> Iterator[tuple[str, str]]:
    """Every table of a FROM or JOIN as written, by its name and by its alias."""
    for listed in _LISTED.findall(text):
        for item in listed.split(","):
            source = _SOURCE.match(item)
            if source is None:
                continue
            parts, alias = _parts(source[1]), source[2]
            yield parts[-1].lower(), ".".join(parts)
            if alias and alias.lower() not in _RESERVED:
                yield _plain(alias).lower(), ".".join(parts)


def _candidates(reading: _Reading, names: Names) -> Iterator[Suggestion]:
    if reading.qualifier is not None:
        yield from _after_a_dot(reading, names)
        return
    is_listed = reading.previous == "," and reading.clause == "from"
    if is_listed or reading.previous in ("from", "join", "into", "update", "table", "describe", "summarize"):
        yield from _tables(reading, names)
        yield from (Suggestion(name, "database") for name in names.databases())
        return
    tables = list(dict.fromkeys(reading.sources.values()))
    columns = [column for table in tables for column in names.columns(table)]
    yield from (Suggestion(column, "column") for column in columns)
    yield from (Suggestion(alias, "table") for alias in reading.sources)
    if not columns:
        yield from _tables(reading, names)
    yield from (Suggestion(name, "function") for name in FUNCTIONS)
    yield from (Suggestion(word, "keyword") for word in KEYWORDS)


def _after_a_dot(reading: _Reading, names: Names) -> Iterator[Suggestion]:
    qualifier = reading.qualifier or ""
    source = reading.sources.get(qualifier.lower())
    columns = names.columns(source) if source is not None else ()
    if columns:
        yield from (Suggestion(column, "column") for column in columns)
        return
    tables = names.tables()
    inside = [table for table, database in tables.items() if database.lower() == qualifier.split(".")[0].lower()]
    if inside:
        yield from (Suggestion(table, "table") for table in inside)
    else:
        yield from (Suggestion(column, "column") for column in names.columns(qualifier))


def _tables(reading: _Reading, names: Names) -> Iterator[Suggestion]:
    yield from (Suggestion(name, "table") for name in reading.ctes)
    yield from (Suggestion(name, "table") for name in names.tables())
    yield from (Suggestion(name, "table") for name, kind in names.variables().items() if kind == "frame")


def _parts(name: str) -> list[str]:
    return [_plain(part) for part in re.findall(_NAME, name)]


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _written(name: str, fragment: str) -> str:
    """A name as SQL: in quotes where it needs them or the user began with one."""
    needs = not re.fullmatch(r"[^\W\d]\w*", name) or name.lower() in _RESERVED
    return '"' + name.replace('"', '""') + '"' if needs or fragment.startswith('"') else name


def starting_with(prefix: str, texts: Iterable[str], kind: str) -> list[Suggestion]:
    """The texts that begin so."""
    return [Suggestion(text, kind) for text in texts if text.lower().startswith(prefix.lower())]
