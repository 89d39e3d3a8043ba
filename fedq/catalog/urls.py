"""A database's URL taken apart: its kind, the URL without anything secret, the secrets, and the connection options.

    postgresql+psycopg://app:s3%40t@db1/crm?sslmode=require
    → Address("postgres", "postgresql://app@db1/crm", password=Secret('***'), options={"sslmode": "require"})

SQLAlchemy's parser is not used: it comes with a heavy import, masks only the password's own field when it shows a URL,
and takes `p@ss` for a password and a host. What is odd is refused here with the reason, and no message holds a part of
the URL that could be secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedq.catalog.model import Kind
from fedq.catalog.refused import refusal
from fedq.catalog.secrets import Secret
from fedq.catalog.suggest import nearest

#: scheme without driver → kind
_SERVERS: dict[str, Kind] = {"postgresql": "postgres", "postgres": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_LOCAL: dict[str, Kind] = {"sqlite": "sqlite", "duckdb": "duckdb"}
_CANONICAL = {"postgres": "postgresql", "mysql": "mysql"}
_REMOTE_FILES = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "r2", "hf", "hdfs", "ftp", "sftp")
#: names of SQLAlchemy dialects that are close to one of fedq's but no slip of the pen
_OTHERS = (
    "mssql",
    "redshift",
    "oracle",
    "cockroachdb",
    "trino",
    "snowflake",
    "bigquery",
    "clickhouse",
    "access",
    "hive",
    "db2",
)

_SUFFIXES: dict[str, Kind] = {
    ".db": "sqlite", ".db3": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb", ".ddb": "duckdb",
}  # fmt: skip
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_.+-]*)://")
_PASSWORD_KEYS = ("password", "passwd", "pwd")
_SECRET_KEY = re.compile(r"password|passwd|pwd|token|secret|key|credential|passphrase", re.IGNORECASE)
_NOT_SECRET = ("sslkey", "ssl_key", "key_id", "sslrootcert")  # paths and names, not the secret itself
_ODBC_PASSWORD = re.compile(r";?\s*(?:PWD|PASSWORD)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)", re.IGNORECASE)
_ODBC = "odbc_connect"
_ENCODE = (
    "In a URL, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25; "
    "or give the password by itself: password = { env = … }."
)


class BadAddress(ValueError):
    """A URL that cannot be used: the reason and what to do, never a part of the URL that could be secret."""

    def __init__(self, message: str, hint: str | None = None, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.suggestion = message, hint, suggestion


@dataclass(frozen=True, slots=True)
class Address:
    """A URL's parts."""

    kind: Kind
    url: str
    """Without secrets and, where fedq knows the kind, without options."""
    password: Secret | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Secret parameters of a generic URL's query, by name; `odbc_connect.PWD` is the one inside `odbc_connect`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The query of a URL whose kind fedq knows; not checked yet."""


def kind_of(url: Any) -> Kind | None:
    """The kind that a URL or path says it is, without looking further; None when it does not say (`${CRM_URL}`)."""
    text = os.fspath(url) if isinstance(url, (str, os.PathLike)) else None
    if not isinstance(text, str) or text.startswith("${"):
        return None
    match = _SCHEME.match(text)
    if match is None or match[1].lower() == "file":
        return _SUFFIXES.get(Path(text).suffix.lower(), "files")
    base = match[1].lower().partition("+")[0]
    return _SERVERS.get(base) or _LOCAL.get(base) or "generic"


def parse_address(text: str, directory: Path, home: str | None = None) -> Address:
    """A URL, path or glob as an Address; relative paths are relative to `directory`.

    >>> address = parse_address("mysql+pymysql://app:pw@db2:3306/shop?charset=utf8mb4", Path("/srv"))
    >>> address.kind, address.url, address.password, address.options
    ('mysql', 'mysql://app@db2:3306/shop', Secret('***'), {'charset': 'utf8mb4'})
    >>> parse_address("data/*.parquet", Path("/srv")).url
    '/srv/data/*.parquet'

    Raises: BadAddress.
    """
    if not text.strip():
        raise BadAddress("it is empty", 'Write "postgresql://user@host/database", a path or a glob.')
    if re.search(r"[\x00-\x1f\x7f]", text) or text != text.strip():
        raise BadAddress("it has a control character, or blanks around it")
    match = _SCHEME.match(text)
    if match is None:
        _refuse_near_url(text)
        return _path(text, directory, home)
    scheme, rest = match[1].lower(), text[match.end() :]
    base = scheme.partition("+")[0]
    if scheme == "file":
        return _path(_decode(rest), directory, home)
    if base in _LOCAL:
        return _local(_LOCAL[base], rest, directory, home)
    if base in _REMOTE_FILES:
        raise BadAddress(
            f"{base}:// is not read: files must be on this machine", "Copy them, or mount the store as a folder."
        )
    if base in _SERVERS:
        return _server(_SERVERS[base], rest)
    known = (*_SERVERS, *_LOCAL)
    close = nearest(base, known) if base not in _OTHERS else None
    if close is not None:
        raise BadAddress(f"there is no kind of database {base!r}", suggestion=close)
    return _generic(scheme, rest)


def _refuse_near_url(text: str) -> None:
    if "://" in text:
        raise BadAddress(
            "what stands before :// is no scheme", 'Write "postgresql://user@host/database", without jdbc: or the like.'
        )
    if re.match(rf"(?:{'|'.join((*_SERVERS, *_LOCAL))})(?:\+\w+)?:", text, re.IGNORECASE):
        raise BadAddress("a scheme is followed by //", 'Write "postgresql://user@host/database".')
    if "@" in text and "/" in text.partition("@")[2] and ":" in text.partition("@")[0]:
        raise BadAddress("it has no scheme", 'Write "postgresql://user@host/database" or "mysql://user@host/database".')


def _path(text: str, directory: Path, home: str | None) -> Address:
    path = absolute(text, directory, home)
    kind = _SUFFIXES.get(Path(text).suffix.lower(), "files")
    if kind == "files":
        return Address("files", path)
    if re.search(r"[*?\[]", Path(text).name):
        raise BadAddress("a glob of database files is not one database", "Name every file as a database of its own.")
    return Address(kind, f"{kind}:///{path}")


def absolute(text: str, directory: Path, home: str | None) -> str:
    """A path as written in the catalog: relative to `directory`, `~/` is the home."""
    if text == "~" or text.startswith("~/"):
        text = (home or str(Path.home())) + text[1:]
    return str(directory / text)


def _local(kind: Kind, rest: str, directory: Path, home: str | None) -> Address:
    authority, slash, path = rest.partition("/")
    path, _, query = path.partition("?")
    if authority.partition("?")[0]:
        raise BadAddress(
            f"{kind}:// is followed by a host",
            f'A file has three slashes: "{kind}:///folder/file.db", four when absolute.',
        )
    if not slash or not path or path == ":memory:":
        raise BadAddress(
            "a database in memory is empty when fedq connects", "Give a file, or pass DataFrames: frames={…}."
        )
    return Address(kind, f"{kind}:///{absolute(path, directory, home)}", options=dict(_pairs(query)))


def _server(kind: Kind, rest: str) -> Address:
    user, password, host, tail, query = _split(rest)
    if tail.count("/") > 1 or "#" in tail:
        raise BadAddress("the database's name has a / or # in it", "Write it as %2F or %23 if the name really has one.")
    options: dict[str, str] = {}
    for key, value in _pairs(query):
        if key.lower() in _PASSWORD_KEYS:
            password = _only(password, value)
        elif key in options:
            raise BadAddress(f"its parameter {key!r} is there twice")
        else:
            options[key] = value
    who = f"{user}@" if user else ""
    return Address(kind, f"{_CANONICAL[kind]}://{who}{host}{tail}", _secret(password), options=options)


def _generic(scheme: str, rest: str) -> Address:
    user, password, host, tail, query = _split(rest, is_strict=False)
    kept: list[str] = []
    secrets: dict[str, Secret] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        key, value = _decode_plus(key), _decode_plus(value)
        reason = refusal(key, is_generic=True)
        if reason:
            raise BadAddress(f"its parameter {key!r} is refused: {reason}")
        if key.lower() in _PASSWORD_KEYS:
            password = _only(password, value)
        elif key.lower() == _ODBC:
            found = _ODBC_PASSWORD.search(value)
            if found:
                secrets[f"{_ODBC}.PWD"] = Secret(found[1])
                value = value[: found.start()] + value[found.end() :]
            kept.append(f"{key}={_encode(value)}")
        elif _SECRET_KEY.search(key) and key.lower() not in _NOT_SECRET:
            secrets[key] = Secret(value)
        else:
            kept.append(pair)
    who = f"{user}@" if user else ""
    url = f"{scheme}://{who}{host}{tail}" + ("?" + "&".join(kept) if kept else "")
    return Address("generic", url, _secret(password), secrets)


def _split(rest: str, *, is_strict: bool = True) -> tuple[str, str | None, str, str, str]:
    """`user:password@host:port/name?query` → user as written, password decoded, host and port, /name, query."""
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, (tail, _, query) = rest[:end], rest[end:].partition("?")
    credentials, at, host = authority.rpartition("@")
    # an @ too many, or one after the host: a character of the password that is not percent-encoded
    stray = "@" in credentials or "@" in tail or any("@" in pair and "=" not in pair for pair in query.split("&"))
    stray = stray or ("@" in query and (is_strict or (not at and ":" in authority)))
    if stray:
        raise BadAddress("it has an @ in the wrong place, as when a password holds one of @ : / ? # %", _ENCODE)
    user, colon, password = credentials.partition(":")
    _decode(user)
    if is_strict or host:
        _check_host(host, has_user=bool(at))
    return user, _decode(password) if colon else None, host, tail, query


def _check_host(host: str, *, has_user: bool) -> None:
    if not host and not has_user:
        return  # the driver's own default, as in postgresql:///crm
    if "," in host:
        raise BadAddress("it has several hosts", "Give one, and the others as replicas = [ … ].")
    if "%" in host:
        raise BadAddress(
            "its host is percent-encoded, as a socket's path is", "Give a host name or address; sockets are not used."
        )
    name, port = host, None
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]{1,5}))?", host)
    if match is not None:
        name, port = match[1], match[2]
    if match is None or (port is not None and not 0 < int(port) < 65536):
        raise BadAddress("its port is not a number from 1 to 65535", _ENCODE)
    if not name.startswith("[") and not re.fullmatch(r"[\w.-]*", name):
        raise BadAddress("its host is not a host name", _ENCODE)


def _only(password: str | None, value: str) -> str:
    if password is not None:
        raise BadAddress("it has two passwords", "Give one, best outside of the URL: password = { env = … }.")
    return value


def _secret(password: str | None) -> Secret | None:
    return Secret(password) if password else None


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(_decode_plus(key), _decode_plus(value)) for key, _, value in pairs]


def _decode_plus(text: str) -> str:
    return _decode(text.replace("+", " "))


def _decode(text: str) -> str:
    """Percent-decoded; a `%` that begins no escape is refused, since guessing would connect with another password."""
    if "%" not in text:
        return text
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise BadAddress("it has a % that is not followed by two hexadecimal digits", _ENCODE)
    octets = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadAddress("what its % escapes mean is not UTF-8 text", _ENCODE) from None


def _encode(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def full_url(url: str, password: str | None = None, secrets: Mapping[str, str] | None = None) -> str:
    """The URL with what `parse_address` took out of it, for a driver that wants one text. It is a secret: never show
    it.

    >>> full_url("mssql+pyodbc://sa@host/db?driver=x", "p@ss", {"token": "t"})
    'mssql+pyodbc://sa:p%40ss@host/db?driver=x&token=t'
    """
    if password is not None:
        scheme, _, rest = url.partition("://")
        end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        user, _, host = rest[:end].rpartition("@")
        url = f"{scheme}://{user}:{_encode(password)}@{host}{rest[end:]}"
    for key, value in (secrets or {}).items():
        if key == f"{_ODBC}.PWD":
            match = re.search(rf"{_ODBC}=[^&]*", url, re.IGNORECASE)
            at = match.end() if match else len(url)
            url = url[:at] + _encode(f";PWD={value}") + url[at:]
        else:
            url += ("&" if "?" in url else "?") + f"{_encode(key)}={_encode(value)}"
    return url
