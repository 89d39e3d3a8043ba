"""Every type of PostgreSQL arrives unchanged, or the read says which value would not."""

from __future__ import annotations

import datetime as dt
import random
import string
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from fedq.errors import ValueNotRepresentable
from fedq.fetch.postgres.source import PostgresSource
from fedq.types import Comparison, Type, parse_type
from tests.fetch.postgres_support import described, expression, read, select_all, source_on
from tests.servers import PostgresServer

UTC = zoneinfo.ZoneInfo("UTC")
NAN, INF = float("nan"), float("inf")

#: type, fedq's type, how far it compares as DuckDB, values as PostgreSQL text, what must arrive
TYPES: list[tuple[str, str, str, list[str], list[Any]]] = [
    ("boolean", "BOOLEAN", "same", ["t", "f"], [True, False]),
    ("smallint", "SMALLINT", "same", ["-32768", "32767"], [-32768, 32767]),
    ("integer", "INTEGER", "same", ["-2147483648", "2147483647"], [-(2**31), 2**31 - 1]),
    ("bigint", "BIGINT", "same", [str(-(2**63)), str(2**63 - 1)], [-(2**63), 2**63 - 1]),
    ("oid", "UINTEGER", "unlike", ["0", "4294967295"], [0, 2**32 - 1]),
    ("real", "FLOAT", "unlike", ["NaN", "Infinity", "1e-45", "3.4028235e38", "-0", "16777216"],
     [NAN, INF, 1.401298464324817e-45, 3.4028234663852886e38, -0.0, 16777216.0]),
    ("double precision", "DOUBLE", "same", ["NaN", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1", "-0"],
     [NAN, -INF, 5e-324, 1.7976931348623157e308, 0.1, -0.0]),
    ("numeric(12,2)", "DECIMAL(12,2)", "same", ["9999999999.99", "-0.01", "0"],
     [Decimal("9999999999.99"), Decimal("-0.01"), Decimal("0.00")]),
    ("numeric(38,0)", "DECIMAL(38,0)", "same", ["9" * 38, "-" + "9" * 38], [Decimal("9" * 38), Decimal("-" + "9" * 38)]),
    ("numeric(38,38)", "DECIMAL(38,38)", "same", ["0." + "9" * 38], [Decimal("0." + "9" * 38)]),
    ("numeric(3,-2)", "DECIMAL(5,0)", "same", ["99900", "-100"], [Decimal(99900), Decimal(-100)]),
    ("numeric(2,5)", "DECIMAL(5,5)", "same", ["0.00099"], [Decimal("0.00099")]),
    ("numeric", "DOUBLE", "unlike", ["NaN", "Infinity", "-Infinity", "0.1", "123456789012345000000", "1.50"],
     [NAN, INF, -INF, 0.1, 1.23456789012345e20, 1.5]),
    ("numeric(50,10)", "DOUBLE", "unlike", ["0.5", "-123456789.5"], [0.5, -123456789.5]),
    ("money", "DECIMAL(19,2)", "unlike", ["12.34", "-92233720368547758.08"],
     [Decimal("12.34"), Decimal("-92233720368547758.08")]),
    ("text", "VARCHAR", "same", ["", " ", r"\N", "\\", "a\tb\nc\rd\be\ff\vg", r"a\nb\\n", "é😀", "\ufeffx", "NULL", '"q"', "'"],
     ["", " ", r"\N", "\\", "a\tb\nc\rd\be\ff\vg", r"a\nb\\n", "é😀", "\ufeffx", "NULL", '"q"', "'"]),
    ("varchar(5)", "VARCHAR", "same", ["", "ab   ", "é😀"], ["", "ab   ", "é😀"]),
    ("char(5)", "VARCHAR", "loose", ["a", "", "ab c"], ["a", "", "ab c"]),
    ("name", "VARCHAR", "loose", ["pg_class"], ["pg_class"]),
    ('"char"', "VARCHAR", "unlike", ["a", ""], ["a", ""]),
    ("uuid", "UUID", "same", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("bytea", "BLOB", "same", ["", r"\x00ff5c6e", r"\x5c4e0a09"], [b"", b"\x00\xff\\n", b"\\N\n\t"]),
    ("date", "DATE", "same", ["2024-02-29", "0001-01-01", "9999-12-31"],
     [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    ("time", "TIME", "same", ["00:00", "23:59:59.999999"], [dt.time(0, 0), dt.time(23, 59, 59, 999999)]),
    ("timetz", "VARCHAR", "unlike", ["24:00:00+02", "01:02:03.5-08"], ["24:00:00+02", "01:02:03.5-08"]),
    ("timestamp", "TIMESTAMP", "same", ["2024-03-31 02:30:00.000001", "0001-01-01"],
     [dt.datetime(2024, 3, 31, 2, 30, 0, 1), dt.datetime(1, 1, 1)]),
    ("timestamptz", "TIMESTAMPTZ", "same", ["2024-01-01 00:00:00.5+05", "2024-06-01 12:00Z"],
     [dt.datetime(2023, 12, 31, 19, 0, 0, 500000, UTC), dt.datetime(2024, 6, 1, 12, tzinfo=UTC)]),
    ("interval", "INTERVAL", "unlike",
     ["1 mon 1 day 1h", "-1 year -2 mons +3 days -04:05:06.789", "0", "1200 hours", "-0.000001 sec"],
     [(1, 1, 3_600_000_000_000), (-14, 3, -14_706_789_000_000), (0, 0, 0), (0, 0, 4_320_000_000_000_000), (0, 0, -1000)]),
    ("json", "JSON", "unlike", ['{"a":1, "a":2}', "null", '"x\\ny"'], ['{"a":1, "a":2}', "null", '"x\\ny"']),
    ("jsonb", "JSON", "unlike", ['{"b": 1,"a":2}'], ['{"a": 2, "b": 1}']),
    ("integer[]", "INTEGER[]", "unlike", ["{1,NULL,-3}", "{}"], [[1, None, -3], []]),
    ("numeric(5,2)[]", "DECIMAL(5,2)[]", "unlike", ["{1.5,NULL}"], [[Decimal("1.50"), None]]),
    ("text[]", "VARCHAR[]", "unlike", [r'{"a,b","c\"d","",NULL,"NULL","e\\f",g}', "{x}", "{}"],
     [["a,b", 'c"d', "", None, "NULL", "e\\f", "g"], ["x"], []]),
    ("char(3)[]", "VARCHAR[]", "unlike", ["{a,b}"], [["a", "b"]]),
    ("boolean[]", "BOOLEAN[]", "unlike", ["{t,f}"], [[True, False]]),
    ("date[]", "DATE[]", "unlike", ["{2024-01-01}"], [[dt.date(2024, 1, 1)]]),
    ("timestamp[]", "TIMESTAMP[]", "unlike", ['{"2024-01-01 01:02:03"}'], [[dt.datetime(2024, 1, 1, 1, 2, 3)]]),
    ("uuid[]", "UUID[]", "unlike", ["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"], [["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]]),
    ("bytea[]", "BLOB[]", "unlike", [r'{"\\x00ff"}'], [[b"\x00\xff"]]),
    ("double precision[]", "DOUBLE[]", "unlike", ["{0.1,NaN}"], [[0.1, NAN]]),
    ("money[]", "VARCHAR", "unlike", ["{1}"], ["{$1.00}"]),
    ("inet", "VARCHAR", "unlike", ["10.0.0.1", "10.0.0.0/8"], ["10.0.0.1", "10.0.0.0/8"]),
    ("cidr", "VARCHAR", "unlike", ["10.0.0.0/8"], ["10.0.0.0/8"]),
    ("macaddr", "VARCHAR", "unlike", ["08:00:2b:01:02:03"], ["08:00:2b:01:02:03"]),
    ("bit(3)", "VARCHAR", "unlike", ["101"], ["101"]),
    ("varbit", "VARCHAR", "unlike", ["1", ""], ["1", ""]),
    ("int4range", "VARCHAR", "unlike", ["[1,5)"], ["[1,5)"]),
    ("point", "VARCHAR", "unlike", ["(1,2)"], ["(1,2)"]),
    ("box[]", "VARCHAR", "unlike", ["{(1,1),(0,0);(2,2),(1,1)}"], ["{(1,1),(0,0);(2,2),(1,1)}"]),
    ("tsvector", "VARCHAR", "unlike", ["'a' 'b'"], ["'a' 'b'"]),
    ("int2vector", "VARCHAR", "unlike", ["1 2"], ["1 2"]),
    ("xid", "VARCHAR", "unlike", ["7"], ["7"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database("types")


@pytest.fixture(scope="module")
def source(url: str) -> Iterator[PostgresSource]:
    with source_on(url) as source:
        yield source


def fill(postgres: PostgresServer, url: str, native: str, values: list[str | None], key: str = "id") -> None:
    with postgres.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS v")
        connection.execute(f"CREATE TABLE v ({key} int PRIMARY KEY, x {native})")
        for number, value in enumerate(values):
            connection.execute(f"INSERT INTO v VALUES (%s, %s::text::{native})", (number, value))


def plain(table: pa.Table) -> list[Any]:
    array = table["x"]
    if pa.types.is_interval(array.type):
        return [None if value is None else tuple(value) for value in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    if pa.types.is_timestamp(array.type) and array.type.tz:  # in UTC, whose class Arrow chooses by what is installed
        return [value and value.astimezone(UTC) for value in values]
    return values


@pytest.mark.parametrize(("native", "type_", "comparison", "texts", "expected"), TYPES, ids=[row[0] for row in TYPES])
def test_every_value_arrives(
    postgres: PostgresServer, url: str, source: PostgresSource, native: str, type_: str, comparison: str,
    texts: list[str], expected: list[Any],
) -> None:  # fmt: skip
    with postgres.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS v")
        connection.execute(f"CREATE TABLE v (id serial, x {native})")
        for text in texts:
            literal = "NULL" if text is None else "'" + text.replace("'", "''") + "'"
            connection.execute(f"INSERT INTO v (x) VALUES ({literal})")
        connection.execute("INSERT INTO v (x) VALUES (NULL)")
    table = described(source, "v")
    column = table.columns[1]
    assert str(column.type) == type_
    assert column.comparison is Comparison(comparison)
    got = plain(read(source, select_all(table, "x", tail="ORDER BY id")))
    assert repr(got) == repr([*expected, None])  # repr: NaN is NaN, -0.0 is not 0.0
    by_native = source.open()
    assert repr(plain(pa.Table.from_batches(by_native.native("select x from v order by id")))) == repr(got)
    by_native.close()


def test_an_enum_a_domain_and_a_composite(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        """CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);
           CREATE DOMAIN cents AS numeric(9,2); CREATE DOMAIN small_cents AS cents CHECK (value < 10);
           CREATE DOMAIN moods AS mood[];
           CREATE TABLE d (m mood, p pair, c small_cents, a cents[], ms moods, mm mood[]);
           INSERT INTO d VALUES ('ok', '(1,"x y")', 1.5, '{2}', '{sad,ok}', NULL)""",
        url,
    )
    table = described(source, "d")
    assert [str(column.type) for column in table.columns] == [
        "VARCHAR", "VARCHAR", "DECIMAL(9,2)", "DECIMAL(9,2)[]", "VARCHAR[]", "VARCHAR[]",
    ]  # fmt: skip
    assert table.columns[0].native == "enum mood"
    assert table.columns[2].native == "numeric(9,2)"
    assert read(source, select_all(table)).to_pylist() == [
        {"m": "ok", "p": '(1,"x y")', "c": Decimal("1.50"), "a": [Decimal("2.00")], "ms": ["sad", "ok"], "mm": None}
    ]


@pytest.mark.parametrize("native", ["date", "timestamp", "timestamptz"])
def test_dates_outside_the_years_that_others_know(
    postgres: PostgresServer, url: str, source: PostgresSource, native: str
) -> None:
    texts = [
        "infinity",
        "-infinity",
        "4713-01-01 BC",
        "0001-02-29 BC",
        "0044-03-15 BC",
        "10000-01-01",
        "99999-12-31",
        None,
    ]
    if native != "date":
        texts += ["294246-12-31 23:59:59.999999", "0001-12-31 23:59:59.5 BC"]
    fill(postgres, url, native, texts)
    table = described(source, "v")
    arrow = read(source, select_all(table, tail="ORDER BY t.id"))
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.register("arrow", arrow)
    mine = con.execute("SELECT id, x = 'infinity', x = '-infinity', x IS NULL FROM arrow ORDER BY id").fetchall()
    assert [row[1:] for row in mine[:3]] == [(True, False, False), (False, True, False), (False, False, False)]
    assert mine[7][3]
    unit = "x - date '1970-01-01'" if native == "date" else "extract(epoch FROM x AT TIME ZONE 'UTC') * 1000000"
    unit = unit.replace(" AT TIME ZONE 'UTC'", "") if native == "timestamptz" else unit
    theirs = postgres.sql(f"SELECT id, ({unit})::bigint FROM v WHERE isfinite(x) ORDER BY id", url)
    raw = arrow["x"].cast(pa.int32() if native == "date" else pa.int64()).to_pylist()
    assert [(number, raw[number]) for number, _ in theirs] == theirs
    assert len(theirs) == len(texts) - 3


@pytest.mark.parametrize(
    ("native", "good", "bad", "reason"),
    [
        ("numeric(9,2)", "1.50", "NaN", "NaN"),
        ("numeric", "0.5", "123456789012345678901234567890.123456789012345678", "digits"),
        ("numeric", "0.5", "9007199254740993", "digits"),
        ("numeric", "0.5", "1" + "0" * 400, "range"),
        ("time", "12:00", "24:00:00", "24:00"),
        ("timestamp", "2024-01-01", "294276-12-31 23:59:59", "294247"),
        ("integer[]", "{1,2}", "{{1,2},{3,4}}", "dimension"),
        ("integer[]", "{1,2}", "[0:1]={1,2}", "index"),
        ("text[]", "{a}", "{{a},{b}}", "dimension"),
        ("numeric(9,2)[]", "{1}", "{NaN}", "NaN"),
        ("interval", "1 day", "2562048 hours", "too many"),
    ],
)
def test_a_value_that_would_change_is_named(
    postgres: PostgresServer, url: str, source: PostgresSource, native: str, good: str, bad: str, reason: str
) -> None:
    fill(postgres, url, native, [good, None, bad, good])
    table = described(source, "v")
    with pytest.raises(ValueNotRepresentable) as caught:
        read(source, select_all(table))
    text = str(caught.value)
    assert "database 'pg', table 'v', column 'x'" in text
    assert "id = '2'" in text
    assert reason in text
    assert "on_unrepresentable" in text
    assert caught.value.key == {"id": "2"}
    # the policy null makes NULL of that value alone, and other columns never mind
    assert [value is None for value in plain(read(source, select_all(table, "x", policy="null", tail="ORDER BY id")))] == [
        False, True, True, False,
    ]  # fmt: skip
    assert read(source, select_all(table, "id")).num_rows == 4
    # the policy text: the planner asks for VARCHAR
    texts = read(source, select_all(table, "x", types={"x": Type("VARCHAR")}, policy="text", tail="ORDER BY id"))
    assert texts["x"].to_pylist()[2] == postgres.sql("SELECT x::text FROM v WHERE id = 2", url)[0][0]


def test_the_error_of_a_table_with_an_odd_name_and_key(
    postgres: PostgresServer, url: str, source: PostgresSource
) -> None:
    postgres.sql(
        """CREATE SCHEMA "O dd"; CREATE TABLE "O dd"."Ta""ble" ("K 1" text, k2 date, "Val" numeric(9,2), PRIMARY KEY ("K 1", k2));
           INSERT INTO "O dd"."Ta""ble" VALUES ('x', '2024-01-01', 1), ('it''s', '2024-01-02', 'NaN')""",
        url,
    )
    with pytest.raises(ValueNotRepresentable) as caught:
        read(source, select_all(described(source, 'Ta"ble', "O dd"), tail='WHERE t."Val" > 0'))
    assert caught.value.key == {"K 1": "it's", "k2": "2024-01-02"}
    assert caught.value.column == "Val"


def test_an_error_without_a_key(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    fill(postgres, url, "numeric(9,2)", ["1", "NaN"])
    with pytest.raises(ValueNotRepresentable) as caught:
        read(source, expression("max(x)", Type("DECIMAL", 9, 2), "FROM v"))
    assert caught.value.key is None
    session = source.open()
    with pytest.raises(ValueNotRepresentable, match="database 'pg', column 'x'"):
        list(session.native("select x from v"))
    session.close()


@pytest.mark.parametrize(
    ("native", "declared", "texts", "expected"),
    [
        ("numeric", "DECIMAL(38,18)", ["12345678901234567890.123456789012345678", "1", "1.50"],
         [Decimal("12345678901234567890.123456789012345678"), Decimal("1." + "0" * 18), Decimal("1.5" + "0" * 17)]),
        ("numeric", "BIGINT", ["12", "12.00", "-9223372036854775808"], [12, 12, -(2**63)]),
        ("text", "INTEGER", ["12", "-3"], [12, -3]),
        ("text", "DATE", ["2024-01-05"], [dt.date(2024, 1, 5)]),
        ("text", "DOUBLE", ["0.1", "1e300"], [0.1, 1e300]),
        ("integer", "BOOLEAN", ["0", "1"], [False, True]),
        ("real", "DOUBLE", ["0.5", "NaN"], [0.5, NAN]),
        ("bigint", "HUGEINT", ["1"], [Decimal(1)]),
        ("boolean", "VARCHAR", ["t"], ["true"]),
        ("money", "VARCHAR", ["12.34"], ["$12.34"]),
    ],
)  # fmt: skip
def test_a_declared_type(
    postgres: PostgresServer,
    url: str,
    source: PostgresSource,
    native: str,
    declared: str,
    texts: list[str],
    expected: list[Any],
) -> None:
    fill(postgres, url, native, texts)
    select = select_all(described(source, "v"), "x", types={"x": parse_type(declared)}, tail="ORDER BY t.id")
    assert repr(plain(read(source, select))) == repr(expected)


@pytest.mark.parametrize(
    ("native", "declared", "bad"),
    [
        ("numeric", "DECIMAL(10,2)", "1.234"),
        ("numeric", "DECIMAL(10,2)", "123456789.00"),
        ("text", "INTEGER", "1abc"),
        ("text", "INTEGER", ""),
        ("text", "DOUBLE", "1e400"),
        ("text", "DOUBLE", "1e-400"),
        ("bigint", "INTEGER", "2147483648"),
        ("integer", "BOOLEAN", "2"),
        ("timestamptz", "TIMESTAMP", "2024-01-01"),
        ("timestamp", "TIMESTAMPTZ", "2024-01-01"),
        ("timestamp", "DATE", "2024-01-01 01:00"),
        ("double precision", "FLOAT", "0.123456789012"),
        ("real", "DECIMAL(9,2)", "Infinity"),
    ],
)
def test_a_value_that_is_not_of_the_declared_type(
    postgres: PostgresServer, url: str, source: PostgresSource, native: str, declared: str, bad: str
) -> None:
    fill(postgres, url, native, [bad])
    with pytest.raises(ValueNotRepresentable, match="id = '0'"):
        read(source, select_all(described(source, "v"), "x", types={"x": parse_type(declared)}))


def test_text_of_every_kind_survives(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    """Random texts over the characters that mean something to COPY, to CSV or to Arrow."""
    rng = random.Random(7)
    alphabet = "\\\\\\\t\n\r\b\f\v\"',|NnrtbfvxX.0 \ufeffé😀\x01\x1f\x7f\u2028" + string.ascii_letters
    texts: list[str | None] = ["".join(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(3000)]
    texts[5] = None
    with postgres.connect(url) as connection:
        connection.execute("CREATE TABLE s (id int, x text, y text)")
        with connection.cursor() as cursor, cursor.copy("COPY s FROM STDIN") as copy:
            for number, text in enumerate(texts):
                copy.write_row((number, text, text))
    table = described(source, "s")
    assert read(source, select_all(table, "x", tail="ORDER BY id"))["x"].to_pylist() == texts
    assert read(source, select_all(table, "y", "x", tail="ORDER BY id"))["y"].to_pylist() == texts


def test_rows_longer_than_what_is_read_at_once(source: PostgresSource) -> None:
    select = expression("repeat(chr(9) || n, 700000 * (n % 2) + 1)", Type("VARCHAR"), "FROM generate_series(1, 9) n")
    texts = read(source, select)["x"].to_pylist()
    assert texts == [f"\t{n}" * (700000 * (n % 2) + 1) for n in range(1, 10)]


def test_one_odd_value_in_a_large_pull(source: PostgresSource) -> None:
    """The block with the odd value takes the slow way, the others do not become different by it."""
    sql = "CASE WHEN n = 150000 THEN date 'infinity' ELSE date '2000-01-01' + n END"
    table = read(source, expression(sql, Type("DATE"), "FROM generate_series(1, 300000) n"))
    days = table["x"].cast(pa.int32()).to_pylist()
    assert days[149999] == 2**31 - 1
    assert [day for index, day in enumerate(days) if index != 149999] == [
        10957 + n for n in range(1, 300001) if n != 150000
    ]


def test_no_columns_only_rows(source: PostgresSource) -> None:
    from fedq.fetch.source import Select

    session = source.open()
    batches = list(session.read(Select((), "FROM generate_series(1, 70000)")))
    session.close()
    assert sum(batch.num_rows for batch in batches) == 70000
    assert batches[0].num_columns == 0


def test_no_rows_is_one_empty_batch(source: PostgresSource) -> None:
    session = source.open()
    (batch,) = session.read(expression("1", Type("INTEGER"), "WHERE false"))
    session.close()
    assert batch.num_rows == 0
    assert batch.schema.field("x").type == pa.int32()


def test_distinct_and_order_are_not_changed_by_how_values_travel(
    postgres: PostgresServer, url: str, source: PostgresSource
) -> None:
    from dataclasses import replace

    fill(postgres, url, "money", ["10", "9", "10"])
    select = replace(select_all(described(source, "v"), "x", tail="ORDER BY t.x"), is_distinct=True)
    assert plain(read(source, select)) == [Decimal("9.00"), Decimal("10.00")]


def test_a_database_of_another_encoding(postgres: PostgresServer, source: PostgresSource) -> None:
    postgres.sql(
        "CREATE DATABASE latin OWNER app ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        "postgres",
        admin=True,
    )
    postgres.sql("CREATE TABLE l (id int primary key, x text); INSERT INTO l VALUES (1, 'éa')", "latin")
    with source_on(postgres.url_of("latin")) as latin:
        table = described(latin, "l")
        assert table.columns[1].comparison is Comparison.EQUALITY
        assert plain(read(latin, select_all(table, "x"))) == ["éa"]


def test_bytes_that_are_no_text(postgres: PostgresServer) -> None:
    """A database in SQL_ASCII stores whatever it is given."""
    postgres.sql(
        "CREATE DATABASE ascii OWNER app ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        "postgres",
        admin=True,
    )
    postgres.sql("CREATE TABLE l (id int primary key, x text); INSERT INTO l VALUES (1, 'ok'), (2, E'\\xff')", "ascii")
    with source_on(postgres.url_of("ascii")) as source:
        table = described(source, "l")
        with pytest.raises(ValueNotRepresentable, match="UTF-8"):
            read(source, select_all(table, "x"))
        assert plain(read(source, select_all(table, "x", policy="null", tail="ORDER BY id"))) == ["ok", None]
