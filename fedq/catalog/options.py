"""Connection options: which each kind of database takes, and in which form it gets them.

They stand in `options = { … }` or in the query of the URL, under the same names for every kind of server. It is an
allow-list, because drivers take options that run SQL or read files; `refused.py` has the known ones with their reasons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedq.catalog.model import Kind
from fedq.catalog.reading import Node
from fedq.catalog.refused import refusal
from fedq.catalog.units import DURATION, seconds

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
#: what MySQL's own clients call them
_MYSQL_MODES = {
    "disabled": "disable",
    "preferred": "prefer",
    "required": "require",
    "verify_ca": "verify-ca",
    "verify_identity": "verify-full",
}
_MYSQL_NAMES = {
    "ssl_mode": "sslmode",
    "ssl-mode": "sslmode",
    "ssl_ca": "sslrootcert",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
}


def _duration(node: Node) -> float | None:
    return node.converted(seconds, DURATION)


def _count(node: Node) -> int | None:
    value = int(node.value) if isinstance(node.value, str) and re.fullmatch(r"[0-9]{1,6}", node.value) else node.value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        node.problem("it must be a whole number of at least 1")
        return None
    return value


def _ssl_mode(node: Node) -> str | None:
    text = node.value.lower() if isinstance(node.value, str) else None
    if text in _MYSQL_MODES:
        return _MYSQL_MODES[text]
    return node.choice(SSL_MODES)


def _file(node: Node) -> str | None:
    text = node.name("the path")
    if text is None or text == "system":  # the machine's own certificates
        return text
    path = Path(text).expanduser()
    return str(node.reading.document.directory / path)


def _text(node: Node) -> str | None:
    text = node.name("the name")
    if text is not None and (len(text) > 63 or re.search(r"[\x00-\x1f\x7f]", text)):
        node.problem("it must have at most 63 characters and no control characters")
        return None
    return text


def _charset(node: Node) -> str | None:
    if node.value not in ("utf8", "utf8mb4", "utf-8", "UTF8"):
        node.problem("it must be utf8mb4: with any other, values would change on their way")
    return None


_SSL: dict[str, Callable[[Node], Any]] = {"sslmode": _ssl_mode, "sslrootcert": _file, "sslcert": _file, "sslkey": _file}
_POOL: dict[str, Callable[[Node], Any]] = {"connect_timeout": _duration, "max_connections": _count}

OPTIONS: Mapping[Kind, Mapping[str, Callable[[Node], Any]]] = {
    "postgres": {**_POOL, **_SSL, "application_name": _text, "client_encoding": _charset},
    "mysql": {**_POOL, **_SSL, "application_name": _text, "charset": _charset},
    "sqlite": {"max_connections": _count, "busy_timeout": _duration},
    "duckdb": {"max_connections": _count},
    "files": {},
    "generic": dict(_POOL),
}


def read_options(node: Node, kind: Kind) -> dict[str, Any]:
    """The options of one database of `kind`, checked and converted; anything else is a problem in the reading."""
    known = OPTIONS[kind]
    aliases = _MYSQL_NAMES if kind == "mysql" else {}
    hints = {}
    for key in node.value if isinstance(node.value, Mapping) else ():
        reason = refusal(key, is_generic=kind == "generic") if isinstance(key, str) and key not in known else None
        if reason:
            hints[key] = f"The option {key!r} is refused: {reason}."
    options: dict[str, Any] = {}
    for name, entry in node.entries((*known, *aliases), hints).items():
        name = aliases.get(name, name)
        value = known[name](entry)
        if name in options:
            entry.problem("it is given twice, once under another name")
        elif value is not None:
            options[name] = value
    return options
