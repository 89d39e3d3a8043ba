"""Writes to any database behind SQLAlchemy: the driver's executemany, in one transaction.

SQLAlchemy's own connection, asked for by the source, which is the one door to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from fedq.catalog.schema import TableSchema
from fedq.errors import FedqError, NotAllowed
from fedq.fetch.alchemy.source import AlchemySession, AlchemySource, stop_driver
from fedq.fetch.source import Session, Source
from fedq.fetch.writer import Begin, OnePhase, Position, WriterSource, columns_of, to_change, unfit

Answer = TypeVar("Answer")
_ROWS = 10_000
#: databases that lock what they read, or refuse the later of two changes
_ISOLATION = {"mssql": "SERIALIZABLE", "oracle": "SERIALIZABLE", "postgresql": "REPEATABLE READ"}
_KNOWN = ("integer", "decimal", "float", "text", "blob", "boolean", "date", "time", "timestamp", "timestamptz")


class AlchemyWriter(OnePhase):
    """One connection of the source's engine."""

    def __init__(self, source: AlchemySource) -> None:
        self.name, self._plain = source.name, source
        self._connection: Any = None

    def begin(self, begin: Begin) -> None:
        """Start a transaction."""
        if begin.is_read_only:
            raise NotAllowed(f"database {self.name!r} is read_only in the catalog", database=self.name)
        with self._plain.translated():
            self._connection = self._plain.engine.connect()
            isolation = _ISOLATION.get(self._connection.dialect.name)
            if isolation is not None:
                self._connection.execution_options(isolation_level=isolation)

    @property
    def source(self) -> Source:
        """The database within the transaction."""
        return WriterSource(self._plain, self._session)

    def _session(self) -> Session:
        return _Session(self._plain, self._connection, None)

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows."""
        names = ", ".join(self._quote(name) for name in data.column_names)
        marks = ", ".join(self._mark(index) for index in range(data.num_columns))
        self._many(f"INSERT INTO {self._table(schema)} ({names}) VALUES ({marks})", self._rows(schema, data))
        return int(data.num_rows)

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Change the rows whose key is there, append the others: row by row, for no two databases say it alike."""
        rest, rows = to_change(key, data, changed), 0
        for piece in (data.slice(at, 1) for at in range(data.num_rows)):
            keys = piece.select(list(key))
            found = self.update(schema, keys, piece.select(rest)) if rest else self._has(schema, keys)
            rows += 1 if rest or not found else 0
            if not found:
                self.insert(schema, piece)
        return rows

    def _has(self, schema: TableSchema, row: pa.Table) -> int:
        [values] = self._rows(schema, row)
        sql = f"SELECT 1 FROM {self._table(schema)} WHERE {self._match(row.column_names, 0)}"
        return len(self._guarded(lambda: self._connection.exec_driver_sql(sql, values).fetchall(), sql))

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """Change the rows of these keys."""
        sets = ", ".join(f"{self._quote(name)} = {self._mark(index)}" for index, name in enumerate(values.column_names))
        where = self._match(keys.column_names, values.num_columns)
        pairs = zip(self._rows(schema, values), self._rows(schema, keys), strict=True)
        return self._each(
            f"UPDATE {self._table(schema)} SET {sets} WHERE {where}", ((*new, *key) for new, key in pairs)
        )

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """Delete the rows of these keys."""
        sql = f"DELETE FROM {self._table(schema)} WHERE {self._match(keys.column_names, 0)}"
        return self._each(sql, self._rows(schema, keys))

    def clear(self, schema: TableSchema) -> int:
        """Delete all rows."""
        return self.run(f"DELETE FROM {self._table(schema)}")

    def run(self, sql: str) -> int:
        """One statement."""
        options = {"no_parameters": True}
        rows = self._guarded(lambda: self._connection.exec_driver_sql(sql, execution_options=options).rowcount, sql)
        return int(rows)

    def _match(self, names: Sequence[str], start: int) -> str:
        return " AND ".join(f"{self._quote(name)} = {self._mark(start + index)}" for index, name in enumerate(names))

    def _many(self, sql: str, rows: Iterator[tuple[Any, ...]]) -> None:
        while block := [row for _, row in zip(range(_ROWS), rows, strict=False)]:
            self._guarded(lambda block=block: self._connection.exec_driver_sql(sql, block), sql)  # type: ignore[misc]

    def _each(self, sql: str, rows: Iterator[tuple[Any, ...]]) -> int:
        """One by one, because drivers do not add up what many changed."""
        return sum(
            self._guarded(lambda row=row: int(self._connection.exec_driver_sql(sql, row).rowcount), sql)  # type: ignore[misc]
            for row in rows
        )

    def _rows(self, schema: TableSchema, data: pa.Table) -> Iterator[tuple[Any, ...]]:
        for column, array in zip(columns_of(schema, data), data.columns, strict=True):
            if column.type.family not in _KNOWN and array.null_count < len(array):
                row = next(index for index, value in enumerate(array) if value.is_valid)
                raise unfit(self.name, schema.table, column, row, array[row].as_py(), "its type is not known to fedq")
        for batch in data.to_batches(_ROWS):
            yield from zip(*(array.to_pylist() for array in batch.columns), strict=True)

    def _mark(self, index: int) -> str:
        style = self._connection.dialect.paramstyle
        return {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric": f":{index + 1}", "named": f":{index + 1}"}[
            style
        ]

    def _quote(self, name: str) -> str:
        return str(self._connection.dialect.identifier_preparer.quote_identifier(name))

    def _table(self, schema: TableSchema) -> str:
        name = self._quote(schema.table.name)
        return f"{self._quote(schema.table.schema)}.{name}" if schema.table.schema else name

    def _guarded(self, work: Callable[[], Answer], sql: str) -> Answer:
        with self._plain.translated(sql):
            return work()

    def interrupt(self) -> None:
        """Stop the statement that runs, as far as the driver can."""
        if (connection := self._connection) is not None:
            stop_driver(connection)

    def commit(self) -> Position | None:
        """Make it last."""
        with self._plain.translated():
            self._connection.commit()
        self.close()
        return None

    def rollback(self) -> bool:
        """Undo it."""
        if self._connection is not None:
            try:
                with self._plain.translated():
                    self._connection.rollback()
            except FedqError:
                self._connection.invalidate()
            self.close()
        return True

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Session(AlchemySession):
    """A session that leaves the writer's transaction open."""

    def close(self) -> None:
        """Read no more."""
        self._stopper.close()
