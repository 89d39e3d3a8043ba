"""A small company on your own disk, and the main job of fedq done on it: `fedq demo`, `make demo`.

No server, no download: SQLite, DuckDB, CSV and Parquet, made in a few seconds from one seed.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["build", "ensure", "run"]

#: raised when the rows change, so that an older folder is built anew
_EDITION = 1


def build(directory: str | Path) -> None:
    """Write the sample company and its `fedq.toml` into `directory`, made where it is missing.

    Files that an earlier build wrote are replaced; a `fedq.toml` that is already there is somebody's work and stays.
    """
    from fedq.show.demo.company import found
    from fedq.show.demo.stores import store

    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    store(found(), folder)
    if not (catalog := folder / "fedq.toml").exists():
        catalog.write_text(catalog_text(), encoding="utf-8")
    _mark(folder / "crm.db")


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
