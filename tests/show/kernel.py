"""A real Jupyter kernel to type cells into, as a notebook does."""

from __future__ import annotations

import os
import queue
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]


@dataclass
class Cell:
    """What one cell gave."""

    status: str = ""
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    result: dict[str, str] | None = None
    """The bundle of `Out[n]`."""
    displays: list[dict[str, str]] = field(default_factory=list)
    """Bundles displayed on the way; an updated one stands at its first place with its last content."""
    updates: list[str] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    @property
    def shown(self) -> list[dict[str, str]]:
        """What stays on the page: not progress, which is removed when the work is done."""
        return [bundle for bundle in self.displays if bundle["text/plain"]]

    @property
    def text(self) -> str:
        """The text of the result."""
        return (self.result or {}).get("text/plain", "")

    @property
    def notes(self) -> str:
        """The texts displayed before it."""
        return "\n".join(bundle["text/plain"] for bundle in self.displays)


class Kernel:
    """A kernel in a directory; `run` a cell, `complete` at a place, `interrupt`."""

    def __init__(self, directory: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._manager.start_kernel(
            cwd=str(directory), env=environment, extra_arguments=["--HistoryManager.enabled=False"]
        )
        client = self._manager.client()
        assert isinstance(client, BlockingKernelClient)
        self._client = client
        client.start_channels()
        client.wait_for_ready(timeout=60)

    def close(self) -> None:
        """Stop the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def send(self, code: str, *, is_watched: bool = True) -> str:
        """Begin a cell; `is_watched` is whether a person looks at it. One that fails stops no later one."""
        return str(self._client.execute(code, allow_stdin=is_watched, stop_on_error=False))

    def run(self, code: str, *, is_watched: bool = True, timeout: float = 60) -> Cell:
        """Run a cell to its end."""
        return self.wait(self.send(code, is_watched=is_watched), timeout)

    def wait(self, number: str, timeout: float = 60) -> Cell:
        """Everything a begun cell gives until it ends."""
        cell, shown = Cell(), {}
        started = time.monotonic()
        while True:
            message = self._client.get_iopub_msg(timeout=max(0.1, started + timeout - time.monotonic()))
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            _take(cell, kind, content, shown)
        cell.seconds = time.monotonic() - started
        while True:
            reply = self._client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == number:
                break
        cell.status = reply["content"]["status"]
        return cell

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._manager.interrupt_kernel()

    def complete(self, code: str) -> list[str]:
        """What Tab offers where `│` stands."""
        at = code.index("│")
        reply = self._client.complete(code.replace("│", ""), at, reply=True, timeout=20)["content"]
        return list(reply["matches"])

    def quiet(self) -> None:
        """Forget messages nobody waited for."""
        while True:
            try:
                self._client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                return


def _take(cell: Cell, kind: str, content: dict[str, Any], shown: dict[str, dict[str, str]]) -> None:
    if kind == "execute_result":
        cell.result = content["data"]
    elif kind == "display_data":
        cell.displays.append(content["data"])
        shown[content["transient"].get("display_id", "")] = content["data"]
    elif kind == "update_display_data":
        cell.updates.append(content["data"]["text/plain"])
        place = shown.get(content["transient"]["display_id"])
        if place is not None:
            place.clear()
            place.update(content["data"])
    elif kind == "stream":
        if content["name"] == "stdout":
            cell.stdout += content["text"]
        else:
            cell.stderr += content["text"]
    elif kind == "error":
        cell.ename, cell.evalue = content["ename"], content["evalue"]
        cell.traceback = "\n".join(content["traceback"])
