"""A private DuckDB that reads one database, folder or set of DataFrames, and nothing else.

    Engine ── one instance in memory, fenced: no files but the allowed ones, no extensions
      └── DuckDBSession ── a cursor in one read-only transaction, through which only a SELECT passes

It is not the local engine that joins: user SQL never runs there beside an attached file, and a database that several
queries read keeps one instance. DuckDB reports its errors as JSON here, so that they are told apart by their kind.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fedq import forks
from fedq.dialects.duckdb import DUCKDB
from fedq.errors import (
    ComputeError,
    ConnectionFailed,
    DatabaseError,
    FedqError,
    NotAllowed,
    ReadOnlyError,
)
from fedq.fetch.arrow import arrow_type
from fedq.fetch.duckdb.export import in_common_form
from fedq.fetch.duckdb.values import CASTS, UNFIT, expression, is_own_type
from fedq.fetch.refusal import refused
from fedq.fetch.source import Output, Select
from fedq.fetch.stopper import Stopper
from fedq.types import VARCHAR

_SETTINGS = (
    "errors_as_json = true",
    "TimeZone = 'UTC'",
    "default_null_order = 'NULLS_LAST'",
    "integer_division = false",
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "arrow_lossless_conversion = true",
)
#: kinds of errors that the data makes, and what to do
_COMPUTING = {
    "Conversion": "Use TRY_CAST to turn what does not convert into NULL.",
    "OutofRange": "Cast to a wider type, such as HUGEINT or DOUBLE, before calculating.",
    "OutOfRange": "Cast to a wider type, such as HUGEINT or DOUBLE, before calculating.",
    "OutofMemory": "Ask for fewer columns, or add a condition.",
    "OutOfMemory": "Ask for fewer columns, or add a condition.",
}
_BATCH_ROWS = 65_536
_READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


class Engine:
    """One DuckDB instance, started when it is first needed. Thread-safe."""

    def __init__(self, *, paths: Sequence[Path] = (), folders: Sequence[Path] = ()) -> None:
        self._paths, self._folders = paths, folders
        self._begin()
        forks.tell(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def begin_in_child(self) -> None:
        """A DuckDB does not survive a fork."""
        forks.leave(self._connection)
        self._begin()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection to the instance."""
        with self._lock:
            if self._connection is None:
                self._connection = self._start()
            cursor = self._connection.cursor()
        cursor.execute("SET enable_progress_bar = false")  # it writes to stdout, and can only be set here
        return cursor

    def _start(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        for setting in _SETTINGS:
            connection.execute(f"SET GLOBAL {setting}")  # without GLOBAL, cursors would not have it
        for option, allowed in (("allowed_paths", self._paths), ("allowed_directories", self._folders)):
            if allowed:
                connection.execute(f"SET GLOBAL {option} = [{', '.join(text(str(path)) for path in allowed)}]")
        connection.execute("SET GLOBAL enable_external_access = false")
        # a query that switched on a log in a file that it may not open would end the process
        connection.execute("SET GLOBAL allowed_configs = ['enable_progress_bar']")
        connection.execute("SET GLOBAL lock_configuration = true")
        return connection

    def close(self) -> None:
        """Stop the instance."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"


def error_facts(error: BaseException) -> tuple[str, str]:
    """The kind and the message of a DuckDB error; the kind is '' where DuckDB does not say it.

    >>> error_facts(OSError('Conversion Error: {"exception_type":"Out of Range","exception_message":"too large"}'))
    ('OutofRange', 'too large')

    An error in the middle of a stream reaches us through Arrow, as an OSError with DuckDB's text.
    """
    said = str(error)
    kind = type(error).__name__.removesuffix("Exception") if isinstance(error, duckdb.Error) else ""
    start = said.find('{"exception_type"')
    if start < 0:
        return kind, said
    try:
        facts, _ = json.JSONDecoder().raw_decode(said, start)
    except ValueError:
        return kind, said
    return str(facts.get("exception_type", kind)).replace(" ", ""), str(facts.get("exception_message", said))


class DuckDBSession:
    """One cursor, one transaction; `done` is called once when it is over."""

    position: str | None = None
    most_bytes: int | None = None
    snapshot_at: float | None = None

    def __init__(
        self, name: str, cursor: duckdb.DuckDBPyConnection, *, timeout: float | None, done: Callable[[], None]
    ) -> None:
        self._name, self._cursor, self._done = name, cursor, done
        self._stopper = Stopper(name, timeout, cursor.interrupt)
        self.received = 0

    def read(self, select: Select) -> Iterator[pa.RecordBatch]:
        """Yield the rows; a type fedq does not know travels in DuckDB's own Arrow form, which it reads back exactly."""
        # without names of their own: ORDER BY "c0" would mean the output of that name, not the column
        said = [expression(output, number) for number, output in enumerate(select.outputs)]
        distinct = "DISTINCT " if select.is_distinct else ""
        sql = f"SELECT {distinct}{', '.join(said) or 'NULL'} {select.tail}"
        reader = self._run(sql, select.outputs)
        schema = _schema(reader.schema, select.outputs)
        is_empty = True
        for batch in self._batches(reader, sql, select.outputs):
            is_empty = False
            yield _typed(batch, schema, select.outputs)
        if is_empty:
            yield pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)

    def native(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one SELECT; what travels as text does so here too.

        Raises: ReadOnlyError for any other statement.
        """
        statements = self._guarded(lambda: self._cursor.extract_statements(sql), sql)
        if len(statements) != 1 or statements[0].type not in _READS:
            message = f"database {self._name!r}: only one SELECT may be sent to it here"
            raise ReadOnlyError(message, hint="Use execute() to write.", database=self._name, statement=sql)
        reader = self._guarded(lambda: in_common_form(self._plain(sql).to_arrow_reader(_BATCH_ROWS)), sql)
        is_empty = True
        for batch in self._batches(reader, sql):
            is_empty = False
            yield batch
        if is_empty:
            yield pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in reader.schema], schema=reader.schema)

    def _plain(self, sql: str) -> duckdb.DuckDBPyRelation:
        """The statement's rows with columns of types that only DuckDB has an Arrow form for cast to what fedq reads."""
        relation = self._cursor.sql(sql)
        types = [str(type_) for type_ in relation.types]
        if not any(type_ in CASTS for type_ in types):
            return relation
        names = [DUCKDB.quote(name) for name in relation.columns]
        outputs = [
            f"CAST(#{number} AS {CASTS[type_]}) AS {name}" if type_ in CASTS else f"#{number} AS {name}"
            for number, (type_, name) in enumerate(zip(types, names, strict=True), 1)
        ]
        return relation.project(", ".join(outputs))

    def _run(self, sql: str, outputs: Sequence[Output] = ()) -> pa.RecordBatchReader:
        return self._guarded(lambda: self._cursor.sql(sql).to_arrow_reader(_BATCH_ROWS), sql, outputs)

    def _batches(
        self, reader: pa.RecordBatchReader, sql: str, outputs: Sequence[Output] = ()
    ) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := self._guarded(lambda: next(reader, None), sql, outputs)) is not None:
                self.received += batch.nbytes
                yield batch
        finally:
            reader.close()

    def _guarded(self, work: Callable[[], Any], sql: str, outputs: Sequence[Output] = ()) -> Any:
        """What `work` returns; DuckDB's error as fedq's own, and a stop where the session was stopped."""
        try:
            with self._stopper.running():
                return work()
        except (duckdb.Error, OSError, pa.ArrowException, RuntimeError) as error:
            raise self._explained(error, sql, outputs) from error

    def _explained(self, error: BaseException, sql: str, outputs: Sequence[Output]) -> BaseException:
        if self._stopper.has_stopped:
            return self._stopper.error()
        kind, said = error_facts(error)
        if (match := UNFIT.fullmatch(said)) is not None:
            output = _output(match["column"], outputs)
            return refused(self._name, output, match["value"], match["reason"], is_shown=True)
        return explained(self._name, kind, said, sql)

    def cancel(self) -> None:
        """Stop the running statement; from any thread, idempotent."""
        self._stopper.cancel()

    def close(self) -> None:
        """End the transaction and the cursor."""
        if self._stopper.close():
            try:
                self._cursor.close()
            finally:
                self._done()


def explained(name: str, kind: str, said: str, sql: str | None) -> FedqError:
    """An error of DuckDB's as one of fedq's, by its kind."""
    message = f"database {name!r}: DuckDB says: {said}"
    if kind == "Permission":
        return NotAllowed(message, hint="Only this database is read here.", database=name, statement=sql)
    if kind in _COMPUTING:
        return ComputeError(message, hint=_COMPUTING[kind], database=name, statement=sql, kind=kind)
    if kind == "IO":
        hint = "A file is missing, was changed while it was read, or is damaged."
        return DatabaseError(message, hint=hint, database=name, statement=sql, kind=kind)
    return DatabaseError(message, database=name, statement=sql, kind=kind)


def refused_file(name: str, path: Path, error: BaseException) -> ConnectionFailed:
    """Why a DuckDB file could not be opened."""
    kind, said = error_facts(error)
    where = f"database {name!r}"
    if not path.exists():
        hint = "Check the path in the catalog; relative paths are relative to the catalog's folder."
        return ConnectionFailed(f"{where}: there is no file {path}", hint=hint, database=name, path=str(path))
    hint = "Check that it is a DuckDB file of this DuckDB's version."
    if kind in ("ResourceInUse", "Binder", "Connection"):
        hint = "This process has it open for writing: close that connection, or read its tables as DataFrames."
    elif kind == "IO":
        hint = "If another process has it open for writing, close it there: a DuckDB file has no readers beside one."
    return ConnectionFailed(f"{where}: {path} cannot be opened: {said}", hint=hint, database=name, path=str(path))


def _output(said: str, outputs: Sequence[Output]) -> Output:
    """The output that an error names, by number or by the quoted name of its column."""
    if said.isdigit():
        return outputs[int(said)]
    name = said[1:-1].replace('""', '"')
    named = (output for output in outputs if output.column is not None and output.column.physical == name)
    return next(named, Output(said, name, VARCHAR))


def _schema(found: pa.Schema, outputs: Sequence[Output]) -> pa.Schema:
    """What a read yields: fedq's Arrow types, and DuckDB's own where fedq has none."""
    types = [
        field.type if is_own_type(output.type) else arrow_type(output.type)
        for field, output in zip(found, outputs, strict=False)
    ]
    return pa.schema([pa.field(output.name, type_) for output, type_ in zip(outputs, types, strict=True)])


def _typed(batch: pa.RecordBatch, schema: pa.Schema, outputs: Sequence[Output]) -> pa.RecordBatch:
    if not outputs:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * batch.num_rows, pa.struct([])))
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
