"""What the MySQL dialect says means on the server what it means in DuckDB: each claim over every kind of collation."""

from __future__ import annotations

import datetime as dt
import math
import operator
import random
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fedq.catalog.schema import Column
from fedq.dialects.base import Unsayable
from fedq.dialects.mysql import MYSQL, type_of
from fedq.fetch.mysql.source import MySQLSource
from fedq.types import BIGINT, VARCHAR, Comparison, Type
from tests.fetch.mysql_support import described, expression, native, read, source_on
from tests.servers import MariaDBServer

COLLATIONS = [
    "latin1_swedish_ci", "latin1_bin", "latin1_nopad_bin", "ascii_general_ci", "utf8mb3_general_ci", "utf8mb3_nopad_bin",
    "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_nopad_bin", "utf8mb4_uca1400_ai_ci", "utf16_general_ci",
    "sjis_japanese_ci",
]  # fmt: skip
VALUES = ["a", "A", "a ", "b", "B", "é", "e", "_", "", "Z", "ß", "ss", "ab", "a\t", "ł", "😀", "日本", "%", "it's", "\\", "a\0", "?",
          "a_b", "ＡＢ"]  # fmt: skip
OPERATORS: dict[str, Callable[[bytes, bytes], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@pytest.fixture(scope="module")
def url(mariadb: MariaDBServer) -> str:
    url = mariadb.new_database("dialect")
    columns = ", ".join(f"{name} varchar(20) collate {name}, key ({name})" for name in COLLATIONS)
    mariadb.sql(f"create table t (id int primary key, {columns}, plain varchar(20))", url)
    with mariadb.connect(url) as connection, connection.cursor() as cursor:
        for number, value in enumerate(VALUES):
            cursor.execute("insert into t (id, plain) values (%s, %s)", (number, value))
            for name in COLLATIONS:
                charset = name.partition("_")[0]
                cursor.execute(
                    f"update t set {name} = %s where id = %s and convert(convert(%s using {charset}) using utf8mb4)"
                    " = %s collate utf8mb4_nopad_bin",
                    (value, number, value, value),
                )
        many = ", ".join("concat('q', seq)" for _ in COLLATIONS)
        cursor.execute(f"insert into t select 1000 + seq, {many}, 'q' from seq_1_to_2000")
        cursor.execute("analyze table t")
    return url


@pytest.fixture(scope="module")
def source(url: str) -> Iterator[MySQLSource]:
    with source_on(url) as source:
        yield source


@pytest.fixture(scope="module")
def stored(source: MySQLSource) -> dict[str, dict[int, str]]:
    """Per collation: id → the text that is stored."""
    table: dict[str, dict[int, str]] = {}
    for name in COLLATIONS:
        rows = native(source, f"select id, {name} s from t where id < 1000 and {name} is not null").to_pylist()
        table[name] = {row["id"]: row["s"] for row in rows}
    assert all(set(texts.values()) <= set(VALUES) for texts in table.values())
    assert len(table["utf8mb4_bin"]) == len(VALUES)
    return table


def column_of(source: MySQLSource, name: str) -> Column:
    return next(column for column in described(source, "t").columns if column.name == name)


def ids(source: MySQLSource, condition: str) -> list[int]:
    return sorted(read(source, expression("id", BIGINT, f"FROM t WHERE ({condition}) AND id < 1000"))["x"].to_pylist())


@pytest.mark.parametrize("name", COLLATIONS)
def test_same_text_is_equality_of_bytes_by_the_index(
    source: MySQLSource, stored: dict[str, dict[int, str]], name: str
) -> None:
    column, sql = column_of(source, name), MYSQL.quote(name)
    assert column.collation == name
    for value in VALUES:
        said = MYSQL.same_text(sql, column, [MYSQL.literal(value)])
        assert said is not None
        assert ids(source, said) == [number for number, text in stored[name].items() if text == value], value
    literals = [MYSQL.literal(value) for value in ("a", "é", "😀", "zz")]
    several = MYSQL.keys(sql, column, literals)
    assert ids(source, several) == [number for number, text in stored[name].items() if text in ("a", "é", "😀")]
    for condition in (MYSQL.same_text(sql, column, ["'b'"]), MYSQL.same_text(sql, column, ["'b'", "'q7'"])):
        plan = native(source, f"explain select id from t where {condition}").to_pylist()
        is_found = (plan[0]["key"], plan[0]["type"]) in ((name, "ref"), (name, "range"))
        assert is_found == (column.comparison is not Comparison.BYTES)


@pytest.mark.parametrize("name", COLLATIONS)
def test_by_bytes_compares_and_orders_bytes(source: MySQLSource, stored: dict[str, dict[int, str]], name: str) -> None:
    column, sql = column_of(source, name), MYSQL.quote(name)
    said = MYSQL.by_bytes(sql, column)
    for value in ("a", "B", "é", "😀", "", "a\0"):
        for sign, compare in OPERATORS.items():
            right = [number for number, text in stored[name].items() if compare(text.encode(), value.encode())]
            assert ids(source, f"{said} {sign} {MYSQL.literal(value)}") == right, (sign, value)
    listed = read(source, expression("id", BIGINT, f"FROM t WHERE {sql} IS NOT NULL AND id < 1000 ORDER BY {said}"))
    assert listed["x"].to_pylist() == sorted(stored[name], key=lambda number: stored[name][number].encode())
    top = read(source, expression(f"max({said})", VARCHAR, "FROM t WHERE id < 1000"))["x"].to_pylist()
    assert top == [max(stored[name].values(), key=str.encode)]


@pytest.mark.parametrize("name", COLLATIONS)
def test_like_is_by_code_points_without_escapes(
    source: MySQLSource, stored: dict[str, dict[int, str]], name: str
) -> None:
    import duckdb

    column = column_of(source, name)
    engine = duckdb.connect()
    for pattern in ("a%", "_", "é%", "%", "a_b", "a\\_b", "\\", "A%", "% ", "%s", "😀", "__", ""):
        said = MYSQL.like(MYSQL.quote(name), column, MYSQL.literal(pattern))
        assert said is not None
        assert said[1]
        texts = stored[name]
        right = [
            number
            for number in texts
            if engine.execute("select ? like ?", [texts[number], pattern]).fetchone() == (True,)
        ]
        assert ids(source, said[0]) == right, pattern
    engine.close()


@pytest.mark.parametrize("name", COLLATIONS)
def test_what_is_called_the_same_is_the_same(source: MySQLSource, stored: dict[str, dict[int, str]], name: str) -> None:
    column, sql = column_of(source, name), MYSQL.quote(name)
    if column.comparison is Comparison.SAME:
        for value in VALUES:
            for sign, compare in OPERATORS.items():
                right = [number for number, text in stored[name].items() if compare(text.encode(), value.encode())]
                assert ids(source, f"{sql} {sign} {MYSQL.literal(value)}") == right, (sign, value)
        groups = read(source, expression("count(distinct " + sql + ")", BIGINT, "FROM t WHERE id < 1000"))["x"]
        assert groups.to_pylist() == [len(set(stored[name].values()))]
    else:
        assert column.comparison is (Comparison.BYTES if name.startswith("sjis") else Comparison.LOOSE)


def test_a_loose_date_is_a_superset(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    """Also with an index, fractions of seconds the column has not, and instants its type has not."""
    mariadb.sql(
        "set sql_mode = ''; create or replace table d (id int primary key, d date, t datetime, z timestamp null, key (d), key (t),"
        " key (z)); insert into d values (1, '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00'), (2, '2024-01-02',"
        " '2024-01-01 00:00:01', '2024-01-01 00:00:01'), (3, '0000-00-00', '0000-00-00', '0000-00-00'), (4, null, null, null);"
        " insert into d select 100 + seq, '2030-01-01', '2030-01-01', '2030-01-01' from seq_1_to_500; analyze table d",
        url,
    )
    moments = [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 0, 0, 0, 500_000), dt.datetime(2024, 1, 1, 0, 0, 1),
               dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), dt.datetime(2025, 1, 1)]  # fmt: skip
    rows = {1: dt.datetime(2024, 1, 1), 2: dt.datetime(2024, 1, 1, 0, 0, 1)}
    for name in "tz":
        for moment in moments:
            for sign, compare in OPERATORS.items():
                literal = MYSQL.literal(moment if name == "t" else moment.replace(tzinfo=dt.UTC))
                got = read(source, expression("id", BIGINT, f"FROM d WHERE {name} {sign} {literal}"))["x"].to_pylist()
                right = {number for number, stored in rows.items() if compare(stored, moment)}  # type: ignore[arg-type]
                assert right <= set(got), (name, sign, moment)
    for day in (dt.date(2024, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31)):
        for sign, compare in OPERATORS.items():
            got = read(source, expression("id", BIGINT, f"FROM d WHERE d {sign} {MYSQL.literal(day)}"))["x"].to_pylist()
            days = {1: dt.date(2024, 1, 1), 2: dt.date(2024, 1, 2)}
            assert {number for number in days if compare(days[number], day)} <= set(got), (sign, day)  # type: ignore[arg-type]


def test_a_loose_enum_or_set_is_a_superset(mariadb: MariaDBServer, url: str, source: MySQLSource) -> None:
    mariadb.sql(
        "set sql_mode = ''; create or replace table e (id int, e enum('a','b','2'), s set('x','y'), key (e), key (s)); insert into e"
        " values (1, 'a', 'x,y'), (2, 'wrong', ''), (3, '2', 'y'), (4, null, null); insert into e select 9, 'b', 'x' from"
        " seq_1_to_500",
        url,
    )
    stored = native(source, "select id, e, s from e where id < 9").to_pylist()
    table = described(source, "e")
    for column in table.columns[1:]:
        for value in ("a", "", "2", "1", "A", "x,y", "y,x", "y", "😀"):
            right = {row["id"] for row in stored if row[column.name] == value}
            for said in (
                MYSQL.same_text(column.name, column, [MYSQL.literal(value)]),
                f"{column.name} = {MYSQL.literal(value)}",
            ):
                got = read(source, expression("id", BIGINT, f"FROM e WHERE {said} AND id < 9"))["x"].to_pylist()
                assert right <= set(got), (column.name, value, said)


LITERALS: list[tuple[Any, str]] = [
    ("it's", "VARCHAR"), ('"', "VARCHAR"), ("\\", "VARCHAR"), ("\\'", "VARCHAR"), ("a\0b", "VARCHAR"), ("é😀\n", "VARCHAR"),
    ("", "VARCHAR"), (b"\x00\xff'", "BLOB"), (b"", "BLOB"), (-5, "BIGINT"), (2**63 - 1, "BIGINT"), (-(2**63), "BIGINT"),
    (2**64 - 1, "UBIGINT"), (Decimal("-1.50"), "DECIMAL(10,2)"), (Decimal("9" * 36 + ".99"), "DECIMAL(38,2)"),
    (True, "BOOLEAN"), (False, "BOOLEAN"), (dt.date(2024, 2, 29), "DATE"), (dt.date(1, 1, 1), "DATE"),
    (dt.datetime(2024, 1, 1, 1, 2, 3, 456789), "TIMESTAMP"), (0.1, "DOUBLE"), (-1.5e300, "DOUBLE"), (5e-324, "DOUBLE"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "type_"), LITERALS)
def test_literals_are_their_values(source: MySQLSource, value: Any, type_: str) -> None:
    from fedq.types import parse_type

    assert read(source, expression(MYSQL.literal(value), parse_type(type_)))["x"].to_pylist() == [value]


def test_doubles_are_read_back_the_same(source: MySQLSource) -> None:
    dice = random.Random(11)
    numbers = [x for x in (struct.unpack("<d", dice.randbytes(8))[0] for _ in range(600)) if math.isfinite(x)]
    listed = " UNION ALL ".join(f"SELECT {number} i, {MYSQL.literal(x)} d" for number, x in enumerate(numbers))
    got = read(source, expression("d", Type("DOUBLE"), f"FROM ({listed}) q ORDER BY i"))["x"].to_pylist()
    assert got == numbers


@pytest.mark.parametrize(
    "value", ["\ud800", math.nan, math.inf, Decimal("NaN"), Decimal("1e-40"), 10**65, dt.timedelta(1), object()]
)
def test_what_cannot_be_said(value: Any) -> None:
    with pytest.raises(Unsayable):
        MYSQL.literal(value)


@pytest.mark.parametrize(
    "name", ["plain", "a`b", 'a"b', "a'b", "a\\b", "select", "é日", "a b", "a.b", "%", "#", "--", "x" * 64]
)
def test_identifiers(mariadb: MariaDBServer, url: str, source: MySQLSource, name: str) -> None:
    quoted = MYSQL.quote(name)
    mariadb.sql(f"create or replace table {quoted} ({quoted} int); insert into {quoted} values (7)", url)
    table = described(source, name)
    assert (table.table.name, table.columns[0].physical) == (name, name)
    assert read(source, expression(quoted, BIGINT, f"FROM {MYSQL.table(table.table.schema, name)}"))[
        "x"
    ].to_pylist() == [7]
    mariadb.sql(f"drop table {quoted}", url)


@pytest.mark.parametrize("name", ["", "a\0", "a ", "x" * 65, "😀"])
def test_identifiers_that_the_server_cannot_have(name: str) -> None:
    with pytest.raises(Unsayable):
        MYSQL.quote(name)


@pytest.mark.parametrize(
    ("native_type", "collation", "octets", "wanted"),
    [
        ("varchar(20)", "utf8mb4_nopad_bin", 80, Comparison.SAME),
        ("varchar(20)", "utf8mb4_0900_bin", 80, Comparison.SAME),
        ("varchar(2000)", "utf8mb4_nopad_bin", 8000, Comparison.LOOSE),
        ("varchar(20)", "utf8mb4_bin", 80, Comparison.LOOSE),
        ("enum('a')", "utf8mb4_nopad_bin", 4, Comparison.LOOSE),
        ("varbinary(20)", None, 20, Comparison.SAME),
        ("longblob", None, 2**32 - 1, Comparison.LOOSE),
        ("binary(20)", None, 20, Comparison.LOOSE),
        ("float", None, None, Comparison.UNLIKE),
        ("time(6)", None, None, Comparison.UNLIKE),
        ("year(4)", None, None, Comparison.UNLIKE),
        ("something_new", None, None, Comparison.UNLIKE),
    ],
)
def test_comparisons(native_type: str, collation: str | None, octets: int | None, wanted: Comparison) -> None:
    assert type_of(native_type, collation=collation, octets=octets)[1] is wanted


def test_columns_that_a_catalog_declares_nocase_are_left_to_it() -> None:
    column = Column("s", VARCHAR, "s", "varchar(9)", comparison=Comparison.LOOSE, collation="nocase")
    assert MYSQL.same_text("s", column, ["'x'"]) is None
    assert MYSQL.by_bytes("s", column) is None
    assert MYSQL.like("s", column, "'x'") is None
    assert MYSQL.keys("s", column, ["'x'", "'y'"]) == "s IN ('x', 'y')"
