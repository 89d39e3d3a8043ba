"""Profiles and environment variables: a second document laid over the first, key by key.

    databases.crm = { url = "postgresql://db1/crm", replicas = […] }   the file
    databases.crm.url = "sqlite:///crm.db"                             [profiles.dev]
    → databases.crm = { url = "sqlite:///crm.db" }                     with the profile's line as the place of `url`

Tables of keys are merged, everything else is replaced. A new URL is another server, so what belonged to the old one
goes with it: reading production's replicas beside a development primary would mix two databases' rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fedq.catalog.document import Document
from fedq.catalog.model import Place
from fedq.catalog.suggest import nearest
from fedq.catalog.toml_lines import Path, dotted
from fedq.catalog.urls import kind_of
from fedq.errors import CatalogError

PREFIX = "FEDQ__"
#: what a server of another kind can make nothing of
_OF_THE_KIND = ("password", "options", "schema", "schemas")
#: keys whose environment value is text whatever it looks like
_TEXTS = ("url", "password", "schema", "database", "table", "name")


def with_profile(document: Document, profile: str) -> Document:
    """The document with `[profiles.NAME]` laid over it.

    Raises: CatalogError when there is no such profile.
    """
    profiles = document.data.get("profiles")
    names = [name for name in profiles if isinstance(name, str)] if isinstance(profiles, Mapping) else []
    if not isinstance(profiles, Mapping) or not isinstance(profiles.get(profile), Mapping):
        place = document.place(("profiles",))
        suggestion = nearest(profile, names)
        listed = f"it has {', '.join(sorted(names))}" if names else "it has none"
        raise CatalogError(
            f"{place}: there is no profile {profile!r}; {listed}"
            + (f"; did you mean {suggestion!r}?" if suggestion else ""),
            hint="A profile is written as [profiles.NAME.databases] and chosen by profile= or FEDQ_PROFILE.",
            file=place.file,
            line=place.line,
            key="profiles",
            suggestion=suggestion,
        )
    at: Path = ("profiles", profile)
    places = {path[2:]: place for path, place in document.places.items() if path[:2] == at and len(path) > 2}
    if not places:  # from code: say at least that it is the profile's key
        places = {(key,): Place(document.file, None, dotted((*at, key))) for key in profiles[profile]}
    over = replace(document, data=profiles[profile], places=places)
    return replace(merge(document, over), profile=profile)


def with_environment(document: Document, environment: Mapping[str, str]) -> Document:
    """The document with every `FEDQ__SECTION__NAME__KEY=value` of the environment laid over it; names match in any
    case.
    """
    data: dict[str, Any] = {}
    places: dict[Path, Place] = {}
    for variable in sorted(name for name in environment if name.upper().startswith(PREFIX)):
        path = _match(document.data, variable[len(PREFIX) :].split("__"))
        for length in range(1, len(path) + 1):
            place = Place(f"environment variable {variable}", None, dotted(path[:length]))
            places.setdefault(path[:length], place)
        inner = data
        for key in path[:-1]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[path[-1]] = _value(environment[variable], path)
    # all at once: a new URL gives up the old server's password, not the one that comes with it
    return merge(document, replace(document, data=data, places=places)) if data else document


def _match(data: Any, parts: list[str]) -> tuple[str, ...]:
    """The path that a variable's parts name: existing keys in any case, also those with `__` in them; others in lower
    case.
    """
    path: tuple[str, ...] = ()
    while parts:
        keys = {key.upper(): key for key in data if isinstance(key, str)} if isinstance(data, Mapping) else {}
        for length in range(len(parts), 0, -1):
            key = keys.get("__".join(parts[:length]).upper())
            if key is not None:
                break
        else:
            key, length = parts[0].lower(), 1
        data = data.get(key) if isinstance(data, Mapping) else None
        path, parts = (*path, key), parts[length:]
    return path


def _value(text: str, path: tuple[str, ...]) -> Any:
    """The value of a variable: true, false, a list or a table as TOML writes it; anything else is text."""
    if path[-1] not in _TEXTS and (text.strip() in ("true", "false") or text.strip()[:1] in ("[", "{")):
        import tomllib

        try:
            return tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            return text  # of the wrong type then, which is reported with the variable's name
    return text


def merge(base: Document, over: Document) -> Document:
    """`base` with every key of `over` in it."""
    places = dict(base.places)
    data = _merged(base.data, over.data, (), places)
    # what was replaced is forgotten by now; a table that was merged keeps its place
    for path, place in over.places.items():
        places.setdefault(path, place)
    return replace(base, data=data, places=places)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], path: Path, places: dict[Path, Place]) -> dict[str, Any]:
    kept = dict(base)
    if len(path) == 2 and path[0] == "databases":
        for key in _outdated(base, over):
            del kept[key]
            _forget(places, (*path, key))
    added: dict[str, Any] = {}
    for key, value in over.items():
        here: Path = (*path, key)
        old = kept.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and key != "password":
            kept[key] = _merged(old, value, here, places)
        elif key in kept:
            _forget(places, here)
            kept[key] = value
        else:
            added[key] = value
    # an overlay's own patterns come first, so that they win over the file's
    return {**added, **kept} if path == ("tables",) else {**kept, **added}


def _outdated(base: Mapping[str, Any], over: Mapping[str, Any]) -> list[str]:
    if "url" not in over:
        return []
    keys = ["replicas"]
    new, old = kind_of(over["url"]), kind_of(base.get("url"))
    if new != old and new is not None and old is not None:
        keys += _OF_THE_KIND
    return [key for key in keys if key in base and key not in over]


def _forget(places: dict[Path, Place], path: Path) -> None:
    for known in [known for known in places if known[: len(path)] == path]:
        del places[known]
