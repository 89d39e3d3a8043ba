"""How far a condition reaches: which tables it may reduce before the joins are done, and which keys may travel.

    from a left join b on a.k = b.k and b.x = 1 where a.y = 2 and b.z > 3
    b.x = 1   reduces b                  (the ON of a left join concerns its right side only)
    a.y = 2   reduces a
    b.z > 3   reduces b, being strict    (NULLs never pass, so it does not matter whether b's row or NULLs fail)
    a.k = b.k ships keys a → b           (a row of b without a partner in a is never seen)

A table is reduced only where no row it loses could have changed the answer: the text runs again over what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from fedq.bind.scope import Block, Occurrence, Scopes
from fedq.catalog.schema import Column
from fedq.plan.implied import common, implied
from fedq.sql import exp, first
from fedq.types import Comparison

#: families whose equality is the same in every database and can travel as literals
_KEY_FAMILIES = frozenset({"integer", "text", "date", "uuid", "decimal"})


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One condition that every row of the block's result passes, as far as the named tables are concerned."""

    node: exp.Expr
    block: Block
    targets: frozenset[str]
    """Ids of the occurrences it may reduce."""
    strict_targets: frozenset[str]
    """Those of them that an outer join can fill with NULLs: only a strict condition may reduce them."""
    is_required: bool
    """Whether no row comes out of the block without passing it: the ON of an outer join only decides what is joined."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Rows of `to` matter only where `to_column` is among the values of `from_column`."""

    from_occurrence: Occurrence
    from_column: Column
    to_occurrence: Occurrence
    to_column: Column
    join: int | None = None
    """The block (its node's id) that joins both row by row: several such edges speak of the same two rows."""


@dataclass(slots=True)
class _Reach:
    """What a walk over one block's joins finds."""

    nullable: set[str]
    frozen: set[str]
    conditions: list[tuple[exp.Expr, frozenset[str], frozenset[str]]]
    is_inner: bool = True
    """Whether every join drops the rows that do not pass its condition."""


def conjuncts(scopes: Scopes) -> list[Conjunct]:
    """Every condition of every block, with the tables it may reduce."""
    found: list[Conjunct] = []
    for block in scopes.blocks.values():
        if block.is_opaque or block.node.args.get("sample") is not None:
            continue
        reach = _walk(block)
        where = block.node.args.get("where")
        everything = frozenset(block.tables)
        conditions = [*reach.conditions, *([(where.this, everything, frozenset(reach.nullable))] if where else [])]
        for condition, targets, strict in conditions:
            alive = frozenset(targets - reach.frozen)
            is_required = reach.is_inner or (where is not None and condition is where.this)
            ids = frozenset(block.tables[alias].id for alias in alive if alias in block.tables)
            strict_ids = frozenset(block.tables[alias].id for alias in alive & strict if alias in block.tables)
            parts = [part for node in flatten(condition) for part in (node, *_implied(node, block, ids, scopes))]
            found += [Conjunct(part, block, ids, strict_ids, is_required) for part in parts]
    return found


def _implied(node: exp.Expr, block: Block, targets: frozenset[str], scopes: Scopes) -> Iterator[exp.Expr]:
    """What an OR over several tables says of each, and what all its sides say."""
    if not isinstance(node.unnest(), exp.Or):
        return
    yield from common(node)
    for target in sorted(targets):
        said = implied(node, partial(_belongs, target, block, scopes))
        if said is not None and said != node.unnest():
            yield said


def _belongs(target: str, block: Block, scopes: Scopes, column: exp.Column) -> bool:
    found = scopes.resolve(column, block)
    return found is not None and found[0].id == target


def flatten(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of a conjunction."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        yield from flatten(node.left)
        yield from flatten(node.right)
    else:
        yield node


def _walk(block: Block) -> _Reach:
    reach = _Reach(set(), set(), [])
    first = block.node.args.get("from_")
    seen = _source(first.this, reach) if first is not None else set()
    for lateral in block.node.args.get("laterals") or []:
        seen.add(lateral.alias_or_name.lower())
    _joins(seen, block.node.args.get("joins") or [], reach)
    return reach


def _source(node: exp.Expr, reach: _Reach) -> set[str]:
    """The aliases of a source, with the joins inside its parentheses."""
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
        seen = _source(node.this, reach)
    else:
        seen = {node.alias_or_name.lower()}
        if node.args.get("sample") is not None or node.args.get("pivots"):
            reach.frozen |= seen
    return _joins(seen, node.args.get("joins") or [], reach)


def _joins(left: set[str], joins: list[exp.Join], reach: _Reach) -> set[str]:
    for join in joins:
        before = frozenset(reach.nullable)
        right = _source(join.this, reach)
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        method = str(join.args.get("method") or "").upper()
        if method == "POSITIONAL":
            reach.frozen |= left | right
        elif method == "ASOF":
            reach.frozen |= right
        reach.is_inner &= not side and kind != "ANTI"
        targets = _targets(side, kind, left, right)
        nullable = before | frozenset(reach.nullable)
        if (on := join.args.get("on")) is not None:
            reach.conditions.append((on, targets, nullable & targets))
        if side in ("LEFT", "FULL") and kind not in ("SEMI", "ANTI"):
            reach.nullable |= right
        if side in ("RIGHT", "FULL"):
            reach.nullable |= left
        left = left | right
    return left


def _targets(side: str, kind: str, left: set[str], right: set[str]) -> frozenset[str]:
    """The tables that a join's own condition may reduce."""
    if side == "FULL":
        return frozenset()
    if side == "LEFT" or kind == "ANTI":
        return frozenset(right)
    if side == "RIGHT":
        return frozenset(left)
    return frozenset(left | right)


def edges(scopes: Scopes, found: list[Conjunct]) -> list[Edge]:
    """Every way in which the values of one table limit the rows of another."""
    result: list[Edge] = []
    for conjunct in found:
        if isinstance(conjunct.node, exp.EQ):
            result += _equality(scopes, conjunct)
        elif isinstance(conjunct.node, exp.In):
            result += _membership(scopes, conjunct)
        elif isinstance(conjunct.node, exp.Exists):
            result += _existence(scopes, conjunct, found)
    result += _using(scopes)
    own = [edge for edge in result if edge.from_occurrence.id != edge.to_occurrence.id and _can_travel(edge)]
    return _through(list(dict.fromkeys(own)))


def _through(found: list[Edge]) -> list[Edge]:
    """The edges, and those that lead through a column of a third table.

    With a.x → b.y and b.y → c.z also a.x → c.z: without the rows of b that a does not meet the answer is the same, and
    what is left of b.y is among the values of a.x. So c need not wait for b.
    """
    onward: dict[tuple[str, str], list[Edge]] = {}
    for edge in found:
        onward.setdefault((edge.from_occurrence.id, edge.from_column.name), []).append(edge)
    known = {_ends(edge) for edge in found}
    result = list(found)
    for edge in result:  # it grows meanwhile
        for more in onward.get((edge.to_occurrence.id, edge.to_column.name), ()):
            new = Edge(edge.from_occurrence, edge.from_column, more.to_occurrence, more.to_column)
            if new.from_occurrence.id != new.to_occurrence.id and _ends(new) not in known and _can_travel(new):
                known.add(_ends(new))
                result.append(new)
    return result


def _ends(edge: Edge) -> tuple[str, str, str, str]:
    return edge.from_occurrence.id, edge.from_column.name, edge.to_occurrence.id, edge.to_column.name


def _can_travel(edge: Edge) -> bool:
    one, other = edge.from_column, edge.to_column
    if one.type.family != other.type.family or one.type.family not in _KEY_FAMILIES:
        return False
    return other.comparison is not Comparison.UNLIKE and one.collation != "nocase" and other.collation != "nocase"


def _equality(scopes: Scopes, conjunct: Conjunct) -> Iterator[Edge]:
    left, right = conjunct.node.this, conjunct.node.expression
    if not isinstance(left, exp.Column) or not isinstance(right, exp.Column):
        return
    for target, source in ((left, right), (right, left)):
        to, origin = scopes.resolve(target, conjunct.block), scopes.origin(source, conjunct.block)
        if to is not None and origin is not None and to[0].id in conjunct.targets:
            own = {occurrence.id for occurrence in conjunct.block.tables.values()}
            is_join = {origin[0].id, to[0].id} <= own
            yield Edge(origin[0], origin[1], to[0], to[1], id(conjunct.block.node) if is_join else None)


def _membership(scopes: Scopes, conjunct: Conjunct) -> Iterator[Edge]:
    """`x IN (SELECT y …)`: x only from y's values, and y only from x's where the subquery's other rows do not
    matter."""
    query = conjunct.node.args.get("query")
    inner = query.unnest() if query is not None else None
    outer = conjunct.node.this
    if not isinstance(inner, exp.Select) or len(inner.expressions) != 1 or not isinstance(outer, exp.Column):
        return
    projection = inner.expressions[0].unalias()
    block = scopes.blocks.get(id(inner))
    if block is None or not isinstance(projection, exp.Column) or isinstance(projection.this, exp.Star):
        return
    here, there = scopes.resolve(outer, conjunct.block), scopes.origin(projection, block)
    if here is not None and there is not None and here[0].id in conjunct.targets:
        yield Edge(there[0], there[1], here[0], here[1])
    source, direct = scopes.origin(outer, conjunct.block), scopes.resolve(projection, block)
    if (
        source is not None
        and direct is not None
        and direct[0].id in block_ids(block)
        and _is_reducible(block, projection)
    ):
        yield Edge(source[0], source[1], direct[0], direct[1])


def block_ids(block: Block) -> frozenset[str]:
    """The occurrences of a block that its own WHERE may reduce."""
    reach = _walk(block)
    return frozenset(occ.id for alias, occ in block.tables.items() if alias not in reach.frozen)


def _is_reducible(block: Block, column: exp.Column) -> bool:
    """Whether a condition on an output of the block may be applied to its input."""
    node = block.node
    if any(
        node.args.get(key) is not None for key in ("limit", "offset", "distinct", "qualify", "sample", "windows")
    ) or first(node, exp.Window):
        return False
    group = node.args.get("group")
    if group is None:
        return (
            not any(first(projection, exp.AggFunc) for projection in node.expressions)
            and node.args.get("having") is None
        )
    is_plain = not any(group.args.get(key) for key in ("grouping_sets", "cube", "rollup", "all"))
    return is_plain and any(isinstance(key, exp.Column) and key == column for key in group.expressions)


def _existence(scopes: Scopes, conjunct: Conjunct, found: list[Conjunct]) -> Iterator[Edge]:
    """`EXISTS (SELECT … WHERE i.k = o.k)` as a condition: o only where some i has its k. (o → i comes from the
    equality itself.)"""
    inner = conjunct.node.this
    block = scopes.blocks.get(id(inner))
    if block is None or any(
        inner.args.get(key) is not None for key in ("limit", "offset", "group", "having", "qualify")
    ):
        return
    if any(first(projection, exp.Func) for projection in inner.expressions):
        return  # an aggregate, also one that only DuckDB knows, makes a row of none
    for own in found:
        if own.block is not block or not own.is_required or not isinstance(own.node, exp.EQ):
            continue
        for one, other in ((own.node.this, own.node.expression), (own.node.expression, own.node.this)):
            if not isinstance(one, exp.Column) or not isinstance(other, exp.Column):
                continue
            here, there = scopes.resolve(other, block), scopes.resolve(one, block)
            is_inner = there is not None and there[0].id in own.targets
            if (
                is_inner
                and here is not None
                and there is not None
                and here[0].id in conjunct.targets
                and here[0].id not in block_ids(block)
            ):
                yield Edge(there[0], there[1], here[0], here[1])


def _using(scopes: Scopes) -> Iterator[Edge]:
    """`JOIN … USING (k)` where each side has k exactly once."""
    for block in scopes.blocks.values():
        if block.is_opaque or block.derived or block.node.args.get("sample") is not None:
            continue
        reach = _walk(block)
        for join in block.node.args.get("joins") or []:
            right = block.tables.get(join.this.alias_or_name.lower())
            side = "LEFT" if (join.kind or "").upper() == "ANTI" else (join.side or "").upper()
            if right is None or not join.args.get("using") or side == "FULL" or join.args.get("method"):
                continue  # the last column of an ASOF join's USING is compared by >=
            before = list(takewhile(partial(_is_not, right), block.tables.values()))
            for name in join.args["using"]:
                yield from _using_edges(name.name, side, before, right, reach)


def _using_edges(name: str, side: str, before: list[Occurrence], right: Occurrence, reach: _Reach) -> Iterator[Edge]:
    lefts = [(occ, column) for occ in before if (column := occ.table.column(name))]
    own = right.table.column(name)
    if len(lefts) != 1 or own is None:
        return
    left, column = lefts[0]
    if side != "RIGHT" and right.alias.lower() not in reach.frozen:
        yield Edge(left, column, right, own)
    if side != "LEFT" and left.alias.lower() not in reach.frozen:
        yield Edge(right, own, left, column)


def _is_not(one: Occurrence, other: Occurrence) -> bool:
    return one.id != other.id
