"""The planner's rules that rewrite a query, each of which can be left out: no answer may depend on one of them.

`fedq/plan/rewrite/__init__.py` holds them as the tuple RULES of functions; those by which a statement is written in
another way are functions that `fedq/plan/block/select.py` asks, and that may answer None.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MODULE, WRITER = "fedq.plan.rewrite", "fedq.plan.block.select"
#: rules of the writer
WRITTEN = ("fold_products",)


def names() -> tuple[str, ...]:
    """The rules there are, by name; none where nothing is rewritten."""
    module, writer = _module(), importlib.import_module(WRITER)
    written = (name for name in WRITTEN if getattr(writer, name) is not _no)
    return (*(rule.__name__ for rule in getattr(module, "RULES", ())), *written)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Plans are made without this rule. Plans that were kept before know it still: use another federation."""
    if name in WRITTEN:
        with _unwritten(name):
            yield
        return
    module = _module()
    before = module.RULES
    left = tuple(rule for rule in before if rule.__name__ != name)
    assert len(left) < len(before), f"no rule is called {name}"
    module.RULES = left
    try:
        yield
    finally:
        module.RULES = before


@contextmanager
def _unwritten(name: str) -> Iterator[None]:
    writer = importlib.import_module(WRITER)
    before = getattr(writer, name)
    setattr(writer, name, _no)
    try:
        yield
    finally:
        setattr(writer, name, before)


def _no(*_: Any) -> None:
    return None


def _module() -> Any:
    return importlib.import_module(MODULE) if importlib.util.find_spec(MODULE) else None
