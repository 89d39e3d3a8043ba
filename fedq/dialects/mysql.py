"""What MySQL and MariaDB can say exactly: quoting, literals, types, and how far their comparisons are DuckDB's.

    s = 'x'                  (s latin1, compared without case)
    s = CONVERT('x' USING latin1) COLLATE latin1_swedish_ci AND CAST(CONVERT(s USING utf8mb4) AS BINARY) = 'x'

The first half finds the rows by the column's index, the second keeps those whose UTF-8 bytes are the same. A plain `s
= 'é'` will not do: it is a superset only, and an error (1267) where the column's character set lacks a character of
the literal.

Everything here holds in a session with `SQL_MODE`, `SET NAMES utf8mb4` and time zone UTC.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.carriers import PLAIN, QUOTED, QUOTED_DATE, Carrier, Spelling, Target, listed
from fedq.types import MOST_DIGITS, Comparison, Type

#: a text literal is its characters (no backslash escapes), " is no identifier (no ANSI_QUOTES), nothing is cut silently
SQL_MODE = (
    "NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)

#: sorting looks at this many bytes of a value only (max_sort_length), and GROUP BY may sort
SORTED_BYTES = 1024

#: compare by code point and without padding
_BINARY_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")

#: every value of these character sets has a Unicode form of its own; of the others some bytes are read as "?"
_UNICODE_SETS = ("utf8mb4", "utf8mb3", "utf8", "latin1", "ucs2", "utf16", "utf16le", "utf32")

#: these write some characters in several ways, and compare the ways as different texts: cp932 has two for ∪
_SEVERAL_FORMS = ("cp932", "eucjpms", "ujis", "sjis", "armscii8")

_INTEGERS = {
    "tinyint": "TINYINT", "smallint": "SMALLINT", "mediumint": "INTEGER", "int": "INTEGER", "integer": "INTEGER",
    "bigint": "BIGINT",
}  # fmt: skip
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")
_INDEXED_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_BLOBS = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_MOMENTS = {"date": "DATE", "datetime": "TIMESTAMP", "timestamp": "TIMESTAMPTZ"}
_OTHERS = {
    "time": ("INTERVAL", Comparison.UNLIKE), "bit": ("UBIGINT", Comparison.UNLIKE), "json": ("JSON", Comparison.UNLIKE),
    "year": ("INTEGER", Comparison.UNLIKE),  # compared with a number below 100 it is taken for one of this century
    "inet4": ("VARCHAR", Comparison.LOOSE), "inet6": ("VARCHAR", Comparison.LOOSE),
    "uuid": ("UUID", Comparison.EQUALITY), "vector": ("BLOB", Comparison.UNLIKE),
}  # fmt: skip
GEOMETRIES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection",
)  # fmt: skip


class MySQLDialect(Dialect):
    """MySQL 5.7 to 9, MariaDB 10.5 and later."""

    name = "mysql"
    max_identifier = 64
    max_keys = 200_000
    max_literals = 5_000
    sums_exactly = True
    orders_text = False

    def quote(self, identifier: str) -> str:
        """An identifier in backticks.

        >>> MYSQL.quote("a`b")
        '`a``b`'

        Raises: Unsayable for what the server cannot have as a name.
        """
        if not identifier or "\0" in identifier:
            raise Unsayable("an identifier that is empty or has a NUL character")
        if identifier.endswith((" ", "\t", "\n", "\r", "\v", "\f")):
            raise Unsayable("an identifier that ends in a blank")
        if len(identifier) > self.max_identifier or max(identifier) > "\uffff":
            raise Unsayable("an identifier of more than 64 characters or with characters beyond U+FFFF")
        return "`" + identifier.replace("`", "``") + "`"

    def text(self, value: str) -> str:
        """A text value; NUL may be in it.

        >>> MYSQL.text("it's a \\\\")
        "'it''s a \\\\'"
        """
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Unsayable("a text with half a surrogate pair")
        return "'" + value.replace("'", "''") + "'"

    def timestamptz(self, value: dt.datetime) -> str:
        """An instant, as the time it is in UTC."""
        return self.timestamp(value.replace(tzinfo=None))

    def double(self, value: float) -> str:
        """A double; in parentheses when negative, because two minus signs begin a comment."""
        text = super().double(value)
        return f"({text})" if text.startswith("-") else text

    def literal(self, value: Any, type_: Type | None = None) -> str:
        """A Python value as a literal. Raises: Unsayable."""
        if isinstance(value, Decimal) and value.is_finite():
            scale = max(0, -int(value.as_tuple().exponent))
            if scale > 30 or max(value.adjusted() + 1, 0) + scale > 65:
                raise Unsayable("a decimal of more than 65 digits, or 30 after the point")
        if isinstance(value, int) and abs(value) >= 10**65:
            raise Unsayable("a number of more than 65 digits")
        return super().literal(value, type_)

    def by_bytes(self, sql: str, column: Column) -> str | None:
        """The UTF-8 bytes of a text column: `=`, `<`, MIN, MAX and DISTINCT of them are exact; no index serves them.

        ORDER BY sees their first 1,024 bytes only.
        """
        return _bytes_of(sql) if has_own_rule(column) else None

    def order(self, sql: str, *, is_descending: bool, is_nulls_first: bool) -> str:
        """One item of ORDER BY; MySQL has no word for the place of NULLs, so their test is sorted first."""
        return f"{sql} IS NULL{' DESC' if is_nulls_first else ''}, {sql}{' DESC' if is_descending else ''}"

    def limit(self, rows: int | None, skipped: int) -> str:
        """LIMIT and OFFSET; an OFFSET needs a LIMIT, so it gets the largest there is."""
        return super().limit(2**64 - 1 if rows is None and skipped else rows, skipped)

    def like(self, sql: str, column: Column, pattern: str) -> tuple[str, bool] | None:
        """LIKE by code points. Exact; with the column's own LIKE before it where an index serves that (`p%`).

        A backslash escapes in MariaDB even under NO_BACKSLASH_ESCAPES, and ESCAPE '' is an error there: so the escape
        character is one that the pattern does not have.
        """
        escape = next((mark for mark in "|~^!#=" if mark not in pattern), None)
        if not has_own_rule(column) or escape is None:
            return None
        exact = f"CONVERT({sql} USING utf8mb4) COLLATE utf8mb4_bin LIKE {pattern} ESCAPE '{escape}'"
        if column.collation is None or not _finds_prefixes(column, column.collation) or pattern[1] in "%_'":
            return exact, True
        near = f"{sql} LIKE {same_character_set(pattern, column.collation)} ESCAPE '{escape}'"
        return f"({near} AND {exact})", True

    def same_text(self, sql: str, column: Column, literals: Sequence[str]) -> str | None:
        """A text column equals one of the literals, byte for byte, found by the column's index. Exact.

        >>> ci = "utf8mb4_general_ci"
        >>> column = Column("s", Type("VARCHAR"), "s", "text", comparison=Comparison.LOOSE, collation=ci)
        >>> MYSQL.same_text("`s`", column, ["'x'"])
        "(`s` = 'x' AND CAST(CONVERT(`s` USING utf8mb4) AS BINARY) = 'x')"
        """
        if column.collation is None or not has_own_rule(column) or not literals:
            return None
        if column.comparison is Comparison.BYTES:
            return one_of(_bytes_of(sql), literals)
        found = one_of(sql, [same_character_set(literal, column.collation) for literal in literals])
        if column.comparison is Comparison.SAME:
            return found
        return f"({found} AND {one_of(_bytes_of(sql), literals)})"

    def keys(self, sql: str, column: Column, literals: Sequence[str]) -> str:
        """`column` is one of many values; text byte for byte."""
        exact = self.same_text(sql, column, literals) if column.type.family == "text" else None
        return exact or super().keys(sql, column, literals)

    def carrier(self, targets: Sequence[Target], count: int) -> Carrier | None:
        """A list of constants, which the server sorts and searches. Text by the column's own equality, so by its
        index; that is true of more than equal bytes, and of all equal bytes."""
        spellings = [_spelling(target) for target in targets]
        known = [spelling for spelling in spellings if spelling is not None]
        return listed(targets, known) if len(known) == len(spellings) else None


def _spelling(target: Target) -> Spelling | None:
    column = target.column
    match target.type.family:
        case "integer" | "decimal" if base_type(column.native) not in _MOMENTS:
            return Spelling(PLAIN)
        case "date" if base_type(column.native) == "date":
            return Spelling(f"'DATE ' || {QUOTED_DATE}")
        case "uuid" if base_type(column.native) == "uuid":
            return Spelling(QUOTED)
        case "text" if column.comparison is not Comparison.BYTES and (column.collation is None or has_own_rule(column)):
            pattern = same_character_set("%", column.collation) if column.collation is not None else "%"
            before, after = (part.replace("'", "''") for part in pattern.split("%"))
            around = [f"'{before}'" if before else "", QUOTED, f"'{after}'" if after else ""]
            return Spelling(" || ".join(part for part in around if part))
    return None


MYSQL = MySQLDialect()


def _finds_prefixes(column: Column, collation: str) -> bool:
    """Whether the index of a stored text finds all that begins with a prefix.

    Under a binary collation that pads, MariaDB begins the range of 'a%' at 'a', which is after 'a' and a tab.
    """
    is_stored = bool(column.physical) and base_type(column.native) in _INDEXED_TEXTS
    if column.comparison is Comparison.BYTES:
        return False
    return is_stored and (not collation.endswith("_bin") or collation in _BINARY_COLLATIONS)


def one_of(sql: str, literals: Sequence[str]) -> str:
    """`sql` equals one of the literals."""
    return f"{sql} = {literals[0]}" if len(literals) == 1 else f"{sql} IN ({', '.join(literals)})"


def same_character_set(literal: str, collation: str) -> str:
    """A text literal that a column of this collation can be compared with: what its character set lacks becomes "?".

    >>> same_character_set("'x'", "latin1_bin"), same_character_set("'x'", "utf8mb4_bin")
    ("CONVERT('x' USING latin1) COLLATE latin1_bin", "'x'")
    """
    charset = character_set(collation)
    return literal if charset == "utf8mb4" else f"CONVERT({literal} USING {charset}) COLLATE {collation}"


def _bytes_of(sql: str) -> str:
    return f"CAST(CONVERT({sql} USING utf8mb4) AS BINARY)"


def has_own_rule(column: Column) -> bool:
    """Whether the column's collation is the server's, not one that the catalog declares ("nocase")."""
    return column.collation is not None and column.collation != "nocase"


def character_set(collation: str) -> str:
    """The character set of a collation.

    >>> character_set("latin1_swedish_ci"), character_set("binary")
    ('latin1', 'binary')
    """
    return collation.partition("_")[0]


def base_type(native: str) -> str:
    """The bare name of a declared type.

    >>> base_type("bigint(20) unsigned"), base_type("enum('a(b','c')"), base_type("double(7,3)")
    ('bigint', 'enum', 'double')
    """
    match = re.match(r"\s*([a-z0-9]+)", native.lower())
    return match[1] if match else ""


def type_of(native: str, *, collation: str | None = None, octets: int | None = None) -> tuple[Type, Comparison]:
    """The type of a column declared `native`, and how far the server's comparisons of it are DuckDB's.

    `octets` is the most bytes a text or binary value can have.

    >>> [str(fact) for fact in type_of("bigint(20) unsigned")]
    ['UBIGINT', 'Comparison.SAME']
    """
    base = base_type(native)
    numbers = re.match(r"[^(]*\((\d+)(?:,(\d+))?\)", native)
    if base in _INTEGERS:
        return Type(("U" if "unsigned" in native.lower() else "") + _INTEGERS[base]), Comparison.SAME
    if base in ("decimal", "numeric", "dec", "fixed"):
        precision, scale = (int(numbers[1]), int(numbers[2] or 0)) if numbers else (10, 0)
        return Type("DECIMAL", min(precision, MOST_DIGITS), min(scale, MOST_DIGITS)), Comparison.SAME
    if base in ("double", "real"):
        return Type("DOUBLE"), Comparison.SAME
    if base == "float":
        return Type("FLOAT"), Comparison.UNLIKE
    if base in _MOMENTS:
        # zero and partial dates are below every date, and IS NULL is true of a zero date in a NOT NULL column
        return Type(_MOMENTS[base]), Comparison.LOOSE
    if base in _TEXTS:
        return Type("VARCHAR"), _text_comparison(base, collation, octets)
    if base in _BLOBS:
        is_short = octets is not None and octets <= SORTED_BYTES
        return Type("BLOB"), Comparison.SAME if is_short and base != "binary" else Comparison.LOOSE
    if base in GEOMETRIES:
        return Type("BLOB"), Comparison.UNLIKE
    name, comparison = _OTHERS.get(base, ("VARCHAR", Comparison.UNLIKE))
    return Type(name), comparison


def _text_comparison(base: str, collation: str | None, octets: int | None) -> Comparison:
    is_short = octets is not None and octets <= SORTED_BYTES
    if collation in _BINARY_COLLATIONS and is_short and base not in ("enum", "set"):
        return Comparison.SAME
    return Comparison.BYTES if character_set(collation or "") in _SEVERAL_FORMS else Comparison.LOOSE


def has_unicode_for_all(collation: str | None) -> bool:
    """Whether every text of this collation's character set has a Unicode form."""
    return collation is None or collation == "nocase" or character_set(collation) in _UNICODE_SETS
