"""Values that are odd, dirty or of no type of their own: hazards H65 to H78."""

from __future__ import annotations

import datetime as dt

import pytest

from fedq.errors import InvalidQuery, ValueNotRepresentable
from tests.oracle.native import declare, made, unrepresentable
from tests.oracle.support import ENGINES, Places

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")


def test_H65_enum_is_text(postgres: object, mariadb: object, places: Places) -> None:
    rows = [(1, "small"), (2, "large"), (3, "medium"), (5, None)]
    places.define("enum_my", "id INTEGER, e VARCHAR", [*rows, (4, "")])
    made(
        places,
        "mariadb",
        "enum_my",
        "create table enum_my (id int, e enum('small','medium','large'))",
        "insert into enum_my values (1, 'small'), (2, 'large'), (3, 'medium'), (4, 'wrong'), (5, null)",
    )
    places.define("enum_pg", "id INTEGER, e VARCHAR", rows)
    places.run("postgres", "create type size as enum ('small', 'medium', 'large')")
    made(
        places,
        "postgres",
        "enum_pg",
        "create table enum_pg (id int, e size)",
        "insert into enum_pg values (1, 'small'), (2, 'large'), (3, 'medium'), (5, null)",
    )
    for table in ("enum_my", "enum_pg"):
        assert places.check(f"select * from {table}")
        assert places.check(f"select id from {table} where e = 'small'") == [(1,)]
        assert places.check(f"select id from {table} where e = 'SMALL'") == []
        assert places.check(f"select id from {table} where e = 'unheard of'") == []
        assert sorted(places.check(f"select id from {table} where e > 'm'")) == [(1,), (3,)]
        assert places.check(f"select e from {table} where e <> '' order by e", ordered=True) == [
            ("large",),
            ("medium",),
            ("small",),
        ]
        assert places.check(f"select max(e), count(distinct e) from {table}")


JSON_ROWS = {"postgres": "json", "mariadb": "json"}


@pytest.mark.parametrize("engine", JSON_ROWS, indirect=True)
def test_H66_json_is_compared_by_function_only(engine: str, places: Places) -> None:
    text = '{"b": 1, "a":1,"a":2}'
    made(
        places,
        engine,
        f"js_{engine}",
        f"create table js_{engine} (id int, j {JSON_ROWS[engine]})",
        f"insert into js_{engine} values (1, '{text}'), (2, null), (3, '[1, \"x\"]')",
    )
    table = f"js_{engine}"
    assert places.query(f"select j::varchar from {table} where id = 1").scalar() == text
    assert places.query(f"select j->>'b' from {table} where id = 1").scalar() == "1"
    assert places.query(f"select j->>'$[1]' from {table} where id = 3").scalar() == "x"
    if engine == "postgres":  # MariaDB's json is text with a check
        with pytest.raises(InvalidQuery):
            places.query(f"select a.id from {table} a join {table} b on a.j = b.j")
        made(places, engine, "jsb", "create table jsb (id int, j jsonb)", f"insert into jsb values (1, '{text}')")
        assert places.query("select j->>'a' from jsb").scalar() == "2"


@pytest.mark.parametrize("engine", JSON_ROWS, indirect=True)
def test_H67_json_null_is_not_sql_null(engine: str, places: Places) -> None:
    table = f"jn_{engine}"
    made(
        places,
        engine,
        table,
        f"create table {table} (id int, j json)",
        f"insert into {table} values (1, 'null'), (2, null)",
    )
    assert places.query(f"select id from {table} where j is null").rows() == [(2,)]
    assert places.query(f"select j::varchar from {table} where id = 1").scalar() == "null"


def test_H68_uuid_joins_text(postgres: object, mariadb: object, places: Places) -> None:
    low = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    made(
        places,
        "postgres",
        "u_pg",
        "create table u_pg (id int, u uuid)",
        f"insert into u_pg values (1, '{low}'), (2, null)",
    )
    made(
        places,
        "mariadb",
        "u_my",
        "create table u_my (id int, u char(36))",
        f"insert into u_my values (7, '{low.upper()}'), (8, null)",
    )
    places.define("u_pg", "id INTEGER, u UUID", [(1, low), (2, None)])
    places.define("u_my", "id INTEGER, u VARCHAR", [(7, low.upper()), (8, None)])
    assert places.check("select p.id, m.id from u_pg p join u_my m on p.u = m.u") == [(1, 7)]
    assert places.check(f"select id from u_pg where u = '{low.upper()}'") == [(1,)]
    assert len(places.check("select * from u_pg")) == 2


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H69_bytes_are_bytes(engine: str, places: Places) -> None:
    values = [b"", b"\x00\xff\x00", b"a", b"A", b"a ", b"\\x41", bytes(range(256)), None]
    places.define("raw", "id BIGINT, b BLOB", list(enumerate(values)))
    places.put(f"raw_{engine}", engine, source="raw")
    assert len(places.check(f"select * from raw_{engine}")) == 8
    assert places.check(f"select id from raw_{engine} where b = 'a'::blob") == [(2,)]
    assert places.check(f"select max(b) from raw_{engine}") == [(b"a ",)]
    assert places.query(f"select id from raw_{engine} where b = :b", {"b": b"\x00\xff\x00"}).rows() == [(1,)]


def test_H69_text_in_a_blob_column(places: Places) -> None:
    made(
        places,
        "sqlite",
        "txt",
        "create table txt (id integer primary key, b blob)",
        "insert into txt values (1, x'00ff'), (2, 'txt')",
    )
    assert places.query("select b from txt where id = 1").scalar() == b"\x00\xff"
    try:
        assert dict(places.query("select id, b from txt").rows())[2] == b"txt"
    except ValueNotRepresentable as error:
        assert "txt" in str(error)


def test_H70_wrong_storage_class_in_sqlite(places: Places) -> None:
    made(
        places,
        "sqlite",
        "mixed",
        "create table mixed (id integer primary key, n integer, s text)",
        "insert into mixed values (1, 5, 'ok'), (7, 'abc', 'bad'), (9, 2.5, 'bad'), (11, null, 'none')",
    )
    error = unrepresentable(places, "select n from mixed", "sqlite", "mixed", "n")
    assert "7" in str(error), "the row is named"
    assert len(places.query("select id, s from mixed").rows()) == 4
    assert places.query("select count(*) from mixed").scalar() == 4
    declare(places, "sqlite", "mixed", {"n": {"on_unrepresentable": "null"}})
    assert places.query("select id, n from mixed order by id").rows() == [(1, 5), (7, None), (9, None), (11, None)]
    declare(places, "sqlite", "mixed", {"n": {"on_unrepresentable": "text"}})
    assert places.query("select n from mixed order by id").rows() == [("5",), ("abc",), ("2.5",), (None,)]


def test_H70_every_declared_type_is_checked(places: Places) -> None:
    cases = {
        "DECIMAL(5,2)": "1.234",
        "DATE": "yesterday",
        "TIMESTAMP": "12 o'clock",
        "BOOLEAN": "7",
        "INTEGER": "1.5",
        "DOUBLE": "many",
        "BIGINT": "9223372036854775808",
    }
    for number, (type_, bad) in enumerate(cases.items()):
        table = f"checked_{number}"
        escaped = bad.replace("'", "''")
        value = bad if type_ == "BIGINT" else f"'{escaped}'"
        made(
            places,
            "sqlite",
            table,
            f"create table {table} (id integer primary key, v {type_})",
            f"insert into {table} values (42, {value})",
        )
        error = unrepresentable(places, f"select v from {table}", "sqlite", table, "v")
        assert "42" in str(error), type_
        assert places.query(f"select id from {table}").scalar() == 42


def test_H71_dates_in_sqlite(places: Places) -> None:
    made(
        places,
        "sqlite",
        "dates",
        "create table dates (id integer primary key, d date)",
        "insert into dates values (1, '2024-01-05'), (2, 1706702400)",
    )
    assert places.query("select d from dates where id = 1").scalar() == dt.date(2024, 1, 5)
    unrepresentable(places, "select d from dates", "dates", "d")
    made(
        places,
        "sqlite",
        "unix",
        "create table unix (id integer, d integer, t integer, j real)",
        "insert into unix values (1, 1706659200, 1706702400, 2460341.0)",
        columns={
            "d": {"type": "DATE", "storage": "unix"},
            "t": {"type": "TIMESTAMP", "storage": "unix"},
            "j": {"type": "TIMESTAMP", "storage": "julian"},
        },
    )
    assert places.query("select d, t, j from unix").rows() == [
        (dt.date(2024, 1, 31), dt.datetime(2024, 1, 31, 12), dt.datetime(2024, 1, 31, 12))
    ]


def test_H72_untyped_column_of_sqlite(places: Places) -> None:
    made(
        places,
        "sqlite",
        "untyped",
        "create table untyped (id integer, v)",
        "insert into untyped values (1, 1), (2, 2.5), (3, 'x'), (4, null)",
    )
    try:
        rows = places.query("select v from untyped order by id").rows()
    except ValueNotRepresentable as error:
        assert error.hint
    else:
        assert rows == [("1",), ("2.5",), ("x",), (None,)]
    assert places.query("select count(*) from untyped").scalar() == 4


def test_H73_overlong_text_of_sqlite(places: Places) -> None:
    made(
        places,
        "sqlite",
        "long",
        "create table long (id integer, s varchar(3))",
        "insert into long values (1, 'toolong')",
    )
    assert places.query("select s from long where s = 'toolong'").scalar() == "toolong"
    assert places.query("select length(s) from long").scalar() == 7


@pytest.mark.parametrize("engine", ["mariadb", "sqlite", "duckdb", "parquet", "frame"], indirect=True)
def test_H76_nul_in_text(engine: str, places: Places) -> None:
    """PostgreSQL cannot hold it."""
    places.define("nul", "id BIGINT, s VARCHAR", [(1, "a\0b"), (2, "a"), (3, "a\0"), (4, "\0")])
    places.put(f"nul_{engine}", engine, source="nul")
    table = f"nul_{engine}"
    assert sorted(places.check(f"select * from {table}")) == [(1, "a\0b"), (2, "a"), (3, "a\0"), (4, "\0")]
    assert places.check(f"select id from {table} where s = 'a'") == [(2,)]
    assert places.query(f"select id from {table} where s = :s", {"s": "a\0b"}).rows() == [(1,)]
    assert places.check(f"select count(distinct s), max(length(s)) from {table}") == [(4, 3)]


DATES = [
    (1, dt.date(2024, 1, 5)),
    (2, dt.date(2024, 3, 31)),
    (3, dt.date(1, 1, 1)),
    (4, dt.date(9999, 12, 31)),
    (5, None),
]


@pytest.mark.parametrize("engine", [*ENGINES, "csv", "json"], indirect=True)
def test_H77_dates_compare_as_dates(engine: str, places: Places) -> None:
    places.define("days", "id BIGINT, d DATE", DATES)
    places.put(f"days_{engine}", engine, source="days")
    table = f"days_{engine}"
    assert len(places.check(f"select * from {table}")) == 5
    assert places.check(f"select id from {table} where d = '2024-1-5'") == [(1,)]
    assert places.check(f"select id from {table} where d = date '2024-01-05'") == [(1,)]
    assert sorted(places.check(f"select id from {table} where d > '2024-1-5'")) == [(2,), (4,)]
    assert sorted(places.check(f"select id from {table} where d between '2024-01-01' and '2024-12-31'")) == [(1,), (2,)]
    assert places.check(f"select id from {table} where d in ('2024-01-05', '2025-01-01')") == [(1,)]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H78_months_are_subtracted_as_in_duckdb(engine: str, places: Places) -> None:
    places.define("days", "id BIGINT, d DATE", DATES)
    places.put(f"minus_{engine}", engine, source="days")
    assert places.check(f"select (d - interval 1 month)::date as x from minus_{engine} where id = 2") == [
        (dt.date(2024, 2, 29),)
    ]
    assert places.check(f"select id from minus_{engine} where d - interval 1 month = '2024-02-29'") == [(2,)]
    assert places.check(
        f"select id from minus_{engine} where d < date '2024-04-30' - interval 1 month + interval 1 day and id < 3"
    )
    assert places.check(
        f"select year(d), month(d), date_trunc('month', d), dayofweek(d) from minus_{engine} where id < 3"
    )
