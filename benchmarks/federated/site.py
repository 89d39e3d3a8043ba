"""The servers of the benchmark and what is loaded into them: started once, kept while the state file names them.

    Site.open() → site.load(0.5, 3) → [{"name": "pg", "engine": "postgres", "port": 40123, …}, …]

Loading takes longer than a query, so servers and data outlive a run with `--keep`; `--stop` ends them. The servers are
the tests' own, with more memory. They listen on every address, because a link ends elsewhere than on loopback, and let
nobody in but this machine and the link's network.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.federated.place import COLUMNS, PLACEMENTS, Place, create_indexes, create_table
from benchmarks.transports_postgres import MAKE
from tests.oracle import tpch
from tests.servers import MariaDBServer, PostgresServer, Server
from tests.servers.base import locked

CACHE = Path(__file__).parents[1] / "data" / "federated"
STATE = CACHE / "state.json"
NETWORK = "10.213"  # of the links: .0.0/16

POSTGRES = (
    "listen_addresses = '*'",
    "shared_buffers = '1GB'",
    "max_wal_size = '4GB'",
    "maintenance_work_mem = '256MB'",
)
MARIADB = ("bind-address=0.0.0.0", "innodb-buffer-pool-size=512M", "max-allowed-packet=64M")
SETTINGS = "; ".join((*POSTGRES[1:], *MARIADB[1:], "no fsync; the rest as the servers come"))

Database = dict[str, Any]
"""What a client must know of one database: name, engine, tables, and host, port, user, password, database or path."""


@dataclass(slots=True)
class Site:
    """Two servers, a folder of SQLite files, and the list of what is in them."""

    root: Path
    postgres: PostgresServer
    mariadb: MariaDBServer
    loaded: list[str] = field(default_factory=list)
    is_new: bool = False
    """True if this process has started it."""

    @classmethod
    def open(cls) -> Site:
        """The site that runs already, or a new one."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with locked(CACHE / "open.lock"):
            return cls.running() or cls._new()

    @classmethod
    def running(cls) -> Site | None:
        """The site of the state file, if both of its servers run; what is left of a broken one is removed."""
        try:
            state = json.loads(STATE.read_text())
            root = Path(state["root"])
            site = cls(root, PostgresServer.attach(root / "pg"), MariaDBServer.attach(root / "my"), state["loaded"])
        except (OSError, ValueError, KeyError):
            return None
        if _is_running(site.postgres) and _is_running(site.mariadb):
            return site
        site.stop()
        return None

    @classmethod
    def _new(cls) -> Site:
        # Short (a socket's path has 107 bytes) and open to the servers' users.
        root = Path(tempfile.mkdtemp(prefix="fedq-bench-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
        root.chmod(0o711)
        postgres = PostgresServer.start(root / "pg", settings=POSTGRES)
        try:
            mariadb = MariaDBServer.start(root / "my", settings=MARIADB)
        except BaseException:
            postgres.kill()
            raise
        site = cls(root, postgres, mariadb, is_new=True)
        site._admit_the_link()
        site._save()
        return site

    def stop(self) -> None:
        """End the servers and remove what is in them."""
        for server in (self.postgres, self.mariadb):
            if _is_running(server):
                server.kill()
        STATE.unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def load(self, scale: float, count: int) -> list[Database]:
        """The databases of a placement, filled. Seconds for what is not there yet are printed."""
        for place in PLACEMENTS[count]:
            key = _key(place, scale, count)
            if key in self.loaded:
                continue
            started = time.perf_counter()
            {"postgres": self._load_postgres, "mariadb": self._load_mariadb, "sqlite": self._load_sqlite}[place.engine](
                place, key, tpch.folder(scale)
            )
            self.loaded.append(key)
            self._save()
            print(f"loaded {key}: {', '.join(place.tables)}, {time.perf_counter() - started:.1f} s", flush=True)
        return [self._database(place, _key(place, scale, count)) for place in PLACEMENTS[count]]

    def load_wide(self, rows: int) -> list[Database]:
        """One table of eight columns in PostgreSQL, the one of benchmarks/transports_postgres.py."""
        key = f"wide_{rows}"
        if key not in self.loaded:
            self.postgres.sql(f'DROP DATABASE IF EXISTS "{key}" WITH (FORCE)', "postgres", admin=True)
            self.postgres.create_database(key)
            self.postgres.sql(MAKE.format(rows=rows), key)
            self.postgres.sql("VACUUM ANALYZE bench", key)
            self.loaded.append(key)
            self._save()
        return [self._database(Place("pg", "postgres", ("bench",)), key)]

    def stop_statements(self) -> None:
        """Stop what the servers still run for a client that was given up."""
        self.postgres.sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.postgres.user}' "
            "AND state = 'active' AND pid <> pg_backend_pid()",
            "postgres",
            admin=True,
        )
        for number, command in self.mariadb.sql(
            f"SELECT id, command FROM information_schema.processlist WHERE user = '{self.mariadb.user}'", admin=True
        ):
            if command != "Sleep":
                with contextlib.suppress(OSError):
                    self.mariadb.sql(f"KILL {number}", admin=True)

    def versions(self) -> dict[str, str]:
        """The servers' versions."""
        return {
            "PostgreSQL": self.postgres.sql("SHOW server_version")[0][0],
            "MariaDB": self.mariadb.sql("SELECT version()")[0][0],
            "SQLite": sqlite3.sqlite_version,
        }

    def _database(self, place: Place, key: str) -> Database:
        known: Database = {"name": place.name, "engine": place.engine, "tables": list(place.tables)}
        if place.engine == "sqlite":
            return known | {"path": str(self.root / f"{key}.sqlite")}
        server = self.postgres if place.engine == "postgres" else self.mariadb
        login = {"user": server.user, "password": server.password, "database": key}
        return known | {"host": server.host, "port": server.port} | login

    def _admit_the_link(self) -> None:
        with (self.postgres.data / "pg_hba.conf").open("a") as hba:
            hba.write(f"host all {self.postgres.user} {NETWORK}.0.0/16 scram-sha-256\n")
        os.kill(self.postgres.pid, signal.SIGHUP)
        user = f"{self.mariadb.user}@'{NETWORK}.%'"
        self.mariadb.sql(f"CREATE USER {user} IDENTIFIED BY '{self.mariadb.password}'", admin=True)

    def _save(self) -> None:
        STATE.write_text(json.dumps({"root": str(self.root), "loaded": self.loaded}, indent=1) + "\n")

    def _load_postgres(self, place: Place, key: str, source: Path) -> None:
        self.postgres.sql(f'DROP DATABASE IF EXISTS "{key}" WITH (FORCE)', "postgres", admin=True)
        self.postgres.create_database(key)
        for table in place.tables:
            with self.postgres.connect(key) as connection, csv_of(source / f"{table}.parquet") as csv:
                connection.execute(create_table(table, "postgres"))
                with csv.open("rb") as rows, connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
                    while piece := rows.read(1 << 20):
                        copy.write(piece)
                for index in create_indexes(table):
                    connection.execute(index)
            self.postgres.sql(f"VACUUM ANALYZE {table}", key)

    def _load_mariadb(self, place: Place, key: str, source: Path) -> None:
        self.mariadb.sql(f"DROP DATABASE IF EXISTS `{key}`", "mysql", admin=True)
        self.mariadb.create_database(key)
        self.mariadb.sql(f"GRANT ALL ON `{key}`.* TO {self.mariadb.user}@'{NETWORK}.%'", "mysql", admin=True)
        for table in place.tables:
            self.mariadb.sql(create_table(table, "mariadb"), key)
            with csv_of(source / f"{table}.parquet") as csv:
                self.mariadb.sql(
                    f"SET unique_checks = 0; LOAD DATA LOCAL INFILE '{csv}' INTO TABLE {table} "
                    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''",
                    key,
                )
            for statement in (*create_indexes(table), f"ANALYZE TABLE {table} PERSISTENT FOR ALL"):
                self.mariadb.sql(statement, key)

    def _load_sqlite(self, place: Place, key: str, source: Path) -> None:
        import duckdb

        file = self.root / f"{key}.sqlite"
        file.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(file)) as connection:
            for table in place.tables:
                # SQLite has neither decimals nor dates: what a program writes is a float and a text.
                casts = {"date": "::VARCHAR", "decimal(15,2)": "::DOUBLE"}
                names = [f"{name}{casts.get(type_, '')}" for name, type_ in COLUMNS[table].items()]
                rows = duckdb.connect().execute(f"SELECT {', '.join(names)} FROM '{source / table}.parquet'").fetchall()
                connection.execute(create_table(table, "sqlite"))
                connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", rows)
                for index in create_indexes(table):
                    connection.execute(index)
            connection.commit()
            connection.execute("ANALYZE")
            connection.commit()


def _is_running(server: Server) -> bool:
    """True if the server's process runs; its number may have been given to somebody else after a restart."""
    try:
        return server.is_running and str(server.root).encode() in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def _key(place: Place, scale: float, count: int) -> str:
    return f"sf{scale:g}_{count}_{place.name}".replace(".", "_")


@contextlib.contextmanager
def csv_of(parquet: Path) -> Iterator[Path]:
    """A Parquet file as CSV: a pipe with a name, which another thread fills while it is read."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="fedq-bench-csv-") as folder:
        pipe = Path(folder) / "rows.csv"
        os.mkfifo(pipe)
        text = f"COPY (FROM '{parquet}') TO '{pipe}' (FORMAT csv, HEADER false)"
        writing = threading.Thread(target=lambda: duckdb.connect().execute(text), daemon=True)
        writing.start()
        yield pipe
        writing.join()
