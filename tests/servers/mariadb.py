"""MariaDB for the tests: apt's binaries, or its packages unpacked into build/; there is no MariaDB on PyPI."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

from tests.servers.base import (
    HOST,
    SERVER_OFFSET_HOURS,
    Server,
    ServerFailed,
    ServerUnavailable,
    database_name,
    make_directory,
)

# The two InnoDB sizes must be the same when the data directory is made and when the server runs.
INNODB = ("--innodb-use-native-aio=0", "--innodb-log-file-size=8M", "--innodb-data-file-path=ibdata1:4M:autoextend")

# Small and fast because nothing survives a power cut.
SETTINGS = f"""
bind-address=127.0.0.1
skip-name-resolve
character-set-server=utf8mb4
collation-server=utf8mb4_general_ci
default-time-zone={SERVER_OFFSET_HOURS:+03d}:00
innodb-buffer-pool-size=32M
innodb-log-file-size=8M
innodb-data-file-path=ibdata1:4M:autoextend
innodb-flush-log-at-trx-commit=0
innodb-flush-method=nosync
innodb-doublewrite=0
innodb-use-native-aio=0
aria-pagecache-buffer-size=4M
key-buffer-size=1M
performance-schema=OFF
table-open-cache=256
max-connections=100
"""


# Where scripts/unpack_mariadb.sh puts the packages for those who are not root.
UNPACKED = Path(__file__).parents[2] / "build" / "mariadb"


def mariadb_program(name: str) -> str:
    """The path of one of MariaDB's programs. Raises ServerUnavailable."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin"])
    if found := shutil.which(name, path=search):
        return found
    for folder in ("usr/bin", "usr/sbin"):
        if (UNPACKED / folder / name).exists():
            return str(UNPACKED / folder / name)
    raise ServerUnavailable("no MariaDB: apt-get install mariadb-server (PyPI has none)")


class MariaDBServer(Server):
    """A MariaDB server: superuser `root`, and `app`, an ordinary user who owns the tests' databases."""

    engine = "mariadb"
    scheme = "mysql"
    default_os_user = "mysql"
    admin_user = "root"
    _stop_signal = signal.SIGTERM

    @property
    def admin_url(self) -> str:
        """The superuser's URL on the maintenance database."""
        return f"{self.scheme}://{self.admin_user}:{self.admin_password}@{self.host}:{self.port}/mysql"

    def create_database(self, name: str) -> None:
        quoted = "`" + name.replace("`", "``") + "`"
        self.sql(f"CREATE DATABASE {quoted}", "mysql", admin=True)
        self.sql(f"GRANT ALL ON {quoted}.* TO {self.user}@'{HOST}'", "mysql", admin=True)

    def connect(self, database: str | None = None, *, admin: bool = False) -> Any:
        import pymysql
        from pymysql.constants import CLIENT

        return pymysql.connect(
            host=self.host,
            port=self.port,
            database=database_name(database, self.database),
            user=self.admin_user if admin else self.user,
            password=self.admin_password if admin else self.password,
            charset="utf8mb4",
            init_command="SET time_zone = '+00:00'",
            autocommit=True,
            connect_timeout=10,
            client_flag=CLIENT.MULTI_STATEMENTS,
            local_infile=True,
        )

    def sql(self, text: str, database: str | None = None, *, admin: bool = False) -> list[tuple[Any, ...]]:
        connection = self.connect(database, admin=admin)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                rows = list(cursor.fetchall())
                while cursor.nextset():
                    rows = list(cursor.fetchall())
                return rows
        finally:
            connection.close()

    def _make_template(self, data: Path) -> None:
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", *INNODB]
        temporary = data.with_name("tmp")
        make_directory(temporary, self.os_user)
        program = mariadb_program("mariadb-install-db")
        install = [
            program,
            "--no-defaults",
            "--force",
            *self._basedir,
            f"--datadir={data}",
            f"--tmpdir={temporary}",
            *options,
        ]
        try:
            self.run(install)
        except ServerFailed:  # about once in two hundred: "wrong space ID. It should be 0, but 0 was found"
            shutil.rmtree(data, ignore_errors=True)
            self.run(install)

    def _configure(self) -> None:
        # A starting mariadbd removes every #sql file of its tmpdir, also those of another server that runs.
        make_directory(self.root / "tmp", self.os_user)
        (self.root / "server.cnf").write_text(
            f"[mariadbd]\ndatadir={self.data}\nsocket={self.data}/s\npid-file={self.data}/server.pid\n"
            f"tmpdir={self.root}/tmp\ninit-file={self.root}/init.sql\n" + SETTINGS + "\n".join(self.settings) + "\n"
        )
        # Run by the server itself before it accepts the first connection; every start, so nothing may fail twice.
        (self.root / "init.sql").write_text(
            "SET sql_log_bin = 0;\n"  # each server has its own users: none of this is for replicas
            f"ALTER USER root@'localhost' IDENTIFIED BY '{self.admin_password}';\n"
            f"CREATE USER IF NOT EXISTS root@'{HOST}';\n"
            f"ALTER USER root@'{HOST}' IDENTIFIED BY '{self.admin_password}';\n"
            f"GRANT ALL ON *.* TO root@'{HOST}' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS {self.user}@'{HOST}' IDENTIFIED BY '{self.password}';\n"
            f"CREATE DATABASE IF NOT EXISTS {self.database};\n"
            f"GRANT ALL ON {self.database}.* TO {self.user}@'{HOST}';\n"
        )

    def _command(self) -> list[str]:
        program = mariadb_program("mariadbd")
        return [program, f"--defaults-file={self.root}/server.cnf", f"--port={self.port}", *self._basedir]

    @property
    def _basedir(self) -> list[str]:
        """Where an unpacked server finds its own files; an installed one knows."""
        return [f"--basedir={UNPACKED}/usr"] if str(UNPACKED) in mariadb_program("mariadbd") else []

    def _environment(self) -> dict[str, str]:
        libraries = ":".join(str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu")) if self._basedir else ""
        inherited = super()._environment()
        if not libraries:
            return inherited
        # /lib of the packages is /usr/lib on a system whose /lib is a link.
        libraries += "".join(f":{path}" for path in UNPACKED.glob("lib/*-linux-gnu"))
        return inherited | {"LD_LIBRARY_PATH": libraries, "PATH": f"{UNPACKED}/usr/bin:{inherited.get('PATH', '')}"}

    def _is_ready(self) -> bool:
        # The port is open before the server serves; the greeting comes after init.sql has run.
        try:
            with socket.create_connection((self.host, self.port), timeout=0.5) as probe:
                return len(probe.recv(5)) == 5
        except OSError:
            return False
