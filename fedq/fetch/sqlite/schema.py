"""What a SQLite database declares, and how far that can be believed.

    amount DECIMAL(12,2)       → DECIMAL(12,2)   compared LOOSE: doubles and integers, and text may stand there too
    id     INTEGER PRIMARY KEY → BIGINT          compared SAME: the one type that SQLite enforces without STRICT
    name   TEXT COLLATE NOCASE → VARCHAR         compared LOOSE
    x                          → what its first values are, else VARCHAR

A declared type is a promise that SQLite does not keep: outside of STRICT tables any value may stand in any column. How
a column compares is chosen so that SQLite never filters away what DuckDB would keep of the values that fit:

- numbers of a non-strict table are LOOSE: numbers compare as in DuckDB, but text sorts above them and sums as 0;
- decimals of more than 15 digits are UNLIKE (two may be one double), shorter ones LOOSE: each is a double of its own;
- dates are LOOSE, since ISO text orders as days do; times, moments, UUID and JSON are UNLIKE: one value, many texts;
- text under BINARY is SAME, NOCASE and RTRIM are LOOSE, any other collation is UNLIKE.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.dialects.sqlite import SQLITE, UTF16
from fedq.types import (
    BIGINT,
    BLOB,
    BOOLEAN,
    DATE,
    DOUBLE,
    MOST_DIGITS,
    TIMESTAMP,
    TIMESTAMPTZ,
    VARCHAR,
    Comparison,
    Type,
)

_DECLARED = re.compile(r"\s*([^()]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*([^()]*?)\s*")

_EXACT_NAMES = {
    "BOOLEAN": BOOLEAN, "BOOL": BOOLEAN, "LOGICAL": BOOLEAN, "DATE": DATE, "TIME": Type("TIME"),
    "TIME WITHOUT TIME ZONE": Type("TIME"), "DATETIME": TIMESTAMP, "TIMESTAMP": TIMESTAMP, "DATETIME2": TIMESTAMP,
    "SMALLDATETIME": TIMESTAMP, "TIMESTAMP WITHOUT TIME ZONE": TIMESTAMP, "TIMESTAMPTZ": TIMESTAMPTZ,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ, "DATETIMEOFFSET": TIMESTAMPTZ, "UUID": Type("UUID"),
    "UNIQUEIDENTIFIER": Type("UUID"), "JSON": Type("JSON"), "JSONB": Type("JSON"), "STRING": VARCHAR,
    "BYTEA": BLOB, "BINARY": BLOB, "VARBINARY": BLOB, "BYTES": BLOB, "MONEY": DOUBLE, "CURRENCY": DOUBLE,
}  # fmt: skip
_DECIMALS = ("DECIMAL", "NUMERIC", "DEC", "NUMBER", "FIXED")
#: names that hold INT by chance
_NOT_INTEGER = ("INTERVAL", "POINT")
#: of a table without a declared type, so many rows are looked at to find what it holds
_SAMPLE = 1_000
#: … and no longer than so many of SQLite's instructions (a view may be expensive)
_SAMPLE_STEPS = 2_000_000
_COLLATIONS = {"NOCASE": Comparison.LOOSE, "RTRIM": Comparison.LOOSE}


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view as `PRAGMA table_list` shows it."""

    name: str
    kind: str
    is_without_rowid: bool
    is_strict: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """A column as `PRAGMA table_xinfo` shows it."""

    name: str
    type: str
    is_not_null: bool
    key: int
    collation: str


def type_of(declared: str) -> Type | None:
    """The type that a declaration promises, None where it promises nothing.

    >>> str(type_of("decimal(12, 2)")), str(type_of("unsigned big int")), type_of("")
    ('DECIMAL(12,2)', 'BIGINT', None)
    """
    match = _DECLARED.fullmatch(declared)
    if match is None:
        return _by_affinity(declared.upper())
    name = " ".join(f"{match[1]} {match[4]}".upper().split())
    if name in _EXACT_NAMES:
        return _EXACT_NAMES[name]
    if name.split(" ")[0] in _DECIMALS:
        return _decimal(match[2], match[3])
    return _by_affinity(name)


def _decimal(precision: str | None, scale: str | None) -> Type:
    if precision is None:
        return DOUBLE
    digits, after = min(int(precision), MOST_DIGITS), int(scale or 0)
    return Type("DECIMAL", digits, after) if digits > 0 and after <= digits else DOUBLE


def _by_affinity(name: str) -> Type | None:
    """SQLite's own five rules, in their order."""
    if "INT" in name and not name.startswith(_NOT_INTEGER):
        return BIGINT
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return VARCHAR
    if "BLOB" in name:
        return BLOB
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return DOUBLE
    return None


class Reader:
    """Reads the schema of one database over one connection, inside of that connection's transaction."""

    def __init__(self, connection: sqlite3.Connection, policy: str, file: object = None) -> None:
        self.connection, self._policy, self._file = connection, policy, file
        self._is_utf16 = str(self._value("PRAGMA encoding")).upper().startswith("UTF-16")

    def _value(self, sql: str, *parameters: object) -> object:
        row = self.connection.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def version(self) -> object:
        """What changes with every change of the schema, by whomever, and with the file."""
        return self._file, self._value("PRAGMA schema_version")

    def tables(self) -> list[Table]:
        """Every table and view a user made, virtual ones too, but not what they keep their data in."""
        rows = self.connection.execute(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
        return [Table(name, kind, bool(wr), bool(strict)) for name, kind, wr, strict in rows]

    def describe(self, table: Table) -> TableSchema:
        """One table. The estimate of its rows is not in it: see `rows`."""
        declared = self._columns(table.name)
        keys = sorted((column for column in declared if column.key), key=lambda column: column.key)
        # the one declaration that makes the column the rowid itself
        has_rowid = table.kind == "table" and not table.is_without_rowid
        is_alias = has_rowid and len(keys) == 1 and keys[0].type.upper() == "INTEGER" and self._is_rowid(table.name)
        alias = keys[0].name if is_alias else None
        columns = [self._column(column, table, is_rowid=column.name == alias) for column in declared]
        return TableSchema(
            PhysicalTable(None, table.name),
            tuple(self._with_samples(table, columns)),
            key=tuple(column.name for column in keys),
            indexed=frozenset(self._indexed(table.name)) | ({alias} if alias else set()),
            is_view=table.kind == "view",
        )

    def _columns(self, table: str) -> list[Declared]:
        # hidden = 1 are the parameters of a virtual table; generated columns are 2 and 3
        sql = 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1'
        rows = self.connection.execute(sql, (table,)).fetchall()
        collations = self._collations(table)
        return [
            Declared(name, kind, bool(is_not_null), key, collations.get(name.lower(), "BINARY"))
            for name, kind, is_not_null, key in rows
        ]

    def _collations(self, table: str) -> dict[str, str]:
        """The declared collation per column, as its own table's text has it: SQLite has no pragma for it."""
        return declared_collations(str(self._value("SELECT sql FROM sqlite_master WHERE name = ?", table) or ""))

    def _is_rowid(self, table: str) -> bool:
        """A `PRIMARY KEY DESC`, by an old bug that SQLite keeps, has an index of its own and is no rowid."""
        return not self._value("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'", table)

    def _indexed(self, table: str) -> Iterable[str]:
        rows = self.connection.execute(
            "SELECT i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i "
            "WHERE i.seqno = 0 AND i.name IS NOT NULL AND NOT l.partial", (table,)
        )  # fmt: skip
        return [name for (name,) in rows]

    def _column(self, declared: Declared, table: Table, *, is_rowid: bool) -> Column:
        type_ = None if table.is_strict and declared.type.upper() == "ANY" else type_of(declared.type)
        is_enforced = is_rowid or table.is_strict
        comparison, collation = self._comparison(type_, declared, table, is_enforced=is_enforced)
        return Column(
            declared.name,
            type_ or VARCHAR,
            declared.name,
            declared.type,
            is_nullable=not (declared.is_not_null or is_rowid),
            comparison=comparison,
            collation=collation,
            policy=self._policy,
        )

    def _comparison(
        self, type_: Type | None, declared: Declared, table: Table, *, is_enforced: bool
    ) -> tuple[Comparison, str | None]:
        if type_ is None or table.kind not in ("table", "view"):
            return Comparison.UNLIKE, None
        family = type_.family
        if family == "text":
            return self._text_comparison(declared, table)
        if family in ("integer", "float", "boolean", "blob"):
            return (Comparison.SAME if is_enforced else Comparison.LOOSE), None
        if family == "decimal":
            return (Comparison.LOOSE if (type_.precision or 0) <= 15 else Comparison.UNLIKE), None
        return (Comparison.LOOSE if family == "date" else Comparison.UNLIKE), None

    def _text_comparison(self, declared: Declared, table: Table) -> tuple[Comparison, str | None]:
        if table.kind == "view":  # its columns have the collation of what they come from, which nothing tells
            return Comparison.UNLIKE, None
        if _by_affinity(declared.type.upper()) != VARCHAR:  # STRING, say: SQLite makes a number of '7' there
            return Comparison.UNLIKE, None
        if declared.collation != "BINARY":
            return _COLLATIONS.get(declared.collation, Comparison.UNLIKE), declared.collation
        return (Comparison.EQUALITY, UTF16) if self._is_utf16 else (Comparison.SAME, None)

    def _with_samples(self, table: Table, columns: list[Column]) -> list[Column]:
        """Columns without a declared type are given the type of the values they begin with."""
        unknown = [column for column in columns if type_of(column.native) is None]
        if not unknown:
            return columns
        found = self._storage_classes(table.name, [column.physical for column in unknown])
        types = {column.physical: _of_classes(found.get(column.physical, set())) for column in unknown}
        return [replace(column, type=types.get(column.physical, column.type)) for column in columns]

    def _storage_classes(self, table: str, names: list[str]) -> dict[str, set[str]]:
        outputs = ", ".join(f"group_concat(DISTINCT typeof({SQLITE.quote(name)}))" for name in names)
        sql = f"SELECT {outputs} FROM (SELECT * FROM {SQLITE.quote(table)} LIMIT {_SAMPLE})"
        steps = iter(range(_SAMPLE_STEPS // 10_000))
        self.connection.set_progress_handler(lambda: next(steps, None) is None, 10_000)
        try:
            row = self.connection.execute(sql).fetchone()
        except sqlite3.Error:  # too expensive, or a view over something that is gone: reading it will say so
            return {}
        finally:
            self.connection.set_progress_handler(None, 0)
        return {name: set((text or "").split(",")) - {"", "null"} for name, text in zip(names, row, strict=True)}

    def rows(self, table: Table, schema: TableSchema) -> float | None:
        """How many rows there are, from ANALYZE or from the ends of the rowid; None is unknown."""
        if self._value("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"):
            stat = self._value("SELECT stat FROM sqlite_stat1 WHERE tbl = ? ORDER BY idx NOTNULL LIMIT 1", table.name)
            if stat:
                return float(str(stat).split(" ")[0])
        if table.kind != "table":
            return None
        name = SQLITE.quote(table.name)
        if table.is_without_rowid:
            few = self._value(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 1001)")
            return float(str(few)) if int(str(few)) <= 1000 else None
        rowid = rowid_name(schema)
        if rowid is None:
            return None
        # two statements, for SQLite goes to an end of the tree only for a lone min or max
        last = self._value(f"SELECT max({rowid}) FROM {name}")
        first = self._value(f"SELECT min({rowid}) FROM {name}")
        if not isinstance(last, int) or not isinstance(first, int):
            return 0.0
        size = int(str(self._value("PRAGMA page_count"))) * int(str(self._value("PRAGMA page_size")))
        return float(min(last - first + 1, size // 8))  # identifiers with gaps: no row takes fewer than 8 bytes


def rowid_name(schema: TableSchema) -> str | None:
    """The name by which a table's rowid can be had: a column may have taken one of them, or all."""
    taken = {column.physical.lower() for column in schema.columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)


def _of_classes(classes: set[str]) -> Type:
    if classes == {"integer"}:
        return BIGINT
    if classes and classes <= {"integer", "real"}:
        return DOUBLE
    return BLOB if classes == {"blob"} else VARCHAR


_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[(),]|[^\s(),'"`\[]+""",
    re.DOTALL,
)


def declared_collations(sql: str) -> dict[str, str]:
    """Column name in lower case → collation in capitals, from the text of a CREATE TABLE; BINARY is left out.

    >>> declared_collations('CREATE TABLE t(a TEXT COLLATE nocase, "b c" TEXT CHECK (a COLLATE rtrim > 1))')
    {'a': 'NOCASE'}
    """
    depth, name, found = 0, None, {}
    tokens = [token for token in _TOKEN.findall(sql) if not token.startswith(("--", "/*"))]
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if token == "(":
            depth += 1
            if depth == 1:
                name = _bare(following)
        elif token == ")":
            depth -= 1
        elif token == "," and depth == 1:
            name = _bare(following)
        elif token.upper() == "COLLATE" and depth == 1 and name is not None:
            collation = _bare(following).upper()
            if collation != "BINARY":
                found[name.lower()] = collation
    return found


def _bare(token: str) -> str:
    """A name without its quotes."""
    if token[:1] in "\"'`" and len(token) > 1:
        return token[1:-1].replace(token[0] * 2, token[0])
    return token[1:-1] if token.startswith("[") else token
