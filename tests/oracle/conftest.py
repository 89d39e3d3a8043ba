"""What the oracle's tests share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.support import SERVERS, Places


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """The engine a test is run for; a server that is missing skips that one only."""
    if request.param in SERVERS:
        request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Empty places for a module; servers that are not there are found missing when they are used."""
    made = Places(tmp_path_factory.mktemp("places"), *(server_or_none(request, name) for name in SERVERS))
    request.addfinalizer(made.end)
    return made


def server_or_none(request: pytest.FixtureRequest, name: str) -> Any:
    """A server's fixture, or None where it is not installed."""
    try:
        return request.getfixturevalue(name)
    except pytest.skip.Exception:
        return None
