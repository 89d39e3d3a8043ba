"""Blocks of PostgreSQL's COPY text → Arrow record batches.

    1\t0.50\tline one\\nline two\n        int64 │ decimal(5,2) │ string
    2\t\\N\t\\\\N\n                  →        1 │ 0.50         │ line one⏎line two
                                              2 │ null         │ \\N

The text format and not CSV, because in it a newline byte always ends a row, so a block can be cut without reading it,
and NULL and the empty text differ without quotes. Not the binary format: it is larger for numbers, slower to make for
the server, and nothing reads it in bulk. Arrow's CSV parser reads the common values on all cores; a column that it
refuses (infinity, years before 1, NaN in a numeric) is read again by `postgres_values`, value by value.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from fedq.fetch.arrow import arrow_type, decimals
from fedq.fetch.postgres.values import Unreadable, reader_of
from fedq.types import Type, parse_type

#: blocks up to this size are read value by value
_TINY = 1 << 12
_BOM = b"\xef\xbb\xbf"
_PARSE = csv.ParseOptions(
    delimiter="\t", quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False
)
_ESCAPES = (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"))
_DIRECT = ("integer", "decimal", "boolean", "date", "time", "timestamp", "timestamptz")
_EXACT_FLOATS = {"FLOAT": "real", "DOUBLE": "double precision"}
_REFUSED = (pa.ArrowInvalid, pa.ArrowNotImplementedError)  # the latter: Arrow has no cast from text to a time of day
#: texts so short that a double holds all their digits
_SAFE_LENGTH = 15


@dataclass(frozen=True, slots=True)
class WireColumn:
    """One column as it arrives."""

    type: Type
    native: str | None = None
    """PostgreSQL's name of its type, when known: decides which conversions need no check."""
    policy: str = "error"
    """Values the type cannot hold: `error` or `null`."""

    @property
    def is_direct(self) -> bool:
        """Whether Arrow's parser may read it: it does so exactly, or refuses."""
        if self.type.name in ("DECIMAL", "HUGEINT"):  # it may overflow where the server does not vouch for the digits
            return self.native == f"numeric({self.type.precision},{self.type.scale})"
        return self.type.family in _DIRECT or self.native == _EXACT_FLOATS.get(self.type.name, "")


class BadValue(Exception):
    """A value that its column's type cannot hold: the column's index, PostgreSQL's text for the value, and why."""

    def __init__(self, index: int, text: str, reason: str) -> None:
        super().__init__(reason)
        self.index, self.text, self.reason = index, text, reason


class CopyReader:
    """Reads the blocks of one COPY. It remembers which columns Arrow refused, so that they are refused once."""

    def __init__(self, columns: Sequence[WireColumn], schema: pa.Schema) -> None:
        self._columns, self._schema = columns, schema
        self._names = [str(index) for index in range(len(columns))]
        self._is_direct = [column.is_direct for column in columns]

    def batches(self, block: bytes) -> Iterator[pa.RecordBatch]:
        """The rows of a block of whole lines. Raises: BadValue."""
        if not self._columns:
            yield _rows_without_columns(block.count(b"\n"))
            return
        if len(block) <= _TINY and (arrays := self._read_few(block)) is not None:
            yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)
            return
        try:
            table = self._parse(block, is_checked=True)
        except pa.ArrowInvalid:
            yield self._read_all(block)
            return
        for batch in table.to_batches():
            arrays = [
                array if is_direct else self._convert(index, array)
                for index, (array, is_direct) in enumerate(zip(batch.columns, self._is_direct, strict=True))
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _read_few(self, block: bytes) -> list[pa.Array] | None:
        """A few rows value by value: to set Arrow's reader up takes longer. None where it has to look closer."""
        if b"\\" in block.replace(b"\\N", b""):
            return None
        try:
            rows = [line.split("\t") for line in block.decode().removesuffix("\n").split("\n")]
        except UnicodeDecodeError:
            return None
        columns = ([None if text == "\\N" else text for text in texts] for texts in zip(*rows, strict=True))
        return [self._read_column(index, texts) for index, texts in enumerate(columns)]

    def _read_column(self, index: int, texts: list[str | None]) -> pa.Array:
        if self._is_direct[index] and self._columns[index].type.family == "float":
            return pa.array(texts, pa.string()).cast(arrow_type(self._columns[index].type))  # the server vouches for it
        return self._read_values(index, texts)

    def _parse(self, block: bytes, *, is_checked: bool) -> pa.Table:
        if block.startswith(_BOM):
            block = _BOM + block  # Arrow takes one for the mark of an encoding and drops it
        types = {
            name: arrow_type(column.type) if is_direct else pa.string()
            for name, column, is_direct in zip(self._names, self._columns, self._is_direct, strict=True)
        }
        return csv.read_csv(
            pa.BufferReader(block),
            # in one piece: a block is too small to gain from threads, which hold 30 MB of buffers for it
            csv.ReadOptions(column_names=self._names, use_threads=False, block_size=len(block) + 1),
            _PARSE,
            csv.ConvertOptions(
                column_types=types if is_checked else dict.fromkeys(self._names, pa.binary()),
                null_values=["\\N"],
                strings_can_be_null=True,
                true_values=["t"],
                false_values=["f"],
            ),
        )

    def _read_all(self, block: bytes) -> pa.RecordBatch:
        """The block once more, every column as bytes first: finds the columns that Arrow's parser refuses."""
        table = self._parse(block, is_checked=False)
        arrays = []
        for index, column in enumerate(table.columns):
            array = self._text(index, column.combine_chunks())
            if self._is_direct[index]:
                try:
                    arrays.append(_cast(array, self._columns[index].type))
                    continue
                except _REFUSED:
                    self._is_direct[index] = False
            arrays.append(self._convert(index, array))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _text(self, index: int, octets: pa.Array) -> pa.Array:
        try:
            return octets.cast(pa.string())
        except pa.ArrowInvalid:  # a database in SQL_ASCII stores whatever it was given
            return self._only_utf8(index, octets)

    def _only_utf8(self, index: int, octets: pa.Array) -> pa.Array:
        texts: list[str | None] = []
        for value in octets.to_pylist():
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                if self._columns[index].policy != "null":
                    raise BadValue(index, ascii(value), "its bytes are not UTF-8") from None
                texts.append(None)
        return pa.array(texts, pa.string())

    def _convert(self, index: int, array: pa.Array) -> pa.Array:
        column = self._columns[index]
        array = unescape(array)
        try:
            return _convert_all(array, column.type)
        except (*_REFUSED, Unreadable, binascii.Error):
            return self._one_by_one(index, array)

    def _one_by_one(self, index: int, array: pa.Array) -> pa.Array:
        encoded = array.dictionary_encode()
        return self._read_values(index, encoded.dictionary.to_pylist()).take(encoded.indices)

    def _read_values(self, index: int, texts: Iterable[str | None]) -> pa.Array:
        column = self._columns[index]
        read, values = reader_of(column.type), []
        for text in texts:
            try:
                values.append(None if text is None else read(text))
            except Unreadable as error:
                if column.policy != "null":
                    raise BadValue(index, text or "", str(error)) from None
                values.append(None)
        return pa.array(values, arrow_type(column.type))


def unescape(strings: pa.Array) -> pa.Array:
    r"""Texts with COPY's backslashes undone.

    >>> unescape(pa.array([r"a\\b\n", None])).to_pylist()
    ['a\\b\n', None]
    """
    if not pc.any(pc.match_substring(strings, "\\")).as_py():
        return strings
    strings = pc.replace_substring(strings, "\\\\", "\0")  # no text in PostgreSQL has a NUL, so it can stand in
    for escaped, plain in _ESCAPES:
        strings = pc.replace_substring(strings, escaped, plain)
    return pc.replace_substring(strings, "\0", "\\")


def _convert_all(strings: pa.Array, type_: Type) -> pa.Array:
    """A whole column of texts at once; raises where a value needs a closer look."""
    if type_.family in ("text", "uuid", "json"):
        return strings
    if type_.name in _EXACT_FLOATS:
        return _floats(strings, type_)
    if type_.name == "BLOB":
        return _unhex(strings)
    if type_.name.endswith("[]"):
        return _lists(strings, parse_type(type_.name[:-2]))
    if type_.family in _DIRECT:
        return _cast(strings, type_)
    raise Unreadable("one by one")


def _cast(strings: pa.Array, type_: Type) -> pa.Array:
    if type_.family == "boolean" and not pc.all(pc.is_in(strings, pa.array(["t", "f", None]))).as_py():
        raise pa.ArrowInvalid("not a boolean of PostgreSQL")
    wanted = arrow_type(type_)
    return decimals(strings, wanted) if pa.types.is_decimal(wanted) else strings.cast(wanted)


def _floats(strings: pa.Array, type_: Type) -> pa.Array:
    numbers = strings.cast(arrow_type(type_))
    is_same = pc.equal(numbers.cast(pa.string()), strings)
    if type_.name == "DOUBLE":
        is_short = pc.less_equal(pc.binary_length(strings), _SAFE_LENGTH)
        is_same = pc.or_(is_same, pc.and_not(is_short, pc.match_substring(strings, "e", ignore_case=True)))
    read = reader_of(type_)
    for text in strings.filter(pc.invert(is_same)).unique().to_pylist():
        read(text)
    return numbers


def _unhex(strings: pa.Array) -> pa.Array:
    if not pc.all(pc.starts_with(strings, "\\x")).as_py():
        raise Unreadable("no bytea")
    digits = pc.binary_slice(strings.cast(pa.binary()), 2)
    _, offsets, data = digits.buffers()
    ends = np.frombuffer(offsets, np.int32)[digits.offset : digits.offset + len(digits) + 1]
    octets = binascii.unhexlify(memoryview(data)[ends[0] : ends[-1]]) if data is not None and len(digits) else b""
    buffers = [None, pa.py_buffer((ends - ends[0]) // 2), pa.py_buffer(octets)]
    plain = pa.Array.from_buffers(pa.binary(), len(digits), buffers)
    return pc.if_else(digits.is_valid(), plain, None) if digits.null_count else plain


def _lists(strings: pa.Array, element: Type) -> pa.Array:
    """Arrays without quotes, which those of numbers and dates are."""
    if pc.any(pc.match_substring_regex(strings, r'^.[^}]*[{"]|^\[')).as_py():
        raise Unreadable("quoted or nested")
    inner = pc.utf8_slice_codeunits(strings, 1, -1)
    is_empty = pc.fill_null(pc.equal(inner, ""), True)
    parts = pc.split_pattern(inner, ",")
    lengths = pc.if_else(is_empty, 0, pc.fill_null(pc.list_value_length(parts), 0))
    values = parts.filter(pc.invert(is_empty)).flatten()
    values = pc.if_else(pc.equal(values, "NULL"), None, values)
    offsets = np.concatenate(([0], np.cumsum(lengths.to_numpy(zero_copy_only=False)))).astype(np.int32)
    mask = strings.is_null() if strings.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), _convert_all(values, element), mask=mask)


def _rows_without_columns(count: int) -> pa.RecordBatch:
    empty = pa.struct([])
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(empty, count, [None]))
