"""A predicate in a database's own words, with what is known of its truth.

    c.name = 'Ann' and lower(c.city) = 'x'        (customers in MariaDB, ci collation)
    `name` = 'Ann'                                HINT: a superset; the local engine applies the text again

Every operation is refused unless it is listed here, and listed only where it means in that database what it means in
DuckDB (EXACT), or
is true for at least the same rows (HINT). A HINT under NOT would be a subset, so NOT takes exact children only.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.plan.constants import NotPushed, constant
from fedq.plan.speaker import Offer, Speaker
from fedq.sql import exp
from fedq.types import Comparison

__all__ = ["Offer", "Speaker", "compare", "is_cleaned", "translate", "unlike"]

_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
#: sides of one OR or AND that are sent; databases limit the depth of an expression
_MOST_SIDES = 200
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def translate(node: exp.Expr, speaker: Speaker) -> Offer:
    """The offer for one predicate. Raises: NotPushed."""
    if node.args.get("negate"):  # NOT LIKE is one node, with a flag
        positive = node.copy()
        positive.set("negate", None)
        return _negation(exp.Not(this=positive), speaker)
    match node:
        case exp.Paren():
            return translate(node.this, speaker)
        case exp.And():
            return _both(node, speaker)
        case exp.Or():
            return _either(node, speaker)
        case exp.Not():
            return _negation(node, speaker)
    offer = _leaf(node, speaker)
    columns = [found[1] for column in node.find_all(exp.Column) if (found := speaker.resolve(column)) is not None]
    return replace(offer, is_exact=offer.is_exact and not any(map(is_cleaned, columns)))


def is_cleaned(column: Column) -> bool:
    """Whether its policy may make NULL or text of a value, so that what the database compares is not what is read.

    A row that passes with NULL passes with any value (nothing but IS NULL could say otherwise, and that is not pushed):
    the condition is still a HINT.
    """
    return column.policy != "error" and column.type.family not in ("integer", "boolean", "uuid")


def _leaf(node: exp.Expr, speaker: Speaker) -> Offer:
    """The offer for a condition without AND, OR and NOT. Raises: NotPushed."""
    match node:
        case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            return _comparison(node, speaker)
        case exp.Between():
            low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
            high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
            return _range(node, low, high, speaker)
        case exp.In():
            return _membership(node, speaker)
        case exp.Exists():
            return speaker.predicate(node)
        case exp.Is() if isinstance(node.expression, exp.Null):
            return _null_test(node, speaker)
        case exp.Like():
            return _like(node, speaker)
        case exp.Column():
            return _flag(node, speaker)
    raise NotPushed(f"{node.key} is computed by the local engine")


def _either(node: exp.Or, speaker: Speaker) -> Offer:
    """An OR needs every side. Sides are flattened: a generated list of hundreds must not be hundreds of calls deep."""
    sides = list(node.flatten())
    if len(sides) > _MOST_SIDES:
        raise NotPushed(f"an OR of more than {_MOST_SIDES} conditions")
    offers = [translate(side, speaker) for side in sides]
    share = min(1.0, sum(offer.selectivity for offer in offers))
    is_exact, is_strict = all(offer.is_exact for offer in offers), all(offer.is_strict for offer in offers)
    return Offer(f"({' OR '.join(offer.sql for offer in offers)})", is_exact, is_strict, share)


def _both(node: exp.And, speaker: Speaker) -> Offer:
    """An AND keeps what any side can offer: a part of it is a superset."""
    offers: list[Offer] = []
    refusals: list[NotPushed] = []
    for side in islice(node.flatten(), _MOST_SIDES):
        try:
            offers.append(translate(side, speaker))
        except NotPushed as reason:
            refusals.append(reason)
    if not offers:
        raise refusals[0]
    share = math.prod(offer.selectivity for offer in offers)
    is_exact = not refusals and len(offers) < _MOST_SIDES and all(offer.is_exact for offer in offers)
    is_strict = any(offer.is_strict for offer in offers)
    return Offer(f"({' AND '.join(offer.sql for offer in offers)})", is_exact, is_strict, share)


def _range(node: exp.Between, low: exp.Expr, high: exp.Expr, speaker: Speaker) -> Offer:
    left, right = _comparison(low, speaker), _comparison(high, speaker)
    if node.args.get("symmetric"):
        raise NotPushed("BETWEEN SYMMETRIC is computed by the local engine")
    return Offer(f"({left.sql} AND {right.sql})", left.is_exact and right.is_exact, True, 0.1)


def _negation(node: exp.Not, speaker: Speaker) -> Offer:
    inner = translate(node.this, speaker)
    if not inner.is_exact:
        raise NotPushed("the opposite of a condition that is only roughly the same there")
    # NOT x is strict only where x is unknown, not false, for NULL columns: true of comparisons, not of IS NULL or
    # OR/AND of them
    is_strict = isinstance(node.this.unnest(), (exp.In, exp.Between, exp.Like, *_OPERATORS)) and inner.is_strict
    return Offer(f"(NOT {inner.sql})", True, is_strict or _is_null_test(node.this), max(0.05, 1 - inner.selectivity))


def _is_null_test(node: exp.Expr) -> bool:
    """NOT (x IS NULL) is never true for a row of NULLs."""
    inner = node.unnest()
    return isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null)


def _comparison(node: exp.Expr, speaker: Speaker) -> Offer:
    operator = _OPERATORS[type(node)]
    left, right = node.this, node.expression
    if isinstance(right, (exp.Any, exp.All)):
        return speaker.predicate(node)
    if not _mentions_column(left):
        left, right, operator = right, left, _FLIPPED[operator]
    sql, column = speaker.column(left)
    if _mentions_column(right):
        return _column_pair(operator, (sql, column), speaker.column(right))
    found = constant(right, speaker.params)
    if isinstance(found.value, bool) and column.type.family == "boolean" and operator not in ("=", "<>"):
        raise NotPushed("an order of booleans")
    return compare(operator, sql, column, speaker.literal(found, column), speaker.dialect)


def compare(operator: str, sql: str, column: Column, literal: str, dialect: Dialect) -> Offer:
    """A column compared with a literal already written in the dialect. Raises: NotPushed."""
    share = {"=": 0.02, "<>": 0.95}.get(operator, 0.3)
    is_text = column.type.family == "text"
    match column.comparison:
        case Comparison.SAME:
            return Offer(f"{sql} {operator} {literal}", True, True, share)
        case Comparison.EQUALITY if operator in ("=", "<>"):
            return Offer(f"{sql} {operator} {literal}", True, True, share)
        case Comparison.EQUALITY if is_text and (ordered := dialect.by_bytes(sql, column)) is not None:
            return Offer(f"{ordered} {operator} {literal}", True, True, share)
        case Comparison.LOOSE if operator == "=":
            exact = dialect.same_text(sql, column, [literal]) if is_text else None
            return Offer(exact or f"{sql} = {literal}", exact is not None, True, share)
        case Comparison.LOOSE if is_text and (ordered := dialect.by_bytes(sql, column)) is not None:
            return Offer(f"{ordered} {operator} {literal}", True, True, share)
        case Comparison.LOOSE if not is_text and operator != "<>":
            return Offer(f"{sql} {operator} {literal}", False, True, share)
    raise NotPushed(unlike(column, operator))


def unlike(column: Column, operator: str) -> str:
    """Why a comparison of a column is not pushed, in words."""
    rule = f" under {column.collation}" if column.collation else ""
    return f"{operator} on {column.name} ({column.native}{rule}) does not mean there what it means in DuckDB"


def _column_pair(operator: str, left: tuple[str, Column], right: tuple[str, Column]) -> Offer:
    one, other = left[1], right[1]
    enough = (Comparison.SAME, Comparison.EQUALITY) if operator in ("=", "<>") else (Comparison.SAME,)
    is_same = one.comparison in enough and other.comparison in enough
    is_alike = one.type == other.type or (
        one.type.family == other.type.family and one.type.family in ("integer", "decimal")
    )
    if one.type.family == "text" and (one.collation != other.collation):
        is_alike = False
    if not (is_same and is_alike):
        raise NotPushed(f"{one.name} {operator} {other.name} compares differently there")
    return Offer(f"{left[0]} {operator} {right[0]}", True, True, 0.3)


def _membership(node: exp.In, speaker: Speaker) -> Offer:
    if node.args.get("query") is not None:
        return speaker.predicate(node)
    if node.args.get("unnest") is not None or node.args.get("field") is not None:
        raise NotPushed("IN of a list value is computed by the local engine")
    sql, column = speaker.column(node.this)
    if column.comparison is Comparison.UNLIKE:
        raise NotPushed(unlike(column, "IN"))
    literals = [speaker.literal(constant(item, speaker.params), column) for item in node.expressions]
    share = min(1.0, 0.02 * len(literals))
    if column.comparison in (Comparison.SAME, Comparison.EQUALITY):
        return Offer(f"{sql} IN ({', '.join(literals)})", True, True, share)
    exact = speaker.dialect.same_text(sql, column, literals) if column.type.family == "text" else None
    return Offer(exact or f"{sql} IN ({', '.join(literals)})", exact is not None, True, share)


def _null_test(node: exp.Is, speaker: Speaker) -> Offer:
    sql, column = speaker.column(node.this)
    is_certain = column.comparison in (Comparison.SAME, Comparison.EQUALITY) or column.type.family == "text"
    if column.policy != "error" or not is_certain:
        raise NotPushed(f"whether {column.name} is NULL is decided by how its values are read")
    return Offer(f"{sql} IS NULL", True, False, 0.05)


def _like(node: exp.Like, speaker: Speaker) -> Offer:
    sql, column = speaker.column(node.this)
    found = constant(node.expression, speaker.params)
    if column.type.family != "text" or not isinstance(found.value, str) or column.comparison is Comparison.UNLIKE:
        raise NotPushed("LIKE on something other than text")
    said = speaker.dialect.like(sql, column, speaker.literal(found, column))
    if said is None:
        raise NotPushed(unlike(column, "LIKE"))
    return Offer(said[0], said[1], True, 0.1)


def _flag(node: exp.Column, speaker: Speaker) -> Offer:
    sql, column = speaker.column(node)
    if column.type.family != "boolean" or column.comparison is not Comparison.SAME:
        raise NotPushed(f"{column.name} as a condition is computed by the local engine")
    return Offer(f"{sql} = {speaker.dialect.literal(True)}", True, True, 0.5)


def _mentions_column(node: exp.Expr) -> bool:
    return node.find(exp.Column) is not None
