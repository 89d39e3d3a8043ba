"""The way from a client to the servers: loopback, or a slower one on which every byte is counted.

    Loopback    client ── 127.0.0.1 ── servers
    Namespace   client in a network namespace ── veth, tbf both ways ── servers          root, iproute2
    Namespace + delay                         ── veth, tbf ── line.py, 10 ms each way ── servers
    Line        client ── line.py: rate, delay, count ── servers                         without root

The clients are moved, not the servers: the same servers with the same warm caches answer on every way. A kernel's queue
rather than a proxy where that can be had, because a proxy copies and so takes from the two cores what it measures.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.federated.site import NETWORK

MBIT = 200
LINE = Path(__file__).with_name("line.py")


class Link:
    """Loopback, and what the others have in common with it."""

    title = "loopback"
    slug = "loopback"

    def address(self, port: int) -> dict[str, Any]:
        """Host and port at which a client of this link reaches the server that listens on `port`."""
        return {"host": "127.0.0.1", "port": port}

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that runs a client at the far end."""
        return list(command)

    def count(self) -> int | None:
        """Bytes so far, both ways; None where they cannot be told from everybody else's."""
        return None

    def close(self) -> None:
        """Take the link down."""


class NamespaceLink(Link):
    """A network namespace with one virtual cable to this one, limited in the kernel."""

    def __init__(self, mbit: int = MBIT, delay: float = 0.0) -> None:
        self.title = f"link of {mbit} Mbit/s" + (f", {delay * 1000:g} ms round trip" if delay else "")
        self.slug = f"link-{mbit}" + (f"-{delay * 1000:g}ms" if delay else "")
        self._name = f"fedq-bench-{os.getpid()}"
        self._cable = f"fqb{os.getpid() % 10**7}"
        number = os.getpid() % 16000
        net = f"{NETWORK}.{number // 64}"
        self._here, self._there = (f"{net}.{number % 64 * 4 + one}" for one in (1, 2))
        self._delay = delay
        self._lines: dict[int, Line] = {}
        remove_left_over()
        try:
            self._build(mbit)
        except BaseException:
            self.close()
            raise

    def _build(self, mbit: int) -> None:
        inside = ["ip", "netns", "exec", self._name]
        shape = ["root", "tbf", "rate", f"{mbit}mbit", "burst", "128kb", "latency", "50ms"]
        for command in (
            ["ip", "netns", "add", self._name],
            ["ip", "link", "add", self._cable, "type", "veth", "peer", "name", "far", "netns", self._name],
            ["ip", "address", "add", f"{self._here}/30", "dev", self._cable],
            ["ip", "link", "set", self._cable, "up"],
            [*inside, "ip", "address", "add", f"{self._there}/30", "dev", "far"],
            [*inside, "ip", "link", "set", "far", "up"],
            [*inside, "ip", "link", "set", "lo", "up"],
            ["tc", "qdisc", "add", "dev", self._cable, *shape],
            [*inside, "tc", "qdisc", "add", "dev", "far", *shape],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)

    def address(self, port: int) -> dict[str, Any]:
        if not self._delay:
            return {"host": self._here, "port": port}
        if port not in self._lines:
            self._lines[port] = Line({port: self._here}, 0.0, self._delay / 2)
        return {"host": self._here, "port": self._lines[port].ports[port]}

    def command(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self._name, *command]

    def count(self) -> int | None:
        statistics = Path("/sys/class/net") / self._cable / "statistics"
        return sum(int((statistics / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        subprocess.run(["ip", "link", "del", self._cable], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self._name], check=False, capture_output=True)


class ProxyLink(Link):
    """One process that all connections go through, for those who are not root: it takes time on the same cores."""

    def __init__(self, ports: Sequence[int], mbit: int = MBIT, delay: float = 0.0) -> None:
        self.title = f"link of {mbit} Mbit/s by a proxy process" + (f", {delay * 1000:g} ms" if delay else "")
        self.slug = f"link-{mbit}" + (f"-{delay * 1000:g}ms" if delay else "")
        self._line = Line(dict.fromkeys(ports, "127.0.0.1"), mbit * 1e6 / 8, delay / 2)

    def address(self, port: int) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self._line.ports[port]}

    def count(self) -> int | None:
        return self._line.count()

    def close(self) -> None:
        self._line.close()


class Line:
    """The process of line.py; it ends with this one."""

    def __init__(self, listen: dict[int, str], bytes_per_second: float, delay: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LINE), json.dumps([[*listen.items()], bytes_per_second, delay])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.ports: dict[int, int] = {int(upstream): port for upstream, port in self._answer().items()}

    def count(self) -> int:
        """Bytes so far, both ways."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        return int(self._answer())

    def close(self) -> None:
        """End the process; open connections are cut."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.kill()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def can_use_namespaces() -> bool:
    """True for root with iproute2 on a kernel that lets a namespace be made."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        return False
    probe = f"fedq-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)
    return made.returncode == 0


def open_link(ports: Sequence[int], mbit: int = MBIT, delay: float = 0.0) -> Link:
    """A slower link: in the kernel where that can be had, or else by a proxy."""
    return NamespaceLink(mbit, delay) if can_use_namespaces() else ProxyLink(ports, mbit, delay)


def remove_left_over() -> None:
    """Remove the namespaces of runs that were killed; their cables go with them."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for name, pid in re.findall(r"^(fedq-bench-(\d+))\b", listed, re.M):
        if not Path(f"/proc/{pid}").exists():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
