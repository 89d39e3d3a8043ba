"""A plan in words: per database the SQL that is sent, estimates and actual figures, and the reason for all that was
not pushed."""

from __future__ import annotations

import html

from fedq.plan.advise import readable, spanned
from fedq.plan.nodes import Fetch, KeysSent, Plan


def explain(plan: Plan) -> str:
    """The plan as text.

    customers@1  from crm (sqlite)  about 120 rows
      SELECT "id", "name" FROM "customers" WHERE "country" = 'NL'
      pushed: country = 'NL'
    local  DuckDB runs the query over what was pulled
    """
    lines = [_headline(plan)]
    for fetch in plan.fetches:
        lines += _fetch_lines(plan, fetch)
    if plan.local is not None and plan.fetches:
        lines.append("then  the local engine runs the query over what was pulled")
    elif plan.local is not None:
        lines.append("the local engine answers it; no database is read")
    lines += [f"  not pushed: {kept.what}: {kept.reason}" for kept in plan.kept]
    return "\n".join(lines)


def _headline(plan: Plan) -> str:
    databases = spanned(plan)
    if plan.local is None:
        return f"{plan.fetches[0].database} answers the whole query"
    if len(databases) > 1:
        return f"The query combines {len(databases)} databases: {', '.join(databases)}"
    return f"The query reads {', '.join(databases) or 'no database'}"


def _fetch_lines(plan: Plan, fetch: Fetch) -> list[str]:
    estimate = (
        f"about {_rows(round(fetch.rows))} ({readable(fetch.bytes or 0)})"
        if fetch.rows is not None
        else "size unknown (no statistics)"
    )
    if fetch.rows is None and plan.local is None:
        estimate = "only its answer travels"
    lines = [f"{fetch.id}  from {fetch.database} ({fetch.kind})  {estimate}"]
    actual = next((actual for actual in plan.actuals if actual.fetch == fetch.id), None)
    if actual is not None:
        lines.append(f"  actual: {_rows(actual.rows)}, {readable(actual.bytes)}, {actual.seconds * 1000:,.1f} ms")
    lines.append(f"  {actual.sql if actual is not None else fetch.sql}")
    lines += [f"  pushed: {text}" for text in fetch.pushed]
    if fetch.parts:
        groups = ", whose groups are put together here" if fetch.merge else ""
        lines.append(f"  read side by side in {len(fetch.parts)} ranges of pages where the server would scan{groups}")
    lines += [
        f"  keys: {_names(key.column.name, *(more.column.name for more in key.also))} among "
        f"{key.from_fetch}.{_names(key.from_column, *(more.from_column for more in key.also))}, which is read first"
        for key in fetch.keys
    ]
    if actual is not None:
        lines += [f"  travelled: {_sent(sent)}" for sent in actual.keys]
    if actual is not None and actual.restarts:
        lines.append("  it was stopped and asked again with keys: it brought many more rows than estimated")
    lines += [f"  not sent: {kept.what}: {kept.reason}" for kept in fetch.unsent]
    lines += [f"  not pushed: {kept.what}: {kept.reason}" for kept in fetch.kept]
    return lines


def _rows(number: int) -> str:
    return f"{number:,} row{'s' * (number != 1)}"


def _names(*names: str) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _sent(sent: KeysSent) -> str:
    """What became of a filter's keys."""
    what = f"key{'s' * (sent.count != 1)} of {sent.from_fetch} for {sent.column}"
    match sent.carrier:
        case "range":
            return f"a range, for there are too many {what}"
        case "none" if sent.count:
            return f"no {what}, for there are too many, or one cannot be said there"
        case "none":
            return f"nothing, for there are no {what}"
    return f"{sent.count:,} {what} ({sent.carrier}, {readable(sent.bytes)})"


def mimebundle(plan: Plan) -> dict[str, str]:
    """Text and HTML for notebooks."""
    text = explain(plan)
    return {
        "text/plain": text,
        "text/html": f'<pre style="line-height:1.4;margin:4px 10px;padding:0;font-size:12px">{html.escape(text)}</pre>',
    }
