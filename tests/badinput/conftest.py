"""The companies that bad input is tried on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tests.badinput.support import Company


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Local databases only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Company(tmp_path_factory.mktemp("company"))
    yield made
    made.federation.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres: object, mariadb: object) -> Iterator[Company]:
    """With accounts in PostgreSQL and invoices in MariaDB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Company(tmp_path_factory.mktemp("servers"), postgres, mariadb)
    yield made
    made.federation.close()
