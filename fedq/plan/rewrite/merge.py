"""Derived tables that only choose and compute are merged into the block that reads them.

    select t.y, sum(t.v) from (select year(o.day) y, l.price * 2 v from o, l where …) t group by t.y
    select year(o.day) AS y, sum(l.price * 2) from o, l where … group by year(o.day)

So the joins of the inner block meet those of the outer, and an aggregate sees the columns it is made of. A CTE that is
read once is a derived table by another name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedq.bind.scope import Block, cte_of
from fedq.plan.rewrite.facts import Facts
from fedq.plan.rewrite.joins import Core, core_of, put_together
from fedq.plan.rewrite.tree import Draft, identifier
from fedq.sql import copied, every, exp, first, named, nodes, shown_as

#: what makes a block more than a choice of rows and columns
_MORE = ("with_", "group", "having", "distinct", "order", "limit", "offset", "qualify")


def merge_derived(draft: Draft, facts: Facts) -> Draft:
    """The draft without the derived tables that could be merged, inner ones first."""
    draft = _inline_ctes(draft)
    for select in [block.node for block in reversed(draft.query.scopes.blocks.values())]:
        while select.parent is not None or select is draft.tree:
            found = _mergeable(draft, select)
            if found is None:
                break
            found.merge()
            draft = draft.again()
    return draft


def _inline_ctes(draft: Draft) -> Draft:
    """CTEs that are read once become derived tables where they are read.

    Only those of the query itself, which can name nothing around them, and only where no name means two things.
    """
    if not draft.query.scopes.every(exp.With):
        return draft
    tree = copied(draft.tree)
    ctes = [cte.alias.lower() for cte in every(tree, exp.CTE)]
    read = {occurrence.node.name.lower() for occurrence in draft.query.occurrences}
    if len(set(ctes)) < len(ctes) or read & set(ctes):
        return draft
    for clause in [clause for clause in every(tree, exp.With) if clause.parent is tree]:
        for cte in list(clause.expressions):
            readers = [table for table in every(tree, exp.Table) if cte_of(table) is cte]
            is_plain = not clause.args.get("recursive") and cte.args.get("materialized") is None
            if not is_plain or len(readers) != 1 or cte.args["alias"].args.get("columns"):
                continue
            reader = readers[0]
            alias = exp.TableAlias(this=identifier(str(reader.alias or reader.name)))
            derived = exp.Subquery(this=cte.this, alias=alias, joins=reader.args.get("joins"))
            if not isinstance(cte.this, exp.Select) or cte.this.args.get("with_") is not None:
                continue
            reader.replace(derived)
            cte.pop()
        if not clause.expressions and clause.parent is not None:
            clause.parent.set("with_", None)
    return draft.again(tree)


@dataclass(frozen=True, slots=True)
class _Merge:
    """A derived table and the block it goes into."""

    outer: exp.Select
    core: Core
    source: exp.Subquery
    inner: exp.Select
    inner_core: Core
    meanings: Mapping[str, exp.Expr]
    """What each output of the derived table is."""
    references: Sequence[exp.Column]
    """Where the block names one."""

    def merge(self) -> None:
        """Put the derived table's sources and conditions into the block, and its outputs where they are named."""
        for reference in self.references:
            meaning = copied(self.meanings[reference.name.lower()])
            is_one = isinstance(meaning, (exp.Column, exp.Func, exp.Paren))
            new: exp.Expr = meaning if is_one else exp.Paren(this=meaning)
            if isinstance(reference.parent, exp.Select) and reference.arg_key == "expressions":
                new = exp.Alias(this=meaning, alias=identifier(reference.name))
            reference.replace(new)
        sources: list[exp.Expr] = []
        for node in self.core.inner:
            sources += self.inner_core.inner if node is self.source else [node]
        left = [*self.inner_core.left, *self.core.left]
        put_together(self.outer, sources, left, [*self.inner_core.conditions, *self.core.conditions])


def _mergeable(draft: Draft, outer: exp.Select) -> _Merge | None:
    """The first derived table of a block that can be merged into it."""
    block = draft.query.scopes.blocks[id(outer)]
    if not block.derived or block.is_opaque or (core := core_of(outer)) is None or has_clash(draft, outer):
        return None
    sources = [source for source in core.inner if isinstance(source, exp.Subquery)]
    found = (_merge_of(draft, outer, core, source) for source in sources)
    return next((merge for merge in found if merge is not None), None)


def _merge_of(draft: Draft, outer: exp.Select, core: Core, source: exp.Subquery) -> _Merge | None:
    inner = source.this
    if not isinstance(inner, exp.Select) or any(inner.args.get(key) for key in _MORE):
        return None
    inner_core = core_of(inner)
    if inner_core is None or (inner_core.left and len(core.inner) > 1) or has_clash(draft, inner):
        return None
    meanings = _meanings(source, inner)
    if meanings is None:
        return None
    inside, around = nodes(inner), nodes(outer, without=lambda node: node is source)
    own = {shown_as(node) for node in (*inner_core.inner, *(join.this for join in inner_core.left))}
    if own & _names_beside(around, outer, source):
        return None
    within, beside = ([node for node in part if isinstance(node, exp.Column)] for part in (inside, around))
    if not _qualify(draft, inner, within, goes_on=False) or _reaches_out(inside):
        return None
    if _would_capture(draft, outer, inner, beside, meanings):
        return None
    _qualify(draft, outer, beside, goes_on=True)
    references = _references(draft, outer, source, beside, meanings)
    return None if references is None else _Merge(outer, core, source, inner, inner_core, meanings, references)


def _reaches_out(inside: Sequence[exp.Expr]) -> bool:
    """Whether a derived table names a source that is not its own: beside other sources it could be one of those."""
    own = {"", *(shown_as(node) for node in inside if isinstance(node, (exp.Table, exp.Subquery)))}
    return any(named(node)[0] not in own for node in inside if isinstance(node, exp.Column))


def _would_capture(
    draft: Draft, outer: exp.Select, inner: exp.Select, beside: Sequence[exp.Column], meanings: Mapping[str, exp.Expr]
) -> bool:
    """Whether a name in the block means something else once the sources of the derived table stand in its FROM.

    A name of a block further out, or of an output, may be that of one of their columns, and a qualifier one of theirs.
    """
    block = draft.query.scopes.blocks[id(inner)]
    shown = {projection.alias.lower() for projection in outer.expressions if projection.alias}
    for node in beside:
        qualifier, name = named(node)
        if qualifier:
            if qualifier in block.tables or qualifier in block.derived:
                return True
        elif _may_give(block, name):
            is_output = name in shown and node.find_ancestor(exp.Order) is not None
            is_in_expression = is_output and not isinstance(node.parent, exp.Ordered)
            is_free = name not in meanings and not is_output and draft.query.scopes.resolve(node) is None
            if is_in_expression or is_free:
                return True
    return False


def _may_give(block: Block, name: str) -> bool:
    """Whether a source of a block has a column of that name, or may have one that it does not name."""
    if any(occurrence.table.column(name) for occurrence in block.tables.values()):
        return True
    return any(
        not isinstance(query, exp.Select) or query.is_star or name in map(shown_as, query.expressions)
        for query in block.derived.values()
    )


def _names_beside(around: Sequence[exp.Expr], outer: exp.Select, source: exp.Subquery) -> set[str]:
    """Names of the block's other sources, and of those of its subqueries, which would hide one of the inner block's."""
    return {shown_as(node) for node in around if isinstance(node, (exp.Table, exp.Subquery)) and node is not source}


def _meanings(source: exp.Subquery, inner: exp.Select) -> dict[str, exp.Expr] | None:
    """What each output of a derived table is; None where one is not just computed from its row."""
    given = source.args["alias"].args.get("columns") or []
    names = [node.name.lower() for node in given] or [one.alias_or_name.lower() for one in inner.expressions]
    values = [one.unalias() for one in inner.expressions]
    if len(set(names)) < len(values) or len(names) != len(values) or "" in names:
        return None
    for value in values:
        is_many = first(value, exp.AggFunc, exp.Window, exp.Query, exp.Star) is not None
        if is_many or first(value, exp.Column) is None:
            return None
    return dict(zip(names, values, strict=True))


def _qualify(draft: Draft, select: exp.Select, columns: Sequence[exp.Column], *, goes_on: bool) -> bool:
    """Give a block's columns the names of their tables, so that they mean the same beside other tables.

    Whether every one of them is clear, or it `goes_on` with the others.
    """
    shown = set(map(shown_as, select.expressions))
    for node in columns:
        qualifier, name = named(node)
        if qualifier or (name in shown and node.find_ancestor(exp.Order) is not None):
            continue
        found = draft.query.scopes.resolve(node)
        if found is not None:
            node.set("table", identifier(found[0].alias))
        elif not goes_on:
            return False
    return True


def _references(
    draft: Draft,
    outer: exp.Select,
    source: exp.Subquery,
    beside: Sequence[exp.Column],
    meanings: Mapping[str, exp.Expr],
) -> list[exp.Column] | None:
    """The places in the block that name outputs of the derived table; None where a name could mean something else."""
    scopes, alias = draft.query.scopes, shown_as(source)
    block: Block = scopes.blocks[id(outer)]
    shown = {projection.alias.lower() for projection in outer.expressions if projection.alias}
    found: list[exp.Column] = []
    for node in beside:
        qualifier, name = named(node)
        if qualifier:
            if qualifier == alias and isinstance(node.this, exp.Star):
                return None
            is_ours = qualifier == alias
        elif isinstance(node.this, exp.Star) or scopes.resolve(node) is not None:
            continue
        else:
            if name in shown and (name not in meanings or node.find_ancestor(exp.Order) is not None):
                continue
            is_ours = name in meanings and len(block.derived) == 1
            if not is_ours and name in meanings:
                return None
        if is_ours and (name not in meanings or node.find_ancestor(exp.Select) is not outer):
            return None
        if is_ours:
            found.append(node)
    if any(first(one, exp.Star) and not first(one, exp.Count) for one in outer.expressions):
        return None
    return found


def has_clash(draft: Draft, select: exp.Select) -> bool:
    """Whether an output has the name of another column of the block: where it is named, either may be meant."""
    tables = draft.query.scopes.blocks[id(select)].tables.values()
    for output in select.expressions:
        name, inner = output.alias.lower(), output.unalias()
        is_other = not isinstance(inner, exp.Column) or named(inner)[1] != name
        if name and is_other and any(one.table.column(name) for one in tables) and _is_named(select, name):
            return True
    return False


def _is_named(select: exp.Select, name: str) -> bool:
    """Whether GROUP BY, HAVING or ORDER BY use a name without its table."""
    clauses = [select.args[key] for key in ("group", "having", "order") if select.args.get(key) is not None]
    return any(named(node) == ("", name) for clause in clauses for node in every(clause, exp.Column))
