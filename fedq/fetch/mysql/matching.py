"""Rows found again by what tells them apart: its key by the table's own rules, any other columns byte by byte.

t.id = s.k0 AND t.name = s.k1 COLLATE utf8mb4_general_ci                       where they are the key
CAST(CONVERT(t.name USING utf8mb4) AS BINARY) <=> CAST(CONVERT(… AS BINARY)    where they are not
"""

from __future__ import annotations

from collections.abc import Sequence

from fedq.catalog.schema import TableSchema
from fedq.dialects.mysql import MYSQL, character_set
from fedq.types import Comparison


def may_be_one(schema: TableSchema, key: Sequence[str]) -> bool:
    """Whether two different keys may be the same to the table, as 'a' and 'A' under most collations."""
    return any(
        column.comparison is not Comparison.SAME and column.type.family == "text"
        for column in schema.columns
        if column.physical in key
    )


def match_of(schema: TableSchema, key: Sequence[str], names: Sequence[str]) -> str:
    """The rows of `t` whose columns `key` are what `s` has under `names`."""
    is_key = set(schema.key) <= set(key) and bool(schema.key)
    columns = {column.physical: column for column in schema.columns}
    parts = []
    for physical, name in zip(key, names, strict=True):
        ours, theirs, column = f"t.{MYSQL.quote(physical)}", f"s.{MYSQL.quote(name)}", columns[physical]
        if column.type.family == "text" and not is_key:
            ours = f"CAST(CONVERT({ours} USING utf8mb4) AS BINARY)"
            theirs = f"CAST(CONVERT({theirs} USING utf8mb4) AS BINARY)"
        elif column.type.family == "text" and column.collation:
            charset = character_set(column.collation)
            inner = theirs if charset == "utf8mb4" else f"CONVERT({theirs} USING {charset})"
            theirs = f"{inner} COLLATE {column.collation}"
        parts.append(f"{ours} {'=' if is_key or not column.is_nullable else '<=>'} {theirs}")
    return " AND ".join(parts)
