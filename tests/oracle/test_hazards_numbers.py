"""Numbers mean what they mean in DuckDB wherever they live; none changes on the way: H26 to H51, H75, H80, H84."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fedq.errors import ComputeError, InvalidQuery, SQLSyntaxError, ValueNotRepresentable
from tests.oracle.support import ENGINES, Places, canonical

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

ROWS = [
    (1, 7, 2, 2.5, Decimal("1.10"), "1abc", True),
    (2, -7, 2, 0.1, Decimal("0.10"), "2", False),
    (3, 2147483647, 1, -2.5, Decimal("-99999999.99"), "x", None),
    (4, 0, 0, 3.5, Decimal("0.00"), None, True),
    (5, None, 3, None, None, "5", False),
]
ALL = [*ENGINES, "json", "csv"]


class Numbers:
    """The table of numbers as one engine holds it."""

    def __init__(self, places: Places, engine: str) -> None:
        self.places, self.table = places, f"n_{engine}"
        self.widths = engine != "sqlite"

    def rows(self, sql: str) -> list:
        return self.places.check(sql.replace("@", self.table), widths=self.widths)

    def fails(self, error: type[Exception] | tuple[type[Exception], ...], sql: str) -> None:
        with pytest.raises(error):
            self.places.query(sql.replace("@", self.table))
        assert self.rows("select count(*) from @") == [(5,)]


@pytest.fixture(scope="module", params=ALL)
def n(request: pytest.FixtureRequest, places: Places) -> Numbers:
    if request.param in ("postgres", "mariadb"):
        request.getfixturevalue(request.param)
    places.define("numbers", "id BIGINT, i INTEGER, k INTEGER, d DOUBLE, m DECIMAL(10,2), s VARCHAR, b BOOLEAN", ROWS)
    declare = {"i": "INTEGER", "k": "INTEGER"} if request.param == "sqlite" else {}
    places.put(f"n_{request.param}", request.param, source="numbers", declare=declare)
    return Numbers(places, request.param)


def values(*items: object) -> tuple:
    return tuple(canonical(item) for item in items)


def test_H26_division_of_integers_is_exact(n: Numbers) -> None:
    assert n.rows("select i / k from @ where id in (1, 2) order by id") == [values(3.5), values(-3.5)]
    assert n.rows("select id from @ where i / k = 3.5") == [(1,)]
    assert len(n.rows("select i // k, i % k from @ where id < 3")) == 2
    assert n.rows("select sum(i) / count(*) from @ where id < 3") == [values(0.0)]


def test_H27_division_by_zero(n: Numbers) -> None:
    """What DuckDB says (0/0 is NaN, and NaN is greatest); no database's own NULL or error."""
    assert sorted(n.rows("select id from @ where i / k > 1 and id in (1, 4)")) == [(1,), (4,)]
    assert len(n.rows("select 1 / k, 1.0 / k from @")) == 5


def test_H28_round_of_a_double_goes_away_from_zero(n: Numbers) -> None:
    assert n.rows("select round(d) from @ where id in (1, 3, 4) order by id") == [
        values(3.0),
        values(-3.0),
        values(4.0),
    ]
    assert n.rows("select id from @ where round(d) = 3") == [(1,)]


def test_H29_casts_to_integer_round_as_in_duckdb(n: Numbers) -> None:
    assert n.rows("select cast(d as int), cast(2.5 as int), cast(2.5e0 as int) from @ where id in (1, 4)")
    assert n.rows("select id from @ where cast(d as int) = 2") == [(1,)]
    assert n.rows("select cast(m as int) from @ where id = 1") == [(1,)]


def test_H30_text_compared_with_a_number_is_an_error(n: Numbers) -> None:
    n.fails((InvalidQuery, ComputeError), "select id from @ where s = 1")
    n.fails((InvalidQuery, ComputeError), "select '1abc' = 1 from @")
    n.fails((InvalidQuery, ComputeError), "select a.id from @ a join @ b on a.s = b.i")


def test_H32_caret_is_a_power(n: Numbers) -> None:
    assert n.rows("select 2 ^ 3, k ^ 3 from @ where id = 1") == [values(8.0, 8.0)]
    assert n.rows("select id from @ where k ^ 2 = 9") == [(5,)]


def test_H33_tilde_is_signed(n: Numbers) -> None:
    assert n.rows("select ~5, ~i from @ where id = 1") == [(-6, -8)]
    assert n.rows("select id from @ where ~i = -8") == [(1,)]


def test_H34_precedence_is_duckdbs(n: Numbers) -> None:
    assert sorted(n.rows("select id from @ where not k = 2")) == [(3,), (4,), (5,)]
    assert n.rows("select not 1 = 2, -2 ^ 2, 2 + 3 * 4, 1 - 2 - 3, not true or true from @ where id = 1")
    assert sorted(n.rows("select id from @ where not (i > 0) is true and k = 2 or k = 3")) == [(2,), (5,)]
    n.fails((SQLSyntaxError, InvalidQuery), "select 3 > 2 > 1 from @")


def test_H36_an_empty_list_is_false(n: Numbers) -> None:
    query = n.places.query
    assert query(f"select id from {n.table} where i in :ids", {"ids": []}).rows() == []
    assert len(query(f"select id from {n.table} where i not in :ids", {"ids": []}).rows()) == 5
    assert query(f"select id from {n.table} where i in (:ids)", {"ids": []}).rows() == []
    assert query(f"select id from {n.table} where i in (:ids)", {"ids": [7, -7]}).rows() == [(1,), (2,)]
    assert n.rows("select id from @ where i in ()") == []
    assert len(n.rows("select id from @ where i not in ()")) == 4  # NULL is unknown


def test_H37_bigint_overflow_is_an_error(n: Numbers) -> None:
    n.fails(ComputeError, "select i::bigint + 9223372036854775807 from @ where id = 1")
    n.fails((ComputeError, InvalidQuery), "select 9223372036854775807 + 1 from @")


def test_H37_a_difference_overflows_in_the_last_place(n: Numbers) -> None:
    """MariaDB's 0 - b is b where that is the smallest there is."""
    low = "(i::bigint - i::bigint - 9223372036854775807 - 1)"
    n.fails(ComputeError, f"select 0 - b as x, count(*) from (select {low} as b from @ where id = 4) group by 1")


def test_H42_a_decimal_is_compared_with_all_its_digits(n: Numbers) -> None:
    """Python's minus rounds to 28 digits; an integer of so many digits is none of Python's decimals."""
    near = "0.1000000000000000000000000001"
    for operator in ("=", "<>", "<", "<=", ">", ">="):
        n.rows(f"select id from @ where -m {operator} -{near}")
        n.rows(f"select id from @ where m {operator} -99999999.9900000000000000000001")
        n.rows(f"select id from @ where i {operator} -{near} and id <> 3")
    n.rows(f"select id from @ where m not in (-99999999.9900000000000000000001, -{near})")
    for small in ("0.0000000000000000000000000000000001", "1.0000000000000000000000000000000000"):
        n.fails(ComputeError, f"select id from @ where i <> {small}")
    with pytest.raises(ComputeError, match="out of range"):
        n.places.query(
            f"select id from {n.table} where m = :p", {"p": Decimal("12345678901234567890123456789012345678")}
        )


def test_H38_integer_overflow_is_an_error_everywhere(n: Numbers) -> None:
    n.fails(ComputeError, "select i + 1::int from @")
    n.fails(ComputeError, "select i * k + i from @ where i > 1")


def test_H40_the_average_of_integers_is_a_double(n: Numbers) -> None:
    assert n.rows("select avg(k) from @ where id in (3, 1)") == [values(1.5)]
    assert n.rows("select avg(i), avg(m) from @ where id < 3")
    assert n.rows("select k, avg(d) from @ group by k")


def test_H41_decimal_divided_is_a_double(n: Numbers) -> None:
    assert n.rows("select m / 3 from @ where id = 1") == [values(0.3666666666666667)]


def test_H42_decimal_literals_add_exactly(n: Numbers) -> None:
    assert n.rows("select 0.1 + 0.2 from @ where 0.1 + 0.2 = 0.3 and id = 1") == [values(Decimal("0.3"))]
    assert n.rows("select id from @ where m + 0.1 = 1.2") == [(1,)]


def test_H46_decimal_equals_double_as_in_duckdb(n: Numbers) -> None:
    assert n.rows("select a.id from @ a join @ b on a.m = b.d") == [(2,)]
    assert n.rows("select id from @ where m = d") == [(2,)]
    assert n.rows("select id from @ where d = 0.1") == [(2,)]


def test_H80_booleans_are_not_numbers(n: Numbers) -> None:
    n.fails(InvalidQuery, "select b + b from @")
    assert sorted(n.rows("select id from @ where b = 1")) == [(1,), (4,)]
    assert sorted(n.rows("select id from @ where b")) == [(1,), (4,)]
    assert sorted(n.rows("select id from @ where not b")) == [(2,), (5,)]
    assert n.rows("select b, count(*) from @ group by b")


def test_H84_pandas_keeps_exact_values(n: Numbers) -> None:
    frame = n.places.query(
        f"select sum(id * 1000000000000000) as big, max(m) as m, i from {n.table} group by i"
    ).to_pandas()
    assert {int(value) for value in frame["big"]} == {i * 10**15 for i in range(1, 6)}
    assert {str(value) for value in frame["m"].dropna()} == {"1.10", "0.10", "-99999999.99", "0.00"}
    assert {int(value) for value in frame["i"].dropna()} == {7, -7, 2147483647, 0}
    assert not str(frame["i"].dtype).startswith("float")


BIG = 9007199254740993
FLOATS = [e for e in ENGINES if e != "sqlite"]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_H47_bigint_against_double_is_not_guessed(engine: str, places: Places) -> None:
    """DuckDB says 9007199254740993 = 9007199254740992e0; that is an answer nobody wants from a join."""
    places.define(
        "big_double", "id BIGINT, b BIGINT, d DOUBLE", [(1, BIG, float(BIG - 1)), (2, 1, 1.0), (3, BIG, None)]
    )
    places.put(f"bd_{engine}", engine, source="big_double")
    exact = f"select id from bd_{engine} where b = d::decimal(38,0)"
    assert places.check(exact) == [(2,)]
    with pytest.raises(InvalidQuery) as raised:
        places.query(f"select x.id from bd_{engine} x join bd_{engine} y on x.b = y.d")
    assert "cast" in str(raised.value).lower()
    assert places.check(f"select x.id from bd_{engine} x join bd_{engine} y on x.b::double = y.d")


def test_H44_postgres_numeric_nan_and_infinity(postgres: object, places: Places) -> None:
    places.run(
        "postgres",
        "create table nan_n (id int, n numeric, p numeric(10,2))",
        "insert into nan_n values (1, 'NaN', 1), (2, 'Infinity', 2), (3, '-Infinity', 3), (4, 1.5, 4)",
        "create table nan_p (id int, p numeric(10,2))",
        "insert into nan_p values (1, 'NaN'), (2, 1.25)",
    )
    for table in ("nan_n", "nan_p"):
        places.assign(table, "postgres")
    assert len(places.query("select id, p from nan_n").rows()) == 4
    with pytest.raises(ValueNotRepresentable) as raised:
        places.query("select * from nan_p")
    assert "nan_p" in str(raised.value)
    assert places.query("select id from nan_p").to_arrow().num_rows == 2
    try:
        rows = dict(places.query("select id, n from nan_n").rows())
    except ValueNotRepresentable:
        return  # loud is right; 0.0 is not
    assert [str(float(rows[i])) for i in (1, 2, 3, 4)] == ["nan", "inf", "-inf", "1.5"]


def test_H45_decimals_beyond_38_digits(postgres: object, mariadb: object, places: Places) -> None:
    wide = "123456789012345678901234567890.123456789012345678"
    fits = "12345678901234567890.123456789012345678"
    places.run(
        "postgres",
        "create table wide_pg (id int, n numeric, w numeric(50,10), f numeric(38,18))",
        f"insert into wide_pg values (1, {wide}, 12345678901234567890123456789.0000000001, {fits})",
    )
    places.run(
        "mariadb",
        "create table wide_my (id int, n decimal(65,30), w decimal(50,10), f decimal(38,18))",
        f"insert into wide_my values (1, {wide}, 12345678901234567890123456789.0000000001, {fits})",
    )
    for table, engine in (("wide_pg", "postgres"), ("wide_my", "mariadb")):
        places.assign(table, engine)
        assert places.query(f"select f from {table}").scalar() == Decimal(fits)
        with pytest.raises(ValueNotRepresentable) as raised:
            places.query(f"select n from {table}")
        assert table in str(raised.value)
        assert "on_unrepresentable" in str(raised.value)
        # (50,10): 29 digits and 10 decimals are 39, which DECIMAL(38, …) does not hold
        with pytest.raises(ValueNotRepresentable):
            places.query(f"select w from {table}")
        places.tables[table] = {"database": engine, "columns": {"n": {"on_unrepresentable": "text"}}}
        places.close()
        assert places.query(f"select n from {table}").scalar().rstrip("0") == wide
        places.tables[table] = {"database": engine, "columns": {"n": {"on_unrepresentable": "null"}}}
        places.close()
        assert places.query(f"select n from {table}").scalar() is None


def test_H48_unsigned_bigint(mariadb: object, places: Places) -> None:
    places.run(
        "mariadb",
        "create table uns (id int, u bigint unsigned, v int unsigned)",
        "insert into uns values (1, 18446744073709551615, 4294967295), (2, 0, 0), (3, 9223372036854775808, 1)",
    )
    places.define("uns", "id INTEGER, u UBIGINT, v UINTEGER", [(1, 2**64 - 1, 2**32 - 1), (2, 0, 0), (3, 2**63, 1)])
    places.assign("uns", "mariadb")
    assert places.check("select * from uns")
    assert sorted(places.check("select id from uns where u >= 9223372036854775808")) == [(1,), (3,)]
    assert places.check("select id from uns where u = 18446744073709551615") == [(1,)]
    frame = places.query("select u from uns where id = 1").to_pandas()
    assert int(frame["u"][0]) == 2**64 - 1


def test_H49_mariadb_float_keeps_its_value(mariadb: object, places: Places) -> None:
    places.run(
        "mariadb",
        "create table flo (id int, f float, d double)",
        "insert into flo values (1, 16777216, 0.1), (2, 0.1, 1e308), (3, 123456.789, -0.0), (4, null, 5e-324)",
    )
    places.define(
        "flo",
        "id INTEGER, f FLOAT, d DOUBLE",
        [(1, 16777216.0, 0.1), (2, 0.1, 1e308), (3, 123456.789, -0.0), (4, None, 5e-324)],
    )
    places.assign("flo", "mariadb")
    assert float(places.query("select f from flo where id = 1").scalar()) == 16777216.0
    places.check("select id, f from flo")
    places.check("select id, d from flo where id <> 3")


@pytest.mark.parametrize("engine", FLOATS, indirect=True)
def test_H50_float_equality_has_one_answer(engine: str, places: Places) -> None:
    places.define("singles", "id BIGINT, f FLOAT", [(1, 0.1), (2, 0.5), (3, None)])
    places.put(f"f_{engine}", engine, source="singles", native={"f": "float"} if engine == "mariadb" else None)
    for condition in ("f = 0.1", "f = 0.1::double", "f in (0.1, 0.5)", "f > 0.1", "f >= 0.1::float", "f = 0.5"):
        places.check(f"select id from f_{engine} where {condition}")


def test_H51_tinyint_1_is_a_number(mariadb: object, places: Places) -> None:
    places.run(
        "mariadb",
        "create table tiny (id int, t tinyint(1), b boolean)",
        "insert into tiny values (1, 2, 1), (2, -1, 0), (3, 0, null), (4, 1, 1)",
    )
    places.define("tiny", "id INTEGER, t TINYINT, b TINYINT", [(1, 2, 1), (2, -1, 0), (3, 0, None), (4, 1, 1)])
    places.assign("tiny", "mariadb")
    assert len(places.check("select * from tiny")) == 4
    assert places.check("select id from tiny where t = 2") == [(1,)]
    places.tables["tiny"] = {"database": "mariadb", "columns": {"b": {"type": "BOOLEAN"}}}
    places.close()
    assert sorted(places.query("select id from tiny where b").rows()) == [(1,), (4,)]
    places.tables["tiny"] = {"database": "mariadb", "columns": {"t": {"type": "BOOLEAN"}}}
    places.close()
    with pytest.raises(ValueNotRepresentable):
        places.query("select t from tiny")


SPECIAL = [e for e in ENGINES if e not in ("mariadb", "sqlite")]


@pytest.mark.parametrize("engine", SPECIAL, indirect=True)
def test_H75_nan_equals_nan_and_is_greatest(engine: str, places: Places) -> None:
    """NaN cannot live in MariaDB or SQLite."""
    nan, inf = float("nan"), float("inf")
    places.define("specials", "id BIGINT, x DOUBLE", [(1, nan), (2, inf), (3, -inf), (4, 0.0), (5, None), (6, 1.5)])
    places.put(f"x_{engine}", engine, source="specials")
    t = f"x_{engine}"
    assert len(places.check(f"select * from {t}")) == 6
    assert places.check(f"select id from {t} where x = 'NaN'::double") == [(1,)]
    assert sorted(places.check(f"select id from {t} where x > 1.5")) == [(1,), (2,)]
    assert places.check(f"select id from {t} where x > 'Infinity'::double") == [(1,)]
    assert places.check(f"select max(x), min(x) from {t}") == [values(nan, -inf)]
    assert places.check(f"select id from {t} order by x desc limit 2", ordered=True) == [(1,), (2,)]
    assert places.check(f"select a.id from {t} a join {t} b on a.x = b.x order by 1", ordered=True)
