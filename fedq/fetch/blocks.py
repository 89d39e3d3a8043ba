"""Rows of a DB-API cursor as Arrow record batches of bounded size.

    fetchmany(1), (8), (64), (512), (512) …  → columns of Python values, up to 8,192 rows or 1 MB → one record batch

Blocks begin small, so that the first row is there at once and a table of 64 MB blobs is not read by the hundred; they
stay at 512 rows, where the tuples are still in the processor's cache when they are turned into columns (measured: 4,096
rows at once take a third longer).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fedq.fetch.arrow import schema_of
from fedq.fetch.source import Output
from fedq.fetch.values import Report, array_of
from fedq.types import BIGINT, BLOB, BOOLEAN, DATE, DOUBLE, TIMESTAMP, TIMESTAMPTZ, VARCHAR, Type

#: n → up to n more rows, none at the end
Fetch = Callable[[int], Sequence[Sequence[Any]]]

_LARGEST_BLOCK = 512
_BATCH_ROWS = 8_192
_BATCH_BYTES = 1_000_000
_PLAIN: dict[type, Type] = {
    bool: BOOLEAN, int: BIGINT, float: DOUBLE, str: VARCHAR, bytes: BLOB, bytearray: BLOB, memoryview: BLOB,
    dt.date: DATE, dt.time: Type("TIME"), uuid.UUID: Type("UUID"), dict: Type("JSON"), list: Type("JSON"),
}  # fmt: skip


def batches(fetch: Fetch, outputs: Sequence[Output], report: Report) -> Iterator[pa.RecordBatch]:
    """The rows as record batches of `schema_of(outputs)`; at least one, maybe empty.

    Raises: ValueNotRepresentable.
    """
    schema = schema_of(outputs)
    is_empty = True
    for columns in _columns(fetch):
        is_empty = False
        yield _batch(columns, outputs, schema, report)
    if is_empty:
        yield pa.RecordBatch.from_pylist([], schema)


def inferred_batches(fetch: Fetch, names: Sequence[str], report: Report) -> Iterator[pa.RecordBatch]:
    """The rows as record batches typed by the first batch's values; a value of another type later is loud.

    Raises: ValueNotRepresentable.
    """
    blocks = _columns(fetch)
    first = next(blocks, None)
    columns = first if first is not None else [[] for _ in names]
    outputs = [Output(name, name, _type_of(values)) for name, values in zip(names, columns, strict=True)]
    schema = schema_of(outputs)
    yield _batch(columns, outputs, schema, report)
    for columns in blocks:
        yield _batch(columns, outputs, schema, report)


def _batch(columns: list[list[Any]], outputs: Sequence[Output], schema: pa.Schema, report: Report) -> pa.RecordBatch:
    if not outputs:  # rows of nothing: only their number counts
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(columns[0]), pa.struct([])))
    arrays = [array_of(values, output, report) for values, output in zip(columns, outputs, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _columns(fetch: Fetch) -> Iterator[list[list[Any]]]:
    """The rows turned into columns, a batch's worth at a time."""
    held: list[list[Any]] = []
    size, count, weight = 1, 0, 0
    while rows := fetch(size):
        columns = zip(*rows, strict=True)
        if held:
            for column, values in zip(held, columns, strict=True):
                column.extend(values)
        else:
            held = [list(values) for values in columns]
        count += len(rows)
        width = _width(rows[-1])
        weight += width * len(rows)
        if count >= _BATCH_ROWS or weight >= _BATCH_BYTES:
            yield held
            held, count, weight = [], 0, 0
        size = max(1, min(_LARGEST_BLOCK, size * 8, _BATCH_BYTES // width))
    if held:
        yield held


def _width(row: Sequence[Any]) -> int:
    """About how many bytes a row takes."""
    return sum(len(value) if type(value) in (str, bytes) else 8 for value in row) + 1


def _type_of(values: Sequence[Any]) -> Type:
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is dt.datetime:
            is_zoned = any(value is not None and value.tzinfo is not None for value in values)
            return TIMESTAMPTZ if is_zoned else TIMESTAMP
        if kind is int and any(value is not None and not -(2**63) <= value < 2**63 for value in values):
            return Type("DECIMAL", 38, 0)
        if kind is not Decimal:
            return _PLAIN.get(kind, VARCHAR)
    if kinds and kinds <= {int, Decimal}:
        scales = [-int(value.as_tuple().exponent) for value in values if type(value) is Decimal and value.is_finite()]
        return Type("DECIMAL", 38, max(0, *scales)) if scales and max(scales) <= 38 else VARCHAR
    return DOUBLE if kinds == {int, float} else VARCHAR
