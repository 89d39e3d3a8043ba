"""What of a text may be another the next time: the constants that stored columns are compared with.

    select name from users where born >= date '1990-01-01' and id = 7 limit 10
    select name from users where born >= date «0»          and id = «1» limit 10      the shape, and its constants

Texts of one shape are bound once, and planned once while their constants let about as many rows pass (plan/kept.py).
Constants anywhere else may name a column of the result, count rows or be computed with: they belong to the shape. So
does which of the constants are the same, for a plan may say once what a query says twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from fedq.sql import Edit, apply_edits, copied, exp, nodes, of_kinds, type_text

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
#: types that a quoted constant may be cast to on its way
_MOMENTS = frozenset({"DATE", "TIMESTAMP"})
#: what may stand around a condition: nothing here names, groups or orders anything by what is written in it
_AROUND = (
    exp.Select, exp.Where, exp.Join, exp.From, exp.Subquery, exp.CTE, exp.With, exp.SetOperation, exp.In, exp.Exists,
    exp.And, exp.Or, exp.Not, exp.Paren, exp.Alias, *_COMPARISONS,
)  # fmt: skip
#: a constant's place in what is written from a tree: no text, no name and no value holds a NUL
_MARK = re.compile("\\$(\0c\\d+\0)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a constant stands in a text."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A text without its constants."""

    key: str
    """The text with marks in place of the constants: equal for texts of one shape."""
    places: tuple[Place, ...]
    constants: Mapping[str, exp.Literal]
    """By the names of their marks; constants that are the same have one name."""

    def moved(self, edit: Edit, other: Shape) -> Edit:
        """An edit of this shape's text, where the text is one of the same shape with other constants."""
        return Edit(self._moved(edit.start, other), self._moved(edit.end, other), edit.text)

    def _moved(self, position: int, other: Shape) -> int:
        shift = 0
        for old, new in zip(self.places, other.places, strict=True):
            if old.start >= position:
                break
            shift = new.end - old.end
        return position + shift


#: of a query that is no text
NO_SHAPE = Shape("", (), {})


def shape_of(text: str, parts: Sequence[exp.Expr]) -> Shape:
    """The shape of a text, of whose tree these are all nodes.

    >>> from fedq.sql import parse
    >>> shape = shape_of(text := "select a + 1 from t where a = 7 and b < '2'", nodes(parse(text)[0]))
    >>> [text[place.start : place.end] for place in shape.places]
    ['7', "'2'"]
    """
    free = [] if "\0" in text else sorted(_free(text, parts), key=lambda found: found[0])
    places: list[Place] = []
    names: dict[tuple[str, bool], str] = {}
    constants: dict[str, exp.Literal] = {}
    for start, end, node in free:
        name = names.setdefault((node.this, node.is_string), f"\0c{len(names)}\0")
        constants[name] = node
        places.append(Place(start, end, name))
    # a text and a number are no constants of one shape
    marks = [Edit(one.start, one.end, f"{one.name}{'s' if constants[one.name].is_string else 'n'}") for one in places]
    return Shape(apply_edits(text, marks), tuple(places), constants)


def opened(tree: exp.Expr, shape: Shape) -> exp.Expr:
    """The tree with a parameter in place of each of the shape's constants."""
    if not shape.places:
        return tree
    names = {place.start: place.name for place in shape.places}
    made = copied(tree)
    for node in of_kinds(nodes(made), exp.Literal):
        if (name := names.get(node.meta.get("start", -1))) is not None:
            node.replace(exp.Placeholder(this=name))
    return made


def is_constant(value: object) -> bool:
    """Whether what a parameter is given is a constant of the text, and not a value of the user's."""
    return isinstance(value, exp.Literal)


def filled(text: str, params: Mapping[str, Any]) -> str:
    """What was written from an opened tree, with the constants as they are written.

    >>> filled("a = $\\0c0\\0 AND b = $n", {"\\0c0\\0": exp.Literal.string("it's"), "n": 5})
    "a = 'it''s' AND b = $n"
    """
    return _MARK.sub(lambda found: _written(params[found[1]]), text) if "\0" in text else text


def _written(constant: exp.Literal) -> str:
    text: str = constant.this
    return "'" + text.replace("'", "''") + "'" if constant.is_string else text


def _free(text: str, parts: Sequence[exp.Expr]) -> Iterator[tuple[int, int, exp.Literal]]:
    """The constants that may be others, with where they start and end."""
    for node in of_kinds(parts, exp.Literal):
        if "start" not in node.meta or not _is_free(node):
            continue
        start, end = node.meta["start"], node.meta["end"] + 1
        if text[start:end] == _written(node) and (node.is_string or node.this.isdigit()):
            yield start, end, node


def _is_free(literal: exp.Literal) -> bool:
    """Whether it is what a column is compared with, in a condition that decides which rows there are and nothing
    else."""
    node: exp.Expr = literal
    while _goes_through(node.parent, node):
        node = node.parent
    if not literal.is_string and not isinstance(node, (exp.Literal, exp.Paren)):
        return False
    compared = node.parent
    if isinstance(compared, exp.Between):
        is_of_column = isinstance(compared.this.unnest(), exp.Column) and not compared.args.get("symmetric")
    elif isinstance(compared, _COMPARISONS):
        other = compared.expression if node.arg_key == "this" else compared.this
        is_of_column = isinstance(other.unnest(), exp.Column)
    else:
        return False
    return is_of_column and _is_of_rows(compared)


def _goes_through(parent: exp.Expr | None, node: exp.Expr) -> TypeGuard[exp.Expr]:
    """Whether what is compared is made of a constant as a moment is: `date '2024-01-31' + interval 1 month`."""
    if isinstance(parent, (exp.Add, exp.Sub)):
        return node.arg_key == "this" and isinstance(parent.expression, exp.Interval)
    is_cast = type(parent) is exp.Cast and node.arg_key == "this" and type_text(parent.to).upper() in _MOMENTS
    return is_cast or isinstance(parent, exp.Paren)


def _is_of_rows(condition: exp.Expr) -> bool:
    """Whether a condition stands in WHERE or ON, and no name of a result's column is made of it."""
    node = condition
    while isinstance(node.parent, (exp.And, exp.Or, exp.Not, exp.Paren)):
        node = node.parent
    clause = node.parent
    if not isinstance(clause, exp.Where) and not (isinstance(clause, exp.Join) and node.arg_key == "on"):
        return False
    while (parent := node.parent) is not None:
        is_output = isinstance(parent, exp.Select) and node.arg_key == "expressions"
        if (is_output and not isinstance(node, exp.Alias)) or not isinstance(parent, _AROUND):
            return False
        node = parent
    return True
