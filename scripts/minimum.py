"""Print pip constraints that hold every dependency of fedq to the oldest version pyproject.toml allows.

Tools of the tests (pytest, ruff, mypy) stay free: their age says nothing about fedq.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = [extra for name, extra in project["optional-dependencies"].items() if name != "test"]
for requirement in sorted(project["dependencies"] + [one for extra in extras for one in extra]):
    if pinned := re.fullmatch(r"([\w.-]+)(?:\[.*])?>=([\d.]+)(?:,.*)?", requirement):
        print(f"{pinned[1]}=={pinned[2]}")
