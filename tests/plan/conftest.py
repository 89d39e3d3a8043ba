"""The places of the oracle, for plans as well; and what was planned."""

from __future__ import annotations

from typing import Any

import pytest

import fedq.pipeline as pipeline
from tests.oracle.conftest import places as places


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry per plan that is made."""
    made: list[object] = []
    real = pipeline.build

    def build(*arguments: Any, **named: Any) -> Any:
        made.append(arguments)
        return real(*arguments, **named)

    monkeypatch.setattr(pipeline, "build", build)
    return made
