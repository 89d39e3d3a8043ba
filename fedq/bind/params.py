"""Parameters: `:name`, `$name` and `?` are found in tokens and become DuckDB parameters; values are never pasted into
the text.

    where id = :id and tag in :tags          {"id": 3, "tags": ["a", "b"]}
    where id = $id and tag in ($tags_1, $tags_2)   {"id": 3, "tags_1": "a", "tags_2": "b"}

Tokens and not the syntax tree, because a tree takes `list[:n]`, a DuckDB slice by column n, for a parameter. A colon
right after a bracket, a word, a number or a string is never a parameter, which leaves `::`, slices, JSON paths and
struct literals alone.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fedq.catalog.suggest import nearest
from fedq.errors import ParameterError
from fedq.sql import Edit, Token, TokenType, apply_edits, tokenize
from fedq.types import MOST_DIGITS

_IN = re.compile(r"\bin$", re.IGNORECASE)
_SCALARS = (bool, int, float, Decimal, str, bytes, dt.date, dt.time, dt.timedelta, uuid.UUID)
_CLOSERS = {
    TokenType.VAR, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.STRING, TokenType.R_BRACKET, TokenType.R_PAREN,
    TokenType.R_BRACE, TokenType.L_BRACKET,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter in the text."""

    start: int
    end: int
    name: str | None
    """None for `?`."""


def slots(sql: str) -> list[Slot]:
    """Every parameter of the text, in order.

    >>> [slot.name for slot in slots("select l[1:n], ':no' from t where a = :a and b::int = $b")]
    ['a', 'b']
    """
    if not any(mark in sql for mark in ":$?"):
        return []
    return list(_find(tokenize(sql)))


def names(sql: str) -> tuple[str, ...]:
    """The distinct names of the named parameters, in order of appearance."""
    return tuple(dict.fromkeys(slot.name for slot in slots(sql) if slot.name is not None))


def _find(tokens: Sequence[Token]) -> Iterator[Slot]:
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.token_type is TokenType.PLACEHOLDER and token.text == "?":
            yield Slot(token.start, token.end + 1, None)
        elif after is None or after.start != token.end + 1 or not _is_name(after):
            continue
        elif (token.token_type is TokenType.PARAMETER and token.text == "$") or (
            token.token_type is TokenType.COLON and not after.text[0].isdigit() and not _closes(before, token)
        ):
            yield Slot(token.start, after.end + 1, after.text)


def _is_name(token: Token) -> bool:
    return token.token_type is not TokenType.STRING and token.text.replace("_", "a").isalnum()


def _closes(before: Token | None, colon: Token) -> bool:
    """Whether what stands before a colon ends an operand, so that the colon is a slice, a path or a struct's."""
    if before is None:
        return False
    if before.token_type in _CLOSERS:
        return True
    return before.end + 1 == colon.start and before.text[-1:].isalnum()


def bind_params(sql: str, params: Mapping[str, Any] | Sequence[Any] | None) -> tuple[str, dict[str, Any]]:
    """The text with every parameter as `$name`, and the values by those names.

    A list, tuple, set, array or Series after IN becomes as many parameters; an empty one becomes a subquery without
    rows, so that IN is FALSE and NOT IN is TRUE, also for NULL.

    Raises: ParameterError for a missing, unused or unbindable one.
    """
    found = slots(sql)
    values = _values(sql, found, params)
    edits: list[Edit] = []
    bound: dict[str, Any] = {}
    taken = {name.lower() for name, _ in values}
    for slot, (name, value) in zip(found, values, strict=True):
        around = _after_in(sql, slot)
        if around == "IN" and isinstance(value, str | bytes | int | float):
            raise _no_list(sql, slot, value)
        if _is_list(value) and around:
            text, items = _expanded(name, [plain(name, item) for item in value], taken)
            bound.update(items)
            edits.append(Edit(slot.start, slot.end, text if around == "IN (" else f"({text})"))
        else:
            bound[name] = [plain(name, item) for item in value] if _is_list(value) else plain(name, value)
            edits.append(Edit(slot.start, slot.end, f"${name}"))
    return apply_edits(sql, edits), bound


def _no_list(sql: str, slot: Slot, value: object) -> ParameterError:
    """`in :name` of a text would be DuckDB's search for a part of that text, which nobody means."""
    shown = sql[slot.start : slot.end]
    message = f"parameter {shown} stands after IN, so it is a list, and not {type(value).__name__}"
    hint = f"Pass a list, or write = {shown}; contains({shown}, …) looks for a part of a text."
    return ParameterError(message, sql=sql, span=(slot.start, slot.end), hint=hint, parameter=slot.name)


def _after_in(sql: str, slot: Slot) -> str | None:
    """ "IN" for `in :ids`, "IN (" for `in (:ids)`, None anywhere else."""
    before = sql[: slot.start].rstrip()
    if before.endswith("(") and sql[slot.end :].lstrip().startswith(")"):
        return "IN (" if _IN.search(before[:-1].rstrip()) else None
    return "IN" if _IN.search(before) else None


def _expanded(name: str, items: list[Any], taken: set[str]) -> tuple[str, dict[str, Any]]:
    """A list as parameters of names that no other parameter has, or as a subquery without rows."""
    if not items:
        return "SELECT NULL WHERE FALSE", {}
    while any(f"{name}_{number}".lower() in taken for number in range(1, len(items) + 1)):
        name += "_"
    named = {f"{name}_{number}": item for number, item in enumerate(items, 1)}
    taken.update(key.lower() for key in named)
    return ", ".join(f"${key}" for key in named), named


def _values(sql: str, found: Sequence[Slot], params: Mapping[str, Any] | Sequence[Any] | None) -> list[tuple[str, Any]]:
    """Name and value of every slot."""
    is_numbered = bool(found) and all(slot.name is not None and slot.name.isdigit() for slot in found)
    if params is None:
        params = {}
    if isinstance(params, (str, bytes)) or not isinstance(params, (Mapping, Sequence)):
        message = f"params must be a mapping or a sequence, not {type(params).__name__}"
        raise ParameterError(message, hint='Write params={"name": value}, or params=[value] for ?.')
    if isinstance(params, Mapping):
        return _named(sql, found, {str(key): value for key, value in params.items()})
    if is_numbered:
        highest = max(int(slot.name or 0) for slot in found)
        _count(highest, params)
        return [(f"p{slot.name}", params[int(slot.name or 0) - 1]) for slot in found]
    if any(slot.name is not None for slot in found):
        slot = next(slot for slot in found if slot.name is not None)
        message = f"the query names its parameter {sql[slot.start : slot.end]}, but params is a sequence"
        raise ParameterError(
            message, sql=sql, span=(slot.start, slot.end), hint='Pass a mapping: params={"name": value}.'
        )
    _count(len(found), params)
    return [(f"p{number}", value) for number, value in enumerate(params, 1)]


def _count(wanted: int, params: Sequence[Any]) -> None:
    if wanted != len(params):
        message = f"the query's parameters are {wanted}, the values in params are {len(params)}"
        raise ParameterError(message, hint="Give one value for every ? of the query, in order.")


def _named(sql: str, found: Sequence[Slot], params: dict[str, Any]) -> list[tuple[str, Any]]:
    values: list[tuple[str, Any]] = []
    for slot in found:
        if slot.name is None:
            hint = 'Write :name and pass params={"name": value}, or pass a sequence for ?.'
            message = (
                "the query has a ? but params is a mapping" if params else "the query has a ? and no params were given"
            )
            raise ParameterError(message, sql=sql, span=(slot.start, slot.end), hint=hint)
        if slot.name not in params:
            near = nearest(slot.name, params)
            hint = (
                f"Did you mean :{near}?"
                if near
                else f'Pass it: params={{"{slot.name}": …}}; in the shell -p {slot.name}=….'
            )
            message = f"parameter :{slot.name} has no value"
            raise ParameterError(message, sql=sql, span=(slot.start, slot.end), hint=hint, parameter=slot.name)
        values.append((slot.name, params[slot.name]))
    unused = [name for name in params if name not in {slot.name for slot in found}]
    if unused:
        used = [slot.name for slot in found if slot.name]
        near = nearest(unused[0], used)
        hint = f"Did you mean :{near}?" if near else "Remove it from params, or use it in the query."
        raise ParameterError(f"parameter {unused[0]!r} is not in the query", hint=hint, parameter=unused[0])
    return values


def _is_list(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return not (isinstance(value, tuple) and hasattr(value, "_fields"))
    is_array = hasattr(value, "tolist") and hasattr(value, "__len__") and getattr(value, "shape", None) != ()
    return is_array and not isinstance(value, memoryview)  # which is bytes


def plain(name: str, value: Any) -> Any:
    """A value as one of the plain Python types that can be bound: Enum → its value, numpy and pandas scalars →
    Python's.

    Raises: ParameterError for any other type.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if value is None or _is_missing(value):
        return None
    if type(value) in _SCALARS or type(value) is dt.datetime:
        return _bindable(name, value)
    if hasattr(value, "to_pydatetime"):  # pandas.Timestamp: a datetime whose nanoseconds must not be lost
        if getattr(value, "nanosecond", 0):
            raise ParameterError(
                f"parameter :{name} has nanoseconds, which no database here keeps", hint="Round it to microseconds."
            )
        return value.to_pydatetime()
    if hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a numpy scalar
        item = value.item()
        if type(item) is int and "datetime" in type(value).__name__:
            raise ParameterError(
                f"parameter :{name} has nanoseconds, which no database here keeps",
                hint="Use microseconds: x.astype('M8[us]').",
            )
        return plain(name, item) if type(item) is not type(value) else item
    if isinstance(value, _SCALARS):
        return _bindable(name, _upcast(value))
    kind = type(value).__name__
    hint = "Bind int, float, Decimal, str, bytes, bool, None, dates and times, UUID, or a list of these."
    raise ParameterError(f"parameter :{name} is a {kind}, which cannot be bound", hint=hint, parameter=name)


def _bindable(name: str, value: Any) -> Any:
    """A plain value, refused where no database could hold it. Raises: ParameterError."""
    wrong, hint = "", "Bind it as text or as float."
    if type(value) is int and not -(2**127) <= value < 2**128:
        wrong = "is an integer of more than 128 bits"
    elif type(value) is Decimal and not value.is_finite():
        wrong = "is a Decimal that is no finite number"
    elif type(value) is Decimal and max(len(value.as_tuple().digits), abs(value.adjusted())) > MOST_DIGITS:
        wrong = "is a Decimal of more than 38 digits"
    elif type(value) is str and any("\ud800" <= character <= "\udfff" for character in value):
        wrong, hint = "is a text with half a surrogate pair, which is no character", "Take it out of the text."
    if wrong:
        raise ParameterError(f"parameter :{name} {wrong}", hint=hint, parameter=name)
    return value


def _is_missing(value: Any) -> bool:
    """pandas.NA and NaT; a float NaN is a value."""
    return type(value).__name__ in ("NAType", "NaTType")


def _upcast(value: Any) -> Any:
    """An instance of a subclass (a str that is an identifier type, an IntEnum's int) as the plain type itself."""
    for kind in (int, float, Decimal, str, bytes):
        if isinstance(value, kind):
            make: Callable[[Any], Any] = kind
            return make(value)
    return value
