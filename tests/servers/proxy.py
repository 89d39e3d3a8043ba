"""A TCP proxy with faults between a client and a server, in a process of its own.

    client ──> FaultProxy.port ──(pass, refuse, blackhole, latency, rate, rst_after, fin_after)──> server

In its own process because a C++ client may hold the GIL while it waits for the peer: a proxy in a thread would then
wait for the lock that waits for the proxy. Delay and rate are modelled as a line: bytes arrive when their time comes,
so that 20 ms of latency do not also divide the throughput.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
from typing import Any, Self

HOST = "127.0.0.1"
MODES = ("pass", "refuse", "blackhole", "latency", "rate", "rst_after", "fin_after")
CHUNK = 16384


class FaultProxy:
    """The proxy as the tests hold it. Its process ends with `stop`, or with the process that started it.

    It listens on a free port of `host`, or on `port`.
    """

    def __init__(self, upstream_port: int, host: str = HOST, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(upstream_port), host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.port: int = self._ask()["port"]

    def set(self, mode: str, argument: float = 0) -> None:
        """Change what happens from now on, also to open connections.

        - `pass`: everything through, as fast as it goes
        - `refuse`: new connections are refused, open ones go on
        - `blackhole`: connections are accepted, no byte moves
        - `latency`: every byte arrives `argument` seconds later, each way
        - `rate`: at most `argument` bytes per second, each way, over all connections
        - `rst_after`, `fin_after`: after `argument` bytes to the client, per connection from now on, a reset or an end
        """
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}, one of {', '.join(MODES)}")
        self._ask({"do": "set", "mode": mode, "argument": argument})

    def link(self, *, seconds: float, bytes_per_second: float) -> None:
        """A link with both a delay (one way) and a rate, such as a VPN: `link(seconds=0.01, bytes_per_second=25e6)`."""
        self._ask({"do": "link", "seconds": seconds, "rate": bytes_per_second})

    def reset_all(self) -> None:
        """RST every open connection now."""
        self._ask({"do": "reset"})

    def counts(self) -> dict[str, int]:
        """`accepted` connections, `open` ones, bytes `up` to the server and `down` to the client, since the start."""
        return {key: int(value) for key, value in self._ask({"do": "counts"}).items()}

    def stop(self) -> None:
        """End the proxy; open connections are reset."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _ask(self, command: dict[str, Any] | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command is not None:
            self._process.stdin.write(json.dumps(command) + "\n")
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "the proxy is gone"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


class _Line:
    """One direction of the link, shared by all connections: when may these bytes arrive?"""

    def __init__(self) -> None:
        self.free_at = 0.0

    def arrival(self, size: int, delay: float, rate: float) -> float:
        now = time.monotonic()
        if rate:
            self.free_at = max(now, self.free_at) + size / rate
            return self.free_at + delay
        return now + delay


class _Proxy:
    """The proxy inside its own process."""

    def __init__(self, upstream_port: int, host: str, port: int) -> None:
        self.upstream_port = upstream_port
        self.host, self.port = host, port
        self.mode = "pass"
        self.argument = 0.0
        self.delay = 0.0
        self.rate = 0.0
        self.since = 0  # how often the mode was set; fault counters of a connection restart with it
        self.accepted = 0
        self.bytes = {"up": 0, "down": 0}
        self.lines = {"up": _Line(), "down": _Line()}
        self.writers: set[asyncio.StreamWriter] = set()
        self.connections: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None

    async def listen(self) -> None:
        if self.server is None:
            self.server = await asyncio.start_server(self.connected, self.host, self.port, limit=4 * CHUNK)
            self.port = self.server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        self.accepted += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(HOST, self.upstream_port, limit=4 * CHUNK)
        except OSError:
            reset(writer)
            self.connections.discard(task)
            return
        both = {writer, up_writer}
        self.writers |= both
        try:
            await asyncio.gather(self.pump(reader, up_writer, "up"), self.pump(up_reader, writer, "down"))
        finally:
            self.writers -= both
            self.connections.discard(task)
            for one in both:
                one.close()

    async def pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: str) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)
        writing = asyncio.create_task(self.deliver(queue, target, way))
        try:
            while not writing.done():
                data = await source.read(CHUNK)
                arrival = self.lines[way].arrival(len(data), self.delay, self.rate)
                await queue.put((arrival, data))
                if not data:
                    break
            await writing
        except OSError:
            pass
        finally:
            writing.cancel()
            target.close()

    async def deliver(self, queue: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter, way: str) -> None:
        seen, since = 0, self.since
        while True:
            arrival, data = await queue.get()
            if not data:
                return
            if (wait := arrival - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            while self.mode == "blackhole":
                await asyncio.sleep(0.01)
            if since != self.since:
                seen, since = 0, self.since
            fault = way == "down" and self.mode in ("rst_after", "fin_after")
            if fault and seen + len(data) >= self.argument:
                data = data[: max(0, int(self.argument) - seen)]
                await self.send(data, target, way)
                await asyncio.sleep(0.02)  # a reset drops what the peer has not read yet
                if self.mode == "rst_after":
                    reset(target)
                else:
                    target.close()
                return
            seen += len(data)
            await self.send(data, target, way)

    async def send(self, data: bytes, target: asyncio.StreamWriter, way: str) -> None:
        self.bytes[way] += len(data)
        target.write(data)
        await target.drain()

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        what = command["do"]
        if what == "set":
            self.mode, self.argument, self.since = command["mode"], float(command["argument"]), self.since + 1
            self.delay = self.argument if self.mode == "latency" else 0.0
            self.rate = self.argument if self.mode == "rate" else 0.0
            if self.mode == "refuse":
                self.refuse()
            else:
                await self.listen()
        elif what == "link":
            self.mode, self.delay, self.rate = "pass", command["seconds"], command["rate"]
            await self.listen()
        elif what == "reset":
            for writer in list(self.writers):
                reset(writer)
        return {"accepted": self.accepted, "open": len(self.writers) // 2, **self.bytes}


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(upstream_port: int, host: str, port: int) -> None:
    """Run the proxy until standard input ends."""
    proxy = _Proxy(upstream_port, host, port)
    await proxy.listen()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(json.dumps({"port": proxy.port}), flush=True)
    while line := await commands.readline():
        print(json.dumps(await proxy.answer(json.loads(line))), flush=True)
    for writer in list(proxy.writers):
        reset(writer)
    for task in list(proxy.connections):
        task.cancel()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
