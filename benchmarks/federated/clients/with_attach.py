"""DuckDB with its own scanners: every database attached, every table a view. Its settings are its defaults."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import duckdb
from answers import Answered, Question, serve

SCANNERS = {"postgres": "postgres", "mariadb": "mysql", "sqlite": "sqlite"}


def attach(connection: Any, one: dict[str, Any]) -> None:
    """One database, and its tables by their own names."""
    scanner = SCANNERS[one["engine"]]
    package = Path(importlib.import_module(f"duckdb_extension_{scanner}_scanner").__file__ or "").parent
    connection.execute(f"LOAD '{next(package.rglob('*.duckdb_extension'))}'")
    if scanner == "sqlite":
        target, schema = one["path"], "main"
    else:
        database = ("dbname=" if scanner == "postgres" else "database=") + one["database"]
        login = f"user={one['user']} password={one['password']}"
        target = f"host={one['host']} port={one['port']} {login} {database}"
        schema = "public" if scanner == "postgres" else one["database"]
    connection.execute(f"ATTACH '{target}' AS {one['name']} (TYPE {scanner}, READ_ONLY)")
    for table in one["tables"]:
        connection.execute(f"CREATE VIEW {table} AS FROM {one['name']}.{schema}.{table}")


def main() -> None:
    """Serve."""
    connection = duckdb.connect()
    for one in json.loads(sys.stdin.readline()):
        attach(connection, one)

    def ask(question: Question) -> Answered:
        return connection.execute(question["sql"]).to_arrow_table(), None

    serve(duckdb.__version__, ask)


if __name__ == "__main__":
    main()
