"""The local engine: one in-memory DuckDB per federation, closed to the outside, one bench per query.

A bench holds a table per fetch. It is first made with empty tables, so that DuckDB's own binder checks the query and
types its result before any row is pulled; then rows are appended as they arrive; then the text runs. Tables and not
streams, because a query may read a fetch twice, because DuckDB spills tables to disk under its memory limit, and
because the pulls end before the join begins.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from fedq import forks
from fedq.dialects.duckdb import DUCKDB, in_answers
from fedq.errors import FedqError, QueryCancelled
from fedq.join.problems import named_error
from fedq.join.spill import Spill
from fedq.lists import parameters, shortened
from fedq.plan.nodes import Within
from fedq.types import Type, is_text_in_answers, parse_type

if TYPE_CHECKING:
    import pyarrow as pa

#: DuckDB's settings that give one answer everywhere (also used wherever another DuckDB reads for fedq)
SETTINGS = {
    "TimeZone": "UTC",
    "default_null_order": "NULLS_LAST",
    "integer_division": "false",
    "errors_as_json": "true",
    "python_enable_replacements": "false",
}


#: an empty table: its name, and (column, type, collation) of each column
Shell = tuple[str, tuple[tuple[str, Type, str | None], ...]]
_MOST_DESCRIBED = 512
#: a column that DuckDB named by an expression with a list, or that may be
_NAMED_BY_LIST = re.compile(r"\bin\s*\(", re.IGNORECASE)
#: of DuckDB's limit, per thread: to merge what it has sorted it holds 122,880 rows for each, whatever their width, and
#: two blocks of rows of every run; its runs are shorter with more threads (measured: benchmarks/memory.py)
_THREAD_BYTES = 400_000_000
#: so many keys are written in their order, so that the same query is the same statement
_SORTED = 1_000


class Engine:
    """The DuckDB that joins. Thread-safe; opened when the first query needs it."""

    def __init__(self, memory_limit: str | None = None, *, has_files: bool = False) -> None:
        self._memory_limit, self._has_files = memory_limit, has_files
        self._begin()
        forks.tell(self)
        self.described: dict[object, list[tuple[str, Type]]] = {}
        """What DuckDB's binder said of a text over given tables: the same text asked again is not bound again."""

    def _begin(self) -> None:
        self._root: duckdb.DuckDBPyConnection | None = None
        self._spill: weakref.finalize[..., Engine] | None = None
        self._lock = threading.Lock()
        self._single, self._most_threads = 0, 1

    def begin_in_child(self) -> None:
        """A DuckDB does not survive a fork."""
        forks.leave(self._root)
        self._begin()

    def bench(self) -> Bench:
        """A bench for one query; it takes its connection when it first needs one."""
        return Bench(self)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the one engine."""
        with self._lock:
            if self._root is None:
                self._root = self._open()
            return self._root.cursor()

    def _open(self) -> duckdb.DuckDBPyConnection:
        spill = Spill()
        self._spill = weakref.finalize(self, spill.remove)  # with the engine or at exit
        connection = duckdb.connect(":memory:", config={"temp_directory": str(spill.folder)})
        if self._memory_limit:
            connection.execute(f"SET memory_limit = '{self._memory_limit}'")
            connection.execute(f"SET memory_limit = '{_size(connection) // 6 * 5}B'")  # it takes more than it counts
            connection.execute(f"SET threads = {_threads(connection)}")
        for name, value in SETTINGS.items():
            connection.execute(f"SET GLOBAL {name} = '{value}'")  # a plain SET would not reach the cursors
        if not self._has_files:
            connection.execute("SET enable_external_access = false")
        connection.execute("SET allowed_configs = ['threads']")
        connection.execute("SET lock_configuration = true")
        self._most_threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
        return connection

    @property
    def has_threads(self) -> bool:
        """Whether DuckDB works with more than one thread."""
        return self._most_threads > 1

    @contextmanager
    def single(self) -> Iterator[None]:
        """DuckDB works with one thread, which needs the least memory, for as long as a query needs that."""
        self._count_single(1)
        try:
            yield
        finally:
            self._count_single(-1)

    def _count_single(self, change: int) -> None:
        with self._lock:
            self._single += change
            if self._root is not None:
                self._root.cursor().execute(f"SET threads = {1 if self._single else self._most_threads}")

    def close(self) -> None:
        """Close the engine and remove what it spilled."""
        with self._lock:
            if self._root is not None:
                self._root.close()
            if self._spill is not None:
                self._spill()
            self._root = self._spill = None


def _threads(connection: duckdb.DuckDBPyConnection) -> int:
    """As many threads as have room."""
    ((most,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    return max(1, min(int(most), _size(connection) // _THREAD_BYTES))


def _size(connection: duckdb.DuckDBPyConnection) -> int:
    """The memory limit in bytes."""
    ((size,),) = connection.execute("SELECT parse_formatted_bytes(current_setting('memory_limit'))").fetchall()
    return int(size)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The distinct values of some columns, as a table of the bench with the columns k0, k1, …"""

    table: str
    count: int
    most: int
    """With more keys than this, `count` is one more than this."""
    width: int = 1
    """Columns of a key."""

    @property
    def is_whole(self) -> bool:
        """Whether all keys are in it."""
        return self.count <= self.most


class Bench:
    """The tables and the answer of one query. Used by one thread; `interrupt` may come from any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[str, Sequence[tuple[str, Type, str | None]]] = {}
        self._keyrings: dict[tuple[str | Within, ...], Keyring] = {}
        self._is_interrupted = False

    @property
    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = self._engine.connection()
        return self._connection

    def create(self, name: str, columns: Sequence[tuple[str, Type, str | None]]) -> None:
        """An empty table; each column is (name, type, collation). It takes the place of one with other columns."""
        if self._tables.get(name) == tuple(columns):
            return
        parts = [
            f"{DUCKDB.quote(column)} {type_}{f' COLLATE {collation}' if collation else ''}"
            for column, type_, collation in columns
        ]
        self._execute(f"CREATE OR REPLACE TEMP TABLE {DUCKDB.quote(name)} ({', '.join(parts) or '_nothing BOOLEAN'})")
        self._tables[name] = tuple(columns)

    def describe(self, text: str, params: Mapping[str, Any], tables: tuple[Shell, ...]) -> list[tuple[str, Type]]:
        """Names and types of the result's columns over these tables, by DuckDB's binder.

        Raises what `named_error` makes of its refusals.
        """
        key = (text, tuple(params), tuple(map(_kind, params.values())), tables)
        if (known := self._engine.described.get(key)) is not None:
            return known
        for name, columns in tables:
            self.create(name, columns)
        rows = self._described(text, params)
        found = [(row[0], parse_type(row[1])) for row in rows]
        if len(self._engine.described) >= _MOST_DESCRIBED:
            self._engine.described.clear()
        self._engine.described[key] = found
        return found

    def _described(self, text: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What DESCRIBE says; of a text with long lists without them, for they decide nothing but names."""
        short, lists = shortened(text)
        if lists:
            with suppress(FedqError):  # it speaks of the shorter text
                used = parameters(short)
                rows = self._rows(f"DESCRIBE {short}", {name: value for name, value in params.items() if name in used})
                if not any(_NAMED_BY_LIST.search(row[0]) for row in rows):
                    return rows
        return self._rows(f"DESCRIBE {text}", params)

    def load(self, name: str, batches: Sequence[pa.RecordBatch]) -> None:
        """Append record batches to a table."""
        import pyarrow

        incoming = pyarrow.Table.from_batches(batches)
        if not incoming.num_columns:  # only the number of rows matters
            self._execute(f"INSERT INTO {DUCKDB.quote(name)} SELECT NULL FROM range({incoming.num_rows})")
            return
        try:
            self._cursor.register("incoming", incoming)
            try:
                self._execute(f"INSERT INTO {DUCKDB.quote(name)} SELECT * FROM incoming")
            finally:
                self._cursor.unregister("incoming")
        except (duckdb.Error, RuntimeError) as error:  # an interrupt reaches these two as well
            raise self._named(error) from error

    def keys(self, name: str, columns: Sequence[str], most: int, within: Sequence[Within] = ()) -> Keyring:
        """The distinct values of columns that are not NULL; of more than `most`, one more than `most`."""
        known = self._keyrings.get((name, *columns, *within))
        if known is not None and (known.is_whole or known.most >= most):
            return known
        table = f"{len(self._tables) + 1}@keys"  # as no source is called, and no other keys of these columns
        chosen = ", ".join(f"{DUCKDB.quote(column)} AS k{number}" for number, column in enumerate(columns))
        present = " AND ".join([*(f"{DUCKDB.quote(column)} IS NOT NULL" for column in columns), *map(_among, within)])
        text = f"SELECT DISTINCT {chosen} FROM {DUCKDB.quote(name)} WHERE {present} LIMIT {most + 1}"
        ((count,),) = self._rows(f"CREATE TEMP TABLE {DUCKDB.quote(table)} AS {text}")
        self._tables[table] = ()
        self._keyrings[name, *columns, *within] = found = Keyring(table, count, most, len(columns))
        return found

    def write_keys(
        self, keys: Keyring, places: Sequence[tuple[str, str]], unsayable: str
    ) -> tuple[int, list[str]] | None:
        """Keys as text: per place (how one is written, separator) one text, and the number of keys in it.

        A key that is written as NULL in one place is left out of all. None: a key is `unsayable`.
        """
        written = ", ".join(f"{spelled} AS w{number}" for number, (spelled, _) in enumerate(places))
        present = " AND ".join(f"w{number} IS NOT NULL" for number in range(len(places)))
        columns = ", ".join(f"k{number}" for number in range(keys.width))
        order = ""
        if keys.count <= _SORTED:
            order = f" ORDER BY {columns}"
        elif len(places) > 1:
            order = " ORDER BY rowid"  # the texts must go side by side
        texts = ", ".join(
            f"string_agg(w{number}, {literal(separator)}{order})" for number, (_, separator) in enumerate(places)
        )
        table = DUCKDB.quote(keys.table)
        ((odd, count, *found),) = self._rows(
            f"SELECT (SELECT count(*) FROM {table} WHERE {unsayable}), count(*), {texts} "
            f"FROM (SELECT {written}, {columns}, rowid FROM {table}) WHERE {present}"
        )
        return None if odd else (count, [text or "" for text in found])

    def key_values(self, keys: Keyring) -> list[Any]:
        """The keys of one column as Python values."""
        return [row[0] for row in self._rows(f"SELECT k0 FROM {DUCKDB.quote(keys.table)}")]

    def key_ranges(self, name: str, column: str, most: int) -> list[tuple[int, int]]:
        """Up to `most` ranges that hold every value of an integer column, split where the widest gaps are."""
        text = f"""
            WITH d AS (SELECT DISTINCT CAST({DUCKDB.quote(column)} AS HUGEINT) AS k FROM {DUCKDB.quote(name)}),
                 g AS (SELECT k, lag(k) OVER (ORDER BY k) AS before FROM d WHERE k IS NOT NULL),
                 cuts AS (SELECT k, before FROM g WHERE before IS NOT NULL ORDER BY k - before DESC, k LIMIT {most - 1})
            SELECT min(k), max(k), (SELECT list(k ORDER BY k) FROM cuts), (SELECT list(before ORDER BY k) FROM cuts)
            FROM g"""
        ((low, high, starts, ends),) = self._rows(text)
        return [] if low is None else list(zip([low, *(starts or [])], [*(ends or []), high], strict=True))

    def merge(self, name: str, hows: Sequence[str]) -> None:
        """One row for the rows of a group: of each column the aggregate of that name, empty for what is grouped by."""
        columns = [(DUCKDB.quote(column), type_) for column, type_, _ in self._tables[name]]
        parts = [
            f"CAST({how}({column}) AS {type_}) AS {column}" if how else column
            for (column, type_), how in zip(columns, hows, strict=True)
        ]
        keys = ", ".join(column for (column, _), how in zip(columns, hows, strict=True) if not how)
        table, group = DUCKDB.quote(name), f"GROUP BY {keys}" if keys else ""
        self._execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {', '.join(parts)} FROM {table} {group}")

    def empty(self, name: str) -> None:
        """Take all rows out of a table again."""
        self._execute(f"DELETE FROM {DUCKDB.quote(name)}")

    def run(self, text: str, params: Mapping[str, Any], limit: int | None) -> tuple[pa.Table, list[Type]]:
        """The answer, and its columns' types. What does not fit into memory is tried once more with one thread."""
        try:
            return self._run(text, params, limit)
        except duckdb.OutOfMemoryException as error:
            if not self._engine.has_threads:
                raise self._named(error) from error
        with self._engine.single():
            try:
                return self._run(text, params, limit)
            except duckdb.OutOfMemoryException as error:
                raise self._named(error) from error

    def _run(self, text: str, params: Mapping[str, Any], limit: int | None) -> tuple[pa.Table, list[Type]]:
        import pyarrow

        try:
            relation = self._cursor.sql(text, params=dict(params)) if params else self._cursor.sql(text)
            relation = _portable(relation)
            types = [parse_type(str(type_)) for type_ in relation.types]
            if limit is None:
                return relation.to_arrow_table(), types
            reader = relation.to_arrow_reader(min(max(limit, 1), 100_000))
            batches, rows = [], 0
            for batch in reader:
                batches.append(batch.slice(0, limit - rows))
                rows += batches[-1].num_rows
                if rows >= limit:
                    break
            return pyarrow.Table.from_batches(batches, reader.schema), types
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.Error, RuntimeError) as error:
            raise self._named(error, text) from error

    def _execute(self, text: str, params: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        if self._is_interrupted:
            raise QueryCancelled
        try:
            return self._cursor.execute(text, dict(params)) if params else self._cursor.execute(text)
        except (duckdb.Error, RuntimeError) as error:  # an interrupt is a bare RuntimeError
            raise self._named(error, text) from error

    def _rows(self, text: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        try:
            return self._execute(text, params).fetchall()
        except (duckdb.Error, RuntimeError) as error:  # an interrupt may come while the rows are fetched
            raise self._named(error, text) from error

    def _named(self, error: Exception, text: str = "") -> BaseException:
        if self._is_interrupted or isinstance(error, duckdb.InterruptException):
            return QueryCancelled()
        return named_error(error, text)

    def interrupt(self) -> None:
        """Stop what runs; from any thread."""
        self._is_interrupted = True
        if self._connection is not None:
            with suppress(duckdb.Error):  # closed meanwhile: nothing runs any more
                self._connection.interrupt()

    def close(self) -> None:
        """Drop the tables."""
        if self._connection is None:
            return
        with suppress(duckdb.Error, RuntimeError):
            for name in self._tables:
                self._connection.execute(f"DROP TABLE IF EXISTS {DUCKDB.quote(name)}")
        self._connection.close()


def _among(within: Within) -> str:
    """The condition that a row meets one of another table."""
    conditions = " AND ".join(map(_among, within.within))
    where = f" WHERE {conditions}" if conditions else ""
    found = f"SELECT {DUCKDB.quote(within.from_column)} FROM {DUCKDB.quote(within.from_fetch)}{where}"
    return f"{DUCKDB.quote(within.column)} IN ({found})"


def _portable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The relation with types as text that Arrow has no form for."""
    types = [str(type_) for type_ in relation.types]
    return relation.project(in_answers(relation.columns, types)) if any(map(is_text_in_answers, types)) else relation


def _kind(value: Any) -> object:
    """What the type of a bound value depends on: of a number its size, of a time its zone, of a list its items."""
    if isinstance(value, list):
        return tuple(map(_kind, value))
    if isinstance(value, (int, Decimal)):
        return type(value), str(value)
    return type(value), getattr(value, "tzinfo", None) is not None


def literal(text: str) -> str:
    """A text without NUL as a literal of DuckDB's."""
    return "'" + text.replace("'", "''") + "'"
