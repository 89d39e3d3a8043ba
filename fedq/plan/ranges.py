"""Large tables in ranges of their pages, which their database may read side by side.

    orders, 13,300 pages           ctid < '(6671,0)'        ctid >= '(6671,0)'
    … counted by o_custkey         each range has counts of its own; where they arrive their sum is made, by o_custkey

PostgreSQL alone has pages that a statement can name and snapshots that sessions can share. Where the cuts are decides
nothing but the time: the first range has no lower end and the last no upper one. Whether the server would scan at all,
it is asked when the statement is read (fetch/postgres/parts.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fedq.bind.bound import BoundQuery
from fedq.catalog.schema import TableSchema
from fedq.catalog.statistics import Link
from fedq.plan.estimate import UNKNOWN_LINK, pull_seconds
from fedq.plan.nodes import Fetch, Plan
from fedq.sql import exp, first

#: how many
_RANGES = 2
#: seconds in which a server reads a page and looks at its rows, and in which it adds a row to its group
_PAGE, _GROUPED = 5e-6, 3e-7
#: questions before the first row comes: is it a scan, the snapshot, who else takes it, and its locks
_QUESTIONS = 7
#: seconds that are not worth anybody's while
_LEAST = 0.02
#: one table, with an alias or without
_ONE_TABLE = re.compile(r'FROM (?:"(?:[^"]|"")+"\.)?"(?:[^"]|"")+"(?: AS "(?:[^"]|"")+")?')
#: what makes one value of the values that an aggregate has in the parts
_MERGED: Mapping[type[exp.Expr], str] = {
    exp.Count: "sum", exp.CountIf: "sum", exp.Sum: "sum", exp.Min: "min", exp.Max: "max",
    exp.LogicalAnd: "bool_and", exp.LogicalOr: "bool_or",
}  # fmt: skip
#: types of which equal values are the same value
_KEYS = frozenset({"integer", "decimal", "text", "date", "timestamp", "boolean", "uuid"})
_MORE = ("having", "qualify", "distinct", "order", "limit", "offset", "sample", "windows", "joins", "laterals")


@dataclass(frozen=True, slots=True)
class Scan:
    """What a statement reads that can be cut."""

    table: TableSchema
    merge: Mapping[str, str] = field(default_factory=dict)
    """What makes groups of the whole of those of parts, as of `merging`."""
    met: float = 0.0
    """Of how many rows, about, the groups are made."""


def merging(node: exp.Expr, fetch: Fetch) -> Mapping[str, str] | None:
    """How groups of parts become groups of the whole, per output of a block and its statement; empty where it does not
    group, None where that cannot be.

    >>> from fedq.sql import parse
    >>> from fedq.plan.nodes import Output
    >>> from fedq.types import BIGINT
    >>> outputs = Output('"k"', "k", BIGINT), Output("count(*)", "n", BIGINT)
    >>> fetch = Fetch("t@1", "shop", "postgres", ("t",), outputs, 'FROM "t"', suffix='GROUP BY "k"')
    >>> merging(parse("select k, count(*) n from t group by k")[0], fetch)
    {'k': '', 'n': 'sum'}
    """
    outputs = fetch.outputs
    if not isinstance(node, exp.Select) or any(node.args.get(key) for key in _MORE):
        return None
    if len(node.expressions) != len(outputs):
        return None
    group = node.args.get("group")
    if group is None and first(node, exp.AggFunc) is None:
        return None if first(node, exp.Window) else {}
    if group is not None and any(value for key, value in group.args.items() if key != "expressions"):
        return None
    hows = [_merged(item.unalias()) for item in node.expressions]
    keys = {number for number, how in enumerate(hows) if how == ""}
    if None in hows or any(outputs[number].type.family not in _KEYS for number in keys):
        return None
    grouped = [_position(key, node) for key in (group.expressions if group is not None else ())]
    if None in grouped or keys != set(grouped):
        return None
    by = ", ".join(dict.fromkeys(outputs[number].sql for number in grouped if number is not None))
    if fetch.suffix != (f"GROUP BY {by}" if by else ""):
        return None  # it groups by something else than what it shows
    return {output.name: how or "" for output, how in zip(outputs, hows, strict=True)}


def _merged(node: exp.Expr) -> str | None:
    """The aggregate over an output's values in the parts; empty for a key, None where there is none."""
    found = node.this if isinstance(node, exp.Filter) else node
    if type(found) in _MERGED and not (
        isinstance(found.this, exp.Distinct) and not isinstance(found, exp.Min | exp.Max)
    ):
        return _MERGED[type(found)]
    return "" if first(node, exp.AggFunc, exp.Window, exp.Query) is None else None


def _position(key: exp.Expr, select: exp.Select) -> int | None:
    """Which output a block is grouped by."""
    outputs = select.expressions
    if isinstance(key, exp.Literal):
        return int(key.this) - 1 if key.this.isdigit() else None
    found = [number for number, item in enumerate(outputs) if item.unalias() == key]
    if not found and isinstance(key, exp.Column) and not key.table:
        found = [number for number, item in enumerate(outputs) if item.alias.lower() == key.name.lower()]
    return found[0] if found else None


def in_ranges(fetch: Fetch, scan: Scan, link: Link | None) -> Fetch:
    """The fetch, in ranges where that makes it sooner done; `link` is how far away its database is."""
    table, merge = scan.table, scan.merge
    if table.pages is None or not _ONE_TABLE.fullmatch(fetch.source) or fetch.native is not None or fetch.is_distinct:
        return fetch
    if any(key.column.physical in table.indexed for key in fetch.keys):
        return fetch  # an index finds their rows
    given = {output.name for output in fetch.outputs}
    if not {name for name, how in merge.items() if not how} <= given:
        return fetch  # groups that differ in what nobody reads would become one
    if any(fetch.collations) or (fetch.suffix and not merge):
        return fetch
    if not _is_worth(fetch, scan, link or UNKNOWN_LINK):
        return fetch
    hows = tuple(merge[output.name] for output in fetch.outputs) if merge else ()
    return replace(fetch, parts=_cuts(table.pages), merge=hows)


def whole_in_ranges(plan: Plan, query: BoundQuery, links: Mapping[str, Link | None]) -> Plan:
    """A plan whose one fetch is the answer, in ranges where it brings the rows of one table; they keep their order."""
    (fetch,) = plan.fetches
    if len(query.occurrences) != 1 or merging(query.tree, fetch) != {}:
        return plan
    table = query.occurrences[0].table
    cut = in_ranges(fetch, Scan(table.schema), links.get(table.database))
    return replace(plan, fetches=(replace(cut, keeps_order=True),))


def _is_worth(fetch: Fetch, scan: Scan, link: Link) -> bool:
    """Whether the time of the server that is saved is more than questions and further groups cost."""
    width = sum(output.type.width for output in fetch.outputs)
    work = (scan.table.pages or 0.0) * _PAGE + (scan.met * _GROUPED if scan.merge else 0.0)
    more = pull_seconds(link, (_RANGES - 1) * (fetch.rows or 0.0), width) if scan.merge else 0.0
    return work * (1 - 1 / _RANGES) > _LEAST + _QUESTIONS * link.round_trip + more


def _cuts(pages: float) -> tuple[str, ...]:
    """Conditions that every row meets one of.

    >>> _cuts(1000)
    ("ctid < '(500,0)'", "ctid >= '(500,0)'")
    """
    starts = [round(pages * number / _RANGES) for number in range(1, _RANGES)]
    at_least = ["", *(f"ctid >= '({start},0)'" for start in starts)]
    below = [*(f"ctid < '({start},0)'" for start in starts), ""]
    return tuple(" AND ".join(part for part in pair if part) for pair in zip(at_least, below, strict=True))
