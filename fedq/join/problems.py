"""DuckDB's errors → fedq's: by its exception class and its own structured report, never by guessing from prose.

With `errors_as_json` DuckDB reports kind, message, location and candidates as data. Locations are in the text it was
given; whoever knows how that text came from the user's moves them back.
"""

from __future__ import annotations

import json
import re
from typing import Any

import duckdb

from fedq.errors import ColumnNotFound, ComputeError, FedqError, InvalidQuery, NotAllowed, SQLSyntaxError

_PREPARATION = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InvalidTypeException,
    duckdb.TypeMismatchException,
    duckdb.InvalidInputException,
)
_HINTS = {
    duckdb.OutOfMemoryException: "Raise memory_limit in [policy], ask for fewer columns, or add a condition.",
    duckdb.ConversionException: "Use TRY_CAST to turn what does not convert into NULL.",
    duckdb.OutOfRangeException: "Cast to a wider type, such as HUGEINT or DOUBLE, before calculating.",
}


_USING = re.compile(r'Column "([^"]+)" does not exist on (left|right) side of join')


def named_error(error: Exception, text: str = "") -> FedqError:
    """The fedq error for a DuckDB error of `text`; `location` (a fact) is where in the text it points, or None."""
    report = _report(error)
    message = _clean(str(report.get("exception_message") or report.get("message") or error))
    facts: dict[str, Any] = {"location": _location(report, text)}
    if report.get("error_subtype") == "COLUMN_NOT_FOUND" or message.startswith("Referenced column"):
        return _column_not_found(report, message, facts)
    if (found := _USING.match(message)) is not None:
        told = f"USING ({found[1]}): there is no such column on the {found[2]} side of the join"
        return ColumnNotFound(told, hint="Write ON with a column of each side.", column=found[1], **facts)
    if message.startswith("Max expression depth"):  # its advice is a setting, which no query may change
        return SQLSyntaxError("the query is nested too deeply to be read", hint="Use WITH to name its parts.", **facts)
    if isinstance(error, duckdb.ParserException):
        return SQLSyntaxError(f"the query does not parse: {message}", hint="fedq speaks DuckDB's SQL.", **facts)
    if isinstance(error, duckdb.PermissionException):
        return NotAllowed(
            f"the query reaches past the catalog: {message}", hint="Put files and servers into the catalog.", **facts
        )
    if isinstance(error, _PREPARATION):
        return InvalidQuery(message, hint="Mend the query; fedq speaks DuckDB's SQL.", **facts)
    hint = next(
        (hint for kind, hint in _HINTS.items() if isinstance(error, kind)),
        "The query ran over what was pulled and failed there.",
    )
    return ComputeError(message, hint=hint, **facts)


def _column_not_found(report: dict[str, Any], message: str, facts: dict[str, Any]) -> ColumnNotFound:
    name = str(report.get("name") or (re.findall(r'"([^"]+)"', message) or ["?"])[0])
    candidates = [
        word.strip().rpartition(".")[2] for word in str(report.get("candidates") or "").split(",") if word.strip()
    ]
    hint = f"Did you mean {candidates[0]!r}?" if candidates else "`%fedq :columns TABLE` lists a table's columns."
    return ColumnNotFound(f"no table of the query has a column {name!r}", hint=hint, column=name, **facts)


def _location(report: dict[str, Any], text: str) -> tuple[int, int] | None:
    """`"[16,5]"`, in bytes, as the place and the length in characters."""
    match = re.fullmatch(r"\[(\d+), ?(\d+)\]", str(report.get("location", "")))
    if match is None:
        return None
    told, start, length = text.encode(errors="replace"), int(match[1]), int(match[2])
    return len(told[:start].decode(errors="replace")), len(told[start : start + length].decode(errors="replace"))


def _report(error: Exception) -> dict[str, Any]:
    text = str(error)
    start = text.find("{")
    if start >= 0:
        try:
            report = json.loads(text[start : text.rfind("}") + 1])
        except ValueError:
            return {}
        return report if isinstance(report, dict) else {}
    return {}


def _clean(message: str) -> str:
    """DuckDB's sentence without its prefix, its own caret drawing, or our names for the pulled tables."""
    message = re.split(r"\n\s*\nLINE \d+:|\nLINE \d+:|\n\s*Candidate functions:|\n\s*Candidate bindings:", message)[0]
    message = re.sub(r"^(\w+ )?Error: ", "", message)
    message = re.sub(r"@\d+\b", "", message)
    return " ".join(message.split())
