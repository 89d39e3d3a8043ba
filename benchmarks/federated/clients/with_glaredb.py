"""GlareDB: every table an external table of its database."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any

import glaredb
from answers import Answered, Question, serve


def declare(connection: Any, one: dict[str, Any], table: str) -> None:
    """One table by its own name."""
    engine = {"postgres": "postgres", "mariadb": "mysql", "sqlite": "sqlite"}[one["engine"]]
    if engine == "sqlite":
        options = f"location = '{one['path']}', table = '{table}'"
    else:
        schema = "public" if engine == "postgres" else one["database"]
        login = f"{one['user']}:{one['password']}@{one['host']}:{one['port']}"
        scheme = "postgresql" if engine == "postgres" else "mysql"
        url = f"{scheme}://{login}/{one['database']}"
        options = f"connection_string = '{url}', schema = '{schema}', table = '{table}'"
    connection.execute(f"CREATE EXTERNAL TABLE {table} FROM {engine} OPTIONS ({options})")


def main() -> None:
    """Serve."""
    connection = glaredb.connect()
    for one in json.loads(sys.stdin.readline()):
        for table in one["tables"]:
            declare(connection, one, table)

    def ask(question: Question) -> Answered:
        return connection.sql(question["sql"]).to_arrow(), None

    serve(importlib.metadata.version("glaredb"), ask)


if __name__ == "__main__":
    main()
