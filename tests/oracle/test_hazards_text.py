"""Text compares by bytes wherever it lives: hazards H01 to H25, and H95, over every engine that can hold the data.

Eleven texts that the databases' own collations confuse: case, accents, a trailing blank, the empty text, NULL. They lie
in columns of several collations: MariaDB's default says 'a' = 'A' = 'a ', ICU's English order says 'a' < 'A' < 'b'.
CSV is not here: it cannot tell the empty text from NULL.
"""

from __future__ import annotations

import pytest

from fedq.errors import ColumnNotFound
from tests.oracle.support import ENGINES, Places

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

TEXTS = [
    (1, "a"),
    (2, "A"),
    (3, "a "),
    (4, "b"),
    (5, "B"),
    (6, "é"),
    (7, "_"),
    (8, ""),
    (9, None),
    (10, "Z"),
    (11, "ß"),
]
COLUMN = {
    "postgres": ("postgres", {}),
    "postgres_icu": ("postgres", {"s": 'text collate "en-US-x-icu"'}),
    "postgres_varchar": ("postgres", {"s": "varchar(20)"}),
    "mariadb": ("mariadb", {"s": "varchar(20) character set utf8mb4 collate utf8mb4_general_ci"}),
    "mariadb_unicode": ("mariadb", {"s": "text character set utf8mb4 collate utf8mb4_unicode_520_ci"}),
    "mariadb_bin": ("mariadb", {"s": "varchar(20) character set utf8mb4 collate utf8mb4_bin"}),
    "mariadb_latin1": ("mariadb", {"s": "varchar(20) character set latin1 collate latin1_swedish_ci"}),
    "sqlite": ("sqlite", {}),
    "sqlite_nocase": ("sqlite", {"s": "TEXT COLLATE NOCASE"}),
    "sqlite_rtrim": ("sqlite", {"s": "TEXT COLLATE RTRIM"}),
    "duckdb": ("duckdb", {}),
    "parquet": ("parquet", {}),
    "json": ("json", {}),
    "frame": ("frame", {}),
}


class Texts:
    """The table T as one engine holds it."""

    def __init__(self, places: Places, table: str) -> None:
        self.places, self.table = places, table

    def ids(self, condition: str) -> set[int]:
        """The ids of the rows that satisfy a condition, the same as the oracle's."""
        return {row[0] for row in self.rows(f"select id from {self.table} where {condition}")}

    def rows(self, sql: str, *, ordered: bool = False):
        return self.places.check(sql.replace("@", self.table), ordered=ordered)


@pytest.fixture(scope="module", params=COLUMN)
def t(request: pytest.FixtureRequest, places: Places) -> Texts:
    engine, native = COLUMN[request.param]
    if engine in ("postgres", "mariadb"):
        request.getfixturevalue(engine)
    if (
        request.param == "postgres_icu"
        and not places.connection("postgres")
        .execute("select 1 from pg_collation where collname = 'en-US-x-icu'")
        .fetchall()
    ):
        pytest.skip("this PostgreSQL was built without ICU")
    places.define("texts", "id BIGINT, s VARCHAR", TEXTS)
    places.put(f"t_{request.param}", engine, source="texts", native=native)
    return Texts(places, f"t_{request.param}")


def test_H01_equality_is_by_bytes(t: Texts) -> None:
    assert t.ids("s = 'a'") == {1}


def test_H02_inequality_loses_no_row(t: Texts) -> None:
    assert t.ids("s <> 'a'") == {2, 3, 4, 5, 6, 7, 8, 10, 11}
    assert t.ids("s not in ('a', 'b')") == {2, 3, 5, 6, 7, 8, 10, 11}
    assert t.ids("s is distinct from 'a'") == {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}


def test_H03_ranges_go_by_bytes(t: Texts) -> None:
    assert t.ids("s > 'B'") == {1, 3, 4, 6, 7, 10, 11}
    assert t.ids("s between 'A' and 'a'") == {1, 2, 5, 7, 10}
    assert t.ids("s <= 'Z'") == {2, 5, 8, 10}


def test_H05_in_means_what_equality_means(t: Texts) -> None:
    assert t.ids("s in ('A', 'zz')") == {2}
    assert t.ids("s in ('A')") == {2}
    assert t.ids("s = 'A'") == {2}


def test_H06_like_is_case_sensitive(t: Texts) -> None:
    assert t.ids("s like 'a%'") == {1, 3}
    assert t.ids("s not like 'a%'") == {2, 4, 5, 6, 7, 8, 10, 11}
    assert t.ids("s ilike 'a%'") == {1, 2, 3}
    assert t.ids("s like '_'") == {1, 2, 4, 5, 6, 7, 10, 11}


def test_H06b_like_with_a_prefix_beyond_ascii(t: Texts) -> None:
    assert t.ids("s like 'é%'") == {6}
    assert t.ids("s like 'ß%'") == {11}
    assert t.ids("starts_with(s, 'é')") == {6}


def test_H07_trailing_blanks_count(t: Texts) -> None:
    assert t.ids("s = 'a '") == {3}
    assert t.ids("s = ' '") == set()
    assert t.ids("s = ''") == {8}


def test_H10_accents_count(t: Texts) -> None:
    assert t.ids("s = 'e'") == set()
    assert t.ids("s = 'ss'") == set()
    assert t.ids("s = 's'") == set()


def test_H11_distinct_and_group_by_agree(t: Texts) -> None:
    assert t.rows("select count(distinct s) from @") == [(10,)]
    assert t.rows("select count(*) from (select s from @ where s is not null group by s)") == [(10,)]
    assert len(t.rows("select s, count(*) from @ group by s")) == 11
    assert len(t.rows("select distinct s from @")) == 11
    assert len(t.rows("select s from @ union select s from @")) == 11


def test_H12_min_and_max_go_by_bytes(t: Texts) -> None:
    assert t.rows("select max(s), min(s) from @") == [("é", "")]
    assert t.rows("select max(s) from @ where s < 'a'") == [("_",)]


def test_H13_top_n_goes_by_bytes(t: Texts) -> None:
    assert t.rows("select s from @ order by s limit 3", ordered=True) == [("",), ("A",), ("B",)]
    assert t.rows("select s from @ order by s desc limit 4", ordered=True) == [("é",), ("ß",), ("b",), ("a ",)]
    assert t.rows("select s from @ order by s desc nulls first limit 2 offset 1", ordered=True) == [("é",), ("ß",)]


def test_H15_nulls_are_last_in_both_directions(t: Texts) -> None:
    assert t.rows("select s from @ order by s desc", ordered=True)[-1] == (None,)
    assert t.rows("select s from @ order by s", ordered=True)[-1] == (None,)
    assert t.rows("select s from @ order by s nulls first limit 1", ordered=True) == [(None,)]


def test_H17_joins_and_keys_go_by_bytes(t: Texts) -> None:
    """A NOCASE column of SQLite is compared like any other, also as the key of a join."""
    assert t.ids("s = 'a'") == {1}
    joined = t.rows("select a.id, b.id from @ a join @ b on a.s = b.s")
    assert sorted(joined) == [(i, i) for i in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)]
    assert len(t.rows("select a.id from @ a where a.s in (select s from @ b where b.id in (2, 6))")) == 2
    assert (
        len(t.rows("select a.id from @ a where not exists (select 1 from @ b where b.s = a.s and b.id < a.id)")) == 11
    )


def test_H18_upper_and_lower_know_unicode(t: Texts) -> None:
    rows = dict(t.rows("select id, upper(s) || lower(upper(s)) from @ where id in (6, 11)"))
    assert rows == {6: "Éé", 11: "ẞß"}
    assert t.ids("upper(s) = 'É'") == {6}
    assert t.ids("lower(s) = 'a'") == {1, 2}


def test_H19_length_counts_characters(t: Texts) -> None:
    assert t.ids("length(s) = 1") == {1, 2, 4, 5, 6, 7, 10, 11}
    assert t.ids("length(s) = 2") == {3}
    assert t.rows("select sum(length(s))::int, sum(strlen(s))::int from @") == [(10, 12)]


def test_H21_bars_concatenate(t: Texts) -> None:
    assert t.ids("s || 'x' = 'ax'") == {1}
    assert t.rows("select 'a' || 'b' from @ where id = 1") == [("ab",)]
    assert t.rows("select s || 'x' from @ where id = 9") == [(None,)]


def test_H22_concat_skips_null(t: Texts) -> None:
    assert t.rows("select concat('a', s) from @ where id = 9") == [("a",)]
    assert t.ids("concat(s, 'x') = 'x'") == {8, 9}


def test_H24_backslash_escapes_only_when_asked(t: Texts) -> None:
    assert t.rows(r"select 'a_b' like 'a\_b', 'a_b' like 'a\_b' escape '\', 'a\xb' like 'a\_b' from @ limit 1") == [
        ("bool False", "bool True", "bool True")
    ]
    assert t.ids(r"s like '\_'") == set()
    assert t.ids(r"s like '\_' escape '\'") == {7}
    assert t.ids("s like '!_' escape '!'") == {7}


def test_H25_double_quotes_are_identifiers(t: Texts) -> None:
    with pytest.raises(ColumnNotFound):
        t.places.query(f'select * from {t.table} where s = "abc"')
    assert t.rows('select "s" from @ where "id" = 1') == [("a",)]


def test_H95_composed_and_decomposed_differ(t: Texts) -> None:
    """'é' as one code point, and as e with a combining accent."""
    assert t.ids("s = 'e\u0301'") == set()
    assert t.ids("s = '\u00e9'") == {6}


CHARS = ["postgres", "mariadb"]


@pytest.mark.parametrize("engine", CHARS, indirect=True)
def test_H09_char_n_is_read_without_padding(engine: str, places: Places) -> None:
    rows = [(1, "a"), (2, "A"), (3, "a "), (4, "b c"), (5, ""), (6, None)]
    places.define(f"c_{engine}", "id BIGINT, c VARCHAR", [(i, c.rstrip(" ") if c else c) for i, c in rows])
    places.put(f"c_{engine}", engine, native={"c": "char(5)"})
    places.run(engine, f"update c_{engine} set c = 'a ' where id = 3")
    ids = lambda condition: {row[0] for row in places.check(f"select id from c_{engine} where {condition}")}
    assert ids("c = 'a '") == set()
    assert ids("c = 'a'") == {1, 3}
    assert ids("c = 'b c'") == {4}
    assert ids("c = ''") == {5}
    assert ids("c like 'a%'") == {1, 3}
    assert ids("c in ('a', 'x')") == {1, 3}
    assert ids("length(c) = 1") == {1, 2, 3}
    assert places.check(f"select c, count(*) from c_{engine} group by c order by c nulls first", ordered=True)


def test_H16_postgres_nondeterministic_collation(postgres: object, places: Places) -> None:
    if (
        not places.connection("postgres")
        .execute("select 1 from pg_collation where collname = 'en-US-x-icu'")
        .fetchall()
    ):
        pytest.skip("this PostgreSQL was built without ICU")
    places.define("loose", "id BIGINT, s VARCHAR", [(1, "abc"), (2, "Abc"), (3, "ABC"), (4, "abd")])
    places.run("postgres", "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    places.put("loose", "postgres", native={"s": "text collate ci"})
    assert places.check("select id from loose where s = 'abc'") == [(1,)]
    assert places.check("select id from loose where s in ('ABC', 'x')") == [(3,)]
    assert len(places.check("select id from loose where s <> 'abc'")) == 3
    assert places.check("select count(distinct s), max(s) from loose") == [(4, "abd")]
    assert len(places.check("select s, count(*) from loose group by s")) == 4


DECLARABLE = [engine for engine in ENGINES if engine != "frame"]  # a DataFrame has no catalog entry


@pytest.mark.parametrize("engine", DECLARABLE, indirect=True)
def test_H17_a_declared_nocase_column_is_nocase_everywhere(engine: str, places: Places) -> None:
    table = f"declared_{engine}"
    places.define("nocase", "id BIGINT, s VARCHAR COLLATE NOCASE", TEXTS)
    places.put(table, engine, source="nocase")
    places.tables[table] = {"database": engine, "columns": {"s": {"collation": "nocase"}}}
    places.close()
    assert sorted(places.check(f"select id from {table} where s = 'a'")) == [(1,), (2,)]
    places.check(f"select count(distinct s) from {table}")
    places.check(f"select a.id, b.id from {table} a join {table} b on a.s = b.s")
