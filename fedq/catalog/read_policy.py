"""`[policy]` → Policy: what queries may do unless the call says otherwise."""

from __future__ import annotations

from typing import Any, get_args

from fedq.catalog.model import OnCrossDb, Policy
from fedq.catalog.read_databases import unknown_database
from fedq.catalog.reading import Node
from fedq.catalog.units import DURATION, parse_size, seconds, size

KEYS = ("on_cross_db", "pairs", "max_pull", "timeout", "freshness", "local_files", "memory_limit")
_FRESHNESS = ("session", "any", "strong")
_LIMIT = 'a number of rows such as 1000000, or a size such as "5GB"'
_FRESH = f'one of {", ".join(_FRESHNESS)}, or a duration such as "5s"'
_HINTS = {
    "max_pull_rows": "Write max_pull = 1000000 for rows.",
    "max_pull_bytes": 'Write max_pull = "5GB" for bytes.',
}


def read_policy(node: Node, databases: tuple[str, ...]) -> Policy:
    """The policy; what is wrong keeps its default and is in the node's reading."""
    nodes = node.entries(KEYS, _HINTS)
    found: dict[str, Any] = {}
    if "on_cross_db" in nodes:
        found["on_cross_db"] = nodes["on_cross_db"].choice(get_args(OnCrossDb))
    if "pairs" in nodes:
        found["pairs"] = _pairs(nodes["pairs"], databases)
    if "max_pull" in nodes:
        found["max_pull_rows"], found["max_pull_bytes"] = nodes["max_pull"].converted(size, _LIMIT) or (None, None)
    if "timeout" in nodes:
        found["timeout"] = nodes["timeout"].converted(seconds, DURATION)
    if "freshness" in nodes:
        found["freshness"] = nodes["freshness"].converted(freshness, _FRESH)
    if "local_files" in nodes:
        found["local_files"] = nodes["local_files"].choice(("deny", "allow"))
    if "memory_limit" in nodes:
        found["memory_limit"] = nodes["memory_limit"].converted(_memory, 'a size such as "4GB"')
    return Policy(**{key: value for key, value in found.items() if value is not None})


def freshness(value: object) -> str:
    """How fresh reads must be, in one spelling: `session`, `any`, `strong`, or seconds such as `5s`.

    >>> freshness("any"), freshness("500ms"), freshness(5)
    ('any', '0.5s', '5s')

    Raises: ValueError.
    """
    if isinstance(value, str) and value in _FRESHNESS:
        return value
    try:
        return f"{seconds(value):.6f}".rstrip("0").rstrip(".") + "s"
    except ValueError:
        raise ValueError(f"freshness is {_FRESH}, not {value!r}") from None


def _memory(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a number has no unit")
    parse_size(value)
    return value


def _pairs(node: Node, databases: tuple[str, ...]) -> dict[frozenset[str], OnCrossDb]:
    spelled = {name.casefold(): name for name in databases}
    pairs: dict[frozenset[str], OnCrossDb] = {}
    for key, child in node.children().items():
        names = [name.strip() for name in key.split("+")]
        if len(names) != 2 or not all(names) or names[0].casefold() == names[1].casefold():
            child.problem('a pair is two databases with a + between them, such as "accounts+billing"')
            continue
        unknown = [name for name in names if name.casefold() not in spelled]
        for name in unknown:
            unknown_database(child, name, databases)
        choice = child.choice(get_args(OnCrossDb))
        pair = frozenset(spelled.get(name.casefold(), name) for name in names)
        if pair in pairs:
            child.problem("this pair is there twice")
        elif choice is not None and not unknown:
            pairs[pair] = choice  # type: ignore[assignment]  # `choice` has checked it
    return pairs
