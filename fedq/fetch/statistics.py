"""What the readers of statistics share: one value as a database shows it → the Python value that is estimated with."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fedq.types import Type


def value_of(raw: Any, type_: Type) -> Any:
    """A value, or a database's text for one, as Python's value for the type; None where that cannot be.

    >>> value_of("1995-03-15", Type("DATE")), value_of("x", Type("INTEGER"))
    (datetime.date(1995, 3, 15), None)
    """
    read = _READERS.get(type_.family)
    if raw is None or read is None:
        return None
    try:
        return read(raw)
    except (ValueError, ArithmeticError, TypeError):
        return None


def _float(raw: Any) -> float | None:
    value = float(raw)
    return value if math.isfinite(value) else None


def _decimal(raw: Any) -> Decimal | None:
    value = Decimal(str(raw))
    return value if value.is_finite() else None


def _date(raw: Any) -> dt.date:
    if isinstance(raw, dt.datetime):
        return raw.date()
    return raw if isinstance(raw, dt.date) else dt.date.fromisoformat(raw)


def _moment(raw: Any) -> dt.datetime:
    return raw if isinstance(raw, dt.datetime) else dt.datetime.fromisoformat(raw)


def _naive(raw: Any) -> dt.datetime | None:
    value = _moment(raw)
    return value if value.tzinfo is None else None


def _aware(raw: Any) -> dt.datetime:
    value = _moment(raw)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _text(raw: Any) -> str | None:
    return raw if isinstance(raw, str) else None


def _boolean(raw: Any) -> bool:
    if isinstance(raw, str):
        return {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}.get(raw.lower(), False)
    return bool(raw)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "integer": int, "decimal": _decimal, "float": _float, "date": _date, "timestamp": _naive, "timestamptz": _aware,
    "text": _text, "boolean": _boolean, "uuid": lambda raw: raw if isinstance(raw, uuid.UUID) else uuid.UUID(raw),
}  # fmt: skip
