"""SQLAlchemy's column types as fedq's, by the names of their classes.

    Numeric(12, 2) → DECIMAL(12,2)     DateTime(timezone=True) → TIMESTAMPTZ     mssql.BIT (a Boolean) → BOOLEAN

Integers are BIGINT whatever they are called, since `INTEGER` is 64 bits wide in some databases and 38 digits in others;
what does not fit is loud. Nothing but integers is compared in a database that fedq does not know.
"""

from __future__ import annotations

from typing import Any

from fedq.types import (
    BIGINT,
    BLOB,
    BOOLEAN,
    DATE,
    DOUBLE,
    MOST_DIGITS,
    TIMESTAMP,
    TIMESTAMPTZ,
    VARCHAR,
    Comparison,
    Type,
)

#: the first class of a type's family that is here decides
_SIMPLE = {
    "Boolean": BOOLEAN, "Integer": BIGINT, "Float": DOUBLE, "Date": DATE, "Time": Type("TIME"), "Uuid": Type("UUID"),
    "UUID": Type("UUID"), "Interval": Type("INTERVAL"), "INTERVAL": Type("INTERVAL"), "JSON": Type("JSON"),
    "LargeBinary": BLOB, "_Binary": BLOB, "Enum": VARCHAR, "String": VARCHAR,
}  # fmt: skip


def type_of(type_: Any) -> Type:
    """fedq's type for a reflected one; what is not known is text, and loud when it is not."""
    for base in type(type_).__mro__:
        if base.__name__ == "DateTime":
            return TIMESTAMPTZ if getattr(type_, "timezone", False) else TIMESTAMP
        if base.__name__ == "Float":
            return DOUBLE
        if base.__name__ == "Numeric":
            return _decimal(getattr(type_, "precision", None), getattr(type_, "scale", None))
        if base.__name__ in _SIMPLE:
            return _SIMPLE[base.__name__]
    return VARCHAR


def _decimal(precision: int | None, scale: int | None) -> Type:
    """Without digits, a DOUBLE: it holds what has few enough of them, and the rest is loud."""
    if precision is None:
        return DOUBLE
    digits, after = min(precision, MOST_DIGITS), scale or 0
    return Type("DECIMAL", digits, after) if 0 <= after <= digits else DOUBLE


def comparison_of(type_: Type, dialect: str) -> Comparison:
    """How far comparisons agree: integers do, except in SQLite, where text may stand among them."""
    if type_.family != "integer":
        return Comparison.UNLIKE
    return Comparison.LOOSE if dialect == "sqlite" else Comparison.SAME
