"""Comparisons that DuckDB would make and nobody wants: refused at bind, with the cast that says what is meant.

    on a.big = b.ratio      BIGINT with DOUBLE: 9007199254740993 equals 9007199254740992.0
    on a.doc = b.doc        JSON with JSON: compares the text, in which order and spaces count
    where local = instant   TIMESTAMP with TIMESTAMPTZ: depends on a time zone that nobody named

(semantics: one answer, lossless or loud; comparing a naive time with an instant is an error unless cast.)
"""

from __future__ import annotations

from fedq.bind.scope import Occurrence, Scopes
from fedq.catalog.schema import Column
from fedq.errors import InvalidQuery
from fedq.sql import exp, span_of

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_WIDE = frozenset({"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"})
_NAIVE = frozenset({"timestamp", "date"})


def check_comparisons(text: str, scopes: Scopes) -> None:
    """Refuse comparisons of columns whose meaning is a guess. Raises: InvalidQuery."""
    for node in scopes.every(*_COMPARISONS):
        left, right = node.this, node.expression
        if not isinstance(left, exp.Column) or not isinstance(right, exp.Column):
            continue
        one, other = scopes.resolve(left), scopes.resolve(right)
        if one is not None and other is not None and (problem := _problem(one, other)) is not None:
            message, hint = problem
            raise InvalidQuery(message, sql=text, span=span_of(*left.parts, *right.parts), hint=hint)


def _problem(one: tuple[Occurrence, Column], other: tuple[Occurrence, Column]) -> tuple[str, str] | None:
    """What is wrong with a comparison of two columns, and what to write instead."""
    left, right = one[1], other[1]
    names = f"{one[0].alias}.{left.name} ({left.type}) with {other[0].alias}.{right.name} ({right.type})"
    families = {left.type.family, right.type.family}
    if left.type.family == "json" or right.type.family == "json":
        return (
            f"{names}: JSON is compared by a function only",
            "Compare a value in it: doc->>'key', or cast: doc::VARCHAR.",
        )
    if "timestamptz" in families and families & _NAIVE:
        return (
            f"{names}: a time without zone and an instant",
            "Say which zone is meant, with a cast: t::TIMESTAMPTZ is UTC.",
        )
    is_lossy = "float" in families and ({left.type.name, right.type.name} & _WIDE)
    if is_lossy and one[0].id != other[0].id:
        hint = "Cast one side: x::DOUBLE to compare as doubles, or d::DECIMAL(38,0) to compare exactly."
        return f"{names}: a double does not tell large integers apart", hint
    return None
