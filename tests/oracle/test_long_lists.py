"""Long lists after IN, which are read by a pattern and not token by token: nothing of the answer may show it."""

from __future__ import annotations

import pytest

from fedq.errors import ColumnNotFound
from fedq.plan.constants import constant, members
from fedq.sql import exp, parse
from tests.oracle.support import Places

NUMBERS = ", ".join(str(number * 3 - 30) for number in range(400))
DECIMALS = ",".join(f"{number}.50" for number in range(-300, 300))
TEXTS = ",\n".join(f"'{text}'" for number in range(300) for text in (f"a{number}", "it''s", "x, y", "(1, 2)", "", "é"))
ENGINES = ["postgres", "mariadb", "sqlite", "duckdb"]


@pytest.fixture(scope="module")
def world(places: Places, request: pytest.FixtureRequest) -> Places:
    rows = [(number, f"a{number * 2}", number / 2) for number in range(200)]
    rows += [(900, "it's", 1), (901, "x, y", None), (902, "", 2), (903, None, 3), (904, "É", 4), (None, "(1, 2)", 5)]
    places.define("t", "id BIGINT, s VARCHAR, d DECIMAL(9,2)", rows)
    for engine in ENGINES:
        places.put(f"t_{engine}", engine, source="t")
    return places


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "sql",
    [
        f"select id, s from @ where id in ({NUMBERS})",
        f"select id from @ where id not in ({NUMBERS}) and s in ({TEXTS})",
        f"select id from @ where d in ( {DECIMALS} ) or id = 900",
        f"select s from @ where s not in ({TEXTS})",
        f"select count(*) as n from @ a join t_duckdb b using (id) where a.id in ({NUMBERS}) and upper(b.s) in ({TEXTS})",
        f"select id in ({NUMBERS}) from @ order by id limit 1",
        f"select sum(case when s in ({TEXTS}) then 1 end) as n from @ where not (id in ({NUMBERS}))",
        f"select 'id in ({NUMBERS})' as text, id from @ where id in ({NUMBERS})",
        f"select id /* in ({NUMBERS}) */ from @ where id = 3 -- in ({NUMBERS})",
        f"from (pivot (select id, d from @) on id in ({NUMBERS}) using sum(d))",
        f"select id, len([x for x in [{NUMBERS}] if x in ({NUMBERS})]) as n from @ where id < 3",
        f"select id from @ where s in (select s from t_sqlite where id in ({NUMBERS}))",
    ],
    ids=lambda sql: sql[:40],
)
def test_a_long_list_is_what_it_says(world: Places, engine: str, sql: str) -> None:
    world.check(sql.replace("@", f"t_{engine}"), widths=engine != "sqlite" and "t_sqlite" not in sql)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_long_list_of_parameters(world: Places, engine: str) -> None:
    table = f"t_{engine}"
    words: list[str | None] = [f"a{number}" for number in range(300)]
    for first in (0, 50):  # the second time the plan is kept, and the values are others
        ids = list(range(first, 900, 3))
        given = {"ids": ids, "words": [*words[first:], "it's", "", None, "x, y"], "most": 800}
        for sql in (
            f"select id from {table} where id in :ids and id < :most",
            f"select id from {table} where id not in :ids and s in (:words)",
            f"select id from {table} where id in :ids and id + 1 not in :ids or s in :words and id > :most",
            f"select count(*) as n from {table} a join t_sqlite b using (id) where a.id in :ids and upper(b.s) in :words",
            f"select id in :ids as yes, count(*) as n from {table} where :most > id group by 1",
        ):
            plain = sql
            for name, value in given.items():
                said = [_said(one) for one in _list(value)]
                plain = plain.replace(f"(:{name})", f":{name}").replace(
                    f":{name}", f"({', '.join(said)})" if isinstance(value, list) else said[0]
                )
            used = {name: value for name, value in given.items() if f":{name}" in sql}
            expected = world.oracle.execute(plain.replace("t_sqlite", "t").replace(table, "t")).fetchall()
            assert sorted(map(repr, world.query(sql, used).rows())) == sorted(map(repr, expected)), sql


def _said(value: object) -> str:
    return (
        "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def test_what_stands_behind_a_long_list_is_where_it_is(world: Places) -> None:
    sql = f"select id from t_postgres where s in ({TEXTS})\n and nosuch = 1"
    with pytest.raises(ColumnNotFound) as caught:
        world.query(sql)
    assert caught.value.span is not None
    assert sql[slice(*caught.value.span)] == "nosuch"


def test_a_long_list_decides_what_is_written(world: Places) -> None:
    for engine in ("postgres", "mariadb", "sqlite"):
        world.define("w", "id BIGINT, s VARCHAR", [(3, "a"), (4, "b"), (900, "it's")])
        world.put(f"w_{engine}", engine, source="w", key=["id"])
        assert (
            world.federation.execute(f"delete from w_{engine} where id in ({NUMBERS}) or s in ({TEXTS})").rows == 3 - 1
        )
        assert world.query(f"select id from w_{engine}").rows() == [(4,)]
        given = {"ids": list(range(1, 300)), "n": 9}
        assert world.federation.execute(f"update w_{engine} set s = 'z' where id in :ids and id < :n", given).rows == 1
        assert world.query(f"select s from w_{engine}").rows() == [("z",)]


def test_members_are_those_that_a_parser_reads() -> None:
    for separator in (", ", ",\n"):
        items = [*NUMBERS.split(", "), *DECIMALS.split(","), "'it''s'", "'x, y'", "'(1, 2)'", "''", "'é'"]
        long = parse(f"select a in ({separator.join(items)})")[0].find(exp.In)
        assert isinstance(long, exp.In)
        assert len(long.expressions) == 2
        assert members(long, {}) == [constant(parse(f"select {item}")[0].expressions[0], {}) for item in items]
