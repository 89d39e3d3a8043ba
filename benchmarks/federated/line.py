"""A line between clients and several servers: one rate for all connections, a delay each way, bytes counted.

    python line.py '[[[5432, "127.0.0.1"], [3306, "127.0.0.1"]], 25000000, 0.01]'

Each pair is a server's port on this machine and the address to listen on. Prints {"5432": its own port, …}; then the
bytes so far for every line that it reads; ends with its standard input. The standard library alone, run by path.

A proxy of its own beside the tests' FaultProxy: there a rate is a server's, here all servers are behind the same line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

CHUNK = 1 << 16
WAITING = 64  # chunks of one connection in one direction: what the line holds


class Way:
    """One direction of the line: when may these bytes arrive?"""

    def __init__(self, rate: float, delay: float) -> None:
        self.rate, self.delay = rate, delay
        self.free_at = 0.0
        self.bytes = 0

    def arrival(self, size: int) -> float:
        now = time.monotonic()
        self.bytes += size
        self.free_at = max(now, self.free_at) + (size / self.rate if self.rate else 0.0)
        return self.free_at + self.delay


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, way: Way) -> None:
    """Carry bytes until one side ends; reading goes on while bytes are on their way."""
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)

    async def read() -> None:
        data = b"-"
        while data:
            try:
                data = await source.read(CHUNK)
            except OSError:
                data = b""
            await queue.put((way.arrival(len(data)), data))

    reading = asyncio.create_task(read())
    try:
        while True:
            arrival, data = await queue.get()
            if (wait := arrival - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if not data:
                target.write_eof()  # the other direction may still have much to carry
                break
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        reading.cancel()


async def serve(listen: list[tuple[int, str]], rate: float, delay: float) -> None:
    up, down = Way(rate, delay), Way(rate, delay)
    ports = {}
    servers = []
    for upstream, host in listen:

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: int = upstream
        ) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
            await asyncio.gather(pump(reader, far_writer, up), pump(far_reader, writer, down), return_exceptions=True)
            writer.close()
            far_writer.close()

        server = await asyncio.start_server(connected, host, 0)
        servers.append(server)
        ports[upstream] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while await commands.readline():
        print(json.dumps(up.bytes + down.bytes), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*json.loads(sys.argv[1])))
