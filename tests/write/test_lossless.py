"""What a database would change without a word is refused before it is sent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import fedq
from fedq.errors import InvalidQuery, ParameterError, ValueNotRepresentable
from tests.servers import Server
from tests.write.conftest import Place, runner

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # a password in a URL
_MONTH = pa.scalar((1, 0, 0), pa.month_day_nano_interval())
_DAY = pa.scalar((0, 1, 0), pa.month_day_nano_interval())
_HALF = pa.scalar((0, 0, 500_000_000), pa.month_day_nano_interval())
_MARIADB: tuple[tuple[str, Any], ...] = (
    ("varchar(3)", "abc  "), ("binary(3)", b"a"), ("enum('a','b')", "A"), ("enum('a','b')", "2"), ("set('a','b')", "b,a"),
    ("year", 70), ("double(10,2)", 1.239), ("time", _MONTH), ("time", _HALF),
)  # fmt: skip
_POSTGRES: tuple[tuple[str, Any], ...] = (
    ("rounded", dt.datetime(2024, 1, 1, 0, 0, 0, 500_000)), ('"char"', "abc"), ("name", "x" * 64), ("interval(0)", _HALF),
    ("interval year to month", _DAY), ("time(0)[]", [dt.time(1, 2, 3, 500_000)]), ("timetz(0)", "10:00:00.5+00"),
    ("timestamptz", "2024-01-01 10:00:00.1234567+00"), ("time", "10:00:00.1234567"),
)  # fmt: skip
_SAME: tuple[tuple[str, str, Any, Any], ...] = (
    ("mariadb", "bigint primary key auto_increment", 0, 0), ("mariadb", "year", 0, 0),
    ("mariadb", "set('a','b')", "a,b", "a,b"), ("mariadb", "enum('a''b')", "a'b", "a'b"),
    ("mariadb", "double(10,2)", 1.24, 1.24), ("postgres", "text[]", ["{a}", "{", "NULL", None], ["{a}", "{", "NULL", None]),
    ("postgres", "name", "x" * 63, "x" * 63), ("postgres", "interval year to month", _MONTH, None),
)  # fmt: skip


def _server(kind: str, request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(kind)
    return server


@pytest.mark.parametrize("kind", ("mariadb", "postgres"))
def test_a_value_that_a_server_would_change_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    server = _server(kind, request)
    url = server.new_database()
    cases = _MARIADB if kind == "mariadb" else _POSTGRES
    tables = [f"CREATE TABLE t{number} (v {native})" for number, (native, _) in enumerate(cases)]
    server.sql("; ".join([*(["CREATE DOMAIN rounded AS timestamp(0)"] if kind == "postgres" else []), *tables]), url)
    fed = fedq.connect({"version": 1, "databases": {"here": {"url": url}}})
    for number, (_, value) in enumerate(cases):
        with pytest.raises(ValueNotRepresentable):
            fed.write(pa.table({"v": pa.array([value])}), f"t{number}")
    counts = " UNION ALL ".join(f"SELECT count(*) FROM t{number}" for number in range(len(cases)))
    assert {tuple(row) for row in server.sql(counts, url)} == {(0,)}
    fed.close()


@pytest.mark.parametrize(("kind", "native", "value", "wanted"), _SAME)
def test_a_value_that_looks_like_another_arrives(
    kind: str, native: str, value: Any, wanted: Any, request: pytest.FixtureRequest
) -> None:
    server = _server(kind, request)
    url = server.new_database()
    server.sql(f"CREATE TABLE t (v {native})", url)
    fed = fedq.connect({"version": 1, "databases": {"here": {"url": url}}})
    fed.write(pa.table({"v": pa.array([value])}), "t")
    if "key" not in native:
        fed.write(pa.table({"v": pa.array([value] * 200)}), "t")
    fed.close()
    if wanted is not None:
        assert {repr(row) for row in server.sql("SELECT v FROM t", url)} == {repr((wanted,))}


def _collated(kind: str, request: pytest.FixtureRequest, folder: Path) -> tuple[fedq.Federation, Any]:
    """A table of keys that differ in letters to DuckDB only, with the row a."""
    server = _server(kind, request) if kind != "sqlite" else None
    url = server.new_database() if server is not None else f"sqlite:///{folder / 'a.db'}"
    run = runner(kind, url, server, url)
    rule = {"mariadb": "COLLATE utf8mb4_general_ci", "postgres": "COLLATE plain", "sqlite": "COLLATE NOCASE"}[kind]
    if kind == "postgres":
        run("CREATE COLLATION plain (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    run(f"CREATE TABLE t (k VARCHAR(20) {rule} PRIMARY KEY, v INTEGER); INSERT INTO t VALUES ('a', 1)")
    return fedq.connect({"version": 1, "databases": {"here": {"url": url}}}), run


@pytest.mark.parametrize("kind", ("mariadb", "postgres", "sqlite"))
def test_two_keys_that_are_one_to_the_database_are_refused(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fed, run = _collated(kind, request, tmp_path)
    for pair in ("aA", "bB"):
        with pytest.raises(fedq.FedqError):
            fed.write([{"k": key, "v": 9} for key in pair], "t", mode="upsert")
    many = [{"k": f"x{number}", "v": 0} for number in range(600)]
    for first, last in ("aA", "bB"):  # more than one statement of rows
        if kind != "postgres":
            with pytest.raises(InvalidQuery):
                fed.write([{"k": first, "v": 8}, *many, {"k": last, "v": 9}], "t", mode="upsert")
    with pytest.raises(InvalidQuery):
        fed.execute("INSERT INTO t VALUES ('a', 8), ('A', 9) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
    assert run("SELECT k, v FROM t") == [("a", 1)]
    assert fed.write([*many, {"k": "A", "v": 5}], "t", mode="upsert").rows == 601
    assert run("SELECT k, v FROM t WHERE k = 'a'") == [("a", 5)]
    fed.close()


def test_rows_without_a_key_are_told_apart_by_their_letters(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    run = runner("sqlite", url, None, None)
    run("CREATE TABLE t (s TEXT COLLATE NOCASE, n INTEGER); INSERT INTO t VALUES ('a', 1), ('A', 1), ('a', 1)")
    with fedq.connect({"version": 1, "databases": {"here": {"url": url}}}) as fed:
        assert fed.execute("UPDATE t SET s = s || 'x'").rows == 3
        assert sorted(run("SELECT s FROM t")) == [("Ax",), ("ax",), ("ax",)]
        assert fed.execute("DELETE FROM t WHERE s LIKE 'A%'").rows == 1
        assert run("SELECT s FROM t") == [("ax",), ("ax",)]


def test_midnight_at_the_end_of_a_day_is_not_the_one_at_its_beginning(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    runner("sqlite", url, None, None)("CREATE TABLE t (v TIME)")
    with fedq.connect({"version": 1, "databases": {"here": {"url": url}}}) as fed:
        with pytest.raises(ValueNotRepresentable):
            fed.execute("INSERT INTO t VALUES (TIME '24:00:00')")


_DAY_, _MOMENT = dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 10)
_ZONED = dt.datetime(2024, 1, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize("values", ([_DAY_, _MOMENT], [_MOMENT, _ZONED], [_ZONED, _MOMENT], [_ZONED.timetz()]))
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_arrow_is_not_left_to_choose_what_moments_lose(place: Place, values: list[Any]) -> None:
    frame = pd.DataFrame({"moment": pd.Series(values, dtype=object)})
    for data in ([{"moment": value} for value in values], {"moment": values}, frame):
        with pytest.raises(ParameterError):
            place.fed.write(data, "here.items")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_name_that_is_no_text_keeps_its_values(place: Place) -> None:
    place.run('CREATE TABLE wide ("1" TEXT)')
    place.fed.write([{1: "one"}], "here.wide")
    assert place.rows("wide") == [("one",)]


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_types_that_arrow_does_not_carry_are_written_as_their_text(place: Place) -> None:
    place.run("CREATE TABLE odd (b BIT, t TIMETZ)")
    place.fed.write([{"b": "101", "t": "10:00:00+02"}], "here.odd")
    assert place.rows("odd", "b::VARCHAR, t::VARCHAR") == [("101", "10:00:00+02")]
    with pytest.raises(ValueNotRepresentable):  # the bytes that a query gives of it
        place.fed.write([{"b": b"\x05\xfd"}], "here.odd")
