"""A value so that a database groups, orders and compares it as DuckDB does: text by its bytes.

"c"."name"   (text under en-US-x-icu)    grouped as it is, ordered as ("c"."name")::text COLLATE "C"
`c`.`name`   (varchar(40), ci)           grouped as CAST(CONVERT(`c`.`name` USING utf8mb4) AS BINARY)
"""

from __future__ import annotations

import re
from dataclasses import replace

from fedq.catalog.schema import Column
from fedq.dialects.base import Dialect
from fedq.dialects.checked import sound
from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Speaker
from fedq.plan.translate import is_cleaned, translate
from fedq.plan.values import Said
from fedq.sql import exp, render
from fedq.types import Comparison

#: families whose groups are the same everywhere (floats: the sign of zero)
_GROUPABLE = frozenset({"integer", "decimal", "text", "date", "timestamp", "timestamptz", "boolean", "uuid"})
_ORDERABLE = (_GROUPABLE | {"float"}) - {"boolean"}
_EXACT = (Comparison.SAME, Comparison.EQUALITY)
#: of up to so many characters MariaDB sorts the whole text: four bytes each, 1,024 are looked at
_MOST_SORTED = 255


def exactly(node: exp.Expr, speaker: Speaker) -> str:
    """A condition that is true, false and unknown there as in DuckDB. Raises: NotPushed."""
    offer = translate(node, speaker)
    if not offer.is_exact:
        text = render(node)
        raise NotPushed(f"{text} is only roughly the same there, so the local engine applies it again")
    return offer.sql


def named(said: Said) -> str:
    """What to call a value in a message."""
    return said.column.name or "a computed value"


def check_clean(said: Said) -> None:
    """Raises: NotPushed for a column whose values are changed while they are read."""
    if said.column.policy != "error" or is_cleaned(said.column):
        raise NotPushed(f"{named(said)} is cleaned while it is read")


def grouped(said: Said, dialect: Dialect) -> Said:
    """A value by which rows fall into the groups that they have in DuckDB. Raises: NotPushed."""
    said = sounded(said, dialect)
    column = said.column
    if column.type.family in _GROUPABLE and column.comparison in _EXACT:
        return said
    by_bytes = bytewise(said, dialect)
    if by_bytes is None or not _sorts_whole(column, dialect):
        raise NotPushed(f"{named(said)} ({column.native}) is not compared by bytes there")
    return by_bytes


def ordered(said: Said, dialect: Dialect) -> Said:
    """A value whose order there is DuckDB's; its smallest and largest too. Raises: NotPushed."""
    said = sounded(said, dialect)
    column = said.column
    is_told = column.physical or column.type.family != "text" or column.collation == _BYTEWISE.get(dialect.name)
    if column.type.family in _ORDERABLE and column.comparison is Comparison.SAME and is_told:
        return said  # a computed text has the rule of its database
    by_bytes = bytewise(said, dialect)
    if by_bytes is None:
        raise NotPushed(f"{named(said)} ({column.native}) is ordered in another way there")
    return by_bytes


def sorted_by(said: Said, dialect: Dialect) -> Said:
    """A value to sort by: DuckDB's order, and the whole of a text is looked at. Raises: NotPushed."""
    if said.column.type.family == "boolean" and said.column.comparison is Comparison.SAME:
        check_clean(said)  # sorted as in DuckDB, only PostgreSQL has no min() of them
        return said
    if not _sorts_whole(said.column, dialect):
        raise NotPushed(f"an order of whole texts ({named(said)})")
    return ordered(said, dialect)


def equal_pair(one: Said, other: Said, dialect: Dialect) -> tuple[str, str]:
    """Two values so that `=` between them means what it means in DuckDB. Raises: NotPushed."""
    one, other = sounded(one, dialect), sounded(other, dialect)
    left, right = one.column, other.column
    is_number = left.type.family == right.type.family and left.type.family in ("integer", "decimal")
    if left.type.family == "text" == right.type.family:
        if left.comparison in _EXACT and right.comparison in _EXACT and left.collation == right.collation:
            return one.sql, other.sql
        sides = bytewise(one, dialect), bytewise(other, dialect)
        if sides[0] is not None and sides[1] is not None:
            return sides[0].sql, sides[1].sql
    elif (left.type == right.type or is_number) and left.comparison in _EXACT and right.comparison in _EXACT:
        return one.sql, other.sql
    raise NotPushed(f"{named(one)} = {named(other)} compares differently there")


def sounded(said: Said, dialect: Dialect) -> Said:
    """A value that is an error there where the column holds what is none: a zero date, text among numbers."""
    check_clean(said)
    if said.column.type.family == "text" or said.column.comparison is not Comparison.LOOSE:
        return said
    found = sound(dialect, said.sql, said.column)
    return said if found is None else replace(said, sql=found[0], column=found[1])


def keeps_value(dialect: Dialect) -> bool:
    """Whether a text by its bytes is still that text: PostgreSQL and SQLite give it a collation, MySQL makes bytes."""
    return dialect.name != "mysql"


def bytewise(said: Said, dialect: Dialect) -> Said | None:
    """A text that is compared by its bytes, None where that cannot be said."""
    column = said.column
    if column.type.family != "text" or column.comparison is Comparison.UNLIKE:
        return None
    sql = dialect.by_bytes(said.sql, column)
    if sql is None:
        return None
    plain = replace(column, comparison=Comparison.SAME, native="text", collation=_BYTEWISE.get(dialect.name))
    return Said(sql, plain if keeps_value(dialect) else column, said.is_strict)


_BYTEWISE = {"postgres": "C"}


def _sorts_whole(column: Column, dialect: Dialect) -> bool:
    """Whether sorting, and what is done by sorting, sees the whole of every value."""
    if dialect.orders_text or column.type.family != "text" or column.comparison is Comparison.SAME:
        return True
    length = re.match(r"(?:var)?char\((\d+)\)", column.native)
    return length is not None and int(length[1]) <= _MOST_SORTED
