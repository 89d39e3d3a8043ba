"""DuckDB's lossless Arrow form → Arrow as everybody reads it, for answers that no DuckDB reads again.

    extension<arrow.bool8>                → bool
    opaque[hugeint] inside a list         → decimal128(38, 0)
    opaque[time_tz], opaque[bit]          → text: Arrow has no offset of a time, and no bits

A session exports losslessly, because what it reads goes on into another DuckDB that knows its own types. The setting is
one for the whole instance, so the rows of a user's own statement are converted after the fact: booleans by a cast,
anything else by a DuckDB that exports plainly.
"""

from __future__ import annotations

import os
import threading
from functools import cache

import duckdb
import pyarrow as pa

from fedq.dialects.duckdb import in_answers

_BATCH_ROWS = 65_536
_lock = threading.Lock()


def in_common_form(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same rows in types that every reader of Arrow knows; lazily, batch by batch."""
    found = reader.schema
    if any(_is_opaque(field.type) for field in found):
        with _lock:
            cursor = _exporter(os.getpid()).cursor()
        relation = cursor.from_arrow(reader)
        outputs = in_answers(relation.columns, [str(type_) for type_ in relation.types])
        return relation.project(outputs).to_arrow_reader(_BATCH_ROWS)
    schema = pa.schema([pa.field(field.name, _common(field.type)) for field in found])
    if schema.types == found.types:
        return reader
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in reader))


@cache
def _exporter(process: int) -> duckdb.DuckDBPyConnection:
    """One for each process: a DuckDB does not survive a fork, and must not be closed after one."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET GLOBAL enable_external_access = false")
    return connection


def _is_opaque(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.BaseExtensionType):
        return bool(type_.extension_name != "arrow.bool8")
    return any(_is_opaque(type_.field(number).type) for number in range(type_.num_fields))


def _common(type_: pa.DataType) -> pa.DataType:
    """The type with bool for bool8, at any depth."""
    if isinstance(type_, pa.BaseExtensionType):
        return pa.bool_()
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_common(type_.value_type)))
    if pa.types.is_map(type_):
        return pa.map_(_common(type_.key_type), _common(type_.item_type))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_common(field.type)) for field in type_])
    return type_
