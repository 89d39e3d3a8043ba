"""Virtual environments of the systems that fedq is compared with, each with its own Python packages.

    python_of("attach") → benchmarks/data/federated/attach-1.5.5/bin/python

DuckDB's scanners are wheels that load into exactly one version of DuckDB, another than fedq's; GlareDB brings its own
Arrow. Made once, kept in the cache folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.federated.site import CACHE

DUCKDB, GLAREDB = "1.5.5", "0.9.4"
SCANNERS = ("postgres", "mysql", "sqlite")
PACKAGES: dict[str, tuple[str, ...]] = {
    "attach": (f"duckdb=={DUCKDB}", *(f"duckdb-extension-{name}-scanner=={DUCKDB}" for name in SCANNERS), "pyarrow"),
    "glaredb": (f"glaredb=={GLAREDB}", "pyarrow"),
}
VERSIONS = {"attach": DUCKDB, "glaredb": GLAREDB}


class EnvironmentUnavailable(RuntimeError):
    """The packages cannot be had here (no network, another platform)."""


def python_of(system: str) -> Path:
    """The interpreter with a system's packages; this one unless it needs its own. Raises: EnvironmentUnavailable."""
    if system not in PACKAGES:
        return Path(sys.executable)
    folder = CACHE / f"{system}-{VERSIONS[system]}"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        print(f"making an environment with {', '.join(PACKAGES[system])}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES[system]])
        (folder / "made").touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentUnavailable(f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stderr[-300:]}")
