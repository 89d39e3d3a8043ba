"""A case that fails → a smaller one that still does: fewer tables' rows, one query, and less of its text.

… from t0_sqlite a left join t1_mariadb b on a.s = b.s where (a.k = 1 and not (b.s like 'a%')) order by 1, 2 limit 2
→ … from t0_sqlite a left join t1_mariadb b on a.s = b.s where not (b.s like 'a%')
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fedq.errors import SQLSyntaxError
from fedq.sql import exp, parse
from tests.properties.grammar import Case, Query

#: parts of a query that may be left out
_PARTS = ("where", "having", "order", "limit", "offset", "distinct")
MOST_TRIES = 400


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
    query = case.queries[0]
    for sql in dict.fromkeys(_shorter(query.sql)):
        yield replace(case, queries=(Query(sql, query.is_ordered and "order by" in sql.lower()),))
    for at, table in enumerate(case.tables):
        for row in range(len(table.rows)):
            fewer = replace(table, rows=table.rows[:row] + table.rows[row + 1 :])
            yield replace(case, tables=(*case.tables[:at], fewer, *case.tables[at + 1 :]))


def _shorter(sql: str) -> Iterator[str]:
    """The text with one of its parts left out."""
    try:
        tree = parse(sql)[0]
    except SQLSyntaxError:
        return
    count = sum(1 for _ in tree.walk())
    for number in range(count):
        for how in range(4):
            copy = tree.copy()
            node = next(node for at, node in enumerate(copy.walk()) if at == number)
            if _leave_out(node, how):
                yield copy.sql("duckdb")


def _leave_out(node: exp.Expr, how: int) -> bool:
    """Leave out one part of a node; whether there was one."""
    if isinstance(node, (exp.And, exp.Or)) and how < 2:
        node.replace((node.left if how else node.right).copy())
    elif isinstance(node, (exp.Not, exp.Paren)) and how == 0 and node.parent is not None:
        node.replace(node.this.copy())
    elif isinstance(node, (exp.Select, exp.SetOperation)) and how < 3:
        present = [part for part in _PARTS if node.args.get(part)]
        if len(present) <= how:
            return False
        node.set(present[how], None)
    elif isinstance(node, exp.Select) and len(node.args.get("joins") or []) > 1:
        node.args["joins"].pop()
    else:
        return False
    return True
