"""`write`: whole tables of rows, of every form, into every kind of database; lossless or refused as a whole."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fedq
from tests.write.conftest import Place

COUNT = 3_000
DAY = dt.date(2024, 2, 29)


def many() -> pa.Table:
    """Rows enough for every bulk path, with everything that a text format could trip over."""
    odd = [
        "plain",
        "tab\there",
        "line\nbreak",
        "back\\slash",
        "\\N",
        "",
        None,
        'quote"d',
        "it's",
        "é😀",
        "a,b",
        "\r",
        " x ",
    ]
    return pa.table({
        "id": pa.array(range(1000, 1000 + COUNT), pa.int64()),
        "name": pa.array([odd[i % len(odd)] for i in range(COUNT)]),
        "amount": pa.array([None if i % 7 == 0 else Decimal(i) / 4 for i in range(COUNT)], pa.decimal128(10, 2)),
        "day": pa.array([None if i % 5 == 0 else DAY + dt.timedelta(i) for i in range(COUNT)]),
        "moment": pa.array([dt.datetime(2024, 1, 1, 1, 2, 3, i) for i in range(COUNT)], pa.timestamp("us")),
    })  # fmt: skip


def forms(table: pa.Table) -> dict[str, Any]:
    return {"arrow": table, "polars": pl.from_arrow(table), "pandas": table.to_pandas(types_mapper=pd.ArrowDtype),
            "dicts": table.to_pylist(), "mapping": table.to_pydict()}  # fmt: skip


@pytest.mark.parametrize("form", ["arrow", "polars", "pandas", "dicts", "mapping"])
def test_every_row_arrives_unchanged(place: Place, form: str) -> None:
    table = many()
    written = place.fed.write(forms(table)[form], "items")
    assert (written.rows, written.databases) == (COUNT, ("here",))
    back = place.fed.query("select * from items where id >= 1000 order by id").to_arrow()
    assert back.to_pylist() == table.to_pylist()


def test_upsert_changes_and_appends(place: Place) -> None:
    rows = [{"id": 2, "name": "zwei"}, {"id": 30, "name": "new"}]
    assert place.fed.write(rows, "items", mode="upsert").rows == 2
    found = place.fed.query("select id, name, amount from items order by id").rows()
    assert found == [(1, "one", Decimal("1.50")), (2, "zwei", Decimal("2.50")), (3, None, None), (30, "new", None)]


def test_upsert_of_many(place: Place) -> None:
    table = many()
    place.fed.write(table.slice(0, 2000), "items")
    place.fed.write(table.set_column(1, "name", pa.array(["same"] * COUNT)), "items", mode="upsert")
    assert place.fed.query("select count(*), min(name), max(name) from items where id >= 1000").rows() == [
        (COUNT, "same", "same")
    ]


def test_upsert_of_some_columns_of_rows_that_are_there(place: Place) -> None:
    place.run("CREATE TABLE strict_one (id INTEGER PRIMARY KEY, s VARCHAR(20) NOT NULL, v INTEGER)")
    place.run("INSERT INTO strict_one VALUES (1, 'a', 1)")
    assert place.fed.write([{"id": 1, "v": 2}], "strict_one", mode="upsert").rows == 1
    with pytest.raises(fedq.FedqError):
        place.fed.write([{"id": 1, "v": 3}, {"id": 2, "v": 2}], "strict_one", mode="upsert")
    assert place.rows("strict_one") == [(1, "a", 2)]


def test_upsert_by_a_key_of_two_columns(place: Place) -> None:
    place.fed.write({"a": [1, 2], "b": ["x", "y"], "v": [1, 2]}, "pairs")
    place.fed.write({"a": [2, 1], "b": ["y", "y"], "v": [20, 10]}, "pairs", mode="upsert")
    assert place.rows("pairs", order="1, 2") == [(1, "x", 1), (1, "y", 10), (2, "y", 20)]


def test_replace(place: Place) -> None:
    assert place.fed.write([{"id": 9, "name": "only"}], "items", mode="replace").rows == 1
    assert place.rows(columns="id, name") == [(9, "only")]


def test_replace_that_fails_leaves_what_was_there(place: Place) -> None:
    with pytest.raises(fedq.FedqError):
        place.fed.write([{"id": 9}, {"id": 9}], "items", mode="replace")
    assert len(place.rows()) == 3


def test_a_result_of_another_database(place: Place) -> None:
    rows = place.fed.query("select id + 50 as id, word as name, price as amount from lookup")
    assert place.fed.write(rows, "items").rows == 3
    assert len(place.rows()) == 6


def test_floats_and_texts_where_they_fit(place: Place) -> None:
    frame = pd.DataFrame({"id": [1.0e3, 2e3], "amount": [9.99, float("nan")], "day": ["2024-02-29", None]})
    place.fed.write(frame, "items")
    found = place.fed.query("select id, amount, day from items where id >= 1000 order by id").rows()
    assert found == [(1000, Decimal("9.99"), DAY), (2000, None, None)]


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([{"id": 5, "nam": "x"}], fedq.ColumnNotFound, "name"),
        ([{"id": 5, "amount": 1.239}], fedq.ValueNotRepresentable, "amount"),
        ([{"id": 5}, {"id": 6, "amount": Decimal("123456789.5")}], fedq.ValueNotRepresentable, "row 1"),
        ([{"id": 5, "day": "30.2.2024"}], fedq.ValueNotRepresentable, "day"),
        ([{"id": 5, "name": b"\x00"}], fedq.FedqError, "name"),
        ([{"id": "five"}], fedq.ValueNotRepresentable, "id"),
        ([{"id": 2**70}], fedq.FedqError, "id"),
        ([{"id": 5, "day": 7}], fedq.ValueNotRepresentable, "day"),
        ([{"id": 5, "ID": 6}], fedq.InvalidQuery, "twice"),
        ([{"name": "no key"}], fedq.FedqError, ""),
        ([{"id": 1}], fedq.DatabaseError, ""),
        ([{"id": 7}, {"id": 7}], fedq.DatabaseError, ""),
        ([{"id": 5, "name": 1}, {"id": 6, "name": "x"}], fedq.ParameterError, "several kinds"),
        ([1, 2], fedq.ParameterError, "dict"),
        ("text", fedq.ParameterError, "rows"),
        (5, fedq.ParameterError, "rows"),
    ],
)
def test_what_cannot_be_written_is_refused_as_a_whole(
    place: Place, rows: Any, error: type[fedq.FedqError], says: str
) -> None:
    with pytest.raises(error) as found:
        place.fed.write(rows, "items")
    assert says in str(found.value)
    assert len(place.rows()) == 3


def test_a_late_bad_row_leaves_nothing_behind(place: Place) -> None:
    table = many()
    twin = table.slice(COUNT - 1, 1)
    with pytest.raises(fedq.DatabaseError):
        place.fed.write(pa.concat_tables([table, twin]), "items")
    assert len(place.rows()) == 3


@pytest.mark.parametrize("mode", ["apend", "", None])
def test_an_unknown_mode(place: Place, mode: Any) -> None:
    with pytest.raises(fedq.ParameterError, match="append"):
        place.fed.write([{"id": 5}], "items", mode=mode)


def test_upsert_needs_a_key_that_is_there_once(place: Place) -> None:
    with pytest.raises(fedq.InvalidQuery, match="same key"):
        place.fed.write([{"id": 5}, {"id": 5}], "items", mode="upsert")
    with pytest.raises(fedq.InvalidQuery, match="no id"):
        place.fed.write([{"name": "x"}], "items", mode="upsert")
    with pytest.raises(fedq.InvalidQuery, match="no primary key"):
        place.fed.write([{"n": 1}], "bare", mode="upsert")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_moments_that_python_has_not_are_named_as_they_are(place: Place) -> None:
    midnight = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    for rows, says in (
        ([{"id": 5, "moment": midnight}], "2024-01-01 00:00:00+00"),
        ([{"id": 5, "day": midnight.replace(hour=5)}], "2024-01-01 05:00:00+00"),
        (pd.DataFrame({"id": [5], "moment": [pd.Timestamp(1, unit="ns")]}), "1970-01-01 00:00:00.000000001"),
    ):
        with pytest.raises(fedq.ValueNotRepresentable) as found:
            place.fed.write(rows, "items")
        assert says in str(found.value)
    with pytest.raises(fedq.ValueNotRepresentable, match="time zone"):
        place.fed.execute("update items set moment = now()")
    assert len(place.rows()) == 3


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_column_twice_is_named(place: Place) -> None:
    with pytest.raises(fedq.ParameterError, match="two columns 'id'"):
        place.fed.write(pd.DataFrame([[5, 6]], columns=["id", "id"]), "items")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_an_index_with_a_name_is_a_column(place: Place) -> None:
    """Without it rows that are there would be new ones, with keys of the database's choice."""
    place.fed.write(pd.DataFrame({"id": [1], "name": ["eins"]}).set_index("id"), "items", mode="upsert")
    frame = pd.DataFrame({"a": [1, 1], "b": ["x", "y"], "v": [5, 6]})
    place.fed.write(frame.set_index(["a", "b"]), "pairs")
    place.fed.write(frame[frame["v"] > 5].assign(a=2), "pairs")  # an index without one is none
    assert place.rows(columns="id, name")[0] == (1, "eins")
    assert place.rows("pairs", order="a, b") == [(1, "x", 5), (1, "y", 6), (2, "y", 6)]
    with pytest.raises(fedq.ParameterError, match="two columns 'id'"):
        place.fed.write(pd.DataFrame({"id": [9]}).rename_axis("id"), "items")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_rows_without_columns_are_named(place: Place) -> None:
    with pytest.raises(fedq.ParameterError, match="no columns"):
        place.fed.write([{}, {}], "items")


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_key_that_postgresql_always_generates_is_found_again(place: Place) -> None:
    place.run("CREATE TABLE made (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n INTEGER)")
    place.run("INSERT INTO made (n) VALUES (1), (2)")
    rows = place.fed.query("select * from made").to_pandas()
    rows["n"] += 10
    assert place.fed.write(rows, "made", mode="upsert").rows == 2
    assert place.fed.write([{"id": 2, "n": 22}, {"id": 7, "n": 7}], "made", mode="upsert").rows == 2
    place.fed.execute("insert into made (id, n) values (7, 0), (8, 8) on conflict (id) do nothing")
    assert place.rows("made") == [(1, 11), (2, 22), (7, 7), (8, 8)]


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_moment_is_a_key_as_others(place: Place) -> None:
    place.run("CREATE TABLE moments (moment TIMESTAMPTZ PRIMARY KEY)")
    row = {"moment": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}
    with pytest.raises(fedq.InvalidQuery, match=r"same key .*2024-01-01 00:00:00"):
        place.fed.write([row, row], "moments", mode="upsert")
    assert place.fed.write([row], "moments", mode="upsert").rows == 1


def test_nothing_to_write(place: Place) -> None:
    assert place.fed.write(many().slice(0, 0), "items").rows == 0
    assert len(place.rows()) == 3


def test_an_unknown_table(place: Place) -> None:
    with pytest.raises(fedq.TableNotFound):
        place.fed.write([{"id": 5}], "itemz")
    with pytest.raises(fedq.TableNotFound):
        place.fed.write([{"id": 5}], "items; drop table items")
    with pytest.raises(fedq.ParameterError, match="must be named"):
        place.fed.write("items", [{"id": 5}])  # type: ignore[arg-type]
    assert len(place.rows()) == 3


def test_rows_go_home(place: Place) -> None:
    elsewhere = place.fed.using("there")
    rows = elsewhere.query("select id, word, price from lookup where id = 7")
    changed = rows.to_pandas()
    changed["word"] = "SIEBEN"
    moved = fedq.connect({"version": 1, "databases": _urls(place), "tables": {"lookup": "here"}})
    with moved:
        written = moved.write(changed, "lookup", mode="upsert")
        assert written.databases == ("there",)
        with pytest.raises(fedq.TableNotFound):
            moved.write(changed, "lookup", using="here")
    assert place.fed.query("select word from lookup where id = 7").scalar() == "SIEBEN"


def _urls(place: Place) -> dict[str, Any]:
    catalog = place.fed.catalog
    found: dict[str, Any] = {name: {"url": database.url} for name, database in catalog.databases.items()}
    if place.kind in ("postgres", "mariadb"):
        found["here"]["password"] = {"env": f"{place.kind.upper()}_PASSWORD"}
    return found


def test_whole_numbers_and_decimals_beyond_64_and_128_bits(place: Place) -> None:
    """What fits the column is written; what has no type here is an error that says so, and nothing is written."""
    narrow = pa.table({"id": [90], "amount": pa.array([Decimal("1.25")], pa.decimal256(60, 2))})
    place.fed.write(narrow, "items")
    place.fed.write([{"id": 91, "amount": 3}, {"id": 92, "amount": None}], "items")
    with pytest.raises(fedq.ParameterError, match="more than 38 digits"):
        place.fed.write(pa.table({"id": [93], "amount": pa.array([10**50], pa.decimal256(60, 0))}), "items")
    with pytest.raises(fedq.ValueNotRepresentable, match="'amount'"):
        place.fed.write([{"id": 94, "amount": 2**70}], "items")
    found = place.fed.query("select id, amount from items where id >= 90 order by id").rows()
    assert found == [(90, Decimal("1.25")), (91, Decimal("3.00")), (92, None)]
