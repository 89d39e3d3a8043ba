"""A value in a database's own words, computed there as DuckDB computes it: type, NULLs and overflow included.

    o.total                       "total"                                     DECIMAL(12,2), the stored column
    extract(year from d)          CASE WHEN isfinite("d") THEN CAST(…) END    BIGINT
    price * (1 - discount)        CAST("price" * (1 - "discount") AS numeric(18,4))   an overflow is an error there too

What a value's type is in DuckDB is a rule per operation here; how a database says the operation is a cell of
`dialects/capabilities.py`, and an operation without a cell stays with the local engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Unsayable
from fedq.dialects.capabilities import CAPABILITIES
from fedq.dialects.checked import sound, type_name, within
from fedq.plan import numbers
from fedq.plan.constants import Constant, NotPushed, constant
from fedq.plan.speaker import Offer, Speaker
from fedq.sql import copied, exp, first, render, type_text
from fedq.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, TIMESTAMP, VARCHAR, Comparison, Type, parse_type

_NUMBERS = ("integer", "decimal")
_PREDICATES = (
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Like, exp.Is,
    exp.StartsWith, exp.EndsWith, exp.Contains, exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip
#: a decimal of so many digits is a double without rounding twice
_DOUBLE_DIGITS = 15
_MOMENT_TYPES = {"date": DATE, "datetime": TIMESTAMP}


@dataclass(frozen=True, slots=True)
class Said:
    """A value in a database's own words; exact: the database computes what DuckDB computes."""

    sql: str
    column: Column
    """The stored column when it is one; otherwise a description: no name, DuckDB's type, how it compares there."""
    is_strict: bool = True
    """Whether it is NULL for a row whose columns are all NULL."""
    most: Decimal | None = None
    """No number that it can be is further from zero; None: as far as its type goes."""
    is_literal: bool = False
    """Whether it stood in the text, so that a number's type is that of what it meets."""
    constant: Constant | None = None

    @property
    def type(self) -> Type:
        """DuckDB's type of it."""
        return self.column.type

    @property
    def reach(self) -> Decimal:
        """The furthest that it can be from zero."""
        return numbers.most_of(self.type) if self.most is None else self.most


def say(node: exp.Expr, speaker: Speaker) -> Said:
    """The value of an expression. Raises: NotPushed."""
    match node:
        case exp.Paren():
            return say(node.this, speaker)
        case exp.Column():
            return Said(*speaker.column(node))
        case exp.Subquery():
            return speaker.scalar(node)
        case exp.AggFunc():
            return speaker.aggregate(node)
    if not is_open(node) and not _is_computed(node):
        try:
            return _constant(node, speaker)
        except NotPushed:
            if _saying(node) is None:
                raise
    if isinstance(node, _PREDICATES):
        return _truth(node, speaker)
    saying = _saying(node)
    if saying is None:
        raise NotPushed(f"{node.key} is computed by the local engine")
    return saying(node, speaker)


def _saying(node: exp.Expr) -> Callable[[exp.Expr, Speaker], Said] | None:
    from fedq.plan.functions import FUNCTIONS  # functions hold values, and values functions

    return _SAYINGS.get(type(node)) or FUNCTIONS.get(type(node))


def _is_computed(node: exp.Expr) -> bool:
    """Whether a constant's type in DuckDB is that of an operation: `0.06 - 0.01` has one digit more."""
    return isinstance(node, (exp.Add, exp.Sub, exp.Mul)) and not isinstance(node.expression, exp.Interval)


def is_open(node: exp.Expr) -> bool:
    """Whether a value depends on rows."""
    return first(node, exp.Column, exp.Subquery, exp.AggFunc, exp.Select) is not None


def described(type_: Type, *, comparison: Comparison = Comparison.SAME, collation: str | None = None) -> Column:
    """A column that is not stored: what is known of a computed value."""
    native = "text" if type_ == VARCHAR else str(type_).lower()
    return Column("", type_, "", native, comparison=comparison, collation=collation)


def operand(node: exp.Expr, speaker: Speaker) -> Said:
    """An expression as a value that may be computed with. Raises: NotPushed."""
    return as_operand(say(node, speaker), speaker)


def as_operand(said: Said, speaker: Speaker) -> Said:
    """A value that may be computed with: one that compares as in DuckDB, or fails there. Raises: NotPushed."""
    if said.constant is not None:
        return said
    if said.type.family == "text":
        return _text(said, speaker)
    if said.column.comparison is Comparison.SAME and not said.column.physical:
        return said
    checked = sound(speaker.dialect, said.sql, said.column)
    if checked is None or (not speaker.is_sole and checked[0] != said.sql):
        raise NotPushed(f"{said.column.name} ({said.column.native}) may hold what is no {said.type}; {_LOCAL}")
    return said if checked[0] == said.sql else replace(said, sql=checked[0], column=checked[1])


_LOCAL = "it is computed by the local engine"


def decide(node: exp.Expr, speaker: Speaker) -> Offer:
    """A condition inside a value: exact both ways, and no value that is none is taken for false. Raises: NotPushed."""
    from fedq.plan.translate import translate  # predicates hold values, and values predicates

    def _resolve(column: exp.Column) -> tuple[str, Column] | None:
        found = speaker.resolve(column)
        if found is None or found[1].type.family == "text" or not speaker.is_sole:
            return found
        return sound(speaker.dialect, *found) or found

    offer = translate(node, replace(speaker, resolve=_resolve))
    if not offer.is_exact:
        raise NotPushed(f"{render(node)} is only roughly the same there")
    return offer


def _text(said: Said, speaker: Speaker) -> Said:
    """A text under a rule that never conflicts with another's: by its bytes, or as UTF-8."""
    column, dialect = said.column, speaker.dialect
    if not column.physical:
        return said
    if column.policy != "error" or column.comparison is Comparison.UNLIKE:
        raise NotPushed(f"{column.name} ({column.native}) is read in another way; {_LOCAL}")
    if dialect.name == "mysql":
        if dialect.by_bytes(said.sql, column) is None:
            raise NotPushed(f"{column.name} has a collation of its own; {_LOCAL}")
        return replace(said, sql=f"CONVERT({said.sql} USING utf8mb4)", column=text_column(speaker))
    ordered = dialect.by_bytes(said.sql, column)
    if ordered is None:
        raise NotPushed(f"{column.name} ({column.native}) is not UTF-8 there; {_LOCAL}")
    return replace(said, sql=f"({ordered})", column=text_column(speaker))


def text_column(speaker: Speaker) -> Column:
    """What a computed text is."""
    if speaker.dialect.name == "mysql":
        return described(VARCHAR, comparison=Comparison.LOOSE, collation="utf8mb4_general_ci")
    return described(VARCHAR)


def _constant(node: exp.Expr, speaker: Speaker) -> Said:
    found = constant(node, speaker.params)
    type_ = type_of_value(found.value)
    try:
        sql = speaker.dialect.literal(found.value, type_)
    except Unsayable as reason:
        raise NotPushed(f"{reason} cannot be said there") from reason
    column = text_column(speaker) if type_ == VARCHAR else described(type_)
    most = Decimal(found.value).copy_abs() if type_.family in _NUMBERS else None
    is_literal = first(node, exp.Placeholder, exp.Cast) is None
    return Said(sql, column, is_strict=False, most=most, is_literal=is_literal, constant=found)


def type_of_value(value: Any) -> Type:
    """DuckDB's type of a constant. Raises: NotPushed."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, (int, Decimal)):
        found = numbers.number_type(value)
    else:
        found = {float: DOUBLE, str: VARCHAR}.get(type(value)) or _MOMENT_TYPES.get(type(value).__name__)
    if found is None:
        raise NotPushed(f"a constant of type {type(value).__name__} is computed by the local engine")
    return found


def cell(operation: str, family: str, speaker: Speaker, *parts: str) -> str:
    """An operation in the database's words. Raises: NotPushed."""
    template = CAPABILITIES[speaker.dialect.name].get((operation, family))
    if template is None:
        raise NotPushed(f"{operation} of {family} is computed by the local engine")
    return template.format(*parts)


def _truth(node: exp.Expr, speaker: Speaker) -> Said:
    """A condition as a value."""
    sql = cell("value", "boolean", speaker, decide(node, speaker).sql)
    return Said(f"({sql})", described(BOOLEAN), is_strict=False)


# numbers


def _arithmetic(operation: str) -> Callable[[exp.Expr, Speaker], Said]:
    def _saying(node: exp.Expr, speaker: Speaker) -> Said:
        if isinstance(node.expression, exp.Interval):
            from fedq.plan.functions import shifted

            return shifted(node, speaker)
        left, right = operand(node.this, speaker), operand(node.expression, speaker)
        families = {left.type.family, right.type.family}
        if families == {"date"} and operation == "sub":
            days = [cell("days", "date", speaker, side.sql) for side in (left, right)]
            strict = left.is_strict or right.is_strict
            return Said(f"({days[0]} - {days[1]})", described(BIGINT), strict, most=Decimal(2**33))
        if not families <= set(_NUMBERS):
            if speaker.dialect.name == "duckdb" and families <= {*_NUMBERS, "float"}:
                return _computed(operation, "float", DOUBLE, (left, right), speaker)
            raise NotPushed(f"arithmetic with {left.type} and {right.type} is done by the local engine")
        return _number(operation, left, right, speaker)

    return _saying


def _number(operation: str, left: Said, right: Said, speaker: Speaker) -> Said:
    is_integer = left.type.family == right.type.family == "integer"
    if is_integer:
        type_ = numbers.common_integer(left, right)
    else:
        rule = numbers.product_type if operation == "mul" else numbers.sum_type
        type_ = rule(left.type, right.type)
    most = left.reach * right.reach if operation == "mul" else left.reach + right.reach
    sides = [_fitted(side, type_, operation, speaker) for side in (left, right)]
    if operation == "sub" and speaker.dialect.name == "mysql" and type_.name == "BIGINT" and right.reach >= 2**63:
        # MariaDB's 0 - b is -2**63 for a b of -2**63, without an error; its - b is one
        operation, sides[1] = "add", cell("neg", "integer", speaker, sides[1])
    sql = cell(operation, type_.family, speaker, *sides)
    return Said(_bounded(sql, type_, most, speaker), described(type_), left.is_strict or right.is_strict, most)


def _fitted(side: Said, type_: Type, operation: str, speaker: Speaker) -> str:
    """One side of an operation, such that the database computes in a type that is wide enough."""
    name = speaker.dialect.name
    if side.type.name == "UBIGINT" or (side.type.name == "HUGEINT" and type_.family == "decimal"):
        raise NotPushed(f"arithmetic with {side.type} is done by the local engine")
    if type_.family == "integer":
        if name == "postgres" and type_.name == "SMALLINT" and side.type != type_:
            return f"CAST({side.sql} AS smallint)"
        if name == "mysql" and side.type.name.startswith("U"):
            return f"CAST({side.sql} AS SIGNED)"
        return side.sql
    if operation != "mul" and side.reach > numbers.capacity(type_):
        return _bounded(side.sql, type_, side.reach, speaker)
    return side.sql


def _bounded(sql: str, type_: Type, most: Decimal, speaker: Speaker) -> str:
    """A result that is an error where DuckDB's overflows. Raises: NotPushed."""
    if most < numbers.capacity(type_) or speaker.dialect.name == "duckdb":
        return sql
    is_native = type_.family == "integer" and {
        "postgres": type_.name in ("SMALLINT", "INTEGER", "BIGINT"),
        "mysql": type_.name == "BIGINT",
    }.get(speaker.dialect.name, False)
    if is_native:
        return sql
    said = None if type_.name == "HUGEINT" else within(speaker.dialect, sql, type_)
    if said is None:
        raise NotPushed(f"a result that may be too large for {type_} is computed by the local engine")
    return said


def _sign(operation: str) -> Callable[[exp.Expr, Speaker], Said]:
    def _saying(node: exp.Expr, speaker: Speaker) -> Said:
        side = operand(node.this, speaker)
        family = side.type.family
        if family not in (*_NUMBERS, "float") or side.type.name.startswith("U"):
            raise NotPushed(f"{operation} of {side.type} is computed by the local engine")
        if family == "float":
            return _computed(operation, family, side.type, (side,), speaker)
        sql = cell(operation, family, speaker, side.sql)
        if family == "integer":
            sql = _bounded(sql, side.type, side.reach, speaker)
        return Said(sql, described(side.type), side.is_strict, side.reach)

    return _saying


def _division(node: exp.Expr, speaker: Speaker) -> Said:
    """DuckDB divides as doubles; by zero it gives an infinity or NaN, which is said only where the divisor is known."""
    left, right = operand(node.this, speaker), operand(node.expression, speaker)
    if speaker.dialect.name != "duckdb":
        for side in (left, right):
            is_exact = side.type.family == "integer" or (side.type.precision or 99) <= _DOUBLE_DIGITS
            if side.type.family not in _NUMBERS or not is_exact or side.type.name == "HUGEINT":
                raise NotPushed(f"a division with {side.type} is done by the local engine")
        if right.constant is None or right.constant.value == 0:
            raise NotPushed("a division by what may be zero is done by the local engine (div)")
    return _computed("divide", left.type.family, DOUBLE, (left, right), speaker)


def _computed(operation: str, family: str, type_: Type, sides: Sequence[Said], speaker: Speaker) -> Said:
    sql = cell(operation, family, speaker, *(side.sql for side in sides))
    return Said(sql, described(type_), any(side.is_strict for side in sides))


# choices


def _alike(sides: Sequence[Said]) -> Type:
    """The one type of several values, NULLs left out. Raises: NotPushed."""
    families = {side.type.family for side in sides}
    if families <= set(_NUMBERS):
        return numbers.common_number(sides)
    types = {side.type for side in sides}
    if len(types) != 1:
        raise NotPushed(f"{' and '.join(sorted(map(str, types)))} in one value: {_LOCAL}")
    return types.pop()


def _choice_column(type_: Type, speaker: Speaker) -> Column:
    return text_column(speaker) if type_ == VARCHAR else described(type_)


def _case(node: exp.Expr, speaker: Speaker) -> Said:
    arms = [(arm.this, arm.args["true"]) for arm in node.args["ifs"]]
    if node.this is not None:
        arms = [(exp.EQ(this=copied(node.this), expression=copied(when)), then) for when, then in arms]
    return _chosen(arms, node.args.get("default"), speaker)


def _if(node: exp.Expr, speaker: Speaker) -> Said:
    return _chosen([(node.this, node.args["true"])], node.args.get("false"), speaker)


def _chosen(arms: Sequence[tuple[exp.Expr, exp.Expr]], other: exp.Expr | None, speaker: Speaker) -> Said:
    values = [then for _, then in arms] + ([other] if other is not None else [])
    sides = {id(value): operand(value, speaker) for value in values if not isinstance(value.unnest(), exp.Null)}
    if not sides:
        raise NotPushed("a CASE of NULLs")
    type_ = _alike(list(sides.values()))

    def _said(value: exp.Expr) -> str:
        return sides[id(value)].sql if id(value) in sides else "NULL"

    parts = [f"WHEN {decide(when, speaker).sql} THEN {_said(then)}" for when, then in arms]
    if other is not None:
        parts.append(f"ELSE {_said(other)}")
    most = max(side.reach for side in sides.values()) if type_.family in _NUMBERS else None
    sql = cell("case", type_.family, speaker, " ".join(parts))
    return Said(f"({sql})", _choice_column(type_, speaker), is_strict=False, most=most)


def _first(operation: str) -> Callable[[exp.Expr, Speaker], Said]:
    def _saying(node: exp.Expr, speaker: Speaker) -> Said:
        sides = [operand(side, speaker) for side in (node.this, *node.expressions)]
        type_ = _alike(sides)
        sql = cell(operation, type_.family, speaker, ", ".join(side.sql for side in sides))
        most = max(side.reach for side in sides) if type_.family in _NUMBERS else None
        return Said(sql, _choice_column(type_, speaker), all(side.is_strict for side in sides), most)

    return _saying


def _nullif(node: exp.Expr, speaker: Speaker) -> Said:
    side = operand(node.this, speaker)
    same = decide(exp.EQ(this=copied(node.this), expression=copied(node.expression)), speaker)
    sql = cell("case", side.type.family, speaker, f"WHEN {same.sql} THEN NULL ELSE {side.sql}")
    return Said(f"({sql})", _choice_column(side.type, speaker), side.is_strict, side.most)


# casts


def _cast(node: exp.Expr, speaker: Speaker) -> Said:
    side, type_ = operand(node.this, speaker), parse_type(type_text(node.args["to"]))
    if side.type == type_:
        return side
    if not _fits(side, type_, speaker):
        raise NotPushed(f"a cast of {side.type} to {type_} is made by the local engine")
    name = type_name(speaker.dialect, type_) or ""
    sql = cell(f"to_{type_.family}", side.type.family, speaker, side.sql, name)
    most = side.reach if type_.family in _NUMBERS and side.type.family in _NUMBERS else None
    return Said(sql, _choice_column(type_, speaker), side.is_strict, most)


def _fits(side: Said, type_: Type, speaker: Speaker) -> bool:
    """Whether every value survives the cast, in the database as in DuckDB."""
    source, target = side.type, type_
    if speaker.dialect.name == "duckdb":
        return True
    match source.family, target.family:
        case ("integer", "integer"):
            return side.reach < numbers.capacity(target) and not {source.name, target.name} & {"HUGEINT", "UBIGINT"}
        case ("integer" | "decimal", "decimal"):
            has_name = type_name(speaker.dialect, target) is not None
            return has_name and side.reach <= numbers.capacity(target) and (source.scale or 0) <= (target.scale or 0)
        case ("integer", "float"):
            return target == DOUBLE and source.name != "HUGEINT"
        case ("decimal", "float"):
            return target == DOUBLE and (source.precision or 99) <= _DOUBLE_DIGITS
        case ("boolean", "integer"):
            return target == INTEGER
        case ("integer", "text"):
            return source.name != "HUGEINT"
        case ("date", "timestamp") | ("timestamp", "date"):
            return True
    return False


_SAYINGS: dict[type[exp.Expr], Callable[[exp.Expr, Speaker], Said]] = {
    exp.Add: _arithmetic("add"), exp.Sub: _arithmetic("sub"), exp.Mul: _arithmetic("mul"), exp.Neg: _sign("neg"),
    exp.Abs: _sign("abs"), exp.Div: _division, exp.Case: _case, exp.If: _if,
    exp.Coalesce: _first("coalesce"), exp.Greatest: _first("greatest"), exp.Least: _first("least"),
    exp.Nullif: _nullif, exp.Cast: _cast,
}  # fmt: skip
