"""A small company on your own disk, and the main job of fedq done on it: `fedq demo`, `make demo`.

No server, no download: SQLite, DuckDB, CSV and Parquet, made in a few seconds from one seed.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from fedq.errors import CatalogError

__all__ = ["build", "ensure", "run"]

#: raised when the rows change, so that an older folder is built anew
_EDITION = 1
_ELSEWHERE = "Name another directory: fedq demo DIRECTORY."


def build(directory: str | Path) -> None:
    """Write the sample company and its `fedq.toml` into `directory`, made where it is missing.

    Files that an earlier build wrote are replaced; the `fedq.toml` of an earlier build may have been edited, and stays.

    Raises: CatalogError when there is a `fedq.toml` of something else, or the files cannot be written.
    """
    from fedq.show.demo.company import found
    from fedq.show.demo.stores import store

    folder = Path(directory)
    catalog = folder / "fedq.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not catalog.exists():
            catalog.write_text(catalog_text(), encoding="utf-8")
        elif not _is_ours(catalog):
            raise CatalogError(f"{catalog} is not the sample company's, so nothing was written", hint=_ELSEWHERE)
        store(found(), folder)
        _mark(folder / "crm.db")
    except OSError as error:
        message = f"the sample company cannot be written to {folder}: {error.strerror or error}"
        raise CatalogError(message, hint=_ELSEWHERE) from error


def ensure(directory: str | Path) -> Path:
    """The path of the sample company's catalog; the company is built first where it is missing or out of date."""
    folder = Path(directory)
    if not ((folder / "fedq.toml").exists() and _is_built(folder / "crm.db")):
        build(folder)
    return folder / "fedq.toml"


def run(directory: str | Path) -> None:
    """Do the main job on the sample company in `directory` and print every step; the company is built if need be."""
    from fedq.show.demo.tour import tour

    tour(Path(directory))


def catalog_text() -> str:
    """The sample company's `fedq.toml`, with its comments."""
    return (Path(__file__).parent / "fedq.toml").read_text(encoding="utf-8")


def _is_ours(catalog: Path) -> bool:
    """Whether it has the sample company's databases, whatever was edited in it."""
    names = re.findall(r"^\[databases\.\w+\]", catalog_text(), re.M)
    text = catalog.read_text(encoding="utf-8")
    return all(name in text for name in names)


def _mark(crm: Path) -> None:
    """Note in the file written last that the whole folder is there."""
    connection = sqlite3.connect(crm)
    connection.execute(f"pragma user_version = {_EDITION}")
    connection.commit()
    connection.close()


def _is_built(crm: Path) -> bool:
    if not crm.exists():
        return False
    connection = sqlite3.connect(crm)
    try:
        return bool(connection.execute("pragma user_version").fetchone() == (_EDITION,))
    finally:
        connection.close()
