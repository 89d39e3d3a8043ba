"""Small fetches asked again with keys, as only those are that bring many more rows than were expected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from fedq.run import conduct

#: seconds in which the conductor has seen what it was told: small tables are whole before it can say stop
HEARD = 0.003


@contextmanager
def everything_asked_again() -> Iterator[list[str]]:
    """Whatever keys can limit is stopped at its first rows; gives the fetches that were, as they are."""
    stopped: list[str] = []
    real, tell = conduct.Pulls._begin_again, conduct.Pulls._tell

    def begin_again(self: Any, pull: Any) -> None:
        stopped.append(pull.fetch.id)
        real(self, pull)

    def tell_slowly(self: Any, kind: str, fetch: str, content: Any) -> None:
        tell(self, kind, fetch, content)
        if kind == "batch":
            time.sleep(HEARD)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conduct, "LATE_ROWS", 1)
        patch.setattr(conduct, "LATE_TIMES", 0)
        patch.setattr(conduct.Pulls, "_begin_again", begin_again)
        patch.setattr(conduct.Pulls, "_tell", tell_slowly)
        yield stopped


def some_asked_again(seed: int) -> AbstractContextManager[object]:
    """`everything_asked_again` for every third seed."""
    return everything_asked_again() if seed % 3 == 1 else nullcontext()
