"""Connection options that are never passed on, each with the reason: with them a URL could do more than connect."""

from __future__ import annotations

_REASONS = {
    "it would run SQL on every new connection": ("init_command", "init_connect"),
    "it changes server settings that fedq's answers depend on": ("options", "server_settings", "sql_mode"),
    "it reads connection settings from another file, which may send the password elsewhere": (
        "read_default_file",
        "read_default_group",
        "service",
        "servicefile",
        "passfile",
    ),
    "it lets the server read this machine's files": ("local_infile", "allow_local_infile"),
    "it loads code into the driver": ("plugin", "plugin_dir", "auth_plugin_map", "cursorclass", "conv"),
    "it allows several statements in one": ("client_flag", "client_flags", "multi_statements"),
    "the host is written before the database's name, in one place only": ("host", "hostaddr", "port"),
    "the user is written before the host, and the database after it": ("user", "dbname", "database"),
    "sockets are not used; the host is written before the database's name": ("unix_socket", "socket", "named_pipe"),
    "write read_only = true beside the url": ("mode", "access_mode"),
}
_REASON = {option: reason for reason, options in _REASONS.items() for option in options}

#: what is dangerous with every driver; of one that fedq does not know, `host` or `service` may mean something harmless
_ANYWHERE = frozenset(
    (
        *("init_command", "init_connect", "read_default_file", "read_default_group", "passfile", "servicefile"),
        *("local_infile", "allow_local_infile", "plugin", "plugin_dir", "multi_statements", "unix_socket"),
    )
)


def refusal(option: str, *, is_generic: bool = False) -> str | None:
    """Why this option is refused, or None; `is_generic` is for drivers that fedq does not know.

    >>> refusal("init_command"), refusal("sslmode")
    ('it would run SQL on every new connection', None)
    """
    name = option.lower().replace("-", "_")
    return None if is_generic and name not in _ANYWHERE else _REASON.get(name)
