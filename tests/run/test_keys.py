"""Keys through every carrier of every database return at least, and but for text exactly, the rows of a local join."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedq.dialects import dialect_of
from fedq.join.duckdb import Bench
from fedq.plan.nodes import Fetch, Output
from fedq.run.keys import Condition, conditions
from fedq.types import parse_type
from tests.run.support import Ground

LOCAL = duckdb.connect()
UUIDS = (
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
)
TEXTS = (
    "a", "A", "a ", "", "é", "e", "ß", "😀", "it's", "''", "a\\b", "\\", '"', '"a"', "{}", "a,b", "NULL", "%", "a\x1fb",
    "1", "'), (", "--", "/*", "é", "²", "a\tb\nc",
)  # fmt: skip
#: type of the keys → the values that are tried, as DuckDB reads them
VALUES: dict[str, tuple[str, ...]] = {
    "BIGINT": ("0", "1", "-1", "7", "32767", "32768", "-2147483648", "2147483648", "9007199254740993",
               "9223372036854775807", "-9223372036854775808"),
    "VARCHAR": TEXTS,
    "DATE": ("2024-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "infinity", "-infinity", "0044-03-15 (BC)", "10000-01-01"),
    "DECIMAL(18,4)": ("0.1000", "-0.1000", "1", "99999999.9900", "0.0001", "12345678901234.5678"),
    "UUID": UUIDS,
}  # fmt: skip
#: database → native type of a column → type of the keys that look for it
COLUMNS = {
    "postgres": {
        "smallint": "BIGINT", "integer": "BIGINT", "bigint": "BIGINT", "text": "VARCHAR", "varchar(20)": "VARCHAR",
        'text collate "C"': "VARCHAR", "text collate loose": "VARCHAR", "date": "DATE", "numeric(18,4)": "DECIMAL(18,4)",
        "numeric(10,2)": "DECIMAL(18,4)", "uuid": "UUID", "char(5)": "VARCHAR",
    },
    "mariadb": {
        "smallint": "BIGINT", "int": "BIGINT", "bigint": "BIGINT", "bigint unsigned": "BIGINT", "date": "DATE",
        "decimal(18,4)": "DECIMAL(18,4)", "decimal(10,2)": "DECIMAL(18,4)", "uuid": "UUID",
        "varchar(20) collate utf8mb4_general_ci": "VARCHAR", "varchar(20) collate utf8mb4_nopad_bin": "VARCHAR",
        "varchar(20) character set latin1": "VARCHAR", "text character set ucs2": "VARCHAR",
        "char(20) collate utf8mb4_unicode_ci": "VARCHAR",
    },
    "sqlite": {"integer": "BIGINT", "text": "VARCHAR", "text collate nocase": "VARCHAR", "date": "DATE"},
    "duckdb": {
        "smallint": "BIGINT", "integer": "BIGINT", "bigint": "BIGINT", "varchar": "VARCHAR", "date": "DATE",
        "decimal(18,4)": "DECIMAL(18,4)", "decimal(10,2)": "DECIMAL(18,4)", "uuid": "UUID",
        "varchar collate nocase": "VARCHAR",
    },
}  # fmt: skip


class Stand:
    """A table per type in one database, and what each row of it really holds."""

    def __init__(self, kind: str, folder: Path, server: Any) -> None:
        self.kind = kind
        url = server.new_database() if server is not None else f"{kind}:///{folder}/keys.{kind}"
        write = self._writer(kind, folder, server, url)
        if kind == "postgres":
            write("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)", None)
        self.tables = {f"t{number}": native for number, native in enumerate(COLUMNS[kind])}
        for table, native in self.tables.items():
            write(f"CREATE TABLE {table} (id integer, v {native})", None)
            for number, value in enumerate(VALUES[COLUMNS[kind][native]]):
                said: Any = value.replace("(BC)", "BC") if kind == "postgres" else value
                if kind == "sqlite" and native == "date" and len(value) != len("2024-01-01"):
                    continue  # no date to fedq, which reads ISO dates from SQLite
                said = int(said) if kind == "sqlite" and native == "integer" else said
                write(f"INSERT INTO {table} VALUES ({number}, ?)", said)
        self._close()
        self.ground = Ground({"db": url})
        self.held = {table: self._held(table) for table in self.tables}

    def _writer(self, kind: str, folder: Path, server: Any, url: str) -> Any:
        if server is None:
            opened: Any = sqlite3 if kind == "sqlite" else duckdb
            connection = opened.connect(str(folder / f"keys.{kind}"))
        else:
            connection = server.connect(url)
            if kind == "postgres":
                connection.autocommit = True
        cursor = connection.cursor()

        def close() -> None:
            connection.commit()
            connection.close()

        self._close = close
        refusals = _refusals(kind)

        def write(sql: str, value: Any) -> None:
            mark = "%s" if server is not None else "?"
            try:
                cursor.execute(sql.replace("?", mark), *([] if value is None else [[value]]))
            except refusals:  # a value that this type cannot hold
                assert value is not None

        return write

    def _held(self, table: str) -> list[tuple[int, Any]]:
        fetch = self.ground.fetch("t@1", "db", table, ["id", "v"])
        session = self.ground.sources["db"].open(30)
        try:
            got = pa.Table.from_batches(list(session.read(fetch.select())))
        finally:
            session.close()
        LOCAL.register("got", got)  # as texts: Python has no infinite date
        return LOCAL.execute("SELECT id, v::VARCHAR FROM got").fetchall()

    def bench_with(self, type_: str, keys: list[str], filler: int) -> tuple[Bench, Fetch]:
        """A bench in which a giver has brought these keys, and some more."""
        bench = self.ground.engine.bench()
        giver = Fetch("g@1", "x", "duckdb", (), (Output("k", "k", parse_type(type_)),), "")
        bench.create("g@1", [("k", parse_type(type_), None)])
        more = {"BIGINT": "1000000 + i", "VARCHAR": "'filler ' || i", "DATE": "DATE '2100-01-01' + i::INTEGER % 9000",
                "UUID": "md5(i::VARCHAR)::UUID"}.get(type_, "1000000 + i")  # fmt: skip
        given = f"SELECT CAST(unnest(?::VARCHAR[]) AS {type_}) AS k"
        text = f"{given} UNION ALL SELECT CAST({more} AS {type_}) FROM range({filler}) r(i)"
        bench.load("g@1", LOCAL.sql(text, params=[keys]).to_arrow_table().to_batches())
        return bench, giver

    def ask(self, table: str, condition: Condition) -> list[int]:
        """The rows that the condition lets pass."""
        fetch = self.ground.fetch("t@1", "db", table, ["id"])
        session = self.ground.sources["db"].open(30)
        try:
            select = fetch.select(() if condition.sql is None else (condition.sql,))
            return sorted(value for batch in session.read(select) for value in batch.column(0).to_pylist())
        finally:
            session.close()


def _refusals(kind: str) -> tuple[type[Exception], ...]:
    import psycopg
    import pymysql

    return {"postgres": (psycopg.DataError,), "mariadb": (pymysql.DataError, pymysql.OperationalError)}.get(
        kind, (duckdb.ConversionException, sqlite3.DatabaseError)
    )


@pytest.fixture(scope="module", params=list(COLUMNS))
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    kind = request.param
    server = request.getfixturevalue(kind) if kind in ("postgres", "mariadb") else None
    made = Stand(kind, tmp_path_factory.mktemp("keys"), server)
    yield made
    made.ground.close()


def _check(stand: Stand, table: str, keys: list[str], filler: int) -> str:
    type_ = COLUMNS[stand.kind][stand.tables[table]]
    bench, giver = stand.bench_with(type_, keys, filler)
    try:
        (found,) = conditions(
            stand.ground.fetch("t@1", "db", table, ["id"]),
            [stand.ground.keys("db", table, [("v", "k")], "g@1")],
            {"g@1": giver},
            bench,
        )
    finally:
        bench.close()
    held = stand.held[table]
    text = f"""SELECT id FROM (SELECT unnest(?::INTEGER[]) AS id, unnest(?::VARCHAR[]) AS v)
               WHERE v::{type_} IN (SELECT CAST(unnest(?::VARCHAR[]) AS {type_})) ORDER BY id"""
    found_here = LOCAL.execute(text, [[row[0] for row in held], [row[1] for row in held], keys])
    right = [row[0] for row in found_here.fetchall()]
    got = stand.ask(table, found)
    where = (stand.tables[table], keys[:30], filler, found.shown)
    if type_ == "VARCHAR" or found.sent.carrier in ("none", "range"):
        assert set(right) <= set(got), where
    else:
        assert got == right, where
    return found.sent.carrier


@pytest.mark.parametrize("filler", [0, 100, 25_000])
def test_all_values_at_once_and_one_by_one(stand: Stand, filler: int) -> None:
    """Also with so many keys that the carrier is another one."""
    for table, native in stand.tables.items():
        type_ = COLUMNS[stand.kind][native]
        _check(stand, table, list(VALUES[type_]), filler)
        carriers = {_check(stand, table, [value for value in VALUES[type_] if "\x1f" not in value], filler)}
        carriers |= {_check(stand, table, [value], 0) for value in VALUES[type_] if not filler}
        assert "none" not in carriers, (native, carriers)
        assert stand.held[table], native


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_keys(stand: Stand, data: st.DataObject) -> None:
    """Random sets of edge values and of others."""
    table = data.draw(st.sampled_from(sorted(stand.tables)))
    type_ = COLUMNS[stand.kind][stand.tables[table]]
    keys = data.draw(st.lists(st.sampled_from(VALUES[type_]), min_size=1, unique=True))
    if type_ == "BIGINT":
        keys += map(str, data.draw(st.lists(st.integers(-(2**63), 2**63 - 1))))
    if type_ == "VARCHAR":
        keys += data.draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6)))
    _check(stand, table, keys, data.draw(st.sampled_from([0, 0, 60])))


def test_a_key_with_a_nul_character(stand: Stand) -> None:
    """No other key is lost by it."""
    for table, native in stand.tables.items():
        if COLUMNS[stand.kind][native] == "VARCHAR":
            for filler in (0, 100):
                _check(stand, table, ["a", "a\0b", "\0", "é"], filler)


def test_too_many_keys_are_ranges(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of integers; several where there are wide gaps. Every other type comes unfiltered."""
    monkeypatch.setattr(type(dialect_of(stand.ground.catalog.databases["db"].kind)), "max_keys", 5)
    for table, native in stand.tables.items():
        type_ = COLUMNS[stand.kind][native]
        carrier = _check(stand, table, list(VALUES[type_]), 30)
        is_ordered = type_ == "BIGINT" and stand.kind != "sqlite"
        assert carrier == ("range" if is_ordered else "none"), native
        if type_ == "BIGINT":
            _check(stand, table, ["1", "7"], 30)
