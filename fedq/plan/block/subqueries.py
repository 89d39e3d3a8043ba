"""Subqueries inside of expressions: EXISTS, IN (SELECT …), = ANY (SELECT …) and scalar ones, correlated or not.

    c.id not in (select cid from orders)     "c"."id" NOT IN (SELECT "orders"."cid" FROM "public"."orders" AS "orders")

What is NULL stays so: an IN of a subquery is true, false or unknown there by the same rule as in DuckDB, as long as
each comparison of two values is.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedq.bind.scope import Occurrence
from fedq.plan.block.exactly import check_clean, equal_pair
from fedq.plan.block.statement import Names, Statement
from fedq.plan.constants import NotPushed
from fedq.plan.speaker import Offer, Speaker
from fedq.plan.values import Said, say
from fedq.sql import exp

#: rows of a NOT IN that PostgreSQL surely keeps in a hash table; more it reads again for each row
_MOST_HASHED = 50_000


def predicate(node: exp.Expr, speaker: Speaker, statement: Statement, names: Names) -> Offer:
    """EXISTS, IN and = ANY with a subquery; `names` are those of the block it stands in. Raises: NotPushed."""
    match node:
        case exp.Exists():
            return Offer(_exists(node.this, statement, names), is_exact=True, is_strict=False)
        case exp.In() if node.args.get("query") is not None:
            sql = _in(node.this, node.args["query"], speaker, statement, names)
            return Offer(sql, is_exact=True, is_strict=False)
        case exp.EQ() if isinstance(node.expression, exp.Any) and isinstance(node.expression.this, exp.Query):
            sql = _in(node.this, node.expression.this, speaker, statement, names)
            return Offer(sql, is_exact=True, is_strict=False)
    raise NotPushed(f"{node.key} with a subquery is computed by the local engine")


def scalar(node: exp.Expr, statement: Statement, names: Names) -> Said:
    """A subquery that is one value. Raises: NotPushed unless it has one row at most, whatever the data."""
    written = statement.write(node, statement, names)
    if len(written.items) != 1:
        raise NotPushed("a subquery of several columns as a value")
    if not written.is_one_row:
        raise NotPushed("a subquery that may have several rows, which is an error in the local engine")
    if written.is_correlated and not written.is_quick:
        raise NotPushed("a subquery that would read a large table for each row, without an index to find its rows by")
    item = written.items[0]
    check_clean(item.said)
    return Said(f"({written.plain_sql})", item.said.column, is_strict=False)


def _exists(query: exp.Expr, statement: Statement, names: Names) -> str:
    written = statement.write(query, statement, names)
    return f"EXISTS ({written.sql(['1']) if written.is_plain else written.plain_sql})"


def _in(left: exp.Expr, query: exp.Expr, speaker: Speaker, statement: Statement, names: Names) -> str:
    one = say(left, speaker)
    before = len(statement.occurrences)
    written = statement.write(query, statement, names)
    is_negated = isinstance(left.find_ancestor(exp.Not, exp.Select), exp.Not)
    if is_negated and statement.dialect.name == "postgres":
        _check_hashed(statement.occurrences[before:])
    if len(written.items) != 1:
        raise NotPushed("IN of several columns is computed by the local engine")
    if written.has_limit and statement.dialect.name == "mysql":
        raise NotPushed("MySQL takes no LIMIT in a subquery of IN")
    mine, theirs = equal_pair(one, written.items[0].said, statement.dialect)
    if written.has_limit and written.is_distinct and theirs != written.items[0].said.sql:
        raise NotPushed("the first distinct texts are found by the local engine")
    is_few = not written.is_correlated and query.unnest().args.get("having") is not None
    if is_few and not is_negated and statement.dialect.name == "postgres":
        # what HAVING picks out is little, which PostgreSQL does not know: as an array it is found once, and first
        return f"{mine} = ANY (ARRAY({written.sql([theirs])}))"
    return f"{mine} IN ({written.sql([theirs])})"


def _check_hashed(tables: Sequence[Occurrence]) -> None:
    """Raises: NotPushed for a NOT IN that may be too large for a hash table."""
    rows = [occurrence.table.schema.rows for occurrence in tables]
    if any(count is None or count > _MOST_HASHED for count in rows):
        raise NotPushed("a NOT IN over a large table, which PostgreSQL would read for each row")
