"""Random tables and random queries over them, small enough to read and nasty enough to matter.

Every table has the same columns, so that a query fits any tables; what differs is where a table lives, by which rules
its database compares and which keys it has. The rows and the constants of one case come from the same few values, so that conditions
are met. Only queries with one right answer are made: a LIMIT stands over a total order, sums are of exact numbers.

A case is made of one random.Random and not of Hypothesis' strategies: in a grammar this deep Hypothesis repeats itself
(two queries of three were copies), and `shrink.py` knows SQL.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

#: column → DuckDB's type
COLUMNS = {
    "id": "BIGINT", "k": "BIGINT", "s": "VARCHAR", "m": "DECIMAL(10,2)", "d": "DOUBLE", "t": "DATE", "ts": "TIMESTAMP",
    "b": "BOOLEAN", "x": "BLOB", "u": "INTEGER", "p": "DECIMAL(12,4)", "f": "VARCHAR", "h": "SMALLINT",
    "r": "FLOAT", "z": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
DATA = [name for name in COLUMNS if name != "id"]
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
#: texts of a fixed length, whose trailing blanks are not theirs
CHAR = {"postgres": "char(6)", "mariadb": "char(6) character set utf8mb4 collate utf8mb4_general_ci"}
#: number of a table → what is known of it: every engine has tables with keys and tables with none
PRIMARY, UNIQUE, INDEXED = (0, 2, 4), (0, 4), (2, 3)
#: engines that have no NaN and no infinity
FINITE = ("mariadb", "sqlite")

_DATES = [(1, 1, 1), (1970, 1, 1), (2024, 2, 29), (2024, 3, 1), (9999, 12, 31)]
VALUES: dict[str, list[Any]] = {
    "k": [0, 1, 2, 3, -1, 2**53 + 1, 2**53, 2**63 - 1, -(2**63)],
    "s": ["", " ", "a", "A", "a ", "b", "B", "é", "e", "É", "ß", "ss", "SS", "_", "%", "a%", "a_b", "ab", "aB", "\\",
          "\\_", "'", '"', "Z", "zz", "😀", "e\u0301", "\t", "NULL", "0", "ﬀ", "İ", "ı", "Å", "!a", "a|"],
    "m": [Decimal(text) for text in ("0.00", "0.10", "-0.01", "1.00", "99999999.99", "-99999999.99", "12.30")],
    "d": [0.0, 0.1, 1.0, -1.5, 1e308, -1e308, 5e-324, 1e15 + 0.5, 0.30000000000000004, 3.0],
    "t": [dt.date(*parts) for parts in _DATES],
    "ts": [*(dt.datetime(*parts) for parts in _DATES), dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
           dt.datetime(2024, 2, 29, 12, 0, 0, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "b": [True, False],
    "x": [b"", b"\0", b"a", b"A", b"a ", b"a\0", b"\xff", b"'"],
    "u": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -1, 2**31 - 1, -(2**31)],
    "p": [Decimal(text) for text in ("0.0000", "0.1000", "-0.0100", "1.0000", "0.0001", "12.3000", "99.9900")],
    "f": ["", "a", "A", "b", "é", "e", "ß", "a\t", "ab", "!a", "_", "0"],
    "h": [0, 1, 2, 3, -1, 2**15 - 1, -(2**15)],
    "r": [0.0, 0.5, 1.0, -1.5, 16777216.0, 0.10000000149011612, 3.0],
    "z": [dt.datetime(*parts).replace(tzinfo=dt.UTC) for parts in (
          (2024, 2, 29), (2024, 2, 29, 12, 0, 0, 1), (1970, 1, 2), (2024, 3, 1), (2037, 12, 31, 23, 59, 59, 999999))],
}  # fmt: skip
#: constants of another type than the column's, which DuckDB casts in its own way
FOREIGN = {
    "k": ["1.5", "1.0", "2::DOUBLE", "'1'", "1e0", "9223372036854775808", "TRUE", "-0.5", "0.5"],
    "m": ["1", "0.1::DOUBLE", "0.105", "'0.10'", "1e0", "100000000", "0.1::FLOAT", "-0.014"],
    "d": ["1", "0.1", "0.10", "'0.1'", "1e15", "0.1::FLOAT", "9007199254740993"],
    "t": ["'2024-02-29'", "'2024-2-29'", "TIMESTAMP '2024-02-29 00:00:00'", "TIMESTAMP '2024-02-29 12:00:00'"],
    "ts": ["DATE '2024-02-29'", "'2024-02-29'", "'2024-02-29 12:00'", "'2024-02-29T12:00:00.000001'", "'2024-2-29'"],
    "b": ["1", "0", "'t'", "'true'", "NULL"],
    "s": ["'a'::VARCHAR", "NULL", "'A'", "1::VARCHAR"],
    "x": ["'a'", "'A'::BLOB", "NULL"],
    "u": ["1.5", "1.0", "'1'", "2::DOUBLE", "2147483648", "3::BIGINT", "-9223372036854775808", "0.5"],
    "p": ["1", "0.1::DOUBLE", "0.10001", "'0.1'", "0.1::DECIMAL(3,1)", "1e0"],
    "h": ["1.5", "70000", "'1'", "2::DOUBLE", "3::BIGINT", "-0.5", "TRUE"],
    "r": ["0.1", "0.1::DOUBLE", "1", "0.5::DECIMAL(3,1)", "16777217", "'0.1'"],
    "z": ["'2024-02-29'", "'2024-02-29 12:00:00.000001+00'", "'2024-02-29 01:00:00+01'", "NULL"],
    "f": ["'a '", "'A'", "NULL", "'a'::VARCHAR", "'a     '", "'a\t'"],
}
PATTERNS = ["a%", "%a", "%é%", "_", "a_%", "%", "", "ß%", "%\\_%", "É%", "!%", "%a%", "a", "A%", "_%", "%\\", "a|%"]
OPERATORS = ["=", "=", "=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"]
#: {a} is the table
CONDITIONS = """
starts_with({a}.s, 'a') | length({a}.s) = 1 | upper({a}.s) = 'A' | lower({a}.s) = 'é' | {a}.s || 'x' = 'ax'
coalesce({a}.s, 'a') = 'a' | {a}.k % 2 = 1 | year({a}.t) = 2024 | {a}.m * 2 > 1 | {a}.d / 2 > 0.04 | abs({a}.d) > 1
round({a}.m, 1) = 0.1 | trim({a}.s) = 'a' | {a}.m = {a}.d | {a}.t = {a}.ts | {a}.m > {a}.k | contains({a}.s, 'a')
substring({a}.s, 1, 1) = 'a' | case when {a}.b then {a}.k else 0 end = 1 | {a}.s > {a}.s || '' | {a}.k > {a}.id
{a}.id in (1, 3, 5) | {a}.id between 2 and 4 | {a}.b = true | {a}.b is true | {a}.b is not true | {a}.d = {a}.d
({a}.k, {a}.s) in ((1, 'a'), (2, 'A')) | {a}.t + 1 > date '2024-02-29' | {a}.s < 'b' and {a}.s > 'A' | {a}.s = {a}.s
""".strip().replace("\n", " | ").split(" | ")  # fmt: skip
AGGREGATES = [
    "count(*)", "count({c})", "count(distinct {c})", "min({c})", "max({c})", "sum(a.m)", "sum(a.k)", "avg(a.m)",
    "bool_or(a.b)", "count(*) filter (where a.b)", "min(a.s)", "max(a.s)", "max(a.ts)", "sum(length(a.s))", "sum(a.id)",
]  # fmt: skip
DERIVED = [
    "{t}", "{t}", "{t}",
    "(select z.* from {t} z{where})",
    "(select z.id, z.{k} from {t} z{where} order by 1, 2 limit 3)",
    "(select z.id, z.{k} from {t} z{where} union all select y.id, y.{k} from {o} y)",
    "(select min(z.id) as id, z.{k} from {t} z{where} group by z.{k})",
    "(select distinct z.id, z.{k} from {t} z{where})",
    "(select z.id, y.{k} from {t} z left join {o} y on y.{k} = z.{k}{where})",
    "(select z.id, coalesce(z.{k}, y.{k}) as {k} from {t} z full join {o} y on y.id = z.id)",
    "(select max(z.id) over (partition by z.{k}) as id, z.{k} from {t} z{where})",
    "(select y.id, z.{k} from {t} z, {o} y{where})",
]  # fmt: skip
CHAINS = [
    "{a} a {one} {b} b on a.{k} = b.{k} {two} {c} c on {d}.{k} = c.{k}",
    "{a} a {one} ({b} b {two} {c} c on b.{k} = c.{k}) on a.{k} = b.{k}",
    "{a} a {one} {b} b using ({k}) {two} {c} c using ({k})",
    "{a} a, {b} b {two} {c} c on b.{k} = c.{k}",
    "{a} a {one} {b} b on a.{k} = b.{k} and b.id > 1 {two} {c} c on c.{k} = b.{k} and a.id < 4",
]
JOINS = ["join", "left join", "right join", "full join"]


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
    is_approximate: bool = False
    """Whether it adds DOUBLEs, whose last digits depend on the order of the rows."""
    params: tuple[Mapping[str, Any], ...] = ()
    """Values for its parameters, to be run with one after the other; none without parameters."""
    sizes: tuple[int, ...] = ()
    """How large the planner is told the tables are, instead of what the case says."""
    is_lazy: bool = False
    """Whether DuckDB may fail on a row that another plan does not look at, so that an answer is right too."""
    may_fail: bool = False
    """Whether a row that DuckDB does not look at may be an error, as one compared with a constant of another type is."""


@dataclass(frozen=True, slots=True)
class Case:
    """What one example is."""

    tables: tuple[Table, ...]
    queries: tuple[Query, ...]
    sizes: tuple[int, ...] = (1,)
    """How large the planner is told the tables of a query are, in turn: decides which keys travel where."""
    left_out: str = ""
    """The rule that the planner does without, by name."""


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
    if column == "r":
        return f"{value!r}::FLOAT"
    if isinstance(value, dt.datetime) and value.tzinfo:
        return f"TIMESTAMPTZ '{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    return str(value).upper() if isinstance(value, bool) else f"({value})" if value < 0 else str(value)


@dataclass(frozen=True, slots=True)
class Grammar:
    """Makes queries over the tables `names`, with constants among `values`."""

    random: Random
    values: dict[str, list[Any]] = field(repr=False)
    names: list[str]
    bound: dict[str, str] | None = None
    """The columns whose values parameters take, by name of the parameter, where constants are made parameters."""

    def pick(self, items: Sequence[Any]) -> Any:
        return self.random.choice(items)

    def is_lucky(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, items: Sequence[str], low: int, high: int) -> list[str]:
        return self.random.sample(list(items), self.random.randint(low, high))

    def query(self) -> Query:
        """One query over some of the tables."""
        return self.shape()()

    def shape(self) -> Callable[[], Query]:
        """What kind of query the next one is."""
        shapes = (self.single, self.joined, self.joined, self.grouped, self.combined, self.nested, self.chain)
        return shapes[self.random.randrange(len(shapes))]

    def constant(self, column: str) -> str:
        if self.bound is not None and len(self.bound) < 4 and self.is_lucky(0.6):
            name = f"p{len(self.bound)}"
            self.bound[name] = column
            return f"${name}"
        return literal(column, self.pick(self.values[column]))

    def predicate(self, alias: str, depth: int = 2, *, has_subqueries: bool = True) -> str:
        """A condition on the columns of `alias`."""
        chance = self.random.random() if depth else 0.0
        if chance > 0.7:
            left, right = (self.predicate(alias, depth - 1, has_subqueries=has_subqueries) for _ in "lr")
            return f"({left} {self.pick(('and', 'and', 'or'))} {right})"
        if chance > 0.62:
            return f"not ({self.predicate(alias, depth - 1, has_subqueries=has_subqueries)})"
        if chance > 0.5 and has_subqueries:
            return self.subquery(alias)
        return self.simple(alias)

    def simple(self, alias: str) -> str:
        """A condition without parts."""
        name, negation = self.pick(DATA), self.pick(("", "", "not "))
        column = f"{alias}.{name}"
        kind = self.random.randint(0, 10)
        if kind <= 3:
            return f"{column} {self.pick(OPERATORS)} {self.constant(name)}"
        if kind == 4:
            items = [self.constant(name) for _ in range(self.random.randint(1, 3))] + self.pick(([], [], ["NULL"]))
            return f"{column} {negation}in ({', '.join(items)})"
        if kind == 5:
            return f"{column} {negation}between {self.constant(name)} and {self.constant(name)}"
        if kind == 6:
            return f"{column} is {negation}null"
        if kind == 7:
            pattern = literal("s", self.pick([*PATTERNS, *self.values["s"]]))
            escape = self.pick(("", "", "", " escape '!'"))
            return f"{alias}.s {negation}{self.pick(('like', 'like', 'ilike'))} {pattern}{escape}"
        if kind == 8:
            return str(self.pick(CONDITIONS)).strip().format(a=alias)
        if kind == 9:
            sides = [column, self.pick(OPERATORS), self.pick(FOREIGN[name])]
            return " ".join(reversed(sides) if self.is_lucky(0.3) and "is" not in sides[1] else sides)
        return f"{negation}{alias}.b"

    def subquery(self, alias: str) -> str:
        """A condition with a subquery, correlated or not."""
        name, table, inner = self.pick(DATA), self.pick(self.names), f"{alias}i"
        where = f" where {self.predicate(inner, 1, has_subqueries=False)}" if self.is_lucky(0.5) else ""
        negation, kind = self.pick(("", "not ")), self.random.randint(0, 3)
        if kind == 0:
            return f"{alias}.{name} {negation}in (select {inner}.{name} from {table} {inner}{where})"
        if kind == 1:
            also = f" and {self.predicate(inner, 1, has_subqueries=False)}" if self.is_lucky(0.5) else ""
            return f"{negation}exists (select 1 from {table} {inner} where {inner}.{name} = {alias}.{name}{also})"
        if kind == 2:
            name = "s" if name == "b" else name
            most = f"{self.pick(('min', 'max'))}({inner}.{name})"
            return f"{alias}.{name} {self.pick(OPERATORS)} (select {most} from {table} {inner}{where})"
        counted = f"select count(*) from {table} {inner} where {inner}.{name} = {alias}.{name}"
        return f"{self.random.randint(0, 3)} <= ({counted})"

    def where(self, alias: str, *, has_subqueries: bool = True) -> str:
        if self.is_lucky(0.45):
            return ""
        return f" where {self.predicate(alias, has_subqueries=has_subqueries)}"

    def ordered(self, sql: str, count: int) -> Query:
        """The query as it is, or by every output's position, so that rows that tie are the same row."""
        if self.is_lucky(0.5):
            return Query(sql)
        ways = ("", " desc", " nulls first", " desc nulls last", " desc nulls first")
        keys = ", ".join(f"{at}{self.pick(ways)}" for at in range(1, count + 1))
        limit = self.pick(("", " limit 2", " limit 3 offset 1", " limit 100", " limit 5", " offset 2"))
        return Query(f"{sql} order by {keys}{limit}", is_ordered=True)

    def single(self) -> Query:
        distinct, is_star = self.pick(("", "", "distinct ")), self.is_lucky(0.2)
        outputs = list(COLUMNS) if is_star else self.some(list(COLUMNS), 1, 3)
        said = "*" if is_star else ", ".join(f"a.{name}" for name in outputs)
        return self.ordered(f"select {distinct}{said} from {self.pick(self.names)} a{self.where('a')}", len(outputs))

    def joined(self) -> Query:
        kind, name = self.pick([*JOINS, "join", "semi join", "anti join"]), self.pick(DATA)
        is_one_sided = kind in ("semi join", "anti join")
        operator = "=" if kind == "full join" else self.pick(("=", "=", "=", "is not distinct from", "<"))
        condition = f"a.{name} {operator} b.{name}"
        if kind != "full join" and self.is_lucky(0.5):
            condition += f" and {self.predicate(self.pick('ab'), 1, has_subqueries=False)}"
        outputs = [f"a.{name}" for name in self.some(list(COLUMNS), 1, 2)]
        outputs += [] if is_one_sided else [f"b.{name}" for name in self.some(list(COLUMNS), 1, 2)]
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        where = self.where("a" if is_one_sided else self.pick("ab"))
        left, right = self.pick(self.names), self.pick(self.names)
        return self.ordered(f"select {said} from {left} a {kind} {right} b on {condition}{where}", len(outputs))

    def grouped(self) -> Query:
        keys = [f"a.{name}" for name in self.some(DATA, 0, 2)]
        column = self.pick(["a.k", "a.s", "a.m", "a.d", "a.t", "a.x", "a.id"])
        outputs = keys + [text.format(c=column) for text in self.some(AGGREGATES, 1, 3)]
        source = f"{self.pick(self.names)} a"
        if self.is_lucky(0.3):
            name = self.pick(DATA)
            source += f" {self.pick(('join', 'left join'))} {self.pick(self.names)} b on a.{name} = b.{name}"
        group = f" group by {', '.join(keys)}" if keys else ""
        having = self.pick(("", "", "", " having count(*) > 1", " having max(a.s) > 'A'"))
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        return self.ordered(f"select {said} from {source}{self.where('a')}{group}{having}", len(outputs))

    def combined(self) -> Query:
        columns = self.some(list(COLUMNS), 1, 2)
        said = ", ".join(f"a.{name}" for name in columns)
        parts = [f"select {said} from {self.pick(self.names)} a{self.where('a')}" for _ in "lr"]
        operator = self.pick(("union", "union all", "intersect", "except", "except all", "intersect all"))
        return self.ordered(f"{parts[0]} {operator} {parts[1]}", len(columns))

    def nested(self) -> Query:
        inner = self.pick((self.single, self.joined, self.grouped))().sql
        shapes = ("with q as ({0}) select count(*) as n from q", "select count(*) as n from ({0}) q",
                  "with q as ({0}) select * from q union all select * from q", "select * from ({0}) z limit 0")  # fmt: skip
        return Query(self.pick(shapes).format(inner))

    def chain(self) -> Query:
        """Three sources, joined in every way, some by USING, some in parentheses, some of them subqueries."""
        column = self.pick(["k", "s", "m", "t", "ts", "x", "k", "s"])
        sources = {letter: self.derived(column) for letter in "abc"}
        shape = self.pick(CHAINS).format(
            **sources, one=self.pick(JOINS), two=self.pick(JOINS), k=column, d=self.pick("ab")
        )
        alias, table = self.pick("abc"), self.pick(self.names)
        where = self.pick((
            "", "", f" where {alias}.id > 1", f" where {alias}.{column} is not null", f" where {alias}.id is null",
            f" where {alias}.{column} in (select {column} from {table})", f" where coalesce({alias}.id, 0) < 3",
            f" where exists (select 1 from {table} e where e.{column} = {alias}.{column})",
            f" where not exists (select 1 from {table} e where e.{column} = {alias}.{column})",
            f" where {alias}.{column} not in (select {column} from {table})",
        ))  # fmt: skip
        return self.ordered(f"select a.id as a, b.id as b, c.id as c from {shape}{where}", 3)

    def derived(self, column: str) -> str:
        """Something with the columns `id` and `column` to join with: a table, or a subquery."""
        where = self.where("z", has_subqueries=False)
        return str(self.pick(DERIVED)).format(t=self.pick(self.names), o=self.pick(self.names), k=column, where=where)
