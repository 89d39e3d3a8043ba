"""A result as CSV, JSON or Markdown text, every value exact.

    value        CSV             JSON
    NULL         (nothing)       null
    ''           ""              ""
    12.50        12.50           12.50          digits as they are, never through a float
    b"\\xff"      \\xFF            "\\\\xFF"       DuckDB's spelling
    nan          nan             "NaN"          JSON has no such number

The standard csv and json modules cannot tell NULL from '' and have no decimals; pandas' writers would convert first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from fedq.result.rows import unique_names
from fedq.result.values import Cells, plain_text, python_values, texts

_CHUNK = 10_000
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$')


class Writable(Protocol):
    """Anything text can be written to."""

    def write(self, text: str, /) -> Any:
        """Take some text."""


def write_csv(columns: Sequence[Cells], out: Writable) -> None:
    """RFC 4180 with a header line; NULL is an empty field, the empty text is `""`."""
    out.write(",".join(_csv_field(cells.name) for cells in columns) + "\n")
    for chunk in _chunks(columns):
        quoted = [_csv_fields(cells) for cells in chunk]
        out.write("".join(",".join(row) + "\n" for row in zip(*quoted, strict=True)))


def _csv_fields(cells: Cells) -> list[str]:
    return ["" if text is None else _csv_field(text) for text in texts(cells)]


def _csv_field(text: str) -> str:
    if text == "" or _NEEDS_QUOTES.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_json(columns: Sequence[Cells], out: Writable, *, is_lines: bool = False) -> None:
    """An array of objects, or one object per line; repeated column names become `a`, `a_1`."""
    names = [json.dumps(name, ensure_ascii=False) for name in unique_names([cells.name for cells in columns])]
    if not is_lines:
        out.write("[")
    separator = "" if is_lines else "\n"
    for chunk in _chunks(columns):
        for row in zip(*map(_json_values, chunk), strict=True):
            pairs = ", ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True))
            out.write(f"{separator}{{{pairs}}}" + ("\n" if is_lines else ""))
            separator = "" if is_lines else ",\n"
    if not is_lines:
        out.write("\n]\n")


def _json_values(cells: Cells) -> list[str]:
    import pyarrow as pa

    kind, family = cells.values.type, cells.type.family
    if family == "json":
        return ["null" if text is None else _embedded(text) for text in texts(cells)]
    if pa.types.is_nested(kind) or pa.types.is_float64(kind):
        return [_json_value(value) for value in python_values(cells)]
    shown = texts(cells)
    if pa.types.is_floating(kind):  # narrow floats: the short digits of their own width
        return ["null" if text is None else _json_number(text) for text in shown]
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind) or family == "integer":
        return ["null" if text is None else text for text in shown]
    return ["null" if text is None else json.dumps(text, ensure_ascii=False) for text in shown]


def _embedded(text: str) -> str:
    """A stored JSON text as part of ours: verbatim, on one line."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return re.sub(r"[\r\n]+", " ", text)  # a line break can only stand between JSON tokens


def _json_number(text: str) -> str:
    special = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
    return special.get(text, text)


def _json_value(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(str(key), ensure_ascii=False)}: {_json_value(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_value, value)) + "]"
    if isinstance(value, float):
        return _json_number(repr(value))
    if isinstance(value, Decimal):
        return plain_text(value)
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(plain_text(value), ensure_ascii=False)


def _chunks(columns: Sequence[Cells]) -> Iterable[list[Cells]]:
    rows = len(columns[0].values) if columns else 0
    for start in range(0, rows, _CHUNK):
        yield [cells.piece(start, _CHUNK) for cells in columns]
