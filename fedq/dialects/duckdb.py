"""What DuckDB can say: everything that the local engine can, for it is the same engine."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.carriers import NUL, PLAIN, QUOTED, Carrier, Keys, Spelling, Target, listed
from fedq.types import MOST_DIGITS, Type, is_text_in_answers

#: keys up to this number are a list of constants
_FEW = 50
_SPELLINGS = {
    "integer": Spelling(PLAIN),
    "text": Spelling(QUOTED, NUL),
    "date": Spelling(f"'DATE ' || {QUOTED}"),
    "uuid": Spelling(f"'UUID ' || {QUOTED}"),
}
#: what separates texts: the control character for it
_UNIT, _MARK = "\x1f", "chr(31)"


class DuckDBDialect(Dialect):
    """DuckDB files, files that DuckDB reads, and DataFrames."""

    name = "duckdb"
    max_keys = 1_000_000
    max_literals = 5_000

    def text(self, value: str) -> str:
        """A text value; a NUL character, which the parser stops at, is said by its code.

        Not in parentheses, behind IN they would be a list.
        """
        if "\0" not in value:
            return super().text(value)
        return f"concat({', chr(0), '.join(super(DuckDBDialect, self).text(part) for part in value.split(chr(0)))})"

    def blob(self, value: bytes) -> str:
        """A binary value: DuckDB's X'…' would be text."""
        return f"from_hex('{value.hex()}')"

    def date(self, value: dt.date) -> str:
        """A date, with four digits of the year."""
        return f"DATE '{value.isoformat()}'"

    def timestamptz(self, value: dt.datetime) -> str:
        """An instant, in UTC."""
        return f"TIMESTAMPTZ '{value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=' ')}+00'"

    def double(self, value: float) -> str:
        """A double, by its shortest text; also NaN and the infinities."""
        if math.isnan(value):
            return "CAST('nan' AS DOUBLE)"
        if math.isinf(value):
            return f"CAST('{'-' if value < 0 else ''}inf' AS DOUBLE)"
        said = f"{value!r}" if "e" in repr(value) else f"{value!r}e0"
        return f"({said})" if said.startswith("-") else said

    def literal(self, value: Any, type_: Type | None = None) -> str:
        """A Python value as a literal.

        >>> DUCKDB.literal(-1.5), DUCKDB.literal(b"a"), DUCKDB.literal(dt.time(12, 30))
        ('(-1.5e0)', "from_hex('61')", "TIME '12:30:00'")

        Raises: Unsayable, also for numbers of more digits than DuckDB's decimals have.
        """
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            digits = [character for character in f"{Decimal(value):f}" if character.isdigit()]
            if Decimal(value).is_finite() and len(digits) > MOST_DIGITS:  # the literal would be a DOUBLE
                raise Unsayable(f"a number of more than {MOST_DIGITS} digits")
            if isinstance(value, Decimal) and value.is_finite() and int(value.as_tuple().exponent) >= 0:
                return f"CAST({value:f} AS DECIMAL({len(digits)},0))"  # without a point it would be an integer
        if isinstance(value, dt.time) and value.tzinfo is None:
            return f"TIME '{value.isoformat()}'"
        if isinstance(value, uuid.UUID):
            return f"UUID '{value}'"
        return super().literal(value, type_)

    def by_bytes(self, sql: str, column: Column) -> str | None:
        """Text under the collation that compares bytes, whatever the column declares."""
        return f'{sql} COLLATE "binary"'

    def same_text(self, sql: str, column: Column, literals: Sequence[str]) -> str | None:
        """By bytes, whatever the column declares."""
        return f"{self.by_bytes(sql, column)} IN ({', '.join(literals)})" if literals else None

    def carrier(self, targets: Sequence[Target], count: int) -> Carrier | None:
        """One text cast to a list: a list of constants takes thirty times as long to parse. A few stay a list, which
        lets whole row groups be passed over."""
        lists = [_list_of(target.type, f"k{number}") for number, target in enumerate(targets)]
        if count <= _FEW:
            spellings = [_SPELLINGS.get(target.type.family) for target in targets]
            known = [spelling for spelling in spellings if spelling is not None]
            return listed(targets, known) if len(known) == len(spellings) else None
        if None in lists:
            return None
        parts: list[str | Keys] = [", ".join(target.sql for target in targets)]
        if len(targets) > 1:
            parts[0] = f"({parts[0]})"
        parts.append(" IN (SELECT ")
        for number, found in enumerate(lists):
            assert found is not None
            opening, keys, closing = found
            parts += [f"{', ' if number else ''}unnest({opening}", keys, f"{closing})"]
        unsayable = " OR ".join(
            f"contains(k{number}, {_MARK}) OR contains(k{number}, chr(0))"
            for number, target in enumerate(targets)
            if target.type.family == "text"
        )
        return Carrier("array", (*parts, ")"), unsayable or "false")

    def like(self, sql: str, column: Column, pattern: str) -> tuple[str, bool] | None:
        """LIKE as it is."""
        return f'{sql} COLLATE "binary" LIKE {pattern}' if column.collation else f"{sql} LIKE {pattern}", True


def in_answers(columns: Sequence[str], types: Sequence[str]) -> str:
    """The columns of a relation as an answer has them.

    >>> in_answers(["a", "b"], ["BIT", "INTEGER"])
    'CAST(#1 AS VARCHAR) AS "a", #2 AS "b"'
    """
    return ", ".join(
        f"{f'CAST(#{number} AS VARCHAR)' if is_text_in_answers(type_) else f'#{number}'} AS {DUCKDB.quote(name)}"
        for number, (name, type_) in enumerate(zip(columns, types, strict=True), 1)
    )


def _list_of(type_: Type, key: str) -> tuple[str, Keys, str] | None:
    """A list of keys of one type as a text: what is before them, how they are written, and what is behind."""
    if type_.family == "text":
        return "string_split('", Keys(f"replace({key}, '''', '''''')", _UNIT), f"', {_MARK})"
    if type_.family in ("integer", "decimal", "date", "uuid"):
        return "'[", Keys(f"{key}::VARCHAR"), f"]'::{type_}[]"
    return None


DUCKDB = DuckDBDialect()
