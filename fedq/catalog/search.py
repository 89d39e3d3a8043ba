"""Which catalog a program means when it names none: the nearest one upwards, as with git and pyproject."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedq.catalog.document import PYPROJECT

VARIABLE = "FEDQ_CATALOG"
FILE = "fedq.toml"


def find_catalog(environment: Mapping[str, str], directory: Path) -> Path | None:
    """The file of `FEDQ_CATALOG`; else the nearest `fedq.toml` or `pyproject.toml` with `[tool.fedq]` from `directory`
    upwards; else the one in the user's configuration directory; else None. In one directory `fedq.toml` wins.

    The file that `FEDQ_CATALOG` names need not exist: reading it then says so.
    """
    named = environment.get(VARIABLE)
    if named:
        return in_folder(directory / Path(named).expanduser())
    for folder in (directory, *directory.parents):
        for candidate in (folder / FILE, folder / PYPROJECT):
            if _is_catalog(candidate):
                return candidate
    own = configuration_file(environment)
    return own if own is not None and _is_catalog(own) else None


def in_folder(file: Path) -> Path:
    """The catalog's file; of a folder, the one in it."""
    if not file.is_dir():
        return file
    return file / FILE if (file / FILE).is_file() or not (file / PYPROJECT).is_file() else file / PYPROJECT


def configuration_file(environment: Mapping[str, str]) -> Path | None:
    """Where the user's own catalog would be; None when the environment has no home."""
    base = environment.get("XDG_CONFIG_HOME")
    if base and Path(base).is_absolute():  # the standard says that a relative one is ignored
        return Path(base) / "fedq" / FILE
    home = environment.get("HOME")
    return Path(home) / ".config" / "fedq" / FILE if home else None


def _is_catalog(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        return file.name != PYPROJECT or _has_table(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        # a folder above that may not be read is none of ours
        return False


def _has_table(text: str) -> bool:
    if "fedq" not in text:
        return False
    import tomllib

    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:
        return "[tool.fedq" in text  # reading it then says what is wrong with it
    return isinstance(tool, dict) and "fedq" in tool
