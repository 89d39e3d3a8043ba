"""fedq over the benchmark's databases, with nothing set but the tables' places.

FEDQ_BENCH_TREE names another checkout whose fedq is to be run: yesterday's, to compare with.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from answers import Answered, Question, serve

sys.path.insert(0, os.environ.get("FEDQ_BENCH_TREE") or str(Path(__file__).parents[3]))
import fedq


def catalog(databases: list[dict[str, Any]]) -> dict[str, Any]:
    """The databases as a catalog."""
    urls = {}
    for one in databases:
        scheme = {"postgres": "postgresql", "mariadb": "mysql", "sqlite": "sqlite"}[one["engine"]]
        if scheme == "sqlite":
            urls[one["name"]] = {"url": f"sqlite:///{one['path']}"}
        else:
            login = f"{one['user']}:{one['password']}@{one['host']}:{one['port']}"
            urls[one["name"]] = {"url": f"{scheme}://{login}/{one['database']}"}
    tables = {table: one["name"] for one in databases for table in one["tables"]}
    return {"version": 1, "databases": urls, "tables": tables}


def main() -> None:
    """Serve."""
    fed = fedq.connect(catalog(json.loads(sys.stdin.readline())))

    def ask(question: Question) -> Answered:
        if question.get("explain"):
            return str(fed.explain(question["sql"], analyze=question["explain"] == "analyze")).splitlines(), None
        result = fed.query(question["sql"], on_cross_db="allow", max_pull="1TB")
        return result.to_arrow(), sum(read.rows for read in result.sources)

    serve(fedq.__version__, ask)


if __name__ == "__main__":
    main()
