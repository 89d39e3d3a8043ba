"""fedq types as Arrow types: the one place that says in which form values travel."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from fedq.fetch.source import Output
from fedq.types import Type

_SIMPLE = {
    "BOOLEAN": pa.bool_(), "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
    "HUGEINT": pa.decimal128(38, 0), "UHUGEINT": pa.decimal128(38, 0), "FLOAT": pa.float32(), "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(), "BLOB": pa.binary(),
    "DATE": pa.date32(), "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.month_day_nano_interval(), "UUID": pa.string(), "JSON": pa.string(),
}  # fmt: skip


def arrow_type(type_: Type) -> pa.DataType:
    """The Arrow type in which values of `type_` travel (UUID and JSON travel as text and are cast on arrival).

    >>> arrow_type(Type("DECIMAL", 12, 2))
    Decimal128Type(decimal128(12, 2))
    """
    if type_.name == "DECIMAL":
        return pa.decimal128(type_.precision or 38, type_.scale or 0)
    if type_.name.endswith("[]"):
        from fedq.types import parse_type

        return pa.list_(arrow_type(parse_type(type_.name[:-2])))
    return _SIMPLE[type_.name]


def decimals(texts: pa.Array, to: pa.DataType) -> pa.Array:
    """Texts of plain decimal numbers as values of the decimal type `to`.

    Arrow's own cast overflows without a word where digits or zeros are added: 1e36 as DECIMAL(38,10) becomes another
    number. So the digits on either side of the point are counted first.

    >>> decimals(pa.array(["-1.5", None]), pa.decimal128(38, 2)).to_pylist()
    [Decimal('-1.50'), None]

    Raises: pa.ArrowInvalid where a text may be too long or is no plain number; a closer look at each decides.
    """
    point, length = pc.find_substring(texts, "."), pc.binary_length(texts)
    end = pc.if_else(pc.less(point, 0), length, point)
    whole = pc.subtract(end, pc.starts_with(texts, "-").cast(pa.int32()))
    is_short = pc.and_(
        pc.less_equal(whole, to.precision - to.scale), pc.less_equal(pc.subtract(length, end), to.scale + 1)
    )
    is_plain = pc.and_not(is_short, pc.match_substring(texts, "e", ignore_case=True))
    if not pc.all(is_plain).as_py():
        raise pa.ArrowInvalid("a number that may not fit")
    return texts.cast(to)


def schema_of(outputs: Iterable[Output]) -> pa.Schema:
    """The Arrow schema of a statement's result."""
    return pa.schema([pa.field(output.name, arrow_type(output.type)) for output in outputs])


def type_of(arrow: pa.DataType) -> Type:
    """The fedq type of values that arrive in an Arrow type, for statements whose types only the database knows."""
    if pa.types.is_decimal(arrow):
        return Type("DECIMAL", arrow.precision, arrow.scale)
    if pa.types.is_timestamp(arrow):
        return Type("TIMESTAMPTZ" if arrow.tz else "TIMESTAMP")
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return Type(f"{type_of(arrow.value_type)}[]")
    if pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
        return Type("VARCHAR")
    return next((Type(name) for name, known in _SIMPLE.items() if known == arrow), Type(str(arrow)))
