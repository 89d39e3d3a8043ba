"""The view that makes typed columns of a table's files, per format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from fedq.dialects.duckdb import DUCKDB
from fedq.fetch.duckdb.engine import text
from fedq.fetch.duckdb.values import unfit
from fedq.fetch.files.layout import FileTable, literal_glob, partition_values
from fedq.fetch.files.types import candidates, fits

#: bytes of text up to which every value is looked at before the first read: some seconds
_CHECKED = 512_000_000
_EMPTY = "(empty)"
_DEFAULT_QUOTE = '"'
_DELIMITERS = ",;|\t"
#: types that JSON writes as strings, whose form therefore has to be checked
_JSON_CHECKED = ("DOUBLE", "HUGEINT", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME")


class NoTable(Exception):
    """What a file holds is no table, though DuckDB makes one of it; its text says why."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class View:
    """A SELECT over a table's files."""

    sql: str
    rows: float | None
    """How many rows there are, when that became known."""


@dataclass(frozen=True, slots=True)
class _TextColumn:
    """A column that is text in the file."""

    name: str
    sql: str
    """Its text."""
    candidates: Sequence[str]
    is_json: bool = False

    def fits(self, type_: str) -> str:
        """A condition: its text is a value of the type."""
        return fits(self.sql, type_, is_json=self.is_json)


def view_of(cursor: duckdb.DuckDBPyConnection, table: FileTable) -> View:
    """The view over a table's files as they are now. Raises: duckdb.Error, NoTable."""
    if table.format == "parquet":
        return _parquet(cursor, table)
    return _csv(cursor, table) if table.format == "csv" else _json(cursor, table)


def _files(table: FileTable) -> str:
    return "[" + ", ".join(text(literal_glob(file)) for file in table.files) + "]"


def _options(**options: str) -> str:
    return "".join(f", {name} = {value}" for name, value in options.items())


def _hive(table: FileTable) -> str:
    """Partition columns with types that do not change their text: DuckDB would make 7 of 007."""
    if not table.partitions:
        return _options(hive_partitioning="false")
    types = {}
    for column in table.partitions:
        values = partition_values(table, column)
        is_number = all(value.isascii() and value.isdigit() and str(int(value)) == value for value in values)
        types[column] = "BIGINT" if values and is_number and max(map(len, values)) < 19 else "VARCHAR"
    said = ", ".join(f"{text(name)}: {type_}" for name, type_ in types.items())
    return _options(hive_partitioning="true", hive_types=f"{{{said}}}")


def _parquet(cursor: duckdb.DuckDBPyConnection, table: FileTable) -> View:
    together = _options(union_by_name="true") if len(table.files) > 1 else ""
    source = f"read_parquet({_files(table)}{together}{_hive(table)})"
    (rows,) = _row(cursor, f"SELECT sum(num_rows) FROM parquet_file_metadata({_files(table)})")
    return View(f"SELECT * FROM {source}", float(rows or 0))


def _csv(cursor: duckdb.DuckDBPyConnection, table: FileTable) -> View:
    """All columns as text, empty fields as NULL and quoted empty ones as '', then cast.

    The sniffer may choose delimiter, quotes and header; it may not skip lines, which it does with what it takes for
    comments or a preamble. Quotes that it sees none of may still come later.
    """
    delimiter, quote, escape, has_header, sniffed = _row(
        cursor,
        "SELECT Delimiter, Quote, Escape, HasHeader, Columns "
        f"FROM sniff_csv($1, hive_partitioning = false, skip = 0, comment = ''{_delimiter(table)})",
        literal_glob(table.files[0]),
    )
    quote = _DEFAULT_QUOTE if quote == _EMPTY else quote
    options = _options(
        all_varchar="true", nullstr="''", allow_quoted_nulls="false", header=str(has_header).lower(), skip="0",
        comment="''", delim=text(delimiter), quote=text(quote), escape=text(quote if escape == _EMPTY else escape),
    )  # fmt: skip
    together = _options(union_by_name="true") if len(table.files) > 1 and has_header else ""
    source = f"read_csv({_files(table)}{options}{together}{_hive(table)})"
    guesses = {column["name"]: column["type"] for column in sniffed}
    if len(guesses) == 1 and any(character in next(iter(guesses)) for character in _DELIMITERS):
        hint = "Mend the lines, or put a header with commas in it into quotes."
        raise NoTable(f"{table.files[0]}: its lines have different numbers of fields", hint)
    columns = [
        _TextColumn(name, DUCKDB.quote(name), () if name in table.partitions else candidates(guesses.get(name, "")))
        for name, *_ in cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    ]
    return _typed(cursor, table, source, columns)


def _delimiter(table: FileTable) -> str:
    is_tabbed = all(".tsv" in Path(file).suffixes for file in table.files)
    return _options(delim=text("\t")) if is_tabbed else ""


def _json(cursor: duckdb.DuckDBPyConnection, table: FileTable) -> View:
    """Numbers and strings whose type was guessed are read as JSON text and cast; the rest as DuckDB reads it."""
    auto = _options(sample_size="-1", union_by_name="true")
    described = cursor.execute(f"DESCRIBE SELECT * FROM read_json({_files(table)}{auto}{_hive(table)})").fetchall()
    guesses = {name: type_ for name, type_, *_ in described if name not in table.partitions}
    if list(guesses) == ["json"]:  # not objects but bare values
        return View(f"SELECT * FROM read_json({_files(table)}{auto}{_hive(table)})", None)
    _check_keys(cursor, table, guesses)
    read_as = {name: _json_type(type_) for name, type_ in guesses.items()}
    said = ", ".join(f"{text(name)}: {text(type_)}" for name, type_ in read_as.items())
    source = f"read_json({_files(table)}{_options(columns=f'{{{said}}}')}{_hive(table)})"
    columns = []
    for name, *_ in described:
        is_guess = name in guesses and guesses[name] in _JSON_CHECKED
        sql = f"({DUCKDB.quote(name)} ->> '$')" if is_guess else DUCKDB.quote(name)
        columns.append(_TextColumn(name, sql, candidates(guesses[name]) if is_guess else (), is_json=True))
    return _typed(cursor, table, source, columns)


def _check_keys(cursor: duckdb.DuckDBPyConnection, table: FileTable, names: Iterable[str]) -> None:
    """Raises: NoTable for objects with A beside a, which DuckDB calls a_1, a key that is not there to be read."""
    known = {name.lower() for name in names}
    if not any(name.rpartition("_")[0].lower() in known and name.rpartition("_")[2].isdigit() for name in names):
        return
    sql = f"SELECT DISTINCT unnest(json_keys(json)) FROM read_json_objects({_files(table)})"
    seen: dict[str, str] = {}
    for (key,) in cursor.execute(sql).fetchall():
        if (other := seen.setdefault(key.lower(), key)) != key:
            message = f"{table.files[0]}: its objects have keys that SQL cannot tell apart: {other!r} and {key!r}"
            raise NoTable(message, "Rename one of them.")


def _json_type(guess: str) -> str:
    if guess == '"NULL"':  # a column of nulls
        return "VARCHAR"
    return "JSON" if guess in _JSON_CHECKED else guess


def _typed(cursor: duckdb.DuckDBPyConnection, table: FileTable, source: str, columns: Sequence[_TextColumn]) -> View:
    """Every column with the first type that all its values fit; in large files, as sniffed, and checked in reading."""
    size = sum(Path(file).stat().st_size * (1 if file.lower().endswith(_PLAIN) else 5) for file in table.files)
    if size > _CHECKED:
        sniffed = {column.name: column.candidates[0] for column in columns if column.candidates}
        outputs = [_guarded(column, sniffed.get(column.name)) for column in columns]
        return View(f"SELECT {', '.join(outputs)} FROM {source}", None)
    chosen, rows = _checked(cursor, source, columns)
    outputs = [_cast(column, chosen.get(column.name)) for column in columns]
    return View(f"SELECT {', '.join(outputs)} FROM {source}", rows)


_PLAIN = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


def _checked(
    cursor: duckdb.DuckDBPyConnection, source: str, columns: Iterable[_TextColumn]
) -> tuple[Mapping[str, str], float]:
    """Type per column, found by looking at every value; one pass, and one more per round of columns that do not fit."""
    open_ = {column.name: (column, list(column.candidates)) for column in columns if column.candidates}
    chosen: dict[str, str] = {}
    rows: float | None = None
    while open_ or rows is None:
        tests = [f"count(*) FILTER (WHERE NOT {column.fits(left[0])})" for column, left in open_.values()]
        count, *misfits = _row(cursor, f"SELECT {', '.join(['count(*)', *tests])} FROM {source}")
        rows = float(count)
        for name, bad in zip(list(open_), misfits, strict=True):
            _, left = open_[name]
            type_ = left.pop(0)
            if bad == 0:
                chosen[name] = type_
            if bad == 0 or not left:
                del open_[name]
    return chosen, rows


def _cast(column: _TextColumn, type_: str | None) -> str:
    name = DUCKDB.quote(column.name)
    if type_ is None:
        return f"{column.sql} AS {name}"
    return f"CAST({column.sql} AS {type_}) AS {name}"


def _guarded(column: _TextColumn, type_: str | None) -> str:
    name = DUCKDB.quote(column.name)
    if type_ is None:
        return f"{column.sql} AS {name}"
    test = f"{column.sql} IS NULL OR {column.fits(type_)}"
    otherwise = unfit(column.name, column.sql, f"the file's first rows have {type_}")
    return f"CASE WHEN {test} THEN CAST({column.sql} AS {type_}) ELSE {otherwise} END AS {name}"


def _row(cursor: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> tuple[Any, ...]:
    row = cursor.execute(sql, list(parameters)).fetchone()
    assert row is not None
    return row
