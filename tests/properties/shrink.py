"""A case that fails → a smaller one that still does: fewer tables' rows, one query, and less of its text.

… from t0_sqlite a left join t1_mariadb b on a.s = b.s where (a.k = 1 and not (b.s like 'a%')) order by 1, 2 limit 2
→ … from t0_sqlite a left join t1_mariadb b on a.s = b.s where not (b.s like 'a%')
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from fedq.errors import SQLSyntaxError
from fedq.sql import exp, parse
from tests.properties.grammar import Case

#: parts of a query that may be left out
_PARTS = ("with_", "where", "having", "qualify", "order", "limit", "offset", "distinct", "group")
_SOURCE_OF = (exp.From, exp.Join)
MOST_TRIES = 400
MOST_WAYS = 24


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case found by leaving out one thing after the other."""
    tries = 0
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in _smaller(case):
            tries += 1
            if tries > MOST_TRIES:
                return case
            if fails(smaller):
                case, is_smaller = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    if len(case.queries) > 1:
        yield from (replace(case, queries=(query,)) for query in case.queries)
        return
    for query in case.queries:
        yield from (replace(case, queries=(replace(query, params=(one,)),)) for one in query.params if query.params[1:])
        for sql in dict.fromkeys(_shorter(query.sql)):
            shorter = replace(query, sql=sql, is_ordered=query.is_ordered and _is_ordered(sql))
            yield replace(case, queries=(shorter,))
    for at, table in enumerate(case.tables):
        if len(table.rows) > 1:
            for half in (table.rows[: len(table.rows) // 2], table.rows[len(table.rows) // 2 :]):
                yield replace(case, tables=(*case.tables[:at], replace(table, rows=half), *case.tables[at + 1 :]))
        for row in range(len(table.rows)):
            fewer = replace(table, rows=table.rows[:row] + table.rows[row + 1 :])
            yield replace(case, tables=(*case.tables[:at], fewer, *case.tables[at + 1 :]))


def _is_ordered(sql: str) -> bool:
    """Whether the text as a whole is in an order, and not only a part of it."""
    return parse(sql)[0].args.get("order") is not None


def _shorter(sql: str) -> Iterator[str]:
    """The text with one of its parts left out: large parts first."""
    try:
        tree = parse(sql)[0]
    except SQLSyntaxError:
        return
    count = sum(1 for _ in tree.walk())
    for number in range(count):
        for how in range(MOST_WAYS):
            copy = tree.copy()
            node = next(node for at, node in enumerate(copy.walk()) if at == number)
            if not _leave_out(node, how):
                break
            yield copy.sql("duckdb")


def _leave_out(node: exp.Expr, how: int) -> bool:
    """Leave out one part of a node, by number; whether there are so many."""
    ways = list(_ways(node))
    if how >= len(ways):
        return False
    ways[how]()
    return True


def _ways(node: exp.Expr) -> Iterator[Callable[[], object]]:
    """Everything that makes this node smaller."""
    if isinstance(node, (exp.And, exp.Or)):
        yield lambda: node.replace(node.right.copy())
        yield lambda: node.replace(node.left.copy())
    elif isinstance(node, (exp.Not, exp.Paren, exp.Filter)) and node.parent is not None:
        yield lambda: node.replace(node.this.copy())
    elif isinstance(node, exp.SetOperation):
        yield from (lambda side=side: node.replace(side.copy()) for side in (node.left, node.right))
        yield from _clauses(node)
    elif isinstance(node, exp.Select):
        yield from _of_select(node)
    elif (
        isinstance(node, exp.Subquery) and (table := node.this.find(exp.Table)) and isinstance(node.parent, _SOURCE_OF)
    ):
        yield lambda: node.replace(exp.alias_(exp.to_table(table.name), node.alias, table=True))
    elif isinstance(node, (exp.Coalesce, exp.Case, exp.Binary)) and isinstance(node.parent, (exp.Alias, exp.AggFunc)):
        column = node.find(exp.Column)
        if column is not None:
            yield lambda: node.replace(column.copy())


def _of_select(node: exp.Select) -> Iterator[Callable[[], object]]:
    yield from _clauses(node)
    joins = node.args.get("joins") or []
    yield from (lambda at=at: joins.pop(at) for at in reversed(range(len(joins))))
    yield from (lambda join=join: join.set("side", None) for join in joins if join.args.get("side"))
    group = node.args.get("group")
    keys = group.expressions if group is not None else []
    yield from (lambda at=at: keys.pop(at) for at in range(len(keys)) if len(keys) > 1)
    if len(node.expressions) > 1:
        yield from (lambda at=at: node.expressions.pop(at) for at in reversed(range(len(node.expressions))))


def _clauses(node: exp.Query) -> Iterator[Callable[[], object]]:
    """Without one of its clauses; a LIMIT goes with the ORDER BY that makes it one answer."""
    for part in _PARTS:
        if node.args.get(part):
            yield partial(_without, node, ("order", "limit", "offset") if part == "order" else (part,))


def _without(node: exp.Query, parts: tuple[str, ...]) -> None:
    for part in parts:
        node.set(part, None)
