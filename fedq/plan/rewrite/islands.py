"""Tables of one database that are joined become one source, grouped where the query only wants their aggregates.

    select n.name, sum(l.price) from nation n, orders o, lineitem l        orders and lineitem in shop
    where o.id = l.order_id and o.day > '1995-01-01' and o.nation = n.id group by n.name

    select n.name, sum(q3.a1) from nation n cross join
        (select o.nation, sum(l.price) a1 from orders o, lineitem l
         where o.id = l.order_id and o.day > '1995-01-01' group by o.nation) q3
    where q3.nation = n.id group by n.name

Both are the same query to DuckDB: every row of a group meets the same rows of the other tables, for all that they look
at is what the island is grouped by. What the island holds is exact in its database, so it leaves the rest of the query.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from fedq.bind.scope import Block, Occurrence
from fedq.dialects import dialect_of
from fedq.plan.block import speaker_of
from fedq.plan.constants import NotPushed
from fedq.plan.estimate import table_rows
from fedq.plan.implied import implied
from fedq.plan.reach import flatten
from fedq.plan.rewrite.derive import SEEN, Island, Unfit, derive, has_star, put_in_place
from fedq.plan.rewrite.facts import LOCAL_KINDS, Facts
from fedq.plan.rewrite.joins import Core, core_of
from fedq.plan.rewrite.merge import has_clash
from fedq.plan.rewrite.partial import aggregates_of, can_be_split, minds_repetition
from fedq.plan.rewrite.send import sendable
from fedq.plan.rewrite.size import joined
from fedq.plan.rewrite.tree import Draft
from fedq.plan.speaker import Speaker
from fedq.plan.translate import translate
from fedq.plan.values import say
from fedq.sql import every, exp, shown_as

#: a join may have so many times the rows of its tables and still be made where they are
_GROWTH = 1.5


def form_islands(draft: Draft, facts: Facts) -> Draft:
    """The draft with islands in every block that has some, outer blocks first: their islands may hold inner blocks."""
    waiting = _unseen(draft)
    while waiting:
        select = waiting.popleft()
        select.meta[SEEN] = True
        made = _with_islands(draft, draft.query.scopes.blocks[id(select)], facts)
        if made is not draft:  # only then: a walk for every block takes the square of their number
            draft, waiting = made, _unseen(made)
    return draft


def _unseen(draft: Draft) -> deque[exp.Select]:
    return deque(select for select in every(draft.tree, exp.Select) if not select.meta.get(SEEN))


def _with_islands(draft: Draft, block: Block, facts: Facts) -> Draft:
    """The draft with the islands of one block: grouped where that fits, else joined, else as it was."""
    former = _Former(draft, block, facts)
    core = former.core()
    if core is None:
        return draft
    islands = former.islands(core)
    for grouped, split in former.ways(islands):
        formed = [island for island in islands if len(island.members) > 1 or island is grouped]
        for island in formed:
            former.hold(core, island)
        with suppress(Unfit):
            found = derive(draft, block.node, core, formed, grouped, split)
            if found and all(_is_said(draft, made.query, facts) for made in found):
                return put_in_place(draft, block.node, core, found)
    return draft


def _is_said(draft: Draft, query: exp.Select, facts: Facts) -> bool:
    """Whether the database of an island can say it: asked before the block it is made for is changed."""
    return sendable(draft.again(query), query, facts) is not None


class _Former:
    """One block in which islands are looked for; it is only read."""

    def __init__(self, draft: Draft, block: Block, facts: Facts) -> None:
        self.draft, self.block, self.select, self.facts = draft, block, block.node, facts
        self.scopes = draft.query.scopes
        self.speakers: dict[str, Speaker] = {}
        self.alias_by_id = {occurrence.id: alias for alias, occurrence in self.block.tables.items()}
        # by the ids of nodes, which are kept so that no other node gets the same one
        self.owners: dict[int, tuple[exp.Expr, frozenset[str] | None]] = {}
        self.exact: dict[tuple[int, str], tuple[exp.Expr, bool]] = {}

    def core(self) -> Core | None:
        """The parts of the block; None where it has no islands to be looked for."""
        core = core_of(self.select)
        if core is None or self.block.is_opaque or has_star(self.select) or has_clash(self.draft, self.select):
            return None
        if self.select.parent is not None and sendable(self.draft, self.select, self.facts) is not None:
            return None  # the whole block is one statement
        return core

    def ways(self, islands: Sequence[Island]) -> list[tuple[Island | None, Sequence[exp.Expr]]]:
        """The island to be grouped with the aggregates that it splits, where there is one; then none."""
        try:
            grouped = self._grouped(islands)
        except NotPushed:
            grouped = None
        return [(None, ())] if grouped is None else [grouped, (None, ())]

    def islands(self, core: Core) -> list[Island]:
        """Groups of tables of one database that equalities hold together, and single tables."""
        islands = [
            self._island(node, occurrence) for node in core.inner if (occurrence := self._table(node)) is not None
        ]
        for condition in core.conditions:
            aliases = self.owner(condition) if isinstance(condition, exp.EQ) else None
            touched = [island for island in islands if island.aliases & aliases] if aliases is not None else []
            if len(touched) == 2 == len(aliases or ()) and self._is_exact(condition, touched):
                one, other = touched
                if not self._is_worth_joining(condition, core):
                    continue
                order = {id(node): place for place, node in enumerate(core.inner)}
                one.members = sorted((*one.members, *other.members), key=lambda node: order[id(node)])
                one.keys.update(other.keys)
                islands.remove(other)
        return [*islands, *self._nullable(core)]

    def hold(self, core: Core, island: Island) -> None:
        """Give an island the conditions that it can hold; asked only of one that is formed, for it takes long."""
        if island.left is None and not island.held:
            own = [one for one in core.conditions if (owner := self.owner(one)) and owner <= island.aliases]
            island.held += [one for one in own if self._is_exact(one, [island])]
            island.held += self._implied(core, island)

    def _implied(self, core: Core, island: Island) -> Iterator[exp.Expr]:
        """What conditions that speak of other sources too say of the island; they stay where they are as well."""
        ids = {self.block.tables[alias].id for alias in island.aliases}

        def _belongs(reference: exp.Column) -> bool:
            found = self.scopes.resolve(reference, self.block)
            return found is not None and found[0].id in ids

        for condition in core.conditions:
            said = implied(condition, _belongs) if isinstance(condition.unnest(), exp.Or) else None
            if said is not None and said != condition.unnest() and self._is_exact(said, [island]):
                yield said

    def _is_worth_joining(self, condition: exp.Expr, core: Core) -> bool:
        """Whether the two tables that a condition joins are not many more rows together than each by itself."""
        aliases = self.owner(condition) or frozenset()
        one, other = (self.block.tables[alias] for alias in sorted(aliases))
        own = [part for part in core.conditions if (owner := self.owner(part)) is not None and owner <= aliases]
        found = joined(self.draft, [one, other], own)
        return None not in found.shares and found.together.rows <= _GROWTH * sum(table.rows for table in found.alone)

    def _nullable(self, core: Core) -> Iterator[Island]:
        """Single tables on the right of a left join; what its ON says of them alone, they hold."""
        for join in core.left:
            if (occurrence := self._table(join.this)) is None:
                continue
            island = self._island(join.this, occurrence, join)
            parts = list(flatten(join.args["on"]))
            for part in parts:
                if self.owner(part) == island.aliases and self._is_exact(part, [island]):
                    island.held.append(part)
            if len(island.held) < len(parts):
                yield island

    def _table(self, node: exp.Expr) -> Occurrence | None:
        """The base table a source is, of a database that is not in this process."""
        occurrence = self.block.tables.get(shown_as(node))
        if occurrence is None or occurrence.node is not node:
            return None
        return None if self.facts.kinds[occurrence.table.database] in LOCAL_KINDS else occurrence

    def owner(self, node: exp.Expr) -> frozenset[str] | None:
        """The aliases of this block's tables that an expression speaks of; None where it speaks of anything else."""
        if id(node) not in self.owners:
            self.owners[id(node)] = node, self._owner(node)
        return self.owners[id(node)][1]

    def _owner(self, node: exp.Expr) -> frozenset[str] | None:
        aliases = set()
        for reference in every(node, exp.Column):
            found = self.scopes.resolve(reference, self.scopes.block_of(reference) or self.block)
            if found is None:
                return None
            if found[0].id in self.alias_by_id:
                aliases.add(self.alias_by_id[found[0].id])
            elif not _stands_in(found[0].node, node):
                return None
        return frozenset(aliases)

    def _is_exact(self, condition: exp.Expr, islands: Sequence[Island]) -> bool:
        databases = {island.database for island in islands}
        if len(databases) != 1:
            return False
        key = id(condition), databases.pop()
        if key not in self.exact:
            self.exact[key] = condition, self._is_said_exactly(condition, key[1])
        return self.exact[key][1]

    def _is_said_exactly(self, condition: exp.Expr, database: str) -> bool:
        try:
            return translate(condition, self.speaker(database)).is_exact
        except NotPushed:
            return False

    def speaker(self, database: str) -> Speaker:
        """What a database can say of the block's tables that it has."""
        if database not in self.speakers:
            dialect = dialect_of(self.facts.kinds[database])
            own = {one.id for one in self.block.tables.values() if one.table.database == database}
            self.speakers[database] = speaker_of(self.draft.query, self.block, dialect, within=own)
        return self.speakers[database]

    def _grouped(self, islands: Sequence[Island]) -> tuple[Island, list[exp.Expr]] | None:
        """The island that may be grouped, and the aggregates it splits; None where there is nothing to gain."""
        aggregates = aggregates_of(self.select)
        group = self.select.args.get("group")
        if not aggregates or (
            group is not None and any(group.args.get(key) for key in ("grouping_sets", "cube", "rollup", "totals"))
        ):
            return None
        owners = {self.owner(one) for one in aggregates if minds_repetition(one)} - {frozenset()}
        fit = [island for island in islands if all(owner is not None and owner <= island.aliases for owner in owners)]
        if not fit:
            return None
        island = max(fit, key=self._rows)
        say_there = partial(say, speaker=self.speaker(island.database))
        split = []
        for one in aggregates:
            is_own = (self.owner(one) or frozenset()) <= island.aliases and self.owner(one) is not None
            if is_own and can_be_split(one, say_there, is_nullable=island.left is not None):
                split.append(one)
            elif minds_repetition(one):
                return None
        return island, split

    def _rows(self, island: Island) -> float:
        return max(table_rows(self.block.tables[alias].table) for alias in island.aliases)

    def _island(self, node: exp.Expr, occurrence: Occurrence, left: exp.Join | None = None) -> Island:
        schema = occurrence.table.schema
        physical = {column.physical: column.name.lower() for column in schema.columns}
        key = frozenset(physical[name] for name in schema.key if name in physical)
        keys = {shown_as(node): key} if key and len(key) == len(schema.key) else {}
        return Island(occurrence.table.database, [node], left=left, keys=keys)


def _stands_in(node: exp.Expr | None, part: exp.Expr) -> bool:
    while node is not None and node is not part:
        node = node.parent
    return node is part
