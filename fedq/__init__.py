"""fedq: one SQL over all your databases, from the notebook.

    import fedq
    fed = fedq.connect("fedq.toml")
    fed.query("select c.name, sum(o.total) from customers c join orders o on o.customer_id = c.id group by 1")

Names are loaded when they are first used: `import fedq` itself loads the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fedq import errors as errors
from fedq.errors import *  # noqa: F403  every error and warning is a public name

if TYPE_CHECKING:
    from fedq.call import Options as Options
    from fedq.catalog.model import Catalog as Catalog
    from fedq.federation import Federation as Federation
    from fedq.federation import connect as connect
    from fedq.federation import default as default
    from fedq.federation import execute as execute
    from fedq.federation import explain as explain
    from fedq.federation import query as query
    from fedq.federation import use as use
    from fedq.plan.nodes import Plan as Plan
    from fedq.result import Result as Result
    from fedq.write.written import Written as Written

__version__ = "0.1.0"

_LAZY = {
    "Catalog": "fedq.catalog.model",
    "Federation": "fedq.federation",
    "Options": "fedq.call",
    "Plan": "fedq.plan.nodes",
    "Result": "fedq.result",
    "Written": "fedq.write.written",
    "connect": "fedq.federation",
    "default": "fedq.federation",
    "execute": "fedq.federation",
    "explain": "fedq.federation",
    "query": "fedq.federation",
    "use": "fedq.federation",
}

__all__ = ["__version__", *errors.__all__, *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fedq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext fedq`."""
    from fedq.show.magic import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext fedq`."""
    from fedq.show.magic import unload

    unload(ipython)
