"""environment.yml says what pyproject.toml says, under conda-forge's names; the lower bounds can be tested."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
EXTRAS = PYPROJECT["optional-dependencies"]
CONDA_NAMES = {"duckdb": "python-duckdb"}  # where it is not PyPI's name in lower case


def _split(requirement: str) -> tuple[str, str]:
    found = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?(.*)", requirement.partition(";")[0].strip())
    assert found, requirement
    return found[1], found[2]


def _user_requirements() -> list[str]:
    return PYPROJECT["dependencies"] + [one for name in EXTRAS if name not in ("all", "test") for one in EXTRAS[name]]


def _conda_requirements() -> set[str]:
    lines = (REPO / "environment.yml").read_text().splitlines()
    return {line.strip().removeprefix("- ") for line in lines if re.match(r"  - [\w-]+[<>=]", line)}


def test_environment_yml_has_the_dependencies_of_pyproject() -> None:
    expected = {f"python{PYPROJECT['requires-python']}"}
    for requirement in _user_requirements():
        name, bounds = _split(requirement)
        expected.add(CONDA_NAMES.get(name, name.lower()) + bounds)
    assert _conda_requirements() == expected


def test_all_is_every_extra_of_a_user() -> None:
    (reference,) = EXTRAS["all"]
    assert set(re.findall(r"\w+", reference)) - {"fedq"} == set(EXTRAS) - {"all", "test"}


@pytest.mark.parametrize("requirement", _user_requirements())
def test_every_dependency_has_a_lower_bound_that_test_min_installs(requirement: str) -> None:
    name, bounds = _split(requirement)
    constraints = subprocess.run(
        [sys.executable, "scripts/minimum.py"], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout.split()
    assert bounds.startswith(">=")
    assert f"{name}=={bounds[2:].partition(',')[0]}" in constraints


def test_the_extra_test_asks_for_no_older_version_than_the_user_may_have() -> None:
    users = dict(_split(requirement) for requirement in _user_requirements())
    tests = dict(_split(requirement) for requirement in EXTRAS["test"])
    assert {name: tests[name] for name in users.keys() & tests.keys()} == {
        name: users[name] for name in users.keys() & tests.keys()
    }
