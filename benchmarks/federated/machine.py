"""What the figures were measured on: a figure without its machine is none."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.federated.site import SETTINGS, Site

ROOT = Path(__file__).parents[2]


def describe(site: Site) -> dict[str, str]:
    """Processor, cores, memory, kernel, versions, and the state of this repository."""
    return {**hardware(), **site.versions(), "servers": SETTINGS, "commit": _commit()}


def hardware() -> dict[str, str]:
    """Processor, cores, memory, kernel, and Python's version."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
    }


def sentence(machine: dict[str, str]) -> str:
    """The same for a reader."""
    servers = ", ".join(f"{name} {machine[name].split('-')[0]}" for name in ("PostgreSQL", "MariaDB", "SQLite"))
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}, Python "
        f"{machine['Python']}; {servers}, on the same machine as the clients ({machine['servers']}). "
        f"Commit {machine['commit']}."
    )


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
