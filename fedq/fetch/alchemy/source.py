"""Reads any database that SQLAlchemy has a dialect for: Oracle, SQL Server, Snowflake, Trino, …

    Select(outputs, tail) → one statement, as text → the driver's rows → columns of Python values, checked → Arrow

The one module that imports SQLAlchemy. It is slower than fedq's own sources and pushes little, because nothing is known
of the database's rules; it is exact or loud like them. Stopping a statement is as good as the driver: `interrupt`,
`cancel`, or closing the connection under it.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine.reflection import Inspector

from fedq.catalog.model import Database
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.secrets import read_secret
from fedq.catalog.statistics import TableStatistics
from fedq.catalog.urls import full_url
from fedq.errors import (
    CatalogError,
    ConnectionFailed,
    ConnectionLost,
    DatabaseError,
    DriverMissing,
    FedqError,
    NotAllowed,
    ValueNotRepresentable,
)
from fedq.fetch.alchemy.types import comparison_of, type_of
from fedq.fetch.blocks import batches, inferred_batches
from fedq.fetch.pools import POOL_SIZE
from fedq.fetch.refusal import refused
from fedq.fetch.source import Output, Select
from fedq.fetch.stopper import Stopper
from fedq.sql import TokenType, tokenize
from fedq.undo import unless_done

Answer = TypeVar("Answer")
_READING = ("SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "EXPLAIN")
_WRITING = {
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "DROP",
    "CREATE",
    "ALTER",
    "TRUNCATE",
    "GRANT",
    "CALL",
    "EXEC",
    "INTO",
}
#: the driver's name for the seconds it may take to connect
_CONNECT_TIMEOUT = {
    "psycopg": "connect_timeout", "psycopg2": "connect_timeout", "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout", "oracledb": "tcp_connect_timeout", "pyodbc": "timeout", "pymssql": "login_timeout",
}  # fmt: skip
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"((?:[^"]|"")*)\"""")


class AlchemySource:
    """One database behind a SQLAlchemy URL."""

    def __init__(self, database: Database, password: Callable[[], str | None]) -> None:
        self.name = database.name
        self._database, self._password = database, password
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._secrets: tuple[str, ...] = ()

    @property
    def engine(self) -> sa.Engine:
        """The engine, made when it is first needed; no connection yet."""
        with self._lock:
            if self._engine is None:
                self._engine = self._made()
            return self._engine

    def _made(self) -> sa.Engine:
        password = self._password()
        secrets = {name: read_secret(reference) for name, reference in self._database.secrets.items()}
        self._secrets = tuple(str(secret) for secret in (password, *secrets.values()) if secret)
        options = self._database.options
        try:
            url = sa.make_url(full_url(self._database.url, password, secrets))
            seconds = options.get("connect_timeout")
            name = _CONNECT_TIMEOUT.get(url.get_driver_name())
            arguments = {name: max(1, round(seconds))} if seconds is not None and name is not None else {}
            return sa.create_engine(
                url, hide_parameters=True, poolclass=sa.QueuePool, pool_size=options.get("max_connections", POOL_SIZE),
                max_overflow=0, pool_timeout=30, pool_pre_ping=True, connect_args=arguments,
            )  # fmt: skip
        except (exc.NoSuchModuleError, ImportError) as error:
            raise self._missing(error) from error
        except exc.ArgumentError as error:
            message = f"database {self.name!r}: SQLAlchemy does not take its URL"
            raise CatalogError(message, hint="Look up the form in the dialect's documentation.") from self.shown(error)

    def shown(self, error: BaseException) -> BaseException | None:
        """The error, unless its text holds a secret."""
        said = f"{error} {error!r} {getattr(error, 'orig', '')!r}"
        return None if any(secret in said for secret in self._secrets) else error

    def list_tables(self) -> Sequence[PhysicalTable]:
        """Every table and view of the configured schemas."""
        return self._ask(lambda inspector: [table for schema in self._schemas for table in _names(inspector, schema)])

    @property
    def _schemas(self) -> tuple[str | None, ...]:
        return (self._database.schema, *self._database.schemas)

    def describe(self, tables: Sequence[PhysicalTable]) -> Sequence[TableSchema | None]:
        """Each table as it is now, None where there is none; the exact name wins over one in another case."""
        return self._ask(lambda inspector: [self._described(inspector, table) for table in tables])

    def _ask(self, question: Callable[[Inspector], Answer]) -> Answer:
        with self.translated(), self.engine.connect() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)  # about types it does not know, which are text here
            return question(sa.inspect(connection))

    def _described(self, inspector: Inspector, wanted: PhysicalTable) -> TableSchema | None:
        schemas = self._schemas if wanted.schema is None else (wanted.schema,)
        found = [table for schema in schemas for table in _names(inspector, schema)]
        exact = [table for table in found if table.name == wanted.name]
        near = exact or [table for table in found if table.name.lower() == wanted.name.lower()]
        return self._schema(inspector, near[0]) if near else None

    def _schema(self, inspector: Inspector, table: PhysicalTable) -> TableSchema:
        dialect = inspector.dialect
        columns = []
        for column in inspector.get_columns(table.name, schema=table.schema):
            type_ = type_of(column["type"])
            columns.append(
                Column(
                    column["name"],
                    type_,
                    _stored(dialect, column["name"]),
                    _spelled(column["type"], dialect),
                    is_nullable=bool(column["nullable"]),
                    comparison=comparison_of(type_, dialect.name),
                    policy=self._database.on_unrepresentable,
                )
            )
        views = {view.name for view in _views(inspector, table.schema)}
        key = (
            ()
            if table.name in views
            else inspector.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]
        )
        indexes = [] if table.name in views else inspector.get_indexes(table.name, schema=table.schema)
        leading = [index["column_names"][0] for index in indexes if index["column_names"] and index["column_names"][0]]
        return TableSchema(
            PhysicalTable(table.schema, _stored(dialect, table.name)),
            tuple(columns),
            key=tuple(_stored(dialect, name) for name in key),
            indexed=frozenset(_stored(dialect, name) for name in leading),
            is_view=table.name in views,
        )

    def statistics(self, tables: Sequence[TableSchema]) -> Sequence[TableStatistics | None]:
        """Nothing: there is no question that every database would answer."""
        return [None] * len(tables)

    def open(self, timeout: float | None = None) -> AlchemySession:
        """A session in one transaction, a snapshot where the database has them."""
        with self.translated():
            connection = self.engine.connect()
            with unless_done(connection.close), unless_done(connection.invalidate):
                _begin(connection)
        return AlchemySession(self, connection, timeout)

    @contextmanager
    def translated(self, sql: str | None = None) -> Iterator[None]:
        """SQLAlchemy's errors as fedq's own, by their class."""
        try:
            yield
        except exc.TimeoutError as error:
            message = f"database {self.name!r}: all its connections are in use"
            raise ConnectionFailed(
                message, hint="Close results, or raise max_connections.", database=self.name
            ) from error
        except exc.SQLAlchemyError as error:
            raise self._explained(error, sql) from self.shown(error)
        except ImportError as error:
            if isinstance(error, DriverMissing):
                raise
            raise self._missing(error) from error

    def _missing(self, error: BaseException) -> DriverMissing:
        scheme = self._database.url.partition("://")[0]
        message = f"database {self.name!r}: the package that speaks {scheme}:// is not installed"
        module = getattr(error, "name", None)
        hint = f"Install the package that has {module}." if module else "Install the package of SQLAlchemy's dialect."
        return DriverMissing(message, hint=hint, database=self.name)

    def _explained(self, error: exc.SQLAlchemyError, sql: str | None) -> FedqError:
        said = "the driver's message holds a secret"
        if self.shown(error) is not None:
            said = str(getattr(error, "orig", None) or error).strip()
        message = f"database {self.name!r}: {said}"
        if isinstance(error, exc.DBAPIError) and error.connection_invalidated and sql is not None:
            return ConnectionLost(message, hint="Run the query again.", database=self.name)
        if isinstance(error, exc.DBAPIError) and sql is None:
            hint = "Check that it runs, and its URL, user and password."
            return ConnectionFailed(message, hint=hint, database=self.name)
        return DatabaseError(message, database=self.name, statement=sql)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


def _names(inspector: Inspector, schema: str | None) -> list[PhysicalTable]:
    tables = [PhysicalTable(schema, name) for name in inspector.get_table_names(schema=schema)]
    return tables + _views(inspector, schema)


def _views(inspector: Inspector, schema: str | None) -> list[PhysicalTable]:
    try:
        return [PhysicalTable(schema, name) for name in inspector.get_view_names(schema=schema)]
    except NotImplementedError:
        return []


def _stored(dialect: Any, name: str) -> str:
    """A reflected name as it is stored: Oracle's SQLAlchemy shows NAME as name."""
    return str(dialect.denormalize_name(name)) if getattr(dialect, "requires_name_normalize", False) else str(name)


def _spelled(type_: Any, dialect: Any) -> str:
    try:
        return str(type_.compile(dialect=dialect))
    except exc.SQLAlchemyError:
        return type(type_).__name__


def _begin(connection: sa.Connection) -> None:
    """Start a transaction that sees one snapshot, as far as the database can be asked for one."""
    name = connection.dialect.name
    if name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # pysqlite begins for writes only
    elif name in ("postgresql", "cockroachdb", "mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
    elif name == "oracle":
        connection.execution_options(isolation_level="SERIALIZABLE")
    if name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SELECT 1")  # the first query is what fixes the snapshot


class AlchemySession:
    """One connection, one transaction, always rolled back."""

    position: str | None = None
    most_bytes: int | None = None
    snapshot_at: float | None = None

    def __init__(self, source: AlchemySource, connection: sa.Connection, timeout: float | None) -> None:
        self._source, self._connection = source, connection
        self._stopper = Stopper(source.name, timeout, lambda: stop_driver(connection))
        self.received = 0

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows as record batches of `schema_of(select.outputs)`."""
        outputs = ", ".join(self._said(output) for output in select.outputs) or "NULL"
        distinct = "DISTINCT " if select.is_distinct else ""
        sql = _requoted(f"SELECT {distinct}{outputs} {select.tail}", self._connection.dialect)
        yield from self._rows(sql, lambda fetch, names: batches(fetch, select.outputs, self._refused))

    def _said(self, output: Output) -> str:
        """JSON is read as its text: drivers parse it, and lose keys that are there twice and digits."""
        if output.type.family != "json":
            return output.sql
        cast = sa.cast(sa.literal_column(output.sql.replace(":", "\\:")), sa.Text)
        return str(cast.compile(dialect=self._connection.dialect))

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one query in the database's own dialect. Raises: NotAllowed for anything that writes."""
        _check_reading(sql, self._source.name)

        def _report(output: Output, value: Any, reason: str) -> ValueNotRepresentable:
            return refused(self._source.name, output, value, reason, is_native=True)

        yield from self._rows(sql, lambda fetch, names: inferred_batches(fetch, names, _report))

    def _rows(self, sql: str, make: Callable[..., Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        # no_parameters: a % in the text is a %
        options = {"stream_results": True, "no_parameters": True}
        result = self._guarded(lambda: self._connection.exec_driver_sql(sql, execution_options=options), sql)
        try:
            if not result.returns_rows:
                raise DatabaseError(f"database {self._source.name!r}: the statement returns no rows", statement=sql)

            def _fetch(size: int) -> Sequence[Sequence[Any]]:
                return self._guarded(lambda: result.fetchmany(size), sql)

            for batch in make(_fetch, list(result.keys())):
                self.received += batch.nbytes
                yield batch
        finally:
            if not self._connection.closed and not self._connection.invalidated:
                result.close()

    def _refused(self, output: Output, value: Any, reason: str) -> ValueNotRepresentable:
        return refused(self._source.name, output, value, reason)

    def _guarded(self, work: Callable[[], Answer], sql: str) -> Answer:
        try:
            with self._stopper.running(), self._source.translated(sql):
                return work()
        except FedqError as error:
            if self._stopper.has_stopped:
                raise self._stopper.error() from error
            raise

    def cancel(self) -> None:
        """Stop the running statement as far as the driver can; from any thread, idempotent."""
        self._stopper.cancel()

    def close(self) -> None:
        """Roll back and give the connection back; after a stop it is thrown away."""
        if self._stopper.close():
            with self._source.translated():
                if self._stopper.has_stopped:
                    self._connection.invalidate()
                self._connection.close()


def stop_driver(connection: sa.Connection) -> None:
    """Stop the statement that runs as far as the driver can; from any thread."""
    driver: Any = connection.connection.driver_connection
    for name in ("interrupt", "cancel_safe", "cancel", "close"):
        if (stop := getattr(driver, name, None)) is not None:
            with suppress(connection.dialect.loaded_dbapi.Error):  # the statement may have ended by itself
                stop()
            return


def _requoted(sql: str, dialect: Any) -> str:
    """The statement with its "names" in the quotes of a database that has others."""
    preparer = dialect.identifier_preparer
    if preparer.initial_quote == '"':
        return sql

    def _quoted(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name is None else str(preparer.quote_identifier(name.replace('""', '"')))

    return _QUOTED.sub(_quoted, sql)


def _check_reading(sql: str, name: str) -> None:
    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    tokens = [token.text.upper() for token in tokenize(sql) if token.token_type not in quoted]
    while tokens and tokens[-1] == ";":
        tokens.pop()
    if not tokens or tokens[0] not in _READING or ";" in tokens or _WRITING & set(tokens):
        message = f"database {name!r}: only one query that reads may be sent to it here"
        raise NotAllowed(message, hint="Use execute() to write.", database=name, statement=sql)
