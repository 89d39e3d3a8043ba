"""The one door to sqlglot: tokens, syntax trees, and edits of the user's text by position.

sqlglot ships breaking minor releases often; everything else in fedq imports what it needs from here. Trees are used to
*understand* a query and to compose what is sent to a database. The user's own text is never written anew from a tree
(`j->>'a.b'` would come back as another expression): it is edited by the positions that tokens and identifiers carry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from fedq.errors import SQLSyntaxError
from fedq.lists import LongList, shortened

__all__ = [
    "Edit", "Token", "TokenType", "apply_edits", "copied", "every", "exp", "first", "is_rest", "named", "nodes",
    "of_kinds", "parse", "render", "shown_as", "span_of", "tokenize", "type_text", "written",
]  # fmt: skip

# sqlglot says on its logger that it keeps a statement as plain text; fedq refuses such statements with an error of
# its own
logging.getLogger("sqlglot").setLevel(logging.ERROR)

#: behind every text: sqlglot takes a `''` that ends a text with a `$1` in it for a quote that is not closed
_END = " "


class _Read(DuckDB):
    """DuckDB's dialect with what its parser has learnt since: x'61' is a BLOB, `a` a name."""

    class Tokenizer(DuckDB.Tokenizer):
        IDENTIFIERS: ClassVar = ['"', "`"]
        HEX_STRINGS: ClassVar = [("x'", "'"), ("X'", "'")]


#: what trees are written by
_DUCKDB = DuckDB()


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters from `start` up to (not including) `end` by `text`."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; they must not overlap.

    >>> apply_edits("select * from users u", [Edit(14, 19, '"users@1"')])
    'select * from "users@1" u'
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    parts.append(text[at:])
    return "".join(parts)


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, with `start` and (inclusive) `end` offsets. Raises: SQLSyntaxError."""
    try:
        return sqlglot.tokenize(text + _END, read=_Read)
    except TokenError as error:
        message = "the query has a quote or comment that is not closed"
        raise SQLSyntaxError(
            message, sql=text, span=(0, len(text)), hint="Close it, or double a quote inside a text."
        ) from error


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[exp.Expr, ...]:
    """The statements of a text, as trees in DuckDB's dialect, which nobody may change: a text asked again gets the same
    trees. Raises: SQLSyntaxError."""
    short, lists = shortened(text)
    try:
        trees = sqlglot.parse(short + _END, read=_Read)
        if lists and not _filled(trees, lists):
            trees = sqlglot.parse(text + _END, read=_Read)
    except TokenError:
        tokenize(text)
        raise
    except ParseError as error:
        raise _syntax_error(text, error) from error
    except RecursionError as error:
        raise SQLSyntaxError("the query is nested too deeply to be read", hint="Use WITH to name its parts.") from error
    return tuple(tree for tree in trees if isinstance(tree, exp.Expr) and not isinstance(tree, exp.Semicolon))


def _filled(trees: Sequence[object], lists: Sequence[LongList]) -> bool:
    """Put what was left out of the text into its trees, unread; false where one of the lists is none of IN."""
    found: dict[int | str, list[exp.In]] = {}
    for node in (node for tree in trees if isinstance(tree, exp.Expr) for node in every(tree, exp.In)):
        if len(node.expressions) == 1 and (place := _place(node.expressions[0])) is not None:
            found.setdefault(place, []).append(node)
    rests = {one.place: [other.rest for other in lists if other.place == one.place] for one in lists}
    # a parameter has no place but its name: then all lists that it begins must be one
    if any(len(found.get(place, ())) != len(same) or len(set(same)) > 1 for place, same in rests.items()):
        return False
    for place, (rest, *_) in rests.items():
        for node in found[place]:
            node.append("expressions", exp.Literal(this=rest, is_string=False))
    return True


def _place(item: exp.Expr) -> int | str | None:
    """Where a constant is in the text; of a parameter its name."""
    if isinstance(item, exp.Placeholder):
        return str(item.this)
    constant = item.this if isinstance(item, exp.Neg) else item
    return constant.meta.get("start") if isinstance(constant, exp.Literal) else None


def is_rest(node: exp.Expr) -> bool:
    """Whether a node is the rest of a long list (lists.py): a literal that says several constants, as text."""
    return isinstance(node, exp.Literal) and not node.is_string and "," in node.this


def _syntax_error(text: str, error: ParseError) -> SQLSyntaxError:
    place = error.errors[0] if error.errors else {}
    span = None
    line, column, word = place.get("line"), place.get("col"), str(place.get("highlight") or "")
    if line and column:
        starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
        end = starts[min(line, len(starts)) - 1] + column
        span = (max(0, end - max(1, len(word))), end)
    near = f" near {word!r}" if word else ""
    return SQLSyntaxError(f"the query does not parse{near}", sql=text, span=span, hint="fedq speaks DuckDB's SQL.")


def span_of(*nodes: exp.Expr | None) -> tuple[int, int] | None:
    """Where identifiers stand in the text they were parsed from: start and (exclusive) end; None when they carry no
    position."""
    places = [node.meta for node in nodes if node is not None and "start" in node.meta]
    if not places:
        return None
    return min(place["start"] for place in places), max(place["end"] for place in places) + 1


E = TypeVar("E", bound=exp.Expr)
#: nodes that have no nodes in them
_LEAVES = frozenset({exp.Identifier, exp.Literal, exp.Boolean, exp.Null})


class _Kinds(dict[type, bool]):
    """Which classes of nodes are of some kinds: asked once of a class, where `isinstance` goes through the kinds for
    every node."""

    def __init__(self, kinds: tuple[type, ...]) -> None:
        super().__init__()
        self._kinds = kinds

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = issubclass(kind, self._kinds)
        return found


@lru_cache(maxsize=256)
def _kinds(kinds: tuple[type, ...]) -> _Kinds:
    return _Kinds(kinds)


def of_kinds(parts: Iterable[exp.Expr], *kinds: type[E]) -> list[E]:
    """Those of some nodes that are of these kinds."""
    is_one = _kinds(kinds)
    return [node for node in parts if is_one[node.__class__]]  # type: ignore[misc]


def every(tree: exp.Expr, *kinds: type[E]) -> list[E]:
    """The nodes of these kinds, breadth first, the tree itself included: as `find_all` gives them, in a fourth of its
    time.

    >>> [column.name for column in every(parse("select a, b + 1 from t")[0], exp.Column)]
    ['a', 'b']
    """
    return of_kinds(nodes(tree), *kinds)


def first(tree: exp.Expr, *kinds: type[E]) -> E | None:
    """The first of the nodes that `every` gives; None where there is none."""
    return next(iter(every(tree, *kinds)), None)


def nodes(tree: exp.Expr, *, without: Callable[[exp.Expr], bool] | None = None) -> list[exp.Expr]:
    """All nodes, breadth first; of one that `without` is true for only itself, nothing in it."""
    waiting = [tree]
    for node in waiting:
        if node.__class__ in _LEAVES or (without is not None and without(node)):
            continue
        for value in node.args.values():
            if isinstance(value, exp.Expr):
                waiting.append(value)
            elif value.__class__ is list:
                waiting += [item for item in value if isinstance(item, exp.Expr)]
    return waiting


def named(column: exp.Column) -> tuple[str, str]:
    """A reference's qualifier and name, lower case: as `table` and `name` have them, in a fifth of their time.

    >>> [named(column) for column in every(parse("select O.Total, day, o.* from o")[0], exp.Column)]
    [('o', 'total'), ('', 'day'), ('o', '*')]
    """
    qualifier, name = column.args.get("table"), column.args.get("this")
    return (
        qualifier.this.lower() if qualifier.__class__ is exp.Identifier else column.table.lower(),
        name.this.lower() if name.__class__ is exp.Identifier else column.name.lower(),
    )


def shown_as(node: exp.Expr) -> str:
    """The name of a source or an output, lower case: its alias, else its own; "" where it has none.

    >>> tree = parse("select o.Total, day as D, max(day) from Orders o join t")[0]
    >>> [shown_as(node) for node in (*tree.expressions, *every(tree, exp.Table))]
    ['total', 'd', '', 'o', 't']
    """
    name = node.args.get("alias") or node.args.get("this")
    if name.__class__ is exp.TableAlias:
        name = name.args.get("this")
    return name.this.lower() if name.__class__ is exp.Identifier else str(node.alias_or_name).lower()


def copied(tree: E) -> E:
    """A copy of a tree, with positions and marks: as `copy` makes it, in a third of its time.

    What nodes carry beside their parts are numbers, texts and booleans, which need no copies.
    """
    made = tree.__class__()
    waiting: list[tuple[exp.Expr, exp.Expr]] = [(tree, made)]
    for old, new in waiting:
        new._hash = old._hash
        if old.comments is not None:
            new.comments = list(old.comments)
        if old._meta is not None:
            new._meta = dict(old._meta)
        args = new.args
        if old.__class__ in _LEAVES:
            args.update(old.args)
            continue
        for key, value in old.args.items():
            if isinstance(value, exp.Expr):
                args[key] = _shell(value, new, key, None, waiting)
            elif value.__class__ is list:
                args[key] = [
                    _shell(item, new, key, index, waiting) if isinstance(item, exp.Expr) else item
                    for index, item in enumerate(value)
                ]
            else:
                args[key] = value
    return made


def _shell(
    old: exp.Expr, parent: exp.Expr, key: str, index: int | None, waiting: list[tuple[exp.Expr, exp.Expr]]
) -> exp.Expr:
    """A node without parts yet, in its place."""
    new = old.__class__()
    new.parent, new.arg_key, new.index = parent, key, index
    waiting.append((old, new))
    return new


def render(tree: exp.Expr) -> str:
    """A tree as DuckDB's SQL.

    >>> render(parse("select  a from t")[0])
    'SELECT a FROM t'
    """
    return written(copied(tree))


def written(tree: exp.Expr) -> str:
    """As `render`, of a tree that nobody reads any more: to write it may change it."""
    return _DUCKDB.generate(tree, copy=False)


def type_text(type_: exp.DataType) -> str:
    """A type as DuckDB writes it: `DECIMAL(15, 2)`."""
    is_bare = all(value is None or value is False or key == "this" for key, value in type_.args.items())
    return _bare_type_text(type_.this) if is_bare else render(type_)


@lru_cache(maxsize=256)
def _bare_type_text(kind: exp.DType) -> str:
    return written(exp.DataType(this=kind))
