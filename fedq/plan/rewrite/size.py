"""How many rows a block has, and how many its database reads for it: estimates, on which no answer depends.

lineitem ⋈ orders, one year, by supplier      reads 3.7 million rows, joins 450,000, gives 5,000 groups
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from math import prod

from fedq.bind.scope import Block, Occurrence
from fedq.catalog.schema import Column
from fedq.plan.estimate import Estimate, distinct, filtered, group_rows, table_rows
from fedq.plan.reach import flatten
from fedq.plan.rewrite.joins import core_of
from fedq.plan.rewrite.tree import Draft, Part
from fedq.sql import every, exp, first, nodes, shown_as

#: what part of the groups a HAVING is taken to keep: it asks for outliers
_HAVING = 0.05
#: what part of the rows a subquery is taken to keep
_SUBQUERY, _GROUPED_SUBQUERY = 0.5, 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """The estimates of one block."""

    rows: Estimate
    work: float
    met: float
    """Rows that pass its conditions, of which its groups are made."""
    distincts: dict[str, float | None]

    def distinct_of(self, name: str) -> float | None:
        """Different values of an output, None where it is unknown."""
        return self.distincts.get(name.lower())


Pair = tuple[tuple[Occurrence, Column], tuple[Occurrence, Column]]


def size_of(draft: Draft, part: Part) -> Size:
    """The size of a block."""
    node, read = part.node, part.read(draft.query)
    work = sum(table_rows(occurrence.table) for occurrence in read)
    if not isinstance(node, exp.Select):
        return Size(Estimate(work, is_known=False), work, work, {})
    core = core_of(node)
    own = [occurrence for occurrence in read if occurrence.node.find_ancestor(exp.Select) is node]
    where = node.args.get("where")
    conditions = core.conditions if core is not None else tuple(flatten(where.this)) if where is not None else ()
    rows = joined(draft, own, conditions).together
    distincts = {shown_as(output): _distinct(draft, output.unalias(), rows.rows) for output in node.expressions}
    return Size(_after_grouping(draft, node, rows), work, rows.rows, distincts)


def _distinct(draft: Draft, node: exp.Expr, rows: float) -> float | None:
    found = draft.query.scopes.resolve(node) if isinstance(node, exp.Column) else None
    known = distinct(found[0].table, found[1]) if found is not None else None
    return None if known is None else min(known, max(1.0, rows))


def _after_grouping(draft: Draft, select: exp.Select, whole: Estimate) -> Estimate:
    group, rows = select.args.get("group"), whole.rows
    if group is not None:
        rows = group_rows(rows, [_distinct(draft, key, rows) for key in _group_keys(draft, select, group)])
    elif any(first(output, exp.AggFunc) for output in select.expressions):
        rows = 1.0
    if select.args.get("having") is not None:
        rows *= _HAVING
    limit = select.args.get("limit")
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.this.isdigit():
        rows = min(rows, float(limit.expression.this))
    return Estimate(max(1.0, rows) if whole.rows else 0.0, whole.is_known)


def _group_keys(draft: Draft, select: exp.Select, group: exp.Group) -> Iterator[exp.Expr]:
    """What a block groups by, positions and names of outputs followed to their expressions."""
    outputs = select.expressions
    named = {output.alias.lower(): output.unalias() for output in outputs if output.alias}
    for key in group.expressions:
        if isinstance(key, exp.Literal) and key.this.isdigit() and 1 <= int(key.this) <= len(outputs):
            yield outputs[int(key.this) - 1].unalias()
        elif isinstance(key, exp.Column) and not key.table and draft.query.scopes.resolve(key) is None:
            yield named.get(key.name.lower(), key)
        else:
            yield key


@dataclass(frozen=True, slots=True)
class Joined:
    """The inner join of tables under conditions."""

    alone: Sequence[Estimate]
    """Rows of each table by itself."""
    together: Estimate
    shares: Sequence[float | None]
    """Of each pair of tables, the share of their pairs of rows that is joined; None where nothing is known of it."""


def joined(draft: Draft, tables: Sequence[Occurrence], conditions: Sequence[exp.Expr]) -> Joined:
    """How many rows the inner join of tables of one block has under these conditions, and each table by itself."""
    scopes, params = draft.query.scopes, dict(draft.query.params)
    block = scopes.block_of(tables[0].node) if tables else None
    spoken = [(one, _only(draft, one, block)) for one in conditions]
    nested = [_of_nested(one) for one, ids in spoken if ids is None]
    resolve = partial(scopes.table_of, block=block)
    alone = [
        filtered(occurrence.table, [one for one, ids in spoken if ids == {occurrence.id}], resolve, params)
        for occurrence in tables
    ]
    shares = [join_share(one, other, pairs_of(draft, one, other, conditions)) for one, other in combinations(tables, 2)]
    is_known = all(estimate.is_known for estimate in alone) and None not in shares
    rows = prod((estimate.rows for estimate in alone), start=1.0)
    rows = prod((share or 1.0 for share in shares), start=rows)
    together = Estimate(prod(nested, start=rows), is_known and not nested)
    return Joined([replace(one, rows=prod(nested, start=one.rows)) for one in alone], together, shares)


def _only(draft: Draft, condition: exp.Expr, block: Block | None) -> set[str] | None:
    """What a condition speaks of; None where it holds a subquery."""
    scopes, parts = draft.query.scopes, nodes(condition)
    if any(isinstance(node, exp.Query) for node in parts):
        return None
    columns = [node for node in parts if isinstance(node, exp.Column)]
    found = [scopes.resolve(column, scopes.block_of(column) or block) for column in columns]
    return {"?" if one is None else one[0].id for one in found}


def _of_nested(condition: exp.Expr) -> float:
    """The share of rows that a condition with a subquery is taken to keep."""
    is_grouped = any(query.args.get("group") for query in every(condition, exp.Select))
    return _GROUPED_SUBQUERY if is_grouped else _SUBQUERY


def pairs_of(draft: Draft, one: Occurrence, other: Occurrence, conditions: Iterable[exp.Expr]) -> list[Pair]:
    """The columns of two tables that equalities put side by side."""
    found: list[Pair] = []
    for condition in conditions:
        if not isinstance(condition, exp.EQ):
            continue
        sides = [
            draft.query.scopes.resolve(side) if isinstance(side, exp.Column) else None
            for side in condition.args.values()
        ]
        if len(sides) == 2 and sides[0] is not None and sides[1] is not None:
            by_id = {side[0].id: side for side in sides if side is not None}
            if set(by_id) == {one.id, other.id}:
                found.append((by_id[one.id], by_id[other.id]))
    return found


def join_share(one: Occurrence, other: Occurrence, pairs: Sequence[Pair]) -> float | None:
    """The share of all pairs of rows that equalities let through; None where nothing is known of their columns.

    A key of one side finds each of its rows for one value; otherwise the values are taken to be independent.
    """
    if not pairs:
        return None
    for occurrence, columns in ((one, [pair[0][1] for pair in pairs]), (other, [pair[1][1] for pair in pairs])):
        key = occurrence.table.schema.key
        if key and set(key) <= {column.physical for column in columns}:
            return 1.0 / max(1.0, table_rows(occurrence.table))
    share = 1.0
    for (left, left_column), (right, right_column) in pairs:
        counts = [distinct(left.table, left_column), distinct(right.table, right_column)]
        known = [count for count in counts if count is not None]
        if not known:
            return None
        share /= max(1.0, *known)
    return share
