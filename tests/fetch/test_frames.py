"""DataFrames and Arrow tables as tables: exact, or refused with the reason."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fedq.catalog.schema import PhysicalTable
from fedq.errors import InvalidQuery, ParameterError
from fedq.fetch.frames.source import FramesSource
from tests.fetch import local


def read(frame: object) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    source = FramesSource({"f": frame})
    return local.types(source, "f"), local.rows(source, "f")


def test_pandas_values() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([2**53 + 1, None], dtype="Int64"),
            "x": [1.5, float("nan")],
            "arrow": pd.Series(pd.arrays.ArrowExtensionArray(pa.array([float("nan"), 1.0]))),
            "b": pd.array([True, None], dtype="boolean"),
            "s": ["é", None],
            "c": pd.Categorical(["x", "y"]),
            "t": pd.to_datetime(["2024-01-01", None]).astype("datetime64[ns]"),
            "z": pd.to_datetime(["2024-01-01", None]).tz_localize("Europe/Amsterdam"),
            "d": [Decimal("1.10"), None],
            "day": [dt.date(2024, 1, 1), None],
            "u": pd.Series([uuid.UUID(int=1), None], dtype=object),
        }
    )
    frame.index = pd.Index([5, 6], name="no column")
    types, rows = read(frame)
    assert types == {
        "i": "BIGINT", "x": "DOUBLE", "arrow": "DOUBLE", "b": "BOOLEAN", "s": "VARCHAR", "c": "VARCHAR", "t": "TIMESTAMP",
        "z": "TIMESTAMPTZ", "d": "DECIMAL(3,2)", "day": "DATE", "u": "UUID",
    }  # fmt: skip
    first, second = rows
    assert (
        first[:2] == (2**53 + 1, 1.5) and np.isnan(first[2]) and first[3:7] == (True, "é", "x", dt.datetime(2024, 1, 1))
    )
    assert first[7] == dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC)
    assert first[8:] == (Decimal("1.10"), dt.date(2024, 1, 1), str(uuid.UUID(int=1)))
    assert second == (None, None, 1.0, None, None, "y", None, None, None, None, None), "NaN of numpy is a missing value"


def test_polars_values() -> None:
    frame = pl.DataFrame(
        {
            "a": [1, None], "n": [float("nan"), None], "c": pl.Series(["u", "v"], dtype=pl.Categorical),
            "e": pl.Series(["u", "v"], dtype=pl.Enum(["v", "u"])), "u8": pl.Series([255, None], dtype=pl.UInt8),
            "st": [{"a": 1}, None], "t": [dt.time(1, 2), None], "dur": [dt.timedelta(days=1, microseconds=1), None],
        }
    )  # fmt: skip
    types, rows = read(frame)
    assert list(types.values()) == [
        "BIGINT", "DOUBLE", "VARCHAR", "VARCHAR", "UTINYINT", "STRUCT(a BIGINT)", "TIME", "INTERVAL"
    ]  # fmt: skip
    assert rows[0][2:7] == ("u", "u", 255, {"a": 1}, dt.time(1, 2)) and np.isnan(rows[0][1])
    assert rows[0][7] == pa.MonthDayNano([0, 0, 86_400_000_001_000]) or rows[0][7].days == 1


def test_nanoseconds_are_kept() -> None:
    types, rows = read(pa.table({"t": pa.array([1], pa.timestamp("ns"))}))
    assert types == {"t": "TIMESTAMP_NS"} and rows[0][0].nanosecond == 1


def test_a_stream_that_can_be_read_once() -> None:
    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), [pa.record_batch({"a": [1, 2]})])
    source = FramesSource({"f": reader})
    assert local.rows(source, "f") == local.rows(source, "f") == [(1,), (2,)]


def test_a_duckdb_relation_and_odd_names() -> None:
    source = FramesSource({'we"ird': duckdb.sql('select 1 as "a""b"'), "Other": pl.DataFrame({"x": [1]})})
    assert source.list_tables() == [PhysicalTable(None, 'we"ird'), PhysicalTable(None, "Other")]
    assert local.rows(source, 'we"ird') == [(1,)]
    assert local.described(source, "OTHER").table.name == "Other" and local.described(source, "other").rows == 1
    assert source.describe([PhysicalTable(None, "third"), PhysicalTable("x", "Other")]) == [None, None]


def test_two_sources_do_not_see_each_other() -> None:
    one, other = FramesSource({"f": pl.DataFrame({"a": [1]})}), FramesSource({"f": pl.DataFrame({"a": [2]})})
    assert (local.rows(one, "f"), local.rows(other, "f")) == ([(1,)], [(2,)])
    assert local.native(one, "select a from f").to_pylist() == [{"a": 1}]


REFUSED = {
    "lazy": (pl.DataFrame({"a": [1]}).lazy(), ParameterError, r"collect\(\)"),
    "list": ([{"a": 1}], ParameterError, "is a list"),
    "series": (pd.Series([1]), ParameterError, "is a Series"),
    "mixed": (pd.DataFrame({"o": pd.Series([1, "y"], dtype=object)}), ParameterError, "column o"),
    "text and bytes": (pd.DataFrame({"o": pd.Series(["x", b"y"], dtype=object)}), ParameterError, "text and bytes"),
    "period": (pd.DataFrame({"p": pd.PeriodIndex(["2024-01"], freq="M")}), ParameterError, "'p'"),
    "object": (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), ParameterError, "Object"),
    "twins": (pd.DataFrame([[1, 2]], columns=["a", "a"]), InvalidQuery, "two columns"),
    "near twins": (pl.DataFrame({"a": [1], "A": [2]}), InvalidQuery, "two columns"),
    "empty": (pd.DataFrame(), ParameterError, "no columns"),
    "fine duration": (pa.table({"d": pa.array([1], pa.duration("ns"))}), ParameterError, "microsecond"),
    "fine interval": (pa.table({"d": pa.array([(1, 1, 1)], pa.month_day_nano_interval())}), ParameterError, "microsecond"),
    "date64": (pa.table({"d": pa.array([1], pa.date64())}), ParameterError, "time of day"),
    "decimal256": (pa.table({"d": pa.array([Decimal("1" * 50)], pa.decimal256(60, 0))}), ParameterError, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    frame, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        read(frame)
