"""Writes SQLite files, in one transaction that holds the file's one place for a writer from its beginning.

    DATE → ISO text · TIMESTAMP → ISO text · DECIMAL → a number where all its digits survive · BOOLEAN → 0, 1

`executemany` and not one statement with many values: the file is in this process, so there is nothing to travel.
"""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from fedq.catalog.schema import Column, TableSchema
from fedq.dialects.sqlite import SQLITE
from fedq.errors import FedqError, NotAllowed
from fedq.fetch.source import Session, Source
from fedq.fetch.sqlite.connection import STEPS, Connection, Limit, explained, identity, primary_code
from fedq.fetch.sqlite.source import SQLiteSession, SQLiteSource
from fedq.fetch.writer import (
    Begin,
    Conflict,
    OnePhase,
    Position,
    WriterSource,
    check_upserted,
    columns_of,
    first_row,
    to_change,
    unfit,
)

Answer = TypeVar("Answer")
_LOCKS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
)  # fmt: skip
#: rows that are written to a table without a key
_STAGE = "temp.fedq_stage"
_EPOCH = dt.datetime(1970, 1, 1)
_JULIAN_EPOCH = 2440587.5


#: SQLite folds the letters of ASCII alone
_FOLDS: dict[str, Callable[[str], object]] = {
    "NOCASE": lambda text: text.encode().lower(), "RTRIM": lambda text: text.rstrip(" "),
}  # fmt: skip


class Unfit(ValueError):
    """A value SQLite would change."""


class _Connection(Connection):
    """A connection that may write."""

    def __init__(self, source: SQLiteSource, mode: str, limit: Limit) -> None:
        self.database, self.path, self.busy_timeout = source.name, source.path, source.busy_timeout
        self.identity = identity(self.path)
        try:
            self.raw = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode={mode}", uri=True, timeout=0, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
        except sqlite3.Error as error:
            raise explained(error, self.database, self.path, is_opening=True) from error
        self.raw.execute("PRAGMA foreign_keys = ON")
        self.raw.set_progress_handler(limit.reached, STEPS)


class SQLiteWriter(OnePhase):
    """One transaction on a SQLite file."""

    def __init__(self, source: SQLiteSource) -> None:
        self.name, self._plain = source.name, source
        self._connection: _Connection | None = None
        self._is_own = True
        self._limit = Limit()

    def begin(self, begin: Begin) -> None:
        """Open the file and take the writer's place. Raises: ConnectionFailed where another holds it."""
        self._connection = _Connection(self._plain, "ro" if begin.is_read_only else "rw", self._limit)
        if begin.is_read_only:
            self.raw.execute("PRAGMA query_only = ON")
        elif not begin.is_autocommit:
            self._wait()
        self.raw.execute(f"PRAGMA busy_timeout = {self._plain.busy_timeout * 1000:.0f}")
        self.raw.set_authorizer(self._authorize)

    def _wait(self) -> None:
        """SQLite gives up at once where a reader would have to wait for a writer; waiting is done here."""
        give_up, pause = time.monotonic() + self._plain.busy_timeout, 0.001
        while True:
            try:
                self.raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                if self._limit.reached():
                    raise self._limit.error(self.name) from error
                if primary_code(error) not in _LOCKS or time.monotonic() > give_up:
                    self.close()
                    raise explained(error, self.name, self._plain.path, is_opening=True) from error
            time.sleep(pause)
            pause = min(0.05, pause * 2)

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection."""
        assert self._connection is not None
        return self._connection.raw

    @property
    def source(self) -> Source:
        """The file within the transaction."""
        return WriterSource(self._plain, self._session)

    def _session(self) -> Session:
        assert self._connection is not None
        return _Session(self._plain, self._connection, Limit())

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows."""
        marks = ", ".join("?" * data.num_columns)
        sql = f"INSERT INTO {_table(schema)} ({_names(data)}) VALUES ({marks})"
        return self._many(sql, self._rows(schema, data))

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Change the rows whose key is there, append the others."""
        keys, rest = data.select(list(key)), to_change(key, data, changed)
        if rest:  # first, and not ON CONFLICT: that wants every NOT NULL column, also of rows that are there
            check_upserted(schema, data, _different(schema, keys))
            self.update(schema, keys, data.select(rest))
        marks = ", ".join("?" * data.num_columns)
        table = _table(schema)
        sql = (
            f"INSERT INTO {table} ({_names(data)}) SELECT {marks} "
            f"WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {_match(schema, keys)})"
        )
        pairs = zip(self._rows(schema, data), self._rows(schema, keys), strict=True)
        appended = self._many(sql, ((*row, *found) for row, found in pairs))
        return int(data.num_rows) if rest else appended

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """Change the rows of these keys."""
        if _has_no_key(schema):
            sets = ", ".join(f"{SQLITE.quote(name)} = s.v{index}" for index, name in enumerate(values.column_names))
            return self._joined(
                f"UPDATE {_table(schema)} AS t SET {sets} FROM {_STAGE} AS s WHERE", schema, keys, values
            )
        sets = ", ".join(f"{SQLITE.quote(name)} = ?" for name in values.column_names)
        sql = f"UPDATE {_table(schema)} SET {sets} WHERE {_match(schema, keys)}"
        pairs = zip(self._rows(schema, values), self._rows(schema, keys), strict=True)
        return self._many(sql, ((*value, *key) for value, key in pairs))

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """Delete the rows of these keys."""
        if _has_no_key(schema):
            return self._joined(f"DELETE FROM {_table(schema)} AS t WHERE EXISTS", schema, keys)
        return self._many(f"DELETE FROM {_table(schema)} WHERE {_match(schema, keys)}", self._rows(schema, keys))

    def _joined(self, verb: str, schema: TableSchema, keys: pa.Table, values: pa.Table | None = None) -> int:
        """Change or delete the rows of a table without a key, all of them by one statement.

        One by one each would be looked for in the whole table, and found again when it has become what another one was.
        """
        names = [f"k{index}" for index in range(keys.num_columns)]
        match, found = _match(schema, keys, "t.", [f"s.{name}" for name in names]), ", ".join(names)
        rows, physical, sql = self._rows(schema, keys), keys.column_names, f"{verb} {match}"
        if values is None:
            sql = f"{verb} (SELECT 1 FROM {_STAGE} AS s WHERE {match})"
        else:
            names += [f"v{index}" for index in range(values.num_columns)]
            physical = physical + values.column_names
            pairs = zip(rows, self._rows(schema, values), strict=True)
            rows = ((*key, *value) for key, value in pairs)
        # made of the table, its columns compare as those of the table do, so that their index is used
        chosen = ", ".join(f"{SQLITE.quote(column)} AS {name}" for column, name in zip(physical, names, strict=True))
        self._do(f"CREATE TEMP TABLE fedq_stage AS SELECT {chosen} FROM {_table(schema)} WHERE 0")
        self._many(f"INSERT INTO {_STAGE} VALUES ({', '.join('?' * len(names))})", rows)
        self._do(f"CREATE INDEX temp.fedq_stage_at ON fedq_stage ({found})")
        count = self._do(sql)
        self._do(f"DROP TABLE {_STAGE}")
        return count

    def clear(self, schema: TableSchema) -> int:
        """Delete all rows."""
        return self._do(f"DELETE FROM {_table(schema)}")

    def run(self, sql: str) -> int:
        """One statement; `sqlite3` refuses two."""

        def _run() -> int:
            self._is_own = False
            try:
                return self.raw.execute(sql).rowcount
            finally:
                self._is_own = True

        return self._guarded(_run, sql)

    def _authorize(self, action: int, one: str | None, two: str | None, schema: str | None, trigger: str | None) -> int:
        """A native statement stays in its file and in its transaction."""
        is_refused = action in _REFUSED or (action == sqlite3.SQLITE_FUNCTION and two == "load_extension")
        return sqlite3.SQLITE_DENY if is_refused and not self._is_own else sqlite3.SQLITE_OK

    def _rows(self, schema: TableSchema, data: pa.Table) -> Iterator[tuple[Any, ...]]:
        columns = columns_of(schema, data)
        makers = [stored(column) for column in columns]
        row = 0
        for batch in data.combine_chunks().to_batches(20_000):
            if self._limit.reached():  # an interrupt that comes between two rows finds nothing to interrupt
                raise self._limit.error(self.name)
            self._refuse_midnights(schema, batch, row)
            lists = [
                _each(array.to_pylist(), maker, lambda at, value, why, column=column, start=row: unfit(  # type: ignore[misc]
                    self.name, schema.table, column, start + at, value, why
                ))
                for array, maker, column in zip(batch.columns, makers, columns, strict=True)
            ]  # fmt: skip
            row += batch.num_rows
            yield from zip(*lists, strict=True)

    def _refuse_midnights(self, schema: TableSchema, batch: pa.RecordBatch, start: int) -> None:
        """24:00 is no `datetime.time`, and would be made 00:00."""
        for column, array in zip(columns_of(schema, batch), batch.columns, strict=True):
            if pa.types.is_time(array.type):
                is_late = pc.greater_equal(array.cast(pa.int64()), 86_400_000_000)
                if (row := first_row(is_late)) is not None:
                    raise unfit(
                        self.name, schema.table, column, start + row, "24:00:00", "SQLite's days end at 23:59:59"
                    )

    def _do(self, sql: str) -> int:
        return int(self._guarded(lambda: self.raw.execute(sql).rowcount, sql))

    def _many(self, sql: str, rows: Iterator[tuple[Any, ...]]) -> int:
        return self._guarded(lambda: self.raw.executemany(sql, rows).rowcount, sql)

    def _guarded(self, work: Callable[[], Answer], sql: str | None = None) -> Answer:
        try:
            return work()
        except FedqError:
            raise
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            if isinstance(error, OverflowError):  # a number beyond 64 bits in a statement of the user's own
                raise NotAllowed(f"database {self.name!r}: {error}", database=self.name) from error
            if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
                raise self._limit.error(self.name) from error
            if primary_code(error) in _LOCKS:
                raise Conflict(f"database {self.name!r} is locked", database=self.name) from error
            raise explained(error, self.name, self._plain.path, sql=sql) from error

    def interrupt(self) -> None:
        """Stop the statement that runs; SQLite asks itself every few milliseconds."""
        self._limit.is_cancelled = True

    def commit(self) -> Position | None:
        """Make it last."""
        if self.raw.in_transaction:
            self._guarded(lambda: self.raw.execute("COMMIT"))
        self.close()
        return None

    def rollback(self) -> bool:
        """Undo it."""
        self.close()
        return True

    def close(self) -> None:
        """Close the file; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.raw.set_progress_handler(None, 0)
            if connection.raw.in_transaction:
                connection.raw.execute("ROLLBACK")
            connection.raw.close()


class _Session(SQLiteSession):
    """A session that leaves the writer's transaction open."""

    def close(self) -> None:
        """Read no more."""
        with self._lock:
            self._is_closed = True
            self._connection.raw.text_factory = str


def _each(
    values: list[Any], make: Callable[[Any], Any] | None, refused: Callable[[int, Any, str], FedqError]
) -> list[Any]:
    if make is None:
        return values
    found = []
    for at, value in enumerate(values):
        try:
            found.append(None if value is None else make(value))
        except Unfit as reason:
            raise refused(at, value, str(reason)) from None
    return found


def stored(column: Column) -> Callable[[Any], Any] | None:
    """How a value of the column's type is stored, such that reading it gives the value again; None is as it is.

    >>> from fedq.types import parse_type
    >>> stored(Column("n", parse_type("DECIMAL(10,2)"), "n", "DECIMAL(10,2)"))(Decimal("1.50"))
    1.5
    """
    family = column.type.family
    if family in ("timestamp", "timestamptz", "date"):
        return _moment(family, column.storage)
    makers: dict[str, Callable[[Any], Any]] = {
        "integer": _integer, "decimal": _decimal, "float": _double, "boolean": int, "time": _time,
    }  # fmt: skip
    if family in ("text", "uuid", "json"):
        return None if _keeps_text(column.native) else _text
    if family == "blob":
        return None
    if family not in makers:

        def _refuse(value: Any) -> Any:
            raise Unfit("SQLite has no such type")

        return _refuse
    return makers[family]


def _integer(value: Any) -> int:
    if not -(2**63) <= value < 2**63:
        raise Unfit("SQLite's integers have 64 bits")
    return int(value)


def _decimal(value: Decimal) -> int | float:
    if value == value.to_integral_value():
        return _integer(int(value))
    if Decimal(repr(float(value))) != value:
        raise Unfit("SQLite keeps 15 digits of a number that is not whole")
    return float(value)


def _double(value: float) -> float:
    if math.isnan(value):
        raise Unfit("SQLite makes NULL of NaN")
    return value


def _keeps_text(declared: str) -> bool:
    """Whether SQLite leaves a text alone that looks like a number, by its rules of affinity."""
    name = declared.upper()
    return "INT" not in name and (any(word in name for word in ("CHAR", "CLOB", "TEXT", "BLOB")) or not name)


def _text(value: str) -> str:
    try:
        float(value)
    except ValueError:
        return value
    raise Unfit("SQLite makes a number of such a text in a column of this declared type")


def _time(value: dt.time) -> str:
    return value.isoformat()


def _moment(family: str, storage: str | None) -> Callable[[Any], Any]:
    if storage in (None, "iso"):
        return _iso_day if family == "date" else _iso

    def _number(value: Any) -> int | float:
        moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
        if moment.tzinfo is not None:
            moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
        micros = (moment - _EPOCH) // dt.timedelta(microseconds=1)
        if storage == "julian":
            return _JULIAN_EPOCH + micros / 86_400_000_000
        unit = 1_000_000 if storage == "unix" else 1_000
        if micros % unit:
            raise Unfit(f"the catalog says it is stored as {storage}, which has no such fraction")
        return micros // unit

    return _number


def _iso_day(value: dt.date) -> str:
    return value.isoformat()


def _iso(value: dt.datetime) -> str:
    return value.isoformat(" ")


def _table(schema: TableSchema) -> str:
    return SQLITE.quote(schema.table.name)


def _names(data: pa.Table) -> str:
    return ", ".join(map(SQLITE.quote, data.column_names))


def _different(schema: TableSchema, keys: pa.Table) -> int:
    """How many of the keys the file takes for different ones."""
    folds = [_FOLDS.get((column.collation or "").upper()) for column in columns_of(schema, keys)]
    if not any(folds):
        return int(keys.num_rows)
    lists = [
        array.to_pylist() if fold is None else [value if value is None else fold(value) for value in array.to_pylist()]
        for array, fold in zip(keys.columns, folds, strict=True)
    ]
    return len(set(zip(*lists, strict=True)))


def _has_no_key(schema: TableSchema) -> bool:
    return not (schema.key or schema.is_view)


def _match(schema: TableSchema, keys: pa.Table, ours: str = "", theirs: Sequence[str] = ()) -> str:
    """The rows of these keys; where nothing is a key, of exactly these values: NOCASE would find others too."""
    is_key = bool(schema.key) and set(schema.key) <= set(keys.column_names)
    exactly = "" if is_key else " COLLATE BINARY"
    return " AND ".join(
        f"{ours}{SQLITE.quote(column.physical)}{exactly if column.collation else ''} IS {their}"
        for column, their in zip(columns_of(schema, keys), theirs or "?" * keys.num_columns, strict=True)
    )
