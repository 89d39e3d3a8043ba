"""The folder of what does not fit into memory: gone at the end, and gone after a kill -9 as soon as fedq runs again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fedq

#: opens the engine, says so, and stays
STAYS = (
    "import fedq, sys; fed = fedq.connect({'version': 1}); fed.query('select 1'); print('ready', flush=True); input()"
)


@contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", STAYS], env=os.environ | {"TMPDIR": str(folder)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield started
        started.kill()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def ask() -> None:
    with fedq.connect({"version": 1}) as fed:
        assert fed.query("select 1").scalar() == 1


def test_what_a_killed_process_spilled_is_removed(tmp_path: Path) -> None:
    with process(tmp_path) as killed:
        [folder] = tmp_path.iterdir()
        (folder / "much").write_text("data")
        ask()
        assert list(tmp_path.iterdir()) == [folder], "a living process keeps its folder"
        killed.kill()
        killed.wait(30)
        assert folder.exists()
        ask()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_removes_its_folder(tmp_path: Path) -> None:
    with process(tmp_path) as ending:
        assert len(list(tmp_path.iterdir())) == 1
        ending.communicate("\n", timeout=30)
    assert list(tmp_path.iterdir()) == []


FORKS = """
import os, pathlib, sys, tempfile
import fedq
fed = fedq.connect({"version": 1})
fed.query("select 1")
before = len(list(pathlib.Path(tempfile.gettempdir()).iterdir()))
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
print(before, len(list(pathlib.Path(tempfile.gettempdir()).iterdir())))
"""


def test_a_forked_child_leaves_the_folder_to_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKS]
    done = subprocess.run(
        command, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "1 1\n"
