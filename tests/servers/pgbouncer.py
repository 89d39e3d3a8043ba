"""PgBouncer for the tests: Debian's, which hands each transaction to the next of its connections, at any of its servers.

    client  transaction 1 → PgBouncer → 127.0.0.2:6001 → relay → replica 1
            transaction 2 →           → 127.0.0.3:6001 → relay → replica 2

PgBouncer knows several hosts of a database but one port for all, and the servers have ports of their own on one host:
a relay in between gives each an address.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.servers.base import HOST, Server, ServerUnavailable, free_port, make_directory
from tests.servers.proxy import FaultProxy


def pgbouncer_program() -> str:
    """The path of the program. Raises: ServerUnavailable."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    if found := shutil.which("pgbouncer", path=search):
        return found
    raise ServerUnavailable("no PgBouncer: apt-get install pgbouncer")


class PgBouncer(Server):
    """A pooler in front of servers, `pool_mode = transaction`; every database of theirs by its own name."""

    engine = "pgbouncer"
    scheme = "postgresql"
    default_os_user = "postgres"
    admin_user = "postgres"
    _stop_signal = signal.SIGTERM

    def __init__(self, root: Path, settings: Sequence[str] = ()) -> None:
        super().__init__(root, settings)
        self.relays: list[FaultProxy] = []
        self.program = pgbouncer_program()

    @classmethod
    def in_front_of(cls, servers: Sequence[Server], root: Path, settings: Sequence[str] = ()) -> Self:
        """A pooler of its own, in the new directory `root`."""
        pooler = cls(root, settings)
        make_directory(root, pooler.os_user)
        port = free_port()
        pooler.relays = [FaultProxy(server.port, f"127.0.0.{number}", port) for number, server in enumerate(servers, 2)]
        pooler.start_on_free_port()
        return pooler

    def restart(self) -> None:
        self._configure()
        super().restart()

    def stop(self) -> None:
        super().stop()
        for relay in self.relays:
            relay.stop()

    def connect(self, database: str | None = None, *, admin: bool = False) -> Any:
        """A connection without prepared statements and without settings."""
        import psycopg

        return psycopg.connect(self.url_of(database or self.database), autocommit=True, prepare_threshold=None)

    def _configure(self) -> None:
        hosts = ",".join(f"127.0.0.{number}" for number in range(2, 2 + len(self.relays)))
        users = {self.user: self.password, self.admin_user: self.admin_password}
        (self.root / "users").write_text("".join(f'"{name}" "{word}"\n' for name, word in users.items()))
        lines = [
            "[databases]", f"* = host={hosts} port={self.relays[0].port}",
            "[pgbouncer]", f"listen_addr = {HOST}", f"listen_port = {self.port}", "unix_socket_dir =",
            "auth_type = scram-sha-256", f"auth_file = {self.root / 'users'}",
            "pool_mode = transaction", "server_round_robin = 1", "default_pool_size = 10", *self.settings,
        ]  # fmt: skip
        (self.root / "pgbouncer.ini").write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [self.program, str(self.root / "pgbouncer.ini")]

    def _is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0
