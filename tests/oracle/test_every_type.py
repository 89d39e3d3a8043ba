"""What fedq reads of a column is what it filters, joins, groups and sorts by: no type's own comparison shows through.

For each type of each database: the values are read plainly, the oracle is given exactly these values, and then a battery
of conditions and groupings must agree. So it does not matter here *which* value a stored one is; the hazards' tests say
that.
"""

from __future__ import annotations

import duckdb
import pytest

from fedq.errors import FedqError
from tests.oracle.native import made
from tests.oracle.stored_types import STORED
from tests.oracle.support import Places, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::fedq.errors.FedqWarning")

COLUMNS = [(engine, declared) for engine, types in STORED.items() for declared in types]
OPERATORS = ("=", "<>", "<", ">=", "is distinct from")
NUMBERS = ("1", "0.1", "1.5", "-5", "1e3", "99999999999999999999")
PATTERNS = ("a%", "%a", "_", "%", "é%", "A%")
#: {t} is the table, {all} every constant, {first} and {last} one of them
SHAPES = """
select id from {t} where v in ({all})
select id from {t} where v not in ({first})
select id from {t} where v not in ({first}, null)
select id from {t} where v between {first} and {last}
select id from {t} where v is null
select id from {t} where v is not null
select count(v), count(*) from {t}
select distinct v from {t}
select v, count(*) from {t} group by v
select count(distinct v) from {t}
select min(v), max(v) from {t}
select v from {t} order by v limit 2
select v from {t} order by v desc limit 2
select a.id, b.id from {t} a join {t} b on a.v = b.v
select a.id, b.id from {t} a left join {t} b on a.v < b.v
select id from {t} where v in (select v from {t} where id < 3)
select v from {t} union select v from {t}
select id, v from {t} where id > 1 order by id
"""


@pytest.mark.parametrize(("engine", "declared"), COLUMNS, ids=[" ".join(column) for column in COLUMNS])
def test_conditions_mean_what_is_read(
    engine: str, declared: str, places: Places, request: pytest.FixtureRequest
) -> None:
    if engine != "sqlite":
        request.getfixturevalue(engine)
    _prepare(places, engine)
    values = STORED[engine][declared]
    table = f"every_{engine}"
    create = f"create table {table} (id integer primary key, v {declared})"
    insert = [f"insert into {table} values ({number}, {value})" for number, value in enumerate(values, 1)]
    made(places, engine, table, create, *insert)
    _copy_what_is_read(places, table, len(values))
    problems = [problem for sql in _battery(places, table) if (problem := _compare(places, sql))]
    assert not problems, "\n".join(problems)


def _prepare(places: Places, engine: str) -> None:
    if engine != "postgres":
        return
    drops = [
        f"drop {what} if exists {name}"
        for what, name in (("table", "every_postgres"), ("domain", "domain_int"), ("type", "mood"))
    ]
    places.run(engine, *drops, "create domain domain_int as int", "create type mood as enum ('sad', 'ok', 'happy')")


def _copy_what_is_read(places: Places, table: str, count: int) -> None:
    """The oracle gets the values that fedq reads; a stored value that it refuses is deleted."""
    for number in range(1, count + 1):
        try:
            places.query(f"select v from {table} where id = {number}")
        except FedqError:
            places.run(table.removeprefix("every_"), f"delete from {table} where id = {number}")
    result = places.query(f"select id, v from {table}")
    assert len(result) > 1, "nothing can be read but NULL"
    places.oracle.register("read", result.to_arrow())
    places.oracle.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT id::INTEGER AS id, v::{result.types[1]} AS v FROM read"
    )
    places.oracle.unregister("read")


def _battery(places: Places, table: str) -> list[str]:
    type_ = places.columns(table)["v"]
    values = places.oracle.sql(f"select distinct v::varchar from {table} where v is not null").fetchall()
    literals = ["'" + text.replace("'", "''") + "'" for (text,) in values]
    constants = [f"{literal}::{type_}" for literal in literals[:4]]
    conditions = [f"v {operator} {constant}" for constant in constants for operator in OPERATORS]
    if type_ not in ("BLOB", "JSON") and "[]" not in type_:  # a bare text takes the column's type
        conditions += [f"v {operator} {literal}" for literal in literals for operator in ("=", "<")]
    is_inexact = type_ in ("DOUBLE", "FLOAT")
    is_number = type_.startswith("DECIMAL") or "INT" in type_.removesuffix("ERVAL") or is_inexact
    if type_ == "VARCHAR":
        conditions += [f"v like {literal}" for literal in literals] + [f"v like '{pattern}'" for pattern in PATTERNS]
    if type_ == "BOOLEAN":
        conditions += ["v", "not v"]
    if is_number:
        conditions += [f"v {operator} {number}" for operator in ("=", "<", "<>") for number in NUMBERS]
    shapes = SHAPES.strip().splitlines() + (["select sum(v) from {t}"] if is_number and not is_inexact else [])
    filled = [
        shape.format(t=table, all=", ".join(constants), first=constants[0], last=constants[-1]) for shape in shapes
    ]
    if type_ == "JSON":  # compared by a function only; what DuckDB would join here is refused
        filled = [sql for sql in filled if " b on " not in sql]
    return [f"select id from {table} where {condition}" for condition in conditions] + filled


def _compare(places: Places, sql: str) -> str:
    """What is different, or nothing; where the oracle refuses, fedq must too."""
    try:
        expected = places.expected(sql)
    except duckdb.Error as refusal:
        try:
            places.query(sql)
        except FedqError:
            return ""
        return f"{sql}\n    no error, DuckDB says {refusal}"
    try:
        assert_same(places.query(sql), expected, ordered="order by v" in sql, widths=False, sql=sql)
    except FedqError as error:
        return f"{sql}\n    {type(error).__name__}: {error}"
    except AssertionError as error:
        return f"{sql}\n    {str(error)[:400]}"
    return ""
