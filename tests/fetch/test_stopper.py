"""A stop reaches the driver, whenever it comes."""

from __future__ import annotations

import threading
import time

import pytest

from fedq.errors import QueryCancelled, QueryTimeout
from fedq.fetch.stopper import Stopper


def test_an_interrupt_that_comes_too_early_is_repeated() -> None:
    interrupted = threading.Event()
    is_deaf = True

    def interrupt() -> None:
        if not is_deaf:
            interrupted.set()

    stopper = Stopper("db", None, interrupt)
    with stopper.running():
        stopper.cancel()  # the driver has not started yet, and forgets it
        is_deaf = False
        assert interrupted.wait(0.5)
    with pytest.raises(QueryCancelled), stopper.running():
        pass
    assert stopper.close() and not stopper.close()


def test_nothing_is_interrupted_between_statements() -> None:
    count: list[int] = []
    stopper = Stopper("db", 0.05, lambda: count.append(1))
    time.sleep(0.15)
    assert stopper.has_stopped and not count
    with pytest.raises(QueryTimeout, match="'db'"), stopper.running():
        pass
    stopper.cancel()
    assert isinstance(stopper.error(), QueryCancelled)
    stopper.close()
    assert not count
