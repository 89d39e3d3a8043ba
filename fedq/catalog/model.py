"""The catalog as frozen data: databases, table entries, relations, policy.

It is pure: no connection, no secret's value, nothing that changes. `Catalog -> Catalog` functions make new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from fedq.catalog.suggest import nearest, text_name
from fedq.errors import CatalogError, CatalogWarning

OnCrossDb = Literal["warn", "error", "allow"]
OnUnrepresentable = Literal["error", "null", "text"]
Kind = Literal["postgres", "mysql", "sqlite", "duckdb", "files", "generic", "frames"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written, for error messages: file, 1-based line, dotted key."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        where = f"{self.file or 'catalog'}{f':{self.line}' if self.line else ''}"
        return f"{where} [{self.key}]" if self.key else where


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is to be had, never the secret: `kind` is env, keyring, file, command, prompt or literal."""

    kind: Literal["env", "keyring", "file", "command", "prompt", "literal"]
    value: Any = field(repr=False)
    """Variable name, service/user, path, argv list, prompt text; for `literal` a `Secret` (its repr is masked)."""
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Database:
    """One physical database (or folder of files, or set of DataFrames)."""

    name: str
    kind: Kind
    url: str
    """Without any password: `postgresql://app@pg1/accounts`, `sqlite:////abs/path.db`, an absolute path or glob."""
    password: SecretReference | None = None
    replicas: tuple[str, ...] = ()
    """URLs of copies of the same kind, without passwords."""
    read_only: bool = False
    schema: str | None = None
    """Default schema; None is the database's own (public, the database of the URL, main)."""
    schemas: tuple[str, ...] = ()
    """Further schemas whose tables are found by bare name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Allowed connection options (sslmode, connect_timeout, max_connections, …), already checked: `catalog/options.py`
    lists them per kind; durations are seconds, paths absolute."""
    on_unrepresentable: OnUnrepresentable = "error"
    place: Place = Place()
    replica_passwords: tuple[SecretReference | None, ...] = ()
    """One per replica; None is the database's own password."""
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)
    """Secret parameters taken out of a generic URL's query; `urls.full_url` puts them back when connecting."""

    def password_of(self, replica: int | None = None) -> SecretReference | None:
        """Where to get the password of the primary (None) or of the replica with this index."""
        if replica is None or replica >= len(self.replica_passwords):
            return self.password
        return self.replica_passwords[replica] or self.password


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """What the catalog says of one column of a table."""

    physical: str | None = None
    """Its name in the database, when it differs."""
    type: str | None = None
    """A DuckDB type the column is declared to have."""
    collation: Literal["nocase"] | None = None
    on_unrepresentable: OnUnrepresentable | None = None
    storage: Literal["iso", "unix", "unix_ms", "julian"] | None = None
    """How SQLite stores a date or time."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One line of [tables]: a logical name (or pattern) and where it lives."""

    name: str
    """The logical name, or a pattern with `*` and `?`."""
    database: str
    schema: str | None = None
    table: str | None = None
    """Physical name; None is the logical name."""
    columns: Mapping[str, ColumnEntry] = field(default_factory=dict)
    """By logical column name."""
    key: tuple[str, ...] = ()
    on_unrepresentable: OnUnrepresentable | None = None
    place: Place = Place()

    @property
    def home(self) -> str:
        """Where it lives, as far as the entry says: `crm`, `crm.clients`, `crm.sales.clients`."""
        table = self.table or (self.name if self.schema else None)
        return ".".join(part for part in (self.database, self.schema, table) if part)

    @property
    def is_pattern(self) -> bool:
        """Whether the name stands for many tables."""
        return "*" in self.name or "?" in self.name


@dataclass(frozen=True, slots=True)
class Relation:
    """`from` column(s) → `to` column(s) between two logical tables."""

    name: str
    from_table: str
    from_columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]
    place: Place = Place()

    @property
    def arrow(self) -> str:
        """Its two sides: `invoices.user_id → users.id`."""
        sides = ((self.from_table, self.from_columns), (self.to_table, self.to_columns))
        return " → ".join(f"{table}.{columns[0] if len(columns) == 1 else columns}" for table, columns in sides)


@dataclass(frozen=True, slots=True)
class Policy:
    """What queries may do, unless the call says otherwise."""

    on_cross_db: OnCrossDb = "warn"
    pairs: Mapping[frozenset[str], OnCrossDb] = field(default_factory=dict)
    """Per pair of databases, e.g. {frozenset({"a", "b"}): "error"}."""
    max_pull_rows: int | None = None
    max_pull_bytes: int | None = None
    timeout: float | None = None
    """Seconds."""
    freshness: str = "session"
    local_files: Literal["deny", "allow"] = "deny"
    memory_limit: str | None = None
    """Of the local engine, e.g. "4GB"; None is DuckDB's default."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything fedq knows before it connects."""

    databases: Mapping[str, Database] = field(default_factory=dict)
    tables: Mapping[str, TableEntry] = field(default_factory=dict)
    """By logical name or pattern, in the order written."""
    relations: tuple[Relation, ...] = ()
    policy: Policy = Policy()
    file: str | None = None
    """Absolute path of what it was read from; None for a mapping or for keywords."""
    profile: str | None = None
    warnings: tuple[CatalogWarning, ...] = field(default=(), compare=False, repr=False)
    """What works but is risky; issued once when the catalog is loaded."""

    def __repr__(self) -> str:
        """What there is and where it lives, one line each; no secret is in it."""
        databases = [
            (each.name, f"{each.kind}  {each.url}{'  read only' if each.read_only else ''}")
            for each in self.databases.values()
        ]
        tables = [(each.name, each.home) for each in self.tables.values()]
        relations = [(each.name, each.arrow) for each in self.relations]
        lines = [f"catalog {self.file or 'given in code'}{f', profile {self.profile}' if self.profile else ''}"]
        for title, rows in (("databases", databases), ("tables", tables), ("relations", relations)):
            width = max((len(name) for name, _ in rows), default=0)
            lines += [title, *(f"  {name:<{width}}  {told}" for name, told in rows)] if rows else []
        return "\n".join(lines)

    def database(self, name: str) -> Database:
        """The database of that name, in any case. Raises: CatalogError; ParameterError for what is no name."""
        name = text_name(name, "a database", f"There is {', '.join(self.databases) or 'none'}.")
        spelled = {known.casefold(): known for known in self.databases}.get(name.casefold())
        if spelled is None:
            near = nearest(name, self.databases)
            hint = f"Did you mean {near!r}?" if near else f"There is {', '.join(self.databases) or 'none'}."
            raise CatalogError(f"there is no database {name!r} in the catalog", hint=hint, database=name)
        return self.databases[spelled]

    def entry(self, name: str) -> TableEntry | None:
        """The entry that settles logical table `name`: the exact one, else the first pattern that fits;
        case-insensitive.
        """
        wanted = name.lower()
        exact = self.tables.get(name)
        if exact is not None and not exact.is_pattern:
            return exact
        for entry in self.tables.values():
            if not entry.is_pattern and entry.name.lower() == wanted:
                return entry
        for entry in self.tables.values():
            if entry.is_pattern and fits(entry.name, name):
                return entry
        return None

    def assign(self, name: str, database: str) -> Catalog:
        """A catalog in which `name` (a table or a pattern) lives in `database`; the rest of its entry is kept.

        Raises: CatalogError, ParameterError.
        """
        name = text_name(name, "a table", 'Write the name of a table, or a pattern such as "auth_*".')
        database = self.database(database).name
        spelled = next((key for key in self.tables if key.lower() == name.lower()), name)
        old = self.tables.get(spelled)
        entry = replace(old, database=database) if old else TableEntry(name, database)
        # a new entry goes first, so that it wins over patterns that fit the same names
        others = {key: value for key, value in self.tables.items() if key != spelled}
        return replace(self, tables={spelled: entry, **others})


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    # not fnmatch: it gives `[` a meaning, and `[` may be part of a table's name
    return re.compile(re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def fits(pattern: str, name: str) -> bool:
    """Whether a table's name fits a pattern of `*` (anything) and `?` (one character), whatever the case.

    >>> fits("auth_*", "AUTH_user"), fits("log_202?", "log_20261")
    (True, False)
    """
    return _expression(pattern).fullmatch(name.lower()) is not None
