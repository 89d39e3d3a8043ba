"""Logical column types: DuckDB's types, by name, with what a planner must know of them.

A type is data, spelled as DuckDB spells it, so that a column that passes through fedq has one type however it was
stored.
Nested types (`INTEGER[]`, `STRUCT(a INTEGER)`) are kept as their text: fedq moves them, only DuckDB looks inside.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

#: other spellings → the one fedq uses
_ALIASES = {
    "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN", "INT1": "TINYINT", "INT2": "SMALLINT", "SHORT": "SMALLINT",
    "INT": "INTEGER", "INT4": "INTEGER", "SIGNED": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT",
    "UINT8": "UTINYINT", "UINT16": "USMALLINT", "UINT32": "UINTEGER", "UINT64": "UBIGINT",
    "FLOAT4": "FLOAT", "REAL": "FLOAT", "FLOAT8": "DOUBLE", "TEXT": "VARCHAR", "STRING": "VARCHAR",
    "CHAR": "VARCHAR", "BPCHAR": "VARCHAR", "BYTEA": "BLOB", "BINARY": "BLOB", "VARBINARY": "BLOB", "BYTES": "BLOB",
    "DATETIME": "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "TIME WITHOUT TIME ZONE": "TIME", "TIME WITH TIME ZONE": "TIMETZ", "NUMERIC": "DECIMAL", "DEC": "DECIMAL",
}  # fmt: skip

_FAMILIES = {
    "BOOLEAN": "boolean", "TINYINT": "integer", "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "integer",
    "HUGEINT": "integer", "UTINYINT": "integer", "USMALLINT": "integer", "UINTEGER": "integer", "UBIGINT": "integer",
    "UHUGEINT": "integer", "DECIMAL": "decimal", "FLOAT": "float", "DOUBLE": "float", "VARCHAR": "text", "BLOB": "blob",
    "DATE": "date", "TIME": "time", "TIMESTAMP": "timestamp", "TIMESTAMPTZ": "timestamptz", "INTERVAL": "interval",
    "UUID": "uuid", "JSON": "json",
}  # fmt: skip

_RANGES = {
    "TINYINT": (-(2**7), 2**7 - 1), "SMALLINT": (-(2**15), 2**15 - 1), "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1), "HUGEINT": (-(2**127), 2**127 - 1), "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1), "UINTEGER": (0, 2**32 - 1), "UBIGINT": (0, 2**64 - 1), "UHUGEINT": (0, 2**128 - 1),
}  # fmt: skip

#: digits of DuckDB's widest DECIMAL
MOST_DIGITS = 38

#: bytes a value takes on its way, for estimates only
_WIDTHS = {"BOOLEAN": 1, "TINYINT": 1, "SMALLINT": 2, "INTEGER": 4, "DATE": 4, "FLOAT": 4, "VARCHAR": 24,
           "BLOB": 64, "JSON": 96, "UUID": 16, "DECIMAL": 12, "HUGEINT": 16}  # fmt: skip


_NOT_IN_ARROW = re.compile(r"\b(?:BIT|BIGNUM|TIMETZ|TIME WITH TIME ZONE)\b")


@dataclass(frozen=True, slots=True)
class Type:
    """One DuckDB type.

    >>> str(Type("DECIMAL", 12, 2)), Type("DECIMAL", 12, 2).family
    ('DECIMAL(12,2)', 'decimal')
    """

    name: str
    """DuckDB's name in capitals (`INTEGER`, `VARCHAR`, `TIMESTAMPTZ`), or the whole text of a nested type."""
    precision: int | None = None
    """Digits in all, decimals only."""
    scale: int | None = None
    """Digits after the point, decimals only."""

    def __str__(self) -> str:
        return f"{self.name}({self.precision},{self.scale})" if self.name == "DECIMAL" else self.name

    @property
    def family(self) -> str:
        """integer, decimal, float, text, blob, boolean, date, time, timestamp, timestamptz, interval, uuid, json or
        other."""
        return _FAMILIES.get(self.name, "other")

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers."""
        return self.family in ("integer", "decimal", "float")

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Smallest and largest value of an integer type."""
        return _RANGES.get(self.name)

    @property
    def width(self) -> int:
        """Typical bytes of one value, for estimates."""
        return _WIDTHS.get(self.name, 8)


BOOLEAN, INTEGER, BIGINT, DOUBLE = Type("BOOLEAN"), Type("INTEGER"), Type("BIGINT"), Type("DOUBLE")
VARCHAR, BLOB, DATE, TIMESTAMP, TIMESTAMPTZ = (
    Type("VARCHAR"), Type("BLOB"), Type("DATE"), Type("TIMESTAMP"), Type("TIMESTAMPTZ"),
)  # fmt: skip


def parse_type(text: str) -> Type:
    """DuckDB's spelling of a type, or an alias of it, as a `Type`.

    >>> parse_type("numeric(12, 2)"), parse_type("int[]")
    (Type(name='DECIMAL', precision=12, scale=2), Type(name='int[]', precision=None, scale=None))
    """
    match = re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*", text)
    if match is None:
        return Type(text.strip())
    name = " ".join(match[1].upper().split())
    name = _ALIASES.get(name, name)
    if name == "DECIMAL":
        return Type("DECIMAL", int(match[2] or 18), int(match[3] or (0 if match[2] else 3)))
    return Type(name) if name in _FAMILIES else Type(text.strip())


def is_text_in_answers(name: str) -> bool:
    """Whether values of the type are text in an answer: Arrow would carry raw bytes, or a time without its offset.

    >>> is_text_in_answers("BIT"), is_text_in_answers("STRUCT(a TIME WITH TIME ZONE)"), is_text_in_answers("TIME[]")
    (True, True, False)
    """
    return _NOT_IN_ARROW.search(re.sub('"[^"]*"', "", name)) is not None


class Comparison(enum.Enum):
    """How a column's own database compares its values, measured against DuckDB's rules (bytes for text)."""

    SAME = "same"
    """=, <, ORDER BY, GROUP BY, MIN and MAX all mean what they mean in DuckDB."""
    EQUALITY = "equality"
    """= and GROUP BY mean the same, order does not (PostgreSQL text under a deterministic locale)."""
    BYTES = "bytes"
    """= may miss an equal text, which has several forms there (∪ in cp932): only its bytes in UTF-8 can be compared."""
    LOOSE = "loose"
    """= is true at least wherever DuckDB's is, and for more (case, accents, trailing blanks): a superset, never
    exact."""
    UNLIKE = "unlike"
    """Nothing can be said (mixed storage classes, floats printed by the server): compare nothing there."""
