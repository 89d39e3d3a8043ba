"""The texts that a session sends: what starts a transaction, a Select as it travels, a user's statement taken apart.

    Select((price [money], name), "FROM t")  →  SELECT c0::numeric, c1 FROM (SELECT price, name FROM t) AS q(c0, c1)

Casts go around the statement and not into its select list, where they would change what DISTINCT and ORDER BY mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fedq.catalog.schema import Column
from fedq.dialects.postgres import POSTGRES, Collation, NativeType, column_type
from fedq.errors import NotAllowed
from fedq.fetch.postgres.standing import INSTANCE
from fedq.fetch.source import Output
from fedq.types import VARCHAR

#: what values are written as in every transaction of fedq's
SETTINGS = (
    "TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'", "extra_float_digits = 1",
    "bytea_output = 'hex'", "array_nulls = on",
)  # fmt: skip
#: a reader that is forgotten holds its snapshot, and with it what VACUUM could remove, no longer
_IDLE_SECONDS = 600
_READING = (
    *SETTINGS, "default_transaction_read_only = on", f"idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'",
)  # fmt: skip
# LOCAL, because a pooler such as PgBouncer hands the server's session on to other programs after the transaction
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
_SETTINGS = "".join(f"SET LOCAL {line}; " for line in _READING)
# a pooler of several servers may pass the request to stop a statement to the wrong one: then its going away must do
_WATCH = "SET LOCAL client_connection_check_interval = '1s'; "
SAVEPOINT = "SAVEPOINT fedq; "
BACK_TO_SAVEPOINT = "ROLLBACK TO SAVEPOINT fedq"
ROLLBACK = "ROLLBACK"
#: a snapshot can be given away outside of savepoints only, where a refusal would end the transaction
EXPORT = f"RELEASE SAVEPOINT fedq; COPY (SELECT pg_export_snapshot(), {INSTANCE}) TO STDOUT"
MAY_EXPORT = "SELECT has_function_privilege('pg_export_snapshot()', 'execute')"
#: what explains a statement, and locks what it reads until the transaction ends: the table and its indexes
EXPLAIN = "EXPLAIN (FORMAT JSON) "
#: the same, where it need not be waited for
_LOCK = "SET LOCAL lock_timeout = '100ms'; {}{}\n; SET LOCAL lock_timeout = DEFAULT"
#: after a statement of the user's: a lock that it took for the whole connection would stay with it
ROLLBACK_AND_UNLOCK = "ROLLBACK; SELECT pg_advisory_unlock_all()"

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*)|(?P<open>/\*)|(?P<end>;)|[eE]'(?:[^'\\]|\\.|'')*'|(?P<word>[^\W\d]\w*)|'(?:[^']|'')*'"""
    r"""|"(?:[^"]|"")*"|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)|.""",
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_COPIED = ("select", "with", "values", "table", "(")
_FETCHED = ("show", "explain")


def begin(
    timeout: float | None, schemas: Sequence[str], *, is_watched: bool = False, snapshot: str | None = None
) -> str:
    """What starts a session's transaction. `schemas` is its search path; empty leaves the user's own. `is_watched`:
    the server looks whether somebody still waits for the answer. `snapshot` is another transaction's."""
    path = f"SET LOCAL search_path = {', '.join(map(POSTGRES.quote, schemas))}; " if schemas else ""
    limit = f"SET LOCAL statement_timeout = {max(1, int(timeout * 1000))}; " if timeout is not None else ""
    shared = f"SET TRANSACTION SNAPSHOT {POSTGRES.literal(snapshot)}; " if snapshot is not None else ""
    return _BEGIN + shared + _SETTINGS + path + limit + (_WATCH if is_watched else "") + SAVEPOINT


def lock(statement: str) -> str:
    """What takes the locks that a statement needs, where they can be had at once, and keeps them."""
    return _LOCK.format(EXPLAIN, statement)


def copy(outputs: Sequence[Output], inner: str, encoding: str = "UTF8") -> str:
    """A query of these outputs as the COPY that sends them."""
    casts = [_cast(output) for output in outputs]
    if any(casts):
        names = [f"c{index}" for index in range(len(casts))]
        chosen = ", ".join(name + cast for name, cast in zip(names, casts, strict=True))
        inner = f"SELECT {chosen} FROM ({inner}\n) AS q({', '.join(names)})"
    return f"COPY ({inner}\n) TO STDOUT (ENCODING '{encoding}')"


def _cast(output: Output) -> str:
    native = output.column.native if output.column is not None else ""
    if native == "money" and output.type.name == "DECIMAL":
        return "::numeric"  # as text it is written as lc_monetary says
    if output.type == VARCHAR and native == "boolean":
        return "::text"
    if re.fullmatch(r"character(\(\d+\))?", native) and output.type == VARCHAR:
        return "::text"  # takes the padding off
    if re.fullmatch(r"character(\(\d+\))?\[\]", native) and output.type.name == "VARCHAR[]":
        return "::text[]"
    return ""


def native_output(name: str, native: NativeType, written: str) -> Output:
    """One column of a user's own statement. `written` is PostgreSQL's name of its type."""
    type_, comparison = column_type(native)
    collation: Collation | None = native.collation
    column = Column(
        name=name, type=type_, physical=name, native=written, comparison=comparison,
        collation=collation.name if collation else None,
    )  # fmt: skip
    return Output(sql="", name=name, type=type_, column=column)


def user_statement(sql: str) -> tuple[str, bool]:
    """A user's statement without semicolons at its end, and whether COPY sends it (SHOW and EXPLAIN it cannot).

    >>> user_statement("select 1; -- done")
    ('select 1  -- done', True)

    The server holds it to reading whatever is overlooked here: COPY (…) takes no COMMIT, SET or LOCK, and what does not
    go there begins with a word that is put in front here. Raises: NotAllowed, when it is no statement that reads.
    """
    first, at, start, rest = "", 0, 0, 0
    tail: list[str] = []
    while at < len(sql):
        token = _TOKEN.match(sql, at)
        assert token is not None  # the last alternative takes any character
        end = _comment_end(sql, token.end()) if token["open"] else token.end()
        if token["blank"] or token["open"] or token["end"]:
            tail.append(" " if token["end"] else sql[at:end])
        else:
            first, start = (first, start) if first else (token[0].lower(), at)
            rest, tail = end, []  # a semicolon before this one stays, for the server to refuse
        at = end
    check_beginning(first)
    text = sql[start:rest] + "".join(tail)
    return (first.upper() + text[len(first) :], False) if first in _FETCHED else (text, True)


def check_beginning(word: str) -> None:
    """Refuse a statement by its first word. Raises: NotAllowed."""
    if word not in (*_COPIED, *_FETCHED):
        raise NotAllowed(
            f"a native statement begins with {word[:20].upper() or 'nothing'}, which does not read",
            hint="Allowed: SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN.",
        )


def _comment_end(sql: str, at: int) -> int:
    """Where a block comment that began before `at` ends; PostgreSQL nests them."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, at)
        if edge is None:
            return len(sql)
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at
