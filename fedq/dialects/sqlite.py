"""What SQLite can say exactly.

    9.99 (a DOUBLE)    → (5623870034678907 / CAST(562949953421312 AS REAL))   the same double, whatever its parser does
    DATE '2026-01-31'  → '2026-01-31'                                         SQLite has no dates, only their text
    s LIKE 'ab%'       → (s >= 'ab' AND s < 'ac')                             its LIKE ignores case, stops at a NUL

SQLite reads a decimal literal with long double arithmetic, or with double arithmetic where the compiler has no other,
and is then off by one unit in the last place for some values. Integers are read exactly everywhere, and a double's own
fraction, an integer below 2**53 over a power of two, is computed exactly: so is a double sent that is no short decimal.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.carriers import NUL, PLAIN, QUOTED, QUOTED_DATE, Carrier, Spelling, Target, listed
from fedq.types import Comparison, Type

#: digits that every double keeps
_EXACT_DIGITS = 15
#: the collation that `Column.collation` names where text is stored, and so compared, in UTF-16
UTF16 = "BINARY (UTF-16)"
#: keys from this number on are VALUES
_MANY = 20_000
_SPELLINGS = {
    "integer": Spelling(PLAIN, f"{{k}} NOT BETWEEN {-(2**63)} AND {2**63 - 1}"),
    "text": Spelling(QUOTED, NUL),
    "date": Spelling(QUOTED_DATE),
}


class SQLiteDialect(Dialect):
    """SQLite 3, on databases of unknown discipline: any value may stand in any column."""

    name = "sqlite"
    #: SQLite's CROSS JOIN means: in this order
    cross_join = "JOIN"
    max_keys = 500_000
    max_literals = 5_000

    def date(self, value: dt.date) -> str:
        """ISO text, the one form that fedq takes for a date in SQLite."""
        return self.text(value.isoformat())

    def timestamp(self, value: dt.datetime) -> str:
        """Raises: Unsayable, for the same moment is stored with a blank or a T, with or without a fraction."""
        raise Unsayable("a timestamp, which SQLite stores in several forms")

    def boolean(self, *, value: bool) -> str:
        """1 or 0."""
        return "1" if value else "0"

    def double(self, value: float) -> str:
        """A double, exactly."""
        if not math.isfinite(value):
            raise Unsayable("NaN or an infinity")
        short = f"{Decimal(value):f}"  # every binary fraction is a decimal one, most of them a long one
        if len(short.replace(".", "").replace("-", "").strip("0")) <= _EXACT_DIGITS and len(short) <= _EXACT_DIGITS:
            said = short if "." in short else f"{short}.0"
        else:
            numerator, denominator = value.as_integer_ratio()
            if abs(numerator) >= 2**63 or denominator >= 2**63:
                raise Unsayable("a double too large or too small for an exact fraction")
            said = f"({numerator} / CAST({denominator} AS REAL))"
        return f"({said})" if said.startswith("-") else said

    def literal(self, value: Any, type_: Type | None = None) -> str:
        """A Python value as a literal; a decimal as the nearest double, which is how SQLite stores it.

        >>> SQLITE.literal(True), SQLITE.literal(Decimal("2.50")), SQLITE.literal(dt.date(2026, 1, 31))
        ('1', '2.5', "'2026-01-31'")

        Raises: Unsayable, also for decimals of more than 15 digits, which doubles do not keep apart.
        """
        if isinstance(value, Decimal) and value.is_finite():
            if value == value.to_integral_value():
                value = int(value)
            elif len(f"{value:f}".replace(".", "").strip("-0")) > _EXACT_DIGITS:
                raise Unsayable("a decimal of more than 15 digits")
            else:
                return self.double(float(value))
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise Unsayable("an integer of more than 64 bits")
        if isinstance(value, dt.time):
            raise Unsayable("a time, which SQLite stores in several forms")
        return super().literal(value, type_)

    def by_bytes(self, sql: str, column: Column) -> str | None:
        """BINARY compares the bytes as they are stored, which are UTF-8 unless the database says UTF-16."""
        return None if column.collation == UTF16 else f"{sql} COLLATE BINARY"

    def limit(self, rows: int | None, skipped: int) -> str:
        """LIMIT and OFFSET; an OFFSET needs a LIMIT, and -1 is none."""
        return super().limit(-1 if rows is None and skipped else rows, skipped)

    def same_text(self, sql: str, column: Column, literals: Sequence[str]) -> str | None:
        """The column's own equality finds the rows by its index, BINARY keeps the right ones of them."""
        ordered = self.by_bytes(sql, column)
        if ordered is None or not literals:
            return None
        if len(literals) == 1:
            return f"({sql} = {literals[0]} AND {ordered} = {literals[0]})"
        many = ", ".join(literals)
        return f"({sql} IN ({many}) AND {ordered} IN ({many}))"

    def carrier(self, targets: Sequence[Target], count: int) -> Carrier | None:
        """A list of constants; very many as VALUES, which are read faster. Text by the column's own equality."""
        found = [_SPELLINGS.get(target.type.family) for target in targets]
        spellings = [spelling for spelling in found if spelling is not None]
        if len(spellings) < len(found):
            return None
        return listed(targets, spellings, are_values=count > _MANY or len(targets) > 1)

    def like(self, sql: str, column: Column, pattern: str) -> tuple[str, bool] | None:
        """A range of prefixes and `instr` for the literal pieces; exact for `p%`, `%p%` and without a wildcard."""
        text = pattern[1:-1].replace("''", "'")
        ordered = sql if column.comparison is Comparison.SAME else self.by_bytes(sql, column)
        pieces = text.replace("_", "%").split("%")
        said = [f"instr({sql}, {self.text(piece)}) > 0" for piece in pieces[1:] if piece]
        if pieces[0] and ordered is not None:
            if len(pieces) == 1:
                return f"{ordered} = {self.text(text)}", True
            said.insert(0, self._starts_with(ordered, pieces[0]))
        elif pieces[0]:
            said.insert(0, f"instr({sql}, {self.text(pieces[0])}) = 1")
        if not said:
            return None
        is_exact = "_" not in text and (text == f"{pieces[0]}%" or (len(pieces) == 3 and text == f"%{pieces[1]}%"))
        return f"({' AND '.join(said)})", is_exact

    def _starts_with(self, sql: str, prefix: str) -> str:
        after = _successor(prefix)
        low = f"{sql} >= {self.text(prefix)}"
        return f"{low} AND {sql} < {self.text(after)}" if after else low


def _successor(prefix: str) -> str | None:
    """The smallest text that is larger than every text with this prefix, by code points; None where there is none.

    >>> _successor("ab"), _successor("a\\U0010ffff")
    ('ac', 'b')
    """
    while prefix:
        code = ord(prefix[-1]) + 1
        if code == 0xD800:  # surrogates are no characters
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None


SQLITE = SQLiteDialect()
