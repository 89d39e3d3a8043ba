"""The planner's rules that rewrite a query, each of which can be left out: no answer may depend on one of them.

`fedq/plan/rewrite/__init__.py` holds them as the tuple RULES of functions.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MODULE = "fedq.plan.rewrite"


def names() -> tuple[str, ...]:
    """The rules there are, by name; none where nothing is rewritten."""
    module = _module()
    return tuple(rule.__name__ for rule in getattr(module, "RULES", ()))


@contextmanager
def without(name: str) -> Iterator[None]:
    """Plans are made without this rule. Plans that were kept before know it still: use another federation."""
    module = _module()
    before = module.RULES
    left = tuple(rule for rule in before if rule.__name__ != name)
    assert len(left) < len(before), f"no rule is called {name}"
    module.RULES = left
    try:
        yield
    finally:
        module.RULES = before


def _module() -> Any:
    return importlib.import_module(MODULE) if importlib.util.find_spec(MODULE) else None
