"""PostgreSQL: how it quotes and writes values, and what its types are in fedq.

    numeric(12,2)         → DECIMAL(12,2), compares as in DuckDB
    numeric               → DOUBLE (a read refuses every value that a double would change), nothing is compared there
    text, locale "C"      → VARCHAR, compares as in DuckDB; under "de-x-icu" only = does
    character(5), citext  → VARCHAR, = is true for more than in DuckDB (trailing blanks, case)

Types come from `pg_type`: `information_schema` names a domain, an array or an enum but does not say what it is made of.
A comparison is only called the same when it is the same for every value that a column of the type can hold.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect, Unsayable
from fedq.dialects.carriers import PLAIN, Carrier, Keys, Spelling, Target, unsayable_of, within
from fedq.types import BOOLEAN, DATE, DOUBLE, MOST_DIGITS, TIMESTAMP, TIMESTAMPTZ, VARCHAR, Comparison, Type


@dataclass(frozen=True, slots=True)
class Collation:
    """The rule by which a text column is compared."""

    name: str
    is_bytewise: bool = False
    """Orders by code point, which in UTF-8 is the order of the bytes."""
    is_deterministic: bool = True
    """Texts of different bytes are never equal."""
    has_one_form: bool = True
    """Equal texts are always the same bytes: not so in EUC_JP, which has two for ∪."""


@dataclass(frozen=True, slots=True)
class NativeType:
    """A column's type as `pg_type` has it, domains already replaced by what they are made of."""

    name: str
    """`typname`: int4, numeric, bpchar."""
    modifier: int = -1
    """`atttypmod`, which holds precision and scale."""
    kind: str = "b"
    """`typtype`: b base, c composite, e enum, r range."""
    element: NativeType | None = None
    """Of an array."""
    collation: Collation | None = None


_SAME = {
    "bool": BOOLEAN, "int2": Type("SMALLINT"), "int4": Type("INTEGER"), "int8": Type("BIGINT"),
    "float8": DOUBLE, "date": DATE, "time": Type("TIME"), "timestamp": TIMESTAMP, "timestamptz": TIMESTAMPTZ,
    "uuid": Type("UUID"), "bytea": Type("BLOB"),
}  # fmt: skip
_UNLIKE = {
    # `f = 0.1` compares as float here and as double there: the server would lose rows that DuckDB keeps
    "float4": Type("FLOAT"),
    "oid": Type("UINTEGER"),  # -1 is its largest value
    "money": Type("DECIMAL", 19, 2),  # has no operators with numbers
    "interval": Type("INTERVAL"), "json": Type("JSON"), "jsonb": Type("JSON"),
}  # fmt: skip
_TEXTS = ("text", "varchar")
_LOOSE_TEXTS = ("bpchar", "name", "citext")  # padding; names cut to 63 bytes; letter case
_TEXT_NATIVE = re.compile(r'text|citext|name|"char"|character(?: varying)?(?:\(\d+\))?|enum .*')
_KEYED_TEXT = r"text|character varying(\(\d+\))?|(?P<is_padded>character(\(\d+\))?)"
#: elements of an array, as the local engine writes them; PostgreSQL's texts have no NUL, so none equals one with it
_TEXT_ELEMENT = (
    "CASE WHEN NOT contains({k}, chr(0)) THEN "
    "'\"' || replace(replace(replace({k}, '\\', '\\\\'), '\"', '\\\"'), '''', '''''') || '\"' END"
)
#: what every encoding has are the characters of one byte in UTF-8
_NOT_ASCII = "strlen({k}) <> length({k})"
_DATE_ELEMENT = "'\"' || replace({k}::VARCHAR, '(BC)', 'BC') || '\"'"
_ARRAYS = {"smallint": Type("SMALLINT"), "integer": Type("INTEGER"), "bigint": Type("BIGINT")}
_STORED = re.compile(r" \(stored in (\w+)\)$")


def stored_in(rule: str, encoding: str) -> str:
    """The name of a collation where the database does not store UTF-8, so that no byte order is the one of UTF-8.

    >>> stored_in("C", "LATIN1"), encoding_of("C (stored in LATIN1)"), encoding_of("C")
    ('C (stored in LATIN1)', 'LATIN1', None)
    """
    return f"{rule} (stored in {encoding})"


def encoding_of(collation: str | None) -> str | None:
    """The encoding that `stored_in` wrote down; None is UTF-8."""
    found = _STORED.search(collation or "")
    return found[1] if found is not None else None


def can_hold(text: str, encoding: str) -> bool:
    """Whether a database of this encoding has every character of a text; true where only the server knows.

    >>> can_hold("é€", "LATIN1"), can_hold("é€", "WIN1252"), can_hold("é€", "UTF8"), can_hold("é", "MULE_INTERNAL")
    (False, True, True, True)
    """
    try:
        text.encode(encoding.replace("WIN", "cp").replace("KOI8", "koi8_").replace("SQL_ASCII", "utf8"))
    except LookupError:
        return True
    except UnicodeEncodeError:
        return False
    return True


def decimal_type(modifier: int) -> Type | None:
    """The DECIMAL that holds every value of `numeric` with this type modifier; None where no DECIMAL does.

    >>> decimal_type(((15 << 16) | 2) + 4), decimal_type(-1)
    (Type(name='DECIMAL', precision=15, scale=2), None)
    """
    if modifier < 4:
        return None
    precision = (modifier - 4) >> 16
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024  # eleven bits with a sign, since PostgreSQL 15
    if scale < 0:  # numeric(3,-2) holds 99900
        precision, scale = precision - scale, 0
    precision = max(precision, scale)  # numeric(2,5) holds 0.00099
    return Type("DECIMAL", precision, scale) if precision <= MOST_DIGITS else None


def column_type(native: NativeType) -> tuple[Type, Comparison]:
    """The fedq type of a column, and how far PostgreSQL compares it as DuckDB does.

    >>> column_type(NativeType("int4")), column_type(NativeType("int4", element=NativeType("int4")))[0].name
    ((Type(name='INTEGER', precision=None, scale=None), <Comparison.SAME: 'same'>), 'INTEGER[]')
    """
    if native.element is not None:
        return _array_type(native.element), Comparison.UNLIKE
    if native.kind != "b":
        return VARCHAR, Comparison.UNLIKE  # enums order by definition, and refuse words they do not have
    if native.name in _SAME:
        return _SAME[native.name], Comparison.SAME
    if native.name in _UNLIKE:
        return _UNLIKE[native.name], Comparison.UNLIKE
    if native.name == "numeric":
        bounded = decimal_type(native.modifier)
        return (bounded, Comparison.SAME) if bounded else (DOUBLE, Comparison.UNLIKE)
    if native.name in (*_LOOSE_TEXTS, *_TEXTS) and native.collation is not None and not native.collation.has_one_form:
        return VARCHAR, Comparison.UNLIKE
    if native.name in _LOOSE_TEXTS:
        return VARCHAR, Comparison.LOOSE
    if native.name in _TEXTS:
        return VARCHAR, _text_comparison(native.collation)
    return VARCHAR, Comparison.UNLIKE


def _text_comparison(collation: Collation | None) -> Comparison:
    if collation is None or not collation.is_deterministic:
        return Comparison.LOOSE
    return Comparison.SAME if collation.is_bytewise else Comparison.EQUALITY


def _array_type(element: NativeType) -> Type:
    inner, _ = column_type(element)
    if element.name in ("money", "box"):  # money has no cast per element, box is not separated by commas
        return VARCHAR
    return Type(f"{inner}[]") if element.kind in ("b", "e") else VARCHAR


class PostgresDialect(Dialect):
    """PostgreSQL in a session as `fetch/postgres/source.py` sets it up: UTC, ISO dates, standard strings."""

    name = "postgres"
    max_identifier = 63
    max_keys = 500_000
    max_literals = 5_000
    sums_exactly = True

    def quote(self, identifier: str) -> str:
        """An identifier, quoted; one that PostgreSQL would cut (63 bytes) is unsayable."""
        if len(identifier.encode("utf-8", "surrogatepass")) > self.max_identifier:
            raise Unsayable("an identifier of more than 63 bytes")
        return super().quote(identifier)

    def text(self, value: str) -> str:
        """A text value, its type left to PostgreSQL."""
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Unsayable("a text with half a surrogate pair")
        return super().text(value)

    def comparand(self, value: Any, column: Column) -> str:
        """A value to compare a column with; a text that its database's encoding cannot say is unsayable."""
        encoding = encoding_of(column.collation) if isinstance(value, str) else None
        if encoding is not None and not can_hold(value, encoding):
            raise Unsayable(f"a text with characters that {encoding} does not have")
        return super().comparand(value, column)

    def blob(self, value: bytes) -> str:
        """A bytea."""
        return f"'\\x{value.hex()}'::bytea"

    def timestamptz(self, value: dt.datetime) -> str:
        """An instant; `value` is in UTC."""
        return f"TIMESTAMPTZ '{value.replace(tzinfo=None).isoformat(sep=' ')}+00'"

    def double(self, value: float) -> str:
        """A float8, NaN and the infinities included."""
        if math.isnan(value):
            return "'NaN'::float8"
        if math.isinf(value):
            return f"'{'-' if value < 0 else ''}Infinity'::float8"
        return f"'{value!r}'::float8"

    def by_bytes(self, sql: str, column: Column) -> str | None:
        """Text of any type and collation so that it compares by its bytes."""
        if column.type != VARCHAR or _TEXT_NATIVE.fullmatch(column.native) is None:
            return None
        if encoding_of(column.collation) is not None:
            return None
        return f'({sql})::text COLLATE "C"'  # the cast takes the blanks off character(n)

    def same_text(self, sql: str, column: Column, literals: Sequence[str]) -> str | None:
        """The column's own equality finds the rows by its index, the bytes keep the right ones of them.

        >>> loose = Column("s", VARCHAR, "s", "character(3)", comparison=Comparison.LOOSE)
        >>> print(POSTGRES.same_text('"s"', loose, ["'x'"]))
        ("s" = 'x' AND ("s")::text COLLATE "C" = 'x')
        """
        ordered = self.by_bytes(sql, column)
        if ordered is None or not literals:
            return None
        test = f"= {literals[0]}" if len(literals) == 1 else f"IN ({', '.join(literals)})"
        return f"({sql} {test} AND {ordered} {test})"

    def like(self, sql: str, column: Column, pattern: str) -> tuple[str, bool] | None:
        """LIKE without an escape character, exact whatever the column's collation."""
        operand = sql if column.comparison is Comparison.SAME else self.by_bytes(sql, column)
        if operand is None or column.type != VARCHAR:
            return None
        return f"{operand} LIKE {pattern} ESCAPE ''", True

    def keys(self, sql: str, column: Column, literals: Sequence[str]) -> str:
        """One of many values; integers as one array, which is read many times faster than a list of constants."""
        array = _ARRAYS.get(column.native)
        numbers = [literal.strip("()") for literal in literals]
        if array is None or not all(re.fullmatch(r"-?\d{1,40}", number) for number in numbers):
            return super().keys(sql, column, literals)
        # of the column's own type: PostgreSQL searches an array of another type from end to end for every row
        low, high = array.bounds or (0, 0)
        fitting = [number for number in numbers if low <= int(number) <= high]
        return f"{sql} = ANY ('{{{','.join(fitting)}}}'::{column.native}[])"

    def carrier(self, targets: Sequence[Target], count: int) -> Carrier | None:
        """One array in one text: one constant to parse, and searched by the index or by a hash."""
        arrays = [_array(target) for target in targets]
        if None in arrays:
            return None
        found = [array for array in arrays if array is not None]
        spellings = [spelling for _, spelling in found]
        keys = [Keys(spelling.key.format(k=f"k{number}")) for number, spelling in enumerate(spellings)]
        if len(targets) == 1:
            return Carrier(
                "array", (f"{targets[0].sql} = ANY ('{{", keys[0], f"}}'::{found[0][0]})"), unsayable_of(spellings)
            )
        parts: list[str | Keys] = [f"({', '.join(target.sql for target in targets)}) IN (SELECT * FROM unnest("]
        for number, (type_, _) in enumerate(found):
            parts += [f"{', ' if number else ''}'{{", keys[number], f"}}'::{type_}"]
        return Carrier("array", (*parts, "))"), unsayable_of(spellings))


def _array(target: Target) -> tuple[str, Spelling] | None:
    """The array that holds keys for a column, of the column's own type so that its index serves."""
    column, family = target.column, target.type.family
    if family == "integer" and column.native in _ARRAYS:
        return f"{column.native}[]", Spelling(within(*(_ARRAYS[column.native].bounds or (0, 0))))
    if family == "decimal" and column.native.startswith("numeric"):
        return "numeric[]", Spelling(PLAIN)
    if family == "date" and column.native == "date":
        return "date[]", Spelling(_DATE_ELEMENT, "isfinite({k}) AND year({k}) NOT BETWEEN -4700 AND 99999")
    if family == "uuid" and column.native == "uuid":
        return "uuid[]", Spelling(PLAIN)
    if family == "text" and (found := re.fullmatch(_KEYED_TEXT, column.native)):
        unsayable = "false" if encoding_of(column.collation) is None else _NOT_ASCII
        return "bpchar[]" if found["is_padded"] else "text[]", Spelling(_TEXT_ELEMENT, unsayable)
    return None


POSTGRES = PostgresDialect()
