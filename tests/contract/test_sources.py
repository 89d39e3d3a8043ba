"""What every kind of source keeps (the rules at the top of fedq/fetch/source.py), one suite over all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from fedq.catalog.schema import PhysicalTable
from fedq.errors import FedqError, QueryCancelled, QueryTimeout
from fedq.fetch.arrow import schema_of
from fedq.fetch.source import Output, Select, Source
from fedq.types import BIGINT
from tests.contract import places
from tests.contract.places import ODD_COLUMNS, ODD_TABLE, Place
from tests.fetch import local

KINDS = ("sqlite", "duckdb", "files", "frames", "generic", "postgres", "mysql")


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    kind: str = request.param
    folder: Path = tmp_path_factory.mktemp(kind)
    match kind:
        case "sqlite" | "generic":
            return places.sqlite_place(folder, kind)
        case "duckdb":
            return places.duckdb_place(folder)
        case "files":
            return places.files_place(folder)
        case "frames":
            return places.frames_place(folder)
        case "postgres":
            return places.postgres_place(request.getfixturevalue("postgres"))
    return places.mysql_place(request.getfixturevalue("mariadb"))


@pytest.fixture
def source(place: Place) -> Iterator[Source]:
    source = place.source()
    yield source
    source.close()


def items(source: Source, place: Place, names: tuple[str, ...] = (), tail: str = "") -> Select:
    return local.select_of(local.described(source, "items"), place.dialect, names, tail)


def test_tables_are_listed_and_described(source: Source) -> None:
    names = {table.name for table in source.list_tables()}
    assert {"items", ODD_TABLE} <= names
    table = local.described(source, "items")
    assert [column.physical for column in table.columns] == ["id", "name", "amount", "day"]
    assert [str(column.type) for column in table.columns[1:]] == ["VARCHAR", "DECIMAL(10,2)", "DATE"]
    assert table.columns[0].type == BIGINT and not table.is_view
    assert source.describe([PhysicalTable(None, "no_such_table")]) == [None]
    assert local.described(source, "ITEMS").table.name == "items", "names match in any case"


def test_every_row_arrives_unchanged(source: Source, place: Place) -> None:
    select = items(source, place)
    session = source.open(30)
    batches = list(session.read(select))
    assert {batch.schema for batch in batches} == {schema_of(select.outputs)}
    table = pa.Table.from_batches(batches).sort_by("id")
    assert local.tuples(table) == places.expected()
    assert session.received > 0 and (session.position is None or isinstance(session.position, str))
    session.close()


def test_an_empty_answer_has_its_schema(source: Source, place: Place) -> None:
    select = items(source, place, tail="WHERE id < 0")
    session = source.open(30)
    batches = list(session.read(select))
    assert batches and sum(batch.num_rows for batch in batches) == 0
    assert batches[0].schema == schema_of(select.outputs)
    session.close()


def test_parts_of_a_statement(source: Source, place: Place) -> None:
    quote = place.dialect.quote
    table = place.dialect.table(*_name(source))
    assert local.tuples(local.read(source, items(source, place, ("name",), "WHERE id = 3"))) == [("näme 3",)]
    count = Select((Output("count(*)", "n", BIGINT),), f"FROM {table}")
    assert local.tuples(local.read(source, count)) == [(places.ROWS,)]
    nulls = Select(
        (Output(f"CASE WHEN {quote('name')} IS NULL THEN 1 ELSE 0 END", "n", BIGINT),), f"FROM {table}", True
    )
    assert sorted(local.tuples(local.read(source, nulls))) == [(0,), (1,)]
    session = source.open(30)
    assert sum(batch.num_rows for batch in session.read(Select((), f"FROM {table} WHERE id <= 10"))) == 10
    session.close()


def _name(source: Source) -> tuple[str | None, str]:
    table = local.described(source, "items").table
    return table.schema, table.name


def test_odd_names(source: Source, place: Place) -> None:
    found = local.read(source, local.select_of(local.described(source, ODD_TABLE), place.dialect))
    assert found.column_names == list(ODD_COLUMNS) and local.tuples(found) == [(1, 2, 3)]


def test_several_reads_in_one_session(source: Source, place: Place) -> None:
    session = source.open(30)
    for number in (1, 2, 3):
        (batch,) = [b for b in session.read(items(source, place, ("id",), f"WHERE id = {number}")) if b.num_rows]
        assert batch.to_pylist() == [{"id": number}]
    session.close()


def test_a_session_sees_one_snapshot(source: Source, place: Place) -> None:
    if place.write is None:
        pytest.skip(f"{place.kind}: nobody can write while it is read")
    count = Select((Output("count(*)", "n", BIGINT),), f"FROM {place.dialect.table(*_name(source))} WHERE id > 900000")
    session = source.open(30)
    assert next(batch.to_pylist() for batch in session.read(count)) == [{"n": 0}]
    place.write("INSERT INTO items (id) VALUES (900001)")
    try:
        assert next(batch.to_pylist() for batch in session.read(count)) == [{"n": 0}]
        session.close()
        assert local.tuples(local.read(source, count)) == [(1,)]
    finally:
        place.write("DELETE FROM items WHERE id > 900000")


def test_a_change_of_the_schema_is_seen(source: Source, place: Place) -> None:
    if place.write is None:
        pytest.skip(f"{place.kind}: its own tests change the file")
    place.write("CREATE TABLE later (a INTEGER)")
    try:
        assert [column.name for column in local.described(source, "later").columns] == ["a"]
        place.write("ALTER TABLE later ADD COLUMN b INTEGER")
        assert [column.name for column in local.described(source, "later").columns] == ["a", "b"]
    finally:
        place.write("DROP TABLE later")
    assert source.describe([PhysicalTable(None, "later")]) == [None]


def test_cancel_from_another_thread(source: Source, place: Place) -> None:
    session = source.open()
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        session.cancel()

    timer = threading.Timer(0.3, stop)
    timer.start()
    with pytest.raises(QueryCancelled):
        list(session.native(place.endless))
    assert time.monotonic() - stopped[0] < 1.5
    session.cancel()
    with pytest.raises(QueryCancelled):
        list(session.native(place.endless))
    session.close()
    session.cancel()
    session.close()
    timer.join()
    assert local.read(source, items(source, place, ("id",))).num_rows == places.ROWS, "the source works on"


def test_a_session_stopped_between_two_batches(source: Source, place: Place) -> None:
    session = source.open(30)
    stream = session.read(items(source, place))
    next(stream)
    session.cancel()
    with pytest.raises((QueryCancelled, StopIteration)):  # what has arrived already may still be handed out
        while True:
            next(stream)
    session.close()


def test_the_timeout_is_kept(source: Source, place: Place) -> None:
    started = time.monotonic()
    session = source.open(0.4)
    with pytest.raises(QueryTimeout) as caught:
        list(session.native(place.endless))
    assert time.monotonic() - started < 6
    assert isinstance(caught.value, TimeoutError)
    session.close()
    assert local.read(source, items(source, place, ("id",))).num_rows == places.ROWS


def test_streams_given_up_leave_nothing_behind(source: Source, place: Place) -> None:
    select = items(source, place)
    for is_closed_first in [True, False] * 6:  # more often than there are connections
        session = source.open(30)
        stream = session.read(select)
        next(stream)
        if is_closed_first:
            stream.close()  # type: ignore[attr-defined]
        session.close()
    assert local.read(source, select).num_rows == places.ROWS


def test_sessions_side_by_side(source: Source, place: Place) -> None:
    select = items(source, place, ("id", "amount"))
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: local.read(source, select), range(8)))
    assert {table.num_rows for table in tables} == {places.ROWS}
    assert len({str(table.column("amount").to_pylist()[:1]) for table in tables}) >= 1


def test_native_reads_and_does_not_write(source: Source, place: Place) -> None:
    local.described(source, "items")
    assert local.native(source, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert local.native(source, "SELECT count(*) AS n FROM items").to_pylist() == [{"n": places.ROWS}]
    for sql in (
        "DELETE FROM items",
        "CREATE TABLE made (a INTEGER)",
        "DROP TABLE items",
        "INSERT INTO items (id) VALUES (0)",
    ):
        with pytest.raises(FedqError):
            local.native(source, sql)
    assert local.native(source, "SELECT count(*) AS n FROM items").to_pylist() == [{"n": places.ROWS}]
    assert source.describe([PhysicalTable(None, "made")]) == [None]


def test_an_error_of_the_database_is_named_and_survived(source: Source, place: Place) -> None:
    session = source.open(30)
    with pytest.raises(FedqError, match="here") as caught:
        list(session.native("SELECT nothing_like_this FROM items"))
    assert caught.value.__cause__ is not None
    session.close()
    assert local.read(source, items(source, place, ("id",))).num_rows == places.ROWS


def test_a_closed_source_can_be_closed_again(place: Place) -> None:
    source = place.source()
    assert local.read(source, items(source, place, ("id",))).num_rows == places.ROWS
    source.close()
    source.close()
