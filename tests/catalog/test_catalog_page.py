"""docs/catalog.md says everything: each key, option, kind of secret and value that the code knows, and only catalogs that load."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import fedq.catalog
from fedq.catalog import config, read_databases, read_password, read_policy, read_relations, read_tables
from fedq.catalog.config import check_catalog
from fedq.catalog.model import OnCrossDb, OnUnrepresentable
from fedq.catalog.options import OPTIONS, SSL_MODES

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##+ |\Z)", PAGE, re.M | re.S))

KEYS = {
    "`[databases.NAME]`": read_databases.KEYS,
    "Passwords": read_password.SECRETS,
    "Options": [option for options in OPTIONS.values() for option in options],
    "`[tables]`": (*read_tables.KEYS, *read_tables.COLUMN_KEYS),
    "`[[relations]]`": read_relations.KEYS,
    "`[policy]`": read_policy.KEYS,
}


@pytest.mark.parametrize("section", KEYS)
def test_every_key_has_a_row_and_every_row_a_key(section: str) -> None:
    cells = re.findall(r"^\| (`[^|]*?) +\|", SECTIONS[section], re.M)
    named = {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}
    assert named - {"db"} == set(KEYS[section])


def test_every_section_and_value_is_named() -> None:
    assert all(f"## `{key}`" in PAGE or f"`[{key}" in PAGE or f"`[[{key}" in PAGE for key in config.KEYS)
    words = (*get_args(OnCrossDb), *get_args(OnUnrepresentable), *read_tables.STORAGES, *SSL_MODES, "nocase")
    assert [word for word in words if f'"{word}"' not in PAGE and f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_every_example_is_a_catalog_without_a_problem(example: str, tmp_path: Path) -> None:
    if "[databases." not in example:
        example += "".join(
            f'\n[databases.{name}]\nurl = "{name}.db"\n' for name in ("crm", "billing", "archive", "web")
        )
    (tmp_path / "fedq.toml").write_text(example, encoding="utf-8")
    for profile in (None, *tomllib.loads(example).get("profiles", ())):
        catalog, problems = check_catalog(tmp_path, profile=profile, environment={})
        assert [str(problem) for problem in problems] == []
        assert catalog is not None and catalog.warnings == ()


def test_the_examples_use_every_key() -> None:
    text = "\n".join(EXAMPLES)
    keys = [key for section, keys in KEYS.items() if section != "Options" for key in keys]
    assert [key for key in keys if not re.search(rf"\b{key}\s*=", text)] == []


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(fedq.catalog.__path__)])
def test_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"fedq.catalog.{name}")).failed == 0
