"""Data that cannot be read: broken files, values of no type, frames that are none."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import fedq
from fedq.errors import (
    ColumnNotFound,
    ComputeError,
    ConnectionFailed,
    DatabaseError,
    FedqError,
    InvalidQuery,
    ParameterError,
    TableNotFound,
    ValueNotRepresentable,
)  # fmt: skip
from tests.badinput.support import CANARY, Company

BROKEN = (DatabaseError, ConnectionFailed, ValueNotRepresentable, TableNotFound, InvalidQuery, ComputeError)


def write(name: str, content: bytes) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return (
            str(folder / "*") + name[name.index(".") :] if not name.endswith(("db", "duckdb")) else str(folder / name)
        )

    return make


def truncated(folder: Path) -> str:
    pd.DataFrame({"a": range(1000)}).to_parquet(folder / "t.parquet")
    data = (folder / "t.parquet").read_bytes()
    (folder / "t.parquet").write_bytes(data[: len(data) // 2])
    return str(folder / "*.parquet")


def damaged_sqlite(folder: Path) -> str:
    with sqlite3.connect(folder / "t.db") as connection:
        connection.execute("create table t (a integer, b text)")
        connection.executemany("insert into t values (?, ?)", [(i, "x" * 100) for i in range(2000)])
    connection.close()
    data = bytearray((folder / "t.db").read_bytes())
    data[8192:40960] = b"\xff" * (40960 - 8192)
    (folder / "t.db").write_bytes(data)
    return str(folder / "t.db")


FILES: dict[str, Callable[[Path], str]] = {
    "no parquet": write("t.parquet", b"this is not parquet"),
    "empty parquet": write("t.parquet", b""),
    "half a parquet": truncated,
    "no sqlite": write("t.db", b"this is not a database, " * 100),
    "damaged sqlite": damaged_sqlite,
    "no duckdb": write("t.duckdb", b"this is not a database, " * 1000),
    "no json": write("t.json", b'{"a": 1}\n{"a": \n'),
    "keys that differ in case": write("t.json", b'{"A": 1, "b": 2}\n{"a": 3, "A": 4}\n'),
    "ragged csv": write("t.csv", b"a,b\n1,2\n3,4,5,6\n7\n" * 50),
    "binary csv": write("t.csv", bytes(range(256)) * 20),
    "csv that is not utf-8": write("t.csv", "a,b\n1,é\n".encode("latin-1") * 100),
    "empty csv": write("t.csv", b""),
    "empty json": write("t.json", b""),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_broken(company: Company, kind: str, tmp_path: Path) -> None:
    url = FILES[kind](tmp_path)
    databases = {**company.databases, "bad": {"url": url}}
    with fedq.connect(company.catalog(databases=databases, tables={**company.tables, "t": "bad"})) as federation:
        company.fails(
            lambda: federation.query("select count(a), max(b) from t"), (*BROKEN, ColumnNotFound), federation=federation
        )


def test_a_declared_type_that_the_file_has_not(company: Company, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n\n1,5\n2,many\n")
    entry = {"database": "bad", "columns": {"n": {"type": "INTEGER"}}}
    databases = {**company.databases, "bad": {"url": f"{tmp_path}/*.csv"}}
    with fedq.connect(company.catalog(databases=databases, tables={**company.tables, "t": entry})) as federation:
        company.fails(
            lambda: federation.query("select n from t"),
            (ValueNotRepresentable, ComputeError, DatabaseError),
            "t",
            "n",
            federation=federation,
        )
        assert federation.query("select count(*) from t").scalar() == 2


def test_text_that_is_not_utf8_in_sqlite(company: Company, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("create table t (id integer primary key, s text)")
        connection.execute("insert into t values (1, 'ok'), (5, cast(x'ff41' as text))")
    connection.close()
    databases = {**company.databases, "bad": {"url": f"{tmp_path}/t.db"}}
    with fedq.connect(company.catalog(databases=databases, tables={**company.tables, "t": "bad"})) as federation:
        company.fails(
            lambda: federation.query("select s from t"),
            ValueNotRepresentable,
            "bad",
            "t",
            "s",
            "5",
            federation=federation,
        )
        assert federation.query("select s from t where id = 1").scalar() == "ok"


class Stream:
    """Claims to be a table, and is not."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        raise RuntimeError(f"no stream for {CANARY[:3]}")


class Mixed:
    """An object without meaning to a table."""


FRAMES: dict[str, Any] = {
    "mixed objects": lambda: pd.DataFrame({"a": [1, "x", Mixed()]}),
    "two columns of one name": lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "names that differ in case": lambda: pa.table({"a": [1], "A": [2]}),
    "no columns": pd.DataFrame,
    "columns that are numbers": lambda: pd.DataFrame([[1, 2]], columns=[0, 1]),
    "complex": lambda: pd.DataFrame({"a": [1 + 2j]}),
    "a broken stream": Stream,
    "a number": lambda: 5,
    "a list": lambda: [1, 2],
    "a text": lambda: "select 1",
    "nothing": lambda: None,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_that_are_none(company: Company, kind: str) -> None:
    frame = FRAMES[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = company.query("select * from f", frames={"f": frame})
        except FedqError as error:
            assert isinstance(
                error, (ParameterError, ValueNotRepresentable, InvalidQuery, ComputeError, ColumnNotFound)
            ), repr(error)
            assert error.hint
        else:
            assert kind in (
                "columns that are numbers",
                "two columns of one name",
                "names that differ in case",
                "no columns",
            ), result
    company.works(company.federation)


def test_names_that_differ_in_case_in_a_server(servers: Company, postgres: Any) -> None:
    """PostgreSQL may have "a" and "A" in one table; neither may pass for the other."""
    database = servers.urls["crm"].rpartition("/")[2]
    postgres.sql(
        'drop table if exists twins; create table twins ("a" int, "A" int); insert into twins values (1, 2)', database
    )
    postgres.sql("grant select on twins to public", database)
    with fedq.connect(servers.catalog(tables={**servers.tables, "twins": "crm"})) as federation:
        error = servers.fails(
            lambda: federation.query("select * from twins"), InvalidQuery, "twins", federation=federation
        )
        assert "columns = {" in str(error)
    entry = {"database": "crm", "columns": {"big": {"name": "A"}}}
    with fedq.connect(servers.catalog(tables={**servers.tables, "twins": entry})) as federation:
        assert federation.query("select a, big from twins").rows() == [(1, 2)]
