"""What every client does alike: read a question, time its answer, say what the answer was.

    stdin  {"sql": "SELECT …", "name": "q5"}
    stdout {"seconds": 0.41, "rows": 5, "columns": [["text", 5, 81273.0], ["number", 5, 22.1]], "pulled": 1200}

Run by path in four different environments, so it needs nothing but the standard library and pyarrow. The answers of two
systems are compared by their columns' sums: types differ (float, decimal), and the order of equal rows too.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

LARGE = 200_000  # of a longer column of text only the length of so many values is compared

Question = dict[str, Any]
Answered = tuple[Any, "int | None"]
"""An Arrow table (or the lines of a plan), and how many rows the databases gave for it, where that is known."""


def summary(column: Any) -> list[Any]:
    """Kind, number of values that are not NULL, and a sum that does not depend on order or on the number type."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    present, type_ = len(column) - column.null_count, column.type
    if kinds.is_floating(type_) or kinds.is_integer(type_) or kinds.is_decimal(type_) or kinds.is_boolean(type_):
        return ["number", present, float(pc.sum(column).as_py() or 0)]
    values = [value for value in column.slice(0, LARGE).to_pylist() if value is not None]
    if len(column) > LARGE:
        return ["text", present, float(sum(len(_bytes(value)) for value in values))]
    if not all(isinstance(value, bytes | str) or hasattr(value, "isoformat") for value in values):
        return ["number", present, float(sum(float(value) for value in values))]
    return ["text", present, float(sum(zlib.crc32(_bytes(value)) for value in values))]


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    # TPC-H has dates and no times: what a library makes of a date begins with it.
    return (value if isinstance(value, str) else value.isoformat()[:10]).encode()


def _told(table: Any, seconds: float, pulled: int | None) -> dict[str, Any]:
    columns = [summary(column) for column in table.columns]
    return {"seconds": seconds, "rows": table.num_rows, "columns": columns, "pulled": pulled}


def serve(version: str, ask: Callable[[Question], Answered]) -> None:
    """Answer questions until standard input ends. Whatever `ask` raises is an answer too."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    out.write(json.dumps({"version": version}) + "\n")
    for line in sys.stdin:
        question = json.loads(line)
        started = time.perf_counter()
        try:
            table, pulled = ask(question)
            seconds = time.perf_counter() - started
            answer = {"lines": table} if isinstance(table, list) else _told(table, seconds, pulled)
        except BaseException as error:  # a panic of a Rust library is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        out.write(json.dumps(answer) + "\n")
