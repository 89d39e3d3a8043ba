"""What a query may take from the notebook: variables for its parameters, DataFrames for its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedq.catalog.suggest import nearest
from fedq.errors import ParameterError

if TYPE_CHECKING:
    from fedq.bind.params import Slot

_WORD = re.compile(r"[^\W\d]\w*")


def parameter_values(sql: str, given: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every `:name` of the query: from `-p` first, then the notebook's variables.

    Raises:
        ParameterError: a name that is neither.
    """
    from fedq.bind.params import slots

    values = dict(given)
    for slot in slots(sql):
        if slot.name is None or slot.name in values:
            continue
        if slot.name not in variables:
            raise _undefined(sql, slot, [*given, *(name for name in variables if not name.startswith("_"))])
        values[slot.name] = variables[slot.name]
    return values


def _undefined(sql: str, slot: Slot, known: list[str]) -> ParameterError:
    near = nearest(slot.name or "", known)
    hint = f"Did you mean :{near}?" if near else f"Set a variable {slot.name}, or pass -p {slot.name}=VALUE."
    message = f":{slot.name} is not defined"
    return ParameterError(message, hint=hint, sql=sql, span=(slot.start, slot.end), parameter=slot.name)


def data_frames(sql: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's DataFrames whose names occur in the query; which of them are tables is for binding to say."""
    words = {word.lower() for word in _WORD.findall(sql)}
    return {name: value for name, value in variables.items() if name.lower() in words and is_data_frame(value)}


def is_data_frame(value: object) -> bool:
    """Whether a value is a table of the Arrow kind: pandas, polars, pyarrow, a DuckDB relation, a fedq result."""
    kind = type(value)
    # a Series and an Arrow array have a stream too, but no columns
    return hasattr(kind, "__arrow_c_stream__") and any(
        hasattr(kind, name) for name in ("columns", "column_names", "schema")
    )
