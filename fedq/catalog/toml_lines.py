"""Where each key of a TOML document stands: `tomllib` gives the values, this gives their lines and offsets.

    [databases.crm]                      ("databases", "crm")         line 1
    options = { sslmode = "require" }    ("databases", "crm", "options", "sslmode")   line 2, offsets of the value

Errors need lines and `edit.py` needs offsets; tomllib has neither. tomlkit has both, but it would be one more required
package and parses about thirty times slower than tomllib. tomllib has already accepted the text when this runs, so this
is a scanner of valid TOML in one pass, not a second parser: it decides nothing. On a text tomllib refuses it raises
ValueError, or finds the key that is there twice.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys from the root; an int is a position in an array."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'")
_LONG = re.compile(r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})' + r"|'''[\s\S]*?'''(?:'{0,2})")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key = value`, or one item of an array."""

    path: Path
    line: int
    """1-based."""
    start: int
    """Offset of the key; of the value, for an array's item."""
    value: int
    """Offset of the value."""
    end: int
    """Offset after the value."""


@dataclass(frozen=True, slots=True)
class Section:
    """A `[header]` or `[[header]]`, or the lines before the first one."""

    path: Path
    line: int
    start: int
    """Offset of the `[`."""
    body: int
    """Offset after the header's `]`."""
    entries: list[Entry] = field(default_factory=list)
    """The lines written directly under it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in one document."""

    entries: dict[Path, Entry]
    """Of every value that is written out, also inside arrays and inline tables."""
    sections: list[Section]
    """In the order of the text; the first is the root's."""
    lines: dict[Path, int]
    """Of every key, also of tables that exist only as part of a dotted key or header."""
    repeats: list[tuple[Path, int, int]]
    """Keys that stand there twice: path, first line, second line. Empty in valid TOML."""


def scan(text: str) -> Layout:
    """The layout of a TOML document.

    >>> layout = scan('[a]\\nb = 1\\nc.d = [2,\\n  3]')
    >>> layout.lines[("a", "b")], layout.lines[("a", "c", "d")], layout.lines[("a", "c", "d", 1)]
    (2, 3, 4)

    Raises: ValueError when the text is not TOML.
    """
    return _Scanner(text).run()


def dotted(path: Path) -> str:
    """A path as it is written in TOML.

    >>> dotted(("tables", "auth_*", "key", 0))
    'tables."auth_*".key[0]'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + quoted(part)
    return text


def quoted(key: str) -> str:
    """A key as TOML writes it: bare where that is allowed.

    >>> quoted("users"), quoted("auth_*")
    ('users', '"auth_*"')
    """
    return key if _BARE_KEY.fullmatch(key) else string(key)


def string(value: str) -> str:
    """A text as a TOML basic string.

    >>> print(string('a "b"\\n'))
    "a \\"b\\"\\n"
    """
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(short.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}") for c in value) + '"'


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._entries: dict[Path, Entry] = {}
        self._lines: dict[Path, int] = {}
        self._repeats: list[tuple[Path, int, int]] = []
        self._headers: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}

    def run(self) -> Layout:
        """Where everything in the text stands."""
        section = Section((), 1, 0, 0)
        sections = [section]
        at = self._skip(_BLANK, 0)
        while at < len(self._text):
            if self._text[at] == "[":
                section, at = self._header(at)
                sections.append(section)
            else:
                entry = self._pair(section.path, at)
                section.entries.append(entry)
                at = entry.end
            at = self._skip(_BLANK, at)
        return Layout(self._entries, sections, self._lines, self._repeats)

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._breaks, at) + 1

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self._text, at)
        return match.end() if match else at

    def _take(self, pattern: re.Pattern[str], at: int) -> re.Match[str]:
        match = pattern.match(self._text, at)
        if match is None:
            raise ValueError(f"not TOML at line {self._line(at)}")
        return match

    def _expect(self, mark: str, at: int) -> int:
        if not self._text.startswith(mark, at):
            raise ValueError(f"not TOML at line {self._line(at)}")
        return at + len(mark)

    def _header(self, at: int) -> tuple[Section, int]:
        mark = "[[" if self._text.startswith("[[", at) else "["
        keys, end = self._keys(at + len(mark))
        end = self._expect("]" * len(mark), end)
        line = self._line(at)
        path: Path = ()
        for position, key in enumerate(keys, 1):
            path = (*path, key)
            self._lines.setdefault(path, line)
            if position == len(keys) and mark == "[[":
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._lines.setdefault(path, line)
        if path in self._headers or path in self._entries:
            first = self._headers.get(path) or self._entries[path].line
            self._repeats.append((path, first, line))
        self._headers.setdefault(path, line)
        self._lines[path] = self._headers[path]
        return Section(path, line, at, end), end

    def _keys(self, at: int) -> tuple[list[str], int]:
        keys: list[str] = []
        while True:
            at = self._skip(_SPACE, at)
            match = _QUOTED.match(self._text, at) or self._take(_BARE, at)
            keys.append(_unquoted(match[0]))
            at = self._skip(_SPACE, match.end())
            if not self._text.startswith(".", at):
                return keys, at
            at += 1

    def _pair(self, base: Path, start: int) -> Entry:
        keys, at = self._keys(start)
        at = self._skip(_SPACE, self._expect("=", at))
        line = self._line(start)
        path = base
        for key in keys:
            path = (*path, key)
            self._lines.setdefault(path, line)
        if path in self._entries or path in self._headers:
            first = self._entries[path].line if path in self._entries else self._headers[path]
            self._repeats.append((path, first, line))
        end = self._value(path, at)
        entry = Entry(path, line, start, at, end)
        self._entries.setdefault(path, entry)
        return entry

    def _value(self, path: Path, at: int) -> int:
        if at >= len(self._text):
            raise ValueError("not TOML: the text ends where a value is due")
        mark = self._text[at]
        if mark in "\"'":
            return (_LONG.match(self._text, at) or self._take(_QUOTED, at)).end()
        if mark == "[":
            return self._array(path, at)
        if mark == "{":
            return self._inline(path, at)
        match = self._take(_SCALAR, at)
        return at + len(match[0].rstrip())

    def _array(self, path: Path, at: int) -> int:
        at = self._skip(_BLANK, at + 1)
        index = 0
        while not self._text.startswith("]", at):
            item = (*path, index)
            end = self._value(item, at)
            self._lines[item] = self._line(at)
            self._entries.setdefault(item, Entry(item, self._line(at), at, at, end))
            at = self._skip(_BLANK, end)
            if self._text.startswith(",", at):
                at = self._skip(_BLANK, at + 1)
            elif not self._text.startswith("]", at):
                raise ValueError(f"not TOML at line {self._line(at)}")
            index += 1
        return at + 1

    def _inline(self, path: Path, at: int) -> int:
        at = self._skip(_BLANK, at + 1)
        while not self._text.startswith("}", at):
            at = self._skip(_BLANK, self._pair(path, at).end)
            if self._text.startswith(",", at):
                at = self._skip(_BLANK, at + 1)
            elif not self._text.startswith("}", at):
                raise ValueError(f"not TOML at line {self._line(at)}")
        return at + 1


def _unquoted(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    if key[0] == '"':
        if "\\" not in key:
            return key[1:-1]
        import tomllib

        return str(tomllib.loads(f"key = {key}")["key"])
    return key
