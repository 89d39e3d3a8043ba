"""Reads the catalog: finds it, lays profile and environment over it, checks every key, and makes a `Catalog` of it.

    search → Document → profile → FEDQ__ variables → databases, tables, relations, policy → Catalog
                                                                                     or every problem at once

Each section has a room of its own (`read_*.py`). A schema library would check types too, but not the line a key stands
on, the nearest valid name, or that a password does not turn up in the message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedq.catalog.document import PYPROJECT, Document, read_document
from fedq.catalog.model import Catalog, Database, Policy
from fedq.catalog.overlay import with_environment, with_profile
from fedq.catalog.read_databases import read_databases
from fedq.catalog.read_policy import read_policy
from fedq.catalog.read_relations import read_relations
from fedq.catalog.read_tables import read_tables
from fedq.catalog.reading import Node, Reading
from fedq.catalog.search import FILE, VARIABLE, configuration_file, find_catalog, in_folder
from fedq.catalog.secrets import read_secret
from fedq.catalog.suggest import text_name
from fedq.errors import CatalogError, SecretError, warn

__all__ = ["CatalogSource", "check_catalog", "find_catalog", "load_catalog"]

CatalogSource = str | os.PathLike[str] | Mapping[str, Any] | Catalog | None
KEYS = ("version", "databases", "tables", "relations", "policy", "profiles")
PROFILE_VARIABLE = "FEDQ_PROFILE"


def load_catalog(
    source: CatalogSource = None,
    *,
    profile: str | None = None,
    databases: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Catalog:
    """The catalog of a path, a mapping or a Catalog, else the one `find_catalog` finds; `databases` are added to it and
    win.

    With `databases` alone nothing is searched. `environment` is os.environ and `directory` the working directory unless
    given. What is risky is issued as CatalogWarning at the line outside fedq that asked.

    >>> load_catalog({"databases": {"crm": {"url": "crm.db"}}, "tables": {"users": "crm"}}).tables["users"].database
    'crm'

    Raises: CatalogError, one for everything that is wrong: the first problem in full, the others in a line each, all of
    them as CatalogErrors in `.problems`.
    """
    catalog, problems = check_catalog(
        source, profile=profile, databases=databases, environment=environment, directory=directory
    )
    if problems or catalog is None:
        raise _together(problems)
    for warning in catalog.warnings:
        warn(warning)
    return catalog


def check_catalog(
    source: CatalogSource = None,
    *,
    profile: str | None = None,
    databases: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    secrets: bool = False,
) -> tuple[Catalog | None, tuple[CatalogError | SecretError, ...]]:
    """As `load_catalog`, but with every problem as a value, and a Catalog of all that is right (None when nothing could
    be read).

    With `secrets=True` every secret is fetched too (prompts excepted), so that a variable that is not set is a problem.
    """
    environment = os.environ if environment is None else environment
    directory = Path.cwd() if directory is None else directory.absolute()
    added = Reading(Document({"databases": _mappings(databases or {})}, directory), environment)
    try:
        base = _base(source, profile, environment, directory, is_alone=bool(databases))
    except CatalogError as error:
        return None, (error,)
    if isinstance(base, Catalog):
        catalog = _with_databases(base, _added(added, databases or {}))
        problems = [*added.problems]
    else:
        reading = Reading(base, environment)
        catalog = _catalog(reading, _added(added, databases or {}))
        catalog = replace(catalog, file=base.file, profile=base.profile, warnings=tuple(reading.warnings))
        problems = [*reading.problems, *added.problems]
    unset = _unset_secrets(catalog, environment) if secrets else []
    return catalog, (*sorted(problems, key=lambda error: error.line or 0), *unset)


def _base(
    source: CatalogSource, profile: str | None, environment: Mapping[str, str], directory: Path, *, is_alone: bool
) -> Document | Catalog:
    """What the databases of the call are added to: a Catalog as it is, or a document with everything laid over it."""
    if profile is not None:
        profile = text_name(profile, "a profile", 'Write profile="dev".')
    if isinstance(source, Catalog):
        if profile is not None:
            raise CatalogError(
                "a profile is chosen when a catalog is loaded, and this one is loaded already",
                hint="Load it with load_catalog(path, profile=…).",
                file=source.file,
                line=None,
                key=None,
            )
        return source
    if source is None and is_alone and profile is None:
        return Document({}, directory)
    document = _document(source, environment, directory)
    chosen = profile or environment.get(PROFILE_VARIABLE)
    if chosen:
        document = with_profile(document, chosen)
    return with_environment(document, environment)


def _document(source: CatalogSource, environment: Mapping[str, str], directory: Path) -> Document:
    if isinstance(source, Mapping):
        return Document(source, directory)
    if source is None:
        file = find_catalog(environment, directory)
        if file is None:
            raise _not_found(environment, directory)
        return read_document(file)
    if not isinstance(source, (str, os.PathLike)):
        raise CatalogError(
            f"a catalog is a path, a mapping or a Catalog, not a {type(source).__name__}",
            hint='A database is given by name: fedq.connect(crm="postgresql://user@host/crm").',
            file=None,
            line=None,
            key=None,
        )
    text = os.fspath(source)
    if "://" in text:
        raise CatalogError(
            "the catalog is a file, and this is the URL of a database",
            hint='Give the database a name: fedq.connect(crm="postgresql://user@host/crm").',
            file=None,
            line=None,
            key=None,
        )
    given = directory / Path(text).expanduser()
    file = in_folder(given)
    if file == given and file.suffix.lower() != ".toml" and file.suffix:
        raise CatalogError(
            f"{file}: a catalog is a .toml file",
            hint=f'A database is given by name: fedq.connect(data="{text}").',
            file=str(file),
            line=None,
            key=None,
        )
    return read_document(file)


def _not_found(environment: Mapping[str, str], directory: Path) -> CatalogError:
    own = configuration_file(environment)
    places = [
        f"{VARIABLE} (not set)",
        f"{FILE} and [tool.fedq] of {PYPROJECT} from {directory} upwards",
        *([str(own)] if own else []),
    ]
    return CatalogError(
        "there is no catalog; looked for " + ", ".join(places),
        hint=f'Write a {FILE}, run `fedq demo` for an example, or name a database: fedq.connect(crm="postgresql://user@host/crm").',
        file=None,
        line=None,
        key=None,
    )


def _mappings(databases: Mapping[str, object]) -> dict[str, object]:
    """Databases of a call as they stand in a catalog: a bare URL or path is a table with a url."""
    return {
        name: value if isinstance(value, (Mapping, Database)) else {"url": value} for name, value in databases.items()
    }


def _added(reading: Reading, given: Mapping[str, object]) -> dict[str, Database]:
    """The databases of a call; a Database is taken as it is, under the name of the call."""
    made = {name: replace(value, name=name) for name, value in given.items() if isinstance(value, Database)}
    raw = {name: value for name, value in reading.document.data["databases"].items() if name not in made}
    return {**read_databases(Node(raw, ("databases",), reading)), **made}


def _catalog(reading: Reading, added: Mapping[str, Database]) -> Catalog:
    nodes = reading.root.entries(KEYS)
    if "version" in nodes and (nodes["version"].value != 1 or isinstance(nodes["version"].value, bool)):
        nodes["version"].problem("this fedq reads version 1 only", hint="Write version = 1, or use a newer fedq.")
    databases = _named(read_databases(nodes["databases"]) if "databases" in nodes else {}, added)
    # a database with a problem of its own is still the one a table means
    declared = nodes["databases"].value if "databases" in nodes else None
    declared = declared if isinstance(declared, Mapping) else {}
    names = tuple(dict.fromkeys([*databases, *(name for name in declared if isinstance(name, str))]))
    if "profiles" in nodes:
        for profile in nodes["profiles"].children().values():
            profile.entries([key for key in KEYS if key not in ("version", "profiles")])
    return Catalog(
        databases=databases,
        tables=read_tables(nodes["tables"], names) if "tables" in nodes else {},
        relations=read_relations(nodes["relations"]) if "relations" in nodes else (),
        policy=read_policy(nodes["policy"], names) if "policy" in nodes else Policy(),
    )


def _named(databases: Mapping[str, Database], added: Mapping[str, Database]) -> dict[str, Database]:
    taken = {name.casefold() for name in added}
    return {**{name: value for name, value in databases.items() if name.casefold() not in taken}, **added}


def _with_databases(catalog: Catalog, added: Mapping[str, Database]) -> Catalog:
    return replace(catalog, databases=_named(catalog.databases, added)) if added else catalog


def _unset_secrets(catalog: Catalog, environment: Mapping[str, str]) -> list[SecretError]:
    problems: list[SecretError] = []
    for database in catalog.databases.values():
        for reference in (database.password, *database.replica_passwords):
            if reference is not None and reference.kind != "prompt":
                try:
                    read_secret(reference, environment=environment)
                except SecretError as error:
                    problems.append(error)
    return problems


def _together(problems: tuple[CatalogError | SecretError, ...]) -> CatalogError:
    """One error for all: the first in full, the others in a line each."""
    first, others = problems[0], problems[1:]
    message = first.message
    hint = first.hint
    if others:
        count = f"{len(others)} more problem{'s' if len(others) > 1 else ''}"
        rest = "\n".join(f"  {error.message}" for error in others)
        hint = "\n".join(filter(None, [f"{count}:\n{rest}", hint]))
    facts = {"file": None, "line": None, "key": None, "suggestion": None, **first.facts, "problems": problems}
    return CatalogError(message, hint=hint, **facts)
