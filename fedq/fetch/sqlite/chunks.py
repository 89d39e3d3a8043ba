"""Rows of one table by the hundred: SQLite makes one JSON array of each column, and Arrow takes it apart.

    FROM "t" WHERE "k" > 3    SELECT count(*), json_group_array("id"), json_group_array("name")
                         →    FROM "t" NOT INDEXED WHERE ("k" > 3) AND rowid BETWEEN ?1 AND ?2
                         →    3, '[1,2,5]', '["a",null,"c"]'   →   int64 [1, 2, 5], string ["a", null, "c"]

Python's `sqlite3` makes a tuple of every row and an object of every value, which is most of what reading costs; so it
is given few rows. JSON and not `group_concat`, which is no faster: it says of each value whether it is a number, a text
or NULL, so nothing is believed of a declared type, and no separator can stand inside of a value. Chunks are ranges of
the rowid and not LIMIT and OFFSET: a range is found at once, and the rows of a subquery with LIMIT are copied.

A double has 15 digits in JSON. So one of a DECIMAL(12,2) or DOUBLE column is sent as a whole number of hundredths or
millionths if that is exactly it. Where a value is not (0.1 + 0.2), or a BLOB, or so long that a chunk would take much
memory, the rows from there on are read one by one, as are all statements but the plain scan of a table: an index, a
join or a group gives its rows in an order of its own, in which no chunk can begin where another ended.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedq.dialects.sqlite import SQLITE
from fedq.errors import FedqError, QueryTimeout
from fedq.fetch.arrow import arrow_type, schema_of
from fedq.fetch.source import Output, Select
from fedq.fetch.sqlite.connection import primary_code
from fedq.fetch.sqlite.schema import rowid_name
from fedq.fetch.values import EXACT_DIGITS, Report, array_of, at_once, unscaled

if TYPE_CHECKING:
    from fedq.catalog.schema import TableSchema
    from fedq.fetch.sqlite.source import SQLiteSession

_FROM = re.compile(r'FROM "((?:[^"]|"")+)"(?: WHERE (.+))?', re.DOTALL)
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_NOT_PLAIN = re.compile(
    r"\b(?:SELECT|GROUP|HAVING|WINDOW|ORDER|LIMIT|UNION|INTERSECT|EXCEPT)\b|--|/\*|\?", re.IGNORECASE
)
#: a condition is set up anew for every chunk, which a list of a thousand keys is not worth
_LONGEST = 1_000
#: tables of fewer rows are read one by one
_FEW = 2_000
_FIRST = -(2**63)
#: the rows that a chunk looks at, at least and at most
_ROWS, _MOST_ROWS = 512, 16_384
#: rows of a chunk × bytes of its longest value: SQLite bounds the latter, and that bounds the memory
_BYTES = 64 << 20
#: so few values are quicker looked at one by one than by Arrow's functions
_TINY = 64
#: ranges between two looks whether the rowids have no gaps
_GUESSES = 8
_BATCH_ROWS, _BATCH_BYTES = 8_192, 4_000_000
#: a double is tried as so many millionths, which an integer of so many bits counts
_DOUBLE_SCALE, _DOUBLE_LIMIT = 6, 2**53
#: from 3.45 on a BLOB may be taken for JSON in SQLite's binary form; before it is an error
_BLOBS_PASS = sqlite3.sqlite_version_info >= (3, 45)


class _Declined(Exception):
    """A chunk holds what cannot be read exactly in this way."""


class _TooLong(_Declined):
    """A value or a column of a chunk is longer than it may be."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One output, and how it is written."""

    output: Output
    sql: str
    kind: type | None
    """What Arrow reads at once: int or str; None is read value by value."""
    scale: int | None = None
    """The output is sent as so many tenths, hundredths …"""


class Chunks:
    """The rows of one scan, in their order of rowids."""

    def __init__(self, session: SQLiteSession, select: Select, scan: _Scan, report: Report) -> None:
        self._session, self._scan, self._report = session, scan, report
        self._schema = schema_of(select.outputs)
        self._select = select
        self._width, self._guesses = _ROWS, 0
        self._end = _FIRST
        self.rest: str | None = None
        """The statement whose rows are left to be read one by one; None after all have been read."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as far as they can be read in this way; then look at `rest`."""
        low: int | None = _FIRST
        wanted = _TINY  # the first batch is often one chunk, to be there soon and to find out what is in the columns
        while low is not None:
            try:
                if low == _FIRST:
                    self._end = self._last_of_table()
                batch, following = self._batch(low, wanted)
            except _Declined:
                self.rest = self._scan.rest(self._select, low)
                return
            if batch.num_rows or low == _FIRST:
                yield batch
            low, wanted = following, _BATCH_ROWS

    def _last_of_table(self) -> int:
        [(last,)] = self._ask(self._scan.end)
        if last is None:
            raise _Declined
        return int(last)

    def _batch(self, low: int, wanted: int) -> tuple[pa.RecordBatch, int | None]:
        """Rows from `low` on, and where the next ones begin."""
        held: list[Sequence[bytes]] = []
        rows = size = 0
        following: int | None = low
        while following is not None and rows < wanted and size < _BATCH_BYTES:
            count, texts, following = self._chunk(following)
            rows += count
            if count:
                held.append(texts)
                size += sum(map(len, texts))
        if not rows:
            return pa.RecordBatch.from_pylist([], self._schema), following
        arrays = [
            _array(b",".join([text[1:-1] for text in texts]), rows, column, self._report)
            for column, texts in zip(self._scan.columns, zip(*held, strict=True), strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema), following

    def _chunk(self, low: int) -> tuple[int, Sequence[bytes], int | None]:
        """How many rows there are in the range from `low` on, their columns, and where the next range begins."""
        while True:
            last = self._last(low)
            try:
                [(count, has_blob, *texts)] = self._ask(self._scan.chunk, low, last)
            except _TooLong:
                if self._width == _ROWS:
                    raise
                self._width = _ROWS
                continue
            if has_blob:
                raise _Declined
            if 4 * max(map(len, texts)) < _BYTES // self._width and self._width < _MOST_ROWS:
                self._width *= 2
            return count, texts, last + 1 if last < self._end else None

    def _last(self, low: int) -> int:
        """The last rowid of a range of so many rows; where there was no gap, a few more such ranges are expected."""
        if self._guesses:
            self._guesses -= 1
            return min(low + self._width - 1, self._end)
        found = self._ask(self._scan.bound, low, self._width - 1)
        last: int = found[0][0] if found else self._end
        if last == low + self._width - 1:
            self._guesses = _GUESSES
        return last

    def _ask(self, sql: str, *parameters: int) -> list[Any]:
        try:
            return self._session.guarded(lambda: self._answer(sql, parameters), sql)
        except QueryTimeout:
            raise
        except FedqError as error:
            if primary_code(error.__cause__ or error) == sqlite3.SQLITE_TOOBIG:
                raise _TooLong from error
            raise _Declined from error  # what it is, the reader of single rows will meet and say

    def _answer(self, sql: str, parameters: Sequence[int]) -> list[Any]:
        raw = self._session.raw
        text_factory, length = raw.text_factory, raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        raw.text_factory = bytes
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _BYTES // self._width)
        try:
            return raw.execute(sql, parameters).fetchall()
        finally:
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
            raw.text_factory = text_factory


@dataclass(frozen=True, slots=True)
class _Scan:
    """The statements of one scan."""

    table: str
    condition: str
    rowid: str
    columns: tuple[_Column, ...]

    @property
    def end(self) -> str:
        """The last rowid of the table."""
        return f"SELECT max({self.rowid}) FROM {self.table}"

    @property
    def bound(self) -> str:
        """The last rowid of a range of ?2 + 1 rows from ?1 on; none where the table ends before."""
        return f"SELECT {self.rowid} FROM {self.table} WHERE {self.rowid} >= ?1 ORDER BY 1 LIMIT 1 OFFSET ?2"

    @property
    def chunk(self) -> str:
        """The rows between two rowids."""
        arrays = ", ".join(f"json_group_array({column.sql})" for column in self.columns)
        return f"SELECT count(*), {self._has_blob}, {arrays} {self._tail('BETWEEN ?1 AND ?2')}"

    @property
    def _has_blob(self) -> str:
        if not _BLOBS_PASS:
            return "0"
        # nothing sorts above a BLOB
        plain = [column.sql for column in self.columns if column.sql == column.output.sql]
        return f"'blob' IN ({', '.join(f'typeof(max({sql} COLLATE BINARY))' for sql in plain)})"

    def rest(self, select: Select, low: int) -> str:
        """The rows from `low` on, as they are read one by one."""
        if low == _FIRST:
            return select.sql
        return f"SELECT {', '.join(output.sql for output in select.outputs)} {self._tail(f'>= {low}')}"

    def _tail(self, test: str) -> str:
        condition = f"({self.condition}) AND " if self.condition else ""
        return f"FROM {self.table} NOT INDEXED WHERE {condition}{self.rowid} {test}"


def chunks_of(session: SQLiteSession, select: Select, report: Report) -> Chunks | None:
    """The rows of a statement by chunks; None where they are to be read one by one.

    Chunks are for the scan of a table with rowids, of some size, under a short condition of columns without an index,
    and for columns whose values JSON can hold.
    """
    match = _FROM.fullmatch(select.tail) if len(select.tail) < _LONGEST else None
    if match is None or select.is_distinct:
        return None
    table, condition = f'"{match[1]}"', match[2] or ""
    schema = session.known(match[1].replace('""', '"'))
    if schema is None or (schema.rows or 0) < _FEW or (rowid := rowid_name(schema)) is None:
        return None
    if _NOT_PLAIN.search(_QUOTED.sub("", condition)) or any(SQLITE.quote(name) in condition for name in schema.indexed):
        return None
    written = [_column(output) for output in select.outputs]
    columns = tuple(column for column in written if column is not None)
    if len(columns) < max(1, len(written)) or not _is_plain(session, schema):
        return None
    return Chunks(session, select, _Scan(table, condition, rowid, columns), report)


def _is_plain(session: SQLiteSession, schema: TableSchema) -> bool:
    """Whether it is a table with rowids, all of whose columns are stored, in this snapshot.

    What `json(…)` computes in a generated column would stand in the array as it is, and not as a text.
    """
    sql = (
        "SELECT type = 'table' AND NOT wr AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE hidden = 2)"
        " FROM pragma_table_list(?1) WHERE schema = 'main'"
    )
    return session.execute(sql, (schema.table.name,)).fetchall() == [(1,)]


def _column(output: Output) -> _Column | None:
    """How an output is written; None for what JSON does not hold, and for what is computed."""
    sql, column, type_ = output.sql, output.column, output.type
    if column is None or not _QUOTED.fullmatch(sql):
        return None
    storage = column.storage or "iso"
    match type_.family:
        case "integer" if type_.name not in ("HUGEINT", "UHUGEINT"):
            return _Column(output, sql, int)
        case "boolean":
            return _Column(output, sql, int)
        case "text":
            return _Column(output, sql, str)
        case "date" | "timestamp" if storage == "iso":
            return _Column(output, sql, str)
        case "timestamp" | "timestamptz" if storage in ("unix", "unix_ms"):
            return _Column(output, sql, int)
        case "date" | "timestamp" | "timestamptz" | "time" | "uuid" | "json":
            return _Column(output, sql, None)
        case "decimal":
            return _scaled(output, type_.scale or 0)
        case "float" if type_.name == "DOUBLE":
            return _scaled(output, _DOUBLE_SCALE)
    return None


def _scaled(output: Output, scale: int) -> _Column:
    """A number as a whole one; a text, which is none, where a double is not exactly that."""
    if scale == 0:
        return _Column(output, output.sql, int, scale)
    number = f"round({output.sql} * 1e{scale})"
    test = f"{number} / 1e{scale} <> {output.sql}"
    return _Column(output, f"CASE WHEN {test} THEN '' ELSE CAST({number} AS INTEGER) END", int, scale)


def _array(body: bytes, rows: int, column: _Column, report: Report) -> pa.Array:
    """A JSON array without its brackets as values of the output.

    Raises: _Declined, and what `report` makes of a value that the output's type does not hold.
    """
    output = column.output
    if rows < _TINY and column.scale is None:
        return _looked_at(body, rows, output, report)
    storage = (output.column.storage if output.column else None) or "iso"
    try:
        if column.scale is not None:
            return _unscaled(_numbers(body, rows), output, column.scale)
        plain = _numbers(body, rows) if column.kind is int else _texts(body, rows) if column.kind is str else None
        found = None if plain is None else at_once(plain, {column.kind or str}, output.type, storage)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        if column.scale is not None:
            raise _Declined from None
        found = None
    return _looked_at(body, rows, output, report) if found is None else found


def _looked_at(body: bytes, rows: int, output: Output, report: Report) -> pa.Array:
    """The same through Python's values: texts with escapes, and what the type's usual form does not cover."""
    try:
        values = json.loads(b"[%b]" % body)
    except ValueError:  # bytes that are not UTF-8
        raise _Declined from None
    if len(values) != rows or float in set(map(type, values)):
        raise _Declined
    return array_of(values, output, report)


def _numbers(body: bytes, rows: int) -> pa.Array:
    """A JSON array of integers and nulls. Raises: pa.ArrowInvalid where anything else is in it."""
    if not body.translate(None, b"0123456789-,"):  # not even a point: each is an integer
        return pa.array(np.fromstring(body, np.int64, sep=","))
    words = _split(body, ",", rows)
    return pc.if_else(pc.equal(words, "null"), None, words).cast(pa.int64())


def _texts(body: bytes, rows: int) -> pa.Array | None:
    """A JSON array of texts and nulls; None where it has to be parsed.

    No text has a quote inside where nothing is escaped, so two quotes to each of the values prove that all are quoted.
    A NULL is made a text that JSON cannot have; a text with ",null" inside then has one quote too many.
    """
    if b"\\" in body:
        return None
    if _quotes(body) == 2 * rows:
        return _split(body[1:-1], '","', rows)
    quoted = (b"," + body).replace(b",null", b',"\0"')[1:]
    is_all_quoted = _quotes(quoted) == 2 * rows and quoted.startswith(b'"') and quoted.endswith(b'"')
    if b"\0" in body or not is_all_quoted:
        return None
    values = _split(quoted[1:-1], '","', rows)
    return pc.if_else(pc.equal(values, "\0"), None, values)


def _quotes(text: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord('"')))


def _split(text: bytes, separator: str, rows: int) -> pa.Array:
    """The parts of a text. Raises: UnicodeDecodeError, pa.ArrowInvalid unless there are `rows` of them."""
    if not text.isascii():
        text.decode()
    ends = pa.py_buffer(np.array([0, len(text)], np.int32))
    whole = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(text)])
    parts = pc.split_pattern(whole, separator).values
    if len(parts) != rows:
        raise pa.ArrowInvalid("a value with a separator inside")
    return parts


def _unscaled(numbers: pa.Array, output: Output, scale: int) -> pa.Array:
    """Whole numbers of 1 / 10**scale. Raises: pa.ArrowInvalid for one of too many digits."""
    wanted, ends = arrow_type(output.type), pc.min_max(numbers).as_py()
    is_decimal = pa.types.is_decimal(wanted)
    limit = 10 ** min(wanted.precision, EXACT_DIGITS) if is_decimal else _DOUBLE_LIMIT
    if not -limit < (ends["min"] or 0) <= (ends["max"] or 0) < limit:
        raise pa.ArrowInvalid("a number of many digits")
    plain = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    valid = pc.is_valid(numbers).buffers()[1] if numbers.null_count else None
    if is_decimal:
        return unscaled(plain, valid, wanted)
    return pa.Array.from_buffers(wanted, len(plain), [valid, pa.py_buffer(plain / 10.0**scale)])
