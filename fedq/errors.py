"""Every error and warning fedq raises, one tree, each with a stable code.

    FedqError
    ├── CatalogError          FQ101   fedq.toml is wrong: file, line, key
    ├── SecretError           FQ102   a password could not be had
    ├── SQLSyntaxError        FQ200   the text does not parse
    ├── TableNotFound         FQ201   LookupError
    ├── ColumnNotFound        FQ202   LookupError
    ├── AmbiguousTable        FQ203   two databases have it and the catalog does not settle which
    ├── InvalidQuery          FQ204   parses, but means nothing: types, arguments, grouping
    ├── NotAllowed            FQ205   a statement or function that user SQL may not use
    ├── CrossDatabaseError    FQ210   the policy forbids joining these databases
    ├── ParameterError        FQ301   ValueError
    ├── ConnectionFailed      FQ401   ConnectionError
    │   └── ConnectionLost    FQ406   it broke in the middle of a pull
    ├── DriverMissing         FQ402   ImportError
    ├── DatabaseError         FQ403   the database refused or failed the statement
    ├── QueryTimeout          FQ404   TimeoutError
    ├── ValueNotRepresentable FQ501   ValueError; a value that would have changed silently
    ├── PullTooLarge          FQ502   more rows or bytes than max_pull
    ├── ComputeError          FQ503   the local engine failed on the data: overflow, conversion, memory
    ├── ResultError           FQ504   LookupError; one(), scalar() or a column asked of a result that has none
    ├── OrphanRows            FQ505   rows whose other side is missing; found by check(relations=True)
    ├── ReadOnlyError         FQ601   a write to something that is read-only
    ├── StaleReplicaError     FQ602
    ├── ShardKeyError         FQ603
    └── MoveError             FQ604
    QueryCancelled            FQ405   KeyboardInterrupt, so that `except Exception` does not swallow a Ctrl-C

    FedqWarning (UserWarning)
    ├── CrossDatabaseWarning  FQ210
    ├── ShadowedNameWarning   FQ230   a DataFrame and a table share a name
    ├── CollationWarning      FQ231   a text column compares differently in its own database
    ├── StaleReplicaWarning   FQ232   whether it is as fresh as was asked could not be checked
    └── CatalogWarning        FQ110   the catalog works, but something in it is risky

An error is built from facts (`table=…`, `database=…`), which stay on it as attributes; its text is made from them.
Every error carries what is needed to act: the message says what and where, the hint says what to do.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

__all__ = [
    "AmbiguousTable",
    "CatalogError",
    "CatalogWarning",
    "CollationWarning",
    "ColumnNotFound",
    "ComputeError",
    "ConnectionFailed",
    "ConnectionLost",
    "CrossDatabaseError",
    "CrossDatabaseWarning",
    "DatabaseError",
    "DriverMissing",
    "FedqError",
    "FedqWarning",
    "InvalidQuery",
    "MoveError",
    "NotAllowed",
    "OrphanRows",
    "ParameterError",
    "PullTooLarge",
    "QueryCancelled",
    "QueryTimeout",
    "ReadOnlyError",
    "ResultError",
    "SQLSyntaxError",
    "SecretError",
    "ShadowedNameWarning",
    "ShardKeyError",
    "StaleReplicaError",
    "StaleReplicaWarning",
    "TableNotFound",
    "ValueNotRepresentable",
]


def caret(sql: str, span: tuple[int, int]) -> str:
    """The line of `sql` that holds `span` (start and end offsets in characters), with carets under it.

    >>> print(caret("select * from userz", (14, 19)))
      1 │ select * from userz
        │               ^^^^^
    """
    start, end = max(0, min(span[0], len(sql))), max(0, min(span[1], len(sql)))
    line_start = sql.rfind("\n", 0, start) + 1
    line_end = sql.find("\n", start)
    line_end = len(sql) if line_end < 0 else line_end
    number = str(sql.count("\n", 0, start) + 1)
    line = sql[line_start:line_end].replace("\t", " ")
    width = max(1, min(end, line_end) - start)
    offset = start - line_start
    if len(line) > 160:  # a generated one-line query: show the neighbourhood
        cut = max(0, offset - 60)
        line, offset = "…" + line[cut : cut + 140] + "…", offset - cut + 1
        width = min(width, 60)
    return f"{number:>3} │ {line}\n{'':>3} │ {' ' * offset}{'^' * width}"


class FedqError(Exception):
    """Base of every fedq error: `code`, `message`, `hint`, and the facts it was built from as attributes.

    Do: read the message; it names what was asked and where.
    """

    code = "FQ000"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        sql: str | None = None,
        span: tuple[int, int] | None = None,
        **facts: Any,
    ) -> None:
        self.message, self.sql, self.span, self.facts = message, sql, span, facts
        self.hint = hint or _usual_hint(type(self))
        super().__init__(message)

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.message, self.hint, self.sql, self.span, self.facts))

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.message}"]
        if self.sql is not None and self.span is not None:
            parts.append(caret(self.sql, self.span))
        parts.append(self.hint)
        return "\n".join(parts)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the error alone, without the frames of fedq (IPython calls this; `%tb` has the
        rest)."""
        return [f"{type(self).__name__} {self}"]


def _usual_hint(kind: type[FedqError]) -> str:
    """What to do about errors of this kind: the part of the class's docstring after "Do:"."""
    told = (kind.__doc__ or "").partition(" Do: ")[2] or (FedqError.__doc__ or "").partition(" Do: ")[2]
    return told[:1].upper() + " ".join(told[1:].split())


def _rebuild(kind: type[FedqError], message: str, hint: Any, sql: Any, span: Any, facts: dict[str, Any]) -> FedqError:
    return kind(message, hint=hint, sql=sql, span=span, **facts)


class CatalogError(FedqError):
    """The catalog is wrong. Do: go to the file, line and key it names; `fedq check` lists every problem at once."""

    code = "FQ101"


class SecretError(FedqError):
    """A secret could not be had (variable unset, file missing, command failed). Do: provide it where the catalog
    says."""

    code = "FQ102"


class SQLSyntaxError(FedqError):
    """The query does not parse in DuckDB's dialect. Do: mend the text at the caret."""

    code = "FQ200"


class TableNotFound(FedqError, LookupError):
    """No database and no catalog entry has this table. Do: check the name; `fedq tables` lists them."""

    code = "FQ201"


class ColumnNotFound(FedqError, LookupError):
    """No table in the query has this column. Do: check the name; `%fedq :columns TABLE` lists them."""

    code = "FQ202"


class AmbiguousTable(FedqError):
    """More than one database has a table of this name. Do: assign it under [tables], or write database.table."""

    code = "FQ203"


class InvalidQuery(FedqError):
    """The query parses but cannot be answered: a type mismatch, a wrong argument, a missing GROUP BY. Do: as the hint
    says."""

    code = "FQ204"


class NotAllowed(FedqError):
    """A statement or function that a query may not use: it would write, or reach files or servers past the catalog.
    Do: put the file or the server into the catalog, as a database."""

    code = "FQ205"


class CrossDatabaseError(FedqError):
    """The policy `on_cross_db = "error"` forbids this combination of databases. Do: allow it for the call or the
    pair."""

    code = "FQ210"


class ParameterError(FedqError, ValueError):
    """A parameter is missing, unknown or of a type that cannot be bound. Do: pass it in `params`."""

    code = "FQ301"


class ConnectionFailed(FedqError, ConnectionError):
    """A database could not be reached or refused us. Do: check that it runs, and its URL, user and password."""

    code = "FQ401"


class ConnectionLost(ConnectionFailed):
    """The connection broke in the middle of a query; nothing of it was returned. Do: run the query again."""

    code = "FQ406"


class DriverMissing(FedqError, ImportError):
    """The package that speaks to this kind of database is not installed. Do: install the extra it names."""

    code = "FQ402"


class DatabaseError(FedqError):
    """The database refused or failed the statement that fedq sent. Do: read its own message, which is quoted."""

    code = "FQ403"


class QueryTimeout(FedqError, TimeoutError):
    """The query took longer than its timeout and was stopped, here and in the databases. Do: raise `timeout`, or ask
    less."""

    code = "FQ404"


class ValueNotRepresentable(FedqError, ValueError):
    """A stored value does not fit the column's type; reading it on would change it. Do: set `on_unrepresentable`."""

    code = "FQ501"


class PullTooLarge(FedqError):
    """A pull is larger than `max_pull` allows. Do: add a condition, or raise `max_pull`."""

    code = "FQ502"


class ComputeError(FedqError):
    """The local engine failed on the data: an overflow, a conversion, too little memory. Do: as the hint says."""

    code = "FQ503"


class ResultError(FedqError, LookupError):
    """The result does not have what was asked of it: one row, a column of that name. Do: look at `result.columns`."""

    code = "FQ504"


class OrphanRows(FedqError):
    """Rows of a declared relation whose other side is missing. Do: add the missing rows, or correct the relation."""

    code = "FQ505"


class ReadOnlyError(FedqError):
    """A write through a call that only reads, or to a database that is read-only.

    Do: write with `execute` or `write`, into a database that the catalog lets be written.
    """

    code = "FQ601"


class StaleReplicaError(FedqError):
    """No allowed replica is fresh enough. Do: allow the primary, or lower `freshness`."""

    code = "FQ602"


class ShardKeyError(FedqError):
    """A row whose shard key is missing or belongs to no shard. Do: give the row a key that a shard owns."""

    code = "FQ603"


class MoveError(FedqError):
    """A move cannot start or go on. Do: as the hint says; the source is untouched."""

    code = "FQ604"


class QueryCancelled(KeyboardInterrupt):
    """The query was stopped by Ctrl-C or `cancel()`, here and in the databases. The next query works."""

    code = "FQ405"

    def __init__(self, message: str = "the query was cancelled") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__} {self}"]


class FedqWarning(UserWarning):
    """Base of every fedq warning; its facts are attributes."""

    code = "FQ000"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message, self.facts = message, facts

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class CrossDatabaseWarning(FedqWarning):
    """A query combined tables of several databases. Silence it with `on_cross_db = "allow"`."""

    code = "FQ210"


class StaleReplicaWarning(FedqWarning):
    """What was read may be older than was asked for, for no server could say. Let the role ask for positions, or
    read with `freshness="any"`."""

    code = "FQ232"


class ShadowedNameWarning(FedqWarning):
    """A DataFrame and a catalog table share a name; the table was used. Write `@name` for the DataFrame."""

    code = "FQ230"


class CollationWarning(FedqWarning):
    """A text column compares differently in its own database than in fedq (by bytes). Use `native=` for its own
    rules."""

    code = "FQ231"


class CatalogWarning(FedqWarning):
    """The catalog works, but something in it is risky, such as a password written in a URL."""

    code = "FQ110"


def warn(note: Warning) -> None:
    """Warn as if whoever called fedq had done it: the line shown, and filters by module, are theirs."""
    level, frame, package = 1, sys._getframe(), str(Path(__file__).parent)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(note, stacklevel=level)
