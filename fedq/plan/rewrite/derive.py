"""Islands put into their block: each becomes a derived table, and what the block read of its tables it reads of that.

from a, b, c where a.x = b.x and b.y = c.y        a and b in one database
from (select b.y from a cross join b where a.x = b.x) as q1 cross join c where q1.y = c.y
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from fedq.bind.scope import Scopes
from fedq.catalog.schema import Column
from fedq.plan.reach import flatten
from fedq.plan.rewrite.joins import Core, conjunction, put_together
from fedq.plan.rewrite.partial import Partial, is_null_of_nulls, own_nodes
from fedq.plan.rewrite.tree import Draft, column, identifier
from fedq.sql import copied, every, exp, first, named, nodes, shown_as

#: in a block's meta: it has been looked at
SEEN = "fedq_seen"


class Unfit(Exception):
    """The block stays as it is."""


@dataclass(slots=True)
class Island:
    """Sources of one database that become one."""

    database: str
    members: list[exp.Expr]
    """Nodes of its tables, in the order of the FROM."""
    held: list[exp.Expr] = field(default_factory=list)
    """Conditions that are exact in its database and speak of nothing else."""
    left: exp.Join | None = None
    """The left join whose right side it is."""
    keys: dict[str, frozenset[str]] = field(default_factory=dict)
    """The primary key of each table that has one, by alias: logical names, lower case."""

    @property
    def aliases(self) -> frozenset[str]:
        """The names of its tables in the block."""
        return frozenset(map(shown_as, self.members))


@dataclass(frozen=True, slots=True)
class _Reference:
    """A column of an island's table, where the block or a subquery of it names it."""

    node: exp.Column
    alias: str
    column: Column


@dataclass(frozen=True, slots=True)
class Derived:
    """What one island becomes, and what the block says instead of what it said: nothing is changed yet."""

    island: Island
    source: exp.Subquery
    changes: Sequence[tuple[exp.Expr, exp.Expr]]
    """Nodes of the block, each with the one that takes its place."""

    @property
    def query(self) -> exp.Select:
        """The block that its database is asked."""
        made: exp.Select = self.source.this
        return made


def derive(
    draft: Draft,
    select: exp.Select,
    core: Core,
    formed: Sequence[Island],
    grouped: Island | None,
    split: Sequence[exp.Expr],
) -> list[Derived]:
    """What these islands of a block become; `grouped` is the one that gives the aggregates in `split`.

    Raises: Unfit.
    """
    held = {id(condition) for island in formed for condition in island.held}
    references = [list(_references(draft.query.scopes, select, island, held)) for island in formed]
    found = []
    for island, own, alias in zip(formed, references, _free_aliases(draft.query.scopes), strict=False):
        made = _Made(select, island, alias, own)
        is_alone = not core.left and len(core.inner) == len(island.members)
        query = made.grouped(split, is_alone=is_alone) if island is grouped else made.joined()
        source = exp.Subquery(this=query, alias=exp.TableAlias(this=identifier(made.alias)))
        found.append(Derived(island, source, made.changes))
    return found


def put_in_place(draft: Draft, select: exp.Select, core: Core, found: Sequence[Derived]) -> Draft:
    """The draft with derived tables in place of the islands. Changes the draft's tree."""
    held = {id(condition) for made in found for condition in made.island.held}
    sources = {id(node): node for node in core.inner}
    for made in found:
        for old, new in made.changes:
            old.replace(new)
        left, members = made.island.left, made.island.members
        if left is not None:
            remaining = [part for part in flatten(left.args["on"]) if id(part) not in held]
            left.set("this", made.source)
            left.set("on", conjunction(remaining))
        else:
            sources[id(members[0])] = made.source
            for node in members[1:]:
                del sources[id(node)]
    rest = [condition for condition in core.conditions if id(condition) not in held]
    put_together(select, [sources[id(node)] for node in core.inner if id(node) in sources], core.left, rest)
    return draft.again()


def _free_aliases(scopes: Scopes) -> Iterator[str]:
    names = {node.name.lower() for node in scopes.every(exp.Identifier)}
    return (name for number in count(1) if (name := f"q{number}") not in names)


def _references(scopes: Scopes, select: exp.Select, island: Island, held: set[int]) -> Iterator[_Reference]:
    """Every place that names a column of the island's tables, outside what islands hold.

    Raises: Unfit where a name could mean one of them or something else.
    """
    tables = {shown_as(node): occurrence for node in island.members if (occurrence := scopes.read_by(node))}
    names = {found.name.lower() for occurrence in tables.values() for found in occurrence.table.columns}
    by_id = {occurrence.id: alias for alias, occurrence in tables.items()}
    shown = set(map(shown_as, select.expressions))
    in_order = {id(node) for node in _order_columns(select)}
    for node in nodes(select, without=lambda node: id(node) in held):
        if not isinstance(node, exp.Column) or id(node) in held:
            continue
        qualifier, name = named(node)
        if id(node) in in_order and not qualifier and name in shown:
            continue  # ORDER BY means the output
        found = scopes.resolve(node)
        if found is None:
            if node.parts[0].name.lower() in tables or (not qualifier and name in names):
                raise Unfit
        elif found[0].id in by_id:
            yield _Reference(node, by_id[found[0].id], found[1])


def _order_columns(select: exp.Select) -> list[exp.Column]:
    order = select.args.get("order")
    return every(order, exp.Column) if order is not None else []


@dataclass(slots=True)
class _Made:
    """The derived table of one island, while it is made; the block it is made for is only read."""

    select: exp.Select
    island: Island
    alias: str
    references: list[_Reference]
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)
    """(alias, column) → the output's name."""
    changes: list[tuple[exp.Expr, exp.Expr]] = field(default_factory=list)
    """What the block will say instead of what it says."""

    def joined(self) -> exp.Select:
        """The rows of the island's join."""
        self._refer(self.references)
        return self._derived(self._columns() or [exp.Alias(this=exp.Literal.number(1), alias=identifier("one"))], None)

    def grouped(self, split: Sequence[exp.Expr], *, is_alone: bool) -> exp.Select:
        """The island's aggregates, by all else that the query looks at. Raises: Unfit."""
        partial = Partial(self.alias, is_nullable=self.island.left is not None)
        inside = {id(node) for aggregate in split for node in nodes(aggregate)}
        self.changes += [(aggregate, partial.merged(aggregate)) for aggregate in split]
        self.references = [reference for reference in self.references if id(reference.node) not in inside]
        computed = self._computed_keys(inside)
        self._refer(self.references)
        keys = [*self._columns(), *(exp.Alias(this=key, alias=identifier(name)) for key, name in computed)]
        if not keys and (not is_alone or self.select.args.get("group") is not None):
            raise Unfit  # one row where there may have been none
        if self._is_unique():
            raise Unfit  # every group would be one row
        return self._derived([*keys, *partial.outputs()], [copied(key.this) for key in keys])

    def _computed_keys(self, given: set[int]) -> list[tuple[exp.Expr, str]]:
        """Expressions of the island alone that the block groups by: grouped by them there, it gives fewer rows.

        `given` are the ids of nodes in aggregates that it gives.
        """
        found: list[tuple[exp.Expr, str]] = []
        for key in self._group_items():
            own = {id(reference.node) for reference in self.references}
            columns = every(key, exp.Column)
            is_computed = not isinstance(key, (exp.Column, exp.Literal)) and columns
            if not is_computed or not all(id(node) in own for node in columns) or first(key, exp.Query):
                continue
            if self.island.left is not None and not is_null_of_nulls(key):
                continue  # of a row that lacks the island it is not NULL
            name = f"k{len(found) + 1}"
            for node in [node for node in own_nodes(self.select) if node == key and id(node) not in given]:
                inside = {id(one) for one in every(node, exp.Column)}
                self.references = [one for one in self.references if id(one.node) not in inside]
                if isinstance(node.parent, exp.Select):
                    raise Unfit  # an output without a name would get another
                self.changes.append((node, column(self.alias, name)))
            found.append((copied(key), name))
        return found

    def _group_items(self) -> Iterator[exp.Expr]:
        """What the block groups by, positions and names of outputs followed to their expressions."""
        group = self.select.args.get("group")
        outputs = self.select.expressions
        named = {output.alias.lower(): output.unalias() for output in outputs if output.alias}
        known = {id(reference.node) for reference in self.references}
        for item in list(group.expressions) if group is not None else []:
            if isinstance(item, exp.Literal) and item.this.isdigit() and 1 <= int(item.this) <= len(outputs):
                yield outputs[int(item.this) - 1].unalias()
            elif isinstance(item, exp.Column) and id(item) not in known and not item.table:
                yield named.get(item.name.lower(), item)
            else:
                yield item

    def _refer(self, references: Sequence[_Reference]) -> None:
        """These places will name the island's outputs."""
        for reference in references:
            node = reference.node
            new: exp.Expr = column(self.alias, self._output(reference))
            if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
                new = exp.Alias(this=new, alias=identifier(node.name))
            self.changes.append((node, new))

    def _output(self, reference: _Reference) -> str:
        key = reference.alias, reference.column.name
        if key not in self.outputs:
            taken = {name.lower() for name in self.outputs.values()}
            name = reference.column.name
            while name.lower() in taken:
                name = f"{reference.alias}_{name}"
            self.outputs[key] = name
        return self.outputs[key]

    def _columns(self) -> list[exp.Expr]:
        return [
            exp.Alias(this=column(alias, name), alias=identifier(output))
            for (alias, name), output in self.outputs.items()
        ]

    def _is_unique(self) -> bool:
        """Whether the outputs hold a key of every table."""
        keys = self.island.keys
        given = {alias: {name.lower() for of, name in self.outputs if of == alias} for alias in self.island.aliases}
        return all(keys.get(alias) and keys[alias] <= given[alias] for alias in self.island.aliases)

    def _derived(self, outputs: Sequence[exp.Expr], keys: Sequence[exp.Expr] | None) -> exp.Select:
        made = exp.Select(expressions=list(outputs))
        members = [copied(node) for node in self.island.members]
        put_together(made, members, [], [copied(one) for one in dict.fromkeys(self.island.held)])
        if keys:
            made.set("group", exp.Group(expressions=list(keys)))
        made.meta[SEEN] = True
        return made


def has_star(select: exp.Select) -> bool:
    """Whether a block gives columns that it does not name."""
    return any(first(projection, exp.Star) and not first(projection, exp.Count) for projection in select.expressions)
