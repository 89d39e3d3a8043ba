"""Databases of every kind that may be written to, each with the same tables, and a second one beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

import fedq
from tests.servers import Server

KINDS = ("postgres", "mariadb", "sqlite", "duckdb")
SERVERS = ("postgres", "mariadb")
TABLES = """
    CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name {text}, amount DECIMAL(10,2), day DATE, moment {moment});
    CREATE TABLE bare (n INTEGER, s {text});
    CREATE TABLE pairs (a INTEGER NOT NULL, b {text} NOT NULL, v INTEGER, PRIMARY KEY (a, b))
"""
ROWS = "INSERT INTO items VALUES (1, 'one', 1.50, '2024-01-01', '2024-01-01 10:00:00'), (2, 'two', 2.50, NULL, NULL), (3, NULL, NULL, '2024-02-29', '2024-02-29 00:00:00.123456')"


@dataclass
class Place:
    """One database, named `here`, beside a SQLite file named `there` with a table `lookup`."""

    kind: str
    url: str
    fed: fedq.Federation
    run: Callable[[str], list[tuple[Any, ...]]]
    """Runs SQL beside fedq."""

    def rows(self, table: str = "items", columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
        """What another program sees in a table."""
        return self.run(f"SELECT {columns} FROM {table} ORDER BY {order}")


def runner(kind: str, url: str, server: Server | None, database: str | None) -> Callable[[str], list[tuple[Any, ...]]]:
    """Runs one statement after the other in the database, committed."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        if server is not None:
            return [row for part in filter(str.strip, sql.split(";")) for row in server.sql(part, database)]
        path = url.partition(":///")[2]
        connect: Any = sqlite3.connect if kind == "sqlite" else duckdb.connect
        connection = connect(path)
        try:
            found = [row for part in filter(str.strip, sql.split(";")) for row in connection.execute(part).fetchall()]
            if kind == "sqlite":
                connection.commit()
            return found
        finally:
            connection.close()

    return run


def text_of(kind: str) -> dict[str, str]:
    return {
        "text": "VARCHAR(60) CHARACTER SET utf8mb4" if kind == "mariadb" else "VARCHAR(60)",
        "moment": "DATETIME(6)" if kind == "mariadb" else "TIMESTAMP",
    }


def make_place(kind: str, folder: Path, request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> Place:
    server, database = None, None
    if kind in SERVERS:
        server = request.getfixturevalue(kind)
        url = database = server.new_database()
    else:
        url = f"{'duckdb' if kind == 'duckdb' else 'sqlite'}:///{folder / 'here.db'}"
    run = runner(kind, url, server, database)
    run(TABLES.format(**text_of(kind)))
    run(ROWS)
    there = folder / "there.db"
    connection = sqlite3.connect(there)
    connection.executescript(
        "CREATE TABLE lookup (id INTEGER PRIMARY KEY, word VARCHAR(20), price DECIMAL(10,2));"
        "INSERT INTO lookup VALUES (1, 'eins', 10), (2, 'zwei', 20.5), (7, 'sieben', 70)"
    )
    connection.close()
    here: dict[str, Any] = {"url": url}
    if server is not None:  # a password in a URL is a warning
        here = {"url": url.replace(f":{server.password}@", "@"), "password": {"env": f"{kind.upper()}_PASSWORD"}}
        patch.setenv(f"{kind.upper()}_PASSWORD", server.password)
    fed = fedq.connect({"version": 1, "databases": {"here": here, "there": {"url": f"sqlite:///{there}"}},
                        "policy": {"on_cross_db": "allow"}})  # fmt: skip
    return Place(kind, url, fed, run)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = make_place(request.param, tmp_path, request, monkeypatch)
    yield made
    made.fed.close()
