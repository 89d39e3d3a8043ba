"""Where work is done never shows in the answer: hazards H81 to H97 (those that reading alone can meet)."""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3
import threading
import uuid
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from fedq.errors import ColumnNotFound, FedqError, ParameterError
from tests.oracle.support import ENGINES, Places, quoted

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

PAIRS = [
    ("postgres", "mariadb"), ("mariadb", "postgres"), ("sqlite", "postgres"), ("mariadb", "sqlite"),
    ("duckdb", "frame"), ("parquet", "sqlite"), ("postgres", "postgres"), ("mariadb", "mariadb"), ("sqlite", "sqlite"),
]  # fmt: skip


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, places: Places) -> tuple[Places, str, str]:
    """Two small tables, `l` and `r`, in two engines."""
    left, right = request.param
    for engine in {left, right} & {"postgres", "mariadb"}:
        request.getfixturevalue(engine)
    places.define(
        "lefts",
        "id BIGINT, k BIGINT, s VARCHAR",
        [(1, 1, "a"), (2, 2, "B"), (3, None, "c"), (4, 2, None), (5, 9, "a ")],
    )
    places.define(
        "rights",
        "id BIGINT, k BIGINT, s VARCHAR",
        [(1, 1, "a"), (2, 2, "b"), (3, None, "x"), (4, 1, "A"), (5, 7, None)],
    )
    names = f"l_{left}_{right}", f"r_{left}_{right}"
    places.put(names[0], left, source="lefts")
    places.put(names[1], right, source="rights")
    return places, *names


QUOTED_NAMES = [
    "Select",
    "a`b",
    'a"b',
    "with space",
    "é",
    "%",
    "%s",
    "?",
    ":x",
    "$1",
    "a.b",
    "it's",
    "-- x",
    "semi;colon",
    "[0]",
    "{x}",
]


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "frame"], indirect=True)
def test_H81_identifiers_are_quoted_everywhere(engine: str, places: Places) -> None:
    table = f'Odd "{engine}" `t` é;' if engine != "parquet" else "Odd `t` é;"
    columns = ", ".join(f"{quoted(name)} BIGINT" for name in QUOTED_NAMES)
    places.define(table, columns, [tuple(range(len(QUOTED_NAMES))), tuple(range(100, 100 + len(QUOTED_NAMES)))])
    places.put(table, engine)
    assert len(places.check(f"select * from {quoted(table)}")) == 2
    for number, name in enumerate(QUOTED_NAMES):
        column = quoted(name)
        sql = f"select {column} from {quoted(table)} where {column} = {number} order by {column} limit 1"
        assert places.check(sql) == [(number,)], name


def alter(places: Places, engine: str, *statements: str) -> None:
    if engine == "sqlite":
        with sqlite3.connect(places.sqlite_file()) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
    else:
        places.run(engine, *statements)


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "sqlite"], indirect=True)
def test_H82_ddl_is_seen_at_once(engine: str, places: Places) -> None:
    table = f"ddl_{engine}"
    places.define(table, "a BIGINT", [(1,), (2,)])
    places.put(table, engine)
    assert places.query(f"select * from {table}").columns == ["a"]
    alter(places, engine, f"alter table {table} add column b varchar(10)", f"update {table} set b = 'x' where a = 1")
    assert list(places.query(f"select * from {table}").columns) == ["a", "b"]
    assert places.query(f"select a from {table} where b = 'x'").rows() == [(1,)]
    alter(places, engine, f"alter table {table} drop column b", f"alter table {table} add column c bigint")
    assert list(places.query(f"select * from {table}").columns) == ["a", "c"]
    with pytest.raises(ColumnNotFound):
        places.query(f"select b from {table}")
    alter(
        places,
        engine,
        f"drop table {table}",
        f"create table {table} (a varchar(5))",
        f"insert into {table} values ('now')",
    )
    assert places.query(f"select a from {table} where a = 'now'").rows() == [("now",)]


def test_H82_a_rewritten_file_is_seen_at_once(places: Places) -> None:
    places.define("file", "a BIGINT", [(1,)])
    places.put("file", "parquet")
    assert list(places.query("select * from file").columns) == ["a"]
    places.oracle.execute(f"COPY (select 5 as a, 'x' as b) TO '{places.folder}/parquet/file.parquet' (FORMAT parquet)")
    assert places.query("select * from file").rows() == [(5, "x")]


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "sqlite"], indirect=True)
def test_H86_more_tables_than_the_database_joins(engine: str, places: Places) -> None:
    """MariaDB refuses 62 tables in one statement, SQLite 65."""
    table = f"one_{engine}"
    places.define(table, "id BIGINT, v BIGINT", [(1, 10), (2, 20)])
    places.put(table, engine)
    joins = " ".join(f"join {table} t{i} on t{i}.id = t{i - 1}.id" for i in range(1, 66))
    assert sorted(places.query(f"select t0.v + t65.v from {table} t0 {joins}").rows()) == [(20,), (40,)]


def test_H87_not_in_with_null_is_empty(pair: tuple[Places, str, str]) -> None:
    places, a, b = pair
    assert places.check(f"select id from {a} where k not in (select k from {b})") == []
    assert sorted(places.check(f"select id from {a} where k not in (select k from {b} where k is not null)")) == [(5,)]
    assert sorted(places.check(f"select id from {a} where not exists (select 1 from {b} where {b}.k = {a}.k)")) == [
        (3,),
        (5,),
    ]
    assert sorted(places.check(f"select id from {a} where k in (select k from {b})")) == [(1,), (2,), (4,)]
    assert sorted(places.check(f"select id from {a} where s in (select s from {b})")) == [(1,)]
    assert len(places.check(f"select id, k in (select k from {b}) as x from {a}")) == 5
    assert places.check(f"select id from {a} where k not in (select k from {b} where false)")
    assert len(places.check(f"select id from {a} where k <> all (select k from {b} where id < 3)")) == 1
    assert places.check(f"select count(*) from {a} where k = any (select k from {b})")
    assert len(places.check(f"select * from {a} anti join {b} using (k)")) == 2
    assert len(places.check(f"select * from {a} semi join {b} using (k)")) == 3


def test_H88_outer_joins_keep_their_rows(pair: tuple[Places, str, str]) -> None:
    places, a, b = pair
    on = f"select a.id, b.id from {a} a left join {b} b on a.k = b.k and b.s = 'a'"
    where = f"select a.id, b.id from {a} a left join {b} b on a.k = b.k where b.s = 'a'"
    assert len(places.check(on)) == 5
    assert places.check(where) == [(1, 1)]
    assert len(places.check(f"select a.id from {a} a left join {b} b on a.k = b.k where b.id is null")) == 2
    assert (
        len(places.check(f"select a.id, b.id from {a} a left join {b} b on a.k = b.k where b.s is null or b.s <> 'a'"))
        == 5
    )
    assert len(places.check(f"select a.id from {a} a left join {b} b on a.k = b.k and a.id = 1")) == 6
    assert places.check(f"select a.id, b.id from {a} a right join {b} b on a.k = b.k where b.id > 2 and a.id is null")
    assert places.check(f"select a.id, b.id from {a} a full join {b} b on a.k = b.k and a.s = b.s")
    assert places.check(f"select a.id, b.id from {a} a full join {b} b on a.k = b.k where coalesce(a.id, 0) < 3")
    assert places.check(f"select a.id, b.id from {a} a left join {b} b on a.k = b.k where coalesce(b.id, 0) = 0")
    assert places.check(
        f"select a.id, b.id, c.id from {a} a left join {b} b on a.k = b.k left join {a} c on c.k = b.k and c.id > 1"
    )
    assert places.check(f"select a.id, b.id from {a} a, {b} b where a.k is not distinct from b.k")
    assert places.check(f"select a.id, b.id from {a} a join {b} b on a.k < b.k")
    assert places.check(f"select a.id, b.id from {a} a join {b} b on a.s = b.s") == [(1, 1)]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H89_a_limit_without_order_gives_that_many_of_the_rows(engine: str, places: Places) -> None:
    places.define(
        "many", "id BIGINT, s VARCHAR", "select i, case when i % 3 = 0 then 'a' else 'A' end from range(100) r(i)"
    )
    places.put(f"many_{engine}", engine, source="many")
    rows = places.query(f"select id from many_{engine} limit 7").rows()
    assert len(set(rows)) == 7
    assert set(rows) <= {(i,) for i in range(100)}
    rows = places.query(f"select id from many_{engine} where s = 'a' limit 50").rows()
    assert {i for (i,) in rows} == set(range(0, 100, 3))
    assert len(places.query(f"select id from many_{engine} limit 10 offset 95").rows()) == 5
    assert places.query(f"select id from many_{engine} limit 0").rows() == []
    assert len(places.query(f"select id from many_{engine}", limit=3).rows()) == 3


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "sqlite"], indirect=True)
def test_H94_one_snapshot_per_database(engine: str, places: Places) -> None:
    """Two reads of one database in one query see the same rows while somebody writes."""
    table, other = f"snap_{engine}", f"snip_{engine}"
    for name in (table, other):
        places.define(name, "id BIGINT", [(0,)])
        places.put(name, engine)
    stop = threading.Event()

    def write() -> None:
        connection: Any
        if engine == "sqlite":
            connection = sqlite3.connect(places.sqlite_file(), timeout=30)
            statements = "begin immediate", "insert into {} values ({})", "commit"
        else:
            server = places.servers[engine]
            assert server is not None
            connection = server.connect(places.databases[engine]["url"])
            statements = "begin", "insert into {} values ({})", "commit"
        cursor = connection.cursor()
        for number in itertools.count(1):
            if stop.is_set():
                break
            cursor.execute(statements[0])
            cursor.execute(statements[1].format(table, number))
            cursor.execute(statements[1].format(other, number))
            cursor.execute(statements[2])
            stop.wait(0.001)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        # reverse() is not said in any database's own SQL: both tables are read on their own
        sql = (
            f"select (select count(*) from {table} where reverse(id::varchar) <> ''),"
            f" (select count(*) from {other} where reverse(id::varchar) <> '')"
        )
        counts = [places.query(sql).rows()[0] for _ in range(15)]
    finally:
        stop.set()
        writer.join()
    assert all(one == two for one, two in counts), counts
    assert counts[-1][0] > counts[0][0], "the writer wrote meanwhile"


def test_H96_now_is_one_instant(pair: tuple[Places, str, str]) -> None:
    places, a, b = pair
    spread = f"select count(distinct n) from (select now() n from {a} union all select now() from {b})"
    assert places.query(spread).scalar() == 1
    assert places.query(f"select count(*) from {a} where now() < timestamptz '2020-01-01'").scalar() == 0
    assert places.query(f"select count(*) from {a} where current_date >= date '2024-01-01'").scalar() == 5
    # as in DuckDB, random() and uuid() are drawn for each row: 5 rows, 5 values
    assert places.query(f"select count(distinct random()), count(distinct uuid()) from {a}").rows() == [(5, 5)]
    assert places.query(f"select count(*) from {a} where random() between 0 and 1").scalar() == 5


class Colour(Enum):
    RED = "red"


PARAMETERS: list[tuple[str, str, Any]] = [
    ("i BIGINT", "i = :p", 9007199254740993),
    ("i BIGINT", "i = :p", -1),
    ("d DOUBLE", "d = :p", 0.1),
    ("m DECIMAL(20,4)", "m = :p", Decimal("123456789.7891")),
    ("s VARCHAR", "s = :p", "it's; -- \"x\" `y` \\' %s :p é😀"),
    ("s VARCHAR", "s = :p", Colour.RED),
    ("b BLOB", "b = :p", b"\x00'\\\xff"),
    ("t DATE", "t = :p", dt.date(2024, 2, 29)),
    ("t TIMESTAMP", "t = :p", dt.datetime(2024, 2, 29, 23, 59, 59, 999999)),
    ("f BOOLEAN", "f = :p", True),
    ("i BIGINT", "i in :p", [1, 2, 9007199254740993]),
    ("s VARCHAR", "s in :p", ("it's", "x")),
    ("s VARCHAR", "s like :p", "it%"),
    ("i BIGINT", "i between :p and :p", 5),
]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H97_parameters_are_bound(engine: str, places: Places) -> None:
    for number, (column, condition, value) in enumerate(PARAMETERS):
        name = column.split()[0]
        stored = value[-1] if isinstance(value, list) else value[0] if isinstance(value, tuple) else value
        stored = {"it%": "it's", Colour.RED: "red"}.get(stored, stored) if isinstance(stored, str | Colour) else stored
        table = f"par_{number}_{engine}"
        places.define(f"par_{number}", f"id BIGINT, {column}", [(1, stored), (2, None)])
        places.put(table, engine, source=f"par_{number}")
        found = places.query(f"select id from {table} where {condition}", {"p": value}).rows()
        assert found == [(1,)], (condition, value)
        assert places.query(f"select id from {table} where {name} = :p", {"p": None}).rows() == []


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H97_parameters_in_every_style(engine: str, places: Places) -> None:
    table = f"style_{engine}"
    places.define("style", "id BIGINT, s VARCHAR", [(1, "a"), (2, ":p"), (3, "?"), (4, "$p")])
    places.put(table, engine, source="style")
    rows = lambda sql, params=None: places.query(sql, params).rows()
    assert rows(f"select id from {table} where id = ? and s = ?", [1, "a"]) == [(1,)]
    assert rows(f"select id from {table} where id = $id", {"id": 1}) == [(1,)]
    assert sorted(rows(f"select id from {table} where s = ':p' or s = :p -- :q ?", {"p": "?"})) == [(2,), (3,)]
    assert rows(f"select id::varchar from {table} where s = $$:p$$ /* :zz */") == [("2",)]
    assert rows(f"select [1, 2, 3][:id] from {table} where id = :p", {"p": 2}) == [([1, 2],)]  # a slice
    assert rows(f"select id from {table} where id = :id and s is not distinct from :s", {"id": 1, "s": "a"}) == [(1,)]
    for params in ({}, None, {"q": 1}, [1], {"p": object()}):
        with pytest.raises(ParameterError):
            places.query(f"select id from {table} where id = :p", params)
    injected = places.query(f"select id from {table} where s = :p", {"p": "' or 1=1 --"}).rows()
    assert injected == []
    assert rows(f"select :u::uuid = :u from {table} limit 1", {"u": uuid.UUID(int=7)}) == [(True,)]


def test_H30_no_scan_before_the_types_are_checked(pair: tuple[Places, str, str]) -> None:
    places, a, _ = pair
    with pytest.raises(FedqError):
        places.query(f"select id from {a} where s = 1")
    assert places.query(f"select count(*) from {a}").scalar() == 5
