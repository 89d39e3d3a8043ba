"""The notebooks run in a real kernel, from the first cell to the last, and show what they are stored with."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from fedq.show import demo
from scripts import notebooks
from tests.servers import ServerUnavailable
from tests.servers.postgres import postgres_binaries

ALL = notebooks.notebooks()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    demo.build(folder)
    return folder


def test_there_are_notebooks() -> None:
    assert [path.name for path in ALL] == ["01_tour.ipynb", "02_cross_database_joins.ipynb", "03_replicas.ipynb"]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_running_it_again_makes_no_difference(path: Path, company: Path, tmp_path: Path) -> None:
    if path.stem == "03_replicas":
        _need_postgres()
    ran = notebooks.execute(path, notebooks.place(tmp_path, company))
    stored = nbformat.read(path, as_version=4)
    assert notebooks.comparable(ran) == notebooks.comparable(stored), "python scripts/notebooks.py --write"


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_it_is_stored_with_its_outputs_and_without_traces_of_a_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    assert all("execution" not in cell.metadata for cell in code)
    text = path.read_text(encoding="utf-8")
    assert "/home/" not in text and "/root/" not in text and "/tmp/" not in text


def _need_postgres() -> None:
    try:
        postgres_binaries()
    except ServerUnavailable as missing:
        pytest.skip(str(missing))


def _one_cell(path: Path, source: str, *tags: str) -> Path:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_cell_that_fails_is_seen(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebooks.execute(_one_cell(tmp_path / "a.ipynb", "1 / 0"), tmp_path)


def test_an_error_that_no_longer_comes_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no error"):
        notebooks.execute(_one_cell(tmp_path / "a.ipynb", "1 + 0", "raises-exception"), tmp_path)


def test_what_is_printed_with_a_pause_is_one_output(tmp_path: Path) -> None:
    source = "import time\nprint('at once', flush=True)\ntime.sleep(0.5)\nprint('and later')"
    (cell,) = notebooks.execute(_one_cell(tmp_path / "a.ipynb", source), tmp_path).cells
    assert [output.text for output in cell.outputs] == ["at once\nand later\n"]


def test_a_time_does_not_count_and_a_number_does(tmp_path: Path) -> None:
    def shown(source: str) -> str:
        return notebooks.comparable(notebooks.execute(_one_cell(tmp_path / "a.ipynb", f"print({source!r})"), tmp_path))

    fast, slow, more = shown("3 rows · 7 ms"), shown("3 rows · 12 ms"), shown("4 rows · 7 ms")
    assert fast.split("outputs")[1].split("source")[0] == slow.split("outputs")[1].split("source")[0]
    assert fast != more
