"""A primary and its replicas, each a server of its own, and what may happen to a replica: frozen, delayed, killed.

PostgreSQL: pg_basebackup and streaming. MariaDB: GTID, each replica from the template, read_only.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.servers.base import HOST, Server, make_directory
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer

_POSTGRES = ("wal_keep_size = '64MB'", "wal_retrieve_retry_interval = '200ms'", "max_standby_streaming_delay = '30s'")
_MARIADB = (
    "log-bin=log", "binlog-format=ROW", "log-slave-updates=1", "gtid-strict-mode=1", "gtid-domain-id=56",
    "relay-log=relay", "slave-net-timeout=5", "sync-binlog=0",
    # a server that is killed must not have a commit in its log that its tables lost: it would never follow again
    "innodb-flush-log-at-trx-commit=2",
)  # fmt: skip


@dataclass
class Cluster:
    """A primary and the replicas that follow it."""

    primary: Server
    replicas: list[Server]

    @property
    def servers(self) -> list[Server]:
        """The primary, then the replicas."""
        return [self.primary, *self.replicas]

    def freeze(self, number: int) -> None:
        """The replica goes on answering and does not learn anything new."""
        raise NotImplementedError

    def thaw(self, number: int) -> None:
        """It learns again."""
        raise NotImplementedError

    def delay(self, number: int, seconds: float) -> None:
        """It learns of each commit so much later."""
        raise NotImplementedError

    def position(self, number: int | None = None) -> str:
        """Where a replica stands, or (None) the primary."""
        raise NotImplementedError

    def follow(self, number: int) -> None:
        """Let a replica that was restarted catch up again."""

    def link(self, number: int, port: int | None = None) -> None:
        """Let a replica learn through another port (a proxy's), or (None) the primary's own again."""
        raise NotImplementedError

    def rebuild(self, number: int) -> None:
        """A killed replica again, from nothing."""
        raise NotImplementedError

    def wait(self, seconds: float = 60.0) -> None:
        """Until every replica has what the primary has."""
        deadline = time.monotonic() + seconds
        for number in range(len(self.replicas)):
            # asked once for both: a primary that nobody writes to still logs a snapshot now and then
            while (there := self.position(number)) != (here := self.position()) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert there == here, f"replica {number} does not catch up: {there}, not {here}"

    def kill(self) -> None:
        """All of them, at once."""
        for server in reversed(self.servers):
            server.kill()


class PostgresCluster(Cluster):
    """Streaming replication."""

    @classmethod
    def start(cls, root: Path, replicas: int = 2) -> PostgresCluster:
        """A primary in `root-0` and its replicas beside it."""
        primary = PostgresServer.start(_beside(root, 0), settings=_POSTGRES)
        made = cls(primary, [])
        for number in range(1, replicas + 1):
            made.add(_beside(root, number))
        return made

    def add(self, root: Path) -> PostgresServer:
        """One more replica, a copy of the primary."""
        replica = PostgresServer(root)
        make_directory(root, replica.os_user)
        self._copy(replica)
        replica.start_on_free_port()
        self.replicas.append(replica)
        return replica

    def _copy(self, replica: PostgresServer) -> None:
        program = replica.binaries / "pg_basebackup"
        told = [program, "-d", self._source(), "-D", replica.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        replica.run(told)

    def _source(self, port: int | None = None) -> str:
        primary = self.primary
        return f"host={HOST} port={port or primary.port} user={primary.admin_user} password={primary.admin_password}"

    def freeze(self, number: int) -> None:
        replica = self.replicas[number]
        replica.sql("SELECT pg_wal_replay_pause()", "postgres", admin=True)
        while replica.sql("SELECT pg_get_wal_replay_pause_state()", "postgres", admin=True) != [("paused",)]:
            time.sleep(0.01)

    def thaw(self, number: int) -> None:
        self.replicas[number].sql("SELECT pg_wal_replay_resume()", "postgres", admin=True)

    def delay(self, number: int, seconds: float) -> None:
        self.configure(number, "recovery_min_apply_delay", int(seconds * 1000))

    def link(self, number: int, port: int | None = None) -> None:
        self.configure(number, "primary_conninfo", f"'{self._source(port)}'")

    def configure(self, number: int, name: str, value: object) -> None:
        """A setting of a replica that does not need a restart."""
        connection = self.replicas[number].connect("postgres", admin=True)
        connection.execute(f"ALTER SYSTEM SET {name} = {value}")
        connection.execute("SELECT pg_reload_conf()")
        connection.close()

    def rebuild(self, number: int) -> None:
        replica = self.replicas[number]
        assert isinstance(replica, PostgresServer)
        shutil.rmtree(replica.data)
        self._copy(replica)
        replica.restart()

    def position(self, number: int | None = None) -> str:
        function = "pg_current_wal_flush_lsn" if number is None else "pg_last_wal_replay_lsn"
        server = self.primary if number is None else self.replicas[number]
        return str(server.sql(f"SELECT {function}()", "postgres", admin=True)[0][0])


class MariaDBCluster(Cluster):
    """Replication by GTID."""

    @classmethod
    def start(cls, root: Path, replicas: int = 2) -> MariaDBCluster:
        """A primary in `root-0` and its replicas beside it."""
        primary = MariaDBServer.start(_beside(root, 0), settings=(*_MARIADB, "server-id=100"))
        made = cls(primary, [])
        for number in range(1, replicas + 1):
            settings = (*_MARIADB, f"server-id={100 + number}", "read_only=1")
            replica = MariaDBServer.start(_beside(root, number), settings=settings)
            made.replicas.append(replica)
            made.link(number - 1)
        return made

    def link(self, number: int, port: int | None = None) -> None:
        primary = self.primary
        self.replicas[number].sql(
            f"STOP SLAVE; CHANGE MASTER TO MASTER_HOST='{HOST}', MASTER_PORT={port or primary.port}, MASTER_USER='root',"
            f" MASTER_PASSWORD='{primary.admin_password}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1,"
            " MASTER_HEARTBEAT_PERIOD=1; START SLAVE",
            "mysql", admin=True,
        )  # fmt: skip

    def rebuild(self, number: int) -> None:
        """It learns everything from the primary's log, which is whole."""
        replica = self.replicas[number]
        shutil.rmtree(replica.data)
        replica.run(["cp", "-a", replica.root.parent / f"{replica.engine}-template" / "data", replica.data])
        replica.restart()
        self.link(number)

    def freeze(self, number: int) -> None:
        self.replicas[number].sql("STOP SLAVE SQL_THREAD", "mysql", admin=True)

    def thaw(self, number: int) -> None:
        self.replicas[number].sql("START SLAVE SQL_THREAD", "mysql", admin=True)

    def delay(self, number: int, seconds: float) -> None:
        text = f"STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={int(seconds)}; START SLAVE"
        self.replicas[number].sql(text, "mysql", admin=True)

    def position(self, number: int | None = None) -> str:
        variable = "gtid_binlog_pos" if number is None else "gtid_slave_pos"
        server = self.primary if number is None else self.replicas[number]
        return str(server.sql(f"SELECT @@{variable}", "mysql", admin=True)[0][0])

    def follow(self, number: int) -> None:
        self.replicas[number].sql("START SLAVE", "mysql", admin=True)


def _beside(root: Path, number: int) -> Path:
    return root.with_name(f"{root.name}-{number}")
