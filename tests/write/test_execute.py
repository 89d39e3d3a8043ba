"""INSERT, UPDATE and DELETE mean what DuckDB means by them, in every kind of database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

import fedq
from tests.write.conftest import Place


def test_insert_values(place: Place) -> None:
    written = place.fed.execute(
        "insert into items (id, name, amount) values (10, 'it''s \\ ü😀', 9.99), (11, null, -1)"
    )
    assert (written.rows, written.databases) == (2, ("here",))
    assert place.fed.query("select id, name, amount from items where id >= 10 order by id").rows() == [
        (10, "it's \\ ü😀", Decimal("9.99")),
        (11, None, Decimal("-1.00")),
    ]
    assert len(place.rows()) == 5


def test_insert_with_parameters(place: Place) -> None:
    sql = "insert into items values (:id, :name, :amount, :day, :at)"
    moment = dt.datetime(2025, 5, 6, 7, 8, 9, 123456)
    place.fed.execute(sql, {"id": 20, "name": "x", "amount": Decimal("3.10"), "day": dt.date(2025, 1, 2), "at": moment})
    place.fed.execute("insert into items (id, name) values (?, ?)", [21, "tab\tline\nreturn\r"])
    found = place.fed.query("select * from items where id >= 20 order by id").rows()
    assert found == [
        (20, "x", Decimal("3.10"), dt.date(2025, 1, 2), moment),
        (21, "tab\tline\nreturn\r", None, None, None),
    ]


def test_insert_select_from_another_database(place: Place) -> None:
    written = place.fed.execute(
        "insert into items (id, name, amount) select l.id + 100, l.word, l.price from lookup l where l.price > 15"
    )
    assert written.rows == 2
    assert [
        tuple(row) for row in place.fed.query("select id, name, amount from items where id > 100 order by 1").rows()
    ] == [
        (102, "zwei", Decimal("20.50")),
        (107, "sieben", Decimal("70.00")),
    ]


def test_insert_with_a_cte_and_by_name(place: Place) -> None:
    place.fed.execute(
        "with x as (select max(id) + 1 as id from items) insert into items by name select id, 'cte' as name from x"
    )
    assert place.rows(columns="id, name")[-1] == (4, "cte")


def test_update_with_an_expression(place: Place) -> None:
    written = place.fed.execute("update items set amount = amount * 2, name = upper(name) where name is not null")
    assert written.rows == 2
    found = place.fed.query("select id, name, amount from items order by id").rows()
    assert found == [(1, "ONE", Decimal("3.00")), (2, "TWO", Decimal("5.00")), (3, None, None)]


def test_update_from_another_database(place: Place) -> None:
    written = place.fed.execute("update items i set name = l.word, amount = l.price from lookup l where l.id = i.id")
    assert written.rows == 2
    found = place.fed.query("select name, amount from items order by id").rows()
    assert found == [("eins", Decimal("10.00")), ("zwei", Decimal("20.50")), (None, None)]


def test_update_with_a_subquery_over_another_database(place: Place) -> None:
    sql = "update items set name = (select word from lookup where lookup.id = items.id) where id in (select id from lookup)"
    assert place.fed.execute(sql).rows == 2
    assert [name for (name,) in place.rows(columns="name", order="id")] == ["eins", "zwei", None]


def test_update_of_the_key_itself(place: Place) -> None:
    assert place.fed.execute("update items set id = id + 1000 where id = 3").rows == 1
    assert [row[0] for row in place.rows(columns="id")] == [1, 2, 1003]


def test_update_that_finds_a_row_twice_is_refused(place: Place) -> None:
    with pytest.raises(fedq.InvalidQuery, match="more than once"):
        place.fed.execute("update items i set name = l.word from lookup l where i.id = 1")
    assert place.rows(columns="name", order="id")[0] == ("one",)


def test_delete(place: Place) -> None:
    assert place.fed.execute("delete from items where amount / 2 > 1").rows == 1
    assert place.fed.execute("delete from items where id in (select id from lookup)").rows == 1
    assert place.fed.execute("delete from items where id = 99").rows == 0
    assert [row[0] for row in place.rows(columns="id")] == [3]


def test_delete_using_and_everything(place: Place) -> None:
    assert place.fed.execute("delete from items as i using lookup l where l.id = i.id and l.word = 'zwei'").rows == 1
    assert place.fed.execute("delete from items").rows == 2
    assert place.rows() == []


def test_rows_of_a_table_without_a_key(place: Place) -> None:
    place.fed.execute("insert into bare values (1, 'a'), (1, 'a'), (1, 'A'), (null, 'a '), (2, null)")
    assert place.fed.execute("update bare set n = coalesce(n, 0) + 10 where s = 'a'").rows == 2
    assert place.fed.execute("delete from bare where n is null or s is null").rows == 2
    assert sorted(place.run("SELECT n, s FROM bare")) == [(1, "A"), (11, "a"), (11, "a")]


def test_rows_without_a_key_that_become_what_others_were(place: Place) -> None:
    """Each is changed once, in however many statements; and each is not looked for in the whole table."""
    rows = [{"n": number, "s": None if number % 2 else "x"} for number in range(10_500)]
    place.fed.write(rows, "bare")
    assert place.fed.execute("update bare set n = n + 2").rows == 10_500
    assert place.rows("bare", columns="count(DISTINCT n), min(n), max(n)") == [(10_500, 2, 10_501)]
    assert place.fed.execute("delete from bare where n < 2000").rows == 1_998
    assert place.rows("bare", columns="count(*), min(n)") == [(8_502, 2000)]


def test_a_key_of_two_columns(place: Place) -> None:
    place.fed.execute("insert into pairs values (1, 'x', 1), (1, 'y', 2), (2, 'x', 3)")
    assert place.fed.execute("update pairs set v = v + 10 where b = 'x'").rows == 2
    assert place.fed.execute("delete from pairs where v = 2").rows == 1
    assert place.rows("pairs", order="1, 2") == [(1, "x", 11), (2, "x", 13)]


@pytest.mark.parametrize(
    ("value", "column"),
    [("1.239", "amount"), ("123456789.00", "amount"), ("'2024-02-30'", "day"), ("timestamp '2024-01-01 10:00:00'", "day"), ("'abc'", "id"), ("1.5", "id")],
)  # fmt: skip
def test_a_value_that_would_change_is_refused(place: Place, value: str, column: str) -> None:
    other = "" if column == "id" else "id, "
    first = "" if column == "id" else "90, "
    second = "" if column == "id" else "91, "
    good = {"amount": "1", "day": "'2024-01-01'", "id": "92"}[column]
    sql = f"insert into items ({other}{column}) select {first}{good} union all select {second}{value}"
    if value.startswith("'"):
        sql = f"insert into items ({other}{column}) select {first}'{good.strip(chr(39))}' union all select {second}{value}"
    with pytest.raises(fedq.ValueNotRepresentable) as found:
        place.fed.execute(sql)
    assert found.value.column == column
    assert isinstance(found.value.row, int)
    assert len(place.rows()) == 3


def test_null_in_not_null_is_refused(place: Place) -> None:
    with pytest.raises(fedq.FedqError, match="NOT NULL"):
        place.fed.execute("insert into pairs values (1, 'a', 1), (2, null, 1)")
    assert place.rows("pairs") == []


def test_a_duplicate_key_leaves_nothing_behind(place: Place) -> None:
    with pytest.raises(fedq.DatabaseError) as found:
        place.fed.execute("insert into items (id, name) values (50, 'new'), (1, 'there already')")
    assert found.value.__cause__ is not None
    assert len(place.rows()) == 3


POINTED = [
    ("update items set name = upper(nme) where id = 1", "nme"),
    ("update items set name = 'x' where\n  id = 1\n  and nme = 3", "nme"),
    ("update items i set name = l.word from lookupp l where l.id = i.id", "lookupp"),
    ("delete from items where id in (select idd from lookup)", "idd"),
    ("delete from items returning idd", "idd"),
    ("insert into items (id, name) select id, wrd from lookup", "wrd"),
    ("insert into items (id) values (1) on conflict (id) do update set name = excluded.nme", "nme"),
    ("insert into items (id) values (1) on conflict (id) do update set name = excluded.name", "name"),
    ("insert into items (id) values (1) on conflict (id) do update set name = nme", "nme"),
]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_an_error_points_into_what_was_written(place: Place) -> None:
    for sql, wrong in POINTED:
        with pytest.raises(fedq.FedqError) as found:
            place.fed.execute(sql)
        error = found.value
        assert (error.sql, error.span) == (sql, (sql.rindex(wrong), sql.rindex(wrong) + len(wrong)))
        assert "fedq" not in error.message


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_what_duckdb_has_not_is_refused_in_every_form(place: Place) -> None:
    for sql in (
        "update items set name = 'x' where id > 1 order by id",
        "update items set name = 'x' limit 1",
        "delete from items where id > 1 limit 1",
        "truncate items, bare",
        "truncate items restart identity",
    ):
        with pytest.raises(fedq.NotAllowed):
            place.fed.execute(sql)
    assert len(place.rows()) == 3


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("select 1", fedq.NotAllowed),
        ("insert into nowhere values (1)", fedq.TableNotFound),
        ("insert into items (idd) values (1)", fedq.ColumnNotFound),
        ("update items set nam = 1", fedq.ColumnNotFound),
        ("update items set name = 'x' where nam = 1", fedq.ColumnNotFound),
        ("delete from items where", fedq.SQLSyntaxError),
        ("delete from items; delete from bare", fedq.NotAllowed),
        ("insert into items values (1)", fedq.InvalidQuery),
        ("merge into items using lookup on true when matched then delete", fedq.NotAllowed),
        ("create table x (a integer)", fedq.NotAllowed),
        ("drop table items", fedq.NotAllowed),
        ("", fedq.SQLSyntaxError),
        ("insert into items (id) values (:id)", fedq.ParameterError),
        ("insert into items (id) values (default)", fedq.NotAllowed),
    ],
)
def test_what_cannot_be_done_is_said_by_name(place: Place, sql: str, error: type[fedq.FedqError]) -> None:
    with pytest.raises(error):
        place.fed.execute(sql)
    assert len(place.rows()) == 3
