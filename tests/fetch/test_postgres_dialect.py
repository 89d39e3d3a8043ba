"""What the PostgreSQL dialect claims, asked of a PostgreSQL: literals say the value, comparisons mean what DuckDB means."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from fedq.dialects.base import Unsayable
from fedq.dialects.postgres import POSTGRES
from fedq.fetch.postgres.source import PostgresSource
from fedq.types import BIGINT, BOOLEAN, VARCHAR, Comparison, Type
from tests.fetch.postgres_support import described, expression, read, select_all, source_on
from tests.servers import PostgresServer

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database("dialect")


@pytest.fixture(scope="module")
def source(url: str) -> Iterator[PostgresSource]:
    with source_on(url) as source:
        yield source


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, "BOOLEAN"), (False, "BOOLEAN"), (0, "INTEGER"), (-(2**63), "BIGINT"), (2**63 - 1, "BIGINT"),
        (NAN, "DOUBLE"), (INF, "DOUBLE"), (-INF, "DOUBLE"), (0.1, "DOUBLE"), (-0.0, "DOUBLE"), (5e-324, "DOUBLE"),
        (1.7976931348623157e308, "DOUBLE"), (Decimal("1.50"), "DECIMAL"), (Decimal("-1E+5"), "DECIMAL"),
        ("", "VARCHAR"), ("it's \\' \n\t\\N é😀 $$", "VARCHAR"), (b"", "BLOB"), (b"\x00\\'\xff", "BLOB"),
        (dt.date(1, 1, 1), "DATE"), (dt.date(9999, 12, 31), "DATE"),
        (dt.datetime(2024, 3, 31, 2, 30, 0, 1), "TIMESTAMP"), (dt.datetime(1, 1, 1), "TIMESTAMP"),
        (dt.datetime(2024, 1, 1, 0, 0, 0, 5, dt.timezone(dt.timedelta(hours=5))), "TIMESTAMPTZ"),
        (uuid.UUID(int=2**128 - 1), "UUID"),
    ],
)  # fmt: skip
def test_a_literal_says_the_value(source: PostgresSource, value: Any, type_: str) -> None:
    wanted = Type(type_, 20, 2) if type_ == "DECIMAL" else Type(type_)
    (got,) = read(source, expression(POSTGRES.literal(value), wanted))["x"].to_pylist()
    assert repr(got) == repr(value) or got == value or str(got) == str(value)
    assert type_ != "DOUBLE" or repr(got) == repr(value)


def test_what_cannot_be_said() -> None:
    for value in ("nul\0", "half \ud83d", Decimal("NaN"), object()):
        with pytest.raises(Unsayable):
            POSTGRES.literal(value)
    assert POSTGRES.quote("é" * 31) == '"' + "é" * 31 + '"'
    with pytest.raises(Unsayable):
        POSTGRES.quote("é" * 32)  # 64 bytes: PostgreSQL would cut it without an error


def test_any_name_can_be_quoted(source: PostgresSource) -> None:
    for name in ('a"b', "Select", "a`b", "a.b", " ", "é😀", "--", "'", "a\nb", "$1", ":x", "%s"):
        session = source.open()
        (batch,) = session.native(f"SELECT 1 AS {POSTGRES.quote(name)}")
        session.close()
        assert batch.schema.names == [name]


def test_text_columns_compare_as_their_description_says(
    postgres: PostgresServer, url: str, source: PostgresSource
) -> None:
    """SAME is DuckDB's answer to every operator; EQUALITY to `=`; LOOSE never loses a row; by_bytes makes them all SAME."""
    rng = random.Random(3)
    texts = {"".join(rng.choices("aAbBáÄß _-.\\%\U0001f600\ue000zZ09", k=rng.randrange(5))) for _ in range(120)}
    words = sorted(texts | {"a", "A", "a ", "é", "e", "E\u0301", "", "\uffff", "\U00010000"})
    postgres.sql(
        """CREATE EXTENSION IF NOT EXISTS citext; CREATE COLLATION lo (provider = icu, locale = 'und-u-ks-level1', deterministic = false)""",
        url, admin=True,
    )  # fmt: skip
    postgres.sql(
        """CREATE TABLE words (id int, c text COLLATE "C", u text, i text COLLATE "de-x-icu", n text COLLATE lo, b char(6), k citext,
                               m name)""",
        url,
    )
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO words VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [(i, *[w] * 7) for i, w in enumerate(words)]
        )
    table = described(source, "words")
    local = duckdb.connect()
    local.register("words", read(source, select_all(table)))

    def here(name: str, condition: str) -> set[int]:
        return {row[0] for row in local.execute(f"SELECT id FROM words WHERE {condition.format(name)}").fetchall()}

    server = postgres.connect(url)

    def there(sql: str, condition: str) -> set[int]:
        return {row[0] for row in server.execute(f"SELECT id FROM words WHERE {condition.format(sql)}").fetchall()}

    for column in table.columns[1:]:
        exact = POSTGRES.by_bytes(f'"{column.physical}"', column)
        assert exact is not None
        for word in rng.sample(words, 25):
            literal = POSTGRES.literal(word)
            for operator in ("=", "<", ">=", "<>"):
                condition = f"{{}} {operator} {literal}"
                answer = here(column.name, condition)
                assert there(exact, condition) == answer, (column.name, condition)
                if column.comparison is Comparison.SAME or (
                    column.comparison is Comparison.EQUALITY and operator in ("=", "<>")
                ):
                    assert there(column.physical, condition) == answer, (column.name, condition)
                elif column.comparison is Comparison.LOOSE and operator == "=":
                    assert there(column.physical, condition) >= answer
        order = server.execute(f"SELECT id FROM words ORDER BY {exact}, id").fetchall()
        assert order == local.execute(f"SELECT id FROM words ORDER BY {column.name}, id").fetchall()
    server.close()


def test_like_is_duckdbs(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    words = ["a_b", "a\\_b", "axb", "a%b", "éa", "Éa", "e\u0301a", "a\nb", "", "\\", "a\\", "😀x", "abc "]
    patterns = ["a_b", "a\\_b", "a%", "%b", "_a", "é%", "É_", "%", "_", "", "\\", "%\\", "a\\%", "%\n%", "__", "abc%"]
    postgres.sql('CREATE TABLE lk (id int, c text, i text COLLATE "de-x-icu", b char(8))', url)
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO lk VALUES (%s, %s, %s, %s)", [(i, w, w, w) for i, w in enumerate(words)])
    table = described(source, "lk")
    local = duckdb.connect()
    local.register("lk", read(source, select_all(table)))
    server = postgres.connect(url)
    for column in table.columns[1:]:
        for pattern in patterns:
            said = POSTGRES.like(column.physical, column, POSTGRES.literal(pattern))
            assert said is not None
            assert said[1]
            theirs = server.execute(f"SELECT id FROM lk WHERE {said[0]} ORDER BY id").fetchall()
            ours = local.execute(f"SELECT id FROM lk WHERE {column.name} LIKE ? ORDER BY id", [pattern]).fetchall()
            assert theirs == ours, (column.name, pattern)
    server.close()
    assert POSTGRES.like("id", table.columns[0], "'a'") is None


def test_many_keys(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        "CREATE TABLE keyed AS SELECT i AS a, 'k' || i AS t, i::smallint AS s FROM generate_series(-100, 30000) i", url
    )
    table = described(source, "keyed")
    wanted = range(-100, 30000, 3)
    literals = [POSTGRES.literal(key) for key in wanted]
    for column in (table.columns[0], table.columns[2]):
        sql = POSTGRES.keys(column.physical, column, literals)
        assert read(source, select_all(table, "a", tail=f"WHERE {sql} ORDER BY a"))["a"].to_pylist() == list(wanted)
    sql = POSTGRES.keys("t", table.columns[1], [POSTGRES.literal("k1"), POSTGRES.literal("k'")])
    assert read(source, select_all(table, "t", tail=f"WHERE {sql}"))["t"].to_pylist() == ["k1"]
    too_large = POSTGRES.keys("a", table.columns[0], [str(2**64), "(-5)"])
    assert read(source, select_all(table, "a", tail=f"WHERE {too_large}"))["a"].to_pylist() == [-5]


@pytest.mark.parametrize(
    "type_", ["double precision", "date", "timestamp", "bytea", "uuid", "boolean", "time", "numeric(9,2)"]
)
def test_types_that_compare_the_same(postgres: PostgresServer, url: str, source: PostgresSource, type_: str) -> None:
    values = {
        "double precision": ["NaN", "Infinity", "-Infinity", "0", "-0", "0.1", "1e300"],
        "date": ["infinity", "-infinity", "2024-01-01", "0044-03-15 BC", "99999-01-01"],
        "timestamp": ["infinity", "-infinity", "2024-01-01 00:00:00.000001", "0044-03-15 BC"],
        "bytea": ["\\x", "\\x00", "\\xff", "\\x7f80", "\\x0001"],
        "uuid": ["00000000-0000-0000-0000-000000000001", "7fffffff-0000-0000-0000-000000000000", "ffffffff-0000-0000-0000-000000000000"],
        "boolean": ["t", "f"],
        "time": ["00:00", "12:00:00.5", "23:59:59.999999"],
        "numeric(9,2)": ["-1", "0", "0.01", "9999999.99"],
    }[type_]  # fmt: skip
    postgres.sql(f"DROP TABLE IF EXISTS cmp; CREATE TABLE cmp (id int, x {type_})", url)
    with postgres.connect(url) as connection:
        for number, value in enumerate([*values, None]):
            connection.execute(f"INSERT INTO cmp VALUES (%s, %s::text::{type_})", (number, value))
    table = described(source, "cmp")
    assert table.columns[1].comparison is Comparison.SAME
    local = duckdb.connect()
    arrow = read(source, select_all(table))
    local.register("arrived", arrow)
    local.execute(f"CREATE TABLE cmp AS SELECT id, x::{table.columns[1].type} AS x FROM arrived")
    pairs = "SELECT a.id, b.id, a.x = b.x, a.x < b.x FROM cmp a, cmp b ORDER BY 1, 2"
    assert postgres.sql(pairs, url) == local.execute(pairs).fetchall()


def test_floats_of_four_bytes_are_left_alone(source: PostgresSource, postgres: PostgresServer, url: str) -> None:
    """`f = 0.1` has other answers here and there, which is why the description says so."""
    postgres.sql("CREATE TABLE f4 (f real); INSERT INTO f4 VALUES (0.1)", url)
    table = described(source, "f4")
    assert table.columns[0].comparison is Comparison.UNLIKE
    local = duckdb.connect()
    local.register("f4", read(source, select_all(table)))
    assert local.execute("SELECT count(*) FROM f4 WHERE f = 0.1").fetchall() == [(1,)]
    assert postgres.sql("SELECT count(*) FROM f4 WHERE f = 0.1", url) == [(0,)]


def test_what_has_no_bytes_to_compare(source: PostgresSource, postgres: PostgresServer, url: str) -> None:
    postgres.sql(
        "CREATE TYPE word AS ENUM ('b', 'a'); CREATE TABLE nb (i inet, n int, e word); INSERT INTO nb VALUES ('::1', 1, 'a')",
        url,
    )
    inet, number, enum = described(source, "nb").columns
    assert POSTGRES.by_bytes("i", inet) is None
    assert POSTGRES.by_bytes("n", number) is None
    assert read(source, expression(f"{POSTGRES.by_bytes('e', enum)} = 'zzz'", BOOLEAN, "FROM nb"))["x"].to_pylist() == [
        False
    ]
    assert read(source, expression("count(*)", BIGINT, "FROM nb"))["x"].to_pylist() == [1]
    assert read(source, expression("e", VARCHAR, "FROM nb"))["x"].to_pylist() == ["a"]
