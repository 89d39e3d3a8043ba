"""Every MySQL type, with its extremes: values arrive unchanged, or the read says which value of which row does not."""

from __future__ import annotations

import datetime as dt
import math
import random
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from fedq.dialects.mysql import MYSQL
from fedq.errors import DatabaseError, ValueNotRepresentable
from fedq.fetch.mysql.source import MySQLSource
from fedq.fetch.source import Output, Select
from fedq.types import BOOLEAN, DATE, TIMESTAMP, VARCHAR, Comparison, Type, parse_type
from tests.fetch.mysql_support import column, described, expression, native, read, select_all, source_on
from tests.servers import MariaDBServer

LOOSE_MODE = "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; "


@pytest.fixture(scope="module")
def url(mariadb: MariaDBServer) -> str:
    return mariadb.new_database("types")


@pytest.fixture(scope="module")
def source(url: str) -> Iterator[MySQLSource]:
    with source_on(url) as source:
        yield source


def make(mariadb: MariaDBServer, url: str, table: str, columns: str, *rows: str) -> str:
    values = ", ".join(f"({row})" for row in rows)
    text = f"{LOOSE_MODE}DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})"
    mariadb.sql(text + (f"; INSERT INTO {table} VALUES {values}" if rows else ""), url)
    return table


INTEGERS = [
    ("tinyint", "TINYINT", -(2**7), 2**7 - 1),
    ("tinyint(1)", "TINYINT", -(2**7), 2**7 - 1),
    ("tinyint unsigned", "UTINYINT", 0, 2**8 - 1),
    ("smallint", "SMALLINT", -(2**15), 2**15 - 1),
    ("smallint unsigned", "USMALLINT", 0, 2**16 - 1),
    ("mediumint", "INTEGER", -(2**23), 2**23 - 1),
    ("mediumint unsigned", "UINTEGER", 0, 2**24 - 1),
    ("int", "INTEGER", -(2**31), 2**31 - 1),
    ("int unsigned", "UINTEGER", 0, 2**32 - 1),
    ("int(8) unsigned zerofill", "UINTEGER", 0, 2**32 - 1),
    ("bigint", "BIGINT", -(2**63), 2**63 - 1),
    ("bigint unsigned", "UBIGINT", 0, 2**64 - 1),
    ("bit(1)", "UBIGINT", 0, 1),
    ("bit(64)", "UBIGINT", 0, 2**64 - 1),
    ("year", "INTEGER", 1901, 2155),
]


@pytest.mark.parametrize(("native_type", "type_", "low", "high"), INTEGERS)
def test_integers(
    mariadb: MariaDBServer, url: str, source: MySQLSource, native_type: str, type_: str, low: int, high: int
) -> None:
    make(mariadb, url, "whole", f"id int, n {native_type}", f"1, {low}", f"2, {high}", "3, NULL")
    assert described(source, "whole").columns[1].type == Type(type_)
    assert column(source, "whole", "n") == [low, high, None]
    assert native(source, "select n from whole order by id")["n"].to_pylist() == [low, high, None]


def test_decimals(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    wide = "9" * 36 + ".99"
    make(mariadb, url, "dec_", "id int, n decimal(38,2), m decimal(10,0), k decimal(5,5)", f"1, {wide}, -5, 0.00001",
         f"2, -{wide}, 0, -0.99999", "3, NULL, NULL, NULL")  # fmt: skip
    table = described(source, "dec_")
    assert [str(each.type) for each in table.columns[1:]] == ["DECIMAL(38,2)", "DECIMAL(10,0)", "DECIMAL(5,5)"]
    assert column(source, "dec_", "n") == [Decimal(wide), Decimal("-" + wide), None]
    assert column(source, "dec_", "m") == [Decimal(-5), Decimal(0), None]
    assert column(source, "dec_", "k") == [Decimal("0.00001"), Decimal("-0.99999"), None]


def test_decimals_wider_than_38_digits_are_loud(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    huge = "123456789012345678901234567890123456789.5"
    make(mariadb, url, "wide", "id int primary key, n decimal(65,1)", "1, 7.5", f"2, {huge}")
    assert str(described(source, "wide").columns[1].type) == "DECIMAL(38,1)"
    with pytest.raises(ValueNotRepresentable, match=r"'n', row id = '2'.*123456789012345678901234567890123456789\.5"):
        column(source, "wide", "n")
    assert column(source, "wide", "n", policy="null") == [Decimal("7.5"), None]
    assert column(source, "wide", "n", types={"n": VARCHAR}, policy="text") == ["7.5", huge]


def test_floats_and_doubles_are_exact(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    dice = random.Random(7)
    doubles = [x for x in (struct.unpack("<d", dice.randbytes(8))[0] for _ in range(400)) if math.isfinite(x)]
    singles = [x for x in (struct.unpack("<f", dice.randbytes(4))[0] for _ in range(500)) if math.isfinite(x)]
    doubles = [0.0, 0.1, 1.7976931348623157e308, 5e-324, 9007199254740993.0, *doubles][:380]
    singles = [0.0, 16777216.0, 16777217.0, 3.4028234663852886e38, 1.401298464324817e-45, *singles][:380]
    rows = [f"{i}, {MYSQL.double(f)}, {MYSQL.double(d)}" for i, (f, d) in enumerate(zip(singles, doubles, strict=True))]
    make(mariadb, url, "real_", "id int, f float, d double", *rows, "999, NULL, NULL")
    got = column(source, "real_", "d")
    assert [struct.pack("<d", x) for x in got[:-1]] == [struct.pack("<d", x) for x in doubles]
    got = column(source, "real_", "f")
    assert [struct.pack("<f", x) for x in got[:-1]] == [struct.pack("<f", x) for x in singles]
    assert got[-1] is None
    got = native(source, "select f, d from real_ order by id")
    assert [struct.pack("<f", x) for x in got["f"].to_pylist()[:-1]] == [struct.pack("<f", x) for x in singles]
    assert got["d"].to_pylist()[:-1] == doubles


def test_float_under_distinct_and_as_expression(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "real2", "id int, f float, b bit(3), s varchar(9) character set sjis", "1, 16777216, 5, 'x'",
         "2, 16777216, 5, 'x'", "3, 0.1, 1, '日'")  # fmt: skip
    table = described(source, "real2")
    rows = read(source, select_all(table, "f", "b", "s", is_distinct=True)).to_pylist()
    assert sorted(rows, key=lambda row: -row["f"]) == [
        {"f": 16777216.0, "b": 5, "s": "x"},
        {"f": 0.10000000149011612, "b": 1, "s": "日"},
    ]
    top = read(source, select_all(table, "f", is_distinct=True, tail="ORDER BY t.`f` DESC LIMIT 1"))
    assert top["f"].to_pylist() == [16777216.0]
    assert read(source, expression("max(f)", Type("FLOAT"), "FROM real2"))["x"].to_pylist() == [16777216.0]


TEXTS = ["", " ", "a ", "tab\tnew\nline\rend", "back\\slash", "it's", '"quoted"', "\\N", "NULL", "nul\0in", "é😀日本", "x" * 250,
         "y" * 251, "z" * 70_000]  # fmt: skip


def test_texts_and_blobs_of_every_kind(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "texts", "id int, s longtext, b longblob, n text")
    with mariadb.connect(url) as connection, connection.cursor() as cursor:
        blobs = [bytes(range(256)), *(text.encode() for text in TEXTS[1:])]
        for number, (text, blob) in enumerate(zip(TEXTS, blobs, strict=True)):
            cursor.execute("insert into texts values (%s, %s, %s, null)", (number, text, blob))
    assert column(source, "texts", "s") == TEXTS
    assert column(source, "texts", "b") == blobs
    assert column(source, "texts", "n") == [None] * len(TEXTS)


@pytest.mark.parametrize("native_type", ["char(5)", "varchar(5)", "tinytext", "text", "mediumtext", "longtext"])
def test_text_types(mariadb: MariaDBServer, url: str, source: MySQLSource, native_type: str) -> None:
    make(mariadb, url, "words", f"id int, s {native_type}", "1, 'é😀'", "2, ''", "3, 'a '", "4, NULL")
    assert described(source, "words").columns[1].type == VARCHAR
    assert column(source, "words", "s") == ["é😀", "", "a" if native_type == "char(5)" else "a ", None]


@pytest.mark.parametrize("native_type", ["binary(3)", "varbinary(3)", "tinyblob", "blob", "mediumblob", "longblob"])
def test_binary_types(mariadb: MariaDBServer, url: str, source: MySQLSource, native_type: str) -> None:
    make(mariadb, url, "bytes_", f"id int, b {native_type}", "1, X'00FF80'", "2, 'a'", "3, ''", "4, NULL")
    assert str(described(source, "bytes_").columns[1].type) == "BLOB"
    short = [b"a\0\0", b"\0\0\0"] if native_type == "binary(3)" else [b"a", b""]
    assert column(source, "bytes_", "b") == [b"\x00\xff\x80", *short, None]


CHARSETS = {"latin1": "é€ÿ", "utf8mb3": "日本é", "ucs2": "日é", "utf16": "é😀", "utf32": "é😀", "ascii": "a?~", "cp1250": "Łé",
            "sjis": "日ｱ", "koi8r": "Я", "gbk": "中"}  # fmt: skip


@pytest.mark.parametrize("charset", CHARSETS)
def test_character_sets(mariadb: MariaDBServer, url: str, source: MySQLSource, charset: str) -> None:
    text = CHARSETS[charset]
    make(mariadb, url, "sets", f"id int, s varchar(20) character set {charset}", f"1, '{text}'", "2, 'a?b'", "3, NULL")
    assert column(source, "sets", "s") == [text, "a?b", None]


@pytest.mark.parametrize(("charset", "odd"), [("cp1250", "4181"), ("big5", "A15A"), ("tis620", "41DB")])
def test_bytes_without_a_unicode_form_are_loud(
    mariadb: MariaDBServer, url: str, source: MySQLSource, charset: str, odd: str
) -> None:
    """0x81 is nothing in cp1250; the server would send a question mark, for others U+FFFD."""
    make(mariadb, url, "odd", f"id int primary key, s varchar(9) character set {charset}", "1, 'a?'", f"2, X'{odd}'")
    with pytest.raises(ValueNotRepresentable, match="'s'"):
        column(source, "odd", "s")
    assert column(source, "odd", "s", policy="null") == ["a?", None]


def test_enum_and_set(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "choices", "id int, e enum('a','b c','é'), s set('x','y')", "1, 'é', 'x,y'", "2, 'wrong', ''",
         "3, NULL, NULL")  # fmt: skip
    table = described(source, "choices")
    assert [str(each.type) for each in table.columns[1:]] == ["VARCHAR", "VARCHAR"]
    assert table.columns[1].native == "enum('a','b c','é')"
    assert column(source, "choices", "e") == ["é", "", None]
    assert column(source, "choices", "s") == ["x,y", "", None]


def test_dates_and_moments(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    columns = "id int, d date, t datetime(6), s datetime, z timestamp(6) null"
    rows = [
        "1, '1000-01-01', '1000-01-01 00:00:00', '2024-02-29 23:59:59', '1970-01-01 00:00:01'",
        "2, '9999-12-31', '9999-12-31 23:59:59.999999', '1999-01-01', '2038-01-19 03:14:07.999999'",
        "3, NULL, NULL, NULL, NULL",
    ]
    make(mariadb, url, "moments", columns, *rows)
    assert [str(each.type) for each in described(source, "moments").columns[1:]] == [
        "DATE", "TIMESTAMP", "TIMESTAMP", "TIMESTAMPTZ",
    ]  # fmt: skip
    assert column(source, "moments", "d") == [dt.date(1000, 1, 1), dt.date(9999, 12, 31), None]
    assert column(source, "moments", "t") == [dt.datetime(1000, 1, 1), dt.datetime.max, None]
    assert column(source, "moments", "s") == [dt.datetime(2024, 2, 29, 23, 59, 59), dt.datetime(1999, 1, 1), None]
    first, last = (
        dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
        dt.datetime(2038, 1, 19, 3, 14, 7, 999999, tzinfo=dt.UTC),
    )
    assert column(source, "moments", "z") == [first, last, None]
    assert native(source, "select z from moments order by id")["z"].to_pylist() == [first, last, None]


def test_the_year_zero_is_kept(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(
        mariadb,
        url,
        "zero",
        "id int, d date, t datetime",
        "1, '0000-03-01', '0000-03-01 00:00:01'",
        "2, '0001-01-01', NULL",
    )
    days = (
        read(source, select_all(described(source, "zero"), "d", tail="ORDER BY id"))["d"].cast(pa.int32()).to_pylist()
    )
    assert days == [-719468, -719162]


ZERO = ["1, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'", "2, '2024-00-00', '2024-01-00 01:02:03', NULL",
        "3, '2024-01-05', '2024-01-05 01:02:03', '2024-01-05 01:02:03'", "4, NULL, NULL, NULL"]  # fmt: skip


def test_zero_dates_follow_the_policy(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "partial", "id int primary key, d date, t datetime, z timestamp null", *ZERO)
    table = described(source, "partial")
    for name in "dtz":
        with pytest.raises(ValueNotRepresentable) as raised:
            column(source, "partial", name)
        said = str(raised.value)
        for part in ("'my'", "partial", f"'{name}'", "id = '1'", "'0000-00-00", "on_unrepresentable"):
            assert part in said
        values = column(source, "partial", name, policy="null")
        assert values[0] is None
        assert (
            values[2].replace(tzinfo=None) == dt.datetime(2024, 1, 5, 1, 2, 3) if name != "d" else dt.date(2024, 1, 5)
        )
    assert column(source, "partial", "d", policy="text", types={"d": VARCHAR}) == [
        "0000-00-00", "2024-00-00", "2024-01-05", None,
    ]  # fmt: skip
    with pytest.raises(ValueNotRepresentable) as raised:  # the key stands in the result
        read(source, select_all(table, "id", "d", tail="WHERE id = 2"))
    assert raised.value.key == {"id": "2"}
    assert raised.value.table.endswith(".partial")
    count = read(source, expression("count(*)", parse_type("BIGINT"), "FROM partial"))
    assert count["x"].to_pylist() == [4]


def test_a_session_goes_on_after_a_bad_value(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    rows = [f"{number}, '2024-01-05'" for number in range(2000)]
    make(mariadb, url, "late", "id int primary key, d date", *rows, "5000, '2024-00-00'")
    session = source.open()
    with pytest.raises(ValueNotRepresentable) as raised:
        list(session.read(select_all(described(source, "late"), "d")))
    assert raised.value.key == {"id": "5000"}
    assert [batch.to_pylist() for batch in session.read(expression("1", parse_type("INTEGER")))] == [[{"x": 1}]]
    session.close()


def test_times_are_intervals(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "spans", "id int, t time(6)", "1, '838:59:59.999999'", "2, '-838:59:59.999999'", "3, '-00:00:00.5'",
         "4, '10:00'", "5, NULL")  # fmt: skip
    assert str(described(source, "spans").columns[1].type) == "INTERVAL"
    longest = ((838 * 60 + 59) * 60 + 59) * 10**9 + 999_999_000
    wanted = [longest, -longest, -500_000_000, 36_000 * 10**9, None]
    assert [value and value.nanoseconds for value in column(source, "spans", "t")] == wanted
    with pytest.raises(ValueNotRepresentable):
        column(source, "spans", "t", types={"t": Type("TIME")})


def test_declared_types_are_honoured_or_loud(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    columns = "id int primary key, flag tinyint(1), bits bit(1), day varchar(10), whole decimal(5,2), txt varchar(40)"
    make(mariadb, url, "declared", columns, "1, 1, 1, '2024-01-05', 5.00, '12345678-1234-5678-1234-567812345678'",
         "2, 0, 0, NULL, 7.00, NULL")  # fmt: skip
    types = {"flag": BOOLEAN, "bits": BOOLEAN, "day": DATE, "whole": parse_type("INTEGER"), "txt": Type("UUID")}
    rows = read(source, select_all(described(source, "declared"), types=types, tail="ORDER BY id")).to_pylist()
    assert rows[0] == {"id": 1, "flag": True, "bits": True, "day": dt.date(2024, 1, 5), "whole": 5,
                       "txt": "12345678-1234-5678-1234-567812345678"}  # fmt: skip
    mariadb.sql("insert into declared values (3, 2, 1, '2024-1-5', 5.50, 'nonsense')", url)
    for name in ("flag", "day", "whole", "txt"):
        with pytest.raises(ValueNotRepresentable, match="row id = '3'"):
            column(source, "declared", name, types=types)
        assert column(source, "declared", name, types=types, policy="null")[2] is None


@pytest.mark.parametrize("text", ["0x1F", "1e999", "1_000", " 5", "5 ", "nan", "inf", "", "٣"])
def test_texts_that_python_or_arrow_would_take_for_numbers(
    mariadb: MariaDBServer, url: str, source: MySQLSource, text: str
) -> None:
    make(mariadb, url, "almost", "id int, s varchar(20)", f"1, '{text}'")
    for type_ in ("INTEGER", "DOUBLE", "DECIMAL(10,2)"):
        with pytest.raises(ValueNotRepresentable):
            column(source, "almost", "s", types={"s": parse_type(type_)})


def test_a_datetime_declared_date_must_be_midnight(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "days", "id int, t datetime", "1, '2024-01-05 00:00:00'", "2, '2024-01-05 00:00:01'")
    with pytest.raises(ValueNotRepresentable, match="00:00:01"):
        column(source, "days", "t", types={"t": DATE})
    assert column(source, "days", "t", types={"t": DATE}, policy="null") == [dt.date(2024, 1, 5), None]
    make(mariadb, url, "days", "id int, t date", "1, '2024-01-05'")
    assert column(source, "days", "t", types={"t": TIMESTAMP}) == [dt.datetime(2024, 1, 5)]


def test_uuid_inet_json_geometry(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    columns = "id int, u uuid, i inet6, j json, g point"
    make(mariadb, url, "special", columns,
         "1, '12345678-ABCD-5678-1234-567812345678', '::1', '{\"a\": 1, \"a\": 2}', POINT(1, 2)",
         "2, NULL, NULL, NULL, NULL")  # fmt: skip
    table = described(source, "special")
    assert [str(each.type) for each in table.columns[1:]] == ["UUID", "VARCHAR", "VARCHAR", "BLOB"]
    first, second = read(source, select_all(table, tail="ORDER BY id")).to_pylist()
    assert first["u"] == "12345678-abcd-5678-1234-567812345678"
    assert (first["i"], first["j"]) == ("::1", '{"a": 1, "a": 2}')
    assert first["g"] == struct.pack("<bIdd", 1, 1, 1.0, 2.0)
    assert second == {"id": 2, "u": None, "i": None, "j": None, "g": None}


def test_large_values_and_rows_of_every_length(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    """Lengths around the borders of the protocol: 250 | 251, 64 KB, a block, a packet of 16 MB."""
    sizes = [
        0,
        1,
        250,
        251,
        252,
        65_535,
        65_536,
        2**21 - 10,
        2**21,
        2**21 + 10,
        2**24 - 20,
        2**24 - 1,
        2**24,
        20_000_000,
    ]
    mariadb.sql("SET GLOBAL max_allowed_packet = 67108864", "mysql", admin=True)
    make(mariadb, url, "large", "id int, b longblob, s varchar(9)")
    with mariadb.connect(url) as connection, connection.cursor() as cursor:
        for number, size in enumerate(sizes):
            cursor.execute("insert into large values (%s, repeat(%s, %s), 'after')", (number, chr(97 + number), size))
    got = column(source, "large", "b")
    assert [len(value) for value in got] == sizes
    assert all(value == bytes([97 + number]) * sizes[number] for number, value in enumerate(got))
    rows = read(source, select_all(described(source, "large"), "s"))
    assert rows["s"].to_pylist() == ["after"] * len(sizes)


def test_rows_are_the_same_however_they_fall_into_blocks(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    dice = random.Random(3)
    rows = []
    for number in range(4000):
        size = dice.choice([0, 1, 5, 250, 251, 300, 3000])
        rows.append(
            (number, None if dice.random() < 0.1 else "é" * size, dice.choice([None, b"", b"\xfb\xfc\xfd\xfe\xff"]))
        )
    make(mariadb, url, "mixed", "id int, s text, b blob")
    with mariadb.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany("insert into mixed values (%s, %s, %s)", rows)
    got = read(source, select_all(described(source, "mixed"), tail="ORDER BY id")).to_pydict()
    assert list(zip(got["id"], got["s"], got["b"], strict=True)) == rows


def test_no_rows_and_no_columns(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "few", "id int, d date", "1, '2024-01-05'", "2, NULL")
    table = described(source, "few")
    empty = read(source, select_all(table, tail="WHERE id > 5"))
    assert (empty.num_rows, empty.schema.names) == (0, ["id", "d"])
    session = source.open()
    assert [batch.num_rows for batch in session.read(Select((), "FROM few"))] == [2]
    assert [batch.num_rows for batch in session.read(Select((), "FROM few WHERE id > 5"))] == [0]
    session.close()


def test_expressions_arrive_as_the_type_asked_for(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "sums", "id bigint, n decimal(10,2)", "9223372036854775807, 1.10", "9223372036854775807, 2.20")

    def ask(sql: str, type_: str) -> Any:
        return read(source, expression(sql, parse_type(type_), "FROM sums"))["x"].to_pylist()[0]

    assert ask("sum(id)", "HUGEINT") == Decimal(2 * (2**63 - 1))
    assert ask("sum(n)", "DECIMAL(38,2)") == Decimal("3.30")
    assert ask("count(*)", "BIGINT") == 2
    assert ask("min(id) > 5", "BOOLEAN") is True
    assert ask("avg(n)", "DOUBLE") == 1.65
    with pytest.raises(ValueNotRepresentable):
        ask("sum(id)", "BIGINT")


def test_a_text_that_the_server_cuts_is_loud(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "cut", "id int, s longtext", "1, repeat('x', 1000000)")
    with pytest.raises(DatabaseError, match="cut a value short"):
        read(source, expression("repeat(s, 100)", VARCHAR, "FROM cut"))


def test_describe_says_keys_indexes_sizes_and_comparisons(
    mariadb: MariaDBServer, url: str, source: MySQLSource
) -> None:
    columns = """a int, b varchar(5) collate utf8mb4_nopad_bin not null, c varchar(5), d date, e float, f decimal(5,2),
        g varchar(500) collate utf8mb4_nopad_bin, h varbinary(9), i varchar(5) character set latin1 collate latin1_nopad_bin,
        `odd``name` int, j int as (a + 1) stored, primary key (b, a), key (c, d)"""
    make(mariadb, url, "described", columns)
    mariadb.sql("create or replace view seen as select a, c from described", url)
    table = described(source, "described")
    assert (table.key, table.indexed, table.is_view) == (("b", "a"), frozenset({"b", "c"}), False)
    assert table.rows == 0
    by_name = {each.name: each for each in table.columns}
    assert [name for name, each in by_name.items() if not each.is_nullable] == ["a", "b"]
    assert {name: each.comparison for name, each in by_name.items()} == {
        "a": Comparison.SAME, "b": Comparison.SAME, "c": Comparison.LOOSE, "d": Comparison.LOOSE, "e": Comparison.UNLIKE,
        "f": Comparison.SAME, "g": Comparison.LOOSE, "h": Comparison.SAME, "i": Comparison.LOOSE, "odd`name": Comparison.SAME,
        "j": Comparison.SAME,
    }  # fmt: skip
    assert by_name["i"].collation == "latin1_nopad_bin"
    view = described(source, "seen")
    assert (view.is_view, view.rows, [each.name for each in view.columns]) == (True, None, ["a", "c"])
    assert described(source, "DESCRIBED").table == table.table


def test_describe_many_at_once(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    from fedq.catalog.schema import PhysicalTable

    mariadb.sql("; ".join(f"create or replace table many_{number} (c{number} int)" for number in range(40)), url)
    wanted = [PhysicalTable(None, f"many_{number}") for number in range(40)]
    found = source.describe(
        [*wanted, PhysicalTable(None, "nothing"), PhysicalTable("no_schema", "many_1"), PhysicalTable(None, " ")]
    )
    assert [each and each.columns[0].name for each in found[:40]] == [f"c{number}" for number in range(40)]
    assert found[40:] == [None, None, None]
    listed = source.list_tables()
    assert all(any(each.name == table.name for each in listed) for table in wanted)


def test_names_that_differ_in_case_only(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    make(mariadb, url, "Twin", "a int")
    make(mariadb, url, "twin", "b int")
    make(mariadb, url, "Only", "c int")
    assert [described(source, name).columns[0].name for name in ("Twin", "twin", "only")] == ["a", "b", "c"]


def test_outputs_keep_their_names(source: MySQLSource) -> None:
    outputs = (Output("1", "x", parse_type("INTEGER")), Output("2", "x", parse_type("BIGINT")))
    table = read(source, Select(outputs, ""))
    assert table.schema.names == ["x", "x"]
    assert [table.column(0)[0].as_py(), table.column(1)[0].as_py()] == [1, 2]
