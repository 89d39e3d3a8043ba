"""What every dialect knows: how it quotes, how it writes a value, which values it cannot write exactly.

Statements are composed of text, so every value goes through `literal`: the one rule against injection. A value a
dialect cannot write exactly raises `Unsayable`, and the planner then does not push.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.carriers import Carrier, Target
from fedq.types import Type


class Unsayable(Exception):
    """This dialect cannot write this value exactly; its text is the reason."""


class Dialect:
    """Standard SQL's ways; each kind of database overrides what differs."""

    name = "generic"
    #: longest identifier in characters, where a longer one would be cut silently
    max_identifier: int | None = None

    def quote(self, identifier: str) -> str:
        """An identifier, quoted."""
        if "\0" in identifier:
            raise Unsayable("an identifier with a NUL character")
        return '"' + identifier.replace('"', '""') + '"'

    def table(self, schema: str | None, name: str) -> str:
        """A table's full name, quoted."""
        return f"{self.quote(schema)}.{self.quote(name)}" if schema else self.quote(name)

    def text(self, value: str) -> str:
        """A text value."""
        if "\0" in value:
            raise Unsayable("a text with a NUL character")
        return "'" + value.replace("'", "''") + "'"

    def blob(self, value: bytes) -> str:
        """A binary value."""
        return f"X'{value.hex()}'"

    def date(self, value: dt.date) -> str:
        """A date."""
        return f"DATE '{value.isoformat()}'"

    def timestamp(self, value: dt.datetime) -> str:
        """A timestamp, naive."""
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"

    def timestamptz(self, value: dt.datetime) -> str:
        """An instant; sessions run in UTC."""
        raise Unsayable("a timestamp with time zone")

    def double(self, value: float) -> str:
        """A double, by its shortest text that reads back the same."""
        if not math.isfinite(value):
            raise Unsayable("NaN or an infinity")
        return f"{value!r}" if "e" in repr(value) else f"{value!r}e0"

    def boolean(self, *, value: bool) -> str:
        """TRUE or FALSE."""
        return "TRUE" if value else "FALSE"

    def number(self, value: bool | int | float | Decimal) -> str:  # noqa: FBT001  a value, not a switch
        """A number or a boolean."""
        if isinstance(value, bool):
            return self.boolean(value=value)
        if isinstance(value, float):
            return self.double(value)
        if isinstance(value, Decimal) and not value.is_finite():
            raise Unsayable("a decimal that is not finite")
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
        return f"({text})" if value < 0 else text

    def by_bytes(self, sql: str, column: Column) -> str | None:
        """A text column so that the database orders and compares it by its UTF-8 bytes; None where it cannot."""
        return None

    def same_text(self, sql: str, column: Column, literals: Sequence[str]) -> str | None:
        """A text column, whose own = is true for more than equal bytes, equals one of the literals byte for byte.

        None: it cannot be said.
        """
        return None

    def like(self, sql: str, column: Column, pattern: str) -> tuple[str, bool] | None:
        """`column LIKE pattern` with DuckDB's meaning (case-sensitive, no escape character), and whether it is exact;
        `pattern` is a literal already.

        False is a superset. None: it cannot be said.
        """
        return None

    def keys(self, sql: str, column: Column, literals: Sequence[str]) -> str:
        """`column` is one of many values, already written as literals."""
        return f"{sql} IN ({', '.join(literals)})"

    def carrier(self, targets: Sequence[Target], count: int) -> Carrier | None:
        """How `count` keys of one or several columns travel at once; None: only as literals, by `keys`."""
        return None

    def order(self, sql: str, *, is_descending: bool, is_nulls_first: bool) -> str:
        """One item of ORDER BY, with the place of NULLs said."""
        return f"{sql}{' DESC' if is_descending else ''} NULLS {'FIRST' if is_nulls_first else 'LAST'}"

    def limit(self, rows: int | None, skipped: int) -> str:
        """LIMIT and OFFSET."""
        parts = [f"LIMIT {rows}" if rows is not None else "", f"OFFSET {skipped}" if skipped else ""]
        return " ".join(part for part in parts if part)

    #: how many keys one statement may carry
    max_keys = 1_000
    #: how many keys are written one by one, where no carrier takes them
    max_literals = 1_000
    #: whether sum() over integers and decimals neither overflows before DuckDB's nor rounds
    sums_exactly = False
    #: how two sources without a condition are joined, such that the database still chooses the order
    cross_join = "CROSS JOIN"
    #: whether ORDER BY looks at the whole of a text
    orders_text = True

    def literal(self, value: Any, type_: Type | None = None) -> str:
        """A Python value as a literal of this dialect.

        >>> Dialect().literal("it's"), Dialect().literal(Decimal("1.50"))
        ("'it''s'", '1.50')

        Raises: Unsayable.
        """
        if value is None:
            return "NULL"
        if isinstance(value, (int, float, Decimal)):
            return self.number(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.blob(bytes(value))
        if isinstance(value, dt.datetime):
            if value.tzinfo is not None:
                return self.timestamptz(value.astimezone(dt.UTC))
            return self.timestamp(value)
        if isinstance(value, dt.date):
            return self.date(value)
        if isinstance(value, uuid.UUID):
            return self.text(str(value))
        raise Unsayable(f"a value of type {type(value).__name__}")

    def comparand(self, value: Any, column: Column) -> str:
        """A Python value as a literal to compare a column with. Raises: Unsayable."""
        return self.literal(value, column.type)
