"""One call of `query` or `explain`: its options checked and settled before anything is asked of a database."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, TypedDict, TypeVar

from fedq.bind.resolve import FRAMES, Placing
from fedq.catalog.model import Catalog, Database
from fedq.catalog.read_policy import freshness
from fedq.catalog.suggest import nearest
from fedq.catalog.units import seconds, size
from fedq.errors import ParameterError, ShadowedNameWarning, StaleReplicaWarning
from fedq.events import Listener, ignore
from fedq.fetch.positions import Reading, read_token
from fedq.plan.nodes import Plan
from fedq.run.pulls import Limits

if TYPE_CHECKING:
    from fedq.fetch.source import Source
    from fedq.result.sources import SourceRead

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """What a call may say beside its SQL and params, all by keyword."""

    using: str | Mapping[str, str] | None
    """A database for every table, or databases by table, over and above the catalog."""
    native: str | None
    """Send the text as written to this database, in its own dialect and with its own meaning."""
    frames: Mapping[str, Any] | None
    """DataFrames by the name they have in the query: anything with `__arrow_c_stream__`."""
    limit: int | None
    """Return at most so many rows."""
    timeout: float | str | None
    """Seconds, or a text such as "5m"; the statement is stopped in the databases too."""
    on_cross_db: str | None
    """warn, error or allow: what to do when the query combines databases."""
    max_pull: int | str | None
    """Rows, or a size such as "2GB": the most that may be pulled, over all databases."""
    freshness: str | None
    """session, any, strong or a duration: how old a replica may be."""
    after: str | None
    """A token of another process: read nothing older than what it has written or seen."""
    engine: str | None
    """The engine that joins; "local" is DuckDB in this process."""
    listener: Listener
    """Called with every event of `fedq.events` as it happens."""


def has_options(function: F) -> F:
    """Show the options in the function's signature, where help() and a notebook look for them."""
    given = inspect.signature(function)
    kept = [each for each in given.parameters.values() if each.kind is not each.VAR_KEYWORD]
    named = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind.__forward_arg__)
        for name, kind in Options.__annotations__.items()
    ]
    function.__signature__ = given.replace(parameters=[*kept, *named])  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True, slots=True)
class Call:
    """One call, its options settled."""

    sql: str
    params: Any
    catalog: Catalog
    placing: Placing
    native: str | None
    extra: Mapping[str, Source]
    """Sources of this call only: its DataFrames."""
    limits: Limits
    on_cross_db: str | None
    listener: Listener
    reading: Reading
    """How fresh its reads must be."""


def settle(sql: str, params: Any, catalog: Catalog, placing: Placing, options: Options) -> Call:
    """The call with every option checked. Raises: ParameterError."""
    _check(sql, params, options)
    extra = _frame_sources(options.get("frames"))
    if extra:
        catalog = replace(catalog, databases={**catalog.databases, FRAMES: Database(FRAMES, "frames", "")})
    return Call(
        sql,
        params,
        catalog,
        placing.narrowed(options.get("using"), catalog),
        options.get("native"),
        extra,
        _limits(catalog, options),
        options.get("on_cross_db"),
        options.get("listener") or ignore,
        _reading(catalog, options),
    )


def _check(sql: object, params: object, options: Options) -> None:
    if not isinstance(sql, str):
        raise ParameterError(f"the query must be text, not {type(sql).__name__}", hint="Pass SQL as a str.")
    for name in options:
        if name not in Options.__annotations__:
            near = nearest(name, Options.__annotations__)
            hint = f"Did you mean {near}?" if near else f"There is {', '.join(Options.__annotations__)}."
            raise ParameterError(f"there is no option {name!r}", hint=hint)
    if options.get("native") is not None and params:
        hint = "Write the values into the text, or query without native=."
        raise ParameterError("native= sends the text as written, so it binds no parameters", hint=hint)
    _one_of("on_cross_db", options.get("on_cross_db"), ("warn", "error", "allow"))
    _one_of("engine", options.get("engine"), ("local", "duckdb"))
    if not callable(options.get("listener") or ignore):
        raise ParameterError("listener must be callable", hint="Pass a function of one event; see fedq.events.")


def _reading(catalog: Catalog, options: Options) -> Reading:
    told, after = options.get("freshness"), options.get("after")
    rule = catalog.policy.freshness if told is None else _read("freshness", freshness, told)
    floors = {} if after is None else read_token(after)
    if floors and not floors.keys() & catalog.databases.keys():
        message = f"after= is of {', '.join(map(repr, floors))}, and this catalog has no database of such a name"
        hint = "A token knows databases by their names in the catalog: give them the same ones."
        raise ParameterError(message, hint=hint)
    return Reading(rule, floors)


def _limits(catalog: Catalog, options: Options) -> Limits:
    policy, limit, timeout = catalog.policy, options.get("limit"), options.get("timeout")
    if limit is not None:
        limit = _rows(limit)
    rows, most = policy.max_pull_rows, policy.max_pull_bytes
    if (told := options.get("max_pull")) is not None:
        rows, most = _read("max_pull", size, told)
    return Limits(rows, most, time_limit(catalog, timeout), limit)


def _rows(limit: object) -> int:
    """A number of rows: an int, or what can stand for one, as numpy's do. Raises: ParameterError."""
    if isinstance(limit, SupportsIndex) and not isinstance(limit, bool) and (number := operator.index(limit)) >= 0:
        return number
    raise ParameterError(f"limit must be a whole number of rows, not {limit!r}", hint="Write limit=100.")


def time_limit(catalog: Catalog, told: object) -> float | None:
    """The seconds that a call may take: what it says itself, else what the policy says. Raises: ParameterError."""
    return catalog.policy.timeout if told is None else _read("timeout", seconds, told)


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        near = nearest(str(value), allowed)
        hint = f"Did you mean {near!r}?" if near else f"Use one of {', '.join(allowed)}."
        raise ParameterError(f"{name} cannot be {value!r}", hint=hint, option=name)


def _read(name: str, read: Callable[[Any], T], value: object) -> T:
    try:
        return read(value)
    except ValueError as error:
        hint = 'Write rows as 1000, sizes as "2GB", times as "30s".'
        raise ParameterError(f"{name} cannot be {value!r}: {error}", hint=hint, option=name) from error


def _frame_sources(frames: object) -> dict[str, Source]:
    """The source of a call's DataFrames. Raises: ParameterError for what is none."""
    if not frames:
        return {}
    if not isinstance(frames, Mapping):
        message = f"frames must be a mapping, not {type(frames).__name__}"
        raise ParameterError(message, hint="Write frames={'name': df}.")
    for name, frame in frames.items():
        if not isinstance(name, str):
            raise ParameterError(f"frames are named by texts, not by {name!r}", hint="Write frames={'name': df}.")
        if not hasattr(frame, "__arrow_c_stream__"):
            message = f"frames[{name!r}] is a {type(frame).__name__}, which is no DataFrame"
            hint = "Pass a pandas, polars or pyarrow table: anything with __arrow_c_stream__ (a LazyFrame: collect it)."
            raise ParameterError(message, hint=hint)
    from fedq.fetch.frames.source import FramesSource

    return {FRAMES: FramesSource(frames)}


def shadowed(call: Call, plan: Plan) -> list[ShadowedNameWarning]:
    """DataFrames whose name a catalog table took."""
    if FRAMES not in call.extra:
        return []
    frames = {table.name.lower(): table.name for table in call.extra[FRAMES].list_tables()}
    read = [name for fetch in plan.fetches if fetch.database != FRAMES for name in fetch.tables]
    text = "{0!r} is both a DataFrame and a table of the catalog; the table was used. Write @{0} for the DataFrame."
    names = dict.fromkeys(frames[name.lower()] for name in read if name.lower() in frames)
    return [ShadowedNameWarning(text.format(name), name=name) for name in names]


def unchecked(call: Call, reads: Iterable[SourceRead]) -> list[StaleReplicaWarning]:
    """Databases that had to be fresh, and nobody could tell whether they are."""
    names = dict.fromkeys(read.database for read in reads if read.is_unchecked)
    if call.reading.freshness == "any" and not call.reading.after:
        return []
    text = (
        "database {0!r} was read at its url without a check of how fresh that is: the server does not say where or how "
        'old its state is, or the role may not ask. freshness="any" asks for no check.'
    )
    return [StaleReplicaWarning(text.format(name), database=name) for name in names]
