"""UPDATE and DELETE that one database can do by itself: done there, and with the same outcome as when rows travel."""

from __future__ import annotations

from typing import Any

import pytest

import fedq
from fedq.write import execute
from tests.write.conftest import Place

ROWS = (
    "insert into items values (4, 'it''s', 9.99, '2024-03-01', null), (5, 'ONE', -1, '1999-12-31', '2024-01-01 10:00:00'),"
    " (6, 'one ', 0, null, null)"
)
PAIRS = "insert into pairs values (1, 'x', 1), (2, 'X', 2), (4, 'x', null), (3, 'é', 2147483647)"
#: statement, and whether the database does it by itself
STATEMENTS: list[tuple[str, Any, bool]] = [
    ("update items set name = 'new' where id > 4", None, True),
    ("update items set name = 'new' where name = 'one'", None, True),
    ("update items set name = null, amount = -(0.5), day = date '2024-02-29' where amount > 1.25", None, True),
    ("update items set amount = :a, name = :n where id = :i", {"a": 12, "n": "tab\t'\\ \n😀", "i": 2}, True),
    ("update items i set moment = timestamp '2024-05-06 07:08:09.123456' where i.id in (1, 3)", None, True),
    ("update items set id = id + 1000, name = 'x' where day is null", None, True),
    ("update pairs set v = v + 1 where a < 3", None, True),
    ("update pairs set v = v * 2, a = a + 10 where b = 'x'", None, True),
    ("update items set name = 'in' where id in (select a from pairs where v > 0)", None, True),
    ("with w as (select a from pairs) update items set name = 'w' where id in (select a from w)", None, True),
    ("update items set name = 'none' where id = -1", None, True),
    ("update items set name = 'all'", None, True),
    ("delete from items where id = 3", None, True),
    ("delete from pairs where b = 'x'", None, True),
    ("delete from items where not exists (select 1 from pairs where a = items.id)", None, True),
    ("delete from items where day < date '2024-02-01' and (name <> 'one' or amount is null)", None, True),
    ("update pairs set v = v + 1", None, True),  # a number too large: an error in both
    ("update items set amount = amount * 2 where id = 1", None, False),
    ("update items set name = upper(name) where id < 3", None, False),
    ("update items set name = 'in' where id in (select id from lookup)", None, False),
    ("update items set name = l.word from lookup l where l.id = items.id", None, False),
    ("update items set amount = 1.239 where id = 1", None, False),  # does not fit: an error in both
    ("update items set amount = 1.239 where id = -1", None, False),  # and none where there is no row
    ("update pairs set a = null where a = 1", None, False),
    ("delete from items where upper(name) = 'ONE'", None, False),
    ("delete from items where id in (select id from lookup)", None, False),
    ("delete from bare where n = 1", None, False),
]


TABLES = ("items", "pairs", "bare")
FILL = [
    *(f"delete from {table}" for table in TABLES),
    "insert into items (id, name, amount) values (1, 'one', 1.5), (2, 'two', 2.5), (3, null, null)",
    ROWS,
    PAIRS,
    "insert into bare values (1, 'a'), (1, 'a'), (2, 'b')",
]


def outcome(place: Place, cursor: Any, sql: str, params: Any) -> tuple[Any, ...]:
    """What a statement says and leaves behind."""
    for text in FILL:
        cursor.execute(text)
    try:
        said: Any = place.fed.execute(sql, params).rows
    except fedq.FedqError as error:
        said = issubclass(type(error), fedq.DatabaseError | fedq.ValueNotRepresentable | fedq.InvalidQuery)
    found = [said]
    for table in TABLES:
        cursor.execute(f"select * from {table}")
        found.append(sorted(cursor.fetchall(), key=repr))
    return tuple(found)


@pytest.mark.parametrize("place", ["postgres", "mariadb"], indirect=True)
def test_the_outcome_is_the_same_with_and_without_rows_that_travel(
    place: Place, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    read: list[str] = []
    affected = execute._affected

    def noted(*arguments: Any) -> Any:
        read.append("rows")
        return affected(*arguments)

    monkeypatch.setattr(execute, "_affected", noted)
    connection = request.getfixturevalue(place.kind).connect(place.url)
    cursor = connection.cursor()
    for sql, params, is_there in STATEMENTS:
        read.clear()
        there = outcome(place, cursor, sql, params)
        assert bool(read) is not is_there, sql
        if is_there:
            with monkeypatch.context() as patch:
                patch.setattr(execute, "change_there", lambda *arguments: None)
                assert outcome(place, cursor, sql, params) == there, sql
            assert read, sql
    connection.close()
