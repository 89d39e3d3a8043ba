"""Which files are which table: a pure reading of paths.

lake/orders.parquet, lake/items.csv.gz           → tables orders, items
lake/events/day=2026-01-31/part-0.parquet, …     → one table events, with a column day
a single file                                    → one table, its stem
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: suffix → how DuckDB reads it
FORMATS = {
    ".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_COMPRESSIONS = (".gz", ".zst")
_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_WILDCARDS = re.compile(r"[*?\[]")
#: how Hive writes NULL in a path
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class FileTable:
    """Some files that are one table."""

    name: str
    format: str
    files: tuple[str, ...]
    partitions: tuple[str, ...] = ()
    """Columns that stand in the path, in order."""

    @property
    def stamp(self) -> tuple[object, ...]:
        """What changes when a file is written, added or removed."""
        return tuple(_state(file) for file in self.files)


def _state(file: str) -> tuple[object, ...]:
    try:
        found = Path(file).stat()
    except OSError:
        return (file,)
    return file, found.st_ino, found.st_size, found.st_mtime_ns


def base_of(url: str) -> Path:
    """The folder that everything read lies in.

    >>> base_of("/data/2026/*/x.csv").as_posix(), base_of("/data/x.csv").as_posix()
    ('/data/2026', '/data')
    """
    path = Path(url)
    if path.is_dir():
        return path
    if path.exists() or not is_glob(url):
        return path.parent
    parts = path.parts
    first = next(number for number, part in enumerate(parts) if _WILDCARDS.search(part))
    return Path(*parts[:first])


def is_glob(url: str) -> bool:
    """Whether the text has wildcards."""
    return _WILDCARDS.search(url) is not None


def literal_glob(file: str) -> str:
    """A file's name such that DuckDB finds that file and no other.

    >>> literal_glob("/data/a[1].csv")
    '/data/a[[]1].csv'
    """
    return re.sub(r"[*?\[]", lambda match: f"[{match[0]}]", file)


def tables_of(url: str) -> list[FileTable]:
    """The tables in a file, glob or folder, by name. Files of one stem are one entry each."""
    path = Path(url)
    if path.is_dir():
        files: Iterable[str] = _in_folder(path)
    elif path.is_file():
        files = [str(path)]
    else:
        base = base_of(url)
        found = base.glob(str(path.relative_to(base)))
        files = [str(file) for file in found if file.is_file() and not file.name.startswith((".", "_"))]
    return _grouped(sorted(files))


def _in_folder(folder: Path) -> Iterator[str]:
    """Files directly in it, and all files of hive-partitioned folders in it."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_file():
            yield entry.path
        elif _PARTITION.fullmatch(entry.name) or _is_partitioned(entry.path):
            yield from _below(entry.path)


def _is_partitioned(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.is_dir() and _PARTITION.fullmatch(entry.name) for entry in entries)


def _below(folder: str) -> Iterator[str]:
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith((".", "_"))]
        yield from (str(Path(directory, name)) for name in files if not name.startswith((".", "_")))


def _grouped(files: Sequence[str]) -> list[FileTable]:
    partitioned: dict[tuple[str, str], list[str]] = {}
    tables = []
    for file in files:
        format_ = format_of(file)
        if format_ is None:
            continue
        root = _root(file)
        if root is None:
            tables.append(FileTable(stem_of(file), format_, (file,)))
        else:
            partitioned.setdefault((root, format_), []).append(file)
    for (root, format_), members in partitioned.items():
        columns = tuple(dict.fromkeys(match[1] for file in members for match in _partitions(file, root)))
        tables.append(FileTable(Path(root).name, format_, tuple(members), columns))
    return sorted(tables, key=lambda table: table.name)


def _root(file: str) -> str | None:
    """The folder above the first key=value folder of the path."""
    parts = Path(file).parts
    for number, part in enumerate(parts[:-1]):
        if number and _PARTITION.fullmatch(part):
            return str(Path(*parts[:number]))
    return None


def _partitions(file: str, root: str) -> Iterator[re.Match[str]]:
    for part in Path(file).relative_to(root).parts[:-1]:
        if match := _PARTITION.fullmatch(part):
            yield match


def partition_values(table: FileTable, column: str) -> list[str]:
    """The values of one partition column as text, NULL left out."""
    found = []
    for file in table.files:
        for part in Path(file).parts[:-1]:
            match = _PARTITION.fullmatch(part)
            if match and match[1] == column and match[2] != _NULL:
                found.append(match[2])
    return found


def format_of(file: str) -> str | None:
    """How a file is read, None when fedq does not read it.

    >>> format_of("a.csv.gz"), format_of("a.txt")
    ('csv', None)
    """
    return FORMATS.get(_suffix(file))


def _suffix(file: str) -> str:
    name = Path(file).name.lower()
    for compression in _COMPRESSIONS:
        name = name.removesuffix(compression)
    return Path(name).suffix


def stem_of(file: str) -> str:
    """The table's name.

    >>> stem_of("/data/orders.2026.csv.gz")
    'orders.2026'
    """
    name = Path(file).name
    for suffix in (*_COMPRESSIONS, _suffix(file)):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name
