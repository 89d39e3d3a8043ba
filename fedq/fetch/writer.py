"""The seam between writing and one database: what every kind of database that can be written to must be able to do.

    Writers (one per federation)
      └── Writer (one connection, one transaction; never a reading session)
            ├── insert, upsert, update, delete: rows as Arrow, in bulk
            ├── run: one statement in the database's own words
            ├── source: reads in the same transaction
            └── commit → Position, rollback, prepare (two-phase)

Rows arrive with the columns' physical names and in the Arrow types of `fetch.arrow.arrow_type`; what a database would
change silently (a fraction of a second, a digit, a trailing blank) a writer refuses before it sends anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from fedq import forks
from fedq.catalog.model import Database
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.statistics import TableStatistics
from fedq.errors import DatabaseError, InvalidQuery, NotAllowed, ReadOnlyError, ValueNotRepresentable
from fedq.fetch.source import Select, Session, Source

if TYPE_CHECKING:
    import pyarrow as pa

_CLASSES = {
    "postgres": ("fedq.fetch.postgres.writer", "PostgresWriter"),
    "mysql": ("fedq.fetch.mysql.writer", "MySQLWriter"),
    "sqlite": ("fedq.fetch.sqlite.writer", "SQLiteWriter"),
    "duckdb": ("fedq.fetch.duckdb.writer", "DuckDBWriter"),
    "generic": ("fedq.fetch.alchemy.writer", "AlchemyWriter"),
}
#: seconds for a rollback; then the connection is cut, which is one too
UNDO_SECONDS = 10.0
#: what ends or starts a transaction, which is not for a statement to do
_TRANSACTIONS = frozenset({
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", "XA", "SET", "RESET",
    "LOCK", "UNLOCK", "USE", "ATTACH", "DETACH", "PRAGMA", "LOAD", "INSTALL", "COPY", "DISCARD", "DO", "HANDLER",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """Where in one database's history a committed write stands."""

    engine: str
    """`postgresql` or `mariadb`: how `position` is to be compared."""
    identity: str
    """The cluster's own name of itself (system identifier, server uid)."""
    timeline: int | None
    """PostgreSQL's timeline; a position of another one says nothing."""
    position: str
    """LSN or GTID."""

    def as_dict(self) -> dict[str, Any]:
        """The position as plain data."""
        return {
            "engine": self.engine, "identity": self.identity, "timeline": self.timeline, "position": self.position,
        }  # fmt: skip


class Conflict(DatabaseError):
    """Another transaction changed the same rows at the same time; nothing was written. Do: run the write again."""


@dataclass(frozen=True, slots=True)
class Begin:
    """How a transaction starts."""

    gid: str | None = None
    """The global name by which it could be prepared, and by which MySQL refuses what would commit it on the way; None
    for a write that is a transaction of its own."""
    is_read_only: bool = False
    """The catalog says that nothing may be written: the session says so too."""
    is_autocommit: bool = False
    """No transaction: each statement is one."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that a database finds by itself, and what becomes of them: new values, or without any they go."""

    select: Select
    """Finds them: their keys, then the new values of the columns that are `computed`."""
    keys: tuple[str, ...]
    computed: tuple[str, ...] = ()
    constants: pa.Table | None = None
    """One row: what other columns become, the same for every row."""

    @property
    def stage(self) -> str:
        """Its statement: keys as `k0`, `k1`, …, values as `v0`, `v1`, …."""
        names = [f"k{index}" for index in range(len(self.keys))]
        names += [f"v{index}" for index in range(len(self.computed))]
        outputs = zip(self.select.outputs, names, strict=True)
        return f"SELECT {', '.join(f'{output.sql} AS {name}' for output, name in outputs)} {self.select.tail}"

    @property
    def is_delete(self) -> bool:
        """Whether the rows go."""
        return not self.computed and self.constants is None


class Writer(Protocol):
    """One connection that may write, and its transaction."""

    name: str
    can_prepare: bool
    """Whether it can take part in a two-phase commit."""
    can_change: bool
    """Whether it takes a `change`: rows that are found by the database itself."""
    is_reusable: bool
    """Whether the connection is kept for the next transaction."""

    def begin(self, begin: Begin) -> None:
        """Connect, if that is not done, and start."""

    @property
    def source(self) -> Source:
        """The database as it is within the transaction."""

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows."""

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Rows whose key is there get the new values of the columns `changed`, the others are appended.

        By default all columns change; where none does, rows that are there are left alone. `key` are physical names.
        Returns the rows changed and appended.
        """

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """The rows of these keys get these values; returns how many there were."""

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """The rows of these keys go; returns how many there were."""

    def change(self, schema: TableSchema, change: Change) -> int:
        """Rows that the database finds by itself are changed, or go; returns how many there were."""

    def clear(self, schema: TableSchema) -> int:
        """All rows go."""

    def run(self, sql: str) -> int:
        """One statement in the database's own dialect; returns the rows it changed, -1 where it does not say."""

    def interrupt(self) -> None:
        """Stop the statement that runs, in the database too; what was begun is then to be rolled back.

        From any thread, and again while it runs: the first may come before the statement does. Nothing happens where
        none runs.
        """

    def prepare(self) -> None:
        """The first phase of a two-phase commit; afterwards only commit_prepared or rollback_prepared."""

    def commit(self) -> Position | None:
        """Make it last, also what was prepared."""

    def rollback(self) -> bool:
        """Undo it, also what was prepared; never raises. Whether it is certain: what is prepared outlives the
        connection."""

    def in_doubt(self) -> Sequence[str]:
        """The global names of prepared transactions in this database."""

    def resolve(self, gid: str, *, is_commit: bool) -> None:
        """Finish a prepared transaction."""

    def close(self) -> None:
        """Close the connection."""


class OnePhase:
    """What a writer says that cannot prepare: its database has no two-phase commit, or none that fedq speaks."""

    name: str
    can_prepare = can_change = is_reusable = False

    def change(self, schema: TableSchema, change: Change) -> int:
        """Not needed: the rows are near, and are written by key. Raises: NotAllowed."""
        raise NotAllowed(f"database {self.name!r}: rows are written by key", database=self.name)

    def prepare(self) -> None:
        """Not possible. Raises: NotAllowed."""
        message = f"database {self.name!r}: fedq has no two-phase commit for it"
        raise NotAllowed(message, hint="transaction(atomic=False) commits one after the other.", database=self.name)

    def in_doubt(self) -> Sequence[str]:
        """None ever."""
        return ()

    def resolve(self, gid: str, *, is_commit: bool) -> None:
        """Nothing to do."""


class WriterSource:
    """A database as its writer sees it: the same tables, read within the transaction."""

    def __init__(self, source: Source, open_: Callable[[], Session]) -> None:
        self.name = source.name
        self._source, self._open = source, open_

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view."""
        return self._source.list_tables()

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now."""
        return self._source.describe(tables)

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """What is known of the tables' values."""
        return self._source.statistics(tables)

    def open(self, timeout: float | None = None) -> Session:
        """A session within the writer's transaction; closing it leaves the transaction open."""
        return self._open()

    def close(self) -> None:
        """Nothing: the writer is closed by its transaction."""


class Writers:
    """The writers of one federation: idle ones are kept and used again. Thread-safe."""

    def __init__(self, databases: Mapping[str, Database], sources: Callable[[str], Source]) -> None:
        self._databases, self._sources = databases, sources
        self._begin()
        forks.tell(self)

    def _begin(self) -> None:
        self._idle: dict[str, list[Writer]] = {}
        self._lock = threading.Lock()

    def begin_in_child(self) -> None:
        """A forked child writes with writers of its own."""
        forks.leave(self._idle)
        self._begin()

    def take(self, name: str) -> Writer:
        """A writer, not begun yet."""
        with self._lock:
            if idle := self._idle.get(name):
                return idle.pop()
        database = self._databases[name]
        if database.kind not in _CLASSES:
            message = f"database {name!r} is made of {database.kind}, which fedq only reads"
            hint = "Write into a database, or write the files yourself: result.to_parquet(path)."
            raise ReadOnlyError(message, hint=hint, database=name)
        module, class_name = _CLASSES[database.kind]
        make: Callable[[Source], Writer] = getattr(import_module(module), class_name)
        return make(self._sources(name))

    def give(self, writer: Writer, *, is_usable: bool) -> None:
        """Take a writer back."""
        if is_usable and writer.is_reusable:
            with self._lock:
                idle = self._idle.setdefault(writer.name, [])
                if len(idle) < 2:
                    idle.append(writer)
                    return
        writer.close()

    def close(self) -> None:
        """Close the idle ones."""
        with self._lock:
            writers, self._idle = [writer for idle in self._idle.values() for writer in idle], {}
        for writer in writers:
            writer.close()


def check_native(sql: str) -> None:
    """Refuse a native statement that would end the transaction around it. Raises: NotAllowed."""
    text = sql.lstrip()
    while text.startswith(("--", "/*", "#")):
        end = text.find("*/") + 2 if text.startswith("/*") else text.find("\n") + 1
        if text.startswith(("/*!", "/*M!")) or end < 2:
            raise NotAllowed("a native statement may not begin with such a comment", hint="Leave the comment out.")
        text = text[end:].lstrip()
    verb = text.split(None, 1)[0].upper().rstrip(";(") if text else ""
    if verb in _TRANSACTIONS or not verb:
        hint = "Transactions are fed.transaction()'s; settings belong to the database or its URL."
        raise NotAllowed(f"execute(native=) does not run {verb or 'nothing'}", hint=hint)


def unfit(
    database: str, table: PhysicalTable, column: Column, row: int, value: object, reason: str
) -> ValueNotRepresentable:
    """The error for one value that the column would not hold as it is."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    message = (
        f"row {row} (counted from 0), column {column.name!r} of {table.name!r} in database {database!r}: "
        f"{shown} cannot be written as {column.native or column.type}: {reason}; nothing was written"
    )
    hint = "Convert the column first, or change the column in the database."
    return ValueNotRepresentable(
        message, hint=hint, database=database, table=table.name, column=column.name, row=row, value=value
    )


def columns_of(schema: TableSchema, data: pa.Table) -> list[Column]:
    """The columns of a table in the order of the data."""
    by_name = {column.physical: column for column in schema.columns}
    return [by_name[name] for name in data.column_names]


def first_row(mask: pa.ChunkedArray) -> int | None:
    """The first row where a mask is true."""
    import pyarrow.compute as pc

    found = pc.index(mask, True).as_py()
    return found if found >= 0 else None


def finer_than(array: pa.ChunkedArray, digits: int) -> pa.ChunkedArray:
    """Which times and moments have more digits of a second than these."""
    import pyarrow
    import pyarrow.compute as pc

    micros, unit = array.cast(pyarrow.int64()), 10 ** (6 - digits)
    return pc.not_equal(pc.multiply(pc.divide(micros, unit), unit), micros)


def keyed(schema: TableSchema, keys: pa.Table, values: pa.Table) -> tuple[pa.Table, list[Column]]:
    """Keys and new values side by side, as `k0`, `k1`, … and `v0`, `v1`, …; and the columns that they are of."""
    import pyarrow

    names = [f"k{index}" for index in range(keys.num_columns)] + [f"v{index}" for index in range(values.num_columns)]
    data = pyarrow.table([*keys.columns, *values.columns], names=names)
    return data, [*columns_of(schema, keys), *columns_of(schema, values)]


def to_change(key: Sequence[str], data: pa.Table, changed: Sequence[str] | None) -> list[str]:
    """The columns that an upsert changes in rows that are there."""
    return [name for name in data.column_names if name not in key and (changed is None or name in changed)]


def check_upserted(schema: TableSchema, data: pa.Table, rows: int) -> None:
    """Refuse an upsert that found fewer rows than it brought: two of its keys are one to the database, as 'a' and 'A'
    are under many collations, and one row's values are lost. Raises: InvalidQuery."""
    if rows < data.num_rows:
        message = (
            f"{data.num_rows - rows:,} of the {data.num_rows:,} rows have no row of {schema.table.name!r} of their own"
        )
        hint = "The database takes keys that differ in letters or blanks for the same, or a trigger keeps rows out."
        raise InvalidQuery(f"{message}; nothing was written", hint=hint, table=schema.table.name)


def size_of_piece(keys: pa.Table, values: pa.Table, size: int) -> int:
    """How many rows of an update are one statement: all, where what is changed is also what rows are found by.

    In a table without a key a row of one piece may become what a row of the next one is, and would be changed twice.
    """
    return max(1, keys.num_rows) if set(keys.column_names) & set(values.column_names) else size


def slices(data: pa.Table, size: int) -> Iterator[pa.Table]:
    """A table in pieces of at most `size` rows."""
    for start in range(0, data.num_rows, size):
        yield data.slice(start, size)
