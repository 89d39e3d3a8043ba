"""Long lists of constants and parameters after IN, which are read here by one pattern: sqlglot takes ten microseconds
for a value.

    select * from t where id in (1, 2, 3, 4) and x      what the user wrote
    select * from t where id in (1         ) and x      what sqlglot reads: every other place is where it was
    IN (1, «2, 3, 4»)                                   the tree: the rest of the list is one literal, unread

What looks like a list may stand in a text or in a comment; whoever reads the shortened text sees that, and then reads
the whole. Where IN is no predicate, as in PIVOT, nothing is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: shorter texts have no list that would be worth it
_LONG_TEXT = 2_000
_ITEM = r"(?:-?[0-9]+(?:\.[0-9]+)?|'(?:[^']|'')*+'|\$\w+)"
_LIST = re.compile(rf"\bin\s*\(\s*({_ITEM})(\s*,\s*({_ITEM}(?:\s*,\s*{_ITEM}){{200,}}+))\s*\)", re.IGNORECASE)
_EACH = re.compile(_ITEM)
_OTHERWISE = re.compile(r"\bpivot\b|\bunpivot\b|\bfor\s+\S+\s+in\s*\(", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\w+)")
_INK = re.compile(r"[^\n\r]")


@dataclass(frozen=True, slots=True)
class LongList:
    """A list of constants that is left out of a text, but for its first."""

    place: int | str
    """Where the first constant's token is in the text, a sign in front of it being another; a parameter's name."""
    rest: str
    """The others, as they are written."""


def shortened(text: str) -> tuple[str, list[LongList]]:
    """The text with blanks in place of long lists' constants but the first, and these lists.

    >>> written = f"select 1 in ({', '.join(map(str, range(1000)))}), 'x'"
    >>> short, [found] = shortened(written)
    >>> short.split(), found.place, found.rest[-8:], len(short) == len(written)
    (['select', '1', 'in', '(0', '),', "'x'"], 13, '998, 999', True)
    """
    if len(text) < _LONG_TEXT or _OTHERWISE.search(text):
        return text, []
    parts, lists, at = list[str](), list[LongList](), 0
    for found in _LIST.finditer(text):
        parts += [text[at : found.start(2)], _INK.sub(" ", found[2])]
        place = found[1][1:] if found[1].startswith("$") else found.start(1) + found[1].startswith("-")
        lists.append(LongList(place, found[3]))
        at = found.end(2)
    return "".join([*parts, text[at:]]), lists


def members(rest: str) -> list[str]:
    """The constants of the rest of a list, each as it is written.

    >>> members("-1, 2.50,'it''s, a',$ids_4")
    ['-1', '2.50', "'it''s, a'", '$ids_4']
    """
    return _EACH.findall(rest)


def parameters(text: str) -> set[str]:
    """What may be names of parameters in a text.

    >>> sorted(parameters("1, $b, $a_2"))
    ['a_2', 'b']
    """
    return set(_PARAMETER.findall(text))
