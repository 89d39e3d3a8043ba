"""The answer of a query: rows that stay in Arrow until asked for, and where they came from."""

from __future__ import annotations

import codecs
import copy
import io
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, SupportsIndex, get_args, overload

from fedq.errors import FedqWarning, ParameterError, ResultError
from fedq.result import convert, draw, files, html
from fedq.result.convert import Unrepresentable
from fedq.result.rows import Row, RowNotFound, find_column, row_type, unique_names
from fedq.result.sources import SourceRead, skew
from fedq.result.values import Cells, python_values
from fedq.types import Type

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_CHUNK = 10_000
Form = Literal["result", "pandas", "polars", "arrow", "relation", "dicts"]


class Column(Sequence[Any]):
    """One column of a result: a list of Python values, made when asked for, equal to a list of the same values."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    @property
    def name(self) -> str:
        """The column's name."""
        return self._cells.name

    @property
    def type(self) -> Type:
        """Its SQL type."""
        return self._cells.type

    def __len__(self) -> int:
        return len(self._cells.values)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), _CHUNK):
            yield from python_values(self._cells.piece(start, _CHUNK))

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return self.to_pylist()[index]
        return python_values(self._cells.piece(_position(index, len(self)), 1))[0]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str | bytes):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(repr(value) for value in python_values(self._cells.piece(0, 10)))
        return f"Column({self.name!r}, {self.type}, [{shown}{', …' if len(self) > 10 else ''}])"

    def to_pylist(self) -> list[Any]:
        """All values as Python objects."""
        return python_values(self._cells)

    tolist = to_list = to_pylist  # the names numpy, pandas and polars give it

    def to_arrow(self) -> pa.ChunkedArray:
        """The Arrow column itself."""
        return self._cells.values

    def to_pandas(self, *, on_unrepresentable: Unrepresentable = "error") -> pd.Series[Any]:
        """A pandas Series, exact as `Result.to_pandas` is."""
        return convert.to_pandas([self._cells], on_unrepresentable)[self.name]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._cells.values.__arrow_c_stream__(requested_schema)


class Result:
    """The rows of a query, and where they came from.

    >>> r = Result.from_rows([("id", Type("BIGINT")), ("name", Type("VARCHAR"))], [(1, "Ann"), (2, None)])
    >>> len(r), r[0].name, r["id"].to_pylist(), r.rows()
    (2, 'Ann', [1, 2], [(1, 'Ann'), (2, None)])
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        types: Sequence[Type],
        sql: str = "",
        sources: Sequence[SourceRead] = (),
        plan: object | None = None,
        warnings: Sequence[Warning] = (),
        elapsed: float = 0.0,
        catalog_file: str | None = None,
    ) -> None:
        if len(types) != table.num_columns:
            raise ValueError(f"{len(types)} types for {table.num_columns} columns")
        self._table = table
        self._types = tuple(types)
        self._sql, self._plan, self._elapsed, self._catalog_file = sql, plan, elapsed, catalog_file
        self._sources, self._warnings = tuple(sources), tuple(warnings)
        self._drawn_rows: int | None = None

    @classmethod
    def from_rows(cls, columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]]) -> Result:
        """A result that no database was asked for, such as a list of tables."""
        return cls(convert.from_rows(columns, rows), types=[type_ for _, type_ in columns])

    # --- what it is

    @property
    def columns(self) -> list[str]:
        """The columns' names, as the query has them; names may repeat."""
        return list(self._table.column_names)

    @property
    def types(self) -> tuple[Type, ...]:
        """The columns' SQL types."""
        return self._types

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        return self._table.schema

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self), self._table.num_columns

    @property
    def sql(self) -> str:
        """The query as it was written."""
        return self._sql

    # --- where it came from

    @property
    def origins(self) -> set[str]:
        """The names of the databases whose rows are in it."""
        return {read.database for read in self._sources}

    @property
    def sources(self) -> tuple[SourceRead, ...]:
        """One record per statement that was sent to a database."""
        return self._sources

    @property
    def skew(self) -> float:
        """Seconds between the first and the last snapshot that its rows were read in; 0.0 where there was one."""
        return skew(self._sources)

    @property
    def plan(self) -> Any:
        """What ran where; `print(result.plan)`."""
        return self._plan

    @property
    def warnings(self) -> tuple[Warning, ...]:
        """The warnings the query gave."""
        return self._warnings

    @property
    def elapsed(self) -> float:
        """Seconds from the call to the last row."""
        return self._elapsed

    @property
    def catalog_file(self) -> str | None:
        """The file of the catalog it was asked of, when there is one."""
        return self._catalog_file

    def provenance(self) -> dict[str, Any]:
        """Where it came from, as plain data that JSON can hold."""
        return {
            "sql": self._sql,
            "origins": sorted(self.origins),
            "sources": [read.as_dict() for read in self._sources],
            "skew": self.skew,
            "plan": None if self._plan is None else str(self._plan),
            "warnings": [
                {"kind": type(warning).__name__, "code": getattr(warning, "code", None), "text": str(warning)}
                if isinstance(warning, FedqWarning)
                else {"kind": type(warning).__name__, "code": None, "text": str(warning)}
                for warning in self._warnings
            ],
            "elapsed": self._elapsed,
            "catalog": self._catalog_file,
        }

    # --- rows

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __bool__(self) -> bool:
        raise TypeError("a result is neither true nor false; len(result) counts its rows, result.scalar() is its value")

    def __iter__(self) -> Iterator[Row]:
        make = row_type(tuple(self._table.column_names))
        for start in range(0, len(self), _CHUNK):
            for values in self._tuples(start, _CHUNK):
                yield tuple.__new__(make, values)

    @overload
    def __getitem__(self, key: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> list[Row]: ...
    @overload
    def __getitem__(self, key: str) -> Column: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Any:
        if isinstance(key, str):
            return Column(self.cells()[find_column(self._table.column_names, key)])
        if isinstance(key, slice):
            return [self[index] for index in range(*key.indices(len(self)))]
        if not hasattr(key, "__index__"):
            raise ResultError(
                f"a result has rows by number and columns by name, not by {type(key).__name__}",
                hint="Write result[0], result[:10] or result['name'].",
            )
        make = row_type(tuple(self._table.column_names))
        return tuple.__new__(make, self._tuples(_position(key, len(self)), 1)[0])

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows as plain tuples."""
        return self._tuples(0, len(self))

    def first(self) -> Row | None:
        """The first row, or None."""
        return self[0] if len(self) else None

    def one(self) -> Row:
        """The only row.

        Raises:
            ResultError: there is none, or more than one.
        """
        if len(self) != 1:
            raise ResultError(
                f"one() needs a result of one row; this has {len(self):,}",
                hint="Use first(), or narrow the query." if len(self) else "No row fits the query's conditions.",
                rows=len(self),
            )
        return self[0]

    def scalar(self) -> Any:
        """The only value of the only row.

        Raises:
            ResultError: there is not exactly one row of one column.
        """
        if self.shape != (1, 1):
            raise ResultError(
                f"scalar() needs one row of one column; this has {len(self):,} × {self._table.num_columns}",
                hint="Use one(), first() or result['column'].",
                rows=len(self),
            )
        return self[0][0]

    def cells(self) -> list[Cells]:
        """The columns with their SQL types."""
        return [
            Cells(name, type_, values)
            for name, type_, values in zip(self._table.column_names, self._types, self._table.columns, strict=True)
        ]

    def _tuples(self, start: int, length: int) -> list[tuple[Any, ...]]:
        pieces = [cells.piece(start, length) for cells in self.cells()]
        return list(zip(*map(python_values, pieces), strict=True))

    # --- other forms

    def to(self, form: Form) -> Any:
        """The result in another form, by name: result, pandas, polars, arrow, relation or dicts.

        Raises:
            ParameterError: there is no such form.
        """
        if form not in get_args(Form):
            raise ParameterError(f"a result has no form {form!r}", hint=f"It has {', '.join(get_args(Form))}.")
        if form == "result":
            return self
        return getattr(self, f"to_{form}")()

    def to_arrow(self) -> pa.Table:
        """The rows as they are held: a pyarrow table, no copy."""
        return self._table

    def to_pandas(self, *, on_unrepresentable: Unrepresentable = "error") -> pd.DataFrame:
        """A DataFrame with exact columns; `df.attrs["fedq"]` says where it came from, as plain data.

        Integers stay integers (`Int64` where there are NULLs), decimals, dates and times are Arrow-backed. What pandas
        cannot hold (an infinite date) is an error, or with `on_unrepresentable` NULL, or the column as text.

        Raises:
            ValueNotRepresentable: a value that pandas cannot hold.
        """
        frame = convert.to_pandas(self.cells(), on_unrepresentable)
        frame.attrs["fedq"] = self.provenance()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame.

        Raises:
            DriverMissing: polars is not installed.
        """
        return convert.to_polars(self.cells())

    def to_dicts(self) -> list[dict[str, Any]]:
        """A list of one dict per row; repeated names become `a`, `a_1`."""
        names = unique_names(self._table.column_names)
        return [dict(zip(names, row, strict=True)) for row in self.rows()]

    def to_relation(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """A DuckDB relation over the same memory, on `connection` or DuckDB's default one."""
        return convert.to_relation(self.cells(), connection)

    def to_parquet(self, path: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write a Parquet file, whole or not at all; or into a binary stream."""
        _check_target(path)
        convert.write_parquet(self.cells(), path)

    def to_csv(self, path: str | os.PathLike[str] | files.Writable | IO[bytes] | None = None) -> str | None:
        """Write CSV (UTF-8, a header, NULL as an empty field, the empty text as `""`); without a path, return it."""
        return _written(path, lambda out: files.write_csv(self.cells(), out))

    def to_json(
        self, path: str | os.PathLike[str] | files.Writable | IO[bytes] | None = None, *, lines: bool = False
    ) -> str | None:
        """Write a JSON array of objects, or with `lines` one object per line; without a path, return it."""
        return _written(path, lambda out: files.write_json(self.cells(), out, is_lines=lines))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    # --- drawing

    @property
    def drawn_rows(self) -> int | None:
        """How many rows are drawn; None is the general option."""
        return self._drawn_rows

    def drawn(self, rows: int) -> Result:
        """The same result, drawing that many rows."""
        other = copy.copy(self)
        other._drawn_rows = rows
        return other

    def __repr__(self) -> str:
        return draw.draw_text(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": draw.draw_text(self), "text/html": html.draw_html(self)}

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns


def _position(index: SupportsIndex, length: int) -> int:
    number = operator.index(index)
    if not -length <= number < length:
        raise RowNotFound(f"there is no row {number}; the result has {length:,}", hint="Rows count from 0.", row=number)
    return number % length


def _check_target(path: object) -> None:
    """Refuse what can neither be opened nor written to. Raises: ParameterError."""
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "write"):
        message = f"a file is a path, or something to write to, not {type(path).__name__}"
        raise ParameterError(message, hint='Write the path as a text, such as "rows.csv".')


def _written(
    path: str | os.PathLike[str] | files.Writable | IO[bytes] | None, write: Callable[[files.Writable], None]
) -> str | None:
    """Give `write` somewhere to write: a string to return, a stream, or a file that appears whole."""
    if path is None:
        text = io.StringIO()
        write(text)
        return text.getvalue()
    if isinstance(path, str | os.PathLike):
        with convert.replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123
            write(out)
        return None
    _check_target(path)
    is_binary = isinstance(path, io.RawIOBase | io.BufferedIOBase)
    write(codecs.getwriter("utf-8")(path) if is_binary else path)  # type: ignore[arg-type]
    return None
