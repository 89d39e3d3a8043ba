"""SQLite tables read by chunks: every value as it is read row by row, and few chunks' worth of memory."""

from __future__ import annotations

import random
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fedq.catalog.model import Database
from fedq.dialects.sqlite import SQLITE
from fedq.errors import QueryCancelled, QueryTimeout, ValueNotRepresentable
from fedq.fetch.source import Output, Select
from fedq.fetch.sqlite import chunks, source
from fedq.fetch.sqlite.source import SQLiteSource
from fedq.types import BIGINT
from tests.fetch import local

NUMBERS = [0, 1, -1, 7, 2**31, 2**53 + 1, -(2**63), 2**63 - 1, 10**15, 1e15, 0.5, -0.25, 12.34, 99999.99, 1e-7, 1 / 3]
DOUBLES = [0.1 + 0.2, 1e300, -1e22, 5e-324, float("inf"), float("-inf"), -0.0, 123456789.123456, 4503599627370497.5]
TEXTS = [
    "", "a", "null", ",null", "x,null,", '"', '","', "\\", "\\u0000", "a\0b", "\0", "\n", "\r\n\t\x1f\x7f", "é😀", "[1,2]",
    "{}", "'", " 12 ", "0x1F", "12", "1.50", "-0", "1e5", "t", "true", "\ufeff", "\u2028", "x" * 300,
]  # fmt: skip
MOMENTS = [
    "2024-01-05", "9999-12-31", "2024-1-5", "2024-02-30", "2024-01-05 10:11:12", "2024-01-05T10:11:12.123456",
    "2024-01-05 10", "2024-01-05 10:11", "2024-01-05 10:11:12Z", "2024-01-05 10:11:12+05:30", "10:11:12", "10:11:12.5",
]  # fmt: skip
#: in SQLite's binary form of JSON: null, true, 1, a text, an empty array; and nothing of the kind
BLOBS = [b"\x00", b"\x01", b"\x13\x31", b"\x17a", b"\x0b", b"", b"\xff\x00", b"12"]
UNDECODABLE = b"ab\xff"
GOOD: dict[str, Sequence[Any]] = {
    "INTEGER": [0, 1, -5, 10**6, 2**63 - 1, -(2**63)], "BOOLEAN": [0, 1], "DECIMAL(12,2)": [0, 5, 12.34, -0.01, 99999.99],
    "DECIMAL(5,0)": [0, 7, -99999], "DECIMAL(38,10)": [0, 0.5, 3, 1.25], "REAL": [0.5, -3.0, 12.34, 1e9, 52.370216],
    "NUMERIC": [1, 0.5], "TEXT": TEXTS, "VARCHAR(5) COLLATE NOCASE": TEXTS, "STRING": ["a", ",null", '"'],
    "DATE": MOMENTS[:2], "TIMESTAMP": [MOMENTS[0], *MOMENTS[4:6], MOMENTS[7]], "TIMESTAMPTZ": MOMENTS[8:10],
    "TIME": MOMENTS[10:], "UUID": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "JSON": ['{"a": 1}', "5", 5, "null", '"x"'],
    "": ["a", 'say "x"'], "BLOB": BLOBS,
}  # fmt: skip
ANYTHING = [*NUMBERS, *DOUBLES, *TEXTS, *MOMENTS, *BLOBS, UNDECODABLE]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SQLiteSource]:
    found = SQLiteSource(Database("shop", "sqlite", f"sqlite:///{tmp_path / 'shop.db'}"), lambda: None)
    yield found
    found.close()


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    yield lambda script: connection.executescript(script) and None
    connection.close()


@pytest.fixture
def declined(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """For each read so far, what was left to be read row by row: None is nothing, "all" is all."""
    found: list[str | None] = []

    def spy(*arguments: Any) -> chunks.Chunks | None:
        made = chunks.chunks_of(*arguments)
        if made is None:
            found.append("all")
            return None
        batches = made.batches

        def watched() -> Iterator[pa.RecordBatch]:
            yield from batches()
            found.append(made.rest)

        made.batches = watched  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(source, "chunks_of", spy)
    return found


NUMBERED = (
    "with recursive r(i) as (select 1 union all select i + 1 from r where i < {}) insert into t select {} from r;"
)


def made(seed: int, path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """A table of any columns and values; returns a condition and what the catalog says of the columns."""
    chance = random.Random(seed)
    types = chance.choices(list(GOOD), k=chance.randint(1, 4))
    dirt = chance.choice([0, 0, 0.005, 0.05])
    rowids = chance.choice([range(1, 400), range(1, 10**6), range(-(2**62), 2**62, 2**40)])
    found = sqlite3.connect(path, isolation_level=None)
    found.executescript("pragma synchronous = off; pragma journal_mode = off; begin")
    found.execute(f"create table t ({', '.join(f'c{n} {type_}' for n, type_ in enumerate(types))})")
    ends = [-(2**63), 2**63 - 1] if chance.random() < 0.2 else []
    for rowid in [*chance.sample(rowids, chance.randint(0, 200)), *ends]:
        values = [chance.choice(ANYTHING if chance.random() < dirt else [*GOOD[type_], None]) for type_ in types]
        marks = ", ".join("cast(? as text)" if value is UNDECODABLE else "?" for value in values)
        names = ", ".join(f"c{n}" for n in range(len(types)))
        found.execute(f"insert into t (rowid, {names}) values (?, {marks})", (rowid, *values))
    found.execute("commit")
    found.close()
    condition = chance.choice(["", "", "WHERE rowid % 3 <> 0", "WHERE \"c0\" IS NOT NULL AND 'x LIMIT 1' <> 'y'"])
    return condition, {f"c{n}": {"policy": chance.choice(["error", "null", "null", "text"])} for n in range(len(types))}


def answer(shop: SQLiteSource, select: Select) -> pa.Table | str:
    try:
        return local.read(shop, select).combine_chunks()
    except ValueNotRepresentable:
        return "refused"


@pytest.mark.parametrize("seed", range(100))
def test_chunks_and_rows_are_the_same(seed: int, shop: SQLiteSource, monkeypatch: pytest.MonkeyPatch) -> None:
    condition, policies = made(seed, shop.path)
    select = local.select_of(local.described(shop, "t"), SQLITE, (), condition, **policies)
    size, tiny = random.Random(seed).choice([1, 4, 64]), 64 if seed % 4 == 0 else 1
    for name, value in (("_FEW", 0), ("_ROWS", size), ("_BATCH_ROWS", 3 * size), ("_GUESSES", 2), ("_TINY", tiny)):
        monkeypatch.setattr(chunks, name, value)
    by_chunks = answer(shop, select)
    monkeypatch.setattr(source, "chunks_of", lambda *_: None)
    by_rows = answer(shop, select)
    assert by_chunks == by_rows
    assert repr(by_chunks) == repr(by_rows), "signs of zeros too"


def test_which_statements_are_chunked(
    shop: SQLiteSource, write: Callable[[str], None], declined: list[str | None]
) -> None:
    write("create table t (id integer primary key, k int, s text); create index by_k on t (k);")
    write(NUMBERED.format(5000, "i, i % 10, 'text ' || i") + "create view v as select * from t;")
    write("create table w (id integer primary key, s text) without rowid; insert into w select id, s from t;")
    write("create table g (s text, j text generated always as (json(s)) virtual);")
    write("insert into g select '\"' || s || '\"' from t; create table few (s text); insert into few values ('a');")
    table = local.described(shop, "t")
    for tail, is_chunked in (
        ("", True), ("WHERE \"s\" <> 'GROUP BY'", True), ("WHERE \"s\" LIKE '%9' AND \"s\" > 'a'", True),
        ('WHERE "id" = 7', False), ('WHERE "k" = 3', False), ("LIMIT 7", False), ("WHERE 1 LIMIT 7", False),
        ('ORDER BY "s"', False), ('WHERE "s" IN (SELECT "s" FROM "few")', False), ("AS x", False),
    ):  # fmt: skip
        select = local.select_of(table, SQLITE, (), tail)
        expected = sqlite3.connect(shop.path).execute(select.sql).fetchall()
        declined.clear()
        assert sorted(local.tuples(local.read(shop, select))) == sorted(expected), tail
        assert (declined == [None]) is is_chunked, tail
    for name in ("v", "w", "g", "few"):
        declined.clear()
        found = local.rows(shop, name, SQLITE)
        assert declined == ["all"] and len(found) in (1, 5000)
        assert name != "g" or found[0] == ('"text 1"', '"text 1"')
    distinct = Select((Output('"k"', "k", BIGINT, table.columns[1]),), 'FROM "t"', True)
    assert local.read(shop, distinct).num_rows == 10


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("real", "1.0 / 3"), ("real", "9e999"), ("real", "1e300"), ("real", "-1e300"), ("real", "9007199254740992"),
        ("decimal(9,2)", "0.125"), ("decimal(38,0)", "1234567890123456"), ("decimal(30,2)", "1e20"), ("integer", "2.5"),
        ("text", "x'00'"), ("text", "cast(x'ff' as text)"), ("text", "zeroblob(300000)"), ("text", "printf('%300000s', 'x')"),
    ],
)  # fmt: skip
def test_from_such_a_value_on_rows_are_read_one_by_one(
    shop: SQLiteSource,
    write: Callable[[str], None],
    declined: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    declared: str,
    value: str,
) -> None:
    write(f"create table t (v {declared});" + NUMBERED.format(30_000, "i % 100"))
    write(f"update t set v = {value} where rowid = 20000;")
    select = local.select_of(local.described(shop, "t"), SQLITE, v={"policy": "null"})
    found = local.read(shop, select)
    assert declined and "rowid >= " in str(declined[0])
    monkeypatch.setattr(source, "chunks_of", lambda *_: None)
    assert found == local.read(shop, select) and found.num_rows == 30_000


def test_a_long_text_is_read_in_a_chunk_of_fewer_rows(
    shop: SQLiteSource, write: Callable[[str], None], declined: list[str | None]
) -> None:
    write("create table t (s text);" + NUMBERED.format(30_000, "'x'"))
    write("update t set s = printf('%100000s', 'y') where rowid = 20000;")
    found = local.rows(shop, "t", SQLITE)
    assert declined == [None] and len(found) == 30_000
    assert [len(text) for (text,) in found[19_998:20_001]] == [1, 100_000, 1]


def test_a_chunk_is_bounded_in_memory(
    shop: SQLiteSource, write: Callable[[str], None], declined: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("create table t (s text);" + NUMBERED.format(6000, "'short'"))
    write("update t set s = printf('%20000s', 'x') where rowid > 5000;")
    select = local.select_of(local.described(shop, "t"), SQLITE)
    sizes = []
    session = shop.open()
    ask = chunks.Chunks._ask

    def spy(self: chunks.Chunks, sql: str, *parameters: int) -> list[Any]:
        found = ask(self, sql, *parameters)
        sizes.extend(len(value) for row in found for value in row if type(value) is bytes)
        return found

    monkeypatch.setattr(chunks.Chunks, "_ask", spy)
    tracemalloc.start()
    rows = sum(batch.num_rows for batch in session.read(select))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    session.close()
    assert rows == 6000 and max(sizes) <= chunks._BYTES // chunks._ROWS
    assert "rowid >= " in str(declined[0]) and peak < 64_000_000


def test_limits_of_the_connection_are_as_they_were(shop: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (s text);" + NUMBERED.format(3000, "'short'"))
    session = shop.open()
    stream = session.read(local.select_of(local.described(shop, "t"), SQLITE))
    next(stream)
    limit = session.raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
    assert limit >= 1_000_000 and session.raw.text_factory is str
    other = local.select_of(local.described(shop, "t"), SQLITE, (), "WHERE rowid = 7")
    assert [batch.num_rows for batch in session.read(other)] == [1], "two reads of one session, side by side"
    assert sum(batch.num_rows for batch in stream) == 3000 - 512
    session.close()


def test_chunks_are_stopped(shop: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (s text);" + NUMBERED.format(20_000, "'short'"))
    slow = "WHERE length(replace(hex(zeroblob(20000)), '0', \"s\")) > 0"
    select = local.select_of(local.described(shop, "t"), SQLITE, (), slow)
    session = shop.open()
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    with pytest.raises(QueryCancelled):
        list(session.read(select))
    session.close()
    session = shop.open(0.3)
    with pytest.raises(QueryTimeout):
        list(session.read(select))
    session.close()
    assert len(local.rows(shop, "t", SQLITE)) == 20_000


def test_a_snapshot_spans_the_chunks(shop: SQLiteSource, write: Callable[[str], None]) -> None:
    write("pragma journal_mode = wal; create table t (v int);" + NUMBERED.format(30_000, "i"))
    session = shop.open()
    stream = session.read(local.select_of(local.described(shop, "t"), SQLITE))
    first = next(stream).num_rows
    write("delete from t where rowid > 10000; update t set v = 0;")
    rest = pa.Table.from_batches(list(stream))
    session.close()
    assert first + rest.num_rows == 30_000 and rest["v"][-1].as_py() == 30_000


def test_a_table_that_changed_after_it_was_described(shop: SQLiteSource, write: Callable[[str], None]) -> None:
    write("create table t (v text);" + NUMBERED.format(3000, "'x'"))
    select = local.select_of(local.described(shop, "t"), SQLITE)
    write("delete from t;")
    assert local.read(shop, select).num_rows == 0
    write("drop table t; create table t (v text primary key) without rowid; insert into t values ('a');")
    assert local.tuples(local.read(shop, select)) == [("a",)]
    write("drop table t; create table t (s text, v text as (json(s)) virtual); insert into t values ('\"b\"');")
    assert local.tuples(local.read(shop, select)) == [('"b"',)]
