"""Statistics of MariaDB: what indexes tell any user, and what ANALYZE PERSISTENT tells those who may read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from fedq.fetch.mysql.source import MySQLSource
from fedq.fetch.mysql.statistics import statistics
from fedq.plan.estimate import distinct, filtered, table_rows
from tests.fetch.mysql_support import source_on
from tests.fetch.statistics_support import CONDITIONS, ROWS, bound, condition, off_by, resolve_in, zipf_lines
from tests.servers import MariaDBServer

#: what the spread of an indexed column tells
OF_RANGES = [
    text for text in CONDITIONS
    if text.startswith(("id", "day")) and "rank" not in text and "day = " not in text
]  # fmt: skip


@pytest.fixture(scope="module")
def database(mariadb: MariaDBServer) -> str:
    """The URL of a database with the skewed table in it."""
    url = mariadb.new_database()
    with mariadb.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("""CREATE TABLE `lines` (id int PRIMARY KEY, `rank` int NOT NULL, word varchar(20) NOT NULL,
          price decimal(12,2) NOT NULL, day date NOT NULL, note varchar(20), INDEX (day), INDEX (`rank`), INDEX (price))""")
        rows = [(line.id, line.rank, line.word, line.price, line.day, line.note) for line in zipf_lines()]
        cursor.executemany("INSERT INTO `lines` VALUES (%s, %s, %s, %s, %s, %s)", rows)
        cursor.execute("CREATE VIEW seen AS SELECT * FROM `lines` WHERE `rank` < 10")
        cursor.execute("CREATE TABLE empty (id int PRIMARY KEY, k int, INDEX (k))")
        cursor.execute("CREATE TABLE bare (x int, at timestamp, INDEX (at))")
        cursor.execute("INSERT INTO bare VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 00:00:00'), (NULL, NULL)")
        cursor.execute("ANALYZE TABLE `lines`, empty, bare")
        connection.commit()
    return url


@pytest.fixture
def source(database: str) -> Iterator[MySQLSource]:
    with source_on(database) as found:
        yield found


def _wrong(source: MySQLSource, mariadb: MariaDBServer, database: str, conditions: Sequence[str]) -> dict[str, object]:
    table = bound(source, "lines")
    assert table_rows(table) == pytest.approx(ROWS, rel=0.2)
    wrong = {}
    counts = ", ".join(f"sum({text})" for text in conditions)
    [counted] = mariadb.sql(f"SELECT {counts} FROM `lines`".replace("rank", "`rank`"), database)
    for text, rows in zip(conditions, counted, strict=True):
        found = filtered(table, [condition(text)], resolve_in(table))
        if not found.is_known or off_by(found.rows, float(rows)) > 3:
            wrong[text] = (found, rows)
    return wrong


def test_ranges_by_looking_into_the_indexes(source: MySQLSource, mariadb: MariaDBServer, database: str) -> None:
    assert not _wrong(source, mariadb, database, OF_RANGES)


def test_different_values_of_indexed_columns(source: MySQLSource) -> None:
    table = bound(source, "lines")
    lines = zipf_lines()
    for name in ("rank", "day", "price"):
        column = table.column(name)
        assert column is not None
        truth = len({getattr(line, name) for line in lines})
        assert off_by(distinct(table, column) or 0, truth) < 4, name  # InnoDB looks at 20 pages
    note = table.column("note")
    assert note is not None
    assert distinct(table, note) is None


def test_nothing_reads_the_rows(database: str, mariadb: MariaDBServer) -> None:
    with source_on(database) as source:
        described = bound(source, "lines", has_statistics=False).schema
        asked: list[str] = []

        def ask(sql: str) -> list[list[bytes | None]]:
            asked.append(sql)
            return source._ask_briefly(lambda link: link.wire.ask(sql))

        statistics(ask, lambda _: [], [described])
        assert len(asked) == 3
        ends = asked[1]
        plan = mariadb.sql(f"EXPLAIN {ends}", database)
        assert all(row[-1] in ("No tables used", "Select tables optimized away") or row[3] is None for row in plan), (
            plan
        )


def test_what_any_table_may_be(source: MySQLSource) -> None:
    assert bound(source, "seen").schema.statistics is None
    for name in ("empty", "bare"):
        table = bound(source, name)
        assert table.schema.statistics is not None
        for text in ("id = 3", "k > 5", "x = 1", "at > timestamp '2024-01-01 12:00:00'", "x is null"):
            assert filtered(table, [condition(text)], resolve_in(table)).rows <= max(10, table_rows(table)), text


@pytest.mark.parametrize("kind", ["DOUBLE_PREC_HB", "JSON_HB"])
def test_what_analyze_wrote_down_for_who_may_read_it(mariadb: MariaDBServer, kind: str) -> None:
    url = mariadb.new_database()
    name = url.rpartition("/")[2]
    with mariadb.connect(url, admin=True) as connection, connection.cursor() as cursor:
        cursor.execute("""CREATE TABLE `lines` (id int PRIMARY KEY, `rank` int NOT NULL, word varchar(20) NOT NULL,
          price decimal(12,2) NOT NULL, day date NOT NULL, note varchar(20))""")
        rows = [(line.id, line.rank, line.word, line.price, line.day, line.note) for line in zipf_lines()]
        cursor.executemany("INSERT INTO `lines` VALUES (%s, %s, %s, %s, %s, %s)", rows)
        connection.commit()
        cursor.execute(f"SET histogram_type = '{kind}', histogram_size = 254")
        cursor.execute("ANALYZE TABLE `lines` PERSISTENT FOR ALL")
        cursor.execute(f"CREATE USER reader_{kind}@'127.0.0.1' IDENTIFIED BY 'reader-pw'")
        cursor.execute(f"GRANT SELECT ON `{name}`.* TO reader_{kind}@'127.0.0.1'")
        cursor.execute(f"GRANT SELECT ON mysql.column_stats TO reader_{kind}@'127.0.0.1'")
    with source_on(url.replace("//app:", f"//reader_{kind}:"), "reader-pw") as source:
        conditions = [text for text in CONDITIONS if "=" not in text.replace(">=", "").replace("<=", "")]
        if kind != "JSON_HB":  # without parts of one value, what is common is not known to be
            conditions = [text for text in conditions if "rank" not in text and "note" not in text]
        assert not _wrong(source, mariadb, url, [*conditions, "note is null"])
