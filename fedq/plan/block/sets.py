"""UNION, INTERSECT and EXCEPT, whose rows are equal by their bytes.

    select s from a union select s from b
    SELECT "rows"."s" FROM (SELECT ("a"."s")::text COLLATE "C" AS "s" FROM … UNION SELECT … FROM …) AS "rows"

Each side is one SELECT of its own: which of them binds closer is said by nesting, never by a rule of precedence. Only a
chain of one verb is said as one, from the left as every database reads it: SQLite takes about thirty levels of nesting.
"""

from __future__ import annotations

from dataclasses import replace

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.plan.block.exactly import bytewise, check_clean, named, sorted_by
from fedq.plan.block.limits import limit_of
from fedq.plan.block.sources import REACHING
from fedq.plan.block.statement import Item, Names, Statement, Written, source_of_query
from fedq.plan.constants import NotPushed
from fedq.plan.values import Said
from fedq.sql import exp
from fedq.types import MOST_DIGITS, Comparison, Type

_VERBS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_KNOWN = frozenset({"this", "expression", "distinct", "order", "limit", "offset", "with_"})
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_EXACT = (Comparison.SAME, Comparison.EQUALITY)


def write_set(node: exp.SetOperation, statement: Statement, names: Names | None) -> Written:
    """A set operation, exactly. Raises: NotPushed."""
    verb = _verb(node, statement.dialect.name)
    around = names if statement.dialect.name in REACHING else None
    sides = [statement.write(side, statement, around) for side in (node.this, node.expression)]
    if len(sides[0].items) != len(sides[1].items):
        raise NotPushed("sides of different width are settled by the local engine")
    is_distinct = bool(node.args.get("distinct"))
    pairs = [
        _pair(one.said, other.said, statement.dialect, is_distinct=is_distinct)
        for one, other in zip(sides[0].items, sides[1].items, strict=True)
    ]
    said = [_side(side, [pair[at].sql for pair in pairs], statement) for at, side in enumerate(sides)]
    if sides[0].united[0] == verb and said[0] == _bare(sides[0], statement):
        said[0] = sides[0].united[1]
    text = f" {verb} ".join(said)
    named_items = tuple(Item("", pair[0]) for pair in pairs)
    joined = Written(named_items, "", (), "", has_order=any(side.has_order for side in sides))
    joined = replace(joined, is_correlated=any(side.is_correlated for side in sides))
    source, sql = source_of_query(statement, joined, "rows", (), text=text)
    items = tuple(
        Item(item.name, Said(found[0], found[1], is_strict=False))
        for item, (_, found) in zip(sides[0].items, source.columns, strict=True)
    )
    return ordered_rows(node, replace(joined, items=items, source=f"FROM {sql}", united=(verb, text)), statement)


def _verb(node: exp.SetOperation, dialect: str) -> str:
    if any(value for key, value in node.args.items() if key not in _KNOWN):
        raise NotPushed("a set operation by name is made by the local engine")
    verb, is_distinct = _VERBS[type(node)], bool(node.args.get("distinct"))
    if verb != "UNION" and dialect != "postgres" and not (dialect == "sqlite" and is_distinct):
        raise NotPushed(f"not every such database has {verb}{'' if is_distinct else ' ALL'}")
    return verb if is_distinct else f"{verb} ALL"


def _side(side: Written, values: list[str], statement: Statement) -> str:
    """A side as one plain SELECT, its columns named by position."""
    outputs = [f"{sql} AS {statement.quote(f'c{number}')}" for number, sql in enumerate(values)]
    if not side.has_limit:
        return side.sql(outputs)
    names = ", ".join(statement.quote(f"c{number}") for number in range(len(values)))
    return f"SELECT {names} FROM ({side.sql(outputs)}) AS {statement.quote(statement.alias('side'))}"


def _bare(side: Written, statement: Statement) -> str:
    """What `_side` makes of united rows that nothing is done with."""
    plain = replace(side, where=(), suffix="", has_limit=False, is_distinct=False)
    return _side(plain, [item.said.sql for item in side.items], statement)


def _pair(one: Said, other: Said, dialect: Dialect, *, is_distinct: bool) -> tuple[Said, Said]:
    """Two columns that become one, in the type that DuckDB gives it. Raises: NotPushed."""
    check_clean(one)
    check_clean(other)
    left, right = one.column, other.column
    is_alike = left.native == right.native and left.collation == right.collation
    if left.type.family == "text" == right.type.family:
        if is_alike and (not is_distinct or (left.comparison in _EXACT and right.comparison in _EXACT)):
            return one, other
        sides = bytewise(one, dialect), bytewise(other, dialect)
        if dialect.name == "mysql" or sides[0] is None or sides[1] is None:
            raise NotPushed(f"{named(one)} and {named(other)} are texts of different rules there")
        return sides[0], sides[1]
    type_ = _common(left.type, right.type)
    is_compared = left.type.family != "float" and left.comparison in _EXACT and right.comparison in _EXACT
    if type_ is None or (is_distinct and not is_compared) or not (is_alike or is_compared):
        raise NotPushed(f"{named(one)} ({left.type}) and {named(other)} ({right.type}) are united by the local engine")
    column = left if is_alike and left.type == type_ else _computed(left, type_)
    worst = max(left.comparison, right.comparison, key=list(Comparison).index)
    return replace(one, column=replace(column, comparison=worst)), other


def _computed(column: Column, type_: Type) -> Column:
    return replace(column, name="", physical="", type=type_, native=str(type_).lower(), collation=None)


def _common(one: Type, other: Type) -> Type | None:
    """The type of a column that holds both."""
    if one == other:
        return one
    if one.name in _SIGNED and other.name in _SIGNED:
        return max(one, other, key=lambda type_: _SIGNED.index(type_.name))
    if one.family == "decimal" == other.family:
        scale = max(one.scale or 0, other.scale or 0)
        whole = max((type_.precision or 0) - (type_.scale or 0) for type_ in (one, other))
        return Type("DECIMAL", whole + scale, scale) if whole + scale <= MOST_DIGITS else None
    return None


def ordered_rows(node: exp.Expr, written: Written, statement: Statement) -> Written:
    """ORDER BY, LIMIT and OFFSET of a set operation or of parentheses, around rows that are written already."""
    order = node.args.get("order")
    rows, skipped = limit_of(node, statement.query.params)
    limit = statement.dialect.limit(rows, skipped)
    is_seen = statement.root is node or bool(limit)
    if order is None and written.has_order and is_seen:
        raise NotPushed("the order of a subquery is kept by the local engine")
    said = ""
    if order is not None and is_seen:
        said = f"ORDER BY {', '.join(_order_item(item, written, statement) for item in order.expressions)}"
    suffix = " ".join(part for part in (written.suffix, said, limit) if part)
    return replace(
        written,
        suffix=suffix,
        has_limit=bool(limit),
        has_order=order is not None or written.has_order,
        is_one_row=written.is_one_row or rows == 1,
    )


def _order_item(item: exp.Expr, written: Written, statement: Statement) -> str:
    node, found = item.this, list[Said]()
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        found = [own.said for number, own in enumerate(written.items, 1) if number == int(node.this)]
    elif isinstance(node, exp.Column) and not node.table:
        found = [own.said for own in written.items if own.name.lower() == node.name.lower()]
    if len(found) != 1:
        raise NotPushed("an order of united rows by something that is not one of their columns")
    sql = sorted_by(found[0], statement.dialect).sql
    is_first = bool(item.args.get("nulls_first"))
    return statement.dialect.order(sql, is_descending=bool(item.args.get("desc")), is_nulls_first=is_first)
