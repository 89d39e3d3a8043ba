"""`[databases.NAME]` → Database: URL, password, replicas, options, each checked, nothing secret left in the open.

url = "postgresql://app@db1/crm?sslmode=require"      Database("crm", "postgres", "postgresql://app@db1/crm",
password = { env = "CRM_PASSWORD" }              →             SecretReference("env", …), options={"sslmode":
"require"})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from fedq.catalog.model import Database, OnUnrepresentable, SecretReference
from fedq.catalog.options import OPTIONS, read_options
from fedq.catalog.read_password import read_password, warn_of_literal
from fedq.catalog.reading import Node, shown
from fedq.catalog.suggest import nearest
from fedq.catalog.urls import Address, BadAddress, parse_address

KEYS = ("url", "password", "replicas", "read_only", "schema", "schemas", "options", "on_unrepresentable")
_SERVER_KINDS = ("postgres", "mysql", "generic")
_FROM_VARIABLE = re.compile(r"([A-Za-z][A-Za-z0-9_.+-]*://[^/?@:]*):\$\{([A-Za-z_][A-Za-z0-9_]*)\}@")
_HINTS = {
    "password_env": 'Write password = { env = "NAME" }.',
    "driver": "fedq chooses its driver; the url is enough.",
    "host": "The host is a part of the url.",
    "user": "The user is a part of the url.",
    "database": "The database's name is a part of the url.",
    "shards": "A table is sharded under [tables], not a database.",
    **{option: f"Write options = {{ {option} = … }}." for known in OPTIONS.values() for option in known},
}


def read_databases(node: Node) -> dict[str, Database]:
    """Every database that could be read, by name; what is wrong is in the node's reading."""
    databases: dict[str, Database] = {}
    folded: dict[str, str] = {}
    for name, entry in node.children().items():
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            entry.problem(f"it differs from {twin!r} in case only, and names of databases are the same in any case")
        elif not name or re.search(r'[.+*?"\s\x00-\x1f]', name):
            entry.problem('the name of a database must not be empty and not have . + * ? " or blanks in it')
        else:
            database = _database(name, entry)
            if database is not None:
                databases[name] = database
    return databases


def _database(name: str, node: Node) -> Database | None:
    if isinstance(node.value, str):
        node.problem("it must be a table with a url", hint=f'Write [databases.{name}] and below it url = "…".')
        return None
    nodes = node.entries(KEYS, _HINTS)
    if "url" not in nodes:
        if isinstance(node.value, Mapping):
            node.problem("it has no url")
        return None
    address, password = _address(nodes["url"])
    given = read_password(nodes["password"]) if "password" in nodes else None
    if given is not None and password is not None:
        nodes["password"].problem("the url has a password already")
    replicas, replica_passwords = _replicas(nodes.get("replicas"), address)
    schemas = nodes["schemas"].names("schema") if "schemas" in nodes else ()
    fallback = (
        nodes["on_unrepresentable"].choice(get_args(OnUnrepresentable)) if "on_unrepresentable" in nodes else None
    )
    schema = nodes["schema"].name("the schema") if "schema" in nodes else None
    is_read_only = nodes["read_only"].flag() if "read_only" in nodes else False
    if address is None:
        return None
    if given is not None and address.kind not in _SERVER_KINDS:
        nodes["password"].problem(f"a {address.kind} database has no password")
    secrets = {key: SecretReference("literal", secret, nodes["url"].place) for key, secret in address.secrets.items()}
    return Database(
        name=name,
        kind=address.kind,
        url=address.url,
        password=given or password,
        replicas=replicas,
        read_only=bool(is_read_only),
        schema=schema,
        schemas=schemas,
        options=_options(nodes, address),
        on_unrepresentable=fallback or "error",  # type: ignore[arg-type]  # `choice` has checked it
        place=node.place,
        replica_passwords=replica_passwords,
        secrets=secrets,
    )


def _address(node: Node) -> tuple[Address | None, SecretReference | None]:
    """A URL taken apart, and its password as a reference to where it is to be had."""
    rendered = getattr(node.value, "render_as_string", None)  # a SQLAlchemy URL: its str() hides the password
    value = rendered(hide_password=False) if callable(rendered) else node.value
    reference: SecretReference | None = None
    if isinstance(value, str):
        match = _FROM_VARIABLE.match(value)
        if match is not None:
            # never expanded into the URL: it is read when connecting, and its characters need no encoding
            reference = SecretReference("env", match[2], node.place)
            value = f"{match[1]}@{value[match.end() :]}"
    text = Node(value, node.path, node.reading).text()
    if text is None:
        return None, None
    try:
        address = parse_address(text, node.reading.document.directory, node.reading.environment.get("HOME"))
    except BadAddress as error:
        node.problem(f"the url cannot be used: {error.message}", hint=error.hint, suggestion=error.suggestion)
        return None, None
    if (address.password is not None or address.secrets) and "${" not in str(node.value):
        warn_of_literal(node, "a secret is written in the url; write it as password = { env = … }")
    if address.password is not None:
        reference = SecretReference("literal", address.password, node.place)
    return address, reference


def _replicas(node: Node | None, primary: Address | None) -> tuple[tuple[str, ...], tuple[SecretReference | None, ...]]:
    urls: list[str] = []
    passwords: list[SecretReference | None] = []
    for entry in node.items() if node is not None else ():
        address, password = _address(entry)
        if address is None:
            continue
        if address.options or address.secrets:
            entry.problem(
                "a replica takes the options of its database", hint="Write them under options of the database."
            )
        elif primary is not None and address.kind != primary.kind:
            entry.problem(f"it is of kind {address.kind}, and its database of kind {primary.kind}")
        elif primary is not None and address.url in (primary.url, *urls):
            entry.problem("it is the database itself or there twice")
        else:
            urls.append(address.url)
            passwords.append(password)
    return tuple(urls), tuple(passwords) if any(passwords) else ()


def _options(nodes: dict[str, Node], address: Address) -> dict[str, Any]:
    in_url = read_options(Node(dict(address.options), nodes["url"].path, nodes["url"].reading), address.kind)
    given = read_options(nodes["options"], address.kind) if "options" in nodes else {}
    for name in in_url.keys() & given.keys():
        nodes["options"].child(name).problem("the url has this option already") if name in nodes[
            "options"
        ].value else None
    return {**in_url, **given}


def unknown_database(node: Node, name: str, known: tuple[str, ...]) -> None:
    """Note that no database of this name is in the catalog."""
    if "://" in name:
        node.problem(
            "it must be the name of a database", hint="Give the URL a name under [databases], and write the name here."
        )
    else:
        listed = f"Databases: {', '.join(known)}." if known else "The catalog has no [databases]."
        node.problem(f"there is no database {shown(name)}", hint=listed, suggestion=nearest(name, known))
