"""The sources of a federation: opened when first needed, asked side by side, and the answers binding needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from fedq import forks
from fedq.catalog.model import Catalog, Database
from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.catalog.secrets import mask, read_secret
from fedq.catalog.statistics import Link, TableStatistics
from fedq.errors import ConnectionFailed, DriverMissing, FedqError
from fedq.fetch.knowledge import Knowledge, Links, Place
from fedq.fetch.placed import Server
from fedq.fetch.pools import POOL_SIZE
from fedq.fetch.positions import Ledger, Reading
from fedq.fetch.replicas import ReplicatedSource
from fedq.fetch.seats import Seats
from fedq.fetch.source import Source
from fedq.fetch.writer import Position
from fedq.plan.needs import Need, need_of
from fedq.sql import exp

_CLASSES = {
    "postgres": ("fedq.fetch.postgres.source", "PostgresSource"),
    "mysql": ("fedq.fetch.mysql.source", "MySQLSource"),
    "sqlite": ("fedq.fetch.sqlite.source", "SQLiteSource"),
    "duckdb": ("fedq.fetch.duckdb.source", "DuckDBSource"),
    "files": ("fedq.fetch.files.source", "FilesSource"),
    "generic": ("fedq.fetch.alchemy.source", "AlchemySource"),
}
#: kinds that are read in this process
_LOCAL = ("sqlite", "duckdb", "files")
#: kinds that are opened as often as it takes
_POOLLESS = ("duckdb", "files")
#: kinds whose replicas can be asked how far they are; of others the primary is read
_REPLICATED = ("postgres", "mysql")
#: seconds to connect to a replica: there are others
_REPLICA_PATIENCE = 3.0


def open_source(
    database: Database, learned: Callable[[str], None], ledger: Ledger, beside: Sequence[str] = ()
) -> Source:
    """The source of one database; nothing connects yet. `learned` is told each secret when it is read."""
    primary = _open_server(database, learned)
    if not database.replicas or database.kind not in _REPLICATED:
        return primary
    options = {"connect_timeout": _REPLICA_PATIENCE, **database.options}
    servers = [primary] + [
        _open_server(replace(database, url=url, password=database.password_of(at), options=options), learned)
        for at, url in enumerate(database.replicas)
    ]
    return ReplicatedSource(cast(Server, servers[0]), [cast(Server, each) for each in servers[1:]], ledger, beside)


def _open_server(database: Database, learned: Callable[[str], None]) -> Source:
    module, name = _CLASSES[database.kind]
    make: Callable[[Database, Callable[[], str | None]], Source] = getattr(import_module(module), name)

    def _password() -> str | None:
        if database.password is None:
            return None
        secret = read_secret(database.password)
        learned(secret)
        return secret

    return make(database, _password)


def _server_of(database: Database) -> tuple[str, str, int | None] | None:
    """Kind, host and port of what keeps a position; None for everything else."""
    parts = urlsplit(database.url)
    return (database.kind, parts.hostname, parts.port) if database.kind in _REPLICATED and parts.hostname else None


class Sources:
    """Every source of a catalog, by database name. Thread-safe."""

    def __init__(self, catalog: Catalog) -> None:
        self._databases = dict(catalog.databases)
        self._secrets: set[str] = set()
        self.ledger = Ledger()
        self._begin()
        forks.tell(self)

    def _begin(self) -> None:
        """With nothing open."""
        self._open: dict[str, Source] = {}
        self._alone: dict[str, ReplicatedSource] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._knowledge, self._links = Knowledge(), Links()
        self.seats = Seats(
            {
                name: int(database.options.get("max_connections", POOL_SIZE))
                for name, database in self._databases.items()
                if database.kind not in _POOLLESS
            }
        )

    def begin_in_child(self) -> None:
        """A forked child opens every database for itself."""
        forks.leave(self._open, self._alone, self._pool, self._knowledge)
        self._begin()

    def __getitem__(self, name: str) -> Source:
        with self._lock:
            if name not in self._open:
                self._open[name] = open_source(
                    self._databases[name], self._secrets.add, self.ledger, self._beside(name)
                )
            return self._open[name]

    def reading(self, name: str, reading: Reading) -> Source:
        """A database whose sessions are as fresh as that; where there are no replicas they are, unless more is asked
        than that its reads see its own writes: then its only server may be a replica itself."""
        source = self[name]
        if isinstance(source, ReplicatedSource):
            return source.reading(reading)
        is_asked = reading.freshness == "strong" or reading.bound is not None or name in reading.after
        if not is_asked or self._databases[name].kind not in _REPLICATED:
            return source
        with self._lock:
            alone = self._alone.setdefault(name, ReplicatedSource(cast(Server, source), [], self.ledger))
        return alone.reading(reading)

    def primary(self, name: str) -> Source:
        """The server that is written to."""
        source = self[name]
        return source.primary.server if isinstance(source, ReplicatedSource) else source

    def wrote(self, name: str, position: Position | None) -> None:
        """A commit was sent; None where its position, or whether it was done, is not known."""
        if position is not None or any(self._databases[each].replicas for each in (name, *self._beside(name))):
            self.ledger.wrote(name, position)

    def _beside(self, name: str) -> list[str]:
        """The other databases whose primary is the same server: what is written through one name is read through
        another."""
        server = _server_of(self._databases[name])
        others = [other for other in self._databases.values() if other.name != name]
        return [other.name for other in others if server is not None and _server_of(other) == server]

    def masked(self, text: str) -> str:
        """A text without any secret that was read so far."""
        return mask(text, self._secrets) if self._secrets else text

    def names(self) -> Sequence[str]:
        """The databases there are."""
        return tuple(self._databases)

    def side_by_side(self, tasks: Sequence[Callable[[], object]]) -> list[object]:
        """The tasks' results, or the errors they raised, in order; run in parallel when there are several."""
        if len(tasks) == 1:
            return [_attempt(tasks[0])]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="fedq-describe")
            pool = self._pool
        return list(pool.map(_attempt, tasks))

    def statistics(
        self, wanted: Mapping[str, Sequence[TableSchema]], *, is_waiting: bool = True
    ) -> dict[Place, TableStatistics | None]:
        """What is known of the values of tables, by database and table; databases are asked side by side.

        It is kept for a minute. None where nothing is known, or was not within two seconds; never an error.
        """
        local = [name for name in wanted if self.is_local(name)]
        return self._knowledge.of(wanted, self.__getitem__, is_waiting=is_waiting, local=local)

    def link(self, database: str) -> Link | None:
        """How far away a database is, as measured so far; None before anything was."""
        return self._links.of(database, is_local=self.is_local(database))

    def is_local(self, database: str) -> bool:
        """Whether a database is read in this process."""
        return self._databases[database].kind in _LOCAL

    def observe(self, database: str, size: int, seconds: float) -> None:
        """Learn from a pull: so many bytes arrived in so many seconds."""
        self._links.pulled(database, size, seconds)

    def describe(self, database: str, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now; what it took tells how far away the database is."""
        source, started = self[database], time.perf_counter()
        found = source.describe(tables)
        self._links.answered(database, time.perf_counter() - started)
        return found

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sources, self._open = list(self._open.values()), {}
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)
        for source in sources:
            source.close()


def _attempt(task: Callable[[], object]) -> object:
    try:
        return task()
    except FedqError as error:  # handed to the caller, who raises or ignores it knowingly
        return error


class QueryLookup:
    """What one query's binding asks of the databases; each answer is fetched once."""

    def __init__(self, sources: Sources, extra: Mapping[str, Source]) -> None:
        self._sources, self._extra = sources, extra
        self._known: dict[tuple[str, PhysicalTable], TableSchema | None] = {}

    def source(self, name: str) -> Source:
        """The source of a database, DataFrames included."""
        return self._extra[name] if name in self._extra else self._sources[name]

    def databases_with(self, table: PhysicalTable) -> Sequence[tuple[str, PhysicalTable]]:
        """Every database that has such a table now. One that cannot be reached has none, as long as another has."""
        names = tuple(dict.fromkeys((*self._sources.names(), *self._extra)))
        found = self._sources.side_by_side([lambda name=name: self._ask(name, [table]) for name in names])  # type: ignore[misc]
        places, failures = [], []
        for name, answer in zip(names, found, strict=True):
            if isinstance(answer, (ConnectionFailed, DriverMissing)):
                failures.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            elif isinstance(answer, Sequence) and answer[0] is not None:
                self._known[name, answer[0].table] = answer[0]
                places.append((name, answer[0].table))
        if failures and not places:
            raise failures[0]
        return places

    def describe(
        self, tables: Sequence[tuple[str, PhysicalTable]], parts: Sequence[exp.Expr] = ()
    ) -> Sequence[TableSchema | None]:
        """Each table as it is now, with its statistics where the plan of a query of these parts needs them; databases
        are asked side by side."""
        missing: dict[str, list[PhysicalTable]] = {}
        for name, table in tables:
            if (name, table) not in self._known:
                missing.setdefault(name, []).append(table)
        if missing:
            tasks = [lambda name=name, wanted=wanted: self._ask(name, wanted) for name, wanted in missing.items()]
            for (name, wanted), answer in zip(missing.items(), self._sources.side_by_side(tasks), strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                assert isinstance(answer, Sequence)
                self._known.update({(name, table): schema for table, schema in zip(wanted, answer, strict=True)})
        return self._with_statistics(tables, parts)

    def _ask(self, name: str, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        if name in self._extra:
            return self._extra[name].describe(tables)
        return self._sources.describe(name, tables)

    def _with_statistics(
        self, pairs: Sequence[tuple[str, PhysicalTable]], parts: Sequence[exp.Expr]
    ) -> Sequence[TableSchema | None]:
        found = [self._known[pair] for pair in pairs]
        there = {(name, schema.table): schema for (name, _), schema in zip(pairs, found, strict=True) if schema}
        wanted: dict[str, list[TableSchema]] = {}
        for (name, _), schema in there.items():
            if name not in self._extra:
                wanted.setdefault(name, []).append(schema)
        need = need_of(parts, there, lambda name: name in wanted and not self._sources.is_local(name))
        if not wanted or need is Need.NOTHING:
            return found
        known = self._sources.statistics(wanted, is_waiting=need is Need.WAITED)
        return [
            schema and replace(schema, statistics=known.get((name, schema.table)))
            for (name, _), schema in zip(pairs, found, strict=True)
        ]

    def known_names(self) -> Sequence[str]:
        """Table names of every database that answers, for suggestions."""
        names = tuple(dict.fromkeys((*self._sources.names(), *self._extra)))
        found = self._sources.side_by_side([lambda name=name: self.source(name).list_tables() for name in names])  # type: ignore[misc]
        return [table.name for answer in found if isinstance(answer, Sequence) for table in answer]
