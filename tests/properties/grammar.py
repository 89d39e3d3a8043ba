"""Random tables and random queries over them, small enough to read and nasty enough to matter.

Every table has the same eight columns, so that a query fits any tables; what differs is where a table lives and by which
rules its database compares. Only queries with one right answer are made: a LIMIT stands over a total order, sums are of
exact numbers.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

#: column → DuckDB's type
COLUMNS = {
    "id": "BIGINT", "k": "BIGINT", "s": "VARCHAR", "m": "DECIMAL(10,2)", "d": "DOUBLE", "t": "DATE", "ts": "TIMESTAMP",
    "b": "BOOLEAN", "x": "BLOB",
}  # fmt: skip
#: three tables in every engine; in each the text column is compared by another rule
TEXT = {
    "postgres": ("text", 'text collate "C"', "varchar(60)"),
    "mariadb": (
        "varchar(60) character set utf8mb4 collate utf8mb4_general_ci",
        "text character set utf8mb4 collate utf8mb4_unicode_520_ci",
        "varchar(60) character set utf8mb4 collate utf8mb4_bin",
    ),
    "sqlite": ("text", "text collate nocase", "text collate rtrim"),
}
FINITE = ("mariadb", "sqlite")

_WORDS = ["", " ", "a", "A", "a ", "b", "B", "é", "e", "É", "ß", "ss", "SS", "_", "%", "a%", "a_b", "ab", "aB", "\\", "\\_", "'", '"', "Z",
          "zz", "😀", "e\u0301", "\t", "NULL", "0", "ﬀ", "İ", "ı", "Å"]  # fmt: skip
_TEXTS = st.one_of(st.sampled_from(_WORDS), st.text("aAéß _%\\'", max_size=4))
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "k": st.sampled_from([0, 1, 2, 3, -1, 2**53 + 1, 2**53, 2**63 - 1, -(2**63)]),
    "s": _TEXTS,
    "m": st.sampled_from([Decimal(text) for text in ("0.00", "0.10", "-0.01", "1.00", "99999999.99", "-99999999.99", "12.30")]),
    "d": st.sampled_from([0.0, 0.1, 1.0, -1.5, 1e308, -1e308, 5e-324, 1e15 + 0.5, 0.30000000000000004, 3.0]),
    "t": st.sampled_from([dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(9999, 12, 31)]),
    "ts": st.sampled_from([
        dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 0, 0, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ]),
    "b": st.booleans(),
    "x": st.sampled_from([b"", b"\0", b"a", b"A", b"a ", b"a\0", b"\xff", b"'"]),
}  # fmt: skip
_SPECIAL = st.sampled_from([float("nan"), float("inf"), float("-inf")])


@dataclass(frozen=True, slots=True)
class Table:
    """One table: which of the three, where, and its rows."""

    number: int
    engine: str
    rows: tuple[tuple[Any, ...], ...]

    @property
    def name(self) -> str:
        """Its name in the catalog and in the oracle."""
        return f"t{self.number}_{self.engine}"


@dataclass(frozen=True, slots=True)
class Query:
    """A text, and whether its order is total."""

    sql: str
    is_ordered: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What one example is."""

    tables: tuple[Table, ...]
    queries: tuple[Query, ...]
    sizes: tuple[int, ...] = (1,)
    """How large the planner is told the tables of a query are, in turn: decides which keys travel where."""


@st.composite
def cases(draw: DrawFn, engines: tuple[str, ...]) -> Case:
    """Two or three tables and a few queries over them."""
    placed = draw(st.lists(st.sampled_from(engines), min_size=2, max_size=3))
    is_finite = any(engine in FINITE for engine in placed)
    tables = tuple(Table(number, engine, draw(_rows(is_finite))) for number, engine in enumerate(placed))
    names = [table.name for table in tables]
    sizes = tuple(draw(st.lists(st.sampled_from([1, 400, 1000, 100_000]), min_size=1, max_size=4)))
    return Case(tables, tuple(draw(st.lists(queries(names), min_size=3, max_size=3))), sizes)


@st.composite
def _rows(draw: DrawFn, is_finite: bool) -> tuple[tuple[Any, ...], ...]:
    values = dict(_VALUES) if is_finite else {**_VALUES, "d": st.one_of(_VALUES["d"], _SPECIAL)}
    cells = [st.one_of(st.none(), strategy, strategy, strategy) for strategy in values.values()]
    rows = draw(st.lists(st.tuples(*cells), min_size=draw(st.sampled_from([0, 2, 4, 5])), max_size=7))
    return tuple((number, *row) for number, row in enumerate(rows, 1))


def literal(column: str, value: Any) -> str:
    """A constant in DuckDB's SQL."""
    if value is None:
        return "NULL"
    if column == "x":
        return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
    if column == "d":
        return f"{value!r}::DOUBLE" if value == value and abs(value) != float("inf") else f"'{value}'::DOUBLE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    return str(value).upper() if isinstance(value, bool) else f"({value})" if value < 0 else str(value)


_COLUMN = st.sampled_from([name for name in COLUMNS if name != "id"])
_OPERATOR = st.sampled_from(["=", "=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"])


@st.composite
def _constant(draw: DrawFn, column: str) -> str:
    return literal(column, draw(_VALUES[column]))


#: constants of another type than the column's, which DuckDB casts in its own way
_FOREIGN = {
    "k": ["1.5", "1.0", "2::DOUBLE", "'1'", "1e0", "9223372036854775808", "TRUE", "-0.5", "0.5"],
    "m": ["1", "0.1::DOUBLE", "0.105", "'0.10'", "1e0", "100000000", "0.1::FLOAT", "-0.014"],
    "d": ["1", "0.1", "0.10", "'0.1'", "1e15", "0.1::FLOAT", "9007199254740993"],
    "t": [
        "'2024-02-29'",
        "'2024-2-29'",
        "TIMESTAMP '2024-02-29 00:00:00'",
        "TIMESTAMP '2024-02-29 12:00:00'",
        "'2024-02-29 00:00'",
    ],
    "ts": ["DATE '2024-02-29'", "'2024-02-29'", "'2024-02-29 12:00'", "'2024-02-29T12:00:00.000001'", "'2024-2-29'"],
    "b": ["1", "0", "'t'", "'true'", "NULL"],
    "s": ["'a'::VARCHAR", "NULL", "'A'", "1::VARCHAR"],
    "x": ["'a'", "'A'::BLOB", "NULL"],
}


@st.composite
def _simple(draw: DrawFn, alias: str) -> str:
    name = draw(_COLUMN)
    column = f"{alias}.{name}"
    kind = draw(st.integers(0, 10))
    negation = draw(st.sampled_from(["", "", "not "]))
    if kind <= 3:
        return f"{column} {draw(_OPERATOR)} {draw(_constant(name))}"
    if kind == 4:
        items = draw(st.lists(_constant(name), min_size=1, max_size=3)) + draw(st.sampled_from([[], [], ["NULL"]]))
        return f"{column} {negation}in ({', '.join(items)})"
    if kind == 5:
        return f"{column} {negation}between {draw(_constant(name))} and {draw(_constant(name))}"
    if kind == 6:
        return f"{column} is {negation}null"
    if kind == 7:
        like = draw(st.sampled_from(["like", "like", "ilike"]))
        pattern = draw(
            st.one_of(st.sampled_from(["a%", "%a", "%é%", "_", "a_%", "%", "", "ß%", "%\\_%", "É%"]), _TEXTS)
        )
        escape = draw(st.sampled_from(["", "", " escape '!'"]))
        return f"{alias}.s {negation}{like} {literal('s', pattern)}{escape}"
    if kind == 8:
        return draw(st.sampled_from([
            f"starts_with({alias}.s, 'a')", f"length({alias}.s) = 1", f"upper({alias}.s) = 'A'", f"lower({alias}.s) = 'é'",
            f"{alias}.s || 'x' = 'ax'", f"coalesce({alias}.s, 'a') = 'a'", f"{alias}.k % 2 = 1", f"year({alias}.t) = 2024",
            f"{alias}.m * 2 > 1", f"{alias}.d / 2 > 0.04", f"abs({alias}.d) > 1", f"round({alias}.m, 1) = 0.1", f"trim({alias}.s) = 'a'",
            f"{alias}.m = {alias}.d", f"{alias}.t = {alias}.ts", f"{alias}.m > {alias}.k", f"contains({alias}.s, 'a')",
            f"substring({alias}.s, 1, 1) = 'a'", f"case when {alias}.b then {alias}.k else 0 end = 1", f"{alias}.s > {alias}.s || ''",
        ]))  # fmt: skip
    if kind == 9:
        foreign = st.sampled_from(_FOREIGN[name])
        if draw(st.integers(0, 3)) == 0 and name not in ("x", "b"):
            return f"{column} {negation}in ({draw(foreign)}, {draw(_constant(name))})"
        sides = [column, draw(_OPERATOR), draw(foreign)]
        return " ".join(reversed(sides) if draw(st.booleans()) else sides)
    return f"{negation}{alias}.b"


@st.composite
def predicates(draw: DrawFn, alias: str, others: list[str], depth: int = 2) -> str:
    """A condition on the columns of `alias`; `others` are tables for subqueries."""
    kind = draw(st.integers(0, 6)) if depth else 0
    if kind in (3, 4):
        left, right = (draw(predicates(alias, others, depth - 1)) for _ in "lr")
        return f"({left} {'and' if kind == 3 else 'or'} {right})"
    if kind == 5:
        return f"not ({draw(predicates(alias, others, depth - 1))})"
    if kind == 6 and others:
        return draw(_subquery(alias, others))
    return draw(_simple(alias))


@st.composite
def _subquery(draw: DrawFn, alias: str, others: list[str]) -> str:
    name, table = draw(_COLUMN), draw(st.sampled_from(others))
    inner = f"{alias}i"
    where = draw(st.one_of(st.just(""), predicates(inner, [], 1).map(lambda text: f" where {text}")))
    negation = draw(st.sampled_from(["", "not "]))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return f"{alias}.{name} {negation}in (select {inner}.{name} from {table} {inner}{where})"
    if kind == 1:
        also = draw(predicates(inner, [], 1))
        return f"{negation}exists (select 1 from {table} {inner} where {inner}.{name} = {alias}.{name} and {also})"
    if kind == 2:
        function = draw(st.sampled_from(["min", "max"]))
        name = "s" if name == "b" else name
        return f"{alias}.{name} {draw(_OPERATOR)} (select {function}({inner}.{name}) from {table} {inner}{where})"
    return f"{draw(st.integers(0, 3))} <= (select count(*) from {table} {inner} where {inner}.{name} = {alias}.{name})"


@st.composite
def _outputs(draw: DrawFn, alias: str) -> list[str]:
    return [
        f"{alias}.{name}"
        for name in draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=3, unique=True))
    ]


def _where(draw: DrawFn, alias: str, names: list[str]) -> str:
    return draw(st.one_of(st.just(""), predicates(alias, names).map(lambda text: f" where {text}")))


@st.composite
def _order(draw: DrawFn, count: int) -> str:
    """ORDER BY every output by its position, so that rows that tie are the same row."""
    ways = [
        f"{at}{draw(st.sampled_from(['', ' desc', ' nulls first', ' desc nulls last']))}" for at in range(1, count + 1)
    ]
    limit = draw(st.sampled_from(["", " limit 2", " limit 3 offset 1", " limit 0", " limit 100"]))
    return f" order by {', '.join(ways)}{limit}"


@st.composite
def _single(draw: DrawFn, names: list[str]) -> Query:
    table = draw(st.sampled_from(names))
    distinct = draw(st.sampled_from(["", "", "distinct "]))
    star = not distinct and draw(st.integers(0, 5)) == 0
    outputs = [f"a.{name}" for name in COLUMNS] if star else draw(_outputs("a"))
    sql = f"select {distinct}{'*' if star else ', '.join(outputs)} from {table} a{_where(draw, 'a', names)}"
    if draw(st.booleans()):
        return Query(sql + draw(_order(len(outputs))), True)
    return Query(sql)


@st.composite
def _joined(draw: DrawFn, names: list[str]) -> Query:
    left, right = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    kind = draw(st.sampled_from(["join", "join", "left join", "right join", "full join", "semi join", "anti join"]))
    name = draw(_COLUMN)
    operator = draw(st.sampled_from(["=", "=", "=", "is not distinct from", "<"]))
    if kind == "full join" or operator != "=":
        kind, operator = (kind, "=") if kind == "full join" else (kind, operator)
    condition = f"a.{name} {operator} b.{name}"
    if kind != "full join" and draw(st.booleans()):
        condition += f" and {draw(predicates(draw(st.sampled_from('ab')), [], 1))}"
    outputs = draw(_outputs("a")) + ([] if kind in ("semi join", "anti join") else draw(_outputs("b")))
    names_of_outputs = [f"{output} as c{at}" for at, output in enumerate(outputs)]
    where = _where(draw, "a" if kind in ("semi join", "anti join") else draw(st.sampled_from("ab")), names)
    sql = f"select {', '.join(names_of_outputs)} from {left} a {kind} {right} b on {condition}{where}"
    if draw(st.booleans()):
        return Query(sql + draw(_order(len(outputs))), True)
    return Query(sql)


_AGGREGATES = ["count(*)", "count({c})", "count(distinct {c})", "min({c})", "max({c})", "sum(a.m)", "sum(a.k)", "avg(a.m)", "bool_or(a.b)",
               "count(*) filter (where a.b)", "min(a.s)", "max(a.s)", "max(a.ts)", "sum(length(a.s))"]  # fmt: skip


@st.composite
def _grouped(draw: DrawFn, names: list[str]) -> Query:
    keys = draw(st.lists(_COLUMN, max_size=2, unique=True))
    chosen = draw(st.lists(st.sampled_from(_AGGREGATES), min_size=1, max_size=3))
    column = draw(st.sampled_from(["a.k", "a.s", "a.m", "a.d", "a.t", "a.x"]))
    outputs = [f"a.{key}" for key in keys] + [text.format(c=column) for text in chosen]
    source = f"{draw(st.sampled_from(names))} a"
    if draw(st.integers(0, 2)) == 0:
        joined = draw(_COLUMN)
        source += f" {draw(st.sampled_from(['join', 'left join']))} {draw(st.sampled_from(names))} b on a.{joined} = b.{joined}"
    group = f" group by {', '.join(f'a.{key}' for key in keys)}" if keys else ""
    having = draw(st.sampled_from(["", "", " having count(*) > 1", " having max(a.s) > 'A'"]))
    named = [f"{output} as c{at}" for at, output in enumerate(outputs)]
    sql = f"select {', '.join(named)} from {source}{_where(draw, 'a', names)}{group}{having}"
    if draw(st.booleans()):
        return Query(sql + draw(_order(len(outputs))), True)
    return Query(sql)


@st.composite
def _combined(draw: DrawFn, names: list[str]) -> Query:
    columns = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=2, unique=True))
    parts = [
        f"select {', '.join(f'a.{name}' for name in columns)} from {draw(st.sampled_from(names))} a{_where(draw, 'a', names)}"
        for _ in "lr"
    ]
    operator = draw(st.sampled_from(["union", "union all", "intersect", "except", "except all", "intersect all"]))
    sql = f"{parts[0]} {operator} {parts[1]}"
    return Query(sql + draw(_order(len(columns))), True) if draw(st.booleans()) else Query(sql)


@st.composite
def _derived(draw: DrawFn, names: list[str], column: str) -> str:
    """Something with the columns `id` and `column` to join with: a table, or a subquery that is not just one."""
    table, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    where = _where(draw, "z", [])
    shape = draw(st.sampled_from([
        "{table}", "{table}", "(select z.* from {table} z{where})", "(select z.id, z.{column} from {table} z{where} order by 1, 2 limit 3)",
        "(select z.id, z.{column} from {table} z{where} union all select y.id, y.{column} from {other} y)",
        "(select min(z.id) as id, z.{column} from {table} z{where} group by z.{column})",
        "(select distinct z.id, z.{column} from {table} z{where})",
        "(select z.id, y.{column} from {table} z left join {other} y on y.{column} = z.{column}{where})",
        "(select z.id, coalesce(z.{column}, y.{column}) as {column} from {table} z full join {other} y on y.id = z.id)",
        "(select max(z.id) over (partition by z.{column}) as id, z.{column} from {table} z{where})",
        "(select y.id, z.{column} from {table} z, {other} y{where})",
    ]))  # fmt: skip
    return shape.format(table=table, other=other, column=column, where=where)


@st.composite
def _chain(draw: DrawFn, names: list[str]) -> Query:
    """Three sources, joined in every way, some by USING, some in parentheses."""
    column = draw(st.sampled_from(["k", "s", "m", "t", "ts", "x"]))
    a, b, c = (draw(_derived(names, column)) for _ in "abc")
    one, two = (draw(st.sampled_from(["join", "left join", "right join", "full join"])) for _ in "ab")
    where = _where_on(draw, column, names)
    shape = draw(st.sampled_from([
        "{a} a {one} {b} b on a.{k} = b.{k} {two} {c} c on {d}.{k} = c.{k}",
        "{a} a {one} ({b} b {two} {c} c on b.{k} = c.{k}) on a.{k} = b.{k}",
        "{a} a {one} {b} b using ({k}) {two} {c} c using ({k})",
        "{a} a, {b} b {two} {c} c on b.{k} = c.{k}",
        "{a} a {one} {b} b on a.{k} = b.{k} and b.id > 1 {two} {c} c on c.{k} = b.{k} and a.id < 4",
    ]))  # fmt: skip
    source = shape.format(a=a, b=b, c=c, one=one, two=two, k=column, d=draw(st.sampled_from("ab")))
    outputs = ["a.id as a", "b.id as b", "c.id as c"]
    sql = f"select {', '.join(outputs)} from {source}{where}"
    return Query(sql + draw(_order(3)), True) if draw(st.booleans()) else Query(sql)


def _where_on(draw: DrawFn, column: str, names: list[str]) -> str:
    """A condition on the two columns that a derived table has."""
    alias = draw(st.sampled_from("abc"))
    return draw(st.sampled_from([
        "", "", f" where {alias}.id > 1", f" where {alias}.{column} is not null", f" where {alias}.id is null",
        f" where {alias}.{column} in (select {column} from {draw(st.sampled_from(names))})",
        f" where exists (select 1 from {draw(st.sampled_from(names))} e where e.{column} = {alias}.{column})",
        f" where not exists (select 1 from {draw(st.sampled_from(names))} e where e.{column} = {alias}.{column})",
        f" where coalesce({alias}.id, 0) < 3",
    ]))  # fmt: skip


@st.composite
def _nested(draw: DrawFn, names: list[str]) -> Query:
    inner = draw(_single(names))
    shape = draw(st.sampled_from([
        "with q as ({0}) select count(*) as n from q", "select count(*) as n from ({0}) q", "with q as ({0}) select * from q union all select * from q",
        "select * from (select *, row_number() over () as nothing from ({0}) q) z where false",
    ]))  # fmt: skip
    return Query(shape.format(inner.sql))


@st.composite
def queries(draw: DrawFn, names: list[str]) -> Query:
    """One query over some of the tables."""
    return draw(
        st.one_of(_single(names), _joined(names), _grouped(names), _combined(names), _nested(names), _chain(names))
    )
