"""`[tables]` → TableEntry: where a logical table, or every table that fits a pattern, lives.

users = "accounts"                                   TableEntry("users", "accounts")
users = "accounts.public.auth_user"             →    TableEntry("users", "accounts", "public", "auth_user")
bills = { database = "billing", key = "id" }         TableEntry("bills", "billing", key=("id",))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from fedq.catalog.model import ColumnEntry, OnUnrepresentable, TableEntry
from fedq.catalog.read_databases import unknown_database
from fedq.catalog.reading import Node, shown
from fedq.catalog.suggest import nearest
from fedq.types import MOST_DIGITS, parse_type

KEYS = ("database", "schema", "table", "columns", "key", "on_unrepresentable")
_SHARDING = ("shards", "by", "bounds", "values")
COLUMN_KEYS = ("name", "type", "collation", "on_unrepresentable", "storage")
_NO_DOTS = "the name of a table has no dots"
_RIGHT = 'The schema goes to the right: users = "database.schema.users".'
STORAGES = ("iso", "unix", "unix_ms", "julian")
_TYPES = (
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "DECIMAL",
    "FLOAT",
    "DOUBLE",
    "VARCHAR",
    "BLOB",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "INTERVAL",
    "UUID",
    "JSON",
    "TEXT",
    "NUMERIC",
    "INT",
    "STRING",
    "DATETIME",
)


def read_tables(node: Node, databases: tuple[str, ...]) -> dict[str, TableEntry]:
    """Every entry that could be read, in the order written; `databases` are the names there are."""
    tables: dict[str, TableEntry] = {}
    folded: dict[str, str] = {}
    for name, child in node.children().items():
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            child.problem(f"it differs from {shown(twin)} in case only, and names of tables are the same in any case")
        elif _has_good_name(name, child):
            entry = _entry(name, child, databases)
            if entry is not None:
                tables[name] = entry
    return tables


def _has_good_name(name: str, node: Node) -> bool:
    if not name.strip() or "\0" in name:
        node.problem("the name of a table must not be empty")
    elif "." in name:
        node.problem(
            "the name of a table has no dots", hint='The schema goes to the right: users = "database.schema.users".'
        )
    elif re.search(r"[*?]", name) and re.search(r"[{}\[\]]", name):
        node.problem("a pattern has * and ? only", hint="Write one line for every alternative.")
    else:
        return True
    return False


def _entry(name: str, node: Node, databases: tuple[str, ...]) -> TableEntry | None:
    if isinstance(node.value, str):
        return _short(name, node, databases)
    if not isinstance(node.value, Mapping):
        node.wrong_type('a text such as "database" or a table with a database')
        return None
    if any(key in node.value for key in _SHARDING):
        at = node.child(next(key for key in _SHARDING if key in node.value))
        at.problem("sharded tables are not available yet", hint="Give the table one database for now.")
        return None
    if node.value and not any(key in (*KEYS, "db") or nearest(str(key), KEYS) for key in node.value):
        for entry in node.children().values():  # public.users = "crm" is a table in TOML
            entry.problem(_NO_DOTS, hint=_RIGHT)
        return None
    nodes = node.entries((*KEYS, "db"))
    if "db" in nodes and "database" in nodes:
        nodes["db"].problem("database is there too; they mean the same")
        return None
    return _long(name, node, nodes, databases)


def _short(name: str, node: Node, databases: tuple[str, ...]) -> TableEntry | None:
    text = node.name("the database")
    if text is None:
        return None
    if "://" in text:
        unknown_database(node, text, databases)
        return None
    parts = text.split(".")
    if len(parts) > 3 or not all(parts):
        node.problem(
            'it must be "database", "database.table" or "database.schema.table"',
            hint="A table whose name has dots: { database = …, table = … }.",
        )
        return None
    database = _known(node, parts[0], databases)
    entry = TableEntry(name, database or "", place=node.place)
    if len(parts) > 1 and entry.is_pattern:
        node.problem(
            "a pattern is assigned to a database, not to one table",
            hint="A schema for all: { database = …, schema = … }.",
        )
        return None
    if database is None:
        return None
    table = parts[-1] if len(parts) > 1 else None
    return TableEntry(name, database, parts[1] if len(parts) == 3 else None, table, place=node.place)


def _known(node: Node, name: str, databases: tuple[str, ...]) -> str | None:
    """The database as it is spelled under [databases]."""
    for known in databases:
        if known.casefold() == name.casefold():
            return known
    unknown_database(node, name, databases)
    return None


def _long(name: str, node: Node, nodes: dict[str, Node], databases: tuple[str, ...]) -> TableEntry | None:
    where = nodes.get("database") or nodes.get("db")
    if where is None:
        node.problem("it has no database")
    database = where.name("the database") if where is not None else None
    known = _known(where, database, databases) if where is not None and database is not None else None
    columns = _columns(nodes["columns"]) if "columns" in nodes else {}
    fallback = (
        nodes["on_unrepresentable"].choice(get_args(OnUnrepresentable)) if "on_unrepresentable" in nodes else None
    )
    entry = TableEntry(
        name,
        known or "",
        schema=nodes["schema"].name("the schema") if "schema" in nodes else None,
        table=nodes["table"].name("the table") if "table" in nodes else None,
        columns=columns,
        key=nodes["key"].names("column") if "key" in nodes else (),
        on_unrepresentable=fallback,  # type: ignore[arg-type]  # `choice` has checked it
        place=node.place,
    )
    if entry.is_pattern and "table" in nodes:
        nodes["table"].problem("a pattern stands for many tables, so it has no table of its own")
        return None
    return entry if known else None


def _columns(node: Node) -> dict[str, ColumnEntry]:
    columns: dict[str, ColumnEntry] = {}
    owners: dict[str, str] = {}
    for name, child in node.children().items():
        entry = _column(child)
        if entry is None:
            continue
        owner = owners.setdefault(entry.physical or name, name)
        if owner != name:
            child.problem(f"the column {shown(entry.physical or name)} is {shown(owner)} already")
            continue
        columns[name] = entry
    return columns


def _column(node: Node) -> ColumnEntry | None:
    if isinstance(node.value, str):
        name = node.name("the column")
        return None if name is None else ColumnEntry(physical=name)
    nodes = node.entries(COLUMN_KEYS)
    found: dict[str, Any] = {
        "physical": nodes["name"].name("the column") if "name" in nodes else None,
        "type": _type(nodes["type"]) if "type" in nodes else None,
        "collation": nodes["collation"].choice(("nocase",)) if "collation" in nodes else None,
        "on_unrepresentable": (
            nodes["on_unrepresentable"].choice(get_args(OnUnrepresentable)) if "on_unrepresentable" in nodes else None
        ),
        "storage": nodes["storage"].choice(STORAGES) if "storage" in nodes else None,
    }
    return ColumnEntry(**found)


def _type(node: Node) -> str | None:
    text = node.name("the type")
    if text is None:
        return None
    type_ = parse_type(text)
    is_nested = re.search(r"\[\d*\]$", text) or re.match(
        r"\s*(?:struct|map|union|enum|list|array)\s*\(", text, re.IGNORECASE
    )
    if type_.family == "other" and not is_nested:
        bare = text.partition("(")[0].strip().upper()
        node.problem(f"there is no type {shown(text)}", suggestion=nearest(bare, _TYPES))
        return None
    if type_.name == "DECIMAL" and not 0 <= (type_.scale or 0) <= (type_.precision or 0) <= MOST_DIGITS:
        node.problem("a DECIMAL has at most 38 digits, and no more of them after the point than in all")
        return None
    return text if is_nested else str(type_)
