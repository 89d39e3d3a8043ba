"""Writes to MySQL and MariaDB: LOAD DATA LOCAL where the server takes it, INSERT of many rows where it does not.

    insert           LOAD DATA LOCAL INFILE … (a, @b) SET b = UNHEX(@b)
    update           UPDATE t JOIN (SELECT 1 AS k0, 'x' AS v0 UNION ALL SELECT …) s ON t.id = s.k0 SET t.name = s.v0
    delete           DELETE FROM t WHERE (a, b) IN ((1, 2), …)

LOAD DATA LOCAL turns errors into warnings and skips rows: so rows and warnings are counted, and anything but "all rows,
no warning" undoes the transaction (transaction.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.dialects.mysql import MYSQL
from fedq.errors import DatabaseError, FedqError, ValueNotRepresentable
from fedq.fetch import tabtext
from fedq.fetch.mysql import outgoing
from fedq.fetch.mysql.matching import match_of, may_be_one
from fedq.fetch.mysql.source import MySQLSource
from fedq.fetch.mysql.transaction import TAKEN, MySQLTransaction
from fedq.fetch.mysql.undoable import check_undoable
from fedq.fetch.writer import (
    Change,
    check_upserted,
    columns_of,
    first_row,
    keyed,
    size_of_piece,
    slices,
    to_change,
    unfit,
)

#: keys of one IN list, rows of one derived table
_KEYS, _JOINED = 900, 400
#: fewer rows than this are one INSERT
_FEW = 100
#: LOAD DATA LOCAL is switched off, here or there
_NO_LOCAL = (1148, 3948, 3950, 4166)


class MySQLWriter(MySQLTransaction):
    """One connection that may write rows."""

    is_reusable = can_prepare = can_change = True

    def __init__(self, source: MySQLSource) -> None:
        super().__init__(source)
        self._has_local = True
        self._undoable: set[PhysicalTable] = set()

    def insert(self, schema: TableSchema, data: pa.Table) -> int:
        """Append rows."""
        self._check(schema, data)
        if data.num_rows > _FEW and self._has_local:
            try:
                return self._load(schema, data)
            except DatabaseError as error:
                if error.facts.get("number") not in _NO_LOCAL:
                    raise
                self._has_local = False
        names = ", ".join(map(MYSQL.quote, data.column_names))
        rows = 0
        for values in outgoing.tuples(data):
            rows += self._run(f"INSERT INTO {self._table(schema)} ({names}) VALUES {values}")
        return rows

    def _load(self, schema: TableSchema, data: pa.Table) -> int:
        columns = columns_of(schema, data)
        targets, sets = [], []
        for index, (column, field) in enumerate(zip(columns, data.schema, strict=True)):
            name = MYSQL.quote(column.physical)
            wrapped = outgoing.wrapped(column, field.type, f"@c{index}")
            targets.append(name if wrapped is None else f"@c{index}")
            if wrapped is not None:
                sets.append(f"{name} = {wrapped}")
        sql = (
            f"LOAD DATA LOCAL INFILE 'fedq' INTO TABLE {self._table(schema)} CHARACTER SET utf8mb4 "
            "FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' "
            f"({', '.join(targets)}){' SET ' + ', '.join(sets) if sets else ''}"
        )
        plain = [not pa.types.is_string(field.type) for field in data.schema]
        rows = self._run(sql, tabtext.chunks(data, [outgoing.texts] * data.num_columns, is_plain=plain))
        if rows != data.num_rows or self.link.wire.warnings:
            raise self._not_all(rows, data.num_rows, schema)
        return rows

    def _not_all(self, rows: int, wanted: int, schema: TableSchema) -> FedqError:
        """LOAD DATA skipped rows or changed values: the first warning says which and why."""
        found = self._ask("SHOW WARNINGS LIMIT 3")
        numbers = [int(row[1] or 0) for row in found]
        said = "; ".join((row[2] or b"").decode(errors="replace") for row in found) or "no reason given"
        message = f"database {self.name!r}, table {schema.table.name!r}: {wanted - rows:,} of {wanted:,} rows refused"
        if rows == wanted:
            message = f"database {self.name!r}, table {schema.table.name!r}: it would change values"
        facts: dict[str, Any] = {
            "database": self.name,
            "table": schema.table.name,
            "number": numbers[0] if numbers else None,
        }
        kind = DatabaseError if numbers and numbers[0] in TAKEN else ValueNotRepresentable
        return kind(f"{message}: {said}", hint="Nothing was written. Rows are counted from 1 there.", **facts)

    def upsert(
        self, schema: TableSchema, key: Sequence[str], data: pa.Table, changed: Sequence[str] | None = None
    ) -> int:
        """Change the rows whose key is there, append the others.

        Not ON DUPLICATE KEY UPDATE: that also changes a row that merely shares another unique value.
        """
        self._check(schema, data)
        rest, rows = to_change(key, data, changed), 0
        match = match_of(schema, key, key)
        written: set[tuple[bytes | None, ...]] = set()
        for piece in slices(data.combine_chunks(), _JOINED):
            [stage] = self._stages(piece)
            found = self._upsert_piece(schema, piece, rest, stage, match, key[0])
            if rest:
                check_upserted(schema, piece, found)
            if rest and data.num_rows > _JOINED and may_be_one(schema, key):
                there = self._keys_there(schema, key, stage, match)
                check_upserted(schema, piece, len(there - written))
                written |= there
            rows += found
        return rows

    def _upsert_piece(
        self, schema: TableSchema, piece: pa.Table, rest: Sequence[str], stage: str, match: str, first: str
    ) -> int:
        found = 0
        if rest:
            sets = ", ".join(f"t.{MYSQL.quote(name)} = s.{MYSQL.quote(name)}" for name in rest)
            found = self._run(f"UPDATE {self._table(schema)} t JOIN {stage} ON {match} SET {sets}")
            if found == piece.num_rows:  # an INSERT wants every NOT NULL column, also when it inserts nothing
                return found
        names = ", ".join(map(MYSQL.quote, piece.column_names))
        chosen = ", ".join(f"s.{MYSQL.quote(name)}" for name in piece.column_names)
        return found + self._run(
            f"INSERT INTO {self._table(schema)} ({names}) SELECT {chosen} FROM {stage} "
            f"LEFT JOIN {self._table(schema)} t ON {match} WHERE t.{MYSQL.quote(first)} IS NULL"
        )

    def _keys_there(
        self, schema: TableSchema, key: Sequence[str], stage: str, match: str
    ) -> set[tuple[bytes | None, ...]]:
        """The keys of the rows that some rows were written to."""
        names = ", ".join(f"t.{MYSQL.quote(name)}" for name in key)
        return {tuple(row) for row in self._ask(f"SELECT {names} FROM {self._table(schema)} t JOIN {stage} ON {match}")}

    def update(self, schema: TableSchema, keys: pa.Table, values: pa.Table) -> int:
        """Change the rows of these keys."""
        self._check(schema, values)
        data, _ = keyed(schema, keys, values)
        sets = ", ".join(f"t.{MYSQL.quote(name)} = s.v{index}" for index, name in enumerate(values.column_names))
        match = match_of(schema, keys.column_names, data.column_names[: keys.num_columns])
        stages = self._stages(data, size_of_piece(keys, values, _JOINED))
        return sum(self._run(f"UPDATE {self._table(schema)} t JOIN {stage} ON {match} SET {sets}") for stage in stages)

    def delete(self, schema: TableSchema, keys: pa.Table) -> int:
        """Delete the rows of these keys."""
        rows = 0
        if set(schema.key) <= set(keys.column_names) and schema.key:
            names = ", ".join(MYSQL.quote(name) for name in keys.column_names)
            for piece in slices(keys.combine_chunks(), _KEYS):
                found = ", ".join(f"({', '.join(row)})" for row in outgoing.literals(piece))
                rows += self._run(f"DELETE FROM {self._table(schema)} WHERE ({names}) IN ({found})")
            return rows
        match = match_of(schema, keys.column_names, keys.column_names)
        for stage in self._stages(keys):
            rows += self._run(f"DELETE t FROM {self._table(schema)} t JOIN {stage} ON {match}")
        return rows

    def change(self, schema: TableSchema, change: Change) -> int:
        """Change or delete rows that the database finds by itself.

        The LIMIT keeps the server from merging the rows it finds with the table that it writes, which it refuses.
        """
        stage = f"({change.stage} LIMIT {2**64 - 1}) s"
        match = match_of(schema, change.keys, [f"k{index}" for index in range(len(change.keys))])
        if change.is_delete:
            return self._run(f"DELETE t FROM {self._table(schema)} t JOIN {stage} ON {match}")
        sets = [f"t.{MYSQL.quote(name)} = s.v{index}" for index, name in enumerate(change.computed)]
        if (constants := change.constants) is not None:
            self._check(schema, constants)
            [values] = outgoing.literals(constants)
            sets += [
                f"t.{MYSQL.quote(name)} = {value}" for name, value in zip(constants.column_names, values, strict=True)
            ]
        return self._run(f"UPDATE {self._table(schema)} t JOIN {stage} ON {match} SET {', '.join(sets)}")

    def clear(self, schema: TableSchema) -> int:
        """Delete all rows."""
        return self._run(f"DELETE FROM {self._table(schema)}")

    def _stages(self, data: pa.Table, size: int = _JOINED) -> Iterator[str]:
        """The rows as derived tables `s`, so many each."""
        for piece in slices(data.combine_chunks(), size):
            rows = iter(outgoing.literals(piece))
            first = ", ".join(
                f"{value} AS {MYSQL.quote(name)}" for value, name in zip(next(rows), data.column_names, strict=True)
            )
            selects = [f"SELECT {first}", *("SELECT " + ", ".join(row) for row in rows)]
            yield f"({' UNION ALL '.join(selects)}) s"

    def _table(self, schema: TableSchema) -> str:
        """The name of a table that may be written."""
        if schema.table not in self._undoable:
            check_undoable(self._ask, self.name, schema.table)
            self._undoable.add(schema.table)
        name = MYSQL.quote(schema.table.name)
        return f"{MYSQL.quote(schema.table.schema)}.{name}" if schema.table.schema else name

    def _check(self, schema: TableSchema, data: pa.Table) -> None:
        for column, array in zip(columns_of(schema, data), data.columns, strict=True):
            for mask, reason in outgoing.problems(array, column):
                if (row := first_row(mask)) is not None:
                    raise unfit(self.name, schema.table, column, row, array[row].as_py(), reason)
