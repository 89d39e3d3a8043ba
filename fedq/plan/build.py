"""Bound query → plan: one fetch per table that is read, reduced as far as is certain; the text runs over what they
bring.

    select … from customers c join orders o on o.cid = c.id where c.country = 'NL' and o.total / 2 > 10
    customers@1   SELECT id, name … WHERE country = 'NL'
    orders@2      SELECT cid, total …                       keys: cid IN (customers@1.id)
    local         the text itself, over customers@1 and orders@2

Why the text itself and not a tree of operators: whatever DuckDB understands works, with DuckDB's own meaning, also
where the planner understands nothing. The planner only ever takes rows away that the text would have thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from fedq.bind.bound import BoundQuery
from fedq.bind.scope import Block
from fedq.catalog.model import Database
from fedq.catalog.schema import Column
from fedq.plan.block import limit_of
from fedq.plan.constants import NotPushed
from fedq.plan.estimate import filtered
from fedq.plan.nodes import Fetch, Kept, Plan
from fedq.plan.order import in_order
from fedq.plan.pull import Pull
from fedq.plan.ranges import whole_in_ranges
from fedq.plan.reach import Conjunct, conjuncts, edges
from fedq.plan.rewrite import rewrite
from fedq.plan.rewrite.facts import LOCAL_KINDS, Facts
from fedq.plan.rewrite.send import Sent
from fedq.plan.translate import Speaker, translate
from fedq.plan.whole import whole_query
from fedq.sql import copied, every, exp, first, render
from fedq.types import Comparison, Type

#: conditions and their connections
_PLAIN = (exp.Predicate, exp.Connector, exp.Not, exp.Paren)


def build(query: BoundQuery, outputs: Sequence[tuple[str, Type]], facts: Facts) -> Plan:
    """The plan of a bound query; `outputs` as the local engine's binder gave them."""
    kept: tuple[Kept, ...] = ()
    if facts.is_plain:
        return _in_parts(query, outputs, facts, {}, ())
    try:
        if query.occurrences and (whole := whole_query(query, outputs, facts.kinds)) is not None:
            return whole_in_ranges(whole, query, facts.links)
    except NotPushed as reason:
        kept = (Kept("the whole query", str(reason)),)
    rewritten = rewrite(query, outputs, facts) if _may_gain(query, facts) else None
    if rewritten is None:
        return _in_parts(query, outputs, facts, {}, kept)
    plan = _in_parts(rewritten.query, outputs, facts, rewritten.sent, kept)
    return replace(plan, text=query.text, place=None)


def _is_plain(node: exp.Expr) -> bool:
    """Whether a condition compares stored columns with constants and computes nothing of them."""
    computed = [found for found in every(node, exp.Binary, exp.Unary, exp.Func) if not isinstance(found, _PLAIN)]
    return all(first(found, exp.Column) is None for found in computed)


def _may_gain(query: BoundQuery, facts: Facts) -> bool:
    """Whether a part of the query could be more than the rows of one table: an aggregate, a join, or a block inside it,
    of a database that is not in this process."""
    far = [one.table.database for one in query.occurrences if facts.kinds[one.table.database] not in LOCAL_KINDS]
    has_aggregate = bool(query.scopes.every(exp.AggFunc))
    if not far or not query.is_describable or not (has_aggregate or len(query.occurrences) > 1):
        return False
    return has_aggregate or len(query.scopes.blocks) > 1 or len(set(far)) < len(far)


def _in_parts(
    query: BoundQuery,
    outputs: Sequence[tuple[str, Type]],
    facts: Facts,
    sent: Mapping[str, Sent],
    kept: tuple[Kept, ...],
) -> Plan:
    """A fetch per source, and the query over them."""
    pulls = {occ.id: Pull.of(occ, facts.kinds[occ.table.database], sent.get(occ.id)) for occ in query.occurrences}
    found = conjuncts(query.scopes)
    for conjunct in found:
        if not facts.is_plain or _is_plain(conjunct.node):
            _push(conjunct, query, pulls)
    for pull in pulls.values():
        pull.where += [offer.sql for offer in pull.offers]
        resolve = partial(query.scopes.table_of, block=query.scopes.block_of(pull.occurrence.node))
        pull.rows = filtered(pull.occurrence.table, pull.conditions, resolve, dict(query.params)).rows
    ordered = in_order(list(pulls.values()), edges(query.scopes, found), facts.links)
    if len(ordered) == 1:
        _limit(ordered[0], query, found)
    fetches = tuple(pull.fetch(facts.links.get(pull.occurrence.table.database)) for pull in ordered)
    return Plan(query.text, query.params, tuple(outputs), fetches, query.local, kept, query.place)


def native_plan(sql: str, database: Database) -> Plan:
    """The plan of a statement that goes as written to one database, in its own dialect and with its own meaning."""
    fetch = Fetch(
        "native@1", database.name, database.kind, (), (), "", native=sql, pushed=("the statement as written",)
    )
    return Plan(sql, {}, (), (fetch,), None)


def _push(conjunct: Conjunct, query: BoundQuery, pulls: Mapping[str, Pull]) -> None:
    """Offer one condition to the one table it speaks of."""
    spoken = _spoken_of(conjunct, query)
    if len(spoken) != 1 or not spoken <= conjunct.targets:
        return
    pull = pulls[spoken.pop()]
    text = _words(conjunct.node, pull)
    try:
        offer = translate(conjunct.node, _speaker(pull, query, conjunct.block))
    except NotPushed as reason:
        pull.kept.append(Kept(text, str(reason)))
        return
    if pull.id in conjunct.strict_targets and not offer.is_strict:
        pull.kept.append(Kept(text, "an outer join can make its columns NULL, so it is applied after the join"))
        return
    if offer.sql in pull.where:
        return  # the block does it already
    pull.offers.append(offer)
    pull.conditions.append(conjunct.node)
    pull.pushed.append(text)


def _words(node: exp.Expr, pull: Pull) -> str:
    """A condition in the user's words, who gave a block that is sent no name."""
    if pull.sent is None:
        return render(node)
    bare = copied(node)
    for column in every(bare, exp.Column):
        column.set("table", None)
    return render(bare)


def _spoken_of(conjunct: Conjunct, query: BoundQuery) -> set[str]:
    """The occurrences a condition's columns belong to; the empty set when one of them cannot be told."""
    if first(conjunct.node, exp.Select) is not None:
        return set()
    spoken = set()
    for column in every(conjunct.node, exp.Column):
        found = query.scopes.resolve(column, conjunct.block)
        if found is None:
            return set()
        spoken.add(found[0].id)
    return spoken


def _speaker(pull: Pull, query: BoundQuery, block: Block) -> Speaker:
    """How one table's own statement calls the columns of a condition that stands in `block`."""

    def _resolve(node: exp.Column) -> tuple[str, Column] | None:
        found = query.scopes.resolve(node, block)
        if found is None or found[0].id != pull.id or found[1].comparison is Comparison.UNLIKE:
            return None
        return pull.sql_of(found[1]), found[1]

    return Speaker(pull.dialect, _resolve, query.params)


def _limit(pull: Pull, query: BoundQuery, found: Sequence[Conjunct]) -> None:
    """`select f(x) from t where … limit 5` needs five rows, where the database itself decides exactly which rows
    pass."""
    select = query.tree
    if not isinstance(select, exp.Select) or len(query.scopes.blocks) > 1 or select.args.get("limit") is None:
        return
    if any(
        select.args.get(key) is not None
        for key in ("group", "having", "qualify", "distinct", "order", "joins", "laterals", "sample", "windows")
    ):
        return
    if any(
        first(projection, exp.AggFunc, exp.Window, exp.Anonymous, exp.Unnest, exp.Explode)
        for projection in select.expressions
    ):
        return  # one row in may be another number of rows out
    is_exact = len(pull.offers) == len(found) and all(offer.is_exact for offer in pull.offers)
    if select.args["from_"].this is not pull.occurrence.node or not is_exact or pull.sent:
        return
    with suppress(NotPushed):
        rows, skipped = limit_of(select, query.params)
        if rows is not None:
            pull.suffix = pull.dialect.limit(rows + skipped, 0)
            pull.pushed.append(f"LIMIT {rows + skipped}")
