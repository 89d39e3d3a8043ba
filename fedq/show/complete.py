"""Tab in `%fedq` and `%%fedq`: tables, columns, options, without ever making the user wait for a database.

Names are asked for in a thread; Tab takes what is there after 50 ms, and the rest the next time. It goes through
IPython's own completer, so JupyterLab, the terminal and VS Code have it without an extension.
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from fedq.show.notebook_names import is_data_frame
from fedq.show.options import BY_FLAG, OPTIONS
from fedq.show.suggest import Suggestion, starting_with, suggest

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from fedq.federation import Federation

BUDGET = 0.05
"""Seconds that Tab may take for names."""
FRESH = 30.0
"""Seconds after which names are asked for again."""
COMMANDS = (":tables", ":columns", ":databases", ":check", ":help", ":connect")

_LINE = re.compile(r"\s*(?:[^\W\d][\w., ]*=\s*)?%fedq(?=\s|\Z)")
_CELL = re.compile(r"\s*%%fedq(?=\s|\Z)")
_SIMPLE = (str, int, float, list, tuple, set)


class KnownNames:
    """Names of one shell's default federation, fetched in the background and kept for a while."""

    def __init__(self, find: Callable[[], Federation], variables: Callable[[], Mapping[str, Any]]) -> None:
        self._find, self._variables = find, variables
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], tuple[float, Any]] = {}
        self._asked: dict[tuple[Any, ...], threading.Event] = {}
        self._deadline = 0.0

    def begin(self) -> None:
        """A new Tab: the budget starts."""
        self._deadline = time.monotonic() + BUDGET

    def databases(self) -> Sequence[str]:
        """Names of the databases, from the catalog."""
        return list(self._find().catalog.databases)

    def tables(self) -> Mapping[str, str]:
        """Tables with their databases: those of the catalog at once, the databases' own when they have answered."""
        fed = self._find()
        tables = {entry.name: _database(entry) for entry in fed.catalog.tables.values() if not entry.is_pattern}
        listed = self._ask(
            ("tables", id(fed.catalog)), lambda: [(row[0], row[1]) for row in fed.tables().rows() if row[0]]
        )
        return {**dict(listed or ()), **tables}

    def columns(self, table: str) -> Sequence[str]:
        """Columns of a table; none while its database has not answered."""
        frame = self._variables().get(table)
        if frame is not None and is_data_frame(frame):
            names = frame.column_names if hasattr(frame, "column_names") else frame.columns
            return [str(name) for name in names]
        fed = self._find()
        key = ("columns", id(fed.catalog), table.lower())
        return self._ask(key, lambda: [row[0] for row in fed.columns(table).rows()]) or ()

    def variables(self) -> Mapping[str, str]:
        """The notebook's variables that a query can use."""
        found = {}
        for name, value in self._variables().items():
            if name.startswith("_") or name in ("In", "Out"):
                continue
            if is_data_frame(value):
                found[name] = "frame"
            elif isinstance(value, _SIMPLE) or type(value).__module__ in ("datetime", "decimal", "uuid"):
                found[name] = "parameter"
        return found

    def _ask(self, key: tuple[Any, ...], question: Callable[[], Any]) -> Any:
        """The answer if it comes within the budget, else the last one known."""
        with self._lock:
            when, known = self._known.get(key, (0.0, None))
            if time.monotonic() - when < FRESH and when:
                return known
            answered = self._asked.get(key)
            if answered is None:
                answered = self._asked[key] = threading.Event()
                threading.Thread(target=self._answer, args=(key, question), name="fedq-complete", daemon=True).start()
        if known is None:
            answered.wait(max(0.0, self._deadline - time.monotonic()))
        with self._lock:
            return self._known.get(key, (0.0, None))[1]

    def _answer(self, key: tuple[Any, ...], question: Callable[[], Any]) -> None:
        try:
            answer = question()
        except Exception:  # a table that does not exist, a server that is down: nothing to suggest
            answer = self._known.get(key, (0.0, None))[1]
        with self._lock:
            self._known[key] = (time.monotonic(), answer)
            self._asked.pop(key).set()


def _database(entry: Any) -> str:
    return str(getattr(entry, "database", None) or "")


def register(shell: InteractiveShell) -> Any:
    """Add fedq's completion to a shell; returns the matcher, to be removed from `shell.Completer.custom_matchers`."""

    def _find() -> Federation:
        from fedq import federation

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is risky in the catalog is said when a query runs
            return federation.default()

    names = KnownNames(_find, lambda: shell.user_ns)

    def _matcher(context: CompletionContext) -> SimpleMatcherResult:
        names.begin()
        try:
            found = complete(context.full_text, context.cursor_line, context.cursor_position, names)
        except Exception:  # Tab never shows a traceback
            found = ("", [])
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, suggestions = found
        return {
            "completions": [SimpleCompletion(item.text, type=item.kind) for item in suggestions],
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": True,
        }

    decorated = context_matcher(priority=1000, identifier="fedq.matcher")(_matcher)
    shell.Completer.custom_matchers.append(decorated)
    return decorated


def complete(text: str, line: int, column: int, names: KnownNames) -> tuple[str, list[Suggestion]] | None:
    """The unfinished word at a place of a cell and what it could become; None where the text is not fedq's."""
    lines = text.split("\n")
    magic = _CELL.match(text)
    if magic:
        before = "\n".join([*lines[:line], lines[line][:column]])
        after = "\n".join([lines[line][column:], *lines[line + 1 :]])
        start = magic.end()
        if len(before) < start:
            return None
        head, newline, body = before[start:].partition("\n")
        return suggest(_sql_of(head)[0] + newline + body, after, names) if newline else _in_line(head, after, names)
    found = _LINE.match(lines[line])
    if found is None or column < found.end():
        return None
    return _in_line(lines[line][found.end() : column], lines[line][column:], names)


def _in_line(head: str, after: str, names: KnownNames) -> tuple[str, list[Suggestion]]:
    """The first line of a magic: options, commands, a name, then SQL."""
    sql, open_option, word = _sql_of(head)
    if open_option is not None:
        return word, starting_with(word, _values_of(open_option, names), "value")
    if word.startswith("-") and not sql.strip():
        return word, starting_with(word, [option.flag for option in OPTIONS], "option")
    command = re.match(r"\s*(:\w*)(\s+)?(\S*)\Z", sql)
    if command and not command[2]:
        return command[1], starting_with(command[1], COMMANDS, "command")
    if command:
        tables = names.tables() if command[1] == ":columns" else ()
        return command[3], starting_with(command[3], tables, "table")
    parameter = re.search(r"(?<![\w:\])]):(\w*)\Z", sql)
    if parameter:
        return parameter[1], starting_with(parameter[1], names.variables(), "variable")
    return suggest(sql, after, names)


def _sql_of(head: str) -> tuple[str, str | None, str]:
    """The SQL on a magic's first line, the option that waits for its value, and the unfinished word."""
    at = 0
    while match := re.compile(r"\s*(--?[A-Za-z][\w-]*)(=|\s+|\Z)").match(head, at):
        if not match[2]:
            return "", None, match[1]
        option = BY_FLAG.get(match[1])
        at = match.end()
        if option is not None and option.metavar:
            value = re.compile(r"""("[^"]*"|'[^']*'|[^\s"']*)(\s*)""").match(head, at)
            assert value is not None  # it can be empty
            if not value[2]:
                return "", option.flag, value[1]
            at = value.end()
    return re.sub(r"\A\s*[^\W\d]\w*\s*<<", "", head[at:]), None, ""


def _values_of(flag: str, names: KnownNames) -> Sequence[str]:
    option = BY_FLAG[flag]
    if option.choices:
        return option.choices
    return names.databases() if flag in ("--using", "--native") else ()
