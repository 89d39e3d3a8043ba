"""A catalog as written: the raw values with the place of each, before anything is made of them.

fedq.toml, or [tool.fedq] of pyproject.toml, or a mapping  →  Document(data, places, directory)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from fedq.catalog.model import Place
from fedq.catalog.toml_lines import Path, dotted, scan
from fedq.errors import CatalogError

PYPROJECT = "pyproject.toml"
_TOOL: Path = ("tool", "fedq")


@dataclass(frozen=True, slots=True)
class Document:
    """Raw catalog data, where each key of it is written, and what its relative paths are relative to."""

    data: Mapping[str, Any] = field(repr=False)
    """Not shown: it may hold passwords."""
    directory: FilePath
    file: str | None = None
    """Absolute path; None for data from code."""
    places: Mapping[Path, Place] = field(default_factory=dict)
    profile: str | None = None
    """The profile that was laid over it."""

    def place(self, path: Path) -> Place:
        """Where `path` is written; of a key that has no place of its own, where the nearest one above it is."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                rest = dotted(path[length:])
                joined = f"{place.key}{'' if rest.startswith('[') or not rest else '.'}{rest}"
                return Place(place.file, place.line, joined)
        return Place(self.file, None, dotted(path) or None)


def read_document(file: FilePath) -> Document:
    """The document in a TOML file; in a `pyproject.toml`, its `[tool.fedq]`.

    Raises: CatalogError when the file cannot be read or is not TOML.
    """
    text = _read_text(file)
    data = _parse(text, str(file))
    lines = scan(text.removeprefix("\ufeff")).lines
    base: Path = ()
    if file.name == PYPROJECT:
        base = _TOOL
        tool = data.get("tool")
        data = tool.get("fedq") if isinstance(tool, dict) else None  # type: ignore[assignment]  # checked next
        if not isinstance(data, dict):
            raise CatalogError(
                f"{file}: it has no [tool.fedq] table",
                hint="Write the catalog there, or in fedq.toml.",
                file=str(file),
                line=None,
                key="tool.fedq",
            )
    depth = len(base)
    places = {
        path[depth:]: Place(str(file), line, dotted(path)) for path, line in lines.items() if path[:depth] == base
    }
    return Document(data, file.parent, str(file), places)


def _read_text(file: FilePath) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise CatalogError(
            f"{file}: the catalog cannot be read: {error.strerror}",
            hint="Check the path and its permissions.",
            file=str(file),
            line=None,
            key=None,
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
    raise CatalogError(
        f"{file}:{line}: the file is not UTF-8 text", hint="Save it as UTF-8.", file=str(file), line=line, key=None
    )


def _parse(text: str, file: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.removeprefix("\ufeff"))  # Windows editors write a mark that tomllib refuses
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    except RecursionError:
        message = "Values are nested too deep"
    # not chained: newer Pythons hang the whole text on the error, with any password in it
    raise _not_toml(text.removeprefix("\ufeff"), message, file)


def _not_toml(text: str, message: str, file: str) -> CatalogError:
    try:
        repeats = scan(text).repeats
    except (ValueError, RecursionError):
        repeats = []
    if repeats:
        path, first, line = repeats[0]
        return CatalogError(
            f"{Place(file, line, dotted(path))}: it is there twice, first on line {first}",
            hint="Keep one of the two.",
            file=file,
            line=line,
            key=dotted(path),
        )
    found = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(found[1]) if found and found[1] else text.count("\n") + (not text.endswith("\n"))
    key = _key_near(text, line)
    what = message[: found.start()].strip() if found else message
    return CatalogError(
        f"{Place(file, line, key)}: not valid TOML: {what[:1].lower()}{what[1:]}",
        hint="Texts, and names with anything but letters, digits, _ and -, stand in double quotes.",
        file=file,
        line=line,
        key=key,
    )


def _key_near(text: str, line: int) -> str | None:
    """The key on a line of a text that does not parse, for the error: from the left of its `=` and the header above."""
    before = text.split("\n")[:line]
    if not before:
        return None
    own = re.match(r"\s*([A-Za-z0-9_.\- \t\"'*?]+?)\s*=", before[-1])
    headers = [match[1] for match in (re.match(r"\s*\[\[?\s*([^\[\]#]+?)\s*\]", row) for row in before) if match]
    parts = [*headers[-1:], *([own[1]] if own else [])]
    return ".".join(parts) or None
