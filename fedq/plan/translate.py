"""A predicate in a database's own words, with what is known of its truth.

    c.name = 'Ann' and lower(c.city) = 'x'        (customers in MariaDB, ci collation)
    `name` = 'Ann'                                HINT: a superset; the local engine applies the text again

Every operation is refused unless it is listed here, and listed only where it means in that database what it means in
DuckDB (EXACT), or is true for at least the same rows (HINT). A HINT under NOT would be a subset, so NOT is moved to the
comparisons first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import islice

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.dialects.checked import sound
from fedq.plan.constants import Constant, NotPushed, check_room, constant, members
from fedq.plan.functions import part_of
from fedq.plan.speaker import Offer, Speaker
from fedq.plan.values import Said, as_operand, decide, is_open, say
from fedq.sql import copied, every, exp, render
from fedq.types import Comparison, Type

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
_OPPOSITES: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.NEQ, exp.NEQ: exp.EQ, exp.LT: exp.GTE, exp.GTE: exp.LT, exp.GT: exp.LTE, exp.LTE: exp.GT,
}  # fmt: skip
_PATTERNS = {exp.StartsWith: "{}%", exp.EndsWith: "%{}", exp.Contains: "%{}%"}
_NAMED_PATTERNS = {"prefix": "{}%", "starts_with": "{}%", "suffix": "%{}", "ends_with": "%{}", "contains": "%{}%"}
#: families whose values that are none are out of order, so that a comparison of the rest is a superset
_ORDERED = ("integer", "decimal", "float", "date", "timestamp")
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def translate(node: exp.Expr, speaker: Speaker) -> Offer:
    """The offer for one predicate. Raises: NotPushed."""
    match node:
        case exp.Paren():
            return translate(node.this, speaker)
        case exp.And():
            return _both(node.flatten(), speaker)
        case exp.Or():
            return _either(node, speaker)
        case exp.Not():
            return _negation(node.this, speaker)
    if node.args.get("negate"):  # NOT LIKE is one node, with a flag
        positive = copied(node)
        positive.set("negate", None)
        return _negation(positive, speaker)
    return _of_clean(_leaf(node, speaker), node, speaker)


def _of_clean(offer: Offer, node: exp.Expr, speaker: Speaker) -> Offer:
    """The offer, a HINT where a column is cleaned while it is read."""
    if not offer.is_exact:
        return offer
    found = [speaker.resolve(column) for column in every(node, exp.Column)]
    has_cleaned = any(is_cleaned(place[1]) for place in found if place is not None)
    return replace(offer, is_exact=False) if has_cleaned else offer


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
            return translate(_as_range(node), speaker)
        case exp.In():
            return _membership(node, speaker)
        case exp.Exists():
            return speaker.predicate(node)
        case exp.Is():
            return _is_test(node, speaker)
        case exp.NullSafeEQ() | exp.NullSafeNEQ():
            return translate(_null_safe(node, speaker), speaker)
        case exp.Like():
            return _like(node.this, node.expression, "{}", speaker)
        case exp.StartsWith() | exp.EndsWith() | exp.Contains():
            return _like(node.this, node.expression, _PATTERNS[type(node)], speaker)
        case exp.Anonymous() if node.name.lower() in _NAMED_PATTERNS and len(node.expressions) == 2:
            return _like(node.expressions[0], node.expressions[1], _NAMED_PATTERNS[node.name.lower()], speaker)
        case exp.Boolean():
            return Offer("1 = 1", True, False) if node.this else Offer("1 = 0", True, True)
    return _flag(node, speaker)


def _either(node: exp.Or, speaker: Speaker) -> Offer:
    """An OR needs every side. Sides are flattened: a generated list of hundreds must not be hundreds of calls deep."""
    sides = list(node.flatten())
    if len(sides) > _MOST_SIDES:
        raise NotPushed(f"an OR of more than {_MOST_SIDES} conditions")
    return _any_of([translate(side, speaker) for side in sides])


def _any_of(offers: Sequence[Offer]) -> Offer:
    is_exact, is_strict = all(offer.is_exact for offer in offers), all(offer.is_strict for offer in offers)
    return Offer(f"({' OR '.join(offer.sql for offer in offers)})", is_exact, is_strict)


def _both(sides: Iterable[exp.Expr], speaker: Speaker) -> Offer:
    """An AND keeps what any side can offer: a part of it is a superset."""
    offers: list[Offer] = []
    refusals: list[NotPushed] = []
    for side in islice(sides, _MOST_SIDES):
        try:
            offers.append(translate(side, speaker))
        except NotPushed as reason:
            refusals.append(reason)
    if not offers:
        raise refusals[0]
    offer = _every(offers)
    return replace(offer, is_exact=offer.is_exact and not refusals and len(offers) < _MOST_SIDES)


def _every(offers: Sequence[Offer]) -> Offer:
    is_exact, is_strict = all(offer.is_exact for offer in offers), any(offer.is_strict for offer in offers)
    return Offer(f"({' AND '.join(offer.sql for offer in offers)})", is_exact, is_strict)


def _as_range(node: exp.Between) -> exp.Expr:
    if node.args.get("symmetric"):
        raise NotPushed("BETWEEN SYMMETRIC is computed by the local engine")
    low = exp.GTE(this=copied(node.this), expression=copied(node.args["low"]))
    high = exp.LTE(this=copied(node.this), expression=copied(node.args["high"]))
    return exp.And(this=low, expression=high)


def _negation(node: exp.Expr, speaker: Speaker) -> Offer:
    """NOT goes down to the comparisons (three-valued logic lets it), so that only what has no opposite must be
    exact."""
    inner = node.unnest()
    match inner:
        case exp.Not():
            return translate(inner.this, speaker)
        case exp.And() | exp.Or():
            sides = [exp.Not(this=copied(side)) for side in inner.flatten()]
            if len(sides) > _MOST_SIDES:
                raise NotPushed(f"the opposite of more than {_MOST_SIDES} conditions")
            if isinstance(inner, exp.And):
                return _any_of([translate(side, speaker) for side in sides])
            return _both(sides, speaker)
        case exp.Between():
            return _negation(_as_range(inner), speaker)
        case exp.In() if inner.args.get("query") is None:
            return _of_clean(_membership(inner, speaker, is_negated=True), inner, speaker)
        case exp.Is():
            return _is_test(inner, speaker, is_negated=True)
    opposite = _OPPOSITES.get(type(inner))
    if opposite is not None and not isinstance(inner.expression, (exp.Any, exp.All)):
        return translate(opposite(this=copied(inner.this), expression=copied(inner.expression)), speaker)
    offer = translate(inner, speaker)
    if not offer.is_exact:
        raise NotPushed("the opposite of a condition that is only roughly the same there")
    # strict only where it is unknown, not false, for NULL columns
    is_strict = offer.is_strict and isinstance(inner, (exp.Like, exp.Column))
    return Offer(f"(NOT {offer.sql})", True, is_strict)


def _comparison(node: exp.Expr, speaker: Speaker) -> Offer:
    operator = _OPERATORS[type(node)]
    left, right = node.this, node.expression
    if isinstance(right, (exp.Any, exp.All)):
        return speaker.predicate(node)
    are_open = is_open(left), is_open(right)
    if not are_open[0]:
        left, right, operator = right, left, _FLIPPED[operator]
    if are_open[0] is are_open[1]:
        return _pair(operator, left, right, speaker)
    found = constant(right, speaker.params)
    if _has_fraction(found.value) and _is_whole(say(left, speaker).type, found):
        return translate(_whole_bound(left, operator, found.value), speaker)
    by_year = _year_range(left, operator, found.value, speaker)
    if by_year is not None:
        return by_year
    said = say(left, speaker)
    if isinstance(found.value, bool) and said.type.family == "boolean" and operator not in ("=", "<>"):
        raise NotPushed("an order of booleans")
    offer = _compared(operator, said, speaker.slot(found, said.column), speaker)
    return offer if said.is_strict else replace(offer, is_strict=False)


def _has_fraction(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value != value.to_integral_value()


def _is_whole(type_: Type, *found: Constant) -> bool:
    """Whether values are integers, for which DuckDB has a DECIMAL beside these fractions. Raises: NotPushed."""
    if type_.family != "integer":
        return False
    for one in found:
        check_room(one.value, type_)
    return True


def _whole_bound(node: exp.Expr, operator: str, value: Decimal) -> exp.Expr:
    """An integer compared with a fraction as a comparison with an integer, which an index serves (and MariaDB takes
    `k = 0.1` for `k = 0` where k is indexed)."""
    if operator in ("=", "<>"):  # never and always, but for NULL
        kind: type[exp.Expr] = exp.LT if operator == "=" else exp.LTE
        return kind(this=copied(node), expression=copied(node))
    is_upper = operator in ("<", "<=")
    kind = exp.LTE if is_upper else exp.GTE
    bound = int(value.to_integral_value(ROUND_FLOOR if is_upper else ROUND_CEILING))
    said = exp.Literal.number(abs(bound))
    return kind(this=copied(node), expression=exp.Neg(this=said) if bound < 0 else said)


def _compared(operator: str, said: Said, literal: str, speaker: Speaker) -> Offer:
    """A value compared with a literal; with a check of the value where nothing is applied again."""
    checked = _checked(said, speaker)
    if checked is not None and operator in ("=", "<>", "<", "<=", ">", ">="):
        return Offer(f"({said.sql} {operator} {literal} AND {checked} IS NOT NULL)", True, True)
    return compare(operator, said.sql, said.column, literal, speaker.dialect)


def _checked(said: Said, speaker: Speaker) -> str | None:
    """The value of a column that may hold what is none, as an error then; None where there is no need or no way."""
    if not speaker.is_sole or said.type.family == "text" or said.column.comparison is Comparison.SAME:
        return None
    found = sound(speaker.dialect, said.sql, said.column)
    return found[0] if found is not None else None


def compare(operator: str, sql: str, column: Column, literal: str, dialect: Dialect) -> Offer:
    """A column compared with a literal already written in the dialect. Raises: NotPushed."""
    is_text = column.type.family == "text"
    match column.comparison:
        case Comparison.SAME:
            return Offer(f"{sql} {operator} {literal}", True, True)
        case Comparison.EQUALITY if operator in ("=", "<>"):
            return Offer(f"{sql} {operator} {literal}", True, True)
        case Comparison.EQUALITY if is_text and (ordered := dialect.by_bytes(sql, column)) is not None:
            return Offer(f"{ordered} {operator} {literal}", True, True)
        case Comparison.LOOSE if operator == "=" and (not is_text or column.physical):
            exact = dialect.same_text(sql, column, [literal]) if is_text else None
            return Offer(exact or f"{sql} = {literal}", exact is not None, True)
        case Comparison.LOOSE | Comparison.BYTES if is_text and (ordered := dialect.by_bytes(sql, column)) is not None:
            return Offer(f"{ordered} {operator} {literal}", True, True)
        case Comparison.LOOSE if not is_text and operator != "<>":
            return Offer(f"{sql} {operator} {literal}", False, True)
    raise NotPushed(unlike(column, operator))


def unlike(column: Column, operator: str) -> str:
    """Why a comparison of a column is not pushed, in words."""
    rule = f" under {column.collation}" if column.collation else ""
    return f"{operator} on {column.name} ({column.native}{rule}) does not mean there what it means in DuckDB"


def _year_range(node: exp.Expr, operator: str, value: object, speaker: Speaker) -> Offer | None:
    """`year(d) = 1995` as a range of d, which an index serves."""
    found = part_of(node.unnest())
    if found is None or found[0] != "year" or not isinstance(found[1].unnest(), exp.Column):
        return None
    if type(value) is not int or not 1 <= value <= 9998:
        return None
    _, column = speaker.column(found[1])
    if column.type.family not in ("date", "timestamp"):
        return None
    first, after = (
        exp.Cast(this=exp.Literal.string(f"{year:04}-01-01"), to=exp.DataType.build("date"))
        for year in (value, value + 1)
    )
    bounds = {
        "=": ((exp.GTE, first), (exp.LT, after)), "<": ((exp.LT, first),), "<=": ((exp.LT, after),),
        ">": ((exp.GTE, after),), ">=": ((exp.GTE, first),),
    }.get(operator)  # fmt: skip
    if bounds is None:
        return None
    offers = [translate(kind(this=copied(found[1]), expression=bound), speaker) for kind, bound in bounds]
    offer = _every(offers)
    if operator == "=" or not offer.is_exact:
        return offer
    finite = _finite(found[1], speaker)  # an infinity is in the range and has no year
    return replace(offer, sql=f"({offer.sql} AND {finite})") if finite else offer


def _finite(node: exp.Expr, speaker: Speaker) -> str | None:
    return f"isfinite({speaker.column(node)[0]})" if speaker.dialect.name in ("postgres", "duckdb") else None


def _pair(operator: str, left: exp.Expr, right: exp.Expr, speaker: Speaker) -> Offer:
    """Two values of one statement compared with each other."""
    one, other = say(left, speaker), say(right, speaker)
    is_strict = one.is_strict or other.is_strict
    if one.type.family == "text" == other.type.family:
        return replace(_text_pair(operator, one, other, left, right, speaker), is_strict=is_strict)
    if not _are_alike(one.type, other.type, operator):
        raise NotPushed(f"{render(left)} {operator} {render(right)} compares differently there")
    try:
        sides = as_operand(one, speaker), as_operand(other, speaker)
        return Offer(f"{sides[0].sql} {operator} {sides[1].sql}", True, is_strict)
    except NotPushed:
        columns = (one.column, other.column)
        is_equal = all(column.comparison in (Comparison.EQUALITY, Comparison.SAME) for column in columns)
        if is_equal and operator in ("=", "<>"):
            return Offer(f"{one.sql} {operator} {other.sql}", True, is_strict)
        is_near = all(column.comparison in (Comparison.LOOSE, Comparison.SAME) for column in columns)
        if not is_near or operator == "<>" or one.type.family not in _ORDERED or one.type != other.type:
            raise
        return Offer(f"{one.sql} {operator} {other.sql}", False, is_strict)


def _text_pair(operator: str, one: Said, other: Said, left: exp.Expr, right: exp.Expr, speaker: Speaker) -> Offer:
    columns, dialect = (one.column, other.column), speaker.dialect
    is_one_rule = one.column.collation == other.column.collation and all(column.physical for column in columns)
    enough = (Comparison.SAME, Comparison.EQUALITY) if operator in ("=", "<>") else (Comparison.SAME,)
    if is_one_rule and all(column.comparison in enough for column in columns):
        return Offer(f"{one.sql} {operator} {other.sql}", True, True)
    is_readable = all(column.comparison is not Comparison.UNLIKE for column in columns)
    said = [dialect.by_bytes(side.sql, side.column) for side in (one, other)] if is_readable else [None]
    if None in said:
        raise NotPushed(f"{render(left)} {operator} {render(right)} compares differently there")
    exact = f"{said[0]} {operator} {said[1]}"
    is_loose = all(column.comparison is Comparison.LOOSE for column in columns)
    is_indexed = is_one_rule and is_loose and operator == "=" and one.column.native == other.column.native
    return Offer(f"({one.sql} = {other.sql} AND {exact})" if is_indexed else exact, True, True)


def _are_alike(one: Type, other: Type, operator: str) -> bool:
    families = {one.family, other.family}
    if one.family == "boolean":
        return one == other and operator in ("=", "<>")
    if families <= {"integer", "decimal"} or families <= {"date", "timestamp"}:
        return True
    return one == other and one.name in ("DOUBLE", "UUID", "TIMESTAMPTZ", "BLOB")


def _null_safe(node: exp.Expr, speaker: Speaker) -> exp.Expr:
    """`IS [NOT] DISTINCT FROM` a constant, in words of = and IS NULL."""
    value, other = node.this, node.expression
    if not is_open(value):
        value, other = other, value
    if is_open(other) or constant(other, speaker.params).value is None:
        raise NotPushed("IS DISTINCT FROM something that may be NULL")
    is_null = exp.Is(this=copied(value), expression=exp.Null())
    if isinstance(node, exp.NullSafeEQ):
        same = exp.EQ(this=copied(value), expression=copied(other))
        return exp.And(this=same, expression=exp.Not(this=is_null))
    return exp.Or(this=exp.NEQ(this=copied(value), expression=copied(other)), expression=is_null)


def _membership(node: exp.In, speaker: Speaker, *, is_negated: bool = False) -> Offer:
    if node.args.get("query") is not None:
        return speaker.predicate(node)
    if node.args.get("unnest") is not None or node.args.get("field") is not None or not node.expressions:
        raise NotPushed("IN of a list value, or of nothing, is computed by the local engine")
    said = say(node.this, speaker)
    sql, column = said.sql, said.column
    if column.comparison is Comparison.UNLIKE:
        raise NotPushed(unlike(column, "IN"))
    constants = members(node, speaker.params)
    if _is_whole(column.type, *constants) and any(not _has_fraction(found.value) for found in constants):
        constants = [found for found in constants if not _has_fraction(found.value)]
    literals = [speaker.literal(found, column) for found in constants]
    word = "NOT IN" if is_negated else "IN"
    plain = f"{sql} {word} ({', '.join(literals)})"
    if column.comparison in (Comparison.SAME, Comparison.EQUALITY):
        return Offer(plain, True, said.is_strict)
    if column.type.family == "text":
        ordered = speaker.dialect.by_bytes(sql, column)
        if ordered is not None and (is_negated or not column.physical):
            return Offer(f"{ordered} {word} ({', '.join(literals)})", True, said.is_strict)
        exact = speaker.dialect.same_text(sql, column, literals)
        if exact is not None and not is_negated:
            return Offer(exact, True, said.is_strict)
    elif (checked := _checked(said, speaker)) is not None:
        return Offer(f"({plain} AND {checked} IS NOT NULL)", True, said.is_strict)
    if is_negated or column.comparison is Comparison.BYTES:
        raise NotPushed("IN and its opposite are only roughly the same there")
    return Offer(plain, False, said.is_strict)


def _is_test(node: exp.Is, speaker: Speaker, *, is_negated: bool = False) -> Offer:
    if isinstance(node.expression, exp.Boolean):
        return _truth_test(node, speaker, is_negated=is_negated)
    if not isinstance(node.expression, exp.Null):
        raise NotPushed(f"{render(node)} is computed by the local engine")
    said = say(node.this, speaker)
    column, sql = said.column, _checked(said, speaker) or said.sql
    is_certain = column.comparison in (Comparison.SAME, Comparison.EQUALITY) or column.type.family == "text"
    if column.policy != "error" or not (is_certain or sql != said.sql):
        raise NotPushed(f"whether {column.name} is NULL is decided by how its values are read")
    if is_negated:
        return Offer(f"{sql} IS NOT NULL", True, said.is_strict)
    return Offer(f"{sql} IS NULL", True, False)


def _truth_test(node: exp.Is, speaker: Speaker, *, is_negated: bool) -> Offer:
    """`p IS [NOT] TRUE`, for conditions that are exact: they may stand inside of a CASE."""
    word = "TRUE" if node.expression.this else "FALSE"
    inner = decide(node.this, speaker)
    if speaker.dialect.name not in ("postgres", "mysql", "duckdb"):
        raise NotPushed(f"IS {word} is computed by the local engine")
    return Offer(f"({inner.sql}) IS {'NOT ' if is_negated else ''}{word}", True, False)


def _like(node: exp.Expr, pattern: exp.Expr, form: str, speaker: Speaker) -> Offer:
    """LIKE; `form` makes a pattern of a text that is no pattern, where it holds no wildcard."""
    said = say(node, speaker)
    column, found = said.column, constant(pattern, speaker.params)
    if column.type.family != "text" or not isinstance(found.value, str) or column.comparison is Comparison.UNLIKE:
        raise NotPushed("LIKE on something other than text")
    if form != "{}" and ("%" in found.value or "_" in found.value):
        raise NotPushed("a search for a text with % or _ in it is made by the local engine")
    wanted = replace(found, value=form.replace("{}", found.value))
    spoken = speaker.dialect.like(said.sql, column, speaker.literal(wanted, column))
    if spoken is None:
        raise NotPushed(unlike(column, "LIKE"))
    return Offer(spoken[0], spoken[1], said.is_strict)


def _flag(node: exp.Expr, speaker: Speaker) -> Offer:
    """A boolean value as a condition."""
    said = say(node, speaker)
    if said.type.family != "boolean" or said.column.comparison is not Comparison.SAME:
        raise NotPushed(f"{render(node)} as a condition is computed by the local engine")
    return Offer(f"{said.sql} = {speaker.dialect.literal(True)}", True, said.is_strict)
