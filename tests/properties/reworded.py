"""A query → one of the same shape with other constants, which fedq answers by the plan that it kept.

… where a.k = 1 and a.s < 'b' and b.k = 1
… where a.k = 3 and a.s < 'é' and b.k = 3      what was one constant is one again
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from fedq.bind.shape import Shape, shape_of
from fedq.errors import SQLSyntaxError
from fedq.sql import Edit, apply_edits, exp, nodes, parse
from tests.properties.grammar import Query

NUMBERS = ("0", "1", "2", "3", "4", "7", "70000", "9007199254740993")
DAYS = ("2024-02-29", "1970-01-01", "9999-12-31", "0001-01-01", "2024-2-29")
MOMENTS = ("2024-02-29 12:00:00.000001", "1970-01-01 00:00:00", "2024-02-29 12:00", "1969-12-31 23:59:59.999999")
FIGURES = ("0.10", "0", "1", "2", "-0.01")
TEXTS = ("", "a", "A", "a ", "b", "é", "ß", "it's", "$1", "\\", "😀", "a%", "!a", "zz")
_KINDS = {
    r"t|true": ("t", "true", "f", "false"),
    r"-?\d+(\.\d+)?": FIGURES,
    r"\d+-\d+-\d+": DAYS,
    r"\d+-\d+-\d+[ T].*": MOMENTS,
}
_ODD_NUMBERS = (*NUMBERS, "9223372036854775808", "1" + "0" * 39)
_ODD = (*DAYS, *MOMENTS, *TEXTS, *FIGURES, "2023-02-29")
#: one in so many constants becomes one of another kind: no day, no number that a type holds
ODD = 12


def shape(sql: str) -> Shape | None:
    """The shape of a text; None of one that is no query."""
    try:
        return shape_of(sql, nodes(parse(sql)[0]))
    except SQLSyntaxError:
        return None


def reworded(query: Query) -> Query | None:
    """Another query of the shape, the same for the same query; None where the shape has no constants."""
    found = shape(query.sql)
    if found is None or not found.places:
        return None
    random = Random(zlib.crc32(query.sql.encode()))
    chosen = {name: constant.this for name, constant in found.constants.items()}
    is_odd = False
    for name in random.sample(sorted(chosen), random.randint(1, len(chosen))):  # one that decides makes another plan
        known, constant = _alike(found.constants[name]), found.constants[name]
        if random.randrange(ODD) == 0:
            known, is_odd = _ODD if constant.is_string else _ODD_NUMBERS, True
        free = [one for one in known if one not in chosen.values()]
        chosen[name] = random.choice(free) if free else chosen[name]
        is_odd = is_odd or not chosen[name].isascii() or "\\" in chosen[name]  # which is no BLOB
    said = {name: _quoted(one) if found.constants[name].is_string else one for name, one in chosen.items()}
    sql = apply_edits(query.sql, [Edit(place.start, place.end, said[place.name]) for place in found.places])
    return replace(query, sql=sql, is_lazy=query.is_lazy or is_odd, may_fail=is_odd)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _alike(constant: exp.Literal) -> Sequence[str]:
    """Constants of the same kind: days for a day."""
    if not constant.is_string:
        return NUMBERS
    return next((known for form, known in _KINDS.items() if re.fullmatch(form, constant.this)), TEXTS)
