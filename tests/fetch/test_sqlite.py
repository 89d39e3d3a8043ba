"""SQLite files: declared types honoured and checked, one snapshot, read-only, stoppable."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.dialects.sqlite import SQLITE
from fedq.errors import (
    ConnectionFailed,
    DatabaseError,
    QueryCancelled,
    QueryTimeout,
    ReadOnlyError,
    ValueNotRepresentable,
)
from fedq.fetch.source import Output, Select
from fedq.fetch.sqlite.source import SQLiteSource
from fedq.types import BIGINT
from tests.fetch import local

ENDLESS = Select((Output("count(*)", "n", BIGINT),), 'FROM "nums" a, "nums" b, "nums" c')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def write(path: Path) -> Iterator[Callable[[str], None]]:
    connection = sqlite3.connect(path, isolation_level=None)

    def run(script: str) -> None:
        connection.executescript(script)

    yield run
    connection.close()


@pytest.fixture
def source(path: Path) -> Iterator[SQLiteSource]:
    source = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{path}"), lambda: None)
    yield source
    source.close()


def rows(source: SQLiteSource, name: str, tail: str = "", **changes: dict[str, Any]) -> list[tuple[Any, ...]]:
    return local.rows(source, name, SQLITE, tail, **changes)


def test_declared_types(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (a int, b unsigned big int, c tinyint(1), d decimal(12, 2), e numeric, f real, g double precision,"
        " h varchar(3), i text, j clob, k blob, l, m boolean, n date, o datetime, p timestamp(6), q time, r uuid,"
        " s json, t decimal(50, 10), u varbinary(16), v timestamp with time zone, w interval, x number(5), y string)"
    )
    assert list(local.types(source, "t").values()) == [
        "BIGINT", "BIGINT", "BIGINT", "DECIMAL(12,2)", "DOUBLE", "DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR",
        "BLOB", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP", "TIME", "UUID", "JSON", "DECIMAL(38,10)", "BLOB",
        "TIMESTAMPTZ", "VARCHAR", "DECIMAL(5,0)", "VARCHAR",
    ]  # fmt: skip


GOOD = [
    ("integer", "-9223372036854775808", -(2**63)),
    ("integer", "9223372036854775807", 2**63 - 1),
    ("integer", "'12'", 12),  # its affinity makes a number of it
    ("boolean", "1", True),
    ("boolean", "0", False),
    ("decimal(10,2)", "9.99", Decimal("9.99")),
    ("decimal(10,2)", "10", Decimal("10.00")),
    ("decimal(10,2)", "'0.10'", Decimal("0.10")),
    ("decimal(10,2)", "-0.01", Decimal("-0.01")),
    ("decimal(38,10)", "0.0000000001", Decimal("0.0000000001")),
    ("double", "0.1", 0.1),
    ("double", "9e999", float("inf")),
    ("double", "9007199254740992", 9007199254740992.0),
    ("varchar(3)", "'toolong'", "toolong"),
    ("text", "'a' || char(0) || 'b'", "a\0b"),
    ("text", "''", ""),
    ("blob", "x'00ff'", b"\x00\xff"),
    ("date", "'2024-01-05'", dt.date(2024, 1, 5)),
    ("date", "'9999-12-31'", dt.date(9999, 12, 31)),
    ("timestamp", "'2024-01-05 10:11:12'", dt.datetime(2024, 1, 5, 10, 11, 12)),
    ("timestamp", "'2024-01-05T10:11:12.5'", dt.datetime(2024, 1, 5, 10, 11, 12, 500000)),
    ("timestamp", "'2024-01-05 10:11:12.1234560'", dt.datetime(2024, 1, 5, 10, 11, 12, 123456)),
    ("timestamp", "'2024-01-05 10:11'", dt.datetime(2024, 1, 5, 10, 11)),
    ("timestamp", "'2024-01-05'", dt.datetime(2024, 1, 5)),
    ("timestamptz", "'2024-01-05 10:11:12+05:30'", dt.datetime(2024, 1, 5, 4, 41, 12, tzinfo=dt.UTC)),
    ("time", "'10:11:12.5'", dt.time(10, 11, 12, 500000)),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", """'{"a": 1, "a": 2}'""", '{"a": 1, "a": 2}'),
    ("json", "5", "5"),
]


@pytest.mark.parametrize(("type_", "value", "expected"), GOOD)
def test_values_that_fit(
    source: SQLiteSource, write: Callable[[str], None], type_: str, value: str, expected: object
) -> None:
    write(f"create table t (v {type_}); insert into t values ({value}), (null)")
    assert rows(source, "t") == [(expected,), (None,)]


BAD = [
    ("integer", "2.5"), ("integer", "'abc'"), ("integer", "x'00'"), ("integer", "9223372036854775808"),
    ("boolean", "2"), ("boolean", "'true'"), ("decimal(5,2)", "1.234"), ("decimal(5,2)", "1000"),
    ("decimal(5,2)", "'x'"), ("decimal(5,2)", "9e999"), ("double", "'many'"), ("numeric", "9007199254740993"),
    ("text", "x'00'"), ("blob", "'text'"), ("blob", "5"), ("date", "'2024-1-5'"), ("date", "'20240131x'"),
    ("date", "20240131"), ("date", "1706702400"), ("date", "'2024-02-30'"), ("date", "'2024-01-05 00:00:00'"),
    ("timestamp", "'2024-01-05T10:11:12Z'"), ("timestamp", "'2024-01-05 10:11:12+01:00'"),
    ("timestamp", "'2024-01-05 10:11:12.1234567'"), ("timestamp", "'2024-01-05 10'"), ("timestamp", "1706702400"),
    ("timestamp", "'2024-01-05 24:00:00'"), ("timestamptz", "'2024-01-05 10:11:12'"), ("time", "'25:00'"),
    ("time", "5"), ("uuid", "'no'"), ("json", "'{'"), ("json", "'NaN'"), ("text", "cast(x'ff' as text)"),
    ("date", "'2024-01-05' || char(0)"), ("integer", "9e999"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "value"), BAD)
def test_values_that_do_not_fit(source: SQLiteSource, write: Callable[[str], None], type_: str, value: str) -> None:
    write(f"create table t (id integer primary key, v {type_}); insert into t values (1, null), (42, {value})")
    with pytest.raises(ValueNotRepresentable) as caught:
        rows(source, "t")
    error = caught.value
    assert (error.database, error.table, error.column, error.key) == ("shop", "t", "v", {"id": 42})
    assert "42" in str(error) and "on_unrepresentable" in str(error)
    assert rows(source, "t", v={"policy": "null"}) == [(1, None), (42, None)]
    (_, kept) = rows(source, "t", v={"policy": "text"})
    assert kept[0] == 42 and isinstance(kept[1], str)
    assert rows(source, "t", "WHERE id = 1") == [(1, None)], "a bad value in a row that is not read does not matter"


def test_text_policy_shows_values_as_they_are_stored(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (v integer); insert into t values (5), (2.5), ('abc'), (x'41ff'), (null)")
    found = rows(source, "t", v={"policy": "text"})
    assert found == [("5",), ("2.5",), ("abc",), ("A\\xFF",), (None,)]


def test_a_bad_value_late_in_a_large_table(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (v integer); with recursive r(i) as (select 1 union all select i+1 from r where i < 30000)"
        " insert into t select i from r; update t set v = 'bad' where v = 29000"
    )
    with pytest.raises(ValueNotRepresentable, match="rowid = 29000"):
        rows(source, "t")


def test_undecodable_text_late_in_a_large_table(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (i integer, s text); with recursive r(i) as (select 1 union all select i+1 from r where i < 9999)"
        " insert into t select i, 'row ' || i from r; update t set s = cast(x'ff' as text) where i = 9000"
    )
    with pytest.raises(ValueNotRepresentable, match="rowid = 9000"):
        rows(source, "t")
    found = rows(source, "t", s={"policy": "null"})
    assert found == [(i, None if i == 9000 else f"row {i}") for i in range(1, 10000)]


def test_dates_as_numbers(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (u date, m timestamp, j timestamp, s timestamp)")
    write("insert into t values (1706659200, 1706702400123, 2460341.0, 1706702400.25)")
    storage = {
        "u": {"storage": "unix"},
        "m": {"storage": "unix_ms"},
        "j": {"storage": "julian"},
        "s": {"storage": "unix"},
    }
    assert rows(source, "t", **storage) == [
        (dt.date(2024, 1, 31), dt.datetime(2024, 1, 31, 12, 0, 0, 123000), dt.datetime(2024, 1, 31, 12),
         dt.datetime(2024, 1, 31, 12, 0, 0, 250000))
    ]  # fmt: skip
    write("update t set u = 1706659201")
    with pytest.raises(ValueNotRepresentable, match="beginning of a day"):
        rows(source, "t", **storage)


def test_untyped_columns_have_the_type_of_their_values(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (i, r, s, b, x, n); insert into t values (1, 1, 'a', x'00', 1, null), (2, 2.5, 'b', x'01', 'x', null);"
        "create view v as select count(*) as n, sum(r) as total from t"
    )
    assert local.types(source, "t") == {
        "i": "BIGINT", "r": "DOUBLE", "s": "VARCHAR", "b": "BLOB", "x": "VARCHAR", "n": "VARCHAR"
    }  # fmt: skip
    assert rows(source, "v") == [(2, 3.5)]
    with pytest.raises(ValueNotRepresentable, match="column 'x'"):
        rows(source, "t")
    write("insert into t (i) values ('now text')")
    assert local.types(source, "t")["i"] == "VARCHAR", "not what it was when it was first seen"


def test_how_columns_compare(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (id integer primary key, n int, s text, c text collate nocase, r text collate rtrim,"
        ' "odd, name" text collate "NOCASE", d decimal(10,2), big decimal(20,2), day date, ts timestamp, y string);'
        "create table strict_ (id int, s text, f real) strict; create view v as select s, n from t"
    )
    found = {column.name: column.comparison.value for column in local.described(source, "t").columns}
    assert found == {
        "id": "same", "n": "loose", "s": "same", "c": "loose", "r": "loose", "odd, name": "loose", "d": "loose",
        "big": "unlike", "day": "loose", "ts": "unlike", "y": "unlike",
    }  # fmt: skip
    strict = {column.name: column.comparison.value for column in local.described(source, "strict_").columns}
    assert strict == {"id": "same", "s": "same", "f": "same"}
    assert {column.comparison.value for column in local.described(source, "v").columns} == {"unlike", "loose"}


def test_text_of_a_utf16_database_is_not_ordered_by_bytes(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("pragma encoding = 'UTF-16le'; create table t (s text); insert into t values ('é😀'), ('a')")
    (column,) = local.described(source, "t").columns
    assert column.comparison.value == "equality"
    assert SQLITE.by_bytes('"s"', column) is None
    assert rows(source, "t") == [("é😀",), ("a",)]


def test_tables_of_every_kind(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        'create table "my ""table""" ("se lect" int); create table w (a text primary key, b int) without rowid;'
        "create view v as select 1 as a; create virtual table f using fts5(title, body);"
        "create virtual table r using rtree(id, low, high); insert into r values (1, 0.5, 1.5);"
        "create table g (a int, b int generated always as (a * 2) stored); insert into f values ('t', 'b');"
        "insert into w values ('k', 'bad'); insert into g values (4)"
    )
    names = [table.name for table in source.list_tables()]
    assert names == ["f", "g", 'my "table"', "r", "v", "w"]
    assert [schema.is_view for schema in source.describe(source.list_tables()) if schema] == [0, 0, 0, 0, 1, 0]
    assert rows(source, 'my "table"') == []
    assert rows(source, "f") == [("t", "b")]
    assert rows(source, "r") == [(1, 0.5, 1.5)]
    assert rows(source, "g") == [(4, 8)]
    assert local.described(source, "w").key == ("a",)
    with pytest.raises(ValueNotRepresentable, match="row a = 'k'"):
        rows(source, "w")


def test_a_table_whose_column_is_called_rowid(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (rowid text, oid text, v int); insert into t values ('x', 'y', 'bad')")
    with pytest.raises(ValueNotRepresentable) as caught:
        rows(source, "t")
    assert caught.value.key == {"_rowid_": 1}


def test_names_are_found_in_any_case_and_nowhere_else(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table Orders (id int)")
    wanted = [PhysicalTable(None, "ORDERS"), PhysicalTable("main", "orders"), PhysicalTable("x", "orders")]
    first, second, third = source.describe([*wanted])
    assert first is not None and first.table == PhysicalTable(None, "Orders")
    assert second is not None and third is None
    assert source.describe([PhysicalTable(None, "sqlite_master")]) == [None]


def test_rows_are_estimated(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write(
        "create table t (id integer primary key); create table gaps (id integer primary key, b text);"
        "create table e (a int); create table w (a int primary key) without rowid; create view v as select 1 as a;"
        "with recursive r(i) as (select 1 union all select i+1 from r where i < 500) insert into t select i from r;"
        "insert into gaps values (1, 'x'), (9000000000000, 'x'); insert into w values (1), (2)"
    )
    estimates = {name: local.described(source, name).rows for name in ("t", "gaps", "e", "w", "v")}
    assert estimates["t"] == 500 and estimates["e"] == 0 and estimates["w"] == 2 and estimates["v"] is None
    assert estimates["gaps"] is not None and estimates["gaps"] < 100_000
    write("analyze; delete from t where id > 10; analyze")
    assert local.described(source, "t").rows == 10


def test_a_change_of_the_schema_is_seen(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (a int)")
    assert list(local.types(source, "t")) == ["a"]
    write("alter table t add column b date; create index i on t (b)")
    assert local.types(source, "t") == {"a": "BIGINT", "b": "DATE"}
    assert local.described(source, "t").indexed == {"b"}
    write("drop table t")
    assert source.describe([PhysicalTable(None, "t")]) == [None]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_session_sees_one_snapshot(source: SQLiteSource, path: Path, write: Callable[[str], None], mode: str) -> None:
    write(f"pragma journal_mode = {mode}; create table t (a int); insert into t values (1)")
    select = local.select_of(local.described(source, "t"), SQLITE)
    session = source.open()
    if mode == "wal":
        write("insert into t values (2)")
    else:  # the reader's lock keeps the writer out
        writer = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"), writer:
            writer.execute("insert into t values (2)")
        writer.close()
    assert sum(batch.num_rows for batch in session.read(select)) == 1
    session.close()
    write("insert into t values (3)")
    assert len(rows(source, "t")) == (3 if mode == "wal" else 2)


def test_a_file_put_in_its_place_is_read(source: SQLiteSource, path: Path, write: Callable[[str], None]) -> None:
    write("create table t (a int); insert into t values (1)")
    assert rows(source, "t") == [(1,)]
    other = path.with_name("other.db")
    with sqlite3.connect(other) as connection:
        connection.execute("create table t (a text)")
        connection.execute("insert into t values ('new')")
    connection.close()
    other.replace(path)
    assert rows(source, "t") == [("new",)]


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    source = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{tmp_path}/no.db"), lambda: None)
    for call in (source.list_tables, source.open):
        with pytest.raises(ConnectionFailed, match=r"no file .*no\.db") as caught:
            call()
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"this is no database, but a text long enough to have a header", b"SQLite format 3\0"]
)
def test_a_file_that_is_no_database(path: Path, source: SQLiteSource, content: bytes) -> None:
    path.write_bytes(content * 100)
    with pytest.raises(ConnectionFailed, match="cannot be read as a SQLite database"):
        source.list_tables()


def test_odd_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?#é'.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (a int)")
    connection.close()
    source = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{path}"), lambda: None)
    assert [table.name for table in source.list_tables()] == ["t"]
    source.close()


def test_a_lock_is_waited_for_and_then_named(path: Path, write: Callable[[str], None]) -> None:
    write("create table t (a int)")
    options = {"busy_timeout": 0.2}
    source = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{path}", options=options), lambda: None)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin exclusive")
    with pytest.raises(ConnectionFailed, match="is locked"):
        source.list_tables()
    source.close()
    patient = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{path}"), lambda: None)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(patient.list_tables)
        time.sleep(0.1)
        assert not found.done()
        blocker.execute("rollback")
        assert [table.name for table in found.result()] == ["t"]
    blocker.close()
    patient.close()


@pytest.mark.parametrize(
    "sql",
    [
        "insert into nums values (1)", "create table x (a int)", "attach '{folder}/new.db' as n", "pragma query_only = 0",
        "vacuum into '{folder}/copy.db'", "delete from nums", "create temp table x (a int)", "pragma schema_version = 9",
        "select load_extension('x')", "begin immediate", "detach main", "reindex", "analyze",
    ],
)  # fmt: skip
def test_only_reading_passes(source: SQLiteSource, path: Path, write: Callable[[str], None], sql: str) -> None:
    write("create table nums (a int)")
    with pytest.raises((ReadOnlyError, DatabaseError)):
        local.native(source, sql.format(folder=path.parent))
    assert {entry.name for entry in path.parent.iterdir()} == {"shop.db"}
    assert local.native(source, "select count(*) as n from nums").to_pylist() == [{"n": 0}]


def test_native_statements(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (a int, b text); insert into t values (1, 'x'), (null, null)")
    found = local.native(source, "select a, b, a + 0.5 as c, x'00' as d, null as e from t")
    assert [str(field.type) for field in found.schema] == ["int64", "string", "double", "binary", "string"]
    assert local.tuples(found)[0] == (1, "x", 1.5, b"\x00", None)
    assert local.native(source, "select a from t where 0").num_rows == 0
    assert local.native(source, "with x as (select 7 as n) select * from x").to_pylist() == [{"n": 7}]
    for bad in ("select 1; select 2", "", "selec 1", "select * from nothing"):
        with pytest.raises(DatabaseError):
            local.native(source, bad)
    with pytest.raises(ValueNotRepresentable, match="CAST"):
        local.native(source, "select 1 as a union all select 'x'")


@pytest.fixture
def numbers(write: Callable[[str], None]) -> None:
    write(
        "create table nums (a int); with recursive r(i) as (select 1 union all select i+1 from r where i < 3000)"
        " insert into nums select i from r"
    )


@pytest.mark.usefixtures("numbers")
def test_cancel_stops_a_running_read(source: SQLiteSource) -> None:
    session = source.open()
    stopped: list[float] = []
    timer = threading.Timer(0.2, lambda: (stopped.append(time.monotonic()), session.cancel()))  # type: ignore[func-returns-value]
    timer.start()
    with pytest.raises(QueryCancelled):
        list(session.read(ENDLESS))
    assert time.monotonic() - stopped[0] < 1.5
    with pytest.raises(QueryCancelled):
        list(session.read(ENDLESS))
    session.cancel()
    session.close()
    session.cancel()
    assert len(rows(source, "nums")) == 3000, "the next one works"


@pytest.mark.usefixtures("numbers")
def test_the_timeout_stops_a_read(source: SQLiteSource) -> None:
    session = source.open(0.2)
    started = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"0\.2 s"):
        list(session.read(ENDLESS))
    assert time.monotonic() - started < 2.1
    session.close()
    assert len(rows(source, "nums")) == 3000


@pytest.mark.usefixtures("numbers")
def test_cancel_stops_waiting_for_a_lock(path: Path) -> None:
    source = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{path}"), lambda: None)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin exclusive")
    started = time.monotonic()
    with pytest.raises((QueryTimeout, ConnectionFailed)):
        source.open(0.2)
    assert time.monotonic() - started < 2.1
    blocker.close()
    source.close()


@pytest.mark.usefixtures("numbers")
def test_a_stream_given_up_leaves_nothing_behind(source: SQLiteSource, path: Path) -> None:
    select = local.select_of(local.described(source, "nums"), SQLITE)
    for _ in range(20):
        session = source.open()
        stream = session.read(select)
        next(stream)
        session.close()
        stream.close()
    with sqlite3.connect(path, timeout=0) as connection:  # no lock is left
        connection.execute("delete from nums")
    connection.close()
    open_files = [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert sum(path == file for file in open_files) <= 4


def test_large_blobs_are_read_one_by_one(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (b blob); insert into t values (zeroblob(9000000)), (zeroblob(9000000)), (zeroblob(9000000))")
    session = source.open()
    sizes = [batch.num_rows for batch in session.read(local.select_of(local.described(source, "t"), SQLITE))]
    assert sizes == [1, 1, 1]
    assert session.received >= 27_000_000
    session.close()


def test_rows_of_no_columns_are_counted(source: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (a int); insert into t values (1), (2), (3)")
    session = source.open()
    assert sum(batch.num_rows for batch in session.read(Select((), 'FROM "t"'))) == 3
    assert sum(batch.num_rows for batch in session.read(Select((), 'FROM "t" WHERE 0'))) == 0
    session.close()


def test_reading_beside_a_writer_in_another_process(
    path: Path, write: Callable[[str], None], source: SQLiteSource
) -> None:
    write("pragma journal_mode = wal; create table t (a int)")
    script = (
        f"import sqlite3\nc = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "for i in range(200): c.executescript(f'begin; insert into t values ({i}); insert into t values ({i}); commit')"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    while process.poll() is None:
        assert len(rows(source, "t")) % 2 == 0
    assert process.returncode == 0 and len(rows(source, "t")) == 400


def test_what_a_writer_left_that_died(tmp_path: Path) -> None:
    path = tmp_path / "left.db"
    writes = """if True:
        import os, sqlite3, sys
        file = sqlite3.connect(sys.argv[1], isolation_level=None)
        file.executescript("PRAGMA cache_size = 2; CREATE TABLE t (v)")
        file.execute("INSERT INTO t SELECT zeroblob(3000) FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]')")
        file.execute("BEGIN")
        file.execute("UPDATE t SET v = randomblob(3000)")
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", writes, str(path)], check=True)
    with fedq.connect(left=f"sqlite:///{path}") as fed:
        with pytest.raises(ConnectionFailed, match="-journal: open the file once"):
            fed.query("SELECT count(*) FROM t")
        with closing(sqlite3.connect(path)) as file:
            file.execute("SELECT count(*) FROM t").fetchall()
        assert fed.query("SELECT count(*) FROM t").scalar() == 16
