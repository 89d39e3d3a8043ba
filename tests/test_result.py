"""Results hold what the local engine answered: every conversion exact or an error, every drawing safe and bounded."""

from __future__ import annotations

import csv
import datetime
import decimal
import html.parser
import io
import json
import math
import pickle
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.errors import CrossDatabaseWarning, ParameterError, ResultError, ValueNotRepresentable
from fedq.result import Result, Row, RowNotFound, SourceRead, draw, files
from fedq.types import Type, parse_type

D = decimal.Decimal


def answer(sql: str, **more: Any) -> Result:
    """What DuckDB answers, as the run stage hands it over."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    relation = connection.sql(sql)
    types = [parse_type(str(kind)) for kind in relation.types]
    return Result(relation.to_arrow_table(), types=types, sql=sql, **more)


def column(expressions: str) -> Result:
    """One column of the given expressions."""
    return answer(f"select unnest([{expressions}]) as x")


PEOPLE = "select * from (values (1, 'Ann', 10.50), (2, NULL, NULL), (3, 'Cy', 0.05)) t(id, name, amount)"


# --- rows


def test_rows_are_tuples_with_names() -> None:
    r = answer(PEOPLE)
    assert len(r) == 3 and r.shape == (3, 3) and r.columns == ["id", "name", "amount"]
    assert (
        r[0] == (1, "Ann", D("10.50"))
        and r[0].name == "Ann"
        and r[0]["NAME"] == "Ann"
        and r[0]._fields == tuple(r.columns)
    )
    assert [row.id for row in r] == [1, 2, 3] and r.rows() == [tuple(row) for row in r]
    assert r[-1].id == 3 and r[1:] == [r[1], r[2]] and r[::-1][0] == r[2]
    assert all(isinstance(row, tuple | Row) for row in r)


def test_column_names_that_python_cannot_write() -> None:
    r = answer(
        """select 1 as id, 2 as "count(*)", 3 as "class", 4 as count, 5 as _database, 6 as "__len__", 7 as "_fields" """
    )
    row = r[0]
    assert (row.id, row._1, row._2, row.count, row._database, row._5) == (1, 2, 3, 4, 5, 6)
    assert row["count(*)"] == 2 and row["_fields"] == 7 and len(row) == 7
    assert pickle.loads(pickle.dumps(row)) == row and pickle.loads(pickle.dumps(row)).count == 4


def test_repeated_column_names_lose_nothing() -> None:
    # DuckDB itself renames the second in a table function, but not in a plain select
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "A"])
    r = Result(table, types=[Type("BIGINT")] * 3)
    assert r[0] == (1, 2, 3) and r[0].a == 1 and r[0]._1 == 2
    assert r.to_dicts() == [{"a": 1, "a_1": 2, "A_2": 3}]
    assert list(r.to_pandas().iloc[0]) == [1, 2, 3] and r.to_polars().columns == ["a", "a_1", "A_2"]
    assert json.loads(r.to_json() or "") == [{"a": 1, "a_1": 2, "A_2": 3}]
    with pytest.raises(ResultError, match="2 columns named 'a'"):
        r["a"]


def test_wrong_keys_are_named_errors() -> None:
    r = answer(PEOPLE)
    with pytest.raises(ResultError, match="no column 'nme'") as caught:
        r["nme"]
    assert "Did you mean 'name'?" in str(caught.value)
    with pytest.raises(IndexError) as beyond:
        r[3]
    assert isinstance(beyond.value, RowNotFound) and isinstance(beyond.value, ResultError)
    with pytest.raises(RowNotFound):
        r[-4]
    with pytest.raises(ResultError, match="by float"):
        r[1.5]  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"len\(result\)"):
        bool(r)


def test_one_first_scalar() -> None:
    r = answer(PEOPLE)
    assert r.first() == r[0] and answer("select 42").scalar() == 42
    none = answer("select 1 as x where false")
    assert none.first() is None and len(none) == 0 and none.rows() == [] and list(none) == []
    for ask in (r.one, none.one, r.scalar, none.scalar, answer("select 1, 2").scalar):
        with pytest.raises(ResultError):
            ask()
    assert answer("select 1 as x").one().x == 1


def test_a_column_is_a_list_of_python_values() -> None:
    ids = answer(PEOPLE)["id"]
    assert ids == [1, 2, 3] and list(ids) == [1, 2, 3] and ids[-1] == 3 and ids[1:] == [2, 3] and len(ids) == 3
    assert ids.to_pylist() == ids.tolist() == [1, 2, 3] and sum(ids) == 6 and 2 in ids
    assert pa.chunked_array(ids).to_pylist() == [1, 2, 3] and ids.to_pandas().tolist() == [1, 2, 3]
    assert answer(PEOPLE)["amount"] == [D("10.50"), None, D("0.05")]
    with pytest.raises(RowNotFound):
        ids[3]


def test_many_rows_are_iterated_in_pieces() -> None:
    r = answer("select range as i, range * 2 as j from range(25000)")
    assert sum(row.j for row in r) == 25000 * 24999 and r[24_999].i == 24_999 and r["i"][12_345] == 12_345


# --- Python values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1::hugeint", 1),
        ("170141183460469231731687303715884105727::hugeint", 2**127 - 1),
        ("sum(9223372036854775807 + 0)", 2**63 - 1),
        ("18446744073709551615::ubigint", 2**64 - 1),
        ("12345678901234567890.12::decimal(22,2)", D("12345678901234567890.12")),
        ("uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("""'{"a": 1, "a": 2}'::json""", '{"a": 1, "a": 2}'),
        ("'\\x00\\xFF'::blob", b"\x00\xff"),
        ("date '2024-02-29'", datetime.date(2024, 2, 29)),
        ("time '23:59:59.999999'", datetime.time(23, 59, 59, 999999)),
        ("timestamp '2024-01-05 01:02:03.000004'", datetime.datetime(2024, 1, 5, 1, 2, 3, 4)),
        ("timestamptz '2024-01-05 01:02:03+02'", datetime.datetime(2024, 1, 4, 23, 2, 3, tzinfo=datetime.UTC)),
        ("timestamp '9999-12-31 23:59:59.999999'", datetime.datetime.max),
        ("date '0001-01-01'", datetime.date.min),
        ("interval '1 month 1 day 1 hour'", pa.MonthDayNano([1, 1, 3600 * 10**9])),
        ("[1, NULL, 3]", [1, None, 3]),
        ("{'a': 1, 'b': [date '2024-01-01']}", {"a": 1, "b": [datetime.date(2024, 1, 1)]}),
        ("map {'k': 1}", {"k": 1}),
        ("[map {1: {'a': map {'x': NULL}}}, NULL]", [{1: {"a": {"x": None}}}, None]),
        ("map {[1]: 2}", [([1], 2)]),
        ("'ß'::enum('ß', 'ẞ')", "ß"),
        ("'a' || chr(0) || 'b'", "a\0b"),
        ("true", True),
        ("NULL", None),
    ],
)
def test_python_values(expression: str, value: Any) -> None:
    found = answer(f"select {expression} as x").scalar()
    assert found == value and type(found) is type(value)


def test_an_instant_is_utc_of_the_standard_library() -> None:
    assert answer("select timestamptz '2024-07-01 00:00:00+02' as x").scalar().tzinfo is datetime.UTC


STRANGE = [
    ("date 'infinity'", "infinity"),
    ("date '-infinity'", "-infinity"),
    ("date '4713-01-01 (BC)'", "4713-01-01 (BC)"),
    ("date '10000-01-01'", "10000-01-01"),
    ("timestamp 'infinity'", "infinity"),
    ("timestamptz '-infinity'", "-infinity"),
    ("timestamp '4713-01-01 (BC) 10:00:00'", "4713-01-01 (BC) 10:00:00"),
    ("time '24:00:00'", "24:00:00"),
]


@pytest.mark.parametrize(("expression", "text"), STRANGE)
def test_what_python_cannot_hold_is_a_named_error_and_still_drawn(expression: str, text: str) -> None:
    r = answer(f"select {expression} as x union all select NULL order by 1 nulls last")
    with pytest.raises(ValueNotRepresentable, match=r"column 'x' .* holds " + re.escape(text) + " in row 0"):
        r.rows()
    assert text in repr(r) and text in (r.to_csv() or "") and json.loads(r.to_json() or "")[0]["x"] == text
    assert r.to_arrow().num_rows == 2


def test_a_strange_value_deep_inside_is_an_error_too() -> None:
    for expression in ("[{'t': [time '24:00:00']}]", "map {1: date 'infinity'}"):
        r = answer(f"select {expression} as x")
        with pytest.raises(ValueNotRepresentable):
            r.rows()
        assert "24:00:00" in repr(r) or "infinity" in repr(r)


# --- pandas


def dtypes(sql: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in answer(sql).to_pandas().dtypes.items()}


def test_pandas_columns_keep_their_kind() -> None:
    assert dtypes(
        """select 1::integer as i, 1::ubigint as u, sum(1::bigint) as s, 1.5::decimal(9,2) as d,
        date '2024-01-01' as day, time '10:00' as t,
                  timestamp '1500-01-01' as ts, timestamptz '2024-01-01' as tz, true as b, 0.5::double as f,
                  0.5::float as f32"""
    ) == {
        "i": "int32", "u": "uint64", "s": "int64", "d": "decimal128(9, 2)[pyarrow]", "day": "date32[day][pyarrow]",
        "t": "time64[us][pyarrow]", "ts": "datetime64[us]", "tz": "datetime64[us, UTC]", "b": "bool",
        "f": "float64", "f32": "float32",
    }  # fmt: skip


def test_pandas_integers_with_nulls_stay_integers() -> None:
    r = column("NULL, 9007199254740993, -9223372036854775808")
    frame = r.to_pandas()
    assert (
        str(frame["x"].dtype) == "Int64"
        and frame["x"].tolist()[1:] == [9007199254740993, -(2**63)]
        and frame["x"].isna()[0]
    )
    assert str(column("NULL, 18446744073709551615::ubigint").to_pandas()["x"].dtype) == "UInt64"
    assert str(column("NULL, 1::tinyint").to_pandas()["x"].dtype) == "Int8"
    assert str(column("NULL, true").to_pandas()["x"].dtype) == "boolean"


def test_a_frame_may_be_written_to() -> None:
    frame = answer("select 1 as a, 1.5::double as b, 'x' as c").to_pandas()
    frame["a"] += 1
    frame.loc[0, "b"] *= 2
    frame.loc[0, "c"] = "y"
    assert frame.iloc[0].tolist() == [2, 3.0, "y"]


def test_pandas_hugeint_is_exact() -> None:
    frame = column(f"{2**127 - 1}::hugeint, NULL, 1::hugeint").to_pandas()
    assert frame["x"].tolist() == [2**127 - 1, None, 1]
    assert str(column(f"{2**63 - 1}::hugeint, NULL").to_pandas()["x"].dtype) == "Int64"
    assert column(f"{-(2**63)}::hugeint").to_pandas()["x"].tolist() == [-(2**63)]


def test_pandas_decimals_are_exact() -> None:
    for digits in ("12345678901234567890.12::decimal(22,2)", "99999999999999999999999999999999999999::decimal(38,0)"):
        r = column(f"{digits}, NULL")
        assert r.to_pandas()["x"].tolist()[0] == r[0].x and "decimal128" in str(r.to_pandas()["x"].dtype)


def test_pandas_keeps_nan_and_null_apart() -> None:
    assert str(column("1.5::double, NULL").to_pandas()["x"].dtype) == "float64"
    frame = column("'nan'::double, NULL, 1.0").to_pandas()
    assert str(frame["x"].dtype) == "double[pyarrow]" and frame["x"].isna().tolist() in (
        [False, True, False],
        [True, True, False],
    )
    back = pa.array(frame["x"].array)
    assert back.is_null(nan_is_null=False).to_pylist() == [False, True, False]


@pytest.mark.parametrize(("expression", "text"), [s for s in STRANGE if "10:00:00" not in s[0]])
def test_pandas_policy_for_what_it_cannot_hold(expression: str, text: str) -> None:
    r = answer(f"select {expression} as x, 1 as y")
    with pytest.raises(ValueNotRepresentable):
        r.to_pandas()
    assert r.to_pandas(on_unrepresentable="null")["x"].isna().tolist() == [True]
    assert r.to_pandas(on_unrepresentable="text")["x"].tolist() == [text]
    assert r.to_pandas(on_unrepresentable="text")["y"].tolist() == [1]


def test_pandas_timestamps_out_of_the_range_of_nanoseconds_are_exact() -> None:
    frame = answer("select timestamp '1066-10-14 09:00:00.000001' as x, timestamp '4713-01-01 (BC)' as bc").to_pandas()
    assert frame["x"][0] == pd.Timestamp("1066-10-14 09:00:00.000001")
    assert pa.array(frame["bc"])[0].value == answer("select epoch_us(timestamp '4713-01-01 (BC)')").scalar()
    nanos = answer("select '2024-01-01 00:00:00.000000001'::timestamp_ns as x").to_pandas()
    assert nanos["x"][0].nanosecond == 1


def test_pandas_nested_and_other_types_are_python_objects() -> None:
    r = answer(
        "select [1, NULL] as l, interval '1 month' as i, uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' as u,"
        " 'x'::blob as b"
    )
    first = r.to_pandas().iloc[0].tolist()
    assert first == list(r[0]) and first[0] == [1, None] and isinstance(first[2], uuid.UUID)


def test_pandas_attrs_say_where_it_came_from() -> None:
    read = SourceRead("crm", tables=("users",), sql="SELECT 1", rows=3, bytes=10, seconds=0.1)
    warning = CrossDatabaseWarning("two databases")
    r = answer(PEOPLE, sources=[read], plan="the plan", warnings=[warning], elapsed=0.5, catalog_file="fedq.toml")
    facts = r.to_pandas().attrs["fedq"]
    assert json.loads(json.dumps(facts)) == facts
    assert (
        facts["origins"] == ["crm"] and facts["sources"][0]["tables"] == ["users"] and facts["sources"][0]["rows"] == 3
    )
    assert facts["warnings"][0]["code"] == "FQ210" and facts["plan"] == "the plan" and facts["sql"] == PEOPLE
    assert r.origins == {"crm"} and r.sources == (read,) and r.warnings == (warning,) and r.elapsed == 0.5


def test_pandas_of_no_rows_has_the_columns() -> None:
    frame = answer(PEOPLE + " where false").to_pandas()
    assert frame.shape == (0, 3) and str(frame["amount"].dtype) == "decimal128(4, 2)[pyarrow]"


# --- other forms


def test_polars_arrow_and_duckdb() -> None:
    r = answer("select 1::hugeint as h, NULL::hugeint as n, interval '1 month' as i, 1.50::decimal(9,2) as d")
    frame = r.to_polars()
    assert frame["h"].to_list() == [1] and frame["d"].to_list() == [D("1.50")] and frame.schema["h"] == pl.Int64()
    assert frame["i"].to_list() == [{"months": 1, "days": 0, "nanoseconds": 0}]
    assert pa.table(r).equals(r.to_arrow()) and r.schema == r.to_arrow().schema
    assert pl.DataFrame(answer(PEOPLE)).shape == (3, 3)
    assert duckdb.connect().from_arrow(pa.table(answer(PEOPLE))).sum("id").fetchall() == [(6,)]


def test_relation_has_the_types_of_the_query() -> None:
    sql = """select 1::hugeint as h, uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' as u, '{}'::json as j,
        'x' as "a""b", 1.5::decimal(4,1) as d"""
    relation = answer(sql).to_relation()
    assert [str(kind) for kind in relation.types] == ["HUGEINT", "UUID", "JSON", "VARCHAR", "DECIMAL(4,1)"]
    assert relation.fetchall() == duckdb.sql(sql).fetchall()
    own = duckdb.connect()
    assert answer(PEOPLE).to_relation(own).aggregate("count(*)").fetchall() == [(3,)]


def test_parquet_round_trip(tmp_path: Path) -> None:
    r = answer(
        "select 1::hugeint as h, 'é' as t, 1.5::decimal(9,2) as d, timestamptz '2024-01-01' as tz, [1] as l,"
        " interval '1 day' as i"
    )
    r.to_parquet(tmp_path / "r.parquet")
    back = duckdb.sql(f"select h, t, d, epoch(tz), l, i.days from '{tmp_path / 'r.parquet'}'").fetchall()
    assert back == [(D(1), "é", D("1.50"), 1704067200.0, [1], 1)]
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_csv_tells_null_from_empty(tmp_path: Path) -> None:
    r = answer("""select * from (values (1, 'a,"b"', true), (NULL, '', NULL), (2, 'line
break', false), (3, ' x ', false), (4, NULL, true)) t(i, "te,xt", b)""")
    text = r.to_csv()
    assert text == 'i,"te,xt",b\n1,"a,""b""",true\n,"",\n2,"line\nbreak",false\n3," x ",false\n4,,true\n'
    r.to_csv(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == text
    assert [row[0] for row in csv.reader(io.StringIO(text))][1:] == ["1", "", "2", "3", "4"]
    back = duckdb.read_csv(str(tmp_path / "r.csv"), all_varchar=True, header=True).fetchall()
    assert back[4] == ("4", None, "true")


def test_json_keeps_every_digit(tmp_path: Path) -> None:
    sql = """select 12345678901234567890.12::decimal(22,2) as d,
    170141183460469231731687303715884105727::hugeint as h, 0.1::float as f,
             'nan'::double as n, '{"a":  1.50}'::json as j, '\\xFF'::blob as b, [1.5, NULL] as l, NULL as z,
             date '2024-01-01' as day,
             E'é"\\n' as t"""
    r = answer(sql)
    text = r.to_json(lines=True)
    assert text is not None and text.count("\n") == 1
    row = json.loads(text, parse_float=D)
    assert row == {
        "d": D("12345678901234567890.12"), "h": 2**127 - 1, "f": D("0.1"), "n": "NaN", "j": {"a": D("1.50")},
        "b": "\\xFF",
        "l": [D("1.5"), None], "z": None, "day": "2024-01-01", "t": 'é"\n',
    }  # fmt: skip
    r.to_json(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text(), parse_float=D) == [row]
    assert json.loads(answer(PEOPLE + " where false").to_json() or "") == []


def test_stored_json_stays_on_its_line_and_stays_itself() -> None:
    r = Result(pa.table({"j": ['{\n "a": 1,\r\n "a": 2}', "not json", None]}), types=[Type("JSON")])
    assert r.to_json(lines=True) == '{"j": {  "a": 1,  "a": 2}}\n{"j": "not json"}\n{"j": null}\n'


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("old")
    with pytest.raises(ValueNotRepresentable):
        answer("select [date 'infinity'] as x").to_json(target)
    assert target.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["r.json"]
    with pytest.raises(ResultError, match="No such file or directory") as caught:
        answer("select 1").to_csv(tmp_path / "none" / "r.csv")
    assert isinstance(caught.value.__cause__, OSError)


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1))
def test_text_goes_through_csv_and_json_unchanged(values: list[str | None]) -> None:
    r = Result(
        pa.table({"x": pa.array(values, pa.string()), "y": [1] * len(values)}), types=[Type("VARCHAR"), Type("BIGINT")]
    )
    assert [row["x"] for row in json.loads(r.to_json() or "")] == values
    text = r.to_csv() or ""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows[1:]] == [value or "" for value in values]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_go_through_text_unchanged(value: float) -> None:
    r = Result(pa.table({"x": [value]}), types=[Type("DOUBLE")])
    shown = json.loads(r.to_json() or "")[0]["x"]
    assert shown == value and math.copysign(1, shown) == math.copysign(1, value) and r.scalar() == value


# --- drawing


def test_text_is_drawn_as_it_is() -> None:
    r = answer("select * from (values ('1e5', 100, NULL), ('0012', 2, 'NULL'), ('  x', 33, '日本語')) t(code, n, t)")
    text = repr(r)
    assert "1e5" in text and "0012" in text and "│   x" in text and "100000" not in text
    lines = text.splitlines()
    assert re.search(r"code\s*│\s*n │ t", lines[1]) and "VARCHAR" in lines[2] and "INTEGER" in lines[2]
    assert lines[5].index("2 │") == lines[4].index("0 │"), "numbers stand to the right"
    assert lines[-1].startswith("3 rows × 3 columns")


def test_long_results_are_cut_in_the_drawing_only_and_say_so() -> None:
    r = answer("select range as i from range(1234567)")
    assert (
        len(repr(r).splitlines()) == 20 + 6
        and "1,234,567 rows × 1 column, first 20 shown" in repr(r)
        and len(r) == 1234567
    )
    assert "first 3 shown" in repr(r.drawn(3)) and len(r.drawn(3)) == 1234567
    wide = answer("select " + ", ".join(f"{i} as a_long_column_name_{i}" for i in range(60)))
    assert max(map(len, repr(wide).splitlines())) < 200 and re.search(r"first \d+ columns shown", repr(wide))
    long = answer("select repeat('x', 100000) as x")
    assert len(repr(long)) < 1000 and "…" in repr(long) and len(long.scalar()) == 100000


HOSTILE = "<script>alert(1)</script>\x1b[2J\x07\u202egnp.exe\u2028&\"'\x00\r\n"


def test_nothing_in_the_data_reaches_the_terminal_or_the_page() -> None:
    table = pa.table({HOSTILE: [HOSTILE, None]})
    r = Result(table, types=[Type("VARCHAR")], sources=[SourceRead(HOSTILE, tables=(HOSTILE,))], sql="x")
    bundle = r._repr_mimebundle_()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", bundle["text/plain"] + bundle["text/html"])
    assert "\\x1b[2J" in bundle["text/plain"] and "\\u202e" in bundle["text/plain"]
    assert "<script" not in bundle["text/html"] and "&lt;script&gt;alert(1)&lt;/script&gt;" in bundle["text/html"]
    tags: set[str] = set()
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.add(tag)  # type: ignore[method-assign]
    parser.feed(bundle["text/html"])
    assert tags <= {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "small", "p", "span"}


def test_html_has_nulls_types_and_sides() -> None:
    page = answer(PEOPLE)._repr_mimebundle_()["text/html"]
    assert page.count('<span class="q-null">NULL</span>') == 2 and "<small>DECIMAL(4,2)</small>" in page
    assert (
        '<td class="q-r">10.50</td>' in page and "<td>Ann</td>" in page and "http" not in page and "<script" not in page
    )


#: what JupyterLab 4 puts around an output, and says of it
JUPYTERLAB = """<style>
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td, :not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon th {text-align: right}
</style><div class="jp-RenderedHTMLCommon">%s</div><pre></pre><script>
document.querySelector("pre").textContent = [...document.querySelectorAll("tbody td")]
  .map(cell => cell.textContent + " " + getComputedStyle(cell).textAlign).join("; ")
</script>"""


def test_text_stands_on_the_left_in_jupyterlabs_page(tmp_path: Path) -> None:
    """Its own style says right for every cell, and has more classes than a plain `.fedq td`."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser: apt-get install chromium")
    page = tmp_path / "page.html"
    page.write_text(JUPYTERLAB % answer("select 1 as n, 'Ann' as name")._repr_mimebundle_()["text/html"])
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    assert "<pre>1 right; Ann left</pre>" in done.stdout


def test_the_footer_names_every_database() -> None:
    reads = [
        SourceRead("accounts", "replica", "replica1", ("users",), rows=3, seconds=0.01),
        SourceRead("billing", tables=("invoices",), rows=120_000),
    ]
    last = repr(answer(PEOPLE, sources=reads, elapsed=0.0412)).splitlines()[-1]
    assert last == "3 rows × 3 columns · 41 ms · accounts@replica1 (users: 3 rows) ⋈ billing (invoices: 120,000 rows)"


def test_times_can_be_left_out() -> None:
    before = draw.options()
    try:
        draw.set_options(has_times=False, max_rows=1)
        assert repr(answer(PEOPLE, elapsed=0.5)).splitlines()[-1] == "3 rows × 3 columns, first 1 shown"
    finally:
        draw.set_options(has_times=before.has_times, max_rows=before.max_rows)


def test_empty_results_and_every_type_can_be_drawn() -> None:
    assert "0 rows × 3 columns" in repr(answer(PEOPLE + " where false"))
    every = answer("""select [date 'infinity'] as a, {'x': time '24:00:00'} as b, map {'k': 'v'} as c,
    union_value(k := 1) as d, '\\xFF'::blob as e,
        '0101'::bit as f, interval '-14 months -3.5 seconds' as g, 1e300::double as h, 'x'::enum('x') as i,
        '10:00:00+02'::timetz as j""")
    bundle = every._repr_mimebundle_()
    assert "-1 year -2 months -00:00:03.5" in bundle["text/html"] and "infinity" in bundle["text/html"]


def test_markdown_escapes_its_own_marks() -> None:
    grid = draw.Grid((draw.GridColumn("a|b"),), (("x|y\n<z>",), (None,)))
    assert draw.grid_markdown(grid).splitlines()[0].strip("| ") == "a\\|b" and "x\\|y<br>&lt;z>" in draw.grid_markdown(
        grid
    )


def test_results_without_a_query() -> None:
    r = Result.from_rows([("id", Type("BIGINT")), ("name", Type("VARCHAR"))], [(1, "a"), (2, None)])
    assert r.rows() == [(1, "a"), (2, None)] and r.origins == set() and repr(r).splitlines()[-1] == "2 rows × 2 columns"
    assert len(Result.from_rows([("id", Type("BIGINT"))], [])) == 0


def test_csv_of_every_type_is_what_duckdb_would_print() -> None:
    expressions = ["date '2024-01-01'", "timestamp '2024-01-01 10:00:00.5'", "timestamptz '2024-01-01'",
    "1.50::decimal(9,2)", "1.0::double",
                   "1e20::double", "0.1::float", "'\\xAA'::blob", "interval '14 months 3 days 01:02:03'",
                   "true", "[1, NULL]", "time '10:00:00'",
                   "'2024-01-01 00:00:00.000000001'::timestamp_ns", "'nan'::double", "-0.0::double"]  # fmt: skip
    for expression in expressions:
        r = answer(f"select {expression} as x, ({expression})::varchar as y")
        out = io.StringIO()
        files.write_csv(r.cells(), out)
        shown, expected = list(csv.reader(io.StringIO(out.getvalue())))[1]
        assert shown == expected, expression


@pytest.mark.parametrize("write", ["to_csv", "to_json", "to_parquet"])
def test_what_can_be_written_to_and_what_not(write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = Result.from_rows([("name", Type("VARCHAR"))], [("é",)])
    stream = io.BytesIO()
    getattr(result, write)(stream)
    getattr(result, write)(tmp_path / "file")
    assert stream.getvalue() == (tmp_path / "file").read_bytes()
    monkeypatch.setenv("HOME", str(tmp_path))
    getattr(result, write)("~/home")
    assert (tmp_path / "home").read_bytes() == stream.getvalue()
    for wrong in (5, b"file"):
        with pytest.raises(ParameterError, match="a file is a path"):
            getattr(result, write)(wrong)
    for wrong, word in (("", "directory"), (tmp_path, "directory"), (tmp_path / "a\0b", "argument")):
        with pytest.raises(ResultError, match=word):
            getattr(result, write)(wrong)


def test_forms_and_policies_that_are_none() -> None:
    result = Result.from_rows([("n", Type("BIGINT"))], [(1,)])
    with pytest.raises(ParameterError, match="no form 'panda'"):
        result.to("panda")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="on_unrepresentable cannot be 'nul'"):
        result.to_pandas(on_unrepresentable="nul")  # type: ignore[arg-type]


def test_polars_is_given_no_infinite_date() -> None:
    """It takes it, and breaks off when it is shown."""
    table = pa.table({"at": pa.array([0, 2**63 - 1], pa.timestamp("us"))})
    with pytest.raises(ValueNotRepresentable, match=r"'at'.*infinity in row 1"):
        Result(table, types=[Type("TIMESTAMP")]).to_polars()
