"""DuckDB files: every type comes back exactly, nobody is kept from writing, reading is stoppable."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import fedq
from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import (
    ComputeError,
    ConnectionFailed,
    DatabaseError,
    NotAllowed,
    QueryCancelled,
    QueryTimeout,
    ReadOnlyError,
    ValueNotRepresentable,
)
from fedq.fetch.duckdb.source import DuckDBSource
from fedq.types import VARCHAR
from tests.fetch import local

ENDLESS = "select count(*) from range(1000000) a, range(1000000) b where hash(a.range + b.range) = 7"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lake.duckdb"


@pytest.fixture
def write(path: Path) -> Callable[[str], None]:
    def run(script: str) -> None:
        connection = duckdb.connect(str(path))
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(script)
        connection.close()

    return run


@pytest.fixture
def source(path: Path) -> Iterator[DuckDBSource]:
    source = DuckDBSource(Database("lake", "duckdb", f"duckdb:///{path}", schemas=("other",)), lambda: None)
    yield source
    source.close()


TYPES = {
    "BOOLEAN": ["true"], "TINYINT": ["-128"], "UBIGINT": ["18446744073709551615"], "BIGINT": ["9223372036854775807"],
    "HUGEINT": ["99999999999999999999999999999999999999"], "UHUGEINT": ["340282366920938463463374607431768211455"],
    "DECIMAL(38,10)": ["1234567890123456789012345678.0123456789"], "DECIMAL(4,2)": ["-99.99"], "FLOAT": ["0.1"],
    "DOUBLE": ["'nan'", "'-inf'", "0.1"], "VARCHAR": ["'a' || chr(0) || 'é😀'", "''"], "BLOB": ["'\\x00\\xff'::BLOB"],
    "DATE": ["'infinity'", "'-infinity'", "'4713-01-01 (BC)'", "'99999-12-31'"], "TIME": ["'24:00:00'", "'00:00:00.000001'"],
    "TIMESTAMP": ["'infinity'", "'2024-01-01 00:00:00.123456'"], "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00:00+05'"],
    "TIMESTAMP_NS": ["'2024-01-01 00:00:00.123456789'"], "TIMESTAMP_S": ["'2024-01-01 00:00:01'"],
    "TIMESTAMP_MS": ["'2024-01-01 00:00:00.123'"], "TIME WITH TIME ZONE": ["'12:00:00+05:30'"], "BIT": ["'0101'::BIT"],
    "INTERVAL": ["INTERVAL '1 month 2 days 3 microseconds'", "INTERVAL '-5 years'"],
    "UUID": ["'ffffffff-ffff-ffff-ffff-ffffffffffff'"], "JSON": ["""'{"a":1,"a":2}'"""],
    "ENUM('b','a')": ["'a'", "'b'"], "INTEGER[]": ["[1, NULL]", "[]"], "INTEGER[3]": ["[1, 2, 3]"],
    "STRUCT(a INTEGER, b VARCHAR[])": ["{'a': 1, 'b': ['x', NULL]}"], "MAP(VARCHAR, INTEGER)": ["MAP {'a': 1}"],
    "UNION(a INTEGER, b VARCHAR)": ["union_value(a := 1)", "union_value(b := 'x')"],
    "HUGEINT[]": ["[170141183460469231731687303715884105727::HUGEINT]"],
    "STRUCT(d DATE, t TIMETZ)": ["{'d': 'infinity'::DATE, 't': '12:00:00+05:30'::TIMETZ}"],
}  # fmt: skip


@pytest.mark.parametrize("type_", TYPES)
def test_types_come_back_exactly(source: DuckDBSource, write: Callable[[str], None], type_: str) -> None:
    values = [*TYPES[type_], "NULL"]
    write(f"CREATE TABLE t (v {type_}); " + "".join(f"INSERT INTO t SELECT {value};" for value in values))
    fetched = local.read(source, local.select_of(local.described(source, "t"), DUCKDB))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE expected (v {type_}); CREATE TABLE arrived (v {local.types(source, 't')['v']})")
    for value in values:
        connection.execute(f"INSERT INTO expected SELECT {value}")
    connection.register("fetched", fetched)
    connection.execute("INSERT INTO arrived SELECT * FROM fetched")
    show = "SELECT CAST(v AS VARCHAR) FROM "
    assert connection.execute(f"{show} arrived").fetchall() == connection.execute(f"{show} expected").fetchall()


def test_a_hugeint_of_39_digits_is_loud(source: DuckDBSource, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t (h HUGEINT); INSERT INTO t VALUES (1), (-170141183460469231731687303715884105728)")
    with pytest.raises(ValueNotRepresentable, match="-170141183460469231731687303715884105728") as caught:
        local.rows(source, "t")
    assert (caught.value.column, caught.value.database) == ("h", "lake")
    assert local.rows(source, "t", h={"policy": "null"}) == [(Decimal(1),), (None,)]
    assert local.rows(source, "t", h={"policy": "text"})[1] == ("-170141183460469231731687303715884105728",)


DECLARED = [
    ("DOUBLE", "2.0", "BIGINT", 2), ("DOUBLE", "2.5", "BIGINT", None), ("BIGINT", "300", "TINYINT", None),
    ("DOUBLE", "0.1", "DECIMAL(4,2)", Decimal("0.10")), ("DOUBLE", "0.125", "DECIMAL(4,2)", None),
    ("VARCHAR", "'12'", "INTEGER", 12), ("VARCHAR", "'2.5'", "INTEGER", None), ("VARCHAR", "'x'", "INTEGER", None),
    ("VARCHAR", "'1.230'", "DECIMAL(4,2)", Decimal("1.23")), ("VARCHAR", "'1.239'", "DECIMAL(4,2)", None),
    ("VARCHAR", "'0.5'", "DOUBLE", 0.5), ("VARCHAR", "'0.5x'", "DOUBLE", None),
    ("VARCHAR", "'2024-01-05 10:00:00'", "DATE", None), ("TIMESTAMP", "'2024-01-05 10:00:00'", "DATE", None),
    ("VARCHAR", "'no'", "UUID", None), ("BIGINT", "12", "VARCHAR", "12"), ("INTEGER", "2", "BOOLEAN", None),
    ("INTEGER", "1", "BOOLEAN", True), ("VARCHAR", "'2024-01-05 10:00:00.1234567'", "TIMESTAMP", None),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "value", "declared", "expected"), DECLARED)
def test_a_declared_type_is_cast_without_loss_or_loud(
    source: DuckDBSource, write: Callable[[str], None], stored: str, value: str, declared: str, expected: object
) -> None:
    from fedq.types import parse_type

    write(f"CREATE TABLE t (v {stored}); INSERT INTO t VALUES ({value}), (NULL)")
    column = {"type": parse_type(declared)}
    if expected is not None:
        assert local.rows(source, "t", v=column) == [(expected,), (None,)]
        return
    with pytest.raises(ValueNotRepresentable) as caught:
        local.rows(source, "t", v=column)
    assert caught.value.column == "v" and value.strip("'") in str(caught.value)
    assert local.rows(source, "t", v={**column, "policy": "null"}) == [(None,), (None,)]


def test_tables_schemas_and_keys(source: DuckDBSource, write: Callable[[str], None]) -> None:
    write(
        'CREATE TABLE "Or""ders" (id INTEGER PRIMARY KEY, n VARCHAR COLLATE NOCASE); CREATE VIEW v AS SELECT n FROM "Or""ders";'
        "CREATE SCHEMA other; CREATE TABLE other.o (a INT); CREATE SCHEMA hidden; CREATE TABLE hidden.h (a INT);"
        'INSERT INTO "Or""ders" SELECT range, \'x\' FROM range(7)'
    )
    assert source.list_tables() == [
        PhysicalTable("main", 'Or"ders'), PhysicalTable("main", "v"), PhysicalTable("other", "o")
    ]  # fmt: skip
    orders = local.described(source, 'OR"DERS')
    assert orders.table.name == 'Or"ders' and orders.key == ("id",) and orders.rows == 7
    assert [column.comparison.value for column in orders.columns] == ["same", "loose"]
    assert not orders.columns[0].is_nullable
    assert local.described(source, "v").columns[0].comparison.value == "unlike"
    assert local.described(source, "h", "hidden").columns[0].name == "a"
    assert source.describe([PhysicalTable(None, "h"), PhysicalTable("main", "o")]) == [None, None]


def test_a_change_is_seen(source: DuckDBSource, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t (a INT)")
    assert list(local.types(source, "t")) == ["a"]
    write("ALTER TABLE t ADD COLUMN b DATE; INSERT INTO t VALUES (1, NULL)")
    assert list(local.types(source, "t")) == ["a", "b"]
    assert local.rows(source, "t") == [(1, None)]


def test_the_file_is_free_when_nobody_reads(source: DuckDBSource, path: Path, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t (a INT)")
    local.rows(source, "t")
    script = f"import duckdb; duckdb.connect({str(path)!r}).execute('INSERT INTO t VALUES (5)')"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert local.rows(source, "t") == [(5,)]


def test_two_sessions_share_the_file(source: DuckDBSource, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t AS SELECT range AS i FROM range(300000)")
    select = local.select_of(local.described(source, "t"), DUCKDB)
    first, second = source.open(), source.open()
    one, other = first.read(select), second.read(select)
    assert next(one).num_rows and next(other).num_rows
    first.close()
    assert sum(batch.num_rows for batch in other) < 300_000
    second.close()
    assert len(local.rows(source, "t")) == 300_000


def test_a_file_that_is_being_written(source: DuckDBSource, path: Path, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t (a INT)")
    own = duckdb.connect(str(path))
    with pytest.raises(ConnectionFailed) as caught:
        source.list_tables()
    assert "This process" in (caught.value.hint or "")
    own.close()
    script = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(ConnectionFailed, match=r"lake\.duckdb cannot be opened") as caught:
        source.open()
    assert "another process" in (caught.value.hint or "") and isinstance(caught.value.__cause__, duckdb.Error)
    other.communicate()
    assert local.rows(source, "t") == []


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    missing = DuckDBSource(Database("lake", "duckdb", f"duckdb:///{tmp_path}/no.duckdb"), lambda: None)
    with pytest.raises(ConnectionFailed, match="there is no file"):
        missing.list_tables()
    (tmp_path / "text.duckdb").write_text("no database " * 1000)
    wrong = DuckDBSource(Database("lake", "duckdb", f"duckdb:///{tmp_path}/text.duckdb"), lambda: None)
    with pytest.raises(ConnectionFailed, match="cannot be opened"):
        wrong.list_tables()
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.duckdb"]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("INSERT INTO t VALUES (1)", ReadOnlyError), ("CREATE TABLE x (a INT)", ReadOnlyError), ("", ReadOnlyError),
        ("SELECT 1; SELECT 2", ReadOnlyError), ("COPY t TO '{folder}/t.csv'", ReadOnlyError),
        ("ATTACH '{folder}/n.duckdb'", ReadOnlyError), ("SET threads = 1", ReadOnlyError),
        ("SELECT * FROM read_csv('/etc/passwd')", NotAllowed), ("SELECT nope FROM t", DatabaseError),
        ("SELECT * FROM read_text('{folder}/lake.duckdb')", None), ("SELECT CAST('x' AS INT)", ComputeError),
        ("SELECT CASE WHEN range = 299999 THEN CAST('x' || range AS INT) END FROM range(300000)", ComputeError),
        ("SELECT 9223372036854775807 + range FROM range(2)", ComputeError),
    ],
)  # fmt: skip
def test_what_native_lets_through(
    source: DuckDBSource, path: Path, write: Callable[[str], None], sql: str, error: type[Exception] | None
) -> None:
    write("CREATE TABLE t (a INT)")
    if error is not None:
        with pytest.raises(error) as caught:
            local.native(source, sql.format(folder=path.parent))
        assert type(caught.value) is error
    assert [entry.name for entry in path.parent.iterdir()] == ["lake.duckdb"]
    assert local.native(source, "SELECT count(*) AS n FROM t").to_pylist() == [{"n": 0}]


def test_native_types_are_those_of_the_local_engine(source: DuckDBSource, write: Callable[[str], None]) -> None:
    write("CREATE TABLE t AS SELECT uuid() AS u, 5::HUGEINT AS h, '{}'::JSON AS j, 7 AS i, 'x' AS \"a\"\"b\"")
    found = local.native(source, "SELECT *, sum(i) OVER () AS total FROM t ORDER BY i")
    assert [str(field.type) for field in found.schema] == [
        "string", "decimal128(38, 0)", "string", "int32", "string", "decimal128(38, 0)"
    ]  # fmt: skip
    assert found.column_names == ["u", "h", "j", "i", 'a"b', "total"]


@pytest.mark.parametrize("is_streaming", [False, True])
def test_cancel_and_timeout(source: DuckDBSource, write: Callable[[str], None], is_streaming: bool) -> None:
    write("CREATE TABLE t (a INT)")
    sql = ENDLESS if not is_streaming else ENDLESS.replace("count(*)", "a.range").replace("= 7", "% 1000 = 7")
    session = source.open()
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        session.cancel()

    threading.Timer(0.3, stop).start()
    with pytest.raises(QueryCancelled):
        for _ in session.native(sql):
            pass
    assert time.monotonic() - stopped[0] < 1.5
    session.close()
    session.cancel()
    session = source.open(0.3)
    started = time.monotonic()
    with pytest.raises(QueryTimeout):
        for _ in session.native(sql):
            pass
    assert time.monotonic() - started < 2.4
    session.close()
    assert local.rows(source, "t") == []


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("b", "101"),
        ("t", "10:00:00+02"),
        ("n", "12345678901234567890123"),
        ("[b]", "[101]"),
        ("{'x': t}", "{'x': '10:00:00+02'}"),
    ],
)
def test_types_without_an_arrow_form_are_text_wherever_they_are_computed(
    tmp_path: Path, value: str, answer: str
) -> None:
    """Arrow carries the raw bytes of a BIT and a BIGNUM, and of a TIMETZ the time without its offset."""
    file, other = tmp_path / "a.duckdb", tmp_path / "b.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "create table z as select 1 as id, '101'::bit as b, '10:00:00+02'::timetz as t, 12345678901234567890123::bignum as n"
        )
    with duckdb.connect(str(other)) as connection:
        connection.execute("create table y as select 1 as id")
    databases = {"one": {"url": f"duckdb:///{file}"}, "two": {"url": f"duckdb:///{other}"}}
    with fedq.connect({"version": 1, "databases": databases, "policy": {"on_cross_db": "allow"}}) as fed:
        there = fed.query(f"select {value} as v from z")
        here = fed.query(f"select {value} as v from z join y using (id)")
        native = fed.query(f"select {value} as v from z", native="one")
    assert there.rows() == here.rows() == native.rows() == [(answer,)]
    assert there.types == here.types == native.types == (VARCHAR,)
