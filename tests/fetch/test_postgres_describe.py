"""What a PostgreSQL source says of its tables: as they are now, in one round trip."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fedq.catalog.model import Database
from fedq.catalog.schema import PhysicalTable
from fedq.errors import CatalogError, ConnectionLost
from fedq.fetch.postgres.source import PostgresSource
from fedq.types import Comparison
from tests.fetch.postgres_support import activity, described, read, select_all, source_on
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database("described")


@pytest.fixture(scope="module")
def source(url: str) -> Iterator[PostgresSource]:
    with source_on(url) as source:
        yield source


def test_keys_indexes_nulls(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        """CREATE TABLE k (a int, "B b" text NOT NULL, c int, d int, e int[], gone int, g int GENERATED ALWAYS AS (a + 1) STORED,
                           PRIMARY KEY (c, a));
           ALTER TABLE k DROP COLUMN gone;
           CREATE INDEX ON k (d); CREATE INDEX ON k USING hash ("B b"); CREATE INDEX ON k (lower("B b"));
           CREATE INDEX ON k (g) WHERE a > 0; CREATE INDEX ON k USING gin (e)""",
        url,
    )
    table = described(source, "k")
    assert table.table == PhysicalTable("public", "k")
    assert [column.name for column in table.columns] == ["a", "B b", "c", "d", "e", "g"]
    assert table.key == ("c", "a")
    assert table.indexed == {"c", "d", "B b"}
    assert [column.name for column in table.columns if not column.is_nullable] == ["a", "B b", "c"]
    assert not table.is_view


def test_every_kind_of_table(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        """CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
           CREATE FOREIGN TABLE foreign_one (a int) SERVER files OPTIONS (filename '/dev/null')""",
        url,
        admin=True,
    )
    postgres.sql(
        """CREATE TABLE base (a int); INSERT INTO base SELECT generate_series(1, 1000); ANALYZE base;
           CREATE VIEW v AS SELECT a, a::text AS b FROM base; CREATE MATERIALIZED VIEW m AS SELECT * FROM v; ANALYZE m;
           CREATE TABLE parted (a int) PARTITION BY RANGE (a);
           CREATE TABLE part1 PARTITION OF parted FOR VALUES FROM (0) TO (500);
           CREATE TABLE part2 PARTITION OF parted FOR VALUES FROM (500) TO (5000);
           INSERT INTO parted SELECT a FROM base; ANALYZE parted; CREATE TABLE empty_one (); CREATE SEQUENCE no_table""",
        url,
    )
    assert described(source, "v").is_view
    assert described(source, "v").rows is None
    assert [described(source, name).rows for name in ("base", "m", "parted", "empty_one")] == [1000, 1000, 1000, 0]
    assert described(source, "foreign_one").rows is None
    assert described(source, "empty_one").columns == ()
    assert source.describe([PhysicalTable(None, "no_table")]) == [None]
    names = {table.name for table in source.list_tables()}
    assert {"base", "v", "m", "parted", "foreign_one", "empty_one"} <= names
    assert not names & {"part1", "no_table", "pg_class"}
    postgres.sql("GRANT SELECT ON foreign_one TO app", url, admin=True)
    assert read(source, select_all(described(source, "foreign_one"))).num_rows == 0


def test_rows_of_a_table_that_was_never_analysed(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        "CREATE TABLE fresh AS SELECT i AS id, i::bigint AS b, i::text AS t FROM generate_series(1, 50000) i", url
    )
    rows = described(source, "fresh").rows
    assert rows is not None
    assert 20_000 < rows < 100_000
    postgres.sql("ANALYZE fresh; INSERT INTO fresh SELECT * FROM fresh", url)
    rows = described(source, "fresh").rows
    assert rows is not None
    assert 95_000 < rows < 105_000  # the size now, not at the last ANALYZE


def test_names(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        """CREATE SCHEMA other; CREATE TABLE "Users" (a int); CREATE TABLE users (b int); CREATE TABLE "Only" (a int);
           CREATE TABLE other."Only" (b int); CREATE TABLE other.elsewhere (c int); CREATE TABLE "Ünï" (a int)""",
        url,
    )

    def name(table: str, schema: str | None = None) -> PhysicalTable | None:
        (found,) = source.describe([PhysicalTable(schema, table)])
        return found and found.table

    assert name("users") == PhysicalTable("public", "users")
    assert name("Users") == PhysicalTable("public", "Users")
    assert name("USERS") == PhysicalTable("public", "users")  # as PostgreSQL would fold it
    assert name("only") == PhysicalTable("public", "Only")
    assert name("ONLY", "OTHER") == PhysicalTable("other", "Only")
    assert name("elsewhere") is None
    assert name("elsewhere", "other") == PhysicalTable("other", "elsewhere")
    assert name("ünÏ") == PhysicalTable("public", "Ünï")
    assert name("x'; drop table users; --") is None
    assert name("nul\0") is None
    assert name("half \ud83d") is None
    with source_on(url, schemas=("other",)) as wider:
        assert described(wider, "elsewhere").table.schema == "other"
        assert described(wider, "only").table.schema == "public"
        tables = [PhysicalTable(None, "only"), PhysicalTable(None, "nope"), PhysicalTable("other", "elsewhere")]
        assert [table and table.table.schema for table in wider.describe(tables)] == ["public", None, "other"]
    with source_on(url, schema="other") as inner:
        assert described(inner, "only").table.schema == "other"
        assert inner.describe([PhysicalTable(None, "users")]) == [None]
        assert {table.name for table in inner.list_tables()} == {"Only", "elsewhere"}


def test_what_was_changed_a_moment_ago_is_seen(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql("CREATE TABLE ddl (a int)", url)
    assert [column.native for column in described(source, "ddl").columns] == ["integer"]
    postgres.sql("ALTER TABLE ddl ADD COLUMN b numeric(5,1); ALTER TABLE ddl ALTER COLUMN a TYPE text", url)
    assert [column.native for column in described(source, "ddl").columns] == ["text", "numeric(5,1)"]
    postgres.sql("DROP TABLE ddl; CREATE TABLE ddl (z date)", url)
    assert [column.name for column in described(source, "ddl").columns] == ["z"]
    postgres.sql("DROP TABLE ddl", url)
    assert source.describe([PhysicalTable(None, "ddl")]) == [None]


def test_collations(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql(
        """CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
           CREATE TABLE coll (a text, b text COLLATE "C", c text COLLATE "de-x-icu", d text COLLATE loose, e varchar(3) COLLATE "POSIX",
                              f char(3), g name)""",
        url,
    )
    comparisons = {column.name: (column.comparison, column.collation) for column in described(source, "coll").columns}
    assert comparisons == {
        "a": (Comparison.SAME, "C.UTF-8"),
        "b": (Comparison.SAME, "C"),
        "c": (Comparison.EQUALITY, "de-x-icu"),
        "d": (Comparison.LOOSE, "loose"),
        "e": (Comparison.SAME, "POSIX"),
        "f": (Comparison.LOOSE, "C.UTF-8"),
        "g": (Comparison.LOOSE, "C"),
    }


def test_an_extension_type(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql("CREATE EXTENSION citext; CREATE EXTENSION hstore", url, admin=True)
    postgres.sql("CREATE TABLE ext (c citext, h hstore); INSERT INTO ext VALUES ('Ab', 'a=>1, b=>NULL')", url)
    table = described(source, "ext")
    assert [column.comparison for column in table.columns] == [Comparison.LOOSE, Comparison.UNLIKE]
    assert read(source, select_all(table)).to_pylist() == [{"c": "Ab", "h": '"a"=>"1", "b"=>NULL'}]


def test_it_takes_half_a_millisecond(postgres: PostgresServer, url: str, source: PostgresSource) -> None:
    postgres.sql("CREATE TABLE quick (a int PRIMARY KEY, b text, c numeric(9,2))", url)
    times = []
    for _ in range(50):
        started = time.perf_counter()
        described(source, "quick")
        times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.002


def test_a_table_that_somebody_locks(postgres: PostgresServer, url: str) -> None:
    postgres.sql("CREATE TABLE locked (a int)", url)
    with source_on(url, options={"connect_timeout": 0.5}) as source, postgres.connect(url) as other:
        described(source, "locked")
        with other.transaction():
            other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(ConnectionLost):
                described(source, "locked")
        assert described(source, "locked").columns
    assert activity(postgres, url.rpartition("/")[2], "state = 'active'") == 0


def test_options() -> None:
    def make(url: str, **options: object) -> PostgresSource:
        return PostgresSource(Database("pg", "postgres", url, options=options), lambda: None)

    target = make("postgresql://a%40b@[::1]:5433/x%2Fy", connect_timeout=3, sslmode="verify-full")._target
    assert (target.user, target.host, target.port, target.name) == ("a@b", "::1", 5433, "x/y")
    assert (target.connect_timeout, target.ssl_options) == (3.0, {"sslmode": "verify-full"})
    assert str(make("postgresql:///crm")._target) == "(default user)@localhost:5432/crm"
    with pytest.raises(CatalogError, match="options"):
        make("postgresql://a@b/c", options="-c statement_timeout=0")
    with pytest.raises(CatalogError, match="service"):
        make("postgresql://a@b/c?service=evil")


def test_tls_is_asked_for(url: str) -> None:
    from fedq.errors import ConnectionFailed

    with source_on(url, options={"sslmode": "require"}) as source, pytest.raises(ConnectionFailed):
        source.open()
    with source_on(url, options={"sslmode": "disable", "application_name": "fedq-test"}) as source:
        session = source.open()
        assert next(session.native("show application_name")).to_pylist() == [{"application_name": "fedq-test"}]
        session.close()
