"""Raw catalog data read with care: a cursor that knows where it stands, and collects every problem instead of stopping
at the first.

    node.entries(("url", "password"))     a table's nodes by key; any other key is a problem
    node.text()                           its text with ${VAR} expanded, or None and a problem

No message repeats a value from [databases]: a password pasted into the wrong key must not end up in a notebook's
output.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fedq.catalog.document import Document
from fedq.catalog.model import Place
from fedq.catalog.suggest import nearest
from fedq.catalog.toml_lines import Path
from fedq.errors import CatalogError, CatalogWarning

T = TypeVar("T")
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is being read, and what was found to be wrong in it so far."""

    document: Document
    environment: Mapping[str, str] = field(repr=False)
    problems: list[CatalogError] = field(default_factory=list)
    warnings: list[CatalogWarning] = field(default_factory=list)

    @property
    def root(self) -> Node:
        """The whole document."""
        return Node(self.document.data, (), self)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the document."""

    value: Any = field(repr=False)
    path: Path
    reading: Reading = field(repr=False)

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.reading.document.place(self.path)

    @property
    def key(self) -> str:
        """Its last key."""
        return str(self.path[-1]) if self.path else ""

    def problem(self, message: str, *, hint: str | None = None, suggestion: str | None = None) -> None:
        """Note that this is wrong. `message` is about the value; the place is put before it and the suggestion after
        it.
        """
        place = self.place
        if suggestion is not None:
            message += f"; did you mean {suggestion!r}?"
        self.reading.problems.append(
            CatalogError(
                f"{place}: {message}", hint=hint, file=place.file, line=place.line, key=place.key, suggestion=suggestion
            )
        )

    def warning(self, message: str) -> None:
        """Note that this works but is risky."""
        place = self.place
        self.reading.warnings.append(
            CatalogWarning(f"{place}: {message}", file=place.file, line=place.line, key=place.key)
        )

    def wrong_type(self, wanted: str) -> None:
        """Note that the value is not of the type it must have."""
        self.problem(f"it must be {wanted}, not {type_name(self.value)}")

    def child(self, key: str | int) -> Node:
        """The value at a key or position that is known to be there."""
        return Node(self.value[key], (*self.path, key), self.reading)

    def children(self) -> dict[str, Node]:
        """The nodes of a table, whatever its keys."""
        if not isinstance(self.value, Mapping):
            self.wrong_type("a table")
            return {}
        nodes: dict[str, Node] = {}
        for key in self.value:
            if isinstance(key, str):
                nodes[key] = self.child(key)
            else:
                self.problem(f"its keys must be texts, not {type_name(key)}")
        return nodes

    def entries(self, known: Collection[str], hints: Mapping[str, str] | None = None) -> dict[str, Node]:
        """The nodes of a table that may have the `known` keys; `hints` say what to do about some of the others."""
        nodes = self.children()
        for key in [key for key in nodes if key not in known]:
            hint = (hints or {}).get(key)
            suggestion = None if hint else nearest(key, known)
            listed = None if hint or suggestion else f"Known here: {', '.join(known)}."
            nodes.pop(key).problem("this key is unknown", hint=hint or listed, suggestion=suggestion)
        return nodes

    def items(self) -> list[Node]:
        """The nodes of a list."""
        if not isinstance(self.value, (list, tuple)):
            self.wrong_type("a list")
            return []
        return [self.child(index) for index in range(len(self.value))]

    def text(self) -> str | None:
        """A text with `${VAR}` replaced by the environment's, `$${` by `${`; a path is taken as its text."""
        value = os.fspath(self.value) if isinstance(self.value, os.PathLike) else self.value
        if not isinstance(value, str):
            self.wrong_type("a text")
            return None
        return self._expanded(value) if "${" in value else value

    def _expanded(self, value: str) -> str | None:
        missing: list[str] = []

        def _expansion(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            name = match[1]
            if not match[2] or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                missing.append("what follows ${ is not a variable's name and a }; a plain ${ is written $${")
            elif name not in self.reading.environment:
                missing.append(f"the environment variable {name} is not set")
            return self.reading.environment.get(name, "")

        result = _VARIABLE.sub(_expansion, value)
        for message in missing[:1]:
            self.problem(message)
        return None if missing else result

    def name(self, what: str) -> str | None:
        """A text that is not empty."""
        text = self.text()
        if text is not None and not text.strip():
            self.problem(f"{what} must not be empty")
            return None
        return text

    def names(self, what: str) -> tuple[str, ...]:
        """One text, or a list of texts; each once."""
        nodes = [self] if isinstance(self.value, str) else self.items()
        found = tuple(text for text in (node.name(what) for node in nodes) if text is not None)
        if len(set(found)) < len(found):
            self.problem(f"it has a {what} twice")
        if isinstance(self.value, (list, tuple)) and not self.value:
            self.problem(f"it must have at least one {what}")
        return found

    def flag(self) -> bool | None:
        """True or false."""
        if (
            isinstance(self.value, str)
            and self.value.lower() in ("true", "false")
            and self.place.file != self.reading.document.file
        ):
            return self.value.lower() == "true"  # from the environment, where everything is text
        if not isinstance(self.value, bool):
            self.wrong_type("true or false")
            return None
        return self.value

    def choice(self, options: Iterable[str]) -> str | None:
        """One of the `options`."""
        text = self.text()
        known = tuple(options)
        if text is None or text in known:
            return text
        self.problem(f"it must be one of {', '.join(known)}", suggestion=nearest(text, known))
        return None

    def converted(self, convert: Callable[[Any], T], wanted: str) -> T | None:
        """The value as `convert` makes it; its ValueError, which may repeat the value, becomes: it must be `wanted`."""
        value = self.text() if isinstance(self.value, str) else self.value
        if value is None:
            return None
        try:
            return convert(value)
        except ValueError:
            self.problem(f"it must be {wanted}")
            return None


def type_name(value: object) -> str:
    """What TOML calls the type of a value."""
    if isinstance(value, bool):
        return "true or false"
    names = (
        (str, "a text"),
        (int, "a whole number"),
        (float, "a number"),
        (Mapping, "a table"),
        ((list, tuple), "a list"),
        ((dt.date, dt.time), "a date or time"),
        (type(None), "nothing"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), f"a Python {type(value).__name__}")


def shown(text: str) -> str:
    """A name from the catalog as messages repeat it; what looks like a URL or is very long is not repeated."""
    return repr(text) if "://" not in text and "@" not in text and len(text) <= 60 else "this text"
