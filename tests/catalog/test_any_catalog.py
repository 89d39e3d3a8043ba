"""Whatever stands in a catalog: it loads, or every problem is a CatalogError, and no secret is in anything shown."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog import read_databases, read_password, read_policy, read_relations, read_tables
from fedq.catalog.config import KEYS, check_catalog, load_catalog
from fedq.catalog.options import OPTIONS
from fedq.errors import CatalogError

CANARY = "fq-CANARY-7f3a"
URLS = [
    f"postgresql://app:{CANARY}@h/d", f"mysql://h/d?password={CANARY}", f"trino://h/c?token={CANARY}", f"mysql://a:{CANARY}@@h/d",
    f"mssql+pyodbc:///?odbc_connect=PWD%3D{CANARY}", f"x://a:{CANARY}@h:y/d", "x.db", "data/*.csv", "${HOME}/x.db", "${NONE}",
]  # fmt: skip
NAMES = ["a", "b", "auth_*", "a+b", "a.t", "", "x.y", "ä"]
LEAVES = st.one_of(
    st.sampled_from([*URLS, *NAMES, "warn", "error", "5GB", "5m", "id", "DATE", "nocase", "require", "t.id"]),
    st.sampled_from([True, False, 0, 1, -1, 1.5, float("nan"), None, b"x", object(), dt.date(2026, 1, 1), dt.time(1)]),
    st.text(max_size=5),
)
INNER = (
    *read_databases.KEYS, *read_password.SECRETS, *read_tables.KEYS, *read_tables.COLUMN_KEYS, *read_relations.KEYS, *read_policy.KEYS,
    *(option for options in OPTIONS.values() for option in options), "shards", "init_command", "db",
)  # fmt: skip


def tables(values: st.SearchStrategy[Any], *keys: str) -> st.SearchStrategy[dict[Any, Any]]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=5)


VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), tables(inner, *INNER), tables(inner, *NAMES)),
    max_leaves=12,
)
DATABASES = st.dictionaries(st.sampled_from(NAMES), tables(VALUES, *read_databases.KEYS, "url", "url"), max_size=3)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "version": LEAVES,
        "databases": st.one_of(DATABASES, VALUES),
        "tables": st.one_of(tables(VALUES, *NAMES), VALUES),
        "relations": st.one_of(st.lists(tables(VALUES, *read_relations.KEYS), max_size=3), VALUES),
        "policy": st.one_of(tables(VALUES, *read_policy.KEYS), VALUES),
    },
)
CATALOGS = st.one_of(
    st.builds(lambda base, dev: {**base, "profiles": {"dev": dev}}, SECTIONS, SECTIONS), tables(VALUES, *KEYS, "tabels")
)
VARIABLES = st.dictionaries(
    st.sampled_from(["FEDQ__DATABASES__A__URL", "FEDQ__DATABASES__A", "FEDQ__TABLES__USERS", "FEDQ__POLICY__TIMEOUT", "FEDQ__"]),
    st.sampled_from([*URLS, "true", "[", "{a=1}", "a"]),
    max_size=2,
)  # fmt: skip


@given(CATALOGS, VARIABLES, st.sampled_from([None, "dev"]))
def test_any_structure_loads_or_says_what_is_wrong(
    source: dict[str, Any], variables: dict[str, str], profile: str | None
) -> None:
    environment = {"HOME": "/home/me", **variables}
    catalog, problems = check_catalog(source, profile=profile, environment=environment)
    assert catalog is not None or problems
    for problem in problems:
        assert isinstance(problem, CatalogError) and problem.key is not None
    shown = [catalog, *problems, *(catalog.warnings if catalog else ())]
    assert CANARY not in "\n".join([*map(str, shown), *map(repr, shown)])
    if problems:
        with pytest.raises(CatalogError) as caught:
            load_catalog(source, profile=profile, environment=environment)
        assert len(caught.value.problems) == len(problems)
    else:
        assert load_catalog(source, profile=profile, environment=environment) == catalog
