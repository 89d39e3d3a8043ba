"""`password = …` → SecretReference: where the password is to be had, or, with a warning, the password itself.

{ env = "CRM_PASSWORD" }   →   SecretReference("env", "CRM_PASSWORD")
"${CRM_PASSWORD}"          →   the same: a whole variable is not expanded now but read when connecting
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedq.catalog.model import SecretReference
from fedq.catalog.reading import Node
from fedq.catalog.secrets import Secret
from fedq.catalog.urls import absolute

SECRETS = ("env", "keyring", "file", "command", "prompt")
_BETTER = 'write { env = "NAME" }, or keyring, file, command or prompt'


def warn_of_literal(node: Node, message: str) -> None:
    """Warn of a secret that is written out, where that is a file."""
    # in code and in the environment a secret may come from anywhere; in a file it certainly stands there to be read
    if node.place.file is not None and node.place.file == node.reading.document.file:
        node.warning(message)


def read_password(node: Node) -> SecretReference | None:
    """The reference, or None when it is wrong, which is then in the node's reading."""
    value = node.value
    if isinstance(value, Secret):
        return SecretReference("literal", value, node.place)
    if isinstance(value, str):
        match = re.fullmatch(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value)
        if match is not None:
            return SecretReference("env", match[1], node.place)
        text = node.text()
        if text is None:
            return None
        warn_of_literal(node, f"the password stands in the file; {_BETTER}")
        return SecretReference("literal", Secret(text), node.place)
    if not isinstance(value, Mapping):
        node.wrong_type(f"a table with one of {', '.join(SECRETS)}")
        return None
    nodes = node.entries(SECRETS)
    if len(nodes) != 1:
        if nodes or not value:  # otherwise the unknown key is the problem, and is noted
            node.problem(f"it must have exactly one of {', '.join(SECRETS)}")
        return None
    ((kind, entry),) = nodes.items()
    found = _secret_value(kind, entry)
    return None if found is None else SecretReference(kind, found, node.place)  # type: ignore[arg-type]  # one of SECRETS


def _secret_value(kind: str, node: Node) -> Any:
    """What a SecretReference of this kind holds, with paths made absolute; None after a problem."""
    directory = node.reading.document.directory
    if kind == "prompt":
        if node.value is True:
            return f"Password of {node.path[1]}: "
        return node.name("the prompt") if isinstance(node.value, str) else node.wrong_type("a text, or true")
    if kind == "command":
        return _command(node, directory)
    text = node.name(f"the {kind}")
    if text is None:
        return None
    if kind == "env" and not re.fullmatch(
        r"[A-Za-z_][A-Za-z0-9_]*", text
    ):  # not repeated: it may be the password itself
        return node.problem("it must be the name of an environment variable")
    if kind == "keyring" and not all(text.rpartition("/")[::2]):
        return node.problem('it must be "service/user"')
    if kind == "file":
        return absolute(text, directory, node.reading.environment.get("HOME"))
    return text


def _command(node: Node, directory: Path) -> tuple[str, ...] | None:
    if isinstance(node.value, str):
        node.problem('it must be a list, such as ["op", "read", "op://vault/crm"]: no shell is used')
        return None
    parts = [entry.text() for entry in node.items()]
    argv = tuple(part for part in parts if part is not None)
    if isinstance(node.value, (list, tuple)) and not (argv and argv[0]):
        node.problem("it must name a program")
    if len(argv) < len(parts) or not (argv and argv[0]):
        return None
    program = str(directory / argv[0]) if "/" in argv[0] else argv[0]
    return (program, *argv[1:])
