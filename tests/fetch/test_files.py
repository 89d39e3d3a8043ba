"""Files and folders as databases: no value is changed by guessing its type, and a change of the files is seen."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import threading
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import (
    AmbiguousTable,
    ConnectionFailed,
    DatabaseError,
    NotAllowed,
    QueryCancelled,
    ReadOnlyError,
    ValueNotRepresentable,
)
from fedq.fetch.files import views as files_views
from fedq.fetch.files.layout import tables_of
from fedq.fetch.files.source import FilesSource
from fedq.types import parse_type
from tests.fetch import local


def source_of(path: object) -> FilesSource:
    return FilesSource(Database("lake", "files", str(path)), lambda: None)


def written(path: Path, text: str) -> FilesSource:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return source_of(path)


GUESSED = {
    "BIGINT": ["1", "-5", "9223372036854775807"],
    "HUGEINT": ["1", "12345678901234567890123"],
    "DOUBLE": ["1.10", "1e5", "0.30000000000000004", "NaN"],
    "DATE": ["2024-01-05", "9999-12-31"],
    "TIMESTAMP": ["2024-01-05 10:00:00", "2024-01-05T10:00:00.123456"],
    "TIMESTAMPTZ": ["2024-01-05T10:00:00Z", "2024-01-05 10:00:00+02"],
    "TIME": ["10:00:00", "23:59:59.5"],
    "BOOLEAN": ["true", "false"],
}
STAYS_TEXT = [
    ["0012", "0013"], ["1", "0012"], ["+5", "6"], ["1.5", "12345678901234567890.12"], ["1", "123456789012345678901234567890.5"],
    ["05/01/2024", "06/01/2024"], ["25/01/2024", "26/01/2024"], ["2024-1-5", "2024-1-6"], ["2024-02-30", "2024-01-01"],
    ["t", "f"], ["yes", "no"], ["2024-01-05 10:00:00.1234567", "2024-01-05 10:00:00"], ["1e400", "1.5"],
    ["10:00", "11:00"], ["1,5", "2,5"], [" 1", "2"], ["abc", "1"], ["1" * 40, "1"], ["2024-01-05", "soon"],
]  # fmt: skip


@pytest.mark.parametrize("type_", GUESSED)
def test_types_of_csv_columns(tmp_path: Path, type_: str) -> None:
    source = written(tmp_path / "t.csv", "v,w\n" + "".join(f'"{value}",x\n' for value in GUESSED[type_]) + ",x\n")
    assert local.types(source, "t") == {"v": type_, "w": "VARCHAR"}
    values = local.native(source, "SELECT CAST(v AS VARCHAR) AS v FROM t").column("v").to_pylist()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    cast = f"SELECT CAST(CAST(v AS {type_}) AS VARCHAR) FROM (SELECT unnest(?) AS v)"
    assert values == [*(row[0] for row in connection.execute(cast, [GUESSED[type_]]).fetchall()), None]


@pytest.mark.parametrize("values", STAYS_TEXT)
def test_text_that_would_change_stays_text(tmp_path: Path, values: list[str]) -> None:
    source = written(tmp_path / "t.csv", "v;w\n" + "".join(f'"{value}";x\n' for value in values))
    assert local.types(source, "t")["v"] == "VARCHAR"
    assert [row[0] for row in local.rows(source, "t")] == values


def test_a_value_far_down_decides_too(tmp_path: Path) -> None:
    text = "id,code\n" + "".join(f"{i},{i}\n" for i in range(60_000)) + "60000,007\n"
    source = written(tmp_path / "t.csv", text)
    assert local.types(source, "t") == {"id": "BIGINT", "code": "VARCHAR"}
    assert local.rows(source, "t")[-1] == (60_000, "007")
    assert local.described(source, "t").rows == 60_001


def test_a_large_file_is_checked_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_views, "_CHECKED", 1000)
    text = "id,code\n" + "".join(f"{i},{i}\n" for i in range(60_000)) + "60000,007\n"
    source = written(tmp_path / "t.csv", text)
    assert local.types(source, "t") == {"id": "BIGINT", "code": "BIGINT"}
    with pytest.raises(ValueNotRepresentable, match=r"column 'code'.*'007'"):
        local.rows(source, "t")
    assert len(local.read(source, local.select_of(local.described(source, "t"), DUCKDB, ["id"]))) == 60_001


def test_null_and_empty_text_are_two_things(tmp_path: Path) -> None:
    source = written(tmp_path / "t.csv", 'a,b\n"",x\n,y\n"q""uote, and\nline",z\n')
    assert local.rows(source, "t") == [("", "x"), (None, "y"), ('q"uote, and\nline', "z")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", "a\tb\n1\tx y\n"),
        ("t.csv", "a;b\n1;x y\n"),
        ("t.csv", "a|b\r\n1|x y\r\n"),
        ("t.csv", "\ufeffa,b\n1,x y\n"),
    ],
)
def test_forms_of_csv(tmp_path: Path, name: str, text: str) -> None:
    assert local.rows(written(tmp_path / name, text), "t") == [(1, "x y")]


def test_declared_types_of_text(tmp_path: Path) -> None:
    source = written(tmp_path / "t.csv", "code,price\n0012,1.10\n0013,2.5\n")
    types = {"code": {"type": parse_type("INTEGER")}, "price": {"type": parse_type("DECIMAL(6,2)")}}
    assert local.rows(source, "t", **types) == [(12, Decimal("1.10")), (13, Decimal("2.50"))]
    with pytest.raises(ValueNotRepresentable, match="column 'price'"):
        local.rows(source, "t", price={"type": parse_type("DECIMAL(6,0)")})


def test_json(tmp_path: Path) -> None:
    source = written(
        tmp_path / "t.json",
        '[{"i": 1, "x": 1.10, "big": 123456789012345678901234567890, "d": "2024-01-05", "s": "05/01/2024", "b": true,'
        ' "n": null, "o": {"k": [1, 2]}, "code": "0012", "at": "2024-01-05T10:00:00"},'
        ' {"i": 2, "x": 2, "big": 5, "d": null, "s": "x", "extra": "only here", "s_1": 7}]',
    )
    assert local.types(source, "t") == {
        "i": "BIGINT", "x": "DOUBLE", "big": "HUGEINT", "d": "DATE", "s": "VARCHAR", "b": "BOOLEAN", "n": "VARCHAR",
        "o": "STRUCT(k BIGINT[])", "code": "VARCHAR", "at": "TIMESTAMP", "extra": "VARCHAR", "s_1": "BIGINT",
    }  # fmt: skip
    assert local.rows(source, "t") == [
        (1, 1.1, Decimal("123456789012345678901234567890"), dt.date(2024, 1, 5), "05/01/2024", True, None, {"k": [1, 2]},
         "0012", dt.datetime(2024, 1, 5, 10), None, None),
        (2, 2.0, Decimal(5), None, "x", None, None, None, None, None, "only here", 7),
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json.gz", ".csv.gz"])
def test_other_suffixes(tmp_path: Path, suffix: str) -> None:
    text = "a,b\n1,x\n" if "csv" in suffix else '{"a": 1, "b": "x"}\n'
    data = gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode()
    (tmp_path / f"t{suffix}").write_bytes(data)
    assert local.rows(source_of(tmp_path), "t") == [(1, "x")]


def test_zst(tmp_path: Path) -> None:
    duckdb.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/t.csv.zst'")
    duckdb.execute(f"COPY (SELECT 2 AS a) TO '{tmp_path}/u.parquet' (COMPRESSION zstd)")
    source = source_of(tmp_path)
    assert local.rows(source, "t") == [(1,)] and local.rows(source, "u") == [(2,)]


def parquet(path: Path, query: str, options: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quoted = str(path).replace("'", "''")
    duckdb.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet{options})")


def test_parquet_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "u8": pa.array([255], pa.uint8()), "u64": pa.array([2**64 - 1], pa.uint64()),
            "d": pa.array([Decimal("1" * 28 + ".0123456789")], pa.decimal128(38, 10)),
            "ns": pa.array([1_000_000_001], pa.timestamp("ns")), "z": pa.array([1], pa.timestamp("us", "UTC")),
            "l": pa.array([[1, None]]), "s": pa.array([{"a": 1}]), "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "b": pa.array([b"\0\xff"]), "f": pa.array([0.1], pa.float32()),
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    old = pa.table({"at": pa.array([dt.datetime(2024, 1, 5, 10)], pa.timestamp("us"))})
    pq.write_table(old, tmp_path / "int96.parquet", use_deprecated_int96_timestamps=True)
    source = source_of(tmp_path)
    assert local.types(source, "t") == {
        "u8": "UTINYINT", "u64": "UBIGINT", "d": "DECIMAL(38,10)", "ns": "TIMESTAMP_NS", "z": "TIMESTAMPTZ",
        "l": "BIGINT[]", "s": "STRUCT(a BIGINT)", "m": "MAP(VARCHAR, BIGINT)", "b": "BLOB", "f": "FLOAT",
    }  # fmt: skip
    fetched = local.read(source, local.select_of(local.described(source, "t"), DUCKDB))
    assert fetched.to_pylist() == table.to_pylist()
    assert local.described(source, "t").rows == 1
    assert local.read(source, local.select_of(local.described(source, "int96"), DUCKDB)).to_pylist()[0][
        "at"
    ] == dt.datetime(2024, 1, 5, 10)


def test_layouts(tmp_path: Path) -> None:
    parquet(tmp_path / "orders.parquet", "SELECT 1 AS id")
    (tmp_path / "orders.2024.csv.gz").write_bytes(gzip.compress(b"a\n1\n"))
    for name in ("notes.txt", ".hidden.csv", "_SUCCESS", "deep/inner.csv"):
        written(tmp_path / name, "a\n1\n")
    parquet(tmp_path / "events/year=2024/code=007/p.parquet", "SELECT 1 AS n")
    parquet(tmp_path / "events/year=2025/code=a%20b/p.parquet", "SELECT 2 AS n, 'x' AS later")
    parquet(tmp_path / "events/year=__HIVE_DEFAULT_PARTITION__/code=c/p.parquet", "SELECT 3 AS n")
    source = source_of(tmp_path)
    assert [table.name for table in source.list_tables()] == ["events", "orders", "orders.2024"]
    assert local.types(source, "events") == {"n": "INTEGER", "later": "VARCHAR", "code": "VARCHAR", "year": "BIGINT"}
    assert sorted(local.rows(source, "events")) == [
        (1, None, "007", 2024), (2, "x", "a b", 2025), (3, None, "c", None)
    ]  # fmt: skip
    assert local.described(source, "events").rows == 3
    assert local.rows(source_of(tmp_path / "events"), "events", tail="WHERE year = 2024") == [(1, None, "007", 2024)]
    assert [table.name for table in tables_of(f"{tmp_path}/*.parquet")] == ["orders"]
    assert [table.name for table in tables_of(f"{tmp_path}/**/*.csv")] == ["inner"]
    assert [table.name for table in tables_of(f"{tmp_path}/none*.csv")] == []
    assert source.describe([PhysicalTable(None, "none"), PhysicalTable("x", "orders")]) == [None, None]


ODD = ["a b", "quo'te", 'dou"ble', "we[ir]d*?", "ünï", "[x]", "a=b", "per%20cent", "semi;colon", "--dash", "a\\b"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names(tmp_path: Path, name: str) -> None:
    for number, other in enumerate(ODD):
        parquet(tmp_path / f"{other}.parquet", f"SELECT {number} AS n")
    source = source_of(tmp_path)
    assert len(source.list_tables()) == len(ODD)
    assert local.rows(source, name) == [(ODD.index(name),)]


def test_two_files_of_one_name(tmp_path: Path) -> None:
    written(tmp_path / "t.csv", "a\n1\n")
    parquet(tmp_path / "t.parquet", "SELECT 1 AS a")
    source = source_of(tmp_path)
    with pytest.raises(AmbiguousTable, match=r"t\.csv and .*t\.parquet"):
        source.describe([PhysicalTable(None, "T")])


def test_changes_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    source = written(path, "a\n1\n")
    old = time.time() - 100
    os.utime(path, (old, old))
    assert local.types(source, "t") == {"a": "BIGINT"}
    path.write_text("a,b\nx,2\n")
    assert local.types(source, "t") == {"a": "VARCHAR", "b": "BIGINT"}
    assert local.rows(source, "t") == [("x", 2)]
    folder = source_of(tmp_path)
    assert len(folder.list_tables()) == 1
    written(tmp_path / "u.csv", "c\n1\n")
    assert local.rows(folder, "u") == [(1,)]
    (tmp_path / "u.csv").unlink()
    assert folder.describe([PhysicalTable(None, "u")]) == [None]


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_a_change_between_describing_and_reading_is_loud(tmp_path: Path, change: str) -> None:
    path = tmp_path / "t.csv"
    source = written(path, "a\n1\n")
    select = local.select_of(local.described(source, "t"), DUCKDB)
    if change == "removed":
        path.unlink()
    else:
        path.write_text("a\n2\n3\n")
    with pytest.raises(DatabaseError, match=r"t\.csv changed"):
        local.read(source, select)


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(b"PAR1" + os.urandom(500) + b"PAR1")


@pytest.mark.parametrize("how", ["truncated", "empty", "noise"])
def test_a_damaged_file_is_named(tmp_path: Path, how: str) -> None:
    parquet(tmp_path / "t.parquet", "SELECT range AS a FROM range(100000)")
    damage(tmp_path / "t.parquet", how)
    with pytest.raises(DatabaseError, match=r"t\.parquet"):
        source_of(tmp_path).describe([PhysicalTable(None, "t")])


def test_a_file_damaged_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet(path, "SELECT md5(range::VARCHAR) AS a FROM range(100000)")
    data = bytearray(path.read_bytes())
    data[1000:200_000] = os.urandom(199_000)
    path.write_bytes(data)
    source = source_of(path)
    with pytest.raises(DatabaseError):
        local.rows(source, "t")


@pytest.mark.parametrize("text", ["a\n\xff\n", "a,b\n1,2\n3,4,5,6\n"])
def test_a_csv_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes((text + "1,2\n" * 10).encode("latin-1"))
    source = source_of(path)
    with pytest.raises(DatabaseError, match=r"t\.csv"):
        local.rows(source, "t")


def test_a_missing_place(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="no file or folder"):
        source_of(tmp_path / "no").list_tables()
    assert source_of(tmp_path).list_tables() == []
    assert source_of(tmp_path / "*.csv").list_tables() == []


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", NotAllowed),
        ("COPY t TO '{folder}/out.csv'", ReadOnlyError),
        ("SELECT * FROM '/etc/passwd'", DatabaseError),
        ("SELECT * FROM glob('/etc/*')", NotAllowed),
    ],
)
def test_native_stays_in_the_folder(tmp_path: Path, sql: str, error: type[Exception]) -> None:
    source = written(tmp_path / "t.csv", "a\n1\n")
    with pytest.raises((error, NotAllowed)):
        local.native(source, sql.format(folder=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert local.native(source, "SELECT sum(a) AS n FROM T").to_pylist() == [{"n": Decimal(1)}]


def test_cancel(tmp_path: Path) -> None:
    parquet(tmp_path / "t.parquet", "SELECT range AS a FROM range(1000000)")
    source = source_of(tmp_path)
    session = source.open()
    threading.Timer(0.2, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(QueryCancelled):
        list(session.native("SELECT count(*) FROM t x, t y WHERE hash(x.a + y.a) = 7"))
    assert time.monotonic() - started < 2.1
    session.close()
    assert local.native(source, "SELECT count(*) AS n FROM t").to_pylist() == [{"n": 1_000_000}]


def test_a_damaged_neighbour_does_not_matter(tmp_path: Path) -> None:
    written(tmp_path / "t.csv", "a\n1\n")
    (tmp_path / "a.parquet").write_bytes(b"nothing")
    source = source_of(tmp_path)
    assert local.native(source, "SELECT a.a FROM t AS a").to_pylist() == [{"a": 1}]
    with pytest.raises(DatabaseError, match=r"a\.parquet"):
        local.native(source, "SELECT * FROM a")
