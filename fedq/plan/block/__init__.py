"""Any block of the query that lives in one database, as one statement that means there what it means in DuckDB.

    write_block(query, node, dialect, kind, outputs) → Fetch     a SELECT or set operation, with all in it
    speaker_of(query, block, dialect, within=ids)   → Speaker    single conditions of a block, subqueries included
    tables_of(query, node)                          → tables     what a part of the query reads, through its CTEs too

Nothing is applied again afterwards, so whatever is not certainly the same raises NotPushed with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from fedq.bind.bound import BoundQuery
from fedq.bind.scope import Block, Occurrence, cte_of
from fedq.dialects.base import Dialect
from fedq.plan.block.limits import limit_of
from fedq.plan.block.select import write_select
from fedq.plan.block.sets import ordered_rows, write_set
from fedq.plan.block.sources import REACHING
from fedq.plan.block.statement import BlockNames, Item, Names, Statement, Written, source_of_query
from fedq.plan.block.subqueries import predicate, scalar
from fedq.plan.constants import NotPushed
from fedq.plan.nodes import Fetch, Output
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said
from fedq.sql import exp
from fedq.types import Type

__all__ = ["limit_of", "speaker_of", "tables_of", "write_block"]

_PARENTHESIS = ("this", "alias", "order", "limit", "offset")


def write_block(
    query: BoundQuery, node: exp.Expr, dialect: Dialect, kind: str, outputs: Sequence[tuple[str, Type]]
) -> Fetch:
    """The fetch that answers one block in one statement.

    `node` is `query.tree` or a SELECT or set operation in it that reads tables of one database only and nothing of the
    blocks around it; `outputs` are its columns as the local engine's binder gave them. Raises: NotPushed.
    """
    statement = Statement(query, dialect, None, write_query, node)
    written = write_query(node, statement, None)
    if len(written.items) != len(outputs):
        raise NotPushed("the columns of the result are settled by the local engine")
    if not statement.occurrences:
        raise NotPushed("it reads no stored table")
    first = statement.occurrences[0]
    return Fetch(
        id=first.id,
        database=first.table.database,
        kind=kind,
        tables=tuple(dict.fromkeys(occurrence.table.name for occurrence in statement.occurrences)),
        outputs=tuple(_output(item, *output) for item, output in zip(written.items, outputs, strict=True)),
        source=written.source,
        where=written.where,
        suffix=written.suffix,
        is_distinct=written.is_distinct,
        pushed=("the whole query",),
    )


def _output(item: Item, name: str, type_: Type) -> Output:
    """One column of the result; a computed one must have the type that the local engine gives it."""
    column = item.said.column
    if column.physical:
        return Output(item.said.sql, name, type_, column)
    if column.type != type_:
        raise NotPushed(f"{name} is {type_} in the local engine, and {column.type} there")
    return Output(item.said.sql, name, type_)


def write_query(node: exp.Expr, statement: Statement, names: Names | None) -> Written:
    """A SELECT, a set operation, or one in parentheses. Raises: NotPushed."""
    if isinstance(node, exp.Subquery):
        return _write_parenthesis(node, statement, names)
    if isinstance(node, exp.Select):
        return write_select(node, statement, names)
    if isinstance(node, exp.SetOperation):
        return write_set(node, statement, names)
    raise NotPushed("only SELECT and set operations are sent whole to this kind of database")


def _write_parenthesis(node: exp.Subquery, statement: Statement, names: Names | None) -> Written:
    """`(SELECT …)`, perhaps with an order and a limit of its own."""
    if any(value for key, value in node.args.items() if key not in _PARENTHESIS):
        raise NotPushed("a query in parentheses with more than an order and a limit")
    if not any(node.args.get(key) for key in ("order", "limit", "offset")):
        if statement.root is node:
            statement.root = node.this
        return write_query(node.this, statement, names)
    written = write_query(node.this, statement, names if statement.dialect.name in REACHING else None)
    unnamed = replace(written, items=tuple(replace(item, name="") for item in written.items))
    source, sql = source_of_query(statement, unnamed, "rows", ())
    items = tuple(
        Item(item.name, Said(found[0], found[1], is_strict=False))
        for item, (_, found) in zip(written.items, source.columns, strict=True)
    )
    rows = Written(items, f"FROM {sql}", is_one_row=written.is_one_row, has_order=written.has_order)
    return ordered_rows(node, rows, statement)


def speaker_of(query: BoundQuery, block: Block, dialect: Dialect, *, within: Collection[str] | None = None) -> Speaker:
    """How a statement over tables of `block` says a condition of it, subqueries of the same database included.

    Columns are written `"alias"."column"`, the alias as in the query. `within` are the ids of the occurrences that the
    statement reads; by default all of the block's own.
    """
    own = [occurrence for occurrence in query.occurrences if within is None or occurrence.id in within]
    if within is None:
        mine = {occurrence.id for occurrence in block.tables.values()}
        own = [occurrence for occurrence in own if occurrence.id in mine]
    databases = {occurrence.table.database for occurrence in own}
    statement = Statement(query, dialect, next(iter(databases), None), write_query)
    for occurrence in query.occurrences:  # names of tables around a subquery are taken
        if occurrence in own:
            statement.alias(occurrence.alias)
    names = BlockNames(statement, block, frozenset(occurrence.id for occurrence in own))
    is_one = len(databases) == 1
    speaker = Speaker(dialect, names.find, query.params)
    if not is_one:
        return speaker
    return Speaker(
        dialect,
        names.find,
        query.params,
        predicate_of=lambda node: predicate(node, speaker, statement, names),
        scalar_of=lambda node: scalar(node, statement, names),
    )


def tables_of(query: BoundQuery, node: exp.Expr) -> list[Occurrence]:
    """The stored tables that a part of the query reads, those behind the names of CTEs included."""
    by_node = {id(occurrence.node): occurrence for occurrence in query.occurrences}
    found: dict[str, Occurrence] = {}
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        for table in waiting.pop().find_all(exp.Table):
            if (occurrence := by_node.get(id(table))) is not None:
                found[occurrence.id] = occurrence
            elif (cte := cte_of(table)) is not None and id(cte) not in seen:
                seen.add(id(cte))
                waiting.append(cte.this)
    return list(found.values())
