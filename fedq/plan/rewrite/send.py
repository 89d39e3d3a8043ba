"""Whole blocks as sources: a block whose tables are all in one database is answered there, as one statement.

    select … from a, (select k, sum(v) s from b group by k) t where …        b in shop
    select … from a, "b@3" t where …         with  b@3 = SELECT k, sum(v) … GROUP BY k  from shop

Blocks and not tables are the unit, the largest first: what is inside a block that was sent is not looked at again.
Largest first is also least moved: a block only ever gives what the rest of the query reads of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from fedq.bind.resolve import BoundTable
from fedq.bind.scope import cte_of
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import ColumnStatistics, TableStatistics
from fedq.dialects import dialect_of
from fedq.errors import FedqError
from fedq.plan.block import write_block
from fedq.plan.constants import NotPushed
from fedq.plan.nodes import Fetch, Output
from fedq.plan.ranges import Scan, merging
from fedq.plan.reach import flatten
from fedq.plan.rewrite.facts import LOCAL_KINDS, Facts
from fedq.plan.rewrite.size import size_of
from fedq.plan.rewrite.tree import Draft, Part, column, local_text, marked, number_of, reading
from fedq.sql import every, exp, first, nodes, render
from fedq.types import Comparison


@dataclass(frozen=True, slots=True)
class Sent:
    """A block that one database answers."""

    table: BoundTable
    """Its answer as a table of the rest of the query."""
    fetch: Fetch
    work: float
    """Rows that its database reads for it."""
    scan: Scan | None = None
    """What it reads, where that can be cut."""


def send_blocks(draft: Draft, facts: Facts) -> tuple[Draft, dict[int, Sent]]:
    """The draft with a source in place of every block that can be sent, and the statements by their tables' numbers."""
    sent: dict[int, Sent] = {}
    databases = _databases(draft)
    for node in every(draft.tree, exp.Select, exp.SetOperation):
        is_inside = node is not draft.tree and node.root() is draft.tree  # not in a block that was sent
        found = sendable(draft, node, facts) if is_inside and len(databases[id(node)]) == 1 else None
        if found is not None:
            number = len(draft.tables)
            sent[number] = found
            _put_in_place(node, number, found.table)
            draft = draft.again(more=[found.table])
    return draft, sent


def _databases(draft: Draft) -> dict[int, set[str]]:
    """The databases that are read in each node, by its id; a source in place of a block reads what the block did.

    From the tables upwards: what is in each of 300 selects that are nested by UNION ALL would be looked at 300 times.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for table in marked(nodes(draft.tree)):
        database = draft.tables[number_of(table)].database
        node: exp.Expr | None = table
        while node is not None and database not in found[id(node)]:
            found[id(node)].add(database)
            node = node.parent
    return found


def sendable(draft: Draft, node: exp.Expr, facts: Facts) -> Sent | None:
    """The statement that answers a block, where its database can answer it exactly."""
    part = Part.of(node)
    databases = {draft.tables[number_of(table)].database for table in part.tables}
    if len(databases) != 1 or facts.kinds[next(iter(databases))] in LOCAL_KINDS:
        return None
    names = [one for one in part.nodes if isinstance(one, exp.Table) and one not in part.tables]
    if any(not _is_within(cte_of(name), node) for name in names):
        return None
    key = node, tuple(id(draft.tables[number_of(table)]) for table in part.tables)
    if key not in facts.tried:
        facts.tried[key] = _written(draft, part, databases.pop(), facts)
    found: Sent | None = facts.tried[key]
    return found


def _is_within(cte: exp.CTE | None, node: exp.Expr) -> bool:
    while cte is not None and cte is not node:
        cte = cte.parent  # type: ignore[assignment]
    return cte is node


def _written(draft: Draft, part: Part, database: str, facts: Facts) -> Sent | None:
    """The block in its database's words. A correlated block is none: DuckDB's binder does not know its names."""
    query, node, kind = draft.query, part.node, facts.kinds[database]
    try:
        outputs = facts.describe(local_text(query, node), part.params(query), part.read(query))
        names = {name.lower() for name, _ in outputs}
        if len(names) < len(outputs):
            return None
        fetch = write_block(query, node, dialect_of(kind), kind, outputs)
    except (NotPushed, FedqError):
        return None
    size = size_of(draft, part)
    name = "+".join(dict.fromkeys(fetch.tables))
    is_open = _can_be_limited(node)
    columns = tuple(_column(output, is_open=is_open) for output in fetch.outputs)
    known = {column.name: ColumnStatistics(distinct=size.distinct_of(column.name)) for column in columns}
    statistics = TableStatistics(size.rows.rows, known)
    schema = TableSchema(PhysicalTable(None, name), columns, rows=size.rows.rows, statistics=statistics)
    merge = merging(node, fetch)
    scan = None
    if merge is not None and len(part.tables) == 1:
        scan = Scan(draft.tables[number_of(part.tables[0])].schema, merge, size.met)
    answer = BoundTable(name, database, schema)
    return Sent(answer, replace(fetch, pushed=_words(part, draft)), size.work, scan)


def _words(part: Part, draft: Draft) -> tuple[str, ...]:
    """What the database does, in the user's words."""
    node = part.node
    if not isinstance(node, exp.Select):
        return (render(node),)
    tables = " and ".join(dict.fromkeys(draft.tables[number_of(table)].name for table in part.tables))
    joins = (f"the join of {tables}",) if len(part.tables) > 1 else ()
    where, group, having = (node.args.get(key) for key in ("where", "group", "having"))
    conditions = tuple(render(one) for one in flatten(where.this)) if where is not None else ()
    rest = tuple(render(one).strip() for one in (group, having) if one is not None)
    aggregates = tuple(dict.fromkeys(render(one) for one in part.nodes if isinstance(one, exp.AggFunc)))
    return (*joins, *conditions, *rest, *aggregates)


def _column(output: Output, *, is_open: bool) -> Column:
    """An output as a column: keys may limit it where a condition on it may stand before what the block does."""
    stored = output.column
    if stored is None or not is_open:
        return Column(output.name, output.type, output.name, str(output.type), comparison=Comparison.UNLIKE)
    return replace(stored, name=output.name, physical=output.name)


def _can_be_limited(node: exp.Expr) -> bool:
    """Whether rows of one key may be left out before the block's work: nothing in it counts rows across keys.

    A stored column among the outputs of a grouped block is a key of its groups.
    """
    counting = ("limit", "offset", "qualify", "windows")
    if not isinstance(node, exp.Select) or any(node.args.get(key) for key in counting) or first(node, exp.Window):
        return False
    distinct, group = node.args.get("distinct"), node.args.get("group")
    is_plain = group is None or not any(group.args.get(key) for key in ("grouping_sets", "cube", "rollup"))
    return is_plain and (distinct is None or distinct.args.get("on") is None)


def _put_in_place(node: exp.Expr, number: int, table: BoundTable) -> None:
    """The source where the block stood, with the block's columns."""
    parent = node.parent
    if isinstance(parent, exp.Subquery) and parent.alias and not parent.args["alias"].args.get("columns"):
        new = reading(number, table.name, parent.alias)
        for key in ("joins",):
            new.set(key, parent.args.get(key))
        parent.replace(new)
        return
    source = reading(number, table.name, "sent")
    columns: list[exp.Expr] = [column("sent", found.name) for found in table.columns]
    node.replace(exp.Select(expressions=columns, from_=exp.From(this=source)))
