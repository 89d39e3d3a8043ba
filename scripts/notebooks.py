"""Run the notebooks in a real kernel and store what they show, so that they read well where nothing can be run.

    python scripts/notebooks.py            runs them, prints what has changed
    python scripts/notebooks.py --write    stores the outputs

A notebook whose outputs differ only in times, or in the numbers a kernel gives things, is left as it is: running it
again makes no difference for `git diff`.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

if __package__:
    from scripts.examples import masked
else:
    from examples import masked

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 100  # seconds, of one cell
_DATE = re.compile(r"<dc:date>[^<]*</dc:date>")  # what a drawing says of when it was made
_CELL_FILE = re.compile(r"/\S*/ipykernel_\d+/\d+\.py")  # what Python calls a cell in a warning


def notebooks() -> list[Path]:
    """Every notebook of the project."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(path: Path, folder: Path) -> Any:
    """The notebook after its cells ran in a kernel of this Python, in `folder`; a failing one: `CellExecutionError`.

    Cells tagged `raises-exception` are meant to show an error, and must: one that does not is an `AssertionError`.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        coalesce_streams=True,  # a kernel sends what is printed in pieces, by the clock
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=_environment())
    for cell in notebook.cells:
        fails = any(output.output_type == "error" for output in cell.get("outputs", ()))
        expected = "raises-exception" in cell.metadata.get("tags", ())
        assert fails == expected, f"{path.name}: {'no error' if expected else 'an error'} in\n{cell.source}"
    return tidy(notebook)


def tidy(notebook: Any) -> Any:
    """The notebook without what says when, where and by which version it ran."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            if output.output_type == "error":
                output.traceback = [_plain(line) for line in output.traceback]
            if drawing := output.get("data", {}).get("image/svg+xml"):
                output["data"]["image/svg+xml"] = _DATE.sub("", drawing)
            if "text" in output:
                output.text = _CELL_FILE.sub("<cell>", output.text)
    return notebook


def comparable(notebook: Any) -> str:
    """The notebook as text in which times and the bytes of pictures do not count."""
    seen = copy.deepcopy(notebook)
    for cell in seen.cells:
        for output in cell.get("outputs", ()):
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                output["data"][kind] = "a picture"
    return masked(json.dumps(seen, indent=1, ensure_ascii=False, sort_keys=True))


def place(folder: Path, company: Path | None = None) -> Path:
    """`folder` made to look like the project to a notebook: `notebooks/` to run in, and `sample_dbs/` next to it."""
    if company is not None:
        shutil.copytree(company, folder / "sample_dbs")
    working = folder / "notebooks"
    working.mkdir()
    return working


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def changes(paths: Sequence[Path]) -> Iterator[tuple[Path, Any, str]]:
    """Each notebook that now shows something else: its path, the notebook as it ran, the difference."""
    import nbformat

    for path in paths:
        with tempfile.TemporaryDirectory(prefix="fedq-notebook-") as name:
            ran = execute(path, place(Path(name)))
        old, new = comparable(nbformat.read(path, as_version=4)), comparable(ran)
        if old != new:
            yield (
                path,
                ran,
                "\n".join(difflib.unified_diff(old.split("\n"), new.split("\n"), path.name, "as it runs", n=1)),
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare or store every notebook, or the ones named."""
    import nbformat

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", action="store_true", help="store the outputs")
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of them where none is named")
    options = parser.parse_args(arguments)
    wrong = 0
    for path, ran, difference in changes([path.resolve() for path in options.notebooks] or notebooks()):
        wrong += 1
        print(difference)
        if options.write:
            nbformat.write(ran, path)
    return 0 if options.write or not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
