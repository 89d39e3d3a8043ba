"""Islands put into their block: each becomes a derived table, and what the block read of its tables it reads of that.

from a, b, c where a.x = b.x and b.y = c.y        a and b in one database
from (select b.y from a cross join b where a.x = b.x) as q1 cross join c where q1.y = c.y
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fedq.bind.scope import Occurrence, Scopes
from fedq.catalog.schema import Column
from fedq.plan.reach import flatten
from fedq.plan.rewrite.joins import Core, alias_of, conjunction, put_together
from fedq.plan.rewrite.partial import Partial, is_null_of_nulls, own_nodes
from fedq.plan.rewrite.tree import Draft, column, identifier, rebound
from fedq.sql import copied, every, exp, first, nodes

#: in a block's meta: it has been looked at; it was made here
SEEN, MADE = "fedq_seen", "fedq_made"


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
        return frozenset(map(alias_of, self.members))


@dataclass(frozen=True, slots=True)
class _Reference:
    """A column of an island's table, where the block or a subquery of it names it."""

    node: exp.Column
    alias: str
    column: Column


def replace_islands(
    draft: Draft,
    select: exp.Select,
    core: Core,
    formed: Sequence[Island],
    grouped: Island | None,
    split: Sequence[exp.Expr],
) -> Draft:
    """The draft with these islands in place of their tables; `grouped` is the one that gives the aggregates in `split`.

    Changes the draft's tree. Raises: Unfit.
    """
    held = {id(condition) for island in formed for condition in island.held}
    references = {id(island): list(_references(draft.query.scopes, select, island, held)) for island in formed}
    sources = {id(node): node for node in core.inner}
    for island in formed:
        alias = _free_alias(draft.tree)
        is_alone = not core.left and len(core.inner) == len(island.members)
        made = _Made(select, island, alias, references[id(island)])
        derived = made.grouped(split, is_alone=is_alone) if island is grouped else made.joined()
        source = exp.Subquery(this=derived, alias=exp.TableAlias(this=identifier(alias)))
        if island.left is not None:
            remaining = [part for part in flatten(island.left.args["on"]) if id(part) not in held]
            island.left.set("this", source)
            island.left.set("on", conjunction(remaining))
        else:
            sources[id(island.members[0])] = source
            for node in island.members[1:]:
                del sources[id(node)]
    rest = [condition for condition in core.conditions if id(condition) not in held]
    put_together(select, [sources[id(node)] for node in core.inner if id(node) in sources], core.left, rest)
    return rebound(draft, draft.tree)


def _free_alias(tree: exp.Expr) -> str:
    names = {node.name.lower() for node in every(tree, exp.Identifier)}
    return next(name for number in range(1, len(names) + 2) if (name := f"q{number}") not in names)


def _references(scopes: Scopes, select: exp.Select, island: Island, held: set[int]) -> Iterator[_Reference]:
    """Every place that names a column of the island's tables, outside what islands hold.

    Raises: Unfit where a name could mean one of them or something else.
    """
    tables = {alias_of(node): occurrence for node in island.members if (occurrence := _read_by(scopes, node))}
    names = {found.name.lower() for occurrence in tables.values() for found in occurrence.table.columns}
    by_id = {occurrence.id: alias for alias, occurrence in tables.items()}
    shown = {projection.alias_or_name.lower() for projection in select.expressions}
    in_order = {id(node) for node in _order_columns(select)}
    for node in nodes(select, without=lambda node: id(node) in held):
        if not isinstance(node, exp.Column) or id(node) in held:
            continue
        if id(node) in in_order and not node.table and node.name.lower() in shown:
            continue  # ORDER BY means the output
        found = scopes.resolve(node)
        if found is None:
            qualifier = node.parts[0].name.lower()
            if qualifier in tables or (not node.table and node.name.lower() in names):
                raise Unfit
        elif found[0].id in by_id:
            yield _Reference(node, by_id[found[0].id], found[1])


def _read_by(scopes: Scopes, node: exp.Expr) -> Occurrence | None:
    return next((occurrence for occurrence in scopes.occurrences if occurrence.node is node), None)


def _order_columns(select: exp.Select) -> list[exp.Column]:
    order = select.args.get("order")
    return every(order, exp.Column) if order is not None else []


@dataclass(slots=True)
class _Made:
    """The derived table of one island, while it is made."""

    select: exp.Select
    island: Island
    alias: str
    references: list[_Reference]
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)
    """(alias, column) → the output's name."""

    def joined(self) -> exp.Select:
        """The rows of the island's join."""
        self._refer(self.references)
        return self._derived(self._columns() or [exp.Alias(this=exp.Literal.number(1), alias=identifier("one"))], None)

    def grouped(self, split: Sequence[exp.Expr], *, is_alone: bool) -> exp.Select:
        """The island's aggregates, by all else that the query looks at. Raises: Unfit."""
        partial = Partial(self.alias, is_nullable=self.island.left is not None)
        inside = {id(node) for aggregate in split for node in every(aggregate, exp.Column)}
        for aggregate in split:
            aggregate.replace(partial.merged(aggregate))
        self.references = [reference for reference in self.references if id(reference.node) not in inside]
        computed = self._computed_keys()
        self._refer(self.references)
        keys = [*self._columns(), *(exp.Alias(this=key, alias=identifier(name)) for key, name in computed)]
        if not keys and (not is_alone or self.select.args.get("group") is not None):
            raise Unfit  # one row where there may have been none
        if self._is_unique():
            raise Unfit  # every group would be one row
        return self._derived([*keys, *partial.outputs()], [copied(key.this) for key in keys])

    def _computed_keys(self) -> list[tuple[exp.Expr, str]]:
        """Expressions of the island alone that the block groups by: grouped by them there, it gives fewer rows."""
        found: list[tuple[exp.Expr, str]] = []
        for key in self._group_items():
            own = {id(reference.node) for reference in self.references}
            columns = every(key, exp.Column)
            is_computed = not isinstance(key, (exp.Column, exp.Literal)) and columns
            if not is_computed or not all(id(node) in own for node in columns) or first(key, exp.Query):
                continue
            if self.island.left is not None and not is_null_of_nulls(key):
                continue  # of a row that lacks the island it is not NULL
            name, original = f"k{len(found) + 1}", copied(key)
            for node in [node for node in own_nodes(self.select) if node == original]:
                inside = {id(one) for one in every(node, exp.Column)}
                self.references = [one for one in self.references if id(one.node) not in inside]
                if isinstance(node.parent, exp.Select):
                    raise Unfit  # an output without a name would get another
                node.replace(column(self.alias, name))
            found.append((original, name))
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
        """Let these places name the island's outputs."""
        for reference in references:
            node = reference.node
            new: exp.Expr = column(self.alias, self._output(reference))
            if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
                new = exp.Alias(this=new, alias=identifier(node.name))
            node.replace(new)

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
        made.meta[SEEN] = made.meta[MADE] = True
        return made


def has_star(select: exp.Select) -> bool:
    """Whether a block gives columns that it does not name."""
    return any(first(projection, exp.Star) and not first(projection, exp.Count) for projection in select.expressions)
