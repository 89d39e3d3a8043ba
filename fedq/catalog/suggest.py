"""The nearest valid name to one that is not: the one place that decides what is close enough to suggest."""

from __future__ import annotations

from collections.abc import Iterable

from fedq.errors import ParameterError


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None when none is like it; a candidate that differs in case only is taken
    first.

    >>> nearest("userz", ["users", "orders"]), nearest("USERS", ["user", "users"]), nearest("x", ["users"])
    ('users', 'users', None)
    """
    import difflib  # only errors need it, and it takes as long to import as the rest of the catalog

    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = name.casefold()
    if folded in by_folded:
        return by_folded[folded]
    close = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def text_name(value: object, what: str, hint: str) -> str:
    """The name that a caller gave, who may have given anything. Raises: ParameterError.

    >>> text_name("orders", "a table", "")
    'orders'
    """
    if isinstance(value, str) and value:
        return value
    raise ParameterError(f"{what} is named by a text, not by {repr(value)[:60]}", hint=hint)
