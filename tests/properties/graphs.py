"""Random queries as reports ask them: several tables joined, some of one database, grouped, counted and put in order.

    select b.s as c0, sum(a.m) as c1, count(distinct c.k) as c2
    from t0_postgres a left join t1_mariadb b on a.u = b.k join t2_postgres c on b.f = c.s
    where exists (select 1 from t1_mariadb i, t0_postgres j where i.k = j.u and i.s = a.s) group by 1

`grammar.py` makes the conditions; here is what they stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.properties.grammar import COLUMNS, DATA, OPERATORS, Grammar, Query

#: columns that are compared with each other: of one type, or of types that DuckDB makes one of
PAIRS = [
    ("k", "k"), ("k", "k"), ("s", "s"), ("s", "s"), ("f", "f"), ("s", "f"), ("f", "s"), ("id", "id"), ("u", "u"),
    ("u", "k"), ("k", "u"), ("id", "k"), ("u", "id"), ("id", "u"), ("m", "m"), ("m", "p"), ("p", "m"), ("p", "p"),
    ("t", "t"), ("ts", "ts"), ("t", "ts"), ("x", "x"), ("b", "b"), ("k", "m"), ("d", "d"), ("m", "d"), ("u", "p"),
    ("h", "h"), ("h", "k"), ("u", "h"), ("z", "z"), ("r", "r"), ("r", "d"),
]  # fmt: skip
#: {a} and {b} are aliases of one table or two
SUMS = [
    "count(*)", "count(*)", "count({a}.s)", "count({a}.k)", "count({a}.id)", "count(distinct {a}.s)",
    "count(distinct {a}.f)", "count(distinct {a}.k)", "count(distinct {a}.m)", "sum({a}.m)", "sum({a}.k)", "sum({a}.u)",
    "sum({a}.p)", "avg({a}.m)", "avg({a}.k)", "avg({a}.u)", "avg({a}.p)", "min({a}.s)", "max({a}.s)", "min({a}.f)",
    "max({a}.f)", "min({a}.m)", "max({a}.t)", "min({a}.ts)", "max({a}.d)", "min({a}.x)", "max({a}.u)", "bool_or({a}.b)",
    "bool_and({a}.b)", "sum(distinct {a}.m)", "avg(distinct {a}.u)", "sum({a}.m * (1 - {a}.p))", "sum({a}.m * {b}.p)",
    "sum({a}.u::BIGINT + {b}.u)", "sum(case when {a}.b then {a}.m else 0 end)", "sum(case when {b}.b then {a}.m end)",
    "sum(coalesce({a}.m, 0))", "count(case when {a}.s = {b}.s then 1 end)", "sum({a}.m) / nullif(count({a}.m), 0)",
    "sum({a}.m) + sum({b}.p)", "count(*) - count({a}.s)", "coalesce(sum({a}.m), -1)", "max({a}.u) - min({b}.u::BIGINT)",
    "sum({a}.m) / (1 + count(distinct {b}.s))", "sum(-{a}.m)", "min(coalesce({a}.s, {b}.s))", "sum(1)", "sum({a}.b::INT)",
    "any_value({a}.s) is null and count({a}.s) > 0", "100.0 * sum({a}.m) / nullif(sum({b}.p), 0)", "sum({a}.id)",
    "sum({a}.h)", "max({a}.h)", "min({a}.z)", "max({a}.r)", "avg({a}.h)",
    "count(distinct {a}.r)",
]  # fmt: skip
#: their last digits depend on the order of the rows
FLOATS = [
    "sum({a}.d) filter (where {a}.d between 0 and 10)", "avg(case when {a}.d between 0 and 10 then {a}.d end)",
    "sum(case when {a}.d between 0 and 10 then {a}.d * {b}.m::DOUBLE end) filter (where {b}.m between 0 and 100)",
]  # fmt: skip
KEYS = [
    "{a}.s", "{a}.f", "{a}.k", "{a}.m", "{a}.t", "{a}.b", "{a}.u", "{a}.ts", "{a}.id", "{a}.s", "{a}.k", "year({a}.t)",
    "{a}.u % 2", "coalesce({a}.s, {b}.s)", "case when {a}.b then {b}.k end", "lower({a}.s)", "({a}.s is null)", "{a}.d",
    "{a}.m + {b}.p", "{a}.x", "substring({a}.s, 1, 1)", "{a}.h", "{a}.z", "{a}.r",
]  # fmt: skip
SOURCES = [
    *["{t}"] * 12, "(select * from {t} z{where})", "(select distinct * from {t} z{where})",
    "(select * from {t} union all select * from {o})", "(select z.* from {t} z join {o} y on z.{k} = y.{k}{where})",
    "(select z.* from {t} z where exists (select 1 from {o} y where y.{k} = z.{k}))",
    "(select * from {t} z order by z.{k} nulls last, z.id limit 4)", *["(select {columns} from {t} z{where})"] * 2,
    "(select {columns} from {t} z left join {o} y on z.{k} = y.{k}{where})",
    "(select {columns} from {t} z, {o} y where z.{k} = y.{k} and z.id <= y.u)",
]  # fmt: skip
WINDOWS = [
    "row_number() over (partition by {a}.{k} order by {ids})", "count(*) over (partition by {a}.{k})",
    "sum({a}.m) over (partition by {b}.{k})", "rank() over (order by {a}.{k})", "max({a}.s) over (partition by {b}.{k})",
    "dense_rank() over (partition by {b}.b order by {a}.{k} desc nulls last)", "count({a}.s) over ()",
    "sum({a}.m) over (partition by {a}.{k} order by {ids} rows between 1 preceding and current row)",
    "lag({a}.k) over (order by {ids})", "first_value({a}.s) over (partition by {b}.{k} order by {ids})",
    "avg({a}.u) over (partition by {a}.{k})",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sources:
    """A FROM clause, the aliases in it, and conditions that are to stand in WHERE."""

    text: str
    aliases: list[str]
    links: list[str]


class Graphs(Grammar):
    """The grammar, and queries over graphs of tables."""

    def shape(self) -> Callable[[], Query]:
        """Mostly the queries of this class."""
        own: Sequence[Callable[[], Query]] = (
            self.plain, self.plain, self.aggregated, self.aggregated, self.aggregated, self.windowed, self.with_groups,
            self.shared, self.stacked, self.sets_of_groups, self.first_of_group, self.counted, self.counted, self.counted,
        )  # fmt: skip
        return own[self.random.randrange(len(own))] if self.is_lucky(0.7) else Grammar.shape(self)

    def table(self, column: str = "k") -> str:
        """A table, or a subquery that has all its columns."""
        where = self.where("z", has_subqueries=False)
        columns = ", ".join(
            self.computed(name) if name != "id" and self.is_lucky(0.15) else f"z.{name}" for name in COLUMNS
        )
        source, one, other = str(self.pick(SOURCES)), self.pick(self.names), self.pick(self.names)
        return source.format(t=one, o=other, k=column, where=where, columns=columns)

    def computed(self, name: str) -> str:
        """A column of another value under the old name and of the old type."""
        constant = self.constant(name)
        forms = (f"coalesce(z.{name}, {constant})", f"nullif(z.{name}, {constant})",
                 f"case when z.b then z.{name} else {constant} end", "z.id" if name == "k" else f"z.{name}")  # fmt: skip
        return f"cast({self.pick(forms)} as {COLUMNS[name]}) as {name}"

    def link(self, one: str, other: str) -> str:
        left, right = self.pick(PAIRS)
        return f"{one}.{left} = {other}.{right}"

    def sources(self, low: int = 1, most: int = 4) -> Sources:
        """Some tables, joined by commas or in every other way."""
        aliases = ["n1", "n2", "n3", "n4"][: self.random.randint(low, most)]
        if self.is_lucky(0.5):
            links = [self.link(self.pick(aliases[:at]), aliases[at]) for at in range(1, len(aliases))]
            if len(aliases) > 1 and self.is_lucky(0.2):
                links.append(self.link(*self.random.sample(aliases, 2)))
            return Sources(", ".join(f"{self.table()} {alias}" for alias in aliases), aliases, links)
        text = f"{self.table()} {aliases[0]}"
        for at, alias in enumerate(aliases[1:], 1):
            kind = self.pick(("join", "join", "join", "left join", "left join", "right join", "full join"))
            on = self.link(self.pick(aliases[:at]), alias)
            if kind != "full join" and self.is_lucky(0.3):
                on += f" and {self.predicate(self.pick((alias, self.pick(aliases[:at]))), 1, has_subqueries=False)}"
            text += f" {kind} {self.table()} {alias} on {on}"
        return Sources(text, aliases, [])

    def filters(self, sources: Sources) -> str:
        """A WHERE clause: the links, conditions on one table, on two, and with subqueries."""
        said = list(sources.links)
        said += [self.predicate(alias, 1, has_subqueries=False) for alias in sources.aliases if self.is_lucky(0.2)]
        if self.is_lucky(0.2):
            said.append(self.either(self.pick(sources.aliases), self.pick(sources.aliases)))
        if self.is_lucky(0.3):
            said.append(self.deep(self.pick(sources.aliases), self.pick(sources.aliases)))
        return f" where {' and '.join(said)}" if said else ""

    def either(self, one: str, other: str) -> str:
        """OR of ANDs over two tables."""
        parts = [f"({self.simple(one)} and {self.simple(other)})" for _ in "lr"]
        return f"({' or '.join(parts)})"

    def deep(self, alias: str, also: str) -> str:
        """A condition with a subquery, most of them correlated, over one table or two."""
        inner, outer = self.pick(PAIRS)
        by = f"i.{inner} = {alias}.{outer}"
        source, own = self.pick((
            (f"{self.pick(self.names)} i", ""),
            (f"{self.pick(self.names)} i, {self.pick(self.names)} j", f" and {self.link('i', 'j')}"),
            (f"{self.pick(self.names)} i left join {self.pick(self.names)} j on {self.link('i', 'j')}", ""),
        ))  # fmt: skip
        if self.is_lucky(0.4):
            own += f" and {self.predicate('i', 1, has_subqueries=False)}"
        if self.is_lucky(0.2):
            own += f" and i.{self.pick(('id', 'k', 's'))} <> {also}.{self.pick(('id', 'k'))}".replace(
                "i.s <>", "i.u <>"
            )
        negation = self.pick(("", "not "))
        one, two = self.pick(PAIRS)
        number = self.pick(("k", "m", "u", "p"))
        aggregate = self.pick(("min", "max", "sum", "avg", "count", "0.5 * avg", "1 + count"))
        tested = self.pick(self.names)
        shapes = (
            f"{negation}exists (select 1 from {source} where {by}{own})",
            f"{negation}exists (select * from {source} where {by}{own})",
            f"{alias}.{two} {negation}in (select i.{one} from {source} where {by}{own})",
            f"{alias}.{two} {negation}in (select i.{one} from {source} where true{own})",
            f"{alias}.{two} {negation}in (select i.{one} from {source} where true{own} group by 1 having count(*) > 1)",
            f"{alias}.{number} {self.pick(OPERATORS)} (select {aggregate}(i.{number}) from {source} where {by}{own})",
            f"{alias}.{number} > (select {aggregate}(i.{number}) from {source} where true{own})",
            f"({alias}.{two}, {alias}.s) {negation}in (select i.{one}, i.s from {source} where true{own})",
            f"{alias}.{two} {self.pick(('= any', '<> all'))} (select i.{one} from {source} where true{own})",
            f"{negation}exists (select 1 from {source} where {by}{own} and {negation}exists "
            f"(select 1 from {tested} e where e.s = i.s and e.id <> i.id))",
            f"(exists (select 1 from {source} where {by}{own}) or {self.simple(alias)})",
        )
        return str(self.pick(shapes))

    def plain(self) -> Query:
        """Columns of all tables; some with a top-n by another order than of what is shown."""
        sources = self.sources()
        outputs = [f"{self.pick(sources.aliases)}.{name}" for name in self.some(list(COLUMNS), 1, 4)]
        if self.is_lucky(0.15):
            inner, outer = self.pick(PAIRS)
            aggregate = str(self.pick(SUMS)).format(a="i", b="i")
            outer = f"{self.pick(sources.aliases)}.{outer}"
            outputs.append(f"(select {aggregate} from {self.pick(self.names)} i where i.{inner} = {outer})")
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        text = f"select {self.pick(('', '', '', 'distinct '))}{said} from {sources.text}{self.filters(sources)}"
        if self.is_lucky(0.6) or "distinct" in said or text.startswith("select distinct"):
            return self.ordered(text, len(outputs))
        keys = [f"{self.pick(sources.aliases)}.{name}{self.pick(('', ' desc'))}" for name in self.some(DATA, 1, 2)]
        order = ", ".join([*keys, *(str(at) for at in range(1, len(outputs) + 1))])
        return Query(f"{text} order by {order} limit {self.random.randint(1, 5)}", is_ordered=True)

    def aggregate(self, sources: Sources) -> str:
        text = str(self.pick(SUMS)).format(a=self.pick(sources.aliases), b=self.pick(sources.aliases))
        is_single = text.count("(") == text.count(")") == 1 and text.endswith(")")
        if is_single and self.is_lucky(0.2):
            text += f" filter (where {self.simple(self.pick(sources.aliases))})"
        return text

    def aggregated(self) -> Query:
        """Grouped by columns of some tables, with aggregates of others."""
        sources = self.sources(1, 4)
        keys = [
            str(key).format(a=self.pick(sources.aliases), b=self.pick(sources.aliases)) for key in self.some(KEYS, 0, 2)
        ]
        outputs = keys + [self.aggregate(sources) for _ in range(self.random.randint(1, 3))]
        is_approximate = self.is_lucky(0.08)
        if is_approximate:
            outputs.append(str(self.pick(FLOATS)).format(a=self.pick(sources.aliases), b=self.pick(sources.aliases)))
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        group, having = self.groups(keys), ""
        if self.is_lucky(0.25):
            having = f" having {self.aggregate(sources)} {self.pick(('> 0', 'is not null', '<> 1', 'is null', 'is not null'))}"
            if "is null and" in having or "min(" in having or "max(" in having or "bool" in having:
                having = " having count(*) > 1"
        elif keys and self.is_lucky(0.1):
            having = f" having sum({sources.aliases[0]}.m) > (select avg(h.m) from {self.pick(self.names)} h)"
        text = f"select {said} from {sources.text}{self.filters(sources)}{group}{having}"
        return Query(text, is_approximate=True) if is_approximate else self.ordered(text, len(outputs))

    def counted(self) -> Query:
        """Plain tables, joined and counted by a column of one: what is counted lies elsewhere, and may be missing."""
        aliases = ["n1", "n2", "n3"][: self.random.randint(2, 3)]
        text = f"{self.pick(self.names)} n1"
        for at, alias in enumerate(aliases[1:], 1):
            kind = self.pick(("left join", "left join", "join", "right join"))
            text += f" {kind} {self.pick(self.names)} {alias} on {self.link(self.pick(aliases[:at]), alias)}"
        owner = self.pick(aliases)
        key = f"{self.pick(aliases)}.{self.pick(('s', 'k', 'u', 'm', 'f', 'b', 'id'))}"
        single = [str(self.pick(SUMS)).format(a=owner, b=owner) for _ in range(self.random.randint(1, 2))]
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate([key, "count(*)", *single]))
        where = f" where {self.simple(self.pick(aliases))}" if self.is_lucky(0.25) else ""
        return self.ordered(f"select {said} from {text}{where} group by {key}", 2 + len(single))

    def groups(self, keys: list[str]) -> str:
        """GROUP BY, at times several at once."""
        if not keys:
            return ""
        if self.is_lucky(0.85):
            return f" group by {', '.join(keys)}"
        listed = ", ".join(keys)
        return f" group by {self.pick(('rollup', 'cube'))} ({listed})" if self.is_lucky(0.6) else (
            f" group by grouping sets (({listed}), ({keys[0]}), ())"
        )  # fmt: skip

    def group_of(self, column: str) -> str:
        """A grouped subquery with the columns `column`, n and v."""
        inner = Sources(f"{self.pick(self.names)} z", ["z"], [])
        if self.is_lucky(0.4):
            text = f"{self.pick(self.names)} z {self.pick(('join', 'left join'))} {self.pick(self.names)} y"
            inner = Sources(f"{text} on {self.link('z', 'y')}", ["z", "y"], [])
        where = f" where {self.predicate('z', 1, has_subqueries=False)}" if self.is_lucky(0.4) else ""
        value = str(self.pick(SUMS[4:])).format(a="z", b=inner.aliases[-1])
        having = " having count(*) > 1" if self.is_lucky(0.2) else ""
        return f"select z.{column}, count(*) as n, {value} as v from {inner.text}{where} group by z.{column}{having}"

    def with_groups(self) -> Query:
        """A table joined with a grouped subquery or two."""
        column = self.pick(("k", "s", "f", "u", "m", "t"))
        kinds = [self.pick(("join", "left join", "join", "right join")) for _ in "12"]
        text = f"{self.table()} a {kinds[0]} ({self.group_of(column)}) g on g.{column} = a.{column}"
        outputs = ["a.id", "a.s", "g.n", "g.v"]
        if self.is_lucky(0.3):
            text += f" {kinds[1]} ({self.group_of(column)}) h on h.{column} = a.{column}"
            outputs.append("h.v")
        where = self.pick(("", "", " where g.n > 1", f" where {self.simple('a')}", " where a.k > g.n"))
        if self.is_lucky(0.3):
            said = "g.n as c0, count(*) as c1, sum(a.m) as c2, count(g.n) as c3"
            return self.ordered(f"select {said} from {text}{where} group by g.n", 4)
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        return self.ordered(f"select {said} from {text}{where}", len(outputs))

    def shared(self) -> Query:
        """A CTE read twice."""
        column = self.pick(("k", "s", "f", "u"))
        how = self.pick(("", "", "materialized ", "not materialized "))
        shapes = (
            f"select x.n as c0, y.n as c1 from q x {self.pick(('join', 'left join'))} q y on x.{column} = y.{column}",
            f"select q.{column} as c0, q.n as c1 from q where n = (select max(n) from q)",
            f"select a.id as c0, x.n as c1 from {self.pick(self.names)} a join q x on x.{column} = a.{column} "
            f"where exists (select 1 from q y where y.n > x.n)",
            f"select a.id as c0, a.s as c1 from {self.pick(self.names)} a where a.{column} in (select {column} from q) "
            "and a.id not in (select n from q)",
            f"select {column} as c0, n as c1 from q union all select {column}, n from q where n > 1",
        )
        return self.ordered(f"with q as {how}({self.group_of(column)}) {self.pick(shapes)}", 2)

    def stacked(self) -> Query:
        """Blocks one above the other, grouped as one."""
        columns = [self.pick(("k", "s", "f", "u", "m")), self.pick(("m", "u", "p"))]
        parts = []
        for _ in range(self.random.randint(2, 3)):
            sources = self.sources(1, 2)
            said = ", ".join(f"{self.pick(sources.aliases)}.{name} as c{at}" for at, name in enumerate(columns))
            parts.append(f"select {said} from {sources.text}{self.filters(sources)}")
        stack = f" {self.pick(('union all', 'union all', 'union', 'except', 'intersect'))} ".join(parts)
        if self.is_lucky(0.3):
            return self.ordered(stack, 2)
        said = f"c0, count(*) as n, {self.pick(('sum(c1)', 'max(c1)', 'count(distinct c1)', 'avg(c1)'))} as v"
        return self.ordered(f"select {said} from ({stack}) group by c0", 3)

    def sets_of_groups(self) -> Query:
        """Grouped blocks, one above the other."""
        column = self.pick(("k", "s", "u"))
        parts = [f"(select {column}, n from ({self.group_of(column)}))" for _ in "lr"]
        return self.ordered(f" {self.pick(('union all', 'union', 'except', 'intersect'))} ".join(parts), 2)

    def windowed(self) -> Query:
        """Windows over joins."""
        sources = self.sources(1, 3)
        while "union all" in sources.text:  # whose ids are not unique: a row's number would be a matter of luck
            sources = self.sources(1, 3)
        ids = ", ".join(f"{alias}.id" for alias in sources.aliases)
        windows = [self.window(sources, ids) for _ in range(self.random.randint(1, 2))]
        outputs = [f"{alias}.id" for alias in sources.aliases] + windows
        said = ", ".join(f"{output} as c{at}" for at, output in enumerate(outputs))
        qualify = f" qualify row_number() over (partition by n1.{self.pick(DATA)} order by {ids}) = 1"
        qualify = qualify if self.is_lucky(0.2) else ""
        return self.ordered(f"select {said} from {sources.text}{self.filters(sources)}{qualify}", len(outputs))

    def window(self, sources: Sources, ids: str) -> str:
        one, other = self.pick(sources.aliases), self.pick(sources.aliases)
        return str(self.pick(WINDOWS)).format(a=one, b=other, k=self.pick(DATA), ids=ids)

    def first_of_group(self) -> Query:
        """The row that has the most of its group: a correlated aggregate, and a top-n."""
        column, number = self.pick(("k", "s", "f", "u")), self.pick(("m", "u", "k", "t", "s"))
        one, other = self.pick(self.names), self.pick(self.names)
        most = f"select {self.pick(('min', 'max'))}(i.{number}) from {other} i where i.{column} = a.{column}"
        if self.is_lucky(0.3):
            most = most.replace(" where ", f" join {self.pick(self.names)} j on {self.link('i', 'j')} where ")
        where = f"a.{number} = ({most})"
        if self.is_lucky(0.3):
            where += f" and {self.simple('a')}"
        return self.ordered(f"select a.id as c0, a.{column} as c1, a.{number} as c2 from {one} a where {where}", 3)
