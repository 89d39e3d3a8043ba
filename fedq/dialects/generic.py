"""What can be said to a database of which nothing is known but that it speaks SQL.

Integers, and text without a backslash: some databases (BigQuery, ClickHouse, Databricks) read a backslash as an escape,
and a quote behind it as a part of the text.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from fedq.dialects.base import Dialect, Unsayable
from fedq.types import Type


class GenericDialect(Dialect):
    """Standard SQL, as little of it as possible."""

    name = "generic"

    def text(self, value: str) -> str:
        """A text value. Raises: Unsayable with a backslash in it."""
        if "\\" in value:
            raise Unsayable("a text with a backslash")
        return super().text(value)

    def literal(self, value: Any, type_: Type | None = None) -> str:
        """A Python value as a literal: NULL, integers of 64 bits, text.

        >>> GENERIC.literal(-1), GENERIC.literal("it's")
        ('(-1)', "'it''s'")

        Raises: Unsayable for everything else.
        """
        is_integer = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        if value is None or is_integer or isinstance(value, str):
            return super().literal(value, type_)
        kinds = {bool: "a boolean", bytes: "a binary value", dt.date: "a date", Decimal: "a decimal"}
        raise Unsayable(kinds.get(type(value), f"a value of type {type(value).__name__}"))


GENERIC = GenericDialect()
