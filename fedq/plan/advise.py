"""What a person should know of a plan: that it spans databases, what that costs, and whether the policy lets it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from fedq.bind.resolve import FRAMES
from fedq.catalog.model import Catalog
from fedq.errors import CrossDatabaseError, CrossDatabaseWarning
from fedq.plan.nodes import Actual, Fetch, Plan


def spanned(plan: Plan) -> tuple[str, ...]:
    """The databases a query combines; DataFrames are not one."""
    return tuple(database for database in plan.databases if database != FRAMES)


def policy_of(plan: Plan, catalog: Catalog, on_cross_db: str | None) -> str:
    """warn, error or allow: the call's word, else the strictest of the pairs it combines, else the catalog's."""
    if on_cross_db is not None:
        return on_cross_db
    told = [
        catalog.policy.pairs.get(frozenset(pair), catalog.policy.on_cross_db) for pair in combinations(spanned(plan), 2)
    ]
    return next((word for word in ("error", "warn", "allow") if word in told), "allow")


def check_policy(plan: Plan, catalog: Catalog, on_cross_db: str | None) -> None:
    """Before anything is pulled. Raises: CrossDatabaseError."""
    if len(spanned(plan)) < 2 or policy_of(plan, catalog, on_cross_db) != "error":
        return
    parts = [f"{database} ({', '.join(_tables(plan, database))})" for database in spanned(plan)]
    message = f"this query combines {len(parts)} databases, which the policy forbids: {' and '.join(parts)}"
    hint = 'Allow it for one query (on_cross_db="allow"), or in [policy] of the catalog. Nothing was pulled.'
    raise CrossDatabaseError(message, hint=hint, databases=spanned(plan))


def cross_database_warning(
    plan: Plan, actuals: Sequence[Actual], catalog: Catalog, on_cross_db: str | None
) -> list[CrossDatabaseWarning]:
    """The one warning of a query that combined databases, with what it cost."""
    databases = spanned(plan)
    if len(databases) < 2 or policy_of(plan, catalog, on_cross_db) != "warn":
        return []
    by_id = {actual.fetch: actual for actual in actuals}
    lines = [f"this query combines {len(databases)} databases; what was pulled met in the local engine."]
    for fetch in plan.fetches:
        lines += _told(fetch, by_id.get(fetch.id))
    lines.append("  The reads are not one transaction: each database was read at a moment of its own.")
    lines.append('  Silence: on_cross_db = "allow" for one query or in [policy] (%%fedq --on-cross-db allow).')
    facts = {
        "databases": databases,
        "tables": {database: _tables(plan, database) for database in databases},
        "rows": sum(actual.rows for actual in actuals),
        "bytes": sum(actual.bytes for actual in actuals),
        "plan": plan,
    }
    return [CrossDatabaseWarning("\n".join(lines), **facts)]


def _told(fetch: Fetch, actual: Actual | None) -> list[str]:
    """What one pull brought, what its database did for us, and what it did not do."""
    amount = f"{actual.rows:,} rows ({readable(actual.bytes)})" if actual else "nothing"
    shipped = [f"{key.column.name} among the keys of {key.from_fetch.rpartition('@')[0]}" for key in fetch.keys]
    pushed = ", ".join([*fetch.pushed, *shipped])
    done = f"pushed: {pushed}" if pushed else "no condition pushed"
    refused = [f"    not pushed: {kept.what} ({kept.reason})" for kept in fetch.kept]
    return [f"  {fetch.database}: {', '.join(fetch.tables)}, {amount}; {done}", *refused]


def _tables(plan: Plan, database: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table for fetch in plan.fetches if fetch.database == database for table in fetch.tables))


def readable(size: float) -> str:
    """Bytes for people.

    >>> readable(1536)
    '1.5 KB'
    """
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""
