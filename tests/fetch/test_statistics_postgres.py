"""Statistics of PostgreSQL: estimates beside counts on skewed data, and everything that may be missing or wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedq.fetch.postgres.source import PostgresSource
from fedq.plan.estimate import distinct, filtered, table_estimate, table_rows, width
from tests.fetch.postgres_support import source_on
from tests.fetch.statistics_support import (
    CONDITIONS,
    ROWS,
    bound,
    condition,
    off_by,
    resolve_in,
    zipf_lines,
)
from tests.servers import PostgresServer

MADE = """CREATE TABLE lines (id int PRIMARY KEY, rank int NOT NULL, word text NOT NULL, price numeric(12,2) NOT NULL,
  day date NOT NULL, note varchar(20))"""
OF_WORDS = (
    "word like 'al%'", "word like 'p%'", "word like 'alb%'", "word like '%or'", "word not like 'al%'", "word > 'k'",
    "word between 'b' and 'd'", "word >= 'go' and word < 'hu'", "length(word) = 6", "substr(word, 1, 2) in ('al', 'be')",
    "extract(year from day) = 1996",
)  # fmt: skip


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> str:
    """The URL of a database with the skewed table in it, analyzed, and other tables that are hard to know anything of."""
    name = postgres.new_database()
    with postgres.connect(name) as connection:
        connection.execute(MADE)
        with connection.cursor().copy("COPY lines FROM STDIN") as copy:
            for line in zipf_lines():
                copy.write_row((line.id, line.rank, line.word, line.price, line.day, line.note))
        connection.execute("CREATE VIEW seen AS SELECT * FROM lines WHERE rank < 10")
        connection.execute("CREATE TABLE never (id int, name text)")
        connection.execute("INSERT INTO never SELECT i, 'x' FROM generate_series(1, 1000) i")
        connection.execute("CREATE TABLE parts (id int, kind text) PARTITION BY RANGE (id)")
        for low in (0, 5000):
            connection.execute(f"CREATE TABLE parts_{low} PARTITION OF parts FOR VALUES FROM ({low}) TO ({low + 5000})")
        connection.execute("INSERT INTO parts SELECT i, 'kind ' || i % 4 FROM generate_series(0, 9999) i")
        connection.execute("""CREATE TABLE odd (at timestamptz, naive timestamp, far date, flag boolean, u uuid,
          tags text[], j jsonb, big text)""")
        connection.execute("""INSERT INTO odd SELECT timestamptz '2024-01-01 00:00:00+05' + i * interval '1 hour',
          timestamp '2024-01-01' + i * interval '1 hour', CASE WHEN i % 2 = 0 THEN 'infinity' ELSE date '0044-03-15 BC'
          END, i % 4 = 0, md5(i::text)::uuid, ARRAY['a'], '{}', repeat('x', 900) || i FROM generate_series(1, 1000) i""")
        connection.execute("ANALYZE lines, parts, odd")
    return name


@pytest.fixture
def source(database: str) -> Iterator[PostgresSource]:
    with source_on(database) as found:
        yield found


def test_estimates_are_near_the_truth(postgres: PostgresServer, database: str, source: PostgresSource) -> None:
    table = bound(source, "lines")
    wrong = {}
    counts = ", ".join(f"count(*) FILTER (WHERE {text})" for text in (*CONDITIONS, *OF_WORDS))
    [counted] = postgres.sql(f"SELECT {counts} FROM lines", database)
    for text, rows in zip((*CONDITIONS, *OF_WORDS), counted, strict=True):
        found = filtered(table, [condition(text)], resolve_in(table))
        assert found.is_known, text
        if off_by(found.rows, rows) > 3:
            wrong[text] = (found.rows, rows)
    assert not wrong


def test_what_is_known_of_columns(source: PostgresSource) -> None:
    table = bound(source, "lines")
    counts = {column.name: distinct(table, column) for column in table.columns}
    lines = zipf_lines()
    assert counts["id"] == table_rows(table) == pytest.approx(ROWS, rel=0.05)
    assert counts["note"] == 50
    for name in ("rank", "word", "day"):
        truth = len({getattr(line, name) for line in lines})
        assert counts[name] == pytest.approx(truth, rel=0.5), name
    assert width(table, table.columns[2]) == pytest.approx(7, abs=1)
    statistics = table.schema.statistics
    assert statistics is not None
    assert statistics.columns["note"].null_share == pytest.approx(0.9, abs=0.05)


def test_a_value_that_is_rare_is_not_taken_for_a_common_one(source: PostgresSource) -> None:
    table = bound(source, "lines")
    rare = filtered(table, [condition("rank = 1999")], resolve_in(table))
    common = filtered(table, [condition("rank = 1")], resolve_in(table))
    assert rare.rows < common.rows / 100


def test_a_partitioned_table_is_known_as_a_whole(source: PostgresSource) -> None:
    table = bound(source, "parts")
    assert table_rows(table) == pytest.approx(10_000, rel=0.1)
    assert distinct(table, table.columns[1]) == 4
    assert filtered(table, [condition("id < 2500")], resolve_in(table)).rows == pytest.approx(2500, rel=0.2)


@pytest.mark.parametrize("name", ["seen", "never"])
def test_a_view_and_a_table_never_analyzed_are_unknown(source: PostgresSource, name: str) -> None:
    table = bound(source, name)
    assert table.schema.statistics is None
    found = filtered(table, [condition("id = 3")], resolve_in(table))
    assert not found.is_known
    assert 1 <= found.rows <= table_rows(table)


def test_types_without_an_order_of_numbers(source: PostgresSource) -> None:
    table = bound(source, "odd")
    resolve = resolve_in(table)
    assert filtered(table, [condition("flag")], resolve).rows == pytest.approx(250, rel=0.1)
    assert filtered(table, [condition("not flag")], resolve).rows == pytest.approx(750, rel=0.1)
    late = filtered(table, [condition("naive >= timestamp '2024-01-31 00:00:00'")], resolve)
    assert late.is_known
    assert late.rows == pytest.approx(281, rel=0.2)
    assert filtered(table, [condition("u = '00000000-0000-0000-0000-000000000000'")], resolve).rows < 5
    # infinity and years before 1 have no Python value: the column counts as one without them
    assert 0 <= filtered(table, [condition("far > date '2000-01-01'")], resolve).rows <= 1000
    for name in ("tags", "j", "big"):
        column = table.column(name)
        assert column is not None
        assert distinct(table, column) is None or distinct(table, column) > 0  # type: ignore[operator]


def test_dates_do_not_depend_on_how_the_server_writes_them(postgres: PostgresServer, database: str) -> None:
    own = database.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {own} SET DateStyle = 'German, DMY'", database)
    try:
        with source_on(database) as source:
            table = bound(source, "lines")
            found = filtered(table, [condition("day >= date '1997-01-01'")], resolve_in(table))
            assert found.is_known
            assert 3000 < found.rows < 9000
    finally:
        postgres.sql(f"ALTER DATABASE {own} RESET DateStyle", database)


def test_who_may_not_read_a_table_learns_nothing_of_its_values(postgres: PostgresServer, database: str) -> None:
    postgres.sql("CREATE ROLE stranger LOGIN PASSWORD 'stranger-pw'", "postgres", admin=True)
    postgres.sql("GRANT SELECT (id) ON lines TO stranger", database)
    url = database.replace("//app:", "//stranger:")
    with source_on(url, "stranger-pw") as source:
        table = bound(source, "lines")
        assert table.schema.statistics is not None
        assert set(table.schema.statistics.columns) == {"id"}
        assert bound(source, "parts").schema.statistics is None


@pytest.mark.parametrize("factor", [0.001, 1000])
def test_statistics_that_are_a_thousand_times_wrong_stay_within_bounds(postgres: PostgresServer, factor: float) -> None:
    name = postgres.new_database()
    with postgres.connect(name, admin=True) as connection:
        connection.execute(
            "CREATE TABLE t (id int PRIMARY KEY, k int); INSERT INTO t SELECT i, i % 100 FROM generate_series(1, 5000) i; ANALYZE t"
        )
        connection.execute("GRANT SELECT ON t TO PUBLIC")
        connection.execute(f"UPDATE pg_class SET reltuples = 5000 * {factor} WHERE oid = 't'::regclass")
    with source_on(name) as source:
        table = bound(source, "t")
        assert table_estimate(table).rows == pytest.approx(5000 * factor, rel=0.1)
        for text in ("k = 5", "k < 50", "id = 3", "id > 10 and k in (1, 2)", "k is null", "not k = 5"):
            assert 1 <= filtered(table, [condition(text)], resolve_in(table)).rows <= table_rows(table), text
