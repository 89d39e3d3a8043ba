"""How an output is written for DuckDB so that its value arrives unchanged or raises.

    u (a UUID)                          → CAST("u" AS VARCHAR)
    h (a HUGEINT)                       → CASE WHEN "h" BETWEEN … THEN CAST("h" AS DECIMAL(38,0)) ELSE error('…') END
    s (VARCHAR, declared DECIMAL(5,2))  → CASE WHEN regexp_full_match("s", '…') THEN … ELSE error('…') END

DuckDB's own casts are too kind for this: '2.5' is cut to an INTEGER, '1.239' rounded to a DECIMAL(4,2), a moment to its
day. So a cast that a catalog asks for is done only where casting back gives the value again, or where the text is of a
form that loses nothing.
"""

from __future__ import annotations

import re

from fedq.dialects.duckdb import DUCKDB
from fedq.fetch.source import Output
from fedq.types import Type, parse_type

#: what `error()` is given: number or name of the output, reason, the value's text
UNFIT = re.compile(r"fedq-unfit (?P<column>\"(?:[^\"]|\"\")*\"|\d+) (?P<reason>[^|]*)\|(?P<value>.*)", re.DOTALL)
#: what a column of a statement of the user's own is cast to; DuckDB raises where a value does not fit
CASTS = {"UUID": "VARCHAR", "JSON": "VARCHAR", "HUGEINT": "DECIMAL(38,0)"}
_LONGEST = 60
_HUGE = "99999999999999999999999999999999999999"
#: families that travel as text
_AS_TEXT = ("uuid", "json")
#: text of these forms loses nothing when it is cast
_INTEGER = r"\s*[+-]?[0-9]+\s*"
_DOUBLE = r"(?i)\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?\s*|\s*[+-]?(nan|inf|infinity)\s*"
_DATE = r"\s*-?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( \(BC\))?\s*|[+-]?infinity"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
_ZONE = r"\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)"


def is_own_type(type_: Type) -> bool:
    """Whether values of the type travel in DuckDB's own Arrow form: Arrow has none for them."""
    return type_.family == "other" or type_.name == "UHUGEINT"


def expression(output: Output, number: int) -> str:
    """The output's expression, cast where it must be."""
    sql, type_, column = output.sql, output.type, output.column
    stored = parse_type(column.native) if column is not None and column.native else None
    policy = column.policy if column is not None else "error"
    if is_own_type(type_):
        return sql if stored is None or stored == type_ else f"CAST({sql} AS {type_})"
    if stored is not None and stored != type_:
        return _declared(sql, stored, type_, number, policy)
    if type_.name == "HUGEINT":
        test = f"{sql} BETWEEN -{_HUGE} AND {_HUGE}"
        return _guarded(sql, f"CAST({sql} AS DECIMAL(38,0))", test, "it has more than 38 digits", number, policy)
    if type_.family in _AS_TEXT:
        return f"CAST({sql} AS VARCHAR)"
    return sql if stored is not None else f"CAST({sql} AS {type_})"


def _declared(sql: str, stored: Type, type_: Type, number: int, policy: str) -> str:
    """A cast that the catalog asks for."""
    if type_.family == "text":
        return f"CAST({sql} AS VARCHAR)"
    target = "DECIMAL(38,0)" if type_.name == "HUGEINT" else str(type_)
    cast = f"TRY_CAST({sql} AS {target})"
    if stored.family == "text":
        form = _form(type_)
        test = f"{cast} IS NOT NULL" + (f" AND regexp_full_match({sql}, '{form}')" if form else "")
    else:
        test = f"CAST({cast} AS {stored}) IS NOT DISTINCT FROM {sql}"
    value = f"CAST({cast} AS VARCHAR)" if type_.family in _AS_TEXT else cast
    return _guarded(sql, value, test, f"{stored} is no {type_}", number, policy)


def _form(type_: Type) -> str | None:
    """The regular expression of text that can be cast without loss; None where casting is strict enough itself."""
    match type_.family:
        case "integer":
            return _INTEGER
        case "decimal":
            return rf"\s*[+-]?[0-9]*\.?[0-9]{{0,{type_.scale or 0}}}0*\s*"
        case "float":
            return _DOUBLE
        case "date":
            return _DATE
        case "time":
            return rf"\s*{_CLOCK}\s*"
        case "timestamp":
            return rf"\s*-?[0-9]{{4,}}-[0-9]{{1,2}}-[0-9]{{1,2}}([ T]{_CLOCK})?\s*|[+-]?infinity"
        case "timestamptz":
            return rf"\s*-?[0-9]{{4,}}-[0-9]{{1,2}}-[0-9]{{1,2}}([ T]{_CLOCK})?{_ZONE}\s*|[+-]?infinity"
    return None


def _guarded(sql: str, value: str, test: str, reason: str, number: int, policy: str) -> str:
    if policy == "null":
        otherwise = "NULL"
    else:
        otherwise = unfit(number, sql, reason)
    return f"CASE WHEN {sql} IS NULL THEN NULL WHEN {test} THEN {value} ELSE {otherwise} END"


def unfit(column: int | str, sql: str, reason: str) -> str:
    """An expression that raises what `UNFIT` matches: the output by number or name, the reason, the value's text."""
    said = str(column) if isinstance(column, int) else DUCKDB.quote(column)
    message = f"fedq-unfit {said} {reason.replace('|', '/')}|".replace("'", "''")
    return f"error('{message}' || left(CAST({sql} AS VARCHAR), {_LONGEST}))"
