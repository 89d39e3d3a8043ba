"""Errors about a query that was made of a writing statement point into the statement, which is what the user wrote.

    SELECT ("c"."id") AS "fedq 0", (upper(nme)) AS "fedq 1" FROM customers AS "c"      the error's text and place
    update customers c set name = upper(nme)                                           what it shows instead

The pieces of such a query are slices of the statement, so that a place is found again by the words around it; offsets
that are handed down through the making of every query would be more to keep right than this is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

from fedq.errors import DatabaseError, FedqError

Span = tuple[int, int]


@contextmanager
def pointing_into(text: str) -> Iterator[None]:
    """Errors of the block show `text` where they show another one; the words of a database stay its own."""
    try:
        yield
    except DatabaseError:
        raise
    except FedqError as error:
        if error.sql is not None and error.span is not None and error.sql != text:
            error.sql, error.span = text, same_place(error.sql, error.span, text)
        raise


def same_place(query: str, span: Span, text: str) -> Span | None:
    """Where the words of a span of the query stand in the text; None where they do not, or nothing says which they are.

    >>> same_place("SELECT (nme) FROM t WHERE id = 1", (8, 11), "update t set name = nme where id = 1")
    (20, 23)
    """
    start, end = span
    words = query[start:end]
    if not words:
        return None
    found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)]
    likeness = [
        _alike(query[:start][::-1], text[:at][::-1]) + _alike(query[end:], text[at + len(words) :]) for at in found
    ]
    best = [at for at, like in zip(found, likeness, strict=True) if like == max(likeness)]
    return (best[0], best[0] + len(words)) if len(best) == 1 else None


def _alike(one: str, other: str) -> int:
    """How many characters are the same from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
