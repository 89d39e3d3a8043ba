"""The bound query: what binding hands to planning, and the steps that make it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

from fedq.bind.check import check_allowed, check_columns, reads_file
from fedq.bind.compare import check_comparisons
from fedq.bind.params import bind_params
from fedq.bind.parse import parse_query
from fedq.bind.resolve import BoundTable, Lookup, Placing, resolve_tables
from fedq.bind.scope import ORIGIN, Block, Occurrence, Scopes, base_tables
from fedq.bind.shape import NO_SHAPE, Shape, opened, shape_of
from fedq.catalog.model import Catalog
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import InvalidQuery
from fedq.sql import Edit, apply_edits, exp, nodes, of_kinds, span_of, tokenize


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query whose every table is settled."""

    text: str
    """The user's text with parameters as `$name`."""
    params: Mapping[str, Any]
    tree: exp.Expr
    """With a parameter in place of each of the shape's constants; its positions are those of the first text of this
    shape."""
    scopes: Scopes
    local: str
    """The text as the local engine runs it: table names replaced by the occurrences' ids, nothing else."""
    edits: tuple[Edit, ...] = ()
    """What was done to `text` to make `local`."""
    shape: Shape = NO_SHAPE
    has_files: bool = False
    """Whether it reads files by itself, as the policy may let it."""

    @property
    def occurrences(self) -> Sequence[Occurrence]:
        """Every place where a base table is read."""
        return self.scopes.occurrences

    @property
    def is_describable(self) -> bool:
        """Whether names and types of the result are known before it runs: those of a PIVOT depend on the data."""
        if isinstance(self.tree, (exp.Pivot, exp.Summarize, exp.Describe)):
            return False
        return all(pivot.args.get("unpivot") for pivot in self.scopes.every(exp.Pivot))

    def place(self, position: int) -> tuple[int, int]:
        """Where a character of `local` comes from in `text`: start and end."""
        for edit in sorted(self.edits, key=lambda edit: edit.start):
            if position < edit.start:
                break
            if position < edit.start + len(edit.text):
                return edit.start, edit.end
            position -= len(edit.text) - (edit.end - edit.start)
        return position, position + 1

    def shown(self, name: str) -> str:
        """A name that the local engine made of an expression, without our name for a table in it."""
        for occurrence in self.occurrences:
            if (quoted := DUCKDB.quote(occurrence.id)) not in name:
                continue
            inner = re.escape(quoted)
            if not occurrence.node.alias:
                name = re.sub(rf'{inner} AS ("(?:[^"]|"")*"|\w+)', lambda found: found[1], name)
            name = re.sub(inner, occurrence.node.name.replace("\\", "\\\\"), name)
        return name

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases it reads, in order of appearance."""
        return tuple(dict.fromkeys(occurrence.table.database for occurrence in self.occurrences))


def bind(
    sql: str,
    params: Any,
    catalog: Catalog,
    lookup: Lookup,
    placing: Placing,
    *,
    known: MutableMapping[str, BoundQuery] | None = None,
) -> BoundQuery:
    """Bind one query. `known` are queries bound before, by shape: over the same tables they are bound alike.

    Raises: SQLSyntaxError, NotAllowed, ReadOnlyError, ParameterError, TableNotFound, AmbiguousTable, ColumnNotFound,
    InvalidQuery, CatalogError.
    """
    text, values = bind_params(_without_frame_marks(_begun(sql)), params)
    tree = parse_query(text)
    has_files = catalog.policy.local_files == "allow"
    parts = nodes(tree)
    check_allowed(text, parts, has_files=has_files)
    tables = resolve_tables(text, _reads(text, parts), catalog, lookup, placing, parts=parts)
    shape = shape_of(text, parts)
    same = known.get(shape.key) if known is not None else None
    if same is not None and are_same([occurrence.table for occurrence in same.occurrences], tables):
        return _in_words(same, text, shape, values)
    tree = opened(tree, shape)
    parts = nodes(tree)
    scopes = Scopes(parts, _reads(text, parts), tables)
    check_columns(text, scopes)
    check_comparisons(text, scopes)
    edits = tuple(localize(text, scopes))
    reads_files = any(reads_file(text, node) for node in of_kinds(parts, exp.Table))
    bound = BoundQuery(text, values, tree, scopes, apply_edits(text, edits), edits, shape, reads_files)
    if known is not None:
        known[shape.key] = bound
    return bound


def _reads(text: str, parts: Sequence[exp.Expr]) -> list[exp.Table]:
    """Those nodes of a tree that read a table of a database."""
    return [node for node in base_tables(parts) if not reads_file(text, node)]


def _in_words(same: BoundQuery, text: str, shape: Shape, params: Mapping[str, Any]) -> BoundQuery:
    """A bound query with the constants and parameters of another text of its shape."""
    if text == same.text:
        return replace(same, params=params)
    edits = tuple(same.shape.moved(edit, shape) for edit in same.edits)
    return replace(same, text=text, params=params, local=apply_edits(text, edits), edits=edits, shape=shape)


def are_same(known: Sequence[BoundTable], tables: Sequence[BoundTable]) -> bool:
    """Whether tables are what they were, down to what is known of their values."""
    statistics = [[table.schema.statistics for table in found] for found in (known, tables)]
    return list(known) == list(tables) and all(one is other for one, other in zip(*statistics, strict=True))


def _begun(sql: str) -> str:
    """The text with blanks for the semicolons before its statement, which DESCRIBE would end at."""
    if ";" not in sql:
        return sql
    marks = takewhile(lambda token: token.text == ";", tokenize(sql))
    return apply_edits(sql, [Edit(mark.start, mark.end + 1, " ") for mark in marks])


def _without_frame_marks(sql: str) -> str:
    """`from @df` insists on the DataFrame: its mark becomes a qualifier, `from dataframes.df`."""
    if "@" not in sql:
        return sql
    tokens = tokenize(sql)
    edits = [
        Edit(mark.start, mark.end + 1, "dataframes.")
        for before, mark in pairwise(tokens)
        if mark.text == "@" and before.text.lower() in ("from", "join")
    ]
    return apply_edits(sql, edits)


def localize(text: str, scopes: Scopes) -> list[Edit]:
    """The edits that replace every base table's name by its occurrence's id, under the name the rest of the query
    uses."""
    edits = [_table_edit(text, occurrence) for occurrence in scopes.occurrences]
    qualified = [column for column in scopes.every(exp.Column) if column.args.get("db") is not None]
    edits += [edit for column in qualified if (edit := _qualifier_edit(column, scopes)) is not None]
    if any(occurrence.has_origin for occurrence in scopes.occurrences):
        edits += _hide_origin(text, scopes)
    return edits


def _table_edit(text: str, occurrence: Occurrence) -> Edit:
    node = occurrence.node
    start, end = span_of(node.this, node.args.get("db"), node.args.get("catalog")) or (0, 0)
    name = DUCKDB.quote(occurrence.id)
    needs_alias = (
        not node.alias
        and not isinstance(node.parent, (exp.Summarize, exp.Describe))
        and not _is_table_statement(text, start)
    )
    written = span_of(node.this) or (start, end)
    return Edit(start, end, f"{name} AS {text[written[0] : written[1]]}" if needs_alias else name)


def _is_table_statement(text: str, start: int) -> bool:
    """`TABLE t`, where no alias may stand."""
    return text[:start].rstrip()[-5:].lower() == "table"


def _qualifier_edit(column: exp.Column, scopes: Scopes) -> Edit | None:
    """`shop.orders.id` → `orders.id`, where shop.orders is a table of the query."""
    if not any(occurrence.is_qualified_as(column) for occurrence in scopes.occurrences):
        return None
    span = span_of(column.args.get("db"), column.args.get("catalog"))
    table = span_of(column.args["table"])
    return Edit(span[0], table[0], "") if span and table else None


def _hide_origin(text: str, scopes: Scopes) -> list[Edit]:
    """`*` must not show the hidden column: `select *, _database` → `select * EXCLUDE (_database), _database`."""
    edits = []
    for block in scopes.blocks.values():
        _check_natural(text, block)
        for projection in block.node.expressions:
            star = projection.this if isinstance(projection, (exp.Column, exp.Columns)) else projection
            if isinstance(star, exp.Star) and _shows_origin(projection, block.tables):
                edits.append(_exclude(text, star))
    return edits


def _shows_origin(projection: exp.Expr, tables: Mapping[str, Occurrence]) -> bool:
    if isinstance(projection, exp.Column):
        occurrence = tables.get(projection.table.lower())
        return occurrence is not None and occurrence.has_origin
    return any(occurrence.has_origin for occurrence in tables.values())


def _check_natural(text: str, block: Block) -> None:
    """A NATURAL JOIN would join on the hidden column too. Raises: InvalidQuery."""
    marked = [occurrence for occurrence in block.tables.values() if occurrence.has_origin]
    joins = block.node.args.get("joins") or []
    if len(marked) > 1 and any(str(join.args.get("method") or "").upper() == "NATURAL" for join in joins):
        message = f"{ORIGIN} of several tables cannot be read beside a NATURAL JOIN, which would join on it"
        raise InvalidQuery(message, sql=text, span=span_of(marked[1].node.this), hint="Write the join with USING (…).")


def _exclude(text: str, star: exp.Star) -> Edit:
    span = span_of(star)
    if span is None or star.args.get("except_"):
        message = f"{ORIGIN} cannot be read beside a star that excludes columns"
        raise InvalidQuery(message, sql=text, span=span, hint="Name the columns instead of the star.")
    return Edit(span[0], span[1], f"* EXCLUDE ({ORIGIN})")
