"""TPC-H tables as Parquet and the 22 query texts, made once per machine by the `tpch` extension for duckdb 1.5.5.

    folder(0.01) → ~/.cache/fedq-tests/tpch-1.5.5-sf0.01/{lineitem.parquet, …, queries.json}

The extension comes as a wheel from PyPI and loads into its own duckdb only, so both are installed in a directory of
their own and run in a process of their own. Nothing of it is committed: neither the texts nor the data.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.base import locked

VERSION = "1.5.5"
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
KEYS = {
    "region": ("r_regionkey",), "nation": ("n_nationkey",), "supplier": ("s_suppkey",), "customer": ("c_custkey",),
    "part": ("p_partkey",), "partsupp": ("ps_partkey", "ps_suppkey"), "orders": ("o_orderkey",),
    "lineitem": ("l_orderkey", "l_linenumber"),
}  # fmt: skip

_MAKE = """
import json, pathlib, sys
site, out, scale = sys.argv[1:]
sys.path.insert(0, site)
import duckdb, duckdb_extension_tpch
extension = next(pathlib.Path(duckdb_extension_tpch.__file__).parent.rglob("*.duckdb_extension"))
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute(f"CALL dbgen(sf={float(scale)})")
for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
    connection.execute(f"COPY {table} TO '{out}/{table}.parquet'")
queries = dict(connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
pathlib.Path(out, "queries.json").write_text(json.dumps(queries))
"""


class TpchUnavailable(RuntimeError):
    """The wheels cannot be had (no network, no pip); tests that need them are skipped and counted."""


def folder(scale: float = 0.01) -> Path:
    """The directory with the data and texts, made when it is not there. Raises: TpchUnavailable."""
    cache = _cache()
    done = cache / f"tpch-{VERSION}-sf{scale:g}"
    with locked(cache / "tpch.lock"):
        if not (done / "queries.json").exists():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                made = Path(work) / "made"
                made.mkdir()
                _run([sys.executable, "-I", "-c", _MAKE, str(_site(cache)), str(made), str(scale)])
                shutil.rmtree(done, ignore_errors=True)
                made.rename(done)
    return done


def queries(scale: float = 0.01) -> dict[int, str]:
    """The 22 texts by number."""
    texts: dict[str, str] = json.loads((folder(scale) / "queries.json").read_text())
    return {int(number): text for number, text in texts.items()}


def _site(cache: Path) -> Path:
    site = cache / f"duckdb-{VERSION}-py{sys.version_info.major}{sys.version_info.minor}"
    if not site.exists():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            wheels = [f"duckdb=={VERSION}", f"duckdb-extension-tpch=={VERSION}"]
            target = Path(work) / "site"
            _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), *wheels])
            target.rename(site)
    return site


def _cache() -> Path:
    try:
        base = Path.home() / ".cache" / "fedq-tests"
        base.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        base = Path(tempfile.gettempdir()) / f"fedq-tests-{os.getuid()}"
        base.mkdir(exist_ok=True)
    return base


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TpchUnavailable(f"no TPCH: {command[1:4]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
