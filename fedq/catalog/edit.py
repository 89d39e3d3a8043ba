"""Re-assigns a table in the catalog file by editing one line: comments, order and formatting stay.

    users    = "accounts"      # the people        →    users    = "archive"      # the people
    invoices = { database = "billing", key = "id" }  →  invoices = { database = "archive", key = "id" }

The text is edited at the offsets that `toml_lines` gives, and the file is replaced only when reading the new text shows
that exactly this assignment changed. A writer of TOML that keeps comments (tomlkit) would be one more required package
for one line.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from pathlib import Path as FilePath
from typing import Any

from fedq.catalog.document import PYPROJECT
from fedq.catalog.suggest import nearest
from fedq.catalog.toml_lines import Entry, Layout, Path, Section, dotted, quoted, scan, string
from fedq.errors import CatalogError

_BOM = "\ufeff"
_KEY_PART = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'[^']*'|[A-Za-z0-9_-]+")


def save_assignment(file: FilePath, table: str, database: str, *, profile: str | None = None) -> None:
    """Write into the catalog `file` that `table` (or a pattern) lives in `database`; the rest of its entry stays.

    A table that has no entry gets one: at the end of `[tables]`, a pattern before the other patterns, so that it wins
    over them. With `profile`, an entry of `[profiles.NAME.tables]` is edited where there is one.

    Raises: CatalogError when the file cannot be read or written, has no such database, or has the table in shards; it
    is then unchanged.
    """
    file = FilePath(os.path.realpath(file))  # a link stays a link
    try:
        before = file.read_bytes()
        text = before.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _failed(
            file, f"the catalog cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    edited = assigned(text, table, database, file=file, profile=profile)
    if edited != text:
        _replace(file, before, (mark + edited).encode("utf-8"))


def assigned(text: str, table: str, database: str, *, file: FilePath, profile: str | None = None) -> str:
    """The text of a catalog with `table` assigned to `database`. `file` names it in errors and tells a pyproject.

    Raises: CatalogError.
    """
    data, layout = _parsed(file, text)
    root: Path = ("tool", "fedq") if file.name == PYPROJECT else ()
    catalog = _at(data, root)
    _check_database(file, catalog, database)
    tables: Path = (*root, "tables")
    own = (*root, "profiles", profile, "tables") if profile else None
    if own is not None and _spelled(_at(data, own), table) is not None:
        tables = own
    if not isinstance(_at(data, tables), dict):
        raise _failed(file, "it must be a table", key=tables, hint="`fedq check` says what else is wrong.")
    spelled = _spelled(_at(data, tables), table)
    if spelled is None:
        path: Path = (*tables, table)
        edited, value = _inserted(text, layout, tables, table, database), database
    else:
        path, value = _target(file, data, (*tables, spelled), database)
        edited = _replaced(text, layout.entries[path], value)
    _verify(file, data, edited, path, value)
    return edited


def _failed(file: FilePath, what: str, *, key: Path = (), hint: str | None = None, **facts: Any) -> CatalogError:
    line = facts.pop("line", None)
    place = f"{file}{f':{line}' if line else ''}{f' [{dotted(key)}]' if key else ''}"
    return CatalogError(f"{place}: {what}", hint=hint, file=str(file), line=line, key=dotted(key) or None, **facts)


def _parsed(file: FilePath, text: str) -> tuple[dict[str, Any], Layout]:
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        data = None
    if data is None:  # not chained: newer Pythons hang the whole text on the error, with any password in it
        raise _failed(file, "it is not valid TOML, so it was not edited", hint="`fedq check` says where.")
    return data, scan(text)


def _at(data: Any, path: Path) -> Any:
    for key in path:
        data = data.get(key, {}) if isinstance(data, dict) else {}
    return data


def _spelled(tables: Any, table: str) -> str | None:
    """The key of the table's entry, which may differ in case."""
    keys = list(tables) if isinstance(tables, dict) else []
    return table if table in keys else next((key for key in keys if key.casefold() == table.casefold()), None)


def _check_database(file: FilePath, catalog: Any, database: str) -> None:
    profiles = _at(catalog, ("profiles",))
    overlays = profiles.values() if isinstance(profiles, dict) else ()
    known = [name for part in (catalog, *overlays) for name in _at(part, ("databases",))]
    if database in known:
        return
    suggestion = nearest(database, known)
    message = f"it has no database {database!r}, so nothing can be assigned to it"
    raise _failed(
        file,
        message + (f"; did you mean {suggestion!r}?" if suggestion else ""),
        key=("databases",),
        hint=f"Write [databases.{quoted(database)}] into the file first.",
        suggestion=suggestion,
    )


def _target(file: FilePath, data: Any, path: Path, database: str) -> tuple[Path, str]:
    """The value to edit for an entry that is there, and its new text: `old.schema.users` → `new.schema.users`."""
    entry = _at(data, path)
    if isinstance(entry, str):
        _, dot, rest = entry.partition(".")
        return path, database + dot + rest
    for key in ("database", "db"):
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            return (*path, key), database
    is_sharded = isinstance(entry, dict) and "shards" in entry
    what = (
        "its rows live in shards; assigning it to one database is a move" if is_sharded else "its entry has no database"
    )
    raise _failed(file, what, key=path)


def _replaced(text: str, entry: Entry, value: str) -> str:
    old = text[entry.value : entry.end]
    is_literal = (
        old.startswith("'") and not old.startswith("'''") and string(value) == f'"{value}"' and "'" not in value
    )
    return text[: entry.value] + (f"'{value}'" if is_literal else string(value)) + text[entry.end :]


def _inserted(text: str, layout: Layout, tables: Path, table: str, database: str) -> str:
    """The text with a new line, in the way that the file writes its `[tables]`."""
    inline = layout.entries.get(tables)
    if inline is not None:
        return _into_inline(text, inline, table, database)
    for section in layout.sections:
        if section.path == tables:
            return _into_section(text, section, section.entries, quoted(table), tables, table, database)
        own = [entry for entry in section.entries if entry.path[: len(tables)] == tables]
        if own and len(section.path) < len(tables):  # tables.users = … under a section above
            parts = _KEY_PART.findall(_key_text(text, own[0]))
            prefix = parts[: len(tables) - len(section.path)]
            return _into_section(text, section, own, ".".join([*prefix, quoted(table)]), tables, table, database)
    return _new_section(text, layout, tables, f"{quoted(table)} = {string(database)}")


def _into_section(
    text: str, section: Section, entries: list[Entry], key: str, tables: Path, table: str, database: str
) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"{key:<{_width(text, entries)}} = {string(database)}"
    pattern = next((entry for entry in entries if _is_pattern(str(entry.path[len(tables)]))), None)
    if pattern is not None and _is_pattern(table):
        start = text.rfind("\n", 0, pattern.start) + 1
        return text[:start] + text[start : pattern.start] + line + newline + text[start:]
    indent = text[text.rfind("\n", 0, entries[-1].start) + 1 : entries[-1].start] if entries else ""
    end = text.find("\n", entries[-1].end if entries else section.body)
    if end < 0:
        return f"{text}{newline}{indent}{line}{newline}"
    return text[: end + 1] + indent + line + newline + text[end + 1 :]


def _key_text(text: str, entry: Entry) -> str:
    return text[entry.start : entry.value].rstrip().removesuffix("=")


def _width(text: str, entries: list[Entry]) -> int:
    """How wide the keys are padded, when the `=` of all lines stand below each other."""
    widths = {
        len(_key_text(text, entry).removesuffix(" ")) for entry in entries if _key_text(text, entry).endswith(" ")
    }
    return widths.pop() if len(widths) == 1 else 0


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _into_inline(text: str, inline: Entry, table: str, database: str) -> str:
    pair = f"{quoted(table)} = {string(database)}"
    inside = text[inline.value + 1 : inline.end - 1]
    if not inside.strip():
        return text[: inline.value] + "{ " + pair + " }" + text[inline.end :]
    if _is_pattern(table):
        return text[: inline.value + 1] + " " + pair + "," + text[inline.value + 1 :]
    kept = inside.rstrip()
    blank = inside[len(kept) :]
    return (
        text[: inline.value + 1]
        + kept
        + ("" if kept.endswith(",") else ",")
        + " "
        + pair
        + blank
        + text[inline.end - 1 :]
    )


def _new_section(text: str, layout: Layout, tables: Path, line: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    block = f"[{dotted(tables)}]{newline}{line}{newline}"
    below = next((section for section in layout.sections if section.path[: len(tables)] == tables), None)
    if below is not None:  # [tables.users]: its super-table goes before it
        return text[: below.start] + block + newline + text[below.start :]
    if text and not text.endswith("\n"):
        text += newline
    return text + (newline if text.strip() else "") + block


def _verify(file: FilePath, before: dict[str, Any], edited: str, path: Path, value: str) -> None:
    import tomllib

    expected = copy.deepcopy(before)
    inner: Any = expected
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    try:
        is_right = _sorted(tomllib.loads(edited)) == _sorted(expected)
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise _failed(
            file,
            "this assignment cannot be written without changing something else",
            key=path,
            hint="Write it with an editor.",
        )


def _sorted(value: Any) -> str:
    """A value as text, to compare by: NaN is not equal to itself, and 1 is equal to true."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_sorted(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted, value)) + "]"
    return repr(value)


def _replace(file: FilePath, before: bytes, after: bytes) -> None:
    """Put `after` in the place of `before` in one step: a reader sees the old file or the new one."""
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        temporary = FilePath(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(after)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(file.stat().st_mode & 0o7777)
            if file.read_bytes() != before:
                raise _failed(file, "somebody else has changed it just now; nothing was written", hint="Try again.")
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(
            file, f"the catalog cannot be written: {error.strerror}", hint="Check its permissions."
        ) from error
