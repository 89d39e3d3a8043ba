"""Bound query → plan: one fetch per table that is read, reduced as far as is certain; the text runs over what they
bring.

    select … from customers c join orders o on o.cid = c.id where c.country = 'NL' and o.total / 2 > 10
    customers@1   SELECT id, name … WHERE country = 'NL'
    orders@2      SELECT cid, total …                       keys: cid IN (customers@1.id)
    local         the text itself, over customers@1 and orders@2

Why the text itself and not a tree of operators: whatever DuckDB understands works, with DuckDB's own meaning, also
where the planner
understands nothing. The planner only ever takes rows away that the text would have thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fedq.bind.bound import BoundQuery
from fedq.bind.scope import ORIGIN, Block, Occurrence
from fedq.catalog.model import Database
from fedq.catalog.schema import Column
from fedq.dialects import dialect_of
from fedq.dialects.base import Dialect
from fedq.plan.block import limit_of
from fedq.plan.constants import NotPushed
from fedq.plan.estimate import filtered_rows, table_rows
from fedq.plan.nodes import Fetch, Kept, KeyFilter, Output, Plan
from fedq.plan.reach import Conjunct, Edge, conjuncts, edges
from fedq.plan.rewrite import rewrite
from fedq.plan.rewrite.facts import Facts
from fedq.plan.rewrite.send import Sent
from fedq.plan.translate import Offer, Speaker, translate
from fedq.plan.whole import whole_query
from fedq.sql import exp
from fedq.types import VARCHAR, Comparison, Type

#: keys worth waiting for: more are not shipped
MOST_KEYS = 50_000
#: a table of fewer rows is pulled whole at once rather than wait for keys
SMALL_TABLE = 500


@dataclass(slots=True)
class _Pull:
    """What is gathered for one occurrence before it becomes a fetch."""

    occurrence: Occurrence
    dialect: Dialect
    kind: str
    offers: list[Offer] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    keys: list[KeyFilter] = field(default_factory=list)
    suffix: str = ""
    rows: float = 0.0
    sent: Fetch | None = None
    """The statement, where the occurrence stands for a whole block."""

    def sql_of(self, column: Column) -> str:
        """How the statement calls a column of the occurrence."""
        if self.sent is None:
            return self.dialect.quote(column.physical)
        return next(output.sql for output in self.sent.outputs if output.name == column.name)

    @property
    def id(self) -> str:
        return self.occurrence.id


def build(query: BoundQuery, outputs: Sequence[tuple[str, Type]], facts: Facts) -> Plan:
    """The plan of a bound query; `outputs` as the local engine's binder gave them."""
    kept: tuple[Kept, ...] = ()
    try:
        if query.occurrences and (whole := whole_query(query, outputs, facts.kinds)) is not None:
            return whole
    except NotPushed as reason:
        kept = (Kept("the whole query", str(reason)),)
    rewritten = rewrite(query, outputs, facts) if _may_gain(query) else None
    if rewritten is None:
        return _in_parts(query, outputs, facts, {}, kept)
    plan = _in_parts(rewritten.query, outputs, facts, rewritten.sent, kept)
    return replace(plan, text=query.text, place=None)


def _may_gain(query: BoundQuery) -> bool:
    """Whether a part of the query could be more than the rows of one table."""
    return query.is_describable and (len(query.occurrences) > 1 or query.tree.find(exp.AggFunc) is not None)


def _in_parts(
    query: BoundQuery,
    outputs: Sequence[tuple[str, Type]],
    facts: Facts,
    sent: Mapping[str, Sent],
    kept: tuple[Kept, ...],
) -> Plan:
    """A fetch per source, and the query over them."""
    pulls = {occ.id: _pull(occ, facts.kinds[occ.table.database], sent.get(occ.id)) for occ in query.occurrences}
    found = conjuncts(query.scopes)
    for conjunct in found:
        _push(conjunct, query, pulls)
    for pull in pulls.values():
        pull.where += [offer.sql for offer in pull.offers]
        pull.rows = filtered_rows(pull.occurrence.table, pull.offers)
    ordered = _ship_keys(list(pulls.values()), edges(query.scopes, found))
    if len(ordered) == 1:
        _limit(ordered[0], query, found)
    fetches = tuple(_fetch(pull) for pull in ordered)
    return Plan(query.text, query.params, tuple(outputs), fetches, query.local, kept, query.place)


def native_plan(sql: str, database: Database) -> Plan:
    """The plan of a statement that goes as written to one database, in its own dialect and with its own meaning."""
    fetch = Fetch(
        "native@1", database.name, database.kind, (), (), "", native=sql, pushed=("the statement as written",)
    )
    return Plan(sql, {}, (), (fetch,), None)


def _pull(occurrence: Occurrence, kind: str, sent: Sent | None) -> _Pull:
    pull = _Pull(occurrence, dialect_of(kind), kind)
    if sent is not None:
        pull.sent, pull.where, pull.pushed = sent.fetch, list(sent.fetch.where), list(sent.fetch.pushed)
    return pull


def _push(conjunct: Conjunct, query: BoundQuery, pulls: Mapping[str, _Pull]) -> None:
    """Offer one condition to the one table it speaks of."""
    spoken = _spoken_of(conjunct, query)
    if len(spoken) != 1:
        return
    pull = pulls[next(iter(spoken))]
    text = conjunct.node.sql("duckdb")
    if pull.id not in conjunct.targets:
        return
    try:
        offer = translate(conjunct.node, _speaker(pull, query, conjunct.block))
    except NotPushed as reason:
        pull.kept.append(Kept(text, str(reason)))
        return
    if pull.id in conjunct.strict_targets and not offer.is_strict:
        pull.kept.append(Kept(text, "an outer join can make its columns NULL, so it is applied after the join"))
        return
    pull.offers.append(offer)
    pull.pushed.append(text)


def _spoken_of(conjunct: Conjunct, query: BoundQuery) -> set[str]:
    """The occurrences a condition's columns belong to; the empty set when one of them cannot be told."""
    if conjunct.node.find(exp.Select) is not None:
        return set()
    spoken = set()
    for column in conjunct.node.find_all(exp.Column):
        found = query.scopes.resolve(column, conjunct.block)
        if found is None:
            return set()
        spoken.add(found[0].id)
    return spoken


def _speaker(pull: _Pull, query: BoundQuery, block: Block) -> Speaker:
    """How one table's own statement calls the columns of a condition that stands in `block`."""

    def resolve(node: exp.Column) -> tuple[str, Column] | None:
        found = query.scopes.resolve(node, block)
        if found is None or found[0].id != pull.id or found[1].comparison is Comparison.UNLIKE:
            return None
        return pull.sql_of(found[1]), found[1]

    return Speaker(pull.dialect, resolve, query.params)


def _ship_keys(pulls: Sequence[_Pull], links: Sequence[Edge]) -> list[_Pull]:
    """The pulls in the order in which they start: always the smallest next, whose keys then limit those still waiting.

    A pull that was limited is smaller, so it may come next and limit others: keys go through the whole join graph.
    """
    waiting, ordered = list(pulls), list[_Pull]()
    while waiting:
        giver = min(waiting, key=lambda pull: pull.rows)
        waiting.remove(giver)
        ordered.append(giver)
        for taker in waiting:
            own = [link for link in links if (link.from_occurrence.id, link.to_occurrence.id) == (giver.id, taker.id)]
            if own and taker.rows >= SMALL_TABLE:
                _limit_by(giver, taker, own)
    return ordered


def _limit_by(giver: _Pull, taker: _Pull, links: Sequence[Edge]) -> None:
    """Let the values that one pull brings limit another."""
    if giver.rows > MOST_KEYS or giver.rows * 2 > taker.rows:
        for link in links:
            _join_in_place(giver, taker, link)
        return
    for link in links:
        sql = taker.sql_of(link.to_column)
        taker.keys.append(KeyFilter(sql, link.to_column, giver.id, link.from_column.name))
    share = max(giver.rows / max(1.0, table_rows(giver.occurrence.table)), 0.001)
    taker.rows = max(1.0, taker.rows * min(0.5, share))


def _join_in_place(giver: _Pull, taker: _Pull, link: Edge) -> None:
    """Two tables of one database: the larger is limited by the other's condition inside that database."""
    is_same = giver.occurrence.table.database == taker.occurrence.table.database
    if not is_same or not giver.where or not link.from_column.physical or giver.sent or taker.sent:
        return
    one, other = link.from_column, link.to_column
    if one.comparison is not other.comparison or one.collation != other.collation:
        return  # by another rule on each side, and texts of two collations are an error
    physical = giver.occurrence.table.schema.table
    column, key = taker.dialect.quote(link.to_column.physical), taker.dialect.quote(link.from_column.physical)
    source = taker.dialect.table(physical.schema, physical.name)
    where = " AND ".join(giver.where)
    taker.where.append(f"{column} IN (SELECT {key} FROM {source} WHERE {where})")
    taker.pushed.append(
        f"{link.to_column.name} among {giver.occurrence.alias}.{link.from_column.name} of the rows above"
    )
    taker.rows = max(1.0, taker.rows * 0.3)


def _limit(pull: _Pull, query: BoundQuery, found: Sequence[Conjunct]) -> None:
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
        projection.find(exp.AggFunc, exp.Window, exp.Anonymous, exp.Unnest, exp.Explode)
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


def _fetch(pull: _Pull) -> Fetch:
    occurrence, dialect = pull.occurrence, pull.dialect
    if pull.sent is not None:
        return _sent_fetch(pull, pull.sent)
    table = occurrence.table
    outputs = [
        Output(dialect.quote(column.physical), column.name, column.type, column) for column in occurrence.columns
    ]
    if occurrence.has_origin:
        outputs.append(Output(dialect.literal(table.database), ORIGIN, VARCHAR))
    physical = table.schema.table
    return Fetch(
        id=occurrence.id,
        database=table.database,
        kind=pull.kind,
        tables=(table.name,),
        outputs=tuple(outputs),
        source=f"FROM {dialect.table(physical.schema, physical.name)}",
        where=tuple(dict.fromkeys(pull.where)),
        keys=tuple(pull.keys),
        suffix=pull.suffix,
        collations=tuple(local_collation(output.column) for output in outputs),
        rows=pull.rows if table.schema.rows is not None else None,
        pushed=tuple(dict.fromkeys(pull.pushed)),
        kept=tuple(dict.fromkeys(pull.kept)),
    )


def _sent_fetch(pull: _Pull, fetch: Fetch) -> Fetch:
    wanted = {column.name for column in pull.occurrence.columns}
    outputs = (
        tuple(output for output in fetch.outputs if output.name in wanted) if not fetch.is_distinct else fetch.outputs
    )
    return replace(
        fetch,
        id=pull.id,
        outputs=outputs,
        where=tuple(dict.fromkeys(pull.where)),
        keys=tuple(pull.keys),
        collations=tuple(local_collation(output.column) for output in outputs),
        pushed=tuple(dict.fromkeys(pull.pushed)),
        kept=tuple(dict.fromkeys(pull.kept)),
    )


def local_collation(column: Column | None) -> str | None:
    """The collation that the local engine gives a column, where the catalog declares one."""
    return "NOCASE" if column is not None and column.collation == "nocase" else None
